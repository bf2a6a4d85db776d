/*
 * tools/leat/flow/keyed.c: merges in the order of a key. See keyed.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/keyed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* One of the streams of such a merge. One thread uses it. */
struct leat_keyed {
	struct leat_run *run;
	struct leat_keyed *next;    /* of all those of the flow */
	struct leat_member *behind; /* the first of the group behind the merge */
	const char *name;
	const struct leat_value *by;
	struct leat_row row;
	struct leat_expr *expr;
	uint64_t lines, left_out;
	double last; /* the key of the line before; -infinity: there is none */
	bool told;
};

struct keyed_line {
	struct leat_line line;
	int64_t key;
};

static void discard_keyed(void *item, void *unused)
{
	leat_line_discard(&((struct keyed_line *)item)->line, unused);
}

LEAT_TYPE_OWNED(keyed, struct keyed_line, discard_keyed, NULL);

/* Returns 1; 0: the key is no number; or -ENOMEM. */
static int read_key(struct leat_keyed *stream, const struct leat_line *line, double *key)
{
	struct leat_expr_values values;
	struct leat_number number;
	int rc = 0;

	leat_row_forget(&stream->row);
	if (stream->row.count != 0 && stream->by->replaced == NULL)
		rc = leat_row_read(&stream->row, line);
	if (rc == 0)
		rc = leat_expr_run(stream->expr, line, stream->row.columns, 1, &values);
	if (rc != 0)
		return rc;
	if (values.type == LEAT_EXPR_TEXT) {
		if (!leat_number_read(values.texts[0].data, values.texts[0].len, &number))
			return 0;
		*key = leat_number_double(&number);
	} else if (values.type == LEAT_EXPR_INTEGER) {
		*key = (double)values.integers[0];
		return values.absent == NULL || values.absent[0] == 0;
	} else {
		*key = values.decimals[0];
	}
	return isfinite(*key);
}

/*
 * The rank of a double is an integer in the order of the doubles, from 0 up. With its highest bit
 * the other way round it is in the same order as an integer with a sign.
 */
static int64_t order_key(double key)
{
	return (int64_t)(leat_double_rank(key) ^ (UINT64_C(1) << 63));
}

/*
 * The failure of what is behind the merge, in words of the text of the flow. The line goes on, and
 * libleat-flow's merge, which finds the same, ends the flow.
 */
static void note_disorder(struct leat_keyed *stream, double key)
{
	char low[LEAT_DOUBLE_TEXT], high[LEAT_DOUBLE_TEXT];
	struct leat_member *behind = stream->behind;
	const int low_len = (int)leat_double_put(key, low),
		  high_len = (int)leat_double_put(stream->last, high);

	pthread_mutex_lock(&stream->run->failing);
	if (behind->code == 0) {
		behind->code = -EINVAL;
		snprintf(behind->failure, sizeof(behind->failure),
		         "merge: line %" PRIu64 " of \"%s\" is not in order: its key %.*s is lower "
		         "than %.*s of the one before it",
		         stream->lines, stream->name, low_len, low, high_len, high);
	}
	pthread_mutex_unlock(&stream->run->failing);
}

static void tell_left_out(struct leat_keyed *stream)
{
	const struct leat_run *run = stream->run;
	char text[LEAT_RUN_WHY];

	if (stream->left_out == 0 || stream->told || run->opts.say == NULL)
		return;
	stream->told = true;
	snprintf(text, sizeof(text),
	         "merge: %" PRIu64 " of %" PRIu64 " lines of \"%s\" %s no number in %.40s",
	         stream->left_out, stream->lines, stream->name,
	         stream->left_out == 1 ? "has" : "have", stream->by->text);
	run->opts.say(run->opts.say_arg, text);
}

static int add_keys(void *state, struct leat_vec *v)
{
	struct leat_keyed *stream = state;
	const struct leat_line *lines = v->in;
	struct keyed_line *made = v->out;

	while (v->used < v->n && v->made < v->room) {
		struct leat_line line = lines[v->used];
		double key = 0;
		int rc = read_key(stream, &line, &key);

		if (rc < 0)
			return rc;
		stream->lines++;
		if (rc == 1 && key < stream->last)
			note_disorder(stream, key);
		v->used++;
		if (rc == 0) {
			stream->left_out++;
			v->skipped++;
			leat_line_free(&line);
			continue;
		}
		stream->last = key;
		made[v->made++] = (struct keyed_line){ line, order_key(key) };
	}
	if (v->last && v->used == v->n)
		tell_left_out(stream);
	return 0;
}

static int drop_keys(void *unused, struct leat_vec *v)
{
	const struct keyed_line *lines = v->in;
	struct leat_line *made = v->out;

	(void)unused;
	while (v->used < v->n && v->made < v->room)
		made[v->made++] = lines[v->used++].line;
	return 0;
}

static const struct leat_step add_keys_step = {
	.name = "merge",
	.kind = LEAT_STEP_MAP,
	.fn = add_keys,
	.in = LEAT_T(line),
	.out = LEAT_T(keyed),
	.most = 2, /* check is not to take it for a step that makes one of each */
	.owns = true,
};

static const struct leat_step drop_keys_step = {
	.name = "merge",
	.kind = LEAT_STEP_MAP,
	.fn = drop_keys,
	.in = LEAT_T(keyed),
	.out = LEAT_T(line),
	.most = 1,
	.stateless = true,
	.owns = true,
};

static int64_t key_of(const void *item, const void *unused)
{
	(void)unused;
	return ((const struct keyed_line *)item)->key;
}

/* Of the flow, which frees it; NULL: no memory. */
static struct leat_keyed *open_stream(struct leat_run *run, const struct leat_branch *branch,
                                      const char *name)
{
	struct leat_keyed *stream = calloc(1, sizeof(*stream));
	struct leat_member *behind = run->members;
	struct leat_mistake mistake;

	if (stream == NULL)
		return NULL;
	while (behind->group != run->plan.first_groups[branch - run->stages.branches])
		behind++;
	*stream = (struct leat_keyed){ .run = run,
		                       .next = run->keyed,
		                       .behind = behind,
		                       .name = name,
		                       .by = &branch->by,
		                       .last = -INFINITY };
	run->keyed = stream;
	leat_row_init(&stream->row, branch->by.as);
	stream->row.header = leat_run_header(run, &run->stages.list[branch->first]);
	/* The parser has tried it: the only error that is left is -ENOMEM. */
	return leat_step_expr_open(LEAT_FORM_AMOUNT, &branch->by, 1, &stream->row, &stream->expr,
	                           &mistake) == 0
	               ? stream
	               : NULL;
}

struct leat_port leat_keyed_merge(struct leat_run *run, const struct leat_branch *branch,
                                  const struct leat_port *ports, const char *name)
{
	struct leat_port keyed[LEAT_JOINED_MAX], port;

	for (size_t i = 0; i < branch->from_count; i++) {
		struct leat_keyed *stream =
			open_stream(run, branch, run->stages.streams[branch->from[i]].name);

		if (stream == NULL)
			return (struct leat_port){ 0 };
		keyed[i] = leat_flow_step(ports[i], &add_keys_step, stream);
	}
	port = leat_flow_merge_by(keyed, branch->from_count, key_of, NULL);
	return leat_flow_step(leat_flow_name(port, name), &drop_keys_step, NULL);
}

void leat_keyed_free(struct leat_run *run)
{
	while (run->keyed != NULL) {
		struct leat_keyed *stream = run->keyed;

		run->keyed = stream->next;
		leat_expr_close(stream->expr);
		leat_row_fini(&stream->row);
		free(stream);
	}
}
