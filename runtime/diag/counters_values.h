/*
 * runtime/diag/counters_values.h: what each value of a counters file is, and where it is in a
 * snapshot.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_COUNTERS_VALUES_H
#define LEAT_RUNTIME_DIAG_COUNTERS_VALUES_H

#include <leat/counters.h>

struct leat_counters_value {
	const char *name; /* NULL: there is none */
	enum leat_counters_type type;
	uint16_t offset, size; /* in the structure of leat/stat.h: 1, 4 or 8 bytes */
	bool is_signed;
};

/* The values of a kind, and how many; NULL and 0 for another number. */
const struct leat_counters_value *leat_counters_values(unsigned kind, unsigned *count);
/* Copies them from the structure of leat/stat.h for that kind. */
void leat_counters_read_values(uint64_t *values, unsigned kind, const void *stat);
/* The same back; members that are no values stay. Values may be any numbers. */
void leat_counters_write_values(void *stat, unsigned kind, const uint64_t *values);

#endif
