/*
 * leat/export.h: figures of processes for Prometheus and its like, over HTTP. libleat-export.
 *
 * An exporter reads counters files (leat/counters.h) each time that it is asked, and writes what it
 * has read as OpenMetrics 1.0, or as the older text of Prometheus. `leat export` is this library as
 * a program: the processes that it exports open no socket, and do not know of it. A program that
 * exports its own figures links libleat-export:
 *
 *     struct leat_export *exporter = leat_export_start(&(struct leat_export_opts){ .own = true });
 *     ...                                 curl http://127.0.0.1:9464/metrics
 *     leat_export_stop(exporter);
 *
 * and one that has an HTTP server already writes the text itself:
 *
 *     exporter = leat_export_start(&(struct leat_export_opts){ .own = true, .listen = "" });
 *     ...
 *     leat_export_write(exporter, leat_export_negotiate(accept), file);
 *
 * docs/export.md has every metric, and what its labels are.
 *
 * Names. A series is of all objects of a name, so that objects that come and go make no new ones.
 * Of each process and kind (channels, generators, pools, subscribers) the first `names_most` names
 * have series of their own; further ones are summed as "(other names)", and
 * leat_export_folded_names says how many they are.
 *
 * Totals. While a process is exported none of its totals falls, and no name vanishes: a counters
 * file sums names of which nothing is left under "(other names)", and the exporter takes what it
 * has exported under a name off there, so that the sum over all names stays right.
 *
 * A process that has ended stays for `gone_ns` with its last figures, and leat_process_state says
 * "gone"; then its series end all at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_EXPORT_H
#define LEAT_EXPORT_H

#include <leat/base.h>

#include <stdio.h>

LEAT_BEGIN_DECLS

/* The layout of what is below, as LEAT_ABI is that of the core (leat/base.h). */
#define LEAT_EXPORT_ABI 1u

enum leat_export_format {
	LEAT_EXPORT_CLASSIC,    /* text/plain; version=0.0.4 */
	LEAT_EXPORT_OPENMETRICS /* application/openmetrics-text; version=1.0.0 */
};

struct leat_export_opts {
	/*
	 * ADDRESS:PORT, such as "127.0.0.1:9464" or "[::1]:9464", in numbers. Port 0: any that is
	 * free, see leat_export_port(). NULL: 127.0.0.1:9464, so nothing is exported to other
	 * machines unless an address here says so. "": no HTTP, only leat_export_write().
	 */
	const char *listen;
	/*
	 * Which: numbers of processes, or paths of counters files, as leat_counters_open() takes
	 * them. Copied. Those that are not there yet are looked for at each scrape. None, and no
	 * `own`: all processes of this user that keep counters, found anew at each scrape.
	 */
	const char *const *processes;
	size_t processes_count;
	/*
	 * The calling process, too. If it keeps no counters in its user's directory yet, the
	 * exporter starts a diagnostics thread that does, and stops it at the end.
	 */
	bool own;
	size_t names_most;    /* of each process and kind; 0: 1000 */
	int64_t gone_ns;      /* how long a process that has ended stays; 0: five minutes */
	uint64_t reserved[7]; /* zero */
};

/*
 * Starts an exporter, with one thread if it listens. NULL for opts means the defaults.
 *
 * Returns NULL; leat_open_error() is then -EINVAL (bad options; no such address as `listen` wants),
 * -EADDRINUSE and other errors of socket(2) and bind(2), -ENOMEM, -EAGAIN (no thread), -ELIBBAD
 * (compiled for another layout), and with `own` what leat_diag_start() has for a counters file.
 * leat_export_stop() frees it.
 */
LEAT_API struct leat_export *leat_export_start(const struct leat_export_opts *opts);

/*
 * Ends the thread, and drops clients that are being served. NULL does nothing. Not while another
 * thread is in a function with this exporter.
 */
LEAT_API void leat_export_stop(struct leat_export *exporter);

/* The port that it listens on; 0: it does not listen. */
LEAT_API uint16_t leat_export_port(const struct leat_export *exporter);

/*
 * Reads the figures and writes them, as a scrape does. Any thread may call it. Returns 0, or
 * -ENOMEM, or the error of writing, -EIO where that is not known.
 */
LEAT_API int leat_export_write(struct leat_export *exporter, enum leat_export_format format,
                               FILE *out);

/* Writes the name, type, unit and meaning of every metric, without figures. Returns as above. */
LEAT_API int leat_export_describe(enum leat_export_format format, FILE *out);

/* What a client is given whose request has this Accept header. NULL: it has none. */
LEAT_API enum leat_export_format leat_export_negotiate(const char *accept);
/* The Content-Type of a format. The string is static. */
LEAT_API const char *leat_export_content_type(enum leat_export_format format);

LEAT_API struct leat_export *leat_detail_export_start(unsigned abi,
                                                      const struct leat_export_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_export_start(...) \
	leat_detail_export_start( \
		LEAT_EXPORT_ABI << 16 | (unsigned)sizeof(struct leat_export_opts), __VA_ARGS__)

#endif
