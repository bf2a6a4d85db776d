/*
 * tests/stress/export.c: channels of thousands of names are opened and closed by three threads,
 * while the process is exported, with fewer names than there are: no series vanishes or falls, and
 * the sum over all is right.
 *
 *     PROGRAM [seconds]
 *
 * In each scrape the sum over all names is not less than in the scrape before, and not more than
 * was sent. At the end it is what was sent, unless there were more ends than a process keeps.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
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

enum { OPENERS = 3, OPEN = 24, SHARED = 40, NAMES = 200, SERIES = NAMES + 1 };

static struct {
	struct leat_scope *scope;
	uint32_t stop, faults;
	uint64_t sent, opened, scrapes, folded;
} stress;

/* What the scrape before had of each name. */
static struct series {
	char labels[256];
	uint64_t value;
	bool seen;
} series[SERIES];
static size_t series_count;
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

static struct series *find_series(const char *labels, size_t length)
{
	for (size_t i = 0; i < series_count; i++)
		if (strlen(series[i].labels) == length &&
		    memcmp(series[i].labels, labels, length) == 0)
			return &series[i];
	if (series_count == SERIES || length >= sizeof(series[0].labels)) {
		fault("there are more series than names may have", series_count);
		return NULL;
	}
	memcpy(series[series_count].labels, labels, length);
	return &series[series_count++];
}

static uint64_t check_line(const char *line)
{
	const char *brace = strstr(line, "} ");
	struct series *of = find_series(line, (size_t)(brace - line));
	uint64_t value = strtoull(brace + 2, NULL, 10);

	if (of == NULL)
		return value;
	if (of->seen)
		fault("a series is there twice", value);
	if (value < of->value)
		fault("a total has fallen, by", of->value - value);
	of->value = value;
	of->seen = true;
	return value;
}

/* The samples of the metric of what was offered. Returns their sum. */
static uint64_t check_text(const char *text)
{
	static const char name[] = "\nleat_offered_items_total{";
	uint64_t sum = 0, sent = leat_load_acq(&stress.sent);

	for (size_t i = 0; i < series_count; i++)
		series[i].seen = false;
	for (const char *at = text; (at = strstr(at, name)) != NULL; at++)
		sum += check_line(at + 1);
	for (size_t i = 0; i < series_count; i++)
		if (!series[i].seen)
			fault("a series has vanished, of", series[i].value);
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

/* *whole: the reading behind it was of one snapshot; *untold: ends that no snapshot has. */
static uint64_t scrape(struct leat_export *exporter, uint64_t *whole, uint64_t *untold)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	uint64_t sum;

	if (out == NULL || leat_export_write(exporter, LEAT_EXPORT_OPENMETRICS, out) != 0)
		abort();
	fclose(out);
	stress.scrapes++;
	sum = check_text(text);
	*whole = value_of(text, "\nleat_reading_mixed{", NULL) == 0;
	*untold = value_of(text, "\nleat_ends_untold_total{", NULL);
	stress.folded = value_of(text, "\nleat_export_folded_names{", "kind=\"channel\"");
	free(text);
	return sum;
}

/* All channels are closed: once a snapshot has all of their ends, nothing is missing. */
static void check_last(struct leat_export *exporter)
{
	int64_t patience_ns = leat_now_ns() + INT64_C(20000000000);
	uint64_t sum, whole, untold;

	do {
		sum = scrape(exporter, &whole, &untold);
		if (untold > 0 && untold != UINT64_MAX) {
			printf("%" PRIu64 " ends were in no snapshot: the sum is not known\n",
			       untold);
			return;
		}
		usleep(10000);
	} while (sum != stress.sent && leat_now_ns() < patience_ns);
	if (sum != stress.sent)
		fault("not all is counted that was sent", stress.sent - sum);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
	char path[64];
	pthread_t threads[OPENERS];
	struct leat_export *exporter;
	struct leat_diag *diag;
	int64_t until_ns;
	uint64_t whole, untold;

	snprintf(path, sizeof(path), "/dev/shm/leat-export-%d", (int)getpid());
	stress.scope = leat_scope_open(NULL, NULL);
	diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = 50000000, .counters_path = path });
	exporter = leat_export_start(
		&(struct leat_export_opts){ .listen = "",
	                                    .processes = &(const char *const){ path },
	                                    .processes_count = 1,
	                                    .names_most = NAMES });
	if (diag == NULL || exporter == NULL) {
		printf("FAILED: nothing to export: %s\n", strerror(-leat_open_error()));
		return 1;
	}
	for (uintptr_t t = 0; t < OPENERS; t++)
		if (pthread_create(&threads[t], NULL, keep_opening, (void *)(t * 1000)) != 0)
			abort();
	until_ns = leat_now_ns() + seconds * INT64_C(1000000000);
	for (uint64_t fresh = 0; leat_now_ns() < until_ns || fresh < 3;) {
		scrape(exporter, &whole, &untold);
		fresh += whole;
		usleep(5000);
	}
	leat_store_rel(&stress.stop, 1);
	for (int t = 0; t < OPENERS; t++)
		pthread_join(threads[t], NULL);
	check_last(exporter);
	leat_export_stop(exporter);
	leat_scope_close(stress.scope);
	if (leat_diag_stop(diag) != 0)
		fault("the file was not written", 0);
	if (series_count < SERIES)
		fault("there were fewer names than fit", series_count);
	printf("%" PRIu64 " items of %" PRIu64 " names, %" PRIu64 " scrapes, %zu series, %" PRIu64
	       " names folded at last, %u faults\n",
	       stress.sent, stress.opened + SHARED, stress.scrapes, series_count, stress.folded,
	       stress.faults);
	return stress.faults != 0;
}
