/*
 * runtime/gen/news.h: bits that a thread of the library raises for a generator, which waits for
 * them as for a descriptor, but without one: in a step on a pool, on a thread of its own, or where
 * its seq is pulled.
 *
 *     the generator                                the notifier
 *     for (;;) {                                   change something;
 *             rc = leat_news_await(...);           leat_news_raise(&news, BIT);
 *             if (rc != 0)
 *                     return rc;
 *             bits = leat_news_take(&news);
 *             read what has changed;
 *     }
 *
 * Invariant: a generator sleeps only while no bit is raised. Two steps decide: the waiter adds
 * itself to the event and then loads the bits; the notifier raises a bit and then notifies the
 * event. Both hold the event's lock, so either the waiter's load reads the bit, or the notifier
 * finds the waiter. A notifier that finds another bit raised notifies nobody: the notifier that
 * raised that bit does so, and the generator has yet to take both.
 *
 * Invariant: what changed before leat_news_raise() is read after leat_news_take(). If not, the
 * generator would take the bit, read the old state, and sleep.
 *
 *     W1  raise ORs a bit                          ->  W2  take swaps the bits for 0
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_NEWS_H
#define LEAT_RUNTIME_GEN_NEWS_H

#include "runtime/event/event.h"
#include "runtime/event/times.h"

#include <leat/atomic.h>
#include <leat/chan.h>

struct leat_news {
	struct leat_event event;
	uint32_t bits; /* 0: there are none */
};

void leat_news_init(struct leat_news *news);
/* Returns whether no bit was raised before. Any thread may call this, also with mutexes held. */
bool leat_news_raise(struct leat_news *news, uint32_t bits);
uint32_t leat_news_take(struct leat_news *news);

static inline bool leat_news_there(const struct leat_news *news)
{
	return leat_load_rlx(&news->bits) != 0; /* rlx: the event's lock orders it; take reads it */
}

/*
 * Waits until a bit is raised. With out, on the thread that sends on it: returns 0; -ETIMEDOUT;
 * -EPIPE or -ECANCELED as leat_tx_wait(). With NULL, in a seq: as leat_ready() does, LEAT_READY in
 * a step. time: what the wait is, in diagnostics.
 */
int leat_news_await(struct leat_news *news, struct leat_tx *out, int64_t deadline_ns,
                    enum leat_time time);

#endif
