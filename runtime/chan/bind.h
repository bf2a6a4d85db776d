/*
 * runtime/chan/bind.h: receivers that are bound to a sender (bind.c): leat_rx_bind().
 *
 * A stage that receives from `in` and sends into `out` should stop receiving once no send on out
 * can succeed. The thread that binds in to out has every receive on in ask out first. A receive
 * that waits waits at two events then: at that of the input, and at `done` of out's channel, which
 * the last receiver's close, a cancel, a stop and a failure notify.
 *
 * Which calls come here. A bound receiver takes no fast path: its cursor is disabled. The handle of
 * a channel brings the table leat_bound_rx_ops meanwhile (its ctl points to a word that says so), a
 * compact generator's receiver has a bit that sends its functions here. The functions below ask
 * out; then they unbind the receiver for the time of one call, make that call by the receiver's own
 * table, and bind it again. So a receiver that is not bound pays nothing.
 *
 * The end of a binding. Receiver and sender belong to one thread at a time while they are bound.
 * The close of either ends the binding, so no receive reads a handle that is closed. A sender keeps
 * a list of its bindings for that; only its thread uses the list.
 *
 * No lost wake-up. Invariant: a bound receiver sleeps only while a send on out could succeed, or a
 * notifier of `done` is on its way. The notifier sets its bit in ctl, then takes the event's lock
 * and notifies. The waiter takes the same lock to add itself, then reads ctl. If the waiter locks
 * first, the notifier finds it on the list. If the notifier locks first, the waiter's load reads
 * the bit. No fence is needed.
 *
 * Forwarding. A bound receiver that was notified of an item, and takes none because of out, owns
 * the notification as any waiter does. So it forwards (runtime/event/event.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_BIND_H
#define LEAT_RUNTIME_CHAN_BIND_H

#include "runtime/chan/rx_ops.h"
#include "runtime/event/event.h"

struct leat_handle;

/* A receiver's place for its binding. All zero: it is not bound. */
struct leat_bind {
	struct leat_rx *rx;
	const struct leat_rx_ops *own; /* the receiver's own table */
	struct leat_handle *out;       /* the sender, or NULL */
	struct leat_bind *prev, *next; /* among the bindings of out */
	/*
	 * At `done` of out's channel, while a waiter of the receiver is at the input. Two cases of
	 * one select may be of the same receiver; the first adds this, the last removes it.
	 */
	struct leat_waiter waiter;
	unsigned waiters; /* how many waiters of the receiver are at the input */
};

/* Whether calls on this receiver come here. For its thread. */
static inline bool leat_rx_is_bound(struct leat_rx *rx)
{
	const struct leat_bind *bind;

	if (!leat_rx_has_ops(rx) || leat_rx_ops_of(rx)->bind == NULL)
		return false;
	bind = leat_rx_ops_of(rx)->bind(rx, false);
	return bind != NULL && bind->out != NULL;
}

/* Returns the sender that the receiver is bound to, or NULL. */
struct leat_tx *leat_rx_bound_to(struct leat_rx *rx);

/* Ends all bindings to this sender. Called by its close. */
void leat_unbind_all(struct leat_handle *out);

/* What functions of struct leat_rx_ops do where the receiver is bound. */
ssize_t leat_bound_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                        int64_t deadline_ns, const char *call);
ssize_t leat_bound_peek(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                        const char *call);
int leat_bound_release(struct leat_rx *rx, size_t n);
void leat_bound_close(struct leat_rx *rx);
int leat_bound_attempt(struct leat_rx *rx, void *item);
bool leat_bound_ready(struct leat_rx *rx);
bool leat_bound_add_waiter(struct leat_rx *rx, struct leat_waiter *waiter);
bool leat_bound_remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter);

/* The part of a table of a receiver that is bound. */
#define LEAT_BOUND_FUNCTIONS \
	.recv = leat_bound_recv, .peek = leat_bound_peek, .release = leat_bound_release, \
	.close = leat_bound_close, .attempt = leat_bound_attempt, .ready = leat_bound_ready, \
	.add_waiter = leat_bound_add_waiter, .remove_waiter = leat_bound_remove_waiter

/* What the waits of one receive have in common. All zero before the first. */
struct leat_either {
	unsigned lost; /* as waiter.lost */
	bool notified; /* of an item: the caller has a notification to forward */
};

/*
 * Waits until there is an item or the end of `in`, until a send on out can no longer succeed, or
 * until the deadline. It takes no item. `in` need not be bound. Returns 0; -ETIMEDOUT; -EDEADLK
 * where this thread must not wait. It waits by the input's policy, and the wait is in the input's
 * books.
 */
int leat_wait_for_either(struct leat_rx *in, struct leat_tx *out, int64_t deadline_ns,
                         struct leat_either *either);

#endif
