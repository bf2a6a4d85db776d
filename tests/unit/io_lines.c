/*
 * tests/unit/io_lines.c: lines of their own, and the source that reads them from a file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "clock.h"
#include "runtime/io/line.h"
#include "stream.h"

TestSuite(io_lines, .init = io_begin, .fini = io_end, .timeout = 600);

/* Lines of their own */

Test(io_lines, a_copied_line_owns_its_bytes)
{
	char text[] = "one\0two";
	struct leat_line line;
	cr_assert_eq(leat_line_copy(&line, text, sizeof(text)), 0);
	memset(text, 'x', sizeof(text));
	cr_expect_eq(line.len, 8);
	cr_expect(memcmp(line.data, "one\0two", 8) == 0);
	cr_expect_not_null(line.block);
	leat_line_discard(&line, NULL);
}

Test(io_lines, a_copied_line_may_be_empty)
{
	struct leat_line line;
	cr_assert_eq(leat_line_copy(&line, NULL, 0), 0);
	cr_expect_eq(line.len, 0);
	cr_expect_not_null(line.data);
	leat_line_free(&line);
}

Test(io_lines, a_shared_line_is_there_until_both_are_freed)
{
	struct leat_line line, other, empty = { .data = "" };

	cr_assert_eq(leat_line_copy(&line, "some text", 9), 0);
	leat_line_share(&other, &line);
	cr_assert(other.data == line.data && other.len == 9);
	leat_line_free(&line);
	cr_assert_eq(memcmp(other.data, "some text", 9), 0);
	leat_line_share(&line, &other);
	leat_line_free(&other);
	leat_line_free(&line);
	leat_line_share(&other, &empty);
	cr_assert_eq(other.len, 0u);
	leat_line_free(&other);
	leat_line_share(NULL, &empty);
	leat_line_share(&other, NULL);
}

Test(io_lines, copying_checks_its_arguments)
{
	struct leat_line line;
	cr_expect_eq(leat_line_copy(NULL, "x", 1), -EINVAL);
	cr_expect_eq(leat_line_copy(&line, NULL, 1), -EINVAL);
	cr_expect_eq(leat_line_copy(&line, "x", SIZE_MAX), -ENOMEM);
	cr_expect_null(line.block);
	leat_line_free(&line);
	leat_line_free(NULL);
	leat_line_free(&(struct leat_line){ .data = "static", .len = 6 });
}

/* lines */

Test(io_lines, lines_are_without_their_line_feeds)
{
	struct leat_lines_opts opts = { .path = path };
	put(path, "one\n\ntwo\r\n\n");
	struct stream stream = start(leat_lines, &opts);
	expect_line(&stream, "one");
	expect_line(&stream, "");
	expect_line(&stream, "two\r");
	expect_line(&stream, "");
	expect_completed(&stream);
}

Test(io_lines, last_line_needs_no_line_feed)
{
	struct leat_lines_opts opts = { .path = path };
	put(path, "one\ntwo");
	struct stream stream = start(leat_lines, &opts);
	expect_line(&stream, "one");
	expect_line(&stream, "two");
	expect_completed(&stream);
}

Test(io_lines, an_empty_file_has_no_lines)
{
	struct leat_lines_opts opts = { .path = path, .repeat = UINT64_MAX };
	put(path, "");
	struct stream stream = start(leat_lines, &opts);
	expect_completed(&stream);
}

Test(io_lines, lines_may_hold_any_byte)
{
	char bytes[256 * 2];
	struct leat_lines_opts opts = { .path = path };
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 256 == '\n' ? '\0' : i % 256);
	write_file(path, O_TRUNC, bytes, sizeof(bytes));
	append(path, "\n");
	struct stream stream = start(leat_lines, &opts);
	expect_bytes(&stream, bytes, sizeof(bytes));
	expect_completed(&stream);
}

Test(io_lines, lines_are_whole_across_blocks)
{
	enum { LINES = 20000 };
	struct leat_lines_opts opts = { .path = path };
	char line[512];
	put_long_file(LINES);
	struct stream stream = start(leat_lines, &opts);
	for (unsigned n = 0; n < LINES; n++) {
		size_t len = long_file_line(line, n);
		expect_bytes(&stream, line, len);
	}
	expect_completed(&stream);
}

Test(io_lines, a_line_that_is_kept_stays_what_it_was_after_the_scope_is_gone)
{
	enum { LINES = 20000, KEPT = 20 };
	struct leat_lines_opts opts = { .path = path };
	struct leat_line kept[KEPT];
	char line[512];
	put_long_file(LINES);
	struct stream stream = start(leat_lines, &opts);
	for (unsigned n = 0; n < LINES; n++) {
		struct leat_line got = take(&stream);
		if (n % (LINES / KEPT) == 0)
			kept[n / (LINES / KEPT)] = got;
		else
			leat_line_free(&got);
	}
	expect_completed(&stream);
	for (unsigned i = KEPT; i-- > 0;) {
		size_t len = long_file_line(line, i * (LINES / KEPT));
		cr_expect_eq(kept[i].len, len);
		cr_expect(memcmp(kept[i].data, line, len) == 0);
		leat_line_free(&kept[i]);
	}
}

static void expect_filled(struct stream *stream, size_t len, char with)
{
	struct leat_line line = take(stream);
	cr_assert_eq(line.len, len, "%zu bytes instead of %zu", line.len, len);
	size_t same = 0;
	for (size_t i = 0; i < len; i++)
		same += line.data[i] == with;
	cr_expect_eq(same, len);
	leat_line_free(&line);
}

Test(io_lines, a_line_longer_than_any_block_is_whole)
{
	const size_t sizes[] = { 1 << 20, 131071, 131072, 131073, 3 << 20, 1 };
	struct leat_lines_opts opts = { .path = path };
	char *bytes = malloc(3 << 20);
	cr_assert_not_null(bytes);
	put(path, "before\n");
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(bytes, 'a' + (int)i, sizes[i]);
		write_file(path, O_APPEND, bytes, sizes[i]);
		append(path, "\n");
	}
	free(bytes);
	struct stream stream = start(leat_lines, &opts);
	expect_line(&stream, "before");
	for (size_t i = 0; i < COUNT(sizes); i++)
		expect_filled(&stream, sizes[i], (char)('a' + (int)i));
	expect_completed(&stream);
}

Test(io_lines, repeat_reads_the_file_so_often)
{
	struct leat_lines_opts opts = { .path = path, .repeat = 3 };
	put(path, "one\ntwo"); /* the end of a pass ends a line */
	struct stream stream = start(leat_lines, &opts);
	for (int pass = 0; pass < 3; pass++) {
		expect_line(&stream, "one");
		expect_line(&stream, "two");
	}
	expect_completed(&stream);
}

Test(io_lines, repeat_of_a_pipe_fails)
{
	struct leat_lines_opts opts = { .path = path, .repeat = 2 };
	char text[200];
	cr_assert_eq(mkfifo(path, 0600), 0);
	snprintf(text, sizeof(text), "lines: %s: to repeat it: Illegal seek", path);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -ESPIPE, text);
}

Test(io_lines, a_missing_file_fails_with_its_name)
{
	struct leat_lines_opts opts = { .path = path };
	char text[200];
	snprintf(text, sizeof(text), "lines: %s: No such file or directory", path);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -ENOENT, text);
}

Test(io_lines, a_long_path_is_shortened_so_that_the_reason_is_told)
{
	char longer[300] = "/nowhere/";
	struct leat_lines_opts opts = { .path = longer };
	memset(longer + 9, 'x', 200);
	strcpy(longer + 209, "/end");
	struct stream stream = start(leat_lines, &opts);
	const char *text;
	expect_end(&stream);
	cr_assert_eq(leat_rx_status(stream.rx, NULL, NULL, &text), 0);
	cr_expect_eq(strlen(text), LEAT_TEXT_MAX);
	cr_expect_not_null(strstr(text, "lines: ...xxx"));
	cr_expect_not_null(strstr(text, "xxx/end: No such file or directory"));
	stop(&stream, -ENOENT);
}

Test(io_lines, a_directory_has_no_lines)
{
	struct leat_lines_opts opts = { .path = folder };
	char text[200];
	snprintf(text, sizeof(text), "lines: %s: Is a directory", folder);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -EISDIR, text);
}

Test(io_lines, standard_input_is_read_and_stays_open)
{
	struct leat_lines_opts opts = { .path = "-" };
	int ends[2], saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	struct stream stream = start(leat_lines, &opts);
	cr_assert_eq(write(ends[1], "one\ntw", 6), 6);
	expect_line(&stream, "one");
	await_source_waits();
	cr_assert_eq(write(ends[1], "o\n", 2), 2);
	expect_line(&stream, "two");
	close(ends[1]);
	expect_completed(&stream);
	cr_expect_geq(fcntl(STDIN_FILENO, F_GETFD), 0);
	close(ends[0]);
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	} else {
		close(STDIN_FILENO);
	}
}

Test(io_lines, standard_input_repeats_from_where_it_stood)
{
	struct leat_lines_opts opts = { .path = "-", .repeat = 2 };
	int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	put(path, "head\nbody\n");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(lseek(fd, 5, SEEK_SET), 5);
	cr_assert_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	struct stream stream = start(leat_lines, &opts);
	expect_line(&stream, "body");
	expect_line(&stream, "body");
	expect_completed(&stream);
	close(fd);
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	} else {
		close(STDIN_FILENO);
	}
}

Test(io_lines, a_named_pipe_is_waited_for_and_read_to_its_end)
{
	struct leat_lines_opts opts = { .path = path };
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	await_source_waits();
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(fd, "a\nb", 3), 3);
	expect_line(&stream, "a");
	close(fd);
	expect_line(&stream, "b");
	expect_completed(&stream);
}

Test(io_lines, a_consumer_that_leaves_ends_a_source_that_waits_for_input)
{
	struct leat_lines_opts opts = { .path = path };
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	await_source_waits();
	stop(&stream, 0);
}

Test(io_lines, a_cancel_ends_a_source_that_waits_for_input)
{
	struct leat_lines_opts opts = { .path = path };
	struct leat_line line;
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	await_source_waits();
	leat_scope_cancel(stream.scope, 0, "enough");
	cr_expect_eq(leat_scope_join(stream.scope), 0);
	cr_expect_eq(leat_recv(stream.rx, &line), -ECANCELED);
	expect_status(&stream, LEAT_CANCELED, 0, "enough");
	stop(&stream, 0);
}

Test(io_lines, a_consumer_that_leaves_gets_what_is_in_flight_freed)
{
	struct leat_lines_opts opts = { .path = path, .repeat = UINT64_MAX };
	put_long_file(1000);
	struct stream stream = start(leat_lines, &opts);
	for (int i = 0; i < 3000; i++) {
		struct leat_line line = take(&stream);
		leat_line_free(&line);
	}
	stop(&stream, 0); /* the sanitizer's build sees what leaks */
}

Test(io_lines, lines_end_quietly_at_their_time_while_they_wait)
{
	clock_start();
	struct leat_lines_opts opts = { .path = path, .until_ns = leat_now_ns() + 20 * MS };
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	clock_advance(20 * MS - 1);
	cr_expect_eq(leat_try_recv(stream.rx, &(struct leat_line){ 0 }), -EAGAIN);
	clock_advance(1);
	expect_completed(&stream);
}

Test(io_lines, lines_end_quietly_at_their_time_while_the_channel_is_full)
{
	clock_start();
	struct leat_lines_opts opts = { .path = path, .until_ns = leat_now_ns() + 200 * MS };
	put(path, "one\ntwo\nthree\n");
	struct stream stream = start_sized(leat_lines, &opts, sizeof(struct leat_line), 1);
	clock_advance(200 * MS);
	cr_expect_eq(leat_scope_join(stream.scope), 0);
	expect_line(&stream, "one");
	expect_completed(&stream);
}

Test(io_lines, lines_end_quietly_at_their_time_in_the_middle_of_a_file)
{
	struct leat_lines_opts opts = { .path = path,
		                        .repeat = UINT64_MAX,
		                        .until_ns = leat_now_ns() + 20 * MS };
	put_long_file(1000);
	struct stream stream = start(leat_lines, &opts);
	leat_for(struct leat_line, line, stream.rx)
		leat_line_free(&line);
	expect_completed(&stream);
}

Test(io_lines, a_time_that_has_passed_sends_nothing)
{
	struct leat_lines_opts lines = { .path = path, .until_ns = 1 };
	struct leat_follow_opts follow = { .path = path, .from_start = true, .until_ns = 1 };
	struct leat_proc_opts proc = { .name = "stat", .until_ns = 1 };
	struct leat_tick_opts tick = { .interval_ns = 1, .until_ns = 1 };
	struct leat_count_opts count = { .last = 9, .until_ns = 1 };
	put(path, "one\n");
	struct stream streams[] = { start(leat_lines, &lines), start(leat_follow, &follow),
		                    start(leat_proc, &proc), start_numbers(leat_tick, &tick),
		                    start_numbers(leat_count, &count) };
	for (size_t i = 0; i < COUNT(streams); i++) {
		char item[sizeof(struct leat_line)];
		cr_expect_eq(
			leat_recv_until(streams[i].rx, (void *)item, leat_now_ns() + PATIENCE_NS),
			0, "%zu", i);
		expect_status(&streams[i], LEAT_COMPLETED, 0, "");
		stop(&streams[i], 0);
	}
}

static int compare_pointers(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	return (x > y) - (x < y);
}

/* A copy is the only line of its block; the bytes of shared blocks begin further on. */
static bool is_copy(const struct leat_line *line)
{
	return line->data - (const char *)line->block == sizeof(uint64_t) * 2;
}

Test(io_lines, kept_lines_hold_few_blocks)
{
	enum { BLOCKS = 200, EVERY = 400, LINES_MOST = 2000 };
	struct leat_lines_opts opts = { .path = path, .repeat = 4 };
	static struct leat_line kept[LINES_MOST];
	const void *blocks[LINES_MOST];
	size_t lines = 0, count = 0, shared = 0, distinct = 0;
	FILE *file = fopen(path, "we");

	for (size_t i = 0; i < BLOCKS / 4 * LEAT_BLOCK_BYTES / 64; i++)
		fprintf(file, "%063zu\n", i);
	fclose(file);
	struct stream stream = start(leat_lines, &opts);
	leat_for(struct leat_line, line, stream.rx) {
		if (lines++ % EVERY == 0)
			kept[count++] = line;
		else
			leat_line_free(&line);
	}
	cr_assert_eq(lines, BLOCKS * LEAT_BLOCK_BYTES / 64);
	for (size_t i = 0; i < count; i++) {
		char text[80];
		snprintf(text, sizeof(text), "%063zu", i * EVERY % (lines / 4));
		cr_assert(kept[i].len == 63 && memcmp(kept[i].data, text, 63) == 0, "line %zu", i);
		if (!is_copy(&kept[i]))
			blocks[shared++] = kept[i].block;
	}
	qsort(blocks, shared, sizeof(blocks[0]), compare_pointers);
	for (size_t i = 0; i < shared; i++)
		distinct += i == 0 || blocks[i] != blocks[i - 1];
	/* the block that is filled, and those that the channel holds lines of */
	cr_expect_leq(distinct, LEAT_BLOCKS_HELD + 2, "%zu of %d blocks", distinct, BLOCKS);
	for (size_t i = 0; i < count; i++)
		leat_line_free(&kept[i]);
	expect_completed(&stream);
}

Test(io_lines, a_real_log_has_all_its_lines)
{
	const char *data = getenv("LEAT_TEST_DATA");
	char log[4096];
	if (data == NULL) {
		fprintf(stderr, "skipped: LEAT_TEST_DATA names no folder with apache_logs\n");
		return;
	}
	snprintf(log, sizeof(log), "%s/apache_logs", data);
	if (access(log, R_OK) < 0) {
		fprintf(stderr, "skipped: there is no %s\n", log);
		return;
	}
	struct leat_lines_opts opts = { .path = log, .repeat = 2 };
	struct stream stream = start(leat_lines, &opts);
	uint64_t lines = 0, bytes = 0;
	leat_for(struct leat_line, line, stream.rx) {
		lines++;
		bytes += line.len + 1;
		leat_line_free(&line);
	}
	cr_expect_eq(lines, 2 * 10000);
	cr_expect_eq(bytes, 2 * 2370789);
	expect_completed(&stream);
}
