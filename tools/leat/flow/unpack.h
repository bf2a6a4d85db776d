/*
 * tools/leat/flow/unpack.h: files that gzip or zstd have compressed, read as what they were.
 *
 * A file is known by its first bytes, whatever its name; any other is read as it is, and costs
 * nothing. Several compressed files in one are read as one. Data that end too early, or that are
 * garbled, fail with words; so does a file for which the library was missing when the program was
 * built: zlib (LEAT_HAVE_ZLIB), libzstd (LEAT_HAVE_ZSTD).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_UNPACK_H
#define LEAT_TOOLS_LEAT_FLOW_UNPACK_H

#include "runtime/io/source.h"
#include "tools/leat/flow/progress.h"

struct leat_unpack;

/* NULL: there is no memory. */
struct leat_unpack *leat_unpack_create(void);
void leat_unpack_destroy(struct leat_unpack *unpack);
/* For leat_emitter.filter. It lives as long as the unpack. */
struct leat_filter *leat_unpack_filter(struct leat_unpack *unpack);
/* From now on what it reads is added to this. */
void leat_unpack_count(struct leat_unpack *unpack, struct leat_progress *progress);

#endif
