/*
 * tests/stress/close.c: sides that leave while the other is at work.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "close",
		.kinds = KIND(LEAT_SPSC) | KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = COPY | BATCH | TRY | UNTIL | CLONE,
		.endings = RECEIVERS_LEAVE | SENDERS_LEAVE | CLOSE_ALL,
	};
	return stress_main(&stress, argc, argv);
}
