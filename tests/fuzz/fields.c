/*
 * Fuzzes the readers of fields by name. An input is text: its first byte says what the lines are
 * ("c" CSV, "k" pairs, else JSON), then come the names that are wanted, apart by tabs, up to a line
 * feed, then the lines. For CSV the names are the numbers of their letters ("a" is 1), and another
 * reader, byte by byte, must find the same. A reader that has read other lines before must read
 * each line as a new one does. JSON that is a member of another object must be the same by its
 * longer names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fuzz/fuzz.h"
#include "text/csv.h"
#include "text/json.h"
#include "text/kv.h"

#include <errno.h>

enum { NAMES = 8 };

struct reader {
	char kind;
	struct leat_csv *csv;
	struct leat_kv *kv;
	struct leat_json *json;
};

static void open_reader(struct reader *reader, char kind, const struct leat_text *names, size_t n)
{
	uint32_t numbers[NAMES];
	int rc = 0;

	*reader = (struct reader){ .kind = kind };
	for (size_t i = 0; i < n; i++)
		numbers[i] = names[i].len != 0 ? (uint8_t)names[i].data[0] % 32 : 0;
	if (kind == 'c')
		rc = leat_csv_open(&reader->csv, numbers, n);
	else if (kind == 'k')
		rc = leat_kv_open(&reader->kv, names, n);
#ifdef LEAT_HAVE_SIMDJSON
	else
		rc = leat_json_open(&reader->json, names, n);
#endif
	CHECK(rc == 0, "no memory");
}

static void close_reader(struct reader *reader)
{
	leat_csv_close(reader->csv);
	leat_kv_close(reader->kv);
#ifdef LEAT_HAVE_SIMDJSON
	leat_json_close(reader->json);
#endif
}

static int read_line(struct reader *reader, struct leat_text line, struct leat_text *fields)
{
	if (reader->kind == 'c')
		return leat_csv_read(reader->csv, line, fields);
	if (reader->kind == 'k')
		return leat_kv_read(reader->kv, line, fields);
#ifdef LEAT_HAVE_SIMDJSON
	return leat_json_read(reader->json, line, fields);
#else
	return 0;
#endif
}

static bool same_text(struct leat_text a, struct leat_text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_same(const struct leat_text *a, const struct leat_text *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(same_text(a[i], b[i]), "field %zu: <%.*s> and <%.*s>", i, (int)a[i].len,
		      a[i].data, (int)b[i].len, b[i].data);
}

/* The numberth field of a line of CSV in to, by states. Returns false if it can't be read. */
static bool find_slowly(struct leat_text line, uint32_t number, char *to, size_t *len)
{
	enum { START, PLAIN, QUOTED, CLOSED } state = START;
	uint32_t at = 1;

	*len = 0;
	if (line.len != 0 && line.data[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		if (c == '"' && (state == START || state == CLOSED)) {
			if (state == CLOSED && at == number)
				to[(*len)++] = c;
			state = QUOTED;
		} else if (c == '"' && state == QUOTED) {
			state = CLOSED;
		} else if (c == ',' && state != QUOTED) {
			state = START;
			at++;
		} else if (state == CLOSED) {
			return false;
		} else {
			state = state == START ? PLAIN : state;
			if (at == number)
				to[(*len)++] = c;
		}
	}
	return state != QUOTED;
}

static void check_csv(const struct leat_text *names, size_t n, struct leat_text line, int rc,
                      const struct leat_text *fields)
{
	char *to = malloc(line.len + 1);

	CHECK(to != NULL, "no memory");
	for (size_t i = 0; i < n; i++) {
		uint32_t number = names[i].len != 0 ? (uint8_t)names[i].data[0] % 32 : 0;
		size_t len;
		bool read = find_slowly(line, number, to, &len);

		CHECK(read == (rc == 0), "%.*s: %d", (int)line.len, line.data, rc);
		CHECK(!read || same_text(fields[i], (struct leat_text){ to, len }), "%.*s: %u",
		      (int)line.len, line.data, number);
	}
	free(to);
}

#ifdef LEAT_HAVE_SIMDJSON

/* The line within {"w":...}, and its names with w. in front of them. */
static void check_json(const struct leat_text *names, size_t n, struct leat_text line, int rc,
                       const struct leat_text *fields)
{
	char *outer = malloc(line.len + 6);
	struct leat_text outer_names[NAMES], found[NAMES];
	struct reader reader;

	CHECK(outer != NULL, "no memory");
	memcpy(outer, "{\"w\":", 5);
	memcpy(outer + 5, line.data, line.len);
	outer[line.len + 5] = '}';
	for (size_t i = 0; i < n; i++) {
		char *name = malloc(names[i].len + 2);
		CHECK(name != NULL, "no memory");
		memcpy(name, "w.", 2);
		memcpy(name + 2, names[i].data, names[i].len);
		outer_names[i] = (struct leat_text){ name, names[i].len + 2 };
	}
	open_reader(&reader, 'j', outer_names, n);
	int outer_rc = read_line(&reader, (struct leat_text){ outer, line.len + 6 }, found);
	/* The outer object may hold other values than objects, and be nested too deeply. */
	CHECK(rc != 0 || outer_rc == 0 || memchr(line.data, '[', line.len) != NULL ||
	              memchr(line.data + 1, '{', line.len - 1) != NULL,
	      "%.*s", (int)line.len, line.data);
	if (rc == 0 && outer_rc == 0)
		check_same(fields, found, n);
	close_reader(&reader);
	for (size_t i = 0; i < n; i++)
		free((char *)outer_names[i].data);
	free(outer);
}

#endif

static void check_line(struct reader *old, const struct leat_text *names, size_t n,
                       const uint8_t *from, size_t len)
{
	struct leat_text fields[NAMES], again[NAMES], line;
	struct reader reader;
	char *copy = malloc(len); /* no byte behind the line may be read */

	CHECK(copy != NULL || len == 0, "no memory");
	if (len != 0)
		memcpy(copy, from, len);
	line = (struct leat_text){ copy, len };
	open_reader(&reader, old->kind, names, n);
	int rc = read_line(&reader, line, fields);
	CHECK(rc == 0 || rc == -EBADMSG, "%d", rc);
	CHECK(read_line(old, line, again) == rc, "%.*s", (int)len, copy);
	check_same(fields, again, n);
	for (size_t i = 0; i < n; i++)
		CHECK(fields[i].len <= len && (rc == 0 || fields[i].len == 0), "%zu", i);
	if (old->kind == 'c')
		check_csv(names, n, line, rc, fields);
#ifdef LEAT_HAVE_SIMDJSON
	if (old->kind == 'j' && len != 0)
		check_json(names, n, line, rc, fields);
#endif
	close_reader(&reader);
	free(copy);
}

/* Cuts the text up to the byte, moves *at behind that. */
static struct leat_text cut_text(const uint8_t **at, const uint8_t *end, char byte)
{
	const uint8_t *from = *at;
	const uint8_t *found = from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;

	*at = found != NULL ? found + 1 : end;
	return (struct leat_text){ (const char *)from,
		                   (size_t)((found != NULL ? found : end) - from) };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size, *name, *names_end;
	struct leat_text names[NAMES] = { { NULL, 0 } };
	struct reader reader;
	size_t n = 0;

	if (size == 0)
		return 0;
	char kind = (char)*at++;
	kind = kind == 'c' || kind == 'k' ? kind : 'j';
#ifndef LEAT_HAVE_SIMDJSON
	if (kind == 'j')
		return 0;
#endif
	struct leat_text list = cut_text(&at, end, '\n');
	name = (const uint8_t *)list.data;
	names_end = name + list.len;
	while (name < names_end && n < NAMES)
		names[n++] = cut_text(&name, names_end, '\t');
	open_reader(&reader, kind, names, n);
	while (at < end) {
		struct leat_text line = cut_text(&at, end, '\n');
		check_line(&reader, names, n, (const uint8_t *)line.data, line.len);
	}
	close_reader(&reader);
	return 0;
}
