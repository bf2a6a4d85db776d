/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/event/event.h"

#include <leat/atomic.h>
#include <leat/detail/ctl.h>

#include <unistd.h>

LEAT_TLS unsigned leat_must_not_wait;

/* waits without a heavy fence; by relaxed additions, as it is a statistic */
static uint64_t unfenced;

void leat_event_init(struct leat_event *ev, uint32_t *ctl, uint32_t bit)
{
	leat_mutex_init(&ev->lock);
	ev->list.next = ev->list.prev = ev->not_lost = &ev->list;
	ev->ctl = ctl;
	ev->bit = bit;
}

static bool has_no_waiter(const struct leat_event *ev)
{
	return ev->list.next == &ev->list;
}

/*
 * Caller holds ev->lock. The bit changes only while the lock is held, so the bit and the list
 * always agree.
 */
static void unlink_waiter(struct leat_event *ev, struct leat_waiter *waiter)
{
	if (ev->not_lost == waiter)
		ev->not_lost = waiter->next;
	waiter->prev->next = waiter->next;
	waiter->next->prev = waiter->prev;
	waiter->next = waiter->prev = NULL;
	if (ev->bit != 0 && has_no_waiter(ev))
		/* rlx: caller holds ev->lock; a notifier that reads it clear does nothing more */
		leat_and_rlx(ev->ctl, ~ev->bit);
}

/*
 * Caller holds ev->lock. A waiter that lost goes behind those that lost before it, a waiter that
 * did not goes to the end.
 */
static void link_waiter(struct leat_event *ev, struct leat_waiter *waiter)
{
	struct leat_waiter *next = waiter->lost > 0 ? ev->not_lost : &ev->list;

	waiter->next = next;
	waiter->prev = next->prev;
	next->prev->next = waiter;
	next->prev = waiter;
	if (waiter->lost == 0 && ev->not_lost == &ev->list)
		ev->not_lost = waiter;
}

bool leat_event_add_waiter(struct leat_event *ev, struct leat_waiter *waiter)
{
	leat_mutex_lock(&ev->lock);
	if (ev->bit != 0 && has_no_waiter(ev))
		/*
		 * rlx: C1, C2: the fence that follows orders it; a notifier that reads it set takes
		 * ev->lock
		 */
		leat_or_rlx(ev->ctl, ev->bit);
	link_waiter(ev, waiter);
	leat_mutex_unlock(&ev->lock);
	/* rlx: LEAT_CTL_FENCED never changes */
	return ev->bit != 0 &&
	       leat_sleeper_fence(waiter->sleeper, leat_load_rlx(ev->ctl) & LEAT_CTL_FENCED);
}

bool leat_sleeper_fence(struct leat_sleeper *sleeper, bool fenced)
{
	if (fenced)
		return false;
	if (leat_os_fence_heavy_prepare())
		return true;
	if (sleeper->fd >= 0 || sleeper->wake != NULL)
		return true;
	leat_add_rlx(&unfenced, 1); /* rlx: a statistic */
	sleeper->unfenced = true;
	return false;
}

uint64_t leat_event_unfenced(void)
{
	return leat_load_rlx(&unfenced); /* rlx: a statistic */
}

void leat_event_fence(bool heavy)
{
	if (!heavy) {
		/* C1, C2: bit before recheck; pairs with leat_fence_seq() in leat_chan_load_parked() */
		leat_fence_seq();
		return;
	}
	/* C1, C2: bit before recheck; pairs with leat_fence_light() after each publish */
	leat_os_fence_heavy();
	if (!leat_os_fence_heavy_prepare())
		leat_add_rlx(&unfenced, 1); /* rlx: a statistic */
}

void leat_event_prepare_wait(struct leat_event *ev, struct leat_waiter *waiter)
{
	bool heavy = leat_event_add_waiter(ev, waiter);

	if (ev->bit != 0)
		leat_event_fence(heavy); /* C1, C2 */
}

bool leat_event_remove_waiter(struct leat_event *ev, struct leat_waiter *waiter)
{
	bool notified;

	leat_mutex_lock(&ev->lock);
	notified = waiter->next == NULL;
	if (!notified)
		unlink_waiter(ev, waiter);
	leat_mutex_unlock(&ev->lock);
	return notified;
}

uint32_t *leat_sleeper_notify(struct leat_sleeper *sleeper)
{
	uint32_t *word = &sleeper->word;

	if (sleeper->wake != NULL) {
		sleeper->wake(sleeper);
		return NULL;
	}
	if (sleeper->fd >= 0)
		leat_os_flag_raise(sleeper->fd);
	leat_store_rel(word, 1); /* E1: what was published before; pairs with leat_sleeper_park() */
	return word;
}

void leat_event_notify(struct leat_event *ev, uint32_t n)
{
	enum { AT_ONCE = 16 };
	uint32_t *words[AT_ONCE];

	while (n > 0) {
		unsigned notified = 0, threads = 0;

		leat_mutex_lock(&ev->lock);
		for (; notified < n && notified < AT_ONCE && !has_no_waiter(ev); notified++) {
			struct leat_waiter *waiter = ev->list.next;
			struct leat_sleeper *sleeper = waiter->sleeper;

			unlink_waiter(ev, waiter);
			words[threads] = leat_sleeper_notify(sleeper);
			threads += words[threads] != NULL;
		}
		leat_mutex_unlock(&ev->lock);
		for (unsigned i = 0; i < threads; i++)
			leat_os_futex_wake(words[i], 1);
		if (notified < AT_ONCE)
			return;
		if (n != LEAT_EVENT_ALL)
			n -= notified;
	}
}

void leat_sleeper_reset(struct leat_sleeper *sleeper)
{
	leat_store_rlx(&sleeper->word, 0); /* rlx: no other thread knows the sleeper yet */
	sleeper->unfenced = false;
}

int leat_sleeper_park(struct leat_sleeper *sleeper, int64_t deadline_ns)
{
	int64_t until_ns = sleeper->unfenced ? leat_now_ns() + LEAT_OS_UNFENCED_NS : deadline_ns;

	if (until_ns > deadline_ns)
		until_ns = deadline_ns;
	/* E1: pairs with the store in leat_sleeper_notify() */
	while (leat_load_acq(&sleeper->word) == 0)
		if (leat_os_futex_wait(&sleeper->word, 0, until_ns) == -ETIMEDOUT)
			return until_ns < deadline_ns ? 0 : -ETIMEDOUT;
	return 0;
}
