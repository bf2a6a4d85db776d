/*
 * tests/unit/flow_keyed.c: workers by key: each key's items in their order, with state for each
 * key; workers that are slow, fail, have had enough, get nothing; consumers that leave.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "flows.h"

TestSuite(flow_keyed, .timeout = 600);

enum { KEYS = 13 };

static const unsigned worker_counts[] = { 1, 2, 3, 8 };

static uint64_t key_of(const void *item, const void *arg)
{
	return *(const uint64_t *)item % *(const uint64_t *)arg;
}

static const uint64_t keys = KEYS;

/* --- the order and the state of each key --- */

/* The items of each key are its number, and then that plus KEYS, and so on. */
static void expect_keys_in_order(const struct collected *got, uint64_t factor, size_t n)
{
	uint64_t next[KEYS];

	cr_assert_eq(got->count, n, "%zu items, not %zu", got->count, n);
	for (uint64_t key = 0; key < KEYS; key++)
		next[key] = key;
	for (size_t i = 0; i < n; i++) {
		uint64_t item = got->items[i] / factor;

		cr_assert_eq(item, next[item % KEYS], "item %zu is %llu", i,
		             (unsigned long long)item);
		next[item % KEYS] += KEYS;
	}
}

enum source { ARRAY, GEN, SEQ, RX, BEHIND_STEP, BEHIND_TEE, BEHIND_MERGE, SOURCES };

struct feed {
	struct leat_scope *scope;
	struct numbers numbers;
	uint64_t *array, n;
};

static struct leat_port port_from(struct leat_flow *flow, enum source source, struct feed *feed)
{
	struct leat_port port, ports[2];
	struct leat_rx *rx;

	switch (source) {
	case GEN:
		return leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &feed->n);
	case SEQ:
		return leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&feed->numbers));
	case RX:
		cr_assert_eq(
			leat_gen(feed->scope, run_numbers, &feed->n, sizeof(uint64_t), NULL, &rx),
			0);
		return leat_flow_from_rx(flow, LEAT_T(u64), rx);
	default:
		port = leat_flow_from_array(flow, LEAT_T(u64), feed->array, feed->n);
		if (source == BEHIND_STEP)
			port = leat_flow_skip(leat_flow_step(port, &triple, NULL), 0);
		if (source == BEHIND_MERGE)
			port = leat_flow_merge(&port, 1);
		if (source != BEHIND_TEE)
			return port;
		leat_flow_tee(port, ports, 2);
		leat_flow_for_each(ports[1], &ignore, NULL);
		return ports[0];
	}
}

static void open_feed(struct feed *feed, uint64_t n)
{
	*feed = (struct feed){ .scope = leat_scope_open(NULL, NULL),
		               .numbers = { .end = n },
		               .array = numbers_below(n),
		               .n = n };
}

static void close_feed(struct feed *feed)
{
	leat_scope_close(feed->scope);
	free(feed->array);
}

Test(flow_keyed, the_items_of_each_key_are_in_their_order)
{
	static const size_t capacities[] = { 1, 7, 1024 };

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (size_t k = 0; k < COUNT(capacities); k++)
			for (enum source source = ARRAY; source < SOURCES; source++) {
				struct leat_flow *flow = leat_flow_open(
					NULL,
					&(struct leat_flow_opts){ .capacity = capacities[k] });
				const uint64_t n = MANY_TIMES(3000);
				struct leat_step_stat stat;
				struct leat_port port;
				struct collected got;
				struct feed feed;
				size_t at;

				open_feed(&feed, n);
				port = leat_flow_workers_by(port_from(flow, source, &feed),
				                            worker_counts[i], key_of, &keys);
				at = port.node;
				collect(leat_flow_gather(leat_flow_step(port, &triple, NULL)),
				        &got);
				expect_start(flow);
				expect_join(flow, 0);
				expect_keys_in_order(&got, source == BEHIND_STEP ? 9 : 3, n);
				expect_stat(
					flow, at, "workers_by",
					(struct leat_step_stat){ .in = n, .used = n, .made = n });
				expect_stat(
					flow, at + 1, "triple",
					(struct leat_step_stat){ .in = n, .used = n, .made = n });
				cr_assert_eq(leat_flow_stat(flow, at + 2, &stat), 0);
				cr_assert_eq(stat.in, n);
				cr_assert_eq(leat_flow_stat(flow, 0, &stat), 0);
				cr_assert_eq(stat.made, n);
				leat_flow_close(flow);
				free(got.items);
				close_feed(&feed);
			}
}

/* How often each key has come to this worker. */
struct counts {
	uint64_t of[KEYS];
};

static uint32_t inits, finis;

static int init_counts(void *state, const void *arg)
{
	(void)state, (void)arg;
	leat_add_acqrel(&inits, 1u);
	return 0;
}

static void fini_counts(void *state)
{
	(void)state;
	leat_add_acqrel(&finis, 1u);
}

/* The number of the item among those of its key. */
LEAT_MAP(number_of_key, u64, x, u64, y, struct counts *, counts)
{
	*y = *x + 1000000 * counts->of[*x % KEYS]++;
	return 0;
}

static struct leat_port count_keys(struct leat_port port)
{
	return leat_flow_step_with(
		port, &number_of_key,
		(struct leat_state){ sizeof(struct counts), init_counts, fini_counts, NULL });
}

Test(flow_keyed, state_is_of_one_worker_and_so_of_its_keys)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 5 });
		struct leat_port port;
		struct collected got;
		uint64_t n = 2600;

		inits = finis = 0;
		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
		port = leat_flow_workers_by(port, worker_counts[i], key_of, &keys);
		collect(leat_flow_gather(count_keys(port)), &got);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(got.count, n);
		for (size_t k = 0; k < n; k++)
			cr_assert_eq(got.items[k] / 1000000, got.items[k] % 1000000 / KEYS);
		cr_assert(inits == worker_counts[i] && finis == worker_counts[i]);
		leat_flow_close(flow);
		free(got.items);
	}
}

Test(flow_keyed, workers_without_a_key_get_nothing)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 1000, one = 1;
	struct leat_port port;
	struct collected got;

	inits = finis = 0;
	port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
	port = count_keys(leat_flow_workers_by(port, 4, key_of, &one));
	collect(leat_flow_gather(leat_flow_step(port, &triple, NULL)), &got);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(got.count, n);
	for (size_t k = 1; k < n; k++)
		cr_assert_eq(got.items[k] / 3 % 1000000, k);
	cr_assert(inits == 4 && finis == 4);
	leat_flow_close(flow);
	free(got.items);
}

Test(flow_keyed, no_item_at_all)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), NULL, 0);
	struct collected got;

	port = leat_flow_workers_by(port, 4, key_of, &keys);
	collect(leat_flow_gather(leat_flow_step(port, &triple, NULL)), &got);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(got.count, 0u);
	leat_flow_close(flow);
	free(got.items);
}

LEAT_EACH(add_shared, u64, x, const uint64_t *, sum)
{
	leat_add_rlx((uint64_t *)(uintptr_t)sum, *x); /* rlx: read after the join */
	return 0;
}

Test(flow_keyed, they_may_be_the_end)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 5000, sum = 0;
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);

	port = leat_flow_workers_by(port, 3, key_of, &keys);
	leat_flow_for_each(leat_flow_step(port, &triple, NULL), &add_shared, &sum);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(sum, 3 * n * (n - 1) / 2);
	expect_stat(flow, 3, "add_shared", (struct leat_step_stat){ .in = n, .used = n });
	leat_flow_close(flow);
}

Test(flow_keyed, what_each_holds_comes_out_at_the_end)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
		uint64_t n = 1900;
		struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
		struct collected got;

		port = leat_flow_workers_by(port, worker_counts[i], key_of, &keys);
		port = leat_flow_step_with(port, &hold_all,
		                           (struct leat_state){ .size = sizeof(struct held) });
		collect(leat_flow_gather(port), &got);
		expect_start(flow);
		expect_join(flow, 0);
		expect_set(&got, n);
		leat_flow_close(flow);
		free(got.items);
	}
}

LEAT_TROUBLE(failed, u64);

LEAT_MAP(fail_sevenths, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return *x % 7 == 0 ? -EDOM : 0;
}

LEAT_MAP(of_trouble, failed, failed, u64, y, const void *, unused)
{
	(void)unused;
	*y = failed->item;
	return failed->code == -EDOM ? 0 : -EXDEV;
}

Test(flow_keyed, items_that_fail_are_diverted_or_left_out)
{
	for (int diverts = 0; diverts < 2; diverts++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
		uint64_t n = 1400;
		struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n),
				 trouble;
		struct collected got, others = { NULL, 200 };
		struct leat_step_stat stat;

		port = leat_flow_workers_by(port, 3, key_of, &keys);
		port = leat_flow_step(port, &fail_sevenths, NULL);
		if (diverts) {
			port = leat_flow_divert(port, LEAT_T(failed), &trouble);
			collect(leat_flow_step(trouble, &of_trouble, NULL), &others);
		} else {
			port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
		}
		collect(leat_flow_gather(port), &got);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert(got.count == 1200 && others.count == 200);
		for (size_t i = 0; i < got.count; i++)
			cr_assert_neq(got.items[i] % 7, 0u);
		for (size_t i = 0; diverts && i < others.count; i++)
			cr_assert_eq(others.items[i] % 7, 0u);
		cr_assert_eq(leat_flow_stat(flow, 2, &stat), 0);
		cr_assert(stat.in == n && stat.used == 1200 &&
		          stat.failed == (diverts ? 0u : 200u) &&
		          stat.diverted == (diverts ? 200u : 0u));
		leat_flow_close(flow);
		free(got.items);
		free(others.items);
	}
}

/* --- what is refused --- */

static void expect_refused(struct leat_flow *flow, const char *words)
{
	cr_assert_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, words);
	leat_flow_close(flow);
}

static struct leat_port keyed(struct leat_flow **flow, unsigned count)
{
	static const uint64_t items[3];

	*flow = leat_flow_open(NULL, NULL);
	return leat_flow_workers_by(leat_flow_from_array(*flow, LEAT_T(u64), items, 3), count,
	                            key_of, &keys);
}

LEAT_BATCH(pair, u64, 2);

LEAT_MAP(with_state, u64, x, u64, y, uint64_t *, seen)
{
	++*seen;
	*y = *x;
	return 0;
}

Test(flow_keyed, what_is_refused)
{
	struct leat_port port, ports[2];
	struct leat_flow *flow;
	uint64_t state = 0;
	struct leat_rx *rx;

	leat_flow_to_rx(leat_flow_gather(keyed(&flow, 0)), &rx);
	expect_refused(flow, "workers_by: from 1 to 1024");
	leat_flow_to_rx(leat_flow_gather(keyed(&flow, 1025)), &rx);
	expect_refused(flow, "workers_by: from 1 to 1024");
	flow = leat_flow_open(NULL, NULL);
	port = leat_flow_from_array(flow, LEAT_T(u64), &state, 1);
	leat_flow_to_rx(leat_flow_workers_by(port, 2, NULL, NULL), &rx);
	expect_refused(flow, "workers_by: there is no key");
	/* as behind unordered workers */
	leat_flow_to_rx(keyed(&flow, 2), &rx);
	expect_refused(flow, "to_rx: it is behind workers: put gather before it");
	leat_flow_to_rx(leat_flow_gather(leat_flow_buffer(keyed(&flow, 2), 3)), &rx);
	expect_refused(flow, "buffer: it is behind workers: put gather before it");
	leat_flow_partition(keyed(&flow, 2), key_of, &keys, ports, 2);
	leat_flow_to_rx(leat_flow_merge(ports, 2), &rx);
	expect_refused(flow, "partition: it is behind workers: put gather before it");
	leat_flow_to_rx(leat_flow_gather(leat_flow_take(keyed(&flow, 2), 3)), &rx);
	expect_refused(flow, "each of them would count for itself");
	leat_flow_to_rx(leat_flow_gather(leat_flow_window(keyed(&flow, 2), LEAT_T(pair))), &rx);
	expect_refused(flow, "each of them would count for itself");
	leat_flow_to_rx(leat_flow_gather(leat_flow_batch(keyed(&flow, 2), LEAT_T(pair), 0)), &rx);
	expect_refused(flow, "each of them would count for itself");
	port = leat_flow_distinct(keyed(&flow, 2), key_of, &keys, 5);
	leat_flow_to_rx(leat_flow_gather(port), &rx);
	expect_refused(flow, "each of them would count for itself");
	port = leat_flow_step(keyed(&flow, 2), &with_state, &state);
	leat_flow_to_rx(leat_flow_gather(port), &rx);
	expect_refused(flow, "\"with_state\" has state that it may change, and 2 workers share it");
}

/* --- the end --- */

Test(flow_keyed, a_failure_names_the_step)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (int round = 0; round < MANY_TIMES(20); round++) {
			struct leat_flow *flow =
				leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
			struct leat_port port =
				leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
			struct collected got;
			uint64_t at = 700;

			port = leat_flow_workers_by(port, worker_counts[i], key_of, &keys);
			port = leat_flow_step(port, &fail_at, &at);
			collect(leat_flow_gather(port), &got);
			expect_start(flow);
			expect_join(flow, -EDOM);
			expect_words(flow, worker_counts[i] == 1
			                           ? "step \"fail_at\", item 700: "
			                           : "step \"fail_at\", in a worker: ");
			/* of its key all before it, and none behind it */
			for (size_t k = 0; k < got.count; k++)
				cr_assert(got.items[k] % KEYS != at % KEYS || got.items[k] < at);
			leat_flow_close(flow);
			free(got.items);
		}
}

Test(flow_keyed, a_worker_that_has_had_enough_ends_them_all)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
		struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
		struct collected got;
		uint64_t enough = 777, before = 0;

		port = leat_flow_workers_by(port, worker_counts[i], key_of, &keys);
		collect(leat_flow_gather(leat_flow_step(port, &take_below, &enough)), &got);
		expect_start(flow);
		expect_join(flow, 0);
		for (size_t k = 0; k < got.count; k++)
			before += got.items[k] < enough;
		/* what was sent to the others is worked off */
		cr_assert(before == got.count && before == enough);
		leat_flow_close(flow);
		free(got.items);
	}
}

/* Where the items of an island come from, while no further one comes. */
enum idle { IDLE_RX, IDLE_BUFFER, IDLE_MERGE, IDLE_ZIP, IDLES };

LEAT_PAIR(both, u64, u64);

LEAT_MAP(first_of_both, both, both, u64, y, const void *, unused)
{
	(void)unused;
	*y = both->first;
	return 0;
}

static struct leat_port idle_port(struct leat_flow *flow, enum idle idle, struct leat_scope *scope,
                                  struct leat_tx *tx[2])
{
	struct leat_port ports[2];
	struct leat_rx *rx;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx[i], &rx), 0);
		ports[i] = leat_flow_from_rx(flow, LEAT_T(u64), rx);
		if (idle < IDLE_MERGE)
			break;
	}
	if (idle == IDLE_BUFFER)
		ports[0] = leat_flow_buffer(ports[0], 0);
	else if (idle == IDLE_MERGE)
		ports[0] = leat_flow_merge(ports, 2);
	else if (idle == IDLE_ZIP)
		ports[0] = leat_flow_step(leat_flow_zip(ports[0], ports[1], LEAT_T(both)),
		                          &first_of_both, NULL);
	return ports[0];
}

/* The other workers, and the island before them, wait for an item that never comes. */
Test(flow_keyed, one_that_fails_or_leaves_ends_them_all_while_the_input_is_idle)
{
	for (enum idle idle = IDLE_RX; idle < IDLES; idle++)
		for (int how = 0; how < 3; how++) {
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_flow *flow = leat_flow_open(NULL, NULL);
			struct leat_tx *tx[2] = { NULL, NULL };
			uint64_t at = 4, enough = 4;
			struct leat_port port;

			port = idle_port(flow, idle, scope, tx);
			port = leat_flow_workers_by(port, 3, key_of, &keys);
			if (how < 2)
				port = how == 0 ? leat_flow_step(port, &fail_at, &at)
				                : leat_flow_step(port, &take_below, &enough);
			port = leat_flow_gather(port);
			if (how == 2)
				port = leat_flow_take(port, 1);
			leat_flow_for_each(port, &ignore, NULL);
			expect_start(flow);
			cr_assert_eq(leat_send(tx[0], &at), 0);
			if (tx[1] != NULL) {
				int rc = leat_send(tx[1], &at);

				/* the first may have ended them already */
				cr_assert(rc == 0 || rc == -EPIPE, "%d", rc);
			}
			expect_join(flow, how == 0 ? -EDOM : 0);
			leat_flow_close(flow);
			cr_assert_eq(leat_send(tx[0], &at), -EPIPE);
			leat_tx_close(tx[0]);
			leat_tx_close(tx[1]);
			leat_scope_close(scope);
		}
}

Test(flow_keyed, a_consumer_that_leaves_ends_them_all)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
		struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
		struct collected got;

		port = leat_flow_workers_by(port, worker_counts[i], key_of, &keys);
		port = leat_flow_gather(leat_flow_step(port, &triple, NULL));
		collect(leat_flow_take(port, 1000), &got);
		expect_start(flow);
		expect_join(flow, 0);
		expect_keys_in_order(&got, 3, 1000);
		leat_flow_close(flow);
		free(got.items);
	}
}

/* --- a slow worker --- */

#define HOUR (INT64_C(3600000) * MS)

/* Holds the item 0 for an hour. */
LEAT_MAP(hold_zero, u64, x, u64, y, const struct leat_scope *, scope)
{
	*y = *x;
	if (*x == 0)
		leat_scope_sleep((struct leat_scope *)(uintptr_t)scope, leat_now_ns() + HOUR);
	return 0;
}

Test(flow_keyed, one_that_is_slow_holds_the_others_up_once_its_ring_is_full)
{
	enum { CAPACITY = 4 };
	struct leat_flow *flow;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_port port;
	struct leat_tx *tx;
	struct leat_rx *rx, *out;
	uint64_t zero = 0, slow = KEYS, other = 1, item;

	clock_start();
	flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = CAPACITY });
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
	port = leat_flow_workers_by(leat_flow_from_rx(flow, LEAT_T(u64), rx), 2, key_of, &keys);
	leat_flow_to_rx(leat_flow_gather(leat_flow_step(port, &hold_zero, scope)), &out);
	expect_start(flow);
	cr_assert_eq(leat_send(tx, &zero), 0);
	clock_settle();
	/* its ring is full; the items of the other keys come out */
	for (int i = 1; i < CAPACITY; i++) {
		cr_assert_eq(leat_send(tx, &slow), 0);
		for (int k = 0; k < 10; k++) {
			cr_assert_eq(leat_send(tx, &other), 0);
			cr_assert_eq(leat_recv(out, &item), 1);
			cr_assert_eq(item, other);
		}
	}
	/* one more, and those behind it wait for it */
	cr_assert_eq(leat_send(tx, &slow), 0);
	cr_assert_eq(leat_send(tx, &other), 0);
	clock_settle();
	cr_assert_eq(leat_try_recv(out, &item), -EAGAIN);
	clock_advance(HOUR);
	leat_tx_close(tx);
	for (int i = 0; i <= CAPACITY + 1; i++)
		cr_assert_eq(leat_recv(out, &item), 1);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(flow, 0);
	leat_rx_close(out);
	leat_flow_close(flow);
	leat_scope_close(scope);
}

/* Holds an item until an hour later. */
struct late {
	uint64_t item;
	int64_t due_ns;
	bool has;
};

static int late_vec(void *state, struct leat_vec *v)
{
	struct late *late = state;

	if (late->has && (v->last || leat_now_ns() >= late->due_ns)) {
		((uint64_t *)v->out)[v->made++] = late->item;
		late->has = false;
	}
	if (v->n == 0 || late->has)
		return late->has && v->n > 0 ? -EOVERFLOW : 0;
	*late = (struct late){ *(const uint64_t *)v->in, leat_now_ns() + HOUR, true };
	v->used = 1;
	return 0;
}

static int64_t late_due_ns(const void *state)
{
	const struct late *late = state;

	return late->has ? late->due_ns : LEAT_NEVER;
}

static const struct leat_step be_late = { .name = "be_late",
	                                  .fn = late_vec,
	                                  .in = LEAT_T(u64),
	                                  .out = LEAT_T(u64),
	                                  .most = 1,
	                                  .due_ns = late_due_ns };

/* Unlike workers that share their items, each waits for its own. */
Test(flow_keyed, a_step_of_theirs_is_called_when_it_is_due)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow;
	struct leat_port port;
	struct leat_tx *tx;
	struct leat_rx *rx, *out;
	uint64_t item;

	clock_start();
	flow = leat_flow_open(NULL, NULL);
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
	port = leat_flow_workers_by(leat_flow_from_rx(flow, LEAT_T(u64), rx), 2, key_of, &keys);
	port = leat_flow_step_with(port, &be_late,
	                           (struct leat_state){ .size = sizeof(struct late) });
	leat_flow_to_rx(leat_flow_gather(port), &out);
	expect_start(flow);
	for (uint64_t n = 0; n < 2; n++) {
		cr_assert_eq(leat_send(tx, &n), 0);
		clock_settle();
		clock_advance(HOUR / 2);
	}
	cr_assert_eq(leat_recv(out, &item), 1);
	cr_assert_eq(item, 0u);
	cr_assert_eq(leat_try_recv(out, &item), -EAGAIN);
	clock_advance(HOUR / 2);
	cr_assert_eq(leat_recv(out, &item), 1);
	cr_assert_eq(item, 1u);
	leat_tx_close(tx);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(flow, 0);
	leat_rx_close(out);
	leat_flow_close(flow);
	leat_scope_close(scope);
}

/* All behind the first go to the one that is slow, while the other fails. */
Test(flow_keyed, an_array_ends_with_one_that_fails)
{
	enum { ITEMS = 100000 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	uint64_t *array = numbers_below(ITEMS), two = 2, at = 1;
	struct leat_step_stat stat;
	struct leat_flow *flow;
	struct leat_port port;

	clock_start();
	for (size_t i = 0; i < ITEMS; i++)
		array[i] = i == 0 ? at : 2 * (i - 1);
	flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 8 });
	port = leat_flow_from_array(flow, LEAT_T(u64), array, ITEMS);
	port = leat_flow_step(leat_flow_workers_by(port, 2, key_of, &two), &hold_zero, scope);
	port = leat_flow_gather(leat_flow_step(port, &fail_at, &at));
	leat_flow_for_each(port, &ignore, NULL);
	expect_start(flow);
	clock_settle();
	clock_advance(HOUR);
	expect_join(flow, -EDOM);
	cr_assert_eq(leat_flow_stat(flow, 0, &stat), 0);
	cr_assert_lt(stat.made, (uint64_t)ITEMS / 2);
	leat_flow_close(flow);
	leat_scope_close(scope);
	free(array);
}

/* --- drawn, and what they cost --- */

Test(flow_keyed, they_are_drawn_once)
{
	struct leat_flow *flow;
	struct leat_port port = keyed(&flow, 5);
	struct leat_flow_cost estimate;
	size_t size = 0, steps = 0, boxes = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	leat_flow_for_each(leat_flow_gather(leat_flow_step(port, &triple, NULL)), &ignore, NULL);
	cr_assert_eq(leat_flow_draw(flow, out), 0);
	fclose(out);
	cr_assert_not_null(strstr(text, "[label=\"workers_by x 5\", shape=cds]"), "%s", text);
	cr_assert_not_null(strstr(text, "label=\"5 threads\""), "%s", text);
	for (const char *at = text; (at = strstr(at, "[label=\"triple\"")) != NULL; at++)
		steps++;
	for (const char *at = text; (at = strstr(at, "subgraph")) != NULL; at++)
		boxes++;
	cr_assert(steps == 1 && boxes == 3, "%s", text);
	free(text);
	cr_assert_eq(leat_flow_estimate(flow, &estimate), 0);
	/* behind the array, each of the workers, behind gather */
	cr_assert(estimate.islands == 7 && (estimate.threads == 7 || flows_on_pool()));
	cr_assert(estimate.rings == 6 && estimate.ring_bytes == 6u * 1024 * 8);
	cr_assert_eq(estimate.hops, 2u);
	cr_assert_eq(estimate.vector_bytes, 5u * 257 * 8);
	leat_flow_close(flow);
}
