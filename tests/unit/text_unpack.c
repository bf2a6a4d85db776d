/*
 * Files that gzip and zstd have compressed, as the program's lines reads them: in pieces of any
 * size, one behind the other, cut off, garbled.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/unpack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef LEAT_HAVE_ZLIB
#define HAVE_ZLIB 1
#else
#define HAVE_ZLIB 0
#endif
#ifdef LEAT_HAVE_ZSTD
#define HAVE_ZSTD 1
#else
#define HAVE_ZSTD 0
#endif

/* gzip -c and zstd -c of this text */
#define PIECE "hello\nworld, world, world, world\n"
static const char text[] = PIECE PIECE PIECE "end";
/* clang-format off */
static const unsigned char gzipped[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7,
	0x2a, 0xcf, 0x2f, 0xca, 0x49, 0xd1, 0x51, 0xc0, 0x42, 0x71, 0x65, 0x50, 0xac, 0x20, 0x35, 0x2f,
	0x05, 0x00, 0x13, 0x6e, 0xe1, 0x75, 0x66, 0x00, 0x00, 0x00,
};
static const unsigned char zstded[] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0xd5, 0x00, 0x00, 0x88, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a,
	0x77, 0x6f, 0x72, 0x6c, 0x64, 0x2c, 0x20, 0x0a, 0x65, 0x6e, 0x64, 0x02, 0x00, 0x27, 0x4a, 0x12,
	0x94, 0x94, 0x2f, 0xd5, 0xe8, 0x84, 0x0f,
};
/* clang-format on */

/* What reads made of some bytes that came `step` at a time, into `room` bytes each. */
struct result {
	ssize_t end; /* 0 or the error */
	size_t len;
	char text[4096], why[128];
};

static struct result unpack(const void *bytes, size_t n, size_t step, size_t room)
{
	struct leat_unpack *unpack = leat_unpack_create();
	struct leat_filter *filter = leat_unpack_filter(unpack);
	struct result result = { 0 };
	int fds[2];

	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	filter->rewind(filter);
	for (size_t at = 0; result.end >= 0;) {
		size_t len = n - at < step ? n - at : step;

		/* all that is held first, then one read */
		result.end = filter->read(filter, -1, result.text + result.len, room);
		if (result.end == -EAGAIN) {
			if (len > 0)
				cr_assert_eq(write(fds[1], (const char *)bytes + at, len), len);
			else if (fds[1] >= 0)
				close(fds[1]);
			fds[1] = len > 0 ? fds[1] : -1;
			at += len;
			result.end = filter->read(filter, fds[0], result.text + result.len, room);
			if (result.end == 0)
				break;
		}
		cr_assert_neq(result.end, 0);
		result.len += result.end > 0 ? (size_t)result.end : 0;
		result.end = result.end == -EAGAIN ? 1 : result.end;
		cr_assert_lt(result.len + room, sizeof(result.text));
	}
	memcpy(result.why, filter->why, sizeof(result.why));
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	leat_unpack_destroy(unpack);
	return result;
}

static void expect_unpacked(const void *bytes, size_t n, const void *wanted, size_t len)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 7, 30, 1000 };

	for (size_t i = 0; i < 7; i++)
		for (size_t k = 0; k < 7; k++) {
			struct result found = unpack(bytes, n, sizes[i], sizes[k]);

			cr_assert_eq(found.end, 0, "%zu by %zu: %zd, %s", sizes[i], sizes[k],
			             found.end, found.why);
			cr_assert_eq(found.len, len, "%zu by %zu", sizes[i], sizes[k]);
			cr_assert_arr_eq(found.text, wanted, len);
		}
}

Test(text_unpack, other_bytes_are_as_they_are)
{
	static const char *const others[] = {
		"a\nb\n", "\x1f\x8b",  "\x1f\x8bx",       "\x1f",
		"(",      "(\xb5\x2f", "(\xb5\x2f\xfe" "12", "\x1fline"
	};

	expect_unpacked(text, sizeof(text) - 1, text, sizeof(text) - 1);
	expect_unpacked("", 0, "", 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_unpacked(others[i], strlen(others[i]), others[i], strlen(others[i]));
}

struct packed {
	const char *name;
	const unsigned char *bytes;
	size_t len, last; /* last: where a byte in the midst of the data is */
	bool available;
};
static const struct packed packed[] = {
	{ "gzip", gzipped, sizeof(gzipped), 20, HAVE_ZLIB },
	{ "zstd", zstded, sizeof(zstded), sizeof(zstded) - 2, HAVE_ZSTD },
};

Test(text_unpack, packed_bytes_are_unpacked_in_pieces_of_any_size)
{
	for (size_t i = 0; i < 2; i++) {
		char twice[2048], wanted[1024];
		size_t n = packed[i].len, len = sizeof(text) - 1;

		if (!packed[i].available)
			continue;
		expect_unpacked(packed[i].bytes, n, text, len);
		memcpy(twice, packed[i].bytes, n);
		memcpy(twice + n, packed[i].bytes, n);
		memcpy(wanted, text, len);
		memcpy(wanted + len, text, len);
		expect_unpacked(twice, 2 * n, wanted, 2 * len);
	}
}

Test(text_unpack, gzip_may_be_padded_with_zeros)
{
	unsigned char padded[sizeof(gzipped) + 100] = { 0 };

	memcpy(padded, gzipped, sizeof(gzipped));
	if (HAVE_ZLIB)
		expect_unpacked(padded, sizeof(padded), text, sizeof(text) - 1);
}

static void expect_refused(const struct packed *kind, const void *bytes, size_t n, size_t step,
                           const char *words)
{
	struct result found = unpack(bytes, n, step, 100);

	cr_assert_eq(found.end, -EBADMSG, "%s, %zu bytes: %zd", kind->name, n, found.end);
	cr_assert_not_null(strstr(found.why, words), "%s, %zu bytes: %s", kind->name, n, found.why);
	cr_assert_not_null(strstr(found.why, kind->name), "%s", found.why);
}

Test(text_unpack, data_that_end_too_early_or_are_garbled_are_refused)
{
	for (size_t i = 0; i < 2; i++) {
		unsigned char bytes[1024];

		if (!packed[i].available)
			continue;
		for (size_t step = 1; step < 1000; step += 998)
			for (size_t n = 5; n < packed[i].len; n++)
				expect_refused(&packed[i], packed[i].bytes, n, step,
				               "end too early");
		memcpy(bytes, packed[i].bytes, packed[i].len);
		bytes[packed[i].last] ^= 0x55;
		expect_refused(&packed[i], bytes, packed[i].len, 1000, "are garbled: ");
		memcpy(bytes, packed[i].bytes, packed[i].len);
		memcpy(bytes + packed[i].len, "something else", 14);
		expect_refused(&packed[i], bytes, packed[i].len + 14, 1000, "are garbled: ");
	}
}

Test(text_unpack, a_library_that_is_missing_is_named)
{
	for (size_t i = 0; i < 2; i++) {
		struct result found = unpack(packed[i].bytes, packed[i].len, 1000, 100);

		cr_expect_eq(found.end, packed[i].available ? 0 : -EOPNOTSUPP);
		cr_expect(packed[i].available ||
		                  strstr(found.why, i == 0 ? "(zlib1g-dev)" : "(libzstd-dev)") !=
		                          NULL,
		          "%s", found.why);
	}
}
