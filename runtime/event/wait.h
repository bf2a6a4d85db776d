/*
 * runtime/event/wait.h: the wait engine. How a thread waits until an attempt succeeds.
 *
 * A blocking call describes its wait in a struct leat_wait_loop and a table of functions, and runs
 * it with leat_wait_for(). The engine decides what the thread does between two attempts, in this
 * order:
 *
 *     spin    PAUSES pauses with an attempt after each: two to four microseconds on current x86, a
 *             tenth of what a
 *             wake-up costs. LEAT_WAIT_ADAPTIVE and LEAT_WAIT_SPIN.
 *     yield   the thread offers its core with sched_yield(), which takes half a microsecond when no
 *             other thread wants
 *             it. LEAT_WAIT_ADAPTIVE does so a few times, LEAT_WAIT_YIELD until the wait ends.
 *     park    the thread adds a waiter to its events and sleeps until it is notified.
 *             LEAT_WAIT_ADAPTIVE and LEAT_WAIT_PARK.
 *
 * The clock. Between two reads of the clock a waiting thread makes at most PAUSES pauses and one
 * yield, or sleeps with the deadline as its time-out; attempts, and steps of a generator that it
 * runs, come on top.
 *
 * Shared cores. A yield gives the core to any thread that wants it. A thread of the same pipeline
 * gives it back within microseconds. A thread that computes keeps it for a slice of the scheduler,
 * which is milliseconds. An item that arrives meanwhile waits for the end of that slice, while a
 * parked waiter would have been woken at once. So after a yield that lost a slice the thread's next
 * waits do not yield (wait.c). A yield was long for a good reason, and lost nothing, if many items
 * went through the channel meanwhile: threads of the same pipeline took turns on the core.
 *
 * No notification is lost with its waiter. A waiter that was notified and returns calls forward(),
 * which notifies another waiter if something is left: see event.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_EVENT_WAIT_H
#define LEAT_RUNTIME_EVENT_WAIT_H

#include "runtime/event/event.h"

#include <sys/types.h>

/* What the time of a thread goes to. */
enum leat_time {
	LEAT_TIME_BUSY,    /* it runs */
	LEAT_TIME_STARVED, /* it waits to receive, or for a descriptor */
	LEAT_TIME_BLOCKED, /* it waits to send */
	LEAT_TIME_ORDER,   /* it waits for its turn among others */
	LEAT_TIME_PACED    /* it waits for a time or a rate */
};

struct leat_wait_loop;

/* What the engine calls, always on the thread that waits. The functions that may be NULL say so. */
struct leat_wait_ops {
	/*
	 * Returns 0 or more when the wait is over, -EAGAIN when it is not, another error that ends
	 * it.
	 */
	ssize_t (*attempt)(struct leat_wait_loop *w);
	/*
	 * scopes_ns has passed: cancels the scope, or the scopes, whose deadline it is. The next
	 * attempt tells.
	 */
	void (*expire)(struct leat_wait_loop *w, int64_t now_ns);
	/*
	 * Runs the producer on this thread, if it is a step of a pool that no thread runs. True if
	 * it did. NULL: no producer.
	 */
	bool (*run_here)(struct leat_wait_loop *w);
	/*
	 * Has a worker run such producers. True if an attempt may succeed now, so that the thread
	 * must not sleep. NULL: none.
	 */
	bool (*schedule)(struct leat_wait_loop *w);
	/* Adds a waiter of w->sleeper to every event, then fences: leat_event_prepare_wait(). */
	void (*prepare)(struct leat_wait_loop *w);
	/*
	 * Sleeps until notified or until_ns. Returns -EAGAIN, or the error that ends the wait.
	 * NULL: leat_sleeper_park().
	 */
	ssize_t (*park)(struct leat_wait_loop *w, int64_t until_ns);
	/* Takes the waiters off the events. True if one was notified. */
	bool (*retire)(struct leat_wait_loop *w);
	/*
	 * How many items have been sent and received by all threads so far; only differences count.
	 * NULL, or always 0: not known.
	 */
	uint64_t (*transfers)(struct leat_wait_loop *w);
	/* After the last retire(), if that returned true. NULL: there is no other waiter. */
	void (*forward)(struct leat_wait_loop *w);
	/* The books of a wait that outlasts the first spin. NULL: it is in none. */
	void (*begin)(struct leat_wait_loop *w, int64_t now_ns);
	void (*end)(struct leat_wait_loop *w, int64_t now_ns);
};

struct leat_wait_loop {
	const struct leat_wait_ops *ops;
	enum leat_wait policy;
	enum leat_time time; /* what this wait is, in diagnostics */
	/* an attempt and its pause take as long as this many pauses; at least 1 */
	unsigned weight;
	int64_t deadline_ns; /* the call's own */
	int64_t scopes_ns;   /* the nearest deadline of a scope; attempt() may change it */
	/* a deadline has passed, so the attempt under way is the last before that is told */
	bool last;
	struct leat_sleeper sleeper; /* set to LEAT_SLEEPER_INIT, or with a descriptor */
};

/*
 * Waits until an attempt ends the wait and returns what that returned. The caller has made one
 * attempt. Also -ETIMEDOUT: deadline_ns has passed and an attempt after that returned -EAGAIN, so
 * nothing that was there in time is missed. -EDEADLK: this is a step of a pool, which must not
 * wait.
 */
ssize_t leat_wait_for(struct leat_wait_loop *w);

#endif
