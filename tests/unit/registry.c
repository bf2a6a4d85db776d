/*
 * tests/unit/registry.c: what exists, and who hears of its end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "nodes.h"

TestSuite(registry, .timeout = 600);

static uint64_t end(struct leat_gen_node *node)
{
	uint64_t id = node->node.id;
	node->end->kind = LEAT_NODE_GEN;
	node->end->gen.id = id;
	node->end->gen.cause = LEAT_COMPLETED;
	leat_registry_remove(&node->node, node->end);
	return id;
}

struct heard {
	uint64_t ids[64];
	size_t count, nodes;
	struct leat_gen_node *to_end; /* by the one who hears */
};

static void hear(const struct leat_end *end_of, void *arg)
{
	struct heard *heard = arg;
	if (heard->count < COUNT(heard->ids))
		heard->ids[heard->count] = end_of->gen.id;
	heard->count++;
	heard->nodes = leat_registry_size(); /* takes the registry's lock */
	if (heard->to_end != NULL)
		end(heard->to_end);
	heard->to_end = NULL;
}

Test(registry, ends_are_heard_of_in_their_order)
{
	struct leat_listener listener;
	struct leat_gen_node *nodes[8];
	struct heard heard = { 0 };
	uint64_t ids[8];
	leat_registry_listen(&listener);
	for (int i = 0; i < 8; i++)
		nodes[i] = node_add();
	for (int i = 0; i < 8; i++)
		ids[i] = end(nodes[(i + 5) % 8]);
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 8);
	cr_expect_arr_eq(heard.ids, ids, sizeof(ids));
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 8, "once");
	leat_registry_unlisten(&listener);
}

/* However long hearing takes, it holds up nobody who opens or closes. */
Test(registry, ends_are_heard_of_without_the_registrys_lock, .timeout = 600)
{
	struct leat_listener listener;
	struct leat_gen_node *node = node_add();
	struct heard heard = { .nodes = 4711 };
	size_t before;
	leat_registry_listen(&listener);
	before = leat_registry_size();
	end(node);
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 1);
	cr_expect_eq(heard.nodes, before - 1);
	leat_registry_unlisten(&listener);
}

Test(registry, an_end_during_the_hearing_is_heard_of_next_time, .timeout = 600)
{
	struct leat_listener listener;
	struct heard heard = { .to_end = node_add() };
	uint64_t ids[3];
	leat_registry_listen(&listener);
	ids[0] = end(node_add());
	ids[1] = end(node_add());
	ids[2] = heard.to_end->node.id;
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 2);
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 3);
	cr_expect_arr_eq(heard.ids, ids, sizeof(ids));
	leat_registry_unlisten(&listener);
}

Test(registry, each_listener_hears_of_what_ended_since_it_began)
{
	struct leat_listener early, late;
	struct heard early_heard = { 0 }, late_heard = { 0 };
	leat_registry_listen(&early);
	end(node_add());
	leat_registry_listen(&late);
	end(node_add());
	leat_registry_take(&early, hear, &early_heard);
	end(node_add());
	leat_registry_take(&late, hear, &late_heard);
	cr_expect_eq(early_heard.count, 2);
	cr_expect_eq(late_heard.count, 2);
	cr_expect_eq(late_heard.ids[0], early_heard.ids[1]);
	leat_registry_unlisten(&late);
	leat_registry_take(&early, hear, &early_heard);
	cr_expect_eq(early_heard.count, 3);
	cr_expect_eq(early_heard.ids[2], late_heard.ids[1]);
	leat_registry_unlisten(&early);
	leat_registry_listen(&late);
	leat_registry_take(&late, hear, &late_heard);
	cr_expect_eq(late_heard.count, 2, "nothing ended since");
	leat_registry_unlisten(&late);
}

Test(registry, what_nobody_has_heard_of_goes_with_the_last_listener)
{
	struct leat_listener listener;
	struct heard heard = { 0 };
	leat_registry_listen(&listener);
	for (int i = 0; i < 10; i++)
		end(node_add());
	leat_registry_unlisten(&listener);
	leat_registry_listen(&listener);
	end(node_add());
	leat_registry_take(&listener, hear, &heard);
	cr_expect_eq(heard.count, 1);
	leat_registry_unlisten(&listener);
}
