/*
 * tests/unit/scope_tree.c: trees of scopes that are deep, or wide: nothing recurses, and nothing
 * takes more than a few steps for each scope. A walk that takes a step for each sibling, or for
 * each scope below, runs into the timeout.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

TestSuite(scope_tree, .timeout = 600);

enum { SCOPES = MANY_TIMES(200000) };

static struct leat_scope *scopes[SCOPES];

static void open_nested(void)
{
	for (int i = 0; i < SCOPES; i++) {
		scopes[i] = leat_scope_open(i == 0 ? NULL : scopes[i - 1], NULL);
		cr_assert_not_null(scopes[i]);
	}
}

/* scopes[0] is the parent of all others. */
static void open_siblings(void)
{
	for (int i = 0; i < SCOPES; i++) {
		scopes[i] = leat_scope_open(i == 0 ? NULL : scopes[0], NULL);
		cr_assert_not_null(scopes[i]);
	}
}

/* Scopes that do not say what is wanted. */
static int strangers(enum leat_cause want, int want_code, const char *want_text)
{
	int found = 0, code;
	const char *text;
	for (int i = 0; i < SCOPES; i++)
		found += leat_scope_cause(scopes[i], &code, &text) != want || code != want_code ||
		         strcmp(text, want_text) != 0;
	return found;
}

static void close_upwards(void)
{
	for (int i = SCOPES; i-- > 0;)
		leat_scope_close(scopes[i]);
}

static void close_downwards(void)
{
	for (int i = 0; i < SCOPES; i++)
		leat_scope_close(scopes[i]);
}

static void *cancel_root(void *unused)
{
	leat_scope_cancel(scopes[0], -EIO, "deep");
	return unused;
}

/* On a stack of a few bytes for each scope. */
Test(scope_tree, a_cancel_reaches_the_end_of_nested_scopes)
{
	pthread_attr_t attributes;
	pthread_t thread;
	open_nested();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 512 * 1024);
	cr_assert_eq(pthread_create(&thread, &attributes, cancel_root, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
	cr_expect_eq(strangers(LEAT_FAILED, -EIO, "deep"), 0);
	close_upwards();
}

Test(scope_tree, nested_scopes_are_closed_from_the_deepest_up)
{
	open_nested();
	close_upwards();
}

/* Each is freed when the last of those below it is closed. */
Test(scope_tree, nested_scopes_are_closed_from_the_root_down)
{
	open_nested();
	close_downwards();
}

Test(scope_tree, a_cancel_reaches_all_siblings_once)
{
	open_siblings();
	for (int i = 0; i < 1000; i++)
		leat_scope_cancel(scopes[0], -EIO, i == 0 ? "wide" : "again");
	cr_expect_eq(strangers(LEAT_FAILED, -EIO, "wide"), 0);
	close_upwards();
}

Test(scope_tree, siblings_are_closed_newest_first)
{
	open_siblings();
	close_upwards();
}

Test(scope_tree, siblings_are_closed_oldest_first)
{
	open_siblings();
	for (int i = 1; i < SCOPES; i++)
		leat_scope_close(scopes[i]);
	leat_scope_close(scopes[0]);
}

Test(scope_tree, siblings_are_closed_in_no_order)
{
	open_siblings();
	for (int64_t i = 0; i < SCOPES - 1; i++) /* 77773 and 199999 are coprime: each place once */
		leat_scope_close(scopes[1 + i * 77773 % (SCOPES - 1)]);
	leat_scope_close(scopes[0]);
}

/*
 * A cancel below another, above it, beside it: whatever order, each channel of the tree below hears
 * of it.
 */
struct branch {
	struct leat_scope *scope;
	struct leat_tx *tx;
	struct leat_rx *rx;
};

enum { LEVELS = 5, BRANCHES = 1 << LEVELS }; /* a binary heap: 1 is the root, n has 2n and 2n + 1 */

static void open_branches(struct branch branches[BRANCHES])
{
	for (int n = 1; n < BRANCHES; n++) {
		branches[n].scope = leat_scope_open(n == 1 ? NULL : branches[n / 2].scope, NULL);
		cr_assert_eq(leat_chan_open(branches[n].scope, 8, NULL, &branches[n].tx,
		                            &branches[n].rx),
		             0);
	}
}

static void close_branches(struct branch branches[BRANCHES])
{
	for (int n = BRANCHES - 1; n > 0; n--) {
		leat_tx_close(branches[n].tx);
		leat_rx_close(branches[n].rx);
		leat_scope_close(branches[n].scope);
	}
}

static bool is_below(int n, int top)
{
	while (n > top)
		n /= 2;
	return n == top;
}

Test(scope_tree, every_pair_of_cancels_reaches_what_is_below_and_nothing_else)
{
	int deaf = 0, misled = 0;
	for (int first = 1; first < BRANCHES; first++)
		for (int second = 1; second < BRANCHES; second++) {
			struct branch branches[BRANCHES];
			open_branches(branches);
			leat_scope_cancel(branches[first].scope, 0, "first");
			leat_scope_cancel(branches[second].scope, -EIO, "second");
			for (int n = 1; n < BRANCHES; n++) {
				bool by_first = is_below(n, first), by_second = is_below(n, second);
				const char *text;
				leat_scope_cause(branches[n].scope, NULL, &text);
				deaf += leat_tx_done(branches[n].tx) != (by_first || by_second);
				misled += strcmp(text, by_first    ? "first"
				                       : by_second ? "second"
				                                   : "") != 0;
			}
			close_branches(branches);
		}
	cr_expect_eq(deaf, 0);
	cr_expect_eq(misled, 0);
}
