/*
 * tools/leat/flow/file.c: sync and reopen of the sink `file`. See file.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/file.h"

#include <leat/atomic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

void leat_file_init(struct leat_file *file, struct leat_member *member, struct leat_out *out)
{
	const struct leat_stage *stage = member->steps[member->steps_count - 1].stage;
	const struct leat_value *sync = leat_stage_key(stage, "sync");

	*file = (struct leat_file){ .member = member,
		                    .stage = stage,
		                    .out = out,
		                    .syncs = sync->number != 0,
		                    .sync_ns = sync->ns,
		                    .wait_fd = -1 };
	file->active = stage->type->verb == LEAT_VERB_FILE &&
	               (file->syncs || member->final->reopen_fd >= 0);
}

static int sync_file(struct leat_file *file)
{
	file->dirty_ns = 0;
	return fsync(file->out->fd) != 0 ? -errno : 0;
}

/* The old file is written on. Where nothing says it now, it is said of the result. */
static void tell_not_reopened(struct leat_file *file, const char *why)
{
	struct leat_run *flow = file->member->flow;
	char text[LEAT_RUN_WHY + 64];

	snprintf(text, sizeof(text), "%s; the old file is written on", why);
	if (flow->opts.say != NULL)
		flow->opts.say(flow->opts.say_arg, text);
	else
		snprintf(file->member->final->note, LEAT_NOTE, "%.*s", LEAT_NOTE - 1, text);
}

static int reopen_file(struct leat_file *file)
{
	struct leat_run *flow = file->member->flow;
	char why[LEAT_RUN_WHY];
	int fd = leat_output_open(flow, file->stage, true, why), rc;

	if (fd < 0) {
		tell_not_reopened(file, why);
		return 0;
	}
	rc = leat_out_flush(file->out);
	if (rc == 0 && file->syncs)
		rc = sync_file(file);
	if (close(file->out->fd) != 0 && rc == 0)
		rc = -errno;
	file->member->final->out_fd = fd;
	leat_out_turn(file->out, fd);
	return rc;
}

/* Requests that came together are one. */
static int reopen_if_asked(struct leat_file *file)
{
	/* rlx: only the count is wanted; H1 orders it where the sink waits */
	uint64_t asked = leat_load_rlx(&file->member->final->reopens);

	if (asked == file->seen)
		return 0;
	file->seen = asked;
	return reopen_file(file);
}

static int64_t sync_at_ns(const struct leat_file *file)
{
	return file->sync_ns != 0 && file->dirty_ns != 0 ? file->dirty_ns + file->sync_ns
	                                                 : LEAT_NEVER;
}

int leat_file_check(struct leat_file *file)
{
	int rc = reopen_if_asked(file);

	if (rc != 0 || file->sync_ns == 0)
		return rc;
	int64_t now_ns = leat_now_ns();
	if (file->dirty_ns == 0)
		file->dirty_ns = now_ns;
	if (now_ns < sync_at_ns(file))
		return 0;
	rc = leat_out_flush(file->out);
	return rc != 0 ? rc : sync_file(file);
}

/* Makes one descriptor of those that the sink waits for. */
static int open_wait(struct leat_file *file, int rx_fd)
{
	struct epoll_event input = { .events = EPOLLIN };
	int reopen_fd = file->member->final->reopen_fd;

	if (file->wait_fd >= 0)
		return 0;
	file->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (file->wait_fd < 0 || epoll_ctl(file->wait_fd, EPOLL_CTL_ADD, rx_fd, &input) != 0 ||
	    (reopen_fd >= 0 && epoll_ctl(file->wait_fd, EPOLL_CTL_ADD, reopen_fd, &input) != 0))
		return -errno;
	return 0;
}

/*
 * Waits until the receiver's descriptor is readable, or a request or the time of a sync comes.
 * Returns 0, or -errno.
 */
static int wait_for_input(struct leat_file *file)
{
	int reopen_fd = file->member->final->reopen_fd;
	eventfd_t requests;
	int rc = leat_tx_wait(file->member->tx, file->wait_fd, POLLIN, sync_at_ns(file));

	if (rc == 1 && reopen_fd >= 0)
		eventfd_read(reopen_fd, &requests); /* H1: pairs with leat_run_reopen() */
	return rc == -ETIMEDOUT || rc == -ECANCELED || rc > 0 ? 0 : rc; /* the receive tells */
}

int leat_file_wait(struct leat_file *file)
{
	struct leat_rx *rx = file->member->rx;
	int fd = leat_rx_fd(rx), rc = fd < 0 ? fd : open_wait(file, fd), ready = 0;

	while (rc == 0 && !ready) {
		ready = leat_rx_arm(rx);
		if (ready == 0)
			rc = wait_for_input(file);
		if (ready < 0)
			rc = ready;
		if (rc == 0)
			rc = reopen_if_asked(file);
		if (rc == 0 && leat_now_ns() >= sync_at_ns(file))
			rc = sync_file(file);
	}
	leat_rx_disarm(rx);
	return rc;
}

int leat_file_end(struct leat_file *file)
{
	int rc = file->syncs ? sync_file(file) : 0;

	/* Some file systems report a full disk only here. */
	if (close(file->out->fd) != 0 && rc == 0)
		rc = -errno;
	file->member->final->out_fd = -1;
	return rc;
}

void leat_file_fini(struct leat_file *file)
{
	if (file->wait_fd >= 0)
		close(file->wait_fd);
	file->wait_fd = -1;
}

bool leat_run_reopens(const struct leat_run *flow)
{
	for (size_t i = 0; i < flow->finals_count; i++)
		if (flow->finals[i].reopen_fd >= 0)
			return true;
	return false;
}

void leat_run_reopen(struct leat_run *flow)
{
	for (size_t i = 0; i < flow->finals_count; i++) {
		struct leat_final *final = &flow->finals[i];

		if (final->reopen_fd < 0)
			continue;
		/* rlx: the descriptor orders it for a sink that waits; H1, pairs with
		 * wait_for_input() */
		leat_add_rlx(&final->reopens, (uint64_t)1);
		eventfd_write(final->reopen_fd, 1);
	}
}
