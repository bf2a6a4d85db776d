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

		if (*place == 0 || strcmp(totals->list[*place - 1].ended.name, name) == 0)
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
		*find_place(&larger, totals->list[i].ended.name) = (uint32_t)(i + 1);
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
	memcpy(total->ended.name, name, strlen(name) + 1);
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

static void begin_snapshot(struct leat_total *total)
{
	total->now = total->ended;
	total->living = 0;
}

static void take_channel(struct leat_totals *totals, const struct leat_chan_stat *chan)
{
	struct leat_total *total = total_of(totals, chan->name);

	add_counters(&total->now, chan);
	if (chan->ended)
		add_counters(&total->ended, chan);
	else
		total->living++;
}

void leat_totals_take(struct leat_totals *totals, const struct leat_snapshot *snapshot)
{
	memcpy(totals->other.ended.name, LEAT_TOTALS_OTHER, sizeof(LEAT_TOTALS_OTHER));
	begin_snapshot(&totals->other);
	for (size_t i = 0; i < totals->count; i++)
		begin_snapshot(&totals->list[i]);
	for (size_t i = 0; i < snapshot->channels_count; i++)
		take_channel(totals, &snapshot->channels[i]);
}

void leat_totals_fini(struct leat_totals *totals)
{
	leat_os_free(totals->list);
	leat_os_free(totals->places);
	*totals = (struct leat_totals){ 0 };
}
