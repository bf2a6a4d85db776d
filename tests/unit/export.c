/*
 * tests/unit/export.c: what an exporter writes: of counters files, also hostile ones, of processes
 * that end, and of the process itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "export.h"

#include "export/export.h"

TestSuite(export, .timeout = 600);

/* --- options --- */

#define RIGHT (LEAT_EXPORT_ABI << 16 | (unsigned)sizeof(struct leat_export_opts))

Test(export, abi)
{
	const struct leat_export_opts opts = { .listen = "" };
	struct leat_export *exporter;

	_Static_assert(LEAT_EXPORT_ABI == 1 && sizeof(opts) == 104, "the size of layout 1");
	for (unsigned abi = RIGHT - 8; abi <= RIGHT + 65536; abi += abi < RIGHT ? 16 : 65536 - 8) {
		cr_expect_null(leat_detail_export_start(abi, &opts));
		cr_expect_eq(leat_open_error(), -ELIBBAD);
	}
	exporter = (leat_export_start)(&opts);
	cr_expect_not_null(exporter);
	cr_expect_eq(leat_export_port(exporter), 0);
	leat_export_stop(exporter);
	leat_export_stop(NULL);
}

Test(export, bad_options_are_refused)
{
	const char *const nothing[] = { NULL }, *const empty[] = { "" };
	const struct leat_export_opts bad[] = {
		{ .listen = "", .reserved = { [6] = 1 } },
		{ .listen = "", .gone_ns = -1 },
		{ .listen = "", .names_most = 1000001 },
		{ .listen = "", .processes_count = 1 },
		{ .listen = "", .processes = nothing, .processes_count = 1 },
		{ .listen = "", .processes = empty, .processes_count = 1 },
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		cr_expect_null(leat_export_start(&bad[i]), "%zu", i);
		cr_expect_eq(leat_open_error(), -EINVAL, "%zu: %d", i, leat_open_error());
	}
}

/* --- text --- */

/* The families are what docs/export.md and the checks of both forms take them for. */
Test(export, names_of_metrics_keep_the_rules)
{
	for (size_t i = 0; i < leat_export_families_count; i++) {
		const struct leat_export_family *f = &leat_export_families[i];
		size_t name = strlen(f->name), unit = strlen(f->unit);
		cr_expect_eq(strspn(f->name, "abcdefghijklmnopqrstuvwxyz_"), name, "%s", f->name);
		cr_expect(unit == 0 || (name > unit + 1 && f->name[name - unit - 1] == '_' &&
		                        strcmp(f->name + name - unit, f->unit) == 0),
		          "%s ends with its unit", f->name);
		cr_expect(unit != 0 || (strstr(f->name, "_seconds") == NULL &&
		                        strstr(f->name, "_items") == NULL),
		          "%s has a unit", f->name);
		cr_expect_null(strstr(f->name, "_total"), "%s", f->name);
		cr_expect_eq(f->help[strlen(f->help) - 1], '.', "%s", f->name);
		cr_expect(f->write != NULL || f->value + f->count <= LEAT_EXPORT_VALUES + 1);
		if (f->write != NULL || f->value == LEAT_EXPORT_LIVING)
			continue;
		for (unsigned v = f->value; f->counter && v < f->value + f->count; v++) {
			enum leat_counters_type type = leat_counters_value_type(f->kind, v);
			cr_expect(type == LEAT_COUNTERS_TOTAL || (type == LEAT_COUNTERS_MOST &&
			                                          v == LEAT_COUNTERS_POOL_BUSIEST),
			          "%s does not fall", f->name);
		}
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(leat_export_families[k].name, f->name);
	}
}

static char *describe(enum leat_export_format format)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	cr_assert_not_null(out);
	cr_expect_eq(leat_export_describe(format, out), 0);
	cr_assert_eq(fclose(out), 0);
	return text;
}

Test(export, both_forms)
{
	char *classic = describe(LEAT_EXPORT_CLASSIC), *open = describe(LEAT_EXPORT_OPENMETRICS);

	cr_expect_not_null(strstr(classic, "# TYPE leat_offered_items_total counter\n"));
	cr_expect_not_null(strstr(classic, "# HELP leat_offered_items_total Items that senders "
	                                   "offered.\n"));
	cr_expect_null(strstr(classic, "# UNIT"));
	cr_expect_null(strstr(classic, "# EOF"));
	cr_expect_not_null(strstr(open, "# TYPE leat_offered_items counter\n# UNIT "
	                                "leat_offered_items items\n"));
	cr_expect_null(strstr(open, "_total"));
	cr_expect_not_null(strstr(open, "# UNIT leat_generator_seconds seconds\n"));
	cr_expect_str_eq(open + strlen(open) - 6, "# EOF\n");
	free(classic);
	free(open);
}

Test(export, a_full_device_is_an_error)
{
	FILE *full = fopen("/dev/full", "we");
	struct leat_export *exporter =
		leat_export_start(&(struct leat_export_opts){ .listen = "", .own = true });

	cr_assert_not_null(full);
	cr_assert_not_null(exporter);
	cr_expect_eq(leat_export_write(exporter, LEAT_EXPORT_CLASSIC, full), -ENOSPC);
	cr_expect_eq(leat_export_describe(LEAT_EXPORT_CLASSIC, full), -ENOSPC);
	fclose(full);
	leat_export_stop(exporter);
}

/* The calling process, with no code but this. */
Test(export, the_process_itself)
{
	struct leat_export *exporter =
		leat_export_start(&(struct leat_export_opts){ .listen = "", .own = true });
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "own", .capacity = 8 });
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	char series[128];
	double sent = -1;

	cr_assert_not_null(exporter);
	for (uint64_t i = 0; i < 5; i++)
		cr_expect_eq(leat_send(pipe.tx, &i), 0);
	snprintf(series, sizeof(series), "leat_offered_items_total{pid=\"%d\",", (int)getpid());
	while (sent != 5 && leat_now_ns() < patience_ns) {
		char *text = export_scrape(exporter, LEAT_EXPORT_OPENMETRICS);
		sent = export_value(text, series);
		if (sent == 5)
			cr_expect_not_null(strstr(text, "channel=\"own\"} 5\n"));
		free(text);
		usleep(1000);
	}
	cr_expect_eq(sent, 5);
	leat_export_stop(exporter);
	pipe_close(&pipe);
}

/* --- names --- */

/* Also in the name that a label has nothing may stand that its text cannot have. */
Test(export, names_are_escaped)
{
	static const struct {
		const char *name, *label;
	} names[] = {
		{ "a\"b\\c\nd", "channel=\"a\\\"b\\\\c\\nd\"} 1\n" },
		{ "tab\there", "channel=\"tab\there\"} 1\n" },
		{ "\xe2\x82\xac", "channel=\"\xe2\x82\xac\"} 1\n" },
		{ "", "channel=\"\"} 1\n" },
	};
	char path[64];
	struct pipe pipes[COUNT(names)], wrong[2];
	for (size_t i = 0; i < COUNT(names); i++)
		pipes[i] = pipe_open(&(struct leat_chan_opts){ .name = names[i].name });
	/* two names that are one when their bytes are shown */
	wrong[0] = pipe_open(&(struct leat_chan_opts){ .name = "no\xfe" });
	wrong[1] = pipe_open(&(struct leat_chan_opts){ .name = "no\xff" });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	cr_assert_not_null(c);
	cr_assert(counters_read_later(c));
	struct leat_export *exporter = export_file(path, 0);
	char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
	char *channels = strstr(text, "# TYPE leat_channels gauge\n");
	cr_assert_not_null(channels);
	for (size_t i = 0; i < COUNT(names); i++)
		cr_expect_not_null(strstr(channels, names[i].label), "%s in\n%s", names[i].label,
		                   channels);
	cr_expect_not_null(strstr(channels, "channel=\"no\ufffd\"} 2\n"), "%s", channels);
	free(text);
	leat_export_stop(exporter);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	for (size_t i = 0; i < COUNT(names); i++)
		pipe_close(&pipes[i]);
	pipe_close(&wrong[0]);
	pipe_close(&wrong[1]);
	counters_clean_up();
}

/* --- processes that end --- */

static int state_of(const char *text, const char *state)
{
	char series[128];

	for (const char *line = strstr(text, "\nleat_process_state{"); line != NULL;
	     line = strstr(line + 1, "\nleat_process_state{")) {
		snprintf(series, sizeof(series), ",state=\"%s\"} ", state);
		const char *found = strstr(line, series);
		if (found != NULL && found < strchr(line + 1, '\n'))
			return found[strlen(series)] - '0';
	}
	return -1;
}

static int scraped_state(struct leat_export *exporter, const char *state)
{
	char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
	int is = state_of(text, state);
	free(text);
	return is;
}

/* The file is removed at the end, but what was written last is still read, and stays for a while.
 */
Test(export, what_has_ended_stays_with_its_last_figures)
{
	char path[64];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "last", .capacity = 8 });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_export *exporter = export_file(path, 3600000 * MS);

	cr_expect_eq(scraped_state(exporter, "running"), 1);
	for (uint64_t i = 0; i < 7; i++)
		cr_expect_eq(leat_send(pipe.tx, &i), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_neq(access(path, F_OK), 0);
	for (int n = 0; n < 3; n++) {
		char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
		cr_expect_eq(state_of(text, "gone"), 1);
		cr_expect_eq(state_of(text, "running"), 0);
		cr_expect_eq(export_value(text, "leat_offered_items_total"), 7);
		cr_expect_eq(export_value(text, "leat_in_flight_items"), 7);
		free(text);
	}
	leat_export_stop(exporter);
	pipe_close(&pipe);
	counters_clean_up();
}

Test(export, what_has_ended_is_dropped_as_a_whole)
{
	char path[64];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_export *exporter = export_file(path, 1);

	cr_expect_eq(scraped_state(exporter, "running"), 1);
	cr_expect_eq(leat_diag_stop(diag), 0);
	scraped_state(exporter, "gone"); /* when it was seen first */
	char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
	cr_expect_null(strstr(text, "pid="), "%s", text);
	cr_expect_eq(export_value(text, "leat_export_processes"), 0);
	free(text);
	leat_export_stop(exporter);
	counters_clean_up();
}

/* The path of a file that is named may get another file: of a process that begins later. */
Test(export, a_named_file_that_comes_later_and_again)
{
	char path[64];
	struct leat_export *exporter = export_file(counters_path(path, "file"), 3600000 * MS);

	for (int n = 0; n < 3; n++) {
		struct leat_diag *diag = counters_start(path);
		cr_expect_eq(scraped_state(exporter, "running"), 1, "%d", n);
		char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
		cr_expect_eq(export_value(text, "leat_export_processes"), 1);
		free(text);
		cr_expect_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(scraped_state(exporter, "gone"), 1, "%d", n);
	}
	leat_export_stop(exporter);
	counters_clean_up();
}

/* Two files of one process have the same labels: one is exported, the other is counted. */
Test(export, two_files_of_one_process)
{
	char one[64], two[64];
	struct leat_diag *first = counters_start(counters_path(one, "one"));
	struct leat_diag *second = counters_start(counters_path(two, "two"));
	struct leat_export *exporter = leat_export_start(
		&(struct leat_export_opts){ .listen = "",
	                                    .processes = (const char *const[]){ one, two },
	                                    .processes_count = 2 });
	cr_assert_not_null(exporter);
	char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
	cr_expect_eq(export_value(text, "leat_export_processes"), 1);
	const char *state = strstr(text, ",state=\"running\"");
	cr_expect_not_null(state);
	cr_expect(state == NULL || strstr(state + 1, ",state=\"running\"") == NULL);
	free(text);
	leat_export_stop(exporter);
	cr_expect_eq(leat_diag_stop(first), 0);
	cr_expect_eq(leat_diag_stop(second), 0);
	counters_clean_up();
}

/* --- hostile files --- */

static unsigned char image[LEAT_COUNTERS_FILE_MOST];
static size_t image_size;

static void take_image(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	image_size = (size_t)pread(fd, image, sizeof(image), 0);
	close(fd);
}

static void write_image(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, image, size, 0), (ssize_t)size);
	close(fd);
}

/* Whether each line is one that a text may have, and no series is there twice. */
static bool is_sound(char *text)
{
	static char *lines[100000];
	size_t count = 0;
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (line[0] == '#')
			continue;
		char *value = strrchr(line, ' ');
		if (strncmp(line, "leat_", 5) != 0 || value == NULL ||
		    value[1 + strspn(value + 1, "0123456789.")] != '\0' || count == COUNT(lines))
			return false;
		*value = '\0';
		for (size_t i = 0; i < count; i++)
			if (strcmp(lines[i], line) == 0)
				return false;
		lines[count++] = line;
	}
	return count > 0;
}

/* One exporter sees all of them come and go, as a path is written anew each time. */
Test(export, files_cut_off_and_garbled)
{
	char path[64], bad[64];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "one" });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	cr_assert_not_null(c);
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 0 }), 0);
	cr_assert(counters_read_later(c));
	take_image(path);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	pipe_close(&pipe);
	struct leat_export *exporter = export_file(counters_path(bad, "bad"), 1);
	size_t used = LEAT_COUNTERS_RECORDS_OFFSET + 2 * 512;
	unsigned seed = 11;
	for (int n = 0; n < 1000; n++) {
		unsigned char kept[16];
		size_t at[16];
		for (int i = 0; i < 16; i++) { /* mostly in the head or in a record */
			at[i] = (size_t)rand_r(&seed) %
			        (n % 2 == 0 ? 512 : LEAT_COUNTERS_SLOTS_OFFSET);
			at[i] += i % 2 == 0 ? 0 : LEAT_COUNTERS_RECORDS_OFFSET;
			at[i] = at[i] < used ? at[i] : used - 1;
			kept[i] = image[at[i]];
			if (at[i] >= 16 || n % 8 == 0) /* mostly still a counters file */
				image[at[i]] = (unsigned char)rand_r(&seed);
		}
		write_image(bad, n % 3 == 0 ? (size_t)rand_r(&seed) % image_size : image_size);
		for (int i = 15; i >= 0; i--)
			image[at[i]] = kept[i];
		char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
		cr_expect(is_sound(text), "%d", n);
		free(text);
	}
	leat_export_stop(exporter);
	counters_clean_up();
}

/* What was exported stays while the file is cut off, and is right again when it is whole. */
Test(export, a_file_that_is_cut_off_while_it_is_exported)
{
	char path[64];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "one", .capacity = 8 });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	for (uint64_t i = 0; i < 6; i++)
		cr_assert_eq(leat_send(pipe.tx, &i), 0);
	cr_assert(c != NULL && counters_read_later(c));
	take_image(path);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	pipe_close(&pipe);
	write_image(path, image_size);
	struct leat_export *exporter = export_file(path, 3600000 * MS);
	static const size_t sizes[] = { 2000000, 78000, 77824, 13000, 600, 511, 300, 0, 2000000 };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		write_image(path, sizes[i] < image_size ? sizes[i] : image_size);
		char *text = export_scrape(exporter, LEAT_EXPORT_CLASSIC);
		cr_expect_eq(export_value(text, "leat_offered_items_total"), 6, "%zu", sizes[i]);
		free(text);
	}
	leat_export_stop(exporter);
	counters_clean_up();
}
