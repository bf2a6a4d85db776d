/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One receiver over a hundred generators: items come with the tag of their session, and each
 * session says when it ends, and why.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

enum { SESSIONS = 100 };

struct session {
	uint64_t number, items;
	enum leat_cause cause;
};

static int talk(struct leat_tx *out, void *arg)
{
	const struct session *session = arg;
	uint64_t until = session->number * 10;
	int rc = 0;

	for (uint64_t n = 0; n < until && rc == 0; n++)
		rc = leat_send(out, &n);
	return rc;
}

int main(void)
{
	static struct session sessions[SESSIONS];
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item, items = 0, completed = 0;
	void *tag;
	int r;

	if (scope == NULL || merge == NULL)
		return 1;
	for (uint64_t i = 0; i < SESSIONS; i++) {
		struct leat_rx *rx;

		sessions[i].number = i;
		if (leat_gen(scope, talk, &sessions[i], sizeof(item), NULL, &rx) < 0)
			return 1;
		if (leat_merge_add(merge, rx, &sessions[i]) < 0)
			return 1;
	}
	while ((r = leat_merge_recv(merge, &item, &tag)) != -ENOENT) {
		struct session *session = tag;

		if (r == 1)
			session->items++;
		else
			leat_rx_status(leat_merge_lane(merge), &session->cause, NULL, NULL);
	}
	for (int i = 0; i < SESSIONS; i++) {
		items += sessions[i].items;
		completed += sessions[i].cause == LEAT_COMPLETED;
	}
	printf("%" PRIu64 " items of %" PRIu64 " sessions\n", items, completed);
	leat_merge_close(merge);
	leat_scope_close(scope);
	return items == SESSIONS * (SESSIONS - 1) / 2 * 10 && completed == SESSIONS ? 0 : 1;
}
