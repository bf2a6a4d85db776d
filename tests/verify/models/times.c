/*
 * Models of the record of a thread's time (runtime/event/times.h): a reader against the thread.
 *
 * The thread is busy and starved in turn, for five nanoseconds each.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/event/times.h"

enum { EACH_NS = 5, CHANGES = 4, BEGAN_NS = VERIFY_START_NS - CHANGES * EACH_NS };

static struct leat_times times;
static uint32_t changed; /* so many changes are over */

static void changes(void *arg)
{
	(void)arg;
	for (int i = 1; i <= CHANGES; i++) {
		leat_times_switch(&times, i % 2 == 1 ? LEAT_TIME_STARVED : LEAT_TIME_BUSY,
		                  BEGAN_NS + i * EACH_NS);
		leat_store_rel(&changed, (uint32_t)i);
	}
}

static uint64_t sum_of(const struct leat_spent *spent)
{
	uint64_t sum = 0;

	for (int i = 0; i < LEAT_TIMES; i++)
		sum += spent->ns[i];
	return sum;
}

/*
 * Reads at that time, and requires that no figure has fallen since `spent`, which it replaces, and
 * that the sum is the time: then, or of a later change or reading.
 */
static void read_again(struct leat_spent *spent, int64_t now_ns)
{
	struct leat_spent now;
	uint64_t sum, wanted = (uint64_t)(now_ns - BEGAN_NS);

	leat_times_read(&times, now_ns, &now);
	sum = sum_of(&now);
	verify_that(sum == wanted ||
	            (sum > wanted && (sum % EACH_NS == 0 || sum == sum_of(spent))));
	for (int i = 0; i < LEAT_TIMES; i++)
		verify_that(now.ns[i] >= spent->ns[i]);
	*spent = now;
}

MODEL(times_fit, .what = "a reading has the times of one state of the thread", .preemptions = 3,
      .stale = 3, .short_pauses = true)
{
	struct leat_spent spent = { .cpu_ns = 0 };
	uint64_t states;

	leat_times_init(&times, BEGAN_NS);
	verify_spawn(changes, NULL, "thread");
	for (int i = 0; i < 2; i++) {
		read_again(&spent, BEGAN_NS); /* no wait is under way then: each figure is exact */
		states = sum_of(&spent) / EACH_NS;
		verify_that(spent.ns[LEAT_TIME_BUSY] == (states + 1) / 2 * EACH_NS);
		verify_that(spent.ns[LEAT_TIME_STARVED] == states / 2 * EACH_NS);
	}
	verify_join();
	read_again(&spent, BEGAN_NS);
	verify_that(spent.ns[LEAT_TIME_BUSY] == CHANGES / 2 * EACH_NS);
	verify_that(spent.ns[LEAT_TIME_STARVED] == CHANGES / 2 * EACH_NS);
}

MODEL(times_never_fall, .what = "no figure falls, though a change comes late", .preemptions = 3,
      .stale = 3, .short_pauses = true)
{
	struct leat_spent spent = { .cpu_ns = 0 };

	leat_times_init(&times, BEGAN_NS);
	verify_spawn(changes, NULL, "thread");
	read_again(&spent, BEGAN_NS + EACH_NS + 2);
	read_again(&spent, BEGAN_NS + 3 * EACH_NS + 2);
	verify_join();
	read_again(&spent, VERIFY_START_NS + 1);
	verify_that(sum_of(&spent) == CHANGES * EACH_NS + 1);
}

MODEL(times_held_up, .what = "a wait counts as one while its thread is held up at its end",
      .preemptions = 3, .stale = 3, .short_pauses = true)
{
	enum { READ_NS = 2 * EACH_NS + 2 };
	struct leat_spent spent;
	uint64_t starved;
	uint32_t before;

	leat_times_init(&times, BEGAN_NS);
	verify_spawn(changes, NULL, "thread");
	before = leat_load_acq(&changed);
	leat_times_read(&times, BEGAN_NS + READ_NS, &spent);
	starved = spent.ns[LEAT_TIME_STARVED];
	/* after the first change it is starved for EACH_NS, whatever comes then */
	verify_that(before == 0 || starved >= EACH_NS);
	verify_that(before < 3 || starved == (before + 1) / 2 * EACH_NS ||
	            starved == before / 2 * EACH_NS);
	verify_join();
}

static void changes_and_leaves(void *arg)
{
	leat_times_enter(&times);
	changes(arg);
	leat_times_leave(&times, false);
}

MODEL(times_end, .what = "the figures of the end stay, whenever a reader comes", .preemptions = 2,
      .stale = 2, .short_pauses = true)
{
	struct leat_spent spent = { .cpu_ns = 0 };

	leat_times_init(&times, BEGAN_NS);
	verify_spawn(changes_and_leaves, NULL, "thread");
	read_again(&spent, BEGAN_NS + EACH_NS + 2);
	leat_times_read(&times, VERIFY_START_NS + 1, &spent);
	verify_join();
	{
		struct leat_spent end;

		leat_times_read(&times, VERIFY_START_NS + 2, &end);
		for (int i = 0; i < LEAT_TIMES; i++)
			verify_that(end.ns[i] >= spent.ns[i]);
		/* the end itself, or the last reading before it */
		verify_that(sum_of(&end) == CHANGES * EACH_NS || sum_of(&end) == sum_of(&spent));
		spent = end;
		leat_times_read(&times, VERIFY_START_NS + 9, &end);
		verify_that(sum_of(&end) == sum_of(&spent));
	}
}
