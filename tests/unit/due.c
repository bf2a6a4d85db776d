/*
 * tests/unit/due.c: the heap of due times against a plain list, at random, and what it costs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include "runtime/scope/due.h"

TestSuite(due, .timeout = 60);

enum { NODES = 4096 };

static struct leat_due nodes[NODES];
static bool in[NODES];
static uint64_t seed;

static uint64_t draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 33;
}

static int64_t nearest(size_t n)
{
	int64_t ns = INT64_MAX;
	for (size_t i = 0; i < n; i++)
		if (in[i] && nodes[i].due_ns < ns)
			ns = nodes[i].due_ns;
	return ns;
}

Test(due, the_first_is_the_earliest_whatever_comes_and_goes)
{
	for (seed = 1; seed <= 50; seed++) {
		struct leat_due *first = NULL;
		memset(in, 0, sizeof(in));
		for (int step = 0; step < 1000; step++) {
			size_t i = draw() % 64;
			if (in[i]) {
				leat_due_remove(&first, &nodes[i]);
			} else {
				nodes[i].due_ns = (int64_t)(draw() % 100);
				leat_due_add(&first, &nodes[i]);
			}
			in[i] = !in[i];
			cr_assert_eq(first == NULL ? INT64_MAX : first->due_ns, nearest(64));
		}
	}
}

/*
 * A removal of the first visits its children: how many there are, over all removals, is what the
 * heap costs.
 */
static size_t children(const struct leat_due *due)
{
	size_t n = 0;
	for (const struct leat_due *child = due->child; child != NULL; child = child->next)
		n++;
	return n;
}

Test(due, removals_visit_a_logarithm_on_average)
{
	for (int order = 0; order < 3; order++) {
		struct leat_due *first = NULL;
		size_t visits = 0;
		int64_t last_ns = INT64_MIN;
		seed = 7;
		for (int i = 0; i < NODES; i++) {
			nodes[i].due_ns = order == 0 ? i : order == 1 ? -i : (int64_t)draw();
			leat_due_add(&first, &nodes[i]);
		}
		for (int i = 0; i < NODES; i++) {
			struct leat_due *due = first;
			cr_assert_not_null(due);
			cr_assert_geq(due->due_ns, last_ns);
			last_ns = due->due_ns;
			visits += children(due);
			leat_due_remove(&first, due);
		}
		cr_expect_null(first);
		cr_expect_leq(visits, 2 * 12 * NODES, "%zu visits in order %d", visits, order);
	}
}
