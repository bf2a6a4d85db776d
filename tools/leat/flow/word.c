/*
 * tools/leat/flow/word.c: words that programs have registered. See word.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/word.h"

#include <leat/word.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 64 };

static struct registered {
	struct leat_stage_type type; /* first */
	const struct leat_word *word;
} words[WORDS];
static size_t words_count;

const struct leat_stage_type *leat_word_type(size_t i)
{
	return i < words_count ? &words[i].type : NULL;
}

const struct leat_word *leat_word_of(const struct leat_stage_type *type)
{
	return ((const struct registered *)type)->word;
}

static bool is_line(const struct leat_type *type)
{
	return type != NULL && type->size == sizeof(struct leat_line) &&
	       type->discard == leat_line_discard;
}

static bool is_name(const char *name)
{
	return name != NULL && name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 32 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool is_sound(const struct leat_word *word)
{
	const struct leat_step *step = word->step;

	for (size_t i = 0; i < sizeof(word->reserved) / sizeof(word->reserved[0]); i++)
		if (word->reserved[i] != 0)
			return false;
	return is_name(word->name) && step != NULL && step->fn != NULL && step->due_ns == NULL &&
	       is_line(step->in) && (step->out == NULL || is_line(step->out)) &&
	       step->kind != LEAT_STEP_FUSED && step->most <= LEAT_WORD_ROOM &&
	       (step->kind == LEAT_STEP_END) == (step->out == NULL);
}

int leat_detail_word_register(unsigned abi, const struct leat_word *word)
{
	if (abi != (LEAT_FLOW_ABI << 16 | (unsigned)sizeof(*word)) || word == NULL ||
	    !is_sound(word))
		return -EINVAL;
	for (enum leat_role role = LEAT_SOURCE; role <= LEAT_SINK; role++)
		if (leat_stage_find(role, word->name) != NULL)
			return -EEXIST;
	if (leat_stage_is_workers(word->name))
		return -EEXIST;
	if (words_count == WORDS)
		return -ENOSPC;
	words[words_count++] = (struct registered){
		.word = word,
		.type = {
			.verb = LEAT_VERB_WORD,
			.role = word->step->out == NULL ? LEAT_SINK : LEAT_STEP,
			.many = word->many && word->step->out != NULL,
			.name = word->name,
			.shown = word->shown != NULL ? word->shown : word->name,
			.arg = { .form = word->wanted != NULL ? LEAT_FORM_ANY : LEAT_FORM_NONE,
			         .wanted = word->wanted },
		},
	};
	return 0;
}

/* --- states --- */

static int open_state(const struct leat_word *word, const char *argument, void **state, char *why)
{
	int rc = 0;

	*state = calloc(1, word->size != 0 ? word->size : 1);
	if (*state == NULL)
		return -ENOMEM;
	if (word->init != NULL)
		rc = word->init(*state, argument != NULL ? argument : "", why);
	if (rc == 0)
		return 0;
	free(*state);
	*state = NULL;
	return rc < 0 ? rc : -EINVAL;
}

int leat_word_open(const struct leat_word *word, const char *argument, void **state)
{
	char why[LEAT_WORD_WHY] = "";

	return open_state(word, argument, state, why);
}

void leat_word_close(const struct leat_word *word, void *state)
{
	if (state != NULL && word->fini != NULL)
		word->fini(state);
	free(state);
}

int leat_word_check(const struct leat_word *word, const char *argument, char *why, size_t size)
{
	char words[LEAT_WORD_WHY] = "";
	void *state;
	int rc = open_state(word, argument, &state, words);

	if (rc == 0)
		leat_word_close(word, state);
	else
		snprintf(why, size, "%s", words[0] != '\0' ? words : strerror(-rc));
	return rc;
}

/* --- calls --- */

bool leat_word_replaces(const struct leat_word *word)
{
	return word->step->kind != LEAT_STEP_FILTER;
}

static bool breaks_contract(const struct leat_vec *v, int rc)
{
	return v->used > v->n || v->made > v->room || v->skipped > v->used ||
	       (rc > 0 && rc != LEAT_ENOUGH);
}

int leat_word_run(const struct leat_word *word, void *state, struct leat_line *line,
                  struct leat_word_call *call)
{
	const struct leat_step *step = word->step;
	/* as in a flow: room for one more than it makes of one line */
	struct leat_vec v = { .in = line,
		              .n = line != NULL,
		              .out = call->made,
		              .room = LEAT_WORD_ROOM,
		              .last = line == NULL };
	int rc = step->fn(state, &v);

	call->count = 0;
	call->used = call->enough = call->more = false;
	if (breaks_contract(&v, rc))
		return -EINVAL;
	call->used = v.used > 0;
	call->count = v.made;
	call->enough = rc == LEAT_ENOUGH;
	call->more = v.made == v.room;
	/* a map's result is a line of its own; a filter has passed the line on, or not */
	if (call->used && !step->owns && (step->kind != LEAT_STEP_FILTER || v.made == 0))
		leat_line_free(line);
	if (rc == 0 && line != NULL && !call->used)
		return -EINVAL; /* it would be called for ever */
	return rc < 0 ? rc : 0;
}

int leat_word_sink(const struct leat_word *word, void *state, const struct leat_line *lines,
                   size_t n, bool *enough)
{
	size_t used = 0;
	int rc;

	do {
		struct leat_vec v = { .in = n > 0 ? &lines[used] : NULL,
			              .n = n - used,
			              .last = n == 0 };

		rc = word->step->fn(state, &v);
		if (breaks_contract(&v, rc) || (rc == 0 && n > used && v.used == 0))
			return -EINVAL;
		used += v.used;
	} while (rc == 0 && used < n);
	*enough = rc == LEAT_ENOUGH;
	return rc < 0 ? rc : 0;
}
