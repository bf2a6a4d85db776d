/*
 * text/expr_number.c: numbers in texts, read and written in one way in any locale.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 128 /* of the longest number that is read */

/* What the figures of a number say: figures * 10^power, in up to 19 figures; the others follow. */
struct figures {
	uint64_t value;
	unsigned count; /* without zeros in front */
	int power;      /* of the last figure that is in value */
	bool whole;     /* neither a point nor an exponent */
	const char *end;
};

static bool is_figure(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes one figure; behind the point it lowers the power. */
static void add_figure(struct figures *f, char c, bool behind_point)
{
	if (f->count < 19) {
		f->value = f->value * 10 + (uint64_t)(c - '0');
		f->count += f->count != 0 || c != '0';
		f->power -= behind_point;
	} else {
		f->count++;
		f->power += !behind_point;
	}
}

static const char *read_exponent(struct figures *f, const char *p, const char *end)
{
	const char *q = p + 1;
	bool minus = q < end && *q == '-';
	int power = 0;

	if (q < end && (*q == '+' || *q == '-'))
		q++;
	if (q == end || !is_figure(*q))
		return p;
	for (; q < end && is_figure(*q); q++)
		power = power < 10000 ? power * 10 + (*q - '0') : power;
	f->power += minus ? -power : power;
	f->whole = false;
	return q;
}

static bool read_figures(struct figures *f, const char *p, const char *end)
{
	bool some = false;

	*f = (struct figures){ .whole = true };
	for (; p < end && is_figure(*p); p++, some = true)
		add_figure(f, *p, false);
	/* "1..2" has no decimal in it */
	if (p < end && *p == '.' && (p + 1 == end || p[1] != '.')) {
		const char *point = p++;
		for (; p < end && is_figure(*p); p++, some = true)
			add_figure(f, *p, true);
		f->whole = false;
		if (!some)
			p = point;
	}
	if (some && p < end && (*p == 'e' || *p == 'E'))
		p = read_exponent(f, p, end);
	f->end = p;
	return some;
}

/*
 * The C library rounds what is too long for a multiplication to be exact. It gets figures and an
 * exponent, but no point, as that depends on the locale.
 */
static double round_slowly(const char *p, const struct figures *f)
{
	char copy[NUMBER_BYTES + 32], *to = copy;
	int power = f->power;

	for (; p < f->end && *p != 'e' && *p != 'E'; p++)
		if (*p != '.')
			*to++ = *p;
	if (f->count > 19) /* f->power is that of the 19th */
		power -= (int)(f->count - 19);
	snprintf(to, 32, "e%d", power);
	return strtod(copy, NULL);
}

static double figures_to_decimal(const char *p, const struct figures *f)
{
	static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
		                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
		                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

	/* Both numbers are exact, so one operation rounds rightly. */
	if (f->count <= 19 && f->value <= UINT64_C(1) << 53 && f->power >= -22 && f->power <= 22)
		return f->power < 0 ? (double)f->value / powers[-f->power]
		                    : (double)f->value * powers[f->power];
	return round_slowly(p, f);
}

enum expr_number leat_expr_read(const char *p, size_t len, int64_t *integer, double *decimal)
{
	struct leat_text text = leat_text_trim((struct leat_text){ p, len });
	const char *end = text.data + text.len;
	struct figures f;

	p = text.data;
	len = text.len;
	bool minus = len > 0 && *p == '-';
	if (len > 0 && (*p == '-' || *p == '+'))
		p++, len--;
	if (len == 0 || len > NUMBER_BYTES || !read_figures(&f, p, end) || f.end != end)
		return EXPR_NO_NUMBER;
	double magnitude = figures_to_decimal(p, &f);
	*decimal = minus ? -magnitude : magnitude;
	if (!f.whole || f.count > 19 || f.value > (uint64_t)INT64_MAX + minus)
		return EXPR_IS_DECIMAL;
	*integer = (int64_t)(minus ? 0 - f.value : f.value);
	return EXPR_IS_INTEGER;
}

size_t leat_expr_read_prefix(const char *text, size_t len, bool *integer, double *decimal)
{
	struct figures f;

	if (!read_figures(&f, text, text + len))
		return 0;
	*integer = f.whole;
	if (f.end - text <= NUMBER_BYTES)
		*decimal = figures_to_decimal(text, &f);
	return (size_t)(f.end - text);
}

size_t leat_expr_write_integer(char *to, int64_t number)
{
	char figures[20], *end = figures + sizeof(figures), *p = end;
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	bool minus = number < 0;

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) != 0);
	*to = '-';
	memcpy(to + minus, p, (size_t)(end - p));
	return (size_t)(end - p) + minus;
}

/* printf() writes the point of the locale, which may be several bytes. */
static size_t put_point(char *to, const char *from)
{
	char *start = to;

	for (; *from != '\0'; from++) {
		if (is_figure(*from) || strchr("+-e", *from) != NULL)
			*to++ = *from;
		else if (to[-1] != '.')
			*to++ = '.';
	}
	return (size_t)(to - start);
}

size_t leat_expr_write_decimal(char *to, double number)
{
	char local[64];

	if (number != number)
		return 0;
	if (number > -1e15 && number < 1e15 && number == (double)(int64_t)number &&
	    !(number == 0 && __builtin_signbit(number)))
		return leat_expr_write_integer(to, (int64_t)number);
	if (__builtin_isinf(number)) {
		memcpy(to, number < 0 ? "-inf" : "inf", 4);
		return number < 0 ? 4 : 3;
	}
	snprintf(local, sizeof(local), "%.15g", number);
	if (strtod(local, NULL) != number)
		snprintf(local, sizeof(local), "%.17g", number);
	return put_point(to, local);
}
