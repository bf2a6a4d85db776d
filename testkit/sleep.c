/*
 * The clock, and sleeps by it. Until leat_test_clock_start() each function calls the real one.
 *
 * After that the time is a number, and each sleep is an entry of one list, behind one lock: what
 * the thread sleeps on, and when its time comes. A wake-up takes the entry off the list; advancing
 * takes off those whose time has come; one more thread, run_poller(), sleeps in poll(2) on all
 * descriptors that threads of the list sleep on, and takes off those that are ready.
 *
 * Invariant: running is the number of threads of the library that are not on the list, and of other
 * threads that were taken off it and have not returned from here. If a thread counted itself when
 * it goes on, a settle between its wake-up and that moment would miss it. Therefore the thread that
 * takes an entry off the list counts it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "testkit/testkit.h"

#include <leat/atomic.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ASLEEP, NOTIFIED, TIMED_OUT };

/* Set once, while no thread of the library runs and no thread is in a call of the library. */
static uint32_t manual;
static uint32_t asleep; /* threads in a real sleep; by relaxed additions */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows */
static pthread_cond_t quiet = PTHREAD_COND_INITIALIZER;  /* running has become 0 */
static uint64_t time_ns;                                 /* read without the lock, too */
static struct leat_kit_sleeper *sleepers, **sleepers_tail = &sleepers;
static uint32_t running;
static int kick = -1; /* a flag: the poller is to read the list again */
static uint32_t poller_tid;

bool leat_kit_clock_is_manual(void)
{
	return leat_load_rlx(&manual) != 0; /* rlx: see manual */
}

void leat_kit_lock(void)
{
	pthread_mutex_lock(&lock);
}

void leat_kit_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void leat_kit_count_running(int by)
{
	running += (uint32_t)by;
	if (running == 0)
		pthread_cond_broadcast(&quiet);
}

/* Caller holds the lock. After the last store the sleeper's memory may be gone. */
static void wake_sleeper(struct leat_kit_sleeper *sleeper, uint32_t why)
{
	*sleeper->link = sleeper->next;
	if (sleeper->next != NULL)
		sleeper->next->link = sleeper->link;
	else
		sleepers_tail = sleeper->link;
	leat_kit_count_running(1);
	/* what the waker did before; pairs with leat_kit_sleep() */
	leat_store_rel(&sleeper->woken, why);
	leat_real_futex_wake(&sleeper->woken, 1);
}

void leat_kit_wake(const void *on, unsigned n)
{
	struct leat_kit_sleeper *next;

	for (struct leat_kit_sleeper *s = sleepers; s != NULL && n > 0; s = next) {
		next = s->next;
		if (s->on != on)
			continue;
		wake_sleeper(s, NOTIFIED);
		n--;
	}
}

static int64_t read_time(void)
{
	return (int64_t)leat_load_acq(&time_ns); /* pairs with set_time() */
}

static void set_time(int64_t now_ns)
{
	leat_store_rel(&time_ns, (uint64_t)now_ns); /* pairs with read_time() */
}

int leat_kit_sleep(struct leat_kit_sleeper *me, struct leat_mutex *mutex)
{
	bool counted = leat_kit_in_library(), timed_out;

	if (me->due_ns <= read_time()) {
		leat_kit_unlock();
		return -ETIMEDOUT;
	}
	me->link = sleepers_tail;
	*sleepers_tail = me;
	sleepers_tail = &me->next;
	if (mutex != NULL)
		leat_mutex_unlock(mutex);
	if (counted)
		leat_kit_count_running(-1);
	leat_kit_unlock();
	while (leat_load_acq(&me->woken) == ASLEEP) /* pairs with wake_sleeper() */
		leat_real_futex_wait(&me->woken, ASLEEP, LEAT_NEVER);
	timed_out = me->woken == TIMED_OUT;
	if (mutex != NULL)
		leat_mutex_lock(mutex);
	if (!counted) {
		leat_kit_lock();
		leat_kit_count_running(-1);
		leat_kit_unlock();
	}
	return timed_out ? -ETIMEDOUT : 0;
}

/* A real sleep, from here to the end of it. */
static void begin_real_sleep(void)
{
	leat_add_rlx(&asleep, 1u); /* rlx: see manual */
}

static void end_real_sleep(void)
{
	leat_add_rlx(&asleep, UINT32_MAX); /* rlx: see manual */
}

int64_t leat_now_ns(void)
{
	return leat_kit_clock_is_manual() ? read_time() : leat_real_now_ns();
}

bool leat_os_time_stands(void)
{
	return leat_kit_clock_is_manual();
}

int leat_os_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
	struct leat_kit_sleeper me = { .on = word, .due_ns = deadline_ns };
	int rc;

	if (!leat_kit_clock_is_manual()) {
		begin_real_sleep();
		rc = leat_real_futex_wait(word, expected, deadline_ns);
		end_real_sleep();
		return rc;
	}
	leat_kit_lock();
	/* rlx: a thread that changes it and then wakes takes the lock in between */
	if (leat_load_rlx(word) == expected)
		return leat_kit_sleep(&me, NULL);
	leat_kit_unlock();
	return 0;
}

void leat_os_futex_wake(uint32_t *word, unsigned n)
{
	if (!leat_kit_clock_is_manual()) {
		leat_real_futex_wake(word, n);
		return;
	}
	leat_kit_lock();
	leat_kit_wake(word, n);
	leat_kit_unlock();
}

void leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex)
{
	leat_cond_wait_until(cond, mutex, LEAT_NEVER);
}

int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns)
{
	struct leat_kit_sleeper me = { .on = cond, .due_ns = deadline_ns };
	int rc;

	if (leat_kit_clock_is_manual()) {
		leat_kit_lock();
		return leat_kit_sleep(&me, mutex);
	}
	begin_real_sleep();
	rc = leat_real_cond_wait_until(cond, mutex, deadline_ns);
	end_real_sleep();
	return rc;
}

void leat_cond_broadcast(struct leat_cond *cond)
{
	if (!leat_kit_clock_is_manual()) {
		leat_real_cond_broadcast(cond);
		return;
	}
	leat_kit_lock();
	leat_kit_wake(cond, UINT32_MAX);
	leat_kit_unlock();
}

/* Caller holds the lock, which is released. Sleeps on descriptors that are not ready. */
static int sleep_on_descriptors(struct leat_kit_sleeper *me)
{
	leat_os_flag_raise(kick); /* the poller takes the lock once this thread is on the list */
	return leat_kit_sleep(me, NULL);
}

int leat_os_poll(struct pollfd *fds, size_t n, int64_t deadline_ns)
{
	struct leat_kit_sleeper me = { .fds = fds, .n = n, .due_ns = deadline_ns };
	int found;

	if (deadline_ns <= 0)
		return leat_real_poll(fds, n, 0);
	if (!leat_kit_clock_is_manual()) {
		begin_real_sleep();
		found = leat_real_poll(fds, n, deadline_ns);
		end_real_sleep();
		return found;
	}
	leat_kit_lock();
	found = leat_real_poll(fds, n, 0);
	if (found == -ETIMEDOUT)
		return sleep_on_descriptors(&me) < 0 ? -ETIMEDOUT : me.found;
	leat_kit_unlock();
	return found;
}

int leat_os_epoll_wait(int epoll, int fds[LEAT_OS_EPOLL_MOST], int64_t deadline_ns)
{
	struct pollfd set = { .fd = epoll, .events = POLLIN };
	struct leat_kit_sleeper me = { .fds = &set, .n = 1, .due_ns = deadline_ns };
	int found;

	if (deadline_ns <= 0)
		return leat_real_epoll_wait(epoll, fds, 0);
	if (!leat_kit_clock_is_manual()) {
		begin_real_sleep();
		found = leat_real_epoll_wait(epoll, fds, deadline_ns);
		end_real_sleep();
		return found;
	}
	leat_kit_lock();
	found = leat_real_epoll_wait(epoll, fds, 0);
	if (found == 0)
		return sleep_on_descriptors(&me) < 0 ? 0 : leat_real_epoll_wait(epoll, fds, 0);
	leat_kit_unlock();
	return found;
}

/* Caller holds the lock. Wakes the threads whose descriptors are ready; returns how many. */
static unsigned wake_ready(void)
{
	struct leat_kit_sleeper *next;
	unsigned woken = 0;

	for (struct leat_kit_sleeper *s = sleepers; s != NULL; s = next) {
		next = s->next;
		if (s->fds == NULL)
			continue;
		s->found = leat_real_poll(s->fds, s->n, 0);
		if (s->found == -ETIMEDOUT)
			continue;
		wake_sleeper(s, NOTIFIED);
		woken++;
	}
	return woken;
}

struct set {
	struct pollfd *fds;
	size_t n, room;
};

/* Without memory it is as if the descriptor were never ready, but to a settle. */
static void add_to_set(struct set *set, const struct pollfd *fds, size_t n)
{
	if (set->room < set->n + n) {
		size_t room = 2 * (set->n + n);
		struct pollfd *more = realloc(set->fds, room * sizeof(*more));

		if (more == NULL)
			return;
		set->fds = more;
		set->room = room;
	}
	for (size_t i = 0; i < n; i++)
		set->fds[set->n++] = fds[i];
}

/* Caller holds the lock. */
static void collect_descriptors(struct set *set)
{
	set->n = 0;
	add_to_set(set, &(struct pollfd){ .fd = kick, .events = POLLIN }, 1);
	for (struct leat_kit_sleeper *s = sleepers; s != NULL; s = s->next)
		if (s->fds != NULL)
			add_to_set(set, s->fds, s->n);
}

static void run_poller(void *unused)
{
	struct set set = { .fds = NULL };

	(void)unused;
	leat_kit_lock();
	poller_tid = (uint32_t)syscall(SYS_gettid);
	pthread_cond_broadcast(&quiet);
	for (;;) {
		collect_descriptors(&set);
		leat_kit_unlock();
		leat_real_poll(set.fds, set.n, LEAT_NEVER);
		leat_os_flag_clear(kick);
		leat_kit_lock();
		wake_ready();
	}
}

void leat_kit_clock_parts(uint32_t *tid, int *fd)
{
	leat_kit_lock();
	*tid = poller_tid;
	*fd = kick;
	leat_kit_unlock();
}

/* Caller holds the lock. */
static int start_poller(void)
{
	struct leat_thread thread;
	int rc;

	kick = leat_os_flag_open();
	if (kick < 0)
		return kick;
	rc = leat_real_thread_start(&thread, run_poller, NULL, "leat-test", 0);
	if (rc < 0) {
		leat_os_flag_close(kick);
		kick = -1;
		return rc;
	}
	pthread_detach(thread.posix);
	while (poller_tid == 0)
		pthread_cond_wait(&quiet, &lock);
	return 0;
}

int leat_test_clock_start(void)
{
	int rc = 0;

	leat_kit_lock();
	if (!leat_kit_clock_is_manual()) {
		/* rlx: see manual */
		rc = leat_kit_threads() > 0 || leat_load_rlx(&asleep) > 0 ? -EBUSY : start_poller();
		if (rc == 0) {
			set_time(leat_real_now_ns());
			leat_store_rlx(&manual, 1); /* rlx: the same */
		}
	}
	leat_kit_unlock();
	return rc;
}

/* Caller holds the lock. */
static void settle(void)
{
	do
		while (running > 0)
			pthread_cond_wait(&quiet, &lock);
	while (wake_ready() > 0);
}

/* Whether the caller may move the clock, or wait for the others: 0 or -errno. */
static int check_caller(void)
{
	if (!leat_kit_clock_is_manual())
		return -EINVAL;
	return leat_kit_in_library() ? -EDEADLK : 0;
}

int leat_test_clock_settle(void)
{
	int rc = check_caller();

	if (rc < 0)
		return rc;
	leat_kit_lock();
	settle();
	leat_kit_unlock();
	return 0;
}

/* Caller holds the lock. LEAT_NEVER: no thread sleeps until a time. */
static int64_t first_due(void)
{
	int64_t due_ns = LEAT_NEVER;

	for (struct leat_kit_sleeper *s = sleepers; s != NULL; s = s->next)
		if (s->due_ns < due_ns)
			due_ns = s->due_ns;
	return due_ns;
}

/* Caller holds the lock. */
static void wake_due(int64_t now_ns)
{
	struct leat_kit_sleeper *next;

	for (struct leat_kit_sleeper *s = sleepers; s != NULL; s = next) {
		next = s->next;
		if (s->due_ns <= now_ns)
			wake_sleeper(s, TIMED_OUT);
	}
}

int leat_test_clock_advance(int64_t ns)
{
	/* so that two threads advance one after the other: settle() releases the lock */
	static pthread_mutex_t advancing = PTHREAD_MUTEX_INITIALIZER;
	int rc = ns < 0 ? -EINVAL : check_caller();
	int64_t due_ns, end_ns;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&advancing);
	leat_kit_lock();
	if (__builtin_add_overflow(read_time(), ns, &end_ns) || end_ns == LEAT_NEVER)
		end_ns = LEAT_NEVER - 1;
	for (;;) {
		settle();
		due_ns = first_due();
		if (due_ns > end_ns)
			break;
		set_time(due_ns);
		wake_due(due_ns);
	}
	set_time(end_ns);
	leat_kit_unlock();
	pthread_mutex_unlock(&advancing);
	return 0;
}
