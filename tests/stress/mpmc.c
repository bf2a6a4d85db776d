/*
 * tests/stress/mpmc.c: many on one side or on both, every call, to the end of the stream.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "mpmc",
		.kinds = KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = COPY | BATCH | ZERO_COPY | TRY | UNTIL | CLONE,
		.endings = DRAIN,
	};
	return stress_main(&stress, argc, argv);
}
