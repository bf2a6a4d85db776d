/* SPDX-License-Identifier: BSD-2-Clause */
/* The types, functions and variables that the lines of C in the documents need. */
#include <leat/flow.h>
#include <leat/leat.h>
#include <leat/test.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct tick {
	int64_t due_ns;
	double price;
};

LEAT_TYPE(tick, struct tick);
LEAT_FILTER(liquid, tick, t, const uint32_t *, min)
{
	return t->price > *min;
}
LEAT_MAP(value, tick, t, u64, cents, const void *, unused)
{
	*cents = (uint64_t)t->price;
	return 0;
}
LEAT_FUSE(dear, tick, u64, liquid, value);

static struct leat_scope *scope;
static struct leat_flow *f;
static struct leat_port p;
static uint32_t least;
static struct leat_broadcast *feed;
static struct leat_rx *rx, *next, *orders, *ticks;
static struct leat_tx *log;
static struct tick order, tick, line, item, *t;
static struct leat_seq seq, *in;
static void *session, *tag;
static uint64_t state[2], n;
static int64_t closing_time, deadline_ns;
static int socket, fd, r, rc;

/* A generator, the functions of a seq and of a sink, and the uses of a merge's items. */
int squares(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_send(out, &(uint64_t){ 1 });
}

int fibonacci_next(void *from, void *next)
{
	*(uint64_t *)next = *(uint64_t *)from;
	return 1;
}

int put(void *into, const void *received)
{
	*(uint64_t *)into += *(const uint64_t *)received;
	return 0;
}

void fini(void *ended)
{
	(void)ended;
}

void take(int result, void *lane, const struct tick *received)
{
	(void)result;
	(void)lane;
	(void)received;
}
