/*
 * tools/leat/flow/outputs.h: the files that a flow writes lines into, one for each stage at most.
 *
 * A file that a flow reads must not be one that it writes: it would never end. And two stages that
 * write one file would write over each other. So the opens here refuse both, before the file loses
 * what it holds; and a source that finds files while the flow runs asks leat_output_is().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_OUTPUTS_H
#define LEAT_TOOLS_LEAT_FLOW_OUTPUTS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct leat_run;
struct leat_stage;

/* Of a regular file. */
struct leat_output {
	bool known;
	dev_t dev;
	ino_t ino;
};

struct leat_outputs {
	pthread_mutex_t lock;     /* guards the list once the flow runs */
	struct leat_output *list; /* one for each stage */
};

/* Returns 0 or -ENOMEM. */
int leat_outputs_init(struct leat_run *flow);
void leat_outputs_fini(struct leat_run *flow);

/*
 * Opens the file of a stage, whose argument is its path, and empties it unless the stage has
 * append:yes. `again`: it is opened anew while the flow runs; then it is appended to, and a named
 * pipe without a reader is not waited for. Returns the descriptor; or -errno, with a line in `why`
 * of LEAT_RUN_WHY bytes.
 */
int leat_output_open(struct leat_run *flow, const struct leat_stage *stage, bool again, char *why);
/* Standard output is where the lines of this stage go. Returns as leat_output_open(). */
int leat_output_stdout(struct leat_run *flow, const struct leat_stage *stage, char *why);

/* Any thread: whether the flow writes this file now. */
bool leat_output_is(struct leat_run *flow, dev_t dev, ino_t ino);

#endif
