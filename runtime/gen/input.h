/*
 * runtime/gen/input.h: what a seq or a sink receives from, and what becomes of it when that ends.
 *
 * An input that failed or was cancelled ends the generator that it feeds with the same cause, code
 * and text: the seq or sink returns what leat_input_ended() returned, by way of the user's
 * functions, and leat_gen_over() finds both the same. What the input's end was is kept on the stack
 * of the turn or thread meanwhile: struct leat_input_end (runtime/pool/pool.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_INPUT_H
#define LEAT_RUNTIME_GEN_INPUT_H

#include "runtime/pool/pool.h"

#include <leat/gen.h>

/*
 * A receive on this input returned rc, 0 or an error. Returns what that means to what it feeds: 0
 * the end; the code that the generator at its other side failed with; -ECANCELED, also for a stream
 * that ended because its own input was cancelled; rc where the error is the call's own.
 */
int leat_input_ended(const struct leat_rx *in, int rc);

/*
 * A source that a seq pulls has failed with this code, for the reason that the text says: if the
 * generator that runs the seq ends with the code, that is its text. Returns code.
 */
int leat_input_failed(int code, const char *text);

/*
 * A receive, or a peek at one item, by a thread that sends on out. It first looks at out, and does
 * so again whenever it has waited: it returns -EPIPE or -ECANCELED, with nothing taken, once a send
 * there can no longer succeed, also while the input is idle. So out's end beats an item, and the
 * end of the input. Else it returns 1, or what leat_input_ended() does. It waits by the input's
 * policy, and in the input's books.
 */
int leat_input_recv(struct leat_rx *in, void *item, struct leat_tx *out);
int leat_input_peek(struct leat_rx *in, const void **item, struct leat_tx *out);

/*
 * Where this thread keeps the end of an input: it runs a seq or a sink, and not in a step. Else
 * NULL.
 */
extern LEAT_TLS struct leat_input_end *leat_thread_input;

#endif
