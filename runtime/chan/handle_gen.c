/*
 * Handles that leat_gen_into() has given to a generator. Its scope may be another than the
 * channel's: then a cancel or a stop of that scope ends the sends and waits of this handle alone.
 *
 * A send's fast path tests bits of the channel's control word, which all senders share. So the
 * canceller, or the stopper, sets the bit STOPPING there, which takes each sender to its slow path.
 * That path asks the handle. The bit stays: the other senders' sends are slower from then on by
 * that call.
 *
 *     K4  a cancel or a stop of the generator's  ->  a send on the handle, or a wait of its
 *         scope sets a bit in ends                   generator, loads ends: what was done before
 *                                                    is seen, the scope's cause among it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"

static struct leat_handle_gen *handle_gen_of(struct leat_scope_hook *hook)
{
	return leat_container_of(hook, struct leat_handle_gen, hook);
}

static void end_handle(struct leat_handle_gen *gen, uint32_t how)
{
	struct leat_chan *chan = leat_chan_of(gen->h);

	/* K4: the scope's cause before it; pairs with leat_handle_gen_refusal() */
	leat_or_acqrel(&gen->ends, how);
	/* rlx: a call that began before this may miss it; a later one has ends by other means */
	leat_or_rlx(&chan->ctl, LEAT_CTL_STOPPING);
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
}

static void cancel_handle(struct leat_scope_hook *hook, const void *spared)
{
	(void)spared;
	end_handle(handle_gen_of(hook), LEAT_CTL_CANCELED);
}

static void stop_handle(struct leat_scope_hook *hook)
{
	end_handle(handle_gen_of(hook), LEAT_CTL_STOPPING);
}

/* In the channel's own scope the channel's hook does all there is to do. */
static void leave_to_channel(struct leat_scope_hook *hook, const void *spared)
{
	(void)hook;
	(void)spared;
}

static enum leat_untold find_untold(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1])
{
	const struct leat_handle_gen *gen = handle_gen_of(hook);
	const struct leat_stop_mark *mark = &gen->h->mark;

	/* rlx: as in leat_chan_untold() */
	if (leat_load_rlx(&mark->source) || leat_load_rlx(&mark->fed))
		return LEAT_UNTOLD_NO;
	leat_name_copy(name, gen->name[0] != '\0' ? gen->name : "(no name)");
	return LEAT_UNTOLD_PERHAPS; /* it is a function's */
}

int leat_handle_gen_attach(struct leat_handle *h, struct leat_scope *scope, const char *name)
{
	struct leat_handle_gen *gen = leat_os_alloc(sizeof(*gen), 0);
	int rc;

	if (gen == NULL)
		return -ENOMEM;
	gen->h = h;
	gen->scope = scope;
	leat_name_copy(gen->name, name);
	gen->hook.cancel = leave_to_channel;
	gen->hook.untold = find_untold;
	if (scope != leat_chan_of(h)->scope) {
		gen->hook.cancel = cancel_handle;
		gen->hook.stop = stop_handle;
	}
	/* rlx: as in leat_chan_untold(); a receiver may be bound to it already */
	leat_store_rlx(&h->mark.fed, h->bound != NULL);
	rc = leat_scope_attach(scope, &gen->hook);
	if (rc < 0) {
		leat_os_free(gen);
		return rc;
	}
	h->mark.told = false;
	h->gen = gen;
	return 0;
}

void leat_handle_gen_detach(struct leat_handle *h)
{
	struct leat_handle_gen *gen = h->gen;

	if (gen == NULL)
		return;
	leat_scope_detach(gen->scope, &gen->hook);
	h->gen = NULL;
	leat_os_free(gen);
}

int leat_handle_gen_refusal(struct leat_handle_gen *gen, int refusal)
{
	if (gen->refused != 0)
		return gen->refused;
	/* K4: the scope's cause before it; pairs with end_handle() */
	if (refusal == 0 && leat_load_acq(&gen->ends) & LEAT_CTL_CANCELED)
		refusal = -ECANCELED;
	gen->refused = refusal;
	return refusal;
}
