/*
 * leat/pace.h: how fast, how many at a time, and when not at all: rates, semaphores, circuit
 * breakers, back-offs.
 *
 * A client that may send 100 requests a second, in bursts of 10 at most, that leaves a service
 * alone while it fails, and that tries again later and later:
 *
 *     struct leat_rate *rate = leat_rate_open(&(struct leat_rate_opts){ 100, .burst = 10 });
 *     struct leat_breaker *breaker = leat_breaker_new(NULL);
 *     struct leat_backoff pause = { .first_ns = 10000000, .most_ns = 2000000000, .jitter = 0.5 };
 *     ...
 *     rc = leat_rate_take(rate, 1, scope, LEAT_NEVER);
 *     if (rc == 0)
 *             rc = leat_breaker_enter(breaker, &ticket);           -EBUSY: leave it alone
 *     if (rc == 0) {
 *             rc = request(...);
 *             leat_breaker_leave(breaker, ticket, rc);
 *     }
 *     if (rc < 0)
 *             rc = leat_scope_sleep(scope, leat_now_ns() + leat_backoff_next(&pause));
 *
 * Threads. Any thread may use a rate, a semaphore or a breaker, at any time between its open and
 * its close. A back-off is a few words in the memory of the one thread that uses it.
 *
 * Waits. The calls that wait take a scope, whose cancel ends the wait at once with -ECANCELED, and
 * a deadline; scope may be NULL. In a cancelled scope they take nothing. In a step on a pool a call
 * that would wait returns -EDEADLK and has taken nothing. There the call whose name ends in _after
 * waits instead: it asks for a later call of the function, as leat_after() does (leat/gen.h), and
 * the function returns what it returned. On a generator's thread, and where a seq is pulled, it
 * waits in place, and returns -EPIPE or -ECANCELED when the generator is to end. Where a stop ends
 * the generator as a source, it returns -ESHUTDOWN, in a step too. So one function does for all:
 *
 *     static int next_request(void *state, void *item)
 *     {
 *             struct requests *requests = state;
 *             int rc = leat_rate_after(requests->rate, 1, &requests->due_ns);
 *             if (rc != 0)
 *                     return rc;
 *             ...
 *     }
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PACE_H
#define LEAT_PACE_H

#include <leat/scope.h>

LEAT_BEGIN_DECLS

/*
 * A rate: permits that come at a steady pace. It is a bucket of `burst` permits, full at first,
 * into which per_second permits fall each second, evenly, and which each take empties.
 *
 * Promise. In any window of time the permits that were granted are at most burst + per_second x the
 * length of the window. That counts the time of a grant: the time at which it was due, or that of
 * the call where it did not wait. A thread that sleeps returns a little later than its permit was
 * due, and a thread that is late loses nothing: the permit behind it is due as if it had been in
 * time. So the pace is exact on average, also with a burst of 1.
 *
 * Order. Permits are granted in the order of the calls. A try never overtakes a thread that waits.
 */
struct leat_rate;

struct leat_rate_opts {
	double per_second; /* above 0 */
	uint32_t burst;    /* the most at once; 0: 1 */
	uint64_t reserved[4];
};

/*
 * Returns NULL for bad options (no rate above 0, reserved not zero), without memory, and to a
 * caller that was compiled for another layout (leat/base.h).
 */
LEAT_API struct leat_rate *leat_rate_open(const struct leat_rate_opts *opts);
/* Returns 0, also for NULL; -EBUSY while a thread waits. */
LEAT_API int leat_rate_close(struct leat_rate *rate);

/*
 * Changes the pace from now on, also for threads that wait: their permits are due sooner or later
 * than before. The permits in the bucket stay, as far as the new burst has room for them. A thread
 * that waits for more than the new burst returns -EINVAL, one whose deadline cannot be met any more
 * -ETIMEDOUT. What leat_rate_after() has promised stays. Returns 0, or -EINVAL.
 */
LEAT_API int leat_rate_set(struct leat_rate *rate, double per_second, uint32_t burst);

/*
 * Takes n permits, and waits until they are due. Returns 0; -ETIMEDOUT at once, if they are not due
 * by the deadline; -ECANCELED; -ESHUTDOWN for a source that was stopped (leat_tx_source()), or that
 * waits in a stopped scope; -EINVAL for NULL and for an n above the burst; -EDEADLK. After an error
 * nothing was taken. n 0 takes nothing.
 */
LEAT_API int leat_rate_take(struct leat_rate *rate, uint32_t n, struct leat_scope *scope,
                            int64_t deadline_ns);
/* Takes n permits if they are there. Returns 0, -EAGAIN, -EINVAL. */
LEAT_API int leat_rate_try(struct leat_rate *rate, uint32_t n);
/*
 * For next and put functions. *due_ns is 0 at first. The first call takes n permits, and keeps in
 * *due_ns when they are due; the calls after it take nothing. Returns 0 once they are due, and
 * *due_ns is 0 again; before that, what leat_after(*due_ns) returns: LEAT_AFTER, -EPIPE, -ECANCELED
 * or -ESHUTDOWN. -EINVAL as leat_rate_take().
 * What was taken stays taken, also if the generator ends before it is due.
 */
LEAT_API int leat_rate_after(struct leat_rate *rate, uint32_t n, int64_t *due_ns);

/*
 * A semaphore: at most so many permits are out at a time. First come, first served: a thread that
 * waits for many permits is not overtaken by threads that want few, and a try fails while any
 * thread or step waits.
 */
struct leat_sem;

/* Returns NULL for 0 permits, and otherwise as leat_rate_open(). */
LEAT_API struct leat_sem *leat_sem_open(uint32_t permits);
/* Returns 0, also for NULL; -EBUSY while a thread or a step waits. Permits may be out. */
LEAT_API int leat_sem_close(struct leat_sem *sem);

/*
 * Takes n permits, which any thread gives back by leat_sem_release(). Returns 0; -ETIMEDOUT;
 * -ECANCELED and -ESHUTDOWN as leat_rate_take(); -EINVAL for NULL and for more permits than there
 * are; -EDEADLK. After an error nothing was taken. A deadline that is not in the future means no
 * wait.
 */
LEAT_API int leat_sem_acquire(struct leat_sem *sem, uint32_t n, struct leat_scope *scope,
                              int64_t deadline_ns);
/* Takes n permits if they are there and nothing waits. Returns 0, -EAGAIN, -EINVAL. */
LEAT_API int leat_sem_try(struct leat_sem *sem, uint32_t n);
/*
 * For next and put functions. Returns 0 with n permits taken; or, in a step on a pool, LEAT_READY:
 * the function is called again when they are granted, and makes this call again with the same
 * arguments. Meanwhile the library keeps the step's place in the queue. It gives place and permits
 * back if the function does not make this call again in its next call, or is not called again. In a
 * step also -ENOMEM. Elsewhere it waits in place, and returns -EPIPE or -ECANCELED when the
 * generator is to end. -ESHUTDOWN when a stop ends it as a source.
 */
LEAT_API int leat_sem_after(struct leat_sem *sem, uint32_t n);
/* Gives n permits back. Returns 0; -EINVAL for more than are out. Never waits. */
LEAT_API int leat_sem_release(struct leat_sem *sem, uint32_t n);

/*
 * A circuit breaker: keeps callers from a service that fails, and finds out by a few probes when it
 * works again.
 *
 *     CLOSED      every call may go. Opens when the failures-th latest failure is younger than
 *                 window_ns.
 *     OPEN        no call may go, for open_ns. Then it is half open.
 *     HALF_OPEN   at most `probes` calls are under way at a time. The first that succeeds closes
 *                 the breaker, and the failures before it count no more. The first that fails opens
 *                 it again. So does a probe that has not come back after open_ns.
 *
 * No call waits, so all of this also works in steps.
 */
struct leat_breaker;

struct leat_breaker_opts {
	uint32_t failures; /* 0: 5 */
	uint32_t probes;   /* 0: 1; at most 65,535 */
	int64_t window_ns; /* 0: 10 seconds */
	int64_t open_ns;   /* 0: 1 second */
	uint64_t reserved[4];
};

enum leat_breaker_state { LEAT_BREAKER_CLOSED, LEAT_BREAKER_OPEN, LEAT_BREAKER_HALF_OPEN };

/* opts may be NULL. Returns NULL for bad options (a time below 0), and as leat_rate_open(). */
LEAT_API struct leat_breaker *leat_breaker_new(const struct leat_breaker_opts *opts);
LEAT_API void leat_breaker_free(struct leat_breaker *breaker);

/*
 * Whether a call may go. Returns 0 with a ticket for leat_breaker_leave(), which the caller calls
 * once; -EBUSY while the breaker is open, and while it is half open and all probes are under way;
 * -EINVAL for NULL.
 */
LEAT_API int leat_breaker_enter(struct leat_breaker *breaker, uint64_t *ticket);
/*
 * The call came back with rc: 0 or more is a success, -errno a failure. -ECANCELED, -EPIPE and
 * -ESHUTDOWN are neither: they say nothing of the service, and give a probe back. A ticket of an
 * earlier state is ignored.
 */
LEAT_API void leat_breaker_leave(struct leat_breaker *breaker, uint64_t ticket, int rc);
/* The state now. */
LEAT_API enum leat_breaker_state leat_breaker_now(struct leat_breaker *breaker);

/*
 * A back-off: pauses that grow. The first is first_ns long, each one factor times as long as the
 * one before it, and none longer than most_ns. Of each, up to the part `jitter` is taken away by
 * chance, so that clients which failed together do not come back together. A struct whose other
 * members are zero begins anew.
 */
struct leat_backoff {
	int64_t first_ns; /* 0: 1 millisecond */
	int64_t most_ns;  /* 0: no limit */
	double factor;    /* 0: 2; below 1 counts as 1 */
	double jitter;    /* 0 to 1; 0: none */
	uint32_t tries;   /* how many pauses there are; 0: endless */
	uint32_t tried;   /* how many there were */
	uint64_t chance;  /* of jitter; 0: begins with a number of its own */
	int64_t last_ns;  /* the last pause, before its jitter */
	uint64_t reserved[2];
};

/* Returns the next pause in nanoseconds, or -1 when the tries are over. */
LEAT_API int64_t leat_backoff_next(struct leat_backoff *backoff);
/* After a success: the next pause is the first again. */
LEAT_API void leat_backoff_reset(struct leat_backoff *backoff);

LEAT_API struct leat_rate *leat_detail_rate_open(unsigned abi, const struct leat_rate_opts *opts);
LEAT_API struct leat_sem *leat_detail_sem_open(unsigned abi, uint32_t permits);
/*
 * For libleat-flow, whose threads hand turns to each other by semaphores: takes one permit, without
 * a scope and a deadline. The wait is no pace: in diagnostics it is one for the turn (in_order), or
 * else for items, which the thread whose turn it is waits for.
 */
LEAT_API int leat_detail_sem_turn(struct leat_sem *sem, bool in_order);
LEAT_API struct leat_breaker *leat_detail_breaker_new(unsigned abi,
                                                      const struct leat_breaker_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_rate_open(...) \
	leat_detail_rate_open(leat_detail_abi(struct leat_rate_opts), __VA_ARGS__)
#define leat_sem_open(permits) leat_detail_sem_open(LEAT_ABI, (permits))
#define leat_breaker_new(...) \
	leat_detail_breaker_new(leat_detail_abi(struct leat_breaker_opts), __VA_ARGS__)

#endif
