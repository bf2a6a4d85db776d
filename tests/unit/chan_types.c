/*
 * tests/unit/chan_types.c: types and arguments of the calls, and leat_for.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <signal.h>

TestSuite(chan_types, .timeout = 600);

struct pair {
	uint32_t a, b;
};

/* Types and arguments */

Test(chan_types, void_and_character_pointers_use_the_channels_size)
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

Test(chan_types, compound_literals_with_commas_are_arguments)
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

Test(chan_types, arguments_are_evaluated_once)
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

Test(chan_types, the_functions_behind_the_macros_use_the_channels_size)
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
	Test(chan_types, type_is_checked_by_##call##_on_spsc, .signal = SIGABRT) \
	{ \
		mistype(LEAT_SPSC, mistype_##call); \
	} \
	Test(chan_types, type_is_checked_by_##call##_on_mpmc, .signal = SIGABRT) \
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

Test(chan_types, null_is_an_invalid_argument_of_every_call)
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

Test(chan_types, leat_for_runs_to_the_end_of_the_stream)
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

Test(chan_types, leat_for_is_left_by_break_and_closes_nothing)
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

Test(chan_types, leat_for_ends_on_cancel_and_on_null)
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
