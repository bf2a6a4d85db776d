/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "tools/leat/table.h"
#include "runtime/diag/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MOST = 16, TEXT_MIN = 8, GAP = 2 };

void table_init(struct table *table, const struct column *columns, size_t columns_count)
{
	*table = (struct table){ .columns = columns, .columns_count = columns_count };
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
}

/* Takes the text over; NULL: there was no memory for it. */
static void add_cell(struct table *table, char *text)
{
	if (text != NULL && table->count == table->room) {
		size_t room = table->room == 0 ? 256 : 2 * table->room;
		char **cells = realloc(table->cells, room * sizeof(*cells));

		if (cells == NULL) {
			free(text);
			text = NULL;
		} else {
			table->cells = cells;
			table->room = room;
		}
	}
	if (text == NULL)
		table->no_memory = true;
	else
		table->cells[table->count++] = text;
}

void put_foreign(const char *text, FILE *out)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	while (p < end) {
		size_t bytes = leat_utf8_length(p, (size_t)(end - p));

		if (leat_utf8_is_shown(p, bytes))
			fwrite(p, 1, bytes, out);
		else
			putc('?', out);
		p += bytes == 0 ? 1 : bytes;
	}
}

void table_put(struct table *table, const char *format, ...)
{
	char *text = NULL, *cell = NULL;
	size_t len;
	FILE *out;
	va_list args;
	int rc;

	va_start(args, format);
	rc = vasprintf(&text, format, args);
	va_end(args);
	out = rc < 0 ? NULL : open_memstream(&cell, &len);
	if (out != NULL) {
		put_foreign(text, out);
		if (fclose(out) != 0) {
			free(cell);
			cell = NULL;
		}
	}
	if (rc >= 0)
		free(text);
	add_cell(table, cell);
}

void table_put_number(struct table *table, double number)
{
	static const char *const suffixes[] = { "", "k", "M", "G", "T", "P", "E" };
	size_t i = 0;

	while (number >= 999.5 && i < 6) {
		number /= 1000;
		i++;
	}
	table_put(table, "%.*f%s",
	          i == 0 || number >= 99.95 ? 0
	          : number >= 9.995         ? 1
	                                    : 2,
	          number, suffixes[i]);
}

void table_put_share(struct table *table, double share)
{
	if (share < 0)
		table_put(table, "-");
	else
		table_put(table, "%.0f%%", (share < 1 ? share : 1) * 100);
}

/* How many characters a text has. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Sets the width of each column, without those that are left out: 0. Returns the width of all. */
static int measure(const struct table *table, const bool *shown, int *widths)
{
	int all = -GAP;

	for (size_t c = 0; c < table->columns_count; c++) {
		widths[c] = width_of(table->columns[c].title);
		for (size_t i = c; i < table->count; i += table->columns_count) {
			int width = width_of(table->cells[i]);

			widths[c] = width > widths[c] ? width : widths[c];
		}
		all += shown[c] ? widths[c] + GAP : 0;
	}
	return all;
}

/* The column that may be left out first; columns_count: none. */
static size_t find_spare(const struct table *table, const bool *shown)
{
	size_t spare = table->columns_count;

	for (size_t c = 0; c < table->columns_count; c++)
		if (shown[c] && table->columns[c].spare > 0 &&
		    (spare == table->columns_count ||
		     table->columns[c].spare > table->columns[spare].spare))
			spare = c;
	return spare;
}

/*
 * A text that is too long loses its end, which the mark '~' says. *blanks: those that stand before
 * the text, if there is any; they become those behind it.
 */
static void put_cell(const char *text, int width, bool left, int *blanks, FILE *out)
{
	int pad = width - width_of(text), kept = 0;

	if (text[0] == '\0') {
		*blanks += width;
		return;
	}
	fprintf(out, "%*s", *blanks + (left || pad < 0 ? 0 : pad), "");
	*blanks = left && pad > 0 ? pad : 0;
	if (pad >= 0) {
		fputs(text, out);
		return;
	}
	while (*text != '\0' && (kept < width - 1 || ((unsigned char)*text & 0xc0) == 0x80)) {
		kept += ((unsigned char)*text & 0xc0) != 0x80;
		putc(*text++, out);
	}
	putc('~', out);
}

static void put_row(const struct table *table, const bool *shown, const int *widths, size_t row,
                    FILE *out)
{
	int blanks = -GAP;

	for (size_t c = 0; c < table->columns_count; c++) {
		const struct column *column = &table->columns[c];

		if (!shown[c])
			continue;
		blanks += GAP;
		put_cell(row == 0 ? column->title
		                  : table->cells[(row - 1) * table->columns_count + c],
		         widths[c], column->left, &blanks, out);
	}
	putc('\n', out);
}

/* Takes so much of the widest texts, but leaves some of each. */
static void cut_texts(const struct table *table, const bool *shown, int *widths, int excess)
{
	for (; excess > 0; excess--) {
		size_t widest = table->columns_count;

		for (size_t c = 0; c < table->columns_count; c++)
			if (shown[c] && table->columns[c].left && widths[c] > TEXT_MIN &&
			    (widest == table->columns_count || widths[c] > widths[widest]))
				widest = c;
		if (widest == table->columns_count)
			return;
		widths[widest]--;
	}
}

void table_print(const struct table *table, int columns, FILE *out)
{
	size_t rows = table->count / table->columns_count, spare;
	bool shown[COLUMNS_MOST];
	int widths[COLUMNS_MOST], all;

	if (table->no_memory) {
		fputs("(no memory for this table)\n", out);
		return;
	}
	if (rows == 0)
		return;
	for (size_t c = 0; c < table->columns_count; c++)
		shown[c] = true;
	/* the last column of the screen stays free: behind a character in it terminals differ */
	while ((all = measure(table, shown, widths)) >= columns && columns > 0 &&
	       (spare = find_spare(table, shown)) < table->columns_count)
		shown[spare] = false;
	if (columns > 0 && all >= columns)
		cut_texts(table, shown, widths, all - columns + 1);
	for (size_t row = 0; row <= rows; row++)
		put_row(table, shown, widths, row, out);
}

const char *format_age(char text[24], int64_t ns)
{
	int64_t s = ns / 1000000000;

	if (s < 60)
		snprintf(text, 24, "%.1f s", ns < 0 ? 0 : (double)(ns / 100000000) / 10);
	else if (s < 3600)
		snprintf(text, 24, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(text, 24, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(text, 24, "%" PRId64 "d%02dh", s / 86400, (int)(s / 3600 % 24));
	return text;
}

int output_columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 0;
}
