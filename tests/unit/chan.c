/*
 * tests/unit/chan.c: opening, sending and receiving.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <malloc.h>
#include <signal.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A sanitizer's allocator answers NULL for what is too much, as malloc does. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

TestSuite(chan, .timeout = 600);

struct pair {
	uint32_t a, b;
};

/* Opening */

Test(chan, null_options_give_1024_items_and_single_sides)
{
	struct pipe pipe = pipe_open(NULL);
	cr_assert_eq(fill(pipe.tx), 1024);
	cr_assert_null(leat_tx_clone(pipe.tx));
	cr_assert_null(leat_rx_clone(pipe.rx));
	pipe_close(&pipe);
}

Test(chan, zeroed_options_mean_the_defaults)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ 0 });
	cr_assert_eq(fill(pipe.tx), 1024);
	cr_assert_null(leat_tx_clone(pipe.tx));
	pipe_close(&pipe);
}

/* Opens with handles that are not NULL, so that the answer's are seen to be. */
static int open_answer(struct leat_scope *scope, size_t item_size,
                       const struct leat_chan_opts *opts)
{
	struct leat_tx *tx = (struct leat_tx *)&tx;
	struct leat_rx *rx = (struct leat_rx *)&rx;
	int rc = leat_chan_open(scope, item_size, opts, &tx, &rx);
	if (rc != 0) {
		cr_expect_null(tx, "an error leaves a sender");
		cr_expect_null(rx, "an error leaves a receiver");
	} else {
		leat_tx_close(tx);
		leat_rx_close(rx);
	}
	return rc;
}

Test(chan, open_refuses_null_arguments)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx = (struct leat_tx *)&tx;
	struct leat_rx *rx = (struct leat_rx *)&rx;
	cr_expect_eq(open_answer(NULL, 8, NULL), -EINVAL);
	cr_expect_eq(leat_chan_open(scope, 8, NULL, NULL, &rx), -EINVAL);
	cr_expect_null(rx);
	cr_expect_eq(leat_chan_open(scope, 8, NULL, &tx, NULL), -EINVAL);
	cr_expect_null(tx);
	cr_expect_eq(leat_chan_open(scope, 8, NULL, NULL, NULL), -EINVAL);
	leat_scope_close(scope);
}

Test(chan, open_refuses_members_out_of_range)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	cr_expect_eq(open_answer(scope, 0, NULL), -EINVAL);
	cr_expect_eq(open_answer(scope, 8, &(struct leat_chan_opts){ .kind = (enum leat_kind)4 }),
	             -EINVAL);
	cr_expect_eq(
		open_answer(scope, 8, &(struct leat_chan_opts){ .kind = (enum leat_kind) - 1 }),
		-EINVAL);
	cr_expect_eq(
		open_answer(scope, 8, &(struct leat_chan_opts){ .send_wait = (enum leat_wait)4 }),
		-EINVAL);
	cr_expect_eq(
		open_answer(scope, 8, &(struct leat_chan_opts){ .recv_wait = (enum leat_wait)4 }),
		-EINVAL);
	cr_expect_eq(open_answer(scope, 8,
	                         &(struct leat_chan_opts){ .recv_wait = (enum leat_wait) - 1 }),
	             -EINVAL);
	cr_expect_eq(open_answer(scope, 8,
	                         &(struct leat_chan_opts){ .overflow = (enum leat_overflow)3 }),
	             -EINVAL);
	leat_scope_close(scope);
}

Test(chan, open_refuses_each_reserved_word_that_is_not_zero)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	for (size_t i = 0; i < COUNT(((struct leat_chan_opts *)0)->reserved); i++) {
		struct leat_chan_opts opts = { .capacity = 1 };
		opts.reserved[i] = UINT64_C(1) << 63;
		cr_expect_eq(open_answer(scope, 8, &opts), -EINVAL, "reserved[%zu]", i);
	}
	leat_scope_close(scope);
}

Test(chan, name_may_have_63_bytes)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	char name[65];
	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	cr_expect_eq(open_answer(scope, 8, &(struct leat_chan_opts){ .name = name }), 0);
	name[63] = 'n';
	name[64] = '\0';
	cr_expect_eq(open_answer(scope, 8, &(struct leat_chan_opts){ .name = name }), -EINVAL);
	cr_expect_eq(open_answer(scope, 8, &(struct leat_chan_opts){ .name = "" }), 0);
	leat_scope_close(scope);
}

Test(chan, sizes_that_memory_cannot_hold_are_refused)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	static const size_t huge[][2] = {
		{ 8, SIZE_MAX },           { SIZE_MAX, 1 },         { SIZE_MAX, SIZE_MAX },
		{ SIZE_MAX / 2 + 1, 2 },   { 8, SIZE_MAX / 8 + 2 }, { 1, SIZE_MAX - 1 },
		{ 4096, SIZE_MAX / 4096 }, { 64, (size_t)1 << 58 }, { 16, SIZE_MAX / 16 + 2 },
		{ 1, (size_t)1 << 62 },
	};
	for (size_t i = 0; i < COUNT(huge); i++) {
		for_each_kind(kind) {
			struct leat_chan_opts opts = { .kind = kind, .capacity = huge[i][1] };
			int rc = open_answer(scope, huge[i][0], &opts);
			cr_expect(rc == -ENOMEM || rc == -EINVAL,
			          "%s of %zu items of %zu bytes: %d", kind_names[kind], huge[i][1],
			          huge[i][0], rc);
		}
	}
	leat_scope_close(scope);
}

Test(chan, open_in_a_cancelled_scope_is_refused)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(open_answer(scope, 8, NULL), -ECANCELED);
	leat_scope_close(scope);
}

/* Handles */

Test(chan, clones_are_allowed_by_the_kind)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		struct leat_tx *tx = leat_tx_clone(pipe.tx);
		struct leat_rx *rx = leat_rx_clone(pipe.rx);
		cr_expect_eq(tx != NULL, tx_is_multiple(kind), "sender of %s", kind_names[kind]);
		cr_expect_eq(rx != NULL, rx_is_multiple(kind), "receiver of %s", kind_names[kind]);
		leat_tx_close(tx);
		leat_rx_close(rx);
		pipe_close(&pipe);
	}
}

Test(chan, a_clone_of_a_clone_works_after_the_first_is_closed)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	uint64_t got = 0;
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	leat_tx_close(pipe.tx);
	pipe.tx = leat_tx_clone(clone);
	leat_tx_close(clone);
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 9 }), 0);
	cr_assert_eq(leat_recv(pipe.rx, &got), 1);
	cr_assert_eq(got, 9);
	pipe_close(&pipe);
}

Test(chan, clone_and_close_of_null_do_nothing)
{
	cr_assert_null(leat_tx_clone(NULL));
	cr_assert_null(leat_rx_clone(NULL));
	leat_tx_close(NULL);
	leat_rx_close(NULL);
}

Test(chan, tells_its_scope)
{
	struct pipe pipe = pipe_open(NULL);
	cr_assert_eq(leat_tx_scope(pipe.tx), pipe.scope);
	cr_assert_null(leat_tx_scope(NULL));
	pipe_close(&pipe);
}

struct cloner {
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint32_t *stop;
	uint32_t failures;
};

static void *clone_many(void *arg)
{
	struct cloner *cloner = arg;
	while (leat_load_acq(cloner->stop) == 0) {
		struct leat_tx *tx = leat_tx_clone(cloner->tx);
		struct leat_rx *rx = leat_rx_clone(cloner->rx);
		cloner->failures += tx == NULL || rx == NULL;
		leat_tx_close(tx);
		leat_rx_close(rx);
	}
	return NULL;
}

Test(chan, any_thread_may_clone_a_handle_in_use)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC, .capacity = 4 });
	uint32_t stop = 0;
	struct cloner cloners[3];
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) {
		cloners[i] = (struct cloner){ .tx = pipe.tx, .rx = pipe.rx, .stop = &stop };
		cr_assert_eq(pthread_create(&threads[i], NULL, clone_many, &cloners[i]), 0);
	}
	for (uint64_t n = 0; n < 20000; n++) {
		uint64_t got = 0;
		cr_assert_eq(leat_send(pipe.tx, &n), 0);
		cr_assert_eq(leat_recv(pipe.rx, &got), 1);
		cr_assert_eq(got, n);
	}
	leat_store_rel(&stop, 1u);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(cloners[i].failures, 0);
	}
	pipe_close(&pipe);
}

/* Capacity, sizes, order */

static const size_t capacities[] = { 1, 2, 3, 7, 1000, 1024 };

Test(chan, capacity_is_exact)
{
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(capacities); i++) {
			struct pipe pipe = pipe_open(&(struct leat_chan_opts){
				.kind = kind, .capacity = capacities[i] });
			cr_expect_eq(fill(pipe.tx), capacities[i], "%s of %zu", kind_names[kind],
			             capacities[i]);
			cr_expect_eq(leat_try_send(pipe.tx, &(uint64_t){ 0 }), -EAGAIN);
			pipe_close(&pipe);
		}
	}
}

Test(chan, capacity_is_exact_wherever_the_ring_stands)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 7 });
		for (int shift = 0; shift < 30; shift++) {
			uint64_t got, next = 0;
			cr_assert_eq(fill(pipe.tx), 7, "%s, shifted by %d", kind_names[kind],
			             shift);
			while (leat_try_recv(pipe.rx, &got) == 1)
				cr_assert_eq(got, next++);
			cr_assert_eq(next, 7);
			cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 0 }), 0);
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
		}
		pipe_close(&pipe);
	}
}

static const size_t item_sizes[] = { 1, 3, 4, 8, 12, 16, 24, 64, 100, 256, 4096 };

static void paint(unsigned char *item, size_t size, unsigned n)
{
	for (size_t i = 0; i < size; i++)
		item[i] = (unsigned char)(n * 31 + i * 7 + 1);
}

Test(chan, items_of_any_size_arrive_whole)
{
	unsigned char sent[4096], got[4096];
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(item_sizes); i++) {
			size_t size = item_sizes[i];
			struct pipe pipe = pipe_open_sized(
				size, &(struct leat_chan_opts){ .kind = kind, .capacity = 3 });
			for (unsigned n = 0; n < 20; n += 2) {
				for (unsigned k = n; k < n + 2; k++) {
					paint(sent, size, k);
					cr_assert_eq(leat_send(pipe.tx, sent), 0);
				}
				for (unsigned k = n; k < n + 2; k++) {
					paint(sent, size, k);
					cr_assert_eq(leat_recv(pipe.rx, got), 1);
					cr_assert_eq(memcmp(sent, got, size), 0,
					             "%s, %zu bytes, item %u", kind_names[kind],
					             size, k);
				}
			}
			pipe_close(&pipe);
		}
	}
}

Test(chan, batches_of_any_size_arrive_whole)
{
	static unsigned char sent[5 * 4096], got[5 * 4096];
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(item_sizes); i++) {
			size_t size = item_sizes[i];
			struct pipe pipe = pipe_open_sized(
				size, &(struct leat_chan_opts){ .kind = kind, .capacity = 7 });
			for (unsigned n = 0; n < 20; n++) {
				size_t received = 0;
				paint(sent, 5 * size, n);
				memset(got, 0, sizeof(got));
				cr_assert_eq(leat_send_batch(pipe.tx, sent, 5), 5);
				while (received < 5) {
					ssize_t more = leat_recv_batch(
						pipe.rx, got + received * size, 5 - received);
					cr_assert_gt(more, 0);
					received += (size_t)more;
				}
				cr_assert_eq(memcmp(sent, got, 5 * size), 0, "%s, %zu bytes",
				             kind_names[kind], size);
			}
			pipe_close(&pipe);
		}
	}
}

Test(chan, order_is_kept_over_many_laps)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 3 });
		uint64_t sent = 0, received = 0, got;
		while (received < 30000) {
			for (uint64_t burst = sent % 3 + 1;
			     burst > 0 && leat_try_send(pipe.tx, &sent) == 0; burst--)
				sent++;
			for (uint64_t burst = received % 3 + 1;
			     burst > 0 && leat_try_recv(pipe.rx, &got) == 1; burst--)
				cr_assert_eq(got, received++, "%s", kind_names[kind]);
		}
		pipe_close(&pipe);
	}
}

/* Several threads: sums, and the order of each sender */

#define SENDERS_MAX 4
#define PER_SENDER MANY_TIMES(UINT64_C(20000))

struct party {
	pthread_t thread;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t who;
	uint64_t sum, count, disorder;
	ssize_t last;
};

static void *send_own(void *arg)
{
	struct party *party = arg;
	for (uint64_t n = 1; n <= PER_SENDER && party->last == 0; n++)
		party->last = leat_send(party->tx, &(uint64_t){ party->who << 32 | n });
	leat_tx_close(party->tx);
	return NULL;
}

static void *receive_all(void *arg)
{
	struct party *party = arg;
	uint64_t item, seen[SENDERS_MAX] = { 0 };
	while ((party->last = leat_recv(party->rx, &item)) == 1) {
		uint64_t n = item & UINT32_MAX, who = item >> 32;
		party->disorder += who >= SENDERS_MAX || n <= seen[who];
		if (who < SENDERS_MAX)
			seen[who] = n;
		party->sum += n;
		party->count++;
	}
	leat_rx_close(party->rx);
	return NULL;
}

static void check_crowd(struct leat_chan_opts opts)
{
	struct pipe pipe = pipe_open(&opts);
	int senders = tx_is_multiple(opts.kind) ? SENDERS_MAX : 1,
	    receivers = rx_is_multiple(opts.kind) ? 3 : 1;
	struct party tx[SENDERS_MAX] = { 0 }, rx[3] = { 0 };
	uint64_t sum = 0, count = 0;
	for (int i = 0; i < senders; i++) {
		tx[i].who = (uint64_t)i;
		tx[i].tx = i == 0 ? pipe.tx : leat_tx_clone(pipe.tx);
	}
	for (int i = 0; i < receivers; i++)
		rx[i].rx = i == 0 ? pipe.rx : leat_rx_clone(pipe.rx);
	for (int i = 0; i < receivers; i++)
		cr_assert_eq(pthread_create(&rx[i].thread, NULL, receive_all, &rx[i]), 0);
	for (int i = 0; i < senders; i++)
		cr_assert_eq(pthread_create(&tx[i].thread, NULL, send_own, &tx[i]), 0);
	for (int i = 0; i < senders; i++) {
		pthread_join(tx[i].thread, NULL);
		cr_expect_eq(tx[i].last, 0);
	}
	for (int i = 0; i < receivers; i++) {
		pthread_join(rx[i].thread, NULL);
		cr_expect_eq(rx[i].last, 0);
		cr_expect_eq(rx[i].disorder, 0, "%s: out of order", kind_names[opts.kind]);
		sum += rx[i].sum;
		count += rx[i].count;
	}
	cr_expect_eq(count, (uint64_t)senders * PER_SENDER, "%s", kind_names[opts.kind]);
	cr_expect_eq(sum, (uint64_t)senders * (PER_SENDER * (PER_SENDER + 1) / 2), "%s",
	             kind_names[opts.kind]);
	cr_assert_eq(leat_scope_close(pipe.scope), 0);
}

Test(chan, nothing_is_lost_or_doubled_between_threads)
{
	for_each_kind(kind)
		for (size_t capacity = 1; capacity <= 64; capacity *= 8)
			check_crowd((struct leat_chan_opts){ .kind = kind, .capacity = capacity });
}

Test(chan, nothing_is_lost_when_sides_park_at_once)
{
	for_each_kind(kind)
		check_crowd((struct leat_chan_opts){ .kind = kind,
		                                     .capacity = 2,
		                                     .send_wait = LEAT_WAIT_PARK,
		                                     .recv_wait = LEAT_WAIT_PARK });
}

Test(chan, nothing_is_lost_with_full_fences)
{
	for_each_kind(kind)
		check_crowd((struct leat_chan_opts){ .kind = kind,
		                                     .capacity = 2,
		                                     .send_wait = LEAT_WAIT_PARK,
		                                     .recv_wait = LEAT_WAIT_PARK,
		                                     .full_fence = true });
}

Test(chan, nothing_is_lost_with_mixed_policies)
{
	for_each_wait(wait)
		check_crowd(
			(struct leat_chan_opts){ .kind = LEAT_SPSC,
		                                 .capacity = 16,
		                                 .send_wait = wait,
		                                 .recv_wait = (enum leat_wait)((wait + 1) % 4) });
}

struct lap {
	struct leat_tx *tx;
	uint64_t words[3];
};

/* What the sender wrote outside the channel is read by whoever received the item: TSan judges. */
static void *publish_words(void *arg)
{
	struct lap *lap = arg;
	for (uint64_t n = 0; n < 3; n++) {
		lap->words[n] = n + 100;
		if (leat_send(lap->tx, &n) != 0)
			break;
	}
	return NULL;
}

Test(chan, what_came_before_a_send_is_seen_after_the_receive)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct lap lap = { .tx = pipe.tx };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, publish_words, &lap), 0);
		for (uint64_t n = 0, got; n < 3; n++) {
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(lap.words[got], got + 100);
		}
		pthread_join(thread, NULL);
		pipe_close(&pipe);
	}
}

/* Types and arguments */

Test(chan, void_and_character_pointers_use_the_channels_size)
{
	struct pipe pipe = pipe_open_sized(16, &(struct leat_chan_opts){ .capacity = 16 });
	char in[16] = "fifteen letters";
	char out[16];
	cr_assert_eq(leat_send(pipe.tx, (void *)in), 0);
	cr_assert_eq(leat_send(pipe.tx, (const void *)in), 0);
	cr_assert_eq(leat_send(pipe.tx, in), 0);
	cr_assert_eq(leat_send(pipe.tx, (const char *)in), 0);
	cr_assert_eq(leat_try_send(pipe.tx, (signed char *)in), 0);
	cr_assert_eq(leat_send_until(pipe.tx, (unsigned char *)in, 0), 0);
	cr_assert_eq(leat_send_batch(pipe.tx, (const unsigned char *)in, 1), 1);
	cr_assert_eq(leat_send(pipe.tx, "fifteen letters"), 0);
	for (int i = 0; i < 8; i++) {
		memset(out, 0, sizeof(out));
		switch (i % 4) {
		case 0:
			cr_assert_eq(leat_recv(pipe.rx, (void *)out), 1);
			break;
		case 1:
			cr_assert_eq(leat_recv_until(pipe.rx, out, 0), 1);
			break;
		case 2:
			cr_assert_eq(leat_try_recv(pipe.rx, (unsigned char *)out), 1);
			break;
		default:
			cr_assert_eq(leat_recv_batch(pipe.rx, (signed char *)out, 1), 1);
		}
		cr_assert_str_eq(out, in);
	}
	pipe_close(&pipe);
}

Test(chan, compound_literals_with_commas_are_arguments)
{
	struct pipe pipe =
		pipe_open_sized(sizeof(struct pair), &(struct leat_chan_opts){ .capacity = 16 });
	struct pair got[8];
	cr_assert_eq(leat_send(pipe.tx, &(struct pair){ 1, 2 }), 0);
	cr_assert_eq(leat_try_send(pipe.tx, &(struct pair){ 3, 4 }), 0);
	cr_assert_eq(leat_send_until(pipe.tx, &(struct pair){ 5, 6 }, LEAT_NEVER), 0);
	cr_assert_eq(leat_send_batch(pipe.tx, (struct pair[]){ { 7, 8 }, { 9, 10 } }, 2), 2);
	cr_assert_eq(leat_try_send_batch(pipe.tx, (struct pair[]){ { 11, 12 }, { 13, 14 } }, 2), 2);
	size_t received = 0;
	while (received < 7)
		received += (size_t)leat_try_recv_batch(pipe.rx, got + received, 8 - received);
	for (uint32_t i = 0; i < 7; i++) {
		cr_expect_eq(got[i].a, 2 * i + 1);
		cr_expect_eq(got[i].b, 2 * i + 2);
	}
	pipe_close(&pipe);
}

static int evaluations;

static struct leat_tx *counted_tx(struct pipe *pipe)
{
	evaluations++;
	return pipe->tx;
}

static struct leat_rx *counted_rx(struct pipe *pipe)
{
	evaluations++;
	return pipe->rx;
}

static int64_t counted_deadline(void)
{
	evaluations++;
	return 0;
}

Test(chan, arguments_are_evaluated_once)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8], *p = in, *q = out;
	size_t one = 1;
	leat_send(counted_tx(&pipe), p++);
	leat_try_send(counted_tx(&pipe), p++);
	leat_send_until(counted_tx(&pipe), p++, counted_deadline());
	leat_send_batch(counted_tx(&pipe), p++, one++);
	leat_try_send_batch(counted_tx(&pipe), p++, --one);
	cr_expect_eq(p - in, 5);
	cr_expect_eq(one, 1);
	cr_expect_eq(evaluations, 6);
	leat_recv(counted_rx(&pipe), q++);
	leat_try_recv(counted_rx(&pipe), q++);
	leat_recv_until(counted_rx(&pipe), q++, counted_deadline());
	leat_recv_batch(counted_rx(&pipe), q++, one++);
	leat_try_recv_batch(counted_rx(&pipe), q++, --one);
	cr_expect_eq(q - out, 5);
	cr_expect_eq(evaluations, 12);
	cr_expect_eq(memcmp(in, out, 5 * sizeof(in[0])), 0);
	pipe_close(&pipe);
}

Test(chan, the_functions_behind_the_macros_use_the_channels_size)
{
	struct pipe pipe = pipe_open_sized(4, NULL);
	uint32_t in[] = { 10, 20, 30, 40, 50, 60, 70, 80 }, out[8] = { 0 };
	cr_assert_eq((leat_send)(pipe.tx, &in[0]), 0);
	cr_assert_eq((leat_try_send)(pipe.tx, &in[1]), 0);
	cr_assert_eq((leat_send_until)(pipe.tx, &in[2], INT64_MIN), 0);
	cr_assert_eq((leat_send_batch)(pipe.tx, &in[3], 2), 2);
	cr_assert_eq((leat_try_send_batch)(pipe.tx, &in[5], 3), 3);
	cr_assert_eq((leat_recv)(pipe.rx, &out[0]), 1);
	cr_assert_eq((leat_try_recv)(pipe.rx, &out[1]), 1);
	cr_assert_eq((leat_recv_until)(pipe.rx, &out[2], INT64_MIN), 1);
	cr_assert_eq((leat_recv_batch)(pipe.rx, &out[3], 1), 1);
	for (size_t n = 4; n < 8;)
		n += (size_t)(leat_try_recv_batch)(pipe.rx, &out[n], 8 - n);
	cr_expect_eq(memcmp(in, out, sizeof(in)), 0);
	cr_expect_eq((leat_recv_until)(pipe.rx, &out[0], INT64_MIN), -ETIMEDOUT);
	cr_expect_eq((leat_try_recv)(pipe.rx, &out[0]), -EAGAIN);
	pipe_close(&pipe);
}

/*
 * Another type stops the program: also where the call need not wait, and where it is of another
 * ring.
 */

static void mistype(enum leat_kind kind, void (*call)(struct pipe *pipe))
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
	leat_send(pipe.tx, &(uint64_t){ 1 });
	leat_send(pipe.tx, &(uint64_t){ 2 });
	leat_recv(pipe.rx, &(uint64_t){ 0 });
	call(&pipe);
}

static void mistype_send(struct pipe *pipe)
{
	leat_send(pipe->tx, &(uint32_t){ 1 });
}

static void mistype_send_larger(struct pipe *pipe)
{
	leat_send(pipe->tx, (uint64_t(*)[2])(uint64_t[2]){ 1, 2 });
}

static void mistype_try_send(struct pipe *pipe)
{
	leat_try_send(pipe->tx, &(uint16_t){ 1 });
}

static void mistype_send_until(struct pipe *pipe)
{
	leat_send_until(pipe->tx, &(uint32_t){ 1 }, LEAT_NEVER);
}

static void mistype_send_batch(struct pipe *pipe)
{
	leat_send_batch(pipe->tx, &(uint32_t){ 1 }, 1);
}

static void mistype_try_send_batch(struct pipe *pipe)
{
	leat_try_send_batch(pipe->tx, &(uint32_t){ 1 }, 1);
}

static void mistype_recv(struct pipe *pipe)
{
	leat_recv(pipe->rx, &(uint32_t){ 1 });
}

static void mistype_try_recv(struct pipe *pipe)
{
	leat_try_recv(pipe->rx, &(uint32_t){ 1 });
}

static void mistype_recv_until(struct pipe *pipe)
{
	leat_recv_until(pipe->rx, &(uint32_t){ 1 }, 0);
}

static void mistype_recv_batch(struct pipe *pipe)
{
	leat_recv_batch(pipe->rx, &(uint32_t){ 1 }, 1);
}

static void mistype_try_recv_batch(struct pipe *pipe)
{
	leat_try_recv_batch(pipe->rx, &(uint32_t){ 1 }, 1);
}

static void mistype_leat_for(struct pipe *pipe)
{
	leat_for(uint32_t, item, pipe->rx)
		cr_log_info("%u", item);
}

#define MISTYPE(call) \
	Test(chan, type_is_checked_by_##call##_on_spsc, .signal = SIGABRT) \
	{ \
		mistype(LEAT_SPSC, mistype_##call); \
	} \
	Test(chan, type_is_checked_by_##call##_on_mpmc, .signal = SIGABRT) \
	{ \
		mistype(LEAT_MPMC, mistype_##call); \
	}

MISTYPE(send)
MISTYPE(send_larger)
MISTYPE(try_send)
MISTYPE(send_until)
MISTYPE(send_batch)
MISTYPE(try_send_batch)
MISTYPE(recv)
MISTYPE(try_recv)
MISTYPE(recv_until)
MISTYPE(recv_batch)
MISTYPE(try_recv_batch)
MISTYPE(leat_for)

Test(chan, null_is_an_invalid_argument_of_every_call)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t item = 0, *none = NULL;
		void *room;
		const void *there;
		/* the second time with room and an item that the handles know of */
		for (int i = 0; i < 2; i++) {
			cr_expect_eq(leat_send(NULL, &item), -EINVAL);
			cr_expect_eq(leat_send(pipe.tx, none), -EINVAL);
			cr_expect_eq(leat_send(pipe.tx, NULL), -EINVAL);
			cr_expect_eq(leat_try_send(NULL, &item), -EINVAL);
			cr_expect_eq(leat_try_send(pipe.tx, none), -EINVAL);
			cr_expect_eq(leat_send_until(NULL, &item, 0), -EINVAL);
			cr_expect_eq(leat_send_until(pipe.tx, none, 0), -EINVAL);
			cr_expect_eq(leat_send_batch(NULL, &item, 1), -EINVAL);
			cr_expect_eq(leat_send_batch(pipe.tx, none, 1), -EINVAL);
			cr_expect_eq(leat_try_send_batch(NULL, &item, 1), -EINVAL);
			cr_expect_eq(leat_try_send_batch(pipe.tx, none, 1), -EINVAL);
			cr_expect_eq(leat_recv(NULL, &item), -EINVAL);
			cr_expect_eq(leat_recv(pipe.rx, none), -EINVAL);
			cr_expect_eq(leat_try_recv(NULL, &item), -EINVAL);
			cr_expect_eq(leat_try_recv(pipe.rx, none), -EINVAL);
			cr_expect_eq(leat_recv_until(NULL, &item, 0), -EINVAL);
			cr_expect_eq(leat_recv_until(pipe.rx, none, 0), -EINVAL);
			cr_expect_eq(leat_recv_batch(NULL, &item, 1), -EINVAL);
			cr_expect_eq(leat_recv_batch(pipe.rx, none, 1), -EINVAL);
			cr_expect_eq(leat_recv_batch(pipe.rx, &item, 0), -EINVAL);
			cr_expect_eq(leat_try_recv_batch(NULL, &item, 1), -EINVAL);
			cr_expect_eq(leat_try_recv_batch(pipe.rx, none, 1), -EINVAL);
			cr_expect_eq(leat_try_recv_batch(pipe.rx, &item, 0), -EINVAL);
			cr_expect_eq(leat_reserve(NULL, 1, &room), -EINVAL);
			cr_expect_eq(leat_reserve(pipe.tx, 1, NULL), -EINVAL);
			cr_expect_eq(leat_reserve(pipe.tx, 0, &room), -EINVAL);
			cr_expect_eq(leat_commit(NULL, 0), -EINVAL);
			cr_expect_eq(leat_peek(NULL, 1, &there), -EINVAL);
			cr_expect_eq(leat_peek(pipe.rx, 1, NULL), -EINVAL);
			cr_expect_eq(leat_peek(pipe.rx, 0, &there), -EINVAL);
			cr_expect_eq(leat_release(NULL, 0), -EINVAL);
			cr_expect(leat_tx_done(NULL));
			if (i == 0)
				for (int sent = 0; sent < 3; sent++)
					cr_assert_eq(leat_send(pipe.tx, &item), 0);
			if (i == 0)
				cr_assert_eq(leat_recv(pipe.rx, &item), 1);
		}
		pipe_close(&pipe);
	}
}

/* leat_for */

Test(chan, leat_for_runs_to_the_end_of_the_stream)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t sum = 0;
	for (uint64_t n = 1; n <= 10; n++)
		leat_send(pipe.tx, &n);
	leat_tx_close(pipe.tx);
	evaluations = 0;
	leat_for(uint64_t, n, counted_rx(&pipe))
		sum += n;
	cr_assert_eq(evaluations, 1);
	cr_assert_eq(sum, 55);
	pipe.tx = NULL;
	pipe_close(&pipe);
}

Test(chan, leat_for_is_left_by_break_and_closes_nothing)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t got = 0;
	for (uint64_t n = 1; n <= 10; n++)
		leat_send(pipe.tx, &n);
	leat_for(uint64_t, n, pipe.rx) {
		if (n == 2)
			continue;
		if (n == 4)
			break;
	}
	cr_assert_eq(leat_recv(pipe.rx, &got), 1);
	cr_assert_eq(got, 5);
	cr_assert_eq(leat_send(pipe.tx, &got), 0);
	pipe_close(&pipe);
}

Test(chan, leat_for_ends_on_cancel_and_on_null)
{
	struct pipe pipe = pipe_open(NULL);
	int times = 0;
	leat_send(pipe.tx, &(uint64_t){ 1 });
	leat_scope_cancel(pipe.scope, 0, NULL);
	leat_for(uint64_t, n, pipe.rx)
		times += (int)n;
	leat_for(uint64_t, n, NULL)
		times += (int)n;
	cr_assert_eq(times, 0);
	pipe_close(&pipe);
}

/* Batches */

Test(chan, batch_of_none_is_0)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t item = 0;
		cr_expect_eq(leat_send_batch(pipe.tx, &item, 0), 0);
		cr_expect_eq(leat_try_send_batch(pipe.tx, &item, 0), 0);
		leat_send(pipe.tx, &item);
		cr_expect_eq(leat_send_batch(pipe.tx, &item, 0), 0, "full");
		cr_expect_eq(leat_try_send_batch(pipe.tx, &item, 0), 0, "full");
		pipe_close(&pipe);
	}
}

Test(chan, try_batch_takes_what_there_is_room_for)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 5 });
		uint64_t items[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, got[8];
		cr_expect_eq(leat_try_send_batch(pipe.tx, items, 3), 3);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 3, 5), 2, "%s", kind_names[kind]);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 5, 3), -EAGAIN);
		cr_expect_eq(leat_recv(pipe.rx, got), 1);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 5, 3), 1);
		size_t received = 0;
		while (received < 5) {
			ssize_t more = leat_try_recv_batch(pipe.rx, got + received, 5 - received);
			cr_assert_gt(more, 0);
			received += (size_t)more;
		}
		cr_expect_eq(memcmp(got, items + 1, 5 * sizeof(got[0])), 0);
		cr_expect_eq(leat_try_recv_batch(pipe.rx, got, 8), -EAGAIN);
		pipe_close(&pipe);
	}
}

Test(chan, recv_batch_takes_what_is_there)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[6] = { 0, 1, 2, 3, 4, 5 }, got[8] = { 0 };
		cr_assert_eq(leat_send_batch(pipe.tx, items, 6), 6);
		cr_expect_eq(leat_recv_batch(pipe.rx, got, 2), 2, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, got + 2, 6), 4, "%s", kind_names[kind]);
		cr_expect_eq(memcmp(got, items, sizeof(items)), 0);
		pipe_close(&pipe);
	}
}

Test(chan, recv_batch_takes_what_is_there_across_the_wrap)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, got[8] = { 0 };
		for (int lap = 0; lap < 9; lap++) {
			cr_assert_eq(leat_send_batch(pipe.tx, items, 7), 7);
			cr_assert_eq(leat_recv_batch(pipe.rx, got, 8), 7, "%s, lap %d",
			             kind_names[kind], lap);
			cr_assert_eq(memcmp(got, items, 7 * sizeof(got[0])), 0);
		}
		pipe_close(&pipe);
	}
}

static void *drain(void *arg)
{
	struct party *party = arg;
	uint64_t items[16];
	while ((party->last = leat_recv_batch(party->rx, items, party->count % COUNT(items) + 1)) >
	       0)
		for (ssize_t i = 0; i < party->last; i++)
			party->disorder += items[i] != party->count++;
	return NULL;
}

Test(chan, batch_larger_than_the_channel_is_taken_whole)
{
	static uint64_t items[5000];
	for (uint64_t n = 0; n < COUNT(items); n++)
		items[n] = n;
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 7 });
		struct party party = { .rx = pipe.rx };
		cr_assert_eq(pthread_create(&party.thread, NULL, drain, &party), 0);
		cr_expect_eq(leat_send_batch(pipe.tx, items, COUNT(items)), (ssize_t)COUNT(items));
		leat_tx_close(pipe.tx);
		pthread_join(party.thread, NULL);
		cr_expect_eq(party.count, COUNT(items));
		cr_expect_eq(party.disorder, 0);
		cr_expect_eq(party.last, 0);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

struct batch_caller {
	struct leat_tx *tx;
	uint32_t tid;
	ssize_t rc, next;
};

static void *batch_of_10(void *arg)
{
	struct batch_caller *caller = arg;
	uint64_t items[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	leat_store_rel(&caller->tid, own_tid());
	caller->rc = leat_send_batch(caller->tx, items, 10);
	caller->next = leat_send_batch(caller->tx, items, 10);
	return NULL;
}

Test(chan, batch_cut_short_by_close_tells_with_the_next_call)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 4 });
		struct batch_caller caller = { .tx = pipe.tx };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, batch_of_10, &caller), 0);
		cr_assert(await_parked(&caller.tid));
		leat_rx_close(pipe.rx);
		pthread_join(thread, NULL);
		cr_expect_eq(caller.rc, 4, "%s: %zd", kind_names[kind], caller.rc);
		cr_expect_eq(caller.next, -EPIPE);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan, batch_cut_short_by_cancel_tells_with_the_next_call)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 4 });
		struct batch_caller caller = { .tx = pipe.tx };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, batch_of_10, &caller), 0);
		cr_assert(await_parked(&caller.tid));
		leat_scope_cancel(pipe.scope, 0, NULL);
		pthread_join(thread, NULL);
		cr_expect_eq(caller.rc, 4, "%s: %zd", kind_names[kind], caller.rc);
		cr_expect_eq(caller.next, -ECANCELED);
		pipe_close(&pipe);
	}
}

/* Deadlines */

static const int64_t not_future[] = { 1, 0, -1, INT64_MIN, INT64_MIN + 1, -INT64_C(1000000000) };

Test(chan, deadline_not_in_the_future_is_one_attempt)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		for (size_t i = 0; i < COUNT(not_future); i++) {
			uint64_t got = 0;
			cr_expect_eq(leat_recv_until(pipe.rx, &got, not_future[i]), -ETIMEDOUT,
			             "deadline %zu", i);
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ i + 1 }, not_future[i]),
			             0, "room wins");
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, not_future[i]),
			             -ETIMEDOUT, "%s, deadline %zu", kind_names[kind], i);
			cr_expect_eq(leat_recv_until(pipe.rx, &got, not_future[i]), 1,
			             "an item wins");
			cr_expect_eq(got, i + 1);
		}
		cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, leat_now_ns()), -ETIMEDOUT);
		pipe_close(&pipe);
	}
}

Test(chan, the_end_wins_over_a_passed_deadline)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct pipe other =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t got;
		leat_tx_close(pipe.tx);
		leat_rx_close(other.rx);
		cr_expect_eq(leat_recv_until(pipe.rx, &got, 0), 0);
		cr_expect_eq(leat_send_until(other.tx, &(uint64_t){ 0 }, 0), -EPIPE);
		pipe.tx = NULL;
		other.rx = NULL;
		pipe_close(&pipe);
		pipe_close(&other);
	}
}

Test(chan, cancel_wins_over_a_passed_deadline)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		leat_send(pipe.tx, &(uint64_t){ 0 });
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, 0), -ECANCELED);
		cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, 0), -ECANCELED);
		pipe_close(&pipe);
	}
}

Test(chan, future_deadline_wakes_every_policy)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			struct leat_chan_opts opts = {
				.kind = kind, .capacity = 1, .send_wait = wait, .recv_wait = wait
			};
			struct pipe pipe = pipe_open(&opts);
			int64_t deadline_ns = leat_now_ns() + 2 * MS;
			cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, deadline_ns),
			             -ETIMEDOUT);
			cr_expect_geq(leat_now_ns(), deadline_ns, "early");
			fill(pipe.tx);
			deadline_ns = leat_now_ns() + 2 * MS;
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, deadline_ns),
			             -ETIMEDOUT);
			cr_expect_geq(leat_now_ns(), deadline_ns, "early");
			pipe_close(&pipe);
		}
	}
}

Test(chan, never_is_a_deadline)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller caller = { .op = OP_RECV_UNTIL, .rx = pipe.rx, .deadline_ns = LEAT_NEVER };
	caller_start(&caller);
	cr_assert(await_parked(&caller.tid));
	leat_send(pipe.tx, &(uint64_t){ 5 });
	cr_assert_eq(caller_join(&caller), 1);
	pipe_close(&pipe);
}

Test(chan, after_a_time_out_the_channel_is_as_before)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		uint64_t got = 0;
		for (uint64_t n = 0; n < 10; n++) {
			cr_assert_eq(leat_recv_until(pipe.rx, &got, leat_now_ns() + MS / 10),
			             -ETIMEDOUT);
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_send_until(pipe.tx, &(uint64_t){ 77 },
			                             leat_now_ns() + MS / 10),
			             -ETIMEDOUT);
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(got, n);
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(got, n);
		}
		pipe_close(&pipe);
	}
}

/* Waking: every call, every kind, every policy on that side, with and without membarrier */

static void describe(char *text, size_t size, const struct leat_chan_opts *opts, enum op op)
{
	snprintf(text, size, "%s, %s, send %s, recv %s%s", op_names[op], kind_names[opts->kind],
	         wait_names[opts->send_wait], wait_names[opts->recv_wait],
	         opts->full_fence ? ", full fence" : "");
}

static void check_wake(const struct leat_chan_opts *opts, enum op op)
{
	char what[128];
	struct pipe pipe = pipe_open(opts);
	bool sends = op < OP_SENDS;
	uint64_t got = 0;
	struct caller caller = { .op = op, .tx = pipe.tx, .rx = pipe.rx, .value = 42 };
	describe(what, sizeof(what), opts, op);
	if (sends)
		fill(pipe.tx);
	caller_start(&caller);
	cr_assert(caller_await(&caller, sends ? opts->send_wait : opts->recv_wait),
	          "%s: never parked", what);
	if (sends)
		cr_assert_eq(leat_recv(pipe.rx, &got), 1, "%s", what);
	else
		cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 42 }), 0, "%s", what);
	cr_expect_eq(caller_join(&caller), op_success(op), "%s", what);
	cr_expect_eq(caller.errno_after, 4711, "%s: errno", what);
	if (sends)
		while (leat_try_recv(pipe.rx, &got) == 1)
			;
	else
		got = caller.value;
	cr_expect_eq(got, 42, "%s", what);
	pipe_close(&pipe);
}

static void check_wakes(bool full_fence)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			for (enum op op = 0; op < OPS; op++) {
				struct leat_chan_opts opts = { .kind = kind,
					                       .capacity = 2,
					                       .send_wait = wait,
					                       .recv_wait = wait,
					                       .full_fence = full_fence };
				check_wake(&opts, op);
			}
		}
	}
}

Test(chan, first_item_or_slot_wakes_every_policy)
{
	check_wakes(false);
}

Test(chan, first_item_or_slot_wakes_every_policy_with_full_fences)
{
	check_wakes(true);
}

Test(chan, deadline_wakes_a_parked_thread)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct caller rx = { .op = OP_RECV_UNTIL, .rx = pipe.rx };
		struct caller tx = { .op = OP_SEND_UNTIL, .tx = pipe.tx };
		rx.deadline_ns = leat_now_ns() + 5 * MS;
		caller_start(&rx);
		cr_expect_eq(caller_join(&rx), -ETIMEDOUT);
		cr_expect_geq(rx.done_ns, rx.deadline_ns);
		fill(pipe.tx);
		tx.deadline_ns = leat_now_ns() + 5 * MS;
		caller_start(&tx);
		cr_expect_eq(caller_join(&tx), -ETIMEDOUT);
		cr_expect_geq(tx.done_ns, tx.deadline_ns);
		pipe_close(&pipe);
	}
}

Test(chan, an_item_each_wakes_every_parked_receiver)
{
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .kind = LEAT_MPMC, .recv_wait = LEAT_WAIT_PARK });
	struct caller callers[12] = { 0 };
	uint64_t sum = 0;
	for (size_t i = 0; i < COUNT(callers); i++) {
		callers[i].op = OP_RECV;
		callers[i].rx = leat_rx_clone(pipe.rx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(callers); i++)
		cr_assert(await_parked(&callers[i].tid));
	for (uint64_t n = 1; n <= COUNT(callers); n++)
		cr_assert_eq(leat_send(pipe.tx, &n), 0);
	for (size_t i = 0; i < COUNT(callers); i++) {
		cr_expect_eq(caller_join(&callers[i]), 1);
		sum += callers[i].value;
		leat_rx_close(callers[i].rx);
	}
	cr_expect_eq(sum, 78);
	pipe_close(&pipe);
}

Test(chan, a_batch_wakes_every_parked_receiver)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_SPMC });
	struct caller callers[6] = { 0 };
	uint64_t items[6] = { 1, 2, 3, 4, 5, 6 }, sum = 0;
	for (size_t i = 0; i < COUNT(callers); i++) {
		callers[i].op = OP_RECV;
		callers[i].rx = leat_rx_clone(pipe.rx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(callers); i++)
		cr_assert(await_parked(&callers[i].tid));
	cr_assert_eq(leat_send_batch(pipe.tx, items, 6), 6);
	for (size_t i = 0; i < COUNT(callers); i++) {
		cr_expect_eq(caller_join(&callers[i]), 1);
		sum += callers[i].value;
		leat_rx_close(callers[i].rx);
	}
	cr_expect_eq(sum, 21);
	pipe_close(&pipe);
}

Test(chan, a_batch_received_wakes_every_parked_sender)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 6 });
	struct caller callers[6] = { 0 };
	uint64_t items[6];
	fill(pipe.tx);
	for (size_t i = 0; i < COUNT(callers); i++) {
		callers[i].op = OP_SEND;
		callers[i].tx = leat_tx_clone(pipe.tx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(callers); i++)
		cr_assert(await_parked(&callers[i].tid));
	cr_assert_eq(leat_recv_batch(pipe.rx, items, 6), 6);
	for (size_t i = 0; i < COUNT(callers); i++) {
		cr_expect_eq(caller_join(&callers[i]), 0);
		leat_tx_close(callers[i].tx);
	}
	pipe_close(&pipe);
}

/* A receiver that timed out must not have swallowed the wake-up of another. */
Test(chan, wake_is_not_swallowed_by_one_that_timed_out)
{
	for (int round = 0; round < 60; round++) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .kind = LEAT_SPMC, .recv_wait = LEAT_WAIT_PARK });
		struct caller brief = { .op = OP_RECV_UNTIL, .rx = leat_rx_clone(pipe.rx) };
		struct caller patient = { .op = OP_RECV, .rx = leat_rx_clone(pipe.rx) };
		brief.deadline_ns = leat_now_ns() + MS;
		caller_start(&brief);
		caller_start(&patient);
		cr_assert(await_parked(&patient.tid));
		while (leat_now_ns() < brief.deadline_ns - (round % 5) * MS / 50)
			;
		cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
		if (caller_join(&brief) == 1)
			cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 2 }), 0);
		cr_expect_eq(caller_join(&patient), 1);
		leat_rx_close(brief.rx);
		leat_rx_close(patient.rx);
		pipe_close(&pipe);
	}
}

static void ignore(int number)
{
	(void)number;
}

Test(chan, signals_neither_end_a_wait_nor_show)
{
	struct sigaction action = { .sa_handler = ignore };
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller callers[2] = { { .op = OP_RECV, .rx = pipe.rx },
		                     { .op = OP_RECV_UNTIL, .rx = pipe.rx } };
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (int i = 0; i < 2; i++) {
		callers[i].deadline_ns = leat_now_ns() + 60000 * MS;
		caller_start(&callers[i]);
		for (int k = 0; k < 20; k++) {
			cr_assert(await_parked(&callers[i].tid));
			pthread_kill(callers[i].thread, SIGUSR1);
		}
		cr_assert(await_parked(&callers[i].tid));
		leat_send(pipe.tx, &(uint64_t){ 3 });
		cr_expect_eq(caller_join(&callers[i]), 1);
		cr_expect_eq(callers[i].value, 3);
	}
	pipe_close(&pipe);
}

Test(chan, signals_do_not_move_a_deadline)
{
	struct sigaction action = { .sa_handler = ignore };
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller caller = { .op = OP_RECV_UNTIL, .rx = pipe.rx };
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	caller.deadline_ns = leat_now_ns() + 20 * MS;
	caller_start(&caller);
	while (leat_now_ns() < caller.deadline_ns - MS)
		pthread_kill(caller.thread, SIGUSR1);
	cr_expect_eq(caller_join(&caller), -ETIMEDOUT);
	cr_expect_geq(caller.done_ns, caller.deadline_ns);
	cr_expect_leq(caller.done_ns, caller.deadline_ns + 2000 * MS);
	pipe_close(&pipe);
}

Test(chan, no_call_sets_errno)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t item = 0;
		errno = 4711;
		leat_try_recv(pipe.rx, &item);
		leat_recv_until(pipe.rx, &item, leat_now_ns() + MS / 10);
		leat_send(pipe.tx, &item);
		leat_try_send(pipe.tx, &item);
		leat_send_until(pipe.tx, &item, leat_now_ns() + MS / 10);
		leat_tx_close(leat_tx_clone(pipe.tx));
		leat_rx_close(leat_rx_clone(pipe.rx));
		leat_scope_cancel(pipe.scope, 0, NULL);
		leat_send(pipe.tx, &item);
		leat_recv(pipe.rx, &item);
		cr_expect_eq(errno, 4711, "%s", kind_names[kind]);
		pipe_close(&pipe);
		cr_expect_eq(errno, 4711, "%s", kind_names[kind]);
	}
}

/* What waiting and flowing cost */

Test(chan, idle_costs_nothing)
{
	struct pipe pipes[6];
	struct caller callers[6] = { 0 };
	struct pipe clock = pipe_open(NULL);
	long ticks = 0;
	for (size_t i = 0; i < COUNT(pipes); i++) {
		pipes[i] = pipe_open(
			&(struct leat_chan_opts){ .kind = (enum leat_kind)(i % 4), .capacity = 1 });
		callers[i] = (struct caller){ .op = i % 2 ? OP_SEND : OP_RECV,
			                      .tx = pipes[i].tx,
			                      .rx = pipes[i].rx };
		if (i % 2)
			fill(pipes[i].tx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(pipes); i++)
		cr_assert(await_parked(&callers[i].tid));
	for (size_t i = 0; i < COUNT(pipes); i++)
		ticks -= cpu_ticks(callers[i].tid);
	cr_assert_eq(leat_recv_until(clock.rx, &(uint64_t){ 0 }, leat_now_ns() + 300 * MS),
	             -ETIMEDOUT);
	for (size_t i = 0; i < COUNT(pipes); i++)
		ticks += cpu_ticks(callers[i].tid);
	cr_expect_leq(ticks, 1, "%ld clock ticks while parked", ticks);
	for (size_t i = 0; i < COUNT(pipes); i++) {
		leat_scope_cancel(pipes[i].scope, 0, NULL);
		cr_expect_eq(caller_join(&callers[i]), -ECANCELED);
		pipe_close(&pipes[i]);
	}
	pipe_close(&clock);
}

static size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

Test(chan, items_flow_without_allocation)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 100 });
		uint64_t got;
		size_t before = heap_in_use();
		for (uint64_t n = 0; n < 1000; n++) {
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			if (n % 3 == 2)
				for (int i = 0; i < 3; i++)
					leat_try_recv(pipe.rx, &got);
			if (n % 100 == 0)
				leat_recv_until(pipe.rx, &got, leat_now_ns() + MS / 20);
		}
		cr_expect_eq(heap_in_use(), before, "%s", kind_names[kind]);
		pipe_close(&pipe);
	}
}
