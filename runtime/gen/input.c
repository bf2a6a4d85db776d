/*
 * The input of a seq or a sink: receives that also end with the output, and leat_seq_from_rx().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/input.h"
#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"
#include "runtime/gen/await.h"
#include "runtime/gen/gen.h"
#include "runtime/scope/scope.h"

LEAT_TLS struct leat_input_end *leat_thread_input;

static void record_input_end(int rc, enum leat_cause cause, int code, const char *text)
{
	struct leat_input_end *input =
		leat_step_current != NULL ? &leat_step_current->input : leat_thread_input;

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
		cause = leat_scope_cause(
			leat_waitable_scope(leat_waitable_of_rx((struct leat_rx *)(uintptr_t)in)),
			&code, &text);
	else if (rc != 0 || leat_rx_status(in, &cause, &code, &text) < 0 ||
	         cause == LEAT_COMPLETED || cause == LEAT_STOPPED)
		return rc;
	else
		rc = cause == LEAT_FAILED ? code : -ECANCELED;
	record_input_end(rc, cause, code, text);
	return rc;
}

int leat_input_failed(int code, const char *text)
{
	record_input_end(code, LEAT_FAILED, code, text);
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

/* A wait for an item or the end of the input, and for the end of the output. It takes no item. */
struct input_wait {
	struct leat_wait_loop loop;
	struct leat_waiter at_in, at_out;
	struct leat_waitable *in;
	struct leat_tx *out;
	bool notified; /* by the input: another receiver may need that notification */
};

static struct input_wait *input_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct input_wait, loop);
}

static ssize_t input_wait_attempt(struct leat_wait_loop *w)
{
	const struct input_wait *wait = input_wait_of(w);

	return leat_tx_refusal(wait->out) != 0 || leat_waitable_ready(wait->in) ? 0 : -EAGAIN;
}

static void input_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_scope *scopes[] = { input_wait_of(w)->out->chan->scope,
		                        leat_waitable_scope(input_wait_of(w)->in) };

	for (int i = 0; i < 2; i++)
		if (now_ns >= leat_scope_deadline(scopes[i]))
			leat_scope_expire(scopes[i]);
}

/*
 * Waits at both. The output's end takes the lock of the event `done`, so either it finds this
 * waiter on the list, or this thread's recheck reads the end. The input needs the fence.
 */
static void input_wait_prepare(struct leat_wait_loop *w)
{
	struct input_wait *wait = input_wait_of(w);

	leat_event_prepare_wait(&wait->out->chan->done, &wait->at_out);
	leat_event_fence(leat_waitable_add_waiter(wait->in, &wait->at_in));
}

static ssize_t input_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	leat_waitable_wait_parks(input_wait_of(w)->in);
	leat_sleeper_park(&w->sleeper, until_ns);
	return -EAGAIN;
}

static bool input_wait_retire(struct leat_wait_loop *w)
{
	struct input_wait *wait = input_wait_of(w);

	leat_event_remove_waiter(&wait->out->chan->done, &wait->at_out);
	wait->notified = leat_waitable_remove_waiter(wait->in, &wait->at_in);
	return wait->notified;
}

static void input_wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_begins(input_wait_of(w)->in, now_ns);
}

static void input_wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_ends(input_wait_of(w)->in, now_ns);
}

/* Without forward(): receive_or_wait() forwards, once it knows whether it took the item. */
static const struct leat_wait_ops input_wait_ops = {
	.attempt = input_wait_attempt,
	.expire = input_wait_expire,
	.prepare = input_wait_prepare,
	.park = input_wait_park,
	.retire = input_wait_retire,
	.begin = input_wait_begin,
	.end = input_wait_end,
};

/* The generator that runs here is fed by a receiver: a stop need not reach it. */
static void note_fed(void)
{
	struct leat_tx *out = leat_step_current != NULL ? leat_step_current->out : leat_gen_out;

	if (out != NULL)
		leat_handle_note_fed(leat_handle_of_tx(out));
}

/*
 * Returns 0, or -EDEADLK where this thread must not wait. *notified: the caller has a notification
 * to forward.
 */
static int wait_for_either(struct leat_rx *in, struct leat_tx *out, bool *notified)
{
	struct leat_waitable *side = leat_waitable_of_rx(in);
	int64_t in_ns = leat_scope_deadline(leat_waitable_scope(side)),
		out_ns = leat_scope_deadline(out->chan->scope);
	struct input_wait wait = {
		.loop = {
			.ops = &input_wait_ops,
			.policy = leat_waitable_policy(side),
			.time = LEAT_TIME_STARVED,
			.weight = 1,
			.deadline_ns = LEAT_NEVER,
			.scopes_ns = in_ns < out_ns ? in_ns : out_ns,
			.sleeper = LEAT_SLEEPER_INIT,
		},
		.at_in.sleeper = &wait.loop.sleeper,
		.at_out.sleeper = &wait.loop.sleeper,
		.in = side,
		.out = out,
	};
	int rc;

	note_fed();
	rc = (int)leat_wait_for(&wait.loop);
	*notified = wait.notified;
	return rc;
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
	bool notified = false;

	for (;;) {
		int refusal = leat_tx_refusal(out), rc = refusal;

		if (refusal == 0)
			rc = receive_or_peek(in, item, place);
		if (leat_unlikely(notified))
			leat_waitable_forward_notify(leat_waitable_of_rx(in));
		if (rc == 1 || refusal != 0)
			return rc;
		if (rc != -EDEADLK || wait_for_either(in, out, &notified) < 0)
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

	if (leat_step_current == NULL && leat_gen_out != NULL)
		return leat_input_recv(state, item, leat_gen_out);
	rc = (leat_recv)((struct leat_rx *)state, item);
	if (rc == -EDEADLK && leat_step_current != NULL) {
		if (leat_step_is_stopped(leat_step_current))
			return -ESHUTDOWN;
		note_fed();
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
