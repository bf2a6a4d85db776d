/*
 * tests/unit/io_proc.c: the source that reads a file of /proc again and again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "stream.h"

TestSuite(io_proc, .init = io_begin, .fini = io_end, .timeout = 600);

static void expect_reading(struct stream *stream)
{
	for (bool last = false; !last;) {
		struct leat_line line = take(stream);
		/* the last line of /proc/stat */
		last = line.len > 8 && memcmp(line.data, "softirq ", 8) == 0;
		leat_line_free(&line);
	}
}

Test(io_proc, proc_reads_again_and_again)
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

Test(io_proc, proc_reads_at_once_and_keeps_its_steps)
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

Test(io_proc, proc_ends_quietly_at_its_time)
{
	struct leat_proc_opts opts = { .name = "self/status",
		                       .until_ns = leat_now_ns() + 500 * MS };
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

Test(io_proc, proc_is_cancelled_between_readings)
{
	struct leat_proc_opts opts = { .name = "uptime", .interval_ns = INT64_MAX };
	struct stream stream = start(leat_proc, &opts);
	struct leat_line line = take(&stream);
	leat_line_free(&line);
	await_source_waits();
	stop(&stream, 0);
}

Test(io_proc, proc_stays_below_proc)
{
	const struct {
		const char *name, *text;
	} bad[] = {
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
	expect_failure(leat_proc, &folder_opts, sizeof(struct leat_line), -EISDIR,
	               "proc: /proc/self: Is a directory");
	struct leat_proc_opts interval = { .name = "stat", .interval_ns = -1 };
	expect_failure(leat_proc, &interval, sizeof(struct leat_line), -EINVAL,
	               "proc: stat: the interval must not be below 0");
}
