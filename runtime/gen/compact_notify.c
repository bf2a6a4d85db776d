/*
 * The place where a compact generator's receiver waits, and how it is told.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/event.h"
#include "runtime/gen/compact_block.h"

/*
 * TELLING: the sleeper is being told, and stays until the word is cleared. OUTWAITED: a thread
 * sleeps on the word until then.
 */
enum { TELLING = 1, OUTWAITED = 2, TELLING_PAUSES = 64 };

bool leat_compact_notify_begin(struct compact *c)
{
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: the swap decides */

	/* K2: pairs with leat_compact_add_waiter(), outwait_telling() */
	return waiter != 0 && !(waiter & TELLING) &&
	       leat_cas_acqrel(&c->waiter, &waiter, waiter | TELLING);
}

/*
 * What futex(2) looks at of the word: the half with the marks, on machines with the low half first.
 */
static uint32_t *low_half(struct compact *c)
{
	return (uint32_t *)(void *)&c->waiter;
}

LEAT_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half is the first");

void leat_compact_notify_finish(struct compact *c)
{
	uint32_t *half = low_half(c), *word;
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: this thread's, but for OUTWAITED */

	word = leat_sleeper_notify(
		(struct leat_sleeper *)(uintptr_t)(waiter & ~(uint64_t)(TELLING | OUTWAITED)));
	/* K2: pairs with outwait_telling(); the last touch of the block */
	waiter = leat_and_acqrel(&c->waiter, 0);
	if (word != NULL)
		leat_os_futex_wake(word, 1);
	if (waiter & OUTWAITED)
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
static void outwait_telling(struct compact *c)
{
	uint64_t now;

	/* K2: pairs with leat_compact_notify_finish() */
	for (unsigned i = 0; (now = leat_load_acq(&c->waiter)) & TELLING; i++)
		if (i < TELLING_PAUSES)
			leat_pause();
		/* rlx: the load above orders what follows */
		else if (leat_cas_rlx(&c->waiter, &now, now | OUTWAITED))
			leat_os_futex_wait(low_half(c), (uint32_t)now | OUTWAITED, LEAT_NEVER);
}

bool leat_compact_add_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t me = (uint64_t)(uintptr_t)sleeper, other = 0;

	/* K2: pairs with leat_compact_notify_begin() */
	while (!leat_cas_acqrel(&c->waiter, &other, me))
		if (other & TELLING) {
			outwait_telling(c);
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
	outwait_telling(c);
	return true;
}
