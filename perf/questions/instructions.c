/*
 * How many instructions does an operation take? One thread fills and empties each ring and channel in turns, each by a
 * function of its own, so that callgrind can tell them apart; perf/questions/instructions runs it and prints the table.
 *
 * 1,250 rounds of 800 items, so a million operations each; nothing is ever full or empty, so nobody waits or rests, but
 * for "lone": one item put and got at once. The loop's own instructions are counted beside them, and taken off.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/broadcast.h>
#include <leat/chan.h>
#include <leat/ring/mpmc.h>
#include <leat/ring/spsc.h>
#include <leat/scope.h>

#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY = 1024, ROUND = 800, ROUNDS = 1250, BATCH = 32 };

typedef struct {
	uint64_t word[8];
} big;

struct spsc {
	struct leat_spsc ring;
	struct leat_spsc_cursor tx, rx;
};

struct turns {
	struct leat_mpmc ring;
	struct leat_mpmc_cursor tx, rx;
};

struct chan {
	struct leat_tx *tx;
	struct leat_rx *rx;
};

static void expect(bool right)
{
	if (!right) {
		fputs("perf_instructions: a ring was full or empty, or gave a wrong item\n", stderr);
		exit(1);
	}
}

static void *memory(size_t bytes)
{
	size_t rounded = (bytes + 127) / 128 * 128;
	void *p = aligned_alloc(128, rounded);

	expect(p != NULL);
	return memset(p, 0, rounded);
}

static struct spsc *spsc_open(size_t size)
{
	struct spsc *p = memory(sizeof(*p));

	leat_spsc_init(&p->ring, &p->tx, &p->rx, memory(leat_spsc_bytes(size, CAPACITY)), size, CAPACITY);
	return p;
}

static struct turns *turns_open(size_t size, bool single_producer, bool single_consumer)
{
	struct turns *p = memory(sizeof(*p));

	leat_mpmc_init(&p->ring, memory(leat_mpmc_bytes(size, CAPACITY)), size, CAPACITY, single_producer,
		       single_consumer);
	leat_mpmc_cursor_init(&p->tx, &p->ring);
	leat_mpmc_cursor_init(&p->rx, &p->ring);
	return p;
}

static struct chan chan_open(struct leat_scope *scope, enum leat_kind kind)
{
	const struct leat_chan_opts opts = { .capacity = CAPACITY, .kind = kind };
	struct chan p;

	expect(leat_chan_open(scope, sizeof(uint64_t), &opts, &p.tx, &p.rx) == 0);
	return p;
}

/* With `laggard` a second subscriber skips, and receives nothing. */
static struct chan broadcast_open(struct leat_scope *scope, enum leat_kind kind, bool skip, struct leat_rx **laggard)
{
	const struct leat_broadcast_opts opts = { .kind = kind, .capacity = CAPACITY, .skip = skip };
	struct leat_broadcast *bc;
	struct chan p;

	expect(leat_broadcast_open(scope, sizeof(uint64_t), &opts, &bc, &p.tx) == 0 &&
	       leat_broadcast_subscribe(bc, NULL, &p.rx) == 0);
	if (laggard != NULL)
		expect(leat_broadcast_subscribe(bc, &(struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP }, laggard) == 0);
	leat_broadcast_close(bc);
	return p;
}

/* Loops that compile to the same are kept apart all the same. */
#if defined(__has_attribute) && __has_attribute(noipa)
#define LOOP static __attribute__((noipa)) void
#else
#define LOOP static __attribute__((noinline)) void
#endif

/* A way to put n items and one to get them; `put` and `get` are expressions that answer whether, or how many. */
#define ONE_BY_ONE(name, type, pipe, put, get) \
	LOOP ask_##name##_put(pipe p, unsigned n) \
	{ \
		for (unsigned i = 0; i < n; i++) { \
			type item; \
			*(uint64_t *)&item = i; \
			expect(put); \
		} \
	} \
	LOOP ask_##name##_get(pipe p, unsigned n) \
	{ \
		for (unsigned i = 0; i < n; i++) { \
			type item; \
			expect((get) && *(uint64_t *)&item == i); \
		} \
	}
#define BY_BATCH(name, type, pipe, put, get) \
	LOOP ask_##name##_put(pipe p, unsigned n) \
	{ \
		static type items[BATCH]; \
		for (unsigned i = 0; i < n; i += BATCH) \
			for (size_t done = 0; done < BATCH;) \
				done += (size_t)(put); \
	} \
	LOOP ask_##name##_get(pipe p, unsigned n) \
	{ \
		static type items[BATCH]; \
		for (unsigned i = 0; i < n; i += BATCH) \
			for (size_t done = 0; done < BATCH;) \
				done += (size_t)(get); \
	}

#define NOTHING(constraint, value) \
	({ \
		__asm__ __volatile__("" : constraint(item) : value : "memory"); \
		p == NULL; \
	})
ONE_BY_ONE(loop, uint64_t, void *, NOTHING("+m", "r"(p)), (item = i, NOTHING("+m", "r"(p))))

#define SPSC(name, type) \
	ONE_BY_ONE(name, type, struct spsc *, \
		   leat_spsc_can_push(&p->tx) && (leat_spsc_push(&p->tx, &item, sizeof(item)), true), \
		   leat_spsc_can_pop(&p->rx) && (leat_spsc_pop(&p->rx, &item, sizeof(item)), true)) \
	BY_BATCH(name##_batch, type, struct spsc *, \
		 leat_spsc_push_batch(&p->tx, items + done, BATCH - done, sizeof(type)), \
		 leat_spsc_pop_batch(&p->rx, items + done, BATCH - done, sizeof(type)))
SPSC(spsc, uint64_t)
SPSC(spsc_64, big)

/* In step: the consumer reads the word for each item, as it does where the ring is nearly always empty. */
LOOP ask_spsc_lone_both(struct spsc *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t item = i;

		expect(leat_spsc_can_push(&p->tx) && (leat_spsc_push(&p->tx, &item, sizeof(item)), true));
		expect(leat_spsc_can_pop(&p->rx) && (leat_spsc_pop(&p->rx, &item, sizeof(item)), item == i));
	}
}

#define TURNS(name, type) \
	ONE_BY_ONE(name, type, struct turns *, leat_mpmc_push(&p->ring, &p->tx, &item, sizeof(item)), \
		   leat_mpmc_pop(&p->ring, &p->rx, &item, sizeof(item))) \
	BY_BATCH(name##_batch, type, struct turns *, \
		 leat_mpmc_push_batch(&p->ring, &p->tx, items + done, BATCH - done, sizeof(type)), \
		 leat_mpmc_pop_batch(&p->ring, &p->rx, items + done, BATCH - done, sizeof(type)))
TURNS(mpmc, uint64_t)
TURNS(mpmc_64, big)
TURNS(single, uint64_t)

#define CHAN(name) \
	ONE_BY_ONE(name, uint64_t, struct chan, leat_send(p.tx, &item) == 0, leat_recv(p.rx, &item) == 1) \
	BY_BATCH(name##_batch, uint64_t, struct chan, leat_send_batch(p.tx, items + done, BATCH - done), \
		 leat_recv_batch(p.rx, items + done, BATCH - done))
CHAN(chan_spsc)
CHAN(chan_mpmc)
CHAN(broadcast)
CHAN(broadcast_mpmc)
CHAN(broadcast_skip)
CHAN(broadcast_laggard)

#define RUN(name, pipe) \
	for (int round = 0; round < ROUNDS; round++) { \
		ask_##name##_put(pipe, ROUND); \
		ask_##name##_get(pipe, ROUND); \
	}
#define RUN_BOTH(name, pipe) RUN(name, pipe) RUN(name##_batch, pipe)

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct spsc *spsc = spsc_open(sizeof(uint64_t)), *spsc_64 = spsc_open(sizeof(big));
	struct turns *mpmc = turns_open(sizeof(uint64_t), false, false),
		     *mpmc_64 = turns_open(sizeof(big), false, false);
	struct turns *single = turns_open(sizeof(uint64_t), true, true);
	struct chan chan_spsc, chan_mpmc, broadcast, broadcast_mpmc, broadcast_skip, broadcast_laggard;
	struct leat_rx *laggard;

	expect(scope != NULL);
	chan_spsc = chan_open(scope, LEAT_SPSC);
	chan_mpmc = chan_open(scope, LEAT_MPMC);
	broadcast = broadcast_open(scope, LEAT_SPMC, false, NULL);
	broadcast_mpmc = broadcast_open(scope, LEAT_MPMC, false, NULL);
	broadcast_skip = broadcast_open(scope, LEAT_SPMC, true, NULL);
	broadcast_laggard = broadcast_open(scope, LEAT_SPMC, true, &laggard);
	RUN(loop, NULL)
	RUN_BOTH(spsc, spsc)
	RUN_BOTH(spsc_64, spsc_64)
	RUN_BOTH(mpmc, mpmc)
	RUN_BOTH(mpmc_64, mpmc_64)
	RUN_BOTH(single, single)
	RUN_BOTH(chan_spsc, chan_spsc)
	RUN_BOTH(chan_mpmc, chan_mpmc)
	RUN_BOTH(broadcast, broadcast)
	RUN_BOTH(broadcast_mpmc, broadcast_mpmc)
	RUN_BOTH(broadcast_skip, broadcast_skip)
	RUN_BOTH(broadcast_laggard, broadcast_laggard)
	ask_spsc_lone_both(spsc, ROUND * ROUNDS);
	leat_tx_close(chan_spsc.tx), leat_rx_close(chan_spsc.rx);
	leat_tx_close(chan_mpmc.tx), leat_rx_close(chan_mpmc.rx);
	leat_tx_close(broadcast.tx), leat_rx_close(broadcast.rx);
	leat_tx_close(broadcast_mpmc.tx), leat_rx_close(broadcast_mpmc.rx);
	leat_tx_close(broadcast_skip.tx), leat_rx_close(broadcast_skip.rx);
	leat_tx_close(broadcast_laggard.tx), leat_rx_close(broadcast_laggard.rx), leat_rx_close(laggard);
	return leat_scope_close(scope) < 0;
}
