/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One source, three ways to run it: pulled by a function call, on a thread of its own, and pulled
 * again from that thread. Neither the source nor the loop changes.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

struct fibonacci {
	uint64_t now, next;
};

static int fibonacci_next(void *state, void *item)
{
	struct fibonacci *f = state;
	uint64_t sum = f->now + f->next;

	if (f->now > 1000)
		return 0;
	*(uint64_t *)item = f->now;
	f->now = f->next;
	f->next = sum;
	return 1;
}

static void print_all(struct leat_seq seq)
{
	uint64_t item;

	while (seq.next(seq.state, &item) == 1)
		printf("%" PRIu64 " ", item);
	putchar('\n');
	if (seq.fini != NULL)
		seq.fini(seq.state);
}

int main(void)
{
	struct fibonacci pulled = { 0, 1 }, threaded = { 0, 1 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;

	print_all((struct leat_seq){ fibonacci_next, NULL, &pulled, sizeof(uint64_t) });
	if (scope == NULL ||
	    leat_gen_seq(scope,
	                 (struct leat_seq){ fibonacci_next, NULL, &threaded, sizeof(uint64_t) },
	                 NULL, &rx) < 0)
		return 1;
	/* the seq's fini closes rx, which would stop a generator that still runs */
	print_all(leat_seq_from_rx(rx));
	return leat_scope_close(scope) < 0;
}
