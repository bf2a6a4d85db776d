/* SPDX-License-Identifier: BSD-2-Clause */
#include "testkit/testkit.h"

#include <leat/atomic.h>

#include <stdlib.h>

struct started {
	leat_thread_fn *fn;
	void *arg;
	/* By the manual clock; guarded by its lock. */
	struct started *next, **link;
	struct leat_thread thread;
};

static LEAT_TLS bool in_library;
static uint32_t count; /* by relaxed additions; while the clock is real */
static struct started *running;

bool leat_kit_in_library(void)
{
	return in_library;
}

uint32_t leat_kit_threads(void)
{
	return leat_load_rlx(&count); /* rlx: the clock starts while no other thread is in a call */
}

/* Caller holds the clock's lock. */
static void list_started(struct started *started)
{
	started->next = running;
	started->link = &running;
	if (running != NULL)
		running->link = &started->next;
	running = started;
}

/* The last that the thread does, but for destructors of its own values; these do not count. */
static void end_started(struct started *started)
{
	in_library = false;
	if (!leat_kit_clock_is_manual()) {
		leat_add_rlx(&count, UINT32_MAX); /* rlx: a number */
		free(started);
		return;
	}
	leat_kit_lock();
	*started->link = started->next;
	if (started->next != NULL)
		started->next->link = started->link;
	leat_kit_wake(started, UINT32_MAX); /* threads that join it */
	leat_kit_count_running(-1);
	leat_kit_unlock();
	free(started);
}

static void run_started(void *arg)
{
	struct started *started = arg;

	in_library = true;
	started->fn(started->arg);
	end_started(started);
}

int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin)
{
	struct started *started = malloc(sizeof(*started));
	int rc;

	if (started == NULL)
		return -ENOMEM;
	*started = (struct started){ .fn = fn, .arg = arg };
	if (!leat_kit_clock_is_manual()) {
		leat_add_rlx(&count, 1u); /* rlx: a number */
		rc = leat_real_thread_start(thread, run_started, started, name, pin);
		if (rc < 0) {
			leat_add_rlx(&count, UINT32_MAX); /* rlx: a number */
			free(started);
		}
		return rc;
	}
	/* Held during the start: the new thread is on the list, with its id, before it can end. */
	leat_kit_lock();
	rc = leat_real_thread_start(thread, run_started, started, name, pin);
	if (rc == 0) {
		started->thread = *thread;
		list_started(started);
		leat_kit_count_running(1);
	}
	leat_kit_unlock();
	if (rc < 0)
		free(started);
	return rc;
}

/* Caller holds the clock's lock. */
static struct started *find_started(const struct leat_thread *thread)
{
	for (struct started *s = running; s != NULL; s = s->next)
		if (pthread_equal(s->thread.posix, thread->posix))
			return s;
	return NULL;
}

/* By the manual clock a thread that joins is parked, as the other may be. */
void leat_thread_join(struct leat_thread *thread)
{
	struct started *started;

	if (leat_kit_clock_is_manual()) {
		leat_kit_lock();
		while ((started = find_started(thread)) != NULL) {
			struct leat_kit_sleeper me = { .on = started, .due_ns = LEAT_NEVER };

			leat_kit_sleep(&me, NULL);
			leat_kit_lock();
		}
		leat_kit_unlock();
	}
	leat_real_thread_join(thread);
}
