/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/os/os.h"

#include <leat/atomic.h>

void leat_spin_init(struct leat_spin *spin)
{
	leat_store_rlx(&spin->held, 0); /* rlx: no other thread knows it yet */
}

/* A thread that may have slept takes the lock with 2: other threads may sleep on it too. */
static __attribute__((noinline)) void spin_lock_slowly(struct leat_spin *spin)
{
	enum { PAUSES = 64 };
	uint32_t held = 1;

	for (unsigned i = 0; i < PAUSES; i++) {
		leat_pause();
		held = 0;
		if (leat_load_rlx(&spin->held) == 0 &&      /* rlx: the swap decides */
		    leat_cas_acqrel(&spin->held, &held, 1)) /* L1: pairs with leat_spin_unlock() */
			return;
	}
	for (;;) {
		held = leat_load_rlx(&spin->held);           /* rlx: the swap decides */
		if (!leat_cas_acqrel(&spin->held, &held, 2)) /* L1: pairs with leat_spin_unlock() */
			continue;
		if (held == 0)
			return;
		leat_os_futex_wait(&spin->held, 2, LEAT_NEVER);
	}
}

void leat_spin_lock(struct leat_spin *spin)
{
	uint32_t held = 0;

	if (!leat_cas_acqrel(&spin->held, &held, 1)) /* L1: pairs with leat_spin_unlock() */
		spin_lock_slowly(spin);
}

/*
 * The access that frees the lock is the last touch of it: the next holder may free its memory. The
 * wake-up after that uses the address alone.
 */
void leat_spin_unlock(struct leat_spin *spin)
{
	if (leat_sub_acqrel(&spin->held, 1) == 1) /* L1: pairs with leat_spin_lock() */
		return;
	leat_store_rel(&spin->held, 0); /* L1: pairs with leat_spin_lock() */
	leat_os_futex_wake(&spin->held, 1);
}
