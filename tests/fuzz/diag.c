/*
 * Fuzzes what the diagnostics write: with any bytes for names and texts, the JSON is JSON, the
 * Prometheus text is in its format, both are UTF-8, and what a reader of them makes of a name is
 * that name, with U+FFFD for each byte that is none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/diag.h"
#include "tests/fuzz/fuzz.h"
#include "tools/leat/flow/report.h"

#include <unistd.h>

enum {
	CHANNELS = 3,
	GENERATORS = 2,
	WORDS = CHANNELS + 2 * GENERATORS,
	WORD_MAX = 4 * LEAT_TEXT_MAX
};

/* What a reader made of the text: the names and texts, in order. */
struct reader {
	const unsigned char *at;
	char words[WORDS][WORD_MAX];
	size_t count;
};

static char folder[] = "/tmp/leat-fuzz-XXXXXX", json_path[64], prometheus_path[64];

static void remove_folder(void)
{
	remove(json_path);
	remove(prometheus_path);
	rmdir(folder);
}

static void make_folder(void)
{
	CHECK(mkdtemp(folder) != NULL, "%s", folder);
	snprintf(json_path, sizeof(json_path), "%s/json", folder);
	snprintf(prometheus_path, sizeof(prometheus_path), "%s/prometheus", folder);
	atexit(remove_folder);
}

static char *slurp(const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *file = fopen(path, "rb"), *out = open_memstream(&text, &size);

	CHECK(file != NULL && out != NULL, "%s", path);
	for (int c; (c = fgetc(file)) != EOF;)
		fputc(c, out);
	fclose(file);
	fclose(out);
	CHECK(strlen(text) == size, "a NUL in the output");
	return text;
}

/*
 * One character: its bytes, or 0 where there is none. By its code point, which must need as many
 * bytes.
 */
static size_t character(const unsigned char *p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t code = bytes < 2 ? *p : *p & (0xffu >> (bytes + 1));

	for (size_t i = 1; i < bytes; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 63);
	}
	return bytes == 0 || code < least[bytes] || code > 0x10ffff || code >> 11 == 27 ? 0 : bytes;
}

/* The name that is meant: U+FFFD for each byte that is no character. */
static void clean(char *to, const char *name)
{
	const unsigned char *p = (const unsigned char *)name;

	while (*p != '\0') {
		size_t bytes = character(p);

		memcpy(to, bytes != 0 ? (const char *)p : "\xef\xbf\xbd", bytes != 0 ? bytes : 3);
		to += bytes != 0 ? bytes : 3;
		p += bytes != 0 ? bytes : 1;
	}
	*to = '\0';
}

static void check_utf8(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p += character(p))
		CHECK(character(p) != 0, "byte %td is no UTF-8", p - (const unsigned char *)text);
}

static void take_char(struct reader *r, char c)
{
	CHECK(*r->at == (unsigned char)c, "\"%.20s\", '%c' wanted", r->at, c);
	r->at++;
}

/* What follows \u: as UTF-8. No half of a pair is ever written. */
static char *take_code(struct reader *r, char *to)
{
	unsigned code = 0;

	for (int i = 0; i < 4; i++, r->at++) {
		const char *digits = "0123456789abcdef",
			   *digit = *r->at != '\0' ? strchr(digits, *r->at) : NULL;

		CHECK(digit != NULL, "\\u%.4s", r->at - i);
		code = code * 16 + (unsigned)(digit - digits);
	}
	CHECK(code != 0 && code >> 11 != 27, "\\u%04x", code);
	if (code < 0x80)
		*to++ = (char)code;
	else if (code < 0x800)
		to += sprintf(to, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 63));
	else
		to += sprintf(to, "%c%c%c", 0xe0 | code >> 12, 0x80 | (code >> 6 & 63),
		              0x80 | (code & 63));
	return to;
}

/* A string of JSON, as what it says. */
static void take_string(struct reader *r, char word[WORD_MAX])
{
	char *to = word;

	take_char(r, '"');
	while (*r->at != '"') {
		CHECK(*r->at >= 0x20, "a control character in a string");
		CHECK(to < word + WORD_MAX - 8, "so long was nothing");
		if (*r->at != '\\') {
			*to++ = (char)*r->at++;
		} else if (*++r->at == 'u') {
			r->at++;
			to = take_code(r, to);
		} else {
			const char *plain = "\"\\/bfnrt", *meant = "\"\\/\b\f\n\r\t",
				   *which = *r->at != '\0' ? strchr(plain, *r->at) : NULL;

			CHECK(which != NULL, "\\%c", *r->at);
			*to++ = meant[which - plain];
			r->at++;
		}
	}
	*to = '\0';
	r->at++;
}

static void take_number(struct reader *r)
{
	const unsigned char *from;

	r->at += *r->at == '-';
	for (from = r->at; *r->at >= '0' && *r->at <= '9';)
		r->at++;
	CHECK(r->at != from && (*from != '0' || r->at == from + 1), "\"%.20s\" is no number", from);
}

static void take_value(struct reader *r, bool named);

static void take_members(struct reader *r)
{
	char key[WORD_MAX];

	for (take_char(r, '{'); *r->at != '}'; r->at += *r->at == ',') {
		take_string(r, key);
		take_char(r, ':');
		take_value(r, strcmp(key, "name") == 0 || strcmp(key, "text") == 0);
		CHECK((*r->at == ',' && r->at[1] == '"') || *r->at == '}', "\"%.20s\" in an object",
		      r->at);
	}
	take_char(r, '}');
}

static void take_value(struct reader *r, bool named)
{
	char word[WORD_MAX];

	if (*r->at == '{') {
		take_members(r);
	} else if (*r->at == '[') {
		for (take_char(r, '['); *r->at != ']'; r->at += *r->at == ',') {
			take_value(r, false);
			CHECK((*r->at == ',' && r->at[1] != ']') || *r->at == ']',
			      "\"%.20s\" in an array", r->at);
		}
		take_char(r, ']');
	} else if (*r->at == '"') {
		take_string(r, word);
		if (!named)
			return;
		CHECK(r->count < WORDS, "more names than there are");
		strcpy(r->words[r->count++], word);
	} else if (*r->at == 't' || *r->at == 'f' || *r->at == 'n') {
		const char *word_at = *r->at == 't' ? "true" : *r->at == 'f' ? "false" : "null";

		CHECK(strncmp((const char *)r->at, word_at, strlen(word_at)) == 0, "\"%.20s\"",
		      r->at);
		r->at += strlen(word_at);
	} else {
		take_number(r);
	}
}

static void check_word(const struct reader *r, size_t i, const char *name)
{
	char wanted[WORD_MAX];

	clean(wanted, name);
	CHECK(i < r->count && strcmp(r->words[i], wanted) == 0, "\"%s\", \"%s\" wanted",
	      r->words[i], wanted);
}

static void read_json(struct reader *r, const char *text)
{
	check_utf8(text);
	*r = (struct reader){ .at = (const unsigned char *)text };
	take_value(r, false);
	CHECK(strcmp((const char *)r->at, "\n") == 0, "\"%.20s\" behind the object", r->at);
}

static void check_json(const struct leat_snapshot *s)
{
	static struct reader r;
	char *text;

	remove(json_path);
	CHECK(leat_diag_write_json(&(struct leat_exporter){ 0 }, json_path, s) == 0, "%s",
	      json_path);
	text = slurp(json_path);
	read_json(&r, text);
	for (size_t i = 0; i < s->channels_count; i++)
		check_word(&r, i, s->channels[i].name);
	for (size_t i = 0; i < s->generators_count; i++) {
		check_word(&r, s->channels_count + 2 * i, s->generators[i].name);
		check_word(&r, s->channels_count + 2 * i + 1, s->generators[i].text);
	}
	free(text);
}

static void check_unopened(const char *name, const char *why)
{
	static struct reader r;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL, "no memory");
	leat_report_json_unopened(1, name, -2, why, out);
	fclose(out);
	read_json(&r, text);
	check_word(&r, 0, name);
	check_word(&r, 1, why);
	free(text);
}

static void take_name(struct reader *r)
{
	const unsigned char *from = r->at;

	while ((*r->at >= 'a' && *r->at <= 'z') || (*r->at == '_' && r->at != from))
		r->at++;
	CHECK(r->at != from, "\"%.20s\" is no name", from);
}

/* A label's value, as what it says. */
static void take_label(struct reader *r, char word[WORD_MAX])
{
	char *to = word;

	take_name(r);
	take_char(r, '=');
	take_char(r, '"');
	while (*r->at != '"') {
		CHECK(*r->at != '\n' && *r->at != '\0', "a label that does not end");
		CHECK(to < word + WORD_MAX - 1, "so long was nothing");
		if (*r->at == '\\') {
			r->at++;
			CHECK(*r->at == 'n' || *r->at == '"' || *r->at == '\\', "\\%c", *r->at);
			*to++ = *r->at == 'n' ? '\n' : (char)*r->at;
		} else {
			*to++ = (char)*r->at;
		}
		r->at++;
	}
	*to = '\0';
	r->at++;
}

/* Whether the label's value is the name of a channel, or of a generator, that there is. */
static bool is_named(const struct leat_snapshot *s, bool channel, const char *word)
{
	size_t count = channel ? s->channels_count : s->generators_count;
	char wanted[WORD_MAX];
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		clean(wanted, channel ? s->channels[i].name : s->generators[i].name);
		found = strcmp(word, wanted) == 0;
	}
	return found;
}

/* A sample, whose channel or generator is one of those there are. */
static void take_sample(struct reader *r, const struct leat_snapshot *s)
{
	bool channel, generator;
	char word[WORD_MAX];

	take_name(r);
	if (*r->at == '{') {
		channel = strncmp((const char *)r->at, "{channel=", 9) == 0;
		generator = strncmp((const char *)r->at, "{generator=", 11) == 0;
		r->at++;
		take_label(r, word);
		CHECK(!channel || is_named(s, true, word), "\"%s\" is no channel", word);
		CHECK(!generator || is_named(s, false, word), "\"%s\" is no generator", word);
		while (*r->at == ',') {
			r->at++;
			take_label(r, word);
		}
		take_char(r, '}');
	}
	take_char(r, ' ');
	while ((*r->at >= '0' && *r->at <= '9') || *r->at == '.')
		r->at++;
	CHECK(r->at[-1] != ' ', "a sample without a value");
	take_char(r, '\n');
}

static void check_prometheus(const struct leat_snapshot *s)
{
	struct leat_exporter exporter = { 0 };
	struct reader r = { 0 };
	char *text;

	CHECK(leat_diag_write_prometheus(&exporter, prometheus_path, s) == 0, "%s",
	      prometheus_path);
	leat_totals_fini(&exporter.totals);
	leat_totals_fini(&exporter.gen_totals);
	text = slurp(prometheus_path);
	check_utf8(text);
	r.at = (const unsigned char *)text;
	while (*r.at != '\0') {
		if (*r.at == '#') {
			r.at = (const unsigned char *)strchr((const char *)r.at, '\n');
			CHECK(r.at != NULL, "the last line does not end");
			r.at++;
		} else {
			take_sample(&r, s);
		}
	}
	free(text);
}

/* The bytes up to a 0, as far as they fit. */
static void next_word(struct input *in, char *to, size_t most)
{
	size_t len = 0;
	unsigned c;

	while ((c = next_byte(in)) != 0)
		if (len < most)
			to[len++] = (char)c;
	to[len] = '\0';
}

static void next_number(struct input *in, uint64_t *to)
{
	unsigned byte = next_byte(in);

	*to = (UINT64_C(1) << byte % 64) - (byte >> 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct input in = { data, data + size };
	struct leat_chan_stat channels[CHANNELS] = { 0 };
	struct leat_gen_stat generators[GENERATORS] = { 0 };
	struct leat_snapshot s = { .channels = channels, .generators = generators, .time_ns = 1 };

	if (!made)
		make_folder();
	made = true;
	s.channels_count = next_in(&in, 0, CHANNELS);
	s.generators_count = next_in(&in, 0, GENERATORS);
	for (size_t i = 0; i < s.channels_count; i++) {
		channels[i].id = i + 1;
		next_word(&in, channels[i].name, LEAT_NAME_MAX);
		next_number(&in, &channels[i].offered);
		next_number(&in, &channels[i].send_blocked_ns);
		channels[i].dropped[LEAT_DROPPED_OLDEST] = channels[i].offered;
		channels[i].ended = i == 1;
	}
	for (size_t i = 0; i < s.generators_count; i++) {
		next_word(&in, generators[i].name, LEAT_NAME_MAX);
		next_word(&in, generators[i].text, LEAT_TEXT_MAX);
		generators[i].cause = next_in(&in, 0, LEAT_ABANDONED);
		generators[i].code = -(int)next_byte(&in);
		generators[i].busy_ns = i + 1;
	}
	check_json(&s);
	check_prometheus(&s);
	check_unopened(generators[0].name, generators[0].text);
	return 0;
}
