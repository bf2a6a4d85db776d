/*
 * tools/leat/flow/value.h: the small values of the command line: numbers, durations, rates.
 *
 * Each reads the whole of a text and answers 0; -EINVAL for a text that is none; -ERANGE for one
 * that is too large.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_VALUE_H
#define LEAT_TOOLS_LEAT_FLOW_VALUE_H

#include <stdint.h>

/* "1000", "10k", "2M", "1G": decimal, suffixes in thousands. No sign. */
int leat_value_number(const char *text, uint64_t *number);

/* "500us", "100ms", "1.5s", "2m", "1h", "10ns": a unit is needed. Up to a hundred years. */
int leat_value_time(const char *text, int64_t *ns);

/* "1000/s", "10/m", "5k/s": so many in so many nanoseconds. */
int leat_value_rate(const char *text, uint64_t *number, int64_t *ns);

#endif
