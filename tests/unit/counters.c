/*
 * tests/unit/counters.c: what a process writes into its counters file, and what a reader finds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "counters.h"
#include "runtime/diag/counters.h"

#include <leat/broadcast.h>
#include <leat/pool.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

TestSuite(counters, .timeout = 600);

static bool is_sum(const struct leat_counters_record *record)
{
	return (record->flags & LEAT_COUNTERS_SUM) != 0;
}

static int send_three(struct leat_tx *tx, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 3; i++)
		leat_send(tx, &i);
	return leat_tx_fail(tx, -EIO, "the disk is gone");
}

Test(counters, a_reader_finds_what_the_channel_counts)
{
	char path[64];
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .name = "orders", .capacity = 8, .kind = LEAT_MPSC });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	cr_assert_not_null(c);
	for (uint64_t i = 0; i < 3; i++)
		cr_assert_eq(leat_send(pipe.tx, &i), 0);
	cr_assert_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 1);
	cr_assert(counters_read_later(c));
	const struct leat_counters_process *info = leat_counters_info(c);
	cr_expect_eq(info->state, LEAT_COUNTERS_RUNNING);
	cr_expect_eq(info->pid, getpid());
	cr_expect_eq(info->uid, geteuid());
	cr_expect_eq(info->interval_ns, MS);
	cr_expect_eq(info->torn + info->truncated + info->records_lost, 0);
	cr_expect_str_eq(info->name, program_invocation_short_name);
	const struct leat_counters_record *chan =
		counters_find(c, LEAT_COUNTERS_CHANNEL, "orders", 0);
	cr_assert_not_null(chan);
	cr_expect_null(counters_find(c, LEAT_COUNTERS_CHANNEL, "orders", 1));
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_OFFERED], 3);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_DELIVERED], 1);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_IN_FLIGHT], 2);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_CAPACITY], 8);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_ITEM_SIZE], 8);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_SENDERS], 1);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_KIND], LEAT_MPSC);
	cr_expect_eq(chan->count, 1);
	cr_expect_eq(chan->living, 1);
	cr_expect_eq(chan->flags, 0);
	cr_expect_not_null(counters_event(c, LEAT_COUNTERS_OPENED, "orders"));
	pipe_close(&pipe);
	cr_assert(counters_read_later(c));
	chan = counters_find(c, LEAT_COUNTERS_CHANNEL, "orders", 0);
	cr_assert_not_null(chan);
	cr_expect_eq(chan->flags, LEAT_COUNTERS_ENDED);
	cr_expect_gt(chan->ended_ns, 0);
	cr_expect_eq(chan->values[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_ABANDONED] +
	                     chan->values[LEAT_COUNTERS_CHAN_DROPPED + LEAT_DROPPED_CANCELED],
	             2);
	cr_expect_not_null(counters_event(c, LEAT_COUNTERS_CLOSED, "orders"));
	cr_expect_not_null(counters_event(c, LEAT_COUNTERS_DROPPED, "orders"));
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_neq(access(path, F_OK), 0, "it is removed");
	cr_expect_eq(leat_counters_read(c), 0, "a reader that has it open still can read");
	cr_expect_eq(leat_counters_info(c)->state, LEAT_COUNTERS_GONE);
	leat_counters_close(c);
	counters_clean_up();
}

Test(counters, a_generator_feeds_its_channel_and_leaves_its_last_words)
{
	char path[64];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;
	cr_assert_not_null(c);
	cr_assert_eq(leat_gen(scope, send_three, NULL, 8,
	                      &(struct leat_gen_opts){ .chan = { .name = "parsed" } }, &rx),
	             0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_assert(counters_read_later(c));
	const struct leat_counters_record *chan =
		counters_find(c, LEAT_COUNTERS_CHANNEL, "parsed", 0);
	const struct leat_counters_record *gen =
		counters_find(c, LEAT_COUNTERS_GENERATOR, "parsed", 0);
	cr_assert_not_null(chan);
	cr_assert_not_null(gen);
	cr_expect_eq(gen->channel, chan->id);
	cr_expect_eq(gen->values[LEAT_COUNTERS_GEN_CAUSE], LEAT_FAILED);
	cr_expect_eq((int64_t)gen->values[LEAT_COUNTERS_GEN_CODE], -EIO);
	cr_expect_str_eq(gen->text, "the disk is gone");
	cr_expect_eq(gen->flags, LEAT_COUNTERS_ENDED);
	cr_expect_eq(leat_counters_info(c)->exits[LEAT_FAILED], 1);
	const struct leat_counters_event *event = counters_event(c, LEAT_COUNTERS_FAILED, "parsed");
	cr_assert_not_null(event);
	cr_expect_eq(event->code, -EIO);
	cr_expect_eq(event->cause, LEAT_FAILED);
	cr_expect_str_eq(event->text, "the disk is gone");
	cr_expect_eq(event->kind, LEAT_COUNTERS_GENERATOR);
	cr_expect_eq(event->id, gen->id);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

Test(counters, pools_and_subscribers_have_records)
{
	char path[64];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .name = "crew", .workers = 2 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_broadcast *bc;
	struct leat_rx *rx;
	struct leat_tx *tx;
	cr_assert_not_null(pool);
	cr_assert_eq(leat_broadcast_open(scope, 8, NULL, &bc, &tx), 0);
	cr_assert_eq(
		leat_broadcast_subscribe(bc, &(struct leat_subscribe_opts){ .name = "book" }, &rx),
		0);
	cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), 0);
	cr_assert(counters_read_later(c));
	const struct leat_counters_record *record = counters_find(c, LEAT_COUNTERS_POOL, "crew", 0);
	cr_assert_not_null(record);
	cr_expect_eq(record->values[LEAT_COUNTERS_POOL_WORKERS], 2);
	record = counters_find(c, LEAT_COUNTERS_SUBSCRIBER, "book", 0);
	cr_assert_not_null(record);
	cr_expect_eq(record->values[LEAT_COUNTERS_SUB_IN_FLIGHT], 1);
	cr_expect_eq(record->channel, counters_find(c, LEAT_COUNTERS_CHANNEL, "", 0)->id);
	leat_rx_close(rx);
	leat_tx_close(tx);
	leat_broadcast_close(bc);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
	cr_assert(counters_read_later(c));
	record = counters_find(c, LEAT_COUNTERS_POOL, "crew", 0);
	cr_assert_not_null(record);
	cr_expect_eq(record->flags, LEAT_COUNTERS_ENDED, "no snapshot has had its end");
	cr_expect_not_null(counters_event(c, LEAT_COUNTERS_CLOSED, "crew"));
	cr_expect_not_null(counters_event(c, LEAT_COUNTERS_CLOSED, "book"));
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

/* Sixteen of a name have records; what is beyond that is summed, and no total falls. */
Test(counters, objects_of_one_name_are_summed_and_no_total_falls)
{
	enum { CHANNELS = 40, ROUNDS = MANY_TIMES(12) };
	char path[64];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	struct pipe pipes[CHANNELS];
	uint64_t sent = 0;
	for (int i = 0; i < CHANNELS; i++)
		pipes[i] = pipe_open(&(struct leat_chan_opts){ .name = "crowd" });
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CHANNELS; i++, sent++)
			cr_assert_eq(leat_send(pipes[i].tx, &sent), 0);
		cr_assert(counters_read_later(c));
		cr_expect_eq(
			counters_sum(c, LEAT_COUNTERS_CHANNEL, "crowd", LEAT_COUNTERS_CHAN_OFFERED),
			sent);
		unsigned sums = 0, living = 0;
		const struct leat_counters_record *record;
		for (int n = 0;
		     (record = counters_find(c, LEAT_COUNTERS_CHANNEL, "crowd", n)) != NULL; n++) {
			sums += is_sum(record);
			living += record->living;
			cr_expect_leq(n, 16, "sixteen, and the sum");
		}
		cr_expect_eq(sums, 1);
		cr_expect_eq(living, CHANNELS);
		/* others come in place of some that are single, and of some that are in the sum */
		for (int i = round % 3; i < CHANNELS; i += 3) {
			pipe_close(&pipes[i]);
			pipes[i] = pipe_open(&(struct leat_chan_opts){ .name = "crowd" });
		}
	}
	for (int i = 0; i < CHANNELS; i++)
		pipe_close(&pipes[i]);
	cr_assert(counters_read_later(c));
	cr_expect_eq(counters_sum(c, LEAT_COUNTERS_CHANNEL, "crowd", LEAT_COUNTERS_CHAN_OFFERED),
	             sent);
	cr_expect_eq(counters_sum(c, LEAT_COUNTERS_CHANNEL, "crowd", LEAT_COUNTERS_CHAN_IN_FLIGHT),
	             0);
	cr_expect_eq(leat_counters_info(c)->records_lost, 0);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

/* What has ended is put away: at last under one name, and nothing of it is forgotten. */
Test(counters, names_that_ended_are_summed_as_other_names)
{
	enum { CHANNELS = 700 };
	char path[64], name[32];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	const struct leat_counters_record *records;
	for (uint64_t i = 0; i < CHANNELS; i++) {
		snprintf(name, sizeof(name), "job %d", (int)i);
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = name });
		cr_assert_eq(leat_send(pipe.tx, &i), 0);
		pipe_close(&pipe);
		if (i % 100 == 99) {
			cr_assert(counters_read_later(c));
			cr_expect_eq(counters_sum(c, LEAT_COUNTERS_CHANNEL, NULL,
			                          LEAT_COUNTERS_CHAN_OFFERED),
			             i + 1);
		}
	}
	cr_expect_leq(leat_counters_records(c, &records), 258);
	const struct leat_counters_record *other =
		counters_find(c, LEAT_COUNTERS_CHANNEL, "(other names)", 0);
	cr_assert_not_null(other);
	cr_expect_geq(other->count, CHANNELS - 258);
	cr_expect_not_null(counters_find(c, LEAT_COUNTERS_CHANNEL, "job 699", 0), "the last one");
	cr_expect_null(counters_find(c, LEAT_COUNTERS_CHANNEL, "job 0", 0));
	cr_expect_eq(leat_counters_info(c)->records_lost, 0);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

/* Opens so many channels of names of their own; returns how many records the reader then finds. */
static size_t crowd(const char *path, int channels, uint64_t *lost)
{
	struct leat_diag *diag = counters_start_by(path, 100 * MS);
	struct leat_counters *c = leat_counters_open(path);
	const struct leat_counters_record *records;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx **tx = calloc((size_t)channels, sizeof(*tx));
	struct leat_rx **rx = calloc((size_t)channels, sizeof(*rx));
	cr_assert_not_null(c);
	for (int i = 0; i < channels; i++) {
		char name[32];
		snprintf(name, sizeof(name), "chan %d", i);
		struct leat_chan_opts opts = { .name = name, .capacity = 1 };
		cr_assert_eq(leat_chan_open(scope, 8, &opts, &tx[i], &rx[i]), 0);
	}
	cr_assert(counters_read_later(c));
	size_t found = leat_counters_records(c, &records);
	*lost = leat_counters_info(c)->records_lost;
	cr_expect_not(leat_counters_info(c)->truncated);
	for (int i = 0; i < channels; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(rx[i]);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	leat_counters_close(c);
	free(tx);
	free(rx);
	return found;
}

Test(counters, a_limit_of_file_sizes_makes_records_lost)
{
	struct rlimit before, limit;
	uint64_t lost;
	char path[64];
	counters_path(path, "file");
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = LEAT_COUNTERS_RECORDS_OFFSET + 150 * 512;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(crowd(path, 200, &lost), 128, "64, and as many again");
	cr_expect_eq(lost, 72);
	limit.rlim_cur = 4096;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .counters_path = path }));
	cr_expect_eq(leat_open_error(), -EFBIG);
	cr_expect_neq(access(path, F_OK), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	cr_expect_eq(crowd(path, 200, &lost), 200);
	cr_expect_eq(lost, 0);
	counters_clean_up();
}

Test(counters, a_full_tmpfs_makes_records_lost)
{
	char folder[64], path[128];
	uint64_t lost;
	counters_path(folder, "small");
	cr_assert_eq(mkdir(folder, 0700), 0);
	if (mount("tmpfs", folder, "tmpfs", 0, "size=160k") == 0) {
		snprintf(path, sizeof(path), "%s/file", folder);
		size_t found = crowd(path, 300, &lost);
		cr_expect_geq(found, 64);
		cr_expect_lt(found, 300);
		cr_expect_eq(found + lost, 300);
		cr_expect_eq(umount(folder), 0);
	} else {
		cr_log_info("not tried: mount(2): %s", strerror(errno));
	}
	rmdir(folder);
	counters_clean_up();
}

Test(counters, the_largest_file_loses_what_is_beyond_it)
{
	enum { BEYOND = 50 };
	char path[64];
	uint64_t lost;
	struct stat found;
	cr_expect_eq(crowd(counters_path(path, "file"), LEAT_COUNTERS_RECORDS_MOST + BEYOND, &lost),
	             LEAT_COUNTERS_RECORDS_MOST);
	cr_expect_eq(lost, BEYOND);
	cr_expect_neq(stat(path, &found), 0);
	counters_clean_up();
}

static int refused(const char *path)
{
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){ .counters_path = path });
	if (diag == NULL)
		return leat_open_error();
	leat_diag_stop(diag);
	return 0;
}

Test(counters, a_place_that_is_not_fit_is_refused)
{
	char path[64], link[64], why[LEAT_COUNTERS_WHY];
	counters_path(path, "file");
	counters_path(link, "link");
	errno = 4711;
	cr_expect_eq(refused("/proc/counters"), -ENOTSUP, "not on tmpfs");
	cr_expect_null(leat_counters_open("/there/is/none"));
	cr_expect_eq(leat_open_error(), -ENOENT);
	cr_expect_eq(leat_counters_each("/there/is/none", NULL, NULL), -ENOENT);
	cr_expect_eq(errno, 4711);
	cr_expect_eq(refused("/dev/shm/there/is/none"), -ENOENT);
	cr_assert_eq(symlink(path, link), 0);
	cr_expect_eq(refused(link), -ELOOP);
	cr_expect_neq(access(path, F_OK), 0, "nothing was made through the link");
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, "precious", 8), 8);
	close(fd);
	cr_expect_eq(refused(path), -EEXIST, "a file of another sort");
	cr_expect_eq(access(path, F_OK), 0, "and it is left alone");
	cr_expect_null(leat_counters_open(path));
	cr_expect_eq(leat_open_error(), -EPROTO);
	cr_expect_null(leat_counters_open(link));
	cr_expect_eq(leat_open_error(), -ELOOP);
	cr_expect_null(leat_counters_open(counters_folder));
	cr_expect_eq(leat_open_error(), -EINVAL);
	/* the directory of a user */
	uint32_t uid = geteuid();
	cr_expect_eq(leat_counters_open_private(link, uid, why), -EPERM);
	cr_expect_eq(leat_counters_open_private(counters_folder, uid + 1, why), -EPERM);
	cr_expect_not_null(strstr(why, "belongs to user"));
	cr_assert_eq(chmod(counters_folder, 0750), 0);
	cr_expect_eq(leat_counters_open_private(counters_folder, uid, why), -EPERM);
	cr_expect_not_null(strstr(why, "has mode 0750"));
	cr_assert_eq(chmod(counters_folder, 0700), 0);
	fd = leat_counters_open_private(counters_folder, uid, why);
	cr_assert_geq(fd, 0);
	close(fd);
	counters_clean_up();
}

Test(counters, the_file_is_for_this_user_alone)
{
	char path[64];
	struct stat found;
	mode_t mask = umask(0);
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	umask(mask);
	cr_assert_eq(stat(path, &found), 0);
	cr_expect_eq(found.st_mode & 07777, 0600);
	cr_expect_eq(found.st_size, LEAT_COUNTERS_RECORDS_OFFSET + 64 * 512);
	cr_expect_geq(found.st_blocks * 512, found.st_size, "its pages are there before their use");
	cr_expect_eq(refused(path), -EEXIST, "one writer at a time");
	cr_expect_eq(leat_diag_stop(diag), 0);
	/* in a directory the file has the name of the process */
	diag = counters_start(counters_folder);
	cr_expect_eq(census_entries(counters_folder), 1);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(census_entries(counters_folder), 0);
	counters_clean_up();
}

/* A process that ends without a word. */
static void leave_behind(const char *path)
{
	pid_t child = fork();
	int status;
	cr_assert_geq(child, 0);
	if (child == 0) {
		char why[LEAT_COUNTERS_WHY];
		struct leat_counters_writer *writer;
		_exit(leat_counters_create(&writer, path, MS, why) != 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
}

Test(counters, what_a_process_leaves_behind_says_gone_and_is_replaced)
{
	char path[64];
	leave_behind(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	cr_assert_not_null(c);
	cr_expect_eq(leat_counters_read(c), 0);
	cr_expect_eq(leat_counters_info(c)->state, LEAT_COUNTERS_GONE);
	leat_counters_close(c);
	struct leat_diag *diag = counters_start(path);
	c = leat_counters_open(path);
	cr_assert_not_null(c);
	cr_expect_eq(leat_counters_info(c)->state, LEAT_COUNTERS_RUNNING);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

Test(counters, of_what_is_left_behind_sixteen_files_stay)
{
	char path[64];
	for (int i = 0; i < 21; i++) {
		leave_behind(counters_path(path, ""));
		sched_yield();
	}
	struct leat_diag *diag = counters_start(counters_folder);
	cr_expect_eq(census_entries(counters_folder), 22, "a directory of the caller's own");
	int fd = open(counters_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	leat_counters_remove_left(fd);
	close(fd);
	cr_expect_eq(census_entries(counters_folder), 17, "sixteen, and that of this process");
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(census_entries(counters_folder), 16);
	counters_clean_up();
}

Test(counters, a_file_that_is_cut_off_gets_no_more_figures)
{
	char path[64];
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	cr_assert(counters_read_later(c));
	cr_assert_eq(truncate(path, 1000), 0);
	cr_expect_eq(leat_counters_read(c), 0);
	cr_expect_eq(leat_diag_stop(diag), -ESTALE);
	leat_counters_close(c);
	counters_clean_up();
}

/* A child has no thread that would write, and takes nothing away from its parent. */
Test(counters, a_child_leaves_the_file_alone)
{
	char path[64];
	int status;
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(access(path, F_OK), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	counters_clean_up();
}

Test(counters, the_names_of_values)
{
	cr_expect_str_eq(
		leat_counters_value_name(LEAT_COUNTERS_CHANNEL, LEAT_COUNTERS_CHAN_DELIVERED),
		"delivered_items");
	cr_expect_eq(leat_counters_value_type(LEAT_COUNTERS_CHANNEL, LEAT_COUNTERS_CHAN_DELIVERED),
	             LEAT_COUNTERS_TOTAL);
	cr_expect_null(leat_counters_value_name(LEAT_COUNTERS_CHANNEL, LEAT_COUNTERS_CHAN_VALUES));
	cr_expect_null(leat_counters_value_name((enum leat_counters_kind)0, 0));
	cr_expect_null(leat_counters_value_name(LEAT_COUNTERS_KINDS, 0));
	cr_expect_eq(leat_counters_value_type(LEAT_COUNTERS_KINDS, 0), 0);
	cr_expect_str_eq(leat_counters_kind_name(LEAT_COUNTERS_POOL), "pool");
	cr_expect_str_eq(leat_counters_kind_name((enum leat_counters_kind)0), "unknown");
	cr_expect_str_eq(leat_counters_event_name(LEAT_COUNTERS_FAILED), "failed");
	cr_expect_str_eq(leat_counters_event_name(LEAT_COUNTERS_EVENT_TYPES), "unknown");
	cr_expect_str_eq(leat_counters_state_name(LEAT_COUNTERS_GONE), "gone");
	cr_expect_str_eq(leat_counters_state_name((enum leat_counters_state)9), "unknown");
}

struct rewriter {
	struct leat_counters_writer *writer;
	uint32_t stop;
};

/* Each state of the record has the same number in all values, and in its id. */
static void *keep_rewriting(void *arg)
{
	struct rewriter *rewriter = arg;
	struct leat_counters_file_record record = { .kind = LEAT_COUNTERS_CHANNEL,
		                                    .count = 1,
		                                    .values_count = LEAT_COUNTERS_VALUES };
	while (leat_load_acq(&rewriter->stop) == 0) {
		record.id++;
		for (int i = 0; i < LEAT_COUNTERS_VALUES; i++)
			record.values[i] = record.id;
		leat_counters_file_put_record(&rewriter->writer->file, 0, &record);
		for (int i = 0; i < 500; i++)
			leat_pause();
	}
	return NULL;
}

Test(counters, a_reader_finds_no_record_half_written)
{
	enum { FEW_CHANGES = 100 };
	char path[64], why[LEAT_COUNTERS_WHY];
	struct rewriter rewriter = { 0 };
	const struct leat_counters_record *record;
	unsigned mixed = 0, falls = 0, changes = 0;
	uint64_t last = 0;
	pthread_t thread;
	counters_path(path, "file");
	cr_assert_eq(leat_counters_create(&rewriter.writer, path, MS, why), 0, "%s", why);
	rewriter.writer->head.records_used = 1;
	leat_counters_file_put_head(&rewriter.writer->file, &rewriter.writer->head);
	struct leat_counters *c = leat_counters_open(path);
	cr_assert_not_null(c);
	cr_assert_eq(pthread_create(&thread, NULL, keep_rewriting, &rewriter), 0);
	/* threads that share a core take turns of milliseconds: then there are few changes */
	int64_t enough_ns = leat_now_ns() + 2000 * MS, patience_ns = leat_now_ns() + PATIENCE_NS;
	while (changes < 5000 &&
	       leat_now_ns() < (changes < FEW_CHANGES ? patience_ns : enough_ns)) {
		cr_assert_eq(leat_counters_read(c), 0);
		if (leat_counters_records(c, &record) == 0)
			continue; /* torn, or not there yet */
		for (int i = 0; i < LEAT_COUNTERS_VALUES; i++)
			mixed += record->values[i] != record->id;
		changes += record->id > last;
		falls += record->id < last;
		last = record->id;
	}
	leat_store_rel(&rewriter.stop, 1);
	pthread_join(thread, NULL);
	cr_expect_geq(changes, FEW_CHANGES);
	cr_expect_eq(mixed, 0);
	cr_expect_eq(falls, 0);
	leat_counters_close(c);
	leat_counters_destroy(rewriter.writer);
	counters_clean_up();
}
