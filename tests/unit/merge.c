/*
 * tests/unit/merge.c: one receiver over many channels.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "braid.h"
#include "clock.h"

#include <leat/gen.h>
#include <signal.h>
#include <sys/epoll.h>

#include "runtime/chan/chan.h"
#include "runtime/chan/rx_ops.h"

TestSuite(merge, .timeout = 600);

Test(merge, bad_arguments_are_refused)
{
	struct pipe pipe = pipe_open(NULL);
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t)), *other = leat_merge_open(4);
	uint64_t item = 1;
	const void *there;
	cr_expect_null(leat_merge_open(0));
	cr_expect_eq(leat_merge_add(NULL, pipe.rx, NULL), -EINVAL);
	cr_expect_eq(leat_merge_add(merge, NULL, NULL), -EINVAL);
	cr_expect_eq(leat_merge_add(other, pipe.rx, NULL), -EINVAL);
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
	cr_expect_eq(leat_merge_add(merge, pipe.rx, NULL), -EBUSY);
	cr_assert_eq(leat_release(pipe.rx, 1), 0);
	cr_expect_eq(leat_merge_recv(NULL, &item, NULL), -EINVAL);
	cr_expect_eq(leat_merge_recv(merge, (uint64_t *)NULL, NULL), -EINVAL);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), -ENOENT);
	cr_expect_eq(leat_merge_recv_until(merge, &item, NULL, 0), -ENOENT);
	cr_expect_null(leat_merge_lane(merge));
	cr_expect_null(leat_merge_lane(NULL));
	leat_merge_close(NULL);
	leat_merge_close(merge);
	leat_merge_close(other);
	pipe_close(&pipe);
}

Test(merge, another_size_stops_the_program, .signal = SIGABRT)
{
	uint32_t item;
	leat_merge_recv(leat_merge_open(8), &item, NULL);
}

Test(merge, every_item_once_with_its_tag_and_in_order)
{
	for_each_kind(kind) {
		struct braid *b =
			braid_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 200 });
		uint64_t item, next[LANES] = { 0 }, sent = 0;
		void *tag;
		for (int i = 0; i < LANES; i++)
			for (uint64_t n = 0; n < 150u + (unsigned)i; n++, sent++)
				cr_assert_eq(leat_send(b->tx[i], &n), 0);
		for (uint64_t n = 0; n < sent; n++) {
			cr_assert_eq(leat_merge_recv(b->merge, &item, &tag), 1);
			cr_expect_eq(item, next[*(int *)tag]++, "%s", kind_names[kind]);
		}
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, &tag, 0), -ETIMEDOUT);
		for (int i = 0; i < LANES; i++)
			cr_expect_eq(next[i], 150u + (unsigned)i);
		braid_close(b);
	}
}

/* A lane that is always full does not keep the others waiting for longer than its turn. */
Test(merge, served_in_turn)
{
	struct braid *b = braid_open(&(struct leat_chan_opts){ .capacity = 1000 });
	uint64_t item = 0, counts[LANES] = { 0 };
	void *tag;
	for (int i = 0; i < LANES; i++)
		while (leat_try_send(b->tx[i], &item) == 0)
			;
	for (int n = 0; n < 100 * LANES; n++) {
		cr_assert_eq(leat_merge_recv(b->merge, &item, &tag), 1);
		counts[*(int *)tag]++;
		cr_assert_eq(leat_send(b->tx[*(int *)tag], &item), 0);
	}
	for (int i = 0; i < LANES; i++)
		cr_expect(counts[i] >= 50 && counts[i] <= 150, "lane %d: %lu", i, counts[i]);
	braid_close(b);
}

Test(merge, a_lane_ends_once_after_its_last_item)
{
	for_each_kind(kind) {
		struct braid *b = braid_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t item = 3;
		void *tag = NULL;
		int ended = 0, got = 0, r;
		for (int i = 0; i < LANES; i++) {
			cr_assert_eq(leat_send(b->tx[i], &item), 0);
			end_lane(b, i);
		}
		while ((r = leat_merge_recv(b->merge, &item, &tag)) != -ENOENT) {
			cr_assert(r == 0 || r == 1);
			got += r == 1;
			if (r == 0) {
				enum leat_cause cause;
				cr_expect_eq(tag, &b->places[*(int *)tag]);
				cr_expect_eq(leat_rx_status(leat_merge_lane(b->merge), &cause, NULL,
				                            NULL),
				             0);
				cr_expect_eq(cause, LEAT_COMPLETED);
				ended++;
			}
		}
		cr_expect_null(leat_merge_lane(b->merge));
		cr_expect_eq(got, LANES);
		cr_expect_eq(ended, LANES);
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, &tag, leat_now_ns() + MS),
		             -ENOENT);
		braid_close(b);
	}
}

Test(merge, the_rest_goes_on_when_a_lane_has_ended)
{
	struct braid *b = braid_open(NULL);
	uint64_t item = 1;
	void *tag;
	for (int i = 0; i < LANES - 1; i++) {
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, &tag, leat_now_ns() + MS / 10),
		             -ETIMEDOUT);
		end_lane(b, i);
		cr_expect_eq(leat_merge_recv(b->merge, &item, &tag), 0);
		cr_expect_eq(tag, &b->places[i]);
		cr_assert_eq(leat_send(b->tx[LANES - 1], &item), 0);
		cr_expect_eq(leat_merge_recv(b->merge, &item, &tag), 1);
		cr_expect_eq(tag, &b->places[LANES - 1]);
	}
	braid_close(b);
}

Test(merge, a_cancel_ends_each_lane)
{
	struct braid *b = braid_open(NULL);
	uint64_t item = 1;
	unsigned told = 0;
	cr_assert_eq(leat_send(b->tx[2], &item), 0);
	leat_scope_cancel(b->scope, 0, NULL);
	for (int i = 0; i < LANES; i++) {
		void *tag;
		enum leat_cause cause;
		cr_expect_eq(leat_merge_recv(b->merge, &item, &tag), -ECANCELED);
		cr_expect_eq(leat_rx_status(leat_merge_lane(b->merge), &cause, NULL, NULL), 0);
		cr_expect_eq(cause, LEAT_CANCELED);
		told |= 1u << *(int *)tag;
	}
	cr_expect_eq(told, (1u << LANES) - 1);
	cr_expect_eq(leat_merge_recv(b->merge, &item, NULL), -ENOENT);
	braid_close(b);
}

static int fails(struct leat_tx *out, void *arg)
{
	uint64_t item = 1;
	(void)arg;
	leat_send(out, &item);
	return leat_tx_fail(out, -EIO, "disk gone");
}

Test(merge, a_generator_that_failed_says_so)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	struct leat_rx *rx;
	uint64_t item;
	int code;
	const char *text;
	cr_assert_eq(leat_gen(scope, fails, NULL, sizeof(item), NULL, &rx), 0);
	cr_assert_eq(leat_merge_add(merge, rx, NULL), 0);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), 1);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), 0);
	cr_expect_eq(leat_rx_status(leat_merge_lane(merge), NULL, &code, &text), 0);
	cr_expect_eq(code, -EIO);
	cr_expect_str_eq(text, "disk gone");
	leat_merge_close(merge);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(merge, a_send_wakes_it)
{
	for_each_kind(kind)
		for_each_wait(wait)
			for (int i = 0; i < LANES; i++) {
				struct braid *b = braid_open(&(struct leat_chan_opts){
					.kind = kind, .recv_wait = wait });
				struct waiter w = { 0 };
				uint64_t item = 8;
				waiter_start(&w, b->merge);
				cr_assert(await_parked(&w.tid));
				cr_assert_eq(leat_send(b->tx[i], &item), 0);
				cr_expect_eq(waiter_join(&w), 1);
				cr_expect_eq(w.item, 8);
				cr_expect_eq(w.tag, &b->places[i]);
				braid_close(b);
			}
}

Test(merge, a_close_and_a_cancel_wake_it)
{
	for (int cancel = 0; cancel < 2; cancel++) {
		struct braid *b = braid_open(NULL);
		struct waiter w = { 0 };
		waiter_start(&w, b->merge);
		cr_assert(await_parked(&w.tid));
		if (cancel)
			leat_scope_cancel(b->scope, 0, NULL);
		else
			end_lane(b, 1);
		cr_expect_eq(waiter_join(&w), cancel ? -ECANCELED : 0);
		braid_close(b);
	}
}

Test(merge, a_new_lane_wakes_it)
{
	struct braid *b = braid_open(NULL);
	struct pipe pipe = pipe_open(NULL);
	struct waiter w = { 0 };
	uint64_t item = 4;
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	waiter_start(&w, b->merge);
	cr_assert(await_parked(&w.tid));
	cr_expect_eq(leat_merge_add(b->merge, pipe.rx, &pipe), 0);
	cr_expect_eq(waiter_join(&w), 1);
	cr_expect_eq(w.item, 4);
	cr_expect_eq(w.tag, &pipe);
	braid_close(b);
	pipe.rx = NULL;
	cr_expect_eq(leat_send(pipe.tx, &item), -EPIPE);
	pipe_close(&pipe);
}

Test(merge, its_deadline_ends_the_wait)
{
	struct braid *b = braid_open(NULL);
	uint64_t item = 2;
	static const int64_t passed[] = { 0, -1, INT64_MIN, 1 };
	for (int times = 0; times < 3; times++) {
		int64_t until_ns = leat_now_ns() + 2 * MS;
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, until_ns), -ETIMEDOUT);
		cr_expect_geq(leat_now_ns(), until_ns);
	}
	for (size_t i = 0; i < COUNT(passed); i++) {
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, passed[i]), -ETIMEDOUT);
		cr_assert_eq(leat_send(b->tx[i], &item), 0);
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, passed[i]), 1);
	}
	braid_close(b);
}

Test(merge, the_deadline_of_a_scope_ends_its_lanes)
{
	clock_start();
	struct braid *b = braid_open(NULL);
	uint64_t item;
	void *tag;
	for (int times = 1; times <= 2; times++) {
		struct leat_scope *soon = leat_scope_open(
			b->scope,
			&(struct leat_scope_opts){ .deadline_ns = leat_now_ns() + 100 * MS });
		struct leat_tx *tx;
		struct leat_rx *rx;
		cr_assert_eq(leat_chan_open(soon, sizeof(item), NULL, &tx, &rx), 0);
		cr_assert_eq(leat_merge_add(b->merge, rx, soon), 0);
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, &tag, 0), -ETIMEDOUT);
		clock_advance(100 * MS);
		cr_expect_eq(leat_merge_recv(b->merge, &item, &tag), -ECANCELED);
		cr_expect_eq(tag, soon);
		leat_tx_close(tx);
		/* closes the lane */
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, &tag, 0), -ETIMEDOUT);
		cr_expect_eq(leat_scope_close(soon), -ETIMEDOUT);
	}
	braid_close(b);
}

/*
 * While it stands armed its senders find it asleep, and its receiver waits; and what it has is the
 * merge's to discard.
 */
Test(merge, books)
{
	struct braid *b = braid_open(&(struct leat_chan_opts){ .capacity = 4 });
	struct leat_chan *chan = leat_chan_of(leat_handle_of_tx(b->tx[0]));
	struct leat_chan_stat stat;
	uint64_t item = 1;
	cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, leat_now_ns() + 200 * MS),
	             -ETIMEDOUT);
	leat_chan_read_stat(chan, &stat);
	cr_expect_geq(stat.recv_blocked_ns, (uint64_t)MS);
	cr_expect_eq(stat.recv_parks, 1);
	cr_assert_eq(leat_send(b->tx[0], &item), 0);
	cr_assert_eq(leat_send(b->tx[0], &item), 0);
	cr_expect_eq(leat_merge_recv(b->merge, &item, NULL), 1);
	leat_chan_read_stat(chan, &stat);
	cr_expect_eq(stat.delivered, 1);
	cr_expect_eq(stat.in_flight, 1);
	leat_merge_close(b->merge);
	b->merge = NULL;
	leat_chan_read_stat(chan, &stat);
	cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 1);
	cr_expect_eq(leat_send(b->tx[0], &item), -EPIPE);
	braid_close(b);
}

/*
 * Clones of one channel in two merges and a plain receiver: news that one of them leaves behind
 * reaches another.
 */
Test(merge, news_that_is_not_taken_goes_on)
{
	for (int times = 0; times < 200; times++) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .kind = LEAT_MPMC, .recv_wait = LEAT_WAIT_PARK });
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct caller plain = { .op = OP_RECV, .rx = pipe.rx };
		uint64_t item = 1;
		cr_assert_eq(leat_merge_add(merge, leat_rx_clone(pipe.rx), NULL), 0);
		cr_assert_eq(leat_merge_recv_until(merge, &item, NULL, leat_now_ns() + MS / 100),
		             -ETIMEDOUT);
		caller_start(&plain);
		cr_assert(await_parked(&plain.tid));
		/* tells the lane, which stood there first */
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		leat_merge_close(merge);
		cr_expect_eq(caller_join(&plain), 1);
		pipe_close(&pipe);
	}
}

/* Lanes by the thousand, items here and there, added and ended on the way by another thread. */
enum { MANY = 3000, EACH = 5 };

struct many {
	struct leat_scope *scope;
	struct leat_merge *merge;
	uint64_t next[MANY];
	int faults;
};

static void *feeds_many(void *arg)
{
	struct many *m = arg;
	struct leat_tx **tx = calloc(MANY, sizeof(*tx));
	for (size_t i = 0; i < MANY; i++) {
		struct leat_rx *rx;
		m->faults +=
			leat_chan_open(m->scope, 8, &(struct leat_chan_opts){ .capacity = EACH },
		                       &tx[i], &rx) != 0;
		m->faults += leat_merge_add(m->merge, rx, &m->next[i]) != 0;
	}
	for (uint64_t n = 0; n < EACH; n++)
		for (size_t k = 0; k < MANY; k++)
			m->faults += leat_send(tx[k * 1009 % MANY], &n) != 0;
	for (size_t i = 0; i < MANY; i++)
		leat_tx_close(tx[i]);
	free(tx);
	return NULL;
}

static int waits(struct leat_merge *merge, uint64_t *item, void **tag, int epoll)
{
	(void)epoll;
	return leat_merge_recv(merge, item, tag);
}

static int waits_in_epoll(struct leat_merge *merge, uint64_t *item, void **tag, int epoll)
{
	struct epoll_event event;
	int r;
	while ((r = leat_merge_recv_until(merge, item, tag, 0)) == -ETIMEDOUT)
		if (leat_merge_arm(merge) == 0)
			cr_assert_eq(epoll_wait(epoll, &event, 1, (int)(PATIENCE_NS / MS)), 1);
	return r;
}

static void receive_many(int (*receive)(struct leat_merge *, uint64_t *, void **, int))
{
	struct many *m = calloc(1, sizeof(*m));
	struct pipe keeps = pipe_open(NULL); /* so that there is a lane to wait for */
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), ended = 0;
	pthread_t thread;
	uint64_t item;
	m->scope = leat_scope_open(NULL, NULL);
	m->merge = leat_merge_open(sizeof(uint64_t));
	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, leat_merge_fd(m->merge), &event), 0);
	cr_assert_eq(leat_merge_add(m->merge, keeps.rx, NULL), 0);
	cr_assert_eq(pthread_create(&thread, NULL, feeds_many, m), 0);
	while (ended < MANY) {
		void *tag;
		int r = receive(m->merge, &item, &tag, epoll);
		uint64_t *next = tag;
		cr_assert(r == 0 || r == 1, "%d", r);
		if (r == 1)
			cr_assert_eq(item, (*next)++);
		else
			cr_assert_eq(*next, EACH);
		ended += r == 0;
	}
	pthread_join(thread, NULL);
	cr_expect_eq(m->faults, 0);
	close(epoll);
	leat_merge_close(m->merge);
	keeps.rx = NULL;
	pipe_close(&keeps);
	cr_expect_eq(leat_scope_close(m->scope), 0);
	free(m);
}

Test(merge, lanes_by_the_thousand)
{
	receive_many(waits);
}

Test(merge, lanes_by_the_thousand_in_an_epoll_loop)
{
	receive_many(waits_in_epoll);
}

/*
 * Two merges with a lane each of one channel: the one that was told in vain is told first next
 * time.
 */
Test(merge, one_that_lost_is_told_first)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	uint64_t item = 1;
	for (int lost = 0; lost < 2; lost++) {
		struct leat_merge *merges[2];
		int fds[2];
		for (int i = 0; i < 2; i++) {
			merges[i] = leat_merge_open(sizeof(uint64_t));
			cr_assert_eq(leat_merge_add(merges[i], leat_rx_clone(pipe.rx), NULL), 0);
			fds[i] = leat_merge_fd(merges[i]);
			cr_assert_eq(leat_merge_arm(merges[i]), 0);
		}
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		cr_assert(readable(fds[0]) && !readable(fds[1]));
		if (lost)
			cr_assert_eq(leat_try_recv(pipe.rx, &item), 1);
		cr_expect_eq(leat_merge_recv_until(merges[0], &item, NULL, 0),
		             lost ? -ETIMEDOUT : 1);
		cr_assert_eq(leat_merge_arm(merges[0]), 0);
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		cr_expect_eq(readable(fds[0]), lost == 1);
		cr_expect_eq(readable(fds[1]), lost == 0);
		cr_assert_eq(leat_try_recv(pipe.rx, &item), 1);
		leat_merge_close(merges[0]);
		leat_merge_close(merges[1]);
	}
	pipe_close(&pipe);
}

/*
 * Lanes that count how often they are asked for their scope, each of a scope with a deadline of its
 * own.
 */
enum { TIMED = 200 };

struct timed_rx {
	struct leat_rx rx; /* first */
	struct leat_rx_ops_word word;
	struct leat_scope *scope;
};

static size_t scopes_asked, timed_closed;

static struct leat_scope *timed_scope(const struct leat_rx *rx)
{
	scopes_asked++;
	return ((const struct timed_rx *)(const void *)rx)->scope;
}

static int timed_check(struct leat_rx *rx, const void *items, size_t size, const char *call)
{
	(void)rx, (void)items, (void)size, (void)call;
	return 0;
}

static int timed_attempt(struct leat_rx *rx, void *item)
{
	(void)item;
	return leat_scope_cause(((struct timed_rx *)(void *)rx)->scope, NULL, NULL) == LEAT_RUNNING
	               ? -EAGAIN
	               : -ECANCELED;
}

/* So that no lane is armed: the merge looks at them and at the clock until they end. */
static bool timed_ready(struct leat_rx *rx)
{
	(void)rx;
	return true;
}

static bool timed_stand(struct leat_rx *rx, struct leat_waiter *waiter)
{
	(void)rx, (void)waiter;
	return false;
}

static enum leat_wait timed_policy(const struct leat_rx *rx)
{
	(void)rx;
	return LEAT_WAIT_ADAPTIVE;
}

static struct leat_rx_waits *timed_waits(struct leat_rx *rx, bool make)
{
	(void)rx, (void)make;
	return NULL;
}

static void timed_close(struct leat_rx *rx)
{
	timed_closed += rx != NULL;
}

static const struct leat_rx_ops timed_functions = {
	.close = timed_close,
	.check = timed_check,
	.attempt = timed_attempt,
	.ready = timed_ready,
	.add_waiter = timed_stand,
	.remove_waiter = timed_stand,
	.policy = timed_policy,
	.scope = timed_scope,
	.waits = timed_waits,
};

Test(merge, each_deadline_visits_the_lanes_that_it_ends)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL);
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	struct timed_rx *lanes = calloc(TIMED, sizeof(*lanes));
	int64_t from_ns = leat_now_ns() + 20 * MS;
	uint64_t item;
	for (int i = 0; i < TIMED; i++) {
		lanes[i].word = (struct leat_rx_ops_word){ LEAT_CTL_RX_OPS, &timed_functions };
		lanes[i].rx.ctl = &lanes[i].word.ctl;
		lanes[i].rx.spsc.item_size = sizeof(uint64_t);
		lanes[i].scope = leat_scope_open(
			root, &(struct leat_scope_opts){ .deadline_ns = from_ns + i * MS });
		cr_assert_eq(leat_merge_add(merge, &lanes[i].rx, NULL), 0);
	}
	for (int i = 0; i < TIMED; i++)
		cr_assert_eq(leat_merge_recv(merge, &item, NULL), -ECANCELED);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), -ENOENT);
	cr_expect_leq(scopes_asked, 4 * TIMED, "%zu", scopes_asked);
	leat_merge_close(merge);
	cr_expect_eq(timed_closed, TIMED);
	for (int i = 0; i < TIMED; i++)
		leat_scope_close(lanes[i].scope);
	cr_expect_eq(leat_scope_close(root), 0);
	free(lanes);
}

static int receive_in_step(void *state, void *item)
{
	struct braid *b = state;
	uint64_t got;
	int rc = leat_merge_recv(b->merge, &got, NULL);
	memcpy(item, &rc, sizeof(rc));
	return 1;
}

Test(merge, would_wait_in_a_step_is_refused)
{
	struct braid *b = braid_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_seq seq = { receive_in_step, NULL, b, sizeof(int) };
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 1 };
	struct leat_rx *rx;
	int rc;
	cr_assert_eq(leat_gen_seq(scope, seq, &opts, &rx), 0);
	cr_expect_eq(leat_recv(rx, &rc), 1);
	cr_expect_eq(rc, -EDEADLK);
	leat_rx_close(rx);
	leat_scope_close(scope);
	leat_pool_close(pool);
	braid_close(b);
}
