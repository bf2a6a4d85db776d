/*
 * tests/fuzz/fuzz.h: what the fuzz targets share.
 *
 * A target is one function. It reads the bytes of an input as a story: what is opened, and what
 * then happens to it. It calls CHECK() on what must hold; an input for which that is false ends the
 * process. tools/fuzz links a target with libFuzzer, which searches for inputs. The tests link it
 * with replay.c, which runs the inputs that are kept.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_FUZZ_H
#define LEAT_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_UNUSED __attribute__((unused))

#define CHECK(condition, ...) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s: " FUZZ_FIRST(__VA_ARGS__) "\n", __FILE__, \
			        __LINE__, #condition FUZZ_REST(__VA_ARGS__)); \
			abort(); \
		} \
	} while (0)
#define FUZZ_FIRST(first, ...) first
#define FUZZ_REST(first, ...) , ##__VA_ARGS__

/* The input, which is read from its front; after its end there are zeros. */
struct input {
	const uint8_t *at, *end;
};

static FUZZ_UNUSED unsigned next_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Returns a number from least to most. */
static FUZZ_UNUSED size_t next_in(struct input *in, size_t least, size_t most)
{
	return least + next_byte(in) % (most - least + 1);
}

/*
 * Sizes on both sides of each case that the rings distinguish: packed or not, a multiple of a word
 * or not, a line or more.
 */
static const size_t fuzz_sizes[] FUZZ_UNUSED = { 8,  1,  2,  3,  4,  5,  7,  12, 16, 20,
	                                         24, 25, 31, 32, 33, 40, 48, 64, 65, 136 };

#define FUZZ_ITEM_MAX 136
#define FUZZ_CAPACITY_MAX 40

static FUZZ_UNUSED size_t next_size(struct input *in)
{
	return fuzz_sizes[next_byte(in) % (sizeof(fuzz_sizes) / sizeof(fuzz_sizes[0]))];
}

/* The sizes that the library's own callers give as constants. */
#define BY_SIZE(size, call) \
	((size) == 8    ? call(8) \
	 : (size) == 16 ? call(16) \
	 : (size) == 4  ? call(4) \
	 : (size) == 64 ? call(64) \
	                : call(size))

/*
 * An item shows its number, as far as its size can hold it, and each of its bytes depends on the
 * number.
 */
static FUZZ_UNUSED void item_write(void *item, uint64_t number, size_t size)
{
	unsigned char *bytes = item;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(number >> i % 8 * 8) ^
		           (unsigned char)(i / 8 * 37 + number * (i / 8));
}

static FUZZ_UNUSED bool item_is(const void *item, uint64_t number, size_t size)
{
	unsigned char wanted[FUZZ_ITEM_MAX];

	item_write(wanted, number, size);
	return memcmp(item, wanted, size) == 0;
}

static FUZZ_UNUSED void *memory_open(size_t bytes)
{
	void *memory;

	CHECK(posix_memalign(&memory, 64, bytes) == 0, "no memory");
	return memset(memory, 0, bytes);
}

#endif
