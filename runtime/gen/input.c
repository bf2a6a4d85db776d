/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/input.h"
#include "runtime/chan/side.h"
#include "runtime/scope/scope.h"

LEAT_TLS struct leat_input_end *leat_thread_input;

static void keep(int rc, enum leat_cause cause, int code, const char *text)
{
	struct leat_input_end *input = leat_step_current != NULL ? &leat_step_current->input : leat_thread_input;

	if (input == NULL)
		return;
	input->rc = rc;
	input->cause = cause;
	input->code = code;
	leat_text_copy(input->text, text);
}

int leat_input_ended(const struct leat_rx *in, int rc)
{
	enum leat_cause cause;
	const char *text;
	int code;

	if (rc == -ECANCELED)
		cause = leat_scope_cause(leat_side_scope(leat_side_of_rx((struct leat_rx *)(uintptr_t)in)), &code, &text);
	else if (rc != 0 || leat_rx_status(in, &cause, &code, &text) < 0 || cause == LEAT_COMPLETED)
		return rc;
	else
		rc = cause == LEAT_FAILED ? code : -ECANCELED;
	keep(rc, cause, code, text);
	return rc;
}

static int receive_next(void *state, void *item)
{
	int rc = leat_recv((struct leat_rx *)state, item);

	if (leat_likely(rc == 1))
		return 1;
	if (rc == -EDEADLK && leat_step_current != NULL) {
		leat_step_current->rx = state;
		return LEAT_ITEM;
	}
	return leat_input_ended(state, rc);
}

static void receive_fini(void *state)
{
	leat_rx_close(state);
}

struct leat_seq leat_seq_from_rx(struct leat_rx *rx)
{
	if (rx == NULL)
		return (struct leat_seq){ NULL, NULL, NULL, 0 };
	return (struct leat_seq){ receive_next, receive_fini, rx, rx->ring.item_size };
}
