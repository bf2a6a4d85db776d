/*
 * runtime/diag/diag.h: the exporters of the diagnostics thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_DIAG_H
#define LEAT_RUNTIME_DIAG_DIAG_H

#include <leat/diag.h>

/*
 * Writes the Prometheus text format to a new file beside path, then renames it to path. Returns 0
 * or -errno.
 */
int leat_diag_write_prometheus(const char *path, const struct leat_snapshot *snapshot);

/* Appends one JSON object and a line feed. Returns 0 or -errno. */
int leat_diag_write_json(const char *path, const struct leat_snapshot *snapshot);
/* Opens the file for appending, and closes it. Returns 0 or -errno. */
int leat_diag_check_json(const char *path);

#endif
