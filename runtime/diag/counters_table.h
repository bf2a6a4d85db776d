/*
 * runtime/diag/counters_table.h: which record of a counters file each object has.
 *
 * Each object of a snapshot has a place: a record of its own; or, with others of its name, a sum;
 * or none (it is lost). It keeps that as long as it lives.
 *
 *     16 objects of a kind and a name have records of their own. A further one takes the record of
 *     the one of them that ended longest ago, which goes into the sum of the name. If all of them
 *     live, the further one goes into the sum itself.
 *
 *     256 records are of what has ended. Beyond that, and where the file has no further record, the
 *     one that ended longest ago goes into the sum of its name, which it becomes if there are
 *     others of the name; the last record of a name goes into the sum "(other names)" of its kind.
 *
 * Invariant: over all records of a kind, and of a name while something of it lives, no total falls.
 * So a sum keeps what ended objects had counted, and what the living ones count is added anew for
 * each snapshot. An object whose end was in no snapshot takes nothing away.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_COUNTERS_TABLE_H
#define LEAT_RUNTIME_DIAG_COUNTERS_TABLE_H

#include "runtime/diag/counters_file.h"

#define LEAT_COUNTERS_NOWHERE UINT32_MAX

/* A record, and what is kept beside it. */
struct leat_counters_place {
	struct leat_counters_file_record image; /* what the file has, or will have */
	uint32_t hash;                          /* of kind and name; 0: the record is free */
	uint64_t ended_order;                   /* rises with each end; 0: something in it lives */
	/* of a sum: of those that ended, and of those that live, in this snapshot */
	uint64_t kept[LEAT_COUNTERS_VALUES], now[LEAT_COUNTERS_VALUES];
	uint32_t kept_count, now_count;
	/* of a single object: what the events have told of it (counters_events.c) */
	uint64_t told_drops[LEAT_DROP_REASONS], told_long_id;
	int64_t told_drops_ns, stuck_since_ns;
	bool told_stuck;
};

/* What tells one object of the program from the others. */
struct leat_counters_key {
	uint32_t kind, part; /* part: a subscriber's place; else 0 */
	uint64_t id;
};

struct leat_counters_object {
	struct leat_counters_key key; /* kind 0: none */
	uint32_t place;
	bool seen; /* in the snapshot after */
};

/* By open addressing. */
struct leat_counters_objects {
	struct leat_counters_object *list;
	size_t room; /* a power of 2; 0 before the first */
};

struct leat_counters_table {
	struct leat_counters_file *file;
	struct leat_counters_place *places;
	size_t places_room;
	uint32_t used; /* places up to here have been in use */
	uint32_t free[LEAT_COUNTERS_RECORDS_MOST], free_count;
	uint32_t hashes[LEAT_COUNTERS_RECORDS_MOST]; /* of the places, to search through */
	uint32_t others[LEAT_COUNTERS_KINDS];        /* places of "(other names)"; or nowhere */
	struct leat_counters_objects objects, before;
	uint32_t ended_count;
	uint64_t ended_order, lost;
};

void leat_counters_table_init(struct leat_counters_table *table, struct leat_counters_file *file);
void leat_counters_table_fini(struct leat_counters_table *table);

/* Begins a snapshot of up to `count` objects. False without memory: the snapshot is left out. */
bool leat_counters_table_begin(struct leat_counters_table *table, size_t count);
/*
 * The place of an object of this snapshot, which each has once: NULL if it is lost. is_new: no
 * snapshot had it before, so the caller stores when it was opened, unless it is in a sum that has
 * that. The caller calls leat_counters_table_set() for it next.
 */
struct leat_counters_place *leat_counters_table_take(struct leat_counters_table *table,
                                                     const struct leat_counters_key *key,
                                                     const char *name, bool ended, bool *is_new);
/* Stores the values of an object: in its record, or as an addition to its sum. */
void leat_counters_table_set(struct leat_counters_table *table, struct leat_counters_place *place,
                             const uint64_t *values, bool ended, int64_t time_ns);
/*
 * Ends the snapshot: calls gone for the record of each single object that is not there any more and
 * whose end was in no snapshot, and writes what has changed into the file.
 */
typedef void leat_counters_gone_fn(const struct leat_counters_place *place, void *arg);
void leat_counters_table_end(struct leat_counters_table *table, int64_t time_ns,
                             leat_counters_gone_fn *gone, void *arg);

#endif
