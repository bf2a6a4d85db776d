/*
 * The diagnostics thread: takes snapshots, and passes each to the exporters and the callback.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/diag.h"
#include "runtime/chan/chan.h"
#include "runtime/diag/array.h"
#include "runtime/diag/counters.h"
#include "runtime/gen/gen.h"
#include "runtime/pool/pool.h"

#include <stdio.h>
#include <string.h>

struct leat_diag {
	struct leat_diag_opts opts;
	char *prometheus_path, *json_path;
	struct leat_thread thread;
	struct leat_listener listener;
	struct leat_mutex lock; /* guards stop */
	struct leat_cond changed;
	bool stop;
	int error; /* the first that an exporter returned; only the thread writes it */
	struct leat_snapshot snapshot;
	struct leat_chan_stat *channels;
	struct leat_gen_stat *generators;
	struct leat_pool_stat *pools;
	struct leat_subscriber_stat *subscribers;
	size_t channels_room, generators_room, pools_room, subscribers_room;
	size_t channels_walked, generators_walked; /* of this snapshot, without the ends */
	/* ends that found no memory in the arrays above */
	uint64_t ends_lost;
	struct leat_exporter exporter;
	struct leat_counters_writer *counters; /* NULL: no file */
	bool paced;                            /* long snapshots are taken less often */
	int64_t cost_ns;                       /* of the last snapshot */
};

/* A paced thread waits so many times as long as its last snapshot took. */
enum { PACE = 20 };

static __thread struct leat_diag *running_here;

const char *leat_drop_name(enum leat_drop reason)
{
	static const char *const names[LEAT_DROP_REASONS] = { "newest", "oldest", "canceled",
		                                              "abandoned" };

	return (unsigned)reason < LEAT_DROP_REASONS ? names[reason] : "unknown";
}

const char *leat_cause_name(enum leat_cause cause)
{
	static const char *const names[LEAT_CAUSES] = { "running",  "completed", "canceled",
		                                        "deadline", "failed",    "abandoned",
		                                        "stopped" };

	return (unsigned)cause < LEAT_CAUSES ? names[cause] : "unknown";
}

const char *leat_pace_name(enum leat_pace pace)
{
	static const char *const names[] = { "nothing", "a time", "a rate", "a semaphore" };

	return (size_t)pace < sizeof(names) / sizeof(names[0]) ? names[pace] : "unknown";
}

static struct leat_chan_stat *append_channel(struct leat_diag *diag)
{
	void *array = diag->channels;
	bool ok = grow_array(&array, diag->snapshot.channels_count, &diag->channels_room,
	                     sizeof(*diag->channels));

	diag->channels = array;
	return ok ? &diag->channels[diag->snapshot.channels_count++] : NULL;
}

static struct leat_gen_stat *append_generator(struct leat_diag *diag)
{
	void *array = diag->generators;
	bool ok = grow_array(&array, diag->snapshot.generators_count, &diag->generators_room,
	                     sizeof(*diag->generators));

	diag->generators = array;
	return ok ? &diag->generators[diag->snapshot.generators_count++] : NULL;
}

static struct leat_pool_stat *append_pool(struct leat_diag *diag)
{
	void *array = diag->pools;
	bool ok = grow_array(&array, diag->snapshot.pools_count, &diag->pools_room,
	                     sizeof(*diag->pools));

	diag->pools = array;
	return ok ? &diag->pools[diag->snapshot.pools_count++] : NULL;
}

/* Those that join between the two readings are left to the next snapshot. */
static void append_subscribers(struct leat_diag *diag, struct leat_chan *chan)
{
	size_t count = diag->snapshot.subscribers_count;
	size_t more = leat_chan_read_subscribers(chan, NULL, 0), now;
	void *array = diag->subscribers;
	bool ok = grow_array_by(&array, count, more, &diag->subscribers_room,
	                        sizeof(*diag->subscribers));

	diag->subscribers = array;
	if (!ok || more == 0)
		return;
	now = leat_chan_read_subscribers(chan, &diag->subscribers[count], more);
	diag->snapshot.subscribers_count = count + (now < more ? now : more);
}

static void read_node(struct leat_node *node, void *arg)
{
	if (node->kind == LEAT_NODE_POOL) {
		struct leat_pool_stat *stat = append_pool(arg);

		if (stat != NULL)
			leat_pool_read_stat(node, stat);
	} else if (node->kind == LEAT_NODE_CHAN) {
		struct leat_chan *chan = caa_container_of(node, struct leat_chan, node);
		struct leat_chan_stat *stat = chan->item_size != 0 ? append_channel(arg) : NULL;

		if (stat != NULL) {
			leat_chan_read_stat(chan, stat);
			append_subscribers(arg, chan);
		}
	} else {
		struct leat_gen_stat *stat = append_generator(arg);

		if (stat != NULL)
			leat_gen_read_stat(caa_container_of(node, struct leat_gen_node, node),
			                   ((struct leat_diag *)arg)->snapshot.time_ns, stat);
	}
}

/*
 * Returns the structure with this id in an array of structures that have their id at `offset`. The
 * array is sorted by falling ids, as a walk leaves it. Returns NULL if there is none.
 */
static void *find_stat(const void *array, size_t count, size_t size, size_t offset, uint64_t id)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const char *place = (const char *)array + middle * size;
		uint64_t there;

		memcpy(&there, place + offset, sizeof(there));
		if (there == id)
			return (void *)(uintptr_t)place;
		if (there > id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

/*
 * A leat_registry_take() function. An end replaces what the walk has read of the same object a
 * moment before.
 */
static void store_end(const struct leat_end *end, void *arg)
{
	struct leat_diag *diag = arg;

	if (end->kind == LEAT_NODE_CHAN && end->chan.item_size != 0) {
		struct leat_chan_stat *stat =
			find_stat(diag->channels, diag->channels_walked, sizeof(*stat),
		                  offsetof(struct leat_chan_stat, id), end->chan.id);

		if (stat == NULL)
			stat = append_channel(diag);
		if (stat != NULL)
			*stat = end->chan;
		else
			diag->ends_lost++;
	} else if (end->kind == LEAT_NODE_GEN) {
		struct leat_gen_stat *stat =
			find_stat(diag->generators, diag->generators_walked, sizeof(*stat),
		                  offsetof(struct leat_gen_stat, id), end->gen.id);

		if (stat == NULL)
			stat = append_generator(diag);
		if (stat != NULL)
			*stat = end->gen;
		else
			diag->ends_lost++;
		if (diag->opts.ended != NULL)
			diag->opts.ended(&end->gen, diag->opts.ended_arg);
	}
}

/*
 * Fills in the names of the long turns whose generators are listed; leat_pool_read_stat() knew the
 * other names.
 */
static void name_long_turns(struct leat_diag *diag)
{
	for (size_t i = 0; i < diag->snapshot.pools_count; i++) {
		struct leat_pool_stat *pool = &diag->pools[i];
		struct leat_gen_stat *gen =
			find_stat(diag->generators, diag->generators_walked, sizeof(*gen),
		                  offsetof(struct leat_gen_stat, id), pool->long_id);

		if (gen != NULL)
			memcpy(pool->long_name, gen->name, sizeof(pool->long_name));
	}
}

static void keep_error(struct leat_diag *diag, int rc)
{
	if (diag->error == 0)
		diag->error = rc;
}

/* Until the next snapshot begins. */
static int64_t interval_of(const struct leat_diag *diag)
{
	const int64_t least_ns = diag->paced ? PACE * diag->cost_ns : 0;

	return diag->opts.interval_ns > least_ns ? diag->opts.interval_ns : least_ns;
}

/* Whether anything takes snapshots: to tell ends alone, nothing that lives need be read. */
static bool wants_figures(const struct leat_diag *diag)
{
	return diag->prometheus_path != NULL || diag->json_path != NULL || diag->counters != NULL ||
	       diag->opts.callback != NULL;
}

static void take_snapshot(struct leat_diag *diag)
{
	struct leat_snapshot *snapshot = &diag->snapshot;

	snapshot->channels_count = snapshot->generators_count = 0;
	snapshot->pools_count = snapshot->subscribers_count = 0;
	snapshot->time_ns = leat_now_ns();
	if (wants_figures(diag))
		leat_registry_walk(read_node, diag);
	diag->channels_walked = snapshot->channels_count;
	diag->generators_walked = snapshot->generators_count;
	leat_registry_take(&diag->listener, store_end, diag);
	leat_registry_totals(snapshot);
	snapshot->untold += diag->ends_lost;
	snapshot->waits_unfenced = leat_event_unfenced();
	snapshot->cores = leat_os_cores();
	snapshot->channels = diag->channels;
	snapshot->generators = diag->generators;
	snapshot->pools = diag->pools;
	snapshot->subscribers = diag->subscribers;
	name_long_turns(diag);
	if (diag->prometheus_path != NULL)
		keep_error(diag, leat_diag_write_prometheus(&diag->exporter, diag->prometheus_path,
		                                            snapshot));
	if (diag->json_path != NULL)
		keep_error(diag, leat_diag_write_json(&diag->exporter, diag->json_path, snapshot));
	if (diag->counters != NULL)
		keep_error(diag, leat_counters_write(diag->counters, snapshot, interval_of(diag),
		                                     diag->cost_ns));
	if (diag->opts.callback != NULL)
		diag->opts.callback(snapshot, diag->opts.callback_arg);
}

static void run_diag(void *arg)
{
	struct leat_diag *diag = arg;
	int64_t next_ns = leat_now_ns();
	bool stop = false;

	running_here = diag;
	while (!stop) {
		int64_t now_ns = leat_now_ns(), interval_ns = interval_of(diag);

		next_ns = next_ns + interval_ns > now_ns ? next_ns + interval_ns
		                                         : now_ns + interval_ns;
		leat_mutex_lock(&diag->lock);
		while (!diag->stop && leat_now_ns() < next_ns)
			leat_cond_wait_until(&diag->changed, &diag->lock, next_ns);
		stop = diag->stop;
		leat_mutex_unlock(&diag->lock);
		now_ns = leat_now_ns();
		take_snapshot(diag);
		diag->cost_ns = leat_now_ns() - now_ns;
	}
}

static char *copy_path(const char *path)
{
	char *copy = path == NULL ? NULL : leat_os_alloc(strlen(path) + 1, 0);

	return copy == NULL ? NULL : memcpy(copy, path, strlen(path) + 1);
}

static void free_diag(struct leat_diag *diag)
{
	leat_os_free(diag->prometheus_path);
	leat_os_free(diag->json_path);
	leat_os_free(diag->channels);
	leat_os_free(diag->generators);
	leat_os_free(diag->pools);
	leat_os_free(diag->subscribers);
	leat_totals_fini(&diag->exporter.totals);
	leat_totals_fini(&diag->exporter.gen_totals);
	leat_counters_destroy(diag->counters);
	leat_os_free(diag);
}

static bool diag_opts_valid(const struct leat_diag_opts *opts)
{
	return opts->interval_ns >= 0 &&
	       leat_words_unused(opts->reserved,
	                         sizeof(opts->reserved) / sizeof(opts->reserved[0]));
}

/*
 * A file that cannot be written is an error of leat_diag_start(), so that the caller learns of it
 * at once. Returns 0 or -errno.
 */
static int prepare_diag(struct leat_diag *diag, const struct leat_diag_opts *opts,
                        char why[LEAT_COUNTERS_WHY])
{
	static const struct leat_snapshot nothing;
	int rc = 0;

	diag->opts = *opts;
	if (diag->opts.interval_ns == 0)
		diag->opts.interval_ns = 1000000000;
	if (diag->opts.interval_ns > INT64_MAX / 4)
		diag->opts.interval_ns = INT64_MAX / 4;
	diag->prometheus_path = copy_path(opts->prometheus_path);
	diag->json_path = copy_path(opts->json_path);
	if ((opts->prometheus_path != NULL && diag->prometheus_path == NULL) ||
	    (opts->json_path != NULL && diag->json_path == NULL))
		return -ENOMEM;
	diag->exporter.started_ns = leat_os_started_ns();
	if (diag->prometheus_path != NULL)
		rc = leat_diag_write_prometheus(&diag->exporter, diag->prometheus_path, &nothing);
	if (rc == 0 && diag->json_path != NULL)
		rc = leat_diag_check_json(diag->json_path);
	if (rc == 0 && opts->counters_path != NULL)
		rc = leat_counters_create(&diag->counters, opts->counters_path,
		                          diag->opts.interval_ns, why);
	return rc;
}

/* Starts the thread of a diagnostics that is prepared. Frees it if that fails. Returns 0 or -errno.
 */
static int start_thread(struct leat_diag *diag)
{
	int rc;

	leat_mutex_init(&diag->lock);
	leat_cond_init(&diag->changed);
	leat_registry_listen(&diag->listener);
	rc = leat_thread_start(&diag->thread, run_diag, diag, "leat-diag", 0);
	if (rc < 0) {
		leat_registry_unlisten(&diag->listener);
		free_diag(diag);
	}
	return rc;
}

/* Returns 0 or -errno; why is filled in for a counters file alone. */
static int start_diag(struct leat_diag **started, const struct leat_diag_opts *opts, bool paced,
                      char why[LEAT_COUNTERS_WHY])
{
	struct leat_diag *diag;
	int rc;

	why[0] = '\0';
	if (!diag_opts_valid(opts))
		return -EINVAL;
	diag = leat_os_alloc(sizeof(*diag), 0);
	if (diag == NULL)
		return -ENOMEM;
	diag->paced = paced;
	rc = prepare_diag(diag, opts, why);
	if (rc < 0) {
		free_diag(diag);
		return rc;
	}
	*started = diag;
	return start_thread(diag);
}

struct leat_diag *leat_diag_start_paced(const struct leat_diag_opts *opts,
                                        char why[LEAT_COUNTERS_WHY])
{
	struct leat_diag *diag;
	int rc = start_diag(&diag, opts, true, why);

	if (rc == 0)
		return diag;
	if (why[0] == '\0')
		snprintf(why, LEAT_COUNTERS_WHY, "%s", strerror(-rc));
	return NULL;
}

struct leat_diag *leat_detail_diag_start(unsigned abi, const struct leat_diag_opts *opts)
{
	static const struct leat_diag_opts defaults;
	char why[LEAT_COUNTERS_WHY];
	struct leat_diag *diag;
	int rc;

	if (abi != leat_detail_abi(*opts))
		return leat_open_failed(-ELIBBAD);
	rc = start_diag(&diag, opts != NULL ? opts : &defaults, false, why);
	return rc == 0 ? diag : leat_open_failed(rc);
}

/* For callers that use the address, or another language: their layout is not checked. */
struct leat_diag *(leat_diag_start)(const struct leat_diag_opts *opts)
{
	return leat_diag_start(opts);
}

int leat_diag_stop(struct leat_diag *diag)
{
	int error;

	if (diag == NULL)
		return 0;
	if (running_here == diag)
		return -EDEADLK;
	leat_mutex_lock(&diag->lock);
	diag->stop = true;
	leat_cond_broadcast(&diag->changed);
	leat_mutex_unlock(&diag->lock);
	leat_thread_join(&diag->thread);
	leat_registry_unlisten(&diag->listener);
	leat_cond_fini(&diag->changed);
	error = diag->error;
	free_diag(diag);
	return error;
}
