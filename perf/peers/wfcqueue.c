/*
 * perf/peers/wfcqueue.c: liburcu's wait-free concurrent queue: a list, unbounded, for one consumer. A node for each
 * item is allocated by the producer and freed by the consumer, as its users have to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _LGPL_SOURCE
#include "perf/peer.h"

#include <urcu/compiler.h>
#include <urcu/wfcqueue.h>

struct wfc_node {
	struct cds_wfcq_node node;
	struct item item;
};

struct wfcqueue {
	struct cds_wfcq_tail tail __attribute__((aligned(APART)));
	struct __cds_wfcq_head head __attribute__((aligned(APART)));
};

static inline struct wfcqueue *wfcqueue_open(const struct shape *shape)
{
	struct wfcqueue *p = bench_alloc(sizeof(*p));

	(void)shape;
	__cds_wfcq_init(&p->head, &p->tail);
	return p;
}

static inline void wfcqueue_close(struct wfcqueue *p)
{
	free(p);
}

static inline bool wfcqueue_push(struct wfcqueue *p, const struct item *item)
{
	struct wfc_node *n = malloc(sizeof(*n));

	if (n == NULL)
		return false;
	cds_wfcq_node_init(&n->node);
	n->item = *item;
	cds_wfcq_enqueue(&p->head, &p->tail, &n->node);
	return true;
}

static inline bool wfcqueue_pop(struct wfcqueue *p, struct item *item)
{
	struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(&p->head, &p->tail);
	struct wfc_node *n;

	if (node == NULL || node == CDS_WFCQ_WOULDBLOCK)
		return false;
	n = caa_container_of(node, struct wfc_node, node);
	*item = n->item;
	free(n);
	return true;
}

ONE_SIDE(wfcqueue)

#define PIPE wfcqueue
#define PIPE_NAME "liburcu wfcqueue"
#define PIPE_KINDS (ONE_OF(KIND_SPSC) | ONE_OF(KIND_MPSC))
#define PIPE_HAS HAS_TRY
#define PIPE_UNBOUNDED true
#include "perf/loops.h"

PEER(wfcqueue, &wfcqueue_contestant)
