/*
 * tests/unit/system_call.h: a syscall() before the C library's, for the calls of the library and of
 * liburcu. The suite that includes this defines syscall_is_refused(), which each call runs first
 * and which may count calls. A call that is refused fails with EPERM; every other call goes on to
 * the C library. The suite defines _GNU_SOURCE before any header.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_SYSTEM_CALL_H
#define LEAT_TEST_SYSTEM_CALL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

static bool syscall_is_refused(long number);

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list list;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (syscall_is_refused(number)) {
		errno = EPERM;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
