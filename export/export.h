/*
 * export/export.h: the parts of libleat-export, from a counters file to a client:
 *
 *     process.c    which processes there are, and the readings of their files
 *     names.c      what is exported of each name: totals that never fall
 *     families.c   the metrics: which value of a record, or of a process, is which
 *     text.c       readings as text
 *     accept.c     which form of it a client wants
 *     server.c     HTTP
 *     export.c     the calls of leat/export.h
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_EXPORT_EXPORT_H
#define LEAT_EXPORT_EXPORT_H

#include <leat/counters.h>
#include <leat/diag.h>
#include <leat/export.h>

#include <pthread.h>

/*
 * Values of a record that are used, of every kind: the first so many. A counters file may have
 * more, which the table in families.c does not name.
 */
enum {
	LEAT_EXPORT_VALUES = 20,
	LEAT_EXPORT_LIVING = LEAT_EXPORT_VALUES /* in place of a value: how many objects live */
};

/* A name as it is exported: each byte that is no UTF-8 is U+FFFD, of three bytes. */
enum { LEAT_EXPORT_NAME = 3 * LEAT_NAME_MAX + 1 };

#define LEAT_EXPORT_OTHER "(other names)"

/* --- names.c --- */

/*
 * All objects of one kind and name.
 *
 * What is exported of a total is moved + last. last is what the records of this name had at the
 * last reading. It falls where a record has been summed under "(other names)" of the file: by that
 * much `moved` rises, and the exported total of other names falls short of theirs in the file.
 */
struct leat_export_name {
	char name[LEAT_EXPORT_NAME];
	uint64_t last[LEAT_EXPORT_VALUES], moved[LEAT_EXPORT_VALUES];
	uint64_t now[LEAT_EXPORT_VALUES]; /* of this reading: totals, and numbers of what lives */
	uint64_t living;                  /* objects */
};

struct leat_export_names {
	enum leat_counters_kind kind;
	struct leat_export_name **list; /* in the order in which they were first seen */
	size_t count, most;
	void *tree; /* of tsearch(3), the same by name */
	struct leat_export_name other;
	bool has_other;
	char (*folded)[LEAT_EXPORT_NAME]; /* names in this reading that are in `other` */
	size_t folded_room, folded_records, folded_count;
	bool taken; /* there was a reading */
};

void leat_export_names_init(struct leat_export_names *names, enum leat_counters_kind kind,
                            size_t most);
void leat_export_names_fini(struct leat_export_names *names);
/*
 * Takes the records of its kind from a reading. whole: it is of one snapshot and lacks nothing. Of
 * another reading each total that is higher than before is taken, and nothing is taken to have
 * moved.
 */
void leat_export_names_take(struct leat_export_names *names,
                            const struct leat_counters_record *records, size_t count, bool whole);
/* What is exported of a total. */
uint64_t leat_export_total(const struct leat_export_name *name, unsigned value);
/* Copies a text, each byte that is no UTF-8 as U+FFFD. to: three times as long as from, and one. */
void leat_export_clean_text(char *to, const char *from);

/* --- process.c --- */

struct leat_export_process {
	char *what;                     /* as leat_counters_open() takes it */
	bool named;                     /* it is one of those that the options name */
	struct leat_counters *counters; /* NULL: there is nothing to read any more */
	/* of the last reading that was taken; but state, torn, truncated and mixed of the last */
	struct leat_counters_process info;
	char name[LEAT_EXPORT_NAME];
	struct leat_export_names names[LEAT_COUNTERS_KINDS];
	bool taken;            /* there was a reading */
	int64_t taken_ns;      /* when the last one was taken */
	int64_t gone_since_ns; /* when it was first found gone, or could not be read; 0: it is not
	                        */
	bool found;            /* its file is there */
};

struct leat_export {
	struct leat_export_opts opts; /* without pointers */
	char **whats;                 /* of opts.processes, and of the process itself */
	size_t whats_count;
	struct leat_diag *diag; /* of the process itself; NULL: it needs none */
	struct MHD_Daemon *server;
	uint16_t port;
	pthread_mutex_t lock; /* guards all below */
	struct leat_export_process **processes;
	size_t count, room;
	uint64_t scrapes, read_errors;
	size_t left_out;   /* processes in the last scrape */
	int64_t scrape_ns; /* that reading took in the last scrape */
};

/* Finds the processes and reads their figures. Caller holds exporter->lock. */
void leat_export_collect(struct leat_export *exporter);
void leat_export_processes_fini(struct leat_export *exporter);

/* --- families.c --- */

struct leat_export_text;

/* A metric. Counters have _total behind their name, times are nanoseconds in a file. */
struct leat_export_family {
	const char *name, *unit, *help; /* unit: "" or the last word of the name */
	bool counter;
	enum leat_counters_kind kind; /* of objects; 0: of processes; KINDS: of the exporter */
	unsigned value;               /* the first, of a record */
	unsigned count; /* of values; with more than 1 each has the label with its name */
	const char *label;
	const char *(*label_value)(unsigned);
	/* of a process or of the exporter, in place of a value of a record */
	void (*write)(struct leat_export_text *, const struct leat_export *,
	              const struct leat_export_process *);
};

extern const struct leat_export_family leat_export_families[];
extern const size_t leat_export_families_count;

/* --- text.c --- */

struct leat_export_text {
	FILE *out;
	enum leat_export_format format;
	const struct leat_export_family *family;
	bool headed; /* the family's head is written */
};

/*
 * A sample of a family's `write`: process NULL: of the exporter; label NULL: with no label of its
 * own. The value is a number, or nanoseconds, which become seconds.
 */
void leat_export_sample(struct leat_export_text *text, const struct leat_export_process *process,
                        const char *label, const char *label_value, uint64_t value);

/* Writes all metrics, as they were last read. Caller holds exporter->lock. Returns 0, or -errno. */
int leat_export_write_text(const struct leat_export *exporter, enum leat_export_format format,
                           FILE *out);

/* --- export.c --- */

/* Reads the figures and makes a text of them, which the caller frees. Returns 0, or -ENOMEM. */
int leat_export_render(struct leat_export *exporter, enum leat_export_format format, char **text,
                       size_t *size);

/* --- server.c --- */

/* Listens on opts.listen. Returns 0, or -errno. */
int leat_export_serve(struct leat_export *exporter, const char *listen);
void leat_export_end_serving(struct leat_export *exporter);

#endif
