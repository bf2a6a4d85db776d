/*
 * runtime/chan/rx_ops.h: every receiver by a table of functions.
 *
 * The receiver of a channel is a struct leat_handle, and its table is leat_chan_rx_ops. A receiver
 * whose control word says LEAT_CTL_RX_OPS is something else, or is bound to a sender
 * (runtime/chan/bind.h), and brings a table of its own: a pointer to it is behind that word. Every
 * call that takes a receiver goes by leat_rx_ops_of() when what can be done inline did not do.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_RX_OPS_H
#define LEAT_RUNTIME_CHAN_RX_OPS_H

#include "runtime/event/event.h"

#include <leat/chan.h>

struct leat_bind;

struct leat_rx_waits {
	struct leat_chan_fd *chan_fd; /* for programs, once one was asked for */
	int wake_fd;                  /* a flag for waits in poll(2), once there was one; else -1 */
};

struct leat_rx_ops {
	/*
	 * The calls of leat/chan.h by their names. size: of the caller's items, or
	 * LEAT_DETAIL_CHAN_SIZE; another than the channel's stops the program.
	 */
	ssize_t (*recv)(struct leat_rx *rx, void *items, size_t max, size_t size,
	                int64_t deadline_ns, const char *call);
	ssize_t (*peek)(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
	                const char *call);
	int (*release)(struct leat_rx *rx, size_t n);
	void (*close)(struct leat_rx *rx);
	int (*status)(const struct leat_rx *rx, enum leat_cause *cause, int *code,
	              const char **text);

	/*
	 * As one of several things to wait for: leat_waitable_check() and its kin
	 * (runtime/chan/waitable.h). Those call the functions of leat_chan_rx_ops for a sender as
	 * well, which is a struct leat_handle too.
	 */
	int (*check)(struct leat_rx *rx, const void *items, size_t size, const char *call);
	int (*attempt)(struct leat_rx *rx, void *item);
	bool (*ready)(struct leat_rx *rx);
	bool (*add_waiter)(struct leat_rx *rx, struct leat_waiter *waiter);
	bool (*remove_waiter)(struct leat_rx *rx, struct leat_waiter *waiter);
	enum leat_wait (*policy)(const struct leat_rx *rx);
	struct leat_scope *(*scope)(const struct leat_rx *rx);
	/*
	 * The descriptors of those that wait in poll(2). NULL where there are none, or no memory to
	 * make them.
	 */
	struct leat_rx_waits *(*waits)(struct leat_rx *rx, bool make);

	/* What needs other handles of the same side. NULL where the receiver is always single. */
	bool (*position)(struct leat_rx *rx, uint64_t *position);
	bool (*behind_peer)(struct leat_rx *rx);
	void (*forward_notify)(struct leat_rx *rx);
	/* Changes once this handle has moved items in a ring that other handles use too. */
	uint64_t (*moved)(const struct leat_rx *rx);

	/*
	 * Where the receiver keeps its binding (runtime/chan/bind.h). NULL where it has no such
	 * place, and none is to be made or there is no memory for it.
	 */
	struct leat_bind *(*bind)(struct leat_rx *rx, bool make);
	/* From now on calls go to the functions of bind.h first, or do not. Twice is as once. */
	void (*set_bound)(struct leat_rx *rx, bool bound);
	/* Whether leat_recv_fill() ends with what one receive took. NULL: never. */
	bool (*ends_fill)(struct leat_rx *rx);
	/* leat_rx_pending(), leat_rx_capacity() */
	size_t (*pending)(struct leat_rx *rx);
	size_t (*capacity)(const struct leat_rx *rx);

	/* The figures of a wait. NULL where there are none. */
	void (*wait_begins)(struct leat_rx *rx, int64_t now_ns);
	void (*wait_parks)(struct leat_rx *rx);
	void (*wait_ends)(struct leat_rx *rx, int64_t now_ns);
};

/* Of a channel's handle, a sender's too (rx_ops.c). */
extern const struct leat_rx_ops leat_chan_rx_ops;
/* Of a channel's receiver while it is bound (runtime/chan/bind.h). */
extern const struct leat_rx_ops leat_bound_rx_ops;

/* What every table of a struct leat_handle has (rx_ops.c): of a channel's, of a subscriber's. */
int leat_handle_rx_check(struct leat_rx *rx, const void *item, size_t size, const char *call);
bool leat_handle_rx_add_waiter(struct leat_rx *rx, struct leat_waiter *waiter);
bool leat_handle_rx_remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter);
enum leat_wait leat_handle_rx_policy(const struct leat_rx *rx);
struct leat_scope *leat_handle_rx_scope(const struct leat_rx *rx);
struct leat_rx_waits *leat_handle_rx_waits(struct leat_rx *rx, bool make);
struct leat_bind *leat_handle_rx_bind(struct leat_rx *rx, bool make);
size_t leat_handle_rx_capacity(const struct leat_rx *rx);
void leat_handle_rx_wait_begins(struct leat_rx *rx, int64_t now_ns);
void leat_handle_rx_wait_parks(struct leat_rx *rx);
void leat_handle_rx_wait_ends(struct leat_rx *rx, int64_t now_ns);

#define LEAT_RX_OPS_OF_HANDLES \
	.check = leat_handle_rx_check, .policy = leat_handle_rx_policy, \
	.scope = leat_handle_rx_scope, .waits = leat_handle_rx_waits, \
	.bind = leat_handle_rx_bind, .capacity = leat_handle_rx_capacity, \
	.wait_begins = leat_handle_rx_wait_begins, .wait_parks = leat_handle_rx_wait_parks, \
	.wait_ends = leat_handle_rx_wait_ends

/* What the ctl of such a receiver points into. */
struct leat_rx_ops_word {
	uint32_t ctl; /* LEAT_CTL_RX_OPS, for ever */
	const struct leat_rx_ops *functions;
};

static inline bool leat_rx_has_ops(const struct leat_rx *rx)
{
	/* rlx: leat_rx_clone() may read it while a bind changes it; both words say enough */
	const uint32_t *ctl = leat_load_rlx(&rx->ctl);

	return leat_load_rlx(ctl) & LEAT_CTL_RX_OPS; /* rlx: this bit is constant */
}

static inline const struct leat_rx_ops *leat_rx_ops_of(const struct leat_rx *rx)
{
	const uint32_t *ctl = leat_load_rlx(&rx->ctl); /* rlx: the same */

	if (leat_load_rlx(ctl) & LEAT_CTL_RX_OPS) /* rlx: the same */
		return ((const struct leat_rx_ops_word *)(const void *)ctl)->functions;
	return &leat_chan_rx_ops;
}

/* Whether it is the handle of a channel, bound or not. */
static inline bool leat_rx_is_handle(const struct leat_rx *rx)
{
	const struct leat_rx_ops *ops = leat_rx_ops_of(rx);

	return ops == &leat_chan_rx_ops || ops == &leat_bound_rx_ops;
}

/* For tables whose receivers have no name: stops the program for items of another size. */
static inline void leat_rx_check_size(const struct leat_rx *rx, size_t size, const char *call)
{
	if (leat_unlikely(size != LEAT_DETAIL_CHAN_SIZE && size != rx->spsc.item_size))
		leat_die("%s: the pointer is to items of %zu bytes; the channel has items of %zu",
		         call, size, rx->spsc.item_size);
}

#endif
