/*
 * Fuzzes the name that the proc source takes: one that would lead out of /proc is refused, whatever
 * it looks like; any other is opened, and answered as open(2) answers. And when its readings are
 * due, against 128 bits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/io/common.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <leat/scope.h>
#include <limits.h>
#include <unistd.h>

static void check_due(struct input *in)
{
	int64_t first_ns = 0, interval_ns = 0;
	uint64_t k = 0;

	for (int i = 0; i < 8; i++) {
		first_ns = (int64_t)((uint64_t)first_ns << 8 | next_byte(in)) & INT64_MAX;
		interval_ns = (int64_t)((uint64_t)interval_ns << 8 | next_byte(in)) & INT64_MAX;
		k = k << 8 | next_byte(in);
	}
	first_ns >>= k % 61;
	interval_ns >>= k % 59;
	if (interval_ns == 0)
		return;
	__int128 due = (__int128)first_ns + (__int128)k * interval_ns;
	int64_t got = leat_source_due(first_ns, k, interval_ns);

	CHECK(got == (due > INT64_MAX ? LEAT_NEVER : (int64_t)due), "%lld", (long long)got);
}

static bool leads_out(const char *name)
{
	char *slashes = malloc(strlen(name) + 3);
	bool out;

	CHECK(slashes != NULL, "no memory");
	sprintf(slashes, "/%s/", name);
	out = *name == '\0' || *name == '/' || strlen(name) >= PATH_MAX - 6 ||
	      strstr(slashes, "/../") != NULL;
	free(slashes);
	return out;
}

static int open_it(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Its time is over before the first reading, so that nothing is read. */
static void check_name(const char *name)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_proc_opts opts = { .name = name, .until_ns = 1 };
	struct leat_tx *tx;
	struct leat_rx *rx;
	int rc;

	CHECK(scope != NULL && leat_chan_open(scope, sizeof(struct leat_line), NULL, &tx, &rx) == 0,
	      "no channel");
	rc = leat_proc(tx, &opts);
	if (leads_out(name))
		CHECK(rc == -EINVAL, "\"%s\": %d", name, rc);
	else
		CHECK(rc == open_it(name), "\"%s\": %d", name, rc);
	leat_tx_close(tx);
	leat_rx_close(rx);
	leat_scope_close(scope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	char *name = malloc(size + 1);

	CHECK(name != NULL, "no memory");
	if (size != 0)
		memcpy(name, data, size);
	name[size] = '\0';
	check_name(name);
	check_due(&in);
	free(name);
	return 0;
}
