/*
 * tests/unit/io_seq.c: the sources as seqs: pulled, on a thread, on a pool; hundreds on one pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "stream.h"

#include <leat/pool.h>
#include <runtime/io/line.h>

TestSuite(io_seq, .init = io_begin, .fini = io_end, .timeout = 600);

/* Where a seq runs: on a thread, on a pool with a compact channel, on a pool with a full one. */
enum place { THREAD, COMPACT, FULL, PLACES };

static struct leat_pool *pool;

static struct leat_gen_opts options_at(enum place place, size_t item_size)
{
	struct leat_gen_opts opts = { .chan.name = "source" };
	opts.chan.capacity = place == FULL ? 1000 : 4;
	if (item_size == sizeof(struct leat_line))
		opts.chan.discard = leat_line_discard;
	if (place != THREAD)
		opts.pool = pool;
	return opts;
}

static struct stream start_seq(struct leat_seq seq, enum place place)
{
	struct stream stream = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_gen_opts opts = options_at(place, seq.item_size);
	if (pool == NULL)
		pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	opts.pool = place != THREAD ? pool : NULL;
	cr_assert_not_null(pool);
	cr_assert_eq(leat_gen_seq(stream.scope, seq, &opts, &stream.rx), 0);
	return stream;
}

static void close_pool(void)
{
	cr_expect_eq(leat_pool_close(pool), 0);
	pool = NULL;
}

static struct leat_seq follow_seq(const char *file, bool from_start, int64_t until_ns)
{
	struct leat_follow_opts opts = { .path = file,
		                         .from_start = from_start,
		                         .until_ns = until_ns };
	struct leat_seq seq;
	cr_assert_eq(leat_follow_seq(&opts, &seq), 0);
	return seq;
}

/* Time enough for a source on a pool to go to rest; that it does is not what is asked. */
static void let_rest(void)
{
	usleep(20000);
}

Test(io_seq, lines_are_the_same_everywhere)
{
	enum { LINES = 5000 };
	char line[512];
	put_long_file(LINES);
	append(path, "the rest");
	for (enum place place = THREAD; place < PLACES; place++) {
		struct leat_seq seq;
		cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = path, .repeat = 2 },
		                            &seq),
		             0);
		struct stream stream = start_seq(seq, place);
		for (unsigned n = 0; n < 2 * (LINES + 1); n++) {
			if (n % (LINES + 1) == LINES)
				expect_line(&stream, "the rest");
			else
				expect_bytes(&stream, line, long_file_line(line, n % (LINES + 1)));
		}
		expect_completed(&stream);
	}
	close_pool();
}

Test(io_seq, lines_are_pulled)
{
	struct leat_line line;
	struct leat_seq seq;
	put(path, "one\n\nthree");
	cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = path }, &seq), 0);
	cr_expect_eq(seq.item_size, sizeof(line));
	for (unsigned n = 0; n < 3; n++) {
		cr_assert_eq(seq.next(seq.state, &line), 1);
		cr_expect_eq(line.len, ((size_t[]){ 3, 0, 5 })[n]);
		leat_line_free(&line);
	}
	cr_expect_eq(seq.next(seq.state, &line), 0);
	cr_expect_eq(seq.next(seq.state, &line), 0);
	seq.fini(seq.state);
}

Test(io_seq, lines_of_a_pipe_wait_in_a_step)
{
	for (enum place place = THREAD; place < PLACES; place++) {
		struct leat_seq seq;
		cr_assert_eq(mkfifo(other, 0600), 0);
		int fd = open(other, O_RDWR | O_CLOEXEC);
		cr_assert_geq(fd, 0);
		cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = other }, &seq), 0);
		struct stream stream = start_seq(seq, place);
		let_rest();
		cr_assert_eq(write(fd, "one\ntw", 6), 6);
		expect_line(&stream, "one");
		let_rest();
		cr_assert_eq(write(fd, "o\n", 2), 2);
		expect_line(&stream, "two");
		stop(&stream, 0);
		close(fd);
		unlink(other);
	}
	close_pool();
}

Test(io_seq, readings_ticks_and_numbers_come)
{
	struct leat_proc_opts proc = { .name = "self/status", .interval_ns = MS };
	struct leat_tick_opts tick = { .interval_ns = MS };
	struct leat_count_opts count = { .first = UINT64_MAX - 999, .last = UINT64_MAX };
	for (enum place place = THREAD; place < PLACES; place++) {
		struct leat_seq seq;
		uint64_t number, last = 0;
		cr_assert_eq(leat_proc_seq(&proc, &seq), 0);
		struct stream stream = start_seq(seq, place);
		for (unsigned readings = 0; readings < 3;) {
			struct leat_line line = take(&stream);
			readings += line.len > 5 && memcmp(line.data, "Name:", 5) == 0;
			leat_line_free(&line);
		}
		stop(&stream, 0);
		cr_assert_eq(leat_tick_seq(&tick, &seq), 0);
		stream = start_seq(seq, place);
		for (unsigned n = 0; n < 20; n++, last = number) {
			cr_assert_eq(leat_recv(stream.rx, &number), 1);
			cr_expect_gt(number, last);
		}
		stop(&stream, 0);
		cr_assert_eq(leat_count_seq(&count, &seq), 0);
		stream = start_seq(seq, place);
		for (uint64_t n = 0; n < 1000; n++) {
			cr_assert_eq(leat_recv(stream.rx, &number), 1);
			cr_expect_eq(number, count.first + n);
		}
		cr_expect_eq(leat_recv(stream.rx, &number), 0);
		stop(&stream, 0);
	}
	close_pool();
}

Test(io_seq, a_file_is_followed_through_rotation_and_truncation)
{
	for (enum place place = THREAD; place < PLACES; place++) {
		put(path, "old\n");
		struct leat_seq seq = follow_seq(path, false, 0);
		append(path, "before the start\n");
		struct stream stream = start_seq(seq, place);
		expect_line(&stream, "before the start");
		let_rest();
		append(path, "one\ntwo\nhal");
		expect_line(&stream, "one");
		expect_line(&stream, "two");
		let_rest();
		append(path, "f\n");
		expect_line(&stream, "half");
		append(path, "whole\ncut");
		expect_line(&stream, "whole"); /* with what stands behind it */
		cr_assert_eq(truncate(path, 0), 0);
		expect_line(&stream, "cut");
		rotate(&stream);
		stop(&stream, 0);
	}
	close_pool();
}

Test(io_seq, a_pulled_follow_waits_for_its_file_and_ends_in_time)
{
	struct leat_seq seq = follow_seq(path, false, leat_now_ns() + 400 * MS);
	struct leat_line line;
	put(path, "one\n");
	cr_assert_eq(seq.next(seq.state, &line), 1);
	cr_expect_eq(line.len, 3u);
	leat_line_free(&line);
	cr_expect_eq(seq.next(seq.state, &line), 0);
	seq.fini(seq.state);
}

Test(io_seq, a_follow_that_waits_ends_by_time_by_cancel_and_with_its_consumer)
{
	for (enum place place = THREAD; place < PLACES; place++) {
		put(path, "");
		struct stream stream =
			start_seq(follow_seq(path, false, leat_now_ns() + 30 * MS), place);
		expect_completed(&stream);
		stream = start_seq(follow_seq(path, false, 0), place);
		let_rest();
		leat_scope_cancel(stream.scope, -EINTR, "enough");
		struct leat_line line;
		cr_expect_eq(leat_recv(stream.rx, &line), -ECANCELED);
		stop(&stream, -EINTR);
		stream = start_seq(follow_seq(path, false, 0), place);
		let_rest();
		stop(&stream, 0);
	}
	close_pool();
}

static void expect_seq_failure(struct leat_seq seq, enum place place, int code, const char *text)
{
	struct stream stream = start_seq(seq, place);
	expect_end(&stream);
	expect_status(&stream, LEAT_FAILED, code, text);
	stop(&stream, code);
}

Test(io_seq, failures_have_their_words)
{
	char text[256], missing[128];
	snprintf(missing, sizeof(missing), "%s/no/file", folder);
	for (enum place place = THREAD; place < PLACES; place++) {
		struct leat_seq seq;
		cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = path }, &seq), 0);
		snprintf(text, sizeof(text), "lines: %s: No such file or directory", path);
		expect_seq_failure(seq, place, -ENOENT, text);
		snprintf(text, sizeof(text), "follow: %s: Is a directory", folder);
		expect_seq_failure(follow_seq(folder, false, 0), place, -EISDIR, text);
		snprintf(text, sizeof(text), "follow: %s: its directory: No such file or directory",
		         missing);
		expect_seq_failure(follow_seq(missing, false, 0), place, -ENOENT, text);
		cr_assert_eq(leat_proc_seq(&(struct leat_proc_opts){ .name = "no" }, &seq), 0);
		expect_seq_failure(seq, place, -ENOENT,
		                   "proc: /proc/no: No such file or directory");
	}
	close_pool();
}

Test(io_seq, bad_options_are_refused_at_once)
{
	struct leat_seq seq = { .item_size = 1 };
	cr_expect_eq(leat_lines_seq(NULL, &seq), -EINVAL);
	cr_expect_eq(seq.item_size, 0u);
	cr_expect_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = path }, NULL), -EINVAL);
	cr_expect_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = NULL }, &seq), -EINVAL);
	cr_expect_eq(leat_follow_seq(&(struct leat_follow_opts){ .path = NULL }, &seq), -EINVAL);
	cr_expect_eq(leat_follow_seq(&(struct leat_follow_opts){ .path = path, .reserved = { 1 } },
	                             &seq),
	             -EINVAL);
	cr_expect_eq(leat_proc_seq(&(struct leat_proc_opts){ .name = "../x" }, &seq), -EINVAL);
	cr_expect_eq(leat_proc_seq(&(struct leat_proc_opts){ .name = NULL }, &seq), -EINVAL);
	cr_expect_eq(leat_tick_seq(&(struct leat_tick_opts){ .interval_ns = 0 }, &seq), -EINVAL);
	cr_expect_eq(leat_count_seq(&(struct leat_count_opts){ .reserved = { 1 } }, &seq), -EINVAL);
	cr_expect_null(seq.next);
}

Test(io_seq, follows_of_one_file_share_its_watch)
{
	put(path, "");
	struct stream first = start_seq(follow_seq(path, false, 0), COMPACT);
	struct stream second = start_seq(follow_seq(path, false, 0), THREAD);
	let_rest();
	append(path, "one\n");
	expect_line(&first, "one");
	expect_line(&second, "one");
	stop(&first, 0);
	append(path, "two\n");
	expect_line(&second, "two");
	cr_assert_eq(rename(path, other), 0);
	put(path, "three\n");
	expect_line(&second, "three");
	stop(&second, 0);
	close_pool();
}

Test(io_seq, a_line_without_end_is_cancelled_in_its_midst)
{
	for (enum place place = THREAD; place < PLACES; place++) {
		struct leat_seq seq;
		cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = "/dev/zero" }, &seq), 0);
		struct stream stream = start_seq(seq, place);
		let_rest();
		int64_t from_ns = leat_now_ns();
		stop(&stream, 0);
		/* up to its 1 GiB it would take 0.8 s on a fast machine, and longer on others */
		cr_expect_lt(leat_now_ns() - from_ns, 400 * MS);
	}
	close_pool();
}

/* Hundreds */

static int64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* In a folder below the test's: other tests make and remove folders beside that one. */
static const char *log_name(unsigned n)
{
	static char name[160];
	snprintf(name, sizeof(name), "%s/logs", folder);
	if (n == 0)
		mkdir(name, 0700);
	snprintf(name, sizeof(name), "%s/logs/log.%u", folder, n);
	return name;
}

Test(io_seq, five_hundred_follows_and_two_hundred_tickers_need_two_workers)
{
	enum { LOGS = 500, TICKERS = 200 };
	static struct stream logs[LOGS], tickers[TICKERS];
	struct leat_tick_opts every_hour = { .interval_ns = 3600 * 1000 * MS };
	int threads = census_threads(), descriptors = census_descriptors();
	int64_t start_ns, used_ns = 0;
	for (unsigned n = 0; n < LOGS; n++) {
		put(log_name(n), "old\n");
		logs[n] = start_seq(follow_seq(log_name(n), true, 0), COMPACT);
	}
	for (unsigned n = 0; n < TICKERS; n++) {
		struct leat_seq seq;
		cr_assert_eq(leat_tick_seq(&every_hour, &seq), 0);
		tickers[n] = start_seq(seq, COMPACT);
	}
	for (unsigned n = 0; n < LOGS; n++)
		expect_line(&logs[n], "old");
	for (unsigned n = 0; n < LOGS; n++)
		append(log_name(n), "one\n");
	for (unsigned n = 0; n < LOGS; n++)
		expect_line(&logs[n], "one");
	/* a loaded machine takes a while to come to rest */
	for (unsigned tries = 0, used = 1; tries < 10 && used; tries++) {
		start_ns = cpu_ns();
		usleep(500000);
		used_ns = cpu_ns() - start_ns;
		used = used_ns >= 10 * MS;
	}
	threads = census_threads() - threads;
	descriptors = census_descriptors() - descriptors;
	fprintf(stderr,
	        "%d follows, %d tickers: %d threads, %d descriptors, %.3f ms of CPU in 0.5 s\n",
	        LOGS, TICKERS, threads, descriptors, (double)used_ns / 1e6);
	cr_expect_leq(threads, 3, "%d threads: the workers, and the hub", threads);
	cr_expect_leq(descriptors, LOGS + 8, "%d descriptors", descriptors);
	cr_expect_lt(used_ns, 10 * MS, "%lld ns of CPU", (long long)used_ns);
	for (unsigned n = 0; n < LOGS; n++) {
		cr_assert_eq(rename(log_name(n), other), 0);
		put(log_name(n), "two\n");
	}
	for (unsigned n = 0; n < LOGS; n++)
		expect_line(&logs[n], "two");
	for (unsigned n = 0; n < LOGS; n++)
		stop(&logs[n], 0);
	for (unsigned n = 0; n < TICKERS; n++)
		stop(&tickers[n], 0);
	close_pool();
}

Test(io_seq, two_hundred_follows_on_threads_share_an_instance)
{
	enum { LOGS = 200 }; /* a user has 128 instances */
	static struct stream logs[LOGS];
	struct leat_follow_opts opts[LOGS];
	static char names[LOGS][160];
	for (unsigned n = 0; n < LOGS; n++) {
		strcpy(names[n], log_name(n));
		put(names[n], "old\n");
		opts[n] = (struct leat_follow_opts){ .path = names[n], .from_start = true };
		logs[n] = start(leat_follow, &opts[n]);
	}
	for (unsigned n = 0; n < LOGS; n++)
		expect_line(&logs[n], "old");
	for (unsigned n = 0; n < LOGS; n++)
		stop(&logs[n], 0);
}

#ifndef __SANITIZE_THREAD__ /* which would take a minute to copy it */
/* The longest line. The bytes are not written, so that most of the memory is never touched. */
Test(io_seq, a_line_is_refused_at_exactly_its_most_bytes)
{
	struct leat_splitter split = { 0 };
	struct leat_line line;
	size_t sum = 0, room;
	char *at;
	while (sum < LEAT_LINE_BYTES - 1) {
		cr_assert_eq(leat_splitter_room(&split, &at, &room), 0);
		room = room < LEAT_LINE_BYTES - 1 - sum ? room : LEAT_LINE_BYTES - 1 - sum;
		leat_splitter_fill(&split, room);
		sum += room;
	}
	cr_assert_eq(leat_splitter_room(&split, &at, &room), 0);
	cr_expect_eq(room, 1u);
	leat_splitter_fill(&split, 1);
	cr_expect_eq(leat_splitter_room(&split, &at, &room), -EMSGSIZE);
	cr_expect(leat_splitter_rest(&split, &line));
	leat_line_free(&line);
	leat_splitter_fini(&split);
}
#endif
