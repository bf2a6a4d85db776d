/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/wheel.h"

#include <stddef.h>

enum { TICK_SHIFT = 14, SLOT_SHIFT = 6 };

/* The first tick that is not before this time. */
static uint64_t tick_not_before(int64_t ns)
{
	return ((uint64_t)ns + ((1u << TICK_SHIFT) - 1)) >> TICK_SHIFT;
}

void leat_wheel_init(struct leat_wheel *wheel, int64_t now_ns)
{
	wheel->now = (uint64_t)now_ns >> TICK_SHIFT;
	wheel->count = 0;
	for (int level = 0; level < LEAT_WHEEL_LEVELS; level++) {
		wheel->used[level] = 0;
		for (int slot = 0; slot < LEAT_WHEEL_SLOTS; slot++)
			wheel->slots[level][slot].next = wheel->slots[level][slot].prev =
				&wheel->slots[level][slot];
	}
}

/* The level of the highest digit, base 64, in which a tick differs from now. */
static int level_of_tick(const struct leat_wheel *wheel, uint64_t tick)
{
	uint64_t differ = (tick ^ wheel->now) | 1;
	int level = (63 - __builtin_clzll(differ)) / SLOT_SHIFT;

	return level < LEAT_WHEEL_LEVELS ? level : LEAT_WHEEL_LEVELS - 1;
}

/*
 * A tick so far away that its slot would be the present one, 146 years later, gets the farthest
 * slot that there is, and is moved on from there.
 */
static void insert_at_tick(struct leat_wheel *wheel, struct leat_job *job, uint64_t tick)
{
	enum { TOP_SHIFT = (LEAT_WHEEL_LEVELS - 1) * SLOT_SHIFT };
	const uint64_t farthest = ((wheel->now >> TOP_SHIFT) + LEAT_WHEEL_SLOTS - 1) << TOP_SHIFT;
	int level, slot;
	struct leat_link *ends;

	if (tick > farthest)
		tick = farthest;
	level = level_of_tick(wheel, tick);
	slot = (int)(tick >> (level * SLOT_SHIFT)) & (LEAT_WHEEL_SLOTS - 1);
	ends = &wheel->slots[level][slot];
	job->link.next = ends;
	job->link.prev = ends->prev;
	job->link.prev->next = ends->prev = &job->link;
	wheel->used[level] |= (uint64_t)1 << slot;
	wheel->count++;
}

void leat_wheel_add(struct leat_wheel *wheel, struct leat_job *job)
{
	uint64_t tick = tick_not_before(job->due_ns);

	/* jobs of the present tick have expired already */
	insert_at_tick(wheel, job, tick > wheel->now ? tick : wheel->now + 1);
}

void leat_wheel_remove(struct leat_wheel *wheel, struct leat_job *job)
{
	struct leat_link *next = job->link.next;

	leat_link_remove(&job->link);
	wheel->count--;
	if (next->next == next) { /* only a slot's own link is its own neighbour */
		ptrdiff_t at = next - &wheel->slots[0][0];

		wheel->used[at / LEAT_WHEEL_SLOTS] &= ~((uint64_t)1 << (at % LEAT_WHEEL_SLOTS));
	}
}

/*
 * The slot that comes next, of all levels, and the tick at which it begins. False if there is none.
 */
static bool find_next_slot(const struct leat_wheel *wheel, int *level, int *slot, uint64_t *tick)
{
	for (int l = 0; l < LEAT_WHEEL_LEVELS; l++) {
		int shift = l * SLOT_SHIFT,
		    here = (int)(wheel->now >> shift) & (LEAT_WHEEL_SLOTS - 1), ahead;
		uint64_t rotated;

		if (wheel->used[l] == 0)
			continue;
		rotated = here == 0 ? wheel->used[l]
		                    : wheel->used[l] >> here | wheel->used[l]
		                                                       << (LEAT_WHEEL_SLOTS - here);
		ahead = __builtin_ctzll(rotated);
		*level = l;
		*slot = (here + ahead) & (LEAT_WHEEL_SLOTS - 1);
		*tick = ((wheel->now >> shift) + (uint64_t)ahead) << shift;
		return true;
	}
	return false;
}

int64_t leat_wheel_next_ns(const struct leat_wheel *wheel)
{
	uint64_t tick;
	int level, slot;

	return find_next_slot(wheel, &level, &slot, &tick) ? (int64_t)(tick << TICK_SHIFT)
	                                                   : LEAT_NEVER;
}

/* A slot of a higher level begins now: spreads its jobs over the levels below. */
static void spread_slot(struct leat_wheel *wheel, int level, int slot)
{
	struct leat_link *ends = &wheel->slots[level][slot];

	while (ends->next != ends) {
		struct leat_job *job = leat_job_of(ends->next);
		uint64_t tick = tick_not_before(job->due_ns);

		leat_wheel_remove(wheel, job);
		insert_at_tick(wheel, job, tick > wheel->now ? tick : wheel->now);
	}
}

struct leat_job *leat_wheel_expire(struct leat_wheel *wheel, int64_t now_ns)
{
	uint64_t now = (uint64_t)now_ns >> TICK_SHIFT, tick;
	int level, slot;

	while (find_next_slot(wheel, &level, &slot, &tick) && tick <= now) {
		struct leat_job *job = leat_job_of(wheel->slots[level][slot].next);

		wheel->now = tick;
		if (level == 0) {
			leat_wheel_remove(wheel, job);
			return job;
		}
		spread_slot(wheel, level, slot);
	}
	if (now > wheel->now)
		wheel->now = now;
	return NULL;
}
