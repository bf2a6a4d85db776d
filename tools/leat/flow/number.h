/*
 * tools/leat/flow/number.h: a line that is a number, and sums of such numbers.
 *
 * A number is what awk takes a whole field for: blanks around it do not count; a sign, figures with
 * a point before, among or behind them, an exponent. Not: words such as inf and nan, hexadecimal
 * figures, and what is beyond the range of a double.
 *
 * Numbers are decimal, and stay so. One of up to 38 figures before the point and 18 behind it, its
 * exponent worked in, is kept exactly, in two parts; so the sum of 0.1 and 0.2 is 0.3. Only what
 * has more figures becomes a double.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_NUMBER_H
#define LEAT_TOOLS_LEAT_FLOW_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_NUMBER_WHOLE 38                 /* figures before the point */
#define LEAT_NUMBER_DECIMALS 18              /* and behind it */
#define LEAT_NUMBER_UNIT 1000000000000000000 /* of a part: 10 to the LEAT_NUMBER_DECIMALS */

struct leat_number {
	bool exact;
	__int128 whole; /* exact: the number is whole + part / LEAT_NUMBER_UNIT */
	int64_t part;   /* its sign is that of whole, unless one of them is 0 */
	double rounded; /* not exact: the nearest double; finite */
};

/* False: the text is no number. */
bool leat_number_read(const char *text, size_t len, struct leat_number *number);
double leat_number_double(const struct leat_number *number);
/*
 * The number that is written so (with 15 figures, or 17 where these do not tell it). False: it is
 * not finite.
 */
bool leat_number_from(double value, struct leat_number *number);
/* Below 0, 0, or above, as a is less than, equal to, or greater than b. */
int leat_number_compare(const struct leat_number *a, const struct leat_number *b);
/* Writes an integer that a double holds whole, anything else with 15 figures. Returns their number.
 */
#define LEAT_DOUBLE_TEXT 32
size_t leat_double_put(double number, char text[LEAT_DOUBLE_TEXT]);
/* An integer for each double that is a number, in the same order, none 0. -0 is 0. */
uint64_t leat_double_rank(double number);
/* Moves text and len to the text without blanks at its ends, of which awk knows more than map. */
void leat_number_trim(const char **text, size_t *len);

/* All zero is the sum of nothing. */
struct leat_sum {
	uint64_t count;
	__int128 whole, parts;  /* of those that are exact; each is summed by itself */
	bool rounded;           /* some were not, or the whole grew beyond 128 bits: */
	long double rest, lost; /* their sum, and what its roundings have lost */
};

void leat_sum_add(struct leat_sum *sum, const struct leat_number *number);
long double leat_sum_value(const struct leat_sum *sum);
/* Whether some of it is lost. */
bool leat_sum_rounded(const struct leat_sum *sum);
/* Writes the sum: all of its figures; 15 of them if it is rounded. Returns their number. */
#define LEAT_SUM_TEXT 80
size_t leat_sum_put(const struct leat_sum *sum, char text[LEAT_SUM_TEXT]);

#endif
