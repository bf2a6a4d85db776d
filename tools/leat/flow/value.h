/*
 * tools/leat/flow/value.h: the values of the command line: numbers, times, rates,
 * percentages.
 *
 * Each function reads the whole of a text, and returns 0; -EINVAL if the text is not of its form;
 * -ERANGE if the value is too large.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_VALUE_H
#define LEAT_TOOLS_LEAT_FLOW_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* "1000", "10k", "2M", "1G": decimal, without a sign; k, M and G are powers of 1000. */
int leat_value_number(const char *text, uint64_t *number);

/* "500us", "100ms", "1.5s", "2m", "1h", "10ns": with a unit; up to a hundred years. */
int leat_value_time(const char *text, int64_t *ns);

/* "1000/s", "10/m", "5k/s": *number items in *ns nanoseconds. */
int leat_value_rate(const char *text, uint64_t *number, int64_t *ns);

/*
 * "50,99.9,max": percentages from 0 to 100 with up to six decimals, and the words min and max;
 * *count of them, in millionths of a percent. -ERANGE also for more than LEAT_PERCENTS_MAX.
 */
#define LEAT_PERCENTS_MAX 16
int leat_value_percents(const char *text, uint32_t percents[LEAT_PERCENTS_MAX], size_t *count);

#endif
