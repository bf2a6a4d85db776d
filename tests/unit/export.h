/*
 * tests/unit/export.h: what the suites of libleat-export share: the text of a scrape, and what it
 * has.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_EXPORT_H
#define LEAT_TEST_EXPORT_H

#include "counters.h"

#include <leat/export.h>

/* What a scrape gives; the caller frees it. */
static UNUSED char *export_scrape(struct leat_export *exporter, enum leat_export_format format)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	cr_assert_not_null(out);
	cr_expect_eq(leat_export_write(exporter, format, out), 0);
	cr_assert_eq(fclose(out), 0);
	return text;
}

/* The value of the first line that begins with this; -1: there is none. */
static UNUSED double export_value(const char *text, const char *series)
{
	for (const char *line = text; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');
		if (strncmp(line, series, strlen(series)) == 0) {
			const char *brace = memchr(line, '}', (size_t)(end - line));
			return atof(brace != NULL ? brace + 1 : strchr(line, ' '));
		}
		line = end == NULL ? NULL : end + 1;
	}
	return -1;
}

static UNUSED struct leat_export *export_file(const char *path, int64_t gone_ns)
{
	struct leat_export *exporter = leat_export_start(
		&(struct leat_export_opts){ .listen = "",
	                                    .processes = &(const char *const){ path },
	                                    .processes_count = 1,
	                                    .gone_ns = gone_ns });
	cr_assert_not_null(exporter);
	return exporter;
}

#endif
