/*
 * Models of the lock for a few instructions (runtime/os/spin.c). The exploring scheduler has a
 * mutex of its own in the lock's place, for all other models; here it is the lock itself, under
 * other names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/os/os.h"

#define leat_spin_init its_init
#define leat_spin_lock its_lock
#define leat_spin_unlock its_unlock
#include "runtime/os/spin.c"

static struct leat_spin *lock;
static unsigned inside, entries; /* plain memory, written under the lock */

static void enter(void *arg)
{
	for (uintptr_t n = (uintptr_t)arg; n > 0; n--) {
		its_lock(lock);
		verify_that(inside++ == 0);
		entries++;
		leat_pause(); /* the others come */
		inside--;
		its_unlock(lock);
	}
}

static void take_turns(unsigned others, uintptr_t each)
{
	lock = leat_os_alloc(sizeof(*lock), 0);
	its_init(lock);
	for (unsigned i = 0; i < others; i++)
		verify_spawn(enter, (void *)each, "other");
	enter((void *)each);
	verify_join();
	verify_that(entries == (others + 1) * each);
	leat_os_free(lock);
}

MODEL(event_lock_two,
      .what = "two threads and a lock, twice each: one at a time, and none sleeps for ever",
      .preemptions = 2, .stale = 2)
{
	take_turns(1, 2);
}

MODEL(event_lock_three, .what = "three threads and a lock", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	take_turns(2, 1);
}

MODEL(event_lock_spurious, .what = "the same, and sleeps that end for no reason", .preemptions = 1,
      .stale = 1, .spurious = 2)
{
	take_turns(2, 1);
}

/*
 * The one that comes last frees what the lock stands in, while the other may not have returned from
 * its unlock.
 */
static unsigned held_by;

static void let_go(void *arg)
{
	bool last;

	(void)arg;
	its_lock(lock);
	last = --held_by == 0;
	its_unlock(lock);
	if (last)
		leat_os_free(lock);
}

MODEL(event_lock_freed_by_next, .what = "the last touch of a lock is what makes it free",
      .preemptions = 3, .stale = 2)
{
	lock = leat_os_alloc(sizeof(*lock), 0);
	its_init(lock);
	held_by = 2;
	verify_spawn(let_go, NULL, "other");
	let_go(NULL);
	verify_join();
}
