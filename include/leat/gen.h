/*
 * leat/gen.h: generators, tasks and pulled sequences.
 *
 * A generator is a function that sends into a channel from a thread of its own; it belongs to a
 * scope. A task is a generator without an output. A seq is a source that is pulled, one function
 * call for each item; the same seq runs on a thread by one line, and comes back from a channel by
 * another.
 *
 *     static int squares(struct leat_tx *out, void *arg)
 *     {
 *             int rc = 0;
 *             for (uint64_t n = 0; rc == 0; n++)
 *                     rc = leat_send(out, &(uint64_t){ n * n });
 *             return rc;                  what the send answered is the ordinary way out
 *     }
 *
 *     struct leat_rx *rx;
 *     leat_gen(scope, squares, NULL, sizeof(uint64_t), NULL, &rx);
 *     leat_for(uint64_t, n, rx) { if (n > 100) break; }
 *     leat_rx_close(rx);                  the generator's next send answers -EPIPE and it ends,
 *                                         abandoned
 *
 * What the value that a generator returns means
 *
 *     0                                                             LEAT_COMPLETED
 *     -EPIPE, and nobody receives from its channel any more         LEAT_ABANDONED
 *     -ECANCELED, and its channel is cancelled                      the scope's cause, code and
 *                                                                   text
 *     any other negative value, or those two in any other state     LEAT_FAILED with that code
 *     a positive value                                              LEAT_FAILED with -EINVAL
 *
 * A seq or sink that returns what leat_seq_from_rx() gave it ends as that input did: see there.
 *
 * A failing generator keeps its data: its channel is closed first, so receivers drain it, get 0,
 * and leat_rx_status() says LEAT_FAILED; then its scope is cancelled with its code, which leaves
 * this one channel alone. (A cancel by anyone else does reach it.)
 *
 * What functions that the library calls may not do: generators, next, put, fini, discard, callbacks
 * of diagnostics
 *
 *     throw            std::terminate() ends the process, but for a next that a receive runs on its
 *                      own thread: there the
 *                      exception goes on to the caller of the receive, and the generator has failed
 *                      with -EINVAL and words.
 *                      Which thread runs a next is chance, so no program can rely on it.
 *     longjmp(), end   what the library has set up on the thread stays as it is
 *     their thread
 *     close a handle   that a call under way uses, as a discard runs inside of a send, a receive or
 *                      a close
 *     wait in a step   next, put and fini on a pool, and a discard in these: what would wait
 *                      returns -EDEADLK. A step asks to be
 *                      called again later (leat_after(), leat_ready()).
 *     join or close    the scope that they run in, or one above it: -EDEADLK; so it is in
 *                      destructors of their thread's values
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_GEN_H
#define LEAT_GEN_H

#include <leat/chan.h>
#include <leat/pool.h>
#include <leat/scope.h>

LEAT_BEGIN_DECLS

/* A loop of leat_send(). `out` belongs to the library; clones of it belong to the function. */
typedef int leat_gen_fn(struct leat_tx *out, void *arg);

/*
 * Writes one item and answers 1; answers 0 when there are no more, -errno for a failure; or what
 * leat_after() or leat_ready() answered, and is then called again, later.
 */
typedef int leat_next_fn(void *state, void *item);

struct leat_seq {
	leat_next_fn *next;
	void (*fini)(void *state); /* called once after the last next; may be NULL */
	void *state;
	size_t item_size;
};

/*
 * What becomes of items: answers 0 for the next one, 1 when it has had enough, -errno for a
 * failure; or as leat_next_fn.
 */
typedef int leat_put_fn(void *state, const void *item);

struct leat_sink {
	leat_put_fn *put;
	void (*fini)(void *state); /* called once after the last put; may be NULL */
	void *state;
};

/* The processor a generator's thread is kept on: LEAT_PIN(0) is the first. */
#define LEAT_PIN(cpu) ((unsigned)(cpu) + 1u)

struct leat_gen_opts {
	/* its name names the generator and its thread (the first 15 bytes) too */
	struct leat_chan_opts chan;
	unsigned pin; /* LEAT_PIN(cpu); 0: anywhere */
	/* runs it as steps on these workers; NULL: on a thread of its own */
	struct leat_pool *pool;
	uint64_t reserved[8];
};

/*
 * Starts a generator. item_size 0 with rx NULL starts a task; its `out` cannot send, but tells when
 * to stop (leat_tx_done) and where it runs (leat_tx_scope).
 *
 * Answers 0, and *rx is the caller's to close; the function then runs exactly once. On an error
 * nothing was started, *rx is NULL and arg is still the caller's: -EINVAL for bad arguments,
 * -ECANCELED in a cancelled scope, -ENOMEM, -EAGAIN when no thread can be had, -ENOTSUP with a pool
 * (a function that waits needs a thread; what next() does in steps does not: leat_gen_seq()),
 * -ELIBBAD (leat/base.h).
 */
LEAT_API int leat_gen(struct leat_scope *scope, leat_gen_fn *fn, void *arg, size_t item_size,
                      const struct leat_gen_opts *opts, struct leat_rx **rx);

/*
 * The same for a seq: its items are made in place in the channel, one when there is room for it.
 * fini runs exactly once after the last next, before the end or the join can be seen. Errors as
 * leat_gen(); the state then is still the caller's and fini has not run.
 *
 * With a pool it runs on any kind of channel, as one step for each item. An SPSC channel that
 * blocks, of at most 1,024 bytes of items (so name a capacity), takes some 200 bytes and its items,
 * the generator included.
 */
LEAT_API int leat_gen_seq(struct leat_scope *scope, struct leat_seq seq,
                          const struct leat_gen_opts *opts, struct leat_rx **rx);

/*
 * A task that takes items from a receiver and puts each; on a thread of its own, or on a pool as
 * steps. The receiver is the library's from then on, and closed at the end, before fini: put that
 * has had enough, or fails, stops what feeds it. 0 at the end of the stream counts as
 * LEAT_COMPLETED; a stream that failed or was cancelled ends the task with its cause, code and
 * text, and only LEAT_FAILED is then a failure that cancels the task's scope. Options: pin or pool,
 * and the name of chan. Errors as leat_gen(), -EINVAL for NULL, and -EBUSY for a receiver that
 * holds a peek; the receiver is the caller's then.
 */
LEAT_API int leat_gen_sink(struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink,
                           const struct leat_gen_opts *opts);

/*
 * For next and put functions, which run in all places alike: `if ((rc = leat_after(due_ns)) != 0)
 * return rc;` goes on when the time has come. In a step on a pool it answers LEAT_AFTER, and the
 * function, having returned that, is called again (put with the same item) at that time. On a
 * thread, or where it is pulled, it waits in place. 0 when the time has come; -EPIPE or -ECANCELED
 * when its generator is to end.
 *
 * leat_ready() waits for a descriptor in the same way: 0 when it has any of poll(2)'s events, an
 * error or a hang-up among them; -ETIMEDOUT at the deadline; LEAT_READY in a step; -errno for what
 * can't be waited for. The descriptor stays the caller's, and open until then.
 */
enum { LEAT_AFTER = 2, LEAT_READY = 3, LEAT_ITEM = 4 };
LEAT_API int leat_after(int64_t deadline_ns);
LEAT_API int leat_ready(int fd, short events, int64_t deadline_ns);

/*
 * The way back: a seq that receives. Its next answers 0 at the end of the stream, the generator's
 * code if that failed, -ECANCELED if the channel, or an input of its generator, was cancelled. A
 * seq or sink on a thread or a pool that returns such an error ends as its input did, with the same
 * cause, code and text. On a generator's thread next also answers -EPIPE or -ECANCELED, with
 * nothing received, once a send on the generator's own channel would: a stage hears that its
 * consumer left, or that its scope was cancelled, while its input is idle. Its fini closes the
 * receiver, which stops the generator. A NULL rx gives a seq whose next is NULL. In a step on a
 * pool, where nothing is there yet, next answers LEAT_ITEM, to be returned like LEAT_AFTER: so one
 * seq can stand on another.
 */
LEAT_API struct leat_seq leat_seq_from_rx(struct leat_rx *rx);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_gen(...) leat_detail_gen(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)
#define leat_gen_seq(...) leat_detail_gen_seq(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)
#define leat_gen_sink(...) leat_detail_gen_sink(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)

LEAT_BEGIN_DECLS
LEAT_API int leat_detail_gen(unsigned abi, struct leat_scope *scope, leat_gen_fn *fn, void *arg,
                             size_t item_size, const struct leat_gen_opts *opts,
                             struct leat_rx **rx);
LEAT_API int leat_detail_gen_seq(unsigned abi, struct leat_scope *scope, struct leat_seq seq,
                                 const struct leat_gen_opts *opts, struct leat_rx **rx);
LEAT_API int leat_detail_gen_sink(unsigned abi, struct leat_scope *scope, struct leat_rx *rx,
                                  struct leat_sink sink, const struct leat_gen_opts *opts);
LEAT_END_DECLS
#endif
