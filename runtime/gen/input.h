/*
 * runtime/gen/input.h: the input of a seq or a sink, and how the input's end becomes its own.
 *
 * An input that failed or was cancelled ends the generator that it feeds with the same cause, code
 * and text: the seq or sink returns what leat_input_ended() returned, by way of the user's
 * functions, and leat_gen_finish() finds both the same. What the input's end was is kept on the
 * stack of the turn or thread meanwhile: struct leat_input_end (runtime/pool/pool.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_INPUT_H
#define LEAT_RUNTIME_GEN_INPUT_H

#include "runtime/broadcast/broadcast.h"
#include "runtime/pool/pool.h"

#include <leat/gen.h>

/*
 * A receive on this input returned rc, 0 or an error. Returns what the seq or sink must return: 0
 * at a good end; the code of the generator that sent into the input, if that failed; -ECANCELED,
 * also for a stream that ended because its own input was cancelled; else rc. Keeps cause, code and
 * text of a bad end for leat_gen_finish().
 */
int leat_input_ended(const struct leat_rx *in, int rc);

/*
 * A source that a seq pulls has failed with this code, for the reason that the text says: if the
 * generator that runs the seq ends with the code, that is its text. Returns code.
 */
int leat_input_failed(int code, const char *text);

/*
 * A receive that the user's function made by itself may have returned -ECONNABORTED, as its
 * subscriber was evicted. That is kept in leat_evicted_text, for this thread. Before the function
 * is called, what an earlier one on this thread left there is forgotten. After the function has
 * returned rc, an eviction that rc is of becomes the input's end: no failure.
 */
static inline void leat_input_forget_eviction(void)
{
	leat_evicted_text[0] = '\0';
}
void leat_input_note_eviction(struct leat_input_end *input, int rc);

/*
 * A receive, or a peek at one item, by a thread that sends on out. It checks out first, and again
 * after each wait: once a send on out can no longer succeed it returns -EPIPE or -ECANCELED and
 * takes nothing, also while the input is idle. So the end of out goes before an item, and before
 * the end of the input. Else it returns 1, or what leat_input_ended() does. It waits by the input's
 * policy, and the wait is in the input's books.
 */
int leat_input_recv(struct leat_rx *in, void *item, struct leat_tx *out);
int leat_input_peek(struct leat_rx *in, const void **item, struct leat_tx *out);

/*
 * Where this thread keeps how an input ended, while it runs a seq or a sink outside of a step; else
 * NULL.
 */
extern LEAT_TLS struct leat_input_end *leat_thread_input;

#endif
