/*
 * tests/unit/braid.h: what the suites of merges share: a merge over several channels, and a thread
 * that waits for it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_BRAID_H
#define LEAT_TEST_BRAID_H

#include "census.h"

#include <leat/merge.h>

enum { LANES = 5 };

/* A merge over several channels; the tag is the place of the lane. */
struct braid {
	struct leat_scope *scope;
	struct leat_merge *merge;
	struct leat_tx *tx[LANES];
	int places[LANES];
};

static UNUSED struct braid *braid_open(const struct leat_chan_opts *opts)
{
	struct braid *b = calloc(1, sizeof(*b));
	b->scope = leat_scope_open(NULL, NULL);
	b->merge = leat_merge_open(sizeof(uint64_t));
	cr_assert_not_null(b->merge);
	for (int i = 0; i < LANES; i++) {
		struct leat_rx *rx;
		b->places[i] = i;
		cr_assert_eq(leat_chan_open(b->scope, sizeof(uint64_t), opts, &b->tx[i], &rx), 0);
		cr_assert_eq(leat_merge_add(b->merge, rx, &b->places[i]), 0);
	}
	return b;
}

static UNUSED void braid_close(struct braid *b)
{
	for (int i = 0; i < LANES; i++)
		leat_tx_close(b->tx[i]);
	leat_merge_close(b->merge);
	cr_expect_eq(leat_scope_close(b->scope), 0);
	free(b);
}

static UNUSED void end_lane(struct braid *b, int i)
{
	leat_tx_close(b->tx[i]);
	b->tx[i] = NULL;
}

/* Waits on a thread of its own. */
struct waiter {
	pthread_t thread;
	uint32_t tid;
	struct leat_merge *merge;
	int64_t deadline_ns;
	uint64_t item;
	void *tag;
	int answer, errno_after;
};

static UNUSED void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	errno = 4711;
	leat_store_rel(&w->tid, own_tid());
	w->answer = leat_merge_recv_until(w->merge, &w->item, &w->tag, w->deadline_ns);
	w->errno_after = errno;
	return NULL;
}

static UNUSED void waiter_start(struct waiter *w, struct leat_merge *merge)
{
	w->tid = 0;
	w->merge = merge;
	if (w->deadline_ns == 0)
		w->deadline_ns = LEAT_NEVER;
	cr_assert_eq(pthread_create(&w->thread, NULL, waiter_main, w), 0);
}

static UNUSED int waiter_join(struct waiter *w)
{
	cr_assert_eq(pthread_join(w->thread, NULL), 0);
	cr_expect_eq(w->errno_after, 4711, "errno is touched");
	return w->answer;
}

#endif
