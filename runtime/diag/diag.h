/*
 * runtime/diag/diag.h: the exporters of the diagnostics thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_DIAG_H
#define LEAT_RUNTIME_DIAG_DIAG_H

#include "runtime/diag/totals.h"

#include <leat/diag.h>

/* How many snapshots could not be written. */
struct leat_export_errors {
	uint64_t prometheus, json;
	bool json_torn; /* the file ends within a line */
};

/*
 * Writes a snapshot in the Prometheus text format into a file beside path, and moves that over it:
 * readers find one whole file or the other. Returns 0 or -errno.
 */
int leat_diag_write_prometheus(const char *path, const struct leat_snapshot *snapshot,
                               const struct leat_totals *totals,
                               const struct leat_export_errors *errors);

/*
 * Appends a snapshot to the file as one JSON object and a line feed. Returns 0 or -errno. After an
 * error the file ends as before, or, if that can't be, json_torn says that the next line has to
 * begin anew.
 */
int leat_diag_write_json(const char *path, const struct leat_snapshot *snapshot,
                         struct leat_export_errors *errors);
/* Whether the file can be appended to: 0 or -errno. */
int leat_diag_check_json(const char *path);

#endif
