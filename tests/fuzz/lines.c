/*
 * Fuzzes the splitter of bytes into lines: fed in pieces of any length, it gives the lines that the
 * whole has. Lines are held for a while, some as long as the splitter lives and longer, and still
 * say then what they said.
 *
 * An input tells of runs of bytes, so that a few bytes of it fill several blocks.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/io/line.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define TEXT_MAX ((size_t)6 * LEAT_BLOCK_BYTES)
#define HELD 64

struct fed {
	char *text;             /* the whole */
	size_t size, fed, line; /* of it; where the next line begins */
	struct leat_splitter split;
	struct leat_line held[HELD];
	size_t held_at[HELD]; /* where it stands in the text */
};

/* The next line of the text, within what was fed; `rest`: also one without its line feed. */
static bool next_line(struct fed *f, bool rest, size_t *at, size_t *len)
{
	char *feed = f->fed == f->line ? NULL : memchr(f->text + f->line, '\n', f->fed - f->line);

	if (feed == NULL && (!rest || f->line == f->fed))
		return false;
	*at = f->line;
	*len = feed != NULL ? (size_t)(feed - (f->text + f->line)) : f->fed - f->line;
	f->line += *len + (feed != NULL);
	return true;
}

static void drop(struct fed *f, size_t i)
{
	if (f->held[i].len != 0)
		CHECK(memcmp(f->held[i].data, f->text + f->held_at[i], f->held[i].len) == 0,
		      "a line that was held");
	leat_line_free(&f->held[i]);
	CHECK(f->held[i].block == NULL && f->held[i].len == 0, "a line that was freed");
}

/* Takes all lines that are there; each is held in place of an older one. */
static void take(struct fed *f, bool rest)
{
	struct leat_line line;
	size_t at, len, i;

	for (;;) {
		bool wanted = next_line(f, rest, &at, &len);
		bool got = leat_splitter_next(&f->split, &line) ||
		           (rest && leat_splitter_rest(&f->split, &line));

		CHECK(got == wanted, "at %zu of %zu", f->line, f->fed);
		if (!got)
			return;
		CHECK(line.len == len && (len == 0 || memcmp(line.data, f->text + at, len) == 0),
		      "at %zu, %zu bytes", at, len);
		i = at % 7 == 0 ? at % HELD : 0; /* most are free again soon: so are blocks */
		drop(f, i);
		f->held[i] = line;
		f->held_at[i] = at;
	}
}

static void feed(struct fed *f, size_t n)
{
	while (n > 0) {
		size_t room, k;
		char *at;

		CHECK(leat_splitter_room(&f->split, &at, &room) == 0 && room > 0, "no room");
		k = n < room ? n : room;
		memcpy(at, f->text + f->fed, k);
		leat_splitter_fill(&f->split, k);
		f->fed += k;
		n -= k;
	}
}

static void step(struct fed *f, struct input *in)
{
	unsigned op = next_byte(in);
	unsigned char c = op & 4 ? '\n' : (unsigned char)next_byte(in);
	size_t n = (size_t)next_byte(in) * (op & 2 && c != '\n' ? 601 : 1);

	if (n > TEXT_MAX - f->size)
		n = TEXT_MAX - f->size;
	memset(f->text + f->size, c, n);
	if (op & 8) /* line feeds at some distance */
		for (size_t i = 0; i < n; i += 61 + (op >> 4) * 601)
			f->text[f->size + i] = '\n';
	f->size += n;
	if (op & 1)
		return; /* with what comes next */
	feed(f, f->size - f->fed);
	if (!(op & 128))
		take(f, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX];
	struct input in = { data, data + size };
	struct fed f = { .text = text };

	while (in.at < in.end)
		step(&f, &in);
	feed(&f, f.size - f.fed);
	take(&f, false);
	take(&f, true);
	leat_splitter_fini(&f.split);
	for (size_t i = 0; i < HELD; i++)
		drop(&f, i);
	return 0;
}
