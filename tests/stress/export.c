/*
 * tests/stress/export.c: channels of thousands of names are opened and closed by three threads, and
 * generators started by another, while the process is exported, with fewer names than there are,
 * and three readers read the same file: no total vanishes or falls, and the sums over all names are
 * right.
 *
 *     PROGRAM [seconds]
 *
 * In each scrape no counter is less than in the scrape before, nor missing; the sum over all names
 * of what was offered does not fall, and is not more than was sent. At the end it is what was sent,
 * and the generators that ended are those that were started, unless there were more ends than a
 * process keeps.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tests/census.h"

#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/export.h>
#include <leat/leat.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPENERS = 3,
	READERS = 3,
	THREADS = OPENERS + READERS + 1,
	OPEN = 24,
	SHARED = 40,
	NAMES = 100, /* a scrape that is late sees no more than some hundreds at a time */
	SERIES = 30 * (NAMES + 1)
};

static struct {
	struct leat_scope *scope;
	uint32_t stop, faults;
	uint64_t sent, opened, started, scrapes, readings, folded;
	char path[64];
} stress;

/* What the scrape before had of each counter, in the order in which they were first seen. */
static struct series {
	char labels[192];
	double value;
	uint64_t seen; /* the scrape that had it last */
} series[SERIES];
static size_t series_count, series_next; /* next: behind the one that was found last */
static uint64_t last_sum;

static void fault(const char *what, uint64_t n)
{
	if (leat_add_acqrel(&stress.faults, 1u) == 0)
		printf("FAILED: %s: %" PRIu64 "\n", what, n);
}

struct pair {
	struct leat_tx *tx;
	struct leat_rx *rx;
};

/* Opens a channel of a name that others have, too, or, every other one, of its own; and sends. */
static void open_one(struct pair *pair, uint64_t n)
{
	char name[32];
	struct leat_chan_opts opts = { .name = name, .capacity = 4 };

	if (n % 2 == 0)
		snprintf(name, sizeof(name), "own %" PRIu64, leat_add_rlx(&stress.opened, 1));
	else
		snprintf(name, sizeof(name), "shared %d", (int)(n / 2 % SHARED));
	if (leat_chan_open(stress.scope, sizeof(n), &opts, &pair->tx, &pair->rx) != 0) {
		fault("a channel is not opened", n);
		*pair = (struct pair){ NULL, NULL };
		return;
	}
	for (uint64_t i = 0; i < n % 4; i++) {
		leat_add_acqrel(&stress.sent, 1);
		leat_send(pair->tx, &i);
	}
}

static void *keep_opening(void *arg)
{
	struct pair pairs[OPEN] = { { NULL, NULL } };
	uint64_t n = (uint64_t)(uintptr_t)arg;

	while (leat_load_acq(&stress.stop) == 0) {
		struct pair *pair = &pairs[n * 7 % OPEN];

		leat_tx_close(pair->tx);
		leat_rx_close(pair->rx);
		open_one(pair, n++);
		if (n % 16 == 0)
			usleep(500); /* so that a snapshot has few enough ends */
	}
	for (int i = 0; i < OPEN; i++) {
		leat_tx_close(pairs[i].tx);
		leat_rx_close(pairs[i].rx);
	}
	return NULL;
}

static int send_one(struct leat_tx *out, void *arg)
{
	uint64_t item = (uint64_t)(uintptr_t)arg;

	leat_add_acqrel(&stress.sent, 1);
	return leat_send(out, &item);
}

/* Starts a generator of a name of its own, or of one that others have, receives, and waits. */
static void *keep_starting(void *arg)
{
	char name[32];
	struct leat_gen_opts opts = { .chan = { .name = name, .capacity = 4 } };

	(void)arg;
	for (uint64_t n = 0; leat_load_acq(&stress.stop) == 0; n++) {
		struct leat_rx *rx;
		uint64_t item;

		if (n % 2 == 0)
			snprintf(name, sizeof(name), "gen %" PRIu64, n);
		else
			snprintf(name, sizeof(name), "shared %d", (int)(n / 2 % SHARED));
		if (leat_gen(stress.scope, send_one, NULL, sizeof(item), &opts, &rx) != 0) {
			fault("a generator is not started", n);
			return NULL;
		}
		stress.started++;
		while (leat_recv(rx, &item) == 1)
			;
		leat_rx_close(rx);
		if (n % 16 == 0)
			usleep(500);
	}
	return NULL;
}

static void *keep_reading(void *arg)
{
	struct leat_counters *c = leat_counters_open(stress.path);

	(void)arg;
	if (c == NULL)
		fault("the file is not opened", (uint64_t)-leat_open_error());
	while (c != NULL && leat_load_acq(&stress.stop) == 0) {
		if (leat_counters_read(c) != 0)
			fault("the file is not read", 0);
		leat_add_rlx(&stress.readings, 1);
		usleep(20000);
	}
	leat_counters_close(c);
	return NULL;
}

static bool is_series(const struct series *one, const char *labels, size_t length)
{
	return strncmp(one->labels, labels, length) == 0 && one->labels[length] == '\0';
}

/* They are mostly in the order of the scrape before. */
static struct series *find_series(const char *labels, size_t length)
{
	for (size_t i = 0; i < series_count; i++) {
		struct series *one = &series[(series_next + i) % series_count];

		if (is_series(one, labels, length)) {
			series_next = (size_t)(one - series) + 1;
			return one;
		}
	}
	if (series_count == SERIES || length >= sizeof(series[0].labels)) {
		fault("there are more series than names may have", series_count);
		return NULL;
	}
	memcpy(series[series_count].labels, labels, length);
	series_next = series_count + 1;
	return &series[series_count++];
}

static void check_line(const char *line, size_t length)
{
	const char *blank = memrchr(line, ' ', length);
	struct series *of = find_series(line, (size_t)(blank - line));
	double value = atof(blank + 1);

	if (of == NULL)
		return;
	if (of->seen == stress.scrapes)
		fault("a series is there twice", (uint64_t)value);
	if (value < of->value) {
		fault("a total has fallen, by", (uint64_t)(of->value - value));
		printf("%s: %f, then %f\n", of->labels, of->value, value);
	}
	of->value = value;
	of->seen = stress.scrapes;
}

/* All counters. Returns the sum over all names of the items that were offered. */
static uint64_t check_text(const char *text)
{
	static const char name[] = "leat_offered_items_total{";
	uint64_t sum = 0, sent = leat_load_acq(&stress.sent);

	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const char *total = memmem(line, (size_t)(end - line), "_total", 6);

		if (line[0] != '#' && total != NULL && (total[6] == '{' || total[6] == ' '))
			check_line(line, (size_t)(end - line));
		if (strncmp(line, name, sizeof(name) - 1) == 0)
			sum += strtoull(memrchr(line, ' ', (size_t)(end - line)), NULL, 10);
	}
	for (size_t i = 0; i < series_count; i++)
		if (series[i].seen != stress.scrapes)
			fault("a series has vanished, of", (uint64_t)series[i].value);
	if (sum < last_sum)
		fault("the sum has fallen, by", last_sum - sum);
	if (sum > sent)
		fault("more is counted than was sent", sum - sent);
	last_sum = sum;
	return sum;
}

static uint64_t value_of(const char *text, const char *series_begin, const char *label)
{
	const char *at = strstr(text, series_begin);

	at = at != NULL && label != NULL ? strstr(at, label) : at;
	at = at != NULL ? strstr(at, "} ") : NULL;
	return at != NULL ? strtoull(at + 2, NULL, 10) : UINT64_MAX;
}

struct scraped {
	uint64_t sum, untold, ended;
	bool whole; /* the reading was of one snapshot */
};

static struct scraped scrape(struct leat_export *exporter)
{
	struct scraped scraped;
	char *text = NULL;
	uint64_t folded;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL || leat_export_write(exporter, LEAT_EXPORT_OPENMETRICS, out) != 0)
		abort();
	fclose(out);
	stress.scrapes++;
	scraped.sum = check_text(text);
	scraped.whole = value_of(text, "\nleat_reading_mixed{", NULL) == 0;
	scraped.untold = value_of(text, "\nleat_ends_untold_total{", NULL);
	scraped.ended = value_of(text, "\nleat_generators_ended_total{", "cause=\"completed\"");
	folded = value_of(text, "\nleat_export_folded_names{", "kind=\"channel\"");
	stress.folded = folded > stress.folded && folded != UINT64_MAX ? folded : stress.folded;
	free(text);
	return scraped;
}

/* All channels are closed: once a snapshot has all of their ends, nothing is missing. */
static void check_last(struct leat_export *exporter)
{
	int64_t patience_ns = leat_now_ns() + INT64_C(20000000000);
	struct scraped scraped;

	do {
		scraped = scrape(exporter);
		if (scraped.untold > 0) {
			printf("%" PRIu64 " ends were in no snapshot: the sum is not known\n",
			       scraped.untold);
			return;
		}
		usleep(10000);
	} while ((scraped.sum != stress.sent || scraped.ended != stress.started) &&
	         leat_now_ns() < patience_ns);
	if (scraped.sum != stress.sent)
		fault("not all is counted that was sent", stress.sent - scraped.sum);
	if (scraped.ended != stress.started)
		fault("not all generators are counted", stress.started - scraped.ended);
}

static void *(*part_of(int thread))(void *)
{
	return thread < OPENERS             ? keep_opening
	       : thread < OPENERS + READERS ? keep_reading
	                                    : keep_starting;
}

/* Scrapes while the others go on, until the time is over. */
static void keep_scraping(struct leat_export *exporter, unsigned seconds)
{
	int64_t until_ns = leat_now_ns() + seconds * INT64_C(1000000000);

	for (int whole = 0; leat_now_ns() < until_ns || whole < 3;) {
		whole += scrape(exporter).whole;
		usleep(5000);
	}
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
	const char *path = stress.path;
	pthread_t threads[THREADS];
	struct leat_export *exporter;
	struct leat_diag *diag;

	snprintf(stress.path, sizeof(stress.path), "/dev/shm/leat-export-%d", (int)getpid());
	stress.scope = leat_scope_open(NULL, NULL);
	diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = 200000000, .counters_path = path });
	exporter = leat_export_start(&(struct leat_export_opts){
		.listen = "", .processes = &path, .processes_count = 1, .names_most = NAMES });
	if (diag == NULL || exporter == NULL) {
		printf("FAILED: nothing to export: %s\n", strerror(-leat_open_error()));
		return 1;
	}
	for (int t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t], NULL, part_of(t), (void *)(uintptr_t)(t * 1000)) !=
		    0)
			abort();
	keep_scraping(exporter, seconds);
	leat_store_rel(&stress.stop, 1);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	check_last(exporter);
	leat_export_stop(exporter);
	leat_scope_close(stress.scope);
	if (leat_diag_stop(diag) != 0)
		fault("the file was not written", 0);
	if (stress.folded == 0)
		fault("there were fewer names than fit", series_count);
	printf("%" PRIu64 " items, %" PRIu64 " channels and %" PRIu64 " generators, %" PRIu64
	       " scrapes, %" PRIu64 " readings, %zu counters, %" PRIu64
	       " names folded at most, %u faults\n",
	       stress.sent, stress.opened, stress.started, stress.scrapes, stress.readings,
	       series_count, stress.folded, stress.faults);
	return stress.faults != 0;
}
