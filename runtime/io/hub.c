/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/io/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one watcher wants of one watch. */
struct leat_want {
	struct leat_want *next;              /* of its watcher */
	struct leat_want *prev_of, *next_of; /* of its watch */
	struct leat_watcher *watcher;
	struct watch *watch;
	uint32_t events;
	bool renewed;
};

/* A watch of the kernel's: of one inode. */
struct watch {
	struct watch *next; /* in its bucket */
	int wd;
	struct leat_want *wants;
};

struct leat_hub {
	unsigned users; /* guarded by current_lock */
	int inotify_fd;
	int stop_flag;
	struct leat_thread thread;
	struct leat_mutex lock; /* guards all below, and makes and removes watches */
	struct leat_watcher *watchers;
	struct watch **buckets; /* a power of two of them, by wd */
	size_t bucket_count, watch_count;
};

static struct leat_mutex current_lock = LEAT_MUTEX_INIT;
static struct leat_hub *current; /* guarded by current_lock */

#define LEAST_BUCKETS 16

/* How long the hub rests when all that it read was known: events merge in the queue meanwhile. */
#define REST_NS INT64_C(200000)

#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF)
#define LEAVING_EVENTS (IN_DELETE | IN_MOVED_FROM)

/* --- watches; caller holds hub->lock --- */

static struct watch **find_watch(struct leat_hub *hub, int wd)
{
	struct watch **at = &hub->buckets[(size_t)wd & (hub->bucket_count - 1)];

	while (*at != NULL && (*at)->wd != wd)
		at = &(*at)->next;
	return at;
}

/* Twice as many buckets, if there is memory: without, they only become longer. */
static void grow_buckets(struct leat_hub *hub)
{
	size_t old_count = hub->bucket_count;
	struct watch **old = hub->buckets;
	struct watch **grown = leat_os_alloc(2 * old_count * sizeof(struct watch *), 0);
	struct watch *watch, **at;

	if (grown == NULL)
		return;
	hub->buckets = grown;
	hub->bucket_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++)
		while ((watch = old[i]) != NULL) {
			old[i] = watch->next;
			watch->next = NULL;
			at = find_watch(hub, watch->wd);
			*at = watch;
		}
	leat_os_free(old);
}

/* Takes a want off its watch's list. */
static void unlink_want(struct leat_want *want)
{
	if (want->prev_of != NULL)
		want->prev_of->next_of = want->next_of;
	else
		want->watch->wants = want->next_of;
	if (want->next_of != NULL)
		want->next_of->prev_of = want->prev_of;
}

static void forget_watch(struct leat_hub *hub, struct watch *watch)
{
	struct watch **at = find_watch(hub, watch->wd);

	*at = watch->next;
	hub->watch_count--;
	leat_os_free(watch);
}

/* Frees a want that is on its watcher's list no more. The last one of a watch removes the watch. */
static void drop_want(struct leat_hub *hub, struct leat_want *want)
{
	struct watch *watch = want->watch;

	unlink_want(want);
	leat_os_free(want);
	if (watch->wants != NULL)
		return;
	inotify_rm_watch(hub->inotify_fd, watch->wd); /* fails where the inode is gone: so be it */
	forget_watch(hub, watch);
}

/* Drops the wants of the watcher that were not renewed, or all. */
static void drop_wants(struct leat_watcher *watcher, bool all)
{
	struct leat_want **at = &watcher->wants, *want;

	while ((want = *at) != NULL) {
		if (want->renewed && !all) {
			at = &want->next;
			continue;
		}
		*at = want->next;
		drop_want(watcher->hub, want);
	}
}

/* The kernel has removed the watch of an inode that is gone. */
static void drop_gone_watch(struct leat_hub *hub, struct watch *watch)
{
	struct leat_want *want;

	while ((want = watch->wants) != NULL) {
		struct leat_want **at = &want->watcher->wants;

		while (*at != want)
			at = &(*at)->next;
		*at = want->next;
		unlink_want(want);
		leat_os_free(want);
	}
	forget_watch(hub, watch);
}

/* --- events, on the hub's thread --- */

/* What an event means for who wants this. 0: nothing. */
static uint32_t read_meaning(const struct leat_want *want, const struct inotify_event *event)
{
	if (event->mask & (IN_IGNORED | IN_UNMOUNT))
		return LEAT_WATCH_CHANGED | LEAT_WATCH_DISPLACED;
	if (!(event->mask & want->events))
		return 0;
	if (event->mask & SELF_EVENTS)
		return LEAT_WATCH_CHANGED | LEAT_WATCH_DISPLACED;
	if (event->mask & LEAVING_EVENTS)
		/* of a parent: only directories matter */
		return event->mask & IN_ISDIR ? LEAT_WATCH_CHANGED | LEAT_WATCH_DISPLACED : 0;
	/* Whatever its name: it may be a link in the middle of the path. */
	return LEAT_WATCH_CHANGED;
}

/* Both return whether news came to a watcher that had none. */
static bool tell_all(struct leat_hub *hub)
{
	bool was_news = false;

	for (struct leat_watcher *watcher = hub->watchers; watcher != NULL; watcher = watcher->next)
		was_news |=
			leat_news_raise(&watcher->news, LEAT_WATCH_CHANGED | LEAT_WATCH_DISPLACED);
	return was_news;
}

static bool deliver_event(struct leat_hub *hub, const struct inotify_event *event)
{
	bool was_news = false;
	struct watch *watch;

	if (event->mask & IN_Q_OVERFLOW)
		return tell_all(hub);
	watch = *find_watch(hub, event->wd);
	if (watch == NULL)
		return false; /* it was given up meanwhile */
	for (struct leat_want *want = watch->wants; want != NULL; want = want->next_of) {
		uint32_t bits = read_meaning(want, event);

		if (bits != 0)
			was_news |= leat_news_raise(&want->watcher->news, bits);
	}
	if (event->mask & IN_IGNORED)
		drop_gone_watch(hub, watch);
	return was_news;
}

/* Reads the events that there are. Returns whether they were news to a watcher. */
static bool read_events(struct leat_hub *hub)
{
	char events[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	bool was_news = false;
	ssize_t n;

	n = TEMP_FAILURE_RETRY(read(hub->inotify_fd, events, sizeof(events)));
	leat_mutex_lock(&hub->lock);
	for (char *at = events; at < events + n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)at;
		was_news |= deliver_event(hub, event);
	}
	leat_mutex_unlock(&hub->lock);
	return was_news;
}

static void run_hub(void *arg)
{
	struct leat_hub *hub = arg;
	struct pollfd fds[2] = { { .fd = hub->stop_flag, .events = POLLIN },
		                 { .fd = hub->inotify_fd, .events = POLLIN } };

	for (;;) {
		int n = leat_os_poll(fds, 2, LEAT_NEVER);

		if (n > 0 && fds[0].revents != 0)
			return;
		if (n > 0 && !read_events(hub))
			leat_os_poll(fds, 1, leat_now_ns() + REST_NS);
	}
}

/* --- opening and closing --- */

static void free_hub(struct leat_hub *hub)
{
	if (hub->inotify_fd >= 0)
		close(hub->inotify_fd);
	if (hub->stop_flag >= 0)
		leat_os_flag_close(hub->stop_flag);
	leat_os_free(hub->buckets);
	leat_os_free(hub);
}

static int open_hub(struct leat_hub *hub, const char **reason)
{
	int rc;

	leat_mutex_init(&hub->lock);
	hub->bucket_count = LEAST_BUCKETS;
	hub->buckets = leat_os_alloc(LEAST_BUCKETS * sizeof(struct watch *), 0);
	if (hub->buckets == NULL)
		return -ENOMEM;
	hub->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (hub->inotify_fd < 0) {
		rc = -errno;
		if (rc == -EMFILE)
			*reason = "no inotify instance (ulimit -n, fs.inotify.max_user_instances)";
		return rc;
	}
	hub->stop_flag = leat_os_flag_open();
	if (hub->stop_flag < 0)
		return hub->stop_flag;
	return leat_thread_start(&hub->thread, run_hub, hub, "leat-follow", 0);
}

/* Caller holds current_lock. */
static int have_hub(const char **reason)
{
	struct leat_hub *hub;
	int rc;

	if (current != NULL)
		return 0;
	hub = leat_os_alloc(sizeof(*hub), 0);
	if (hub == NULL)
		return -ENOMEM;
	hub->inotify_fd = hub->stop_flag = -1;
	rc = open_hub(hub, reason);
	if (rc == 0)
		current = hub;
	else
		free_hub(hub);
	return rc;
}

int leat_watcher_enter(struct leat_watcher *watcher, const char **reason)
{
	struct leat_hub *hub = NULL;
	int rc;

	*reason = NULL;
	leat_mutex_lock(&current_lock);
	rc = have_hub(reason);
	if (rc == 0) {
		hub = current;
		hub->users++;
	}
	leat_mutex_unlock(&current_lock);
	if (rc < 0)
		return rc;
	leat_news_init(&watcher->news);
	watcher->hub = hub;
	watcher->wants = NULL;
	watcher->prev = NULL;
	leat_mutex_lock(&hub->lock);
	watcher->next = hub->watchers;
	if (watcher->next != NULL)
		watcher->next->prev = watcher;
	hub->watchers = watcher;
	leat_mutex_unlock(&hub->lock);
	return 0;
}

void leat_watcher_leave(struct leat_watcher *watcher)
{
	struct leat_hub *hub = watcher->hub;
	bool last;

	if (hub == NULL)
		return;
	leat_mutex_lock(&hub->lock);
	drop_wants(watcher, true);
	if (watcher->prev != NULL)
		watcher->prev->next = watcher->next;
	else
		hub->watchers = watcher->next;
	if (watcher->next != NULL)
		watcher->next->prev = watcher->prev;
	leat_mutex_unlock(&hub->lock);
	watcher->hub = NULL;
	leat_mutex_lock(&current_lock);
	last = --hub->users == 0;
	if (last)
		current = NULL; /* a watcher that enters from now on opens another */
	leat_mutex_unlock(&current_lock);
	if (!last)
		return;
	leat_os_flag_raise(hub->stop_flag);
	leat_thread_join(&hub->thread);
	free_hub(hub);
}

/* --- adding; caller holds hub->lock --- */

/* Makes the kernel's watch. Returns its number or -errno. */
static int make_watch(const struct leat_hub *hub, int fd, const char *path, uint32_t events)
{
	char open_path[64];
	int wd;

	snprintf(open_path, sizeof(open_path), "/proc/self/fd/%d", fd);
	wd = inotify_add_watch(hub->inotify_fd, open_path, events | IN_MASK_ADD);
	if (wd < 0 && errno == ENOENT)
		wd = inotify_add_watch(hub->inotify_fd, path, events | IN_MASK_ADD);
	return wd < 0 ? -errno : wd;
}

/* Returns the watch of that number, which is made of *spare if it is new. */
static struct watch *place_watch(struct leat_hub *hub, int wd, struct watch **spare)
{
	struct watch **at = find_watch(hub, wd), *watch = *at;

	if (watch != NULL)
		return watch;
	watch = *at = *spare;
	*spare = NULL;
	watch->wd = wd;
	if (++hub->watch_count > hub->bucket_count)
		grow_buckets(hub);
	return watch;
}

/* Lists what the watcher wants of the watch, unless the list has it. */
static void place_want(struct leat_watcher *watcher, struct watch *watch, struct leat_want **spare)
{
	struct leat_want *want = *spare, *old;

	for (old = watcher->wants; old != NULL; old = old->next)
		if (old->watch == watch && old->events == want->events) {
			old->renewed = true;
			return;
		}
	*spare = NULL;
	want->renewed = true;
	want->watcher = watcher;
	want->watch = watch;
	want->next = watcher->wants;
	watcher->wants = want;
	want->next_of = watch->wants;
	if (want->next_of != NULL)
		want->next_of->prev_of = want;
	watch->wants = want;
}

int leat_watcher_add_fd(struct leat_watcher *watcher, int fd, const char *path, uint32_t events)
{
	struct leat_want *want = leat_os_alloc(sizeof(*want), 0);
	struct watch *watch = leat_os_alloc(sizeof(*watch), 0);
	int wd = -ENOMEM;

	if (want != NULL && watch != NULL) {
		want->events = events;
		leat_mutex_lock(&watcher->hub->lock);
		wd = make_watch(watcher->hub, fd, path, events);
		if (wd >= 0)
			place_want(watcher, place_watch(watcher->hub, wd, &watch), &want);
		leat_mutex_unlock(&watcher->hub->lock);
	}
	leat_os_free(want);
	leat_os_free(watch);
	return wd < 0 ? wd : 0;
}

/* Whether the path still names what is open at fd. */
static bool is_same(int fd, const char *path)
{
	struct stat open_now, named_now;

	return fstat(fd, &open_now) < 0 || stat(path, &named_now) < 0 ||
	       (open_now.st_dev == named_now.st_dev && open_now.st_ino == named_now.st_ino);
}

/*
 * The path is walked before the lock is taken, as a file system may take its time. So it is compared
 * afterwards: the path may name another inode by then.
 */
int leat_watcher_add(struct leat_watcher *watcher, const char *path, uint32_t events)
{
	int flags = O_PATH | O_CLOEXEC | (events & IN_ONLYDIR ? O_DIRECTORY : 0);
	bool same;
	int rc;

	do {
		int fd = TEMP_FAILURE_RETRY(open(path, flags));

		if (fd < 0)
			return -errno;
		rc = leat_watcher_add_fd(watcher, fd, path, events);
		same = is_same(fd, path);
		close(fd);
	} while (rc == 0 && !same);
	return rc;
}

void leat_watcher_renew_begin(struct leat_watcher *watcher)
{
	leat_mutex_lock(&watcher->hub->lock);
	for (struct leat_want *want = watcher->wants; want != NULL; want = want->next)
		want->renewed = false;
	leat_mutex_unlock(&watcher->hub->lock);
}

void leat_watcher_renew_end(struct leat_watcher *watcher)
{
	leat_mutex_lock(&watcher->hub->lock);
	drop_wants(watcher, false);
	leat_mutex_unlock(&watcher->hub->lock);
}
