/*
 * The receiver of a compact generator: what leat_recv(), leat_peek() and the other calls do with it
 * (struct leat_rx_ops). It runs the generator itself where it can.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan_fd.h"
#include "runtime/event/wait.h"
#include "runtime/gen/compact_block.h"

#include <string.h>

/* The receiver has made room: wakes a job that workers run. */
static inline void schedule_refill(struct compact *c) /* mutate */
{
	if (leat_likely(!is_run_by_workers(c)))
		return;
	leat_fence_seq(); /* J3: head before run; pairs with the fence in settle_parked() */
	leat_job_schedule(&c->job);
}

static uint32_t count_available(const struct compact *c)
{
	/* A1: pairs with R1 in make_items(); rlx: only this side writes it */
	return (uint32_t)(leat_load_acq(&c->tail) - leat_load_rlx(&c->head));
}

static void advance_head(struct compact *c, uint32_t n)
{
	c->take_at = slot_after(c, c->take_at, n);
	/* R2: loads before head; pairs with A2 in count_room(); rlx: only this side writes it */
	leat_store_rel(&c->head, leat_load_rlx(&c->head) + n);
	schedule_refill(c);
}

/*
 * The channel is empty, and ctl says that no turn will come. Returns 0, and so does every call from
 * now on, unless a cancel came first: then -ECANCELED.
 */
static ssize_t end_stream(struct compact *c, uint32_t ctl)
{
	while (!(ctl & LEAT_CTL_CANCELED))
		/* K1: pairs with cancel_block() */
		if (leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_ENDED))
			return 0;
	return -ECANCELED;
}

/*
 * Takes up to max items that are there; with items NULL takes none. Returns how many there are; 0
 * at the end; -EAGAIN, -ECANCELED.
 */
static ssize_t take_items(struct compact *c, void *items, size_t max)
{
	/* K1: items, cause before TX_GONE; pairs with end_generator() */
	uint32_t ctl = leat_load_acq(ctl_of(c)), n, first;

	if (leat_unlikely(ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED))) {
		if (ctl & LEAT_CTL_ENDED)
			return 0;
		leat_compact_drain(c, ctl);
		return -ECANCELED;
	}
	n = count_available(c);
	if (n == 0) {
		if (!(ctl & LEAT_CTL_TX_GONE))
			return -EAGAIN;
		return end_stream(c, ctl);
	}
	if (items == NULL)
		return n;
	if (leat_likely(max == 1 && c->item_size == sizeof(uint64_t))) {
		/* a constant size is no call */
		memcpy(items, slot_at(c, c->take_at), sizeof(uint64_t));
		advance_head(c, 1);
		return 1;
	}
	if (n > max)
		n = (uint32_t)max;
	first = c->capacity - c->take_at < n ? c->capacity - c->take_at : n;
	memcpy(items, slot_at(c, c->take_at), first * c->item_size);
	if (first < n)
		memcpy((unsigned char *)items + first * c->item_size, slot_at(c, 0),
		       (n - first) * c->item_size);
	advance_head(c, n);
	return (ssize_t)n;
}

/* Gives the generator a turn on this thread, if no other thread runs it. Returns whether it did. */
static bool run_generator_here(struct compact *c)
{
	uint64_t tail = leat_load_rlx(&c->tail); /* rlx: a hint, to measure now and then */
	enum leat_job_result what;
	uint32_t cost;

	if (c->arena->workers_only || leat_must_not_wait >= LEAT_STEPS_NESTED ||
	    !leat_job_claim(&c->job))
		return false;
	cost = leat_load_rlx(&c->cost); /* rlx: this thread runs the job now */
	what = leat_compact_run_turn(c, cost == 0 ? 1 : leat_steps_within(cost, LEAT_COST_INLINE),
	                             tail % MEASURE_EVERY == 2, true);
	if (what == LEAT_JOB_OVER)
		return true; /* its pool may be closed by now */
	if (what == LEAT_JOB_MORE && !is_run_by_workers(c))
		what = LEAT_JOB_PARK; /* the receiver will be back */
	if (leat_likely(what == LEAT_JOB_PARK && !is_run_by_workers(c)))
		leat_job_park_alone(&c->job);
	else
		leat_job_settle(&c->job, what, !is_run_by_workers(c));
	return true;
}

static enum leat_wait compact_policy(const struct leat_rx *rx)
{
	const struct cold *cold = cold_of(compact_of_rx(rx));

	return cold != NULL ? cold->recv_wait : LEAT_WAIT_ADAPTIVE;
}

static struct leat_scope *compact_scope(const struct leat_rx *rx)
{
	return compact_of_rx(rx)->arena->gen_set.scope;
}

static struct leat_rx_waits *compact_waits(struct leat_rx *rx, bool make)
{
	struct cold *cold =
		make ? leat_compact_ensure_cold(compact_of_rx(rx)) : cold_of(compact_of_rx(rx));

	return cold == NULL ? NULL : &cold->waits;
}

/* One wait of the receiver. */
struct compact_wait {
	struct leat_wait_loop loop;
	struct compact *c;
	void *items; /* as take_items() has them */
	size_t max;
};

static struct compact *compact_of_wait(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct compact_wait, loop)->c;
}

static ssize_t compact_wait_attempt(struct leat_wait_loop *w)
{
	struct compact_wait *wait = leat_container_of(w, struct compact_wait, loop);

	return take_items(wait->c, wait->items, wait->max);
}

static void compact_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(compact_of_wait(w)->arena->gen_set.scope);
}

static bool compact_wait_run_here(struct leat_wait_loop *w)
{
	return run_generator_here(compact_of_wait(w));
}

static bool compact_wait_schedule(struct leat_wait_loop *w)
{
	leat_job_schedule(&compact_of_wait(w)->job);
	return false;
}

static void compact_wait_prepare(struct leat_wait_loop *w)
{
	struct leat_rx *rx = (struct leat_rx *)compact_of_wait(w);

	/* it also replaces the sleeper of an event loop's descriptor, which is then disarmed */
	/* C1, J3: waiter before tail, ctl and run; pairs with notify_receiver(), settle_parked() */
	leat_event_fence(leat_compact_add_waiter(rx, &w->sleeper));
}

static bool compact_wait_retire(struct leat_wait_loop *w)
{
	return leat_compact_remove_waiter((struct leat_rx *)compact_of_wait(w), &w->sleeper);
}

static const struct leat_wait_ops compact_wait_ops = {
	.attempt = compact_wait_attempt,
	.expire = compact_wait_expire,
	.run_here = compact_wait_run_here,
	.schedule = compact_wait_schedule,
	.prepare = compact_wait_prepare,
	.retire = compact_wait_retire,
};

/* Runs the generator on this thread, or waits for the worker that runs it. */
static __attribute__((noinline)) ssize_t wait_for_items(struct compact *c, void *items, size_t max,
                                                        int64_t deadline_ns)
{
	struct compact_wait wait = {
		.loop = {
			.ops = &compact_wait_ops,
			.policy = compact_policy((struct leat_rx *)c),
			.time = LEAT_TIME_STARVED,
			.weight = 1,
			.deadline_ns = deadline_ns,
			.scopes_ns = leat_scope_deadline(c->arena->gen_set.scope),
			.sleeper = LEAT_SLEEPER_INIT,
		},
		.c = c,
		.items = items,
		.max = max,
	};

	leat_scope_note_fed();
	return leat_wait_for(&wait.loop);
}

static int check_call(const struct compact *c, const void *items, size_t max, const char *call)
{
	if (!c->open)
		leat_die("%s: the handle is closed", call);
	if (items == NULL || max == 0)
		return -EINVAL;
	return c->held != 0 ? -EBUSY : 0;
}

static bool is_bound(const struct compact *c)
{
	return c->held & HELD_BOUND;
}

static int compact_check(struct leat_rx *rx, const void *items, size_t size, const char *call)
{
	int rc = check_call(compact_of_rx(rx), items, 1, call);

	leat_rx_check_size(rx, size, call);
	return rc == -EBUSY && compact_of_rx(rx)->held == HELD_BOUND ? 0 : rc;
}

static int compact_attempt(struct leat_rx *rx, void *item)
{
	if (leat_unlikely(is_bound(compact_of_rx(rx))))
		return leat_bound_attempt(rx, item);
	return (int)take_items(compact_of_rx(rx), item, 1);
}

static ssize_t compact_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                            int64_t deadline_ns, const char *call)
{
	struct compact *c = compact_of_rx(rx);
	ssize_t r;

	leat_rx_check_size(rx, size, call);
	r = check_call(c, items, max, call);
	if (leat_unlikely(r != 0))
		return r == -EBUSY && is_bound(c)
		               ? leat_bound_recv(rx, items, max, size, deadline_ns, call)
		               : r;
	if (leat_unlikely(max > UINT32_MAX))
		max = UINT32_MAX;
	r = take_items(c, items, max);
	if (leat_likely(r != -EAGAIN))
		return r;
	if (deadline_ns == LEAT_NEVER && run_generator_here(c)) {
		r = take_items(c, items, max);
		if (leat_likely(r != -EAGAIN))
			return r;
	}
	if (deadline_ns != LEAT_DETAIL_TRY)
		return wait_for_items(c, items, max, deadline_ns);
	leat_job_schedule(&c->job);
	return r;
}

/* Waits until there is an item, as a receive does, and takes none. */
static ssize_t compact_peek(struct leat_rx *rx, size_t want, const void **items,
                            int64_t deadline_ns, const char *call)
{
	struct compact *c = compact_of_rx(rx);
	ssize_t r = check_call(c, items, want, call);
	uint32_t n;

	if (r != 0)
		return r == -EBUSY && is_bound(c)
		               ? leat_bound_peek(rx, want, items, deadline_ns, call)
		               : r;
	r = take_items(c, NULL, 0);
	if (r == -EAGAIN && deadline_ns == LEAT_DETAIL_TRY)
		leat_job_schedule(&c->job); /* the next try finds what it makes */
	else if (r == -EAGAIN)
		r = wait_for_items(c, NULL, 0, deadline_ns);
	if (r <= 0)
		return r;
	n = (uint32_t)r;
	if (n > c->capacity - c->take_at)
		n = c->capacity - c->take_at;
	if (n > want)
		n = (uint32_t)want;
	c->held = (uint16_t)n;
	*items = slot_at(c, c->take_at);
	return (ssize_t)n;
}

static int compact_release(struct leat_rx *rx, size_t n)
{
	struct compact *c = compact_of_rx(rx);

	if (!c->open)
		leat_die("leat_release: the handle is closed");
	if (leat_unlikely(is_bound(c)))
		return leat_bound_release(rx, n);
	if (c->held == 0 || n > c->held)
		return -EINVAL;
	c->held = 0;
	if (n > 0)
		advance_head(c, (uint32_t)n);
	return 0;
}

static void close_wait_fds(struct compact *c, struct leat_rx_waits *waits)
{
	leat_chan_fd_close((struct leat_waitable *)(void *)c, &waits->chan_fd);
	leat_wake_fd_close(&waits->wake_fd);
}

static void compact_close(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	if (!c->open)
		leat_die("leat_rx_close: the handle is closed");
	if (leat_unlikely(is_bound(c))) {
		leat_bound_close(rx);
		return;
	}
	if (cold_of(c) != NULL)
		close_wait_fds(c, &cold_of(c)->waits);
	c->open = false;
	c->held = 0;
	/* rlx: a hint; leat_compact_leave() loads it in order */
	if (!(leat_load_rlx(ctl_of(c)) & CTL_TURNS_DONE)) {
		leat_or_acqrel(ctl_of(c), LEAT_CTL_RX_GONE); /* K1: pairs with read_refusal() */
		/* rlx: the reason of the drops; a cancel may come before or after it */
		leat_compact_drain(c, leat_load_rlx(ctl_of(c)));
		leat_job_wake_first(&c->job);
	}
	leat_compact_leave(c, CTL_RX_DONE, false);
}

static int compact_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                          const char **text)
{
	struct compact *c = compact_of_rx(rx);
	/* K1: items, cause before TX_GONE; pairs with end_generator(), cancel_block() */
	uint32_t ctl = leat_load_acq(ctl_of(c));
	enum leat_cause its_cause;
	const char *its_text;
	int its_code;

	if (!c->open)
		leat_die("leat_rx_status: the handle is closed");
	if (!(ctl & (LEAT_CTL_TX_GONE | LEAT_CTL_CANCELED)))
		return -EAGAIN;
	if (ctl & LEAT_CTL_TX_GONE) {
		its_cause = (enum leat_cause)c->cause;
		its_code = c->code;
		its_text = leat_compact_text(c);
	} else {
		its_cause = leat_scope_cause(c->arena->gen_set.scope, &its_code, &its_text);
	}
	if (cause != NULL)
		*cause = its_cause;
	if (code != NULL)
		*code = its_code;
	if (text != NULL)
		*text = its_text;
	return 0;
}

static bool compact_add_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	if (leat_unlikely(is_bound(compact_of_rx(rx))))
		return leat_bound_add_waiter(rx, waiter);
	return leat_compact_add_waiter(rx, waiter->sleeper);
}

static bool compact_remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	if (leat_unlikely(is_bound(compact_of_rx(rx))))
		return leat_bound_remove_waiter(rx, waiter);
	return leat_compact_remove_waiter(rx, waiter->sleeper);
}

/* As leat_waitable_ready(). */
static bool compact_ready(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	if (leat_unlikely(is_bound(c)))
		return leat_bound_ready(rx);
	/* rlx: a hint; an attempt loads them in order */
	if (count_available(c) > 0 ||
	    leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_TX_GONE))
		return true;
	leat_job_schedule(&c->job);
	return false;
}

static struct leat_bind *compact_bind(struct leat_rx *rx, bool make)
{
	struct cold *cold =
		make ? leat_compact_ensure_cold(compact_of_rx(rx)) : cold_of(compact_of_rx(rx));

	return cold == NULL ? NULL : &cold->bind;
}

static void set_compact_bound(struct leat_rx *rx, bool bound)
{
	struct compact *c = compact_of_rx(rx);

	c->held = (uint16_t)(bound ? c->held | HELD_BOUND : c->held & ~HELD_BOUND);
}

static size_t compact_pending(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	/* rlx: a number */
	return leat_load_rlx(ctl_of(c)) & LEAT_CTL_CANCELED ? 0 : count_available(c);
}

static size_t compact_capacity(const struct leat_rx *rx)
{
	return compact_of_rx(rx)->capacity;
}

const struct leat_rx_ops leat_compact_receiver = {
	.recv = compact_recv,
	.peek = compact_peek,
	.release = compact_release,
	.close = compact_close,
	.status = compact_status,
	.check = compact_check,
	.attempt = compact_attempt,
	.ready = compact_ready,
	.add_waiter = compact_add_waiter,
	.remove_waiter = compact_remove_waiter,
	.policy = compact_policy,
	.scope = compact_scope,
	.waits = compact_waits,
	.bind = compact_bind,
	.set_bound = set_compact_bound,
	.pending = compact_pending,
	.capacity = compact_capacity,
};
