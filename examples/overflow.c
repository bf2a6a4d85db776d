/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slow receiver of a fast feed. The channel keeps the newest eight quotes and drops the oldest.
 * It counts the quotes that it drops, by reason, and has `discard` free their memory.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void free_quote(void *item, void *arg)
{
	unsigned *freed = arg;

	free(*(double **)item);
	++*freed;
}

static void print_books(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		const struct leat_chan_stat *c = &snapshot->channels[i];

		printf("%s: offered %" PRIu64 " = delivered %" PRIu64 " + dropped %" PRIu64 "\n",
		       c->name, c->offered, c->delivered, c->dropped[LEAT_DROPPED_OLDEST]);
	}
}

int main(void)
{
	unsigned freed = 0;
	struct leat_diag *diag =
		leat_diag_start(&(struct leat_diag_opts){ .callback = print_books });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_chan_opts opts = { .name = "quotes",
		                       .capacity = 8,
		                       .overflow = LEAT_DROP_OLDEST,
		                       .discard = free_quote,
		                       .discard_arg = &freed };
	struct leat_tx *tx;
	struct leat_rx *rx;

	if (diag == NULL || scope == NULL ||
	    leat_chan_open(scope, sizeof(double *), &opts, &tx, &rx) < 0)
		return 1;
	for (int i = 0; i < 100; i++) {
		double *quote = malloc(sizeof(*quote));

		if (quote == NULL)
			return 1;
		*quote = 100.0 + i;
		leat_send(tx, &quote); /* always returns 0, and never waits */
	}
	leat_tx_close(tx);
	leat_for(double *, quote, rx) {
		printf("%.0f ", *quote);
		free(quote);
	}
	putchar('\n');
	leat_rx_close(rx);
	leat_scope_close(scope);
	leat_diag_stop(diag); /* takes a last snapshot: the books of the channel that has ended */
	return freed == 92 ? 0 : 1;
}
