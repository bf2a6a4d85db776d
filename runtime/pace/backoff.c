/*
 * Back-offs: pauses that grow.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/pace.h>

#define FIRST_NS INT64_C(1000000)

/* Returns a number from 0 up to, and without, 1: xorshift. */
static double draw_fraction(struct leat_backoff *backoff)
{
	uint64_t x = backoff->chance;

	if (x == 0)
		x = ((uint64_t)(uintptr_t)backoff ^ (uint64_t)leat_now_ns()) *
		            UINT64_C(0x9e3779b97f4a7c15) |
		    1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	backoff->chance = x;
	return (double)(x >> 11) * (1.0 / 9007199254740992.0);
}

static int64_t limit_pause(const struct leat_backoff *backoff, double ns)
{
	double most = backoff->most_ns > 0 ? (double)backoff->most_ns : (double)LEAT_NEVER;

	if (!(ns < most))
		return backoff->most_ns > 0 ? backoff->most_ns : LEAT_NEVER;
	return (int64_t)ns;
}

static int64_t next_pause(struct leat_backoff *backoff)
{
	double factor = backoff->factor == 0 ? 2 : backoff->factor;

	if (backoff->last_ns <= 0)
		return limit_pause(backoff,
		                   (double)(backoff->first_ns > 0 ? backoff->first_ns : FIRST_NS));
	return limit_pause(backoff, (double)backoff->last_ns * (factor > 1 ? factor : 1));
}

int64_t leat_backoff_next(struct leat_backoff *backoff)
{
	double jitter = backoff->jitter < 1 ? backoff->jitter : 1, ns;

	if (backoff->tries > 0 && backoff->tried >= backoff->tries)
		return -1;
	backoff->tried += backoff->tried < UINT32_MAX;
	backoff->last_ns = next_pause(backoff);
	if (!(jitter > 0))
		return backoff->last_ns;
	ns = (double)backoff->last_ns * (1 - jitter * draw_fraction(backoff));
	return limit_pause(backoff, ns);
}

void leat_backoff_reset(struct leat_backoff *backoff)
{
	backoff->tried = 0;
	backoff->last_ns = 0;
}
