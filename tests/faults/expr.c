/*
 * Expressions while each allocation fails once: an expression is opened, cloned and run, and has
 * its values, or a call returns -ENOMEM; nothing is left, and the next run of an expression whose
 * run failed has its values again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr.h"
#include "inject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fault;
static const char *text;

static _Noreturn void failed(const char *what, int line)
{
	fprintf(stderr, "expr: line %d, fault %llu of %s: %s\n", line, (unsigned long long)fault,
	        text, what);
	exit(1);
}

#define that(condition) ((condition) ? (void)0 : failed(#condition, __LINE__))

static void check_values(const struct leat_expr_values *values, const char *wanted)
{
	that(values->type == LEAT_EXPR_TEXT);
	for (int i = 0; i < 2; i++)
		that(values->texts[i].len == strlen(wanted) &&
		     memcmp(values->texts[i].data, wanted, strlen(wanted)) == 0);
}

/* Runs it; if there is no memory, once more without a fault. */
static int run_expr(struct leat_expr *expr, const char *wanted)
{
	const struct leat_line lines[] = { { "GET a", 5, NULL }, { "GET a", 5, NULL } };
	struct leat_expr_values values;
	int rc = leat_expr_run(expr, lines, NULL, 2, &values);

	if (rc != 0) {
		that(rc == -ENOMEM);
		inject_off();
		that(leat_expr_run(expr, lines, NULL, 2, &values) == 0);
	}
	check_values(&values, wanted);
	return rc;
}

static int use_expr(const char *wanted)
{
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES, .max = 2 };
	struct leat_expr *expr, *clone = NULL;
	struct leat_mistake mistake;
	int rc = leat_expr_open(text, &opts, &expr, &mistake);

	that(rc == 0 || (rc == -ENOMEM && expr == NULL && mistake.what[0] == '\0'));
	if (rc == 0)
		rc = leat_expr_clone(expr, &clone);
	that(rc == 0 || (rc == -ENOMEM && clone == NULL));
	if (rc == 0)
		rc = run_expr(expr, wanted);
	if (rc == 0)
		rc = run_expr(clone, wanted);
	leat_expr_close(clone);
	leat_expr_close(expr);
	return rc;
}

int main(void)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "upper($2) .. lower('X' .. 'y') .. 1.5", "Axy1.5" },
		{ "$1 ~ 'GET' && $2 ~ 'a' ? text(len($)) : trim($1)", "5" },
		{ "text(1 / 0) .. (2 + 3 * 4) .. $-1", "14a" },
	};
	uint64_t total = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text = rows[i].text;
		for (fault = 1;; fault++) {
			uint64_t blocks = inject_blocks();
			inject_nth(INJECT_ALLOC, fault, ENOMEM);
			int rc = use_expr(rows[i].wanted);
			bool injected = inject_count(INJECT_ALLOC) != 0;
			inject_off();
			that((rc != 0) == injected);
			that(inject_blocks() == blocks);
			if (!injected)
				break;
			total++;
		}
	}
	printf("%llu allocations failed, each once\n", (unsigned long long)total);
	return total < 60;
}
