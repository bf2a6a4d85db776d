/*
 * tests/stress/overflow.c: channels that drop, with every call and every ending.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "overflow",
		.kinds = KIND(LEAT_SPSC) | KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_DROP_NEWEST) | OVERFLOW(LEAT_DROP_OLDEST),
		.calls = COPY | BATCH | ZERO_COPY | TRY | UNTIL | CLONE,
		.endings = DRAIN | RECEIVERS_LEAVE | CANCEL | DEADLINE | SCOPE_CLOSE |
		           SENDERS_LEAVE | CLOSE_ALL,
	};
	return stress_main(&stress, argc, argv);
}
