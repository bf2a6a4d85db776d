/*
 * runtime/io/hub.h: the one inotify instance of the process, for all follows.
 *
 * The kernel gives a user few instances (fs.inotify.max_user_instances, most often 128) and many
 * watches. So all follows share an instance, which one thread reads, the hub. The first watcher
 * opens the hub; the last one that leaves joins its thread and closes its descriptors.
 *
 * inotify has one watch for each inode of an instance, for all its watchers. So a watch here lists
 * what its watchers want of it, each for itself. The kernel's mask is the union of what was ever
 * asked for; it is only added to.
 *
 * Invariant: a change after leat_watcher_add() has returned raises news of each watcher that the
 * watch is for. If not: the watcher would read, find nothing, and sleep beside data. How it is
 * kept: leat_watcher_add() makes the kernel's watch and lists the watcher under the hub's lock; the
 * hub takes the lock after it has read an event. So an event that the kernel queues after the
 * watch was made finds the watcher in the list. Events that are older may find it, too, which does
 * no harm.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_HUB_H
#define LEAT_RUNTIME_IO_HUB_H

#include "runtime/gen/news.h"

/* The bits of a watcher's news. */
enum {
	LEAT_WATCH_CHANGED = 1,
	/* a directory is not where it was, a watched inode is gone, or events were lost */
	LEAT_WATCH_DISPLACED = 2
};

struct leat_hub;
struct leat_want;

struct leat_watcher {
	struct leat_news news;
	struct leat_hub *hub;
	/* guarded by the hub's lock, as the two that follow: */
	struct leat_want *wants;
	struct leat_watcher *prev, *next;
};

/* Opens the hub, or joins it. Returns 0 or -errno; *reason says more of it, or is NULL. */
int leat_watcher_enter(struct leat_watcher *watcher, const char **reason);
/* Gives up all watches. All zero is a watcher that has not entered, for which this does nothing. */
void leat_watcher_leave(struct leat_watcher *watcher);

/*
 * Watches the inode that fd is open at, for these events of inotify(7); for IN_ONLYDIR it must be a
 * directory. Without /proc it watches what the path names. Returns 0 or -errno.
 */
int leat_watcher_add_fd(struct leat_watcher *watcher, int fd, const char *path, uint32_t events);
/* The same for what a path names. */
int leat_watcher_add(struct leat_watcher *watcher, const char *path, uint32_t events);

/* Between these two all watches are made anew; those that are not are given up at the end. */
void leat_watcher_renew_begin(struct leat_watcher *watcher);
void leat_watcher_renew_end(struct leat_watcher *watcher);

#endif
