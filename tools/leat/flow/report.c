/*
 * tools/leat/flow/report.c: what a flow did: keeps the figures of snapshots, and finds the verdict.
 * See report.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/report.h"

#include <dirent.h>
#include <leat/atomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEFT_TRIES 50

/*
 * The main thread; with ThreadSanitizer also a thread that it starts beside the first one of the
 * program.
 */
#ifdef LEAT_TSAN
#define OWN_THREADS 2
#else
#define OWN_THREADS 1
#endif

int leat_report_init(struct leat_report *report, const struct leat_run *flow)
{
	*report = (struct leat_report){ .flow = flow, .since_ns = leat_now_ns() };
	pthread_mutex_init(&report->lock, NULL);
	/* 1: there may be no edge */
	report->edges = calloc(flow->plan.edges_count + 1, sizeof(*report->edges));
	report->ends = calloc(flow->members_count, sizeof(*report->ends));
	report->times = calloc(flow->members_count, sizeof(*report->times));
	report->counted = calloc(flow->members_count, sizeof(*report->counted));
	report->why = leat_why_open();
	leat_why_from_start(report->why);
	if (report->edges != NULL && report->ends != NULL && report->times != NULL &&
	    report->counted != NULL && report->why != NULL)
		return 0;
	leat_report_fini(report);
	return -ENOMEM;
}

void leat_report_fini(struct leat_report *report)
{
	for (size_t i = 0; report->edges != NULL && i < report->flow->plan.edges_count; i++)
		free(report->edges[i].rings);
	free(report->edges);
	free(report->ends);
	free(report->times);
	free(report->counted);
	leat_why_close(report->why);
	*report = (struct leat_report){ 0 };
}

static size_t count_edges(const struct leat_report *report)
{
	return report->flow->plan.edges_count;
}

/*
 * The index of the edge of this name, which no other edge of the flow has; count_edges() if there
 * is none.
 */
static size_t find_edge(const struct leat_report *report, const char *name)
{
	size_t i = 0;

	while (i < count_edges(report) && strcmp(report->flow->plan.edges[i].name, name) != 0)
		i++;
	return i;
}

/* The sum of what is known of the rings of an edge. */
static struct leat_chan_stat sum_rings(const struct leat_edge_stat *edge, unsigned rings)
{
	struct leat_chan_stat sum = edge->rings[0];

	sum.ended &= edge->rings_count == rings;
	for (size_t i = 1; i < edge->rings_count; i++) {
		const struct leat_chan_stat *ring = &edge->rings[i];

		sum.ended &= ring->ended;
		sum.capacity += ring->capacity;
		sum.offered += ring->offered;
		sum.delivered += ring->delivered;
		for (int k = 0; k < LEAT_DROP_REASONS; k++)
			sum.dropped[k] += ring->dropped[k];
		sum.rejected += ring->rejected;
		sum.in_flight += ring->in_flight;
		sum.peak = ring->peak > sum.peak ? ring->peak : sum.peak;
		sum.send_blocked_ns += ring->send_blocked_ns;
		sum.recv_blocked_ns += ring->recv_blocked_ns;
	}
	return sum;
}

/* Keeps what is told of one of the rings of an edge, and makes *stat that of all of them. */
static bool record_ring(struct leat_edge_stat *edge, unsigned rings_wanted,
                        struct leat_chan_stat *stat)
{
	struct leat_chan_stat *rings;
	size_t i = 0;

	while (i < edge->rings_count && edge->rings[i].id != stat->id)
		i++;
	if (i == edge->rings_count) {
		rings = reallocarray(edge->rings, i + 1, sizeof(*rings));
		if (rings == NULL)
			return false;
		edge->rings = rings;
		edge->rings_count++;
	} else if (edge->rings[i].ended) {
		return false;
	}
	edge->rings[i] = *stat;
	*stat = sum_rings(edge, rings_wanted);
	return true;
}

static void record_edge(struct leat_edge_stat *edge, const struct leat_chan_stat *stat,
                        int64_t time_ns, int64_t since_ns, bool window)
{
	if (edge->known && edge->now.ended)
		/*
		 * each diagnostics thread has the end once: a second one must not turn the clock
		 * back
		 */
		return;
	if (window)
		edge->base = *stat;
	edge->before = edge->now;
	edge->before_ns = edge->known ? edge->now_ns : since_ns;
	edge->now = *stat;
	edge->now_ns = time_ns;
	edge->known = true;
}

/*
 * The index of the member of a generator. One with an output has the name of its channel, a task
 * has its own.
 */
static size_t find_member(const struct leat_report *report, const struct leat_gen_stat *stat)
{
	const struct leat_run *flow = report->flow;
	size_t edge = stat->chan_id != 0 ? find_edge(report, stat->name) : count_edges(report);
	size_t i = 0;

	while (i < flow->members_count &&
	       (stat->chan_id != 0 ? flow->plan.groups[flow->members[i].group].out != edge ||
	                                     flow->members[i].input == NULL
	                           : strcmp(flow->members[i].name, stat->name) != 0))
		i++;
	return i;
}

static void record_member(struct leat_report *report, const struct leat_gen_stat *stat,
                          int64_t time_ns)
{
	size_t i = find_member(report, stat);
	struct leat_end_stat *end = &report->ends[i];

	if (i == report->flow->members_count || end->known)
		return;
	report->times[i] =
		(struct leat_member_time){ .began_ns = stat->began_ns,
		                           .seen_ns = time_ns,
		                           .busy_ns = stat->busy_ns,
		                           .starved_ns = stat->starved_ns,
		                           .blocked_ns = stat->blocked_ns + stat->order_ns,
		                           .paced_ns = stat->paced_ns };
	if (stat->cause == LEAT_RUNNING)
		return;
	*end = (struct leat_end_stat){ .known = true, .cause = stat->cause, .code = stat->code };
	memcpy(end->text, stat->text, sizeof(end->text));
	report->times[i].seen_ns =
		stat->began_ns + (int64_t)(stat->busy_ns + stat->starved_ns + stat->blocked_ns +
	                                   stat->order_ns + stat->paced_ns);
}

static void record_counts(struct leat_report *report, int64_t time_ns)
{
	for (size_t i = 0; i < report->flow->members_count; i++) {
		struct leat_counted_stat *stat = &report->counted[i];

		if (!leat_member_counts(&report->flow->members[i]))
			continue;
		*stat = (struct leat_counted_stat){
			.now = leat_member_counted(&report->flow->members[i]),
			.before = stat->now,
			.now_ns = time_ns,
			.before_ns = stat->now_ns != 0 ? stat->now_ns : report->since_ns,
		};
	}
}

static void record_snapshot(struct leat_report *report, const struct leat_snapshot *snapshot,
                            bool window)
{
	pthread_mutex_lock(&report->lock);
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		struct leat_chan_stat stat = snapshot->channels[i];
		size_t edge = find_edge(report, stat.name);

		if (edge == count_edges(report) ||
		    (report->flow->plan.edges[edge].rings > 1 &&
		     !record_ring(&report->edges[edge], report->flow->plan.edges[edge].rings,
		                  &stat)))
			continue;
		record_edge(&report->edges[edge], &stat, snapshot->time_ns, report->since_ns,
		            window);
	}
	for (size_t i = 0; i < snapshot->generators_count; i++)
		record_member(report, &snapshot->generators[i], snapshot->time_ns);
	record_counts(report, snapshot->time_ns);
	leat_why_add(report->why, snapshot); /* without memory the verdict has less to go by */
	if (window)
		leat_why_restart(report->why);
	pthread_mutex_unlock(&report->lock);
}

void leat_report_take(struct leat_report *report, const struct leat_snapshot *snapshot)
{
	record_snapshot(report, snapshot, false);
}

void leat_report_take_window(struct leat_report *report, const struct leat_snapshot *snapshot)
{
	record_snapshot(report, snapshot, true);
}

static void record_window(const struct leat_snapshot *snapshot, void *report)
{
	leat_report_take_window(report, snapshot);
}

void leat_report_window(struct leat_report *report)
{
	/* Only the snapshot that stopping takes is wanted. */
	leat_diag_stop(
		leat_diag_start(&(struct leat_diag_opts){ .interval_ns = INT64_C(3600000000000),
	                                                  .callback = record_window,
	                                                  .callback_arg = report }));
}

void leat_report_give_up(struct leat_report *report)
{
	report->gave_up = true;
	report->threads_left = 0;
	for (size_t i = 0; i < report->flow->members_count; i++) {
		const struct leat_member *member = &report->flow->members[i];
		struct leat_end_stat *end = &report->ends[i];
		if (!member->started || end->known || leat_member_over(member))
			continue;
		report->threads_left++;
		snprintf(end->text, sizeof(end->text), "busy inside %s, not waited for",
		         leat_member_inside(member));
	}
}

uint64_t leat_report_dropped(const struct leat_chan_stat *stat)
{
	uint64_t sum = 0;

	for (int i = 0; i < LEAT_DROP_REASONS; i++)
		sum += stat->dropped[i];
	return sum;
}

bool leat_report_balanced(const struct leat_chan_stat *stat)
{
	return stat->offered ==
	       stat->delivered + leat_report_dropped(stat) + stat->rejected + stat->in_flight;
}

double leat_report_blocked(uint64_t before_ns, uint64_t now_ns, int64_t window_ns, unsigned threads)
{
	if (now_ns <= before_ns || window_ns <= 0 || threads == 0)
		return 0;
	double share = (double)(now_ns - before_ns) / (double)window_ns / threads;
	return share < 1 ? share : 1;
}

bool leat_report_well(const struct leat_report *report)
{
	for (size_t i = 0; i < count_edges(report); i++)
		if (!report->edges[i].known || !leat_report_balanced(&report->edges[i].now) ||
		    report->edges[i].now.in_flight != 0)
			return false;
	for (size_t i = 0; i < report->flow->members_count; i++) {
		const struct leat_end_stat *end = &report->ends[i];
		if (!end->known || end->cause == LEAT_FAILED || end->cause == LEAT_DEADLINE ||
		    report->flow->members[i].code != 0)
			return false;
	}
	return report->threads_left == 0;
}

int64_t leat_report_busy_ns(const struct leat_report *report, size_t at,
                            const struct leat_member_time *time)
{
	const struct leat_run *flow = report->flow;
	const struct leat_member *member = &flow->members[at];
	const struct leat_run_group *group = &flow->plan.groups[member->group];
	const size_t slow = flow->opts.slow;
	uint64_t busy_ns = time->busy_ns;

	/* of an input that is no channel; a source that counts also waits for its turn to write */
	if (member->input != NULL && member->final == NULL)
		busy_ns += time->starved_ns;
	if (slow > group->first && slow <= group->first + group->count)
		busy_ns += time->paced_ns;
	return (int64_t)busy_ns;
}

/* The rate of the member that lets the fewest items through; NULL: it has none. */
static const struct leat_stage *find_rate(const struct leat_member *member)
{
	const struct leat_stage *slowest = NULL;
	double most_ns = 0;

	for (size_t i = 0; i < member->steps_count; i++)
		if (member->steps[i].rate.item_ns > most_ns) { /* 0: the step is no rate */
			most_ns = member->steps[i].rate.item_ns;
			slowest = member->steps[i].stage;
		}
	return slowest;
}

/* The rate of the group that lets the fewest items through; NULL: it has none. */
static const struct leat_stage *find_rate_of_group(const struct leat_run *flow, size_t group)
{
	size_t i = 0;

	while (flow->members[i].group != group)
		i++;
	return find_rate(&flow->members[i]);
}

/*
 * The group that is this stage of a verdict: a generator with an output has the name of its
 * channel, and a task has that of its group. groups_count: none.
 */
static size_t find_group(const struct leat_run *flow, const char *stage)
{
	size_t i = 0;

	while (i < flow->plan.groups_count) {
		const struct leat_run_group *group = &flow->plan.groups[i];

		if (strcmp(group->name, stage) == 0 ||
		    (group->out != LEAT_NO_EDGE &&
		     strcmp(flow->plan.edges[group->out].name, stage) == 0))
			break;
		i++;
	}
	return i;
}

/* A source that waits for a time is not at work: it waits for its input. */
static bool waits_for_input(const struct leat_run *flow, size_t group)
{
	const struct leat_run_group *of = &flow->plan.groups[group];
	enum leat_verb verb = flow->stages.list[of->first].type->verb;
	bool slowed = flow->opts.slow > of->first && flow->opts.slow <= of->first + of->count;

	return !slowed &&
	       (verb == LEAT_VERB_TICK || verb == LEAT_VERB_PROC || verb == LEAT_VERB_FOLLOW);
}

size_t leat_report_counts(const struct leat_report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->flow->members_count; i++)
		n += leat_member_counts(&report->flow->members[i]);
	return n;
}

unsigned leat_report_threads(const struct leat_run *flow, size_t edge, bool senders)
{
	unsigned threads = 0;

	for (size_t i = 0; i < flow->plan.groups_count; i++) {
		const struct leat_run_group *group = &flow->plan.groups[i];

		if ((senders ? group->out : group->in) == edge)
			threads += group->threads;
	}
	return threads;
}

static void set_blocked_shares(const struct leat_report *report, struct leat_bottleneck *verdict)
{
	const struct leat_run *flow = report->flow;
	const struct leat_run_group *group = &flow->plan.groups[verdict->group];
	const int64_t window_ns = verdict->verdict.to_ns - verdict->verdict.from_ns;

	verdict->upstream_blocked = verdict->downstream_blocked = -1;
	if (group->in != LEAT_NO_EDGE) {
		const struct leat_edge_stat *in = &report->edges[group->in];
		verdict->upstream_blocked =
			leat_report_blocked(in->base.send_blocked_ns, in->now.send_blocked_ns,
		                            window_ns, leat_report_threads(flow, group->in, true));
	}
	if (group->out != LEAT_NO_EDGE) {
		const struct leat_edge_stat *out = &report->edges[group->out];
		verdict->downstream_blocked = leat_report_blocked(
			out->base.recv_blocked_ns, out->now.recv_blocked_ns, window_ns,
			leat_report_threads(flow, group->out, false));
	}
}

/* Where nothing moves through a ring, a source that counts its lines waits for them. */
static const char *say_why_not(const struct leat_report *report, const struct leat_verdict *verdict)
{
	if (verdict->limit == LEAT_LIMIT_IDLE && leat_report_counts(report) > 0)
		return "none: the flow waited for its input";
	switch (verdict->limit) {
	case LEAT_LIMIT_UNKNOWN:
		return "none: the run was too short to tell";
	case LEAT_LIMIT_INPUT:
		return "none: the flow waited for its input";
	case LEAT_LIMIT_WAKEUPS:
		return "none: threads slept and were woken for each few lines";
	default:
		return "none: no stage limited the flow for most of the time";
	}
}

struct leat_bottleneck leat_report_verdict(const struct leat_report *report)
{
	const struct leat_run *flow = report->flow;
	struct leat_bottleneck found = { .why_not = "none: the flow has not ended" };
	struct leat_verdict *verdict = &found.verdict;

	if (report->gave_up)
		return found;
	if (leat_why_verdict(report->why, verdict) < 0)
		verdict->limit = LEAT_LIMIT_UNKNOWN;
	found.why_not = say_why_not(report, verdict);
	found.group = find_group(flow, verdict->stage);
	if (found.group == flow->plan.groups_count ||
	    (verdict->limit != LEAT_LIMIT_BALANCED && !leat_limit_is_named(verdict->limit)))
		return found;
	found.busy = verdict->busy + verdict->paced;
	if (verdict->limit == LEAT_LIMIT_PACED)
		found.rate = find_rate_of_group(flow, found.group);
	set_blocked_shares(report, &found);
	found.found = verdict->limit != LEAT_LIMIT_PACED || found.rate != NULL ||
	              !waits_for_input(flow, found.group);
	if (!found.found)
		found.why_not = "none: the flow waited for its input";
	return found;
}

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		return OWN_THREADS;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

int leat_threads_own(void)
{
	int own = count_threads();

	return own > OWN_THREADS ? own : OWN_THREADS;
}

/* A thread that was joined may be in /proc an instant longer: the kernel wakes the joiner first. */
int leat_threads_left(int own)
{
	int left = count_threads() - own;

	for (int i = 0; left > 0 && i < LEFT_TRIES; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
		left = count_threads() - own;
	}
	return left;
}
