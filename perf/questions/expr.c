/*
 * What do expressions over vectors of items cost, beside what they can't do without: splitting a
 * line, searching it? One thread, vectors of 256 items that are in the cache. perf_expr [LOG]
 *
 * Prints nanoseconds an item, the best of eleven rounds. Lines are those of LOG, else lines that
 * this program makes, which are like an Apache log's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "text/expr.h"
#include "tools/leat/flow/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VECTOR = 256, LINES = 4096, ROUNDS = 11 };

static int64_t integers[VECTOR];
static double decimals[VECTOR];
static struct leat_line lines[LINES];
static volatile uint64_t sink;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "expr: %s: %s\n", what, why);
	exit(1);
}

static void make_line(size_t i, char *to, size_t size)
{
	snprintf(to, size,
	         "10.0.%zu.%zu - - [17/May/2015:10:%02zu:%02zu +0000] \"%s /%s/%zu.html HTTP/1.1\" "
	         "%d %zu \"http://example.org/search?q=%zu\" \"Mozilla/5.0 (X11; Linux)\"",
	         i % 8, i * 7 % 200, i / 60 % 60, i % 60, i % 11 == 0 ? "POST" : "GET",
	         i % 2 ? "blog" : "images", i * 31 % 1000, i % 33 == 0 ? 404 : 200,
	         i * 7919 % 1000000, i * 13 % 100000);
}

static void make_items(const char *path)
{
	FILE *log = path != NULL ? fopen(path, "r") : NULL;
	char *line = NULL, made[400];
	size_t size = 0;

	if (path != NULL && log == NULL)
		fail(path, "can't be read");
	for (size_t i = 0; i < LINES; i++) {
		ssize_t len = log != NULL ? getline(&line, &size, log) : 0;
		if (len < 0)
			fail(path, "has too few lines");
		make_line(i, made, sizeof(made));
		const char *from = log != NULL ? line : made;
		size_t bytes = strcspn(from, "\n");
		if (leat_line_copy(&lines[i], from, bytes) != 0)
			fail("lines", "no memory");
	}
	free(line);
	if (log != NULL)
		fclose(log);
	for (size_t i = 0; i < VECTOR; i++) {
		integers[i] = (int64_t)(i * UINT64_C(0x9e3779b97f4a7c15)) >> (i % 48);
		decimals[i] = (double)integers[i] / 3;
	}
}

/* One pass over what there is; returns the items. */
typedef size_t pass_fn(void *what);

/* Rows are measured in turn, round by round, so that all of them have the machine's good times. */
struct row {
	const char *name;
	pass_fn *pass;
	void *what;
	double best_ns;
};

static struct row rows[40];
static size_t rows_count;

static void add_row(const char *name, pass_fn *pass, void *what)
{
	rows[rows_count++] = (struct row){ name, pass, what, 1e300 };
}

static void measure_row(struct row *row)
{
	size_t items = 0;
	double start = now_ns(), ns;

	do {
		items += row->pass(row->what);
		ns = now_ns() - start;
	} while (ns < 2e7);
	row->best_ns = ns / (double)items < row->best_ns ? ns / (double)items : row->best_ns;
}

static size_t pass_expr(void *what, const void *items, size_t size, size_t count)
{
	struct leat_expr_values values;

	for (size_t i = 0; i < count; i += VECTOR) {
		if (leat_expr_run(what, (const char *)items + i * size, NULL, VECTOR, &values) != 0)
			fail("run", "no memory");
		sink += values.type == LEAT_EXPR_TRUTH ? values.truths[0] : 0;
	}
	return count;
}

static size_t pass_integers(void *what)
{
	size_t items = 0;

	for (int i = 0; i < 64; i++)
		items += pass_expr(what, integers, sizeof(integers[0]), VECTOR);
	return items;
}

static size_t pass_decimals(void *what)
{
	size_t items = 0;

	for (int i = 0; i < 64; i++)
		items += pass_expr(what, decimals, sizeof(decimals[0]), VECTOR);
	return items;
}

static size_t pass_lines(void *what)
{
	return pass_expr(what, lines, sizeof(lines[0]), LINES);
}

static size_t pass_pattern(void *what)
{
	for (size_t i = 0; i < LINES; i++)
		sink += leat_pattern_find(what, lines[i].data, lines[i].len) != NULL;
	return LINES;
}

/* As field:9 cuts, byte by byte. */
static size_t pass_ninth(void *what)
{
	(void)what;
	for (size_t i = 0; i < LINES; i++) {
		const char *p = lines[i].data, *end = p + lines[i].len;
		for (int n = 9; n > 0; n--) {
			while (p < end && (*p == ' ' || *p == '\t'))
				p++;
			while (p < end && *p != ' ' && *p != '\t')
				p++;
		}
		sink += (uintptr_t)p;
	}
	return LINES;
}

static void add_expr(const char *text, enum leat_expr_items kind)
{
	static pass_fn *const passes[] = { pass_integers, pass_decimals, pass_lines };
	const struct leat_expr_opts opts = { .items = kind, .max = VECTOR };
	struct leat_mistake mistake;
	struct leat_expr *expr;

	if (leat_expr_open(text, &opts, &expr, &mistake) != 0)
		fail(text, mistake.what);
	add_row(text, passes[kind], expr);
}

static void add_rows(void)
{
	static const char *const of_integers[] = {
		"$ % 3 == 0",  "$ % 3 == 1",    "$ % 3",
		"$ / 10",      "$ == 5",        "$ < 5",
		"$ + 1",       "$ * 3 - $",     "$ > 100 && $ < 100000",
		"$ / ($ - 1)", "$ > 0 ? $ : -$"
	};
	static const char *const of_lines[] = { "$9",
		                                "$9 == 404",
		                                "$9 == '404'",
		                                "$10 > 100k",
		                                "$-1",
		                                "$1 .. ' ' .. $9",
		                                "upper($6)",
		                                "$ ~ 'GET'",
		                                "$9 == 404 && $ ~ 'GET'",
		                                "$ ~ '\"GET /[a-z]+/.* (404|500) '" };

	for (size_t i = 0; i < sizeof(of_integers) / sizeof(of_integers[0]); i++)
		add_expr(of_integers[i], LEAT_EXPR_INTEGERS);
	add_expr("$ * 2.5 > 10", LEAT_EXPR_DECIMALS);
	add_row("(field 9, byte by byte)", pass_ninth, NULL);
	for (size_t i = 0; i < sizeof(of_lines) / sizeof(of_lines[0]); i++)
		add_expr(of_lines[i], LEAT_EXPR_LINES);
}

int main(int argc, char **argv)
{
	struct leat_pattern *pattern;

	if (argc > 2)
		fail(argv[2], "it takes one log at the most");
	make_items(argc > 1 ? argv[1] : NULL);
	if (leat_pattern_open(&pattern, "GET", (char[1]){ 0 }, 1) != 0)
		fail("GET", "no memory");
	add_rows();
	add_row("(the pattern GET alone)", pass_pattern, pattern);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < rows_count; i++)
			measure_row(&rows[i]);
	printf("%-46s %8s\n", "expression", "ns");
	for (size_t i = 0; i < rows_count; i++) {
		printf("%-46s %8.2f\n", rows[i].name, rows[i].best_ns);
		if (rows[i].name[0] != '(')
			leat_expr_close(rows[i].what);
	}
	leat_pattern_close(pattern);
	for (size_t i = 0; i < LINES; i++)
		leat_line_free(&lines[i]);
	return 0;
}
