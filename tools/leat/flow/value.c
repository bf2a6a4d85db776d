/*
 * tools/leat/flow/value.c: numbers, times, rates, percentages. See value.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/value.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define TIME_MAX_NS (INT64_C(100) * 365 * 24 * 3600 * 1000000000)

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "ns", 1 },         { "us", 1000 },       { "ms", 1000000 },
	{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
};

static int find_unit(const char *name, int64_t *ns)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(units[i].name, name) == 0) {
			*ns = units[i].ns;
			return 0;
		}
	return -EINVAL;
}

/* Reads the decimal digits at *text, and moves *text behind them. */
static int read_digits(const char **text, uint64_t *number)
{
	const char *p = *text;

	*number = 0;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
		    __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
			return -ERANGE;
	*text = p;
	return 0;
}

/* Reads digits and their suffix, if there is one. */
static int read_scaled(const char **text, uint64_t *number)
{
	static const char suffixes[] = "kMG";
	int rc = read_digits(text, number);

	if (rc != 0)
		return rc;
	const char *suffix = **text != '\0' ? strchr(suffixes, **text) : NULL;
	if (suffix == NULL)
		return 0;
	for (const char *p = suffixes; p <= suffix; p++)
		if (__builtin_mul_overflow(*number, UINT64_C(1000), number))
			return -ERANGE;
	(*text)++;
	return 0;
}

int leat_value_number(const char *text, uint64_t *number)
{
	int rc = read_scaled(&text, number);

	return rc != 0 ? rc : *text == '\0' ? 0 : -EINVAL;
}

int leat_value_time(const char *text, int64_t *ns)
{
	uint64_t whole;
	int64_t unit, part = 0;
	int rc = read_digits(&text, &whole);

	if (rc != 0)
		return rc;
	const char *fraction = NULL;
	if (*text == '.') {
		fraction = ++text;
		while (*text >= '0' && *text <= '9')
			text++;
		if (text == fraction)
			return -EINVAL;
	}
	rc = find_unit(text, &unit);
	if (rc != 0)
		return rc;
	int64_t digit_ns = unit / 10;
	for (; fraction != NULL && fraction < text; fraction++, digit_ns /= 10)
		part += (*fraction - '0') * digit_ns;
	if (whole > (uint64_t)(TIME_MAX_NS / unit))
		return -ERANGE;
	*ns = (int64_t)whole * unit + part;
	return 0;
}

int leat_value_rate(const char *text, uint64_t *number, int64_t *ns)
{
	int rc = read_scaled(&text, number);

	if (rc != 0)
		return rc;
	return *text == '/' ? find_unit(text + 1, ns) : -EINVAL;
}

/* Reads one percentage, or word, and moves *text behind it. */
static int read_percent(const char **text, uint32_t *percent)
{
	const uint32_t one = 1000000;
	uint32_t part = one;
	uint64_t whole;
	int rc;

	if (strncmp(*text, "min", 3) == 0 || strncmp(*text, "max", 3) == 0) {
		*percent = (*text)[1] == 'a' ? 100 * one : 0;
		*text += 3;
		return 0;
	}
	rc = read_digits(text, &whole);
	if (rc != 0 || whole > 100)
		return rc != 0 ? rc : -ERANGE;
	*percent = (uint32_t)whole * one;
	if (**text != '.')
		return 0;
	if (*++*text < '0' || **text > '9')
		return -EINVAL;
	for (; **text >= '0' && **text <= '9'; ++*text) {
		part /= 10;
		if (part == 0)
			return -ERANGE;
		*percent += (uint32_t)(**text - '0') * part;
	}
	return *percent <= 100 * one ? 0 : -ERANGE;
}

int leat_value_percents(const char *text, uint32_t percents[LEAT_PERCENTS_MAX], size_t *count)
{
	*count = 0;
	for (;; text++) {
		uint32_t percent;
		int rc = read_percent(&text, &percent);

		if (rc == 0 && *text != ',' && *text != '\0')
			rc = -EINVAL;
		if (rc == 0 && *count == LEAT_PERCENTS_MAX)
			rc = -ERANGE;
		if (rc != 0)
			return rc;
		percents[(*count)++] = percent;
		if (*text == '\0')
			return 0;
	}
}
