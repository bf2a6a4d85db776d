/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/diag/counters_table.h"
#include "runtime/diag/array.h"
#include "runtime/diag/counters_values.h"

#include <string.h>

enum { ALONE_MOST = 16, ENDED_MOST = 256 };

static const char other_names[] = "(other names)";

static bool is_sum(const struct leat_counters_place *place)
{
	return (place->image.flags & LEAT_COUNTERS_SUM) != 0;
}

/* Never 0, which a free place has. */
static uint32_t hash_name(uint32_t kind, const char *name)
{
	uint32_t hash = 2166136261u ^ kind; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash != 0 ? hash : 1;
}

void leat_counters_table_init(struct leat_counters_table *table, struct leat_counters_file *file)
{
	table->file = file;
	for (unsigned kind = 0; kind < LEAT_COUNTERS_KINDS; kind++)
		table->others[kind] = LEAT_COUNTERS_NOWHERE;
}

void leat_counters_table_fini(struct leat_counters_table *table)
{
	leat_os_free(table->places);
	leat_os_free(table->objects.list);
	leat_os_free(table->before.list);
}

/* The object's entry, or the free one where it belongs; NULL if there are no entries at all. */
static struct leat_counters_object *find_object(const struct leat_counters_objects *objects,
                                                const struct leat_counters_key *key)
{
	uint64_t hash = (key->id ^ (uint64_t)key->part << 40) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = (size_t)(hash >> 20) + key->kind; objects->room != 0; i++) {
		struct leat_counters_object *object = &objects->list[i & (objects->room - 1)];

		if (object->key.kind == 0 ||
		    (object->key.id == key->id && object->key.kind == key->kind &&
		     object->key.part == key->part))
			return object;
	}
	return NULL;
}

/* The objects of the snapshot before become `before`; its memory is used again. */
bool leat_counters_table_begin(struct leat_counters_table *table, size_t count)
{
	struct leat_counters_objects next = table->before;
	size_t room = 64;

	while (room < 2 * count)
		room *= 2;
	if (next.room < room || next.room > 16 * room) {
		struct leat_counters_object *list = leat_os_alloc(room * sizeof(*list), 0);

		if (list == NULL)
			return false;
		leat_os_free(next.list);
		next = (struct leat_counters_objects){ .list = list, .room = room };
	} else {
		memset(next.list, 0, next.room * sizeof(*next.list));
	}
	table->before = table->objects;
	table->objects = next;
	table->file->refused = false;
	return true;
}

static void forget_end(struct leat_counters_table *table, struct leat_counters_place *place)
{
	if (place->ended_order == 0)
		return;
	place->ended_order = 0;
	table->ended_count--;
}

static void note_end(struct leat_counters_table *table, struct leat_counters_place *place,
                     int64_t time_ns)
{
	place->image.flags |= LEAT_COUNTERS_ENDED;
	place->image.ended_ns = time_ns;
	place->image.living = 0;
	place->ended_order = ++table->ended_order;
	table->ended_count++;
}

static uint32_t index_of(const struct leat_counters_table *table,
                         const struct leat_counters_place *place)
{
	return (uint32_t)(place - table->places);
}

static void free_place(struct leat_counters_table *table, struct leat_counters_place *place)
{
	uint32_t i = index_of(table, place), generation = place->image.generation;

	forget_end(table, place);
	*place = (struct leat_counters_place){ .image = { .generation = generation } };
	table->hashes[i] = 0;
	table->free[table->free_count++] = i;
}

/* A record with one object, or a dead sum, becomes a sum by this name. */
static void become_sum(struct leat_counters_table *table, struct leat_counters_place *place,
                       const char *name)
{
	struct leat_counters_file_record *image = &place->image;
	uint32_t hash = hash_name(image->kind, name);

	forget_end(table, place);
	if (!is_sum(place)) {
		memcpy(place->kept, image->values, sizeof(place->kept));
		place->kept_count = image->count;
	}
	image->generation++;
	image->flags = LEAT_COUNTERS_SUM;
	image->id = image->channel = 0;
	image->ended_ns = 0;
	memset(image->text, 0, sizeof(image->text));
	memmove(image->name, name, strlen(name) + 1);
	place->hash = table->hashes[index_of(table, place)] = hash;
}

/* What has ended goes into a sum, and its record is free. */
static void fold(struct leat_counters_table *table, struct leat_counters_place *from,
                 struct leat_counters_place *to)
{
	const uint64_t *values = is_sum(from) ? from->kept : from->image.values;

	for (unsigned i = 0; i < LEAT_COUNTERS_VALUES; i++)
		to->kept[i] += values[i]; /* of which settle_sum() uses the totals */
	to->kept_count += is_sum(from) ? from->kept_count : from->image.count;
	free_place(table, from);
}

/* What there is of a kind and a name. */
struct found {
	unsigned alone;
	struct leat_counters_place *sum, *oldest; /* oldest: that ended, with a record of its own */
};

static struct found find_name(const struct leat_counters_table *table, uint32_t kind,
                              const char *name, uint32_t hash)
{
	struct found found = { 0 };

	for (uint32_t i = 0; i < table->used; i++) {
		struct leat_counters_place *place = &table->places[i];

		if (table->hashes[i] != hash || place->image.kind != kind ||
		    strcmp(place->image.name, name) != 0)
			continue;
		if (is_sum(place)) {
			found.sum = place;
			continue;
		}
		found.alone++;
		if (place->ended_order != 0 &&
		    (found.oldest == NULL || place->ended_order < found.oldest->ended_order))
			found.oldest = place;
	}
	return found;
}

/* The one that ended longest ago, of all but the sums of other names; NULL: all live. */
static struct leat_counters_place *find_oldest(const struct leat_counters_table *table)
{
	struct leat_counters_place *oldest = NULL;

	for (uint32_t i = 0; i < table->used && table->ended_count > 0; i++) {
		struct leat_counters_place *place = &table->places[i];

		if (place->ended_order != 0 && place->now_count == 0 &&
		    table->others[place->image.kind] != i &&
		    (oldest == NULL || place->ended_order < oldest->ended_order))
			oldest = place;
	}
	return oldest;
}

/* Puts a record away into "(other names)" of its kind. */
static void put_with_others(struct leat_counters_table *table, struct leat_counters_place *place)
{
	uint32_t kind = place->image.kind;

	if (table->others[kind] != LEAT_COUNTERS_NOWHERE) {
		fold(table, place, &table->places[table->others[kind]]);
		return;
	}
	become_sum(table, place, other_names);
	table->others[kind] = index_of(table, place);
}

/*
 * Puts away what ended longest ago. It stays under its name while there is more of that name.
 * False: there is nothing to put away.
 */
static bool put_away(struct leat_counters_table *table)
{
	const uint64_t order = table->ended_order;
	struct leat_counters_place *place;

	while ((place = find_oldest(table)) != NULL && place->ended_order <= order) {
		struct found found =
			find_name(table, place->image.kind, place->image.name, place->hash);

		if (is_sum(place) && found.alone > 0) {
			/* later, then: the loop ends when it meets this one again */
			place->ended_order = ++table->ended_order;
			continue;
		}
		if (is_sum(place) || (found.sum == NULL && found.alone == 1))
			put_with_others(table, place);
		else if (found.sum != NULL)
			fold(table, place, found.sum);
		else
			become_sum(table, place, place->image.name);
		return true;
	}
	return false;
}

static void put_away_surplus(struct leat_counters_table *table)
{
	while (table->ended_count > ENDED_MOST && put_away(table))
		;
}

/* A place that was never used, as far as the file and the memory have room. */
static struct leat_counters_place *extend(struct leat_counters_table *table)
{
	void *array = table->places;

	if (table->used == table->file->room && !leat_counters_file_grow(table->file))
		return NULL;
	if (!grow_array(&array, table->used, &table->places_room, sizeof(*table->places)))
		return NULL;
	table->places = array;
	return &table->places[table->used++];
}

/* Pointers to places are not valid any more. */
static struct leat_counters_place *find_free(struct leat_counters_table *table)
{
	struct leat_counters_place *place;

	if (table->free_count == 0) {
		place = extend(table);
		if (place != NULL)
			return place;
		while (table->free_count == 0)
			if (!put_away(table))
				return NULL;
	}
	return &table->places[table->free[--table->free_count]];
}

static struct leat_counters_place *add_place(struct leat_counters_table *table, uint32_t kind,
                                             const char *name, uint32_t hash)
{
	struct leat_counters_place *place = find_free(table);
	unsigned values;

	if (place == NULL)
		return NULL;
	leat_counters_values(kind, &values);
	place->image.generation++;
	place->image.kind = kind;
	place->image.values_count = values;
	memcpy(place->image.name, name, strlen(name) + 1);
	place->hash = table->hashes[index_of(table, place)] = hash;
	return place;
}

/* A sum of this name, which is made if there is none. */
static struct leat_counters_place *join_sum(struct leat_counters_table *table, uint32_t kind,
                                            const char *name, uint32_t hash)
{
	struct leat_counters_place *sum = find_name(table, kind, name, hash).sum;

	if (sum != NULL)
		return sum;
	sum = add_place(table, kind, name, hash);
	if (sum != NULL)
		sum->image.flags = LEAT_COUNTERS_SUM;
	return sum;
}

static struct leat_counters_place *choose_place(struct leat_counters_table *table, uint32_t kind,
                                                const char *name)
{
	uint32_t hash = hash_name(kind, name);
	struct found found = find_name(table, kind, name, hash);
	struct leat_counters_place *place;

	if (found.alone >= ALONE_MOST && found.oldest == NULL)
		return join_sum(table, kind, name, hash);
	if (found.alone >= ALONE_MOST && found.sum != NULL)
		fold(table, found.oldest, found.sum);
	else if (found.alone >= ALONE_MOST)
		become_sum(table, found.oldest, name);
	place = add_place(table, kind, name, hash);
	/* the file is full of what lives, but its name may have a sum */
	return place != NULL ? place : find_name(table, kind, name, hash).sum;
}

struct leat_counters_place *leat_counters_table_take(struct leat_counters_table *table,
                                                     const struct leat_counters_key *key,
                                                     const char *name, bool ended, bool *is_new)
{
	struct leat_counters_object *known = find_object(&table->before, key), *entry;
	struct leat_counters_place *place;

	*is_new = known == NULL || known->key.kind == 0;
	if (*is_new) {
		place = choose_place(table, key->kind, name);
		table->lost += place == NULL;
	} else {
		known->seen = true;
		place = known->place == LEAT_COUNTERS_NOWHERE ? NULL : &table->places[known->place];
	}
	if (!ended) {
		entry = find_object(&table->objects, key);
		*entry = (struct leat_counters_object){ .key = *key,
			                                .place = LEAT_COUNTERS_NOWHERE };
		if (place != NULL)
			entry->place = index_of(table, place);
	}
	return place;
}

/* Of those that have ended only the totals matter. */
static void add_values(uint64_t *to, uint32_t kind, const uint64_t *values, bool ended)
{
	unsigned count;
	const struct leat_counters_value *value = leat_counters_values(kind, &count);

	for (unsigned i = 0; i < count; i++, value++) {
		if (value->type == LEAT_COUNTERS_TOTAL ||
		    (value->type == LEAT_COUNTERS_NOW && !ended))
			to[i] += values[i];
		else if (value->type == LEAT_COUNTERS_MOST && !ended && values[i] > to[i])
			to[i] = values[i];
	}
}

void leat_counters_table_set(struct leat_counters_table *table, struct leat_counters_place *place,
                             const uint64_t *values, bool ended, int64_t time_ns)
{
	struct leat_counters_file_record *image = &place->image;

	if (is_sum(place)) {
		add_values(ended ? place->kept : place->now, image->kind, values, ended);
		place->kept_count += ended;
		place->now_count += !ended;
		return;
	}
	memcpy(image->values, values, sizeof(image->values));
	image->count = 1;
	image->living = !ended;
	if (ended && place->ended_order == 0)
		note_end(table, place, time_ns);
	/* at once: a crowd of them would make the table long, and each search in it */
	put_away_surplus(table);
}

/* Those that are not in this snapshot, and whose ends were in none. */
static void end_unseen(struct leat_counters_table *table, int64_t time_ns,
                       leat_counters_gone_fn *gone, void *arg)
{
	for (size_t i = 0; i < table->before.room; i++) {
		const struct leat_counters_object *object = &table->before.list[i];
		struct leat_counters_place *place;

		if (object->key.kind == 0 || object->seen || object->place == LEAT_COUNTERS_NOWHERE)
			continue;
		place = &table->places[object->place];
		if (is_sum(place)) {
			place->kept_count++; /* settle_sum() finds what it had counted */
			continue;
		}
		note_end(table, place, time_ns);
		gone(place, arg);
	}
}

static void settle_sum(struct leat_counters_table *table, struct leat_counters_place *place,
                       int64_t time_ns)
{
	struct leat_counters_file_record *image = &place->image;
	unsigned count;
	const struct leat_counters_value *value = leat_counters_values(image->kind, &count);

	for (unsigned i = 0; i < count; i++, value++) {
		uint64_t total = place->kept[i] + place->now[i];

		if (value->type != LEAT_COUNTERS_TOTAL) {
			image->values[i] = place->now[i];
			continue;
		}
		if (total < image->values[i])
			place->kept[i] += image->values[i] - total;
		else
			image->values[i] = total;
	}
	image->count = place->kept_count + place->now_count;
	image->living = place->now_count;
	if (image->living > 0) {
		forget_end(table, place);
		image->flags &= ~LEAT_COUNTERS_ENDED;
		image->ended_ns = 0;
	} else if (place->ended_order == 0) {
		note_end(table, place, time_ns);
	}
	memset(place->now, 0, sizeof(place->now));
	place->now_count = 0;
}

static void write_changed(struct leat_counters_table *table)
{
	const size_t from = offsetof(struct leat_counters_file_record, generation);

	for (uint32_t i = 0; i < table->used; i++) {
		const struct leat_counters_file_record *image = &table->places[i].image;
		const unsigned char *there =
			table->file->map + LEAT_COUNTERS_RECORDS_OFFSET + i * sizeof(*image);

		if (memcmp(there + from, (const char *)image + from, sizeof(*image) - from) != 0)
			leat_counters_file_put_record(table->file, i, image);
	}
}

void leat_counters_table_end(struct leat_counters_table *table, int64_t time_ns,
                             leat_counters_gone_fn *gone, void *arg)
{
	end_unseen(table, time_ns, gone, arg);
	/* before the sums are settled: a total that moves into one must not be missing for a while
	 */
	put_away_surplus(table);
	for (uint32_t i = 0; i < table->used; i++)
		if (is_sum(&table->places[i]))
			settle_sum(table, &table->places[i], time_ns);
	write_changed(table);
}
