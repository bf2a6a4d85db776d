/*
 * tests/unit/export_accept.c: which form a client gets for its Accept header.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/export.h>

TestSuite(export_accept, .timeout = 600);

static void expect_each(enum leat_export_format wanted, const char *const *headers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(leat_export_negotiate(headers[i]), wanted, "%s", headers[i]);
}

Test(export_accept, open_metrics_for_those_that_name_it)
{
	static const char *const headers[] = {
		"application/openmetrics-text",
		"application/openmetrics-text; version=1.0.0; charset=utf-8",
		"Application/OpenMetrics-Text;Version=\"1.0.0\"",
		/* Prometheus 2.42 and 3 */
		"application/openmetrics-text;version=1.0.0,application/"
		"openmetrics-text;version=0.0.1;"
		"q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
		"openmetrics-text;version=0.0.1;q=0.5,text/"
		"plain;version=1.0.0;escaping=allow-utf-8;"
		"q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		"text/plain;q=0.5, application/openmetrics-text;q=0.501",
		"text/plain , application/openmetrics-text",
		"text/plain;q=0,application/*;q=0.001",
		"*/*;q=0.9,application/openmetrics-text",
		"text/plain;version=9.9.9,application/openmetrics-text;q=0.1",
	};
	expect_each(LEAT_EXPORT_OPENMETRICS, headers, COUNT(headers));
}

Test(export_accept, the_classic_text_for_all_others)
{
	static const char *const headers[] = {
		NULL,
		"",
		"*/*",
		"text/plain",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"application/openmetrics-text;q=0",
		"application/openmetrics-text;q=0.000,*/*",
		"application/openmetrics-text;version=0.0.1",
		"application/openmetrics-text;version=2.0.0,text/plain;q=0.1",
		"text/plain,application/openmetrics-text;q=0.999",
		"text/*;q=0.8,application/openmetrics-text;q=0.7",
		"application/openmetrics-text-x",
		"application/openmetrics",
	};
	expect_each(LEAT_EXPORT_CLASSIC, headers, COUNT(headers));
}

/* The most specific range says how much a form is wanted, wherever it stands. */
Test(export_accept, the_most_specific_range_counts)
{
	cr_expect_eq(leat_export_negotiate("application/openmetrics-text;version=1.0.0;q=0.2,"
	                                   "application/openmetrics-text;q=0.9,text/plain;q=0.5"),
	             LEAT_EXPORT_CLASSIC);
	cr_expect_eq(leat_export_negotiate("text/plain;q=0.5,application/openmetrics-text;q=0.9,"
	                                   "application/openmetrics-text;version=1.0.0;q=0.2"),
	             LEAT_EXPORT_CLASSIC);
	cr_expect_eq(leat_export_negotiate("text/*,text/plain;version=0.0.4;q=0.1,"
	                                   "application/openmetrics-text;q=0.5"),
	             LEAT_EXPORT_OPENMETRICS);
}

/* A range whose q is no number from 0 to 1 is passed over, and so is what is no range. */
Test(export_accept, what_is_wrong_is_passed_over)
{
	static const char *const wrong[] = { "2",      "1.1", "-1", "0.5x", ".5",
		                             "1.0000", "nan", "",   "0,5",  "00" };
	char header[128];

	for (size_t i = 0; i < COUNT(wrong); i++) {
		snprintf(header, sizeof(header), "application/openmetrics-text;q=%s", wrong[i]);
		cr_expect_eq(leat_export_negotiate(header), LEAT_EXPORT_CLASSIC, "%s", header);
	}
	static const char *const good[] = {
		",,,application/openmetrics-text",
		";;;=,application/openmetrics-text",
		"\"a,b\",application/openmetrics-text",
		"a;b=\"c,\\\"d\",application/openmetrics-text;;q=1.000;",
		"application/openmetrics-text;x=\"no end",
	};
	expect_each(LEAT_EXPORT_OPENMETRICS, good, COUNT(good));
}

/* Any bytes: nothing outside of the header is read (AddressSanitizer sees it), and it ends. */
Test(export_accept, any_bytes)
{
	static const char some[] = ";,=\"\\ \tqv*/.019ationpel";
	unsigned seed = 1;

	for (int n = 0; n < 20000; n++) {
		size_t length = (size_t)rand_r(&seed) % 40;
		char *header = malloc(length + 1);
		cr_assert_not_null(header);
		for (size_t i = 0; i < length; i++)
			header[i] = some[(size_t)rand_r(&seed) % (sizeof(some) - 1)];
		header[length] = '\0';
		cr_expect_leq((unsigned)leat_export_negotiate(header), 1);
		free(header);
	}
}
