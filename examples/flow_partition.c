/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bookings of accounts by three threads, each of which has accounts of its own, so that no table is
 * shared and nothing is locked. A partition sends each booking to the branch of its account. A
 * merge brings the branches together: those of different accounts come in any order, those of one
 * account in the order in which they were booked.
 */
#include <leat/flow.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { ACCOUNTS = 8, BOOKINGS = 40000, BRANCHES = 3 };

struct booking {
	uint32_t account, number; /* the how many-th of this account */
	int64_t cents;            /* behind the branches: the new balance */
};
LEAT_TYPE(booking, struct booking);

static uint64_t account_of(const void *item, const void *arg)
{
	(void)arg;
	return ((const struct booking *)item)->account;
}

/* The balances of a branch's accounts: the branch's state, which no other thread touches. */
LEAT_MAP(book, booking, in, booking, out, int64_t *, balances)
{
	*out = *in;
	out->cents = balances[in->account] += in->cents;
	return 0;
}

struct last {
	uint32_t number[ACCOUNTS];
	int64_t cents[ACCOUNTS];
};

LEAT_EACH(keep_last, booking, b, struct last *, last)
{
	if (b->number != last->number[b->account] + 1)
		return -EBADMSG; /* not in order: it does not happen */
	last->number[b->account] = b->number;
	last->cents[b->account] = b->cents;
	return 0;
}

static int send_bookings(struct leat_tx *out, void *arg)
{
	uint32_t numbers[ACCOUNTS] = { 0 };
	int rc = 0;

	(void)arg;
	for (uint32_t i = 0; i < BOOKINGS && rc == 0; i++) {
		uint32_t account = i * 5 % 11 % ACCOUNTS;
		struct booking b = { account, ++numbers[account], (int64_t)(i % 1000) - 400 };

		rc = leat_send(out, &b);
	}
	return rc;
}

int main(void)
{
	int64_t balances[BRANCHES][ACCOUNTS] = { 0 };
	struct last last = { 0 };
	struct leat_port p, branches[BRANCHES];
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	int rc;

	p = leat_flow_from_gen(flow, LEAT_T(booking), send_bookings, NULL);
	leat_flow_partition(p, account_of, NULL, branches, BRANCHES);
	for (int i = 0; i < BRANCHES; i++)
		branches[i] = leat_flow_step(branches[i], &book, balances[i]);
	leat_flow_for_each(leat_flow_merge(branches, BRANCHES), &keep_last, &last);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0)
		fprintf(stderr, "flow_partition: %s\n", leat_flow_error(flow));
	for (int i = 0; i < ACCOUNTS && rc == 0; i++)
		printf("account %d: %" PRIu32 " bookings, balance %" PRId64 "\n", i, last.number[i],
		       last.cents[i]);
	leat_flow_close(flow);
	return rc < 0;
}
