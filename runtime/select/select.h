/*
 * runtime/select/select.h: the inside of leat_select(), waiting for one of several cases.
 *
 * A wait stands on the list of each side at once, with one sleeper for all. It is told of one, or
 * of several; it takes one, and passes on the news of all that told it (runtime/event/wait.h).
 * Nothing is made ready for that before a first attempt at each case has found nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SELECT_SELECT_H
#define LEAT_RUNTIME_SELECT_SELECT_H

#include <leat/select.h>

#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"

struct leat_select_place {
	struct leat_waitable *waitable; /* NULL: a descriptor */
	struct leat_waiter waiter;
	bool notified;
	unsigned lost;     /* the waiter's, from one round to the next */
	uint64_t position; /* leat_waitable_position() before the last sweep */
};

struct leat_select_call {
	struct leat_wait_loop loop; /* filled in before a wait */
	struct leat_case *cases;
	size_t n;    /* of cases; places and polled have as many, polled one more: the flag */
	size_t live; /* the first of order are the places of cases that are not ignored */
	size_t fds;  /* how many of those are descriptors */
	bool in_random_order;
	int flag_rc; /* what the last select_wait_prepare() had of open_wake_flag() */
	struct leat_select_place *places;
	struct pollfd *polled; /* made when a descriptor is first looked at */
	uint32_t *order;
};

static inline struct leat_select_place *leat_select_place_of(struct leat_select_call *call,
                                                             size_t i)
{
	return &call->places[call->order[i]];
}

/* The sides of live places. */
#define for_each_waitable(i, call) \
	for (size_t i = 0; i < (call)->live; i++) \
		if (leat_select_place_of(call, i)->waitable != NULL)

/* sweep.c */
int leat_select_sweep(struct leat_select_call *call, bool poll_first);
int leat_select_sweep_exactly(struct leat_select_call *call);
int leat_select_poll_fds(struct leat_select_call *call, int flag, int64_t until_ns);

/* select_wait.c */
bool leat_select_schedule(struct leat_select_call *call);
int leat_select_wait(struct leat_select_call *call, int64_t deadline_ns);

#endif
