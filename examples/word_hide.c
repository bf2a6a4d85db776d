/*
 * Words of a program's own in the text of a flow: `hide:N` puts a star in the place of a line's Nth
 * field, so that addresses do not leave the house; `longest` is a sink that prints the longest
 * line.
 *
 *     cc -shared -fPIC -o word_hide.so word_hide.c
 *     leat run --load ./word_hide.so 'lines:access.log | hide:1 | stdout'
 *     leat run --load ./word_hide.so 'lines:access.log | longest'
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/word.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- hide:N --- */

struct hidden {
	unsigned long field;
};

static int read_field(void *state, const char *argument, char why[LEAT_WORD_WHY])
{
	struct hidden *hidden = state;
	char *end;

	hidden->field = strtoul(argument, &end, 10);
	if (hidden->field > 0 && *end == '\0')
		return 0;
	snprintf(why, LEAT_WORD_WHY, "hide: \"%.40s\" is no number of a field", argument);
	return -EINVAL;
}

/* Where the field begins and ends; false: the line has fewer. */
static bool find_field(const struct leat_line *line, unsigned long field, size_t *begin,
                       size_t *end)
{
	for (size_t at = 0; at < line->len; at++) {
		*begin = at;
		while (at < line->len && line->data[at] != ' ')
			at++;
		*end = at;
		if (*end > *begin && --field == 0)
			return true;
	}
	return false;
}

/* No thread writes to the memory that lines share, so a changed line is a new one. */
LEAT_EDIT(hide_field, line, line, const struct hidden *, hidden)
{
	struct leat_line changed;
	size_t begin, end;
	char *text;
	int rc;

	if (!find_field(line, hidden->field, &begin, &end))
		return 0;
	text = malloc(line->len + 1);
	if (text == NULL)
		return -ENOMEM;
	memcpy(text, line->data, begin);
	text[begin] = '*';
	memcpy(text + begin + 1, line->data + end, line->len - end);
	rc = leat_line_copy(&changed, text, line->len - (end - begin) + 1);
	free(text);
	if (rc != 0)
		return rc;
	leat_line_free(line);
	*line = changed;
	return 0;
}

/* --- longest --- */

struct longest {
	char *text;
	size_t len;
};

static int find_longest(void *state, struct leat_vec *v)
{
	const struct leat_line *lines = v->in;
	struct longest *longest = state;

	for (v->used = 0; v->used < v->n; v->used++) {
		const struct leat_line *line = &lines[v->used];

		if (line->len <= longest->len && longest->text != NULL)
			continue;
		free(longest->text);
		longest->text = malloc(line->len + 1);
		if (longest->text == NULL)
			return -ENOMEM;
		memcpy(longest->text, line->data, line->len);
		longest->len = line->len;
	}
	if (v->last && longest->text != NULL)
		printf("%.*s\n", (int)longest->len, longest->text);
	return v->last && fflush(stdout) != 0 ? -errno : 0;
}

static void free_longest(void *state)
{
	free(((struct longest *)state)->text);
}

static const struct leat_step longest_step = {
	.name = "longest", .kind = LEAT_STEP_END, .fn = find_longest, .in = LEAT_T(line)
};

/* --- what leat calls --- */

int leat_load(void)
{
	static const struct leat_word hide = { .name = "hide",
		                               .shown = "hide:N",
		                               .wanted = "the number of a field",
		                               .step = &hide_field,
		                               .size = sizeof(struct hidden),
		                               .init = read_field,
		                               .many = true };
	static const struct leat_word longest = { .name = "longest",
		                                  .step = &longest_step,
		                                  .size = sizeof(struct longest),
		                                  .fini = free_longest };
	int rc = leat_word_register(&hide);

	return rc != 0 ? rc : leat_word_register(&longest);
}
