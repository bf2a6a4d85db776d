/*
 * Judges a window: which stage limits what runs, and what kind of limit that is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/os/os.h"
#include "runtime/why/why.h"

#include <string.h>

/* Shares of the window, unless said. */
#define RUNQ_LEAST 0.2    /* of a thread that works, without a processor: these are too few */
#define RUNQ_ALONE 0.3    /* the same of a thread that does not work: its waits have it, too */
#define ORDER_LEAST 0.05  /* of workers in order, on average, until their turn */
#define ORDER_BLOCKED 0.1 /* with more, it is the receivers behind them that are slow */
#define SKEW_MOST 0.5     /* of the busiest thread's work, by the others on average */
#define ALIKE 0.92        /* of the busiest stage's work: another is as busy */
#define ALIKE_LEAST 0.8   /* and both are as busy as this */
#define WAITS_LEAST 0.5   /* of a source, or of a thread of the program */
#define WAKEUPS_LEAST 0.2 /* wake-ups, one after the other */
/* From a notification to running, with the call of the thread that wakes: docs/perf.md. */
#define WAKEUP_NS 25000.0
#define WAKEUPS_AN_ITEM 0.1 /* parks for each item */
#define PARKS_MORE 1.25     /* times as many parks as another channel: that is named instead */

/* What is judged, and the stages in it. */
struct judgement {
	const struct why_view *view;
	struct why_stage *stages;
	struct leat_verdict *verdict;
	size_t first, second; /* the stages that work most; stages_count: none */
};

static size_t none_of(const struct judgement *j)
{
	return j->view->why->stages_count;
}

static void find_busiest(struct judgement *j)
{
	j->first = j->second = none_of(j);
	for (size_t s = 0; s < none_of(j); s++) {
		if (j->stages[s].top == NULL)
			continue;
		if (j->first == none_of(j) || j->stages[s].work > j->stages[j->first].work) {
			j->second = j->first;
			j->first = s;
		} else if (j->second == none_of(j) ||
		           j->stages[s].work > j->stages[j->second].work) {
			j->second = s;
		}
	}
}

/*
 * A sender into a channel that drops is never blocked, so it and the receiver may both work all the
 * time. Items are dropped because the receiver is too slow: the receiver is named.
 */
static void prefer_dropping(struct judgement *j)
{
	size_t first = j->first;

	if (j->second == none_of(j) || j->stages[j->second].work < LEAT_WHY_WORKS ||
	    !why_drops_between(j->view, first, j->second))
		return;
	j->first = j->second;
	j->second = first;
}

static double at_most_one(double share)
{
	return share < 1 ? share : 1;
}

static void name_stage(struct judgement *j, size_t at)
{
	const struct leat_why *why = j->view->why;
	const struct why_stage *stage = &j->stages[at];
	struct leat_verdict *verdict = j->verdict;

	memcpy(verdict->stage, why->stages[at], sizeof(verdict->stage));
	memcpy(verdict->thread, stage->top->name, sizeof(verdict->thread));
	if (j->second != none_of(j) && at == j->first)
		memcpy(verdict->second, why->stages[j->second], sizeof(verdict->second));
	verdict->threads = stage->threads;
	verdict->paced_by = stage->top->paced_by;
	verdict->busy = at_most_one(stage->busy);
	verdict->paced = at_most_one(stage->paced);
	verdict->cpu = at_most_one(stage->cpu);
	verdict->runq = at_most_one(stage->runq);
	verdict->before_blocked = why_before_blocked(j->view, at);
	verdict->behind_starved = why_behind_starved(j->view, at);
}

/* --- a stage that works --- */

static double mean_of_others(const struct why_stage *stage)
{
	if (stage->threads < 2)
		return stage->work;
	return (stage->mean_work * stage->threads - stage->work) / (stage->threads - 1);
}

static bool is_skewed(const struct why_stage *stage)
{
	return stage->threads >= 2 && !stage->top->is_pool &&
	       mean_of_others(stage) < SKEW_MOST * stage->work;
}

/* What it is busy with, besides. */
static double in_calls(const struct why_stage *stage)
{
	double rest = stage->busy - stage->cpu - stage->runq;

	return rest > 0 ? rest : 0;
}

static bool wants_cores(const struct why_stage *stage)
{
	return stage->runq >= RUNQ_LEAST && stage->busy >= stage->paced &&
	       in_calls(stage) < stage->busy / 2;
}

/* Both work nearly all of the time, in the same way. */
static bool is_balanced(const struct judgement *j)
{
	const struct why_stage *first = &j->stages[j->first], *second;

	if (j->second == none_of(j))
		return false;
	second = &j->stages[j->second];
	return !why_drops_between(j->view, j->second, j->first) && second->work >= ALIKE_LEAST &&
	       second->work >= ALIKE * first->work;
}

static enum leat_limit kind_of_work(const struct why_stage *stage)
{
	if (stage->paced > stage->busy)
		return LEAT_LIMIT_PACED;
	if (is_skewed(stage))
		return LEAT_LIMIT_SKEW;
	return in_calls(stage) < stage->busy / 2 ? LEAT_LIMIT_CPU : LEAT_LIMIT_CALL;
}

/* All processors that the process may use, less what its threads have used. */
static double idle_cores(const struct judgement *j)
{
	double used = 0;

	for (size_t i = 0; i < j->view->why->threads_count; i++)
		used += (double)why_spent_of(j->view, &j->view->why->threads[i])->cpu_ns /
		        j->view->window_ns;
	return j->view->why->cores - used;
}

/*
 * See leat_verdict.one_more. A source, a stage that is held back, or one that has to do with no
 * channel gets nothing from a thread.
 */
static double gain_of_one_more(const struct judgement *j)
{
	const struct why_stage *stage = &j->stages[j->first];
	double n = stage->threads, gain = (n + 1) / n, idle = idle_cores(j);
	enum leat_limit limit = j->verdict->limit;

	if ((limit != LEAT_LIMIT_CPU && limit != LEAT_LIMIT_CALL) ||
	    (why_is_source(j->view->why, j->first) && !stage->top->is_pool) ||
	    why_is_apart(j->view->why, j->first))
		return 0;
	if (j->second != none_of(j) && gain * j->stages[j->second].work > 1)
		gain = 1 / j->stages[j->second].work;
	if (j->view->why->cores > 0 && stage->cpu > 0 && gain > 1 + idle / (n * stage->cpu))
		gain = 1 + (idle > 0 ? idle / (n * stage->cpu) : 0);
	return gain > 1 ? gain : 1;
}

static void judge_work(struct judgement *j)
{
	const struct why_stage *first = &j->stages[j->first];

	name_stage(j, j->first);
	if (wants_cores(first))
		j->verdict->limit = LEAT_LIMIT_CORES;
	else if (is_balanced(j))
		j->verdict->limit = LEAT_LIMIT_BALANCED;
	else
		j->verdict->limit = kind_of_work(first);
	j->verdict->one_more = gain_of_one_more(j);
}

/* --- none that works --- */

/*
 * Workers in order wait for their turn, though what sends to them is blocked, and what they send
 * finds room. Those that wait to be the next to receive are starved by the books, though there is
 * something to receive.
 */
static bool judge_order(struct judgement *j)
{
	for (size_t s = 0; s < none_of(j); s++) {
		const struct why_stage *stage = &j->stages[s];

		if (stage->top == NULL || stage->mean_order < ORDER_LEAST ||
		    stage->mean_blocked > ORDER_BLOCKED || stage->mean_work >= LEAT_WHY_WORKS ||
		    why_before_blocked(j->view, s) < WAITS_LEAST)
			continue;
		j->second = none_of(j);
		name_stage(j, s);
		j->verdict->limit = LEAT_LIMIT_ORDER;
		return true;
	}
	return false;
}

static bool has_thread(const struct leat_why *why, uint64_t channel, bool receives)
{
	for (size_t i = 0; i < why->threads_count; i++)
		if (receives ? why_receives(&why->threads[i], channel)
		             : why_sends(&why->threads[i], channel))
			return true;
	return false;
}

/* A channel whose senders are blocked, and whose receiver is a thread of the program. */
static bool judge_program(struct judgement *j)
{
	const struct leat_why *why = j->view->why;
	const struct why_chan *worst = NULL;
	double most = WAITS_LEAST;

	for (size_t i = 0; i < why->chans_count; i++) {
		const struct why_chan *chan = &why->chans[i];
		uint32_t senders = chan->senders > 0 ? chan->senders : 1;
		double blocked = (double)why_moved_of(j->view, chan)->send_blocked_ns /
		                 (j->view->window_ns * senders);

		if (chan->lives && chan->receivers > 0 && blocked >= most &&
		    !has_thread(why, chan->id, true)) {
			worst = chan;
			most = blocked;
		}
	}
	if (worst == NULL)
		return false;
	j->verdict->limit = LEAT_LIMIT_PROGRAM;
	memcpy(j->verdict->stage, worst->name, sizeof(worst->name));
	memcpy(j->verdict->thread, worst->holder, sizeof(worst->holder));
	j->verdict->before_blocked = at_most_one(most);
	return true;
}

/*
 * Each wake-up comes after the one before it, where threads wait for each other: so many of them
 * are all that a second has. The channel with most of them is named.
 */
static bool judge_wakeups(struct judgement *j)
{
	const struct leat_why *why = j->view->why;
	const struct why_chan *worst = NULL;
	double parks = 0;

	for (size_t i = 0; i < why->chans_count; i++) {
		const struct why_moved *moved = why_moved_of(j->view, &why->chans[i]);

		parks += (double)moved->parks;
		/* of those that park about as often the first, so that the name stays */
		if (worst == NULL ||
		    (double)moved->parks > PARKS_MORE * (double)why_moved_of(j->view, worst)->parks)
			worst = &why->chans[i];
	}
	if (worst == NULL || parks * WAKEUP_NS < WAKEUPS_LEAST * j->view->window_ns ||
	    (double)why_moved_of(j->view, worst)->parks <
	            WAKEUPS_AN_ITEM * (double)why_moved_of(j->view, worst)->delivered)
		return false;
	j->verdict->limit = LEAT_LIMIT_WAKEUPS;
	memcpy(j->verdict->stage, worst->name, sizeof(worst->name));
	j->verdict->busy = at_most_one(parks * WAKEUP_NS / j->view->window_ns);
	return true;
}

static bool anything_moves(const struct why_view *view)
{
	for (size_t i = 0; i < view->why->chans_count; i++)
		if (why_moved_of(view, &view->why->chans[i])->delivered > 0)
			return true;
	return (view->whole ? view->why->whole_turns : view->why->part_turns) > 0;
}

/* A thread that was woken waits for a processor in its wait: so no thread may seem to work. */
static bool judge_cores(struct judgement *j)
{
	size_t most = none_of(j);

	for (size_t s = 0; s < none_of(j); s++)
		if (j->stages[s].top != NULL && j->stages[s].runq >= RUNQ_ALONE &&
		    j->stages[s].blocked < WAITS_LEAST &&
		    (most == none_of(j) || j->stages[s].runq > j->stages[most].runq))
			most = s;
	if (most == none_of(j))
		return false;
	name_stage(j, most);
	j->verdict->limit = LEAT_LIMIT_CORES;
	return true;
}

/* A source that waits for a descriptor, most of the time. */
static bool judge_source(struct judgement *j)
{
	for (size_t s = 0; s < none_of(j); s++)
		if (j->stages[s].top != NULL && j->stages[s].starved >= WAITS_LEAST &&
		    why_is_source(j->view->why, s)) {
			j->second = none_of(j);
			name_stage(j, s);
			j->verdict->limit = LEAT_LIMIT_INPUT;
			return true;
		}
	return false;
}

/* A channel into which a thread of the program sends. */
static bool judge_sender(struct judgement *j)
{
	const struct leat_why *why = j->view->why;

	for (size_t i = 0; i < why->chans_count; i++) {
		const struct why_chan *chan = &why->chans[i];

		if (chan->lives && has_thread(why, chan->id, true) &&
		    !has_thread(why, chan->id, false) &&
		    why_moved_of(j->view, chan)->delivered > 0) {
			memcpy(j->verdict->stage, chan->name, sizeof(chan->name));
			j->verdict->limit = LEAT_LIMIT_INPUT;
			return true;
		}
	}
	return false;
}

static void judge_waits(struct judgement *j)
{
	if (judge_cores(j) || judge_program(j))
		return;
	if (!anything_moves(j->view))
		j->verdict->limit = LEAT_LIMIT_IDLE;
	else if (!judge_source(j) && !judge_wakeups(j) && !judge_sender(j))
		j->verdict->limit = LEAT_LIMIT_BALANCED;
}

int why_judge(const struct why_view *view, struct leat_verdict *verdict)
{
	const struct leat_why *why = view->why;
	struct judgement j = { .view = view, .verdict = verdict };
	int rc = 0;

	if (why->threads_count == 0 && why->chans_count == 0) {
		verdict->limit = LEAT_LIMIT_IDLE;
		return 0;
	}
	if (why_find_deadlock(view, verdict, &rc) || rc < 0)
		return rc;
	j.stages = leat_os_alloc((why->stages_count + 1) * sizeof(*j.stages), 0);
	if (j.stages == NULL)
		return -ENOMEM;
	why_add_up(view, j.stages);
	find_busiest(&j);
	prefer_dropping(&j);
	if (j.first != none_of(&j) && judge_order(&j))
		;
	else if (j.first != none_of(&j) && j.stages[j.first].work >= LEAT_WHY_WORKS)
		judge_work(&j);
	else
		judge_waits(&j);
	leat_os_free(j.stages);
	return 0;
}
