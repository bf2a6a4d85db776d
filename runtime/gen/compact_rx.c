/*
 * The receiver of a compact generator: where it waits and is told, and what the calls with it do.
 * It runs the generator itself where it can.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan_fd.h"
#include "runtime/event/wait.h"
#include "runtime/gen/compact_block.h"

#include <string.h>

/*
 * TELLING: the sleeper is being told, and stays until the word is cleared. OUTWAITED: a thread
 * sleeps on the word until then.
 */
enum { TELLING = 1, OUTWAITED = 2, TELLING_PAUSES = 64 };

bool leat_compact_notify_begin(struct compact *c)
{
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: the swap decides */

	/* K2: pairs with stand(), outwait_telling() */
	return waiter != 0 && !(waiter & TELLING) &&
	       leat_cas_acqrel(&c->waiter, &waiter, waiter | TELLING);
}

/*
 * What futex(2) looks at of the word: the half with the marks, on machines with the low half first.
 */
static uint32_t *low_half(struct compact *c)
{
	return (uint32_t *)(void *)&c->waiter;
}

LEAT_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half is the first");

void leat_compact_notify_finish(struct compact *c)
{
	uint32_t *half = low_half(c), *word;
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: this thread's, but for OUTWAITED */

	word = leat_sleeper_notify(
		(struct leat_sleeper *)(uintptr_t)(waiter & ~(uint64_t)(TELLING | OUTWAITED)));
	/* K2: pairs with outwait_telling(); the last touch of the block */
	waiter = leat_and_acqrel(&c->waiter, 0);
	if (word != NULL)
		leat_os_futex_wake(word, 1);
	if (waiter & OUTWAITED)
		leat_os_futex_wake(half, 1);
}

/* Wakes who stands there, if anybody does. */
void leat_compact_notify(struct compact *c)
{
	if (leat_compact_notify_begin(c))
		leat_compact_notify_finish(c);
}

/*
 * Until the sleeper that stands there has been told: for a while awake, then asleep, as the teller
 * may want this core.
 */
static void outwait_telling(struct compact *c)
{
	uint64_t now;

	/* K2: pairs with leat_compact_notify_finish() */
	for (unsigned i = 0; (now = leat_load_acq(&c->waiter)) & TELLING; i++)
		if (i < TELLING_PAUSES)
			leat_pause();
		/* rlx: the load above orders what follows */
		else if (leat_cas_rlx(&c->waiter, &now, now | OUTWAITED))
			leat_os_futex_wait(low_half(c), (uint32_t)now | OUTWAITED, LEAT_NEVER);
}

/*
 * The receiver's one place to wait at: who stands there already, for the same receiver, goes. What
 * fence is to follow.
 */
static bool stand(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t me = (uint64_t)(uintptr_t)sleeper, other = 0;

	/* K2: pairs with leat_compact_notify_begin() */
	while (!leat_cas_acqrel(&c->waiter, &other, me))
		if (other & TELLING) {
			outwait_telling(c);
			other = 0;
		}
	return leat_sleeper_fence(sleeper, c->arena->fenced);
}

/* Whether it was told. */
static bool step_aside(struct leat_rx *rx, struct leat_sleeper *sleeper) /* mutate */
{
	struct compact *c = compact_of_rx(rx);
	uint64_t waiter = (uint64_t)(uintptr_t)sleeper;

	/* rlx: nobody touched it, nor will; who was told looks again */
	if (leat_cas_rlx(&c->waiter, &waiter, 0))
		return false;
	outwait_telling(c);
	return true;
}

/* The receiver made room. */
static inline void made_room(struct compact *c) /* mutate */
{
	if (leat_likely(!pushed(c)))
		return;
	leat_fence_seq(); /* J3: head before run; pairs with the fence in settle_parked() */
	leat_job_schedule(&c->job);
}

static uint32_t available(const struct compact *c)
{
	/* A1: pairs with R1 in steps(); rlx: this side's own */
	return (uint32_t)(leat_load_acq(&c->tail) - leat_load_rlx(&c->head));
}

static void taken(struct compact *c, uint32_t n)
{
	c->take_at = after(c, c->take_at, n);
	/* R2: loads before head; pairs with A2 in room_of(); rlx: own */
	leat_store_rel(&c->head, leat_load_rlx(&c->head) + n);
	made_room(c);
}

/* Nothing is there and no turn will come, as ctl says: 0 from now on, unless a cancel is first. */
static ssize_t end_stream(struct compact *c, uint32_t ctl)
{
	while (!(ctl & LEAT_CTL_CANCELED))
		/* K1: pairs with cancel_one() */
		if (leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_ENDED))
			return 0;
	return -ECANCELED;
}

/* items NULL: only looks how many there are. */
static ssize_t attempt(struct compact *c, void *items, size_t max)
{
	/* K1: items, cause before TX_GONE; pairs with end() */
	uint32_t ctl = leat_load_acq(ctl_of(c)), n, first;

	if (leat_unlikely(ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED))) {
		if (ctl & LEAT_CTL_ENDED)
			return 0;
		leat_compact_drain(c, ctl);
		return -ECANCELED;
	}
	n = available(c);
	if (n == 0) {
		if (!(ctl & LEAT_CTL_TX_GONE))
			return -EAGAIN;
		return end_stream(c, ctl);
	}
	if (items == NULL)
		return n;
	if (leat_likely(max == 1 && c->item_size == sizeof(uint64_t))) {
		/* a constant size is no call */
		memcpy(items, slot(c, c->take_at), sizeof(uint64_t));
		taken(c, 1);
		return 1;
	}
	if (n > max)
		n = (uint32_t)max;
	first = c->capacity - c->take_at < n ? c->capacity - c->take_at : n;
	memcpy(items, slot(c, c->take_at), first * c->item_size);
	if (first < n)
		memcpy((unsigned char *)items + first * c->item_size, slot(c, 0),
		       (n - first) * c->item_size);
	taken(c, n);
	return (ssize_t)n;
}

/* Runs the generator here, if nobody else has it. Whether it did. */
static bool pull(struct compact *c)
{
	uint64_t tail = leat_load_rlx(&c->tail); /* rlx: a hint, for measuring now and then */
	enum leat_job_result what;
	uint32_t cost;

	if (c->arena->workers_only || leat_must_not_wait >= LEAT_STEPS_NESTED ||
	    !leat_job_claim(&c->job))
		return false;
	cost = leat_load_rlx(&c->cost); /* rlx: this side's own now */
	what = leat_compact_turn(c, cost == 0 ? 1 : leat_steps_within(cost, LEAT_COST_INLINE),
	                         tail % MEASURE_EVERY == 2, true);
	if (what == LEAT_JOB_OVER)
		return true; /* its pool may be gone by now */
	if (what == LEAT_JOB_MORE && !pushed(c))
		what = LEAT_JOB_PARK; /* the receiver will be back */
	if (leat_likely(what == LEAT_JOB_PARK && !pushed(c)))
		leat_job_park_alone(&c->job);
	else
		leat_job_settle(&c->job, what, !pushed(c));
	return true;
}

static enum leat_wait policy_of(const struct leat_rx *rx)
{
	const struct cold *cold = cold_of(compact_of_rx(rx));

	return cold != NULL ? cold->recv_wait : LEAT_WAIT_ADAPTIVE;
}

static struct leat_scope *scope_of(const struct leat_rx *rx)
{
	return compact_of_rx(rx)->arena->gen_set.scope;
}

static struct leat_rx_waits *waits_of(struct leat_rx *rx, bool make)
{
	struct cold *cold =
		make ? leat_compact_have_cold(compact_of_rx(rx)) : cold_of(compact_of_rx(rx));

	return cold == NULL ? NULL : &cold->waits;
}

/* One wait of the receiver. */
struct compact_wait {
	struct leat_wait_loop loop;
	struct compact *c;
	void *items; /* as attempt() has them */
	size_t max;
};

static struct compact *waited_for(struct leat_wait_loop *w)
{
	return ((struct compact_wait *)(void *)w)->c;
}

static ssize_t wait_attempt(struct leat_wait_loop *w)
{
	struct compact_wait *wait = (struct compact_wait *)(void *)w;

	return attempt(wait->c, wait->items, wait->max);
}

static void wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(waited_for(w)->arena->gen_set.scope);
}

static bool wait_run_here(struct leat_wait_loop *w)
{
	return pull(waited_for(w));
}

static bool wait_schedule(struct leat_wait_loop *w)
{
	leat_job_schedule(&waited_for(w)->job);
	return false;
}

static void wait_prepare(struct leat_wait_loop *w)
{
	struct leat_rx *rx = (struct leat_rx *)waited_for(w);

	/* takes the place of an event loop's watch, too, which is armed no more */
	/* C1, J3: waiter before tail, ctl and run; pairs with published(), settle_parked() */
	leat_event_fence(stand(rx, &w->sleeper));
}

static bool wait_retire(struct leat_wait_loop *w)
{
	return step_aside((struct leat_rx *)waited_for(w), &w->sleeper);
}

static const struct leat_wait_ops wait_ops = {
	.attempt = wait_attempt,
	.expire = wait_expire,
	.run_here = wait_run_here,
	.schedule = wait_schedule,
	.prepare = wait_prepare,
	.retire = wait_retire,
};

/* Nothing was there. Runs the generator here, or waits for the worker that does. */
static __attribute__((noinline)) ssize_t wait(struct compact *c, void *items, size_t max,
                                              int64_t deadline_ns)
{
	struct compact_wait wait = {
		.loop = {
			.ops = &wait_ops,
			.policy = policy_of((struct leat_rx *)c),
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

	return leat_wait_for(&wait.loop);
}

static int check(const struct compact *c, const void *items, size_t max, const char *call)
{
	if (!c->open)
		leat_die("%s: the handle is closed", call);
	if (items == NULL || max == 0)
		return -EINVAL;
	return c->held != 0 ? -EBUSY : 0;
}

static int check_one(struct leat_rx *rx, const void *items, size_t size, const char *call)
{
	leat_rx_check_size(rx, size, call);
	return check(compact_of_rx(rx), items, 1, call);
}

static int attempt_one(struct leat_rx *rx, void *item)
{
	return (int)attempt(compact_of_rx(rx), item, 1);
}

static ssize_t recv(struct leat_rx *rx, void *items, size_t max, size_t size, int64_t deadline_ns,
                    const char *call)
{
	struct compact *c = compact_of_rx(rx);
	ssize_t r;

	leat_rx_check_size(rx, size, call);
	r = check(c, items, max, call);
	if (leat_unlikely(r != 0))
		return r;
	if (leat_unlikely(max > UINT32_MAX))
		max = UINT32_MAX;
	r = attempt(c, items, max);
	if (leat_likely(r != -EAGAIN))
		return r;
	if (deadline_ns == LEAT_NEVER && pull(c)) {
		r = attempt(c, items, max);
		if (leat_likely(r != -EAGAIN))
			return r;
	}
	if (deadline_ns != LEAT_DETAIL_TRY)
		return wait(c, items, max, deadline_ns);
	leat_job_schedule(&c->job);
	return r;
}

/* Waits until there is something, as a receive of nothing does. */
static ssize_t peek(struct leat_rx *rx, size_t want, const void **items)
{
	struct compact *c = compact_of_rx(rx);
	ssize_t r = check(c, items, want, "leat_peek");
	uint32_t n;

	if (r != 0)
		return r;
	r = attempt(c, NULL, 0);
	if (r == -EAGAIN)
		r = wait(c, NULL, 0, LEAT_NEVER);
	if (r <= 0)
		return r;
	n = (uint32_t)r;
	if (n > c->capacity - c->take_at)
		n = c->capacity - c->take_at;
	if (n > want)
		n = (uint32_t)want;
	c->held = (uint16_t)n;
	*items = slot(c, c->take_at);
	return (ssize_t)n;
}

static int release(struct leat_rx *rx, size_t n)
{
	struct compact *c = compact_of_rx(rx);

	if (!c->open)
		leat_die("leat_release: the handle is closed");
	if (c->held == 0 || n > c->held)
		return -EINVAL;
	c->held = 0;
	if (n > 0)
		taken(c, (uint32_t)n);
	return 0;
}

static void close_waits(struct compact *c, struct leat_rx_waits *waits)
{
	leat_chan_fd_close((struct leat_waitable *)(void *)c, &waits->chan_fd);
	leat_wake_fd_close(&waits->wake_fd);
}

static void close_rx(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	if (!c->open)
		leat_die("leat_rx_close: the handle is closed");
	if (cold_of(c) != NULL)
		close_waits(c, &cold_of(c)->waits);
	c->open = false;
	c->held = 0;
	/* rlx: leat_compact_leave() looks in order */
	if (!(leat_load_rlx(ctl_of(c)) & CTL_TURNS_DONE)) {
		leat_or_acqrel(ctl_of(c), LEAT_CTL_RX_GONE); /* K1: pairs with refusal() */
		/* rlx: why it is; a cancel may come now or later */
		leat_compact_drain(c, leat_load_rlx(ctl_of(c)));
		leat_job_wake_first(&c->job);
	}
	leat_compact_leave(c, CTL_RX_DONE, false);
}

static int status(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text)
{
	struct compact *c = compact_of_rx(rx);
	/* K1: items, cause before TX_GONE; pairs with end(), cancel_one() */
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

static bool add_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	return stand(rx, waiter->sleeper);
}

static bool remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	return step_aside(rx, waiter->sleeper);
}

/* As leat_waitable_ready(). */
static bool rx_ready(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	/* rlx: an attempt looks in order */
	if (available(c) > 0 ||
	    leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_TX_GONE))
		return true;
	leat_job_schedule(&c->job);
	return false;
}

const struct leat_rx_ops leat_compact_receiver = {
	.recv = recv,
	.peek = peek,
	.release = release,
	.close = close_rx,
	.status = status,
	.check = check_one,
	.attempt = attempt_one,
	.ready = rx_ready,
	.add_waiter = add_waiter,
	.remove_waiter = remove_waiter,
	.policy = policy_of,
	.scope = scope_of,
	.waits = waits_of,
};
