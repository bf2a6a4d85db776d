/*
 * leat/ring/tuning.h: what the rings choose by processor, when the first one is opened.
 *
 *     pause_ps   the time of one leat_pause(), measured: back-offs are times, and counted in pauses
 *     hand_back  whether the consumer of an SPSC ring writes to a line that it has read, before the
 *                producer writes it again (leat/ring/spsc.h, Lines handed back)
 *     skips      how many back-offs in a row a side leaves out at most, after one that was in vain
 *
 * | processor                      | hand_back | skips | from                                      |
 * | ------------------------------ | --------- | ----- | ----------------------------------------- |
 * | AMD family 19h (Zen 3, Zen 4)  | yes       | 63    | measured on Zen 3, lines also on Zen 4:   |
 * |                                |           |       | docs/rings.md                             |
 * | any other                      | no        | 0     | lines: Intel Sapphire Rapids, one trial,  |
 * |                                |           |       | a loss; skips were not measured           |
 *
 * For experiments the environment variable LEAT_RING_HAND_BACK, 0 or 1, chooses the second row or
 * the first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_TUNING_H
#define LEAT_RING_TUNING_H

#include <leat/atomic.h>
#include <leat/base.h>
#include <stdlib.h>
#include <time.h>

struct leat_ring_tuning {
	uint32_t pause_ps; /* never 0 */
	bool hand_back;
	uint8_t skips;
};

#ifndef LEAT_RING_TUNING

static inline bool leat_ring_is_amd_19h(void)
{
#if defined(__x86_64__)
	uint32_t leaf = 0, b, c = 0, d;

	__asm__ __volatile__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	if (b != 0x68747541 || d != 0x69746e65 || c != 0x444d4163) /* "Auth" "enti" "cAMD" */
		return false;
	leaf = 1;
	c = 0;
	__asm__ __volatile__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	/* the extended family counts if the base family is 15 */
	return (leaf >> 8 & 15) == 15 && (leaf >> 20 & 255) + 15 == 0x19;
#else
	return false;
#endif
}

/* Times pauses a few times, as something else may run in between. */
static inline uint32_t leat_ring_measure_pause(void)
{
	enum { PAUSES = 64, TIMES = 5 };
	uint64_t least_ps = UINT32_MAX;

	for (int i = 0; i < TIMES; i++) {
		struct timespec from, to;
		int64_t ns;

		timespec_get(&from, TIME_UTC);
		for (int k = 0; k < PAUSES; k++)
			leat_pause();
		timespec_get(&to, TIME_UTC);
		ns = (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
		if (ns > 0 && (uint64_t)ns * 1000 / PAUSES < least_ps)
			least_ps = (uint64_t)ns * 1000 / PAUSES;
	}
	/* a clock that is too coarse, or stands still, says nothing */
	return least_ps >= 1000 && least_ps <= 500000 ? (uint32_t)least_ps : 24000;
}

/* The choices of this process. The first call in a source file takes some ten microseconds. */
static inline struct leat_ring_tuning leat_ring_tune(void)
{
	static uint64_t chosen; /* atomic: 0, or pause_ps * 2 + hand_back */
	uint64_t choice = leat_load_rlx(&chosen); /* rlx: all is in this word */
	const char *experiment;
	struct leat_ring_tuning tuning;

	if (choice == 0) {
		experiment = getenv("LEAT_RING_HAND_BACK");
		choice = (uint64_t)leat_ring_measure_pause() * 2 + leat_ring_is_amd_19h();
		if (experiment != NULL && (experiment[0] == '0' || experiment[0] == '1'))
			choice = (choice & ~UINT64_C(1)) + (experiment[0] == '1');
		leat_store_rlx(&chosen, choice); /* rlx: the same */
	}
	tuning.pause_ps = (uint32_t)(choice / 2);
	tuning.hand_back = choice % 2 != 0;
	tuning.skips = tuning.hand_back ? 63 : 0;
	return tuning;
}

#else

/* A program that includes the rings may choose itself: an initializer of the structure. */
static inline struct leat_ring_tuning leat_ring_tune(void)
{
	struct leat_ring_tuning tuning = LEAT_RING_TUNING;

	return tuning;
}

#endif
#endif
