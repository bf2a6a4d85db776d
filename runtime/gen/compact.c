/*
 * Compact generators: the life of a block, from its start to the side that frees it (compact.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/gen/compact_block.h"
#include "runtime/registry/rcu.h"

struct cold *leat_compact_ensure_cold(struct compact *c)
{
	struct cold *cold = cold_of(c), *found = NULL;

	if (cold != NULL)
		return cold;
	cold = leat_os_alloc(sizeof(*cold), 0);
	if (cold == NULL)
		return NULL;
	cold->waits.wake_fd = -1;
	/* X1: contents before the pointer; pairs with cold_of() */
	if (leat_cas_acqrel(&c->cold, &found, cold))
		return cold;
	leat_os_free(cold);
	return found;
}

/* --- the end of a block --- */

static void discard_item(struct compact *c)
{
	const struct cold *cold = cold_of(c);
	void *item = slot_at(c, c->take_at);

	if (cold != NULL && cold->discard != NULL)
		cold->discard(item, cold->discard_arg);
}

void leat_compact_drain(struct compact *c, uint32_t ctl)
{
	enum leat_drop reason =
		ctl & LEAT_CTL_CANCELED ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;

	/* A1: pairs with R1 in make_items(); rlx: only this side writes it */
	while (leat_load_acq(&c->tail) != leat_load_rlx(&c->head)) {
		discard_item(c);
		c->take_at = slot_after(c, c->take_at, 1);
		/* rlx: a number; R2 publishes it, so no snapshot takes a drop for a delivery */
		leat_add_rlx(&c->arena->dropped[reason], 1);
		/* R2: pairs with A2 in count_room(); rlx: only this side writes it */
		leat_store_rel(&c->head, leat_load_rlx(&c->head) + 1);
	}
}

/*
 * Gives the block back to its slab. Caller holds the gen_set's lock and is alone with the block.
 * Returns a slab for leat_slab_free(), which the caller calls when it has released the lock.
 */
static struct leat_slab *free_block(struct compact *c)
{
	struct leat_arena *arena = c->arena;

	arena->accepted += leat_load_rlx(&c->tail); /* rlx: alone with it */
	arena->received += leat_load_rlx(&c->head); /* rlx: the same */
	/*
	 * rlx: B1: a snapshot that has added up arena->accepted with this block's items took the
	 * lock after this, so it reads 0 here and does not count them twice
	 */
	leat_store_rlx(&c->id, 0);
	if (arena->unstarted == c)
		arena->unstarted = NULL;
	return leat_arena_free(arena, c->slab, c);
}

static void free_cold(struct cold *cold)
{
	if (cold != NULL)
		leat_os_free(cold->input_text);
	leat_os_free(cold);
}

void leat_compact_leave(struct compact *c, uint32_t done, bool ended)
{
	struct leat_gen_set *gen_set = &c->arena->gen_set;
	uint32_t other = done ^ (CTL_TURNS_DONE | CTL_RX_DONE);
	/* K1: what the other side did; pairs with itself */
	uint32_t ctl = leat_load_acq(ctl_of(c));
	struct leat_slab *slab = NULL;
	struct cold *cold = NULL;
	bool last;

	/* both sides change one word, so exactly one of them finds the other's bit */
	if (!(ctl & (done | other)))
		ctl = leat_or_acqrel(ctl_of(c), done); /* K1: pairs with itself */
	last = ctl & other;
	if (last)
		leat_compact_drain(c, leat_load_rlx(ctl_of(c))); /* rlx: alone with the block */
	if (!last && !ended)
		return;
	if (last)
		cold = cold_of(c);
	leat_spin_lock(&gen_set->lock);
	if (last)
		slab = free_block(c);
	leat_gen_set_leave_unlock(gen_set, ended, last);
	free_cold(cold);
	leat_slab_free(slab);
}

/* --- the generator that was started last --- */

/*
 * Whether the arena has an unstarted generator: one that is in no queue and has had no turn. Caller
 * holds the gen_set's lock, without which free_block() does not free the block.
 */
static bool has_unstarted(const struct leat_arena *arena)
{
	const struct compact *c = arena->unstarted;

	/* rlx: a hint; leat_job_wake_begin() decides */
	return c != NULL && leat_load_rlx(&c->job.run) == LEAT_RUN_IDLE &&
	       leat_load_rlx(&c->tail) == 0;
}

/*
 * A worker asks for an unstarted generator. The first time it is only marked as seen, to give its
 * receiver time to come; if it is still unstarted the next time, its job is queued. Returns whether
 * there is one to ask for again.
 */
bool leat_compact_wake_unstarted(struct leat_pool_user *user)
{
	struct leat_arena *arena = leat_container_of(user, struct leat_arena, user);
	struct leat_job *job = NULL;
	bool waits, timed;

	leat_spin_lock(&arena->gen_set.lock);
	waits = has_unstarted(arena);
	if (waits && arena->unstarted_seen) {
		job = &((struct compact *)arena->unstarted)->job;
		if (!leat_job_wake_begin(job, true, &timed))
			job = NULL; /* its receiver has claimed it meanwhile */
		waits = false;
	}
	arena->unstarted_seen = user->unstarted_listed = waits;
	if (!waits)
		arena->unstarted = NULL;
	leat_spin_unlock(&arena->gen_set.lock);
	if (job != NULL)
		leat_job_wake_finish(job, timed);
	return waits;
}

/* --- starting --- */

void leat_compact_arena_init(struct leat_arena *arena)
{
	arena->rx_ops = (struct leat_rx_ops_word){ LEAT_CTL_RX_OPS, &leat_compact_receiver };
	arena->gen_set.hook.cancel = leat_compact_cancel;
	arena->gen_set.hook.stop = leat_compact_stop;
	arena->gen_set.hook.untold = leat_compact_untold;
}

bool leat_compact_suits(const struct leat_chan_opts *opts, size_t item_size)
{
	return opts->kind == LEAT_SPSC && opts->overflow == LEAT_BLOCK && !opts->full_fence &&
	       opts->capacity != 0 && opts->capacity <= LEAT_COMPACT_BYTES &&
	       item_size <= LEAT_COMPACT_BYTES &&
	       opts->capacity * item_size <= LEAT_COMPACT_BYTES && leat_item_align(item_size) <= 16;
}

/* Makes the cold part if the options need one; else *cold is NULL. False: there is no memory. */
static bool create_cold(const struct leat_chan_opts *opts, struct cold **cold)
{
	*cold = NULL;
	if (opts->name == NULL && opts->discard == NULL && opts->recv_wait == LEAT_WAIT_ADAPTIVE)
		return true;
	*cold = leat_os_alloc(sizeof(**cold), 0);
	if (*cold == NULL)
		return false;
	(*cold)->waits.wake_fd = -1;
	(*cold)->discard = opts->discard;
	(*cold)->discard_arg = opts->discard_arg;
	(*cold)->recv_wait = opts->recv_wait;
	leat_name_copy((*cold)->name, opts->name);
	return true;
}

/*
 * Returns a block, or NULL with *rc set. Caller holds the gen_set's lock, which may be released and
 * taken again meanwhile.
 */
static struct compact *alloc_block(struct leat_arena *arena, size_t bytes, int *rc)
{
	struct leat_slab *slab;
	struct compact *c;

	while ((c = leat_arena_alloc(arena, bytes, &slab)) == NULL) {
		*rc = leat_arena_grow(arena, bytes);
		if (*rc == 0 && arena->gen_set.canceled)
			*rc = -ECANCELED; /* while unlocked: its walk would not find this block */
		if (*rc < 0)
			return NULL;
	}
	c->slab = slab;
	return c;
}

/*
 * Counts one more generator and returns a block for it. Caller holds the gen_set's lock, so a
 * cancel finds the block once the lock is released. Returns NULL with *rc set, and with the lock
 * released.
 */
static struct compact *create_block(struct leat_arena *arena, size_t bytes, int *rc)
{
	struct compact *c;

	*rc = leat_gen_set_begin(&arena->gen_set);
	if (*rc < 0) {
		leat_spin_unlock(&arena->gen_set.lock);
		return NULL;
	}
	c = alloc_block(arena, bytes, rc);
	if (c == NULL)
		leat_gen_set_leave_unlock(&arena->gen_set, true, false);
	return c;
}

/*
 * Fills in a new block. Caller holds the gen_set's lock. A snapshot may read the block meanwhile:
 * of the words that it reads, id is stored last.
 */
static void init_block(struct compact *c, struct cold *cold, const struct leat_seq *seq,
                       size_t capacity)
{
	leat_store_rel(&c->head, 0); /* B1: id is 0 before; pairs with add_block_stat() */
	leat_store_rel(&c->tail, 0); /* B1: the same */
	c->mpmc = NULL;
	c->pos = c->limit = 0;
	c->put_at = c->take_at = 0;
	c->word = &((struct leat_rx *)c)->spsc.disabled_word;
	leat_store_rlx(&c->cost, 0); /* rlx: a thread finds the block by this lock, or a queue's */
	c->held = 0;
	c->cause = 0;
	c->open = true;
	c->item_size = seq->item_size;
	leat_job_init(&c->job, &leat_compact_job_kind);
	leat_store_rlx(ctl_of(c), 0);  /* rlx: as cost */
	leat_store_rlx(&c->waiter, 0); /* rlx: as cost */
	c->next = seq->next;
	c->state = seq->state;
	c->fini = seq->fini;
	leat_store_rlx(&c->cold, cold); /* rlx: as cost */
	c->code = 0;
	c->capacity = (uint16_t)capacity;
	c->end_text = END_TEXT_NONE;
	c->asked = false;
	leat_store_rel(&c->id, leat_arena_take_ids(c->arena)); /* B2: pairs with add_block_stat() */
}

/*
 * Places the new job for its first turn. Caller holds the gen_set's lock, which this releases. The
 * job is left unstarted: its receiver, which most often comes at once, gives the first turn, or
 * else a worker that finds it (leat_compact_wake_unstarted()). Only one job of an arena is
 * unstarted at a time. The others, and jobs that only workers may run, are queued.
 */
static void place_job(struct leat_arena *arena, struct compact *c)
{
	struct leat_pool *pool = arena->pool;
	bool notify;

	if (arena->workers_only || has_unstarted(arena)) {
		c->job.run = LEAT_RUN_QUEUED; /* no thread finds it before it is in a queue */
		leat_spin_unlock(&arena->gen_set.lock);
		leat_job_start(&c->job, !arena->workers_only);
		return;
	}
	arena->unstarted = c;
	arena->unstarted_seen = false;
	notify = leat_pool_add_unstarted(pool, &arena->user);
	if (notify)
		leat_rcu_read_lock();
	leat_spin_unlock(&arena->gen_set.lock);
	if (!notify)
		return;
	leat_pool_notify_unstarted(pool);
	leat_rcu_read_unlock();
}

int leat_compact_start(struct leat_scope *scope, const struct leat_seq *seq,
                       const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	struct leat_arena *arena;
	struct cold *cold;
	struct compact *c;
	int rc;

	arena = leat_arena_of(scope, opts->pool, &rc);
	if (arena == NULL)
		return rc;
	if (!create_cold(&opts->chan, &cold))
		return -ENOMEM;
	leat_spin_lock(&arena->gen_set.lock);
	c = create_block(
		arena, offsetof(struct compact, slots) + opts->chan.capacity * seq->item_size, &rc);
	if (c == NULL) {
		leat_os_free(cold);
		return rc;
	}
	init_block(c, cold, seq, opts->chan.capacity);
	if (opts->source)
		leat_ctl_set_stop_bit(ctl_of(c), LEAT_CTL_HAS_SOURCE);
	if (arena->gen_set.stopping)
		leat_ctl_set_stop_bit(ctl_of(c), LEAT_CTL_SCOPE_STOPS);
	*rx = (struct leat_rx *)c;
	place_job(arena, c);
	return 0;
}
