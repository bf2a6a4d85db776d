/*
 * leat/diag.h: a thread that takes snapshots of the process and exports them.
 *
 * A diagnostics thread takes a snapshot of every channel, generator and pool of the process at a
 * steady interval. It writes each snapshot to a Prometheus text file, which is replaced whole; to a
 * file of JSON lines, to which one object is appended; to a counters file in memory, which other
 * processes read (leat/counters.h); and passes it to a callback. leat/stat.h has the figures.
 *
 *     struct leat_diag *d = leat_diag_start(
 *             &(struct leat_diag_opts){ .prometheus_path = "/run/app/leat.prom" });
 *     ...
 *     leat_diag_stop(d);          takes the last snapshot: it has everything that ended before
 *
 * Cost. Senders and receivers pay nothing for a snapshot: it reads positions that they keep anyway,
 * and counters that only their slow paths write. A snapshot asks the kernel for the processor time
 * of each generator's thread and each worker, which takes it some microseconds for each.
 *
 * Ends. A function of the program's is called once for each generator that ended, in the order in
 * which they ended; leat_diag_print_end() is one, which writes a line to stderr:
 *
 *     leat_diag_start(&(struct leat_diag_opts){ .ended = leat_diag_print_end });
 *
 *     leat: feed[4711]: generator "parse" (id 7) failed after 3.2 s: bad price (EINVAL, -22)
 *
 * What has ended. An object that ended between two snapshots is in the next one with its last
 * figures (a channel with `ended` set, a generator with its cause), and in none after that. Each
 * diagnostics thread gets it once.
 *
 * Totals. The counters of the Prometheus file (items, drops, blocked time, parks) are sums over all
 * channels of a name, those that have ended included: between scrapes they neither vanish nor fall.
 * The times of generators' threads are such sums over all generators of a name. Its gauges are of
 * living channels, and have the label `id` only where several that live share a name. It keeps
 * 4,096 names of channels, and as many of generators; those of further names are summed as "(other
 * names)". The file also says which process writes it, when that started, and when the snapshot was
 * taken, so that a reader finds out that its writer is gone.
 *
 * Without a line of code. With LEAT_COUNTERS=1 in the environment, a process keeps a counters file
 * from its first channel until its exit: `leat ps` lists it, and `leat stat PID` shows it
 * (docs/counters.md). With LEAT_ENDS=1 it writes those lines to stderr from its first channel until
 * its exit; with LEAT_ENDS=bad only those of generators that neither completed nor were stopped.
 * The two share one thread, which takes a snapshot ten times a second.
 *
 * Errors. A snapshot that cannot be written (a full disk, for example) is counted, in both files,
 * and the next one is written whole: a partial line of JSON is removed, or ended where it cannot be
 * removed. leat_diag_stop() returns the first of these errors. A counters file has its pages before
 * they are used: where tmpfs is full, objects are counted as lost (leat_counters_info()).
 *
 * Balance. The books of a channel balance in every snapshot:
 *
 *     offered = delivered + dropped (by reason) + rejected + in_flight
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DIAG_H
#define LEAT_DIAG_H

#include <leat/stat.h>

LEAT_BEGIN_DECLS

/*
 * "newest", "oldest", "canceled", "abandoned"; "unknown" for another value. The string is static.
 */
LEAT_API const char *leat_drop_name(enum leat_drop reason);
/*
 * "running", "completed", "canceled", "deadline", "failed", "abandoned", "stopped"; "unknown"
 * for another value. The string is static.
 */
LEAT_API const char *leat_cause_name(enum leat_cause cause);

/* "nothing", "a time", "a rate", "a semaphore"; "unknown" for another value. Static. */
LEAT_API const char *leat_pace_name(enum leat_pace pace);

/*
 * The callback runs on the diagnostics thread, after the files of the same snapshot are written.
 * The snapshot and its arrays are valid until the callback returns; the order of an array means
 * nothing. The callback must not stop its own diagnostics thread: leat_diag_stop() returns -EDEADLK
 * there.
 */
typedef void leat_diag_fn(const struct leat_snapshot *snapshot, void *arg);

/*
 * Called on the diagnostics thread, once for each generator that ended since leat_diag_start(), in
 * the order in which they ended: the one that failed comes before those that its failure has
 * cancelled, and perhaps after those that sent to it, as it had closed its receiver.
 *
 * It is called when a snapshot is taken, also the last one, before the files of that snapshot are
 * written and before its callback; so the end is up to an interval ago (gen->ended_ns). gen is
 * valid until the function returns.
 *
 * Told: every generator, task, sink and seq that has a thread or a channel of its own, however it
 * ended, and of those on a pool with compact channels (leat/gen.h) the ones that failed. Not told:
 * the other ends of these, which struct leat_snapshot counts in `exits`; and ends that it counts as
 * `untold`, as 65,536 others waited for the snapshot. Ends of the last moments before a process is
 * killed, or calls _exit(2), are lost.
 *
 * What it must not do is what the callback must not.
 */
typedef void leat_diag_end_fn(const struct leat_gen_stat *gen, void *arg);

/*
 * Such a function: writes a line about the end to a FILE (NULL: stderr), in one write if that is
 * not buffered or buffered by lines, and flushes it. The line has program and process, name and id,
 * how the generator ended and after how long, its words, and its code with the name of errno(3).
 * What is not printable in names and words is shown as "?". A FILE that blocks, such as a pipe that
 * is full, holds up the diagnostics thread; no other.
 */
LEAT_API void leat_diag_print_end(const struct leat_gen_stat *gen, void *file);

struct leat_diag_opts {
	int64_t interval_ns;         /* between snapshots; 0: one second; not negative */
	const char *prometheus_path; /* copied; NULL: none */
	const char *json_path;       /* copied; NULL: none */
	leat_diag_fn *callback;      /* NULL: none */
	void *callback_arg;
	/*
	 * Of a counters file, which other processes read (leat/counters.h). "": in this user's
	 * directory, where `leat ps` finds it; a directory: in it; else the file's own name. On
	 * tmpfs. Copied; NULL: none.
	 */
	const char *counters_path;
	leat_diag_end_fn *ended; /* NULL: none */
	void *ended_arg;
	uint64_t reserved[5]; /* zero */
};

/*
 * Starts a diagnostics thread; several may run. NULL for opts means the defaults. The first
 * snapshot comes after one interval; leat_diag_start() itself writes a Prometheus file without
 * channels, and opens the JSON file to see that it can.
 *
 * Returns NULL: for bad options (a negative interval, `reserved` not zero, a file that cannot be
 * written); without memory or a thread; and for a caller that was compiled for another layout
 * (leat/base.h). Of a counters file leat_open_error() is -ENOTSUP for one that is not on tmpfs,
 * -EPERM for a directory that is not this user's alone, -ELOOP for a symbolic link, -EEXIST where
 * another process writes it or there is a file of another sort. The caller stops what it gets with
 * leat_diag_stop().
 */
LEAT_API struct leat_diag *leat_diag_start(const struct leat_diag_opts *opts);

/*
 * Has the thread take a last snapshot, waits for the thread's end, and frees diag. Returns 0, or
 * the first error (-errno) of writing a file since the start. Returns -EDEADLK from inside the
 * callback, where it does nothing. NULL does nothing, and returns 0.
 */
LEAT_API int leat_diag_stop(struct leat_diag *diag);

LEAT_API struct leat_diag *leat_detail_diag_start(unsigned abi, const struct leat_diag_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_diag_start(...) \
	leat_detail_diag_start(leat_detail_abi(struct leat_diag_opts), __VA_ARGS__)

#endif
