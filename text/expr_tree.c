/*
 * text/expr_tree.c: nodes with their types. What is not of the type that an operator takes is
 * turned into it by a node more, or is a mistake.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPARISON "a comparison, such as $1 != 0 or $1 != \"\""

static const char *const type_names[] = { "an integer", "a decimal", "a text", "a truth value" };

static const struct expr_node *node_of(const struct expr_build *b, uint16_t node)
{
	return &b->nodes[node];
}

static uint8_t type_of(const struct expr_build *b, uint16_t node)
{
	return b->nodes[node].type;
}

static bool is_constant(const struct expr_build *b, uint16_t node)
{
	return b->nodes[node].code == EXPR_CONSTANT;
}

/* What costs many times the loop over numbers. */
static bool is_dear(unsigned code)
{
	switch (code) {
	case EXPR_MATCH:
	case EXPR_CONTAINS:
	case EXPR_UPPER:
	case EXPR_LOWER:
	case EXPR_CONCAT:
	case EXPR_I_TO_T:
	case EXPR_D_TO_T:
	case EXPR_T_TO_I:
	case EXPR_T_TO_D:
	case EXPR_EQ_TI:
	case EXPR_NE_TI:
	case EXPR_LT_TI:
	case EXPR_LE_TI:
	case EXPR_GT_TI:
	case EXPR_GE_TI:
		return true;
	default:
		return false;
	}
}

uint16_t leat_expr_leaf(struct expr_build *b, struct expr_node node)
{
	if (b->nodes_count == LEAT_EXPR_NODES)
		return leat_expr_fail(b, node.at, "a shorter expression",
		                      "more than %u operands and operators", LEAT_EXPR_NODES);
	b->nodes[++b->nodes_count] = node;
	return (uint16_t)b->nodes_count;
}

/* Puts the text, and a NUL, behind the other texts. */
static bool keep_text(struct expr_build *b, const char *text, size_t len, size_t *at)
{
	size_t needed = b->program.texts_len + len + 1;

	if (needed > b->texts_size) {
		char *grown = realloc(b->program.texts, needed * 2);
		if (grown == NULL) {
			b->rc = -ENOMEM;
			return false;
		}
		b->program.texts = grown;
		b->texts_size = needed * 2;
	}
	*at = b->program.texts_len;
	if (len != 0)
		memcpy(b->program.texts + *at, text, len);
	b->program.texts[*at + len] = '\0';
	b->program.texts_len = needed;
	return true;
}

uint16_t leat_expr_constant_text(struct expr_build *b, size_t at, const char *text, size_t len)
{
	struct expr_node node = { .code = EXPR_CONSTANT,
		                  .type = LEAT_EXPR_TEXT,
		                  .at = (uint16_t)at,
		                  .value.text.len = len };

	return keep_text(b, text, len, &node.value.text.at) ? leat_expr_leaf(b, node) : 0;
}

/* Computes the node once, for one item that it does not look at, and makes it the constant. */
static uint16_t fold_node(struct expr_build *b, uint16_t n)
{
	struct expr_node *node = &b->nodes[n];
	struct leat_expr_values values;
	struct leat_expr *expr;

	leat_expr_emit(b, n);
	int rc = leat_expr_make(&b->program, 1, &expr);
	if (rc == 0)
		rc = leat_expr_run(expr, NULL, NULL, 1, &values);
	if (rc == 0) {
		struct expr_value value = { .absent = values.absent != NULL && values.absent[0] };
		if (values.type == LEAT_EXPR_INTEGER) {
			value.integer = values.integers[0];
		} else if (values.type == LEAT_EXPR_DECIMAL) {
			value.decimal = values.decimals[0];
		} else if (values.type == LEAT_EXPR_TRUTH) {
			value.truth = values.truths[0];
		} else {
			value.text.len = values.texts[0].len;
			if (!keep_text(b, values.texts[0].data, value.text.len, &value.text.at))
				rc = -ENOMEM;
		}
		node->code = EXPR_CONSTANT;
		node->dear = false;
		node->kids_count = 0;
		node->value = value;
	}
	leat_expr_close(expr);
	b->rc = rc;
	return rc == 0 ? n : 0;
}

static uint16_t add_node(struct expr_build *b, size_t at, unsigned code, unsigned type,
                         unsigned kids_count, const uint16_t *kids)
{
	struct expr_node node = { .code = (uint16_t)code,
		                  .type = (uint8_t)type,
		                  .kids_count = (uint8_t)kids_count,
		                  .at = (uint16_t)at,
		                  .dear = is_dear(code) };
	bool constant = true;

	for (unsigned i = 0; i < kids_count; i++) {
		if (kids[i] == 0)
			return 0;
		node.kids[i] = kids[i];
		node.dear = node.dear || node_of(b, kids[i])->dear;
		constant = constant && is_constant(b, kids[i]);
	}
	uint16_t n = leat_expr_leaf(b, node);
	return n != 0 && constant ? fold_node(b, n) : n;
}

static uint16_t add_one(struct expr_build *b, unsigned code, unsigned type, uint16_t x)
{
	return add_node(b, node_of(b, x)->at, code, type, 1, &x);
}

static uint16_t add_two(struct expr_build *b, size_t at, unsigned code, unsigned type, uint16_t x,
                        uint16_t y)
{
	return add_node(b, at, code, type, 2, (uint16_t[]){ x, y });
}

static uint16_t refuse_type(struct expr_build *b, uint16_t x, const char *taker, const char *takes,
                            const char *wanted)
{
	return leat_expr_fail(b, node_of(b, x)->at, wanted, "this is %s, but %s takes %s",
	                      type_names[type_of(b, x)], taker, takes);
}

/* Turns the node into another type. taker: the operator or function that needs it. */
static uint16_t to_type(struct expr_build *b, uint16_t x, unsigned wanted, const char *taker)
{
	static const struct {
		unsigned from, to, code;
	} turns[] = {
		{ LEAT_EXPR_INTEGER, LEAT_EXPR_DECIMAL, EXPR_I_TO_D },
		{ LEAT_EXPR_INTEGER, LEAT_EXPR_TEXT, EXPR_I_TO_T },
		{ LEAT_EXPR_DECIMAL, LEAT_EXPR_INTEGER, EXPR_D_TO_I },
		{ LEAT_EXPR_DECIMAL, LEAT_EXPR_TEXT, EXPR_D_TO_T },
		{ LEAT_EXPR_TEXT, LEAT_EXPR_INTEGER, EXPR_T_TO_I },
		{ LEAT_EXPR_TEXT, LEAT_EXPR_DECIMAL, EXPR_T_TO_D },
	};

	if (x == 0 || type_of(b, x) == wanted)
		return x;
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		if (turns[i].from == type_of(b, x) && turns[i].to == wanted)
			return add_one(b, turns[i].code, wanted, x);
	if (wanted == LEAT_EXPR_TRUTH)
		return refuse_type(b, x, taker, "truth values", COMPARISON);
	return refuse_type(b, x, taker, wanted == LEAT_EXPR_TEXT ? "texts" : "numbers",
	                   wanted == LEAT_EXPR_TEXT ? "(... ? \"yes\" : \"no\")" : "(... ? 1 : 0)");
}

/* An integer stays one; all else becomes a decimal. */
static uint16_t to_number(struct expr_build *b, uint16_t x, const char *taker)
{
	return x == 0 || type_of(b, x) == LEAT_EXPR_INTEGER
	               ? x
	               : to_type(b, x, LEAT_EXPR_DECIMAL, taker);
}

/* Makes both integers or both decimals. */
static bool to_same_numbers(struct expr_build *b, uint16_t *x, uint16_t *y, const char *taker)
{
	*x = to_number(b, *x, taker);
	*y = *x != 0 ? to_number(b, *y, taker) : 0;
	if (*y == 0)
		return false;
	if (type_of(b, *x) != type_of(b, *y)) {
		*x = to_type(b, *x, LEAT_EXPR_DECIMAL, taker);
		*y = *x != 0 ? to_type(b, *y, LEAT_EXPR_DECIMAL, taker) : 0;
	}
	return *y != 0;
}

uint16_t leat_expr_unary(struct expr_build *b, size_t at, char operator_, uint16_t x)
{
	if (operator_ == '!') {
		x = to_type(b, x, LEAT_EXPR_TRUTH, "!");
		return add_node(b, at, EXPR_NOT, LEAT_EXPR_TRUTH, 1, &x);
	}
	x = to_number(b, x, "-");
	if (x == 0)
		return 0;
	bool integer = type_of(b, x) == LEAT_EXPR_INTEGER;
	return add_node(b, at, integer ? EXPR_NEG_I : EXPR_NEG_D, type_of(b, x), 1, &x);
}

/* code: that of integers, decimals has that of decimals. */
static uint16_t add_arithmetic(struct expr_build *b, const char *name, unsigned integers,
                               unsigned decimals, uint16_t x, uint16_t y)
{
	size_t at = node_of(b, x)->at;

	if (!to_same_numbers(b, &x, &y, name))
		return 0;
	return add_two(b, at, type_of(b, x) == LEAT_EXPR_INTEGER ? integers : decimals,
	               type_of(b, x), x, y);
}

/* Comparisons; > and >= are < and <= the other way round, but for a text with an integer. */
static const struct comparison {
	char spelling[3];
	bool turned;
	uint16_t integers, decimals, texts, text_integer, integer_text;
} comparisons[] = {
	{ "==", false, EXPR_EQ_I, EXPR_EQ_D, EXPR_EQ_T, EXPR_EQ_TI, EXPR_EQ_TI },
	{ "!=", false, EXPR_NE_I, EXPR_NE_D, EXPR_NE_T, EXPR_NE_TI, EXPR_NE_TI },
	{ "<", false, EXPR_LT_I, EXPR_LT_D, EXPR_LT_T, EXPR_LT_TI, EXPR_GT_TI },
	{ "<=", false, EXPR_LE_I, EXPR_LE_D, EXPR_LE_T, EXPR_LE_TI, EXPR_GE_TI },
	{ ">", true, EXPR_LT_I, EXPR_LT_D, EXPR_LT_T, EXPR_GT_TI, EXPR_LT_TI },
	{ ">=", true, EXPR_LE_I, EXPR_LE_D, EXPR_LE_T, EXPR_GE_TI, EXPR_LE_TI },
};

static uint16_t compare_truths(struct expr_build *b, const struct comparison *how, size_t at,
                               uint16_t x, uint16_t y)
{
	uint16_t other = type_of(b, x) != LEAT_EXPR_TRUTH ? x : y;

	if (type_of(b, other) != LEAT_EXPR_TRUTH)
		return leat_expr_fail(b, node_of(b, other)->at, COMPARISON,
		                      "this is %s, and is compared with a truth value",
		                      type_names[type_of(b, other)]);
	if (how->spelling[1] != '=' || how->spelling[0] == '<' || how->spelling[0] == '>')
		return leat_expr_fail(b, at, "== or !=", "%s can't order truth values",
		                      how->spelling);
	return add_two(b, at, how->spelling[0] == '=' ? EXPR_EQ_B : EXPR_NE_B, LEAT_EXPR_TRUTH, x,
	               y);
}

static uint16_t add_comparison(struct expr_build *b, const struct comparison *how, uint16_t x,
                               uint16_t y)
{
	size_t at = node_of(b, x)->at;
	unsigned code, x_type = type_of(b, x), y_type = type_of(b, y);

	if (x_type == LEAT_EXPR_TRUTH || y_type == LEAT_EXPR_TRUTH)
		return compare_truths(b, how, at, x, y);
	if (x_type == LEAT_EXPR_TEXT && y_type == LEAT_EXPR_INTEGER)
		return add_two(b, at, how->text_integer, LEAT_EXPR_TRUTH, x, y);
	if (x_type == LEAT_EXPR_INTEGER && y_type == LEAT_EXPR_TEXT)
		return add_two(b, at, how->integer_text, LEAT_EXPR_TRUTH, y, x);
	if (x_type == LEAT_EXPR_TEXT && y_type == LEAT_EXPR_TEXT)
		code = how->texts;
	else if (!to_same_numbers(b, &x, &y, how->spelling))
		return 0;
	else
		code = type_of(b, x) == LEAT_EXPR_INTEGER ? how->integers : how->decimals;
	return add_two(b, at, code, LEAT_EXPR_TRUTH, how->turned ? y : x, how->turned ? x : y);
}

static uint16_t add_match(struct expr_build *b, const char *name, uint16_t x, uint16_t y)
{
	size_t at = node_of(b, x)->at, pattern_at = node_of(b, y)->at;
	struct leat_pattern *pattern = NULL;
	char why[96] = "";

	x = to_type(b, x, LEAT_EXPR_TEXT, name);
	if (x != 0 && !is_constant(b, y))
		return leat_expr_fail(b, pattern_at,
		                      "a text in quotes, or contains(x, y) for one that varies",
		                      "the regular expression must be constant");
	y = x != 0 ? to_type(b, y, LEAT_EXPR_TEXT, name) : 0;
	if (y == 0)
		return 0;
	int rc = leat_pattern_open(&pattern, b->program.texts + node_of(b, y)->value.text.at, why,
	                           sizeof(why));
	if (rc == 0)
		leat_pattern_close(pattern);
	else if (rc == -EINVAL)
		return leat_expr_fail(b, pattern_at, "an extended regular expression", "%s", why);
	else
		b->rc = rc;
	return rc == 0 ? add_two(b, at, EXPR_MATCH, LEAT_EXPR_TRUTH, x, y) : 0;
}

static uint16_t add_join(struct expr_build *b, uint16_t x, uint16_t y)
{
	size_t at = node_of(b, x)->at;

	x = to_type(b, x, LEAT_EXPR_TEXT, "..");
	y = x != 0 ? to_type(b, y, LEAT_EXPR_TEXT, "..") : 0;
	return y != 0 ? add_two(b, at, EXPR_CONCAT, LEAT_EXPR_TEXT, x, y) : 0;
}

static uint16_t add_logic(struct expr_build *b, const char *name, uint16_t x, uint16_t y)
{
	x = to_type(b, x, LEAT_EXPR_TRUTH, name);
	y = x != 0 ? to_type(b, y, LEAT_EXPR_TRUTH, name) : 0;
	return y != 0 ? add_two(b, node_of(b, x)->at, name[0] == '|' ? EXPR_EITHER : EXPR_BOTH,
	                        LEAT_EXPR_TRUTH, x, y)
	              : 0;
}

uint16_t leat_expr_binary(struct expr_build *b, const struct expr_token *operator_, uint16_t x,
                          uint16_t y)
{
	static const struct {
		char spelling[3];
		uint16_t integers, decimals;
	} arithmetic[] = {
		{ "+", EXPR_ADD_I, EXPR_ADD_D }, { "-", EXPR_SUB_I, EXPR_SUB_D },
		{ "*", EXPR_MUL_I, EXPR_MUL_D }, { "/", EXPR_DIV_I, EXPR_DIV_D },
		{ "%", EXPR_MOD_I, EXPR_MOD_D },
	};
	const char *name = operator_->spelling;

	if (x == 0 || y == 0)
		return 0;
	for (size_t i = 0; i < sizeof(arithmetic) / sizeof(arithmetic[0]); i++)
		if (strcmp(name, arithmetic[i].spelling) == 0)
			return add_arithmetic(b, name, arithmetic[i].integers,
			                      arithmetic[i].decimals, x, y);
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
		if (strcmp(name, comparisons[i].spelling) == 0)
			return add_comparison(b, &comparisons[i], x, y);
	if (strcmp(name, "..") == 0)
		return add_join(b, x, y);
	if (name[0] == '~')
		return add_match(b, name, x, y);
	if (name[0] != '!')
		return add_logic(b, name, x, y);
	size_t at = node_of(b, x)->at;
	return leat_expr_unary(b, at, '!', add_match(b, name, x, y));
}

uint16_t leat_expr_choose(struct expr_build *b, uint16_t condition, uint16_t x, uint16_t y)
{
	if (condition == 0 || x == 0 || y == 0)
		return 0;
	size_t at = node_of(b, condition)->at;
	condition = to_type(b, condition, LEAT_EXPR_TRUTH, "?");
	if (condition == 0)
		return 0;
	unsigned x_type = type_of(b, x), y_type = type_of(b, y);
	if (x_type != y_type && (x_type == LEAT_EXPR_TRUTH || y_type == LEAT_EXPR_TRUTH))
		return leat_expr_fail(b, node_of(b, y)->at, "the same type on both sides of :",
		                      "this is %s, but the other side of : is %s",
		                      type_names[y_type], type_names[x_type]);
	if (x_type != y_type) {
		bool texts = x_type == LEAT_EXPR_TEXT || y_type == LEAT_EXPR_TEXT;
		x = to_type(b, x, texts ? LEAT_EXPR_TEXT : LEAT_EXPR_DECIMAL, "?");
		y = x != 0 ? to_type(b, y, type_of(b, x), "?") : 0;
	}
	return y != 0 ? add_node(b, at, EXPR_CHOOSE, type_of(b, x), 3,
	                         (uint16_t[]){ condition, x, y })
	              : 0;
}

/* Functions. takes: T texts, I integers, N numbers; the result is code's, or that of the numbers.
 */
static const struct function {
	const char *name, *shown;
	uint8_t least, most;
	char takes[4];
	uint8_t result;
	uint16_t code, decimals;
} functions[] = {
	{ "len", "len(x)", 1, 1, "T", LEAT_EXPR_INTEGER, EXPR_LEN, 0 },
	{ "upper", "upper(x)", 1, 1, "T", LEAT_EXPR_TEXT, EXPR_UPPER, 0 },
	{ "lower", "lower(x)", 1, 1, "T", LEAT_EXPR_TEXT, EXPR_LOWER, 0 },
	{ "trim", "trim(x)", 1, 1, "T", LEAT_EXPR_TEXT, EXPR_TRIM, 0 },
	{ "substr", "substr(x, from, n) or substr(x, from)", 2, 3, "TII", LEAT_EXPR_TEXT,
	  EXPR_SUBSTR, 0 },
	{ "contains", "contains(x, y)", 2, 2, "TT", LEAT_EXPR_TRUTH, EXPR_CONTAINS, 0 },
	{ "starts", "starts(x, y)", 2, 2, "TT", LEAT_EXPR_TRUTH, EXPR_STARTS, 0 },
	{ "ends", "ends(x, y)", 2, 2, "TT", LEAT_EXPR_TRUTH, EXPR_ENDS, 0 },
	{ "num", "num(x)", 1, 1, "N", 0, EXPR_CONSTANT, EXPR_CONSTANT },
	{ "int", "int(x)", 1, 1, "I", 0, EXPR_CONSTANT, 0 },
	{ "text", "text(x)", 1, 1, "T", 0, EXPR_CONSTANT, 0 },
	{ "abs", "abs(x)", 1, 1, "N", 0, EXPR_ABS_I, EXPR_ABS_D },
	{ "min", "min(x, y, ...)", 2, 16, "N", 0, EXPR_MIN_I, EXPR_MIN_D },
	{ "max", "max(x, y, ...)", 2, 16, "N", 0, EXPR_MAX_I, EXPR_MAX_D },
	{ "round", "round(x)", 1, 1, "N", 0, EXPR_CONSTANT, EXPR_ROUND_D },
	{ "floor", "floor(x)", 1, 1, "N", 0, EXPR_CONSTANT, EXPR_FLOOR_D },
};

static const struct function *find_function(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
			return &functions[i];
	return NULL;
}

const char *leat_expr_functions(void)
{
	return "one of len, upper, lower, trim, substr, contains, starts, ends, num, int, text, "
	       "abs, min, max, round, floor";
}

/* EXPR_CONSTANT as a code: the argument is the result, once it has its type. */
static uint16_t call_with_number(struct expr_build *b, const struct function *f, size_t at,
                                 uint16_t x)
{
	unsigned code = type_of(b, x) == LEAT_EXPR_INTEGER ? f->code : f->decimals;

	return code != EXPR_CONSTANT ? add_node(b, at, code, type_of(b, x), 1, &x) : x;
}

uint16_t leat_expr_call(struct expr_build *b, const struct expr_token *word, uint16_t *args,
                        unsigned count)
{
	const struct function *f = find_function(b->text + word->from, word->len);

	if (f == NULL)
		return leat_expr_fail(b, word->at, leat_expr_functions(),
		                      "there is no function \"%.*s\"",
		                      word->len < 40 ? (int)word->len : 40, b->text + word->from);
	if (count < f->least || count > f->most)
		return leat_expr_fail(b, word->at, f->shown, "%s does not take %u argument%s",
		                      f->name, count, count == 1 ? "" : "s");
	for (unsigned i = 0; i < count; i++) {
		char takes = f->takes[0] == 'N' ? 'N' : f->takes[i];
		args[i] = takes == 'T'   ? to_type(b, args[i], LEAT_EXPR_TEXT, f->name)
		          : takes == 'I' ? to_type(b, args[i], LEAT_EXPR_INTEGER, f->name)
		                         : to_number(b, args[i], f->name);
		if (args[i] == 0)
			return 0;
	}
	if (f->takes[0] != 'N')
		return f->code != EXPR_CONSTANT
		               ? add_node(b, word->at, f->code, f->result, count, args)
		               : args[0];
	if (count == 1)
		return call_with_number(b, f, word->at, args[0]);
	for (unsigned i = 1; i < count && args[0] != 0; i++)
		args[0] = add_arithmetic(b, f->name, f->code, f->decimals, args[0], args[i]);
	return args[0];
}
