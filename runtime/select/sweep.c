/*
 * Sweeps: one attempt at each case of a select.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/chan/transfer.h"

#include <poll.h>

/*
 * The state of this thread's xorshift generator; 0 before the first use. It is random enough to be
 * fair, and no other thread touches it.
 */
static __thread uint64_t random_state;

/* Returns a random number below n. */
static uint32_t draw_below(uint32_t n)
{
	uint64_t x = random_state;

	if (x == 0)
		x = (uint64_t)(uintptr_t)&random_state * UINT64_C(0x9e3779b97f4a7c15) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	random_state = x;
	return (uint32_t)(((x >> 32) * n) >> 32);
}

int leat_select_poll_fds(struct leat_select_call *call, int flag, int64_t until_ns)
{
	for (size_t i = 0; i < call->n; i++)
		call->polled[i] = (struct pollfd){ .fd = -1 };
	for (size_t i = 0; i < call->live; i++) {
		size_t at = call->order[i];

		if (call->cases[at].kind == LEAT_CASE_POLLS)
			call->polled[at] =
				(struct pollfd){ call->cases[at].fd, call->cases[at].events, 0 };
	}
	call->polled[call->n] = (struct pollfd){ flag, POLLIN, 0 };
	return leat_os_poll(call->polled, call->n + 1, until_ns);
}

/* One attempt at a case. Returns 1, with the result in the case, or -EAGAIN. */
static inline int attempt_case(struct leat_select_call *call, size_t at)
{
	struct leat_case *c = &call->cases[at];
	struct leat_waitable *waitable = call->places[at].waitable;
	int r;

	if (waitable == NULL && c->kind != LEAT_CASE_POLLS) {
		r = c->kind == LEAT_CASE_CANCELS ? leat_scope_refusal(c->scope)
		                                 : leat_tx_refusal(c->tx);
		if (r == 0)
			return -EAGAIN;
		c->answer = r;
		return 1;
	}
	if (waitable == NULL) {
		if (call->polled[at].revents == 0)
			return -EAGAIN;
		c->revents = call->polled[at].revents;
		c->answer = 1;
		return 1;
	}
	r = leat_waitable_attempt(waitable, c->item);
	if (r == -EAGAIN)
		return -EAGAIN;
	c->answer = c->kind == LEAT_CASE_SENDS && r > 0 ? 0 : r;
	return 1;
}

/* A random order is drawn as the sweep goes: each step swaps one of the cases that are left. */
int leat_select_sweep(struct leat_select_call *call, bool poll_first)
{
	for (size_t i = 0; i < call->live; i++) {
		uint32_t *place = &call->order[i], at = *place;

		if (call->in_random_order && i + 1 < call->live) {
			uint32_t *other = place + draw_below((uint32_t)(call->live - i));

			*place = *other;
			*other = at;
			at = *place;
		}
		if (poll_first && call->cases[at].kind == LEAT_CASE_POLLS) {
			int rc = leat_select_poll_fds(call, -1, 0);

			if (rc < 0 && rc != -ETIMEDOUT)
				return rc;
			poll_first = false;
		}
		if (attempt_case(call, at) != -EAGAIN)
			return (int)at;
	}
	return -EAGAIN;
}

/*
 * Notes each waitable's position. Returns false if no other thread uses any of the waitables: then
 * positions do not matter.
 */
static bool record_positions(struct leat_select_call *call)
{
	bool any = false;

	for_each_waitable(i, call) {
		struct leat_select_place *place = leat_select_place_of(call, i);

		any |= leat_waitable_position(place->waitable, &place->position);
	}
	return any;
}

/*
 * Returns true if another thread has moved an item meanwhile, so that the last sweep may have
 * missed it, or if an attempt failed only because another thread's transfer is unfinished. The
 * caller waits for such transfers LEAT_PEER_PAUSES times at most, which *pauses counts.
 */
static bool must_sweep_again(struct leat_select_call *call, unsigned *pauses)
{
	bool behind = false;

	for_each_waitable(i, call) {
		struct leat_select_place *place = leat_select_place_of(call, i);
		uint64_t position;

		leat_waitable_position(place->waitable, &position);
		if (position != place->position)
			return true;
		behind |= leat_waitable_behind_peer(place->waitable);
	}
	if (!behind || (*pauses)++ == LEAT_PEER_PAUSES)
		return false;
	leat_pause();
	return true;
}

/*
 * Invariant: -EAGAIN says that at one moment no waitable had anything to do. One sweep alone cannot
 * say that:
 *
 *     this thread                         another thread
 *     attempts to receive from A: empty
 *                                         receives the item of B and sends it into A
 *     attempts to receive from B: empty
 *
 * There was an item all along. Therefore this reads the position of each waitable, sweeps, and
 * reads the positions again. If an attempt failed, and the position is still the same, no thread
 * has taken anything from that waitable since the first reading: it had nothing to do from then
 * until its attempt. If no other thread uses a waitable, only this thread can take something from
 * it, so the same is true. So at the moment between the first reading and the sweep no waitable had
 * anything to do. If a position has changed, all of that is done again.
 */
int leat_select_sweep_exactly(struct leat_select_call *call)
{
	unsigned pauses = 0;
	int r;

	do {
		if (!record_positions(call))
			return leat_select_sweep(call, true);
		r = leat_select_sweep(call, true);
	} while (r == -EAGAIN && must_sweep_again(call, &pauses));
	return r;
}
