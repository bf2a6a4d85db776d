/*
 * Circuit breakers.
 *
 * The state changes in the calls alone, with the lock held: a call first brings it up to date with
 * the clock. Each change of the state begins a new era. A ticket has the era in which it was given,
 * so a leave of an earlier one is known by it; in a half-open breaker also the place of its probe.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/os/os.h"

#include <leat/pace.h>

enum { PLACE_BITS = 16, FAILURES = 5, PROBES = 1, PROBES_MOST = (1 << PLACE_BITS) - 1 };
#define WINDOW_NS INT64_C(10000000000)
#define OPEN_NS INT64_C(1000000000)

struct leat_breaker {
	uint32_t failures, probes;
	int64_t window_ns, open_ns;
	struct leat_mutex lock; /* guards the rest */
	enum leat_breaker_state state;
	uint64_t era;
	int64_t opened_ns; /* OPEN: since when */
	/* CLOSED: the times of the latest failures, a ring; the failed_at-th is the oldest */
	int64_t *failed_ns;
	uint32_t failed, failed_at; /* failed: how many there are, `failures` at most */
	/* HALF_OPEN: when the probe of each place went; FREE: none is out */
	int64_t *probe_ns;
};
#define PROBE_FREE INT64_MIN

static void change_state(struct leat_breaker *breaker, enum leat_breaker_state state, int64_t at_ns)
{
	breaker->state = state;
	breaker->era++;
	breaker->opened_ns = at_ns;
	breaker->failed = breaker->failed_at = 0;
	for (uint32_t i = 0; i < breaker->probes; i++)
		breaker->probe_ns[i] = PROBE_FREE;
}

/* Returns when the probe that went first went, or LEAT_NEVER. */
static int64_t find_oldest_probe(const struct leat_breaker *breaker)
{
	int64_t oldest_ns = LEAT_NEVER;

	for (uint32_t i = 0; i < breaker->probes; i++)
		if (breaker->probe_ns[i] != PROBE_FREE && breaker->probe_ns[i] < oldest_ns)
			oldest_ns = breaker->probe_ns[i];
	return oldest_ns;
}

/* Whether so much time has passed. Times are never negative, so the difference has no overflow. */
static bool has_elapsed(int64_t since_ns, int64_t length_ns, int64_t now_ns)
{
	return since_ns <= now_ns && now_ns - since_ns >= length_ns;
}

/* A probe that has not come back has failed when its time was over. */
static void update_state(struct leat_breaker *breaker, int64_t now_ns)
{
	int64_t oldest_ns = find_oldest_probe(breaker);

	if (breaker->state == LEAT_BREAKER_HALF_OPEN &&
	    has_elapsed(oldest_ns, breaker->open_ns, now_ns))
		change_state(breaker, LEAT_BREAKER_OPEN, oldest_ns + breaker->open_ns);
	if (breaker->state == LEAT_BREAKER_OPEN &&
	    has_elapsed(breaker->opened_ns, breaker->open_ns, now_ns))
		change_state(breaker, LEAT_BREAKER_HALF_OPEN, now_ns);
}

/* Returns a free place for a probe, or `probes`. */
static uint32_t find_free_place(const struct leat_breaker *breaker)
{
	uint32_t place = 0;

	while (place < breaker->probes && breaker->probe_ns[place] != PROBE_FREE)
		place++;
	return place;
}

static int admit_call(struct leat_breaker *breaker, uint64_t *ticket, int64_t now_ns)
{
	uint32_t place = 0;

	if (breaker->state == LEAT_BREAKER_OPEN)
		return -EBUSY;
	if (breaker->state == LEAT_BREAKER_HALF_OPEN) {
		place = find_free_place(breaker);
		if (place == breaker->probes)
			return -EBUSY;
		breaker->probe_ns[place] = now_ns;
	}
	*ticket = breaker->era << PLACE_BITS | place;
	return 0;
}

int leat_breaker_enter(struct leat_breaker *breaker, uint64_t *ticket)
{
	int64_t now_ns;
	int rc;

	if (breaker == NULL || ticket == NULL)
		return -EINVAL;
	leat_mutex_lock(&breaker->lock);
	now_ns = leat_now_ns();
	update_state(breaker, now_ns);
	rc = admit_call(breaker, ticket, now_ns);
	leat_mutex_unlock(&breaker->lock);
	return rc;
}

/* Opens if the oldest of the last `failures` failures is younger than the window. */
static void note_failure(struct leat_breaker *breaker, int64_t now_ns)
{
	uint32_t at = (breaker->failed_at + breaker->failed) % breaker->failures;

	breaker->failed_ns[at] = now_ns;
	if (breaker->failed < breaker->failures)
		breaker->failed++;
	else
		breaker->failed_at = (breaker->failed_at + 1) % breaker->failures;
	if (breaker->failed == breaker->failures &&
	    !has_elapsed(breaker->failed_ns[breaker->failed_at], breaker->window_ns, now_ns))
		change_state(breaker, LEAT_BREAKER_OPEN, now_ns);
}

static void note_result(struct leat_breaker *breaker, uint32_t place, int rc, int64_t now_ns)
{
	bool neither = rc == -ECANCELED || rc == -EPIPE || rc == -ESHUTDOWN;

	if (breaker->state == LEAT_BREAKER_CLOSED) {
		if (rc < 0 && !neither)
			note_failure(breaker, now_ns);
		return;
	}
	if (breaker->state != LEAT_BREAKER_HALF_OPEN || place >= breaker->probes)
		return;
	breaker->probe_ns[place] = PROBE_FREE;
	if (!neither)
		change_state(breaker, rc < 0 ? LEAT_BREAKER_OPEN : LEAT_BREAKER_CLOSED, now_ns);
}

void leat_breaker_leave(struct leat_breaker *breaker, uint64_t ticket, int rc)
{
	int64_t now_ns;

	if (breaker == NULL)
		return;
	leat_mutex_lock(&breaker->lock);
	now_ns = leat_now_ns();
	update_state(breaker, now_ns);
	if (ticket >> PLACE_BITS == breaker->era)
		note_result(breaker, (uint32_t)(ticket & PROBES_MOST), rc, now_ns);
	leat_mutex_unlock(&breaker->lock);
}

enum leat_breaker_state leat_breaker_now(struct leat_breaker *breaker)
{
	enum leat_breaker_state state;

	if (breaker == NULL)
		return LEAT_BREAKER_OPEN;
	leat_mutex_lock(&breaker->lock);
	update_state(breaker, leat_now_ns());
	state = breaker->state;
	leat_mutex_unlock(&breaker->lock);
	return state;
}

static bool is_valid(const struct leat_breaker_opts *opts)
{
	return opts->probes <= PROBES_MOST && opts->window_ns >= 0 && opts->open_ns >= 0 &&
	       leat_words_unused(opts->reserved,
	                         sizeof(opts->reserved) / sizeof(opts->reserved[0]));
}

struct leat_breaker *leat_detail_breaker_new(unsigned abi, const struct leat_breaker_opts *opts)
{
	static const struct leat_breaker_opts defaults;
	struct leat_breaker *breaker;

	if (abi != leat_detail_abi(*opts))
		return leat_open_failed(-ELIBBAD);
	if (opts == NULL)
		opts = &defaults;
	if (!is_valid(opts))
		return leat_open_failed(-EINVAL);
	breaker = leat_os_alloc(sizeof(*breaker), 0);
	if (breaker == NULL)
		return leat_open_failed(-ENOMEM);
	breaker->failures = opts->failures > 0 ? opts->failures : FAILURES;
	breaker->probes = opts->probes > 0 ? opts->probes : PROBES;
	breaker->window_ns = opts->window_ns > 0 ? opts->window_ns : WINDOW_NS;
	breaker->open_ns = opts->open_ns > 0 ? opts->open_ns : OPEN_NS;
	leat_mutex_init(&breaker->lock);
	breaker->failed_ns = leat_os_alloc(breaker->failures * sizeof(int64_t), 0);
	breaker->probe_ns = leat_os_alloc(breaker->probes * sizeof(int64_t), 0);
	if (breaker->failed_ns == NULL || breaker->probe_ns == NULL) {
		leat_breaker_free(breaker);
		return leat_open_failed(-ENOMEM);
	}
	change_state(breaker, LEAT_BREAKER_CLOSED, 0);
	return breaker;
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
struct leat_breaker *(leat_breaker_new)(const struct leat_breaker_opts *opts)
{
	return leat_breaker_new(opts);
}

void leat_breaker_free(struct leat_breaker *breaker)
{
	if (breaker == NULL)
		return;
	leat_os_free(breaker->failed_ns);
	leat_os_free(breaker->probe_ns);
	leat_os_free(breaker);
}
