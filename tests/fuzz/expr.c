/*
 * Fuzzes expressions. An input is text: its first byte says what the items are ("i" integers, "d"
 * decimals, else lines), then comes the expression up to a line feed, then one item a line. The
 * values of a vector must be those that a clone gets from one item at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

enum { ITEMS = 40 };

struct story {
	enum leat_expr_items kind;
	char *text;
	size_t count;
	struct leat_line lines[ITEMS];
	int64_t integers[ITEMS];
	double decimals[ITEMS];
	struct leat_text texts[ITEMS];
	uint8_t truths[ITEMS];
};

/* The columns $a to $d have one type each. */
static int find_column(void *data, const char *name, size_t len, enum leat_expr_type *type)
{
	(void)data;
	if (len != 1 || *name < 'a' || *name > 'd')
		return -ENOENT;
	*type = (enum leat_expr_type)(*name - 'a');
	return *name - 'a';
}

/* With a NUL behind it, as AddressSanitizer's regexec(3) reads up to one. */
static char *copy_text(const uint8_t *from, size_t len)
{
	char *copy = malloc(len + 1);

	CHECK(copy != NULL, "no memory");
	if (len != 0)
		memcpy(copy, from, len);
	copy[len] = '\0';
	return copy;
}

static void read_story(struct story *s, const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *p = data, *feed;
	char first = size != 0 ? (char)*p++ : '\0';

	memset(s, 0, sizeof(*s));
	s->kind = first == 'i'   ? LEAT_EXPR_INTEGERS
	          : first == 'd' ? LEAT_EXPR_DECIMALS
	                         : LEAT_EXPR_LINES;
	feed = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	size_t len = (size_t)((feed != NULL ? feed : end) - p);
	s->text = copy_text(p, len);
	for (p += len; p < end && s->count < ITEMS; p += len) {
		size_t i = s->count++;
		p++; /* the line feed */
		feed = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		len = (size_t)((feed != NULL ? feed : end) - p);
		s->lines[i] = (struct leat_line){ copy_text(p, len), len, NULL };
		for (size_t k = 0; k < len && k < 8; k++)
			s->integers[i] = (int64_t)((uint64_t)s->integers[i] << 8 | p[k]);
		memcpy(&s->decimals[i], &s->integers[i], sizeof(double));
		if (len < 8)
			s->decimals[i] = (double)s->integers[i] / 4;
		s->texts[i] = (struct leat_text){ s->lines[i].data, len };
		s->truths[i] = len % 2;
	}
}

static const void *items_from(const struct story *s, size_t i)
{
	return s->kind == LEAT_EXPR_INTEGERS   ? (const void *)(s->integers + i)
	       : s->kind == LEAT_EXPR_DECIMALS ? (const void *)(s->decimals + i)
	                                       : (const void *)(s->lines + i);
}

static int run_from(struct leat_expr *expr, const struct story *s, size_t i, size_t n,
                    struct leat_expr_values *values)
{
	const void *const columns[] = { s->integers + i, s->decimals + i, s->texts + i,
		                        s->truths + i };

	return leat_expr_run(expr, items_from(s, i), columns, n, values);
}

static bool same_decimals(double a, double b)
{
	return (a != a && b != b) || memcmp(&a, &b, sizeof(a)) == 0;
}

/* Item i of a is item 0 of b. */
static bool same_value(const struct leat_expr_values *a, size_t i, const struct leat_expr_values *b)
{
	switch (a->type) {
	case LEAT_EXPR_INTEGER:
		CHECK((a->absent == NULL) == (b->absent == NULL), "absent");
		CHECK(a->absent == NULL || a->absent[i] <= 1, "absent");
		return (a->absent == NULL || a->absent[i] == b->absent[0]) &&
		       ((a->absent != NULL && a->absent[i]) || a->integers[i] == b->integers[0]);
	case LEAT_EXPR_DECIMAL:
		return same_decimals(a->decimals[i], b->decimals[0]);
	case LEAT_EXPR_TEXT:
		return a->texts[i].len == b->texts[0].len &&
		       (a->texts[i].len == 0 ||
		        memcmp(a->texts[i].data, b->texts[0].data, a->texts[i].len) == 0);
	default:
		CHECK(a->truths[i] <= 1, "truth");
		return a->truths[i] == b->truths[0];
	}
}

static void run_story(const struct story *s, struct leat_expr *expr)
{
	struct leat_expr_values all, one;
	struct leat_expr *clone;

	CHECK(leat_expr_clone(expr, &clone) == 0, "no memory");
	CHECK(run_from(expr, s, 0, s->count / 2, &all) == 0, "half");
	CHECK(run_from(expr, s, 0, s->count, &all) == 0, "all");
	CHECK(all.type == leat_expr_type(expr), "type");
	for (size_t i = 0; i < s->count; i++) {
		CHECK(run_from(clone, s, i, 1, &one) == 0, "one");
		CHECK(same_value(&all, i, &one), "%s: item %zu", s->text, i);
	}
	leat_expr_close(clone);
}

/* "a+++++": regcomp(3), which is used where RE2 is not, takes gigabytes for enough of these. */
static bool repeats_repeats(const char *text)
{
	static const char repeats[] = "*+?{}";

	for (; *text != '\0'; text++)
		if (strchr(repeats, text[0]) != NULL && text[1] != '\0' &&
		    strchr(repeats, text[1]) != NULL)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct leat_expr_names names = { .find = find_column };
	struct leat_mistake mistake;
	struct leat_expr *expr;
	struct story s;

	read_story(&s, data, size);
	const struct leat_expr_opts opts = { .items = s.kind, .max = ITEMS, .names = &names };
	int rc;

	if (repeats_repeats(s.text))
		goto out;
	rc = leat_expr_open(s.text, &opts, &expr, &mistake);
	CHECK(rc == 0 || rc == -EINVAL, "%s: %d", s.text, rc);
	if (rc == 0) {
		run_story(&s, expr);
		leat_expr_close(expr);
	} else {
		CHECK(expr == NULL && mistake.at <= strlen(s.text), "%s: at %zu", s.text,
		      mistake.at);
		CHECK(mistake.what[0] != '\0' && mistake.wanted[0] != '\0', "%s", s.text);
	}
out:
	for (size_t i = 0; i < s.count; i++)
		free((void *)s.lines[i].data);
	free(s.text);
	return 0;
}
