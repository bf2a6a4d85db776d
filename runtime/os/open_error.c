/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/os/os.h"

static LEAT_TLS int open_error; /* of this thread's last open that returned NULL; 0: none did */

void *leat_open_failed(int rc)
{
	open_error = rc;
	return NULL;
}

void *leat_detail_open_failed(int rc)
{
	return leat_open_failed(rc);
}

int leat_open_error(void)
{
	return open_error;
}
