/*
 * leat/word.h: words of a program's own in the text of flows.
 *
 * `leat run --load ./hide.so 'lines:access.log | hide:1 | stdout'` loads a shared object and calls
 * its leat_load(), which registers words: steps and sinks, whose work is a struct leat_step of
 * lines, as in any flow (leat/flow.h).
 *
 *     LEAT_EDIT(hide_field, line, l, struct hidden *, hidden) { ...; return 0; }
 *
 *     static const struct leat_word hide = {
 *             .name = "hide", .shown = "hide:N", .wanted = "the number of a field",
 *             .step = &hide_field, .size = sizeof(struct hidden), .init = read_number,
 *     };
 *     int leat_load(void) { return leat_word_register(&hide); }
 *
 *     cc -shared -fPIC -o hide.so hide.c
 *
 * The object is not linked with libleat: the functions of libleat that it calls are those of the
 * program that loads it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_WORD_H
#define LEAT_WORD_H

#include <leat/flow.h>
#include <leat/io.h>

LEAT_BEGIN_DECLS

/* For the type's dup. Returns as leat_line_copy() does. */
static inline int leat_line_dup(void *copy, const void *line)
{
	const struct leat_line *from = (const struct leat_line *)line;

	return leat_line_copy((struct leat_line *)copy, from->data, from->len);
}

/* LEAT_T(line): what steps and ends of words are given, and what steps make. */
LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, leat_line_dup);

/* The bytes that init may write into `why`, with the NUL. */
enum { LEAT_WORD_WHY = 96 };

struct leat_word {
	/* lower-case letters, digits and hyphens, a letter first; what no other word is called */
	const char *name;
	const char *shown; /* how it is written, "hide:N", in lists of words; NULL: as its name */
	/*
	 * What is behind its colon, in words, as in "could stand here: the number of a field".
	 * NULL: nothing, and a colon is a mistake.
	 */
	const char *wanted;
	/*
	 * From lines to lines: a step. An end: a sink. Without due_ns: words are not called at
	 * times.
	 */
	const struct leat_step *step;
	/*
	 * Its state: `size` bytes of zeros, then init with what is behind the colon ("" where that
	 * is nothing), for each thread; fini where init has returned 0. init returns 0, or -errno
	 * with `why` in words, which are shown above the text of the flow, with a caret. It is also
	 * called, with fini behind it, where a text is only checked. Both may be NULL.
	 */
	size_t size;
	int (*init)(void *state, const char *argument, char why[LEAT_WORD_WHY]);
	void (*fini)(void *state);
	/* several workers may run it: a state knows nothing of the lines of other threads */
	bool many;
	uint64_t reserved[4]; /* zero */
};

/*
 * For leat_load(). The word, and all that it points to, is kept until the process ends. Returns 0;
 * -EEXIST: there is such a word; -EINVAL: it is against the rules above, or its caller was compiled
 * for another layout; -ENOSPC: there are 64.
 */
#define leat_word_register(word) \
	leat_detail_word_register(LEAT_FLOW_ABI << 16 | (unsigned)sizeof(struct leat_word), word)
LEAT_API int leat_detail_word_register(unsigned abi, const struct leat_word *word);

/* What the shared object defines. Returns 0, or -errno: then the program says so, and ends. */
LEAT_API int leat_load(void);

LEAT_END_DECLS

#endif
