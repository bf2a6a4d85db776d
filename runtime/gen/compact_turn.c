/*
 * The turns of a compact generator: its steps, and what the last one ends with. The thread that
 * runs the job is a worker, or the receiver's own (by_receiver).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/gen/compact_block.h"
#include "runtime/gen/gen.h"
#include "runtime/registry/registry.h"

static struct compact *compact_of_job(const struct leat_job *job)
{
	return leat_container_of(job, struct compact, job);
}

const char *leat_compact_text(const struct compact *c)
{
	const char *text = "";

	switch ((enum end_text)c->end_text) {
	case END_TEXT_NONE:
		break;
	case END_TEXT_BROKEN:
		return "next returned a value that it must not: 1, 0, a wait that was asked for, "
		       "or -errno";
	case END_TEXT_THROWN:
		return leat_gen_thrown_text;
	case END_TEXT_SCOPE:
		leat_scope_cause(c->arena->gen_set.scope, NULL, &text);
		break;
	case END_TEXT_STOP:
		return leat_scope_stop_text(c->arena->gen_set.scope);
	case END_TEXT_INPUT:
		text = cold_of(c)->input_text;
		break;
	}
	return text;
}

/* Takes over its input's end; without the text if there is no memory for it. */
static void adopt_input_end(struct compact *c, const struct leat_input_end *input)
{
	struct cold *cold = input->text[0] == '\0' ? NULL : leat_compact_ensure_cold(c);

	c->cause = (uint8_t)input->cause;
	c->code = input->code;
	if (cold == NULL)
		return;
	cold->input_text = leat_os_alloc(LEAT_TEXT_MAX + 1, 0);
	if (cold->input_text == NULL)
		return;
	leat_text_copy(cold->input_text, input->text);
	c->end_text = END_TEXT_INPUT;
}

/*
 * Sets cause, code and text of the end by the last value of next. Returns whether it is a failure
 * that must cancel the scope, and stores whether that began here and not in the input.
 */
static bool set_outcome(struct compact *c, int rc, const struct leat_step *step, bool *origin)
{
	const struct leat_input_end *input = &step->input;
	/* K1: the scope's cause before CANCELED; pairs with cancel_block() */
	uint32_t ctl = leat_load_acq(ctl_of(c));
	struct leat_scope *scope = c->arena->gen_set.scope;
	int code = 0;

	if (rc == -ECANCELED && !(ctl & LEAT_CTL_CANCELED)) {
		leat_scope_settle(scope);       /* a cancel may be on its way to this channel */
		ctl = leat_load_acq(ctl_of(c)); /* K1: the same, of a cancel that came since */
	}
	c->cause = LEAT_COMPLETED;
	if (ctl & LEAT_CTL_STOPPING && (rc == -ESHUTDOWN || (rc == 0 && step->told))) {
		c->cause = LEAT_STOPPED;
		c->end_text = END_TEXT_STOP;
		return false;
	}
	if (rc == 0)
		return false;
	if (rc == -EPIPE && ctl & LEAT_CTL_RX_GONE && !(ctl & LEAT_CTL_CANCELED)) {
		c->cause = LEAT_ABANDONED;
		return false;
	}
	if (rc == -ECANCELED && ctl & LEAT_CTL_CANCELED) {
		c->cause = (uint8_t)leat_scope_cause(scope, &code, NULL);
		c->code = code;
		c->end_text = END_TEXT_SCOPE;
		return false;
	}
	c->cause = LEAT_FAILED;
	c->code = rc;
	*origin = true;
	if (input->rc == rc && c->end_text == END_TEXT_NONE) {
		*origin = input->by_itself;
		adopt_input_end(c, input);
	}
	return c->cause == LEAT_FAILED;
}

/*
 * Records a failed end for snapshots. Compact generators are many, so those that end well are only
 * counted.
 */
static void record_failed_end(struct compact *c, bool origin)
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
		end->gen.origin = origin;
		end->gen.ended_ns = leat_now_ns();
		leat_name_copy(end->gen.name, cold != NULL ? cold->name : "");
		leat_text_copy(end->gen.text, leat_compact_text(c));
	}
	leat_registry_add_end(end);
}

static void end_generator(struct compact *c, int rc, const struct leat_step *step, bool by_receiver)
{
	struct leat_arena *arena = c->arena;
	/* a receiver that gives the last turn is not about to close the channel */
	uint32_t done = by_receiver ? CTL_TURNS_DONE : 0;
	bool origin = false, failed;

	if (c->fini != NULL)
		c->fini(c->state);
	leat_step_drop_place(leat_step_current);
	failed = set_outcome(c, rc, step, &origin);
	leat_registry_count_exit((enum leat_cause)c->cause);
	if (failed)
		record_failed_end(c, origin);
	/* K1: items, cause before TX_GONE; pairs with take_items(), compact_status() */
	leat_or_acqrel(ctl_of(c), LEAT_CTL_TX_GONE | done);
	notify_receiver(c);
	if (failed)
		leat_scope_fail(arena->gen_set.scope, c->code, leat_compact_text(c),
		                &arena->gen_set.hook, c);
	leat_compact_leave(c, CTL_TURNS_DONE, true);
}

static uint64_t count_room(const struct compact *c)
{
	/* A2: slots are free; pairs with R2; rlx: only this side writes tail */
	return c->capacity - (leat_load_rlx(&c->tail) - leat_load_acq(&c->head));
}

static int read_refusal(struct compact *c)
{
	/*
	 * K1: fini may use what other threads did before the cancel or the close; pairs with
	 * cancel_block(), compact_close()
	 */
	uint32_t ctl = leat_load_acq(ctl_of(c));

	if (ctl & LEAT_CTL_CANCELED)
		return -ECANCELED;
	if (ctl & LEAT_CTL_RX_GONE)
		return -EPIPE;
	return leat_unlikely(ctl & LEAT_CTL_STOPPING) ? -ESHUTDOWN : 0;
}

/*
 * Runs up to n steps, as far as there is room. Returns the last value of next, or 1 if no step
 * ended it; -ECANCELED or -EPIPE if the channel has ended.
 */
static int make_items(struct compact *c, struct leat_step *step, uint32_t n)
{
	uint64_t tail = leat_load_rlx(&c->tail); /* rlx: only this side writes it */
	bool stopped = false;
	int rc = 1;

	for (uint32_t room = 0, i = 0; i < n && rc == 1; i++) {
		if (room == 0 && (room = (uint32_t)count_room(c)) == 0)
			return 1;
		rc = read_refusal(c);
		stopped = rc == -ESHUTDOWN;
		/* one that a stop finds asleep is called once more, so that it hears of it */
		if (rc < 0 && !(stopped && c->asked))
			return rc;
		rc = c->next(c->state, slot_at(c, c->put_at));
		c->asked = rc > 1;
		if (rc != 1)
			break;
		c->put_at = slot_after(c, c->put_at, 1);
		step->input.rc = 0;
		/* R1: items before tail; pairs with A1 in count_available() */
		leat_store_rel(&c->tail, ++tail);
		notify_receiver(c);
		room--;
	}
	if (rc > 1 && !leat_await_asked(step, rc)) {
		c->end_text = END_TEXT_BROKEN;
		return -EINVAL;
	}
	return rc > 1 && stopped ? -ESHUTDOWN : rc;
}

/* A step asked to be called again later. Returns an enum leat_job_result, or -errno. */
static int await_for_step(struct compact *c, struct leat_step *step, int rc)
{
	struct cold *cold;

	if (rc == LEAT_AFTER)
		return leat_await_begin(NULL, &c->job, step, rc);
	cold = leat_compact_ensure_cold(c);
	if (cold == NULL) {
		leat_step_drop_place(step);
		return -ENOMEM;
	}
	if (cold->await.job == NULL)
		leat_await_init(&cold->await, &c->job);
	return leat_await_begin(&cold->await, &c->job, step, rc);
}

/* What a turn sets up on its thread. */
struct turn {
	struct compact *c;
	struct leat_scope *outer;
	struct leat_step step;
	bool by_receiver, returned;
};

static void begin_compact_turn(struct turn *turn, struct compact *c, bool by_receiver)
{
	turn->c = c;
	turn->by_receiver = by_receiver;
	turn->returned = false;
	turn->outer = leat_scope_current;
	leat_step_begin(&turn->step);
	leat_input_forget_eviction();
	turn->step.ctl = ctl_of(c);
	if (cold_of(c) != NULL && cold_of(c)->await.job != NULL)
		leat_await_resume(&cold_of(c)->await, &turn->step);
	leat_scope_current = c->arena->gen_set.scope;
}

/*
 * Runs when the turn is left, also by an exception. An exception goes on to the caller of the
 * receive that gave the turn, and the generator has failed.
 */
static void end_compact_turn(struct turn *turn)
{
	if (leat_unlikely(!turn->returned)) {
		leat_step_drop_place(&turn->step);
		turn->c->end_text = END_TEXT_THROWN;
		end_generator(turn->c, -EINVAL, &turn->step, turn->by_receiver);
	}
	leat_scope_current = turn->outer;
	leat_step_end(&turn->step);
}

/*
 * Steps, with the thread set up for it, and what follows from how they ended. Returns what
 * make_items() does.
 */
static int run_block_steps(struct compact *c, uint32_t n, bool measure, bool by_receiver,
                           int *later)
{
	struct turn turn __attribute__((cleanup(end_compact_turn)));
	uint64_t before = leat_load_rlx(&c->tail); /* rlx: only this side writes it */
	int64_t since_ns = measure ? leat_now_ns() : 0;
	int rc;

	begin_compact_turn(&turn, c, by_receiver);
	rc = make_items(c, &turn.step, n);
	turn.returned = true;
	if (rc != LEAT_READY)
		leat_step_drop_place(&turn.step);
	if (measure)
		/* rlx: a hint; as before */
		leat_store_rlx(&c->cost,
		               leat_steps_cost(since_ns, leat_load_rlx(&c->tail) - before));
	if (rc == 1 && (rc = read_refusal(c)) == 0)
		rc = 1;
	if (rc > 1) {
		*later = await_for_step(c, &turn.step, rc);
		rc = *later < 0 ? *later : rc;
	}
	leat_input_note_eviction(&turn.step.input, rc);
	if (rc <= 0)
		end_generator(c, rc, &turn.step, by_receiver);
	return rc;
}

enum leat_job_result leat_compact_run_turn(struct compact *c, uint32_t n, bool measure,
                                           bool by_receiver)
{
	struct cold *cold = cold_of(c);
	int rc, later = LEAT_JOB_PARK;

	if (cold != NULL && cold->await.job != NULL)
		leat_await_end(&cold->await);
	rc = run_block_steps(c, n, measure, by_receiver, &later);
	if (rc <= 0)
		return LEAT_JOB_OVER;
	if (rc > 1)
		return (enum leat_job_result)later;
	return count_room(c) > 0 ? LEAT_JOB_MORE : LEAT_JOB_PARK;
}

/* On a worker. Short steps are left to the receiver, once it has received. */
static enum leat_job_result compact_worker_turn(struct leat_job *job)
{
	struct compact *c = compact_of_job(job);
	uint32_t cost = leat_load_rlx(&c->cost); /* rlx: only this side writes it */
	/* rlx: the same */
	bool measure = cost == 0 || leat_load_rlx(&c->tail) % MEASURE_EVERY == 2;
	enum leat_job_result what =
		leat_compact_run_turn(c, leat_steps_within(cost, LEAT_COST_TURN), measure, false);

	/* rlx: a hint */
	if (what == LEAT_JOB_MORE && !is_run_by_workers(c) && leat_load_rlx(&c->head) > 0)
		what = LEAT_JOB_PARK;
	return what;
}

/*
 * The job parks: whether its next turn can come after all. A job that its receiver runs waits for a
 * receiver that waits.
 */
static bool compact_job_ready(const struct leat_job *job)
{
	struct compact *c = compact_of_job(job);

	/* rlx: J3 orders them */
	if (leat_load_rlx(ctl_of(c)) & (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_STOPPING))
		return true;
	/* rlx: J3 orders it */
	return count_room(c) > 0 && (is_run_by_workers(c) || leat_load_rlx(&c->waiter) != 0);
}

static struct leat_pool *compact_job_pool(const struct leat_job *job)
{
	return compact_of_job(job)->arena->pool;
}

static uint64_t compact_job_id(const struct leat_job *job)
{
	return compact_of_job(job)->id + 1;
}

const struct leat_job_kind leat_compact_job_kind = { compact_worker_turn, compact_job_ready,
	                                             compact_job_pool, compact_job_id };
