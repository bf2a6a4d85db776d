/*
 * runtime/gen/compact_block.h: a compact generator's block, for the files that share it: start and
 * end (compact.c), turns (compact_turn.c), cancel (compact_cancel.c), figures (compact_stat.c), the
 * receiver (compact_rx.c) and its wake-up (compact_notify.c). Who may do what with which field
 * stands in compact.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_COMPACT_BLOCK_H
#define LEAT_RUNTIME_GEN_COMPACT_BLOCK_H

#include "runtime/gen/await.h"
#include "runtime/gen/compact.h"

#include <leat/atomic.h>
#include <leat/detail/chan.h>

/*
 * More bits of the control word: the two sides' last touch of the block. Who sets the second frees
 * it.
 */
enum { CTL_TURNS_DONE = 1u << 8, CTL_RX_DONE = 1u << 9 };

enum { MEASURE_EVERY = 32 };

/* What most have not. */
struct cold {
	struct leat_await await; /* once a step has asked for something else than a time */
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	struct leat_rx_waits waits;
	enum leat_wait recv_wait;
	char *input_text; /* with END_TEXT_INPUT */
	char name[LEAT_NAME_MAX + 1];
};

/* The text of how it ended. */
enum end_text {
	END_TEXT_NONE,   /* "" */
	END_TEXT_BROKEN, /* next returned what it must not */
	END_TEXT_THROWN, /* next was left by an exception */
	END_TEXT_SCOPE,  /* the scope's */
	END_TEXT_INPUT   /* that of its input's end, which the cold part has */
};

struct compact {
	/* what a struct leat_rx begins with; the side is shut */
	struct leat_arena *arena; /* ctl */
	struct leat_mpmc *fast;   /* NULL */
	uint64_t pos, limit;      /* equal for ever */
	uint32_t put_at, take_at; /* in place of base: the slots of tail and head */
	uint64_t *word;
	/* in place of head: the log of a step's nanoseconds, 0 unknown */
	uint32_t cost;
	uint16_t held; /* items peeked at */
	uint8_t cause; /* enum leat_cause */
	bool open;     /* the receiver is */
	size_t item_size;

	struct leat_job job; /* spare: ctl */
	uint64_t tail, head;
	uint64_t waiter; /* struct leat_sleeper *; with NOTIFYING while it is told */
	leat_next_fn *next;
	void *state;
	void (*fini)(void *state);
	struct leat_slab *slab;
	struct cold *cold; /* or NULL */
	uint64_t id;       /* the channel's; the generator's is the next; 0: the block is free */
	int32_t code;
	uint16_t capacity;
	uint8_t end_text; /* enum end_text */
	unsigned char slots[] __attribute__((aligned(8)));
};

LEAT_STATIC_ASSERT(offsetof(struct compact, arena) == offsetof(struct leat_rx, ctl),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, fast) == offsetof(struct leat_rx, fast),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, pos) == offsetof(struct leat_rx, ring.pos),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, limit) == offsetof(struct leat_rx, ring.limit),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, word) == offsetof(struct leat_rx, ring.word),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, item_size) == offsetof(struct leat_rx, ring.item_size),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, job) == 64, "the receiver's line is the first");
LEAT_STATIC_ASSERT(sizeof(struct compact) <= 200, "with one item of eight bytes 208");
/* Items are aligned to at most 16, as blocks are (leat_compact_suits()). */
LEAT_STATIC_ASSERT(offsetof(struct compact, slots) % 16 == 0, "slots are aligned");

static inline struct compact *compact_of_rx(const struct leat_rx *rx)
{
	return (struct compact *)(uintptr_t)rx;
}

static inline uint32_t *ctl_of(struct compact *c)
{
	return &c->job.spare;
}

static inline unsigned char *slot_at(struct compact *c, uint32_t at)
{
	return c->slots + at * c->item_size;
}

static inline uint32_t slot_after(const struct compact *c, uint32_t at, uint32_t n)
{
	at += n;
	return at >= c->capacity ? at - c->capacity : at;
}

static inline struct cold *cold_of(const struct compact *c)
{
	/* X1: pairs with leat_compact_ensure_cold() */
	return leat_load_acq(&c->cold);
}

/*
 * Workers take their time over it: they refill as soon as there is room, and not only when the
 * receiver has need.
 */
static inline bool is_run_by_workers(const struct compact *c)
{
	/* rlx: a hint */
	return leat_load_rlx(&c->cost) >= LEAT_COST_HEAVY || c->arena->workers_only;
}

/* --- compact.c --- */

/* Made by whoever needs it first, a turn or the receiver. NULL: there is no memory. */
struct cold *leat_compact_ensure_cold(struct compact *c);

/* Takes out what nobody will receive; the receiver, or who is alone with the block. */
void leat_compact_drain(struct compact *c, uint32_t ctl);

/*
 * One of the two sides has done with the block: frees it if it was the second, and lets a generator
 * that ended be joined.
 */
void leat_compact_leave(struct compact *c, uint32_t done, bool ended);

/* --- compact_turn.c --- */

extern const struct leat_job_kind leat_compact_job_kind;

/* For who has claimed it: one turn of n steps at the most, with the thread set up for it. */
enum leat_job_result leat_compact_run_turn(struct compact *c, uint32_t n, bool measure,
                                           bool by_receiver);

/* The text of how it ended. The last turn, and the receiver once that is over. */
const char *leat_compact_text(const struct compact *c);

/* --- compact_cancel.c --- */

/* The hook of an arena's gen_set. */
void leat_compact_cancel(struct leat_scope_hook *hook, const void *spared);

/* --- compact_rx.c --- */

extern const struct leat_rx_ops leat_compact_receiver;

/* --- compact_notify.c --- */

/* Wakes who stands there, if anybody does. */
void leat_compact_notify(struct compact *c);
/*
 * The two halves of that, for callers that hold a spin lock. begin() makes no system call. Where it
 * returns true the receiver can't leave, so its block stays, before the caller, which holds no spin
 * lock any more, has called finish().
 */
bool leat_compact_notify_begin(struct compact *c);
void leat_compact_notify_finish(struct compact *c); /* mutate */

/*
 * The receiver's one place to wait at: who stands there already, for the same receiver, goes. What
 * fence is to follow.
 */
bool leat_compact_add_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper);

/* Whether it was told. */
bool leat_compact_remove_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper); /* mutate */

/* Of items, and of the end or a cancel in ctl. Whether the receiver may have to be told. */
static inline bool fence_and_find_waiter(struct compact *c)
{
	/* C1: tail, ctl before waiter; pairs with compact_wait_prepare(), leat_event_fence() */
	leat_fence_light();
	if (leat_unlikely(c->arena->fenced))
		/* C1: without membarrier; pairs with compact_wait_prepare(), leat_event_fence() */
		leat_fence_seq();
	return leat_load_rlx(&c->waiter) != 0; /* rlx: C1 orders it */
}

static inline void notify_receiver(struct compact *c) /* mutate */
{
	if (leat_unlikely(fence_and_find_waiter(c)))
		leat_compact_notify(c);
}

#endif
