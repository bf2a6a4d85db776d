/*
 * Models of news (runtime/gen/news.h): a waiter in place, and a step of a pool, against a thread
 * that raises bits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include "runtime/gen/news.h"

static struct leat_news news;
static uint64_t state; /* what the news are about: relaxed accesses, W1 and W2 order them */

/* Two changes, with a bit each: the second may find the first bit still raised. */
static void changes(void *arg)
{
	(void)arg;
	for (uint32_t i = 1; i <= 2; i++) {
		leat_store_rlx(&state, i);
		leat_news_raise(&news, i);
	}
}

static void changes_once(void *arg)
{
	(void)arg;
	leat_store_rlx(&state, 2);
	leat_news_raise(&news, 2);
}

MODEL(news_in_place, .what = "a thread that waits for news finds the last change", .preemptions = 3,
      .stale = 2)
{
	uint32_t bits = 0;

	leat_news_init(&news);
	verify_spawn(changes, NULL, "notifier");
	while (leat_load_rlx(&state) != 2) {
		verify_that(leat_news_await(&news, NULL, LEAT_NEVER, LEAT_TIME_STARVED) == 0);
		bits |= leat_news_take(&news);
	}
	verify_join();
	bits |= leat_news_take(&news);
	verify_that(bits == 3 && !leat_news_there(&news));
}

MODEL(news_two_notifiers, .what = "the same with two notifiers: one finds the other's bit raised",
      .preemptions = 2, .stale = 2)
{
	uint32_t bits = 0;

	leat_news_init(&news);
	verify_spawn(changes_once, NULL, "notifier 1");
	verify_spawn(changes_once, NULL, "notifier 2");
	while (leat_load_rlx(&state) != 2) {
		verify_that(leat_news_await(&news, NULL, LEAT_NEVER, LEAT_TIME_STARVED) == 0);
		bits |= leat_news_take(&news);
	}
	verify_join();
	bits |= leat_news_take(&news);
	verify_that(bits == 2);
}

/* Waits for news, and sends the state once that is 2. */
static int next_state(void *arg, void *item)
{
	uint64_t *out = item;
	bool *sent = arg;
	int rc;

	if (*sent)
		return 0;
	for (;;) {
		rc = leat_news_await(&news, NULL, LEAT_NEVER, LEAT_TIME_STARVED);
		if (rc != 0)
			return rc;
		leat_news_take(&news);
		*out = leat_load_rlx(&state);
		if (*out != 2)
			continue;
		*sent = true;
		return 1;
	}
}

static void in_step(void (*notifier)(void *), bool on_thread, bool cancelled)
{
	static bool sent;
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	if (on_thread)
		scope = leat_scope_open(NULL, NULL);
	else
		open_pool(1, false);
	opts = on_pool(LEAT_SPSC, 1); /* or a thread, as pool is NULL then */
	leat_news_init(&news);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next_state, fini, &sent, sizeof(item) },
	                         &opts, &rx) == 0);
	verify_spawn(notifier, NULL, "notifier");
	if (cancelled)
		verify_spawn(cancels, NULL, "canceller");
	rc = leat_recv(rx, &item);
	verify_that((rc == 1 && item == 2) || (rc == -ECANCELED && cancelled));
	verify_join();
	leat_rx_close(rx);
	if (on_thread)
		verify_that(leat_scope_close(scope) == 0);
	else
		close_pool(0);
	verify_that(leat_load_rlx(&finis) == 1);
}

MODEL(news_in_step, .what = "a step of a pool waits for news and finds the last change",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	in_step(changes, false, false);
}

MODEL(news_in_step_canceled, .what = "the same against a cancel", .preemptions = 1, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	in_step(changes_once, false, true);
}

MODEL(news_on_thread, .what = "a generator's thread waits for news", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	in_step(changes, true, false);
}

MODEL(news_on_thread_canceled, .what = "the same against a cancel", .preemptions = 1, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	in_step(changes_once, true, true);
}
