/*
 * tools/leat/flow/out.c: the output of a sink. See out.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/out.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_MAX 4096u
/*
 * How long a cancelled sink writes to a reader that takes all it gets: well within the 100 ms in
 * which a flow is to end.
 */
#define GRACE_NS INT64_C(30000000)

void leat_out_turn(struct leat_out *out, int fd)
{
	struct stat st;

	out->fd = fd;
	out->regular = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

void leat_out_init(struct leat_out *out, int fd, struct leat_scope *scope)
{
	leat_out_turn(out, fd);
	out->scope = scope;
	out->failed = false;
	out->grace_ns = 0;
	out->len = 0;
}

/* Waits until a write does not wait. Returns 0, or why there will be no write. */
static int wait_writable(struct leat_out *out)
{
	struct pollfd fds[] = { { .fd = out->fd, .events = POLLOUT },
		                { .fd = leat_scope_fd(out->scope), .events = POLLIN } };
	const bool cancelled = leat_scope_cause(out->scope, NULL, NULL) != LEAT_RUNNING;

	if (fds[1].fd < 0)
		return fds[1].fd;
	if (cancelled) {
		int64_t now_ns = leat_now_ns();
		if (out->grace_ns == 0)
			out->grace_ns = now_ns + GRACE_NS;
		if (now_ns > out->grace_ns)
			return -ECANCELED;
	}
	if (out->regular)
		return 0;
	while (poll(fds, 2, cancelled ? 0 : -1) < 0)
		if (errno != EINTR)
			return -errno;
	/* what waits for a reader is not written once the flow is cancelled */
	return fds[0].revents != 0 ? 0 : -ECANCELED;
}

static int write_all(struct leat_out *out, const char *data, size_t len)
{
	while (len > 0) {
		int rc = wait_writable(out);
		if (rc != 0)
			return rc;
		ssize_t n = write(out->fd, data, out->regular || len < WRITE_MAX ? len : WRITE_MAX);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			out->failed = true;
			return -errno;
		}
	}
	return 0;
}

int leat_out_flush(struct leat_out *out)
{
	size_t len = out->len;

	out->len = 0;
	return write_all(out, out->buffer, len);
}

int leat_out_put(struct leat_out *out, const void *data, size_t len)
{
	if (len > LEAT_OUT_SIZE - out->len) {
		int rc = leat_out_flush(out);
		if (rc != 0)
			return rc;
		if (len >= LEAT_OUT_SIZE)
			return write_all(out, data, len);
	}
	if (len != 0)
		memcpy(out->buffer + out->len, data, len);
	out->len += len;
	return 0;
}

/* A line that the buffer has no room for, or never has. */
static int put_long_line(struct leat_out *out, const void *data, size_t len)
{
	int rc = leat_out_flush(out);

	if (rc == 0)
		rc = leat_out_put(out, data, len);
	if (rc == 0)
		rc = leat_out_put(out, "\n", 1);
	return rc == 0 && len >= LEAT_OUT_SIZE ? leat_out_flush(out) : rc;
}

int leat_out_put_line(struct leat_out *out, const void *data, size_t len)
{
	if (len >= LEAT_OUT_SIZE - out->len)
		return put_long_line(out, data, len);
	if (len != 0)
		memcpy(out->buffer + out->len, data, len);
	out->buffer[out->len + len] = '\n';
	out->len += len + 1;
	return 0;
}
