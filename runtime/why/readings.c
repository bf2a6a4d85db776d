/*
 * Readings: takes the figures of a snapshot, or of a counters file, and adds up what has risen.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/array.h"
#include "runtime/diag/counters_values.h"
#include "runtime/why/why.h"

#include <inttypes.h>
#include <stdio.h>

/* Keys of what has no id of its own, as a sum, or whose ids are others'. */
#define SUM_KEY (UINT64_C(1) << 63)
#define POOL_KEY (UINT64_C(1) << 62)

static uint64_t rise_of(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* --- names --- */

/* Without the number of a worker: "parse" of "parse/2". */
static void name_stage(char stage[LEAT_NAME_MAX + 1], const struct why_thread *thread)
{
	const char *slash = strrchr(thread->name, '/');
	size_t length = strlen(thread->name);

	if (slash != NULL && slash[1] != '\0' && slash[strspn(slash + 1, "0123456789") + 1] == '\0')
		length = (size_t)(slash - thread->name);
	memcpy(stage, thread->name, length);
	stage[length] = '\0';
	if (length == 0)
		snprintf(stage, LEAT_NAME_MAX + 1, "(%s %" PRIu64 ")",
		         thread->is_pool ? "pool" : "generator", thread->key & ~POOL_KEY);
}

static size_t place_of_stage(const struct leat_why *why, const char *name)
{
	size_t i = 0;

	while (i < why->stages_count && strcmp(why->stages[i], name) != 0)
		i++;
	return i;
}

/* The number of the stage by that name. Returns false without memory. */
static bool find_stage(struct leat_why *why, struct why_thread *thread)
{
	char name[LEAT_NAME_MAX + 1];
	void *array = why->stages;

	name_stage(name, thread);
	thread->stage = place_of_stage(why, name);
	if (thread->stage == why->stages_count && why->stages_count >= WHY_STAGES_MOST - 1) {
		strcpy(name, "(other names)");
		thread->stage = place_of_stage(why, name);
	}
	if (thread->stage < why->stages_count)
		return true;
	if (!grow_array(&array, why->stages_count, &why->stages_room, sizeof(*why->stages)))
		return false;
	why->stages = array;
	memcpy(why->stages[why->stages_count++], name, sizeof(name));
	return true;
}

/* --- lists by rising keys --- */

_Static_assert(offsetof(struct why_thread, key) == 0 && offsetof(struct why_chan, id) == 0,
               "an element of a list begins with its key");

static uint64_t key_at(const void *list, size_t i, size_t size)
{
	uint64_t key;

	memcpy(&key, (const char *)list + i * size, sizeof(key));
	return key;
}

/* The place of the element with that key, or where it would be. */
static size_t place_of(const void *list, size_t count, size_t size, uint64_t key)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (key_at(list, middle, size) < key)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool has_key(const void *list, size_t count, size_t at, size_t size, uint64_t key)
{
	return at < count && key_at(list, at, size) == key;
}

/* Puts an element there. Returns false without memory. */
static bool insert(void **list, size_t *count, size_t *room, size_t at, const void *element,
                   size_t size)
{
	char *place;

	if (!grow_array(list, *count, room, size))
		return false;
	place = (char *)*list + at * size;
	memmove(place + size, place, (*count - at) * size);
	memcpy(place, element, size);
	(*count)++;
	return true;
}

const struct why_chan *why_find_chan(const struct leat_why *why, uint64_t id)
{
	size_t at = place_of(why->chans, why->chans_count, sizeof(*why->chans), id);

	return has_key(why->chans, why->chans_count, at, sizeof(*why->chans), id) ? &why->chans[at]
	                                                                          : NULL;
}

/* --- threads --- */

/*
 * One that began in the window has spent all of its figures there. Another that is new was in a sum
 * before, or begins the window: its figures are where to count from.
 */
static bool add_thread(struct leat_why *why, size_t at, const struct why_thread *now)
{
	struct why_thread added = *now;
	void *list = why->threads;
	bool ok;

	if (!find_stage(why, &added))
		return false;
	if ((why->readings > 0 || why->from_start) && now->began_ns >= why->from_ns && !now->is_sum)
		added.last = (struct why_spent){ .cpu_ns = 0 };
	ok = insert(&list, &why->threads_count, &why->threads_room, at, &added, sizeof(added));
	why->threads = list;
	return ok;
}

/* The figures of one that ended may come to a sum at once: no thread has more than the time. */
static uint64_t sum_of(const struct why_spent *spent)
{
	uint64_t sum = 0;

	for (int i = 0; i < LEAT_TIMES; i++)
		sum += spent->ns[i];
	return sum;
}

static void cut_to_time(struct why_spent *rise, double most_ns)
{
	double by = most_ns / (double)sum_of(rise);

	if (by >= 1)
		return;
	for (int i = 0; i < LEAT_TIMES; i++)
		rise->ns[i] = (uint64_t)((double)rise->ns[i] * by);
	rise->cpu_ns = (uint64_t)((double)rise->cpu_ns * by);
	rise->runq_ns = (uint64_t)((double)rise->runq_ns * by);
}

static void add_spent(struct why_spent *to, const struct why_spent *rise)
{
	for (int i = 0; i < LEAT_TIMES; i++)
		to->ns[i] += rise->ns[i];
	to->cpu_ns += rise->cpu_ns;
	to->runq_ns += rise->runq_ns;
	to->busiest_ns += rise->busiest_ns;
}

static void add_rise(struct why_thread *thread, const struct why_spent *now, double most_ns)
{
	struct why_spent rise;

	for (int i = 0; i < LEAT_TIMES; i++)
		rise.ns[i] = rise_of(now->ns[i], thread->last.ns[i]);
	rise.cpu_ns = rise_of(now->cpu_ns, thread->last.cpu_ns);
	rise.runq_ns = rise_of(now->runq_ns, thread->last.runq_ns);
	rise.busiest_ns = rise_of(now->busiest_ns, thread->last.busiest_ns);
	if (thread->is_sum)
		cut_to_time(&rise, most_ns * thread->threads);
	add_spent(&thread->part, &rise);
	add_spent(&thread->whole, &rise);
}

/* Those of a sum that have all ended spend nothing. Returns false without memory. */
static bool take_thread(struct leat_why *why, const struct why_thread *now, int64_t time_ns)
{
	size_t at = place_of(why->threads, why->threads_count, sizeof(*now), now->key);
	bool known = has_key(why->threads, why->threads_count, at, sizeof(*now), now->key);
	struct why_thread *thread;

	if (now->threads == 0 || (!known && why->threads_count == WHY_THREADS_MOST))
		return true;
	if (!known && !add_thread(why, at, now))
		return false;
	thread = &why->threads[at];
	thread->threads = now->threads;
	thread->lives = now->lives;
	add_rise(thread, &now->last, (double)(time_ns - why->to_ns));
	thread->last = now->last;
	thread->waits_on = now->waits_on;
	thread->paced_by = now->paced_by;
	memcpy(thread->receives, now->receives, sizeof(now->receives));
	memcpy(thread->sends, now->sends, sizeof(now->sends));
	return true;
}

/* One that ended earlier than a diagnostics thread began comes with its whole life: not here. */
static bool take_generator(struct leat_why *why, const struct leat_gen_stat *gen, uint64_t key,
                           uint32_t threads, int64_t time_ns)
{
	struct why_thread now = {
		.key = key,
		.is_sum = (key & SUM_KEY) != 0,
		.lives = gen->cause == LEAT_RUNNING,
		.threads = threads,
		.chan_id = gen->chan_id,
		.waits_on = gen->waits_on,
		.paced_by = gen->paced_by,
		.began_ns = gen->began_ns,
		.last = { .ns = { gen->busy_ns, gen->starved_ns, gen->blocked_ns, gen->order_ns,
		                  gen->paced_ns },
		          .cpu_ns = gen->cpu_ns,
		          .runq_ns = gen->runq_ns },
	};

	if (sum_of(&now.last) == 0)
		return true; /* it is on a pool, and has no thread */
	memcpy(now.name, gen->name, sizeof(now.name));
	memcpy(now.receives, gen->receives, sizeof(now.receives));
	memcpy(now.sends, gen->sends, sizeof(now.sends));
	return take_thread(why, &now, time_ns);
}

static bool take_pool(struct leat_why *why, const struct leat_pool_stat *pool, int64_t time_ns)
{
	struct why_thread now = {
		.key = POOL_KEY | pool->id,
		.is_pool = true,
		.lives = true,
		.threads = pool->workers,
		.began_ns = pool->began_ns,
		.last = { .ns = { pool->busy_ns, pool->idle_ns },
		          .cpu_ns = pool->cpu_ns,
		          .runq_ns = pool->runq_ns,
		          .busiest_ns = pool->busiest_ns },
	};

	memcpy(now.name, pool->name, sizeof(now.name));
	why->turns += pool->turns;
	return take_thread(why, &now, time_ns);
}

/* --- channels --- */

static bool add_chan(struct leat_why *why, size_t at, const struct leat_chan_stat *stat,
                     const struct why_moved *now)
{
	struct why_chan added = { .id = stat->id };
	void *list = why->chans;
	bool ok;

	memcpy(added.name, stat->name, sizeof(added.name));
	if (why->readings == 0 && !why->from_start)
		added.last = *now;
	ok = insert(&list, &why->chans_count, &why->chans_room, at, &added, sizeof(added));
	why->chans = list;
	return ok;
}

static void add_moved(struct why_moved *to, const struct why_moved *rise)
{
	to->delivered += rise->delivered;
	to->dropped += rise->dropped;
	to->send_blocked_ns += rise->send_blocked_ns;
	to->recv_blocked_ns += rise->recv_blocked_ns;
	to->parks += rise->parks;
}

static bool take_channel(struct leat_why *why, const struct leat_chan_stat *stat)
{
	size_t at = place_of(why->chans, why->chans_count, sizeof(*why->chans), stat->id);
	bool known = has_key(why->chans, why->chans_count, at, sizeof(*why->chans), stat->id);
	struct why_moved now = { stat->delivered,
		                 stat->dropped[LEAT_DROPPED_NEWEST] +
		                         stat->dropped[LEAT_DROPPED_OLDEST],
		                 stat->send_blocked_ns, stat->recv_blocked_ns,
		                 stat->send_parks + stat->recv_parks };
	struct why_moved rise;
	struct why_chan *chan;

	if (stat->id == 0 || (!known && why->chans_count == WHY_THREADS_MOST))
		return true;
	if (!known && !add_chan(why, at, stat, &now))
		return false;
	chan = &why->chans[at];
	rise = (struct why_moved){
		rise_of(now.delivered, chan->last.delivered),
		rise_of(now.dropped, chan->last.dropped),
		rise_of(now.send_blocked_ns, chan->last.send_blocked_ns),
		rise_of(now.recv_blocked_ns, chan->last.recv_blocked_ns),
		rise_of(now.parks, chan->last.parks),
	};
	add_moved(&chan->part, &rise);
	add_moved(&chan->whole, &rise);
	chan->last = now;
	chan->lives = !stat->ended;
	chan->senders = stat->senders;
	chan->receivers = stat->receivers;
	return true;
}

static void take_holder(struct leat_why *why, uint64_t chan_id, const char *name)
{
	size_t at = place_of(why->chans, why->chans_count, sizeof(*why->chans), chan_id);

	if (has_key(why->chans, why->chans_count, at, sizeof(*why->chans), chan_id))
		memcpy(why->chans[at].holder, name, LEAT_NAME_MAX + 1);
}

/* --- a reading --- */

static void begin_part(struct leat_why *why)
{
	for (size_t i = 0; i < why->threads_count; i++)
		why->threads[i].part = (struct why_spent){ .cpu_ns = 0 };
	for (size_t i = 0; i < why->chans_count; i++)
		why->chans[i].part = (struct why_moved){ .parks = 0 };
	why->part_turns = 0;
	why->part_ns = why->to_ns;
}

static void begin_reading(struct leat_why *why)
{
	if (!why->part_goes_on)
		begin_part(why);
	for (size_t i = 0; i < why->threads_count; i++)
		why->threads[i].lives = false;
	for (size_t i = 0; i < why->chans_count; i++) {
		why->chans[i].lives = false;
		why->chans[i].holder[0] = '\0';
	}
	why->turns_before = why->turns;
	why->turns = 0;
}

static int64_t begin_of_threads(const struct leat_why *why, int64_t time_ns)
{
	int64_t began_ns = time_ns;

	for (size_t i = 0; i < why->threads_count; i++)
		if (why->threads[i].began_ns > 0 && why->threads[i].began_ns < began_ns)
			began_ns = why->threads[i].began_ns;
	return began_ns;
}

static void end_reading(struct leat_why *why, int64_t time_ns, uint32_t cores)
{
	uint64_t turns = rise_of(why->turns, why->turns_before);

	if (why->readings > 0 || why->from_start) {
		why->part_turns += turns;
		why->whole_turns += turns;
	}
	if (why->readings++ == 0)
		why->from_ns = why->part_ns =
			why->from_start ? begin_of_threads(why, time_ns) : time_ns;
	why->to_ns = time_ns;
	why->cores = cores;
}

bool why_take_snapshot(struct leat_why *why, const struct leat_snapshot *snapshot)
{
	bool ok = true;

	begin_reading(why);
	for (size_t i = 0; i < snapshot->channels_count; i++)
		ok &= take_channel(why, &snapshot->channels[i]);
	for (size_t i = 0; i < snapshot->generators_count; i++) {
		const struct leat_gen_stat *gen = &snapshot->generators[i];

		ok &= take_generator(why, gen, gen->id, 1, snapshot->time_ns);
	}
	for (size_t i = 0; i < snapshot->pools_count; i++)
		ok &= take_pool(why, &snapshot->pools[i], snapshot->time_ns);
	for (size_t i = 0; i < snapshot->subscribers_count; i++)
		if (snapshot->subscribers[i].holds_senders)
			take_holder(why, snapshot->subscribers[i].chan_id,
			            snapshot->subscribers[i].name);
	end_reading(why, snapshot->time_ns, snapshot->cores);
	return ok;
}

/* --- the same of a counters file --- */

static bool take_gen_record(struct leat_why *why, const struct leat_counters_record *record,
                            int64_t time_ns)
{
	struct leat_gen_stat gen = { .chan_id = record->channel };
	bool sum = (record->flags & LEAT_COUNTERS_SUM) != 0;
	uint64_t key = sum ? SUM_KEY | (uint64_t)record->place << 32 | record->generation
	                   : record->id & ~(SUM_KEY | POOL_KEY);

	leat_counters_write_values(&gen, record->kind, record->values);
	gen.cause = record->living > 0 ? LEAT_RUNNING : LEAT_COMPLETED; /* a sum has none */
	memcpy(gen.name, record->name, sizeof(gen.name));
	return take_generator(why, &gen, key, sum ? record->living : 1, time_ns);
}

static bool take_chan_record(struct leat_why *why, const struct leat_counters_record *record)
{
	struct leat_chan_stat chan = { .id = record->id, .ended = record->living == 0 };

	if ((record->flags & LEAT_COUNTERS_SUM) != 0)
		return true;
	leat_counters_write_values(&chan, record->kind, record->values);
	memcpy(chan.name, record->name, sizeof(chan.name));
	return take_channel(why, &chan);
}

static bool take_pool_record(struct leat_why *why, const struct leat_counters_record *record,
                             int64_t time_ns)
{
	struct leat_pool_stat pool = { .id = record->id & ~(SUM_KEY | POOL_KEY) };

	if ((record->flags & LEAT_COUNTERS_SUM) != 0 || record->living == 0)
		return true;
	leat_counters_write_values(&pool, record->kind, record->values);
	memcpy(pool.name, record->name, sizeof(pool.name));
	return take_pool(why, &pool, time_ns);
}

static bool take_record(struct leat_why *why, const struct leat_counters_record *record,
                        int64_t time_ns)
{
	switch (record->kind) {
	case LEAT_COUNTERS_CHANNEL:
		return take_chan_record(why, record);
	case LEAT_COUNTERS_GENERATOR:
		return take_gen_record(why, record, time_ns);
	case LEAT_COUNTERS_POOL:
		return take_pool_record(why, record, time_ns);
	default:
		return true;
	}
}

bool why_take_counters(struct leat_why *why, const struct leat_counters *counters)
{
	const struct leat_counters_process *info = leat_counters_info(counters);
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(counters, &records);
	bool ok = true;

	begin_reading(why);
	for (size_t i = 0; i < count; i++)
		ok &= take_record(why, &records[i], info->time_ns);
	for (size_t i = 0; i < count; i++)
		if (records[i].kind == LEAT_COUNTERS_SUBSCRIBER &&
		    records[i].values[LEAT_COUNTERS_SUB_HOLDS_SENDERS] != 0)
			take_holder(why, records[i].channel, records[i].name);
	end_reading(why, info->time_ns, info->cores);
	return ok;
}

void why_begin_window(struct leat_why *why)
{
	size_t kept = 0;

	for (size_t i = 0; i < why->threads_count; i++)
		if (why->threads[i].lives)
			why->threads[kept++] = why->threads[i];
	why->threads_count = kept;
	kept = 0;
	for (size_t i = 0; i < why->chans_count; i++)
		if (why->chans[i].lives)
			why->chans[kept++] = why->chans[i];
	why->chans_count = kept;
	for (size_t i = 0; i < why->threads_count; i++)
		why->threads[i].whole = (struct why_spent){ .cpu_ns = 0 };
	for (size_t i = 0; i < why->chans_count; i++)
		why->chans[i].whole = (struct why_moved){ .parks = 0 };
	why->parts_count = 0;
	why->whole_turns = 0;
	why->from_ns = why->to_ns;
	why->part_goes_on = false;
	begin_part(why);
}
