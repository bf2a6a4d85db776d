/*
 * Snapshots as JSON lines.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/diag.h"
#include "runtime/diag/json.h"
#include "runtime/os/os.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_json_channel(FILE *out, const struct leat_chan_stat *chan)
{
	fprintf(out, "{\"id\":%" PRIu64 ",\"name\":", chan->id);
	leat_json_string(out, chan->name, strlen(chan->name));
	fprintf(out, ",\"ended\":%s,\"canceled\":%s,\"senders\":%u,\"receivers\":%u",
	        chan->ended ? "true" : "false", chan->canceled ? "true" : "false", chan->senders,
	        chan->receivers);
	fprintf(out,
	        ",\"capacity\":%zu,\"offered\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dropped\":{",
	        chan->capacity, chan->offered, chan->delivered);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		fprintf(out, "%s\"%s\":%" PRIu64, reason == 0 ? "" : ",",
		        leat_drop_name((enum leat_drop)reason), chan->dropped[reason]);
	fprintf(out, "},\"rejected\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"peak\":%" PRIu64,
	        chan->rejected, chan->in_flight, chan->peak);
	fprintf(out, ",\"send_blocked_ns\":%" PRIu64 ",\"recv_blocked_ns\":%" PRIu64,
	        chan->send_blocked_ns, chan->recv_blocked_ns);
	fprintf(out, ",\"send_parks\":%" PRIu64 ",\"recv_parks\":%" PRIu64 "}", chan->send_parks,
	        chan->recv_parks);
}

static void write_json_subscriber(FILE *out, const struct leat_subscriber_stat *sub)
{
	static const char *const lags[] = { "wait", "skip", "evict" };

	fprintf(out, "{\"channel\":%" PRIu64 ",\"place\":%" PRIu32 ",\"name\":", sub->chan_id,
	        sub->place);
	leat_json_string(out, sub->name, strlen(sub->name));
	fprintf(out, ",\"lag\":\"%s\",\"evicted\":%s,\"holds_senders\":%s", lags[sub->lag],
	        sub->evicted ? "true" : "false", sub->holds_senders ? "true" : "false");
	fprintf(out,
	        ",\"next\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"missed\":%" PRIu64
	        ",\"in_flight\":%" PRIu64 "}",
	        sub->next, sub->delivered, sub->missed, sub->in_flight);
}

/* The ids of channels that a thread has waited for. */
static void write_json_channels(FILE *out, const char *name, const uint64_t ids[LEAT_WAITS_MOST])
{
	fprintf(out, ",\"%s\":[", name);
	for (int i = 0; i < LEAT_WAITS_MOST && ids[i] != 0; i++)
		fprintf(out, "%s%" PRIu64, i == 0 ? "" : ",", ids[i]);
	fputc(']', out);
}

static void write_json_generator(FILE *out, const struct leat_gen_stat *gen)
{
	fprintf(out, "{\"id\":%" PRIu64 ",\"channel\":%" PRIu64 ",\"name\":", gen->id,
	        gen->chan_id);
	leat_json_string(out, gen->name, strlen(gen->name));
	fprintf(out, ",\"cause\":\"%s\",\"code\":%d,\"text\":", leat_cause_name(gen->cause),
	        gen->code);
	leat_json_string(out, gen->text, strlen(gen->text));
	fprintf(out,
	        ",\"began_ns\":%" PRId64 ",\"busy_ns\":%" PRIu64 ",\"starved_ns\":%" PRIu64
	        ",\"blocked_ns\":%" PRIu64 ",\"order_ns\":%" PRIu64 ",\"paced_ns\":%" PRIu64,
	        gen->began_ns, gen->busy_ns, gen->starved_ns, gen->blocked_ns, gen->order_ns,
	        gen->paced_ns);
	fprintf(out, ",\"cpu_ns\":%" PRIu64 ",\"runq_ns\":%" PRIu64, gen->cpu_ns, gen->runq_ns);
	write_json_channels(out, "receives", gen->receives);
	write_json_channels(out, "sends", gen->sends);
	fprintf(out, ",\"waits_on\":%" PRIu64, gen->waits_on);
	fprintf(out, ",\"paced_by\":\"%s\"", leat_pace_name(gen->paced_by));
	fprintf(out, ",\"ended_ns\":%" PRId64 ",\"origin\":%s}", gen->ended_ns,
	        gen->origin ? "true" : "false");
}

static void write_json_pool(FILE *out, const struct leat_pool_stat *pool)
{
	fprintf(out, "{\"id\":%" PRIu64 ",\"name\":", pool->id);
	leat_json_string(out, pool->name, strlen(pool->name));
	fprintf(out, ",\"workers\":%u,\"generators\":%" PRIu64 ",\"turns\":%" PRIu64, pool->workers,
	        pool->generators, pool->turns);
	fprintf(out, ",\"offered\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dropped\":{",
	        pool->offered, pool->delivered);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		fprintf(out, "%s\"%s\":%" PRIu64, reason == 0 ? "" : ",",
		        leat_drop_name((enum leat_drop)reason), pool->dropped[reason]);
	fprintf(out,
	        "},\"in_flight\":%" PRIu64 ",\"long_ns\":%" PRId64 ",\"long_id\":%" PRIu64
	        ",\"long_name\":",
	        pool->in_flight, pool->long_ns, pool->long_id);
	leat_json_string(out, pool->long_name, strlen(pool->long_name));
	fprintf(out,
	        ",\"began_ns\":%" PRId64 ",\"busy_ns\":%" PRIu64 ",\"idle_ns\":%" PRIu64
	        ",\"busiest_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"runq_ns\":%" PRIu64 "}",
	        pool->began_ns, pool->busy_ns, pool->idle_ns, pool->busiest_ns, pool->cpu_ns,
	        pool->runq_ns);
}

static void write_json_snapshot(FILE *out, const struct leat_snapshot *snapshot,
                                const struct leat_exporter *exporter)
{
	fprintf(out, "{\"time_ns\":%" PRId64 ",\"channels\":[", snapshot->time_ns);
	for (size_t c = 0; c < snapshot->channels_count; c++) {
		fputs(c == 0 ? "" : ",", out);
		write_json_channel(out, &snapshot->channels[c]);
	}
	fputs("],\"subscribers\":[", out);
	for (size_t s = 0; s < snapshot->subscribers_count; s++) {
		fputs(s == 0 ? "" : ",", out);
		write_json_subscriber(out, &snapshot->subscribers[s]);
	}
	fputs("],\"generators\":[", out);
	for (size_t g = 0; g < snapshot->generators_count; g++) {
		fputs(g == 0 ? "" : ",", out);
		write_json_generator(out, &snapshot->generators[g]);
	}
	fputs("],\"pools\":[", out);
	for (size_t p = 0; p < snapshot->pools_count; p++) {
		fputs(p == 0 ? "" : ",", out);
		write_json_pool(out, &snapshot->pools[p]);
	}
	fputs("],\"exits\":{", out);
	for (int cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++)
		fprintf(out, "%s\"%s\":%" PRIu64, cause == LEAT_COMPLETED ? "" : ",",
		        leat_cause_name((enum leat_cause)cause), snapshot->exits[cause]);
	fprintf(out,
	        "},\"causes_later\":%" PRIu64 ",\"untold\":%" PRIu64 ",\"waits_unfenced\":%" PRIu64
	        ",\"cores\":%" PRIu32 ",\"export_errors\":{\"prometheus\":%" PRIu64
	        ",\"json\":%" PRIu64 "}}\n",
	        snapshot->causes_later, snapshot->untold, snapshot->waits_unfenced, snapshot->cores,
	        exporter->prometheus_errors, exporter->json_errors);
}

/*
 * Takes away what a full disk has left of a line. Where that can't be (the file is a pipe, or
 * another process has appended since), sets *torn: the next line begins with a line feed.
 */
static void remove_torn_line(int fd, size_t written, bool *torn)
{
	struct stat stat;
	off_t at = lseek(fd, 0, SEEK_CUR); /* the end of what this write has appended */

	if (written == 0)
		return;
	*torn = !(fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && at == stat.st_size &&
	          ftruncate(fd, at - (off_t)written) == 0);
}

static int append_line(int fd, const char *text, size_t len, bool *torn)
{
	size_t written = 0;

	while (written < len) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, text + written, len - written));
		int rc = n < 0 ? -errno : -ENOSPC; /* a write of nothing has no errno */

		if (n <= 0) {
			remove_torn_line(fd, written, torn);
			return rc;
		}
		written += (size_t)n;
	}
	*torn = false;
	return 0;
}

static int open_json(const char *path)
{
	int fd = TEMP_FAILURE_RETRY(
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));

	return fd < 0 ? -errno : fd;
}

static int append_to(const char *path, const char *text, size_t len, bool *torn)
{
	int fd = open_json(path), rc;

	if (fd < 0)
		return fd;
	rc = append_line(fd, text, len, torn);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

int leat_diag_write_json(struct leat_exporter *exporter, const char *path,
                         const struct leat_snapshot *snapshot)
{
	int saved = errno, rc = -ENOMEM;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out != NULL) {
		if (exporter->json_torn)
			fputc('\n', out);
		write_json_snapshot(out, snapshot, exporter);
		rc = leat_diag_close_export(out);
		if (rc == 0)
			rc = append_to(path, text, len, &exporter->json_torn);
	}
	free(text);
	exporter->json_errors += rc < 0;
	errno = saved;
	return rc;
}

int leat_diag_check_json(const char *path)
{
	int saved = errno, fd = open_json(path);

	if (fd >= 0)
		close(fd);
	errno = saved;
	return fd < 0 ? fd : 0;
}
