/*
 * What the program's sink `group` keeps for each key, what it makes of it, and the forms of
 * results.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/cells.h"
#include "tools/leat/flow/group.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct leat_number number_of(const char *text)
{
	struct leat_number number;

	cr_assert(leat_number_read(text, strlen(text), &number), "%s", text);
	return number;
}

static void expect_sum(const struct leat_sum *sum, const char *text)
{
	char put[LEAT_SUM_TEXT];
	size_t len = leat_sum_put(sum, put);

	cr_expect(len == strlen(text) && memcmp(put, text, len) == 0, "%.*s, not %s", (int)len, put,
	          text);
}

static char *open_group(size_t size)
{
	char *group = calloc(1, size);

	cr_assert_not_null(group);
	return group;
}

Test(text_group, cells_take_only_what_is_wanted)
{
	struct leat_cells sum = { 0 }, bounds = { 0 };
	size_t size = 0;

	leat_cells_want(&sum, LEAT_CELL_SUM, &size);
	leat_cells_want(&sum, LEAT_CELL_SUM, &size);
	cr_expect_eq(size, 32);
	leat_cells_want(&bounds, LEAT_CELL_LEAST, &size);
	cr_expect_eq(size, 32 + 24);
	leat_cells_want(&bounds, LEAT_CELL_GREATEST, &size);
	cr_expect_eq(size, 32 + 40);
	leat_cells_want(&bounds, LEAT_CELL_QUANTILES, &size);
	cr_expect_eq(size, 32 + 48);
}

/* The same numbers into a cell and into the sum of number.h, which both are exact: at each step. */
Test(text_group, a_cell_has_the_sum_that_a_sum_has)
{
	static const char *const texts[] = { "1",
		                             "-1",
		                             "0.1",
		                             "-0.999999999999999999",
		                             "0.999999999999999999",
		                             "9223372036854775807",
		                             "-9223372036854775808",
		                             "99999999999999999999999999999999999999",
		                             "-12345678901234567890.5",
		                             "9000000000000000000.75",
		                             "-0.000000000000000001",
		                             "0" };
	unsigned seed = 5;

	for (int round = 0; round < 200; round++) {
		struct leat_cells cells = { 0 };
		struct leat_sum sum = { 0 }, got;
		char put[LEAT_SUM_TEXT], *group;
		size_t size = 0;

		leat_cells_want(&cells, LEAT_CELL_SUM, &size);
		group = open_group(size);
		for (int i = 0; i < 40; i++) {
			/* in half of the rounds only such that fit into 64 bits */
			size_t kinds = round % 2 == 0 ? 7 : sizeof(texts) / sizeof(texts[0]);
			struct leat_number number = number_of(texts[(size_t)rand_r(&seed) % kinds]);

			leat_sum_add(&sum, &number);
			cr_assert_eq(leat_cells_add(&cells, group, &number), 0);
			leat_cells_sum(&cells, group, &got);
			put[leat_sum_put(&sum, put)] = '\0';
			expect_sum(&got, put);
			cr_assert_eq(got.count, sum.count);
			cr_assert_eq(leat_cells_count(&cells, group), sum.count);
		}
		leat_cells_fini(&cells, group);
		free(group);
	}
}

Test(text_group, bounds_are_exact)
{
	static const char *const texts[] = { "7",
		                             "-3.5",
		                             "123456789012345678901234567890",
		                             "-123456789012345678901234567890.25",
		                             "1e300",
		                             "-1e300",
		                             "12",
		                             "-12" };
	struct leat_number least = number_of("7"), greatest = least;
	struct leat_cells cells = { 0 };
	size_t size = 0;
	char *group;

	leat_cells_want(&cells, LEAT_CELL_LEAST, &size);
	leat_cells_want(&cells, LEAT_CELL_GREATEST, &size);
	group = open_group(size);
	for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
		struct leat_number number = number_of(texts[i / 2]), got;

		cr_assert_eq(leat_cells_add(&cells, group, &number), 0);
		if (leat_number_compare(&number, &least) < 0)
			least = number;
		if (leat_number_compare(&number, &greatest) > 0)
			greatest = number;
		got = leat_cells_bound(&cells, group, LEAT_CELL_LEAST);
		cr_expect_eq(leat_number_compare(&got, &least), 0, "least after %s", texts[i / 2]);
		got = leat_cells_bound(&cells, group, LEAT_CELL_GREATEST);
		cr_expect_eq(leat_number_compare(&got, &greatest), 0, "greatest after %s",
		             texts[i / 2]);
	}
	leat_cells_fini(&cells, group);
	free(group);
}

Test(text_group, quantiles_of_a_group_become_a_sketch)
{
	struct leat_cells cells = { 0 };
	struct leat_quantiles *quantiles = NULL;
	size_t size = 0;
	char *group;
	double median;

	leat_cells_want(&cells, LEAT_CELL_QUANTILES, &size);
	group = open_group(size);
	cr_expect_null(leat_cells_quantiles(&cells, group));
	for (long i = 0; i < 3 * (long)LEAT_CELLS_KEPT; i++) {
		struct leat_number number = { .exact = true, .whole = i % 2 == 0 ? i : -i };

		cr_assert_eq(leat_cells_add(&cells, group, &number), 0);
		quantiles = leat_cells_quantiles(&cells, group);
		cr_expect_eq(leat_quantiles_sketched(quantiles), i >= (long)LEAT_CELLS_KEPT);
	}
	cr_assert_eq(leat_quantiles_find(quantiles, 75000000, &median), 0);
	cr_expect(fabs(median - 6142) <= 6142 * LEAT_QUANTILES_ERROR, "%g", median);
	cr_assert_eq(leat_quantiles_find(quantiles, 25000000, &median), 0);
	cr_expect(fabs(median + 6145) <= 6145 * LEAT_QUANTILES_ERROR, "%g", median);
	leat_cells_fini(&cells, group);
	free(group);
}

/* As a double is written, so it is read. */
Test(text_group, a_double_is_the_number_that_is_written)
{
	static const double values[] = {
		0,     -0.0,   0.1,       0.1 + 0.2,          1.0 / 3, 100,
		-2.5,  1e15,   1e16 + 2,  9007199254740992.0, 1e-7,    123456.789012,
		1e300, 5e-324, 0.0000015, -999999999.999999
	};
	struct leat_number number;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[40];
		struct leat_number written;

		sprintf(text, "%.15g", values[i]);
		if (strtod(text, NULL) != values[i])
			sprintf(text, "%.17g", values[i]);
		written = number_of(text);
		cr_assert(leat_number_from(values[i], &number));
		cr_expect_eq(number.exact, written.exact, "%s", text);
		cr_expect_eq(leat_number_compare(&number, &written), 0, "%s", text);
	}
	cr_expect(!leat_number_from(NAN, &number) && !leat_number_from(INFINITY, &number) &&
	          !leat_number_from(-INFINITY, &number));
}

Test(text_group, ranks_of_doubles_are_in_their_order)
{
	static const double values[] = { -1.7e308, -1, -5e-324, 0, 5e-324, 0.5, 1, 1.7e308 };

	for (size_t i = 1; i < sizeof(values) / sizeof(values[0]); i++)
		cr_expect_lt(leat_double_rank(values[i - 1]), leat_double_rank(values[i]));
	cr_expect_eq(leat_double_rank(-0.0), leat_double_rank(0));
	cr_expect_gt(leat_double_rank(values[0]), 0);
}

/* Written text; after `left` more writes there is an error. */
struct output {
	char text[2048];
	size_t len;
	int left;
};

static int append(void *arg, const void *data, size_t len)
{
	struct output *out = arg;

	if (out->left-- == 0)
		return -EIO;
	cr_assert_lt(out->len + len, sizeof(out->text));
	memcpy(out->text + out->len, data, len);
	out->len += len;
	out->text[out->len] = '\0';
	return 0;
}

/* Puts two rows into a result of this form: the number and a text of any bytes, none and nothing.
 */
static void put_rows(enum leat_result_form form, const char *number, struct output *out)
{
	static const char *const names[] = { "a\"b", "c,d" };
	static const char text[] = "x\t\"y\",\\\0\x01\xc3\xa4\xc3\r";
	struct leat_result result;

	*out = (struct output){ .left = -1 };
	leat_result_init(&result, form, append, out);
	leat_result_header(&result, names, 2);
	leat_result_number(&result, number, strlen(number));
	leat_result_text(&result, text, sizeof(text) - 1);
	leat_result_none(&result);
	cr_assert_eq(leat_result_text(&result, "", 0), 0);
}

Test(text_group, results_as_text_and_csv_keep_all_bytes)
{
	static const char text[] = "+07\tx\t\"y\",\\\0\x01\xc3\xa4\xc3\r\n\t\n";
	static const char csv[] =
		"\"a\"\"b\",\"c,d\"\n+07,\"x\t\"\"y\"\",\\\0\x01\xc3\xa4\xc3\r\"\n,\n";
	struct output out;

	put_rows(LEAT_RESULT_TEXT, "+07", &out);
	cr_assert_eq(out.len, sizeof(text) - 1);
	cr_expect_arr_eq(out.text, text, out.len);
	put_rows(LEAT_RESULT_CSV, "+07", &out);
	cr_assert_eq(out.len, sizeof(csv) - 1);
	cr_expect_arr_eq(out.text, csv, out.len);
}

Test(text_group, results_as_json_have_numbers_and_texts_of_json)
{
	static const struct {
		const char *text, *json;
	} numbers[] = { { "0", "0" },          { "-0", "-0" },         { "+7", "7" },
		        { "007", "7" },        { "-007.50", "-7.50" }, { ".5", "0.5" },
		        { "-.5e3", "-0.5e3" }, { "7.", "7" },          { "7.e-2", "7e-2" },
		        { "00", "0" },         { "0.10", "0.10" },     { "1E+05", "1E+05" } };
	struct output out;
	char expected[256];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sprintf(expected,
		        "{\"a\\\"b\":%s,\"c,d\":\"x\\u0009\\\"y\\\",\\\\\\u0000\\u0001\xc3\xa4"
		        "\\ufffd\\u000d\"}\n{\"a\\\"b\":null,\"c,d\":\"\"}\n",
		        numbers[i].json);
		put_rows(LEAT_RESULT_JSON, numbers[i].text, &out);
		cr_expect_str_eq(out.text, expected);
	}
}

/* An empty line would be no row to many readers. */
Test(text_group, an_empty_field_of_csv_that_is_alone_is_quoted)
{
	static const char *const names[] = { "n" };
	struct output out = { .left = -1 };
	struct leat_result result;

	leat_result_init(&result, LEAT_RESULT_CSV, append, &out);
	leat_result_header(&result, names, 1);
	cr_assert_eq(leat_result_none(&result), 0);
	cr_expect_str_eq(out.text, "n\n\"\"\n");
}

Test(text_group, results_end_with_the_first_error)
{
	static const char *const names[] = { "n" };
	struct output out = { .left = 3 };
	struct leat_result result;

	leat_result_init(&result, LEAT_RESULT_JSON, append, &out);
	cr_assert_eq(leat_result_header(&result, names, 1), 0);
	cr_assert_eq(leat_result_count(&result, 7), -EIO);
	cr_assert_eq(leat_result_count(&result, 8), -EIO);
	cr_expect_str_eq(out.text, "{\"n");
}
