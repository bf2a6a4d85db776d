/*
 * The calls of leat/why.h; and what the parts of a window say together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/why/why.h"
#include "runtime/diag/array.h"
#include "runtime/os/os.h"

#include <string.h>

#define WINDOW_LEAST_NS INT64_C(100000000)
#define PART_LEAST_NS INT64_C(50000000)
#define AGREE_LEAST 0.5
#define STEADY 0.95 /* of the share of now, over its life: so it has been always */

struct leat_why *leat_why_open(void)
{
	struct leat_why *why = leat_os_alloc(sizeof(*why), 0);

	return why != NULL ? why : leat_open_failed(-ENOMEM);
}

void leat_why_close(struct leat_why *why)
{
	if (why == NULL)
		return;
	leat_os_free(why->threads);
	leat_os_free(why->chans);
	leat_os_free(why->stages);
	leat_os_free(why->parts);
	leat_os_free(why);
}

/* --- parts --- */

/* Two parts of which the later one says the same are one; of too many, the first go. */
static int add_part(struct leat_why *why, const struct leat_verdict *verdict)
{
	struct why_part *last = why->parts_count > 0 ? &why->parts[why->parts_count - 1] : NULL;
	void *array = why->parts;
	bool ok;

	if (last != NULL && last->limit == verdict->limit &&
	    strcmp(last->stage, verdict->stage) == 0) {
		last->to_ns = why->to_ns;
		return 0;
	}
	if (why->parts_count == WHY_PARTS_MOST) {
		why->parts_count--;
		memmove(why->parts, why->parts + 1, why->parts_count * sizeof(*why->parts));
	}
	ok = grow_array(&array, why->parts_count, &why->parts_room, sizeof(*why->parts));
	why->parts = array;
	if (!ok)
		return -ENOMEM;
	last = &why->parts[why->parts_count++];
	*last = (struct why_part){ .from_ns = why->part_ns,
		                   .to_ns = why->to_ns,
		                   .limit = verdict->limit };
	memcpy(last->stage, verdict->stage, sizeof(last->stage));
	return 0;
}

static int judge_part(struct leat_why *why)
{
	struct why_view view = { .why = why, .window_ns = (double)(why->to_ns - why->part_ns) };
	struct leat_verdict verdict = { .limit = LEAT_LIMIT_UNKNOWN };
	int rc;

	why->part_goes_on = why->readings > 1 && why->to_ns - why->part_ns < PART_LEAST_NS;
	if (why->to_ns - why->part_ns < PART_LEAST_NS)
		return 0;
	rc = why_judge(&view, &verdict);
	return rc < 0 ? rc : add_part(why, &verdict);
}

int leat_why_add(struct leat_why *why, const struct leat_snapshot *snapshot)
{
	if (why == NULL || snapshot == NULL)
		return -EINVAL;
	if (why->readings > 0 && snapshot->time_ns <= why->to_ns)
		return 0;
	if (!why_take_snapshot(why, snapshot))
		return -ENOMEM;
	return judge_part(why);
}

int leat_why_add_counters(struct leat_why *why, const struct leat_counters *counters)
{
	if (why == NULL || counters == NULL)
		return -EINVAL;
	if (leat_counters_info(counters)->snapshots == 0 ||
	    (why->readings > 0 && leat_counters_info(counters)->time_ns <= why->to_ns))
		return 0;
	if (!why_take_counters(why, counters))
		return -ENOMEM;
	return judge_part(why);
}

void leat_why_from_start(struct leat_why *why)
{
	if (why != NULL && why->readings == 0)
		why->from_start = true;
}

void leat_why_restart(struct leat_why *why)
{
	if (why != NULL && why->readings > 0)
		why_begin_window(why);
}

/* --- the whole --- */

/* Names the same stage; or nothing, for the same reason. */
static bool agrees(const struct why_part *part, const struct leat_verdict *verdict)
{
	return (part->limit == verdict->limit ||
	        (leat_limit_is_named(part->limit) && leat_limit_is_named(verdict->limit))) &&
	       strcmp(part->stage, verdict->stage) == 0;
}

static double share_that_agrees(const struct leat_why *why, const struct leat_verdict *verdict)
{
	int64_t agree_ns = 0, all_ns = 0;

	for (size_t i = 0; i < why->parts_count; i++) {
		int64_t ns = why->parts[i].to_ns - why->parts[i].from_ns;

		all_ns += ns;
		if (agrees(&why->parts[i], verdict))
			agree_ns += ns;
	}
	return all_ns > 0 ? (double)agree_ns / (double)all_ns : 0;
}

static const struct why_thread *find_thread(const struct leat_why *why,
                                            const struct leat_verdict *verdict)
{
	for (size_t i = 0; i < why->threads_count; i++)
		if (strcmp(why->threads[i].name, verdict->thread) == 0 &&
		    strcmp(why->stages[why->threads[i].stage], verdict->stage) == 0)
			return &why->threads[i];
	return NULL;
}

/*
 * The beginning of the last parts that agree. Where these are the whole window, and the thread has
 * worked as much of its whole life, the beginning of that.
 */
static int64_t find_since(const struct leat_why *why, const struct leat_verdict *verdict)
{
	const struct why_thread *thread = find_thread(why, verdict);
	int64_t since_ns = why->to_ns;
	double life_ns = 0, work_ns;

	for (size_t i = why->parts_count; i > 0 && agrees(&why->parts[i - 1], verdict); i--)
		since_ns = why->parts[i - 1].from_ns;
	if (since_ns > why->from_ns || thread == NULL || thread->is_pool || thread->is_sum ||
	    !leat_limit_is_named(verdict->limit))
		return since_ns;
	for (int i = 0; i < LEAT_TIMES; i++)
		life_ns += (double)thread->last.ns[i];
	work_ns =
		(double)thread->last.ns[LEAT_TIME_BUSY] + (double)thread->last.ns[LEAT_TIME_PACED];
	return work_ns >= STEADY * (verdict->busy + verdict->paced) * life_ns &&
	                       thread->began_ns < since_ns
	               ? thread->began_ns
	               : since_ns;
}

/* How much of the window has this limit of this stage, in its parts. */
static int64_t time_of(const struct leat_why *why, const struct why_part *like)
{
	int64_t ns = 0;

	for (size_t i = 0; i < why->parts_count; i++)
		if (why->parts[i].limit == like->limit &&
		    strcmp(why->parts[i].stage, like->stage) == 0)
			ns += why->parts[i].to_ns - why->parts[i].from_ns;
	return ns;
}

/* The part whose limit has most of the window, of those that have less than most_ns. */
static const struct why_part *find_part(const struct leat_why *why, int64_t most_ns, int64_t *ns)
{
	const struct why_part *found = NULL;

	*ns = 0;
	for (size_t i = 0; i < why->parts_count; i++) {
		int64_t of_part = time_of(why, &why->parts[i]);

		if (of_part < most_ns && of_part > *ns) {
			found = &why->parts[i];
			*ns = of_part;
		}
	}
	return found;
}

/* "in 40 % of the time skew of "count", ...": the three that were found most often. */
static void say_parts(const struct leat_why *why, struct leat_verdict *verdict)
{
	int64_t ns = INT64_MAX;

	for (int i = 0; i < 3; i++) {
		const struct why_part *part = find_part(why, ns, &ns);

		if (part == NULL)
			return;
		why_add_evidence(verdict, "for %.0f %% of the time %s%s%s%s",
		                 (double)ns * 100 / (double)(why->to_ns - why->from_ns),
		                 leat_limit_name(part->limit), part->stage[0] != '\0' ? " (\"" : "",
		                 part->stage, part->stage[0] != '\0' ? "\")" : "");
	}
}

/* What half of the window does not agree with is not so all the time. */
static void doubt(const struct leat_why *why, struct leat_verdict *verdict)
{
	verdict->confidence = share_that_agrees(why, verdict);
	if (verdict->confidence >= AGREE_LEAST || !leat_limit_is_named(verdict->limit))
		return;
	verdict->limit = LEAT_LIMIT_BALANCED;
	verdict->stage[0] = verdict->thread[0] = verdict->second[0] = '\0';
	verdict->one_more = 0;
	verdict->confidence = 1 - verdict->confidence;
	say_parts(why, verdict);
}

int leat_detail_why_verdict(unsigned abi, const struct leat_why *why, struct leat_verdict *verdict)
{
	struct why_view view = { .why = why, .whole = true };
	int rc;

	if (abi != leat_detail_abi(struct leat_verdict))
		return -ELIBBAD;
	if (why == NULL || verdict == NULL)
		return -EINVAL;
	*verdict = (struct leat_verdict){ .from_ns = why->from_ns,
		                          .to_ns = why->to_ns,
		                          .since_ns = why->from_ns,
		                          .before_blocked = -1,
		                          .behind_starved = -1 };
	view.window_ns = (double)(why->to_ns - why->from_ns);
	if (why->to_ns - why->from_ns >= WINDOW_LEAST_NS) {
		rc = why_judge(&view, verdict);
		if (rc < 0)
			return rc;
		doubt(why, verdict);
		verdict->since_ns = find_since(why, verdict);
	}
	why_say(&view, verdict);
	return 0;
}

/* For callers that use the address, or another language: their layout is not checked. */
int(leat_why_verdict)(const struct leat_why *why, struct leat_verdict *verdict)
{
	return leat_why_verdict(why, verdict);
}
