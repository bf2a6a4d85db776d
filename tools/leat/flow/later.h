/*
 * tools/leat/flow/later.h: the steps that keep lines, and pass on something later: batch, window,
 * delay, debounce, and every:TIME.
 *
 *     rc = leat_later_put(later, &line, now_ns)           a line has come; 1: this one goes on
 *     while (leat_later_due_ns(later) <= now_ns)
 *             leat_later_take(later, now_ns, false, &line)
 *     leat_later_take(later, now_ns, true, &line)         at the end, until nothing is held
 *
 * One thread uses such a step. It has no clock: each call is given the time, by leat_now_ns().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_LATER_H
#define LEAT_TOOLS_LEAT_FLOW_LATER_H

#include "tools/leat/flow/parse.h"

#include <leat/io.h>

#define LEAT_WINDOW_MAX 65536u /* lines of a window, all of which stand in each of its lines */
#define LEAT_DELAY_MOST 65536u /* lines that a delay holds, unless the text says how many */

struct leat_later;

/* Whether the stage is such a step; and whether it is one that is due at times. */
bool leat_later_is(const struct leat_stage *stage);
bool leat_later_is_timed(const struct leat_stage *stage);

/* Returns 0 or -ENOMEM. The stage must outlive it. */
int leat_later_open(struct leat_later **later, const struct leat_stage *stage);
/* Frees what it holds, too. NULL does nothing. */
void leat_later_close(struct leat_later *later);
/* Before the first line: when the flow has begun, from which the times of every:TIME count. */
void leat_later_begin(struct leat_later *later, int64_t start_ns);

/*
 * Takes a line over. Returns 1: *line is what goes on now. 0: nothing goes on, and *line is empty.
 * -EAGAIN, of a delay that is full: it was not taken, and can be once the step was due. -ENOMEM;
 * -EMSGSIZE: what would go on has LEAT_LINE_BYTES or more. After an error the line is the caller's.
 */
int leat_later_put(struct leat_later *later, struct leat_line *line, int64_t now_ns);
/*
 * Of what is held: takes what is due. last: no further line comes; then only a delay still waits
 * for its time. Returns 1 with a line that goes on; 0: nothing does now; or as leat_later_put().
 */
int leat_later_take(struct leat_later *later, int64_t now_ns, bool last, struct leat_line *line);
/* LEAT_NEVER: nothing is due, whenever it is. */
int64_t leat_later_due_ns(const struct leat_later *later);

#endif
