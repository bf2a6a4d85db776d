/*
 * runtime/chan/watch.h: a descriptor that tells another program's event loop of one side of a channel (leat/select.h).
 *
 * It is a waiter on the side's event whose sleeper raises a flag. It stands on the list only while it is armed, so
 * nobody who sends or receives pays anything for it otherwise. Its handle's thread arms and disarms.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_WATCH_H
#define LEAT_RUNTIME_CHAN_WATCH_H

#include "runtime/chan/side.h"

struct leat_watch {
	int flag;
	bool armed; /* since then it was not left; it may have been told */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	uint64_t moved; /* as moved_by(), when it was armed */
};

/* The side's, or NULL. */
struct leat_watch *leat_watch_of(struct leat_side *side);

/* The part of a disarm that is not nothing. */
void leat_watch_leave(struct leat_side *side, struct leat_watch *watch);

/* Before the side's thread waits in any other way. */
static inline void leat_watch_disarm(struct leat_side *side) /* mutate */
{
	struct leat_watch *watch = leat_watch_of(side);

	if (leat_unlikely(watch != NULL) && watch->armed)
		leat_watch_leave(side, watch);
}

/* With its side. */
void leat_watch_close(struct leat_side *side, struct leat_watch **watch);

#endif
