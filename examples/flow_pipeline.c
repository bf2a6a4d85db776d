/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A feed of trades through four steps, on one thread and without a ring between the steps. Three of
 * the steps are known together, so LEAT_FUSE makes one of them: a trade stays in registers from the
 * first to the third. At the end the program prints the books of each step.
 */
#include <leat/flow.h>

#include <inttypes.h>
#include <stdio.h>

struct trade {
	uint32_t shares, price_cents;
};
LEAT_TYPE(trade, struct trade);

LEAT_FILTER(large, trade, t, const uint32_t *, least)
{
	return t->shares >= *least;
}

LEAT_MAP(value, trade, t, u64, cents, const void *, unused)
{
	*cents = (uint64_t)t->shares * t->price_cents;
	return 0;
}

LEAT_MAP(fee, u64, cents, u64, out, const uint64_t *, per_million)
{
	*out = *cents * *per_million / 1000000;
	return 0;
}

LEAT_FUSE(fees, trade, u64, large, value, fee);

LEAT_FILTER(not_free, u64, cents, const void *, unused)
{
	return *cents > 0;
}

LEAT_EACH(add, u64, cents, uint64_t *, sum)
{
	*sum += *cents;
	return 0;
}

/* The feed: a generator on a thread of its own. */
static int send_trades(struct leat_tx *out, void *arg)
{
	const uint32_t *count = arg;
	int rc = 0;

	for (uint32_t i = 0; i < *count && rc == 0; i++) {
		struct trade t = { .shares = i % 200, .price_cents = 100 + i % 7 };

		rc = leat_send(out, &t);
	}
	return rc;
}

static void print_books(const struct leat_flow *flow)
{
	struct leat_step_stat stat;

	for (size_t i = 0; leat_flow_stat(flow, i, &stat) == 0; i++)
		printf("%-10s in %7" PRIu64 ", used %7" PRIu64 ", skipped %7" PRIu64
		       ", failed %" PRIu64 ", made %7" PRIu64 "\n",
		       stat.name, stat.in, stat.used, stat.skipped, stat.failed, stat.made);
}

int main(void)
{
	uint32_t count = 100000, least = 10;
	uint64_t per_million = 500, sum = 0;
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_gen(flow, LEAT_T(trade), send_trades, &count);
	int rc;

	p = leat_flow_step(p, &fees, (void *[]){ &least, NULL, &per_million });
	p = leat_flow_step(p, &not_free, NULL);
	leat_flow_for_each(p, &add, &sum);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc == 0) {
		print_books(flow);
		printf("fees: %" PRIu64 " cents\n", sum);
	} else {
		fprintf(stderr, "flow_pipeline: %s\n", leat_flow_error(flow));
	}
	leat_flow_close(flow);
	return rc < 0;
}
