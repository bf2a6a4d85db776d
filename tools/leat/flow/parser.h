/*
 * tools/leat/flow/parser.h: the inside of parse.h: a text as words and pieces, while its stages
 * (parse.c) and its branches (branch.c) are made of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PARSER_H
#define LEAT_TOOLS_LEAT_FLOW_PARSER_H

#include "tools/leat/flow/parse.h"

/* NAME[:VALUE] without its quotes. The name ends at the first colon that is not in quotes. */
struct flow_word {
	size_t at, value_at; /* offsets in the text of the flow */
	char *name, *value;  /* value: NULL without a colon */
};

/*
 * The words of a stage, which are in the list of all words. end: the offset of the `|` or `;`
 * behind it, or of the end of the text. last: of its branch.
 */
struct flow_piece {
	size_t first, count, at, end;
	bool last;
};

struct parser {
	const char *text;
	struct flow_word *words;
	struct flow_piece *pieces;
	size_t words_count, pieces_count;
	struct leat_mistake *mistake;
	struct leat_stages *stages;
};

/* Set what is wrong, and where, and return -EINVAL; set what could be there, and return rc. */
int leat_parser_mistake(struct parser *p, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int leat_parser_wanted(struct parser *p, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Makes room for one more element. Arrays grow one by one, as a flow has few words. */
int leat_parser_grow(void **list, size_t count, size_t size);

/* Reads what is behind a name or a key into value, which then owns a copy. */
int leat_parser_value(struct parser *p, const struct flow_word *word,
                      const struct leat_param *param, struct leat_value *value);

/* What the lines are that the first stage of a branch gets, and what has replaced them. */
void leat_parser_inherit(const struct leat_stages *stages, const struct leat_branch *branch,
                         struct leat_value *arg);

/* branch.c */

/* Whether a branch begins with streams, and then with which. Returns 1: it does; 0; -errno. */
int leat_parser_from(struct parser *p, const struct flow_piece *piece, struct leat_branch *branch);
/* The names at the end of a branch, which are taken off its last piece. */
int leat_parser_to(struct parser *p, struct flow_piece *piece, struct leat_branch *branch);
/* A partition and the names of its parts belong together. last: the stage ends its branch. */
int leat_parser_parts(struct parser *p, const struct leat_stage *stage,
                      const struct leat_branch *branch, bool last);
/* Each stream goes somewhere. */
int leat_parser_used(struct parser *p);

#endif
