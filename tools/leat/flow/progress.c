/*
 * tools/leat/flow/progress.c: how far a source is. See progress.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/progress.h"

#include <leat/atomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void leat_progress_add(struct leat_progress *progress, uint64_t bytes)
{
	/* rlx: only this thread writes it, and nothing else depends on it */
	leat_store_rlx(&progress->done, leat_load_rlx(&progress->done) + bytes);
}

void leat_progress_total(struct leat_progress *progress, uint64_t bytes, uint64_t repeat)
{
	uint64_t total;

	if (__builtin_mul_overflow(bytes, repeat > 1 ? repeat : 1, &total))
		total = UINT64_MAX;
	leat_store_rlx(&progress->total, total); /* rlx: as in leat_progress_add() */
}

/* Returns whether the size of what is left to read is known. */
static bool find_size(const char *path, uint64_t *size)
{
	bool standard = strcmp(path, "-") == 0;
	struct stat st;
	off_t at = 0;

	if ((standard ? fstat(STDIN_FILENO, &st) : stat(path, &st)) != 0 || !S_ISREG(st.st_mode))
		return false;
	if (standard)
		at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	*size = at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
	return at >= 0;
}

void leat_progress_files(struct leat_progress *progress, const struct leat_paths *paths,
                         uint64_t repeat)
{
	uint64_t total = 0, size;

	for (size_t i = 0; i < paths->count; i++) {
		if (!find_size(paths->list[i], &size))
			return;
		total += size;
	}
	leat_progress_total(progress, total, repeat);
}

double leat_progress_share(const struct leat_progress *progress)
{
	/* rlx: as in leat_progress_add() */
	uint64_t total = leat_load_rlx(&progress->total), done = leat_load_rlx(&progress->done);

	if (total == 0)
		return -1;
	return done < total ? (double)done / (double)total : 1;
}
