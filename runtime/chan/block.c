/*
 * Waiting on a channel: the four policies, around any attempt.
 *
 * Who was told of an item (or of room) and leaves must not take the news with him: see leat_chan_pass_on().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/chan/watch.h"

/*
 * How long an adaptive wait stays on the core: pauses, of 25 to 60 ns each on current x86, so two to four microseconds,
 * a tenth of what it costs to be woken; then offers of the core to others, half a microsecond each when nobody wants it.
 */
enum { SPIN_PAUSES = 64, ADAPTIVE_YIELDS = 8 };

/* The generator on a pool that a receive waits for, or NULL. */
static struct leat_feeder *feeder_of(const struct leat_op *op)
{
	return op->h->sender ? NULL : leat_chan_of(op->h)->feeder;
}

/* It is run by a worker, */
static void demand(const struct leat_op *op)
{
	struct leat_feeder *feeder = feeder_of(op);

	if (feeder != NULL)
		feeder->demand(feeder);
}

/* or here. */
static ssize_t pull(struct leat_op *op)
{
	struct leat_feeder *feeder = feeder_of(op);
	ssize_t r = -EAGAIN;

	while (r == -EAGAIN && feeder != NULL && feeder->pull(feeder))
		r = op->attempt(op);
	return r;
}

static ssize_t spin(struct leat_op *op, unsigned pauses)
{
	ssize_t r = -EAGAIN;

	for (unsigned i = 0; i < pauses && r == -EAGAIN; i++) {
		leat_pause();
		r = op->attempt(op);
	}
	return r;
}

static ssize_t yield(struct leat_op *op, unsigned yields)
{
	ssize_t r = -EAGAIN;

	for (unsigned i = 0; i < yields && r == -EAGAIN; i++) {
		leat_os_yield();
		r = op->attempt(op);
	}
	return r;
}

/*
 * -ETIMEDOUT when the call's own deadline has passed and one more attempt finds nothing: what was there before the clock
 * was read is not missed. When the scope's has passed, fires it, and the attempt says what that means here. Else -EAGAIN.
 */
static ssize_t look_at_clock(struct leat_op *op, int64_t deadline_ns)
{
	int passed = leat_scope_clock(leat_chan_of(op->h)->scope, deadline_ns);
	ssize_t r = passed == 0 ? -EAGAIN : op->attempt(op);

	return r == -EAGAIN && passed == -ETIMEDOUT ? passed : r;
}

/*
 * Spinning is for a core of one's own. Where there is none, the peer may be waiting for this very core, and would get it
 * only when the scheduler's slice is over; so it is offered now and then, about every 50 microseconds.
 */
enum { SPINS_AN_OFFER = 16 };

static ssize_t wait_awake(struct leat_op *op, int64_t deadline_ns, ssize_t (*step)(struct leat_op *, unsigned))
{
	unsigned steps = 0;
	ssize_t r;

	while ((r = step(op, SPIN_PAUSES)) == -EAGAIN) {
		if ((r = look_at_clock(op, deadline_ns)) != -EAGAIN)
			break;
		demand(op);
		if (++steps % SPINS_AN_OFFER == 0)
			leat_os_yield();
	}
	return r;
}

void leat_chan_pass_on(struct leat_chan *chan, bool sender)
{
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: a hint; the bit is exact under the event's lock */

	if (!chan->turns)
		return; /* one thread on each side: there is nobody else */
	if (sender && (ctl & LEAT_CTL_TX_PARKED) && leat_mpmc_writable(&chan->mpmc))
		leat_event_notify(&chan->room, 1);
	if (!sender && (ctl & LEAT_CTL_RX_PARKED) && leat_mpmc_readable(&chan->mpmc))
		leat_event_notify(&chan->items, 1);
}

static ssize_t wait_parked(struct leat_op *op, int64_t deadline_ns)
{
	struct leat_chan *chan = leat_chan_of(op->h);
	struct leat_event *event = op->h->sender ? &chan->room : &chan->items;
	int64_t scope_deadline_ns = leat_scope_deadline(chan->scope);
	int64_t until_ns = deadline_ns < scope_deadline_ns ? deadline_ns : scope_deadline_ns;
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_waiter waiter = { .sleeper = &sleeper };
	ssize_t r;

	leat_watch_disarm((struct leat_side *)(void *)op->h); /* else the news would be told to that, and this thread would sleep on */
	for (;;) {
		bool told;

		leat_sleeper_ready(&sleeper);
		leat_event_enter(event, &waiter);
		r = op->attempt(op);
		if (r == -EAGAIN) {
			demand(op);
			leat_bump(&op->h->counts.parks, 1);
			leat_sleeper_park(&sleeper, until_ns);
		}
		told = leat_event_leave(event, &waiter);
		if (r == -EAGAIN)
			r = op->attempt(op); /* the last look, also after the time is over */
		if (r == -EAGAIN)
			r = look_at_clock(op, deadline_ns);
		if (r != -EAGAIN) {
			if (told)
				leat_chan_pass_on(chan, op->h->sender);
			return r;
		}
	}
}

static ssize_t wait_by_policy(struct leat_op *op, enum leat_wait policy, int64_t deadline_ns)
{
	ssize_t r;

	switch (policy) {
	case LEAT_WAIT_SPIN:
		return wait_awake(op, deadline_ns, spin);
	case LEAT_WAIT_YIELD:
		return wait_awake(op, deadline_ns, yield);
	case LEAT_WAIT_ADAPTIVE:
		r = yield(op, ADAPTIVE_YIELDS);
		if (r != -EAGAIN)
			return r;
		break;
	case LEAT_WAIT_PARK:
		break;
	}
	return wait_parked(op, deadline_ns);
}

ssize_t leat_op_run(struct leat_op *op, int64_t deadline_ns)
{
	const struct leat_chan *chan = leat_chan_of(op->h);
	enum leat_wait policy = op->h->sender ? chan->send_wait : chan->recv_wait;
	ssize_t r = op->attempt(op);
	int64_t since_ns;

	if (r != -EAGAIN)
		return r;
	if (deadline_ns == LEAT_DETAIL_TRY) {
		demand(op); /* the next try finds what it does */
		return r;
	}
	if (deadline_ns != LEAT_NEVER && leat_now_ns() >= deadline_ns) {
		r = op->attempt(op);
		if (r == -EAGAIN)
			demand(op);
		return r == -EAGAIN ? -ETIMEDOUT : r;
	}
	r = pull(op);
	if (r != -EAGAIN)
		return r;
	if (leat_must_not_wait > 0)
		return -EDEADLK;
	if (policy == LEAT_WAIT_ADAPTIVE || policy == LEAT_WAIT_SPIN) {
		r = spin(op, SPIN_PAUSES); /* so short that it is not counted as blocked */
		if (r != -EAGAIN)
			return r;
	}
	r = look_at_clock(op, deadline_ns);
	if (r != -EAGAIN)
		return r;
	since_ns = leat_now_ns();
	/* rlx: a number; what it says is right as soon as it is seen */
	leat_store_rlx(&op->h->wait_base_ns, (uint64_t)since_ns - leat_load_rlx(&op->h->counts.blocked_ns));
	r = wait_by_policy(op, policy, deadline_ns);
	leat_bump(&op->h->counts.blocked_ns, (uint64_t)(leat_now_ns() - since_ns));
	leat_store_rlx(&op->h->wait_base_ns, 0); /* rlx: the same; what looks tell never goes back */
	return r;
}
