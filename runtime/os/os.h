/*
 * runtime/os/os.h: the operating system. The only layer that names futexes, membarrier, eventfds,
 * clocks, threads, mutexes or the allocator, so that tests can put something else in its place.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_OS_OS_H
#define LEAT_RUNTIME_OS_OS_H

#include <leat/base.h>
#include <pthread.h>

/* A variable of each thread, which is reached without a call also from the shared library. */
#ifndef LEAT_TLS
#define LEAT_TLS __thread __attribute__((tls_model("initial-exec")))
#endif

/* The structure whose member this is. */
#define leat_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Memory: zeroed, aligned to at least 16. NULL when there is none or the size is absurd. */
void *leat_os_alloc(size_t size, size_t align);
void leat_os_free(void *memory);
/*
 * Returns the memory, which had `old` bytes of this alignment, grown to `size` bytes, perhaps at
 * another address; the bytes beyond the old ones are not zeroed. NULL when there is none: then the
 * memory is as it was. Large memory is moved by its pages, and not copied.
 */
void *leat_os_grow(void *memory, size_t old, size_t size, size_t align);

/*
 * Whole pages, zeroed, which go back to the system when they are freed. The same size both times.
 * For what is used soon: they are all there at once, as a page that faults when it is first touched
 * takes several times as long.
 */
void *leat_os_pages(size_t size);
void leat_os_pages_free(void *pages, size_t size);

/*
 * Sleeps while *word is expected, until a wake or the deadline. 0 for a wake, a changed word, a
 * signal or no reason at all (look again); -ETIMEDOUT.
 */
int leat_os_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns);
/* Wakes up to n sleepers. The address is not looked at, so it may be gone already. */
void leat_os_futex_wake(uint32_t *word, unsigned n); /* mutate */

/*
 * The heavy half of the asymmetric fence: a full fence on every core that runs this process; its
 * partners are the leat_fence_light() of senders and receivers. prepare() asks the kernel once and
 * returns whether it has it.
 *
 * The kernel may refuse it later: a filter of system calls can be installed at any time. Then
 * prepare() returns false from now on, and the fence is a full one of the calling thread and a
 * millisecond of sleep, after which what any other core had executed before is visible here: a
 * store leaves its core's buffer in far less.
 */
bool leat_os_fence_heavy_prepare(void);
void leat_os_fence_heavy(void);
/* Asks the kernel again: whether it still has it. */
bool leat_os_fence_heavy_ask(void);
/* Sleeps until what any core has executed before the call is visible to all. */
void leat_os_outlast_stores(void);
/*
 * How long a thread sleeps at the most on what others change without a fence, where membarrier has
 * been refused.
 */
#define LEAT_OS_UNFENCED_NS INT64_C(1000000)

/*
 * A flag is a descriptor that poll(2) finds readable from a raise until it is cleared. open()
 * answers it or -errno; raise() never waits, and may be called by any thread until the close.
 */
int leat_os_flag_open(void);
void leat_os_flag_raise(int flag); /* mutate */
void leat_os_flag_clear(int flag);
void leat_os_flag_close(int flag);
/* poll(2) with a deadline: how many are ready; 0 for a signal (look again); -ETIMEDOUT; -errno. */
struct pollfd;
int leat_os_poll(struct pollfd *fds, size_t n, int64_t deadline_ns);

void leat_os_yield(void);
/* The processors this process may use; at least 1. */
unsigned leat_os_cores(void);

/* Mutexes and condition variables, for slow paths. Deadlines are CLOCK_MONOTONIC. */
struct leat_mutex {
	pthread_mutex_t posix;
};
struct leat_cond {
	pthread_cond_t posix;
};
#define LEAT_MUTEX_INIT \
	{ \
		PTHREAD_MUTEX_INITIALIZER \
	}
void leat_mutex_init(struct leat_mutex *mutex);
void leat_mutex_lock(struct leat_mutex *mutex);
void leat_mutex_unlock(struct leat_mutex *mutex);
void leat_cond_init(struct leat_cond *cond);
void leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex);
/* 0 or -ETIMEDOUT. */
int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns);
void leat_cond_broadcast(struct leat_cond *cond); /* mutate */
void leat_cond_fini(struct leat_cond *cond);

/*
 * A lock for a few instructions: half the price of a mutex. A thread that waits for it spins for a
 * while, then sleeps, as the holder may want the same core: a thread of SCHED_FIFO that yields
 * instead never lets one of lower priority run. Between lock and unlock nothing may sleep, and no
 * system call is made.
 *
 *     held    what it says                         the unlock
 *     0       free
 *     1       held                                 stores 0
 *     2       held, and a thread may sleep on it   stores 0, and wakes one
 */
struct leat_spin {
	uint32_t held, unused;
};
void leat_spin_init(struct leat_spin *spin);
void leat_spin_lock(struct leat_spin *spin);
void leat_spin_unlock(struct leat_spin *spin);

/*
 * Threads of the library: all signals blocked, named by the first 15 bytes of name ("": "leat"),
 * pinned where pin is LEAT_PIN(cpu). 0 or -errno, -EINVAL for a processor that is not there.
 *
 * *thread is written by the starting thread alone, and may be written after the new one has ended.
 * Who hears of a thread from itself and not from its starter joins by what it says with
 * leat_thread_self().
 */
struct leat_thread {
	pthread_t posix;
};
typedef void leat_thread_fn(void *arg);
int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin);
struct leat_thread leat_thread_self(void);
void leat_thread_join(struct leat_thread *thread);

/* Stops the program that broke a documented rule, with a line that says which. */
_Noreturn void leat_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies a text, cut visibly ("...") where it is longer than LEAT_TEXT_MAX. NULL is "". */
void leat_text_copy(char to[LEAT_TEXT_MAX + 1], const char *from);
/* Copies a name; false if it is longer than LEAT_NAME_MAX. NULL is "". */
bool leat_name_copy(char to[LEAT_NAME_MAX + 1], const char *from);
/* Whether reserved words of options are all zero. */
bool leat_words_unused(const uint64_t *words, size_t n);

#endif
