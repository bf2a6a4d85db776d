/*
 * tools/leat/flow/bridge.c: the step `bridge`. See bridge.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/bridge.h"
#include "runtime/io/source.h"
#include "tools/leat/flow/unpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file that is read. */
struct stream {
	struct leat_member *member;
	char path[];
};

/* Tells of a file that is not read, and keeps the first one for the end. */
static void tell(struct leat_member *member, const char *path, int code, const char *why)
{
	struct leat_run *run = member->flow;
	char text[LEAT_RUN_WHY + 32], reason[64];

	snprintf(text, sizeof(text), "bridge: %.400s: %s", path,
	         why != NULL ? why : strerror_r(-code, reason, sizeof(reason)));
	leat_member_fail_with(member, code, text);
	if (run->opts.say != NULL)
		run->opts.say(run->opts.say_arg, text);
}

/* A file that the flow writes would never end. */
static bool is_written(struct leat_run *run, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       leat_output_is(run, st.st_dev, st.st_ino);
}

static int send_line(void *out, void *line)
{
	return leat_send(out, line);
}

/* The generator of a stream. Its failure is not that of the flow, which goes on. */
static int read_file(struct leat_tx *out, void *arg)
{
	struct stream *stream = arg;
	struct leat_emitter to = { .emit = send_line, .arg = out, .out = out, .as_text = true };
	struct leat_unpack *unpack;
	/* "-" is a file here */
	const char *path = strcmp(stream->path, "-") == 0 ? "./-" : stream->path;
	int rc = -ENOMEM;

	if (is_written(stream->member->flow, path)) {
		tell(stream->member, path, -EINVAL, "is what the flow writes");
		return 0;
	}
	unpack = leat_unpack_create();
	if (unpack != NULL) {
		to.filter = leat_unpack_filter(unpack);
		rc = leat_lines_into(&to, &(struct leat_lines_opts){ .path = path });
	}
	leat_unpack_destroy(unpack);
	if (rc == 0 || rc == -EPIPE || rc == -ECANCELED)
		return rc;
	tell(stream->member, path, rc, NULL);
	return 0;
}

LEAT_MAP(bridge, line, path, rx, made, struct leat_member *, member)
{
	const struct leat_run *run = member->flow;
	struct leat_gen_opts opts = { .chan = { .name = "bridge",
		                                .capacity = run->opts.capacity,
		                                .send_wait = run->opts.wait,
		                                .recv_wait = run->opts.wait,
		                                .discard = leat_line_discard },
		                      .fini = free };
	struct stream *stream;
	int rc;

	if (memchr(path->data, '\0', path->len) != NULL) { /* no file has such a name */
		tell(member, path->data, -EINVAL, NULL);
		return LEAT_SKIP;
	}
	stream = malloc(sizeof(*stream) + path->len + 1);
	if (stream == NULL)
		return -ENOMEM;
	stream->member = member;
	memcpy(stream->path, path->data, path->len);
	stream->path[path->len] = '\0';
	rc = leat_gen(run->streams, read_file, stream, sizeof(struct leat_line), &opts, made);
	if (rc != 0)
		free(stream);
	return rc;
}

struct leat_port leat_bridge_add(struct leat_member *member, struct leat_port port)
{
	const struct leat_run_step *last = &member->steps[member->steps_count - 1];

	port = leat_flow_step(port, &bridge, member);
	return leat_flow_bridge(port, LEAT_T(line), (size_t)last->stage->arg.number);
}
