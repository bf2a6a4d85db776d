/*
 * The search for a plain text finds what memmem(3) finds, in texts of all lengths and at all ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "text/plain.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In memory that ends with the text, so that a sanitizer sees a read beyond it. */
static void expect_same(const char *needle, size_t needle_len, const char *text, size_t len)
{
	struct leat_plain plain;
	char *copy = malloc(len), *wanted = malloc(needle_len);

	memcpy(copy, text, len);
	memcpy(wanted, needle, needle_len);
	leat_plain_init(&plain, wanted, needle_len);
	cr_expect_eq(leat_plain_find(&plain, copy, len), memmem(copy, len, wanted, needle_len),
	             "\"%.*s\" in \"%.*s\"", (int)needle_len, needle, (int)len, text);
	free(copy);
	free(wanted);
}

Test(text_plain, finds_the_first_place)
{
	char text[300];

	memset(text, 'a', sizeof(text));
	for (size_t len = 0; len < 200; len++)
		for (size_t at = 0; at + 5 <= len; at++) {
			memcpy(text + at, " 404 ", 5);
			expect_same(" 404 ", 5, text, len);
			expect_same(" 404 ", 5, text, at + 4);
			memset(text + at, 'a', 5);
		}
	expect_same("", 0, "abc", 3);
	expect_same("a", 1, text, 100);
	expect_same("b", 1, text, 100);
	expect_same("aaaa", 4, text, 3);
}

Test(text_plain, finds_what_memmem_finds)
{
	unsigned seed = 17;

	for (int i = 0; i < 200000; i++) {
		char text[256], needle[8];
		const size_t len = (size_t)rand_r(&seed) % sizeof(text),
			     needle_len = 1 + (size_t)rand_r(&seed) % 7;

		for (size_t k = 0; k < len; k++)
			text[k] = " 40x"[rand_r(&seed) % 4];
		for (size_t k = 0; k < needle_len; k++)
			needle[k] = " 40x"[rand_r(&seed) % 4];
		expect_same(needle, needle_len, text, len);
	}
}

Test(text_plain, looks_for_the_rarest_bytes)
{
	struct leat_plain plain;

	leat_plain_init(&plain, " 404 ", 5);
	cr_expect(plain.rare != plain.next && plain.text[plain.rare] == '4' &&
	          plain.text[plain.next] == '4');
	leat_plain_init(&plain, "z a", 3);
	cr_expect_eq(plain.rare, 0);
	cr_expect_eq(plain.next, 2);
	leat_plain_init(&plain, "a", 1);
	cr_expect_eq(plain.rare, plain.next);
}
