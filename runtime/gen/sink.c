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

static int put_all(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink)
{
	const void *item;
	ssize_t there;
	int rc;

	for (;;) {
		rc = leat_chan_refusal(out->chan);
		if (rc != 0)
			return rc;
		leat_must_not_wait++;
		there = leat_peek(in, 1, &item);
		leat_must_not_wait--;
		if (there == -EDEADLK) {
			wait_for_either(out, in);
			continue;
		}
		if (there <= 0)
			return leat_input_ended(in, (int)there);
		rc = sink->put(sink->state, item);
		leat_release(in, 1);
		if (rc != 0)
			return rc == 1 ? 0 : rc > 1 ? leat_gen_broken(out, "put", rc, "0, 1 or -errno") : rc;
		leat_thread_input->rc = 0;
	}
}

int leat_sink_run(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink)
{
	int rc = put_all(out, in, sink);

	leat_rx_close(in);
	if (sink->fini != NULL)
		sink->fini(sink->state);
	return rc;
}

int leat_detail_gen_sink(unsigned abi, struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink,
			 const struct leat_gen_opts *opts)
{
	static const struct leat_gen_opts defaults;
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
	return opts->pool != NULL ? leat_pooled_start_sink(scope, rx, &sink, opts) : leat_gen_start_sink(scope, rx, &sink, opts);
}

/* For a caller by address or from another language, which is not checked. */
int (leat_gen_sink)(struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink, const struct leat_gen_opts *opts)
{
	return leat_gen_sink(scope, rx, sink, opts);
}
