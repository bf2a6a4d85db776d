/*
 * tests/unit/headers_cxx.cc: the headers as a C++17 program meets them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/base.h>
#include <leat/chan.h>
#include <leat/diag.h>
#include <leat/gen.h>
#include <leat/io.h>
#include <leat/merge.h>
#include <leat/scope.h>
#include <leat/select.h>

#include <criterion/criterion.h>
#include <atomic>
#include <csignal>
#include <poll.h>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

TestSuite(headers_cxx, .timeout = 60);

namespace {

struct tick {
	uint64_t number;
	double price;
};

/* A channel that closes itself, as a C++ program would have it. */
template <class T> struct channel {
	leat_scope *scope = leat_scope_open(nullptr, nullptr);
	leat_tx *tx = nullptr;
	leat_rx *rx = nullptr;
	explicit channel(leat_kind kind = LEAT_SPSC, size_t capacity = 8)
	{
		leat_chan_opts opts{};
		opts.kind = kind;
		opts.capacity = capacity;
		cr_assert_eq(leat_chan_open(scope, sizeof(T), &opts, &tx, &rx), 0);
	}
	~channel()
	{
		leat_tx_close(tx);
		leat_rx_close(rx);
		leat_scope_close(scope);
	}
};

int squares(leat_tx *out, void *arg)
{
	int rc = 0;
	for (uint64_t n = 0, last = *static_cast<uint64_t *>(arg); n < last && rc == 0; n++) {
		uint64_t square = n * n;
		rc = leat_send(out, &square);
	}
	return rc;
}

int next_number(void *state, void *item)
{
	auto *next = static_cast<uint64_t *>(state);
	if (*next == 5)
		return 0;
	std::memcpy(item, next, sizeof(*next));
	++*next;
	return 1;
}

} // namespace

Test(headers_cxx, typed_calls_carry_items)
{
	for (leat_kind kind : { LEAT_SPSC, LEAT_MPSC, LEAT_SPMC, LEAT_MPMC }) {
		channel<tick> chan(kind);
		const tick in{ 7, 1.5 };
		tick out{}, more[2]{};
		cr_assert_eq(leat_send(chan.tx, &in), 0);
		cr_assert_eq(leat_try_send(chan.tx, &in), 0);
		cr_assert_eq(leat_send_until(chan.tx, &in, 0), 0);
		std::vector<tick> batch(2, in);
		cr_assert_eq(leat_send_batch(chan.tx, batch.data(), batch.size()), 2);
		cr_assert_eq(leat_try_send_batch(chan.tx, batch.data(), batch.size()), 2);
		cr_assert_eq(leat_recv(chan.rx, &out), 1);
		cr_expect_eq(out.number, 7u);
		cr_assert_eq(leat_try_recv(chan.rx, &out), 1);
		cr_assert_eq(leat_recv_until(chan.rx, &out, 0), 1);
		cr_assert_eq(leat_recv_batch(chan.rx, more, 2), 2);
		cr_assert_eq(leat_try_recv_batch(chan.rx, more, 2), 2);
		cr_expect_eq(more[1].price, 1.5);
		cr_assert_eq(leat_try_recv(chan.rx, &out), -EAGAIN);
	}
}

Test(headers_cxx, void_and_character_pointers_use_the_channels_size)
{
	channel<tick> chan;
	tick in{ 9, 2.5 }, out{};
	void *untyped = &out;
	const void *constant = &in;
	cr_assert_eq(leat_send(chan.tx, constant), 0);
	cr_assert_eq(leat_send(chan.tx, reinterpret_cast<const char *>(&in)), 0);
	cr_assert_eq(leat_send(chan.tx, reinterpret_cast<unsigned char *>(&in)), 0);
	cr_assert_eq(leat_recv(chan.rx, untyped), 1);
	cr_assert_eq(leat_recv_until(chan.rx, reinterpret_cast<char *>(&out), 0), 1);
	cr_assert_eq(leat_recv_batch(chan.rx, static_cast<void *>(&out), 1), 1);
	cr_expect_eq(out.number, 9u);
	cr_expect_eq(leat_send(chan.tx, nullptr), -EINVAL);
}

Test(headers_cxx, another_type_stops_the_program, .signal = SIGABRT)
{
	channel<tick> chan;
	uint32_t number = 1;
	leat_send(chan.tx, &number);
}

Test(headers_cxx, leat_for_declares_a_copy)
{
	leat_scope *scope = leat_scope_open(nullptr, nullptr);
	leat_rx *rx = nullptr;
	uint64_t last = 10, sum = 0;
	cr_assert_eq(leat_gen(scope, squares, &last, sizeof(uint64_t), nullptr, &rx), 0);
	leat_for(uint64_t, square, rx)
		sum += square;
	cr_expect_eq(sum, 285u);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(headers_cxx, a_seq_runs_on_a_thread_and_comes_back)
{
	leat_scope *scope = leat_scope_open(nullptr, nullptr);
	leat_rx *rx = nullptr;
	uint64_t state = 0, got = 0;
	cr_assert_eq(leat_gen_seq(scope, leat_seq{ next_number, nullptr, &state, sizeof(state) }, nullptr, &rx), 0);
	leat_seq seq = leat_seq_from_rx(rx);
	for (uint64_t n = 0; n < 5; n++) {
		cr_expect_eq(seq.next(seq.state, &got), 1);
		cr_expect_eq(got, n);
	}
	cr_expect_eq(seq.next(seq.state, &got), 0);
	seq.fini(seq.state);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(headers_cxx, zero_copy_and_threads)
{
	channel<uint64_t> chan(LEAT_MPMC, 4);
	uint64_t sum = 0;
	std::thread sender([&chan] {
		for (uint64_t n = 1; n <= 1000; n++) {
			void *room;
			if (leat_reserve(chan.tx, 1, &room) != 1)
				break;
			*static_cast<uint64_t *>(room) = n;
			leat_commit(chan.tx, 1);
		}
		leat_tx_close(chan.tx);
		chan.tx = nullptr;
	});
	const void *there;
	ssize_t got;
	while ((got = leat_peek(chan.rx, 1, &there)) > 0) {
		sum += *static_cast<const uint64_t *>(there);
		leat_release(chan.rx, static_cast<size_t>(got));
	}
	sender.join();
	cr_expect_eq(sum, 500500u);
}

Test(headers_cxx, diagnostics_and_status)
{
	leat_diag_opts opts{};
	leat_snapshot last{};
	opts.callback = [](const leat_snapshot *snapshot, void *arg) { *static_cast<leat_snapshot *>(arg) = *snapshot; };
	opts.callback_arg = &last;
	leat_diag *diag = leat_diag_start(&opts);
	cr_assert_not_null(diag);
	channel<int> chan;
	leat_tx_fail(chan.tx, -EIO, "words");
	leat_tx_close(chan.tx);
	chan.tx = nullptr;
	leat_cause cause = LEAT_RUNNING;
	const char *text = nullptr;
	cr_expect_eq(leat_rx_status(chan.rx, &cause, nullptr, &text), 0);
	cr_expect_eq(cause, LEAT_FAILED);
	cr_expect(std::string(text) == "words");
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(last.channels_count, 1u);
}

Test(headers_cxx, cases_of_a_select)
{
	channel<tick> ticks;
	channel<uint64_t> numbers;
	tick in{ 3, 0.5 }, out{};
	const uint64_t fixed = 4;
	uint64_t number = 0;
	int evaluated = 0;
	leat_case cases[] = {
		LEAT_CASE_RECV(ticks.rx, (evaluated++, &out)),
		LEAT_CASE_RECV(numbers.rx, static_cast<void *>(&number)),
		LEAT_CASE_SEND(numbers.tx, &fixed),
		LEAT_CASE_FD(-1, POLLIN),
	};
	cr_expect_eq(evaluated, 1);
	cr_expect_eq(cases[0].size, sizeof(tick));
	cr_expect_eq(cases[1].size, 0u);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 2);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
	cr_expect_eq(number, 4u);
	cases[2] = LEAT_CASE_SEND(ticks.tx, &in);
	cr_expect_eq(leat_select(cases, 4, 0, LEAT_BY_CHANCE), 2);
	cr_expect_eq(leat_select(cases, 1, 0, LEAT_BY_CHANCE), 0);
	cr_expect_eq(out.number, 3u);
}

Test(headers_cxx, a_merge)
{
	channel<tick> ticks;
	leat_merge *merge = leat_merge_open(sizeof(tick));
	tick in{ 5, 0.5 }, out{};
	void *tag = nullptr;
	cr_assert_eq(leat_merge_add(merge, ticks.rx, &in), 0);
	ticks.rx = nullptr;
	cr_assert_eq(leat_send(ticks.tx, &in), 0);
	cr_expect_eq(leat_merge_recv(merge, &out, &tag), 1);
	cr_expect_eq(tag, &in);
	cr_expect_eq(out.number, 5u);
	cr_expect_eq(leat_merge_recv_until(merge, &out, &tag, 0), -ETIMEDOUT);
	cr_expect_eq(leat_merge_recv_until(merge, static_cast<void *>(&out), nullptr, 0), -ETIMEDOUT);
	leat_case c = LEAT_CASE_FD(leat_merge_fd(merge), POLLIN);
	cr_expect_eq(leat_merge_arm(merge), 0);
	cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_expect_eq(leat_merge_disarm(merge), 0);
	leat_merge_close(merge);
}

/* Exceptions out of steps that a receive runs on its own thread */

namespace {

/* Keeps the pool's only worker, so that receives run all other steps. */
struct keeper {
	std::atomic<int> runs{ 0 }, go{ 0 };
};

int keep_worker(void *state, void *item)
{
	auto *keeper = static_cast<struct keeper *>(state);
	*static_cast<uint64_t *>(item) = 1;
	keeper->runs = 1;
	while (keeper->go == 0)
		std::this_thread::yield();
	return 0;
}

struct thrower {
	uint64_t items, finis;
};

int next_or_throw(void *state, void *item)
{
	auto *thrower = static_cast<struct thrower *>(state);
	if (thrower->items == 0)
		throw std::runtime_error("no more");
	*static_cast<uint64_t *>(item) = thrower->items--;
	return 1;
}

void count_fini(void *state)
{
	static_cast<struct thrower *>(state)->finis++;
}

leat_pool *open_kept_pool(leat_scope *scope, keeper *keeper, leat_rx **rx)
{
	leat_pool_opts pool_opts{};
	leat_gen_opts opts{};
	pool_opts.workers = 1;
	opts.pool = leat_pool_open(&pool_opts);
	opts.chan.kind = LEAT_MPMC;
	cr_assert_eq(leat_gen_seq(scope, leat_seq{ keep_worker, nullptr, keeper, sizeof(uint64_t) }, &opts, rx), 0);
	while (keeper->runs == 0)
		std::this_thread::yield();
	return opts.pool;
}

/* The thread may wait again, and is inside of nothing. */
void expect_unmarked()
{
	channel<uint64_t> chan;
	uint64_t item;
	int64_t before_ns = leat_now_ns();
	cr_expect_eq(leat_recv_until(chan.rx, &item, before_ns + 2000000), -ETIMEDOUT);
	cr_expect_eq(leat_after(leat_now_ns() + 2000000), 0);
	cr_expect_geq(leat_now_ns() - before_ns, 4000000);
}

void receive_until_thrown(leat_kind kind, bool through_a_stage, bool bound)
{
	leat_scope *scope = leat_scope_open(nullptr, nullptr), *kept = leat_scope_open(nullptr, nullptr);
	keeper keeper;
	leat_rx *kept_rx = nullptr, *rx = nullptr, *inner = nullptr;
	leat_pool *pool = open_kept_pool(kept, &keeper, &kept_rx);
	thrower state{ 2, 0 };
	leat_gen_opts opts{};
	opts.pool = pool;
	opts.chan.kind = kind;
	opts.chan.capacity = 1;
	cr_assert_eq(leat_gen_seq(scope, leat_seq{ next_or_throw, count_fini, &state, sizeof(uint64_t) }, &opts, &inner), 0);
	if (through_a_stage)
		cr_assert_eq(leat_gen_seq(scope, leat_seq_from_rx(inner), &opts, &rx), 0);
	else
		rx = inner;
	channel<uint64_t> out;
	if (bound)
		cr_assert_eq(leat_rx_bind(rx, out.tx), 0);
	uint64_t item = 0, caught = 0;
	int rc = 1;
	for (int n = 0; n < 4 && rc == 1; n++) {
		try {
			rc = leat_recv(rx, &item);
		} catch (const std::runtime_error &error) {
			caught += std::string(error.what()) == "no more";
		}
	}
	cr_expect_eq(caught, 1u);
	cr_expect_eq(state.items, 0u);
	cr_expect_eq(state.finis, 1u);
	expect_unmarked();
	leat_cause cause = LEAT_RUNNING;
	const char *text = "";
	int code = 0;
	cr_expect_eq(rc, through_a_stage ? -ECANCELED : 0); /* the inner one's failure cancels the scope's other channels */
	cr_expect_eq(leat_rx_status(rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, LEAT_FAILED);
	cr_expect_eq(code, -EINVAL);
	cr_expect(std::string(text).find("exception") != std::string::npos, "%s", text);
	if (bound) {
		leat_rx_close(out.rx);
		out.rx = nullptr;
		cr_expect_eq(leat_recv(rx, &item), -EPIPE);
	}
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), -EINVAL);
	cr_expect_eq(leat_scope_close(scope), -EINVAL);
	keeper.go = 1;
	leat_rx_close(kept_rx);
	leat_scope_close(kept);
	cr_expect_eq(leat_pool_close(pool), 0);
}

} // namespace

Test(headers_cxx, an_exception_out_of_a_step_fails_its_generator_and_leaves_the_thread_as_it_was)
{
	for (leat_kind kind : { LEAT_SPSC, LEAT_MPMC }) {
		receive_until_thrown(kind, false, false);
		receive_until_thrown(kind, true, false);
	}
}

/* The receive is left while it is unbound for a call: it is bound again, and its thread may wait. */
Test(headers_cxx, an_exception_out_of_a_bound_receive)
{
	for (leat_kind kind : { LEAT_SPSC, LEAT_MPMC }) {
		receive_until_thrown(kind, false, true);
		receive_until_thrown(kind, true, true);
	}
}
