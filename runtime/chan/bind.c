/*
 * Bound receivers: leat_rx_bind(), and what their calls do. Also the wait for an input or an
 * output, which the stages of the library share.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/bind.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"

static struct leat_bind *bind_of(struct leat_rx *rx)
{
	return leat_rx_ops_of(rx)->bind(rx, false);
}

static struct leat_event *done_of(const struct leat_bind *bind)
{
	return &leat_chan_of(bind->out)->done;
}

/* What a send on the output would return now. 0 also where the binding has ended. */
static int output_refusal(const struct leat_bind *bind)
{
	return bind->out == NULL ? 0 : leat_handle_refusal(bind->out);
}

/* --- a binding --- */

static void link_bind(struct leat_bind *bind, struct leat_rx *in, struct leat_handle *out)
{
	bind->rx = in;
	bind->own = leat_rx_ops_of(in);
	bind->out = out;
	bind->prev = NULL;
	bind->next = out->bound;
	if (bind->next != NULL)
		bind->next->prev = bind;
	out->bound = bind;
	bind->own->set_bound(in, true);
	leat_handle_note_fed(out);
	leat_scope_note_fed(); /* a generator may bind a receiver to another sender than its own */
	leat_times_note_wait(leat_waitable_channel(leat_waitable_of_rx(in)), false);
	if (out->chan->item_size != 0) /* else a task's, which has none */
		leat_times_note_wait(leat_chan_of(out)->node.id, true);
}

/* A lane of a merge may be armed meanwhile: then only the input notifies it from now on. */
static void unlink_bind(struct leat_bind *bind)
{
	if (bind->waiters > 0)
		leat_event_remove_waiter(done_of(bind), &bind->waiter);
	bind->waiters = 0;
	if (bind->prev != NULL)
		bind->prev->next = bind->next;
	else
		bind->out->bound = bind->next;
	if (bind->next != NULL)
		bind->next->prev = bind->prev;
	bind->out = NULL;
	bind->own->set_bound(bind->rx, false);
}

/* A descriptor that is armed stays so, and becomes readable if there is something to do now. */
static void change_bind(struct leat_bind *bind, struct leat_rx *in, struct leat_handle *out)
{
	struct leat_waitable *waitable = leat_waitable_of_rx(in);
	bool armed = leat_chan_fd_is_armed(waitable);

	leat_chan_fd_disarm(waitable);
	if (bind->out != NULL)
		unlink_bind(bind);
	if (out != NULL)
		link_bind(bind, in, out);
	if (armed)
		leat_chan_fd_arm_again(waitable);
}

void leat_unbind_all(struct leat_handle *out)
{
	while (out->bound != NULL)
		change_bind(out->bound, out->bound->rx, NULL);
}

int leat_rx_bind(struct leat_rx *in, struct leat_tx *out)
{
	struct leat_bind *bind;
	int rc;

	if (in == NULL)
		return -EINVAL;
	/* no item is received here, so any address is good for the check */
	rc = leat_waitable_check(leat_waitable_of_rx(in), in, LEAT_DETAIL_CHAN_SIZE,
	                         "leat_rx_bind");
	if (rc < 0)
		return rc;
	if (out != NULL)
		leat_handle_check(leat_handle_of_tx(out), "leat_rx_bind");
	bind = leat_rx_ops_of(in)->bind(in, out != NULL);
	if (bind == NULL)
		return out == NULL ? 0 : -ENOMEM;
	change_bind(bind, in, out == NULL ? NULL : leat_handle_of_tx(out));
	return 0;
}

struct leat_tx *leat_rx_bound_to(struct leat_rx *rx)
{
	return leat_rx_is_bound(rx) ? &bind_of(rx)->out->tx : NULL;
}

/* --- a call by the receiver's own table --- */

static struct leat_bind *unbind_for_a_call(struct leat_bind *bind)
{
	bind->own->set_bound(bind->rx, false);
	return bind;
}

/* A cleanup: also runs when an exception leaves a step that ran in the call. */
static void bind_again(struct leat_bind **bind)
{
	if ((*bind)->out != NULL) /* a discard may have closed the output */
		(*bind)->own->set_bound((*bind)->rx, true);
}

/* In this block calls on the receiver go by its own table. */
#define UNBOUND_HERE(bind) \
	struct leat_bind *unbound_here __attribute__((cleanup(bind_again))) = \
		unbind_for_a_call(bind)

static void allow_waits(unsigned *before)
{
	leat_must_not_wait = *before;
}

/* In this block calls that would wait return -EDEADLK. */
#define NO_WAITS_HERE() \
	unsigned no_waits_here __attribute__((cleanup(allow_waits))) = leat_must_not_wait++

/* --- receives --- */

/* A receive; with place it is a peek. */
struct bound_call {
	struct leat_bind *bind;
	void *items;
	size_t max, size;
	const void **place;
	int64_t deadline_ns;
	const char *call;
};

static ssize_t receive_unbound(const struct bound_call *c)
{
	struct leat_rx *rx = c->bind->rx;
	UNBOUND_HERE(c->bind);

	if (c->place != NULL)
		return c->bind->own->peek(rx, c->max, c->place, c->deadline_ns, c->call);
	return c->bind->own->recv(rx, c->items, c->max, c->size, c->deadline_ns, c->call);
}

/* Takes what is there, or what a generator on a pool makes on this thread. */
static ssize_t receive_without_wait(const struct bound_call *c)
{
	NO_WAITS_HERE();

	return receive_unbound(c);
}

/* A bad argument goes before the output's answer. Where that is none, the attempt checks them. */
static ssize_t check_and_refuse(const struct bound_call *c, int refusal)
{
	const void *to = c->place != NULL ? (const void *)c->place : c->items;
	int rc = c->bind->own->check(c->bind->rx, to, c->size, c->call);

	if (rc == 0 && c->max == 0)
		rc = -EINVAL;
	return rc != 0 ? rc : refusal;
}

/* Asks the output before each attempt, so that its end goes before an item and an end. */
static ssize_t receive_bound(const struct bound_call *c)
{
	struct leat_bind *bind = c->bind;
	struct leat_either either = { .notified = false };

	while (bind->out != NULL) {
		ssize_t r = output_refusal(bind);

		r = leat_likely(r == 0) ? receive_without_wait(c) : check_and_refuse(c, (int)r);
		if (leat_unlikely(either.notified))
			leat_waitable_forward_notify(leat_waitable_of_rx(bind->rx));
		if (r != -EDEADLK || leat_must_not_wait > 0 || bind->out == NULL)
			return r;
		leat_wait_for_either(bind->rx, &bind->out->tx, c->deadline_ns, &either);
	}
	return receive_unbound(c);
}

ssize_t leat_bound_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                        int64_t deadline_ns, const char *call)
{
	struct bound_call c = { .bind = bind_of(rx),
		                .items = items,
		                .max = max,
		                .size = size,
		                .deadline_ns = deadline_ns,
		                .call = call };

	return receive_bound(&c);
}

ssize_t leat_bound_peek(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                        const char *call)
{
	struct bound_call c = { .bind = bind_of(rx),
		                .max = want,
		                .place = items,
		                .deadline_ns = deadline_ns,
		                .call = call };

	return receive_bound(&c);
}

int leat_bound_release(struct leat_rx *rx, size_t n)
{
	struct leat_bind *bind = bind_of(rx);
	UNBOUND_HERE(bind);

	return bind->own->release(rx, n);
}

void leat_bound_close(struct leat_rx *rx)
{
	struct leat_bind *bind = bind_of(rx);

	unlink_bind(bind);
	bind->own->close(rx);
}

/* --- as one of several things to wait for --- */

int leat_bound_attempt(struct leat_rx *rx, void *item)
{
	struct leat_bind *bind = bind_of(rx);
	int refusal = output_refusal(bind);
	UNBOUND_HERE(bind);

	return refusal != 0 ? refusal : bind->own->attempt(rx, item);
}

bool leat_bound_ready(struct leat_rx *rx)
{
	struct leat_bind *bind = bind_of(rx);
	bool refused = output_refusal(bind) != 0;
	UNBOUND_HERE(bind);

	return refused || bind->own->ready(rx);
}

bool leat_bound_add_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	struct leat_bind *bind = bind_of(rx);
	UNBOUND_HERE(bind);

	if (bind->waiters++ == 0) {
		bind->waiter = (struct leat_waiter){ .sleeper = waiter->sleeper };
		leat_event_add_waiter(done_of(bind), &bind->waiter); /* mutate */
	}
	return bind->own->add_waiter(rx, waiter);
}

/*
 * Both events notify the same sleeper, so what either did counts. A waiter may be removed again,
 * as leat_event_remove_waiter() says.
 */
bool leat_bound_remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	struct leat_bind *bind = bind_of(rx);
	bool notified = false;
	UNBOUND_HERE(bind);

	if (bind->waiters > 0 && --bind->waiters == 0)
		notified = leat_event_remove_waiter(done_of(bind), &bind->waiter);
	return bind->own->remove_waiter(rx, waiter) || notified;
}

/* --- the wait for an input or an output --- */

struct either_wait {
	struct leat_wait_loop loop;
	struct leat_waiter at_in, at_out;
	struct leat_waitable *in;
	struct leat_tx *out;
	bool bound; /* `in` to out: the binding's waiter is at out */
	struct leat_either *either;
};

static struct either_wait *either_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct either_wait, loop);
}

static ssize_t either_wait_attempt(struct leat_wait_loop *w)
{
	const struct either_wait *wait = either_wait_of(w);

	return leat_tx_refusal(wait->out) != 0 || leat_waitable_ready(wait->in) ? 0 : -EAGAIN;
}

static void either_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_scope *scopes[] = { either_wait_of(w)->out->chan->scope,
		                        leat_waitable_scope(either_wait_of(w)->in) };

	for (int i = 0; i < 2; i++)
		if (now_ns >= leat_scope_deadline(scopes[i]))
			leat_scope_expire(scopes[i]);
}

/* The input needs the fence; the output does not (bind.h, No lost wake-up). */
static void either_wait_prepare(struct leat_wait_loop *w)
{
	struct either_wait *wait = either_wait_of(w);

	if (!wait->bound)
		leat_event_prepare_wait(&wait->out->chan->done, &wait->at_out);
	leat_event_fence(leat_waitable_add_waiter(wait->in, &wait->at_in));
}

static ssize_t either_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	leat_waitable_wait_parks(either_wait_of(w)->in);
	leat_sleeper_park(&w->sleeper, until_ns);
	return -EAGAIN;
}

static bool either_wait_retire(struct leat_wait_loop *w)
{
	struct either_wait *wait = either_wait_of(w);
	bool notified;

	if (!wait->bound)
		leat_event_remove_waiter(&wait->out->chan->done, &wait->at_out);
	notified = leat_waitable_remove_waiter(wait->in, &wait->at_in);
	wait->at_in.lost += notified;
	wait->either->lost = wait->at_in.lost;
	wait->either->notified = notified;
	return notified;
}

static void either_wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_begins(either_wait_of(w)->in, now_ns);
}

static void either_wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_waitable_wait_ends(either_wait_of(w)->in, now_ns);
}

/* Without forward(): the caller forwards, once it knows whether it took the item. */
static const struct leat_wait_ops either_wait_ops = {
	.attempt = either_wait_attempt,
	.expire = either_wait_expire,
	.prepare = either_wait_prepare,
	.park = either_wait_park,
	.retire = either_wait_retire,
	.begin = either_wait_begin,
	.end = either_wait_end,
};

int leat_wait_for_either(struct leat_rx *in, struct leat_tx *out, int64_t deadline_ns,
                         struct leat_either *either)
{
	struct leat_waitable *side = leat_waitable_of_rx(in);
	int64_t in_ns = leat_scope_deadline(leat_waitable_scope(side)),
		out_ns = leat_scope_deadline(out->chan->scope);
	struct either_wait wait = {
		.loop = {
			.ops = &either_wait_ops,
			.policy = leat_waitable_policy(side),
			.time = LEAT_TIME_STARVED,
			.waits_for = leat_waitable_channel(side),
			.weight = 1,
			.deadline_ns = deadline_ns,
			.scopes_ns = in_ns < out_ns ? in_ns : out_ns,
			.sleeper = LEAT_SLEEPER_INIT,
		},
		.at_in = { .sleeper = &wait.loop.sleeper, .lost = either->lost },
		.at_out.sleeper = &wait.loop.sleeper,
		.in = side,
		.out = out,
		.bound = leat_rx_bound_to(in) == out,
		.either = either,
	};

	either->notified = false;
	leat_scope_note_fed();
	return (int)leat_wait_for(&wait.loop);
}
