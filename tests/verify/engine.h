/*
 * tests/verify/engine.h: the inside of the exploring scheduler.
 *
 *     sched.c   coroutines: which thread runs next, sleeping and waking
 *     memory.c  what a load may read, races, the lifetime of blocks
 *     os.c      runtime/os/os.h and liburcu on top of both
 *     search.c  which choices: depth first, at random, by priorities; replay, shrinking, the report
 *
 * All state of the engine is in mappings of its own, struct engine first. So the engine can restore
 * the program's data (the globals of the library and of the models) as a whole before each
 * execution.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_ENGINE_H
#define LEAT_TESTS_VERIFY_ENGINE_H

#include "tests/verify/verify.h"

#include <leat/atomic.h>

#include <stdarg.h>
#include <stdio.h>

enum {
	THREADS = 8,
	HISTORY = 8, /* the most that --history can ask for */
	STACK = 128 << 10,
	ARENA = 1 << 20,
	BLOCKS = 512,
	GRANULE = 64, /* blocks are at least so far apart */
	WORDS = 1 << 12, /* atomic words of an execution; a power of two */
	SPUN = 8,        /* words that a thread has read since its last pause */
	RECORDS = 20,    /* accesses to one cell of eight bytes that are remembered */
	NEAR = 4,        /* of these, in the cell itself, which is a line then */
	FARS = 1 << 12,  /* cells of an execution that have more */
	STEPS = 20000,   /* more is a livelock */
	SLICE = 150,     /* steps of one thread in a row before it counts as spinning */
	CHOICES = 1 << 16,
	TLS = 512,
	MUTEXES = 128,
	FLAGS = 8,
	FIRST_FLAG = 1000, /* the descriptor of the first flag, larger than any that is open */
	PLACES = 1 << 10,  /* of code; a power of two */
};

/*
 * What a thread knows of each thread: hb is the epoch up to which that thread's accesses happened
 * before; sc the epoch up to which fences make its stores visible.
 */
struct view {
	uint32_t hb[THREADS], sc[THREADS];
};

enum waits_for { READY, MUTEX, FUTEX, COND, POLL, JOIN, READERS, SPAWNED, DONE };

struct thread {
	void *sp;
	char *stack;
	void (*fn)(void *);
	void *arg;
	char name[16]; /* a copy: the caller's need not last */
	enum waits_for state;
	const void *on; /* the mutex, word, condition or thread that it waits for */
	int64_t deadline_ns, clock_ns;
	bool timed_out, paused, joined, spawned;
	unsigned rcu_depth;
	uint64_t rcu_turn; /* the step at which its read side began */
	struct view now, released, unacquired, barrier, left_readers;
	struct word *spun[SPUN]; /* the last words that it read since its last pause */
	unsigned spun_count;
	unsigned pauses, pauses_most; /* since it last read the clock; the most between two reads */
	const struct verify_site *site;
	const char *doing;
	char tls[TLS];
};

struct store {
	uint64_t value;
	struct view view; /* what an acquiring load of this store learns */
	/* the epoch at which each thread wrote or first read this store; 0: never */
	uint32_t known[THREADS];
};

struct word {
	uint64_t stamp; /* the execution that this word belongs to */
	uintptr_t address;
	unsigned size, count; /* stores so far */
	struct store stores[HISTORY];
};

/* One remembered access to some bytes of an eight-byte cell. */
struct record {
	uint32_t epoch, where; /* an address of code, or of a site */
	uint8_t thread, mask, kind;
};
enum { IS_WRITE = 1, IS_ATOMIC = 2, IS_FREE = 4 };

struct cell {
	uint64_t stamp;
	uint16_t far; /* where E->fars has its further records, plus 1; 0: nowhere */
	uint8_t count;
	bool words; /* a word in this cell is accessed with verbs */
	struct record records[NEAR];
} __attribute__((aligned(64)));

struct far_records {
	struct record records[RECORDS - NEAR];
};

struct block {
	char *start;
	size_t size;
	uint8_t thread;
	uint32_t epoch;
	const void *where, *freed_where;
	bool freed;
};

enum choice_kind { CHOOSE_THREAD, CHOOSE_VALUE, CHOOSE_FAULT, CHOOSE_CLOCK, CHOOSE_MODEL };

struct choice {
	uint32_t position; /* among all places of an execution that could be choices */
	uint16_t chosen, of;
};

/* The last unlock of a mutex, and the place of its last lock. */
struct mutex {
	struct view view;
	uint32_t epoch, where;
	unsigned thread;
};

enum search_mode { SEARCH_DEPTH, SEARCH_RANDOM, SEARCH_PRIORITIES, SEARCH_REPLAY };

struct bounds {
	unsigned preemptions, stale, history;
	unsigned both; /* preemptions and stale loads together */
};

struct engine {
	const struct verify_model *model;
	uint64_t stamp; /* of this execution */
	void *main_sp;

	struct thread threads[THREADS];
	unsigned threads_count, current;
	uint64_t steps;
	unsigned steps_most, in_a_row;
	int64_t now_ns, instants[8];
	int64_t idle_left_ns; /* time that may still pass while every thread sleeps */
	unsigned instants_count;
	unsigned preemptions, stale, spurious, failed_allocs, failed_threads; /* spent */
	struct bounds bounds;

	struct view fences; /* what full fences passed on */
	struct view heavy;  /* what the last heavy fence made visible */
	struct view grace;  /* what grace periods passed on */
	struct mutex mutexes[MUTEXES];
	unsigned mutexes_count;
	enum flag { NO_FLAG, LOWERED, RAISED } flags[FLAGS];
	uint8_t duplicate_of[FLAGS]; /* the flag that this descriptor shares, plus 1; 0: none */
	/* what the one epoll descriptor knows of each flag */
	struct {
		bool added, armed, once;
	} polled[FLAGS];

	struct word words[WORDS];
	unsigned words_used[WORDS], words_count;
	struct block blocks[BLOCKS];
	unsigned blocks_count;
	/* for each GRANULE bytes of the arena: the block there, plus 1; 0: there is none */
	uint16_t block_at[ARENA / GRANULE];
	size_t arena_used;
	struct far_records fars[FARS];
	unsigned fars_count;

	/* Sites whose order is weakened. */
	const char *weaken; /* the argument of --weaken; "heavy" means the heavy fence */
	uint8_t weaken_to[4096], reached[4096];

	/*
	 * Places of code at which an access was ever unordered with a conflicting access. At any
	 * other place the scheduler makes no choice: an access there commutes with everything that
	 * other threads do. When a search adds a place, it begins again.
	 */
	uint32_t contended[PLACES];
	bool contended_all, contended_more, timed;

	/* The log of choices. */
	enum search_mode mode;
	struct choice log[CHOICES];
	unsigned log_count, prefix_count;
	uint16_t prefix[CHOICES];
	uint32_t position;
	struct choice given[CHOICES]; /* the choices to replay, by position */
	unsigned given_count;
	uint64_t random;
	unsigned switch_one_in;
	unsigned priority[THREADS], priority_lowest, change_at[8], changes;
	unsigned scheds, scheds_expected;

	bool failed, tracing;
	unsigned told_of; /* the thread whose steps trace() printed last, plus 1; 0: none */
	char failure[4096];
	const char *failure_kind;
	FILE *out;
};

extern struct engine *E;
extern char *verify_arena, *verify_stacks;

static inline struct thread *self(void)
{
	return &E->threads[E->current];
}

static inline void join_view(struct view *to, const struct view *from)
{
	for (int i = 0; i < THREADS; i++) {
		to->hb[i] = to->hb[i] > from->hb[i] ? to->hb[i] : from->hb[i];
		to->sc[i] = to->sc[i] > from->sc[i] ? to->sc[i] : from->sc[i];
	}
}

/* sched.c */
/* Before anything that another thread can notice: chooses which thread goes on. */
void step(const struct verify_site *site, const char *doing, const void *on);
/* The same at a place of code; chooses only if the place is contended. */
void step_at(uint32_t place, const struct verify_site *site, const char *doing);
/* Before what commutes with everything that other threads do: makes no choice. */
void step_alone(const char *doing);
void tick(void); /* After each of these: begins a new epoch of this thread. */
void note_contended(uint32_t place);
void block(enum waits_for what, const void *on, int64_t deadline_ns);
void wake(enum waits_for what, const void *on, unsigned n);
unsigned thread_create(void (*fn)(void *), void *arg, const char *name);
void run_execution(void);
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *waiting_text(enum waits_for state);

/* memory.c */
void memory_init(void);
void memory_reset(void);
void memory_check_end(void);
uint64_t memory_latest(const void *p, unsigned size);
void fence_full(struct view *with);
void fence_heavy(void);
void fresh(void);
void refresh_spun(void);
void *block_alloc(size_t size, size_t align, const void *where);
void block_free(void *memory, const void *where);
void plain_access(uintptr_t address, size_t size, int kind, const void *where);
const char *code_name(uintptr_t where);
const char *memory_name(uintptr_t address);

/* search.c */
unsigned choose(unsigned n, enum choice_kind kind);

#endif
