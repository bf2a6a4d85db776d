/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "export/export.h"

#include <string.h>

/*
 * An Accept header is a list of ranges (RFC 9110, 12.5.1):
 *
 *     application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5
 *
 * Of the ranges that fit a form the most specific one says how much the client wants it: in
 * thousandths, as q has three digits at the most.
 */
struct range {
	const char *type, *version, *q; /* version, q: NULL: there is none */
	size_t type_length, version_length, q_length;
};

struct wish {
	int specific; /* 3: with a version, 2: the type, 1: its first part, 0: all; -1: no range
	                 fits */
	int q;
};

struct form {
	const char *type, *version;
};

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static bool equals(const char *text, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncasecmp(text, wanted, length) == 0;
}

/* Reads a token, or a quoted text, whose quotes are left out. Returns what is behind it. */
static const char *read_value(const char *p, const char **value, size_t *length)
{
	if (*p != '"') {
		*value = p;
		*length = strcspn(p, ";, \t");
		return p + *length;
	}
	*value = ++p;
	while (*p != '\0' && *p != '"')
		p += *p == '\\' && p[1] != '\0' ? 2 : 1;
	*length = (size_t)(p - *value);
	return p + (*p == '"');
}

/* Reads a range up to the comma behind it. Returns what is behind that; NULL: there is no more. */
static const char *read_range(const char *p, struct range *range)
{
	*range = (struct range){ 0 };
	p = skip_blanks(p);
	range->type = p;
	range->type_length = strcspn(p, ";, \t");
	p += range->type_length;
	while (*p != '\0' && *p != ',') {
		const char *name, *value;
		size_t name_length, length;

		p += strspn(p, "; \t");
		name = p;
		name_length = strcspn(p, "=;, \t");
		p += name_length;
		if (*p != '=') {
			p += *p != '\0' && *p != ',';
			continue;
		}
		p = read_value(p + 1, &value, &length);
		if (equals(name, name_length, "version")) {
			range->version = value;
			range->version_length = length;
		} else if (equals(name, name_length, "q") && range->q == NULL) {
			range->q = value;
			range->q_length = length;
		}
	}
	return *p == ',' ? p + 1 : NULL;
}

/* "0.5" as 500. Returns -1 if it is no such number from 0 to 1. */
static int read_q(const char *q, size_t length)
{
	int number = 0;

	if (length == 0 || length > 5 || (q[0] != '0' && q[0] != '1') ||
	    (length > 1 && q[1] != '.'))
		return -1;
	for (size_t i = 2; i < 5; i++) {
		if (i < length && (q[i] < '0' || q[i] > '9'))
			return -1;
		number = number * 10 + (i < length ? q[i] - '0' : 0);
	}
	number += q[0] == '1' ? 1000 : 0;
	return number <= 1000 ? number : -1;
}

/* How well a range fits a form, as in struct wish. */
static int fit(const struct range *range, const struct form *form)
{
	size_t part = (size_t)(strchr(form->type, '/') + 1 - form->type);

	if (equals(range->type, range->type_length, form->type)) {
		if (range->version == NULL)
			return 2;
		return equals(range->version, range->version_length, form->version) ? 3 : -1;
	}
	if (equals(range->type, range->type_length, "*/*"))
		return 0;
	return range->type_length == part + 1 && range->type[part] == '*' &&
	                       strncasecmp(range->type, form->type, part) == 0
	               ? 1
	               : -1;
}

static struct wish find_wish(const char *accept, const struct form *form)
{
	struct wish wish = { -1, 0 };
	struct range range;

	for (const char *p = accept; p != NULL;) {
		int q = 1000, specific;

		p = read_range(p, &range);
		specific = fit(&range, form);
		if (range.q != NULL)
			q = read_q(range.q, range.q_length);
		if (q < 0 || specific < wish.specific || specific < 0)
			continue;
		if (specific > wish.specific || q > wish.q)
			wish = (struct wish){ specific, q };
	}
	return wish;
}

/* The classic text is for those that do not ask for the other by its name, or want it more. */
enum leat_export_format leat_export_negotiate(const char *accept)
{
	static const struct form classic = { "text/plain", "0.0.4" };
	static const struct form open_metrics = { "application/openmetrics-text", "1.0.0" };
	struct wish first, second;

	if (accept == NULL)
		return LEAT_EXPORT_CLASSIC;
	first = find_wish(accept, &open_metrics);
	second = find_wish(accept, &classic);
	return first.specific > 0 && first.q > 0 && first.q >= second.q ? LEAT_EXPORT_OPENMETRICS
	                                                                : LEAT_EXPORT_CLASSIC;
}
