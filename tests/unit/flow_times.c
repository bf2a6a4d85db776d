/*
 * tests/unit/flow_times.c: what the workers of a flow spend their time on: those that wait for
 * items are starved, those that one slow item holds up wait for their turn.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "flows.h"
#include "spent.h"

TestSuite(flow_times, .timeout = 600);

/* ITEMS: more than the workers' window and vectors have room for. */
enum { WORKERS = 3, SLOW_NS = 5000000, ITEMS = 60000 };

/* The state of a step that several workers share is constant. */
struct sleeps_in {
	struct leat_scope *scope;
};

/* Item 0 takes its worker SLOW_NS of sleep. */
LEAT_MAP(slow_first, u64, x, u64, y, const struct sleeps_in *, sleeps)
{
	*y = *x;
	if (*x == 0)
		leat_scope_sleep(sleeps->scope, leat_now_ns() + SLOW_NS);
	return 0;
}

/* The sums over the workers, and the most that one of them has of a class. */
static void sum_workers(struct seen *seen, struct spent *sum, struct spent *most)
{
	size_t workers = 0;

	memset(sum, 0, sizeof(*sum));
	memset(most, 0, sizeof(*most));
	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < seen->count; i++) {
		struct spent of = spent_of(&seen->gens[i]);

		if (strncmp(seen->gens[i].name, "slow_first/", strlen("slow_first/")) != 0)
			continue;
		workers++;
		for (int k = 0; k < CLASSES; k++) {
			sum->ns[k] += of.ns[k];
			most->ns[k] = of.ns[k] > most->ns[k] ? of.ns[k] : most->ns[k];
		}
	}
	pthread_mutex_unlock(&seen->lock);
	cr_assert_eq(workers, WORKERS);
}

struct run {
	struct leat_scope *scope;
	struct sleeps_in sleeps;
	struct leat_flow *flow;
	struct leat_tx *tx;
	struct collected got;
	struct seen *seen;
};

static void run_start(struct run *run, enum leat_flow_order order)
{
	struct leat_chan_opts opts = { .capacity = ITEMS };
	struct leat_port port;
	struct leat_rx *rx;

	clock_start();
	run->seen = seen_open(MS);
	run->scope = leat_scope_open(NULL, NULL);
	run->sleeps.scope = run->scope;
	run->flow = leat_flow_open(run->scope, &(struct leat_flow_opts){ .capacity = 4 });
	cr_assert_eq(leat_chan_open(run->scope, sizeof(uint64_t), &opts, &run->tx, &rx), 0);
	port = leat_flow_from_rx(run->flow, LEAT_T(u64), rx);
	port = leat_flow_workers(port, WORKERS, order);
	port = leat_flow_step(port, &slow_first, &run->sleeps);
	collect(leat_flow_gather(port), &run->got);
	expect_start(run->flow);
}

static void run_end(struct run *run, uint64_t items)
{
	leat_tx_close(run->tx);
	expect_join(run->flow, 0);
	cr_expect_eq(run->got.count, items);
	seen_close(run->seen);
	leat_flow_close(run->flow);
	leat_scope_close(run->scope);
	free(run->got.items);
}

Test(flow_times, workers_without_items_are_starved)
{
	for (int order = LEAT_UNORDERED; order <= LEAT_ORDERED; order++) {
		struct run run = { .scope = NULL };
		struct spent sum, most;

		run_start(&run, order);
		clock_advance(4 * MS);
		sum_workers(run.seen, &sum, &most);
		cr_expect_eq(sum.ns[CLASS_STARVED], (uint64_t)(WORKERS * 4 * MS), "order %d: %llu",
		             order, (unsigned long long)sum.ns[CLASS_STARVED]);
		cr_expect_eq(sum_of(&sum), sum.ns[CLASS_STARVED]);
		run_end(&run, 0);
	}
}

/* What the workers have spent 3 ms after all has been sent, while the slow item is not over. */
static void run_behind_slow(struct run *run, enum leat_flow_order order, struct spent *sum,
                            struct spent *most)
{
	run_start(run, order);
	for (uint64_t i = 0; i < ITEMS; i++)
		cr_assert_eq(leat_send(run->tx, &i), 0);
	clock_settle();
	clock_advance(3 * MS);
	sum_workers(run->seen, sum, most);
}

/* The window fills, and then nothing goes on before the slow item has. */
Test(flow_times, workers_behind_a_slow_item_wait_for_their_turn)
{
	struct run run = { .scope = NULL };
	struct spent sum, most;

	run_behind_slow(&run, LEAT_ORDERED, &sum, &most);
	cr_expect_eq(most.ns[CLASS_PACED], 3 * MS, "the slow one sleeps");
	cr_expect_eq(most.ns[CLASS_ORDER], 3 * MS, "%llu: one waits for a slot of the window",
	             (unsigned long long)most.ns[CLASS_ORDER]);
	cr_expect_eq(sum_of(&sum), (uint64_t)(WORKERS * 3 * MS));
	cr_expect_eq(sum.ns[CLASS_BLOCKED] + sum.ns[CLASS_BUSY], 0);
	clock_advance(SLOW_NS);
	run_end(&run, ITEMS);
}

/* Without an order the others go on, until there is nothing left to do. */
Test(flow_times, workers_beside_a_slow_item_do_not_wait_for_it)
{
	struct run run = { .scope = NULL };
	struct spent sum, most;

	run_behind_slow(&run, LEAT_UNORDERED, &sum, &most);
	cr_expect_eq(most.ns[CLASS_PACED], 3 * MS);
	cr_expect_eq(sum.ns[CLASS_STARVED], (uint64_t)((WORKERS - 1) * 3 * MS));
	cr_expect_eq(sum.ns[CLASS_ORDER], 0);
	clock_advance(SLOW_NS);
	run_end(&run, ITEMS);
}
