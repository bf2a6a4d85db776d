/*
 * The text of a flow, its steps, its plan, its tally: everything that needs no thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/plan.h"
#include "tools/leat/flow/steps.h"
#include "tools/leat/flow/tally.h"
#include "tools/leat/flow/value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct leat_stages parse(const char *text)
{
	struct leat_stages stages;
	struct leat_mistake mistake;
	int rc = leat_stages_parse(text, &stages, &mistake);

	cr_assert_eq(rc, 0, "%s: %s at %zu", text, mistake.what, mistake.at);
	return stages;
}

/* Parses a text that is wrong; a caret in the text below it says where. */
static struct leat_mistake refuse(const char *text, const char *caret)
{
	struct leat_stages stages;
	struct leat_mistake mistake;

	cr_assert_eq(leat_stages_parse(text, &stages, &mistake), -EINVAL, "%s", text);
	cr_assert_eq(mistake.at, strlen(caret) - 1, "%s: at %zu: %s", text, mistake.at,
	             mistake.what);
	cr_assert_neq(mistake.wanted[0], '\0', "%s", text);
	cr_assert_null(stages.list);
	return mistake;
}

static void expect_wanted(const char *text, const char *caret, const char *wanted)
{
	struct leat_mistake mistake = refuse(text, caret);

	cr_assert_not_null(strstr(mistake.wanted, wanted), "%s: %s", text, mistake.wanted);
}

Test(text, reads_numbers_with_suffixes)
{
	uint64_t n;

	cr_assert_eq(leat_value_number("0", &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(leat_value_number("10k", &n), 0);
	cr_assert_eq(n, 10000);
	cr_assert_eq(leat_value_number("2M", &n), 0);
	cr_assert_eq(n, 2000000);
	cr_assert_eq(leat_value_number("18446744073709551615", &n), 0);
	cr_assert_eq(leat_value_number("18446744073709551616", &n), -ERANGE);
	cr_assert_eq(leat_value_number("18446744073709551615k", &n), -ERANGE);
	cr_assert_eq(leat_value_number("-1", &n), -EINVAL);
	cr_assert_eq(leat_value_number("", &n), -EINVAL);
	cr_assert_eq(leat_value_number("1x", &n), -EINVAL);
	cr_assert_eq(leat_value_number("1kk", &n), -EINVAL);
}

Test(text, reads_times)
{
	int64_t ns;

	cr_assert_eq(leat_value_time("500us", &ns), 0);
	cr_assert_eq(ns, 500000);
	cr_assert_eq(leat_value_time("1.5s", &ns), 0);
	cr_assert_eq(ns, 1500000000);
	cr_assert_eq(leat_value_time("0.001ms", &ns), 0);
	cr_assert_eq(ns, 1000);
	cr_assert_eq(leat_value_time("2m", &ns), 0);
	cr_assert_eq(ns, 120000000000);
	cr_assert_eq(leat_value_time("100", &ns), -EINVAL);
	cr_assert_eq(leat_value_time("s", &ns), -EINVAL);
	cr_assert_eq(leat_value_time("1.s", &ns), -EINVAL);
	cr_assert_eq(leat_value_time("1 s", &ns), -EINVAL);
	cr_assert_eq(leat_value_time("99999999h", &ns), -ERANGE);
}

Test(text, reads_rates)
{
	uint64_t n;
	int64_t ns;

	cr_assert_eq(leat_value_rate("1000/s", &n, &ns), 0);
	cr_assert(n == 1000 && ns == 1000000000);
	cr_assert_eq(leat_value_rate("10/m", &n, &ns), 0);
	cr_assert(n == 10 && ns == 60000000000);
	cr_assert_eq(leat_value_rate("1000", &n, &ns), -EINVAL);
	cr_assert_eq(leat_value_rate("1000/", &n, &ns), -EINVAL);
	cr_assert_eq(leat_value_rate("1000/sec", &n, &ns), -EINVAL);
}

Test(text, reads_percentages)
{
	uint32_t percents[LEAT_PERCENTS_MAX];
	size_t n;

	cr_assert_eq(leat_value_percents("50", percents, &n), 0);
	cr_assert(n == 1 && percents[0] == 50000000);
	cr_assert_eq(leat_value_percents("0,99.9,min,100.000000,max,0.000001", percents, &n), 0);
	cr_assert(n == 6 && percents[0] == 0 && percents[1] == 99900000 && percents[2] == 0 &&
	          percents[3] == 100000000 && percents[4] == 100000000 && percents[5] == 1);
	cr_assert_eq(leat_value_percents("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", percents, &n),
	             0);
	cr_assert_eq(leat_value_percents("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", percents, &n),
	             -ERANGE);
	cr_assert_eq(leat_value_percents("100.000001", percents, &n), -ERANGE);
	cr_assert_eq(leat_value_percents("101", percents, &n), -ERANGE);
	cr_assert_eq(leat_value_percents("0.0000001", percents, &n), -ERANGE);
	static const char *const bad[] = { "",    ",",  "50,", ",50",    "50,,60", "5x",   "-1",
		                           "50.", ".5", "1e1", "median", "maxi",   "50 60" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(leat_value_percents(bad[i], percents, &n), -EINVAL, "%s", bad[i]);
}

Test(text, parses_stages_with_arguments_and_keys)
{
	struct leat_stages stages = parse("follow:/x from:start|workers:4  grep:'a | \"b' "
	                                  "invert:yes |rate:1k/s burst:3| file:\"o u\"t");

	cr_assert_eq(stages.count, 4);
	cr_assert_eq(stages.list[0].type->verb, LEAT_VERB_FOLLOW);
	cr_assert_str_eq(stages.list[0].arg.text, "/x");
	cr_assert_eq(leat_stage_key(&stages.list[0], "from")->number, 1);
	cr_assert_eq(stages.list[1].workers, 4);
	cr_assert_not(stages.list[1].ordered);
	cr_assert_str_eq(stages.list[1].arg.text, "a | \"b");
	cr_assert_eq(leat_stage_key(&stages.list[1], "invert")->number, 1);
	cr_assert_eq(stages.list[2].arg.number, 1000);
	cr_assert_eq(leat_stage_key(&stages.list[2], "burst")->number, 3);
	cr_assert_str_eq(stages.list[3].arg.text, "o ut");
	leat_stages_free(&stages);
}

Test(text, ordered_workers_are_workers_that_keep_the_order)
{
	struct leat_stages stages = parse("count:5 | ordered:3 field:1 | map:trim | null");
	struct leat_plan plan;

	cr_assert_eq(stages.list[1].workers, 3);
	cr_assert(stages.list[1].ordered);
	cr_assert_not(stages.list[2].ordered);
	cr_assert_eq(leat_plan_make(&stages, 7, false, 0, &plan), 0);
	cr_assert(plan.groups[1].ordered);
	cr_assert_eq(plan.groups[1].threads, 3);
	leat_plan_free(&plan);
	leat_stages_free(&stages);
}

Test(text, a_merge_may_be_in_the_order_of_a_key)
{
	struct leat_stages stages =
		parse("count:1 as a; count:2 as b; merge:a,b by:($1 + 1) | null");
	struct leat_plan plan;

	cr_assert_eq(stages.branches[2].join, LEAT_JOIN_BY);
	cr_assert_str_eq(stages.branches[2].by.text, "($1 + 1)");
	cr_assert_eq(leat_plan_make(&stages, 7, false, 0, &plan), 0);
	cr_assert_eq(plan.edges[plan.groups[plan.first_groups[2]].in].rings, 2);
	leat_plan_free(&plan);
	leat_stages_free(&stages);
}

Test(text, a_merge_may_have_a_first_stream)
{
	struct leat_stages stages = parse("count:1 as a; count:2 as b; count:3 as c; "
	                                  "merge:b,a,c first:yes | grep:1 as d; "
	                                  "merge:a,d first:no | null");
	struct leat_plan plan;

	cr_assert_eq(stages.branches[3].join, LEAT_JOIN_FIRST);
	cr_assert_eq(stages.branches[3].from_count, 3);
	cr_assert_eq(stages.branches[3].from[0], 1);
	cr_assert_eq(stages.branches[4].join, LEAT_JOIN_MERGE);
	cr_assert_eq(leat_plan_make(&stages, 7, false, 0, &plan), 0);
	cr_assert_eq(plan.edges[plan.groups[plan.first_groups[3]].in].rings, 3);
	cr_assert_eq(plan.edges[plan.groups[plan.first_groups[3]].in].kind, LEAT_SPSC);
	leat_plan_free(&plan);
	leat_stages_free(&stages);
}

Test(text, lines_takes_several_files)
{
	struct leat_stages stages = parse("lines:a:b and:'c d' as:kv and:e:f and:g | count");
	const struct leat_value *value = leat_stage_key(&stages.list[0], "and");

	cr_assert_str_eq(stages.list[0].arg.text, "a:b");
	cr_assert_str_eq(value->text, "c d");
	value = leat_value_again(value);
	cr_assert_str_eq(value->text, "e:f");
	value = leat_value_again(value);
	cr_assert_str_eq(value->text, "g");
	cr_assert_null(leat_value_again(value));
	leat_stages_free(&stages);
}

Test(text, keys_of_a_group_stand_in_their_order)
{
	static const struct {
		const char *name, *param, *text;
	} keys[] = { { "max", "max", "($2)" }, { "p50", "p", "($3 * 2)" }, { "sum", "sum", "($2)" },
		     { "p99.9", "p", "$4" },   { "max", "max", "($1)" },   { "as", "as", "json" } };
	struct leat_stages stages = parse("lines:a | group:($1 .. ' | ') max:($2) p50:($3 * 2) "
	                                  "sum:($2) p99.9:$4 max:($1) as:json");
	const struct leat_value *value = stages.list[1].keys;

	cr_assert_str_eq(stages.list[1].arg.text, "($1 .. ' | ')");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++, value = value->next) {
		cr_assert_str_eq(value->name, keys[i].name);
		cr_assert_str_eq(value->param->name, keys[i].param);
		cr_assert_str_eq(value->text, keys[i].text);
	}
	cr_assert_null(value);
	cr_assert_eq(leat_stage_key(&stages.list[1], "as")->number, 2);
	cr_assert_not(leat_stage_key(&stages.list[1], "by")->given);
	value = leat_value_again(leat_stage_key(&stages.list[1], "p"));
	cr_assert_str_eq(value->name, "p99.9");
	cr_assert_null(leat_value_again(value));
	leat_stages_free(&stages);
}

Test(text, count_is_a_source_first_and_a_sink_last)
{
	struct leat_stages stages = parse("count:3 | count");

	cr_assert_eq(stages.list[0].type->verb, LEAT_VERB_NUMBERS);
	cr_assert_eq(stages.list[1].type->verb, LEAT_VERB_COUNT);
	leat_stages_free(&stages);
}

Test(text, keeps_colons_and_empty_patterns)
{
	struct leat_stages stages = parse("lines:a:b:c | grep:'' | grep::x | null");

	cr_assert_str_eq(stages.list[0].arg.text, "a:b:c");
	cr_assert_str_eq(stages.list[1].arg.text, "");
	cr_assert_str_eq(stages.list[2].arg.text, ":x");
	leat_stages_free(&stages);
}

Test(text, points_at_the_mistake)
{
	expect_wanted("", "^", "lines:FILE");
	expect_wanted("   ", "   ^", "lines:FILE");
	expect_wanted("lines:a", "       ^", "stdout");
	expect_wanted("lines:a |", "         ^", "tally");
	expect_wanted("lines:a | | count", "          ^", "grep:PATTERN");
	expect_wanted("| count", "^", "tick:TIME");
	expect_wanted("lins:a | count", "^", "lines:FILE");
	expect_wanted("lines:a | grp:x | count", "          ^", "grep:PATTERN");
	expect_wanted("lines:a | grep:x | cont", "                   ^", "count");
	expect_wanted("lines:a | grep:x", "                ^", "| and one of stdout");
	expect_wanted("grep:x | count", "^", "lines:FILE");
	expect_wanted("lines:a | tally | count", "          ^", "field:N");
	expect_wanted("lines:a | grep:\"x | count", "               ^", "\"");
	expect_wanted("lines | count", "     ^", ":");
	expect_wanted("lines:a b | count", "        ^",
	              "[and:FILE] [as:csv|kv|json], | or the end");
	expect_wanted("lines:a and | count", "           ^", ":a file");
	expect_wanted("lines:a and:b and: | count", "                  ^", "a file");
	expect_wanted("follow:a from:end from:end | count", "                  ^", "|");
	expect_wanted("lines: | count", "      ^", "a file");
	expect_wanted("count:0 | count", "      ^", "from 1");
	expect_wanted("count:x | count", "      ^", "number");
	expect_wanted("tick:5 | count", "     ^", "100ms");
	expect_wanted("tick:0s | count", "     ^", "100ms");
	expect_wanted("count:5 | rate:5 | count", "               ^", "1000/s");
	expect_wanted("count:5 | map:up | count", "              ^",
	              "upper, lower, trim, length or an expression such as ($1 .. \" \" .. $9)");
	expect_wanted("count:5 | field:-1 | count", "                ^", "a number");
	expect_wanted("count:5 | buffer:0 | count", "                 ^", "1 to 16777216");
	expect_wanted("count:5 | buffer:99999999999 | count", "                 ^",
	              "1 to 16777216");
	expect_wanted("count:5 | workers:0 field:1 | count", "                  ^", "1 to 256");
	expect_wanted("count:5 | workers:257 field:1 | count", "                  ^", "1 to 256");
	expect_wanted("count:5 | workers field:1 | count", "                 ^", ":N");
	expect_wanted("count:5 | workers:2 take:1 | count", "                    ^",
	              "grep:PATTERN");
	expect_wanted("count:5 | ordered:0 field:1 | count", "                  ^", "1 to 256");
	expect_wanted("count:5 | ordered field:1 | count", "                 ^", ":N");
	expect_wanted("count:5 | ordered:2 take:3 | count", "                    ^",
	              "grep:PATTERN");
	expect_wanted("count:5 | workers:2 | count", "                    ^", "field:N");
	expect_wanted("workers:2 count:5 | count", "^", "count:N");
	expect_wanted("count:5 | grep:a foo:b | count", "                 ^", "invert:yes");
	expect_wanted("count:5 | grep:a invert | count", "                       ^", ":");
	expect_wanted("count:5 | grep:a invert:maybe | count", "                        ^",
	              "no, yes");
	expect_wanted("count:5 | grep:a invert:no invert:no | count",
	              "                           ^", "|");
	expect_wanted("count:5 | field:1 2 | count", "                  ^", "|");
	expect_wanted("count:5 | count:3", "               ^", "the end");
	expect_wanted("count:5 | skip:0 | null", "               ^", "a number from 1");
	expect_wanted("count:5 | uniq:2 | null", "              ^", "| or the end");
	expect_wanted("count:5 | distinct | null", "                  ^", ":a number of lines");
	expect_wanted("count:5 | distinct:0 | null", "                   ^", "1 to 1073741824");
	expect_wanted("count:5 | distinct:2G | null", "                   ^", "1 to 1073741824");
	expect_wanted("count:5 | workers:2 uniq | null", "                    ^", "map:");
	expect_wanted("count:5 | every:0 | null", "                ^",
	              "a number of lines, or a time");
	expect_wanted("count:5 | sum | null", "          ^", "skip:N");
	expect_wanted("count:5 | sum:3", "             ^", "| or the end");
	expect_wanted("count:5 | top", "             ^", ":a number of lines");
	expect_wanted("count:5 | top:0", "              ^", "1 to 4294967295");
	expect_wanted("count:5 | quantiles p:9", "                    ^", "[of:P,P,...]");
	expect_wanted("count:5 | quantiles of:x", "                       ^", "50,99.9,max");
	expect_wanted("count:5 | quantiles of:101", "                       ^", "50,99.9,max");
	expect_wanted("count:5 | file:x append:maybe", "                        ^", "no, yes");
	expect_wanted("count:5 | histogram 5", "                    ^", "| or the end");
	expect_wanted("count:5 | grep:'a(' | null", "               ^", "regular expression");
}

Test(text, refuses_more_stages_than_any_machine_needs)
{
	static char text[4096] = "count:1";

	for (int i = 0; i < 300; i++)
		strcat(text, "|take:1");
	strcat(text, "|null");
	struct leat_stages stages;
	struct leat_mistake mistake;
	cr_assert_eq(leat_stages_parse(text, &stages, &mistake), -EINVAL);
}

static void plan_with(bool drops, const char *text, const char *groups, const char *kinds)
{
	static const char names[] = "sm"; /* SPSC, MPSC */
	struct leat_stages stages = parse(text);
	struct leat_plan plan;
	char found[512] = "", found_kinds[64] = "";

	cr_assert_eq(leat_plan_make(&stages, 7, drops, 0, &plan), 0);
	for (size_t i = 0; i < plan.groups_count; i++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s*%u",
		         i > 0 ? " " : "", plan.groups[i].name, plan.groups[i].threads);
	for (size_t i = 0; i < plan.edges_count; i++)
		found_kinds[i] = names[plan.edges[i].kind];
	cr_assert_str_eq(found, groups);
	cr_assert_str_eq(found_kinds, kinds);
	leat_plan_free(&plan);
	leat_stages_free(&stages);
}

static void plan_is(const char *text, const char *groups, const char *kinds)
{
	plan_with(false, text, groups, kinds);
}

Test(text, fuses_cheap_steps_into_the_thread_in_front)
{
	plan_is("count:5 | null", "count*1 null*1", "s");
	plan_is("lines:a | grep:x | field:1 | tally", "lines+grep+field*1 tally*1", "s");
	plan_is("lines:a | grep:x | workers:4 field:1 | map:upper | tally",
	        "lines+grep*1 field+map*4 tally*1", "sm");
	plan_is("lines:a | workers:2 grep:x | workers:3 field:1 | null",
	        "lines*1 grep*2 field*3 null*1", "smm");
	plan_is("lines:a | ordered:2 grep:x | map:upper | workers:3 field:1 | null",
	        "lines*1 grep+map*2 field*3 null*1", "smm");
	plan_is("lines:a | workers:2 grep:x | rate:1/s | field:1 | null",
	        "lines*1 grep*2 rate+field*1 null*1", "sms");
	plan_is("lines:a | skip:1 | uniq | distinct:9 | null", "lines+skip+uniq+distinct*1 null*1",
	        "s");
	plan_is("lines:a | workers:2 grep:x | uniq | skip:1 | workers:2 map:trim | distinct:9 | "
	        "null",
	        "lines*1 grep*2 uniq+skip*1 map*2 distinct*1 null*1", "smsms");
	plan_is("lines:a | every:2 | workers:2 grep:x | every:3 | null",
	        "lines+every*1 grep*2 every*1 null*1", "sms");
	plan_is("lines:a | rate:1/s | field:1 | null", "lines+rate+field*1 null*1", "s");
	plan_is("lines:a | batch:2 | window:2 | scan:sum | null",
	        "lines+batch+window+scan*1 null*1", "s");
}

/* A source waits for its input alone. */
Test(text, what_is_due_at_times_has_no_source_on_its_thread)
{
	plan_is("lines:a | batch:2 within:1s | every:1s | null", "lines*1 batch+every*1 null*1",
	        "ss");
	plan_is("lines:a | field:1 | delay:1s | debounce:1s | while:($ > 1) | null",
	        "lines+field*1 delay+debounce+while*1 null*1", "ss");
	plan_is("lines:a | grep:x | while:($ > 1) | timeout:1s | map:trim | null",
	        "lines+grep*1 while*1 timeout+map*1 null*1", "sss");
	plan_is("lines:a | workers:2 grep:x | batch:2 | null", "lines*1 grep*2 batch*1 null*1",
	        "sms");
}

Test(text, what_begins_with_a_stream_has_a_thread_of_its_own)
{
	plan_is("count:5 as x; x | grep:1 | null", "count*1 grep*1 null*1", "ss");
	plan_is("count:5 | grep:1 as x; x | grep:2 | null; x | sum",
	        "count+grep*1 grep*1 null*1 sum*1", "ss");
	plan_with(true, "count:5 | grep:1 as x; x | grep:2 | null; x | sum",
	          "count+grep*1 grep*1 null*1 sum*1", "sss");
	plan_is("count:5 | workers:2 grep:1 as x; x | grep:2 | null; x | sum",
	        "count*1 grep*2 grep#2*1 null*1 sum*1", "sms");
	plan_is("count:5 as x; count:6 as y; merge:x,y | workers:2 grep:1 | sum",
	        "count*1 count#2*1 grep*2 sum*1", "ssmm");
	plan_is("count:5 | partition:($1) as x, y; zip:x,y | sum", "count*1 partition*1 sum*1",
	        "sss");
	plan_is("lines:a | bridge:2 | grep:1 | sum", "lines*1 bridge*1 grep*1 sum*1", "sss");
}

Test(text, a_count_right_behind_a_source_of_text_is_on_its_thread)
{
	plan_is("lines:a | count", "lines+count*1", "");
	plan_is("lines:a and:b as:csv | count as:json", "lines+count*1", "");
	plan_with(true, "walk:a | count; lines:b | count; lines:c | sum",
	          "walk+count*1 lines+count*1 lines*1 sum*1", "s");
	plan_is("lines:a | count every:2", "lines*1 count*1", "s");
	plan_is("lines:a | count every:1s", "lines*1 count*1", "s");
	plan_is("lines:a | skip:1 | count", "lines+skip*1 count*1", "s");
	plan_is("lines:a | tally; lines:b as x; x | count", "lines*1 tally*1 lines#2*1 count*1",
	        "ss");
	plan_is("follow:a | count", "follow*1 count*1", "s");
	plan_is("count:5 | count", "count*1 count#2*1", "s");
}

/* The pause is one for each line. */
Test(text, a_count_that_is_slowed_or_whose_source_is_has_a_thread_of_its_own)
{
	struct leat_stages stages = parse("lines:a | null; lines:b | count");
	struct leat_plan plan;

	for (size_t slow = 0; slow <= 4; slow++) {
		cr_assert_eq(leat_plan_make(&stages, 7, false, slow, &plan), 0);
		cr_expect_eq(plan.groups_count, slow < 3 ? 3u : 4u);
		cr_expect_eq(plan.edges_count, slow < 3 ? 1u : 2u);
		leat_plan_free(&plan);
	}
	leat_stages_free(&stages);
}

Test(text, take_never_shares_a_thread_with_the_source)
{
	plan_is("count:5 | grep:x | take:3 | take:2 | null", "count+grep*1 take+take*1 null*1",
	        "ss");
}

Test(text, buffer_is_a_ring_of_its_size_and_a_thread)
{
	struct leat_stages stages = parse("count:5 | buffer:3 | field:1 | buffer:4 | null");
	struct leat_plan plan;

	cr_assert_eq(leat_plan_make(&stages, 7, false, 0, &plan), 0);
	cr_assert_eq(plan.groups_count, 4);
	cr_assert_eq(plan.edges[0].capacity, 3);
	cr_assert_str_eq(plan.edges[0].name, "count -> buffer+field");
	cr_assert_eq(plan.edges[1].capacity, 4);
	cr_assert_eq(plan.edges[2].capacity, 7);
	leat_plan_free(&plan);
	leat_stages_free(&stages);
}

Test(text, names_of_groups_are_short_and_differ)
{
	plan_is("count:5 | buffer:1 | buffer:1 | buffer:1 | count",
	        "count*1 buffer*1 buffer#2*1 buffer#3*1 count#2*1", "ssss");
	plan_is("count:5 | grep:a | grep:a | grep:a | grep:a | grep:a | grep:a | null",
	        "count+grep+grep+grep+...*1 null*1", "s");
}

/* Runs one step on one text; NULL when it is not wanted. The result stands until the next call. */
static const char *step(const char *stage, const char *text, size_t len)
{
	static char result[256];
	char flow[256];
	struct leat_line line;
	struct leat_run_step step;
	struct leat_row row = { 0 };

	snprintf(flow, sizeof(flow), "count:1 | %s | null", stage);
	struct leat_stages stages = parse(flow);
	cr_assert_eq(leat_step_init(&step, &stages.list[1], &row), 0);
	cr_assert_eq(leat_line_copy(&line, text, len), 0);
	int rc = leat_step_run(&step, &line);
	cr_assert_geq(rc, 0);
	memcpy(result, line.data, line.len);
	result[line.len] = '\0';
	leat_line_free(&line);
	leat_step_fini(&step);
	leat_stages_free(&stages);
	return rc == 1 ? result : NULL;
}

static const char *step_text(const char *stage, const char *text)
{
	return step(stage, text, strlen(text));
}

Test(text, grep_finds_texts_and_expressions_among_any_bytes)
{
	cr_assert_not_null(step_text("grep:' 404 '", "a 404 b"));
	cr_assert_null(step_text("grep:' 404 '", "a 4040 b"));
	cr_assert_null(step_text("grep:x invert:yes", "axb"));
	cr_assert_not_null(step_text("grep:x invert:yes", "ab"));
	cr_assert_not_null(step_text("grep:''", ""));
	cr_assert_not_null(step_text("grep:'^a.*z$'", "abcz"));
	cr_assert_null(step_text("grep:'^b'", "ab"));
	cr_assert_not_null(step_text("grep:'a(b|c)+d'", "xacbd"));
	cr_assert_not_null(step("grep:x", "a\0x", 3));
	cr_assert_not_null(step("grep:'[x]$'", "a\0x", 3));
	cr_assert_not_null(step("grep:'^$'", "", 0));
	cr_assert_not_null(step("grep:'a.b'",
	                        "a\xff"
	                        "b",
	                        3));
}

Test(text, field_splits_as_awk_does)
{
	cr_assert_str_eq(step_text("field:1", "a b c"), "a");
	cr_assert_str_eq(step_text("field:3", "a b c"), "c");
	cr_assert_str_eq(step_text("field:4", "a b c"), "");
	cr_assert_str_eq(step_text("field:2", "  a\t \tb  "), "b");
	cr_assert_str_eq(step_text("field:3", "  a\t \tb  "), "");
	cr_assert_str_eq(step_text("field:0", " a b "), " a b ");
	cr_assert_str_eq(step_text("field:1", ""), "");
	cr_assert_str_eq(step_text("field:1", "   "), "");
}

Test(text, map_changes_lines)
{
	cr_assert_str_eq(step_text("map:upper", "aZ9\xc3\xa9"), "AZ9\xc3\xa9");
	cr_assert_str_eq(step_text("map:lower", "aZ9"), "az9");
	cr_assert_str_eq(step_text("map:trim", " \ta b \r"), "a b");
	cr_assert_str_eq(step_text("map:trim", "  "), "");
	cr_assert_str_eq(step_text("map:length", "12345678901"), "11");
	cr_assert_str_eq(step_text("map:length", ""), "0");
	cr_assert_str_eq(step_text("map:upper", ""), "");
}

Test(text, expressions_change_lines)
{
	cr_assert_str_eq(step_text("map:($2)", "a b c"), "b");
	cr_assert_str_eq(step_text("map:($9)", "a b c"), "");
	cr_assert_str_eq(step_text("map:($2 .. \"|\" .. $1)", "a b"), "b|a");
	cr_assert_str_eq(step_text("map:($1 * 2)", "21"), "42");
	cr_assert_str_eq(step_text("map:($1 > 2)", "21"), "1");
	cr_assert_str_eq(step_text("map:(1 / 0)", "x"), "");
	cr_assert_str_eq(step_text("map:'upper($)'", "ab"), "AB");
}

Test(text, rate_is_a_bucket_of_tokens)
{
	struct leat_stages stages = parse("count:1 | rate:10/s burst:3 | null");
	struct leat_run_step step;
	struct leat_row row = { 0 };
	int64_t now_ns = 5000000000;

	cr_assert_eq(leat_step_init(&step, &stages.list[1], &row), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_leq(leat_step_rate_take(&step.rate, now_ns), now_ns);
	cr_assert_eq(leat_step_rate_take(&step.rate, now_ns), now_ns + 100000000);
	cr_assert_eq(leat_step_rate_take(&step.rate, now_ns), now_ns + 200000000);
	now_ns += 60000000000; /* long unused: full, and no fuller */
	for (int i = 0; i < 3; i++)
		cr_assert_leq(leat_step_rate_take(&step.rate, now_ns), now_ns);
	cr_assert_eq(leat_step_rate_take(&step.rate, now_ns), now_ns + 100000000);
	leat_step_fini(&step);
	leat_stages_free(&stages);
}

static void add_value(struct leat_tally *tally, const char *value, size_t len)
{
	uint64_t hash = leat_tally_hash(value, len);
	leat_tally_prefetch(tally, hash);
	cr_assert_eq(leat_tally_add(tally, hash, value, len), 0);
}

Test(text, tally_counts_and_sorts)
{
	static const struct {
		const char *value;
		size_t len;
		uint64_t count;
	} sorted[] = { { "b", 1, 3 },  { "", 0, 1 },  { "a\0", 2, 1 },
		       { "ab", 2, 1 }, { "c", 1, 1 }, { "\xff", 1, 1 } };
	struct leat_tally tally = { 0 };
	struct leat_tally_row *rows;

	for (int i = 0; i < 3; i++)
		add_value(&tally, "b", 1);
	add_value(&tally, "c", 1);
	add_value(&tally, "", 0);
	add_value(&tally, "ab", 2);
	add_value(&tally, "a\0", 2);
	add_value(&tally, "\xff", 1);
	cr_assert_eq(leat_tally_sort(&tally, NULL, NULL, &rows), 0);
	cr_assert_eq(tally.used, 6);
	for (size_t i = 0; i < tally.used; i++) {
		cr_assert_eq(rows[i].weight, sorted[i].count);
		cr_assert_eq(rows[i].entry->len, sorted[i].len);
		cr_assert_arr_eq(leat_tally_value(&tally, rows[i].entry), sorted[i].value,
		                 sorted[i].len);
	}
	free(rows);
	leat_tally_fini(&tally);
}

static int compare_rows(const struct leat_tally_row *x, const struct leat_tally_row *y)
{
	size_t least = x->entry->len < y->entry->len ? x->entry->len : y->entry->len;
	int order = memcmp(x->entry->bytes, y->entry->bytes, least);

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return order != 0 ? order
	                  : (x->entry->len > y->entry->len) - (x->entry->len < y->entry->len);
}

/* Values with long beginnings in common, that differ late or by their length alone. */
Test(text, tally_grows_and_sorts_what_is_alike)
{
	struct leat_tally tally = { 0 };
	struct leat_tally_row *rows;
	char value[64];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 10000; i++)
			for (int again = 0; again <= i % 3; again++)
				add_value(&tally, value,
				          (size_t)snprintf(value, sizeof(value), "beginning %d%.*s",
				                           i / 4, i % 4 * 9,
				                           "an end that goes on for so long"));
	cr_assert_eq(tally.used, 10000);
	cr_assert_eq(leat_tally_sort(&tally, NULL, NULL, &rows), 0);
	for (size_t i = 1; i < tally.used; i++)
		cr_assert_lt(compare_rows(&rows[i - 1], &rows[i]), 0);
	cr_assert_eq(rows[0].weight, 6);
	cr_assert_eq(rows[9999].weight, 2);
	free(rows);
	leat_tally_fini(&tally);
}

/* Weights of the kinds that orders differ by: all the same, few, and of all bits. */
static uint64_t weigh_by_chance(void *arg, struct leat_tally_entry *entry)
{
	uint64_t hash = leat_tally_hash(entry->bytes, entry->len);
	int kind = *(int *)arg;

	return kind == 0 ? 7 : kind == 1 ? hash % 3 : hash;
}

/* One of many values of the kind; returns its length. */
static size_t make_value(int kind, int i, unsigned *seed, char value[4096])
{
	static const char *const letters[] = { "ab", "a", "abcdefgh" };
	size_t len = kind == 0   ? (size_t)rand_r(seed) % 3 /* any bytes, and none */
	             : kind == 1 ? (size_t)rand_r(seed) % 300
	             : kind == 2 ? (size_t)i /* each is the beginning of the next */
	                         : 2000 + (size_t)rand_r(seed) % 20;

	for (size_t at = 0; at < len; at++)
		value[at] = kind == 0 ? (char)rand_r(seed)
		            : kind == 3 && at < 1990
		                    ? 'x'
		                    : letters[kind - 1]
		                             [(unsigned)rand_r(seed) % strlen(letters[kind - 1])];
	return len;
}

Test(text, tally_sorts_values_and_weights_of_all_kinds)
{
	static char value[4096];
	unsigned seed = 5;

	for (int kind = 0; kind < 4; kind++) {
		struct leat_tally tally = { 0 };
		struct leat_tally_row *rows;

		for (int i = 0; i < 4000; i++)
			add_value(&tally, value, make_value(kind, i, &seed, value));
		for (int weights = 0; weights < 3; weights++) {
			cr_assert_eq(leat_tally_sort(&tally, weigh_by_chance, &weights, &rows), 0);
			for (size_t i = 0; i < tally.used; i++) {
				cr_assert_eq(rows[i].weight,
				             weigh_by_chance(&weights, rows[i].entry));
				if (i > 0)
					cr_assert_lt(compare_rows(&rows[i - 1], &rows[i]), 0);
			}
			free(rows);
		}
		leat_tally_fini(&tally);
	}
}

/* Random counts, most of them alike: the first rows of a sorted tally, for each number of them. */
Test(text, top_is_the_beginning_of_the_tally)
{
	static const size_t wanted[] = { 1, 2, 3, 10, 100, 2999, 3000, 3001, SIZE_MAX };
	struct leat_tally tally = { 0 };
	struct leat_tally_row *rows, *top;
	unsigned seed = 3;
	size_t n;

	for (int i = 0; i < 3000; i++) {
		char value[64];
		int len = sprintf(value, "%s%d", i % 5 == 0 ? "long beginning " : "", i * 7 % 3000);

		for (int again = rand_r(&seed) % 4; again >= 0; again--)
			add_value(&tally, value, (size_t)len);
	}
	cr_assert_eq(leat_tally_sort(&tally, NULL, NULL, &rows), 0);
	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
		cr_assert_eq(leat_tally_top(&tally, wanted[w], NULL, NULL, &top, &n), 0);
		cr_assert_eq(n, wanted[w] < tally.used ? wanted[w] : tally.used);
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(top[i].entry, rows[i].entry, "row %zu of %zu", i, n);
		free(top);
	}
	free(rows);
	leat_tally_fini(&tally);
	cr_assert_eq(leat_tally_top(&tally, 5, NULL, NULL, &top, &n), 0);
	cr_assert_eq(n, 0);
	free(top);
}

static uint64_t weigh_by_extra(void *arg, struct leat_tally_entry *entry)
{
	uint64_t extra;

	memcpy(&extra, entry->bytes, sizeof(extra));
	return extra + *(uint64_t *)arg;
}

/* Bytes of the user's beside the values, an order by them, and no more entries than are wanted. */
Test(text, tally_keeps_what_its_user_wants)
{
	struct leat_tally tally = { .extra = sizeof(uint64_t) };
	struct leat_tally_entry *entry;
	struct leat_tally_row *rows;
	uint64_t more = 7, extra;
	char value[16];
	size_t n;

	for (uint64_t i = 0; i < 5000; i++) {
		size_t len = (size_t)sprintf(value, "%d", (int)i % 2500);
		uint64_t hash = leat_tally_hash(value, len);

		cr_assert_eq(leat_tally_find(&tally, hash, value, len, 2000, &entry), 0);
		cr_assert_eq(entry != NULL, i % 2500 < 2000);
		if (entry == NULL)
			continue;
		memcpy(&extra, entry->bytes, sizeof(extra));
		cr_assert_eq(extra, i < 2500 ? 0 : (i - 2500) * 3 % 2000);
		extra = i * 3 % 2000;
		memcpy(entry->bytes, &extra, sizeof(extra));
		cr_assert_arr_eq(leat_tally_value(&tally, entry), value, len);
	}
	cr_assert_eq(tally.used, 2000);
	cr_assert_eq(leat_tally_top(&tally, 3, weigh_by_extra, &more, &rows, &n), 0);
	for (uint64_t i = 0; i < 3; i++)
		cr_assert_eq(rows[i].weight, 1999 - i + 7);
	free(rows);
	cr_assert_eq(leat_tally_sort(&tally, weigh_by_extra, &more, &rows), 0);
	for (uint64_t i = 0; i < 2000; i++)
		cr_assert_eq(rows[i].weight, 1999 - i + 7);
	free(rows);
	leat_tally_fini(&tally);
}

Test(text, rate_saves_nothing_before_its_first_item)
{
	struct leat_stages stages = parse("count:1 | rate:1/m burst:3 | null");
	struct leat_run_step step;
	struct leat_row row = { 0 };
	int64_t now_ns = 5000000000; /* a machine that has just started */

	cr_assert_eq(leat_step_init(&step, &stages.list[1], &row), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_leq(leat_step_rate_take(&step.rate, now_ns), now_ns);
	cr_assert_eq(leat_step_rate_take(&step.rate, now_ns), now_ns + INT64_C(60000000000));
	leat_step_fini(&step);
	leat_stages_free(&stages);
}

/* Where the first match of a text of several lines is: the place of its line; -1: nowhere. */
static int line_of_match(const char *pattern_text, const char *text)
{
	struct leat_pattern *pattern;
	char why[100] = "";
	const char *found;
	int line = -1;

	cr_assert_eq(leat_pattern_open(&pattern, pattern_text, why, sizeof(why)), 0, "%s: %s",
	             pattern_text, why);
	found = leat_pattern_find(pattern, text, strlen(text));
	if (found != NULL) {
		cr_assert(found >= text && found <= text + strlen(text));
		line = 0;
		for (const char *p = text; p < found; p++)
			line += *p == '\n';
	}
	leat_pattern_close(pattern);
	return line;
}

Test(text, patterns_find_the_first_line_that_matches)
{
	static const char text[] = "first line\nsecond\n\nlast";
	static const struct {
		const char *pattern;
		int line;
	} cases[] = {
		{ "line", 0 },     { "last", 3 },         { "none", -1 },
		{ "se.*d", 1 },    { "^last$", 3 },       { "^$", 2 },
		{ "^", 0 },        { "e$", 0 },           { "^se", 1 },
		{ "t.*s", -1 },    { "[^a]a", 3 },        { "e[^x]*second", -1 },
		{ "(x|y)", -1 },   { "[[:digit:]]", -1 }, { "[[:alpha:]]{6}", 1 },
		{ "(co)?nd$", 1 }, { "x*", 0 },           { "\\.", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(line_of_match(cases[i].pattern, text), cases[i].line, "%s: %d",
		             cases[i].pattern, line_of_match(cases[i].pattern, text));
	cr_expect_eq(line_of_match("^$", ""), 0);
	cr_expect_eq(line_of_match("a", ""), -1);
	cr_expect_eq(line_of_match("", ""), 0);
}

Test(text, patterns_that_are_none_say_why)
{
	static const char *const bad[] = { "(", "a{2,1}", "[", "[b-a]" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct leat_pattern *pattern = NULL;
		char why[100] = "";

		cr_expect_eq(leat_pattern_open(&pattern, bad[i], why, sizeof(why)), -EINVAL, "%s",
		             bad[i]);
		cr_expect_null(pattern);
		cr_expect(why[0] != '\0', "%s", bad[i]);
	}
}
