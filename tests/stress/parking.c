/*
 * tests/stress/parking.c: waiting calls only, so that nearly every item finds somebody asleep or
 * about to be.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "parking",
		.kinds = KIND(LEAT_SPSC) | KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = COPY,
		.endings = DRAIN | CANCEL | RECEIVERS_LEAVE,
	};
	return stress_main(&stress, argc, argv);
}
