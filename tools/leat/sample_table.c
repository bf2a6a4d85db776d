/*
 * A reading of a counters file as tables.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/sample.h"
#include "tools/leat/table.h"

#include <inttypes.h>
#include <leat/diag.h>
#include <stdlib.h>
#include <string.h>

enum { ENDS_MOST = 10, EVENTS_MOST = 10, CODES = 4096 /* of errno, and more */ };

/* The name of a record, and of how many objects it is the sum. */
static void put_record_name(struct table *table, const struct leat_counters_record *record)
{
	const char *name = record->name[0] != '\0' ? record->name : "(no name)";

	if ((record->flags & LEAT_COUNTERS_SUM) != 0)
		table_put(table, "%s x%" PRIu32, name, record->count);
	else if ((record->flags & LEAT_COUNTERS_ENDED) != 0)
		table_put(table, "%s (ended)", name);
	else
		table_put(table, "%s", name);
}

static void put_channel(const struct view *view, struct table *table,
                        const struct leat_counters_record *record)
{
	const uint64_t *v = record->values;
	struct rates rates = view_rates(view, record);
	uint64_t capacity = v[LEAT_COUNTERS_CHAN_CAPACITY];

	put_record_name(table, record);
	table_put_number(table, rate_of(&rates, LEAT_COUNTERS_CHAN_DELIVERED));
	table_put_number(table, (double)v[LEAT_COUNTERS_CHAN_IN_FLIGHT]);
	table_put_number(table, (double)capacity);
	table_put_share(table,
	                capacity == 0 ? -1
	                              : (double)v[LEAT_COUNTERS_CHAN_IN_FLIGHT] / (double)capacity);
	table_put_number(table, (double)v[LEAT_COUNTERS_CHAN_PEAK]);
	table_put_number(table, drops_of(&rates, LEAT_COUNTERS_CHAN_DROPPED));
	table_put_share(table, share_of(&rates, LEAT_COUNTERS_CHAN_SEND_BLOCKED,
	                                v[LEAT_COUNTERS_CHAN_SENDERS]));
	table_put_share(table, share_of(&rates, LEAT_COUNTERS_CHAN_RECV_BLOCKED,
	                                v[LEAT_COUNTERS_CHAN_RECEIVERS]));
}

/* Its own output; or, of a task, the channel that its thread used last to send into. */
static const struct leat_counters_record *fed_channel(const struct view *view,
                                                      const struct leat_counters_record *record)
{
	const struct leat_counters_record *chan = view_channel(view, record->channel);

	for (int i = 0; chan == NULL && i < LEAT_WAITS_MOST; i++)
		chan = view_channel(view, record->values[LEAT_COUNTERS_GEN_SENDS + i]);
	return chan;
}

static void put_generator(const struct view *view, struct table *table,
                          const struct leat_counters_record *record)
{
	const struct leat_counters_record *chan = fed_channel(view, record);
	struct rates rates = view_rates(view, record);
	/* one that has ended since the reading before had a thread until then */
	uint64_t threads = record->living != 0 ? record->living : 1;
	uint64_t any = 0;

	put_record_name(table, record);
	table_put(table, "%s", chan == NULL ? "-" : chan->name);
	for (unsigned t = LEAT_COUNTERS_GEN_BUSY; t <= LEAT_COUNTERS_GEN_RUNQ; t++)
		any |= record->values[t];
	for (unsigned t = LEAT_COUNTERS_GEN_BUSY; t <= LEAT_COUNTERS_GEN_RUNQ; t++)
		table_put_share(table, any == 0 ? -1 : share_of(&rates, t, threads));
}

static void put_pool(const struct view *view, struct table *table,
                     const struct leat_counters_record *record)
{
	const uint64_t *v = record->values;
	struct rates rates = view_rates(view, record);
	char age[24];

	put_record_name(table, record);
	table_put_number(table, (double)v[LEAT_COUNTERS_POOL_WORKERS]);
	table_put_number(table, (double)v[LEAT_COUNTERS_POOL_GENERATORS]);
	table_put_number(table, rate_of(&rates, LEAT_COUNTERS_POOL_TURNS));
	table_put_number(table, rate_of(&rates, LEAT_COUNTERS_POOL_DELIVERED));
	table_put_number(table, (double)v[LEAT_COUNTERS_POOL_IN_FLIGHT]);
	table_put_share(table,
	                share_of(&rates, LEAT_COUNTERS_POOL_BUSY, v[LEAT_COUNTERS_POOL_WORKERS]));
	table_put_share(table,
	                share_of(&rates, LEAT_COUNTERS_POOL_CPU, v[LEAT_COUNTERS_POOL_WORKERS]));
	if (v[LEAT_COUNTERS_POOL_LONG] == 0 || v[LEAT_COUNTERS_POOL_LONG] > INT64_MAX)
		table_put(table, "-");
	else
		table_put(table, "%s %s", record->text,
		          format_age(age, (int64_t)v[LEAT_COUNTERS_POOL_LONG]));
}

static void put_subscriber(const struct view *view, struct table *table,
                           const struct leat_counters_record *record)
{
	static const char *const lags[] = { "wait", "skip", "evict" };
	const struct leat_counters_record *chan = view_channel(view, record->channel);
	const uint64_t *v = record->values;
	struct rates rates = view_rates(view, record);

	put_record_name(table, record);
	table_put(table, "%s", chan == NULL ? "-" : chan->name);
	table_put_number(table, rate_of(&rates, LEAT_COUNTERS_SUB_DELIVERED));
	table_put_number(table, (double)v[LEAT_COUNTERS_SUB_IN_FLIGHT]);
	table_put_number(table, rate_of(&rates, LEAT_COUNTERS_SUB_MISSED));
	table_put(table, "%s",
	          v[LEAT_COUNTERS_SUB_LAG] < 3 ? lags[v[LEAT_COUNTERS_SUB_LAG]] : "unknown");
	table_put(table, "%s",
	          v[LEAT_COUNTERS_SUB_EVICTED] != 0         ? "evicted"
	          : v[LEAT_COUNTERS_SUB_HOLDS_SENDERS] != 0 ? "holds senders"
	                                                    : "-");
}

static const struct column of_channels[] = {
	LEFT("CHANNEL", 0),    RIGHT("items/s", 0),      RIGHT("in flight", 0),
	RIGHT("of", 2),        RIGHT("full", 0),         RIGHT("peak", 3),
	RIGHT("dropped/s", 0), RIGHT("send blocked", 1), RIGHT("recv blocked", 1),
};
static const struct column of_generators[] = {
	LEFT("GENERATOR", 0), LEFT("feeds", 2),    RIGHT("busy", 0),
	RIGHT("starved", 0),  RIGHT("blocked", 0), RIGHT("order", 1),
	RIGHT("paced", 0),    RIGHT("cpu", 3),     RIGHT("runq", 4),
};
static const struct column of_pools[] = {
	LEFT("POOL", 0),     RIGHT("workers", 0), RIGHT("generators", 0),
	RIGHT("turns/s", 2), RIGHT("items/s", 0), RIGHT("in flight", 3),
	RIGHT("busy", 0),    RIGHT("cpu", 4),     LEFT("long turn", 1),
};
static const struct column of_subscribers[] = {
	LEFT("SUBSCRIBER", 0), LEFT("of", 2),  RIGHT("items/s", 0), RIGHT("behind", 0),
	RIGHT("missed/s", 0),  LEFT("lag", 1), LEFT("state", 0),
};

#define OF(columns) columns, sizeof(columns) / sizeof((columns)[0])
static const struct section {
	enum leat_counters_kind kind;
	void (*put)(const struct view *, struct table *, const struct leat_counters_record *);
	const struct column *columns;
	size_t columns_count;
} sections[] = {
	{ LEAT_COUNTERS_CHANNEL, put_channel, OF(of_channels) },
	{ LEAT_COUNTERS_GENERATOR, put_generator, OF(of_generators) },
	{ LEAT_COUNTERS_POOL, put_pool, OF(of_pools) },
	{ LEAT_COUNTERS_SUBSCRIBER, put_subscriber, OF(of_subscribers) },
};

/* By age: the order in which objects were opened. Sums come last. */
static int compare_records(const void *a, const void *b)
{
	const struct leat_counters_record *x = *(const struct leat_counters_record *const *)a;
	const struct leat_counters_record *y = *(const struct leat_counters_record *const *)b;
	uint64_t x_id = x->id - 1, y_id = y->id - 1; /* that of a sum is the largest */

	if (x_id != y_id)
		return x_id < y_id ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* Those of a kind, in order; the caller frees them. NULL: none, or no memory. */
static const struct leat_counters_record **select_records(const struct view *view,
                                                          enum leat_counters_kind kind,
                                                          size_t *count)
{
	const struct leat_counters_record **list = calloc(view->records_count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; i < view->records_count && list != NULL; i++)
		if (view->records[i].kind == kind && view_has(view, &view->records[i]))
			list[(*count)++] = &view->records[i];
	if (*count > 1)
		qsort(list, *count, sizeof(*list), compare_records);
	return list;
}

static void print_section(const struct view *view, const struct section *section, FILE *out)
{
	const struct leat_counters_record **list;
	struct table table;
	size_t count;

	list = select_records(view, section->kind, &count);
	if (list == NULL || count == 0) {
		free(list);
		return;
	}
	table_init(&table, section->columns, section->columns_count);
	for (size_t i = 0; i < count; i++)
		section->put(view, &table, list[i]);
	putc('\n', out);
	table_print(&table, output_columns(), out);
	table_fini(&table);
	free(list);
}

/* "3.2 s ago" */
static void put_when(const struct view *view, struct table *table, int64_t time_ns)
{
	int64_t ago_ns;
	char age[24];

	if (__builtin_sub_overflow(view->info->time_ns, time_ns, &ago_ns) || ago_ns < 0)
		ago_ns = 0;
	table_put(table, "%s before", format_age(age, ago_ns));
}

/* The last ones first; of one snapshot the one that failed before those that its failure ended. */
static int compare_ends(const void *a, const void *b)
{
	const struct leat_counters_record *x = *(const struct leat_counters_record *const *)a;
	const struct leat_counters_record *y = *(const struct leat_counters_record *const *)b;
	bool x_failed = x->values[LEAT_COUNTERS_GEN_ORIGIN] != 0;
	bool y_failed = y->values[LEAT_COUNTERS_GEN_ORIGIN] != 0;

	if (x->ended_ns != y->ended_ns)
		return x->ended_ns > y->ended_ns ? -1 : 1;
	if (x_failed != y_failed)
		return x_failed ? -1 : 1;
	return compare_records(a, b);
}

static const char *cause_of(const struct leat_counters_record *record)
{
	enum leat_cause cause = (enum leat_cause)record->values[LEAT_COUNTERS_GEN_CAUSE];

	if (cause == LEAT_FAILED && record->values[LEAT_COUNTERS_GEN_ORIGIN] == 0)
		return "failed elsewhere";
	return leat_cause_name(cause);
}

static bool is_end(const struct leat_counters_record *record)
{
	return record->kind == LEAT_COUNTERS_GENERATOR &&
	       (record->flags & LEAT_COUNTERS_ENDED) != 0 &&
	       (record->flags & LEAT_COUNTERS_SUM) == 0;
}

/* The generators that ended last, with their causes and words. */
static void print_ends(const struct view *view, FILE *out)
{
	static const struct column columns[] = { LEFT("ENDED", 0), LEFT("when", 1),
		                                 LEFT("cause", 0), RIGHT("code", 0),
		                                 LEFT("words", 0) };
	const struct leat_counters_record **list = calloc(view->records_count + 1, sizeof(*list));
	size_t count = 0;
	struct table table;

	for (size_t i = 0; i < view->records_count && list != NULL; i++)
		if (is_end(&view->records[i]))
			list[count++] = &view->records[i];
	if (count > 1)
		qsort(list, count, sizeof(*list), compare_ends);
	table_init(&table, OF(columns));
	for (size_t i = 0; i < count && i < ENDS_MOST; i++) {
		table_put(&table, "%s", list[i]->name[0] != '\0' ? list[i]->name : "(no name)");
		put_when(view, &table, list[i]->ended_ns);
		table_put(&table, "%s", cause_of(list[i]));
		table_put(&table, "%" PRId64, (int64_t)list[i]->values[LEAT_COUNTERS_GEN_CODE]);
		table_put(&table, "%s", list[i]->text);
	}
	if (count > 0) {
		putc('\n', out);
		table_print(&table, output_columns(), out);
	}
	if (count > ENDS_MOST)
		fprintf(out, "... and %zu more\n", count - ENDS_MOST);
	table_fini(&table);
	free(list);
}

/* What is told of an event behind its object. */
static void put_event_words(struct table *table, const struct leat_counters_event *event)
{
	const char *words = event->text;
	char age[24];

	if (words[0] == '\0' && event->code < 0 && event->code > -CODES)
		words = strerror(-event->code);
	if (event->type == LEAT_COUNTERS_BLOCKED_LONG)
		table_put(table, "for %s%s%s", format_age(age, (int64_t)event->value),
		          event->text[0] != '\0' ? ": " : "", event->text);
	else if (event->type == LEAT_COUNTERS_DROPPED)
		table_put(table, "%" PRIu64 " items: %s", event->value, event->text);
	else if (event->cause != LEAT_RUNNING)
		table_put(table, "%s%s%s%s", leat_cause_name(event->cause),
		          event->cause == LEAT_FAILED && event->type != LEAT_COUNTERS_FAILED
		                  ? " elsewhere"
		                  : "",
		          words[0] != '\0' ? ": " : "", words);
	else
		table_put(table, "%s", event->text);
}

static void print_events(const struct view *view, FILE *out)
{
	static const struct column columns[] = { LEFT("EVENT", 0), LEFT("when", 1), LEFT("of", 0),
		                                 LEFT("name", 0), LEFT("words", 0) };
	size_t first = view->events_count > EVENTS_MOST ? view->events_count - EVENTS_MOST : 0;
	struct table table;

	table_init(&table, OF(columns));
	for (size_t i = first; i < view->events_count; i++) {
		const struct leat_counters_event *event = &view->events[i];

		if (event->number < view->first_event)
			continue;
		table_put(&table, "%s", leat_counters_event_name(event->type));
		put_when(view, &table, event->time_ns);
		table_put(&table, "%s", leat_counters_kind_name(event->kind));
		table_put(&table, "%s", event->name[0] != '\0' ? event->name : "(no name)");
		put_event_words(&table, event);
	}
	if (table.count > 0) {
		putc('\n', out);
		table_print(&table, output_columns(), out);
	}
	table_fini(&table);
}

/* What the reading lacks. */
static void print_lacks(const struct leat_counters_process *info, FILE *out)
{
	if (info->truncated)
		fputs("the file is shorter than it says: it was cut off\n", out);
	if (info->torn > 0)
		fprintf(out, "torn: %" PRIu32 " records that were being written at each try\n",
		        info->torn);
	if (info->records_lost > 0)
		fprintf(out, "lost: %" PRIu64 " objects that found no record in the file\n",
		        info->records_lost);
	if (info->untold > 0)
		fprintf(out, "untold: %" PRIu64 " ends that no snapshot had room for\n",
		        info->untold);
}

static void print_title(const struct view *view, FILE *out)
{
	const struct leat_counters_process *info = view->info;
	char age[24];
	int64_t ns;

	fprintf(out, "%" PRIu32 " ", info->pid);
	put_foreign(info->name, out);
	fprintf(out, ": %s", leat_counters_state_name(info->state));
	if (info->start_ns != 0 && !__builtin_sub_overflow(info->wall_ns, info->start_ns, &ns))
		fprintf(out, ", up %s", format_age(age, ns));
	if (info->state == LEAT_COUNTERS_STALLED &&
	    !__builtin_sub_overflow(leat_now_ns(), info->time_ns, &ns))
		fprintf(out, "; its figures are %s old", format_age(age, ns));
	if (view->before != NULL)
		fprintf(out, "; rates over %.2f s\n", view->seconds);
	else
		fputs("; rates since the start\n", out);
	print_lacks(info, out);
}

void view_print(const struct view *view, FILE *out)
{
	print_title(view, out);
	for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++)
		print_section(view, &sections[s], out);
	print_ends(view, out);
	print_events(view, out);
}
