/*
 * Models of the event: parking against publishing, with nothing but a word to wait for.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/event/event.h"

#include <leat/atomic.h>
#include <leat/detail/handle.h>

enum { BIT = LEAT_CTL_RX_PARKED };

static struct leat_event event;
static uint32_t ctl, ended;
static uint64_t published, taken;

static void open_event(uint32_t fenced)
{
	leat_store_rlx(&ctl, fenced);
	leat_event_init(&event, &ctl, BIT);
}

static void tell(uint32_t n)
{
	if (leat_load_rlx(&ctl) & LEAT_CTL_FENCED)
		leat_fence_seq();
	else
		leat_fence_light();
	if (leat_load_rlx(&ctl) & BIT)
		leat_event_notify(&event, n);
}

static void publisher(void *arg)
{
	for (uintptr_t n = (uintptr_t)arg; n > 0; n--) {
		leat_add_rlx(&published, 1);
		tell(1);
	}
}

/* Takes one of what was published, as a receiver does. */
static bool take(void)
{
	uint64_t had = leat_load_rlx(&taken);

	while (had < leat_load_rlx(&published))
		if (leat_cas_acqrel(&taken, &had, had + 1))
			return true;
	return false;
}

/* Passes on what it was told and leaves behind, as channels do. */
static int take_one(int64_t deadline_ns)
{
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_waiter waiter = { .sleeper = &sleeper };
	int rc = 0;

	for (;;) {
		bool told, done;

		leat_sleeper_reset(&sleeper);
		leat_event_prepare_wait(&event, &waiter);
		done = take();
		if (!done)
			rc = leat_sleeper_park(&sleeper, deadline_ns);
		told = leat_event_remove_waiter(&event, &waiter);
		if (!done)
			done = take(); /* the last look, also after the time is over */
		if (!done && rc == 0)
			continue;
		if (told && leat_load_rlx(&taken) < leat_load_rlx(&published))
			leat_event_notify(&event, 1);
		return done ? 0 : rc;
	}
}

static void waiter(void *arg)
{
	for (uintptr_t n = (uintptr_t)arg; n > 0; n--)
		verify_that(take_one(LEAT_NEVER) == 0);
}

static void run(uint32_t fenced, uintptr_t waiters, uintptr_t each)
{
	open_event(fenced);
	for (uintptr_t i = 0; i < waiters; i++)
		verify_spawn(waiter, (void *)each, i == 0 ? "waiter 1" : "waiter 2");
	verify_spawn(publisher, (void *)(waiters * each), "publisher");
	verify_join();
	verify_that(leat_load_rlx(&taken) == waiters * each);
	verify_that((leat_load_rlx(&ctl) & BIT) == 0);
}

MODEL(event_no_lost_wake, .what = "no_lost_wake: one waiter, two items, membarrier",
      .preemptions = 3, .stale = 3)
{
	run(0, 1, 2);
}

MODEL(event_no_lost_wake_fenced, .what = "the same where each publish pays a full fence",
      .preemptions = 3, .stale = 3)
{
	run(LEAT_CTL_FENCED, 1, 2);
}

MODEL(event_two_waiters, .what = "two waiters, two items: each is told", .preemptions = 2,
      .stale = 2, .quick_both = 2)
{
	run(0, 2, 1);
}

MODEL(event_spurious_wake, .what = "spurious_wake: sleeps that end for no reason", .preemptions = 3,
      .stale = 2, .spurious = 2)
{
	run(0, 1, 2);
}

/* The second waiter waits for ever; the first may time out just when it is told. */
static int first_rc = 1;

static void impatient(void *arg)
{
	(void)arg;
	first_rc = take_one(2000);
	verify_that(first_rc == 0 || first_rc == -ETIMEDOUT);
}

MODEL(event_wake_not_swallowed,
      .what = "wake_not_swallowed_by_one_that_timed_out: another waiter gets the news",
      .preemptions = 3, .stale = 1)
{
	open_event(0);
	verify_spawn(impatient, NULL, "impatient");
	verify_spawn(waiter, (void *)1, "patient");
	publisher((void *)1);
	publisher((void *)1);
	verify_join();
}

/*
 * A waiter that loses: it is notified, and a thread that did not wait takes what was published
 * before it runs. Then it lines up again while another waiter stands there, which has lost nothing
 * yet.
 */
static struct leat_sleeper loser_sleeper, other_sleeper;
static uint32_t loser_stands; /* on the list, having lost; an assertion alone reads it */

/* Under the event's lock. */
static void wake_thread(struct leat_sleeper *sleeper)
{
	if (sleeper == &loser_sleeper)
		leat_store_rlx(&loser_stands, 0);
	else
		verify_that(leat_load_rlx(&loser_stands) == 0);
	leat_store_rel(&sleeper->word, 1);
	leat_os_futex_wake(&sleeper->word, 1);
}

/* As take_one(), for the waiter that may lose. */
static void loser(void *arg)
{
	struct leat_waiter waiter = { .sleeper = &loser_sleeper };
	bool done = false;

	(void)arg;
	while (!done) {
		bool told;

		leat_sleeper_reset(&loser_sleeper);
		leat_event_prepare_wait(&event, &waiter);
		if (waiter.lost > 0)
			leat_store_rlx(&loser_stands, 1);
		done = take();
		if (!done)
			leat_sleeper_park(&loser_sleeper, LEAT_NEVER);
		leat_store_rlx(&loser_stands, 0);
		told = leat_event_remove_waiter(&event, &waiter);
		if (!done)
			done = take();
		waiter.lost += told;
		if (done && told && leat_load_rlx(&taken) < leat_load_rlx(&published))
			leat_event_notify(&event, 1);
	}
	leat_or_acqrel(&ctl, LEAT_CTL_TX_GONE);
	leat_event_notify(&event, LEAT_EVENT_ALL);
}

/* Takes nothing; waits until it is notified, or the loser is done. */
static void other(void *arg)
{
	struct leat_waiter waiter = { .sleeper = &other_sleeper };

	(void)arg;
	leat_sleeper_reset(&other_sleeper);
	leat_event_prepare_wait(&event, &waiter);
	if (!(leat_load_acq(&ctl) & LEAT_CTL_TX_GONE))
		leat_sleeper_park(&other_sleeper, LEAT_NEVER);
	if (leat_event_remove_waiter(&event, &waiter) &&
	    leat_load_rlx(&taken) < leat_load_rlx(&published))
		leat_event_notify(&event, 1);
}

static void takes_at_once(void *arg)
{
	(void)arg;
	take();
}

MODEL(event_loser_goes_first,
      .what = "a waiter that was notified in vain is notified before one that was not",
      .preemptions = 3, .stale = 1, .quick = 2, .quick_both = 2)
{
	open_event(0);
	loser_sleeper.wake = other_sleeper.wake = wake_thread;
	verify_spawn(loser, NULL, "loser");
	verify_spawn(takes_at_once, NULL, "takes at once");
	publisher((void *)1);
	verify_spawn(other, NULL, "other");
	publisher((void *)1);
	verify_join();
}

/* A change for all: an end. */
static void ender(void *arg)
{
	(void)arg;
	leat_or_acqrel(&ended, 1);
	leat_or_acqrel(&ctl, LEAT_CTL_TX_GONE);
	leat_event_notify(&event, LEAT_EVENT_ALL);
}

static void waits_for_the_end(void *arg)
{
	struct leat_sleeper s = LEAT_SLEEPER_INIT;
	struct leat_waiter w = { .sleeper = &s };

	(void)arg;
	for (;;) {
		bool done;

		leat_sleeper_reset(&s);
		leat_event_prepare_wait(&event, &w);
		done = leat_load_acq(&ctl) & LEAT_CTL_TX_GONE;
		if (!done)
			leat_sleeper_park(&s, LEAT_NEVER);
		leat_event_remove_waiter(&event, &w);
		if (done)
			break;
	}
	verify_that(leat_load_rlx(&ended) == 1);
}

MODEL(event_end_wakes_all, .what = "an end wakes every waiter", .preemptions = 2, .stale = 2)
{
	open_event(0);
	verify_spawn(waits_for_the_end, NULL, "waiter 1");
	verify_spawn(waits_for_the_end, NULL, "waiter 2");
	verify_spawn(ender, NULL, "ender");
	verify_join();
}

/* The waiter's frame, and then the event, are gone while the other side is still in notify(). */
static struct leat_event *on_heap;

static void waits_then_frees(void *arg)
{
	struct leat_sleeper s = LEAT_SLEEPER_INIT;
	struct leat_waiter w = { .sleeper = &s };

	(void)arg;
	leat_sleeper_reset(&s);
	leat_event_prepare_wait(on_heap, &w);
	while (leat_load_acq(&ended) == 0)
		if (leat_sleeper_park(&s, LEAT_NEVER) == 0 && leat_load_acq(&ended) == 0)
			verify_fail("assertion", "told before the end");
	leat_event_remove_waiter(on_heap, &w);
	memset(&w, 0xff, sizeof(w)); /* the frame serves something else */
}

static void ends_it(void *arg)
{
	(void)arg;
	leat_store_rel(&ended, 1);
	leat_fence_light();
	if (leat_load_rlx(&ctl) & BIT)
		leat_event_notify(on_heap, 1);
}

MODEL(event_waiter_gone_inside_wake,
      .what = "the last touch of a waiter's memory: its frame ends inside notify()",
      .preemptions = 3, .stale = 2)
{
	on_heap = leat_os_alloc(sizeof(*on_heap), 0);
	leat_event_init(on_heap, &ctl, BIT);
	verify_spawn(waits_then_frees, NULL, "waiter");
	verify_spawn(ends_it, NULL, "ender");
	verify_join();
	leat_os_free(on_heap);
}

/*
 * Membarrier was refused after the word was chosen to be without fences: nobody fences, and no
 * sleep is long.
 */
MODEL(event_no_membarrier_any_more,
      .what = "no_lost_wake where membarrier is refused later: the waiter looks again by itself",
      .preemptions = 3, .stale = 3, .no_membarrier = true, .idle_ns = VERIFY_ANY_NS,
      .quick_both = 2)
{
	run(0, 1, 2);
}

MODEL(event_no_membarrier_any_more_two, .what = "the same with two waiters", .preemptions = 2,
      .stale = 2, .quick = 1, .no_membarrier = true, .idle_ns = VERIFY_ANY_NS)
{
	run(0, 2, 1);
}
