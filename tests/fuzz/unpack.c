/*
 * Fuzzes the filter that unpacks what gzip and zstd have compressed. An input begins with what its
 * bytes are ("r" those of a file, "g" and "z" a text that is compressed first), how many are there
 * at a time, and how much room a read has.
 *
 * The bytes of a file give the same in pieces of any size as in one. A text comes back as it was;
 * with a byte changed or cut off the file is refused, unless that is no harm, or its first bytes
 * are those of another file: never is it another text.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/unpack.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef LEAT_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef LEAT_HAVE_ZSTD
#include <zstd.h>
#endif

/* What a few bytes can be unpacked to has no end: no more is read. */
#define UNPACKED_MAX ((size_t)64 * 1024)
#define PACKED_ROOM ((size_t)8 * 1024)
#define WHOLE ((size_t)60 * 1024) /* what a pipe takes at once */

struct unpacked {
	ssize_t end; /* 0, an error, or 1: there is too much */
	size_t len;
	char *bytes;
};

/* Reads once, of what is held, or of the pipe, which gets up to `step` further bytes first. */
static ssize_t read_piece(struct leat_filter *filter, int fds[2], struct input *in, size_t step,
                          char *to, size_t room)
{
	size_t left = (size_t)(in->end - in->at), n = left < step ? left : step;
	ssize_t rc = filter->read(filter, -1, to, room);

	if (rc != -EAGAIN)
		return rc;
	if (n > 0)
		CHECK(write(fds[1], in->at, n) == (ssize_t)n, "the pipe is full");
	else if (fds[1] >= 0)
		close(fds[1]);
	fds[1] = n > 0 ? fds[1] : -1;
	in->at += n;
	return filter->read(filter, fds[0], to, room);
}

static struct unpacked unpack(const uint8_t *bytes, size_t n, size_t step, size_t room)
{
	struct leat_unpack *unpack = leat_unpack_create();
	struct leat_filter *filter = leat_unpack_filter(unpack);
	struct unpacked result = { .bytes = malloc(UNPACKED_MAX + room) };
	struct input in = { bytes, bytes + n };
	int fds[2];

	CHECK(unpack != NULL && result.bytes != NULL, "no memory");
	CHECK(pipe2(fds, O_NONBLOCK) == 0, "no pipe: %d", errno);
	filter->rewind(filter);
	do {
		result.end = read_piece(filter, fds, &in, step, result.bytes + result.len, room);
		CHECK(result.end <= (ssize_t)room, "%zd bytes in a room of %zu", result.end, room);
		result.len += result.end > 0 ? (size_t)result.end : 0;
	} while ((result.end > 0 && result.len < UNPACKED_MAX) || result.end == -EAGAIN);
	CHECK(result.end >= 0 || result.end == -EBADMSG || result.end == -EOPNOTSUPP ||
	              result.end == -ENOMEM,
	      "%zd", result.end);
	CHECK((result.end == -EBADMSG) == (filter->why[0] != '\0') || result.end == -EOPNOTSUPP,
	      "%zd: %s", result.end, filter->why);
	result.end = result.end > 0 ? 1 : result.end;
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	leat_unpack_destroy(unpack);
	return result;
}

static bool same_bytes(const struct unpacked *result, const uint8_t *bytes, size_t n)
{
	return result->len == n && (n == 0 || memcmp(result->bytes, bytes, n) == 0);
}

static void check_file(const uint8_t *bytes, size_t n, size_t step, size_t room)
{
	struct unpacked a = unpack(bytes, n, step, room), b = unpack(bytes, n, WHOLE, 4096);
	size_t least = a.len < b.len ? a.len : b.len;

	if (a.end != 1 && b.end != 1)
		CHECK(a.end == b.end, "%zd in pieces of %zu by %zu, %zd as a whole", a.end, step,
		      room, b.end);
	if (a.end == 0 && b.end == 0)
		CHECK(a.len == b.len, "%zu bytes in pieces of %zu by %zu, %zu as a whole", a.len,
		      step, room, b.len);
	CHECK(least == 0 || memcmp(a.bytes, b.bytes, least) == 0, "other bytes");
	free(a.bytes);
	free(b.bytes);
}

/* Packs the text behind the *n bytes. */
static void pack_text(char kind, int level, const uint8_t *text, size_t len, uint8_t *to, size_t *n)
{
	(void)kind, (void)level, (void)text, (void)len, (void)to, (void)n;
#ifdef LEAT_HAVE_ZLIB
	if (kind == 'g') {
		z_stream zlib = { .next_in = (Bytef *)(uintptr_t)text,
			          .avail_in = (uInt)len,
			          .next_out = to + *n,
			          .avail_out = (uInt)(PACKED_ROOM - *n) };

		CHECK(deflateInit2(&zlib, level % 10, Z_DEFLATED, MAX_WBITS + 16, 8,
		                   Z_DEFAULT_STRATEGY) == Z_OK,
		      "deflateInit2");
		CHECK(deflate(&zlib, Z_FINISH) == Z_STREAM_END, "deflate");
		*n = PACKED_ROOM - zlib.avail_out;
		deflateEnd(&zlib);
	}
#endif
#ifdef LEAT_HAVE_ZSTD
	if (kind == 'z') {
		ZSTD_CCtx *zstd = ZSTD_createCCtx();
		size_t rc;

		CHECK(zstd != NULL, "no memory");
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level % 4);
		rc = ZSTD_compress2(zstd, to + *n, PACKED_ROOM - *n, text, len);
		CHECK(!ZSTD_isError(rc), "%s", ZSTD_getErrorName(rc));
		*n += rc;
		ZSTD_freeCCtx(zstd);
	}
#endif
}

/* The text as one file or two, whole, cut off, or with a byte changed. */
static void check_text(char kind, struct input *in, size_t step, size_t room)
{
	unsigned how = next_byte(in), where = next_byte(in), change = next_byte(in);
	const uint8_t *text = in->at;
	size_t len = (size_t)(in->end - in->at), n = 0, once, whole;
	uint8_t packed[PACKED_ROOM], twice[2048];
	struct unpacked result;

	len = len < sizeof(twice) / 2 ? len : sizeof(twice) / 2;
	if (len != 0) {
		memcpy(twice, text, len);
		memcpy(twice + len, text, len);
	}
	pack_text(kind, (int)(how >> 4), text, len, packed, &n);
	once = n;
	if (how & 1)
		pack_text(kind, (int)(how >> 4), text, len, packed, &n);
	whole = n;
	if (n == 0)
		return; /* there is no such library */
	if (how & 2)
		n = where % n;
	else if (how & 4)
		packed[where % n] ^= (uint8_t)change;
	result = unpack(packed, n, step, room);
	if (n == whole && !(how & 4))
		CHECK(result.end == 0 && same_bytes(&result, twice, how & 1 ? 2 * len : len),
		      "%zd, %zu bytes of %zu", result.end, result.len, len);
	else if (result.end == 0 && !same_bytes(&result, packed, n))
		CHECK(same_bytes(&result, twice, n == once ? len : 2 * len), "%zu bytes of %zu",
		      result.len, len);
	free(result.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	char kind = (char)next_byte(&in);
	size_t step = 1 + (size_t)next_byte(&in), room = 1 + (size_t)next_byte(&in);

	if (kind == 'g' || kind == 'z')
		check_text(kind, &in, step, room);
	else
		check_file(in.at, (size_t)(in.end - in.at), step, room);
	return 0;
}
