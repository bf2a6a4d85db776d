/*
 * leat/stat.h: figures: what a snapshot has of each channel, subscriber, generator and pool
 * (leat/diag.h).
 *
 * Numbers of items and of turns are totals since the object's open; in_flight is the number now.
 * Members whose names end in _ns are in nanoseconds. An id is never used twice in a process. A name
 * or a text that is not there is "".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_STAT_H
#define LEAT_STAT_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

/* Why an item that a send accepted was not received. */
enum leat_drop {
	LEAT_DROPPED_NEWEST,    /* no room: the policy LEAT_DROP_NEWEST dropped the item sent */
	LEAT_DROPPED_OLDEST,    /* no room: LEAT_DROP_OLDEST dropped the item at the front */
	LEAT_DROPPED_CANCELED,  /* in flight when the channel was cancelled */
	LEAT_DROPPED_ABANDONED, /* in flight when the last receiver closed */
	LEAT_DROP_REASONS
};

/* A channel: offered = delivered + dropped, over all reasons, + rejected + in_flight. */
struct leat_chan_stat {
	uint64_t id;
	char name[LEAT_NAME_MAX + 1];
	enum leat_kind kind;
	bool ended; /* every handle is closed: these are the last figures */
	bool canceled;
	uint32_t senders, receivers; /* open handles */
	size_t item_size, capacity;  /* bytes, items */
	/*
	 * Items. delivered: to receivers; dropped: by reason; rejected: left with the sender by a
	 * send that returned an error other than -EAGAIN; in_flight: sent and not yet received.
	 */
	uint64_t offered, delivered, dropped[LEAT_DROP_REASONS], rejected, in_flight;
	/*
	 * The largest in_flight that a snapshot or a waiting thread has read; the capacity once a
	 * sender found the channel full.
	 */
	uint64_t peak;
	/* how long threads waited, summed over the threads of a side; waits under way count too */
	uint64_t send_blocked_ns, recv_blocked_ns;
	uint64_t send_parks, recv_parks; /* how often a thread parked */
};

/*
 * An open subscriber of a broadcast. Since it came there have been delivered + missed + in_flight
 * items. Items have numbers, from 0 in each broadcast (leat/broadcast.h).
 */
struct leat_subscriber_stat {
	uint64_t chan_id; /* of its broadcast's channel */
	uint32_t place;   /* no other open subscriber of that broadcast has the same */
	char name[LEAT_NAME_MAX + 1];
	enum leat_lag lag;
	bool evicted; /* its last figures: nothing is in flight for it any more */
	/*
	 * It is a whole ring behind the senders, which wait for it, and it does not wait for
	 * another subscriber that it comes after.
	 */
	bool holds_senders;
	uint64_t next; /* the number of the next item that it receives */
	/* in_flight: how far it is behind the senders; a slot that was given back counts, too */
	uint64_t delivered, missed, in_flight;
};

/*
 * A generator, a task or a sink.
 *
 * Its thread's time. Each moment since began_ns is in one of five figures, so their sum is the time
 * from began_ns until the figures were read; of one that has ended, or is about to, it is its whole
 * life. A wait that is under way counts. None of these figures falls from one snapshot to the next.
 *
 *     busy_ns     the thread ran, or waited for a processor, or in a call that is not leat's:
 *                 cpu_ns and runq_ns tell which. Also while it ran steps of another generator. A
 *                 wait that ended within microseconds, while the thread still spun, is in here
 *     starved_ns  waited to receive, for a descriptor to be readable, in a select with neither of
 *                 the next line, in a join, or for a function of leat_scope_on_cancel() to end
 *     blocked_ns  waited to send, for a descriptor to be writable, or in a select with such a case
 *     order_ns    waited for its turn among other threads, as workers of a flow in order do
 *     paced_ns    waited for a time: a sleep, a rate, a semaphore, a pause before the next try
 *
 * A generator on a pool has no thread: these five figures, and the kernel's, are 0. Those of its
 * pool's workers are in struct leat_pool_stat.
 */
struct leat_gen_stat {
	uint64_t id;
	uint64_t chan_id; /* of its output channel; 0 for a task */
	char name[LEAT_NAME_MAX + 1];
	enum leat_cause cause; /* LEAT_RUNNING; else this is its one appearance after its end */
	int code;              /* of the cause: 0, or negative */
	char text[LEAT_TEXT_MAX + 1];
	int64_t began_ns; /* on the clock of leat_now_ns(); 0 for one of a pool that is not listed
	                   */
	uint64_t busy_ns, starved_ns, blocked_ns, order_ns, paced_ns;
	/*
	 * How long the thread was on a processor, and how long it was ready and had none, as the
	 * kernel counts, which may lag by some milliseconds. 0: the kernel does not say
	 * (/proc/self/task/TID/schedstat, which wants CONFIG_SCHED_INFO).
	 */
	uint64_t cpu_ns, runq_ns;
	/*
	 * The channels, by their ids, that its thread last waited to receive from, and to send
	 * into, or that it woke the other side of; the latest first, 0 behind the last. A channel
	 * for which no sender and no receiver ever had to wait may be missing, and one that the
	 * thread has finished with may be there.
	 */
	uint64_t receives[LEAT_WAITS_MOST], sends[LEAT_WAITS_MOST];
	/*
	 * The channel of its last wait, which may be under way, by its id; 0: it was for something
	 * else, or for several things.
	 */
	uint64_t waits_on;
	int64_t ended_ns; /* when it ended, on the same clock; 0: it runs */
	enum leat_pace paced_by;
	/*
	 * Of LEAT_FAILED: the failure began in this generator. False: its scope had failed, or the
	 * receiver that it took its items from, and cause, code and text are those of that failure.
	 */
	bool origin;
};

/*
 * A pool, with sums over the compact channels of the generators on it (leat_gen_seq()). Those
 * channels and generators are not listed one by one, but for a generator that fails: a snapshot
 * lists it once, as any other that ended.
 */
struct leat_pool_stat {
	uint64_t id;
	char name[LEAT_NAME_MAX + 1];
	uint32_t workers;
	/* generators on it, sinks and those with a channel of their own included */
	uint64_t generators;
	uint64_t turns; /* turns that workers gave to its generators */
	/*
	 * Items of compact channels: offered = delivered + dropped, over all reasons, + in_flight.
	 * Totals never fall.
	 */
	uint64_t offered, delivered, dropped[LEAT_DROP_REASONS], in_flight;
	/*
	 * The longest turn that was under way at an earlier snapshot, too, and has not ended: the
	 * time since the first snapshot that found it, and its generator's id and name. 0, 0 and ""
	 * if there is no such turn.
	 */
	int64_t long_ns;
	uint64_t long_id;
	char long_name[LEAT_NAME_MAX + 1];
	/*
	 * Time since began_ns, summed over the workers: idle_ns without a job (asleep, or searching
	 * for one), busy_ns all other. busiest_ns is the busy_ns of the worker that has most.
	 * cpu_ns, runq_ns: as in struct leat_gen_stat. Totals that never fall.
	 */
	int64_t began_ns;
	uint64_t busy_ns, idle_ns, busiest_ns, cpu_ns, runq_ns;
};

/* One snapshot of a process. Totals are since the process began. */
struct leat_snapshot {
	int64_t time_ns; /* of the snapshot, on the clock of leat_now_ns() */
	size_t channels_count, generators_count, pools_count, subscribers_count;
	const struct leat_chan_stat *channels;
	const struct leat_gen_stat *generators;
	const struct leat_pool_stat *pools;
	const struct leat_subscriber_stat *subscribers;
	/* generators that ended, by cause */
	uint64_t exits[LEAT_CAUSES];
	uint64_t causes_later; /* causes that a scope got after its first one, which stays */
	/* ends in no snapshot: 65,536 others waited for one, or there was no memory */
	uint64_t untold;
	/*
	 * Waits on what was opened before the kernel began to refuse membarrier. Each lasts a
	 * millisecond at the most; then its thread rechecks, and waits again if it must.
	 */
	uint64_t waits_unfenced;
	uint32_t cores; /* processors that the process may use, by its affinity */
};

LEAT_END_DECLS
#endif
