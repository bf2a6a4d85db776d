/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int leat_os_signals_open(const sigset_t *signals)
{
	int saved = errno;
	int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

int leat_os_signals_take(int fd)
{
	struct signalfd_siginfo info;
	int saved = errno;
	ssize_t n = read(fd, &info, sizeof(info));

	errno = saved;
	return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

void leat_os_signals_block(const sigset_t *signals, sigset_t *before)
{
	pthread_sigmask(SIG_BLOCK, signals, before);
}

void leat_os_signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

void leat_os_signal_name(int number, char name[LEAT_NAME_MAX + 1])
{
	const char *abbreviation = sigabbrev_np(number);

	if (abbreviation != NULL)
		snprintf(name, LEAT_NAME_MAX + 1, "SIG%s", abbreviation);
	else
		snprintf(name, LEAT_NAME_MAX + 1, "signal %d", number);
}
