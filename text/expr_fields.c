/*
 * text/expr_fields.c: the fields of lines, as awk splits: blanks in front of the first field do not
 * count, and several blanks are one.
 *
 * A line is read 64 bytes at a time, as a mask of its blanks. A field begins or ends where a bit
 * differs from the one before. The first such place is the start of field 1, the second one its
 * end. One pass finds all fields that are counted from the front, and ends at the last one; another
 * pass from the end finds the others.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"
#include "text/fields.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bit i: p[i] is a blank. */
static inline uint64_t find_few_blanks(const char *p, size_t len)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < len; i++)
		mask |= (uint64_t)leat_text_is_blank(p[i]) << i;
	return mask;
}

#ifdef __SSE2__

static inline uint64_t find_16_blanks(const char *p)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)p);
	__m128i blanks = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
	__m128i tabs = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));

	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(blanks, tabs));
}

#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* The highest bit of each byte that is zero, and no other bit. */
static inline uint64_t find_zeros(uint64_t bytes)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);

	return ~(((bytes & low) + low) | bytes | low);
}

static inline uint64_t find_8_blanks(const char *p)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t bytes;

	memcpy(&bytes, p, sizeof(bytes));
	uint64_t found = find_zeros(bytes ^ each * ' ') | find_zeros(bytes ^ each * '\t');
	/* Moves bit 8 * i, once the highest bits are there, to bit 56 + i. */
	return (found >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t find_16_blanks(const char *p)
{
	return find_8_blanks(p) | find_8_blanks(p + 8) << 8;
}

#else

static inline uint64_t find_16_blanks(const char *p)
{
	return find_few_blanks(p, 16);
}

#endif

/* len: up to 64. The last bytes are read together with some before them, not with what follows. */
static inline uint64_t find_blanks(const char *p, size_t len)
{
	uint64_t mask = 0;
	size_t at = 0;

	if (len < 16)
		return find_few_blanks(p, len);
	for (; len - at >= 16; at += 16)
		mask |= find_16_blanks(p + at) << at;
	if (at < len)
		mask |= find_16_blanks(p + len - 16) << (len - 16);
	return mask;
}

/* Fields from the front: the columns get their texts, for item i, up to the last one there is. */
static void split_front(const struct expr_split *split, void *const *columns, struct leat_text line,
                        size_t i)
{
	const struct expr_field *field = split->front, *end = field + split->front_count;
	/* Places are numbered from 0: even ones are starts, odd ones are ends. */
	size_t place = 0, wanted = 2 * ((size_t)field->number - 1), start = 0;
	uint64_t before = 1; /* in front of the line is a blank */

	for (size_t at = 0; at < line.len; at += 64) {
		size_t len = line.len - at < 64 ? line.len - at : 64;
		uint64_t mask = find_blanks(line.data + at, len);
		uint64_t places = mask ^ (mask << 1 | before);
		if (len < 64)
			places &= (UINT64_C(1) << len) - 1;
		before = mask >> 63;
		for (; places != 0; places &= places - 1, place++) {
			if (place < wanted)
				continue;
			size_t here = at + (size_t)__builtin_ctzll(places);
			if (place % 2 == 0) {
				start = here;
				wanted++;
				continue;
			}
			((struct leat_text *)columns[field->column])[i] =
				(struct leat_text){ line.data + start, here - start };
			if (++field == end)
				return;
			wanted = 2 * ((size_t)field->number - 1);
		}
	}
	if (place % 2 == 1 && place == wanted) {
		((struct leat_text *)columns[field->column])[i] =
			(struct leat_text){ line.data + start, line.len - start };
		field++;
	}
	for (; field != end; field++)
		((struct leat_text *)columns[field->column])[i] = (struct leat_text){ "", 0 };
}

/* Fields from the end, byte by byte, as those that are asked for are few. */
static void split_back(const struct expr_split *split, void *const *columns, struct leat_text line,
                       size_t i)
{
	const struct expr_field *field = split->back, *end = field + split->back_count;
	size_t at = line.len;

	for (uint32_t number = 1; field != end; number++) {
		while (at > 0 && leat_text_is_blank(line.data[at - 1]))
			at--;
		size_t behind = at;
		while (at > 0 && !leat_text_is_blank(line.data[at - 1]))
			at--;
		if (behind == 0)
			break;
		if (field->number != number)
			continue;
		((struct leat_text *)columns[field->column])[i] =
			(struct leat_text){ line.data + at, behind - at };
		field++;
	}
	for (; field != end; field++)
		((struct leat_text *)columns[field->column])[i] = (struct leat_text){ "", 0 };
}

void leat_expr_split(const struct expr_split *split, void *const *columns,
                     const struct leat_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct leat_text line = { lines[i].data, lines[i].len };

		if (split->front_count != 0)
			split_front(split, columns, line, i);
		if (split->back_count != 0)
			split_back(split, columns, line, i);
	}
}

struct leat_text leat_field_find(struct leat_text line, uint32_t number)
{
	struct leat_text found = { "", 0 };
	void *column = &found;
	struct expr_field field = { .number = number };

	split_front(&(struct expr_split){ .front = &field, .front_count = 1 }, &column, line, 0);
	return found;
}
