/*
 * flow/workers.h: what the workers of one island share (workers.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_WORKERS_H
#define LEAT_FLOW_WORKERS_H

#include "flow/flow.h"

/* Of a ticket: what its worker made. The worker's alone until it is done. */
struct slot {
	unsigned char *items;
	size_t count;
	bool done;
	bool final; /* nothing behind it is passed on: an item failed, or a step had enough */
};

struct shared {
	struct leat_scope *scope; /* the flow's */
	/*
	 * One permit: guards rx and end_rx; taken before `lock`. A semaphore of the core,
	 * as a worker waits with it for items: a mutex would hide those that wait for that worker
	 * from a test's clock (leat/test.h).
	 */
	struct leat_sem *input_sem;
	struct leat_rx *rx;
	/*
	 * Of a channel that nothing is sent into. The worker that waits for items also waits for
	 * its end: the close of end_tx wakes that worker.
	 */
	struct leat_rx *end_rx;
	pthread_mutex_t lock; /* guards the rest; not held while a worker sends or waits */
	/* what workers wait on for `turned`: one semaphore for each that may, for the same reason
	 */
	struct leat_sem **sems;
	size_t free_sems;
	struct turn_waiter *waiters;
	int input_code; /* what rx ended with, if that is a failure */
	char input_text[LEAT_FLOW_TEXT];
	struct leat_tx *end_tx;
	struct leat_tx *out; /* with an order: the one sender, of the worker that passes on */
	/* what rx is bound to: of its own, as another worker may send meanwhile; or NULL */
	struct leat_tx *bound;
	const struct leat_type *type; /* of what gather passes on; NULL: the island is an end */
	unsigned users;               /* workers that have not left */
	size_t room;                  /* items of a slot */
	size_t window;                /* slots; 0: no order */
	struct slot *slots;
	uint64_t next_ticket, turn;
	/* the lowest ticket that is final, and its failure, or 0: it had enough */
	uint64_t final_ticket;
	int final_code;
	char final_text[LEAT_FLOW_TEXT];
	bool has_final;     /* no further vectors are taken */
	bool final_reached; /* all before the final ticket has been passed on, and its own */
	bool passing_on;    /* a worker is sending what is at the turn */
	bool ended;
};

struct shared_opts {
	struct leat_scope *scope;
	struct leat_rx *rx; /* it, out and bound become shared's */
	struct leat_tx *out;
	struct leat_tx *bound;
	const struct leat_type *type;
	unsigned users;
	size_t room, window; /* window 0: no order */
};

/* 0; or -errno, and the handles are still the caller's. */
int leat_shared_open(const struct shared_opts *opts, struct shared **shared);
void leat_shared_free(struct shared *shared);
/* Of each worker, once: the last closes the handles. */
void leat_shared_leave(struct shared *shared);
/*
 * No worker takes or waits any more; what is in slots is not passed on. Does nothing where a
 * ticket is final: then the slots up to it are still passed on.
 */
void leat_shared_end(struct shared *shared);

/*
 * Takes up to `most` items of `size` bytes, by a copy. Returns how many, and the ticket of this
 * vector; 0 at the end, with an order also with a ticket, for what the worker's steps have held;
 * -EPIPE if the island has ended; -errno.
 */
ssize_t leat_shared_take(struct shared *shared, void *items, size_t most, size_t size,
                         uint64_t *ticket);
/* The failure that the input ended with, and its text; 0: none. */
int leat_shared_input_failure(struct shared *shared, char text[LEAT_FLOW_TEXT]);
/* Adds to the slot of a ticket. False: it has no room for so many. */
bool leat_shared_put(struct shared *shared, uint64_t ticket, const void *items, size_t count);
/*
 * Waits for the turn, and sends what is in the slot: from now on the worker sends by itself. *held:
 * the turn is the worker's, whatever the sends return.
 */
int leat_shared_await_turn(struct shared *shared, uint64_t ticket, bool *held);
/* Sends, and discards what cannot be sent. */
int leat_shared_send(struct shared *shared, const void *items, size_t count);

struct finished {
	uint64_t ticket;
	bool held;        /* the turn is the worker's */
	int rc;           /* what the steps returned: 0, LEAT_ENOUGH, -errno */
	int failure;      /* of an item, or 0 */
	const char *text; /* of the failure */
};

/* A ticket's vector is worked off. Returns -EPIPE if its worker is to end. */
int leat_shared_finish(struct shared *shared, const struct finished *finished);

#endif
