/*
 * leat/detail/counters.h: the layout of a counters file (leat/counters.h), byte by byte, for
 * programs that read the file themselves. docs/counters.md has the same as a table, and the rules
 * for readers.
 *
 *     offset            what
 *     0                 struct leat_counters_head
 *     slots_offset      slots_count times struct leat_counters_slot: what each value is
 *     events_offset     events_count times struct leat_counters_file_event: a ring
 *     records_offset    struct leat_counters_file_record: records_used of them, records_most at
 * most
 *
 * Numbers have the byte order of the machine. A number is aligned to its size. The head has the
 * sizes and the offsets, and a reader uses these: a newer minor version may have longer structures,
 * whose first members are the ones below.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_COUNTERS_H
#define LEAT_DETAIL_COUNTERS_H

#include <leat/base.h>

#define LEAT_COUNTERS_MAGIC "leatcnt\n" /* 8 bytes */
#define LEAT_COUNTERS_ORDER 0x01020304u /* as the machine stores it */
#define LEAT_COUNTERS_MAJOR 1           /* another one has another layout */
#define LEAT_COUNTERS_MINOR 1           /* a greater one has more members at ends */

/* What this version writes. */
#define LEAT_COUNTERS_SLOTS_OFFSET 4096
#define LEAT_COUNTERS_SLOTS_MOST 128
#define LEAT_COUNTERS_EVENTS_OFFSET 12288
#define LEAT_COUNTERS_EVENTS_MOST 256
#define LEAT_COUNTERS_RECORDS_OFFSET 77824
#define LEAT_COUNTERS_RECORDS_MOST 4096
#define LEAT_COUNTERS_FILE_MOST \
	(LEAT_COUNTERS_RECORDS_OFFSET + LEAT_COUNTERS_RECORDS_MOST * 512) /* 2,174,976 bytes */

#define LEAT_COUNTERS_VALUES 32

/* In leat_counters_head.status. */
#define LEAT_COUNTERS_FILE_WRITTEN 1
#define LEAT_COUNTERS_FILE_CLOSED 2

/* The first 256 bytes do not change once the magic is there; the rest is under `sequence`. */
struct leat_counters_head {
	char magic[8];                /*   0 */
	uint32_t byte_order;          /*   8 */
	uint16_t major, minor;        /*  12  14 */
	uint32_t head_size;           /*  16  bytes of this structure; as with the sizes below */
	uint32_t slot_size;           /*  20 */
	uint32_t event_size;          /*  24 */
	uint32_t record_size;         /*  28 */
	uint64_t slots_offset;        /*  32 */
	uint64_t events_offset;       /*  40 */
	uint64_t records_offset;      /*  48 */
	uint32_t slots_count;         /*  56 */
	uint32_t events_count;        /*  60  places of the ring */
	uint32_t records_most;        /*  64 */
	uint32_t pid;                 /*  68  of the process that writes the file */
	uint64_t pid_namespace;       /*  72  the inode of its /proc/self/ns/pid; 0: not known */
	uint64_t start_ticks;         /*  80  field 22 of its /proc/PID/stat */
	int64_t start_ns;             /*  88  the same as time since 1970; 0: not known */
	char boot_id[40];             /*  96  of /proc/sys/kernel/random/boot_id, ended by 0 */
	char name[LEAT_NAME_MAX + 1]; /* 136  of the program, ended by 0 */
	uint32_t uid;                 /* 200 */
	uint32_t unused_a;            /* 204 */
	uint64_t unused_b[6];         /* 208 */
	uint64_t sequence;            /* 256  odd while what follows is written */
	int64_t time_ns;              /* 264  of the last snapshot: CLOCK_MONOTONIC; 0: none yet */
	int64_t wall_ns;              /* 272  the same since 1970 */
	int64_t interval_ns;          /* 280  until the next one */
	int64_t cost_ns;              /* 288  how long the snapshot before it took */
	uint64_t snapshots;           /* 296 */
	uint64_t status;              /* 304  LEAT_COUNTERS_FILE_WRITTEN, _CLOSED */
	uint64_t records_used;        /* 312  the records behind them are not there */
	uint64_t records_lost;        /* 320  objects that found no record */
	uint64_t events_total;        /* 328  the last has number events_total - 1 */
	uint64_t events_lost;         /* 336  events that the ring was spared */
	uint64_t exits[8];            /* 344  generators that ended, by enum leat_cause */
	uint64_t causes_later;        /* 408  as in struct leat_snapshot, like the next two */
	uint64_t untold;              /* 416 */
	uint64_t waits_unfenced;      /* 424 */
	uint64_t begun; /* 432  snapshots begun: not `snapshots` while records change */
	uint32_t cores; /* 440  that the process may use; 0: not known. From minor version 1 on */
	uint32_t unused_c[17]; /* 444 */
};

/* What a value of a record is. */
struct leat_counters_slot {
	uint32_t kind;   /*  0  enum leat_counters_kind */
	uint32_t place;  /*  4  in the values of a record of that kind */
	uint32_t type;   /*  8  enum leat_counters_type */
	uint32_t unused; /* 12 */
	char name[48];   /* 16  such as delivered_items, ended by 0 */
};

/* One object, or the sum of several of one name. */
struct leat_counters_file_record {
	uint64_t sequence;     /*   0  odd while the record is written */
	uint32_t generation;   /*   8  rises when the record gets another object */
	uint32_t kind;         /*  12  enum leat_counters_kind; 0: the record is free */
	uint64_t id;           /*  16  of the object; 0: a sum */
	uint64_t channel;      /*  24  a generator: the one that it feeds; a subscriber: its own */
	uint32_t count;        /*  32  how many objects are in it */
	uint32_t living;       /*  36  and how many of them have not ended */
	uint32_t flags;        /*  40  LEAT_COUNTERS_SUM, _ENDED */
	uint32_t values_count; /*  44 */
	int64_t opened_ns;     /*  48  of the first snapshot that had it: CLOCK_MONOTONIC */
	int64_t ended_ns;      /*  56  of the snapshot that had its end; 0: it lives */
	char name[LEAT_NAME_MAX + 1];          /*  64  ended by 0 */
	char text[LEAT_TEXT_MAX + 1];          /* 128  a generator's last words; ended by 0 */
	uint64_t values[LEAT_COUNTERS_VALUES]; /* 256 */
};

/* Number n is at place n % events_count. */
struct leat_counters_file_event {
	uint64_t sequence;            /*   0  odd while the event is written */
	uint64_t number;              /*   8  from 0 */
	int64_t time_ns;              /*  16  of the snapshot that found it */
	uint32_t type;                /*  24  enum leat_counters_event_type */
	uint32_t kind;                /*  28  of the object: enum leat_counters_kind */
	uint64_t id;                  /*  32 */
	uint64_t value;               /*  40  items that were dropped; nanoseconds of a wait */
	uint32_t cause;               /*  48  enum leat_cause; 0: none */
	int32_t code;                 /*  52  of the cause */
	uint64_t unused;              /*  56 */
	char name[LEAT_NAME_MAX + 1]; /*  64 */
	char text[LEAT_TEXT_MAX + 1]; /* 128 */
};

#ifdef __cplusplus
#define LEAT_COUNTERS_HOLDS(condition) static_assert(condition, "the layout of a counters file")
#else
#define LEAT_COUNTERS_HOLDS(condition) _Static_assert(condition, "the layout of a counters file")
#endif
#define LEAT_COUNTERS_AT(type, member, offset) \
	LEAT_COUNTERS_HOLDS(offsetof(type, member) == (offset))
#define LEAT_COUNTERS_SIZE(type, size) LEAT_COUNTERS_HOLDS(sizeof(type) == (size))
LEAT_COUNTERS_AT(struct leat_counters_head, pid, 68);
LEAT_COUNTERS_AT(struct leat_counters_head, name, 136);
LEAT_COUNTERS_AT(struct leat_counters_head, sequence, 256);
LEAT_COUNTERS_AT(struct leat_counters_head, waits_unfenced, 424);
LEAT_COUNTERS_AT(struct leat_counters_head, cores, 440);
LEAT_COUNTERS_SIZE(struct leat_counters_head, 512);
LEAT_COUNTERS_SIZE(struct leat_counters_slot, 64);
LEAT_COUNTERS_AT(struct leat_counters_file_record, values, 256);
LEAT_COUNTERS_SIZE(struct leat_counters_file_record, 512);
LEAT_COUNTERS_AT(struct leat_counters_file_event, name, 64);
LEAT_COUNTERS_SIZE(struct leat_counters_file_event, 256);
#undef LEAT_COUNTERS_AT
#undef LEAT_COUNTERS_SIZE
#undef LEAT_COUNTERS_HOLDS

#endif
