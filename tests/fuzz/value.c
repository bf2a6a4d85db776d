/*
 * Fuzzes the small values of the command line against readers of their grammar that know no
 * overflow: they count in 128 bits, stay at the most, and decide late.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/value.h"
#include "tests/fuzz/fuzz.h"
#include "tools/leat/flow/parse.h"

#include <errno.h>

/* 128 bits, and stays at the most that they say. */
typedef unsigned __int128 wide;
#define WIDE_MAX ((wide)-1)
#define HUNDRED_YEARS_NS ((wide)100 * 365 * 24 * 3600 * 1000000000)

static wide times(wide a, wide b)
{
	return b != 0 && a > WIDE_MAX / b ? WIDE_MAX : a * b;
}

static wide read_digits(const char **text)
{
	wide value = 0;

	for (; **text >= '0' && **text <= '9'; ++*text) {
		wide ten = times(value, 10), digit = (wide)(**text - '0');

		value = ten > WIDE_MAX - digit ? WIDE_MAX : ten + digit;
	}
	return value;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static wide read_unit(const char *text)
{
	return strcmp(text, "ns") == 0   ? 1
	       : strcmp(text, "us") == 0 ? 1000
	       : strcmp(text, "ms") == 0 ? 1000000
	       : strcmp(text, "s") == 0  ? 1000000000
	       : strcmp(text, "m") == 0  ? (wide)60 * 1000000000
	       : strcmp(text, "h") == 0  ? (wide)3600 * 1000000000
	                                 : 0;
}

static wide read_scaled(const char **text)
{
	wide value = read_digits(text);
	wide scale = **text == 'k'   ? 1000
	             : **text == 'M' ? 1000000
	             : **text == 'G' ? 1000000000
	                             : 1;

	*text += scale != 1;
	return times(value, scale);
}

/* Which of two mistakes is told is not promised where a text has both. */
static void check(const char *text, int rc, bool well_formed, bool fits)
{
	if (well_formed)
		CHECK(rc == (fits ? 0 : -ERANGE), "\"%s\": %d", text, rc);
	else
		CHECK(rc == -EINVAL || (rc == -ERANGE && !fits), "\"%s\": %d", text, rc);
}

static void check_number(const char *text)
{
	const char *at = text;
	uint64_t number = 0;
	int rc = leat_value_number(text, &number);
	wide value = read_scaled(&at);

	check(text, rc, is_digit(*text) && *at == '\0', value <= UINT64_MAX);
	CHECK(rc != 0 || number == (uint64_t)value, "\"%s\"", text);
}

static void check_time(const char *text)
{
	const char *at = text;
	wide whole = read_digits(&at), unit, part = 0;
	bool well_formed = is_digit(*text), fits;
	const char *fraction = at;
	int64_t ns = 0;
	int rc = leat_value_time(text, &ns);

	if (*at == '.') {
		well_formed = well_formed && is_digit(at[1]);
		for (fraction = ++at; is_digit(*at);)
			at++;
	}
	unit = read_unit(at);
	for (wide scale = unit; fraction < at;
	     fraction++) { /* what is below a nanosecond is left out, digit by digit */
		scale /= 10;
		part += (wide)(*fraction - '0') * scale;
	}
	fits = whole <= UINT64_MAX && (unit == 0 || whole <= HUNDRED_YEARS_NS / unit);
	check(text, rc, well_formed && unit != 0, fits);
	CHECK(rc != 0 || ns == (int64_t)(whole * unit + part), "\"%s\": %lld", text, (long long)ns);
}

static void check_rate(const char *text)
{
	const char *at = text;
	uint64_t number = 0;
	int64_t ns = 0;
	int rc = leat_value_rate(text, &number, &ns);
	wide value = read_scaled(&at), unit = *at == '/' ? read_unit(at + 1) : 0;

	check(text, rc, is_digit(*text) && unit != 0, value <= UINT64_MAX);
	CHECK(rc != 0 || (number == (uint64_t)value && ns == (int64_t)unit), "\"%s\"", text);
}

static void check_percents(const char *text)
{
	uint32_t percents[LEAT_PERCENTS_MAX];
	const char *at = text;
	size_t count = 0, wanted = 0;
	int rc = leat_value_percents(text, percents, &count);
	bool well_formed = true, fits = true;

	for (bool more = true; more; wanted++) {
		wide whole = 0, part = 0, scale = 1000000;

		if (strncmp(at, "min", 3) == 0 || strncmp(at, "max", 3) == 0) {
			whole = at[1] == 'a' ? 100 : 0;
			at += 3;
		} else {
			well_formed = well_formed && is_digit(*at);
			whole = read_digits(&at);
			if (*at == '.') {
				at++;
				well_formed = well_formed && is_digit(*at);
				for (; is_digit(*at); at++) {
					scale /= 10;
					fits = fits && scale != 0;
					part += (wide)(*at - '0') * scale;
				}
			}
		}
		fits = fits && (whole < 100 || (whole == 100 && part == 0)) &&
		       wanted < LEAT_PERCENTS_MAX;
		if (rc == 0 && well_formed && fits)
			CHECK(percents[wanted] == (uint32_t)(whole * 1000000 + part), "\"%s\"",
			      text);
		well_formed = well_formed && (*at == ',' || *at == '\0');
		more = well_formed && *at++ == ',';
	}
	check(text, rc, well_formed, fits);
	CHECK(rc != 0 || count == wanted, "\"%s\": %zu, not %zu", text, count, wanted);
}

/* Each stage's values: what is refused is told, what is taken is within its bounds. */
static void check_param(const struct leat_param *param, char *text)
{
	struct leat_value value = { .given = true, .text = text, .at = 7 };
	struct leat_mistake mistake = { 0 };

	if (param->form == LEAT_FORM_NONE)
		return;
	if (!leat_param_read(param, &value, &mistake)) {
		/* that of an expression is somewhere in it */
		bool within = param->form == LEAT_FORM_TRUTH || param->form == LEAT_FORM_VALUE ||
		              param->form == LEAT_FORM_AMOUNT || param->form == LEAT_FORM_KEY;
		size_t last = within ? 7 + strlen(text) : 7;

		CHECK(mistake.at >= 7 && mistake.at <= last && mistake.what[0] != '\0' &&
		              mistake.wanted[0] != '\0',
		      "\"%s\"", text);
		return;
	}
	if (param->form == LEAT_FORM_NUMBER)
		CHECK(value.number >= param->min && value.number <= param->max, "\"%s\"", text);
	if (param->form == LEAT_FORM_TIME)
		CHECK(value.ns > 0, "\"%s\"", text);
	if (param->form == LEAT_FORM_RATE)
		CHECK(value.ns > 0 && value.number > 0, "\"%s\"", text);
	if (param->form == LEAT_FORM_CHOICE)
		CHECK(strcmp(param->choices[value.number], text) == 0, "\"%s\"", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text != NULL, "no memory");
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_number(text);
	check_time(text);
	check_rate(text);
	check_percents(text);
	for (size_t i = 0; i < leat_stage_types_count; i++) {
		check_param(&leat_stage_types[i].arg, text);
		for (size_t k = 0; leat_stage_types[i].keys[k].name != NULL; k++)
			check_param(&leat_stage_types[i].keys[k], text);
	}
	free(text);
	return 0;
}
