/*
 * runtime/gen/compact_block.h: the block of a compact generator, for the files that share it:
 *
 *     compact.c         its life: start, cold part, end, free
 *     compact_turn.c    the turns, and what the last one ends with
 *     compact_rx.c      the receiver's calls
 *     compact_notify.c  the place where the receiver waits, and its notifier
 *     compact_cancel.c  the walks of a cancel and of a stop
 *     compact_stat.c    the walk of a snapshot
 *
 * compact.h says which side may do what with which field, and which one frees the block.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_COMPACT_BLOCK_H
#define LEAT_RUNTIME_GEN_COMPACT_BLOCK_H

#include "runtime/chan/bind.h"
#include "runtime/gen/await.h"
#include "runtime/gen/compact.h"

#include <leat/atomic.h>
#include <leat/detail/chan.h>

/*
 * More bits of the control word. The first side that has done with the block sets its bit, as its
 * last touch; the second finds that bit and frees the block.
 */
enum { CTL_TURNS_DONE = 1u << 11, CTL_RX_DONE = 1u << 12 };

/*
 * A bit of held: the receiver is bound (runtime/chan/bind.h). A receive tests held for 0 anyway, so
 * a receiver that is not bound pays nothing.
 */
enum { HELD_BOUND = 1u << 15 };
LEAT_STATIC_ASSERT((unsigned)LEAT_COMPACT_BYTES < (unsigned)HELD_BOUND,
                   "no peek holds so many items");

enum { MEASURE_EVERY = 32 };

/* What most generators do not need; made by the first that does (X1), freed with the block. */
struct cold {
	struct leat_await await; /* its job is NULL until a step waits for more than a time */
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	struct leat_rx_waits waits;
	struct leat_bind bind; /* the receiver's */
	enum leat_wait recv_wait;
	char *input_text; /* of END_TEXT_INPUT, else NULL */
	char name[LEAT_NAME_MAX + 1];
};

/* Where the text of its end is. */
enum end_text {
	END_TEXT_NONE,   /* "" */
	END_TEXT_BROKEN, /* of a next that returned a value which it must not */
	END_TEXT_THROWN, /* of a next that was left by an exception */
	END_TEXT_SCOPE,  /* the text of the scope's cause */
	END_TEXT_STOP,   /* the text of the stop */
	END_TEXT_INPUT   /* the text of its input's end, in the cold part */
};

struct compact {
	/* what a struct leat_rx begins with; its cursor is disabled, so that calls come here */
	struct leat_arena *arena; /* where leat_rx has ctl: its first word is LEAT_CTL_RX_OPS */
	struct leat_mpmc *mpmc;   /* NULL */
	uint64_t pos, limit;      /* always equal */
	uint32_t put_at, take_at; /* in place of base: the slots that tail and head are at */
	uint64_t *word;
	/* in place of head: the logarithm of a step's nanoseconds; 0: unknown */
	uint32_t cost;
	uint16_t held; /* items that the receiver has peeked at, and HELD_BOUND */
	uint8_t cause; /* enum leat_cause */
	bool open;     /* the receiver is not closed */
	size_t item_size;

	struct leat_job job; /* its spare word is the control word of this channel */
	uint64_t tail, head;
	uint64_t waiter; /* a struct leat_sleeper *, or 0; and marks (compact_notify.c) */
	leat_next_fn *next;
	void *state;
	void (*fini)(void *state);
	struct leat_slab *slab;
	struct cold *cold; /* or NULL */
	uint64_t id;       /* of the channel; the generator's is the next; 0: the block is free */
	int32_t code;
	uint16_t capacity;
	uint8_t end_text; /* enum end_text */
	bool asked;       /* the last next asked to be called again */
	unsigned char slots[] __attribute__((aligned(8)));
};

LEAT_STATIC_ASSERT(offsetof(struct compact, arena) == offsetof(struct leat_rx, ctl),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, mpmc) == offsetof(struct leat_rx, mpmc),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, pos) == offsetof(struct leat_rx, spsc.pos),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, limit) == offsetof(struct leat_rx, spsc.limit),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, word) == offsetof(struct leat_rx, spsc.word),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, item_size) == offsetof(struct leat_rx, spsc.item_size),
                   "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, job) == 64, "the receiver's line is the first");
LEAT_STATIC_ASSERT(sizeof(struct compact) <= 200, "with one item of eight bytes 208");
/* Items need an alignment of at most 16 (leat_compact_suits()), which blocks have. */
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
 * Whether workers refill the channel as soon as there is room; else the receiver runs the generator
 * when it needs an item.
 */
static inline bool is_run_by_workers(const struct compact *c)
{
	/* rlx: a hint */
	return leat_load_rlx(&c->cost) >= LEAT_COST_HEAVY || c->arena->workers_only;
}

/* --- compact.c --- */

/* Returns the cold part, and makes it if there is none yet. NULL: there is no memory. */
struct cold *leat_compact_ensure_cold(struct compact *c);

/*
 * Discards all items that are in the channel. Called by the receiver, or by a side that is alone
 * with the block.
 */
void leat_compact_drain(struct compact *c, uint32_t ctl);

/*
 * The calling side (done: its bit) has done with the block, and must not touch it after this call.
 * Frees the block if the other side has done with it too. ended: the generator has ended just now,
 * and is counted off, so that joins may return.
 */
void leat_compact_leave(struct compact *c, uint32_t done, bool ended);

/* --- compact_turn.c --- */

extern const struct leat_job_kind leat_compact_job_kind;

/*
 * Gives one turn of at most n steps. Called by the thread that runs the job. measure: times the
 * steps. After LEAT_JOB_OVER the block may be gone, but for a receiver that runs its own.
 */
enum leat_job_result leat_compact_run_turn(struct compact *c, uint32_t n, bool measure,
                                           bool by_receiver);

/* Returns the text of its end. For the last turn, and for the receiver after that (K1). */
const char *leat_compact_text(const struct compact *c);

/* --- compact_cancel.c --- */

/* What the hook of an arena's gen_set calls. */
void leat_compact_cancel(struct leat_scope_hook *hook, const void *spared);
void leat_compact_stop(struct leat_scope_hook *hook);
enum leat_untold leat_compact_untold(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1]);

/* --- compact_rx.c --- */

extern const struct leat_rx_ops leat_compact_receiver;

/* --- compact_notify.c --- */

/* Notifies the sleeper that waits, if there is one. */
void leat_compact_notify(struct compact *c);
/*
 * The two halves of that, for a caller that holds a spin lock. begin() makes no system call. If it
 * returns true the receiver cannot leave its wait, so the block stays, until the caller has
 * released the spin lock and called finish().
 */
bool leat_compact_notify_begin(struct compact *c);
void leat_compact_notify_finish(struct compact *c); /* mutate */

/*
 * Puts the sleeper into the receiver's one place to wait at. A sleeper of the same receiver that is
 * there already is replaced. Returns which fence is to follow (leat_event_fence()).
 */
bool leat_compact_add_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper);

/* Takes the sleeper off that place. Returns whether it was notified. */
bool leat_compact_remove_waiter(struct leat_rx *rx, struct leat_sleeper *sleeper); /* mutate */

/*
 * Follows a publish: of items in tail, of the end or a cancel in ctl. Returns whether a receiver
 * may wait, and has to be notified.
 */
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
