/*
 * tests/unit/export_names.c: totals by name that neither vanish nor fall, whatever a counters file
 * sums under "(other names)".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"
#include "export/export.h"

TestSuite(export_names, .timeout = 600);

enum { OFFERED = LEAT_COUNTERS_CHAN_OFFERED };

static struct leat_counters_record record(const char *name, uint64_t offered, uint32_t living)
{
	struct leat_counters_record r = { .kind = LEAT_COUNTERS_CHANNEL,
		                          .count = 1,
		                          .living = living };
	snprintf(r.name, sizeof(r.name), "%s", name);
	r.values[OFFERED] = offered;
	r.values[LEAT_COUNTERS_CHAN_CAPACITY] = 8;
	return r;
}

static uint64_t offered(const struct leat_export_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i]->name, name) == 0)
			return leat_export_total(names->list[i], OFFERED);
	return strcmp(name, LEAT_EXPORT_OTHER) == 0 ? leat_export_total(&names->other, OFFERED)
	                                            : UINT64_MAX;
}

static uint64_t sum(const struct leat_export_names *names)
{
	uint64_t total = leat_export_total(&names->other, OFFERED);
	for (size_t i = 0; i < names->count; i++)
		total += leat_export_total(names->list[i], OFFERED);
	return total;
}

#define TAKE(names, whole, ...) \
	do { \
		const struct leat_counters_record records[] = { __VA_ARGS__ }; \
		leat_export_names_take((names), records, COUNT(records), (whole)); \
	} while (0)

Test(export_names, objects_of_a_name_are_one)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 10);
	TAKE(&names, true, record("a", 5, 1), record("b", 7, 1), record("a", 6, 0),
	     record("a", 9, 1));
	cr_expect_eq(names.count, 2);
	cr_expect_eq(offered(&names, "a"), 20);
	cr_expect_eq(offered(&names, "b"), 7);
	cr_expect_eq(names.list[0]->now[LEAT_COUNTERS_CHAN_CAPACITY], 16, "of those that live");
	cr_expect_eq(names.list[0]->living, 2);
	cr_expect_not(names.has_other);
	leat_export_names_fini(&names);
}

Test(export_names, a_name_that_vanishes_stays_and_its_total_is_taken_off_the_others)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 10);
	TAKE(&names, true, record("a", 100, 1), record("b", 1, 1), record("(other names)", 30, 0));
	/* the file has summed "a", which had sent 20 more */
	TAKE(&names, true, record("b", 2, 1), record("(other names)", 150, 0));
	cr_expect_eq(offered(&names, "a"), 100);
	cr_expect_eq(offered(&names, "(other names)"), 50);
	cr_expect_eq(sum(&names), 152);
	/* another of that name: the series goes on from where it was */
	TAKE(&names, true, record("a", 5, 1), record("b", 2, 1), record("(other names)", 150, 0));
	cr_expect_eq(offered(&names, "a"), 105);
	cr_expect_eq(offered(&names, "(other names)"), 50);
	/* and is summed as well, with others that were never seen */
	TAKE(&names, true, record("b", 3, 1), record("(other names)", 163, 0));
	cr_expect_eq(offered(&names, "a"), 105);
	cr_expect_eq(offered(&names, "(other names)"), 58);
	cr_expect_eq(sum(&names), 166);
	leat_export_names_fini(&names);
}

/* Between two readings a name was summed, and another object of that name has sent less. */
Test(export_names, a_name_that_falls)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 10);
	TAKE(&names, true, record("a", 100, 1));
	TAKE(&names, true, record("a", 40, 1), record("(other names)", 110, 0));
	cr_expect_eq(offered(&names, "a"), 100);
	cr_expect_eq(offered(&names, "(other names)"), 50);
	TAKE(&names, true, record("a", 41, 1), record("(other names)", 110, 0));
	cr_expect_eq(offered(&names, "a"), 101);
	cr_expect_eq(sum(&names), 151);
	leat_export_names_fini(&names);
}

Test(export_names, names_beyond_the_most_are_folded_and_counted)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 2);
	TAKE(&names, true, record("a", 1, 1), record("b", 2, 1), record("c", 3, 1),
	     record("d", 4, 1), record("c", 5, 1));
	cr_expect_eq(names.count, 2);
	cr_expect_eq(names.folded_count, 2, "c and d");
	cr_expect_eq(offered(&names, "(other names)"), 12);
	cr_expect_eq(names.other.living, 3);
	/* what has a series keeps it, and no other comes in its place */
	TAKE(&names, true, record("c", 6, 1), record("d", 4, 1), record("(other names)", 8, 0));
	cr_expect_eq(names.count, 2);
	cr_expect_eq(names.folded_count, 2);
	cr_expect_eq(offered(&names, "a"), 1);
	cr_expect_eq(offered(&names, "(other names)"), 15);
	cr_expect_eq(sum(&names), 18);
	leat_export_names_fini(&names);
}

/* Of such a reading something may be missing, or there twice: what is less proves nothing. */
Test(export_names, a_reading_that_is_not_whole_moves_nothing)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 10);
	TAKE(&names, true, record("a", 100, 1), record("b", 50, 1), record("(other names)", 10, 0));
	TAKE(&names, false, record("b", 60, 1), record("(other names)", 110, 0));
	cr_expect_eq(offered(&names, "a"), 100);
	cr_expect_eq(offered(&names, "b"), 60);
	cr_expect_eq(offered(&names, "(other names)"), 10);
	/* the record of "a" was only torn */
	TAKE(&names, true, record("a", 103, 1), record("b", 61, 1), record("(other names)", 10, 0));
	cr_expect_eq(offered(&names, "a"), 103);
	cr_expect_eq(sum(&names), 174);
	leat_export_names_fini(&names);
}

Test(export_names, the_first_reading_is_taken_as_it_is)
{
	struct leat_export_names names;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 10);
	TAKE(&names, false, record("a", 3, 1), record("(other names)", 10, 0));
	cr_expect_eq(offered(&names, "(other names)"), 10);
	cr_expect_eq(sum(&names), 13);
	leat_export_names_fini(&names);
}

/* A hostile file: sums do not wrap, and so do not fall. */
Test(export_names, numbers_of_any_size_do_not_fall)
{
	static const uint64_t some[] = { 0, 1, UINT64_MAX, UINT64_MAX / 2, 7, UINT64_MAX - 1 };
	struct leat_export_names names;
	uint64_t last_a = 0, last_other = 0;
	unsigned seed = 3;

	leat_export_names_init(&names, LEAT_COUNTERS_CHANNEL, 1);
	for (int n = 0; n < 5000; n++) {
#define ANY some[(size_t)rand_r(&seed) % COUNT(some)]
		TAKE(&names, n % 3 != 0, record("a", ANY, 1), record("a", ANY, 0),
		     record("b", ANY, 1), record("(other names)", ANY, 0));
#undef ANY
		cr_assert_geq(offered(&names, "a"), last_a);
		cr_assert_geq(offered(&names, "(other names)"), last_other);
		last_a = offered(&names, "a");
		last_other = offered(&names, "(other names)");
	}
	leat_export_names_fini(&names);
}

Test(export_names, bytes_that_are_no_utf_8)
{
	static const struct {
		const char *from, *to;
	} texts[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xff"
		  "b",
		  "a\ufffd"
		  "b" },
		{ "\xc3", "\ufffd" }, /* cut off */
		{ "\xe2\x82", "\ufffd\ufffd" },
		{ "\xc0\xaf", "\ufffd\ufffd" },           /* overlong */
		{ "\xed\xa0\x80", "\ufffd\ufffd\ufffd" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd" },
	};
	char to[LEAT_EXPORT_NAME], longest[LEAT_NAME_MAX + 1];

	for (size_t i = 0; i < COUNT(texts); i++) {
		leat_export_clean_text(to, texts[i].from);
		cr_expect_str_eq(to, texts[i].to, "text %zu", i);
	}
	memset(longest, 0xff, LEAT_NAME_MAX);
	longest[LEAT_NAME_MAX] = '\0';
	leat_export_clean_text(to, longest);
	cr_expect_eq(strlen(to), 3 * LEAT_NAME_MAX);
}
