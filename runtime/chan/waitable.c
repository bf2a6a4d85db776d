/*
 * Each function of waitable.h by the table of the waitable: runtime/chan/rx_ops.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/waitable.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/rx_ops.h"

/* A sender has the shape of a receiver, and the table of a channel's handle. */
static struct leat_rx *rx_of(struct leat_waitable *side)
{
	return (struct leat_rx *)(void *)side;
}

static const struct leat_rx_ops *ops_of(struct leat_waitable *side)
{
	return leat_rx_ops_of(rx_of(side));
}

int leat_waitable_check_slowly(struct leat_waitable *side, const void *item, size_t size,
                               const char *call)
{
	return ops_of(side)->check(rx_of(side), item, size, call);
}

size_t leat_waitable_item_size(struct leat_waitable *side)
{
	return rx_of(side)->ring.item_size;
}

int leat_waitable_attempt_slowly(struct leat_waitable *side, void *item)
{
	return ops_of(side)->attempt(rx_of(side), item);
}

bool leat_waitable_ready(struct leat_waitable *side)
{
	return ops_of(side)->ready(rx_of(side));
}

bool leat_waitable_position(struct leat_waitable *side, uint64_t *position)
{
	*position = 0;
	return ops_of(side)->position != NULL && ops_of(side)->position(rx_of(side), position);
}

bool leat_waitable_behind_peer(struct leat_waitable *side)
{
	return ops_of(side)->behind_peer != NULL && ops_of(side)->behind_peer(rx_of(side));
}

bool leat_waitable_add_waiter(struct leat_waitable *side, struct leat_waiter *waiter)
{
	leat_chan_fd_disarm(side); /* else the news would be told to that */
	return ops_of(side)->add_waiter(rx_of(side), waiter);
}

bool leat_waitable_remove_waiter(struct leat_waitable *side, struct leat_waiter *waiter)
{
	return ops_of(side)->remove_waiter(rx_of(side), waiter);
}

void leat_waitable_forward_notify(struct leat_waitable *side)
{
	if (ops_of(side)->forward_notify != NULL)
		ops_of(side)->forward_notify(rx_of(side));
}

uint64_t leat_waitable_moved(struct leat_waitable *side)
{
	return ops_of(side)->moved == NULL ? 0 : ops_of(side)->moved(rx_of(side));
}

enum leat_wait leat_waitable_policy(struct leat_waitable *side)
{
	return ops_of(side)->policy(rx_of(side));
}

struct leat_scope *leat_waitable_scope(struct leat_waitable *side)
{
	return ops_of(side)->scope(rx_of(side));
}

struct leat_rx_waits *leat_waitable_waits(struct leat_waitable *side, bool make)
{
	return ops_of(side)->waits(rx_of(side), make);
}

int leat_waitable_wake_fd(struct leat_waitable *side)
{
	struct leat_rx_waits *waits = leat_waitable_waits(side, true);

	return waits == NULL ? -ENOMEM : leat_wake_fd(&waits->wake_fd);
}

void leat_waitable_wait_begins(struct leat_waitable *side, int64_t now_ns)
{
	if (ops_of(side)->wait_begins != NULL)
		ops_of(side)->wait_begins(rx_of(side), now_ns);
}

void leat_waitable_wait_parks(struct leat_waitable *side)
{
	if (ops_of(side)->wait_parks != NULL)
		ops_of(side)->wait_parks(rx_of(side));
}

void leat_waitable_wait_ends(struct leat_waitable *side, int64_t now_ns)
{
	if (ops_of(side)->wait_ends != NULL)
		ops_of(side)->wait_ends(rx_of(side), now_ns);
}
