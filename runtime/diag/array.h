/*
 * runtime/diag/array.h: arrays that grow.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_ARRAY_H
#define LEAT_RUNTIME_DIAG_ARRAY_H

#include "runtime/os/os.h"

#include <string.h>

/*
 * Makes room for `more` elements behind the first `count`. Returns false without memory: then the
 * caller leaves them out.
 */
static inline bool grow_array_by(void **array, size_t count, size_t more, size_t *room, size_t size)
{
	size_t larger = *room == 0 ? 64 : *room;
	void *bigger;

	if (count + more <= *room)
		return true;
	while (larger < count + more)
		larger *= 2;
	bigger = leat_os_alloc(larger * size, 0);
	if (bigger == NULL)
		return false;
	if (count > 0)
		memcpy(bigger, *array, count * size);
	leat_os_free(*array);
	*array = bigger;
	*room = larger;
	return true;
}

/* The same for one more. */
static inline bool grow_array(void **array, size_t count, size_t *room, size_t size)
{
	return grow_array_by(array, count, 1, room, size);
}

#endif
