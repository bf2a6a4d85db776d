/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/news.h"
#include "runtime/chan/chan.h"
#include "runtime/event/wait.h"
#include "runtime/gen/await.h"
#include "runtime/gen/gen.h"

void leat_news_init(struct leat_news *news)
{
	leat_event_init(&news->event, NULL, 0);
	leat_store_rlx(&news->bits, 0); /* rlx: no other thread knows it yet */
}

bool leat_news_raise(struct leat_news *news, uint32_t bits)
{
	/* W1: what changed before the bit; pairs with W2 in leat_news_take() */
	if (leat_or_acqrel(&news->bits, bits) != 0)
		return false;
	leat_event_notify(&news->event, LEAT_EVENT_ALL);
	return true;
}

uint32_t leat_news_take(struct leat_news *news)
{
	uint32_t bits = leat_load_rlx(&news->bits); /* rlx: the swap decides */

	/* W2: the bits before what changed is read; pairs with W1 in leat_news_raise() */
	while (!leat_cas_acqrel(&news->bits, &bits, 0))
		;
	return bits;
}

/* A wait for news, and for what a send on the output could no longer do. */
struct news_wait {
	struct leat_wait_loop loop;
	struct leat_waiter at_news, at_out;
	struct leat_news *news;
	struct leat_tx *out; /* NULL: none */
};

static struct news_wait *news_wait_of(struct leat_wait_loop *w)
{
	return (struct news_wait *)(void *)w;
}

static ssize_t wait_attempt(struct leat_wait_loop *w)
{
	const struct news_wait *wait = news_wait_of(w);
	int refusal = wait->out != NULL ? leat_tx_refusal(wait->out) : 0;

	if (refusal != 0)
		return refusal;
	return leat_news_there(wait->news) ? 0 : -EAGAIN;
}

static void wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(news_wait_of(w)->out->chan->scope);
}

static void wait_prepare(struct leat_wait_loop *w)
{
	struct news_wait *wait = news_wait_of(w);

	if (wait->out != NULL)
		leat_event_prepare_wait(&wait->out->chan->done, &wait->at_out);
	leat_event_prepare_wait(&wait->news->event, &wait->at_news);
}

/* Neither event has another waiter whom a notification could be for. */
static bool wait_retire(struct leat_wait_loop *w)
{
	struct news_wait *wait = news_wait_of(w);

	if (wait->out != NULL)
		leat_event_remove_waiter(&wait->out->chan->done, &wait->at_out);
	leat_event_remove_waiter(&wait->news->event, &wait->at_news);
	return false;
}

static const struct leat_wait_ops wait_ops = {
	.attempt = wait_attempt,
	.expire = wait_expire,
	.prepare = wait_prepare,
	.retire = wait_retire,
};

static int wait_in_place(struct leat_news *news, struct leat_tx *out, int64_t deadline_ns,
                         enum leat_time time)
{
	struct news_wait wait = {
		.loop = {
			.ops = &wait_ops,
			.policy = LEAT_WAIT_PARK,
			.time = time,
			.waits_for = time == LEAT_TIME_PACED ? LEAT_PACED_SEMAPHORE : 0,
			.weight = 1,
			.deadline_ns = deadline_ns,
			.scopes_ns = out == NULL ? LEAT_NEVER
			                         : leat_scope_deadline(out->chan->scope),
			.sleeper = LEAT_SLEEPER_INIT,
		},
		.at_news.sleeper = &wait.loop.sleeper,
		.at_out.sleeper = &wait.loop.sleeper,
		.news = news,
		.out = out,
	};

	return (int)leat_wait_for(&wait.loop);
}

int leat_news_await(struct leat_news *news, struct leat_tx *out, int64_t deadline_ns,
                    enum leat_time time)
{
	struct leat_step *step = out == NULL ? leat_step_current : NULL;

	if (step == NULL)
		return wait_in_place(news, out != NULL ? out : leat_gen_out, deadline_ns, time);
	if (leat_news_there(news))
		return 0;
	if (leat_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	if (leat_step_is_stopped(step))
		return -ESHUTDOWN;
	leat_step_ask(step, deadline_ns, -1, news);
	return LEAT_READY;
}
