/*
 * runtime/scope/timer.h: one thread that fires deadlines. It exists while any timer is added, and not longer. An add takes constant
 * time, a removal or a firing on average that of a logarithm, in whatever order the deadlines come and go.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_TIMER_H
#define LEAT_RUNTIME_SCOPE_TIMER_H

#include "runtime/os/os.h"

struct leat_timer {
	/* In a heap: the first child; the sibling before, or the parent of a first child; the sibling behind. */
	struct leat_timer *child, *prev, *next;
	bool waiting;
	int64_t deadline_ns;
	void (*fire)(struct leat_timer *timer); /* on the timer thread; must not add or remove a timer */
};

/* 0, or -errno when there is no thread to be had. */
int leat_timer_add(struct leat_timer *timer);
/* After this the timer does not fire and is not firing. Waits for the thread when this was the last timer. */
void leat_timer_remove(struct leat_timer *timer);

#endif
