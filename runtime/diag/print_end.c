/*
 * The end of a generator as a line, for leat_diag_opts.ended.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/json.h"

#include <leat/diag.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line: the names of a program and a generator, the words of an end, and what is between them. */
struct line {
	char text[1024];
	size_t len;
};

static void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* A text of the program's: what a terminal would obey, and what is no UTF-8, becomes "?". */
static void add_foreign(struct line *line, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	while (p < end) {
		size_t bytes = leat_utf8_length(p, (size_t)(end - p));

		if (leat_utf8_is_shown(p, bytes))
			add(line, "%.*s", (int)bytes, (const char *)p);
		else
			add(line, "?");
		p += bytes == 0 ? 1 : bytes;
	}
}

/* " after 3.2 s"; nothing where the beginning is not known. */
static void add_age(struct line *line, const struct leat_gen_stat *gen)
{
	int64_t ms = (gen->ended_ns - gen->began_ns) / 1000000, s = ms / 1000;

	if (gen->began_ns == 0 || gen->ended_ns < gen->began_ns)
		return;
	if (s < 1)
		add(line, " after %" PRId64 " ms", ms);
	else if (s < 60)
		add(line, " after %.1f s", (double)(ms / 100) / 10);
	else if (s < 3600)
		add(line, " after %" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		add(line, " after %" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		add(line, " after %" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

/* How it ended, and after how long. */
static void add_end(struct line *line, const struct leat_gen_stat *gen)
{
	static const char *const ways[LEAT_CAUSES][2] = {
		[LEAT_COMPLETED] = { "completed", "" },
		[LEAT_CANCELED] = { "was cancelled", "" },
		[LEAT_DEADLINE] = { "ended", ", as its deadline had passed" },
		[LEAT_FAILED] = { "failed", "" },
		[LEAT_ABANDONED] = { "ended", ", as its receivers had left" },
		[LEAT_STOPPED] = { "was stopped", "" },
	};
	static const char *const elsewhere[2] = {
		"ended", ", as its scope, or what it received from, had failed"
	};
	static const char *const unknown[2] = { "ended", ", of no known cause" };
	const char *const *way = (unsigned)gen->cause < LEAT_CAUSES && ways[gen->cause][0] != NULL
	                                 ? ways[gen->cause]
	                                 : unknown;

	if (gen->cause == LEAT_FAILED && !gen->origin)
		way = elsewhere;
	add(line, " %s", way[0]);
	add_age(line, gen);
	add(line, "%s", way[1]);
}

static void add_code(struct line *line, int code)
{
	const char *name = code < 0 && code > -4096 ? strerrorname_np(-code) : NULL;

	if (code == 0)
		return;
	if (name != NULL)
		add(line, " (%s, %d)", name, code);
	else
		add(line, " (%d)", code);
}

void leat_diag_print_end(const struct leat_gen_stat *gen, void *file)
{
	FILE *out = file != NULL ? file : stderr;
	struct line line = { .len = 0 };
	int saved = errno;

	add(&line, "leat: ");
	add_foreign(&line, program_invocation_short_name);
	add(&line, "[%d]: generator ", (int)getpid());
	if (gen->name[0] != '\0') {
		add(&line, "\"");
		add_foreign(&line, gen->name);
		add(&line, "\" ");
	}
	add(&line, "(id %" PRIu64 ")", gen->id);
	add_end(&line, gen);
	if (gen->text[0] != '\0') {
		add(&line, ": ");
		add_foreign(&line, gen->text);
	}
	add_code(&line, gen->code);
	add(&line, "\n");
	fwrite(line.text, 1, line.len, out);
	fflush(out);
	errno = saved;
}
