/*
 * runtime/scope/timer.h: one thread that fires deadlines. It exists as long as any timer is added.
 * due.h says what an add, a removal and a firing cost.
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
	/* called on the timer thread, with timer.c's lock held; must not add or remove a timer */
	void (*fire)(struct leat_timer *timer);
};

/* Returns 0, or -errno when no thread can be started. */
int leat_timer_add(struct leat_timer *timer);
/* Brings the deadline of an added timer nearer; fires it once more if it has fired. */
void leat_timer_advance(struct leat_timer *timer, int64_t due_ns);
/* The same, but a later deadline counts, too. */
void leat_timer_move(struct leat_timer *timer, int64_t due_ns);
/*
 * After it returns the timer is not firing and will not fire. Joins the timer thread if this was
 * the last timer.
 */
void leat_timer_remove(struct leat_timer *timer);

#endif
