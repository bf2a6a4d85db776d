/*
 * text/expr_texts.c: the loops that read or make texts. They keep to the selection of their
 * operation, see expr_code.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "text/expr_code.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)
#define CHUNK_KEPT_BYTES ((size_t)1 << 20) /* a larger chunk is freed by the next run */

/* The chunk behind the one in use, if it is large enough, else a new one before that. */
static struct expr_chunk *next_chunk(struct leat_expr *expr, size_t len)
{
	struct expr_chunk **place = expr->chunk != NULL ? &expr->chunk->next : &expr->chunks;
	struct expr_chunk *chunk = *place;
	size_t size = len > CHUNK_BYTES ? len : CHUNK_BYTES;

	if (chunk == NULL || chunk->size < len) {
		/* A NUL behind all texts, as AddressSanitizer's regexec(3) reads up to one. */
		struct expr_chunk *made =
			size < SIZE_MAX - sizeof(*made) ? malloc(sizeof(*made) + size + 1) : NULL;
		if (made == NULL)
			return NULL;
		*made = (struct expr_chunk){ .next = chunk, .size = size };
		made->bytes[size] = '\0';
		*place = chunk = made;
	}
	chunk->used = 0;
	return chunk;
}

char *leat_expr_memory(struct leat_expr *expr, size_t len)
{
	if (expr->chunk == NULL || expr->chunk->size - expr->chunk->used < len) {
		struct expr_chunk *chunk = next_chunk(expr, len);
		if (chunk == NULL)
			return NULL;
		expr->chunk = chunk;
	}
	char *memory = expr->chunk->bytes + expr->chunk->used;
	expr->chunk->used += len;
	return memory;
}

void leat_expr_forget(struct leat_expr *expr)
{
	struct expr_chunk **place = &expr->chunks;

	while (*place != NULL) {
		struct expr_chunk *chunk = *place;
		if (chunk->size <= CHUNK_KEPT_BYTES) {
			place = &chunk->next;
			continue;
		}
		*place = chunk->next;
		free(chunk);
	}
	expr->chunk = expr->chunks;
	if (expr->chunk != NULL)
		expr->chunk->used = 0;
}

/* The body stands behind it, with i as the number of the item. */
#define FOR_SELECTED(expr, op, i) \
	for (size_t k_ = 0, n_ = (expr)->selected_counts[(op)->within], i; \
	     k_ < n_ && (i = (expr)->selected[(op)->within][k_], true); k_++)

/* Texts without bytes may have no pointer, which functions of the C library do not take. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static inline bool same_texts(struct leat_text a, struct leat_text b)
{
	return a.len == b.len && same_bytes(a.data, b.data, a.len);
}

/* Below 0, 0 or above, as memcmp(); a text that the other one begins with is less. */
static inline int order_texts(struct leat_text a, struct leat_text b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len != 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool contains_text(struct leat_text a, struct leat_text b)
{
	return b.len == 0 || (a.len >= b.len && memmem(a.data, a.len, b.data, b.len) != NULL);
}

static inline bool starts_with(struct leat_text a, struct leat_text b)
{
	return a.len >= b.len && same_bytes(a.data, b.data, b.len);
}

static inline bool ends_with(struct leat_text a, struct leat_text b)
{
	return b.len == 0 ||
	       (a.len >= b.len && same_bytes(a.data + (a.len - b.len), b.data, b.len));
}

#define LOOP_TEXTS(name, value) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op) \
	{ \
		uint8_t *restrict to = expr->columns[op->to]; \
		const struct leat_text *a = expr->columns[op->a], *b = expr->columns[op->b]; \
\
		FOR_SELECTED(expr, op, i) \
		to[i] = (value); \
		return 0; \
	}
LOOP_TEXTS(eq_t, same_texts(a[i], b[i]))
LOOP_TEXTS(ne_t, !same_texts(a[i], b[i]))
LOOP_TEXTS(lt_t, order_texts(a[i], b[i]) < 0)
LOOP_TEXTS(le_t, order_texts(a[i], b[i]) <= 0)
LOOP_TEXTS(contains, contains_text(a[i], b[i]))
LOOP_TEXTS(starts, starts_with(a[i], b[i]))
LOOP_TEXTS(ends, ends_with(a[i], b[i]))

/* Most integers in texts are a few figures. */
static inline enum expr_number read_number(struct leat_text text, int64_t *integer, double *decimal)
{
	int64_t value = 0;

	if (text.len == 0)
		return EXPR_NO_NUMBER;
	if (text.len > 15)
		return leat_expr_read(text.data, text.len, integer, decimal);
	for (size_t i = 0; i < text.len; i++) {
		unsigned figure = (unsigned char)text.data[i] - (unsigned)'0';
		if (figure > 9)
			return leat_expr_read(text.data, text.len, integer, decimal);
		value = value * 10 + figure;
	}
	*integer = value;
	*decimal = (double)value; /* exact: fifteen figures */
	return EXPR_IS_INTEGER;
}

/* How a text stands to an integer: below 0, 0, above 0; UNORDERED if it is no number. */
enum { UNORDERED = 2 };
static inline int order_number(struct leat_text text, int64_t number)
{
	int64_t integer;
	double decimal, other = (double)number;

	switch (read_number(text, &integer, &decimal)) {
	case EXPR_IS_INTEGER:
		return (integer > number) - (integer < number);
	case EXPR_IS_DECIMAL:
		return (decimal > other) - (decimal < other);
	default:
		return UNORDERED;
	}
}

#define LOOP_NUMBER(name, value) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op) \
	{ \
		uint8_t *restrict to = expr->columns[op->to]; \
		const struct leat_text *a = expr->columns[op->a]; \
		const int64_t *b = expr->columns[op->b]; \
\
		FOR_SELECTED(expr, op, i) \
		{ \
			int order = order_number(a[i], b[i]); \
			to[i] = (value); \
		} \
		return 0; \
	}
LOOP_NUMBER(eq_ti, order == 0)
LOOP_NUMBER(ne_ti, order != 0)
LOOP_NUMBER(lt_ti, order < 0)
LOOP_NUMBER(le_ti, order <= 0)
LOOP_NUMBER(gt_ti, order == 1)
LOOP_NUMBER(ge_ti, order == 0 || order == 1)

int leat_expr_t_to_d(struct leat_expr *expr, const struct expr_op *op)
{
	double *restrict to = expr->columns[op->to], decimal;
	const struct leat_text *a = expr->columns[op->a];
	int64_t integer;

	FOR_SELECTED(expr, op, i)
	to[i] = read_number(a[i], &integer, &decimal) != EXPR_NO_NUMBER ? decimal : NAN;
	return 0;
}

int leat_expr_t_to_i(struct leat_expr *expr, const struct expr_op *op)
{
	int64_t *restrict to = expr->columns[op->to], integer;
	uint8_t *restrict absent = expr->columns[op->absent];
	const struct leat_text *a = expr->columns[op->a];
	double decimal;

	FOR_SELECTED(expr, op, i)
	{
		enum expr_number is = read_number(a[i], &integer, &decimal);
		bool fits = is == EXPR_IS_INTEGER;
		if (is == EXPR_IS_DECIMAL && decimal >= -0x1p63 && decimal < 0x1p63) {
			integer = (int64_t)decimal;
			fits = true;
		}
		to[i] = fits ? integer : 0;
		absent[i] = !fits;
	}
	return 0;
}

int leat_expr_match(struct leat_expr *expr, const struct expr_op *op)
{
	uint8_t *restrict to = expr->columns[op->to];
	const struct leat_text *a = expr->columns[op->a];
	const struct leat_pattern *pattern = expr->patterns[op->pattern];

	FOR_SELECTED(expr, op, i)
	to[i] = leat_pattern_find(pattern, a[i].len != 0 ? a[i].data : "", a[i].len) != NULL;
	return 0;
}

int leat_expr_len(struct leat_expr *expr, const struct expr_op *op)
{
	int64_t *restrict to = expr->columns[op->to];
	const struct leat_text *a = expr->columns[op->a];

	FOR_SELECTED(expr, op, i)
	to[i] = (int64_t)a[i].len;
	return 0;
}

static int change_case(struct leat_expr *expr, const struct expr_op *op, char first)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const struct leat_text *a = expr->columns[op->a];

	FOR_SELECTED(expr, op, i)
	{
		char *made = leat_expr_memory(expr, a[i].len);
		if (made == NULL)
			return -ENOMEM;
		leat_text_change_case(made, a[i].data, a[i].len, first);
		to[i] = (struct leat_text){ made, a[i].len };
	}
	return 0;
}

int leat_expr_upper(struct leat_expr *expr, const struct expr_op *op)
{
	return change_case(expr, op, 'a');
}

int leat_expr_lower(struct leat_expr *expr, const struct expr_op *op)
{
	return change_case(expr, op, 'A');
}

int leat_expr_trim(struct leat_expr *expr, const struct expr_op *op)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const struct leat_text *a = expr->columns[op->a];

	FOR_SELECTED(expr, op, i)
	to[i] = leat_text_trim(a[i]);
	return 0;
}

/* Places from up to end, of which those from 1 to the length are there. */
static struct leat_text cut_text(struct leat_text text, int64_t from, int64_t end)
{
	if (from < 1)
		from = 1;
	if (end > (int64_t)text.len + 1)
		end = (int64_t)text.len + 1;
	if (from >= end)
		return (struct leat_text){ "", 0 };
	return (struct leat_text){ text.data + (from - 1), (size_t)(end - from) };
}

static inline int64_t find_end(int64_t from, int64_t count)
{
	int64_t end;

	if (count <= 0)
		return 0;
	return __builtin_add_overflow(from, count, &end) ? INT64_MAX : end;
}

int leat_expr_substr(struct leat_expr *expr, const struct expr_op *op)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const struct leat_text *a = expr->columns[op->a];
	const int64_t *from = expr->columns[op->b];
	const int64_t *count = op->c != EXPR_NO_COLUMN ? expr->columns[op->c] : NULL;
	const uint8_t *absent = op->absent != EXPR_NO_COLUMN ? expr->columns[op->absent] : NULL;

	FOR_SELECTED(expr, op, i)
	{
		if (absent != NULL && absent[i])
			to[i] = (struct leat_text){ "", 0 };
		else
			to[i] = cut_text(a[i], from[i],
			                 count != NULL ? find_end(from[i], count[i]) : INT64_MAX);
	}
	return 0;
}

int leat_expr_concat(struct leat_expr *expr, const struct expr_op *op)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const uint16_t *list = expr->program.list + op->a;
	size_t count = (size_t)op->value;

	FOR_SELECTED(expr, op, i)
	{
		size_t len = 0;
		for (size_t k = 0; k < count; k++)
			len += ((const struct leat_text *)expr->columns[list[k]])[i].len;
		char *made = leat_expr_memory(expr, len);
		if (made == NULL)
			return -ENOMEM;
		to[i] = (struct leat_text){ made, len };
		for (size_t k = 0; k < count; k++) {
			struct leat_text part = ((struct leat_text *)expr->columns[list[k]])[i];
			if (part.len != 0)
				made = (char *)memcpy(made, part.data, part.len) + part.len;
		}
	}
	return 0;
}

static int keep_written(struct leat_expr *expr, struct leat_text *to, const char *written,
                        size_t len)
{
	char *made = leat_expr_memory(expr, len);

	if (made == NULL)
		return -ENOMEM;
	memcpy(made, written, len);
	*to = (struct leat_text){ made, len };
	return 0;
}

int leat_expr_i_to_t(struct leat_expr *expr, const struct expr_op *op)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const int64_t *a = expr->columns[op->a];
	const uint8_t *absent = op->b != EXPR_NO_COLUMN ? expr->columns[op->b] : NULL;
	char written[EXPR_WRITTEN_MAX];
	int rc = 0;

	FOR_SELECTED(expr, op, i)
	{
		bool is_absent = absent != NULL && absent[i];
		rc = keep_written(expr, &to[i], written,
		                  is_absent ? 0 : leat_expr_write_integer(written, a[i]));
		if (rc != 0)
			break;
	}
	return rc;
}

int leat_expr_d_to_t(struct leat_expr *expr, const struct expr_op *op)
{
	struct leat_text *restrict to = expr->columns[op->to];
	const double *a = expr->columns[op->a];
	char written[EXPR_WRITTEN_MAX];
	int rc = 0;

	FOR_SELECTED(expr, op, i)
	{
		rc = keep_written(expr, &to[i], written, leat_expr_write_decimal(written, a[i]));
		if (rc != 0)
			break;
	}
	return rc;
}
