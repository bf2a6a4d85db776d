/*
 * tools/leat/flow/walk.h: the regular files below a directory, in the order of their paths.
 *
 *     leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = "logs", .pattern = "*.log" });
 *     while ((rc = leat_walk_next(walk, &file)) != 0)
 *             if (rc < 0)
 *                     file.path could not be read: -rc says why; the walk goes on
 *             else
 *                     read file.fd, and close it
 *     leat_walk_close(walk);
 *
 * Order. Paths are compared byte by byte, with their slashes: "a.log" comes before "a/b.log", as
 * '.' is less than '/'. That is the order of a walk that sorts each directory by names, where those
 * of directories have a slash behind them.
 *
 * What is found. Symbolic links are not followed, but for the directory itself. Other kinds of
 * files are passed over. A file that has another kind, or is gone, when its turn comes is never
 * waited for: it is passed over, or its path could not be read.
 *
 * Costs. The walk holds one descriptor, whatever the depth, and a second one while it reads a
 * directory; paths may be of any length. It goes back to a parent by "..", and finds it by its path
 * if the directory was moved meanwhile. Memory: for each directory between the first one and the
 * current one, the names in it that are wanted.
 *
 * One thread uses a walk.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_WALK_H
#define LEAT_TOOLS_LEAT_FLOW_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct leat_walk;

/* The texts must live as long as the walk. */
struct leat_walk_opts {
	const char *dir;
	const char *pattern; /* of names, without their directories (glob(7), without escapes);
	                        NULL: all */
	bool sizes_only;     /* files are not opened */
	/* Asked for every name, and every few hundred while a directory is read. NULL: never. */
	bool (*stop)(void *arg);
	void *arg;
};

struct leat_walk_file {
	const char *path; /* it begins with that of the directory; valid until the next call */
	int fd; /* open for reading, without waiting, and the caller's to close; -1: not opened */
	uint64_t size; /* in bytes; of a path that could not be read, if it is known */
	dev_t dev;
	ino_t ino;
};

/* Opens the directory. Returns 0 or -errno. */
int leat_walk_open(struct leat_walk **walk, const struct leat_walk_opts *opts);
/*
 * Returns 1 with the next file; 0: there are no more; -ECANCELED: stop() returned true; another
 * -errno: the path could not be read.
 */
int leat_walk_next(struct leat_walk *walk, struct leat_walk_file *file);
void leat_walk_close(struct leat_walk *walk); /* NULL does nothing */

#endif
