/*
 * runtime/scope/timer.h: one thread that fires deadlines. It exists while any timer is added, and
 * not longer. What an add, a removal and a firing cost is said in due.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_TIMER_H
#define LEAT_RUNTIME_SCOPE_TIMER_H

#include "runtime/os/os.h"
#include "runtime/scope/due.h"

struct leat_timer {
	struct leat_due due; /* first; due_ns is the deadline */
	bool waiting;
	/* on the timer thread; must not add or remove a timer */
	void (*fire)(struct leat_timer *timer);
};

/* 0, or -errno when there is no thread to be had. */
int leat_timer_add(struct leat_timer *timer);
/*
 * After this the timer does not fire and is not firing. Waits for the thread when this was the last
 * timer.
 */
void leat_timer_remove(struct leat_timer *timer);

#endif
