/*
 * tools/leat/bench.c: `leat bench` runs the program leat-bench, which is beside this one or in
 * PATH. It is a program of its own because it is linked with the peers of leat.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char name[] = "leat-bench";

int bench_main(char **argv)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
	char *end = NULL;

	if (len > 0) {
		path[len] = '\0';
		end = strrchr(path, '/');
	}
	if (end != NULL) {
		memcpy(end + 1, name, sizeof(name));
		execv(path, argv);
	}
	if (end == NULL || errno == ENOENT)
		execvp(name, argv);
	if (errno == ENOENT)
		fprintf(stderr,
		        "leat: the program %s is neither beside leat nor in PATH: it was not built "
		        "or not installed\n",
		        name);
	else
		fprintf(stderr, "leat: %s: %s\n", name, strerror(errno));
	return EXIT_FAILED;
}
