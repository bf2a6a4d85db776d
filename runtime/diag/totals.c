/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/diag/totals.h"
#include "runtime/diag/array.h"

static uint64_t hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a (Fowler, Noll, Vo, 1991) */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return hash;
}

/* The place that holds the name, or the empty one where it belongs. places_count is not 0. */
static uint32_t *find_place(const struct leat_totals *totals, const char *name)
{
	for (uint64_t i = hash_name(name);; i++) {
		uint32_t *place = &totals->places[i & (totals->places_count - 1)];

		if (*place == 0 || strcmp(totals->list[*place - 1].name, name) == 0)
			return place;
	}
}

static bool grow_places(struct leat_totals *totals)
{
	struct leat_totals larger = *totals;

	larger.places_count = totals->places_count == 0 ? 64 : 2 * totals->places_count;
	larger.places = leat_os_alloc(larger.places_count * sizeof(*larger.places), 0);
	if (larger.places == NULL)
		return false;
	for (size_t i = 0; i < totals->count; i++)
		*find_place(&larger, totals->list[i].name) = (uint32_t)(i + 1);
	leat_os_free(totals->places);
	*totals = larger;
	return true;
}

static bool grow_list(struct leat_totals *totals)
{
	void *list = totals->list;
	bool grown = grow_array(&list, totals->count, &totals->room, sizeof(*totals->list));

	totals->list = list;
	return grown;
}

const struct leat_total *leat_totals_of(const struct leat_totals *totals, const char *name)
{
	uint32_t place = totals->places_count == 0 ? 0 : *find_place(totals, name);

	return place == 0 ? &totals->other : &totals->list[place - 1];
}

static struct leat_total *total_of(struct leat_totals *totals, const char *name)
{
	struct leat_total *total = (struct leat_total *)leat_totals_of(totals, name);

	if (total != &totals->other || totals->count == LEAT_TOTALS_MOST)
		return total;
	if (2 * (totals->count + 1) > totals->places_count && !grow_places(totals))
		return total;
	if (!grow_list(totals))
		return total;
	total = &totals->list[totals->count++];
	*total = (struct leat_total){ 0 };
	memcpy(total->name, name, strlen(name) + 1);
	*find_place(totals, name) = (uint32_t)totals->count;
	return total;
}

static void add_counters(struct leat_chan_stat *to, const struct leat_chan_stat *from)
{
	to->offered += from->offered;
	to->delivered += from->delivered;
	to->rejected += from->rejected;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		to->dropped[reason] += from->dropped[reason];
	to->send_blocked_ns += from->send_blocked_ns;
	to->recv_blocked_ns += from->recv_blocked_ns;
	to->send_parks += from->send_parks;
	to->recv_parks += from->recv_parks;
}

static void begin_channels(struct leat_total *total)
{
	total->chan.now = total->chan.ended;
	total->living = 0;
}

static void take_channel(struct leat_totals *totals, const struct leat_chan_stat *chan)
{
	struct leat_total *total = total_of(totals, chan->name);

	add_counters(&total->chan.now, chan);
	if (chan->ended)
		add_counters(&total->chan.ended, chan);
	else
		total->living++;
}

static void begin_generators(struct leat_total *total)
{
	memcpy(total->gen.now_ns, total->gen.ended_ns, sizeof(total->gen.now_ns));
	total->living = 0;
}

static void add_times(uint64_t to[LEAT_TOTALS_TIMES], const uint64_t from[LEAT_TOTALS_TIMES])
{
	for (int i = 0; i < LEAT_TOTALS_TIMES; i++)
		to[i] += from[i];
}

static void take_generator(struct leat_totals *totals, const struct leat_gen_stat *gen)
{
	const uint64_t ns[LEAT_TOTALS_TIMES] = { gen->busy_ns,  gen->starved_ns, gen->blocked_ns,
		                                 gen->order_ns, gen->paced_ns,   gen->cpu_ns,
		                                 gen->runq_ns };
	struct leat_total *total;
	uint64_t any = 0;

	for (int i = 0; i < LEAT_TOTALS_TIMES; i++)
		any |= ns[i];
	if (any == 0)
		return;
	total = total_of(totals, gen->name);
	add_times(total->gen.now_ns, ns);
	if (gen->cause != LEAT_RUNNING)
		add_times(total->gen.ended_ns, ns);
	else
		total->living++;
}

static void begin_snapshot(struct leat_totals *totals, void (*begin)(struct leat_total *total))
{
	memcpy(totals->other.name, LEAT_TOTALS_OTHER, sizeof(LEAT_TOTALS_OTHER));
	begin(&totals->other);
	for (size_t i = 0; i < totals->count; i++)
		begin(&totals->list[i]);
}

void leat_totals_take_channels(struct leat_totals *totals, const struct leat_snapshot *snapshot)
{
	begin_snapshot(totals, begin_channels);
	for (size_t i = 0; i < snapshot->channels_count; i++)
		take_channel(totals, &snapshot->channels[i]);
}

void leat_totals_take_generators(struct leat_totals *totals, const struct leat_snapshot *snapshot)
{
	begin_snapshot(totals, begin_generators);
	for (size_t i = 0; i < snapshot->generators_count; i++)
		take_generator(totals, &snapshot->generators[i]);
}

void leat_totals_fini(struct leat_totals *totals)
{
	leat_os_free(totals->list);
	leat_os_free(totals->places);
	*totals = (struct leat_totals){ 0 };
}
