/*
 * tests/unit/flow_zip.c: pairs, and diamonds that would stand still.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/flow.h>

TestSuite(flow_zip, .timeout = 60);

enum { MANY = 2000, FEW = 200 };

LEAT_PAIR(pair, u64, u64);
LEAT_BATCH(eight, u64, 8);
LEAT_BATCH(three, u64, 3);
LEAT_PAIR(u64_three, u64, three);
LEAT_PAIR(u64_eight, u64, eight);

static uint64_t *numbers(void)
{
	static uint64_t items[MANY];

	for (uint64_t i = 0; i < MANY; i++)
		items[i] = i;
	return items;
}

LEAT_MAP(twice, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x * 2;
	return 0;
}
LEAT_MAP(but_seven, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return *x == 7 ? LEAT_SKIP : 0;
}
LEAT_FILTER(odd, u64, x, const void *, unused)
{
	(void)unused;
	return *x & 1;
}
LEAT_EACH(check_twice, pair, p, uint64_t *, sums)
{
	sums[0]++;
	sums[1] += p->second != p->first * 2;
	return 0;
}

static struct leat_flow *flow_in(struct leat_scope *scope, size_t capacity)
{
	struct leat_flow *flow =
		leat_flow_open(scope, &(struct leat_flow_opts){ .capacity = capacity });

	cr_assert_not_null(flow);
	return flow;
}

static struct leat_port source(struct leat_flow *flow, size_t count)
{
	return leat_flow_from_array(flow, LEAT_T(u64), numbers(), count);
}

static void run_flow(struct leat_flow *flow)
{
	cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
	cr_expect_eq(leat_flow_join(flow), 0, "%s", leat_flow_error(flow));
}

Test(flow_zip, pairs_of_two_sources_end_with_the_shorter)
{
	for (int shorter = 0; shorter < 2; shorter++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = flow_in(scope, 16);
		struct leat_port a = source(flow, shorter == 0 ? 700 : MANY),
				 b = source(flow, shorter == 1 ? 700 : MANY);
		uint64_t sums[2] = { 0 };

		leat_flow_for_each(leat_flow_zip(a, leat_flow_step(b, &twice, NULL), LEAT_T(pair)),
		                   &check_twice, sums);
		run_flow(flow);
		cr_expect_eq(sums[0], 700);
		cr_expect_eq(sums[1], 0);
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(flow_zip, a_diamond_whose_sides_keep_step)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = flow_in(scope, 2);
	struct leat_port sides[2];
	uint64_t sums[2] = { 0 };

	leat_flow_tee(source(flow, MANY), sides, 2);
	sides[1] = leat_flow_gather(
		leat_flow_step(leat_flow_workers(sides[1], 3, LEAT_ORDERED), &twice, NULL));
	leat_flow_for_each(leat_flow_zip(sides[0], sides[1], LEAT_T(pair)), &check_twice, sums);
	run_flow(flow);
	cr_expect_eq(sums[0], MANY);
	cr_expect_eq(sums[1], 0);
	leat_flow_close(flow);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static void expect_refused(struct leat_flow *flow, const char *words)
{
	struct leat_flow_report report;

	cr_expect_eq(leat_flow_check(flow, &report), -EDEADLK, "%s", report.text);
	cr_expect_not_null(strstr(report.text, words), "%s", report.text);
	cr_expect_eq(leat_flow_start(flow), -EDEADLK);
}

Test(flow_zip, sides_that_come_apart_are_refused)
{
	for (int how = 0; how < 3; how++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = flow_in(scope, 64);
		struct leat_port sides[2], zip;
		uint64_t sums[2] = { 0 };
		struct leat_rx *rx;

		leat_flow_tee(source(flow, MANY), sides, 2);
		if (how == 0)
			sides[0] = leat_flow_step(sides[0], &odd, NULL);
		if (how == 1)
			sides[0] = leat_flow_on_error(leat_flow_step(sides[0], &twice, NULL),
			                              LEAT_ON_ERROR_SKIP);
		if (how == 2)
			sides[1] = leat_flow_batch(sides[1], LEAT_T(eight), 0);
		zip = leat_flow_zip(sides[0], sides[1],
		                    how == 2 ? LEAT_T(u64_eight) : LEAT_T(pair));
		if (how == 2)
			leat_flow_to_rx(zip, &rx);
		else
			leat_flow_for_each(zip, &check_twice, sums);
		expect_refused(flow, how == 0 ? "\"odd\"" : how == 1 ? "\"twice\"" : "one of 8");
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

/* What check cannot know is found when it happens. */
static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item % 3;
}

LEAT_TROUBLE(failed_u64, u64);
LEAT_MAP(item_of, failed_u64, failed, u64, x, const void *, unused)
{
	(void)unused;
	*x = failed->item;
	return 0;
}

/* Two ways that part at a partition, at a step that diverts, or of which one meets a third. */
Test(flow_zip, ways_of_which_one_says_nothing_of_the_other_are_refused)
{
	static const char *const forks[] = { "partition", "twice", "tee" };

	for (int shape = 0; shape < 3; shape++) {
		struct leat_flow *flow = flow_in(NULL, 4);
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), FEW);
		struct leat_port ports[2], other;
		uint64_t sums[2] = { 0 };

		if (shape == 0) {
			leat_flow_partition(port, key_of, NULL, ports, 2);
		} else if (shape == 1) {
			ports[0] = leat_flow_divert(leat_flow_step(port, &twice, NULL),
			                            LEAT_T(failed_u64), &ports[1]);
			ports[1] = leat_flow_step(ports[1], &item_of, NULL);
		} else {
			leat_flow_tee(port, ports, 2);
			other = leat_flow_from_array(flow, LEAT_T(u64), numbers(), FEW);
			ports[1] = leat_flow_merge((struct leat_port[]){ ports[1], other }, 2);
		}
		leat_flow_for_each(leat_flow_zip(ports[0], ports[1], LEAT_T(pair)), &check_twice,
		                   sums);
		cr_expect_eq(leat_flow_check(flow, NULL), -EDEADLK, "shape %d: %s", shape,
		             leat_flow_error(flow));
		cr_expect_not_null(strstr(leat_flow_error(flow), forks[shape]), "%s",
		                   leat_flow_error(flow));
		leat_flow_close(flow);
	}
}

LEAT_MAP(first_of, pair, p, u64, x, const void *, unused)
{
	(void)unused;
	*x = p->first * 2;
	return 0;
}

/* One side of a diamond waits for a source of its own, too. */
Test(flow_zip, a_zip_on_the_way_keeps_step)
{
	struct leat_flow *flow = flow_in(NULL, 4);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), MANY);
	struct leat_port ports[2], other;
	uint64_t sums[2] = { 0 };

	leat_flow_tee(port, ports, 2);
	other = leat_flow_from_array(flow, LEAT_T(u64), numbers(), FEW);
	ports[1] = leat_flow_step(leat_flow_zip(ports[1], other, LEAT_T(pair)), &first_of, NULL);
	leat_flow_for_each(leat_flow_zip(ports[0], ports[1], LEAT_T(pair)), &check_twice, sums);
	cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
	cr_expect_eq(leat_flow_join(flow), 0, "%s", leat_flow_error(flow));
	cr_expect_eq(sums[0], (uint64_t)FEW);
	cr_expect_eq(sums[1], 0u);
	leat_flow_close(flow);
}

Test(flow_zip, a_map_that_leaves_an_item_out_there_fails)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = flow_in(scope, 4);
	struct leat_port sides[2];
	uint64_t sums[2] = { 0 };

	leat_flow_tee(source(flow, MANY), sides, 2);
	sides[0] = leat_flow_step(sides[0], &but_seven, NULL);
	leat_flow_for_each(leat_flow_zip(sides[0], sides[1], LEAT_T(pair)), &check_twice, sums);
	cr_assert_eq(leat_flow_start(flow), 0);
	cr_expect_eq(leat_flow_join(flow), -EDEADLK);
	cr_expect_not_null(strstr(leat_flow_error(flow), "but_seven"));
	leat_flow_close(flow);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* A side of random steps that lag; `buffer` more items on it. */
struct plan {
	unsigned maps, skip, windows, workers;
	size_t buffers[3], buffer;
};

static uint64_t third_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item / 3;
}

static struct leat_port build_side(struct leat_port port, const struct plan *plan)
{
	if (plan->skip > 0)
		port = leat_flow_skip(port, plan->skip);
	for (unsigned i = 0; i < plan->maps; i++) {
		port = leat_flow_step(port, &twice, NULL);
		if (plan->buffers[i] > 0)
			port = leat_flow_buffer(port, plan->buffers[i]);
	}
	if (plan->workers > 0)
		port = leat_flow_gather(leat_flow_step(
			leat_flow_workers_by(port, plan->workers, third_of, NULL), &twice, NULL));
	if (plan->windows > 0)
		port = leat_flow_window(port, LEAT_T(three));
	if (plan->buffer > 0)
		port = leat_flow_buffer(port, plan->buffer);
	return port;
}

static struct leat_flow *build_diamond(struct leat_scope *scope, size_t capacity,
                                       const struct plan plans[2], struct leat_rx **rx)
{
	struct leat_flow *flow = flow_in(scope, capacity);
	struct leat_port sides[2];

	leat_flow_tee(source(flow, FEW), sides, 2);
	for (int i = 0; i < 2; i++)
		sides[i] = build_side(sides[i], &plans[i]);
	leat_flow_to_rx(leat_flow_zip(sides[0], sides[1],
	                              plans[1].windows ? LEAT_T(u64_three) : LEAT_T(pair)),
	                rx);
	return flow;
}

static size_t count_received(struct leat_rx *rx)
{
	unsigned char item[64];
	size_t n = 0;

	while (leat_recv(rx, (void *)item) == 1)
		n++;
	leat_rx_close(rx);
	return n;
}

/* The buffer that check asks for; 0: it finds nothing wrong. */
static size_t buffer_asked_for(struct leat_flow *flow, int *side)
{
	struct leat_flow_report report;
	const char *at;
	unsigned long long more;

	if (leat_flow_check(flow, &report) == 0)
		return 0;
	cr_assert_eq(report.code, -EDEADLK, "%s", report.text);
	*side = strstr(report.text, "its first side") == NULL;
	at = strstr(report.text, "a buffer of ");
	cr_assert_not_null(at, "%s", report.text);
	cr_assert_eq(sscanf(at, "a buffer of %llu", &more), 1);
	return (size_t)more;
}

/*
 * Random diamonds: those that check lets through come to their end, at the rings' smallest; a
 * buffer of the size that it asks for cures the others, and one less does not.
 */
Test(flow_zip, random_diamonds_do_as_check_says)
{
	unsigned cured = 0;
	uint64_t random = 88172645463325252;

	for (int round = 0; round < MANY_TIMES(100); round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct plan plans[2] = { { .maps = 0 }, { .maps = 0 } };
		struct leat_flow *flow;
		struct leat_rx *rx = NULL;
		size_t capacity, more, lag[2];
		int side = 0;

#define below(n) \
	(random ^= random << 13, random ^= random >> 7, random ^= random << 17, random % (n))
		for (int i = 0; i < 2; i++) {
			plans[i].maps = (unsigned)below(3);
			plans[i].skip = below(2) ? (unsigned)below(40) : 0;
			plans[i].windows = i == 1 && below(3) == 0;
			plans[i].workers = below(3) == 0 ? (unsigned)(1 + below(3)) : 0;
			for (unsigned k = 0; k < plans[i].maps; k++)
				plans[i].buffers[k] = below(2) ? (size_t)(1 + below(9)) : 0;
			lag[i] = plans[i].skip + 2 * plans[i].windows;
		}
		capacity = (size_t)(1 + below(6));
		flow = build_diamond(scope, capacity, plans, &rx);
		more = buffer_asked_for(flow, &side);
		if (more > 0) {
			leat_flow_close(flow);
			if (more > 1) {
				plans[side].buffer = more - 1;
				flow = build_diamond(scope, capacity, plans, &rx);
				cr_expect_eq(buffer_asked_for(flow, &side), 1);
				leat_flow_close(flow);
			}
			plans[side].buffer = more;
			flow = build_diamond(scope, capacity, plans, &rx);
			cured++;
		}
		cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
		cr_assert_eq(count_received(rx), FEW - (lag[0] > lag[1] ? lag[0] : lag[1]));
		cr_expect_eq(leat_flow_join(flow), 0);
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
	cr_expect_gt(cured, 3);
}
