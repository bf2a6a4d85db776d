/*
 * tools/leat/flow/steps.h: what the steps do with a line. No threads, no channels, no clocks: each
 * is handed what it needs.
 *
 * A step stands on one thread. grep's compiled expression is a copy for each, for regexec(3) locks
 * the one it is given.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_STEPS_H
#define LEAT_TOOLS_LEAT_FLOW_STEPS_H

#include "tools/leat/flow/parse.h"

#include <leat/io.h>
#include <regex.h>

/*
 * A token bucket, kept as the time at which it would be full again if nothing more were taken: one
 * number, no refilling.
 */
struct leat_rate {
	double item_ns;  /* what one item costs */
	double slack_ns; /* how far the spending may run ahead: burst - 1 items */
	double spent_ns; /* paid for until here */
};

struct leat_flow_step {
	const struct leat_stage *stage;
	regex_t regex;
	bool has_regex;
	size_t pattern_len;
	struct leat_rate rate;
	uint64_t left; /* take: items still to come */
};

/* 0, or -ENOMEM. The stage must outlive the step. */
int leat_flow_step_init(struct leat_flow_step *step, const struct leat_stage *stage);
void leat_flow_step_fini(struct leat_flow_step *step);

/*
 * 1: the line goes on, changed in place (its memory may have been replaced). 0: it is not wanted,
 * and is still the caller's to free. -ENOMEM: unchanged. rate, take and buffer let every line pass:
 * they are asked by their own calls.
 */
int leat_flow_step_run(struct leat_flow_step *step, struct leat_line *line);

/* Takes one item's worth and answers when it may go on: not after now_ns means at once. */
int64_t leat_rate_take(struct leat_rate *rate, int64_t now_ns);

/* 0; -EINVAL with the reason in why, for a pattern that is no expression; -ENOMEM. */
int leat_grep_check(const char *pattern, char *why, size_t size);

/* A number as a line. 0 or -ENOMEM. */
int leat_number_line(struct leat_line *line, uint64_t number);

#endif
