/*
 * One attempt at each case of a select.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/chan/transfer.h"

#include <poll.h>

/*
 * The state of this thread's xorshift; 0 before the first use. Good enough to be fair, and its own,
 * so shared with nobody.
 */
static __thread uint64_t chance;

static uint32_t below(uint32_t n)
{
	uint64_t x = chance;

	if (x == 0)
		x = (uint64_t)(uintptr_t)&chance * UINT64_C(0x9e3779b97f4a7c15) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	chance = x;
	return (uint32_t)(((x >> 32) * n) >> 32);
}

/* Looks at the descriptors, and at the flag for being woken, if there is one. As leat_os_poll(). */
int leat_select_poll(struct choice *choice, int flag, int64_t until_ns)
{
	for (size_t i = 0; i < choice->n; i++)
		choice->polled[i] = (struct pollfd){ .fd = -1 };
	for (size_t i = 0; i < choice->live; i++) {
		size_t at = choice->order[i];

		if (choice->places[at].side == NULL)
			choice->polled[at] = (struct pollfd){ choice->cases[at].fd,
				                              choice->cases[at].events, 0 };
	}
	choice->polled[choice->n] = (struct pollfd){ flag, POLLIN, 0 };
	return leat_os_poll(choice->polled, choice->n + 1, until_ns);
}

/* One attempt at a case: 1 done, or -EAGAIN. */
static inline int attempt(struct choice *choice, size_t at)
{
	struct leat_case *c = &choice->cases[at];
	struct leat_waitable *side = choice->places[at].side;
	int r;

	if (side == NULL) {
		if (choice->polled[at].revents == 0)
			return -EAGAIN;
		c->revents = choice->polled[at].revents;
		c->answer = 1;
		return 1;
	}
	r = leat_waitable_attempt(side, c->item);
	if (r == -EAGAIN)
		return -EAGAIN;
	c->answer = c->kind == LEAT_CASE_SENDS && r > 0 ? 0 : r;
	return 1;
}

/*
 * One attempt at each, in an order that is drawn while it goes: which case is done, -EAGAIN, or
 * what poll(2) fails with. Descriptors are looked at once, when the first of them comes up; or not
 * at all, where what was seen last still holds.
 */
int leat_select_sweep(struct choice *choice, bool look)
{
	for (size_t i = 0; i < choice->live; i++) {
		uint32_t *place = &choice->order[i], at = *place;

		if (choice->by_chance && i + 1 < choice->live) {
			uint32_t *other = place + below((uint32_t)(choice->live - i));

			*place = *other;
			*other = at;
			at = *place;
		}
		if (look && choice->places[at].side == NULL) {
			int rc = leat_select_poll(choice, -1, 0);

			if (rc < 0 && rc != -ETIMEDOUT)
				return rc;
			look = false;
		}
		if (attempt(choice, at) != -EAGAIN)
			return (int)at;
	}
	return -EAGAIN;
}

/* Where the others of each side have come to. False where none of the sides has any. */
static bool note_positions(struct choice *choice)
{
	bool any = false;

	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);

		any |= leat_waitable_position(place->side, &place->position);
	}
	return any;
}

/*
 * Whether what the last sweep found was never true of all sides at once, or will not be in a
 * moment: *pauses counts those.
 */
static bool sweep_again(struct choice *choice, unsigned *pauses)
{
	bool behind = false;

	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);
		uint64_t position;

		leat_waitable_position(place->side, &position);
		if (position != place->position)
			return true;
		behind |= leat_waitable_behind_peer(place->side);
	}
	if (!behind || (*pauses)++ == LEAT_PEER_PAUSES)
		return false;
	leat_pause();
	return true;
}

/*
 * The last sweep of one that waits no longer. Other threads may have moved what was there from a
 * side that was looked at later to one that was looked at before, so that there was something all
 * along. A side's position and the attempt after it say that it had nothing since that position was
 * read, if it is still the same afterwards; a side without others cannot lose what it had. So at
 * the moment between the two passes no side had anything.
 */
int leat_select_sweep_exactly(struct choice *choice)
{
	unsigned pauses = 0;
	int r;

	do {
		if (!note_positions(choice))
			return leat_select_sweep(choice, true);
		r = leat_select_sweep(choice, true);
	} while (r == -EAGAIN && sweep_again(choice, &pauses));
	return r;
}
