/*
 * runtime/os/os.h: the operating system. Only this room names futexes, membarrier, eventfds,
 * epoll, clocks, threads, mutexes and the allocator (the exceptions are listed in tools/layers).
 *
 * The exploring scheduler of the tests replaces all of it: tests/verify/os.c defines the functions
 * below. There a sleep, a wake-up, a time-out, a spurious return, a refused allocation and a
 * refused thread are choices of the scheduler; the clock moves only when a time-out happens or a
 * model says so; a spin lock is a mutex. Only runtime/os/spin.c is explored as it is, by the models
 * event_lock_*.
 *
 * libleat-test, which tests of programs are linked with in place of libleat, replaces the functions
 * of memory.c, sleep.c, epoll.c and thread.c: testkit/testkit.h.
 *
 * A function that can fail returns -errno, or NULL.
 *
 * A prototype or a statement with the comment "mutate" is one that a model must miss: tools/mutate
 * leaves such a call out, and fails if no model notices.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_OS_OS_H
#define LEAT_RUNTIME_OS_OS_H

#include <leat/base.h>
#include <pthread.h>

/* A variable of each thread; also the shared library reaches it without a call. */
#ifndef LEAT_TLS
#define LEAT_TLS __thread __attribute__((tls_model("initial-exec")))
#endif

/* The structure that has this member at this address. */
#define leat_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/*
 * Allocates zeroed memory of size bytes, aligned to align, at least 16. Returns NULL without
 * memory, and for a size of a tebibyte or more. leat_os_free() takes what it returned, or NULL.
 */
void *leat_os_alloc(size_t size, size_t align);
void leat_os_free(void *memory);
/*
 * Returns the memory, which had `old` bytes of this alignment, grown to `size` bytes, perhaps at
 * another address; the bytes beyond the old ones are not zeroed. NULL when there is none: then the
 * memory is as it was. Large memory is moved by its pages, and not copied.
 */
void *leat_os_grow(void *memory, size_t old, size_t size, size_t align);

/*
 * Allocates whole pages, zeroed; NULL without memory. leat_os_pages_free() takes the same size, and
 * gives the pages back to the system. For memory that is used soon: all pages are mapped at once,
 * since a page fault at the first touch of each page takes several times as long.
 */
void *leat_os_pages(size_t size);
void leat_os_pages_free(void *pages, size_t size);

/*
 * Sleeps if *word is expected, until another thread wakes this one or the deadline passes. Returns
 * -ETIMEDOUT after the deadline; else 0: a wake, a changed word, a signal or no reason at all, so
 * the caller rechecks. The kernel compares the word and begins the sleep as one step.
 */
int leat_os_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns);
/* Wakes up to n threads that sleep on word. Does not read *word, which may be freed already. */
void leat_os_futex_wake(uint32_t *word, unsigned n); /* mutate */

/*
 * The heavy half of the asymmetric fence, by membarrier: a full fence on every core that runs a
 * thread of this process. The light half is leat_fence_light() of senders and receivers.
 *
 * prepare() registers the process for membarrier at its first call, and returns whether the kernel
 * has it. fence_heavy() executes the fence.
 *
 * The kernel may refuse membarrier later: a filter of system calls can be installed at any time.
 * From then on prepare() returns false. fence_heavy() then executes a full fence of the calling
 * thread and sleeps for a millisecond. After that, all stores that any core had executed before the
 * call are visible to the caller: a store leaves its core's buffer in far less time.
 */
bool leat_os_fence_heavy_prepare(void);
void leat_os_fence_heavy(void);
/* Executes a membarrier, and returns whether the kernel still has it. */
bool leat_os_fence_heavy_ask(void);
/* Sleeps until the stores that any core had executed before the call are visible to all. */
void leat_os_outlast_stores(void);
/*
 * After membarrier has been refused: the longest sleep of a thread that waits for a change which
 * other threads make without a fence.
 */
#define LEAT_OS_UNFENCED_NS INT64_C(1000000)

/*
 * A flag is a descriptor that poll(2) finds readable from a raise until a clear. open() returns the
 * descriptor or -errno. raise() never waits; any thread may call it before the close. A flag that
 * is raised twice is cleared by one clear.
 */
int leat_os_flag_open(void);
void leat_os_flag_raise(int flag); /* mutate */
void leat_os_flag_clear(int flag);
void leat_os_flag_close(int flag);
/*
 * Whether time goes on only when a test advances it (leat/test.h): then nothing may rely on a
 * moment that comes by itself.
 */
bool leat_os_time_stands(void);

/*
 * poll(2) with a deadline; one in the past means no wait. Returns how many descriptors are ready; 0
 * after a signal, so the caller rechecks; -ETIMEDOUT; or -errno.
 */
struct pollfd;
int leat_os_poll(struct pollfd *fds, size_t n, int64_t deadline_ns);

/*
 * A set of descriptors on which one thread sleeps (epoll(7)). open() returns the set or -errno.
 * add() returns 0 or -errno. Its events are those of poll(2); once: the first event is reported and
 * no other. wait() stores the descriptors that are ready and returns how many; 0 at the deadline or
 * for a signal (the caller rechecks).
 */
enum { LEAT_OS_EPOLL_MOST = 64 };
int leat_os_epoll_open(void);
int leat_os_epoll_add(int epoll, int fd, short events, bool once);
void leat_os_epoll_remove(int epoll, int fd);
int leat_os_epoll_wait(int epoll, int fds[LEAT_OS_EPOLL_MOST], int64_t deadline_ns);

/* Another descriptor of the same open file, from 3 up and closed by exec; or -errno. */
int leat_os_fd_duplicate(int fd);
/* Closes a duplicate, or a set of descriptors. */
void leat_os_fd_close(int fd);

/*
 * A descriptor that poll(2) finds readable while one of the signals waits for the process or for
 * the calling thread (signalfd(2)), and that leat_os_fd_close() closes; or -errno. The caller has
 * the signals blocked. take() takes one: returns its number, or 0 if there is none.
 */
int leat_os_signals_open(const sigset_t *signals);
int leat_os_signals_take(int fd);
/* Blocks the signals in this thread; before is the mask that it had, which restore() sets again. */
void leat_os_signals_block(const sigset_t *signals, sigset_t *before);
void leat_os_signals_restore(const sigset_t *before);
/* "SIGTERM"; "signal 40" where there is no name. */
void leat_os_signal_name(int number, char name[LEAT_NAME_MAX + 1]);

/* Offers this core to other threads. */
void leat_os_yield(void);
/* Returns how many processors this process may use; at least 1. */
unsigned leat_os_cores(void);

/*
 * Mutexes and condition variables, for slow paths. A mutex has no fini. A wait on a condition may
 * return early; the caller rechecks.
 */
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
/* Returns 0, or -ETIMEDOUT after the deadline. */
int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns);
void leat_cond_broadcast(struct leat_cond *cond); /* mutate */
void leat_cond_fini(struct leat_cond *cond);

/*
 * A lock for a few instructions, at half the price of a mutex. A thread that waits for it spins for
 * a while, then sleeps on a futex, since the holder may need the same core. Yielding would not do:
 * a thread of SCHED_FIFO that yields never lets a thread of lower priority run. Between lock and
 * unlock the holder must not sleep, and makes no system call.
 *
 *     held    means                                the unlock
 *     0       free
 *     1       held                                 stores 0
 *     2       held, and a thread may sleep on it   stores 0, and wakes one thread
 */
struct leat_spin {
	uint32_t held, unused;
};
void leat_spin_init(struct leat_spin *spin);
void leat_spin_lock(struct leat_spin *spin);
void leat_spin_unlock(struct leat_spin *spin);

/*
 * Threads of the library. start() runs fn(arg) on a new thread, with all signals blocked. The
 * thread is named by the first 15 bytes of name ("" stands for "leat"), and pinned to a processor
 * if pin is LEAT_PIN(cpu). Returns 0 or -errno, -EINVAL for a processor that does not exist.
 *
 * The starting thread alone writes *thread, perhaps only after the new thread has ended. So a third
 * thread that learns of the new thread from the new thread itself joins by the leat_thread_self()
 * of the new thread, and not by *thread. Each thread is joined once.
 */
struct leat_thread {
	pthread_t posix;
};
typedef void leat_thread_fn(void *arg);
int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin);
struct leat_thread leat_thread_self(void);
void leat_thread_join(struct leat_thread *thread);

/* Aborts a program that broke a documented rule, after a line on stderr that says which rule. */
_Noreturn void leat_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies a text. A text longer than LEAT_TEXT_MAX is cut and ends in "...". NULL counts as "". */
void leat_text_copy(char to[LEAT_TEXT_MAX + 1], const char *from);
/* Copies a name. Returns false if it is longer than LEAT_NAME_MAX. NULL counts as "". */
bool leat_name_copy(char to[LEAT_NAME_MAX + 1], const char *from);
/* Returns whether the reserved words of options are all zero. */
bool leat_words_unused(const uint64_t *words, size_t n);

/* Returns NULL, for a function that opens something: rc is what leat_open_error() then returns. */
void *leat_open_failed(int rc);

/* runtime/os/process.c */

/* The time of day, and that at which the process started (0: /proc does not say), since 1970. */
int64_t leat_os_wall_ns(void);
int64_t leat_os_started_ns(void);
/*
 * Field 22 of proc_pid_stat(5): when a process started, in ticks since the machine did. 0: there is
 * no such process, or it has ended and its parent has not asked yet.
 */
uint64_t leat_os_start_ticks(uint32_t pid);
/* The inode of this process's namespace of process numbers; 0: not known. */
uint64_t leat_os_pid_namespace(void);
/* Which run of the machine this is; "" if the kernel does not say. */
#define LEAT_OS_BOOT_ID 40
void leat_os_boot_id(char id[LEAT_OS_BOOT_ID]);
/* The kernel's number of the calling thread. */
uint32_t leat_os_thread_id(void);
/*
 * How long a thread of this process was on a processor, and how long it was ready without one, as
 * the kernel counts: a tick behind at the most. 0 and 0: the kernel does not say, or there is no
 * descriptor to read it with. Does not change errno.
 */
void leat_os_thread_times(uint32_t tid, uint64_t *cpu_ns, uint64_t *runq_ns);

#endif
