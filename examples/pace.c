/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of a service that fails for a while. Three workers share what keeps the client polite: a
 * rate (500 requests a second, 5 at once), a semaphore (two requests under way), and a circuit
 * breaker. Each worker has a back-off of its own for a request that failed. When the scope is
 * cancelled every wait ends at once, and a function that the cancel calls hangs up.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

struct client {
	struct leat_rate *rate;
	struct leat_sem *under_way;
	struct leat_breaker *breaker;
	int64_t down_from_ns, down_until_ns; /* when the service fails */
	pthread_mutex_t lock;                /* guards the counts */
	unsigned answered, failed, spared;
};

/* Stands for a request to a service. */
static int request(const struct client *client)
{
	int64_t now_ns = leat_now_ns();

	return now_ns >= client->down_from_ns && now_ns < client->down_until_ns ? -EIO : 0;
}

static void count(struct client *client, unsigned *counter)
{
	pthread_mutex_lock(&client->lock);
	++*counter;
	pthread_mutex_unlock(&client->lock);
}

/* One try. The breaker comes first: a request that it spares takes no permit. */
static int try_request(struct client *client, struct leat_scope *scope)
{
	uint64_t ticket;
	int rc = leat_breaker_enter(client->breaker, &ticket);

	if (rc < 0) {
		count(client, &client->spared);
		return rc;
	}
	rc = leat_rate_take(client->rate, 1, scope, LEAT_NEVER);
	if (rc == 0)
		rc = leat_sem_acquire(client->under_way, 1, scope, LEAT_NEVER);
	if (rc == 0) {
		rc = request(client);
		leat_sem_release(client->under_way, 1);
		count(client, rc < 0 ? &client->failed : &client->answered);
	}
	leat_breaker_leave(client->breaker, ticket, rc);
	return rc;
}

/* A task: requests, one after the other, until the scope is cancelled. */
static int work(struct leat_tx *out, void *arg)
{
	struct leat_backoff pause = { .first_ns = 2000000, .most_ns = 20000000, .jitter = 0.5 };
	struct leat_scope *scope = leat_tx_scope(out);
	struct client *client = arg;

	for (;;) {
		int rc = try_request(client, scope);

		if (rc == -ECANCELED)
			return rc;
		if (rc == 0)
			leat_backoff_reset(&pause);
		else if (leat_scope_sleep(scope, leat_now_ns() + leat_backoff_next(&pause)) < 0)
			return -ECANCELED;
	}
}

static void hang_up(void *arg)
{
	printf("%s\n", (const char *)arg);
}

int main(void)
{
	int64_t now_ns = leat_now_ns();
	struct client client = {
		.rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 500, .burst = 5 }),
		.under_way = leat_sem_open(2),
		.breaker = leat_breaker_new(
			&(struct leat_breaker_opts){ .failures = 3, .open_ns = 30000000 }),
		.down_from_ns = now_ns + 100000000,
		.down_until_ns = now_ns + 200000000,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct leat_scope_opts until = { .deadline_ns = now_ns + 400000000 };
	struct leat_scope *scope = leat_scope_open(NULL, &until);

	if (client.rate == NULL || client.under_way == NULL || client.breaker == NULL ||
	    scope == NULL || leat_scope_on_cancel(scope, hang_up, "hanging up", NULL) < 0)
		return 1;
	for (int i = 0; i < 3; i++)
		if (leat_gen(scope, work, &client, 0, NULL, NULL) < 0)
			return 1;
	while (leat_scope_join_until(scope, leat_now_ns() + 100000000) == -EAGAIN)
		printf("the breaker is %s\n",
		       leat_breaker_now(client.breaker) == LEAT_BREAKER_CLOSED ? "closed" : "open");
	if (leat_scope_close(scope) != -ETIMEDOUT)
		return 1;
	printf("answered %u, failed %u, spared %u\n", client.answered, client.failed,
	       client.spared);
	leat_breaker_free(client.breaker);
	return leat_rate_close(client.rate) < 0 || leat_sem_close(client.under_way) < 0;
}
