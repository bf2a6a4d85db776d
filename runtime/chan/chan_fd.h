/*
 * runtime/chan/chan_fd.h: the descriptors of a handle (chan_fd.c). One is for event loops of
 * programs (leat_rx_fd() in leat/chan.h); the other, the wake fd, is for the library's own waits in
 * poll(2).
 *
 * The first is a waiter on the event of its side, and its sleeper raises a flag. It is on the
 * event's list only while it is armed, so otherwise it costs senders and receivers nothing. The
 * handle's thread arms and disarms it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_CHAN_FD_H
#define LEAT_RUNTIME_CHAN_CHAN_FD_H

#include "runtime/chan/waitable.h"

struct leat_chan_fd {
	int flag;
	bool armed; /* on the list since it was armed, or notified since */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	uint64_t moved; /* leat_waitable_moved() when it was armed */
};

/* The descriptor for programs that this waitable has, or NULL. */
struct leat_chan_fd *leat_chan_fd_of(struct leat_waitable *waitable);

/* Disarms one that is armed, and forwards a notification that it was given. */
void leat_chan_fd_remove_waiter(struct leat_waitable *waitable, struct leat_chan_fd *chan_fd);

/* Called before the handle's thread waits in any other way, which is notified instead. */
static inline void leat_chan_fd_disarm(struct leat_waitable *waitable) /* mutate */
{
	struct leat_chan_fd *chan_fd = leat_chan_fd_of(waitable);

	if (leat_unlikely(chan_fd != NULL) && chan_fd->armed)
		leat_chan_fd_remove_waiter(waitable, chan_fd);
}

static inline bool leat_chan_fd_is_armed(struct leat_waitable *waitable)
{
	const struct leat_chan_fd *chan_fd = leat_chan_fd_of(waitable);

	return chan_fd != NULL && chan_fd->armed;
}

/*
 * Arms one that was disarmed for a moment, for a program that goes on waiting for it. Raises it if
 * there is something to do now.
 */
void leat_chan_fd_arm_again(struct leat_waitable *waitable);

/* Called by the handle's close. */
void leat_chan_fd_close(struct leat_waitable *waitable, struct leat_chan_fd **chan_fd);

/*
 * The wake fd: a flag, not raised, that wakes a wait of the handle's thread in poll(2). Made by the
 * first call. Returns it, or -errno.
 */
int leat_wake_fd(int *wake_fd);
/* Called by the handle's close. */
void leat_wake_fd_close(int *wake_fd);

#endif
