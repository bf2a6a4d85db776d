/*
 * runtime/chan/foreign.h: receivers that are no struct leat_handle.
 *
 * A receiver without a chan brings its own functions: its ctl points to something that begins with a pointer to them. Every
 * call that takes a receiver asks this first, when what can be done inline did not do. The functions are what leat/chan.h
 * says of the calls by their names; size is 0, or what the caller's items have.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_FOREIGN_H
#define LEAT_RUNTIME_CHAN_FOREIGN_H

#include "runtime/event/event.h"

#include <leat/gen.h>

struct leat_foreign {
	ssize_t (*recv)(struct leat_rx *rx, void *items, size_t max, int64_t deadline_ns, const char *call);
	ssize_t (*peek)(struct leat_rx *rx, size_t want, const void **items);
	int (*release)(struct leat_rx *rx, size_t n);
	void (*close)(struct leat_rx *rx);
	int (*status)(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text);
	/* Where a sleeper stands until there is something to receive: as leat_event_enter() and leat_event_leave(). */
	void (*enter)(struct leat_rx *rx, struct leat_sleeper *sleeper);
	bool (*leave)(struct leat_rx *rx, struct leat_sleeper *sleeper);
	/* As leat_rx_ready(). */
	bool (*ready)(struct leat_rx *rx);
};

static inline bool leat_rx_is_foreign(const struct leat_rx *rx)
{
	return rx->chan == NULL;
}

static inline const struct leat_foreign *leat_rx_foreign(const struct leat_rx *rx)
{
	return *(const struct leat_foreign *const *)(const void *)rx->ctl;
}

#endif
