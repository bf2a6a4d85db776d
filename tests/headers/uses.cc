/*
 * tests/headers/uses.cc: every macro, template and inline body of the public headers, used once by
 * a C++ program. It is compiled in each mode of C++ with warnings as errors (run.sh), and not run:
 * the unit tests run the same calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/export.h>
#include <leat/flow.h>
#include <leat/leat.h>
#include <poll.h>

namespace uses
{

struct tick {
	uint64_t number;
	double price;
};

int send(leat_tx *tx, const tick *ticks, size_t n, int64_t deadline_ns);
int recv(leat_rx *rx, tick *ticks, size_t n, int64_t deadline_ns);
uint64_t loops(leat_rx *rx, leat_rx *other);
int select(leat_tx *tx, leat_rx *rx, int fd, leat_scope *scope);
int merge(leat_merge *all, int64_t deadline_ns);
int open(leat_scope **scope, leat_pool **pool, leat_diag **diag, leat_merge **all);
int start(leat_scope *scope, leat_gen_fn *fn, leat_seq seq, leat_sink sink);
int pace(leat_scope *scope, int64_t deadline_ns);
int rings(void *memory, void *more);

int send(leat_tx *tx, const tick *ticks, size_t n, int64_t deadline_ns)
{
	const void *untyped = ticks;
	int rc = leat_send(tx, ticks);

	if (rc == 0)
		rc = leat_send(tx, untyped);
	if (rc == 0)
		rc = leat_try_send(tx, static_cast<const char *>(untyped));
	if (rc == 0)
		rc = leat_send_until(tx, ticks, deadline_ns);
	ssize_t taken = leat_send_batch(tx, ticks, n);
	if (taken >= 0)
		taken = leat_try_send_batch(tx, untyped, n);
	void *room = nullptr;
	if (taken > 0 && leat_reserve(tx, 1, &room) == 1)
		rc = leat_commit(tx, 1);
	return leat_tx_done(tx) ? -EPIPE : rc;
}

int recv(leat_rx *rx, tick *ticks, size_t n, int64_t deadline_ns)
{
	unsigned char bytes[sizeof(tick)];
	int rc = leat_recv(rx, ticks);

	if (rc == 1)
		rc = leat_recv(rx, bytes);
	if (rc == 1)
		rc = leat_try_recv(rx, static_cast<void *>(ticks));
	if (rc == 1)
		rc = leat_recv_until(rx, ticks, deadline_ns);
	ssize_t got = leat_recv_batch(rx, ticks, n);
	if (got > 0)
		got = leat_try_recv_batch(rx, bytes, 1);
	if (got > 0)
		got = leat_recv_fill(rx, ticks, n, deadline_ns);
	if (got > 0 && leat_rx_pending(rx) < leat_rx_capacity(rx))
		got = leat_recv_fill(rx, bytes, 1, LEAT_NEVER);
	if (got > 0)
		rc = leat_rx_bind(rx, nullptr);
	const void *there = nullptr;
	if (got > 0 && leat_peek(rx, 1, &there) == 1)
		rc = leat_release(rx, 1);
	return rc;
}

uint64_t loops(leat_rx *rx, leat_rx *other)
{
	uint64_t sum = 0;

	leat_for(tick, one, rx)
		leat_for(uint64_t, number, other) {
			if (number == one.number)
				break;
			sum += number;
		}
	return sum;
}

int select(leat_tx *tx, leat_rx *rx, int fd, leat_scope *scope)
{
	tick in = { 1, 2.5 }, out = {};
	const uint64_t fixed = 9;
	leat_case cases[] = {
		LEAT_CASE_RECV(rx, &out),
		LEAT_CASE_RECV(rx, static_cast<void *>(&out)),
		LEAT_CASE_SEND(tx, &fixed),
		LEAT_CASE_SEND(tx, &in),
		LEAT_CASE_FD(fd, POLLIN | POLLOUT),
		LEAT_CASE_SCOPE(scope),
		LEAT_CASE_DONE(tx),
	};

	return leat_select(cases, sizeof(cases) / sizeof(cases[0]), LEAT_NEVER, LEAT_BY_CHANCE);
}

int merge(leat_merge *all, int64_t deadline_ns)
{
	tick out = {};
	void *tag = nullptr;
	int rc = leat_merge_recv(all, &out, &tag);

	if (rc == 1)
		rc = leat_merge_recv_until(all, static_cast<void *>(&out), nullptr, deadline_ns);
	return rc;
}

int open(leat_scope **scope, leat_pool **pool, leat_diag **diag, leat_merge **all)
{
	leat_scope_opts scope_opts{};
	leat_pool_opts pool_opts{};
	leat_why *why = leat_why_open();
	leat_verdict verdict;
	leat_diag_opts diag_opts{};
	leat_chan_opts chan_opts{};
	leat_export_opts export_opts{};
	leat_tx *tx = nullptr;
	leat_rx *rx = nullptr;

	*scope = leat_scope_open(nullptr, &scope_opts);
	*pool = leat_pool_open(&pool_opts);
	*diag = leat_diag_start(&diag_opts);
	*all = leat_merge_open(sizeof(tick));
	leat_counters_close(leat_counters_open("1"));
	if (leat_why_verdict(why, &verdict) == 0 && leat_limit_is_named(verdict.limit))
		leat_why_restart(why);
	leat_why_close(why);
	leat_export_stop(leat_export_start(&export_opts));
	return leat_chan_open(*scope, sizeof(tick), &chan_opts, &tx, &rx);
}

int pace(leat_scope *scope, int64_t deadline_ns)
{
	leat_rate_opts rate_opts{};
	leat_breaker_opts breaker_opts{};
	leat_backoff backoff{};
	uint64_t ticket = 0;

	rate_opts.per_second = 100;
	leat_breaker *breaker = leat_breaker_new(&breaker_opts);
	int rc = leat_rate_take(leat_rate_open(&rate_opts), 1, scope, deadline_ns);

	if (rc == 0)
		rc = leat_sem_acquire(leat_sem_open(4), 1, scope, deadline_ns);
	if (rc == 0)
		rc = leat_breaker_enter(breaker, &ticket);
	leat_breaker_leave(breaker, ticket, rc);
	return leat_backoff_next(&backoff) < 0 ? -EAGAIN : rc;
}

int start(leat_scope *scope, leat_gen_fn *fn, leat_seq seq, leat_sink sink)
{
	static leat_lines_opts lines{};
	leat_gen_opts opts{};
	leat_rx *rx = nullptr;

	opts.pin = LEAT_PIN(0);
	opts.chan.discard = leat_line_discard;
	int rc = leat_gen(scope, leat_lines, &lines, sizeof(leat_line), &opts, &rx);
	if (rc == 0)
		rc = leat_gen(scope, fn, nullptr, 0, nullptr, nullptr);
	if (rc == 0)
		rc = leat_gen_into(scope, fn, nullptr, nullptr, &opts);
	if (rc == 0)
		rc = leat_gen_seq(scope, seq, nullptr, &rx);
	if (rc == 0)
		rc = leat_gen_sink(scope, rx, sink, &opts);
	return rc;
}

/* Bare rings, with sizes that are constants and sizes that are not. */
int rings(void *memory, void *more)
{
	leat_spsc spsc;
	leat_spsc_cursor tx, rx;
	leat_mpmc mpmc;
	leat_mpmc_cursor side;
	tick item = {};
	void *items = nullptr;
	size_t n = 0;

	leat_spsc_init(&spsc, &tx, &rx, memory, sizeof(item), 8);
	if (leat_spsc_can_push(&tx))
		leat_spsc_push(&tx, &item, sizeof(item));
	if (leat_spsc_can_pop(&rx))
		leat_spsc_pop(&rx, &item, rx.item_size);
	n += leat_spsc_push_batch(&tx, &item, 1, sizeof(item));
	n += leat_spsc_pop_batch(&rx, &item, 1, sizeof(item));
	n += leat_spsc_claim(&tx, 1, &items);
	n += leat_spsc_peek(&rx, 1, &items);
	leat_mpmc_init(&mpmc, more, sizeof(item), 8, true, false);
	leat_mpmc_cursor_init(&side, &mpmc);
	n += leat_mpmc_push(&mpmc, &side, &item, sizeof(item)) ? 1u : 0u;
	n += leat_mpmc_pop(&mpmc, &side, &item, mpmc.item_size) ? 1u : 0u;
	n += leat_mpmc_push_batch(&mpmc, &side, &item, 1, sizeof(item));
	n += leat_mpmc_pop_batch(&mpmc, &side, &item, 1, sizeof(item));
	return n > 0 ? 0 : -EAGAIN;
}

/* Steps of flows. */
struct limits {
	uint64_t least;
};

LEAT_TYPE(tick, tick);

LEAT_FILTER(uses_liquid, tick, t, const limits *, limits)
{
	return t->number >= limits->least;
}

LEAT_EDIT(uses_edit, tick, t, const void *, unused)
{
	(void)unused;
	t->price *= 2;
	return t->price > 0 ? 0 : LEAT_SKIP;
}

LEAT_MAP(uses_price, tick, t, f64, price, const void *, unused)
{
	(void)unused;
	*price = t->price;
	return 0;
}

LEAT_EACH(uses_add, f64, price, double *, sum)
{
	*sum += *price;
	return 0;
}

LEAT_FLAT_MAP(uses_two, f64, price, f64, twice, 2, const void *, unused)
{
	(void)unused;
	twice[0] = twice[1] = *price;
	return 2;
}

LEAT_MAP(uses_rx, tick, t, rx, stream, const void *, unused)
{
	(void)t, (void)unused;
	*stream = nullptr;
	return 0;
}

LEAT_FUSE(uses_both, tick, f64, uses_liquid, uses_edit, uses_price);
LEAT_BATCH(ticks, tick, 16);
LEAT_TROUBLE(failed_tick, tick);
LEAT_PAIR(priced, tick, f64);

int uses_flow(leat_flow *flow, const tick *ticks, limits *limits, double *sum);

int uses_flow(leat_flow *flow, const tick *ticks, limits *limits, double *sum)
{
	void *states[3] = { limits, NULL, NULL };
	leat_port port = leat_flow_from_array(flow, LEAT_T(tick), ticks, 2);

	port = leat_flow_step(port, &uses_liquid, limits);
	port = leat_flow_step(port, &uses_edit, NULL);
	port = leat_flow_step(port, &uses_price, NULL);
	port = leat_flow_step(port, &uses_two, NULL);
	leat_flow_for_each(port, &uses_add, sum);
	port = leat_flow_from_array(flow, LEAT_T(tick), ticks, 2);
	leat_flow_for_each(leat_flow_step(port, &uses_both, states), &uses_add, sum);
	port = leat_flow_from_array(flow, LEAT_T(tick), ticks, 2);
	port = leat_flow_bridge(leat_flow_step(port, &uses_rx, NULL), LEAT_T(f64), 1);
	port = leat_flow_overflow(leat_flow_buffer(port, 8), LEAT_DROP_OLDEST);
	port = leat_flow_name(port, "latest");
	leat_flow_for_each(port, &uses_add, sum);
	return LEAT_T(ticks)->most == 16 && LEAT_T(failed_tick)->most == 1 &&
	                       LEAT_T(priced)->second == LEAT_T(f64)
	               ? leat_flow_start(flow)
	               : -EINVAL;
}

} // namespace uses
