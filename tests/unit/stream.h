/*
 * tests/unit/stream.h: what the suites of the sources share: a folder with a file, a source that
 * runs, and what it sends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_STREAM_H
#define LEAT_TEST_STREAM_H

#include "census.h"

#include <fcntl.h>
#include <leat/io.h>
#include <runtime/io/source.h>
#include <sys/stat.h>

/* A folder for each test, and a path in it. */
static UNUSED char folder[64], path[96], other[96];

static UNUSED void write_file(const char *name, int flags, const void *data, size_t len)
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

static UNUSED void put(const char *name, const char *text)
{
	write_file(name, O_TRUNC, text, strlen(text));
}

static UNUSED void append(const char *name, const char *text)
{
	write_file(name, O_APPEND, text, strlen(text));
}

static UNUSED void io_begin(void)
{
	strcpy(folder, "/tmp/leat-io-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
}

static UNUSED void remove_all(const char *name)
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

static UNUSED void io_end(void)
{
	remove_all(folder);
}

/* A source that runs, and what it sends. Its thread is called "source". */
struct stream {
	struct leat_scope *scope;
	struct leat_rx *rx;
};

static UNUSED struct stream start_sized(leat_gen_fn *fn, void *opts, size_t item_size,
                                        size_t capacity)
{
	struct stream stream = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_gen_opts gen = { .chan = { .name = "source", .capacity = capacity } };
	if (item_size == sizeof(struct leat_line))
		gen.chan.discard = leat_line_discard;
	cr_assert_not_null(stream.scope);
	cr_assert_eq(leat_gen(stream.scope, fn, opts, item_size, &gen, &stream.rx), 0);
	return stream;
}

static UNUSED struct stream start(leat_gen_fn *fn, void *opts)
{
	return start_sized(fn, opts, sizeof(struct leat_line), 0);
}

static UNUSED struct stream start_numbers(leat_gen_fn *fn, void *opts)
{
	return start_sized(fn, opts, sizeof(uint64_t), 0);
}

static UNUSED void stop(struct stream *stream, int code)
{
	leat_rx_close(stream->rx);
	cr_expect_eq(leat_scope_close(stream->scope), code);
}

static UNUSED struct leat_line take(struct stream *stream)
{
	struct leat_line line = { 0 };
	int rc = leat_recv_until(stream->rx, &line, leat_now_ns() + PATIENCE_NS);
	const char *text = "";
	if (rc != 1)
		leat_rx_status(stream->rx, NULL, NULL, &text);
	cr_assert_eq(rc, 1, "no line: %d %s", rc, text);
	return line;
}

static UNUSED void expect_bytes(struct stream *stream, const void *data, size_t len)
{
	struct leat_line line = take(stream);
	cr_assert_eq(line.len, len, "%zu bytes instead of %zu: %.*s", line.len, len,
	             (int)(line.len % 100), line.data);
	cr_expect(memcmp(line.data, data, len) == 0, "other bytes: %.*s", (int)(len % 100),
	          line.data);
	leat_line_free(&line);
}

static UNUSED void expect_line(struct stream *stream, const char *text)
{
	expect_bytes(stream, text, strlen(text));
}

/* The followed file is renamed, written to once more, and another takes its path. */
static UNUSED void rotate(struct stream *stream)
{
	cr_assert_eq(rename(path, other), 0);
	append(other, "late\nwithout an end");
	put(path, "new\n");
	expect_line(stream, "late");
	expect_line(stream, "without an end");
	expect_line(stream, "new");
}

static UNUSED void expect_end(struct stream *stream)
{
	struct leat_line line;
	int rc = leat_recv_until(stream->rx, &line, leat_now_ns() + PATIENCE_NS);
	cr_assert_eq(rc, 0, "%d instead of the end", rc);
}

static UNUSED void expect_status(struct stream *stream, enum leat_cause want, int want_code,
                                 const char *want_text)
{
	enum leat_cause cause;
	const char *text;
	int code;
	cr_assert_eq(leat_rx_status(stream->rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, want, "cause %d (%d, %s)", cause, code, text);
	cr_expect_eq(code, want_code, "code %d", code);
	cr_expect_str_eq(text, want_text);
}

static UNUSED void expect_completed(struct stream *stream)
{
	expect_end(stream);
	expect_status(stream, LEAT_COMPLETED, 0, "");
	stop(stream, 0);
}

static UNUSED void expect_failure(leat_gen_fn *fn, void *opts, size_t item_size, int code,
                                  const char *text)
{
	struct stream stream = start_sized(fn, opts, item_size, 0);
	char item[64];
	cr_expect_eq(leat_recv_until(stream.rx, (void *)item, leat_now_ns() + PATIENCE_NS), 0);
	expect_status(&stream, LEAT_FAILED, code, text);
	stop(&stream, code);
}

/* Returns whether the thread of that name sleeps in a call that a source waits in. */
static UNUSED bool sleeps(const char *tid, const char *name)
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

static UNUSED void await_source_waits(void)
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

/*
 * Line n of a long file: its number, and letters. The lengths of lines have no period that fits the
 * size of a block.
 */
static UNUSED size_t long_file_line(char *to, unsigned n)
{
	size_t len = (size_t)sprintf(to, "%u ", n);
	memset(to + len, 'a' + (int)(n % 26), n % 311);
	return len + n % 311;
}

static UNUSED void put_long_file(unsigned lines)
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

#endif
