/*
 * Flows while calls fail: each allocation, and each creation of a thread, once, and then some of
 * them at random. A flow either runs, and has exactly what it computes, or returns that error; each
 * item that owns something is freed once, and nothing is left.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "inject.h"

#include "tests/census.h"

#include <errno.h>
#include <leat/atomic.h>
#include <leat/flow.h>
#include <leat/leat.h>
#include <leat/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ITEMS = 600 };

static uint32_t made, freed;
static uint64_t fault; /* the number of the run, for a failure */
static uint64_t runs;

static _Noreturn void failed(const char *what, int line)
{
	fprintf(stderr, "flow: line %d, fault %llu: %s\n", line, (unsigned long long)fault, what);
	_exit(1);
}

#define that(condition) ((condition) ? (void)0 : failed(#condition, __LINE__))

struct box {
	uint64_t value;
};

static void free_box(void *item, void *arg)
{
	(void)item, (void)arg;
	leat_add_rlx(&freed, 1u); /* rlx: read after the join */
}

LEAT_TYPE_OWNED(box, struct box, free_box, NULL);

LEAT_MAP(wrap, u64, x, box, box, const void *, unused)
{
	(void)unused;
	leat_add_rlx(&made, 1u); /* rlx: read after the join */
	box->value = *x;
	return 0;
}

LEAT_MAP(unwrap, box, box, u64, x, uint64_t *, seen)
{
	*x = box->value;
	++*seen;
	return 0;
}

LEAT_EACH(add, u64, x, uint64_t *, sum)
{
	*sum += *x;
	return 0;
}

/* A stream of ten numbers. */
LEAT_MAP(open_stream, u64, x, rx, out, struct leat_scope *, scope)
{
	const struct leat_chan_opts opts = { .capacity = 10 };
	struct leat_tx *tx;
	int rc = leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, out);

	(void)x;
	for (uint64_t n = 0; rc == 0 && n < 10; n++)
		leat_send(tx, &n);
	leat_tx_close(tx);
	return rc;
}

static int next_number(void *state, void *item)
{
	uint64_t *n = state;

	*(uint64_t *)item = *n;
	return (*n)++ < ITEMS;
}

static int run_numbers(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 0; rc == 0 && n < ITEMS; n++)
		rc = leat_send(out, &n);
	return rc;
}

static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

static int64_t order_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const int64_t *)item;
}

struct results {
	uint64_t next, sum, bridged, count, of_rx, *array;
	struct leat_scope *scope; /* of the streams of a bridge */
	void *items;
	struct leat_rx *rx;
};

/* All kinds of nodes. The first ones after a mistake do nothing. */
static void declare(struct leat_flow *flow, struct results *results)
{
	struct leat_port port, tees[2], parts[2], merged[2];
	struct leat_seq seq = { .next = next_number,
		                .state = &results->next,
		                .item_size = sizeof(uint64_t) };

	port = leat_flow_step(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL), &wrap,
	                      NULL);
	port = leat_flow_workers(leat_flow_skip(port, 0), 2, LEAT_ORDERED);
	port = leat_flow_step_with(port, &unwrap, (struct leat_state){ .size = sizeof(uint64_t) });
	leat_flow_tee(leat_flow_gather(port), tees, 2);
	leat_flow_collect(leat_flow_buffer(tees[0], 10), &results->items, &results->count);
	leat_flow_partition(tees[1], key_of, NULL, parts, 2);
	leat_flow_to_rx(leat_flow_take(parts[0], ITEMS), &results->rx);
	parts[1] = leat_flow_gather(leat_flow_workers_by(parts[1], 2, key_of, NULL));
	merged[0] = leat_flow_from_array(flow, LEAT_T(u64), results->array, ITEMS);
	merged[1] = leat_flow_from_seq(flow, LEAT_T(u64), seq);
	merged[1] = leat_flow_merge_by(merged, 2, order_of, NULL);
	merged[0] = leat_flow_merge(&parts[1], 1);
	leat_flow_for_each(leat_flow_merge_first(merged, 2), &add, &results->sum);
	port = leat_flow_from_array(flow, LEAT_T(u64), results->array, 5);
	port = leat_flow_step(port, &open_stream, results->scope);
	leat_flow_for_each(leat_flow_bridge(port, LEAT_T(u64), 2), &add, &results->bridged);
}

static int run_flow(struct results *results)
{
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
	struct leat_flow_cost estimate;
	uint64_t item;
	int rc;

	if (flow == NULL)
		return 1;
	results->scope = leat_scope_open(NULL, NULL);
	if (results->scope == NULL) {
		leat_flow_close(flow);
		return 1;
	}
	declare(flow, results);
	rc = leat_flow_estimate(flow, &estimate);
	if (rc == 0)
		rc = leat_flow_start(flow);
	if (rc == 0) {
		while (leat_recv(results->rx, &item) == 1)
			results->of_rx++;
		leat_rx_close(results->rx);
		rc = leat_flow_join(flow);
	}
	that((rc == 0) == (leat_flow_error(flow)[0] == '\0'));
	leat_flow_close(flow);
	leat_scope_close(results->scope);
	return rc;
}

/* Returns whether it was refused. */
static bool run_and_judge(int expected)
{
	struct results results = { .array = calloc(ITEMS, sizeof(uint64_t)) };
	uint64_t blocks = inject_blocks();
	struct leat_census before;
	char words[400];
	int rc;

	runs++;
	made = freed = 0;
	leat_census_take(&before);
	alarm(120); /* it is to end */
	rc = results.array == NULL ? expected : run_flow(&results);
	inject_off();
	that(rc == 0 || rc == 1 || rc == expected);
	if (rc == 0) {
		that(results.count == ITEMS && results.of_rx == ITEMS / 2);
		for (uint64_t i = 0; i < ITEMS; i++)
			that(((uint64_t *)results.items)[i] == i);
		that(results.bridged == 5 * 45);
		that(results.sum == (ITEMS / 2) * (ITEMS / 2) + ITEMS * (ITEMS - 1) / 2);
	}
	free(results.items);
	that(made == freed);
	if (leat_census_left(&before, words, sizeof(words)) > 0)
		failed(words, __LINE__);
	that(inject_blocks() == blocks);
	free(results.array);
	return rc != 0;
}

static void fail_each(enum inject_point point, int error)
{
	uint64_t n = 0;

	do {
		fault = ++n;
		inject_nth(point, n, error);
		run_and_judge(-error);
	} while (inject_count(point) != 0);
	that(n > 10);
	that(!run_and_judge(0));
}

int main(void)
{
	run_and_judge(0); /* what the first run allocates for good */
	that(!run_and_judge(0));
	fail_each(INJECT_ALLOC, ENOMEM);
	fail_each(INJECT_THREAD, EAGAIN);
	for (uint64_t round = 0; round < MANY_TIMES(100); round++) {
		fault = round;
		inject_seed(round);
		inject_one_in(INJECT_ALLOC, 100, ENOMEM);
		run_and_judge(-ENOMEM);
		inject_one_in(INJECT_SLEEP, 3, 0);
		inject_one_in(INJECT_CONDITION, 3, 0);
		that(!run_and_judge(0));
	}
	printf("flow: %llu runs, %llu faults\n", (unsigned long long)runs,
	       (unsigned long long)inject_total());
	return inject_total() < 200;
}
