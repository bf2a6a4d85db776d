/*
 * What a cancel of a scope does to its compact generators: it marks each block as cancelled, and
 * wakes its receiver and its job. A cancel that follows a failure spares the block of the generator
 * that failed. The canceller holds the tree's lock throughout.
 *
 * And what a stop does: it marks each block, and wakes the jobs of those that are sources.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/gen/compact_block.h"
#include "runtime/registry/rcu.h"

/*
 * Receivers that wait and jobs that sleep: collected while the gen_set's lock is held, woken when
 * it is released, as a wake-up may make a system call.
 */
struct cancel_batch {
	const void *spared;
	struct compact *receivers[LEAT_ARENA_AT_ONCE];
	struct woken {
		struct leat_job *job;
		bool timed;
	} jobs[LEAT_ARENA_AT_ONCE];
	unsigned receivers_count, jobs_count;
};

/* Has the job run, once the batch is woken. Caller holds the gen_set's lock. */
static void add_job(struct cancel_batch *batch, struct compact *c)
{
	bool timed;

	if (!leat_job_wake_begin(&c->job, false, &timed))
		return;
	batch->jobs[batch->jobs_count].job = &c->job;
	batch->jobs[batch->jobs_count++].timed = timed;
}

/*
 * Cancels one block. It is passed over if it is spared, or cancelled already; and if its receiver
 * is closed, or has returned 0 at the end of the stream, which it must go on to return. Caller
 * holds the tree's lock and the gen_set's.
 */
static void cancel_block(void *block, void *arg)
{
	struct cancel_batch *batch = arg;
	struct compact *c = block;
	uint32_t ctl = leat_load_rlx(ctl_of(c)); /* rlx: the swap decides */

	if (c == batch->spared)
		return;
	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_RX_GONE))
			return;
		/* K1: pairs with take_items(), read_refusal() */
	} while (!leat_cas_acqrel(ctl_of(c), &ctl, ctl | LEAT_CTL_CANCELED));
	if (fence_and_find_waiter(c) && leat_compact_notify_begin(c))
		batch->receivers[batch->receivers_count++] = c;
	if (!(ctl & LEAT_CTL_TX_GONE))
		add_job(batch, c);
}

/* The same for a stop. */
static void stop_block(void *block, void *arg)
{
	struct compact *c = block;

	if (leat_ctl_set_stop_bit(ctl_of(c), LEAT_CTL_SCOPE_STOPS) &&
	    !(leat_load_rlx(ctl_of(c)) & LEAT_CTL_TX_GONE)) /* rlx: as in cancel_block() */
		add_job(arg, c);
}

/* Caller holds the tree's lock, and not the gen_set's. */
static void wake_batch(void *arg)
{
	struct cancel_batch *batch = arg;

	while (batch->receivers_count > 0)
		leat_compact_notify_finish(batch->receivers[--batch->receivers_count]);
	if (batch->jobs_count == 0)
		return;
	leat_rcu_read_lock(); /* once all are in queues they may end, and the pool be closed */
	while (batch->jobs_count > 0) {
		const struct woken *woken = &batch->jobs[--batch->jobs_count];

		leat_job_wake_finish(woken->job, woken->timed);
	}
	leat_rcu_read_unlock();
}

void leat_compact_stop(struct leat_scope_hook *hook)
{
	struct leat_gen_set *gen_set = leat_container_of(hook, struct leat_gen_set, hook);
	struct leat_arena *arena = leat_container_of(gen_set, struct leat_arena, gen_set);
	struct cancel_batch batch = { .spared = NULL };

	leat_spin_lock(&gen_set->lock);
	gen_set->stopping = true;
	leat_spin_unlock(&gen_set->lock);
	leat_arena_for_each(arena, stop_block, wake_batch, &batch);
}

/* What leat_compact_untold() looks for, and where it puts the name. */
struct search {
	char *name;
	bool found;
};

static void check_untold(void *block, void *arg)
{
	struct search *search = arg;
	struct compact *c = block;
	const struct cold *cold = cold_of(c);
	uint32_t told = LEAT_CTL_TX_GONE | LEAT_CTL_HAS_SOURCE | LEAT_CTL_FED;

	/* rlx: as in leat_chan_untold() */
	if (search->found || leat_load_rlx(ctl_of(c)) & told)
		return;
	search->found = true;
	leat_name_copy(search->name,
	               cold != NULL && cold->name[0] != '\0' ? cold->name : "(no name)");
}

static void do_nothing(void *arg)
{
	(void)arg;
}

enum leat_untold leat_compact_untold(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1])
{
	struct leat_gen_set *gen_set = leat_container_of(hook, struct leat_gen_set, hook);
	struct leat_arena *arena = leat_container_of(gen_set, struct leat_arena, gen_set);
	struct search search = { .name = name };

	leat_arena_for_each(arena, check_untold, do_nothing, &search);
	return search.found ? LEAT_UNTOLD_LIKELY : LEAT_UNTOLD_NO; /* each is a seq */
}

void leat_compact_cancel(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_gen_set *gen_set = leat_container_of(hook, struct leat_gen_set, hook);
	struct leat_arena *arena = leat_container_of(gen_set, struct leat_arena, gen_set);
	struct cancel_batch batch = { .spared = spared };

	leat_spin_lock(&gen_set->lock);
	gen_set->canceled = true; /* none begins after this */
	leat_spin_unlock(&gen_set->lock);
	leat_arena_for_each(arena, cancel_block, wake_batch, &batch);
}
