/*
 * tests/why/corpus.h: flows whose limit is known (flows.c), for the verdict to find (corpus.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_CORPUS_H
#define LEAT_TEST_CORPUS_H

#include <leat/flow.h>
#include <leat/leat.h>

struct example {
	const char *name;
	/*
	 * Starts what runs until the scope is cancelled, and comes back; or, with `main`, is what
	 * this thread does meanwhile.
	 */
	void (*start)(struct leat_scope *scope);
	void (*main)(void);
	enum leat_limit limit;
	const char *stage; /* "a|b": either */
	bool computes; /* for most of the time: one at a time, on a machine that has little to do */
};

extern const struct example examples[];
extern const size_t examples_count;

#endif
