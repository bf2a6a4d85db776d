/*
 * tools/leat/words.c: shared objects with words of a program's (leat/word.h), which --load names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(const char *path, const char *why)
{
	size_t len = strlen(path);

	/* what dlerror() says begins with the path */
	if (strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0)
		why += len + 2;
	fprintf(stderr, "leat: --load %s: %s\n", path, why);
	return false;
}

/* Without a slash it is a file of this directory, and none that the loader would search for. */
static void *open_object(const char *path)
{
	char *here = NULL;
	void *object;

	if (strchr(path, '/') == NULL && asprintf(&here, "./%s", path) < 0)
		return NULL;
	object = dlopen(here != NULL ? here : path, RTLD_NOW | RTLD_LOCAL);
	free(here);
	return object;
}

bool words_load(const char *path)
{
	void *object = open_object(path), *found;
	int (*load)(void);
	char why[128];
	int rc;

	if (object == NULL) {
		const char *error = dlerror();

		if (error != NULL && strncmp(error, "./", 2) == 0 && path[0] != '.')
			error += 2;
		return refuse(path, error != NULL ? error : strerror(ENOMEM));
	}
	found = dlsym(object, "leat_load");
	if (found == NULL)
		return refuse(path, "it has no function leat_load(), which registers its words");
	memcpy(&load, &found, sizeof(load));
	rc = load();
	if (rc == 0)
		return true;
	snprintf(why, sizeof(why), "its leat_load() returned %d (%s)%s", rc,
	         rc < 0 ? strerror(-rc) : "0 or -errno is wanted",
	         rc == -EEXIST ? ": there is a word of that name" : "");
	return refuse(path, why);
}
