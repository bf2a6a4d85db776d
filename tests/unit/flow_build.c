/*
 * tests/unit/flow_build.c: declaring a flow: each mistake, in words; the first one is kept; what is
 * refused is freed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

TestSuite(flow_build, .timeout = 600);

static struct leat_flow *open_flow(void)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);

	cr_assert_not_null(flow);
	return flow;
}

static const uint64_t some[] = { 1, 2, 3 };

static struct leat_port some_numbers(struct leat_flow *flow)
{
	return leat_flow_from_array(flow, LEAT_T(u64), some, COUNT(some));
}

/* Check and start return the mistake, as often as they are called, and nothing runs. Closes. */
static void expect_mistake(struct leat_flow *flow, int code, const char *words)
{
	cr_assert_eq(leat_flow_check(flow, NULL), code, "%d: \"%s\"", leat_flow_check(flow, NULL),
	             leat_flow_error(flow));
	expect_words(flow, words);
	cr_assert_eq(leat_flow_check(flow, NULL), code);
	cr_assert_eq(leat_flow_start(flow), code);
	cr_assert_eq(leat_flow_join(flow), -EINVAL);
	cr_assert_eq(leat_flow_draw(flow, stderr), code);
	cr_assert_eq(leat_flow_estimate(flow, &(struct leat_flow_cost){ 0 }), code);
	leat_flow_close(flow);
}

/*
 * What LEAT_FLOW_ABI stands for. A size that changes here changes the number; the list is then
 * renewed.
 */
_Static_assert(LEAT_FLOW_ABI == 3, "these are the sizes of layout 3");
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "LEAT_FLOW_ABI changes with " #type)
SIZE(struct leat_type, 72);
SIZE(struct leat_vec, 64);
SIZE(struct leat_step, 96);
SIZE(struct leat_state, 32);
SIZE(struct leat_port, 16);
SIZE(struct leat_flow_opts, 88);
SIZE(struct leat_flow_report, 260);
SIZE(struct leat_flow_cost, 48);
SIZE(struct leat_step_stat, 64);

Test(flow_build, a_caller_that_was_compiled_for_another_layout_opens_nothing)
{
	const unsigned right = LEAT_FLOW_ABI << 16 | (unsigned)sizeof(struct leat_flow_opts);
	const unsigned wrong[] = { 0, right + 1, right - 8, right + (1u << 16) };
	struct leat_flow *flow;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		cr_assert_null(leat_detail_flow_open(wrong[i], NULL, NULL));
		cr_assert_eq(leat_open_error(), -ELIBBAD);
	}
	flow = leat_detail_flow_open(right, NULL, NULL);
	cr_assert_not_null(flow);
	(leat_flow_close)(flow);
	flow = (leat_flow_open)(NULL, NULL);
	cr_assert_not_null(flow);
	(leat_flow_close)(flow);
}

Test(flow_build, bad_options_open_nothing)
{
	char name[LEAT_NAME_MAX + 2];

	cr_assert_null(leat_flow_open(NULL, &(struct leat_flow_opts){ .reserved[6] = 1 }));
	cr_assert_eq(leat_open_error(), -EINVAL);
	cr_assert_null(leat_flow_open(NULL, &(struct leat_flow_opts){ .wait = 9 }));
	cr_assert_eq(leat_open_error(), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[LEAT_NAME_MAX + 1] = '\0';
	cr_assert_null(leat_flow_open(NULL, &(struct leat_flow_opts){ .name = name }));
	name[LEAT_NAME_MAX] = '\0';
	leat_flow_close(leat_flow_open(NULL, &(struct leat_flow_opts){ .name = name }));
}

Test(flow_build, null_is_no_flow)
{
	struct leat_rx *rx = (struct leat_rx *)(uintptr_t)8;
	struct leat_port none = { 0 }, ports[2];
	struct collected got = { NULL, 7 };

	cr_assert_eq(leat_flow_check(NULL, NULL), -EINVAL);
	cr_assert_eq(leat_flow_start(NULL), -EINVAL);
	cr_assert_eq(leat_flow_join(NULL), -EINVAL);
	cr_assert_str_eq(leat_flow_error(NULL), "");
	cr_assert_eq(leat_flow_stat(NULL, 0, &(struct leat_step_stat){ 0 }), -EINVAL);
	leat_flow_close(NULL);
	none = leat_flow_from_array(NULL, LEAT_T(u64), some, 1);
	cr_assert_null(none.flow);
	cr_assert_null(leat_flow_from_gen(NULL, LEAT_T(u64), run_numbers, NULL).flow);
	cr_assert_null(leat_flow_step(none, &triple, NULL).flow);
	cr_assert_null(leat_flow_step_with(none, &triple, (struct leat_state){ 0 }).flow);
	cr_assert_null(leat_flow_take(none, 1).flow);
	cr_assert_null(leat_flow_skip(none, 1).flow);
	cr_assert_null(leat_flow_on_error(none, LEAT_ON_ERROR_SKIP).flow);
	cr_assert_null(leat_flow_buffer(none, 1).flow);
	cr_assert_null(leat_flow_workers(none, 0, LEAT_ORDERED).flow);
	cr_assert_null(leat_flow_gather(none).flow);
	cr_assert_null(leat_flow_merge(&none, 1).flow);
	cr_assert_null(leat_flow_merge(NULL, 1).flow);
	leat_flow_tee(none, ports, 2);
	cr_assert_null(ports[1].flow);
	leat_flow_partition(none, NULL, NULL, ports, 2);
	leat_flow_for_each(none, &ignore, NULL);
	leat_flow_to_rx(none, &rx);
	cr_assert_null(rx);
	collect(none, &got);
	cr_assert_eq(got.count, 0u);
}

Test(flow_build, an_empty_flow)
{
	expect_mistake(open_flow(), -EINVAL, "the flow is empty");
}

Test(flow_build, a_port_that_goes_nowhere)
{
	struct leat_flow *flow = open_flow();
	struct leat_port ports[2];

	leat_flow_step(some_numbers(flow), &triple, NULL);
	expect_mistake(flow, -EINVAL, "what \"triple\" makes goes nowhere");
	flow = open_flow();
	leat_flow_tee(some_numbers(flow), ports, 2);
	leat_flow_for_each(ports[1], &ignore, NULL);
	expect_mistake(flow, -EINVAL, "what \"tee\" makes at one of its outputs goes nowhere");
}

Test(flow_build, a_port_that_is_used_twice)
{
	struct leat_flow *flow = open_flow();
	struct leat_port port = some_numbers(flow);

	leat_flow_for_each(leat_flow_step(port, &triple, NULL), &ignore, NULL);
	leat_flow_for_each(port, &ignore, NULL);
	expect_mistake(flow, -EINVAL,
	               "ignore: what \"from_array\" makes goes to \"triple\" already: put a tee");
}

Test(flow_build, a_port_that_is_none)
{
	struct leat_flow *flow = open_flow();
	struct leat_port port = some_numbers(flow);

	port.output = 1;
	leat_flow_for_each(port, &ignore, NULL);
	expect_mistake(flow, -EINVAL, "ignore: this is no output of a step of this flow");
	flow = open_flow();
	leat_flow_buffer((struct leat_port){ .flow = flow, .node = 3 }, 0);
	expect_mistake(flow, -EINVAL, "buffer: this is no output");
}

Test(flow_build, the_first_mistake_is_kept_and_later_calls_do_nothing)
{
	struct leat_flow *flow = open_flow();
	struct leat_port port = some_numbers(flow), bad;
	struct leat_step_stat stat;

	bad = leat_flow_workers(port, 0, LEAT_ORDERED);
	bad = leat_flow_step(bad, &triple, NULL);
	leat_flow_for_each(bad, &ignore, NULL);
	leat_flow_take(port, 1);
	leat_flow_from_gen(flow, LEAT_T(u64), NULL, NULL);
	cr_assert_eq(leat_flow_stat(flow, 0, &stat), 0);
	cr_assert_eq(leat_flow_stat(flow, 1, &stat), -ENOENT);
	expect_mistake(flow, -EINVAL, "workers: from 1 to 1024 of them");
}

LEAT_TYPE(other, uint64_t);
LEAT_TYPE(byte, char);
LEAT_EACH(end_other, other, x, const void *, unused)
{
	(void)x, (void)unused;
	return 0;
}

Test(flow_build, types_that_do_not_fit)
{
	static const struct leat_type wide = { .name = "u64", .size = 16, .discard = NULL },
				      nameless = { .size = 8 },
				      empty = { .name = "none", .size = 0, .discard = NULL };
	struct leat_step step = triple;
	struct leat_flow *flow = open_flow();
	char where[200];

	leat_flow_for_each(some_numbers(flow), &end_other, NULL);
	snprintf(where, sizeof(where),
	         "%s:%d: step \"end_other\" takes items of type \"other\", and \"from_array\" "
	         "before it makes \"u64\"",
	         end_other.file, end_other.line);
	expect_mistake(flow, -EINVAL, where);
	flow = open_flow();
	leat_flow_step(leat_flow_from_array(flow, &wide, some, 1), &triple, NULL);
	expect_mistake(flow, -EINVAL, "makes \"u64\", of another size or with another discard");
	flow = open_flow();
	leat_flow_from_array(flow, &nameless, some, 1);
	expect_mistake(flow, -EINVAL, "from_array: a source wants the type of its items");
	flow = open_flow();
	leat_flow_from_gen(flow, &empty, run_numbers, NULL);
	expect_mistake(flow, -EINVAL, "from_gen: a source wants the type");
	flow = open_flow();
	step.out = &nameless;
	leat_flow_step(some_numbers(flow), &step, NULL);
	expect_mistake(flow, -EINVAL, "step: there is no step, with a name");
	flow = open_flow();
	step.kind = LEAT_STEP_FILTER;
	step.out = LEAT_T(byte);
	leat_flow_step(some_numbers(flow), &step, NULL);
	expect_mistake(flow, -EINVAL, "step \"triple\" is a filter, and makes items of another");
}

Test(flow_build, steps_that_are_none)
{
	struct leat_step step = triple;
	struct leat_flow *flow = open_flow();

	leat_flow_step(some_numbers(flow), NULL, NULL);
	expect_mistake(flow, -EINVAL, "step: there is no step");
	flow = open_flow();
	step.name = NULL;
	leat_flow_step(some_numbers(flow), &step, NULL);
	expect_mistake(flow, -EINVAL, "step: there is no step");
	flow = open_flow();
	step = ignore;
	step.fn = NULL;
	leat_flow_for_each(some_numbers(flow), &step, NULL);
	expect_mistake(flow, -EINVAL, "for_each: there is no step");
	flow = open_flow();
	leat_flow_step(some_numbers(flow), &ignore, NULL);
	expect_mistake(flow, -EINVAL, "step \"ignore\" makes no items: it is an end, for for_each");
	flow = open_flow();
	leat_flow_for_each(some_numbers(flow), &triple, NULL);
	expect_mistake(flow, -EINVAL, "step \"triple\" makes items: for_each wants an end");
}

Test(flow_build, sources_that_have_nothing)
{
	struct leat_flow *flow = open_flow();

	leat_flow_from_rx(flow, LEAT_T(u64), NULL);
	expect_mistake(flow, -EINVAL, "from_rx: there is no receiver");
	flow = open_flow();
	leat_flow_from_gen(flow, LEAT_T(u64), NULL, NULL);
	expect_mistake(flow, -EINVAL, "from_gen: there is no function");
	flow = open_flow();
	leat_flow_from_array(flow, LEAT_T(u64), NULL, 1);
	expect_mistake(flow, -EINVAL, "from_array: there are no items");
	flow = open_flow();
	leat_flow_from_seq(flow, LEAT_T(u64), (struct leat_seq){ .item_size = 8 });
	expect_mistake(flow, -EINVAL, "from_seq: the seq has no next");
}

Test(flow_build, what_is_refused_is_freed)
{
	struct numbers numbers = { .end = 1 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = open_flow();
	struct leat_seq seq = numbers_seq(&numbers);
	struct leat_tx *tx;
	struct leat_rx *rx;

	seq.item_size = 4;
	leat_flow_from_seq(flow, LEAT_T(u64), seq);
	cr_assert_eq(numbers.finis, 1u);
	leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
	cr_assert_eq(numbers.finis, 2u);
	leat_flow_from_seq(NULL, LEAT_T(u64), numbers_seq(&numbers));
	cr_assert_eq(numbers.finis, 3u);
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
	leat_flow_from_rx(flow, LEAT_T(u64), rx);
	cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), -EPIPE);
	leat_tx_close(tx);
	expect_mistake(flow, -EINVAL, "from_seq: the seq has no next, or items of another size");

	flow = open_flow();
	leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
	cr_assert_eq(numbers.finis, 3u);
	leat_flow_close(flow);
	cr_assert_eq(numbers.finis, 4u);
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
	flow = open_flow();
	leat_flow_from_rx(flow, LEAT_T(u64), rx);
	cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), 0);
	leat_flow_close(flow);
	cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), -EPIPE);
	leat_tx_close(tx);
	leat_scope_close(scope);
}

Test(flow_build, workers_and_gather)
{
	static const struct leat_step by_hand = {
		.name = "by_hand", .fn = triple_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
	};
	struct leat_flow *flow = open_flow();
	struct leat_port port, ports[2];
	uint64_t sum = 0;
	struct leat_rx *rx;

	leat_flow_workers(some_numbers(flow), 1025, LEAT_ORDERED);
	expect_mistake(flow, -EINVAL, "workers: from 1 to 1024");
	flow = open_flow();
	leat_flow_workers(some_numbers(flow), 1, (enum leat_flow_order)2);
	expect_mistake(flow, -EINVAL, "workers: from 1 to 1024");
	flow = open_flow();
	leat_flow_for_each(leat_flow_gather(some_numbers(flow)), &ignore, NULL);
	expect_mistake(flow, -EINVAL, "gather: no workers are before it: \"from_array\" runs once");

	flow = open_flow();
	port = leat_flow_workers(some_numbers(flow), 2, LEAT_UNORDERED);
	leat_flow_to_rx(port, &rx);
	expect_mistake(flow, -EINVAL, "to_rx: it is behind workers: put gather before it");
	flow = open_flow();
	port = leat_flow_step(leat_flow_workers(some_numbers(flow), 2, LEAT_UNORDERED), &triple,
	                      NULL);
	ports[0] = some_numbers(flow);
	ports[1] = port; /* not the first one alone */
	leat_flow_for_each(leat_flow_merge(ports, 2), &ignore, NULL);
	expect_mistake(flow, -EINVAL, "merge: it is behind workers: put gather before it");
	flow = open_flow();
	port = leat_flow_take(leat_flow_workers(some_numbers(flow), 2, LEAT_UNORDERED), 1);
	leat_flow_for_each(leat_flow_gather(port), &ignore, NULL);
	expect_mistake(flow, -EINVAL, "take: it is behind workers, and each of them would count");
	flow = open_flow();
	port = leat_flow_workers(some_numbers(flow), 2, LEAT_UNORDERED);
	leat_flow_for_each(port, &add, &sum);
	expect_mistake(flow, -EINVAL, "step \"add\" has state that it may change, and 2 workers");
	flow = open_flow();
	port = leat_flow_workers(some_numbers(flow), 2, LEAT_ORDERED);
	leat_flow_for_each(port, &ignore, NULL);
	expect_mistake(flow, -EINVAL, "end \"ignore\" is behind ordered workers");

	/* a step by hand, without a source line, is no take */
	flow = open_flow();
	port = leat_flow_workers(some_numbers(flow), 2, LEAT_UNORDERED);
	port = leat_flow_step(port, &by_hand, NULL);
	leat_flow_for_each(leat_flow_gather(port), &ignore, NULL);
	cr_assert_eq(leat_flow_check(flow, NULL), 0, "%s", leat_flow_error(flow));
	leat_flow_close(flow);
}

Test(flow_build, merges)
{
	struct leat_flow *flow = open_flow(), *other = open_flow();
	struct leat_port ports[2] = { some_numbers(flow), some_numbers(other) };

	for (int i = 0; i < 5; i++) /* nodes that this flow does not have */
		ports[1] = leat_flow_step(ports[1], &triple, NULL);
	leat_flow_merge(ports, 2);
	expect_mistake(flow, -EINVAL, "merge: a port of another flow");
	leat_flow_for_each(ports[1], &ignore, NULL);
	cr_assert_eq(leat_flow_check(other, NULL), 0, "%s", leat_flow_error(other));
	leat_flow_close(other);

	flow = open_flow();
	ports[0] = ports[1] = some_numbers(flow);
	leat_flow_merge(ports, 2);
	expect_mistake(flow, -EINVAL, "merge: one port is there twice");
	flow = open_flow();
	ports[0] = some_numbers(flow);
	ports[1] = leat_flow_from_array(flow, LEAT_T(other), some, 1);
	leat_flow_merge(ports, 2);
	expect_mistake(flow, -EINVAL, "merge: \"from_array\" makes items of type \"u64\", and");
}

Test(flow_build, fan_outs)
{
	struct leat_flow *flow = open_flow();
	struct leat_port ports[2];

	leat_flow_tee(some_numbers(flow), ports, 0);
	expect_mistake(flow, -EINVAL, "tee: from 1 to 1024 outputs");
	flow = open_flow();
	leat_flow_tee(some_numbers(flow), NULL, 2);
	expect_mistake(flow, -EINVAL, "tee: from 1 to 1024 outputs");
	flow = open_flow();
	leat_flow_partition(some_numbers(flow), NULL, NULL, ports, 2);
	leat_flow_for_each(ports[0], &ignore, NULL);
	expect_mistake(flow, -EINVAL, "partition: there is no key");
}

Test(flow_build, ends_without_a_place)
{
	struct leat_flow *flow = open_flow();

	leat_flow_to_rx(some_numbers(flow), NULL);
	expect_mistake(flow, -EINVAL, "to_rx: there is no place");
	flow = open_flow();
	leat_flow_collect(some_numbers(flow), NULL, NULL);
	expect_mistake(flow, -EINVAL, "collect: there is no place");
}

Test(flow_build, on_error)
{
	struct leat_flow *flow = open_flow();

	leat_flow_on_error(some_numbers(flow), LEAT_ON_ERROR_SKIP);
	expect_mistake(
		flow, -EINVAL,
		"on_error: \"from_array\" is no step of the program's, none of its items fails");
	flow = open_flow();
	leat_flow_on_error(leat_flow_step(some_numbers(flow), &triple, NULL), 7);
	expect_mistake(flow, -EINVAL, "on_error: there are stop and skip");
}

static void discard_nothing(void *item, void *arg)
{
	(void)item, (void)arg;
}

LEAT_TYPE_OWNED(owner, uint64_t, discard_nothing, NULL);
LEAT_FILTER(keep_owners, owner, x, const void *, unused)
{
	(void)x, (void)unused;
	return true;
}
LEAT_FUSE(fused_owners, owner, owner, keep_owners, keep_owners);

Test(flow_build, items_that_own_something)
{
	struct leat_flow *flow = open_flow();
	struct leat_port port, ports[2];

	leat_flow_from_array(flow, LEAT_T(owner), some, 3);
	expect_mistake(flow, -EINVAL, "from_array: items of type \"owner\" own something");
	flow = open_flow();
	leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(owner), run_numbers, NULL), ports, 2);
	for (int i = 0; i < 2; i++)
		leat_flow_to_rx(ports[i], &(struct leat_rx *){ NULL });
	expect_mistake(flow, -ENOTSUP, "items of type \"owner\" own something");
	flow = open_flow();
	port = leat_flow_from_gen(flow, LEAT_T(owner), run_numbers, NULL);
	port = leat_flow_step(port, &fused_owners, (void *[]){ NULL, NULL });
	leat_flow_to_rx(port, &(struct leat_rx *){ NULL });
	expect_mistake(flow, -ENOTSUP, "fused step \"fused_owners\": items of type \"owner\" own");
}

Test(flow_build, start_is_once_and_nothing_is_declared_behind_it)
{
	struct numbers numbers = { .end = 1 };
	struct leat_flow *flow = open_flow();
	struct tally tally = { 0 };

	leat_flow_for_each(some_numbers(flow), &count_each, &tally);
	cr_assert_eq(leat_flow_check(flow, NULL), 0);
	expect_start(flow);
	cr_assert_eq(leat_flow_start(flow), -EALREADY);
	leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
	cr_assert_eq(numbers.finis, 1u);
	expect_join(flow, -EINVAL);
	expect_words(flow, "the flow has been started: declare all of it before");
	cr_assert_eq(tally.count, 3u);
	leat_flow_close(flow);
}

Test(flow_build, what_is_declared_behind_a_check_runs_too)
{
	struct leat_flow *flow = open_flow();
	struct tally tally[2] = { { 0 }, { 0 } };
	struct leat_flow_cost estimate;

	for (size_t i = 0; i < 2; i++) {
		leat_flow_for_each(some_numbers(flow), &count_each, &tally[i]);
		cr_assert_eq(leat_flow_check(flow, NULL), 0);
		cr_assert_eq(leat_flow_estimate(flow, &estimate), 0);
		cr_assert_eq(estimate.islands, i + 1);
	}
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert(tally[0].count == 3 && tally[1].count == 3);
	leat_flow_close(flow);
}

Test(flow_build, a_scope_that_is_cancelled_starts_nothing)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct numbers numbers = { .end = 1 };
	struct leat_rx *rx;

	leat_flow_to_rx(leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers)), &rx);
	leat_scope_cancel(scope, 0, "no");
	cr_assert_eq(leat_flow_start(flow), -ECANCELED);
	cr_assert_null(rx);
	cr_assert_eq(leat_flow_join(flow), -ECANCELED);
	leat_flow_close(flow);
	cr_assert_eq(numbers.finis, 1u);
	leat_scope_close(scope);
}

Test(flow_build, a_step_with_a_long_name_runs)
{
	struct leat_step step = ignore;
	struct leat_flow *flow = open_flow();
	char name[200];

	memset(name, 's', sizeof(name));
	name[199] = '\0';
	step.name = name;
	leat_flow_for_each(some_numbers(flow), &step, NULL);
	expect_start(flow);
	expect_join(flow, 0);
	leat_flow_close(flow);
}
