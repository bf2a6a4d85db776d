/*
 * tests/unit/diag_files.c: what the diagnostics thread writes: Prometheus text and lines of JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "watcher.h"

#include <fcntl.h>
#include <sys/stat.h>

TestSuite(diag_files, .timeout = 600);

static char directory[64];

static const char *path_of(char *path, size_t size, const char *name)
{
	if (directory[0] == '\0') {
		snprintf(directory, sizeof(directory), "/tmp/leat-diag-XXXXXX");
		cr_assert_not_null(mkdtemp(directory));
	}
	snprintf(path, size, "%s/%s", directory, name);
	return path;
}

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re");
	static char text[1 << 20];
	if (file == NULL)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void clean_up(void)
{
	DIR *dir = opendir(directory);
	char path[512];
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	rmdir(directory);
}

/* name{label="value",...} number, with quotes and backslashes escaped */
static bool is_prometheus_line(const char *line)
{
	if (line[0] == '#')
		return strncmp(line, "# HELP leat_", 12) == 0 ||
		       strncmp(line, "# TYPE leat_", 12) == 0;
	size_t at = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
	if (at == 0 || strncmp(line, "leat_", 5) != 0)
		return false;
	if (line[at] == '{') {
		do {
			at++;
			size_t label = strspn(line + at, "abcdefghijklmnopqrstuvwxyz_");
			at += label;
			if (label == 0 || line[at] != '=' || line[at + 1] != '"')
				return false;
			for (at += 2; line[at] != '"'; at++) {
				if (line[at] == '\0')
					return false;
				if (line[at] == '\\' && strchr("\\\"n", line[++at]) == NULL)
					return false;
			}
			at++;
		} while (line[at] == ',');
		if (line[at++] != '}')
			return false;
	}
	char *end;
	if (line[at++] != ' ')
		return false;
	strtod(line + at, &end);
	return end != line + at && *end == '\0';
}

static int bad_prometheus_lines(char *text)
{
	int bad = 0;
	size_t length = strlen(text);
	if (length == 0 || text[length - 1] != '\n')
		return 1;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		bad += !is_prometheus_line(line);
	return bad;
}

Test(diag_files, prometheus_file_is_valid_text)
{
	char path[128];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){
		.name = "a \"quoted\" \\ name\nof two lines", .capacity = 3 });
	leat_send(pipe.tx, &(uint64_t){ 0 });
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.prometheus_path = path_of(path, sizeof(path), "valid.prom"), .interval_ns = MS });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	char *text = read_whole(path);
	cr_assert_not_null(text);
	cr_expect_not_null(strstr(text, "a \\\"quoted\\\" \\\\ name\\nof two lines"));
	cr_expect_not_null(strstr(text, "reason=\"oldest\""));
	cr_expect_eq(bad_prometheus_lines(text), 0);
	cr_expect_eq(census_entries(directory), 1, "nothing else is left beside it");
	pipe_close(&pipe);
	clean_up();
}

/* Whoever opens it finds a whole file at any moment, however often it is replaced. */
Test(diag_files, prometheus_file_is_replaced_whole)
{
	char path[128];
	struct leat_diag_opts opts = { .prometheus_path = path_of(path, sizeof(path), "whole.prom"),
		                       .interval_ns = 10000 };
	struct leat_diag *diag = leat_diag_start(&opts);
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "whole" });
	struct stat before, after;
	cr_assert_not_null(diag);
	/* held open, so that its number is not used again */
	int first = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(fstat(first, &before), 0, "there from the start");
	for (int i = 0; i < 300; i++) {
		char *text = read_whole(path);
		cr_assert_not_null(text);
		cr_assert_eq(bad_prometheus_lines(text), 0, "look %d", i);
	}
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(stat(path, &after), 0);
	cr_expect_neq(before.st_ino, after.st_ino, "replaced, not written over");
	close(first);
	pipe_close(&pipe);
	clean_up();
}

/* One JSON value; answers where it ends, or NULL. */
static const char *json_value(const char *p);

static const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p == '\\') {
			p++;
			if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
				p += 4;
			else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
				return NULL;
		}
	}
	return p + 1;
}

static const char *json_list(const char *p, char end, bool keys)
{
	if (*++p == end)
		return p + 1;
	for (;; p++) {
		if (keys && ((p = json_string(p)) == NULL || *p++ != ':'))
			return NULL;
		if ((p = json_value(p)) == NULL)
			return NULL;
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
	}
}

static const char *json_value(const char *p)
{
	char *end;
	if (*p == '{')
		return json_list(p, '}', true);
	if (*p == '[')
		return json_list(p, ']', false);
	if (*p == '"')
		return json_string(p);
	if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0)
		return p + 4;
	if (strncmp(p, "false", 5) == 0)
		return p + 5;
	strtod(p, &end);
	return end == p ? NULL : end;
}

Test(diag_files, json_lines_are_objects)
{
	char path[128];
	struct leat_diag_opts opts = { .json_path = path_of(path, sizeof(path), "lines.json"),
		                       .interval_ns = MS };
	struct watcher watcher = { 0 };
	opts.callback = watch;
	opts.callback_arg = &watcher;
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .name = "a \"name\" \\ \n \t \x01 \xff \xc3\xa9" });
	for (int round = 0; round < 2; round++) { /* the second appends */
		struct leat_diag *diag = leat_diag_start(&opts);
		cr_assert_not_null(diag);
		cr_assert(await_word(&watcher.snapshots, leat_load_acq(&watcher.snapshots) + 3));
		cr_expect_eq(leat_diag_stop(diag), 0);
	}
	pipe_close(&pipe);
	char *text = read_whole(path);
	uint32_t lines = 0;
	cr_assert_not_null(text);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		const char *end = json_value(line);
		cr_expect_eq(line[0], '{');
		cr_expect(end != NULL && *end == '\0', "no JSON: %s", line);
		cr_expect_not_null(strstr(line, "\"in_flight\":"));
	}
	cr_expect_eq(lines, watcher.snapshots, "a line for each snapshot");
	clean_up();
}

Test(diag_files, an_exporters_error_is_told_by_stop)
{
	char path[128], gone[256];
	struct leat_diag_opts opts = { .prometheus_path = path_of(path, sizeof(path), "gone.prom"),
		                       .interval_ns = HOUR_NS };
	struct leat_diag *diag = leat_diag_start(&opts);
	cr_assert_not_null(diag);
	snprintf(gone, sizeof(gone), "%s-moved", directory);
	cr_assert_eq(rename(directory, gone), 0);
	cr_expect_eq(leat_diag_stop(diag), -ENOENT);
	snprintf(directory, sizeof(directory), "%.60s", gone);
	clean_up();
}
