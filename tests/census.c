/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/census.h"

#include "runtime/os/os.h"
#include "runtime/registry/registry.h"

#include <dirent.h>
#include <leat/atomic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

static uint64_t blocks;

void *__real_leat_os_alloc(size_t size, size_t align);
void __real_leat_os_free(void *memory);
void *__wrap_leat_os_alloc(size_t size, size_t align);
void __wrap_leat_os_free(void *memory);

void *__wrap_leat_os_alloc(size_t size, size_t align)
{
	void *memory = __real_leat_os_alloc(size, align);

	if (memory != NULL)
		leat_add_rlx(&blocks, UINT64_C(1));
	return memory;
}

void __wrap_leat_os_free(void *memory)
{
	if (memory != NULL)
		leat_add_rlx(&blocks, UINT64_C(-1));
	__real_leat_os_free(memory);
}

int census_entries(const char *path)
{
	DIR *dir = opendir(path);
	int found = 0;

	if (dir == NULL)
		return -1;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		found += entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

int census_threads(void)
{
	return census_entries("/proc/self/task");
}

int census_descriptors(void)
{
	return census_entries("/proc/self/fd");
}

static struct census look(void)
{
	return (struct census){ .threads = census_threads(),
		                .descriptors = census_descriptors(),
		                .nodes = leat_registry_size(),
		                .blocks = leat_load_acq(&blocks) };
}

#ifdef LEAT_SANITIZED
static void *nothing(void *unused)
{
	return unused;
}

static void first_thread(void)
{
	int64_t patience_ns = leat_now_ns() + 20000000;
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) == 0)
		pthread_join(thread, NULL);
	while (census_threads() > 1 && leat_now_ns() < patience_ns)
		sched_yield();
}
#endif

void census_begin(struct census *census)
{
#ifdef LEAT_SANITIZED
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, first_thread);
#endif
	*census = look();
}

bool census_end(const struct census *before, char *words, size_t size)
{
	int64_t patience_ns = leat_now_ns() + INT64_C(3000000000);
	struct census now;

	for (;;) {
		now = look();
		if (now.threads <= before->threads && now.descriptors == before->descriptors &&
		    now.nodes == before->nodes && now.blocks == before->blocks)
			return true;
		if (leat_now_ns() > patience_ns)
			break;
		sched_yield();
	}
	snprintf(words, size,
	         "left behind: %d threads, %d descriptors, %d channels and generators, %d blocks "
	         "of memory",
	         now.threads - before->threads, now.descriptors - before->descriptors,
	         (int)(now.nodes - before->nodes), (int)(now.blocks - before->blocks));
	return false;
}
