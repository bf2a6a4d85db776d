/*
 * perf/peers/generators.c: leat's part of `leat bench generators`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/topics.h"

#include <leat/leat.h>

#include <errno.h>
#include <stdlib.h>

/* Makes next, next + 1, ... up to end. */
struct counter {
	uint64_t next, end;
};

static inline int count_up(void *state, void *item)
{
	struct counter *counter = state;

	if (counter->next == counter->end)
		return 0;
	*(uint64_t *)item = counter->next++;
	return 1;
}

struct stage {
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct leat_gen_opts opts;
};

static struct stage stage_open(unsigned workers, size_t capacity)
{
	struct stage stage = {
		.scope = leat_scope_open(NULL, NULL),
		.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = workers }),
	};

	if (stage.scope == NULL || stage.pool == NULL)
		bench_fail("cannot open a scope or a pool");
	stage.opts = (struct leat_gen_opts){ .chan.capacity = capacity, .pool = stage.pool };
	return stage;
}

static void stage_close(const struct stage *stage)
{
	leat_scope_close(stage->scope);
	if (leat_pool_close(stage->pool) != 0)
		bench_fail("a pool cannot be closed: generators are left on it");
}

static struct leat_rx *start(const struct stage *stage, void *state, void (*fini)(void *))
{
	struct leat_rx *rx;

	if (leat_gen_seq(stage->scope, (struct leat_seq){ count_up, fini, state, sizeof(uint64_t) }, &stage->opts, &rx) != 0)
		bench_fail("cannot start a generator");
	return rx;
}

static double since(int64_t start_ns, uint64_t operations)
{
	return (double)(bench_now_ns() - start_ns) / (double)operations;
}

void leat_one_after_another(uint64_t count, double *values)
{
	struct stage stage = stage_open(0, 1);
	uint64_t sum = 0, completed = 0, value;
	int64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < count; i++) {
		struct counter counter = { i, i + 1 };
		struct leat_rx *rx = start(&stage, &counter, NULL);
		enum leat_cause cause;

		if (leat_recv(rx, &value) == 1)
			sum += value;
		completed += leat_recv(rx, &value) == 0 && leat_rx_status(rx, &cause, NULL, NULL) == 0 &&
			     cause == LEAT_COMPLETED;
		leat_rx_close(rx);
	}
	if (leat_scope_join(stage.scope) != 0)
		bench_fail("a generator failed");
	values[0] = since(start_ns, count);
	stage_close(&stage);
	if (completed != count || sum != count * (count - 1) / 2)
		bench_fail("a generator's value or its end is lost");
}

/* One value from each, in turn. */
static uint64_t round_robin(struct leat_rx **rx, uint64_t count)
{
	uint64_t sum = 0, value = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (leat_recv(rx[i], &value) != 1)
			bench_fail("a generator has no value");
		sum += value;
	}
	return sum;
}

static void check_rounds(uint64_t count, uint64_t rounds, uint64_t sum)
{
	if (sum != rounds * (count * (count - 1) / 2) + count * (rounds * (rounds - 1) / 2))
		bench_fail("a value is lost, or came twice");
}

static struct counter *counters(uint64_t count)
{
	struct counter *all = bench_alloc(count * sizeof(*all));

	for (uint64_t i = 0; i < count; i++)
		all[i] = (struct counter){ i, UINT64_MAX };
	return all;
}

void leat_alive(uint64_t count, double *values)
{
	struct counter *state = counters(count);
	struct leat_rx **rx = bench_alloc(count * sizeof(*rx));
	struct stage stage = stage_open(0, 1);
	uint64_t before = bench_resident(), sum = 0;
	int64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < count; i++)
		rx[i] = start(&stage, &state[i], NULL);
	values[1] = since(start_ns, count);
	start_ns = bench_now_ns();
	for (unsigned r = 0; r < GENERATORS_ROUNDS; r++)
		sum += round_robin(rx, count);
	values[2] = since(start_ns, count * GENERATORS_ROUNDS);
	values[0] = bench_grown_each(before, count);
	for (uint64_t i = 0; i < count; i++)
		leat_rx_close(rx[i]);
	stage_close(&stage);
	check_rounds(count, GENERATORS_ROUNDS, sum);
	free(state);
	free(rx);
}

/* A seq is four words, and its state is the user's; here both count. */
void leat_pulled(uint64_t count, double *values)
{
	uint64_t before = bench_resident(), sum = 0, value;
	struct leat_seq *seqs = bench_alloc(count * sizeof(*seqs));
	struct counter *state = counters(count);
	int64_t start_ns;

	for (uint64_t i = 0; i < count; i++)
		seqs[i] = (struct leat_seq){ count_up, NULL, &state[i], sizeof(uint64_t) };
	start_ns = bench_now_ns();
	for (unsigned r = 0; r < GENERATORS_ROUNDS; r++)
		for (uint64_t i = 0; i < count; i++) {
			if (seqs[i].next(seqs[i].state, &value) != 1)
				bench_fail("a seq has no value");
			sum += value;
		}
	values[1] = since(start_ns, count * GENERATORS_ROUNDS);
	values[0] = bench_grown_each(before, count);
	check_rounds(count, GENERATORS_ROUNDS, sum);
	free(seqs);
	free(state);
}

/* Takes every value by itself: without the barrier the compiler adds up an arithmetic series at once. */
static inline __attribute__((always_inline)) void pull_all(struct leat_seq seq, uint64_t count, double *values)
{
	uint64_t sum = 0, value;
	int64_t start_ns = bench_now_ns();

	while (seq.next(seq.state, &value) == 1) {
		uint64_t taken = value;

		__asm__ volatile("" : "+r"(taken));
		sum += taken;
	}
	values[0] = since(start_ns, count);
	if (sum != count * (count - 1) / 2)
		bench_fail("a value is lost");
}

void leat_pull_pointer(uint64_t count, double *values)
{
	struct counter counter = { 0, count * GENERATORS_PULLED };
	struct leat_seq seq = { count_up, NULL, &counter, sizeof(uint64_t) };

	__asm__ volatile("" : "+r"(seq.next)); /* which function it is, the compiler does not know */
	pull_all(seq, count * GENERATORS_PULLED, values);
}

void leat_pull_seen(uint64_t count, double *values)
{
	struct counter counter = { 0, count * GENERATORS_PULLED };

	pull_all((struct leat_seq){ count_up, NULL, &counter, sizeof(uint64_t) }, count * GENERATORS_PULLED, values);
}

static int add(void *state, const void *item)
{
	*(uint64_t *)state += *(const uint64_t *)item;
	return 0;
}

static void pass(uint64_t count, size_t capacity, double *values)
{
	struct stage stage = stage_open(1, capacity);
	struct counter counter = { 0, count * GENERATORS_PASSED };
	uint64_t sum = 0;
	int64_t start_ns = bench_now_ns();
	struct leat_rx *rx = start(&stage, &counter, NULL);

	if (leat_gen_sink(stage.scope, rx, (struct leat_sink){ add, NULL, &sum }, &stage.opts) != 0 ||
	    leat_scope_join(stage.scope) != 0)
		bench_fail("a generator, or its sink, failed");
	values[0] = since(start_ns, counter.end);
	stage_close(&stage);
	if (sum != counter.end * (counter.end - 1) / 2)
		bench_fail("a value is lost");
}

void leat_pass_64(uint64_t count, double *values)
{
	pass(count, 64, values);
}

void leat_pass_1(uint64_t count, double *values)
{
	pass(count, 1, values);
}

static void mark_ended(void *state)
{
	((struct counter *)state)->end = 0;
}

/* Each has given a value and waits for the next to be taken. */
void leat_cancel_all(uint64_t count, double *values)
{
	struct counter *state = counters(count);
	struct leat_rx **rx = bench_alloc(count * sizeof(*rx));
	struct stage stage = stage_open(0, 1);
	uint64_t before = bench_resident(), ended = 0, value;
	int64_t start_ns;

	for (uint64_t i = 0; i < count; i++)
		rx[i] = start(&stage, &state[i], mark_ended);
	check_rounds(count, 1, round_robin(rx, count));
	start_ns = bench_now_ns();
	leat_scope_cancel(stage.scope, 0, "enough");
	leat_scope_join(stage.scope);
	for (uint64_t i = 0; i < count; i++)
		ended += state[i].end == 0;
	values[0] = since(start_ns, 1000000);
	start_ns = bench_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		ended += leat_recv(rx[i], &value) == -ECANCELED;
		leat_rx_close(rx[i]);
	}
	values[1] = since(start_ns, 1000000);
	values[2] = bench_grown_each(before, count);
	stage_close(&stage);
	if (ended != 2 * count)
		bench_fail("a generator did not end");
	free(state);
	free(rx);
}
