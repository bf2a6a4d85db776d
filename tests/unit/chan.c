/*
 * tests/unit/chan.c: opening, handles, capacity and order, and several threads that send and
 * receive.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

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
