/*
 * runtime/chan/chan.h: the inside of a channel.
 *
 *     line  field                writer                  reader        published by
 *     K     ctl                  closers, cancellers,    all           C1, C2 (parked bits),
 *                                waiters                               K1 (endings)
 *           options              open                    all           thread start
 *     ring  leat/ring/spsc.h or leat/ring/mpmc.h
 *     slow  events, lists, outcome                                     the locks named below
 *     H     a handle's cursors   its thread              its thread    private
 *           a handle's counts    its thread              snapshots     relaxed: each is a number
 *                                                                      of its own
 *
 * Which ring. An SPSC channel has Lamport's ring; the other kinds have the ring with turns. A
 * sender that drops the oldest item takes it as a receiver does, so such a channel always has turns
 * and more than one consumer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_CHAN_H
#define LEAT_RUNTIME_CHAN_CHAN_H

#include "runtime/chan/bind.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/event/event.h"
#include "runtime/registry/registry.h"
#include "runtime/scope/scope.h"

#include <leat/chan.h>
#include <leat/ring/mpmc.h>

/* What a handle's thread counts. It alone writes these words; a snapshot reads them one by one. */
struct leat_counts {
	uint64_t blocked_ns, parks, rejected, dropped_newest, peak;
};

/*
 * What a handle has claimed of a ring with turns: how many items, how often that number has
 * changed, and whether it is about to change. While it is, the position may count the claim already
 * or not.
 */
#define LEAT_CLAIM_ITEMS UINT64_C(0xffffffff)
#define LEAT_CLAIM_CHANGE (UINT64_C(1) << 32)
#define LEAT_CLAIMING (UINT64_C(1) << 63)

struct leat_handle {
	union {
		struct leat_tx tx;
		struct leat_rx rx;
		struct { /* what both have */
			uint32_t *ctl;
			struct leat_mpmc *mpmc;
			struct leat_spsc_cursor spsc;
			struct leat_chan *chan;
			struct leat_mpmc_cursor cursor;
		};
	};
	bool sender, open;
	struct leat_event *event; /* where it parks: room, items, or a stage of a broadcast */
	enum leat_wait wait;
	struct leat_stop_mark mark; /* a sender's */
	/* in the last call of a seq that a stop found asleep: it may send what that returns */
	bool last_call;
	struct leat_handle_gen *gen; /* that leat_gen_into() gave the handle to, or NULL */
	uint32_t scratched; /* 1: what it holds is the scratch item; its thread writes it */
	size_t held;        /* items reserved, or peeked at */
	uint64_t claimed;   /* LEAT_CLAIM_ITEMS and so on */
	struct leat_mpmc_claim claim; /* what is held of a ring with turns */
	/* of a sender on a channel that drops: an item that is reserved, or is being dropped */
	void *scratch;
	struct leat_rx_waits waits;
	uint64_t wait_base_ns; /* while it waits: when that began, less blocked_ns; else 0 */
	struct leat_counts counts;
	struct leat_handle *prev, *next;    /* in handles or closed of the channel */
	struct leat_bind *bound;            /* a sender's: the bindings to it (bind.h) */
	struct leat_bind bind;              /* a receiver's own */
	struct leat_rx_ops_word bound_word; /* what its ctl points to while it is bound; constant */
};

LEAT_STATIC_ASSERT(offsetof(struct leat_handle, cursor) == offsetof(struct leat_tx, cursor),
                   "a handle is either");
LEAT_STATIC_ASSERT(offsetof(struct leat_handle, cursor) == offsetof(struct leat_rx, cursor),
                   "a handle is either");

/*
 * The generator that leat_gen_into() gave a handle to (handle_gen.c). The handle's thread alone
 * uses it, but for the words that say otherwise.
 */
struct leat_handle_gen {
	struct leat_scope_hook hook; /* in the generator's scope */
	struct leat_scope *scope;
	struct leat_handle *h;
	/*
	 * LEAT_CTL_CANCELED, LEAT_CTL_STOPPING: the generator's scope is, where that is not the
	 * channel's. Any thread sets them (K4)
	 */
	uint32_t ends;
	int refused; /* the first of -EPIPE and -ECANCELED that was found, which stays; 0: none */
	bool has_words;
	char words[LEAT_TEXT_MAX + 1]; /* of leat_tx_fail() */
	char name[LEAT_NAME_MAX + 1];
};

/* The figures of the last snapshot, and the most items in flight that any found. */
struct leat_last_stat {
	uint64_t delivered, in_flight, peak, dropped[LEAT_DROP_REASONS];
	uint64_t blocked_ns[2]; /* of receivers, of senders */
};

struct leat_outcome {
	bool known;
	bool origin; /* a failure that began in the generator, not in its scope or its input */
	enum leat_cause cause;
	int code;
	char text[LEAT_TEXT_MAX + 1];
};

/*
 * A generator on a pool, which sends into a channel and is no thread. It is freed with the channel.
 */
struct leat_producer {
	/* Runs the generator in this thread, unless another runs it. Whether it did. */
	bool (*run_here)(struct leat_producer *producer);
	/* A receiver wants items: has a worker run the generator. */
	void (*schedule)(struct leat_producer *producer);
	/* The last receiver closed: has a worker end the generator, before other jobs. */
	void (*end)(struct leat_producer *producer);
};

/*
 * The ring of a broadcast, whose handles are this channel's: what runtime/broadcast does in place
 * of this room.
 */
struct leat_chan_ring {
	/* Copies up to n items in. Returns how many; 0: there is no room. */
	size_t (*push)(struct leat_handle *h, const void *items, size_t n);
	/* leat_detail_send_wait() of an open handle that holds nothing. */
	int (*send)(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns);
	/* leat_detail_send_many() of such a handle. */
	ssize_t (*send_many)(struct leat_tx *tx, const void *items, size_t n, size_t size,
	                     int64_t deadline_ns);
	bool (*writable)(struct leat_handle *h);
	/* For reservations: how many slots are at *place, or -ENOTSUP. */
	ssize_t (*claim)(struct leat_handle *h, size_t want, void **place);
	void (*commit)(struct leat_handle *h, size_t n);
	/* This handle has released items. */
	void (*received)(struct leat_handle *h);
	/* How often its threads have moved a position: a hint for waits that yield. */
	uint64_t (*count_transfers)(const struct leat_chan *chan);
	/* Something has ended: notifies those that wait elsewhere than on the channel's events. */
	void (*notify_ends)(struct leat_chan *chan);
	/* leat_tx_close_all(): no item gets into the ring any more. */
	void (*close_senders)(struct leat_chan *chan);
	/* The channel is destroyed: discards what is left in the slots. */
	void (*drain)(struct leat_chan *chan);
	/* Fills in delivered, in_flight and dropped. Caller holds chan->lock. */
	void (*read_figures)(struct leat_chan *chan, struct leat_last_stat *now);
	/* The figures of one receiver. Caller holds chan->lock. */
	void (*read_receiver)(const struct leat_handle *h, struct leat_subscriber_stat *stat);
	void (*free)(struct leat_chan *chan);
	/* The channel is made; no other thread knows it yet. */
	void (*opened)(struct leat_chan *chan);
	/* A receiver's handle has closed. Caller holds chan->lock. */
	void (*unlinked)(struct leat_handle *h);
};

struct leat_broadcast;

/* What first_tx is: no generator's, that of a function or a sink, or that of a seq. */
enum leat_sent_by { LEAT_BY_ANY_THREAD, LEAT_BY_FUNCTION, LEAT_BY_SEQ };

struct leat_chan {
	uint32_t ctl __attribute__((aligned(LEAT_LINES_APART)));
	const struct leat_rx_ops *rx_functions; /* behind ctl: struct leat_rx_ops_word */
	const struct leat_chan_ring *ring;      /* of a broadcast; NULL: spsc or mpmc below */
	struct leat_broadcast *broadcast;       /* or NULL */
	bool turns;                             /* the ring is mpmc, else spsc */
	enum leat_kind kind;
	enum leat_wait send_wait, recv_wait;
	enum leat_overflow overflow;
	size_t item_size, capacity;
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	struct leat_scope *scope;
	struct leat_producer *producer; /* or NULL */
	void *slots;

	union {
		struct leat_spsc spsc;
		struct leat_mpmc mpmc;
	};

	/*
	 * Where receivers (items), senders (room) and leat_tx_wait() (done) park. Both sides may
	 * park at the same time, so each event has lines of its own.
	 */
	struct leat_event items __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_event room __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_event done __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_scope_hook hook;
	struct leat_node node;
	struct leat_end *end;
	char name[LEAT_NAME_MAX + 1];

	/*
	 * A drop moves the ring's head: it counts itself begun, moves head, counts in dropped[],
	 * counts itself ended (edges D1, D2 in runtime/chan/stat.h).
	 */
	uint64_t drops_begun, drops_ended, dropped[LEAT_DROP_REASONS];
	uint64_t skipped_sent, skipped_taken;

	/* for untold(): whose sender its first one is; an enum leat_sent_by */
	uint32_t sent_by;

	struct leat_mutex lock;                  /* guards what follows */
	struct leat_handle *handles, *closed[2]; /* closed: by side, as past */
	unsigned senders, receivers, holds;
	bool settled;      /* these are the last figures: a broadcast's ring may be freed */
	bool open_to_more; /* a broadcast that has not been closed: more receivers may come */
	struct leat_counts past[2]; /* of closed handles: [0] receivers, [1] senders */
	struct leat_last_stat last_stat;
	bool has_words;
	int words_code;
	char words[LEAT_TEXT_MAX + 1];
	struct leat_outcome outcome; /* of leat_gen() and its like: the generator's */
	struct leat_outcome stopped; /* of the first of leat_gen_into() that a stop ended */

	struct leat_handle first_tx __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_handle first_rx __attribute__((aligned(LEAT_LINES_APART)));
};

static inline struct leat_handle *leat_handle_of_tx(const struct leat_tx *tx)
{
	return (struct leat_handle *)(uintptr_t)tx;
}

static inline struct leat_handle *leat_handle_of_rx(const struct leat_rx *rx)
{
	return (struct leat_handle *)(uintptr_t)rx;
}

static inline struct leat_chan *leat_chan_of(const struct leat_handle *h)
{
	return h->tx.chan;
}

static inline bool leat_chan_many_senders(const struct leat_chan *chan)
{
	return chan->kind == LEAT_MPSC || chan->kind == LEAT_MPMC;
}

static inline bool leat_chan_many_receivers(const struct leat_chan *chan)
{
	return chan->kind == LEAT_SPMC || chan->kind == LEAT_MPMC;
}

/* Whether leat_tx_close_all() has closed the ring: then TX_CLOSED is read set, too. */
static inline bool leat_chan_ring_closed(const struct leat_chan *chan)
{
	return chan->turns && leat_unlikely(leat_mpmc_is_closed(&chan->mpmc));
}

/* Adds to a counter that only this thread writes. */
static inline void leat_bump(uint64_t *counter, uint64_t by)
{
	/* rlx: one writer; snapshots take it as it is */
	leat_store_rlx(counter, leat_load_rlx(counter) + by);
}

/* What other folders of runtime/ call too, each under the source that defines it. */

/* handle.c */

/* Stops the program if the handle is closed. */
void leat_handle_check(const struct leat_handle *h, const char *call);

/* chan.c */

/*
 * Opens a channel. Errors as leat_chan_open(). With rx NULL and item_size 0 it is the channel of a
 * task: it carries no items, and its sender only learns when to stop.
 */
int leat_chan_create(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                     struct leat_tx **tx, struct leat_rx **rx);
/*
 * The same without a receiver, for a broadcast, which has called leat_chan_check(). On an error the
 * ring has not been freed.
 */
int leat_chan_create_broadcast(struct leat_scope *scope, size_t item_size,
                               const struct leat_chan_opts *opts, struct leat_broadcast *broadcast,
                               const struct leat_chan_ring *ring, const struct leat_rx_ops *ops,
                               struct leat_chan **chan);
/* 0, or -EINVAL for options that leat_chan_create() refuses. */
int leat_chan_check(const struct leat_chan_opts *opts);

/* endings.c */

/* Keeps the channel and its place in its scope until let go, whichever handles close meanwhile. */
void leat_chan_hold(struct leat_chan *chan);
void leat_chan_let_go(struct leat_chan *chan);
/* A broadcast's close: lets go, and if it has no receiver it never will. */
void leat_chan_close_to_more(struct leat_chan *chan);
/* Says how the generator of this channel ended. The caller closes its sender after that. */
void leat_chan_set_outcome(struct leat_chan *chan, const struct leat_outcome *outcome);
/*
 * The same of one of several generators, by leat_gen_into(). The first that failed has its words
 * kept, as leat_tx_fail() does; else the first that was stopped is kept.
 */
void leat_chan_add_outcome(struct leat_chan *chan, const struct leat_outcome *outcome, bool failed);
/*
 * The generator failed and its scope is cancelled, but its items are kept. Clones of its sender
 * that are still open get -ECANCELED. Receivers take what was sent and then get 0, whether those
 * clones are closed or not.
 */
void leat_chan_fail_tx(struct leat_chan *chan);
/* Copies the text of leat_tx_fail(), or "". */
void leat_chan_words(struct leat_chan *chan, char text[LEAT_TEXT_MAX + 1]);

/*
 * One more bit of the control word: leat_tx_close_all() has ended the stream. It is set together
 * with TX_FAILED, which the fast paths test: senders are refused, and this says with -EPIPE.
 */
enum { LEAT_CTL_TX_CLOSED = 1u << 14 };

/* The error that a send of any handle returns now: 0, -EPIPE, -ECANCELED. */
static inline int leat_chan_refusal(const struct leat_chan *chan)
{
	/* K1: the scope's cause before CANCELED; pairs with leat_chan_cancel() */
	uint32_t ctl = leat_load_acq(&chan->ctl);

	if (ctl & LEAT_CTL_TX_CLOSED)
		return -EPIPE; /* it was first */
	if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_TX_FAILED))
		return -ECANCELED;
	return ctl & LEAT_CTL_RX_GONE ? -EPIPE : 0;
}

/* Whether leat_tx_close_all() is why sends are refused. */
static inline bool leat_chan_ended_by_sender(const struct leat_chan *chan)
{
	/* rlx: the caller has read that they are */
	return leat_load_rlx(&chan->ctl) & LEAT_CTL_TX_CLOSED;
}

/* handle_gen.c */

/*
 * The handle becomes the output of a generator of this name in this scope. Returns 0, -ECANCELED in
 * a cancelled scope, -ENOMEM.
 */
int leat_handle_gen_attach(struct leat_handle *h, struct leat_scope *scope, const char *name);
/* The generator has ended, or has not begun. Does nothing where there is none. */
void leat_handle_gen_detach(struct leat_handle *h);
/* refusal: the channel's, or 0. Returns the first that this was called with or found. */
int leat_handle_gen_refusal(struct leat_handle_gen *gen, int refusal);

/*
 * More bits of the control word, of a channel and of a compact generator: its scope is stopping;
 * one of its senders is a source, or was. LEAT_CTL_STOPPING is set with the second of them.
 */
enum { LEAT_CTL_SCOPE_STOPS = 1u << 9, LEAT_CTL_HAS_SOURCE = 1u << 10 };
/* Of a compact generator: it receives, as mark.fed says of others. */
enum { LEAT_CTL_FED = 1u << 13 };

/* The generator whose output this is, if any, receives: a stop need not reach it. */
static inline void leat_handle_note_fed(struct leat_handle *h)
{
	leat_store_rlx(&h->mark.fed, 1); /* rlx: for a text, as leat_chan_untold() says */
}

/* Whether a stop ends the sends of this handle. For the handle's thread. */
static inline bool leat_handle_is_stopped(const struct leat_handle *h)
{
	/* S4: what was done before the stop; pairs with leat_ctl_set_stop_bit() */
	uint32_t ctl = leat_load_acq(h->ctl);

	if (leat_likely(!(ctl & LEAT_CTL_STOPPING)) ||
	    !leat_load_rlx(&h->mark.source)) /* rlx: its own thread's */
		return false;
	if (ctl & LEAT_CTL_SCOPE_STOPS)
		return true;
	/* K4: what was done before the stop; pairs with end_handle() */
	return h->gen != NULL && leat_load_acq(&h->gen->ends) & LEAT_CTL_STOPPING;
}

/* The error that a send on this handle returns now, but for a stop. For the handle's thread. */
static inline int leat_handle_end(const struct leat_handle *h)
{
	int refusal = leat_chan_refusal(leat_chan_of(h));

	return leat_unlikely(h->gen != NULL) ? leat_handle_gen_refusal(h->gen, refusal) : refusal;
}

/*
 * The error that a send on this handle returns now: 0, -EPIPE, -ECANCELED, -ESHUTDOWN. For the
 * handle's thread.
 */
static inline int leat_handle_refusal(struct leat_handle *h)
{
	int refusal = leat_handle_end(h);

	if (refusal != 0 || !leat_handle_is_stopped(h) || h->last_call)
		return refusal;
	h->mark.told = true;
	return -ESHUTDOWN;
}

static inline int leat_tx_refusal(struct leat_tx *tx)
{
	return leat_handle_refusal(leat_handle_of_tx(tx));
}

/* stop.c */

/* Sets one of SCOPE_STOPS and HAS_SOURCE. Returns whether both are set since. */
bool leat_ctl_set_stop_bit(uint32_t *ctl, uint32_t bit);

/* The functions of a channel's hook. */
void leat_chan_stop(struct leat_scope_hook *hook);
enum leat_untold leat_chan_untold(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1]);

/* stat.c */

/* Reads the figures as they are now. Any thread, while the channel exists. */
void leat_chan_read_stat(struct leat_chan *chan, struct leat_chan_stat *stat);
/* Of a broadcast: how many open subscribers there are; fills in stats of up to `room` of them. */
size_t leat_chan_read_subscribers(struct leat_chan *chan, struct leat_subscriber_stat *stats,
                                  size_t room);

#endif
