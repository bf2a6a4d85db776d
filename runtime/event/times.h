/*
 * runtime/event/times.h: what a thread spends its time on.
 *
 * A thread of the library that runs a generator, and a worker of a pool, has a record. Each moment
 * of the thread belongs to one class of enum leat_time, so the times of all classes add up to the
 * time since the record began. The wait engine (wait.h) moves the thread from one class to another
 * where a wait begins and ends. A wait that succeeds before its first spin is over is too short to
 * be noted: it is busy.
 *
 *     the thread                                    a reader (a snapshot)
 *
 *     leat_times_enter(times);                      leat_times_read(times, now_ns, &spent);
 *     outer = leat_times_begin(LEAT_TIME_STARVED);
 *     ... sleeps ...
 *     leat_times_end(outer);
 *     leat_times_leave(times, ...);
 *
 * The record
 *
 *     field      writer                       reader           published by
 *     state      its thread                   readers          Y1
 *     spent      its thread                   readers          Y1
 *     tid        its thread, lock held        readers          lock
 *     over       its thread, lock held        readers          lock
 *     last       readers, and its thread at   readers          lock
 *                its end, lock held
 *     began_ns   leat_times_init()            readers          thread start, registry
 *     waits      its thread                   readers          -
 *
 *     Y1  leat_times_switch() stores state   <->  Y1  read_once() loads state: the times that were
 *         after the time that it adds to              added before are there
 *     Y2  leat_times_switch() adds to a      <->  Y2  read_once() loads that time: the state before
 *         time, after the state before                the addition is there
 *
 * `state` is the time since began_ns at which the present class began, and that class. `spent` is
 * the time in each class until then. When the class changes, the thread adds to one time first, and
 * stores the state then.
 *
 * Invariant: a reading has the times of one state. If not: a reader loads the time of one class;
 * the thread goes through several waits; the reader loads the time of another class, with waits
 * that came after the first time. Therefore: the reader loads the state, the times, and the state
 * again, and reads again if that has changed. By Y1 no time is older than the state, and by Y2 none
 * is newer than the state that is loaded last, but for the one addition with which a change of
 * class begins. If the times add up to more than the time in the state, there is that addition: the
 * thread was about to change its class, and has been busy since. The thread itself never waits for
 * readers, and a thread that is held up in the middle of a change holds up no reader.
 *
 * Invariant: no figure falls from one reading to the next. If not: a thread reads the clock at the
 * end of its wait, and is held up before it stores that; a reader counts the wait until now; later
 * the wait turns out to have ended before. Therefore: readers keep the last figures, and what one
 * class has too little is taken from those that rose meanwhile.
 *
 * Beside the times, the record says what the thread waited for last (`waits`): the channels by
 * their ids, and what paced it. Each number is a hint by itself, for a picture of which generator
 * feeds which: readers need no order between them, and may meet an id twice while the thread moves
 * it to the front.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_EVENT_TIMES_H
#define LEAT_RUNTIME_EVENT_TIMES_H

#include "runtime/os/os.h"

#include <leat/atomic.h>
#include <leat/base.h>

enum leat_time {
	LEAT_TIME_BUSY,    /* it runs, or waits for a processor, or in the kernel */
	LEAT_TIME_STARVED, /* it waits to receive, to read, or for another thread to end */
	LEAT_TIME_BLOCKED, /* it waits to send, or to write */
	LEAT_TIME_ORDER,   /* it waits for its turn among other threads */
	LEAT_TIME_PACED,   /* it waits for a time or a rate */
	LEAT_TIMES
};

/* What a thread has waited for lately; as in struct leat_gen_stat. */
struct leat_waits {
	uint64_t receives[LEAT_WAITS_MOST], sends[LEAT_WAITS_MOST], waits_on;
	uint32_t paced_by; /* enum leat_pace */
};

/* One reading. The times of the classes add up to the time since began_ns. */
struct leat_spent {
	uint64_t ns[LEAT_TIMES];
	/* on a processor, and ready without one, as the kernel counts; 0: it does not say */
	uint64_t cpu_ns, runq_ns;
	struct leat_waits waits;
};

struct leat_times {
	uint64_t state;
	uint64_t spent[LEAT_TIMES];
	int64_t began_ns;
	struct leat_waits waits;
	struct leat_spin lock;  /* guards what follows */
	struct leat_spent last; /* the last reading */
	uint32_t tid;           /* 0: not known yet */
	bool over;              /* `last` stays; the kernel may give tid to another thread */
};

/* The record of this thread; NULL: it has none, as a thread of the program. */
extern LEAT_TLS struct leat_times *leat_times_current;

/* Begins a zeroed record, as busy, before any other thread knows it. */
void leat_times_init(struct leat_times *times, int64_t now_ns);
/* The calling thread is the one whose record this is, and is so until leat_times_leave(). */
void leat_times_enter(struct leat_times *times);
/*
 * Ends the record: each later reading returns the figures of now. with_cpu: the kernel's too, which
 * takes some microseconds; else these stay as they were last read.
 */
void leat_times_leave(struct leat_times *times, bool with_cpu);

/*
 * Any thread. Reads the figures as they are at now_ns, or, if the thread has changed its class
 * since then or a reading was made since then, at that time. A reader that meets one change after
 * the other gets the figures of the last reading.
 */
void leat_times_read(struct leat_times *times, int64_t now_ns, struct leat_spent *spent);

/*
 * The calling thread uses a channel: to receive from it, or to send into it. For slow paths. An
 * id of 0, or a thread without a record, is no channel. Only the latest ids are kept.
 */
void leat_times_note_wait(uint64_t channel, bool to_send);

/* Its thread: from now_ns on it is in this class. Returns the class before. */
enum leat_time leat_times_switch(struct leat_times *times, enum leat_time to, int64_t now_ns);

/*
 * A wait that the wait engine does not know. Returns what leat_times_end() takes. Waits nest: of a
 * wait inside another one the inner class counts.
 */
static inline enum leat_time leat_times_begin(enum leat_time what)
{
	struct leat_times *times = leat_times_current;

	if (times == NULL)
		return LEAT_TIME_BUSY;
	leat_store_rlx(&times->waits.waits_on, 0); /* rlx: a hint */
	return leat_times_switch(times, what, leat_now_ns());
}

static inline void leat_times_end(enum leat_time outer)
{
	if (leat_times_current != NULL)
		leat_times_switch(leat_times_current, outer, leat_now_ns());
}

#endif
