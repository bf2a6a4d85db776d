/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/watch.h"
#include "runtime/chan/side.h"

#include <leat/select.h>

static void raise_flag(struct leat_sleeper *sleeper)
{
	leat_os_flag_raise(sleeper->fd);
}

static int watch_open(struct leat_handle *h)
{
	struct leat_watch *watch = leat_os_alloc(sizeof(*watch), 0);

	if (watch == NULL)
		return -ENOMEM;
	watch->flag = leat_os_flag_open();
	if (watch->flag < 0) {
		int rc = watch->flag;

		leat_os_free(watch);
		return rc;
	}
	watch->sleeper = (struct leat_sleeper){ 0, watch->flag, raise_flag };
	watch->waiter.sleeper = &watch->sleeper;
	h->watch = watch;
	return watch->flag;
}

/* The news that came while it was armed goes on to whoever sleeps: this side's thread may not look. */
void leat_watch_leave(struct leat_handle *h)
{
	struct leat_watch *watch = h->watch;
	struct leat_side *side = (struct leat_side *)h;
	bool told = leat_side_leave(side, &watch->waiter);

	watch->armed = false;
	if (!told)
		return;
	leat_os_flag_clear(watch->flag);
	leat_side_pass_on(side);
}

void leat_watch_close(struct leat_handle *h)
{
	if (h->watch == NULL)
		return;
	leat_watch_disarm(h);
	leat_os_flag_close(h->watch->flag);
	leat_os_free(h->watch);
	h->watch = NULL;
}

/*
 * Always off the list and on again: what it was told of may have been taken since, and a flag that is raised for that would
 * wake the loop for nothing, each time.
 */
static int arm(struct leat_handle *h)
{
	struct leat_watch *watch = h->watch;
	struct leat_side *side = (struct leat_side *)h;
	bool heavy;

	leat_watch_disarm(h);
	if (leat_side_ready(side))
		return 1;
	heavy = leat_side_line_up(side, &watch->waiter);
	watch->armed = true;
	leat_event_fence(heavy);
	if (!leat_side_ready(side))
		return 0;
	leat_watch_leave(h);
	return 1;
}

static int fd_of(struct leat_handle *h, const char *call)
{
	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, call);
	if (leat_chan_of(h)->item_size == 0)
		return -EINVAL;
	return h->watch != NULL ? h->watch->flag : watch_open(h);
}

static int arm_checked(struct leat_handle *h, const char *call)
{
	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, call);
	if (h->watch == NULL)
		return -EINVAL;
	return h->held != 0 ? -EBUSY : arm(h);
}

static int disarm_checked(struct leat_handle *h, const char *call)
{
	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, call);
	leat_watch_disarm(h);
	return 0;
}

int leat_rx_fd(struct leat_rx *rx)
{
	return fd_of(leat_handle_of_rx(rx), "leat_rx_fd");
}

int leat_rx_arm(struct leat_rx *rx)
{
	return arm_checked(leat_handle_of_rx(rx), "leat_rx_arm");
}

int leat_rx_disarm(struct leat_rx *rx)
{
	return disarm_checked(leat_handle_of_rx(rx), "leat_rx_disarm");
}

int leat_tx_fd(struct leat_tx *tx)
{
	return fd_of(leat_handle_of_tx(tx), "leat_tx_fd");
}

int leat_tx_arm(struct leat_tx *tx)
{
	return arm_checked(leat_handle_of_tx(tx), "leat_tx_arm");
}

int leat_tx_disarm(struct leat_tx *tx)
{
	return disarm_checked(leat_handle_of_tx(tx), "leat_tx_disarm");
}
