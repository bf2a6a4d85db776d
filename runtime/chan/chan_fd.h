/*
 * runtime/chan/chan_fd.h: a descriptor that tells another program's event loop of one side of a
 * channel (leat/select.h).
 *
 * It is a waiter on the side's event whose sleeper raises a flag. It stands on the list only while
 * it is armed, so nobody who sends or receives pays anything for it otherwise. Its handle's thread
 * arms and disarms.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_CHAN_FD_H
#define LEAT_RUNTIME_CHAN_CHAN_FD_H

#include "runtime/chan/waitable.h"

struct leat_chan_fd {
	int flag;
	bool armed; /* since then it was not left; it may have been told */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	uint64_t moved; /* leat_waitable_moved() when it was armed */
};

/* The side's, or NULL. */
struct leat_chan_fd *leat_chan_fd_of(struct leat_waitable *waitable);

/* The part of a disarm that is not nothing. */
void leat_chan_fd_remove_waiter(struct leat_waitable *waitable, struct leat_chan_fd *chan_fd);

/* Before the side's thread waits in any other way. */
static inline void leat_chan_fd_disarm(struct leat_waitable *waitable) /* mutate */
{
	struct leat_chan_fd *chan_fd = leat_chan_fd_of(waitable);

	if (leat_unlikely(chan_fd != NULL) && chan_fd->armed)
		leat_chan_fd_remove_waiter(waitable, chan_fd);
}

/* With its side. */
void leat_chan_fd_close(struct leat_waitable *waitable, struct leat_chan_fd **chan_fd);

/*
 * A flag for who waits on this handle in poll(2), not raised: it, or -errno. The handle's thread.
 */
int leat_wake_fd(int *wake_fd);
/* With what it belongs to. */
void leat_wake_fd_close(int *wake_fd);

#endif
