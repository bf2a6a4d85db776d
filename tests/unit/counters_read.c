/*
 * tests/unit/counters_read.c: a reader of counters files believes nothing: files that are cut off,
 * garbled, torn, of another version or of another process.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "counters.h"

TestSuite(counters_read, .timeout = 600);

/* A file with some of everything, as a process had it that is still there. */
static unsigned char image[LEAT_COUNTERS_FILE_MOST];
static size_t image_size;
static char image_path[64];

static int fail_at_once(struct leat_tx *tx, void *arg)
{
	(void)arg;
	return leat_tx_fail(tx, -EIO, "words");
}

static void take_image(void)
{
	char path[64];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "one" });
	struct pipe other = pipe_open(&(struct leat_chan_opts){ .name = "two" });
	struct leat_diag *diag = counters_start(counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(pipe.scope, fail_at_once, NULL, 8,
	                      &(struct leat_gen_opts){ .chan = { .name = "three" } }, &rx),
	             0);
	cr_expect_eq(leat_scope_join(pipe.scope), -EIO);
	leat_rx_close(rx);
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 0 }), -ECANCELED);
	cr_assert(counters_read_later(c));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	image_size = (size_t)pread(fd, image, sizeof(image), 0);
	close(fd);
	leat_counters_close(c);
	cr_expect_eq(leat_diag_stop(diag), 0);
	pipe_close(&other);
	leat_tx_close(pipe.tx);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_scope_close(pipe.scope), -EIO);
	counters_path(image_path, "image");
}

static void write_image(size_t size)
{
	int fd = open(image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, image, size, 0), (ssize_t)size);
	close(fd);
}

static struct leat_counters_head *head(void)
{
	return (struct leat_counters_head *)(void *)image;
}

static struct leat_counters_file_record *record(size_t i)
{
	return (struct leat_counters_file_record *)(void *)(image + LEAT_COUNTERS_RECORDS_OFFSET +
	                                                    i * 512);
}

/* What a reader found: within bounds, whatever the bytes of the file were. */
static bool sound(const struct leat_counters *c)
{
	const struct leat_counters_process *info = leat_counters_info(c);
	const struct leat_counters_record *records;
	const struct leat_counters_event *events;
	size_t n = leat_counters_records(c, &records), e = leat_counters_events(c, &events);
	bool ok = (unsigned)info->state <= LEAT_COUNTERS_UNKNOWN &&
	          strlen(info->name) <= LEAT_NAME_MAX;
	for (size_t i = 0; i < n; i++)
		ok = ok && records[i].kind > 0 && records[i].kind < LEAT_COUNTERS_KINDS &&
		     memchr(records[i].name, 0, sizeof(records[i].name)) != NULL &&
		     memchr(records[i].text, 0, sizeof(records[i].text)) != NULL;
	for (size_t i = 0; i < e; i++)
		ok = ok && events[i].type > 0 && events[i].type < LEAT_COUNTERS_EVENT_TYPES &&
		     memchr(events[i].name, 0, sizeof(events[i].name)) != NULL &&
		     memchr(events[i].text, 0, sizeof(events[i].text)) != NULL;
	return ok;
}

/* Opens and reads; returns 0, or the error of either. *found: how many records. */
static int try_read(size_t *found, struct leat_counters_process *info)
{
	const struct leat_counters_record *records;
	struct leat_counters *c = leat_counters_open(image_path);
	int rc;
	if (c == NULL)
		return leat_open_error();
	rc = leat_counters_read(c);
	cr_expect(sound(c));
	*found = leat_counters_records(c, &records);
	*info = *leat_counters_info(c);
	leat_counters_close(c);
	return rc;
}

/* A byte of the image that a reader looks at: of the head, of events that there are, of records. */
static bool is_read(size_t at)
{
	return at < 512 || at >= LEAT_COUNTERS_RECORDS_OFFSET ||
	       (at >= LEAT_COUNTERS_EVENTS_OFFSET &&
	        at < LEAT_COUNTERS_EVENTS_OFFSET + head()->events_total * 256);
}

Test(counters_read, a_file_cut_off_at_each_byte)
{
	struct leat_counters_process info;
	size_t found, whole;
	take_image();
	write_image(image_size);
	cr_assert_eq(try_read(&whole, &info), 0);
	cr_assert_eq(whole, 4, "three channels, and a generator");
	cr_expect_not(info.truncated);
	size_t used = LEAT_COUNTERS_RECORDS_OFFSET + head()->records_used * 512;
	size_t last = whole;
	for (size_t size = used + 600; size-- > 0;) {
		if (size % 61 != 0 && !is_read(size) && !is_read(size + 1))
			continue;
		cr_assert_eq(truncate(image_path, (off_t)size), 0);
		int rc = try_read(&found, &info);
		if (size < 512) {
			cr_expect_eq(rc, -EPROTO, "%zu: %d", size, rc);
			continue;
		}
		cr_expect_eq(rc, 0, "%zu: %d", size, rc);
		cr_expect_eq(info.truncated, size < used, "%zu", size);
		cr_expect_leq(found, last, "%zu", size);
		last = found;
	}
	cr_expect_eq(last, 0);
	counters_clean_up();
}

Test(counters_read, a_file_that_is_cut_off_while_it_is_open)
{
	const struct leat_counters_record *records;
	take_image();
	write_image(image_size);
	struct leat_counters *c = leat_counters_open(image_path);
	cr_assert_not_null(c);
	cr_expect_eq(leat_counters_read(c), 0);
	cr_assert_eq(truncate(image_path, LEAT_COUNTERS_RECORDS_OFFSET + 512 + 7), 0);
	cr_expect_eq(leat_counters_read(c), 0);
	cr_expect(leat_counters_info(c)->truncated);
	cr_expect_leq(leat_counters_records(c, &records), 1);
	cr_assert_eq(truncate(image_path, 0), 0);
	cr_expect_eq(leat_counters_read(c), -EPROTO);
	cr_expect_leq(leat_counters_records(c, &records), 1, "the last reading stays");
	leat_counters_close(c);
	counters_clean_up();
}

/* Garbles one byte at a time of what a reader looks at: in three ways. */
Test(counters_read, a_file_garbled_at_each_byte)
{
	static const unsigned char ways[] = { 0xff, 0x00, 0x80 };
	struct leat_counters_process info;
	unsigned refused = 0, unlike = 0;
	size_t found, whole;
	take_image();
	write_image(image_size);
	cr_assert_eq(try_read(&whole, &info), 0);
	size_t used = LEAT_COUNTERS_RECORDS_OFFSET + head()->records_used * 512;
	int fd = open(image_path, O_RDWR | O_CLOEXEC);
	for (size_t at = 0; at < used; at++) {
		if (!is_read(at))
			continue;
		for (size_t way = 0; way < COUNT(ways); way++) {
			unsigned char byte = way < 2 ? ways[way] : image[at] ^ ways[way];
			cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
			int rc = try_read(&found, &info);
			cr_expect(rc == 0 || rc == -EPROTO || rc == -EPROTONOSUPPORT, "%zu: %d", at,
			          rc);
			refused += rc != 0;
			unlike += rc == 0 && found != whole;
		}
		cr_assert_eq(pwrite(fd, &image[at], 1, (off_t)at), 1);
	}
	/* and all others at once, which change nothing */
	for (size_t at = 0; at < used; at++)
		if (!is_read(at))
			cr_assert_eq(pwrite(fd, ways, 1, (off_t)at), 1);
	close(fd);
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect_eq(found, whole);
	cr_expect_geq(refused, 3 * 14, "magic, byte order, major version: %u", refused);
	cr_expect_geq(unlike, 4, "kinds of records: %u", unlike);
	counters_clean_up();
}

/* A reader does not follow a file that names the largest numbers. */
Test(counters_read, a_file_whose_numbers_are_too_large)
{
	struct leat_counters_process info;
	size_t found;
	take_image();
	struct leat_counters_head good = *head();
	head()->records_used = UINT64_MAX;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect(info.truncated);
	cr_expect_eq(found, 4);
	*head() = good;
	head()->records_most = UINT32_MAX;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), -EPROTO);
	*head() = good;
	head()->events_total = UINT64_MAX;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), 0);
	*head() = good;
	head()->record_size = UINT32_MAX & ~7u;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), -EPROTO);
	*head() = good;
	head()->records_offset = UINT64_MAX - 511;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), -EPROTO);
	*head() = good;
	head()->interval_ns = INT64_MIN;
	head()->time_ns = INT64_MIN;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), 0);
	counters_clean_up();
}

Test(counters_read, what_is_torn_is_counted_and_left_out)
{
	struct leat_counters_process info;
	size_t found;
	take_image();
	record(1)->sequence |= 1;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect_eq(info.torn, 1);
	cr_expect_eq(found, 3);
	/* of a process that was killed while it wrote the head, the records can be read */
	head()->sequence |= 1;
	write_image(image_size);
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect_eq(info.torn, 2);
	cr_expect_eq(found, 3);
	/* all that can be torn: a reader gives up after a while */
	for (size_t i = 0; i < LEAT_COUNTERS_RECORDS_MOST; i++)
		record(i)->sequence = 1;
	head()->records_used = LEAT_COUNTERS_RECORDS_MOST;
	write_image(sizeof(image));
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect_eq(found, 0);
	cr_expect_eq(info.torn, LEAT_COUNTERS_RECORDS_MOST + 1);
	counters_clean_up();
}

/* Longer structures, more values, a kind and an event that this version does not know. */
Test(counters_read, a_newer_minor_version_can_be_read)
{
	enum { RECORD = 640, EVENT = 320, FROM = 131072 };
	static unsigned char newer[FROM + 16 * RECORD];
	struct leat_counters_process info;
	size_t found;
	take_image();
	memcpy(newer, image, 512);
	struct leat_counters_head *h = (struct leat_counters_head *)(void *)newer;
	h->minor = 9;
	h->head_size = 1024;
	h->event_size = EVENT;
	h->record_size = RECORD;
	h->records_offset = FROM;
	h->records_used++;
	for (size_t i = 0; i < 256; i++)
		memcpy(newer + LEAT_COUNTERS_EVENTS_OFFSET + i * EVENT,
		       image + LEAT_COUNTERS_EVENTS_OFFSET + i * 256, 256);
	for (size_t i = 0; i < head()->records_used; i++) {
		record(i)->values_count += 60;
		memcpy(newer + FROM + i * RECORD, record(i), 512);
		memset(newer + FROM + i * RECORD + 512, 0xee, RECORD - 512);
	}
	((struct leat_counters_file_record *)(void *)(newer + FROM + head()->records_used * RECORD))
		->kind = 77;
	memcpy(image, newer, sizeof(newer));
	write_image(sizeof(newer));
	cr_expect_eq(try_read(&found, &info), 0);
	cr_expect_eq(found, 4);
	cr_expect_eq(info.torn + info.truncated, 0);
	h = head();
	h->major++;
	write_image(sizeof(newer));
	cr_expect_eq(try_read(&found, &info), -EPROTONOSUPPORT);
	h->major--;
	h->byte_order = __builtin_bswap32(h->byte_order);
	write_image(sizeof(newer));
	cr_expect_eq(try_read(&found, &info), -EPROTONOSUPPORT);
	counters_clean_up();
}

Test(counters_read, the_state_of_the_process)
{
	struct leat_counters_process info;
	size_t found;
	take_image();
	struct leat_counters_head good = *head();
#define STATE_IS(expected, change) \
	do { \
		*head() = good; \
		head()->time_ns = leat_now_ns(); \
		change; \
		write_image(image_size); \
		cr_expect_eq(try_read(&found, &info), 0); \
		cr_expect_eq(info.state, (expected), #change ": %d", (int)info.state); \
	} while (0)
	STATE_IS(LEAT_COUNTERS_RUNNING, head()->interval_ns = 1000 * MS);
	STATE_IS(LEAT_COUNTERS_STALLED, head()->time_ns -= 10000 * MS);
	STATE_IS(LEAT_COUNTERS_RUNNING,
	         (head()->time_ns -= 10000 * MS, head()->interval_ns = 10000 * MS));
	STATE_IS(LEAT_COUNTERS_GONE, head()->start_ticks++);
	STATE_IS(LEAT_COUNTERS_GONE, head()->boot_id[3] ^= 1);
	STATE_IS(LEAT_COUNTERS_GONE, head()->status = LEAT_COUNTERS_FILE_CLOSED);
	/* another container: its numbers mean nothing here, and its clock has to do */
	STATE_IS(LEAT_COUNTERS_RUNNING, (head()->pid_namespace++, head()->start_ticks++));
	STATE_IS(LEAT_COUNTERS_UNKNOWN, (head()->pid_namespace++, head()->time_ns -= 10000 * MS));
#undef STATE_IS
	counters_clean_up();
}

static int note_path(const char *path, void *arg)
{
	char *paths = arg;
	strcat(strcat(paths, strrchr(path, '/') + 1), " ");
	return strstr(path, "/30.") != NULL ? 7 : 0;
}

Test(counters_read, the_files_of_a_directory_by_their_numbers)
{
	static const char *const names[] = { "30.7", "4.12", "4.9",  "x",    "5",
		                             "5.",   "5.1x", "05.1", "-5.1", "99999999999.1" };
	char path[64], paths[200] = "";
	for (size_t i = 0; i < COUNT(names); i++)
		close(open(counters_path(path, names[i]), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_expect_eq(leat_counters_each(counters_folder, note_path, paths), 7);
	cr_expect_str_eq(paths, "4.9 4.12 30.7 ");
	cr_expect_eq(leat_counters_each("/dev/shm/there/is/none", note_path, paths), -ENOENT);
	cr_expect_null(leat_counters_open("4294967295"));
	cr_expect_eq(leat_open_error(), -ENOENT, "no such process");
	cr_expect_null(leat_counters_open("99999999999"));
	cr_expect_eq(leat_open_error(), -ENOENT);
	cr_expect_null(leat_counters_open(NULL));
	cr_expect_eq(leat_open_error(), -EINVAL);
	counters_clean_up();
}
