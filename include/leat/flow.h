/*
 * leat/flow.h: flows: graphs of steps between sources and ends.
 *
 * A flow is declared, checked, and then started. Neighbouring steps share a thread, an island; a
 * ring is only where an island ends. Items go through an island in vectors: each step is called
 * once for some 16 to 256 items, and its loop is in the program's own file, where the compiler sees
 * the body. This is libleat-flow, a library of its own on the public calls of libleat.
 *
 *     LEAT_TYPE(tick, struct tick);
 *     LEAT_FILTER(liquid, tick, t, const struct limits *, lim) { return t->qty >= lim->min; }
 *     LEAT_MAP(price, tick, t, u64, p, const void *, unused) { *p = t->px; return 0; }
 *     LEAT_EACH(add, u64, p, uint64_t *, sum) { *sum += *p; return 0; }
 *
 *     struct leat_flow *f = leat_flow_open(scope, NULL);
 *     struct leat_port p = leat_flow_from_rx(f, LEAT_T(tick), rx);
 *     p = leat_flow_step(p, &liquid, &lim);
 *     p = leat_flow_step(p, &price, NULL);
 *     leat_flow_for_each(p, &add, &sum);
 *     rc = leat_flow_start(f);            0, or what is wrong: leat_flow_error(f) has it in words
 *     rc = leat_flow_join(f);             sum is valid now
 *     leat_flow_close(f);
 *
 * Errors build up. A call with a mistake marks the flow: the first mistake is kept, with the step
 * and the source line; later calls do nothing; leat_flow_check() and leat_flow_start() return it. A
 * port is used once. A program that needs its items twice puts leat_flow_tee() behind it.
 *
 * Which thread. The calls that declare, and start, join and close, are for one thread at a time.
 *
 * Vectors. An island takes what is there and never waits to fill a vector. Items above 32 bytes are
 * read from the ring in place, and written into the next ring in place; smaller ones are copied, a
 * vector at once, between rings of 64 items and more. It looks at cancels, stops and
 * consumers that have left between vectors; a vector is as long as the island has lately worked
 * through in 100 microseconds, at most.
 *
 * How a flow ends
 *
 *     the sources end                   what is on its way is worked off; join returns 0
 *     a step returns -errno             its item is not passed on; what its island had passed on
 *                                       before is worked off behind it; join returns that code, and
 *                                       leat_flow_error() names step, item and source line
 *     an end has had enough             what is before it is told, as by -EPIPE, and ends; join
 *                                       returns 0, also where an item behind has failed in the
 *                                       same vector
 *     a source fails, or a receiver's   what it has sent is worked off; join returns that code
 *     scope is cancelled                (-ECANCELED for a cancel without one)
 *     the scope is cancelled            all end at once; join returns the scope's code, or 0.
 *                                       -ECANCELED, from a step whose wait was refused, is no
 *                                       failure then
 *     the scope is stopped              the sources end, and the rest is worked off. A receiver of
 *                                       the program's ends when its senders do
 *
 * Ordered workers end as one would: exactly what is before the item that failed comes out. Each
 * branch ends alone: a failure behind a tee, or in a part of a partition, does not end the others.
 *
 * Ownership. The flow owns items. A step never frees one: it leaves it out (LEAT_SKIP, a filter),
 * and the flow calls the type's discard. Behind a tee items are const, and discard runs once, when
 * the last branch has passed them; a branch that gives them away there, by a filter, into a ring or
 * into memory, gives away copies, by the type's dup.
 *
 * The vector as a unit of work: David Barach, Leonardo Linguaglossa, Damjan Marion and others,
 * "High-Speed Software Data Plane via Vectorized Packet Processing", 2018.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_H
#define LEAT_FLOW_H

#include <leat/broadcast.h>
#include <leat/gen.h>
#include <leat/pace.h>

#include <stddef.h>
#include <stdio.h>

LEAT_BEGIN_DECLS

/*
 * The layout of the structures of this header. leat_flow_open() passes it, and refuses a caller
 * that was compiled for another one, as the core does by LEAT_ABI (leat/base.h).
 */
#define LEAT_FLOW_ABI 3u

/* --- types --- */

/*
 * A type of items: two ports fit if name, size and discard are equal. discard frees what an item
 * owns, and may be NULL.
 */
struct leat_type {
	const char *name;
	size_t size;
	void (*discard)(void *item, void *arg);
	/* makes *copy an item of its own, like *item: 0, or -errno; may be NULL */
	int (*dup)(void *copy, const void *item);
	/* of a batch: what its items are, how many at most, and where the first is */
	const struct leat_type *of;
	size_t most, offset;
	/* of a pair, whose first is of type `of`: the second */
	const struct leat_type *second;
	size_t second_offset;
};

/* LEAT_TYPE(tick, struct tick): LEAT_T(tick) is its tag. Once in a file. */
#define LEAT_TYPE(name, ctype) LEAT_TYPE_OWNED(name, ctype, NULL, NULL)
/* LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, dup): items that own something. */
#define LEAT_TYPE_OWNED(name, ctype, discard_fn, dup_fn) \
	typedef ctype leat_item_##name; \
	static const struct leat_type leat_type_##name \
		__attribute__((unused)) = { #name, sizeof(ctype), discard_fn, dup_fn, NULL, 0, \
		                            0,     NULL,          0 }
/* Up to `most` items of a type (without discard) as one: LEAT_BATCH(ticks, tick, 32). */
#define LEAT_BATCH(name, type, most_) \
	typedef struct { \
		uint64_t count; \
		leat_item_##type items[most_]; \
	} leat_item_##name; \
	LEAT_DETAIL_TYPE_OF(name, type, (most_), items, NULL, 0, NULL, NULL)
/* An item that has failed: LEAT_TROUBLE(failed_tick, tick), for leat_flow_divert(). */
#define LEAT_TROUBLE(name, type) \
	typedef struct { \
		int64_t code; \
		uint64_t number; \
		leat_item_##type item; \
	} leat_item_##name; \
	LEAT_DETAIL_TYPE_OF(name, type, 1, item, NULL, 0, NULL, NULL)
/*
 * One of each: LEAT_PAIR(both, tick, quote), for leat_flow_zip(). Where one of them owns something
 * the pair owns it: LEAT_PAIR_OWNED(both, line, quote, discard, dup), whose discard frees both.
 */
#define LEAT_PAIR(name, type, second_type) LEAT_PAIR_OWNED(name, type, second_type, NULL, NULL)
#define LEAT_PAIR_OWNED(name, type, second_type, discard_fn, dup_fn) \
	typedef struct { \
		leat_item_##type first; \
		leat_item_##second_type second; \
	} leat_item_##name; \
	LEAT_DETAIL_TYPE_OF(name, type, 1, first, &leat_type_##second_type, \
	                    offsetof(leat_item_##name, second), discard_fn, dup_fn)
#define LEAT_DETAIL_TYPE_OF(name, type, most, member, second, second_offset, discard_fn, dup_fn) \
	static const struct leat_type leat_type_##name \
		__attribute__((unused)) = { #name, \
		                            sizeof(leat_item_##name), \
		                            discard_fn, \
		                            dup_fn, \
		                            &leat_type_##type, \
		                            most, \
		                            offsetof(leat_item_##name, member), \
		                            second, \
		                            second_offset }
#define LEAT_T(name) (&leat_type_##name)

LEAT_TYPE(u64, uint64_t);
LEAT_TYPE(i64, int64_t);
LEAT_TYPE(f64, double);
/*
 * A stream as an item, for leat_flow_bridge(): its receiver, which discard closes. One for all, as
 * a type with a function of the library: LEAT_T(rx)->discard is also for a channel of such items.
 */
typedef struct leat_rx *leat_item_rx;
extern LEAT_API const struct leat_type leat_type_rx;

/* --- steps --- */

/*
 * What a step is given: `n` items at `in`, side by side, and room for `room` of its own at `out`.
 * It sets `used` to how many of the first it has dealt with, and `made` to how many it has written.
 * The flow calls it again with what it has not used, until it uses none and makes none. With
 * `last`, no further items come: a step that holds some writes them now. An end is called so, too.
 */
struct leat_vec {
	const void *in;
	size_t n, used;
	void *out;
	size_t room, made;
	bool last;
	uint64_t skipped; /* of those used: left out on purpose, as by LEAT_SKIP */
};

/*
 * The one signature of all steps. Returns 0; LEAT_ENOUGH when it wants no further items; or -errno,
 * which is the failure of the item at in[used], and with used == n that of no item: on_error leaves
 * out items alone.
 *
 * LEAT_LATER, of a step with due_ns: it is not to be called before it is due, neither with the
 * items that it has not used nor, with `last`, for those that it still holds. Meanwhile the items
 * before it wait.
 *
 * A number or a result that cannot be, used > n say, fails with -EINVAL, and nothing is sent of
 * what that call has made.
 */
typedef int leat_step_fn(void *state, struct leat_vec *v);
enum { LEAT_SKIP = 1, LEAT_ENOUGH = 2, LEAT_LATER = 3 };

/*
 * What becomes of an item of a type with discard: a map's result is a new item, and the flow frees
 * the one it was given; a filter passes the item itself on, or the flow frees it. A step of either
 * kind with `owns` does all that itself. LEAT_STEP_FUSED is for types without discard.
 */
enum leat_step_kind { LEAT_STEP_MAP, LEAT_STEP_FILTER, LEAT_STEP_FUSED, LEAT_STEP_END };

struct leat_step {
	const char *name;
	enum leat_step_kind kind;
	leat_step_fn *fn;
	const struct leat_type *in, *out; /* out NULL: an end */
	size_t most; /* items that it makes of one; it is given room for so many (at most 256) */
	/* its state is of a type `const T *`, so several workers may share it */
	bool stateless;
	/*
	 * When it is to be called next, with no item: a time on the clock of leat_now_ns(), or
	 * LEAT_NEVER. NULL: never. Not between workers that share their items and gather; workers
	 * by key each call it at its times.
	 *
	 * Such a call deals with what is due: it makes items, or a later due_ns. A step that does
	 * neither, nor is given items, is called again at once, and fails at the 65,536th such call
	 * in a row, with -EINVAL and words.
	 */
	int64_t (*due_ns)(const void *state);
	/*
	 * It may wait for something else than its items: a lock, a descriptor, a call of leat. Its
	 * island then has a thread, and no pool.
	 */
	bool waits;
	/*
	 * Items that it has used are its own: it passes them on, changed or as they are, or frees
	 * them. So the flow touches none of them, and a filter is called for whole vectors, which
	 * without this is called for one item of such a type at a time. LEAT_FILTER and LEAT_EDIT
	 * own their items.
	 */
	bool owns;
	/*
	 * The most items that its island takes from a ring at once; 0: as many as fit. For a step
	 * that may end before its input, or that lets items through one by one: what the island has
	 * taken is no longer in the ring, nor in the books of what was dropped there.
	 */
	size_t vector;
	const char *file;
	int line;
};

/* State that is made once for each worker: `size` bytes of zeros, then init; fini at the end. */
struct leat_state {
	size_t size;
	int (*init)(void *state, const void *arg); /* 0, or -errno; may be NULL */
	void (*fini)(void *state);                 /* may be NULL */
	const void *arg;
};

/*
 * Steps made of the body for one item. The body is a function of its own, named after the step.
 *
 *     LEAT_MAP(name, in, x, out, y, state type, s)     { *y = f(*x); return 0; }   0, LEAT_SKIP,
 *                                                            LEAT_ENOUGH (without this item),
 *                                                            -errno
 *     LEAT_FLAT_MAP(name, in, x, out, y, most, state type, s)
 *                                                      { y[0] = ..; return 1; }    how many it
 *                                                            has written, up to `most`, or -errno
 *     LEAT_FILTER(name, type, x, state type, s)        { return keep(x); }         a bool
 *     LEAT_EDIT(name, type, x, state type, s)          { x->n++; return 0; }       changes the
 *                                                            item itself: 0, LEAT_SKIP,
 *                                                            LEAT_ENOUGH, -errno; with the last
 *                                                            two it has changed nothing
 *     LEAT_EACH(name, type, x, state type, s)          { use(x); return 0; }       an end: 0,
 *                                                                        LEAT_ENOUGH, -errno
 *
 * LEAT_FUSE(name, in, out, first, second, ...) is one step of up to eight maps and filters that are
 * known together: an item goes through all of them in registers. Its state is an array of their
 * states, in this order, which the caller keeps: leat_flow_step(p, &fused, (void *[]){ a, b }).
 */
#define LEAT_MAP(name, intype, x, outtype, y, statetype, s) \
	static inline int name##_item(const leat_item_##intype *x, leat_item_##outtype *y, \
	                              statetype s); \
	typedef leat_item_##intype name##_in; \
	typedef leat_item_##outtype name##_out; \
	LEAT_DETAIL_ONE(name, statetype, name##_item(x_, y_, (statetype)(uintptr_t)s_)) \
	LEAT_DETAIL_MAP_STEP(name, LEAT_STEP_MAP, LEAT_T(intype), LEAT_T(outtype), statetype) \
	static inline int name##_item(const leat_item_##intype *x, leat_item_##outtype *y, \
	                              __attribute__((unused)) statetype s)

#define LEAT_FILTER(name, type, x, statetype, s) \
	static inline bool name##_item(const leat_item_##type *x, statetype s); \
	typedef leat_item_##type name##_in; \
	typedef leat_item_##type name##_out; \
	LEAT_DETAIL_ONE(name, statetype, \
	                (*y_ = *x_, name##_item(x_, (statetype)(uintptr_t)s_) ? 0 : LEAT_SKIP)) \
	LEAT_DETAIL_OWN_STEP(name, LEAT_STEP_FILTER, type, statetype) \
	static inline bool name##_item(const leat_item_##type *x, \
	                               __attribute__((unused)) statetype s)

#define LEAT_EDIT(name, type, x, statetype, s) \
	static inline int name##_item(leat_item_##type *x, statetype s); \
	typedef leat_item_##type name##_in; \
	typedef leat_item_##type name##_out; \
	LEAT_DETAIL_ONE(name, statetype, (*y_ = *x_, name##_item(y_, (statetype)(uintptr_t)s_))) \
	LEAT_DETAIL_OWN_STEP(name, LEAT_STEP_MAP, type, statetype) \
	static inline int name##_item(leat_item_##type *x, __attribute__((unused)) statetype s)

#define LEAT_FLAT_MAP(name, intype, x, outtype, y, most_, statetype, s) \
	static inline int name##_item(const leat_item_##intype *x, leat_item_##outtype *y, \
	                              statetype s); \
	static int name##_vec(void *state_, struct leat_vec *v_) \
	{ \
		const leat_item_##intype *in_ = (const leat_item_##intype *)v_->in; \
		leat_item_##outtype *out_ = (leat_item_##outtype *)v_->out; \
		size_t i_ = 0, made_ = 0; \
		int rc_ = 0; \
		while (i_ < v_->n && v_->room - made_ >= (most_)) { \
			rc_ = name##_item(&in_[i_], &out_[made_], (statetype)(uintptr_t)state_); \
			if (rc_ < 0) \
				break; \
			made_ += (size_t)rc_; \
			i_++; \
		} \
		v_->used = i_; \
		v_->made = made_; \
		return rc_ < 0 ? rc_ : 0; \
	} \
	LEAT_DETAIL_STEP(name, LEAT_STEP_MAP, LEAT_T(intype), LEAT_T(outtype), (most_), statetype, \
	                 false) \
	static inline int name##_item(const leat_item_##intype *x, leat_item_##outtype *y, \
	                              __attribute__((unused)) statetype s)

#define LEAT_EACH(name, type, x, statetype, s) \
	static inline int name##_item(const leat_item_##type *x, statetype s); \
	static int name##_vec(void *state_, struct leat_vec *v_) \
	{ \
		const leat_item_##type *in_ = (const leat_item_##type *)v_->in; \
		const size_t n_ = v_->n; \
		int rc_ = 0; \
		size_t i_; \
		for (i_ = 0; i_ < n_ && rc_ == 0; i_++) \
			rc_ = name##_item(&in_[i_], (statetype)(uintptr_t)state_); \
		v_->used = rc_ < 0 ? i_ - 1 : i_; \
		return rc_; \
	} \
	LEAT_DETAIL_STEP(name, LEAT_STEP_END, LEAT_T(type), NULL, 0, statetype, false) \
	static inline int name##_item(const leat_item_##type *x, \
	                              __attribute__((unused)) statetype s)

#define LEAT_FUSE(name, intype, outtype, ...) LEAT_DETAIL_FUSE(name, intype, outtype, __VA_ARGS__)

/* --- building --- */

struct leat_flow;

/* An output of a step, by value. */
struct leat_port {
	struct leat_flow *flow;
	uint32_t node, output;
};

enum leat_flow_order { LEAT_UNORDERED, LEAT_ORDERED };

struct leat_flow_opts {
	const char *name;
	size_t capacity;     /* of the rings between islands, in items; 0: 1024 */
	enum leat_wait wait; /* of those who wait at these rings */
	/*
	 * Islands run in steps on this pool, without a thread of their own, where they can: those
	 * that end in a buffer or an end, not in a ring that several send into or receive from, of
	 * steps that do not wait (leat_step.waits; rate, retry, item_timeout, divert and what is
	 * due at a time do), and not behind workers, a zip, a bridge, or a merge by key or by
	 * priority. A seq that is a source runs on it, too. The others have threads, as all have
	 * without a pool; leat_flow_draw() and leat_flow_estimate() tell. The pool is the caller's,
	 * and lives until join returns.
	 */
	struct leat_pool *pool;
	uint64_t reserved[7]; /* zero */
};

/* NULL: leat_open_error(). The flow runs in a scope of its own below this one. */
LEAT_API struct leat_flow *leat_flow_open(struct leat_scope *scope,
                                          const struct leat_flow_opts *opts);
LEAT_API struct leat_flow *leat_detail_flow_open(unsigned abi, struct leat_scope *scope,
                                                 const struct leat_flow_opts *opts);
/* Variadic, so that an argument may be a compound literal. */
#define leat_flow_open(...) \
	leat_detail_flow_open(LEAT_FLOW_ABI << 16 | (unsigned)sizeof(struct leat_flow_opts), \
	                      __VA_ARGS__)

/* --- sources: the flow owns what it is given, from the call on, whatever comes later --- */

/*
 * The first island may read the ring in place, and hold items there while it works on them. So no
 * other receiver may take from that channel meanwhile, nor may it drop its oldest items, if they
 * are above 32 bytes: for such a channel, leat_flow_from_seq(flow, type, leat_seq_from_rx(rx))
 * copies.
 */
LEAT_API struct leat_port leat_flow_from_rx(struct leat_flow *flow, const struct leat_type *type,
                                            struct leat_rx *rx);
LEAT_API struct leat_port leat_flow_from_seq(struct leat_flow *flow, const struct leat_type *type,
                                             struct leat_seq seq);
/* A generator with a thread of its own. */
LEAT_API struct leat_port leat_flow_from_gen(struct leat_flow *flow, const struct leat_type *type,
                                             leat_gen_fn *fn, void *arg);
/* The items stay the caller's and must live until join returns; of a type without discard. */
LEAT_API struct leat_port leat_flow_from_array(struct leat_flow *flow, const struct leat_type *type,
                                               const void *items, size_t count);

/* --- steps --- */

/* The state is the caller's, and lives until join returns. */
LEAT_API struct leat_port leat_flow_step(struct leat_port port, const struct leat_step *step,
                                         const void *state);
/* The flow makes the state, one for each worker. */
LEAT_API struct leat_port leat_flow_step_with(struct leat_port port, const struct leat_step *step,
                                              struct leat_state state);
/* The first n items; all but the first n. */
LEAT_API struct leat_port leat_flow_take(struct leat_port port, uint64_t n);
LEAT_API struct leat_port leat_flow_skip(struct leat_port port, uint64_t n);

/*
 * Windows, whose items are of a type made by LEAT_BATCH(), of items without discard:
 *
 *     tumbling, by count or time   leat_flow_batch            each item is in one
 *     sliding, by count            leat_flow_window           the last items
 *     sliding, by time             leat_flow_window_within    those of the last ns
 *
 * What needs no call of its own: pairwise is a window of 2. A scan is a LEAT_MAP whose state
 * changes, a fold is leat_flow_for_each() with a state. A map that returns LEAT_ENOUGH at the first
 * item that is not wanted is take_while.
 */

/*
 * Items by the batch: one goes on once it is full, most_ns after its first item came (0: only
 * when it is full), and at the end.
 */
LEAT_API struct leat_port leat_flow_batch(struct leat_port port, const struct leat_type *batch,
                                          int64_t most_ns);
/*
 * Each item together with the ones before it: batches of the last `most` items, the oldest first,
 * from when there are so many. LEAT_BATCH(pair, tick, 2) gives pairs.
 */
LEAT_API struct leat_port leat_flow_window(struct leat_port port, const struct leat_type *batch);
/*
 * Each item together with those that came at most ns before it, the oldest first: one batch for
 * each item. Of more than the batch has room for, the last ones. Times are those of leat_now_ns(),
 * and what a call of the step is given has come now.
 */
LEAT_API struct leat_port leat_flow_window_within(struct leat_port port,
                                                  const struct leat_type *batch, int64_t ns);
/* One item for each key, of the last `most` keys that came. */
LEAT_API struct leat_port leat_flow_distinct(struct leat_port port,
                                             uint64_t (*key)(const void *item, const void *arg),
                                             const void *arg, size_t most);
/* Lets items through at a rate (leat/pace.h), which is the caller's and lives until join returns.
 */
LEAT_API struct leat_port leat_flow_rate(struct leat_port port, struct leat_rate *rate);

/*
 * Steps of time, by leat_now_ns(). What a call of the step is given has come now. delay, debounce
 * and sample hold copies of items, so those of a type with discard are refused. A step that waits
 * goes before workers or behind gather.
 */

/*
 * Each item goes on ns after it came. At most `most` are held; with so many the items before it
 * wait, and come later. At the end of its input those that are held still wait for their time.
 */
LEAT_API struct leat_port leat_flow_delay(struct leat_port port, int64_t ns, size_t most);
/*
 * The last item of a burst, once no other has come for ns, and at the end at once. Those before it
 * are left out.
 */
LEAT_API struct leat_port leat_flow_debounce(struct leat_port port, int64_t ns);
/*
 * Every ns, from the start on, the last item that came since, if one came; and at the end at once.
 * Those before it are left out.
 */
LEAT_API struct leat_port leat_flow_sample(struct leat_port port, int64_t ns);
/*
 * Passes items on. Where none comes for ns, from the start or behind the last, the flow fails with
 * -ETIMEDOUT. Time does not count in which its island was at work or waited for room.
 */
LEAT_API struct leat_port leat_flow_timeout(struct leat_port port, int64_t ns);

/* --- trouble: these are about the step right before the port, and return that port --- */

/* What becomes of an item for which the step returned -errno. */
enum leat_on_error {
	LEAT_ON_ERROR_STOP, /* the flow fails (the default) */
	LEAT_ON_ERROR_SKIP  /* it is left out, and counted */
};
LEAT_API struct leat_port leat_flow_on_error(struct leat_port port, enum leat_on_error policy);
/*
 * Such an item goes to *trouble, with its code and its number among the items of the step, as a
 * type made by LEAT_TROUBLE(failed_tick, tick). What is there is worked off by another thread.
 */
LEAT_API struct leat_port leat_flow_divert(struct leat_port port, const struct leat_type *type,
                                           struct leat_port *trouble);
/*
 * Calls the step again for such an item, after pauses (leat/pace.h), before on_error or divert
 * counts. The pauses are for each item anew; with tries 0 there is no end to them. A pause ends
 * with the island, as its consumers leave or its scope is cancelled. A stop ends the tries of an
 * island that is a source: the item has failed then.
 */
LEAT_API struct leat_port leat_flow_retry(struct leat_port port, const struct leat_backoff *pauses);
/*
 * A time for each item: one for which the step, with its retries and their pauses, has not
 * succeeded within ns of its first call fails with -ETIMEDOUT, and on_error or divert counts. There
 * is no further try where the pause before it would end behind that time. What the step returns
 * later is dropped, LEAT_ENOUGH excepted. For a breaker, such a call has failed. The step is called
 * for one item at a time, and its island has a thread. Not for steps with due_ns, nor for those
 * that hold items: what such a step makes of earlier items in a call that is late is dropped, too.
 *
 * The step is not interrupted: that an item is late is noticed when the call for it returns. A step
 * that waits passes leat_flow_until_ns() to calls of leat as their deadline, so that they end then:
 *
 *     rc = leat_recv_until(replies, &reply, leat_flow_until_ns());
 */
LEAT_API struct leat_port leat_flow_item_timeout(struct leat_port port, int64_t ns);
/*
 * For the body of such a step: until when the time of its item lasts. LEAT_NEVER in calls without
 * an item, and everywhere else. Of the calling thread: not for threads that a step starts.
 */
LEAT_API int64_t leat_flow_until_ns(void);
/*
 * Each item asks the breaker (leat/pace.h), which is the caller's and lives until join returns:
 * while it is open items fail with -EBUSY, and the step is not called.
 */
LEAT_API struct leat_port leat_flow_breaker(struct leat_port port, struct leat_breaker *breaker);

/*
 * The name of the step, source or ring right before the port, which it returns: in the words of a
 * failure, in the picture, the books and the diagnostics. Copied. An island has the name of its
 * first step.
 */
LEAT_API struct leat_port leat_flow_name(struct leat_port port, const char *name);

/* --- where islands end --- */

/* A ring of so many items: what is behind it runs on another thread. */
LEAT_API struct leat_port leat_flow_buffer(struct leat_port port, size_t capacity);
/*
 * What a full ring does: it blocks (the default), or drops its newest or oldest items, so that what
 * is before it never waits for what is behind. About the ring right before the port, which it
 * returns: of a source with a thread of its own, a buffer, workers (not by key), gather, or a merge
 * of items as they come. Dropped items are discarded, and in the books of the ring. Between a tee
 * and a zip nothing may be dropped.
 */
LEAT_API struct leat_port leat_flow_overflow(struct leat_port port, enum leat_overflow overflow);
/* The capacity of such a ring, in items, where it is not that of leat_flow_opts. From 1. */
LEAT_API struct leat_port leat_flow_capacity(struct leat_port port, size_t capacity);
/*
 * What follows, up to leat_flow_gather(), runs on `count` threads, which share the items. With
 * LEAT_ORDERED, gather passes on what they made in the order of the items it was made of.
 */
LEAT_API struct leat_port leat_flow_workers(struct leat_port port, unsigned count,
                                            enum leat_flow_order order);
/*
 * The same, but items with equal keys go to the same worker, that of number key(item, arg) modulo
 * count. So gather, which passes items on as they come, has those of each key in their order. State
 * made by leat_flow_step_with() is the worker's own: this is what state for each key is for, as no
 * other worker has items of the keys that are in it.
 *
 * Each worker has a ring of its own. One that is slow holds up the others only once its ring is
 * full, and the thread before them has an item for it: items behind that one then wait, whatever
 * their keys. A worker whose steps fail or have had enough ends all: nothing more is sent to them,
 * and what they have been sent is worked off.
 */
LEAT_API struct leat_port leat_flow_workers_by(struct leat_port port, unsigned count,
                                               uint64_t (*key)(const void *item, const void *arg),
                                               const void *arg);
LEAT_API struct leat_port leat_flow_gather(struct leat_port port);
/* All that comes out of these ports, as it comes. */
LEAT_API struct leat_port leat_flow_merge(const struct leat_port *ports, size_t count);
/*
 * Inputs in ascending order of key(item, arg), as one in that order. Of items with equal keys those
 * of the lower port go first. An item goes on once every port that has not ended has its next one.
 *
 * An item with a lower key than the one before it at its port fails the flow, with -EINVAL and
 * words that name port and item. No two ports may come from the same tee, partition or step (check
 * refuses that): while one is waited for, the ring of the other fills, and all would stand still.
 */
LEAT_API struct leat_port leat_flow_merge_by(const struct leat_port *ports, size_t count,
                                             int64_t (*key)(const void *item, const void *arg),
                                             const void *arg);
/*
 * All that comes out of these ports; of the items that are there, those of the lowest port first.
 * Items wait for that in a ring for each port, and are overtaken only there: one that the steps
 * behind are at, or that is in a ring further on, keeps its place. So a short ring behind it
 * (leat_flow_buffer()) lets urgent items come sooner. A port that always has items leaves nothing
 * for those behind it.
 */
LEAT_API struct leat_port leat_flow_merge_first(const struct leat_port *ports, size_t count);
/*
 * The items of a stream of streams, as one. The port's items are receivers (LEAT_T(rx)), those of
 * the streams are of this type. At most `at_once` streams are open at a time, from 1 to 1024, and
 * the next one is opened when one has ended. With 1 they come one after the other, in order. With
 * more, items come as they are there: those of one stream in their order, and no stream holds up
 * the others by having more.
 *
 *     LEAT_MAP(open_day, u64, day, rx, out, struct leat_scope *, scope)
 *     {
 *             return leat_gen(scope, read_day, (void *)*day, sizeof(struct reading), NULL, out);
 *     }
 *     p = leat_flow_bridge(leat_flow_step(p, &open_day, scope), LEAT_T(reading), 1);
 *
 * `at_once` further streams wait in its ring: a step that opens them right before the bridge is so
 * many ahead, and a buffer between (leat_flow_buffer()) lets it be more; on a pool by a vector more
 * than the buffer has room for. A stream that waits for one that is not open yet makes all stand
 * still. The port's type may also be one of the program's, of struct leat_rx *, whose discard
 * closes the receiver: it is called once for each stream, opened or not.
 *
 * A stream that fails, or is cancelled without the flow, fails the flow, with its code and words
 * that name its number, from 0. (A generator that fails cancels its scope, so also other streams
 * there, and one of these may be what is named.) So does NULL (-EINVAL), and a stream with items of
 * another size than the type's (-EINVAL). What came before goes on. Where the flow ends early, by
 * that or by a consumer that leaves, all streams are closed, and their senders get -EPIPE. A stop
 * ends the sources of the flow's scope, and so the streams that are such sources; other streams of
 * the program's end when their senders do.
 */
LEAT_API struct leat_port leat_flow_bridge(struct leat_port port, const struct leat_type *type,
                                           size_t at_once);
/*
 * Pairs of the n-th items of both; ends with the shorter. Where both come from one tee, no step
 * between may leave items out: check refuses filters, and finds how large a buffer must be where
 * one side is behind the other (a window, a skip); a map that returns LEAT_SKIP there fails.
 */
LEAT_API struct leat_port leat_flow_zip(struct leat_port first, struct leat_port second,
                                        const struct leat_type *pair);
/* Each item at each of these ports, without a copy: the ring is a broadcast (leat/broadcast.h). */
LEAT_API void leat_flow_tee(struct leat_port port, struct leat_port *ports, size_t count);
/* Each item at one of these ports: that of number key(item, arg) modulo count. */
LEAT_API void leat_flow_partition(struct leat_port port,
                                  uint64_t (*key)(const void *item, const void *arg),
                                  const void *arg, struct leat_port *ports, size_t count);

/* --- ends: they only declare; results are valid once join has returned --- */

LEAT_API void leat_flow_for_each(struct leat_port port, const struct leat_step *step,
                                 const void *state);
/*
 * *rx is there once start has returned 0; it is the caller's to close. Right behind a source with a
 * thread of its own, a buffer, gather or a merge it is the receiver of that ring, and so it is
 * behind a tee of items that own nothing; the books do not have what goes from a source to such a
 * receiver.
 */
LEAT_API void leat_flow_to_rx(struct leat_port port, struct leat_rx **rx);
/*
 * Right behind a tee: its own receiver, also where the items own something. They stay the tee's:
 * the caller reads them in place (leat_peek()), neither changes nor frees them, and gives them back
 * (leat_release()). leat_flow_to_rx() has a thread there that makes copies, which are the caller's.
 */
LEAT_API void leat_flow_to_rx_lent(struct leat_port port, struct leat_rx **rx);
/* The same as a seq; the caller calls its fini. */
LEAT_API void leat_flow_to_seq(struct leat_port port, struct leat_seq *seq);
/*
 * Into the caller's array of `room` items, in place; *count is valid once join has returned. An
 * item more fails with -ENOSPC.
 */
LEAT_API void leat_flow_to_array(struct leat_port port, void *items, size_t room, size_t *count);
/* Into memory that grows; the caller frees *items with free(). */
LEAT_API void leat_flow_collect(struct leat_port port, void **items, size_t *count);

/* --- running --- */

/* What check has found. */
struct leat_flow_report {
	int code;       /* 0, or -errno */
	char text[256]; /* the words, as leat_flow_error() has them; "" */
};
/*
 * 0, or -errno: -EINVAL for a mistake in the graph, -EDEADLK for a graph that would stand still.
 * The report may be NULL.
 */
LEAT_API int leat_flow_check(struct leat_flow *flow, struct leat_flow_report *report);
/*
 * The flow as a graph for dot(1), with a box for each island. Returns 0 or -errno: what check
 * returns, or -EIO.
 */
LEAT_API int leat_flow_draw(struct leat_flow *flow, FILE *out);

struct leat_flow_cost {
	size_t threads, islands, rings;
	size_t ring_bytes, vector_bytes; /* memory of the rings, and of the vectors */
	size_t hops;                     /* rings on the longest way from a source to an end */
};
LEAT_API int leat_flow_estimate(struct leat_flow *flow, struct leat_flow_cost *estimate);

/* Checks, and starts the threads. Once. On an error nothing runs. */
LEAT_API int leat_flow_start(struct leat_flow *flow);
/* Waits for the end. 0, or the code of the first failure, or of the scope's cause. */
LEAT_API int leat_flow_join(struct leat_flow *flow);
/* "" or what went wrong: in the graph, or with an item of a step. Valid until close. */
LEAT_API const char *leat_flow_error(const struct leat_flow *flow);
/* Cancels what runs, waits for it, and frees the flow. NULL does nothing. */
LEAT_API void leat_flow_close(struct leat_flow *flow);

/*
 * The books of a step, after join: in = used + skipped + failed + diverted + dropped. `made` went
 * out. Steps are numbered in the order of the calls that declared them; sources and ends are steps,
 * too. Returns 0; -ENOENT behind the last step; -EBUSY while the flow runs.
 */
struct leat_step_stat {
	const char *name;
	uint64_t in, used, skipped, failed, diverted, made;
	/*
	 * by a ring of leat_flow_overflow(): it was full, or its receiver left, or it was
	 * cancelled. Of a source it is besides `made`, and `in` is 0.
	 */
	uint64_t dropped;
};
LEAT_API int leat_flow_stat(const struct leat_flow *flow, size_t number,
                            struct leat_step_stat *stat);

LEAT_END_DECLS

#include <leat/detail/flow.h>

#endif
