/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fan-in: three generators send into one channel, each with a clone of its sender, and two workers
 * receive from it. The main thread keeps a sender, in order to end the stream for all of them when
 * the time is over. What was sent by then is received: the two sums are equal.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

enum { SENDERS = 3, WORKERS = 2 };

struct roller {
	uint32_t state;
	uint64_t sent;
};

struct tally {
	struct leat_rx *in;
	uint64_t received, faces[6];
};

static int roll(struct leat_tx *out, void *arg)
{
	struct roller *roller = arg;
	int rc = 0;

	while (rc == 0) {
		unsigned face;

		roller->state = roller->state * 1664525 + 1013904223;
		face = (roller->state >> 16) % 6;
		rc = leat_send(out, &face);
		roller->sent += rc == 0;
	}
	return rc; /* -EPIPE after leat_tx_close_all(): it has completed */
}

static int count(struct leat_tx *task, void *arg)
{
	struct tally *tally = arg;

	(void)task;
	leat_for(unsigned, face, tally->in) {
		tally->faces[face]++;
		tally->received++;
	}
	leat_rx_close(tally->in);
	return 0;
}

/* Takes tx over. Returns 0, or the error, after which no sender is left. */
static int start_rollers(struct leat_scope *scope, struct roller *rollers, struct leat_tx *tx)
{
	for (uint32_t i = 0; i < SENDERS; i++) {
		struct leat_tx *clone = leat_tx_clone(tx);
		int rc = clone == NULL ? leat_open_error() : 0;

		rollers[i] = (struct roller){ .state = i };
		if (rc == 0)
			rc = leat_gen_into(scope, roll, &rollers[i], clone, NULL);
		if (rc < 0) {
			leat_tx_close(clone); /* on an error it is still ours */
			leat_tx_close_all(tx);
			return rc;
		}
	}
	leat_scope_sleep(scope, leat_now_ns() + 50000000);
	leat_tx_close_all(tx);
	return 0;
}

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_chan_opts opts = { .name = "rolls", .kind = LEAT_MPMC };
	struct roller rollers[SENDERS] = { 0 };
	struct tally tallies[WORKERS] = { 0 };
	uint64_t sent = 0, received = 0;
	struct leat_tx *tx;
	struct leat_rx *rx;
	int rc;

	if (scope == NULL || leat_chan_open(scope, sizeof(unsigned), &opts, &tx, &rx) < 0)
		return 1;
	for (int i = 0; i < WORKERS; i++) {
		tallies[i].in = leat_rx_clone(rx);
		if (tallies[i].in == NULL || leat_gen(scope, count, &tallies[i], 0, NULL, NULL) < 0)
			return 1;
	}
	leat_rx_close(rx);
	rc = start_rollers(scope, rollers, tx);
	if (leat_scope_join(scope) < 0 || rc < 0) /* a close would cancel what is to be received */
		return 1;
	leat_scope_close(scope);
	for (int i = 0; i < SENDERS; i++)
		sent += rollers[i].sent;
	for (int i = 0; i < WORKERS; i++)
		received += tallies[i].received;
	printf("%" PRIu64 " rolls sent, %" PRIu64 " received\n", sent, received);
	return sent != received;
}
