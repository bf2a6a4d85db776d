/*
 * tools/leat/flow/number.c: a line that is a number, and sums of such numbers. See number.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Integers up to here are doubles, each of them. */
#define DOUBLE_WHOLE 9007199254740992.0
/* What a double is read from, where there are more figures: 17 decide it but for a tie. */
#define FIGURES_READ 40
/* Beyond this an exponent is 0 or infinite, whatever figures a line of 1 GiB has before it. */
#define EXPONENT_MAX (INT64_C(1) << 40)

static bool is_figure(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void leat_number_trim(const char **text, size_t *len)
{
	while (*len > 0 && is_blank(**text)) {
		++*text;
		--*len;
	}
	while (*len > 0 && is_blank((*text)[*len - 1]))
		--*len;
}

/* The figures from *at on, at most 18 of them, as a number; moves *at behind them. */
static int64_t read_figures(const char **at, const char *end)
{
	const char *p = *at,
		   *most = end - p > LEAT_NUMBER_DECIMALS ? p + LEAT_NUMBER_DECIMALS : end;
	int64_t value = 0;

	for (; p < most && is_figure(*p); p++)
		value = 10 * value + (*p - '0');
	*at = p;
	return value;
}

/* Nearly all numbers: up to 18 figures on each side of the point. False: it may be another. */
static bool read_short(const char *p, const char *end, bool negative, struct leat_number *number)
{
	static const int64_t units[LEAT_NUMBER_DECIMALS + 1] = { LEAT_NUMBER_UNIT,
		                                                 100000000000000000,
		                                                 10000000000000000,
		                                                 1000000000000000,
		                                                 100000000000000,
		                                                 10000000000000,
		                                                 1000000000000,
		                                                 100000000000,
		                                                 10000000000,
		                                                 1000000000,
		                                                 100000000,
		                                                 10000000,
		                                                 1000000,
		                                                 100000,
		                                                 10000,
		                                                 1000,
		                                                 100,
		                                                 10,
		                                                 1 };
	const char *start = p, *point;
	int64_t whole = read_figures(&p, end), part = 0;

	if (p < end && *p == '.') {
		point = p++;
		part = read_figures(&p, end);
		if (p - start == 1)
			return false; /* a point alone */
		part *= units[p - point - 1];
	}
	if (p != end || start == end)
		return false;
	number->exact = true;
	number->whole = negative ? -whole : whole;
	number->part = negative ? -part : part;
	return true;
}

/* A number, taken apart: the figures from first to last, with a point among them or not. */
struct parts {
	const char *first, *last; /* the first figure that is not 0; behind the last such one */
	int64_t size;    /* how many figures before the point there are from the first on; below 0:
	                    how many zeros behind the point come before it */
	int64_t figures; /* from first to last */
};

static bool read_exponent(const char *p, const char *end, int64_t *exponent)
{
	bool negative = p < end && *p == '-';

	*exponent = 0;
	p += p < end && (*p == '-' || *p == '+');
	if (p == end)
		return false;
	for (; p < end && is_figure(*p); p++)
		if (*exponent < EXPONENT_MAX)
			*exponent = 10 * *exponent + (*p - '0');
	if (negative)
		*exponent = -*exponent;
	return p == end;
}

static bool take_apart(const char *text, const char *end, struct parts *parts)
{
	const char *p, *point = NULL;
	int64_t exponent = 0;
	bool any = false;

	*parts = (struct parts){ 0 };
	for (p = text; p < end && (is_figure(*p) || (*p == '.' && point == NULL)); p++) {
		if (*p == '.') {
			point = p;
			continue;
		}
		any = true;
		if (*p == '0')
			continue;
		if (parts->first == NULL)
			parts->first = p;
		parts->last = p + 1;
	}
	if (!any)
		return false;
	if (point == NULL)
		point = p;
	if (p < end && ((*p != 'e' && *p != 'E') || !read_exponent(p + 1, end, &exponent)))
		return false;
	if (parts->first == NULL)
		return true;
	parts->size = point - parts->first + (parts->first > point) + exponent;
	parts->figures = parts->last - parts->first - (parts->first < point && point < parts->last);
	return true;
}

/* The next figure from *at on, past the point; 0 behind the last one. */
static int next_figure(const struct parts *parts, const char **at)
{
	if (*at < parts->last && **at == '.')
		++*at;
	return *at < parts->last ? *(*at)++ - '0' : 0;
}

static void read_exact(const struct parts *parts, bool negative, struct leat_number *number)
{
	const char *at = parts->first;
	int64_t i;

	*number = (struct leat_number){ .exact = true };
	if (at == NULL)
		return;
	for (i = 0; i < parts->size; i++)
		number->whole = 10 * number->whole + next_figure(parts, &at);
	for (i = 0; i < LEAT_NUMBER_DECIMALS; i++)
		number->part =
			10 * number->part + (parts->size + i < 0 ? 0 : next_figure(parts, &at));
	if (negative) {
		number->whole = -number->whole;
		number->part = -number->part;
	}
}

/* A figure behind the last one that is read stands for all that are not: no tie is invented. */
static bool read_rounded(const struct parts *parts, bool negative, struct leat_number *number)
{
	char text[FIGURES_READ + 40] = "-0.", *to = text + 3;
	const char *at = parts->first;
	int64_t i;

	for (i = 0; i < FIGURES_READ && i < parts->figures; i++)
		*to++ = (char)('0' + next_figure(parts, &at));
	if (i < parts->figures)
		*to++ = '1';
	sprintf(to, "e%lld", (long long)parts->size);
	*number = (struct leat_number){ .rounded = strtod(text + !negative, NULL) };
	return isfinite(number->rounded);
}

bool leat_number_read(const char *text, size_t len, struct leat_number *number)
{
	const char *end;
	struct parts parts;
	bool negative;

	leat_number_trim(&text, &len);
	if (len == 0)
		return false;
	end = text + len;
	negative = *text == '-';
	text += *text == '-' || *text == '+';
	if (read_short(text, end, negative, number))
		return true;
	if (!take_apart(text, end, &parts))
		return false;
	if (parts.size > LEAT_NUMBER_WHOLE || parts.size - parts.figures < -LEAT_NUMBER_DECIMALS)
		return read_rounded(&parts, negative, number);
	read_exact(&parts, negative, number);
	return true;
}

double leat_number_double(const struct leat_number *number)
{
	if (!number->exact)
		return number->rounded;
	if (number->part == 0)
		return (double)number->whole;
	return (double)((long double)number->whole +
	                (long double)number->part / (long double)LEAT_NUMBER_UNIT);
}

bool leat_number_from(double value, struct leat_number *number)
{
	const double millions = 1e6;
	double scaled = rint(value * millions);
	char text[LEAT_DOUBLE_TEXT];

	if (!isfinite(value))
		return false;
	if (fabs(value) <= DOUBLE_WHOLE && value == floor(value)) {
		*number = (struct leat_number){ .exact = true, .whole = (int64_t)value };
		return true;
	}
	/* Up to 15 figures, six of them behind the point, are all that such a double is written
	 * with. */
	if (fabs(scaled) < 1e15 && scaled / millions == value) {
		int64_t whole = (int64_t)scaled;

		*number = (struct leat_number){ .exact = true,
			                        .whole = whole / 1000000,
			                        .part = whole % 1000000 * 1000000000000 };
		return true;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	return leat_number_read(text, strlen(text), number);
}

int leat_number_compare(const struct leat_number *a, const struct leat_number *b)
{
	if (!a->exact || !b->exact) {
		double x = leat_number_double(a), y = leat_number_double(b);

		return (x > y) - (x < y);
	}
	if (a->whole != b->whole)
		return a->whole > b->whole ? 1 : -1;
	return (a->part > b->part) - (a->part < b->part);
}

size_t leat_double_put(double number, char text[LEAT_DOUBLE_TEXT])
{
	bool whole = fabs(number) <= DOUBLE_WHOLE && number == floor(number);

	if (whole)
		number += 0.0; /* no -0 */
	return (size_t)snprintf(text, LEAT_DOUBLE_TEXT, whole ? "%.0f" : "%.15g", number);
}

uint64_t leat_double_rank(double number)
{
	uint64_t bits;

	number += 0.0;
	memcpy(&bits, &number, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* W. Kahan's and I. Babuska's sum as A. Neumaier has it (ZAMM 54, 1974, p. 39). */
static void add_rest(struct leat_sum *sum, long double value)
{
	long double next = sum->rest + value;

	if (fabsl(sum->rest) >= fabsl(value))
		sum->lost += sum->rest - next + value;
	else
		sum->lost += value - next + sum->rest;
	sum->rest = next;
	sum->rounded = true;
}

void leat_sum_add(struct leat_sum *sum, const struct leat_number *number)
{
	__int128 whole;

	sum->count++;
	if (!number->exact) {
		add_rest(sum, number->rounded);
		return;
	}
	if (__builtin_add_overflow(sum->whole, number->whole, &whole)) {
		add_rest(sum, (long double)sum->whole);
		whole = number->whole;
	}
	sum->whole = whole;
	sum->parts += number->part; /* 2^64 of less than 2^60 each are less than 2^127 */
}

long double leat_sum_value(const struct leat_sum *sum)
{
	return sum->rest + (sum->lost + (long double)sum->whole +
	                    (long double)sum->parts / (long double)LEAT_NUMBER_UNIT);
}

/* Writes the figures of a number before `end`, and returns where they begin. */
static char *put_wide(char *end, unsigned __int128 number)
{
	do
		*--end = (char)('0' + (int)(number % 10));
	while ((number /= 10) != 0);
	return end;
}

/* whole and part have one sign, or one of them is 0. */
static size_t put_exact(char *text, __int128 whole, int64_t part)
{
	bool negative = whole < 0 || part < 0;
	unsigned __int128 size = whole < 0 ? -(unsigned __int128)whole : (unsigned __int128)whole;
	char figures[LEAT_SUM_TEXT], *end = figures + sizeof(figures), *begin = put_wide(end, size);
	size_t len = 0;

	if (negative)
		text[len++] = '-';
	memcpy(text + len, begin, (size_t)(end - begin));
	len += (size_t)(end - begin);
	if (part == 0)
		return len;
	len += (size_t)sprintf(text + len, ".%018lld", (long long)(part < 0 ? -part : part));
	while (text[len - 1] == '0')
		len--;
	return len;
}

static bool join_parts(const struct leat_sum *sum, __int128 *whole)
{
	return !__builtin_add_overflow(sum->whole, sum->parts / LEAT_NUMBER_UNIT, whole);
}

bool leat_sum_rounded(const struct leat_sum *sum)
{
	__int128 whole;

	return sum->rounded || !join_parts(sum, &whole);
}

size_t leat_sum_put(const struct leat_sum *sum, char text[LEAT_SUM_TEXT])
{
	__int128 whole, part = sum->parts % LEAT_NUMBER_UNIT;

	if (sum->rounded || !join_parts(sum, &whole))
		return (size_t)snprintf(text, LEAT_SUM_TEXT, "%.15Lg", leat_sum_value(sum));
	/* 1 - 0.25 is 0 + 0.75 */
	if (whole > 0 && part < 0) {
		whole--;
		part += LEAT_NUMBER_UNIT;
	} else if (whole < 0 && part > 0) {
		whole++;
		part -= LEAT_NUMBER_UNIT;
	}
	return put_exact(text, whole, (int64_t)part);
}
