/*
 * Sinks: leat_gen_sink(), and how one runs on a thread, where it waits for items and for its scope's cancel at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/chan/side.h"
#include "runtime/gen/gen.h"
#include "runtime/gen/pooled.h"

enum { SPIN_PAUSES = 64 };

struct on_thread {
	struct leat_rx *in;
	struct leat_sink sink;
};

/* Until there is something to receive, or to hear from its own channel. */
static void wait_for_either(struct leat_tx *out, struct leat_rx *in)
{
	struct leat_sleeper sleeper = LEAT_SLEEPER_INIT;
	struct leat_waiter at_out = { .sleeper = &sleeper }, at_in = { .sleeper = &sleeper };
	struct leat_side *in_side = leat_side_of_rx(in);
	int64_t until_ns = leat_scope_deadline(out->chan->scope);

	for (unsigned i = 0; i < SPIN_PAUSES; i++) {
		if (leat_chan_refusal(out->chan) != 0 || leat_side_ready(in_side))
			return;
		leat_pause();
	}
	leat_sleeper_ready(&sleeper);
	leat_event_enter(&out->chan->done, &at_out);
	leat_event_fence(leat_side_line_up(in_side, &at_in));
	if (leat_chan_refusal(out->chan) == 0 && !leat_side_ready(in_side) && leat_sleeper_park(&sleeper, until_ns) == -ETIMEDOUT)
		leat_scope_expire(out->chan->scope);
	if (leat_side_leave(in_side, &at_in))
		leat_side_pass_on(in_side);
	leat_event_leave(&out->chan->done, &at_out);
}

static int put_all(struct leat_tx *out, struct on_thread *s)
{
	const void *item;
	ssize_t there;
	int rc;

	for (;;) {
		rc = leat_chan_refusal(out->chan);
		if (rc != 0)
			return rc;
		leat_must_not_wait++;
		there = leat_peek(s->in, 1, &item);
		leat_must_not_wait--;
		if (there == -EDEADLK) {
			wait_for_either(out, s->in);
			continue;
		}
		if (there <= 0)
			return there < 0 ? (int)there : leat_sink_input_ended(s->in);
		rc = s->sink.put(s->sink.state, item);
		leat_release(s->in, 1);
		if (rc != 0)
			return rc == 1 ? 0 : rc > 1 ? leat_gen_broken(out, "put", rc, "0, 1 or -errno") : rc;
	}
}

static int run(struct leat_tx *out, void *arg)
{
	struct on_thread s = *(struct on_thread *)arg;
	int rc;

	leat_os_free(arg);
	rc = put_all(out, &s);
	leat_rx_close(s.in);
	if (s.sink.fini != NULL)
		s.sink.fini(s.sink.state);
	return rc;
}

int leat_sink_input_ended(const struct leat_rx *in)
{
	enum leat_cause cause;
	int code;

	if (leat_rx_status(in, &cause, &code, NULL) == 0 && cause == LEAT_FAILED)
		return code;
	return 0;
}

int leat_detail_gen_sink(unsigned abi, struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink,
			 const struct leat_gen_opts *opts)
{
	static const struct leat_gen_opts defaults;
	struct on_thread *s;
	int rc;

	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (opts == NULL)
		opts = &defaults;
	if (rx == NULL || sink.put == NULL)
		return -EINVAL;
	rc = leat_gen_check(scope, opts);
	if (rc == 0)
		rc = leat_side_check(leat_side_of_rx(rx), rx, 0, "leat_gen_sink"); /* with any address for the item's */
	if (rc < 0)
		return rc;
	if (opts->pool != NULL)
		return leat_pooled_start_sink(scope, rx, &sink, opts);
	s = leat_os_alloc(sizeof(*s), 0);
	if (s == NULL)
		return -ENOMEM;
	s->in = rx;
	s->sink = sink;
	rc = leat_gen(scope, run, s, 0, opts, NULL);
	if (rc < 0)
		leat_os_free(s);
	return rc;
}

/* For a caller by address or from another language, which is not checked. */
int (leat_gen_sink)(struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink, const struct leat_gen_opts *opts)
{
	return leat_gen_sink(scope, rx, sink, opts);
}
