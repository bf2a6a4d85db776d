/*
 * text/expr_code.h: what the parts of an expression's compiler and evaluator share.
 *
 *     text --expr_lex.c--> tokens --expr_parse.c--> typed nodes (expr_tree.c) --expr_emit.c-->
 *     struct expr_program --expr_open.c--> struct leat_expr, which expr_open.c runs
 *
 * A program is a list of operations, each a loop over columns. The columns of the program are
 * constants, inputs, fields and memory for what is between; an operation never writes to a column
 * that it reads. Memory is used again once nothing reads it any more.
 *
 * Selections. `within` of an operation is the number of a list of items. Selection 0 has all items.
 * EXPR_SELECT makes another of the items of its own selection for which a truth value holds.
 * Invariant: a loop that reads texts keeps to its selection. If not: it would read a text that is
 * not there, as the loop that writes it keeps to that selection, too. Loops over numbers and truth
 * values go over all items, as they are fast and any bytes are numbers; what they compute outside
 * of the selection is never used.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_EXPR_CODE_H
#define LEAT_TEXT_EXPR_CODE_H

#include "text/expr.h"
#include "tools/leat/flow/pattern.h"

/* Each loop: its code, and the function leat_expr_NAME(). */
#define EXPR_LOOPS(X) \
	X(ADD_I, add_i) \
	X(SUB_I, sub_i) \
	X(MUL_I, mul_i) \
	X(DIV_I, div_i) \
	X(MOD_I, mod_i) \
	X(DIV_BY_I, div_by_i) /* by a constant: op->value, op->magic, op->shift */ \
	X(MOD_BY_I, mod_by_i) \
	X(MULTIPLE_I, multiple_i) /* whether a is a multiple of a constant; op->b: is none */ \
	X(NEG_I, neg_i) \
	X(ABS_I, abs_i) \
	X(MIN_I, min_i) \
	X(MAX_I, max_i) \
	X(ADD_D, add_d) \
	X(SUB_D, sub_d) \
	X(MUL_D, mul_d) \
	X(DIV_D, div_d) \
	X(MOD_D, mod_d) \
	X(NEG_D, neg_d) \
	X(ABS_D, abs_d) \
	X(MIN_D, min_d) \
	X(MAX_D, max_d) \
	X(ROUND_D, round_d) \
	X(FLOOR_D, floor_d) \
	X(EQ_I, eq_i) \
	X(NE_I, ne_i) \
	X(LT_I, lt_i) \
	X(LE_I, le_i) \
	X(EQ_D, eq_d) \
	X(NE_D, ne_d) \
	X(LT_D, lt_d) \
	X(LE_D, le_d) \
	X(EQ_T, eq_t) \
	X(NE_T, ne_t) \
	X(LT_T, lt_t) \
	X(LE_T, le_t) \
	X(EQ_TI, eq_ti) /* a text with an integer */ \
	X(NE_TI, ne_ti) \
	X(LT_TI, lt_ti) \
	X(LE_TI, le_ti) \
	X(GT_TI, gt_ti) \
	X(GE_TI, ge_ti) \
	X(EQ_B, eq_b) /* truth values */ \
	X(NE_B, ne_b) \
	X(NOT, not ) \
	X(AND, and) \
	X(AND_NOT, and_not) \
	X(OR, or) \
	X(SELECT, select)     /* of a those that are not op->b; may pass op->skip operations */ \
	X(CHOOSE_I, choose_i) /* a ? b : c */ \
	X(CHOOSE_D, choose_d) \
	X(CHOOSE_T, choose_t) \
	X(CHOOSE_B, choose_b) \
	X(I_TO_D, i_to_d) /* absent where b is */ \
	X(I_TO_T, i_to_t) \
	X(D_TO_I, d_to_i) /* op->absent is written */ \
	X(D_TO_T, d_to_t) \
	X(T_TO_I, t_to_i) /* op->absent is written */ \
	X(T_TO_D, t_to_d) \
	X(MATCH, match) /* pattern op->pattern */ \
	X(CONTAINS, contains) \
	X(STARTS, starts) \
	X(ENDS, ends) \
	X(LEN, len) \
	X(UPPER, upper) \
	X(LOWER, lower) \
	X(TRIM, trim) \
	X(SUBSTR, substr) /* of a, from b, c bytes; empty where op->absent is true */ \
	X(CONCAT, concat) /* op->value columns, from program->list[op->a] on */

enum expr_code {
#define EXPR_CODE(code, name) EXPR_##code,
	EXPR_LOOPS(EXPR_CODE)
#undef EXPR_CODE
	/* Leaves of the tree, which are columns. */
	EXPR_CONSTANT,
	EXPR_ITEM,
	EXPR_FIELD,
	EXPR_COLUMN,
	/* Nodes that are several operations. */
	EXPR_EITHER,
	EXPR_BOTH,
	EXPR_CHOOSE
};

#define EXPR_NO_COLUMN UINT16_MAX

/*
 * Sizes of a program. A node becomes at most five operations and as many columns: a ? : of integers
 * is two EXPR_SELECT and two EXPR_CHOOSE, and has a constant for what is not absent.
 */
#define EXPR_OPS_MAX (5 * LEAT_EXPR_NODES)
#define EXPR_COLUMNS_MAX (5 * LEAT_EXPR_NODES)

struct expr_op {
	uint16_t code;
	uint16_t to;     /* the column that is written; of SELECT: the selection */
	uint16_t absent; /* a column of truth values, or EXPR_NO_COLUMN */
	uint16_t a, b, c;
	uint16_t within;  /* selection */
	uint16_t skip;    /* SELECT: operations to pass if it selects nothing */
	uint16_t pattern; /* MATCH: which of the program's */
	uint8_t shift;    /* DIV_BY_I, MOD_BY_I, MULTIPLE_I, as value, magic and sum */
	int64_t value, magic;
	uint64_t sum;
};

enum expr_column_kind {
	EXPR_MEMORY,
	EXPR_CONSTANT_COLUMN,
	EXPR_ITEM_COLUMN,  /* $: the caller's array, or the texts of lines */
	EXPR_FIELD_COLUMN, /* $N */
	EXPR_INPUT_COLUMN  /* $NAME */
};

/* A constant. Texts are in program->texts, each with a NUL behind it. */
struct expr_value {
	union {
		int64_t integer;
		double decimal;
		uint8_t truth;
		struct {
			size_t at, len;
		} text;
	};
	bool absent; /* an integer */
};

struct expr_column {
	uint8_t kind, type;
	uint16_t uses;           /* while operations are emitted: what will still read it */
	int32_t number;          /* of a field; the caller's, of an input */
	struct expr_value value; /* of a constant */
};

struct expr_field {
	uint32_t number; /* from 1, from the front or from the end */
	uint16_t column;
};

/* Fields from the front and from the end, in order. */
struct expr_split {
	struct expr_field *front, *back;
	uint16_t front_count, back_count;
};

struct expr_program {
	struct expr_op *ops;
	struct expr_column *columns;
	struct expr_split fields;
	uint16_t *list;   /* operands of EXPR_CONCAT */
	size_t *patterns; /* where each pattern is in texts */
	char *texts;
	size_t texts_len;
	uint16_t ops_count, columns_count, list_count, patterns_count;
	uint16_t selections;    /* how many at once, with that of all items */
	uint16_t line;          /* the column of $, if items are lines and it is used */
	uint16_t value, absent; /* columns of the result */
	uint8_t items, type;
};

/* Memory for texts that are made: chunks, of which a run uses as many as it needs. */
struct expr_chunk {
	struct expr_chunk *next;
	size_t size, used;
	char bytes[];
};

struct leat_expr {
	struct expr_program program;
	size_t max, n;
	void **columns; /* of the program; inputs are set by each run */
	void *memory;   /* of all columns that are not inputs */
	uint16_t **selected;
	size_t *selected_counts;
	struct leat_pattern **patterns;
	struct expr_chunk *chunks, *chunk; /* all; the one in use */
};

struct expr_node {
	uint16_t code;
	uint8_t type, kids_count;
	bool dear;   /* it is worth a selection */
	uint16_t at; /* where it begins in the text */
	uint16_t kids[3];
	int32_t number;          /* EXPR_FIELD, EXPR_COLUMN */
	struct expr_value value; /* EXPR_CONSTANT */
};

enum expr_token_kind {
	EXPR_T_END,
	EXPR_T_INTEGER,
	EXPR_T_DECIMAL,
	EXPR_T_TEXT,
	EXPR_T_ITEM,
	EXPR_T_FIELD,
	EXPR_T_NAME,
	EXPR_T_WORD,
	EXPR_T_OPERATOR /* token->spelling */
};

struct expr_token {
	enum expr_token_kind kind;
	uint16_t at, from, len; /* from, len: what a text, a name or a word has between its ends */
	char spelling[3];
	uint64_t integer;
	double decimal;
	int32_t field;
};

/* A text on its way to be a program. Nodes are numbered from 1; 0 says that there is a mistake. */
struct expr_build {
	const char *text;
	const struct leat_expr_opts *opts;
	struct leat_mistake *mistake;
	int rc; /* -EINVAL, -ENOMEM; the first one stays */
	size_t next;
	struct expr_token token; /* the one that is looked at */
	unsigned nesting, nodes_count;
	struct expr_node nodes[LEAT_EXPR_NODES + 1];

	struct expr_program program;
	size_t texts_size;
	struct expr_op ops[EXPR_OPS_MAX];
	struct expr_column columns[EXPR_COLUMNS_MAX];
	struct expr_field front[LEAT_EXPR_NODES], back[LEAT_EXPR_NODES];
	uint16_t list[LEAT_EXPR_NODES];
	size_t patterns[LEAT_EXPR_NODES];
};

/* Sets the mistake, unless there is one already, and returns 0. */
uint16_t leat_expr_fail(struct expr_build *b, size_t at, const char *wanted, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* expr_lex.c: makes the next token b->token; false with a mistake. */
bool leat_expr_next(struct expr_build *b);
bool leat_expr_is(const struct expr_build *b, const char *spelling);

/* expr_parse.c: the whole text, to one node. */
uint16_t leat_expr_parse(struct expr_build *b);

/*
 * expr_tree.c: nodes with their types. A node 0 as an operand gives 0. A node of constants is a
 * constant.
 */
uint16_t leat_expr_leaf(struct expr_build *b, struct expr_node node);
uint16_t leat_expr_constant_text(struct expr_build *b, size_t at, const char *text, size_t len);
uint16_t leat_expr_unary(struct expr_build *b, size_t at, char operator_, uint16_t x);
uint16_t leat_expr_binary(struct expr_build *b, const struct expr_token *operator_, uint16_t x,
                          uint16_t y);
uint16_t leat_expr_choose(struct expr_build *b, uint16_t condition, uint16_t x, uint16_t y);
uint16_t leat_expr_call(struct expr_build *b, const struct expr_token *word, uint16_t *args,
                        unsigned count);
const char *leat_expr_functions(void); /* their names, for a mistake */

/* expr_emit.c: makes b->program that of a node. */
void leat_expr_emit(struct expr_build *b, uint16_t node);

/* expr_open.c: makes an evaluator, with its own copy of the program. */
int leat_expr_make(const struct expr_program *program, size_t max, struct leat_expr **expr);

/* expr_number.c */
enum expr_number { EXPR_NO_NUMBER, EXPR_IS_INTEGER, EXPR_IS_DECIMAL };
/* Sets *decimal of every number, and *integer of one that is EXPR_IS_INTEGER. */
enum expr_number leat_expr_read(const char *text, size_t len, int64_t *integer, double *decimal);
/* Reads the number at the front of a text, without a sign; returns its length, 0 if none. */
size_t leat_expr_read_prefix(const char *text, size_t len, bool *integer, double *decimal);
#define EXPR_WRITTEN_MAX 32
size_t leat_expr_write_integer(char *to, int64_t number);
size_t leat_expr_write_decimal(char *to, double number);

/* expr_fields.c: fills the columns of all fields of n lines. */
void leat_expr_split(const struct expr_split *split, void *const *columns,
                     const struct leat_line *lines, size_t n);

/* expr_texts.c: memory until the next run, NULL without memory; and the end of all of it. */
char *leat_expr_memory(struct leat_expr *expr, size_t len);
void leat_expr_forget(struct leat_expr *expr);

/* Loops return 0; SELECT: how many operations to pass; those that make texts: -ENOMEM. */
#define EXPR_LOOP(code, name) \
	int leat_expr_##name(struct leat_expr *expr, const struct expr_op *op);
EXPR_LOOPS(EXPR_LOOP)
#undef EXPR_LOOP

#endif
