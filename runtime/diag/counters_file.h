/*
 * runtime/diag/counters_file.h: a counters file (leat/detail/counters.h) from its writer's side:
 * its place, its pages, and records that are written under a sequence.
 *
 * The pages. The file is mapped at its full size, and a page is allocated before its first use: so
 * a full file system, or a limit of the process, is refused by the allocation, and no store ends in
 * SIGBUS. The file begins with room for 64 records and grows as more are needed.
 *
 * The sequences. One thread writes; any process reads, by pread(2).
 *
 *     Q1  write_sequenced() stores the even  <->  Q1  read_sequenced() reads the sequence, then the
 *         sequence after the words                    words
 *     Q2  write_sequenced() stores a word    <->  Q2  read_sequenced() reads the words, then the
 *         after the odd sequence                      sequence again
 *     Q3  leat_counters_file_publish()       <->  Q3  read_head() reads the magic, then the rest
 *         stores the magic after the rest
 *
 * Invariant: what a reader takes for a record is one state of it. If not: the writer is half
 * through a record; the reader copies it, and adds delivered items of now to offered items of
 * before. Therefore: the sequence is odd meanwhile, and another one afterwards. By Q1 a reader that
 * has found an even sequence finds words that are at least as new; by Q2 a reader that has copied a
 * newer word finds another sequence afterwards, and copies again. The writer never waits for
 * readers.
 *
 * Invariant: the records of a reading are those of one snapshot, or the reading says that they are
 * mixed. If not: what has ended moves from its record into a sum; the reader copies the sum before,
 * and the record, which is free by then, after; and a total falls. Therefore: the head has the
 * number of the snapshot that is being written before any record changes, and the number of the one
 * that is complete afterwards. By Q2 a reader with a word of the newer records finds the first
 * number changed when it reads the head again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_COUNTERS_FILE_H
#define LEAT_RUNTIME_DIAG_COUNTERS_FILE_H

#include "runtime/os/os.h"

#include <leat/counters.h>
#include <leat/detail/counters.h>

/* Why a file was refused, in words for the user, without a line feed. */
#define LEAT_COUNTERS_WHY 256

/* "/dev/shm/leat.4294967295" */
#define LEAT_COUNTERS_DIRECTORY 32

struct leat_counters_file {
	int directory, fd;                /* descriptors */
	char name[LEAT_NAME_MAX * 4 + 4]; /* in the directory */
	unsigned char *map;
	uint64_t size; /* allocated */
	uint32_t room; /* records that have pages */
	dev_t device;  /* of the file, with the inode: what is there when it is removed may be
	                  another */
	ino_t inode;
	bool refused; /* the last growth was, in this snapshot */
};

/*
 * Makes a file. path: "": this user's directory below /dev/shm; a directory: a file in it; else the
 * file itself. Returns 0; or -errno, with the reason: -ENOTSUP off tmpfs, -EPERM for a directory
 * that is not this user's alone, -ELOOP for a symbolic link, -EEXIST for the file of a process that
 * lives, or for one that is no counters file, -ENOSPC, -EFBIG, and so on. A file that a process has
 * left behind is replaced. leat_counters_file_publish() comes next.
 */
int leat_counters_file_open(struct leat_counters_file *file, const char *path,
                            char why[LEAT_COUNTERS_WHY]);
/* The head's first part is complete: readers may take the file for one. */
void leat_counters_file_publish(struct leat_counters_file *file);
/* Removes the file, if it is still there, and lets go of it. */
void leat_counters_file_close(struct leat_counters_file *file);

/* Where the head is mapped. Its second part is written by leat_counters_file_put_head() alone. */
static inline struct leat_counters_head *leat_counters_file_head(
	const struct leat_counters_file *file)
{
	return (struct leat_counters_head *)(void *)file->map;
}

/* Gives more records pages. False: there are none, or none are allowed. */
bool leat_counters_file_grow(struct leat_counters_file *file);
/*
 * Whether the pages are still there: 0; -ESTALE once another process of this user has cut the file
 * off; or -errno.
 */
int leat_counters_file_check(const struct leat_counters_file *file);

/*
 * Each writes one structure under its sequence; the sequence in the argument means nothing. The
 * record has a page. An event goes to the place of its number.
 */
void leat_counters_file_put_head(struct leat_counters_file *file,
                                 const struct leat_counters_head *head);
void leat_counters_file_put_record(struct leat_counters_file *file, uint32_t place,
                                   const struct leat_counters_file_record *record);
void leat_counters_file_put_event(struct leat_counters_file *file,
                                  const struct leat_counters_file_event *event);

/* Which directory this user's files are in, unless they are told another place. */
void leat_counters_directory(char path[LEAT_COUNTERS_DIRECTORY], uint32_t uid);
/*
 * Opens a directory that is a user's alone: not a symbolic link, owned by uid, closed to all
 * others. Returns a descriptor; or -EPERM or -errno, with the reason.
 */
int leat_counters_open_private(const char *path, uint32_t uid, char why[LEAT_COUNTERS_WHY]);
/*
 * Keeps the 16 newest of the files that no process writes any more, and removes the others: what
 * crashes one time after the other must not fill the memory.
 */
void leat_counters_remove_left(int directory);
/* Whether a name is PID.STARTTIME. Stores both. */
bool leat_counters_parse_name(const char *name, uint32_t *pid, uint64_t *start_ticks);

#endif
