/*
 * tests/stress/zero_copy.c: reserve and commit against peek and release, given back in part, ended
 * in every way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "zero_copy",
		.kinds = KIND(LEAT_SPSC) | KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = ZERO_COPY,
		.endings = DRAIN | RECEIVERS_LEAVE | CANCEL | DEADLINE | SCOPE_CLOSE |
		           SENDERS_LEAVE | CLOSE_ALL,
	};
	return stress_main(&stress, argc, argv);
}
