/*
 * tools/leat/flow/parse.h: the text of a flow, taken apart.
 *
 *     FLOW  = STAGE | STAGE | ...                a source, any number of steps, a sink
 *     STAGE = [workers:N] NAME[:ARG] [KEY:VALUE]...
 *
 * Words stand apart by blanks. Single or double quotes protect blanks, `|` and the other quote,
 * anywhere in a word; there are no escapes. Which names there are, and what each of them takes, is
 * one table (stages.c).
 *
 * A mistake is answered with where it is (a byte offset, for the caret), what it is, and what could
 * stand there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PARSE_H
#define LEAT_TOOLS_LEAT_FLOW_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_WORKERS_MAX 256u
#define LEAT_STAGES_MAX 256u
/*
 * Items in a ring; 16 Mi lines are 400 MB for each ring before any text. More is taken for a slip
 * of the key.
 */
#define LEAT_CAPACITY_MAX (UINT64_C(1) << 24)

enum leat_role { LEAT_SOURCE, LEAT_STEP, LEAT_SINK };

enum leat_verb {
	LEAT_VERB_LINES,
	LEAT_VERB_FOLLOW,
	LEAT_VERB_PROC,
	LEAT_VERB_TICK,
	LEAT_VERB_NUMBERS, /* the source named "count" */
	LEAT_VERB_GREP,
	LEAT_VERB_FIELD,
	LEAT_VERB_MAP,
	LEAT_VERB_RATE,
	LEAT_VERB_TAKE,
	LEAT_VERB_BUFFER,
	LEAT_VERB_STDOUT,
	LEAT_VERB_FILE,
	LEAT_VERB_COUNT,
	LEAT_VERB_TALLY,
	LEAT_VERB_NULL
};

enum leat_form {
	LEAT_FORM_NONE,
	LEAT_FORM_TEXT, /* any bytes but none at all */
	LEAT_FORM_ANY,  /* any bytes */
	LEAT_FORM_NUMBER,
	LEAT_FORM_TIME,
	LEAT_FORM_RATE,
	LEAT_FORM_CHOICE
};

/* What stands behind the colon of a name or of a key. */
struct leat_param {
	const char *name; /* of the key; NULL for the stage's own argument */
	enum leat_form form;
	uint64_t min, max;      /* of a number */
	const char *choices[8]; /* of a choice, NULL behind the last */
	const char *wanted;     /* in words, for the one who got it wrong */
};

struct leat_stage_type {
	enum leat_verb verb;
	enum leat_role role;
	bool many; /* several workers can run it: it keeps nothing from one item to the next */
	const char *name;
	const char *shown; /* as it is written, with its arguments */
	struct leat_param arg, key;
};

extern const struct leat_stage_type leat_stage_types[];
extern const size_t leat_stage_types_count;

struct leat_value {
	bool given;
	char *text;      /* without its quotes, terminated; NULL where not given */
	size_t at;       /* where it stands in the flow's text */
	uint64_t number; /* a number, the items of a rate, or which choice (from 0) */
	int64_t ns;      /* a time, or what a rate's items are counted over */
};

struct leat_stage {
	const struct leat_stage_type *type;
	size_t at;        /* where its name stands */
	unsigned workers; /* 0: not asked for */
	struct leat_value arg, key;
};

struct leat_stages {
	struct leat_stage *list;
	size_t count;
};

struct leat_mistake {
	size_t at;
	char what[128];
	char wanted[512];
};

/*
 * Takes the text apart. 0, and the stages are the caller's to free; -EINVAL with the mistake;
 * -ENOMEM. The stages do not point into the text.
 */
int leat_stages_parse(const char *text, struct leat_stages *stages, struct leat_mistake *mistake);
void leat_stages_free(struct leat_stages *stages);

/* Reads one value; false with what is wrong and what could stand there (at is the value's). */
bool leat_param_read(const struct leat_param *param, struct leat_value *value,
                     struct leat_mistake *mistake);
/*
 * Puts together what could stand for a stage of this role: all, or those several workers can run.
 */
void leat_stages_list(enum leat_role role, bool many_only, char *to, size_t size);
const struct leat_stage_type *leat_stage_find(enum leat_role role, const char *name);

#endif
