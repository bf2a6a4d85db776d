/*
 * tools/leat/flow/unpack.c: files that gzip or zstd have compressed. See unpack.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LEAT_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef LEAT_HAVE_ZSTD
#include <zstd.h>
#endif

#define PACKED_MAX ((size_t)64 * 1024)

enum kind { UNKNOWN, PLAIN, GZIP, ZSTD };

static const struct {
	const char *magic, *name, *package;
	size_t len;
} kinds[] = {
	[GZIP] = { "\x1f\x8b\x08", "gzip", "zlib (zlib1g-dev)", 3 },
	[ZSTD] = { "\x28\xb5\x2f\xfd", "zstd", "libzstd (libzstd-dev)", 4 },
};

struct leat_unpack {
	struct leat_filter filter; /* first: read() and rewind() are given it */
	enum kind kind;
	bool inside;                    /* of compressed data: they may not end here */
	bool pending;                   /* the last call has filled its room: there may be more */
	size_t start, end;              /* of the bytes in `packed` that are not used yet */
	struct leat_progress *progress; /* what is read is added to it; NULL: to nothing */
#ifdef LEAT_HAVE_ZLIB
	z_stream zlib;
	bool zlib_open;
#endif
#ifdef LEAT_HAVE_ZSTD
	ZSTD_DStream *zstd; /* NULL: not needed yet */
#endif
	char packed[PACKED_MAX];
};

static int refuse(struct leat_unpack *unpack, int code, const char *what, const char *detail)
{
	snprintf(unpack->filter.why, sizeof(unpack->filter.why), "its %s data %s%.60s",
	         kinds[unpack->kind].name, what, detail);
	return code;
}

/*
 * Each unpacks bytes of `packed`, and moves start behind them. Returns how many bytes it has made,
 * 0 if it needs more for that, or an error.
 */
static ssize_t unpack_gzip(struct leat_unpack *unpack, char *to, size_t room)
{
#ifdef LEAT_HAVE_ZLIB
	z_stream *zlib = &unpack->zlib;
	int rc = Z_OK;

	if (!unpack->zlib_open && inflateInit2(zlib, MAX_WBITS + 16) != Z_OK)
		return -ENOMEM;
	unpack->zlib_open = true;
	zlib->next_out = (Bytef *)to;
	zlib->avail_out = (uInt)room;
	while (zlib->avail_out > 0 && (unpack->start < unpack->end || unpack->pending)) {
		/* tapes and disks pad a file with zeros */
		if (!unpack->inside && unpack->packed[unpack->start] == 0) {
			unpack->start++;
			continue;
		}
		if (!unpack->inside)
			inflateReset(zlib);
		unpack->inside = true;
		unpack->pending = false;
		zlib->next_in = (Bytef *)unpack->packed + unpack->start;
		zlib->avail_in = (uInt)(unpack->end - unpack->start);
		rc = inflate(zlib, Z_NO_FLUSH);
		unpack->start = unpack->end - zlib->avail_in;
		if (rc == Z_MEM_ERROR)
			return -ENOMEM;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return refuse(unpack, -EBADMSG, "are garbled: ",
			              zlib->msg != NULL ? zlib->msg : "no more is known");
		unpack->inside = rc != Z_STREAM_END;
	}
	unpack->pending = zlib->avail_out == 0 && unpack->inside;
	return (ssize_t)(room - zlib->avail_out);
#else
	(void)to;
	(void)room;
	return refuse(unpack, -EOPNOTSUPP, "need a leat that was built with ", kinds[GZIP].package);
#endif
}

static ssize_t unpack_zstd(struct leat_unpack *unpack, char *to, size_t room)
{
#ifdef LEAT_HAVE_ZSTD
	ZSTD_outBuffer out = { .dst = to, .size = room };

	if (unpack->zstd == NULL)
		unpack->zstd = ZSTD_createDStream();
	if (unpack->zstd == NULL)
		return -ENOMEM;
	while (out.pos < out.size && (unpack->start < unpack->end || unpack->pending)) {
		ZSTD_inBuffer in = { .src = unpack->packed,
			             .size = unpack->end,
			             .pos = unpack->start };
		size_t rc = ZSTD_decompressStream(unpack->zstd, &out, &in);

		unpack->start = in.pos;
		unpack->pending = false;
		if (ZSTD_isError(rc))
			return refuse(unpack, -EBADMSG, "are garbled: ", ZSTD_getErrorName(rc));
		unpack->inside = rc != 0;
	}
	unpack->pending = out.pos == out.size && unpack->inside;
	return (ssize_t)out.pos;
#else
	(void)to;
	(void)room;
	return refuse(unpack, -EOPNOTSUPP, "need a leat that was built with ", kinds[ZSTD].package);
#endif
}

/* Hands out bytes that were read before the kind was known. */
static ssize_t copy_plain(struct leat_unpack *unpack, char *to, size_t room)
{
	size_t n = unpack->end - unpack->start;

	n = n < room ? n : room;
	memcpy(to, unpack->packed + unpack->start, n);
	unpack->start += n;
	return (ssize_t)n;
}

/* What the first bytes say; UNKNOWN: it depends on those that follow. */
static enum kind find_kind(const char *bytes, size_t n)
{
	for (enum kind kind = GZIP; kind <= ZSTD; kind++) {
		size_t len = kinds[kind].len < n ? kinds[kind].len : n;

		if (memcmp(bytes, kinds[kind].magic, len) == 0)
			return len < kinds[kind].len ? UNKNOWN : kind;
	}
	return PLAIN;
}

static ssize_t unpack_held(struct leat_unpack *unpack, char *to, size_t room)
{
	return unpack->kind == GZIP   ? unpack_gzip(unpack, to, room)
	       : unpack->kind == ZSTD ? unpack_zstd(unpack, to, room)
	                              : copy_plain(unpack, to, room);
}

static ssize_t read_once(const struct leat_unpack *unpack, int fd, char *to, size_t room)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, to, room));

	if (n > 0 && unpack->progress != NULL)
		leat_progress_add(unpack->progress, (uint64_t)n);
	return n < 0 ? -errno : n;
}

/* The first bytes, straight to where they belong if they are lines. */
static ssize_t read_first(struct leat_unpack *unpack, int fd, char *to, size_t room)
{
	size_t held = unpack->end;
	char *at = held != 0 ? unpack->packed + held : to;
	size_t most = held != 0 || room > PACKED_MAX ? PACKED_MAX - held : room;
	ssize_t n = read_once(unpack, fd, at, most);

	if (n < 0)
		return n;
	unpack->kind = n == 0 ? PLAIN : UNKNOWN;
	if (held == 0) {
		if (n != 0)
			unpack->kind = find_kind(to, (size_t)n);
		if (unpack->kind == PLAIN)
			return n;
		memcpy(unpack->packed, to, (size_t)n);
	}
	unpack->end = held + (size_t)n;
	if (held != 0 && n != 0)
		unpack->kind = find_kind(unpack->packed, unpack->end);
	if (unpack->kind == UNKNOWN)
		return -EAGAIN;
	n = unpack_held(unpack, to, room);
	return n != 0 ? n : -EAGAIN;
}

static ssize_t read_packed(struct leat_unpack *unpack, int fd, char *to, size_t room)
{
	ssize_t n = read_once(unpack, fd, unpack->packed, PACKED_MAX);

	if (n == 0 && unpack->inside)
		return refuse(unpack, -EBADMSG, "end too early", "");
	if (n <= 0)
		return n;
	unpack->start = 0;
	unpack->end = (size_t)n;
	n = unpack_held(unpack, to, room);
	return n != 0 ? n : -EAGAIN;
}

static ssize_t unpack_read(struct leat_filter *filter, int fd, char *to, size_t room)
{
	struct leat_unpack *unpack = (struct leat_unpack *)(void *)filter;
	ssize_t n = 0;

	if (unpack->kind != UNKNOWN && (unpack->start < unpack->end || unpack->pending))
		n = unpack_held(unpack, to, room);
	if (n != 0)
		return n;
	if (fd < 0)
		return -EAGAIN;
	return unpack->kind == UNKNOWN ? read_first(unpack, fd, to, room)
	       : unpack->kind == PLAIN ? read_once(unpack, fd, to, room)
	                               : read_packed(unpack, fd, to, room);
}

static void unpack_rewind(struct leat_filter *filter)
{
	struct leat_unpack *unpack = (struct leat_unpack *)(void *)filter;

	unpack->kind = UNKNOWN;
	unpack->inside = unpack->pending = false;
	unpack->start = unpack->end = 0;
	filter->why[0] = '\0';
#ifdef LEAT_HAVE_ZSTD
	if (unpack->zstd != NULL)
		ZSTD_DCtx_reset(unpack->zstd, ZSTD_reset_session_only);
#endif
}

struct leat_unpack *leat_unpack_create(void)
{
	struct leat_unpack *unpack = calloc(1, sizeof(*unpack));

	if (unpack != NULL)
		unpack->filter =
			(struct leat_filter){ .read = unpack_read, .rewind = unpack_rewind };
	return unpack;
}

void leat_unpack_destroy(struct leat_unpack *unpack)
{
	if (unpack == NULL)
		return;
#ifdef LEAT_HAVE_ZLIB
	if (unpack->zlib_open)
		inflateEnd(&unpack->zlib);
#endif
#ifdef LEAT_HAVE_ZSTD
	ZSTD_freeDStream(unpack->zstd);
#endif
	free(unpack);
}

struct leat_filter *leat_unpack_filter(struct leat_unpack *unpack)
{
	return &unpack->filter;
}

void leat_unpack_count(struct leat_unpack *unpack, struct leat_progress *progress)
{
	unpack->progress = progress;
}
