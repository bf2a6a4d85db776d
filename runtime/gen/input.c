/*
 * The input of a seq or a sink: receives that also end with the output, and leat_seq_from_rx().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/input.h"
#include "runtime/chan/bind.h"
#include "runtime/chan/waitable.h"
#include "runtime/gen/await.h"
#include "runtime/gen/gen.h"
#include "runtime/scope/scope.h"

LEAT_TLS struct leat_input_end *leat_thread_input;

static void record_input_end(int rc, enum leat_cause cause, int code, const char *text,
                             bool by_itself)
{
	struct leat_input_end *input =
		leat_step_current != NULL ? &leat_step_current->input : leat_thread_input;

	if (input == NULL)
		return;
	input->rc = rc;
	input->cause = cause;
	input->code = code;
	input->by_itself = by_itself;
	leat_text_copy(input->text, text);
}

/* The scope whose cancel ended a receive on `in`: of the output that it is bound to, or its own. */
static struct leat_scope *scope_of_cancel(struct leat_rx *in)
{
	struct leat_tx *out = leat_rx_bound_to(in);

	return out != NULL && leat_tx_refusal(out) == -ECANCELED
	               ? out->chan->scope
	               : leat_waitable_scope(leat_waitable_of_rx(in));
}

int leat_input_ended(const struct leat_rx *in, int rc)
{
	enum leat_cause cause;
	const char *text;
	int code;

	if (rc == -ECANCELED)
		cause = leat_scope_cause(scope_of_cancel((struct leat_rx *)(uintptr_t)in), &code,
		                         &text);
	else if ((rc != 0 && !(rc == -ECONNABORTED && leat_rx_is_sub(in))) ||
	         leat_rx_status(in, &cause, &code, &text) < 0 || cause == LEAT_COMPLETED ||
	         cause == LEAT_STOPPED)
		return rc;
	else if (rc == 0)
		rc = cause == LEAT_FAILED ? code : -ECANCELED;
	else
		text = leat_evicted_text; /* which names the subscriber */
	record_input_end(rc, cause, code, text, false);
	return rc;
}

void leat_input_note_eviction(struct leat_input_end *input, int rc)
{
	if (rc != -ECONNABORTED || input->rc == rc || leat_evicted_text[0] == '\0')
		return;
	*input = (struct leat_input_end){ .rc = rc, .cause = LEAT_ABANDONED };
	leat_text_copy(input->text, leat_evicted_text);
}

int leat_input_failed(int code, const char *text)
{
	record_input_end(code, LEAT_FAILED, code, text, true);
	return code;
}

int leat_fail(int code, const char *text)
{
	if (code >= 0)
		return -EINVAL;
	if (leat_step_current != NULL || leat_thread_input != NULL)
		return leat_input_failed(code, text);
	if (leat_gen_out != NULL)
		leat_tx_fail(leat_gen_out, code, text);
	return code;
}

/* The generator whose step this is receives: a stop need not reach it. */
static void note_step_fed(struct leat_step *step)
{
	if (step->out != NULL)
		leat_handle_note_fed(leat_handle_of_tx(step->out));
	/* rlx: as leat_handle_note_fed() */
	else if (step->ctl != NULL && !(leat_load_rlx(step->ctl) & LEAT_CTL_FED))
		leat_or_rlx(step->ctl, LEAT_CTL_FED); /* rlx: the same */
}

/*
 * leat_recv(), or with place leat_peek(), which never waits: takes an item that is there, or that a
 * generator on a pool makes on this thread.
 */
static int receive_or_peek(struct leat_rx *in, void *item, const void **place)
{
	int rc;

	leat_must_not_wait++;
	rc = place == NULL ? (leat_recv)(in, item) : (int)leat_peek(in, 1, place);
	leat_must_not_wait--;
	return rc;
}

static int receive_or_wait(struct leat_rx *in, void *item, const void **place, struct leat_tx *out)
{
	struct leat_either either = { .notified = false };

	for (;;) {
		int refusal = leat_tx_refusal(out), rc = refusal;

		if (refusal == 0)
			rc = receive_or_peek(in, item, place);
		if (leat_unlikely(either.notified))
			leat_waitable_forward_notify(leat_waitable_of_rx(in));
		if (rc == 1 || refusal != 0)
			return rc;
		if (rc != -EDEADLK)
			return leat_input_ended(in, rc);
		if (leat_wait_for_either(in, out, LEAT_NEVER, &either) < 0)
			return leat_input_ended(in, rc);
	}
}

int leat_input_recv(struct leat_rx *in, void *item, struct leat_tx *out)
{
	return receive_or_wait(in, item, NULL, out);
}

int leat_input_peek(struct leat_rx *in, const void **item, struct leat_tx *out)
{
	return receive_or_wait(in, NULL, item, out);
}

/*
 * The next of leat_seq_from_rx(). On a generator's thread it also ends with the generator's output.
 * In a step it must not wait, and asks to be called again. Elsewhere it waits as a receive does.
 */
static int receive_next(void *state, void *item)
{
	int rc;

	if (leat_step_current == NULL && leat_gen_out != NULL) {
		leat_handle_note_fed(leat_handle_of_tx(leat_gen_out));
		return leat_input_recv(state, item, leat_gen_out);
	}
	if (leat_step_current != NULL)
		note_step_fed(leat_step_current);
	rc = (leat_recv)((struct leat_rx *)state, item);
	if (rc == -EDEADLK && leat_step_current != NULL) {
		if (leat_step_is_stopped(leat_step_current))
			return -ESHUTDOWN;
		leat_step_current->rx = state;
		return LEAT_ITEM;
	}
	return rc == 1 ? 1 : leat_input_ended(state, rc);
}

static void receive_fini(void *state)
{
	leat_rx_close(state);
}

struct leat_seq leat_seq_from_rx(struct leat_rx *rx)
{
	if (rx == NULL)
		return (struct leat_seq){ NULL, NULL, NULL, 0 };
	return (struct leat_seq){ receive_next, receive_fini, rx, rx->spsc.item_size };
}
