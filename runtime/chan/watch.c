/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/watch.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/foreign.h"

#include <leat/select.h>

static void raise_flag(struct leat_sleeper *sleeper)
{
	leat_os_flag_raise(sleeper->fd);
}

/* Where the side keeps its watch; NULL where it has no place for one, and none is to be made or there is no memory. */
static struct leat_watch **place_of(struct leat_side *side, bool make)
{
	struct leat_rx *rx = (struct leat_rx *)(void *)side;
	struct leat_foreign_waits *waits;

	if (!leat_rx_is_foreign(rx))
		return &leat_handle_of_rx(rx)->watch;
	waits = leat_rx_foreign(rx)->waits(rx, make);
	return waits == NULL ? NULL : &waits->watch;
}

struct leat_watch *leat_watch_of(struct leat_side *side)
{
	struct leat_watch **place = place_of(side, false);

	return place == NULL ? NULL : *place;
}

static int watch_open(struct leat_side *side)
{
	struct leat_watch **place = place_of(side, true), *watch;

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

/* The news that came while it was armed goes on to whoever sleeps: this side's thread may not look. */
void leat_watch_leave(struct leat_side *side, struct leat_watch *watch)
{
	bool told = leat_side_leave(side, &watch->waiter);

	watch->armed = false;
	if (!told)
		return;
	watch->waiter.lost++; /* unless the side's thread has found something: see arm() */
	leat_os_flag_clear(watch->flag);
	leat_side_pass_on(side);
}

void leat_watch_close(struct leat_side *side, struct leat_watch **place)
{
	struct leat_watch *watch = *place;

	if (watch == NULL)
		return;
	if (watch->armed)
		leat_watch_leave(side, watch);
	leat_os_flag_close(watch->flag);
	leat_os_free(watch);
	*place = NULL;
}

/* Another number once this side's thread has moved items, in a ring that other threads of the side use too. */
static uint64_t moved_by(struct leat_side *side)
{
	const struct leat_handle *h = (const struct leat_handle *)(const void *)side;

	return leat_rx_is_foreign(&h->rx) ? 0 : h->side.moved + h->claim.pos;
}

/*
 * Always off the list and on again: what it was told of may have been taken since, and a flag that is raised for that would
 * wake the loop for nothing, each time.
 */
static int arm(struct leat_side *side, struct leat_watch *watch)
{
	bool heavy;

	leat_watch_disarm(side);
	if (leat_side_ready(side))
		return 1;
	if (moved_by(side) != watch->moved)
		watch->waiter.lost = 0;
	watch->moved = moved_by(side);
	heavy = leat_side_line_up(side, &watch->waiter);
	watch->armed = true;
	leat_event_fence(heavy);
	if (!leat_side_ready(side))
		return 0;
	leat_watch_leave(side, watch);
	return 1;
}

/* 0, -EINVAL, -EBUSY; stops the program if the handle is closed. */
static int check(struct leat_side *side, const char *call)
{
	static const char anything;

	if (side == NULL || leat_side_item_size(side) == 0)
		return -EINVAL;
	return leat_side_check(side, &anything, 0, call);
}

static int fd_of(struct leat_side *side, const char *call)
{
	int rc = check(side, call);

	if (rc < 0 && rc != -EBUSY)
		return rc;
	return leat_watch_of(side) != NULL ? leat_watch_of(side)->flag : watch_open(side);
}

static int arm_checked(struct leat_side *side, const char *call)
{
	int rc = check(side, call);

	if (rc == -EINVAL || leat_watch_of(side) == NULL)
		return -EINVAL;
	return rc < 0 ? rc : arm(side, leat_watch_of(side));
}

static int disarm_checked(struct leat_side *side, const char *call)
{
	int rc = check(side, call);

	if (rc == -EINVAL)
		return rc;
	leat_watch_disarm(side);
	return 0;
}

int leat_rx_fd(struct leat_rx *rx)
{
	return fd_of(leat_side_of_rx(rx), "leat_rx_fd");
}

int leat_rx_arm(struct leat_rx *rx)
{
	return arm_checked(leat_side_of_rx(rx), "leat_rx_arm");
}

int leat_rx_disarm(struct leat_rx *rx)
{
	return disarm_checked(leat_side_of_rx(rx), "leat_rx_disarm");
}

int leat_tx_fd(struct leat_tx *tx)
{
	return fd_of(leat_side_of_tx(tx), "leat_tx_fd");
}

int leat_tx_arm(struct leat_tx *tx)
{
	return arm_checked(leat_side_of_tx(tx), "leat_tx_arm");
}

int leat_tx_disarm(struct leat_tx *tx)
{
	return disarm_checked(leat_side_of_tx(tx), "leat_tx_disarm");
}
