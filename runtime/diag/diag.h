/*
 * runtime/diag/diag.h: the exporters of the diagnostics thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_DIAG_H
#define LEAT_RUNTIME_DIAG_DIAG_H

#include "runtime/diag/counters_file.h"
#include "runtime/diag/totals.h"

#include <leat/diag.h>

#include <stdio.h>

/* What a diagnostics thread keeps from one export to the next. All zero: before the first. */
struct leat_exporter {
	struct leat_totals totals, gen_totals; /* of the Prometheus file: channels, generators */
	int64_t started_ns;                    /* when the process started (leat_os_started_ns()) */
	uint64_t prometheus_errors, json_errors; /* snapshots that could not be written */
	bool json_torn;                          /* the JSON file ends within a line */
};

/*
 * Adds the snapshot to the totals, writes it in the Prometheus text format into a file beside path,
 * and moves that over path: readers find one whole file or the other. Returns 0 or -errno.
 */
int leat_diag_write_prometheus(struct leat_exporter *exporter, const char *path,
                               const struct leat_snapshot *snapshot);

/*
 * Appends a snapshot to the file as one JSON object and a line feed. Returns 0 or -errno. After an
 * error the file ends as before, or, if that can't be, json_torn says that the next line has to
 * begin anew.
 */
int leat_diag_write_json(struct leat_exporter *exporter, const char *path,
                         const struct leat_snapshot *snapshot);
/* Whether the file can be appended to: 0 or -errno. */
int leat_diag_check_json(const char *path);

/*
 * A leat_diag_start() whose thread takes a snapshot less often if snapshots are long: 5 % of the
 * time at the most. NULL: why is the reason.
 */
struct leat_diag *leat_diag_start_paced(const struct leat_diag_opts *opts,
                                        char why[LEAT_COUNTERS_WHY]);

/* Closes the file. Returns 0, or the first -errno of all that was written to it. */
int leat_diag_close_export(FILE *out);

#endif
