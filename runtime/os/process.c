/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"
#include "runtime/os/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t leat_os_wall_ns(void)
{
	return read_clock_ns(CLOCK_REALTIME);
}

/* Reads a small file of /proc. Returns an empty text if it cannot. Does not change errno. */
static void read_proc(const char *path, char *text, size_t size)
{
	int saved = errno, fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0) {
		len = read(fd, text, size - 1);
		close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
	errno = saved;
}

/* A process whose first thread has ended is a zombie, too, and lives while it has other threads. */
uint64_t leat_os_start_ticks(uint32_t pid)
{
	char path[64], text[1024], *rest, state;
	unsigned long long ticks = 0;
	long threads = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	read_proc(path, text, sizeof(text));
	rest = strrchr(text, ')'); /* the end of the name, which may have any other byte */
	if (rest == NULL ||
	    sscanf(rest, ") %c%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%ld%*s%llu", &state,
	           &threads, &ticks) != 3)
		return 0;
	return (state == 'Z' || state == 'X') && threads <= 1 ? 0 : ticks;
}

uint64_t leat_os_pid_namespace(void)
{
	int saved = errno;
	struct stat found;
	uint64_t inode = stat("/proc/self/ns/pid", &found) == 0 ? found.st_ino : 0;

	errno = saved;
	return inode;
}

void leat_os_boot_id(char id[LEAT_OS_BOOT_ID])
{
	read_proc("/proc/sys/kernel/random/boot_id", id, LEAT_OS_BOOT_ID);
	id[strcspn(id, "\n")] = '\0';
}

int64_t leat_os_started_ns(void)
{
	int64_t ticks = (int64_t)leat_os_start_ticks((uint32_t)getpid());
	int64_t per_s = sysconf(_SC_CLK_TCK);
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
	char path[64], text[128];

	snprintf(path, sizeof(path), "/proc/self/task/%" PRIu32 "/schedstat", tid);
	read_proc(path, text, sizeof(text));
	if (sscanf(text, "%" SCNu64 "%" SCNu64, cpu_ns, runq_ns) != 2)
		*cpu_ns = *runq_ns = 0;
}
