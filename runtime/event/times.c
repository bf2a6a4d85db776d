/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/event/times.h"

#include <string.h>

enum {
	CLASS_BITS = 3,
	CLASS_MASK = (1 << CLASS_BITS) - 1,
	READ_TRIES = 100 /* each meets another change of the class, if it fails */
};

_Static_assert(LEAT_TIMES <= 1 << CLASS_BITS, "a class has its place in the state");

LEAT_TLS struct leat_times *leat_times_current;

static uint64_t since_of(uint64_t state)
{
	return state >> CLASS_BITS;
}

static enum leat_time class_of(uint64_t state)
{
	return (enum leat_time)(state & CLASS_MASK);
}

void leat_times_init(struct leat_times *times, int64_t now_ns)
{
	leat_spin_init(&times->lock);
	times->began_ns = now_ns;
}

void leat_times_enter(struct leat_times *times)
{
	uint32_t tid = leat_os_thread_id();

	leat_times_current = times;
	leat_spin_lock(&times->lock);
	times->tid = tid;
	leat_spin_unlock(&times->lock);
}

enum leat_time leat_times_switch(struct leat_times *times, enum leat_time to, int64_t now_ns)
{
	uint64_t state = leat_load_rlx(&times->state); /* rlx: only this thread stores it */
	enum leat_time from = class_of(state);
	uint64_t at = (uint64_t)(now_ns - times->began_ns);
	uint64_t *spent = &times->spent[from];

	/* Y2: the present state before spent; pairs with read_once(). rlx: only this thread's */
	leat_store_rel(spent, leat_load_rlx(spent) + at - since_of(state));
	/* Y1: spent before state; pairs with read_once() */
	leat_store_rel(&times->state, at << CLASS_BITS | (uint64_t)to);
	return from;
}

/* rlx, here and below: hints, see times.h */
static void move_to_front(uint64_t ids[LEAT_WAITS_MOST], uint64_t id)
{
	uint64_t moved = leat_load_rlx(&ids[0]), next;

	if (moved == id)
		return;
	leat_store_rlx(&ids[0], id);
	for (int i = 1; i < LEAT_WAITS_MOST && moved != id && moved != 0; i++) {
		next = leat_load_rlx(&ids[i]);
		leat_store_rlx(&ids[i], moved);
		moved = next;
	}
}

void leat_times_note_wait(uint64_t channel, bool to_send)
{
	struct leat_times *times = leat_times_current;

	if (times != NULL && channel != 0)
		move_to_front(to_send ? times->waits.sends : times->waits.receives, channel);
}

static void read_waits(const struct leat_waits *from, struct leat_waits *waits)
{
	for (int i = 0; i < LEAT_WAITS_MOST; i++) {
		waits->receives[i] = leat_load_rlx(&from->receives[i]);
		waits->sends[i] = leat_load_rlx(&from->sends[i]);
	}
	waits->waits_on = leat_load_rlx(&from->waits_on);
	waits->paced_by = leat_load_rlx(&from->paced_by);
}

static uint64_t sum_of(const uint64_t ns[LEAT_TIMES])
{
	uint64_t sum = 0;

	for (int i = 0; i < LEAT_TIMES; i++)
		sum += ns[i];
	return sum;
}

/* Reads the times until `until`, or until the last change. False: the class changed meanwhile. */
static bool read_once(const struct leat_times *times, uint64_t until, uint64_t ns[LEAT_TIMES])
{
	/* Y1: state before spent; pairs with leat_times_switch() */
	uint64_t state = leat_load_acq(&times->state), sum;

	for (int i = 0; i < LEAT_TIMES; i++)
		/* Y2: spent before state; pairs with leat_times_switch() */
		ns[i] = leat_load_acq(&times->spent[i]);
	if (leat_load_rlx(&times->state) != state) /* rlx: Y2 orders it */
		return false;
	sum = sum_of(ns);
	if (until > sum)
		ns[sum == since_of(state) ? class_of(state) : LEAT_TIME_BUSY] += until - sum;
	return true;
}

/* The sum stays, and is at least that of `last`. */
static void keep_from_falling(uint64_t ns[LEAT_TIMES], const uint64_t last[LEAT_TIMES])
{
	uint64_t missing = 0;

	for (int i = 0; i < LEAT_TIMES; i++)
		if (ns[i] < last[i]) {
			missing += last[i] - ns[i];
			ns[i] = last[i];
		}
	for (int i = 0; i < LEAT_TIMES; i++) {
		uint64_t rise = ns[i] - last[i], less = rise < missing ? rise : missing;

		ns[i] -= less;
		missing -= less;
	}
}

/* Caller holds the lock. */
static void read_classes(struct leat_times *times, int64_t now_ns)
{
	uint64_t ns[LEAT_TIMES], until = sum_of(times->last.ns);
	bool fits = false;

	if (now_ns - times->began_ns > (int64_t)until)
		until = (uint64_t)(now_ns - times->began_ns);
	for (int tries = 0; tries < READ_TRIES && !fits; tries++) {
		if (tries > 0)
			leat_pause();
		fits = read_once(times, until, ns);
	}
	if (!fits)
		return;
	keep_from_falling(ns, times->last.ns);
	memcpy(times->last.ns, ns, sizeof(ns));
}

/* Caller holds the lock. A thread that asked the kernel earlier may come later. */
static void keep_cpu(struct leat_times *times, const struct leat_spent *read)
{
	if (read->cpu_ns > times->last.cpu_ns)
		times->last.cpu_ns = read->cpu_ns;
	if (read->runq_ns > times->last.runq_ns)
		times->last.runq_ns = read->runq_ns;
}

void leat_times_read(struct leat_times *times, int64_t now_ns, struct leat_spent *spent)
{
	struct leat_spent cpu = { .cpu_ns = 0 };
	uint32_t tid;

	leat_spin_lock(&times->lock);
	tid = times->over ? 0 : times->tid;
	leat_spin_unlock(&times->lock);
	if (tid != 0)
		leat_os_thread_times(tid, &cpu.cpu_ns, &cpu.runq_ns);
	leat_spin_lock(&times->lock);
	if (!times->over) {
		/* not over: so the kernel has not given tid to another thread meanwhile */
		keep_cpu(times, &cpu);
		read_classes(times, now_ns);
		read_waits(&times->waits, &times->last.waits);
	}
	*spent = times->last;
	leat_spin_unlock(&times->lock);
}

void leat_times_leave(struct leat_times *times, bool with_cpu)
{
	struct leat_spent cpu = { .cpu_ns = 0 };
	int64_t now_ns = leat_now_ns();

	if (with_cpu)
		leat_os_thread_times(leat_os_thread_id(), &cpu.cpu_ns, &cpu.runq_ns);
	leat_spin_lock(&times->lock);
	keep_cpu(times, &cpu);
	read_classes(times, now_ns);
	read_waits(&times->waits, &times->last.waits);
	times->over = true;
	leat_spin_unlock(&times->lock);
	leat_times_current = NULL;
}
