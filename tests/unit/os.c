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
 * A pthread_create() that tells its caller the new thread's id as late as it may: after that thread has run, and
 * ended, and was joined by another one, or at least was tried to. It stands before the C library's for the library's
 * own calls too.
 */
static uint32_t tells_late, joins;
static pthread_t joined_as;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	pthread_t id;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (leat_load_acq(&tells_late) == 0)
		return real(thread, attributes, fn, arg);
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
	if (leat_load_acq(&tells_late) == 0)
		return real(thread, answer);
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
