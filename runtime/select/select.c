/*
 * leat_select(): checks its cases, and tries them before it waits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/chan/transfer.h"

#include <limits.h>
#include <poll.h>

enum { ON_STACK = 16 };

/* 0, the error, or 1 for a case that is ignored. */
static int check(const struct leat_case *c, struct leat_waitable **side)
{
	*side = NULL;
	switch (c->kind) {
	case LEAT_CASE_NONE:
		return 1;
	case LEAT_CASE_SENDS:
		*side = leat_waitable_of_tx(c->tx);
		break;
	case LEAT_CASE_RECEIVES:
		*side = leat_waitable_of_rx(c->rx);
		break;
	case LEAT_CASE_POLLS:
		return c->fd < 0;
	default:
		return -EINVAL;
	}
	return *side == NULL ? 1 : leat_waitable_check(*side, c->item, c->size, "leat_select");
}

static int check_all(struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		int rc = check(&choice->cases[i], &choice->places[i].side);

		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		choice->order[choice->live++] = (uint32_t)i;
		choice->fds += choice->places[i].side == NULL;
	}
	return 0;
}

static inline int choose(struct choice *choice, int64_t deadline_ns)
{
	int r = check_all(choice);

	if (r < 0)
		return r;
	r = leat_select_sweep(choice, true);
	if (leat_likely(r != -EAGAIN))
		return r;
	leat_select_schedule(choice);
	if (deadline_ns > 0)
		return leat_select_wait(choice, deadline_ns);
	r = leat_select_sweep_exactly(choice);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static __attribute__((noinline)) int choose_of_many(struct choice *choice, int64_t deadline_ns)
{
	size_t each = sizeof(*choice->places) + sizeof(*choice->polled) + sizeof(*choice->order),
	       n = choice->n;
	char *memory = n < SIZE_MAX / each - 1 ? leat_os_alloc((n + 1) * each, 0) : NULL;
	int r;

	if (memory == NULL)
		return -ENOMEM;
	choice->places = (struct place *)(void *)memory;
	choice->polled = (struct pollfd *)(void *)(choice->places + n + 1);
	choice->order = (uint32_t *)(void *)(choice->polled + n + 1);
	r = choose(choice, deadline_ns);
	leat_os_free(memory);
	return r;
}

/*
 * A lone case that can be done as the plain call does it. What is wrong with it is told by the long
 * way.
 */
static inline bool lone_case_done(struct leat_case *c)
{
	int r = -EAGAIN;

	if (c->kind == LEAT_CASE_RECEIVES)
		r = leat_detail_recv_by(c->rx, c->item, c->size, LEAT_DETAIL_TRY);
	else if (c->kind == LEAT_CASE_SENDS)
		r = leat_detail_send(c->tx, c->item, c->size, LEAT_DETAIL_TRY);
	if (r < 0 && r != -EPIPE && r != -ECANCELED)
		return false;
	c->answer = r;
	return true;
}

static __attribute__((noinline)) int select_of_any(struct leat_case *cases, size_t n,
                                                   int64_t deadline_ns, enum leat_order order)
{
	struct place places[ON_STACK];
	struct pollfd polled[ON_STACK + 1];
	uint32_t places_order[ON_STACK];
	struct choice choice = {
		.cases = cases,
		.n = n,
		.by_chance = order == LEAT_BY_CHANCE,
		.places = places,
		.polled = polled,
		.order = places_order,
	};

	return n <= ON_STACK ? choose(&choice, deadline_ns) : choose_of_many(&choice, deadline_ns);
}

int leat_select(struct leat_case *cases, size_t n, int64_t deadline_ns, enum leat_order order)
{
	if ((cases == NULL && n > 0) || n > INT_MAX || (unsigned)order > LEAT_BY_PRIORITY)
		return -EINVAL;
	if (n == 1 && lone_case_done(&cases[0]))
		return 0;
	return select_of_any(cases, n, deadline_ns, order);
}
