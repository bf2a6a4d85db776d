/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent that takes a reading every 2 ms and posts the readings to a server that fails at times.
 * SIGTERM ends it: its source ends at once, and the readings that are in the channel have two
 * seconds to get to the server. A second SIGTERM would end it without them.
 *
 * A reading that cannot be posted is tried again after a pause. A circuit breaker spares the server
 * tries while it fails.
 */
#define _DEFAULT_SOURCE
#include <leat/leat.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define DRAIN_NS (2000 * MS)

struct agent {
	struct leat_scope *scope;
	struct leat_breaker *breaker;
	int64_t down_from_ns, down_until_ns; /* when the server fails */
	/* the sink's alone until it has ended */
	uint64_t posted, last, failed, while_stopping;
};

/* Stands for a request to the server. */
static int post(const struct agent *agent)
{
	int64_t now_ns = leat_now_ns();

	return now_ns >= agent->down_from_ns && now_ns < agent->down_until_ns ? -EIO : 0;
}

static int try_post(struct agent *agent)
{
	uint64_t ticket;
	int rc = leat_breaker_enter(agent->breaker, &ticket);

	if (rc < 0)
		return rc; /* -EBUSY: the server is left alone */
	rc = post(agent);
	leat_breaker_leave(agent->breaker, ticket, rc);
	agent->failed += rc < 0;
	return rc;
}

/*
 * The put of the sink. A stop does not end its pauses: the sink is no source. A cancel does, and so
 * does the end of the time to drain.
 */
static int deliver(void *state, const void *item)
{
	struct leat_backoff pause = { .first_ns = 5 * MS, .most_ns = 50 * MS, .jitter = 0.5 };
	struct agent *agent = state;

	while (try_post(agent) < 0) {
		int rc = leat_scope_sleep(agent->scope, leat_now_ns() + leat_backoff_next(&pause));
		if (rc < 0)
			return rc;
	}
	agent->last = *(const uint64_t *)item;
	agent->posted++;
	agent->while_stopping += leat_scope_stopping(agent->scope);
	return 0;
}

/* Stands for the service manager, which ends the agent while the server is down. */
static void end_agent(struct leat_scope *scope, int64_t at_ns)
{
	leat_scope_sleep(scope, at_ns);
	kill(getpid(), SIGTERM);
}

int main(void)
{
	int64_t now_ns = leat_now_ns();
	struct agent agent = {
		.scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "agent" }),
		.breaker = leat_breaker_new(
			&(struct leat_breaker_opts){ .failures = 3, .open_ns = 20 * MS }),
		.down_from_ns = now_ns + 100 * MS,
		.down_until_ns = now_ns + 400 * MS,
	};
	struct leat_tick_opts every = { .interval_ns = 2 * MS };
	struct leat_gen_opts opts = { .chan = { .name = "readings", .capacity = 1024 } };
	struct leat_sink sink = { .put = deliver, .state = &agent };
	struct leat_rx *readings;
	sigset_t signals;
	const char *text;
	int rc;

	if (agent.scope == NULL || agent.breaker == NULL)
		return 1;
	/* before the first thread is started, which then has the signals blocked as well */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (leat_scope_stop_on_signals(agent.scope, &signals, DRAIN_NS) < 0)
		return 1;
	if (leat_gen(agent.scope, leat_tick, &every, sizeof(uint64_t), &opts, &readings) < 0 ||
	    leat_gen_sink(agent.scope, readings, sink, NULL) < 0)
		return 1;
	end_agent(agent.scope, now_ns + 250 * MS);

	rc = leat_scope_join(agent.scope);
	printf("posted %" PRIu64 " readings, %" PRIu64 " of them after the signal; %" PRIu64
	       " tries failed\n",
	       agent.posted, agent.while_stopping, agent.failed);
	if (rc == 0)
		printf("drained: nothing was lost\n");
	else if (leat_scope_cause(agent.scope, NULL, &text) != LEAT_RUNNING)
		printf("readings after number %" PRIu64 " were lost: %s\n", agent.last, text);
	leat_scope_close(agent.scope);
	leat_breaker_free(agent.breaker);
	return rc < 0 || agent.while_stopping == 0;
}
