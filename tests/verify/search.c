/*
 * Which choices an execution makes, what is reported about it, and the program.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/engine.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct engine *E;

enum { MODELS_MAX = 1024 };

static const struct verify_model *models[MODELS_MAX];
static unsigned models_count;
extern const struct verify_site __start_verify_sites[], __stop_verify_sites[];

void verify_register(const struct verify_model *model)
{
	if (models_count == MODELS_MAX) {
		fprintf(stderr, "verify: more than %d models\n", MODELS_MAX);
		abort();
	}
	models[models_count++] = model;
}

static uint64_t random_next(void)
{
	uint64_t x = E->random += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

unsigned choose_by(unsigned n, unsigned wanted);

static unsigned given_at(uint32_t position)
{
	for (unsigned i = 0; i < E->given_count; i++)
		if (E->given[i].position == position)
			return E->given[i].chosen;
	return 0;
}

/* Records a choice: the one that is replayed or continued from, else the one that is wanted. */
unsigned choose_by(unsigned n, unsigned wanted)
{
	unsigned c = wanted;

	if (E->log_count == CHOICES)
		verify_fail("engine", "more than %d choices", CHOICES);
	if (E->given_count > 0)
		c = given_at(E->position);
	else if (E->log_count < E->prefix_count)
		c = E->prefix[E->log_count];
	if (c >= n) /* the log was shortened, and this place has fewer options now */
		c = 0;
	E->log[E->log_count++] = (struct choice){ E->position, (uint16_t)c, (uint16_t)n };
	return c;
}

unsigned choose(unsigned n, enum choice_kind kind)
{
	static const unsigned one_in[] = {
		[CHOOSE_VALUE] = 3, [CHOOSE_FAULT] = 8, [CHOOSE_CLOCK] = 8, [CHOOSE_MODEL] = 1
	};
	unsigned wanted = 0;

	E->position++;
	if (n <= 1)
		return 0;
	if (E->mode == SEARCH_RANDOM || (E->mode == SEARCH_PRIORITIES && kind != CHOOSE_THREAD)) {
		unsigned odds = kind == CHOOSE_THREAD ? E->switch_one_in : one_in[kind];

		if (random_next() % odds == 0)
			wanted = (unsigned)(random_next() % n);
	}
	return choose_by(n, wanted);
}

/* Searches. */

struct limits {
	double seconds;
	uint64_t executions;
	uint64_t seed;
	bool quiet;
};

static double now_s(void)
{
	struct timespec t;

	/* the time of this process alone: other processes run on the same machine */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const char *const mode_names[] = { "depth first", "random", "priorities", "replay" };

static bool next_in_depth(void)
{
	unsigned n = E->log_count;

	while (n > 0 && E->log[n - 1].chosen + 1 >= E->log[n - 1].of)
		n--;
	if (n == 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		E->prefix[i] = E->log[i].chosen;
	E->prefix[n - 1]++;
	E->prefix_count = n;
	return true;
}

struct result {
	uint64_t executions;
	unsigned threads, longest;
	bool exhausted;
	double seconds;
};

static void run_one(struct result *result)
{
	run_execution();
	result->executions++;
	if (E->threads_count > result->threads)
		result->threads = E->threads_count;
	if (E->steps > result->longest)
		result->longest = (unsigned)E->steps;
}

static bool over(const struct limits *limits, const struct result *result, double began)
{
	if (limits->executions != 0 && result->executions >= limits->executions)
		return true;
	return (result->executions & 63) == 0 && limits->seconds != 0 &&
	       now_s() - began >= limits->seconds;
}

/*
 * Searches with a bound of 0 preemptions, then 1 and so on, so that a failure that needs few
 * switches is found first. The last bound is the one that must be exhausted.
 */
static void search_depth(const struct bounds *bounds, const struct limits *limits,
                         struct result *result)
{
	double began = now_s();

	E->mode = SEARCH_DEPTH;
	E->bounds = *bounds;
	for (unsigned bound = 0; bound <= bounds->preemptions; bound++) {
		E->bounds.preemptions = bound;
		E->prefix_count = 0;
		do {
			run_one(result);
			if (E->failed || over(limits, result, began))
				return;
			/* a place without choices turned out to be contended: begin again */
			if (E->contended_more)
				E->prefix_count = 0;
		} while (E->contended_more || next_in_depth());
	}
	result->exhausted = true;
}

static void begin_priorities(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		E->priority[i] = (1u << 30) + (unsigned)(random_next() % 1000);
	E->priority_lowest = 1u << 30;
	E->changes = 1 + (unsigned)(random_next() % 4);
	for (unsigned i = 0; i < E->changes; i++)
		E->change_at[i] = 1 + (unsigned)(random_next() % (E->scheds_expected + 1));
}

static void search_chance(enum search_mode mode, const struct bounds *bounds,
                          const struct limits *limits, struct result *result)
{
	double began = now_s();

	E->bounds = *bounds;
	E->bounds.preemptions = VERIFY_NO_BOUND;
	E->bounds.stale = E->bounds.both = VERIFY_NO_BOUND;
	E->prefix_count = 0;
	E->scheds_expected = 100;
	for (;;) {
		E->mode = mode;
		E->random = limits->seed * 1000003 + result->executions;
		E->switch_one_in = 1u << (random_next() % 6);
		begin_priorities();
		run_one(result);
		if (E->failed || over(limits, result, began))
			return;
		E->scheds_expected = E->log_count > 20 ? E->log_count : 20;
	}
}

/* Failures. */

static void print_replay(FILE *to)
{
	unsigned last = 0;

	fprintf(to, "%u/%u/%u:", E->bounds.preemptions, E->bounds.stale, E->bounds.history);
	for (unsigned i = 0; i < E->log_count; i++)
		if (E->log[i].chosen != 0) {
			fprintf(to, "%s%u=%u", last++ ? "," : "", E->log[i].position,
			        E->log[i].chosen);
		}
}

static unsigned choices_made(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < E->log_count; i++)
		n += E->log[i].chosen != 0;
	return n;
}

static void keep_log(void)
{
	unsigned n = E->log_count;

	while (n > 0 && E->log[n - 1].chosen == 0)
		n--;
	for (unsigned i = 0; i < n; i++)
		E->prefix[i] = E->log[i].chosen;
	E->prefix_count = n;
}

/* Takes choices back one by one while the execution still fails in the same way. */
static void shrink(struct result *result)
{
	static __thread uint16_t best[CHOICES];
	const char *kind = E->failure_kind;
	unsigned tries = 0, count;
	bool better;

	E->mode = SEARCH_REPLAY;
	keep_log();
	do {
		better = false;
		count = E->prefix_count;
		memcpy(best, E->prefix, count * sizeof(*best));
		for (unsigned i = count; i-- > 0 && tries < 3000 && !better;) {
			if (best[i] == 0)
				continue;
			memcpy(E->prefix, best, count * sizeof(*best));
			E->prefix_count = count;
			E->prefix[i] = 0;
			run_one(result);
			tries++;
			if (E->failed && strcmp(E->failure_kind, kind) == 0) {
				keep_log();
				better = true;
			}
		}
	} while (better);
	memcpy(E->prefix, best, count * sizeof(*best));
	E->prefix_count = count;
}

void trace(const char *format, ...)
{
	va_list list;

	if (E->told_of != E->current + 1)
		fprintf(E->out, "  %s\n", self()->name);
	E->told_of = E->current + 1;
	fprintf(E->out, "    %5u  ", (unsigned)E->steps);
	va_start(list, format);
	vfprintf(E->out, format, list);
	va_end(list);
	fputc('\n', E->out);
}

static void replay_traced(void)
{
	E->mode = SEARCH_REPLAY;
	E->tracing = true;
	E->told_of = 0;
	run_execution();
	E->tracing = false;
}

static void report_failure(const char *mode, const struct limits *limits, struct result *result)
{
	unsigned before = choices_made();
	uint64_t found_at = result->executions;

	fprintf(E->out, "%s: FAILED: %s\n  %s\n", E->model->name, E->failure_kind, E->failure);
	fprintf(E->out, "  found by %s, seed %llu, execution %llu\n", mode,
	        (unsigned long long)limits->seed, (unsigned long long)found_at);
	if (before <= 200) {
		fprintf(E->out, "  as found: --replay ");
		print_replay(E->out);
		fputc('\n', E->out);
	}
	if (limits->quiet)
		return;
	shrink(result);
	fprintf(E->out, "  the schedule, shrunk:\n");
	replay_traced();
	fprintf(E->out, "  %s: %s\n  shrunk from %u choices to %u: --replay ", E->failure_kind,
	        E->failure, before, choices_made());
	print_replay(E->out);
	fprintf(E->out, " %s\n", E->model->name);
}

static void read_replay(const char *text, struct bounds *bounds)
{
	const char *at = strchr(text, ':');
	unsigned index, chosen;
	int used;

	if (sscanf(text, "%u/%u/%u", &bounds->preemptions, &bounds->stale, &bounds->history) != 3 ||
	    at == NULL) {
		fprintf(stderr, "verify: a replay is PREEMPTIONS/STALE/HISTORY:index=choice,...\n");
		exit(2);
	}
	/* Positions count the places without a choice too. */
	E->contended_all = true;
	E->given[E->given_count++] = (struct choice){ 0, 0, 0 };
	for (at++; sscanf(at, "%u=%u%n", &index, &chosen, &used) == 2 && E->given_count < CHOICES;
	     at += *at == ',') {
		E->given[E->given_count++] = (struct choice){ index, (uint16_t)chosen, 0 };
		at += used;
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (E->threads_count == 0 || E->main_sp == NULL) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	verify_fail("crash", "signal %d at address %p in %s, which was in %s", number,
	            info->si_addr, self()->name,
	            self()->site != NULL ? code_name((uintptr_t)self()->site) : self()->doing);
}

static void catch_faults(void)
{
	stack_t stack = { .ss_size = 64 << 10 };
	struct sigaction action = { .sa_sigaction = on_fault,
		                    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                   -1, 0);
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

/* Sites. */

static const char *const order_names[] = { "rlx", "acq", "rel", "acqrel", "light", "seq" };

/*
 * FILE:LINE:VERB=ORDER, or FUNCTION:VERB=ORDER: weakens every copy of that site. ORDER rlx takes
 * all order away, also that of a fence. Returns how many sites fit.
 */
static unsigned weaken(const char *text)
{
	const char *equals = strrchr(text, '=');
	unsigned found = 0;

	E->weaken = text;
	if (strcmp(text, "heavy") == 0)
		return 1;
	for (const struct verify_site *s = __start_verify_sites;
	     equals != NULL && s < __stop_verify_sites; s++) {
		char by_line[600], by_function[600];
		size_t n = (size_t)(equals - text);

		snprintf(by_line, sizeof(by_line), "%s:%d:%s", s->file, s->line, s->verb);
		snprintf(by_function, sizeof(by_function), "%s:%s", s->func, s->verb);
		if ((strlen(by_line) != n || memcmp(by_line, text, n) != 0) &&
		    (strlen(by_function) != n || memcmp(by_function, text, n) != 0))
			continue;
		for (unsigned order = 0; order < sizeof(order_names) / sizeof(order_names[0]);
		     order++)
			if (strcmp(equals + 1, order_names[order]) == 0) {
				E->weaken_to[s - __start_verify_sites] = (uint8_t)(order + 1);
				found++;
			}
	}
	return found;
}

static int compare_sites(const void *a, const void *b)
{
	const struct verify_site *x = a, *y = b;
	int by_file = strcmp(x->file, y->file);

	if (by_file != 0)
		return by_file;
	return x->line != y->line ? x->line - y->line : strcmp(x->verb, y->verb);
}

/* Prints each site once, or each site that an execution reached. */
static void list_sites(bool reached_only)
{
	size_t n = (size_t)(__stop_verify_sites - __start_verify_sites);
	struct verify_site *sites = malloc((n + 1) * sizeof(*sites));

	if (sites == NULL)
		exit(2);
	n = 0;
	for (const struct verify_site *s = __start_verify_sites; s < __stop_verify_sites; s++)
		if (!reached_only || E->reached[s - __start_verify_sites])
			sites[n++] = *s;
	qsort(sites, n, sizeof(*sites), compare_sites);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare_sites(&sites[i - 1], &sites[i]) != 0)
			printf("%s:%d:%s\t%s\t%s\t%s\n", sites[i].file, sites[i].line,
			       sites[i].verb, order_names[sites[i].order], sites[i].func,
			       sites[i].expr);
	free(sites);
}

/* The program. */

struct setup {
	struct bounds bounds;
	bool preemptions, stale, history, both;
	struct limits limits;
	enum search_mode mode;
	const char *replay;
	bool keep_going, reached, quick, known_too;
	unsigned part, parts; /* of the models: only each parts-th, from the part-th; 0: all */
};

static unsigned bound_of(unsigned of_model, unsigned otherwise)
{
	if (of_model == VERIFY_NONE)
		return 0;
	return of_model != 0 ? of_model : otherwise;
}

static struct bounds bounds_for(const struct verify_model *m, const struct setup *setup)
{
	struct bounds b = { bound_of(m->preemptions, 2), bound_of(m->stale, 2),
		            bound_of(m->history, 4), VERIFY_NO_BOUND };

	if (setup->quick) {
		b.preemptions = bound_of(m->quick, b.preemptions);
		b.both = bound_of(m->quick_both, b.both);
	}
	if (setup->preemptions)
		b.preemptions = setup->bounds.preemptions;
	if (setup->stale)
		b.stale = setup->bounds.stale;
	if (setup->history)
		b.history = setup->bounds.history;
	if (setup->both)
		b.both = setup->bounds.both;
	if (b.history > HISTORY)
		b.history = HISTORY;
	return b;
}

static int run_replay(const struct verify_model *model, const char *text)
{
	E->model = model;
	E->bounds.both = VERIFY_NO_BOUND;
	read_replay(text, &E->bounds);
	replay_traced();
	if (E->failed)
		printf("%s: FAILED: %s\n  %s\n", model->name, E->failure_kind, E->failure);
	else
		printf("%s: nothing failed\n", model->name);
	return E->failed;
}

/* Returns 0: no failure, search exhausted; 1: a failure; 3: no failure within the limits. */
static int run_model(const struct verify_model *model, const struct setup *setup)
{
	struct bounds bounds = bounds_for(model, setup);
	struct result result = { 0 };
	double began = now_s();

	E->model = model;
	memset(E->contended, 0, sizeof(E->contended));
	E->timed = false;
	if (setup->mode == SEARCH_DEPTH)
		search_depth(&bounds, &setup->limits, &result);
	else
		search_chance(setup->mode, &bounds, &setup->limits, &result);
	result.seconds = now_s() - began;
	if (E->failed && model->known != NULL && !setup->known_too) {
		printf("%s: fails, which is known: %s\n", model->name, model->known);
		return 0;
	}
	if (!E->failed && model->known != NULL && setup->mode == SEARCH_DEPTH) {
		printf("%s: does not fail any more; this was known: %s\n", model->name,
		       model->known);
		return 1;
	}
	if (E->failed) {
		printf("%s: failed: %s, execution %llu, %.2f s\n", model->name, E->failure_kind,
		       (unsigned long long)result.executions, result.seconds);
		report_failure(mode_names[setup->mode], &setup->limits, &result);
		return 1;
	}
	printf("%s: %s: %llu executions, %u threads, at most %u steps, ", model->name,
	       setup->mode != SEARCH_DEPTH ? mode_names[setup->mode]
	       : result.exhausted          ? "exhausted"
	                                   : "NOT EXHAUSTED",
	       (unsigned long long)result.executions, result.threads, result.longest);
	if (setup->mode == SEARCH_DEPTH)
		printf("preemptions <= %u, stale loads <= %u, ", E->bounds.preemptions,
		       bounds.stale);
	else
		printf("seed %llu, ", (unsigned long long)setup->limits.seed);
	if (setup->mode == SEARCH_DEPTH && bounds.both != VERIFY_NO_BOUND)
		printf("both <= %u, ", bounds.both);
	printf("history %u, %.2f s\n", bounds.history, result.seconds);
	return setup->mode == SEARCH_DEPTH && !result.exhausted ? 3 : 0;
}

static bool wanted(const struct verify_model *model, char **names, int n)
{
	if (n == 0)
		return true;
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]);

		if (strcmp(model->name, names[i]) == 0 ||
		    (len > 0 && names[i][len - 1] == '*' &&
		     strncmp(model->name, names[i], len - 1) == 0))
			return true;
	}
	return false;
}

static void usage(void)
{
	puts("usage: verify [OPTION]... [MODEL|PREFIX*]...\n"
	     "\n"
	     "  --list               the models, and what each holds\n"
	     "  --sites              every atomic access of the sources that were compiled in\n"
	     "  --mode MODE          depth (default), random, priorities\n"
	     "  --preemptions N      switches away from a thread that could go on; of a model: 2 "
	     "if it does not say\n"
	     "  --stale N            loads that answer an older value; of a model: 2\n"
	     "  --both N             preemptions and stale loads together; any\n"
	     "  --history N          stores of a word that a load may choose among, up to 8; of a "
	     "model: 4\n"
	     "  --seconds S          of each model at most\n"
	     "  --executions N       of each model at most\n"
	     "  --seed N             of random and priorities\n"
	     "  --weaken SITE=ORDER  change the order of a site (see --sites): "
	     "FILE:LINE:VERB=rlx,\n"
	     "                       FUNCTION:VERB=rlx; \"heavy\" drops the heavy fence\n"
	     "  --replay CHOICES     one execution, told step by step\n"
	     "  --steps N            more in one execution is a livelock; 20000\n"
	     "  --reached            in the end, those sites that any execution came by\n"
	     "  --known-too          a failure that is known is a failure\n"
	     "  --quick              with the bounds that a model has for a run that must be "
	     "short\n"
	     "  --part K/N           each N-th model only, from the K-th: N such runs are all "
	     "models\n"
	     "  --keep-going         with the other models after a failure\n"
	     "  --quiet              do not shrink or tell a failure's schedule\n"
	     "\n"
	     "Exit status: 0 nothing found, 1 a failure, 2 usage, 3 a depth-first search was not "
	     "exhausted.");
}

static int run_all(const struct setup *setup, char **names, int n)
{
	unsigned ran = 0;
	bool failed = false;
	int worst = 0;

	for (unsigned i = 0; i < models_count; i++) {
		int rc;

		if (setup->parts != 0 && i % setup->parts != setup->part - 1)
			continue;
		if (setup->quick && models[i]->quick == VERIFY_SKIP)
			continue;
		if (!wanted(models[i], names, n) || (E->weaken != NULL && models[i]->known != NULL))
			continue;
		ran++;
		if (setup->replay != NULL)
			return run_replay(models[i], setup->replay);
		rc = run_model(models[i], setup);
		fflush(stdout);
		failed |= rc == 1;
		if (failed && !setup->keep_going)
			return 1;
		worst = rc > worst ? rc : worst;
	}
	if (failed)
		return 1;
	if (ran == 0)
		fprintf(stderr, "verify: there is no such model\n");
	return ran == 0 ? 2 : worst;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "list", no_argument, NULL, 'l' },
		                                 { "sites", no_argument, NULL, 's' },
		                                 { "mode", required_argument, NULL, 'm' },
		                                 { "preemptions", required_argument, NULL, 'p' },
		                                 { "stale", required_argument, NULL, 't' },
		                                 { "history", required_argument, NULL, 'h' },
		                                 { "seconds", required_argument, NULL, 'S' },
		                                 { "executions", required_argument, NULL, 'e' },
		                                 { "seed", required_argument, NULL, 'r' },
		                                 { "weaken", required_argument, NULL, 'w' },
		                                 { "both", required_argument, NULL, 'b' },
		                                 { "replay", required_argument, NULL, 'R' },
		                                 { "steps", required_argument, NULL, 'x' },
		                                 { "reached", no_argument, NULL, 'c' },
		                                 { "known-too", no_argument, NULL, 'K' },
		                                 { "quick", no_argument, NULL, 'u' },
		                                 { "part", required_argument, NULL, 'P' },
		                                 { "keep-going", no_argument, NULL, 'k' },
		                                 { "quiet", no_argument, NULL, 'q' },
		                                 { "help", no_argument, NULL, 'H' },
		                                 { NULL, 0, NULL, 0 } };
	struct setup *setup = calloc(1, sizeof(*setup));
	int c;

	E = mmap(NULL, sizeof(*E), PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (E == MAP_FAILED || setup == NULL)
		return 2;
	E->out = stdout;
	E->steps_most = STEPS;
	setup->limits.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'l':
			for (unsigned i = 0; i < models_count; i++)
				printf("%s\t%s\t%s\n", models[i]->name,
				       models[i]->quick == VERIFY_SKIP ? "long" : "short",
				       models[i]->what != NULL ? models[i]->what : "");
			return 0;
		case 's':
			list_sites(false);
			return 0;
		case 'm':
			setup->mode = *optarg == 'r'   ? SEARCH_RANDOM
			              : *optarg == 'p' ? SEARCH_PRIORITIES
			                               : SEARCH_DEPTH;
			break;
		case 'p':
			setup->bounds.preemptions = (unsigned)atoi(optarg);
			setup->preemptions = true;
			break;
		case 't':
			setup->bounds.stale = (unsigned)atoi(optarg);
			setup->stale = true;
			break;
		case 'b':
			setup->bounds.both = (unsigned)atoi(optarg);
			setup->both = true;
			break;
		case 'h':
			setup->bounds.history = (unsigned)atoi(optarg);
			setup->history = true;
			break;
		case 'S':
			setup->limits.seconds = atof(optarg);
			break;
		case 'e':
			setup->limits.executions = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			setup->limits.seed = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			if (weaken(optarg) == 0) {
				fprintf(stderr, "verify: there is no site %s\n", optarg);
				return 2;
			}
			break;
		case 'R':
			setup->replay = optarg;
			break;
		case 'c':
			setup->reached = true;
			break;
		case 'K':
			setup->known_too = true;
			break;
		case 'u':
			setup->quick = true;
			break;
		case 'P':
			if (sscanf(optarg, "%u/%u", &setup->part, &setup->parts) != 2 ||
			    setup->part == 0 || setup->part > setup->parts) {
				fprintf(stderr,
				        "verify: a part is K/N, with K from 1 to N, and not "
				        "\"%s\"\n",
				        optarg);
				return 2;
			}
			break;
		case 'k':
			setup->keep_going = true;
			break;
		case 'q':
			setup->limits.quiet = true;
			break;
		case 'x':
			E->steps_most = (unsigned)atoi(optarg);
			break;
		case 'H':
			usage();
			return 0;
		default:
			usage();
			return 2;
		}
	if (setup->mode != SEARCH_DEPTH && setup->limits.seconds == 0 &&
	    setup->limits.executions == 0)
		setup->limits.seconds = 5;
	memory_init();
	catch_faults();
	c = run_all(setup, argv + optind, argc - optind);
	if (setup->reached)
		list_sites(true);
	return c;
}
