/*
 * Snapshots in the Prometheus text exposition format.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/diag.h"
#include "runtime/diag/json.h"
#include "runtime/os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A figure of a channel: its Prometheus name, type and help, and its place in struct
 * leat_chan_stat.
 */
struct chan_figure {
	const char *name, *type, *help;
	size_t offset;
	bool is_ns; /* nanoseconds there, seconds in Prometheus */
};

#define FIGURE(name, type, member, is_ns, help) \
	{ \
		name, type, help, offsetof(struct leat_chan_stat, member), is_ns \
	}
static const struct chan_figure figures[] = {
	FIGURE("offered_items_total", "counter", offered, false, "Items that senders offered."),
	FIGURE("delivered_items_total", "counter", delivered, false, "Items that receivers took."),
	FIGURE("rejected_items_total", "counter", rejected, false,
	       "Items given back with an error."),
	FIGURE("in_flight_items", "gauge", in_flight, false, "Items sent and not yet received."),
	FIGURE("peak_items", "gauge", peak, false, "Most items in flight at a time."),
	FIGURE("capacity_items", "gauge", capacity, false, "Items that the channel has room for."),
	FIGURE("send_blocked_seconds_total", "counter", send_blocked_ns, true,
	       "Time senders waited, summed over threads."),
	FIGURE("recv_blocked_seconds_total", "counter", recv_blocked_ns, true,
	       "Time receivers waited, summed over threads."),
	FIGURE("send_parks_total", "counter", send_parks, false, "Times a sender went to sleep."),
	FIGURE("recv_parks_total", "counter", recv_parks, false, "Times a receiver went to sleep."),
};

static uint64_t read_figure(const struct leat_chan_stat *chan, const struct chan_figure *figure)
{
	uint64_t value;

	memcpy(&value, (const char *)chan + figure->offset, sizeof(value));
	return value;
}

static void write_prometheus_label(FILE *out, const char *label, const char *name)
{
	fprintf(out, "%s=\"", label);
	for (const unsigned char *p = (const unsigned char *)name; *p != '\0';) {
		size_t bytes = leat_utf8_length(p, strlen((const char *)p));

		if (bytes == 0)
			fputs("\ufffd", out);
		else if (*p == '\n')
			fputs("\\n", out);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else
			fwrite(p, 1, bytes, out);
		p += bytes == 0 ? 1 : bytes;
	}
	fputc('"', out);
}

/* A name is enough to tell channels and pools apart, unless several that live have the same. */
static void write_prometheus_labels(FILE *out, const char *label, const char *name, uint64_t id,
                                    bool shared)
{
	fputc('{', out);
	write_prometheus_label(out, label, name);
	if (shared)
		fprintf(out, ",id=\"%" PRIu64 "\"", id);
}

static void write_prometheus_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP leat_%s %s\n# TYPE leat_%s %s\n", name, help, name, type);
}

static void write_prometheus_value(FILE *out, uint64_t value, bool is_ns)
{
	if (is_ns)
		fprintf(out, "} %.9f\n", (double)value / 1e9);
	else
		fprintf(out, "} %" PRIu64 "\n", value);
}

static const struct leat_total *total_at(const struct leat_totals *totals, size_t i)
{
	return i < totals->count ? &totals->list[i] : &totals->other;
}

/* As many totals as the file has: that of other names only if there is something in it. */
static size_t totals_shown(const struct leat_totals *totals)
{
	return totals->count + (totals->other.living > 0 || totals->other.chan.now.offered > 0);
}

/* The same of a table of generators. */
static size_t gen_totals_shown(const struct leat_totals *totals)
{
	return totals->count +
	       (totals->other.living > 0 || totals->other.gen.now_ns[LEAT_TOTALS_BUSY] > 0);
}

static void write_prometheus_totals(FILE *out, const struct leat_totals *totals,
                                    const struct chan_figure *figure)
{
	for (size_t i = 0; i < totals_shown(totals); i++) {
		const struct leat_total *total = total_at(totals, i);

		fprintf(out, "leat_%s", figure->name);
		write_prometheus_labels(out, "channel", total->name, 0, false);
		write_prometheus_value(out, read_figure(&total->chan.now, figure), figure->is_ns);
	}
}

/* Of a living channel. */
static void write_channel_labels(FILE *out, const struct leat_totals *totals,
                                 const struct leat_chan_stat *chan)
{
	const struct leat_total *total = leat_totals_of(totals, chan->name);

	write_prometheus_labels(out, "channel", chan->name, chan->id,
	                        total->living > 1 || total == &totals->other);
}

static void write_prometheus_gauges(FILE *out, const struct leat_snapshot *snapshot,
                                    const struct leat_totals *totals,
                                    const struct chan_figure *figure)
{
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		const struct leat_chan_stat *chan = &snapshot->channels[i];

		if (chan->ended)
			continue;
		fprintf(out, "leat_%s", figure->name);
		write_channel_labels(out, totals, chan);
		write_prometheus_value(out, read_figure(chan, figure), figure->is_ns);
	}
}

static void write_prometheus_channels(FILE *out, const struct leat_snapshot *snapshot,
                                      const struct leat_totals *totals)
{
	for (size_t f = 0; f < sizeof(figures) / sizeof(figures[0]); f++) {
		write_prometheus_head(out, figures[f].name, figures[f].type, figures[f].help);
		if (strcmp(figures[f].type, "counter") == 0)
			write_prometheus_totals(out, totals, &figures[f]);
		else
			write_prometheus_gauges(out, snapshot, totals, &figures[f]);
	}
	write_prometheus_head(out, "dropped_items_total", "counter",
	                      "Accepted items that were not received, by reason.");
	for (size_t i = 0; i < totals_shown(totals); i++)
		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
			const struct leat_total *total = total_at(totals, i);

			fputs("leat_dropped_items_total", out);
			write_prometheus_labels(out, "channel", total->name, 0, false);
			fprintf(out, ",reason=\"%s\"} %" PRIu64 "\n",
			        leat_drop_name((enum leat_drop)reason),
			        total->chan.now.dropped[reason]);
		}
}

/* place: always there, as subscribers of one broadcast may share a name. */
static void write_subscriber_labels(FILE *out, const struct leat_totals *totals,
                                    const struct leat_chan_stat *chan,
                                    const struct leat_subscriber_stat *sub)
{
	write_channel_labels(out, totals, chan);
	fputc(',', out);
	write_prometheus_label(out, "subscriber", sub->name);
	fprintf(out, ",place=\"%" PRIu32 "\"", sub->place);
}

static void write_prometheus_subscribers(FILE *out, const struct leat_snapshot *snapshot,
                                         const struct leat_totals *totals)
{
#define OF_SUBSCRIBER(name, type, member, help) \
	{ \
		name, type, help, offsetof(struct leat_subscriber_stat, member), \
			sizeof(((struct leat_subscriber_stat *)0)->member) == 1 \
	}
	static const struct {
		const char *name, *type, *help;
		size_t offset;
		bool is_bool;
	} of_subscribers[] = {
		OF_SUBSCRIBER("subscriber_next_item", "gauge", next,
		              "The number of the next item it receives."),
		OF_SUBSCRIBER("subscriber_delivered_items_total", "counter", delivered,
		              "Items that it received since it subscribed."),
		OF_SUBSCRIBER("subscriber_missed_items_total", "counter", missed,
		              "Items that it missed, as it was a whole ring behind."),
		OF_SUBSCRIBER("subscriber_in_flight_items", "gauge", in_flight,
		              "Items that it is behind the senders."),
		OF_SUBSCRIBER("subscriber_holds_senders", "gauge", holds_senders,
		              "1 if senders wait for it."),
		OF_SUBSCRIBER("subscriber_evicted", "gauge", evicted, "1 if it was evicted."),
	};
#undef OF_SUBSCRIBER

	if (snapshot->subscribers_count == 0)
		return;
	for (size_t f = 0; f < sizeof(of_subscribers) / sizeof(of_subscribers[0]); f++) {
		const struct leat_chan_stat *chan = snapshot->channels;

		write_prometheus_head(out, of_subscribers[f].name, of_subscribers[f].type,
		                      of_subscribers[f].help);
		for (size_t s = 0; s < snapshot->subscribers_count; s++) {
			const struct leat_subscriber_stat *sub = &snapshot->subscribers[s];
			const char *place = (const char *)sub + of_subscribers[f].offset;
			uint64_t value = *(const unsigned char *)place;

			if (!of_subscribers[f].is_bool)
				memcpy(&value, place, sizeof(value));
			fprintf(out, "leat_%s", of_subscribers[f].name);
			while (chan->id != sub->chan_id)
				chan++; /* in the order of their channels */
			write_subscriber_labels(out, totals, chan, sub);
			write_prometheus_value(out, value, false);
		}
	}
}

/* By these a reader of the file knows whose it is, and whether its writer is still alive. */
static void write_prometheus_process(FILE *out, const struct leat_exporter *exporter)
{
	write_prometheus_head(out, "process_pid", "gauge", "The process that writes this file.");
	fprintf(out, "leat_process_pid %d\n", (int)getpid());
	write_prometheus_head(out, "process_start_time_seconds", "gauge",
	                      "When it started, since 1970.");
	fprintf(out, "leat_process_start_time_seconds %.2f\n", (double)exporter->started_ns / 1e9);
	write_prometheus_head(out, "snapshot_time_seconds", "gauge",
	                      "When these figures were read, since 1970.");
	fprintf(out, "leat_snapshot_time_seconds %.3f\n", (double)leat_os_wall_ns() / 1e9);
	write_prometheus_head(out, "export_errors_total", "counter",
	                      "Snapshots that could not be written, by file.");
	fprintf(out, "leat_export_errors_total{file=\"prometheus\"} %" PRIu64 "\n",
	        exporter->prometheus_errors);
	fprintf(out, "leat_export_errors_total{file=\"json\"} %" PRIu64 "\n",
	        exporter->json_errors);
}

static void write_prometheus_generators(FILE *out, const struct leat_snapshot *snapshot)
{
	size_t running = 0;

	for (size_t g = 0; g < snapshot->generators_count; g++)
		running += snapshot->generators[g].cause == LEAT_RUNNING;
	write_prometheus_head(out, "generators", "gauge", "Generators that run.");
	fprintf(out, "leat_generators %zu\n", running);
	write_prometheus_head(out, "generators_ended_total", "counter",
	                      "Generators that ended, by cause.");
	for (int cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++)
		fprintf(out, "leat_generators_ended_total{cause=\"%s\"} %" PRIu64 "\n",
		        leat_cause_name((enum leat_cause)cause), snapshot->exits[cause]);
	write_prometheus_head(out, "scope_causes_later_total", "counter",
	                      "Causes that came to a scope after its first.");
	fprintf(out, "leat_scope_causes_later_total %" PRIu64 "\n", snapshot->causes_later);
	write_prometheus_head(out, "ends_untold_total", "counter", "Ends that are in no snapshot.");
	fprintf(out, "leat_ends_untold_total %" PRIu64 "\n", snapshot->untold);
	write_prometheus_head(out, "waits_unfenced_total", "counter",
	                      "Short waits, as the kernel refuses membarrier.");
	fprintf(out, "leat_waits_unfenced_total %" PRIu64 "\n", snapshot->waits_unfenced);
}

static void write_generator_time(FILE *out, const char *name, const struct leat_total *total,
                                 int time, const char *class)
{
	fprintf(out, "leat_%s", name);
	write_prometheus_labels(out, "generator", total->name, 0, false);
	if (class != NULL)
		fprintf(out, ",class=\"%s\"", class);
	write_prometheus_value(out, total->gen.now_ns[time], true);
}

static void write_prometheus_times(FILE *out, const struct leat_totals *totals)
{
	static const char *const classes[LEAT_TOTALS_CPU] = { "busy", "starved", "blocked", "order",
		                                              "paced" };
	static const struct {
		const char *name, *help;
		int time;
	} of_kernel[] = {
		{ "generator_cpu_seconds_total",
		  "Time of generators' threads on a processor, by the kernel.", LEAT_TOTALS_CPU },
		{ "generator_runq_seconds_total",
		  "Time that they were ready and had no processor, by the kernel.",
		  LEAT_TOTALS_RUNQ },
	};
	size_t shown = gen_totals_shown(totals);

	write_prometheus_head(out, "generator_seconds_total", "counter",
	                      "Time of generators' threads, each moment in one class.");
	for (size_t i = 0; i < shown; i++)
		for (int c = LEAT_TOTALS_BUSY; c < LEAT_TOTALS_CPU; c++)
			write_generator_time(out, "generator_seconds_total", total_at(totals, i), c,
			                     classes[c]);
	for (size_t k = 0; k < sizeof(of_kernel) / sizeof(of_kernel[0]); k++) {
		write_prometheus_head(out, of_kernel[k].name, "counter", of_kernel[k].help);
		for (size_t i = 0; i < shown; i++)
			write_generator_time(out, of_kernel[k].name, total_at(totals, i),
			                     of_kernel[k].time, NULL);
	}
}

static void write_pool_labels(FILE *out, const struct leat_snapshot *snapshot,
                              const struct leat_pool_stat *pool)
{
	size_t same = 0;

	for (size_t p = 0; p < snapshot->pools_count; p++)
		same += strcmp(snapshot->pools[p].name, pool->name) == 0;
	write_prometheus_labels(out, "pool", pool->name, pool->id, same > 1);
}

static void write_prometheus_pool_figure(FILE *out, const struct leat_snapshot *snapshot,
                                         const char *name, const char *type, size_t offset,
                                         bool is_ns, const char *help)
{
	write_prometheus_head(out, name, type, help);
	for (size_t p = 0; p < snapshot->pools_count; p++) {
		const struct leat_pool_stat *pool = &snapshot->pools[p];
		uint64_t value;

		memcpy(&value, (const char *)pool + offset, sizeof(value));
		fprintf(out, "leat_%s", name);
		write_pool_labels(out, snapshot, pool);
		write_prometheus_value(out, value, is_ns);
	}
}

static void write_prometheus_pools(FILE *out, const struct leat_snapshot *snapshot)
{
#define OF_POOL(name, type, member, is_ns, help) \
	{ \
		name, type, help, offsetof(struct leat_pool_stat, member), is_ns \
	}
	static const struct {
		const char *name, *type, *help;
		size_t offset;
		bool is_ns;
	} of_pools[] = {
		OF_POOL("pool_generators", "gauge", generators, false,
		        "Generators that live on the pool."),
		OF_POOL("pool_turns_total", "counter", turns, false, "Turns that workers gave."),
		OF_POOL("pool_offered_items_total", "counter", offered, false,
		        "Items of compact channels."),
		OF_POOL("pool_delivered_items_total", "counter", delivered, false,
		        "Items of compact channels that were received."),
		OF_POOL("pool_in_flight_items", "gauge", in_flight, false,
		        "Items of compact channels not yet received."),
		OF_POOL("pool_busy_seconds_total", "counter", busy_ns, true,
		        "Time that workers had a job, summed over them."),
		OF_POOL("pool_idle_seconds_total", "counter", idle_ns, true,
		        "Time that workers had none, summed over them."),
		OF_POOL("pool_busiest_worker_seconds_total", "counter", busiest_ns, true,
		        "Busy time of the worker that has most."),
		OF_POOL("pool_cpu_seconds_total", "counter", cpu_ns, true,
		        "Time of workers on a processor, by the kernel."),
		OF_POOL("pool_runq_seconds_total", "counter", runq_ns, true,
		        "Time that workers were ready and had no processor, by the kernel."),
	};
#undef OF_POOL

	if (snapshot->pools_count == 0)
		return;
	for (size_t f = 0; f < sizeof(of_pools) / sizeof(of_pools[0]); f++)
		write_prometheus_pool_figure(out, snapshot, of_pools[f].name, of_pools[f].type,
		                             of_pools[f].offset, of_pools[f].is_ns,
		                             of_pools[f].help);
	write_prometheus_head(out, "pool_dropped_items_total", "counter",
	                      "Items of compact channels that were not received, by reason.");
	for (size_t p = 0; p < snapshot->pools_count; p++)
		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
			fputs("leat_pool_dropped_items_total", out);
			write_pool_labels(out, snapshot, &snapshot->pools[p]);
			fprintf(out, ",reason=\"%s\"} %" PRIu64 "\n",
			        leat_drop_name((enum leat_drop)reason),
			        snapshot->pools[p].dropped[reason]);
		}
	write_prometheus_head(out, "pool_long_step_seconds", "gauge",
	                      "The longest turn that is under way, and its generator.");
	for (size_t p = 0; p < snapshot->pools_count; p++) {
		fputs("leat_pool_long_step_seconds", out);
		write_pool_labels(out, snapshot, &snapshot->pools[p]);
		fputc(',', out);
		write_prometheus_label(out, "generator", snapshot->pools[p].long_name);
		fprintf(out, "} %.9f\n", (double)snapshot->pools[p].long_ns / 1e9);
	}
}

int leat_diag_close_export(FILE *out)
{
	int rc = ferror(out) ? -EIO : 0;

	if (fflush(out) != 0 && errno != 0)
		rc = -errno;
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int replace_prometheus(const struct leat_exporter *exporter, const char *path,
                              const struct leat_snapshot *snapshot)
{
	char *beside;
	FILE *out;
	int rc;

	/* with the id of the thread in its name, as several threads may write to one path */
	if (asprintf(&beside, "%s.%d.new", path, (int)gettid()) < 0)
		return -ENOMEM;
	out = fopen(beside, "we");
	rc = out == NULL ? -errno : 0;
	if (rc == 0) {
		write_prometheus_process(out, exporter);
		write_prometheus_channels(out, snapshot, &exporter->totals);
		write_prometheus_subscribers(out, snapshot, &exporter->totals);
		write_prometheus_generators(out, snapshot);
		write_prometheus_times(out, &exporter->gen_totals);
		write_prometheus_pools(out, snapshot);
		rc = leat_diag_close_export(out);
		if (rc == 0 && rename(beside, path) < 0)
			rc = -errno;
		if (rc < 0)
			remove(beside);
	}
	free(beside);
	return rc;
}

int leat_diag_write_prometheus(struct leat_exporter *exporter, const char *path,
                               const struct leat_snapshot *snapshot)
{
	int saved = errno, rc;

	leat_totals_take_channels(&exporter->totals, snapshot);
	leat_totals_take_generators(&exporter->gen_totals, snapshot);
	rc = replace_prometheus(exporter, path, snapshot);
	exporter->prometheus_errors += rc < 0;
	errno = saved;
	return rc;
}
