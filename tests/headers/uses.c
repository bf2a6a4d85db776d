/*
 * tests/headers/uses.c: every macro and inline body of the public headers, expanded once by a C
 * program. It is compiled in each mode of C with warnings as errors (run.sh), and not run: the unit
 * tests run the same calls.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/detail/counters.h>
#include <leat/export.h>
#include <leat/flow.h>
#include <leat/leat.h>
#include <poll.h>

struct tick {
	uint64_t number;
	double price;
};

int uses_send(struct leat_tx *tx, const struct tick *ticks, size_t n, int64_t deadline_ns);
int uses_recv(struct leat_rx *rx, struct tick *ticks, size_t n, int64_t deadline_ns);
uint64_t uses_for(struct leat_rx *rx, struct leat_rx *other);
int uses_select(struct leat_tx *tx, struct leat_rx *rx, int fd, struct leat_scope *scope);
int uses_merge(struct leat_merge *merge, int64_t deadline_ns);
int uses_open(struct leat_scope **scope, struct leat_pool **pool, struct leat_diag **diag,
              struct leat_merge **merge);
int uses_start(struct leat_scope *scope, leat_gen_fn *fn, struct leat_seq seq,
               struct leat_sink sink);
int uses_pace(struct leat_scope *scope, int64_t deadline_ns);
int uses_rings(void *memory, void *more);

int uses_send(struct leat_tx *tx, const struct tick *ticks, size_t n, int64_t deadline_ns)
{
	const void *untyped = ticks;
	const char *bytes = untyped;
	ssize_t taken;
	void *room;
	int rc = leat_send(tx, ticks);

	if (rc == 0)
		rc = leat_send(tx, &(struct tick){ 7, 1.5 });
	if (rc == 0)
		rc = leat_send(tx, untyped);
	if (rc == 0)
		rc = leat_try_send(tx, bytes);
	if (rc == 0)
		rc = leat_send_until(tx, ticks, deadline_ns);
	if (rc == 0)
		rc = leat_send_until(tx, &(struct tick){ 8, 2.5 }, deadline_ns);
	taken = leat_send_batch(tx, ticks, n);
	if (taken >= 0)
		taken = leat_try_send_batch(tx, untyped, n);
	if (taken > 0 && leat_reserve(tx, 1, &room) == 1)
		rc = leat_commit(tx, 1);
	return leat_tx_done(tx) ? -EPIPE : rc;
}

int uses_recv(struct leat_rx *rx, struct tick *ticks, size_t n, int64_t deadline_ns)
{
	unsigned char bytes[sizeof(struct tick)];
	const void *there;
	ssize_t got;
	int rc = leat_recv(rx, ticks);

	if (rc == 1)
		rc = leat_recv(rx, bytes);
	if (rc == 1)
		rc = leat_try_recv(rx, (void *)ticks);
	if (rc == 1)
		rc = leat_recv_until(rx, ticks, deadline_ns);
	got = leat_recv_batch(rx, ticks, n);
	if (got > 0)
		got = leat_try_recv_batch(rx, bytes, 1);
	if (got > 0)
		got = leat_recv_fill(rx, ticks, n, deadline_ns);
	if (got > 0 && leat_rx_pending(rx) < leat_rx_capacity(rx))
		got = leat_recv_fill(rx, bytes, 1, LEAT_NEVER);
	if (got > 0)
		rc = leat_rx_bind(rx, NULL);
	if (got > 0 && leat_peek(rx, 1, &there) == 1)
		rc = leat_release(rx, 1);
	return rc;
}

uint64_t uses_for(struct leat_rx *rx, struct leat_rx *other)
{
	uint64_t sum = 0;

	leat_for(struct tick, tick, rx)
		leat_for(uint64_t, number, other) {
			if (number == tick.number)
				break;
			sum += number;
		}
	return sum;
}

int uses_select(struct leat_tx *tx, struct leat_rx *rx, int fd, struct leat_scope *scope)
{
	struct tick tick = { 0, 0 };
	const uint64_t fixed = 9;
	struct leat_case cases[] = {
		LEAT_CASE_RECV(rx, &tick),
		LEAT_CASE_RECV(rx, (void *)&tick),
		LEAT_CASE_SEND(tx, &fixed),
		LEAT_CASE_SEND(tx, &(struct tick){ 1, 2.5 }),
		LEAT_CASE_FD(fd, POLLIN | POLLOUT),
		LEAT_CASE_SCOPE(scope),
		LEAT_CASE_DONE(tx),
	};

	return leat_select(cases, sizeof(cases) / sizeof(cases[0]), LEAT_NEVER, LEAT_BY_CHANCE);
}

int uses_merge(struct leat_merge *merge, int64_t deadline_ns)
{
	struct tick tick;
	void *tag;
	int rc = leat_merge_recv(merge, &tick, &tag);

	if (rc == 1)
		rc = leat_merge_recv_until(merge, (void *)&tick, NULL, deadline_ns);
	return rc;
}

int uses_open(struct leat_scope **scope, struct leat_pool **pool, struct leat_diag **diag,
              struct leat_merge **merge)
{
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict;
	struct leat_tx *tx;
	struct leat_rx *rx;

	*scope = leat_scope_open(NULL,
	                         &(struct leat_scope_opts){ .name = "uses", .deadline_ns = 1 });
	*pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	*diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = 1, .json_path = "uses.json" });
	*merge = leat_merge_open(sizeof(struct tick));
	leat_counters_close(leat_counters_open("1"));
	if (leat_why_verdict(why, &verdict) == 0 && leat_limit_is_named(verdict.limit))
		leat_why_restart(why);
	leat_why_close(why);
	leat_export_stop(leat_export_start(&(struct leat_export_opts){ .own = true }));
	return leat_chan_open(*scope, sizeof(struct tick),
	                      &(struct leat_chan_opts){ .kind = LEAT_MPMC, .capacity = 8 }, &tx,
	                      &rx);
}

int uses_start(struct leat_scope *scope, leat_gen_fn *fn, struct leat_seq seq,
               struct leat_sink sink)
{
	static struct leat_lines_opts lines = { .path = "-" };
	struct leat_rx *rx;
	int rc = leat_gen(scope, leat_lines, &lines, sizeof(struct leat_line),
	                  &(struct leat_gen_opts){ .pin = LEAT_PIN(0),
	                                           .chan = { .discard = leat_line_discard } },
	                  &rx);

	if (rc == 0)
		rc = leat_gen(scope, fn, NULL, 0, NULL, NULL);
	if (rc == 0)
		rc = leat_gen_into(scope, fn, NULL, NULL,
		                   &(struct leat_gen_opts){ .source = true });
	if (rc == 0)
		rc = leat_gen_seq(scope, seq, NULL, &rx);
	if (rc == 0)
		rc = leat_gen_sink(scope, rx, sink,
		                   &(struct leat_gen_opts){ .chan = { .name = "sink" } });
	return rc;
}

int uses_pace(struct leat_scope *scope, int64_t deadline_ns)
{
	struct leat_rate *rate =
		leat_rate_open(&(struct leat_rate_opts){ .per_second = 100, .burst = 10 });
	struct leat_sem *sem = leat_sem_open(4);
	struct leat_breaker *breaker =
		leat_breaker_new(&(struct leat_breaker_opts){ .failures = 3, .probes = 2 });
	struct leat_backoff backoff = { .first_ns = 1, .jitter = 0.5 };
	uint64_t ticket = 0;
	int rc = leat_rate_take(rate, 1, scope, deadline_ns);

	if (rc == 0)
		rc = leat_sem_acquire(sem, 1, scope, deadline_ns);
	if (rc == 0)
		rc = leat_breaker_enter(breaker, &ticket);
	leat_breaker_leave(breaker, ticket, rc);
	return leat_backoff_next(&backoff) < 0 ? -EAGAIN : rc;
}

/* Bare rings, with sizes that are constants and sizes that are not. */
int uses_rings(void *memory, void *more)
{
	struct leat_spsc spsc;
	struct leat_spsc_cursor tx, rx;
	struct leat_mpmc mpmc;
	struct leat_mpmc_cursor side;
	struct tick tick = { 0, 0 };
	void *items;
	size_t n = 0;

	leat_spsc_init(&spsc, &tx, &rx, memory, sizeof(tick), 8);
	if (leat_spsc_can_push(&tx))
		leat_spsc_push(&tx, &tick, sizeof(tick));
	if (leat_spsc_can_pop(&rx))
		leat_spsc_pop(&rx, &tick, rx.item_size);
	n += leat_spsc_push_batch(&tx, &tick, 1, sizeof(tick));
	n += leat_spsc_pop_batch(&rx, &tick, 1, sizeof(tick));
	n += leat_spsc_claim(&tx, 1, &items);
	n += leat_spsc_peek(&rx, 1, &items);
	leat_mpmc_init(&mpmc, more, sizeof(tick), 8, true, false);
	leat_mpmc_cursor_init(&side, &mpmc);
	n += leat_mpmc_push(&mpmc, &side, &tick, sizeof(tick)) ? 1u : 0u;
	n += leat_mpmc_pop(&mpmc, &side, &tick, mpmc.item_size) ? 1u : 0u;
	n += leat_mpmc_push_batch(&mpmc, &side, &tick, 1, sizeof(tick));
	n += leat_mpmc_pop_batch(&mpmc, &side, &tick, 1, sizeof(tick));
	return n > 0 ? 0 : -EAGAIN;
}

/* Steps of flows. */
struct limits {
	uint64_t least;
};

LEAT_TYPE(tick, struct tick);

LEAT_FILTER(uses_liquid, tick, t, const struct limits *, limits)
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
	*stream = NULL;
	return 0;
}

LEAT_FUSE(uses_both, tick, f64, uses_liquid, uses_edit, uses_price);
LEAT_BATCH(ticks, tick, 16);
LEAT_TROUBLE(failed_tick, tick);
LEAT_PAIR(priced, tick, f64);

int uses_flow(struct leat_flow *flow, const struct tick *ticks, struct limits *limits, double *sum);

int uses_flow(struct leat_flow *flow, const struct tick *ticks, struct limits *limits, double *sum)
{
	void *states[3] = { limits, NULL, NULL };
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(tick), ticks, 2);

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
