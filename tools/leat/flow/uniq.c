/*
 * tools/leat/flow/uniq.c: which lines came before. See uniq.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/uniq.h"
#include "tools/leat/flow/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST ((size_t)256)
#define RING_FIRST ((size_t)64)
/* The memory of one very long line is not kept for short ones. */
#define SIZE_KEPT ((size_t)1024 * 1024)

static bool same_bytes(const void *a, const void *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static int make_room(struct leat_uniq *uniq, size_t len)
{
	size_t size = uniq->size != 0 ? uniq->size : SIZE_FIRST;
	char *text;

	if (size > SIZE_KEPT && len < size / 4)
		size = SIZE_FIRST;
	while (size < len)
		size *= 2;
	if (size == uniq->size)
		return 0;
	text = malloc(size); /* not realloc(3): what the line was is not wanted */
	if (text == NULL)
		return -ENOMEM;
	free(uniq->text);
	uniq->text = text;
	uniq->size = size;
	return 0;
}

int leat_uniq_add(struct leat_uniq *uniq, const void *text, size_t len)
{
	int rc;

	if (uniq->any && uniq->len == len && same_bytes(uniq->text, text, len))
		return 0;
	rc = make_room(uniq, len);
	if (rc != 0)
		return rc;
	if (len != 0)
		memcpy(uniq->text, text, len);
	uniq->len = len;
	uniq->any = true;
	return 1;
}

void leat_uniq_fini(struct leat_uniq *uniq)
{
	free(uniq->text);
	*uniq = (struct leat_uniq){ 0 };
}

struct leat_recent_line {
	uint64_t hash;
	size_t len;
	char text[];
};

void leat_recent_init(struct leat_recent *recent, size_t most)
{
	*recent = (struct leat_recent){ .most = most };
}

/* The place of this line, or the free one where it belongs. */
static size_t find_place(const struct leat_recent *recent, uint64_t hash, const void *text,
                         size_t len)
{
	for (size_t at = hash;; at++) {
		const struct leat_recent_line *line;

		at &= recent->places_count - 1;
		line = recent->places[at];
		if (line == NULL ||
		    (line->hash == hash && line->len == len && same_bytes(line->text, text, len)))
			return at;
	}
}

/* The free place where a line belongs that is in none. */
static size_t find_free(const struct leat_recent *recent, uint64_t hash)
{
	size_t at = hash & (recent->places_count - 1);

	while (recent->places[at] != NULL)
		at = (at + 1) & (recent->places_count - 1);
	return at;
}

/*
 * Frees a place, and moves those behind it that may be there: no search finds a gap before its
 * line.
 */
static void free_place(struct leat_recent *recent, size_t at)
{
	size_t mask = recent->places_count - 1, gap = at;

	for (;;) {
		size_t home;

		recent->places[gap] = NULL;
		do {
			at = (at + 1) & mask;
			if (recent->places[at] == NULL)
				return;
			home = recent->places[at]->hash & mask;
		} while (((at - home) & mask) < ((at - gap) & mask));
		recent->places[gap] = recent->places[at];
		gap = at;
	}
}

/* Twice the room for lines, and a table of twice as many places; until there are `most`. */
static int grow_ring(struct leat_recent *recent)
{
	size_t size = recent->ring_size != 0 ? 2 * recent->ring_size : RING_FIRST, count = 2;
	struct leat_recent_line **ring, **places;

	size = size < recent->most ? size : recent->most;
	while (count < 2 * size)
		count *= 2;
	places = calloc(count, sizeof(struct leat_recent_line *));
	ring = places != NULL ? realloc(recent->ring, size * sizeof(struct leat_recent_line *))
	                      : NULL;
	if (ring == NULL) {
		free(places);
		return -ENOMEM;
	}
	free(recent->places);
	recent->ring = ring;
	recent->ring_size = size;
	recent->places = places;
	recent->places_count = count;
	for (size_t i = 0; i < recent->came; i++)
		places[find_free(recent, ring[i]->hash)] = ring[i];
	return 0;
}

static struct leat_recent_line *copy_line(uint64_t hash, const void *text, size_t len)
{
	struct leat_recent_line *line = malloc(sizeof(*line) + len);

	if (line == NULL)
		return NULL;
	line->hash = hash;
	line->len = len;
	if (len != 0)
		memcpy(line->text, text, len);
	return line;
}

int leat_recent_add(struct leat_recent *recent, const void *text, size_t len)
{
	uint64_t hash = leat_tally_hash(text, len);
	struct leat_recent_line *line, **slot;
	int rc = 0;

	if (recent->places_count != 0 &&
	    recent->places[find_place(recent, hash, text, len)] != NULL)
		return 0;
	if (recent->came == recent->ring_size && recent->ring_size < recent->most)
		rc = grow_ring(recent);
	line = rc == 0 ? copy_line(hash, text, len) : NULL;
	if (line == NULL)
		return -ENOMEM;
	slot = &recent->ring[recent->came % recent->ring_size];
	if (recent->came >= recent->ring_size) {
		free_place(recent, find_place(recent, (*slot)->hash, (*slot)->text, (*slot)->len));
		free(*slot);
	}
	*slot = line;
	recent->places[find_free(recent, hash)] = line;
	recent->came++;
	return 1;
}

void leat_recent_fini(struct leat_recent *recent)
{
	for (size_t i = 0; i < recent->came && i < recent->ring_size; i++)
		free(recent->ring[i]);
	free(recent->ring);
	free(recent->places);
	*recent = (struct leat_recent){ 0 };
}
