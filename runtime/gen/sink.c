/*
 * Sinks: leat_gen_sink(), and the loop of one on a thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/broadcast/broadcast.h"
#include "runtime/chan/waitable.h"
#include "runtime/gen/gen.h"
#include "runtime/gen/pooled.h"

static int put_all(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink)
{
	const void *item;
	int rc;

	while ((rc = leat_input_peek(in, &item, out)) == 1) {
		rc = sink->put(sink->state, item);
		leat_release(in, 1);
		if (rc != 0)
			return rc == 1  ? 0
			       : rc > 1 ? leat_gen_fail_value(out, "put", rc, "0, 1 or -errno")
			                : rc;
		leat_thread_input->rc = 0;
	}
	return rc;
}

int leat_sink_run(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink)
{
	int rc;

	leat_handle_note_fed(leat_handle_of_tx(out));
	leat_times_note_wait(leat_waitable_channel(leat_waitable_of_rx(in)), false);
	rc = put_all(out, in, sink);
	leat_rx_close(in);
	if (sink->fini != NULL)
		sink->fini(sink->state);
	return rc;
}

int leat_detail_gen_sink(unsigned abi, struct leat_scope *scope, struct leat_rx *rx,
                         struct leat_sink sink, const struct leat_gen_opts *opts)
{
	static const struct leat_gen_opts defaults;
	int rc;

	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (opts == NULL)
		opts = &defaults;
	if (rx == NULL || sink.put == NULL || opts->source || opts->fini != NULL)
		return -EINVAL;
	rc = leat_gen_check(scope, opts);
	if (rc == 0)
		/* no item is taken here, so any address does for it */
		rc = leat_waitable_check(leat_waitable_of_rx(rx), rx, 0, "leat_gen_sink");
	if (rc == 0)
		rc = leat_sub_let_peek(rx);
	if (rc < 0)
		return rc;
	return opts->pool != NULL ? leat_pooled_start_sink(scope, rx, &sink, opts)
	                          : leat_gen_start_sink(scope, rx, &sink, opts);
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
int(leat_gen_sink)(struct leat_scope *scope, struct leat_rx *rx, struct leat_sink sink,
                   const struct leat_gen_opts *opts)
{
	return leat_gen_sink(scope, rx, sink, opts);
}
