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
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/workers.h"

#include <stdlib.h>
#include <string.h>

static void free_slots(struct shared *shared)
{
	for (size_t i = 0; i < shared->window && shared->slots != NULL; i++)
		free(shared->slots[i].items);
	free(shared->slots);
}

struct shared *shared_open(const struct shared_opts *opts)
{
	struct shared *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	shared->rx = opts->rx;
	shared->out = opts->out;
	shared->bound = opts->bound;
	shared->users = opts->users;
	shared->size = opts->out_size;
	shared->room = opts->room;
	shared->window = opts->ordered ? opts->window : 0;
	pthread_mutex_init(&shared->input_lock, NULL);
	pthread_mutex_init(&shared->lock, NULL);
	pthread_cond_init(&shared->turned, NULL);
	shared->slots = calloc(shared->window + 1, sizeof(*shared->slots));
	for (size_t i = 0; i < shared->window && shared->slots != NULL; i++) {
		shared->slots[i].items = malloc(shared->room * shared->size);
		if (shared->slots[i].items == NULL) {
			free_slots(shared);
			shared->slots = NULL;
		}
	}
	if (shared->slots != NULL) {
		if (shared->bound != NULL)
			leat_rx_bind(shared->rx, shared->bound);
		return shared;
	}
	pthread_cond_destroy(&shared->turned);
	free(shared);
	return NULL;
}

static void close_handles(struct shared *shared)
{
	if (shared->out != NULL && shared->failing)
		leat_tx_fail(shared->out, shared->failed_code, shared->failed_text);
	if (shared->out != NULL)
		leat_tx_close(shared->out);
	if (shared->rx != NULL)
		leat_rx_close(shared->rx);
	if (shared->bound != NULL)
		leat_tx_close(shared->bound);
	shared->out = shared->bound = NULL;
	shared->rx = NULL;
}

void shared_leave(struct shared *shared)
{
	bool last;

	pthread_mutex_lock(&shared->lock);
	last = --shared->users == 0;
	pthread_mutex_unlock(&shared->lock);
	if (last)
		close_handles(shared);
}

void shared_free(struct shared *shared)
{
	if (shared == NULL)
		return;
	close_handles(shared);
	free_slots(shared);
	pthread_cond_destroy(&shared->turned);
	pthread_mutex_destroy(&shared->lock);
	pthread_mutex_destroy(&shared->input_lock);
	free(shared);
}

/*
 * Once an item has failed, the tickets before it still pass on what was made of them: a worker that
 * ends meanwhile does not end the island, which pass_on() does at the ticket of the failure.
 */
void shared_end(struct shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	shared->ended |= !shared->failing;
	pthread_cond_broadcast(&shared->turned);
	pthread_mutex_unlock(&shared->lock);
}

/* Waits until the next ticket has a slot. False: the island has ended. */
static bool await_window(struct shared *shared)
{
	bool ended;

	pthread_mutex_lock(&shared->lock);
	while (!shared->ended && !shared->failing && shared->window > 0 &&
	       shared->next_ticket - shared->turn >= shared->window)
		pthread_cond_wait(&shared->turned, &shared->lock);
	ended = shared->ended || shared->failing;
	pthread_mutex_unlock(&shared->lock);
	return !ended;
}

ssize_t shared_take(struct shared *shared, void *items, size_t most, uint64_t *ticket)
{
	ssize_t n = -EPIPE;

	pthread_mutex_lock(&shared->input_lock);
	if (await_window(shared))
		n = leat_recv_batch(shared->rx, (char *)items, most);
	if (n > 0) {
		*ticket = shared->next_ticket;
		pthread_mutex_lock(&shared->lock);
		shared->next_ticket++;
		pthread_mutex_unlock(&shared->lock);
	}
	pthread_mutex_unlock(&shared->input_lock);
	return n;
}

static struct slot *slot_of(struct shared *shared, uint64_t ticket)
{
	return &shared->slots[ticket % shared->window];
}

int shared_send(struct shared *shared, const void *items, size_t count)
{
	ssize_t n = count == 0 ? 0 : leat_send_batch(shared->out, (const char *)items, count);

	return n < 0 ? (int)n : (size_t)n < count ? -EPIPE : 0;
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
		rc = shared_send(shared, slot->items, slot->count);
		pthread_mutex_lock(&shared->lock);
		if (rc == 0)
			rc = slot->failure;
		slot->done = false;
		slot->count = 0;
		shared->turn++;
		shared->ended |= rc != 0;
		pthread_cond_broadcast(&shared->turned);
	}
	shared->passing_on = false;
	pthread_cond_broadcast(&shared->turned);
}

void *shared_put(struct shared *shared, uint64_t ticket, const void *items, size_t count)
{
	struct slot *slot = slot_of(shared, ticket);
	void *place = slot->items + slot->count * shared->size;

	if (slot->count + count > shared->room)
		return NULL;
	if (count > 0)
		memcpy(place, items, count * shared->size);
	slot->count += count;
	return place;
}

int shared_await_turn(struct shared *shared, uint64_t ticket)
{
	struct slot *slot = slot_of(shared, ticket);
	size_t count;
	int rc;

	pthread_mutex_lock(&shared->lock);
	while (!shared->ended && (shared->turn != ticket || shared->passing_on))
		pthread_cond_wait(&shared->turned, &shared->lock);
	rc = shared->ended ? -EPIPE : 0;
	shared->passing_on |= rc == 0;
	count = slot->count;
	pthread_mutex_unlock(&shared->lock);
	if (rc != 0)
		return rc;
	rc = shared_send(shared, slot->items, count);
	slot->count = 0;
	return rc;
}

static void keep_failure(struct shared *shared, uint64_t ticket, int failure, const char *text)
{
	if (shared->failing && shared->failed_ticket < ticket)
		return;
	shared->failing = true;
	shared->failed_ticket = ticket;
	shared->failed_code = failure;
	snprintf(shared->failed_text, sizeof(shared->failed_text), "%s", text);
}

int shared_finish(struct shared *shared, uint64_t ticket, int failure, const char *text,
                  bool at_turn)
{
	struct slot *slot = slot_of(shared, ticket);
	int rc;

	pthread_mutex_lock(&shared->lock);
	slot->failure = failure;
	slot->done = true;
	if (failure != 0)
		keep_failure(shared, ticket, failure, text);
	if (at_turn || !shared->passing_on) {
		shared->passing_on = true;
		pass_on(shared);
	}
	rc = shared->ended || shared->failing ? -EPIPE : 0;
	pthread_mutex_unlock(&shared->lock);
	return rc;
}
