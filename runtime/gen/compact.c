/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/compact_block.h"
#include "runtime/gen/gen.h"
#include "runtime/registry/rcu.h"
#include "runtime/registry/registry.h"

#include <string.h>

static struct compact *compact_of_job(const struct leat_job *job)
{
	return (struct compact *)((uintptr_t)job - offsetof(struct compact, job));
}

/* Made by whoever needs it first, a turn or the receiver. NULL: there is no memory. */
struct cold *leat_compact_have_cold(struct compact *c)
{
	struct cold *cold = cold_of(c);
	uint64_t found = 0;

	if (cold != NULL)
		return cold;
	cold = leat_os_alloc(sizeof(*cold), 0);
	if (cold == NULL)
		return NULL;
	cold->waits.wake_fd = -1;
	/* X1: made before it is known; pairs with cold_of() */
	if (leat_cas_acqrel(&c->cold, &found, (uint64_t)(uintptr_t)cold))
		return cold;
	leat_os_free(cold);
	return (struct cold *)(uintptr_t)found;
}

/* --- the end of a block --- */

static void discard_one(struct compact *c)
{
	const struct cold *cold = cold_of(c);
	void *item = slot(c, c->take_at);

	if (cold != NULL && cold->discard != NULL)
		cold->discard(item, cold->discard_arg);
}

/* Takes out what nobody will receive; the receiver, or who is alone with the block. */
void leat_compact_drain(struct compact *c, uint32_t ctl)
{
	enum leat_drop reason =
		ctl & LEAT_CTL_CANCELED ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;

	/* A1: pairs with R1 in steps(); rlx: this side's own */
	while (leat_load_acq(&c->tail) != leat_load_rlx(&c->head)) {
		discard_one(c);
		c->take_at = after(c, c->take_at, 1);
		/* rlx: a number; R2 publishes it, so that looks tell of no delivery */
		leat_add_rlx(&c->arena->dropped[reason], 1);
		/* R2: pairs with A2 in room_of(); rlx: this side's own */
		leat_store_rel(&c->head, leat_load_rlx(&c->head) + 1);
	}
}

/*
 * Under the gen_set's lock, alone with the block. What it returns is the caller's to free, under no
 * lock.
 */
static struct leat_slab *give_back(struct compact *c)
{
	struct leat_arena *arena = c->arena;

	arena->accepted += leat_load_rlx(&c->tail); /* rlx: alone with it */
	arena->received += leat_load_rlx(&c->head); /* rlx: the same */
	/* rlx: B1: a look that counted arena->accepted already took the lock after this */
	leat_store_rlx(&c->id, 0);
	if (arena->unstarted == c)
		arena->unstarted = NULL;
	return leat_arena_free(arena, c->slab, c);
}

static void free_cold(struct cold *cold)
{
	if (cold != NULL)
		leat_os_free(cold->words);
	leat_os_free(cold);
}

/*
 * One of the two sides has done with the block: frees it if it was the second, and lets a generator
 * that ended be joined.
 */
void leat_compact_leave(struct compact *c, uint32_t done, bool ended)
{
	struct leat_gen_set *gen_set = &c->arena->gen_set;
	uint32_t other = done ^ (CTL_TURNS_DONE | CTL_RX_DONE);
	uint32_t ctl = leat_load_acq(ctl_of(c)); /* K1: what the other did; pairs with itself */
	struct leat_slab *slab = NULL;
	struct cold *cold = NULL;
	bool last;

	if (!(ctl & (done | other)))
		ctl = leat_or_acqrel(ctl_of(c), done); /* K1: pairs with itself */
	last = ctl & other;
	if (last)
		leat_compact_drain(c, leat_load_rlx(ctl_of(c))); /* rlx: nobody else is left */
	if (!last && !ended)
		return;
	if (last)
		cold = cold_of(c);
	leat_spin_lock(&gen_set->lock);
	if (last)
		slab = give_back(c);
	leat_gen_set_leave(gen_set, ended, last);
	free_cold(cold);
	leat_slab_free(slab);
}

/* --- turns --- */

const char *leat_compact_text(const struct compact *c)
{
	const char *text = "";

	switch ((enum words)c->words) {
	case WORDS_NONE:
		break;
	case WORDS_BROKEN:
		return "next returned a value that it must not: 1, 0, a wait that was asked for, "
		       "or -errno";
	case WORDS_THROWN:
		return leat_gen_thrown_text;
	case WORDS_SCOPE:
		leat_scope_cause(c->arena->gen_set.scope, NULL, &text);
		break;
	case WORDS_INPUT:
		text = cold_of(c)->words;
		break;
	}
	return text;
}

/* Its input's end is its own; without the words where there is no memory for them. */
static void end_as_input(struct compact *c, const struct leat_input_end *input)
{
	struct cold *cold = input->text[0] == '\0' ? NULL : leat_compact_have_cold(c);

	c->cause = (uint8_t)input->cause;
	c->code = input->code;
	if (cold == NULL)
		return;
	cold->words = leat_os_alloc(LEAT_TEXT_MAX + 1, 0);
	if (cold->words == NULL)
		return;
	leat_text_copy(cold->words, input->text);
	c->words = WORDS_INPUT;
}

/* What the last value means. Whether it is a failure that its scope must hear of. */
static bool outcome(struct compact *c, int rc, const struct leat_input_end *input)
{
	/* K1: the scope's cause before CANCELED; pairs with cancel_one() */
	uint32_t ctl = leat_load_acq(ctl_of(c));
	struct leat_scope *scope = c->arena->gen_set.scope;
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
		c->words = WORDS_SCOPE;
		return false;
	}
	c->cause = LEAT_FAILED;
	c->code = rc;
	if (input->rc == rc && c->words == WORDS_NONE)
		end_as_input(c, input);
	return c->cause == LEAT_FAILED;
}

/* Of the many that end one by one, snapshots tell of those that failed. */
static void tell_of_failure(struct compact *c)
{
	const struct cold *cold = cold_of(c);
	struct leat_end *end;

	if (!leat_registry_has_listener())
		return;
	end = leat_os_alloc(sizeof(*end), 0);
	if (end != NULL) {
		end->kind = LEAT_NODE_GEN;
		end->gen.id = c->id + 1;
		end->gen.chan_id = c->id;
		end->gen.cause = LEAT_FAILED;
		end->gen.code = c->code;
		leat_name_copy(end->gen.name, cold != NULL ? cold->name : "");
		leat_text_copy(end->gen.text, leat_compact_text(c));
	}
	leat_registry_add_end(end);
}

static void end(struct compact *c, int rc, const struct leat_input_end *input, bool by_receiver)
{
	struct leat_arena *arena = c->arena;
	uint32_t done = by_receiver ? CTL_TURNS_DONE : 0; /* he is not about to close it */
	bool failed;

	if (c->fini != NULL)
		c->fini(c->state);
	failed = outcome(c, rc, input);
	leat_registry_count_exit((enum leat_cause)c->cause);
	if (failed)
		tell_of_failure(c);
	/* K1: items, cause before TX_GONE; pairs with attempt(), status() */
	leat_or_acqrel(ctl_of(c), LEAT_CTL_TX_GONE | done);
	published(c);
	if (failed)
		leat_scope_fail(arena->gen_set.scope, c->code, leat_compact_text(c),
		                &arena->gen_set.hook, c);
	leat_compact_leave(c, CTL_TURNS_DONE, true);
}

static uint64_t room_of(const struct compact *c)
{
	/* A2: slots free; pairs with R2; rlx: this side's own */
	return c->capacity - (leat_load_rlx(&c->tail) - leat_load_acq(&c->head));
}

static int refusal(struct compact *c)
{
	/*
	 * K1: what was done before the cancel or the close, for fini; pairs with cancel_one(),
	 * close_rx()
	 */
	uint32_t ctl = leat_load_acq(ctl_of(c));

	if (ctl & LEAT_CTL_CANCELED)
		return -ECANCELED;
	return ctl & LEAT_CTL_RX_GONE ? -EPIPE : 0;
}

/*
 * Runs up to n steps, as far as there is room. Answers what next did last: 1 if it is to be asked
 * again.
 */
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
		step->input.rc = 0;
		/* R1: items before tail; pairs with A1 in available() */
		leat_store_rel(&c->tail, ++tail);
		published(c);
		room--;
	}
	if (rc > 1 && !leat_await_asked(step, rc)) {
		c->words = WORDS_BROKEN;
		return -EINVAL;
	}
	return rc;
}

/* A step asked to be called again later. An enum leat_job_result, or -errno. */
static int wait_for(struct compact *c, const struct leat_step *step, int rc)
{
	struct cold *cold;

	if (rc == LEAT_AFTER)
		return leat_await_begin(NULL, &c->job, step, rc);
	cold = leat_compact_have_cold(c);
	if (cold == NULL)
		return -ENOMEM;
	if (cold->await.job == NULL)
		leat_await_init(&cold->await, &c->job);
	return leat_await_begin(&cold->await, &c->job, step, rc);
}

/* What a turn has set up on its thread. */
struct turn {
	struct compact *c;
	struct leat_scope *outer;
	struct leat_step step;
	bool by_receiver, returned;
};

static void turn_begin(struct turn *turn, struct compact *c, bool by_receiver)
{
	turn->c = c;
	turn->by_receiver = by_receiver;
	turn->returned = false;
	turn->outer = leat_scope_current;
	leat_step_begin(&turn->step);
	leat_scope_current = c->arena->gen_set.scope;
}

/*
 * Also where an exception leaves the turn, which goes on to the receive that gave it: the generator
 * has failed.
 */
static void turn_end(struct turn *turn)
{
	if (leat_unlikely(!turn->returned)) {
		turn->c->words = WORDS_THROWN;
		end(turn->c, -EINVAL, &turn->step.input, turn->by_receiver);
	}
	leat_scope_current = turn->outer;
	leat_step_end(&turn->step);
}

/*
 * Steps, with the thread set up for it, and what follows from how they ended. Returns what steps()
 * does.
 */
static int run_steps(struct compact *c, uint32_t n, bool measure, bool by_receiver, int *later)
{
	struct turn turn __attribute__((cleanup(turn_end)));
	uint64_t before = leat_load_rlx(&c->tail); /* rlx: this side's own */
	int64_t since_ns = measure ? leat_now_ns() : 0;
	int rc;

	turn_begin(&turn, c, by_receiver);
	rc = steps(c, &turn.step, n);
	turn.returned = true;
	if (measure)
		/* rlx: a hint; as before */
		leat_store_rlx(&c->cost,
		               leat_steps_cost(since_ns, leat_load_rlx(&c->tail) - before));
	if (rc == 1 && (rc = refusal(c)) == 0)
		rc = 1;
	if (rc > 1) {
		*later = wait_for(c, &turn.step, rc);
		rc = *later < 0 ? *later : rc;
	}
	if (rc <= 0)
		end(c, rc, &turn.step.input, by_receiver);
	return rc;
}

/* One turn of n steps at the most. */
enum leat_job_result leat_compact_turn(struct compact *c, uint32_t n, bool measure,
                                       bool by_receiver)
{
	struct cold *cold = cold_of(c);
	int rc, later = LEAT_JOB_PARK;

	if (cold != NULL && cold->await.job != NULL)
		leat_await_end(&cold->await);
	rc = run_steps(c, n, measure, by_receiver, &later);
	if (rc <= 0)
		return LEAT_JOB_OVER;
	if (rc > 1)
		return (enum leat_job_result)later;
	return room_of(c) > 0 ? LEAT_JOB_MORE : LEAT_JOB_PARK;
}

/* On a worker. Short steps are the receiver's own, once it has come for the first. */
static enum leat_job_result worker_turn(struct leat_job *job)
{
	struct compact *c = compact_of_job(job);
	uint32_t cost = leat_load_rlx(&c->cost); /* rlx: this side's own */
	/* rlx: the same */
	bool measure = cost == 0 || leat_load_rlx(&c->tail) % MEASURE_EVERY == 2;
	enum leat_job_result what =
		leat_compact_turn(c, leat_steps_within(cost, LEAT_COST_TURN), measure, false);

	if (what == LEAT_JOB_MORE && !pushed(c) && leat_load_rlx(&c->head) > 0) /* rlx: a hint */
		what = LEAT_JOB_PARK;
	return what;
}

static bool job_ready(const struct leat_job *job)
{
	struct compact *c = compact_of_job(job);

	/* rlx: J3 orders them */
	if (leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE))
		return true;
	/* rlx: J3 orders it */
	return room_of(c) > 0 && (pushed(c) || leat_load_rlx(&c->waiter) != 0);
}

static struct leat_pool *job_pool(const struct leat_job *job)
{
	return compact_of_job(job)->arena->pool;
}

static uint64_t job_id(const struct leat_job *job)
{
	return compact_of_job(job)->id + 1;
}

static const struct leat_job_kind job_kind = { worker_turn, job_ready, job_pool, job_id };

/* --- the arena's part --- */

/*
 * What a cancel has found under the gen_set's lock, and wakes without it: receivers that stand, and
 * jobs.
 */
struct found {
	const void *spared;
	struct compact *receivers[LEAT_ARENA_AT_ONCE];
	struct woken {
		struct leat_job *job;
		bool timed;
	} jobs[LEAT_ARENA_AT_ONCE];
	unsigned receivers_count, jobs_count;
};

/* Under the tree's lock and the gen_set's. */
static void cancel_one(void *block, void *arg)
{
	struct found *found = arg;
	struct compact *c = block;
	uint32_t ctl = leat_load_rlx(ctl_of(c)); /* rlx: the swap decides */
	bool timed;

	if (c == found->spared)
		return;
	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_RX_GONE))
			return;
		/* K1: pairs with attempt(), refusal() */
	} while (!leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_CANCELED));
	if (publish(c) && leat_compact_notify_begin(c))
		found->receivers[found->receivers_count++] = c;
	if (!(ctl & LEAT_CTL_TX_GONE) && leat_job_wake_begin(&c->job, false, &timed)) {
		found->jobs[found->jobs_count].job = &c->job;
		found->jobs[found->jobs_count++].timed = timed;
	}
}

/* Under the tree's lock. */
static void wake_found(void *arg)
{
	struct found *found = arg;

	while (found->receivers_count > 0)
		leat_compact_notify_finish(found->receivers[--found->receivers_count]);
	if (found->jobs_count == 0)
		return;
	leat_rcu_read_lock(); /* once the last is in a queue, all may end and the pool be closed */
	while (found->jobs_count > 0) {
		const struct woken *woken = &found->jobs[--found->jobs_count];

		leat_job_wake_finish(woken->job, woken->timed);
	}
	leat_rcu_read_unlock();
}

static void cancel(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_gen_set *gen_set = caa_container_of(hook, struct leat_gen_set, hook);
	struct leat_arena *arena = caa_container_of(gen_set, struct leat_arena, gen_set);
	struct found found = { .spared = spared };

	leat_spin_lock(&gen_set->lock);
	gen_set->canceled = true; /* none begins after this */
	leat_spin_unlock(&gen_set->lock);
	leat_arena_for_each(arena, cancel_one, wake_found, &found)
		;
}

/* What a look adds up. */
struct figures {
	struct leat_arena *arena;
	uint64_t tails, heads;
	struct leat_pool_stat *stat;
};

/* The block's cold is not freed meanwhile, under the lock, if this is still its id. */
static void name_long_turn(struct figures *figures, struct compact *c, uint64_t id)
{
	struct leat_spin *lock = &figures->arena->gen_set.lock;
	const struct cold *cold;

	leat_spin_lock(lock);
	cold = leat_load_rlx(&c->id) == id ? cold_of(c) : NULL; /* rlx: cleared under the lock */
	if (cold != NULL)
		memcpy(figures->stat->long_name, cold->name, sizeof(cold->name));
	leat_spin_unlock(lock);
}

/* Under no lock: the block may go meanwhile, and come into use again. */
static void look_at_one(void *block, void *arg)
{
	struct figures *figures = arg;
	struct compact *c = block;
	uint64_t id = leat_load_acq(&c->id), head, tail; /* B2: pairs with begin_block() */

	if (id == 0)
		return;
	/* B1: pairs with begin_block(); and R2: what was dropped is counted */
	head = leat_load_acq(&c->head);
	tail = leat_load_acq(&c->tail);  /* B1: the same */
	if (leat_load_rlx(&c->id) != id) /* rlx: B1 orders it */
		return;
	figures->heads += head;
	figures->tails += tail;
	if (id + 1 == figures->stat->long_id)
		name_long_turn(figures, c, id);
}

/*
 * Nothing is told of that was not: what ends meanwhile may be left out, and is in the next look's;
 * and what is dropped meanwhile is counted as dropped, and not as delivered.
 */
void leat_compact_read_stat(struct leat_pool_user *user, struct leat_pool_stat *stat)
{
	struct leat_arena *arena = caa_container_of(user, struct leat_arena, user);
	struct figures figures = { arena, 0, 0, stat };
	uint64_t dropped = 0;
	bool any;

	leat_spin_lock(&arena->gen_set.lock);
	any = arena->gen_set.holds > 0;
	stat->generators += arena->gen_set.live;
	figures.tails = arena->accepted;
	figures.heads = arena->received;
	leat_spin_unlock(&arena->gen_set.lock);
	if (any)
		leat_arena_for_each_unlocked(arena, look_at_one, &figures)
			;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		/* rlx: a number; those of heads that were seen are in it */
		uint64_t now = leat_load_rlx(&arena->dropped[reason]);

		stat->dropped[reason] += now;
		dropped += now;
	}
	if (figures.heads < dropped)
		figures.heads = dropped;
	if (figures.tails < figures.heads)
		figures.tails = figures.heads;
	stat->delivered += figures.heads - dropped;
	stat->offered += figures.tails;
}

/*
 * Under the gen_set's lock: whether the last one that was started with nobody told of it has not
 * had a turn yet.
 */
static bool has_unstarted(const struct leat_arena *arena)
{
	const struct compact *c = arena->unstarted;

	/* rlx: who finds it IDLE may wake it */
	return c != NULL && leat_load_rlx(&c->job.run) == LEAT_RUN_IDLE &&
	       leat_load_rlx(&c->tail) == 0;
}

bool leat_compact_wake_unstarted(struct leat_pool_user *user)
{
	struct leat_arena *arena = caa_container_of(user, struct leat_arena, user);
	struct leat_job *job = NULL;
	bool waits, timed;

	leat_spin_lock(&arena->gen_set.lock);
	waits = has_unstarted(arena);
	if (waits && arena->unstarted_seen) {
		job = &((struct compact *)arena->unstarted)->job;
		if (!leat_job_wake_begin(job, true, &timed))
			job = NULL; /* its receiver has run it just now */
		waits = false;
	}
	arena->unstarted_seen = user->unstarted_listed = waits;
	if (!waits)
		arena->unstarted = NULL;
	leat_spin_unlock(&arena->gen_set.lock);
	if (job != NULL)
		leat_job_wake_finish(job, timed);
	return waits;
}

void leat_compact_arena_init(struct leat_arena *arena)
{
	arena->foreign = (struct leat_rx_ops_word){ LEAT_CTL_RX_OPS, &leat_compact_receiver };
	arena->gen_set.hook.cancel = cancel;
}

bool leat_compact_suits(const struct leat_chan_opts *opts, size_t item_size)
{
	return opts->kind == LEAT_SPSC && opts->overflow == LEAT_BLOCK && !opts->full_fence &&
	       opts->capacity != 0 && opts->capacity <= LEAT_COMPACT_BYTES &&
	       item_size <= LEAT_COMPACT_BYTES &&
	       opts->capacity * item_size <= LEAT_COMPACT_BYTES && leat_item_align(item_size) <= 16;
}

/* Memory for what most have not. False: there is none. */
static bool make_cold(const struct leat_chan_opts *opts, struct cold **cold)
{
	*cold = NULL;
	if (opts->name == NULL && opts->discard == NULL && opts->recv_wait == LEAT_WAIT_ADAPTIVE)
		return true;
	*cold = leat_os_alloc(sizeof(**cold), 0);
	if (*cold == NULL)
		return false;
	(*cold)->waits.wake_fd = -1;
	(*cold)->discard = opts->discard;
	(*cold)->discard_arg = opts->discard_arg;
	(*cold)->recv_wait = opts->recv_wait;
	leat_name_copy((*cold)->name, opts->name);
	return true;
}

/*
 * Under the gen_set's lock, which it may let go of and take again: a block, or NULL with *rc set.
 */
static struct compact *alloc_block(struct leat_arena *arena, size_t bytes, int *rc)
{
	struct leat_slab *slab;
	struct compact *c;

	while ((c = leat_arena_alloc(arena, bytes, &slab)) == NULL) {
		*rc = leat_arena_grow(arena, bytes);
		if (*rc == 0 && arena->gen_set.canceled)
			*rc = -ECANCELED; /* meanwhile, so that no walk would find it */
		if (*rc < 0)
			return NULL;
	}
	c->slab = slab;
	return c;
}

/*
 * Under the gen_set's lock: a block that counts and can be cancelled. NULL, with *rc set, and the
 * lock gone.
 */
static struct compact *make(struct leat_arena *arena, size_t bytes, int *rc)
{
	struct compact *c;

	*rc = leat_gen_set_begin(&arena->gen_set);
	if (*rc < 0) {
		leat_spin_unlock(&arena->gen_set.lock);
		return NULL;
	}
	c = alloc_block(arena, bytes, rc);
	if (c == NULL)
		leat_gen_set_leave(&arena->gen_set, true, false);
	return c;
}

/* Under the gen_set's lock. A look may stand at the block: of what it reads, id comes last. */
static void begin_block(struct compact *c, struct cold *cold, const struct leat_seq *seq,
                        size_t capacity)
{
	leat_store_rel(&c->head, 0); /* B1: id was cleared; pairs with look_at_one() */
	leat_store_rel(&c->tail, 0); /* B1: the same */
	c->fast = NULL;
	c->pos = c->limit = 0;
	c->put_at = c->take_at = 0;
	c->word = &((struct leat_rx *)c)->ring.never;
	leat_store_rlx(&c->cost, 0); /* rlx: found by the lock that is held, or a queue's */
	c->held = 0;
	c->cause = 0;
	c->open = true;
	c->item_size = seq->item_size;
	leat_job_init(&c->job, &job_kind);
	leat_store_rlx(ctl_of(c), 0);  /* rlx: as cost */
	leat_store_rlx(&c->waiter, 0); /* rlx: as cost */
	c->next = seq->next;
	c->state = seq->state;
	c->fini = seq->fini;
	leat_store_rlx(&c->cold, (uint64_t)(uintptr_t)cold); /* rlx: as cost */
	c->code = 0;
	c->capacity = (uint16_t)capacity;
	c->words = WORDS_NONE;
	leat_store_rel(&c->id, leat_arena_id(c->arena)); /* B2: pairs with look_at_one() */
}

/*
 * Under the gen_set's lock, which it lets go of: the first turn is given by the receiver, who most
 * often comes at once, or by a worker that finds it not yet given. Only one stands so at a time;
 * the others, and all that workers alone may run, are queued.
 */
static void place(struct leat_arena *arena, struct compact *c)
{
	struct leat_pool *pool = arena->pool;
	bool tell;

	if (arena->workers_only || has_unstarted(arena)) {
		c->job.run = LEAT_RUN_QUEUED; /* nobody finds it before it is in a queue */
		leat_spin_unlock(&arena->gen_set.lock);
		leat_job_start(&c->job, !arena->workers_only);
		return;
	}
	arena->unstarted = c;
	arena->unstarted_seen = false;
	tell = leat_pool_add_unstarted(pool, &arena->user);
	if (tell)
		leat_rcu_read_lock();
	leat_spin_unlock(&arena->gen_set.lock);
	if (!tell)
		return;
	leat_pool_notify_unstarted(pool);
	leat_rcu_read_unlock();
}

int leat_compact_start(struct leat_scope *scope, const struct leat_seq *seq,
                       const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	struct leat_arena *arena;
	struct cold *cold;
	struct compact *c;
	int rc;

	arena = leat_arena_of(scope, opts->pool, &rc);
	if (arena == NULL)
		return rc;
	if (!make_cold(&opts->chan, &cold))
		return -ENOMEM;
	leat_spin_lock(&arena->gen_set.lock);
	c = make(arena, offsetof(struct compact, slots) + opts->chan.capacity * seq->item_size,
	         &rc);
	if (c == NULL) {
		leat_os_free(cold);
		return rc;
	}
	begin_block(c, cold, seq, opts->chan.capacity);
	*rx = (struct leat_rx *)c;
	place(arena, c);
	return 0;
}
