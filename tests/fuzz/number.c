/*
 * Fuzzes lines that may be numbers: which are, and which, against strtod(3); their sum against one
 * of doubles; and what all sinks of numbers make of them. The lines go through uniq and distinct,
 * too, against searches through all that came.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fuzz/fuzz.h"
#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/uniq.h"

#include <math.h>

#define LINES_MAX 64
#define RECENT 3

static struct leat_line lines[LINES_MAX];
static size_t count;

/* The lines stay in data. */
static void split_lines(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;

	for (count = 0; p < end && count < LINES_MAX; count++) {
		const char *feed = memchr(p, '\n', (size_t)(end - p));

		feed = feed != NULL ? feed : end;
		lines[count] = (struct leat_line){ .data = p, .len = (size_t)(feed - p) };
		p = feed + 1;
	}
}

/* As strtod(3) has it, which takes other things for numbers, too: words and hexadecimal figures. */
static bool read_reference(const struct leat_line *line, double *value)
{
	char *copy = malloc(line->len + 1), *end, *text;
	bool is_number;

	CHECK(copy != NULL, "no memory");
	memcpy(copy, line->data, line->len);
	copy[line->len] = '\0';
	text = copy + strspn(copy, " \t\n\v\f\r");
	*value = strtod(text, &end);
	is_number = end != text && strpbrk(text, "xXnNiI") == NULL && isfinite(*value);
	is_number = is_number && copy + line->len == end + strspn(end, " \t\n\v\f\r");
	free(copy);
	return is_number;
}

static void check_numbers(void)
{
	struct leat_sum sum = { 0 };
	long double wanted = 0, sizes = 0;
	char text[LEAT_SUM_TEXT + 1];

	for (size_t i = 0; i < count; i++) {
		struct leat_number number;
		double value, found;
		bool is_number = leat_number_read(lines[i].data, lines[i].len, &number);

		CHECK(is_number == read_reference(&lines[i], &value), "\"%.*s\"", (int)lines[i].len,
		      lines[i].data);
		if (!is_number)
			continue;
		found = leat_number_double(&number);
		CHECK(fabs(found - value) <= fabs(value) * 2.3e-16, "%.17g, not %.17g", found,
		      value);
		leat_sum_add(&sum, &number);
		wanted += value;
		sizes += fabs(value);
	}
	CHECK(fabsl(leat_sum_value(&sum) - wanted) <= sizes * 1e-14L, "a sum");
	text[leat_sum_put(&sum, text)] = '\0';
	CHECK(fabsl(strtold(text, NULL) - wanted) <= sizes * 1e-14L, "%s", text);
}

static void check_sinks(void)
{
	static const enum leat_verb verbs[] = { LEAT_VERB_SUM,       LEAT_VERB_MIN,
		                                LEAT_VERB_MAX,       LEAT_VERB_MEAN,
		                                LEAT_VERB_QUANTILES, LEAT_VERB_HISTOGRAM };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		struct leat_stage_type type = { .verb = verbs[i] };
		struct leat_stage stage = { .type = &type };
		struct leat_numeric numeric;
		char *text = NULL, note[LEAT_NOTE];
		size_t size;
		FILE *out = open_memstream(&text, &size);

		CHECK(out != NULL && leat_numeric_init(&numeric, &stage) == 0, "no memory");
		CHECK(leat_numeric_add(&numeric, lines, count) == 0, "no memory");
		CHECK(leat_numeric_put(&numeric, 80, out) == 0, "no memory");
		fclose(out);
		leat_numeric_note(&numeric, note);
		CHECK(numeric.lines == count && numeric.sum.count <= count, "lines");
		CHECK((size != 0) == (numeric.sum.count != 0 || verbs[i] == LEAT_VERB_SUM),
		      "\"%s\"", text);
		CHECK(size == 0 || text[size - 1] == '\n', "\"%s\"", text);
		CHECK((note[0] != '\0') >= (numeric.sum.count < count), "lines that are not told");
		free(text);
		leat_numeric_fini(&numeric);
	}
}

static bool same_lines(const struct leat_line *a, const struct leat_line *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void check_repeats(void)
{
	struct leat_uniq uniq = { 0 };
	struct leat_recent recent;
	size_t last[LINES_MAX], came = 0;

	leat_recent_init(&recent, RECENT);
	for (size_t i = 0; i < count; i++) {
		bool again = i > 0 && same_lines(&lines[i - 1], &lines[i]), known = false;

		for (size_t k = came > RECENT ? came - RECENT : 0; k < came; k++)
			known |= same_lines(&lines[last[k]], &lines[i]);
		CHECK(leat_uniq_add(&uniq, lines[i].data, lines[i].len) == !again, "uniq, %zu", i);
		CHECK(leat_recent_add(&recent, lines[i].data, lines[i].len) == !known,
		      "distinct, %zu", i);
		if (!known)
			last[came++] = i;
	}
	leat_uniq_fini(&uniq);
	leat_recent_fini(&recent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	split_lines(data, size);
	check_numbers();
	check_sinks();
	check_repeats();
	return 0;
}
