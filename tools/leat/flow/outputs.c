/*
 * tools/leat/flow/outputs.c: the files that a flow writes lines into. See outputs.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/outputs.h"
#include "tools/leat/flow/flow.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int leat_outputs_init(struct leat_run *flow)
{
	pthread_mutex_init(&flow->outputs.lock, NULL);
	flow->outputs.list = calloc(flow->stages.count, sizeof(*flow->outputs.list));
	return flow->outputs.list != NULL ? 0 : -ENOMEM;
}

void leat_outputs_fini(struct leat_run *flow)
{
	free(flow->outputs.list);
	flow->outputs.list = NULL;
}

static bool is_file(const char *path, const struct stat *out)
{
	struct stat in;
	int rc = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &in) : stat(path, &in);

	return rc == 0 && S_ISREG(in.st_mode) && in.st_dev == out->st_dev &&
	       in.st_ino == out->st_ino;
}

/* The file that the flow reads and writes; NULL: there is none. */
static const char *find_source_file(const struct leat_run *flow, const struct stat *out)
{
	for (size_t k = 0; k < flow->inputs_count; k++) {
		const struct leat_input *input = &flow->inputs[k];

		for (size_t i = 0; i < input->paths.count; i++)
			if (is_file(input->paths.list[i], out))
				return input->paths.list[i];
		if (input->stage->type->verb == LEAT_VERB_FOLLOW &&
		    is_file(input->stage->arg.text, out))
			return input->stage->arg.text;
	}
	return NULL;
}

/*
 * Caller holds the lock, if the flow runs. `but`: a stage that does not count, with those that
 * write to standard output where it does; SIZE_MAX: none.
 */
static bool is_output(const struct leat_run *flow, dev_t dev, ino_t ino, size_t but)
{
	for (size_t i = 0; i < flow->stages.count; i++) {
		const struct leat_output *output = &flow->outputs.list[i];
		const bool share = but != SIZE_MAX &&
		                   flow->stages.list[i].type->verb == LEAT_VERB_STDOUT &&
		                   flow->stages.list[but].type->verb == LEAT_VERB_STDOUT;

		if (i != but && !share && output->known && output->dev == dev && output->ino == ino)
			return true;
	}
	return false;
}

bool leat_output_is(struct leat_run *flow, dev_t dev, ino_t ino)
{
	bool is;

	pthread_mutex_lock(&flow->outputs.lock);
	is = is_output(flow, dev, ino, SIZE_MAX);
	pthread_mutex_unlock(&flow->outputs.lock);
	return is;
}

/* Returns false where another stage writes the file. */
static bool claim_file(struct leat_run *flow, size_t at, const struct stat *st)
{
	bool regular = S_ISREG(st->st_mode), mine;

	pthread_mutex_lock(&flow->outputs.lock);
	mine = !regular || !is_output(flow, st->st_dev, st->st_ino, at);
	if (mine)
		flow->outputs.list[at] = (struct leat_output){ .known = regular,
			                                       .dev = st->st_dev,
			                                       .ino = st->st_ino };
	pthread_mutex_unlock(&flow->outputs.lock);
	return mine;
}

/* What is against this file as an output of the stage; NULL: nothing. */
static const char *find_objection(struct leat_run *flow, const struct leat_stage *stage,
                                  const struct stat *st)
{
	const struct leat_value *sync = leat_stage_key(stage, "sync");

	if (find_source_file(flow, st) != NULL)
		return "is what the flow reads";
	if (sync->given && sync->number != 0 && !S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return "sync: needs a file on a disk";
	return claim_file(flow, (size_t)(stage - flow->stages.list), st)
	               ? NULL
	               : "another stage of the flow writes it";
}

int leat_output_open(struct leat_run *flow, const struct leat_stage *stage, bool again, char *why)
{
	bool append = again || leat_stage_key(stage, "append")->number != 0;
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : 0) |
	            (again ? O_NONBLOCK : 0);
	int fd = open(stage->arg.text, flags, 0666), rc = 0;
	const char *objection = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		rc = -errno;
	if (rc == 0)
		objection = find_objection(flow, stage, &st);
	if (objection != NULL)
		rc = -EINVAL;
	/* Truncated only now, as it might be a file that the flow reads. */
	if (rc == 0 && !append && S_ISREG(st.st_mode) && ftruncate(fd, 0) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	snprintf(why, LEAT_RUN_WHY, "%s: %.400s: %s", stage->type->name, stage->arg.text,
	         objection != NULL ? objection : strerror(-rc));
	return rc;
}

int leat_output_stdout(struct leat_run *flow, const struct leat_stage *stage, char *why)
{
	const char *path;
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) != 0)
		return STDOUT_FILENO; /* a write will tell */
	path = find_source_file(flow, &st);
	if (path == NULL && claim_file(flow, (size_t)(stage - flow->stages.list), &st))
		return STDOUT_FILENO;
	snprintf(why, LEAT_RUN_WHY,
	         path != NULL ? "stdout: %.400s: is what the flow reads"
	                      : "stdout: another stage of the flow writes it",
	         path);
	return -EINVAL;
}
