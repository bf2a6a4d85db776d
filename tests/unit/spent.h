/*
 * tests/unit/spent.h: what the suites of the times of threads share: what snapshots say of each
 * generator, and whether that holds together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_SPENT_H
#define LEAT_TEST_SPENT_H

#include "census.h"

#include <leat/diag.h>

enum { CLASS_BUSY, CLASS_STARVED, CLASS_BLOCKED, CLASS_ORDER, CLASS_PACED, CLASSES };

static const char *const class_names[] UNUSED = { "busy", "starved", "blocked", "order", "paced" };

struct spent {
	uint64_t ns[CLASSES];
};

static UNUSED struct spent spent_of(const struct leat_gen_stat *gen)
{
	return (struct spent){ { gen->busy_ns, gen->starved_ns, gen->blocked_ns, gen->order_ns,
		                 gen->paced_ns } };
}

static UNUSED uint64_t sum_of(const struct spent *spent)
{
	uint64_t sum = 0;

	for (int i = 0; i < CLASSES; i++)
		sum += spent->ns[i];
	return sum;
}

static UNUSED uint64_t sum_of_stat(const struct leat_gen_stat *gen)
{
	struct spent spent = spent_of(gen);

	return sum_of(&spent);
}

/*
 * What the snapshots of one diagnostics thread said. That thread writes it while the test reads it:
 * both hold the lock.
 */
enum { SEEN_MOST = 1024 };

struct seen {
	pthread_mutex_t lock;
	struct leat_gen_stat gens[SEEN_MOST]; /* each generator as it was last seen */
	bool over[SEEN_MOST];                 /* it was about to end: its figures had stopped */
	size_t count;
	struct leat_pool_stat pool; /* the same of the pool */
	/* figures that fell; sums that are no time between the snapshot's and the present */
	uint32_t falls, misfits;
	uint32_t snapshots;
	struct leat_diag *diag;
};

static UNUSED void see_generator(struct seen *seen, const struct leat_snapshot *snapshot,
                                 const struct leat_gen_stat *gen)
{
	struct spent now = spent_of(gen), before;
	int64_t until_ns = gen->began_ns + (int64_t)sum_of(&now);
	bool on_pool = strstr(gen->name, "pool") != NULL; /* it has no thread, and its sum is 0 */
	size_t at = 0;

	seen->misfits += until_ns > leat_now_ns() || (on_pool && sum_of(&now) > 0);
	while (at < seen->count && seen->gens[at].id != gen->id)
		at++;
	if (at == SEEN_MOST)
		return;
	if (seen->over[at])
		seen->misfits += sum_of(&now) != sum_of_stat(&seen->gens[at]);
	seen->over[at] |= gen->cause == LEAT_RUNNING && !on_pool && until_ns < snapshot->time_ns;
	if (at < seen->count) {
		before = spent_of(&seen->gens[at]);
		for (int i = 0; i < CLASSES; i++)
			seen->falls += now.ns[i] < before.ns[i];
		seen->falls += gen->cpu_ns < seen->gens[at].cpu_ns ||
		               gen->runq_ns < seen->gens[at].runq_ns;
		seen->misfits += gen->began_ns != seen->gens[at].began_ns;
	} else {
		seen->count++;
	}
	seen->gens[at] = *gen;
}

static UNUSED void see_pool(struct seen *seen, const struct leat_snapshot *snapshot,
                            const struct leat_pool_stat *pool)
{
	const struct leat_pool_stat *before = &seen->pool;
	int64_t sum_ns = (int64_t)(pool->busy_ns + pool->idle_ns), now_ns = leat_now_ns();

	seen->misfits += sum_ns < (snapshot->time_ns - pool->began_ns) * (int64_t)pool->workers ||
	                 sum_ns > (now_ns - pool->began_ns) * (int64_t)pool->workers ||
	                 pool->busiest_ns > pool->busy_ns;
	if (before->id == pool->id)
		seen->falls += pool->busy_ns < before->busy_ns || pool->idle_ns < before->idle_ns ||
		               pool->busiest_ns < before->busiest_ns ||
		               pool->cpu_ns < before->cpu_ns || pool->runq_ns < before->runq_ns;
	seen->pool = *pool;
}

static UNUSED void see(const struct leat_snapshot *snapshot, void *arg)
{
	struct seen *seen = arg;

	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < snapshot->generators_count; i++)
		see_generator(seen, snapshot, &snapshot->generators[i]);
	for (size_t i = 0; i < snapshot->pools_count; i++)
		see_pool(seen, snapshot, &snapshot->pools[i]);
	pthread_mutex_unlock(&seen->lock);
	leat_add_acqrel(&seen->snapshots, 1u);
}

static UNUSED struct seen *seen_open(int64_t interval_ns)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	cr_assert_not_null(seen);
	pthread_mutex_init(&seen->lock, NULL);
	seen->diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = interval_ns, .callback = see, .callback_arg = seen });
	cr_assert_not_null(seen->diag);
	return seen;
}

/* Takes the last snapshot. */
static UNUSED void seen_stop(struct seen *seen)
{
	cr_expect_eq(leat_diag_stop(seen->diag), 0);
	cr_expect_eq(seen->falls, 0, "%u figures fell", seen->falls);
	cr_expect_eq(seen->misfits, 0, "%u sums were not the time", seen->misfits);
	seen->diag = NULL;
}

static UNUSED void seen_close(struct seen *seen)
{
	if (seen->diag != NULL)
		seen_stop(seen);
	free(seen);
}

/* The one generator by that name, as it was last seen. */
static UNUSED struct leat_gen_stat last_seen(struct seen *seen, const char *name)
{
	struct leat_gen_stat gen = { .id = 0 };
	size_t found = 0;

	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < seen->count; i++)
		if (strcmp(seen->gens[i].name, name) == 0) {
			gen = seen->gens[i];
			found++;
		}
	pthread_mutex_unlock(&seen->lock);
	cr_assert_eq(found, 1, "%zu are named %s", found, name);
	return gen;
}

/* All of the time that the generator has had is in one class, and is so much. */
static UNUSED void expect_spent(const struct leat_gen_stat *gen, int class, int64_t ns)
{
	struct spent spent = spent_of(gen);

	for (int i = 0; i < CLASSES; i++)
		cr_expect_eq(spent.ns[i], i == class ? (uint64_t)ns : 0, "%s: %llu ns %s",
		             gen->name, (unsigned long long)spent.ns[i], class_names[i]);
}

#endif
