/*
 * text/expr.h: expressions over vectors of items, for filter: and map: of a flow as text.
 *
 *     $9 == 404 && $7 ~ "^/blog/"            lines whose ninth and seventh field are so
 *     upper($1) .. ": " .. $10 / 1k          a text for each line
 *     $ % 3 == 0 ? $ / 3 : -$                a number for each number
 *
 * A step opens an expression once, and runs it for each vector:
 *
 *     struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES, .max = 256 };
 *     struct leat_expr_values values;
 *     rc = leat_expr_open("$9 == 404", &opts, &expr, &mistake);
 *     if (leat_expr_run(expr, lines, NULL, n, &values) == 0 && values.truths[i])
 *             ...                            line i goes on
 *     leat_expr_close(expr);
 *
 * Grammar. Blanks may stand between any two tokens.
 *
 *     EXPR    = EITHER [? EXPR : EXPR]
 *     EITHER  = BOTH [|| BOTH]...
 *     BOTH    = COMPARE [&& COMPARE]...
 *     COMPARE = JOIN [OPERATOR JOIN]         OPERATOR: == != < <= > >= ~ !~
 *     JOIN    = SUM [.. SUM]...              texts one behind the other
 *     SUM     = TERM [+ TERM | - TERM]...
 *     TERM    = SIGNED [* SIGNED | / SIGNED | % SIGNED]...
 *     SIGNED  = - SIGNED | ! SIGNED | OPERAND
 *     OPERAND = $ | $N | $-N | $NAME | ${NAME} | NUMBER | TEXT | FUNCTION(EXPR, ...) | (EXPR)
 *
 *     $           the item: an integer, a decimal, or the text of a line ($0 is the same)
 *     $N, $-N     the Nth field of a line from its front, or its end; fields are apart by runs of
 *                 blanks and tabs, as in awk. A field that is missing is an empty text
 *     $NAME       a column that the caller supplies; NAME has letters, figures and "_", ${NAME}
 *                 any byte but "}". The caller may supply $N and $-N, too
 *     NUMBER      12, 10k, 2M, 1G: integers (k, M and G are powers of 1000); 1.5, 1e3, 1.5k:
 *                 decimals
 *     TEXT        in "..." or '...', without escapes
 *     x ~ y       whether the regular expression y (tools/leat/flow/pattern.h), which must be
 *                 constant, has a match in x
 *
 * Functions. Places and lengths are in bytes; case is that of ASCII letters.
 *
 *     len(x)  upper(x)  lower(x)  trim(x)               trim: off blanks, tabs, CR at both ends
 *     substr(x, from, n)  substr(x, from)               places from up to from + n, from 1 on
 *     contains(x, y)  starts(x, y)  ends(x, y)          truth values
 *     num(x)  int(x)  text(x)                           int: cuts decimals toward zero
 *     abs(x)  min(x, y, ...)  max(x, y, ...)  round(x)  floor(x)      round: half away from zero
 *
 * Types. Each expression has one of four types, which is known when it is opened.
 *
 *     integer     64 bits. + - * and abs wrap around. / cuts toward zero
 *     decimal     a double. An integer beside a decimal becomes one
 *     text        bytes. Two texts are compared byte by byte
 *     truth       of comparisons; ! && || and ? take nothing else, arithmetic and texts do not
 *                 take it
 *
 * A text where a number is needed is read as a number, if all of it is one: a sign, figures with a
 * point, an exponent; blanks, tabs and CR around it do not count; 128 bytes at most. In a
 * comparison with an integer a text that is an integer is compared as one. In arithmetic each text
 * is a decimal; int(x) reads an integer of 64 bits. A number where a text is needed is written as
 * %.15g does, or %.17g if 15 figures do not tell it.
 *
 * Absent. A number that there is not is absent: a text that is no number, x / 0, x % 0, a decimal
 * that int() can't hold. What is computed from an absent number is absent. A comparison with an
 * absent number is false, but != is true. The text of it is empty. A decimal that is absent is a
 * NaN.
 *
 * Vectors. An expression is compiled to a list of loops over columns. && || ? : compute both sides
 * for all items, except that a side that searches, reads or makes texts is computed only for the
 * items that need it. No value depends on that, as no expression has a side effect.
 *
 * One thread at a time uses a struct leat_expr. leat_expr_clone() makes one for a further thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_EXPR_H
#define LEAT_TEXT_EXPR_H

#include "text/text.h"
#include "tools/leat/flow/parse.h"

#include <leat/io.h>

/* Bounds, beyond which a text is a mistake: bytes, operands and operators, parentheses. */
#define LEAT_EXPR_BYTES 4096u
#define LEAT_EXPR_NODES 256u
#define LEAT_EXPR_NESTING 64u
#define LEAT_EXPR_FIELD_MAX 9999u
#define LEAT_EXPR_ITEMS_MAX 4096u /* the largest vector that can be asked for */

enum leat_expr_type {
	LEAT_EXPR_INTEGER, /* int64_t */
	LEAT_EXPR_DECIMAL, /* double */
	LEAT_EXPR_TEXT,    /* struct leat_text */
	LEAT_EXPR_TRUTH    /* uint8_t, 0 or 1 */
};

enum leat_expr_items {
	LEAT_EXPR_INTEGERS, /* int64_t */
	LEAT_EXPR_DECIMALS, /* double */
	LEAT_EXPR_LINES     /* struct leat_line */
};

/* What the names of columns mean. */
struct leat_expr_names {
	/*
	 * Returns the place of the column in the list that leat_expr_run() gets, below 65535, and
	 * its type in *type; a negative number if there is none of this name.
	 */
	int (*find)(void *data, const char *name, size_t len, enum leat_expr_type *type);
	/*
	 * The same for $N and $-N, which then are columns of texts; number: N, below 0 for $-N.
	 * NULL: they are the fields of the line that are apart by blanks.
	 */
	int (*find_field)(void *data, int number);
	void *data;
	const char *known; /* for the mistake: "one of time, level"; NULL: nothing to say */
	/* for the mistake: why there are no names at all; NULL: there is no column of this name */
	const char *none;
};

struct leat_expr_opts {
	enum leat_expr_items items;
	size_t max;                          /* items of the largest vector */
	const struct leat_expr_names *names; /* NULL: no columns; not used after open */
};

/* The values of an expression, one for each item: the pointer of its type, the others are NULL. */
struct leat_expr_values {
	enum leat_expr_type type;
	const int64_t *integers;
	const uint8_t *absent; /* which integers are absent (and 0); NULL: none is */
	const double *decimals;
	const struct leat_text *texts;
	const uint8_t *truths;
};

struct leat_expr;

/*
 * Returns 0, and the caller closes the expression; -EINVAL with the mistake, or with an empty one
 * if opts->max is 0 or above LEAT_EXPR_ITEMS_MAX; -ENOMEM.
 */
int leat_expr_open(const char *text, const struct leat_expr_opts *opts, struct leat_expr **expr,
                   struct leat_mistake *mistake);
/* Another one for another thread, which nothing is shared with. Returns 0 or -ENOMEM. */
int leat_expr_clone(const struct leat_expr *expr, struct leat_expr **clone);
void leat_expr_close(struct leat_expr *expr); /* NULL does nothing */

enum leat_expr_type leat_expr_type(const struct leat_expr *expr);

/*
 * Computes the values of n items, at most opts->max. columns: arrays of n values, as names->find
 * numbered them, truth values 0 or 1; NULL if the expression names none. The values are valid until
 * the next call, and while the items and columns are: a text may point into them. Returns 0;
 * -EINVAL if n is above opts->max; or -ENOMEM, which only an expression that makes texts returns.
 */
int leat_expr_run(struct leat_expr *expr, const void *items, const void *const *columns, size_t n,
                  struct leat_expr_values *values);

#endif
