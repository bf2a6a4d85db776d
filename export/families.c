/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/export.h"

static void write_scrapes(struct leat_export_text *text, const struct leat_export *exporter,
                          const struct leat_export_process *process)
{
	leat_export_sample(text, process, NULL, NULL, exporter->scrapes);
}

static void write_scrape_time(struct leat_export_text *text, const struct leat_export *exporter,
                              const struct leat_export_process *process)
{
	leat_export_sample(text, process, NULL, NULL, (uint64_t)exporter->scrape_ns);
}

static void write_processes(struct leat_export_text *text, const struct leat_export *exporter,
                            const struct leat_export_process *process)
{
	leat_export_sample(text, process, NULL, NULL, exporter->count);
}

static void write_left_out(struct leat_export_text *text, const struct leat_export *exporter,
                           const struct leat_export_process *process)
{
	leat_export_sample(text, process, NULL, NULL, exporter->left_out);
}

static void write_read_errors(struct leat_export_text *text, const struct leat_export *exporter,
                              const struct leat_export_process *process)
{
	leat_export_sample(text, process, NULL, NULL, exporter->read_errors);
}

static void write_state(struct leat_export_text *text, const struct leat_export *exporter,
                        const struct leat_export_process *process)
{
	(void)exporter;
	for (unsigned state = LEAT_COUNTERS_RUNNING; state <= LEAT_COUNTERS_UNKNOWN; state++)
		leat_export_sample(text, process, "state",
		                   leat_counters_state_name((enum leat_counters_state)state),
		                   process->info.state == state);
}

/* When it started, since 1970. */
static void write_start(struct leat_export_text *text, const struct leat_export *exporter,
                        const struct leat_export_process *process)
{
	(void)exporter;
	if (process->info.start_ns > 0)
		leat_export_sample(text, process, NULL, NULL, (uint64_t)process->info.start_ns);
}

/* A number of a process by its place in struct leat_counters_process. */
#define NUMBER(function, member) \
	static void function(struct leat_export_text *text, const struct leat_export *exporter, \
	                     const struct leat_export_process *process) \
	{ \
		(void)exporter; \
		leat_export_sample(text, process, NULL, NULL, (uint64_t)process->info.member); \
	}
NUMBER(write_snapshot_time, wall_ns)
NUMBER(write_snapshot_interval, interval_ns)
NUMBER(write_snapshot_cost, cost_ns)
NUMBER(write_snapshots, snapshots)
NUMBER(write_records_lost, records_lost)
NUMBER(write_torn, torn)
NUMBER(write_truncated, truncated)
NUMBER(write_mixed, mixed)
NUMBER(write_events, events_total)
NUMBER(write_events_lost, events_lost)
NUMBER(write_causes_later, causes_later)
NUMBER(write_untold, untold)
NUMBER(write_unfenced, waits_unfenced)
#undef NUMBER

static void write_folded(struct leat_export_text *text, const struct leat_export *exporter,
                         const struct leat_export_process *process)
{
	(void)exporter;
	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++)
		leat_export_sample(text, process, "kind",
		                   leat_counters_kind_name((enum leat_counters_kind)kind),
		                   process->names[kind].folded_count);
}

static void write_generators(struct leat_export_text *text, const struct leat_export *exporter,
                             const struct leat_export_process *process)
{
	const struct leat_export_names *names = &process->names[LEAT_COUNTERS_GENERATOR];
	uint64_t living = names->other.living;

	(void)exporter;
	for (size_t i = 0; i < names->count; i++)
		living += names->list[i]->living;
	leat_export_sample(text, process, NULL, NULL, living);
}

static void write_ended(struct leat_export_text *text, const struct leat_export *exporter,
                        const struct leat_export_process *process)
{
	(void)exporter;
	for (int cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++)
		leat_export_sample(text, process, "cause", leat_cause_name((enum leat_cause)cause),
		                   process->info.exits[cause]);
}

static const char *name_reason(unsigned reason)
{
	return leat_drop_name((enum leat_drop)reason);
}

static const char *name_class(unsigned class)
{
	static const char *const names[] = { "busy", "starved", "blocked", "order", "paced" };

	return names[class];
}

#define EXPORTER(name, unit, counter, write, help) \
	{ \
		name, unit, help, counter, LEAT_COUNTERS_KINDS, 0, 0, NULL, NULL, write \
	}
#define PROCESS(name, unit, counter, write, help) \
	{ \
		name, unit, help, counter, (enum leat_counters_kind)0, 0, 0, NULL, NULL, write \
	}
#define COUNTER(kind, name, unit, value, help) \
	{ \
		name, unit, help, true, LEAT_COUNTERS_##kind, value, 1, NULL, NULL, NULL \
	}
#define GAUGE(kind, name, unit, value, help) \
	{ \
		name, unit, help, false, LEAT_COUNTERS_##kind, value, 1, NULL, NULL, NULL \
	}
#define COUNTERS(kind, name, unit, value, count, label, label_value, help) \
	{ \
		name, unit, help, true, LEAT_COUNTERS_##kind, value, count, label, label_value, \
			NULL \
	}

/* Where the Prometheus file of leat/diag.h has the same figure, it has the same name. */
const struct leat_export_family leat_export_families[] = {
	EXPORTER("export_scrapes", "", true, write_scrapes,
	         "Times that the exporter has read its processes."),
	EXPORTER("export_scrape_seconds", "seconds", false, write_scrape_time,
	         "Time that reading took for this scrape."),
	EXPORTER("export_processes", "", false, write_processes, "Processes that are exported."),
	EXPORTER("export_processes_left_out", "", false, write_left_out,
	         "Processes with counters that are not exported: too many, or two with one number "
	         "and name."),
	EXPORTER("export_read_errors", "", true, write_read_errors,
	         "Counters files that could not be read, each time."),

	PROCESS("process_state", "", false, write_state,
	        "1 for the state that the process is in, 0 for the others."),
	PROCESS("process_start_time_seconds", "seconds", false, write_start,
	        "When it started, since 1970."),
	PROCESS("snapshot_time_seconds", "seconds", false, write_snapshot_time,
	        "When these figures were read, since 1970."),
	PROCESS("snapshot_interval_seconds", "seconds", false, write_snapshot_interval,
	        "Time from one snapshot of the process to the next."),
	PROCESS("snapshot_cost_seconds", "seconds", false, write_snapshot_cost,
	        "Time that the last snapshot took the process."),
	PROCESS("snapshots", "", true, write_snapshots, "Snapshots that the process has taken."),
	PROCESS("records_lost", "", true, write_records_lost,
	        "Objects that found no record in the counters file."),
	PROCESS("records_torn", "", false, write_torn,
	        "Records that the process was writing when they were read."),
	PROCESS("reading_truncated", "", false, write_truncated,
	        "1 if the counters file is shorter than it says."),
	PROCESS("reading_mixed", "", false, write_mixed,
	        "1 if the last reading was of two snapshots."),
	PROCESS("events", "", true, write_events, "Events that the process has told."),
	PROCESS("events_lost", "", true, write_events_lost,
	        "Events that were left out, as they were too many at a time."),
	PROCESS("export_folded_names", "", false, write_folded,
	        "Names that have no series of their own, as there are too many."),
	PROCESS("generators", "", false, write_generators, "Generators that run."),
	PROCESS("generators_ended", "", true, write_ended, "Generators that ended, by cause."),
	PROCESS("scope_causes_later", "", true, write_causes_later,
	        "Causes that came to a scope after its first."),
	PROCESS("ends_untold", "", true, write_untold, "Ends that are in no snapshot."),
	PROCESS("waits_unfenced", "", true, write_unfenced,
	        "Short waits, as the kernel refuses membarrier."),

	COUNTER(CHANNEL, "offered_items", "items", LEAT_COUNTERS_CHAN_OFFERED,
	        "Items that senders offered."),
	COUNTER(CHANNEL, "delivered_items", "items", LEAT_COUNTERS_CHAN_DELIVERED,
	        "Items that receivers took."),
	COUNTER(CHANNEL, "rejected_items", "items", LEAT_COUNTERS_CHAN_REJECTED,
	        "Items given back with an error."),
	COUNTERS(CHANNEL, "dropped_items", "items", LEAT_COUNTERS_CHAN_DROPPED, LEAT_DROP_REASONS,
	         "reason", name_reason, "Accepted items that were not received, by reason."),
	GAUGE(CHANNEL, "in_flight_items", "items", LEAT_COUNTERS_CHAN_IN_FLIGHT,
	      "Items sent and not yet received."),
	GAUGE(CHANNEL, "peak_items", "items", LEAT_COUNTERS_CHAN_PEAK,
	      "Most items in flight at a time; of several channels the greatest."),
	GAUGE(CHANNEL, "capacity_items", "items", LEAT_COUNTERS_CHAN_CAPACITY,
	      "Items that the channel has room for."),
	COUNTER(CHANNEL, "send_blocked_seconds", "seconds", LEAT_COUNTERS_CHAN_SEND_BLOCKED,
	        "Time senders waited, summed over threads."),
	COUNTER(CHANNEL, "recv_blocked_seconds", "seconds", LEAT_COUNTERS_CHAN_RECV_BLOCKED,
	        "Time receivers waited, summed over threads."),
	COUNTER(CHANNEL, "send_parks", "", LEAT_COUNTERS_CHAN_SEND_PARKS,
	        "Times a sender went to sleep."),
	COUNTER(CHANNEL, "recv_parks", "", LEAT_COUNTERS_CHAN_RECV_PARKS,
	        "Times a receiver went to sleep."),
	GAUGE(CHANNEL, "channels", "", LEAT_EXPORT_LIVING, "Channels of this name that are open."),
	GAUGE(CHANNEL, "channel_senders", "", LEAT_COUNTERS_CHAN_SENDERS,
	      "Handles of senders that are open."),
	GAUGE(CHANNEL, "channel_receivers", "", LEAT_COUNTERS_CHAN_RECEIVERS,
	      "Handles of receivers that are open."),

	COUNTERS(GENERATOR, "generator_seconds", "seconds", LEAT_COUNTERS_GEN_BUSY, 5, "class",
	         name_class, "Time of generators' threads, each moment in one class."),
	COUNTER(GENERATOR, "generator_cpu_seconds", "seconds", LEAT_COUNTERS_GEN_CPU,
	        "Time of generators' threads on a processor, by the kernel."),
	COUNTER(GENERATOR, "generator_runq_seconds", "seconds", LEAT_COUNTERS_GEN_RUNQ,
	        "Time that they were ready and had no processor, by the kernel."),
	GAUGE(GENERATOR, "generators_running", "", LEAT_EXPORT_LIVING,
	      "Generators of this name that run."),

	GAUGE(POOL, "pool_workers", "", LEAT_COUNTERS_POOL_WORKERS, "Threads of the pool."),
	GAUGE(POOL, "pool_generators", "", LEAT_COUNTERS_POOL_GENERATORS,
	      "Generators that live on the pool."),
	COUNTER(POOL, "pool_turns", "", LEAT_COUNTERS_POOL_TURNS, "Turns that workers gave."),
	COUNTER(POOL, "pool_offered_items", "items", LEAT_COUNTERS_POOL_OFFERED,
	        "Items of compact channels."),
	COUNTER(POOL, "pool_delivered_items", "items", LEAT_COUNTERS_POOL_DELIVERED,
	        "Items of compact channels that were received."),
	COUNTERS(POOL, "pool_dropped_items", "items", LEAT_COUNTERS_POOL_DROPPED, LEAT_DROP_REASONS,
	         "reason", name_reason,
	         "Items of compact channels that were not received, by reason."),
	GAUGE(POOL, "pool_in_flight_items", "items", LEAT_COUNTERS_POOL_IN_FLIGHT,
	      "Items of compact channels not yet received."),
	COUNTER(POOL, "pool_busy_seconds", "seconds", LEAT_COUNTERS_POOL_BUSY,
	        "Time that workers had a job, summed over them."),
	COUNTER(POOL, "pool_idle_seconds", "seconds", LEAT_COUNTERS_POOL_IDLE,
	        "Time that workers had none, summed over them."),
	COUNTER(POOL, "pool_busiest_worker_seconds", "seconds", LEAT_COUNTERS_POOL_BUSIEST,
	        "Busy time of the worker that has most."),
	COUNTER(POOL, "pool_cpu_seconds", "seconds", LEAT_COUNTERS_POOL_CPU,
	        "Time of workers on a processor, by the kernel."),
	COUNTER(POOL, "pool_runq_seconds", "seconds", LEAT_COUNTERS_POOL_RUNQ,
	        "Time that workers were ready and had no processor, by the kernel."),
	GAUGE(POOL, "pool_long_step_seconds", "seconds", LEAT_COUNTERS_POOL_LONG,
	      "The longest turn that is under way."),

	COUNTER(SUBSCRIBER, "subscriber_delivered_items", "items", LEAT_COUNTERS_SUB_DELIVERED,
	        "Items that it received since it subscribed."),
	COUNTER(SUBSCRIBER, "subscriber_missed_items", "items", LEAT_COUNTERS_SUB_MISSED,
	        "Items that it missed, as it was a whole ring behind."),
	GAUGE(SUBSCRIBER, "subscriber_in_flight_items", "items", LEAT_COUNTERS_SUB_IN_FLIGHT,
	      "Items that it is behind the senders."),
	GAUGE(SUBSCRIBER, "subscriber_holds_senders", "", LEAT_COUNTERS_SUB_HOLDS_SENDERS,
	      "1 if senders wait for it; of several, how many."),
	GAUGE(SUBSCRIBER, "subscriber_evicted", "", LEAT_COUNTERS_SUB_EVICTED,
	      "1 if it was evicted; of several, how many."),
};

const size_t leat_export_families_count =
	sizeof(leat_export_families) / sizeof(leat_export_families[0]);
