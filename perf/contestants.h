/*
 * perf/contestants.h: one interface over the rings that are compared: an 8-byte item goes in, an 8-byte item comes out.
 * Each program includes it; the functions are inlined into the same loops for everybody.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_CONTESTANTS_H
#define LEAT_PERF_CONTESTANTS_H

#include "perf/harness.h"

#include <leat/chan.h>
#include <leat/ring/spsc.h>
#include <leat/scope.h>

#include <ck_ring.h>
#include <stdlib.h>

/* Concurrency Kit's ring holds one item less than its size, so it is given the next power of two; items are pointers. */
struct ck_pipe {
	ck_ring_t ring __attribute__((aligned(128)));
	ck_ring_buffer_t *buffer;
};

static inline void ck_pipe_open(struct ck_pipe *p, size_t capacity)
{
	unsigned size = 2;

	while (size <= capacity)
		size *= 2;
	ck_ring_init(&p->ring, size);
	p->buffer = aligned_alloc(128, size * sizeof(*p->buffer) + 128 - size * sizeof(*p->buffer) % 128);
	if (p->buffer == NULL)
		fail("no memory");
}

static inline void ck_pipe_close(struct ck_pipe *p)
{
	free(p->buffer);
}

static inline bool ck_pipe_push(struct ck_pipe *p, uint64_t item)
{
	void *pointer = (void *)(uintptr_t)item;

	return ck_ring_enqueue_spsc(&p->ring, p->buffer, pointer);
}

static inline bool ck_pipe_pop(struct ck_pipe *p, uint64_t *item)
{
	void *pointer;

	if (!ck_ring_dequeue_spsc(&p->ring, p->buffer, &pointer))
		return false;
	*item = (uint64_t)(uintptr_t)pointer;
	return true;
}

/* leat's ring alone: no waiting, no closing, no books. */
struct ring_pipe {
	struct leat_spsc ring;
	struct leat_spsc_side tx __attribute__((aligned(128))), rx __attribute__((aligned(128)));
	void *slots;
};

static inline void ring_pipe_open(struct ring_pipe *p, size_t capacity)
{
	p->slots = aligned_alloc(128, (leat_spsc_bytes(8, capacity) + 127) / 128 * 128);
	if (p->slots == NULL)
		fail("no memory");
	memset(p->slots, 0, leat_spsc_bytes(8, capacity));
	leat_spsc_init(&p->ring, &p->tx, &p->rx, p->slots, 8, capacity);
}

static inline void ring_pipe_close(struct ring_pipe *p)
{
	free(p->slots);
}

static inline bool ring_pipe_push(struct ring_pipe *p, uint64_t item)
{
	if (!leat_spsc_can_push(&p->tx))
		return false;
	leat_spsc_push(&p->tx, &item, 8);
	return true;
}

static inline bool ring_pipe_pop(struct ring_pipe *p, uint64_t *item)
{
	if (!leat_spsc_can_pop(&p->rx))
		return false;
	leat_spsc_pop(&p->rx, item, 8);
	return true;
}

/* leat's channel, as a user has it: closing, cancelling, counting; here its calls that do not wait. */
struct chan_pipe {
	struct leat_scope *scope;
	struct leat_tx *tx;
	struct leat_rx *rx;
};

static inline void chan_pipe_open(struct chan_pipe *p, size_t capacity)
{
	p->scope = leat_scope_open(NULL, NULL);
	if (p->scope == NULL ||
	    leat_chan_open(p->scope, 8, &(struct leat_chan_opts){ .capacity = capacity }, &p->tx, &p->rx) != 0)
		fail("cannot open a channel");
}

static inline void chan_pipe_close(struct chan_pipe *p)
{
	leat_tx_close(p->tx);
	leat_rx_close(p->rx);
	leat_scope_close(p->scope);
}

static inline bool chan_pipe_push(struct chan_pipe *p, uint64_t item)
{
	return leat_try_send(p->tx, &item) == 0;
}

static inline bool chan_pipe_pop(struct chan_pipe *p, uint64_t *item)
{
	return leat_try_recv(p->rx, item) == 1;
}

#endif
