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
 *                     its lane has ended (0) or was cancelled (-ECANCELED), and is gone
 *     leat_merge_close(merge);
 *
 * There is no thread, and nothing is copied twice. A lane is a receiver; where nothing comes, it
 * stands armed on its channel and costs the merge nothing: an item there puts it on the list of
 * those that have something. Those are served in turn, some tens of items each. Items of one lane
 * come in their order.
 *
 * In somebody else's event loop, all its lanes are one descriptor:
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
 * Who may call what
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
 * A merge of channels with items of this size, without any lane. NULL for a size of 0, without
 * memory, and for a caller that was compiled for another layout (leat/base.h).
 */
LEAT_API struct leat_merge *leat_merge_open(size_t item_size);

/*
 * Adds a lane. On 0 the receiver is the merge's, which closes it when it has ended; the tag is
 * whatever it is to be known by. -EINVAL for NULL and for items of another size; -EBUSY for one
 * that holds a peek; -ENOMEM.
 */
LEAT_API int leat_merge_add(struct leat_merge *merge, struct leat_rx *rx, void *tag);

/*
 * The next item of any lane, and the lane's tag (tag may be NULL): 1. Each lane that ends says so
 * once, after its last item: 0, or -ECANCELED. -ENOENT when there is no lane; -ETIMEDOUT (until): a
 * deadline that is not in the future means no wait, and 0 does so without a look at the clock;
 * -EINVAL. It waits as an adaptive receive does, and parks at once if a lane's channel waits so. A
 * lane that stands armed counts as waiting in the books.
 *
 * Of a channel that other threads receive from too, -ETIMEDOUT may miss an item: one that another
 * of those was notified of and has not taken yet, or that moved from lane to lane during the call.
 * leat_select() does not.
 */
LEAT_API int leat_merge_recv(struct leat_merge *merge, void *item, void **tag);
LEAT_API int leat_merge_recv_until(struct leat_merge *merge, void *item, void **tag,
                                   int64_t deadline_ns);

/*
 * The receiver that the last answer was about, until the next call with this merge: for
 * leat_rx_status() of a lane that has ended. NULL if there is none. Only to be asked.
 */
LEAT_API const struct leat_rx *leat_merge_lane(const struct leat_merge *merge);

/*
 * A descriptor that poll(2) and epoll find readable when a receive would answer: an item of any
 * lane, a lane's end or cancel; and when a lane is added. It is the merge's, made by the first call
 * and closed with it; or -EMFILE, -ENFILE, -ENOMEM, -EINVAL. leat_select() takes it as
 * LEAT_CASE_FD(leat_merge_fd(merge), POLLIN).
 *
 * It says so only when it is armed, by the merging thread, each time before that waits for it: 0 it
 * is armed now, all lanes stand armed on their channels, and generators on a pool are run by its
 * workers; 1 there may be something already, so do not wait (it is not armed); -EINVAL without a
 * descriptor. A merge without a lane can be armed. While it is not armed, nobody pays for it. It
 * tells once. disarm() ends that, and so does a receive of the merge that has to sleep, as that is
 * to be told instead; the lanes stay where they are. Who was told has the news: if there are other
 * receivers of a lane's channel, let him receive, or close the merge, before he turns to something
 * else for long.
 */
LEAT_API int leat_merge_fd(struct leat_merge *merge);
LEAT_API int leat_merge_arm(struct leat_merge *merge);
LEAT_API int leat_merge_disarm(struct leat_merge *merge);

/* Closes the lanes that are left, and frees. NULL does nothing. */
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
