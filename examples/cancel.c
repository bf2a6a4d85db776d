/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A deadline over a tree: three generators that would run for ever, one of them in a child scope.
 * All end when the parent's deadline passes, and the status of each says why.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

static int count_up(struct leat_tx *out, void *arg)
{
	uint64_t n = *(uint64_t *)arg;
	int rc;

	while ((rc = leat_send(out, &n)) == 0)
		n++;
	return rc; /* -ECANCELED: the scope's cause becomes this generator's */
}

int main(void)
{
	struct leat_scope *day = leat_scope_open(
		NULL, &(struct leat_scope_opts){ .name = "day",
	                                         .deadline_ns = leat_now_ns() + 50000000 });
	struct leat_scope *session =
		leat_scope_open(day, &(struct leat_scope_opts){ .name = "session" });
	uint64_t from[3] = { 0, 1000, 1000000 }, item;
	struct leat_rx *rx[3];
	const char *text;
	enum leat_cause cause;
	int started;

	if (day == NULL || session == NULL)
		return 1;
	for (started = 0; started < 3; started++)
		if (leat_gen(started < 2 ? day : session, count_up, &from[started],
		             sizeof(uint64_t), NULL, &rx[started]) < 0)
			/* -ECANCELED: the machine was so busy that the deadline passed first */
			break;
	for (int i = 0; i < started; i++) {
		while (leat_recv(rx[i], &item) == 1) /* until the deadline: then -ECANCELED */
			;
		leat_rx_status(rx[i], &cause, NULL, &text);
		printf("generator %d: %s (%s)\n", i, leat_cause_name(cause), text);
		leat_rx_close(rx[i]);
	}
	leat_scope_close(session);
	return leat_scope_close(day) == -ETIMEDOUT ? 0 : 1;
}
