/*
 * text/text.h: bytes that are another's: of a line, or of a buffer that a reader of lines keeps;
 * and what readers of lines have in common.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_TEXT_H
#define LEAT_TEXT_TEXT_H

#include <leat/base.h>

#include <string.h>

LEAT_BEGIN_DECLS

struct leat_text {
	const char *data; /* any value if len is 0 */
	size_t len;
};

/* What fields are apart by, as in awk. */
static inline bool leat_text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline bool leat_text_same(struct leat_text a, struct leat_text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Without blanks, tabs and CR at both ends. */
static inline struct leat_text leat_text_trim(struct leat_text text)
{
	while (text.len > 0 && (leat_text_is_blank(text.data[0]) || text.data[0] == '\r')) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 &&
	       (leat_text_is_blank(text.data[text.len - 1]) || text.data[text.len - 1] == '\r'))
		text.len--;
	return text;
}

/* A line without the CR of its end. */
static inline struct leat_text leat_text_cut_cr(struct leat_text line)
{
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/*
 * Copies len bytes, with the letters of ASCII from `first` on ('a' or 'A') in the other case; all
 * other bytes are left as they are. to may be from.
 */
static inline void leat_text_change_case(char *to, const char *from, size_t len, char first)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] ^ ((unsigned char)(from[i] - first) < 26 ? 'a' ^ 'A' : 0));
}

static inline void leat_texts_clear(struct leat_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		texts[i].data = "", texts[i].len = 0;
}

/* Texts in memory of their own; all zero is none. */
struct leat_texts {
	struct leat_text *list;
	size_t count;
	char *memory;
};

/* Returns 0; -ENOMEM, and *texts is none. */
int leat_texts_copy(struct leat_texts *texts, const struct leat_text *from, size_t count);
void leat_texts_free(struct leat_texts *texts);

/* Memory for one line at a time, freed by free(data); all zero at first. */
struct leat_buffer {
	char *data;
	size_t size;
};

/* Makes room for so many bytes. Returns 0 or -ENOMEM. */
int leat_buffer_grow(struct leat_buffer *buffer, size_t size);

LEAT_END_DECLS
#endif
