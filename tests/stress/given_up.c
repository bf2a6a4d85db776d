/*
 * tests/stress/given_up.c: two receivers meet at a run of slots that a sender reserved and gave up,
 * with an item for each behind it. Both must get one at once: the news of two items must not be
 * lost on the way through what one of them skips.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/census.h"

#include <leat/leat.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = MANY_TIMES(3000), GIVEN_UP = 4096, RECEIVERS = 2 };

struct wide {
	uint64_t n, rest[7];
};

static struct leat_rx *rx[RECEIVERS];
static pthread_barrier_t meet;
static int missed[RECEIVERS], reopened[RECEIVERS];

static void *receiver(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;
	struct wide got;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&meet);
		missed[me] += leat_recv_until(rx[me], &got, leat_now_ns() + 5000000000) != 1;
		pthread_barrier_wait(&meet); /* the senders close */
		pthread_barrier_wait(&meet);
		while (leat_recv(rx[me], &got) == 1)
			;
		reopened[me] += leat_recv(rx[me], &got) != 0;
		pthread_barrier_wait(&meet);
	}
	return NULL;
}

static void round_of_items(struct leat_scope *scope)
{
	static const struct leat_chan_opts opts = { .kind = LEAT_MPMC,
		                                    .capacity = GIVEN_UP + 16,
		                                    .recv_wait = LEAT_WAIT_PARK };
	struct leat_tx *gives_up, *tx;
	void *room;

	if (leat_chan_open(scope, sizeof(struct wide), &opts, &gives_up, &rx[0]) != 0)
		abort();
	tx = leat_tx_clone(gives_up);
	rx[1] = leat_rx_clone(rx[0]);
	if (leat_reserve(gives_up, GIVEN_UP, &room) != GIVEN_UP)
		abort();
	for (int i = 0; i < RECEIVERS; i++)
		leat_send(tx, &(struct wide){ 0 });
	leat_commit(gives_up, 0);
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet);
	leat_tx_close(gives_up);
	leat_tx_close(tx);
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet);
	leat_rx_close(rx[0]);
	leat_rx_close(rx[1]);
}

int main(void)
{
	struct leat_scope *scope;
	pthread_t threads[RECEIVERS];
	struct leat_census before;
	char words[400];
	bool clean;

	leat_census_take(&before);
	scope = leat_scope_open(NULL, NULL);

	pthread_barrier_init(&meet, NULL, RECEIVERS + 1);
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_create(&threads[i], NULL, receiver, (void *)(uintptr_t)i);
	for (int round = 0; round < ROUNDS; round++)
		round_of_items(scope);
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&meet);
	leat_scope_close(scope);
	clean = leat_census_left(&before, words, sizeof(words)) == 0;
	printf("%d rounds: missed %d, items after the end %d; %s\n", ROUNDS, missed[0] + missed[1],
	       reopened[0] + reopened[1], words);
	return clean && missed[0] + missed[1] + reopened[0] + reopened[1] == 0 ? 0 : 1;
}
