/*
 * runtime/diag/counters.h: the counters file as an exporter of the diagnostics thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_COUNTERS_H
#define LEAT_RUNTIME_DIAG_COUNTERS_H

#include "runtime/diag/counters_table.h"

struct leat_counters_writer {
	struct leat_counters_file file;
	struct leat_counters_table table;
	struct leat_counters_head head;   /* its second part: what is written next */
	unsigned opens_left, events_left; /* events that this snapshot may still tell */
};

/*
 * Makes a file (leat_counters_file_open() has the paths), in which readers find a process without
 * objects. Returns 0 or -errno with the reason, and *made NULL.
 */
int leat_counters_create(struct leat_counters_writer **made, const char *path, int64_t interval_ns,
                         char why[LEAT_COUNTERS_WHY]);
/*
 * Writes a snapshot. cost_ns: what the snapshot before it took; interval_ns: how long until the
 * next one. Returns 0, or -errno once the file cannot be written any more.
 */
int leat_counters_write(struct leat_counters_writer *writer, const struct leat_snapshot *snapshot,
                        int64_t interval_ns, int64_t cost_ns);
/* Tells readers that the process has let go of the file, and removes the file. NULL: nothing. */
void leat_counters_destroy(struct leat_counters_writer *writer);

/* counters_events.c: what has become of an object since the snapshot before. */

/* Before its values are stored in its place, which may be NULL or a sum. */
void leat_counters_tell_channel(struct leat_counters_writer *writer,
                                struct leat_counters_place *place, bool is_new,
                                const struct leat_chan_stat *chan);
void leat_counters_tell_generator(struct leat_counters_writer *writer,
                                  const struct leat_counters_place *place, bool is_new,
                                  const struct leat_gen_stat *gen);
void leat_counters_tell_pool(struct leat_counters_writer *writer, struct leat_counters_place *place,
                             bool is_new, const struct leat_pool_stat *pool);
void leat_counters_tell_subscriber(struct leat_counters_writer *writer,
                                   struct leat_counters_place *place, bool is_new,
                                   const struct leat_subscriber_stat *sub);
/* A leat_counters_gone_fn: it is gone, and no snapshot has had its end. */
void leat_counters_tell_gone(const struct leat_counters_place *place, void *writer);

#endif
