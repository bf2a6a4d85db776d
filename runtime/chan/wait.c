/*
 * leat_tx_wait(): a sender that waits for a descriptor, for a time, or until no send can succeed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/wait.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/chan_fd.h"

#include <poll.h>

/* A wait for a descriptor, if fd is one, and until a send on the handle can no longer succeed. */
struct tx_wait {
	struct leat_wait_loop loop;
	struct leat_waiter waiter;
	struct leat_handle *h;
	int fd;
	short events;
	bool ready; /* the last poll returned the descriptor */
};

static struct tx_wait *tx_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct tx_wait, loop);
}

static struct leat_chan *chan_of_tx_wait(struct leat_wait_loop *w)
{
	return leat_chan_of(tx_wait_of(w)->h);
}

/*
 * Polls the descriptor and the flag that the channel raises. Returns -EAGAIN, or what poll(2)
 * failed with.
 */
static ssize_t poll_tx_wait(struct tx_wait *wait, int64_t until_ns)
{
	struct pollfd fds[2] = { { .fd = wait->fd, .events = wait->events },
		                 { .fd = wait->loop.sleeper.fd, .events = POLLIN } };
	int n = leat_os_poll(fds, 2, until_ns);

	wait->ready = n > 0 && fds[0].revents != 0;
	return n < 0 && n != -ETIMEDOUT ? n : -EAGAIN;
}

static ssize_t tx_wait_attempt(struct leat_wait_loop *w)
{
	struct tx_wait *wait = tx_wait_of(w);
	int refusal = leat_handle_refusal(tx_wait_of(w)->h);
	ssize_t r = -EAGAIN;

	if (refusal != 0)
		return refusal;
	if (w->last && wait->fd >= 0)
		r = poll_tx_wait(wait, 0);
	return wait->ready ? 1 : r;
}

static void tx_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(chan_of_tx_wait(w)->scope);
}

static void tx_wait_prepare(struct leat_wait_loop *w)
{
	leat_event_prepare_wait(&chan_of_tx_wait(w)->done, &tx_wait_of(w)->waiter);
}

static ssize_t tx_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	if (tx_wait_of(w)->fd >= 0)
		return poll_tx_wait(tx_wait_of(w), until_ns);
	leat_sleeper_park(&w->sleeper, until_ns);
	return -EAGAIN;
}

static bool tx_wait_retire(struct leat_wait_loop *w)
{
	return leat_event_remove_waiter(&chan_of_tx_wait(w)->done, &tx_wait_of(w)->waiter);
}

static const struct leat_wait_ops tx_wait_ops = {
	.attempt = tx_wait_attempt,
	.expire = tx_wait_expire,
	.prepare = tx_wait_prepare,
	.park = tx_wait_park,
	.retire = tx_wait_retire,
};

/* A descriptor that is to become writable is an output, as a channel is that has no room. */
static enum leat_time time_of_wait(int fd, short events)
{
	if (fd < 0)
		return LEAT_TIME_PACED;
	return events & POLLOUT ? LEAT_TIME_BLOCKED : LEAT_TIME_STARVED;
}

int leat_tx_wait(struct leat_tx *tx, int fd, short events, int64_t deadline_ns)
{
	struct leat_handle *h = leat_handle_of_tx(tx);
	struct tx_wait wait;
	int flag = -1;

	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, "leat_tx_wait");
	if (fd >= 0) {
		flag = leat_wake_fd(&h->waits.wake_fd);
		if (flag < 0)
			return flag;
	}
	wait = (struct tx_wait){
		.loop = {
			.ops = &tx_wait_ops,
			.policy = LEAT_WAIT_PARK,
			.time = time_of_wait(fd, events),
			.waits_for = fd < 0 ? LEAT_PACED_TIME : 0,
			.weight = 1,
			.deadline_ns = deadline_ns,
			.scopes_ns = leat_scope_deadline(leat_chan_of(h)->scope),
			.sleeper = { .fd = flag },
		},
		.waiter.sleeper = &wait.loop.sleeper,
		.h = h,
		.fd = fd,
		.events = events,
	};
	return (int)leat_wait_for(&wait.loop);
}
