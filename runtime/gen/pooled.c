/*
 * A job with an ordinary channel: for a seq the one that it sends into, for a sink a task's, which
 * a cancel reaches.
 *
 * Between two turns the job waits at one event of its channel: at `room` if it waits for that, else
 * at `done`; and, by its struct leat_await, for what its step asked for. All of these wake the job
 * by the same function.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/pooled.h"
#include "runtime/chan/waitable.h"
#include "runtime/gen/await.h"
#include "runtime/gen/gen.h"

#include <string.h>

/* What steps end with, beside values of next and put. FULL: there is no room. */
enum { FULL = LEAT_ITEM + 1, MORE = 1 };

struct pooled {
	struct leat_producer producer; /* first: the channel frees it */
	struct leat_job job;
	struct leat_await await;
	struct leat_waiter waiter; /* on the list of parked_at, if that is not NULL */
	struct leat_event *parked_at;
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct leat_tx *out;
	struct leat_gen_node *node;
	struct leat_rx *in; /* a sink's; NULL: a seq */
	struct leat_seq seq;
	struct leat_sink sink;
	const void *kept; /* the item that stays peeked at while its put waits, or NULL */
	bool asked;       /* the last next asked to be called again */
	unsigned cost, turns;
	bool workers_only; /* as the pool's, which may be closed before the channel */
};

static struct pooled *pooled_of(const struct leat_job *job)
{
	return leat_container_of(job, struct pooled, job);
}

/* Whether receivers run it; else its steps are long enough to be worth a worker. */
static bool is_run_by_receivers(const struct pooled *p)
{
	return p->in == NULL && p->cost < LEAT_COST_HEAVY && !p->workers_only;
}

/* --- steps --- */

/* Makes a failure of a value that next or put must not return. */
static int check_step_value(struct pooled *p, const struct leat_step *step, int rc)
{
	if (rc <= MORE || leat_await_asked(step, rc))
		return rc;
	return leat_gen_fail_value(p->out, p->in != NULL ? "put" : "next", rc,
	                           "1, 0, what leat_after() and its like returned, or -errno");
}

static int run_seq_steps(struct pooled *p, struct leat_step *step, uint32_t n, uint32_t *done)
{
	struct leat_handle *h = leat_handle_of_tx(p->out);
	bool stopped = false;
	void *slot;
	int rc = MORE;

	for (*done = 0; *done < n && rc == MORE; *done += rc == MORE) {
		stopped = leat_handle_is_stopped(h);
		/* one that a stop finds asleep is called once more, so that it hears of it */
		h->last_call = p->asked;
		rc = (int)leat_reserve(p->out, 1, &slot);
		h->last_call = false;
		if (rc == -EDEADLK)
			return FULL;
		if (rc < 0)
			return rc;
		rc = check_step_value(p, step, p->seq.next(p->seq.state, slot));
		leat_commit(p->out, rc == 1);
		p->asked = rc > MORE;
		h->mark.told |= step->told;
		if (rc == 1)
			step->input.rc = 0;
	}
	return p->asked && stopped ? -ESHUTDOWN : rc;
}

/*
 * Peeks at up to n items, into *items. Invariant: what is peeked at and not put can be given back.
 * If not: the sink would keep, and at its end discard, items that another receiver should have.
 * Therefore: where others may receive from the input, a peek takes one item; elsewhere nothing
 * moves the position behind the peek, and leat_release() of fewer than were peeked at succeeds.
 */
static ssize_t peek_items(struct pooled *p, struct leat_step *step, uint32_t n, const void **items)
{
	ssize_t there;

	leat_must_not_wait++;
	there = leat_peek(p->in, leat_rx_is_shared(p->in) ? 1 : n, items);
	leat_must_not_wait--;
	if (there == -EDEADLK) {
		step->rx = p->in;
		return -EAGAIN;
	}
	return there;
}

/*
 * Puts up to n items. An item whose put waits is that put's until it is called again: where another
 * receiver could take the item meanwhile, the sink keeps it peeked at. Returns MORE, 0 for the end,
 * what put waits for, or -errno.
 */
static int put_items(struct pooled *p, struct leat_step *step, uint32_t n, uint32_t *done)
{
	const void *items = p->kept;
	ssize_t there = 1;
	uint32_t put = 0;
	bool waits = false;
	int rc = 0;

	if (items == NULL)
		there = peek_items(p, step, n, &items);
	if (there == -EAGAIN)
		return LEAT_ITEM;
	if (there <= 0)
		return leat_input_ended(p->in, (int)there);
	while (put < (uint32_t)there && rc == 0) {
		rc = p->sink.put(p->sink.state, (const char *)items + put * p->in->spsc.item_size);
		waits = rc > 1 && leat_await_asked(step, rc);
		put += !waits;
	}
	p->kept = waits && leat_rx_is_shared(p->in) ? items : NULL;
	if (p->kept == NULL)
		leat_release(p->in, put);
	*done += put;
	if (rc == 0) {
		step->input.rc = 0;
		return MORE;
	}
	return rc == 1 ? 0 : check_step_value(p, step, rc);
}

/*
 * A small channel never holds many items, and it is the next peek that makes its generator run. To
 * peek again in the same turn is cheaper than a turn for each peek.
 */
static int run_sink_steps(struct pooled *p, struct leat_step *step, uint32_t n, uint32_t *done)
{
	int rc = MORE;

	for (*done = 0; *done < n && rc == MORE;) {
		rc = leat_tx_refusal(p->out);
		if (rc == 0)
			rc = put_items(p, step, n - *done, done);
	}
	return rc;
}

/* --- where it waits --- */

static bool has_room(const struct pooled *p)
{
	struct leat_chan *chan = p->out->chan;

	return chan->turns ? leat_mpmc_writable(&chan->mpmc)
	                   : leat_spsc_can_push(&leat_handle_of_tx(p->out)->spsc);
}

/* Waits at an event of the channel. Returns whether the recheck finds that it need not wait. */
static bool park_at_event(struct pooled *p, bool for_room)
{
	p->parked_at = for_room ? &p->out->chan->room : &p->out->chan->done;
	leat_event_prepare_wait(p->parked_at, &p->waiter);
	return leat_tx_refusal(p->out) != 0 || (for_room && has_room(p));
}

static void leave_events(struct pooled *p)
{
	if (p->parked_at != NULL)
		leat_event_remove_waiter(p->parked_at, &p->waiter);
	p->parked_at = NULL;
	leat_await_end(&p->await);
}

/* For J3: whether a receiver has parked meanwhile, which could not run the job as it was running.
 */
static bool pooled_job_ready(const struct leat_job *job)
{
	const struct pooled *p = pooled_of(job);

	if (p->in != NULL || p->parked_at == &p->out->chan->room)
		return false; /* the waiter, or what the step asked for, wakes it */
	/* rlx: J3 orders it */
	return leat_load_rlx(&p->out->chan->ctl) & LEAT_CTL_RX_PARKED && has_room(p);
}

/* --- turns --- */

/* Ends it. This is its last step: fini, and a discard in a close, must not wait either. */
static void finish_pooled(struct pooled *p, int rc, const struct leat_input_end *input)
{
	struct leat_scope *scope = p->scope;
	struct leat_pool *pool = p->pool;
	struct leat_scope *outer = leat_scope_current;
	struct leat_step step;

	leat_step_begin(&step);
	leat_scope_current = scope;
	leat_rx_close(p->in);
	if (p->in == NULL && p->seq.fini != NULL)
		p->seq.fini(p->seq.state);
	if (p->in != NULL && p->sink.fini != NULL)
		p->sink.fini(p->sink.state);
	leat_step_drop_place(&step);
	leat_gen_finish(scope, p->out, p->node, rc, input); /* the last touch of p */
	leat_scope_current = outer;
	leat_step_end(&step);
	leat_pool_let_go(pool);
	leat_scope_end(scope);
}

/*
 * Begins to wait for what the steps ended with. Returns an enum leat_job_result (LEAT_JOB_MORE: it
 * need not wait), or -errno.
 */
static int park_for_step(struct pooled *p, struct leat_step *step, int rc)
{
	int turn = LEAT_JOB_PARK;

	if (rc == LEAT_AFTER || rc == LEAT_READY || rc == LEAT_ITEM)
		turn = leat_await_begin(&p->await, &p->job, step, rc);
	if (turn != LEAT_JOB_PARK && turn != LEAT_JOB_AFTER)
		return turn;
	return park_at_event(p, rc == FULL && !is_run_by_receivers(p)) ? (int)LEAT_JOB_MORE : turn;
}

/* Returns what the turn ends with. here: a receiver runs it, and will come again. */
static enum leat_job_result conclude_turn(struct pooled *p, struct leat_step *step, int rc,
                                          bool here)
{
	int turn = LEAT_JOB_MORE;

	if (rc > MORE || (rc == MORE && here && is_run_by_receivers(p)))
		turn = park_for_step(p, step, rc);
	if (rc > 0 && (turn == LEAT_JOB_PARK || turn == LEAT_JOB_AFTER))
		return (enum leat_job_result)turn;
	leave_events(p);
	if (rc > 0 && turn == LEAT_JOB_MORE)
		return LEAT_JOB_MORE;
	finish_pooled(p, rc > 0 ? turn : rc, &step->input);
	return LEAT_JOB_OVER;
}

/* What steps set up on their thread. */
struct step_frame {
	struct pooled *p;
	struct leat_scope *outer;
	struct leat_step *step;
	bool returned;
};

/*
 * Runs when the steps are left, also by an exception. An exception goes on to the caller of the
 * receive that ran the step, and the generator has failed.
 */
static void end_frame(struct step_frame *frame)
{
	leat_scope_current = frame->outer;
	leat_step_end(frame->step);
	if (!frame->returned)
		leat_step_drop_place(frame->step);
	if (!frame->returned)
		finish_pooled(frame->p, leat_tx_fail(frame->p->out, -EINVAL, leat_gen_thrown_text),
		              &frame->step->input);
}

static int run_pooled_steps(struct pooled *p, struct leat_step *step, uint32_t n, uint32_t *done)
{
	struct step_frame frame __attribute__((
		cleanup(end_frame))) = { .p = p, .outer = leat_scope_current, .step = step };
	int rc;

	leat_step_begin(step);
	leat_input_forget_eviction();
	step->out = p->out;
	leat_await_resume(&p->await, step);
	leat_scope_current = p->scope;
	rc = p->in != NULL ? run_sink_steps(p, step, n, done) : run_seq_steps(p, step, n, done);
	frame.returned = true;
	leat_input_note_eviction(&step->input, rc);
	return rc;
}

static enum leat_job_result run_turn(struct pooled *p, uint32_t n, bool here)
{
	enum { MEASURE_EVERY = 16 };
	bool measure = p->cost == 0 || ++p->turns % MEASURE_EVERY == 0;
	struct leat_step step;
	int64_t since_ns;
	uint32_t done;
	int rc;

	leave_events(p);
	since_ns = measure ? leat_now_ns() : 0;
	rc = run_pooled_steps(p, &step, n, &done);
	if (measure && done > 0)
		p->cost = leat_steps_cost(since_ns, done);
	if (rc != LEAT_READY)
		leat_step_drop_place(&step);
	return conclude_turn(p, &step, rc, here);
}

static enum leat_job_result pooled_worker_turn(struct leat_job *job)
{
	struct pooled *p = pooled_of(job);

	return run_turn(p, leat_steps_within(p->cost, LEAT_COST_TURN), false);
}

static struct leat_pool *pooled_job_pool(const struct leat_job *job)
{
	return pooled_of(job)->pool;
}

static uint64_t pooled_job_id(const struct leat_job *job)
{
	return pooled_of(job)->node->node.id;
}

static const struct leat_job_kind pooled_job_kind = { pooled_worker_turn, pooled_job_ready,
	                                              pooled_job_pool, pooled_job_id };

static struct pooled *pooled_of_producer(struct leat_producer *producer)
{
	return leat_container_of(producer, struct pooled, producer);
}

static bool run_producer_here(struct leat_producer *producer)
{
	struct pooled *p = pooled_of_producer(producer);
	enum leat_job_result what;

	if (leat_must_not_wait >= LEAT_STEPS_NESTED || p->workers_only || !leat_job_claim(&p->job))
		return false;
	what = run_turn(p, p->cost == 0 ? 1 : leat_steps_within(p->cost, LEAT_COST_INLINE), true);
	leat_job_settle(&p->job, what, false);
	return true;
}

static void schedule_producer(struct leat_producer *producer)
{
	leat_job_schedule(&pooled_of_producer(producer)->job);
}

static void end_producer(struct leat_producer *producer)
{
	leat_job_wake_first(&pooled_of_producer(producer)->job);
}

/* --- starting --- */

static struct pooled *create_pooled(struct leat_scope *scope, const struct leat_gen_opts *opts)
{
	struct pooled *p = leat_os_alloc(sizeof(*p), 0);

	if (p == NULL)
		return NULL;
	p->node = leat_gen_node_alloc();
	if (p->node == NULL) {
		leat_os_free(p);
		return NULL;
	}
	p->producer.run_here = run_producer_here;
	p->producer.schedule = schedule_producer;
	p->producer.end = end_producer;
	p->scope = scope;
	p->pool = opts->pool;
	p->workers_only = leat_pool_workers_only(opts->pool);
	leat_job_init(&p->job, &pooled_job_kind);
	leat_await_init(&p->await, &p->job);
	p->waiter.sleeper = &p->await.sleeper;
	p->job.run = LEAT_RUN_QUEUED; /* no thread finds it before it is in a queue */
	return p;
}

/* Opens its channel and begins it as a generator; no step has run yet. On an error p is freed. */
static int open_pooled(struct pooled *p, size_t item_size, const struct leat_gen_opts *opts,
                       struct leat_rx **rx)
{
	int rc = leat_chan_create(p->scope, item_size, &opts->chan, &p->out, rx);

	if (rc < 0) {
		leat_gen_node_free(p->node);
		leat_os_free(p);
		return rc;
	}
	p->out->chan->producer = &p->producer;
	leat_pool_hold(p->pool);
	rc = leat_gen_begin(p->scope, p->out, p->node, LEAT_BY_SEQ, opts->chan.name);
	if (rc == 0)
		return 0;
	leat_pool_let_go(p->pool);
	leat_gen_node_free(p->node);
	if (rx != NULL)
		leat_rx_close(*rx);
	leat_tx_close(p->out); /* frees p */
	return rc;
}

int leat_pooled_start(struct leat_scope *scope, const struct leat_seq *seq,
                      const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	struct pooled *p = create_pooled(scope, opts);
	struct leat_rx *in;
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->seq = *seq;
	rc = open_pooled(p, seq->item_size, opts, &in);
	if (rc < 0)
		return rc;
	if (opts->source)
		leat_tx_source(p->out, true);
	*rx = in;
	leat_job_start(&p->job, !p->workers_only);
	return 0;
}

int leat_pooled_start_sink(struct leat_scope *scope, struct leat_rx *rx,
                           const struct leat_sink *sink, const struct leat_gen_opts *opts)
{
	struct pooled *p = create_pooled(scope, opts);
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->sink = *sink;
	p->in = rx;
	rc = open_pooled(p, 0, opts, NULL);
	if (rc == 0)
		leat_handle_note_fed(leat_handle_of_tx(p->out));
	if (rc == 0)
		leat_job_start(&p->job, false);
	return rc;
}
