/*
 * tests/unit/testkit_census.c: the census of leat/test.h finds each kind of thing that is left, and
 * names it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/leat.h>

#include "runtime/os/os.h"
#include "testkit/testkit.h"

#include <fcntl.h>

TestSuite(testkit_census, .timeout = 600);

static struct leat_census before;
static char text[600];

/* What a test has left on purpose does not go away. */
static unsigned count_left(void)
{
	leat_kit_patience_ns = 100 * MS;
	return leat_census_left(&before, text, sizeof(text));
}

static unsigned count_none(void)
{
	leat_kit_patience_ns = PATIENCE_NS;
	return leat_census_left(&before, text, sizeof(text));
}

static void expect_words(const char *words)
{
	cr_expect(strstr(text, words) != NULL, "\"%s\" is not in \"%s\"", words, text);
}

Test(testkit_census, nothing_is_left_of_what_was_closed)
{
	leat_census_take(&before);
	struct pipe pipe = pipe_open(NULL);
	pipe_close(&pipe);
	cr_expect_eq(count_none(), 0);
	cr_expect_str_eq(text, "");
}

Test(testkit_census, channels_and_scopes_are_named)
{
	struct leat_scope *old = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "old" });
	struct leat_scope *scope, *inner;
	struct leat_tx *tx;
	struct leat_rx *rx;

	leat_census_take(&before);
	scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "server" });
	inner = leat_scope_open(scope, NULL);
	cr_assert_eq(leat_chan_open(old, 4, &(struct leat_chan_opts){ .name = "orders" }, &tx, &rx),
	             0);
	cr_expect_geq(count_left(), 3);
	expect_words("left behind: 1 channel (orders); 2 scopes (server); ");
	expect_words(" bytes of memory in ");
	cr_expect_null(strstr(text, "old"), "it was there before");
	leat_tx_close(tx);
	leat_rx_close(rx);
	leat_scope_close(inner);
	cr_expect_eq(count_left(), 2);
	expect_words("left behind: 1 scope (server); ");
	leat_scope_close(scope);
	cr_expect_eq(count_none(), 0);
	leat_scope_close(old);
	cr_expect_eq(count_none(), 0, "less than before is not left");
}

static int until_cancelled(struct leat_tx *tx, void *arg)
{
	(void)arg;
	for (uint64_t n = 0;; n++) {
		int rc = leat_send(tx, &n);
		if (rc < 0)
			return rc;
	}
}

Test(testkit_census, generators_threads_and_pools_are_named)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool;
	struct leat_rx *rx;

	leat_census_take(&before);
	cr_assert_eq(leat_gen(scope, until_cancelled, NULL, 8,
	                      &(struct leat_gen_opts){ .chan.name = "parser" }, &rx),
	             0);
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .name = "crew" });
	cr_assert_not_null(pool);
	cr_expect_geq(count_left(), 6);
	expect_words("left behind: 3 threads (");
	expect_words("1 generator (parser)");
	expect_words("1 pool (crew)");
	expect_words("crew/0");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
	cr_expect_eq(count_none(), 0, "%s", text);
}

Test(testkit_census, descriptors_are_named_as_proc_names_them)
{
	int fds[2], high;

	leat_census_take(&before);
	cr_assert_eq(pipe(fds), 0);
	cr_expect_eq(count_left(), 2);
	expect_words("left behind: 2 descriptors (pipe:[");
	high = fcntl(fds[0], F_DUPFD_CLOEXEC, LEAT_CENSUS_FDS);
	if (high >= 0) {
		cr_expect_eq(count_left(), 3);
		close(high);
	}
	close(fds[0]);
	close(fds[1]);
	cr_expect_eq(count_none(), 0);
}

Test(testkit_census, a_thread_of_the_program_is_found)
{
	struct pipe pipe = pipe_open(NULL);
	struct caller caller = { .op = OP_RECV, .rx = pipe.rx };

	leat_census_take(&before);
	caller_start(&caller);
	cr_expect_eq(count_left(), 1);
	expect_words("left behind: 1 thread (");
	cr_expect_eq(leat_send(pipe.tx, &caller.value), 0);
	cr_expect_eq(caller_join(&caller), 1);
	cr_expect_eq(count_none(), 0);
	pipe_close(&pipe);
}

Test(testkit_census, bytes_are_those_that_were_asked_for)
{
	struct leat_census now;
	char *memory, *pages;

	leat_census_take(&before);
	memory = leat_os_alloc(1000, 64);
	pages = leat_os_pages(1 << 20);
	leat_census_take(&now);
	cr_expect_eq(now.bytes - before.bytes, 1000 + (1 << 20));
	cr_expect_eq(now.blocks - before.blocks, 2);
	memory = leat_os_grow(memory, 1000, 5000, 64);
	cr_assert_not_null(memory);
	cr_expect_eq((uintptr_t)memory % 64, 0);
	leat_os_pages_free(pages, 1 << 20);
	cr_expect_eq(count_left(), 1);
	cr_expect_str_eq(text, "left behind: 5000 bytes of memory in 1 blocks");
	leat_os_free(memory);
	cr_expect_eq(count_none(), 0);
}

Test(testkit_census, a_text_without_room_is_cut)
{
	struct leat_scope *scope;
	char small[12];

	leat_census_take(&before);
	scope = leat_scope_open(NULL, NULL);
	cr_expect_eq(count_left(), 2);
	cr_expect_eq(leat_census_left(&before, small, sizeof(small)), 2);
	cr_expect_str_eq(small, "left behind");
	cr_expect_eq(leat_census_left(&before, NULL, 0), 2);
	leat_scope_close(scope);
}
