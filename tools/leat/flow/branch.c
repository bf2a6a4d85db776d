/*
 * tools/leat/flow/branch.c: what branches of a flow begin with, and end in: streams. See parser.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/parser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct leat_stream *find_stream(const struct parser *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->stages->streams_count; i++) {
		struct leat_stream *stream = &p->stages->streams[i];

		if (strlen(stream->name) == len && memcmp(stream->name, name, len) == 0)
			return stream;
	}
	return NULL;
}

/* Lists the names that there are, behind what may be there. */
static void want_streams(struct parser *p)
{
	char *to = p->mistake->wanted;
	size_t size = sizeof(p->mistake->wanted), used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < p->stages->streams_count && used + 1 < size; i++)
		used += (size_t)snprintf(to + used, size - used, "%s%s", i > 0 ? ", " : "",
		                         p->stages->streams[i].name);
	if (p->stages->streams_count == 0)
		snprintf(to, size, "a name that a branch before has: ... | STEP as NAME");
}

/* The next name of a list, from *at on, which moves behind its comma. Returns its length. */
static size_t next_name(const char *list, size_t *at, size_t *begin)
{
	size_t len;

	*begin = *at;
	len = strcspn(list + *at, ",");
	*at += len + (list[*at + len] == ',');
	return len;
}

/* The streams that a branch begins with. */
static int read_joined(struct parser *p, const struct flow_word *word, struct leat_branch *branch)
{
	const char *list = word->value;
	size_t at = 0, begin, len;

	if (list == NULL)
		return leat_parser_wanted(p,
		                          leat_parser_mistake(p, word->at + strlen(word->name),
		                                              "%s takes the names of streams",
		                                              word->name),
		                          ":NAME,NAME");
	if (list[0] != '\0' && list[strlen(list) - 1] == ',')
		return leat_parser_wanted(p,
		                          leat_parser_mistake(p, word->value_at + strlen(list),
		                                              "a name is missing here"),
		                          "a name that a branch before has");
	while (list[at] != '\0') {
		struct leat_stream *stream;

		len = next_name(list, &at, &begin);
		stream = find_stream(p, list + begin, len);
		if (stream == NULL) {
			want_streams(p);
			return leat_parser_mistake(p, word->value_at + begin,
			                           "no stream has the name \"%.*s\"", (int)len,
			                           list + begin);
		}
		if (branch->from_count == LEAT_JOINED_MAX)
			return leat_parser_wanted(p,
			                          leat_parser_mistake(p, word->value_at + begin,
			                                              "more than %u streams",
			                                              LEAT_JOINED_MAX),
			                          "| or the end");
		branch->from[branch->from_count++] = (size_t)(stream - p->stages->streams);
		stream->users++;
	}
	if (branch->from_count < 2 || (branch->join == LEAT_JOIN_ZIP && branch->from_count > 2))
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, word->value_at, "%s is of %s streams", word->name,
		                            branch->join == LEAT_JOIN_ZIP ? "two" : "two and more"),
			branch->join == LEAT_JOIN_ZIP ? "NAME,NAME" : "NAME,NAME,...");
	return 0;
}

/* Marks a branch, and those that its lines come from. */
static void mark_before(const struct leat_stages *stages, size_t at, bool *marks)
{
	const struct leat_branch *branch = &stages->branches[at];

	if (marks[at])
		return;
	marks[at] = true;
	for (size_t i = 0; i < branch->from_count; i++)
		mark_before(stages, stages->streams[branch->from[i]].branch, marks);
}

/* The last branch that the lines of both of these streams come from; NULL: there is none. */
static const struct leat_branch *find_common(const struct leat_stages *stages, size_t a, size_t b)
{
	bool of_a[LEAT_STAGES_MAX] = { false }, of_b[LEAT_STAGES_MAX] = { false };

	mark_before(stages, stages->streams[a].branch, of_a);
	mark_before(stages, stages->streams[b].branch, of_b);
	for (size_t i = stages->branches_count; i > 0; i--)
		if (of_a[i - 1] && of_b[i - 1])
			return &stages->branches[i - 1];
	return NULL;
}

/*
 * While a merge in the order of a key waits for one stream, the rings of the other fill. Where both
 * come from one, that one then waits, too, and all would stand still.
 */
static int check_sources(struct parser *p, const struct leat_branch *branch, size_t at)
{
	const struct leat_stages *stages = p->stages;

	for (size_t i = 1; i < branch->from_count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct leat_branch *common =
				find_common(stages, branch->from[k], branch->from[i]);

			if (common == NULL)
				continue;
			return leat_parser_wanted(
				p,
				leat_parser_mistake(p, at,
			                            "\"%s\" and \"%s\" both have lines of the %s "
			                            "\"%s\"",
			                            stages->streams[branch->from[k]].name,
			                            stages->streams[branch->from[i]].name,
			                            common->to_count > 1 ? "partition of"
			                                                 : "stream",
			                            stages->streams[common->to].name),
				"streams of different sources: of one, each would wait for the "
				"other");
		}
	return 0;
}

static const struct leat_param merge_keys[] = {
	{ .name = "first", .form = LEAT_FORM_CHOICE, .choices = { "no", "yes" } },
	{ .name = "by", .form = LEAT_FORM_AMOUNT, .wanted = "an expression such as ($1)" },
};

/* A key of a merge; *given: which one was there before. */
static int read_merge_key(struct parser *p, const struct flow_word *word,
                          struct leat_branch *branch, const struct leat_param **given)
{
	struct leat_value first = { 0 };
	const struct leat_param *key = NULL;
	int rc;

	for (size_t i = 0; i < 2; i++)
		if (strcmp(word->name, merge_keys[i].name) == 0)
			key = &merge_keys[i];
	if (key == NULL)
		return leat_parser_wanted(
			p, leat_parser_mistake(p, word->at, "merge knows no \"%.40s\"", word->name),
			"[first:yes], [by:(KEY)], or | and a step or a sink");
	if (*given != NULL)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, word->at,
		                            key == *given ? "%s twice" : "%s beside another order",
		                            key->name),
			"| and a step or a sink");
	*given = key;
	if (key == &merge_keys[0]) {
		rc = leat_parser_value(p, word, key, &first);
		branch->join = first.number != 0 ? LEAT_JOIN_FIRST : branch->join;
		free(first.text);
		return rc;
	}
	branch->join = LEAT_JOIN_BY;
	branch->by.param = key;
	leat_parser_inherit(p->stages, branch, &branch->by);
	rc = leat_parser_value(p, word, key, &branch->by);
	return rc != 0 ? rc : check_sources(p, branch, word->at);
}

/* The keys of a merge, which say in which order its lines come. */
static int read_merge_keys(struct parser *p, const struct flow_piece *piece,
                           struct leat_branch *branch)
{
	const struct leat_param *given = NULL;
	int rc = 0;

	for (size_t i = piece->first + 1; i < piece->first + piece->count && rc == 0; i++)
		rc = read_merge_key(p, &p->words[i], branch, &given);
	return rc;
}

/* Whether a branch begins with streams, and then with which. Returns 1: it does; 0; -errno. */
int leat_parser_from(struct parser *p, const struct flow_piece *piece, struct leat_branch *branch)
{
	const struct flow_word *word;
	struct leat_stream *stream;
	int rc = 1;

	if (piece->count == 0)
		return 0;
	word = &p->words[piece->first];
	stream = word->value == NULL ? find_stream(p, word->name, strlen(word->name)) : NULL;
	if (stream != NULL) {
		branch->join = LEAT_JOIN_STREAM;
		branch->from[branch->from_count++] = (size_t)(stream - p->stages->streams);
		stream->users++;
	} else if (strcmp(word->name, "merge") == 0 || strcmp(word->name, "zip") == 0) {
		branch->join = word->name[0] == 'm' ? LEAT_JOIN_MERGE : LEAT_JOIN_ZIP;
		rc = read_joined(p, word, branch);
		if (rc == 0 && branch->join == LEAT_JOIN_MERGE)
			rc = read_merge_keys(p, piece, branch);
		rc = rc == 0 ? 1 : rc;
	} else {
		return 0;
	}
	if (rc == 1 && piece->count > 1 && strcmp(word->name, "merge") != 0)
		return leat_parser_wanted(p,
		                          leat_parser_mistake(p, p->words[piece->first + 1].at,
		                                              "%s takes no more", word->name),
		                          "| and a step or a sink");
	if (rc == 1 && piece->last)
		return leat_parser_wanted(
			p, leat_parser_mistake(p, piece->end, "a step or a sink is missing here"),
			"| and a step or a sink");
	return rc;
}

static bool is_stage_name(const char *name)
{
	for (enum leat_role role = LEAT_SOURCE; role <= LEAT_SINK; role++)
		if (leat_stage_find(role, name) != NULL)
			return true;
	return leat_stage_is_workers(name) || strcmp(name, "merge") == 0 ||
	       strcmp(name, "zip") == 0 || strcmp(name, "as") == 0;
}

static int add_stream(struct parser *p, size_t at, const char *name, size_t len,
                      struct leat_branch *branch)
{
	struct leat_stages *stages = p->stages;
	struct leat_stream *stream;
	bool plain = len > 0 && ((name[0] >= 'a' && name[0] <= 'z') ||
	                         (name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_');
	int rc;

	for (size_t i = 0; i < len; i++)
		plain &= (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
		         (name[i] >= '0' && name[i] <= '9') || name[i] == '_' || name[i] == '-';
	if (!plain || len > LEAT_STREAM_NAME)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, at,
		                            len == 0 ? "a name is missing here"
		                            : plain  ? "a name of more than 20 letters"
		                                     : "this is no name of a stream"),
			"a letter, then letters, digits, _ and -");
	if (find_stream(p, name, len) != NULL)
		return leat_parser_wanted(
			p, leat_parser_mistake(p, at, "there is a stream of this name already"),
			"another name");
	if (branch->to_count == LEAT_JOINED_MAX)
		return leat_parser_wanted(
			p, leat_parser_mistake(p, at, "more than %u parts", LEAT_JOINED_MAX),
			"; or the end");
	rc = leat_parser_grow((void **)&stages->streams, stages->streams_count,
	                      sizeof(*stages->streams));
	if (rc != 0)
		return rc;
	stream = &stages->streams[stages->streams_count];
	*stream = (struct leat_stream){ .name = strndup(name, len),
		                        .at = at,
		                        .branch = stages->branches_count - 1 };
	if (stream->name == NULL)
		return -ENOMEM;
	stages->streams_count++;
	branch->to_count++;
	if (is_stage_name(stream->name))
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, at, "\"%s\" is the name of a stage", stream->name),
			"another name");
	return 0;
}

/*
 * The names behind `as` at the end of a branch, which are taken off the piece: they are known to
 * the branches behind this one.
 */
int leat_parser_to(struct parser *p, struct flow_piece *piece, struct leat_branch *branch)
{
	size_t i = piece->first + 1, end = piece->first + piece->count;
	bool comma = true;

	branch->to = p->stages->streams_count;
	while (i < end && (strcmp(p->words[i].name, "as") != 0 || p->words[i].value != NULL))
		i++;
	if (i >= end)
		return 0;
	piece->count = i - piece->first;
	if (i + 1 == end)
		return leat_parser_wanted(
			p, leat_parser_mistake(p, piece->end, "a name is missing here"),
			"a letter, then letters, digits, _ and -");
	for (i++; i < end; i++) {
		const struct flow_word *word = &p->words[i];
		size_t at = 0, begin, len;

		if (word->value != NULL || (!comma && word->name[0] != ','))
			return leat_parser_wanted(
				p, leat_parser_mistake(p, word->at, "this is no name of a stream"),
				"a comma and a further name, ; or the end");
		if (word->name[0] == ',' && !comma)
			at = 1;
		comma = word->name[at] == '\0';
		while (word->name[at] != '\0') {
			int rc;

			len = next_name(word->name, &at, &begin);
			rc = add_stream(p, word->at + begin, word->name + begin, len, branch);
			if (rc != 0)
				return rc;
			comma = word->name[at - 1] == ',';
		}
	}
	return comma ? leat_parser_wanted(
			       p, leat_parser_mistake(p, piece->end, "a name is missing here"),
			       "a letter, then letters, digits, _ and -")
	             : 0;
}

/* A partition and its names belong together. */
int leat_parser_parts(struct parser *p, const struct leat_stage *stage,
                      const struct leat_branch *branch, bool last)
{
	const bool parts = stage->type->verb == LEAT_VERB_PARTITION;

	if (parts && (!last || branch->to_count < 2))
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, stage->at,
		                            "a partition has two parts and more, which want names"),
			"partition:(KEY) as NAME, NAME");
	if (parts && stage->arg.number != 0 && branch->to_count != 2)
		return leat_parser_wanted(p,
		                          leat_parser_mistake(p,
		                                              p->stages->streams[branch->to + 2].at,
		                                              "true and false are two parts"),
		                          "; or the end");
	if (!parts && last && branch->to_count > 1)
		return leat_parser_wanted(
			p,
			leat_parser_mistake(p, p->stages->streams[branch->to + 1].at,
		                            "one stream comes out of %s", stage->type->name),
			"; or the end");
	return 0;
}

int leat_parser_used(struct parser *p)
{
	const struct leat_stages *stages = p->stages;
	int rc = 0;

	for (size_t i = 0; i < stages->streams_count && rc == 0; i++)
		if (stages->streams[i].users == 0)
			rc = leat_parser_wanted(
				p,
				leat_parser_mistake(p, stages->streams[i].at,
			                            "the stream \"%s\" goes nowhere",
			                            stages->streams[i].name),
				"a name that a further branch begins with: ; NAME | ... | SINK");
	return rc;
}
