/*
 * tests/unit/os.c: what the library takes from the operating system: no more than POSIX promises.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"

#include "runtime/os/os.h"

#include <dlfcn.h>

TestSuite(os, .timeout = 600);

/*
 * A pthread_create() that tells its caller the new thread's id as late as it may: after that thread
 * has run, and ended, and was joined by another one, or at least was tried to. It stands before the
 * C library's for the library's own calls too.
 */
static uint32_t tells_late, joins;
static uint32_t created, joined; /* threads, by calls that succeeded */
static pthread_t joined_as;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                   void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	pthread_t id;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (leat_load_acq(&tells_late) == 0) {
		int rc = real(thread, attributes, fn, arg);
		leat_add_rlx(&created, rc == 0);
		return rc;
	}
	int error = real(&id, attributes, fn, arg);
	if (error == 0)
		await_word(&joins, 1);
	*thread = id;
	return error;
}

int pthread_join(pthread_t thread, void **answer)
{
	int (*real)(pthread_t, void **);
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
	if (leat_load_acq(&tells_late) == 0) {
		int rc = real(thread, answer);
		leat_add_rlx(&joined, rc == 0);
		return rc;
	}
	joined_as = thread;
	int error = thread != 0 ? real(thread, answer) : ESRCH;
	leat_add_acqrel(&joins, 1u);
	return error;
}

struct joiner {
	pthread_t thread;
	struct leat_scope *scope;
	uint32_t running; /* the generator is */
	pthread_t id;     /* its own */
	int rc;
};

static int say_who(struct leat_tx *out, void *arg)
{
	struct joiner *joiner = arg;
	(void)out;
	joiner->id = pthread_self();
	leat_store_rel(&joiner->running, 1u);
	return 0;
}

static void *join_when_it_runs(void *arg)
{
	struct joiner *joiner = arg;
	if (await_word(&joiner->running, 1))
		joiner->rc = leat_scope_join(joiner->scope);
	return NULL;
}

Test(os, a_generator_may_end_and_be_joined_before_its_start_has_returned)
{
	struct joiner joiner = { .scope = leat_scope_open(NULL, NULL), .rc = 4711 };
	cr_assert_eq(pthread_create(&joiner.thread, NULL, join_when_it_runs, &joiner), 0);
	leat_store_rel(&tells_late, 1u);
	int rc = leat_gen(joiner.scope, say_who, &joiner, 0, NULL, NULL);
	leat_store_rel(&tells_late, 0u);
	cr_assert_eq(pthread_join(joiner.thread, NULL), 0);
	cr_expect_eq(rc, 0);
	cr_expect_eq(joiner.rc, 0);
	cr_expect_eq(joins, 1);
	cr_expect(pthread_equal(joined_as, joiner.id));
	cr_expect_eq(leat_scope_close(joiner.scope), 0);
}

/*
 * A value of a thread whose destructor uses the library: it runs when the generator's function has
 * returned.
 */
struct farewell {
	pthread_key_t key;
	struct leat_scope *scope, *sibling;
	uint32_t said, starts_failed;
	int join_rc, close_rc, sibling_rc;
};

static int do_nothing(struct leat_tx *out, void *arg)
{
	(void)out;
	(void)arg;
	return 0;
}

static void say_farewell(void *value)
{
	struct farewell *farewell = value;
	for (int i = 0; i < 3; i++)
		leat_add_rlx(&farewell->starts_failed,
		             leat_gen(farewell->scope, do_nothing, NULL, 0, NULL, NULL) != 0);
	farewell->join_rc = leat_scope_join(farewell->scope);
	farewell->close_rc = leat_scope_close(farewell->scope);
	leat_add_rlx(&farewell->starts_failed,
	             leat_gen(farewell->sibling, do_nothing, NULL, 0, NULL, NULL) != 0);
	farewell->sibling_rc = leat_scope_close(farewell->sibling);
	leat_store_rel(&farewell->said, 1u);
}

static int leave_a_value(struct leat_tx *out, void *arg)
{
	struct farewell *farewell = arg;
	(void)out;
	return -pthread_setspecific(farewell->key, farewell);
}

Test(os, a_threads_last_destructor_may_start_generators)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL);
	struct farewell farewell = { .scope = leat_scope_open(root, NULL),
		                     .sibling = leat_scope_open(root, NULL),
		                     .join_rc = 4711,
		                     .close_rc = 4711,
		                     .sibling_rc = 4711 };
	uint32_t before = leat_load_acq(&created), joined_before = leat_load_acq(&joined);
	cr_assert_eq(pthread_key_create(&farewell.key, say_farewell), 0);
	cr_assert_eq(leat_gen(farewell.scope, leave_a_value, &farewell, 0, NULL, NULL), 0);
	cr_assert(await_word(&farewell.said, 1));
	cr_expect_eq(farewell.starts_failed, 0);
	cr_expect_eq(farewell.join_rc, -EDEADLK, "a join from inside what it waits for: %d",
	             farewell.join_rc);
	cr_expect_eq(farewell.close_rc, -EDEADLK, "a close: %d", farewell.close_rc);
	cr_expect_eq(farewell.sibling_rc, 0);
	cr_expect_eq(leat_scope_close(farewell.scope), 0);
	cr_expect_eq(leat_scope_close(root), 0);
	cr_expect_eq(leat_load_acq(&created) - before, 5);
	cr_expect_eq(leat_load_acq(&joined) - joined_before, 5,
	             "threads that nobody joined are leaked");
	pthread_key_delete(farewell.key);
}

Test(os, memory_grows_with_its_bytes_and_its_alignment)
{
	size_t size = 24;
	unsigned char *memory = leat_os_alloc(size, 64);

	cr_assert_not_null(memory);
	for (size_t i = 0; i < size; i++)
		memory[i] = (unsigned char)(i * 7);
	for (size_t next = 100; next < (size_t)40 << 20; next *= 9) {
		memory = leat_os_grow(memory, size, next, 64);
		cr_assert_not_null(memory);
		cr_assert_eq((uintptr_t)memory % 64, 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(memory[i], (unsigned char)(i * 7));
		for (size_t i = size; i < next; i++)
			memory[i] = (unsigned char)(i * 7);
		size = next;
	}
	cr_assert_null(leat_os_grow(memory, size, SIZE_MAX - 8, 64));
	cr_assert_null(leat_os_grow(memory, size, (size_t)1 << 50, 64));
	cr_assert_eq(memory[size - 1], (unsigned char)((size - 1) * 7));
	leat_os_free(memory);
}
