/*
 * runtime/event/event.h: an event count. A thread parks on it until another thread notifies it of a
 * change.
 *
 *     the waiter                                    the notifier
 *     for (;;) {                                    change something;
 *             leat_sleeper_reset(&s);               leat_fence_light();
 *             leat_event_prepare_wait(ev, &w);      if (leat_load_rlx(ev->ctl) & ev->bit)
 *             if (recheck())                                leat_event_notify(ev, n);
 *                     break;
 *             leat_sleeper_park(&s, deadline);
 *             w.lost += leat_event_remove_waiter(ev, &w);
 *     }
 *     if (leat_event_remove_waiter(ev, &w))
 *             recheck, and notify another waiter if work remains (Forwarding);
 *
 * Parking. Invariant: a waiter sleeps only while nothing has changed that it waits for, or a
 * notifier is on its way to it. Two stores and two loads decide: the waiter sets the bit and then
 * rechecks; the notifier changes something and then reads the bit. If both loads could miss the
 * other thread's store, the waiter would sleep and the notifier would return:
 *
 *     waiter                            notifier
 *     sets the bit (in its buffer)
 *     rechecks: nothing
 *                                       publishes an item
 *                                       reads the bit: not set, so it notifies no thread
 *     sleeps, although there is an item
 *
 * Therefore prepare_wait() executes a heavy fence between its store and its load: membarrier makes
 * every thread of the process execute a full fence. Either that fence comes before the notifier's
 * load of the bit, which then reads it set; or it comes after the notifier's publish, which the
 * recheck then reads. The notifier pays a compiler fence only, which keeps its own store and load
 * in this order. On a word with LEAT_CTL_FENCED both threads execute a full fence instead; that is
 * chosen once, at open.
 *
 *     C1, C2  prepare_wait() sets the bit, heavy fence, recheck  <->  publish, light fence, load of
 *                                                                     the bit
 *     E1      the notifier stores word  ->  E1  the sleeper loads word: what was published before
 *                                               is seen
 *
 * If the kernel refuses membarrier later, after words were opened without fences, a waiter may miss
 * a change. Therefore such a waiter sleeps for a millisecond at most and rechecks. A waiter that is
 * no thread, or that sleeps in poll(2), sleeps that millisecond in place of the fence.
 *
 * Forwarding. notify(n) takes the first n waiters off the list and notifies each; the other waiters
 * and the bit stay. Invariant: while work is left and a waiter is parked, some thread that was
 * notified is awake. If a notified waiter returned without a recheck, it could break that:
 *
 *     sender                 a select on this and another channel    a receiver
 *                            parked, first on the list               parked
 *     sends an item,
 *     notifies the select
 *                            receives from the other channel,
 *                            returns
 *                                                                    sleeps, although there is an
 *                                                                    item
 *
 * Therefore remove_waiter() returns whether this waiter was notified. A notified waiter that
 * returns rechecks; if work remains, it notifies one more waiter (forward() in
 * runtime/event/wait.h).
 *
 * Time-outs. Why is no wake-up lost when a waiter times out? A sender may notify a waiter in the
 * moment in which the waiter's sleep times out. If that waiter returned at once, the notification
 * would be lost with it:
 *
 *     receiver A                      receiver B         sender
 *     parked, first on the list       parked
 *     its sleep times out
 *                                                        sends an item,
 *                                                        takes A off the list and notifies it
 *     returns -ETIMEDOUT
 *                                     sleeps, although there is an item
 *
 * The event's lock orders the sender's notify() and A's remove_waiter(). If remove_waiter() comes
 * first, A is off the list without a notification, and notify() takes B. If notify() comes first,
 * remove_waiter() returns true: A owns the notification. Therefore a time-out does not end the
 * wait. A removes its waiter and then makes at least one more attempt, which receives the item if
 * it is still there. Then A forwards if it was notified, and only then returns (leat_wait_for() in
 * runtime/event/wait.c). A sender that comes after A's remove_waiter() finds B on the list.
 *
 * Order. Waiters are notified first come, first served, but a waiter that was notified in vain goes
 * before the rest. A thread that did not wait may have taken the item before the notified waiter
 * ran. That waiter then returns to the list behind the waiters that lost before it, and in front of
 * every waiter that has not lost. So on a side with n threads, at most n - 1 other waiters are
 * notified before it is notified again. How often it may lose to threads that never wait has no
 * bound.
 *
 * Waiter and sleeper. A waiter is a place on one event's list; a sleeper is what a notification
 * wakes. A thread that waits for several events at once has a waiter for each and one sleeper. A
 * generator on a pool and a lane of a merge are no threads: their sleepers have a function, which
 * the notifier calls.
 *
 * Ownership. Waiter and sleeper belong to the thread that waits. The last touch by a notifier is
 * the store to word, or the call of wake(), while it holds the event's lock. The futex wake after
 * that uses the address alone and reads nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_EVENT_EVENT_H
#define LEAT_RUNTIME_EVENT_EVENT_H

#include "runtime/os/os.h"

struct leat_sleeper {
	uint32_t word; /* 0 until notified */
	int fd;        /* an eventfd that the notifier raises, or -1 */
	/*
	 * NULL: the sleeper is a thread, which is notified by word and fd. Else the notifier calls
	 * this while it holds the event's lock; the function must not wait.
	 */
	void (*wake)(struct leat_sleeper *sleeper);
	bool unfenced; /* no heavy fence: the thread may miss a change, so its sleeps are short */
};

#define LEAT_SLEEPER_INIT \
	{ \
		.fd = -1 \
	}

struct leat_waiter {
	struct leat_waiter *prev, *next; /* guarded by the event's lock; next NULL: on no list */
	struct leat_sleeper *sleeper;
	struct leat_event *event; /* for an owner that waits now here, now there: where it is */
	/*
	 * How often this waiter was notified and found nothing since it last found something. Its
	 * owner counts, between remove_waiter() and the next prepare_wait(). Only the order depends
	 * on it.
	 */
	unsigned lost;
};

struct leat_event {
	struct leat_mutex lock;
	/* the head of a ring of waiters: those that lost, then those that did not, each in order */
	struct leat_waiter list;
	struct leat_waiter *not_lost; /* the first waiter that has not lost; &list: there is none */
	/* the word that has the bit; the bit is set while the list has a waiter */
	uint32_t *ctl;
	/* 0: notifiers of this event need no bit, and prepare_wait() executes no fence */
	uint32_t bit;
};

#define LEAT_EVENT_ALL UINT32_MAX

void leat_event_init(struct leat_event *ev, uint32_t *ctl, uint32_t bit);
void leat_event_prepare_wait(struct leat_event *ev, struct leat_waiter *waiter);
/*
 * The two halves of prepare_wait(), for a thread that waits on many events. The thread adds a
 * waiter to each, calls leat_event_fence() once, with true if any add_waiter() returned true, and
 * then rechecks all of them. A heavy fence is a full fence too.
 */
bool leat_event_add_waiter(struct leat_event *ev, struct leat_waiter *waiter);
void leat_event_fence(bool heavy);
/*
 * Returns whether the sleeper's fence has to be heavy. fenced: the word has LEAT_CTL_FENCED, and a
 * full fence is enough. If the fence has to be heavy and the kernel refuses membarrier, this
 * returns false for a thread that sleeps by word alone, and the thread's sleeps are short until the
 * next leat_sleeper_reset(). For any other sleeper this returns true, and leat_event_fence()
 * sleeps.
 */
bool leat_sleeper_fence(struct leat_sleeper *sleeper, bool fenced);
/*
 * Returns how many waits had short sleeps, or slept in place of a heavy fence, since the process
 * began.
 */
uint64_t leat_event_unfenced(void);
/*
 * Takes the waiter off the list. Returns whether the waiter was notified before that. May be called
 * again for the same waiter, and then returns true.
 */
bool leat_event_remove_waiter(struct leat_event *ev, struct leat_waiter *waiter);
/* Notifies the first n waiters, or all of them (LEAT_EVENT_ALL). */
void leat_event_notify(struct leat_event *ev, uint32_t n); /* mutate */

/*
 * Notifies a sleeper whose waiter is on no event's list. This is the last touch of the sleeper.
 * Returns the word to pass to leat_os_futex_wake(), or NULL if the sleeper is no thread.
 */
uint32_t *leat_sleeper_notify(struct leat_sleeper *sleeper);

/*
 * Above 0 while this thread runs a step of a generator on a pool: a call that would wait returns
 * -EDEADLK.
 */
extern LEAT_TLS unsigned leat_must_not_wait;

/*
 * Makes a sleeper one that has not been notified. Its owner calls this before each prepare_wait(),
 * while no event's list has a waiter of this sleeper.
 */
void leat_sleeper_reset(struct leat_sleeper *sleeper);
/*
 * Sleeps until the sleeper is notified. Returns 0, or -ETIMEDOUT once the deadline has passed. May
 * return 0 early; the caller rechecks. The caller still has to remove the waiter.
 */
int leat_sleeper_park(struct leat_sleeper *sleeper, int64_t deadline_ns);

#endif
