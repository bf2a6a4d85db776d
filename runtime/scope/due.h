/*
 * runtime/scope/due.h: a heap of times, the earliest first.
 *
 * It is a pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986). Owners embed its nodes, so it
 * needs no memory and no call can fail. An add takes constant time; a removal takes logarithmic
 * time on average, in whatever order times come and go. One thread at a time uses a heap. A heap is
 * a pointer to its first node, NULL when it is empty.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_DUE_H
#define LEAT_RUNTIME_SCOPE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct leat_due {
	/*
	 * child: the first one; prev: the sibling before, or of a first child the parent; next: the
	 * sibling behind
	 */
	struct leat_due *child, *prev, *next;
	int64_t due_ns;
};

/*
 * Makes one heap of two, neither of them empty: the root that is due later becomes the first child
 * of the other. Returns the root.
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
 * Makes one heap of siblings: melds them by pairs, then melds one pair after another. That order is
 * what keeps removals logarithmic on average. Returns the root, or NULL of none.
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

/* due_ns is set, and must not change while the node is in the heap. */
static inline void leat_due_add(struct leat_due **first, struct leat_due *due)
{
	due->child = due->prev = due->next = NULL;
	*first = *first == NULL ? due : leat_due_meld(*first, due);
}

/* Removes a node that is in the heap, first or not. */
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
