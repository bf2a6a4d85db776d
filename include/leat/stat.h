/*
 * leat/stat.h: figures: what a snapshot says of each channel, generator and pool (leat/diag.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_STAT_H
#define LEAT_STAT_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

/* Why an accepted item was not received. */
enum leat_drop {
	LEAT_DROPPED_NEWEST,    /* no room: the overflow policy dropped the item sent */
	LEAT_DROPPED_OLDEST,    /* no room: the overflow policy dropped the item at the front */
	LEAT_DROPPED_CANCELED,  /* in flight when the channel was cancelled */
	LEAT_DROPPED_ABANDONED, /* in flight when the last receiver closed */
	LEAT_DROP_REASONS
};

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
	 * The most items in flight that a snapshot, or a thread that had to wait, found; capacity
	 * once the channel was full.
	 */
	uint64_t peak;
	/* summed over the handles of that side; waits that have not ended are included */
	uint64_t send_blocked_ns, recv_blocked_ns;
	uint64_t send_parks, recv_parks; /* how often a thread parked */
};

struct leat_gen_stat {
	uint64_t id;
	uint64_t chan_id; /* its output's; 0 for a task */
	char name[LEAT_NAME_MAX + 1];
	enum leat_cause cause; /* LEAT_RUNNING until it ended; its end is in one snapshot */
	int code;
	char text[LEAT_TEXT_MAX + 1];
};

/*
 * A pool, with all generators on it whose channels are compact (leat_gen_seq()). Those are counted
 * here and not listed one by one. The exception is one that fails: it is listed once, like any
 * generator that ended.
 */
struct leat_pool_stat {
	uint64_t id;
	char name[LEAT_NAME_MAX + 1];
	uint32_t workers;
	/* that run on it now; sinks, and those with a channel of their own, are included */
	uint64_t generators;
	uint64_t turns; /* that workers gave them, since the open of the pool */
	/*
	 * Of compact channels, since the pool's open; totals never fall: offered = delivered +
	 * dropped + in_flight.
	 */
	uint64_t offered, delivered, dropped[LEAT_DROP_REASONS], in_flight;
	/*
	 * A turn that began before an earlier snapshot and has not returned: for how long it runs,
	 * and whose it is. Else 0 and "".
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
	uint64_t causes_later; /* causes that a scope was given after its first */
	/*
	 * Ends that are in no snapshot: more than 65,536 waited for one, or there was no memory.
	 */
	uint64_t untold;
	/*
	 * Waits on what was opened before the kernel began to refuse membarrier. Each lasts a
	 * millisecond at most, and is then repeated.
	 */
	uint64_t waits_unfenced;
};

LEAT_END_DECLS
#endif
