/*
 * tests/unit/why.c: verdicts on figures that the test makes up: which stage is named, for what,
 * since when, how surely, and what one more thread would bring. tests/why has flows that run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"
#include "counters.h"

#include <leat/leat.h>

TestSuite(why, .timeout = 600);

enum { GENS = 8, CHANS = 8, PARTS = 10 };
#define SECOND INT64_C(1000000000)
#define PART (SECOND / 2)
#define BEGAN (100 * SECOND)

/* A process that the test makes up. Shares of each part of the window go into its figures. */
struct world {
	struct leat_snapshot snapshot;
	struct leat_gen_stat gens[GENS];
	struct leat_chan_stat chans[CHANS];
	struct leat_pool_stat pools[1];
	struct leat_subscriber_stat subs[1];
	struct leat_why *why;
	struct leat_verdict verdict;
};

static void world_open(struct world *w, uint32_t cores)
{
	*w = (struct world){ .why = leat_why_open() };
	cr_assert_not_null(w->why);
	w->snapshot = (struct leat_snapshot){ .time_ns = BEGAN,
		                              .generators = w->gens,
		                              .channels = w->chans,
		                              .pools = w->pools,
		                              .subscribers = w->subs,
		                              .cores = cores };
}

static void world_close(struct world *w)
{
	leat_why_close(w->why);
}

/* A generator that receives from one channel and sends into another; 0: from or into none. */
static struct leat_gen_stat *add_gen(struct world *w, const char *name, uint64_t from, uint64_t to)
{
	struct leat_gen_stat *gen = &w->gens[w->snapshot.generators_count++];

	*gen = (struct leat_gen_stat){ .id = 100 + w->snapshot.generators_count,
		                       .chan_id = to,
		                       .began_ns = BEGAN };
	gen->receives[0] = from;
	strcpy(gen->name, name);
	return gen;
}

static struct leat_chan_stat *add_chan(struct world *w, uint64_t id, const char *name)
{
	struct leat_chan_stat *chan = &w->chans[w->snapshot.channels_count++];

	*chan = (struct leat_chan_stat){ .id = id, .senders = 1, .receivers = 1, .capacity = 16 };
	strcpy(chan->name, name);
	return chan;
}

/* "first" sends into channel 1, "second" from that into channel 2, "third" receives. */
static void add_row(struct world *w)
{
	add_chan(w, 1, "one");
	add_chan(w, 2, "two");
	add_gen(w, "first", 0, 1);
	add_gen(w, "second", 1, 2);
	add_gen(w, "third", 2, 0);
}

/* In the next part it is busy, starved and blocked for these shares; and paced for the rest. */
static void spend(struct leat_gen_stat *gen, double busy, double starved, double blocked)
{
	gen->busy_ns += (uint64_t)(busy * PART);
	gen->starved_ns += (uint64_t)(starved * PART);
	gen->blocked_ns += (uint64_t)(blocked * PART);
	gen->paced_ns += (uint64_t)((1 - busy - starved - blocked) * PART);
}

static void add_reading(struct world *w)
{
	cr_assert_eq(leat_why_add(w->why, &w->snapshot), 0);
	w->snapshot.time_ns += PART;
}

struct share {
	double busy, starved, blocked, cpu, runq;
};

/* Ten parts, in each of which the generators, in their order, do the same. */
static void run_alike(struct world *w, const struct share *shares)
{
	for (int i = 0; i < PARTS; i++) {
		add_reading(w);
		for (size_t g = 0; g < w->snapshot.generators_count; g++) {
			struct leat_gen_stat *gen = &w->gens[g];

			spend(gen, shares[g].busy, shares[g].starved, shares[g].blocked);
			gen->cpu_ns += (uint64_t)(shares[g].cpu * PART);
			gen->runq_ns += (uint64_t)(shares[g].runq * PART);
		}
	}
	add_reading(w);
}

#define RUN_ALIKE(w, ...) run_alike(w, (const struct share[]){ __VA_ARGS__ })

static void expect_limit(struct world *w, enum leat_limit limit, const char *stage)
{
	cr_assert_eq(leat_why_verdict(w->why, &w->verdict), 0);
	cr_expect_eq(w->verdict.limit, limit, "%s: %s", leat_limit_name(w->verdict.limit),
	             w->verdict.text);
	cr_expect_str_eq(w->verdict.stage, stage, "%s", w->verdict.text);
	cr_expect_eq(leat_limit_is_named(w->verdict.limit), limit >= LEAT_LIMIT_CPU);
}

#define EXPECT_WORDS(where, words) \
	cr_expect_not_null(strstr((where), (words)), "\"%s\" is not in \"%s\"", (words), (where))

/* The second of three is busy, the first is blocked, the third is starved. */
static void second_is_busy(struct world *w, double cpu, double runq)
{
	RUN_ALIKE(w, { .busy = 0.05, .blocked = 0.95 },
	          { .busy = 0.98, .starved = 0.01, .blocked = 0.01, .cpu = cpu, .runq = runq },
	          { .busy = 0.1, .starved = 0.9 });
}

Test(why, a_stage_that_computes)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	second_is_busy(&w, 0.97, 0.01);
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	EXPECT_WORDS(w.verdict.text, "\"second\" limits the flow: it computes for 97 %");
	EXPECT_WORDS(w.verdict.evidence, "\"second\" is busy for 98 %, on a processor 97 %");
	EXPECT_WORDS(w.verdict.evidence, "what sends to it is blocked for 95 %");
	EXPECT_WORDS(w.verdict.evidence, "what it sends to is starved for 90 %");
	cr_expect_eq(w.verdict.confidence, 1);
	cr_expect_eq(w.verdict.from_ns, BEGAN);
	cr_expect_eq(w.verdict.to_ns, BEGAN + PARTS * PART);
	cr_expect_eq(w.verdict.threads, 1);
	cr_expect_float_eq(w.verdict.before_blocked, 0.95, 0.001);
	cr_expect_float_eq(w.verdict.behind_starved, 0.9, 0.001);
	/* a second thread doubles it: no other stage and no lack of processors is in the way */
	cr_expect_float_eq(w.verdict.one_more, 2, 0.001);
	world_close(&w);
}

Test(why, a_stage_in_calls_of_the_kernel)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	second_is_busy(&w, 0.02, 0.01);
	expect_limit(&w, LEAT_LIMIT_CALL, "second");
	EXPECT_WORDS(w.verdict.text, "for 95 % of the time it is in calls that block");
	world_close(&w);
}

Test(why, a_stage_without_a_processor)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	second_is_busy(&w, 0.6, 0.38);
	expect_limit(&w, LEAT_LIMIT_CORES, "second");
	EXPECT_WORDS(w.verdict.text, "waits for one for 38 %");
	cr_expect_eq(w.verdict.one_more, 0);
	world_close(&w);
}

/* 98 % of one thread; the next stage has 60 %, so 1 / 0.6 is all that there is to be had. */
Test(why, one_more_thread_brings_no_more_than_the_next_stage_allows)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	RUN_ALIKE(&w, { .blocked = 1 }, { .busy = 0.98, .blocked = 0.02, .cpu = 0.98 },
	          { .busy = 0.6, .starved = 0.4, .cpu = 0.6 });
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	cr_expect_str_eq(w.verdict.second, "third");
	cr_expect_float_eq(w.verdict.one_more, 1 / 0.6, 0.001);
	EXPECT_WORDS(w.verdict.advice, "1.7 times as much at the most");
	world_close(&w);
}

/* Of two processors 1.78 are used. */
Test(why, one_more_thread_brings_no_more_than_idle_processors)
{
	struct world w;

	world_open(&w, 2);
	add_row(&w);
	RUN_ALIKE(&w, { .busy = 0.8, .blocked = 0.2, .cpu = 0.8 },
	          { .busy = 0.98, .blocked = 0.02, .cpu = 0.98 }, { .starved = 1 });
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	cr_expect_float_eq(w.verdict.one_more, 1 + 0.22 / 0.98, 0.001);
	world_close(&w);
}

Test(why, a_source_gets_no_more_threads)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	RUN_ALIKE(&w, { .busy = 1, .cpu = 1 }, { .busy = 0.1, .starved = 0.9 }, { .starved = 1 });
	expect_limit(&w, LEAT_LIMIT_CPU, "first");
	cr_expect_eq(w.verdict.one_more, 0);
	world_close(&w);
}

/* Nor does a thread that has to do with no channel: what it works on comes from nowhere else. */
Test(why, a_thread_without_a_channel_gets_no_more_threads)
{
	struct world w;

	world_open(&w, 4);
	add_gen(&w, "alone", 0, 0);
	RUN_ALIKE(&w, { .busy = 1, .cpu = 0.9 });
	expect_limit(&w, LEAT_LIMIT_CPU, "alone");
	cr_expect_eq(w.verdict.one_more, 0);
	cr_expect_str_eq(w.verdict.advice, "");
	world_close(&w);
}

/* The mean of the workers is 40 %: it would hide the one that does it all. */
Test(why, one_worker_of_a_stage)
{
	struct world w;

	world_open(&w, 4);
	add_chan(&w, 1, "one");
	add_gen(&w, "split", 0, 1);
	add_gen(&w, "count/1", 1, 0);
	add_gen(&w, "count/2", 1, 0);
	add_gen(&w, "count/3", 1, 0);
	RUN_ALIKE(&w, { .busy = 0.1, .blocked = 0.9 }, { .busy = 0.1, .starved = 0.9 },
	          { .busy = 1 }, { .busy = 0.1, .starved = 0.9 });
	expect_limit(&w, LEAT_LIMIT_SKEW, "count");
	cr_expect_str_eq(w.verdict.thread, "count/2");
	cr_expect_eq(w.verdict.threads, 3);
	world_close(&w);
}

Test(why, what_paces_a_stage)
{
	static const enum leat_pace paces[] = { LEAT_PACED_RATE, LEAT_PACED_SEMAPHORE,
		                                LEAT_PACED_TIME };
	static const char *const words[] = { "waits for a rate", "waits for a semaphore",
		                             "waits for a time" };

	for (size_t k = 0; k < 3; k++) {
		struct world w;

		world_open(&w, 4);
		add_row(&w);
		w.gens[1].paced_by = paces[k];
		RUN_ALIKE(&w, { .blocked = 1 }, { .busy = 0.1 }, { .starved = 1 });
		expect_limit(&w, LEAT_LIMIT_PACED, "second");
		cr_expect_eq(w.verdict.paced_by, paces[k]);
		EXPECT_WORDS(w.verdict.text, words[k]);
		world_close(&w);
	}
}

/* Workers in order: each waits for its turn, what feeds them is blocked, what they feed is not. */
static void workers_in_order(struct world *w, double blocked)
{
	add_chan(w, 1, "one");
	add_chan(w, 2, "two");
	add_gen(w, "first", 0, 1);
	add_gen(w, "work/1", 1, 2);
	add_gen(w, "work/2", 1, 2);
	add_gen(w, "third", 2, 0);
	for (int i = 0; i < PARTS; i++) {
		add_reading(w);
		spend(&w->gens[0], 0.02, 0, 0.98);
		for (int k = 1; k < 3; k++) {
			spend(&w->gens[k], 0.3, 0, blocked);
			w->gens[k].paced_ns = 0;
			w->gens[k].order_ns += (uint64_t)((0.7 - blocked) * PART);
		}
		spend(&w->gens[3], blocked > 0.3 ? 0.7 : 0.1, blocked > 0.3 ? 0.3 : 0.9, 0);
	}
	add_reading(w);
}

Test(why, workers_in_order_behind_a_long_item)
{
	struct world w;

	world_open(&w, 4);
	workers_in_order(&w, 0);
	expect_limit(&w, LEAT_LIMIT_ORDER, "work");
	world_close(&w);
}

/* They wait for a turn whose holder is blocked: what is behind them limits the flow. */
Test(why, workers_in_order_before_a_slow_stage_are_not_blamed)
{
	struct world w;

	world_open(&w, 4);
	workers_in_order(&w, 0.35);
	expect_limit(&w, LEAT_LIMIT_CALL, "third");
	world_close(&w);
}

static void open_cycle(struct world *w)
{
	add_chan(w, 1, "there");
	add_chan(w, 2, "back");
	add_gen(w, "ping", 2, 1);
	add_gen(w, "pong", 1, 2);
	w->gens[0].waits_on = 1; /* ping waits to send; pong too */
	w->gens[1].waits_on = 2;
	for (int i = 0; i < PARTS; i++) {
		add_reading(w);
		spend(&w->gens[0], 0, 0, 1);
		spend(&w->gens[1], 0, 0, 1);
		w->chans[0].send_blocked_ns += PART;
		w->chans[1].send_blocked_ns += PART;
	}
}

Test(why, threads_that_wait_for_each_other)
{
	struct world w;

	world_open(&w, 4);
	open_cycle(&w);
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_DEADLOCK, "ping");
	EXPECT_WORDS(w.verdict.evidence, "\"ping\" waits to send into \"there\"");
	EXPECT_WORDS(w.verdict.evidence, "\"pong\" waits to send into \"back\"");
	cr_expect_eq(w.verdict.threads, 2);
	world_close(&w);
}

/* One that moves an item, or another receiver that no generator is, may free them. */
Test(why, no_deadlock_while_something_may_free_a_thread)
{
	for (int how = 0; how < 2; how++) {
		struct world w;

		world_open(&w, 4);
		open_cycle(&w);
		if (how == 0)
			w.chans[0].delivered++;
		else
			w.chans[0].receivers = w.chans[1].receivers = 2;
		add_reading(&w);
		cr_assert_eq(leat_why_verdict(w.why, &w.verdict), 0);
		cr_expect_neq(w.verdict.limit, LEAT_LIMIT_DEADLOCK, "%d: %s", how, w.verdict.text);
		world_close(&w);
	}
}

Test(why, a_receiver_that_is_no_generator)
{
	struct world w;

	world_open(&w, 4);
	add_chan(&w, 1, "one");
	add_gen(&w, "first", 0, 1);
	strcpy(w.subs[0].name, "book");
	w.subs[0].chan_id = 1;
	w.subs[0].holds_senders = true;
	w.snapshot.subscribers_count = 1;
	for (int i = 0; i < PARTS; i++) {
		add_reading(&w);
		spend(&w.gens[0], 0, 0, 1);
		w.chans[0].send_blocked_ns += PART;
		w.chans[0].delivered += 10;
	}
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_PROGRAM, "one");
	EXPECT_WORDS(w.verdict.text, "as subscriber book");
	world_close(&w);
}

/* All wait, for nothing in turn; then the source waits and something comes now and then. */
Test(why, idle_and_waiting_for_input)
{
	for (int comes = 0; comes < 2; comes++) {
		struct world w;

		world_open(&w, 4);
		add_row(&w);
		for (int i = 0; i < PARTS; i++) {
			add_reading(&w);
			for (int k = 0; k < 3; k++)
				spend(&w.gens[k], 0, 1, 0);
			w.chans[0].delivered += comes;
		}
		add_reading(&w);
		expect_limit(&w, comes ? LEAT_LIMIT_INPUT : LEAT_LIMIT_IDLE, comes ? "first" : "");
		world_close(&w);
	}
}

Test(why, wake_ups_take_the_time)
{
	struct world w;

	world_open(&w, 4);
	add_chan(&w, 1, "there");
	add_chan(&w, 2, "back");
	add_gen(&w, "ping", 2, 1);
	add_gen(&w, "pong", 1, 2);
	for (int i = 0; i < PARTS; i++) {
		add_reading(&w);
		for (int k = 0; k < 2; k++) {
			spend(&w.gens[k], 0.2, 0.8, 0);
			w.chans[k].recv_parks += 8000;
			w.chans[k].delivered += 8000;
		}
	}
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_WAKEUPS, "there");
	world_close(&w);
}

Test(why, two_stages_that_work_as_much)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	RUN_ALIKE(&w, { .busy = 0.05, .blocked = 0.95 }, { .busy = 0.97, .blocked = 0.03 },
	          { .busy = 0.95, .starved = 0.05 });
	expect_limit(&w, LEAT_LIMIT_BALANCED, "second");
	EXPECT_WORDS(w.verdict.text, "\"second\" and \"third\" work as much");
	world_close(&w);
}

/* What sends into a channel that drops is never held up: the receiver is the limit. */
Test(why, the_receiver_of_a_channel_that_drops)
{
	struct world w;

	world_open(&w, 4);
	add_chan(&w, 1, "one");
	add_gen(&w, "first", 0, 1);
	add_gen(&w, "second", 1, 0);
	for (int i = 0; i < PARTS; i++) {
		add_reading(&w);
		spend(&w.gens[0], 1, 0, 0);
		spend(&w.gens[1], 0.99, 0.01, 0);
		w.chans[0].dropped[LEAT_DROPPED_OLDEST] += 100;
	}
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_CALL, "second");
	world_close(&w);
}

/* The stage that limits is another in each part: none is named, and the parts are told. */
Test(why, a_limit_that_changes_is_doubted)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	for (int i = 0; i < PARTS; i++) {
		add_reading(&w);
		for (int k = 0; k < 3; k++)
			spend(&w.gens[k], i % 3 == k ? 1 : 0.5, 0, i % 3 == k ? 0 : 0.5);
	}
	add_reading(&w);
	cr_assert_eq(leat_why_verdict(w.why, &w.verdict), 0);
	cr_expect_eq(w.verdict.limit, LEAT_LIMIT_BALANCED, "%s", w.verdict.text);
	EXPECT_WORDS(w.verdict.text, "for half of the time");
	EXPECT_WORDS(w.verdict.evidence, "for 40 % of the time call (\"first\")");
	world_close(&w);
}

/* --- since when --- */

Test(why, since_the_last_change_or_since_the_thread_began)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	w.gens[1].began_ns = BEGAN - 60 * SECOND;
	w.gens[1].busy_ns = 59 * SECOND;
	w.gens[1].starved_ns = SECOND;
	second_is_busy(&w, 0.97, 0);
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	cr_expect_eq(w.verdict.since_ns, BEGAN - 60 * SECOND);
	/* for two parts the third is the slow one, which is not enough to name it */
	for (int i = 0; i < 2; i++) {
		spend(&w.gens[1], 0.1, 0, 0.9);
		spend(&w.gens[2], 1, 0, 0);
		add_reading(&w);
	}
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	cr_expect_eq(w.verdict.since_ns, w.verdict.to_ns, "it is not so any more");
	cr_expect_float_eq(w.verdict.confidence, 10.0 / 12, 0.001);
	/* the next window has nothing of that */
	leat_why_restart(w.why);
	for (int i = 0; i < 2; i++) {
		spend(&w.gens[1], 0.1, 0, 0.9);
		spend(&w.gens[2], 1, 0, 0);
		add_reading(&w);
	}
	expect_limit(&w, LEAT_LIMIT_CALL, "third");
	cr_expect_eq(w.verdict.since_ns, w.verdict.from_ns);
	world_close(&w);
}

/* --- too little --- */

Test(why, one_reading_tells_nothing)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	w.gens[1].busy_ns = SECOND;
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_UNKNOWN, "");
	EXPECT_WORDS(w.verdict.text, "there is only one reading");
	/* an older reading, and one of the same time, add nothing */
	w.snapshot.time_ns = BEGAN;
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_UNKNOWN, "");
	world_close(&w);
}

Test(why, one_reading_is_enough_from_the_start)
{
	struct world w;

	world_open(&w, 4);
	add_row(&w);
	leat_why_from_start(w.why);
	second_is_busy(&w, 0.97, 0);
	expect_limit(&w, LEAT_LIMIT_CPU, "second");
	world_close(&w);
	world_open(&w, 4);
	add_row(&w);
	leat_why_from_start(w.why);
	for (int i = 0; i < 3; i++)
		spend(&w.gens[i], i == 1 ? 0.9 : 0.1, i == 2 ? 0.9 : 0.1, i == 0 ? 0.8 : 0);
	w.snapshot.time_ns += PART;
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_CALL, "second");
	cr_expect_eq(w.verdict.from_ns, BEGAN);
	world_close(&w);
}

/* Generators that live for a tenth of the window each, one after the other, are a stage together.
 */
Test(why, many_short_lives_are_one_stage)
{
	struct world w;
	struct leat_gen_stat *gen;

	world_open(&w, 4);
	add_chan(&w, 1, "one");
	add_gen(&w, "first", 0, 1);
	gen = add_gen(&w, "job", 1, 0);
	add_reading(&w);
	for (int i = 0; i < PARTS; i++) {
		gen->id = 200 + (uint64_t)i;
		gen->began_ns = w.snapshot.time_ns - PART;
		gen->busy_ns = gen->starved_ns = gen->blocked_ns = gen->paced_ns = 0;
		spend(gen, 1, 0, 0);
		gen->cause = LEAT_COMPLETED;
		spend(&w.gens[0], 0.1, 0, 0.9);
		add_reading(&w);
	}
	expect_limit(&w, LEAT_LIMIT_CALL, "job");
	cr_expect_geq(w.verdict.busy, 0.9);
	world_close(&w);
}

/* Of more names than there may be stages, the last stage has all. */
Test(why, a_thousand_names)
{
	enum { MANY = 1500 };
	struct leat_gen_stat *gens = calloc(MANY, sizeof(*gens));
	struct world w;

	cr_assert_not_null(gens);
	world_open(&w, 4);
	w.snapshot.generators = gens;
	w.snapshot.generators_count = MANY;
	for (size_t i = 0; i < MANY; i++) {
		gens[i] = (struct leat_gen_stat){ .id = i + 1, .began_ns = BEGAN };
		snprintf(gens[i].name, sizeof(gens[i].name), "name %zu", i);
	}
	for (int part = 0; part < PARTS; part++) {
		add_reading(&w);
		for (size_t i = 0; i < MANY; i++)
			spend(&gens[i], i == MANY - 1, i != MANY - 1, 0);
	}
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_SKEW, "(other names)");
	cr_expect_str_eq(w.verdict.thread, "name 1499");
	world_close(&w);
	free(gens);
}

Test(why, pools_are_stages)
{
	struct world w;

	world_open(&w, 4);
	w.snapshot.pools_count = 1;
	w.pools[0] = (struct leat_pool_stat){ .id = 1, .workers = 2, .began_ns = BEGAN };
	strcpy(w.pools[0].name, "jobs");
	for (int i = 0; i < PARTS; i++) {
		add_reading(&w);
		w.pools[0].busy_ns += 19 * PART / 10;
		w.pools[0].idle_ns += PART / 10;
		w.pools[0].busiest_ns += PART;
		w.pools[0].cpu_ns += 18 * PART / 10;
		w.pools[0].turns += 5;
	}
	add_reading(&w);
	expect_limit(&w, LEAT_LIMIT_CPU, "jobs");
	world_close(&w);
}

/* --- the same from a counters file --- */

static int sleeps_for_each(struct leat_tx *out, void *arg)
{
	struct leat_rx *in = arg;
	uint64_t item;
	int rc;

	while ((rc = leat_recv(in, &item)) == 1 &&
	       (rc = leat_scope_sleep(leat_tx_scope(out), leat_now_ns() + MS)) == 0)
		;
	leat_rx_close(in);
	return rc;
}

static int sends_for_ever(struct leat_tx *out, void *arg)
{
	uint64_t item = 0;
	int rc = 0;

	(void)arg;
	while (rc == 0)
		rc = leat_send(out, &item);
	return rc;
}

Test(why, a_process_by_its_counters_file)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan = { .name = "feed", .capacity = 8 } };
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict;
	struct leat_counters *c;
	struct leat_diag *diag;
	struct leat_rx *rx;
	char path[64];

	cr_assert_eq(leat_gen(scope, sends_for_ever, NULL, sizeof(uint64_t), &opts, &rx), 0);
	opts.chan.name = "slow";
	cr_assert_eq(leat_gen(scope, sleeps_for_each, rx, 0, &opts, NULL), 0);
	diag = counters_start(counters_path(path, "why"));
	c = leat_counters_open(path);
	cr_assert_not_null(c);
	do {
		cr_assert(counters_read_later(c));
		cr_assert_eq(leat_why_add_counters(why, c), 0);
		cr_assert_eq(leat_why_verdict(why, &verdict), 0);
	} while (verdict.to_ns - verdict.from_ns < SECOND / 2);
	cr_expect_eq(verdict.limit, LEAT_LIMIT_PACED, "%s", verdict.text);
	cr_expect_str_eq(verdict.stage, "slow");
	cr_expect_geq(verdict.before_blocked, 0.5);
	leat_why_close(why);
	leat_counters_close(c);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

/* --- bad arguments --- */

Test(why, arguments)
{
	struct leat_snapshot snapshot = { .time_ns = 1 };
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict;

	cr_expect_eq(leat_why_add(NULL, &snapshot), -EINVAL);
	cr_expect_eq(leat_why_add(why, NULL), -EINVAL);
	cr_expect_eq(leat_why_add_counters(why, NULL), -EINVAL);
	cr_expect_eq(leat_why_verdict(NULL, &verdict), -EINVAL);
	cr_expect_eq(leat_why_verdict(why, NULL), -EINVAL);
	cr_expect_eq(leat_detail_why_verdict(0, why, &verdict), -ELIBBAD);
	cr_expect_eq((leat_why_verdict)(why, &verdict), 0);
	cr_expect_eq(verdict.limit, LEAT_LIMIT_UNKNOWN);
	leat_why_restart(why);
	leat_why_restart(NULL);
	leat_why_from_start(NULL);
	leat_why_close(why);
	leat_why_close(NULL);
	cr_expect_str_eq(leat_limit_name(LEAT_LIMIT_WAKEUPS), "wake-ups");
	cr_expect_str_eq(leat_limit_name((enum leat_limit)77), "unknown");
	cr_expect_str_eq(leat_pace_name(LEAT_PACED_RATE), "a rate");
	cr_expect_str_eq(leat_pace_name((enum leat_pace)77), "unknown");
}
