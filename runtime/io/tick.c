/*
 * Numbers: of the ticks that are due, and one after another.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/io/common.h"
#include "runtime/os/os.h"

/*
 * Sets *tick to the tick to emit after `last`: the next one, once it is due; or the latest that is
 * due, if the source is late.
 */
static int await_tick(const struct leat_source *source, int64_t start_ns, int64_t interval_ns,
                      uint64_t last, uint64_t *tick)
{
	int64_t due_ns = leat_source_due(start_ns, last + 1, interval_ns);
	bool is_last = source->until_ns <= due_ns && source->until_ns != LEAT_NEVER;
	int64_t now_ns = leat_now_ns();
	int rc;

	if (now_ns < due_ns) {
		rc = leat_source_wait(source, -1, is_last ? source->until_ns : due_ns);
		if (rc != -ETIMEDOUT)
			return rc;
		now_ns = leat_now_ns();
	}
	if (is_last)
		return LEAT_EMIT_ENOUGH;
	*tick = (uint64_t)(now_ns - start_ns) / (uint64_t)interval_ns;
	return leat_source_check(source);
}

/* Where numbers become text: in the blocks of a splitter, as lines that were read do. */
struct number_text {
	struct leat_splitter split;
	uint64_t last; /* the number that the figures are */
	char figures[20];
	size_t first; /* where they begin; 0 figures before the first number */
};

/* The number after the last is made from its figures, which is several times faster. */
static void count_figures(struct number_text *text)
{
	char *figure = text->figures + sizeof(text->figures) - 1;

	while (figure >= text->figures + text->first && *figure == '9')
		*figure-- = '0';
	if (figure < text->figures + text->first) {
		text->first--;
		*figure = '0';
	}
	(*figure)++;
}

static void set_figures(struct number_text *text, uint64_t number)
{
	uint64_t rest = number;

	if (number != 0 && number == text->last + 1 && text->first > 0) {
		count_figures(text);
	} else {
		text->first = sizeof(text->figures);
		do
			text->figures[--text->first] = (char)('0' + rest % 10);
		while ((rest /= 10) != 0);
	}
	text->last = number;
}

static int emit_text(struct leat_source *source, struct number_text *text, uint64_t number)
{
	struct leat_line line;
	int rc;

	set_figures(text, number);
	rc = leat_splitter_put(&text->split, &line, text->figures + text->first,
	                       sizeof(text->figures) - text->first);
	if (rc < 0)
		return leat_source_fail(source, rc, NULL);
	rc = leat_source_emit(source, &line);
	if (rc != 0)
		leat_line_free(&line);
	return rc;
}

static int emit_number(struct leat_source *source, struct number_text *text, uint64_t number)
{
	if (source->to->as_text)
		return emit_text(source, text, number);
	return leat_source_emit(source, &number); /* an emitter may change its copy */
}

int leat_tick_into(const struct leat_emitter *to, const struct leat_tick_opts *opts)
{
	struct leat_source source = { .to = to, .name = "tick" };
	struct number_text text = { .first = 0 };
	int64_t start_ns = leat_now_ns();
	uint64_t tick = 0;
	int rc;

	if (opts == NULL)
		return leat_source_refuse(&source, -EINVAL, "no options");
	source.until_ns = leat_source_until(opts->until_ns);
	rc = leat_source_check_opts(&source, opts->reserved, 4,
	                            opts->interval_ns <= 0 ? "the interval must be above 0" : NULL);
	while (rc == 0) {
		rc = await_tick(&source, start_ns, opts->interval_ns, tick, &tick);
		if (rc == 0)
			rc = emit_number(&source, &text, tick);
	}
	leat_splitter_fini(&text.split);
	return leat_source_end(rc);
}

int leat_count_into(const struct leat_emitter *to, const struct leat_count_opts *opts)
{
	struct leat_source source = { .to = to, .name = "count" };
	struct number_text text = { .first = 0 };
	uint64_t n;
	int rc;

	if (opts == NULL)
		return leat_source_refuse(&source, -EINVAL, "no options");
	source.until_ns = leat_source_until(opts->until_ns);
	rc = leat_source_check_opts(&source, opts->reserved, 4, NULL);
	if (rc < 0 || opts->first > opts->last)
		return rc;
	n = opts->first;
	do {
		rc = emit_number(&source, &text, n);
	} while (rc == 0 && n++ != opts->last); /* n may be UINT64_MAX */
	leat_splitter_fini(&text.split);
	return leat_source_end(rc);
}

static int run_tick_source(const struct leat_emitter *to, const void *opts)
{
	return leat_tick_into(to, opts);
}

static int run_count_source(const struct leat_emitter *to, const void *opts)
{
	return leat_count_into(to, opts);
}

int leat_tick(struct leat_tx *out, void *opts)
{
	const struct leat_tick_opts *tick = opts;

	return leat_source_send_numbers(out, "tick", tick != NULL ? tick->until_ns : 0,
	                                run_tick_source, opts);
}

int leat_count(struct leat_tx *out, void *opts)
{
	const struct leat_count_opts *count = opts;

	return leat_source_send_numbers(out, "count", count != NULL ? count->until_ns : 0,
	                                run_count_source, opts);
}

/* A seq of ticks, or of numbers. */
struct number_source {
	struct leat_source source;
	int64_t start_ns, interval_ns;
	uint64_t last;      /* the tick that was made last */
	uint64_t next, end; /* of count */
	bool ended;
};

/* Once it has ended it makes no more items. */
static int end_numbers(struct number_source *numbers, int rc)
{
	numbers->ended = true;
	return leat_source_end(rc);
}

static int next_tick(void *state, void *item)
{
	struct number_source *numbers = state;
	uint64_t *tick = item;
	int rc;

	if (numbers->ended)
		return 0;
	rc = await_tick(&numbers->source, numbers->start_ns, numbers->interval_ns, numbers->last,
	                tick);
	if (rc == LEAT_AFTER)
		return rc;
	if (rc != 0)
		return end_numbers(numbers, rc);
	numbers->last = *tick;
	return 1;
}

static int next_number(void *state, void *item)
{
	struct number_source *numbers = state;
	uint64_t *number = item;

	if (numbers->ended)
		return 0;
	if (leat_source_pace(&numbers->source) != 0)
		return end_numbers(numbers, 0);
	*number = numbers->next;
	numbers->ended = numbers->next++ == numbers->end; /* next may wrap */
	return 1;
}

static int make_numbers(struct leat_seq *seq, leat_next_fn *next, const struct number_source *from)
{
	struct number_source *numbers = leat_os_alloc(sizeof(*numbers), 0);

	if (numbers == NULL)
		return -ENOMEM;
	*numbers = *from;
	*seq = (struct leat_seq){ next, leat_os_free, numbers, sizeof(uint64_t) };
	return 0;
}

int leat_tick_seq(const struct leat_tick_opts *opts, struct leat_seq *seq)
{
	struct number_source numbers = { .source.name = "tick", .start_ns = leat_now_ns() };
	int rc;

	if (!leat_source_seq_wanted(seq, opts))
		return -EINVAL;
	numbers.source.until_ns = leat_source_until(opts->until_ns);
	numbers.interval_ns = opts->interval_ns;
	rc = leat_source_check_opts(&numbers.source, opts->reserved, 4,
	                            opts->interval_ns <= 0 ? "the interval must be above 0" : NULL);
	return rc == 0 ? make_numbers(seq, next_tick, &numbers) : rc;
}

int leat_count_seq(const struct leat_count_opts *opts, struct leat_seq *seq)
{
	struct number_source numbers = { .source.name = "count" };
	int rc;

	if (!leat_source_seq_wanted(seq, opts))
		return -EINVAL;
	numbers.source.until_ns = leat_source_until(opts->until_ns);
	numbers.next = opts->first;
	numbers.end = opts->last;
	numbers.ended = opts->first > opts->last;
	rc = leat_source_check_opts(&numbers.source, opts->reserved, 4, NULL);
	return rc == 0 ? make_numbers(seq, next_number, &numbers) : rc;
}
