/*
 * Signals that stop a scope: leat_scope_stop_on_signals().
 *
 * A thread sleeps in poll(2) on a descriptor of the signals and on a flag, which the close of the
 * scope raises. The close joins the thread before it removes the drain timer, which the thread may
 * have added.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/tree.h"

#include <poll.h>

struct leat_scope_signals {
	struct leat_scope *scope;
	int64_t drain_ns;
	struct leat_thread thread;
	int fd, closing; /* descriptors: of the signals, and the flag */
};

/* Guards scope->signals of all scopes, and orders two calls for one scope. */
static struct leat_mutex installs = LEAT_MUTEX_INIT;

static int64_t drain_deadline(int64_t drain_ns)
{
	int64_t deadline_ns;

	return __builtin_add_overflow(leat_now_ns(), drain_ns, &deadline_ns) ? LEAT_NEVER
	                                                                     : deadline_ns;
}

static void obey_signal(struct leat_scope_signals *signals, int number, bool first)
{
	char name[LEAT_NAME_MAX + 1];
	int rc = -EAGAIN;

	leat_os_signal_name(number, name);
	if (first && signals->drain_ns > 0)
		rc = leat_scope_stop(signals->scope, drain_deadline(signals->drain_ns), name);
	if (rc != 0 && rc != -ECANCELED)
		leat_scope_cancel(signals->scope, 0, name);
}

static void wait_for_signals(void *arg)
{
	struct leat_scope_signals *signals = arg;
	struct pollfd fds[] = { { .fd = signals->closing, .events = POLLIN },
		                { .fd = signals->fd, .events = POLLIN } };
	int taken = 0, number;

	while (fds[0].revents == 0) {
		/* A cancel by the second signal was the last thing to do. */
		if (taken == 2)
			fds[1].fd = -1;
		if (leat_os_poll(fds, 2, LEAT_NEVER) <= 0) {
			fds[0].revents = 0;
			continue;
		}
		if (fds[0].revents == 0 && taken < 2 &&
		    (number = leat_os_signals_take(signals->fd)) > 0)
			obey_signal(signals, number, ++taken == 1);
	}
}

/* Returns NULL with the reason at *rc. */
static struct leat_scope_signals *start_waiting(struct leat_scope *scope, const sigset_t *set,
                                                int64_t drain_ns, int *rc)
{
	struct leat_scope_signals *signals = leat_os_alloc(sizeof(*signals), 0);

	*rc = -ENOMEM;
	if (signals == NULL)
		return NULL;
	signals->scope = scope;
	signals->drain_ns = drain_ns;
	signals->closing = *rc = leat_os_flag_open();
	if (*rc < 0)
		goto free_memory;
	signals->fd = *rc = leat_os_signals_open(set);
	if (*rc < 0)
		goto close_flag;
	*rc = leat_thread_start(&signals->thread, wait_for_signals, signals, "leat-signals", 0);
	if (*rc == 0)
		return signals;
	leat_os_fd_close(signals->fd);
close_flag:
	leat_os_flag_close(signals->closing);
free_memory:
	leat_os_free(signals);
	return NULL;
}

int leat_scope_stop_on_signals(struct leat_scope *scope, const sigset_t *signals, int64_t drain_ns)
{
	sigset_t before;
	int rc;

	if (scope == NULL || signals == NULL || drain_ns < 0)
		return -EINVAL;
	if (leat_scope_cause(scope, NULL, NULL) != LEAT_RUNNING)
		return -ECANCELED;
	leat_mutex_lock(&installs);
	if (scope->signals != NULL) {
		rc = -EALREADY;
	} else {
		/* first, or a signal that comes meanwhile would end the program */
		leat_os_signals_block(signals, &before);
		scope->signals = start_waiting(scope, signals, drain_ns, &rc);
		if (rc != 0)
			leat_os_signals_restore(&before);
	}
	leat_mutex_unlock(&installs);
	return rc;
}

void leat_scope_signals_end(struct leat_scope *scope)
{
	struct leat_scope_signals *signals;

	/* no other call with this scope is under way, as it is being closed */
	signals = scope->signals;
	if (signals == NULL)
		return;
	scope->signals = NULL;
	leat_os_flag_raise(signals->closing);
	leat_thread_join(&signals->thread);
	leat_os_fd_close(signals->fd);
	leat_os_flag_close(signals->closing);
	leat_os_free(signals);
}
