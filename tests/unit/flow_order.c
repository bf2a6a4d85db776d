/*
 * tests/unit/flow_order.c: what ordered workers pass on when an item fails.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <leat/flow.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(flow_order, .timeout = 60);

enum { ITEMS = 1000, ROUNDS = 100 };

LEAT_MAP(fail_at, u64, n, u64, out, const uint64_t *, bad)
{
	if (*n >= *bad)
		return -EBADMSG;
	*out = *n;
	return 0;
}

/* All items from `bad` on fail, in several workers at once. */
static void expect_all_before(const uint64_t *items, uint64_t bad)
{
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), items, ITEMS);
	uint64_t *made;
	size_t count;

	port = leat_flow_workers(port, 4, LEAT_ORDERED);
	port = leat_flow_gather(leat_flow_step(port, &fail_at, &bad));
	leat_flow_collect(port, (void **)&made, &count);
	cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
	cr_expect_eq(leat_flow_join(flow), -EBADMSG);
	cr_expect_neq(strstr(leat_flow_error(flow), "step \"fail_at\""), NULL);
	cr_assert_eq(count, bad);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(made[i], i);
	free(made);
	leat_flow_close(flow);
}

Test(flow_order, all_items_before_the_lowest_that_failed_are_passed_on)
{
	uint64_t items[ITEMS];

	for (uint64_t i = 0; i < ITEMS; i++)
		items[i] = i;
	for (uint64_t round = 0; round < ROUNDS; round++)
		expect_all_before(items, (round * 37 + 700) % ITEMS);
}
