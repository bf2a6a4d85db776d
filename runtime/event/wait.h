/*
 * runtime/event/wait.h: the wait engine. How a thread waits until an attempt succeeds.
 *
 * A blocking call describes its wait in a struct leat_wait_loop and a table of functions, and runs
 * it with leat_wait_for(). The engine decides what the thread does between two attempts, in this
 * order:
 *
 *     spin    PAUSES pauses with an attempt after each: two to four microseconds on current x86, a
 *             tenth of what a wake-up costs. LEAT_WAIT_ADAPTIVE and LEAT_WAIT_SPIN. The former
 *             leaves spins out where the other side shares its core.
 *     yield   the thread offers its core with sched_yield(), which takes half a microsecond when no
 *             other thread wants the core. LEAT_WAIT_ADAPTIVE does so a few times, LEAT_WAIT_YIELD
 *             until the wait ends.
 *     park    the thread adds a waiter to its events and sleeps until it is notified.
 *             LEAT_WAIT_ADAPTIVE and LEAT_WAIT_PARK.
 *
 * The clock. Between two reads of the clock a waiting thread makes at most PAUSES pauses and one
 * yield, or sleeps with the deadline as its time-out. Attempts take their time besides, and so do
 * steps of a generator that this thread runs.
 *
 * Shared cores. Where the thread that a wait waits for needs the same core, a spin only delays it:
 * the spin is in vain, and the first yield ends the wait. So the next waits of this thread spin for
 * one attempt only: one wait after the first such spin, 3 after the second in a row, and so on up
 * to SPIN_SKIPS_MOST. A first yield that does not end its wait brings the spin back at once.
 *
 * A yield gives the core to any thread that wants it. A thread of the same pipeline gives the core
 * back within microseconds. A thread that computes keeps it for a slice of the scheduler, which is
 * milliseconds. An item that arrives meanwhile waits for the end of that slice, while a parked
 * waiter would have been woken at once. So after a yield that lost a slice the thread's next waits
 * do not yield (wait.c). A long yield lost nothing if many items went through the channel
 * meanwhile: threads of the same pipeline took turns on the core.
 *
 * Deadlines. After a deadline the engine makes one more attempt, so an item that came in time is
 * received. No notification is lost with its waiter either: a waiter that was notified, even in the
 * moment of its time-out, calls forward() before it returns, and forward() notifies another waiter
 * if work remains (event.h, Time-outs).
 *
 * Times. From the first spin's end to its own end a wait is noted in the record of its thread, if
 * that has one, by the class that its description says (times.h). While the thread runs a producer
 * meanwhile, it is busy.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_EVENT_WAIT_H
#define LEAT_RUNTIME_EVENT_WAIT_H

#include "runtime/event/event.h"
#include "runtime/event/times.h"

#include <sys/types.h>

struct leat_wait_loop;

/* What the engine calls, always on the thread that waits. A function that may be NULL says so. */
struct leat_wait_ops {
	/*
	 * Makes one attempt. Returns 0 or more when the wait is over, -EAGAIN when it is not, or an
	 * error that ends the wait.
	 */
	ssize_t (*attempt)(struct leat_wait_loop *w);
	/*
	 * scopes_ns has passed: cancels each scope whose deadline has passed. The next attempt
	 * returns what that means for the wait.
	 */
	void (*expire)(struct leat_wait_loop *w, int64_t now_ns);
	/*
	 * Runs the producer on this thread, if the producer is a generator on a pool that no thread
	 * runs. Returns whether it did. NULL: there is no such producer.
	 */
	bool (*run_here)(struct leat_wait_loop *w);
	/*
	 * Has a worker run such producers. Returns true if an attempt may succeed now, so that the
	 * thread must not sleep. NULL: there are none.
	 */
	bool (*schedule)(struct leat_wait_loop *w);
	/* Adds a waiter of w->sleeper to every event, then fences: leat_event_prepare_wait(). */
	void (*prepare)(struct leat_wait_loop *w);
	/*
	 * Sleeps until notified or until_ns. Returns -EAGAIN, or the error that ends the wait.
	 * NULL: leat_sleeper_park().
	 */
	ssize_t (*park)(struct leat_wait_loop *w, int64_t until_ns);
	/* Takes the waiters off the events. Returns whether one of them was notified. */
	bool (*retire)(struct leat_wait_loop *w);
	/*
	 * Returns how many items all threads have sent and received so far; only differences count.
	 * NULL, or always 0: not known.
	 */
	uint64_t (*transfers)(struct leat_wait_loop *w);
	/*
	 * Notifies another waiter if work remains. Called when the wait ends, if the last retire()
	 * returned true. NULL: there is no other waiter, or attempt() forwards.
	 */
	void (*forward)(struct leat_wait_loop *w);
	/* Notes the beginning and the end of a wait that outlasts the first spin. NULL: not noted.
	 */
	void (*begin)(struct leat_wait_loop *w, int64_t now_ns);
	void (*end)(struct leat_wait_loop *w, int64_t now_ns);
};

struct leat_wait_loop {
	const struct leat_wait_ops *ops;
	enum leat_wait policy;
	enum leat_time time; /* what this wait is, in diagnostics */
	/* the channel by its id, or, where time is LEAT_TIME_PACED, enum leat_pace; 0: neither */
	uint64_t waits_for;
	/* an attempt and its pause take as long as this many pauses; at least 1 */
	unsigned weight;
	/* the call's own, and the nearest deadline of a scope; attempt() may change either */
	int64_t deadline_ns, scopes_ns;
	bool last; /* a deadline has passed; the attempt under way is the last before -ETIMEDOUT */
	struct leat_sleeper sleeper; /* set to LEAT_SLEEPER_INIT, or with a descriptor */
	/* the engine's: the thread's record while the wait is noted there, and the class before */
	struct leat_times *times;
	enum leat_time outer;
};

/*
 * Waits until an attempt ends the wait, and returns what that attempt returned. The caller has made
 * one attempt before. Also returns -ETIMEDOUT: deadline_ns has passed, and an attempt after that
 * returned -EAGAIN, so nothing that was there in time is missed. -EDEADLK: the caller is a step of
 * a generator on a pool, which must not wait.
 */
ssize_t leat_wait_for(struct leat_wait_loop *w);

#endif
