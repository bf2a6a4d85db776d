/*
 * tools/leat/flow/result.c: rows of columns as text, CSV and JSON. See result.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/result.h"
#include "runtime/diag/json.h"
#include "tools/leat/flow/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct leat_result *result, const void *data, size_t len)
{
	if (result->rc == 0 && len != 0)
		result->rc = result->write(result->arg, data, len);
}

static void put_string(struct leat_result *result, const char *text)
{
	put(result, text, strlen(text));
}

/* Whether the byte stands for itself in a string of JSON. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static size_t put_special(struct leat_result *result, const unsigned char *p, size_t left)
{
	size_t bytes = leat_utf8_length(p, left);
	char text[8];

	if (bytes == 0)
		put_string(result, "\\ufffd");
	else if (*p == '"' || *p == '\\')
		put(result, (const char[]){ '\\', (char)*p }, 2);
	else if (*p < 0x20)
		put(result, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", *p));
	else
		put(result, p, bytes);
	return bytes != 0 ? bytes : 1;
}

static void put_json_text(struct leat_result *result, const void *data, size_t len)
{
	const unsigned char *p = data, *end = p + len, *plain;

	put(result, "\"", 1);
	while (p < end) {
		for (plain = p; p < end && is_plain(*p);)
			p++;
		put(result, plain, (size_t)(p - plain));
		if (p < end)
			p += put_special(result, p, (size_t)(end - p));
	}
	put(result, "\"", 1);
}

static bool is_figure(char c)
{
	return c >= '0' && c <= '9';
}

/* JSON has no + in front, no zeros before other figures, and a figure on both sides of a point. */
static void put_json_number(struct leat_result *result, const char *p, size_t len)
{
	const char *end = p + len, *figures;

	if (p < end && *p == '-')
		put(result, "-", 1);
	p += p < end && (*p == '-' || *p == '+');
	while (end - p > 1 && *p == '0' && is_figure(p[1]))
		p++;
	for (figures = p; p < end && is_figure(*p);)
		p++;
	if (p == figures)
		put(result, "0", 1);
	put(result, figures, (size_t)(p - figures));
	if (p < end && *p == '.' && (end - p == 1 || !is_figure(p[1])))
		p++;
	put(result, p, (size_t)(end - p));
}

/* An empty field that is alone is quoted, as an empty line is no row to many readers. */
static void put_csv(struct leat_result *result, const char *data, size_t len)
{
	const char *end = data + len, *quote;
	bool quoted = len == 0 && result->count == 1;

	for (const char *p = data; p < end && !quoted; p++)
		quoted = *p == ',' || *p == '"' || *p == '\n' || *p == '\r';
	if (!quoted) {
		put(result, data, len);
		return;
	}
	put(result, "\"", 1);
	while (data < end && (quote = memchr(data, '"', (size_t)(end - data))) != NULL) {
		put(result, data, (size_t)(quote + 1 - data));
		put(result, "\"", 1);
		data = quote + 1;
	}
	put(result, data, (size_t)(end - data));
	put(result, "\"", 1);
}

/* In front of a row: which of several results it is of. Returns whether that is a column. */
static bool put_which(struct leat_result *result)
{
	char text[40] = "result";

	if (result->which == 0 || result->form == LEAT_RESULT_TEXT)
		return false;
	if (!result->in_header)
		snprintf(text, sizeof(text), "%s%" PRIu64,
		         result->form == LEAT_RESULT_JSON ? "{\"result\":" : "", result->which);
	put_string(result, text);
	return true;
}

/* What stands in front of a value. */
static void begin_value(struct leat_result *result)
{
	static const char between[] = { '\t', ',', ',' };
	const bool first = result->at == 0 && !put_which(result);

	if (result->form == LEAT_RESULT_JSON)
		put(result, first ? "{" : ",", 1);
	else if (!first)
		put(result, &between[result->form], 1);
	if (result->form != LEAT_RESULT_JSON)
		return;
	put_json_text(result, result->names[result->at], strlen(result->names[result->at]));
	put(result, ":", 1);
}

static int end_value(struct leat_result *result)
{
	if (++result->at < result->count)
		return result->rc;
	result->at = 0;
	put_string(result, result->form == LEAT_RESULT_JSON ? "}\n" : "\n");
	return result->rc;
}

void leat_result_init(struct leat_result *result, enum leat_result_form form,
                      leat_result_write_fn *write, void *arg)
{
	*result = (struct leat_result){ .form = form, .write = write, .arg = arg };
}

void leat_result_which(struct leat_result *result, uint64_t which)
{
	result->which = which;
}

int leat_result_header(struct leat_result *result, const char *const *names, size_t count)
{
	result->names = names;
	result->count = count;
	result->in_header = true;
	if (result->form == LEAT_RESULT_CSV && result->which <= 1)
		for (size_t i = 0; i < count; i++)
			leat_result_text(result, names[i], strlen(names[i]));
	result->in_header = false;
	return result->rc;
}

int leat_result_number(struct leat_result *result, const char *text, size_t len)
{
	begin_value(result);
	if (result->form == LEAT_RESULT_JSON)
		put_json_number(result, text, len);
	else
		put(result, text, len);
	return end_value(result);
}

int leat_result_count(struct leat_result *result, uint64_t number)
{
	char text[24], *end = text + sizeof(text), *begin = end;

	do
		*--begin = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	return leat_result_number(result, begin, (size_t)(end - begin));
}

int leat_result_double(struct leat_result *result, double number)
{
	char text[LEAT_DOUBLE_TEXT];

	return leat_result_number(result, text, leat_double_put(number, text));
}

int leat_result_text(struct leat_result *result, const void *data, size_t len)
{
	begin_value(result);
	if (result->form == LEAT_RESULT_JSON)
		put_json_text(result, data, len);
	else if (result->form == LEAT_RESULT_CSV)
		put_csv(result, data, len);
	else
		put(result, data, len);
	return end_value(result);
}

int leat_result_none(struct leat_result *result)
{
	if (result->form != LEAT_RESULT_JSON)
		return leat_result_text(result, "", 0);
	begin_value(result);
	put(result, "null", 4);
	return end_value(result);
}
