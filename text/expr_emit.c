/*
 * text/expr_emit.c: nodes to operations over columns. See expr_code.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <assert.h>
#include <string.h>

#define NO EXPR_NO_COLUMN

/* The columns of a node's values, each of which is one use. */
struct expr_result {
	uint16_t value, absent; /* absent: NO, but of some integers */
};

struct emitter {
	struct expr_build *b;
	struct expr_program *program;
	uint16_t within; /* selection of what is emitted now */
};

static struct expr_result emit_node(struct emitter *e, uint16_t n);

static uint16_t add_column(struct emitter *e, struct expr_column column)
{
	uint16_t at = e->program->columns_count++;

	assert(at < EXPR_COLUMNS_MAX);
	e->b->columns[at] = column;
	e->b->columns[at].uses = 1;
	return at;
}

/* Memory that nothing will read any more, or more memory. */
static uint16_t add_memory(struct emitter *e, unsigned type)
{
	for (uint16_t i = 0; i < e->program->columns_count; i++) {
		struct expr_column *column = &e->b->columns[i];
		if (column->kind == EXPR_MEMORY && column->type == type && column->uses == 0) {
			column->uses = 1;
			return i;
		}
	}
	return add_column(e, (struct expr_column){ .kind = EXPR_MEMORY, .type = (uint8_t)type });
}

static uint16_t use_again(struct emitter *e, uint16_t column)
{
	if (column != NO)
		e->b->columns[column].uses++;
	return column;
}

static void end_use(struct emitter *e, uint16_t column)
{
	if (column != NO)
		e->b->columns[column].uses--;
}

static struct expr_op *add_op(struct emitter *e, unsigned code, uint16_t to, uint16_t x, uint16_t y)
{
	struct expr_op *op = &e->b->ops[e->program->ops_count++];

	assert(e->program->ops_count <= EXPR_OPS_MAX);
	*op = (struct expr_op){ .code = (uint16_t)code,
		                .to = to,
		                .absent = NO,
		                .a = x,
		                .b = y,
		                .c = NO,
		                .within = e->within };
	return op;
}

/* Ends the uses of x and y, which may be NO, and returns a column of truth values. */
static uint16_t combine_truths(struct emitter *e, unsigned code, uint16_t x, uint16_t y)
{
	if (y == NO)
		return x;
	if (x == NO)
		return y;
	uint16_t to = add_memory(e, LEAT_EXPR_TRUTH);
	add_op(e, code, to, x, y);
	end_use(e, x);
	end_use(e, y);
	return to;
}

static uint16_t add_constant(struct emitter *e, unsigned type, struct expr_value value)
{
	return add_column(e, (struct expr_column){ .kind = EXPR_CONSTANT_COLUMN,
	                                           .type = (uint8_t)type,
	                                           .value = value });
}

static struct expr_result emit_constant(struct emitter *e, const struct expr_node *node)
{
	struct expr_result r = { add_constant(e, node->type, node->value), NO };

	if (node->type == LEAT_EXPR_INTEGER && node->value.absent)
		r.absent = add_constant(e, LEAT_EXPR_TRUTH, (struct expr_value){ .truth = 1 });
	return r;
}

/* Fields are kept in order, so that one pass over a line finds all of them. */
static void add_field(struct emitter *e, int32_t number, uint16_t column)
{
	struct expr_field *list = number > 0 ? e->b->front : e->b->back;
	uint16_t *count =
		number > 0 ? &e->program->fields.front_count : &e->program->fields.back_count;
	uint32_t n = (uint32_t)(number > 0 ? number : -number);
	size_t i = (*count)++;

	for (; i > 0 && list[i - 1].number > n; i--)
		list[i] = list[i - 1];
	list[i] = (struct expr_field){ n, column };
}

/* The item, fields and the caller's columns: one column each, however often they are named. */
static struct expr_result emit_input(struct emitter *e, const struct expr_node *node)
{
	uint8_t kind = node->code == EXPR_ITEM    ? EXPR_ITEM_COLUMN
	               : node->code == EXPR_FIELD ? EXPR_FIELD_COLUMN
	                                          : EXPR_INPUT_COLUMN;

	for (uint16_t i = 0; i < e->program->columns_count; i++) {
		const struct expr_column *column = &e->b->columns[i];
		if (column->kind == kind && column->number == node->number &&
		    column->type == node->type)
			return (struct expr_result){ use_again(e, i), NO };
	}
	uint16_t at = add_column(
		e,
		(struct expr_column){ .kind = kind, .type = node->type, .number = node->number });
	if (kind == EXPR_FIELD_COLUMN)
		add_field(e, node->number, at);
	if (kind == EXPR_ITEM_COLUMN && node->type == LEAT_EXPR_TEXT)
		e->program->line = at;
	return (struct expr_result){ at, NO };
}

/*
 * Emits a node for the items for which a truth value holds, or does not. If the node is cheap, for
 * all items.
 */
static struct expr_result emit_where(struct emitter *e, uint16_t truth, bool negated, uint16_t n)
{
	uint16_t outside = e->within, at = e->program->ops_count;

	if (!e->b->nodes[n].dear)
		return emit_node(e, n);
	add_op(e, EXPR_SELECT, (uint16_t)(outside + 1), truth, negated);
	e->within = (uint16_t)(outside + 1);
	if (e->program->selections <= e->within)
		e->program->selections = (uint16_t)(e->within + 1);
	struct expr_result r = emit_node(e, n);
	e->within = outside;
	e->b->ops[at].skip = (uint16_t)(e->program->ops_count - at - 1);
	return r;
}

static struct expr_result emit_logic(struct emitter *e, const struct expr_node *node)
{
	bool either = node->code == EXPR_EITHER;
	struct expr_result x = emit_node(e, node->kids[0]);
	struct expr_result y = emit_where(e, x.value, either, node->kids[1]);

	return (struct expr_result){
		combine_truths(e, either ? EXPR_OR : EXPR_AND, x.value, y.value), NO
	};
}

static uint16_t choose_column(struct emitter *e, unsigned type, uint16_t truth, uint16_t x,
                              uint16_t y)
{
	static const uint16_t codes[] = { EXPR_CHOOSE_I, EXPR_CHOOSE_D, EXPR_CHOOSE_T,
		                          EXPR_CHOOSE_B };
	uint16_t to = add_memory(e, type);

	add_op(e, codes[type], to, truth, x)->c = y;
	end_use(e, x);
	end_use(e, y);
	return to;
}

static struct expr_result emit_choose(struct emitter *e, const struct expr_node *node)
{
	struct expr_result truth = emit_node(e, node->kids[0]);
	struct expr_result x = emit_where(e, truth.value, false, node->kids[1]);
	struct expr_result y = emit_where(e, truth.value, true, node->kids[2]);
	struct expr_result r = { choose_column(e, node->type, truth.value, x.value, y.value), NO };

	if (x.absent != NO || y.absent != NO) {
		const struct expr_value never = { .truth = 0 };
		if (x.absent == NO)
			x.absent = add_constant(e, LEAT_EXPR_TRUTH, never);
		if (y.absent == NO)
			y.absent = add_constant(e, LEAT_EXPR_TRUTH, never);
		r.absent = choose_column(e, LEAT_EXPR_TRUTH, truth.value, x.absent, y.absent);
	}
	end_use(e, truth.value);
	return r;
}

/* a .. b .. c is one operation. */
static struct expr_result emit_join(struct emitter *e, uint16_t n)
{
	uint16_t parts[LEAT_EXPR_NODES];
	unsigned count = 0;

	for (; e->b->nodes[n].code == EXPR_CONCAT; n = e->b->nodes[n].kids[0])
		parts[count++] = e->b->nodes[n].kids[1];
	parts[count++] = n;
	for (unsigned i = count; i-- > 0;)
		parts[i] = emit_node(e, parts[i]).value;
	struct expr_op *op =
		add_op(e, EXPR_CONCAT, add_memory(e, LEAT_EXPR_TEXT), e->program->list_count, NO);
	op->value = count;
	for (unsigned i = count; i-- > 0;) {
		e->b->list[e->program->list_count++] = parts[i];
		end_use(e, parts[i]);
	}
	return (struct expr_result){ op->to, NO };
}

static struct expr_result emit_match(struct emitter *e, const struct expr_node *node)
{
	struct expr_result x = emit_node(e, node->kids[0]);
	uint16_t to = add_memory(e, LEAT_EXPR_TRUTH), pattern = e->program->patterns_count++;

	e->b->patterns[pattern] = e->b->nodes[node->kids[1]].value.text.at;
	add_op(e, EXPR_MATCH, to, x.value, NO)->pattern = pattern;
	end_use(e, x.value);
	return (struct expr_result){ to, NO };
}

/* "Hacker's Delight", 10-1: multipliers for a division by d, of 2 or more. */
static void find_multiplier(uint64_t d, struct expr_op *op)
{
	const uint64_t half = UINT64_C(1) << 63;
	uint64_t limit = half - 1 - half % d;
	uint64_t q1 = half / limit, r1 = half % limit, q2 = half / d, r2 = half % d, delta;
	unsigned power = 63;

	do {
		power++;
		bool more1 = r1 >= limit - r1, more2 = r2 >= d - r2;
		q1 = 2 * q1 + more1;
		r1 = 2 * r1 - (more1 ? limit : 0);
		q2 = 2 * q2 + more2;
		r2 = 2 * r2 - (more2 ? d : 0);
		delta = d - r2;
	} while (q1 < delta || (q1 == delta && r1 == 0));
	op->magic = (int64_t)(q2 + 1);
	op->shift = (uint8_t)(power - 64);
}

/* Truth values where an integer is absent: != is true, the others are false. */
static uint16_t settle_absent(struct emitter *e, unsigned code, uint16_t truth, uint16_t absent)
{
	bool unequal = code == EXPR_NE_I || code == EXPR_NE_TI;

	return combine_truths(e, unequal ? EXPR_OR : EXPR_AND_NOT, truth, absent);
}

/* A constant that a multiplication can take the place of: all but 0, 1, -1 and the least. */
static bool is_multiplier(const struct expr_node *by)
{
	return by->code == EXPR_CONSTANT && !by->value.absent && by->value.integer != INT64_MIN &&
	       (by->value.integer < -1 || by->value.integer > 1);
}

static uint64_t magnitude_of(const struct expr_node *number)
{
	return (uint64_t)(number->value.integer < 0 ? -number->value.integer
	                                            : number->value.integer);
}

static struct expr_result emit_division_by(struct emitter *e, const struct expr_node *node,
                                           const struct expr_node *by)
{
	struct expr_result x = emit_node(e, node->kids[0]);
	uint16_t to = add_memory(e, LEAT_EXPR_INTEGER);
	struct expr_op *op = add_op(e, node->code == EXPR_DIV_I ? EXPR_DIV_BY_I : EXPR_MOD_BY_I, to,
	                            x.value, NO);

	op->value = by->value.integer;
	find_multiplier(magnitude_of(by), op);
	end_use(e, x.value);
	return (struct expr_result){ to, x.absent };
}

/* Whether a comparison is x % N == 0 or x % N != 0. */
static bool asks_for_multiple(const struct emitter *e, const struct expr_node *node)
{
	const struct expr_node *x = &e->b->nodes[node->kids[0]], *y = &e->b->nodes[node->kids[1]];

	return (node->code == EXPR_EQ_I || node->code == EXPR_NE_I) && x->code == EXPR_MOD_I &&
	       is_multiplier(&e->b->nodes[x->kids[1]]) && y->code == EXPR_CONSTANT &&
	       !y->value.absent && y->value.integer == 0;
}

/*
 * "Hacker's Delight", 10-17. N is odd * 2^shift. A multiplication by the inverse of odd, a sum and
 * a rotation by shift map the integers one to one, and the multiples of N to 0 ... 2 * limit, where
 * limit is the largest quotient. The least integer is a multiple of a power of two only: for these
 * the multiples are what has no bit below shift.
 */
static void find_inverse(uint64_t n, struct expr_op *op)
{
	unsigned shift = (unsigned)__builtin_ctzll(n);
	uint64_t odd = n >> shift, inverse = odd, limit = (uint64_t)INT64_MAX / n;

	for (int i = 0; i < 5; i++) /* of 3 bits that are right, 6, 12, 24, 48 and all */
		inverse *= 2 - odd * inverse;
	op->magic = (int64_t)inverse;
	op->shift = (uint8_t)shift;
	op->sum = odd != 1 ? limit << shift : 0;
	op->value = (int64_t)(odd != 1 ? 2 * limit : UINT64_MAX >> shift);
}

static struct expr_result emit_multiple(struct emitter *e, const struct expr_node *node)
{
	const struct expr_node *remainder = &e->b->nodes[node->kids[0]];
	struct expr_result x = emit_node(e, remainder->kids[0]);
	uint16_t to = add_memory(e, LEAT_EXPR_TRUTH);

	find_inverse(magnitude_of(&e->b->nodes[remainder->kids[1]]),
	             add_op(e, EXPR_MULTIPLE_I, to, x.value, node->code == EXPR_NE_I));
	end_use(e, x.value);
	return (struct expr_result){ settle_absent(e, node->code, to, x.absent), NO };
}

/* The quotient is absent where the divisor is 0. */
static struct expr_result emit_division(struct emitter *e, const struct expr_node *node)
{
	const struct expr_node *by = &e->b->nodes[node->kids[1]];
	bool constant = by->code == EXPR_CONSTANT && !by->value.absent && by->value.integer != 0;

	if (is_multiplier(by))
		return emit_division_by(e, node, by);
	struct expr_result x = emit_node(e, node->kids[0]), y = emit_node(e, node->kids[1]);
	struct expr_result r = { add_memory(e, LEAT_EXPR_INTEGER),
		                 combine_truths(e, EXPR_OR, x.absent, y.absent) };
	add_op(e, node->code, r.value, x.value, y.value);
	if (!constant) {
		uint16_t zero = add_constant(e, LEAT_EXPR_INTEGER, (struct expr_value){ 0 });
		uint16_t is_zero = add_memory(e, LEAT_EXPR_TRUTH);
		add_op(e, EXPR_EQ_I, is_zero, y.value, zero);
		r.absent = combine_truths(e, EXPR_OR, r.absent, is_zero);
	}
	end_use(e, x.value);
	end_use(e, y.value);
	return r;
}

static struct expr_result emit_plain(struct emitter *e, const struct expr_node *node)
{
	struct expr_result x = emit_node(e, node->kids[0]), y = { NO, NO }, z = { NO, NO };

	if (node->kids_count > 1)
		y = emit_node(e, node->kids[1]);
	if (node->kids_count > 2)
		z = emit_node(e, node->kids[2]);
	/* Before memory is asked for, so that no absent column is written over. */
	uint16_t absent = combine_truths(e, EXPR_OR, x.absent, y.absent);
	absent = combine_truths(e, EXPR_OR, absent, z.absent);
	struct expr_result r = { add_memory(e, node->type), NO };
	struct expr_op *op = add_op(e, node->code, r.value, x.value, y.value);
	op->c = z.value;
	end_use(e, x.value);
	end_use(e, y.value);
	end_use(e, z.value);
	switch (node->code) {
	case EXPR_I_TO_D:
	case EXPR_I_TO_T:
		op->b = absent;
		end_use(e, absent);
		break;
	case EXPR_SUBSTR:
		op->absent = absent;
		end_use(e, absent);
		break;
	case EXPR_D_TO_I:
	case EXPR_T_TO_I:
		op->absent = r.absent = add_memory(e, LEAT_EXPR_TRUTH);
		break;
	default:
		if (node->type == LEAT_EXPR_TRUTH)
			r.value = settle_absent(e, node->code, r.value, absent);
		else
			r.absent = absent;
		break;
	}
	return r;
}

static struct expr_result emit_node(struct emitter *e, uint16_t n)
{
	const struct expr_node *node = &e->b->nodes[n];

	switch (node->code) {
	case EXPR_CONSTANT:
		return emit_constant(e, node);
	case EXPR_ITEM:
	case EXPR_FIELD:
	case EXPR_COLUMN:
		return emit_input(e, node);
	case EXPR_EITHER:
	case EXPR_BOTH:
		return emit_logic(e, node);
	case EXPR_CHOOSE:
		return emit_choose(e, node);
	case EXPR_CONCAT:
		return emit_join(e, n);
	case EXPR_MATCH:
		return emit_match(e, node);
	case EXPR_DIV_I:
	case EXPR_MOD_I:
		return emit_division(e, node);
	default:
		return node->kids_count == 2 && asks_for_multiple(e, node) ? emit_multiple(e, node)
		                                                           : emit_plain(e, node);
	}
}

void leat_expr_emit(struct expr_build *b, uint16_t n)
{
	struct emitter e = { .b = b, .program = &b->program };

	b->program = (struct expr_program){
		.ops = b->ops,
		.columns = b->columns,
		.fields = { .front = b->front, .back = b->back },
		.list = b->list,
		.patterns = b->patterns,
		.texts = b->program.texts,
		.texts_len = b->program.texts_len,
		.selections = 1,
		.line = NO,
		.items = (uint8_t)b->opts->items,
		.type = b->nodes[n].type,
	};
	struct expr_result r = emit_node(&e, n);
	b->program.value = r.value;
	b->program.absent = r.absent;
}
