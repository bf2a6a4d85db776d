/*
 * runtime/diag/diag.h: the exporters of the diagnostics thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_DIAG_H
#define LEAT_RUNTIME_DIAG_DIAG_H

#include <leat/diag.h>

/* The Prometheus text format, written beside path and moved over it. 0 or -errno. */
int leat_diag_write_prometheus(const char *path, const struct leat_snapshot *snapshot);

/* One JSON object and a line feed, appended. 0 or -errno. */
int leat_diag_write_json(const char *path, const struct leat_snapshot *snapshot);
/* Whether the file can be appended to: 0 or -errno. */
int leat_diag_check_json(const char *path);

#endif
