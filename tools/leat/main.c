/*
 * tools/leat/main.c: the program: runs its subcommand.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/leat.h"

#include <fcntl.h>
#include <leat/counters.h>
#include <leat/version.h>
#include <string.h>
#include <unistd.h>

static int print_help(int argc, char **argv)
{
	if (argc == 2) {
		fputs(leat_usage, stdout);
		return 0;
	}
	if (argc == 3 && strcmp(argv[2], "run") == 0) {
		fputs(leat_run_help, stdout);
		return 0;
	}
	if (argc == 3 && leat_plan_word(argv[2]) != PLAN_NONE) {
		fputs(leat_check_help, stdout);
		return 0;
	}
	if (argc == 3 && (strcmp(argv[2], "ps") == 0 || strcmp(argv[2], "stat") == 0)) {
		fputs(argv[2][0] == 'p' ? leat_ps_help : leat_stat_help, stdout);
		return 0;
	}
	if (argc == 3 && strcmp(argv[2], "why") == 0) {
		fputs(leat_why_help, stdout);
		return 0;
	}
	if (argc == 3 && strcmp(argv[2], "export") == 0) {
		fputs(leat_export_help, stdout);
		return 0;
	}
	if (argc == 3 && strcmp(argv[2], "bench") == 0)
		return bench_main((char *[]){ argv[2], (char[]){ "--help" }, NULL });
	fprintf(stderr,
	        "leat: no help on \"%s\"; there are: run, check, graph, estimate, ps, stat, "
	        "why, export, bench\n",
	        argv[2]);
	return EXIT_USAGE;
}

/*
 * If a standard descriptor is closed, the next file that is opened would get its number. This opens
 * /dev/null in its place, so that its use fails instead.
 */
static void hold_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILED);
}

/* The thread of LEAT_COUNTERS is there before the threads of the flow are counted. */
static int run_counted(int argc, char **argv)
{
	leat_counters_begin();
	return run_main(argc, argv);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : NULL;
	int status = EXIT_USAGE;

	hold_descriptors();
	if (command == NULL)
		fputs(leat_usage, stderr);
	else if (strcmp(command, "run") == 0)
		return run_counted(argc - 1, argv + 1);
	else if (leat_plan_word(command) != PLAN_NONE)
		return plan_main(argc - 1, argv + 1);
	else if (strcmp(command, "ps") == 0)
		status = ps_main(argc - 1, argv + 1);
	else if (strcmp(command, "stat") == 0)
		status = stat_main(argc - 1, argv + 1);
	else if (strcmp(command, "why") == 0)
		status = why_main(argc - 1, argv + 1);
	else if (strcmp(command, "export") == 0)
		status = export_main(argc - 1, argv + 1);
	else if (strcmp(command, "bench") == 0)
		return bench_main(argv + 1);
	else if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 ||
	         strcmp(command, "-h") == 0)
		status = print_help(argc, argv);
	else if (strcmp(command, "--version") == 0)
		status = puts("leat " LEAT_VERSION) < 0 ? EXIT_FAILED : 0;
	else
		fprintf(stderr,
		        "leat: there is no command \"%s\"; there are: run, check, graph, estimate, "
		        "ps, stat, why, export, bench, help, --version\n",
		        command);
	if (fflush(stdout) != 0 && status == 0) {
		perror("leat: stdout");
		return EXIT_FAILED;
	}
	return status;
}
