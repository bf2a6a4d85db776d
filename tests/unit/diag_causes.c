/*
 * tests/unit/diag_causes.c: the end of each generator is told once, with its own cause and words:
 * to a function of the program's, as a line, as an event of a counters file, and in the totals of
 * the Prometheus text. Every kind of generator ends in every way that it can.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "clock.h"
#include "counters.h"

#include <leat/leat.h>

#include <inttypes.h>
#include <limits.h>
#include <signal.h>

TestSuite(diag_causes, .timeout = 600);

#define HOUR_NS (INT64_C(3600) * 1000 * MS)
#define AGE_NS (3200 * MS) /* of each generator at its end, by the manual clock, and a little */
#define WORDS "bad price in line 12"

enum kind { FUNCTION, TASK, SEQ, SEQ_ON_POOL, COMPACT, SINK, SINK_ON_POOL, KINDS };
enum ending { COMPLETES, LEFT, CANCELED, ABOVE, PASSED, FAILS, ELSEWHERE, STOPPED, ENDINGS };

static const char *const kind_of[KINDS] = { "function", "task", "seq",           "seq on a pool",
	                                    "compact",  "sink", "sink on a pool" };

/* What each ending is told as. */
static const struct want {
	enum leat_cause cause;
	bool origin;
	int code;
	const char *text;
	enum leat_counters_event_type event;
	const char *way, *why; /* of the line: before the age, and behind it */
} wants[ENDINGS] = {
	[COMPLETES] = { LEAT_COMPLETED, false, 0, "", LEAT_COUNTERS_CLOSED, "completed", "" },
	[LEFT] = { LEAT_ABANDONED, false, 0, "", LEAT_COUNTERS_CLOSED, "ended",
	           ", as its receivers had left" },
	[CANCELED] = { LEAT_CANCELED, false, 0, "by hand", LEAT_COUNTERS_CANCELED, "was cancelled",
	               ": by hand" },
	[ABOVE] = { LEAT_CANCELED, false, 0, "by hand", LEAT_COUNTERS_CANCELED, "was cancelled",
	            ": by hand" },
	[PASSED] = { LEAT_DEADLINE, false, -ETIMEDOUT, "deadline passed", LEAT_COUNTERS_CANCELED,
	             "ended", ", as its deadline had passed: deadline passed (ETIMEDOUT, -110)" },
	[FAILS] = { LEAT_FAILED, true, -EINVAL, WORDS, LEAT_COUNTERS_FAILED, "failed",
	            ": " WORDS " (EINVAL, -22)" },
	[ELSEWHERE] = { LEAT_FAILED, false, -EINVAL, WORDS, LEAT_COUNTERS_CANCELED, "ended",
	                ", as its scope, or what it received from, had failed: " WORDS
	                " (EINVAL, -22)" },
	[STOPPED] = { LEAT_STOPPED, false, 0, "the end of the day", LEAT_COUNTERS_STOPPED,
	              "was stopped", ": the end of the day" },
};

/* What a diagnostics thread has told of one generator, and of all. */
struct told {
	uint32_t times, all, other_at; /* other_at: how many came up to the one named "other" */
	struct leat_gen_stat gen;
	char line[600];
};

static void hear(const struct leat_gen_stat *gen, void *arg)
{
	struct told *told = arg;
	FILE *out = fmemopen(told->line, sizeof(told->line), "w");
	told->all++;
	if (strcmp(gen->name, "other") == 0)
		told->other_at = told->all;
	if (strcmp(gen->name, "it") == 0) {
		told->times++;
		told->gen = *gen;
		if (out != NULL)
			leat_diag_print_end(gen, out);
	}
	if (out != NULL)
		fclose(out);
}

/* A generator, and what it needs. */
struct it {
	enum kind kind;
	enum ending ending;
	int64_t due_ns; /* when it completes or fails; the others wait until they are ended */
	struct leat_pool *pool;
	struct leat_scope *above, *scope;
	struct leat_rx *rx; /* NULL: it has no output */
	struct leat_tx *tx; /* of the input of a sink, else NULL */
};

static int run_function(struct leat_tx *out, void *arg)
{
	struct it *it = arg;
	int rc = leat_after(it->due_ns);
	if (rc != 0 || it->ending == COMPLETES)
		return rc;
	if (it->ending == FAILS)
		return leat_tx_fail(out, -EINVAL, WORDS);
	return leat_after(it->due_ns + 1000 * HOUR_NS);
}

static int run_next(void *state, void *item)
{
	struct it *it = state;
	int rc = leat_after(it->due_ns);
	(void)item;
	if (rc != 0 || it->ending == COMPLETES)
		return rc;
	if (it->ending == FAILS)
		return leat_fail(-EINVAL, WORDS);
	return leat_after(it->due_ns + 1000 * HOUR_NS);
}

static int put(void *state, const void *item)
{
	(void)state;
	(void)item;
	return leat_fail(-EINVAL, WORDS);
}

static int fail_at_once(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_tx_fail(out, -EINVAL, WORDS);
}

static bool is_sink(enum kind kind)
{
	return kind == SINK || kind == SINK_ON_POOL;
}

static bool can_end_so(enum kind kind, enum ending ending)
{
	return !(ending == LEFT && (kind == TASK || is_sink(kind))) &&
	       !(ending == STOPPED && is_sink(kind));
}

/* Of a compact generator that did not fail, only the number is told. */
static bool is_told(enum kind kind, enum ending ending)
{
	return kind != COMPACT || ending == FAILS;
}

static void start_it(struct it *it)
{
	const struct leat_seq seq = { run_next, NULL, it, sizeof(uint64_t) };
	struct leat_gen_opts opts = { .chan.name = "it", .source = it->ending == STOPPED };
	if (it->kind == SEQ_ON_POOL || it->kind == COMPACT || it->kind == SINK_ON_POOL)
		opts.pool = it->pool;
	if (it->kind == SEQ_ON_POOL)
		opts.chan.kind = LEAT_MPSC; /* a compact channel is SPSC */
	if (it->kind == COMPACT)
		opts.chan.capacity = 4;
	if (is_sink(it->kind)) {
		struct leat_rx *rx;
		cr_assert_eq(leat_chan_open(it->scope, sizeof(uint64_t), NULL, &it->tx, &rx), 0);
		cr_assert_eq(leat_gen_sink(it->scope, rx, (struct leat_sink){ .put = put }, &opts),
		             0);
	} else if (it->kind == FUNCTION || it->kind == TASK) {
		bool has_output = it->kind == FUNCTION;
		cr_assert_eq(leat_gen(it->scope, run_function, it,
		                      has_output ? sizeof(uint64_t) : 0, &opts,
		                      has_output ? &it->rx : NULL),
		             0);
	} else {
		cr_assert_eq(leat_gen_seq(it->scope, seq, &opts, &it->rx), 0);
	}
}

/* After its time has come: what ends it that it does not do by itself. */
static void end_it(struct it *it)
{
	switch (it->ending) {
	case COMPLETES:
		leat_tx_close(it->tx);
		it->tx = NULL;
		break;
	case FAILS:
		if (it->tx != NULL)
			cr_expect_eq(leat_send(it->tx, &(uint64_t){ 0 }), 0);
		break;
	case LEFT:
		leat_rx_close(it->rx);
		it->rx = NULL;
		break;
	case CANCELED:
		leat_scope_cancel(it->scope, 0, "by hand");
		break;
	case ABOVE:
		leat_scope_cancel(it->above, 0, "by hand");
		break;
	case ELSEWHERE:
		cr_expect_eq(leat_gen(it->scope, fail_at_once, NULL, 0,
		                      &(struct leat_gen_opts){ .chan.name = "other" }, NULL),
		             0);
		break;
	case STOPPED:
		cr_expect_eq(
			leat_scope_stop(it->scope, leat_now_ns() + HOUR_NS, "the end of the day"),
			0);
		break;
	default: /* its deadline has passed */
		break;
	}
}

/* One generator from its start to its end. */
static void run_it(enum kind kind, enum ending ending)
{
	struct it it = { .kind = kind, .ending = ending, .due_ns = leat_now_ns() + AGE_NS };
	struct leat_scope_opts opts = { 0 };
	if (ending == PASSED)
		opts.deadline_ns = it.due_ns;
	it.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .workers_only = true });
	it.above = leat_scope_open(NULL, NULL);
	it.scope = leat_scope_open(it.above, &opts);
	cr_assert(it.pool != NULL && it.scope != NULL);
	start_it(&it);
	clock_advance(AGE_NS + 10 * MS); /* a pool rounds up */
	end_it(&it);
	leat_scope_join(it.scope);
	leat_tx_close(it.tx);
	leat_rx_close(it.rx);
	leat_scope_close(it.scope);
	leat_scope_close(it.above);
	cr_assert_eq(leat_pool_close(it.pool), 0);
}

static void expect_told(const struct told *told, enum kind kind, enum ending ending)
{
	const struct want *want = &wants[ending];
	char line[600], age[32] = " after 3.2 s";
	cr_assert_eq(told->times, is_told(kind, ending), "%s: %u times", kind_of[kind],
	             told->times);
	cr_expect_eq(told->all, told->times + (ending == ELSEWHERE), "%u", told->all);
	if (ending == ELSEWHERE)
		cr_expect_eq(told->other_at, 1, "the one that failed comes first");
	if (told->times == 0)
		return;
	cr_expect_eq(told->gen.cause, want->cause);
	cr_expect_eq(told->gen.origin, want->origin);
	cr_expect_eq(told->gen.code, want->code);
	cr_expect_str_eq(told->gen.text, want->text);
	cr_expect_leq(told->gen.ended_ns, leat_now_ns());
	if (kind == COMPACT)
		age[0] = '\0'; /* when it began is not kept */
	else
		cr_expect_geq(told->gen.ended_ns - told->gen.began_ns, AGE_NS);
	snprintf(line, sizeof(line), "leat: %s[%d]: generator \"it\" (id %" PRIu64 ") %s%s%s\n",
	         program_invocation_short_name, (int)getpid(), told->gen.id, want->way, age,
	         want->why);
	cr_expect_str_eq(told->line, line, "%s", kind_of[kind]);
}

/* Of the generators of a name: the events of their ends. */
static void expect_event(const struct leat_counters *c, enum kind kind, enum ending ending)
{
	const struct leat_counters_event *events, *found = NULL;
	size_t count = leat_counters_events(c, &events), ends = 0;
	for (size_t i = 0; i < count; i++)
		if (events[i].kind == LEAT_COUNTERS_GENERATOR &&
		    events[i].type != LEAT_COUNTERS_OPENED && strcmp(events[i].name, "it") == 0) {
			found = &events[i];
			ends++;
		}
	cr_assert_eq(ends, is_told(kind, ending), "%s: %zu events", kind_of[kind], ends);
	if (found == NULL)
		return;
	cr_expect_eq(found->type, wants[ending].event, "%s: %d", kind_of[kind], found->type);
	cr_expect_eq(found->cause, wants[ending].cause);
	cr_expect_eq(found->code, wants[ending].code);
	cr_expect_str_eq(found->text, wants[ending].text);
	const struct leat_counters_record *record =
		counters_find(c, LEAT_COUNTERS_GENERATOR, "it", 0);
	cr_assert_not_null(record);
	cr_expect_eq(record->values[LEAT_COUNTERS_GEN_CAUSE], wants[ending].cause);
	cr_expect_eq(record->values[LEAT_COUNTERS_GEN_ORIGIN], wants[ending].origin);
	cr_expect_str_eq(record->text, wants[ending].text);
}

/* The totals of the file are those of this process: exits. */
static void expect_totals(const char *path, const uint64_t exits[LEAT_CAUSES])
{
	static char text[1 << 18];
	FILE *file = fopen(path, "re");
	char line[128];
	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (enum leat_cause cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++) {
		snprintf(line, sizeof(line),
		         "\nleat_generators_ended_total{cause=\"%s\"} %" PRIu64 "\n",
		         leat_cause_name(cause), exits[cause]);
		cr_expect_not_null(strstr(text, line), "not in the file: %s", line);
	}
	cr_expect_null(strstr(text, WORDS), "words are no labels");
}

/* All that one generator's end is told to. exits: how many ended in this process, by cause. */
static void tell(enum kind kind, enum ending ending, uint64_t exits[LEAT_CAUSES])
{
	struct told told = { .times = 0 }, beside = { .times = 0 };
	char path[64], prometheus[64];
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = HOUR_NS,
		.counters_path = counters_path(path, "file"),
		.prometheus_path = counters_path(prometheus, "prometheus"),
		.ended = hear,
		.ended_arg = &told });
	struct leat_diag *second = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = HOUR_NS, .ended = hear, .ended_arg = &beside });
	struct leat_counters *c = leat_counters_open(path);
	cr_assert(diag != NULL && second != NULL && c != NULL);
	run_it(kind, ending);
	exits[wants[ending].cause]++;
	exits[LEAT_FAILED] += ending == ELSEWHERE;
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(leat_diag_stop(second), 0);
	cr_expect_eq(leat_counters_read(c), 0);
	expect_told(&told, kind, ending);
	expect_told(&beside, kind, ending);
	expect_event(c, kind, ending);
	expect_totals(prometheus, exits);
	for (enum leat_cause cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++)
		cr_expect_eq(leat_counters_info(c)->exits[cause], exits[cause]);
	leat_counters_close(c);
}

static void tell_of_each_kind(enum ending ending)
{
	uint64_t exits[LEAT_CAUSES] = { 0 };
	clock_start();
	for (enum kind kind = FUNCTION; kind < KINDS; kind++)
		if (can_end_so(kind, ending))
			tell(kind, ending, exits);
	counters_clean_up();
}

Test(diag_causes, generators_that_complete)
{
	tell_of_each_kind(COMPLETES);
}

Test(diag_causes, generators_whose_receivers_leave)
{
	tell_of_each_kind(LEFT);
}

Test(diag_causes, generators_that_are_cancelled)
{
	tell_of_each_kind(CANCELED);
}

Test(diag_causes, generators_of_a_child_scope_that_are_cancelled_from_above)
{
	tell_of_each_kind(ABOVE);
}

Test(diag_causes, generators_whose_deadline_passes)
{
	tell_of_each_kind(PASSED);
}

Test(diag_causes, generators_that_fail)
{
	tell_of_each_kind(FAILS);
}

Test(diag_causes, generators_that_another_one_s_failure_ends_have_not_failed_themselves)
{
	tell_of_each_kind(ELSEWHERE);
}

Test(diag_causes, generators_that_are_stopped)
{
	tell_of_each_kind(STOPPED);
}

/* A stage in a scope of its own, whose input fails: the failure is the input's. */
static void fail_the_input_of(bool on_pool, bool is_sink)
{
	struct told told = { .times = 0 };
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = HOUR_NS, .ended = hear, .ended_arg = &told });
	struct leat_scope *scopes[] = { leat_scope_open(NULL, NULL), leat_scope_open(NULL, NULL) };
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct leat_gen_opts opts = { .chan.name = "it", .pool = on_pool ? pool : NULL };
	struct leat_rx *from, *rx = NULL;
	cr_assert_eq(leat_gen(scopes[0], fail_at_once, NULL, sizeof(uint64_t),
	                      &(struct leat_gen_opts){ .chan.name = "other" }, &from),
	             0);
	if (is_sink)
		cr_assert_eq(
			leat_gen_sink(scopes[1], from, (struct leat_sink){ .put = put }, &opts), 0);
	else
		cr_assert_eq(leat_gen_seq(scopes[1], leat_seq_from_rx(from), &opts, &rx), 0);
	cr_expect_eq(leat_scope_join(scopes[1]), -EINVAL);
	leat_rx_close(rx);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(leat_scope_close(scopes[i]), -EINVAL);
	cr_expect_eq(leat_pool_close(pool), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(told.all, 2);
	cr_expect_eq(told.other_at, 1);
	cr_expect_eq(told.times, 1);
	cr_expect_eq(told.gen.cause, LEAT_FAILED);
	cr_expect_eq(told.gen.code, -EINVAL);
	cr_expect_str_eq(told.gen.text, WORDS);
	cr_expect_not(told.gen.origin);
}

Test(diag_causes, stages_whose_input_has_failed_have_not_failed_themselves)
{
	for (int i = 0; i < 4; i++)
		fail_the_input_of(i & 1, i & 2);
}

/* While it runs: by snapshots, and not by the last one. */
struct crowd {
	uint32_t ends;
	uint64_t exits[LEAT_CAUSES];
};

static void count_end(const struct leat_gen_stat *gen, void *arg)
{
	struct crowd *crowd = arg;
	crowd->exits[gen->cause]++;
	leat_add_acqrel(&crowd->ends, 1u);
}

static int end_by_number(struct leat_tx *out, void *arg)
{
	(void)out;
	return (uintptr_t)arg % 2 == 0 ? 0 : -EIO;
}

Test(diag_causes, ends_are_told_while_the_program_runs)
{
	enum { CROWD = 40 };
	struct crowd crowds[2] = { { .ends = 0 } };
	struct leat_diag *diags[2];
	for (int d = 0; d < 2; d++) {
		diags[d] = leat_diag_start(&(struct leat_diag_opts){
			.interval_ns = MS, .ended = count_end, .ended_arg = &crowds[d] });
		cr_assert_not_null(diags[d]);
	}
	for (uintptr_t i = 0; i < CROWD; i++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		cr_assert_eq(leat_gen(scope, end_by_number, (void *)i, 0, NULL, NULL), 0);
		leat_scope_close(scope);
	}
	for (int d = 0; d < 2; d++)
		cr_expect(await_word(&crowds[d].ends, CROWD), "told %u", crowds[d].ends);
	for (int d = 0; d < 2; d++) {
		cr_expect_eq(leat_diag_stop(diags[d]), 0);
		cr_expect_eq(crowds[d].ends, CROWD, "%u: each once", crowds[d].ends);
		cr_expect_eq(crowds[d].exits[LEAT_COMPLETED], CROWD / 2);
		cr_expect_eq(crowds[d].exits[LEAT_FAILED], CROWD / 2);
	}
}

struct stopper {
	struct leat_diag *diag;
	int answer;
};

static void stop_the_diag(const struct leat_gen_stat *gen, void *arg)
{
	struct stopper *stopper = arg;
	(void)gen;
	stopper->answer = leat_diag_stop(stopper->diag);
}

Test(diag_causes, stop_from_inside_is_a_deadlock)
{
	struct stopper stopper = { .answer = 0 };
	stopper.diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = HOUR_NS, .ended = stop_the_diag, .ended_arg = &stopper });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	cr_assert_eq(leat_gen(scope, end_by_number, NULL, 0, NULL, NULL), 0);
	leat_scope_close(scope);
	cr_expect_eq(leat_diag_stop(stopper.diag), 0);
	cr_expect_eq(stopper.answer, -EDEADLK);
}

/* Lines */

/* What leat_diag_print_end() writes to stderr, write by write: a packet of the pipe for each. */
static size_t print_to_stderr(const struct leat_gen_stat *gen, char *text, size_t size)
{
	int ends[2], before = dup(STDERR_FILENO);
	cr_assert_eq(pipe2(ends, O_DIRECT | O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	leat_diag_print_end(gen, NULL);
	dup2(before, STDERR_FILENO);
	ssize_t len = read(ends[0], text, size - 1), more = read(ends[0], text, 1);
	close(before);
	close(ends[0]);
	close(ends[1]);
	cr_expect_lt(more, 0, "it was one write");
	cr_assert_geq(len, 0);
	text[len] = '\0';
	return (size_t)len;
}

static void expect_line(const struct leat_gen_stat *gen, const char *end)
{
	char text[2048], whole[2048];
	snprintf(whole, sizeof(whole), "leat: %s[%d]: generator %s\n",
	         program_invocation_short_name, (int)getpid(), end);
	print_to_stderr(gen, text, sizeof(text));
	cr_expect_str_eq(text, whole);
}

Test(diag_causes, a_line_is_one_write_and_says_how_long_it_was)
{
	static const struct {
		int64_t ns;
		const char *age;
	} ages[] = { { 0, "0 ms" },
		     { 999999999, "999 ms" },
		     { 1000 * MS, "1.0 s" },
		     { 59999 * MS, "59.9 s" },
		     { 61000 * MS, "1m01s" },
		     { 3599 * 1000 * MS, "59m59s" },
		     { HOUR_NS + 60000 * MS, "1h01m" },
		     { 49 * HOUR_NS, "2d01h" } };
	struct leat_gen_stat gen = { .id = 7, .cause = LEAT_STOPPED, .began_ns = 5 };
	for (size_t i = 0; i < COUNT(ages); i++) {
		char end[64];
		gen.ended_ns = gen.began_ns + ages[i].ns;
		snprintf(end, sizeof(end), "(id 7) was stopped after %s", ages[i].age);
		expect_line(&gen, end);
	}
	gen.ended_ns = 4; /* no figure of a clock that went back */
	expect_line(&gen, "(id 7) was stopped");
}

Test(diag_causes, a_line_shows_nothing_that_a_terminal_obeys)
{
	struct leat_gen_stat gen = { .id = 7,
		                     .cause = LEAT_FAILED,
		                     .origin = true,
		                     .code = -4095,
		                     .name = "\033[31mred\302\233\377 \303\251",
		                     .text = "two\nlines\ttab\177" };
	expect_line(&gen, "\"?[31mred?? \303\251\" (id 7) failed: two?lines?tab? (-4095)");
	memset(gen.name, 'n', LEAT_NAME_MAX);
	memset(gen.text, '\n', LEAT_TEXT_MAX);
	gen.code = INT_MIN;
	char text[2048];
	size_t len = print_to_stderr(&gen, text, sizeof(text));
	cr_expect_str_eq(text + len - strlen("?? (-2147483648)\n"), "?? (-2147483648)\n");
	gen = (struct leat_gen_stat){ .id = 1, .cause = (enum leat_cause)77 };
	expect_line(&gen, "(id 1) ended, of no known cause");
}

/* A full device, or a closed descriptor, changes neither errno nor the program. */
Test(diag_causes, a_line_that_cannot_be_written_is_left_out)
{
	struct leat_gen_stat gen = { .id = 7, .cause = LEAT_COMPLETED };
	FILE *full = fopen("/dev/full", "we");
	cr_assert_not_null(full);
	errno = EDOM;
	leat_diag_print_end(&gen, full);
	cr_expect_eq(errno, EDOM);
	fclose(full);
}

/* The thread that writes the lines takes no signal. */
Test(diag_causes, a_reader_of_the_lines_that_has_left_ends_nothing)
{
	int ends[2], before = dup(STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	dup2(ends[1], STDERR_FILENO);
	struct leat_diag *diag =
		leat_diag_start(&(struct leat_diag_opts){ .ended = leat_diag_print_end });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc = leat_gen(scope, end_by_number, NULL, 0, NULL, NULL);
	leat_scope_close(scope);
	int stopped = leat_diag_stop(diag);
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[1]);
	cr_expect_eq(rc, 0);
	cr_expect_eq(stopped, 0);
}
