/*
 * tests/unit/io.c: sources from the world: lines, follow, proc, tick, count.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"

#include <fcntl.h>
#include <leat/io.h>
#include <runtime/io/source.h>
#include <sys/stat.h>

/* A folder for each test, and a path in it. */
static char folder[64], path[96], other[96];

static void write_file(const char *name, int flags, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC | O_CREAT | flags, 0600);
	cr_assert_geq(fd, 0, "%s: %s", name, strerror(errno));
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)data + at, len - at);
		cr_assert_gt(n, 0);
		at += (size_t)n;
	}
	close(fd);
}

static void put(const char *name, const char *text)
{
	write_file(name, O_TRUNC, text, strlen(text));
}

static void append(const char *name, const char *text)
{
	write_file(name, O_APPEND, text, strlen(text));
}

static void io_begin(void)
{
	strcpy(folder, "/tmp/leat-io-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	census_take();
}

static void remove_all(const char *name)
{
	char inside[512];
	DIR *dir = opendir(name);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", name, entry->d_name);
		if (unlink(inside) < 0)
			remove_all(inside);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(name);
}

static void io_end(void)
{
	census_check();
	remove_all(folder);
}

TestSuite(io, .init = io_begin, .fini = io_end, .timeout = 120);

/* A source that runs, and what it sends. Its thread is called "source". */
struct stream {
	struct leat_scope *scope;
	struct leat_rx *rx;
};

static struct stream start_sized(leat_gen_fn *fn, void *opts, size_t item_size, size_t capacity)
{
	struct stream stream = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_gen_opts gen = { .chan = { .name = "source", .capacity = capacity } };
	if (item_size == sizeof(struct leat_line))
		gen.chan.discard = leat_line_discard;
	cr_assert_not_null(stream.scope);
	cr_assert_eq(leat_gen(stream.scope, fn, opts, item_size, &gen, &stream.rx), 0);
	return stream;
}

static struct stream start(leat_gen_fn *fn, void *opts)
{
	return start_sized(fn, opts, sizeof(struct leat_line), 0);
}

static struct stream start_numbers(leat_gen_fn *fn, void *opts)
{
	return start_sized(fn, opts, sizeof(uint64_t), 0);
}

static void stop(struct stream *stream, int code)
{
	leat_rx_close(stream->rx);
	cr_expect_eq(leat_scope_close(stream->scope), code);
}

static struct leat_line take(struct stream *stream)
{
	struct leat_line line = { 0 };
	int rc = leat_recv_until(stream->rx, &line, leat_now_ns() + PATIENCE_NS);
	const char *text = "";
	if (rc != 1)
		leat_rx_status(stream->rx, NULL, NULL, &text);
	cr_assert_eq(rc, 1, "no line: %d %s", rc, text);
	return line;
}

static void expect_bytes(struct stream *stream, const void *data, size_t len)
{
	struct leat_line line = take(stream);
	cr_assert_eq(line.len, len, "%zu bytes instead of %zu: %.*s", line.len, len, (int)(line.len % 100), line.data);
	cr_expect(memcmp(line.data, data, len) == 0, "other bytes: %.*s", (int)(len % 100), line.data);
	leat_line_free(&line);
}

static void expect_line(struct stream *stream, const char *text)
{
	expect_bytes(stream, text, strlen(text));
}

static void expect_end(struct stream *stream)
{
	struct leat_line line;
	int rc = leat_recv_until(stream->rx, &line, leat_now_ns() + PATIENCE_NS);
	cr_assert_eq(rc, 0, "%d instead of the end", rc);
}

static void expect_status(struct stream *stream, enum leat_cause want, int want_code, const char *want_text)
{
	enum leat_cause cause;
	const char *text;
	int code;
	cr_assert_eq(leat_rx_status(stream->rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, want, "cause %d (%d, %s)", cause, code, text);
	cr_expect_eq(code, want_code, "code %d", code);
	cr_expect_str_eq(text, want_text);
}

static void expect_completed(struct stream *stream)
{
	expect_end(stream);
	expect_status(stream, LEAT_COMPLETED, 0, "");
	stop(stream, 0);
}

static void expect_failure(leat_gen_fn *fn, void *opts, size_t item_size, int code, const char *text)
{
	struct stream stream = start_sized(fn, opts, item_size, 0);
	char item[64];
	cr_expect_eq(leat_recv_until(stream.rx, (void *)item, leat_now_ns() + PATIENCE_NS), 0);
	expect_status(&stream, LEAT_FAILED, code, text);
	stop(&stream, code);
}

/* The thread of that name sleeps in a call for which a source waits. */
static bool sleeps(const char *tid, const char *name)
{
	char text[512];
	uint32_t id = (uint32_t)strtoul(tid, NULL, 10);
	if (!read_task(id, "comm", text, sizeof(text)) || strcspn(text, "\n") != strlen(name) ||
	    strncmp(text, name, strlen(name)) != 0)
		return false;
	if (!read_task(id, "stat", text, sizeof(text)) || strrchr(text, ')')[2] != 'S')
		return false;
	if (!read_task(id, "syscall", text, sizeof(text)))
		return true;
	long call = strtol(text, NULL, 10);
	return call == SYS_ppoll || call == SYS_futex;
}

static void await_source_waits(void)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	for (bool found = false; !found;) {
		DIR *dir = opendir("/proc/self/task");
		cr_assert_not_null(dir);
		for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;)
			found = entry->d_name[0] != '.' && sleeps(entry->d_name, "source");
		closedir(dir);
		cr_assert_lt(leat_now_ns(), patience_ns, "the source does not wait");
		sched_yield();
	}
}

/* Lines of their own */

Test(io, a_copied_line_owns_its_bytes)
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

Test(io, a_copied_line_may_be_empty)
{
	struct leat_line line;
	cr_assert_eq(leat_line_copy(&line, NULL, 0), 0);
	cr_expect_eq(line.len, 0);
	cr_expect_not_null(line.data);
	leat_line_free(&line);
}

Test(io, copying_checks_its_arguments)
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

Test(io, lines_are_without_their_line_feeds)
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

Test(io, last_line_needs_no_line_feed)
{
	struct leat_lines_opts opts = { .path = path };
	put(path, "one\ntwo");
	struct stream stream = start(leat_lines, &opts);
	expect_line(&stream, "one");
	expect_line(&stream, "two");
	expect_completed(&stream);
}

Test(io, an_empty_file_has_no_lines)
{
	struct leat_lines_opts opts = { .path = path, .repeat = UINT64_MAX };
	put(path, "");
	struct stream stream = start(leat_lines, &opts);
	expect_completed(&stream);
}

Test(io, lines_may_hold_any_byte)
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

/* What line n of a long file is: its number, and letters; the lengths have no period that fits a block's. */
static size_t long_file_line(char *to, unsigned n)
{
	size_t len = (size_t)sprintf(to, "%u ", n);
	memset(to + len, 'a' + (int)(n % 26), n % 311);
	return len + n % 311;
}

static void put_long_file(unsigned lines)
{
	char line[512];
	FILE *file = fopen(path, "we");
	cr_assert_not_null(file);
	for (unsigned n = 0; n < lines; n++) {
		size_t len = long_file_line(line, n);
		line[len] = '\n';
		cr_assert_eq(fwrite(line, 1, len + 1, file), len + 1);
	}
	fclose(file);
}

Test(io, lines_are_whole_across_blocks)
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

Test(io, a_line_that_is_kept_stays_what_it_was_after_the_scope_is_gone)
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

Test(io, a_line_longer_than_any_block_is_whole)
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

Test(io, repeat_reads_the_file_so_often)
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

Test(io, repeat_of_a_pipe_fails)
{
	struct leat_lines_opts opts = { .path = path, .repeat = 2 };
	char text[200];
	cr_assert_eq(mkfifo(path, 0600), 0);
	snprintf(text, sizeof(text), "lines: %s: to repeat it: Illegal seek", path);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -ESPIPE, text);
}

Test(io, a_missing_file_fails_with_its_name)
{
	struct leat_lines_opts opts = { .path = path };
	char text[200];
	snprintf(text, sizeof(text), "lines: %s: No such file or directory", path);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -ENOENT, text);
}

Test(io, a_long_path_is_shortened_so_that_the_reason_is_told)
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

Test(io, a_directory_has_no_lines)
{
	struct leat_lines_opts opts = { .path = folder };
	char text[200];
	snprintf(text, sizeof(text), "lines: %s: Is a directory", folder);
	expect_failure(leat_lines, &opts, sizeof(struct leat_line), -EISDIR, text);
}

Test(io, standard_input_is_read_and_stays_open)
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

Test(io, standard_input_repeats_from_where_it_stood)
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

Test(io, a_named_pipe_is_waited_for_and_read_to_its_end)
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

Test(io, a_consumer_that_leaves_ends_a_source_that_waits_for_input)
{
	struct leat_lines_opts opts = { .path = path };
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	await_source_waits();
	stop(&stream, 0);
}

Test(io, a_cancel_ends_a_source_that_waits_for_input)
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

Test(io, a_consumer_that_leaves_gets_what_is_in_flight_freed)
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

Test(io, lines_end_quietly_at_their_time_while_they_wait)
{
	struct leat_lines_opts opts = { .path = path, .until_ns = leat_now_ns() + 20 * MS };
	cr_assert_eq(mkfifo(path, 0600), 0);
	struct stream stream = start(leat_lines, &opts);
	expect_completed(&stream);
	cr_expect_geq(leat_now_ns(), opts.until_ns);
}

Test(io, lines_end_quietly_at_their_time_while_the_channel_is_full)
{
	struct leat_lines_opts opts = { .path = path, .until_ns = leat_now_ns() + 200 * MS };
	put(path, "one\ntwo\nthree\n");
	struct stream stream = start_sized(leat_lines, &opts, sizeof(struct leat_line), 1);
	cr_expect_eq(leat_scope_join(stream.scope), 0);
	cr_expect_geq(leat_now_ns(), opts.until_ns);
	expect_line(&stream, "one");
	expect_completed(&stream);
}

Test(io, lines_end_quietly_at_their_time_in_the_middle_of_a_file)
{
	struct leat_lines_opts opts = { .path = path, .repeat = UINT64_MAX, .until_ns = leat_now_ns() + 20 * MS };
	put_long_file(1000);
	struct stream stream = start(leat_lines, &opts);
	leat_for(struct leat_line, line, stream.rx)
		leat_line_free(&line);
	expect_completed(&stream);
}

Test(io, a_time_that_has_passed_sends_nothing)
{
	struct leat_lines_opts lines = { .path = path, .until_ns = 1 };
	struct leat_follow_opts follow = { .path = path, .from_start = true, .until_ns = 1 };
	struct leat_proc_opts proc = { .name = "stat", .until_ns = 1 };
	struct leat_tick_opts tick = { .interval_ns = 1, .until_ns = 1 };
	struct leat_count_opts count = { .last = 9, .until_ns = 1 };
	put(path, "one\n");
	struct stream streams[] = { start(leat_lines, &lines), start(leat_follow, &follow), start(leat_proc, &proc),
				    start_numbers(leat_tick, &tick), start_numbers(leat_count, &count) };
	for (size_t i = 0; i < COUNT(streams); i++) {
		char item[sizeof(struct leat_line)];
		cr_expect_eq(leat_recv_until(streams[i].rx, (void *)item, leat_now_ns() + PATIENCE_NS), 0, "%zu", i);
		expect_status(&streams[i], LEAT_COMPLETED, 0, "");
		stop(&streams[i], 0);
	}
}

Test(io, a_real_log_has_all_its_lines)
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

/* follow */

Test(io, follow_sends_what_is_appended_from_now_on)
{
	struct leat_follow_opts opts = { .path = path };
	put(path, "old\n");
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	append(path, "one\n");
	expect_line(&stream, "one");
	append(path, "two\nthree\n");
	expect_line(&stream, "two");
	expect_line(&stream, "three");
	stop(&stream, 0);
}

Test(io, follow_from_the_start_sends_what_is_there)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "old\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "old");
	append(path, "new\n");
	expect_line(&stream, "new");
	stop(&stream, 0);
}

static void expect_nothing(struct stream *stream)
{
	struct leat_line line;
	await_source_waits();
	cr_expect_eq(leat_try_recv(stream->rx, &line), -EAGAIN);
}

Test(io, follow_keeps_a_line_until_its_line_feed)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\nhal");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	expect_nothing(&stream);
	append(path, "f\n");
	expect_line(&stream, "half");
	stop(&stream, 0);
}

Test(io, follow_waits_for_a_file_that_is_not_there)
{
	struct leat_follow_opts opts = { .path = path };
	struct stream stream = start(leat_follow, &opts);
	expect_nothing(&stream);
	put(other, "another's\n");
	expect_nothing(&stream);
	put(path, "first\n");
	expect_line(&stream, "first");
	stop(&stream, 0);
}

Test(io, follow_takes_a_relative_path)
{
	struct leat_follow_opts opts = { .path = "file" };
	cr_assert_eq(chdir(folder), 0);
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	put(path, "first\n");
	expect_line(&stream, "first");
	stop(&stream, 0);
}

Test(io, follow_reads_a_renamed_file_to_its_end_and_then_the_new_one)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	for (int times = 0; times < 3; times++) {
		cr_assert_eq(rename(path, other), 0);
		append(other, "late\nwithout an end");
		put(path, "new\n");
		expect_line(&stream, "late");
		expect_line(&stream, "without an end");
		expect_line(&stream, "new");
	}
	append(path, "still\n");
	expect_line(&stream, "still");
	stop(&stream, 0);
}

Test(io, follow_stays_with_the_old_file_until_the_new_one_is_written)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	cr_assert_eq(rename(path, other), 0);
	put(path, "");
	await_source_waits();
	append(other, "not reopened yet\n");
	expect_line(&stream, "not reopened yet");
	append(path, "reopened\n");
	expect_line(&stream, "reopened");
	stop(&stream, 0);
}

Test(io, follow_takes_a_file_that_replaces_it)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\n");
	put(other, "two\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	cr_assert_eq(rename(other, path), 0);
	expect_line(&stream, "two");
	stop(&stream, 0);
}

Test(io, follow_waits_for_a_deleted_file_to_come_again)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	cr_assert_eq(unlink(path), 0);
	expect_nothing(&stream);
	put(path, "two\n");
	expect_line(&stream, "two");
	stop(&stream, 0);
}

Test(io, follow_begins_anew_when_the_file_is_truncated)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one, which is long\ncut");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one, which is long");
	await_source_waits();
	cr_assert_eq(truncate(path, 0), 0);
	expect_line(&stream, "cut"); /* what came of it is not lost, nor joined to what follows */
	append(path, "two\n");
	expect_line(&stream, "two");
	stop(&stream, 0);
}

Test(io, follow_goes_along_with_a_symbolic_link)
{
	char aside[128], first[160], second[160];
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	snprintf(aside, sizeof(aside), "%s/aside", folder);
	snprintf(first, sizeof(first), "%s/first", aside);
	snprintf(second, sizeof(second), "%s/second", aside);
	cr_assert_eq(mkdir(aside, 0700), 0);
	cr_assert_eq(symlink("aside/first", path), 0);
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	put(first, "one\n"); /* appears in a folder that is not the link's */
	expect_line(&stream, "one");
	put(second, "two\n");
	cr_assert_eq(symlink("aside/second", other), 0);
	cr_assert_eq(rename(other, path), 0);
	expect_line(&stream, "two");
	append(second, "three\n");
	expect_line(&stream, "three");
	stop(&stream, 0);
}

Test(io, follow_misses_no_line_of_a_writer_that_never_rests)
{
	enum { LINES = 20000 };
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	char line[128];
	struct stream stream = start_sized(leat_follow, &opts, sizeof(struct leat_line), LINES);
	int fd = -1;
	for (int n = 0; n < LINES; n++) {
		if (n % 5000 == 0) { /* rotated by the writer itself, as a program does that reopens its log */
			close(fd);
			snprintf(line, sizeof(line), "%s/old.%d", folder, n);
			if (n > 0)
				cr_assert_eq(rename(path, line), 0);
			fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		}
		int len = snprintf(line, sizeof(line), "%d\n", n);
		cr_assert_eq(write(fd, line, (size_t)len), len);
		if (n % 5000 == 4999) { /* a file that comes and goes unseen cannot be read: wait until this one was seen */
			for (int back = 4999; back >= 0; back--) {
				snprintf(line, sizeof(line), "%d", n - back);
				expect_line(&stream, line);
			}
		}
	}
	close(fd);
	stop(&stream, 0);
}

Test(io, follow_fails_without_a_directory)
{
	char text[200], missing[128];
	struct leat_follow_opts opts = { .path = missing };
	snprintf(missing, sizeof(missing), "%s/no/file", folder);
	snprintf(text, sizeof(text), "follow: %s: its directory: No such file or directory", missing);
	expect_failure(leat_follow, &opts, sizeof(struct leat_line), -ENOENT, text);
}

Test(io, follow_fails_when_its_directory_goes)
{
	char text[256], below[80], inside[96];
	struct leat_follow_opts opts = { .path = inside, .from_start = true };
	snprintf(below, sizeof(below), "%s/below", folder);
	snprintf(inside, sizeof(inside), "%s/file", below);
	cr_assert_eq(mkdir(below, 0700), 0);
	put(inside, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	append(inside, "two\n");
	cr_assert_eq(unlink(inside), 0);
	cr_assert_eq(rmdir(below), 0);
	expect_line(&stream, "two");
	expect_end(&stream);
	snprintf(text, sizeof(text), "follow: %s: its directory: No such file or directory", inside);
	expect_status(&stream, LEAT_FAILED, -ENOENT, text);
	stop(&stream, -ENOENT);
}

Test(io, follow_refuses_what_is_no_regular_file)
{
	char text[200];
	struct leat_follow_opts opts = { .path = folder };
	snprintf(text, sizeof(text), "follow: %s: Is a directory", folder);
	expect_failure(leat_follow, &opts, sizeof(struct leat_line), -EISDIR, text);
	opts.path = path;
	cr_assert_eq(mkfifo(path, 0600), 0);
	snprintf(text, sizeof(text), "follow: %s: Not a regular file", path);
	expect_failure(leat_follow, &opts, sizeof(struct leat_line), -EINVAL, text);
}

Test(io, follow_ends_quietly_at_its_time)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true, .until_ns = leat_now_ns() + 100 * MS };
	put(path, "one\npart");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	expect_completed(&stream);
}

Test(io, follow_ends_at_once_when_it_is_cancelled)
{
	struct leat_follow_opts opts = { .path = path };
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	leat_scope_cancel(stream.scope, -EIO, "broken");
	cr_expect_eq(leat_scope_join(stream.scope), -EIO);
	stop(&stream, -EIO);
}

Test(io, follow_finds_a_directory_that_replaces_its_own)
{
	char before[80], after[80], inside[96];
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	snprintf(before, sizeof(before), "%s/logs", folder);
	snprintf(after, sizeof(after), "%s/next", folder);
	cr_assert_eq(mkdir(before, 0700), 0);
	cr_assert_eq(mkdir(after, 0700), 0);
	snprintf(inside, sizeof(inside), "%s/file", after);
	put(inside, "two\n");
	snprintf(path, sizeof(path), "%s/file", before);
	put(path, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	await_source_waits();
	cr_assert_eq(syscall(SYS_renameat2, AT_FDCWD, before, AT_FDCWD, after, 2 /* RENAME_EXCHANGE */), 0);
	expect_line(&stream, "two");
	append(path, "three\n");
	expect_line(&stream, "three");
	stop(&stream, 0);
}

/* proc */

static void expect_reading(struct stream *stream)
{
	for (bool last = false; !last;) {
		struct leat_line line = take(stream);
		last = line.len > 8 && memcmp(line.data, "softirq ", 8) == 0; /* the last line of /proc/stat */
		leat_line_free(&line);
	}
}

Test(io, proc_reads_again_and_again)
{
	struct leat_proc_opts opts = { .name = "stat", .interval_ns = MS };
	struct stream stream = start(leat_proc, &opts);
	for (int readings = 0; readings < 5; readings++) {
		struct leat_line line = take(&stream);
		cr_expect(line.len > 4 && memcmp(line.data, "cpu ", 4) == 0);
		leat_line_free(&line);
		expect_reading(&stream);
	}
	stop(&stream, 0);
}

Test(io, proc_reads_at_once_and_keeps_its_steps)
{
	const int64_t interval_ns = 30 * MS;
	int64_t began_ns = leat_now_ns();
	struct leat_proc_opts opts = { .name = "uptime", .interval_ns = interval_ns };
	struct stream stream = start(leat_proc, &opts);
	for (int64_t reading = 0; reading < 4; reading++) {
		struct leat_line line = take(&stream);
		leat_line_free(&line);
		cr_expect_geq(leat_now_ns(), began_ns + reading * interval_ns);
	}
	stop(&stream, 0);
}

Test(io, proc_ends_quietly_at_its_time)
{
	struct leat_proc_opts opts = { .name = "self/status", .until_ns = leat_now_ns() + 50 * MS };
	struct stream stream = start(leat_proc, &opts);
	unsigned lines = 0;
	leat_for(struct leat_line, line, stream.rx) {
		lines++;
		leat_line_free(&line);
	}
	cr_expect_gt(lines, 10);
	cr_expect_geq(leat_now_ns(), opts.until_ns);
	expect_completed(&stream);
}

Test(io, proc_is_cancelled_between_readings)
{
	struct leat_proc_opts opts = { .name = "uptime", .interval_ns = INT64_MAX };
	struct stream stream = start(leat_proc, &opts);
	struct leat_line line = take(&stream);
	leat_line_free(&line);
	await_source_waits();
	stop(&stream, 0);
}

Test(io, proc_stays_below_proc)
{
	const struct { const char *name, *text; } bad[] = {
		{ NULL, "proc: no name" },
		{ "", "proc: : no name" },
		{ "/stat", "proc: /stat: the name must not begin with /" },
		{ "..", "proc: ..: the name must not contain .." },
		{ "self/../stat", "proc: self/../stat: the name must not contain .." },
		{ "self/..", "proc: self/..: the name must not contain .." },
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct leat_proc_opts opts = { .name = bad[i].name };
		expect_failure(leat_proc, &opts, sizeof(struct leat_line), -EINVAL, bad[i].text);
	}
	struct leat_proc_opts dots = { .name = "..stat" };
	expect_failure(leat_proc, &dots, sizeof(struct leat_line), -ENOENT,
		       "proc: /proc/..stat: No such file or directory");
	struct leat_proc_opts folder_opts = { .name = "self" };
	expect_failure(leat_proc, &folder_opts, sizeof(struct leat_line), -EISDIR, "proc: /proc/self: Is a directory");
	struct leat_proc_opts interval = { .name = "stat", .interval_ns = -1 };
	expect_failure(leat_proc, &interval, sizeof(struct leat_line), -EINVAL,
		       "proc: stat: the interval must not be below 0");
}

/* tick and count */

static uint64_t take_number(struct stream *stream)
{
	uint64_t number = 0;
	cr_assert_eq(leat_recv_until(stream->rx, &number, leat_now_ns() + PATIENCE_NS), 1);
	return number;
}

Test(io, tick_sends_the_number_that_is_due)
{
	const int64_t interval_ns = 5 * MS;
	struct leat_tick_opts opts = { .interval_ns = interval_ns };
	int64_t began_ns = leat_now_ns();
	struct stream stream = start_numbers(leat_tick, &opts);
	uint64_t last = 0;
	for (int i = 0; i < 10; i++) {
		uint64_t tick = take_number(&stream);
		cr_expect_gt(tick, last);
		cr_expect_geq(leat_now_ns(), began_ns + (int64_t)tick * interval_ns);
		last = tick;
	}
	stop(&stream, 0);
}

Test(io, tick_leaves_out_what_it_could_not_send)
{
	struct leat_tick_opts opts = { .interval_ns = MS };
	struct stream stream = start_sized(leat_tick, &opts, sizeof(uint64_t), 1);
	uint64_t first = take_number(&stream);
	/* A receive that makes room only after some more ticks are due. */
	struct leat_scope *clock = leat_scope_open(NULL, NULL);
	struct leat_rx *never;
	struct leat_tx *tx;
	uint64_t nothing;
	cr_assert_eq(leat_chan_open(clock, sizeof(uint64_t), NULL, &tx, &never), 0);
	cr_expect_eq(leat_recv_until(never, &nothing, leat_now_ns() + 50 * MS), -ETIMEDOUT);
	leat_tx_close(tx);
	leat_rx_close(never);
	leat_scope_close(clock);
	uint64_t waited = take_number(&stream), blocked = take_number(&stream), due = take_number(&stream);
	cr_expect(first < waited && waited < blocked && blocked < due);
	cr_expect_geq(due, first + 40, "%lu after %lu", (unsigned long)due, (unsigned long)first);
	stop(&stream, 0);
}

Test(io, tick_ends_quietly_at_its_time)
{
	struct leat_tick_opts opts = { .interval_ns = INT64_MAX, .until_ns = leat_now_ns() + 20 * MS };
	struct stream stream = start_numbers(leat_tick, &opts);
	uint64_t number;
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	cr_expect_geq(leat_now_ns(), opts.until_ns);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io, tick_needs_an_interval)
{
	struct leat_tick_opts opts = { .interval_ns = 0 };
	expect_failure(leat_tick, &opts, sizeof(uint64_t), -EINVAL, "tick: the interval must be above 0");
	opts.interval_ns = -1;
	expect_failure(leat_tick, &opts, sizeof(uint64_t), -EINVAL, "tick: the interval must be above 0");
}

Test(io, tick_stops_between_ticks)
{
	struct leat_tick_opts opts = { .interval_ns = INT64_MAX };
	struct stream stream = start_numbers(leat_tick, &opts);
	await_source_waits();
	stop(&stream, 0);
}

static void expect_numbers(uint64_t first, uint64_t last)
{
	struct leat_count_opts opts = { .first = first, .last = last };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t number;
	for (uint64_t n = first; n - first <= last - first; n++) {
		cr_assert_eq(take_number(&stream), n);
		if (n == last)
			break;
	}
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io, count_sends_first_to_last)
{
	expect_numbers(0, 0);
	expect_numbers(5, 5000);
	expect_numbers(UINT64_MAX - 200, UINT64_MAX);
	expect_numbers(UINT64_MAX, UINT64_MAX);
}

Test(io, count_backwards_sends_nothing)
{
	struct leat_count_opts opts = { .first = 1, .last = 0 };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t number;
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io, count_ends_quietly_at_its_time)
{
	struct leat_count_opts opts = { .last = UINT64_MAX, .until_ns = leat_now_ns() + 20 * MS };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t next = 0, faults = 0;
	leat_for(uint64_t, number, stream.rx)
		faults += number != next++;
	cr_expect_eq(faults, 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

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
	snprintf(follow_text, sizeof(follow_text), "follow: %s: reserved options must be zero", path);
	expect_failure(leat_lines, &lines, sizeof(struct leat_line), -EINVAL, lines_text);
	expect_failure(leat_follow, &follow, sizeof(struct leat_line), -EINVAL, follow_text);
	expect_failure(leat_proc, &proc, sizeof(struct leat_line), -EINVAL, "proc: stat: reserved options must be zero");
	expect_failure(leat_tick, &tick, sizeof(uint64_t), -EINVAL, "tick: reserved options must be zero");
	expect_failure(leat_count, &count, sizeof(uint64_t), -EINVAL, "count: reserved options must be zero");
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
	struct leat_emitter lines = { collect_line, &collector, pipe.tx };
	struct leat_emitter numbers = { collect_number, &collector, pipe.tx };
	put_long_file(1000);
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path, .repeat = UINT64_MAX }), 0);
	cr_expect_eq(collector.taken, 70);
	collector.taken = 0;
	cr_expect_eq(leat_follow_into(&lines, &(struct leat_follow_opts){ .path = path, .from_start = true }), 0);
	cr_expect_eq(collector.taken, 70);
	collector.taken = 0;
	cr_expect_eq(leat_proc_into(&lines, &(struct leat_proc_opts){ .name = "stat", .interval_ns = 1 }), 0);
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
	struct leat_emitter lines = { collect_line, &collector, pipe.tx };
	struct leat_emitter numbers = { collect_number, &collector, pipe.tx };
	put(path, "one\ntwo");
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path }), -EIO);
	collector.taken = 0;
	cr_expect_eq(leat_count_into(&numbers, &(struct leat_count_opts){ .last = 9 }), -EIO);
	pipe_close(&pipe);
}

/* A flow whose steps let nothing pass never sends; its source must find out by itself. */
Test(io, a_source_whose_items_are_all_swallowed_hears_of_a_cancel)
{
	struct pipe pipe = pipe_open(NULL);
	struct collector collector = { .enough = UINT32_MAX };
	struct leat_emitter lines = { collect_line, &collector, pipe.tx };
	struct leat_emitter numbers = { collect_number, &collector, pipe.tx };
	put_long_file(10);
	leat_scope_cancel(pipe.scope, 0, NULL);
	cr_expect_eq(leat_lines_into(&lines, &(struct leat_lines_opts){ .path = path, .repeat = UINT64_MAX }), -ECANCELED);
	cr_expect_eq(leat_follow_into(&lines, &(struct leat_follow_opts){ .path = path }), -ECANCELED);
	cr_expect_eq(leat_proc_into(&lines, &(struct leat_proc_opts){ .name = "stat" }), -ECANCELED);
	cr_expect_eq(leat_tick_into(&numbers, &(struct leat_tick_opts){ .interval_ns = 1 }), -ECANCELED);
	cr_expect_eq(leat_count_into(&numbers, &(struct leat_count_opts){ .last = UINT64_MAX }), -ECANCELED);
	pipe_close(&pipe);
}
