/*
 * tools/leat/flow/parse.h: the text of a flow, taken apart.
 *
 *     FLOW   = BRANCH; BRANCH; ...
 *     BRANCH = FROM | STAGE | ... | TO           any number of stages between, which are steps
 *     FROM   = a source, or a STREAM, or zip:STREAM,STREAM, or
 *              merge:STREAM,STREAM,... [first:yes | by:(KEY)]
 *     TO     = a sink, or a step and: as STREAM; behind partition: as STREAM, STREAM, ...
 *     STAGE  = [workers:N | ordered:N] NAME[:ARG] [KEY:VALUE]...
 *
 * A branch without a sink gives what comes out of it a name; the source may be its only stage. A
 * stream is named before it is used, so there is no cycle, and used at least once. Where several
 * branches use it each of them gets every line. A semicolon ends a branch where a blank, or the
 * end, is behind it; elsewhere it is a part of its word.
 *
 * Blanks separate words. Single or double quotes protect blanks, `|` and the other quote, anywhere
 * in a word; there are no escapes. What is behind a colon and begins with a parenthesis goes on to
 * the one that closes it: blanks, `|` and quotes are a part of it, and a parenthesis in quotes
 * closes nothing. The table in stages.c has the names, and what each of them takes.
 *
 * Names of fields. The key `as` of a source of lines says what the lines are (csv, kv, json). Then
 * an expression may name their fields, up to and with the first step that replaces the line.
 *
 * A mistake has its place (an offset in bytes, for the caret), what it is, and what could be there.
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
#define LEAT_JOINED_MAX 16u  /* streams that are merged, and parts of a partition */
#define LEAT_STREAM_NAME 20u /* bytes of a stream's name */
#define LEAT_KEYS_MAX 12u    /* of a stage of the table */
/*
 * The most items of a ring. 16 Mi lines are 400 MB for each ring, without any text; a larger number
 * is taken for a slip.
 */
#define LEAT_CAPACITY_MAX (UINT64_C(1) << 24)

enum leat_role { LEAT_SOURCE, LEAT_STEP, LEAT_SINK };

enum leat_verb {
	LEAT_VERB_LINES,
	LEAT_VERB_WALK,
	LEAT_VERB_FOLLOW,
	LEAT_VERB_PROC,
	LEAT_VERB_TICK,
	LEAT_VERB_NUMBERS, /* the source named "count" */
	LEAT_VERB_GREP,
	LEAT_VERB_FILTER,
	LEAT_VERB_FIELD,
	LEAT_VERB_MAP,
	LEAT_VERB_RATE,
	LEAT_VERB_TAKE,
	LEAT_VERB_SKIP,
	LEAT_VERB_EVERY,
	LEAT_VERB_UNIQ,
	LEAT_VERB_DISTINCT,
	LEAT_VERB_WHILE,
	LEAT_VERB_SCAN,
	LEAT_VERB_BATCH,
	LEAT_VERB_WINDOW,
	LEAT_VERB_DELAY,
	LEAT_VERB_DEBOUNCE,
	LEAT_VERB_TIMEOUT,
	LEAT_VERB_TEE,
	LEAT_VERB_BUFFER,
	LEAT_VERB_PARTITION,
	LEAT_VERB_BRIDGE,
	LEAT_VERB_WORD, /* of a program: a step or a sink (word.h) */
	LEAT_VERB_STDOUT,
	LEAT_VERB_FILE,
	LEAT_VERB_COUNT,
	LEAT_VERB_TALLY,
	LEAT_VERB_TOP,
	LEAT_VERB_GROUP,
	LEAT_VERB_SUM,
	LEAT_VERB_MIN,
	LEAT_VERB_MAX,
	LEAT_VERB_MEAN,
	LEAT_VERB_QUANTILES,
	LEAT_VERB_HISTOGRAM,
	LEAT_VERB_NULL
};

enum leat_form {
	LEAT_FORM_NONE,
	LEAT_FORM_TEXT, /* one byte or more */
	LEAT_FORM_ANY,  /* any bytes */
	LEAT_FORM_NUMBER,
	LEAT_FORM_TIME,
	LEAT_FORM_SPAN,    /* a number of lines, or a time; the other one is 0 then */
	LEAT_FORM_TIME_OR, /* a choice, or a time; behind the choices in `number` then */
	LEAT_FORM_RATE,
	LEAT_FORM_PERCENTS,
	LEAT_FORM_CHOICE,
	LEAT_FORM_TRUTH,  /* an expression (text/expr.h) that is true or false */
	LEAT_FORM_AMOUNT, /* one whose values are numbers, or are read as such; true is 1 */
	LEAT_FORM_VALUE,  /* a choice, or an expression; behind the choices in `number` then */
	LEAT_FORM_KEY     /* an expression; `number` is 1 where it is true or false */
};

/* What is behind the colon of a name or of a key. */
struct leat_param {
	const char *name; /* of the key; NULL: the stage's own argument */
	bool again;       /* the key may be given several times */
	bool percent;     /* a percentage stands behind the name of the key, as in p99.9 */
	enum leat_form form;
	uint64_t min, max;      /* of a number */
	const char *choices[8]; /* of a choice; NULL behind the last one */
	const char *wanted;     /* what could be there, for the message */
};

struct leat_stage_type {
	enum leat_verb verb;
	enum leat_role role;
	bool many; /* several workers can run it, as it keeps nothing from one item to the next */
	const char *name;
	const char *shown;                          /* as it is written, with its arguments */
	struct leat_param arg, keys[LEAT_KEYS_MAX]; /* keys: up to one without a name */
};

extern const struct leat_stage_type leat_stage_types[];
extern const size_t leat_stage_types_count;

/* What the lines of a source are, as its key `as` says: what names their fields have. */
enum leat_as { LEAT_AS_TEXT, LEAT_AS_CSV, LEAT_AS_KV, LEAT_AS_JSON };

struct leat_value {
	bool given;
	char *text;      /* without its quotes, terminated; NULL where not given */
	size_t at;       /* its offset in the text of the flow */
	uint64_t number; /* a number; the items of a rate; the index of a choice */
	int64_t ns;      /* a time; the time in which a rate has its items */
	/* of a key: what the table has, its name as it is written, and the key that follows */
	const struct leat_param *param;
	const char *name; /* in the memory of text */
	struct leat_value *next;
	/* of an expression: what its lines are, and the name of the step that has replaced them */
	enum leat_as as;
	const char *replaced; /* NULL: none */
};

struct leat_stage {
	const struct leat_stage_type *type;
	size_t branch;
	size_t at;        /* the offset of its name */
	unsigned workers; /* 0: neither workers:N nor ordered:N */
	bool ordered;     /* ordered:N */
	struct leat_value arg;
	struct leat_value *keys; /* as they stand in the text; NULL: none */
};

/* What has a name. */
struct leat_stream {
	char *name;
	size_t at;     /* the offset of its name */
	size_t branch; /* that it comes out of */
	size_t users;  /* the branches that begin with it */
};

enum leat_join {
	LEAT_JOIN_SOURCE,
	LEAT_JOIN_STREAM,
	LEAT_JOIN_MERGE, /* as lines come */
	LEAT_JOIN_FIRST, /* of the lines that are there, those of the first stream first */
	LEAT_JOIN_BY,    /* in the order of a key */
	LEAT_JOIN_ZIP
};

struct leat_branch {
	size_t first, count;                      /* stages; at least one */
	enum leat_join join;                      /* what it begins with */
	size_t from[LEAT_JOINED_MAX], from_count; /* streams */
	struct leat_value by;                     /* the key of LEAT_JOIN_BY */
	size_t to, to_count; /* streams, side by side; none: it ends in a sink */
	size_t source;       /* the stage whose lines it has; SIZE_MAX: those of several */
};

struct leat_stages {
	struct leat_stage *list;
	size_t count;
	struct leat_branch *branches;
	size_t branches_count;
	struct leat_stream *streams;
	size_t streams_count;
};

struct leat_mistake {
	size_t at;
	char what[128];
	char wanted[1024];
};

/*
 * Takes the text apart. Returns 0, and the caller owns the stages, which do not point into the
 * text; -EINVAL with the mistake; or -ENOMEM.
 */
int leat_stages_parse(const char *text, struct leat_stages *stages, struct leat_mistake *mistake);
void leat_stages_free(struct leat_stages *stages);

/* The first value of the stage's key; one that is not given (all zero), where the text has none. */
const struct leat_value *leat_stage_key(const struct leat_stage *stage, const char *name);
/* The next value of the same key; NULL: there is no further one. */
const struct leat_value *leat_value_again(const struct leat_value *value);
/* What the lines are that come into this stage, or, of a source, out of it. */
enum leat_as leat_stage_as(const struct leat_stage *stage);
/* The source whose lines a stage reads; NULL: those of several. */
const struct leat_stage *leat_stage_source(const struct leat_stages *stages,
                                           const struct leat_stage *stage);
/* The last stage of the branch that a stream comes out of. */
const struct leat_stage *leat_stream_stage(const struct leat_stages *stages, size_t stream);

/*
 * Reads value->text. Returns false with what is wrong and what could be there; the mistake's place
 * is value->at.
 */
bool leat_param_read(const struct leat_param *param, struct leat_value *value,
                     struct leat_mistake *mistake);
/* Says in `to` what could be there. */
void leat_param_wanted(const struct leat_param *param, char *to, size_t size);
/* Lists in `to` what could be a stage of this role: all, or those that several workers can run. */
void leat_stages_list(enum leat_role role, bool many_only, char *to, size_t size);
/* Whether this is a word in front of a step that says how many workers run it. */
bool leat_stage_is_workers(const char *name);
/* NULL if this role has no such name. */
const struct leat_stage_type *leat_stage_find(enum leat_role role, const char *name);

#endif
