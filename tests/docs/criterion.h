/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guide's program with Criterion leaves out. */
#include "server.h"

#include <criterion/criterion.h>
