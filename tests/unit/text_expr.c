/*
 * Expressions of filter: and map:, by tables: what each operator and function computes, what each
 * mistake says and where it is. tests/unit/text_expr_random.c compares them with another evaluator.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 257
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Columns: 0 is "status" (integers), 1 "ms" (decimals), 2 "user id" (texts), 3 "ok" (truths). */
static int find_column(void *data, const char *name, size_t len, enum leat_expr_type *type)
{
	static const struct {
		const char *name;
		enum leat_expr_type type;
	} names[] = { { "status", LEAT_EXPR_INTEGER },
		      { "ms", LEAT_EXPR_DECIMAL },
		      { "user id", LEAT_EXPR_TEXT },
		      { "ok", LEAT_EXPR_TRUTH } };

	(void)data;
	for (int i = 0; i < 4; i++)
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0) {
			*type = names[i].type;
			return i;
		}
	return -ENOENT;
}

static const struct leat_expr_names names = { .find = find_column,
	                                      .known = "one of status, ms, user id, ok" };

static struct leat_expr *open_expr(const char *text, enum leat_expr_items items)
{
	const struct leat_expr_opts opts = { .items = items, .max = MAX, .names = &names };
	struct leat_mistake mistake;
	struct leat_expr *expr;
	int rc = leat_expr_open(text, &opts, &expr, &mistake);

	cr_assert_eq(rc, 0, "%s: %d: %s, not %s at %zu", text, rc, mistake.what, mistake.wanted,
	             mistake.at);
	return expr;
}

/* A value as a reader writes it: texts in <>, so that no quote is in the way. */
static const char *show_value(const struct leat_expr_values *values, size_t i, char *to,
                              size_t size)
{
	switch (values->type) {
	case LEAT_EXPR_INTEGER:
		if (values->absent != NULL && values->absent[i])
			snprintf(to, size, "absent integer");
		else
			snprintf(to, size, "%lld", (long long)values->integers[i]);
		break;
	case LEAT_EXPR_DECIMAL:
		if (isnan(values->decimals[i]))
			snprintf(to, size, "absent");
		else
			snprintf(to, size, "%.17g.", values->decimals[i]);
		break;
	case LEAT_EXPR_TEXT:
		snprintf(to, size, "<%.*s>", (int)values->texts[i].len, values->texts[i].data);
		break;
	case LEAT_EXPR_TRUTH:
		snprintf(to, size, "%s", values->truths[i] ? "true" : "false");
		break;
	}
	return to;
}

struct row {
	const char *text, *value;
};

/* Computes each row for vectors of one item and of many equal ones. */
static void check_rows(const struct row *rows, size_t count, enum leat_expr_items kind,
                       const void *item, size_t size)
{
	char *items = calloc(MAX, size), shown[500];
	int64_t status[MAX];
	double ms[MAX];
	struct leat_text user[MAX];
	uint8_t ok[MAX];
	const void *columns[] = { status, ms, user, ok };

	for (size_t i = 0; i < MAX; i++) {
		memcpy(items + i * size, item, size);
		status[i] = 404;
		ms[i] = 1.5;
		user[i] = (struct leat_text){ "anna", 4 };
		ok[i] = 1;
	}
	for (size_t r = 0; r < count; r++) {
		struct leat_expr *expr = open_expr(rows[r].text, kind);
		struct leat_expr_values values;
		for (size_t n = 1; n <= MAX; n += MAX - 1) {
			cr_assert_eq(leat_expr_run(expr, items, columns, n, &values), 0);
			cr_assert_eq(values.type, leat_expr_type(expr));
			for (size_t i = 0; i < n; i += n == 1 ? 1 : n - 1)
				cr_expect_str_eq(show_value(&values, i, shown, sizeof(shown)),
				                 rows[r].value, "%s: item %zu of %zu: %s, not %s",
				                 rows[r].text, i, n, shown, rows[r].value);
		}
		leat_expr_close(expr);
	}
	free(items);
}

#define CHECK_LINE(line_, ...) \
	do { \
		static const struct row rows_[] = { __VA_ARGS__ }; \
		const struct leat_line item_ = { (line_), strlen(line_), NULL }; \
		check_rows(rows_, sizeof(rows_) / sizeof(rows_[0]), LEAT_EXPR_LINES, &item_, \
		           sizeof(item_)); \
	} while (0)
#define CHECK_NUMBER(type_, kind_, number_, ...) \
	do { \
		static const struct row rows_[] = { __VA_ARGS__ }; \
		const type_ item_ = (number_); \
		check_rows(rows_, sizeof(rows_) / sizeof(rows_[0]), (kind_), &item_, \
		           sizeof(item_)); \
	} while (0)
#define CHECK_INTEGER(number_, ...) CHECK_NUMBER(int64_t, LEAT_EXPR_INTEGERS, number_, __VA_ARGS__)
#define CHECK_DECIMAL(number_, ...) CHECK_NUMBER(double, LEAT_EXPR_DECIMALS, number_, __VA_ARGS__)

Test(text_expr, computes_with_integers)
{
	CHECK_INTEGER(7, { "$", "7" }, { "$ + 2", "9" }, { "$ - 9", "-2" }, { "$ * -3", "-21" },
	              { "$ / 2", "3" }, { "-$ / 2", "-3" }, { "$ % 3", "1" }, { "-$ % 3", "-1" },
	              { "$ % -3", "1" }, { "$ / -2", "-3" }, { "-$", "-7" }, { "- - $", "7" },
	              { "100 / $", "14" }, { "100 % $", "2" }, { "abs(-$)", "7" },
	              { "min($, 3, 9)", "3" }, { "max($, 3, 9)", "9" }, { "$ / 1", "7" },
	              { "$ / -1", "-7" }, { "$ % 1", "0" }, { "$ / 9223372036854775807", "0" },
	              { "$ % (-9223372036854775807 - 1)", "7" }, { "round($)", "7" },
	              { "floor($)", "7" }, { "int($)", "7" }, { "num($)", "7" });
}

Test(text_expr, integers_wrap_around_and_division_by_zero_is_absent)
{
	CHECK_INTEGER(
		INT64_MIN, { "$ - 1", "9223372036854775807" }, { "-$", "-9223372036854775808" },
		{ "abs($)", "-9223372036854775808" }, { "$ / -1", "-9223372036854775808" },
		{ "$ % -1", "0" }, { "$ / ($ - $ - 1)", "-9223372036854775808" },
		{ "$ % ($ - $ - 1)", "0" }, { "$ * 2", "0" }, { "$ / 0", "absent integer" },
		{ "$ % 0", "absent integer" }, { "1 / ($ - $)", "absent integer" },
		{ "1 / 0", "absent integer" }, { "1 / 0 + 1", "absent integer" },
		{ "abs(1 / ($ - $))", "absent integer" }, { "1 / 0 == 1 / 0", "false" },
		{ "$ / 0 != $ / 0", "true" }, { "$ / 0 < 1", "false" }, { "!($ / 0 < 1)", "true" },
		{ "1 / 0 + .5", "absent" }, { "text($ / 0)", "<>" },
		{ "$ == 0 ? 0 : 1 / ($ + 1)", "0" }, { "$ != 0 ? 5 : 5 / 0", "5" },
		{ "$ == 0 ? 5 : 5 / 0", "absent integer" }, { "$ == -9223372036854775808", "true" },
		{ "$ / 3", "-3074457345618258602" }, { "$ % 10", "-8" },
		{ "$ / 2", "-4611686018427387904" }, { "$ % 4611686018427387904", "0" });
}

Test(text_expr, computes_with_decimals)
{
	CHECK_DECIMAL(2.5, { "$", "2.5." }, { "$ + 1", "3.5." }, { "1 - $", "-1.5." },
	              { "$ * $", "6.25." }, { "$ / 2", "1.25." }, { "$ % 2", "0.5." },
	              { "-$ % 2", "-0.5." }, { "$ / 0", "absent" }, { "$ % 0", "absent" },
	              { "0 / 0.0", "absent" }, { "-$", "-2.5." }, { "abs(-$)", "2.5." },
	              { "min($, 3)", "2.5." }, { "max($, 3)", "3." }, { "max($ / 0, 3)", "absent" },
	              { "min(3, $ / 0)", "absent" }, { "round($)", "3." }, { "round(-$)", "-3." },
	              { "floor($)", "2." }, { "floor(-$)", "-3." }, { "int($)", "2" },
	              { "int(-$)", "-2" }, { "int($ * 1e300)", "absent integer" },
	              { "int($ / 0)", "absent integer" },
	              { "int(9223372036854774784.0)", "9223372036854774784" },
	              { "int(9223372036854775808.0)", "absent integer" },
	              { "int(-9223372036854775808.0)", "-9223372036854775808" },
	              { "$ / 0 == $ / 0", "false" }, { "$ / 0 != $", "true" }, { "$ > 2", "true" },
	              { "1.5k", "1500." }, { "1e3", "1000." }, { ".5 + 1.", "1.5." });
}

Test(text_expr, compares)
{
	CHECK_INTEGER(5, { "$ == 5", "true" }, { "$ != 5", "false" }, { "$ < 5", "false" },
	              { "$ <= 5", "true" }, { "$ > 5", "false" }, { "$ >= 5", "true" },
	              { "$ < 6", "true" }, { "$ > 4", "true" }, { "$ == 5.0", "true" },
	              { "$ < 5.5", "true" }, { "$ >= 5.5", "false" }, { "5 == '5'", "true" },
	              { "$ == ' 5 '", "true" }, { "$ < '5.5'", "true" }, { "$ < 'x'", "false" },
	              { "$ != 'x'", "true" }, { "$ == 'x'", "false" }, { "'4' < $", "true" },
	              { "'4' > $", "false" }, { "$ > '4'", "true" }, { "$ >= '5'", "true" },
	              { "'6' >= $", "true" }, { "'5' <= $", "true" });
	CHECK_LINE("b 10 9 abc", { "$1 == 'b'", "true" }, { "$1 != 'b'", "false" },
	           { "$1 < 'c'", "true" }, { "$1 < 'ba'", "true" }, { "$1 <= 'b'", "true" },
	           { "$1 > 'a'", "true" }, { "$1 >= 'b'", "true" }, { "$2 < $3", "true" },
	           { "num($2) < num($3)", "false" }, { "$2 < 11", "true" }, { "$2 > 9", "true" },
	           { "$2 == 10.0", "true" }, { "$2 == 10", "true" }, { "$1 == 10", "false" },
	           { "$1 != 10", "true" }, { "$4 ~ 'b'", "true" }, { "$4 ~ '^b'", "false" },
	           { "$4 !~ '^b'", "true" }, { "$2 ~ 1", "true" }, { "$2 ~ '^1' .. '0$'", "true" },
	           { "$ ~ ''", "true" }, { "$9 ~ '^$'", "true" });
}

Test(text_expr, large_integers_in_texts_are_compared_as_such)
{
	CHECK_LINE("9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808",
	           { "$1 == 9007199254740993", "true" }, { "$1 == 9007199254740992", "false" },
	           { "$2 == 9223372036854775807", "true" }, { "$3 > 9223372036854770000", "true" },
	           { "int($2)", "9223372036854775807" }, { "int($3)", "absent integer" },
	           { "int($4)", "-9223372036854775808" }, { "int($1)", "9007199254740993" },
	           { "$4 == -9223372036854775808", "true" });
}

Test(text_expr, reads_numbers_in_texts)
{
	CHECK_LINE("12 -3.5 +7 1e3 .5 5. 1e 0x10 inf nan 1..2 1.5e-3 - . 1_0 "
	           "0.1 123456789012345678901234567890 1e-400 1e400 000000000000000000000000000012 "
	           "0.000000000000000000000000000000000000001234 4.35 2.2250738585072014e-308",
	           { "num($1)", "12." }, { "num($2)", "-3.5." }, { "num($3)", "7." },
	           { "num($4)", "1000." }, { "num($5)", "0.5." }, { "num($6)", "5." },
	           { "num($7)", "absent" }, { "num($8)", "absent" }, { "num($9)", "absent" },
	           { "num($10)", "absent" }, { "num($11)", "absent" }, { "num($12)", "0.0015." },
	           { "num($13)", "absent" }, { "num($14)", "absent" }, { "num($15)", "absent" },
	           { "num($16)", "0.10000000000000001." },
	           { "num($17)", "1.2345678901234568e+29." }, { "num($18)", "0." },
	           { "num($19)", "inf." }, { "num($20)", "12." }, { "int($20)", "12" },
	           { "num($21)", "1.2339999999999999e-39." }, { "num($22)", "4.3499999999999996." },
	           { "num($23)", "2.2250738585072014e-308." }, { "num($99)", "absent" },
	           { "num('\t 5 ')", "5." }, { "num('5 6')", "absent" }, { "num('+ 5')", "absent" },
	           { "$1 + $2", "8.5." }, { "-$1", "-12." }, { "$7 + 1", "absent" },
	           { "int($2)", "-3" }, { "int($7)", "absent integer" }, { "$1 % 5", "2." });
}

Test(text_expr, splits_lines_as_awk)
{
	CHECK_LINE("  a \t b\tcc  ", { "$1", "<a>" }, { "$2", "<b>" }, { "$3", "<cc>" },
	           { "$4", "<>" }, { "$-1", "<cc>" }, { "$-2", "<b>" }, { "$-3", "<a>" },
	           { "$-4", "<>" }, { "$3 .. $1", "<cca>" }, { "$-3 .. $-1", "<acc>" },
	           { "$0", "<  a \t b\tcc  >" }, { "len($)", "12" }, { "$2 .. $-2 .. $2", "<bbb>" },
	           { "$9999 .. $-9999", "<>" }, { "len($1)-1", "0" });
	CHECK_LINE("", { "$1", "<>" }, { "$-1", "<>" }, { "$", "<>" });
	CHECK_LINE(" \t ", { "$1", "<>" }, { "$-1", "<>" }, { "$2", "<>" });
	CHECK_LINE("one", { "$1", "<one>" }, { "$-1", "<one>" }, { "$2", "<>" }, { "$-2", "<>" });
}

Test(text_expr, finds_fields_at_each_place_of_a_long_line)
{
	static const char *const texts[] = { "$1", "$2", "$-1", "$-2" };
	char line[300], spare[301];
	struct leat_expr *exprs[4];

	for (int e = 0; e < 4; e++)
		exprs[e] = open_expr(texts[e], LEAT_EXPR_LINES);
	for (size_t len = 3; len < 200; len++)
		for (size_t blank = 1; blank + 1 < len; blank++) {
			memset(line, 'x', len);
			line[blank] = blank % 2 ? ' ' : '\t';
			/* Memory that ends with the line, for AddressSanitizer. */
			char *at = memcpy(spare + sizeof(spare) - len, line, len);
			const struct leat_line item = { at, len, NULL };
			const size_t lens[] = { blank, len - blank - 1, len - blank - 1, blank };
			for (int e = 0; e < 4; e++) {
				struct leat_expr_values values;
				cr_assert_eq(leat_expr_run(exprs[e], &item, NULL, 1, &values), 0);
				cr_assert_eq(values.texts[0].len, lens[e], "%s: %zu of %zu",
				             texts[e], blank, len);
				cr_assert_eq(values.texts[0].data,
				             at + (lens[e] == blank && e % 3 == 0 ? 0 : blank + 1));
			}
		}
	for (int e = 0; e < 4; e++)
		leat_expr_close(exprs[e]);
}

Test(text_expr, makes_texts)
{
	CHECK_LINE("GET /a.html caf\303\251", { "len($1)", "3" }, { "lower($1)", "<get>" },
	           { "upper($3)", "<CAF\303\251>" }, { "trim('\t x y\r ')", "<x y>" },
	           { "trim('  ')", "<>" }, { "substr($1, 2)", "<ET>" },
	           { "substr($1, 2, 1)", "<E>" }, { "substr($1, 0, 2)", "<G>" },
	           { "substr($1, -5)", "<GET>" }, { "substr($1, 4)", "<>" },
	           { "substr($1, 2, 0)", "<>" }, { "substr($1, 2, -1)", "<>" },
	           { "substr($1, 1, 9223372036854775807)", "<GET>" },
	           { "substr($1, 9223372036854775807, 9223372036854775807)", "<>" },
	           { "substr($1, -9223372036854775808, 5)", "<>" }, { "substr($1, 'x')", "<>" },
	           { "substr($1, -9223372036854775808)", "<GET>" }, { "substr($1, '2')", "<ET>" },
	           { "substr($1, 1.9, 1.9)", "<G>" }, { "substr($1, 1 / 0)", "<>" },
	           { "substr($1, 1, len($) - len($))", "<>" }, { "contains($2, 'html')", "true" },
	           { "contains($2, '')", "true" }, { "contains($2, 'xhtml')", "false" },
	           { "contains('', $9)", "true" }, { "starts($2, '/a')", "true" },
	           { "starts($2, 'a')", "false" }, { "starts($1, 'GETS')", "false" },
	           { "ends($2, 'html')", "true" }, { "ends($2, 'htm')", "false" },
	           { "ends($9, 'x')", "false" },
	           { "$1 .. ' ' .. $2 .. '?' .. 5 + 1", "<GET /a.html?6>" }, { "1..2", "<12>" },
	           { "1 .. .5", "<10.5>" }, { "$9 .. $8", "<>" }, { "'a' .. 'b' == 'ab'", "true" },
	           { "upper(lower($1) .. 'x')", "<GETX>" }, { "text(len($1))", "<3>" },
	           { "len(12345)", "5" }, { "upper(1e300)", "<1E+300>" },
	           { "('a' .. ('b' .. $1)) .. 'c'", "<abGETc>" }, { "text($1)", "<GET>" });
}

Test(text_expr, writes_numbers)
{
	CHECK_INTEGER(
		0, { "text($)", "<0>" }, { "text(-9223372036854775808)", "<-9223372036854775808>" },
		{ "text(9223372036854775807)", "<9223372036854775807>" }, { "text(1.0)", "<1>" },
		{ "text(0.1)", "<0.1>" }, { "text(0.1 + 0.2)", "<0.30000000000000004>" },
		{ "text(1e15)", "<1e+15>" }, { "text(999999999999999.0)", "<999999999999999>" },
		{ "text(-2.5)", "<-2.5>" }, { "text(1e-5)", "<1e-05>" },
		{ "text(1e308 * 10)", "<inf>" }, { "text(-1e308 * 10)", "<-inf>" },
		{ "text(1 / 0.0)", "<>" }, { "text(-0.0)", "<-0>" }, { "text($ / 3.0)", "<0>" },
		{ "10k", "10000" }, { "2M", "2000000" }, { "1G", "1000000000" });
}

Test(text_expr, decides)
{
	CHECK_INTEGER(5, { "$ > 3 && $ < 9", "true" }, { "$ > 3 && $ < 4", "false" },
	              { "$ < 3 || $ == 5", "true" }, { "$ < 3 || $ > 7", "false" },
	              { "!($ < 3)", "true" }, { "!!($ < 3)", "false" },
	              { "$ > 3 ? 'big' : 'small'", "<big>" }, { "$ < 3 ? 1 : $ > 4 ? 2 : 3", "2" },
	              { "$ > 3 ? 1 : 0.5", "1." }, { "$ > 9 ? 'x' : 3", "<3>" },
	              { "($ > 3) == ($ < 9)", "true" }, { "($ > 3) != ($ < 9)", "false" },
	              { "$ > 9 || $ > 3 && $ < 4", "false" }, { "$ > 3 ? $ > 4 : $ > 5", "true" },
	              { "2 + 3 * 4", "14" }, { "(2 + 3) * 4", "20" }, { "10 - 4 - 3", "3" },
	              { "100 / 10 / 5", "2" }, { "-2 * 3", "-6" }, { "1 + 1 .. 1", "<21>" },
	              { "1 .. 1 < 2 .. 0", "true" });
	/* Sides that are worth a selection, in one another. */
	CHECK_LINE("GET /blog 404", { "$1 ~ 'GET' && $2 ~ 'blog' && $3 == 404", "true" },
	           { "$1 ~ 'PUT' && ($2 ~ 'blog' && upper($3) ~ '4')", "false" },
	           { "$1 ~ 'PUT' || $2 ~ 'x' || $3 == 404", "true" },
	           { "$1 ~ 'GET' || upper($2) ~ 'BLOG'", "true" },
	           { "$1 ~ 'G' ? upper($2) .. 'x' : lower($1) .. 'y'", "</BLOGx>" },
	           { "$1 ~ 'P' ? upper($2) .. 'x' : lower($1) .. 'y'", "<gety>" },
	           { "$1 ~ 'G' ? $2 ~ 'b' ? upper($1) : $2 .. 'z' : 'n'", "<GET>" },
	           { "$1 ~ 'P' ? int($1) : int($3)", "404" },
	           { "$1 ~ 'G' ? int($1) : int($3)", "absent integer" });
}

Test(text_expr, reads_columns_of_the_caller)
{
	CHECK_LINE("x", { "$status", "404" }, { "$status == 404 && $ms > 1", "true" },
	           { "${user id} .. $ms", "<anna1.5>" }, { "$ok ? $status : 0", "404" },
	           { "!$ok", "false" }, { "${ms} * 2", "3." }, { "$ok", "true" }, { "$ms", "1.5." },
	           { "${user id}", "<anna>" }, { "$status+$status", "808" });
}

/* Items at both ends of the integers, and around multiples of a number. */
static void fill_dividends(int64_t *items, uint64_t by)
{
	for (size_t i = 0; i < MAX; i++) {
		uint64_t near = (i / 3 % 8) * (UINT64_C(0x9e3779b97f4a7c15) >> (i % 40));
		items[i] = (int64_t)(i < 12   ? (uint64_t)INT64_MIN + i
		                     : i < 24 ? (uint64_t)INT64_MAX - i + 12
		                              : near / by * by + i % 3 - 1);
	}
}

static void check_division(const int64_t *items, int64_t by)
{
	static const char *const forms[] = { "$ %% %lld", "$ / %lld", "$ %% %lld == 0",
		                             "$ %% %lld != 0" };

	for (size_t f = 0; f < COUNT(forms); f++) {
		struct leat_expr_values v;
		char text[60];
		snprintf(text, sizeof(text), forms[f], (long long)by);
		struct leat_expr *expr = open_expr(text, LEAT_EXPR_INTEGERS);
		cr_assert_eq(leat_expr_run(expr, items, NULL, MAX, &v), 0);
		for (size_t i = 0; i < MAX; i++) {
			int64_t rest = items[i] % by;
			cr_assert(f == 0   ? v.integers[i] == rest
			          : f == 1 ? v.integers[i] == items[i] / by
			                   : v.truths[i] == ((rest == 0) == (f == 2)),
			          "%s: %lld", text, (long long)items[i]);
		}
		leat_expr_close(expr);
	}
}

Test(text_expr, division_by_a_constant_is_that_by_a_variable)
{
	static const int64_t by[] = { 2,
		                      3,
		                      4,
		                      5,
		                      6,
		                      7,
		                      10,
		                      12,
		                      25,
		                      60,
		                      64,
		                      100,
		                      125,
		                      641,
		                      1000,
		                      1000000007,
		                      INT64_C(1) << 32,
		                      INT64_C(3) << 61,
		                      (INT64_C(1) << 62) + 2,
		                      INT64_C(1) << 62,
		                      INT64_MAX };
	int64_t items[MAX];

	for (size_t d = 0; d < COUNT(by); d++) {
		fill_dividends(items, (uint64_t)by[d]);
		check_division(items, by[d]);
		check_division(items, -by[d]);
	}
	CHECK_INTEGER(6, { "$ % 3 == 0", "true" }, { "$ % 4 == 0", "false" },
	              { "$ % 4 != 0", "true" }, { "1 / ($ - 6) % 3 == 0", "false" },
	              { "1 / ($ - 6) % 3 != 0", "true" }, { "1 / ($ - 7) % 3 == 0", "false" });
}

/* Each item of a vector has its own value, whatever side decides it. */
Test(text_expr, selects_items_one_by_one)
{
	static const char *const parts[] = { "GET /a 200", "PUT /b 404", "GET /b x", "", "DEL" };
	struct leat_line lines[MAX];
	struct leat_expr *expr = open_expr("$1 ~ 'GET' && $3 == 200 || $3 == 404 ? lower($1) .. $2 "
	                                   ": upper($2) .. '-' .. len($)",
	                                   LEAT_EXPR_LINES);
	static const char *const wanted[] = { "get/a", "put/b", "/B-8", "-0", "-3" };
	struct leat_expr_values values;

	for (size_t i = 0; i < MAX; i++)
		lines[i] = (struct leat_line){ parts[i * 7 % 5], strlen(parts[i * 7 % 5]), NULL };
	for (size_t n = 0; n <= MAX; n++) {
		cr_assert_eq(leat_expr_run(expr, lines, NULL, n, &values), 0);
		for (size_t i = 0; i < n; i++) {
			const char *text = wanted[i * 7 % 5];
			cr_assert_eq(values.texts[i].len, strlen(text), "%zu of %zu", i, n);
			cr_assert_eq(memcmp(values.texts[i].data, text, strlen(text)), 0);
		}
	}
	leat_expr_close(expr);
}

Test(text_expr, texts_of_any_size_are_made)
{
	enum { LONG = 3 << 20 };
	struct leat_expr *expr = open_expr("upper($) .. lower($)", LEAT_EXPR_LINES);
	char *bytes = malloc(LONG);
	struct leat_line lines[MAX];
	struct leat_expr_values values;

	memset(bytes, 'q', LONG);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MAX; i++)
			lines[i] = (struct leat_line){ bytes, i == 100 ? LONG : i * 10, NULL };
		cr_assert_eq(leat_expr_run(expr, lines, NULL, round == 1 ? 50 : MAX, &values), 0);
		for (size_t i = 0; i < (round == 1 ? 50 : MAX); i++) {
			cr_assert_eq(values.texts[i].len, 2 * lines[i].len);
			if (i == 0)
				continue;
			cr_assert_eq(values.texts[i].data[0], 'Q');
			cr_assert_eq(values.texts[i].data[2 * lines[i].len - 1], 'q');
		}
	}
	leat_expr_close(expr);
	free(bytes);
}

Test(text_expr, a_clone_outlives_what_it_was_made_of)
{
	struct leat_expr *expr =
		open_expr("$1 ~ '^G' ? upper($2) .. 'x' : 'none'", LEAT_EXPR_LINES);
	const struct leat_line item = { "GET ab", 6, NULL };
	struct leat_expr_values values;
	struct leat_expr *clone;
	char shown[50];

	cr_assert_eq(leat_expr_clone(expr, &clone), 0);
	leat_expr_close(expr);
	cr_assert_eq(leat_expr_run(clone, &item, NULL, 1, &values), 0);
	cr_assert_str_eq(show_value(&values, 0, shown, sizeof(shown)), "<ABx>");
	leat_expr_close(clone);
	leat_expr_close(NULL);
}

Test(text_expr, a_vector_above_its_most_is_refused)
{
	static int64_t items[MAX + 1];
	struct leat_expr_opts opts = { .items = LEAT_EXPR_INTEGERS };
	struct leat_expr *expr = open_expr("$ + 1", LEAT_EXPR_INTEGERS);
	struct leat_expr_values values;
	struct leat_mistake mistake;

	cr_assert_eq(leat_expr_run(expr, items, NULL, MAX + 1, &values), -EINVAL);
	leat_expr_close(expr);
	cr_assert_eq(leat_expr_open("$", &opts, &expr, &mistake), -EINVAL);
	cr_assert_eq(mistake.what[0], '\0');
	opts.max = LEAT_EXPR_ITEMS_MAX + 1;
	cr_assert_eq(leat_expr_open("$", &opts, &expr, &mistake), -EINVAL);
	cr_assert_null(expr);
}

/* A text that is wrong, a caret below it, what is said of it. */
struct wrong {
	const char *text, *caret, *what, *wanted;
};

static void check_wrong(const struct wrong *wrong, size_t count, enum leat_expr_items items)
{
	const struct leat_expr_opts opts = { .items = items, .max = 1, .names = &names };

	for (size_t i = 0; i < count; i++) {
		struct leat_mistake mistake;
		struct leat_expr *expr;
		int rc = leat_expr_open(wrong[i].text, &opts, &expr, &mistake);
		cr_expect_eq(rc, -EINVAL, "%s: %d", wrong[i].text, rc);
		cr_expect_null(expr);
		cr_expect_eq(mistake.at, strlen(wrong[i].caret) - 1, "%s: at %zu", wrong[i].text,
		             mistake.at);
		cr_expect_str_eq(mistake.what, wrong[i].what, "%s: %s", wrong[i].text,
		                 mistake.what);
		cr_expect_not_null(strstr(mistake.wanted, wrong[i].wanted), "%s: %s", wrong[i].text,
		                   mistake.wanted);
	}
}

Test(text_expr, says_where_the_grammar_is_broken)
{
	static const struct wrong wrong[] = {
		{ "", "^", "the expression is empty", "a number, a text in quotes" },
		{ "  ", "  ^", "the expression is empty", "a field such as $1" },
		{ "$ +", "   ^", "the expression ends too early", "a number" },
		{ "$1 = 3", "   ^", "there is no operator =", "== to compare" },
		{ "$1 & 3", "   ^", "there is no operator &", "&& between" },
		{ "$1 | 3", "   ^", "there is no operator |", "|| between" },
		{ "$1 . 3", "   ^", "there is no operator .", ".. to put" },
		{ "$1 ^ 3", "   ^", "there is no operator ^", "a * a" },
		{ "$1 ~ /x/", "     ^", "/ can't be here", "a text in quotes" },
		{ "$1 # 3", "   ^", "# has no meaning here", "a number" },
		{ "$1 \001", "   ^", "the byte 1 has no meaning here", "a number" },
		{ "\303", "^", "the byte 195 has no meaning here", "a number" },
		{ "$1 == 'a", "      ^", "this quote is not closed", "another '" },
		{ "\"a", "^", "this quote is not closed", "another \"" },
		{ "(1 + 2", "      ^", "the expression ends too early", "an operator or )" },
		{ "(1 2)", "   ^", "\"2)\" can't be here", "an operator or )" },
		{ "1 2", "  ^", "\"2\" can't be here", "an operator or the end" },
		{ "1 )", "  ^", "\")\" can't be here", "an operator or the end" },
		{ ")", "^", ") can't be here", "a number" },
		{ "* 2", "^", "* can't be here", "a number" },
		{ "1 < 2 < 3", "      ^", "one comparison can't follow another", "&& and" },
		{ "1 < 2 ? 3", "         ^", "the expression ends too early", "an operator or :" },
		{ "1 < 2 ? 3 4", "          ^", "\"4\" can't be here", "an operator or :" },
		{ "len($1", "      ^", "the expression ends too early",
		  "an operator, a comma or )" },
		{ "len $1", "^", "the word \"len\" stands alone", "NAME(...)" },
		{ "1 + GET", "    ^", "the word \"GET\" stands alone", "a text in quotes" },
		{ "length($1)", "^", "there is no function \"length\"", "one of len, upper" },
		{ "len()", "^", "len does not take 0 arguments", "len(x)" },
		{ "len($1, 2)", "^", "len does not take 2 arguments", "len(x)" },
		{ "min(1)", "^", "min does not take 1 argument", "min(x, y, ...)" },
		{ "max(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)", "                                    ^",
		  "more than 16 arguments", ")" },
		{ "substr('a')", "^", "substr does not take 1 argument", "substr(x, from, n)" },
		{ "12kB", "   ^", "\"B\" does not belong to a number", "k, M or G" },
		{ "12ms", "  ^", "\"ms\" does not belong to a number", "k, M or G" },
		{ "1 + 9223372036854775808", "    ^", "this is too large for an integer", "1e19" },
		{ "10000000000000000000000", "^", "this is too large for an integer", "1e19" },
		{ "10000000000G", "^", "this is too large for an integer", "1e19" },
		{ "$10000", "^", "there is no such field", "$9999" },
		{ "$-0", "^", "there is no field -0", "$-1" },
		{ "${a", " ^", "this { is not closed", "}" },
		{ "$time > 3", "^", "there is no column \"time\"", "one of status, ms" },
	};

	check_wrong(wrong, COUNT(wrong), LEAT_EXPR_LINES);
	/* The words are those of the library that compiles expressions. */
	struct leat_mistake mistake;
	struct leat_expr *expr;
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES, .max = 1 };
	cr_assert_eq(leat_expr_open("$ ~ '('", &opts, &expr, &mistake), -EINVAL);
	cr_assert_eq(mistake.at, 4);
	cr_assert_neq(mistake.what[0], '\0');
	cr_assert_str_eq(mistake.wanted, "an extended regular expression");
	cr_assert_eq(leat_expr_open("$a", &opts, &expr, &mistake), -EINVAL);
	cr_assert_str_eq(mistake.wanted, "$ for the item; a text stands in quotes");
}

Test(text_expr, says_which_type_is_wrong)
{
	static const struct wrong wrong[] = {
		{ "$1 && 1 < 2", "^", "this is a text, but && takes truth values", "a comparison" },
		{ "1 < 2 || $ok && 5", "                ^",
		  "this is an integer, but && takes truth values", "a comparison" },
		{ "!$1 == 2", " ^", "this is a text, but ! takes truth values", "a comparison" },
		{ "$ms ? 1 : 2", "^", "this is a decimal, but ? takes truth values",
		  "a comparison" },
		{ "1 + ($1 == 2)", "     ^", "this is a truth value, but + takes numbers",
		  "(... ? 1 : 0)" },
		{ "-$ok", " ^", "this is a truth value, but - takes numbers", "(... ? 1 : 0)" },
		{ "$1 .. $ok", "      ^", "this is a truth value, but .. takes texts",
		  "(... ? \"yes\" : \"no\")" },
		{ "upper($ok)", "      ^", "this is a truth value, but upper takes texts",
		  "(... ? \"yes\"" },
		{ "abs($ok)", "    ^", "this is a truth value, but abs takes numbers",
		  "(... ? 1 : 0)" },
		{ "int($ok)", "    ^", "this is a truth value, but int takes numbers",
		  "(... ? 1 : 0)" },
		{ "$ok == 1", "       ^", "this is an integer, and is compared with a truth value",
		  "a comparison" },
		{ "$1 < $ok", "^", "this is a text, and is compared with a truth value",
		  "a comparison" },
		{ "$ok < $ok", "^", "< can't order truth values", "== or !=" },
		{ "$ok >= $ok", "^", ">= can't order truth values", "== or !=" },
		{ "$ok ? 1 : $ok", "          ^",
		  "this is a truth value, but the other side of : is an integer", "the same type" },
		{ "$1 ~ $2", "     ^", "the regular expression must be constant",
		  "contains(x, y)" },
		{ "$ok ~ 'x'", "^", "this is a truth value, but ~ takes texts", "(... ? \"yes\"" },
	};
	static const struct wrong of_numbers[] = {
		{ "$1 + 1", "^", "the items are numbers and have no fields", "$ for the item" },
		{ "2 * $-1", "    ^", "the items are numbers and have no fields", "\"$ - 1\"" },
	};

	check_wrong(wrong, COUNT(wrong), LEAT_EXPR_LINES);
	check_wrong(of_numbers, COUNT(of_numbers), LEAT_EXPR_INTEGERS);
	check_wrong(of_numbers, COUNT(of_numbers), LEAT_EXPR_DECIMALS);
}

static char *repeat(const char *text, size_t times, const char *end)
{
	char *to = calloc(1, strlen(text) * times + strlen(end) + 1);

	for (size_t i = 0; i < times; i++)
		strcat(to, text);
	return strcat(to, end);
}

static void refuse_repeated(const char *text, size_t times, const char *end, size_t at,
                            const char *what)
{
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_INTEGERS, .max = 1 };
	char *long_text = repeat(text, times, end);
	struct leat_mistake mistake;
	struct leat_expr *expr;

	cr_expect_eq(leat_expr_open(long_text, &opts, &expr, &mistake), -EINVAL);
	cr_expect_str_eq(mistake.what, what);
	cr_expect_eq(mistake.at, at, "%s: at %zu", text, mistake.at);
	cr_expect_neq(mistake.wanted[0], '\0');
	free(long_text);
}

Test(text_expr, bounds_are_kept_with_words)
{
	static const struct {
		const char *text, *end;
		size_t times, ends;
	} within[] = { { "(", ")", 63, 63 }, { "-", "", 63, 0 }, { "$ + ", "", 127, 0 } };

	refuse_repeated("(", 4000, "", 64, "this is nested more than 64 deep");
	refuse_repeated("- ", 2000, "$", 126, "this is nested more than 64 deep");
	refuse_repeated("abs(", 1000, "$", 256, "this is nested more than 64 deep");
	refuse_repeated("$<1?1:", 500, "2", 382, "this is nested more than 64 deep");
	refuse_repeated("$+", 1000, "$", 0, "more than 256 operands and operators");
	refuse_repeated(" ", 4097, "1", 4096, "the expression has more than 4096 bytes");
	refuse_repeated("1", 129, ".5", 0, "this number is too long");
	for (size_t i = 0; i < COUNT(within); i++) {
		char *end = repeat(within[i].end, within[i].ends, "");
		char *start = repeat(within[i].text, within[i].times, "$");
		char text[600];
		snprintf(text, sizeof(text), "%s%s", start, end);
		leat_expr_close(open_expr(text, LEAT_EXPR_INTEGERS));
		free(start);
		free(end);
	}
}

/* $N is the column N - 1. */
static int find_field(void *data, int number)
{
	(void)data;
	return number < 0 ? -1 : number - 1;
}

Test(text_expr, takes_fields_and_refusals_of_the_caller)
{
	const struct leat_expr_names own = { .find = find_column, .find_field = find_field };
	const struct leat_expr_names no_names = { .find = find_column,
		                                  .known = "$ for that",
		                                  .none = "names are gone" };
	struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES, .max = 1, .names = &own };
	const struct leat_line line = { "x y", 3, NULL };
	const struct leat_text texts[] = { { "one", 3 }, { "two", 3 } };
	const void *columns[] = { &texts[0], &texts[1] };
	struct leat_expr_values values;
	struct leat_mistake mistake;
	struct leat_expr *expr;

	cr_assert_eq(leat_expr_open("$2 .. $1 .. $0", &opts, &expr, &mistake), 0);
	cr_assert_eq(leat_expr_run(expr, &line, columns, 1, &values), 0);
	cr_assert_eq(values.texts[0].len, 9);
	cr_expect_eq(memcmp(values.texts[0].data, "twoonex y", 9), 0);
	leat_expr_close(expr);
	cr_assert_eq(leat_expr_open("1 + $-2", &opts, &expr, &mistake), -EINVAL);
	cr_expect_eq(mistake.at, 4);
	cr_expect_str_eq(mistake.what, "fields are not counted from the end here");
	opts.names = &no_names;
	cr_assert_eq(leat_expr_open("1 + $time", &opts, &expr, &mistake), -EINVAL);
	cr_expect_eq(mistake.at, 4);
	cr_expect_str_eq(mistake.what, "names are gone");
	cr_expect_str_eq(mistake.wanted, "$ for that");
}
