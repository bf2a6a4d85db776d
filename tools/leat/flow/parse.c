/*
 * tools/leat/flow/parse.c: the text of a flow, taken apart. See parse.h.
 *
 * First the text becomes words, stage by stage; only a quote that is not closed, or too many
 * stages, can stop that. Then each stage is held against the table, from the left, so that the
 * mistake that is reported is the first one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/parser.h"
#include "tools/leat/flow/steps.h"
#include "tools/leat/flow/value.h"
#include "tools/leat/flow/word.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int leat_parser_mistake(struct parser *p, size_t at, const char *format, ...)
{
	va_list args;

	p->mistake->at = at;
	va_start(args, format);
	vsnprintf(p->mistake->what, sizeof(p->mistake->what), format, args);
	va_end(args);
	return -EINVAL;
}

int leat_parser_wanted(struct parser *p, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->mistake->wanted, sizeof(p->mistake->wanted), format, args);
	va_end(args);
	return rc;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A semicolon ends a branch if a blank, or the end, is behind it. */
static bool is_semicolon(const char *at)
{
	return *at == ';' && (at[1] == '\0' || is_blank(at[1]));
}

int leat_parser_grow(void **list, size_t count, size_t size)
{
	void *grown = realloc(*list, (count + 1) * size);

	if (grown == NULL)
		return -ENOMEM;
	memset((char *)grown + count * size, 0, size);
	*list = grown;
	return 0;
}

/* The parenthesis that closes the one at `open`; NULL: there is none. */
static const char *find_close(const char *open)
{
	size_t depth = 0;

	for (const char *c = open; *c != '\0'; c++) {
		if (*c == '"' || *c == '\'') {
			const char *close = strchr(c + 1, *c);

			c = close != NULL ? close : c;
		} else if (*c == '(') {
			depth++;
		} else if (*c == ')' && --depth == 0) {
			return c;
		}
	}
	return NULL;
}

/* Reads the word at *at, and moves *at behind it. */
static int read_word(struct parser *p, size_t *at)
{
	int rc = leat_parser_grow((void **)&p->words, p->words_count, sizeof(*p->words));

	if (rc != 0)
		return rc;
	struct flow_word *word = &p->words[p->words_count];
	char *to = malloc(strlen(p->text + *at) + 2);
	if (to == NULL)
		return -ENOMEM;
	p->words_count++;
	*word = (struct flow_word){ .at = *at, .name = to };
	for (size_t i = *at;; i++) {
		char c = p->text[i];
		if (c == '\0' || c == '|' || is_blank(c) || is_semicolon(p->text + i)) {
			*at = i;
			*to = '\0';
			return 0;
		}
		if (c == '"' || c == '\'') {
			const char *close = strchr(p->text + i + 1, c);
			if (close == NULL)
				return leat_parser_wanted(
					p, leat_parser_mistake(p, i, "this quote is not closed"),
					"text and another %c", c);
			size_t len = (size_t)(close - (p->text + i + 1));
			to = (char *)memcpy(to, p->text + i + 1, len) + len;
			i += len + 1;
		} else if (c == '(' && to == word->value) {
			const char *close = find_close(p->text + i);
			if (close == NULL)
				return leat_parser_wanted(
					p,
					leat_parser_mistake(p, i, "this parenthesis is not closed"),
					"text and )");
			size_t len = (size_t)(close + 1 - (p->text + i));
			to = (char *)memcpy(to, p->text + i, len) + len;
			i += len - 1;
		} else if (c == ':' && word->value == NULL) {
			*to++ = '\0';
			word->value = to;
			word->value_at = i + 1;
		} else {
			*to++ = c;
		}
	}
}

static int split_text(struct parser *p)
{
	size_t at = 0;

	for (;;) {
		int rc = leat_parser_grow((void **)&p->pieces, p->pieces_count, sizeof(*p->pieces));
		if (rc != 0)
			return rc;
		if (p->pieces_count == LEAT_STAGES_MAX)
			return leat_parser_wanted(
				p,
				leat_parser_mistake(p, at, "more than %u stages", LEAT_STAGES_MAX),
				"the end");
		struct flow_piece *piece = &p->pieces[p->pieces_count++];
		piece->first = p->words_count;
		for (;;) {
			while (is_blank(p->text[at]))
				at++;
			if (p->text[at] == '\0' || p->text[at] == '|' || is_semicolon(p->text + at))
				break;
			rc = read_word(p, &at);
			if (rc != 0)
				return rc;
		}
		piece->count = p->words_count - piece->first;
		piece->at = piece->count != 0 ? p->words[piece->first].at : at;
		piece->end = at;
		piece->last = p->text[at] != '|';
		/* what is behind a last semicolon is no branch */
		if (p->text[at] == ';' &&
		    p->text[at + 1 + strspn(p->text + at + 1, " \t\n\r")] == '\0')
			return 0;
		if (p->text[at++] == '\0')
			return 0;
	}
}

static const char *const role_names[] = { "source", "step", "sink" };
static const char *const role_places[] = { "first", "in the middle", "last" };

/* Reports a name that cannot be here: what it is, if it is another role's. many: of workers. */
static int set_wrong_name(struct parser *p, const struct flow_word *word, enum leat_role role,
                          bool many)
{
	char roles[32] = "", *wanted = p->mistake->wanted;
	size_t size = sizeof(p->mistake->wanted), used = 0;

	for (size_t i = 0; role == LEAT_SOURCE && i < p->stages->streams_count && used < size / 2;
	     i++)
		used += (size_t)snprintf(wanted + used, size - used, "%s, ",
		                         p->stages->streams[i].name);
	leat_stages_list(role, many, wanted + used, size - used);
	for (enum leat_role other = LEAT_SOURCE; other <= LEAT_SINK; other++)
		if (leat_stage_find(other, word->name) != NULL)
			snprintf(roles + strlen(roles), sizeof(roles) - strlen(roles), "%s a %s",
			         roles[0] != '\0' ? " or" : "", role_names[other]);
	if (roles[0] != '\0')
		return leat_parser_mistake(p, word->at, "%s is%s, but a %s comes %s", word->name,
		                           roles, role_names[role], role_places[role]);
	return leat_parser_mistake(p, word->at, "there is no %s \"%.40s\"", role_names[role],
	                           word->name);
}

static int read_workers(struct parser *p, const struct flow_word *word, enum leat_role role,
                        struct leat_stage *stage)
{
	static const struct leat_param param = {
		.form = LEAT_FORM_NUMBER,
		.min = 1,
		.max = LEAT_WORKERS_MAX,
		.wanted = "a number from 1 to 256",
	};
	struct leat_value value = { .text = word->value, .at = word->value_at };

	if (role != LEAT_STEP) {
		leat_stages_list(role, false, p->mistake->wanted, sizeof(p->mistake->wanted));
		return leat_parser_mistake(p, word->at, "workers run steps, but a %s comes %s",
		                           role_names[role], role_places[role]);
	}
	if (word->value == NULL)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, word->at + strlen(word->name), "how many workers?"),
			":N");
	if (!leat_param_read(&param, &value, p->mistake))
		return -EINVAL;
	stage->workers = (unsigned)value.number;
	stage->ordered = strcmp(word->name, "ordered") == 0;
	return 0;
}

int leat_parser_value(struct parser *p, const struct flow_word *word,
                      const struct leat_param *param, struct leat_value *value)
{
	if (word->value == NULL) {
		strcpy(p->mistake->wanted, ":");
		leat_param_wanted(param, p->mistake->wanted + 1, sizeof(p->mistake->wanted) - 1);
		return leat_parser_mistake(p, word->at + strlen(word->name), "%.40s takes a value",
		                           word->name);
	}
	size_t len = strlen(word->value) + 1;
	value->at = word->value_at;
	value->text = malloc(len + strlen(word->name) + 1);
	if (value->text == NULL)
		return -ENOMEM;
	memcpy(value->text, word->value, len);
	value->name = strcpy(value->text + len, word->name);
	value->given = true;
	if (leat_param_read(param, value, p->mistake))
		return 0;
	/* a place within the value, which has lost its quotes */
	if (p->mistake->at > value->at && strchr("'\"", p->text[value->at]) != NULL)
		p->mistake->at++;
	return -EINVAL;
}

/* Puts a value behind the keys that were given; NULL: there is no memory. */
static struct leat_value *add_key(struct leat_stage *stage, const struct leat_param *param)
{
	struct leat_value **place = &stage->keys;

	while (*place != NULL)
		place = &(*place)->next;
	*place = calloc(1, sizeof(**place));
	if (*place != NULL)
		**place = (struct leat_value){ .param = param,
			                       .as = stage->arg.as,
			                       .replaced = stage->arg.replaced };
	return *place;
}

static bool is_key(const struct leat_param *param, const char *name)
{
	uint32_t percents[LEAT_PERCENTS_MAX];
	size_t len = strlen(param->name), count;

	if (!param->percent)
		return strcmp(param->name, name) == 0;
	return strncmp(param->name, name, len) == 0 && name[len] >= '0' && name[len] <= '9' &&
	       leat_value_percents(name + len, percents, &count) == 0 && count == 1;
}

static const struct leat_param *find_key(const struct leat_stage_type *type, const char *name)
{
	for (size_t i = 0; i < LEAT_KEYS_MAX && type->keys[i].name != NULL; i++)
		if (is_key(&type->keys[i], name))
			return &type->keys[i];
	return NULL;
}

static int read_keys(struct parser *p, const struct flow_piece *piece, size_t next,
                     struct leat_stage *stage)
{
	for (size_t i = next; i < piece->first + piece->count; i++) {
		const struct flow_word *word = &p->words[i];
		const struct leat_param *param = find_key(stage->type, word->name);
		if (word->value == NULL && strcmp(word->name, "as") == 0)
			return leat_parser_wanted(
				p,
				leat_parser_mistake(p, word->at,
			                            "a name of what comes out ends a branch"),
				"| or the end");
		if (stage->type->keys[0].name == NULL)
			return leat_parser_wanted(p,
			                          leat_parser_mistake(p, word->at,
			                                              "%s takes no more",
			                                              stage->type->name),
			                          "| or the end");
		if (param == NULL)
			return leat_parser_wanted(
				p,
				leat_parser_mistake(p, word->at, "%s knows no \"%.40s\"",
			                            stage->type->name, word->name),
				"%s, | or the end", strchr(stage->type->shown, '['));
		if (!param->again && leat_stage_key(stage, param->name)->given)
			return leat_parser_wanted(
				p, leat_parser_mistake(p, word->at, "%s twice", param->name),
				"| or the end");
		struct leat_value *value = add_key(stage, param);
		int rc = value != NULL ? leat_parser_value(p, word, param, value) : -ENOMEM;
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* What the words of a source say together. */
static int check_as(struct parser *p, const struct leat_stage *stage)
{
	const struct leat_value *as = leat_stage_key(stage, "as");

	if (stage->type->role != LEAT_SOURCE)
		return 0;
#ifndef LEAT_HAVE_SIMDJSON
	if (as->number == LEAT_AS_JSON)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(
				p, as->at,
				"as:json wants simdjson, which was missing when leat was built"),
			"text, csv, kv");
#endif
	if (as->number == LEAT_AS_CSV && stage->type->verb == LEAT_VERB_FOLLOW &&
	    leat_stage_key(stage, "from")->number == 0)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(
				p, as->at,
				"the names of CSV are in the first line, which is not read"),
			"as:csv from:start");
	return 0;
}

/*
 * What only the step can check: whether its regular expression compiles, whether a word of a
 * program's takes its argument.
 */
static int check_argument(struct parser *p, const struct leat_stage *stage)
{
	size_t at = stage->arg.given ? stage->arg.at : stage->at;
	char why[96];
	int rc = 0;

	if (stage->type->verb == LEAT_VERB_GREP)
		rc = leat_grep_check(stage->arg.text, why, sizeof(why));
	else if (stage->type->verb == LEAT_VERB_WORD)
		rc = leat_word_check(leat_word_of(stage->type), stage->arg.text, why, sizeof(why));
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	return leat_parser_wanted(p, leat_parser_mistake(p, at, "%s", why), "%s",
	                          stage->type->arg.wanted != NULL ? stage->type->arg.wanted
	                                                          : "another word");
}

static int read_stage(struct parser *p, const struct flow_piece *piece, enum leat_role role,
                      struct leat_stage *stage)
{
	size_t next = piece->first, end = piece->first + piece->count;
	int rc = 0;

	if (next < end && leat_stage_is_workers(p->words[next].name))
		rc = read_workers(p, &p->words[next++], role, stage);
	if (rc != 0)
		return rc;
	if (next == end) {
		leat_stages_list(role, stage->workers != 0, p->mistake->wanted,
		                 sizeof(p->mistake->wanted));
		return leat_parser_mistake(p, piece->end, "a %s is missing here", role_names[role]);
	}
	const struct flow_word *word = &p->words[next++];
	stage->at = word->at;
	stage->type = leat_stage_find(role, word->name);
	if (stage->type == NULL)
		return set_wrong_name(p, word, role, stage->workers != 0);
	if (stage->workers != 0 && !stage->type->many) {
		leat_stages_list(role, true, p->mistake->wanted, sizeof(p->mistake->wanted));
		return leat_parser_mistake(p, word->at, "%s can't be run by several workers",
		                           word->name);
	}
	if (stage->type->arg.form != LEAT_FORM_NONE)
		rc = leat_parser_value(p, word, &stage->type->arg, &stage->arg);
	else if (word->value != NULL)
		rc = leat_parser_wanted(p,
		                        leat_parser_mistake(p, word->value_at - 1,
		                                            "%s takes no argument", word->name),
		                        "| or the end");
	if (rc == 0)
		rc = read_keys(p, piece, next, stage);
	if (rc == 0)
		rc = check_as(p, stage);
	return rc != 0 ? rc : check_argument(p, stage);
}

/*
 * The last stage is no sink. Whether it would do as a source or a step: then the sink was
 * forgotten, and that is the mistake.
 */
static bool sink_forgotten(struct parser *p, const struct flow_piece *last, bool only,
                           enum leat_role *role)
{
	enum leat_role as = only ? LEAT_SOURCE : LEAT_STEP;

	*role = as;
	if (last->count == 0)
		return as == LEAT_SOURCE;
	const char *name = p->words[last->first].name;
	if (as == LEAT_SOURCE)
		return true;
	return leat_stage_find(LEAT_SINK, name) == NULL &&
	       (leat_stage_find(LEAT_STEP, name) != NULL || leat_stage_is_workers(name));
}

/* The name of the step that has replaced the line of the source, this stage or one before. */
static const char *replaced_before(const struct leat_stage *stage)
{
	if (stage->arg.replaced != NULL)
		return stage->arg.replaced;
	switch (stage->type->verb) {
	case LEAT_VERB_FIELD:
	case LEAT_VERB_MAP:
	case LEAT_VERB_SCAN:
	case LEAT_VERB_BATCH:
	case LEAT_VERB_WINDOW:
	case LEAT_VERB_BRIDGE:
		return stage->type->name;
	case LEAT_VERB_WORD:
		return leat_word_replaces(leat_word_of(stage->type)) ? stage->type->name : NULL;
	default:
		return NULL;
	}
}

/* The last stage of the branch that a stream comes out of. */
const struct leat_stage *leat_stream_stage(const struct leat_stages *stages, size_t stream)
{
	const struct leat_branch *branch = &stages->branches[stages->streams[stream].branch];

	return &stages->list[branch->first + branch->count - 1];
}

void leat_parser_inherit(const struct leat_stages *stages, const struct leat_branch *branch,
                         struct leat_value *arg)
{
	const struct leat_stage *first, *source;

	if (branch->join == LEAT_JOIN_SOURCE)
		return;
	first = leat_stream_stage(stages, branch->from[0]);
	source = leat_stage_source(stages, first);
	arg->as = leat_stage_as(first);
	arg->replaced = branch->join == LEAT_JOIN_ZIP ? "zip" : replaced_before(first);
	for (size_t i = 1; i < branch->from_count && arg->replaced == NULL; i++) {
		const struct leat_stage *other = leat_stream_stage(stages, branch->from[i]);

		/* the names of CSV are those of one source */
		if (leat_stage_as(other) != arg->as || replaced_before(other) != NULL ||
		    (arg->as == LEAT_AS_CSV && leat_stage_source(stages, other) != source))
			arg->replaced = "merge";
	}
}

/* A stage of the branch that is read. last: nothing is behind it. */
static int add_stage(struct parser *p, const struct flow_piece *piece, struct leat_branch *branch,
                     enum leat_role role, bool last)
{
	struct leat_stages *stages = p->stages;
	struct leat_stage *stage = &stages->list[stages->count];
	int rc;

	stage->branch = stages->branches_count - 1;
	if (stages->count == branch->first) {
		leat_parser_inherit(stages, branch, &stage->arg);
	} else {
		stage->arg.as = leat_stage_as(stage - 1);
		stage->arg.replaced = replaced_before(stage - 1);
	}
	stages->count++;
	branch->count++;
	rc = read_stage(p, piece, role, stage);
	return rc != 0 ? rc : leat_parser_parts(p, stage, branch, last);
}

static int miss_sink(struct parser *p, const struct flow_piece *last)
{
	const bool only = p->stages->branches_count == 1 && last == &p->pieces[p->pieces_count - 1];
	const char *text = only ? "| and one of " : "as NAME, or | and one of ";

	strcpy(p->mistake->wanted, text);
	leat_stages_list(LEAT_SINK, false, p->mistake->wanted + strlen(text),
	                 sizeof(p->mistake->wanted) - strlen(text));
	return leat_parser_mistake(p, last->end,
	                           only ? "the flow has no sink" : "the branch has no sink");
}

/* The source of what a branch begins with, if it is one. */
static size_t find_source(const struct leat_stages *stages, const struct leat_branch *branch)
{
	size_t source = branch->first;

	for (size_t i = 0; i < branch->from_count; i++) {
		const size_t from =
			stages->branches[stages->streams[branch->from[i]].branch].source;

		source = i == 0 || from == source ? from : SIZE_MAX;
	}
	return source;
}

/* The branch whose pieces these are. */
static int resolve_branch(struct parser *p, size_t from, size_t to)
{
	struct leat_branch *branch = &p->stages->branches[p->stages->branches_count++];
	struct flow_piece *last = &p->pieces[to];
	enum leat_role without_sink = LEAT_STEP;
	bool forgotten = false;
	int rc;

	*branch = (struct leat_branch){ .first = p->stages->count };
	rc = leat_parser_from(p, &p->pieces[from], branch);
	if (rc < 0)
		return rc;
	from += rc == 1;
	branch->source = find_source(p->stages, branch);
	rc = leat_parser_to(p, last, branch);
	if (branch->to_count == 0)
		forgotten = sink_forgotten(p, last, from == to && branch->join == LEAT_JOIN_SOURCE,
		                           &without_sink);
	for (size_t i = from; i <= to && rc == 0; i++) {
		enum leat_role role = i == to && forgotten                            ? without_sink
		                      : i == from && branch->join == LEAT_JOIN_SOURCE ? LEAT_SOURCE
		                      : i == to && branch->to_count == 0              ? LEAT_SINK
		                                                                      : LEAT_STEP;

		rc = add_stage(p, &p->pieces[i], branch, role, i == to);
	}
	return rc == 0 && forgotten ? miss_sink(p, last) : rc;
}

static int resolve_stages(struct parser *p)
{
	struct leat_stages *stages = p->stages;
	int rc = 0;

	stages->list = calloc(p->pieces_count, sizeof(*stages->list));
	stages->branches = calloc(p->pieces_count, sizeof(*stages->branches));
	if (stages->list == NULL || stages->branches == NULL)
		return -ENOMEM;
	for (size_t from = 0, to = 0; rc == 0 && to < p->pieces_count; to++)
		if (p->pieces[to].last) {
			rc = resolve_branch(p, from, to);
			from = to + 1;
		}
	return rc == 0 ? leat_parser_used(p) : rc;
}

int leat_stages_parse(const char *text, struct leat_stages *stages, struct leat_mistake *mistake)
{
	struct parser p = { .text = text, .mistake = mistake, .stages = stages };

	*stages = (struct leat_stages){ 0 };
	*mistake = (struct leat_mistake){ 0 };
	int rc = split_text(&p);
	if (rc == 0)
		rc = resolve_stages(&p);
	if (rc != 0)
		leat_stages_free(stages);
	for (size_t i = 0; i < p.words_count; i++)
		free(p.words[i].name);
	free(p.words);
	free(p.pieces);
	return rc;
}

const struct leat_value *leat_stage_key(const struct leat_stage *stage, const char *name)
{
	static const struct leat_value not_given;

	for (const struct leat_value *value = stage->keys; value != NULL; value = value->next)
		if (strcmp(value->param->name, name) == 0)
			return value;
	return &not_given;
}

const struct leat_value *leat_value_again(const struct leat_value *value)
{
	const struct leat_param *param = value->param;

	do
		value = value->next;
	while (value != NULL && value->param != param);
	return value;
}

enum leat_as leat_stage_as(const struct leat_stage *stage)
{
	return stage->type->role == LEAT_SOURCE ? (enum leat_as)leat_stage_key(stage, "as")->number
	                                        : stage->arg.as;
}

const struct leat_stage *leat_stage_source(const struct leat_stages *stages,
                                           const struct leat_stage *stage)
{
	const size_t source = stages->branches[stage->branch].source;

	return source == SIZE_MAX ? NULL : &stages->list[source];
}

static void free_values(struct leat_value *value)
{
	while (value != NULL) {
		struct leat_value *next = value->next;

		free(value->text);
		free(value);
		value = next;
	}
}

void leat_stages_free(struct leat_stages *stages)
{
	for (size_t i = 0; i < stages->count; i++) {
		free(stages->list[i].arg.text);
		free_values(stages->list[i].keys);
	}
	for (size_t i = 0; i < stages->streams_count; i++)
		free(stages->streams[i].name);
	for (size_t i = 0; i < stages->branches_count; i++)
		free(stages->branches[i].by.text);
	free(stages->streams);
	free(stages->branches);
	free(stages->list);
	*stages = (struct leat_stages){ 0 };
}
