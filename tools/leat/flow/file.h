/*
 * tools/leat/flow/file.h: what the sink `file` does besides writing: sync:yes, sync:TIME,
 * reopen:yes.
 *
 * Reopening. leat_run_reopen() only counts a request, and notifies the sink; the sink's thread
 * does the rest, between two lines: it opens the path, writes what it holds to the old file, and
 * closes that. So each line is in one of both files, whole. Where the path cannot be opened, the
 * old file is written on.
 *
 *     H1  leat_run_reopen() counts a request, then makes its descriptor readable  ->  H1  the sink
 *         reads the descriptor, then the count: it misses no request when it waits
 *
 * A sink without these keys waits in its channel, as all others do; with them it waits for the
 * descriptors of both, which epoll(7) makes one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_FILE_H
#define LEAT_TOOLS_LEAT_FLOW_FILE_H

#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/out.h"

/* Belongs to the thread of the sink. */
struct leat_file {
	struct leat_member *member;
	const struct leat_stage *stage;
	struct leat_out *out;
	bool active; /* it has one of the keys */
	bool syncs;
	int64_t sync_ns;  /* how long lines may be without a sync; 0: until the end */
	int64_t dirty_ns; /* since when there are lines that are not on the disk; 0: there are none
	                   */
	uint64_t seen;    /* requests to reopen */
	int wait_fd; /* readable when the receiver's descriptor or that of requests is; or -1 */
};

void leat_file_init(struct leat_file *file, struct leat_member *member, struct leat_out *out);
/*
 * After lines were put: reopens, and syncs, where it is time for that. Returns 0, or an error of
 * writing.
 */
int leat_file_check(struct leat_file *file);
/* Waits until there may be something to receive, with an empty buffer. Returns as the check. */
int leat_file_wait(struct leat_file *file);
/* The end: what is written is on the disk if it has to be, and the file is closed. */
int leat_file_end(struct leat_file *file);
/* Whether or not that came: nothing waits any more. */
void leat_file_fini(struct leat_file *file);

#endif
