/*
 * leat/diag.h: looking at what runs.
 *
 * A diagnostics thread takes a snapshot of every channel and generator of the process at a steady
 * interval, and writes it as a Prometheus text file (replaced whole each time), as JSON lines (one
 * object appended for each snapshot), and to a callback. Looking costs the two sides of a channel
 * nothing: what is read are positions that they keep anyway, and counters that only their slow
 * paths write.
 *
 *     struct leat_diag *d = leat_diag_start(&(struct leat_diag_opts){ .prometheus_path =
 *     "/run/app/leat.prom" });
 *     ...
 *     leat_diag_stop(d);          takes the last snapshot, which tells of everything that ended
 *                                 before it
 *
 * What ended between two snapshots appears in the next one with `ended` set, and then never again;
 * each diagnostics thread is told. The books of a channel balance in every snapshot:
 *
 *     offered = delivered + dropped (by reason) + rejected + in_flight
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DIAG_H
#define LEAT_DIAG_H

#include <leat/stat.h>

LEAT_BEGIN_DECLS

/* "newest", "oldest", "canceled", "abandoned" */
LEAT_API const char *leat_drop_name(enum leat_drop reason);
/* "running", "completed", "canceled", ... */
LEAT_API const char *leat_cause_name(enum leat_cause cause);

/*
 * Runs on the diagnostics thread; what it is given is valid until it returns. It must not stop its
 * own thread.
 */
typedef void leat_diag_fn(const struct leat_snapshot *snapshot, void *arg);

struct leat_diag_opts {
	int64_t interval_ns;         /* 0: a second */
	const char *prometheus_path; /* NULL: none */
	const char *json_path;       /* NULL: none */
	leat_diag_fn *callback;      /* NULL: none */
	void *callback_arg;
	uint64_t reserved[8];
};

/*
 * Starts a diagnostics thread. Several may run. NULL for bad options (a negative interval, a file
 * that can't be written), without memory or a thread, and for a caller that was compiled for
 * another layout (leat/base.h).
 */
LEAT_API struct leat_diag *leat_diag_start(const struct leat_diag_opts *opts);

/*
 * Takes the last snapshot, stops the thread, waits for it and frees. 0, or the first error of an
 * exporter; -EDEADLK from inside the callback. NULL is 0.
 */
LEAT_API int leat_diag_stop(struct leat_diag *diag);

LEAT_API struct leat_diag *leat_detail_diag_start(unsigned abi, const struct leat_diag_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_diag_start(...) \
	leat_detail_diag_start(leat_detail_abi(struct leat_diag_opts), __VA_ARGS__)

#endif
