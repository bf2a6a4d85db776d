/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A function that waits for its time, in three places: pulled, on a thread, and on a pool, where no
 * thread waits for it. The function is the same. In a step on a pool leat_after() returns a value
 * that the function returns too, and a worker calls the function again when the time has come.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

struct ticker {
	int64_t due_ns, every_ns;
	unsigned left;
};

static int tick(void *state, void *item)
{
	struct ticker *t = state;
	int rc;

	if (t->left == 0)
		return 0;
	if ((rc = leat_after(t->due_ns)) != 0)
		return rc;
	*(int64_t *)item = leat_now_ns() - t->due_ns;
	t->due_ns += t->every_ns;
	t->left--;
	return 1;
}

static struct leat_seq every(struct ticker *t, int64_t every_ns)
{
	*t = (struct ticker){ leat_now_ns() + every_ns, every_ns, 3 };
	return (struct leat_seq){ tick, NULL, t, sizeof(int64_t) };
}

/* Pulls from a seq: the ticker itself, or the receiver of a channel. */
static void print(const char *where, struct leat_seq seq)
{
	int64_t late_ns;

	while (seq.next(seq.state, &late_ns) == 1)
		printf("%s: a tick, %" PRId64 " us late\n", where, late_ns / 1000);
	if (seq.fini != NULL)
		seq.fini(seq.state);
}

int main(void)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts on_pool = { .chan.capacity = 1, .pool = pool };
	struct ticker pulled, threaded, pooled;
	struct leat_rx *rx;

	if (scope == NULL || pool == NULL)
		return 1;
	print("pulled", every(&pulled, 20000000));
	if (leat_gen_seq(scope, every(&threaded, 20000000), NULL, &rx) < 0)
		return 1;
	print("on a thread", leat_seq_from_rx(rx));
	if (leat_gen_seq(scope, every(&pooled, 20000000), &on_pool, &rx) < 0)
		return 1;
	print("on a pool", leat_seq_from_rx(rx));
	return leat_scope_close(scope) < 0 || leat_pool_close(pool) < 0;
}
