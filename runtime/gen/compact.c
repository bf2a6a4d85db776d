/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/compact.h"
#include "runtime/chan/watch.h"
#include "runtime/gen/await.h"
#include "runtime/registry/registry.h"

#include <leat/atomic.h>
#include <leat/detail/chan.h>

#include <string.h>

/* More bits of the control word: the two sides' last touch of the block. Who sets the second frees it. */
enum { CTL_TURNS_DONE = 1u << 8, CTL_RX_DONE = 1u << 9 };

enum { MEASURE_EVERY = 32, SPIN_PAUSES = 64, YIELDS = 8 };

/* What most have not. */
struct extra {
	struct leat_await await; /* once a step has asked for something else than a time */
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	struct leat_foreign_waits waits;
	enum leat_wait recv_wait;
	char name[LEAT_NAME_MAX + 1];
};

struct compact {
	/* what a struct leat_rx begins with; the side is shut */
	struct leat_group *group; /* ctl */
	struct leat_mpmc *fast;    /* NULL */
	uint64_t pos, limit;       /* equal for ever */
	uint32_t put_at, take_at;  /* in place of base: the slots of tail and head */
	uint64_t *word;
	uint32_t cost;             /* in place of head: the log of a step's nanoseconds, 0 unknown */
	uint16_t held;             /* items peeked at */
	uint8_t cause;             /* enum leat_cause */
	bool open;                 /* the receiver is */
	size_t item_size;

	struct leat_job job; /* spare: ctl */
	uint64_t tail, head;
	uint64_t waiter; /* struct leat_sleeper *; with TELLING while it is told */
	leat_next_fn *next;
	void *state;
	void (*fini)(void *state);
	struct leat_slab *slab;
	uint64_t extra; /* struct extra *, or 0 */
	uint64_t id; /* the channel's; the generator's is the next */
	int32_t code;
	uint16_t capacity;
	bool broken;               /* next answered what it must not */
	unsigned char slots[] __attribute__((aligned(8)));
};

enum { TELLING = 1 };

LEAT_STATIC_ASSERT(offsetof(struct compact, group) == offsetof(struct leat_rx, ctl), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, fast) == offsetof(struct leat_rx, fast), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, pos) == offsetof(struct leat_rx, ring.pos), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, limit) == offsetof(struct leat_rx, ring.limit), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, word) == offsetof(struct leat_rx, ring.word), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, item_size) == offsetof(struct leat_rx, ring.item_size), "a receiver's shape");
LEAT_STATIC_ASSERT(offsetof(struct compact, job) == 64, "the receiver's line is the first");
LEAT_STATIC_ASSERT(sizeof(struct compact) <= 200, "with one item of eight bytes 208");

static struct compact *compact_of_rx(const struct leat_rx *rx)
{
	return (struct compact *)(uintptr_t)rx;
}

static struct compact *compact_of_job(const struct leat_job *job)
{
	return (struct compact *)((uintptr_t)job - offsetof(struct compact, job));
}

static uint32_t *ctl_of(struct compact *c)
{
	return &c->job.spare;
}

/* Items are aligned to at most 16, as blocks are (leat_compact_suits()). */
LEAT_STATIC_ASSERT(offsetof(struct compact, slots) % 16 == 0, "slots are aligned");

static unsigned char *slot(struct compact *c, uint32_t at)
{
	return c->slots + at * c->item_size;
}

static uint32_t after(const struct compact *c, uint32_t at, uint32_t n)
{
	at += n;
	return at >= c->capacity ? at - c->capacity : at;
}

static struct extra *extra_of(const struct compact *c)
{
	return (struct extra *)(uintptr_t)leat_load_acq(&c->extra); /* X1: pairs with have_extra() */
}

/* Made by whoever needs it first, a turn or the receiver. NULL: there is no memory. */
static struct extra *have_extra(struct compact *c)
{
	struct extra *extra = extra_of(c);
	uint64_t found = 0;

	if (extra != NULL)
		return extra;
	extra = leat_os_alloc(sizeof(*extra), 0);
	if (extra == NULL)
		return NULL;
	extra->waits.wake_fd = -1;
	if (leat_cas_acqrel(&c->extra, &found, (uint64_t)(uintptr_t)extra)) /* X1: made before it is known; pairs with extra_of() */
		return extra;
	leat_os_free(extra);
	return (struct extra *)(uintptr_t)found;
}

/* --- telling the receiver --- */

/* Wakes who stands there, if anybody does. */
static void tell_waiter(struct compact *c)
{
	uint64_t waiter = leat_load_rlx(&c->waiter); /* rlx: the swap decides */
	uint32_t *word;

	if (waiter == 0 || waiter & TELLING ||
	    !leat_cas_acqrel(&c->waiter, &waiter, waiter | TELLING)) /* K2: pairs with stand(), step_aside() */
		return;
	word = leat_sleeper_tell((struct leat_sleeper *)(uintptr_t)waiter);
	leat_store_rel(&c->waiter, 0); /* K2: pairs with step_aside() */
	if (word != NULL)
		leat_os_futex_wake(word, 1);
}

/* Of items, and of the end or a cancel in ctl. */
static inline void published(struct compact *c)
{
	leat_fence_light(); /* C1: tail, ctl before waiter; pairs with sleep_once(), leat_event_fence() */
	if (leat_unlikely(c->group->fenced))
		leat_fence_seq(); /* C1: without membarrier; pairs with sleep_once(), leat_event_fence() */
	if (leat_unlikely(leat_load_rlx(&c->waiter) != 0)) /* rlx: C1 orders it */
		tell_waiter(c);
}

/* The receiver's one place to wait at: who stands there already, for the same receiver, goes. What fence is to follow. */
static bool stand(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t me = (uint64_t)(uintptr_t)sleeper, other = 0;

	for (unsigned i = 0; !leat_cas_acqrel(&c->waiter, &other, me); i++) /* K2: pairs with tell_waiter() */
		if (other & TELLING) { /* who tells clears it after that, and is about to */
			other = 0;
			if (i < SPIN_PAUSES)
				leat_pause();
			else
				leat_os_yield();
		}
	return !c->group->fenced;
}

/* Whether it was told. */
static bool step_aside(struct leat_rx *rx, struct leat_sleeper *sleeper)
{
	struct compact *c = compact_of_rx(rx);
	uint64_t waiter = (uint64_t)(uintptr_t)sleeper;

	if (leat_cas_rlx(&c->waiter, &waiter, 0)) /* rlx: nobody touched it, nor will; who finds that it was told looks again */
		return false;
	for (unsigned i = 0; leat_load_acq(&c->waiter) != 0; i++) /* K2: pairs with tell_waiter(), which is about to be done */
		if (i < SPIN_PAUSES)
			leat_pause();
		else
			leat_os_yield(); /* unless it is not running */
	return true;
}

/* --- the end of a block --- */

static void discard_one(struct compact *c)
{
	const struct extra *extra = extra_of(c);
	void *item = slot(c, c->take_at);

	if (extra != NULL && extra->discard != NULL)
		extra->discard(item, extra->discard_arg);
}

/* Takes out what nobody will receive; the receiver, or who is alone with the block. */
static void drain(struct compact *c, uint32_t ctl)
{
	enum leat_drop reason = ctl & LEAT_CTL_CANCELED ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;

	while (leat_load_acq(&c->tail) != leat_load_rlx(&c->head)) { /* A1: pairs with R1 in steps(); rlx: this side's own */
		discard_one(c);
		c->take_at = after(c, c->take_at, 1);
		leat_store_rel(&c->head, leat_load_rlx(&c->head) + 1); /* R2: pairs with A2 in room_of(); rlx: this side's own */
		leat_add_rlx(&c->group->dropped[reason], 1); /* rlx: a number */
	}
}

/* Under the crowd's lock, alone with the block. */
static void give_back(struct compact *c)
{
	struct leat_group *group = c->group;

	group->accepted += leat_load_rlx(&c->tail); /* rlx: alone with it */
	group->received += leat_load_rlx(&c->head); /* rlx: the same */
	leat_os_free(extra_of(c));
	leat_group_free(group, c->slab, c);
}

/* One of the two sides has done with the block: frees it if it was the second, and lets a generator that ended be joined. */
static void leave(struct compact *c, uint32_t done, bool ended)
{
	struct leat_crowd *crowd = &c->group->crowd;
	uint32_t other = done ^ (CTL_TURNS_DONE | CTL_RX_DONE);
	bool last = leat_load_acq(ctl_of(c)) & other; /* K1: what the other did; pairs with itself */

	if (!last)
		last = leat_or_acqrel(ctl_of(c), done) & other; /* K1: pairs with itself */
	if (last)
		drain(c, leat_load_rlx(ctl_of(c))); /* rlx: nobody else is left */
	if (!last && !ended)
		return;
	leat_spin_lock(&crowd->lock);
	if (last)
		give_back(c);
	leat_crowd_leave(crowd, ended, last);
}

/* --- turns --- */

static const char broken_text[] = "next returned a value that it must not: 1, 0, a wait that was asked for, or -errno";

/* What the last value means. Whether it is a failure that its scope must hear of. */
static bool outcome(struct compact *c, int rc)
{
	uint32_t ctl = leat_load_acq(ctl_of(c)); /* K1: the scope's cause before CANCELED; pairs with cancel_one() */
	struct leat_scope *scope = c->group->crowd.scope;
	int code = 0;

	if (rc == -ECANCELED && !(ctl & LEAT_CTL_CANCELED)) {
		leat_scope_settle(scope); /* a cancel under way has not come to this channel yet */
		ctl = leat_load_acq(ctl_of(c)); /* K1: the same, of one that came since */
	}
	c->cause = LEAT_COMPLETED;
	if (rc == 0)
		return false;
	if (rc == -EPIPE && ctl & LEAT_CTL_RX_GONE && !(ctl & LEAT_CTL_CANCELED)) {
		c->cause = LEAT_ABANDONED;
		return false;
	}
	if (rc == -ECANCELED && ctl & LEAT_CTL_CANCELED) {
		c->cause = (uint8_t)leat_scope_cause(scope, &code, NULL);
		c->code = code;
		return false;
	}
	c->cause = LEAT_FAILED;
	c->code = rc;
	return true;
}

/* Of the many that end one by one, snapshots tell of those that failed. */
static void tell_of_failure(struct compact *c)
{
	const struct extra *extra = extra_of(c);
	struct leat_end *end;

	if (!leat_registry_heard())
		return;
	end = leat_os_alloc(sizeof(*end), 0);
	if (end != NULL) {
		end->kind = LEAT_NODE_GEN;
		end->gen.id = c->id + 1;
		end->gen.chan_id = c->id;
		end->gen.cause = LEAT_FAILED;
		end->gen.code = c->code;
		leat_name_copy(end->gen.name, extra != NULL ? extra->name : "");
		leat_text_copy(end->gen.text, c->broken ? broken_text : "");
	}
	leat_registry_tell(end);
}

static void end(struct compact *c, int rc)
{
	struct leat_group *group = c->group;
	bool failed;

	if (c->fini != NULL)
		c->fini(c->state);
	failed = outcome(c, rc);
	leat_registry_count_exit((enum leat_cause)c->cause);
	if (failed)
		tell_of_failure(c);
	leat_or_acqrel(ctl_of(c), LEAT_CTL_TX_GONE); /* K1: items, cause before TX_GONE; pairs with attempt(), status() */
	published(c);
	if (failed)
		leat_scope_fail(group->crowd.scope, c->code, c->broken ? broken_text : "", &group->crowd.hook, c);
	leave(c, CTL_TURNS_DONE, true);
}

static uint64_t room_of(const struct compact *c)
{
	/* A2: slots free; pairs with R2; rlx: this side's own */
	return c->capacity - (leat_load_rlx(&c->tail) - leat_load_acq(&c->head));
}

static int refusal(struct compact *c)
{
	/* K1: what was done before the cancel or the close, for fini; pairs with cancel_one(), close_rx() */
	uint32_t ctl = leat_load_acq(ctl_of(c));

	if (ctl & LEAT_CTL_CANCELED)
		return -ECANCELED;
	return ctl & LEAT_CTL_RX_GONE ? -EPIPE : 0;
}

/* Runs up to n steps, as far as there is room. Answers what next did last: 1 if it is to be asked again. */
static int steps(struct compact *c, struct leat_step *step, uint32_t n)
{
	uint64_t tail = leat_load_rlx(&c->tail); /* rlx: this side's own */
	int rc = 1;

	for (uint32_t room = 0, i = 0; i < n && rc == 1; i++) {
		if (room == 0 && (room = (uint32_t)room_of(c)) == 0)
			return 1;
		rc = refusal(c);
		if (rc < 0)
			return rc;
		rc = c->next(c->state, slot(c, c->put_at));
		if (rc != 1)
			break;
		c->put_at = after(c, c->put_at, 1);
		leat_store_rel(&c->tail, ++tail); /* R1: items before tail; pairs with A1 in available() */
		published(c);
		room--;
	}
	if (rc > 1 && !leat_await_asked(step, rc)) {
		c->broken = true;
		return -EINVAL;
	}
	return rc;
}

/* A step asked to be called again later. An enum leat_turn, or -errno. */
static int wait_for(struct compact *c, const struct leat_step *step, int rc)
{
	struct extra *extra;

	if (rc == LEAT_AFTER)
		return leat_await_begin(NULL, &c->job, step, rc);
	extra = have_extra(c);
	if (extra == NULL)
		return -ENOMEM;
	if (extra->await.job == NULL)
		leat_await_init(&extra->await, &c->job);
	return leat_await_begin(&extra->await, &c->job, step, rc);
}

/* One turn of n steps at the most, with the thread set up for it. */
static enum leat_turn turn(struct compact *c, uint32_t n, bool measure)
{
	struct leat_scope *outer = leat_scope_current;
	struct extra *extra = extra_of(c);
	uint64_t before = leat_load_rlx(&c->tail); /* rlx: this side's own */
	int64_t since_ns = measure ? leat_now_ns() : 0;
	struct leat_step step;
	int rc, later = LEAT_TURN_PARK;

	if (extra != NULL && extra->await.job != NULL)
		leat_await_end(&extra->await);
	leat_step_begin(&step);
	leat_scope_current = c->group->crowd.scope;
	rc = steps(c, &step, n);
	if (measure)
		leat_store_rlx(&c->cost, leat_steps_cost(since_ns, leat_load_rlx(&c->tail) - before)); /* rlx: a hint; as before */
	if (rc == 1 && (rc = refusal(c)) == 0)
		rc = 1;
	if (rc > 1) {
		later = wait_for(c, &step, rc);
		rc = later < 0 ? later : rc;
	}
	if (rc <= 0)
		end(c, rc);
	leat_scope_current = outer;
	leat_step_end(&step);
	if (rc <= 0)
		return LEAT_TURN_OVER;
	if (rc > 1)
		return (enum leat_turn)later;
	return room_of(c) > 0 ? LEAT_TURN_MORE : LEAT_TURN_PARK;
}

/* Workers take their time over it: they refill as soon as there is room, and not only when the receiver has need. */
static bool pushed(const struct compact *c)
{
	return leat_load_rlx(&c->cost) >= LEAT_COST_HEAVY || c->group->workers_only; /* rlx: a hint */
}

/* On a worker. Short steps are the receiver's own, once it has come for the first. */
static enum leat_turn worker_turn(struct leat_job *job)
{
	struct compact *c = compact_of_job(job);
	uint32_t cost = leat_load_rlx(&c->cost); /* rlx: this side's own */
	bool measure = cost == 0 || leat_load_rlx(&c->tail) % MEASURE_EVERY == 2; /* rlx: the same */
	enum leat_turn what = turn(c, leat_steps_within(cost, LEAT_COST_TURN), measure);

	if (what == LEAT_TURN_MORE && !pushed(c) && leat_load_rlx(&c->head) > 0) /* rlx: a hint */
		what = LEAT_TURN_PARK;
	return what;
}

static bool job_ready(const struct leat_job *job)
{
	struct compact *c = compact_of_job(job);

	/* rlx: J3 orders them */
	if (leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE))
		return true;
	return room_of(c) > 0 && (pushed(c) || leat_load_rlx(&c->waiter) != 0); /* rlx: J3 orders it */
}

static struct leat_pool *job_pool(const struct leat_job *job)
{
	return compact_of_job(job)->group->pool;
}

static uint64_t job_id(const struct leat_job *job)
{
	return compact_of_job(job)->id + 1;
}

static const struct leat_job_kind job_kind = { worker_turn, job_ready, job_pool, job_id };

/* --- receiving --- */

/* The receiver made room. */
static inline void made_room(struct compact *c)
{
	if (leat_likely(!pushed(c)))
		return;
	leat_fence_seq(); /* J3: head before run; pairs with the fence in settle_parked() */
	leat_job_demand(&c->job);
}

static uint32_t available(const struct compact *c)
{
	return (uint32_t)(leat_load_acq(&c->tail) - leat_load_rlx(&c->head)); /* A1: pairs with R1 in steps(); rlx: this side's own */
}

static void taken(struct compact *c, uint32_t n)
{
	c->take_at = after(c, c->take_at, n);
	leat_store_rel(&c->head, leat_load_rlx(&c->head) + n); /* R2: loads before head; pairs with A2 in room_of(); rlx: own */
	made_room(c);
}

/* Nothing is there and no turn will come, as ctl says: 0 from now on, unless a cancel is first. */
static ssize_t end_stream(struct compact *c, uint32_t ctl)
{
	while (!(ctl & LEAT_CTL_CANCELED))
		if (leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_ENDED)) /* K1: pairs with cancel_one() */
			return 0;
	return -ECANCELED;
}

/* items NULL: only looks how many there are. */
static ssize_t attempt(struct compact *c, void *items, size_t max)
{
	uint32_t ctl = leat_load_acq(ctl_of(c)), n, first; /* K1: items, cause before TX_GONE; pairs with end() */

	if (leat_unlikely(ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED))) {
		if (ctl & LEAT_CTL_ENDED)
			return 0;
		drain(c, ctl);
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
		memcpy(items, slot(c, c->take_at), sizeof(uint64_t)); /* a constant size is no call */
		taken(c, 1);
		return 1;
	}
	if (n > max)
		n = (uint32_t)max;
	first = c->capacity - c->take_at < n ? c->capacity - c->take_at : n;
	memcpy(items, slot(c, c->take_at), first * c->item_size);
	if (first < n)
		memcpy((unsigned char *)items + first * c->item_size, slot(c, 0), (n - first) * c->item_size);
	taken(c, n);
	return (ssize_t)n;
}

/* Runs the generator here, if nobody else has it. Whether it did. */
static bool pull(struct compact *c)
{
	uint64_t tail = leat_load_rlx(&c->tail); /* rlx: a hint, for measuring now and then */
	enum leat_turn what;
	uint32_t cost;

	if (c->group->workers_only || leat_must_not_wait >= LEAT_STEPS_NESTED || !leat_job_claim(&c->job))
		return false;
	cost = leat_load_rlx(&c->cost); /* rlx: this side's own now */
	what = turn(c, cost == 0 ? 1 : leat_steps_within(cost, LEAT_COST_INLINE), tail % MEASURE_EVERY == 2);
	if (what == LEAT_TURN_OVER)
		return true; /* its pool may be gone by now */
	if (what == LEAT_TURN_MORE && !pushed(c))
		what = LEAT_TURN_PARK; /* the receiver will be back */
	if (leat_likely(what == LEAT_TURN_PARK && !pushed(c)))
		leat_job_park_alone(&c->job);
	else
		leat_job_settle(&c->job, what, !pushed(c));
	return true;
}

static ssize_t sleep_once(struct compact *c, void *items, size_t max, int64_t until_ns)
{
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_rx *rx = (struct leat_rx *)c;
	ssize_t r;

	leat_sleeper_ready(&sleeper);
	/* takes the place of an event loop's watch, too, which is armed no more */
	leat_event_fence(stand(rx, &sleeper)); /* C1, J3: waiter before tail, ctl and run; pairs with published(), settle_parked() */
	r = attempt(c, items, max);
	if (r == -EAGAIN) {
		leat_job_demand(&c->job);
		leat_sleeper_park(&sleeper, until_ns);
	}
	step_aside(rx, &sleeper);
	return r != -EAGAIN ? r : attempt(c, items, max);
}

/* As look_at_clock() of full channels. */
static ssize_t look_at_clock(struct compact *c, void *items, size_t max, int64_t deadline_ns)
{
	int passed = leat_scope_clock(c->group->crowd.scope, deadline_ns);
	ssize_t r = passed == 0 ? -EAGAIN : attempt(c, items, max);

	return r == -EAGAIN && passed == -ETIMEDOUT ? passed : r;
}

static ssize_t wait_awake(struct compact *c, void *items, size_t max, unsigned pauses, unsigned yields)
{
	ssize_t r = -EAGAIN;

	for (unsigned i = 0; i < pauses && r == -EAGAIN; i++) {
		leat_pause();
		r = attempt(c, items, max);
	}
	for (unsigned i = 0; i < yields && r == -EAGAIN; i++) {
		leat_os_yield();
		r = attempt(c, items, max);
	}
	return r;
}

static enum leat_wait policy_of(const struct leat_rx *rx)
{
	const struct extra *extra = extra_of(compact_of_rx(rx));

	return extra != NULL ? extra->recv_wait : LEAT_WAIT_ADAPTIVE;
}

static struct leat_scope *scope_of(const struct leat_rx *rx)
{
	return compact_of_rx(rx)->group->crowd.scope;
}

static struct leat_foreign_waits *waits_of(struct leat_rx *rx, bool make)
{
	struct extra *extra = make ? have_extra(compact_of_rx(rx)) : extra_of(compact_of_rx(rx));

	return extra == NULL ? NULL : &extra->waits;
}

/* Nothing was there. Runs the generator, or waits for who does. */
static __attribute__((noinline)) ssize_t wait(struct compact *c, void *items, size_t max, int64_t deadline_ns)
{
	enum leat_wait policy = policy_of((struct leat_rx *)c);
	int64_t scope_deadline_ns = leat_scope_deadline(c->group->crowd.scope);
	ssize_t r = look_at_clock(c, items, max, deadline_ns);

	if (r == -ETIMEDOUT)
		leat_job_demand(&c->job);
	while (r == -EAGAIN) {
		bool ran = pull(c);

		r = attempt(c, items, max);
		if (r != -EAGAIN)
			break;
		if (leat_must_not_wait > 0)
			return -EDEADLK;
		if (!ran || policy == LEAT_WAIT_SPIN || policy == LEAT_WAIT_YIELD)
			r = wait_awake(c, items, max, policy == LEAT_WAIT_ADAPTIVE || policy == LEAT_WAIT_SPIN ? SPIN_PAUSES : 0,
				       policy == LEAT_WAIT_PARK ? 0 : YIELDS);
		if (r == -EAGAIN && (policy == LEAT_WAIT_ADAPTIVE || policy == LEAT_WAIT_PARK))
			r = sleep_once(c, items, max, deadline_ns < scope_deadline_ns ? deadline_ns : scope_deadline_ns);
		if (r == -EAGAIN)
			r = look_at_clock(c, items, max, deadline_ns);
	}
	return r;
}

static int check(const struct compact *c, const void *items, size_t max, const char *call)
{
	if (!c->open)
		leat_die("%s: the handle is closed", call);
	if (items == NULL || max == 0)
		return -EINVAL;
	return c->held != 0 ? -EBUSY : 0;
}

static int check_one(struct leat_rx *rx, const void *items, const char *call)
{
	return check(compact_of_rx(rx), items, 1, call);
}

static int attempt_one(struct leat_rx *rx, void *item)
{
	return (int)attempt(compact_of_rx(rx), item, 1);
}

static ssize_t recv(struct leat_rx *rx, void *items, size_t max, int64_t deadline_ns, const char *call)
{
	struct compact *c = compact_of_rx(rx);
	ssize_t r = check(c, items, max, call);

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
	leat_job_demand(&c->job);
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

static void close_waits(struct compact *c, struct leat_foreign_waits *waits)
{
	leat_watch_close((struct leat_side *)(void *)c, &waits->watch);
	if (waits->wake_fd >= 0)
		leat_os_flag_close(waits->wake_fd);
	waits->wake_fd = -1;
}

static void close_rx(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	if (!c->open)
		leat_die("leat_rx_close: the handle is closed");
	if (extra_of(c) != NULL)
		close_waits(c, &extra_of(c)->waits);
	c->open = false;
	c->held = 0;
	if (!(leat_load_rlx(ctl_of(c)) & CTL_TURNS_DONE)) { /* rlx: leave() looks in order */
		leat_or_acqrel(ctl_of(c), LEAT_CTL_RX_GONE); /* K1: pairs with refusal() */
		drain(c, leat_load_rlx(ctl_of(c))); /* rlx: why it is; a cancel may come now or later */
		leat_job_wake(&c->job);
	}
	leave(c, CTL_RX_DONE, false);
}

static int status(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text)
{
	struct compact *c = compact_of_rx(rx);
	uint32_t ctl = leat_load_acq(ctl_of(c)); /* K1: items, cause before TX_GONE; pairs with end(), cancel_one() */
	enum leat_cause its_cause;
	const char *its_text = "";
	int its_code;

	if (!c->open)
		leat_die("leat_rx_status: the handle is closed");
	if (!(ctl & (LEAT_CTL_TX_GONE | LEAT_CTL_CANCELED)))
		return -EAGAIN;
	its_cause = ctl & LEAT_CTL_TX_GONE ? (enum leat_cause)c->cause
					   : leat_scope_cause(c->group->crowd.scope, &its_code, NULL);
	if (ctl & LEAT_CTL_TX_GONE)
		its_code = c->code;
	if (its_cause == LEAT_FAILED && c->broken)
		its_text = broken_text;
	else if (its_cause != LEAT_COMPLETED && its_cause != LEAT_ABANDONED && ctl & LEAT_CTL_CANCELED)
		leat_scope_cause(c->group->crowd.scope, NULL, &its_text);
	if (cause != NULL)
		*cause = its_cause;
	if (code != NULL)
		*code = its_code;
	if (text != NULL)
		*text = its_text;
	return 0;
}

/* As leat_side_ready(). */
static bool rx_ready(struct leat_rx *rx)
{
	struct compact *c = compact_of_rx(rx);

	/* rlx: an attempt looks in order */
	if (available(c) > 0 || leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_TX_GONE))
		return true;
	leat_job_demand(&c->job);
	return false;
}

static const struct leat_foreign foreign = {
	.recv = recv, .peek = peek, .release = release, .close = close_rx, .status = status,
	.check = check_one, .attempt = attempt_one, .ready = rx_ready, .line_up = stand, .leave = step_aside,
	.policy = policy_of, .scope = scope_of, .waits = waits_of,
};

/* --- the group's part --- */

/* Under the tree's lock and the crowd's. */
static void cancel_one(void *block, const void *spared)
{
	struct compact *c = block;
	uint32_t ctl = leat_load_rlx(ctl_of(c)); /* rlx: the swap decides */

	if (c == spared)
		return;
	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_RX_GONE))
			return;
	} while (!leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_CANCELED)); /* K1: pairs with attempt(), refusal() */
	published(c);
	if (!(ctl & LEAT_CTL_TX_GONE))
		leat_job_wake(&c->job);
}

static void cancel(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_crowd *crowd = caa_container_of(hook, struct leat_crowd, hook);
	struct leat_group *group = caa_container_of(crowd, struct leat_group, crowd);

	leat_spin_lock(&crowd->lock);
	crowd->canceled = true;
	leat_group_walk(group, cancel_one, spared);
	leat_spin_unlock(&crowd->lock);
}

/* What a look adds up. */
struct figures {
	uint64_t tails, heads;
	struct leat_pool_stat *stat;
};

static void look_at_one(void *block, void *arg)
{
	struct figures *figures = arg;
	struct compact *c = block;
	const struct extra *extra = extra_of(c);

	figures->heads += leat_load_rlx(&c->head); /* rlx: a number; what does not fit is cut off in the sum */
	figures->tails += leat_load_rlx(&c->tail); /* rlx: the same */
	if (c->id + 1 == figures->stat->long_id && extra != NULL)
		memcpy(figures->stat->long_name, extra->name, sizeof(extra->name));
}

void leat_compact_look(struct leat_pool_user *user, struct leat_pool_stat *stat)
{
	struct leat_group *group = caa_container_of(user, struct leat_group, user);
	struct figures figures = { 0, 0, stat };
	uint64_t dropped = 0;

	leat_group_stroll(group, look_at_one, &figures);
	leat_spin_lock(&group->crowd.lock);
	stat->generators += group->crowd.live;
	figures.tails += group->accepted;
	figures.heads += group->received;
	leat_spin_unlock(&group->crowd.lock);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		uint64_t now = leat_load_rlx(&group->dropped[reason]); /* rlx: a number */

		stat->dropped[reason] += now;
		dropped += now;
	}
	if (figures.heads < dropped)
		figures.heads = dropped; /* some were dropped since */
	if (figures.tails < figures.heads)
		figures.tails = figures.heads; /* blocks came and went meanwhile */
	stat->delivered += figures.heads - dropped;
	stat->in_flight += figures.tails - figures.heads;
	stat->offered += figures.tails;
}

void leat_compact_group_init(struct leat_group *group)
{
	group->foreign = (struct leat_foreign_word){ LEAT_CTL_FOREIGN, &foreign };
	group->crowd.hook.cancel = cancel;
}

bool leat_compact_suits(const struct leat_chan_opts *opts, size_t item_size)
{
	return opts->kind == LEAT_SPSC && opts->overflow == LEAT_BLOCK && !opts->full_fence && opts->capacity != 0 &&
	       opts->capacity <= LEAT_COMPACT_BYTES && item_size <= LEAT_COMPACT_BYTES &&
	       opts->capacity * item_size <= LEAT_COMPACT_BYTES && leat_item_align(item_size) <= 16;
}

/* Memory for what most have not. False: there is none. */
static bool make_extra(const struct leat_chan_opts *opts, struct extra **extra)
{
	*extra = NULL;
	if (opts->name == NULL && opts->discard == NULL && opts->recv_wait == LEAT_WAIT_ADAPTIVE)
		return true;
	*extra = leat_os_alloc(sizeof(**extra), 0);
	if (*extra == NULL)
		return false;
	(*extra)->waits.wake_fd = -1;
	(*extra)->discard = opts->discard;
	(*extra)->discard_arg = opts->discard_arg;
	(*extra)->recv_wait = opts->recv_wait;
	leat_name_copy((*extra)->name, opts->name);
	return true;
}

/* A block that counts and can be cancelled. NULL, with *rc set. */
static struct compact *make(struct leat_group *group, size_t bytes, struct extra *extra, int *rc)
{
	struct leat_slab *slab;
	struct compact *c = NULL;

	leat_spin_lock(&group->crowd.lock);
	*rc = leat_crowd_begin(&group->crowd);
	if (*rc < 0) {
		leat_spin_unlock(&group->crowd.lock);
		return NULL;
	}
	c = leat_group_alloc(group, bytes, &slab);
	if (c == NULL) {
		*rc = -ENOMEM;
		leat_crowd_leave(&group->crowd, true, false);
		return NULL;
	}
	c->slab = slab;
	c->id = leat_group_id(group);
	leat_store_rlx(&c->extra, (uint64_t)(uintptr_t)extra); /* rlx: found by the lock that is held, or a queue's */
	leat_job_init(&c->job, &job_kind);
	c->job.run = LEAT_RUN_QUEUED; /* nobody finds it before it is in a queue */
	leat_spin_unlock(&group->crowd.lock);
	return c;
}

int leat_compact_start(struct leat_scope *scope, const struct leat_seq *seq, const struct leat_gen_opts *opts,
		       struct leat_rx **rx)
{
	struct leat_group *group;
	struct extra *extra;
	struct compact *c;
	int rc;

	group = leat_group_of(scope, opts->pool, &rc);
	if (group == NULL)
		return rc;
	if (!make_extra(&opts->chan, &extra))
		return -ENOMEM;
	c = make(group, offsetof(struct compact, slots) + opts->chan.capacity * seq->item_size, extra, &rc);
	if (c == NULL) {
		leat_os_free(extra);
		return rc;
	}
	c->word = &((struct leat_rx *)c)->ring.never;
	c->item_size = seq->item_size;
	c->capacity = (uint16_t)opts->chan.capacity;
	c->next = seq->next;
	c->state = seq->state;
	c->fini = seq->fini;
	c->open = true;
	*rx = (struct leat_rx *)c;
	leat_job_start(&c->job, !group->workers_only);
	return 0;
}
