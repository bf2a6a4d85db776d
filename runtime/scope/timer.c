/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/scope/timer.h"

/* A thread that was told to stop may still sleep when the next one starts, so each has its own place to sleep. */
struct runner {
	struct leat_thread thread;
	struct leat_cond changed;
	bool stop;
};

static struct leat_mutex lock = LEAT_MUTEX_INIT; /* guards everything here; held while a timer fires */
static struct leat_timer *first; /* the root of a pairing heap: no child falls due before its parent; NULL: none waits */
static size_t timers_count; /* added and not removed, fired or not */
static struct runner *current;

/* Two heaps, neither of them empty, become one: the root that is due later is now the other's first child. */
static struct leat_timer *meld(struct leat_timer *a, struct leat_timer *b)
{
	struct leat_timer *root = b->deadline_ns < a->deadline_ns ? b : a, *child = root == a ? b : a;

	child->prev = root;
	child->next = root->child;
	if (child->next != NULL)
		child->next->prev = child;
	root->child = child;
	return root;
}

/* Siblings become one heap: by pairs, then one pair after another, which is what keeps removals at a logarithm on average. */
static struct leat_timer *meld_siblings(struct leat_timer *timer)
{
	struct leat_timer *pairs = NULL, *root = NULL, *next;

	for (; timer != NULL; timer = next) {
		struct leat_timer *other = timer->next;

		next = other == NULL ? NULL : other->next;
		if (other != NULL)
			timer = meld(timer, other);
		timer->next = pairs;
		pairs = timer;
	}
	for (; pairs != NULL; pairs = next) {
		next = pairs->next;
		root = root == NULL ? pairs : meld(root, pairs);
	}
	return root;
}

static void add(struct leat_timer *timer)
{
	timer->child = NULL;
	timer->waiting = true;
	first = first == NULL ? timer : meld(first, timer);
}

static void take_out(struct leat_timer *timer)
{
	struct leat_timer *below = meld_siblings(timer->child);

	timer->waiting = false;
	if (timer == first) {
		first = below;
		return;
	}
	if (timer->prev->child == timer)
		timer->prev->child = timer->next;
	else
		timer->prev->next = timer->next;
	if (timer->next != NULL)
		timer->next->prev = timer->prev;
	if (below != NULL)
		first = meld(first, below);
}

static void run(void *arg)
{
	struct runner *self = arg;

	leat_mutex_lock(&lock);
	while (!self->stop) {
		struct leat_timer *due = first;

		if (due == NULL || leat_now_ns() < due->deadline_ns) {
			leat_cond_wait_until(&self->changed, &lock, due == NULL ? LEAT_NEVER : due->deadline_ns);
			continue;
		}
		take_out(due);
		due->fire(due);
	}
	leat_mutex_unlock(&lock);
}

static int start(void)
{
	struct runner *runner = leat_os_alloc(sizeof(*runner), 0);
	int rc;

	if (runner == NULL)
		return -ENOMEM;
	leat_cond_init(&runner->changed);
	rc = leat_thread_start(&runner->thread, run, runner, "leat-timer", 0);
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
		rc = start();
	if (rc == 0) {
		timers_count++;
		add(timer);
		if (timer == first)
			leat_cond_broadcast(&current->changed); /* it sleeps towards a later one */
	}
	leat_mutex_unlock(&lock);
	return rc;
}

void leat_timer_remove(struct leat_timer *timer)
{
	struct runner *last = NULL;

	leat_mutex_lock(&lock);
	if (timer->waiting)
		take_out(timer);
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
