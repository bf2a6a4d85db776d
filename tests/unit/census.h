/*
 * tests/unit/census.h: what several suites need: which threads there are, which of them are parked,
 * what became of each item. A suite need not check that a test leaves nothing behind: every.c does
 * that for each test.
 *
 * A thread that a test starts never asserts. The test joins the thread, and then judges what the
 * thread saw.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_CENSUS_H
#define LEAT_TEST_CENSUS_H

#include "tests/census.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <leat/atomic.h>
#include <leat/chan.h>
#include <leat/gen.h>
#include <leat/scope.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS INT64_C(1000000)

/* Long enough for an overloaded machine; a test that needs all of it has failed. */
#define PATIENCE_NS (INT64_C(20000) * MS)

/* Which threads there are. A joined thread is in /proc for a moment longer. */

static UNUSED bool census_settles_at(int threads)
{
	int64_t patience_ns = leat_now_ns() + 3000 * MS;
	while (census_threads() > threads) {
		if (leat_now_ns() > patience_ns)
			return false;
		sched_yield();
	}
	return true;
}

/* Which threads are parked */

static UNUSED uint32_t own_tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static UNUSED bool read_task(uint32_t tid, const char *file, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%u/%s", tid, file);
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return false;
	size_t n = fread(text, 1, size - 1, stream);
	text[n] = '\0';
	fclose(stream);
	return n > 0;
}

/* The thread sleeps in the kernel; in futex(2), if the kernel shows which call it is in. */
static UNUSED bool is_parked(uint32_t tid)
{
	char text[512];
	if (!read_task(tid, "stat", text, sizeof(text)))
		return false;
	const char *state = strrchr(text, ')');
	if (state == NULL || state[1] == '\0' || state[2] != 'S')
		return false;
	return !read_task(tid, "syscall", text, sizeof(text)) ||
	       strtol(text, NULL, 10) == SYS_futex;
}

/* A thread publishes its *tid just before the call that is to park. */
static UNUSED bool await_parked(uint32_t *tid)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	while (leat_load_acq(tid) == 0 || !is_parked(leat_load_acq(tid))) {
		if (leat_now_ns() > patience_ns)
			return false;
		sched_yield();
	}
	return true;
}

/* A flag or a count that another thread raises. */
static UNUSED bool await_word(uint32_t *word, uint32_t least)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	while (leat_load_acq(word) < least) {
		if (leat_now_ns() > patience_ns)
			return false;
		sched_yield();
	}
	return true;
}

/* Returns the processor time of a thread of this process in clock ticks; -1 if it has ended. */
static UNUSED long cpu_ticks(uint32_t tid)
{
	char text[512];
	unsigned long user, system;
	if (!read_task(tid, "stat", text, sizeof(text)) || strrchr(text, ')') == NULL)
		return -1;
	if (sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	           &user, &system) != 2)
		return -1;
	return (long)(user + system);
}

/* Whether a descriptor is readable */

static UNUSED bool readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLIN);
}

static UNUSED bool becomes_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	return poll(&pollfd, 1, (int)(PATIENCE_NS / MS)) == 1;
}

/* From now on no descriptor can be opened, until the caller sets the limit that this returns. */
static UNUSED struct rlimit refuse_descriptors(void)
{
	struct rlimit before, none;
	int free_fd = dup(0);
	close(free_fd);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)free_fd;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

/* Channels of each kind */

static const char *const kind_names[] UNUSED = { "spsc", "mpsc", "spmc", "mpmc" };
static const char *const wait_names[] UNUSED = { "adaptive", "spin", "yield", "park" };

#define for_each_kind(kind) for (enum leat_kind kind = LEAT_SPSC; kind <= LEAT_MPMC; kind++)
#define for_each_drop(overflow) \
	for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST; \
	     overflow++)
#define for_each_wait(wait) \
	for (enum leat_wait wait = LEAT_WAIT_ADAPTIVE; wait <= LEAT_WAIT_PARK; wait++)

static UNUSED bool tx_is_multiple(enum leat_kind kind)
{
	return kind == LEAT_MPSC || kind == LEAT_MPMC;
}

static UNUSED bool rx_is_multiple(enum leat_kind kind)
{
	return kind == LEAT_SPMC || kind == LEAT_MPMC;
}

/* A channel of uint64_t in a scope of its own. Most tests need one. */
struct pipe {
	struct leat_scope *scope;
	struct leat_tx *tx;
	struct leat_rx *rx;
};

static UNUSED struct pipe pipe_open_sized(size_t item_size, const struct leat_chan_opts *opts)
{
	struct pipe pipe = { .scope = leat_scope_open(NULL, NULL) };
	cr_assert_not_null(pipe.scope);
	cr_assert_eq(leat_chan_open(pipe.scope, item_size, opts, &pipe.tx, &pipe.rx), 0);
	cr_assert_not_null(pipe.tx);
	cr_assert_not_null(pipe.rx);
	return pipe;
}

static UNUSED struct pipe pipe_open(const struct leat_chan_opts *opts)
{
	return pipe_open_sized(sizeof(uint64_t), opts);
}

static UNUSED void pipe_close(struct pipe *pipe)
{
	leat_tx_close(pipe->tx);
	leat_rx_close(pipe->rx);
	cr_assert_eq(leat_scope_close(pipe->scope), 0);
}

static UNUSED uint64_t fill(struct leat_tx *tx)
{
	uint64_t n = 0;
	while (leat_try_send(tx, &n) == 0)
		n++;
	return n;
}

/* What became of each item. An item is a uint64_t, the index of its own entry here. */

#define LEDGER_ITEMS 65536
struct ledger {
	uint32_t accepted[LEDGER_ITEMS], received[LEDGER_ITEMS], discarded[LEDGER_ITEMS];
	uint32_t discards; /* all of them */
};

static UNUSED void ledger_discard(void *item, void *arg)
{
	struct ledger *ledger = arg;
	uint64_t n;
	memcpy(&n, item, sizeof(n));
	if (n < LEDGER_ITEMS)
		leat_add_rlx(&ledger->discarded[n], 1u);
	leat_add_rlx(&ledger->discards, 1u);
}

static UNUSED void ledger_accept(struct ledger *ledger, uint64_t n)
{
	leat_add_rlx(&ledger->accepted[n], 1u);
}

static UNUSED void ledger_receive(struct ledger *ledger, uint64_t n)
{
	if (n < LEDGER_ITEMS)
		leat_add_rlx(&ledger->received[n], 1u);
}

/*
 * Returns how many items were accepted, and not received or discarded exactly once, or received
 * without having been accepted.
 */
static UNUSED unsigned ledger_faults(struct ledger *ledger)
{
	unsigned faults = 0;
	for (size_t n = 0; n < LEDGER_ITEMS; n++)
		faults +=
			leat_load_acq(&ledger->accepted[n]) !=
			leat_load_acq(&ledger->received[n]) + leat_load_acq(&ledger->discarded[n]);
	return faults;
}

static UNUSED unsigned ledger_received(struct ledger *ledger)
{
	unsigned sum = 0;
	for (size_t n = 0; n < LEDGER_ITEMS; n++)
		sum += leat_load_acq(&ledger->received[n]);
	return sum;
}

/* One of several threads that send or receive */

struct party {
	pthread_t thread;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t who;
	uint64_t sum, count, disorder;
	ssize_t last;
};

/* One call that may wait, on a thread of its own */

enum op {
	OP_SEND,
	OP_SEND_UNTIL,
	OP_SEND_BATCH,
	OP_RESERVE,
	OP_SENDS,
	OP_RECV = OP_SENDS,
	OP_RECV_UNTIL,
	OP_RECV_BATCH,
	OP_PEEK,
	OPS
};
static const char *const op_names[] UNUSED = { "send", "send_until", "send_batch", "reserve",
	                                       "recv", "recv_until", "recv_batch", "peek" };

struct caller {
	pthread_t thread;
	uint32_t tid; /* published just before the call */
	enum op op;
	struct leat_tx *tx;
	struct leat_rx *rx;
	int64_t deadline_ns;
	uint64_t value; /* sent, or received */
	ssize_t rc;
	int errno_after;
	int64_t done_ns;
};

static UNUSED ssize_t caller_call(struct caller *caller)
{
	void *room;
	const void *there;
	ssize_t rc;
	switch (caller->op) {
	case OP_SEND:
		return leat_send(caller->tx, &caller->value);
	case OP_SEND_UNTIL:
		return leat_send_until(caller->tx, &caller->value, caller->deadline_ns);
	case OP_SEND_BATCH:
		return leat_send_batch(caller->tx, &caller->value, 1);
	case OP_RESERVE:
		rc = leat_reserve(caller->tx, 1, &room);
		if (rc > 0) {
			memcpy(room, &caller->value, sizeof(caller->value));
			return leat_commit(caller->tx, 1) == 0 ? rc : -EPROTO;
		}
		return rc;
	case OP_RECV:
		return leat_recv(caller->rx, &caller->value);
	case OP_RECV_UNTIL:
		return leat_recv_until(caller->rx, &caller->value, caller->deadline_ns);
	case OP_RECV_BATCH:
		return leat_recv_batch(caller->rx, &caller->value, 1);
	case OP_PEEK:
		rc = leat_peek(caller->rx, 1, &there);
		if (rc > 0) {
			memcpy(&caller->value, there, sizeof(caller->value));
			return leat_release(caller->rx, 1) == 0 ? rc : -EPROTO;
		}
		return rc;
	default:
		return -EPROTO;
	}
}

static UNUSED void *caller_main(void *arg)
{
	struct caller *caller = arg;
	errno = 4711;
	leat_store_rel(&caller->tid, own_tid());
	caller->rc = caller_call(caller);
	caller->done_ns = leat_now_ns();
	caller->errno_after = errno;
	return NULL;
}

static UNUSED void caller_start(struct caller *caller)
{
	caller->tid = 0;
	if (caller->deadline_ns == 0)
		caller->deadline_ns = LEAT_NEVER;
	cr_assert_eq(pthread_create(&caller->thread, NULL, caller_main, caller), 0);
}

/* With a wait policy that never sleeps, this can wait only until the call is about to begin. */
static UNUSED bool caller_await(struct caller *caller, enum leat_wait wait)
{
	if (wait == LEAT_WAIT_ADAPTIVE || wait == LEAT_WAIT_PARK)
		return await_parked(&caller->tid);
	if (!await_word(&caller->tid, 1))
		return false;
	for (int i = 0; i < 20; i++)
		sched_yield();
	return true;
}

static UNUSED ssize_t caller_join(struct caller *caller)
{
	cr_assert_eq(pthread_join(caller->thread, NULL), 0);
	return caller->rc;
}

/* What a call returns on success: a send 0, any other a count of 1. */
static UNUSED ssize_t op_success(enum op op)
{
	return op == OP_SEND || op == OP_SEND_UNTIL ? 0 : 1;
}

#endif
