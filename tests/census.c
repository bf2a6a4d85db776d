/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/census.h"

#include <dirent.h>

int census_entries(const char *path)
{
	DIR *dir = opendir(path);
	int found = 0;

	if (dir == NULL)
		return -1;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		found += entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

int census_threads(void)
{
	return census_entries("/proc/self/task");
}

int census_descriptors(void)
{
	return census_entries("/proc/self/fd");
}
