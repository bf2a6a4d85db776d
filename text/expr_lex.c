/*
 * text/expr_lex.c: the text of an expression, token by token. See expr.h for the grammar.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPERAND "a number, a text in quotes, $, a field such as $1, or a function"

uint16_t leat_expr_fail(struct expr_build *b, size_t at, const char *wanted, const char *what, ...)
{
	va_list args;

	if (b->rc != 0)
		return 0;
	b->rc = -EINVAL;
	b->mistake->at = at;
	va_start(args, what);
	vsnprintf(b->mistake->what, sizeof(b->mistake->what), what, args);
	va_end(args);
	snprintf(b->mistake->wanted, sizeof(b->mistake->wanted), "%s", wanted);
	return 0;
}

static bool is_figure(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static uint16_t word_length(const char *p)
{
	uint16_t len = 0;

	while (is_letter(p[len]) || is_figure(p[len]))
		len++;
	return len;
}

static bool set_token(struct expr_build *b, enum expr_token_kind kind, size_t from, size_t len,
                      size_t next)
{
	b->token.kind = kind;
	b->token.from = (uint16_t)from;
	b->token.len = (uint16_t)len;
	b->next = next;
	return true;
}

/* $N and $-N; p is behind the dollar. */
static bool read_field(struct expr_build *b, const char *p)
{
	bool back = *p == '-';
	const char *q = p + back;
	uint32_t number = 0;

	for (; is_figure(*q); q++)
		number =
			number <= LEAT_EXPR_FIELD_MAX ? number * 10 + (uint32_t)(*q - '0') : number;
	if (b->opts->items != LEAT_EXPR_LINES)
		return leat_expr_fail(b, b->token.at,
		                      back ? "$ for the item, or \"$ - 1\" with blanks"
		                           : "$ for the item",
		                      "the items are numbers and have no fields");
	if (number > LEAT_EXPR_FIELD_MAX)
		return leat_expr_fail(b, b->token.at,
		                      "a field from $1 to $9999, or from $-1 to $-9999",
		                      "there is no such field");
	if (back && number == 0)
		return leat_expr_fail(b, b->token.at, "$-1 for the last field, $0 for the line",
		                      "there is no field -0");
	b->token.field = back ? -(int32_t)number : (int32_t)number;
	return set_token(b, number == 0 ? EXPR_T_ITEM : EXPR_T_FIELD, 0, 0, (size_t)(q - b->text));
}

static bool read_dollar(struct expr_build *b)
{
	const char *p = b->text + b->token.at + 1;
	size_t from = (size_t)(p - b->text);

	if (is_figure(*p) || (*p == '-' && is_figure(p[1])))
		return read_field(b, p);
	if (is_letter(*p))
		return set_token(b, EXPR_T_NAME, from, word_length(p), from + word_length(p));
	if (*p != '{')
		return set_token(b, EXPR_T_ITEM, 0, 0, from);
	size_t len = strcspn(p + 1, "}");
	if (p[1 + len] == '\0')
		return leat_expr_fail(b, from, "a name and }", "this { is not closed");
	return set_token(b, EXPR_T_NAME, from + 1, len, from + len + 2);
}

static bool read_quoted(struct expr_build *b)
{
	const char *p = b->text + b->token.at, *close = strchr(p + 1, *p);
	size_t from = b->token.at + 1u;

	if (close == NULL)
		return leat_expr_fail(b, b->token.at,
		                      *p == '"' ? "a text and another \"" : "a text and another '",
		                      "this quote is not closed");
	size_t len = (size_t)(close - p) - 1;
	return set_token(b, EXPR_T_TEXT, from, len, from + len + 1);
}

/* Integers up to 2^63, as a minus may stand in front of them. */
static bool read_integer(const char *p, size_t len, uint64_t scale, uint64_t *number)
{
	uint64_t value = 0;
	bool fits = true;

	for (size_t i = 0; i < len; i++)
		fits = fits && !__builtin_mul_overflow(value, UINT64_C(10), &value) &&
		       !__builtin_add_overflow(value, (uint64_t)(p[i] - '0'), &value);
	fits = fits && !__builtin_mul_overflow(value, scale, &value);
	*number = value;
	return fits && value <= (uint64_t)INT64_MAX + 1;
}

static bool read_number(struct expr_build *b)
{
	const char *p = b->text + b->token.at, *unit;
	bool whole = false;
	size_t len = leat_expr_read_prefix(p, strlen(p), &whole, &b->token.decimal);
	uint64_t scale = 1;

	if (len > 128)
		return leat_expr_fail(b, b->token.at, "128 bytes at the most",
		                      "this number is too long");
	for (unit = "kMG"; *unit != '\0' && *unit != p[len]; unit++)
		;
	if (*unit != '\0')
		scale = *unit == 'k' ? 1000 : *unit == 'M' ? 1000000 : 1000000000;
	size_t next = b->token.at + len + (scale != 1);
	if (is_letter(b->text[next]) || is_figure(b->text[next]))
		return leat_expr_fail(b, next, "k, M or G (powers of 1000), or an operator",
		                      "\"%.40s\" does not belong to a number", b->text + next);
	b->token.decimal *= (double)scale;
	if (whole && !read_integer(p, len, scale, &b->token.integer))
		return leat_expr_fail(b, b->token.at,
		                      "up to 9223372036854775807, or a decimal such as 1e19",
		                      "this is too large for an integer");
	return set_token(b, whole ? EXPR_T_INTEGER : EXPR_T_DECIMAL, 0, 0, next);
}

/* What is written by mistake, or is an operator elsewhere. */
static bool refuse_byte(struct expr_build *b, const char *p)
{
	static const struct {
		char byte;
		const char *wanted;
	} slips[] = {
		{ '=', "== to compare" },
		{ '&', "&& between two conditions" },
		{ '|', "|| between two conditions" },
		{ '.', ".. to put two texts one behind the other" },
		{ '^', "a * a for a square" },
		{ '/', "a text in quotes for a regular expression: $ ~ \"GET\"" },
	};

	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++)
		if (*p == slips[i].byte)
			return leat_expr_fail(b, b->token.at, slips[i].wanted,
			                      "there is no operator %c", *p);
	if (*p > ' ' && *p <= '~')
		return leat_expr_fail(b, b->token.at, OPERAND, "%c has no meaning here", *p);
	return leat_expr_fail(b, b->token.at, OPERAND, "the byte %u has no meaning here",
	                      (unsigned char)*p);
}

static bool read_operator(struct expr_build *b)
{
	static const char *const spellings[] = { "==", "!=", "<=", ">=", "!~", "&&", "||", "..",
		                                 "<",  ">",  "~",  "+",  "-",  "*",  "/",  "%",
		                                 "!",  "?",  ":",  "(",  ")",  "," };
	const char *p = b->text + b->token.at;

	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		size_t len = strlen(spellings[i]);
		if (strncmp(p, spellings[i], len) != 0)
			continue;
		memcpy(b->token.spelling, spellings[i], len + 1);
		return set_token(b, EXPR_T_OPERATOR, b->token.at, len, b->token.at + len);
	}
	return refuse_byte(b, p);
}

bool leat_expr_next(struct expr_build *b)
{
	const char *p = b->text + b->next;

	p += strspn(p, " \t\r\n");
	b->token = (struct expr_token){ .at = (uint16_t)(p - b->text) };
	if (*p == '\0')
		return set_token(b, EXPR_T_END, b->token.at, 0, b->token.at);
	if (*p == '$')
		return read_dollar(b);
	if (*p == '"' || *p == '\'')
		return read_quoted(b);
	if (is_figure(*p) || (*p == '.' && is_figure(p[1])))
		return read_number(b);
	if (is_letter(*p))
		return set_token(b, EXPR_T_WORD, b->token.at, word_length(p),
		                 b->token.at + word_length(p));
	return read_operator(b);
}

bool leat_expr_is(const struct expr_build *b, const char *spelling)
{
	return b->token.kind == EXPR_T_OPERATOR && strcmp(b->token.spelling, spelling) == 0;
}
