/*
 * runtime/os/os.h and liburcu on the exploring scheduler. When a sleep ends, how time passes, and
 * whether memory and threads are to be had are choices.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/os/os.h"
#include "tests/verify/engine.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#define HERE __builtin_return_address(0)

static bool fault(unsigned *spent, unsigned most)
{
	if (*spent >= most || choose(2, CHOOSE_FAULT) == 0)
		return false;
	++*spent;
	return true;
}

/*
 * The clock moves when a time-out happens. When a thread reads it, it may also move to the next
 * instant that the model has named (verify_instant()).
 */
int64_t leat_now_ns(void)
{
	int64_t next = INT64_MAX;

	if (E->timed || E->contended_all)
		step(NULL, "the clock", NULL);
	else
		step_alone("the clock");
	for (unsigned i = 0; i < E->instants_count; i++)
		if (E->instants[i] > E->now_ns && E->instants[i] < next)
			next = E->instants[i];
	if (next != INT64_MAX && choose(2, CHOOSE_CLOCK) == 1)
		E->now_ns = next;
	if (self()->clock_ns != E->now_ns)
		fresh(); /* time has passed since this thread read the clock */
	self()->clock_ns = E->now_ns;
	self()->pauses = 0;
	if (E->tracing)
		trace("the clock says %lld", (long long)E->now_ns);
	tick();
	return E->now_ns;
}

void *leat_os_alloc(size_t size, size_t align)
{
	bool none;

	step_alone("alloc");
	none = fault(&E->failed_allocs, E->model->failed_allocs);
	if (E->tracing)
		trace("allocates %zu bytes in %s%s", size, code_name((uintptr_t)HERE),
		      none ? ": there is no memory" : "");
	return none ? NULL : block_alloc(size, align < 16 ? 16 : align, HERE);
}

void leat_os_free(void *memory)
{
	if (memory == NULL)
		return;
	step_alone("free");
	if (E->tracing)
		trace("frees %s in %s", memory_name((uintptr_t)memory), code_name((uintptr_t)HERE));
	block_free(memory, HERE);
	tick();
}

void *leat_os_pages(size_t size)
{
	return leat_os_alloc(size, 64);
}

void leat_os_pages_free(void *pages, size_t size)
{
	(void)size;
	leat_os_free(pages);
}

/* The kernel fences before it reads the word, and a wake fences before it searches sleepers. */
int leat_os_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
	struct thread *me = self();

	step(NULL, "futex wait", NULL);
	fence_full(&E->fences);
	tick();
	if (memory_latest(word, sizeof(*word)) != expected) {
		if (E->tracing)
			trace("does not sleep: the word has changed");
		return 0;
	}
	if (deadline_ns != LEAT_NEVER && E->now_ns >= deadline_ns)
		return -ETIMEDOUT;
	if (E->tracing)
		trace("sleeps in %s", code_name((uintptr_t)HERE));
	block(FUTEX, word, deadline_ns);
	if (E->tracing)
		trace("goes on after a sleep%s", me->timed_out ? ": time is over" : "");
	if (!me->timed_out)
		return 0;
	fresh(); /* time has passed */
	return -ETIMEDOUT;
}

void leat_os_futex_wake(uint32_t *word, unsigned n)
{
	step(NULL, "futex wake", NULL);
	fence_full(&E->fences);
	if (E->tracing)
		trace("wakes %u sleeper%s in %s", n, n == 1 ? "" : "s", code_name((uintptr_t)HERE));
	wake(FUTEX, word, n);
	tick();
}

bool leat_os_fence_heavy_prepare(void)
{
	return !E->model->no_membarrier;
}

void leat_os_fence_heavy(void)
{
	step(NULL, "heavy fence", NULL);
	if (E->model->no_membarrier)
		verify_fail("assertion", "a heavy fence in %s, and there is no membarrier",
		            code_name((uintptr_t)HERE));
	if (E->weaken == NULL || strcmp(E->weaken, "heavy") != 0)
		fence_heavy();
	if (E->tracing)
		trace("heavy fence in %s", code_name((uintptr_t)HERE));
	tick();
}

/*
 * Flags, and poll(2) on several of them. The kernel fences in a raise and in a poll, as it does for
 * a futex.
 */
static enum flag *flag_of(int flag)
{
	if (flag < FIRST_FLAG || flag >= FIRST_FLAG + FLAGS ||
	    E->flags[flag - FIRST_FLAG] == NO_FLAG)
		verify_fail("assertion", "%d is no flag", flag);
	if (E->duplicate_of[flag - FIRST_FLAG] != 0)
		return &E->flags[E->duplicate_of[flag - FIRST_FLAG] - 1];
	return &E->flags[flag - FIRST_FLAG];
}

int leat_os_flag_open(void)
{
	step_alone("flag open");
	for (int i = 0; i < FLAGS; i++)
		if (E->flags[i] == NO_FLAG) {
			E->flags[i] = LOWERED;
			return FIRST_FLAG + i;
		}
	return -EMFILE;
}

void leat_os_flag_raise(int flag)
{
	step(NULL, "raise", NULL);
	fence_full(&E->fences);
	*flag_of(flag) = RAISED;
	if (E->tracing)
		trace("raises flag %d in %s", flag - FIRST_FLAG, code_name((uintptr_t)HERE));
	wake(POLL, NULL, THREADS);
	tick();
}

void leat_os_flag_clear(int flag)
{
	step(NULL, "clear", NULL);
	*flag_of(flag) = LOWERED;
	if (E->tracing)
		trace("clears flag %d in %s", flag - FIRST_FLAG, code_name((uintptr_t)HERE));
	tick();
}

void leat_os_flag_close(int flag)
{
	step(NULL, "flag close", NULL);
	flag_of(flag);
	E->flags[flag - FIRST_FLAG] = NO_FLAG;
	E->duplicate_of[flag - FIRST_FLAG] = 0;
	E->polled[flag - FIRST_FLAG].added = false;
	tick();
}

static int raised(struct pollfd *fds, size_t n)
{
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i].revents = fds[i].fd >= 0 && *flag_of(fds[i].fd) == RAISED ? POLLIN : 0;
		found += fds[i].revents != 0;
	}
	return found;
}

bool leat_os_time_stands(void)
{
	return false;
}

int leat_os_poll(struct pollfd *fds, size_t n, int64_t deadline_ns)
{
	int found;

	step(NULL, "poll", NULL);
	fence_full(&E->fences);
	while ((found = raised(fds, n)) == 0) {
		if (deadline_ns != LEAT_NEVER && E->now_ns >= deadline_ns)
			break;
		if (E->tracing)
			trace("sleeps in poll in %s", code_name((uintptr_t)HERE));
		block(POLL, NULL, deadline_ns);
		if (self()->timed_out)
			fresh();
		fence_full(&E->fences);
	}
	tick();
	return found > 0 ? found : -ETIMEDOUT;
}

/*
 * Each descriptor is a flag. There is one epoll descriptor at a time, and the only event is
 * readiness.
 */
enum { EPOLL = FIRST_FLAG + FLAGS };

int leat_os_epoll_open(void)
{
	return EPOLL;
}

int leat_os_epoll_add(int epoll, int fd, short events, bool once)
{
	int at = fd - FIRST_FLAG;

	(void)epoll;
	(void)events;
	step(NULL, "epoll add", NULL);
	flag_of(fd);
	E->polled[at].added = E->polled[at].armed = true;
	E->polled[at].once = once;
	wake(POLL, NULL, THREADS);
	tick();
	return 0;
}

void leat_os_epoll_remove(int epoll, int fd)
{
	int at = fd - FIRST_FLAG;

	(void)epoll;
	step(NULL, "epoll remove", NULL);
	flag_of(fd);
	E->polled[at].added = E->polled[at].armed = false;
	wake(POLL, NULL, THREADS);
	tick();
}

int leat_os_epoll_wait(int epoll, int fds[LEAT_OS_EPOLL_MOST], int64_t deadline_ns)
{
	int found = 0;

	(void)epoll;
	step(NULL, "epoll wait", NULL);
	fence_full(&E->fences);
	for (;;) {
		for (int i = 0; i < FLAGS && found < LEAT_OS_EPOLL_MOST; i++)
			if (E->polled[i].added && E->polled[i].armed &&
			    *flag_of(FIRST_FLAG + i) == RAISED) {
				fds[found++] = FIRST_FLAG + i;
				E->polled[i].armed = !E->polled[i].once;
			}
		if (found > 0 || E->now_ns >= deadline_ns)
			break;
		block(POLL, NULL, deadline_ns);
		if (self()->timed_out)
			fresh();
		fence_full(&E->fences);
	}
	tick();
	return found;
}

int leat_os_fd_duplicate(int fd)
{
	int copy = leat_os_flag_open();

	if (copy >= 0)
		E->duplicate_of[copy - FIRST_FLAG] = (uint8_t)(flag_of(fd) - E->flags + 1);
	return copy;
}

void leat_os_fd_close(int fd)
{
	if (fd != EPOLL)
		leat_os_flag_close(fd);
}

/* Signals are not explored: no model asks for any. */
int leat_os_signals_open(const sigset_t *signals)
{
	(void)signals;
	return -EMFILE;
}

int leat_os_signals_take(int fd)
{
	(void)fd;
	return 0;
}

void leat_os_signals_block(const sigset_t *signals, sigset_t *before)
{
	(void)signals;
	(void)before;
}

void leat_os_signals_restore(const sigset_t *before)
{
	(void)before;
}

void leat_os_signal_name(int number, char name[LEAT_NAME_MAX + 1])
{
	(void)number;
	name[0] = '\0';
}

/* A yield may cost as much as all pauses that a thread makes between two reads of the clock. */
void leat_os_yield(void)
{
	self()->pauses += VERIFY_YIELD_PAUSES - 1;
	verify_pause();
}

unsigned leat_os_cores(void)
{
	return 2;
}

/* Mutexes. The words are in the memory of the mutex itself; zero at first means free. */
struct our_mutex {
	uint32_t locked_by; /* a thread's number plus 1; 0: free */
	uint32_t number;    /* of its entry in E->mutexes; 0: none yet */
};

static struct mutex *mutex_of(struct our_mutex *mutex)
{
	if (mutex->number == 0)
		mutex->number = ++E->mutexes_count;
	if (mutex->number >= MUTEXES)
		verify_fail("engine", "more than %d mutexes", MUTEXES);
	return &E->mutexes[mutex->number];
}

static struct our_mutex *ours(struct leat_mutex *mutex, const void *where)
{
	plain_access((uintptr_t)mutex, 1, IS_ATOMIC, where);
	return (struct our_mutex *)(void *)mutex;
}

void leat_mutex_init(struct leat_mutex *mutex)
{
	plain_access((uintptr_t)mutex, sizeof(*mutex), IS_WRITE, HERE);
	memset(mutex, 0, sizeof(*mutex));
}

static void lock(struct our_mutex *mutex, const void *where)
{
	struct mutex *known = mutex_of(mutex);
	uint32_t place = (uint32_t)(uintptr_t)where;

	/* another order of these two locks is possible, so both places are contended */
	if (known->epoch > self()->now.hb[known->thread] || mutex->locked_by != 0) {
		note_contended(place);
		note_contended(known->where);
	}
	while (mutex->locked_by != 0) {
		if (mutex->locked_by == E->current + 1)
			verify_fail("deadlock", "%s locks a mutex that it has locked, in %s",
			            self()->name, code_name(place));
		block(MUTEX, mutex, LEAT_NEVER);
	}
	mutex->locked_by = E->current + 1;
	known->where = place;
	join_view(&self()->now, &known->view);
	if (E->tracing)
		trace("locks in %s", code_name(place));
	tick();
}

static void unlock(struct our_mutex *mutex, const void *where)
{
	struct mutex *known = mutex_of(mutex);

	if (mutex->locked_by != E->current + 1)
		verify_fail("assertion", "%s unlocks a mutex that it has not locked, in %s",
		            self()->name, code_name((uintptr_t)where));
	mutex->locked_by = 0;
	known->view = self()->now;
	known->thread = E->current;
	known->epoch = self()->now.hb[E->current];
	wake(MUTEX, mutex, THREADS);
	if (E->tracing)
		trace("unlocks in %s", code_name((uintptr_t)where));
	tick();
}

void leat_mutex_lock(struct leat_mutex *mutex)
{
	step_at((uint32_t)(uintptr_t)HERE, NULL, "lock");
	lock(ours(mutex, HERE), HERE);
}

/* No choice here: a thread that locks the mutex next makes its choice there. */
void leat_mutex_unlock(struct leat_mutex *mutex)
{
	unlock(ours(mutex, HERE), HERE);
}

/* A spin lock is explored as a mutex. The lock itself has models of its own (event_lock_*). */
static struct our_mutex *ours_too(struct leat_spin *spin, const void *where)
{
	plain_access((uintptr_t)spin, 1, IS_ATOMIC, where);
	return (struct our_mutex *)(void *)spin;
}

void leat_spin_init(struct leat_spin *spin)
{
	plain_access((uintptr_t)spin, sizeof(*spin), IS_WRITE, HERE);
	memset(spin, 0, sizeof(*spin));
}

void leat_spin_lock(struct leat_spin *spin)
{
	step_at((uint32_t)(uintptr_t)HERE, NULL, "lock");
	lock(ours_too(spin, HERE), HERE);
}

void leat_spin_unlock(struct leat_spin *spin)
{
	unlock(ours_too(spin, HERE), HERE);
}

void leat_cond_init(struct leat_cond *cond)
{
	plain_access((uintptr_t)cond, sizeof(*cond), IS_WRITE, HERE);
}

static int cond_wait(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns,
                     const void *where)
{
	struct our_mutex *m = ours(mutex, where);
	bool timed_out;

	step(NULL, "condition wait", NULL);
	plain_access((uintptr_t)cond, 1, IS_ATOMIC, where);
	unlock(m, where);
	if (deadline_ns == LEAT_NEVER || E->now_ns < deadline_ns) {
		block(COND, cond, deadline_ns);
		timed_out = self()->timed_out;
	} else {
		timed_out = true;
	}
	self()->timed_out = false;
	step(NULL, "lock", NULL);
	lock(m, where);
	return timed_out ? -ETIMEDOUT : 0;
}

void leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex)
{
	cond_wait(cond, mutex, LEAT_NEVER, HERE);
}

int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns)
{
	return cond_wait(cond, mutex, deadline_ns, HERE);
}

void leat_cond_broadcast(struct leat_cond *cond)
{
	step(NULL, "broadcast", NULL);
	plain_access((uintptr_t)cond, 1, IS_ATOMIC, HERE);
	if (E->tracing)
		trace("wakes all in %s", code_name((uintptr_t)HERE));
	wake(COND, cond, THREADS);
	tick();
}

void leat_cond_fini(struct leat_cond *cond)
{
	plain_access((uintptr_t)cond, sizeof(*cond), IS_WRITE, HERE);
}

int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin)
{
	unsigned id;

	(void)pin;
	step_alone("thread start");
	if (fault(&E->failed_threads, E->model->failed_threads)) {
		if (E->tracing)
			trace("starts no thread: there is none to be had");
		return -EAGAIN;
	}
	id = thread_create(fn, arg, *name ? name : "leat");
	if (E->tracing)
		trace("starts %s", E->threads[id].name);
	tick();
	/* the new thread may end before its starter writes *thread */
	step(NULL, "thread start", NULL);
	plain_access((uintptr_t)thread, sizeof(*thread), IS_WRITE, HERE);
	memcpy(thread, &id, sizeof(id));
	return 0;
}

uint32_t leat_os_thread_id(void)
{
	return 1;
}

/* The models have no environment, and no room above generators. */
void leat_registry_begin(void);
void leat_registry_begin(void)
{
}

/* The kernel does not say. */
void leat_os_thread_times(uint32_t tid, uint64_t *cpu_ns, uint64_t *runq_ns)
{
	(void)tid;
	*cpu_ns = *runq_ns = 0;
}

struct leat_thread leat_thread_self(void)
{
	struct leat_thread thread;

	memset(&thread, 0, sizeof(thread));
	memcpy(&thread, &E->current, sizeof(E->current));
	return thread;
}

void leat_thread_join(struct leat_thread *thread)
{
	struct thread *t;
	unsigned id;

	step(NULL, "thread join", NULL);
	plain_access((uintptr_t)thread, sizeof(*thread), 0, HERE);
	memcpy(&id, thread, sizeof(id));
	t = &E->threads[id % THREADS];
	if (t->joined)
		verify_fail("assertion", "%s is joined twice, in %s", t->name,
		            code_name((uintptr_t)HERE));
	t->joined = true;
	while (t->state != DONE)
		block(JOIN, t, LEAT_NEVER);
	join_view(&self()->now, &t->now);
	if (E->tracing)
		trace("has joined %s", t->name);
	tick();
}

void leat_die(const char *format, ...)
{
	char text[500];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	verify_fail("rule broken", "%s", text);
}

void leat_text_copy(char to[LEAT_TEXT_MAX + 1], const char *from)
{
	plain_access((uintptr_t)to, LEAT_TEXT_MAX + 1, IS_WRITE, HERE);
	snprintf(to, LEAT_TEXT_MAX + 1, "%s", from == NULL ? "" : from);
}

bool leat_name_copy(char to[LEAT_NAME_MAX + 1], const char *from)
{
	plain_access((uintptr_t)to, LEAT_NAME_MAX + 1, IS_WRITE, HERE);
	return snprintf(to, LEAT_NAME_MAX + 1, "%s", from == NULL ? "" : from) <= LEAT_NAME_MAX;
}

bool leat_words_unused(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] != 0)
			return false;
	return true;
}

void *leat_open_failed(int rc)
{
	(void)rc;
	return NULL;
}

/*
 * Userspace RCU. A grace period waits for the read sides that began before it. Read sides that
 * begin after it see what happened before it.
 */

void leat_rcu_read_lock(void);
void leat_rcu_read_unlock(void);
void leat_rcu_synchronize(void);

void leat_rcu_read_lock(void)
{
	step(NULL, "read lock", NULL);
	if (self()->rcu_depth++ == 0)
		self()->rcu_turn = E->steps;
	join_view(&self()->now, &E->grace);
	tick();
}

void leat_rcu_read_unlock(void)
{
	step(NULL, "read unlock", NULL);
	if (--self()->rcu_depth == 0) {
		self()->left_readers = self()->now;
		wake(READERS, self(), THREADS);
	}
	tick();
}

void leat_rcu_synchronize(void)
{
	uint64_t began;

	step(NULL, "grace period", NULL);
	began = E->steps;
	join_view(&E->grace, &self()->now);
	for (unsigned i = 0; i < E->threads_count; i++) {
		struct thread *t = &E->threads[i];

		while (t != self() && t->rcu_depth > 0 && t->rcu_turn <= began)
			block(READERS, t, LEAT_NEVER);
	}
	/* what readers did on their read sides happened before: they have fenced since */
	for (unsigned i = 0; i < E->threads_count; i++)
		if (E->threads[i].rcu_depth == 0)
			join_view(&self()->now, &E->threads[i].left_readers);
	tick();
}
