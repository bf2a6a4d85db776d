/*
 * tools/leat/options.c: the options of `leat run`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/value.h"
#include "tools/leat/leat.h"

#include <getopt.h>
#include <leat/version.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_NS INT64_C(200000)

enum {
	OPT_FILE = 'f',
	OPT_FOR = 256,
	OPT_LOAD,
	OPT_DRAIN,
	OPT_REPEAT,
	OPT_CAPACITY,
	OPT_WAIT,
	OPT_OVERFLOW,
	OPT_SLOW,
	OPT_JSON,
	OPT_QUIET,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{ "file", required_argument, NULL, OPT_FILE },
	{ "for", required_argument, NULL, OPT_FOR },
	{ "load", required_argument, NULL, OPT_LOAD },
	{ "drain", required_argument, NULL, OPT_DRAIN },
	{ "repeat", required_argument, NULL, OPT_REPEAT },
	{ "capacity", required_argument, NULL, OPT_CAPACITY },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "overflow", required_argument, NULL, OPT_OVERFLOW },
	{ "slow", required_argument, NULL, OPT_SLOW },
	{ "json", optional_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

/* Reads the value of an option, as that of a stage is read; whole: what the option was given. */
static bool read_option_part(const char *name, const char *whole, const struct leat_param *param,
                             char *text, struct leat_value *value)
{
	struct leat_mistake mistake = { 0 };

	*value = (struct leat_value){ .given = true, .text = text };
	if (leat_param_read(param, value, &mistake))
		return true;
	fprintf(stderr, "leat: --%s %s: %s; it takes %s\n", name, whole[0] != '\0' ? whole : "''",
	        mistake.what, mistake.wanted);
	return false;
}

static bool read_option_value(const char *name, const struct leat_param *param, char *text,
                              struct leat_value *value)
{
	return read_option_part(name, text, param, text, value);
}

static bool read_option_number(const char *name, uint64_t max, const char *wanted, char *text,
                               uint64_t *number)
{
	const struct leat_param param = {
		.form = LEAT_FORM_NUMBER, .min = 1, .max = max, .wanted = wanted
	};
	struct leat_value value;

	if (!read_option_value(name, &param, text, &value))
		return false;
	*number = value.number;
	return true;
}

static bool read_option_time(const char *name, char *text, int64_t *ns)
{
	const struct leat_param param = { .form = LEAT_FORM_TIME };
	struct leat_value value;

	if (!read_option_value(name, &param, text, &value))
		return false;
	*ns = value.ns;
	return true;
}

/* A plain 0 is the default; other times need their unit. */
static bool read_option_drain(struct run_opts *opts, char *text)
{
	opts->drain_ns = 0;
	return strcmp(text, "0") == 0 || read_option_time("drain", text, &opts->drain_ns);
}

static bool read_option_slow(struct run_opts *opts, char *text)
{
	static const struct leat_param time = {
		.form = LEAT_FORM_TIME, .wanted = "STAGE=TIME, with a time such as 100us or 2ms"
	};
	char *equals = strrchr(text, '=');
	struct leat_value value = { .ns = SLOW_NS };

	if (equals != NULL && !read_option_part("slow", text, &time, equals + 1, &value))
		return false;
	opts->flow.slow_ns = value.ns;
	free(opts->slow_stage);
	opts->slow_stage = equals != NULL ? strndup(text, (size_t)(equals - text)) : strdup(text);
	return opts->slow_stage != NULL;
}

static bool read_option(struct run_opts *opts, int option, char *text)
{
	static const struct leat_param waits = {
		.form = LEAT_FORM_CHOICE, .choices = { "adaptive", "spin", "yield", "park" }
	};
	static const struct leat_param overflows = { .form = LEAT_FORM_CHOICE,
		                                     .choices = { "block", "newest", "oldest" } };
	struct leat_value value;

	switch (option) {
	case OPT_FILE:
		opts->file = text;
		return true;
	case OPT_LOAD:
		return words_load(text);
	case OPT_FOR:
		return read_option_time("for", text, &opts->flow.for_ns);
	case OPT_DRAIN:
		return read_option_drain(opts, text);
	case OPT_REPEAT:
		return read_option_number("repeat", UINT64_MAX, "a number from 1", text,
		                          &opts->flow.repeat);
	case OPT_CAPACITY:
		return read_option_number("capacity", LEAT_CAPACITY_MAX,
		                          "a number of items from 1 to 16777216", text,
		                          &opts->flow.capacity);
	case OPT_WAIT:
		if (!read_option_value("wait", &waits, text, &value))
			return false;
		opts->flow.wait = (enum leat_wait)value.number;
		return true;
	case OPT_OVERFLOW:
		if (!read_option_value("overflow", &overflows, text, &value))
			return false;
		opts->flow.overflow = (enum leat_overflow)value.number;
		return true;
	case OPT_SLOW:
		return read_option_slow(opts, text);
	case OPT_JSON:
		opts->json = true;
		opts->json_path = text;
		return true;
	default:
		opts->quiet = true;
		return true;
	}
}

static int reject_option(char **argv, int option)
{
	const char *name = argv[optind - 1];

	if (option == ':')
		fprintf(stderr, "leat: %s takes a value; see leat run --help\n", name);
	else if (optopt >= OPT_FOR)
		fprintf(stderr, "leat: %s: this option takes no value; see leat run --help\n",
		        name);
	else if (optopt != 0)
		fprintf(stderr, "leat: there is no option -%c; see leat run --help\n", optopt);
	else
		fprintf(stderr, "leat: there is no option %s; see leat run --help\n", name);
	return EXIT_USAGE;
}

static int print_text(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 0;
	perror("leat: stdout");
	return EXIT_FAILED;
}

int run_opts_read(struct run_opts *opts, int argc, char **argv)
{
	int option;

	*opts = (struct run_opts){ .flow = { .capacity = 1024 } };
	/*
	 * getopt_long() moves the text behind the options, so options may be on either side of it.
	 */
	while ((option = getopt_long(argc, argv, ":f:", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return reject_option(argv, option);
		if (option == OPT_HELP)
			return print_text(strcmp(argv[0], "run") == 0 ? leat_run_help
			                                              : leat_check_help);
		if (option == OPT_VERSION)
			return print_text("leat " LEAT_VERSION "\n");
		if (!read_option(opts, option, optarg))
			return EXIT_USAGE;
	}
	if (opts->file != NULL && argc > optind) {
		fputs("leat: either a flow or -f FILE is wanted, not both\n", stderr);
		return EXIT_USAGE;
	}
	if (opts->file == NULL && argc - optind != 1) {
		fputs(argc == optind
		              ? "leat: a flow is missing, such as 'lines:FILE | count'; see leat "
		                "run --help\n"
		              : "leat: one flow is wanted, as one word: put it into quotes\n",
		      stderr);
		return EXIT_USAGE;
	}
	/* The object is alone on standard error. */
	if (opts->json && opts->json_path == NULL)
		opts->quiet = true;
	opts->text = argv[optind];
	return -1;
}

void run_opts_free(struct run_opts *opts)
{
	free(opts->slow_stage);
	free(opts->file_text);
}

bool run_opts_slow(struct run_opts *opts, const struct leat_stages *stages)
{
	uint64_t number;

	if (opts->slow_stage == NULL)
		return true;
	for (size_t i = 0; i < stages->count && opts->flow.slow == 0; i++)
		if (strcmp(stages->list[i].type->name, opts->slow_stage) == 0)
			opts->flow.slow = i + 1;
	if (opts->flow.slow == 0 && leat_value_number(opts->slow_stage, &number) == 0 &&
	    number >= 1 && number <= stages->count)
		opts->flow.slow = (size_t)number;
	if (opts->flow.slow != 0)
		return true;
	fprintf(stderr, "leat: --slow %s: no such stage; there are:", opts->slow_stage);
	for (size_t i = 0; i < stages->count; i++)
		fprintf(stderr, " %zu %s%s", i + 1, stages->list[i].type->name,
		        i + 1 < stages->count ? "," : "\n");
	return false;
}
