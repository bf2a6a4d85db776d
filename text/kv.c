/*
 * text/kv.c: the fields of a line of pairs. See kv.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/kv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct leat_kv {
	struct leat_texts names;
	struct leat_buffer buffer; /* of values without their escapes */
};

int leat_kv_open(struct leat_kv **opened, const struct leat_text *names, size_t count)
{
	struct leat_kv *kv = calloc(1, sizeof(*kv));

	*opened = kv;
	if (kv != NULL && leat_texts_copy(&kv->names, names, count) == 0)
		return 0;
	leat_kv_close(kv);
	*opened = NULL;
	return -ENOMEM;
}

void leat_kv_close(struct leat_kv *kv)
{
	if (kv == NULL)
		return;
	leat_texts_free(&kv->names);
	free(kv->buffer.data);
	free(kv);
}

/* A pair as it stands in the line: the value without the quotes around it. */
struct raw_pair {
	struct leat_text name, value;
	bool escaped; /* there is a backslash in it */
};

/* Reads a value in quotes, from the first one on. Returns what is behind it; NULL: a mistake. */
static const char *read_quoted(const char *p, const char *end, struct raw_pair *pair)
{
	const char *start = ++p;

	for (; p < end && *p != '"'; p++)
		if (*p == '\\') {
			pair->escaped = true;
			p++;
		}
	if (p >= end)
		return NULL;
	pair->value = (struct leat_text){ start, (size_t)(p - start) };
	p++;
	return p == end || leat_text_is_blank(*p) ? p : NULL;
}

/*
 * Reads the word at p, which is no blank; pair->name.data is NULL if it is no pair. Returns what is
 * behind it; NULL: a mistake.
 */
static const char *read_pair(const char *p, const char *end, struct raw_pair *pair)
{
	const char *start = p;

	*pair = (struct raw_pair){ .escaped = false };
	while (p < end && *p != '=' && !leat_text_is_blank(*p))
		p++;
	if (p == end || *p != '=')
		return p;
	pair->name = (struct leat_text){ start, (size_t)(p - start) };
	start = ++p;
	if (p < end && *p == '"')
		return read_quoted(p, end, pair);
	while (p < end && !leat_text_is_blank(*p))
		p++;
	pair->value = (struct leat_text){ start, (size_t)(p - start) };
	return p;
}

/* Writes the text without its escapes. Returns its length. */
static size_t unescape(char *to, struct leat_text text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '\\') {
			c = text.data[++i];
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
		}
		to[len++] = c;
	}
	return len;
}

/* Gives the value to its names. *used: bytes of the buffer, which is as long as the line. */
static void give_value(struct leat_kv *kv, struct raw_pair *pair, size_t *used,
                       struct leat_text *fields)
{
	for (size_t i = 0; i < kv->names.count; i++) {
		if (!leat_text_same(kv->names.list[i], pair->name))
			continue;
		if (pair->escaped) {
			char *to = kv->buffer.data + *used;
			pair->value = (struct leat_text){ to, unescape(to, pair->value) };
			pair->escaped = false;
			*used += pair->value.len;
		}
		fields[i] = pair->value;
	}
}

static int read_pairs(struct leat_kv *kv, struct leat_text line, struct leat_text *fields)
{
	const char *p = line.data, *end = p + line.len;
	size_t used = 0;

	for (;;) {
		struct raw_pair pair;
		while (p < end && leat_text_is_blank(*p))
			p++;
		if (p == end)
			return 0;
		p = read_pair(p, end, &pair);
		if (p == NULL)
			return -EBADMSG;
		if (pair.name.data == NULL)
			continue;
		/* The buffer does not move later in the line, where texts point into it. */
		if (pair.escaped && leat_buffer_grow(&kv->buffer, line.len) != 0)
			return -ENOMEM;
		give_value(kv, &pair, &used, fields);
	}
}

int leat_kv_read(struct leat_kv *kv, struct leat_text line, struct leat_text *fields)
{
	int rc;

	leat_texts_clear(fields, kv->names.count);
	line = leat_text_cut_cr(line);
	if (line.len == 0)
		return 0;
	rc = read_pairs(kv, line, fields);
	if (rc != 0)
		leat_texts_clear(fields, kv->names.count);
	return rc;
}
