/*
 * tests/unit/flow_merge.c: merges in the order of a key, and by priority: the order, what is waited
 * for, inputs that end, fail, are idle or not in order; what would stand still.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "flows.h"

TestSuite(flow_merge, .timeout = 600);

enum { MOST_INPUTS = 40 };

/*
 * An item is its key, then its input, then its number there: so the order of a merge by key is that
 * of the numbers themselves.
 */
static uint64_t item_of(uint64_t key, uint64_t input, uint64_t number)
{
	return key << 32 | input << 24 | number;
}

static int64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return (int64_t)(*(const uint64_t *)item >> 32);
}

/* Keys below zero, too. */
static int64_t signed_key(const void *item, const void *arg)
{
	return (int64_t)(*(const uint64_t *)item >> 32) - *(const int64_t *)arg;
}

static uint64_t random_state = 88172645463325252;

static uint64_t below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* --- inputs --- */

/* Items in ascending order, for each form of a source. */
struct input {
	uint64_t *items;
	size_t count, next;
};

static int next_item(void *state, void *item)
{
	struct input *input = state;

	if (input->next == input->count)
		return 0;
	*(uint64_t *)item = input->items[input->next++];
	return 1;
}

static int run_input(struct leat_tx *out, void *arg)
{
	struct input *input = arg;
	uint64_t item;
	int rc = 0;

	while (rc == 0 && next_item(input, &item) == 1)
		rc = leat_send(out, &item);
	return rc;
}

/* Keys that come closely, so that many are equal; or in steps. */
static void fill_input(struct input *input, uint64_t number, size_t count)
{
	uint64_t step = 1 + below(20), key = below(100);

	*input = (struct input){ .items = calloc(count + 1, sizeof(uint64_t)), .count = count };
	for (size_t i = 0; i < count; i++) {
		input->items[i] = item_of(key, number, i);
		key += below(3) ? 0 : below(step);
	}
}

static struct leat_port port_of(struct leat_flow *flow, struct input *input, unsigned form,
                                struct leat_scope *scope)
{
	struct leat_port port;
	struct leat_rx *rx;

	switch (form % 5) {
	case 0:
		return leat_flow_from_array(flow, LEAT_T(u64), input->items, input->count);
	case 1:
		return leat_flow_from_seq(
			flow, LEAT_T(u64),
			(struct leat_seq){ next_item, NULL, input, sizeof(uint64_t) });
	case 2:
		return leat_flow_from_gen(flow, LEAT_T(u64), run_input, input);
	case 3:
		cr_assert_eq(leat_gen(scope, run_input, input, sizeof(uint64_t), NULL, &rx), 0);
		return leat_flow_from_rx(flow, LEAT_T(u64), rx);
	default:
		port = leat_flow_from_array(flow, LEAT_T(u64), input->items, input->count);
		return leat_flow_buffer(leat_flow_skip(port, 0), 3);
	}
}

struct merge {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct input inputs[MOST_INPUTS];
	struct leat_port ports[MOST_INPUTS];
	struct leat_tx *tx[MOST_INPUTS];
	size_t count;
};

static void open_merge(struct merge *merge, size_t capacity)
{
	memset(merge, 0, sizeof(*merge));
	merge->scope = leat_scope_open(NULL, NULL);
	merge->flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = capacity });
}

static struct input *add_input(struct merge *merge, unsigned form, size_t count)
{
	struct input *input = &merge->inputs[merge->count];

	fill_input(input, merge->count, count);
	merge->ports[merge->count] = port_of(merge->flow, input, form, merge->scope);
	merge->count++;
	return input;
}

/* An input of the program's, which sends what it likes. */
static struct leat_tx *add_feed(struct merge *merge)
{
	const size_t i = merge->count++;
	struct leat_rx *rx;

	cr_assert_eq(leat_chan_open(merge->scope, sizeof(uint64_t), NULL, &merge->tx[i], &rx), 0);
	merge->ports[i] = leat_flow_from_rx(merge->flow, LEAT_T(u64), rx);
	return merge->tx[i];
}

static void end_feed(struct merge *merge, size_t i)
{
	leat_tx_close(merge->tx[i]);
	merge->tx[i] = NULL;
}

static struct leat_port by_key(struct merge *merge)
{
	return leat_flow_merge_by(merge->ports, merge->count, key_of, NULL);
}

static struct leat_port by_priority(struct merge *merge)
{
	return leat_flow_merge_first(merge->ports, merge->count);
}

static void close_merge(struct merge *merge)
{
	leat_flow_close(merge->flow);
	for (size_t i = 0; i < merge->count; i++)
		leat_tx_close(merge->tx[i]);
	leat_scope_close(merge->scope); /* waits for what sends the items */
	for (size_t i = 0; i < merge->count; i++)
		free(merge->inputs[i].items);
}

static size_t count_items(const struct merge *merge)
{
	size_t count = 0;

	for (size_t i = 0; i < merge->count; i++)
		count += merge->inputs[i].count;
	return count;
}

static void send_key(struct leat_tx *tx, uint64_t key)
{
	uint64_t item = item_of(key, 0, 0);

	cr_assert_eq(leat_send(tx, &item), 0);
}

/* Exactly the items of these keys are there. */
static void expect_keys(struct leat_rx *rx, const char *keys)
{
	uint64_t item;

	clock_settle();
	for (; *keys != '\0'; keys++) {
		cr_assert_eq(leat_try_recv(rx, &item), 1, "before %s", keys);
		cr_assert_eq(item >> 32, (uint64_t)(*keys - '0'), "%u, not %c",
		             (unsigned)(item >> 32), *keys);
		clock_settle();
	}
	cr_assert_eq(leat_try_recv(rx, &item), -EAGAIN);
}

/* --- by key --- */

static void expect_ascending(const struct collected *got, size_t count)
{
	cr_assert_eq(got->count, count, "%zu items, not %zu", got->count, count);
	for (size_t i = 1; i < count; i++)
		cr_assert_lt(got->items[i - 1], got->items[i], "item %zu", i);
}

Test(flow_merge, many_inputs_come_out_in_the_order_of_their_keys)
{
	static const size_t counts[] = { 1, 2, 3, 7, MOST_INPUTS }, capacities[] = { 1, 5, 1024 };

	for (size_t i = 0; i < COUNT(counts); i++)
		for (size_t k = 0; k < COUNT(capacities); k++)
			for (unsigned round = 0; round < MANY_TIMES(5) + 1; round++) {
				struct leat_step_stat stat;
				struct collected got;
				struct merge merge;
				struct leat_port port;
				size_t n;

				open_merge(&merge, capacities[k]);
				for (unsigned input = 0; input < counts[i]; input++)
					add_input(&merge, round + input, below(4) ? below(600) : 0);
				n = count_items(&merge);
				port = by_key(&merge);
				collect(leat_flow_skip(port, 0), &got);
				expect_start(merge.flow);
				expect_join(merge.flow, 0);
				expect_ascending(&got, n);
				cr_assert_eq(leat_flow_stat(merge.flow, port.node, &stat), 0);
				cr_assert_str_eq(stat.name, "merge_by");
				cr_assert(stat.in == n && stat.used == n && stat.made == n);
				cr_assert_eq(leat_flow_stat(merge.flow, port.node + 1, &stat), 0);
				cr_assert_eq(stat.in, n);
				free(got.items);
				close_merge(&merge);
			}
}

Test(flow_merge, keys_may_be_negative_and_at_their_limits)
{
	static const int64_t middle = 50;
	uint64_t low[] = { item_of(0, 0, 0), item_of(49, 0, 1), item_of(51, 0, 2) };
	uint64_t high[] = { item_of(1, 1, 0), item_of(50, 1, 1) };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port ports[] = { leat_flow_from_array(flow, LEAT_T(u64), high, 2),
		                     leat_flow_from_array(flow, LEAT_T(u64), low, 3) };
	struct collected got;

	collect(leat_flow_merge_by(ports, 2, signed_key, &middle), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_ascending(&got, 5);
	leat_flow_close(flow);
	free(got.items);
}

static int64_t limit_key(const void *item, const void *arg)
{
	uint64_t x = *(const uint64_t *)item;

	(void)arg;
	return x < 10 ? INT64_MIN : x > 20 ? INT64_MAX : 0;
}

Test(flow_merge, the_least_and_the_largest_key)
{
	uint64_t first[] = { 1, 11, 21 }, second[] = { 2, 12, 22 };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port ports[] = { leat_flow_from_array(flow, LEAT_T(u64), first, 3),
		                     leat_flow_from_array(flow, LEAT_T(u64), second, 3) };
	struct collected got;

	collect(leat_flow_merge_by(ports, 2, limit_key, NULL), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_ascending(&got, 6);
	leat_flow_close(flow);
	free(got.items);
}

Test(flow_merge, it_waits_for_the_next_item_of_each_input_that_has_not_ended)
{
	struct merge merge;
	struct leat_rx *out;
	uint64_t item;

	clock_start();
	open_merge(&merge, 0);
	for (int i = 0; i < 3; i++)
		add_feed(&merge);
	leat_flow_to_rx(by_key(&merge), &out);
	expect_start(merge.flow);
	for (uint64_t key = 1; key < 6; key++)
		send_key(merge.tx[0], key);
	send_key(merge.tx[2], 4);
	expect_keys(out, "");
	send_key(merge.tx[1], 3);
	expect_keys(out, "1233");
	end_feed(&merge, 1);
	expect_keys(out, "44");
	send_key(merge.tx[2], 9);
	expect_keys(out, "5");
	end_feed(&merge, 0);
	expect_keys(out, "9");
	end_feed(&merge, 2);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(merge.flow, 0);
	leat_rx_close(out);
	close_merge(&merge);
}

Test(flow_merge, an_input_that_is_not_in_order_fails_behind_what_is)
{
	static const size_t places[] = { 1, 2, 100, 499 };

	for (size_t i = 0; i < COUNT(places); i++)
		for (unsigned bad = 0; bad < 3; bad++)
			for (int round = 0; round < MANY_TIMES(10); round++) {
				struct collected got;
				struct merge merge;
				char words[200];
				size_t expected;

				open_merge(&merge, round % 2 ? 2 : 1024);
				for (unsigned k = 0; k < 3; k++)
					add_input(&merge, k == bad ? 0 : (unsigned)below(5), 500);
				/* its keys end with a large one, so that the next is lower */
				merge.inputs[bad].items[places[i] - 1] += item_of(1000000, 0, 0);
				expected = 2 * 500 + places[i];
				collect(by_key(&merge), &got);
				expect_start(merge.flow);
				expect_join(merge.flow, -EINVAL);
				snprintf(words, sizeof(words),
				         "merge_by, item %zu of its input %u, from "
				         "\"from_array\": its key ",
				         places[i], bad);
				expect_words(merge.flow, words);
				expect_ascending(&got, expected);
				free(got.items);
				close_merge(&merge);
			}
}

Test(flow_merge, a_consumer_that_has_had_enough_does_not_see_what_is_not_in_order)
{
	uint64_t items[] = { item_of(5, 0, 0), item_of(6, 0, 1), item_of(2, 0, 2) };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), items, 3);
	struct collected got;

	port = leat_flow_merge_by(&port, 1, key_of, NULL);
	collect(leat_flow_take(port, 1), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_ascending(&got, 1);
	leat_flow_close(flow);
	free(got.items);
}

static int fail_at_end(struct leat_tx *out, void *arg)
{
	int rc = run_input(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

/* It counts as ended: the others are worked off. */
Test(flow_merge, an_input_that_fails_ends_and_the_flow_fails_behind_the_others)
{
	for (int priority = 0; priority < 2; priority++)
		for (unsigned bad = 0; bad < 3; bad++) {
			enum leat_cause cause;
			struct leat_rx *out;
			uint64_t item, last = 0;
			unsigned got = 0;
			int code;
			struct merge merge;

			open_merge(&merge, 8);
			for (unsigned i = 0; i < 3; i++) {
				struct input *input = &merge.inputs[i];

				fill_input(input, i, 300);
				merge.ports[i] =
					i != bad ? port_of(merge.flow, input, i, merge.scope)
						 : leat_flow_from_gen(merge.flow, LEAT_T(u64),
				                                      fail_at_end, input);
			}
			merge.count = 3;
			leat_flow_to_rx(priority ? by_priority(&merge) : by_key(&merge), &out);
			expect_start(merge.flow);
			for (; leat_recv(out, &item) == 1; got++, last = item)
				cr_assert(priority || got == 0 || item > last);
			cr_assert_eq(got, 900u);
			cr_assert_eq(leat_rx_status(out, &cause, &code, NULL), 0);
			cr_assert(cause == LEAT_FAILED && code == -EIO);
			expect_join(merge.flow, -EIO);
			expect_words(merge.flow, "disk gone");
			leat_rx_close(out);
			close_merge(&merge);
		}
}

Test(flow_merge, a_consumer_that_leaves_ends_it)
{
	for (int priority = 0; priority < 2; priority++)
		for (int direct = 0; direct < 2; direct++) {
			struct collected got;
			struct merge merge;
			struct leat_port port;

			open_merge(&merge, 8);
			for (unsigned i = 0; i < 5; i++)
				add_input(&merge, i, 600);
			port = priority ? by_priority(&merge) : by_key(&merge);
			if (!direct)
				port = leat_flow_buffer(port, 3);
			collect(leat_flow_take(port, 1000), &got);
			expect_start(merge.flow);
			expect_join(merge.flow, 0);
			cr_assert_eq(got.count, 1000u);
			if (!priority)
				expect_ascending(&got, 1000);
			free(got.items);
			close_merge(&merge);
		}
}

/* Where what it makes goes to. */
enum behind { RECEIVER, STEP, BUFFER, PARTS, KEYED, BEHINDS };

static uint64_t part_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item >> 32;
}

Test(flow_merge, consumers_that_leave_while_its_inputs_are_idle_end_it)
{
	for (int priority = 0; priority < 2; priority++)
		for (enum behind behind = RECEIVER; behind < BEHINDS; behind++)
			for (int some = 0; some < 2; some++) {
				struct leat_rx *out[2] = { NULL, NULL };
				struct leat_port parts[2];
				struct merge merge;
				uint64_t item = 0;

				open_merge(&merge, 8);
				for (int i = 0; i < 3; i++)
					add_feed(&merge);
				parts[0] = priority ? by_priority(&merge) : by_key(&merge);
				if (behind == STEP)
					parts[0] = leat_flow_step(parts[0], &triple, NULL);
				if (behind == BUFFER)
					parts[0] = leat_flow_buffer(parts[0], 2);
				if (behind == KEYED)
					parts[0] = leat_flow_gather(
						leat_flow_workers_by(parts[0], 3, part_of, NULL));
				if (behind == PARTS) {
					leat_flow_partition(parts[0], part_of, NULL, parts, 2);
					leat_flow_to_rx(parts[1], &out[1]);
				}
				leat_flow_to_rx(parts[0], &out[0]);
				expect_start(merge.flow);
				for (int i = 0; i < 2 * some; i++)
					send_key(merge.tx[i], 0);
				if (some && priority)
					cr_assert_eq(leat_recv(out[0], &item), 1);
				leat_rx_close(out[0]);
				leat_rx_close(out[1]);
				expect_join(merge.flow, 0);
				close_merge(&merge);
			}
}

/* The other parts go on. */
Test(flow_merge, a_part_behind_it_that_leaves_does_not_end_the_others)
{
	for (int priority = 0; priority < 2; priority++) {
		struct leat_port parts[2];
		struct leat_rx *out[2];
		struct merge merge;
		uint64_t item;

		clock_start();
		open_merge(&merge, 8);
		add_feed(&merge);
		add_feed(&merge);
		leat_flow_partition(priority ? by_priority(&merge) : by_key(&merge), part_of, NULL,
		                    parts, 2);
		leat_flow_to_rx(parts[0], &out[0]);
		leat_flow_to_rx(parts[1], &out[1]);
		expect_start(merge.flow);
		leat_rx_close(out[0]);
		clock_settle();
		for (int i = 0; i < 2; i++)
			for (uint64_t key = 0; key < 4; key++)
				send_key(merge.tx[i], key);
		end_feed(&merge, 0);
		end_feed(&merge, 1);
		for (int i = 0; i < 4; i++)
			cr_assert_eq(leat_recv(out[1], &item), 1);
		cr_assert_eq(leat_recv(out[1], &item), 0);
		leat_rx_close(out[1]);
		expect_join(merge.flow, 0);
		close_merge(&merge);
	}
}

LEAT_BATCH(ten, u64, 10);

Test(flow_merge, a_step_behind_it_is_called_when_it_is_due)
{
	for (int priority = 0; priority < 2; priority++) {
		leat_item_ten batch;
		struct leat_port port;
		struct leat_rx *out;
		struct merge merge;

		clock_start();
		open_merge(&merge, 0);
		add_feed(&merge);
		add_feed(&merge);
		port = priority ? by_priority(&merge) : by_key(&merge);
		leat_flow_to_rx(leat_flow_batch(port, LEAT_T(ten), 10 * MS), &out);
		expect_start(merge.flow);
		for (uint64_t key = 0; key < 3; key++)
			send_key(merge.tx[0], key);
		send_key(merge.tx[1], 7);
		clock_settle();
		clock_advance(10 * MS - 1);
		cr_assert_eq(leat_try_recv(out, &batch), -EAGAIN);
		clock_advance(1);
		cr_assert_eq(leat_recv(out, &batch), 1);
		cr_assert_eq(batch.count, 3u + (unsigned)priority);
		send_key(merge.tx[0], 4);
		end_feed(&merge, 1);
		end_feed(&merge, 0);
		cr_assert_eq(leat_recv(out, &batch), 1);
		cr_assert_eq(batch.count, 2u - (unsigned)priority);
		cr_assert_eq(leat_recv(out, &batch), 0);
		expect_join(merge.flow, 0);
		leat_rx_close(out);
		close_merge(&merge);
	}
}

/* --- what is refused --- */

LEAT_MAP(to_float, u64, x, f64, y, const void *, unused)
{
	(void)unused;
	*y = (double)*x;
	return 0;
}

static void expect_refused(struct merge *merge, int code, const char *words)
{
	cr_assert_eq(leat_flow_check(merge->flow, NULL), code, "%s", leat_flow_error(merge->flow));
	expect_words(merge->flow, words);
	close_merge(merge);
}

static struct leat_port merge_as(struct merge *merge, int priority)
{
	return priority ? by_priority(merge) : by_key(merge);
}

Test(flow_merge, mistakes)
{
	struct leat_rx *rx;
	struct merge merge, other;

	cr_assert_null(leat_flow_merge_by(NULL, 2, key_of, NULL).flow);
	cr_assert_null(leat_flow_merge_first(NULL, 2).flow);
	open_merge(&merge, 0);
	add_input(&merge, 0, 3);
	leat_flow_to_rx(leat_flow_merge_by(merge.ports, 1, NULL, NULL), &rx);
	expect_refused(&merge, -EINVAL, "merge_by: there is no key");
	for (int priority = 0; priority < 2; priority++) {
		const char *name = priority ? "merge_first" : "merge_by";
		char words[100];

		open_merge(&merge, 0);
		add_input(&merge, 0, 3);
		merge.ports[merge.count++] = merge.ports[0];
		leat_flow_to_rx(merge_as(&merge, priority), &rx);
		snprintf(words, sizeof(words), "%s: one port is there twice", name);
		expect_refused(&merge, -EINVAL, words);

		open_merge(&merge, 0);
		add_input(&merge, 0, 3);
		add_input(&merge, 0, 3);
		merge.ports[1] = leat_flow_step(merge.ports[1], &to_float, NULL);
		leat_flow_to_rx(merge_as(&merge, priority), &rx);
		snprintf(words, sizeof(words),
		         "%s: \"from_array\" makes items of type \"u64\", and \"to_float\" \"f64\"",
		         name);
		expect_refused(&merge, -EINVAL, words);

		open_merge(&merge, 0);
		open_merge(&other, 0);
		add_input(&merge, 0, 3);
		add_input(&other, 0, 3);
		merge.ports[merge.count++] = other.ports[0];
		leat_flow_to_rx(merge_as(&merge, priority), &rx);
		snprintf(words, sizeof(words), "%s: a port of another flow", name);
		expect_refused(&merge, -EINVAL, words);
		close_merge(&other);

		open_merge(&merge, 0);
		add_input(&merge, 0, 3);
		merge.ports[0] = leat_flow_workers(merge.ports[0], 2, LEAT_UNORDERED);
		leat_flow_to_rx(merge_as(&merge, priority), &rx);
		snprintf(words, sizeof(words), "%s: it is behind workers: put gather", name);
		expect_refused(&merge, -EINVAL, words);
	}
}

/* --- what would stand still --- */

LEAT_TROUBLE(failed, u64);

LEAT_MAP(of_trouble, failed, failed, u64, y, const void *, unused)
{
	(void)unused;
	*y = failed->item;
	return 0;
}

Test(flow_merge, inputs_by_key_that_one_node_feeds_are_refused)
{
	static const char *const forks[] = { "\"tee\"", "\"partition\"", "\"fail_at\"", "\"tee\"" };

	for (unsigned how = 0; how < COUNT(forks); how++) {
		struct leat_port ports[3];
		struct leat_rx *rx;
		struct merge merge;
		uint64_t at = 1;

		open_merge(&merge, 4);
		add_input(&merge, 0, 30);
		add_input(&merge, 0, 30);
		ports[0] = merge.ports[1];
		if (how == 1) {
			leat_flow_partition(ports[0], part_of, NULL, ports + 1, 2);
		} else if (how == 2) {
			ports[1] = leat_flow_divert(leat_flow_step(ports[0], &fail_at, &at),
			                            LEAT_T(failed), &ports[2]);
			ports[2] = leat_flow_step(ports[2], &of_trouble, NULL);
		} else {
			leat_flow_tee(ports[0], ports + 1, 2);
		}
		ports[1] = leat_flow_buffer(leat_flow_step(ports[1], &triple, NULL), 5);
		if (how == 3) /* through a merge, too */
			ports[2] = leat_flow_merge((struct leat_port[]){ merge.ports[0], ports[2] },
			                           2);
		ports[0] = merge.ports[0];
		leat_flow_to_rx(how == 3 ? leat_flow_merge_by(ports + 1, 2, key_of, NULL)
		                         : leat_flow_merge_by(ports, 3, key_of, NULL),
		                &rx);
		expect_refused(&merge, -EDEADLK, forks[how]);
	}
}

/* A port of random steps behind it. */
static struct leat_port wander(struct leat_port port)
{
	for (uint64_t n = below(3); n > 0; n--)
		switch (below(4)) {
		case 0:
			port = leat_flow_buffer(port, 1 + below(5));
			break;
		case 1:
			port = leat_flow_skip(port, below(20));
			break;
		case 2:
			port = leat_flow_gather(leat_flow_workers(port, 2, LEAT_ORDERED));
			break;
		default:
			port = leat_flow_merge_first(&port, 1);
		}
	return port;
}

/*
 * Random graphs of two sources, whose branches meet in a merge by key: refused where two have a
 * source in common; all others come to their end, at the rings' smallest.
 */
Test(flow_merge, random_graphs_do_as_check_says)
{
	unsigned refused = 0, run = 0;

	for (int round = 0; round < MANY_TIMES(200); round++) {
		unsigned taken[2] = { 0, 0 };
		struct leat_port inputs[4];
		struct collected got = { NULL, 0 };
		struct merge merge;
		size_t count = 0;

		open_merge(&merge, 1 + below(6));
		for (unsigned i = 0; i < 2; i++) {
			struct leat_port ports[2] = { { 0 } };
			uint64_t fork = below(3);

			add_input(&merge, (unsigned)below(5), 200);
			ports[0] = wander(merge.ports[i]);
			if (fork == 1)
				leat_flow_tee(ports[0], ports, 2);
			else if (fork == 2)
				leat_flow_partition(ports[0], part_of, NULL, ports, 2);
			for (int k = 0; k < (fork == 0 ? 1 : 2); k++) {
				ports[k] = wander(ports[k]);
				if (below(3) == 0) {
					leat_flow_for_each(ports[k], &ignore, NULL);
					continue;
				}
				inputs[count++] = ports[k];
				taken[i]++;
			}
		}
		if (count > 0)
			collect(leat_flow_merge_by(inputs, count, key_of, NULL), &got);
		if (taken[0] > 1 || taken[1] > 1) {
			refused++;
			expect_refused(&merge, -EDEADLK, "merge_by: its inputs ");
			continue;
		}
		run++;
		expect_start(merge.flow);
		expect_join(merge.flow, 0);
		expect_ascending(&got, got.count);
		free(got.items);
		close_merge(&merge);
	}
	cr_assert(refused > 5 && run > 5, "%u refused, %u run", refused, run);
}

/* --- by priority --- */

Test(flow_merge, by_priority_all_items_come_each_inputs_in_their_order)
{
	static const size_t counts[] = { 1, 2, 7, MOST_INPUTS }, capacities[] = { 1, 5, 1024 };

	for (size_t i = 0; i < COUNT(counts); i++)
		for (size_t k = 0; k < COUNT(capacities); k++) {
			uint64_t next[MOST_INPUTS] = { 0 };
			struct leat_step_stat stat;
			struct collected got;
			struct merge merge;
			struct leat_port port;
			size_t n;

			open_merge(&merge, capacities[k]);
			for (unsigned input = 0; input < counts[i]; input++)
				add_input(&merge, input, below(4) ? below(600) : 0);
			n = count_items(&merge);
			port = by_priority(&merge);
			collect(port, &got);
			expect_start(merge.flow);
			expect_join(merge.flow, 0);
			cr_assert_eq(got.count, n);
			for (size_t at = 0; at < n; at++) {
				uint64_t input = got.items[at] >> 24 & 0xff;

				cr_assert_eq(got.items[at] & 0xffffff, next[input]++);
			}
			cr_assert_eq(leat_flow_stat(merge.flow, port.node, &stat), 0);
			cr_assert_str_eq(stat.name, "merge_first");
			cr_assert(stat.in == n && stat.used == n && stat.made == n);
			free(got.items);
			close_merge(&merge);
		}
}

/* Holds the first item for an hour. */
struct hour {
	struct leat_scope *scope;
	uint32_t over;
};

LEAT_MAP(hold_first, u64, x, u64, y, const struct hour *, held)
{
	struct hour *hour = (struct hour *)(uintptr_t)held;

	*y = *x;
	if (leat_add_acqrel(&hour->over, 1u) == 0)
		leat_scope_sleep(hour->scope, leat_now_ns() + INT64_C(3600000) * MS);
	return 0;
}

Test(flow_merge, by_priority_what_is_there_of_the_lowest_port_goes_first)
{
	struct hour hour = { .scope = leat_scope_open(NULL, NULL) };
	struct merge merge;
	struct leat_rx *out;

	clock_start();
	open_merge(&merge, 0);
	for (int i = 0; i < 3; i++)
		add_feed(&merge);
	leat_flow_to_rx(leat_flow_step(by_priority(&merge), &hold_first, &hour), &out);
	expect_start(merge.flow);
	send_key(merge.tx[2], 9);
	clock_settle();
	/* the merge is held: what comes meanwhile waits in the rings of the ports */
	for (int n = 0; n < 3; n++)
		for (uint64_t i = 3; i-- > 0;) {
			send_key(merge.tx[i], i);
			clock_settle();
		}
	clock_advance(INT64_C(3600000) * MS);
	expect_keys(out, "9000111222");
	/* also where they wait for any */
	send_key(merge.tx[1], 1);
	expect_keys(out, "1");
	send_key(merge.tx[2], 2);
	expect_keys(out, "2");
	end_feed(&merge, 0);
	end_feed(&merge, 2);
	send_key(merge.tx[1], 1);
	expect_keys(out, "1");
	end_feed(&merge, 1);
	expect_join(merge.flow, 0);
	leat_rx_close(out);
	close_merge(&merge);
	leat_scope_close(hour.scope);
}

/* Unlike a merge by key it never waits for one of them. */
Test(flow_merge, by_priority_branches_of_a_tee_may_meet)
{
	struct leat_port ports[2];
	struct collected got;
	struct merge merge;

	open_merge(&merge, 2);
	add_input(&merge, 0, 600);
	leat_flow_tee(merge.ports[0], ports, 2);
	ports[0] = leat_flow_step(ports[0], &keep_none, NULL);
	collect(leat_flow_merge_first(ports, 2), &got);
	expect_start(merge.flow);
	expect_join(merge.flow, 0);
	expect_ascending(&got, 600);
	free(got.items);
	close_merge(&merge);
}

/* --- with a pool: what is before and behind them needs no thread --- */

Test(flow_merge, with_a_pool)
{
	for (int priority = 0; priority < 2; priority++) {
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct leat_flow_cost estimate;
		struct collected got;
		struct leat_port port;
		struct merge merge;

		open_merge(&merge, 0);
		leat_flow_close(merge.flow);
		merge.flow = leat_flow_open(
			NULL, &(struct leat_flow_opts){ .capacity = 8, .pool = pool });
		for (unsigned i = 0; i < 4; i++)
			add_input(&merge, i % 2 ? 1 : 4, 500);
		port = leat_flow_buffer(merge_as(&merge, priority), 5);
		port = leat_flow_workers_by(leat_flow_buffer(port, 5), 3, part_of, NULL);
		port = leat_flow_gather(port);
		collect(leat_flow_buffer(port, 5), &got);
		cr_assert_eq(leat_flow_estimate(merge.flow, &estimate), 0);
		/* before the merge four, behind it, before the workers, each of these */
		cr_assert_eq(estimate.threads, 4u + 1 + 1 + 3);
		expect_start(merge.flow);
		expect_join(merge.flow, 0);
		cr_assert_eq(got.count, 2000u);
		free(got.items);
		close_merge(&merge);
		cr_assert_eq(leat_pool_close(pool), 0);
	}
}

/* --- drawn, and what they cost --- */

Test(flow_merge, they_are_drawn_with_a_ring_for_each_input)
{
	for (int priority = 0; priority < 2; priority++) {
		struct leat_flow_cost estimate;
		struct merge merge;
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		open_merge(&merge, 10);
		for (unsigned i = 0; i < 3; i++)
			add_input(&merge, 0, 3);
		leat_flow_for_each(merge_as(&merge, priority), &ignore, NULL);
		cr_assert_eq(leat_flow_draw(merge.flow, out), 0);
		fclose(out);
		cr_assert_not_null(strstr(text, priority ? "n3 [label=\"merge_first\", shape=cds]"
		                                         : "n3 [label=\"merge_by\", shape=cds]"));
		free(text);
		cr_assert_eq(leat_flow_estimate(merge.flow, &estimate), 0);
		cr_assert(estimate.islands == 4 && estimate.threads == 4);
		cr_assert(estimate.rings == 3 && estimate.ring_bytes == 3u * 10 * 8);
		cr_assert_eq(estimate.hops, 1u);
		cr_assert_eq(estimate.vector_bytes, 256u * 8);
		close_merge(&merge);
	}
}
