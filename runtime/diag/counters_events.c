/*
 * The events of a counters file. A snapshot tells 32 events of objects that came or went at the
 * most, and 128 others; what is beyond that is counted. So a crowd does not push a failure out.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/counters.h"

#include <leat/diag.h>

#include <string.h>

#define STUCK_NS INT64_C(1000000000)  /* a wait that is told */
#define DROPS_NS INT64_C(10000000000) /* between two events of one channel's drops */

/* Fills in what all events have. NULL: there are too many. */
static bool begin_event(struct leat_counters_writer *writer, struct leat_counters_file_event *event,
                        enum leat_counters_event_type type, uint32_t kind, uint64_t id,
                        const char *name)
{
	bool coming = type == LEAT_COUNTERS_OPENED || type == LEAT_COUNTERS_CLOSED;
	unsigned *left = coming ? &writer->opens_left : &writer->events_left;

	if (*left == 0) {
		writer->head.events_lost++;
		return false;
	}
	--*left;
	*event = (struct leat_counters_file_event){ .number = writer->head.events_total++,
		                                    .time_ns = writer->head.time_ns,
		                                    .type = type,
		                                    .kind = kind,
		                                    .id = id };
	memcpy(event->name, name, strlen(name) + 1);
	return true;
}

static void tell(struct leat_counters_writer *writer, enum leat_counters_event_type type,
                 uint32_t kind, uint64_t id, const char *name, uint64_t value, const char *text)
{
	struct leat_counters_file_event event;

	if (!begin_event(writer, &event, type, kind, id, name))
		return;
	event.value = value;
	memcpy(event.text, text, strlen(text) + 1);
	leat_counters_file_put_event(&writer->file, &event);
}

static bool is_single(const struct leat_counters_place *place)
{
	return place != NULL && (place->image.flags & LEAT_COUNTERS_SUM) == 0;
}

static void tell_drops(struct leat_counters_writer *writer, struct leat_counters_place *place,
                       const struct leat_chan_stat *chan)
{
	int64_t now_ns = writer->head.time_ns;
	uint64_t all = 0, most = 0;
	enum leat_drop reason = LEAT_DROPPED_NEWEST;

	for (int r = 0; r < LEAT_DROP_REASONS; r++) {
		uint64_t more = chan->dropped[r] - place->told_drops[r];

		all += more;
		if (more > most) {
			most = more;
			reason = (enum leat_drop)r;
		}
	}
	if (all == 0 ||
	    (place->told_drops_ns != 0 && !chan->ended && now_ns - place->told_drops_ns < DROPS_NS))
		return;
	tell(writer, LEAT_COUNTERS_DROPPED, LEAT_COUNTERS_CHANNEL, chan->id, chan->name, all,
	     leat_drop_name(reason));
	memcpy(place->told_drops, chan->dropped, sizeof(place->told_drops));
	place->told_drops_ns = now_ns;
}

/* A channel that is full, and from which nothing has been taken since the snapshot before. */
static void tell_stuck(struct leat_counters_writer *writer, struct leat_counters_place *place,
                       const struct leat_chan_stat *chan)
{
	int64_t now_ns = writer->head.time_ns;
	bool moved = chan->delivered != place->image.values[LEAT_COUNTERS_CHAN_DELIVERED];

	if (moved || chan->ended || chan->in_flight < chan->capacity) {
		place->stuck_since_ns = 0;
		place->told_stuck = false;
	} else if (place->stuck_since_ns == 0) {
		place->stuck_since_ns = now_ns;
	} else if (!place->told_stuck && now_ns - place->stuck_since_ns >= STUCK_NS) {
		place->told_stuck = true;
		tell(writer, LEAT_COUNTERS_BLOCKED_LONG, LEAT_COUNTERS_CHANNEL, chan->id,
		     chan->name, (uint64_t)(now_ns - place->stuck_since_ns),
		     "full, and nothing is received");
	}
}

void leat_counters_tell_channel(struct leat_counters_writer *writer,
                                struct leat_counters_place *place, bool is_new,
                                const struct leat_chan_stat *chan)
{
	const uint32_t kind = LEAT_COUNTERS_CHANNEL;

	if (is_new && is_single(place) && !chan->ended)
		tell(writer, LEAT_COUNTERS_OPENED, kind, chan->id, chan->name, 0, "");
	if (is_single(place)) {
		if (chan->canceled && place->image.values[LEAT_COUNTERS_CHAN_CANCELED] == 0)
			tell(writer, LEAT_COUNTERS_CANCELED, kind, chan->id, chan->name, 0, "");
		tell_drops(writer, place, chan);
		tell_stuck(writer, place, chan);
	}
	if (chan->ended)
		tell(writer, LEAT_COUNTERS_CLOSED, kind, chan->id, chan->name, 0, "");
}

static enum leat_counters_event_type type_of_end(const struct leat_gen_stat *gen)
{
	switch (gen->cause) {
	case LEAT_CANCELED:
	case LEAT_DEADLINE:
		return LEAT_COUNTERS_CANCELED;
	case LEAT_STOPPED:
		return LEAT_COUNTERS_STOPPED;
	case LEAT_FAILED:
		return gen->origin ? LEAT_COUNTERS_FAILED : LEAT_COUNTERS_CANCELED;
	default:
		return LEAT_COUNTERS_CLOSED;
	}
}

void leat_counters_tell_generator(struct leat_counters_writer *writer,
                                  const struct leat_counters_place *place, bool is_new,
                                  const struct leat_gen_stat *gen)
{
	const uint32_t kind = LEAT_COUNTERS_GENERATOR;
	struct leat_counters_file_event event;

	if (gen->cause == LEAT_RUNNING) {
		if (is_new && is_single(place))
			tell(writer, LEAT_COUNTERS_OPENED, kind, gen->id, gen->name, 0, "");
		return;
	}
	if (!begin_event(writer, &event, type_of_end(gen), kind, gen->id, gen->name))
		return;
	event.cause = gen->cause;
	event.code = gen->code;
	memcpy(event.text, gen->text, strlen(gen->text) + 1);
	leat_counters_file_put_event(&writer->file, &event);
}

void leat_counters_tell_pool(struct leat_counters_writer *writer, struct leat_counters_place *place,
                             bool is_new, const struct leat_pool_stat *pool)
{
	const uint32_t kind = LEAT_COUNTERS_POOL;

	if (!is_single(place))
		return;
	if (is_new)
		tell(writer, LEAT_COUNTERS_OPENED, kind, pool->id, pool->name, 0, "");
	if (pool->long_ns < STUCK_NS || pool->long_id == place->told_long_id)
		return;
	place->told_long_id = pool->long_id;
	tell(writer, LEAT_COUNTERS_BLOCKED_LONG, kind, pool->id, pool->name,
	     (uint64_t)pool->long_ns, pool->long_name);
}

void leat_counters_tell_subscriber(struct leat_counters_writer *writer,
                                   struct leat_counters_place *place, bool is_new,
                                   const struct leat_subscriber_stat *sub)
{
	const uint32_t kind = LEAT_COUNTERS_SUBSCRIBER;
	int64_t now_ns = writer->head.time_ns;

	if (!is_single(place))
		return;
	if (is_new)
		tell(writer, LEAT_COUNTERS_OPENED, kind, sub->chan_id, sub->name, 0, "");
	if (sub->evicted && place->image.values[LEAT_COUNTERS_SUB_EVICTED] == 0)
		tell(writer, LEAT_COUNTERS_CLOSED, kind, sub->chan_id, sub->name, 0, "evicted");
	if (sub->missed == place->told_drops[0] ||
	    (place->told_drops_ns != 0 && now_ns - place->told_drops_ns < DROPS_NS))
		return;
	tell(writer, LEAT_COUNTERS_DROPPED, kind, sub->chan_id, sub->name,
	     sub->missed - place->told_drops[0], "missed");
	place->told_drops[0] = sub->missed;
	place->told_drops_ns = now_ns;
}

void leat_counters_tell_gone(const struct leat_counters_place *place, void *writer)
{
	const struct leat_counters_file_record *image = &place->image;

	tell(writer, LEAT_COUNTERS_CLOSED, image->kind,
	     image->kind == LEAT_COUNTERS_SUBSCRIBER ? image->channel : image->id, image->name, 0,
	     "");
}
