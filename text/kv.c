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
	struct leat_text *names;
	char *text; /* of the names */
	size_t count;
	char *buffer; /* of values without their escapes */
	size_t size;
};

int leat_kv_open(struct leat_kv **opened, const struct leat_text *names, size_t count)
{
	struct leat_kv *kv = calloc(1, sizeof(*kv));
	size_t len = 1;

	*opened = kv;
	if (kv == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		len += names[i].len;
	kv->names = calloc(count + 1, sizeof(*kv->names));
	kv->text = malloc(len);
	if (kv->names == NULL || kv->text == NULL) {
		leat_kv_close(kv);
		*opened = NULL;
		return -ENOMEM;
	}
	for (char *to = kv->text; kv->count < count; kv->count++) {
		struct leat_text name = names[kv->count];
		kv->names[kv->count] = (struct leat_text){ to, name.len };
		if (name.len != 0)
			to = (char *)memcpy(to, name.data, name.len) + name.len;
	}
	return 0;
}

void leat_kv_close(struct leat_kv *kv)
{
	if (kv == NULL)
		return;
	free(kv->names);
	free(kv->text);
	free(kv->buffer);
	free(kv);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
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
	return p == end || is_blank(*p) ? p : NULL;
}

/*
 * Reads the word at p, which is no blank; pair->name.data is NULL if it is no pair. Returns what is
 * behind it; NULL: a mistake.
 */
static const char *read_pair(const char *p, const char *end, struct raw_pair *pair)
{
	const char *start = p;

	*pair = (struct raw_pair){ .escaped = false };
	while (p < end && *p != '=' && !is_blank(*p))
		p++;
	if (p == end || *p != '=')
		return p;
	pair->name = (struct leat_text){ start, (size_t)(p - start) };
	start = ++p;
	if (p < end && *p == '"')
		return read_quoted(p, end, pair);
	while (p < end && !is_blank(*p))
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
	for (size_t i = 0; i < kv->count; i++) {
		if (kv->names[i].len != pair->name.len ||
		    memcmp(kv->names[i].data, pair->name.data, pair->name.len) != 0)
			continue;
		if (pair->escaped) {
			char *to = kv->buffer + *used;
			pair->value = (struct leat_text){ to, unescape(to, pair->value) };
			pair->escaped = false;
			*used += pair->value.len;
		}
		fields[i] = pair->value;
	}
}

static int grow_buffer(struct leat_kv *kv, size_t size)
{
	if (kv->size >= size)
		return 0;
	char *grown = realloc(kv->buffer, size * 2);
	if (grown == NULL)
		return -ENOMEM;
	kv->buffer = grown;
	kv->size = size * 2;
	return 0;
}

static int read_pairs(struct leat_kv *kv, struct leat_text line, struct leat_text *fields)
{
	const char *p = line.data, *end = p + line.len;
	size_t used = 0;

	for (;;) {
		struct raw_pair pair;
		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return 0;
		p = read_pair(p, end, &pair);
		if (p == NULL)
			return -EBADMSG;
		if (pair.name.data == NULL)
			continue;
		/* The buffer does not move later in the line, where texts point into it. */
		if (pair.escaped && grow_buffer(kv, line.len) != 0)
			return -ENOMEM;
		give_value(kv, &pair, &used, fields);
	}
}

static void clear_fields(struct leat_text *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fields[i] = (struct leat_text){ "", 0 };
}

int leat_kv_read(struct leat_kv *kv, struct leat_text line, struct leat_text *fields)
{
	int rc;

	clear_fields(fields, kv->count);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return 0;
	rc = read_pairs(kv, line, fields);
	if (rc != 0)
		clear_fields(fields, kv->count);
	return rc;
}
