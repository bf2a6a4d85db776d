/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guide's program with cmocka leaves out: the server's test. */
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* the fixture of the guide has no use for its state either */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static void gives_up_after_a_minute(void **state)
{
	struct server *server = server_open();

	leat_test_clock_advance(60000000000 - 1);
	assert_false(server_has_given_up(server));
	leat_test_clock_advance(1);
	assert_true(server_has_given_up(server));
	server_close(server);
}
