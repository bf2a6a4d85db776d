/*
 * tests/fuzz/turns.h: a simple model of what a ring with turns promises, without turns, laps or
 * positions: slots, each in one of five states, and two counts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_FUZZ_TURNS_H
#define LEAT_TEST_FUZZ_TURNS_H

#include "tests/fuzz/fuzz.h"

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_FULL, SLOT_SKIPPED, SLOT_TAKEN };

struct slot {
	enum slot_state state;
	uint64_t number; /* of the item */
};

/* tail and head count slots claimed and slots taken; item number 0 has slot `first`. */
struct turns {
	size_t capacity, first;
	/* the first slot follows the last; neighbours in memory are not modelled here */
	bool endless;
	uint64_t tail, head;
	struct slot slots[FUZZ_CAPACITY_MAX];
};

struct turns_claim {
	uint64_t at;
	size_t n;
};

static FUZZ_UNUSED size_t turns_index(const struct turns *t, uint64_t at)
{
	return (size_t)((t->first + at) % t->capacity);
}

static FUZZ_UNUSED struct slot *turns_slot(struct turns *t, uint64_t at)
{
	return &t->slots[turns_index(t, at)];
}

static FUZZ_UNUSED void turns_set(struct turns *t, uint64_t at, size_t n, enum slot_state state)
{
	for (size_t i = 0; i < n; i++)
		turns_slot(t, at + i)->state = state;
}

/*
 * Returns how many slots from `at` on are in this state, up to `most`. Stops at the last slot,
 * unless the first slot follows it.
 */
static FUZZ_UNUSED size_t turns_run(struct turns *t, uint64_t at, size_t most,
                                    enum slot_state state)
{
	size_t end = t->endless ? t->capacity : t->capacity - turns_index(t, at), n = 0;

	while (n < most && n < end && turns_slot(t, at + n)->state == state)
		n++;
	return n;
}

static FUZZ_UNUSED size_t turns_claim(struct turns *t, size_t want, struct turns_claim *claim)
{
	*claim = (struct turns_claim){ t->tail, turns_run(t, t->tail, want, SLOT_FREE) };
	turns_set(t, claim->at, claim->n, SLOT_CLAIMED);
	t->tail += claim->n;
	return claim->n;
}

/* Publishes the first n slots. Returns how many are left as skipped. */
static FUZZ_UNUSED size_t turns_commit(struct turns *t, const struct turns_claim *claim, size_t n)
{
	bool last = t->tail == claim->at + claim->n;

	turns_set(t, claim->at, n, SLOT_FULL);
	turns_set(t, claim->at + n, claim->n - n, last ? SLOT_FREE : SLOT_SKIPPED);
	if (last)
		t->tail = claim->at + n;
	return last ? 0 : claim->n - n;
}

static FUZZ_UNUSED size_t turns_take(struct turns *t, size_t want, struct turns_claim *claim)
{
	*claim = (struct turns_claim){ t->head, turns_run(t, t->head, want, SLOT_FULL) };
	turns_set(t, claim->at, claim->n, SLOT_TAKEN);
	t->head += claim->n;
	return claim->n;
}

/* Puts back all items but the first n. */
static FUZZ_UNUSED bool turns_untake(struct turns *t, const struct turns_claim *claim, size_t n)
{
	if (t->head != claim->at + claim->n)
		return false;
	turns_set(t, claim->at + n, claim->n - n, SLOT_FULL);
	t->head = claim->at + n;
	return true;
}

static FUZZ_UNUSED void turns_free(struct turns *t, const struct turns_claim *claim)
{
	turns_set(t, claim->at, claim->n, SLOT_FREE);
}

/* Frees the skipped slots at the front. Returns how many. */
static FUZZ_UNUSED size_t turns_skip(struct turns *t)
{
	size_t n = 0;

	for (; n < t->capacity && turns_slot(t, t->head)->state == SLOT_SKIPPED; n++)
		turns_slot(t, t->head++)->state = SLOT_FREE;
	return n;
}

/* Claims the oldest slot of a full ring, if it is in this state. */
static FUZZ_UNUSED size_t turns_take_oldest(struct turns *t, struct turns_claim *claim,
                                            enum slot_state state)
{
	*claim = (struct turns_claim){ t->head, 0 };
	if (t->tail - t->head != t->capacity || turns_slot(t, t->head)->state != state)
		return 0;
	turns_slot(t, t->head++)->state = SLOT_TAKEN;
	return claim->n = 1;
}

#endif
