/*
 * Coroutines, and which thread runs next.
 *
 * Before each step that another thread could notice, the running thread chooses which thread goes
 * on. A switch away from a thread that could go on is a preemption, which a search may bound. A
 * switch away from a thread that sleeps, has ended, or waits for another thread (it pauses) costs
 * nothing. Time-outs and spurious wake-ups of sleeping threads are choices of the same kind.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/engine.h"

#include <string.h>

#ifndef __x86_64__
#error "the switch of coroutines is written for x86-64"
#endif

void verify_switch(void **save, void *load);
__asm__(".text\n"
        ".type verify_switch,@function\n"
        "verify_switch:\n"
        "	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	"
        "push %r15\n"
        "	mov %rsp, (%rdi)\n"
        "	mov %rsi, %rsp\n"
        "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	"
        "pop %rbp\n"
        "	ret\n"
        ".size verify_switch,.-verify_switch\n");

extern char __start_leat_tls[] __attribute__((weak)), __stop_leat_tls[] __attribute__((weak));

static void switch_to(unsigned next)
{
	struct thread *from = self(), *to = &E->threads[next];
	size_t tls = (size_t)(__stop_leat_tls - __start_leat_tls);

	if (next == E->current)
		return;
	memcpy(from->tls, __start_leat_tls, tls);
	memcpy(__start_leat_tls, to->tls, tls);
	E->current = next;
	verify_switch(&from->sp, to->sp);
}

_Noreturn static void leave_execution(void)
{
	void *nowhere;

	verify_switch(&nowhere, E->main_sp);
	__builtin_unreachable();
}

void verify_fail(const char *kind, const char *format, ...)
{
	va_list list;

	E->failed = true;
	E->failure_kind = kind;
	va_start(list, format);
	vsnprintf(E->failure, sizeof(E->failure), format, list);
	va_end(list);
	leave_execution();
}

void verify_failed_that(const char *condition, const char *file, int line)
{
	verify_fail("assertion", "%s:%d: not so: %s", file, line, condition);
}

const char *waiting_text(enum waits_for state)
{
	static const char *const texts[] = { "can go on",         "waits for a mutex",
		                             "sleeps on a futex", "sleeps on a condition",
		                             "sleeps in poll",    "joins",
		                             "waits for readers", "waits for spawned threads",
		                             "has ended" };

	return texts[state];
}

static void list_threads(char *text, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < E->threads_count; i++) {
		struct thread *t = &E->threads[i];

		used += (size_t)snprintf(text + used, size - used, "\n    %-12s %s (%s)", t->name,
		                         waiting_text(t->state),
		                         t->state == DONE ? ""
		                         : t->on == NULL  ? t->doing
		                                          : memory_name((uintptr_t)t->on));
	}
}

_Noreturn static void deadlock(void)
{
	char text[3000] = "";

	list_threads(text, sizeof(text));
	verify_fail("deadlock", "nobody can go on:%s", text);
}

enum how { RUN, TIME_OUT, SPURIOUS };
struct option {
	unsigned thread;
	enum how how;
	bool costs;
};

static bool timed(const struct thread *t)
{
	return (t->state == FUTEX || t->state == COND || t->state == POLL) &&
	       t->deadline_ns != INT64_MAX;
}

static unsigned list_options(struct option *options)
{
	struct thread *me = self();
	bool may_pay = E->preemptions < E->bounds.preemptions &&
	               E->preemptions + E->stale < E->bounds.both;
	unsigned n = 0, free_ones;
	unsigned count = E->threads_count, current = E->current;

	if (me->state == READY && !me->paused)
		options[n++] = (struct option){ current, RUN, false };
	/* each thread that can go on, first the threads that do not spin */
	for (int paused = 0; paused < 2; paused++) {
		free_ones = n;
		for (unsigned i = 1; i < count; i++) {
			unsigned other = (current + i) % count;
			struct thread *t = &E->threads[other];

			if (t->state == READY && t->paused == paused && (free_ones == 0 || may_pay))
				options[n++] = (struct option){ other, RUN, free_ones != 0 };
		}
		/* a new round of the threads that spin: each runs before the next round */
		if (paused && free_ones == 0)
			for (unsigned i = 0; i < count; i++)
				E->threads[i].paused &= i == current;
	}
	if (n == 0 && me->state == READY)
		options[n++] = (struct option){ current, RUN, false };
	free_ones = n;
	for (unsigned i = 0; i < count; i++) {
		struct thread *t = &E->threads[i];

		if (timed(t) && (free_ones == 0 || may_pay))
			options[n++] = (struct option){ i, TIME_OUT, free_ones != 0 };
	}
	if (n > 0 && E->spurious < E->model->spurious && may_pay)
		for (unsigned i = 0; i < count; i++)
			if (E->threads[i].state == FUTEX || E->threads[i].state == COND)
				options[n++] = (struct option){ i, SPURIOUS, true };
	return n;
}

/*
 * Every thread sleeps, and one of them goes on by its time-out. The time up to the first deadline
 * counts as idle: until then no thread could have gone on.
 */
static void pass_idle_time(void)
{
	int64_t first_ns = INT64_MAX, idle_ns;
	char text[3000] = "";

	for (unsigned i = 0; i < E->threads_count; i++)
		if (timed(&E->threads[i]) && E->threads[i].deadline_ns < first_ns)
			first_ns = E->threads[i].deadline_ns;
	idle_ns = first_ns - E->now_ns;
	if (idle_ns <= 0 || E->idle_left_ns == VERIFY_ANY_NS)
		return;
	if (idle_ns > E->idle_left_ns) {
		list_threads(text, sizeof(text));
		verify_fail("late",
		            "every thread sleeps, the first until %lld ns from now; the model "
		            "allows %lld ns:%s",
		            (long long)idle_ns, (long long)E->idle_left_ns, text);
	}
	E->idle_left_ns -= idle_ns;
}

static unsigned by_priority(const struct option *options, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (options[i].how == RUN &&
		    E->priority[options[i].thread] > E->priority[options[best].thread])
			best = i;
	for (unsigned i = 0; i < n; i++)
		if (options[i].how != RUN) {
			E->random = E->random * 6364136223846793005u + 1442695040888963407u;
			if ((E->random >> 33) % 16 == 0)
				return i;
		}
	return best;
}

static void lower_priority(void)
{
	E->scheds++;
	for (unsigned i = 0; i < E->changes; i++)
		if (E->change_at[i] == E->scheds)
			E->priority[E->current] = --E->priority_lowest;
	/* a thread that spins comes after all others, the longest spinning first */
	if (self()->paused)
		E->priority[E->current] = --E->priority_lowest;
}

unsigned choose_by(unsigned n, unsigned wanted);

static void schedule(void)
{
	struct option options[THREADS * 3];
	unsigned n = list_options(options), picked;
	struct option *o;
	struct thread *t;

	if (n == 0)
		deadlock();
	if (E->mode == SEARCH_PRIORITIES) {
		lower_priority();
		E->position++;
		picked = n > 1 ? choose_by(n, by_priority(options, n)) : 0;
	} else {
		picked = choose(n, CHOOSE_THREAD);
	}
	o = &options[picked];
	t = &E->threads[o->thread];
	E->preemptions += o->costs;
	if (o->how == TIME_OUT) {
		if (!o->costs)
			pass_idle_time();
		if (E->tracing)
			trace("%s: time is over for %s", t->name, waiting_text(t->state));
		if (E->now_ns < t->deadline_ns)
			E->now_ns = t->deadline_ns;
		t->timed_out = true;
	} else if (o->how == SPURIOUS) {
		if (E->tracing)
			trace("%s: a spurious return, %s", t->name, waiting_text(t->state));
		E->spurious++;
	}
	t->state = READY;
	t->paused = false;
	if (o->thread != E->current)
		E->in_a_row = 0;
	switch_to(o->thread);
}

static uint32_t *place_of(uint32_t place)
{
	unsigned i = (place * 2654435761u) >> 22;

	while (E->contended[i] != 0 && E->contended[i] != place)
		i = (i + 1) & (PLACES - 1);
	return &E->contended[i];
}

void note_contended(uint32_t place)
{
	uint32_t *known = place_of(place);

	if (*known == place)
		return;
	*known = place;
	E->contended_more = true;
}

static void begin_step(const struct verify_site *site, const char *doing)
{
	struct thread *me = self();

	me->site = site;
	me->doing = doing;
	me->on = NULL;
	if (++E->steps > E->steps_most)
		verify_fail("livelock", "%u steps, and no end; %s is in %s", E->steps_most,
		            me->name, doing);
}

void step(const struct verify_site *site, const char *doing, const void *on)
{
	struct thread *me = self();

	begin_step(site, doing);
	me->on = on;
	/* this may be a loop without a pause: treat it as if it paused here */
	if (++E->in_a_row > SLICE) {
		refresh_spun();
		me->paused = true;
		E->in_a_row = 0;
	}
	schedule();
}

void step_alone(const char *doing)
{
	begin_step(NULL, doing);
}

void step_at(uint32_t place, const struct verify_site *site, const char *doing)
{
	if (E->contended_all || *place_of(place) == place) {
		step(site, doing, NULL);
		return;
	}
	begin_step(site, doing);
	E->in_a_row++;
	E->position++;
}

/*
 * A thread's epoch ends with each of its steps, so that an access after a release does not count as
 * released.
 */
void tick(void)
{
	self()->now.hb[E->current]++;
}

/* From now on the clock may move, so a thread that reads it makes a choice. */
static void note_timed(void)
{
	E->contended_more |= !E->timed;
	E->timed = true;
}

void block(enum waits_for what, const void *on, int64_t deadline_ns)
{
	struct thread *me = self();

	if (deadline_ns != INT64_MAX)
		note_timed();
	me->state = what;
	me->on = on;
	me->deadline_ns = deadline_ns;
	me->timed_out = false;
	schedule();
}

void wake(enum waits_for what, const void *on, unsigned n)
{
	for (unsigned i = 0; i < E->threads_count && n > 0; i++)
		if (E->threads[i].state == what && E->threads[i].on == on) {
			E->threads[i].state = READY;
			n--;
		}
}

void verify_pause(void)
{
	struct thread *me = self();

	refresh_spun();
	if (++me->pauses > me->pauses_most)
		me->pauses_most = me->pauses;
	me->paused = !E->model->short_pauses;
	step(NULL, "pause", NULL);
}

static void thread_main(void)
{
	struct thread *me = self();

	me->fn(me->arg);
	me = self();
	step_alone("end");
	me->state = DONE;
	wake(JOIN, me, THREADS);
	wake(SPAWNED, NULL, THREADS);
	if (E->tracing)
		trace("ends");
	for (unsigned i = 0; i < E->threads_count; i++)
		if (E->threads[i].state != DONE) {
			schedule();
			__builtin_unreachable();
		}
	leave_execution();
}

unsigned thread_create(void (*fn)(void *), void *arg, const char *name)
{
	unsigned id = E->threads_count++;
	struct thread *t = &E->threads[id];
	void **sp;

	if (id >= THREADS) {
		E->threads_count--;
		verify_fail("engine", "more than %d threads", THREADS);
	}
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->stack = verify_stacks + (size_t)id * STACK;
	sp = (void **)(void *)(t->stack + STACK - 64);
	*--sp = NULL;
	*--sp = (void *)(uintptr_t)thread_main;
	sp -= 6; /* the registers that the switch restores */
	memset(sp, 0, 6 * sizeof(*sp));
	t->sp = sp;
	if (id != 0) {
		t->now = self()->now;
		t->barrier = t->now;
	}
	t->now.hb[id] = 1;
	t->clock_ns = E->now_ns;
	return id;
}

void verify_spawn(void (*fn)(void *), void *arg, const char *name)
{
	unsigned id;

	step_alone("spawn");
	id = thread_create(fn, arg, name);
	E->threads[id].spawned = true;
	if (E->tracing)
		trace("starts %s", name);
	tick();
}

void verify_join(void)
{
	step_alone("join");
	for (unsigned i = 0; i < E->threads_count;) {
		struct thread *t = &E->threads[i];

		if (t->spawned && t->state != DONE) {
			block(SPAWNED, NULL, INT64_MAX);
			continue;
		}
		if (t->spawned)
			join_view(&self()->now, &t->now);
		i++;
	}
	tick();
}

uint64_t verify_now(void)
{
	return E->steps;
}

unsigned verify_choose(unsigned n)
{
	return choose(n, CHOOSE_MODEL);
}

void verify_instant(int64_t ns)
{
	note_timed();
	E->instants[E->instants_count++ % 8] = ns;
}

unsigned verify_pauses_most(void)
{
	return self()->pauses_most;
}

void verify_idle(int64_t ns)
{
	E->idle_left_ns = ns;
}

static void first_thread(void *arg)
{
	(void)arg;
	E->model->run();
}

void run_execution(void)
{
	E->stamp++;
	E->threads_count = E->current = 0;
	E->steps = E->in_a_row = 0;
	E->now_ns = VERIFY_START_NS;
	E->instants_count = 0;
	E->idle_left_ns = E->model->idle_ns;
	E->preemptions = E->stale = E->spurious = E->failed_allocs = E->failed_threads = 0;
	E->log_count = 0;
	E->scheds = 0;
	memset(E->mutexes, 0, (E->mutexes_count + 1) * sizeof(E->mutexes[0]));
	E->mutexes_count = 0;
	memset(E->flags, 0, sizeof(E->flags));
	memset(E->duplicate_of, 0, sizeof(E->duplicate_of));
	memset(E->polled, 0, sizeof(E->polled));
	E->position = 0;
	E->contended_more = false;
	E->failed = false;
	memory_reset();
	thread_create(first_thread, NULL, "main");
	memcpy(E->threads[0].tls, __start_leat_tls, (size_t)(__stop_leat_tls - __start_leat_tls));
	verify_switch(&E->main_sp, E->threads[0].sp);
	E->main_sp = NULL; /* a fault from here on is no model's */
	if (!E->failed)
		memory_check_end();
}
