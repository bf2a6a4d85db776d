/*
 * leat/counters.h: reads the counters file of another process: what runs in it now, or what ran in
 * it when it was killed.
 *
 * A process that was started with LEAT_COUNTERS=1 in its environment, or whose leat_diag_opts has a
 * counters_path, keeps the figures of its channels, generators, pools and subscribers in a file in
 * memory (docs/counters.md). `leat ps` and `leat stat` show such files; the functions below are for
 * programs.
 *
 *     struct leat_counters *c = leat_counters_open("1234");      a process, or the path of a file
 *     const struct leat_counters_record *records;
 *     ...
 *     while (leat_counters_read(c) == 0) {
 *             size_t n = leat_counters_records(c, &records);
 *
 *             for (size_t i = 0; i < n; i++)
 *                     if (records[i].kind == LEAT_COUNTERS_CHANNEL)
 *                             show(records[i].name,
 *                                  records[i].values[LEAT_COUNTERS_CHAN_DELIVERED]);
 *             ...
 *     }
 *     leat_counters_close(c);
 *
 * The process that writes the file is not disturbed, and does not know of its readers. A reader
 * copies each record as the writer has left it: never one half before and one half after a change.
 *
 * Trust. The file is another program's. A reader believes no size, offset, number or text of it:
 * whatever its bytes are, and also while it is cut off, the functions below return figures or an
 * error. A text in a record ends within its array. It may have any bytes, so a program that shows
 * it on a terminal replaces what is not printable.
 *
 * One thread at a time uses a reader.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_COUNTERS_H
#define LEAT_COUNTERS_H

#include <leat/stat.h>

LEAT_BEGIN_DECLS

enum leat_counters_kind {
	LEAT_COUNTERS_CHANNEL = 1,
	LEAT_COUNTERS_GENERATOR,
	LEAT_COUNTERS_POOL,
	LEAT_COUNTERS_SUBSCRIBER,
	LEAT_COUNTERS_KINDS
};

enum leat_counters_type {
	LEAT_COUNTERS_TOTAL =
		1,          /* never falls; of a sum: over all objects, also those that ended */
	LEAT_COUNTERS_NOW,  /* a number now; of a sum: over those that live */
	LEAT_COUNTERS_MOST, /* of a sum: the greatest of those that live */
	LEAT_COUNTERS_STATE /* of one object; of a sum: 0 */
};

/* The values of a record of each kind, whose meanings are those of leat/stat.h. */
enum {
	LEAT_COUNTERS_CHAN_OFFERED,
	LEAT_COUNTERS_CHAN_DELIVERED,
	LEAT_COUNTERS_CHAN_DROPPED, /* and three more: by enum leat_drop */
	LEAT_COUNTERS_CHAN_REJECTED = LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROP_REASONS,
	LEAT_COUNTERS_CHAN_IN_FLIGHT,
	LEAT_COUNTERS_CHAN_CAPACITY,
	LEAT_COUNTERS_CHAN_PEAK,
	LEAT_COUNTERS_CHAN_SEND_BLOCKED,
	LEAT_COUNTERS_CHAN_RECV_BLOCKED,
	LEAT_COUNTERS_CHAN_SEND_PARKS,
	LEAT_COUNTERS_CHAN_RECV_PARKS,
	LEAT_COUNTERS_CHAN_SENDERS,
	LEAT_COUNTERS_CHAN_RECEIVERS,
	LEAT_COUNTERS_CHAN_ITEM_SIZE,
	LEAT_COUNTERS_CHAN_KIND,
	LEAT_COUNTERS_CHAN_CANCELED,
	LEAT_COUNTERS_CHAN_VALUES
};
enum {
	LEAT_COUNTERS_GEN_BUSY,
	LEAT_COUNTERS_GEN_STARVED,
	LEAT_COUNTERS_GEN_BLOCKED,
	LEAT_COUNTERS_GEN_ORDER,
	LEAT_COUNTERS_GEN_PACED,
	LEAT_COUNTERS_GEN_CPU,
	LEAT_COUNTERS_GEN_RUNQ,
	LEAT_COUNTERS_GEN_CAUSE,
	LEAT_COUNTERS_GEN_CODE, /* an int64_t */
	LEAT_COUNTERS_GEN_BEGAN,
	LEAT_COUNTERS_GEN_RECEIVES, /* and three more, the ids of channels; of a sum: 0 */
	LEAT_COUNTERS_GEN_SENDS = LEAT_COUNTERS_GEN_RECEIVES + LEAT_WAITS_MOST,
	LEAT_COUNTERS_GEN_WAITS_ON = LEAT_COUNTERS_GEN_SENDS + LEAT_WAITS_MOST,
	LEAT_COUNTERS_GEN_PACED_BY,
	LEAT_COUNTERS_GEN_ORIGIN, /* 1: it has failed itself */
	LEAT_COUNTERS_GEN_VALUES
};
enum {
	LEAT_COUNTERS_POOL_WORKERS,
	LEAT_COUNTERS_POOL_GENERATORS,
	LEAT_COUNTERS_POOL_TURNS,
	LEAT_COUNTERS_POOL_OFFERED,
	LEAT_COUNTERS_POOL_DELIVERED,
	LEAT_COUNTERS_POOL_DROPPED, /* and three more */
	LEAT_COUNTERS_POOL_IN_FLIGHT = LEAT_COUNTERS_POOL_DROPPED + LEAT_DROP_REASONS,
	LEAT_COUNTERS_POOL_LONG,
	LEAT_COUNTERS_POOL_LONG_ID, /* its name is the record's text */
	LEAT_COUNTERS_POOL_BUSY,
	LEAT_COUNTERS_POOL_IDLE,
	LEAT_COUNTERS_POOL_BUSIEST,
	LEAT_COUNTERS_POOL_CPU,
	LEAT_COUNTERS_POOL_RUNQ,
	LEAT_COUNTERS_POOL_BEGAN,
	LEAT_COUNTERS_POOL_VALUES
};
enum {
	LEAT_COUNTERS_SUB_DELIVERED,
	LEAT_COUNTERS_SUB_MISSED,
	LEAT_COUNTERS_SUB_IN_FLIGHT,
	LEAT_COUNTERS_SUB_NEXT,
	LEAT_COUNTERS_SUB_PLACE,
	LEAT_COUNTERS_SUB_LAG,
	LEAT_COUNTERS_SUB_EVICTED,
	LEAT_COUNTERS_SUB_HOLDS_SENDERS,
	LEAT_COUNTERS_SUB_VALUES
};

#define LEAT_COUNTERS_SUM 1u   /* a record of several objects of one name, see `count` */
#define LEAT_COUNTERS_ENDED 2u /* none of its objects lives: these are the last figures */

/*
 * An object. A process with many objects of one name has 16 of them in records of their own; the
 * others, and those that ended longest ago, are in a record with LEAT_COUNTERS_SUM, whose totals do
 * not fall. Where names are too many, those that ended are summed as "(other names)".
 */
struct leat_counters_record {
	enum leat_counters_kind kind;
	/* with `generation`: the same in two readings if it is the same object, or the same sum */
	uint32_t place, generation;
	uint32_t flags;
	uint32_t count, living; /* objects in it, and how many of these have not ended */
	uint64_t id;            /* of its object; 0: of a sum */
	/* a generator: of the channel that it sends into, 0: none; a subscriber: its broadcast's */
	uint64_t channel;
	/* of the first snapshot that had it, and of the one that had its end (0: it lives) */
	int64_t opened_ns, ended_ns;
	char name[LEAT_NAME_MAX + 1];
	char text[LEAT_TEXT_MAX + 1]; /* last words of a generator; a pool's longest turn's name */
	uint64_t values[32];
};

enum leat_counters_event_type {
	LEAT_COUNTERS_OPENED = 1,
	LEAT_COUNTERS_CLOSED,       /* completed or abandoned (`cause`); a channel: closed */
	LEAT_COUNTERS_BLOCKED_LONG, /* `value` ns: a full channel moved nothing; a pool's turn */
	LEAT_COUNTERS_DROPPED,      /* `value` items; the text says why */
	/* by its scope or its input: cancelled, past a deadline, or failed elsewhere (`cause`) */
	LEAT_COUNTERS_CANCELED,
	LEAT_COUNTERS_STOPPED,
	LEAT_COUNTERS_FAILED, /* the failure began here; with its words */
	LEAT_COUNTERS_EVENT_TYPES
};

struct leat_counters_event {
	uint64_t number; /* from 0; numbers that are missing were written over */
	int64_t time_ns; /* of the snapshot that found it */
	enum leat_counters_event_type type;
	enum leat_counters_kind kind; /* of its object */
	uint64_t id, value;
	enum leat_cause cause;
	int code;
	char name[LEAT_NAME_MAX + 1];
	char text[LEAT_TEXT_MAX + 1];
};

enum leat_counters_state {
	LEAT_COUNTERS_RUNNING, /* the process lives, and has written its figures lately */
	LEAT_COUNTERS_STALLED, /* it lives, and is late with its figures: stopped, or starved */
	LEAT_COUNTERS_GONE,   /* it has ended, or has closed the file: these are the last figures */
	LEAT_COUNTERS_UNKNOWN /* it is in another container, and late with its figures */
};

/* The process, and the last reading. */
struct leat_counters_process {
	enum leat_counters_state state;
	uint32_t pid, uid;
	uint64_t start_ticks; /* when it started: field 22 of /proc/PID/stat */
	int64_t start_ns;     /* the same since 1970; 0: not known */
	char name[LEAT_NAME_MAX + 1];
	int64_t time_ns, wall_ns; /* of its last snapshot: on leat_now_ns()'s clock, since 1970 */
	int64_t interval_ns;      /* between snapshots */
	int64_t cost_ns;          /* that a snapshot took */
	uint64_t snapshots;
	uint64_t exits[LEAT_CAUSES]; /* this and the next four: as in struct leat_snapshot */
	uint64_t causes_later, untold, waits_unfenced;
	uint32_t cores;        /* 0: not known */
	uint64_t records_lost; /* objects that found no record in the file */
	uint64_t events_total, events_lost;
	/*
	 * What this reading lacks: records and events that the writer was busy with at each of many
	 * tries, or when it was killed; and whether the file is shorter than it says. mixed: the
	 * records are of two snapshots, so totals over several of them may be off.
	 */
	uint32_t torn;
	bool truncated, mixed;
};

/*
 * Opens the file of a process of this user, by its number in decimal ("1234"), or a file by its
 * path. Reads nothing yet.
 *
 * Returns NULL; leat_open_error() is then -ENOENT (no such file: the process keeps no counters),
 * -EPROTO (not a counters file, or not yet whole), -EPROTONOSUPPORT (one of another major version,
 * or of another byte order), -EPERM (the directory is not this user's alone), -ELOOP (a symbolic
 * link), -EINVAL (no regular file), or what open(2) says. leat_counters_close() frees it.
 */
LEAT_API struct leat_counters *leat_counters_open(const char *process_or_path);
LEAT_API void leat_counters_close(struct leat_counters *counters);

/*
 * Reads the file anew. Returns 0; or -EPROTO (it is no counters file any more), -ENOMEM, -EIO: then
 * the last reading stays. What the next functions give is valid until the next read, or close.
 */
LEAT_API int leat_counters_read(struct leat_counters *counters);
LEAT_API const struct leat_counters_process *leat_counters_info(
	const struct leat_counters *counters);
/* Store the array of the last reading, and return how many it has. Events: the oldest first. */
LEAT_API size_t leat_counters_records(const struct leat_counters *counters,
                                      const struct leat_counters_record **records);
LEAT_API size_t leat_counters_events(const struct leat_counters *counters,
                                     const struct leat_counters_event **events);

/*
 * Calls fn with the path of each file in a directory that has a name as a process gives it
 * (PID.STARTTIME), by rising numbers of processes. NULL: the directory of this user,
 * /dev/shm/leat.UID. Ends when fn returns another number than 0, and returns that. Returns 0 at the
 * end, also if this user has no such directory; -EPERM if that is not this user's alone; or -errno.
 */
typedef int leat_counters_fn(const char *path, void *arg);
LEAT_API int leat_counters_each(const char *directory, leat_counters_fn *fn, void *arg);

/*
 * The name of a value, such as "delivered_items" or "busy_ns", and its type. NULL, and 0: there is
 * none. Names of kinds ("channel"), event types ("opened") and states ("running"): "unknown" for
 * another value. The strings are static.
 */
LEAT_API const char *leat_counters_value_name(enum leat_counters_kind kind, unsigned value);
LEAT_API enum leat_counters_type leat_counters_value_type(enum leat_counters_kind kind,
                                                          unsigned value);
LEAT_API const char *leat_counters_kind_name(enum leat_counters_kind kind);
LEAT_API const char *leat_counters_event_name(enum leat_counters_event_type type);
LEAT_API const char *leat_counters_state_name(enum leat_counters_state state);

/*
 * Begins what LEAT_COUNTERS and LEAT_ENDS in the environment ask for, if anything. The first
 * channel, generator or pool of a process does that by itself; a program that counts its threads
 * calls this before.
 */
LEAT_API void leat_counters_begin(void);

LEAT_API struct leat_counters *leat_detail_counters_open(unsigned abi, const char *process_or_path);

LEAT_END_DECLS

#define leat_counters_open(process_or_path) \
	leat_detail_counters_open(leat_detail_abi(struct leat_counters_record), (process_or_path))

#endif
