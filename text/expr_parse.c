/*
 * text/expr_parse.c: tokens to nodes, by the grammar in expr.h: one level of operators calls the
 * next one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <errno.h>
#include <string.h>

#define OPERAND "a number, a text in quotes, $, a field such as $1, or a function"
#define ARGS_MAX 16

static uint16_t parse_expr(struct expr_build *b);

/* Each level of the C stack that an expression can ask for is counted here. */
static bool enter_level(struct expr_build *b)
{
	if (b->nesting++ < LEAT_EXPR_NESTING)
		return true;
	return leat_expr_fail(b, b->token.at, "fewer parentheses, signs, and ? in one another",
	                      "this is nested more than %u deep", LEAT_EXPR_NESTING);
}

static bool expect_operator(struct expr_build *b, const char *spelling, const char *wanted)
{
	if (leat_expr_is(b, spelling))
		return leat_expr_next(b);
	if (b->token.kind == EXPR_T_END)
		return leat_expr_fail(b, b->token.at, wanted, "the expression ends too early");
	return leat_expr_fail(b, b->token.at, wanted, "\"%.40s\" can't be here",
	                      b->text + b->token.at);
}

static uint16_t parse_args(struct expr_build *b, uint16_t *args, unsigned *count)
{
	for (;;) {
		if (*count == ARGS_MAX)
			return leat_expr_fail(b, b->token.at, ")", "more than %u arguments",
			                      ARGS_MAX);
		args[*count] = parse_expr(b);
		if (args[*count] == 0)
			return 0;
		++*count;
		if (!leat_expr_is(b, ","))
			return expect_operator(b, ")", "an operator, a comma or )");
		if (!leat_expr_next(b))
			return 0;
	}
}

static uint16_t parse_word(struct expr_build *b)
{
	struct expr_token word = b->token;
	uint16_t args[ARGS_MAX];
	unsigned count = 0;

	if (!leat_expr_next(b))
		return 0;
	if (!leat_expr_is(b, "("))
		return leat_expr_fail(b, word.at,
		                      "a text in quotes, a column with its $, or NAME(...)",
		                      "the word \"%.*s\" stands alone",
		                      word.len < 40 ? (int)word.len : 40, b->text + word.from);
	if (!leat_expr_next(b))
		return 0;
	if (leat_expr_is(b, ")")) {
		if (!leat_expr_next(b))
			return 0;
	} else if (!parse_args(b, args, &count)) {
		return 0;
	}
	return leat_expr_call(b, &word, args, count);
}

static uint16_t parse_name(struct expr_build *b)
{
	const struct leat_expr_names *names = b->opts->names;
	enum leat_expr_type type = LEAT_EXPR_TEXT;
	int number = names != NULL ? names->find(names->data, b->text + b->token.from, b->token.len,
	                                         &type)
	                           : -1;

	if (number < 0 && names != NULL && names->none != NULL)
		return leat_expr_fail(b, b->token.at, names->known, "%s", names->none);
	if (number < 0)
		return leat_expr_fail(b, b->token.at,
		                      names == NULL ? "$ for the item; a text stands in quotes"
		                      : names->known != NULL ? names->known
		                                             : "the name of a column",
		                      "there is no column \"%.*s\"",
		                      b->token.len < 40 ? (int)b->token.len : 40,
		                      b->text + b->token.from);
	return leat_expr_leaf(b, (struct expr_node){ .code = EXPR_COLUMN,
	                                             .type = (uint8_t)type,
	                                             .at = b->token.at,
	                                             .number = number });
}

static uint16_t make_field(struct expr_build *b)
{
	const struct leat_expr_names *names = b->opts->names;
	struct expr_node node = { .code = EXPR_FIELD,
		                  .type = LEAT_EXPR_TEXT,
		                  .at = b->token.at,
		                  .number = b->token.field };

	if (names == NULL || names->find_field == NULL)
		return leat_expr_leaf(b, node);
	node.code = EXPR_COLUMN;
	node.number = names->find_field(names->data, b->token.field);
	if (node.number < 0)
		return leat_expr_fail(b, b->token.at, "a field from $1 on",
		                      "fields are not counted from the end here");
	return leat_expr_leaf(b, node);
}

static uint16_t parse_integer(struct expr_build *b, bool minus)
{
	uint64_t value = minus ? 0 - b->token.integer : b->token.integer;

	if (!minus && value > INT64_MAX)
		return leat_expr_fail(b, b->token.at,
		                      "up to 9223372036854775807, or a decimal such as 1e19",
		                      "this is too large for an integer");
	return leat_expr_leaf(b, (struct expr_node){ .code = EXPR_CONSTANT,
	                                             .type = LEAT_EXPR_INTEGER,
	                                             .at = b->token.at,
	                                             .value.integer = (int64_t)value });
}

static uint16_t make_leaf(struct expr_build *b)
{
	static const uint8_t item_types[] = { LEAT_EXPR_INTEGER, LEAT_EXPR_DECIMAL,
		                              LEAT_EXPR_TEXT };
	struct expr_node node = { .at = b->token.at };

	switch (b->token.kind) {
	case EXPR_T_INTEGER:
		return parse_integer(b, false);
	case EXPR_T_DECIMAL:
		node.code = EXPR_CONSTANT;
		node.type = LEAT_EXPR_DECIMAL;
		node.value.decimal = b->token.decimal;
		return leat_expr_leaf(b, node);
	case EXPR_T_TEXT:
		return leat_expr_constant_text(b, b->token.at, b->text + b->token.from,
		                               b->token.len);
	case EXPR_T_ITEM:
		node.code = EXPR_ITEM;
		node.type = item_types[b->opts->items];
		return leat_expr_leaf(b, node);
	case EXPR_T_FIELD:
		return make_field(b);
	case EXPR_T_NAME:
		return parse_name(b);
	case EXPR_T_END:
		return leat_expr_fail(b, b->token.at, OPERAND, "the expression ends too early");
	default:
		return leat_expr_fail(b, b->token.at, OPERAND, "%s can't be here",
		                      b->token.spelling);
	}
}

static uint16_t parse_operand(struct expr_build *b)
{
	if (b->token.kind == EXPR_T_WORD)
		return parse_word(b);
	if (leat_expr_is(b, "(")) {
		if (!leat_expr_next(b))
			return 0;
		uint16_t inside = parse_expr(b);
		return inside != 0 && expect_operator(b, ")", "an operator or )") ? inside : 0;
	}
	uint16_t leaf = make_leaf(b);
	return leaf != 0 && leat_expr_next(b) ? leaf : 0;
}

static uint16_t parse_signed(struct expr_build *b)
{
	if (!leat_expr_is(b, "-") && !leat_expr_is(b, "!"))
		return parse_operand(b);
	char sign = b->token.spelling[0];
	uint16_t at = b->token.at, x;
	if (!enter_level(b) || !leat_expr_next(b))
		return 0;
	if (sign == '-' && b->token.kind == EXPR_T_INTEGER) {
		b->token.at = at;
		x = parse_integer(b, true);
		x = x != 0 && leat_expr_next(b) ? x : 0;
	} else {
		x = leat_expr_unary(b, at, sign, parse_signed(b));
	}
	b->nesting--;
	return x;
}

/* From the loosest to the tightest. */
static const char *const levels[][9] = {
	{ "||" }, { "&&" },     { "==", "!=", "<", "<=", ">", ">=", "~", "!~" },
	{ ".." }, { "+", "-" }, { "*", "/", "%" },
};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]), COMPARISONS = 2 };

static bool is_of_level(const struct expr_build *b, unsigned level)
{
	for (size_t i = 0; levels[level][i] != NULL; i++)
		if (leat_expr_is(b, levels[level][i]))
			return true;
	return false;
}

static uint16_t parse_level(struct expr_build *b, unsigned level)
{
	if (level == LEVELS)
		return parse_signed(b);
	uint16_t x = parse_level(b, level + 1);
	for (bool second = false; x != 0 && is_of_level(b, level); second = true) {
		struct expr_token operator_ = b->token;
		if (level == COMPARISONS && second)
			return leat_expr_fail(b, b->token.at,
			                      "&& and a second comparison, or parentheses",
			                      "one comparison can't follow another");
		if (!leat_expr_next(b))
			return 0;
		x = leat_expr_binary(b, &operator_, x, parse_level(b, level + 1));
	}
	return x;
}

static uint16_t parse_expr(struct expr_build *b)
{
	if (!enter_level(b))
		return 0;
	uint16_t condition = parse_level(b, 0), x = 0, y = 0;
	if (condition != 0 && leat_expr_is(b, "?")) {
		if (leat_expr_next(b))
			x = parse_expr(b);
		if (x != 0 && expect_operator(b, ":", "an operator or :"))
			y = parse_expr(b);
		condition = leat_expr_choose(b, condition, x, y);
	}
	b->nesting--;
	return condition;
}

uint16_t leat_expr_parse(struct expr_build *b)
{
	if (!leat_expr_next(b))
		return 0;
	if (b->token.kind == EXPR_T_END)
		return leat_expr_fail(b, b->token.at, OPERAND, "the expression is empty");
	uint16_t node = parse_expr(b);
	if (node != 0 && b->token.kind != EXPR_T_END)
		return leat_expr_fail(b, b->token.at, "an operator or the end",
		                      "\"%.40s\" can't be here", b->text + b->token.at);
	return node;
}
