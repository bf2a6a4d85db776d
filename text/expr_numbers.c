/*
 * text/expr_numbers.c: the loops over numbers and truth values. They are written for the compiler
 * to make vector instructions of them: one statement, no branch. They go over all items, see
 * expr_code.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <math.h>

#define TWO_63 9223372036854775808.0

/* One value from each item of the columns a and b, or of a alone. */
#define LOOP_TWO(name, to_type, from_type, value) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op) \
	{ \
		to_type *restrict to = expr->columns[op->to]; \
		const from_type *a = expr->columns[op->a], *b = expr->columns[op->b]; \
\
		for (size_t i = 0, n = expr->n; i < n; i++) \
			to[i] = (to_type)(value); \
		return 0; \
	}
#define LOOP_ONE(name, to_type, from_type, value) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op) \
	{ \
		to_type *restrict to = expr->columns[op->to]; \
		const from_type *a = expr->columns[op->a]; \
\
		for (size_t i = 0, n = expr->n; i < n; i++) \
			to[i] = (to_type)(value); \
		return 0; \
	}

static inline int64_t divide(int64_t a, int64_t b)
{
	return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static inline int64_t remain(int64_t a, int64_t b)
{
	return b == 0 || b == -1 ? 0 : a % b;
}

/* The lesser of two; a NaN if either is one. */
static inline double lesser(double a, double b)
{
	double less = a < b ? a : b;

	return a != a ? a : less;
}

static inline double greater(double a, double b)
{
	double more = a > b ? a : b;

	return a != a ? a : more;
}

LOOP_TWO(add_i, int64_t, int64_t, (uint64_t)a[i] + (uint64_t)b[i])
LOOP_TWO(sub_i, int64_t, int64_t, (uint64_t)a[i] - (uint64_t)b[i])
LOOP_TWO(mul_i, int64_t, int64_t, (uint64_t)a[i] * (uint64_t)b[i])
LOOP_TWO(div_i, int64_t, int64_t, divide(a[i], b[i]))
LOOP_TWO(mod_i, int64_t, int64_t, remain(a[i], b[i]))
LOOP_ONE(neg_i, int64_t, int64_t, 0 - (uint64_t)a[i])
LOOP_ONE(abs_i, int64_t, int64_t, a[i] < 0 ? 0 - (uint64_t)a[i] : (uint64_t)a[i])
LOOP_TWO(min_i, int64_t, int64_t, a[i] < b[i] ? a[i] : b[i])
LOOP_TWO(max_i, int64_t, int64_t, a[i] > b[i] ? a[i] : b[i])

LOOP_TWO(add_d, double, double, a[i] + b[i])
LOOP_TWO(sub_d, double, double, a[i] - b[i])
LOOP_TWO(mul_d, double, double, a[i] * b[i])
LOOP_TWO(div_d, double, double, b[i] == 0 ? NAN : a[i] / b[i])
LOOP_TWO(mod_d, double, double, fmod(a[i], b[i]))
LOOP_ONE(neg_d, double, double, -a[i])
LOOP_ONE(abs_d, double, double, fabs(a[i]))
LOOP_TWO(min_d, double, double, lesser(a[i], b[i]))
LOOP_TWO(max_d, double, double, greater(a[i], b[i]))
LOOP_ONE(round_d, double, double, round(a[i]))
LOOP_ONE(floor_d, double, double, floor(a[i]))

LOOP_TWO(eq_i, uint8_t, int64_t, a[i] == b[i])
LOOP_TWO(ne_i, uint8_t, int64_t, a[i] != b[i])
LOOP_TWO(lt_i, uint8_t, int64_t, a[i] < b[i])
LOOP_TWO(le_i, uint8_t, int64_t, a[i] <= b[i])
LOOP_TWO(eq_d, uint8_t, double, a[i] == b[i])
LOOP_TWO(ne_d, uint8_t, double, a[i] != b[i])
LOOP_TWO(lt_d, uint8_t, double, a[i] < b[i])
LOOP_TWO(le_d, uint8_t, double, a[i] <= b[i])

LOOP_TWO(eq_b, uint8_t, uint8_t, a[i] == b[i])
LOOP_TWO(ne_b, uint8_t, uint8_t, a[i] != b[i])
LOOP_ONE(not, uint8_t, uint8_t, a[i] ^ 1)
LOOP_TWO(and, uint8_t, uint8_t, a[i] & b[i])
LOOP_TWO(and_not, uint8_t, uint8_t, a[i] & (b[i] ^ 1))
LOOP_TWO(or, uint8_t, uint8_t, a[i] | b[i])

/* The quotient by the magnitude of op->value: a multiplication, a shift, and 1 more for a < 0. */
static inline int64_t multiply_high(int64_t a, const struct expr_op *op)
{
	int64_t high = (int64_t)(((__int128)a * op->magic) >> 64);

	/* A magic number of 2^63 or more was taken as one that is 2^64 less. */
	high = (int64_t)((uint64_t)high + (op->magic < 0 ? (uint64_t)a : 0));
	return (high >> op->shift) - (a >> 63);
}

int leat_expr_div_by_i(struct leat_expr *expr, const struct expr_op *op)
{
	int64_t *restrict to = expr->columns[op->to];
	const int64_t *a = expr->columns[op->a];
	const struct expr_op by = *op;
	int64_t minus = by.value < 0 ? -1 : 0;

	for (size_t i = 0, n = expr->n; i < n; i++)
		to[i] = (multiply_high(a[i], &by) ^ minus) - minus;
	return 0;
}

int leat_expr_mod_by_i(struct leat_expr *expr, const struct expr_op *op)
{
	int64_t *restrict to = expr->columns[op->to];
	const int64_t *a = expr->columns[op->a];
	const struct expr_op by = *op;
	/* The sign of the divisor does not matter. */
	uint64_t value = (uint64_t)(by.value < 0 ? -by.value : by.value);

	for (size_t i = 0, n = expr->n; i < n; i++)
		to[i] = (int64_t)((uint64_t)a[i] - (uint64_t)multiply_high(a[i], &by) * value);
	return 0;
}

/* See find_inverse() in expr_emit.c. */
int leat_expr_multiple_i(struct leat_expr *expr, const struct expr_op *op)
{
	uint8_t *restrict to = expr->columns[op->to];
	const int64_t *a = expr->columns[op->a];
	uint64_t inverse = (uint64_t)op->magic, sum = op->sum, most = (uint64_t)op->value;
	unsigned right = op->shift, left = (64 - right) % 64;
	uint8_t negated = op->b != 0;

	for (size_t i = 0, n = expr->n; i < n; i++) {
		uint64_t x = (uint64_t)a[i] * inverse + sum;
		x = x >> right | x << left;
		to[i] = (x <= most) ^ negated;
	}
	return 0;
}

#define LOOP_CHOOSE(name, type) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op) \
	{ \
		type *restrict to = expr->columns[op->to]; \
		const uint8_t *truth = expr->columns[op->a]; \
		const type *b = expr->columns[op->b], *c = expr->columns[op->c]; \
\
		for (size_t i = 0, n = expr->n; i < n; i++) \
			to[i] = truth[i] ? b[i] : c[i]; \
		return 0; \
	}
LOOP_CHOOSE(choose_i, int64_t)
LOOP_CHOOSE(choose_d, double)
LOOP_CHOOSE(choose_b, uint8_t)
LOOP_CHOOSE(choose_t, struct leat_text) /* reads no bytes of them */

int leat_expr_i_to_d(struct leat_expr *expr, const struct expr_op *op)
{
	double *restrict to = expr->columns[op->to];
	const int64_t *a = expr->columns[op->a];

	for (size_t i = 0, n = expr->n; i < n; i++)
		to[i] = (double)a[i];
	if (op->b == EXPR_NO_COLUMN)
		return 0;
	const uint8_t *absent = expr->columns[op->b];
	for (size_t i = 0, n = expr->n; i < n; i++)
		to[i] = absent[i] ? NAN : to[i];
	return 0;
}

int leat_expr_d_to_i(struct leat_expr *expr, const struct expr_op *op)
{
	int64_t *restrict to = expr->columns[op->to];
	uint8_t *restrict absent = expr->columns[op->absent];
	const double *a = expr->columns[op->a];

	for (size_t i = 0, n = expr->n; i < n; i++) {
		bool fits = a[i] >= -TWO_63 && a[i] < TWO_63;
		to[i] = fits ? (int64_t)a[i] : 0;
		absent[i] = !fits;
	}
	return 0;
}

/* Without a branch, as it can't be foretold: each number is written, and may be written over. */
int leat_expr_select(struct leat_expr *expr, const struct expr_op *op)
{
	const uint8_t *truth = expr->columns[op->a];
	const uint16_t *from = expr->selected[op->within];
	uint16_t *restrict to = expr->selected[op->to];
	uint8_t negated = op->b != 0;
	size_t count = 0;

	for (size_t i = 0, n = expr->selected_counts[op->within]; i < n; i++) {
		to[count] = from[i];
		count += truth[from[i]] ^ negated;
	}
	expr->selected_counts[op->to] = count;
	return count == 0 ? op->skip : 0;
}
