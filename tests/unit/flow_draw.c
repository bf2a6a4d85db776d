/*
 * tests/unit/flow_draw.c: the picture of a flow is valid DOT with each node once; the estimate is
 * what start opens.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

TestSuite(flow_draw, .timeout = 600);

static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

static char *draw(struct leat_flow *flow)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(leat_flow_draw(flow, out), 0, "%s", leat_flow_error(flow));
	fclose(out);
	return text;
}

/* --- a reader of the part of DOT that is needed --- */

struct dot {
	const char *at;
	char token[200]; /* "" at the end; a string begins with a quote */
	unsigned drawn[64], ends[64], clusters, edges;
};

static const char *next_token(struct dot *dot)
{
	size_t n = 0;

	while (*dot->at == ' ' || *dot->at == '\t' || *dot->at == '\n')
		dot->at++;
	if (*dot->at == '"') {
		dot->token[n++] = *dot->at++;
		while (*dot->at != '"') {
			cr_assert_neq(*dot->at, '\0', "a string without an end");
			if (*dot->at == '\\')
				dot->at++;
			cr_assert_lt(n, sizeof(dot->token) - 1);
			dot->token[n++] = *dot->at++;
		}
		dot->at++;
	} else if (strncmp(dot->at, "->", 2) == 0) {
		n = 2;
		memcpy(dot->token, dot->at, 2);
		dot->at += 2;
	} else if (strchr("{}[]=,;", *dot->at) != NULL) {
		if (*dot->at != '\0')
			dot->token[n++] = *dot->at++;
	} else {
		while (*dot->at == '_' || (*dot->at >= '0' && *dot->at <= '9') ||
		       (*dot->at >= 'a' && *dot->at <= 'z') || (*dot->at >= 'A' && *dot->at <= 'Z'))
			dot->token[n++] = *dot->at++;
		cr_assert_gt(n, 0u, "no token of DOT: %s", dot->at);
	}
	dot->token[n] = '\0';
	return dot->token;
}

static void expect_token(struct dot *dot, const char *token)
{
	cr_assert_str_eq(dot->token, token);
	next_token(dot);
}

/* [a=b, c=d] */
static void read_attributes(struct dot *dot)
{
	expect_token(dot, "[");
	for (;;) {
		next_token(dot);
		expect_token(dot, "=");
		next_token(dot);
		if (strcmp(dot->token, ",") != 0)
			break;
		next_token(dot);
	}
	expect_token(dot, "]");
}

static unsigned node_number(const struct dot *dot)
{
	cr_assert_eq(dot->token[0], 'n', "%s is no node", dot->token);
	return (unsigned)atoi(dot->token + 1);
}

static void read_statements(struct dot *dot);

static void read_statement(struct dot *dot)
{
	unsigned from;

	if (strcmp(dot->token, "subgraph") == 0) {
		cr_assert_eq(strncmp(next_token(dot), "cluster_", 8), 0);
		dot->clusters++;
		next_token(dot);
		read_statements(dot);
	} else if (strcmp(dot->token, "node") == 0) {
		next_token(dot);
		read_attributes(dot);
	} else if (dot->token[0] != 'n') {
		next_token(dot);
		expect_token(dot, "=");
		next_token(dot);
	} else {
		from = node_number(dot);
		if (strcmp(next_token(dot), "->") != 0) {
			dot->drawn[from]++;
		} else {
			next_token(dot);
			dot->edges++;
			dot->ends[from] = dot->ends[node_number(dot)] = 1;
			next_token(dot);
		}
		read_attributes(dot);
	}
}

static void read_statements(struct dot *dot)
{
	expect_token(dot, "{");
	while (strcmp(dot->token, "}") != 0)
		read_statement(dot);
	next_token(dot);
}

/* Each of the flow's nodes is drawn once. */
static struct dot read_dot(const char *text, unsigned nodes)
{
	struct dot dot = { .at = text };

	next_token(&dot);
	expect_token(&dot, "digraph");
	cr_assert_eq(dot.token[0], '"');
	next_token(&dot);
	read_statements(&dot);
	cr_assert_str_eq(dot.token, "");
	for (unsigned i = 0; i < 64; i++)
		cr_assert(dot.drawn[i] == (i < nodes) && dot.ends[i] == (i < nodes), "node %u", i);
	return dot;
}

/* --- a flow of all kinds of nodes --- */

struct flow_of_all {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_tx *tx;
	struct numbers numbers;
	uint64_t *array, n;
	struct collected got;
	struct leat_rx *out;
	unsigned nodes;
};

static void open_all(struct flow_of_all *all)
{
	struct leat_port ports[4], parts[2], tees[2];
	struct leat_rx *rx;

	memset(all, 0, sizeof(*all));
	all->scope = leat_scope_open(NULL, NULL);
	all->flow = leat_flow_open(
		all->scope, &(struct leat_flow_opts){ .name = "a \"flow\" \\", .capacity = 100 });
	all->array = numbers_below(10);
	all->n = all->numbers.end = 10;
	cr_assert_eq(leat_chan_open(all->scope, sizeof(uint64_t), NULL, &all->tx, &rx), 0);
	ports[0] = leat_flow_from_rx(all->flow, LEAT_T(u64), rx);
	ports[1] = leat_flow_from_seq(all->flow, LEAT_T(u64), numbers_seq(&all->numbers));
	ports[2] = leat_flow_from_gen(all->flow, LEAT_T(u64), run_numbers, &all->n);
	ports[3] = leat_flow_from_array(all->flow, LEAT_T(u64), all->array, 10);
	ports[0] = leat_flow_step(leat_flow_merge(ports, 4), &triple, NULL);
	ports[0] = leat_flow_take(leat_flow_skip(leat_flow_buffer(ports[0], 7), 1), 10);
	ports[0] = leat_flow_workers(ports[0], 3, LEAT_ORDERED);
	ports[0] = leat_flow_gather(leat_flow_step(ports[0], &keep_even, NULL));
	leat_flow_tee(ports[0], tees, 2);
	leat_flow_partition(tees[0], key_of, NULL, parts, 2);
	leat_flow_for_each(tees[1], &ignore, NULL);
	leat_flow_to_rx(parts[0], &all->out);
	collect(parts[1], &all->got);
	all->nodes = 17;
}

static void close_all(struct flow_of_all *all)
{
	leat_flow_close(all->flow);
	leat_tx_close(all->tx);
	leat_scope_close(all->scope);
	free(all->array);
	free(all->got.items);
}

Test(flow_draw, the_picture_has_each_node_and_each_edge)
{
	struct flow_of_all all;
	struct dot dot;
	char *text;

	open_all(&all);
	text = draw(all.flow);
	dot = read_dot(text, all.nodes);
	cr_assert_eq(dot.edges, 16u);
	cr_assert_eq(dot.clusters, 12u);
	cr_assert_not_null(strstr(text, "digraph \"a \\\"flow\\\" \\\\\" {"));
	cr_assert_not_null(strstr(text, "[label=\"workers x 3, ordered\""));
	cr_assert_not_null(strstr(text, "label=\"3 threads\""));
	free(text);
	close_all(&all);
}

Test(flow_draw, names_and_rings_that_drop)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 1;
	struct collected got;
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), &n, 1);
	char *text;

	port = leat_flow_name(leat_flow_buffer(port, 4), "the \"last\"");
	collect(leat_flow_overflow(port, LEAT_DROP_OLDEST), &got);
	text = draw(flow);
	cr_expect_not_null(strstr(text, "[label=\"the \\\"last\\\", drops its oldest\""));
	free(text);
	leat_flow_close(flow);
}

Test(flow_draw, what_cannot_be_drawn)
{
	struct flow_of_all all;
	FILE *full;

	open_all(&all);
	cr_assert_eq(leat_flow_draw(all.flow, NULL), -EINVAL);
	cr_assert_eq(leat_flow_draw(NULL, stdout), -EINVAL);
	full = fopen("/dev/full", "w");
	cr_assert_not_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	cr_assert_eq(leat_flow_draw(all.flow, full), -EIO);
	fclose(full);
	close_all(&all);
}

Test(flow_draw, the_estimate)
{
	struct leat_flow_cost estimate;
	struct flow_of_all all;

	open_all(&all);
	cr_assert_eq(leat_flow_estimate(all.flow, NULL), -EINVAL);
	cr_assert_eq(leat_flow_estimate(NULL, &estimate), -EINVAL);
	cr_assert_eq(leat_flow_estimate(all.flow, &estimate), 0);
	/* four sources, behind merge, behind buffer, workers, gather, two of the tee and the parts
	 */
	cr_assert_eq(estimate.islands, 12u);
	cr_assert_eq(estimate.threads, 12u + 2 + 2);
	/* of the seq, the gen, merge, buffer, workers, gather, tee, two parts, to_rx */
	cr_assert_eq(estimate.rings, 10u);
	cr_assert_eq(estimate.ring_bytes, (9u * 100 + 7) * 8);
	/* seq, merge, buffer, workers, gather, tee, partition, to_rx */
	cr_assert_eq(estimate.hops, 8u);
	close_all(&all);
}

Test(flow_draw, workers_behind_a_source_have_no_ring_of_their_own)
{
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 10 });
	struct leat_flow_cost estimate;
	uint64_t n = 10;
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);

	port = leat_flow_workers(port, 4, LEAT_ORDERED);
	port = leat_flow_gather(leat_flow_step(port, &triple, NULL));
	leat_flow_for_each(port, &ignore, NULL);
	cr_assert_eq(leat_flow_estimate(flow, &estimate), 0);
	cr_assert_eq(estimate.islands, 2u);
	cr_assert_eq(estimate.threads, 1u + 4 + 1);
	cr_assert_eq(estimate.rings, 2u);
	cr_assert_eq(estimate.ring_bytes, 2u * 10 * 8);
	cr_assert_eq(estimate.hops, 2u);
	/* for each worker what it takes and makes, and 16 slots */
	cr_assert_eq(estimate.vector_bytes, 4u * (256 + 257) * 8 + 16u * 257 * 8);
	free(draw(flow));
	leat_flow_close(flow);
}

Test(flow_draw, a_flow_that_runs_is_drawn_as_before)
{
	struct flow_of_all all;
	char *before, *text;

	open_all(&all);
	before = draw(all.flow);
	expect_start(all.flow);
	text = draw(all.flow);
	cr_assert_str_eq(text, before);
	free(text);
	free(before);
	leat_tx_close(all.tx);
	all.tx = NULL;
	leat_rx_close(all.out);
	expect_join(all.flow, 0);
	close_all(&all);
}
