/*
 * leat/ring/tuning.h: what the rings choose by processor, when the first one is opened.
 *
 *     pause_ps   the time of one leat_pause(), measured: back-offs are times, and counted in pauses
 *     hand_back  whether the consumer of an SPSC ring writes to a line that it has read, before the
 *                producer writes it again (leat/ring/spsc.h, Lines handed back)
 *     shared     whether the subscribers of a broadcast do so, too, where others read what they have
 *                read: stages, and all where items have more than 24 bytes
 *     shorter    whether back-offs of an SPSC ring are shorter where its items are small
 *                (leat/ring/spsc.h, leat_spsc_init_backoff())
 *     skips      how many back-offs in a row a side leaves out at most, after one that was in vain
 *
 * | processor          | hand_back | shared | shorter | skips | from                               |
 * | ------------------ | --------- | ------ | ------- | ----- | ---------------------------------- |
 * | zen4: AMD family   | yes       | yes    | yes     | 63    | measured there: docs/rings.md,     |
 * | 19h, models 10h to |           |        |         |       | docs/perf.md; the models are those |
 * | 1Fh, 60h to AFh    |           |        |         |       | of Linux, arch/x86/kernel/cpu/amd.c |
 * | zen3: the others   | yes       | no     | no      | 63    | measured there: docs/rings.md;     |
 * | of family 19h      |           |        |         |       | what says no was not               |
 * | other: any other   | no        | no     | no      | 0     | lines: Intel Sapphire Rapids, one  |
 * |                    |           |        |         |       | trial, a loss; the others were not |
 * |                    |           |        |         |       | measured                           |
 *
 * For experiments the environment variable LEAT_RING_PROCESSOR, "zen4", "zen3" or "other", chooses
 * the row.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_TUNING_H
#define LEAT_RING_TUNING_H

#include <leat/atomic.h>
#include <leat/base.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct leat_ring_tuning {
	uint32_t pause_ps; /* never 0 */
	bool hand_back;
	uint8_t skips;
	bool shared, shorter;
};

#ifndef LEAT_RING_TUNING

/* The rows of the table above. */
enum leat_ring_processor { LEAT_RING_OTHER, LEAT_RING_ZEN3, LEAT_RING_ZEN4, LEAT_RING_PROCESSORS };

static inline enum leat_ring_processor leat_ring_find_processor(void)
{
#if defined(__x86_64__)
	uint32_t leaf = 0, b, c = 0, d, model;

	__asm__ __volatile__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	if (b != 0x68747541 || d != 0x69746e65 || c != 0x444d4163) /* "Auth" "enti" "cAMD" */
		return LEAT_RING_OTHER;
	leaf = 1;
	c = 0;
	__asm__ __volatile__("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	/* the extended family and model count if the base family is 15 */
	if ((leaf >> 8 & 15) != 15 || (leaf >> 20 & 255) + 15 != 0x19)
		return LEAT_RING_OTHER;
	model = (leaf >> 12 & 0xf0) | (leaf >> 4 & 15);
	return (model >= 0x10 && model <= 0x1f) || (model >= 0x60 && model <= 0xaf)
	               ? LEAT_RING_ZEN4
	               : LEAT_RING_ZEN3;
#else
	return LEAT_RING_OTHER;
#endif
}

/* The processor, or the one that the environment names. */
static inline enum leat_ring_processor leat_ring_processor(void)
{
	static const char *const names[LEAT_RING_PROCESSORS] = { "other", "zen3", "zen4" };
	const char *experiment = getenv("LEAT_RING_PROCESSOR");

	for (int i = 0; experiment != NULL && i < LEAT_RING_PROCESSORS; i++)
		if (strcmp(experiment, names[i]) == 0)
			return (enum leat_ring_processor)i;
	return leat_ring_find_processor();
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
	static uint64_t chosen; /* atomic: 0, or pause_ps * LEAT_RING_PROCESSORS + the processor */
	uint64_t choice = leat_load_rlx(&chosen); /* rlx: all is in this word */
	enum leat_ring_processor processor;
	struct leat_ring_tuning tuning;

	if (choice == 0) {
		choice = (uint64_t)leat_ring_measure_pause() * LEAT_RING_PROCESSORS +
		         (uint64_t)leat_ring_processor();
		leat_store_rlx(&chosen, choice); /* rlx: the same */
	}
	tuning.pause_ps = (uint32_t)(choice / LEAT_RING_PROCESSORS);
	processor = (enum leat_ring_processor)(choice % LEAT_RING_PROCESSORS);
	tuning.hand_back = processor != LEAT_RING_OTHER;
	tuning.shared = tuning.shorter = processor == LEAT_RING_ZEN4;
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
