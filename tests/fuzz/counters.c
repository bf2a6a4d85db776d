/*
 * Fuzzes what reads a counters file: a file with any bytes changed, and cut off anywhere, gives
 * figures within their bounds, or an error; `leat stat` shows them, as tables and as JSON; a verdict
 * is found from them; and libleat-export, where it is built, writes them in both of its forms.
 *
 * An input is three bytes for each change: two of the place, one of the byte there. The first two
 * bytes are where the file is cut off, if that is within it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/counters_values.h"
#include "tests/fuzz/fuzz.h"
#include "tools/leat/sample.h"

#include <fcntl.h>
#include <leat/detail/counters.h>
#include <leat/export.h>
#include <leat/why.h>
#include <unistd.h>

enum { EVENTS = 8, RECORDS = 9, EVENTS_AT = 512, RECORDS_AT = EVENTS_AT + EVENTS * 256 };

/* A small file, so that a change is likely to matter. */
static struct {
	struct leat_counters_head head;
	struct leat_counters_file_event events[EVENTS];
	struct leat_counters_file_record records[RECORDS];
} image;

_Static_assert(offsetof(__typeof__(image), events) == EVENTS_AT, "as the head has it");
_Static_assert(offsetof(__typeof__(image), records) == RECORDS_AT, "as the head has it");

static char path[] = "/tmp/leat-fuzz-XXXXXX";
static FILE *nothing;

static void remove_file(void)
{
	remove(path);
	fclose(nothing);
}

static void fill_image(void)
{
	image.head = (struct leat_counters_head){
		.byte_order = LEAT_COUNTERS_ORDER,
		.major = LEAT_COUNTERS_MAJOR,
		.head_size = sizeof(image.head),
		.slot_size = sizeof(struct leat_counters_slot),
		.event_size = sizeof(image.events[0]),
		.record_size = sizeof(image.records[0]),
		.events_offset = EVENTS_AT,
		.records_offset = RECORDS_AT,
		.events_count = EVENTS,
		.records_most = RECORDS,
		.pid = 1,
		.time_ns = 1000000000,
		.wall_ns = 2000000000,
		.start_ns = 1,
		.status = LEAT_COUNTERS_FILE_WRITTEN,
		.records_used = RECORDS,
		.events_total = EVENTS + 3,
	};
	memcpy(image.head.magic, LEAT_COUNTERS_MAGIC, sizeof(image.head.magic));
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct leat_counters_file_record *record = &image.records[i];

		record->kind = i % 4 + 1;
		record->id = i < 8 ? i + 1 : 0;
		record->channel = 1;
		record->count = record->living = 1;
		record->flags = i >= 4 ? LEAT_COUNTERS_ENDED : 0;
		record->ended_ns = i >= 4 ? 900000000 : 0;
		record->values_count = LEAT_COUNTERS_VALUES;
		snprintf(record->name, sizeof(record->name), "name %u", i);
		for (unsigned v = 0; v < LEAT_COUNTERS_VALUES; v++)
			record->values[v] = v;
	}
	image.records[8].flags = LEAT_COUNTERS_SUM;
	for (uint32_t i = 0; i < EVENTS; i++) {
		struct leat_counters_file_event *event = &image.events[i];

		event->number = i < 3 ? i + EVENTS : i;
		event->type = i % (LEAT_COUNTERS_EVENT_TYPES - 1) + 1;
		event->kind = i % 4 + 1;
		event->cause = i % 5;
		event->code = -5;
		snprintf(event->text, sizeof(event->text), "words %u", i);
	}
}

static void begin(void)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0, "%s", path);
	close(fd);
	nothing = fopen("/dev/null", "w");
	CHECK(nothing != NULL, "/dev/null");
	fill_image();
	atexit(remove_file);
}

static void write_file(struct input *in)
{
	size_t size = next_byte(in);
	unsigned char bytes[sizeof(image)];
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	size |= (size_t)next_byte(in) << 8;
	memcpy(bytes, &image, sizeof(bytes));
	while (in->at < in->end) {
		size_t at = next_byte(in);

		at |= (size_t)next_byte(in) << 8;
		bytes[at % sizeof(bytes)] = (unsigned char)next_byte(in);
	}
	if (size > sizeof(bytes))
		size = sizeof(bytes);
	CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "%zu bytes", size);
	close(fd);
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void check_records(const struct view *view)
{
	CHECK(view->records_count <= 65536 && view->events_count <= 4096, "%zu records",
	      view->records_count);
	for (size_t i = 0; i < view->records_count; i++) {
		const struct leat_counters_record *record = &view->records[i];

		CHECK(record->kind > 0 && record->kind < LEAT_COUNTERS_KINDS, "%d", record->kind);
		CHECK(ends(record->name, sizeof(record->name)), "a name");
		CHECK(ends(record->text, sizeof(record->text)), "a text");
		CHECK(i == 0 || record->place > record[-1].place, "not by rising places");
	}
	for (size_t i = 0; i < view->events_count; i++) {
		const struct leat_counters_event *event = &view->events[i];

		CHECK(event->type > 0 && event->type < LEAT_COUNTERS_EVENT_TYPES, "%d",
		      event->type);
		CHECK(ends(event->name, sizeof(event->name)), "a name");
		CHECK(ends(event->text, sizeof(event->text)), "a text");
		CHECK(i == 0 || event->number > event[-1].number, "not by rising numbers");
	}
}

/* As much as that: judged from one reading, and from two. */
static void check_verdict(const struct leat_counters *counters, bool from_start)
{
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict;

	CHECK(why != NULL, "no memory");
	if (from_start)
		leat_why_from_start(why);
	for (int n = 0; n < 2; n++) {
		CHECK(leat_why_add_counters(why, counters) == 0, "no memory");
		CHECK(leat_why_verdict(why, &verdict) == 0, "no memory");
		CHECK(verdict.limit < LEAT_LIMITS, "%d", verdict.limit);
		CHECK(ends(verdict.stage, sizeof(verdict.stage)), "a stage");
		CHECK(ends(verdict.thread, sizeof(verdict.thread)), "a thread");
		CHECK(ends(verdict.text, sizeof(verdict.text)), "a text");
		CHECK(ends(verdict.evidence, sizeof(verdict.evidence)), "evidence");
		CHECK(verdict.busy <= 1 && verdict.confidence <= 1, "%f, %f", verdict.busy,
		      verdict.confidence);
	}
	leat_why_close(why);
}

#ifdef LEAT_HAVE_MICROHTTPD

/* The text of a scrape: each line is a comment, or a sample with a number. */
static void check_text(char *text)
{
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char *blank;

		*end = '\0';
		if (line[0] == '#')
			continue;
		blank = strrchr(line, ' ');
		CHECK(strncmp(line, "leat_", 5) == 0 && blank != NULL, "%s", line);
		CHECK(blank[1] != '\0' && blank[1 + strspn(blank + 1, "0123456789.")] == '\0', "%s",
		      line);
	}
}

/* Both forms, of which the second has what the first has exported. */
static void export_file(void)
{
	const char *what = path;
	struct leat_export *exporter = leat_export_start(&(struct leat_export_opts){
		.listen = "", .processes = &what, .processes_count = 1, .names_most = 2 });

	CHECK(exporter != NULL, "%d", leat_open_error());
	for (int format = LEAT_EXPORT_CLASSIC; format <= LEAT_EXPORT_OPENMETRICS; format++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		CHECK(out != NULL, "no memory");
		CHECK(leat_export_write(exporter, (enum leat_export_format)format, out) == 0,
		      "it is not written");
		fclose(out);
		check_text(text);
		free(text);
	}
	leat_export_stop(exporter);
}

#else

static void export_file(void)
{
}

#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct sample before = { 0 };
	struct leat_counters *counters;
	struct view view;
	int rc;

	if (nothing == NULL)
		begin();
	write_file(&in);
	counters = leat_counters_open(path);
	if (counters == NULL) {
		rc = leat_open_error();
		CHECK(rc == -EPROTO || rc == -EPROTONOSUPPORT, "%d", rc);
		return 0;
	}
	rc = leat_counters_read(counters);
	CHECK(rc == 0, "it was opened, and could not be read: %d", rc);
	for (int n = 0; n < 2; n++) { /* without a reading before; with an older one */
		view_take(&view, counters, &before);
		check_records(&view);
		view_print(&view, nothing);
		view_print_json(&view, nothing);
		CHECK(sample_take(&before, counters), "no memory");
		before.time_ns = 500000000;
	}
	sample_fini(&before);
	check_verdict(counters, false);
	check_verdict(counters, true);
	leat_counters_close(counters);
	export_file();
	return 0;
}
