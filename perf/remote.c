/*
 * perf/remote.c: Go's channels, which a program of their own measures (peers/go/main.go): a question for each sample,
 * so that they take turns with the others. Between its samples it sleeps in a read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
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

static struct {
	char path[PATH_MAX];
	FILE *questions, *answers;
	pid_t pid;
} remote;

static const char *remote_path(void)
{
	char self[PATH_MAX - 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (remote.path[0] == '\0' && len > 0) {
		self[len] = '\0';
		snprintf(remote.path, sizeof(remote.path), "%s/leat-bench-go", dirname(self));
	}
	return remote.path;
}

bool remote_found(void)
{
	return access(remote_path(), X_OK) == 0;
}

/* It may use the same cores, and sets up as many of its processors as there are. */
static void child(int in, int out)
{
	threads_cores_keep();
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execl(remote.path, "leat-bench-go", (char *)NULL);
	_exit(127);
}

static void start(void)
{
	int in[2], out[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		bench_fail("cannot make a pipe");
	remote.pid = fork();
	if (remote.pid == 0)
		child(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	remote.questions = fdopen(in[1], "w");
	remote.answers = fdopen(out[0], "r");
	if (remote.pid < 0 || remote.questions == NULL || remote.answers == NULL)
		bench_fail("cannot start the program leat-bench-go");
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

	if (remote.pid == 0)
		start();
	fprintf(remote.questions, "%d %u %u %u %zu %llu %lld %d %u\n", (int)s->measure, s->item_size, s->producers,
		s->consumers, s->capacity, (unsigned long long)operations, (long long)s->interval_ns,
		contestant >= &go[3], s->calls == CALLS_BLOCKING_BATCH ? s->batch : 1);
	if (fflush(remote.questions) != 0 || getline(&line, &size, remote.answers) < 0)
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

/* In a child: runs the sample and writes its values, or becomes Go's program, which does. */
static void child_apart(const struct contestant *c, uint64_t count, int out)
{
	double values[VALUES_MAX] = { 0 };
	char number[24];

	threads_cores_keep();
	if (c->go != NULL) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
		dup2(out, STDOUT_FILENO);
		execl(remote_path(), "leat-bench-go", "generators", c->go, number, (char *)NULL);
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
	if (remote.pid == 0)
		return;
	fclose(remote.questions); /* which ends it */
	fclose(remote.answers);
	waitpid(remote.pid, NULL, 0);
}
