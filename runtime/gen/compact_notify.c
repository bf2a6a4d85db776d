/*
 * The place where a compact generator's receiver waits, and how it is told.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/event.h"
#include "runtime/gen/compact_block.h"

/*
 * NOTIFYING: the sleeper is being told, and stays until the word is cleared. LEAVER_SLEEPS: a
 * thread sleeps on the word until then.
 */
enum { NOTIFYING = 1, LEAVER_SLEEPS = 2, NOTIFYING_PAUSES = 64 };

bool leat_compact_notify_begin(struct compact *c)
{
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: the swap decides */

	/* K2: pairs with leat_compact_add_waiter(), outwait_notifier() */
	return waiter != 0 && !(waiter & NOTIFYING) &&
	       leat_cas_acqrel(&c->waiter, &waiter, waiter | NOTIFYING);
}

/*
 * What futex(2) looks at of the word: the half with the marks, on machines with the low half first.
 */
static uint32_t *waiter_low_half(struct compact *c)
{
	return (uint32_t *)(void *)&c->waiter;
}

LEAT_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half is the first");

void leat_compact_notify_finish(struct compact *c)
{
	uint32_t *half = waiter_low_half(c), *word;
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: this thread's, but for LEAVER_SLEEPS */

	waiter &= ~(uint64_t)(NOTIFYING | LEAVER_SLEEPS);
	word = leat_sleeper_notify((struct leat_sleeper *)(uintptr_t)waiter);
	/* K2: pairs with outwait_notifier(); the last touch of the block */
	waiter = leat_and_acqrel(&c->waiter, 0);
	if (word != NULL)
		leat_os_futex_wake(word, 1);
	if (waiter & LEAVER_SLEEPS)
		leat_os_futex_wake(half, 1);
}

void leat_compact_notify(struct compact *c)
{
	if (leat_compact_notify_begin(c))
		leat_compact_notify_finish(c);
}

/*
 * Until the sleeper that stands there has been told: for a while awake, then asleep, as the teller
 * may want this core.
 */
static void outwait_notifier(struct compact *c)
{
	uint64_t now;

	/* K2: pairs with leat_compact_notify_finish() */
	for (unsigned i = 0; (now = leat_load_acq(&c->waiter)) & NOTIFYING; i++)
		if (i < NOTIFYING_PAUSES)
			leat_pause();
		/* rlx: the load above orders what follows */
		else if (leat_cas_rlx(&c->waiter, &now, now | LEAVER_SLEEPS))
			leat_os_futex_wait(waiter_low_half(c), (uint32_t)now | LEAVER_SLEEPS,
			                   LEAT_NEVER);
}

bool leat_compact_add_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t me = (uint64_t)(uintptr_t)sleeper, other = 0;

	/* K2: pairs with leat_compact_notify_begin() */
	while (!leat_cas_acqrel(&c->waiter, &other, me))
		if (other & NOTIFYING) {
			outwait_notifier(c);
			other = 0;
		}
	return leat_sleeper_fence(sleeper, c->arena->fenced);
}

bool leat_compact_remove_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t waiter = (uint64_t)(uintptr_t)sleeper;

	/* rlx: nobody touched it, nor will; who was told looks again */
	if (leat_cas_rlx(&c->waiter, &waiter, 0))
		return false;
	outwait_notifier(c);
	return true;
}
