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

#include "runtime/chan/chan.h"

struct leat_watch {
	int flag;
	bool armed; /* since then it was not left; it may have been told */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
};

/* The part of a disarm that is not nothing. */
void leat_watch_leave(struct leat_handle *h);

/* Before the handle's thread waits in any other way. */
static inline void leat_watch_disarm(struct leat_handle *h)
{
	if (leat_unlikely(h->watch != NULL) && h->watch->armed)
		leat_watch_leave(h);
}

void leat_watch_close(struct leat_handle *h);

#endif
