/*
 * leat_select(): checks its cases, and tries them before it waits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/chan/transfer.h"

#include <limits.h>
#include <poll.h>

enum { ON_STACK = 16 }; /* a call with more cases allocates memory */

/*
 * Returns 0, with the case's waitable or with NULL for what is none; 1 if the case is ignored; or
 * an error.
 */
static int check_case(const struct leat_case *c, struct leat_waitable **waitable)
{
	*waitable = NULL;
	switch (c->kind) {
	case LEAT_CASE_NONE:
		return 1;
	case LEAT_CASE_SENDS:
		*waitable = leat_waitable_of_tx(c->tx);
		break;
	case LEAT_CASE_RECEIVES:
		*waitable = leat_waitable_of_rx(c->rx);
		break;
	case LEAT_CASE_POLLS:
		return c->fd < 0;
	case LEAT_CASE_CANCELS:
		return c->scope == NULL;
	case LEAT_CASE_REFUSES:
		if (c->tx != NULL)
			leat_handle_check(leat_handle_of_tx(c->tx), "leat_select");
		return c->tx == NULL;
	default:
		return -EINVAL;
	}
	return *waitable == NULL ? 1
	                         : leat_waitable_check(*waitable, c->item, c->size, "leat_select");
}

static int check_cases(struct leat_select_call *call)
{
	for (size_t i = 0; i < call->n; i++) {
		int rc = check_case(&call->cases[i], &call->places[i].waitable);

		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		call->order[call->live++] = (uint32_t)i;
		call->fds += call->cases[i].kind == LEAT_CASE_POLLS;
		call->scopes |= call->cases[i].kind == LEAT_CASE_CANCELS;
		call->dones |= call->cases[i].kind == LEAT_CASE_REFUSES;
	}
	return 0;
}

static inline int select_among(struct leat_select_call *call, int64_t deadline_ns)
{
	int r = check_cases(call);

	if (r < 0)
		return r;
	r = leat_select_sweep(call, true);
	if (leat_likely(r != -EAGAIN))
		return r;
	leat_select_schedule(call);
	if (deadline_ns > 0)
		return leat_select_wait(call, deadline_ns);
	r = leat_select_sweep_exactly(call);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static __attribute__((noinline)) int select_from_heap(struct leat_select_call *call,
                                                      int64_t deadline_ns)
{
	size_t each = sizeof(*call->places) + sizeof(*call->polled) + sizeof(*call->order),
	       n = call->n;
	char *memory = n < SIZE_MAX / each - 1 ? leat_os_alloc((n + 1) * each, 0) : NULL;
	int r;

	if (memory == NULL)
		return -ENOMEM;
	call->places = (struct leat_select_place *)(void *)memory;
	call->polled = (struct pollfd *)(void *)(call->places + n + 1);
	call->order = (uint32_t *)(void *)(call->polled + n + 1);
	r = select_among(call, deadline_ns);
	leat_os_free(memory);
	return r;
}

static bool has_size(const struct leat_case *c, size_t item_size)
{
	return c->size == LEAT_DETAIL_CHAN_SIZE || c->size == item_size;
}

/*
 * Makes the plain call for a lone case. Returns false if that did nothing, also where the case is
 * wrong: leat_select() then goes the long way, which returns the error.
 */
static inline bool attempt_lone_case(struct leat_case *c)
{
	int r = -EAGAIN;

	if (c->kind == LEAT_CASE_RECEIVES && c->rx != NULL && has_size(c, c->rx->spsc.item_size))
		r = (leat_try_recv)(c->rx, c->item);
	else if (c->kind == LEAT_CASE_SENDS && c->tx != NULL && has_size(c, c->tx->spsc.item_size))
		r = (leat_try_send)(c->tx, c->item);
	if (r < 0 && r != -EPIPE && r != -ECANCELED && r != -ESHUTDOWN)
		return false;
	c->answer = r;
	return true;
}

static __attribute__((noinline)) int select_from_stack(struct leat_case *cases, size_t n,
                                                       int64_t deadline_ns, enum leat_order order)
{
	struct leat_select_place places[ON_STACK];
	struct pollfd polled[ON_STACK + 1];
	uint32_t places_order[ON_STACK];
	struct leat_select_call call = {
		.cases = cases,
		.n = n,
		.in_random_order = order == LEAT_BY_CHANCE,
		.places = places,
		.polled = polled,
		.order = places_order,
	};

	return n <= ON_STACK ? select_among(&call, deadline_ns)
	                     : select_from_heap(&call, deadline_ns);
}

int leat_select(struct leat_case *cases, size_t n, int64_t deadline_ns, enum leat_order order)
{
	if ((cases == NULL && n > 0) || n > INT_MAX || (unsigned)order > LEAT_BY_PRIORITY)
		return -EINVAL;
	if (n == 1 && attempt_lone_case(&cases[0]))
		return 0;
	return select_from_stack(cases, n, deadline_ns, order);
}
