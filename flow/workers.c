/*
 * What the workers of one island share: their receiver, and, if their order counts, a window of
 * vectors.
 *
 * A worker takes a vector of items and its ticket in one critical section, so tickets are in the
 * order of items. What it makes of the vector goes into the slot of the ticket. Slots are passed on
 * in the order of tickets: by the worker that finishes the slot at the turn, which also passes on
 * the finished ones behind it; the others go on with their next vector. So no thread is there for
 * the order alone, and a slow vector holds the others up only once the window is full. A vector
 * that makes more than its slot has room for waits for its turn, and then passes on by itself.
 *
 * The end. A ticket whose vector has failed, or has had enough, is final: workers take no further
 * vectors, but slots before it and its own are passed on as ever. The lowest final ticket counts,
 * and it counts once its turn has come. So the results are those of one worker.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/workers.h"

#include <leat/select.h>

#include <stdlib.h>
#include <string.h>

/* --- waiting for the turn, and for the window --- */

struct turn_waiter {
	struct leat_sem *sem;
	struct turn_waiter *next;
};

static int make_sems(struct shared *shared)
{
	shared->input_sem = leat_sem_open(1);
	shared->sems = calloc(shared->users, sizeof(struct leat_sem *));
	if (shared->input_sem == NULL || shared->sems == NULL)
		return -ENOMEM;
	for (; shared->free_sems < shared->users; shared->free_sems++) {
		shared->sems[shared->free_sems] = leat_sem_open(1);
		if (shared->sems[shared->free_sems] == NULL)
			return -ENOMEM;
		leat_sem_try(shared->sems[shared->free_sems], 1); /* until it is told */
	}
	return 0;
}

static void free_sems(struct shared *shared)
{
	while (shared->free_sems > 0)
		leat_sem_close(shared->sems[--shared->free_sems]);
	free(shared->sems);
	leat_sem_close(shared->input_sem);
}

/*
 * Caller holds the lock, which is released meanwhile, and checks again what it waits for. What ends
 * the island tells all that wait.
 */
static void wait_turned(struct shared *shared)
{
	struct turn_waiter me = { shared->sems[--shared->free_sems], shared->waiters };

	shared->waiters = &me;
	pthread_mutex_unlock(&shared->lock);
	leat_detail_sem_turn(me.sem, true);
	pthread_mutex_lock(&shared->lock);
	shared->sems[shared->free_sems++] = me.sem;
}

/* Wakes all that wait. Caller holds the lock. */
static void tell_turned(struct shared *shared)
{
	struct turn_waiter *next;

	for (struct turn_waiter *waiter = shared->waiters; waiter != NULL; waiter = next) {
		next = waiter->next; /* after the release the waiter may be gone */
		leat_sem_release(waiter->sem, 1);
	}
	shared->waiters = NULL;
}

/* --- slots --- */

static void free_slots(struct shared *shared)
{
	for (size_t i = 0; i < shared->window && shared->slots != NULL; i++) {
		if (shared->slots[i].count > 0)
			leat_items_discard(shared->type, shared->slots[i].items,
			                   shared->slots[i].count);
		free(shared->slots[i].items);
	}
	free(shared->slots);
	shared->slots = NULL;
}

static int make_slots(struct shared *shared)
{
	shared->slots = calloc(shared->window + 1, sizeof(*shared->slots));
	if (shared->slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < shared->window; i++) {
		shared->slots[i].items = leat_items_alloc(shared->room, shared->type->size);
		if (shared->slots[i].items == NULL)
			return -ENOMEM;
	}
	return 0;
}

int leat_shared_open(const struct shared_opts *opts, struct shared **shared_out)
{
	struct shared *shared = calloc(1, sizeof(*shared));
	int rc;

	if (shared == NULL)
		return -ENOMEM;
	shared->scope = opts->scope;
	shared->type = opts->type;
	shared->users = opts->users;
	shared->room = opts->room;
	shared->window = opts->window;
	pthread_mutex_init(&shared->lock, NULL);
	rc = make_sems(shared);
	if (rc == 0)
		rc = make_slots(shared);
	if (rc == 0)
		rc = leat_chan_open(
			opts->scope, 1,
			&(struct leat_chan_opts){ .name = "workers' end", .capacity = 1 },
			&shared->end_tx, &shared->end_rx);
	if (rc == 0 && opts->bound != NULL)
		rc = leat_rx_bind(opts->rx, opts->bound);
	if (rc != 0) {
		leat_shared_free(shared);
		return rc;
	}
	shared->rx = opts->rx;
	shared->out = opts->out;
	shared->bound = opts->bound;
	*shared_out = shared;
	return 0;
}

static void close_handles(struct shared *shared)
{
	if (shared->out != NULL && shared->final_reached && shared->final_code != 0)
		leat_tx_fail(shared->out, shared->final_code, shared->final_text);
	else if (shared->out != NULL && shared->input_code != 0)
		leat_tx_fail(shared->out, shared->input_code, shared->input_text);
	leat_tx_close(shared->out);
	leat_rx_close(shared->rx);
	leat_tx_close(shared->bound);
	leat_tx_close(shared->end_tx);
	leat_rx_close(shared->end_rx);
	shared->out = shared->bound = shared->end_tx = NULL;
	shared->rx = shared->end_rx = NULL;
}

void leat_shared_leave(struct shared *shared)
{
	bool last;

	pthread_mutex_lock(&shared->lock);
	last = --shared->users == 0;
	pthread_mutex_unlock(&shared->lock);
	if (!last)
		return;
	close_handles(shared);
	free_slots(shared); /* also what was never passed on: others may wait for these items */
}

void leat_shared_free(struct shared *shared)
{
	if (shared == NULL)
		return;
	close_handles(shared);
	free_slots(shared);
	free_sems(shared);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

/* Wakes the worker that waits for items. Caller holds the lock. */
static void end_input(struct shared *shared)
{
	leat_tx_close(shared->end_tx);
	shared->end_tx = NULL;
	tell_turned(shared);
}

void leat_shared_end(struct shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	if (!shared->has_final)
		shared->ended = true;
	end_input(shared);
	pthread_mutex_unlock(&shared->lock);
}

/* Caller holds the lock. Whether the next ticket has to wait for a slot. */
static bool window_is_full(const struct shared *shared)
{
	return !shared->ended && !shared->has_final && shared->window > 0 &&
	       shared->next_ticket - shared->turn >= shared->window;
}

/* Waits until the next ticket has a slot. False: the island has ended. */
static bool await_window(struct shared *shared)
{
	bool over;

	pthread_mutex_lock(&shared->lock);
	while (window_is_full(shared))
		wait_turned(shared);
	over = shared->ended || shared->has_final;
	pthread_mutex_unlock(&shared->lock);
	return !over;
}

/*
 * The worker that holds input_sem waits for a slot or for items. So do those behind it, which count
 * their wait as what the holder waits for when they begin.
 */
static void enter_input(struct shared *shared)
{
	bool in_order;

	if (leat_sem_try(shared->input_sem, 1) == 0)
		return;
	pthread_mutex_lock(&shared->lock);
	in_order = window_is_full(shared);
	pthread_mutex_unlock(&shared->lock);
	leat_detail_sem_turn(shared->input_sem, in_order);
}

/* Caller holds input_sem. */
static ssize_t recv_vector(struct shared *shared, char *items, size_t most, size_t size)
{
	char none;
	struct leat_case cases[] = { LEAT_CASE_RECV(shared->rx, items),
		                     LEAT_CASE_RECV(shared->end_rx, &none) };
	ssize_t n = leat_try_recv_batch(shared->rx, items, most);
	int done;

	if (n != -EAGAIN)
		return n;
	done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
	if (done < 0)
		return done;
	if (done == 1)
		return cases[1].answer < 0 ? cases[1].answer : -EPIPE;
	if (cases[0].answer != 1 || most == 1)
		return cases[0].answer;
	n = leat_try_recv_batch(shared->rx, items + size, most - 1);
	return n > 0 ? n + 1 : 1;
}

/* Keeps the failure that the input has ended with, if a receive that returned n tells of one. */
static void keep_input_failure(struct shared *shared, ssize_t n)
{
	char text[LEAT_FLOW_TEXT];
	int code = leat_input_failure(shared->scope, shared->rx, n, text);

	if (code == 0)
		return;
	pthread_mutex_lock(&shared->lock);
	if (shared->input_code == 0)
		memcpy(shared->input_text, text, sizeof(text));
	shared->input_code = shared->input_code == 0 ? code : shared->input_code;
	pthread_mutex_unlock(&shared->lock);
}

ssize_t leat_shared_take(struct shared *shared, void *items, size_t most, size_t size,
                         uint64_t *ticket)
{
	ssize_t n = -EPIPE;

	enter_input(shared);
	if (await_window(shared))
		n = recv_vector(shared, items, most, size);
	keep_input_failure(shared, n);
	if (n > 0 || (n == 0 && shared->window > 0)) {
		pthread_mutex_lock(&shared->lock);
		*ticket = shared->next_ticket++;
		pthread_mutex_unlock(&shared->lock);
	}
	leat_sem_release(shared->input_sem, 1);
	return n;
}

int leat_shared_input_failure(struct shared *shared, char text[LEAT_FLOW_TEXT])
{
	int code;

	pthread_mutex_lock(&shared->lock);
	code = shared->input_code;
	memcpy(text, shared->input_text, LEAT_FLOW_TEXT);
	pthread_mutex_unlock(&shared->lock);
	return code;
}

static struct slot *slot_of(struct shared *shared, uint64_t ticket)
{
	return &shared->slots[ticket % shared->window];
}

int leat_shared_send(struct shared *shared, const void *items, size_t count)
{
	const unsigned char *from = items;
	size_t sent = 0;
	ssize_t n = 0;

	while (sent < count) {
		n = leat_send_batch(shared->out, from + sent * shared->type->size, count - sent);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	leat_items_discard(shared->type, from + sent * shared->type->size, count - sent);
	return n < 0 ? (int)n : 0;
}

static int send_slot(struct shared *shared, struct slot *slot)
{
	int rc = leat_shared_send(shared, slot->items, slot->count);

	slot->count = 0;
	return rc;
}

/*
 * Passes on the finished slots from the turn on. Caller holds the lock, and has set `passing_on`,
 * which this clears.
 */
static void pass_on(struct shared *shared)
{
	while (!shared->ended && slot_of(shared, shared->turn)->done) {
		struct slot *slot = slot_of(shared, shared->turn);
		int rc;

		pthread_mutex_unlock(&shared->lock);
		rc = send_slot(shared, slot);
		pthread_mutex_lock(&shared->lock);
		shared->final_reached |= rc == 0 && slot->final;
		shared->ended |= rc != 0 || slot->final;
		slot->done = slot->final = false;
		shared->turn++;
		tell_turned(shared);
	}
	shared->passing_on = false;
	tell_turned(shared);
}

bool leat_shared_put(struct shared *shared, uint64_t ticket, const void *items, size_t count)
{
	struct slot *slot = slot_of(shared, ticket);
	const size_t size = shared->type->size;

	if (slot->count + count > shared->room)
		return false;
	memcpy(slot->items + slot->count * size, items, count * size);
	slot->count += count;
	return true;
}

int leat_shared_await_turn(struct shared *shared, uint64_t ticket, bool *held)
{
	pthread_mutex_lock(&shared->lock);
	while (!shared->ended && (shared->turn != ticket || shared->passing_on))
		wait_turned(shared);
	*held = !shared->ended;
	shared->passing_on |= *held;
	pthread_mutex_unlock(&shared->lock);
	return *held ? send_slot(shared, slot_of(shared, ticket)) : -EPIPE;
}

/* This ticket is final: the lowest such one counts. Caller holds the lock. */
static void keep_final(struct shared *shared, const struct finished *finished)
{
	slot_of(shared, finished->ticket)->final = true;
	if (shared->has_final && shared->final_ticket < finished->ticket)
		return;
	shared->has_final = true;
	shared->final_ticket = finished->ticket;
	shared->final_code = finished->failure;
	snprintf(shared->final_text, sizeof(shared->final_text), "%s", finished->text);
	end_input(shared);
}

int leat_shared_finish(struct shared *shared, const struct finished *finished)
{
	int rc;

	pthread_mutex_lock(&shared->lock);
	slot_of(shared, finished->ticket)->done = true;
	if (finished->failure != 0 || finished->rc > 0)
		keep_final(shared, finished);
	else if (finished->rc < 0)
		shared->ended = true;
	if (finished->held || !shared->passing_on) {
		shared->passing_on = true;
		pass_on(shared);
	}
	rc = shared->ended || shared->has_final ? -EPIPE : 0;
	pthread_mutex_unlock(&shared->lock);
	return rc;
}
