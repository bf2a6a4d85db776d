/*
 * perf/remote.c: Go's channels, which a program of their own measures (peers/go/main.go): a question for each sample,
 * so that they take turns with the others. Between its samples it sleeps in a read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANY ((1u << KINDS) - 1)
static const struct contestant goroutines[] = {
	{ .name = "Go goroutines", .item_size = 8, .kinds = ANY, .remote = true },
	{ .name = "Go goroutines", .item_size = 64, .kinds = ANY, .remote = true },
	{ .name = "Go goroutines", .item_size = 256, .kinds = ANY, .remote = true },
};
static const struct contestant threads[] = {
	{ .name = "Go, a thread each", .item_size = 8, .kinds = ANY, .remote = true },
	{ .name = "Go, a thread each", .item_size = 64, .kinds = ANY, .remote = true },
	{ .name = "Go, a thread each", .item_size = 256, .kinds = ANY, .remote = true },
};
const struct contestant *const remote_contestants[] = {
	&goroutines[0], &goroutines[1], &goroutines[2], &threads[0], &threads[1], &threads[2], NULL,
};

static struct {
	char path[PATH_MAX];
	FILE *questions, *answers;
	pid_t pid;
} remote;

const char *remote_path(void)
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

static bool has_threads(const struct contestant *contestant)
{
	return contestant >= threads && contestant < threads + 3;
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
		has_threads(contestant), s->calls == CALLS_BLOCKING_BATCH ? s->batch : 1);
	if (fflush(remote.questions) != 0 || getline(&line, &size, remote.answers) < 0)
		bench_fail("the program leat-bench-go ended");
	ns = read_answer(line, latency);
	free(line);
	return ns;
}

double remote_idle(const struct contestant *contestant, unsigned seconds)
{
	const struct scenario s = { .measure = MEASURE_IDLE, .item_size = 8, .producers = 1, .consumers = 1, .capacity = 64 };

	return remote_sample(contestant, &s, seconds, NULL);
}

double remote_select(unsigned n)
{
	const struct scenario s = { .measure = MEASURE_SELECT, .item_size = 8, .producers = n, .consumers = 1,
				    .capacity = SELECT_CAPACITY };

	return remote_sample(&goroutines[0], &s, SELECT_ITEMS, NULL);
}

void remote_close(void)
{
	if (remote.pid == 0)
		return;
	fclose(remote.questions); /* which ends it */
	fclose(remote.answers);
	waitpid(remote.pid, NULL, 0);
}
