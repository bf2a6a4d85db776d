/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/event/wait.h"

#include <leat/atomic.h>

#include <errno.h>

enum {
	PAUSES = 64,
	YIELDS = 8, /* of an adaptive wait, at most */
	/* a yield that took this long gave the core to a thread that computes; see wait.h */
	SLICE_NS = 100000,
	/* with this many transfers since the first yield, the core went to the same pipeline */
	STREAM = 128,
	SKIPS_FIRST = 1024, /* waits that do not yield after a lost slice */
	/* about so many waits with short yields reset that number */
	SKIPS_DECAY = 64,
	SKIPS_MOST = 1 << 16,
	/* waits that do not spin, at most, after one whose spin was in vain */
	SPIN_SKIPS_MOST = 63,
	/*
	 * a wait that spins offers its core once in so many rounds of pauses, some 50 microseconds
	 */
	ROUNDS_AN_OFFER = 16
};

/*
 * What this thread learned from yields that lost a slice: to_skip of its next waits do not yield.
 * Each lost slice doubles skips, the number to begin with; each wait whose yields were all short
 * takes a part of skips away. So at most one wait in SKIPS_FIRST is late by a slice.
 */
static LEAT_TLS struct {
	uint32_t to_skip, skips;
} yields;

/*
 * What this thread learned from its spins. Where a spin was in vain and the first yield after it
 * ended the wait, the thread that it waited for wanted this core, and a spin only delays it. So
 * to_skip of the next waits make one attempt in place of a spin: one wait after the first such
 * spin, 3 after the second in a row, and so on.
 */
static LEAT_TLS struct {
	uint32_t to_skip, skips;
	bool whole; /* this wait's spin was not left out */
} spins;

static inline ssize_t make_attempt(struct leat_wait_loop *w)
{
	return w->ops->attempt(w);
}

static bool schedule_producers(struct leat_wait_loop *w)
{
	return w->ops->schedule != NULL && w->ops->schedule(w);
}

/*
 * Inside a wait that is noted the thread is busy meanwhile. If an exception leaves the producer's
 * step, end_wait_books() goes back to the class before the wait.
 */
static bool run_here_once(struct leat_wait_loop *w)
{
	bool ran;

	if (w->times == NULL)
		return w->ops->run_here(w);
	leat_times_switch(w->times, LEAT_TIME_BUSY, leat_now_ns());
	ran = w->ops->run_here(w);
	leat_times_switch(w->times, w->time, leat_now_ns());
	return ran;
}

/* Makes an attempt each time that the producer has run on this thread. *ran: whether it did. */
static ssize_t run_producer_here(struct leat_wait_loop *w, bool *ran)
{
	ssize_t r = -EAGAIN;

	*ran = false;
	while (r == -EAGAIN && w->ops->run_here != NULL && run_here_once(w)) {
		*ran = true;
		r = make_attempt(w); /* mutate */
	}
	return r;
}

static bool has_passed(const struct leat_wait_loop *w, int64_t now_ns)
{
	return now_ns >= w->deadline_ns || now_ns >= w->scopes_ns;
}

/*
 * Once a deadline has passed, cancels the scope whose deadline it is and makes the last attempt.
 * Before that returns -EAGAIN.
 */
static ssize_t check_clock(struct leat_wait_loop *w)
{
	int64_t now_ns;
	ssize_t r;

	if (w->deadline_ns == LEAT_NEVER && w->scopes_ns == LEAT_NEVER)
		return -EAGAIN;
	now_ns = leat_now_ns();
	if (!has_passed(w, now_ns))
		return -EAGAIN;
	if (now_ns >= w->scopes_ns)
		w->ops->expire(w, now_ns);
	w->last = true;
	r = make_attempt(w); /* mutate */
	w->last = false;
	if (r != -EAGAIN || now_ns < w->deadline_ns)
		return r;
	schedule_producers(w); /* the next call finds what the producers make */
	return -ETIMEDOUT;
}

static ssize_t spin_with_attempts(struct leat_wait_loop *w, unsigned pauses)
{
	ssize_t r = -EAGAIN;

	for (unsigned i = 0; i < pauses && r == -EAGAIN; i += w->weight) {
		leat_pause();
		r = make_attempt(w);
	}
	return r;
}

/* The spin of an adaptive wait. */
static ssize_t spin_unless_in_vain(struct leat_wait_loop *w)
{
	ssize_t r;

	spins.whole = spins.to_skip == 0;
	if (!spins.whole)
		spins.to_skip--;
	r = spin_with_attempts(w, spins.whole ? PAUSES : 1);
	if (r != -EAGAIN)
		spins.skips = spins.to_skip = 0;
	return r;
}

/* After the first yield of a wait. */
static void learn_about_spins(bool over)
{
	if (!over) {
		spins.skips = spins.to_skip = 0;
	} else if (spins.whole) {
		spins.skips = spins.skips < SPIN_SKIPS_MOST ? spins.skips * 2 + 1 : spins.skips;
		spins.to_skip = spins.skips;
	}
}

static void note_lost_slice(void)
{
	yields.skips = yields.skips == 0 ? SKIPS_FIRST : yields.skips * 2;
	if (yields.skips > SKIPS_MOST)
		yields.skips = SKIPS_MOST;
	yields.to_skip = yields.skips;
	/* the next waits do not yield, so nothing else would bring their spins back */
	spins.skips = spins.to_skip = 0;
}

static uint64_t count_transfers(struct leat_wait_loop *w)
{
	return w->ops->transfers != NULL ? w->ops->transfers(w) : 0;
}

static ssize_t yield_while_short(struct leat_wait_loop *w)
{
	uint64_t transfers_before = count_transfers(w);
	int64_t before_ns, now_ns;
	ssize_t r = -EAGAIN;

	if (yields.to_skip > 0) {
		yields.to_skip--;
		return r;
	}
	now_ns = leat_now_ns();
	for (unsigned i = 0; i < YIELDS && r == -EAGAIN && !has_passed(w, now_ns); i++) {
		before_ns = now_ns;
		leat_os_yield();
		now_ns = leat_now_ns();
		if (now_ns - before_ns >= SLICE_NS &&
		    count_transfers(w) - transfers_before < STREAM) {
			note_lost_slice();
			return make_attempt(w);
		}
		r = make_attempt(w);
		if (i == 0)
			learn_about_spins(r != -EAGAIN);
	}
	if (yields.to_skip == 0)
		yields.skips -= (yields.skips + SKIPS_DECAY - 1) / SKIPS_DECAY;
	return r;
}

/* Waits by LEAT_WAIT_SPIN or LEAT_WAIT_YIELD. */
static ssize_t wait_without_sleep(struct leat_wait_loop *w)
{
	bool only_spins = w->policy == LEAT_WAIT_SPIN, ran;
	ssize_t r;

	for (unsigned rounds = 1;; rounds++) {
		if (!only_spins || rounds % ROUNDS_AN_OFFER == 0)
			/* if threads share this core, the peer may be waiting for it */
			leat_os_yield();
		r = only_spins ? spin_with_attempts(w, PAUSES) : make_attempt(w);
		if (r == -EAGAIN)
			r = check_clock(w);
		if (r == -EAGAIN)
			r = run_producer_here(w, &ran);
		if (r != -EAGAIN)
			return r;
		schedule_producers(w);
	}
}

static ssize_t sleep_notified(struct leat_wait_loop *w, bool *notified)
{
	int64_t until_ns;
	ssize_t r;

	leat_sleeper_reset(&w->sleeper);
	w->ops->prepare(w);  /* mutate */
	r = make_attempt(w); /* mutate */
	if (r == -EAGAIN && !schedule_producers(w)) {
		/* as the last attempt left them */
		until_ns = w->deadline_ns < w->scopes_ns ? w->deadline_ns : w->scopes_ns;
		if (w->ops->park != NULL)
			r = w->ops->park(w, until_ns);
		else
			leat_sleeper_park(&w->sleeper, until_ns);
	}
	*notified = w->ops->retire(w);
	/*
	 * also after a time-out: an item that came in time is not missed, nor is one that this
	 * waiter was notified of
	 */
	return r != -EAGAIN ? r : make_attempt(w);
}

static ssize_t wait_parked(struct leat_wait_loop *w)
{
	bool notified, ran;
	ssize_t r;

	do {
		r = sleep_notified(w, &notified);
		if (r == -EAGAIN)
			r = check_clock(w);
		if (r == -EAGAIN)
			r = run_producer_here(w, &ran);
	} while (r == -EAGAIN);
	if (notified && w->ops->forward != NULL)
		w->ops->forward(w); /* mutate */
	return r;
}

static ssize_t wait_by_policy(struct leat_wait_loop *w, bool ran)
{
	ssize_t r = -EAGAIN;

	if (w->policy == LEAT_WAIT_SPIN || w->policy == LEAT_WAIT_YIELD)
		return wait_without_sleep(w);
	if (w->policy == LEAT_WAIT_ADAPTIVE && !ran)
		r = yield_while_short(w);
	return r == -EAGAIN ? wait_parked(w) : r;
}

/* rlx: hints, see times.h */
static void note_what_for(const struct leat_wait_loop *w)
{
	struct leat_waits *waits = &w->times->waits;

	if (w->time == LEAT_TIME_PACED) {
		leat_store_rlx(&waits->paced_by, (uint32_t)w->waits_for);
		return;
	}
	leat_times_note_wait(w->waits_for, w->time == LEAT_TIME_BLOCKED);
	leat_store_rlx(&waits->waits_on, w->waits_for);
}

/* Notes the beginning of a wait, for what it waits for and for its thread. */
static void begin_wait_books(struct leat_wait_loop *w)
{
	int64_t now_ns;

	w->times = leat_times_current;
	if (w->ops->begin == NULL && w->times == NULL)
		return;
	now_ns = leat_now_ns();
	if (w->ops->begin != NULL)
		w->ops->begin(w, now_ns);
	if (w->times == NULL)
		return;
	note_what_for(w);
	w->outer = leat_times_switch(w->times, w->time, now_ns);
}

/* A cleanup: also runs when an exception leaves a step that ran here. */
static void end_wait_books(struct leat_wait_loop **in_books)
{
	struct leat_wait_loop *w = *in_books;
	int64_t now_ns;

	if (w == NULL || (w->ops->end == NULL && w->times == NULL))
		return;
	now_ns = leat_now_ns();
	if (w->ops->end != NULL)
		w->ops->end(w, now_ns);
	if (w->times != NULL)
		leat_times_switch(w->times, w->outer, now_ns);
}

ssize_t leat_wait_for(struct leat_wait_loop *w)
{
	struct leat_wait_loop *in_books __attribute__((cleanup(end_wait_books))) = NULL;
	bool ran = false;
	ssize_t r = check_clock(w);

	if (r == -EAGAIN)
		r = run_producer_here(w, &ran);
	if (r != -EAGAIN)
		return r;
	if (leat_must_not_wait > 0)
		return -EDEADLK;
	/* a spin is too short to be counted as a wait */
	if (w->policy == LEAT_WAIT_SPIN)
		r = spin_with_attempts(w, PAUSES);
	else if (w->policy == LEAT_WAIT_ADAPTIVE && !ran)
		r = spin_unless_in_vain(w);
	if (r == -EAGAIN)
		r = check_clock(w);
	if (r != -EAGAIN)
		return r;
	begin_wait_books(w);
	in_books = w;
	return wait_by_policy(w, ran);
}
