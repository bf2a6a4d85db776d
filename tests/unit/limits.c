/*
 * What a process that may have no more memory is told: an error, with nothing started and nothing
 * lost. The limit is on address space, which the sanitizers need without one, so this suite is not
 * built with them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <leat/diag.h>
#include <leat/gen.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Room for small blocks, and for no thread's stack. */
enum { ROOM = 1 << 20 };

static struct rlimit before;

static void limit(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	cr_assert_not_null(statm);
	cr_assert_eq(fscanf(statm, "%lu", &pages), 1);
	fclose(statm);
	cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
	struct rlimit now = { pages * (unsigned long)sysconf(_SC_PAGESIZE) + ROOM,
		              before.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_AS, &now), 0);
}

static void unlimit(void)
{
	cr_assert_eq(setrlimit(RLIMIT_AS, &before), 0);
}

static int one(struct leat_tx *out, void *arg)
{
	++*(int *)arg;
	return leat_send(out, &(uint64_t){ 1 });
}

Test(limits, a_generator_without_a_thread_was_not_started)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx = (struct leat_rx *)&before;
	int runs = 0, rc;
	uint64_t item;

	limit();
	rc = leat_gen(scope, one, &runs, sizeof(uint64_t), NULL, &rx);
	unlimit();
	cr_expect_eq(rc, -EAGAIN, "%d", rc);
	cr_expect_null(rx);
	cr_expect_eq(leat_scope_join(scope), 0, "nothing to wait for");
	cr_expect_eq(runs, 0);
	cr_assert_eq(leat_gen(scope, one, &runs, sizeof(uint64_t), NULL, &rx), 0,
	             "and the next try works");
	cr_expect_eq(leat_recv(rx, &item), 1);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(runs, 1);
}

Test(limits, a_channel_without_memory_was_not_opened)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);

	for (enum leat_kind kind = LEAT_SPSC; kind <= LEAT_MPMC; kind++) {
		struct leat_chan_opts opts = { .kind = kind, .capacity = 1 << 22 };
		struct leat_tx *tx = (struct leat_tx *)&before;
		struct leat_rx *rx = (struct leat_rx *)&before;
		int rc;

		limit();
		rc = leat_chan_open(scope, 64, &opts, &tx, &rx);
		unlimit();
		cr_expect_eq(rc, -ENOMEM, "kind %d: %d", kind, rc);
		cr_expect_null(tx);
		cr_expect_null(rx);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(limits, a_deadline_without_a_thread_opens_no_scope)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + INT64_C(1000000000000) };
	struct leat_scope *scope;

	limit();
	scope = leat_scope_open(NULL, &opts);
	unlimit();
	cr_expect_null(scope);
	scope = leat_scope_open(NULL, &opts);
	cr_assert_not_null(scope);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(limits, diagnostics_without_a_thread_do_not_start)
{
	struct leat_diag *diag;

	limit();
	diag = leat_diag_start(NULL);
	unlimit();
	cr_expect_null(diag);
	diag = leat_diag_start(NULL);
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
}
