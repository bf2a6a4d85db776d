/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/input.h"
#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"
#include "runtime/gen/gen.h"
#include "runtime/scope/scope.h"

LEAT_TLS struct leat_input_end *leat_thread_input;

static void keep(int rc, enum leat_cause cause, int code, const char *text)
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
	else if (rc != 0 || leat_rx_status(in, &cause, &code, &text) < 0 || cause == LEAT_COMPLETED)
		return rc;
	else
		rc = cause == LEAT_FAILED ? code : -ECANCELED;
	keep(rc, cause, code, text);
	return rc;
}

int leat_input_failed(int code, const char *text)
{
	keep(code, LEAT_FAILED, code, text);
	return code;
}

/* A wait for an input, and for the end of an output. It takes nothing. */
struct input_wait {
	struct leat_wait_loop loop;
	struct leat_waiter at_in, at_out;
	struct leat_waitable *in;
	struct leat_chan *out;
	bool told; /* by the input: its notification may be another receiver's */
};

static struct input_wait *input_wait_of(struct leat_wait_loop *w)
{
	return (struct input_wait *)(void *)w;
}

static ssize_t wait_attempt(struct leat_wait_loop *w)
{
	const struct input_wait *wait = input_wait_of(w);

	return leat_chan_refusal(wait->out) != 0 || leat_waitable_ready(wait->in) ? 0 : -EAGAIN;
}

static void wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_scope *scopes[] = { input_wait_of(w)->out->scope,
		                        leat_waitable_scope(input_wait_of(w)->in) };

	for (int i = 0; i < 2; i++)
		if (now_ns >= leat_scope_deadline(scopes[i]))
			leat_scope_expire(scopes[i]);
}

/*
 * The output's end is notified under its event's lock, so of the two, this waiter and the end, one
 * sees the other.
 */
static void wait_prepare(struct leat_wait_loop *w)
{
	struct input_wait *wait = input_wait_of(w);

	leat_event_prepare_wait(&wait->out->done, &wait->at_out);
	leat_event_fence(leat_waitable_add_waiter(wait->in, &wait->at_in));
}

static ssize_t wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	leat_waitable_wait_parks(input_wait_of(w)->in);
	leat_sleeper_park(&w->sleeper, until_ns);
	return -EAGAIN;
}

static bool wait_retire(struct leat_wait_loop *w)
{
	struct input_wait *wait = input_wait_of(w);

	leat_event_remove_waiter(&wait->out->done, &wait->at_out);
	wait->told = leat_waitable_remove_waiter(wait->in, &wait->at_in);
	return wait->told;
}

static void wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_begins(input_wait_of(w)->in, now_ns);
}

static void wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_ends(input_wait_of(w)->in, now_ns);
}

/* Without forward(): the notification is forwarded once it is known what was taken. */
static const struct leat_wait_ops wait_ops = {
	.attempt = wait_attempt,
	.expire = wait_expire,
	.prepare = wait_prepare,
	.park = wait_park,
	.retire = wait_retire,
	.begin = wait_begin,
	.end = wait_end,
};

/*
 * Returns 0, or -EDEADLK where this thread must not wait. *told: the caller has a notification to
 * forward.
 */
static int wait_for_either(struct leat_rx *in, struct leat_tx *out, bool *told)
{
	struct leat_waitable *side = leat_waitable_of_rx(in);
	int64_t in_ns = leat_scope_deadline(leat_waitable_scope(side)),
		out_ns = leat_scope_deadline(out->chan->scope);
	struct input_wait wait = {
		.loop = {
			.ops = &wait_ops,
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
		.out = out->chan,
	};
	int rc = (int)leat_wait_for(&wait.loop);

	*told = wait.told;
	return rc;
}

/*
 * Takes what is there, or what a generator on a pool makes here and now: leat_recv(), or with place
 * leat_peek(); never waits.
 */
static int take(struct leat_rx *in, void *item, const void **place)
{
	int rc;

	leat_must_not_wait++;
	rc = place == NULL ? leat_recv(in, item) : (int)leat_peek(in, 1, place);
	leat_must_not_wait--;
	return rc;
}

static int take_or_wait(struct leat_rx *in, void *item, const void **place, struct leat_tx *out)
{
	bool told = false;

	for (;;) {
		int refusal = leat_chan_refusal(out->chan), rc = refusal;

		if (refusal == 0)
			rc = take(in, item, place);
		if (leat_unlikely(told))
			leat_waitable_forward_notify(leat_waitable_of_rx(in));
		if (rc == 1 || refusal != 0)
			return rc;
		if (rc != -EDEADLK || wait_for_either(in, out, &told) < 0)
			return leat_input_ended(in, rc);
	}
}

int leat_input_recv(struct leat_rx *in, void *item, struct leat_tx *out)
{
	return take_or_wait(in, item, NULL, out);
}

int leat_input_peek(struct leat_rx *in, const void **item, struct leat_tx *out)
{
	return take_or_wait(in, NULL, item, out);
}

/*
 * Of a generator's thread the output tells when to stop; a step must not wait; else the caller
 * waits as for any receive.
 */
static int receive_next(void *state, void *item)
{
	int rc;

	if (leat_step_current == NULL && leat_gen_out != NULL)
		return leat_input_recv(state, item, leat_gen_out);
	rc = leat_recv((struct leat_rx *)state, item);
	if (rc == -EDEADLK && leat_step_current != NULL) {
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
	return (struct leat_seq){ receive_next, receive_fini, rx, rx->ring.item_size };
}
