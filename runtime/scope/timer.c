/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/scope/timer.h"

/*
 * A timer thread that was stopped may still sleep when the next one starts, so each has a condition
 * variable of its own.
 */
struct timer_thread {
	struct leat_thread thread;
	struct leat_cond changed;
	bool stop;
};

/* guards everything here; held while a timer fires */
static struct leat_mutex lock = LEAT_MUTEX_INIT;
static struct leat_due *first; /* of the timers that wait */
static size_t timers_count;    /* added and not removed, whether they fired or not */
static struct timer_thread *current;

static struct leat_timer *first_timer(void)
{
	return (struct leat_timer *)(void *)first;
}

static void stop_waiting(struct leat_timer *timer)
{
	timer->waiting = false;
	leat_due_remove(&first, &timer->due);
}

static void run_timers(void *arg)
{
	struct timer_thread *self = arg;

	leat_mutex_lock(&lock);
	while (!self->stop) {
		struct leat_timer *due = first_timer();

		if (due == NULL || leat_now_ns() < due->due.due_ns) {
			leat_cond_wait_until(&self->changed, &lock,
			                     due == NULL ? LEAT_NEVER : due->due.due_ns);
			continue;
		}
		stop_waiting(due);
		due->fire(due);
	}
	leat_mutex_unlock(&lock);
}

static int start_timer_thread(void)
{
	struct timer_thread *runner = leat_os_alloc(sizeof(*runner), 0);
	int rc;

	if (runner == NULL)
		return -ENOMEM;
	leat_cond_init(&runner->changed);
	rc = leat_thread_start(&runner->thread, run_timers, runner, "leat-timer", 0);
	if (rc == 0) {
		current = runner;
	} else {
		leat_cond_fini(&runner->changed);
		leat_os_free(runner);
	}
	return rc;
}

int leat_timer_add(struct leat_timer *timer)
{
	int rc = 0;

	leat_mutex_lock(&lock);
	if (current == NULL)
		rc = start_timer_thread();
	if (rc == 0) {
		timers_count++;
		timer->waiting = true;
		leat_due_add(&first, &timer->due);
		if (timer == first_timer())
			leat_cond_broadcast(&current->changed); /* it sleeps until a later one */
	}
	leat_mutex_unlock(&lock);
	return rc;
}

static void set_due(struct leat_timer *timer, int64_t due_ns, bool also_later)
{
	leat_mutex_lock(&lock);
	if (!timer->waiting || also_later || due_ns < timer->due.due_ns) {
		if (timer->waiting)
			stop_waiting(timer);
		timer->due.due_ns = due_ns;
		timer->waiting = true;
		leat_due_add(&first, &timer->due);
		if (timer == first_timer())
			leat_cond_broadcast(&current->changed);
	}
	leat_mutex_unlock(&lock);
}

void leat_timer_advance(struct leat_timer *timer, int64_t due_ns)
{
	set_due(timer, due_ns, false);
}

void leat_timer_move(struct leat_timer *timer, int64_t due_ns)
{
	set_due(timer, due_ns, true);
}

void leat_timer_remove(struct leat_timer *timer)
{
	struct timer_thread *last = NULL;

	leat_mutex_lock(&lock);
	if (timer->waiting)
		stop_waiting(timer);
	if (--timers_count == 0) {
		last = current;
		current = NULL;
		last->stop = true;
		leat_cond_broadcast(&last->changed);
	}
	leat_mutex_unlock(&lock);
	if (last == NULL)
		return;
	leat_thread_join(&last->thread);
	leat_cond_fini(&last->changed);
	leat_os_free(last);
}
