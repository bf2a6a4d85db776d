/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/chan.h"
#include "runtime/gen/gen.h"
#include "runtime/pool/pool.h"
#include "runtime/registry/registry.h"
#include "testkit/testkit.h"

#include <leat/atomic.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t leat_kit_patience_ns = INT64_C(3000000000);

/* --- threads and descriptors: folders of /proc/self --- */

static bool is_in(const char *folder, uint32_t number)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s/%u", folder, number);
	return access(path, F_OK) == 0;
}

/* Calls fn with each number of the folder, but with none of the manual clock's own. */
static void walk_folder(const char *folder, void (*fn)(void *arg, uint32_t number), void *arg)
{
	DIR *dir;
	char path[64];
	uint32_t clock_tid;
	int clock_fd;

	leat_kit_clock_parts(&clock_tid, &clock_fd);
	snprintf(path, sizeof(path), "/proc/self/%s", folder);
	dir = opendir(path);
	if (dir == NULL)
		return;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		bool of_threads = strcmp(folder, "task") == 0;
		uint32_t number = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] == '.')
			continue;
		if (of_threads ? number != clock_tid
		               : (int)number != clock_fd && (int)number != dirfd(dir))
			fn(arg, number);
	}
	closedir(dir);
}

static void note_thread(void *arg, uint32_t tid)
{
	struct leat_census *census = arg;

	if (census->threads_count < LEAT_CENSUS_THREADS)
		census->threads[census->threads_count] = tid;
	census->threads_count++;
}

static void note_descriptor(void *arg, uint32_t fd)
{
	struct leat_census *census = arg;

	if (fd < LEAT_CENSUS_FDS)
		census->descriptors[fd / 64] |= UINT64_C(1) << fd % 64;
	else
		census->descriptors_above++;
}

/*
 * A sanitizer may start a thread of its own with the first thread of the process. So in a program
 * with one of these two, the first census starts a thread. (In others it would leave the memory of
 * a stack behind, which the C library keeps.)
 */
void __tsan_init(void) __attribute__((weak));
void __asan_init(void) __attribute__((weak));

static void *say_tid(void *tid)
{
	*(uint32_t *)tid = (uint32_t)syscall(SYS_gettid);
	return NULL;
}

static void start_first_thread(void)
{
	int64_t patience_ns = leat_real_now_ns() + 20000000;
	pthread_t thread;
	uint32_t tid = 0;

	if (__tsan_init == NULL && __asan_init == NULL)
		return;
	if (pthread_create(&thread, NULL, say_tid, &tid) == 0)
		pthread_join(thread, NULL);
	while (tid != 0 && is_in("task", tid) && leat_real_now_ns() < patience_ns)
		leat_os_yield();
}

void leat_census_take(struct leat_census *census)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start_first_thread);
	*census = (struct leat_census){ .last_id = leat_registry_ids(1),
		                        .last_scope = leat_kit_last_scope() };
	walk_folder("task", note_thread, census);
	walk_folder("fd", note_descriptor, census);
	leat_kit_count_memory(&census->bytes, &census->blocks);
}

/* --- what is left --- */

enum what { THREADS, DESCRIPTORS, CHANNELS, GENERATORS, POOLS, SCOPES, WHATS };

struct left {
	const struct leat_census *before;
	enum what walked;
	uint32_t threads_now, above_now;
	unsigned counts[WHATS];
	char names[WHATS][256]; /* ", " behind each */
};

static void add_named(struct left *left, enum what what, const char *name)
{
	size_t used = strlen(left->names[what]), room = sizeof(left->names[what]) - used;

	left->counts[what]++;
	if (name[0] != '\0' && strlen(name) + 3 < room)
		snprintf(left->names[what] + used, room, "%s, ", name);
}

static void name_thread(uint32_t tid, char *name, int size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%u/comm", tid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(name, size, file) != NULL)
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

static void check_thread(void *arg, uint32_t tid)
{
	struct left *left = arg;
	char name[32] = "";

	left->threads_now++;
	if (left->before->threads_count > LEAT_CENSUS_THREADS)
		return;
	for (uint32_t i = 0; i < left->before->threads_count; i++)
		if (left->before->threads[i] == tid)
			return;
	name_thread(tid, name, sizeof(name));
	add_named(left, THREADS, name);
}

static void check_descriptor(void *arg, uint32_t fd)
{
	struct left *left = arg;
	char path[64], name[64];
	ssize_t n;

	if (fd >= LEAT_CENSUS_FDS) {
		left->above_now++;
		return;
	}
	if (left->before->descriptors[fd / 64] >> fd % 64 & 1)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%u", fd);
	n = readlink(path, name, sizeof(name) - 1);
	name[n < 0 ? 0 : n] = '\0';
	add_named(left, DESCRIPTORS, name);
}

/* A walk of the registry. */
static void check_node(struct leat_node *node, void *arg)
{
	struct left *left = arg;

	if (node->id <= left->before->last_id)
		return;
	if (node->kind == LEAT_NODE_CHAN) {
		struct leat_chan *chan = caa_container_of(node, struct leat_chan, node);
		struct leat_chan_stat stat;

		if (chan->item_size == 0)
			return; /* of a task: its generator is counted */
		leat_chan_read_stat(chan, &stat);
		add_named(left, CHANNELS, stat.name);
	} else if (node->kind == LEAT_NODE_GEN) {
		add_named(left, GENERATORS,
		          caa_container_of(node, struct leat_gen_node, node)->stat.name);
	} else {
		struct leat_pool_stat stat;

		leat_pool_read_stat(node, &stat);
		add_named(left, POOLS, stat.name);
	}
}

static void check_scope(void *arg, const char *name)
{
	add_named(arg, SCOPES, name);
}

static uint32_t more_than(uint32_t now, uint32_t before)
{
	return now > before ? now - before : 0;
}

static void count_left(struct left *left, const struct leat_census *before)
{
	*left = (struct left){ .before = before };
	walk_folder("task", check_thread, left);
	if (before->threads_count > LEAT_CENSUS_THREADS)
		left->counts[THREADS] = more_than(left->threads_now, before->threads_count);
	walk_folder("fd", check_descriptor, left);
	left->counts[DESCRIPTORS] += more_than(left->above_now, before->descriptors_above);
	leat_registry_walk(check_node, left);
	leat_kit_walk_scopes(before->last_scope, check_scope, left);
}

struct words {
	char *text;
	size_t size, len;
};

static void append(struct words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct words *words, const char *format, ...)
{
	va_list list;
	int n;

	if (words->len >= words->size)
		return;
	va_start(list, format);
	n = vsnprintf(words->text + words->len, words->size - words->len, format, list);
	va_end(list);
	words->len += n > 0 ? (size_t)n : 0;
}

static void describe(struct words *words, const struct left *left)
{
	static const char *const nouns[WHATS] = { "thread",    "descriptor", "channel",
		                                  "generator", "pool",       "scope" };

	for (int what = 0; what < WHATS; what++) {
		const char *names = left->names[what];
		unsigned n = left->counts[what];

		if (n == 0)
			continue;
		append(words, "%s%u %s%s", words->len == 0 ? "left behind: " : "; ", n, nouns[what],
		       n == 1 ? "" : "s");
		if (names[0] != '\0')
			append(words, " (%.*s)", (int)strlen(names) - 2, names);
	}
}

/* Returns how many blocks there are more than before; 0 if there are fewer. */
static unsigned describe_memory(struct words *words, const struct leat_census *before)
{
	uint64_t bytes, blocks;

	leat_kit_count_memory(&bytes, &blocks);
	if ((int64_t)(blocks - before->blocks) <= 0 && (int64_t)(bytes - before->bytes) <= 0)
		return 0;
	append(words, "%s%lld bytes of memory in %lld blocks",
	       words->len == 0 ? "left behind: " : "; ", (long long)(bytes - before->bytes),
	       (long long)(blocks - before->blocks));
	return blocks > before->blocks ? (unsigned)(blocks - before->blocks) : 1;
}

unsigned leat_census_left(const struct leat_census *before, char *text, size_t size)
{
	int64_t patience_ns = leat_real_now_ns() + leat_kit_patience_ns;
	struct words words;
	struct left left;
	unsigned n;

	for (;;) {
		words = (struct words){ text, size, 0 };
		if (size > 0)
			text[0] = '\0';
		count_left(&left, before);
		n = 0;
		for (int what = 0; what < WHATS; what++)
			n += left.counts[what];
		describe(&words, &left);
		n += describe_memory(&words, before);
		if (n == 0 || leat_real_now_ns() > patience_ns)
			return n;
		leat_os_yield();
	}
}
