/*
 * runtime/gen/gen.h: what a generator leaves for those who look at it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_GEN_H
#define LEAT_RUNTIME_GEN_GEN_H

#include "runtime/registry/registry.h"

/* A running generator; gone from the registry before its end or its scope's join can be seen. */
struct leat_gen_node {
	struct leat_node node;
	struct leat_end *end;
	struct leat_gen_stat stat; /* constant while it runs; its id is the node's */
};

#endif
