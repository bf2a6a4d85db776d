/*
 * leat_after() and leat_ready(), in the three places where they run:
 *
 *     in a step on a pool     note what is asked for in leat_step_current, and return LEAT_AFTER or
 *                             LEAT_READY; after the turn leat_await_begin() waits for it
 *     on a generator's        wait in leat_tx_wait() of the generator's output, which also returns
 *     thread                  when the generator is to end
 *     where a seq is pulled   wait in place
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/await.h"
#include "runtime/chan/waitable.h"
#include "runtime/gen/gen.h"
#include "runtime/gen/news.h"

#include <poll.h>

static void wake_awaiting_job(struct leat_sleeper *sleeper)
{
	leat_job_wake(leat_container_of(sleeper, struct leat_await, sleeper)->job);
}

void leat_await_init(struct leat_await *await, struct leat_job *job)
{
	await->job = job;
	await->rx = NULL;
	await->news = NULL;
	await->place = NULL;
	await->sleeper = (struct leat_sleeper){ .fd = -1, .wake = wake_awaiting_job };
	await->waiter = (struct leat_waiter){ .sleeper = &await->sleeper };
	leat_polled_init(&await->polled, job);
}

bool leat_await_asked(const struct leat_step *step, int rc)
{
	return (rc == LEAT_AFTER && step->after_ns != 0 && step->fd < 0) ||
	       (rc == LEAT_READY && (step->fd >= 0 || step->news != NULL)) ||
	       (rc == LEAT_ITEM && step->rx != NULL);
}

static void remove_and_forward(struct leat_waitable *side, struct leat_waiter *waiter)
{
	if (leat_waitable_remove_waiter(side, waiter))
		leat_waitable_forward_notify(side);
}

static int await_input(struct leat_await *await, struct leat_rx *rx)
{
	struct leat_waitable *side = leat_waitable_of_rx(rx);

	leat_event_fence(leat_waitable_add_waiter(side, &await->waiter));
	if (leat_waitable_ready(side)) {
		remove_and_forward(side, &await->waiter);
		return LEAT_JOB_MORE;
	}
	await->rx = rx;
	return LEAT_JOB_AFTER;
}

static int await_news(struct leat_await *await, struct leat_news *news)
{
	leat_event_prepare_wait(&news->event, &await->waiter);
	if (leat_news_there(news)) {
		leat_event_remove_waiter(&news->event, &await->waiter);
		return LEAT_JOB_MORE;
	}
	await->news = news;
	return LEAT_JOB_AFTER;
}

int leat_await_begin(struct leat_await *await, struct leat_job *job, struct leat_step *step, int rc)
{
	if (step->place != NULL && step->place->news != step->news)
		leat_step_drop_place(step); /* it asked for something else since */
	job->due_ns = rc == LEAT_ITEM ? LEAT_NEVER : step->after_ns;
	if (rc == LEAT_ITEM)
		return await_input(await, step->rx);
	if (rc == LEAT_READY && step->news != NULL) {
		await->place = step->place;
		step->place = NULL;
		return await_news(await, step->news);
	}
	if (rc == LEAT_READY) {
		rc = leat_polled_add(&await->polled, job->kind->pool(job), step->fd, step->events);
		if (rc < 0)
			return rc;
	}
	return LEAT_JOB_AFTER;
}

void leat_await_end(struct leat_await *await)
{
	if (await == NULL)
		return;
	if (await->rx != NULL)
		remove_and_forward(leat_waitable_of_rx(await->rx), &await->waiter);
	await->rx = NULL;
	if (await->news != NULL)
		leat_event_remove_waiter(&await->news->event, &await->waiter);
	await->news = NULL;
	leat_polled_remove(&await->polled);
}

bool leat_step_is_stopped(struct leat_step *step)
{
	bool stopped = false;

	if (step->out != NULL)
		stopped = leat_handle_is_stopped(leat_handle_of_tx(step->out));
	else if (step->ctl != NULL)
		/* S4: what was done before the stop; pairs with leat_ctl_set_stop_bit() */
		stopped = leat_load_acq(step->ctl) & LEAT_CTL_STOPPING;
	step->told |= stopped;
	return stopped;
}

void leat_gen_mark_source(void)
{
	struct leat_step *step = leat_step_current;
	struct leat_tx *out = step != NULL ? step->out : leat_gen_out;

	/* rlx: its own thread's */
	if (out != NULL && !leat_load_rlx(&leat_handle_of_tx(out)->mark.source))
		leat_tx_source(out, true);
	else if (step != NULL && step->ctl != NULL)
		leat_ctl_set_stop_bit(step->ctl, LEAT_CTL_HAS_SOURCE);
}

/* Where a seq is pulled there is no generator to end: its caller's thread sleeps. */
static int sleep_in_place(int64_t deadline_ns)
{
	uint32_t word = 0;

	while (leat_now_ns() < deadline_ns)
		leat_os_futex_wait(&word, 0, deadline_ns);
	return 0;
}

int leat_after(int64_t deadline_ns)
{
	struct leat_step *step = leat_step_current;
	int rc;

	if (leat_now_ns() >= deadline_ns)
		return 0;
	if (step != NULL) {
		if (leat_step_is_stopped(step))
			return -ESHUTDOWN;
		leat_step_ask(step, deadline_ns, -1, NULL);
		return LEAT_AFTER;
	}
	if (leat_gen_out == NULL)
		return sleep_in_place(deadline_ns);
	rc = leat_tx_wait(leat_gen_out, -1, 0, deadline_ns);
	return rc == -ETIMEDOUT ? 0 : rc;
}

int leat_step_pause(void)
{
	struct leat_step *step = leat_step_current;

	if (step == NULL)
		return 0;
	if (leat_step_is_stopped(step))
		return -ESHUTDOWN;
	leat_step_ask(step, leat_now_ns(), -1, NULL);
	return LEAT_AFTER;
}

/* Returns 1 when the descriptor is ready, 0 when it is not, or after a signal; -errno. */
static int poll_descriptor(int fd, short events, int64_t deadline_ns)
{
	struct pollfd polled = { .fd = fd, .events = events };
	int n = leat_os_poll(&polled, 1, deadline_ns);

	if (n == -ETIMEDOUT)
		return 0;
	return n > 0 && polled.revents & POLLNVAL ? -EBADF : n;
}

int leat_ready(int fd, short events, int64_t deadline_ns)
{
	struct leat_step *step = leat_step_current;
	int rc;

	if (fd < 0)
		return -EBADF;
	rc = poll_descriptor(fd, events, 0);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (leat_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	if (step != NULL) {
		if (leat_step_is_stopped(step))
			return -ESHUTDOWN;
		leat_step_ask(step, deadline_ns, fd, NULL);
		step->events = events;
		return LEAT_READY;
	}
	if (leat_gen_out != NULL) {
		rc = leat_tx_wait(leat_gen_out, fd, events, deadline_ns);
		return rc == 1 ? 0 : rc;
	}
	while ((rc = poll_descriptor(fd, events, deadline_ns)) == 0)
		if (leat_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	return rc < 0 ? rc : 0;
}
