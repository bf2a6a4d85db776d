/*
 * perf/remote.c: Go's channels, which a program of their own measures (peers/go/main.go), and the Disruptor
 * (peers/java/Bench.java): a question for each sample, so that they take turns with the others. Between its samples
 * such a program sleeps in a read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GO(name_, size) { .name = name_, .item_size = size, .kinds = (1u << KINDS) - 1, .remote = true }
static const struct contestant go[] = {
	GO("Go goroutines", 8), GO("Go goroutines", 64), GO("Go goroutines", 256),
	GO("Go, a thread each", 8), GO("Go, a thread each", 64), GO("Go, a thread each", 256),
};
const struct contestant *const remote_contestants[] = { &go[0], &go[1], &go[2], &go[3], &go[4], &go[5], NULL };

/* A program that runs beside this one. */
struct remote {
	FILE *questions, *answers;
	pid_t pid; /* 0: it does not run */
	uint64_t n; /* of the Disruptor's: what it was started for */
};
static struct remote go_program, java_programs[BROADCAST_TRIES + 1];

/* The path of a file beside this program. The next call overwrites it. */
static const char *path_of(const char *name)
{
	static char path[PATH_MAX];
	char self[PATH_MAX - 32] = "";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	return path;
}

bool remote_found(const struct contestant *contestant)
{
#ifdef LEAT_BENCH_DISRUPTOR
	if (contestant->run == remote_disruptor)
		return access(path_of("leat-bench-disruptor.jar"), R_OK) == 0;
#endif
	return contestant->run != remote_disruptor && access(path_of("leat-bench-go"), X_OK) == 0;
}

/* It may use the same cores, and sets up as many of its processors as there are. */
static void start(struct remote *remote, const char *path, char *const *arguments)
{
	int in[2], out[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		bench_fail("cannot make a pipe");
	remote->pid = fork();
	if (remote->pid == 0) {
		threads_cores_keep();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execvp(path, arguments);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	remote->questions = fdopen(in[1], "w");
	remote->answers = fdopen(out[0], "r");
	if (remote->pid < 0 || remote->questions == NULL || remote->answers == NULL)
		bench_fail("cannot start its program");
}

static void end(struct remote *remote)
{
	if (remote->pid == 0)
		return;
	fclose(remote->questions); /* which ends it */
	fclose(remote->answers);
	waitpid(remote->pid, NULL, 0);
	remote->pid = 0;
}

/* "12.345 bucket count bucket count ..." */
static double read_answer(char *line, struct histogram *latency)
{
	char *rest, *end;
	double ns = strtod(line, &rest);

	if (rest == line)
		bench_fail("an item came changed, twice, or out of order");
	while (latency != NULL) {
		unsigned long bucket = strtoul(rest, &end, 10), count;

		if (end == rest)
			break;
		count = strtoul(end, &rest, 10);
		if (bucket >= BUCKETS)
			bench_fail("leat-bench-go answered something strange");
		latency->count[bucket] += count;
		latency->total += count;
	}
	/* The largest is known as well as its bucket is. */
	for (unsigned b = BUCKETS; latency != NULL && b-- > 0;)
		if (latency->count[b] != 0) {
			latency->max = histogram_bucket_ns(b);
			break;
		}
	return ns;
}

double remote_sample(const struct contestant *contestant, const struct scenario *s, uint64_t operations,
		     struct histogram *latency)
{
	char *line = NULL;
	size_t size = 0;
	double ns;

	if (go_program.pid == 0)
		start(&go_program, path_of("leat-bench-go"), (char *[]){ "leat-bench-go", NULL });
	fprintf(go_program.questions, "%d %u %u %u %zu %llu %lld %d %u\n", (int)s->measure, s->item_size, s->producers,
		s->consumers, s->capacity, (unsigned long long)operations, (long long)s->interval_ns,
		contestant >= &go[3], s->calls == CALLS_BLOCKING_BATCH ? s->batch : 1);
	if (fflush(go_program.questions) != 0 || getline(&line, &size, go_program.answers) < 0)
		bench_fail("the program leat-bench-go ended");
	ns = read_answer(line, latency);
	free(line);
	return ns;
}

void remote_select(uint64_t n, double *values)
{
	const struct scenario s = { .measure = MEASURE_TOPIC, .item_size = 8, .producers = (unsigned)n, .consumers = 1,
				    .capacity = SELECT_CAPACITY };

	values[0] = remote_sample(&go[0], &s, SELECT_ITEMS, NULL);
}

/* --- the Disruptor --- */

/* What is compiled when a program of Java's begins to run is not measured. */
enum { WARM_UPS = 8 };
#define WARM_UP_NS 1000000000

/* Its threads side-0, side-1, ... run where the same threads of this program would. */
static void pin_sides(const struct remote *remote, const struct broadcast_sample *of)
{
	char path[64], name[32];
	struct dirent *entry;
	unsigned side, pinned = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)remote->pid);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		const pid_t task = (pid_t)strtol(entry->d_name, NULL, 10);
		FILE *comm;
		cpu_set_t set;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)remote->pid, (int)task);
		comm = task > 0 ? fopen(path, "re") : NULL;
		if (comm == NULL)
			continue;
		if (fgets(name, sizeof(name), comm) != NULL && sscanf(name, "side-%u", &side) == 1) {
			const bool producer = side < of->producers;

			CPU_ZERO(&set);
			CPU_SET(bench_cores[threads_core(PLACE_SEPARATE, producer,
							 producer ? side : side - of->producers)], &set);
			pinned += sched_setaffinity(task, sizeof(set), &set) == 0;
		}
		fclose(comm);
	}
	if (tasks != NULL)
		closedir(tasks);
	if (pinned != of->producers + of->consumers)
		bench_fail("cannot pin the threads of its program");
}

static void ask_disruptor(struct remote *remote, uint64_t items, double *values)
{
	char line[128], *rest, *all;

	fprintf(remote->questions, "%llu\n", (unsigned long long)items);
	if (fflush(remote->questions) != 0 || fgets(line, sizeof(line), remote->answers) == NULL)
		bench_fail("its program ended");
	values[0] = strtod(line, &rest);
	values[1] = strtod(rest, &all);
	if (rest == line || all == rest)
		bench_fail("an item is lost, changed, or out of order");
}

#ifndef LEAT_BENCH_DISRUPTOR
#define LEAT_BENCH_DISRUPTOR ""
#endif
static void start_disruptor(struct remote *remote, const struct broadcast_sample *of)
{
	char numbers[8][16], path[2 * PATH_MAX], line[32];
	const int64_t start_ns = bench_now_ns();
	double values[2];
	const unsigned all[8] = { of->shape,
				  of->producers,
				  of->consumers,
				  of->bytes,
				  of->batch,
				  (unsigned)of->capacity,
				  of->producers + of->consumers > bench_cores_count,
				  of->way == BROADCAST_TRIES };
	char *arguments[] = { "java", "-XX:+UseSerialGC", "-cp", path, "Bench", numbers[0], numbers[1], numbers[2],
			      numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], NULL };

	for (int i = 0; i < 8; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%u", all[i]);
	snprintf(path, sizeof(path), "%s:%s", path_of("leat-bench-disruptor.jar"), LEAT_BENCH_DISRUPTOR);
	start(remote, "java", arguments);
	if (fgets(line, sizeof(line), remote->answers) == NULL || strcmp(line, "ready\n") != 0)
		bench_fail("cannot start java");
	pin_sides(remote, of);
	for (int i = 0; i < WARM_UPS || bench_now_ns() - start_ns < WARM_UP_NS; i++)
		ask_disruptor(remote, of->items, values);
}

/* A program for each number, so that what is compiled for one does not depend on another. */
void remote_disruptor(uint64_t n, double *values)
{
	const struct broadcast_sample of = broadcast_sample_of(n);
	struct remote *remote = &java_programs[of.way];

	if (remote->n != n)
		end(remote);
	remote->n = n;
	if (remote->pid == 0)
		start_disruptor(remote, &of);
	ask_disruptor(remote, of.items, values);
}

/* --- a process for each sample --- */

/* In a child: runs the sample and writes its values, or becomes Go's program, which does. */
static void child_apart(const struct contestant *c, uint64_t count, int out)
{
	double values[VALUES_MAX] = { 0 };
	char number[24];

	threads_cores_keep();
	if (c->go != NULL) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
		dup2(out, STDOUT_FILENO);
		execl(path_of("leat-bench-go"), "leat-bench-go", "generators", c->go, number, (char *)NULL);
		_exit(127);
	}
	malloc_trim(0); /* or what is free of this process's would be taken for nothing */
	c->run(count, values);
	_exit(dprintf(out, "%.6g %.6g %.6g %.6g\n", values[0], values[1], values[2], values[3]) > 0 ? 0 : 1);
}

void remote_apart(const struct contestant *c, uint64_t count, double *values)
{
	char line[256] = "", *rest = line, *end;
	int out[2], status, got = 0;
	FILE *answers;
	pid_t pid;

	fflush(stdout);
	if (pipe2(out, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		bench_fail("cannot start a process");
	if (pid == 0)
		child_apart(c, count, out[1]);
	close(out[1]);
	answers = fdopen(out[0], "r");
	if (answers == NULL || fgets(line, sizeof(line), answers) == NULL)
		line[0] = '\0';
	for (; got < VALUES_MAX; got++, rest = end) {
		values[got] = strtod(rest, &end);
		if (end == rest)
			break;
	}
	if (waitpid(pid, &status, 0) != pid || status != 0 || got == 0)
		bench_fail("its process failed, or a value was wrong");
	fclose(answers);
}

void remote_close(void)
{
	end(&go_program);
	for (int way = 0; way <= BROADCAST_TRIES; way++)
		end(&java_programs[way]);
}
