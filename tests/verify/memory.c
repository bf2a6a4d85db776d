/*
 * What a load may read, which accesses race, and which memory exists.
 *
 * A word that is accessed with a verb keeps its last stores. A load may read any of them, unless a
 * newer store happened before the load, was read by an access that happened before the load, or is
 * made visible by fences. A read-modify-write acts on the newest store. Two things of C11 are left
 * out: a store enters its word's order at the moment when it is executed, and no load reads a later
 * store (load buffering).
 *
 * Plain accesses come from the compiler's instrumentation for ThreadSanitizer, whose run-time
 * library this replaces. Each cell of eight bytes remembers the last accesses of each thread. Two
 * accesses that overlap, one of which writes and one of which is plain, must be ordered by
 * happens-before.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern char __data_start[], _end[];
extern char __start_leat_tls[] __attribute__((weak)), __stop_leat_tls[] __attribute__((weak));
extern const struct verify_site __start_verify_sites[], __stop_verify_sites[];

char *verify_arena, *verify_stacks;

enum { HEAP = ARENA + THREADS * STACK };
static struct cell *heap_cells, *data_cells;
static char *pristine;
static size_t data_size;

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return memory;
}

/* The last step of the setup: each execution begins with the globals as they are now. */
void memory_init(void)
{
	verify_arena = map(HEAP);
	verify_stacks = verify_arena + ARENA;
	heap_cells = map(HEAP / 8 * sizeof(struct cell));
	data_size = (size_t)(_end - __data_start);
	data_cells = map((data_size / 8 + 2) * sizeof(struct cell));
	pristine = map(data_size);
	memcpy(pristine, __data_start, data_size);
}

void memory_reset(void)
{
	memcpy(__data_start, pristine, data_size);
	memset(verify_arena, 0, E->arena_used);
	memset(E->block_at, 0, (E->arena_used + GRANULE) / GRANULE * sizeof(E->block_at[0]));
	E->arena_used = 0;
	E->blocks_count = 0;
	E->words_count = 0;
	E->fars_count = 0;
	memset(&E->fences, 0, sizeof(E->fences));
	memset(&E->heavy, 0, sizeof(E->heavy));
	memset(&E->grace, 0, sizeof(E->grace));
}

/* Names, for reports. */

const char *code_name(uintptr_t where)
{
	static __thread char names[4][512];
	static __thread unsigned turn;
	char command[200], exe[160] = "", *name = names[turn++ % 4];
	FILE *lines;
	size_t n;

	if (where >= (uintptr_t)__start_verify_sites && where < (uintptr_t)__stop_verify_sites) {
		const struct verify_site *site = (const void *)where;

		snprintf(name, sizeof(names[0]), "%s(%s) at %s:%d %s", site->verb, site->expr,
		         site->file, site->line, site->func);
		return name;
	}
	n = (size_t)readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n >= sizeof(exe))
		return "?";
	exe[n] = '\0';
	snprintf(command, sizeof(command), "addr2line -f -p -s -e %s 0x%lx 2>/dev/null", exe,
	         (unsigned long)where - 1);
	lines = popen(command, "r");
	if (lines == NULL || fgets(name, sizeof(names[0]), lines) == NULL)
		snprintf(name, sizeof(names[0]), "0x%lx", (unsigned long)where);
	if (lines != NULL)
		pclose(lines);
	name[strcspn(name, "\n")] = '\0';
	return name;
}

static struct block *block_of(uintptr_t address)
{
	uintptr_t offset = address - (uintptr_t)verify_arena;
	struct block *b;

	if (offset >= ARENA || E->block_at[offset / GRANULE] == 0)
		return NULL;
	b = &E->blocks[E->block_at[offset / GRANULE] - 1];
	return address - (uintptr_t)b->start < b->size ? b : NULL;
}

const char *memory_name(uintptr_t address)
{
	static __thread char names[4][700];
	static __thread unsigned turn;
	char *name = names[turn++ % 4];
	struct block *b = block_of(address);

	if (b != NULL)
		snprintf(name, sizeof(names[0]), "byte %zu of the %zu allocated in %s",
		         (size_t)(address - (uintptr_t)b->start), b->size,
		         code_name((uintptr_t)b->where));
	else if (address - (uintptr_t)verify_stacks < (uintptr_t)THREADS * STACK)
		snprintf(name, sizeof(names[0]), "the stack of %s",
		         E->threads[(address - (uintptr_t)verify_stacks) / STACK].name);
	else
		snprintf(name, sizeof(names[0]), "0x%lx", (unsigned long)address);
	return name;
}

/* Races. */

static struct cell *cell_of(uintptr_t address)
{
	struct cell *cell;

	if (address - (uintptr_t)verify_arena < HEAP)
		cell = &heap_cells[(address - (uintptr_t)verify_arena) / 8];
	else if (address - (uintptr_t)__data_start < data_size)
		cell = &data_cells[(address - ((uintptr_t)__data_start & ~(uintptr_t)7)) / 8];
	else
		return NULL;
	if (cell->stamp != E->stamp) {
		cell->stamp = E->stamp;
		cell->far = 0;
		cell->count = 0;
		cell->words = false;
	}
	return cell;
}

static inline struct record *record_at(struct cell *cell, unsigned i)
{
	return i < NEAR ? &cell->records[i] : &E->fars[cell->far - 1].records[i - NEAR];
}

/* Of a cell with so many records. The oldest makes room where all are used. */
static inline void add_record(struct cell *cell, unsigned count, struct record r)
{
	if (count == RECORDS) {
		for (unsigned i = 1; i < RECORDS; i++)
			*record_at(cell, i - 1) = *record_at(cell, i);
		count--;
	}
	if (count >= NEAR && cell->far == 0) {
		if (E->fars_count == FARS)
			verify_fail("engine", "more than %d cells with many accesses", FARS);
		cell->far = (uint16_t)++E->fars_count;
	}
	*record_at(cell, count) = r;
	cell->count = (uint8_t)(count + 1);
}

static const char *kind_name(int kind)
{
	return kind & IS_FREE     ? "free"
	       : kind & IS_ATOMIC ? (kind & IS_WRITE ? "atomic write" : "atomic read")
	                          : (kind & IS_WRITE ? "write" : "read");
}

_Noreturn static void race(uintptr_t address, int kind, uint32_t where, const struct record *r)
{
	verify_fail(kind & IS_FREE ? "use after free" : "data race",
	            "%s:\n    %s by %s in %s\n    %s before it by %s in %s,\n    and nothing "
	            "orders the two",
	            memory_name(address), kind_name(kind), self()->name, code_name(where),
	            kind_name(r->kind), E->threads[r->thread].name, code_name(r->where));
}

static bool conflict(int a, int b)
{
	return ((a | b) & IS_WRITE) && !(a & b & IS_ATOMIC);
}

/*
 * Whether this thread has made the same plain access before, and no other has come by since, nor
 * freed the memory: then what was checked holds, and only the time of the access is new.
 */
static bool repeats(struct cell *cell, uint8_t mask, int kind, uint32_t where)
{
	uint8_t me = (uint8_t)E->current;

	for (unsigned i = cell->count; i-- > 0;) {
		struct record *r = record_at(cell, i);

		if (r->thread != me)
			return false;
		if (r->mask == mask && r->kind == kind) {
			r->epoch = self()->now.hb[me];
			r->where = where;
			return true;
		}
	}
	return false;
}

static void access_cell(struct cell *cell, uintptr_t address, uint8_t mask, int kind,
                        uint32_t where)
{
	uint8_t me = (uint8_t)E->current;
	struct thread *t = self();
	unsigned kept = 0;

	for (unsigned i = 0; i < cell->count; i++) {
		const struct record *r = record_at(cell, i);

		if (r->thread != me && (r->mask & mask) && ((r->kind | kind) & IS_WRITE) &&
		    r->epoch > t->now.hb[r->thread]) {
			if (conflict(r->kind, kind))
				race(address, kind, where, r);
			note_contended(where);
			note_contended(r->where);
		}
		/*
		 * what this thread did before and what is conflicted with less, is said by this
		 * access, too
		 */
		if (r->thread == me && (r->mask & ~mask) == 0 &&
		    (kind & IS_WRITE) >= (r->kind & IS_WRITE) &&
		    (kind & IS_ATOMIC) <= (r->kind & IS_ATOMIC))
			continue;
		if (kept != i)
			*record_at(cell, kept) = *r;
		kept++;
	}
	add_record(cell, kept,
	           (struct record){ t->now.hb[me], where, me, mask, (uint8_t)kind });
}

static void check_alive(uintptr_t address, size_t size, int kind, uintptr_t where)
{
	struct block *b;

	if (address - (uintptr_t)verify_arena >= ARENA)
		return;
	b = block_of(address);
	if (b == NULL || address - (uintptr_t)b->start + size > b->size)
		verify_fail("out of bounds", "%s of %zu bytes by %s in %s", kind_name(kind), size,
		            self()->name, code_name(where));
	if (b->freed)
		verify_fail("use after free", "%s of %s by %s in %s;\n    it was freed in %s",
		            kind_name(kind), memory_name(address), self()->name, code_name(where),
		            code_name((uintptr_t)b->freed_where));
	if (b->epoch > self()->now.hb[b->thread])
		verify_fail("data race",
		            "%s of %s by %s in %s, which does not know yet that it was allocated",
		            kind_name(kind), memory_name(address), self()->name, code_name(where));
}

static struct word *find_word(uintptr_t address)
{
	unsigned i = (unsigned)((address >> 2) * 2654435761u) & (WORDS - 1);

	while (E->words[i].stamp == E->stamp && E->words[i].address != address)
		i = (i + 1) & (WORDS - 1);
	return &E->words[i];
}

/* A plain write to a word initialises it: loads no longer read what verbs stored before. */
static void forget_words(uintptr_t address, size_t size)
{
	for (uintptr_t a = address & ~(uintptr_t)3; a < address + size; a += 4) {
		struct word *w = find_word(a);

		if (w->stamp == E->stamp)
			w->count = 0;
	}
}

/* cell: of the address, or NULL where nothing is remembered. */
static void access_range(struct cell *cell, uintptr_t address, size_t size, int kind,
                         uint32_t where)
{
	for (;;) {
		size_t offset = address & 7, n = 8 - offset < size ? 8 - offset : size;

		if (cell != NULL) {
			access_cell(cell, address, (uint8_t)(((1u << n) - 1) << offset), kind,
			            where);
			if (kind & IS_ATOMIC)
				cell->words = true;
			else if ((kind & IS_WRITE) && cell->words)
				forget_words(address, n);
		}
		address += n;
		size -= n;
		if (size == 0)
			return;
		cell = cell_of(address);
	}
}

void plain_access(uintptr_t address, size_t size, int kind, const void *where)
{
	struct cell *cell = cell_of(address);
	size_t offset = address & 7;

	if (cell == NULL)
		return;
	if (offset + size <= 8 && !cell->words &&
	    repeats(cell, (uint8_t)(((1u << size) - 1) << offset), kind,
	            (uint32_t)(uintptr_t)where))
		return;
	if (address >= (uintptr_t)__start_leat_tls && address < (uintptr_t)__stop_leat_tls)
		return; /* a variable of this thread alone */
	check_alive(address, size, kind, (uintptr_t)where);
	access_range(cell, address, size, kind, (uint32_t)(uintptr_t)where);
}

/* Words. */

static uint64_t mem_read(const void *p, unsigned size)
{
	return size == 4 ? *(const volatile uint32_t *)p : *(const volatile uint64_t *)p;
}

static void mem_write(void *p, unsigned size, uint64_t value)
{
	if (size == 4)
		*(volatile uint32_t *)p = (uint32_t)value;
	else
		*(volatile uint64_t *)p = value;
}

static struct word *word_at(const void *p, unsigned size, int kind, const void *where)
{
	struct word *w = find_word((uintptr_t)p);

	check_alive((uintptr_t)p, size, kind, (uintptr_t)where);
	access_range(cell_of((uintptr_t)p), (uintptr_t)p, size, kind, (uint32_t)(uintptr_t)where);
	if (w->stamp != E->stamp) {
		if (++E->words_count > WORDS / 2)
			verify_fail("engine", "more than %d atomic words", WORDS / 2);
		w->stamp = E->stamp;
		w->address = (uintptr_t)p;
		w->size = size;
		w->count = 0;
	}
	if (w->count == 0) {
		memset(&w->stores[0], 0, sizeof(w->stores[0]));
		w->stores[0].value = mem_read(p, size);
		w->count = 1;
	}
	return w;
}

static struct store *store_of(struct word *w, unsigned age)
{
	return &w->stores[(w->count - 1 - age) % HISTORY];
}

static bool must_see(const struct store *s)
{
	const struct view *now = &self()->now;

	for (unsigned u = 0; u < E->threads_count; u++)
		if (s->known[u] != 0 && (s->known[u] <= now->hb[u] || s->known[u] <= now->sc[u]))
			return true;
	return false;
}

/* Returns how many of the last stores a load may read. */
static unsigned readable(struct word *w)
{
	unsigned n = 1, most = w->count < E->bounds.history ? w->count : E->bounds.history;

	while (n < most && !must_see(store_of(w, n - 1)))
		n++;
	return n;
}

static void learn(struct store *s, bool acquire)
{
	struct thread *t = self();

	if (s->known[E->current] == 0)
		s->known[E->current] = t->now.hb[E->current];
	join_view(acquire ? &t->now : &t->unacquired, &s->view);
}

static enum verify_order order_of(const struct verify_site *site)
{
	uint8_t weaker = E->weaken_to[site - __start_verify_sites];

	E->reached[site - __start_verify_sites] = 1;
	return weaker == 0 ? site->order : (enum verify_order)(weaker - 1);
}

static bool acquires(enum verify_order order)
{
	return order == VERIFY_ACQ || order == VERIFY_ACQREL;
}

static bool releases(enum verify_order order)
{
	return order == VERIFY_REL || order == VERIFY_ACQREL;
}

static void trace_value(const struct verify_site *site, uint64_t value, const char *more)
{
	if (E->tracing)
		trace("%s(%s) %s 0x%llx%s%s    %s:%d %s", site->verb, site->expr,
		      site->verb[0] == 's' ? "<-" : "=", (unsigned long long)value, more,
		      order_of(site) != site->order ? " (weakened)" : "", site->file, site->line,
		      site->func);
}

static void note_spun(struct word *w)
{
	struct thread *t = self();

	for (unsigned i = 0; i < t->spun_count && i < SPUN; i++)
		if (t->spun[i] == w)
			return;
	t->spun[t->spun_count++ % SPUN] = w;
}

static unsigned pick_age(struct word *w)
{
	bool may_pay = E->stale < E->bounds.stale && E->preemptions + E->stale < E->bounds.both;
	unsigned age = choose(may_pay ? readable(w) : 1, CHOOSE_VALUE);

	E->stale += age > 0;
	note_spun(w);
	return age;
}

uint64_t verify_load(const void *p, unsigned size, const struct verify_site *site)
{
	struct word *w;
	struct store *s;
	unsigned age;
	uint64_t value;

	step_at((uint32_t)(uintptr_t)site, site, site->verb);
	w = word_at(p, size, IS_ATOMIC, site);
	age = pick_age(w);
	s = store_of(w, age);
	value = s->value;
	learn(s, acquires(order_of(site)));
	trace_value(site, value, age > 0 ? " (older)" : "");
	tick();
	return value;
}

static void add_store(struct word *w, uint64_t value, enum verify_order order,
                      const struct view *sequence)
{
	struct thread *t = self();
	struct store *s = &w->stores[w->count++ % HISTORY];

	memset(s->known, 0, sizeof(s->known));
	s->known[E->current] = t->now.hb[E->current];
	s->value = value;
	if (sequence != NULL) {
		struct view before = *sequence; /* sequence may be in s, which changes */

		s->view = releases(order) ? t->now : t->released;
		join_view(&s->view, &before);
	} else {
		s->view = releases(order) ? t->now : t->released;
	}
	mem_write((void *)w->address, w->size, value);
}

void verify_store(void *p, unsigned size, uint64_t value, const struct verify_site *site)
{
	struct word *w;

	step_at((uint32_t)(uintptr_t)site, site, site->verb);
	w = word_at(p, size, IS_ATOMIC | IS_WRITE, site);
	add_store(w, size == 4 ? (uint32_t)value : value, order_of(site), NULL);
	trace_value(site, value, "");
	tick();
}

bool verify_cas(void *p, unsigned size, void *old, uint64_t value, const struct verify_site *site)
{
	uint64_t expected = mem_read(old, size);
	enum verify_order order;
	struct word *w;
	struct store *s;
	unsigned age;
	bool same;

	step_at((uint32_t)(uintptr_t)site, site, site->verb);
	order = order_of(site);
	w = word_at(p, size, IS_ATOMIC | IS_WRITE, site);
	age = pick_age(w);
	/* a swap succeeds on the newest store alone */
	while (age > 0 && store_of(w, age)->value == expected)
		age--;
	s = store_of(w, age);
	same = age == 0 && s->value == expected;
	learn(s, acquires(order));
	if (same)
		add_store(w, size == 4 ? (uint32_t)value : value, order, &s->view);
	else
		mem_write(old, size, s->value);
	trace_value(site, same ? value : s->value,
	            same      ? ": swapped"
	            : age > 0 ? ": not swapped (older)"
	                      : ": not swapped");
	tick();
	return same;
}

uint64_t verify_add(void *p, unsigned size, uint64_t value, enum verify_rmw what,
                    const struct verify_site *site)
{
	enum verify_order order;
	struct word *w;
	struct store *s;
	uint64_t before, after;

	step_at((uint32_t)(uintptr_t)site, site, site->verb);
	order = order_of(site);
	w = word_at(p, size, IS_ATOMIC | IS_WRITE, site);
	s = store_of(w, 0);
	before = s->value;
	after = what == VERIFY_ADD  ? before + value
	        : what == VERIFY_OR ? (before | value)
	                            : (before & value);
	learn(s, acquires(order));
	add_store(w, size == 4 ? (uint32_t)after : after, order, &s->view);
	trace_value(site, size == 4 ? (uint32_t)after : after, "");
	tick();
	return before;
}

uint64_t memory_latest(const void *p, unsigned size)
{
	return mem_read(p, size);
}

/* Fences. */

static void pass_visible(struct view *to, const struct view *from)
{
	for (int i = 0; i < THREADS; i++) {
		uint32_t most = from->hb[i] > from->sc[i] ? from->hb[i] : from->sc[i];

		to->sc[i] = to->sc[i] > most ? to->sc[i] : most;
	}
}

static void barrier(void)
{
	struct thread *t = self();

	pass_visible(&t->now, &E->heavy);
	t->barrier = t->now;
}

/* All full fences are in one order. Each makes visible what came before the fences before it. */
void fence_full(struct view *with)
{
	struct thread *t = self();

	join_view(&t->now, &t->unacquired);
	pass_visible(with, &t->now);
	pass_visible(&t->now, with);
	t->released = t->now;
	barrier();
}

/*
 * A full fence of every thread, at a place where the compiler kept that thread's accesses apart.
 * What a thread did before its last light fence becomes visible to the caller. What the caller
 * knows becomes visible to each thread at its next light fence.
 */
void fence_heavy(void)
{
	fence_full(&E->fences);
	for (unsigned u = 0; u < E->threads_count; u++)
		pass_visible(&E->fences, &E->threads[u].barrier);
	pass_visible(&self()->now, &E->fences);
	E->heavy = E->fences;
	barrier();
}

void verify_fence(const struct verify_site *site)
{
	enum verify_order order;

	step(site, site->verb, NULL);
	order = order_of(site);
	if (order == VERIFY_SEQ)
		fence_full(&E->fences);
	else if (order == VERIFY_LIGHT)
		barrier();
	if (E->tracing)
		trace("%s%s    %s:%d %s", site->verb, order != site->order ? " (weakened)" : "",
		      site->file, site->line, site->func);
	tick();
}

/*
 * The next loads of a thread that spins read the newest stores of the words that it spins on. The
 * thread learns nothing of other words, which may stay as old as their histories allow.
 */
void refresh_spun(void)
{
	struct thread *t = self();

	for (unsigned i = 0; i < t->spun_count && i < SPUN; i++) {
		struct word *w = t->spun[i];
		struct store *newest = store_of(w, 0);

		if (w->count > 0 && newest->known[E->current] == 0)
			newest->known[E->current] = t->now.hb[E->current];
	}
	t->spun_count = 0;
}

/*
 * More time has passed than a store takes to become visible: this thread sees what every thread did
 * so far.
 */
void fresh(void)
{
	for (unsigned u = 0; u < E->threads_count; u++)
		if (self()->now.sc[u] < E->threads[u].now.hb[u] - 1)
			self()->now.sc[u] = E->threads[u].now.hb[u] - 1;
}

/*
 * All accesses to a freed cell must have happened before the free. A later access finds the block
 * freed, and no record that it could repeat.
 */
static void free_cell(uintptr_t address, uint32_t where)
{
	struct cell *cell = &heap_cells[(address - (uintptr_t)verify_arena) / 8];

	if (cell->stamp != E->stamp)
		return;
	for (unsigned i = 0; i < cell->count; i++) {
		const struct record *r = record_at(cell, i);

		if (r->epoch > self()->now.hb[r->thread])
			race(address, IS_WRITE | IS_FREE, where, r);
	}
	cell->count = 0;
}

/* Blocks. No memory is used twice in one execution, so a use after free is always found. */

void *block_alloc(size_t size, size_t align, const void *where)
{
	uintptr_t start = ((uintptr_t)verify_arena + E->arena_used + GRANULE + align - 1) &
	                  ~(uintptr_t)(align - 1);
	size_t offset = start - (uintptr_t)verify_arena;
	struct block *b = &E->blocks[E->blocks_count];

	if (offset + size > ARENA || E->blocks_count == BLOCKS)
		verify_fail("engine", "the arena is too small");
	E->blocks_count++;
	for (size_t i = offset / GRANULE; i * GRANULE < offset + size; i++)
		E->block_at[i] = (uint16_t)E->blocks_count;
	E->arena_used = offset + size;
	*b = (struct block){ .start = (char *)start,
		             .size = size,
		             .thread = (uint8_t)E->current,
		             .epoch = self()->now.hb[E->current],
		             .where = where };
	return (void *)start;
}

void block_free(void *memory, const void *where)
{
	struct block *b = block_of((uintptr_t)memory);

	if (b == NULL || b->start != memory)
		verify_fail("bad free", "%s frees %p in %s", self()->name, memory,
		            code_name((uintptr_t)where));
	if (b->freed)
		verify_fail("double free", "%s frees %s again in %s;\n    it was freed in %s",
		            self()->name, memory_name((uintptr_t)memory),
		            code_name((uintptr_t)where), code_name((uintptr_t)b->freed_where));
	for (uintptr_t a = (uintptr_t)b->start & ~(uintptr_t)7; a < (uintptr_t)b->start + b->size;
	     a += 8)
		free_cell(a, (uint32_t)(uintptr_t)where);
	b->freed = true;
	b->freed_where = where;
}

void memory_check_end(void)
{
	struct block *b;

	if (E->model->leaks)
		return;
	for (b = E->blocks; b < E->blocks + E->blocks_count; b++)
		if (!b->freed) {
			E->failed = true;
			E->failure_kind = "leak";
			snprintf(E->failure, sizeof(E->failure),
			         "%zu bytes allocated in %s are left at the end", b->size,
			         code_name((uintptr_t)b->where));
			return;
		}
}

/* What the compiler's instrumentation calls. */

#define HERE __builtin_return_address(0)

void *verify_memcpy(void *to, const void *from, size_t n);
void *verify_memset(void *to, int byte, size_t n);

void *verify_memcpy(void *to, const void *from, size_t n)
{
	if (n == 0)
		return to;
	plain_access((uintptr_t)from, n, 0, HERE);
	plain_access((uintptr_t)to, n, IS_WRITE, HERE);
	return memmove(to, from, n);
}

void *verify_memset(void *to, int byte, size_t n)
{
	if (n > 0)
		plain_access((uintptr_t)to, n, IS_WRITE, HERE);
	return memset(to, byte, n);
}

#define ACCESSES(size) \
	void __tsan_read##size(void *p); \
	void __tsan_write##size(void *p); \
	void __tsan_unaligned_read##size(void *p); \
	void __tsan_unaligned_write##size(void *p); \
	void __tsan_read##size(void *p) \
	{ \
		plain_access((uintptr_t)p, size, 0, HERE); \
	} \
	void __tsan_write##size(void *p) \
	{ \
		plain_access((uintptr_t)p, size, IS_WRITE, HERE); \
	} \
	void __tsan_unaligned_read##size(void *p) \
	{ \
		plain_access((uintptr_t)p, size, 0, HERE); \
	} \
	void __tsan_unaligned_write##size(void *p) \
	{ \
		plain_access((uintptr_t)p, size, IS_WRITE, HERE); \
	}
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

/* clang calls these, gcc those below. */
void *__tsan_memcpy(void *to, const void *from, size_t n);
void *__tsan_memmove(void *to, const void *from, size_t n);
void *__tsan_memset(void *to, int byte, size_t n);

void *__tsan_memcpy(void *to, const void *from, size_t n)
{
	return verify_memcpy(to, from, n);
}

void *__tsan_memmove(void *to, const void *from, size_t n)
{
	return verify_memcpy(to, from, n);
}

void *__tsan_memset(void *to, int byte, size_t n)
{
	return verify_memset(to, byte, n);
}

void __tsan_read_range(void *p, size_t n);
void __tsan_write_range(void *p, size_t n);
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);

void __tsan_read_range(void *p, size_t n)
{
	plain_access((uintptr_t)p, n, 0, HERE);
}

void __tsan_write_range(void *p, size_t n)
{
	plain_access((uintptr_t)p, n, IS_WRITE, HERE);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}
