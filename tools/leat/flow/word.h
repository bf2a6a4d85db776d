/*
 * tools/leat/flow/word.h: words that programs have registered (leat/word.h): what the parser asks,
 * and how a thread of a flow runs them.
 *
 * Words are registered before a flow is parsed, by one thread, and stay.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_WORD_H
#define LEAT_TOOLS_LEAT_FLOW_WORD_H

#include "tools/leat/flow/parse.h"

struct leat_line;
struct leat_word;

/* The most lines that one call of a word makes. */
enum { LEAT_WORD_ROOM = 256 };

/* The registered words, as stages; NULL behind the last. */
const struct leat_stage_type *leat_word_type(size_t i);
/* Of a stage's type with LEAT_VERB_WORD. */
const struct leat_word *leat_word_of(const struct leat_stage_type *type);

/* Tries init with this argument. Returns 0, or -errno with the reason in why. */
int leat_word_check(const struct leat_word *word, const char *argument, char *why, size_t size);
/* The state of one thread. Returns 0 or -errno. */
int leat_word_open(const struct leat_word *word, const char *argument, void **state);
void leat_word_close(const struct leat_word *word, void *state);

/* Whether what it makes are lines of its own, which have other fields. */
bool leat_word_replaces(const struct leat_word *word);

/* What became of a call. */
struct leat_word_call {
	struct leat_line *made; /* room for LEAT_WORD_ROOM; the caller's then */
	size_t count;           /* how many it has made */
	bool used;              /* the line is no longer the caller's */
	bool enough;            /* it wants no further line */
	bool more;              /* without a line: it may hold more than it had room for */
};
/*
 * Calls a step with this line; NULL: no further lines come. Returns 0 or -errno. A failed line is
 * the caller's.
 */
int leat_word_run(const struct leat_word *word, void *state, struct leat_line *line,
                  struct leat_word_call *call);
/* Calls a sink; n 0: no further lines come. The lines stay the caller's. */
int leat_word_sink(const struct leat_word *word, void *state, const struct leat_line *lines,
                   size_t n, bool *enough);

#endif
