/*
 * Fields of lines by name or number: CSV, pairs and JSON, by tables: what each line holds, and
 * which lines cannot be read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/csv.h"
#include "text/expr.h"
#include "text/fields.h"
#include "text/json.h"
#include "text/kv.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LONG "0123456789abcdef0123456789abcdef"

/* A line, and its fields with < and > around each; NULL: it cannot be read. */
struct row {
	const char *line, *fields;
};

static struct leat_text text_of(const char *text)
{
	return (struct leat_text){ text, strlen(text) };
}

static void check_fields(const struct row *row, int rc, const struct leat_text *fields,
                         size_t count)
{
	char shown[400] = "";

	cr_assert_eq(rc, row->fields != NULL ? 0 : -EBADMSG, "%s: %d", row->line, rc);
	for (size_t i = 0; i < count; i++)
		snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown), "<%.*s>",
		         (int)fields[i].len, fields[i].data);
	cr_expect_str_eq(shown, row->fields != NULL ? row->fields : "<><><>", "%s: %s", row->line,
	                 shown);
}

/* Of a copy without a NUL behind it, so that a sanitizer sees a read beyond the line. */
static struct leat_text copy_line(const char *line)
{
	size_t len = strlen(line);
	char *copy = malloc(len);

	memcpy(copy, line, len);
	return (struct leat_text){ copy, len };
}

Test(text_fields, csv_reads_fields_by_number)
{
	static const struct row rows[] = {
		{ "a,b,c,d", "<d><b><b>" },
		{ "a,b,c,d,e,f", "<d><b><b>" },
		{ "a,b,c", "<><b><b>" },
		{ "a", "<><><>" },
		{ "", "<><><>" },
		{ ",,,", "<><><>" },
		{ ",x,,y", "<y><x><x>" },
		{ "a, b ,c,\td", "<\td>< b >< b >" },
		{ "a,b,c,d\r", "<d><b><b>" },
		{ "a,b\r", "<><b><b>" },
		{ "a,b\rc,d,e", "<e><b\rc><b\rc>" },
		{ LONG "," LONG "," LONG "," LONG, "<" LONG "><" LONG "><" LONG ">" },
		{ "0123456789abcde,,b,0", "<0><><>" },
		{ "0123456789abcdef,b,,0", "<0><b><b>" },
		{ "\"a\",\"b\",\"c\",\"d\"", "<d><b><b>" },
		{ "\"a,x\",\"b,y\",\"c,z\",\"d,\"", "<d,><b,y><b,y>" },
		{ "\"a\"\"\",\"\"\"b\"\"\",c,\"\"\"\"", "<\"><\"b\"><\"b\">" },
		{ "\"\",\"\",,\"\"", "<><><>" },
		{ "a,\"x\"\"y\"\"\"\"z\",c,\"\"\"d\"\r", "<\"d><x\"y\"\"z><x\"y\"\"z>" },
		{ "a,b\"c,d\"e,5\" disk", "<5\" disk><b\"c><b\"c>" },
		{ "a, \"b\",c,d", "<d>< \"b\">< \"b\">" },
		{ "a,b,c,\"d", NULL },
		{ "\"", NULL },
		{ "a,\"b\"c,d,e", NULL },
		{ "a,\"b\" ,d,e", NULL },
		{ "a,b,\"c\"\",d", NULL },
		{ LONG ",b,c,d,e," LONG ",\"", NULL },
		{ "a,b,c,d", "<d><b><b>" }, /* after a line that could not be read */
	};
	struct leat_text fields[3];
	struct leat_csv *csv;

	cr_assert_eq(leat_csv_open(&csv, (const uint32_t[]){ 4, 2, 2 }, 3), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct leat_text line = copy_line(rows[i].line);
		check_fields(&rows[i], leat_csv_read(csv, line, fields), fields, 3);
		free((char *)line.data);
	}
	leat_csv_close(csv);
	leat_csv_close(NULL);
}

Test(text_fields, csv_has_no_field_of_number_0_and_none_beyond_the_line)
{
	static const struct row rows[] = { { "a,b", "<><><a>" }, { "\"a\",b", "<><><a>" } };
	struct leat_text fields[3];
	struct leat_csv *csv;

	cr_assert_eq(leat_csv_open(&csv, (const uint32_t[]){ 0, 9999, 1 }, 3), 0);
	for (size_t i = 0; i < COUNT(rows); i++)
		check_fields(&rows[i], leat_csv_read(csv, text_of(rows[i].line), fields), fields,
		             3);
	leat_csv_close(csv);
	cr_assert_eq(leat_csv_open(&csv, NULL, 0), 0);
	cr_expect_eq(leat_csv_read(csv, text_of("a,b"), fields), 0);
	cr_expect_eq(leat_csv_read(csv, text_of("a,\"b"), fields), -EBADMSG);
	leat_csv_close(csv);
}

Test(text_fields, csv_gives_parts_of_the_line_where_no_quotes_are_doubled)
{
	struct leat_text line = text_of("a,\"b\",c"), field;
	struct leat_csv *csv;

	cr_assert_eq(leat_csv_open(&csv, (const uint32_t[]){ 2 }, 1), 0);
	cr_assert_eq(leat_csv_read(csv, line, &field), 0);
	cr_expect_eq(field.data, line.data + 3);
	leat_csv_close(csv);
}

Test(text_fields, csv_finds_columns_by_the_names_of_the_first_line)
{
	struct leat_csv_header header;

	cr_assert_eq(leat_csv_header_init(&header, text_of("\xef\xbb\xbfid,\"unit price\",\"5\"\" "
	                                                   "disk\",id,\r")),
	             0);
	cr_expect_eq(header.count, 5);
	cr_expect_eq(leat_csv_header_find(&header, text_of("id")), 1);
	cr_expect_eq(leat_csv_header_find(&header, text_of("unit price")), 2);
	cr_expect_eq(leat_csv_header_find(&header, text_of("5\" disk")), 3);
	cr_expect_eq(leat_csv_header_find(&header, text_of("")), 5);
	cr_expect_eq(leat_csv_header_find(&header, text_of("i")), 0);
	cr_expect_eq(leat_csv_header_find(&header, text_of("ID")), 0);
	cr_expect(leat_csv_header_same(&header, text_of("id,\"unit price\",\"5\"\" disk\",id,")));
	cr_expect_not(leat_csv_header_same(&header, text_of("id")));
	cr_expect_not(leat_csv_header_same(&header, text_of("")));
	leat_csv_header_fini(&header);
	cr_expect_eq(leat_csv_header_init(&header, text_of("id,\"price")), -EBADMSG);
	cr_expect_null(header.names);
	cr_assert_eq(leat_csv_header_init(&header, text_of("")), 0);
	cr_expect_eq(leat_csv_header_find(&header, text_of("")), 1);
	leat_csv_header_fini(&header);
}

Test(text_fields, kv_reads_values_by_name)
{
	static const struct row rows[] = {
		{ "level=warn ms=12 msg=x", "<warn><12><x>" },
		{ "  msg=x\t\tlevel=warn ", "<warn><><x>" },
		{ "", "<><><>" },
		{ " \t", "<><><>" },
		{ "\r", "<><><>" },
		{ "words level level = =x", "<><><>" },
		{ "level= ms=12", "<><12><>" },
		{ "level=\"\" ms=\"12\"", "<><12><>" },
		{ "msg=\"no such file\" ms=1\r", "<><1><no such file>" },
		{ "msg=\"a \\\"b\\\" \\\\ \\n\\r\\t\\x\" ms=\"\\\"\"",
		  "<><\"><a \"b\" \\ \n\r\tx>" },
		{ "ms=1 ms=2 ms=\"3\"", "<><3><>" },
		{ "levels=a xlevel=b Level=c level=d", "<d><><>" },
		{ "level=a=b msg=a\"b\"", "<a=b><><a\"b\">" },
		{ "\"level\"=1 level=2", "<2><><>" },
		{ "msg=\"open", NULL },
		{ "msg=\"", NULL },
		{ "msg=\"open\\\"", NULL },
		{ "msg=\"open\\", NULL },
		{ "level=a other=\"x\"y", NULL },
		{ "level=a other=\"x\"\"y\"", NULL },
		{ "level=warn", "<warn><><>" },
	};
	const struct leat_text names[] = { text_of("level"), text_of("ms"), text_of("msg") };
	struct leat_text fields[3];
	struct leat_kv *kv;

	cr_assert_eq(leat_kv_open(&kv, names, 3), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct leat_text line = copy_line(rows[i].line);
		check_fields(&rows[i], leat_kv_read(kv, line, fields), fields, 3);
		free((char *)line.data);
	}
	leat_kv_close(kv);
	leat_kv_close(NULL);
}

Test(text_fields, kv_gives_a_name_that_is_wanted_twice_to_both)
{
	const struct leat_text names[] = { text_of("m"), text_of("m") };
	struct leat_text fields[2];
	struct leat_kv *kv;

	cr_assert_eq(leat_kv_open(&kv, names, 2), 0);
	cr_assert_eq(leat_kv_read(kv, text_of("m=\"a\\\\b\" n=\"\\\\\""), fields), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(fields[i].len, 3);
		cr_expect_eq(memcmp(fields[i].data, "a\\b", 3), 0);
	}
	leat_kv_close(kv);
}

#ifdef LEAT_HAVE_SIMDJSON

Test(text_fields, json_reads_members_by_name)
{
	static const struct row rows[] = {
		{ "{\"level\":\"warn\",\"a\":{\"b\":1},\"ms\":2}", "<warn><1><2>" },
		{ " { \"ms\" : 1.50 , \"level\" : \"x\" } ", "<x><><1.50>" },
		{ "{}", "<><><>" },
		{ "{\"ms\":true,\"level\":false,\"a\":null}", "<false><><true>" },
		{ "{\"ms\":null,\"level\":null}", "<><><>" },
		{ "{\"ms\":123456789012345678901234567890,\"level\":-0.0e+7}",
		  "<-0.0e+7><><123456789012345678901234567890>" },
		{ "{\"level\":\"a\\\"b\\\\\\n\\u00e9\\ud83d\\ude00\"}",
		  "<a\"b\\\n\xc3\xa9\xf0\x9f\x98\x80><><>" },
		{ "{\"level\":\"\",\"ms\":\" \"}", "<><>< >" },
		{ "{\"lev\\u0065l\":\"x\"}", "<x><><>" },
		{ "{\"level\":[1, {\"level\":2} ] ,\"ms\":{ \"x\":[] }}",
		  "<[1, {\"level\":2} ]><><{ \"x\":[] }>" },
		{ "{\"level\":1,\"level\":2}", "<2><><>" },
		{ "{\"a\":{\"x\":{\"b\":9},\"b\":\"in\"}}", "<><in><>" },
		{ "{\"a.b\":\"flat\"}", "<><flat><>" },
		{ "{\"a\":[{\"b\":1}],\"b\":2}", "<><><>" },
		{ "{\"a\":{\"level\":1,\"ms\":2,\"b\":{\"b\":3}},\"ms\":4}", "<><{\"b\":3}><4>" },
		{ "{\"a\":{\"b\":1},\"a\":7}", "<><1><>" },
		{ "", NULL },
		{ " ", NULL },
		{ "{", NULL },
		{ "}", NULL },
		{ "[1]", NULL },
		{ "12", NULL },
		{ "\"level\"", NULL },
		{ "null", NULL },
		{ "{\"level\":1", NULL },
		{ "{\"level\":1}}", NULL },
		{ "{\"level\":1} x", NULL },
		{ "{\"level\":1}{}", NULL },
		{ "{\"level\":1,}", NULL },
		{ "{,\"level\":1}", NULL },
		{ "{\"level\" 1}", NULL },
		{ "{\"level\":}", NULL },
		{ "{\"level\"}", NULL },
		{ "{level:1}", NULL },
		{ "{\"level\":1 2}", NULL },
		{ "{\"level\":\"a\"b}", NULL },
		{ "{\"level\":\"open}", NULL },
		{ "{\"level\":\"a\\x\"}", NULL },
		{ "{\"other\":\"\\x\"}", NULL },
		{ "{\"other\":\"\\ud83d\"}", NULL },
		{ "{\"other\":\"tab\there\"}", NULL },
		{ "{\"other\":\"\xff\"}", NULL },
		{ "{\"level\":1,\"other\":tru}", NULL },
		{ "{\"other\":nul}", NULL },
		{ "{\"other\":truex}", NULL },
		{ "{\"other\":01}", NULL },
		{ "{\"other\":1.}", NULL },
		{ "{\"other\":.5}", NULL },
		{ "{\"other\":-}", NULL },
		{ "{\"other\":+1}", NULL },
		{ "{\"other\":1e}", NULL },
		{ "{\"other\":1e+}", NULL },
		{ "{\"other\":0x1}", NULL },
		{ "{\"other\":NaN}", NULL },
		{ "{\"other\":[1,]}", NULL },
		{ "{\"other\":[1 2]}", NULL },
		{ "{\"other\":[1}", NULL },
		{ "{\"other\":{\"x\":[}]}", NULL },
		{ "{\"other\":[[1,[2}]]}", NULL },
		{ "{\"a\":{\"b\":1,\"x\":-}}", NULL },
		{ "{\"level\":\"ok\"}", "<ok><><>" },
	};
	const struct leat_text names[] = { text_of("level"), text_of("a.b"), text_of("ms") };
	struct leat_text fields[3];
	struct leat_json *json;

	cr_assert_eq(leat_json_open(&json, names, 3), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct leat_text line = copy_line(rows[i].line);
		check_fields(&rows[i], leat_json_read(json, line, fields), fields, 3);
		free((char *)line.data);
	}
	leat_json_close(json);
	leat_json_close(NULL);
}

static int read_nested(struct leat_json *json, int depth, struct leat_text *field)
{
	char line[4 * LEAT_JSON_DEPTH] = "{\"a\":";
	size_t len = strlen(line);

	for (int i = 1; i < depth; i++)
		line[len++] = '[';
	line[len++] = '1';
	for (int i = 1; i < depth; i++)
		line[len++] = ']';
	line[len++] = '}';
	return leat_json_read(json, (struct leat_text){ line, len }, field);
}

Test(text_fields, json_refuses_what_is_nested_too_deeply)
{
	const struct leat_text name = text_of("x");
	struct leat_text field;
	struct leat_json *json;

	cr_assert_eq(leat_json_open(&json, &name, 1), 0);
	cr_expect_eq(read_nested(json, 1, &field), 0);
	cr_expect_eq(read_nested(json, LEAT_JSON_DEPTH, &field), 0);
	cr_expect_eq(read_nested(json, LEAT_JSON_DEPTH + 1, &field), -EBADMSG);
	cr_expect_eq(read_nested(json, 1, &field), 0);
	leat_json_close(json);
}

Test(text_fields, json_gives_parts_of_the_line_where_nothing_is_escaped)
{
	struct leat_text line = text_of("{\"a\":\"b\",\"c\":[1]}"), fields[2];
	const struct leat_text names[] = { text_of("a"), text_of("c") };
	struct leat_json *json;

	cr_assert_eq(leat_json_open(&json, names, 2), 0);
	cr_assert_eq(leat_json_read(json, line, fields), 0);
	cr_expect_eq(fields[0].data, line.data + 6);
	cr_expect_eq(fields[1].data, line.data + 13);
	leat_json_close(json);
}

#endif

/* A line of blanks and letters; each in memory of its own. */
static struct leat_line random_line(unsigned *seed)
{
	size_t len = (size_t)rand_r(seed) % 200;
	char *text = malloc(len);

	for (size_t i = 0; i < len; i++)
		text[i] = " \tabcde"[rand_r(seed) % (rand_r(seed) % 2 == 0 ? 7 : 2)];
	return (struct leat_line){ .data = text, .len = len };
}

static void expect_same_field(struct leat_expr *expr, const struct leat_line *lines, size_t n,
                              const void *column, int number)
{
	struct leat_expr_values values;

	cr_assert_eq(leat_expr_run(expr, lines, NULL, n, &values), 0);
	for (size_t i = 0; i < n; i++)
		cr_expect(leat_text_same(values.texts[i], ((const struct leat_text *)column)[i]),
		          "$%d of \"%.*s\"", number, (int)lines[i].len, lines[i].data);
}

/* Those that several expressions use are those that each would split by itself, in any order. */
Test(text_fields, of_blanks_are_those_of_an_expression)
{
	static const int numbers[] = { 10, 1, -1, 9, 2, 2, -3, 70, 9, -2 };
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES, .max = 64 };
	struct leat_line lines[64];
	struct leat_fields *fields;
	int columns[COUNT(numbers)];
	unsigned seed = 3;

	cr_assert_eq(leat_fields_open(&fields, 64), 0);
	for (size_t k = 0; k < COUNT(numbers); k++)
		columns[k] = leat_fields_add(fields, numbers[k]);
	cr_expect_eq(columns[4], columns[5]);
	cr_expect_eq(columns[3], columns[8]);
	for (size_t i = 0; i < 64; i++)
		lines[i] = random_line(&seed);
	for (size_t n = 0; n <= 64; n += 16) {
		const void *const *all = leat_fields_split(fields, lines, n);

		for (size_t k = 0; k < COUNT(numbers); k++) {
			struct leat_mistake mistake;
			struct leat_expr *expr;
			char text[16];

			snprintf(text, sizeof(text), "$%d", numbers[k]);
			cr_assert_eq(leat_expr_open(text, &opts, &expr, &mistake), 0);
			expect_same_field(expr, lines, n, all[columns[k]], numbers[k]);
			leat_expr_close(expr);
		}
	}
	for (size_t i = 0; i < 64; i++)
		free((char *)(uintptr_t)lines[i].data);
	leat_fields_close(fields);
}
