/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct start {
	leat_thread_fn *fn;
	void *arg;
	char name[16];
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	start.fn(start.arg);
	return NULL;
}

static int attributes_for(pthread_attr_t *attributes, unsigned pin)
{
	size_t size = CPU_ALLOC_SIZE(pin);
	cpu_set_t *set;
	int error;

	if (pin == 0)
		return 0;
	if (pin > 1u << 20)
		return EINVAL;
	set = CPU_ALLOC(pin);
	if (set == NULL)
		return ENOMEM;
	CPU_ZERO_S(size, set);
	CPU_SET_S(pin - 1, size, set);
	error = pthread_attr_setaffinity_np(attributes, size, set);
	CPU_FREE(set);
	return error;
}

int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	if (start == NULL)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	snprintf(start->name, sizeof(start->name), "%s", *name ? name : "leat");
	pthread_attr_init(&attributes);
	error = attributes_for(&attributes, pin);
	if (error == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&thread->posix, &attributes, thread_main, start);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	if (error != 0)
		free(start);
	return -error;
}

struct leat_thread leat_thread_self(void)
{
	return (struct leat_thread){ pthread_self() };
}

void leat_thread_join(struct leat_thread *thread)
{
	pthread_join(thread->posix, NULL);
}
