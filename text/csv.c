/*
 * text/csv.c: the fields of a line of CSV. See csv.h.
 *
 * Most lines have no quote. So a line is read 16 bytes at a time as masks of its commas and of its
 * quotes, and its wanted fields are cut on the way; the first quote ends that, and the line is read
 * anew, field by field.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A field that is wanted: its number, and its place among those of the caller. */
struct wanted_field {
	uint32_t number, place;
};

struct leat_csv {
	size_t count;
	struct leat_buffer buffer;    /* of fields without their doubled quotes */
	struct wanted_field wanted[]; /* by number; behind the last one is one of UINT32_MAX */
};

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_field *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

int leat_csv_open(struct leat_csv **csv, const uint32_t *numbers, size_t count)
{
	struct leat_csv *made = calloc(1, sizeof(*made) + (count + 1) * sizeof(made->wanted[0]));

	*csv = made;
	if (made == NULL)
		return -ENOMEM;
	made->count = count;
	for (size_t i = 0; i < count; i++)
		made->wanted[i] = (struct wanted_field){ numbers[i], (uint32_t)i };
	qsort(made->wanted, count, sizeof(made->wanted[0]), compare_wanted);
	made->wanted[count].number = UINT32_MAX;
	return 0;
}

void leat_csv_close(struct leat_csv *csv)
{
	if (csv != NULL)
		free(csv->buffer.data);
	free(csv);
}

/* Gives a field to all that want it, and returns the next one that is wanted. */
static const struct wanted_field *give_field(const struct wanted_field *wanted, uint32_t number,
                                             struct leat_text text, struct leat_text *fields)
{
	for (; wanted->number == number; wanted++)
		fields[wanted->place] = text;
	return wanted;
}

/* Where the plain reading of a line is. */
struct plain_state {
	const struct wanted_field *wanted;
	const char *start; /* of the field */
	uint32_t number;   /* of the field */
};

static inline void end_plain_field(struct plain_state *state, const char *end,
                                   struct leat_text *fields)
{
	if (state->wanted->number == state->number)
		state->wanted = give_field(
			state->wanted, state->number,
			(struct leat_text){ state->start, (size_t)(end - state->start) }, fields);
	state->start = end + 1;
	state->number++;
}

#ifdef __SSE2__

/* Reads blocks of 16 bytes; moves *at behind them. Returns false at a quote. */
static bool read_plain_blocks(struct plain_state *state, const char **at, const char *end,
                              struct leat_text *fields)
{
	const __m128i comma = _mm_set1_epi8(','), quote = _mm_set1_epi8('"');
	const char *p = *at;

	for (; end - p >= 16; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned commas = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, comma));

		if (_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote)) != 0)
			return false;
		for (; commas != 0; commas &= commas - 1)
			end_plain_field(state, p + __builtin_ctz(commas), fields);
	}
	*at = p;
	return true;
}

#else

static bool read_plain_blocks(struct plain_state *state, const char **at, const char *end,
                              struct leat_text *fields)
{
	(void)state;
	(void)at;
	(void)end;
	(void)fields;
	return true;
}

#endif

/* Returns false if the line has a quote. */
static bool read_plain(const struct leat_csv *csv, struct leat_text line, struct leat_text *fields)
{
	const char *p = line.data, *end = p + line.len;
	const struct wanted_field *wanted = csv->wanted;

	while (wanted->number == 0)
		wanted++;
	struct plain_state state = { .wanted = wanted, .start = p, .number = 1 };
	if (!read_plain_blocks(&state, &p, end, fields))
		return false;
	for (; p < end; p++) {
		if (*p == '"')
			return false;
		if (*p == ',')
			end_plain_field(&state, p, fields);
	}
	end_plain_field(&state, end, fields);
	return true;
}

/* A field as it stands in the line: without the quotes around it. */
struct raw_field {
	struct leat_text text;
	bool doubled; /* there are doubled quotes in it */
};

/* Reads a field in quotes, from the first one on. Returns what is behind it; NULL: a mistake. */
static const char *read_quoted(const char *p, const char *end, struct raw_field *field)
{
	const char *start = ++p;

	for (;;) {
		p = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
		if (p == NULL)
			return NULL;
		if (p + 1 == end || p[1] != '"')
			break;
		field->doubled = true;
		p += 2;
	}
	field->text = (struct leat_text){ start, (size_t)(p - start) };
	p++;
	return p == end || *p == ',' ? p : NULL;
}

/* Reads the field at p. Returns where it ends: at a comma, or the end; NULL: a mistake. */
static const char *read_field(const char *p, const char *end, struct raw_field *field)
{
	const char *comma;

	field->doubled = false;
	if (p < end && *p == '"')
		return read_quoted(p, end, field);
	comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
	if (comma == NULL)
		comma = end;
	field->text = (struct leat_text){ p, (size_t)(comma - p) };
	return comma;
}

/* Writes the text with one quote for two. Returns its length. */
static size_t undouble(char *to, struct leat_text text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		to[len++] = text.data[i];
		i += text.data[i] == '"';
	}
	return len;
}

/* All fields of a line fit into a buffer of its length. */
static int read_with_quotes(struct leat_csv *csv, struct leat_text line, struct leat_text *fields)
{
	const char *p = line.data, *end = p + line.len;
	const struct wanted_field *wanted = csv->wanted;
	size_t used = 0;

	if (leat_buffer_grow(&csv->buffer, line.len) != 0)
		return -ENOMEM;
	while (wanted->number == 0)
		wanted++;
	for (uint32_t number = 1;; number++) {
		struct raw_field field;
		p = read_field(p, end, &field);
		if (p == NULL)
			return -EBADMSG;
		if (wanted->number == number && field.doubled) {
			field.text.len = undouble(csv->buffer.data + used, field.text);
			field.text.data = csv->buffer.data + used;
			used += field.text.len;
		}
		wanted = give_field(wanted, number, field.text, fields);
		if (p++ == end)
			return 0;
	}
}

static struct leat_text cut_end(struct leat_text line)
{
	line = leat_text_cut_cr(line);
	if (line.len == 0)
		line.data = "";
	return line;
}

int leat_csv_read(struct leat_csv *csv, struct leat_text line, struct leat_text *fields)
{
	int rc = 0;

	leat_texts_clear(fields, csv->count);
	line = cut_end(line);
	if (!read_plain(csv, line, fields)) {
		leat_texts_clear(fields, csv->count);
		rc = read_with_quotes(csv, line, fields);
	}
	if (rc != 0)
		leat_texts_clear(fields, csv->count);
	return rc;
}

static struct leat_text cut_header(struct leat_text line)
{
	line = cut_end(line);
	if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
		line.data += 3;
		line.len -= 3;
	}
	return line;
}

/* Splits the header's own copy of its line, in which doubled quotes become one. */
static int split_header(struct leat_csv_header *header, char *names)
{
	const char *p = header->line.data, *end = p + header->line.len;

	for (;;) {
		struct raw_field field;
		p = read_field(p, end, &field);
		if (p == NULL)
			return -EBADMSG;
		if (field.doubled) {
			field.text.len = undouble(names, field.text);
			field.text.data = names;
			names += field.text.len;
		}
		header->names[header->count++] = field.text;
		if (p++ == end)
			return 0;
	}
}

int leat_csv_header_init(struct leat_csv_header *header, struct leat_text line)
{
	struct leat_text cut = cut_header(line);
	char *copy = malloc(2 * cut.len + 1);
	size_t fields = 1;
	int rc = -ENOMEM;

	for (size_t i = 0; i < cut.len; i++)
		fields += cut.data[i] == ',';
	*header = (struct leat_csv_header){ .names = calloc(fields, sizeof(*header->names)) };
	header->line = (struct leat_text){ copy, cut.len };
	if (copy != NULL && header->names != NULL) {
		memcpy(copy, cut.data, cut.len);
		rc = split_header(header, copy + cut.len);
	}
	if (rc != 0)
		leat_csv_header_fini(header);
	return rc;
}

void leat_csv_header_fini(struct leat_csv_header *header)
{
	free((char *)header->line.data);
	free(header->names);
	*header = (struct leat_csv_header){ .count = 0 };
}

uint32_t leat_csv_header_find(const struct leat_csv_header *header, struct leat_text name)
{
	for (size_t i = 0; i < header->count; i++)
		if (leat_text_same(header->names[i], name))
			return (uint32_t)i + 1;
	return 0;
}

bool leat_csv_header_same(const struct leat_csv_header *header, struct leat_text line)
{
	return leat_text_same(header->line, cut_header(line));
}
