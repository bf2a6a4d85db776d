/*
 * The place where a compact generator's receiver waits: its word `waiter`, and the notifier.
 *
 * Edge K2. Invariant: no notifier touches a sleeper after its thread has left the wait, nor the
 * block after it is freed. The sleeper is on the stack of the thread that waits. If a notified
 * thread could leave at once, it could do so between the notifier's load of waiter and its store
 * into the sleeper:
 *
 *     notifier                          the receiver's thread
 *     loads waiter
 *                                       wakes for another reason, takes the item, returns
 *     stores into the sleeper: the stack is used for something else by now
 *
 * Therefore the notifier first swaps NOTIFYING into waiter and clears waiter as its last touch. A
 * thread that leaves swaps its sleeper for 0. If that fails, a notifier is at it: the thread waits
 * until waiter is clear.
 *
 *     waiter                       means
 *     0                            no thread waits, or the notifier has done with it
 *     sleeper                      a thread waits there, or a descriptor in an event loop
 *     sleeper | NOTIFYING          a notifier notifies it, and will clear the word
 *     ... | LEAVER_SLEEPS          and a thread sleeps on the word until then
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/event.h"
#include "runtime/gen/compact_block.h"

enum { NOTIFYING = 1, LEAVER_SLEEPS = 2, NOTIFYING_PAUSES = 64 };

bool leat_compact_notify_begin(struct compact *c)
{
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: the swap decides */

	/* K2: pairs with leat_compact_add_waiter(), outwait_notifier() */
	return waiter != 0 && !(waiter & NOTIFYING) &&
	       leat_cas_acqrel(&c->waiter, &waiter, waiter | NOTIFYING);
}

/* The half of waiter that has the marks; futex(2) compares 32 bits. */
static uint32_t *waiter_low_half(struct compact *c)
{
	return (uint32_t *)(void *)&c->waiter;
}

LEAT_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half is the first");

void leat_compact_notify_finish(struct compact *c)
{
	uint32_t *half = waiter_low_half(c), *word;
	uint64_t waiter =
		leat_load_rlx(&c->waiter); /* rlx: only LEAVER_SLEEPS may be added to it */

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
 * Waits until the notifier that is at work has cleared the word: with pauses first, then asleep, as
 * the notifier may need this core.
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

	/* rlx: success: no notifier has touched the sleeper, nor will; failure: K2 follows */
	if (leat_cas_rlx(&c->waiter, &waiter, 0))
		return false;
	outwait_notifier(c);
	return true;
}
