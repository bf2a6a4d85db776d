/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches by count or time: a stage collects readings into rows of a database, 50 at a time, but no
 * reading waits longer than 5 milliseconds. The readings come in a burst first, then far apart. The
 * consumer leaves after a few batches. The stage is bound to its output, so it ends at once, though
 * it waits for a reading; its source ends behind it.
 */
#include <leat/leat.h>

#include <stdio.h>

enum { ROWS = 50, PATIENCE_NS = 5 * 1000000, BURST = 120 };

struct batch {
	size_t rows;
	double sum;
};

static int readings(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (int n = 0; rc == 0; n++) {
		if (n > BURST)
			rc = leat_after(leat_now_ns() + 2 * 1000000);
		if (rc == 0)
			rc = leat_send(out, &(double){ 20.5 });
	}
	return rc;
}

static int collect(struct leat_tx *out, void *arg)
{
	struct leat_rx *in = arg;
	double rows[ROWS];
	ssize_t n;

	leat_rx_bind(in, out);
	for (;;) {
		n = leat_recv_fill(in, rows, ROWS, leat_now_ns() + PATIENCE_NS);
		if (n == -ETIMEDOUT)
			continue; /* no reading at all in that time */
		if (n <= 0)
			break;
		struct batch batch = { .rows = (size_t)n };
		for (ssize_t i = 0; i < n; i++)
			batch.sum += rows[i];
		n = leat_send(out, &batch);
		if (n < 0)
			break;
	}
	leat_rx_close(in);
	return (int)n; /* 0 at the end of the readings; -EPIPE once the consumer has left */
}

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *source, *batches;
	struct batch batch;
	size_t rows = 0;

	if (scope == NULL || leat_gen(scope, readings, NULL, sizeof(double), NULL, &source) < 0 ||
	    leat_gen(scope, collect, source, sizeof(batch), NULL, &batches) < 0)
		return 1;
	while (rows <= BURST && leat_recv(batches, &batch) == 1) {
		printf("%zu rows, mean %.1f\n", batch.rows, batch.sum / (double)batch.rows);
		rows += batch.rows;
	}
	leat_rx_close(batches); /* the stage and its source end by this */
	return leat_scope_join(scope) == 0 && leat_scope_close(scope) == 0 ? 0 : 1;
}
