/*
 * leat/detail/chan.h: the inline bodies of leat/chan.h, which alone includes this.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_CHAN_H
#define LEAT_DETAIL_CHAN_H

#include <leat/atomic.h>
#include <leat/detail/handle.h>

/* A deadline that stands for "do not wait, and return -EAGAIN". */
#define LEAT_DETAIL_TRY INT64_MIN

/* The size of an item whose pointer has no type to check: the item size of the channel. */
#define LEAT_DETAIL_CHAN_SIZE 0

LEAT_BEGIN_DECLS

struct leat_scope;
struct leat_chan_opts;

LEAT_API int leat_detail_chan_open(unsigned abi, struct leat_scope *scope, size_t item_size,
                                   const struct leat_chan_opts *opts, struct leat_tx **tx,
                                   struct leat_rx **rx);

/*
 * What the inline bodies leave to the library: waiting, bad arguments, batches of large items, of
 * items whose size the compiler does not know, and of rings with turns. Calls go down only:
 * the macro calls the inline body, the inline body calls one of these, and none of these calls an
 * inline body. Each makes an attempt of its own first, whether the inline body has made one or not.
 * size: of what the caller's pointer points to, or LEAT_DETAIL_CHAN_SIZE.
 */
LEAT_API int leat_detail_send_wait(struct leat_tx *tx, const void *item, size_t size,
                                   int64_t deadline_ns);
LEAT_API int leat_detail_recv_wait(struct leat_rx *rx, void *item, size_t size,
                                   int64_t deadline_ns);
LEAT_API ssize_t leat_detail_send_many(struct leat_tx *tx, const void *items, size_t n, size_t size,
                                       int64_t deadline_ns);
LEAT_API ssize_t leat_detail_recv_many(struct leat_rx *rx, void *items, size_t max, size_t size,
                                       int64_t deadline_ns);
LEAT_API ssize_t leat_detail_recv_fill(struct leat_rx *rx, void *items, size_t max, size_t size,
                                       int64_t deadline_ns);
LEAT_API void leat_detail_sent(struct leat_tx *tx);     /* mutate */
LEAT_API void leat_detail_received(struct leat_rx *rx); /* mutate */

/*
 * Publishing: the edges are those of the channel's ring, leat/ring/spsc.h or leat/ring/mpmc.h, and
 *
 *     C1  a parking receiver sets RX_PARKED, heavy fence, loads word or turn  <->  a sender stores
 *         it, light fence, loads ctl
 *     C2  a parking sender sets TX_PARKED, heavy fence, loads head or turn    <->  a receiver
 *         stores it, light fence, loads ctl
 *
 * One of the two loads reads the other thread's store (runtime/event/event.h has the argument). The
 * loads of ctl are relaxed. The value decides only whether a library function is called, and that
 * function loads in order. A call that begins after a close or a cancel is ordered after that
 * already, so it reads the bit.
 */
static inline int leat_detail_send_turns(struct leat_tx *tx, const void *item, size_t size,
                                         int64_t deadline_ns)
{
	/* rlx: a call that began before the end may miss it */
	if (leat_unlikely(leat_load_rlx(tx->ctl) &
	                  (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_FAILED |
	                   LEAT_CTL_STOPPING)) ||
	    leat_unlikely(!leat_mpmc_push(tx->mpmc, &tx->cursor, item, size)))
		return leat_detail_send_wait(tx, item, size, deadline_ns);
	/* C1: turn before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	if (leat_unlikely(leat_load_rlx(tx->ctl) & (LEAT_CTL_RX_PARKED | LEAT_CTL_FENCED)))
		leat_detail_sent(tx);
	return 0;
}

static inline int leat_detail_recv_turns(struct leat_rx *rx, void *item, size_t size,
                                         int64_t deadline_ns)
{
	/* rlx: a call that began before the end may miss it */
	if (leat_unlikely(leat_load_rlx(rx->ctl) & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED)) ||
	    leat_unlikely(!leat_mpmc_pop(rx->mpmc, &rx->cursor, item, size)))
		return leat_detail_recv_wait(rx, item, size, deadline_ns);
	/* C2: turn before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	if (leat_unlikely(leat_load_rlx(rx->ctl) & (LEAT_CTL_TX_PARKED | LEAT_CTL_FENCED)))
		leat_detail_received(rx);
	return 1;
}

static inline int leat_detail_send(struct leat_tx *tx, const void *item, size_t size,
                                   int64_t deadline_ns)
{
	const uint32_t *ctl;
	uint64_t pos;

	if (leat_unlikely(tx == NULL || item == NULL ||
	                  (size != LEAT_DETAIL_CHAN_SIZE && size != tx->spsc.item_size)))
		return leat_detail_send_wait(tx, item, size, deadline_ns);
	if (size == LEAT_DETAIL_CHAN_SIZE)
		size = tx->spsc.item_size;
	ctl = tx->ctl;
	pos = tx->spsc.pos;
	if (pos == tx->spsc.limit) {
		if (tx->mpmc != NULL)
			return leat_detail_send_turns(tx, item, size, deadline_ns);
		if (leat_unlikely(leat_spsc_is_disabled(&tx->spsc) || !leat_spsc_extend_limit(&tx->spsc)))
			return leat_detail_send_wait(tx, item, size, deadline_ns);
	}
	if (leat_unlikely(leat_load_rlx(ctl) &
	                  (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_STOPPING |
	                   LEAT_CTL_JOINED)))
		return leat_detail_send_wait(tx, item, size, deadline_ns);
	leat_spsc_push_at(&tx->spsc, pos, item, size);
	/* C1: word before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	if (leat_unlikely(leat_load_rlx(ctl) & (LEAT_CTL_RX_PARKED | LEAT_CTL_FENCED)))
		leat_detail_sent(tx);
	return 0;
}

static inline int leat_detail_recv_by(struct leat_rx *rx, void *item, size_t size,
                                      int64_t deadline_ns)
{
	const uint32_t *ctl;
	uint64_t pos;

	if (leat_unlikely(rx == NULL || item == NULL ||
	                  (size != LEAT_DETAIL_CHAN_SIZE && size != rx->spsc.item_size)))
		return leat_detail_recv_wait(rx, item, size, deadline_ns);
	if (size == LEAT_DETAIL_CHAN_SIZE)
		size = rx->spsc.item_size;
	ctl = rx->ctl;
	pos = rx->spsc.pos;
	if (pos == rx->spsc.limit) {
		if (rx->mpmc != NULL)
			return leat_detail_recv_turns(rx, item, size, deadline_ns);
		if (leat_unlikely(leat_spsc_is_disabled(&rx->spsc) || !leat_spsc_can_pop(&rx->spsc)))
			return leat_detail_recv_wait(rx, item, size, deadline_ns);
	}
	if (leat_unlikely(leat_load_rlx(ctl) & LEAT_CTL_CANCELED))
		return leat_detail_recv_wait(rx, item, size, deadline_ns);
	leat_spsc_pop_at(&rx->spsc, pos, item, size);
	/* C2: head before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	if (leat_unlikely(leat_load_rlx(ctl) &
	                  (LEAT_CTL_TX_PARKED | LEAT_CTL_STAGE_PARKED | LEAT_CTL_FENCED)))
		leat_detail_received(rx);
	return 1;
}

/*
 * Whether a batch of items of this size can move here, line by line: the compiler knows the size.
 */
LEAT_RING_INLINE bool leat_detail_is_lines(size_t size)
{
	return size != LEAT_DETAIL_CHAN_SIZE && leat_spsc_knows_lines(size);
}

/*
 * Sends a batch of small items where the last look at the receiver has found room for all of it.
 * The library sends any other. A ring with turns, and a cursor that must not be used, has no room.
 */
LEAT_RING_INLINE ssize_t leat_detail_send_batch(struct leat_tx *tx, const void *items, size_t n,
                                                size_t size, int64_t deadline_ns)
{
	uint64_t pos;

	if (!leat_detail_is_lines(size) ||
	    leat_unlikely(tx == NULL || items == NULL || size != tx->spsc.item_size))
		return leat_detail_send_many(tx, items, n, size, deadline_ns);
	pos = tx->spsc.pos;
	if (leat_unlikely(n - 1 >= tx->spsc.room - pos)) /* n may be 0 */
		return leat_detail_send_many(tx, items, n, size, deadline_ns);
	leat_store_rlx(&tx->granted, pos + n); /* rlx: it publishes nothing; J1 orders it */
	leat_fence_light();                    /* J1: granted before ctl; pairs with add_gate() */
	/* rlx: J1 orders it; a call that began before the end may miss that */
	if (leat_unlikely(leat_load_rlx(tx->ctl) &
	                  (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_FAILED |
	                   LEAT_CTL_STOPPING | LEAT_CTL_JOINED | LEAT_CTL_FENCED)))
		return leat_detail_send_many(tx, items, n, size, deadline_ns);
	leat_spsc_push_lines(&tx->spsc, (const unsigned char *)items, n, size);
	/* C1: word before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	if (leat_unlikely(leat_load_rlx(tx->ctl) & LEAT_CTL_RX_PARKED)) /* rlx: C1 orders it */
		leat_detail_sent(tx);
	return (ssize_t)n;
}

/*
 * Receives what is there, up to `max`, of a ring for one thread on each side. Where that is nothing
 * the library goes on. A cursor that must not be used is disabled, and that of a broadcast's stage
 * follows its gates.
 */
LEAT_RING_INLINE ssize_t leat_detail_recv_batch(struct leat_rx *rx, void *items, size_t max,
                                                size_t size, int64_t deadline_ns)
{
	size_t n;

	if (!leat_detail_is_lines(size) ||
	    leat_unlikely(rx == NULL || items == NULL || size != rx->spsc.item_size ||
	                  leat_spsc_is_disabled(&rx->spsc)) ||
	    leat_unlikely(!rx->spsc.line_word || max - 1 >= rx->spsc.capacity) ||
	    /* rlx: a call that began before a cancel may miss it */
	    leat_unlikely(leat_load_rlx(rx->ctl) & LEAT_CTL_CANCELED))
		return leat_detail_recv_many(rx, items, max, size, deadline_ns);
	n = leat_spsc_pop_batch(&rx->spsc, items, max, size);
	if (leat_unlikely(n == 0))
		return leat_detail_recv_many(rx, items, max, size, deadline_ns);
	/* C2: head before ctl; pairs with the heavy fence in leat_event_prepare_wait() */
	leat_fence_light();
	/* rlx: C2 orders it */
	if (leat_unlikely(leat_load_rlx(rx->ctl) &
	                  (LEAT_CTL_TX_PARKED | LEAT_CTL_STAGE_PARKED | LEAT_CTL_FENCED)))
		leat_detail_received(rx);
	return (ssize_t)n;
}

static inline int leat_detail_recv(struct leat_rx *rx, void *item, size_t size)
{
	return leat_detail_recv_by(rx, item, size, LEAT_NEVER);
}

/* So that a caller's deadline is never taken for LEAT_DETAIL_TRY. */
static inline int64_t leat_detail_deadline(int64_t deadline_ns)
{
	return deadline_ns == LEAT_DETAIL_TRY ? LEAT_DETAIL_TRY + 1 : deadline_ns;
}

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal with commas. */
#define leat_chan_open(...) \
	leat_detail_chan_open(leat_detail_abi(struct leat_chan_opts), __VA_ARGS__)

#ifndef __cplusplus

/* clang-format off */

/* p; for a pointer to void, whose target has no size in standard C, a character pointer. */
#define leat_detail_nonvoid(p) \
	_Generic((p), void *: (char *)0, const void *: (char *)0, default: (p))

/* The size of what p points to; LEAT_DETAIL_CHAN_SIZE for void and the character types. */
#define leat_detail_size(p) \
	_Generic((p), \
		void *: LEAT_DETAIL_CHAN_SIZE, const void *: LEAT_DETAIL_CHAN_SIZE, \
		char *: LEAT_DETAIL_CHAN_SIZE, const char *: LEAT_DETAIL_CHAN_SIZE, \
		signed char *: LEAT_DETAIL_CHAN_SIZE, const signed char *: LEAT_DETAIL_CHAN_SIZE, \
		unsigned char *: LEAT_DETAIL_CHAN_SIZE, \
		const unsigned char *: LEAT_DETAIL_CHAN_SIZE, \
		default: sizeof(*leat_detail_nonvoid(p)))

/* clang-format on */

/*
 * The item may be a compound literal, and the preprocessor takes its commas for those between
 * arguments. Where the item is the last argument, it is all that is left. Where a third argument
 * follows, a call with more than three (up to 31) takes the plain function, which uses the
 * channel's size. A longer literal needs a name, or parentheses around it.
 */
#define leat_send(tx, ...) \
	leat_detail_send((tx), (__VA_ARGS__), leat_detail_size((__VA_ARGS__)), LEAT_NEVER)
#define leat_try_send(tx, ...) \
	leat_detail_send((tx), (__VA_ARGS__), leat_detail_size((__VA_ARGS__)), LEAT_DETAIL_TRY)
#define leat_recv(rx, ...) leat_detail_recv((rx), (__VA_ARGS__), leat_detail_size((__VA_ARGS__)))
#define leat_try_recv(rx, ...) \
	leat_detail_recv_by((rx), (__VA_ARGS__), leat_detail_size((__VA_ARGS__)), LEAT_DETAIL_TRY)

#define leat_detail_33rd(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
                         a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, \
                         a31, a32, found, ...) \
	found
#define leat_detail_if_three(three, more, ...) \
	leat_detail_33rd(__VA_ARGS__, more, more, more, more, more, more, more, more, more, more, \
	                 more, more, more, more, more, more, more, more, more, more, more, more, \
	                 more, more, more, more, more, more, more, three, three, three)
#define leat_send_until(...) \
	leat_detail_if_three(leat_detail_send_until_3, (leat_send_until), __VA_ARGS__)(__VA_ARGS__)
#define leat_recv_until(...) \
	leat_detail_if_three(leat_detail_recv_until_3, (leat_recv_until), __VA_ARGS__)(__VA_ARGS__)
#define leat_send_batch(...) \
	leat_detail_if_three(leat_detail_send_batch_3, (leat_send_batch), __VA_ARGS__)(__VA_ARGS__)
#define leat_try_send_batch(...) \
	leat_detail_if_three(leat_detail_try_send_batch_3, (leat_try_send_batch), \
	                     __VA_ARGS__)(__VA_ARGS__)
#define leat_recv_batch(...) \
	leat_detail_if_three(leat_detail_recv_batch_3, (leat_recv_batch), __VA_ARGS__)(__VA_ARGS__)
#define leat_try_recv_batch(...) \
	leat_detail_if_three(leat_detail_try_recv_batch_3, (leat_try_recv_batch), \
	                     __VA_ARGS__)(__VA_ARGS__)
/* The same where a fourth argument follows. */
#define leat_detail_if_four(four, more, ...) \
	leat_detail_33rd(__VA_ARGS__, more, more, more, more, more, more, more, more, more, more, \
	                 more, more, more, more, more, more, more, more, more, more, more, more, \
	                 more, more, more, more, more, more, four, four, four, four)
#define leat_recv_fill(...) \
	leat_detail_if_four(leat_detail_recv_fill_4, (leat_recv_fill), __VA_ARGS__)(__VA_ARGS__)

#define leat_detail_send_until_3(tx, item, deadline_ns) \
	leat_detail_send((tx), (item), leat_detail_size(item), leat_detail_deadline(deadline_ns))
#define leat_detail_recv_until_3(rx, item, deadline_ns) \
	leat_detail_recv_by((rx), (item), leat_detail_size(item), leat_detail_deadline(deadline_ns))
#define leat_detail_send_batch_3(tx, items, n) \
	leat_detail_send_batch((tx), (items), (n), leat_detail_size(items), LEAT_NEVER)
#define leat_detail_try_send_batch_3(tx, items, n) \
	leat_detail_send_batch((tx), (items), (n), leat_detail_size(items), LEAT_DETAIL_TRY)
#define leat_detail_recv_batch_3(rx, items, max) \
	leat_detail_recv_batch((rx), (items), (max), leat_detail_size(items), LEAT_NEVER)
#define leat_detail_try_recv_batch_3(rx, items, max) \
	leat_detail_recv_batch((rx), (items), (max), leat_detail_size(items), LEAT_DETAIL_TRY)
#define leat_detail_recv_fill_4(rx, items, max, deadline_ns) \
	leat_detail_recv_fill((rx), (items), (max), leat_detail_size(items), \
	                      leat_detail_deadline(deadline_ns))

#else

/* C++: the pointed-to type picks the size; pointers to void take the plain functions above. */

extern "C++" {

template <class T> struct leat_detail_sizeof {
	static constexpr size_t value = sizeof(T);
};
template <class T> struct leat_detail_sizeof<const T> : leat_detail_sizeof<T> {
};
template <> struct leat_detail_sizeof<char> {
	static constexpr size_t value = LEAT_DETAIL_CHAN_SIZE;
};
template <> struct leat_detail_sizeof<signed char> {
	static constexpr size_t value = LEAT_DETAIL_CHAN_SIZE;
};
template <> struct leat_detail_sizeof<unsigned char> {
	static constexpr size_t value = LEAT_DETAIL_CHAN_SIZE;
};

template <class T> inline int leat_send(leat_tx *tx, const T *item)
{
	return leat_detail_send(tx, item, leat_detail_sizeof<T>::value, LEAT_NEVER);
}
template <class T> inline int leat_send_until(leat_tx *tx, const T *item, int64_t deadline_ns)
{
	return leat_detail_send(tx, item, leat_detail_sizeof<T>::value,
	                        leat_detail_deadline(deadline_ns));
}
template <class T> inline int leat_try_send(leat_tx *tx, const T *item)
{
	return leat_detail_send(tx, item, leat_detail_sizeof<T>::value, LEAT_DETAIL_TRY);
}
template <class T> inline ssize_t leat_send_batch(leat_tx *tx, const T *items, size_t n)
{
	return leat_detail_send_batch(tx, items, n, leat_detail_sizeof<T>::value, LEAT_NEVER);
}
template <class T> inline ssize_t leat_try_send_batch(leat_tx *tx, const T *items, size_t n)
{
	return leat_detail_send_batch(tx, items, n, leat_detail_sizeof<T>::value, LEAT_DETAIL_TRY);
}
template <class T> inline int leat_recv(leat_rx *rx, T *item)
{
	return leat_detail_recv(rx, item, leat_detail_sizeof<T>::value);
}
template <class T> inline int leat_recv_until(leat_rx *rx, T *item, int64_t deadline_ns)
{
	return leat_detail_recv_by(rx, item, leat_detail_sizeof<T>::value,
	                           leat_detail_deadline(deadline_ns));
}
template <class T> inline int leat_try_recv(leat_rx *rx, T *item)
{
	return leat_detail_recv_by(rx, item, leat_detail_sizeof<T>::value, LEAT_DETAIL_TRY);
}
template <class T> inline ssize_t leat_recv_batch(leat_rx *rx, T *items, size_t max)
{
	return leat_detail_recv_batch(rx, items, max, leat_detail_sizeof<T>::value, LEAT_NEVER);
}
template <class T> inline ssize_t leat_try_recv_batch(leat_rx *rx, T *items, size_t max)
{
	return leat_detail_recv_batch(rx, items, max, leat_detail_sizeof<T>::value, LEAT_DETAIL_TRY);
}
template <class T>
inline ssize_t leat_recv_fill(leat_rx *rx, T *items, size_t max, int64_t deadline_ns)
{
	return leat_detail_recv_fill(rx, items, max, leat_detail_sizeof<T>::value,
	                             leat_detail_deadline(deadline_ns));
}

} /* extern "C++" */
#endif
#endif
