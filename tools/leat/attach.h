/*
 * tools/leat/attach.h: another process that keeps counters, as `leat stat` and `leat why` look at
 * it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_ATTACH_H
#define LEAT_TOOLS_LEAT_ATTACH_H

#include <leat/counters.h>

/*
 * The reader of a process, by its number, or of a file. Waits for a second for a process that was
 * started a moment ago. NULL: leat_open_error() says why; attach_refused() says it to the user, and
 * returns the exit status.
 */
struct leat_counters *attach(const char *process_or_file);
int attach_refused(const char *process_or_file, int rc);

/* Whether the process goes on writing its figures. */
bool attached_is_live(const struct leat_counters *counters);
/*
 * Reads after the interval, or, if that is shorter than the one of the process, when there are
 * figures that are newer than of before_ns. Returns 0, or -errno.
 */
int attached_read_newer(struct leat_counters *counters, int64_t before_ns, int64_t interval_ns);

/* The value of an option, a number of seconds from 0.001 to 86400. Returns false, and says why not.
 */
bool read_seconds(int option, const char *text, int64_t *ns);

#endif
