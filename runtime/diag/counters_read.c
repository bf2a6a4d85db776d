/*
 * Reads counters files. A file is read by pread(2) into memory of the reader's own, and never
 * mapped: a file that is cut off meanwhile ends a read early, and raises no signal. What the file
 * says of itself is checked against bounds before it is used.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/counters_file.h"

#include <leat/atomic.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TRIES = 100,        /* each meets the writer in the middle of a record */
	TRIES_MOST = 10000, /* in one reading of a file */
	READINGS = 20,      /* each meets the writer in the middle of a snapshot */
	RECORDS_MOST = 65536,
	EVENTS_MOST = 4096,
	SIZE_MOST = 65536 /* of a structure of a newer version */
};
#define OFFSET_MOST (UINT64_C(1) << 40)

struct leat_counters {
	int fd;
	/* of this process: they stay what they are, so a reading does not ask for them again */
	char boot_id[LEAT_OS_BOOT_ID];
	uint64_t pid_namespace;
	struct leat_counters_process info;
	struct leat_counters_record *records;
	struct leat_counters_event *events;
	size_t records_count, records_room, events_count, events_room;
	unsigned tries_left; /* of this reading, beyond the first one of each structure */
};

/* Returns 0; -ENODATA where the file ends before; or -errno. */
static int read_all(int fd, void *to, size_t size, uint64_t offset)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = TEMP_FAILURE_RETRY(
			pread(fd, (char *)to + got, size - got, (off_t)(offset + got)));

		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		got += (size_t)n;
	}
	return 0;
}

/*
 * Copies a structure, whose first word is its sequence, as it is between two changes. Returns 0;
 * -EAGAIN if it changed at each try, and has copied it as it was at the last; -ENODATA for less
 * than all of it; or -errno.
 */
static int read_sequenced(struct leat_counters *counters, void *to, size_t size, uint64_t offset)
{
	const int fd = counters->fd;
	uint64_t before, after;

	for (int tries = 1;; tries++) {
		int rc = read_all(fd, &before, sizeof(before), offset);

		/* Q1: sequence before words; pairs with write_sequenced() */
		leat_fence_seq();
		if (rc == 0)
			rc = read_all(fd, to, size, offset);
		/* Q2: words before sequence; pairs with write_sequenced() */
		leat_fence_seq();
		if (rc == 0)
			rc = read_all(fd, &after, sizeof(after), offset);
		if (rc < 0 || (before == after && before % 2 == 0))
			return rc;
		if (tries == TRIES || counters->tries_left == 0)
			return -EAGAIN;
		counters->tries_left--;
		leat_os_yield(); /* the writer may need this core */
	}
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* Whether the sizes and offsets are such that no sum of them overflows, and none is too small. */
static bool head_is_sound(const struct leat_counters_head *head)
{
	return head->head_size >= offsetof(struct leat_counters_head, begun) &&
	       head->record_size >= sizeof(struct leat_counters_file_record) &&
	       head->event_size >= sizeof(struct leat_counters_file_event) &&
	       head->head_size <= SIZE_MOST && head->record_size <= SIZE_MOST &&
	       head->event_size <= SIZE_MOST && head->record_size % sizeof(uint64_t) == 0 &&
	       head->event_size % sizeof(uint64_t) == 0 && head->records_offset < OFFSET_MOST &&
	       head->events_offset < OFFSET_MOST && head->records_offset % sizeof(uint64_t) == 0 &&
	       head->events_offset % sizeof(uint64_t) == 0 && head->events_count > 0 &&
	       head->events_count <= EVENTS_MOST && head->records_most <= RECORDS_MOST &&
	       ends(head->boot_id, sizeof(head->boot_id)) && ends(head->name, sizeof(head->name));
}

/* The part of the head that does not change. Returns 0, -EPROTO, -EPROTONOSUPPORT or -errno. */
static int read_head(int fd, struct leat_counters_head *head)
{
	const size_t size = offsetof(struct leat_counters_head, sequence) - sizeof(head->magic);
	int rc = read_all(fd, head->magic, sizeof(head->magic), 0);

	/* Q3: magic before the rest; pairs with leat_counters_file_publish() */
	leat_fence_seq();
	if (rc == 0)
		rc = read_all(fd, &head->byte_order, size, sizeof(head->magic));
	if (rc < 0)
		return rc == -ENODATA ? -EPROTO : rc;
	if (memcmp(head->magic, LEAT_COUNTERS_MAGIC, sizeof(head->magic)) != 0)
		return -EPROTO;
	if (head->byte_order != LEAT_COUNTERS_ORDER || head->major != LEAT_COUNTERS_MAJOR)
		return -EPROTONOSUPPORT;
	return head_is_sound(head) ? 0 : -EPROTO;
}

/*
 * Both parts. Of a process that was killed in the middle of the second one, that is taken as it is:
 * what it says is checked in any case.
 */
static int read_heads(struct leat_counters *counters, struct leat_counters_head *head, bool *torn)
{
	const size_t from = offsetof(struct leat_counters_head, sequence);
	int rc = read_head(counters->fd, head);

	counters->tries_left = TRIES_MOST;
	if (rc == 0)
		rc = read_sequenced(counters, (char *)head + from, sizeof(*head) - from, from);
	*torn = rc == -EAGAIN;
	return rc == -EAGAIN ? 0 : rc == -ENODATA ? -EPROTO : rc;
}

/* A process of another container has a number that means nothing here: then its clock has to do. */
static enum leat_counters_state find_state(const struct leat_counters *counters,
                                           const struct leat_counters_head *head)
{
	const int64_t second_ns = 1000000000;
	int64_t interval_ns = head->interval_ns, age_ns;
	bool here = head->pid_namespace == counters->pid_namespace, late;

	if (head->status != LEAT_COUNTERS_FILE_WRITTEN ||
	    strcmp(counters->boot_id, head->boot_id) != 0)
		return LEAT_COUNTERS_GONE;
	if (here && leat_os_start_ticks(head->pid) != head->start_ticks)
		return LEAT_COUNTERS_GONE;
	if (interval_ns < 0 || interval_ns > INT64_MAX / 8)
		interval_ns = INT64_MAX / 8;
	if (__builtin_sub_overflow(leat_now_ns(), head->time_ns, &age_ns))
		age_ns = INT64_MAX;
	late = age_ns > second_ns + 3 * interval_ns;
	if (!late)
		return LEAT_COUNTERS_RUNNING;
	return here ? LEAT_COUNTERS_STALLED : LEAT_COUNTERS_UNKNOWN;
}

static void fill_info(struct leat_counters *counters, const struct leat_counters_head *head,
                      bool torn)
{
	struct leat_counters_process *info = &counters->info;

	*info = (struct leat_counters_process){
		.state = find_state(counters, head),
		.pid = head->pid,
		.uid = head->uid,
		.start_ticks = head->start_ticks,
		.start_ns = head->start_ns,
		.time_ns = head->time_ns,
		.wall_ns = head->wall_ns,
		.interval_ns = head->interval_ns,
		.cost_ns = head->cost_ns,
		.snapshots = head->snapshots,
		.causes_later = head->causes_later,
		.untold = head->untold,
		.waits_unfenced = head->waits_unfenced,
		.cores = head->cores,
		.records_lost = head->records_lost,
		.events_total = head->events_total,
		.events_lost = head->events_lost,
		.torn = torn,
	};
	memcpy(info->name, head->name, sizeof(info->name));
	memcpy(info->exits, head->exits, sizeof(info->exits));
}

_Static_assert(sizeof(((struct leat_counters_process *)0)->exits) <=
                       sizeof(((struct leat_counters_head *)0)->exits),
               "the file has a place for each cause");

/* Makes room for n elements. What was there is not kept. */
static bool make_room(void *array, size_t *room, size_t n, size_t size)
{
	void *memory, *old;

	if (n <= *room)
		return true;
	memory = leat_os_alloc(n * size, 0);
	if (memory == NULL)
		return false;
	memcpy(&old, array, sizeof(old));
	leat_os_free(old);
	memcpy(array, &memory, sizeof(memory));
	*room = n;
	return true;
}

static void copy_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size - 1] = '\0';
}

/* Stores a record, if there is an object in it, of a kind that this version knows. */
static void keep_record(struct leat_counters *counters, uint32_t place,
                        const struct leat_counters_file_record *from)
{
	struct leat_counters_record *to = &counters->records[counters->records_count];
	uint32_t values = from->values_count;

	if (from->kind == 0 || from->kind >= LEAT_COUNTERS_KINDS)
		return;
	*to = (struct leat_counters_record){ .kind = (enum leat_counters_kind)from->kind,
		                             .place = place,
		                             .generation = from->generation,
		                             .flags = from->flags,
		                             .count = from->count,
		                             .living = from->living,
		                             .id = from->id,
		                             .channel = from->channel,
		                             .opened_ns = from->opened_ns,
		                             .ended_ns = from->ended_ns };
	copy_text(to->name, from->name, sizeof(to->name));
	copy_text(to->text, from->text, sizeof(to->text));
	if (values > LEAT_COUNTERS_VALUES)
		values = LEAT_COUNTERS_VALUES;
	memcpy(to->values, from->values, values * sizeof(to->values[0]));
	counters->records_count++;
}

/* Counts what is torn, and notes what is not there. Returns whether to go on. */
static bool judge(struct leat_counters *counters, int rc)
{
	counters->info.torn += rc == -EAGAIN;
	counters->info.truncated |= rc == -ENODATA;
	return rc == 0 || rc == -EAGAIN;
}

static int read_records(struct leat_counters *counters, const struct leat_counters_head *head)
{
	uint64_t used = head->records_used;
	struct leat_counters_file_record record;

	counters->records_count = 0;
	if (used > head->records_most) {
		used = head->records_most;
		counters->info.truncated = true;
	}
	for (uint32_t i = 0; i < used; i++) {
		int rc = read_sequenced(counters, &record, sizeof(record),
		                        head->records_offset + (uint64_t)i * head->record_size);

		if (!judge(counters, rc))
			return rc == -ENODATA ? 0 : rc;
		if (rc == 0)
			keep_record(counters, i, &record);
	}
	return 0;
}

/* Stores an event, unless a later one has its place already. */
static void keep_event(struct leat_counters *counters, uint64_t number,
                       const struct leat_counters_file_event *from)
{
	struct leat_counters_event *to = &counters->events[counters->events_count];

	if (from->number != number || from->type == 0 || from->type >= LEAT_COUNTERS_EVENT_TYPES)
		return;
	*to = (struct leat_counters_event){ .number = number,
		                            .time_ns = from->time_ns,
		                            .type = (enum leat_counters_event_type)from->type,
		                            .kind = (enum leat_counters_kind)from->kind,
		                            .id = from->id,
		                            .value = from->value,
		                            .cause = (enum leat_cause)from->cause,
		                            .code = from->code };
	copy_text(to->name, from->name, sizeof(to->name));
	copy_text(to->text, from->text, sizeof(to->text));
	counters->events_count++;
}

static int read_events(struct leat_counters *counters, const struct leat_counters_head *head)
{
	uint64_t total = head->events_total;
	uint64_t count = total < head->events_count ? total : head->events_count;
	struct leat_counters_file_event event;

	counters->events_count = 0;
	for (uint64_t number = total - count; number != total; number++) {
		int rc = read_sequenced(counters, &event, sizeof(event),
		                        head->events_offset +
		                                number % head->events_count * head->event_size);

		if (!judge(counters, rc))
			return rc == -ENODATA ? 0 : rc;
		if (rc == 0)
			keep_event(counters, number, &event);
	}
	return 0;
}

static int make_rooms(struct leat_counters *counters, const struct leat_counters_head *head)
{
	uint64_t records =
		head->records_used < head->records_most ? head->records_used : head->records_most;

	return make_room(&counters->records, &counters->records_room, records,
	                 sizeof(*counters->records)) &&
	                       make_room(&counters->events, &counters->events_room,
	                                 head->events_count, sizeof(*counters->events))
	               ? 0
	               : -ENOMEM;
}

/* *mixed: the records may be of two snapshots. */
static int read_once(struct leat_counters *counters, bool *mixed)
{
	struct leat_counters_head head, after;
	struct leat_counters_process last = counters->info;
	bool torn, torn_after;
	int rc = read_heads(counters, &head, &torn);

	if (rc == 0)
		rc = make_rooms(counters, &head);
	if (rc < 0)
		return rc;
	fill_info(counters, &head, torn);
	rc = read_records(counters, &head);
	if (rc == 0)
		rc = read_events(counters, &head);
	if (rc == 0)
		rc = read_heads(counters, &after, &torn_after);
	*mixed = rc == 0 && (head.begun != head.snapshots || after.begun != head.begun);
	counters->info.mixed = *mixed;
	if (rc < 0)
		counters->info = last;
	return rc;
}

/* A snapshot takes the writer some microseconds for each object, so a reader soon finds it done. */
static int read_file(struct leat_counters *counters)
{
	bool mixed = false;
	int rc;

	for (int tries = 1;; tries++) {
		rc = read_once(counters, &mixed);
		if (rc < 0 || !mixed || tries == READINGS ||
		    counters->info.state == LEAT_COUNTERS_GONE)
			return rc;
		leat_os_yield();
	}
}

int leat_counters_read(struct leat_counters *counters)
{
	int saved = errno, rc = read_file(counters);

	errno = saved;
	return rc;
}

/* Returns the descriptor of a regular file, or -errno. */
static int open_file(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat found;
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &found) != 0 ? -errno : S_ISREG(found.st_mode) ? fd : -EINVAL;
	if (rc < 0)
		close(fd);
	return rc;
}

struct search {
	uint32_t pid;
	int fd;       /* of the file found; or -ENOENT */
	bool running; /* it is of the process that has the number now */
};

/* A leat_counters_fn: of several files of one number, that of the process that lives; else the
 * last. */
static int look_at(const char *path, void *arg)
{
	struct search *search = arg;
	const char *slash = strrchr(path, '/');
	uint64_t start_ticks;
	uint32_t pid;
	int fd;

	if (slash == NULL || !leat_counters_parse_name(slash + 1, &pid, &start_ticks) ||
	    pid != search->pid || search->running)
		return 0;
	fd = open_file(AT_FDCWD, path);
	if (fd < 0 && search->fd >= 0)
		return 0;
	if (search->fd >= 0)
		close(search->fd);
	search->fd = fd;
	search->running = fd >= 0 && leat_os_start_ticks(pid) == start_ticks;
	return 0;
}

/* The superuser finds the process of any user. */
static uint32_t user_of(uint32_t pid)
{
	uint32_t uid = geteuid();
	char path[32];
	struct stat found;

	snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	return uid == 0 && stat(path, &found) == 0 ? found.st_uid : uid;
}

static int open_process(uint32_t pid)
{
	struct search search = { .pid = pid, .fd = -ENOENT };
	char directory[LEAT_COUNTERS_DIRECTORY];
	int rc = leat_counters_each(NULL, look_at, &search);

	if (rc == 0 && search.fd < 0 && user_of(pid) != geteuid()) {
		leat_counters_directory(directory, user_of(pid));
		rc = leat_counters_each(directory, look_at, &search);
	}
	return rc < 0 ? rc : search.fd;
}

/* Returns a descriptor, or -errno. */
static int open_named(const char *process_or_path)
{
	size_t digits = strspn(process_or_path, "0123456789");
	uint32_t pid;

	if (digits == 0 || digits > 10 || process_or_path[digits] != '\0')
		return open_file(AT_FDCWD, process_or_path);
	return sscanf(process_or_path, "%" SCNu32, &pid) == 1 ? open_process(pid) : -ENOENT;
}

/* Returns 0 or -errno. The caller closes the reader in either case. */
static int open_reader(struct leat_counters *counters, const char *process_or_path)
{
	struct leat_counters_head head;
	bool torn;
	int rc;

	counters->fd = open_named(process_or_path);
	if (counters->fd < 0)
		return counters->fd;
	leat_os_boot_id(counters->boot_id);
	counters->pid_namespace = leat_os_pid_namespace();
	rc = read_heads(counters, &head, &torn);
	if (rc == 0)
		fill_info(counters, &head, torn);
	return rc;
}

struct leat_counters *leat_detail_counters_open(unsigned abi, const char *process_or_path)
{
	struct leat_counters *counters;
	int saved = errno, rc;

	if (abi != leat_detail_abi(struct leat_counters_record))
		return leat_open_failed(-ELIBBAD);
	if (process_or_path == NULL)
		return leat_open_failed(-EINVAL);
	counters = leat_os_alloc(sizeof(*counters), 0);
	if (counters == NULL)
		return leat_open_failed(-ENOMEM);
	rc = open_reader(counters, process_or_path);
	if (rc < 0)
		leat_counters_close(counters);
	errno = saved;
	return rc < 0 ? leat_open_failed(rc) : counters;
}

/* For callers that use the address, or another language: their layout is not checked. */
struct leat_counters *(leat_counters_open)(const char *process_or_path)
{
	return leat_counters_open(process_or_path);
}

void leat_counters_close(struct leat_counters *counters)
{
	if (counters == NULL)
		return;
	if (counters->fd >= 0)
		close(counters->fd);
	leat_os_free(counters->records);
	leat_os_free(counters->events);
	leat_os_free(counters);
}

const struct leat_counters_process *leat_counters_info(const struct leat_counters *counters)
{
	return &counters->info;
}

size_t leat_counters_records(const struct leat_counters *counters,
                             const struct leat_counters_record **records)
{
	*records = counters->records;
	return counters->records_count;
}

size_t leat_counters_events(const struct leat_counters *counters,
                            const struct leat_counters_event **events)
{
	*events = counters->events;
	return counters->events_count;
}
