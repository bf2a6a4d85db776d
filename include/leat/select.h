/*
 * leat/select.h: waiting for several things at once.
 *
 *     uint64_t item, order = 7;
 *     struct leat_case cases[] = {
 *             LEAT_CASE_RECV(urgent, &item),
 *             LEAT_CASE_RECV(usual, &item),
 *             LEAT_CASE_SEND(out, &order),
 *             LEAT_CASE_FD(socket, POLLIN),
 *             LEAT_CASE_SCOPE(scope),
 *             LEAT_CASE_DONE(out),
 *     };
 *     switch (leat_select(cases, 6, leat_now_ns() + 1000000, LEAT_BY_CHANCE)) {
 *     case 0:
 *     case 1:              cases[i].answer is what leat_recv() would have returned
 *     case 2:              cases[2].answer is what leat_send() would have returned
 *     case 3:              cases[3].revents are what poll(2) would have set
 *     case 4:              the scope is cancelled
 *     case 5:              no send on out can succeed; cases[5].answer is what it would return
 *     case -ETIMEDOUT: ...
 *     }
 *
 * Exactly one case is done. The other cases are as if the call had not been made.
 *
 * The handles belong to the calling thread, as for leat_send() and leat_recv(), and stay its own.
 * Several cases may be of the same channel, of both its sides, or of the same handle.
 *
 * The end of a stream counts as something to be done: a receive from a stream that has ended is
 * done with 0 by each call, until the caller switches its case off (rx = NULL). So does the cancel
 * of a scope, and so does a sender that can send no more.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_SELECT_H
#define LEAT_SELECT_H

#include <leat/chan.h>

LEAT_BEGIN_DECLS

enum leat_case_kind {
	LEAT_CASE_NONE,
	LEAT_CASE_SENDS,
	LEAT_CASE_RECEIVES,
	LEAT_CASE_POLLS,
	LEAT_CASE_CANCELS,
	LEAT_CASE_REFUSES
};

/*
 * One thing to wait for, made with the macros below. leat_select() ignores a case that is all zero,
 * or whose handle or scope is NULL, or whose descriptor is negative. So a caller can switch cases
 * off and on. leat_select() writes answer and revents of the case that is done, and of no other.
 */
struct leat_case {
	enum leat_case_kind kind;
	/*
	 * of a receive 1, 0 or -ECANCELED, as leat_recv() returns it; of a send 0, -EPIPE,
	 * -ECANCELED or -ESHUTDOWN, as leat_send() returns it; of a descriptor 1; of a scope
	 * -ECANCELED; of a sender that is done -EPIPE, -ECANCELED or -ESHUTDOWN
	 */
	int answer;
	struct leat_tx *tx;
	struct leat_rx *rx;
	void *item;  /* the item to send, which is only read, or where to receive one */
	size_t size; /* of what item points to, in bytes; 0: the size of the channel's items */
	int fd;
	short events, revents;    /* as in struct pollfd */
	struct leat_scope *scope; /* done when this scope is cancelled */
};

/*
 * Which case is done when several can be: LEAT_BY_CHANCE any of them, each as likely as another;
 * LEAT_BY_PRIORITY the first in the array.
 */
enum leat_order { LEAT_BY_CHANCE, LEAT_BY_PRIORITY };

/*
 * Waits until one of n cases is done, and returns the index of that case.
 *
 * Deadline. deadline_ns is absolute, as all deadlines (leat/base.h). A deadline that is not in the
 * future means no wait; 0 does so without reading the clock.
 *
 * How the thread waits. It spins for a few microseconds, then parks. It parks at once if a channel
 * of a case has LEAT_WAIT_PARK. It never parks if all cases are of channels with LEAT_WAIT_SPIN, or
 * all of channels with LEAT_WAIT_YIELD. While it waits, each of its handles counts as waiting in
 * the books.
 *
 * What -ETIMEDOUT promises. At one moment of the call no case could be done, or only after a thread
 * that had stalled in a transfer (see Tries in leat/chan.h). So the call does not miss an item that
 * another thread moves from one case to another. That is not promised of descriptors, of which each
 * is polled at a moment of its own.
 *
 * Errors:
 *
 *     -ETIMEDOUT  the deadline passed; also if every case is ignored
 *     -EINVAL     a kind or an order does not exist; an item is NULL; a send or a receive is of a
 *                 task's channel (LEAT_CASE_DONE() may be); every case is ignored and there is no
 *                 deadline (LEAT_NEVER)
 *     -EBUSY      a handle holds a reservation or a peek (a sender to be done may)
 *     -ENOMEM     there are more than 16 cases, and no memory for them
 *     -ESHUTDOWN  nothing could be done, and a stop ends the generator whose thread this is: it is
 * a source (leat_tx_source()) -EDEADLK    the call would have to wait, in a step of a generator on
 * a pool others      as poll(2) and eventfd(2), if there are descriptors
 */
LEAT_API int leat_select(struct leat_case *cases, size_t n, int64_t deadline_ns,
                         enum leat_order order);

LEAT_END_DECLS

/*
 * LEAT_CASE_SEND(tx, &item), LEAT_CASE_RECV(rx, &item), LEAT_CASE_FD(fd, events),
 * LEAT_CASE_SCOPE(scope) and LEAT_CASE_DONE(tx) make a case. In C they are initializers, in C++
 * values. The type of the pointer gives the size, as in leat/chan.h.
 */
#ifndef __cplusplus

#define LEAT_CASE_SEND(to, ...) \
	{ \
		.kind = LEAT_CASE_SENDS, .tx = (to), .item = (void *)(uintptr_t)(__VA_ARGS__), \
		.size = leat_detail_size((__VA_ARGS__)) \
	}
#define LEAT_CASE_RECV(from, ...) \
	{ \
		.kind = LEAT_CASE_RECEIVES, .rx = (from), .item = (__VA_ARGS__), \
		.size = leat_detail_size((__VA_ARGS__)) \
	}
#define LEAT_CASE_FD(descriptor, wanted) \
	{ \
		.kind = LEAT_CASE_POLLS, .fd = (descriptor), .events = (wanted) \
	}
#define LEAT_CASE_SCOPE(of) \
	{ \
		.kind = LEAT_CASE_CANCELS, .scope = (of) \
	}
#define LEAT_CASE_DONE(to) \
	{ \
		.kind = LEAT_CASE_REFUSES, .tx = (to) \
	}

#else

extern "C++" {

inline leat_case leat_detail_case_send(leat_tx *tx, const void *item, size_t size = 0)
{
	return {
		LEAT_CASE_SENDS, 0, tx, nullptr, const_cast<void *>(item), size, 0, 0, 0, nullptr
	};
}
template <class T> inline leat_case leat_detail_case_send(leat_tx *tx, const T *item)
{
	return leat_detail_case_send(tx, static_cast<const void *>(item),
	                             leat_detail_sizeof<T>::value);
}
inline leat_case leat_detail_case_recv(leat_rx *rx, void *item, size_t size = 0)
{
	return { LEAT_CASE_RECEIVES, 0, nullptr, rx, item, size, 0, 0, 0, nullptr };
}
template <class T> inline leat_case leat_detail_case_recv(leat_rx *rx, T *item)
{
	return leat_detail_case_recv(rx, static_cast<void *>(item), leat_detail_sizeof<T>::value);
}
inline leat_case leat_detail_case_fd(int fd, short events)
{
	return { LEAT_CASE_POLLS, 0, nullptr, nullptr, nullptr, 0, fd, events, 0, nullptr };
}
inline leat_case leat_detail_case_scope(leat_scope *scope)
{
	return { LEAT_CASE_CANCELS, 0, nullptr, nullptr, nullptr, 0, 0, 0, 0, scope };
}
inline leat_case leat_detail_case_done(leat_tx *tx)
{
	return { LEAT_CASE_REFUSES, 0, tx, nullptr, nullptr, 0, 0, 0, 0, nullptr };
}

} /* extern "C++" */

#define LEAT_CASE_SEND(to, ...) leat_detail_case_send((to), (__VA_ARGS__))
#define LEAT_CASE_RECV(from, ...) leat_detail_case_recv((from), (__VA_ARGS__))
#define LEAT_CASE_FD(descriptor, wanted) leat_detail_case_fd((descriptor), (wanted))
#define LEAT_CASE_SCOPE(of) leat_detail_case_scope((of))
#define LEAT_CASE_DONE(to) leat_detail_case_done((to))

#endif
#endif
