/*
 * The descriptors of a handle: one for event loops of programs, one for waits in poll(2).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/rx_ops.h"

#include <leat/chan.h>

static void raise_flag(struct leat_sleeper *sleeper)
{
	leat_os_flag_raise(sleeper->fd);
}

/*
 * Where the waitable keeps its descriptor. NULL where it has no such place, and none is to be made
 * or there is no memory for it.
 */
static struct leat_chan_fd **chan_fd_place(struct leat_waitable *waitable, bool make)
{
	struct leat_rx_waits *waits = leat_waitable_waits(waitable, make);

	return waits == NULL ? NULL : &waits->chan_fd;
}

struct leat_chan_fd *leat_chan_fd_of(struct leat_waitable *waitable)
{
	struct leat_chan_fd **place = chan_fd_place(waitable, false);

	return place == NULL ? NULL : *place;
}

static int open_chan_fd(struct leat_waitable *waitable)
{
	struct leat_chan_fd **place = chan_fd_place(waitable, true), *chan_fd;

	if (place == NULL)
		return -ENOMEM;
	chan_fd = leat_os_alloc(sizeof(*chan_fd), 0);
	if (chan_fd == NULL)
		return -ENOMEM;
	chan_fd->flag = leat_os_flag_open();
	if (chan_fd->flag < 0) {
		int rc = chan_fd->flag;

		leat_os_free(chan_fd);
		return rc;
	}
	chan_fd->sleeper = (struct leat_sleeper){ .fd = chan_fd->flag, .wake = raise_flag };
	chan_fd->waiter.sleeper = &chan_fd->sleeper;
	*place = chan_fd;
	return chan_fd->flag;
}

/*
 * A notification that came while the descriptor was armed is forwarded to another waiter of the
 * side, since the thread of this handle need not receive (or send).
 */
void leat_chan_fd_remove_waiter(struct leat_waitable *waitable, struct leat_chan_fd *chan_fd)
{
	bool notified = leat_waitable_remove_waiter(waitable, &chan_fd->waiter);

	chan_fd->armed = false;
	if (!notified)
		return;
	/* set to 0 again if this handle has moved items: see arm_chan_fd() */
	chan_fd->waiter.lost++;
	leat_os_flag_clear(chan_fd->flag);
	leat_waitable_forward_notify(waitable);
}

void leat_chan_fd_close(struct leat_waitable *waitable, struct leat_chan_fd **place)
{
	struct leat_chan_fd *chan_fd = *place;

	if (chan_fd == NULL)
		return;
	if (chan_fd->armed)
		leat_chan_fd_remove_waiter(waitable, chan_fd);
	leat_os_flag_close(chan_fd->flag);
	leat_os_free(chan_fd);
	*place = NULL;
}

/*
 * Takes the descriptor off the list and puts it on again, also where it is armed: another thread
 * may have taken the item that it was notified of, and a flag that stays raised for that would wake
 * the event loop each time for nothing.
 */
static int arm_chan_fd(struct leat_waitable *waitable, struct leat_chan_fd *chan_fd)
{
	bool heavy;

	leat_chan_fd_disarm(waitable);
	if (leat_waitable_ready(waitable))
		return 1;
	if (leat_waitable_moved(waitable) != chan_fd->moved)
		chan_fd->waiter.lost = 0;
	chan_fd->moved = leat_waitable_moved(waitable);
	heavy = leat_waitable_add_waiter(waitable, &chan_fd->waiter);
	chan_fd->armed = true;
	leat_event_fence(heavy);
	if (!leat_waitable_ready(waitable))
		return 0;
	leat_chan_fd_remove_waiter(waitable, chan_fd);
	return 1;
}

void leat_chan_fd_arm_again(struct leat_waitable *waitable)
{
	struct leat_chan_fd *chan_fd = leat_chan_fd_of(waitable);

	if (arm_chan_fd(waitable, chan_fd) == 0)
		return;
	leat_os_flag_raise(chan_fd->flag);
	chan_fd->armed = true; /* as one that has been notified */
}

/* Returns 0, -EINVAL, -EBUSY; stops the program if the handle is closed. */
static int check_fd_call(struct leat_waitable *waitable, const char *call)
{
	static const char anything;

	if (waitable == NULL || leat_waitable_item_size(waitable) == 0)
		return -EINVAL;
	return leat_waitable_check(waitable, &anything, 0, call);
}

static int get_chan_fd(struct leat_waitable *waitable, const char *call)
{
	int rc = check_fd_call(waitable, call);

	if (rc < 0 && rc != -EBUSY)
		return rc;
	return leat_chan_fd_of(waitable) != NULL ? leat_chan_fd_of(waitable)->flag
	                                         : open_chan_fd(waitable);
}

static int arm_waitable_fd(struct leat_waitable *waitable, const char *call)
{
	int rc = check_fd_call(waitable, call);

	if (rc == -EINVAL || leat_chan_fd_of(waitable) == NULL)
		return -EINVAL;
	return rc < 0 ? rc : arm_chan_fd(waitable, leat_chan_fd_of(waitable));
}

static int disarm_waitable_fd(struct leat_waitable *waitable, const char *call)
{
	int rc = check_fd_call(waitable, call);

	if (rc == -EINVAL)
		return rc;
	leat_chan_fd_disarm(waitable);
	return 0;
}

int leat_rx_fd(struct leat_rx *rx)
{
	return get_chan_fd(leat_waitable_of_rx(rx), "leat_rx_fd");
}

int leat_rx_arm(struct leat_rx *rx)
{
	return arm_waitable_fd(leat_waitable_of_rx(rx), "leat_rx_arm");
}

int leat_rx_disarm(struct leat_rx *rx)
{
	return disarm_waitable_fd(leat_waitable_of_rx(rx), "leat_rx_disarm");
}

int leat_tx_fd(struct leat_tx *tx)
{
	return get_chan_fd(leat_waitable_of_tx(tx), "leat_tx_fd");
}

int leat_tx_arm(struct leat_tx *tx)
{
	return arm_waitable_fd(leat_waitable_of_tx(tx), "leat_tx_arm");
}

int leat_tx_disarm(struct leat_tx *tx)
{
	return disarm_waitable_fd(leat_waitable_of_tx(tx), "leat_tx_disarm");
}

int leat_wake_fd(int *wake_fd)
{
	int flag;

	if (*wake_fd >= 0) {
		leat_os_flag_clear(*wake_fd); /* an earlier wait may have left it raised */
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
