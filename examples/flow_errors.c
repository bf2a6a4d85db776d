/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of an item for which a step fails. With LEAT_ON_ERROR_SKIP the item is left out and
 * counted in the step's books. Without a policy the flow fails, and leat_flow_error() names the
 * step, the item, and the line of the source. A mistake in the graph is found before anything runs.
 */
#include <leat/flow.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

LEAT_TYPE(text, const char *);

LEAT_MAP(parse, text, from, u64, to, const void *, unused)
{
	char *end;

	*to = strtoull(*from, &end, 10);
	return end == *from || *end != '\0' ? -EBADMSG : 0;
}

LEAT_EACH(add, u64, n, uint64_t *, sum)
{
	*sum += *n;
	return 0;
}

static const char *const texts[] = { "1", "20", "three", "400", "", "50000" };
enum { TEXTS = sizeof(texts) / sizeof(texts[0]), PARSE = 1 /* the second that is declared */ };

static int sum_up(enum leat_on_error policy)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_array(flow, LEAT_T(text), texts, TEXTS);
	struct leat_step_stat stat;
	uint64_t sum = 0;
	int rc;

	p = leat_flow_on_error(leat_flow_step(p, &parse, NULL), policy);
	leat_flow_for_each(p, &add, &sum);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0)
		printf("failed: %s\n", leat_flow_error(flow));
	else if (leat_flow_stat(flow, PARSE, &stat) == 0)
		printf("sum %" PRIu64 ", %" PRIu64 " of %" PRIu64 " left out\n", sum, stat.failed,
		       stat.in);
	leat_flow_close(flow);
	return rc;
}

/* Numbers into a step of texts: the check finds it. */
static int check_mistake(void)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_array(flow, LEAT_T(u64), NULL, 0);
	struct leat_flow_report report;
	int rc;

	p = leat_flow_step(p, &parse, NULL);
	leat_flow_for_each(p, &add, NULL);
	rc = leat_flow_check(flow, &report);
	printf("mistake: %s\n", report.text);
	leat_flow_close(flow);
	return rc;
}

int main(void)
{
	return sum_up(LEAT_ON_ERROR_SKIP) != 0 || sum_up(LEAT_ON_ERROR_STOP) != -EBADMSG ||
	       check_mistake() != -EINVAL;
}
