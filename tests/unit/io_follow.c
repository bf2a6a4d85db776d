/*
 * tests/unit/io_follow.c: the source that follows a file that grows, and is rotated.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "stream.h"

TestSuite(io_follow, .init = io_begin, .fini = io_end, .timeout = 600);

Test(io_follow, follow_sends_what_is_appended_from_now_on)
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

Test(io_follow, follow_from_the_start_sends_what_is_there)
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

Test(io_follow, follow_keeps_a_line_until_its_line_feed)
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

Test(io_follow, follow_waits_for_a_file_that_is_not_there)
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

Test(io_follow, follow_takes_a_relative_path)
{
	struct leat_follow_opts opts = { .path = "file" };
	cr_assert_eq(chdir(folder), 0);
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	put(path, "first\n");
	expect_line(&stream, "first");
	stop(&stream, 0);
}

Test(io_follow, follow_reads_a_renamed_file_to_its_end_and_then_the_new_one)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	for (int times = 0; times < 3; times++)
		rotate(&stream);
	append(path, "still\n");
	expect_line(&stream, "still");
	stop(&stream, 0);
}

Test(io_follow, follow_stays_with_the_old_file_until_the_new_one_is_written)
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

Test(io_follow, follow_takes_a_file_that_replaces_it)
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

Test(io_follow, follow_waits_for_a_deleted_file_to_come_again)
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

Test(io_follow, follow_begins_anew_when_the_file_is_truncated)
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

/* Writes over what a file holds, in one step, so that it is never seen shorter. */
static void write_over(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

Test(io_follow, follow_begins_anew_when_a_truncated_file_has_outgrown_its_old_length)
{
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	put(path, "one\ntwo\nhal");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	expect_line(&stream, "two");
	expect_nothing(&stream);
	write_over(path, "three\nfour\nfive\nsix\n");
	expect_line(&stream, "hal");
	expect_line(&stream, "three");
	expect_line(&stream, "four");
	expect_line(&stream, "five");
	expect_line(&stream, "six");
	write_over(path, "seven\neight\nnine\nte\n"); /* as long as before */
	expect_line(&stream, "seven");
	expect_line(&stream, "eight");
	expect_line(&stream, "nine");
	expect_line(&stream, "te");
	stop(&stream, 0);
}

Test(io_follow, follow_refuses_a_file_that_has_no_size)
{
	struct leat_follow_opts opts = { .path = "/proc/meminfo", .from_start = true };
	expect_failure(
		leat_follow, &opts, sizeof(struct leat_line), -EINVAL,
		"follow: /proc/meminfo: has no size and can't be followed; proc: reads such files");
}

Test(io_follow, follow_goes_along_with_a_symbolic_link)
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

/* As volumes of configuration are laid out: `now` is a link to the folder v1, then to v2. */
static const char *volume(const char *name)
{
	static char text[160];
	snprintf(text, sizeof(text), "%s/%s", folder, name);
	return text;
}

static void put_volumes(void)
{
	cr_assert_eq(mkdir(volume("v1"), 0700), 0);
	cr_assert_eq(mkdir(volume("v2"), 0700), 0);
	cr_assert_eq(symlink("v1", volume("now")), 0);
}

static void follow_through_volumes(const char *file)
{
	struct leat_follow_opts opts = { .path = file, .from_start = true };
	char now[160];
	put(file, "one\n");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	await_source_waits();
	strcpy(now, volume("now"));
	cr_assert_eq(symlink("v2", volume("next")), 0);
	cr_assert_eq(rename(volume("next"), now), 0);
	put(file, "two\n");
	expect_line(&stream, "two");
	append(file, "three\n");
	expect_line(&stream, "three");
	stop(&stream, 0);
}

Test(io_follow, follow_goes_along_with_a_link_in_the_middle_of_its_path)
{
	put_volumes();
	cr_assert_eq(symlink("now/file", path), 0);
	follow_through_volumes(path);
}

Test(io_follow, follow_goes_along_with_a_link_to_its_directory)
{
	char file[160];
	put_volumes();
	strcpy(file, volume("now/file"));
	follow_through_volumes(file);
}

Test(io_follow, follow_misses_no_line_of_a_writer_that_never_rests)
{
	enum { LINES = 20000 };
	struct leat_follow_opts opts = { .path = path, .from_start = true };
	char line[128];
	struct stream stream = start_sized(leat_follow, &opts, sizeof(struct leat_line), LINES);
	int fd = -1;
	for (int n = 0; n < LINES; n++) {
		/* rotated by the writer itself, as a program does that reopens its log */
		if (n % 5000 == 0) {
			close(fd);
			snprintf(line, sizeof(line), "%s/old.%d", folder, n);
			if (n > 0)
				cr_assert_eq(rename(path, line), 0);
			fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		}
		int len = snprintf(line, sizeof(line), "%d\n", n);
		cr_assert_eq(write(fd, line, (size_t)len), len);
		/* a file that comes and goes unseen cannot be read: wait until this one was seen */
		if (n % 5000 == 4999) {
			for (int back = 4999; back >= 0; back--) {
				snprintf(line, sizeof(line), "%d", n - back);
				expect_line(&stream, line);
			}
		}
	}
	close(fd);
	stop(&stream, 0);
}

Test(io_follow, follow_fails_without_a_directory)
{
	char text[200], missing[128];
	struct leat_follow_opts opts = { .path = missing };
	snprintf(missing, sizeof(missing), "%s/no/file", folder);
	snprintf(text, sizeof(text), "follow: %s: its directory: No such file or directory",
	         missing);
	expect_failure(leat_follow, &opts, sizeof(struct leat_line), -ENOENT, text);
}

Test(io_follow, follow_fails_when_its_directory_goes)
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
	snprintf(text, sizeof(text), "follow: %s: its directory: No such file or directory",
	         inside);
	expect_status(&stream, LEAT_FAILED, -ENOENT, text);
	stop(&stream, -ENOENT);
}

Test(io_follow, follow_refuses_what_is_no_regular_file)
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

Test(io_follow, follow_ends_quietly_at_its_time)
{
	struct leat_follow_opts opts = { .path = path,
		                         .from_start = true,
		                         .until_ns = leat_now_ns() + 100 * MS };
	put(path, "one\npart");
	struct stream stream = start(leat_follow, &opts);
	expect_line(&stream, "one");
	expect_completed(&stream);
}

Test(io_follow, follow_ends_at_once_when_it_is_cancelled)
{
	struct leat_follow_opts opts = { .path = path };
	struct stream stream = start(leat_follow, &opts);
	await_source_waits();
	leat_scope_cancel(stream.scope, -EIO, "broken");
	cr_expect_eq(leat_scope_join(stream.scope), -EIO);
	stop(&stream, -EIO);
}

Test(io_follow, follow_finds_a_directory_that_replaces_its_own)
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
	cr_assert_eq(
		syscall(SYS_renameat2, AT_FDCWD, before, AT_FDCWD, after, 2 /* RENAME_EXCHANGE */),
		0);
	expect_line(&stream, "two");
	append(path, "three\n");
	expect_line(&stream, "three");
	stop(&stream, 0);
}
