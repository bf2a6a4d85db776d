/*
 * tests/unit/diag_files.c: what the diagnostics thread writes: Prometheus text and lines of JSON.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "watcher.h"
#include <leat/broadcast.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

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
	struct leat_broadcast *bc;
	struct leat_tx *tx;
	struct leat_rx *subs[2];
	leat_send(pipe.tx, &(uint64_t){ 0 });
	cr_assert_eq(leat_broadcast_open(pipe.scope, 8, NULL, &bc, &tx), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(
			leat_broadcast_subscribe(
				bc, &(struct leat_subscribe_opts){ .name = "\"book\"" }, &subs[i]),
			0);
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.prometheus_path = path_of(path, sizeof(path), "valid.prom"), .interval_ns = MS });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	char *text = read_whole(path);
	cr_assert_not_null(text);
	cr_expect_not_null(strstr(text, "a \\\"quoted\\\" \\\\ name\\nof two lines"));
	cr_expect_not_null(strstr(text, "reason=\"oldest\""));
	for (int i = 0; i < 2; i++) {
		char line[128];
		snprintf(line, sizeof(line),
		         "leat_subscriber_in_flight_items{channel=\"\",subscriber=\"\\\"book\\\"\","
		         "place=\"%d\"} 0\n",
		         i);
		cr_expect_not_null(strstr(text, line), "%s", line);
		leat_rx_close(subs[i]);
	}
	leat_tx_close(tx);
	leat_broadcast_close(bc);
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
	struct leat_broadcast *bc;
	struct leat_tx *tx;
	struct leat_rx *sub;
	cr_assert_eq(leat_broadcast_open(pipe.scope, 8, NULL, &bc, &tx), 0);
	cr_assert_eq(leat_broadcast_subscribe(
			     bc, &(struct leat_subscribe_opts){ .name = "\"book\"" }, &sub),
	             0);
	for (int round = 0; round < 2; round++) { /* the second appends */
		struct leat_diag *diag = leat_diag_start(&opts);
		cr_assert_not_null(diag);
		cr_assert(await_word(&watcher.snapshots, leat_load_acq(&watcher.snapshots) + 3));
		cr_expect_eq(leat_diag_stop(diag), 0);
	}
	leat_tx_close(tx);
	leat_rx_close(sub);
	leat_broadcast_close(bc);
	pipe_close(&pipe);
	char *text = read_whole(path);
	uint32_t lines = 0;
	cr_assert_not_null(text);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		const char *end = json_value(line);
		cr_expect_eq(line[0], '{');
		cr_expect(end != NULL && *end == '\0', "no JSON: %s", line);
		cr_expect_not_null(strstr(line, "\"in_flight\":"));
		cr_expect_not_null(strstr(line, "\"name\":\"\\\"book\\\"\",\"lag\":\"wait\","
		                                "\"evicted\":false,\"holds_senders\":false"));
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

/* The value of a sample, which begins its line; -1: it is not there. */
static double value_of(const char *path, const char *sample)
{
	char *text = read_whole(path), *at = text;
	size_t len = strlen(sample);
	cr_assert_not_null(text);
	for (; at != NULL; at = strchr(at, '\n'), at = at != NULL ? at + 1 : NULL)
		if (strncmp(at, sample, len) == 0 && at[len] == ' ')
			return atof(at + len);
	return -1;
}

static bool mentions(const char *path, const char *words)
{
	return strstr(read_whole(path), words) != NULL;
}

static void await_value(const char *path, const char *sample, double value)
{
	int64_t patience_ns = leat_now_ns() + 60000 * (int64_t)MS;
	while (value_of(path, sample) != value && leat_now_ns() < patience_ns)
		sched_yield();
	cr_expect_eq(value_of(path, sample), value, "%s", sample);
}

static void send_some(struct pipe *pipe, unsigned n)
{
	uint64_t item;
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(leat_send(pipe->tx, &(uint64_t){ i }), 0);
		cr_assert_eq(leat_recv(pipe->rx, &item), 1);
	}
}

#define OFFERED "leat_offered_items_total{channel=\"again\"}"

/* Whatever is opened and ended between two scrapes, a total neither vanishes nor falls. */
Test(diag_files, prometheus_totals_outlive_their_channels)
{
	struct leat_chan_opts opts = { .name = "again", .capacity = 8 };
	char path[128];
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.prometheus_path = path_of(path, sizeof(path), "totals.prom"), .interval_ns = MS });
	cr_assert_not_null(diag);
	for (unsigned round = 1; round <= 3; round++) {
		struct pipe pipe = pipe_open(&opts), second;
		send_some(&pipe, 10);
		await_value(path, OFFERED, round * 100 - 90);
		cr_expect(!mentions(path, "id="), "one channel of the name: round %u", round);
		await_value(path, "leat_capacity_items{channel=\"again\"}", 8);
		second = pipe_open(&opts);
		send_some(&second, 90);
		await_value(path, OFFERED, round * 100);
		cr_expect(mentions(path, "leat_capacity_items{channel=\"again\",id="),
		          "two that live");
		pipe_close(&pipe);
		pipe_close(&second);
		await_value(path, "leat_capacity_items{channel=\"again\"}", -1);
		while (mentions(path, "id="))
			sched_yield();
		cr_expect_eq(value_of(path, OFFERED), round * 100, "nothing lives");
		cr_expect_eq(value_of(path, "leat_delivered_items_total{channel=\"again\"}"),
		             round * 100);
	}
	cr_expect_eq(leat_diag_stop(diag), 0);
	clean_up();
}

Test(diag_files, prometheus_file_says_whose_it_is)
{
	struct timespec now;
	char path[128];
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.prometheus_path = path_of(path, sizeof(path), "whose.prom"),
		.interval_ns = HOUR_NS });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	clock_gettime(CLOCK_REALTIME, &now);
	double started = value_of(path, "leat_process_start_time_seconds");
	double taken = value_of(path, "leat_snapshot_time_seconds");
	cr_expect_eq(value_of(path, "leat_process_pid"), getpid());
	cr_expect(started <= taken + 0.02 && started > taken - 3600, "%f %f", started, taken);
	cr_expect(taken <= (double)now.tv_sec + 1 && taken > (double)now.tv_sec - 600, "%f", taken);
	clean_up();
}

/* A disk that is full after so many bytes: the process may write no larger file. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(diag_files, json_lines_are_whole_after_a_full_disk)
{
	char json[128], prometheus[128];
	struct leat_diag_opts opts = { .json_path = path_of(json, sizeof(json), "full.json"),
		                       .prometheus_path =
		                               path_of(prometheus, sizeof(prometheus), "full.prom"),
		                       .interval_ns = MS };
	struct stat st;
	signal(SIGXFSZ, SIG_IGN);
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "disk" });
	struct leat_diag *diag = leat_diag_start(&opts);
	cr_assert_not_null(diag);
	/* The other file is below 16 KiB, and says that this one can't be written. */
	limit_files(16384 + 333);
	int64_t patience_ns = leat_now_ns() + 60000 * (int64_t)MS;
	while (value_of(prometheus, "leat_export_errors_total{file=\"json\"}") < 3 &&
	       leat_now_ns() < patience_ns)
		sched_yield();
	cr_expect_geq(value_of(prometheus, "leat_export_errors_total{file=\"json\"}"), 3);
	cr_assert_eq(stat(json, &st), 0);
	limit_files(RLIM_INFINITY);
	off_t full = st.st_size;
	while (stat(json, &st) == 0 && st.st_size < full + 2000 && leat_now_ns() < patience_ns)
		sched_yield();
	cr_expect_eq(leat_diag_stop(diag), -EFBIG);
	char *text = read_whole(json);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		cr_expect(strncmp(line, "{\"time_ns\":", 11) == 0, "%.40s", line);
		cr_expect_str_eq(line + strlen(line) - 2, "}}");
	}
	pipe_close(&pipe);
	clean_up();
}
