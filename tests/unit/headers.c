/*
 * tests/unit/headers.c: the headers as a C program meets them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/base.h>
#include <leat/chan.h>
#include <leat/diag.h>
#include <leat/gen.h>
#include <leat/io.h>
#include <leat/merge.h>
#include <leat/scope.h>
#include <leat/select.h>

/* Twice does no harm. */
#include <leat/chan.h>
#include <leat/gen.h>

#include <criterion/criterion.h>
#include <time.h>

TestSuite(headers, .timeout = 600);

_Static_assert(LEAT_NEVER == INT64_MAX, "never");
_Static_assert(LEAT_NAME_MAX == 63 && LEAT_TEXT_MAX == 127, "names and texts");
_Static_assert(LEAT_PIN(0) == 1u && LEAT_PIN(7) == 8u,
               "0 is anywhere, so the first processor is 1");

/* Values that programs compiled against the contract have in them. */
_Static_assert(LEAT_SPSC == 0 && LEAT_MPSC == 1 && LEAT_SPMC == 2 && LEAT_MPMC == 3, "kinds");
_Static_assert(LEAT_WAIT_ADAPTIVE == 0 && LEAT_WAIT_SPIN == 1 && LEAT_WAIT_YIELD == 2 &&
                       LEAT_WAIT_PARK == 3,
               "waits");
_Static_assert(LEAT_BLOCK == 0 && LEAT_DROP_NEWEST == 1 && LEAT_DROP_OLDEST == 2, "overflow");
_Static_assert(LEAT_CASE_NONE == 0 && LEAT_CASE_SENDS == 1 && LEAT_CASE_RECEIVES == 2 &&
                       LEAT_CASE_POLLS == 3 && LEAT_CASE_CANCELS == 4,
               "cases");
_Static_assert(LEAT_BY_CHANCE == 0 && LEAT_BY_PRIORITY == 1, "orders");
_Static_assert(sizeof(struct leat_case) == 56, "leat_case: programs have arrays of it");
_Static_assert(LEAT_RUNNING == 0 && LEAT_COMPLETED == 1 && LEAT_CANCELED == 2 &&
                       LEAT_DEADLINE == 3 && LEAT_FAILED == 4 && LEAT_ABANDONED == 5,
               "causes");

/* New members are carved from `reserved`: sizes stay. */
_Static_assert(sizeof(struct leat_chan_opts) == 8 + 8 + 8 + 12 + 4 + 8 + 8 + 64, "leat_chan_opts");
_Static_assert(sizeof(struct leat_scope_opts) == 8 + 8 + 64, "leat_scope_opts");
_Static_assert(sizeof(struct leat_gen_opts) == sizeof(struct leat_chan_opts) + 16 + 64,
               "leat_gen_opts");
_Static_assert(sizeof(struct leat_diag_opts) == 40 + 64, "leat_diag_opts");
_Static_assert(sizeof(struct leat_seq) == 32, "leat_seq");

/* What the design names has the types that it gives. */
int (*open_)(struct leat_scope *, size_t, const struct leat_chan_opts *, struct leat_tx **,
             struct leat_rx **) = (leat_chan_open);
int (*send_)(struct leat_tx *, const void *) = (leat_send);
int (*send_until_)(struct leat_tx *, const void *, int64_t) = (leat_send_until);
int (*try_send_)(struct leat_tx *, const void *) = (leat_try_send);
ssize_t (*send_batch_)(struct leat_tx *, const void *, size_t) = (leat_send_batch);
ssize_t (*try_send_batch_)(struct leat_tx *, const void *, size_t) = (leat_try_send_batch);
int (*recv_)(struct leat_rx *, void *) = (leat_recv);
int (*recv_until_)(struct leat_rx *, void *, int64_t) = (leat_recv_until);
int (*try_recv_)(struct leat_rx *, void *) = (leat_try_recv);
ssize_t (*recv_batch_)(struct leat_rx *, void *, size_t) = (leat_recv_batch);
ssize_t (*try_recv_batch_)(struct leat_rx *, void *, size_t) = (leat_try_recv_batch);
ssize_t (*reserve_)(struct leat_tx *, size_t, void **) = leat_reserve;
int (*commit_)(struct leat_tx *, size_t) = leat_commit;
ssize_t (*peek_)(struct leat_rx *, size_t, const void **) = leat_peek;
int (*release_)(struct leat_rx *, size_t) = leat_release;
bool (*tx_done_)(const struct leat_tx *) = leat_tx_done;
struct leat_scope *(*tx_scope_)(const struct leat_tx *) = leat_tx_scope;
struct leat_scope *(*scope_open_)(struct leat_scope *,
                                  const struct leat_scope_opts *) = leat_scope_open;
void (*scope_cancel_)(struct leat_scope *, int, const char *) = leat_scope_cancel;
enum leat_cause (*scope_cause_)(const struct leat_scope *, int *, const char **) = leat_scope_cause;
int (*scope_join_)(struct leat_scope *) = leat_scope_join;
int (*scope_close_)(struct leat_scope *) = leat_scope_close;
int (*gen_)(struct leat_scope *, leat_gen_fn *, void *, size_t, const struct leat_gen_opts *,
            struct leat_rx **) = (leat_gen);
int (*gen_seq_)(struct leat_scope *, struct leat_seq, const struct leat_gen_opts *,
                struct leat_rx **) = (leat_gen_seq);
struct leat_seq (*seq_from_rx_)(struct leat_rx *) = leat_seq_from_rx;
int (*select_)(struct leat_case *, size_t, int64_t, enum leat_order) = leat_select;
int (*rx_fd_)(struct leat_rx *) = leat_rx_fd;
int (*rx_arm_)(struct leat_rx *) = leat_rx_arm;
int (*rx_disarm_)(struct leat_rx *) = leat_rx_disarm;
int (*tx_fd_)(struct leat_tx *) = leat_tx_fd;
int (*tx_arm_)(struct leat_tx *) = leat_tx_arm;
int (*tx_disarm_)(struct leat_tx *) = leat_tx_disarm;
struct leat_merge *(*merge_open_)(size_t) = leat_merge_open;
int (*merge_add_)(struct leat_merge *, struct leat_rx *, void *) = leat_merge_add;
int (*merge_recv_)(struct leat_merge *, void *, void **) = (leat_merge_recv);
int (*merge_recv_until_)(struct leat_merge *, void *, void **, int64_t) = (leat_merge_recv_until);
const struct leat_rx *(*merge_lane_)(const struct leat_merge *) = leat_merge_lane;
int (*merge_fd_)(struct leat_merge *) = leat_merge_fd;
int (*merge_arm_)(struct leat_merge *) = leat_merge_arm;
int (*merge_disarm_)(struct leat_merge *) = leat_merge_disarm;
void (*merge_close_)(struct leat_merge *) = leat_merge_close;
int (*tx_fail_)(struct leat_tx *, int, const char *) = leat_tx_fail;
int (*rx_status_)(const struct leat_rx *, enum leat_cause *, int *, const char **) = leat_rx_status;
struct leat_pool *(*pool_open_)(const struct leat_pool_opts *) = leat_pool_open;
int (*pool_close_)(struct leat_pool *) = leat_pool_close;
struct leat_diag *(*diag_start_)(const struct leat_diag_opts *) = leat_diag_start;
int (*diag_stop_)(struct leat_diag *) = leat_diag_stop;

Test(headers, the_clock_is_monotonic)
{
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	int64_t now_ns = leat_now_ns();
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_expect_geq(now_ns, before.tv_sec * INT64_C(1000000000) + before.tv_nsec);
	cr_expect_leq(now_ns, after.tv_sec * INT64_C(1000000000) + after.tv_nsec);
}

Test(headers, functions_work_by_address)
{
	struct leat_scope *scope = scope_open_(NULL, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint32_t item = 7;
	cr_assert_eq(open_(scope, sizeof(item), NULL, &tx, &rx), 0);
	cr_expect_eq(send_(tx, &item), 0);
	cr_expect_eq(try_send_(tx, &item), 0);
	cr_expect_eq(send_until_(tx, &item, 0), 0);
	item = 0;
	cr_expect_eq(recv_(rx, &item), 1);
	cr_expect_eq(item, 7);
	cr_expect_eq(try_recv_(rx, &item), 1);
	cr_expect_eq(recv_until_(rx, &item, 0), 1);
	cr_expect_eq(try_recv_(rx, &item), -EAGAIN);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(scope_close_(scope), 0);
}

/*
 * A member of an array of arrays, a qualified item, an expression with a conditional: the macros
 * take them all.
 */
Test(headers, macros_take_any_pointer)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	struct {
		uint32_t words[2][2];
	} table = { { { 1, 2 }, { 3, 4 } } };
	const uint64_t fixed = 9;
	uint64_t a = 1, b = 2, got[4];
	cr_assert_eq(leat_chan_open(scope, 8,
	                            &(struct leat_chan_opts){ .capacity = 8, .name = "x" }, &tx,
	                            &rx),
	             0);
	cr_expect_eq(leat_send(tx, &table.words[1]), 0);
	cr_expect_eq(leat_send(tx, &fixed), 0);
	cr_expect_eq(leat_send(tx, a < b ? &a : &b), 0);
	cr_expect_eq(leat_send_batch(tx, got, 0), 0);
	cr_expect_eq(leat_recv(rx, &table.words[0]), 1);
	cr_expect_eq(table.words[0][1], 4);
	cr_expect_eq(leat_recv(rx, got + 1), 1);
	cr_expect_eq(got[1], 9);
	cr_expect_eq(leat_recv(rx, got), 1);
	cr_expect_eq(got[0], 1);
	leat_tx_close(tx);
	leat_rx_close(rx);
	leat_scope_close(scope);
}

struct point {
	int x, y;
};

Test(headers, leat_for_nests)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx[2];
	struct leat_rx *rx[2];
	int pairs = 0;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(leat_chan_open(scope, sizeof(struct point), NULL, &tx[i], &rx[i]), 0);
		for (int n = 0; n < 3; n++)
			leat_send(tx[i], &(struct point){ n, i });
		leat_tx_close(tx[i]);
	}
	leat_for(struct point, outer, rx[0])
		leat_for(struct point, inner, rx[1])
			if (inner.x == outer.x)
				pairs++;
			else
				break;
	cr_expect_eq(pairs, 1);
	for (int i = 0; i < 2; i++)
		leat_rx_close(rx[i]);
	leat_scope_close(scope);
}
