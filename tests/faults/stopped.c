/*
 * A process that gets no processor: stopped and continued (SIGSTOP, SIGCONT) at random moments; and
 * one that has to share its only core with others which are preferred, and, where a control group
 * may be made, that has a quota of a twentieth. The workload runs in a child, and must do there
 * what it does anywhere: all of it, only later.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <leat/base.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t in_a_child(void (*run)(void))
{
	pid_t parent = getpid(), child = fork();

	workload_that(child >= 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		run();
	_exit(0);
}

static bool ended_well(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		workload_that(errno == EINTR);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_rounds(void)
{
	for (uint64_t round = 0; round < 10; round++)
		workload_that(workload_run(WORKLOAD_ALL, 0, "stopped at times, round", round) == 0);
}

static void run_one(void)
{
	workload_that(workload_run(WORKLOAD_ALL, 0, "starved", 0) == 0);
}

static void spin(void)
{
	for (;;)
		;
}

static void pass_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL); /* how long it runs, or stands */
}

static unsigned stopped_and_continued(void)
{
	pid_t child = in_a_child(run_rounds);
	unsigned stops = 0, seed = 1;
	siginfo_t info;

	for (;;) {
		pass_ns(rand_r(&seed) % 4000000);
		info.si_pid = 0;
		workload_that(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
		if (info.si_pid == child)
			break;
		kill(child, SIGSTOP);
		pass_ns(rand_r(&seed) % 2000000);
		kill(child, SIGCONT);
		stops++;
	}
	workload_that(ended_well(child));
	return stops;
}

/* On one core with a process that is preferred nine to one. */
static void starved(void)
{
	cpu_set_t all, one;
	pid_t other, child;
	int cpu = 0;

	workload_that(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	workload_that(sched_setaffinity(0, sizeof(one), &one) == 0);
	other = in_a_child(spin);
	child = in_a_child(run_one);
	workload_that(setpriority(PRIO_PROCESS, (id_t)child, 10) == 0);
	workload_that(ended_well(child));
	kill(other, SIGKILL);
	ended_well(other);
	workload_that(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static bool put(const char *folder, const char *file, const char *text)
{
	char path[160];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* A millisecond in each twenty. */
static bool with_a_quota(void)
{
	char group[64], pid[32];
	bool ok = false;

	snprintf(group, sizeof(group), "/sys/fs/cgroup/leat-test-%d", getpid());
	if (mkdir(group, 0755) != 0)
		return false;
	if (put(group, "cpu.max", "1000 20000")) {
		pid_t child = in_a_child(run_one);

		snprintf(pid, sizeof(pid), "%d", child);
		ok = put(group, "cgroup.procs", pid);
		workload_that(ended_well(child));
	}
	rmdir(group);
	return ok;
}

int main(void)
{
	unsigned stops;

	workload_init("stopped");
	stops = stopped_and_continued();
	workload_that(stops > 10);
	starved();
	fprintf(stderr, "stopped: %u stops; %s\n", stops,
	        with_a_quota() ? "a quota of a twentieth"
	                       : "no control group may be made here: no quota");
	return 0;
}
