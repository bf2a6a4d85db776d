/*
 * leat/test.h: for tests of programs that use leat: what a test leaves behind, and a clock that
 * only the test moves. The functions are in libleat-test, an archive that also has all of libleat.
 * A test is linked with it instead of libleat: leat::test of CMake, leat-test of pkg-config. A
 * program that is shipped is linked with libleat, which has nothing of this.
 *
 *     struct leat_census before;
 *     char text[1000];
 *
 *     leat_census_take(&before);
 *     run_the_program();
 *     if (leat_census_left(&before, text, sizeof(text)) > 0)
 *             fail(text);         "left behind: 1 thread (parser); 1 channel (orders)"
 *
 *     leat_test_clock_start();                      before the program opens a pool, or a generator
 *     program = program_open();                     say, with a tick every second
 *     leat_test_clock_advance(INT64_C(3600000000000));   an hour, in a few milliseconds
 *     assert(program->ticks == 3600);
 *
 * Apart from the memory that libleat-test takes for itself, a program runs in it as in libleat: all
 * objects are the same but those that call the operating system for memory, threads and sleeps.
 *
 * The census
 *
 * It counts what there is now and was not there before: threads and descriptors of the process,
 * whatever opened them; channels, generators, pools and scopes; and memory of the library. What has
 * a name is named: thread, channel, generator, pool and scope by the name that they were given, a
 * descriptor by what /proc says of it. Compact generators (leat_gen_seq() on a pool, with a small
 * channel) are not listed one by one: the scope that holds them is left, and the pool.
 *
 * The manual clock
 *
 * After leat_test_clock_start() the time of the library stands still until
 * leat_test_clock_advance() moves it: leat_now_ns(), and with it deadlines of calls and of scopes,
 * ticks, timers of pools (LEAT_AFTER), the interval of a diagnostics thread. No thread of the
 * library sleeps in the kernel with a time-out then. The clock begins at the time of
 * CLOCK_MONOTONIC, which itself goes on, as does the time of day in a Prometheus file. Spins keep
 * their bounds, which are no times.
 *
 * Advancing visits each time at which a thread has something to do, in order: it sets the clock to
 * that time, lets the threads run whose time has come, waits until all are parked again, and goes
 * on to the next. So what happens does not depend on how fast the machine is.
 *
 * What a settle waits for, and an advance each time: until every thread that the library has
 * started is parked in a call of the library (receives, sends, waits for a descriptor or a time,
 * joins) or has ended; until no descriptor is ready on which any thread sleeps in such a call; and
 * until a thread of the program that was woken from such a call is on its way out of it.
 *
 * What it does not wait for: threads that the program started, once they have returned from a call
 * of the library; the settle cannot know what they do next. A test joins them, or waits for what
 * they do, before it advances. Best is to have generators and pools run everything.
 *
 * What keeps it waiting: a function of a generator that sleeps or blocks in anything but the
 * library (read(2), a mutex that the test holds), and one that waits by LEAT_WAIT_SPIN or
 * LEAT_WAIT_YIELD, which never park. And the thread that advances the clock must not wait for a
 * time itself: with a deadline in the future, leat_recv_until() returns only when another thread
 * advances. A test advances, then tries (leat_try_recv()).
 *
 * Times of a pool are rounded up to 16 microseconds: a step that asked for 10 ms runs between 10 ms
 * and 10.016 ms later. And a pool may wake by itself every 200 microseconds for a while, to start
 * generators that no receiver has asked for an item yet.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_H
#define LEAT_TEST_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

/* The most threads that a census tells from each other; of more than these it counts all. */
enum { LEAT_CENSUS_THREADS = 64, LEAT_CENSUS_FDS = 1024 };

struct leat_census {
	/* of memory that the library has allocated and not freed: all that a test need know */
	uint64_t bytes, blocks;
	/* What the library compares. */
	uint64_t last_id, last_scope;
	uint64_t descriptors[LEAT_CENSUS_FDS / 64]; /* a bit for each */
	uint32_t descriptors_above, threads_count;
	uint32_t threads[LEAT_CENSUS_THREADS];
	uint64_t reserved[8];
};

/*
 * Notes what there is. Any thread. With a sanitizer the first call in a process starts a thread,
 * and joins it: the sanitizer may start one of its own with the first.
 */
LEAT_API void leat_census_take(struct leat_census *census);

/*
 * Returns how many threads, descriptors, channels, generators, pools, scopes and blocks of memory
 * there are that were not there before; 0 if there are none. Writes into text, which has room for
 * size bytes, what they are; "" if there are none. A text that has no room is cut.
 *
 * An ended thread leaves /proc a moment after its join. So while anything is left the function
 * counts again, for up to three seconds of real time.
 */
LEAT_API unsigned leat_census_left(const struct leat_census *before, char *text, size_t size);

/*
 * Stops the time of the library, for as long as the process runs. Call it before the test opens a
 * pool, or anything with a deadline, and while no other thread is in a call of the library. Returns
 * 0, also if it has been called before; -EBUSY if a thread of the library runs; or the error of a
 * thread or a descriptor that it could not have, of which the manual clock needs one each.
 */
LEAT_API int leat_test_clock_start(void);

/*
 * Moves the clock forward by ns, as said above, and settles before and after each time that it
 * visits. Threads that call it at once do so one after the other. Returns 0; -EINVAL for a negative
 * ns, or without leat_test_clock_start(); -EDEADLK on a thread of the library, for which it would
 * wait.
 */
LEAT_API int leat_test_clock_advance(int64_t ns);

/*
 * Waits until every thread of the library is parked, as said above. After that, what the test has
 * sent has gone as far as it goes without time passing. Returns 0, or an error as an advance does.
 */
LEAT_API int leat_test_clock_settle(void);

LEAT_END_DECLS
#endif
