/*
 * runtime/event/event.h: an event count. Where a thread parks until something changes.
 *
 *     the side that waits                          the side that changes something
 *     for (;;) {                                   publish;
 *             leat_sleeper_reset(&s);              leat_fence_light();
 *             leat_event_prepare_wait(ev, &w);            if (leat_load_rlx(ev->ctl) & ev->bit)
 *             if (done = look())                           leat_event_notify(ev, n);
 *                     break;
 *             leat_sleeper_park(&s, deadline);
 *             w.lost += leat_event_remove_waiter(ev, &w);
 *     }
 *     leat_event_remove_waiter(ev, &w);
 *
 * The waiter pays: enter() sets the bit and then makes every core execute a full fence (membarrier), so that of the
 * two loads, the waiter's look and the changer's look at the bit, at least one sees the other side's store. The changer
 * pays a compiler fence. On a word with LEAT_CTL_FENCED both pay a full fence instead: chosen once, at open.
 *
 * Where the kernel refuses membarrier after a word was chosen to be without fences, a waiter may miss a change, or the changer
 * the bit. Such a waiter sleeps for a millisecond at the most and looks again. One that is no thread, or sleeps in poll(2), sleeps
 * that millisecond in place of the fence.
 *
 *     C1, C2  enter() sets the bit, heavy fence, look()   <->   publish, light fence, load of the bit
 *     E1      the teller stores word                       ->   E1 the sleeper loads word: what was published before
 *
 * No wake-up is lost to another waiter. notify(n) takes the first n waiters off the list, and each of those
 * was told; the rest stay and the bit stays with them. leave() answers whether this waiter was told. One that was, and
 * goes away with something other than what it waited for, or leaves something behind, passes it on: it
 * notifies once more if there is still something to be had (forward() in runtime/event/wait.h).
 *
 * Order. The list is first come, first served, and a waiter that was notified in vain goes before the rest. A thread that
 * did not wait may have taken what the notification was about, so the notified waiter finds nothing and lines up again:
 * then it stands behind those that lost before it, and in front of every waiter that has not lost. So until it is
 * notified again, at most as many others are notified as stood there having lost, fewer than the threads of its side.
 *
 * A waiter is a place on one event's list; a sleeper is who is woken. A thread that waits for several things at once has a
 * waiter for each and is one sleeper. What is not a thread (a generator on a pool, a lane of a merge) gives a function.
 *
 * Ownership: waiter and sleeper are their owner's. The last legal touch by anybody else is the store to word, or the
 * call of wake(), under the lock; the futex wake after it uses the address alone and never looks.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_EVENT_EVENT_H
#define LEAT_RUNTIME_EVENT_EVENT_H

#include "runtime/os/os.h"

struct leat_sleeper {
	uint32_t word; /* 0 until told */
	int fd;        /* a flag to raise when told, or -1 */
	/* NULL: a thread, which is told by word and fd. Else called when told, under the event's lock: it must not wait. */
	void (*wake)(struct leat_sleeper *sleeper);
	bool unfenced; /* what it waits for may be missed: it must not sleep for long */
};

#define LEAT_SLEEPER_INIT { .fd = -1 }

struct leat_waiter {
	struct leat_waiter *prev, *next; /* under the event's lock; next NULL: not on a list */
	struct leat_sleeper *sleeper;
	/*
	 * How often it was notified and found nothing, since it last found something. Its owner counts, between leave() and the
	 * next enter(). Harmless if wrong: only the order depends on it.
	 */
	unsigned lost;
};

struct leat_event {
	struct leat_mutex lock;
	struct leat_waiter list; /* the ends of a ring of waiters: those that lost, then the others, each first come first */
	struct leat_waiter *others; /* the first that has not lost; &list: none */
	uint32_t *ctl;           /* the word that the bit stands in; set while anybody is on the list */
	uint32_t bit;            /* 0: this event is notified under other rules, and enter() pays no fence */
};

#define LEAT_EVENT_ALL UINT32_MAX

void leat_event_init(struct leat_event *ev, uint32_t *ctl, uint32_t bit);
void leat_event_prepare_wait(struct leat_event *ev, struct leat_waiter *waiter);
/*
 * The two halves of enter(), for who waits on many events: lines up on each, fences once, heavily if any line_up()
 * answered true, and then looks at all of them. A heavy fence is a full one too.
 */
bool leat_event_add_waiter(struct leat_event *ev, struct leat_waiter *waiter);
void leat_event_fence(bool heavy);
/*
 * Whether a sleeper's fence has to be heavy, on a word that is fenced or not. Where it would have to be and membarrier was refused,
 * a thread's sleeps are short from now on until leat_sleeper_reset().
 */
bool leat_sleeper_fence(struct leat_sleeper *sleeper, bool fenced);
/* How many waits were short, or slept in place of a fence, since the process began. */
uint64_t leat_event_unfenced(void);
/* Whether the waiter was told before it left. May be called again. */
bool leat_event_remove_waiter(struct leat_event *ev, struct leat_waiter *waiter);
void leat_event_notify(struct leat_event *ev, uint32_t n); /* mutate */

/*
 * Tells a sleeper that is on no event's list: for those who keep one waiter in their own way. The last touch; answers the
 * word to wake a thread by, or NULL.
 */
uint32_t *leat_sleeper_notify(struct leat_sleeper *sleeper);

/* Above 0 while this thread runs a step of a generator on a pool: what would wait answers -EDEADLK instead. */
extern LEAT_TLS unsigned leat_must_not_wait;

/* Before the first enter() of each round: has not been told. Nobody may know the sleeper. */
void leat_sleeper_reset(struct leat_sleeper *sleeper);
/* Sleeps until told or the deadline: 0 or -ETIMEDOUT. 0 also for no reason: the caller looks again. */
int leat_sleeper_park(struct leat_sleeper *sleeper, int64_t deadline_ns);

#endif
