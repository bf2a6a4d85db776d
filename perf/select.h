/*
 * perf/select.h: `leat bench select`: what it costs to wait for several things. leat_select() beside the plain receive and
 * beside Go's select, and a merge of few lanes beside one of many of which few are busy.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_SELECT_H
#define LEAT_PERF_SELECT_H

#include <stdio.h>

/* Items of a sample; channels that are selected from, what each holds, and how many lanes of a merge are busy. */
enum { SELECT_ITEMS = 400000, SELECT_CHANS = 8, SELECT_CAPACITY = 1024, SELECT_BUSY = 10, SELECT_LANES = 10000 };

/* One sample: nanoseconds an item. Ends the program where an item is wrong. */
typedef double select_sample_fn(unsigned n);

/* perf/peers/select.c. Alone: one thread sends and takes. */
select_sample_fn receive_alone; /* n is no matter */
select_sample_fn select_alone;	/* from n channels */
select_sample_fn select_from;	/* from SELECT_CHANS channels, with n producers */
select_sample_fn merge_from;	/* of n lanes, the busy ones fed by one producer */
select_sample_fn merge_alone;	/* of n lanes */
select_sample_fn merge_asleep;	/* of n lanes, alone: each item to a lane that has stood armed for long */

struct selects;
struct selects *selects_measure(unsigned samples, const char *only);
void selects_list(FILE *out);
void selects_report(const struct selects *selects, FILE *out);
void selects_json(const struct selects *selects, FILE *out);
void selects_free(struct selects *selects);

#endif
