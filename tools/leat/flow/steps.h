/*
 * tools/leat/flow/steps.h: what the steps do with a line. They have no threads, channels or clocks:
 * each is given what it needs.
 *
 * One thread uses a step. Each thread has its own copy of grep's compiled expression: threads that
 * share one would wait for each other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_STEPS_H
#define LEAT_TOOLS_LEAT_FLOW_STEPS_H

#include "text/expr.h"
#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/pattern.h"
#include "tools/leat/flow/row.h"
#include "tools/leat/flow/scan.h"
#include "tools/leat/flow/uniq.h"

#include <leat/io.h>

/*
 * A token bucket, kept as one number: the time at which the bucket is full again if nothing more is
 * taken. So nothing is refilled.
 */
struct leat_run_rate {
	double item_ns;  /* the cost of one item */
	double slack_ns; /* how far spending may run ahead: burst - 1 items */
	double spent_ns; /* the time up to which items are paid for */
	bool begun;      /* the bucket was full for the first item */
};

struct leat_group;
struct leat_later;
struct leat_tee; /* tee.h */

struct leat_run_step {
	const struct leat_stage *stage;
	struct leat_tee *tee;         /* NULL: not open, and lets lines through */
	struct leat_pattern *pattern; /* grep */
	bool invert;                  /* grep: lines without a match are wanted */
	struct leat_expr *expr;       /* filter, while, map, a field of CSV, of one line; or NULL */
	struct leat_row *row;         /* of its thread: what names in expr are */
	bool reads_again; /* partition: a step before it on its thread reads the row, too */
	struct leat_run_rate rate;
	/* take: the items still to let through; skip: to leave out; every: up to the next one */
	uint64_t left;
	struct leat_uniq uniq;
	struct leat_recent recent; /* distinct */
	struct leat_group *group;  /* the sink of that name, which uses it by itself */
	struct leat_later
		*later; /* batch, window, delay, debounce, every:TIME; the caller runs it */
	struct leat_scan scan;
	void *word_state; /* a word of a program's (word.h) */
};

/*
 * Returns 0 or -ENOMEM. The stage and the row must outlive the step. The row gets the names that
 * the step needs; steps of one thread have one row.
 */
int leat_step_init(struct leat_run_step *step, const struct leat_stage *stage,
                   struct leat_row *row);
void leat_step_fini(struct leat_run_step *step);

/*
 * Returns 1: the line goes on, changed in place (its memory may be another). 0: the line is not
 * wanted, and is still the caller's to free. -ENOMEM: the line is unchanged. rate, take, buffer,
 * timeout and those of later.h let every line through; the caller does what they need.
 */
int leat_step_run(struct leat_run_step *step, struct leat_line *line);

/*
 * Of a partition of so many parts: the part of a line. Lines that cannot be read, and what has no
 * memory, go to the last one.
 */
uint64_t leat_step_part(struct leat_run_step *step, const struct leat_line *line, uint64_t parts);

/*
 * Takes the cost of one item, and returns when the item may go on: at once if that is not after
 * now_ns.
 */
int64_t leat_step_rate_take(struct leat_run_rate *rate, int64_t now_ns);

/* Returns 0; -EINVAL with the reason in why if the pattern is no regular expression; -ENOMEM. */
int leat_grep_check(const char *pattern, char *why, size_t size);

/*
 * Opens the expression of a filter (LEAT_FORM_TRUTH), of a map, whose value is made a text, or of
 * an amount, whose value is no truth, for vectors of up to `max` lines. Adds its names to the row.
 * Returns as leat_expr_open() does.
 */
int leat_step_expr_open(enum leat_form form, const struct leat_value *value, size_t max,
                        struct leat_row *row, struct leat_expr **expr,
                        struct leat_mistake *mistake);

/*
 * Writes a number in decimal figures, of which it has at most LEAT_FIGURES, before `end`. Returns
 * where they begin.
 */
#define LEAT_FIGURES 20
char *leat_put_figures(char *end, uint64_t number);

#endif
