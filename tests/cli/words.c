/*
 * tests/cli/words.c: words for load.sh: of each kind that a program may register, and some that
 * break the rules.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/word.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_number(void *state, const char *argument, char why[LEAT_WORD_WHY])
{
	char *end;

	*(uint64_t *)state = strtoull(argument, &end, 10);
	if (end != argument && *end == '\0')
		return 0;
	snprintf(why, LEAT_WORD_WHY, "\"%.20s\" is no number", argument);
	return -EINVAL;
}

/* --- steps --- */

/* Up to four words of a line, each as a line. */
LEAT_FLAT_MAP(split_line, line, line, line, to, 4, const void *, unused)
{
	const char *at = line->data, *end = at + line->len;
	int n = 0;

	(void)unused;
	while (at < end && n < 4) {
		size_t len = strcspn(at, " \n");
		int rc;

		len = len < (size_t)(end - at) ? len : (size_t)(end - at);
		rc = leat_line_copy(&to[n], at, len);
		if (rc != 0)
			return n > 0 ? n : rc;
		n++;
		at += len + 1;
	}
	return n;
}

LEAT_FILTER(even_line, line, line, const void *, unused)
{
	(void)unused;
	return line->len % 2 == 0;
}

/* A filter that leaves the rest to its caller. */
static int odd_vec(void *state, struct leat_vec *v)
{
	const struct leat_line *in = v->in;
	struct leat_line *out = v->out;

	(void)state;
	for (; v->used < v->n && v->made < v->room; v->used++)
		if (in[v->used].len % 2 != 0)
			out[v->made++] = in[v->used];
		else
			v->skipped++;
	return 0;
}
static const struct leat_step odd_step = { .name = "odd",
	                                   .kind = LEAT_STEP_FILTER,
	                                   .fn = odd_vec,
	                                   .in = LEAT_T(line),
	                                   .out = LEAT_T(line),
	                                   .most = 1 };

/* Passes each line on when the next one comes, as it is: so what it passes is not what it was
 * given. */
struct late {
	struct leat_line line;
	bool holds;
};

static int late_vec(void *state, struct leat_vec *v)
{
	struct late *late = state;
	const struct leat_line *in = v->in;
	struct leat_line *out = v->out;

	for (; v->used < v->n && v->made < v->room; v->used++) {
		if (late->holds)
			out[v->made++] = late->line;
		late->line = in[v->used];
		late->holds = true;
	}
	if (v->last && late->holds && v->made < v->room) {
		out[v->made++] = late->line;
		late->holds = false;
	}
	return 0;
}

static void free_late(void *state)
{
	struct late *late = state;

	if (late->holds)
		leat_line_free(&late->line);
}
static const struct leat_step late_step = { .name = "late",
	                                    .kind = LEAT_STEP_FILTER,
	                                    .fn = late_vec,
	                                    .in = LEAT_T(line),
	                                    .out = LEAT_T(line),
	                                    .most = 1,
	                                    .owns = true };

LEAT_MAP(length_line, line, from, line, to, const void *, unused)
{
	char text[24];

	(void)unused;
	return leat_line_copy(to, text, (size_t)snprintf(text, sizeof(text), "<%zu>", from->len));
}

/* Two lines as one; the last one may stay alone. */
struct joined {
	struct leat_line first;
	bool holds;
};

static int join_vec(void *state, struct leat_vec *v)
{
	struct joined *joined = state;
	const struct leat_line *in = v->in;
	struct leat_line *out = v->out;

	for (; v->used < v->n && v->made < v->room; v->used++) {
		char text[4096];
		int len;

		if (!joined->holds) {
			joined->first = in[v->used];
			joined->holds = true;
			continue;
		}
		len = snprintf(text, sizeof(text), "%.*s+%.*s", (int)joined->first.len,
		               joined->first.data, (int)in[v->used].len, in[v->used].data);
		if (leat_line_copy(&out[v->made], text, (size_t)len) != 0)
			return -ENOMEM;
		v->made++;
		leat_line_free(&joined->first);
		leat_line_free(&(struct leat_line[]){ in[v->used] }[0]);
		joined->holds = false;
	}
	if (v->last && joined->holds && v->made < v->room) {
		out[v->made++] = joined->first;
		joined->holds = false;
	}
	return 0;
}

static void free_joined(void *state)
{
	struct joined *joined = state;

	if (joined->holds)
		leat_line_free(&joined->first);
}
static const struct leat_step join_step = { .name = "join",
	                                    .kind = LEAT_STEP_MAP,
	                                    .fn = join_vec,
	                                    .in = LEAT_T(line),
	                                    .out = LEAT_T(line),
	                                    .most = 1,
	                                    .owns = true };

/* At the end 300 lines: more than one call has room for. */
static int echo_vec(void *state, struct leat_vec *v)
{
	uint64_t *left = state;
	struct leat_line *out = v->out;

	for (; v->used < v->n; v->used++)
		leat_line_free(
			&((struct leat_line[]){ ((const struct leat_line *)v->in)[v->used] })[0]);
	for (; v->last && *left > 0 && v->made < v->room; --*left)
		if (leat_line_copy(&out[v->made], "echo", 4) == 0)
			v->made++;
	return 0;
}
static const struct leat_step echo_step = { .name = "echo",
	                                    .kind = LEAT_STEP_MAP,
	                                    .fn = echo_vec,
	                                    .in = LEAT_T(line),
	                                    .out = LEAT_T(line),
	                                    .most = 1,
	                                    .owns = true };

LEAT_EDIT(first_lines, line, line, uint64_t *, left)
{
	(void)line;
	return (*left)-- == 0 ? LEAT_ENOUGH : 0;
}

LEAT_EDIT(fail_line, line, line, uint64_t *, left)
{
	(void)line;
	return --*left == 0 ? -EDOM : 0;
}

static int lie_vec(void *state, struct leat_vec *v)
{
	(void)state;
	v->used = v->n + 1;
	return 0;
}
static const struct leat_step lie_step = { .name = "lie",
	                                   .kind = LEAT_STEP_MAP,
	                                   .fn = lie_vec,
	                                   .in = LEAT_T(line),
	                                   .out = LEAT_T(line),
	                                   .owns = true };

static int idle_vec(void *state, struct leat_vec *v)
{
	(void)state, (void)v;
	return 0;
}
static const struct leat_step idle_step = { .name = "idle",
	                                    .kind = LEAT_STEP_MAP,
	                                    .fn = idle_vec,
	                                    .in = LEAT_T(line),
	                                    .out = LEAT_T(line) };

/* --- sinks --- */

static int bytes_vec(void *state, struct leat_vec *v)
{
	uint64_t *sum = state;

	for (; v->used < v->n; v->used++)
		*sum += ((const struct leat_line *)v->in)[v->used].len;
	if (v->last)
		printf("%llu bytes\n", (unsigned long long)*sum);
	return v->last && fflush(stdout) != 0 ? -errno : 0;
}
static const struct leat_step bytes_step = {
	.name = "bytes", .kind = LEAT_STEP_END, .fn = bytes_vec, .in = LEAT_T(line)
};

LEAT_EACH(few_lines, line, line, uint64_t *, left)
{
	printf("%.*s\n", (int)line->len, line->data);
	return --*left == 0 ? LEAT_ENOUGH : 0;
}

LEAT_EACH(fail_end, line, line, uint64_t *, left)
{
	(void)line;
	return --*left == 0 ? -EDOM : 0;
}

/* --- registering --- */

static int64_t never_due_ns(const void *state)
{
	(void)state;
	return LEAT_NEVER;
}

/* What is against the rules is refused; what is there is found. */
static bool rules_hold(void)
{
	static const struct leat_step timed = { .name = "timed",
		                                .kind = LEAT_STEP_MAP,
		                                .fn = idle_vec,
		                                .in = LEAT_T(line),
		                                .out = LEAT_T(line),
		                                .due_ns = never_due_ns };
	static const struct leat_step numbers = {
		.name = "numbers", .kind = LEAT_STEP_END, .fn = idle_vec, .in = LEAT_T(u64)
	};
	static const struct leat_word wrong[] = {
		{ .name = "", .step = &idle_step },
		{ .name = "Upper", .step = &idle_step },
		{ .name = "9th", .step = &idle_step },
		{ .name = "a:b", .step = &idle_step },
		{ .name = "a-name-of-more-than-32-characters", .step = &idle_step },
		{ .name = NULL, .step = &idle_step },
		{ .name = "nothing", .step = NULL },
		{ .name = "timed", .step = &timed },
		{ .name = "numbers", .step = &numbers },
		{ .name = "reserved", .step = &idle_step, .reserved = { 0, 0, 0, 1 } },
	};
	static const struct leat_word there[] = { { .name = "workers", .step = &idle_step },
		                                  { .name = "count", .step = &idle_step },
		                                  { .name = "split", .step = &idle_step } };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (leat_word_register(&wrong[i]) != -EINVAL)
			return false;
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		if (leat_word_register(&there[i]) != -EEXIST)
			return false;
	return leat_word_register(NULL) == -EINVAL &&
	       leat_detail_word_register(1, &there[0]) == -EINVAL;
}

int leat_load(void)
{
	static const struct leat_word words[] = {
		{ .name = "split", .step = &split_line, .many = true },
		{ .name = "even", .step = &even_line, .many = true },
		{ .name = "odd", .step = &odd_step },
		{ .name = "size", .step = &length_line, .many = true },
		{ .name = "late",
		  .step = &late_step,
		  .size = sizeof(struct late),
		  .fini = free_late },
		{ .name = "join",
		  .step = &join_step,
		  .size = sizeof(struct joined),
		  .fini = free_joined },
		{ .name = "echo",
		  .shown = "echo:N",
		  .wanted = "a number",
		  .step = &echo_step,
		  .size = 8,
		  .init = read_number },
		{ .name = "first",
		  .shown = "first:N",
		  .wanted = "a number",
		  .step = &first_lines,
		  .size = 8,
		  .init = read_number },
		{ .name = "fail",
		  .shown = "fail:N",
		  .wanted = "a number",
		  .step = &fail_line,
		  .size = 8,
		  .init = read_number },
		{ .name = "lie", .step = &lie_step },
		{ .name = "idle", .step = &idle_step },
		{ .name = "bytes", .step = &bytes_step, .size = 8 },
		{ .name = "few",
		  .shown = "few:N",
		  .wanted = "a number",
		  .step = &few_lines,
		  .size = 8,
		  .init = read_number },
		{ .name = "fail-end",
		  .shown = "fail-end:N",
		  .wanted = "a number",
		  .step = &fail_end,
		  .size = 8,
		  .init = read_number },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int rc = leat_word_register(&words[i]);

		if (rc != 0)
			return rc;
	}
	return rules_hold() ? 0 : -EPROTO;
}
