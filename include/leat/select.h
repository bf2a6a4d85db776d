/*
 * leat/select.h: waiting for several things at once.
 *
 *     uint64_t item, order = 7;
 *     struct leat_case cases[] = {
 *             LEAT_CASE_RECV(urgent, &item),
 *             LEAT_CASE_RECV(usual, &item),
 *             LEAT_CASE_SEND(out, &order),
 *             LEAT_CASE_FD(socket, POLLIN),
 *     };
 *     switch (leat_select(cases, 4, leat_now_ns() + 1000000, LEAT_BY_CHANCE)) {
 *     case 0:
 *     case 1:                             cases[i].answer is what leat_recv() would have answered
 *     case 2:                             what leat_send() would have
 *     case 3:                             cases[3].revents are what poll(2) would have
 *     case -ETIMEDOUT: ...
 *     }
 *
 * The handles are the calling thread's, as for leat_send() and leat_recv(); several cases may be of
 * the same channel, of both its sides, or of the same handle. Exactly one case is done, the others
 * are as if they had never been asked. An end is something to be done: a stream that has ended
 * answers 0 each time, until its case is switched off (rx = NULL).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_SELECT_H
#define LEAT_SELECT_H

#include <leat/chan.h>

LEAT_BEGIN_DECLS

enum leat_case_kind { LEAT_CASE_NONE, LEAT_CASE_SENDS, LEAT_CASE_RECEIVES, LEAT_CASE_POLLS };

/*
 * One thing to wait for; made with the macros below. It is ignored when it is all zero, when its
 * handle is NULL, and when its descriptor is negative, so that cases can be switched off and on.
 * The answers are written to the case that is done.
 */
struct leat_case {
	enum leat_case_kind kind;
	/*
	 * 1, 0 or -ECANCELED as leat_recv(); 0, -EPIPE or -ECANCELED as leat_send(); 1 for a
	 * descriptor
	 */
	int answer;
	struct leat_tx *tx;
	struct leat_rx *rx;
	void *item;  /* to send (it is not written to), or to receive into */
	size_t size; /* of what it points to; 0: the channel's size */
	int fd;
	short events, revents; /* as poll(2) has them */
};

/* Of the cases that can be done: any, each as likely as the others; or the first in the array. */
enum leat_order { LEAT_BY_CHANCE, LEAT_BY_PRIORITY };

/*
 * Waits until one of n cases is done and answers its place. A deadline that is not in the future
 * means one attempt, and 0 does so without a look at the clock. It spins for a few microseconds,
 * then parks; it parks at once if a channel of its cases waits so (LEAT_WAIT_PARK), and never if
 * all of them spin, or yield. While it waits, each of its handles counts as waiting in the books.
 *
 * -ETIMEDOUT says that at one moment of the call no case could be done, or only with a thread in
 * the way that stalls (see Tries in leat/chan.h): items that other threads move from one case to
 * another are not missed. Descriptors are outside this: each is polled once or more, at its own
 * moment.
 *
 * -ETIMEDOUT, also when there is nothing to wait for; -EINVAL for a kind, order or item that is
 * none, for a channel of a task, and for nothing to wait for without a deadline; -EBUSY for a
 * handle that holds a reservation or a peek; -ENOMEM for more than 16 cases; -EDEADLK where it
 * would wait in a step on a pool; what poll(2) and eventfd(2) answer, where there are descriptors.
 */
LEAT_API int leat_select(struct leat_case *cases, size_t n, int64_t deadline_ns,
                         enum leat_order order);

LEAT_END_DECLS

/*
 * Initializers of a struct leat_case, and values of that type. The pointer's type gives the size,
 * as in leat/chan.h.
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

#else

extern "C++" {

inline leat_case leat_detail_case_send(leat_tx *tx, const void *item, size_t size = 0)
{
	return { LEAT_CASE_SENDS, 0, tx, nullptr, const_cast<void *>(item), size, 0, 0, 0 };
}
template <class T> inline leat_case leat_detail_case_send(leat_tx *tx, const T *item)
{
	return leat_detail_case_send(tx, static_cast<const void *>(item),
	                             leat_detail_sizeof<T>::value);
}
inline leat_case leat_detail_case_recv(leat_rx *rx, void *item, size_t size = 0)
{
	return { LEAT_CASE_RECEIVES, 0, nullptr, rx, item, size, 0, 0, 0 };
}
template <class T> inline leat_case leat_detail_case_recv(leat_rx *rx, T *item)
{
	return leat_detail_case_recv(rx, static_cast<void *>(item), leat_detail_sizeof<T>::value);
}
inline leat_case leat_detail_case_fd(int fd, short events)
{
	return { LEAT_CASE_POLLS, 0, nullptr, nullptr, nullptr, 0, fd, events, 0 };
}

} /* extern "C++" */

#define LEAT_CASE_SEND(to, ...) leat_detail_case_send((to), (__VA_ARGS__))
#define LEAT_CASE_RECV(from, ...) leat_detail_case_recv((from), (__VA_ARGS__))
#define LEAT_CASE_FD(descriptor, wanted) leat_detail_case_fd((descriptor), (wanted))

#endif
#endif
