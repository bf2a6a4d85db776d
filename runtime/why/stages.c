/*
 * Stages: all threads of one name; and which threads are before and behind a stage.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/why/why.h"

/* A generator that lived for less of the window than this is only in the sum of its stage. */
#define LIVED_LEAST 0.5

static double work_of(const struct why_view *view, const struct why_thread *thread)
{
	if (thread->is_pool)
		return (double)why_spent_of(view, thread)->busiest_ns / view->window_ns;
	return why_share(view, thread, LEAT_TIME_BUSY) + why_share(view, thread, LEAT_TIME_PACED);
}

static double life_of(const struct why_view *view, const struct why_thread *thread)
{
	double sum = 0;

	for (int i = 0; i < LEAT_TIMES; i++)
		sum += why_share(view, thread, (enum leat_time)i);
	return sum;
}

static void use_top(const struct why_view *view, struct why_stage *stage)
{
	const struct why_thread *top = stage->top;
	const struct why_spent *spent = why_spent_of(view, top);
	const double all_ns = view->window_ns * (top->threads > 0 ? top->threads : 1);

	stage->busy = top->is_pool ? work_of(view, top) : why_share(view, top, LEAT_TIME_BUSY);
	stage->paced = why_share(view, top, LEAT_TIME_PACED);
	stage->order = why_share(view, top, LEAT_TIME_ORDER);
	stage->blocked = why_share(view, top, LEAT_TIME_BLOCKED);
	stage->starved = why_share(view, top, LEAT_TIME_STARVED);
	stage->cpu = (double)spent->cpu_ns / all_ns;
	stage->runq = (double)spent->runq_ns / all_ns;
	stage->work = stage->busy + stage->paced;
}

/* Generators that live shortly, one after the other, are as one thread that does all they do. */
static void use_sum(struct why_stage *stage)
{
	double work = stage->mean_work < 1 ? stage->mean_work : 1;
	double by = stage->work > 0 ? work / stage->work : 1;

	stage->busy *= by;
	stage->paced *= by;
	stage->cpu *= by;
	stage->runq *= by;
	stage->work = work;
}

static void add_thread(const struct why_view *view, const struct why_thread *thread,
                       struct why_stage *stage, double *lives)
{
	double life = life_of(view, thread), work = work_of(view, thread);

	*lives += life * thread->threads;
	stage->mean_work += why_share(view, thread, LEAT_TIME_BUSY) * thread->threads +
	                    why_share(view, thread, LEAT_TIME_PACED) * thread->threads;
	stage->mean_order += why_share(view, thread, LEAT_TIME_ORDER) * thread->threads;
	stage->mean_blocked += why_share(view, thread, LEAT_TIME_BLOCKED) * thread->threads;
	if (life > 0 && (stage->top == NULL || work > work_of(view, stage->top)))
		stage->top = thread;
	if (life >= LIVED_LEAST)
		stage->threads += thread->threads;
}

void why_add_up(const struct why_view *view, struct why_stage *stages)
{
	const struct leat_why *why = view->why;

	for (size_t s = 0; s < why->stages_count; s++) {
		struct why_stage *stage = &stages[s];
		double lives = 0;

		*stage = (struct why_stage){ .top = NULL };
		for (size_t i = 0; i < why->threads_count; i++)
			if (why->threads[i].stage == s)
				add_thread(view, &why->threads[i], stage, &lives);
		if (stage->top == NULL)
			continue;
		if (lives > 0) {
			stage->mean_order /= lives;
			stage->mean_blocked /= lives;
		}
		use_top(view, stage);
		if (stage->threads == 0)
			use_sum(stage); /* mean_work is the sum yet */
		stage->threads = stage->threads > 0 ? stage->threads : 1;
		stage->mean_work /= stage->threads;
	}
}

static bool has_id(const uint64_t ids[LEAT_WAITS_MOST], uint64_t id)
{
	for (int i = 0; i < LEAT_WAITS_MOST && ids[i] != 0; i++)
		if (ids[i] == id)
			return true;
	return false;
}

bool why_receives(const struct why_thread *thread, uint64_t channel)
{
	return channel != 0 && has_id(thread->receives, channel);
}

bool why_sends(const struct why_thread *thread, uint64_t channel)
{
	return channel != 0 && (thread->chan_id == channel || has_id(thread->sends, channel));
}

bool why_is_source(const struct leat_why *why, size_t stage)
{
	bool sends = false;

	for (size_t i = 0; i < why->threads_count; i++) {
		const struct why_thread *thread = &why->threads[i];

		if (thread->stage != stage)
			continue;
		if (thread->receives[0] != 0 || thread->is_pool)
			return false;
		sends |= thread->chan_id != 0 || thread->sends[0] != 0;
	}
	return sends;
}

bool why_is_apart(const struct leat_why *why, size_t stage)
{
	for (size_t i = 0; i < why->threads_count; i++) {
		const struct why_thread *thread = &why->threads[i];

		if (thread->stage == stage &&
		    (thread->receives[0] != 0 || thread->sends[0] != 0 || thread->chan_id != 0 ||
		     thread->is_pool || thread->is_sum))
			return false;
	}
	return true;
}

/* Channels of the threads of a stage. Of very many the first count. */
struct ids {
	uint64_t list[64];
	size_t count;
};

static void add_id(struct ids *ids, uint64_t id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->list[i] == id)
			return;
	if (id != 0 && ids->count < sizeof(ids->list) / sizeof(ids->list[0]))
		ids->list[ids->count++] = id;
}

static struct ids find_ids(const struct leat_why *why, size_t stage, bool sends)
{
	struct ids ids = { .count = 0 };

	for (size_t i = 0; i < why->threads_count; i++) {
		const struct why_thread *thread = &why->threads[i];

		if (thread->stage != stage)
			continue;
		if (sends)
			add_id(&ids, thread->chan_id);
		for (int k = 0; k < LEAT_WAITS_MOST; k++)
			add_id(&ids, sends ? thread->sends[k] : thread->receives[k]);
	}
	return ids;
}

static bool uses_one(const struct why_thread *thread, const struct ids *ids, bool sends)
{
	for (size_t i = 0; i < ids->count; i++)
		if (sends ? why_sends(thread, ids->list[i]) : why_receives(thread, ids->list[i]))
			return true;
	return false;
}

static double largest_share(const struct why_view *view, size_t stage, bool behind)
{
	const struct leat_why *why = view->why;
	const enum leat_time class = behind ? LEAT_TIME_STARVED : LEAT_TIME_BLOCKED;
	const struct ids ids = find_ids(why, stage, behind);
	double most = -1;

	for (size_t i = 0; i < why->threads_count; i++) {
		const struct why_thread *other = &why->threads[i];

		if (other->stage != stage && why_share(view, other, class) > most &&
		    uses_one(other, &ids, !behind))
			most = why_share(view, other, class);
	}
	return most;
}

double why_before_blocked(const struct why_view *view, size_t stage)
{
	return largest_share(view, stage, false);
}

double why_behind_starved(const struct why_view *view, size_t stage)
{
	return largest_share(view, stage, true);
}

static bool any_drops(const struct why_view *view, const struct ids *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		const struct why_chan *chan = why_find_chan(view->why, ids->list[i]);

		if (chan != NULL && why_moved_of(view, chan)->dropped > 0)
			return true;
	}
	return false;
}

bool why_drops_between(const struct why_view *view, size_t from, size_t to)
{
	const struct ids sent = find_ids(view->why, from, true),
			 received = find_ids(view->why, to, false);

	/* no sender waits for such a channel, so the figures may not say which thread receives */
	return any_drops(view, received.count > 0 ? &received : &sent);
}
