/* SPDX-License-Identifier: BSD-2-Clause */
/* The server that the tests of the guide are of: it gives up when a minute has passed. */
#ifndef LEAT_TESTS_DOCS_SERVER_H
#define LEAT_TESTS_DOCS_SERVER_H

#include <leat/leat.h>
#include <leat/test.h>

#include <stdlib.h>

struct server {
	struct leat_scope *scope;
};

static struct server *server_open(void)
{
	struct leat_scope_opts opts = { .name = "server",
		                        .deadline_ns = leat_now_ns() + 60000000000 };
	struct server *server = calloc(1, sizeof(*server));

	server->scope = leat_scope_open(NULL, &opts);
	return server;
}

static int server_has_given_up(const struct server *server)
{
	return leat_scope_cause(server->scope, NULL, NULL) == LEAT_DEADLINE;
}

static void server_close(struct server *server)
{
	leat_scope_close(server->scope);
	free(server);
}

#endif
