/*
 * leat/merge.h: one receiver over many channels.
 *
 *     struct leat_merge *merge = leat_merge_open(sizeof(struct tick));
 *     for (i = 0; i < n; i++)
 *             leat_merge_add(merge, rx[i], &session[i]);
 *     while ((r = leat_merge_recv(merge, &tick, &tag)) != -ENOENT)
 *             if (r == 1)
 *                     use(tag, &tick);
 *             else
 *                     the lane of this tag has ended (0) or was cancelled (-ECANCELED)
 *     leat_merge_close(merge);
 *
 * A lane is a receiver that was given to the merge. A merge has no thread of its own, and no item
 * is copied twice. A lane on which no items come is armed: it waits on its channel and costs the
 * merge nothing. A sender notifies it, and so puts it among the lanes that have something. The
 * merging thread serves these in turn, some tens of items of each.
 *
 * Order. Items of one lane come in the order in which they were sent. Between lanes there is none.
 *
 * In an event loop of the caller's, one descriptor serves all lanes:
 *
 *     epoll_ctl(epoll, EPOLL_CTL_ADD, leat_merge_fd(merge), &event);
 *     for (;;) {
 *             while ((r = leat_merge_recv_until(merge, &tick, &tag, 0)) >= 0 || r == -ECANCELED)
 *                     as above
 *             if (leat_merge_arm(merge) == 0)                 r is -ETIMEDOUT; or -ENOENT, until a
 *                                                             lane is added
 *                     epoll_wait(epoll, events, n, -1);
 *     }
 *
 * Which thread may call what:
 *
 *     leat_merge_add               any thread, also while the merging thread waits
 *     leat_merge_recv, _until      one thread at a time: the merging thread
 *     leat_merge_close, _lane      the merging thread
 *     leat_merge_fd, _arm, _disarm the merging thread
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_MERGE_H
#define LEAT_MERGE_H

#include <leat/select.h>

LEAT_BEGIN_DECLS

struct leat_merge;

/*
 * Opens a merge of channels whose items have this size in bytes. It has no lane yet. Returns NULL
 * for a size of 0, without memory, or if the caller was compiled for another layout (leat/base.h).
 */
LEAT_API struct leat_merge *leat_merge_open(size_t item_size);

/*
 * Adds a lane. tag is any pointer that the caller wants back with the lane's items. Returns 0: the
 * receiver belongs to the merge now, which closes it after the lane's end. One that is bound
 * (leat_rx_bind()) stays bound. On an error the receiver stays the caller's: -EINVAL for NULL and
 * for items of another size; -EBUSY for a receiver that holds a peek; -ENOMEM.
 */
LEAT_API int leat_merge_add(struct leat_merge *merge, struct leat_rx *rx, void *tag);

/*
 * Receives the next item of any lane, and sets *tag to the lane's tag unless tag is NULL. Returns:
 *
 *     1           an item
 *     0           a lane has ended; each lane returns this once, after its last item
 *     -ECANCELED  the same for a lane that was cancelled
 *     -EPIPE, -ECANCELED, -ESHUTDOWN
 *                 the same for a lane whose receiver is bound to a sender that can send no more
 *                 (leat_rx_bind() in leat/chan.h)
 *     -ECONNABORTED
 *                 the same for a subscriber that was evicted (leat/broadcast.h)
 *     -ENOENT     there is no lane, or none any more
 *     -ETIMEDOUT  deadline_ns has passed (leat_merge_recv_until() alone)
 *     -EDEADLK    the call would have to wait, in a step of a generator on a pool
 *     -EINVAL     merge or item is NULL
 *
 * A deadline that is not in the future means no wait; 0 does so without reading the clock.
 *
 * The thread waits as an adaptive receive does. It parks at once if the channel of a lane has
 * LEAT_WAIT_PARK. An armed lane counts as waiting in the books.
 *
 * If other threads receive from the channel of a lane too, -ETIMEDOUT may miss an item: one that
 * another of these threads was notified of and has not taken yet, or one that another thread moved
 * from lane to lane during the call. leat_select() misses none.
 */
LEAT_API int leat_merge_recv(struct leat_merge *merge, void *item, void **tag);
LEAT_API int leat_merge_recv_until(struct leat_merge *merge, void *item, void **tag,
                                   int64_t deadline_ns);

/*
 * Returns the receiver of the lane that the last receive returned an item or the end of, or NULL if
 * there is none. It is valid until the next call with this merge, and belongs to the merge: it is
 * for leat_rx_status() of a lane that has ended.
 */
LEAT_API const struct leat_rx *leat_merge_lane(const struct leat_merge *merge);

/*
 * One descriptor for all lanes. While it is armed, poll(2) and epoll find it readable once a
 * receive would return something: an item of any lane, a lane's end or its cancel. A new lane makes
 * it readable too.
 *
 * leat_merge_fd() returns the descriptor, which the first call makes. It belongs to the merge,
 * which closes it. On an error it returns -EMFILE, -ENFILE, -ENOMEM or -EINVAL. leat_select() takes
 * it as LEAT_CASE_FD(leat_merge_fd(merge), POLLIN).
 *
 * leat_merge_arm() arms it. The merging thread calls this each time before it waits for the
 * descriptor. Returns:
 *
 *     0        it is armed: all lanes are armed on their channels, and workers run the generators
 *              on pools
 *     1        there may be something already, so do not wait; it is not armed
 *     -EINVAL  there is no descriptor
 *
 * A merge without a lane can be armed. While the descriptor is not armed, it costs no thread
 * anything. Once armed, it becomes readable once.
 *
 * leat_merge_disarm() ends that: the descriptor is not readable until it is armed again. The lanes
 * stay as they are. A receive from the merge that has to sleep disarms it too, since a sender then
 * has to wake that thread instead.
 *
 * A merge whose descriptor has become readable owns the notification. If a lane's channel has other
 * receivers, the merging thread should receive, or close the merge, before it turns to other work
 * for long: those receivers may sleep meanwhile although there is an item.
 */
LEAT_API int leat_merge_fd(struct leat_merge *merge);
LEAT_API int leat_merge_arm(struct leat_merge *merge);
LEAT_API int leat_merge_disarm(struct leat_merge *merge);

/* Closes the lanes that are left and their receivers, and frees the merge. NULL does nothing. */
LEAT_API void leat_merge_close(struct leat_merge *merge);

LEAT_API struct leat_merge *leat_detail_merge_open(unsigned abi, size_t item_size);
LEAT_API int leat_detail_merge_recv(struct leat_merge *merge, void *item, size_t size, void **tag,
                                    int64_t deadline_ns);

LEAT_END_DECLS

#define leat_merge_open(item_size) leat_detail_merge_open(LEAT_ABI, (item_size))

/* The pointer's type is checked as in leat/chan.h. */
#ifndef __cplusplus

#define leat_merge_recv(merge, item, tag) \
	leat_detail_merge_recv((merge), (item), leat_detail_size(item), (tag), LEAT_NEVER)
#define leat_merge_recv_until(merge, item, tag, deadline_ns) \
	leat_detail_merge_recv((merge), (item), leat_detail_size(item), (tag), (deadline_ns))

#else

extern "C++" {

template <class T> inline int leat_merge_recv(leat_merge *merge, T *item, void **tag)
{
	return leat_detail_merge_recv(merge, item, leat_detail_sizeof<T>::value, tag, LEAT_NEVER);
}
template <class T>
inline int leat_merge_recv_until(leat_merge *merge, T *item, void **tag, int64_t deadline_ns)
{
	return leat_detail_merge_recv(merge, item, leat_detail_sizeof<T>::value, tag, deadline_ns);
}

} /* extern "C++" */

#endif
#endif
