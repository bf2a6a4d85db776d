/*
 * tools/leat/flow/later.c: the steps that keep lines, and pass on something later. See later.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/later.h"

#include <leat/base.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A joined text of more bytes is not kept as room for the next one. */
#define ROOM_KEPT ((size_t)1 << 20)

struct leat_later {
	const struct leat_stage *stage;
	int64_t ns, start_ns;
	int64_t due_ns; /* of a batch, a debounce, every:TIME; LEAT_NEVER: it holds nothing */
	size_t most, count;
	/* batch, window: what is joined, and what stands between two lines */
	const char *between;
	size_t between_len, len, size;
	char *text;
	/* window, delay: a ring of lines, the oldest at `first`; the others: one line */
	struct leat_line *lines;
	int64_t *times_ns; /* of a delay: when they go on */
	size_t first, room;
};

bool leat_later_is(const struct leat_stage *stage)
{
	const enum leat_verb verb = stage->type->verb;

	return verb == LEAT_VERB_BATCH || verb == LEAT_VERB_WINDOW || leat_later_is_timed(stage);
}

bool leat_later_is_timed(const struct leat_stage *stage)
{
	switch (stage->type->verb) {
	case LEAT_VERB_BATCH:
		return leat_stage_key(stage, "within")->given;
	case LEAT_VERB_EVERY:
		return stage->arg.ns != 0;
	case LEAT_VERB_DELAY:
	case LEAT_VERB_DEBOUNCE:
		return true;
	default:
		return false;
	}
}

/* How many lines it holds at most. */
static size_t find_most(const struct leat_stage *stage)
{
	const struct leat_value *most = leat_stage_key(stage, "most");

	switch (stage->type->verb) {
	case LEAT_VERB_BATCH:
	case LEAT_VERB_WINDOW:
		return (size_t)stage->arg.number;
	case LEAT_VERB_DELAY:
		return most->given ? (size_t)most->number : LEAT_DELAY_MOST;
	default:
		return 1;
	}
}

int leat_later_open(struct leat_later **made, const struct leat_stage *stage)
{
	const struct leat_value *within = leat_stage_key(stage, "within"),
				*between = leat_stage_key(stage, "between");
	struct leat_later *later = calloc(1, sizeof(*later));

	*made = later;
	if (later == NULL)
		return -ENOMEM;
	later->stage = stage;
	later->ns = within->given ? within->ns : stage->arg.ns;
	later->due_ns = LEAT_NEVER;
	later->most = find_most(stage);
	later->between = between->given ? between->text : "\t";
	later->between_len = strlen(later->between);
	return 0;
}

void leat_later_close(struct leat_later *later)
{
	if (later == NULL)
		return;
	for (; later->lines != NULL && later->count > 0; later->count--) {
		leat_line_free(&later->lines[later->first]);
		later->first = (later->first + 1) % later->room;
	}
	free(later->text);
	free(later->lines);
	free(later->times_ns);
	free(later);
}

void leat_later_begin(struct leat_later *later, int64_t start_ns)
{
	later->start_ns = start_ns;
}

/* --- lines that are joined --- */

static int append_text(struct leat_later *later, const char *text, size_t len)
{
	const size_t wanted = later->len + len;

	if (wanted >= LEAT_LINE_BYTES)
		return -EMSGSIZE;
	if (wanted > later->size) {
		const size_t size = wanted < 64 ? 128 : 2 * wanted;
		char *grown = realloc(later->text, size);

		if (grown == NULL)
			return -ENOMEM;
		later->text = grown;
		later->size = size;
	}
	if (len != 0)
		memcpy(later->text + later->len, text, len);
	later->len = wanted;
	return 0;
}

static int join_line(struct leat_later *later, const struct leat_line *line, bool first)
{
	int rc = first ? 0 : append_text(later, later->between, later->between_len);

	return rc != 0 ? rc : append_text(later, line->data, line->len);
}

/* The joined text as a line; then there is none. */
static int take_text(struct leat_later *later, struct leat_line *line)
{
	struct leat_line made;
	int rc = leat_line_copy(&made, later->len != 0 ? later->text : "", later->len);

	if (rc != 0)
		return rc;
	later->len = 0;
	if (later->size > ROOM_KEPT) {
		free(later->text);
		later->text = NULL;
		later->size = 0;
	}
	leat_line_free(line);
	*line = made;
	return 1;
}

/* --- batch --- */

static int end_batch(struct leat_later *later, struct leat_line *line)
{
	int rc = take_text(later, line);

	if (rc != 1)
		return rc;
	later->count = 0;
	later->due_ns = LEAT_NEVER;
	return 1;
}

static int put_batch(struct leat_later *later, struct leat_line *line, int64_t now_ns)
{
	const size_t len = later->len;
	int rc = join_line(later, line, later->count == 0);

	if (rc != 0) {
		later->len = len;
		return rc;
	}
	if (later->count++ == 0 && later->ns != 0)
		later->due_ns = now_ns + later->ns;
	if (later->count == later->most)
		return end_batch(later, line);
	leat_line_free(line);
	return 0;
}

/* --- lines in a ring: window, delay --- */

static int grow_ring(struct leat_later *later)
{
	size_t room = later->room < 16 ? 16 : 2 * later->room;
	struct leat_line *lines;
	int64_t *times_ns;

	room = room < later->most ? room : later->most;
	lines = calloc(room, sizeof(*lines));
	times_ns = calloc(room, sizeof(*times_ns));
	if (lines == NULL || times_ns == NULL) {
		free(lines);
		free(times_ns);
		return -ENOMEM;
	}
	for (size_t i = 0; i < later->count; i++) {
		lines[i] = later->lines[(later->first + i) % later->room];
		times_ns[i] = later->times_ns[(later->first + i) % later->room];
	}
	free(later->lines);
	free(later->times_ns);
	later->lines = lines;
	later->times_ns = times_ns;
	later->first = 0;
	later->room = room;
	return 0;
}

/* Takes the line over, as the last one of the ring, which has less than it can have. */
static int push_line(struct leat_later *later, struct leat_line *line, int64_t due_ns)
{
	int rc = later->count == later->room ? grow_ring(later) : 0;
	size_t at;

	if (rc != 0)
		return rc;
	at = (later->first + later->count++) % later->room;
	later->lines[at] = *line;
	later->times_ns[at] = due_ns;
	*line = (struct leat_line){ 0 };
	return 0;
}

static void pop_line(struct leat_later *later, struct leat_line *line)
{
	*line = later->lines[later->first];
	later->first = (later->first + 1) % later->room;
	later->count--;
}

static int put_window(struct leat_later *later, struct leat_line *line)
{
	struct leat_line oldest;
	int rc;

	if (later->count == later->most) {
		pop_line(later, &oldest);
		leat_line_free(&oldest);
	}
	rc = push_line(later, line, 0);
	if (rc != 0 || later->count < later->most)
		return rc;
	for (size_t i = 0; rc == 0 && i < later->count; i++)
		rc = join_line(later, &later->lines[(later->first + i) % later->room], i == 0);
	return rc != 0 ? rc : take_text(later, line);
}

static int put_delayed(struct leat_later *later, struct leat_line *line, int64_t now_ns)
{
	return later->count == later->most ? -EAGAIN : push_line(later, line, now_ns + later->ns);
}

/* --- debounce and every:TIME: the last line that came --- */

static int put_latest(struct leat_later *later, struct leat_line *line, int64_t now_ns)
{
	struct leat_line before = { 0 };
	int rc;

	if (later->count != 0)
		pop_line(later, &before);
	leat_line_free(&before);
	rc = push_line(later, line, 0);
	if (rc != 0)
		return rc;
	later->due_ns = now_ns + later->ns;
	if (later->stage->type->verb == LEAT_VERB_EVERY)
		later->due_ns -= (now_ns - later->start_ns) % later->ns;
	return 0;
}

/* --- all --- */

int leat_later_put(struct leat_later *later, struct leat_line *line, int64_t now_ns)
{
	switch (later->stage->type->verb) {
	case LEAT_VERB_BATCH:
		return put_batch(later, line, now_ns);
	case LEAT_VERB_WINDOW:
		return put_window(later, line);
	case LEAT_VERB_DELAY:
		return put_delayed(later, line, now_ns);
	default:
		return put_latest(later, line, now_ns);
	}
}

int leat_later_take(struct leat_later *later, int64_t now_ns, bool last, struct leat_line *line)
{
	const enum leat_verb verb = later->stage->type->verb;
	const bool waits = !last || verb == LEAT_VERB_DELAY;

	*line = (struct leat_line){ 0 };
	if (later->count == 0 || (waits && leat_later_due_ns(later) > now_ns) ||
	    verb == LEAT_VERB_WINDOW)
		return 0;
	if (verb == LEAT_VERB_BATCH)
		return end_batch(later, line);
	pop_line(later, line);
	later->due_ns = LEAT_NEVER;
	return 1;
}

int64_t leat_later_due_ns(const struct leat_later *later)
{
	if (later->stage->type->verb == LEAT_VERB_DELAY)
		return later->count != 0 ? later->times_ns[later->first] : LEAT_NEVER;
	return later->due_ns;
}
