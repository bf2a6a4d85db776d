/*
 * Snapshots into a counters file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/counters.h"
#include "runtime/diag/counters_values.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPENS_MOST = 32, EVENTS_MOST = 128 };

/* What no later snapshot changes. */
static void fill_head(struct leat_counters_head *head)
{
	head->byte_order = LEAT_COUNTERS_ORDER;
	head->major = LEAT_COUNTERS_MAJOR;
	head->minor = LEAT_COUNTERS_MINOR;
	head->head_size = sizeof(*head);
	head->slot_size = sizeof(struct leat_counters_slot);
	head->event_size = sizeof(struct leat_counters_file_event);
	head->record_size = sizeof(struct leat_counters_file_record);
	head->slots_offset = LEAT_COUNTERS_SLOTS_OFFSET;
	head->events_offset = LEAT_COUNTERS_EVENTS_OFFSET;
	head->records_offset = LEAT_COUNTERS_RECORDS_OFFSET;
	head->events_count = LEAT_COUNTERS_EVENTS_MOST;
	head->records_most = LEAT_COUNTERS_RECORDS_MOST;
	head->pid = (uint32_t)getpid();
	head->uid = geteuid();
	head->pid_namespace = leat_os_pid_namespace();
	head->start_ticks = leat_os_start_ticks(head->pid);
	head->start_ns = leat_os_started_ns();
	leat_os_boot_id(head->boot_id);
	snprintf(head->name, sizeof(head->name), "%s", program_invocation_short_name);
}

static void fill_slots(struct leat_counters_head *head)
{
	struct leat_counters_slot *slot =
		(void *)((unsigned char *)head + LEAT_COUNTERS_SLOTS_OFFSET);

	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++) {
		unsigned count;
		const struct leat_counters_value *value = leat_counters_values(kind, &count);

		for (unsigned i = 0; i < count; i++, value++, slot++) {
			slot->kind = kind;
			slot->place = i;
			slot->type = value->type;
			snprintf(slot->name, sizeof(slot->name), "%s", value->name);
		}
		head->slots_count += count;
	}
}

_Static_assert(LEAT_COUNTERS_CHAN_VALUES + LEAT_COUNTERS_GEN_VALUES + LEAT_COUNTERS_POOL_VALUES +
                               LEAT_COUNTERS_SUB_VALUES <=
                       LEAT_COUNTERS_SLOTS_MOST,
               "the slots have room");

int leat_counters_create(struct leat_counters_writer **made, const char *path, int64_t interval_ns,
                         char why[LEAT_COUNTERS_WHY])
{
	struct leat_counters_writer *writer = leat_os_alloc(sizeof(*writer), 0);
	int saved = errno, rc;

	*made = NULL;
	if (writer == NULL) {
		snprintf(why, LEAT_COUNTERS_WHY, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	rc = leat_counters_file_open(&writer->file, path, why);
	if (rc < 0) {
		leat_os_free(writer);
		errno = saved;
		return rc;
	}
	leat_counters_table_init(&writer->table, &writer->file);
	fill_head(leat_counters_file_head(&writer->file));
	fill_slots(leat_counters_file_head(&writer->file));
	writer->head.status = LEAT_COUNTERS_FILE_WRITTEN;
	writer->head.time_ns = leat_now_ns();
	writer->head.wall_ns = leat_os_wall_ns();
	writer->head.interval_ns = interval_ns;
	leat_counters_file_put_head(&writer->file, &writer->head);
	leat_counters_file_publish(&writer->file);
	errno = saved;
	*made = writer;
	return 0;
}

/* last_ns: of the snapshot before, since which a new object has been opened. */
static void note_opening(struct leat_counters_place *place, bool is_new, int64_t last_ns)
{
	if (is_new && place->image.opened_ns == 0)
		place->image.opened_ns = last_ns;
}

static void put_values(struct leat_counters_writer *writer, struct leat_counters_place *place,
                       enum leat_counters_kind kind, const void *stat, bool ended)
{
	uint64_t values[LEAT_COUNTERS_VALUES] = { 0 };

	leat_counters_read_values(values, kind, stat);
	leat_counters_table_set(&writer->table, place, values, ended, writer->head.time_ns);
}

static void take_channel(struct leat_counters_writer *writer, const struct leat_chan_stat *chan,
                         int64_t last_ns)
{
	const struct leat_counters_key key = { .kind = LEAT_COUNTERS_CHANNEL, .id = chan->id };
	struct leat_counters_place *place;
	bool is_new;

	place = leat_counters_table_take(&writer->table, &key, chan->name, chan->ended, &is_new);
	leat_counters_tell_channel(writer, place, is_new, chan);
	if (place == NULL)
		return;
	note_opening(place, is_new, last_ns);
	if ((place->image.flags & LEAT_COUNTERS_SUM) == 0)
		place->image.id = chan->id;
	put_values(writer, place, LEAT_COUNTERS_CHANNEL, chan, chan->ended);
}

static void take_generator(struct leat_counters_writer *writer, const struct leat_gen_stat *gen,
                           int64_t last_ns)
{
	const struct leat_counters_key key = { .kind = LEAT_COUNTERS_GENERATOR, .id = gen->id };
	const bool ended = gen->cause != LEAT_RUNNING;
	struct leat_counters_place *place;
	bool is_new;

	place = leat_counters_table_take(&writer->table, &key, gen->name, ended, &is_new);
	leat_counters_tell_generator(writer, place, is_new, gen);
	if (place == NULL)
		return;
	note_opening(place, is_new, gen->began_ns != 0 ? gen->began_ns : last_ns);
	if ((place->image.flags & LEAT_COUNTERS_SUM) == 0) {
		place->image.id = gen->id;
		place->image.channel = gen->chan_id;
		memcpy(place->image.text, gen->text, strlen(gen->text) + 1);
	}
	put_values(writer, place, LEAT_COUNTERS_GENERATOR, gen, ended);
}

static void take_pool(struct leat_counters_writer *writer, const struct leat_pool_stat *pool)
{
	const struct leat_counters_key key = { .kind = LEAT_COUNTERS_POOL, .id = pool->id };
	struct leat_counters_place *place;
	bool is_new;

	place = leat_counters_table_take(&writer->table, &key, pool->name, false, &is_new);
	leat_counters_tell_pool(writer, place, is_new, pool);
	if (place == NULL)
		return;
	note_opening(place, is_new, pool->began_ns);
	if ((place->image.flags & LEAT_COUNTERS_SUM) == 0) {
		place->image.id = pool->id;
		memset(place->image.text, 0, sizeof(place->image.text));
		memcpy(place->image.text, pool->long_name, strlen(pool->long_name) + 1);
	}
	put_values(writer, place, LEAT_COUNTERS_POOL, pool, false);
}

static void take_subscriber(struct leat_counters_writer *writer,
                            const struct leat_subscriber_stat *sub, int64_t last_ns)
{
	const struct leat_counters_key key = { .kind = LEAT_COUNTERS_SUBSCRIBER,
		                               .part = sub->place,
		                               .id = sub->chan_id };
	struct leat_counters_place *place;
	bool is_new;

	place = leat_counters_table_take(&writer->table, &key, sub->name, false, &is_new);
	leat_counters_tell_subscriber(writer, place, is_new, sub);
	if (place == NULL)
		return;
	note_opening(place, is_new, last_ns);
	if ((place->image.flags & LEAT_COUNTERS_SUM) == 0)
		place->image.channel = sub->chan_id;
	put_values(writer, place, LEAT_COUNTERS_SUBSCRIBER, sub, false);
}

static void take_objects(struct leat_counters_writer *writer, const struct leat_snapshot *snapshot,
                         int64_t last_ns)
{
	for (size_t i = 0; i < snapshot->channels_count; i++)
		take_channel(writer, &snapshot->channels[i], last_ns);
	for (size_t i = 0; i < snapshot->generators_count; i++)
		take_generator(writer, &snapshot->generators[i], last_ns);
	for (size_t i = 0; i < snapshot->pools_count; i++)
		take_pool(writer, &snapshot->pools[i]);
	for (size_t i = 0; i < snapshot->subscribers_count; i++)
		take_subscriber(writer, &snapshot->subscribers[i], last_ns);
}

static void take_totals(struct leat_counters_writer *writer, const struct leat_snapshot *snapshot)
{
	struct leat_counters_head *head = &writer->head;

	head->snapshots++;
	head->records_used = writer->table.used;
	head->records_lost = writer->table.lost;
	for (int cause = 0; cause < LEAT_CAUSES; cause++)
		head->exits[cause] = snapshot->exits[cause];
	head->causes_later = snapshot->causes_later;
	head->untold = snapshot->untold;
	head->waits_unfenced = snapshot->waits_unfenced;
	head->cores = snapshot->cores;
}

int leat_counters_write(struct leat_counters_writer *writer, const struct leat_snapshot *snapshot,
                        int64_t interval_ns, int64_t cost_ns)
{
	struct leat_counters_head *head = &writer->head;
	int64_t last_ns = head->time_ns;
	int rc = leat_counters_file_check(&writer->file);

	if (rc < 0)
		return rc;
	if (!leat_counters_table_begin(&writer->table,
	                               snapshot->channels_count + snapshot->generators_count +
	                                       snapshot->pools_count + snapshot->subscribers_count))
		return -ENOMEM;
	/* from here on records are of two snapshots, until the head is written again */
	head->begun++;
	leat_counters_file_put_head(&writer->file, head);
	head->time_ns = snapshot->time_ns;
	head->wall_ns = leat_os_wall_ns();
	head->interval_ns = interval_ns;
	head->cost_ns = cost_ns;
	writer->opens_left = OPENS_MOST;
	writer->events_left = EVENTS_MOST;
	take_objects(writer, snapshot, last_ns);
	leat_counters_table_end(&writer->table, head->time_ns, leat_counters_tell_gone, writer);
	take_totals(writer, snapshot);
	leat_counters_file_put_head(&writer->file, head);
	return 0;
}

void leat_counters_destroy(struct leat_counters_writer *writer)
{
	int saved = errno;

	if (writer == NULL)
		return;
	if (leat_counters_file_check(&writer->file) == 0) {
		writer->head.status = LEAT_COUNTERS_FILE_CLOSED;
		leat_counters_file_put_head(&writer->file, &writer->head);
	}
	leat_counters_file_close(&writer->file);
	leat_counters_table_fini(&writer->table);
	leat_os_free(writer);
	errno = saved;
}
