/*
 * tools/leat/flow/numbers.c: the source `count` where its numbers stay numbers. See numbers.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/numbers.h"
#include "text/expr.h"

#include <stdlib.h>
#include <string.h>

enum { VECTOR = 256 };
#define NUMBER_MOST (UINT64_C(1) << 53)

const char leat_number_mark[1] = "";

struct numbers {
	struct leat_member *member;
	struct leat_expr **exprs; /* of each step: of a filter; NULL: it is another */
	int64_t values[VECTOR];
	struct leat_line lines[VECTOR];
	size_t n;
};

static void close_exprs(struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->member->steps_count && numbers->exprs != NULL; i++)
		leat_expr_close(numbers->exprs[i]);
	free(numbers->exprs);
}

/* Whether the sink that receives from the source computes with numbers, or looks at none. */
static bool sink_takes_numbers(const struct leat_member *member)
{
	const struct leat_run *flow = member->flow;
	const struct leat_run_group *group = &flow->plan.groups[member->group];
	const struct leat_stage *next = &flow->stages.list[group->first + group->count];
	const struct leat_branch *branch = &flow->stages.branches[next[-1].branch];

	return group->first + group->count < branch->first + branch->count &&
	       (next->type->verb == LEAT_VERB_COUNT || next->type->verb == LEAT_VERB_NULL ||
	        leat_numeric_has(next->type->verb));
}

/* Returns 1: the step can do without texts; 0; or -ENOMEM. */
static int open_step(struct numbers *numbers, size_t i)
{
	const struct leat_stage *stage = numbers->member->steps[i].stage;
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_INTEGERS, .max = VECTOR };
	struct leat_mistake mistake;
	int rc;

	if (stage->type->verb == LEAT_VERB_SKIP || stage->type->verb == LEAT_VERB_EVERY)
		return 1;
	if (stage->type->verb != LEAT_VERB_FILTER || strpbrk(stage->arg.text, "+-*/") != NULL)
		return 0;
	rc = leat_expr_open(stage->arg.text, &opts, &numbers->exprs[i], &mistake);
	if (rc != 0)
		return rc == -ENOMEM ? rc : 0;
	return leat_expr_type(numbers->exprs[i]) == LEAT_EXPR_TRUTH;
}

static int open_steps(struct numbers *numbers)
{
	const struct leat_member *member = numbers->member;
	int rc = 1;

	if (member->input->stage->arg.number > NUMBER_MOST || member->flow->opts.slow != 0 ||
	    !sink_takes_numbers(member))
		return 0;
	numbers->exprs = calloc(member->steps_count, sizeof(struct leat_expr *));
	if (numbers->exprs == NULL)
		return -ENOMEM;
	for (size_t i = 1; i < member->steps_count && rc == 1; i++)
		rc = open_step(numbers, i);
	return rc;
}

/* Leaves out the numbers that a filter does not want. */
static int filter_numbers(struct numbers *numbers, struct leat_expr *expr)
{
	struct leat_expr_values values;
	size_t kept = 0;
	int rc = leat_expr_run(expr, numbers->values, NULL, numbers->n, &values);

	for (size_t i = 0; rc == 0 && i < numbers->n; i++) {
		numbers->values[kept] = numbers->values[i];
		kept += values.truths[i];
	}
	numbers->n = kept;
	return rc;
}

/* skip: the first so many; every: all but one in so many. */
static void thin_out(struct numbers *numbers, struct leat_run_step *step)
{
	size_t kept = 0;

	for (size_t i = 0; i < numbers->n; i++) {
		bool keeps = step->left == 0;

		if (step->stage->type->verb == LEAT_VERB_EVERY) {
			keeps = --step->left == 0;
			step->left = keeps ? step->stage->arg.number : step->left;
		} else if (!keeps) {
			step->left--;
		}
		numbers->values[kept] = numbers->values[i];
		kept += keeps;
	}
	numbers->n = kept;
}

/* Returns 0; LEAT_STOP: the time of --for is over; or -errno. */
static int send_numbers(struct numbers *numbers)
{
	struct leat_member *member = numbers->member;

	for (size_t i = 0; i < numbers->n; i++)
		numbers->lines[i] = (struct leat_line){ .data = leat_number_mark,
			                                .len = (size_t)numbers->values[i] };
	return leat_member_send_all(member, numbers->lines, numbers->n);
}

/* A vector through the steps. Returns as send_numbers(). */
static int pass_numbers(struct numbers *numbers)
{
	struct leat_member *member = numbers->member;

	for (size_t i = 1; i < member->steps_count; i++) {
		int rc = 0;

		if (numbers->exprs[i] != NULL)
			rc = filter_numbers(numbers, numbers->exprs[i]);
		else
			thin_out(numbers, &member->steps[i]);
		if (rc != 0)
			return leat_member_fail(member, member->steps[i].stage->type->name, rc);
	}
	return send_numbers(numbers);
}

/* Returns what a send would return if it can no longer succeed; LEAT_STOP; or 0. */
static int look_for_end(const struct leat_member *member)
{
	int rc = leat_member_refusal(member);

	if (rc == 0)
		rc = member->flow->until_ns != 0 && leat_now_ns() >= member->flow->until_ns
		             ? LEAT_STOP
		             : 0;
	return rc;
}

static int count_up(struct numbers *numbers)
{
	const uint64_t last = numbers->member->input->stage->arg.number;
	int rc = 0;

	for (uint64_t next = 1; next <= last && rc == 0;) {
		const uint64_t left = last - next + 1;

		numbers->n = left < VECTOR ? (size_t)left : VECTOR;
		for (size_t i = 0; i < numbers->n; i++)
			numbers->values[i] = (int64_t)next++;
		rc = pass_numbers(numbers);
		if (rc == 0)
			rc = look_for_end(numbers->member);
	}
	return rc == LEAT_STOP ? 0 : rc;
}

int leat_numbers_run(struct leat_member *member, bool *runs)
{
	struct numbers *numbers = calloc(1, sizeof(*numbers));
	int rc;

	*runs = false;
	if (numbers == NULL)
		return leat_member_fail(member, "", -ENOMEM);
	numbers->member = member;
	rc = open_steps(numbers);
	*runs = rc == 1;
	if (rc < 0)
		leat_member_fail(member, "", rc);
	else if (rc == 1)
		rc = count_up(numbers);
	close_exprs(numbers);
	free(numbers);
	return rc;
}
