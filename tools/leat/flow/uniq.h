/*
 * tools/leat/flow/uniq.h: which lines came before: the one just before, or the last so many.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_UNIQ_H
#define LEAT_TOOLS_LEAT_FLOW_UNIQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The line before, in memory of its own. All zero: no line came. */
struct leat_uniq {
	bool any;
	char *text;
	size_t len, size; /* size: of the memory */
};

/* 1: the line differs from the one before it; 0: it does not; -ENOMEM, and nothing has changed. */
int leat_uniq_add(struct leat_uniq *uniq, const void *text, size_t len);
void leat_uniq_fini(struct leat_uniq *uniq);

/*
 * The last `most` different lines: each has its place in a circle, in the order in which they first
 * came. A line that comes again keeps its place.
 */
struct leat_recent_line;
struct leat_recent {
	size_t most;
	uint64_t came;                  /* different lines so far */
	struct leat_recent_line **ring; /* grows up to `most`, as lines come */
	size_t ring_size;
	/* a table of the ring's lines: open addressing; a power of two of places */
	struct leat_recent_line **places;
	size_t places_count;
};

/* most: from 1 to LEAT_RECENT_MAX. Nothing is allocated yet. */
#define LEAT_RECENT_MAX ((size_t)1 << 30)
void leat_recent_init(struct leat_recent *recent, size_t most);
/* 1: the line is none of the last `most`, and is from now on; 0: it is one; -ENOMEM. */
int leat_recent_add(struct leat_recent *recent, const void *text, size_t len);
void leat_recent_fini(struct leat_recent *recent);

#endif
