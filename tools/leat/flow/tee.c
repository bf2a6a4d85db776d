/*
 * tools/leat/flow/tee.c: the step `tee`. See tee.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/tee.h"
#include "tools/leat/flow/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct leat_tee {
	const char *path;
	struct leat_out out;
};

static int open_tee(struct leat_run *flow, struct leat_member *member, size_t at, char *why)
{
	struct leat_run_step *step = &member->steps[at];
	int fd;

	step->tee = calloc(1, sizeof(*step->tee));
	if (step->tee == NULL)
		return -ENOMEM;
	fd = leat_output_open(flow, step->stage, false, why);
	if (fd < 0) {
		free(step->tee);
		step->tee = NULL;
		return fd;
	}
	step->tee->path = step->stage->arg.text;
	leat_out_init(&step->tee->out, fd, flow->scope);
	member->tees = true;
	return 0;
}

int leat_tees_open(struct leat_run *flow, char why[LEAT_RUN_WHY])
{
	int rc = 0;

	for (size_t i = 0; i < flow->members_count; i++) {
		struct leat_member *member = &flow->members[i];

		for (size_t k = 0; rc == 0 && k < member->steps_count; k++)
			if (member->steps[k].stage->type->verb == LEAT_VERB_TEE)
				rc = open_tee(flow, member, k, why);
	}
	return rc;
}

/* What a wait returns: the flow ends, which is no failure to write. */
static bool is_refusal(int rc)
{
	return rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN;
}

int leat_tee_failed(struct leat_member *member, const struct leat_tee *tee, int rc)
{
	char text[LEAT_TEXT_MAX + 1], reason[64];
	const char *words;

	if (!tee->out.failed && is_refusal(rc))
		return rc;
	/* A member that returns -EPIPE was left by its own receiver. */
	words = rc == -EPIPE ? "its reader has left" : strerror_r(-rc, reason, sizeof(reason));
	snprintf(text, sizeof(text), "tee: %.50s: %.64s", tee->path, words);
	return leat_member_fail_with(member, rc == -EPIPE ? -EIO : rc, text);
}

int leat_tee_put(struct leat_tee *tee, const struct leat_line *line)
{
	int rc = leat_out_put_line(&tee->out, line->data, line->len);

	return rc == 0 ? 1 : rc;
}

int leat_tees_flush(struct leat_member *member)
{
	for (size_t i = 0; member->tees && i < member->steps_count; i++) {
		struct leat_tee *tee = member->steps[i].tee;
		int rc = tee != NULL && tee->out.len != 0 ? leat_out_flush(&tee->out) : 0;

		if (rc != 0)
			return leat_tee_failed(member, tee, rc);
	}
	return 0;
}

/* Some file systems report a full disk only at the close. */
static int close_tee(struct leat_tee *tee)
{
	int rc = tee->out.fd >= 0 && close(tee->out.fd) != 0 ? -errno : 0;

	tee->out.fd = -1;
	return rc;
}

/* What was not written when a write failed is not tried again. */
static int end_tee(struct leat_member *member, struct leat_tee *tee)
{
	int rc = tee->out.failed || tee->out.fd < 0 ? 0 : leat_out_flush(&tee->out);
	int closed = close_tee(tee);

	rc = rc != 0 ? rc : closed;
	return rc != 0 ? leat_tee_failed(member, tee, rc) : 0;
}

int leat_tees_end(struct leat_member *member)
{
	int rc = 0;

	for (size_t i = 0; member->tees && i < member->steps_count; i++) {
		struct leat_tee *tee = member->steps[i].tee;
		int end = tee != NULL ? end_tee(member, tee) : 0;

		if (end != 0 && (rc == 0 || !is_refusal(end)))
			rc = end;
	}
	return rc;
}

void leat_tee_close(struct leat_tee *tee)
{
	if (tee != NULL)
		close_tee(tee);
	free(tee);
}
