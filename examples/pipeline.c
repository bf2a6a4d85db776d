/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leat run 'lines:FILE | workers:4 field:1 | tally', in C: a source on its thread, four workers
 * that share its channel, and one channel from all workers to the main thread, which counts. By
 * default it counts the field names of the package database.
 */
#include <leat/leat.h>

#include <stdio.h>
#include <string.h>

struct edges {
	struct leat_rx *in;
	struct leat_tx *out;
};

static int first_field(struct leat_tx *task, void *arg)
{
	struct edges *mine = arg; /* this worker's own clones */
	int rc = 0;

	(void)task;
	leat_for(struct leat_line, line, mine->in) {
		const char *space = memchr(line.data, ' ', line.len);

		line.len = space != NULL ? (size_t)(space - line.data) : line.len;
		rc = leat_send(mine->out, &line);
		if (rc < 0) {
			leat_line_free(&line); /* the channel did not take it: still ours */
			break;
		}
	}
	leat_rx_close(mine->in);
	leat_tx_close(mine->out);
	return rc == -EPIPE ? 0 : rc;
}

int main(int argc, char **argv)
{
	struct leat_lines_opts in = { .path = argc > 1 ? argv[1] : "/var/lib/dpkg/status" };
	struct leat_gen_opts lines = {
		.chan = { .name = "lines", .kind = LEAT_SPMC, .discard = leat_line_discard }
	};
	struct leat_chan_opts fields = { .name = "fields",
		                         .kind = LEAT_MPSC,
		                         .discard = leat_line_discard };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct edges edges[4];
	struct leat_rx *from_lines, *rx;
	struct leat_tx *tx;
	unsigned long packages = 0, all = 0;
	int rc;

	if (scope == NULL ||
	    leat_gen(scope, leat_lines, &in, sizeof(struct leat_line), &lines, &from_lines) < 0 ||
	    leat_chan_open(scope, sizeof(struct leat_line), &fields, &tx, &rx) < 0)
		return 1;
	for (int i = 0; i < 4; i++) {
		edges[i] = (struct edges){ leat_rx_clone(from_lines), leat_tx_clone(tx) };
		if (leat_gen(scope, first_field, &edges[i], 0, NULL, NULL) < 0)
			return 1;
	}
	/* the workers have clones of their own; the last one that is closed ends the stream */
	leat_rx_close(from_lines);
	leat_tx_close(tx);
	leat_for(struct leat_line, field, rx) {
		packages += field.len == 8 && memcmp(field.data, "Package:", 8) == 0;
		all++;
		leat_line_free(&field);
	}
	leat_rx_close(rx);
	rc = leat_scope_close(scope);
	printf("%lu lines, %lu packages\n", all, packages);
	return rc < 0;
}
