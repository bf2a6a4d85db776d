/*
 * runtime/scope/due.h: what falls due at a time, the earliest first.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986) of nodes that their owners embed, so
 * that it needs no memory of its own and nothing can fail. An add takes constant time, a removal on
 * average that of a logarithm, in whatever order times come and go. One thread at a time uses a
 * heap. An empty heap is a NULL pointer to its first node.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_DUE_H
#define LEAT_RUNTIME_SCOPE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct leat_due {
	/*
	 * The first child; the sibling before, or the parent of a first child; the sibling behind.
	 */
	struct leat_due *child, *prev, *next;
	int64_t due_ns;
};

/*
 * Two heaps, neither of them empty, become one: the root that is due later is now the other's first
 * child.
 */
static inline struct leat_due *leat_due_meld(struct leat_due *a, struct leat_due *b)
{
	struct leat_due *root = b->due_ns < a->due_ns ? b : a, *child = root == a ? b : a;

	child->prev = root;
	child->next = root->child;
	if (child->next != NULL)
		child->next->prev = child;
	root->child = child;
	return root;
}

/*
 * Siblings become one heap: by pairs, then one pair after another, which is what keeps removals at
 * a logarithm on average.
 */
static inline struct leat_due *leat_due_meld_siblings(struct leat_due *due)
{
	struct leat_due *pairs = NULL, *root = NULL, *next;

	for (; due != NULL; due = next) {
		struct leat_due *other = due->next;

		next = other == NULL ? NULL : other->next;
		if (other != NULL)
			due = leat_due_meld(due, other);
		due->next = pairs;
		pairs = due;
	}
	for (; pairs != NULL; pairs = next) {
		next = pairs->next;
		root = root == NULL ? pairs : leat_due_meld(root, pairs);
	}
	return root;
}

/* due_ns is set, and stays while the node is in the heap. */
static inline void leat_due_add(struct leat_due **first, struct leat_due *due)
{
	due->child = due->prev = due->next = NULL;
	*first = *first == NULL ? due : leat_due_meld(*first, due);
}

/* One that is in the heap, be it the first or not. */
static inline void leat_due_remove(struct leat_due **first, struct leat_due *due)
{
	struct leat_due *below = leat_due_meld_siblings(due->child);

	if (due == *first) {
		*first = below;
		return;
	}
	if (due->prev->child == due)
		due->prev->child = due->next;
	else
		due->prev->next = due->next;
	if (due->next != NULL)
		due->next->prev = due->prev;
	if (below != NULL)
		*first = leat_due_meld(*first, below);
}

#endif
