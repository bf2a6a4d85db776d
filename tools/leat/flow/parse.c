/*
 * tools/leat/flow/parse.c: the text of a flow, taken apart. See parse.h.
 *
 * First the text becomes words, stage by stage; only a quote that is not closed, or too many
 * stages, can stop that. Then each stage is held against the table, from the left, so that the
 * mistake that is reported is the first one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/steps.h"
#include "tools/leat/flow/value.h"
#include "tools/leat/flow/word.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NAME[:VALUE] without its quotes. The name ends at the first colon that is not in quotes. */
struct flow_word {
	size_t at, value_at; /* offsets in the text of the flow */
	char *name, *value;  /* value: NULL without a colon */
};

/*
 * The words of a stage, which are in the list of all words. end: the offset of the `|` behind it,
 * or of the end of the text.
 */
struct flow_piece {
	size_t first, count, at, end;
};

struct parser {
	const char *text;
	struct flow_word *words;
	struct flow_piece *pieces;
	size_t words_count, pieces_count;
	struct leat_mistake *mistake;
};

static int set_mistake(struct parser *p, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int set_mistake(struct parser *p, size_t at, const char *format, ...)
{
	va_list args;

	p->mistake->at = at;
	va_start(args, format);
	vsnprintf(p->mistake->what, sizeof(p->mistake->what), format, args);
	va_end(args);
	return -EINVAL;
}

static int set_wanted(struct parser *p, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int set_wanted(struct parser *p, int rc, const char *format, ...)
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

/* Makes room for one more element. Arrays grow one by one, as a flow has few words. */
static int grow_list(void **list, size_t count, size_t size)
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
	int rc = grow_list((void **)&p->words, p->words_count, sizeof(*p->words));

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
		if (c == '\0' || c == '|' || is_blank(c)) {
			*at = i;
			*to = '\0';
			return 0;
		}
		if (c == '"' || c == '\'') {
			const char *close = strchr(p->text + i + 1, c);
			if (close == NULL)
				return set_wanted(p, set_mistake(p, i, "this quote is not closed"),
				                  "text and another %c", c);
			size_t len = (size_t)(close - (p->text + i + 1));
			to = (char *)memcpy(to, p->text + i + 1, len) + len;
			i += len + 1;
		} else if (c == '(' && to == word->value) {
			const char *close = find_close(p->text + i);
			if (close == NULL)
				return set_wanted(
					p, set_mistake(p, i, "this parenthesis is not closed"),
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
		int rc = grow_list((void **)&p->pieces, p->pieces_count, sizeof(*p->pieces));
		if (rc != 0)
			return rc;
		if (p->pieces_count == LEAT_STAGES_MAX)
			return set_wanted(
				p, set_mistake(p, at, "more than %u stages", LEAT_STAGES_MAX),
				"the end");
		struct flow_piece *piece = &p->pieces[p->pieces_count++];
		piece->first = p->words_count;
		for (;;) {
			while (is_blank(p->text[at]))
				at++;
			if (p->text[at] == '\0' || p->text[at] == '|')
				break;
			rc = read_word(p, &at);
			if (rc != 0)
				return rc;
		}
		piece->count = p->words_count - piece->first;
		piece->at = piece->count != 0 ? p->words[piece->first].at : at;
		piece->end = at;
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
	char roles[32] = "";

	leat_stages_list(role, many, p->mistake->wanted, sizeof(p->mistake->wanted));
	for (enum leat_role other = LEAT_SOURCE; other <= LEAT_SINK; other++)
		if (leat_stage_find(other, word->name) != NULL)
			snprintf(roles + strlen(roles), sizeof(roles) - strlen(roles), "%s a %s",
			         roles[0] != '\0' ? " or" : "", role_names[other]);
	if (roles[0] != '\0')
		return set_mistake(p, word->at, "%s is%s, but a %s comes %s", word->name, roles,
		                   role_names[role], role_places[role]);
	return set_mistake(p, word->at, "there is no %s \"%.40s\"", role_names[role], word->name);
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
		return set_mistake(p, word->at, "workers run steps, but a %s comes %s",
		                   role_names[role], role_places[role]);
	}
	if (word->value == NULL)
		return set_wanted(
			p, set_mistake(p, word->at + strlen("workers"), "how many workers?"), ":N");
	if (!leat_param_read(&param, &value, p->mistake))
		return -EINVAL;
	stage->workers = (unsigned)value.number;
	return 0;
}

/* Reads what is behind a name or a key into value, which then owns a copy. */
static int read_value(struct parser *p, const struct flow_word *word,
                      const struct leat_param *param, struct leat_value *value)
{
	if (word->value == NULL) {
		strcpy(p->mistake->wanted, ":");
		leat_param_wanted(param, p->mistake->wanted + 1, sizeof(p->mistake->wanted) - 1);
		return set_mistake(p, word->at + strlen(word->name), "%.40s takes a value",
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
		if (stage->type->keys[0].name == NULL)
			return set_wanted(
				p, set_mistake(p, word->at, "%s takes no more", stage->type->name),
				"| or the end");
		if (param == NULL)
			return set_wanted(p,
			                  set_mistake(p, word->at, "%s knows no \"%.40s\"",
			                              stage->type->name, word->name),
			                  "%s, | or the end", strchr(stage->type->shown, '['));
		if (!param->again && leat_stage_key(stage, param->name)->given)
			return set_wanted(p, set_mistake(p, word->at, "%s twice", param->name),
			                  "| or the end");
		struct leat_value *value = add_key(stage, param);
		int rc = value != NULL ? read_value(p, word, param, value) : -ENOMEM;
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
		return set_wanted(
			p,
			set_mistake(
				p, as->at,
				"as:json wants simdjson, which was missing when leat was built"),
			"text, csv, kv");
#endif
	if (as->number == LEAT_AS_CSV && stage->type->verb == LEAT_VERB_FOLLOW &&
	    leat_stage_key(stage, "from")->number == 0)
		return set_wanted(
			p,
			set_mistake(p, as->at,
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
	return set_wanted(p, set_mistake(p, at, "%s", why), "%s",
	                  stage->type->arg.wanted != NULL ? stage->type->arg.wanted
	                                                  : "another word");
}

static int read_stage(struct parser *p, const struct flow_piece *piece, enum leat_role role,
                      struct leat_stage *stage)
{
	size_t next = piece->first, end = piece->first + piece->count;
	int rc = 0;

	if (next < end && strcmp(p->words[next].name, "workers") == 0)
		rc = read_workers(p, &p->words[next++], role, stage);
	if (rc != 0)
		return rc;
	if (next == end) {
		leat_stages_list(role, stage->workers != 0, p->mistake->wanted,
		                 sizeof(p->mistake->wanted));
		return set_mistake(p, piece->end, "a %s is missing here", role_names[role]);
	}
	const struct flow_word *word = &p->words[next++];
	stage->at = word->at;
	stage->type = leat_stage_find(role, word->name);
	if (stage->type == NULL)
		return set_wrong_name(p, word, role, stage->workers != 0);
	if (stage->workers != 0 && !stage->type->many) {
		leat_stages_list(role, true, p->mistake->wanted, sizeof(p->mistake->wanted));
		return set_mistake(p, word->at, "%s can't be run by several workers", word->name);
	}
	if (stage->type->arg.form != LEAT_FORM_NONE)
		rc = read_value(p, word, &stage->type->arg, &stage->arg);
	else if (word->value != NULL)
		rc = set_wanted(
			p, set_mistake(p, word->value_at - 1, "%s takes no argument", word->name),
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
static bool sink_forgotten(struct parser *p, enum leat_role *role)
{
	const struct flow_piece *last = &p->pieces[p->pieces_count - 1];
	enum leat_role as = p->pieces_count == 1 ? LEAT_SOURCE : LEAT_STEP;

	*role = as;
	if (last->count == 0)
		return as == LEAT_SOURCE;
	const char *name = p->words[last->first].name;
	if (as == LEAT_SOURCE)
		return true;
	return leat_stage_find(LEAT_SINK, name) == NULL &&
	       (leat_stage_find(LEAT_STEP, name) != NULL || strcmp(name, "workers") == 0);
}

/* The name of the step that has replaced the line of the source, this stage or one before. */
static const char *replaced_before(const struct leat_stage *stage)
{
	if (stage->arg.replaced != NULL)
		return stage->arg.replaced;
	switch (stage->type->verb) {
	case LEAT_VERB_FIELD:
	case LEAT_VERB_MAP:
		return stage->type->name;
	case LEAT_VERB_WORD:
		return leat_word_replaces(leat_word_of(stage->type)) ? stage->type->name : NULL;
	default:
		return NULL;
	}
}

static int resolve_stages(struct parser *p, struct leat_stages *stages)
{
	enum leat_role without_sink;
	bool forgotten = sink_forgotten(p, &without_sink);
	size_t last = p->pieces_count - 1;

	stages->list = calloc(p->pieces_count, sizeof(*stages->list));
	if (stages->list == NULL)
		return -ENOMEM;
	stages->count = p->pieces_count;
	for (size_t i = 0; i <= last; i++) {
		enum leat_role role = i == last && forgotten ? without_sink
		                      : i == 0               ? LEAT_SOURCE
		                      : i == last            ? LEAT_SINK
		                                             : LEAT_STEP;
		struct leat_stage *stage = &stages->list[i];
		stage->arg.as = i > 0 ? leat_stages_as(stages) : LEAT_AS_TEXT;
		stage->arg.replaced = i > 0 ? replaced_before(&stages->list[i - 1]) : NULL;
		int rc = read_stage(p, &p->pieces[i], role, stage);
		if (rc != 0)
			return rc;
	}
	if (!forgotten)
		return 0;
	strcpy(p->mistake->wanted, "| and one of ");
	leat_stages_list(LEAT_SINK, false, p->mistake->wanted + strlen(p->mistake->wanted),
	                 sizeof(p->mistake->wanted) - strlen(p->mistake->wanted));
	return set_mistake(p, strlen(p->text), "the flow has no sink");
}

int leat_stages_parse(const char *text, struct leat_stages *stages, struct leat_mistake *mistake)
{
	struct parser p = { .text = text, .mistake = mistake };

	*stages = (struct leat_stages){ 0 };
	*mistake = (struct leat_mistake){ 0 };
	int rc = split_text(&p);
	if (rc == 0)
		rc = resolve_stages(&p, stages);
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

enum leat_as leat_stages_as(const struct leat_stages *stages)
{
	return (enum leat_as)leat_stage_key(&stages->list[0], "as")->number;
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
	free(stages->list);
	*stages = (struct leat_stages){ 0 };
}
