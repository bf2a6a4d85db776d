/*
 * tests/unit/io.c: what all sources have in common: options, channels, emitters.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "stream.h"

TestSuite(io, .init = io_begin, .fini = io_end, .timeout = 600);

/* Options, channels */

Test(io, reserved_options_must_be_zero)
{
	char lines_text[200], follow_text[200];
	struct leat_lines_opts lines = { .path = path, .reserved = { 1 } };
	struct leat_follow_opts follow = { .path = path, .reserved = { 0, 1 } };
	struct leat_proc_opts proc = { .name = "stat", .reserved = { 0, 0, 1 } };
	struct leat_tick_opts tick = { .interval_ns = 1, .reserved = { 0, 0, 0, 1 } };
	struct leat_count_opts count = { .reserved = { 1 } };
	snprintf(lines_text, sizeof(lines_text), "lines: %s: reserved options must be zero", path);
	snprintf(follow_text, sizeof(follow_text), "follow: %s: reserved options must be zero",
	         path);
	expect_failure(leat_lines, &lines, sizeof(struct leat_line), -EINVAL, lines_text);
	expect_failure(leat_follow, &follow, sizeof(struct leat_line), -EINVAL, follow_text);
	expect_failure(leat_proc, &proc, sizeof(struct leat_line), -EINVAL,
	               "proc: stat: reserved options must be zero");
	expect_failure(leat_tick, &tick, sizeof(uint64_t), -EINVAL,
	               "tick: reserved options must be zero");
	expect_failure(leat_count, &count, sizeof(uint64_t), -EINVAL,
	               "count: reserved options must be zero");
}

Test(io, missing_options_are_refused)
{
	struct leat_lines_opts lines = { .path = NULL };
	struct leat_follow_opts follow = { .path = NULL };
	expect_failure(leat_lines, &lines, sizeof(struct leat_line), -EINVAL, "lines: no path");
	expect_failure(leat_follow, &follow, sizeof(struct leat_line), -EINVAL, "follow: no path");
	expect_failure(leat_lines, NULL, sizeof(struct leat_line), -EINVAL, "lines: no options");
	expect_failure(leat_follow, NULL, sizeof(struct leat_line), -EINVAL, "follow: no options");
	expect_failure(leat_proc, NULL, sizeof(struct leat_line), -EINVAL, "proc: no options");
	expect_failure(leat_tick, NULL, sizeof(uint64_t), -EINVAL, "tick: no options");
	expect_failure(leat_count, NULL, sizeof(uint64_t), -EINVAL, "count: no options");
	cr_expect_eq(leat_lines(NULL, &lines), -EINVAL);
	cr_expect_eq(leat_count(NULL, NULL), -EINVAL);
}

Test(io, a_channel_of_other_items_is_refused)
{
	struct leat_lines_opts lines = { .path = path };
	struct leat_count_opts count = { .last = 9 };
	put(path, "one\n");
	expect_failure(leat_lines, &lines, sizeof(uint64_t), -EINVAL,
	               "lines: the channel's items must be struct leat_line");
	expect_failure(leat_count, &count, sizeof(struct leat_line), -EINVAL,
	               "count: the channel's items must be uint64_t");
}

Test(io, a_source_leaves_errno_alone)
{
	struct pipe pipe = pipe_open_sized(sizeof(struct leat_line), NULL);
	struct leat_lines_opts opts = { .path = path };
	errno = 4711;
	cr_expect_eq(leat_lines(pipe.tx, &opts), -ENOENT);
	cr_expect_eq(errno, 4711);
	leat_tx_close(pipe.tx);
	leat_rx_close(pipe.rx);
	leat_scope_close(pipe.scope);
}

/* Emitters of one's own, as a flow has */

struct collector {
	unsigned taken, enough; /* so many are taken; then: */
	int then;
	uint64_t last;
};

static int collect_line(void *arg, void *item)
{
	struct collector *collector = arg;
	if (collector->taken == collector->enough)
		return collector->then;
	collector->taken++;
	leat_line_free(item);
	return 0;
}

static int collect_number(void *arg, void *item)
{
	struct collector *collector = arg;
	if (collector->taken == collector->enough)
		return collector->then;
	collector->taken++;
	collector->last = *(uint64_t *)item;
	return 0;
}

Test(io, an_emitter_that_has_enough_ends_its_source_well)
{
	struct pipe pipe = pipe_open(NULL);
	struct collector collector = { .enough = 70, .then = LEAT_EMIT_ENOUGH };
	struct leat_emitter lines = { .emit = collect_line, .arg = &collector, .out = pipe.tx };
	struct leat_emitter numbers = { .emit = collect_number, .arg = &collector, .out = pipe.tx };
	put_long_file(1000);
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path,
	                                                                .repeat = UINT64_MAX }),
	             0);
	cr_expect_eq(collector.taken, 70);
	collector.taken = 0;
	cr_expect_eq(leat_follow_into(&lines, &(struct leat_follow_opts){ .path = path,
	                                                                  .from_start = true }),
	             0);
	cr_expect_eq(collector.taken, 70);
	collector.taken = 0;
	cr_expect_eq(leat_proc_into(&lines,
	                            &(struct leat_proc_opts){ .name = "stat", .interval_ns = 1 }),
	             0);
	cr_expect_eq(collector.taken, 70);
	collector.taken = 0;
	cr_expect_eq(leat_tick_into(&numbers, &(struct leat_tick_opts){ .interval_ns = 1000 }), 0);
	cr_expect_geq(collector.last, 70);
	collector.taken = 0;
	cr_expect_eq(leat_count_into(&numbers, &(struct leat_count_opts){ .last = UINT64_MAX }), 0);
	cr_expect_eq(collector.last, 69);
	pipe_close(&pipe);
}

Test(io, an_emitter_error_is_what_the_source_answers)
{
	struct pipe pipe = pipe_open(NULL);
	struct collector collector = { .enough = 1, .then = -EIO };
	struct leat_emitter lines = { .emit = collect_line, .arg = &collector, .out = pipe.tx };
	struct leat_emitter numbers = { .emit = collect_number, .arg = &collector, .out = pipe.tx };
	put(path, "one\ntwo");
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path }), -EIO);
	collector.taken = 0;
	cr_expect_eq(leat_count_into(&numbers, &(struct leat_count_opts){ .last = 9 }), -EIO);
	pipe_close(&pipe);
}

struct pieces {
	struct collector collector; /* first: it is the emitter's argument, too */
	unsigned count;
	int fd, then;
};

/* Behind the first piece the source would wait for what is only written here. */
static int end_piece(void *arg, bool waits)
{
	struct pieces *pieces = arg;

	cr_expect(waits);
	if (pieces->count++ == 0) {
		cr_expect_eq(pieces->collector.taken, 2);
		cr_assert_eq(write(pieces->fd, "ee\nfour", 7), 7);
		close(pieces->fd);
	}
	return pieces->count == 2 ? pieces->then : 0;
}

Test(io, an_emitter_hears_of_the_end_of_each_piece_before_its_source_waits)
{
	static const int then[] = { 0, LEAT_EMIT_ENOUGH, -EDOM };

	for (size_t i = 0; i < 3; i++) {
		struct pipe pipe = pipe_open_sized(sizeof(struct leat_line), NULL);
		struct pieces pieces = { .collector.enough = 9, .then = then[i] };
		struct leat_emitter lines = {
			.emit = collect_line, .end_piece = end_piece, .arg = &pieces, .out = pipe.tx
		};
		int fds[2];
		char name[32];

		cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
		pieces.fd = fds[1];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[0]);
		cr_assert_eq(write(fds[1], "one\ntwo\nthr", 11), 11);
		cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = name }),
		             then[i] < 0 ? then[i] : 0);
		cr_expect_eq(pieces.collector.taken, then[i] == 0 ? 4 : 3);
		cr_expect_eq(pieces.count, then[i] == 0 ? 3 : 2);
		close(fds[0]);
		pipe_close(&pipe);
	}
}

static int count_piece(void *arg, bool waits)
{
	((struct pieces *)arg)->count++;
	((struct pieces *)arg)->then += waits;
	return 0;
}

/* Only behind the last one it does not know what comes next. */
Test(io, the_pieces_of_a_regular_file_come_without_a_wait)
{
	struct pipe pipe = pipe_open_sized(sizeof(struct leat_line), NULL);
	struct pieces pieces = { .collector.enough = UINT32_MAX };
	struct leat_emitter lines = {
		.emit = collect_line, .end_piece = count_piece, .arg = &pieces, .out = pipe.tx
	};

	put_long_file(100000);
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path }), 0);
	cr_expect_geq(pieces.count, 3);
	cr_expect_eq(pieces.then, 1);
	pipe_close(&pipe);
}

/* A flow whose steps let nothing pass never sends; its source must find out by itself. */
Test(io, a_source_whose_items_are_all_swallowed_hears_of_a_cancel)
{
	struct pipe pipe = pipe_open(NULL);
	struct collector collector = { .enough = UINT32_MAX };
	struct leat_emitter lines = { .emit = collect_line, .arg = &collector, .out = pipe.tx };
	struct leat_emitter numbers = { .emit = collect_number, .arg = &collector, .out = pipe.tx };
	put_long_file(10);
	leat_scope_cancel(pipe.scope, 0, NULL);
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path,
	                                                                .repeat = UINT64_MAX }),
	             -ECANCELED);
	cr_expect_eq(leat_follow_into(&lines, &(struct leat_follow_opts){ .path = path }),
	             -ECANCELED);
	cr_expect_eq(leat_proc_into(&lines, &(struct leat_proc_opts){ .name = "stat" }),
	             -ECANCELED);
	cr_expect_eq(leat_tick_into(&numbers, &(struct leat_tick_opts){ .interval_ns = 1 }),
	             -ECANCELED);
	cr_expect_eq(leat_count_into(&numbers, &(struct leat_count_opts){ .last = UINT64_MAX }),
	             -ECANCELED);
	pipe_close(&pipe);
}

/* What an emitter was given, each line behind a blank. */
struct words {
	char text[256];
	size_t len;
};

static int collect_word(void *arg, void *item)
{
	struct words *words = arg;
	struct leat_line *line = item;
	words->len += (size_t)snprintf(words->text + words->len, sizeof(words->text) - words->len,
	                               " %.*s", (int)line->len, line->data);
	leat_line_free(line);
	return 0;
}

static const char *find_an_e(void *arg, const char *text, size_t len)
{
	(void)arg;
	return memchr(text, 'e', len);
}

Test(io, an_emitter_that_searches_gets_its_matches_alone)
{
	static const struct {
		const char *file, *found;
	} cases[] = {
		{ "", "" },
		{ "\n", "" },
		{ "e", " e" },
		{ "x", "" },
		{ "one\ntwo\nthree", " one three" },
		{ "two\n\nfour\nfive\n\n", " five" },
		{ "e\ne\nee\n", " e e ee" },
		{ "two\nsix", "" },
		{ "\n\ne\n", " e" },
	};
	struct pipe pipe = pipe_open(NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct words words = { 0 };
		struct leat_emitter to = {
			.emit = collect_word, .arg = &words, .out = pipe.tx, .find = find_an_e
		};
		put(path, cases[i].file);
		cr_expect_eq(leat_lines_into(&to, &(struct leat_lines_opts){ .path = path }), 0);
		cr_expect_str_eq(words.text, cases[i].found);
	}
	pipe_close(&pipe);
}

static void note_end(void *arg)
{
	struct words *words = arg;

	words->len +=
		(size_t)snprintf(words->text + words->len, sizeof(words->text) - words->len, " /");
}

Test(io, an_emitter_hears_behind_the_last_line_of_each_pass)
{
	static const struct {
		const char *file, *found;
	} cases[] = {
		{ "a\nb\n", " a b / a b / a b /" },
		{ "a\nb", " a b / a b / a b /" },
		{ "\n", "  /  /  /" },
	};
	struct pipe pipe = pipe_open(NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct words words = { 0 };
		struct leat_emitter to = {
			.emit = collect_word, .arg = &words, .out = pipe.tx, .end_file = note_end
		};
		put(path, cases[i].file);
		cr_expect_eq(leat_lines_into(
				     &to, &(struct leat_lines_opts){ .path = path, .repeat = 3 }),
		             0);
		cr_expect_str_eq(words.text, cases[i].found);
	}
	pipe_close(&pipe);
}

Test(io, numbers_are_text_where_an_emitter_asks_for_it)
{
	static const struct {
		uint64_t first, last;
		const char *text;
	} cases[] = {
		{ 0, 2, " 0 1 2" },
		{ 8, 11, " 8 9 10 11" },
		{ 998, 1001, " 998 999 1000 1001" },
		{ UINT64_MAX - 1, UINT64_MAX, " 18446744073709551614 18446744073709551615" },
	};
	struct pipe pipe = pipe_open(NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct words words = { 0 };
		struct leat_emitter to = {
			.emit = collect_word, .arg = &words, .out = pipe.tx, .as_text = true
		};
		struct leat_count_opts count = { .first = cases[i].first, .last = cases[i].last };
		cr_expect_eq(leat_count_into(&to, &count), 0);
		cr_expect_str_eq(words.text, cases[i].text);
	}
	pipe_close(&pipe);
}
