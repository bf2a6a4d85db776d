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
	int failure;
};

struct shared {
	pthread_mutex_t input_lock; /* guards rx; taken before `lock` */
	struct leat_rx *rx;
	pthread_mutex_t lock; /* guards the rest; not held while it sends */
	pthread_cond_t turned;
	struct leat_tx *out; /* with an order: the one sender, of the worker that passes on */
	/* what rx is bound to: of its own, as another worker may send meanwhile; or NULL */
	struct leat_tx *bound;
	unsigned users;    /* workers that have not left */
	size_t size, room; /* of an item; items of a slot */
	size_t window;     /* slots; 0: no order */
	struct slot *slots;
	uint64_t next_ticket, turn;
	/* the lowest ticket that failed */
	uint64_t failed_ticket;
	int failed_code;
	char failed_text[LEAT_FLOW_TEXT];
	bool passing_on; /* a worker is sending what is at the turn */
	bool failing;    /* an item has failed: no further vectors are taken */
	bool ended;
};

struct shared_opts {
	struct leat_rx *rx;  /* it and out become shared's */
	struct leat_tx *out; /* with an order */
	struct leat_tx *bound;
	unsigned users;
	size_t out_size, room, window;
	bool ordered;
};

struct shared *shared_open(const struct shared_opts *opts);
void shared_free(struct shared *shared);
/* Of each worker, once: the last closes the handles. */
void shared_leave(struct shared *shared);
/* No worker takes or waits any more. */
void shared_end(struct shared *shared);

/*
 * Takes up to `most` items, by a copy. Returns how many, and the ticket of this vector; 0 at the
 * end; -EPIPE if the island has ended; -errno.
 */
ssize_t shared_take(struct shared *shared, void *items, size_t most, uint64_t *ticket);
/* Adds to the slot of a ticket. NULL: it has no room for so many. */
void *shared_put(struct shared *shared, uint64_t ticket, const void *items, size_t count);
/* Waits for the turn, and sends what is in the slot: from now on the worker sends by itself. */
int shared_await_turn(struct shared *shared, uint64_t ticket);
int shared_send(struct shared *shared, const void *items, size_t count);
/*
 * A ticket's vector is worked off, up to an item that failed: then with the code and the text of
 * that. Returns -EPIPE if its worker is to end.
 */
int shared_finish(struct shared *shared, uint64_t ticket, int failure, const char *text,
                  bool at_turn);

#endif
