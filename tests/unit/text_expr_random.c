/*
 * Random expressions against another evaluator: it walks a tree for one item at a time, reads and
 * writes numbers by the C library, and splits lines byte by byte. A failure prints the seed, the
 * expression and the item.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "text/expr.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPRESSIONS = 20000, ITEMS = 19, TEXT_MAX = 4000 };

/* A value, or a node with the values of its operands below it. */
struct value {
	enum leat_expr_type type;
	bool absent; /* an integer */
	int64_t integer;
	double decimal;
	bool truth;
	const char *text;
	size_t len;
};

struct tree {
	char name[12]; /* "lit", "item", "field", "column", an operator or a function */
	enum leat_expr_type type;
	struct value literal;
	int number, kids_count;
	struct tree *kids[3];
};

static uint64_t state;
static char *arena; /* of one expression, and of one item */
static size_t arena_used;

static void *take_memory(size_t size)
{
	void *memory = arena + arena_used;

	arena_used += (size + 15) / 16 * 16;
	cr_assert_leq(arena_used, (size_t)16 << 20);
	return memory;
}

static unsigned choose(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 33) % below);
}

static const int64_t integers[] = { 0,
	                            1,
	                            -1,
	                            2,
	                            3,
	                            5,
	                            7,
	                            -7,
	                            10,
	                            16,
	                            404,
	                            1000,
	                            123456789,
	                            INT64_MAX,
	                            INT64_MIN,
	                            INT64_MAX - 1,
	                            INT64_C(1) << 53,
	                            INT64_C(1) << 62,
	                            -(INT64_C(1) << 40) };
static const double decimals[] = { 0.0,   0.5,   1.5,        2.0,
	                           3.25,  404.0, 1e3,        0.1,
	                           1e15,  1e16,  1e19,       9.2e18,
	                           1e300, 1e-9,  123456.789, 4503599627370497.5 };
static const char *const texts[] = { "",
	                             "a",
	                             "GET",
	                             "get",
	                             " 7 ",
	                             "404",
	                             "404.0",
	                             "-2.5",
	                             "1e3",
	                             "abcabc",
	                             "x y",
	                             ".5",
	                             "5.",
	                             "+1",
	                             "1e",
	                             "0x1",
	                             "9223372036854775807",
	                             "9223372036854775808",
	                             "-9223372036854775808",
	                             "12345678901234567890123",
	                             "\t3",
	                             "1e400",
	                             "00012",
	                             "4.35",
	                             "- 1",
	                             "B-ra" };
static const char *const patterns[] = { "GET", "4", "^a", "c$", "", "^4", "5$", "y" };

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

static enum leat_expr_items kind;
static int64_t item_integers[ITEMS], column_integers[ITEMS];
static double item_decimals[ITEMS], column_decimals[ITEMS];
static char item_bytes[ITEMS][200];
static struct leat_line item_lines[ITEMS];
static struct leat_text column_texts[ITEMS];
static uint8_t column_truths[ITEMS];

static int find_column(void *data, const char *name, size_t len, enum leat_expr_type *type)
{
	(void)data;
	cr_assert_eq(len, 1);
	*type = (enum leat_expr_type)(*name - 'a');
	return *name - 'a';
}

/* ---- making trees ---- */

static struct tree *make_tree(enum leat_expr_type type, int depth);

static struct tree *new_tree(const char *name, enum leat_expr_type type)
{
	struct tree *t = take_memory(sizeof(*t));

	*t = (struct tree){ .type = type, .literal.type = type };
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

static struct tree *add_kid(struct tree *t, struct tree *kid)
{
	t->kids[t->kids_count++] = kid;
	return t;
}

static struct tree *make_literal(enum leat_expr_type type)
{
	struct tree *t = new_tree("lit", type);

	t->literal.integer = integers[choose(COUNT(integers))];
	t->literal.decimal = decimals[choose(COUNT(decimals))];
	t->literal.text = texts[choose(COUNT(texts))];
	t->literal.len = strlen(t->literal.text);
	return t;
}

static struct tree *make_leaf(enum leat_expr_type type)
{
	static const enum leat_expr_type item_types[] = { LEAT_EXPR_INTEGER, LEAT_EXPR_DECIMAL,
		                                          LEAT_EXPR_TEXT };
	struct tree *t;

	if (choose(3) != 0 && item_types[kind] == type) {
		t = new_tree(type == LEAT_EXPR_TEXT && choose(4) != 0 ? "field" : "item", type);
		t->number = choose(2) ? 1 + (int)choose(5) : -1 - (int)choose(4);
		return t;
	}
	if (type == LEAT_EXPR_TRUTH || choose(3) == 0)
		return new_tree("column", type);
	return make_literal(type);
}

static enum leat_expr_type any_number(void)
{
	return (enum leat_expr_type)choose(3); /* texts are numbers, too */
}

/* Two operands of which not both are integers, as the result is a decimal. */
static struct tree *add_decimal_kids(struct tree *t, int depth)
{
	enum leat_expr_type x = any_number(), y = any_number();

	if (x == LEAT_EXPR_INTEGER && y == LEAT_EXPR_INTEGER)
		y = LEAT_EXPR_DECIMAL;
	return add_kid(add_kid(t, make_tree(x, depth)), make_tree(y, depth));
}

static struct tree *make_choice(enum leat_expr_type type, int depth)
{
	struct tree *t = add_kid(new_tree("?", type), make_tree(LEAT_EXPR_TRUTH, depth));
	enum leat_expr_type other = type;

	if (type == LEAT_EXPR_DECIMAL && choose(2))
		other = LEAT_EXPR_INTEGER;
	if (type == LEAT_EXPR_TEXT && choose(2))
		other = any_number();
	bool turned = choose(2);
	add_kid(t, make_tree(turned ? other : type, depth));
	return add_kid(t, make_tree(turned ? type : other, depth));
}

static struct tree *make_number(enum leat_expr_type type, int depth)
{
	static const char *const two[] = { "+", "-", "*", "/", "%", "min", "max" };
	static const char *const one[] = { "neg", "abs", "round", "floor", "num" };
	bool integer = type == LEAT_EXPR_INTEGER;

	if (integer && choose(5) == 0)
		return add_kid(new_tree(choose(2) ? "len" : "int", type),
		               make_tree(any_number(), depth));
	if (choose(3) == 0)
		return add_kid(new_tree(one[choose(COUNT(one))], type),
		               make_tree(integer     ? type
		                         : choose(2) ? LEAT_EXPR_TEXT
		                                     : type,
		                         depth));
	struct tree *t = new_tree(two[choose(COUNT(two))], type);
	return integer ? add_kid(add_kid(t, make_tree(type, depth)), make_tree(type, depth))
	               : add_decimal_kids(t, depth);
}

static struct tree *make_text(int depth)
{
	static const char *const one[] = { "upper", "lower", "trim", "text" };
	struct tree *t;

	switch (choose(3)) {
	case 0:
		return add_kid(new_tree(one[choose(COUNT(one))], LEAT_EXPR_TEXT),
		               make_tree(any_number(), depth));
	case 1:
		t = add_kid(new_tree("..", LEAT_EXPR_TEXT), make_tree(any_number(), depth));
		return add_kid(t, make_tree(any_number(), depth));
	default:
		t = add_kid(new_tree("substr", LEAT_EXPR_TEXT), make_tree(any_number(), depth));
		add_kid(t, make_tree(any_number(), depth));
		return choose(2) ? add_kid(t, make_tree(any_number(), depth)) : t;
	}
}

static struct tree *make_truth(int depth)
{
	static const char *const comparisons[] = { "==", "!=", "<", "<=", ">", ">=" };
	static const char *const of_texts[] = { "contains", "starts", "ends" };
	static const char *const logic[] = { "&&", "||", "&&", "||", "==", "!=" };
	struct tree *t;

	switch (choose(7)) {
	case 0:
		return add_kid(new_tree("!", LEAT_EXPR_TRUTH), make_tree(LEAT_EXPR_TRUTH, depth));
	case 1:
	case 2:
		t = add_kid(new_tree(logic[choose(COUNT(logic))], LEAT_EXPR_TRUTH),
		            make_tree(LEAT_EXPR_TRUTH, depth));
		return add_kid(t, make_tree(LEAT_EXPR_TRUTH, depth));
	case 3:
		t = add_kid(new_tree(of_texts[choose(COUNT(of_texts))], LEAT_EXPR_TRUTH),
		            make_tree(any_number(), depth));
		return add_kid(t, make_tree(any_number(), depth));
	case 4:
		t = add_kid(new_tree(choose(2) ? "~" : "!~", LEAT_EXPR_TRUTH),
		            make_tree(any_number(), depth));
		t->number = (int)choose(COUNT(patterns));
		return t;
	case 5:
		t = add_kid(new_tree("%", LEAT_EXPR_INTEGER), make_tree(LEAT_EXPR_INTEGER, depth));
		add_kid(t, make_literal(LEAT_EXPR_INTEGER));
		t = add_kid(new_tree(choose(2) ? "==" : "!=", LEAT_EXPR_TRUTH), t);
		add_kid(t, make_literal(LEAT_EXPR_INTEGER));
		t->kids[1]->literal.integer = choose(4) == 0;
		return t;
	default:
		t = add_kid(new_tree(comparisons[choose(COUNT(comparisons))], LEAT_EXPR_TRUTH),
		            make_tree(any_number(), depth));
		return add_kid(t, make_tree(any_number(), depth));
	}
}

static struct tree *make_tree(enum leat_expr_type type, int depth)
{
	if (depth == 0 || choose(6) == 0)
		return make_leaf(type);
	if (choose(7) == 0)
		return make_choice(type, depth - 1);
	return type == LEAT_EXPR_TEXT    ? make_text(depth - 1)
	       : type == LEAT_EXPR_TRUTH ? make_truth(depth - 1)
	                                 : make_number(type, depth - 1);
}

/* ---- writing trees ---- */

static int precedence(const struct tree *t)
{
	static const char *const levels[][9] = {
		{ "?" },           { "||" },
		{ "&&" },          { "==", "!=", "<", "<=", ">", ">=", "~", "!~" },
		{ ".." },          { "+", "-" },
		{ "*", "/", "%" }, { "!", "neg" }
	};

	for (int level = 0; level < 8; level++)
		for (int i = 0; i < 9 && levels[level][i] != NULL; i++)
			if (strcmp(t->name, levels[level][i]) == 0)
				return level;
	return t->literal.integer < 0 && strcmp(t->name, "lit") == 0 ? 7 : 8;
}

static void write_leaf(FILE *to, const struct tree *t)
{
	char written[64];

	if (strcmp(t->name, "item") == 0) {
		fprintf(to, kind == LEAT_EXPR_LINES && choose(2) ? "$0" : "$ ");
	} else if (strcmp(t->name, "field") == 0) {
		fprintf(to, "$%d", t->number);
	} else if (strcmp(t->name, "column") == 0) {
		fprintf(to, choose(2) ? "$%c" : "${%c}", 'a' + (int)t->type);
	} else if (t->type == LEAT_EXPR_INTEGER) {
		fprintf(to, "%lld", (long long)t->literal.integer);
	} else if (t->type == LEAT_EXPR_TEXT) {
		fprintf(to, choose(2) ? "'%s'" : "\"%s\"", t->literal.text);
	} else {
		snprintf(written, sizeof(written), "%.17g", t->literal.decimal);
		fprintf(to, "%s%s", written, strpbrk(written, ".e") == NULL ? ".0" : "");
	}
}

/* Parentheses where they are needed, and at times where they are not. */
static void write_tree(FILE *to, const struct tree *t, int least)
{
	int level = precedence(t);
	bool enclosed = level < least || choose(8) == 0;
	const char *name = strcmp(t->name, "neg") == 0 ? "-" : t->name;

	fputs(enclosed ? "(" : "", to);
	if (t->kids_count == 0) {
		write_leaf(to, t);
	} else if (level == 0) {
		write_tree(to, t->kids[0], 1);
		fputs(" ? ", to);
		write_tree(to, t->kids[1], 0);
		fputs(":", to);
		write_tree(to, t->kids[2], 0);
	} else if (level == 7) {
		fputs(name, to);
		write_tree(to, t->kids[0], 7);
	} else if (level == 8) {
		for (int i = 0; i < t->kids_count; i++) {
			fprintf(to, "%s", i == 0 ? name : ",");
			fputs(i == 0 ? "(" : "", to);
			write_tree(to, t->kids[i], 0);
		}
		fputs(")", to);
	} else {
		write_tree(to, t->kids[0], level == 3 ? 4 : level);
		fprintf(to, choose(2) ? " %s " : "%s ", name);
		if (t->kids_count == 1)
			fprintf(to, "'%s'", patterns[t->number]);
		else
			write_tree(to, t->kids[1], level + 1);
	}
	fputs(enclosed ? ")" : "", to);
}

/* ---- values of one item ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Whether the text is a number, by strtod(), which takes more than expressions do. */
static bool read_number(const struct value *text, double *decimal, bool *whole)
{
	char copy[TEXT_MAX], *at = copy, *end;
	size_t len = text->len;
	const char *p = text->text;

	while (len > 0 && is_blank(p[0]))
		p++, len--;
	while (len > 0 && is_blank(p[len - 1]))
		len--;
	if (len == 0 || len > 128)
		return false;
	memcpy(copy, p, len);
	copy[len] = '\0';
	if (strspn(copy, "+-0123456789.eE") != len)
		return false;
	*decimal = strtod(at, &end);
	*whole = strpbrk(copy, ".eE") == NULL;
	return *end == '\0' && end != copy;
}

static double decimal_of(const struct value *v)
{
	double decimal;
	bool whole;

	switch (v->type) {
	case LEAT_EXPR_INTEGER:
		return v->absent ? NAN : (double)v->integer;
	case LEAT_EXPR_TEXT:
		return read_number(v, &decimal, &whole) ? decimal : NAN;
	default:
		return v->decimal;
	}
}

static struct value integer_value(__int128 integer, bool absent)
{
	return (struct value){ .type = LEAT_EXPR_INTEGER,
		               .integer = absent ? 0 : (int64_t)(uint64_t)integer,
		               .absent = absent };
}

static struct value decimal_value(double decimal)
{
	return (struct value){ .type = LEAT_EXPR_DECIMAL, .decimal = decimal };
}

static struct value truth_value(bool truth)
{
	return (struct value){ .type = LEAT_EXPR_TRUTH, .truth = truth };
}

static struct value text_value(const char *text, size_t len)
{
	return (struct value){ .type = LEAT_EXPR_TEXT, .text = text, .len = len };
}

/* An integer that is wholly written in the text, without rounding. */
static bool read_whole(const struct value *text, __int128 *number)
{
	double decimal;
	bool whole, minus = false;

	if (!read_number(text, &decimal, &whole) || !whole || fabs(decimal) > 1e30)
		return false;
	*number = 0;
	for (size_t i = 0; i < text->len; i++) {
		minus = minus || text->text[i] == '-';
		if (text->text[i] >= '0' && text->text[i] <= '9')
			*number = *number * 10 + (text->text[i] - '0');
	}
	*number = minus ? -*number : *number;
	return *number >= INT64_MIN && *number <= INT64_MAX;
}

static struct value to_integer(const struct value *v)
{
	__int128 number;

	if (v->type == LEAT_EXPR_INTEGER)
		return *v;
	if (v->type == LEAT_EXPR_TEXT && read_whole(v, &number))
		return integer_value(number, false);
	double decimal = trunc(decimal_of(v));
	bool fits = decimal >= -9223372036854775808.0 && decimal < 9223372036854775808.0;
	return integer_value(fits ? (__int128)decimal : 0, !fits);
}

static struct value to_text(const struct value *v)
{
	char *to;

	if (v->type == LEAT_EXPR_TEXT)
		return *v;
	if (v->type == LEAT_EXPR_INTEGER ? v->absent : isnan(v->decimal))
		return text_value("", 0);
	to = take_memory(64);
	if (v->type == LEAT_EXPR_INTEGER) {
		snprintf(to, 64, "%lld", (long long)v->integer);
	} else {
		snprintf(to, 64, "%.15g", v->decimal);
		if (strtod(to, NULL) != v->decimal)
			snprintf(to, 64, "%.17g", v->decimal);
	}
	return text_value(to, strlen(to));
}

static struct value compute_integers(const char *name, const struct value *x, const struct value *y)
{
	__int128 a = x->integer, b = y->integer;
	bool absent = x->absent || y->absent;

	switch (name[0]) {
	case '+':
		return integer_value(a + b, absent);
	case '-':
		return integer_value(a - b, absent);
	case '*':
		return integer_value((__int128)((unsigned __int128)a * (unsigned __int128)b),
		                     absent);
	case '/':
		return integer_value(b != 0 ? a / b : 0, absent || b == 0);
	case '%':
		return integer_value(b != 0 ? a % b : 0, absent || b == 0);
	default:
		return integer_value((a < b) == (name[1] == 'i') ? a : b, absent);
	}
}

static struct value compute_decimals(const char *name, double a, double b)
{
	switch (name[0]) {
	case '+':
		return decimal_value(a + b);
	case '-':
		return decimal_value(a - b);
	case '*':
		return decimal_value(a * b);
	case '/':
		return decimal_value(b != 0 ? a / b : NAN);
	case '%':
		return decimal_value(fmod(a, b));
	default:
		if (isnan(a) || isnan(b))
			return decimal_value(NAN);
		return decimal_value((a == b) ? b : (a < b) == (name[1] == 'i') ? a : b);
	}
}

/* Below 0, 0, above 0; 9 if one of them is no number. */
static int order_values(const struct value *x, const struct value *y)
{
	if (x->type == LEAT_EXPR_TEXT && y->type == LEAT_EXPR_TEXT) {
		size_t len = x->len < y->len ? x->len : y->len;
		int order = memcmp(x->text, y->text, len);
		return order < 0          ? -1
		       : order > 0        ? 1
		       : x->len == y->len ? 0
		       : x->len < y->len  ? -1
		                          : 1;
	}
	const struct value *pair[] = { x, y };
	__int128 whole[2];
	bool exact = x->type == LEAT_EXPR_INTEGER || y->type == LEAT_EXPR_INTEGER;
	for (int i = 0; i < 2; i++) {
		if (pair[i]->type == LEAT_EXPR_INTEGER)
			whole[i] = pair[i]->integer;
		else
			exact = exact && pair[i]->type == LEAT_EXPR_TEXT &&
			        read_whole(pair[i], &whole[i]);
		if (isnan(decimal_of(pair[i])))
			return 9;
	}
	if (exact)
		return whole[0] < whole[1] ? -1 : whole[0] > whole[1];
	double a = decimal_of(x), b = decimal_of(y);
	return a < b ? -1 : a > b;
}

static bool compare_values(const char *name, const struct value *x, const struct value *y)
{
	int order = x->type == LEAT_EXPR_TRUTH ? (x->truth != y->truth) : order_values(x, y);

	if (name[0] == '!')
		return order != 0;
	if (order == 9)
		return false;
	return name[0] == '='   ? order == 0
	       : name[0] == '<' ? order < 0 || (name[1] == '=' && order == 0)
	                        : order > 0 || (name[1] == '=' && order == 0);
}

static bool match_pattern(const char *pattern, const struct value *text)
{
	size_t len = strlen(pattern);

	if (pattern[0] == '^')
		return text->len >= len - 1 && memcmp(text->text, pattern + 1, len - 1) == 0;
	if (len > 0 && pattern[len - 1] == '$')
		return text->len >= len - 1 &&
		       memcmp(text->text + text->len - (len - 1), pattern, len - 1) == 0;
	return memmem(text->text, text->len, pattern, len) != NULL;
}

/* The fields one by one; a negative number counts from the last one. */
static struct value find_field(const struct value *line, int number)
{
	struct value found[100];
	int count = 0;

	for (size_t i = 0; i < line->len; i++) {
		bool blank = line->text[i] == ' ' || line->text[i] == '\t';
		bool after = i > 0 && line->text[i - 1] != ' ' && line->text[i - 1] != '\t';
		if (!blank && !after)
			found[count++] = text_value(line->text + i, 0);
		if (!blank)
			found[count - 1].len++;
	}
	int place = number > 0 ? number - 1 : count + number;
	return place >= 0 && place < count ? found[place] : text_value("", 0);
}

static struct value leaf_value(const struct tree *t, size_t i)
{
	struct value item = text_value(item_lines[i].data, item_lines[i].len);

	if (strcmp(t->name, "lit") == 0)
		return t->literal;
	if (strcmp(t->name, "field") == 0)
		return find_field(&item, t->number);
	bool column = strcmp(t->name, "column") == 0;
	switch (t->type) {
	case LEAT_EXPR_INTEGER:
		return integer_value(column ? column_integers[i] : item_integers[i], false);
	case LEAT_EXPR_DECIMAL:
		return decimal_value(column ? column_decimals[i] : item_decimals[i]);
	case LEAT_EXPR_TEXT:
		return column ? text_value(column_texts[i].data, column_texts[i].len) : item;
	default:
		return truth_value(column_truths[i]);
	}
}

static struct value change_case(const struct value *x, bool upper)
{
	char *to = take_memory(x->len);

	for (size_t k = 0; k < x->len; k++) {
		char c = x->text[k];
		to[k] = upper && c >= 'a' && c <= 'z'    ? (char)(c - 32)
		        : !upper && c >= 'A' && c <= 'Z' ? (char)(c + 32)
		                                         : c;
	}
	return text_value(to, x->len);
}

static struct value cut_text(const struct tree *t, const struct value *k)
{
	struct value x = to_text(&k[0]), from = to_integer(&k[1]), count = { 0 };
	char *to = take_memory(x.len);
	size_t len = 0;

	if (t->kids_count == 3)
		count = to_integer(&k[2]);
	if (from.absent || count.absent)
		return text_value("", 0);
	__int128 end =
		t->kids_count == 3 ? (__int128)from.integer + count.integer : (__int128)x.len + 1;
	for (size_t place = 1; place <= x.len; place++)
		if ((__int128)place >= from.integer && (__int128)place < end)
			to[len++] = x.text[place - 1];
	return text_value(to, len);
}

static struct value join_texts(const struct value *k)
{
	struct value x = to_text(&k[0]), y = to_text(&k[1]);
	char *to = take_memory(x.len + y.len);

	memcpy(to, x.text, x.len);
	memcpy(to + x.len, y.text, y.len);
	return text_value(to, x.len + y.len);
}

static struct value trim_text(struct value x)
{
	while (x.len > 0 && is_blank(x.text[0]))
		x.text++, x.len--;
	while (x.len > 0 && is_blank(x.text[x.len - 1]))
		x.len--;
	return x;
}

static bool look_into_text(const char *name, struct value x, struct value y)
{
	if (name[0] == 'c')
		return memmem(x.text, x.len, y.text, y.len) != NULL;
	if (y.len > x.len)
		return false;
	return memcmp(name[0] == 's' ? x.text : x.text + x.len - y.len, y.text, y.len) == 0;
}

static bool is_one_of(const char *name, const char *names)
{
	const char *at = strstr(names, name);

	return at != NULL;
}

static struct value number_of_one(const struct tree *t, const struct value *x)
{
	double d;

	if (t->type == LEAT_EXPR_INTEGER) {
		__int128 a = x->integer;
		return integer_value(t->name[0] == 'n' && t->name[1] == 'e' ? -a
		                     : t->name[0] == 'a' && a < 0           ? -a
		                                                            : a,
		                     x->absent);
	}
	d = decimal_of(x);
	return decimal_value(strcmp(t->name, "neg") == 0     ? -d
	                     : strcmp(t->name, "abs") == 0   ? fabs(d)
	                     : strcmp(t->name, "round") == 0 ? round(d)
	                     : strcmp(t->name, "floor") == 0 ? floor(d)
	                                                     : d);
}

static struct value value_of(const struct tree *t, size_t i);

static struct value text_of(const struct tree *t, const struct value *k)
{
	struct value x = to_text(&k[0]);

	if (strcmp(t->name, "..") == 0)
		return join_texts(k);
	if (strcmp(t->name, "substr") == 0)
		return cut_text(t, k);
	return strcmp(t->name, "trim") == 0   ? trim_text(x)
	       : strcmp(t->name, "text") == 0 ? x
	                                      : change_case(&x, t->name[0] == 'u');
}

static struct value truth_of(const struct tree *t, const struct value *k)
{
	const char *name = t->name;

	if (strchr(name, '~') != NULL) {
		struct value x = to_text(&k[0]);
		return truth_value(match_pattern(patterns[t->number], &x) == (name[0] == '~'));
	}
	if (strcmp(name, "!") == 0)
		return truth_value(!k[0].truth);
	if (name[0] == '&' || name[0] == '|')
		return truth_value(name[0] == '&' ? k[0].truth && k[1].truth
		                                  : k[0].truth || k[1].truth);
	if (name[0] >= 'a')
		return truth_value(look_into_text(name, to_text(&k[0]), to_text(&k[1])));
	return truth_value(compare_values(name, &k[0], &k[1]));
}

static struct value value_of(const struct tree *t, size_t i)
{
	struct value k[3], one;

	if (t->kids_count == 0)
		return leaf_value(t, i);
	for (int n = 0; n < t->kids_count; n++)
		k[n] = value_of(t->kids[n], i);
	if (t->name[0] == '?') {
		one = k[k[0].truth ? 1 : 2];
		return t->type == LEAT_EXPR_DECIMAL ? decimal_value(decimal_of(&one))
		       : t->type == LEAT_EXPR_TEXT  ? to_text(&one)
		                                    : one;
	}
	if (t->type == LEAT_EXPR_TEXT)
		return text_of(t, k);
	if (t->type == LEAT_EXPR_TRUTH)
		return truth_of(t, k);
	if (strcmp(t->name, "len") == 0)
		return integer_value((__int128)to_text(&k[0]).len, false);
	if (strcmp(t->name, "int") == 0)
		return to_integer(&k[0]);
	if (is_one_of(t->name, "neg abs round floor num"))
		return number_of_one(t, &k[0]);
	return t->type == LEAT_EXPR_INTEGER
	               ? compute_integers(t->name, &k[0], &k[1])
	               : compute_decimals(t->name, decimal_of(&k[0]), decimal_of(&k[1]));
}

/* ---- the comparison ---- */

static void make_items(void)
{
	for (size_t i = 0; i < ITEMS; i++) {
		item_integers[i] =
			choose(2) ? integers[choose(COUNT(integers))] : (int64_t)choose(1000) - 500;
		column_integers[i] = integers[choose(COUNT(integers))];
		item_decimals[i] = decimals[choose(COUNT(decimals))] * (choose(2) ? -1 : 1);
		column_decimals[i] = choose(4) == 0 ? NAN : (double)choose(100) / 8;
		const char *text = texts[choose(COUNT(texts))];
		column_texts[i] = (struct leat_text){ text, strlen(text) };
		column_truths[i] = (uint8_t)choose(2);
		item_bytes[i][0] = '\0';
		for (unsigned n = choose(7); n > 0; n--) {
			strcat(item_bytes[i], texts[choose(COUNT(texts))]);
			strcat(item_bytes[i], choose(4) ? " " : "\t ");
		}
		item_lines[i] = (struct leat_line){ item_bytes[i], strlen(item_bytes[i]), NULL };
	}
}

static bool same_value(const struct value *wanted, const struct leat_expr_values *got, size_t i)
{
	switch (wanted->type) {
	case LEAT_EXPR_INTEGER:
		return (got->absent != NULL && got->absent[i]) == wanted->absent &&
		       (wanted->absent || got->integers[i] == wanted->integer);
	case LEAT_EXPR_DECIMAL:
		return isnan(wanted->decimal)
		               ? isnan(got->decimals[i])
		               : got->decimals[i] == wanted->decimal &&
		                         signbit(got->decimals[i]) == signbit(wanted->decimal);
	case LEAT_EXPR_TEXT:
		return got->texts[i].len == wanted->len &&
		       memcmp(got->texts[i].data, wanted->text, wanted->len) == 0;
	default:
		return got->truths[i] == wanted->truth;
	}
}

static void check_expression(uint64_t seed, struct leat_expr *expr, const char *text,
                             const struct tree *t)
{
	const void *const items[] = { item_integers, item_decimals, item_lines };
	const void *const columns[] = { column_integers, column_decimals, column_texts,
		                        column_truths };
	struct leat_expr_values values;
	size_t used = arena_used;

	cr_assert_eq(leat_expr_run(expr, items[kind], columns, ITEMS, &values), 0);
	cr_assert_eq(values.type, t->type, "seed %llu: %s", (unsigned long long)seed, text);
	for (size_t i = 0; i < ITEMS; i++) {
		struct value wanted = value_of(t, i);
		cr_assert(same_value(&wanted, &values, i),
		          "seed %llu, item %zu: %lld (absent %d), %.17g, <%.*s>, %d; line <%s>: %s",
		          (unsigned long long)seed, i, (long long)wanted.integer, wanted.absent,
		          wanted.decimal, (int)wanted.len, wanted.len != 0 ? wanted.text : "",
		          wanted.truth, item_bytes[i], text);
		arena_used = used;
	}
}

Test(text_expr_random, values_are_those_of_another_evaluator)
{
	static const struct leat_expr_names names = { .find = find_column };
	unsigned opened = 0;

	arena = malloc((size_t)16 << 20);
	for (uint64_t seed = 1; seed <= EXPRESSIONS; seed++) {
		char *text = NULL;
		size_t size;
		state = seed * UINT64_C(0x9e3779b97f4a7c15);
		kind = (enum leat_expr_items)choose(3);
		arena_used = 0;
		make_items();
		struct tree *t = make_tree((enum leat_expr_type)choose(4), 1 + (int)choose(5));
		FILE *to = open_memstream(&text, &size);
		write_tree(to, t, 0);
		fclose(to);
		const struct leat_expr_opts opts = { .items = kind, .max = ITEMS, .names = &names };
		struct leat_mistake mistake;
		struct leat_expr *expr;
		int rc = leat_expr_open(text, &opts, &expr, &mistake);
		bool too_long = strstr(mistake.what, "more than 256 operands") != NULL ||
		                strstr(mistake.what, "more than 4096 bytes") != NULL;
		cr_assert(rc == 0 || too_long, "seed %llu: %s at %zu: %s", (unsigned long long)seed,
		          mistake.what, mistake.at, text);
		if (rc == 0)
			check_expression(seed, expr, text, t);
		opened += rc == 0;
		leat_expr_close(expr);
		free(text);
	}
	free(arena);
	cr_assert_gt(opened, EXPRESSIONS * 9 / 10, "%u", opened);
}
