/*
 * tools/leat/display.c: the picture of a running flow: on a terminal drawn in place, elsewhere a
 * line for each second.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"

#include <inttypes.h>
#include <leat/atomic.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIVE_NS INT64_C(250000000)
#define LINES_NS INT64_C(1000000000)
#define NEVER_NS INT64_C(86400000000000)
#define BAR_MIN 5
#define BAR_MAX 20
#define HEAD_BAR_MIN 10
#define HEAD_BAR_MAX 30
#define NAME_MIN 8
#define COUNTED_NAME 13                      /* "lines+count#9" */
#define ESTIMATE_NS INT64_C(500000000)       /* before that the time left is anyone's guess */
#define LEFT_MAX_NS INT64_C(356400000000000) /* 99 hours */

/*
 * What a row of the picture has behind the name. A narrow terminal gets a later layout: the rate,
 * the blocked shares and the drops are in each of them.
 */
struct layout {
	bool bar, peaks, words;
	int width; /* of the columns behind the name, without the inside of the bar */
};
static const struct layout layouts[] = {
	{ .bar = true, .peaks = true, .words = true, .width = 59 },
	{ .peaks = true, .words = true, .width = 56 },
	{ .words = true, .width = 44 },
	{ .width = 33 },
};
#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* Whether a sink writes while the flow runs. */
static bool sink_talks(const struct leat_stage *sink)
{
	return sink->type->verb == LEAT_VERB_STDOUT || sink->type->verb == LEAT_VERB_WORD ||
	       leat_stage_key(sink, "every")->given;
}

/* Whether the flow writes to a terminal: its lines and a picture would be in each other's way. */
static bool sink_talks_to_terminal(const struct leat_run *flow)
{
	for (size_t i = 0; i < flow->finals_count; i++) {
		if (sink_talks(flow->finals[i].stage) && isatty(STDOUT_FILENO))
			return true;
	}
	return false;
}

void display_init(struct display *display, struct leat_report *report, bool quiet)
{
	const char *term = getenv("TERM");

	*display = (struct display){ .report = report,
		                     .started_ns = leat_now_ns(),
		                     .how = DISPLAY_LINES };
	pthread_mutex_init(&display->lock, NULL);
	/* Without memory the busiest stage is not known, and the picture shows 0 %. */
	display->busy = calloc(report->flow->members_count, sizeof(*display->busy));
	for (size_t i = 0; i < report->flow->members_count && display->busy != NULL; i++)
		display->busy[i].seen_ns = display->started_ns;
	if (quiet || (isatty(STDERR_FILENO) && sink_talks_to_terminal(report->flow)))
		display->how = DISPLAY_NONE;
	else if (isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0)
		display->how = DISPLAY_LIVE;
}

void display_fini(struct display *display)
{
	free(display->busy);
	display->busy = NULL;
}

int64_t display_interval_ns(const struct display *display)
{
	return display->how == DISPLAY_LIVE    ? LIVE_NS
	       : display->how == DISPLAY_LINES ? LINES_NS
	                                       : NEVER_NS;
}

/* 999, 12.3k, 4.56M: four figures at the most. */
static const char *format_number(char text[16], double n)
{
	static const char *const suffixes[] = { "", "k", "M", "G", "T", "P" };
	size_t i = 0;

	while (n >= 999.5 && i < 5) {
		n /= 1000;
		i++;
	}
	snprintf(text, 16, "%.*f%s", i == 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2, n, suffixes[i]);
	return text;
}

static double compute_rate(const struct leat_edge_stat *edge)
{
	double seconds = (double)(edge->now_ns - edge->before_ns) / 1e9;

	if (edge->before_ns == 0 || seconds <= 0)
		return 0;
	return (double)(edge->now.delivered - edge->before.delivered) / seconds;
}

/* Of a member that counts on its source's thread. */
static double compute_counted_rate(const struct leat_counted_stat *stat)
{
	double seconds = (double)(stat->now_ns - stat->before_ns) / 1e9;

	return seconds > 0 ? (double)(stat->now - stat->before) / seconds : 0;
}

static double compute_fill(const struct leat_edge_stat *edge)
{
	double fill = edge->now.capacity != 0
	                      ? (double)edge->now.in_flight / (double)edge->now.capacity
	                      : 0;

	return fill < 1 ? fill : 1;
}

/* The blocked shares of both sides of edge i since the snapshot before. */
static double compute_send_blocked(const struct display *display, size_t i)
{
	const struct leat_edge_stat *edge = &display->report->edges[i];

	return leat_report_blocked(edge->before.send_blocked_ns, edge->now.send_blocked_ns,
	                           edge->now_ns - edge->before_ns,
	                           leat_report_threads(display->report->flow, i, true));
}

static double compute_recv_blocked(const struct display *display, size_t i)
{
	const struct leat_edge_stat *edge = &display->report->edges[i];

	return leat_report_blocked(edge->before.recv_blocked_ns, edge->now.recv_blocked_ns,
	                           edge->now_ns - edge->before_ns,
	                           leat_report_threads(display->report->flow, i, false));
}

static void put_bar(FILE *out, int width, double share)
{
	int full = (int)(share * width + 0.5);

	putc('[', out);
	for (int i = 0; i < width; i++)
		putc(i < full ? '#' : '.', out);
	putc(']', out);
}

static void put_clock(FILE *out, int64_t ns)
{
	int64_t seconds = ns / 1000000000;

	if (seconds >= 3600)
		fprintf(out, "%" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60),
		        (int)(seconds % 60));
	else
		fprintf(out, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
}

/*
 * How far the flow is, by its input or by the time of --for, whichever ends it first; below 0: not
 * known. left_ns: what is left, if the input goes on as fast as it did so far; below 0: not known.
 */
static double find_share(const struct leat_run *flow, int64_t gone_ns, int64_t *left_ns)
{
	double share = leat_run_share(flow);
	double timed = flow->opts.for_ns != 0 ? (double)gone_ns / (double)flow->opts.for_ns : -1;

	*left_ns = -1;
	if (share < timed)
		return timed;
	if (share > 0 && gone_ns >= ESTIMATE_NS)
		*left_ns = (int64_t)((double)gone_ns * (1 - share) / share);
	return share;
}

static void put_share(const struct leat_run *flow, FILE *out, double share, int64_t gone_ns,
                      int64_t left_ns)
{
	bool timed_out = flow->opts.for_ns != 0 && gone_ns >= flow->opts.for_ns;

	fprintf(out, " %3.0f %%", share < 1 ? share * 100 : 100);
	/* a source that has read all of its input may still send */
	if (timed_out || leat_run_sources_over(flow)) {
		fputs(", draining", out);
	} else if (left_ns >= 0 && left_ns < LEFT_MAX_NS) {
		fputs(", ", out);
		put_clock(out, left_ns);
		fputs(" left", out);
	}
}

static void put_head(const struct display *display, FILE *out, int width)
{
	const struct leat_run *flow = display->report->flow;
	int64_t gone_ns = leat_now_ns() - display->started_ns, left_ns;
	int64_t for_ns = flow->opts.for_ns;
	double share = find_share(flow, gone_ns, &left_ns);
	char slowed[64] = "";
	int bar_width;

	if (flow->opts.slow != 0 && leat_load_rlx(&flow->slow_on)) /* rlx: only to be shown */
		snprintf(slowed, sizeof(slowed), "  slowed: %s by %" PRId64 " us an item",
		         flow->stages.list[flow->opts.slow - 1].type->name,
		         flow->opts.slow_ns / 1000);
	fputs("leat  ", out);
	put_clock(out, gone_ns);
	if (for_ns != 0) {
		fputs(" of ", out);
		put_clock(out, for_ns);
	}
	if (share >= 0) {
		/* what is beside the inside of the bar, with clocks of hours */
		bar_width = width -
		            (int)strlen("leat  99:00:00 of 99:00:00  [] 100 %, 99:00:00 left") -
		            (int)strlen(slowed);
		if (bar_width >= HEAD_BAR_MIN) {
			fputs("  ", out);
			put_bar(out, bar_width < HEAD_BAR_MAX ? bar_width : HEAD_BAR_MAX,
			        share < 1 ? share : 1);
		}
		put_share(flow, out, share, gone_ns, left_ns);
	}
	fprintf(out, "%s\n", slowed);
}

/* A name that is too long loses its end, which the mark '~' says. */
static void put_name(FILE *out, const char *name, int width)
{
	if ((int)strlen(name) <= width)
		fprintf(out, "%-*s", width, name);
	else
		fprintf(out, "%.*s~", width - 1, name);
}

static void put_titles(FILE *out, const struct layout *layout, int name_width, int bar_width)
{
	put_name(out, "edge", name_width);
	fprintf(out, " %7s", "items/s");
	if (layout->bar)
		fprintf(out, " %*s", bar_width + 2, "");
	fprintf(out, " %4s", "full");
	if (layout->peaks)
		fprintf(out, " %5s %5s", "peak", "of");
	fprintf(out, "%s %7s\n", layout->words ? "  blocked: send receive" : " blocked s/r",
	        "dropped");
}

static void put_row(const struct display *display, FILE *out, size_t i, const struct layout *layout,
                    int name_width, int bar_width)
{
	const struct leat_edge_stat *edge = &display->report->edges[i];
	char number[16], shares[16];
	double send = compute_send_blocked(display, i) * 100;
	double recv = compute_recv_blocked(display, i) * 100;

	put_name(out, display->report->flow->plan.edges[i].name, name_width);
	fprintf(out, " %7s", format_number(number, compute_rate(edge)));
	if (layout->bar) {
		putc(' ', out);
		put_bar(out, bar_width, compute_fill(edge));
	}
	fprintf(out, " %3.0f%%", compute_fill(edge) * 100);
	if (layout->peaks) {
		fprintf(out, " %5s", format_number(number, (double)edge->now.peak));
		fprintf(out, " %5s", format_number(number, (double)edge->now.capacity));
	}
	if (layout->words) {
		fprintf(out, "  %12.0f%% %6.0f%%", send, recv);
	} else {
		snprintf(shares, sizeof(shares), "%.0f/%.0f%%", send, recv);
		fprintf(out, " %11s", shares);
	}
	fprintf(out, " %7s\n", format_number(number, (double)leat_report_dropped(&edge->now)));
}

/*
 * The group of the thread that was at work for the largest share of the time since the last call:
 * neither blocked nor paced by a rate. As the verdict has it, but for this moment.
 */
static void put_busiest(struct display *display, FILE *out)
{
	const struct leat_run *flow = display->report->flow;
	double most = 0;
	size_t group = 0;

	for (size_t i = 0; i < flow->members_count && display->busy != NULL; i++) {
		const struct leat_member_time *time = &display->report->times[i];
		struct busy now = { time->seen_ns, leat_report_busy_ns(display->report, i, time) };
		struct busy *before = &display->busy[i];
		double busy = now.seen_ns > before->seen_ns
		                      ? (double)(now.busy_ns - before->busy_ns) /
		                                (double)(now.seen_ns - before->seen_ns)
		                      : 0;

		*before = now;
		if (!display->report->ends[i].known && busy > most) {
			most = busy < 1 ? busy : 1;
			group = flow->members[i].group;
		}
	}
	fprintf(out, "busiest: %s (%.0f %%)\n", flow->plan.groups[group].name, most * 100);
}

/* The first layout that has room for the name (and a bar); else the last one. */
static const struct layout *choose_layout(int width, int name_width)
{
	size_t i = 0;

	while (i + 1 < LAYOUTS &&
	       name_width + layouts[i].width + (layouts[i].bar ? BAR_MIN : 0) > width)
		i++;
	return &layouts[i];
}

/* The rows of the first so many members that count on their source's thread. */
static void put_counted(const struct display *display, FILE *out, size_t most, int name_width)
{
	const struct leat_run *flow = display->report->flow;

	for (size_t i = 0; i < flow->members_count && most > 0; i++) {
		const struct leat_counted_stat *stat = &display->report->counted[i];
		char rate[16], lines[16];

		if (!leat_member_counts(&flow->members[i]))
			continue;
		put_name(out, flow->members[i].name, name_width);
		fprintf(out, " %7s lines/s, %s so far\n",
		        format_number(rate, compute_counted_rate(stat)),
		        format_number(lines, (double)stat->now));
		most--;
	}
}

static void put_edges(const struct display *display, FILE *out, size_t shown, int width)
{
	const struct leat_plan *plan = &display->report->flow->plan;
	int name_width = NAME_MIN;

	for (size_t i = 0; i < shown; i++) {
		int len = (int)strlen(plan->edges[i].name);
		name_width = len > name_width ? len : name_width;
	}
	const struct layout *layout = choose_layout(width, name_width);
	if (name_width > width - layout->width)
		name_width = width - layout->width > NAME_MIN ? width - layout->width : NAME_MIN;
	int bar_width = width - name_width - layout->width;
	bar_width = bar_width > BAR_MAX ? BAR_MAX : bar_width;
	put_titles(out, layout, name_width, bar_width);
	for (size_t i = 0; i < shown; i++)
		put_row(display, out, i, layout, name_width, bar_width);
}

/* Writes the picture in rows of `width` columns at most, unless the terminal is tiny. */
static void put_picture(struct display *display, FILE *out, int width, int height)
{
	const size_t edges = display->report->flow->plan.edges_count;
	const size_t rows = edges + leat_report_counts(display->report);
	const size_t shown = rows + 4 <= (size_t)height ? rows
	                     : height > 5               ? (size_t)height - 5
	                                                : 1;
	const size_t shown_edges = shown < edges ? shown : edges;

	put_head(display, out, width);
	if (edges > 0)
		put_edges(display, out, shown_edges, width);
	put_counted(display, out, shown - shown_edges, COUNTED_NAME);
	if (shown < rows)
		fprintf(out, "... and %zu more\n", rows - shown);
	put_busiest(display, out);
}

/* Writes only if that does not wait: a terminal that is stopped must stop nothing else. */
static void write_screen(const char *text, size_t len)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) && write(STDERR_FILENO, text, len) < 0)
		return; /* the terminal is gone */
}

/* Whether standard error is a terminal whose size is known. */
static bool read_size(struct winsize *size)
{
	return ioctl(STDERR_FILENO, TIOCGWINSZ, size) == 0 && size->ws_col > 0;
}

int display_columns(void)
{
	struct winsize size;

	return read_size(&size) ? size.ws_col : 0;
}

/*
 * Draws the picture over the one before. Each row is cut to the width of the screen, and the rest
 * of its line wiped.
 */
static void draw_picture(struct display *display)
{
	struct winsize size;
	char *picture = NULL, *screen = NULL;
	size_t len, screen_len;
	int rows = 0;

	if (!read_size(&size))
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	FILE *out = open_memstream(&picture, &len);
	if (out == NULL)
		return;
	/* The last column stays free: behind a character in it terminals differ. */
	put_picture(display, out, size.ws_col - 1, size.ws_row);
	fclose(out);
	out = open_memstream(&screen, &screen_len);
	if (out != NULL) {
		if (display->rows > 0)
			fprintf(out, "\r\033[%dA", display->rows);
		for (char *row = picture, *end; (end = strchr(row, '\n')) != NULL;
		     row = end + 1, rows++)
			fprintf(out, "%.*s\033[K\n",
			        (int)(end - row < size.ws_col ? end - row : size.ws_col - 1), row);
		fputs("\033[J", out);
		fclose(out);
		write_screen(screen, screen_len);
		display->rows = rows;
	}
	free(picture);
	free(screen);
}

/* ", 35 %, 22 s left", where the size of the input is known. */
static void put_line_share(const struct leat_run *flow, FILE *out, int64_t gone_ns)
{
	int64_t left_ns;
	double share = find_share(flow, gone_ns, &left_ns);

	if (leat_run_share(flow) < 0)
		return;
	fprintf(out, ", %.0f %%", share < 1 ? share * 100 : 100);
	if (left_ns >= 0 && left_ns < LEFT_MAX_NS && share < 1)
		fprintf(out, ", %.0f s left", (double)left_ns / 1e9);
}

static void write_line(const struct display *display)
{
	int64_t gone_ns = leat_now_ns() - display->started_ns;
	const struct leat_run *flow = display->report->flow;
	const struct leat_plan *plan = &flow->plan;
	char *line = NULL, number[16];
	size_t len;
	FILE *out = open_memstream(&line, &len);

	if (out == NULL)
		return;
	fprintf(out, "leat: %.0f s", (double)gone_ns / 1e9);
	put_line_share(flow, out, gone_ns);
	for (size_t i = 0; i < plan->edges_count; i++) {
		const struct leat_edge_stat *edge = &display->report->edges[i];
		uint64_t dropped = leat_report_dropped(&edge->now);
		fprintf(out, "; %s %s/s, %.0f %% full, blocked %.0f %% / %.0f %%",
		        plan->edges[i].name, format_number(number, compute_rate(edge)),
		        compute_fill(edge) * 100, compute_send_blocked(display, i) * 100,
		        compute_recv_blocked(display, i) * 100);
		if (dropped != 0)
			fprintf(out, ", dropped %" PRIu64, dropped);
	}
	for (size_t i = 0; i < flow->members_count; i++)
		if (leat_member_counts(&flow->members[i]))
			fprintf(out, "; %s %s/s", flow->members[i].name,
			        format_number(number,
			                      compute_counted_rate(&display->report->counted[i])));
	putc('\n', out);
	fclose(out);
	write_screen(line, len);
	free(line);
}

void display_take(const struct leat_snapshot *snapshot, void *arg)
{
	struct display *display = arg;

	leat_report_take(display->report, snapshot);
	pthread_mutex_lock(&display->lock);
	pthread_mutex_lock(&display->report->lock);
	if (!display->held && display->how == DISPLAY_LIVE)
		draw_picture(display);
	else if (!display->held && display->how == DISPLAY_LINES)
		write_line(display);
	pthread_mutex_unlock(&display->report->lock);
	pthread_mutex_unlock(&display->lock);
}

/* Caller holds the lock. */
static void wipe_picture(struct display *display)
{
	char wipe[32];

	if (!display->held && display->rows > 0)
		write_screen(wipe, (size_t)snprintf(wipe, sizeof(wipe), "\r\033[%dA\033[J",
		                                    display->rows));
	display->rows = 0;
}

void display_hold(void *arg)
{
	struct display *display = arg;

	pthread_mutex_lock(&display->lock);
	wipe_picture(display);
	display->held = true;
	pthread_mutex_unlock(&display->lock);
}

void display_say(struct display *display, const char *text)
{
	pthread_mutex_lock(&display->lock);
	wipe_picture(display);
	fputs("leat: ", stderr);
	for (const char *p = text; *p != '\0'; p++)
		putc((unsigned char)*p < ' ' || *p == 127 ? '?' : *p, stderr);
	putc('\n', stderr);
	pthread_mutex_unlock(&display->lock);
}
