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

struct place {
	struct leat_waitable *side; /* NULL: a descriptor */
	struct leat_waiter waiter;
	bool told;
	unsigned lost;     /* the waiter's, from one round to the next */
	uint64_t position; /* leat_waitable_position() before the last sweep */
};

struct choice {
	struct leat_wait_loop loop; /* filled in before a wait */
	struct leat_case *cases;
	size_t n;    /* of cases; places and polled have as many, polled one more: the flag */
	size_t live; /* the first of order are the places of cases that are not ignored */
	size_t fds;  /* how many of those are descriptors */
	bool by_chance;
	int flag_rc; /* what the last wait_prepare() had of flag_open() */
	struct place *places;
	struct pollfd *polled; /* made when a descriptor is first looked at */
	uint32_t *order;
};

static inline struct place *place_of(struct choice *choice, size_t i)
{
	return &choice->places[choice->order[i]];
}

/* The sides of live places. */
#define for_each_side(i, choice) \
	for (size_t i = 0; i < (choice)->live; i++) \
		if (place_of(choice, i)->side != NULL)

/* sweep.c */
int leat_select_sweep(struct choice *choice, bool look);
int leat_select_sweep_exactly(struct choice *choice);
int leat_select_poll(struct choice *choice, int flag, int64_t until_ns);

/* select_wait.c */
bool leat_select_schedule(struct choice *choice);
int leat_select_wait(struct choice *choice, int64_t deadline_ns);

#endif
