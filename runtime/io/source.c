/* What all sources share: how they end, and their public faces. */
/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/io/source.h"
#include "runtime/io/split.h"

#include <stdio.h>
#include <string.h>

int leat_source_fail(const struct leat_emitter *to, int code, const char *what, const char *path)
{
	char text[2 * LEAT_TEXT_MAX];
	const char *reason = strerrordesc_np(-code);

	snprintf(text, sizeof(text), "%s: %s: %s", what, path, reason != NULL ? reason : "unknown error");
	return leat_tx_fail(to->out, code, text);
}

bool leat_source_over(int64_t until_ns)
{
	return until_ns != 0 && leat_now_ns() >= until_ns;
}

int64_t leat_source_deadline(int64_t until_ns)
{
	return until_ns == 0 ? LEAT_NEVER : until_ns;
}

int leat_source_end(int rc)
{
	return rc == LEAT_EMIT_ENOUGH || rc == -ETIMEDOUT ? 0 : rc;
}

bool leat_source_reserved(const uint64_t *reserved, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reserved[i] != 0)
			return false;
	return true;
}

/* The public faces send what is emitted; at the time they are over, they end as if there were no more. */
struct sender {
	struct leat_tx *out;
	int64_t deadline_ns;
};

static int send_line(void *arg, void *item)
{
	struct sender *sender = arg;

	return leat_send_until(sender->out, (struct leat_line *)item, sender->deadline_ns);
}

static int send_number(void *arg, void *item)
{
	struct sender *sender = arg;

	return leat_send_until(sender->out, (uint64_t *)item, sender->deadline_ns);
}

#define SOURCE(name, send) \
	int leat_##name(struct leat_tx *out, void *opts) \
	{ \
		struct leat_##name##_opts *mine = opts; \
		struct sender sender = { out, leat_source_deadline(mine != NULL ? mine->until_ns : 0) }; \
		struct leat_emitter to = { send, &sender, out }; \
		return leat_##name##_into(&to, mine); \
	}

SOURCE(lines, send_line)
SOURCE(follow, send_line)
SOURCE(proc, send_line)
SOURCE(tick, send_number)
SOURCE(count, send_number)
