/*
 * Each function of waitable.h calls the waitable's table of functions (runtime/chan/rx_ops.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/waitable.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/rx_ops.h"

/* A sender has the shape of a receiver, and the table of a channel's handle. */
static struct leat_rx *rx_of(struct leat_waitable *waitable)
{
	return (struct leat_rx *)(void *)waitable;
}

static const struct leat_rx_ops *ops_of(struct leat_waitable *waitable)
{
	return leat_rx_ops_of(rx_of(waitable));
}

int leat_waitable_check_slowly(struct leat_waitable *waitable, const void *item, size_t size,
                               const char *call)
{
	return ops_of(waitable)->check(rx_of(waitable), item, size, call);
}

uint64_t leat_waitable_channel(struct leat_waitable *waitable)
{
	/* the structure of a handle, bound or not, has this function in its table */
	bool has_chan = !leat_rx_has_ops(rx_of(waitable)) || leat_rx_is_handle(rx_of(waitable)) ||
	                ops_of(waitable)->scope == leat_handle_rx_scope;

	return has_chan ? rx_of(waitable)->chan->node.id : 0;
}

size_t leat_waitable_item_size(struct leat_waitable *waitable)
{
	return rx_of(waitable)->spsc.item_size;
}

int leat_waitable_attempt_slowly(struct leat_waitable *waitable, void *item)
{
	return ops_of(waitable)->attempt(rx_of(waitable), item);
}

bool leat_waitable_ready(struct leat_waitable *waitable)
{
	return ops_of(waitable)->ready(rx_of(waitable));
}

bool leat_waitable_position(struct leat_waitable *waitable, uint64_t *position)
{
	*position = 0;
	return ops_of(waitable)->position != NULL &&
	       ops_of(waitable)->position(rx_of(waitable), position);
}

bool leat_waitable_behind_peer(struct leat_waitable *waitable)
{
	return ops_of(waitable)->behind_peer != NULL &&
	       ops_of(waitable)->behind_peer(rx_of(waitable));
}

bool leat_waitable_add_waiter(struct leat_waitable *waitable, struct leat_waiter *waiter)
{
	leat_chan_fd_disarm(waitable); /* else the descriptor would be notified instead */
	return ops_of(waitable)->add_waiter(rx_of(waitable), waiter);
}

bool leat_waitable_remove_waiter(struct leat_waitable *waitable, struct leat_waiter *waiter)
{
	return ops_of(waitable)->remove_waiter(rx_of(waitable), waiter);
}

void leat_waitable_forward_notify(struct leat_waitable *waitable)
{
	if (ops_of(waitable)->forward_notify != NULL)
		ops_of(waitable)->forward_notify(rx_of(waitable));
}

uint64_t leat_waitable_moved(struct leat_waitable *waitable)
{
	return ops_of(waitable)->moved == NULL ? 0 : ops_of(waitable)->moved(rx_of(waitable));
}

enum leat_wait leat_waitable_policy(struct leat_waitable *waitable)
{
	return ops_of(waitable)->policy(rx_of(waitable));
}

struct leat_scope *leat_waitable_scope(struct leat_waitable *waitable)
{
	return ops_of(waitable)->scope(rx_of(waitable));
}

struct leat_rx_waits *leat_waitable_waits(struct leat_waitable *waitable, bool make)
{
	return ops_of(waitable)->waits(rx_of(waitable), make);
}

int leat_waitable_wake_fd(struct leat_waitable *waitable)
{
	struct leat_rx_waits *waits = leat_waitable_waits(waitable, true);

	return waits == NULL ? -ENOMEM : leat_wake_fd(&waits->wake_fd);
}

void leat_waitable_wait_begins(struct leat_waitable *waitable, int64_t now_ns)
{
	if (ops_of(waitable)->wait_begins != NULL)
		ops_of(waitable)->wait_begins(rx_of(waitable), now_ns);
}

void leat_waitable_wait_parks(struct leat_waitable *waitable)
{
	if (ops_of(waitable)->wait_parks != NULL)
		ops_of(waitable)->wait_parks(rx_of(waitable));
}

void leat_waitable_wait_ends(struct leat_waitable *waitable, int64_t now_ns)
{
	if (ops_of(waitable)->wait_ends != NULL)
		ops_of(waitable)->wait_ends(rx_of(waitable), now_ns);
}
