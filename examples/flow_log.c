/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_log FILE [TOP]: what is in the log of a web server (Apache's format "combined", or
 * "common"): requests and bytes by status, the clients with the most requests, and the minutes with
 * the most requests, in one pass. Two workers parse lines; a tee shows each request to three ends.
 * Lines that are no request are left out, and the books of the step have how many.
 */
#define _GNU_SOURCE
#include <leat/flow.h>
#include <leat/io.h>

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 47 }; /* of which the longest is an address of IPv6 */

struct request {
	char client[KEY + 1], minute[KEY + 1];
	uint64_t status, bytes;
};
LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, NULL);
LEAT_TYPE(request, struct request);

/* --- a line of the log --- */

/* Copies what is before `stop` to a key. Returns what is behind it, or NULL. */
static const char *copy_until(char *key, const char *at, const char *end, char stop)
{
	const char *to = at == NULL ? NULL : memchr(at, stop, (size_t)(end - at));

	if (to == NULL || to - at > KEY)
		return NULL;
	memcpy(key, at, (size_t)(to - at));
	key[to - at] = '\0';
	return to + 1;
}

/* Behind the quote that ends a text in which a backslash may precede a quote; or NULL. */
static const char *skip_quoted(const char *at, const char *end)
{
	for (; at < end && *at != '"'; at++)
		at += *at == '\\';
	return at < end ? at + 1 : NULL;
}

static const char *read_number(const char *at, const char *end, uint64_t *number)
{
	const char *from = at;

	for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++)
		*number = *number * 10 + (uint64_t)(*at - '0');
	return at > from || (at < end && *at++ == '-') ? at : NULL;
}

/* CLIENT IDENT USER [DAY:HOUR:MINUTE:SECOND ZONE] "REQUEST" STATUS BYTES ... */
LEAT_MAP(parse, line, l, request, r, const void *, unused)
{
	const char *end = l->data + l->len;
	const char *at = copy_until(r->client, l->data, end, ' ');

	at = at == NULL ? NULL : memchr(at, '[', (size_t)(end - at));
	at = at == NULL ? NULL : copy_until(r->minute, at + 1, end, ' ');
	if (at == NULL || strlen(r->minute) != strlen("17/May/2015:10:05:03"))
		return -EBADMSG;
	r->minute[strlen("17/May/2015:10:05")] = '\0';
	at = memchr(at, '"', (size_t)(end - at));
	at = at == NULL ? NULL : skip_quoted(at + 1, end);
	at = at == NULL || at == end ? NULL : read_number(at + 1, end, &r->status);
	at = at == NULL || at == end ? NULL : read_number(at + 1, end, &r->bytes);
	return at == NULL ? -EBADMSG : 0;
}

/* --- the three ends --- */

struct count {
	char key[KEY + 1]; /* the first member: a key is looked up as a count */
	uint64_t requests;
};
struct tally {
	void *tree; /* of counts (tsearch(3)) */
	struct count **all;
	size_t used, room;
};

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int add_key(struct tally *tally, const char *key)
{
	struct count **found = tfind(key, &tally->tree, compare_keys), **all, *count;
	size_t room = tally->room == 0 ? 64 : tally->room * 2;

	if (found != NULL) {
		(*found)->requests++;
		return 0;
	}
	if (tally->used == tally->room) {
		all = realloc(tally->all, room * sizeof(struct count *));
		if (all == NULL)
			return -ENOMEM;
		tally->all = all;
		tally->room = room;
	}
	count = calloc(1, sizeof(*count));
	if (count == NULL)
		return -ENOMEM;
	strcpy(count->key, key);
	count->requests = 1;
	tally->all[tally->used++] = count; /* free_tally() frees it */
	return tsearch(count, &tally->tree, compare_keys) == NULL ? -ENOMEM : 0;
}

LEAT_EACH(count_client, request, r, struct tally *, tally)
{
	return add_key(tally, r->client);
}

LEAT_EACH(count_minute, request, r, struct tally *, tally)
{
	return add_key(tally, r->minute);
}

struct by_status {
	uint64_t requests[600], bytes[600];
};

LEAT_EACH(count_status, request, r, struct by_status *, by)
{
	if (r->status >= 600)
		return -ERANGE;
	by->requests[r->status]++;
	by->bytes[r->status] += r->bytes;
	return 0;
}

/* --- the report --- */

/* The most requests first; of equals the one whose key is first. */
static int compare_counts(const void *a, const void *b)
{
	const struct count *x = *(struct count *const *)a, *y = *(struct count *const *)b;

	return x->requests != y->requests
	               ? (x->requests < y->requests) - (x->requests > y->requests)
	               : strcmp(x->key, y->key);
}

static void print_top(const char *what, struct tally *tally, size_t top)
{
	if (tally->used > 0)
		qsort(tally->all, tally->used, sizeof(struct count *), compare_counts);
	printf("%zu %ss\n", tally->used, what);
	for (size_t i = 0; i < tally->used && i < top; i++)
		printf("%s %s: %" PRIu64 "\n", what, tally->all[i]->key, tally->all[i]->requests);
}

static void keep_node(void *node)
{
	(void)node; /* free_tally() frees it */
}

static void free_tally(struct tally *tally)
{
	tdestroy(tally->tree, keep_node);
	for (size_t i = 0; i < tally->used; i++)
		free(tally->all[i]);
	free(tally->all);
}

enum { PARSE = 2 }; /* the third that is declared: from_gen, workers, parse */

int main(int argc, char **argv)
{
	static struct by_status by;
	struct tally clients = { 0 }, minutes = { 0 };
	struct leat_lines_opts in = { .path = argc > 1 ? argv[1] : "-" };
	size_t top = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_step_stat stat;
	struct leat_port p, to[3];
	int rc;

	p = leat_flow_from_gen(flow, LEAT_T(line), leat_lines, &in);
	p = leat_flow_workers(p, 2, LEAT_UNORDERED);
	p = leat_flow_on_error(leat_flow_step(p, &parse, NULL), LEAT_ON_ERROR_SKIP);
	leat_flow_tee(leat_flow_gather(p), to, 3);
	leat_flow_for_each(to[0], &count_status, &by);
	leat_flow_for_each(to[1], &count_client, &clients);
	leat_flow_for_each(to[2], &count_minute, &minutes);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0) {
		fprintf(stderr, "flow_log: %s\n", leat_flow_error(flow));
	} else if (leat_flow_stat(flow, PARSE, &stat) == 0) {
		printf("%" PRIu64 " requests, %" PRIu64 " lines left out\n", stat.made,
		       stat.failed);
		for (int i = 0; i < 600; i++)
			if (by.requests[i] > 0)
				printf("status %d: %" PRIu64 " requests, %" PRIu64 " bytes\n", i,
				       by.requests[i], by.bytes[i]);
		print_top("client", &clients, top);
		print_top("minute", &minutes, top);
	}
	leat_flow_close(flow);
	free_tally(&clients);
	free_tally(&minutes);
	return rc < 0;
}
