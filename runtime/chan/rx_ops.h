/*
 * runtime/chan/rx_ops.h: receivers that are no struct leat_handle.
 *
 * A receiver whose control word says LEAT_CTL_RX_OPS brings its own functions: behind that word
 * stands a pointer to them. Every call that takes a receiver asks this first, when what can be done
 * inline did not do. The functions are what leat/chan.h says of the calls by their names; size is
 * 0, or what the caller's items have.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_RX_OPS_H
#define LEAT_RUNTIME_CHAN_RX_OPS_H

#include "runtime/event/event.h"

#include <leat/chan.h>

struct leat_rx_ops {
	ssize_t (*recv)(struct leat_rx *rx, void *items, size_t max, int64_t deadline_ns,
	                const char *call);
	ssize_t (*peek)(struct leat_rx *rx, size_t want, const void **items);
	int (*release)(struct leat_rx *rx, size_t n);
	void (*close)(struct leat_rx *rx);
	int (*status)(const struct leat_rx *rx, enum leat_cause *cause, int *code,
	              const char **text);

	/*
	 * As leat_waitable_check() and its kin (runtime/chan/waitable.h), for the one waiter that
	 * such a receiver has.
	 */
	int (*check)(struct leat_rx *rx, const void *items, const char *call);
	int (*attempt)(struct leat_rx *rx, void *item);
	bool (*ready)(struct leat_rx *rx);
	bool (*add_waiter)(struct leat_rx *rx, struct leat_sleeper *sleeper);
	bool (*remove_waiter)(struct leat_rx *rx, struct leat_sleeper *sleeper);
	enum leat_wait (*policy)(const struct leat_rx *rx);
	struct leat_scope *(*scope)(const struct leat_rx *rx);
	/*
	 * What a struct leat_handle has for those who wait in poll(2). NULL where there is none, or
	 * no memory to make it.
	 */
	struct leat_rx_waits *(*waits)(struct leat_rx *rx, bool make);
};

struct leat_rx_waits {
	struct leat_chan_fd *watch;
	int wake_fd; /* -1: none */
};

/* What the ctl of such a receiver points into. */
struct leat_rx_ops_word {
	uint32_t ctl; /* LEAT_CTL_RX_OPS, for ever */
	const struct leat_rx_ops *functions;
};

static inline bool leat_rx_has_ops(const struct leat_rx *rx)
{
	return leat_load_rlx(rx->ctl) & LEAT_CTL_RX_OPS; /* rlx: this bit is constant */
}

static inline const struct leat_rx_ops *leat_rx_ops_of(const struct leat_rx *rx)
{
	return ((const struct leat_rx_ops_word *)(const void *)rx->ctl)->functions;
}

#endif
