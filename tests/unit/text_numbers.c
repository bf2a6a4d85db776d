/*
 * What the program's sinks make of lines that are numbers: reading, sums, quantiles, histograms.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/numeric.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct leat_number read_text(const char *text)
{
	struct leat_number number;

	cr_assert(leat_number_read(text, strlen(text), &number), "%s", text);
	return number;
}

Test(text_numbers, reads_what_awk_takes_for_a_number)
{
	static const struct {
		const char *text;
		double value;
	} numbers[] = {
		{ "0", 0 },
		{ "7", 7 },
		{ "-7", -7 },
		{ "+7", 7 },
		{ "007", 7 },
		{ " 7\t\r", 7 },
		{ "7.", 7 },
		{ ".5", .5 },
		{ "-.5", -.5 },
		{ "12.25", 12.25 },
		{ "1e3", 1000 },
		{ "1E+3", 1000 },
		{ "25e-2", .25 },
		{ "1.5e0", 1.5 },
		{ "-0.0", 0 },
		{ "0e99999", 0 },
		{ "00.0500e2", 5 },
		{ ".00012e5", 12 },
		{ "1e-30", 1e-30 },
		{ "1e300", 1e300 },
		{ "12345678901234567890", 12345678901234567890. },
		{ "0.1234567890123456789", 0.1234567890123456789 },
		{ "4.9e-324", 4.9e-324 },
		{ "1e-99999999999999999999999", 0 },
		{ "1.7976931348623157e308", 1.7976931348623157e308 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct leat_number number = read_text(numbers[i].text);

		cr_expect_eq(leat_number_double(&number), numbers[i].value, "%s: %.17g",
		             numbers[i].text, leat_number_double(&number));
	}
}

Test(text_numbers, refuses_what_is_no_number)
{
	static const char *const texts[] = { "",     " ",     "-",      "+",   ".",   "-.",
		                             "e5",   "1e",    "1e+",    "1 2", "1x",  "x1",
		                             "0x10", "nan",   "inf",    "1,5", "--1", "1.2.3",
		                             "1e5.", "1e400", "-1e400", "+-1", "1-",  "1e 5",
		                             ". 5",  "..",    "1..",    ".e1" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct leat_number number;

		cr_expect(!leat_number_read(texts[i], strlen(texts[i]), &number), "%s", texts[i]);
	}
	struct leat_number number;
	cr_expect(!leat_number_read("1\0", 2, &number));
	cr_expect(!leat_number_read("1\xff", 2, &number));
	cr_expect(!leat_number_read(NULL, 0, &number));
	cr_expect(leat_number_read("12x", 2, &number), "the length counts, not a NUL");
	cr_expect_eq(leat_number_double(&number), 12);
}

Test(text_numbers, exact_numbers_have_38_figures_before_the_point_and_18_behind)
{
	cr_expect(read_text("99999999999999999999999999999999999999").exact);
	cr_expect(read_text("1e37").exact);
	cr_expect(!read_text("1e38").exact);
	cr_expect(read_text("1e-18").exact);
	cr_expect(!read_text("1e-19").exact);
	cr_expect(read_text("0.1000000000000000000000000").exact);
	cr_expect(read_text("99999999999999999999999999999999999999.999999999999999999").exact);
	cr_expect_eq(read_text("1e-18").part, 1);
	cr_expect_eq(read_text("-1.000000000000000002e1").part, -20);
}

/* Decimals by chance, in several notations, against strtod(3). */
Test(text_numbers, reads_as_strtod_does)
{
	unsigned seed = 5;

	for (int i = 0; i < 200000; i++) {
		char text[100];
		int before = rand_r(&seed) % 25, behind = rand_r(&seed) % 25, len = 0;

		len += sprintf(text, "%s", rand_r(&seed) % 3 == 0 ? "-" : "");
		for (int k = 0; k < before; k++)
			text[len++] = (char)('0' + rand_r(&seed) % 10);
		text[len++] = '.';
		for (int k = 0; k <= behind; k++)
			text[len++] = (char)('0' + rand_r(&seed) % 10);
		text[len] = '\0';
		if (rand_r(&seed) % 2 == 0)
			len += sprintf(text + len, "e%d", rand_r(&seed) % 60 - 30);
		struct leat_number number = read_text(text);
		double value = leat_number_double(&number), wanted = strtod(text, NULL);
		/* of what is exact, the way to a double may round twice */
		cr_assert(fabs(value - wanted) <= fabs(wanted) * 2.3e-16, "%s: %.17g, not %.17g",
		          text, value, wanted);
		cr_assert(number.exact || value == wanted, "%s: %.17g, not %.17g", text, value,
		          wanted);
	}
}

static void expect_sum(const char *lines, const char *wanted, bool rounded)
{
	struct leat_sum sum = { 0 };
	char text[LEAT_SUM_TEXT + 1] = "";

	for (const char *p = lines, *end; *p != '\0'; p = end + (*end != '\0')) {
		struct leat_number number;

		end = strchrnul(p, ' ');
		cr_assert(leat_number_read(p, (size_t)(end - p), &number), "%s", p);
		leat_sum_add(&sum, &number);
	}
	text[leat_sum_put(&sum, text)] = '\0';
	cr_expect_str_eq(text, wanted, "%s: %s, not %s", lines, text, wanted);
	cr_expect_eq(leat_sum_rounded(&sum), rounded, "%s", lines);
}

Test(text_numbers, sums_are_exact)
{
	expect_sum("", "0", false);
	expect_sum("0.1 0.2", "0.3", false);
	expect_sum("1 -0.25", "0.75", false);
	expect_sum("-1 0.25", "-0.75", false);
	expect_sum("-0.5 0.5", "0", false);
	expect_sum("0.5 0.5 -2.5", "-1.5", false);
	expect_sum("9223372036854775807 9223372036854775807", "18446744073709551614", false);
	expect_sum("99999999999999999999999999999999999999 1",
	           "100000000000000000000000000000000000000", false);
	expect_sum("1e20 0.000000000000000001 -1e20", "0.000000000000000001", false);
	expect_sum("-99999999999999999999999999999999999999.999999999999999999",
	           "-99999999999999999999999999999999999999.999999999999999999", false);
	/* where 128 bits are not enough: 1.7e38 */
	expect_sum("99999999999999999999999999999999999999 99999999999999999999999999999999999999",
	           "2e+38", true);
	expect_sum("1e300 1 -1e300", "1", true);
	expect_sum("1e-30 1e-30", "2e-30", true);
}

static double find_quantile(struct leat_quantiles *quantiles, double percent)
{
	double number;

	cr_assert_eq(leat_quantiles_find(quantiles, (uint32_t)lround(percent * 1e6), &number), 0);
	return number;
}

Test(text_numbers, quantiles_of_few_numbers_are_exact)
{
	struct leat_quantiles quantiles = { 0 };

	for (int i = 1000; i > -1000; i--)
		cr_assert_eq(leat_quantiles_add(&quantiles, i * 0.5), 0);
	cr_expect_eq(find_quantile(&quantiles, 0), -499.5);
	cr_expect_eq(find_quantile(&quantiles, 50), 0);
	cr_expect_eq(find_quantile(&quantiles, 50.000001), 0.5);
	cr_expect_eq(find_quantile(&quantiles, 99.9), 499);
	cr_expect_eq(find_quantile(&quantiles, 25), -250);
	cr_expect_eq(find_quantile(&quantiles, 100), 500);
	cr_expect(!leat_quantiles_sketched(&quantiles));
	/* further numbers after a result */
	cr_assert_eq(leat_quantiles_add(&quantiles, -1e300), 0);
	cr_expect_eq(find_quantile(&quantiles, 0.05), -499.5);
	cr_expect_eq(find_quantile(&quantiles, 0), -1e300);
	leat_quantiles_fini(&quantiles);
}

Test(text_numbers, quantile_of_one_number_is_that_number)
{
	struct leat_quantiles quantiles = { 0 };

	cr_assert_eq(leat_quantiles_add(&quantiles, -0.0), 0);
	for (int percent = 0; percent <= 100; percent++)
		cr_expect_eq(find_quantile(&quantiles, percent), 0);
	leat_quantiles_fini(&quantiles);
}

/* The numbers are the squares of -n to n with their signs, so that each rank is known. */
Test(text_numbers, quantiles_of_many_numbers_are_as_near_as_promised)
{
	struct leat_quantiles quantiles = { 0 };
	long n = (long)LEAT_QUANTILES_KEPT;

	for (long i = -n; i <= n; i++) {
		long k = i * 7919 % (2 * n + 1), value = k > n    ? k - 2 * n - 1
		                                         : k < -n ? k + 2 * n + 1
		                                                  : k;

		cr_assert_eq(leat_quantiles_add(&quantiles, (double)value * labs(value)), 0);
	}
	cr_expect(leat_quantiles_sketched(&quantiles));
	for (double percent = 0; percent <= 100; percent += 0.5) {
		long rank = (long)ceil((double)(2 * n + 1) / 100 * percent), value = rank - 1 - n;
		double wanted = rank < 1 ? -(double)n * (double)n : (double)value * labs(value),
		       found = find_quantile(&quantiles, percent);

		cr_expect(fabs(found - wanted) <= LEAT_QUANTILES_ERROR * fabs(wanted),
		          "p%g: %.17g, not %.17g", percent, found, wanted);
	}
	cr_expect_eq(find_quantile(&quantiles, 100), (double)n * (double)n);
	cr_expect_eq(find_quantile(&quantiles, 0), -(double)n * (double)n);
	leat_quantiles_fini(&quantiles);
}

Test(text_numbers, sketches_take_the_smallest_and_the_largest_doubles)
{
	static const double numbers[] = { 4.9e-324, 1e-310, 1.7976931348623157e308, 0, 1 };
	struct leat_quantiles quantiles = { 0 };

	for (size_t i = 0; i < 2 * LEAT_QUANTILES_KEPT; i++) {
		double size = numbers[i % 5];

		cr_assert_eq(leat_quantiles_add(&quantiles, i / 5 % 2 ? size : -size), 0);
	}
	cr_expect_eq(find_quantile(&quantiles, 0), -1.7976931348623157e308);
	cr_expect_eq(find_quantile(&quantiles, 100), 1.7976931348623157e308);
	cr_expect_eq(find_quantile(&quantiles, 50), 0);
	cr_expect_float_eq(find_quantile(&quantiles, 85), 1, LEAT_QUANTILES_ERROR);
	cr_expect_float_eq(find_quantile(&quantiles, 15), -1, LEAT_QUANTILES_ERROR);
	leat_quantiles_fini(&quantiles);
}

/* The histogram of the numbers, which blanks separate. The caller frees the text. */
static char *draw(const char *numbers, int columns)
{
	struct leat_histogram histogram;
	char *text = NULL, *end;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	leat_histogram_init(&histogram);
	for (const char *p = numbers; *p != '\0'; p = end)
		leat_histogram_add(&histogram, strtod(p, &end));
	leat_histogram_put(&histogram, columns, out);
	fclose(out);
	return text;
}

static void expect_drawing(const char *numbers, int columns, const char *wanted)
{
	char *text = draw(numbers, columns);

	cr_expect_str_eq(text, wanted, "%s:\n%s", numbers, text);
	free(text);
}

Test(text_numbers, histogram_has_buckets_of_1_2_5_and_bars_in_columns)
{
	expect_drawing("", 80, "");
	expect_drawing("1 1.999 2 4 4.99 9", 20,
	               " 1  2 2  #######\n"
	               " 2  5 3  ##########\n"
	               " 5 10 1  ###\n");
	expect_drawing("0 0", 18, "0 0 2  ##########\n");
	expect_drawing("-1 -3 0.5", 22,
	               " -5  -2 1  ##########\n"
	               " -2  -1 1  ##########\n"
	               "...\n"
	               "0.5   1 1  ##########\n");
	expect_drawing("100 5000", 0,
	               "  100   200 1  ##########\n"
	               "...\n"
	               " 5000 10000 1  ##########\n");
	expect_drawing("10 50", 22,
	               " 10  20 1  ##########\n"
	               " 20  50 0\n"
	               " 50 100 1  ##########\n");
	expect_drawing("1e308 4.9e-324", 0,
	               "4.94065646e-324 9.88131292e-324 1  ##########\n"
	               "...\n"
	               "         1e+308             inf 1  ##########\n");
}

Test(text_numbers, histogram_puts_each_bound_into_the_bucket_that_begins_with_it)
{
	char text[32];

	for (int power = -300; power < 308; power++)
		for (int i = 0; i < 3; i++) {
			char *drawn, from[40];

			sprintf(text, "%ce%d", "125"[i], power);
			drawn = draw(text, 80);
			sprintf(from, "%.9g", strtod(text, NULL));
			cr_assert_eq(strncmp(drawn + strspn(drawn, " "), from, strlen(from)), 0,
			             "%s: %s", text, drawn);
			free(drawn);
		}
}

Test(text_numbers, lines_of_a_histogram_fit)
{
	char *text = draw("1 1 1 1 1 1 1 2 3 4 5 6 7 80 80 999 1e6 -7", 60);

	for (const char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
		cr_expect_lt(end - p, 60, "%s", text);
	free(text);
}

/* Runs a sink over lines, which line feeds end; its text and its note. */
static void expect_result(const char *sink, const char *lines, const char *wanted, const char *note)
{
	char flow[64], *text = NULL, found[LEAT_NOTE];
	struct leat_stages stages;
	struct leat_mistake mistake;
	struct leat_numeric numeric;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	snprintf(flow, sizeof(flow), "count:1 | %s", sink);
	cr_assert_eq(leat_stages_parse(flow, &stages, &mistake), 0, "%s", mistake.what);
	cr_assert(leat_numeric_has(stages.list[1].type->verb));
	cr_assert_eq(leat_numeric_init(&numeric, &stages.list[1]), 0);
	for (const char *p = lines, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		struct leat_line line = { .data = p, .len = (size_t)(end - p) };

		cr_assert_eq(leat_numeric_add(&numeric, &line, 1), 0);
	}
	cr_assert_eq(leat_numeric_put(&numeric, 80, out), 0);
	fclose(out);
	leat_numeric_note(&numeric, found);
	cr_expect_str_eq(text, wanted, "%s: \"%s\"", sink, text);
	cr_expect_str_eq(found, note, "%s: \"%s\"", sink, found);
	free(text);
	leat_numeric_fini(&numeric);
	leat_stages_free(&stages);
}

Test(text_numbers, sinks_write_their_result_and_say_what_they_left_out)
{
	expect_result("sum", "1\n2\n\n", "3\n", "1 of 3 lines is no number");
	expect_result("sum", "", "0\n", "");
	expect_result("sum", "x\ny\n", "0\n", "2 of 2 lines are no numbers");
	expect_result("min", "3\n 2.50 \n2.5\n10\n", "2.50\n", "");
	expect_result("max", "9\n1e1\n10\n-100\n", "1e1\n", "");
	expect_result("max", "-9\n-1e50\n-10\n", "-9\n", "");
	expect_result("min", "-9\n-1e50\n-10\nx\n", "-1e50\n", "1 of 4 lines is no number");
	expect_result("mean", "1\n2\n", "1.5\n", "");
	expect_result("mean", "x\n", "", "no number came; 1 of 1 lines is no number");
	expect_result("min", "", "", "no number came");
	expect_result("max", "", "", "no number came");
	expect_result("quantiles", "", "", "no number came");
	expect_result("histogram", "", "", "no number came");
	expect_result("quantiles", "3\n1\n2\n", "p50\t2\np90\t3\np99\t3\np99.9\t3\nmax\t3\n", "");
	expect_result("quantiles of:min,12.5,99.999999,max", "-0\n1\n0.1\n9007199254740993e3\n",
	              "min\t0\np12.5\t0\np99.999999\t9.00719925474099e+18\n"
	              "max\t9.00719925474099e+18\n",
	              "");
	expect_result(
		"histogram", "1\n1\nx\n", /* 80 columns, the last one free */
		"1 2 2  ########################################################################\n",
		"1 of 3 lines is no number");
}

Test(text_numbers, sum_says_when_it_is_rounded)
{
	expect_result("sum", "1e300\n1\n", "1e+300\n",
	              "the sum is rounded to 15 figures, as a number has more than 38 before the "
	              "point or 18 behind it, or the sum is beyond 128 bits");
	expect_result("mean", "1e300\n1\n", "5e+299\n", "");
}

Test(text_numbers, quantiles_say_when_they_are_near)
{
	struct leat_stage_type type = { .verb = LEAT_VERB_QUANTILES };
	struct leat_stage stage = { .type = &type };
	struct leat_line line = { .data = "12345.678", .len = 9 };
	struct leat_numeric numeric;
	char note[LEAT_NOTE], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(leat_numeric_init(&numeric, &stage), 0);
	for (size_t i = 0; i <= LEAT_QUANTILES_KEPT; i++) {
		leat_numeric_note(&numeric, note);
		cr_assert_eq(strstr(note, "within") == NULL, true);
		cr_assert_eq(leat_numeric_add(&numeric, &line, 1), 0);
	}
	leat_numeric_note(&numeric, note);
	cr_expect_str_eq(note, "more than 1048576 numbers: each but min and max is within 0.1 %");
	cr_assert_eq(leat_numeric_put(&numeric, 80, out), 0);
	fclose(out);
	/* the least and the greatest are known, and nothing is beyond them */
	cr_expect_eq(strncmp(text, "p50\t12345.678\n", 14), 0, "%s", text);
	free(text);
	leat_numeric_fini(&numeric);
}
