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

#include <leat/chan.h>
#include <leat/scope.h>

LEAT_BEGIN_DECLS

/* Why an accepted item was not received. */
enum leat_drop {
	LEAT_DROPPED_NEWEST,    /* no room: the overflow policy dropped the item sent */
	LEAT_DROPPED_OLDEST,    /* no room: the overflow policy dropped the item at the front */
	LEAT_DROPPED_CANCELED,  /* in flight when the channel was cancelled */
	LEAT_DROPPED_ABANDONED, /* in flight when the last receiver closed */
	LEAT_DROP_REASONS
};
/* "newest", "oldest", "canceled", "abandoned" */
LEAT_API const char *leat_drop_name(enum leat_drop reason);
/* "running", "completed", "canceled", ... */
LEAT_API const char *leat_cause_name(enum leat_cause cause);

struct leat_chan_stat {
	uint64_t id; /* never used twice in a process */
	char name[LEAT_NAME_MAX + 1];
	enum leat_kind kind;
	bool ended; /* every handle is closed: these are the last figures */
	bool canceled;
	uint32_t senders, receivers; /* open handles */
	size_t item_size, capacity;  /* bytes, items */
	/* items, since the open */
	uint64_t offered, delivered, dropped[LEAT_DROP_REASONS], rejected, in_flight;
	/*
	 * items in flight at the most: as snapshots and waiting sides saw it; capacity once it was
	 * full
	 */
	uint64_t peak;
	/* summed over the threads of that side, waits under way included */
	uint64_t send_blocked_ns, recv_blocked_ns;
	uint64_t send_parks, recv_parks; /* times that a thread went to sleep */
};

struct leat_gen_stat {
	uint64_t id;
	uint64_t chan_id; /* its output's; 0 for a task */
	char name[LEAT_NAME_MAX + 1];
	enum leat_cause cause; /* LEAT_RUNNING until it ended, and then told once */
	int code;
	char text[LEAT_TEXT_MAX + 1];
};

/*
 * A pool, and together all generators on it whose channels are compact (leat_gen_seq()): those are
 * counted here and not listed one by one, but for one that fails, which is told like any other that
 * ended.
 */
struct leat_pool_stat {
	uint64_t id;
	char name[LEAT_NAME_MAX + 1];
	uint32_t workers;
	/* that live on it, sinks and those with a channel of their own included */
	uint64_t generators;
	uint64_t turns; /* that workers gave them, since the open */
	/*
	 * Of compact channels, since the pool's open; totals never fall: offered = delivered +
	 * dropped + in_flight.
	 */
	uint64_t offered, delivered, dropped[LEAT_DROP_REASONS], in_flight;
	/*
	 * A turn that a worker has not come back from since an earlier snapshot: for how long, and
	 * whose it is. Else 0 and "".
	 */
	int64_t long_ns;
	uint64_t long_id;
	char long_name[LEAT_NAME_MAX + 1];
};

struct leat_snapshot {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	size_t channels_count, generators_count, pools_count;
	const struct leat_chan_stat *channels;
	const struct leat_gen_stat *generators;
	const struct leat_pool_stat *pools;
	/* generators that ended, by cause, since the process began */
	uint64_t exits[LEAT_ABANDONED + 1];
	uint64_t causes_later; /* causes that came to a scope after its first */
	/*
	 * ends that no snapshot tells of: more than 65,536 waited for one, or there was no memory
	 */
	uint64_t untold;
	/*
	 * Waits on what was opened before the kernel began to refuse membarrier: each is a
	 * millisecond long at the most.
	 */
	uint64_t waits_unfenced;
};

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
