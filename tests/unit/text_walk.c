/*
 * The files below a directory, as the program's walk finds them: their order, what is left out,
 * trees that are deeper than a path may be long, and trees that change meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/walk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree[32];

static void plant(void)
{
	strcpy(tree, "/tmp/leat_walk_XXXXXX");
	cr_assert_not_null(mkdtemp(tree));
	cr_assert_eq(chdir(tree), 0);
}

static void fell(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", tree);
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(system(command), 0);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	size_t len = strlen(path);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(write(fd, path, len), (ssize_t)len);
	close(fd);
}

static void make_dir(const char *path)
{
	cr_assert_eq(mkdir(path, 0755), 0, "%s", path);
}

static struct leat_walk *open_walk(const char *dir, const char *pattern)
{
	struct leat_walk *walk;

	cr_assert_eq(
		leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = dir, .pattern = pattern }),
		0);
	return walk;
}

/* The next file is this one, of which the descriptor reads what make_file() has written. */
static void expect_next(struct leat_walk *walk, const char *path)
{
	struct leat_walk_file file;
	char text[64] = "";
	int rc = leat_walk_next(walk, &file);

	cr_assert_eq(rc, 1, "%d in place of %s", rc, path);
	cr_assert_str_eq(file.path, path);
	cr_assert_geq(read(file.fd, text, sizeof(text) - 1), 0);
	cr_assert_eq(file.size, strlen(text));
	close(file.fd);
}

static void expect_error(struct leat_walk *walk, int code, const char *path)
{
	struct leat_walk_file file;

	cr_assert_eq(leat_walk_next(walk, &file), code);
	cr_assert_str_eq(file.path, path);
	cr_assert_eq(file.fd, -1);
}

static void expect_end(struct leat_walk *walk)
{
	struct leat_walk_file file;

	cr_assert_eq(leat_walk_next(walk, &file), 0);
	cr_assert_eq(leat_walk_next(walk, &file), 0);
	leat_walk_close(walk);
}

TestSuite(text_walk, .init = plant, .fini = fell);

Test(text_walk, order_is_that_of_whole_paths_byte_by_byte)
{
	static const char *const dirs[] = { "t", "t/a", "t/a b", "t/a/c", "t/\xc3\xa4", "t/empty" };
	static const char *const files[] = { "t/.hidden", "t/a b/z", "t/a-", "t/a.log",     "t/a/b",
		                             "t/a/c/1",   "t/a/c0",  "t/a0", "t/\xc3\xa4/x" };
	struct leat_walk *walk;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		make_dir(dirs[i]);
	for (size_t i = sizeof(files) / sizeof(files[0]); i-- > 0;)
		make_file(files[i]);
	walk = open_walk("t", NULL);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		expect_next(walk, files[i]);
	expect_end(walk);
}

Test(text_walk, pattern_is_one_of_names)
{
	struct leat_walk *walk;

	make_dir("x.log");
	make_file("x.log/a.log");
	make_file("x.log/b.txt");
	make_file("y.log");
	make_file("z[1].log");
	walk = open_walk(".", "*.log");
	expect_next(walk, "./x.log/a.log");
	expect_next(walk, "./y.log");
	expect_next(walk, "./z[1].log");
	expect_end(walk);
	walk = open_walk("./", "[ab].[!l]*");
	expect_next(walk, "./x.log/b.txt");
	expect_end(walk);
}

Test(text_walk, links_are_followed_only_where_they_are_named)
{
	struct leat_walk *walk;

	make_dir("t");
	make_file("t/file");
	cr_assert_eq(symlink("file", "t/link"), 0);
	cr_assert_eq(symlink(".", "t/loop"), 0);
	cr_assert_eq(symlink("nowhere", "t/dangling"), 0);
	cr_assert_eq(mkfifo("t/pipe", 0644), 0);
	cr_assert_eq(symlink("t", "named"), 0);
	walk = open_walk("t", NULL);
	expect_next(walk, "t/file");
	expect_end(walk);
	walk = open_walk("named", NULL);
	expect_next(walk, "named/file");
	expect_end(walk);
}

Test(text_walk, what_is_no_directory_is_not_opened)
{
	struct leat_walk *walk;

	make_file("file");
	cr_assert_eq(leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = "file" }), -ENOTDIR);
	cr_assert_null(walk);
	cr_assert_eq(leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = "none" }), -ENOENT);
	cr_assert_eq(leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = "" }), -ENOENT);
	leat_walk_close(NULL);
}

/* Each level has a file before the directory and one behind it. */
static void plant_deep(const char *name, unsigned levels)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	for (unsigned i = 0; i < levels; i++) {
		int first, last, below;

		cr_assert_eq(mkdirat(fd, name, 0755), 0);
		first = openat(fd, "a", O_WRONLY | O_CREAT, 0644);
		last = openat(fd, "z", O_WRONLY | O_CREAT, 0644);
		below = openat(fd, name, O_RDONLY | O_DIRECTORY);
		cr_assert(first >= 0 && last >= 0 && below >= 0);
		close(first);
		close(last);
		close(fd);
		fd = below;
	}
	close(fd);
}

static void expect_deep(const char *name, unsigned levels)
{
	struct leat_walk *walk = open_walk(".", NULL);
	struct leat_walk_file file;
	size_t step = strlen(name) + 1;

	for (unsigned i = 0; i < 2 * levels; i++) {
		unsigned level = i < levels ? i : 2 * levels - 1 - i;
		size_t len;

		cr_assert_eq(leat_walk_next(walk, &file), 1);
		len = strlen(file.path);
		cr_assert_eq(len, 3 + level * step, "%u: %zu", i, len);
		cr_assert_str_eq(file.path + len - 2, i < levels ? "/a" : "/z");
		close(file.fd);
	}
	expect_end(walk);
}

Test(text_walk, trees_may_be_deep_and_take_few_descriptors)
{
	struct rlimit old, few;

	plant_deep("directory", 3000); /* 30 KB of path */
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)dup(0) + 4;
	close((int)few.rlim_cur - 4);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	expect_deep("directory", 3000);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}

Test(text_walk, without_a_descriptor_a_file_is_told_and_the_rest_goes_on)
{
	struct leat_walk *walk;
	struct leat_walk_file file;
	struct rlimit old, none;

	make_file("a");
	make_file("b");
	walk = open_walk(".", NULL);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_eq(leat_walk_next(walk, &file), -EMFILE);
	cr_assert_str_eq(file.path, "./a");
	cr_assert_eq(file.size, 1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	expect_next(walk, "./b");
	expect_end(walk);
}

Test(text_walk, what_vanishes_is_told)
{
	struct leat_walk *walk;

	make_dir("d");
	make_file("a");
	make_file("b");
	make_file("d/x");
	make_file("e");
	walk = open_walk(".", NULL);
	expect_next(walk, "./a");
	cr_assert_eq(unlink("b"), 0);
	cr_assert_eq(unlink("d/x"), 0);
	cr_assert_eq(rmdir("d"), 0);
	expect_error(walk, -ENOENT, "./b");
	expect_error(walk, -ENOENT, "./d");
	expect_next(walk, "./e");
	expect_end(walk);
}

Test(text_walk, what_has_become_another_kind_is_not_read)
{
	struct leat_walk *walk;

	make_dir("d");
	make_dir("other");
	for (const char *const *path =
	             (const char *const[]){ "a", "b", "c", "d/x", "other/secret", "z", NULL };
	     *path != NULL; path++)
		make_file(*path);
	walk = open_walk(".", NULL);
	expect_next(walk, "./a");
	cr_assert_eq(unlink("b"), 0);
	cr_assert_eq(symlink("other/secret", "b"), 0);
	cr_assert_eq(unlink("c"), 0);
	cr_assert_eq(mkfifo("c", 0644), 0);
	cr_assert_eq(rename("d", "was"), 0);
	cr_assert_eq(symlink("other", "d"), 0);
	expect_error(walk, -ENOTDIR, "./d");
	expect_next(walk, "./other/secret");
	expect_next(walk, "./z");
	expect_end(walk);
}

/* A walk that is in t/d/e, below which it has read its only file; t/d/f and t/g are still to come.
 */
static struct leat_walk *walk_into_e(void)
{
	struct leat_walk *walk;

	make_dir("t");
	make_dir("t/d");
	make_dir("t/d/e");
	make_file("t/d/e/1");
	make_file("t/d/f");
	make_file("t/g");
	walk = open_walk("t", NULL);
	expect_next(walk, "t/d/e/1");
	return walk;
}

Test(text_walk, directory_that_is_moved_is_found_by_its_path)
{
	struct leat_walk *walk = walk_into_e();

	/* the walk is in e, whose parent is another one now; its path has the rest of d */
	cr_assert_eq(rename("t/d/e", "moved"), 0);
	expect_next(walk, "t/d/f");
	expect_next(walk, "t/g");
	expect_end(walk);
}

Test(text_walk, directory_that_has_gone_is_told_and_the_rest_goes_on)
{
	struct leat_walk *walk = walk_into_e();

	cr_assert_eq(rename("t/d/e", "e"), 0);
	cr_assert_eq(rename("t/d", "d"), 0);
	make_dir("t/d");
	make_file("t/d/f");
	expect_error(walk, -ENOENT, "t/d/");
	expect_next(walk, "t/g");
	expect_end(walk);
}

Test(text_walk, sizes_need_no_descriptor)
{
	struct leat_walk *walk;
	struct leat_walk_file file;
	uint64_t sum = 0;

	make_dir("d");
	make_file("d/12345");
	make_file("123");
	cr_assert_eq(
		leat_walk_open(&walk, &(struct leat_walk_opts){ .dir = ".", .sizes_only = true }),
		0);
	while (leat_walk_next(walk, &file) == 1) {
		cr_assert_eq(file.fd, -1);
		sum += file.size;
	}
	cr_assert_eq(sum, strlen("123") + strlen("d/12345"));
	leat_walk_close(walk);
}

static bool stop_soon(void *arg)
{
	unsigned *left = arg;

	return *left == 0 || --*left == 0;
}

Test(text_walk, stop_ends_it_also_in_a_large_directory)
{
	struct leat_walk *walk = NULL;
	struct leat_walk_file file;
	unsigned left = 3;
	struct leat_walk_opts opts = { .dir = ".", .stop = stop_soon, .arg = &left };
	char name[16];

	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "%03d", i);
		make_file(name);
	}
	cr_assert_eq(leat_walk_open(&walk, &opts), 0);
	left = 2;
	expect_next(walk, "./000");
	cr_assert_eq(leat_walk_next(walk, &file), -ECANCELED);
	cr_assert_eq(leat_walk_next(walk, &file), -ECANCELED);
	leat_walk_close(walk);
	left = 2;
	cr_assert_eq(leat_walk_open(&walk, &opts), -ECANCELED);
	cr_assert_null(walk);
}
