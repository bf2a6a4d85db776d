/*
 * tests/unit/io_count.c: lines that are only counted: by the splitter, and by a source whose
 * emitter wants no more than their number.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <runtime/io/line.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(io_count, .timeout = 60);

/* Fills the splitter with these bytes, in pieces of this size, and counts behind each. */
static uint64_t count_in_pieces(struct leat_splitter *split, const char *text, size_t len,
                                size_t piece)
{
	uint64_t lines = 0;

	while (len > 0) {
		size_t room, n = len < piece ? len : piece;
		char *at;

		cr_assert_eq(leat_splitter_room(split, &at, &room), 0);
		n = n < room ? n : room;
		memcpy(at, text, n);
		leat_splitter_fill(split, n);
		lines += leat_splitter_count(split);
		text += n;
		len -= n;
	}
	return lines;
}

/* The text has so many line feeds; what is behind the last of them is left. */
static void expect_counted(const char *text, size_t len, size_t piece)
{
	struct leat_splitter split = { 0 };
	struct leat_line line;
	uint64_t feeds = 0;
	size_t start = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n') {
			feeds++;
			start = i + 1;
		}
	cr_assert_eq(count_in_pieces(&split, text, len, piece), feeds, "of %zu bytes by %zu", len,
	             piece);
	cr_assert_eq(leat_splitter_count(&split), 0u);
	cr_assert_eq(leat_splitter_rest(&split, &line), start < len);
	if (start < len) {
		cr_assert_eq(line.len, len - start);
		cr_assert_eq(memcmp(line.data, text + start, line.len), 0);
		leat_line_free(&line);
	}
	leat_splitter_fini(&split);
}

/* Runs of bytes are summed in a byte: those of line feeds alone would be the first to overflow. */
Test(io_count, every_line_feed_counts_in_texts_of_any_size)
{
	static char text[2048];

	for (size_t len = 0; len < sizeof(text); len++) {
		memset(text, '\n', len);
		expect_counted(text, len, sizeof(text));
	}
	for (size_t len = 1; len < 600; len++) {
		memset(text, 'x', len);
		text[len - 1] = '\n';
		expect_counted(text, len, sizeof(text));
		memset(text, '\n' | 0x80, len); /* as a signed byte it is another one */
		text[len / 2] = '\n';
		expect_counted(text, len, sizeof(text));
	}
}

Test(io_count, pieces_and_blocks_may_end_anywhere)
{
	static const size_t pieces[] = { 1, 7, 239, 240, 241, 255, 256, 4095, 32768, 200000 };
	const size_t len = 3 * LEAT_BLOCK_BYTES + 11;
	char *text = malloc(len);
	unsigned seed = 18;

	cr_assert_not_null(text);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		text[i] = (seed >> 16) % 50 == 0 ? '\n' : 'x';
	}
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		expect_counted(text, len, pieces[i]);
		expect_counted(text, LEAT_BLOCK_BYTES, pieces[i]);
	}
	/* one line that is longer than a block, among short ones */
	memset(text + 1000, 'x', 2 * LEAT_BLOCK_BYTES);
	for (size_t i = 3; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		expect_counted(text, len, pieces[i]);
	free(text);
}

Test(io_count, lines_and_counts_take_turns)
{
	struct leat_splitter split = { 0 };
	struct leat_line line;

	cr_assert_eq(count_in_pieces(&split, "a\nb\nc", 5, 5), 2u);
	cr_assert_eq(leat_splitter_next(&split, &line), false);
	cr_assert_eq(count_in_pieces(&split, "c\n", 2, 2), 1u);
	char *at;
	size_t room;
	cr_assert_eq(leat_splitter_room(&split, &at, &room), 0);
	memcpy(at, "one\ntwo\nthree\nfo", 16);
	leat_splitter_fill(&split, 16);
	cr_assert(leat_splitter_next(&split, &line));
	cr_assert_eq(leat_splitter_count(&split), 2u);
	cr_assert_eq(memcmp(line.data, "one", 3), 0);
	leat_line_free(&line);
	cr_assert(leat_splitter_rest(&split, &line));
	cr_assert_eq(line.len, 2u);
	leat_line_free(&line);
	leat_splitter_fini(&split);
}

/* --- a source whose lines are counted --- */

struct counter {
	uint64_t lines, calls, emitted, files;
	uint64_t most; /* with so many lines it has enough */
	bool header;   /* the next line is emitted */
};

static int emit(void *arg, void *item)
{
	struct counter *counter = arg;

	counter->emitted++;
	counter->header = false;
	leat_line_free(item);
	return 0;
}

static int add(void *arg, uint64_t lines)
{
	struct counter *counter = arg;

	counter->calls++;
	counter->lines += lines;
	return counter->most != 0 && counter->lines >= counter->most ? LEAT_EMIT_ENOUGH : 0;
}

static void end_file(void *arg)
{
	struct counter *counter = arg;

	counter->files++;
	counter->header = counter->emitted != 0;
}

static int run_source(struct leat_tx *out, void *arg)
{
	struct counter *counter = arg;
	const struct leat_emitter to = { .emit = emit,
		                         .arg = counter,
		                         .count = add,
		                         .emits = &counter->header,
		                         .end_file = end_file,
		                         .out = out };

	return leat_lines_into(&to,
	                       &(struct leat_lines_opts){ .path = "io_count.in", .repeat = 3 });
}

static struct counter count_file(const char *text, struct counter counter)
{
	char home[] = "/tmp/leat.XXXXXX";
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	FILE *file;

	cr_assert_not_null(mkdtemp(home));
	cr_assert_eq(chdir(home), 0);
	file = fopen("io_count.in", "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
	cr_assert_eq(leat_gen(scope, run_source, &counter, 0, NULL, NULL), 0);
	cr_assert_eq(leat_scope_join(scope), 0);
	cr_assert_eq(leat_scope_close(scope), 0);
	unlink("io_count.in");
	rmdir(home);
	return counter;
}

Test(io_count, a_source_tells_its_emitter_the_number_of_its_lines)
{
	struct counter found = count_file("a\nb\n\nc", (struct counter){ 0 });

	cr_expect_eq(found.lines, 12u);
	cr_expect_eq(found.emitted, 0u);
	cr_expect_eq(found.files, 3u);
	found = count_file("", (struct counter){ 0 });
	cr_expect_eq(found.lines, 0u);
	cr_expect_eq(found.calls, 0u);
}

Test(io_count, a_source_emits_the_lines_that_its_emitter_wants_to_see)
{
	struct counter found = count_file("head\nb\nc", (struct counter){ .header = true });

	cr_expect_eq(found.emitted, 3u);
	cr_expect_eq(found.lines, 6u);
	found = count_file("head", (struct counter){ .header = true });
	cr_expect_eq(found.emitted, 3u);
	cr_expect_eq(found.lines, 0u);
}

Test(io_count, a_source_ends_when_its_emitter_has_counted_enough)
{
	struct counter found = count_file("a\nb\n", (struct counter){ .most = 3 });

	cr_expect_eq(found.lines, 4u);
	found = count_file("a\nb", (struct counter){ .most = 2 });
	cr_expect_eq(found.lines, 2u);
	cr_expect_eq(found.files, 0u);
}
