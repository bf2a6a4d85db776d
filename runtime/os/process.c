/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"
#include "runtime/os/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int64_t leat_os_wall_ns(void)
{
	return read_clock_ns(CLOCK_REALTIME);
}

/* Field 22 of proc_pid_stat(5): when the process started, in ticks since the machine did; or 0. */
static unsigned long long read_start_ticks(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	unsigned long long ticks = 0;
	char text[1024], *rest;
	size_t len;

	if (file == NULL)
		return 0;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	rest = strrchr(text, ')'); /* the end of the name, which may have any other byte */
	if (rest == NULL ||
	    sscanf(rest, ")%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%llu",
	           &ticks) != 1)
		return 0;
	return ticks;
}

int64_t leat_os_started_ns(void)
{
	int64_t ticks = (int64_t)read_start_ticks(), per_s = sysconf(_SC_CLK_TCK);
	int64_t since_boot_ns;

	if (ticks == 0 || per_s <= 0)
		return 0;
	since_boot_ns = ticks / per_s * NS_PER_S + ticks % per_s * NS_PER_S / per_s;
	return read_clock_ns(CLOCK_REALTIME) - read_clock_ns(CLOCK_BOOTTIME) + since_boot_ns;
}

uint32_t leat_os_thread_id(void)
{
	return (uint32_t)gettid();
}

void leat_os_thread_times(uint32_t tid, uint64_t *cpu_ns, uint64_t *runq_ns)
{
	char text[128];
	int saved = errno, fd;
	ssize_t len = -1;

	*cpu_ns = *runq_ns = 0;
	snprintf(text, sizeof(text), "/proc/self/task/%" PRIu32 "/schedstat", tid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
	if (sscanf(text, "%" SCNu64 "%" SCNu64, cpu_ns, runq_ns) != 2)
		*cpu_ns = *runq_ns = 0;
	errno = saved;
}
