/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "export/export.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN "127.0.0.1:9464"
#define NAMES 1000
#define NAMES_MOST 1000000
#define GONE_NS INT64_C(300000000000)
#define OWN_INTERVAL_NS INT64_C(100000000)

static bool are_sound(const struct leat_export_opts *opts)
{
	uint64_t reserved = 0;

	for (size_t i = 0; i < sizeof(opts->reserved) / sizeof(opts->reserved[0]); i++)
		reserved |= opts->reserved[i];
	for (size_t i = 0; i < opts->processes_count; i++)
		if (opts->processes == NULL || opts->processes[i] == NULL ||
		    opts->processes[i][0] == '\0')
			return false;
	return reserved == 0 && opts->gone_ns >= 0 && opts->names_most <= NAMES_MOST &&
	       opts->processes_count < SIZE_MAX / sizeof(char *) - 1;
}

/* The process's own counters: those that it keeps already, or new ones. Returns 0, or -errno. */
static int keep_own(struct leat_export *exporter, const char *pid)
{
	struct leat_counters *counters = leat_counters_open(pid);
	bool kept = counters != NULL && leat_counters_info(counters)->state != LEAT_COUNTERS_GONE;

	leat_counters_close(counters);
	if (kept)
		return 0;
	exporter->diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = OWN_INTERVAL_NS, .counters_path = "" });
	return exporter->diag == NULL ? leat_open_error() : 0;
}

/* Copies what names the processes. Returns 0, or -errno. */
static int copy_whats(struct leat_export *exporter, const struct leat_export_opts *opts)
{
	char pid[16];
	int rc;

	exporter->whats = calloc(opts->processes_count + 1, sizeof(exporter->whats[0]));
	if (exporter->whats == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < opts->processes_count + opts->own; i++) {
		bool is_own = i == opts->processes_count;

		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		exporter->whats[i] = strdup(is_own ? pid : opts->processes[i]);
		if (exporter->whats[i] == NULL)
			return -ENOMEM;
		exporter->whats_count++;
		rc = is_own ? keep_own(exporter, pid) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int start(struct leat_export *exporter, const struct leat_export_opts *opts)
{
	const char *listen = opts->listen != NULL ? opts->listen : LISTEN;
	int rc = copy_whats(exporter, opts);

	exporter->opts = (struct leat_export_opts){
		.names_most = opts->names_most != 0 ? opts->names_most : NAMES,
		.gone_ns = opts->gone_ns != 0 ? opts->gone_ns : GONE_NS,
	};
	if (rc == 0 && listen[0] != '\0')
		rc = leat_export_serve(exporter, listen);
	return rc;
}

struct leat_export *leat_detail_export_start(unsigned abi, const struct leat_export_opts *opts)
{
	static const struct leat_export_opts defaults;
	struct leat_export *exporter;
	int saved = errno, rc;

	if (abi != (LEAT_EXPORT_ABI << 16 | (unsigned)sizeof(*opts)))
		return leat_detail_open_failed(-ELIBBAD);
	if (opts == NULL)
		opts = &defaults;
	if (!are_sound(opts))
		return leat_detail_open_failed(-EINVAL);
	exporter = calloc(1, sizeof(*exporter));
	if (exporter == NULL)
		return leat_detail_open_failed(-ENOMEM);
	pthread_mutex_init(&exporter->lock, NULL);
	rc = start(exporter, opts);
	if (rc < 0)
		leat_export_stop(exporter);
	errno = saved;
	return rc < 0 ? leat_detail_open_failed(rc) : exporter;
}

/* For callers that use the address, or another language: their layout is not checked. */
struct leat_export *(leat_export_start)(const struct leat_export_opts *opts)
{
	return leat_export_start(opts);
}

void leat_export_stop(struct leat_export *exporter)
{
	if (exporter == NULL)
		return;
	leat_export_end_serving(exporter);
	leat_export_processes_fini(exporter);
	leat_diag_stop(exporter->diag);
	for (size_t i = 0; i < exporter->whats_count; i++)
		free(exporter->whats[i]);
	free(exporter->whats);
	pthread_mutex_destroy(&exporter->lock);
	free(exporter);
}

uint16_t leat_export_port(const struct leat_export *exporter)
{
	return exporter->port;
}

/* Caller holds exporter->lock. */
static int render(struct leat_export *exporter, enum leat_export_format format, char **text,
                  size_t *size)
{
	FILE *out = open_memstream(text, size);
	int rc;

	if (out == NULL)
		return -ENOMEM;
	leat_export_collect(exporter);
	rc = leat_export_write_text(exporter, format, out);
	rc = fclose(out) != 0 || rc < 0 ? -ENOMEM : 0;
	if (rc < 0)
		free(*text);
	return rc;
}

int leat_export_render(struct leat_export *exporter, enum leat_export_format format, char **text,
                       size_t *size)
{
	int rc;

	pthread_mutex_lock(&exporter->lock);
	rc = render(exporter, format, text, size);
	pthread_mutex_unlock(&exporter->lock);
	return rc;
}

/* Without the lock: the file may be slow, and clients do not wait for it. */
int leat_export_write(struct leat_export *exporter, enum leat_export_format format, FILE *out)
{
	int saved = errno, rc;
	char *text;
	size_t size;

	rc = leat_export_render(exporter, format, &text, &size);
	if (rc == 0) {
		errno = 0;
		if (fwrite(text, 1, size, out) != size || fflush(out) != 0)
			rc = errno != 0 ? -errno : -EIO;
		free(text);
	}
	errno = saved;
	return rc;
}
