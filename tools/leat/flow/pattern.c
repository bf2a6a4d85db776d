/*
 * tools/leat/flow/pattern.c: see pattern.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/pattern.h"
#include "text/plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef LEAT_HAVE_RE2

#include "tools/leat/flow/regex_re2.h"

#else /* regexec(3), in the same four functions */

#include <regex.h>

struct leat_regex {
	regex_t compiled;
};

static int leat_regex_open(struct leat_regex **opened, const char *text, char *why, size_t size)
{
	struct leat_regex *regex = malloc(sizeof(*regex));
	int rc;

	if (regex == NULL)
		return -ENOMEM;
	rc = regcomp(&regex->compiled, text, REG_EXTENDED); /* not REG_NOSUB: REG_STARTEND */
	if (rc == 0) {
		*opened = regex;
		return 0;
	}
	regerror(rc, &regex->compiled, why, size);
	free(regex);
	return rc == REG_ESPACE ? -ENOMEM : -EINVAL;
}

static void leat_regex_close(struct leat_regex *regex)
{
	regfree(&regex->compiled);
	free(regex);
}

static const char *leat_regex_find(const struct leat_regex *regex, const char *text, size_t len)
{
	const char *end = text + len;

	do {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((feed != NULL ? feed : end) - text);
		regmatch_t match = { .rm_so = 0, .rm_eo = (regoff_t)line };

		if (regexec(&regex->compiled, text, 1, &match, REG_STARTEND) == 0)
			return text;
		text += line + 1;
	} while (text < end);
	return NULL;
}

#endif

struct leat_pattern {
	struct leat_plain plain; /* its text NULL: the expression */
	struct leat_regex *regex;
};

static bool is_plain(const char *text)
{
	return strpbrk(text, ".[]()*+?{}|^$\\\n") == NULL;
}

int leat_pattern_open(struct leat_pattern **opened, const char *text, char *why, size_t size)
{
	struct leat_pattern *pattern = calloc(1, sizeof(*pattern));
	int rc = 0;

	if (pattern == NULL)
		return -ENOMEM;
	if (is_plain(text))
		leat_plain_init(&pattern->plain, text, strlen(text));
	else
		rc = leat_regex_open(&pattern->regex, text, why, size);
	if (rc == 0)
		*opened = pattern;
	else
		free(pattern);
	return rc;
}

void leat_pattern_close(struct leat_pattern *pattern)
{
	if (pattern != NULL && pattern->regex != NULL)
		leat_regex_close(pattern->regex);
	free(pattern);
}

const char *leat_pattern_find(const struct leat_pattern *pattern, const char *text, size_t len)
{
	if (pattern->plain.text != NULL)
		return leat_plain_find(&pattern->plain, text, len);
	return leat_regex_find(pattern->regex, text, len);
}
