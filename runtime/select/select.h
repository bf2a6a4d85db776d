/*
 * runtime/select/select.h: the inside of leat_select(), waiting for one of several cases.
 *
 *     select.c        the call: checks its cases, makes one attempt at each, then waits
 *     sweep.c         a sweep: one attempt at each case, in order or in random order
 *     select_wait.c   the wait, by the wait engine (runtime/event/wait.h)
 *
 * A waiting thread has a waiter on the event of each channel of its cases (on `done` of a sender's
 * that is to be done), a watch on each scope (runtime/scope/watch.h), and one sleeper for all.
 * Several of those events may notify it. The thread takes one case only, so it forwards each
 * notification that it leaves unused (runtime/event/event.h, Forwarding). The thread prepares a
 * wait only after a first sweep has found nothing.
 *
 * Case and place. The caller's array has the cases. Each case has a place of the same index, where
 * the call keeps what it knows of the case.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SELECT_SELECT_H
#define LEAT_RUNTIME_SELECT_SELECT_H

#include <leat/select.h>

#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"
#include "runtime/scope/watch.h"

struct leat_select_place {
	/* NULL: the case is a descriptor, a scope, or a sender that is to be done */
	struct leat_waitable *waitable;
	union {
		struct leat_waiter waiter;     /* of such a sender it is at `done` of its channel */
		struct leat_scope_watch watch; /* of a scope */
	};
	bool notified;     /* what removing the waiter returned last */
	unsigned lost;     /* waiter.lost, kept from one sleep to the next */
	uint64_t position; /* leat_waitable_position() before the last exact sweep */
};

struct leat_select_call {
	struct leat_wait_loop loop; /* set by leat_select_wait() */
	struct leat_case *cases;
	size_t n;    /* how many cases there are, and places */
	size_t live; /* how many of them are not ignored */
	size_t fds;  /* how many of the live ones are descriptors */
	bool scopes; /* whether any of them is a scope */
	bool dones;  /* whether any of them is a sender that is to be done */
	bool in_random_order;
	struct leat_source_watch own; /* where a source runs here */
	int flag_rc;    /* what open_wake_flag() returned to the last select_wait_prepare() */
	bool owns_flag; /* the wake flag is of this call, and of no handle */
	struct leat_select_place *places;
	struct pollfd *polled; /* n entries and one for the wake flag; set by each poll */
	uint32_t *order;       /* the indexes of the live cases, in the order of the last sweep */
};

/* The i-th live place. */
static inline struct leat_select_place *leat_select_place_of(struct leat_select_call *call,
                                                             size_t i)
{
	return &call->places[call->order[i]];
}

/* The case of the i-th live place. */
static inline struct leat_case *leat_select_case_of(struct leat_select_call *call, size_t i)
{
	return &call->cases[call->order[i]];
}

/* The live places that have a waitable: i for leat_select_place_of(). */
#define for_each_waitable(i, call) \
	for (size_t i = 0; i < (call)->live; i++) \
		if (leat_select_place_of(call, i)->waitable != NULL)

/* The live cases that are scopes: i for leat_select_case_of(). */
#define for_each_scope_case(i, call) \
	for (size_t i = 0; (call)->scopes && i < (call)->live; i++) \
		if (leat_select_case_of(call, i)->kind == LEAT_CASE_CANCELS)

/* The live cases that are senders to be done. */
#define for_each_done_case(i, call) \
	for (size_t i = 0; (call)->dones && i < (call)->live; i++) \
		if (leat_select_case_of(call, i)->kind == LEAT_CASE_REFUSES)

/*
 * Makes one attempt at each live case. Returns the index of the case that is done, -EAGAIN, or the
 * error of poll(2). poll_first: polls the descriptors once, when the sweep comes to the first of
 * them. Otherwise uses what the last poll found.
 */
int leat_select_sweep(struct leat_select_call *call, bool poll_first);
/*
 * The last sweep of a call that waits no longer. As leat_select_sweep() with poll_first, but
 * -EAGAIN says that at one moment no case with a waitable could be done; the exceptions are in
 * leat/select.h.
 */
int leat_select_sweep_exactly(struct leat_select_call *call);
/* Polls the descriptors of live cases, and flag unless it is -1. Returns as leat_os_poll(). */
int leat_select_poll_fds(struct leat_select_call *call, int flag, int64_t until_ns);

/*
 * Has a worker run each generator on a pool that the call waits for and that no thread runs.
 * Returns whether a case may be done now.
 */
bool leat_select_schedule(struct leat_select_call *call);
/*
 * Waits until a case is done. Returns its index or an error, as leat_select() does. Not inline:
 * a call that finds something at once needs none of it.
 */
int leat_select_wait(struct leat_select_call *call, int64_t deadline_ns);

#endif
