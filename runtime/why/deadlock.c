/*
 * Deadlocks: threads that wait for each other.
 *
 * A thread that waited for all of the window, and waits on one channel, is held by the threads at
 * the other side of that channel. A set of threads in which each is held, and only by threads of
 * the set, will wait for ever. It is found from the set of all that are held, by taking away, again
 * and again, each one that a thread outside the set may free. A thread of the program may free a
 * thread, too: so one is taken away if its channel has more handles at the other side than threads
 * are known there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/os/os.h"
#include "runtime/why/why.h"

#include <string.h>

/* Of the window: so much of it is a wait of one kind. */
#define HELD_LEAST 0.97

enum { NAMED_MOST = 6 };

static bool waits_to_send(const struct why_view *view, const struct why_thread *thread)
{
	return why_share(view, thread, LEAT_TIME_BLOCKED) >= HELD_LEAST;
}

static bool is_held(const struct why_view *view, const struct why_thread *thread)
{
	return thread->lives && !thread->is_pool && !thread->is_sum && thread->waits_on != 0 &&
	       (waits_to_send(view, thread) ||
	        why_share(view, thread, LEAT_TIME_STARVED) >= HELD_LEAST);
}

/* Whether `other` may end the wait of `thread`. */
static bool may_free(const struct why_view *view, const struct why_thread *thread,
                     const struct why_thread *other)
{
	if (other == thread || !other->lives)
		return false;
	return waits_to_send(view, thread) ? why_receives(other, thread->waits_on)
	                                   : why_sends(other, thread->waits_on);
}

/* Whether all that may free it are in the set, and known. */
static bool stays_held(const struct why_view *view, const struct why_thread *thread,
                       const bool *in_set)
{
	const struct leat_why *why = view->why;
	const struct why_chan *chan = why_find_chan(why, thread->waits_on);
	uint32_t known = 0;

	if (chan == NULL || why_moved_of(view, chan)->delivered != 0)
		return false;
	for (size_t i = 0; i < why->threads_count; i++)
		if (may_free(view, thread, &why->threads[i])) {
			if (!in_set[i])
				return false;
			known++;
		}
	return known > 0 &&
	       known >= (waits_to_send(view, thread) ? chan->receivers : chan->senders);
}

static size_t find_freer(const struct why_view *view, size_t at, const bool *in_set)
{
	size_t i = 0;

	while (!in_set[i] || !may_free(view, &view->why->threads[at], &view->why->threads[i]))
		i++;
	return i;
}

/* The thread of the cycle that comes first in the list. */
static size_t find_first(const struct why_view *view, size_t at, const bool *in_set)
{
	size_t first;

	for (size_t i = 0; i < view->why->threads_count; i++)
		at = find_freer(view, at, in_set); /* after so many steps it is on the cycle */
	first = at;
	for (size_t i = find_freer(view, at, in_set); i != at; i = find_freer(view, i, in_set))
		first = i < first ? i : first;
	return first;
}

static void name_cycle(const struct why_view *view, size_t at, const bool *in_set,
                       struct leat_verdict *verdict)
{
	const struct why_thread *threads = view->why->threads;
	const size_t first = find_first(view, at, in_set);

	at = first;
	memcpy(verdict->stage, view->why->stages[threads[at].stage], sizeof(verdict->stage));
	memcpy(verdict->thread, threads[at].name, sizeof(verdict->thread));
	verdict->threads = 0;
	do {
		const char *to = waits_to_send(view, &threads[at]) ? "send into" : "receive from";

		why_add_evidence(verdict, "\"%s\" waits to %s \"%s\"", threads[at].name, to,
		                 why_find_chan(view->why, threads[at].waits_on)->name);
		verdict->threads++;
		at = find_freer(view, at, in_set);
	} while (at != first && verdict->threads < NAMED_MOST);
	if (at != first)
		why_add_evidence(verdict, "...");
}

bool why_find_deadlock(const struct why_view *view, struct leat_verdict *verdict, int *rc)
{
	const struct leat_why *why = view->why;
	bool *in_set = leat_os_alloc(why->threads_count + 1, 0), changed = true;
	size_t last = why->threads_count;

	if (in_set == NULL) {
		*rc = -ENOMEM;
		return false;
	}
	for (size_t i = 0; i < why->threads_count; i++)
		in_set[i] = is_held(view, &why->threads[i]);
	while (changed) {
		changed = false;
		last = why->threads_count;
		for (size_t i = 0; i < why->threads_count; i++) {
			if (in_set[i] && !stays_held(view, &why->threads[i], in_set)) {
				in_set[i] = false;
				changed = true;
			}
			if (in_set[i])
				last = i;
		}
	}
	if (last < why->threads_count) {
		verdict->limit = LEAT_LIMIT_DEADLOCK;
		name_cycle(view, last, in_set, verdict);
	}
	leat_os_free(in_set);
	return last < why->threads_count;
}
