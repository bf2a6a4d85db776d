/*
 * tests/fuzz/replay.c: runs a fuzz target without libFuzzer: each file that is named, each file of
 * a folder, and with
 * --stories N as many inputs of bytes by chance, the same each time. --story N runs that one alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static unsigned ran;

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	struct stat st;
	size_t size;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		perror(path);
		return 1;
	}
	/* no longer than the input, for AddressSanitizer */
	data = malloc((size_t)st.st_size + (st.st_size == 0));
	CHECK(data != NULL, "no memory");
	size = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout); /* so that the last one named is the one that failed */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	ran++;
	return 0;
}

static int run(const char *path)
{
	struct dirent *entry;
	struct stat st;
	int failed = 0;
	DIR *dir;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return run_file(path);
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char inside[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
		failed |= run_file(inside);
	}
	closedir(dir);
	return failed;
}

/* xorshift64* */
static uint64_t chance(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static void run_story(unsigned long number)
{
	uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
	size_t size = 8 + chance(&state) % 504;
	uint8_t *data = malloc(size);

	CHECK(data != NULL, "no memory");
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(chance(&state) >> 56);
	printf("story %lu\n", number);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	ran++;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		bool all = strcmp(argv[i], "--stories") == 0;
		unsigned long number;

		if ((!all && strcmp(argv[i], "--story") != 0) || i + 1 == argc) {
			failed |= run(argv[i]);
			continue;
		}
		number = strtoul(argv[++i], NULL, 10);
		for (unsigned long n = all ? 1 : number; n <= number; n++)
			run_story(n);
	}
	printf("%u inputs\n", ran);
	return failed || ran == 0;
}
