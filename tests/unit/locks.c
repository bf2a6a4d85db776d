/*
 * tests/unit/locks.c: locks that are held for a few instructions: under a real-time policy, where a
 * thread that yields never lets a thread of lower priority run, and what must not be done while one
 * is held.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"

#include "runtime/gen/compact_block.h"

#include <dlfcn.h>
#include <leat/select.h>
#include <sys/mman.h>

TestSuite(locks, .timeout = 60);

/*
 * A thread that never sleeps leaves the core to others for 50 ms a second, which the kernel sees
 * to.
 */
#define SOON_NS (300 * MS)

static bool become(int policy, int priority)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0 &&
	       pthread_setschedparam(pthread_self(), policy,
	                             &(struct sched_param){ .sched_priority = priority }) == 0;
}

/* Skips the test where this thread has no right to SCHED_FIFO, or to the first core. */
static void need_fifo(void)
{
	if (!become(SCHED_FIFO, 1))
		cr_skip_test("no right to SCHED_FIFO on core 0");
	become(SCHED_OTHER, 0);
}

/*
 * An ordinary thread holds something that a thread of SCHED_FIFO on the same core wants, and wakes
 * that one meanwhile.
 */
struct contest {
	uint32_t ready, held, wanted; /* wanted: by the real-time thread, which runs from then on */
	struct leat_spin lock;
	struct leat_rx *rx;
	struct leat_sleeper sleeper;
	struct leat_waiter waiter; /* of the sleeper */
	int64_t waited_ns;
	bool fifo;
};

static void hold(struct contest *contest)
{
	leat_store_rel(&contest->held, 1u);
	leat_os_futex_wake(&contest->held, 1); /* it runs at once, and this thread does not */
	await_word(&contest->wanted, 1);
}

static bool become_and_await(struct contest *contest)
{
	contest->fifo = become(SCHED_FIFO, 1);
	leat_store_rel(&contest->ready, 1u);
	while (leat_load_acq(&contest->held) == 0)
		leat_os_futex_wait(&contest->held, 0, LEAT_NEVER);
	contest->waited_ns = leat_now_ns();
	leat_store_rel(&contest->wanted, 1u);
	return contest->fifo;
}

static void *want_lock(void *arg)
{
	struct contest *contest = arg;
	become_and_await(contest);
	leat_spin_lock(&contest->lock);
	leat_spin_unlock(&contest->lock);
	contest->waited_ns = leat_now_ns() - contest->waited_ns;
	return NULL;
}

static void *want_to_leave(void *arg)
{
	struct contest *contest = arg;
	become_and_await(contest);
	leat_rx_ops_of(contest->rx)->remove_waiter(contest->rx, &contest->waiter);
	contest->waited_ns = leat_now_ns() - contest->waited_ns;
	return NULL;
}

static void *want_to_stand(void *arg)
{
	struct contest *contest = arg;
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_waiter other = { .sleeper = &sleeper };
	become_and_await(contest);
	leat_rx_ops_of(contest->rx)->add_waiter(contest->rx, &other);
	contest->waited_ns = leat_now_ns() - contest->waited_ns;
	leat_rx_ops_of(contest->rx)->remove_waiter(contest->rx, &other);
	return NULL;
}

static void told(struct leat_sleeper *sleeper)
{
	hold((struct contest *)(void *)((char *)sleeper - offsetof(struct contest, sleeper)));
}

static void run_contest(struct contest *contest, void *(*wants)(void *),
                        void (*holds)(struct contest *))
{
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, wants, contest), 0);
	cr_assert(await_word(&contest->ready, 1));
	cr_assert(become(SCHED_OTHER, 0));
	holds(contest);
	pthread_join(thread, NULL);
	cr_expect(contest->fifo);
	cr_expect_lt(contest->waited_ns, SOON_NS, "it waited %ld us",
	             (long)(contest->waited_ns / 1000));
}

static void hold_lock(struct contest *contest)
{
	leat_spin_lock(&contest->lock);
	hold(contest);
	leat_spin_unlock(&contest->lock);
}

Test(locks, a_real_time_thread_lets_the_holder_of_a_lock_run)
{
	struct contest contest = { 0 };
	need_fifo();
	leat_spin_init(&contest.lock);
	run_contest(&contest, want_lock, hold_lock);
	leat_spin_lock(&contest.lock); /* it is free */
	leat_spin_unlock(&contest.lock);
}

static int next_never(void *state, void *item)
{
	(void)state;
	(void)item;
	return 0;
}

static void tell(struct contest *contest)
{
	leat_compact_notify((struct compact *)(void *)contest->rx);
}

static void contest_about_news(void *(*wants)(void *))
{
	struct contest contest = { .sleeper = { .fd = -1, .wake = told },
		                   .waiter.sleeper = &contest.sleeper };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 1 };
	cr_assert_eq(leat_gen_seq(scope, (struct leat_seq){ next_never, NULL, NULL, 8 }, &opts,
	                          &contest.rx),
	             0);
	cr_assert_eq(leat_scope_join(scope), 0);
	leat_rx_ops_of(contest.rx)->add_waiter(contest.rx, &contest.waiter);
	run_contest(&contest, wants, tell);
	leat_rx_close(contest.rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(locks, a_real_time_receiver_that_leaves_lets_the_thread_run_that_notifies_it)
{
	need_fifo();
	contest_about_news(want_to_leave);
}

Test(locks, a_real_time_receiver_that_waits_anew_lets_the_thread_run_that_notifies_it)
{
	need_fifo();
	contest_about_news(want_to_stand);
}

/* Many threads and one lock: each finds it free in the end, and none is in it with another. */
struct crowd {
	struct leat_spin lock;
	uint64_t inside, entries;
	int faults;
};

static void *enter_often(void *arg)
{
	struct crowd *crowd = arg;
	for (int i = 0; i < 20000; i++) {
		leat_spin_lock(&crowd->lock);
		crowd->faults += crowd->inside++ != 0;
		crowd->entries++;
		if (i % 1000 == 0)
			sched_yield(); /* the others come, and sleep */
		crowd->inside--;
		leat_spin_unlock(&crowd->lock);
	}
	return NULL;
}

Test(locks, many_threads_take_turns)
{
	pthread_t threads[6];
	struct crowd crowd = { 0 };
	leat_spin_init(&crowd.lock);
	for (size_t i = 0; i < COUNT(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, enter_often, &crowd), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(crowd.faults, 0);
	cr_expect_eq(crowd.entries, COUNT(threads) * 20000);
}

#ifndef LEAT_TSAN /* which needs these calls before it can tell where they are */

#include "system_call.h"

/*
 * System calls of the thread that holds the watched lock. The linker's --wrap brings the library's
 * calls of lock and unlock here.
 */
static const struct leat_spin *watched;
static _Thread_local bool holds_watched;
static unsigned mappings, unmappings, wakes, writes;

void __real_leat_spin_lock(struct leat_spin *spin);
void __real_leat_spin_unlock(struct leat_spin *spin);
void __wrap_leat_spin_lock(struct leat_spin *spin);
void __wrap_leat_spin_unlock(struct leat_spin *spin);

void __wrap_leat_spin_lock(struct leat_spin *spin)
{
	__real_leat_spin_lock(spin);
	if (spin == __atomic_load_n(&watched, __ATOMIC_RELAXED))
		holds_watched = true;
}

void __wrap_leat_spin_unlock(struct leat_spin *spin)
{
	if (spin == __atomic_load_n(&watched, __ATOMIC_RELAXED))
		holds_watched = false;
	__real_leat_spin_unlock(spin);
}

/* These stand before the C library's. */
static void note(unsigned *count)
{
	if (holds_watched)
		__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	static void *(*call)(void *, size_t, int, int, int, off_t);
	if (call == NULL)
		*(void **)&call = real("mmap");
	note(&mappings);
	return call(at, size, protection, flags, fd, offset);
}

int munmap(void *at, size_t size)
{
	static int (*call)(void *, size_t);
	if (call == NULL)
		*(void **)&call = real("munmap");
	note(&unmappings);
	return call(at, size);
}

static bool syscall_is_refused(long number)
{
	(void)number;
	note(&wakes);
	return false;
}

ssize_t write(int fd, const void *from, size_t size)
{
	static ssize_t (*call)(int, const void *, size_t);
	if (call == NULL)
		*(void **)&call = real("write");
	note(&writes);
	return call(fd, from, size);
}

enum { MANY = 3000 };

/* Keeps the worker until all have been started. */
static int next_keeps(void *go, void *item)
{
	(void)item;
	await_word(go, 1);
	return 0;
}

struct parked {
	pthread_t thread;
	uint32_t tid;
	struct leat_rx *rx;
	int rc;
};

static void *park_in_receive(void *arg)
{
	struct parked *parked = arg;
	uint64_t item;
	leat_store_rel(&parked->tid, own_tid());
	parked->rc = leat_recv(parked->rx, &item);
	return NULL;
}

Test(locks, no_system_call_is_made_under_a_groups_lock)
{
	static struct leat_rx *rx[MANY];
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 1 };
	struct parked parked = { 0 };
	uint32_t go = 0;
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(leat_gen_seq(scope, (struct leat_seq){ next_keeps, NULL, &go, 8 },
		                          &opts, &rx[i]),
		             0);
		__atomic_store_n(&watched, &((struct compact *)(void *)rx[0])->arena->gen_set.lock,
		                 __ATOMIC_RELAXED);
	}
	parked.rx = rx[1];
	cr_assert_geq(leat_rx_fd(rx[0]), 0);
	cr_assert_eq(leat_rx_arm(rx[0]), 0);
	pthread_create(&parked.thread, NULL, park_in_receive, &parked);
	cr_assert(await_parked(&parked.tid));
	leat_scope_cancel(scope, 0, "enough");
	leat_store_rel(&go, 1u);
	pthread_join(parked.thread, NULL);
	cr_expect_eq(parked.rc, -ECANCELED);
	cr_expect(readable(leat_rx_fd(rx[0])));
	cr_expect_eq(leat_scope_join(scope), 0);
	for (int i = 1; i < MANY; i++)
		leat_rx_close(rx[i]);
	/* with the last receiver the lock goes */
	__atomic_store_n(&watched, NULL, __ATOMIC_RELAXED);
	leat_rx_close(rx[0]);
	cr_expect_eq(mappings, 0, "%u mappings", mappings);
	cr_expect_eq(unmappings, 0, "%u returned", unmappings);
	cr_expect_eq(wakes, 0, "%u wakes", wakes);
	cr_expect_eq(writes, 0, "%u raised flags", writes);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

#endif
