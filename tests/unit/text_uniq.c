/*
 * What the program's uniq and distinct remember of lines that came before.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/uniq.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_text(struct leat_uniq *uniq, const char *text)
{
	return leat_uniq_add(uniq, text, strlen(text));
}

Test(text_uniq, uniq_knows_the_line_before)
{
	struct leat_uniq uniq = { 0 };

	cr_expect_eq(leat_uniq_add(&uniq, NULL, 0), 1, "an empty first line");
	cr_expect_eq(add_text(&uniq, ""), 0);
	cr_expect_eq(add_text(&uniq, "a"), 1);
	cr_expect_eq(add_text(&uniq, "a"), 0);
	cr_expect_eq(add_text(&uniq, "ab"), 1);
	cr_expect_eq(add_text(&uniq, "a"), 1);
	cr_expect_eq(leat_uniq_add(&uniq, "a\0b", 3), 1);
	cr_expect_eq(leat_uniq_add(&uniq, "a\0c", 3), 1);
	cr_expect_eq(leat_uniq_add(&uniq, "a\0c", 3), 0);
	leat_uniq_fini(&uniq);
}

Test(text_uniq, uniq_does_not_keep_the_memory_of_one_long_line)
{
	struct leat_uniq uniq = { 0 };
	size_t len = 5000000;
	char *text = malloc(len);

	memset(text, 'x', len);
	cr_expect_eq(leat_uniq_add(&uniq, text, len), 1);
	cr_expect_eq(leat_uniq_add(&uniq, text, len), 0);
	cr_expect_geq(uniq.size, len);
	cr_expect_eq(add_text(&uniq, "x"), 1);
	cr_expect_leq(uniq.size, 1000);
	cr_expect_eq(leat_uniq_add(&uniq, text, len), 1);
	free(text);
	leat_uniq_fini(&uniq);
}

static int add_recent(struct leat_recent *recent, const char *text)
{
	return leat_recent_add(recent, text, strlen(text));
}

Test(text_uniq, distinct_knows_the_last_different_lines)
{
	struct leat_recent recent;

	leat_recent_init(&recent, 2);
	cr_expect_eq(leat_recent_add(&recent, NULL, 0), 1);
	cr_expect_eq(add_recent(&recent, "a"), 1);
	cr_expect_eq(add_recent(&recent, ""), 0, "one of the two keeps its place");
	cr_expect_eq(add_recent(&recent, "a\n"), 1, "the empty line is the oldest");
	cr_expect_eq(add_recent(&recent, "a"), 0);
	cr_expect_eq(add_recent(&recent, ""), 1);
	cr_expect_eq(add_recent(&recent, "a"), 1);
	cr_expect_eq(add_recent(&recent, "a\n"), 1);
	leat_recent_fini(&recent);
}

Test(text_uniq, distinct_of_1_is_uniq)
{
	struct leat_recent recent;
	struct leat_uniq uniq = { 0 };
	unsigned seed = 1;

	leat_recent_init(&recent, 1);
	for (int i = 0; i < 10000; i++) {
		char text[2] = { (char)('a' + rand_r(&seed) % 3) };

		cr_assert_eq(add_recent(&recent, text), add_text(&uniq, text));
	}
	leat_recent_fini(&recent);
	leat_uniq_fini(&uniq);
}

/* Against a plain search through the last lines, for bounds around the sizes at which it grows. */
Test(text_uniq, distinct_is_right_at_each_bound)
{
	static const size_t bounds[] = { 1, 2, 3, 63, 64, 65, 127, 128, 129, 500 };
	unsigned seed = 7;

	for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
		size_t most = bounds[b], came = 0;
		int last[500];
		struct leat_recent recent;

		leat_recent_init(&recent, most);
		for (int i = 0; i < 20000; i++) {
			int value = rand_r(&seed) % (int)(2 * most + 1), known = 0;
			char text[16];

			for (size_t k = 0; k < most && k < came; k++)
				known |= last[k] == value;
			if (!known)
				last[came++ % most] = value;
			sprintf(text, "%d", value);
			cr_assert_eq(add_recent(&recent, text), !known, "of the last %zu: %s", most,
			             text);
		}
		leat_recent_fini(&recent);
	}
}
