/*
 * tests/unit/wheel.c: the wheel against a plain list, at random: nobody early, nobody late, nobody
 * lost, whatever the times.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include "runtime/pool/wheel.h"

TestSuite(wheel, .timeout = 600);

enum { JOBS = 64, TICK_NS = 16384 };

struct model {
	struct leat_wheel wheel;
	struct leat_job jobs[JOBS];
	bool in[JOBS];
	int64_t now_ns;
	uint64_t random;
};

static uint64_t draw(struct model *m)
{
	uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Of any order of magnitude up to most bits; now and then on a boundary of slots. */
static int64_t span(struct model *m, unsigned most)
{
	int64_t ns = (int64_t)(draw(m) >> (64 - 1 - draw(m) % most));
	if (draw(m) % 4 == 0)
		ns &= ~(((int64_t)1 << (14 + 6 * (draw(m) % 8))) - 1);
	return ns;
}

static void start(struct model *m, uint64_t seed, int64_t now_ns)
{
	memset(m, 0, sizeof(*m));
	m->random = seed;
	m->now_ns = now_ns;
	leat_wheel_init(&m->wheel, now_ns);
}

static void add(struct model *m, size_t i, int64_t due_ns)
{
	m->jobs[i].due_ns = due_ns;
	m->in[i] = true;
	leat_wheel_add(&m->wheel, &m->jobs[i]);
}

static int64_t nearest_ns(const struct model *m)
{
	int64_t nearest = LEAT_NEVER;
	for (size_t i = 0; i < JOBS; i++)
		if (m->in[i] && m->jobs[i].due_ns < nearest)
			nearest = m->jobs[i].due_ns;
	return nearest;
}

static void expire(struct model *m)
{
	struct leat_job *job;
	while ((job = leat_wheel_expire(&m->wheel, m->now_ns)) != NULL) {
		size_t i = (size_t)(job - m->jobs);
		cr_assert(i < JOBS && m->in[i]);
		cr_assert_leq(job->due_ns, m->now_ns, "early");
		cr_assert_null(job->link.next);
		m->in[i] = false;
	}
	cr_assert_geq(nearest_ns(m), m->now_ns - m->now_ns % TICK_NS, "late");
}

/*
 * When to look again is never after the first that is due, by more than a tick; and looking always
 * gets on.
 */
static void check_next(const struct model *m)
{
	int64_t next_ns = leat_wheel_next_ns(&m->wheel), nearest = nearest_ns(m);
	size_t count = 0;
	for (size_t i = 0; i < JOBS; i++)
		count += m->in[i];
	cr_assert_eq(m->wheel.count, count);
	cr_assert_eq(next_ns == LEAT_NEVER, count == 0);
	if (count == 0)
		return;
	cr_assert_gt(next_ns, m->now_ns - TICK_NS);
	cr_assert(nearest > LEAT_NEVER - 2 * TICK_NS ||
	                  next_ns < (nearest > m->now_ns ? nearest : m->now_ns) + 2 * TICK_NS,
	          "looks at %lld, due at %lld", (long long)next_ns, (long long)nearest);
}

static void play(uint64_t seed, int64_t start_ns, unsigned most_bits)
{
	static struct model m;
	start(&m, seed, start_ns);
	for (int round = 0; round < 20000; round++) {
		size_t i = draw(&m) % JOBS;
		int64_t left = LEAT_NEVER - 1 - m.now_ns, by = span(&m, most_bits);
		if (m.in[i] && draw(&m) % 2) {
			leat_wheel_remove(&m.wheel, &m.jobs[i]);
			cr_assert_null(m.jobs[i].link.next);
			m.in[i] = false;
		} else if (!m.in[i]) {
			add(&m, i, m.now_ns + (by < left ? by : left) + 1);
		}
		/* by a step, or to the very time, as those who sleep until it do */
		if (draw(&m) % 3 == 0) {
			int64_t to_ns = draw(&m) % 2 ? leat_wheel_next_ns(&m.wheel)
			                             : m.now_ns + span(&m, 40);
			if (to_ns > m.now_ns && to_ns < LEAT_NEVER / 4)
				m.now_ns = to_ns;
			expire(&m);
		}
		check_next(&m);
	}
}

Test(wheel, agrees_with_a_list)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		play(seed, 0, 34);
		play(seed, (int64_t)(seed * 977 * MS), 50);
		play(seed, ((int64_t)1 << 56) - (int64_t)seed, 62);
	}
}

/* A century and more: the wheel's span is 146 years. */
Test(wheel, the_far_future_waits)
{
	static const int64_t far[] = { LEAT_NEVER / 2,     LEAT_NEVER / 2 + 1, LEAT_NEVER - 1,
		                       LEAT_NEVER - 20000, (int64_t)1 << 62,   1 };
	static struct model m;
	for (int64_t now_ns = 1; now_ns < (int64_t)1 << 60; now_ns *= 3) {
		start(&m, 1, now_ns);
		for (size_t i = 0; i < COUNT(far); i++)
			add(&m, i, far[i]);
		for (int step = 0; step < 100; step++) {
			m.now_ns += MS;
			expire(&m);
			check_next(&m);
		}
		cr_expect_eq(m.wheel.count, COUNT(far) - 1);
	}
}
