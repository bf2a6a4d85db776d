/*
 * What the program's batch, window, delay, debounce and every:TIME make of lines that come at these
 * times.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/later.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <leat/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The step whose text this is. */
struct step {
	struct leat_stages stages;
	struct leat_later *later;
};

static void open_step(struct step *step, const char *text)
{
	struct leat_mistake mistake;
	char flow[256];

	snprintf(flow, sizeof(flow), "count:1 | %s | null", text);
	cr_assert_eq(leat_stages_parse(flow, &step->stages, &mistake), 0, "%s", mistake.what);
	cr_assert(leat_later_is(&step->stages.list[1]));
	cr_assert_eq(leat_later_open(&step->later, &step->stages.list[1]), 0);
	leat_later_begin(step->later, 1000);
}

static void close_step(struct step *step)
{
	leat_later_close(step->later);
	leat_stages_free(&step->stages);
}

static void expect_line(struct leat_line *line, const char *text)
{
	cr_expect(line->len == strlen(text) && memcmp(line->data, text, line->len) == 0,
	          "\"%.*s\", not \"%s\"", (int)line->len, line->data, text);
	leat_line_free(line);
}

/* made: what goes on at once; NULL: nothing does. */
static void put(struct step *step, const char *text, int64_t now_ns, const char *made)
{
	struct leat_line line;

	cr_assert_eq(leat_line_copy(&line, text, strlen(text)), 0);
	cr_expect_eq(leat_later_put(step->later, &line, now_ns), made != NULL);
	if (made != NULL)
		expect_line(&line, made);
	else
		cr_expect_null(line.block, "the step has taken it over");
}

static void take(struct step *step, int64_t now_ns, bool last, const char *made)
{
	struct leat_line line;

	cr_expect_eq(leat_later_take(step->later, now_ns, last, &line), made != NULL);
	if (made != NULL)
		expect_line(&line, made);
}

static void expect_due(const struct step *step, int64_t due_ns)
{
	cr_expect_eq(leat_later_due_ns(step->later), due_ns, "due at %lld, not %lld",
	             (long long)leat_later_due_ns(step->later), (long long)due_ns);
}

Test(text_later, a_batch_goes_on_when_it_is_full)
{
	struct step step;

	open_step(&step, "batch:3 between:', '");
	cr_expect_not(leat_later_is_timed(&step.stages.list[1]));
	put(&step, "a", 1000, NULL);
	put(&step, "", 1000, NULL);
	expect_due(&step, LEAT_NEVER);
	take(&step, INT64_MAX - 1, false, NULL);
	put(&step, "c", 1000, "a, , c");
	put(&step, "d", 1000, NULL);
	take(&step, 1000, true, "d");
	take(&step, 1000, true, NULL);
	close_step(&step);
}

Test(text_later, a_batch_goes_on_a_time_after_its_first_line)
{
	struct step step;

	open_step(&step, "batch:3 within:50ns");
	put(&step, "a", 1100, NULL);
	put(&step, "b", 1140, NULL);
	expect_due(&step, 1150);
	take(&step, 1149, false, NULL);
	take(&step, 1150, false, "a\tb");
	expect_due(&step, LEAT_NEVER);
	put(&step, "c", 1151, NULL);
	put(&step, "d", 1152, NULL);
	put(&step, "e", 1160, "c\td\te");
	expect_due(&step, LEAT_NEVER);
	take(&step, 2000, false, NULL);
	close_step(&step);
}

Test(text_later, a_window_has_the_lines_before)
{
	struct step step;
	char text[16], made[64];

	open_step(&step, "window:3 between:''");
	put(&step, "1", 0, NULL);
	put(&step, "2", 0, NULL);
	for (int i = 3; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		snprintf(made, sizeof(made), "%d%d%d", i - 2, i - 1, i);
		put(&step, text, 0, made);
	}
	take(&step, 0, true, NULL);
	close_step(&step);
}

Test(text_later, a_delay_keeps_the_order_and_the_distances)
{
	struct step step;
	struct leat_line line;

	open_step(&step, "delay:100ns most:40");
	for (int i = 0; i < 40; i++)
		put(&step, i % 2 == 0 ? "even" : "odd", 1000 + i, NULL);
	cr_assert_eq(leat_line_copy(&line, "full", 4), 0);
	cr_expect_eq(leat_later_put(step.later, &line, 1050), -EAGAIN);
	cr_expect_eq(line.len, 4, "it is still the caller's");
	leat_line_free(&line);
	for (int i = 0; i < 40; i++) {
		expect_due(&step, 1100 + i);
		take(&step, 1099 + i, false, NULL);
		take(&step, 1099 + i, true, NULL);
		take(&step, 1100 + i, i % 3 == 0, i % 2 == 0 ? "even" : "odd");
		put(&step, "again", 2000 + i, NULL);
	}
	take(&step, 2100, true, "again");
	expect_due(&step, 2101);
	close_step(&step);
}

Test(text_later, a_debounce_passes_the_last_line_of_a_burst)
{
	struct step step;

	open_step(&step, "debounce:10ns");
	put(&step, "a", 1000, NULL);
	put(&step, "b", 1009, NULL);
	expect_due(&step, 1019);
	take(&step, 1018, false, NULL);
	take(&step, 1019, false, "b");
	expect_due(&step, LEAT_NEVER);
	put(&step, "c", 1030, NULL);
	take(&step, 1031, true, "c");
	take(&step, 1031, true, NULL);
	close_step(&step);
}

Test(text_later, every_time_counts_from_the_start)
{
	struct step step;

	open_step(&step, "every:100ns");
	put(&step, "a", 1010, NULL);
	put(&step, "b", 1099, NULL);
	expect_due(&step, 1100);
	take(&step, 1105, false, "b");
	expect_due(&step, LEAT_NEVER);
	put(&step, "c", 1350, NULL);
	expect_due(&step, 1400);
	put(&step, "d", 1400, NULL);
	expect_due(&step, 1500);
	take(&step, 1450, true, "d");
	close_step(&step);
}

Test(text_later, a_line_that_would_be_too_long_is_refused)
{
	const size_t len = LEAT_LINE_BYTES / 2;
	struct step step;
	struct leat_line line;
	char *text = calloc(1, len);

	cr_assert_not_null(text);
	open_step(&step, "batch:3");
	cr_assert_eq(leat_line_copy(&line, text, len), 0);
	cr_expect_eq(leat_later_put(step.later, &line, 0), 0);
	cr_assert_eq(leat_line_copy(&line, text, len), 0);
	cr_expect_eq(leat_later_put(step.later, &line, 0), -EMSGSIZE);
	cr_expect_eq(line.len, len, "it is still the caller's");
	leat_line_free(&line);
	put(&step, "b", 0, NULL);
	close_step(&step);
	free(text);
}
