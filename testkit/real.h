/*
 * testkit/real.h: the functions of runtime/os that libleat-test replaces, under other names. The
 * build compiles their sources a second time with LEAT_SEAM_RENAMED and with this header in front;
 * so libleat-test has their bodies as leat_real_..., and calls them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTKIT_REAL_H
#define LEAT_TESTKIT_REAL_H

#include <leat/base.h>

struct pollfd;
struct leat_cond;
struct leat_mutex;
struct leat_thread;

/* memory.c */
void *leat_real_alloc(size_t size, size_t align);
void *leat_real_grow(void *memory, size_t old, size_t size, size_t align);
void leat_real_free(void *memory);
void *leat_real_pages(size_t size);
void leat_real_pages_free(void *pages, size_t size);

/* sleep.c */
int64_t leat_real_now_ns(void);
bool leat_real_time_stands(void);
int leat_real_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns);
void leat_real_futex_wake(uint32_t *word, unsigned n);
int leat_real_poll(struct pollfd *fds, size_t n, int64_t deadline_ns);
void leat_real_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex);
int leat_real_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex,
                              int64_t deadline_ns);
void leat_real_cond_broadcast(struct leat_cond *cond);

/* epoll.c */
int leat_real_epoll_wait(int epoll, int fds[64], int64_t deadline_ns);

/* thread.c */
int leat_real_thread_start(struct leat_thread *thread, void (*fn)(void *), void *arg,
                           const char *name, unsigned pin);
void leat_real_thread_join(struct leat_thread *thread);

#ifdef LEAT_SEAM_RENAMED
#define leat_os_alloc leat_real_alloc
#define leat_os_grow leat_real_grow
#define leat_os_free leat_real_free
#define leat_os_pages leat_real_pages
#define leat_os_pages_free leat_real_pages_free
#define leat_now_ns leat_real_now_ns
#define leat_os_time_stands leat_real_time_stands
#define leat_os_futex_wait leat_real_futex_wait
#define leat_os_futex_wake leat_real_futex_wake
#define leat_os_poll leat_real_poll
#define leat_cond_wait leat_real_cond_wait
#define leat_cond_wait_until leat_real_cond_wait_until
#define leat_cond_broadcast leat_real_cond_broadcast
#define leat_os_epoll_wait leat_real_epoll_wait
#define leat_thread_start leat_real_thread_start
#define leat_thread_join leat_real_thread_join
#endif

#endif
