/*
 * tests/stress/scopes.c: trees of scopes with generators in them: started, failing, cancelled,
 * abandoned and closed at random moments by several threads. After each round nothing is left
 * behind, every function ran as often as its start answered 0, and every item has had one owner.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "rounds.h"

#include <leat/gen.h>

#define STARTERS 3
#define STARTS 12
#define ROUND_ITEMS 60000

struct tree {
	struct leat_scope *scopes[4];
	uint32_t starts, runs, finis, next_item, given, made, received, discarded;
	uint32_t owners[ROUND_ITEMS];
};

struct starter {
	pthread_t thread;
	struct tree *tree;
	uint64_t random;
};

struct job {
	struct tree *tree;
	uint64_t random, items;
	int answer;
	struct leat_rx *in; /* a stage in a chain, or NULL */
};

static struct tree tree;
static struct leat_census before;

static void own(uint32_t item)
{
	if (item >= ROUND_ITEMS || leat_add_acqrel(&tree.owners[item], 1u) != 0)
		blame("two owners of item", item);
}

static void discard(void *item, void *arg)
{
	uint32_t n;
	(void)arg;
	memcpy(&n, item, sizeof(n));
	own(n);
	leat_add_acqrel(&tree.discarded, 1u);
}

static int make_or_pass(struct leat_tx *out, void *arg)
{
	struct job *job = arg;
	int rc = 0;
	leat_add_acqrel(&tree.runs, 1u);
	for (uint64_t i = 0; i < job->items && rc == 0; i++) {
		uint32_t item;
		if (job->in != NULL) {
			rc = leat_recv(job->in, &item);
			if (rc <= 0)
				break;
		} else {
			item = leat_add_acqrel(&tree.next_item, 1u);
			if (item >= ROUND_ITEMS)
				break;
			leat_add_acqrel(&tree.made, 1u);
		}
		rc = leat_send(out, &item);
		if (rc != 0) { /* it stays with us */
			own(item);
			leat_add_acqrel(&tree.discarded, 1u);
		}
	}
	if (job->in != NULL)
		leat_rx_close(job->in);
	if (job->answer != 0)
		rc = leat_tx_fail(out, job->answer, "as planned");
	free(job);
	return rc;
}

static int start_job(struct starter *starter, struct leat_scope *scope, struct leat_rx *in,
                     struct leat_rx **rx)
{
	uint64_t *random = &starter->random;
	struct leat_gen_opts opts = {
		.chan = { .kind = (enum leat_kind)below(random, 4),
		          .capacity = 1 + below(random, 20),
		          .send_wait = below(random, 2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE,
		          .recv_wait = below(random, 2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE,
		          .overflow = (enum leat_overflow)(below(random, 5) % 3),
		          .discard = discard }
	};
	struct job *job = calloc(1, sizeof(*job));
	int rc;
	*job = (struct job){ .tree = &tree, .items = below(random, 400), .in = in };
	if (below(random, 6) == 0)
		job->answer = -EIO;
	rc = leat_gen(scope, make_or_pass, job, sizeof(uint32_t), &opts, rx);
	if (rc == 0) {
		leat_add_acqrel(&tree.starts, 1u);
	} else {
		free(job);
		if (rc != -ECANCELED)
			blame("start answered", rc);
		if (*rx != NULL)
			blame("an error left a receiver", 0);
	}
	return rc;
}

static void *start_many(void *arg)
{
	struct starter *starter = arg;
	uint64_t *random = &starter->random;
	for (int i = 0; i < STARTS; i++) {
		struct leat_rx *rx = NULL, *next = NULL;
		uint64_t takes = below(random, 300);
		uint32_t item;
		if (start_job(starter, tree.scopes[below(random, 4)], NULL, &rx) != 0)
			continue;
		for (uint64_t stages = below(random, 3); stages > 0; stages--) {
			if (start_job(starter, tree.scopes[below(random, 4)], rx, &next) != 0)
				break;
			rx = next;
		}
		for (uint64_t n = 0; n < takes && leat_recv(rx, &item) == 1; n++) {
			own(item);
			leat_add_acqrel(&tree.received, 1u);
		}
		if (below(random, 20) == 0)
			leat_scope_cancel(tree.scopes[below(random, 4)],
			                  below(random, 2) ? -EPERM : 0, "at random");
		leat_rx_close(rx);
	}
	return NULL;
}

static void check(void)
{
	char words[100];
	if (leat_census_left(&before, words, sizeof(words)))
		blame(words, 0);
	if (tree.runs != tree.starts)
		blame("starts without a run:", (long)tree.starts - (long)tree.runs);
	if (tree.made != tree.received + tree.discarded)
		blame("items without an owner:",
		      (long)tree.made - (long)tree.received - (long)tree.discarded);
}

static uint64_t run_tree(uint64_t *random)
{
	struct starter starters[STARTERS];
	struct leat_scope_opts opts = { 0 };
	memset(&tree.starts, 0, sizeof(tree) - offsetof(struct tree, starts));
	if (below(random, 3) == 0)
		opts.deadline_ns = leat_now_ns() + (int64_t)below(random, 20000000) + 1;
	tree.scopes[0] = leat_scope_open(NULL, NULL);
	tree.scopes[1] = leat_scope_open(tree.scopes[0], &opts);
	tree.scopes[2] = leat_scope_open(tree.scopes[1], NULL);
	tree.scopes[3] = leat_scope_open(tree.scopes[0], NULL);
	for (int i = 0; i < STARTERS; i++) {
		starters[i] = (struct starter){ .tree = &tree, .random = stress_random(random) };
		if (pthread_create(&starters[i].thread, NULL, start_many, &starters[i]) != 0)
			exit(2);
	}
	if (below(random, 2)) {
		for (uint64_t n = below(random, 2000); n > 0; n--)
			sched_yield();
		leat_scope_cancel(tree.scopes[below(random, 4)], below(random, 2) ? -EBADMSG : 0,
		                  "by the main thread");
	}
	for (int i = 0; i < STARTERS; i++)
		pthread_join(starters[i].thread, NULL);
	for (uint64_t first = below(random, 4), i = 0; i < 4; i++)
		leat_scope_close(tree.scopes[(first + i) % 4]);
	check();
	return tree.starts;
}

int main(int argc, char **argv)
{
	leat_census_take(&before);
	return rounds_main("scopes", run_tree, "generators", argc, argv);
}
