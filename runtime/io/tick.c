/* Numbers: by the clock, and one after another. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/wait.h"
#include "runtime/io/split.h"

int leat_tick_into(const struct leat_emitter *to, const struct leat_tick_opts *opts)
{
	int64_t start_ns = leat_now_ns(), end_ns;
	uint64_t due = 0;
	int rc;

	if (opts == NULL || opts->interval_ns <= 0 || !leat_source_reserved(opts->reserved, 4))
		return leat_tx_fail(to->out, -EINVAL, "tick: the interval must be above 0, and reserved zero");
	end_ns = leat_source_deadline(opts->until_ns);
	do {
		uint64_t passed = (uint64_t)((leat_now_ns() - start_ns) / opts->interval_ns), number;
		int64_t next_ns;

		due = passed > due ? passed : due + 1; /* late: the number that is due, not the one that was missed */
		if (__builtin_mul_overflow((int64_t)due, opts->interval_ns, &next_ns) ||
		    __builtin_add_overflow(next_ns, start_ns, &next_ns))
			next_ns = LEAT_NEVER;
		rc = leat_tx_wait(to->out, -1, 0, next_ns < end_ns ? next_ns : end_ns);
		if (rc != -ETIMEDOUT || end_ns <= next_ns)
			break;
		number = due;
		rc = to->emit(to->arg, &number);
	} while (rc == 0);
	return leat_source_end(rc);
}

int leat_count_into(const struct leat_emitter *to, const struct leat_count_opts *opts)
{
	enum { NUMBERS_A_LOOK = 256 };
	uint64_t n;
	int rc = 0;

	if (opts == NULL || !leat_source_reserved(opts->reserved, 4))
		return leat_tx_fail(to->out, -EINVAL, "count: reserved must be zero");
	if (opts->first > opts->last)
		return 0;
	for (n = opts->first; rc == 0; n++) {
		uint64_t number = n;

		if ((n - opts->first) % NUMBERS_A_LOOK == 0 && leat_source_over(opts->until_ns))
			break;
		rc = to->emit(to->arg, &number);
		if (n == opts->last)
			break;
	}
	return leat_source_end(rc);
}
