/*
 * runtime/io/source.h: the sources of leat/io.h, freed from the channel they send into.
 *
 * A flow fuses the cheap steps behind a source into the source's own thread: what the source makes
 * goes to a function, and only what comes out at the end of the steps goes into a ring. So each
 * source is written once, here, against an emitter; its public face in leat/io.h emits with
 * leat_send().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_SOURCE_H
#define LEAT_RUNTIME_IO_SOURCE_H

#include <leat/io.h>

/*
 * Takes one item, of the type that the source's comment in leat/io.h names. 0: the item is the
 * emitter's now. Anything else: it is still the source's, which frees it and ends with that value
 * at once. A positive value (LEAT_EMIT_ENOUGH) ends the source well: it answers 0.
 */
typedef int leat_emit_fn(void *arg, void *item);
#define LEAT_EMIT_ENOUGH 1

struct leat_emitter {
	leat_emit_fn *emit;
	void *arg;
	/* what the source waits with (leat_tx_wait, leat_tx_done) and fails with (leat_tx_fail) */
	struct leat_tx *out;
};

int leat_lines_into(const struct leat_emitter *to, const struct leat_lines_opts *opts);
int leat_follow_into(const struct leat_emitter *to, const struct leat_follow_opts *opts);
int leat_proc_into(const struct leat_emitter *to, const struct leat_proc_opts *opts);
int leat_tick_into(const struct leat_emitter *to, const struct leat_tick_opts *opts);
int leat_count_into(const struct leat_emitter *to, const struct leat_count_opts *opts);

#endif
