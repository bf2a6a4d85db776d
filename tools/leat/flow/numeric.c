/*
 * tools/leat/flow/numeric.c: what the sinks make of lines that are numbers. See numeric.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/numbers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PERCENTS "50,90,99,99.9,max"

bool leat_numeric_has(enum leat_verb verb)
{
	return verb == LEAT_VERB_SUM || verb == LEAT_VERB_MIN || verb == LEAT_VERB_MAX ||
	       verb == LEAT_VERB_MEAN || verb == LEAT_VERB_QUANTILES || verb == LEAT_VERB_HISTOGRAM;
}

int leat_numeric_init(struct leat_numeric *numeric, const struct leat_stage *stage)
{
	const struct leat_value *of = leat_stage_key(stage, "of");

	*numeric = (struct leat_numeric){ .verb = stage->type->verb };
	if (numeric->verb == LEAT_VERB_QUANTILES)
		/* the parser has read it */
		return leat_value_percents(of->given ? of->text : PERCENTS, numeric->percents,
		                           &numeric->percents_count);
	if (numeric->verb != LEAT_VERB_HISTOGRAM)
		return 0;
	numeric->histogram = malloc(sizeof(*numeric->histogram));
	if (numeric->histogram == NULL)
		return -ENOMEM;
	leat_histogram_init(numeric->histogram);
	return 0;
}

void leat_numeric_fini(struct leat_numeric *numeric)
{
	free(numeric->best_text);
	free(numeric->histogram);
	leat_quantiles_fini(&numeric->quantiles);
	*numeric = (struct leat_numeric){ 0 };
}

static bool is_rounded(const struct leat_numeric *numeric)
{
	return numeric->verb == LEAT_VERB_SUM && leat_sum_rounded(&numeric->sum);
}

void leat_numeric_restart(struct leat_numeric *numeric)
{
	numeric->lines_before += numeric->lines;
	numeric->numbers_before += numeric->sum.count;
	numeric->rounded_before |= is_rounded(numeric);
	numeric->sketched_before |= leat_quantiles_sketched(&numeric->quantiles);
	numeric->lines = 0;
	numeric->sum = (struct leat_sum){ 0 };
	leat_quantiles_fini(&numeric->quantiles);
	if (numeric->histogram != NULL)
		leat_histogram_init(numeric->histogram);
}

/* Keeps the number as it is written, without blanks. */
static int keep_text(struct leat_numeric *numeric, const struct leat_line *line)
{
	const char *text = line->data;
	size_t len = line->len;

	leat_number_trim(&text, &len);
	if (len > numeric->best_size) {
		char *grown = realloc(numeric->best_text, 2 * len);

		if (grown == NULL)
			return -ENOMEM;
		numeric->best_text = grown;
		numeric->best_size = 2 * len;
	}
	memcpy(numeric->best_text, text, len);
	numeric->best_len = len;
	return 0;
}

static int compare_best(struct leat_numeric *numeric, const struct leat_number *number,
                        const struct leat_line *line)
{
	int order = numeric->sum.count == 0 ? -1 : leat_number_compare(number, &numeric->best);

	if (numeric->verb == LEAT_VERB_MAX && numeric->sum.count != 0)
		order = -order;
	if (order >= 0)
		return 0;
	numeric->best = *number;
	return keep_text(numeric, line);
}

static int add_number(struct leat_numeric *numeric, const struct leat_number *number,
                      const struct leat_line *line)
{
	int rc = 0;

	switch (numeric->verb) {
	case LEAT_VERB_SUM:
	case LEAT_VERB_MEAN:
		leat_sum_add(&numeric->sum, number);
		return 0;
	case LEAT_VERB_QUANTILES:
		rc = leat_quantiles_add(&numeric->quantiles, leat_number_double(number));
		break;
	case LEAT_VERB_HISTOGRAM:
		leat_histogram_add(numeric->histogram, leat_number_double(number));
		break;
	default:
		rc = compare_best(numeric, number, line);
	}
	numeric->sum.count++;
	return rc;
}

/* Numbers that are no texts, below 2^53: their sum in one step. */
static int add_numbers(struct leat_numeric *numeric, const struct leat_line *lines, size_t n)
{
	struct leat_number number = { .exact = true };
	char figures[LEAT_FIGURES], *end = figures + sizeof(figures);
	struct leat_line text;
	uint64_t sum = 0;
	int rc = 0;

	numeric->lines += n;
	if (numeric->verb == LEAT_VERB_SUM || numeric->verb == LEAT_VERB_MEAN) {
		for (size_t i = 0; i < n; i++)
			sum += lines[i].len;
		number.whole = sum;
		leat_sum_add(&numeric->sum, &number);
		numeric->sum.count += n - 1;
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		number.whole = lines[i].len;
		text.data = leat_put_figures(end, lines[i].len);
		text.len = (size_t)(end - text.data);
		rc = add_number(numeric, &number, &text);
	}
	return rc;
}

int leat_numeric_add(struct leat_numeric *numeric, const struct leat_line *lines, size_t n)
{
	int rc = 0;

	if (n > 0 && leat_line_is_number(&lines[0]))
		return add_numbers(numeric, lines, n); /* they all are */

	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct leat_number number;

		numeric->lines++;
		if (leat_number_read(lines[i].data, lines[i].len, &number))
			rc = add_number(numeric, &number, &lines[i]);
	}
	return rc;
}

/* "p99.9", "min", "max" */
static void name_percent(uint32_t percent, char name[LEAT_PERCENT_NAME])
{
	if (percent == 0 || percent == 100000000)
		strcpy(name, percent == 0 ? "min" : "max");
	else
		snprintf(name, LEAT_PERCENT_NAME, "p%.9g", percent / 1e6);
}

/* The name, a tab, the number. */
static int put_quantiles(struct leat_numeric *numeric, FILE *out)
{
	for (size_t i = 0; i < numeric->percents_count; i++) {
		char name[LEAT_PERCENT_NAME], text[LEAT_DOUBLE_TEXT];
		double number;
		int rc = leat_quantiles_find(&numeric->quantiles, numeric->percents[i], &number);

		if (rc != 0)
			return rc;
		name_percent(numeric->percents[i], name);
		fprintf(out, "%s\t%.*s\n", name, (int)leat_double_put(number, text), text);
	}
	return 0;
}

/* A percentage that was given twice is one column. */
static int put_quantiles_row(struct leat_numeric *numeric, struct leat_result *result)
{
	uint32_t percents[LEAT_PERCENTS_MAX];
	size_t count = 0, k;
	int rc;

	for (size_t i = 0; i < numeric->percents_count; i++) {
		for (k = 0; k < count && percents[k] != numeric->percents[i];)
			k++;
		if (k < count)
			continue;
		percents[count] = numeric->percents[i];
		name_percent(percents[count], numeric->percent_names[count]);
		numeric->columns[count] = numeric->percent_names[count];
		count++;
	}
	rc = leat_result_header(result, numeric->columns, count);
	for (k = 0; rc == 0 && numeric->sum.count != 0 && k < count; k++) {
		double number;

		rc = leat_quantiles_find(&numeric->quantiles, percents[k], &number);
		if (rc == 0)
			rc = leat_result_double(result, number);
	}
	return rc;
}

static int put_bound(struct leat_result *result, const char *text)
{
	return strstr(text, "inf") != NULL ? leat_result_none(result)
	                                   : leat_result_number(result, text, strlen(text));
}

static int put_buckets(const struct leat_histogram *histogram, struct leat_result *result)
{
	static const char *const names[] = { "from", "to", "count" };
	struct leat_bucket bucket;
	int at = 0, rc = leat_result_header(result, names, 3);

	while (rc == 0 && leat_histogram_next(histogram, &at, &bucket)) {
		put_bound(result, bucket.from);
		put_bound(result, bucket.to);
		rc = leat_result_count(result, bucket.count);
	}
	return rc;
}

static size_t write_mean(const struct leat_numeric *numeric, char text[LEAT_SUM_TEXT])
{
	return (size_t)snprintf(text, LEAT_SUM_TEXT, "%.15Lg",
	                        leat_sum_value(&numeric->sum) / (long double)numeric->sum.count);
}

int leat_numeric_put_rows(struct leat_numeric *numeric, struct leat_result *result)
{
	static const char *const names[] = { "sum", "min", "max", "mean" };
	size_t at = (size_t)(numeric->verb - LEAT_VERB_SUM); /* they follow each other */
	char text[LEAT_SUM_TEXT];
	int rc;

	if (numeric->verb == LEAT_VERB_QUANTILES)
		return put_quantiles_row(numeric, result);
	if (numeric->verb == LEAT_VERB_HISTOGRAM)
		return put_buckets(numeric->histogram, result);
	rc = leat_result_header(result, &names[at], 1);
	if (rc != 0 || (numeric->sum.count == 0 && numeric->verb != LEAT_VERB_SUM))
		return rc;
	if (numeric->verb == LEAT_VERB_SUM)
		return leat_result_number(result, text, leat_sum_put(&numeric->sum, text));
	if (numeric->verb == LEAT_VERB_MEAN)
		return leat_result_number(result, text, write_mean(numeric, text));
	return leat_result_number(result, numeric->best_text, numeric->best_len);
}

int leat_numeric_put(struct leat_numeric *numeric, int columns, FILE *out)
{
	char text[LEAT_SUM_TEXT];

	if (numeric->verb == LEAT_VERB_SUM) {
		fprintf(out, "%.*s\n", (int)leat_sum_put(&numeric->sum, text), text);
		return 0;
	}
	if (numeric->sum.count == 0)
		return 0;
	switch (numeric->verb) {
	case LEAT_VERB_MEAN:
		fprintf(out, "%.*s\n", (int)write_mean(numeric, text), text);
		return 0;
	case LEAT_VERB_QUANTILES:
		return put_quantiles(numeric, out);
	case LEAT_VERB_HISTOGRAM:
		leat_histogram_put(numeric->histogram, columns, out);
		return 0;
	default:
		fwrite(numeric->best_text, 1, numeric->best_len, out);
		putc('\n', out);
		return 0;
	}
}

static void append_note(char note[LEAT_NOTE], const char *text)
{
	size_t used = strlen(note);

	snprintf(note + used, LEAT_NOTE - used, "%s%s", used != 0 ? "; " : "", text);
}

void leat_numeric_note(const struct leat_numeric *numeric, char note[LEAT_NOTE])
{
	const uint64_t lines = numeric->lines_before + numeric->lines,
		       numbers = numeric->numbers_before + numeric->sum.count,
		       left_out = lines - numbers;
	char text[96];

	note[0] = '\0';
	if (numbers == 0 && numeric->verb != LEAT_VERB_SUM)
		append_note(note, "no number came");
	if (left_out != 0) {
		snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64 " lines %s", left_out, lines,
		         left_out == 1 ? "is no number" : "are no numbers");
		append_note(note, text);
	}
	if (numeric->rounded_before || is_rounded(numeric))
		append_note(note,
		            "the sum is rounded to 15 figures, as a number has more than 38 before "
		            "the point or 18 behind it, or the sum is beyond 128 bits");
	if (numeric->sketched_before || leat_quantiles_sketched(&numeric->quantiles)) {
		snprintf(text, sizeof(text),
		         "more than %zu numbers: each but min and max is within %g %%",
		         LEAT_QUANTILES_KEPT, 100 * LEAT_QUANTILES_ERROR);
		append_note(note, text);
	}
}
