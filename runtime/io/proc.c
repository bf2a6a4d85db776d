/*
 * Readings of a file of /proc at a steady interval.
 *
 * A reading is taken whole before its first line is sent, so that all its lines are of one time
 * even if a send has to wait. The file is opened anew for each reading: the process or device that
 * it is about may come and go, and an open that fails ends the source.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

/*
 * The bytes of a reading at most. Files that are meant to be read so are far smaller, and some
 * files have no end.
 */
#define MOST_BYTES ((size_t)64 * 1024 * 1024)

/* Returns what is wrong with a name, or NULL: the path must stay below /proc. */
static const char *find_name_fault(const char *name)
{
	if (name == NULL || *name == '\0')
		return "no name";
	if (*name == '/')
		return "the name must not begin with /";
	if (strlen(name) >= PATH_MAX - strlen("/proc/"))
		return "the name is too long";
	for (;;) {
		size_t len = strcspn(name, "/");

		if (len == 2 && memcmp(name, "..", 2) == 0)
			return "the name must not contain ..";
		if (name[len] == '\0')
			return NULL;
		name += len + 1;
	}
}

static int read_whole_file(const struct leat_source *source, struct leat_splitter *split)
{
	int fd = leat_source_open(source->path), saved = errno;
	size_t sum = 0;
	ssize_t n;
	int rc;

	if (fd < 0)
		return leat_source_fail(source, fd, NULL);
	do {
		rc = leat_source_check(source);
		n = rc == 0 ? leat_source_read(split, fd) : 0;
		sum += n > 0 ? (size_t)n : 0;
		if (sum > MOST_BYTES)
			n = -EFBIG;
	} while (n > 0);
	close(fd);
	errno = saved;
	/* EAGAIN: a file whose reader would have to wait; what was read is all there is now */
	if (n < 0 && n != -EAGAIN)
		return leat_source_fail(source, (int)n, NULL);
	return rc;
}

static int send_reading(struct leat_source *source, struct leat_splitter *split)
{
	int rc = read_whole_file(source, split);

	if (rc == 0)
		rc = leat_source_emit_lines(source, split);
	return rc != 0 ? rc : leat_source_emit_rest(source, split);
}

/* Waits until the next reading is due; readings that were missed are left out. */
static int await_reading(const struct leat_source *source, int64_t start_ns, int64_t interval_ns)
{
	uint64_t next = (uint64_t)(leat_now_ns() - start_ns) / (uint64_t)interval_ns + 1;
	int64_t due_ns = leat_source_due(start_ns, next, interval_ns);
	bool is_last = source->until_ns <= due_ns && source->until_ns != LEAT_NEVER;
	int rc = leat_source_wait(source, -1, is_last ? source->until_ns : due_ns);

	if (rc != -ETIMEDOUT)
		return rc;
	return is_last ? LEAT_EMIT_ENOUGH : 0;
}

static int repeat_readings(struct leat_source *source, int64_t interval_ns)
{
	struct leat_splitter split = { 0 };
	int64_t start_ns = leat_now_ns();
	int rc;

	do {
		rc = send_reading(source, &split);
		if (rc == 0)
			rc = await_reading(source, start_ns, interval_ns);
	} while (rc == 0);
	leat_splitter_fini(&split);
	return rc;
}

int leat_proc_into(const struct leat_emitter *to, const struct leat_proc_opts *opts)
{
	struct leat_source source = { .to = to, .name = "proc" };
	char path[PATH_MAX];
	int rc;

	if (opts == NULL)
		return leat_source_refuse(&source, -EINVAL, "no options");
	source.path = opts->name;
	source.until_ns = leat_source_until(opts->until_ns);
	rc = leat_source_check_opts(&source, opts->reserved, 4, find_name_fault(opts->name));
	if (rc == 0 && opts->interval_ns < 0)
		rc = leat_source_refuse(&source, -EINVAL, "the interval must not be below 0");
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/%s", opts->name);
	source.path = path;
	rc = repeat_readings(&source, opts->interval_ns > 0 ? opts->interval_ns : NS_PER_S);
	return leat_source_end(rc);
}

static int run_proc_source(const struct leat_emitter *to, const void *opts)
{
	return leat_proc_into(to, opts);
}

int leat_proc(struct leat_tx *out, void *opts)
{
	const struct leat_proc_opts *proc = opts;

	return leat_source_send_lines(out, "proc", proc != NULL ? proc->until_ns : 0,
	                              run_proc_source, opts);
}
