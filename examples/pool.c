/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pipeline that is wholly on a pool: a source, a stage that makes another item of each item, and
 * a sink. None of them has a thread. Each is a function that a worker calls when there is something
 * to do. A stage is a seq that pulls from another seq.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

struct length {
	uint64_t start;
	uint32_t steps;
};

static int numbers(void *state, void *item)
{
	uint64_t *next = state;

	if (*next > 20000)
		return 0;
	*(uint64_t *)item = (*next)++;
	return 1;
}

/* Counts the steps to 1. A step halves an even number, and makes 3n + 1 of an odd n. */
static int lengths(void *state, void *item)
{
	struct leat_seq *in = state;
	struct length *length = item;
	uint64_t n;
	int rc = in->next(in->state, &n);

	if (rc != 1)
		/*
		 * the end, a failure, or "nothing there yet, call again": the stage returns each as
		 * it is
		 */
		return rc;
	*length = (struct length){ .start = n };
	for (; n != 1; length->steps++)
		n = n % 2 == 0 ? n / 2 : 3 * n + 1;
	return 1;
}

static void lengths_end(void *state)
{
	struct leat_seq *in = state;

	in->fini(in->state); /* closes the receiver, which stops the source if it still runs */
}

static int keep_longest(void *state, const void *item)
{
	struct length *longest = state;
	const struct length *length = item;

	if (length->steps > longest->steps)
		*longest = *length;
	return 0; /* 1 would mean: enough */
}

int main(void)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan.capacity = 64, .pool = pool };
	struct length longest = { 0, 0 };
	uint64_t next = 1;
	struct leat_rx *from_numbers, *from_lengths;
	struct leat_seq in;

	if (scope == NULL || pool == NULL ||
	    leat_gen_seq(scope, (struct leat_seq){ numbers, NULL, &next, sizeof(next) }, &opts,
	                 &from_numbers) < 0)
		return 1;
	in = leat_seq_from_rx(from_numbers);
	if (leat_gen_seq(scope,
	                 (struct leat_seq){ lengths, lengths_end, &in, sizeof(struct length) },
	                 &opts, &from_lengths) < 0 ||
	    leat_gen_sink(scope, from_lengths, (struct leat_sink){ keep_longest, NULL, &longest },
	                  &opts) < 0)
		return 1;
	if (leat_scope_join(scope) < 0)
		return 1;
	printf("%" PRIu64 " takes %" PRIu32 " steps\n", longest.start, longest.steps);
	return leat_scope_close(scope) < 0 || leat_pool_close(pool) < 0;
}
