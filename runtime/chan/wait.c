/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/wait.h"
#include "runtime/chan/chan.h"

#include <poll.h>

static int look(const struct leat_handle *h)
{
	return leat_chan_refusal(leat_chan_of(h));
}

/* The scope's deadline may be what the wait ran into: then it is cancelled here, as the timer is about to do. */
static int out_of_time(struct leat_handle *h, int64_t deadline_ns)
{
	struct leat_scope *scope = leat_chan_of(h)->scope;
	int64_t now_ns = leat_now_ns();
	int refusal;

	if (now_ns >= leat_scope_deadline(scope))
		leat_scope_expire(scope);
	refusal = look(h);
	if (refusal != 0)
		return refusal;
	return now_ns >= deadline_ns ? -ETIMEDOUT : 0;
}

static int wait_without_fd(struct leat_handle *h, int64_t deadline_ns)
{
	struct leat_event *event = &leat_chan_of(h)->done;
	int64_t scope_deadline_ns = leat_scope_deadline(leat_chan_of(h)->scope);
	int64_t until_ns = deadline_ns < scope_deadline_ns ? deadline_ns : scope_deadline_ns;
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_waiter waiter = { .sleeper = &sleeper };
	int rc;

	do {
		leat_sleeper_ready(&sleeper);
		leat_event_enter(event, &waiter);
		rc = look(h);
		if (rc == 0 && leat_sleeper_park(&sleeper, until_ns) == -ETIMEDOUT)
			rc = out_of_time(h, deadline_ns);
		leat_event_leave(event, &waiter);
		if (rc == 0)
			rc = look(h);
	} while (rc == 0);
	return rc;
}

/* 1 when fd is ready, 0 when woken or interrupted, -ETIMEDOUT. */
static int poll_until(int fd, short events, int wake_fd, int64_t until_ns)
{
	struct pollfd fds[2] = { { .fd = fd, .events = events }, { .fd = wake_fd, .events = POLLIN } };
	int n = leat_os_poll(fds, 2, until_ns);

	if (n > 0 && fds[0].revents != 0)
		return 1;
	return n == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

static int wait_with_fd(struct leat_handle *h, int fd, short events, int64_t deadline_ns)
{
	struct leat_event *event = &leat_chan_of(h)->done;
	int64_t scope_deadline_ns = leat_scope_deadline(leat_chan_of(h)->scope);
	int64_t until_ns = deadline_ns < scope_deadline_ns ? deadline_ns : scope_deadline_ns;
	struct leat_sleeper sleeper = { .fd = h->wake_fd };
	struct leat_waiter waiter = { .sleeper = &sleeper };
	int rc;

	do {
		leat_sleeper_ready(&sleeper);
		leat_event_enter(event, &waiter);
		rc = look(h);
		if (rc == 0)
			rc = poll_until(fd, events, h->wake_fd, until_ns);
		leat_event_leave(event, &waiter);
		if (rc == -ETIMEDOUT)
			rc = out_of_time(h, deadline_ns);
	} while (rc == 0);
	return rc;
}

int leat_wake_fd(int *wake_fd)
{
	int flag;

	if (*wake_fd >= 0) {
		leat_os_flag_clear(*wake_fd); /* what a wait before has left in it */
		return *wake_fd;
	}
	flag = leat_os_flag_open();
	if (flag >= 0)
		*wake_fd = flag;
	return flag;
}

void leat_wake_fd_close(int *wake_fd)
{
	if (*wake_fd >= 0)
		leat_os_flag_close(*wake_fd);
	*wake_fd = -1;
}

int leat_tx_wait(struct leat_tx *tx, int fd, short events, int64_t deadline_ns)
{
	struct leat_handle *h = leat_handle_of_tx(tx);
	int flag;

	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, "leat_tx_wait");
	if (fd < 0)
		return wait_without_fd(h, deadline_ns);
	flag = leat_wake_fd(&h->wake_fd);
	return flag < 0 ? flag : wait_with_fd(h, fd, events, deadline_ns);
}
