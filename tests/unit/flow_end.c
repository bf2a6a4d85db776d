/*
 * tests/unit/flow_end.c: how a flow ends: by a cancel, a deadline, a stop, a failure; while its
 * threads wait in each place where they can.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

#include <dirent.h>
#include <semaphore.h>

TestSuite(flow_end, .timeout = 600);

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

/* --- threads that wait --- */

static bool others_sleep(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	bool all = true;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		char text[512], *state;

		if (tid == 0 || tid == own_tid() || !read_task(tid, "stat", text, sizeof(text)))
			continue;
		state = strrchr(text, ')');
		all &= state != NULL && state[2] == 'S';
	}
	closedir(dir);
	return all;
}

/* All other threads sleep: they wait for an item, for room, for a turn, at the gate. */
static void await_sleep(void)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;

	for (int times = 0; times < 20; times++)
		while (!others_sleep()) {
			cr_assert(leat_now_ns() < patience_ns, "threads go on");
			times = 0;
			sched_yield();
		}
}

/* Holds the item 0 until the test lets it go. */
static sem_t shut;

LEAT_MAP(hold_first, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	while (*x == 0 && sem_wait(&shut) != 0) {
	}
	return 0;
}

/* Makes each item 300 times: more than a slot holds. */
static int many_vec(void *state, struct leat_vec *v)
{
	unsigned *done = state;

	while (v->used < v->n && v->made < v->room) {
		((uint64_t *)v->out)[v->made++] = ((const uint64_t *)v->in)[v->used];
		if (++*done == 300) {
			*done = 0;
			v->used++;
		}
	}
	return 0;
}

static const struct leat_step many = {
	.name = "many", .fn = many_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

enum place {
	IDLE,         /* an island waits for items */
	IDLE_WORKERS, /* workers do */
	IDLE_KEYED,   /* and workers by key */
	IDLE_MERGE_BY,
	IDLE_MERGE_FIRST,
	ROOM,        /* an island waits for room, to write in place */
	ROOM_COPIED, /* to copy */
	ROOM_PART,
	ROOM_TEE,
	ROOM_MERGE,
	ROOM_MERGE_BY,
	ROOM_MERGE_FIRST,
	ROOM_KEYED,
	ROOM_WORKERS,
	ROOM_ORDERED,
	WINDOW, /* ordered workers wait until the slowest is done */
	TURN,   /* for their turn, as their slot is full */
	PLACES
};

static const char *const place_names[] = { "idle",
	                                   "idle workers",
	                                   "idle by key",
	                                   "idle merge by key",
	                                   "idle merge by priority",
	                                   "room",
	                                   "room to copy",
	                                   "part",
	                                   "tee",
	                                   "merge",
	                                   "merge by key",
	                                   "merge by priority",
	                                   "workers by key",
	                                   "workers",
	                                   "ordered workers",
	                                   "window",
	                                   "turn" };

struct waiting {
	enum place place;
	struct leat_scope *scope, *outside;
	struct leat_flow *flow;
	struct leat_tx *tx;
	struct leat_rx *out, *other;
	uint64_t *array;
};

static bool is_merge(enum place place)
{
	return (place >= ROOM_MERGE && place <= ROOM_MERGE_FIRST) || place == IDLE_MERGE_BY ||
	       place == IDLE_MERGE_FIRST;
}

/* A flow without end, or with an idle input, whose receivers take nothing. */
static void start_waiting(struct waiting *waiting, enum place place)
{
	const struct leat_flow_opts opts = { .capacity = 8, .wait = LEAT_WAIT_PARK };
	struct leat_port port, ports[2];
	struct leat_rx *rx;

	memset(waiting, 0, sizeof(*waiting));
	waiting->place = place;
	waiting->scope = leat_scope_open(NULL, NULL);
	waiting->outside = leat_scope_open(NULL, NULL);
	waiting->flow = leat_flow_open(waiting->scope, &opts);
	sem_init(&shut, 0, 0);
	if (place <= IDLE_MERGE_FIRST) {
		cr_assert_eq(
			leat_chan_open(waiting->outside, sizeof(uint64_t), NULL, &waiting->tx, &rx),
			0);
		port = leat_flow_from_rx(waiting->flow, LEAT_T(u64), rx);
	} else if (place == ROOM) {
		waiting->array = numbers_below(100000);
		port = leat_flow_from_array(waiting->flow, LEAT_T(u64), waiting->array, 100000);
	} else if (place == ROOM_COPIED) { /* between two rings: right behind a source is one */
		cr_assert_eq(leat_gen(waiting->scope, run_numbers, NULL, sizeof(uint64_t),
		                      &(struct leat_gen_opts){ .source = true }, &rx),
		             0);
		port = leat_flow_from_rx(waiting->flow, LEAT_T(u64), rx);
	} else {
		port = leat_flow_from_gen(waiting->flow, LEAT_T(u64), run_numbers, NULL);
	}
	if (place == ROOM) {
		port = leat_flow_step(leat_flow_step(port, &triple, NULL), &triple, NULL);
	} else if (place == ROOM_PART) {
		leat_flow_partition(port, key_of, NULL, ports, 2);
	} else if (place == ROOM_TEE) { /* right behind a source there is no island before it */
		leat_flow_tee(leat_flow_step(port, &triple, NULL), ports, 2);
	} else if (is_merge(place)) {
		ports[0] = port;
		ports[1] = leat_flow_from_gen(waiting->flow, LEAT_T(u64), run_numbers, NULL);
		port = place == ROOM_MERGE ? leat_flow_merge(ports, 2)
		       : place == ROOM_MERGE_BY || place == IDLE_MERGE_BY
		               ? leat_flow_merge_by(ports, 2, order_of, NULL)
		               : leat_flow_merge_first(ports, 2);
	} else if (place == IDLE_KEYED || place == ROOM_KEYED) {
		port = leat_flow_gather(leat_flow_workers_by(port, 3, key_of, NULL));
	} else if (place >= ROOM_WORKERS || place == IDLE_WORKERS) {
		port = leat_flow_workers(port, 3,
		                         place >= ROOM_ORDERED ? LEAT_ORDERED : LEAT_UNORDERED);
		if (place >= WINDOW)
			port = leat_flow_step(port, &hold_first, NULL);
		if (place == TURN)
			port = leat_flow_step_with(port, &many,
			                           (struct leat_state){ .size = sizeof(unsigned) });
		port = leat_flow_gather(port);
	}
	if (place == ROOM_PART || place == ROOM_TEE) {
		leat_flow_to_rx(ports[1], &waiting->other);
		port = ports[0];
	}
	leat_flow_to_rx(port, &waiting->out);
	expect_start(waiting->flow);
	await_sleep();
}

static void finish_waiting(struct waiting *waiting)
{
	leat_flow_close(waiting->flow);
	leat_rx_close(waiting->out);
	leat_rx_close(waiting->other);
	leat_tx_close(waiting->tx);
	leat_scope_close(waiting->scope);
	leat_scope_close(waiting->outside);
	free(waiting->array);
	sem_destroy(&shut);
}

Test(flow_end, a_cancel_ends_it_wherever_threads_wait)
{
	for (int code = 0; code >= -ENOSPC; code -= ENOSPC)
		for (enum place place = IDLE; place < PLACES; place++) {
			struct waiting waiting;
			enum leat_cause cause;
			uint64_t item;
			int got;

			start_waiting(&waiting, place);
			leat_scope_cancel(waiting.scope, code, "the end");
			sem_post(&shut);
			expect_join(waiting.flow, code);
			cr_assert_str_eq(leat_flow_error(waiting.flow), "", "%s",
			                 place_names[place]);
			cr_assert_eq(leat_recv(waiting.out, &item), -ECANCELED);
			cr_assert_eq(leat_rx_status(waiting.out, &cause, &got, NULL), 0);
			cr_assert(got == code && cause == (code ? LEAT_FAILED : LEAT_CANCELED),
			          "%s: cause %d, code %d", place_names[place], cause, got);
			finish_waiting(&waiting);
		}
}

Test(flow_end, a_deadline_ends_it_wherever_threads_wait)
{
	for (enum place place = IDLE; place < PLACES; place++) {
		struct waiting waiting;

		start_waiting(&waiting, place);
		/* there is no time to drain */
		cr_assert_eq(leat_scope_stop(waiting.scope, leat_now_ns() - 1, "late"), 0);
		sem_post(&shut);
		expect_join(waiting.flow, -ETIMEDOUT);
		finish_waiting(&waiting);
	}
}

Test(flow_end, a_close_ends_it_wherever_threads_wait)
{
	for (enum place place = IDLE; place < PLACES; place++) {
		struct waiting waiting;

		start_waiting(&waiting, place);
		sem_post(&shut); /* the close waits for the step */
		leat_flow_close(waiting.flow);
		waiting.flow = NULL;
		finish_waiting(&waiting);
	}
}

Test(flow_end, receivers_that_leave_end_it_wherever_threads_wait)
{
	for (enum place place = IDLE; place < PLACES; place++) {
		struct waiting waiting;

		start_waiting(&waiting, place);
		leat_rx_close(waiting.out);
		leat_rx_close(waiting.other);
		waiting.out = waiting.other = NULL;
		sem_post(&shut);
		expect_join(waiting.flow, 0);
		finish_waiting(&waiting);
	}
}

/* Takes what is left; from two receivers in turn, as one may hold the other up. */
static uint64_t drain(struct leat_rx *out, struct leat_rx *other)
{
	struct leat_rx *rx[2] = { out, other };
	bool over[2] = { false, other == NULL };
	uint64_t count = 0, item;

	while (!over[0] || !over[1])
		for (int i = 0; i < 2; i++) {
			int rc = over[i] ? -EAGAIN : leat_try_recv(rx[i], &item);

			cr_assert(rc >= 0 || rc == -EAGAIN, "%d", rc);
			over[i] |= rc == 0;
			count += rc == 1;
			if (rc == -EAGAIN)
				sched_yield();
		}
	return count;
}

Test(flow_end, a_stop_loses_nothing_wherever_threads_wait)
{
	for (enum place place = ROOM; place < PLACES; place++) {
		struct waiting waiting;
		struct leat_step_stat source, tail = { .name = NULL };
		uint64_t got, made;

		start_waiting(&waiting, place);
		cr_assert_eq(leat_scope_stop(waiting.scope, LEAT_NEVER, "enough"), 0);
		sem_post(&shut);
		got = drain(waiting.out, waiting.other);
		expect_join(waiting.flow, 0);
		cr_assert_eq(leat_flow_stat(waiting.flow, 0, &source), 0);
		made = source.made;
		if (is_merge(place)) {
			cr_assert_eq(leat_flow_stat(waiting.flow, 1, &source), 0);
			made += source.made;
		}
		made *= place == TURN ? 300 : place == ROOM_TEE ? 2 : 1;
		cr_assert_eq(got, made, "%s: %llu, not %llu", place_names[place],
		             (unsigned long long)got, (unsigned long long)made);
		for (size_t at = 0; leat_flow_stat(waiting.flow, at, &tail) == 0; at++) {
		}
		cr_assert_str_eq(tail.name, "to_rx");
		finish_waiting(&waiting);
	}
}

Test(flow_end, a_stop_ends_an_array_whose_items_go_nowhere)
{
	enum { ITEMS = 1000 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	uint64_t *array = numbers_below(ITEMS);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), array, ITEMS);
	struct leat_step_stat stat;
	struct leat_rx *rx;

	sem_init(&shut, 0, 0);
	port = leat_flow_step(leat_flow_step(port, &hold_first, NULL), &keep_none, NULL);
	leat_flow_to_rx(port, &rx);
	expect_start(flow);
	await_sleep();
	cr_assert_eq(leat_scope_stop(scope, LEAT_NEVER, "enough"), 0);
	sem_post(&shut);
	expect_join(flow, 0);
	cr_assert_eq(leat_flow_stat(flow, 1, &stat), 0);
	cr_assert_lt(stat.in, (uint64_t)ITEMS); /* the vector that it was at */
	leat_flow_close(flow);
	leat_rx_close(rx);
	leat_scope_close(scope);
	free(array);
	sem_destroy(&shut);
}

/* --- failures of what feeds it --- */

static int run_failing(struct leat_tx *out, void *arg)
{
	int rc = run_numbers(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

enum shape {
	PLAIN,
	BUFFER,
	TEE,
	PART,
	MERGE,
	MERGE_BY,
	MERGE_FIRST,
	KEYED,
	UNORDERED,
	ORDERED,
	AT_ONCE,
	SHAPES
};

static struct leat_port shape_port(struct leat_flow *flow, struct leat_port port, enum shape shape,
                                   uint64_t *none)
{
	struct leat_port ports[2] = { port, { 0 } };

	switch (shape) {
	case BUFFER:
		return leat_flow_buffer(leat_flow_step(port, &triple, NULL), 5);
	case TEE:
		leat_flow_tee(port, ports, 2);
		leat_flow_for_each(ports[1], &ignore, NULL);
		return ports[0];
	case PART:
		leat_flow_partition(port, key_of, NULL, ports, 1);
		return ports[0];
	case MERGE:
	case MERGE_BY:
	case MERGE_FIRST:
		ports[1] = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, none);
		return shape == MERGE      ? leat_flow_merge(ports, 2)
		       : shape == MERGE_BY ? leat_flow_merge_by(ports, 2, order_of, NULL)
		                           : leat_flow_merge_first(ports, 2);
	case KEYED:
		port = leat_flow_workers_by(port, 3, key_of, NULL);
		return leat_flow_gather(leat_flow_step(port, &triple, NULL));
	case UNORDERED:
	case ORDERED:
		port = leat_flow_step(port, &triple, NULL);
		/* fall through */
	case AT_ONCE:
		port = leat_flow_workers(port, 3,
		                         shape == UNORDERED ? LEAT_UNORDERED : LEAT_ORDERED);
		return leat_flow_gather(leat_flow_step(port, &triple, NULL));
	default:
		return port;
	}
}

Test(flow_end, the_failure_of_a_source_is_that_of_the_flow_behind_its_items)
{
	for (enum shape shape = PLAIN; shape < SHAPES; shape++)
		for (int source = 0; source < 3; source++) {
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_flow *flow = leat_flow_open(NULL, NULL);
			struct numbers numbers = { .end = 500, .fail = -EIO };
			enum leat_cause cause;
			struct leat_port port;
			struct leat_rx *rx, *out;
			uint64_t n = 500, none = 0;
			const char *text;
			int code;

			if (source == 0) {
				port = leat_flow_from_gen(flow, LEAT_T(u64), run_failing, &n);
			} else if (source == 1) {
				port = leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
			} else {
				cr_assert_eq(leat_gen(scope, run_failing, &n, sizeof(uint64_t),
				                      NULL, &rx),
				             0);
				port = leat_flow_from_rx(flow, LEAT_T(u64), rx);
			}
			leat_flow_to_rx(shape_port(flow, port, shape, &none), &out);
			expect_start(flow);
			cr_assert_eq(drain(out, NULL), 500u);
			cr_assert_eq(leat_rx_status(out, &cause, &code, &text), 0);
			cr_assert(cause == LEAT_FAILED && code == -EIO, "shape %d: %d", shape,
			          code);
			if (source != 1)
				cr_assert_str_eq(text, "disk gone");
			expect_join(flow, -EIO);
			expect_words(flow, source == 1 ? strerror(EIO) : "disk gone");
			leat_flow_close(flow);
			leat_rx_close(out);
			leat_scope_close(scope);
		}
}

Test(flow_end, the_cancel_of_an_input_is_a_failure)
{
	for (enum shape shape = PLAIN; shape < SHAPES; shape++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		uint64_t none = 0;
		struct leat_port port;
		struct leat_tx *tx;
		struct leat_rx *rx, *out;
		enum leat_cause cause;

		cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
		port = leat_flow_from_rx(flow, LEAT_T(u64), rx);
		leat_flow_to_rx(shape_port(flow, port, shape, &none), &out);
		expect_start(flow);
		leat_scope_cancel(scope, 0, "market closed");
		cr_assert_eq(drain(out, NULL), 0u);
		cr_assert_eq(leat_rx_status(out, &cause, NULL, NULL), 0);
		cr_assert_eq(cause, LEAT_FAILED);
		expect_join(flow, -ECANCELED);
		expect_words(flow, "market closed");
		leat_flow_close(flow);
		leat_rx_close(out);
		leat_tx_close(tx);
		leat_scope_close(scope);
	}
}

/* The input is cancelled just before the flow: newer scopes come first. */
Test(flow_end, a_cancel_of_both_is_that_of_the_flow)
{
	for (int round = 0; round < MANY_TIMES(2000); round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL), *inputs;
		struct leat_flow *flow = leat_flow_open(scope, NULL);
		struct leat_port port;
		struct leat_tx *tx;
		struct leat_rx *rx;

		inputs = leat_scope_open(scope, NULL);
		cr_assert_eq(leat_chan_open(inputs, sizeof(uint64_t), NULL, &tx, &rx), 0);
		port = leat_flow_from_rx(flow, LEAT_T(u64), rx);
		if (round % 2)
			port = leat_flow_gather(leat_flow_workers(port, 2, LEAT_ORDERED));
		leat_flow_for_each(port, &ignore, NULL);
		expect_start(flow);
		leat_scope_cancel(scope, 0, "that is all");
		expect_join(flow, 0);
		cr_assert_str_eq(leat_flow_error(flow), "");
		leat_flow_close(flow);
		leat_tx_close(tx);
		leat_scope_close(inputs);
		leat_scope_close(scope);
	}
}

Test(flow_end, the_failure_of_a_step_reaches_receivers)
{
	for (enum shape shape = PLAIN; shape < SHAPES; shape++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port;
		enum leat_cause cause;
		struct leat_rx *out;
		uint64_t at = 100, none = 0, got;
		const char *text;
		int code;

		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
		port = leat_flow_step(port, &fail_at, &at);
		leat_flow_to_rx(shape_port(flow, port, shape, &none), &out);
		expect_start(flow);
		got = drain(out, NULL);
		cr_assert_eq(got, 100u, "shape %d: %llu", shape, (unsigned long long)got);
		cr_assert_eq(leat_rx_status(out, &cause, &code, &text), 0);
		cr_assert(cause == LEAT_FAILED && code == -EDOM);
		cr_assert_not_null(strstr(text, "fail_at"), "%s", text);
		expect_join(flow, -EDOM);
		expect_words(flow, "step \"fail_at\", item 100: ");
		cr_assert_eq(leat_flow_join(flow), -EDOM);
		leat_flow_close(flow);
		leat_rx_close(out);
	}
}

/* What is the code of an end elsewhere is a failure where a step returns it. */
LEAT_MAP(return_code, u64, x, u64, y, const int *, code)
{
	*y = *x;
	return *x == 50 ? *code : 0;
}

Test(flow_end, each_code_of_a_step_is_a_failure)
{
	static const int codes[] = { -EPIPE, -ECANCELED, -ESHUTDOWN, -EAGAIN };

	for (size_t i = 0; i < COUNT(codes); i++)
		for (int ordered = 0; ordered < 3; ordered++) {
			struct leat_flow *flow = leat_flow_open(NULL, NULL);
			struct leat_port port;
			struct collected got;

			port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
			if (ordered < 2)
				port = leat_flow_workers(port, 2,
				                         ordered ? LEAT_ORDERED : LEAT_UNORDERED);
			port = leat_flow_step(port, &return_code, &codes[i]);
			collect(ordered < 2 ? leat_flow_gather(port) : port, &got);
			expect_start(flow);
			expect_join(flow, codes[i]);
			expect_words(flow, "step \"return_code\"");
			if (ordered)
				expect_series(&got, 0, 1, 50);
			leat_flow_close(flow);
			free(got.items);
		}
}

/* Waits at the item 50 until the scope ends. */
LEAT_MAP(wait_for_end, u64, x, u64, y, const struct waiting *, waiting)
{
	*y = *x;
	if (*x < 50)
		return 0;
	sem_post(&shut);
	return leat_scope_sleep(waiting->scope, LEAT_NEVER);
}

LEAT_EACH(wait_at_end, u64, x, const struct waiting *, waiting)
{
	if (*x < 50)
		return 0;
	sem_post(&shut);
	return leat_scope_sleep(waiting->scope, LEAT_NEVER);
}

Test(flow_end, a_wait_in_a_step_that_is_refused_is_no_failure)
{
	for (int shape = 0; shape < 6; shape++) {
		struct waiting waiting = { .scope = leat_scope_open(NULL, NULL) };
		struct leat_flow *flow = leat_flow_open(waiting.scope, NULL);
		struct leat_step step = wait_for_end, end = wait_at_end;
		struct leat_port port;
		struct leat_step_stat stat;

		step.waits = end.waits = true;
		sem_init(&shut, 0, 0);
		waiting.array = numbers_below(1000);
		port = leat_flow_from_array(flow, LEAT_T(u64), waiting.array, 1000);
		if (shape == 2 || shape == 3)
			port = leat_flow_workers(port, 2,
			                         shape == 2 ? LEAT_UNORDERED : LEAT_ORDERED);
		if (shape != 4)
			port = leat_flow_step(port, &step, &waiting);
		if (shape == 1)
			port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
		if (shape == 2 || shape == 3)
			port = leat_flow_gather(port);
		leat_flow_for_each(port, shape == 4 ? &end : &ignore, &waiting);
		expect_start(flow);
		while (sem_wait(&shut) != 0) {
		}
		if (shape < 5)
			leat_scope_cancel(waiting.scope, 0, "that is all");
		else
			leat_scope_stop(waiting.scope, LEAT_NEVER, "enough");
		expect_join(flow, 0);
		cr_assert_str_eq(leat_flow_error(flow), "");
		for (size_t at = 0; leat_flow_stat(flow, at, &stat) == 0; at++)
			cr_assert_eq(stat.in, stat.used + stat.skipped + stat.failed);
		leat_flow_close(flow);
		leat_scope_close(waiting.scope);
		free(waiting.array);
		sem_destroy(&shut);
	}
}

/* The item that is tried again is given up, by the policy: the vector that is in hand goes on. */
Test(flow_end, a_stop_ends_the_tries_of_an_item)
{
	const struct leat_backoff pauses = { .first_ns = INT64_C(3600000) * MS,
		                             .most_ns = INT64_C(3600000) * MS };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	uint64_t *array = numbers_below(100), at = 50;
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), array, 100);
	struct collected got;

	port = leat_flow_retry(leat_flow_step(port, &fail_at, &at), &pauses);
	collect(leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), &got);
	expect_start(flow);
	await_sleep();
	cr_assert_eq(leat_scope_stop(scope, LEAT_NEVER, "enough"), 0);
	expect_join(flow, 0);
	expect_stat(flow, 1, "fail_at",
	            (struct leat_step_stat){ .in = 100, .used = 99, .failed = 1, .made = 99 });
	cr_assert(got.count == 99 && got.items[49] == 49 && got.items[50] == 51);
	leat_flow_close(flow);
	leat_scope_close(scope);
	free(array);
	free(got.items);
}

/* The receiver of a flow may be the source of another. */
Test(flow_end, a_flow_takes_over_the_failure_of_one_before_it)
{
	struct leat_flow *first = leat_flow_open(NULL, NULL), *second = leat_flow_open(NULL, NULL);
	uint64_t n = 1000, at = 700;
	struct leat_port port = leat_flow_from_gen(first, LEAT_T(u64), run_numbers, &n);
	struct collected got;
	struct leat_rx *rx;

	leat_flow_to_rx(leat_flow_step(port, &fail_at, &at), &rx);
	expect_start(first);
	port = leat_flow_from_rx(second, LEAT_T(u64), rx);
	collect(leat_flow_step(port, &triple, NULL), &got);
	expect_start(second);
	expect_join(second, -EDOM);
	expect_words(second, "step \"fail_at\", item 700: ");
	expect_series(&got, 0, 3, 700);
	expect_join(first, -EDOM);
	leat_flow_close(first);
	leat_flow_close(second);
	free(got.items);
}

Test(flow_end, a_flow_that_is_closed_hands_nothing_out)
{
	struct collected got = { NULL, 0 };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);

	collect(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL), &got);
	expect_start(flow);
	leat_flow_close(flow);
	cr_assert(got.items == NULL && got.count == 0);
}
