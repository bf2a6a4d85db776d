/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
/*
 * Counts the lines of a file that contain a word: lines FILE WORD. A generator reads the file, and
 * this thread searches each line.
 */
#include <leat/leat.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct leat_lines_opts in = { .path = argc > 1 ? argv[1] : "/etc/os-release" };
	const char *word = argc > 2 ? argv[2] : "NAME", *text;
	struct leat_gen_opts opts = { .chan = { .name = "lines", .discard = leat_line_discard } };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	unsigned long lines = 0, found = 0;
	struct leat_rx *rx;
	int rc;

	if (scope == NULL ||
	    leat_gen(scope, leat_lines, &in, sizeof(struct leat_line), &opts, &rx) < 0)
		return 1;
	leat_for(struct leat_line, line, rx) {
		found += memmem(line.data, line.len, word, strlen(word)) != NULL;
		lines++;
		leat_line_free(&line);
	}
	if (leat_rx_status(rx, NULL, &rc, &text) == 0 && rc < 0)
		fprintf(stderr, "%s\n", text); /* "lines: FILE: No such file or directory" */
	else
		printf("%lu of %lu lines contain %s\n", found, lines, word);
	leat_rx_close(rx);
	return leat_scope_close(scope) < 0;
}
