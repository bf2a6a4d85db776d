/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/rx_ops.h"

#include <leat/chan.h>

static void raise_flag(struct leat_sleeper *sleeper)
{
	leat_os_flag_raise(sleeper->fd);
}

/*
 * Where the side keeps its watch; NULL where it has no place for one, and none is to be made or
 * there is no memory.
 */
static struct leat_chan_fd **place_of(struct leat_waitable *side, bool make)
{
	struct leat_rx_waits *waits = leat_waitable_waits(side, make);

	return waits == NULL ? NULL : &waits->watch;
}

struct leat_chan_fd *leat_chan_fd_of(struct leat_waitable *side)
{
	struct leat_chan_fd **place = place_of(side, false);

	return place == NULL ? NULL : *place;
}

static int watch_open(struct leat_waitable *side)
{
	struct leat_chan_fd **place = place_of(side, true), *watch;

	if (place == NULL)
		return -ENOMEM;
	watch = leat_os_alloc(sizeof(*watch), 0);
	if (watch == NULL)
		return -ENOMEM;
	watch->flag = leat_os_flag_open();
	if (watch->flag < 0) {
		int rc = watch->flag;

		leat_os_free(watch);
		return rc;
	}
	watch->sleeper = (struct leat_sleeper){ .fd = watch->flag, .wake = raise_flag };
	watch->waiter.sleeper = &watch->sleeper;
	*place = watch;
	return watch->flag;
}

/*
 * The news that came while it was armed goes on to whoever sleeps: this side's thread may not look.
 */
void leat_chan_fd_remove_waiter(struct leat_waitable *side, struct leat_chan_fd *watch)
{
	bool told = leat_waitable_remove_waiter(side, &watch->waiter);

	watch->armed = false;
	if (!told)
		return;
	watch->waiter.lost++; /* unless the side's thread has found something: see arm() */
	leat_os_flag_clear(watch->flag);
	leat_waitable_forward_notify(side);
}

void leat_chan_fd_close(struct leat_waitable *side, struct leat_chan_fd **place)
{
	struct leat_chan_fd *watch = *place;

	if (watch == NULL)
		return;
	if (watch->armed)
		leat_chan_fd_remove_waiter(side, watch);
	leat_os_flag_close(watch->flag);
	leat_os_free(watch);
	*place = NULL;
}

/*
 * Always off the list and on again: what it was told of may have been taken since, and a flag that
 * is raised for that would wake the loop for nothing, each time.
 */
static int arm(struct leat_waitable *side, struct leat_chan_fd *watch)
{
	bool heavy;

	leat_chan_fd_disarm(side);
	if (leat_waitable_ready(side))
		return 1;
	if (leat_waitable_moved(side) != watch->moved)
		watch->waiter.lost = 0;
	watch->moved = leat_waitable_moved(side);
	heavy = leat_waitable_add_waiter(side, &watch->waiter);
	watch->armed = true;
	leat_event_fence(heavy);
	if (!leat_waitable_ready(side))
		return 0;
	leat_chan_fd_remove_waiter(side, watch);
	return 1;
}

/* 0, -EINVAL, -EBUSY; stops the program if the handle is closed. */
static int check(struct leat_waitable *side, const char *call)
{
	static const char anything;

	if (side == NULL || leat_waitable_item_size(side) == 0)
		return -EINVAL;
	return leat_waitable_check(side, &anything, 0, call);
}

static int fd_of(struct leat_waitable *side, const char *call)
{
	int rc = check(side, call);

	if (rc < 0 && rc != -EBUSY)
		return rc;
	return leat_chan_fd_of(side) != NULL ? leat_chan_fd_of(side)->flag : watch_open(side);
}

static int arm_checked(struct leat_waitable *side, const char *call)
{
	int rc = check(side, call);

	if (rc == -EINVAL || leat_chan_fd_of(side) == NULL)
		return -EINVAL;
	return rc < 0 ? rc : arm(side, leat_chan_fd_of(side));
}

static int disarm_checked(struct leat_waitable *side, const char *call)
{
	int rc = check(side, call);

	if (rc == -EINVAL)
		return rc;
	leat_chan_fd_disarm(side);
	return 0;
}

int leat_rx_fd(struct leat_rx *rx)
{
	return fd_of(leat_waitable_of_rx(rx), "leat_rx_fd");
}

int leat_rx_arm(struct leat_rx *rx)
{
	return arm_checked(leat_waitable_of_rx(rx), "leat_rx_arm");
}

int leat_rx_disarm(struct leat_rx *rx)
{
	return disarm_checked(leat_waitable_of_rx(rx), "leat_rx_disarm");
}

int leat_tx_fd(struct leat_tx *tx)
{
	return fd_of(leat_waitable_of_tx(tx), "leat_tx_fd");
}

int leat_tx_arm(struct leat_tx *tx)
{
	return arm_checked(leat_waitable_of_tx(tx), "leat_tx_arm");
}

int leat_tx_disarm(struct leat_tx *tx)
{
	return disarm_checked(leat_waitable_of_tx(tx), "leat_tx_disarm");
}

int leat_wake_fd(int *wake_fd)
{
	int flag;

	if (*wake_fd >= 0) {
		leat_os_flag_clear(*wake_fd); /* what a wait before has left in it */
		return *wake_fd;
	}
	flag = leat_os_flag_open();
	if (flag >= 0)
		*wake_fd = flag;
	return flag;
}

void leat_wake_fd_close(int *wake_fd)
{
	if (*wake_fd >= 0)
		leat_os_flag_close(*wake_fd);
	*wake_fd = -1;
}
