/*
 * tools/leat/text.c: the text of a flow, from the command line or from a file, and what is shown of
 * a mistake in it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"

#include <stdlib.h>
#include <string.h>

/* The columns for a text with a mistake where there is no terminal. */
#define TEXT_COLUMNS 120
/* The largest file that is taken for the text of a flow. */
#define FILE_BYTES ((size_t)1 << 20)

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Moves `from` by up to `columns` characters towards `to`. */
static size_t move_characters(const char *text, size_t from, size_t to, size_t columns)
{
	while (from != to && columns > 0) {
		from += from < to ? 1 : (size_t)-1;
		columns -= !is_continuation(text[from]);
	}
	return from;
}

/* Writes the part, with a blank for each byte that would move the cursor. Returns its columns. */
static int put_visible(const char *text, size_t from, size_t to)
{
	int columns = 0;

	for (size_t i = from; i < to; i++) {
		putc((unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i], stderr);
		columns += !is_continuation(text[i]);
	}
	return columns;
}

/*
 * Of a file the line of *at is shown, or where there is nothing behind it the last that is not
 * blank. Returns where that line begins, with *at, and *len, in it; *number is its own, from 1.
 */
static const char *find_line(const char *text, size_t *at, size_t *len, size_t *number)
{
	size_t begin;

	if (text[*at + strspn(text + *at, " \t\n")] == '\0')
		while (*at > 0 && strchr(" \t\n", text[*at - 1]) != NULL)
			--*at;
	for (begin = *at; begin > 0 && text[begin - 1] != '\n'; begin--)
		;
	*number = 1;
	for (size_t i = 0; i < begin; i++)
		*number += text[i] == '\n';
	*at -= begin;
	*len = strcspn(text + begin, "\n");
	return text + begin;
}

/*
 * Shows the part of the text around the mistake that fits on one line, with a caret below: where a
 * line is broken by the terminal, a caret would be below something else.
 */
static void show_mistake(const struct run_opts *opts, const struct leat_mistake *mistake)
{
	const char *text = opts->text;
	size_t len = strlen(text), at = mistake->at, from, to, line = 0;
	/* without the indent and the dots on both sides; the last column stays free */
	int room = (display_columns() != 0 ? display_columns() : TEXT_COLUMNS) - 9;
	size_t half = room > 20 ? (size_t)room / 2 : 10;
	int column;

	if (opts->file != NULL)
		text = find_line(text, &at, &len, &line);
	to = move_characters(text, at, len, half);
	from = move_characters(text, at, 0, half);
	/* What one side does not need is for the other. */
	if (to == len)
		from = move_characters(text, len, 0, 2 * half);
	else if (from == 0)
		to = move_characters(text, 0, len, 2 * half);
	if (from > at)
		from = at;
	fputs("leat: ", stderr);
	if (opts->file != NULL)
		fprintf(stderr, "%s:%zu: ", opts->file, line);
	fprintf(stderr, "%s\n  %s", mistake->what, from > 0 ? "..." : "");
	column = put_visible(text, from, at) + (from > 0 ? 3 : 0);
	put_visible(text, at, to);
	fprintf(stderr, "%s\n  %*s^\ncould stand here: %s\n", to < len ? "..." : "", column, "",
	        mistake->wanted);
}

/* A line whose first byte but blanks is # becomes blanks: so all places stay what they are. */
static void blank_comments(char *text)
{
	for (char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n"), blanks = strspn(line, " \t");

		if (line[blanks] == '#')
			memset(line, ' ', len);
		line += len + (line[len] == '\n');
	}
}

static int refuse_file(const char *path, const char *why)
{
	fprintf(stderr, "leat: -f %s: %s\n", path, why);
	return EXIT_FAILED;
}

/* Returns 0, or the exit status. */
static int read_file(struct run_opts *opts)
{
	const bool standard = strcmp(opts->file, "-") == 0;
	FILE *in = standard ? stdin : fopen(opts->file, "re");
	size_t len;
	bool failed;
	int code;

	if (in == NULL)
		return refuse_file(opts->file, strerror(errno));
	opts->file_text = malloc(FILE_BYTES + 1);
	if (opts->file_text == NULL) {
		if (!standard)
			fclose(in);
		return refuse_file(opts->file, strerror(ENOMEM));
	}
	errno = 0;
	len = fread(opts->file_text, 1, FILE_BYTES + 1, in);
	code = errno;
	failed = ferror(in) != 0;
	if (!standard)
		fclose(in);
	if (failed)
		return refuse_file(opts->file, strerror(code));
	if (len > FILE_BYTES)
		return refuse_file(opts->file, "more than 1 MiB: that is no flow");
	if (memchr(opts->file_text, '\0', len) != NULL)
		return refuse_file(opts->file, "it has a NUL: that is no flow");
	opts->file_text[len] = '\0';
	blank_comments(opts->file_text);
	opts->text = opts->file_text;
	return 0;
}

int flow_text_parse(struct run_opts *opts, struct leat_stages *stages)
{
	struct leat_mistake mistake;
	int rc = opts->file != NULL ? read_file(opts) : 0;

	if (rc != 0)
		return rc;
	rc = leat_stages_parse(opts->text, stages, &mistake);
	if (rc == -EINVAL) {
		show_mistake(opts, &mistake);
		return EXIT_USAGE;
	}
	if (rc != 0) {
		fprintf(stderr, "leat: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	if (!run_opts_slow(opts, stages))
		return EXIT_USAGE;
	for (size_t i = 0; i < stages->count && opts->flow.repeat != 0; i++) {
		const struct leat_stage_type *type = stages->list[i].type;

		if (type->role != LEAT_SOURCE || type->verb == LEAT_VERB_LINES ||
		    type->verb == LEAT_VERB_WALK)
			continue;
		fprintf(stderr, "leat: --repeat is for lines:FILE and walk:DIR, not for %s\n",
		        type->name);
		return EXIT_USAGE;
	}
	return 0;
}
