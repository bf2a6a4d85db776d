/*
 * tests/stress/counters.c: generators, on threads and on a pool, and channels come and go while
 * three readers read the counters file, and the diagnostics thread has all of its outputs; and no
 * total is wrong.
 *
 *     PROGRAM [seconds [seed [generators]]]
 *
 * It goes on until the time is over and so many generators (10,000) have ended: each of a kind and
 * by a cause that are drawn at random. In each reading that is of one snapshot
 *
 *     the books over all channels balance, and none has more than was sent
 *     over all records of a kind no total is less than in the reading before; the same of the
 *     records of one name that is in use
 *     no total of ends by a cause has fallen, or is more than generators were begun for that end
 *
 * At the end items and ends by cause are what the program counted itself: in the file, in the
 * Prometheus text, and by the function that is told of each end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "rounds.h"

#include <leat/leat.h>

enum { OPENERS = 2, STARTERS = 3, READERS = 3, NAMES = 4, OWN_NAMES = 600, OPEN = 24, LIVE = 12 };
enum { CAPACITY = 4, ENDS_AHEAD = 2048, LEAST = 10000, PATIENCE_S = 600, PAUSE_NS = 1000000 };

/* Most are on a pool: threads take most of the time, above all with ThreadSanitizer. */
#ifdef LEAT_TSAN
enum { ONE_IN = 16 };
#else
enum { ONE_IN = 4 };
#endif
enum kind { FUNCTION, TASK, SEQ, SINK, SEQ_ON_POOL, COMPACT, SINK_ON_POOL, KINDS };
enum ending { COMPLETES, LEFT, CANCELED, PASSED, FAILS, ELSEWHERE, STOPPED, ENDINGS };

static const enum leat_cause cause_of[ENDINGS] = {
	[COMPLETES] = LEAT_COMPLETED, [LEFT] = LEAT_ABANDONED, [CANCELED] = LEAT_CANCELED,
	[PASSED] = LEAT_DEADLINE,     [FAILS] = LEAT_FAILED,   [ELSEWHERE] = LEAT_FAILED,
	[STOPPED] = LEAT_STOPPED,
};

static struct {
	struct leat_scope *scope;
	struct leat_pool *pool;
	char path[64], prometheus[72];
	uint32_t stop;
	uint64_t sent, accepted;                         /* of channels, before and after a send */
	uint64_t begun[LEAT_CAUSES], ended[LEAT_CAUSES]; /* generators */
	uint64_t quiet[LEAT_CAUSES], told[LEAT_CAUSES];  /* of those: not told of; told of */
	uint64_t origins, origins_told;                  /* generators that failed themselves */
	uint64_t generators, ends, ends_seen, own, readings, mixed;
} stress;

/* The ends that wait for a snapshot stay far below what a process keeps. */
static void note_ends(uint64_t n)
{
	uint64_t ends = leat_add_rlx(&stress.ends, n);

	while (ends > leat_load_acq(&stress.ends_seen) + ENDS_AHEAD &&
	       leat_load_acq(&stress.stop) == 0)
		sched_yield();
}

/* Of a name that others have, too; or, one in eight, of one that few have. */
static void name_chan(char name[32], uint64_t n)
{
	if (n % 8 == 0)
		snprintf(name, 32, "own %" PRIu64, leat_add_rlx(&stress.own, 1) % OWN_NAMES);
	else
		snprintf(name, 32, "name %d", (int)(n % NAMES));
}

static int send_one(struct leat_tx *tx, uint64_t item)
{
	int rc;

	leat_add_acqrel(&stress.sent, 1);
	rc = leat_send(tx, &item);
	if (rc == 0)
		leat_add_acqrel(&stress.accepted, 1);
	return rc;
}

/* --- channels --- */

struct pair {
	struct leat_tx *tx;
	struct leat_rx *rx;
};

static void open_one(struct pair *pair, uint64_t n)
{
	char name[32];
	struct leat_chan_opts opts = { .name = name, .capacity = CAPACITY };

	name_chan(name, n);
	if (leat_chan_open(stress.scope, sizeof(n), &opts, &pair->tx, &pair->rx) != 0) {
		blame("a channel is not opened", (long)n);
		pair->tx = NULL;
		pair->rx = NULL;
		return;
	}
	for (uint64_t i = 0; i < n % 4; i++)
		send_one(pair->tx, i);
}

static void *keep_opening(void *arg)
{
	struct pair pairs[OPEN] = { { NULL, NULL } };
	uint64_t random = (uint64_t)(uintptr_t)arg, n;

	while (leat_load_acq(&stress.stop) == 0) {
		struct pair *pair = &pairs[below(&random, OPEN)];

		leat_tx_close(pair->tx);
		leat_rx_close(pair->rx);
		note_ends(1);
		n = stress_random(&random);
		open_one(pair, n);
		if (n % 8 == 0) /* generators are what most of the time is for */
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS / 10 }, NULL);
	}
	for (int i = 0; i < OPEN; i++) {
		leat_tx_close(pairs[i].tx);
		leat_rx_close(pairs[i].rx);
	}
	return NULL;
}

/* --- generators --- */

struct member {
	enum kind kind;
	enum ending ending;
	uint64_t items, made;     /* before it completes or fails */
	struct leat_scope *scope; /* NULL: there is no member here */
	struct leat_tx *tx;       /* of a sink's input */
	struct leat_rx *rx;
};

static bool is_sink(enum kind kind)
{
	return kind == SINK || kind == SINK_ON_POOL;
}

static bool can_end_so(enum kind kind, enum ending ending)
{
	return !(ending == LEFT && (kind == TASK || is_sink(kind))) &&
	       !(ending == STOPPED && is_sink(kind));
}

static bool ends_by_itself(const struct member *m)
{
	return m->ending == COMPLETES || m->ending == FAILS;
}

static int run_function(struct leat_tx *out, void *arg)
{
	struct member *m = arg;
	int rc = 0;

	if (m->kind == TASK && !ends_by_itself(m))
		return leat_after(LEAT_NEVER);
	while (rc == 0 && m->kind != TASK && (m->made < m->items || !ends_by_itself(m)))
		rc = send_one(out, m->made++);
	return m->ending == FAILS ? leat_tx_fail(out, -EIO, "words") : rc;
}

static int run_next(void *state, void *item)
{
	struct member *m = state;

	if (m->made < m->items || !ends_by_itself(m)) {
		*(uint64_t *)item = m->made++;
		return 1;
	}
	return m->ending == FAILS ? leat_fail(-EIO, "words") : 0;
}

static int put(void *state, const void *item)
{
	const struct member *m = state;

	(void)item;
	return m->ending == FAILS ? leat_fail(-EIO, "words") : 0;
}

static int fail_at_once(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_tx_fail(out, -EIO, "words");
}

static int start_sink(struct member *m, const struct leat_gen_opts *opts)
{
	struct leat_rx *rx;
	int rc = leat_chan_open(m->scope, sizeof(uint64_t),
	                        &(struct leat_chan_opts){ .name = "name 0", .capacity = CAPACITY },
	                        &m->tx, &rx);

	if (rc == 0)
		rc = leat_gen_sink(m->scope, rx, (struct leat_sink){ .put = put, .state = m },
		                   opts);
	for (uint64_t i = 0; rc == 0 && i < (m->ending == FAILS ? 1 : m->items); i++)
		send_one(m->tx, i);
	return rc;
}

static int start_kind(struct member *m)
{
	struct leat_gen_opts opts = { .chan.capacity = CAPACITY, .source = m->ending == STOPPED };
	char name[32];

	name_chan(name, m->items + 1);
	opts.chan.name = m->kind == SEQ || m->kind == SEQ_ON_POOL ? "seq" : name;
	opts.pool = m->kind >= SEQ_ON_POOL ? stress.pool : NULL;
	if (m->kind == SEQ_ON_POOL)
		opts.chan.kind = LEAT_MPSC; /* else its channel is compact */
	if (is_sink(m->kind))
		return start_sink(m, &opts);
	if (m->kind == TASK)
		return leat_gen(m->scope, run_function, m, 0, &opts, NULL);
	if (m->kind == FUNCTION)
		return leat_gen(m->scope, run_function, m, sizeof(uint64_t), &opts, &m->rx);
	return leat_gen_seq(m->scope, (struct leat_seq){ run_next, NULL, m, sizeof(uint64_t) },
	                    &opts, &m->rx);
}

/* Begins a generator of a random kind and end. */
static void begin_one(struct member *m, uint64_t *random)
{
	struct leat_scope_opts opts = { 0 };
	int rc;

	*m = (struct member){ .items = below(random, CAPACITY) };
	do {
		m->kind = (enum kind)(below(random, ONE_IN) == 0
		                              ? below(random, SEQ_ON_POOL)
		                              : SEQ_ON_POOL + below(random, KINDS - SEQ_ON_POOL));
		m->ending = (enum ending)below(random, ENDINGS);
	} while (!can_end_so(m->kind, m->ending));
	if (m->ending == PASSED)
		opts.deadline_ns = leat_now_ns() + 200000;
	m->scope = leat_scope_open(NULL, &opts);
	leat_add_acqrel(&stress.begun[cause_of[m->ending]], 1 + (m->ending == ELSEWHERE));
	rc = start_kind(m);
	if (rc == 0)
		return;
	if (m->ending != PASSED || rc != -ECANCELED) /* it may be over before the start */
		blame("a generator is not started", rc);
	leat_tx_close(m->tx);
	leat_scope_close(m->scope);
	m->scope = NULL;
}

static void bring_about_end(struct member *m)
{
	int rc = 0;

	if (m->ending == COMPLETES) {
		leat_tx_close(m->tx);
		m->tx = NULL;
	} else if (m->ending == LEFT) {
		leat_rx_close(m->rx);
		m->rx = NULL;
	} else if (m->ending == CANCELED) {
		leat_scope_cancel(m->scope, 0, "by hand");
	} else if (m->ending == STOPPED) {
		rc = leat_scope_stop(m->scope, LEAT_NEVER, "enough");
	} else if (m->ending == ELSEWHERE) {
		rc = leat_gen(m->scope, fail_at_once, NULL, 0, NULL, NULL);
	}
	if (rc != 0)
		blame("a generator cannot be ended", rc);
}

static void end_one(struct member *m, uint64_t *random)
{
	const enum leat_cause cause = cause_of[m->ending];
	bool elsewhere = m->ending == ELSEWHERE;
	uint64_t item;

	if (m->rx != NULL && below(random, 2) == 0)
		leat_try_recv(m->rx, &item);
	bring_about_end(m);
	leat_scope_join(m->scope);
	leat_add_rlx(&stress.ended[cause], 1 + elsewhere);
	leat_add_rlx(&stress.origins, elsewhere || m->ending == FAILS);
	/* of a generator with a compact channel a failure of its own alone is told */
	leat_add_rlx(&stress.quiet[cause], m->kind == COMPACT && m->ending != FAILS);
	leat_add_acqrel(&stress.generators, 1 + elsewhere);
	leat_tx_close(m->tx);
	leat_rx_close(m->rx);
	leat_scope_close(m->scope);
	m->scope = NULL;
	note_ends(3);
}

static void *keep_starting(void *arg)
{
	struct member members[LIVE] = { { .scope = NULL } };
	uint64_t random = (uint64_t)(uintptr_t)arg;

	while (leat_load_acq(&stress.stop) == 0) {
		struct member *m = &members[below(&random, LIVE)];

		if (m->scope != NULL)
			end_one(m, &random);
		begin_one(m, &random);
	}
	for (int i = 0; i < LIVE; i++)
		if (members[i].scope != NULL)
			end_one(&members[i], &random);
	return NULL;
}

/* --- the diagnostics thread --- */

static void hear(const struct leat_gen_stat *gen, void *arg)
{
	(void)arg;
	stress.told[gen->cause]++;
	stress.origins_told += gen->origin;
}

static void note_snapshot(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	leat_store_rel(&stress.ends_seen, leat_load_acq(&stress.ends));
	if (snapshot->untold > 0)
		blame("ends were told to nobody:", (long)snapshot->untold);
}

static struct leat_diag *start_diag(void)
{
	snprintf(stress.path, sizeof(stress.path), "/dev/shm/leat-stress-%d", (int)getpid());
	snprintf(stress.prometheus, sizeof(stress.prometheus), "%s.prom", stress.path);
	return leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 10000000,
	                                                 .counters_path = stress.path,
	                                                 .prometheus_path = stress.prometheus,
	                                                 .json_path = "/dev/null",
	                                                 .callback = note_snapshot,
	                                                 .ended = hear });
}

/* --- readers --- */

struct reading {
	uint64_t offered[NAMES]; /* of the channels of each name */
	/* of all records of a kind; of values that are no totals: 0 */
	uint64_t totals[LEAT_COUNTERS_KINDS][32];
	uint64_t in_flight, exits[LEAT_CAUSES];
};

static void take_reading(const struct leat_counters *c, struct reading *reading)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(c, &records);
	unsigned name;
	char end;

	*reading = (struct reading){ .in_flight = 0 };
	memcpy(reading->exits, leat_counters_info(c)->exits, sizeof(reading->exits));
	for (size_t i = 0; i < count; i++) {
		const struct leat_counters_record *r = &records[i];

		for (unsigned v = 0; v < 32; v++)
			if (leat_counters_value_type(r->kind, v) == LEAT_COUNTERS_TOTAL)
				reading->totals[r->kind][v] += r->values[v];
		if (r->kind != LEAT_COUNTERS_CHANNEL)
			continue;
		reading->in_flight += r->values[LEAT_COUNTERS_CHAN_IN_FLIGHT];
		if (sscanf(r->name, "name %u%c", &name, &end) == 1 && name < NAMES)
			reading->offered[name] += r->values[LEAT_COUNTERS_CHAN_OFFERED];
	}
}

static void check_books(const struct reading *reading)
{
	const uint64_t *v = reading->totals[LEAT_COUNTERS_CHANNEL];
	uint64_t sum = v[LEAT_COUNTERS_CHAN_DELIVERED] + v[LEAT_COUNTERS_CHAN_REJECTED] +
	               reading->in_flight;

	for (unsigned reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += v[LEAT_COUNTERS_CHAN_DROPPED + reason];
	if (sum != v[LEAT_COUNTERS_CHAN_OFFERED])
		blame("the books of all channels do not balance, items", (long)sum);
}

static void check_growth(const struct reading *before, const struct reading *now)
{
	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++)
		for (unsigned v = 0; v < 32; v++)
			if (now->totals[kind][v] < before->totals[kind][v])
				blame(leat_counters_value_name((enum leat_counters_kind)kind, v),
				      (long)(now->totals[kind][v] - before->totals[kind][v]));
	for (int name = 0; name < NAMES; name++)
		if (now->offered[name] < before->offered[name])
			blame("a total of a name has fallen, to", (long)now->offered[name]);
	for (int cause = 0; cause < LEAT_CAUSES; cause++) {
		if (now->exits[cause] < before->exits[cause])
			blame("a total of ends has fallen, of cause", cause);
		if (now->exits[cause] > leat_load_acq(&stress.begun[cause]))
			blame("more ends than generators, of cause", cause);
	}
}

static void *keep_reading(void *arg)
{
	struct leat_counters *c = leat_counters_open(stress.path);
	struct reading before = { .in_flight = 0 }, now;

	(void)arg;
	if (c == NULL)
		blame("the file is not opened", leat_open_error());
	while (c != NULL && leat_load_acq(&stress.stop) == 0) {
		int rc = leat_counters_read(c);

		if (rc != 0 || leat_counters_info(c)->records_lost > 0)
			blame("the file is not read, or records are lost", rc);
		leat_add_rlx(&stress.readings, 1);
		if (leat_counters_info(c)->mixed || leat_counters_info(c)->torn > 0) {
			leat_add_rlx(&stress.mixed, 1);
			continue;
		}
		take_reading(c, &now);
		check_books(&now);
		check_growth(&before, &now);
		before = now;
		nanosleep(&(struct timespec){ .tv_nsec = 10 * PAUSE_NS }, NULL);
	}
	leat_counters_close(c);
	return NULL;
}

/* --- the end --- */

/* The sum of all lines of a metric, or the one of this line. */
static uint64_t sum_of_metric(const char *metric)
{
	FILE *in = fopen(stress.prometheus, "re");
	size_t len = strlen(metric);
	char line[512];
	uint64_t sum = 0;

	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, metric, len) == 0)
			sum += strtoull(strrchr(line, ' '), NULL, 10);
	if (in != NULL)
		fclose(in);
	return sum;
}

/* After the last snapshot. */
static void check_last(struct leat_counters *c)
{
	struct reading last;
	const uint64_t *v = last.totals[LEAT_COUNTERS_CHANNEL];
	uint64_t made;

	if (leat_counters_read(c) != 0 || leat_counters_info(c)->mixed)
		blame("the last reading fails", 0);
	take_reading(c, &last);
	check_books(&last);
	if (last.in_flight > 0)
		blame("items are in flight at the end:", (long)last.in_flight);
	if (sum_of_metric("leat_offered_items_total{") != v[LEAT_COUNTERS_CHAN_OFFERED])
		blame("the two files differ in items; the counters have",
		      (long)v[LEAT_COUNTERS_CHAN_OFFERED]);
	/* all but the items of seqs are counted by the program */
	made = v[LEAT_COUNTERS_CHAN_OFFERED] - v[LEAT_COUNTERS_CHAN_REJECTED] -
	       sum_of_metric("leat_offered_items_total{channel=\"seq\"}") +
	       sum_of_metric("leat_rejected_items_total{channel=\"seq\"}");
	if (made != stress.accepted)
		blame("items that were sent and are not counted:", (long)(stress.accepted - made));
	for (enum leat_cause cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++) {
		char metric[80];

		snprintf(metric, sizeof(metric), "leat_generators_ended_total{cause=\"%s\"}",
		         leat_cause_name(cause));
		if (last.exits[cause] != stress.ended[cause] ||
		    sum_of_metric(metric) != stress.ended[cause])
			blame("another number of ends in a file, of cause", cause);
		if (stress.told[cause] != stress.ended[cause] - stress.quiet[cause])
			blame("another number of ends is told, of cause", cause);
	}
	if (stress.origins_told != stress.origins)
		blame("generators that failed themselves:", (long)stress.origins);
}

/* Until the time is over and enough generators have ended. */
static void run_threads(uint64_t seed, int64_t seconds, uint64_t least)
{
	static void *(*const bodies[])(void *) = { keep_opening, keep_starting, keep_reading };
	pthread_t threads[OPENERS + STARTERS + READERS];
	const int64_t end_ns = leat_now_ns() + seconds * INT64_C(1000000000);

	for (uintptr_t t = 0; t < OPENERS + STARTERS + READERS; t++)
		if (pthread_create(&threads[t], NULL,
		                   bodies[(t >= OPENERS) + (t >= OPENERS + STARTERS)],
		                   (void *)(uintptr_t)(seed + t)) != 0)
			abort();
	while ((leat_now_ns() < end_ns || leat_load_acq(&stress.generators) < least) &&
	       leat_load_acq(&rounds.faults) == 0)
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	leat_store_rel(&stress.stop, 1);
	for (int t = 0; t < OPENERS + STARTERS + READERS; t++)
		pthread_join(threads[t], NULL);
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? atoll(argv[1]) : 3;
	uint64_t least = argc > 3 ? strtoull(argv[3], NULL, 0) : LEAST;
	struct leat_counters *c;
	struct leat_diag *diag;

	(void)stress_main;
	(void)rounds_main;
	rounds.name = "counters";
	rounds.seed = argc > 2 ? strtoull(argv[2], NULL, 0)
	                       : (uint64_t)leat_now_ns() ^ ((uint64_t)getpid() << 32);
	printf("counters: seed %" PRIu64 "\n", rounds.seed);
	fflush(stdout);
	signal(SIGALRM, rounds_hung);
	alarm((unsigned)seconds + PATIENCE_S);
	diag = start_diag();
	c = leat_counters_open(stress.path);
	if (diag == NULL || c == NULL) {
		printf("FAILED: no counters file: %s\n", strerror(-leat_open_error()));
		return 1;
	}
	stress.scope = leat_scope_open(NULL, NULL);
	stress.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	run_threads(rounds.seed, seconds, least);
	leat_scope_close(stress.scope);
	leat_pool_close(stress.pool);
	if (leat_diag_stop(diag) != 0)
		blame("a file was not written", 0);
	check_last(c);
	leat_counters_close(c);
	remove(stress.prometheus);
	if (stress.readings - stress.mixed < 3)
		blame("readings of one snapshot are too few:",
		      (long)(stress.readings - stress.mixed));
	printf("counters: %" PRIu64 " generators, %" PRIu64 " items, %" PRIu64 " readings, %" PRIu64
	       " of them mixed\n",
	       stress.generators, stress.accepted, stress.readings, stress.mixed);
	if (rounds.faults != 0)
		printf("counters: FAILED: seed %" PRIu64 ": %s (%u faults)\n", rounds.seed,
		       rounds.fault, rounds.faults);
	return rounds.faults != 0;
}
