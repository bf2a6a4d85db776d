/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tail -F: `tail FILE` prints the lines that are appended to a file until SIGINT, also after
 * logrotate has moved the file away and its server has begun a new one. Without FILE the program is
 * the server, too: it writes a log, moves it away once its lines were printed, and begins anew.
 */
#include <leat/leat.h>

#include <leat/io.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The log of this program's own; path is "" where the log is another's. */
struct log {
	char path[64], old[64];
	unsigned printed;
};

static bool append(const struct log *log, const char *text)
{
	FILE *file = fopen(log->path, "a");

	if (file == NULL)
		return false;
	fputs(text, file);
	return fclose(file) == 0;
}

/* After the second line of its own log; behind the fourth it has seen all. */
static bool go_on_writing(struct log *log)
{
	log->printed++;
	if (log->path[0] == '\0')
		return true;
	if (log->printed == 2)
		return rename(log->path, log->old) == 0 && append(log, "three\nfour\n");
	return log->printed < 4;
}

static int follow(struct leat_scope *scope, const char *path, struct log *log)
{
	struct leat_follow_opts in = { .path = path, .from_start = true };
	/* a source: a stop of the scope ends it, and what it has sent is still printed */
	struct leat_gen_opts opts = { .source = true, .chan.discard = leat_line_discard };
	enum leat_cause cause = LEAT_RUNNING;
	const char *text = "";
	struct leat_rx *rx;
	bool more = true;

	if (leat_gen(scope, leat_follow, &in, sizeof(struct leat_line), &opts, &rx) < 0)
		return 1;
	leat_for(struct leat_line, line, rx) {
		printf("%.*s\n", (int)line.len, line.data);
		fflush(stdout);
		leat_line_free(&line);
		more = go_on_writing(log);
		if (!more)
			break;
	}
	leat_rx_status(rx, &cause, NULL, &text);
	if (cause == LEAT_FAILED)
		fprintf(stderr, "tail: %s\n", text);
	leat_rx_close(rx); /* the generator ends, also while it waits for a line */
	return cause == LEAT_FAILED;
}

static int follow_own_log(struct leat_scope *scope)
{
	char folder[] = "/tmp/tail.XXXXXX";
	struct log log = { .printed = 0 };
	int rc = 1;

	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(log.path, sizeof(log.path), "%s/log", folder);
	snprintf(log.old, sizeof(log.old), "%s/log.1", folder);
	if (append(&log, "one\ntwo\n"))
		rc = follow(scope, log.path, &log);
	unlink(log.path);
	unlink(log.old);
	rmdir(folder);
	return log.printed == 4 ? rc : 1;
}

int main(int argc, char **argv)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct log others = { .path = "" };
	sigset_t signals;
	int rc = 1;

	if (scope == NULL)
		return 1;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (leat_scope_stop_on_signals(scope, &signals, LEAT_NEVER) == 0)
		rc = argc > 1 ? follow(scope, argv[1], &others) : follow_own_log(scope);
	leat_scope_close(scope);
	return rc;
}
