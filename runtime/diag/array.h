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
 * Makes room for one more element. Returns false without memory: then the caller leaves the element
 * out.
 */
static inline bool grow_array(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 64 : *room * 2;
	void *bigger;

	if (count < *room)
		return true;
	bigger = leat_os_alloc(more * size, 0);
	if (bigger == NULL)
		return false;
	if (count > 0)
		memcpy(bigger, *array, count * size);
	leat_os_free(*array);
	*array = bigger;
	*room = more;
	return true;
}

#endif
