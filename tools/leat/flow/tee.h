/*
 * tools/leat/flow/tee.h: the step `tee:FILE`: writes each line to a file, and passes it on.
 *
 * A tee has the buffer of a sink (out.h), which holds whole lines. Its member writes the buffer out
 * before it waits for anything: for input, for room in the ring behind it, or on purpose. So the
 * file lags behind only while lines keep coming. A tee that is not open lets lines through.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_TEE_H
#define LEAT_TOOLS_LEAT_FLOW_TEE_H

#include "tools/leat/flow/flow.h"

/* Opens the files of all tees. Returns 0 or -errno with a line in why. */
int leat_tees_open(struct leat_run *flow, char why[LEAT_RUN_WHY]);

/*
 * Of the steps of a member, on its thread. Each returns 0; -ECANCELED; or another error, which is
 * recorded. The flush is behind each vector of lines: what comes then may be a wait.
 */
int leat_tees_flush(struct leat_member *member);
/* Flushes, and closes the files; once more does nothing. */
int leat_tees_end(struct leat_member *member);

/* As leat_step_run(): an error is not recorded yet. */
int leat_tee_put(struct leat_tee *tee, const struct leat_line *line);
/* Records the error of a put. Returns what the member is to end with. */
int leat_tee_failed(struct leat_member *member, const struct leat_tee *tee, int rc);
void leat_tee_close(struct leat_tee *tee); /* NULL does nothing */

#endif
