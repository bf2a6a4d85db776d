/*
 * runtime/why/why.h: the inside of a leat_why (leat/why.h).
 *
 *     readings.c   takes readings: what each thread and channel has spent in the last part of the
 *                  window, and in the whole of it
 *     stages.c     adds threads up to stages, and finds the neighbours of a stage in the graph
 *     deadlock.c   finds threads that wait for each other
 *     judge.c      finds the limit of a part, or of the whole
 *     words.c      says it
 *     why.c        the calls, and what the parts say together
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_WHY_WHY_H
#define LEAT_RUNTIME_WHY_WHY_H

#include "runtime/event/times.h"

#include <leat/why.h>

struct why_spent {
	uint64_t ns[LEAT_TIMES];
	uint64_t cpu_ns, runq_ns;
	uint64_t busiest_ns; /* of a pool: the busy time of its busiest worker */
};

/* A generator with a thread, the sum of several, or the workers of a pool. */
struct why_thread {
	uint64_t key; /* the same in all readings, and no other's */
	char name[LEAT_NAME_MAX + 1];
	bool is_pool, is_sum, lives;
	uint32_t threads;
	uint64_t chan_id, receives[LEAT_WAITS_MOST], sends[LEAT_WAITS_MOST], waits_on;
	enum leat_pace paced_by;
	int64_t began_ns;
	struct why_spent last, part, whole; /* figures; what they rose by */
	size_t stage;
};

struct why_moved {
	uint64_t delivered, dropped, send_blocked_ns, recv_blocked_ns, parks;
};

struct why_chan {
	uint64_t id;
	char name[LEAT_NAME_MAX + 1];
	char holder[LEAT_NAME_MAX + 1]; /* the subscriber that holds the senders up; "": none */
	bool lives;
	uint32_t senders, receivers;
	struct why_moved last, part, whole;
};

/* A part of the window, between two readings. */
struct why_part {
	int64_t from_ns, to_ns;
	enum leat_limit limit;
	char stage[LEAT_NAME_MAX + 1];
};

enum {
	WHY_STAGES_MOST = 1024, /* of further names the last is all */
	WHY_THREADS_MOST = 65536,
	WHY_PARTS_MOST = 1024
};

struct leat_why {
	struct why_thread *threads; /* by rising keys, as the channels by rising ids */
	size_t threads_count, threads_room;
	struct why_chan *chans;
	size_t chans_count, chans_room;
	char (*stages)[LEAT_NAME_MAX + 1];
	size_t stages_count, stages_room;
	struct why_part *parts;
	size_t parts_count, parts_room;
	int64_t from_ns, part_ns, to_ns; /* the window; the last part of it begins at part_ns */
	bool part_goes_on;               /* it is too short yet to be judged */
	uint64_t part_turns, whole_turns, turns, turns_before; /* of pools */
	uint32_t cores;
	unsigned readings;
	bool from_start; /* the first reading ends the first part, which began with its threads */
};

/* What is judged: the last part of the window, or all of it. */
struct why_view {
	const struct leat_why *why;
	bool whole;
	double window_ns;
};

static inline const struct why_spent *why_spent_of(const struct why_view *view,
                                                   const struct why_thread *thread)
{
	return view->whole ? &thread->whole : &thread->part;
}

static inline const struct why_moved *why_moved_of(const struct why_view *view,
                                                   const struct why_chan *chan)
{
	return view->whole ? &chan->whole : &chan->part;
}

/* The share of the window, of each of its threads on average. */
static inline double why_share(const struct why_view *view, const struct why_thread *thread,
                               enum leat_time class)
{
	double most = view->window_ns * (thread->threads > 0 ? thread->threads : 1);

	return (double)why_spent_of(view, thread)->ns[class] / most;
}

/* A stage in a window. The shares are of its busiest thread, `top`, but for the means. */
struct why_stage {
	const struct why_thread *top;
	uint32_t threads; /* how many took part: 2.5 threads of the window are 3 */
	double busy, paced, order, blocked, starved, cpu, runq;
	double work;                                /* busy + paced */
	double mean_work, mean_order, mean_blocked; /* over all its threads */
};

/* Take a reading. Return false if there was no memory for a part of it, which is left out. */
bool why_take_snapshot(struct leat_why *why, const struct leat_snapshot *snapshot);
bool why_take_counters(struct leat_why *why, const struct leat_counters *counters);
/* The last reading begins the window. */
void why_begin_window(struct leat_why *why);

/* Fills one for each name in why->stages. */
void why_add_up(const struct why_view *view, struct why_stage *stages);
/* Whether the thread is known to receive from the channel; to send into it. */
bool why_receives(const struct why_thread *thread, uint64_t channel);
bool why_sends(const struct why_thread *thread, uint64_t channel);
/* A stage that receives from nothing, but sends. */
bool why_is_source(const struct leat_why *why, size_t stage);
/* Whether its threads were seen at no channel: no other thread could share their work. */
bool why_is_apart(const struct leat_why *why, size_t stage);
/* The largest shares of threads of other stages: blocked before it, starved behind it; -1: none. */
double why_before_blocked(const struct why_view *view, size_t stage);
double why_behind_starved(const struct why_view *view, size_t stage);
/* Whether a channel from one stage to the other had no room for items, and dropped them. */
bool why_drops_between(const struct why_view *view, size_t from, size_t to);
const struct why_chan *why_find_chan(const struct leat_why *why, uint64_t id);

/*
 * The names of threads that wait for each other, as "a waits to send into x, ...". Returns false if
 * there are none; -ENOMEM is *rc.
 */
bool why_find_deadlock(const struct why_view *view, struct leat_verdict *verdict, int *rc);

/* Judges: fills the limit, the stage and its figures. Returns 0 or -ENOMEM. */
int why_judge(const struct why_view *view, struct leat_verdict *verdict);
/* Adds a piece to the evidence, behind a comma; one that has no room is left out. */
__attribute__((format(printf, 2, 3))) void why_add_evidence(struct leat_verdict *verdict,
                                                            const char *format, ...);
/* Fills text, evidence and advice from the rest. */
void why_say(const struct why_view *view, struct leat_verdict *verdict);

#endif
