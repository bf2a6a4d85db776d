/*
 * text/plain.c: a search for a plain text. See plain.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "text/plain.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What logs have most of comes first. */
static const char common[] =
	" e0t/1aoi2ns\".r3hl:d-4cu5mp6f7g8w9yb,vEATOISRNk_=()[];CDLMPGHxUWBFYVjq";

/* How rare a byte is. */
static size_t rank_byte(char byte)
{
	const char *at = memchr(common, byte, sizeof(common) - 1);

	return at != NULL ? (size_t)(at - common) : sizeof(common);
}

void leat_plain_init(struct leat_plain *plain, const char *text, size_t len)
{
	*plain = (struct leat_plain){ .text = text, .len = len };
	for (size_t i = 1; i < len; i++)
		if (rank_byte(text[i]) > rank_byte(text[plain->rare]))
			plain->rare = i;
	plain->next = plain->rare == 0 && len > 1 ? 1 : 0;
	for (size_t i = 0; i < len; i++)
		if (i != plain->rare && rank_byte(text[i]) > rank_byte(text[plain->next]))
			plain->next = i;
}

#ifdef __SSE2__

/* The places among 16 from `at` on where both bytes are. */
static inline __m128i match_16(const struct leat_plain *plain, const char *at)
{
	const __m128i rare = _mm_loadu_si128((const __m128i *)(at + plain->rare));
	const __m128i next = _mm_loadu_si128((const __m128i *)(at + plain->next));

	return _mm_and_si128(_mm_cmpeq_epi8(rare, _mm_set1_epi8(plain->text[plain->rare])),
	                     _mm_cmpeq_epi8(next, _mm_set1_epi8(plain->text[plain->next])));
}

/* The first of these places from `at` on where the text is. */
static inline const char *check_places(const struct leat_plain *plain, const char *at,
                                       uint64_t places)
{
	for (; places != 0; places &= places - 1) {
		const char *place = at + __builtin_ctzll(places);

		if (memcmp(place, plain->text, plain->len) == 0)
			return place;
	}
	return NULL;
}

/* Moves *at on to the first place that is not searched yet. */
static const char *find_in_blocks(const struct leat_plain *plain, const char **at, const char *end)
{
	const char *found;

	for (; end - *at >= (ptrdiff_t)(64 + plain->len - 1); *at += 64) {
		__m128i m[4];
		uint64_t places = 0;

		for (int i = 0; i < 4; i++)
			m[i] = match_16(plain, *at + i * 16);
		if (_mm_movemask_epi8(
			    _mm_or_si128(_mm_or_si128(m[0], m[1]), _mm_or_si128(m[2], m[3]))) == 0)
			continue;
		for (int i = 0; i < 4; i++)
			places |= (uint64_t)(unsigned)_mm_movemask_epi8(m[i]) << (i * 16);
		found = check_places(plain, *at, places);
		if (found != NULL)
			return found;
	}
	for (; end - *at >= (ptrdiff_t)(16 + plain->len - 1); *at += 16) {
		found = check_places(plain, *at, (unsigned)_mm_movemask_epi8(match_16(plain, *at)));
		if (found != NULL)
			return found;
	}
	return NULL;
}

#else

static const char *find_in_blocks(const struct leat_plain *plain, const char **at, const char *end)
{
	(void)plain, (void)at, (void)end;
	return NULL;
}

#endif

const char *leat_plain_find(const struct leat_plain *plain, const char *in, size_t len)
{
	const char *at = in, *end = in + len, *found;

	if (plain->len == 0)
		return in;
	found = find_in_blocks(plain, &at, end);
	return found != NULL ? found : memmem(at, (size_t)(end - at), plain->text, plain->len);
}
