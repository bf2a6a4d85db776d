/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "workload.h"
#include "inject.h"

#include "runtime/registry/registry.h"
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/parse.h"

#include <fcntl.h>
#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/leat.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

enum { PER_SENDER = 60, SENDERS = 2, ITEMS = PER_SENDER * SENDERS, LINES = 100 };
#define NOTHING WORKLOAD_NOTHING

static struct {
	const char *program, *what, *part;
	uint64_t n;
	int expected;
	unsigned refused;
	bool written, walked; /* the flows that write files have ended well */
	uint64_t runs;
	uint32_t ticks;                 /* atomic: of this run */
	uint64_t imbalances, snapshots; /* atomic */
} now;
static char folder[64], input[96], output[96], teed[96], walked[96], prometheus[96], json[96];
static char counters[64];

void workload_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s: FAILED: %s %" PRIu64 ", in %s: %s (%s:%d)\n", now.program, now.what,
	        now.n, now.part, condition, file, line);
	_exit(1);
}

/*
 * A second has passed in which this process could run: those in which it was stopped come as one.
 */
static void tick(int number)
{
	(void)number;
	if (leat_add_rlx(&now.ticks, 1u) == 60)
		workload_failed("it ends within a minute", __FILE__, __LINE__);
}

void workload_watch(void)
{
	leat_store_rlx(&now.ticks, 0u);
	/* a child has no timers of its parent's */
	setitimer(ITIMER_REAL, &(struct itimerval){ { 1, 0 }, { 1, 0 } }, NULL);
}

int workload_expected(void)
{
	return now.expected;
}

/* A part was had (0), or not, for the reason that is expected. */
static void judge(int rc)
{
	if (rc == 0)
		return;
	if (rc == NOTHING)
		workload_that(leat_open_error() == now.expected);
	if (rc != now.expected && !(rc == NOTHING && now.expected != 0)) {
		fprintf(stderr, "%s: %s answered %d: %s\n", now.program, now.part, rc,
		        strerror(-rc));
		workload_that(rc == 0 || rc == now.expected);
	}
	now.refused++;
}

/* A channel of every kind, with every policy */

struct ledger {
	uint32_t accepted[ITEMS], received[ITEMS], discarded[ITEMS], disorders;
};

struct side {
	struct ledger *ledger;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t first;
	uint64_t last[SENDERS];
	int rc;
};

static void discard(void *item, void *arg)
{
	struct ledger *ledger = arg;
	uint64_t n;

	memcpy(&n, item, sizeof(n));
	workload_that(n < ITEMS);
	leat_add_rlx(&ledger->discarded[n], 1u);
}

static void take(struct side *side, uint64_t n)
{
	workload_that(n < ITEMS);
	leat_add_rlx(&side->ledger->received[n], 1u);
	if (side->last[n / PER_SENDER] > n)
		leat_add_rlx(&side->ledger->disorders, 1u);
	side->last[n / PER_SENDER] = n + 1;
}

/* From item n on: by copy, as a batch, or in place. How many were accepted, or why none. */
static ssize_t send_some(struct side *side, uint64_t n)
{
	uint64_t items[3] = { n, n + 1, n + 2 };
	void *room;
	ssize_t rc;

	switch (n / 3 % 3) {
	case 0:
		rc = leat_send(side->tx, items);
		return rc == 0 ? 1 : rc;
	case 1:
		return leat_send_batch(side->tx, items, PER_SENDER - n % PER_SENDER < 3 ? 1 : 3);
	default:
		rc = leat_reserve(side->tx, 2, &room);
		if (rc <= 0)
			return rc;
		memcpy(room, items, sizeof(items[0]));
		workload_that(leat_commit(side->tx, 1) == 0);
		return 1;
	}
}

static int send_all(struct leat_tx *out, void *arg)
{
	struct side *side = arg;
	ssize_t rc = 1;

	(void)out;
	for (uint64_t n = side->first; rc > 0 && n < side->first + PER_SENDER; n += (uint64_t)rc) {
		rc = send_some(side, n);
		for (ssize_t i = 0; i < rc; i++)
			leat_add_rlx(&side->ledger->accepted[n + (uint64_t)i], 1u);
	}
	leat_tx_close(side->tx);
	side->rc = rc < 0 ? (int)rc : 0;
	return 0;
}

static void *receive_all(void *arg)
{
	struct side *side = arg;
	const void *there;
	uint64_t n;
	ssize_t rc;

	for (unsigned call = 0;; call++) {
		if (call % 3 != 0) {
			rc = call % 3 == 1 ? leat_recv(side->rx, &n)
			                   : leat_recv_fill(side->rx, &n, 1, LEAT_NEVER);
		} else {
			rc = leat_peek(side->rx, 1, &there);
			if (rc == 1)
				memcpy(&n, there, sizeof(n));
			if (rc == 1)
				workload_that(leat_release(side->rx, 1) == 0);
		}
		if (rc <= 0)
			break;
		take(side, n);
	}
	side->rc = (int)rc;
	leat_rx_close(side->rx);
	return NULL;
}

static void check_ledger(const struct ledger *ledger)
{
	for (int n = 0; n < ITEMS; n++)
		workload_that(ledger->accepted[n] == ledger->received[n] + ledger->discarded[n]);
	workload_that(ledger->disorders == 0);
}

/*
 * A sender on a thread of the library's, and one more where there may be; a receiver here, and one
 * more on a thread of ours. Whoever cannot be had is left out.
 */
static int run_channel(struct leat_scope *scope, const struct leat_chan_opts *opts)
{
	struct ledger *ledger = opts->discard_arg;
	struct side tx[SENDERS] = { { .ledger = ledger },
		                    { .ledger = ledger, .first = PER_SENDER } };
	struct side rx[2] = { { .ledger = ledger }, { .ledger = ledger } };
	bool many_tx = opts->kind == LEAT_MPSC || opts->kind == LEAT_MPMC;
	bool many_rx = opts->kind == LEAT_SPMC || opts->kind == LEAT_MPMC, receives = false;
	pthread_t receiver;
	int rc = leat_chan_open(scope, sizeof(uint64_t), opts, &tx[0].tx, &rx[0].rx), result = rc;

	if (rc != 0)
		return rc;
	tx[1].tx = many_tx ? leat_tx_clone(tx[0].tx) : NULL;
	rx[1].rx = many_rx ? leat_rx_clone(rx[0].rx) : NULL;
	if ((many_tx && tx[1].tx == NULL) || (many_rx && rx[1].rx == NULL))
		result = NOTHING;
	for (int i = 0; i < SENDERS; i++) {
		rc = tx[i].tx != NULL ? leat_gen(scope, send_all, &tx[i], 0, NULL, NULL) : 0;
		if (rc != 0) {
			leat_tx_close(tx[i].tx);
			result = rc;
		}
	}
	if (rx[1].rx != NULL) {
		rc = -pthread_create(&receiver, NULL, receive_all, &rx[1]);
		receives = rc == 0;
		if (rc != 0) {
			leat_rx_close(rx[1].rx);
			result = rc;
		}
	}
	receive_all(&rx[0]);
	if (receives)
		pthread_join(receiver, NULL);
	rc = leat_scope_join(scope);
	workload_that(rc == 0);
	for (int i = 0; i < 2; i++)
		workload_that(tx[i].rc == 0 && rx[i].rc == 0);
	return result;
}

static int channel(enum leat_kind kind, enum leat_overflow overflow)
{
	static const enum leat_wait waits[] = { LEAT_WAIT_ADAPTIVE, LEAT_WAIT_PARK,
		                                LEAT_WAIT_YIELD };
	struct ledger ledger = { 0 };
	struct leat_chan_opts opts = { .name = "channel",
		                       .kind = kind,
		                       .capacity = 3,
		                       .overflow = overflow,
		                       .send_wait = LEAT_WAIT_PARK,
		                       .recv_wait = waits[overflow],
		                       .discard = discard,
		                       .discard_arg = &ledger };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc;

	if (scope == NULL)
		return NOTHING;
	rc = run_channel(scope, &opts);
	workload_that(leat_scope_close(scope) == 0);
	check_ledger(&ledger);
	for (int n = 0; overflow == LEAT_BLOCK && n < ITEMS; n++)
		workload_that(ledger.discarded[n] == 0);
	return rc;
}

/* Generators that share a channel; one of them ends the stream for all. */

struct fan_in {
	uint64_t sent;
	bool ends_it;
};

static int send_or_end(struct leat_tx *out, void *arg)
{
	struct fan_in *mine = arg;
	int rc = 0;

	while (rc == 0 && (!mine->ends_it || mine->sent < PER_SENDER)) {
		rc = leat_send(out, &mine->sent);
		mine->sent += rc == 0;
	}
	if (mine->ends_it) {
		struct leat_tx *clone = leat_tx_clone(out);

		if (clone == NULL)
			return leat_open_error();
		leat_tx_close_all(clone);
	}
	return rc;
}

static int fan_in(void)
{
	struct leat_chan_opts opts = { .kind = LEAT_MPSC, .capacity = 3 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct fan_in senders[SENDERS] = { { .ends_it = true }, { .sent = 0 } };
	uint64_t received = 0, sent = 0, item;
	struct leat_tx *tx;
	struct leat_rx *rx;
	int rc, result;

	if (scope == NULL)
		return NOTHING;
	result = leat_chan_open(scope, sizeof(item), &opts, &tx, &rx);
	for (int i = 0; i < SENDERS && result == 0; i++) {
		struct leat_tx *clone = leat_tx_clone(tx);

		result = clone == NULL
		                 ? leat_open_error()
		                 : leat_gen_into(scope, send_or_end, &senders[i], clone, NULL);
		if (result != 0)
			leat_tx_close(clone);
	}
	if (result == 0)
		leat_tx_close(tx);
	else if (tx != NULL)
		leat_tx_close_all(tx);
	while (rx != NULL && (rc = leat_recv(rx, &item)) == 1)
		received++;
	rc = leat_scope_join(scope);
	workload_that(rc == 0 || rc == now.expected);
	for (int i = 0; i < SENDERS; i++)
		sent += senders[i].sent;
	workload_that(received == sent || rc != 0);
	leat_rx_close(rx);
	workload_that(leat_scope_close(scope) == rc);
	return result != 0 ? result : rc;
}

/* Generators: a chain of a function, a seq that pulls from it, and the loop here */

static int count_up(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 1; rc == 0 && n <= 100; n++)
		rc = leat_send(out, &n);
	return rc;
}

static int chain(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan = { .name = "chain", .capacity = 4 } };
	struct leat_rx *first, *second;
	uint64_t sum = 0;
	int rc;

	if (scope == NULL)
		return NOTHING;
	rc = leat_gen(scope, count_up, NULL, sizeof(uint64_t), &opts, &first);
	if (rc == 0) {
		rc = leat_gen_seq(scope, leat_seq_from_rx(first), &opts, &second);
		if (rc != 0)
			leat_rx_close(first);
	}
	if (rc == 0) {
		leat_for(uint64_t, n, second)
			sum += n;
		workload_that(sum == 5050);
		leat_rx_close(second);
	}
	workload_that(leat_scope_close(scope) == 0);
	return rc;
}

static int fails_with_words(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_send(out, &(uint64_t){ 1 });
	return leat_tx_fail(out, -EBADMSG, "on purpose");
}

/* A failure stays the scope's cause, and leaves what was sent. */
static int failure(void)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *scope = NULL;
	struct leat_rx *rx;
	const char *text;
	uint64_t n;
	int rc = NOTHING;

	if (root != NULL)
		scope = leat_scope_open(root, NULL);
	if (scope != NULL)
		rc = leat_gen(scope, fails_with_words, NULL, sizeof(uint64_t), NULL, &rx);
	if (rc == 0) {
		workload_that(leat_recv(rx, &n) == 1 && leat_recv(rx, &n) == 0);
		workload_that(leat_scope_join(scope) == -EBADMSG);
		workload_that(leat_scope_cause(scope, NULL, &text) == LEAT_FAILED &&
		              strcmp(text, "on purpose") == 0);
		leat_rx_close(rx);
	}
	workload_that(leat_scope_close(scope) == (rc == 0 ? -EBADMSG : 0));
	workload_that(leat_scope_close(root) == 0);
	return rc;
}

static int send_for_ever(struct leat_tx *out, void *arg)
{
	struct ledger *ledger = arg;
	int rc = 0;

	for (uint64_t n = 0; rc == 0; n = (n + 1) % ITEMS) {
		rc = leat_send(out, &n);
		if (rc == 0)
			leat_add_rlx(&ledger->accepted[n], 1u);
	}
	return rc;
}

/*
 * A deadline, or a cancel in the middle, ends a stream; what was accepted is received or discarded.
 */
static int cut_short(bool by_deadline)
{
	struct ledger ledger = { 0 };
	struct leat_scope_opts at = { .deadline_ns = by_deadline ? leat_now_ns() + 1000000 : 0 };
	struct leat_gen_opts opts = { .chan = { .name = "cut short",
		                                .capacity = 5,
		                                .kind = LEAT_MPSC,
		                                .discard = discard,
		                                .discard_arg = &ledger } };
	struct leat_scope *scope = leat_scope_open(NULL, &at);
	struct leat_rx *rx;
	uint64_t n;
	int rc, got;

	if (scope == NULL)
		return NOTHING;
	rc = leat_gen(scope, send_for_ever, &ledger, sizeof(uint64_t), &opts, &rx);
	if (rc == -ECANCELED && by_deadline) { /* it was late */
		workload_that(leat_scope_close(scope) == -ETIMEDOUT);
		return 0;
	}
	if (rc == 0) {
		for (got = 0; leat_recv(rx, &n) == 1; got++) {
			leat_add_rlx(&ledger.received[n], 1u);
			if (got == 1000 && !by_deadline)
				leat_scope_cancel(scope, 0, "enough");
		}
		workload_that(leat_recv(rx, &n) == -ECANCELED);
		leat_rx_close(rx);
		workload_that(leat_scope_join(scope) == (by_deadline ? -ETIMEDOUT : 0));
	}
	got = leat_scope_close(scope);
	workload_that(got == 0 || (by_deadline && got == -ETIMEDOUT));
	check_ledger(&ledger);
	return rc;
}

static int deadline(void)
{
	return cut_short(true);
}

static int canceled(void)
{
	return cut_short(false);
}

/* Sources */

/*
 * Lines until the source's end; how many, or how it failed. With words, for those who will read the
 * report.
 */
static int read_source(leat_gen_fn *fn, void *source, uint64_t *lines)
{
	struct leat_gen_opts opts = {
		.chan = { .name = "source", .capacity = 8, .discard = leat_line_discard }
	};
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	enum leat_cause cause;
	const char *text;
	struct leat_rx *rx;
	int rc, code = 0;

	*lines = 0;
	if (scope == NULL)
		return NOTHING;
	rc = leat_gen(scope, fn, source, sizeof(struct leat_line), &opts, &rx);
	if (rc == 0) {
		leat_for(struct leat_line, line, rx) {
			leat_line_free(&line);
			++*lines;
		}
		workload_that(leat_rx_status(rx, &cause, &code, &text) == 0);
		workload_that(cause == LEAT_COMPLETED ||
		              (cause == LEAT_FAILED && code < 0 && text[0] != '\0'));
		leat_rx_close(rx);
		rc = code;
	}
	workload_that(leat_scope_close(scope) == code);
	return rc;
}

static int lines(void)
{
	struct leat_lines_opts opts = { .path = input, .repeat = 2 };
	uint64_t n;
	int rc = read_source(leat_lines, &opts, &n);

	workload_that(rc != 0 || n == 2 * LINES);
	return rc;
}

static int follow(void)
{
	struct leat_follow_opts opts = { .path = input,
		                         .from_start = true,
		                         .until_ns = leat_now_ns() + 3000000 };
	uint64_t n;
	int rc = read_source(leat_follow, &opts, &n);

	workload_that(n <= LINES);
	return rc;
}

static int proc(void)
{
	struct leat_proc_opts opts = { .name = "self/status",
		                       .interval_ns = 1000000,
		                       .until_ns = leat_now_ns() + 2500000 };
	uint64_t n;

	return read_source(leat_proc, &opts, &n);
}

static int copied_line(void)
{
	struct leat_line line;
	int rc = leat_line_copy(&line, "text", 4);

	workload_that(rc != 0 || (line.len == 4 && memcmp(line.data, "text", 4) == 0));
	if (rc == 0)
		leat_line_free(&line);
	return rc;
}

/* A flow: as tools/leat runs it */

static void run_to_its_end(struct leat_run *flow)
{
	struct pollfd events = { .fd = flow->events_fd, .events = POLLIN };

	while (!leat_run_over(flow))
		poll(&events, 1, -1);
}

static int flow_of(const char *text)
{
	struct leat_run_opts opts = { .capacity = 16 };
	struct leat_stages stages;
	struct leat_mistake mistake;
	struct leat_run *running;
	char why[LEAT_RUN_WHY];
	int rc = leat_stages_parse(text, &stages, &mistake);

	if (rc != 0)
		return rc;
	rc = leat_run_open(&running, &stages, &opts, why);
	if (rc != 0) {
		workload_that(why[0] != '\0' && running == NULL);
		return rc;
	}
	rc = leat_run_start(running);
	run_to_its_end(running);
	leat_run_join(running);
	for (size_t i = 0; rc == 0 && i < running->members_count; i++) {
		const struct leat_member *member = &running->members[i];

		rc = member->code != 0 ? member->code : member->left == -EPIPE ? 0 : member->left;
	}
	leat_run_free(running);
	return rc;
}

static int flow_into_a_file(void)
{
	char text[256];
	int rc;

	snprintf(text, sizeof(text), "lines:%s | workers:2 grep:line | map:upper | file:%s", input,
	         output);
	rc = flow_of(text);
	now.written = rc == 0;
	return rc;
}

static int flow_of_a_walk(void)
{
	char text[512];
	int rc;

	snprintf(text, sizeof(text),
	         "walk:%s name:input | map:upper | tee:%s | file:%s sync:yes reopen:yes", folder,
	         teed, walked);
	rc = flow_of(text);
	now.walked = rc == 0;
	return rc;
}

/* What a flow that answered 0 has written is there. */
static void check_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64];
	int n = 0;

	workload_that(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		n += strncmp(line, "LINE ", 5) == 0;
	fclose(file);
	workload_that(n == LINES);
}

static int flow_with_a_tally(void)
{
	char text[256];

	snprintf(text, sizeof(text), "lines:%s | field:2 | tally", input);
	return flow_of(text);
}

static int flow_that_counts(void)
{
	return flow_of("count:2000 | take:100 | workers:2 grep:1 | count");
}

/* Diagnostics, which look on */

static void look(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		const struct leat_chan_stat *chan = &snapshot->channels[i];
		uint64_t sum = chan->delivered + chan->rejected + chan->in_flight;

		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
			sum += chan->dropped[reason];
		if (sum != chan->offered || chan->in_flight > chan->capacity)
			leat_add_rlx(&now.imbalances, UINT64_C(1));
	}
	leat_add_rlx(&now.snapshots, UINT64_C(1));
}

static struct leat_diag *diagnostics(void)
{
	return leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 2000000,
	                                                 .prometheus_path = prometheus,
	                                                 .json_path = json,
	                                                 .callback = look });
}

static int channel_in_a_snapshot(void)
{
	struct leat_diag *diag = diagnostics();
	int rc = channel(LEAT_SPSC, LEAT_BLOCK), stopped = leat_diag_stop(diag);

	return diag == NULL ? NOTHING : rc != 0 ? rc : stopped;
}

/* Judges what the reader of a counters file has. Returns -errno. */
static int judge_process(const struct leat_counters *reader)
{
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict;
	int rc = why == NULL ? leat_open_error() : 0;

	if (rc == 0) {
		leat_why_from_start(why);
		rc = leat_why_add_counters(why, reader);
	}
	if (rc == 0)
		rc = leat_why_verdict(why, &verdict);
	leat_why_close(why);
	return rc;
}

/* A channel of a process that keeps counters, which this process reads itself. */
static int channel_in_counters(void)
{
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 2000000, .counters_path = counters });
	int rc = channel(LEAT_SPSC, LEAT_BLOCK), stopped;

	if (diag != NULL && rc == 0) {
		struct leat_counters *reader = leat_counters_open(counters);

		rc = reader == NULL ? leat_open_error() : leat_counters_read(reader);
		if (rc == 0)
			rc = judge_process(reader);
		leat_counters_close(reader);
	}
	stopped = leat_diag_stop(diag);
	workload_that(access(counters, F_OK) < 0);
	return diag == NULL ? NOTHING : rc != 0 ? rc : stopped;
}

struct told {
	uint64_t ended, untold;
};

static void count_told(const struct leat_snapshot *snapshot, void *arg)
{
	struct told *told = arg;

	for (size_t i = 0; i < snapshot->channels_count; i++)
		told->ended += snapshot->channels[i].ended;
	told->untold = snapshot->untold;
}

/* More ends than there is room for at first: each is told of, or counted. */
static int ends_in_a_snapshot(void)
{
	struct told told = { 0, 0 };
	struct leat_snapshot before;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_diag *diag;
	uint64_t ended = 0;
	int rc = scope == NULL ? NOTHING : 0, stopped;

	leat_registry_totals(&before);
	diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = INT64_MAX, .callback = count_told, .callback_arg = &told });
	for (int i = 0; i < 100 && rc == 0; i++) {
		struct leat_tx *tx;
		struct leat_rx *rx;

		rc = leat_chan_open(scope, sizeof(uint64_t),
		                    &(struct leat_chan_opts){ .capacity = 1 }, &tx, &rx);
		ended += rc == 0;
		leat_tx_close(tx);
		leat_rx_close(rx);
	}
	leat_scope_close(scope);
	stopped = leat_diag_stop(diag);
	if (diag == NULL)
		return NOTHING;
	workload_that(told.ended + told.untold - before.untold == ended);
	return rc != 0 ? rc : stopped;
}

/* A generator on a pool that waits for a descriptor */

struct raised {
	int fd;
	bool done;
};

static int item_when_raised(void *state, void *item)
{
	struct raised *raised = state;
	int rc = raised->done ? 0 : leat_ready(raised->fd, POLLIN, LEAT_NEVER);

	if (rc != 0 || raised->done)
		return rc;
	raised->done = true;
	return read(raised->fd, item, sizeof(uint64_t)) == sizeof(uint64_t) ? 1 : -EBADMSG;
}

static void receive_when_raised(struct leat_rx *rx, int fd)
{
	static const uint64_t seven = 7;
	uint64_t item = 0;
	int rc = leat_recv_until(rx, &item, leat_now_ns() + 1000000);

	workload_that(rc == -ETIMEDOUT || rc == 0); /* 0: it could not wait, and has ended */
	workload_that(write(fd, &seven, sizeof(seven)) == sizeof(seven));
	if (leat_recv(rx, &item) == 1)
		workload_that(item == 7 && leat_recv(rx, &item) == 0);
	leat_rx_close(rx);
}

static int descriptor(void)
{
	struct raised raised = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), false };
	int rc = raised.fd < 0 ? -errno : NOTHING;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .pool = leat_pool_open(&(struct leat_pool_opts){
					      .workers = 1, .workers_only = true }) };
	struct leat_rx *rx;

	if (raised.fd >= 0 && scope != NULL && opts.pool != NULL)
		rc = leat_gen_seq(
			scope,
			(struct leat_seq){ item_when_raised, NULL, &raised, sizeof(uint64_t) },
			&opts, &rx);
	if (rc == 0) {
		receive_when_raised(rx, raised.fd);
		rc = leat_scope_join(scope);
	}
	leat_scope_close(scope);
	workload_that(leat_pool_close(opts.pool) == 0);
	if (raised.fd >= 0)
		close(raised.fd);
	return rc;
}

/* Whatever is missing, the mask of signals is as before, and the scope can be closed. */
static int signals_that_stop(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	sigset_t stops, before, after;
	int rc = NOTHING;

	sigemptyset(&stops);
	sigaddset(&stops, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	if (scope != NULL)
		rc = leat_scope_stop_on_signals(scope, &stops, LEAT_NEVER);
	pthread_sigmask(SIG_SETMASK, &before, &after);
	workload_that(sigismember(&after, SIGUSR2) == (rc == 0));
	workload_that(leat_scope_close(scope) == 0);
	return rc;
}

/*
 * A broadcast: a sink on a thread, one behind it here, and one on a pool that may be evicted, or
 * overtaken. What cannot be had is left out.
 */

enum { FEED_SUBSCRIBERS = 3 };

struct feed {
	struct leat_pool *pool;
	struct leat_broadcast *bc;
	struct leat_tx *tx[SENDERS];
	struct leat_rx *rx[FEED_SUBSCRIBERS];
	struct feed_sink {
		uint64_t items, sum;
		uint32_t finis;
		bool runs;
	} sinks[FEED_SUBSCRIBERS];
	uint64_t discards;
	int result;
};

static void count_feed_discard(void *item, void *arg)
{
	struct feed *feed = arg;

	(void)item;
	leat_add_rlx(&feed->discards, UINT64_C(1));
}

static int put_in_feed_sink(void *state, const void *item)
{
	struct feed_sink *sink = state;
	uint64_t n;

	memcpy(&n, item, sizeof(n));
	sink->items++;
	sink->sum += n;
	return 0;
}

static void end_feed_sink(void *state)
{
	((struct feed_sink *)state)->finis++;
}

/* 0, or what it was that could not be had: the first thing counts. */
static int note_result(struct feed *feed, int rc)
{
	if (feed->result == 0)
		feed->result = rc;
	return rc;
}

static void subscribe_all(struct feed *feed, const struct leat_broadcast_opts *opts)
{
	struct leat_subscribe_opts after = { .after = feed->rx, .after_count = 1 },
				   lags = { .lag = opts->discard != NULL ? LEAT_LAG_WAIT
		                                   : opts->skip          ? LEAT_LAG_SKIP
		                                                         : LEAT_LAG_EVICT,
		                            .patience_ns = INT64_C(50000000000) };

	note_result(feed, leat_broadcast_subscribe(feed->bc, NULL, &feed->rx[0]));
	if (feed->rx[0] != NULL)
		note_result(feed, leat_broadcast_subscribe(feed->bc, &after, &feed->rx[1]));
	note_result(feed, leat_broadcast_subscribe(feed->bc, &lags, &feed->rx[2]));
}

static void start_feed_sink(struct feed *feed, struct leat_scope *scope, int at,
                            struct leat_pool *pool)
{
	struct leat_sink sink = { put_in_feed_sink, end_feed_sink, &feed->sinks[at] };

	if (feed->rx[at] == NULL)
		return;
	feed->sinks[at].runs =
		note_result(feed, leat_gen_sink(scope, feed->rx[at], sink,
	                                        &(struct leat_gen_opts){ .pool = pool })) == 0;
	if (!feed->sinks[at].runs)
		leat_rx_close(feed->rx[at]);
}

/* Returns how many items they send: count_up() sends 100. */
static uint64_t start_feed_senders(struct feed *feed, struct leat_scope *scope, bool several)
{
	uint64_t items = 0;

	feed->tx[1] = several ? leat_tx_clone(feed->tx[0]) : NULL;
	if (several && feed->tx[1] == NULL)
		note_result(feed, NOTHING);
	for (int i = 0; i < SENDERS; i++) {
		if (feed->tx[i] == NULL)
			continue;
		if (note_result(feed, leat_gen_into(scope, count_up, NULL, feed->tx[i], NULL)) == 0)
			items += 100;
		else
			leat_tx_close(feed->tx[i]);
	}
	return items;
}

static void check_feed(const struct feed *feed, const struct leat_broadcast_opts *opts,
                       uint64_t items, uint64_t received)
{
	for (int i = 0; i < FEED_SUBSCRIBERS; i++) {
		const struct feed_sink *sink = &feed->sinks[i];

		workload_that(sink->finis == (sink->runs ? 1 : 0));
		if (sink->runs && !(i == 2 && opts->skip))
			workload_that(sink->items == items && sink->sum == items / 100 * 5050);
		workload_that(sink->items <= items);
	}
	workload_that(received == (feed->rx[1] != NULL && feed->sinks[0].runs ? items : 0));
	workload_that(feed->discards == (opts->discard != NULL ? items : 0));
}

static int run_feed(struct leat_scope *scope, struct leat_broadcast_opts opts)
{
	struct feed feed = { .pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }) };
	uint64_t items, item, received = 0;
	int rc;

	note_result(&feed, feed.pool == NULL ? NOTHING : 0);
	opts.discard_arg = &feed;
	rc = note_result(
		&feed, leat_broadcast_open(scope, sizeof(uint64_t), &opts, &feed.bc, &feed.tx[0]));
	if (rc == 0) {
		subscribe_all(&feed, &opts);
		start_feed_sink(&feed, scope, 0, NULL);
		start_feed_sink(&feed, scope, 2, feed.pool);
		items = start_feed_senders(&feed, scope, opts.kind == LEAT_MPMC);
		while (feed.rx[1] != NULL && (rc = leat_recv(feed.rx[1], &item)) == 1)
			received++;
		workload_that(rc == 0);
		leat_rx_close(feed.rx[1]);
		workload_that(leat_scope_join(scope) == 0);
		leat_broadcast_close(feed.bc);
		check_feed(&feed, &opts, items, received);
	}
	workload_that(leat_pool_close(feed.pool) == 0);
	return feed.result;
}

static int broadcast(struct leat_broadcast_opts opts)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc;

	if (scope == NULL)
		return NOTHING;
	opts.name = "feed";
	opts.capacity = 4;
	rc = run_feed(scope, opts);
	workload_that(leat_scope_close(scope) == 0);
	return rc;
}

static int broadcast_that_evicts(void)
{
	return broadcast((struct leat_broadcast_opts){ .kind = LEAT_SPSC });
}

static int broadcast_that_skips(void)
{
	return broadcast((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .skip = true });
}

static int broadcast_that_owns(void)
{
	return broadcast(
		(struct leat_broadcast_opts){ .kind = LEAT_MPMC, .discard = count_feed_discard });
}

static int channel_of(size_t at)
{
	return channel((enum leat_kind)(at / 3), (enum leat_overflow)(at % 3));
}

enum { CHANNELS = 12 };
static const struct {
	const char *name;
	int (*run)(void);
} others[] = {
	{ "a chain", chain },
	{ "a fan-in", fan_in },
	{ "a broadcast that evicts", broadcast_that_evicts },
	{ "a broadcast that skips", broadcast_that_skips },
	{ "a broadcast that owns its items", broadcast_that_owns },
	{ "a failure", failure },
	{ "a deadline", deadline },
	{ "a cancel", canceled },
	{ "a line", copied_line },
	{ "lines", lines },
	{ "follow", follow },
	{ "proc", proc },
	{ "a tally", flow_with_a_tally },
	{ "a count", flow_that_counts },
	{ "a flow into a file", flow_into_a_file },
	{ "a flow of a walk", flow_of_a_walk },
	{ "diagnostics", channel_in_a_snapshot },
	{ "counters", channel_in_counters },
	{ "ends", ends_in_a_snapshot },
	{ "a descriptor", descriptor },
	{ "signals", signals_that_stop },
	{ "a rate", workload_rate },
	{ "a rate in steps", workload_rate_in_steps },
	{ "a semaphore", workload_sem },
	{ "a breaker", workload_breaker },
	{ "hooks", workload_hooks },
	{ "hooks of a failure", workload_hooks_of_a_failure },
	{ "a scope's descriptor", workload_scope_fd },
	{ "a consumer that leaves", workload_consumer_leaves },
	{ "a scope that is watched", workload_watched_scope },
	{ "a stop", workload_stop },
	{ "a drain that is late", workload_late_drain },
	{ "a signal", workload_signal },
};
_Static_assert(WORKLOAD_PARTS == CHANNELS + sizeof(others) / sizeof(others[0]),
               "the parts, counted");

static void run_part(size_t at)
{
	now.part = at < CHANNELS ? "a channel" : others[at - CHANNELS].name;
	judge(at < CHANNELS ? channel_of(at) : others[at - CHANNELS].run());
}

static void run_all(void)
{
	struct leat_diag *diag;

	now.part = "the start of diagnostics";
	diag = diagnostics();
	judge(diag == NULL ? NOTHING : 0);
	for (size_t at = 0; at < WORKLOAD_PARTS; at++)
		run_part(at);
	now.part = "the end of diagnostics";
	judge(leat_diag_stop(diag));
}

unsigned workload_run(size_t part, int expected, const char *what, uint64_t n)
{
	uint64_t blocks = inject_blocks();
	struct leat_census before;
	char words[400];

	now.what = what;
	now.n = n;
	now.expected = expected;
	now.refused = 0;
	now.written = now.walked = false;
	if (truncate(json, 0) < 0 && errno != ENOENT)
		workload_failed("the reports can be emptied", __FILE__, __LINE__);
	leat_census_take(&before);
	workload_watch();
	if (part == WORKLOAD_ALL)
		run_all();
	else
		run_part(part);
	inject_off();
	now.runs++;
	if (now.written)
		check_file(output);
	if (now.walked) {
		check_file(teed);
		check_file(walked);
	}
	if (leat_census_left(&before, words, sizeof(words)))
		workload_failed(words, __FILE__, __LINE__);
	workload_that(inject_blocks() == blocks);
	workload_that(leat_load_acq(&now.imbalances) == 0);
	return now.refused;
}

void workload_fail_each(enum inject_point point, int error)
{
	for (size_t part = 0; part < WORKLOAD_PARTS; part++) {
		uint64_t n = 0;

		do {
			inject_nth(point, ++n, error);
			workload_run(part, -error, "with a fault in call", n);
		} while (inject_count(point) != 0);
		workload_that(n > 1 || point != INJECT_ALLOC);
		workload_that(workload_run(part, 0, "again after call", n) == 0);
	}
}

static void remove_files(void)
{
	unlink(input);
	unlink(output);
	unlink(teed);
	unlink(walked);
	unlink(prometheus);
	unlink(json);
	if (rmdir(folder) < 0) /* an exporter's file that was to be renamed, for one */
		fprintf(stderr, "%s: something is left in %s\n", now.program, folder);
}

void workload_init(const char *program)
{
	struct leat_census first;
	FILE *file;
	sigset_t signals;
	int null;

	sigemptyset(&signals);
	sigaddset(&signals, WORKLOAD_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	leat_census_take(&first); /* may start a thread, which nothing must fail */
	now.program = program;
	now.what = "before the first run";
	now.part = "the files";
	strcpy(folder, "/tmp/leat-faults-XXXXXX");
	workload_that(mkdtemp(folder) != NULL);
	snprintf(input, sizeof(input), "%s/input", folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	snprintf(teed, sizeof(teed), "%s/teed", folder);
	snprintf(walked, sizeof(walked), "%s/walked", folder);
	snprintf(prometheus, sizeof(prometheus), "%s/leat.prom", folder);
	snprintf(json, sizeof(json), "%s/leat.json", folder);
	snprintf(counters, sizeof(counters), "/dev/shm/leat-faults-%d", (int)getpid());
	atexit(remove_files);
	file = fopen(input, "we");
	workload_that(file != NULL);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "line %d of %d\n", i % 37, LINES);
	workload_that(fclose(file) == 0);
	signal(SIGALRM, tick);
	workload_watch();
	/* Flows write their results to standard output, which nobody wants to read here. */
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	workload_that(null >= 0 && dup2(null, STDOUT_FILENO) == STDOUT_FILENO);
	close(null);
}

int workload_done(uint64_t least)
{
	uint64_t total = inject_total();

	fprintf(stderr,
	        "%s: %" PRIu64 " runs, %" PRIu64 " faults injected, %" PRIu64 " snapshots\n",
	        now.program, now.runs, total, leat_load_acq(&now.snapshots));
	if (total < least)
		fprintf(stderr, "%s: FAILED: fewer than %" PRIu64 " faults came by\n", now.program,
		        least);
	return total < least;
}
