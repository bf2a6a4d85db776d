/*
 * tests/stress/cancel.c: cancels, deadlines and closing scopes at random moments.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stress.h"

int main(int argc, char **argv)
{
	static const struct stress stress = {
		.name = "cancel",
		.kinds = KIND(LEAT_SPSC) | KIND(LEAT_MPSC) | KIND(LEAT_SPMC) | KIND(LEAT_MPMC),
		.overflows = OVERFLOW(LEAT_BLOCK),
		.calls = COPY | BATCH | TRY | UNTIL | CLONE,
		.endings = CANCEL | DEADLINE | SCOPE_CLOSE,
	};
	return stress_main(&stress, argc, argv);
}
