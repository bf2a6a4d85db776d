/*
 * tools/leat/flow/paths.c: the files of `lines`. See paths.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/paths.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add_path(struct leat_paths *paths, const char *path)
{
	char **grown = realloc(paths->list, (paths->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	paths->list = grown;
	grown[paths->count] = strdup(path);
	if (grown[paths->count] == NULL)
		return -ENOMEM;
	paths->count++;
	return 0;
}

static bool is_pattern(const char *text)
{
	struct stat st;

	return strpbrk(text, "*?[") != NULL && lstat(text, &st) != 0;
}

static int add_matches(struct leat_paths *paths, const char *pattern)
{
	glob_t found;
	int rc = glob(pattern, GLOB_NOESCAPE, NULL, &found);

	if (rc == GLOB_NOMATCH)
		return -ENOENT;
	if (rc != 0)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
		rc = add_path(paths, found.gl_pathv[i]);
	globfree(&found);
	return rc;
}

int leat_paths_find(struct leat_paths *paths, const struct leat_stage *stage, const char **none)
{
	int rc = 0;

	for (const struct leat_value *value = &stage->arg; rc == 0 && value != NULL && value->given;
	     value = value == &stage->arg ? leat_stage_key(stage, "and")
	                                  : leat_value_again(value)) {
		*none = value->text;
		rc = is_pattern(value->text) ? add_matches(paths, value->text)
		                             : add_path(paths, value->text);
	}
	return rc;
}

void leat_paths_free(struct leat_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->list[i]);
	free(paths->list);
	*paths = (struct leat_paths){ 0 };
}
