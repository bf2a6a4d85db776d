/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_workers FILE: a hash of each line, by four workers, in the order of the lines. A worker
 * takes a vector of lines together with a ticket; gather passes on what the workers made in the
 * order of tickets. A worker that is far ahead of the slowest one waits, so memory stays bounded.
 */
#include <leat/flow.h>
#include <leat/io.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct digest {
	uint64_t hash, length;
};
/* A line owns a part of the block that it was read into: the flow gives that back. */
LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, NULL);
LEAT_TYPE(digest, struct digest);

/* FNV-1a. The step has no state, so the workers can share it. */
LEAT_MAP(hash, line, l, digest, d, const void *, unused)
{
	*d = (struct digest){ UINT64_C(0xcbf29ce484222325), l->len };
	for (size_t i = 0; i < l->len; i++)
		d->hash = (d->hash ^ (unsigned char)l->data[i]) * UINT64_C(0x100000001b3);
	return 0;
}

LEAT_EACH(print, digest, d, FILE *, out)
{
	return fprintf(out, "%016" PRIx64 " %" PRIu64 "\n", d->hash, d->length) < 0 ? -EIO : 0;
}

int main(int argc, char **argv)
{
	struct leat_lines_opts in = { .path = argc > 1 ? argv[1] : "/etc/os-release" };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_gen(flow, LEAT_T(line), leat_lines, &in);
	int rc;

	p = leat_flow_workers(p, 4, LEAT_ORDERED);
	p = leat_flow_step(p, &hash, NULL);
	p = leat_flow_gather(p);
	leat_flow_for_each(p, &print, stdout);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0)
		fprintf(stderr, "flow_workers: %s\n", leat_flow_error(flow));
	leat_flow_close(flow);
	return rc < 0;
}
