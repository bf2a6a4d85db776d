/*
 * leat/gen.h: generators, tasks, sequences and sinks.
 *
 * A generator is a function that sends into a channel from a thread of its own. It belongs to a
 * scope (leat/scope.h), which waits for it. A task is a generator without an output. A seq is a
 * function that makes the next item, one call for each. The same seq can be pulled by its caller,
 * or run as a generator, on a thread or in steps on a pool; leat_seq_from_rx() makes a seq of a
 * receiver again. A sink is a function that is given each item of a receiver.
 *
 *     static int squares(struct leat_tx *out, void *arg)
 *     {
 *             int rc = 0;
 *             for (uint64_t n = 0; rc == 0; n++)
 *                     rc = leat_send(out, &(uint64_t){ n * n });
 *             return rc;                  what the send returned: the ordinary way out
 *     }
 *
 *     struct leat_rx *rx;
 *     leat_gen(scope, squares, NULL, sizeof(uint64_t), NULL, &rx);
 *     leat_for(uint64_t, n, rx) { if (n > 100) break; }
 *     leat_rx_close(rx);                  the generator's next send returns -EPIPE, and the
 *                                         generator ends as abandoned
 *
 * How a generator ended, by the value that it returned (leat_rx_status() says it)
 *
 *     0                                                             LEAT_COMPLETED
 *     -EPIPE, and its channel has no receiver any more              LEAT_ABANDONED
 *     -EPIPE, and another sender has ended the stream               LEAT_COMPLETED
 *     (leat_tx_close_all())
 *     -ECANCELED, and its channel or its scope is cancelled         the scope's cause, code and
 *                                                                   text
 *     -ESHUTDOWN, or 0, of a source (leat_tx_source()) that a       LEAT_STOPPED with the text of
 *     stop of its scope has told to end                             the stop
 *     any other negative value, or those in any other state         LEAT_FAILED with that code
 *     a positive value                                              LEAT_FAILED with -EINVAL
 *
 * A seq or sink that returns an error of leat_seq_from_rx() ends as that input did: see there.
 *
 * A generator that fails keeps its data. Its channel is closed first: receivers take what it has
 * sent, then get 0, and leat_rx_status() says LEAT_FAILED. Then its scope is cancelled with its
 * code, but that cancel spares this one channel. (Any other cancel reaches it.)
 *
 * Later calls. A step on a pool must not wait for a time, a descriptor or an item. Instead a next
 * or put asks to be called again later, and returns what the asking call returned:
 *
 *     leat_after(due_ns)                  returns LEAT_AFTER: call me again at that time
 *     leat_ready(fd, POLLIN, deadline)    returns LEAT_READY: call me again when fd is readable, or
 *                                         at the deadline
 *     next of leat_seq_from_rx(rx)        returns LEAT_ITEM: call me again when rx has an item, or
 *                                         has ended
 *     leat_rate_after(rate, 1, &due_ns)   returns LEAT_AFTER, and
 *     leat_sem_after(sem, 1)              LEAT_READY: call me again when there are permits
 *                                         (leat/pace.h)
 *
 * The library then calls the function again from its beginning, with the same state, and put with
 * the same item. No thread waits meanwhile. On a thread of its own, or where a seq is pulled, the
 * same calls wait in place, so one function does for all three:
 *
 *     static int next_tick(void *state, void *item)
 *     {
 *             struct ticks *ticks = state;
 *             int rc = leat_after(ticks->due_ns);
 *             if (rc != 0)
 *                     return rc;          LEAT_AFTER; -EPIPE, -ECANCELED or -ESHUTDOWN
 *             ticks->due_ns += ticks->every_ns;
 *             *(uint64_t *)item = ticks->n++;
 *             return 1;
 *     }
 *
 * What a function that the library calls must not do: a generator, next, put, fini, discard, a
 * callback of diagnostics
 *
 *     throw            std::terminate() ends the process. Only where a receive runs a next on its
 *                      own thread does the exception go on to the caller of the receive, and the
 *                      generator has failed with -EINVAL and a text. Which thread runs a next is
 *                      chance, so no program can rely on that.
 *     longjmp(), end   what the library has set up on the thread would stay there
 *     the thread
 *     close a handle   that a call under way uses: a discard runs inside of a send, a receive or a
 *                      close
 *     wait in a step   that is in next, put and fini on a pool, and in a discard during these. A
 *                      call that would wait returns -EDEADLK. Ask to be called again instead.
 *     join or close    the scope that the function runs in, or one above: returns -EDEADLK, also in
 *                      destructors of the thread's values
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_GEN_H
#define LEAT_GEN_H

#include <leat/chan.h>
#include <leat/pool.h>
#include <leat/scope.h>

LEAT_BEGIN_DECLS

/* A loop of leat_send(). The library closes `out`; the function closes the clones that it makes. */
typedef int leat_gen_fn(struct leat_tx *out, void *arg);

/*
 * Writes one item and returns 1; returns 0 when there are no more, -errno for a failure; or what
 * leat_after(), leat_ready() or another seq's next returned, and is then called again later.
 */
typedef int leat_next_fn(void *state, void *item);

struct leat_seq {
	leat_next_fn *next;
	void (*fini)(void *state); /* called once after the last next; may be NULL */
	void *state;
	size_t item_size;
};

/*
 * Is given one item. Returns 0 for more, 1 when it has had enough, -errno for a failure; or what
 * leat_after(), leat_ready() or a seq's next returned, and is then called again later with this
 * item.
 */
typedef int leat_put_fn(void *state, const void *item);

struct leat_sink {
	leat_put_fn *put;
	void (*fini)(void *state); /* called once after the last put; may be NULL */
	void *state;
};

/* The processor that a generator's thread is kept on: LEAT_PIN(0) is the first. */
#define LEAT_PIN(cpu) ((unsigned)(cpu) + 1u)

struct leat_gen_opts {
	/* the channel; its name is also the generator's, and (15 bytes of it) the thread's */
	struct leat_chan_opts chan;
	unsigned pin; /* LEAT_PIN(cpu); 0: anywhere */
	/* runs a seq or sink in steps on these workers; NULL: on a thread of its own */
	struct leat_pool *pool;
	/* what it sends begins with it, and not with an input: a stop of the scope ends it */
	bool source;
	/*
	 * of leat_gen() and leat_gen_into() (a seq and a sink have their own): called once with arg
	 * after the function, before a receiver can see the end or a join can return; may be NULL
	 */
	void (*fini)(void *arg);
	uint64_t reserved[6];
};

/*
 * Starts a generator. item_size 0 with rx NULL starts a task: its `out` cannot send, but says when
 * to stop (leat_tx_done) and in which scope it runs (leat_tx_scope).
 *
 * Returns 0: the function runs exactly once, and the caller closes *rx. On an error nothing was
 * started, *rx is NULL and arg is still the caller's: -EINVAL for bad arguments, -ECANCELED in a
 * cancelled scope, -ESHUTDOWN for a source in a stopped one, -ENOMEM, -EAGAIN when no thread can be
 * started, -ENOTSUP with a pool (a function that waits needs a thread; use leat_gen_seq()),
 * -ELIBBAD (leat/base.h).
 */
LEAT_API int leat_gen(struct leat_scope *scope, leat_gen_fn *fn, void *arg, size_t item_size,
                      const struct leat_gen_opts *opts, struct leat_rx **rx);

/*
 * Starts a generator that sends into a handle that exists, which becomes the library's: several
 * generators share one channel, each with a clone of its sender.
 *
 *     leat_chan_open(scope, sizeof(struct hit), &(struct leat_chan_opts){ .kind = LEAT_MPSC }, &tx,
 *                    &rx);
 *     for (i = 0; i < n; i++)
 *             leat_gen_into(scope, search, &parts[i], leat_tx_clone(tx), NULL);
 *     leat_tx_close(tx);                  the stream ends when the last generator has
 *
 * Returns 0: the function runs exactly once, and the library closes tx after that. On an error
 * nothing was started, and tx and arg are still the caller's: as leat_gen(), -EINVAL also for NULL
 * and for the output of a task, -EBUSY for a handle that holds a reservation. Of the options it
 * reads pin, source, fini and the name in chan. `source`, or a handle that is one, is refused with
 * -ESHUTDOWN where the channel's scope is stopping, too.
 *
 * The generator ends as one of leat_gen() does. leat_rx_status() then speaks of the senders:
 * LEAT_FAILED with the code and text of the first that failed, else LEAT_STOPPED if a stop ended
 * one, else LEAT_COMPLETED. A failure cancels the generator's scope:
 *
 *     the channel is in that scope      it is spared, as ever: receivers take what was sent, then
 *                                       get 0; the other senders get -ECANCELED
 *     it is in a scope below            it is cancelled with all that is there
 *     elsewhere, or above               it goes on: this is one sender's close. So one of several
 *                                       may fail alone, in a scope of its own
 *
 * Where the scope is not the channel's, both end the generator: sends on its handle,
 * leat_tx_wait(), leat_after() and leat_ready() return -ECANCELED once either is cancelled. Of a
 * source these, and all other waits (leat_tx_source()), return -ESHUTDOWN once either is stopped.
 * leat_tx_scope() is the generator's scope. Clones that the function makes belong to the channel's
 * scope alone.
 */
LEAT_API int leat_gen_into(struct leat_scope *scope, leat_gen_fn *fn, void *arg, struct leat_tx *tx,
                           const struct leat_gen_opts *opts);

/*
 * Starts a seq as a generator. Each item is made in its place in the channel, once there is room
 * for it. Returns 0: the library owns the state until fini, which runs exactly once after the last
 * next, before a receiver can see the end or a join can return. On an error, as leat_gen(), the
 * state is still the caller's and fini has not run.
 *
 * With a pool the seq runs in steps, one for each item, on any kind of channel. It takes least
 * memory on an SPSC channel that blocks and holds at most 1,024 bytes of items (so give a
 * capacity): some 200 bytes and the items, for channel and generator together.
 */
LEAT_API int leat_gen_seq(struct leat_scope *scope, struct leat_seq seq,
                          const struct leat_gen_opts *opts, struct leat_rx **rx);

/*
 * Starts a sink: a task that takes items from a receiver and calls put for each, on a thread of its
 * own or in steps on a pool. Returns 0: the library owns the receiver, and closes it at the end,
 * before fini. So a put that has had enough, or fails, stops the generator that sends to it.
 *
 * The task ends as LEAT_COMPLETED at the end of a stream that completed. A stream that failed or
 * was cancelled ends it with the same cause, code and text; only LEAT_FAILED then cancels the
 * task's scope. Of the options it reads pin, pool and the name in chan. On an error the receiver is
 * still the caller's: as leat_gen(), -EINVAL for NULL, -EBUSY for a receiver that holds a peek.
 */
LEAT_API int leat_gen_sink(struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink,
                           const struct leat_gen_opts *opts);

/*
 * For next and put functions, wherever they run. leat_after() returns 0 when the time has come. If
 * it has not: in a step on a pool it returns LEAT_AFTER, which the function returns in turn, and
 * the function is called again at that time; elsewhere it waits until then. -EPIPE or -ECANCELED
 * when the generator is to end, and -ESHUTDOWN when a stop ends it as a source.
 *
 * leat_ready() waits for a descriptor in the same way. It returns 0 when the descriptor has any of
 * poll(2)'s events, or an error or a hang-up; -ETIMEDOUT at the deadline; LEAT_READY in a step;
 * -EPIPE, -ECANCELED and -ESHUTDOWN as leat_after(); -errno for a descriptor that cannot be waited
 * for. The caller keeps the descriptor, and keeps it open as long as the wait lasts.
 *
 * Both also work in the function of leat_gen(), a task's too, and of leat_gen_into(): they wait as
 * leat_tx_wait() does on its output. On a thread that runs no generator they wait in place, and
 * neither a cancel nor a close ends the wait.
 *
 * A function may return LEAT_AFTER, LEAT_READY or LEAT_ITEM only if a call that it made
 * returned that; else the generator fails with -EINVAL.
 */
enum { LEAT_AFTER = 2, LEAT_READY = 3, LEAT_ITEM = 4 };
LEAT_API int leat_after(int64_t deadline_ns);
LEAT_API int leat_ready(int fd, short events, int64_t deadline_ns);

/*
 * Gives a failure its text where there is no `out` for leat_tx_fail(): in the innermost next, put
 * or generator's function that runs on this thread, which then does `return leat_fail(-EIO, "disk
 * gone");`. Returns code; -EINVAL for one that is not negative. The text is copied. It is dropped
 * if the function goes on, or returns another code; also where a seq is pulled and no generator
 * runs. A stage that takes its input's failure over by leat_seq_from_rx() takes the text over too.
 */
LEAT_API int leat_fail(int code, const char *text);

/*
 * Makes a seq of a receiver: its next receives. The seq owns the receiver: its fini closes it,
 * which stops the generator that sends to it. A NULL rx gives a seq whose next is NULL.
 *
 * next returns 1 with an item, and 0 at the end of the stream. If the generator failed it returns
 * that generator's code; if the channel, or an input of the generator, was cancelled, -ECANCELED. A
 * seq or sink on a thread or a pool that returns such an error ends as its input did, with the same
 * cause, code and text.
 *
 * On a generator's thread next also returns -EPIPE or -ECANCELED, and has received nothing, once a
 * send on the generator's own channel would return that. So a stage whose input is idle still ends
 * when its consumer leaves or its scope is cancelled. In a step on a pool next returns LEAT_ITEM
 * when there is no item yet, which the caller returns like LEAT_AFTER: so one seq can use another.
 */
LEAT_API struct leat_seq leat_seq_from_rx(struct leat_rx *rx);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_gen(...) leat_detail_gen(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)
#define leat_gen_into(...) leat_detail_gen_into(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)
#define leat_gen_seq(...) leat_detail_gen_seq(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)
#define leat_gen_sink(...) leat_detail_gen_sink(leat_detail_abi(struct leat_gen_opts), __VA_ARGS__)

LEAT_BEGIN_DECLS
LEAT_API int leat_detail_gen(unsigned abi, struct leat_scope *scope, leat_gen_fn *fn, void *arg,
                             size_t item_size, const struct leat_gen_opts *opts,
                             struct leat_rx **rx);
LEAT_API int leat_detail_gen_into(unsigned abi, struct leat_scope *scope, leat_gen_fn *fn,
                                  void *arg, struct leat_tx *tx, const struct leat_gen_opts *opts);
LEAT_API int leat_detail_gen_seq(unsigned abi, struct leat_scope *scope, struct leat_seq seq,
                                 const struct leat_gen_opts *opts, struct leat_rx **rx);
LEAT_API int leat_detail_gen_sink(unsigned abi, struct leat_scope *scope, struct leat_rx *rx,
                                  struct leat_sink sink, const struct leat_gen_opts *opts);
LEAT_END_DECLS
#endif
