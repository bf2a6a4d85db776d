/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "export/export.h"
#include "runtime/diag/utf8.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

void leat_export_clean_text(char *to, const char *from)
{
	const unsigned char *p = (const unsigned char *)from, *end = p + strlen(from);

	while (p < end) {
		size_t bytes = leat_utf8_length(p, (size_t)(end - p));

		memcpy(to, bytes == 0 ? "\ufffd" : (const char *)p, bytes == 0 ? 3 : bytes);
		to += bytes == 0 ? 3 : bytes;
		p += bytes == 0 ? 1 : bytes;
	}
	*to = '\0';
}

/* A file may have any numbers: where a sum is too large, it stays the largest. */
static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t leat_export_total(const struct leat_export_name *name, unsigned value)
{
	return add(name->moved[value], name->last[value]);
}

void leat_export_names_init(struct leat_export_names *names, enum leat_counters_kind kind,
                            size_t most)
{
	*names = (struct leat_export_names){ .kind = kind,
		                             .most = most,
		                             .other = { .name = LEAT_EXPORT_OTHER } };
}

static void keep_in_list(void *name)
{
	(void)name; /* which the list has, too */
}

void leat_export_names_fini(struct leat_export_names *names)
{
	tdestroy(names->tree, keep_in_list);
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
	free(names->folded);
}

/* Both begin with their text. */
static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Makes room for one more in an array that has `count`; rooms are powers of two. */
static bool make_room(void *array, size_t count, size_t size)
{
	void *old, *memory;

	if ((count & (count - 1)) != 0)
		return true;
	memcpy(&old, array, sizeof(old));
	memory = realloc(old, (count == 0 ? 1 : 2 * count) * size);
	if (memory != NULL)
		memcpy(array, &memory, sizeof(memory));
	return memory != NULL;
}

/* NULL: there are as many as there may be, or no memory. */
static struct leat_export_name *add_name(struct leat_export_names *names, const char *text)
{
	struct leat_export_name *name;

	if (names->count >= names->most)
		return NULL;
	name = calloc(1, sizeof(*name));
	if (name != NULL)
		strcpy(name->name, text);
	if (name == NULL ||
	    !make_room(&names->list, names->count, sizeof(struct leat_export_name *)) ||
	    tsearch(name, &names->tree, compare_names) == NULL) {
		free(name);
		return NULL;
	}
	names->list[names->count++] = name;
	return name;
}

/* Notes a name that is in `other`, so that they can be counted. */
static void note_folded(struct leat_export_names *names, const char *text)
{
	if (names->folded_records >= names->folded_room) {
		size_t room = names->folded_room == 0 ? 64 : 2 * names->folded_room;
		void *memory = realloc(names->folded, room * sizeof(*names->folded));

		if (memory == NULL)
			return;
		names->folded = memory;
		names->folded_room = room;
	}
	strcpy(names->folded[names->folded_records++], text);
}

/* The name that a record belongs to. */
static struct leat_export_name *find_name(struct leat_export_names *names,
                                          const struct leat_counters_record *record)
{
	char text[LEAT_EXPORT_NAME];
	struct leat_export_name **found, *name;

	leat_export_clean_text(text, record->name);
	names->has_other |= strcmp(text, LEAT_EXPORT_OTHER) == 0;
	if (strcmp(text, LEAT_EXPORT_OTHER) == 0)
		return &names->other;
	found = tfind(text, &names->tree, compare_names);
	name = found != NULL ? *found : add_name(names, text);
	if (name != NULL)
		return name;
	names->has_other = true;
	note_folded(names, text);
	return &names->other;
}

static void add_record(struct leat_export_name *name, const struct leat_counters_record *record)
{
	for (unsigned i = 0; i < LEAT_EXPORT_VALUES; i++) {
		enum leat_counters_type type = leat_counters_value_type(record->kind, i);
		uint64_t value = record->values[i];

		if (type == LEAT_COUNTERS_TOTAL ||
		    (type == LEAT_COUNTERS_NOW && record->living > 0))
			name->now[i] = add(name->now[i], value);
		else if (type == LEAT_COUNTERS_MOST && record->living > 0 && value > name->now[i])
			name->now[i] = value;
	}
	/* the one state that is exported: how many are so */
	if (record->kind == LEAT_COUNTERS_SUBSCRIBER && record->living > 0)
		name->now[LEAT_COUNTERS_SUB_EVICTED] +=
			record->values[LEAT_COUNTERS_SUB_EVICTED] != 0;
	name->living += record->living;
}

/* Takes a name's totals of this reading, and adds what it has moved to short_by. */
static void settle_name(struct leat_export_name *name, enum leat_counters_kind kind, bool whole,
                        uint64_t short_by[LEAT_EXPORT_VALUES])
{
	for (unsigned i = 0; i < LEAT_EXPORT_VALUES; i++) {
		bool total = leat_counters_value_type(kind, i) == LEAT_COUNTERS_TOTAL;

		if (total && whole && name->now[i] < name->last[i])
			name->moved[i] = add(name->moved[i], name->last[i] - name->now[i]);
		if (name->now[i] > name->last[i] || (total && whole))
			name->last[i] = name->now[i];
		short_by[i] = add(short_by[i], name->moved[i]);
	}
}

/*
 * Invariant: over all names, `other` included, what is exported of a total is the sum over all
 * records. If not: an item would be counted twice, or not at all. Therefore: what a name has moved
 * is taken off the sum that has it now. Where that sum is less, as of a reading that was not whole,
 * the total of other names stays as it is.
 */
static void settle_other(struct leat_export_names *names,
                         const uint64_t short_by[LEAT_EXPORT_VALUES])
{
	struct leat_export_name *other = &names->other;

	for (unsigned i = 0; i < LEAT_EXPORT_VALUES; i++) {
		uint64_t now = other->now[i];

		if (leat_counters_value_type(names->kind, i) == LEAT_COUNTERS_TOTAL)
			now = now > short_by[i] ? now - short_by[i] : 0;
		if (now > other->last[i])
			other->last[i] = now;
	}
}

static void count_folded(struct leat_export_names *names)
{
	names->folded_count = 0;
	if (names->folded_records > 0)
		qsort(names->folded, names->folded_records, sizeof(*names->folded), compare_names);
	for (size_t i = 0; i < names->folded_records; i++)
		names->folded_count +=
			i == 0 || strcmp(names->folded[i - 1], names->folded[i]) != 0;
}

static void clear_now(struct leat_export_name *name)
{
	memset(name->now, 0, sizeof(name->now));
	name->living = 0;
}

void leat_export_names_take(struct leat_export_names *names,
                            const struct leat_counters_record *records, size_t count, bool whole)
{
	uint64_t short_by[LEAT_EXPORT_VALUES] = { 0 };

	for (size_t i = 0; i < names->count; i++)
		clear_now(names->list[i]);
	clear_now(&names->other);
	names->folded_records = 0;
	for (size_t i = 0; i < count; i++)
		if (records[i].kind == names->kind)
			add_record(find_name(names, &records[i]), &records[i]);
	for (size_t i = 0; i < names->count; i++)
		settle_name(names->list[i], names->kind, whole, short_by);
	if (whole || !names->taken)
		settle_other(names, short_by);
	names->taken = true;
	count_folded(names);
}
