/*
 * tools/leat/table.h: tables that fit the terminal: columns are as wide as what is in them, and
 * where that is too wide the columns that matter least are left out.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_TABLE_H
#define LEAT_TOOLS_LEAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct column {
	const char *title;
	bool left;      /* aligned to the left; else to the right, as numbers are */
	unsigned spare; /* the column with the largest number is left out first; 0: never */
};

#define LEFT(title, spare) \
	{ \
		title, true, spare \
	}
#define RIGHT(title, spare) \
	{ \
		title, false, spare \
	}

struct table {
	const struct column *columns;
	size_t columns_count;
	char **cells; /* in rows */
	size_t count, room;
	bool no_memory;
};

/* The columns stay the caller's. Texts are cut where no column can be left out any more. */
void table_init(struct table *table, const struct column *columns, size_t columns_count);
/* Adds a cell: bytes that are no printable text become '?'. */
void table_put(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "12.3k" */
void table_put_number(struct table *table, double number);
/* "45%": of something that is there; "-" for a share below 0. */
void table_put_share(struct table *table, double share);
/* Prints the titles and the rows, if there are any. columns: of the terminal; 0: no limit. */
void table_print(const struct table *table, int columns, FILE *out);
void table_fini(struct table *table);

/* "12.3 s", "4m05s", "2h10m", "3d04h" */
const char *format_age(char text[24], int64_t ns);
/* Writes a text of another program: bytes that are no printable text become '?'. */
void put_foreign(const char *text, FILE *out);
/* The columns of the terminal on standard output; 0: it is no terminal, or one of unknown width. */
int output_columns(void);

#endif
