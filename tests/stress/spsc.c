/*
 * tests/stress/spsc.c: one sender, one receiver, every call, to the end of the stream.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "spsc",
		.kinds = KIND(LEAT_SPSC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = COPY | BATCH | ZERO_COPY | TRY | UNTIL,
		.endings = DRAIN,
	};
	return stress_main(&stress, argc, argv);
}
