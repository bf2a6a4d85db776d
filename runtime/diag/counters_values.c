/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/diag/counters_values.h"

#include <leat/detail/counters.h>

#include <string.h>

#define VALUE(name, type, structure, member) \
	{ \
		name, LEAT_COUNTERS_##type, (uint16_t)offsetof(struct structure, member), \
			(uint16_t)sizeof(((struct structure *)0)->member), false \
	}
#define CHAN(name, type, member) VALUE(name, type, leat_chan_stat, member)
#define GEN(name, type, member) VALUE(name, type, leat_gen_stat, member)
#define POOL(name, type, member) VALUE(name, type, leat_pool_stat, member)
#define SUB(name, type, member) VALUE(name, type, leat_subscriber_stat, member)

static const struct leat_counters_value of_channels[] = {
	[LEAT_COUNTERS_CHAN_OFFERED] = CHAN("offered_items", TOTAL, offered),
	[LEAT_COUNTERS_CHAN_DELIVERED] = CHAN("delivered_items", TOTAL, delivered),
	[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_NEWEST] =
		CHAN("dropped_newest_items", TOTAL, dropped[LEAT_DROPPED_NEWEST]),
	[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_OLDEST] =
		CHAN("dropped_oldest_items", TOTAL, dropped[LEAT_DROPPED_OLDEST]),
	[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_CANCELED] =
		CHAN("dropped_canceled_items", TOTAL, dropped[LEAT_DROPPED_CANCELED]),
	[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_ABANDONED] =
		CHAN("dropped_abandoned_items", TOTAL, dropped[LEAT_DROPPED_ABANDONED]),
	[LEAT_COUNTERS_CHAN_REJECTED] = CHAN("rejected_items", TOTAL, rejected),
	[LEAT_COUNTERS_CHAN_IN_FLIGHT] = CHAN("in_flight_items", NOW, in_flight),
	[LEAT_COUNTERS_CHAN_CAPACITY] = CHAN("capacity_items", NOW, capacity),
	[LEAT_COUNTERS_CHAN_PEAK] = CHAN("peak_items", MOST, peak),
	[LEAT_COUNTERS_CHAN_SEND_BLOCKED] = CHAN("send_blocked_ns", TOTAL, send_blocked_ns),
	[LEAT_COUNTERS_CHAN_RECV_BLOCKED] = CHAN("recv_blocked_ns", TOTAL, recv_blocked_ns),
	[LEAT_COUNTERS_CHAN_SEND_PARKS] = CHAN("send_parks", TOTAL, send_parks),
	[LEAT_COUNTERS_CHAN_RECV_PARKS] = CHAN("recv_parks", TOTAL, recv_parks),
	[LEAT_COUNTERS_CHAN_SENDERS] = CHAN("senders", NOW, senders),
	[LEAT_COUNTERS_CHAN_RECEIVERS] = CHAN("receivers", NOW, receivers),
	[LEAT_COUNTERS_CHAN_ITEM_SIZE] = CHAN("item_bytes", STATE, item_size),
	[LEAT_COUNTERS_CHAN_KIND] = CHAN("producers_consumers", STATE, kind),
	[LEAT_COUNTERS_CHAN_CANCELED] = CHAN("canceled", STATE, canceled),
};

static const struct leat_counters_value of_generators[] = {
	[LEAT_COUNTERS_GEN_BUSY] = GEN("busy_ns", TOTAL, busy_ns),
	[LEAT_COUNTERS_GEN_STARVED] = GEN("starved_ns", TOTAL, starved_ns),
	[LEAT_COUNTERS_GEN_BLOCKED] = GEN("blocked_ns", TOTAL, blocked_ns),
	[LEAT_COUNTERS_GEN_ORDER] = GEN("order_ns", TOTAL, order_ns),
	[LEAT_COUNTERS_GEN_PACED] = GEN("paced_ns", TOTAL, paced_ns),
	[LEAT_COUNTERS_GEN_CPU] = GEN("cpu_ns", TOTAL, cpu_ns),
	[LEAT_COUNTERS_GEN_RUNQ] = GEN("runq_ns", TOTAL, runq_ns),
	[LEAT_COUNTERS_GEN_CAUSE] = GEN("cause", STATE, cause),
	[LEAT_COUNTERS_GEN_CODE] = { "code", LEAT_COUNTERS_STATE,
	                             offsetof(struct leat_gen_stat, code), sizeof(int), true },
	[LEAT_COUNTERS_GEN_BEGAN] = GEN("began_ns", STATE, began_ns),
	[LEAT_COUNTERS_GEN_RECEIVES] = GEN("receives_1", STATE, receives[0]),
	[LEAT_COUNTERS_GEN_RECEIVES + 1] = GEN("receives_2", STATE, receives[1]),
	[LEAT_COUNTERS_GEN_RECEIVES + 2] = GEN("receives_3", STATE, receives[2]),
	[LEAT_COUNTERS_GEN_RECEIVES + 3] = GEN("receives_4", STATE, receives[3]),
	[LEAT_COUNTERS_GEN_SENDS] = GEN("sends_1", STATE, sends[0]),
	[LEAT_COUNTERS_GEN_SENDS + 1] = GEN("sends_2", STATE, sends[1]),
	[LEAT_COUNTERS_GEN_SENDS + 2] = GEN("sends_3", STATE, sends[2]),
	[LEAT_COUNTERS_GEN_SENDS + 3] = GEN("sends_4", STATE, sends[3]),
	[LEAT_COUNTERS_GEN_WAITS_ON] = GEN("waits_on", STATE, waits_on),
	[LEAT_COUNTERS_GEN_PACED_BY] = GEN("paced_by", STATE, paced_by),
	[LEAT_COUNTERS_GEN_ORIGIN] = GEN("origin", STATE, origin),
};

static const struct leat_counters_value of_pools[] = {
	[LEAT_COUNTERS_POOL_WORKERS] = POOL("workers", NOW, workers),
	[LEAT_COUNTERS_POOL_GENERATORS] = POOL("generators", NOW, generators),
	[LEAT_COUNTERS_POOL_TURNS] = POOL("turns", TOTAL, turns),
	[LEAT_COUNTERS_POOL_OFFERED] = POOL("offered_items", TOTAL, offered),
	[LEAT_COUNTERS_POOL_DELIVERED] = POOL("delivered_items", TOTAL, delivered),
	[LEAT_COUNTERS_POOL_DROPPED + LEAT_DROPPED_NEWEST] =
		POOL("dropped_newest_items", TOTAL, dropped[LEAT_DROPPED_NEWEST]),
	[LEAT_COUNTERS_POOL_DROPPED + LEAT_DROPPED_OLDEST] =
		POOL("dropped_oldest_items", TOTAL, dropped[LEAT_DROPPED_OLDEST]),
	[LEAT_COUNTERS_POOL_DROPPED + LEAT_DROPPED_CANCELED] =
		POOL("dropped_canceled_items", TOTAL, dropped[LEAT_DROPPED_CANCELED]),
	[LEAT_COUNTERS_POOL_DROPPED + LEAT_DROPPED_ABANDONED] =
		POOL("dropped_abandoned_items", TOTAL, dropped[LEAT_DROPPED_ABANDONED]),
	[LEAT_COUNTERS_POOL_IN_FLIGHT] = POOL("in_flight_items", NOW, in_flight),
	[LEAT_COUNTERS_POOL_LONG] = POOL("long_ns", MOST, long_ns),
	[LEAT_COUNTERS_POOL_LONG_ID] = POOL("long_id", STATE, long_id),
	[LEAT_COUNTERS_POOL_BUSY] = POOL("busy_ns", TOTAL, busy_ns),
	[LEAT_COUNTERS_POOL_IDLE] = POOL("idle_ns", TOTAL, idle_ns),
	[LEAT_COUNTERS_POOL_BUSIEST] = POOL("busiest_ns", MOST, busiest_ns),
	[LEAT_COUNTERS_POOL_CPU] = POOL("cpu_ns", TOTAL, cpu_ns),
	[LEAT_COUNTERS_POOL_RUNQ] = POOL("runq_ns", TOTAL, runq_ns),
	[LEAT_COUNTERS_POOL_BEGAN] = POOL("began_ns", STATE, began_ns),
};

static const struct leat_counters_value of_subscribers[] = {
	[LEAT_COUNTERS_SUB_DELIVERED] = SUB("delivered_items", TOTAL, delivered),
	[LEAT_COUNTERS_SUB_MISSED] = SUB("missed_items", TOTAL, missed),
	[LEAT_COUNTERS_SUB_IN_FLIGHT] = SUB("in_flight_items", NOW, in_flight),
	[LEAT_COUNTERS_SUB_NEXT] = SUB("next_item", STATE, next),
	[LEAT_COUNTERS_SUB_PLACE] = SUB("place", STATE, place),
	[LEAT_COUNTERS_SUB_LAG] = SUB("lag", STATE, lag),
	[LEAT_COUNTERS_SUB_EVICTED] = SUB("evicted", STATE, evicted),
	[LEAT_COUNTERS_SUB_HOLDS_SENDERS] = SUB("holds_senders", NOW, holds_senders),
};

#define COUNT(values) (sizeof(values) / sizeof((values)[0]))
#define OF(values) values, COUNT(values)
static const struct {
	const struct leat_counters_value *values;
	unsigned count;
} kinds[LEAT_COUNTERS_KINDS] = {
	[LEAT_COUNTERS_CHANNEL] = { OF(of_channels) },
	[LEAT_COUNTERS_GENERATOR] = { OF(of_generators) },
	[LEAT_COUNTERS_POOL] = { OF(of_pools) },
	[LEAT_COUNTERS_SUBSCRIBER] = { OF(of_subscribers) },
};

_Static_assert(COUNT(of_channels) == LEAT_COUNTERS_CHAN_VALUES, "all of them");
_Static_assert(COUNT(of_generators) == LEAT_COUNTERS_GEN_VALUES, "all of them");
_Static_assert(COUNT(of_pools) == LEAT_COUNTERS_POOL_VALUES, "all of them");
_Static_assert(COUNT(of_subscribers) == LEAT_COUNTERS_SUB_VALUES, "all of them");
_Static_assert(LEAT_WAITS_MOST == 4, "receives_1 to receives_4, and sends");
_Static_assert(LEAT_COUNTERS_CHAN_VALUES <= LEAT_COUNTERS_VALUES &&
                       LEAT_COUNTERS_GEN_VALUES <= LEAT_COUNTERS_VALUES &&
                       LEAT_COUNTERS_POOL_VALUES <= LEAT_COUNTERS_VALUES,
               "a record has room for them");

const struct leat_counters_value *leat_counters_values(unsigned kind, unsigned *count)
{
	*count = kind < LEAT_COUNTERS_KINDS ? kinds[kind].count : 0;
	return kind < LEAT_COUNTERS_KINDS ? kinds[kind].values : NULL;
}

void leat_counters_read_values(uint64_t *values, unsigned kind, const void *stat)
{
	unsigned count;
	const struct leat_counters_value *value = leat_counters_values(kind, &count);

	for (unsigned i = 0; i < count; i++, value++) {
		const char *place = (const char *)stat + value->offset;
		uint32_t narrow;

		if (value->size == sizeof(uint64_t)) {
			memcpy(&values[i], place, sizeof(uint64_t));
		} else if (value->size == sizeof(uint32_t)) {
			memcpy(&narrow, place, sizeof(narrow));
			values[i] = value->is_signed ? (uint64_t)(int64_t)(int32_t)narrow : narrow;
		} else {
			values[i] = (unsigned char)*place;
		}
	}
}

void leat_counters_write_values(void *stat, unsigned kind, const uint64_t *values)
{
	unsigned count;
	const struct leat_counters_value *value = leat_counters_values(kind, &count);

	for (unsigned i = 0; i < count; i++, value++) {
		char *place = (char *)stat + value->offset;
		uint32_t narrow = (uint32_t)values[i];

		if (value->size == sizeof(uint64_t))
			memcpy(place, &values[i], sizeof(uint64_t));
		else if (value->size == sizeof(uint32_t))
			memcpy(place, &narrow, sizeof(narrow));
		else
			*place = values[i] != 0;
	}
}

static const struct leat_counters_value *find_value(unsigned kind, unsigned value)
{
	unsigned count;
	const struct leat_counters_value *values = leat_counters_values(kind, &count);

	return value < count ? &values[value] : NULL;
}

const char *leat_counters_value_name(enum leat_counters_kind kind, unsigned value)
{
	const struct leat_counters_value *found = find_value(kind, value);

	return found != NULL ? found->name : NULL;
}

enum leat_counters_type leat_counters_value_type(enum leat_counters_kind kind, unsigned value)
{
	const struct leat_counters_value *found = find_value(kind, value);

	return found != NULL ? found->type : (enum leat_counters_type)0;
}

static const char *name_of(const char *const *names, unsigned count, unsigned number)
{
	return number < count && names[number] != NULL ? names[number] : "unknown";
}

const char *leat_counters_kind_name(enum leat_counters_kind kind)
{
	static const char *const names[] = { NULL, "channel", "generator", "pool", "subscriber" };

	return name_of(OF(names), kind);
}

const char *leat_counters_event_name(enum leat_counters_event_type type)
{
	static const char *const names[] = { NULL,      "opened",   "closed",  "blocked",
		                             "dropped", "canceled", "stopped", "failed" };

	return name_of(OF(names), type);
}

const char *leat_counters_state_name(enum leat_counters_state state)
{
	static const char *const names[] = { "running", "stalled", "gone", "unknown" };

	return name_of(OF(names), state);
}
