/*
 * tests/unit/watcher.h: what the suites of the diagnostics share: a callback, and what it saw.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_WATCHER_H
#define LEAT_TEST_WATCHER_H

#include "census.h"

#include <leat/diag.h>

/*
 * What a callback saw. The thread of the diagnostics writes it. A test reads it after the stop, but
 * may wait for some of the words before.
 */
struct watcher {
	uint32_t snapshots;
	int imbalances, disorders, doubles;
	int offered_back, delivered_back, blocked_back;
	int64_t last_ns;
	uint64_t told_chans[64], told_gens[64]; /* ids whose end was reported */
	size_t told_chans_count, told_gens_count;
	char name[64];               /* the channel to watch; "": any */
	struct leat_chan_stat chan;  /* as last seen */
	struct leat_chan_stat ended; /* at its end */
	uint32_t seen, ends;
	uint32_t running_seen;    /* generators by that name that ran */
	struct leat_gen_stat gen; /* its end */
	uint32_t gen_ends;
	uint64_t exits[LEAT_CAUSES], causes_later, untold;
	uint64_t most_blocked_ns[2]; /* receivers, senders */
	uint32_t blocked_enough;
	struct leat_diag *diag;
	int stop_answer;
	uint32_t stopped;
};

static UNUSED bool told_before(uint64_t *ids, size_t *count, uint64_t id)
{
	for (size_t i = 0; i < *count; i++)
		if (ids[i] == id)
			return true;
	if (*count < 64)
		ids[(*count)++] = id;
	return false;
}

static UNUSED bool balances(const struct leat_chan_stat *chan)
{
	uint64_t dropped = 0;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		dropped += chan->dropped[reason];
	return chan->offered == chan->delivered + dropped + chan->rejected + chan->in_flight &&
	       chan->in_flight <= chan->capacity && chan->peak <= chan->capacity &&
	       chan->delivered <= chan->offered && chan->offered < UINT64_C(1) << 40;
}

static UNUSED void watch_growth(struct watcher *watcher, const struct leat_chan_stat *before,
                                const struct leat_chan_stat *now)
{
	watcher->offered_back += now->offered < before->offered || now->peak < before->peak;
	watcher->delivered_back += now->delivered < before->delivered;
	watcher->blocked_back += now->send_blocked_ns < before->send_blocked_ns ||
	                         now->recv_blocked_ns < before->recv_blocked_ns;
}

static UNUSED void watch_channel(struct watcher *watcher, const struct leat_chan_stat *chan)
{
	watcher->imbalances += !balances(chan);
	for (size_t i = 0; i < watcher->told_chans_count; i++)
		watcher->doubles += watcher->told_chans[i] == chan->id;
	if (chan->ended)
		watcher->doubles +=
			told_before(watcher->told_chans, &watcher->told_chans_count, chan->id);
	if (strcmp(chan->name, watcher->name) != 0)
		return;
	if (watcher->chan.id == chan->id)
		watch_growth(watcher, &watcher->chan, chan);
	watcher->chan = *chan;
	if (chan->ended) {
		watcher->ended = *chan;
		watcher->ends++;
	}
	if (chan->recv_blocked_ns > (uint64_t)(5 * MS) ||
	    chan->send_blocked_ns > (uint64_t)(5 * MS))
		leat_store_rel(&watcher->blocked_enough, 1u);
	leat_add_acqrel(&watcher->seen, 1u);
}

static UNUSED void watch_generator(struct watcher *watcher, const struct leat_gen_stat *gen)
{
	for (size_t i = 0; i < watcher->told_gens_count; i++)
		watcher->doubles += watcher->told_gens[i] == gen->id;
	if (gen->cause != LEAT_RUNNING)
		watcher->doubles +=
			told_before(watcher->told_gens, &watcher->told_gens_count, gen->id);
	if (strcmp(gen->name, watcher->name) != 0)
		return;
	if (gen->cause == LEAT_RUNNING) {
		leat_add_acqrel(&watcher->running_seen, 1u);
	} else {
		watcher->gen = *gen;
		watcher->gen_ends++;
	}
}

static UNUSED void watch(const struct leat_snapshot *snapshot, void *arg)
{
	struct watcher *watcher = arg;
	watcher->disorders += snapshot->time_ns < watcher->last_ns;
	watcher->last_ns = snapshot->time_ns;
	for (size_t i = 0; i < snapshot->channels_count; i++)
		watch_channel(watcher, &snapshot->channels[i]);
	for (size_t i = 0; i < snapshot->generators_count; i++)
		watch_generator(watcher, &snapshot->generators[i]);
	memcpy(watcher->exits, snapshot->exits, sizeof(watcher->exits));
	watcher->causes_later = snapshot->causes_later;
	watcher->untold = snapshot->untold;
	leat_add_acqrel(&watcher->snapshots, 1u);
}

static UNUSED struct leat_diag *start(struct watcher *watcher, const char *name,
                                      int64_t interval_ns)
{
	memset(watcher, 0, sizeof(*watcher));
	snprintf(watcher->name, sizeof(watcher->name), "%s", name);
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = interval_ns, .callback = watch, .callback_arg = watcher });
	cr_assert_not_null(diag);
	return diag;
}

static UNUSED void stop(struct leat_diag *diag, const struct watcher *watcher)
{
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_gt(watcher->snapshots, 0);
	cr_expect_eq(watcher->imbalances, 0, "%d books do not balance", watcher->imbalances);
	cr_expect_eq(watcher->disorders, 0, "time went back");
	cr_expect_eq(watcher->doubles, 0, "%d ends were told twice", watcher->doubles);
	cr_expect_eq(watcher->untold, 0);
}

#define HOUR_NS (INT64_C(3600000) * MS)

#endif
