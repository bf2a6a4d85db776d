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

struct proc_source {
	struct leat_line_source base; /* first: it is the seq's state */
	int64_t start_ns, interval_ns;
	int64_t due_ns; /* of the next reading, while the source waits for it; else 0 */
	bool has_read;
};

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

/* Waits until the next reading is due; readings that were missed are left out. */
static int await_reading(struct proc_source *proc)
{
	const struct leat_source *source = &proc->base.source;
	uint64_t elapsed_ns = (uint64_t)(leat_now_ns() - proc->start_ns);
	bool is_last;
	int rc;

	if (proc->due_ns == 0)
		proc->due_ns = leat_source_due(proc->start_ns,
		                               elapsed_ns / (uint64_t)proc->interval_ns + 1,
		                               proc->interval_ns);
	is_last = source->until_ns <= proc->due_ns && source->until_ns != LEAT_NEVER;
	rc = leat_source_wait(source, -1, is_last ? source->until_ns : proc->due_ns);
	if (rc != -ETIMEDOUT)
		return rc;
	proc->due_ns = 0;
	return is_last ? LEAT_EMIT_ENOUGH : 0;
}

static int advance_proc(struct leat_line_source *base)
{
	struct proc_source *proc = (struct proc_source *)(void *)base;
	int rc = 0;

	if (proc->has_read)
		rc = await_reading(proc);
	else
		proc->start_ns = leat_now_ns();
	if (rc == 0)
		rc = read_whole_file(&base->source, &base->split);
	if (rc != 0)
		return rc;
	proc->has_read = base->takes_rest = true;
	return 0;
}

/* path: /proc/ and the name. */
static int prepare_proc(struct proc_source *proc, const struct leat_emitter *to, const char *path,
                        const struct leat_proc_opts *opts)
{
	struct leat_source *source = &proc->base.source;
	int rc;

	*proc = (struct proc_source){
		.base = { .source = { .to = to,
		                      .name = "proc",
		                      .path = opts->name,
		                      .until_ns = leat_source_until(opts->until_ns) },
		          .advance = advance_proc },
		.interval_ns = opts->interval_ns > 0 ? opts->interval_ns : NS_PER_S,
	};
	rc = leat_source_check_opts(source, opts->reserved, 4, find_name_fault(opts->name));
	if (rc == 0 && opts->interval_ns < 0)
		rc = leat_source_refuse(source, -EINVAL, "the interval must not be below 0");
	source->path = path;
	return rc;
}

int leat_proc_into(const struct leat_emitter *to, const struct leat_proc_opts *opts)
{
	struct leat_source nameless = { .to = to, .name = "proc" };
	struct proc_source proc;
	char path[PATH_MAX];

	if (opts == NULL)
		return leat_source_refuse(&nameless, -EINVAL, "no options");
	snprintf(path, sizeof(path), "/proc/%s", opts->name != NULL ? opts->name : "");
	return leat_line_source_run(&proc.base, prepare_proc(&proc, to, path, opts));
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

int leat_proc_seq(const struct leat_proc_opts *opts, struct leat_seq *seq)
{
	struct proc_source *proc;
	char *path;

	if (!leat_source_seq_wanted(seq, opts))
		return -EINVAL;
	proc = leat_source_alloc(sizeof(*proc), "/proc/", opts->name, &path);
	if (proc == NULL)
		return -ENOMEM;
	return leat_source_make_seq(seq, leat_line_source_seq(&proc->base),
	                            prepare_proc(proc, NULL, path, opts));
}
