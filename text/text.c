/*
 * text/text.c: the memory of readers of lines. See text.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/text.h"

#include <errno.h>
#include <stdlib.h>

int leat_texts_copy(struct leat_texts *texts, const struct leat_text *from, size_t count)
{
	size_t len = 1;
	char *to;

	for (size_t i = 0; i < count; i++)
		len += from[i].len;
	*texts = (struct leat_texts){ .list = calloc(count + 1, sizeof(*texts->list)),
		                      .count = count,
		                      .memory = malloc(len) };
	if (texts->list == NULL || texts->memory == NULL) {
		leat_texts_free(texts);
		return -ENOMEM;
	}
	to = texts->memory;
	for (size_t i = 0; i < count; i++) {
		texts->list[i] = (struct leat_text){ to, from[i].len };
		if (from[i].len != 0)
			to = (char *)memcpy(to, from[i].data, from[i].len) + from[i].len;
	}
	return 0;
}

void leat_texts_free(struct leat_texts *texts)
{
	free(texts->list);
	free(texts->memory);
	*texts = (struct leat_texts){ 0 };
}

int leat_buffer_grow(struct leat_buffer *buffer, size_t size)
{
	char *grown;

	if (buffer->size >= size)
		return 0;
	grown = realloc(buffer->data, size * 2);
	if (grown == NULL)
		return -ENOMEM;
	buffer->data = grown;
	buffer->size = size * 2;
	return 0;
}
