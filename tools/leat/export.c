/*
 * tools/leat/export.c: `leat export`: figures of processes that keep counters, over HTTP
 * (leat/export.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/attach.h"
#include "tools/leat/leat.h"

#include <getopt.h>
#include <inttypes.h>
#include <leat/export.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MOST 1000000
#define GONE_MOST_S 31536000.0

struct export_opts {
	struct leat_export_opts exporter;
	enum leat_export_format format;
	bool once, describe, format_given, listen_given, gone_given;
};

#ifdef LEAT_HAVE_MICROHTTPD

static int refuse_start(const struct export_opts *opts, int rc)
{
	const char *listen = opts->exporter.listen;

	if (listen == NULL)
		listen = "127.0.0.1:9464";
	if (rc == -EINVAL)
		fprintf(stderr,
		        "leat: --listen %s: an address and a port in numbers are wanted, such as "
		        "127.0.0.1:9464 or [::1]:9464\n",
		        listen);
	else
		fprintf(stderr, "leat: %s: %s\n", listen, strerror(-rc));
	return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

/* Whether each process and file that is named is there. Returns 0, or the exit status. */
static int check_processes(const struct leat_export_opts *opts)
{
	for (size_t i = 0; i < opts->processes_count; i++) {
		struct leat_counters *counters = attach(opts->processes[i]);

		if (counters == NULL)
			return attach_refused(opts->processes[i], leat_open_error());
		leat_counters_close(counters);
	}
	return 0;
}

static int write_once(const struct export_opts *opts)
{
	struct leat_export *exporter = leat_export_start(&opts->exporter);
	int rc;

	if (exporter == NULL)
		return refuse_start(opts, leat_open_error());
	rc = leat_export_write(exporter, opts->format, stdout);
	leat_export_stop(exporter);
	if (rc < 0)
		fprintf(stderr, "leat: stdout: %s\n", strerror(-rc));
	return rc < 0 ? EXIT_FAILED : 0;
}

/* The signals that end it wait until then: also one that comes while it starts. */
static int serve(const struct export_opts *opts)
{
	const char *listen = opts->exporter.listen;
	struct leat_export *exporter;
	sigset_t ending;
	int number;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ending, NULL);
	exporter = leat_export_start(&opts->exporter);
	if (exporter == NULL)
		return refuse_start(opts, leat_open_error());
	if (listen == NULL)
		listen = "127.0.0.1:9464";
	fprintf(stderr, "leat: exporting at http://%.*s:%" PRIu16 "/metrics\n",
	        (int)(strrchr(listen, ':') - listen), listen, leat_export_port(exporter));
	sigwait(&ending, &number);
	leat_export_stop(exporter);
	return 0;
}

static int export_figures(const struct export_opts *opts)
{
	int rc;

	if (opts->describe) {
		rc = leat_export_describe(opts->format, stdout);
		if (rc < 0)
			fprintf(stderr, "leat: stdout: %s\n", strerror(-rc));
		return rc < 0 ? EXIT_FAILED : 0;
	}
	rc = check_processes(&opts->exporter);
	if (rc != 0)
		return rc;
	return opts->once ? write_once(opts) : serve(opts);
}

#else

static int export_figures(const struct export_opts *opts)
{
	(void)opts;
	fputs("leat: export is not in this program, as libmicrohttpd was missing when it was "
	      "built: install the package libmicrohttpd-dev and build leat anew\n",
	      stderr);
	return EXIT_FAILED;
}

#endif

static bool read_format(struct export_opts *opts, const char *text)
{
	bool open_metrics = strcmp(text, "openmetrics") == 0;

	opts->format = open_metrics ? LEAT_EXPORT_OPENMETRICS : LEAT_EXPORT_CLASSIC;
	opts->format_given = true;
	if (open_metrics || strcmp(text, "classic") == 0)
		return true;
	fprintf(stderr, "leat: --format %s: classic or openmetrics is wanted\n", text);
	return false;
}

static bool read_names(struct export_opts *opts, const char *text)
{
	opts->exporter.names_most = strtoul(text, NULL, 10);
	if (text[strspn(text, "0123456789")] == '\0' && strlen(text) < 10 &&
	    opts->exporter.names_most > 0 && opts->exporter.names_most <= NAMES_MOST)
		return true;
	fprintf(stderr, "leat: --names %s: a number from 1 to %d is wanted\n", text, NAMES_MOST);
	return false;
}

static bool read_gone(struct export_opts *opts, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	opts->exporter.gone_ns = (int64_t)(seconds < GONE_MOST_S ? seconds * 1e9 : 0);
	opts->gone_given = true;
	if (text[strspn(text, "0123456789.")] == '\0' && *end == '\0' && opts->exporter.gone_ns > 0)
		return true;
	fprintf(stderr, "leat: --gone %s: a number of seconds above 0 is wanted, such as 60\n",
	        text);
	return false;
}

/* Which options do not go together. Returns 0, or the exit status. */
static int check_opts(const struct export_opts *opts)
{
	const char *wrong = NULL;

	if (opts->listen_given && opts->exporter.listen[0] == '\0')
		wrong = "--listen takes an address and a port, such as 127.0.0.1:9464";
	else if (opts->once && opts->describe)
		wrong = "--once and --describe do not go together";
	else if (opts->listen_given && (opts->once || opts->describe))
		wrong = "--listen is of HTTP, which --once and --describe do without";
	else if (opts->gone_given && (opts->once || opts->describe))
		wrong = "--gone is of HTTP, which --once and --describe do without";
	else if (opts->format_given && !opts->once && !opts->describe)
		wrong = "--format is of --once and --describe; over HTTP a client says what it "
			"wants";
	else if (opts->describe && opts->exporter.processes_count > 0)
		wrong = "--describe takes no process";
	if (wrong != NULL)
		fprintf(stderr, "leat: %s; see leat export --help\n", wrong);
	return wrong != NULL ? EXIT_USAGE : 0;
}

/* Returns -1, or the exit status if there is nothing to export. */
static int read_export_opts(struct export_opts *opts, int argc, char **argv)
{
	static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
		                                 { "once", no_argument, NULL, 'o' },
		                                 { "describe", no_argument, NULL, 'd' },
		                                 { "format", required_argument, NULL, 'f' },
		                                 { "names", required_argument, NULL, 'n' },
		                                 { "gone", required_argument, NULL, 'g' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	int option;

	*opts = (struct export_opts){ 0 };
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(leat_export_help, stdout) < 0 ? EXIT_FAILED : 0;
		if (option == '?' || option == ':')
			return reject_seeing_option(argv, option);
		opts->once |= option == 'o';
		opts->describe |= option == 'd';
		if (option == 'l') {
			opts->exporter.listen = optarg;
			opts->listen_given = true;
		}
		if ((option == 'f' && !read_format(opts, optarg)) ||
		    (option == 'n' && !read_names(opts, optarg)) ||
		    (option == 'g' && !read_gone(opts, optarg)))
			return EXIT_USAGE;
	}
	opts->exporter.processes = (const char *const *)(argv + optind);
	opts->exporter.processes_count = (size_t)(argc - optind);
	if (check_opts(opts) != 0)
		return EXIT_USAGE;
	if (opts->once)
		opts->exporter.listen = "";
	return -1;
}

int export_main(int argc, char **argv)
{
	struct export_opts opts;
	int status = read_export_opts(&opts, argc, argv);

	return status >= 0 ? status : export_figures(&opts);
}
