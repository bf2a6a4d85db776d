/*
 * perf/loops.h: the loops, the same for each contestant. Included once for each PIPE (perf/peer.h says how); defines
 * the contestant as PIPE_contestant.
 *
 * What a loop reads is copied first: a ring's barriers make the compiler read memory again, and a part is memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef PIPE_OPS
#define PIPE_OPS PIPE
#endif
#define FN(name) PASTE(PIPE, name)
#define OP(name) PASTE(PIPE_OPS, name)
#define LOOP static __attribute__((noinline)) void
#define BODY static inline __attribute__((always_inline)) void
/* A body as two loops: for one thread on each side, and for crowds. */
#define BOTH(name) \
	LOOP FN(name##_alone)(struct part *part) \
	{ \
		FN(name##_body)(part, true); \
	} \
	LOOP FN(name)(struct part *part) \
	{ \
		if (part->alone) \
			FN(name##_alone)(part); \
		else \
			FN(name##_body)(part, false); \
	}

#ifndef HAS_SIDES
typedef struct PIPE *FN(_tx), *FN(_rx);
static inline FN(_tx) FN(_tx_of)(struct PIPE *pipe, unsigned number)
{
	(void)number;
	return pipe;
}
static inline FN(_rx) FN(_rx_of)(struct PIPE *pipe, unsigned number)
{
	(void)number;
	return pipe;
}
#endif

static void *FN(_open_any)(const struct shape *shape)
{
	return FN(_open)(shape);
}

static void FN(_close_any)(void *pipe)
{
	FN(_close)((struct PIPE *)pipe);
}

#ifdef HAS_TRY
BODY FN(_produce_one_body)(struct part *part, const bool alone)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const bool shares = part->shares;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;
		unsigned failed = 0;

		item_fill(&item, base | n);
		while (!OP(_push)(tx, &item))
			if (!alone && stopped())
				return;
			else
				hold_on(&failed, shares);
		if (!alone && n % 64 == 0 && stopped())
			return;
	}
}

BOTH(_produce_one)

BODY FN(_consume_one_body)(struct part *part, const bool alone)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	struct finish *const finish = part->finish;
	const unsigned number = part->number;
	const uint64_t count = part->count;
	const bool shares = part->shares;
	struct check check = check_start;
	unsigned failed = 0;

	while (check.got < count) {
		struct item item;

		if (OP(_pop)(rx, &item)) {
			failed = 0;
			check_item(&check, &item, alone);
		} else if (!alone && over(finish, number, check.got)) {
			break;
		} else {
			hold_on(&failed, shares);
		}
		if (!alone && check.got % 64 == 0 && stopped())
			break;
	}
	check_answer(&check, part);
}

BOTH(_consume_one)

/* Round trips wait without a pause: what is measured is how soon they see it. */
LOOP FN(_ask_one)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, 0);
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;
	struct check check = check_start;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		item_fill(&item, n);
		while (!OP(_push)(tx, &item))
			;
		while (!OP(_pop)(rx, &item))
			;
		check_item(&check, &item, true);
	}
	check_answer(&check, part);
}

LOOP FN(_answer_one)(struct part *part)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		while (!OP(_pop)(rx, &item))
			;
		while (!OP(_push)(tx, &item))
			;
	}
}

LOOP FN(_pace_one)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, 0);
	const uint64_t count = part->count;
	const int64_t interval_ns = part->interval_ns;
	int64_t due_ns = bench_now_ns();

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		due_ns += interval_ns;
		item_fill(&item, (uint64_t)due_ns);
		while (bench_now_ns() < due_ns)
			;
		while (!OP(_push)(tx, &item))
			;
	}
}

LOOP FN(_arrive_one)(struct part *part)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	struct histogram *const histogram = part->histogram;
	const uint64_t count = part->count;
	uint64_t last = 0, wrong = 0;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		while (!OP(_pop)(rx, &item))
			;
		histogram_add(histogram, bench_now_ns() - (int64_t)item.word[0]);
		wrong |= item.word[0] <= last;
		last = item.word[0];
	}
	part->got = count;
	part->wrong = wrong != 0;
}
#endif

#ifdef HAS_BATCH
BODY FN(_produce_batch_body)(struct part *part, const bool alone)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const size_t batch = part->batch;
	const bool shares = part->shares;
	struct item items[BATCH_MAX];
	unsigned failed = 0;

	for (uint64_t n = 1; n <= count;) {
		size_t want = count - n + 1 < batch ? (size_t)(count - n + 1) : batch;

		for (size_t i = 0; i < want; i++)
			item_fill(&items[i], base | (n + i));
		for (size_t done = 0; done < want;) {
			size_t pushed = OP(_push_n)(tx, items + done, want - done);

			if (!alone && stopped())
				return;
			if (pushed == 0)
				hold_on(&failed, shares);
			else
				failed = 0;
			done += pushed;
		}
		n += want;
	}
}

BOTH(_produce_batch)

BODY FN(_consume_batch_body)(struct part *part, const bool alone)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	struct finish *const finish = part->finish;
	const unsigned number = part->number;
	const uint64_t count = part->count;
	const size_t batch = part->batch;
	const bool shares = part->shares;
	struct item items[BATCH_MAX];
	struct check check = check_start;
	unsigned failed = 0;

	while (check.got < count) {
		size_t popped = OP(_pop_n)(rx, items, batch);

		for (size_t i = 0; i < popped; i++)
			check_item(&check, &items[i], alone);
		if (!alone && stopped())
			break;
		if (popped != 0) {
			failed = 0;
			continue;
		}
		if (!alone && over(finish, number, check.got))
			break;
		hold_on(&failed, shares);
	}
	check_answer(&check, part);
}

BOTH(_consume_batch)
#endif

#ifdef HAS_ZERO_COPY
BODY FN(_produce_zero_copy_body)(struct part *part, const bool alone)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const size_t batch = part->batch;
	const bool shares = part->shares;
	unsigned failed = 0;

	for (uint64_t n = 1; n <= count;) {
		size_t want = count - n + 1 < batch ? (size_t)(count - n + 1) : batch;
		struct item *items;

		want = OP(_push_begin)(tx, want, &items);
		if (!alone && stopped())
			return;
		if (want == 0) {
			hold_on(&failed, shares);
			continue;
		}
		failed = 0;
		for (size_t i = 0; i < want; i++)
			item_fill(&items[i], base | (n + i));
		OP(_push_end)(tx, want);
		n += want;
	}
}

BOTH(_produce_zero_copy)

BODY FN(_consume_zero_copy_body)(struct part *part, const bool alone)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	struct finish *const finish = part->finish;
	const unsigned number = part->number;
	const uint64_t count = part->count;
	const size_t batch = part->batch;
	const bool shares = part->shares;
	struct check check = check_start;
	unsigned failed = 0;

	while (check.got < count) {
		struct item *items;
		size_t there =
			OP(_pop_begin)(rx, count - check.got < batch ? (size_t)(count - check.got) : batch, &items);

		if (there != 0) {
			for (size_t i = 0; i < there; i++)
				check_item(&check, &items[i], alone);
			OP(_pop_end)(rx, there);
			failed = 0;
			if (!alone && stopped())
				break;
			continue;
		}
		if (!alone && over(finish, number, check.got))
			break;
		hold_on(&failed, shares);
	}
	check_answer(&check, part);
}

BOTH(_consume_zero_copy)
#endif

#ifdef HAS_BLOCKING
LOOP FN(_produce_blocking)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		item_fill(&item, base | n);
		OP(_send)(tx, &item);
	}
}

BODY FN(_consume_blocking_body)(struct part *part, const bool alone)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t count = part->count;
	struct check check = check_start;

	while (check.got < count) {
		struct item item;

		OP(_recv)(rx, &item);
		check_item(&check, &item, alone);
	}
	check_answer(&check, part);
}

BOTH(_consume_blocking)

LOOP FN(_ask_blocking)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, 0);
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;
	struct check check = check_start;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		item_fill(&item, n);
		OP(_send)(tx, &item);
		OP(_recv)(rx, &item);
		check_item(&check, &item, true);
	}
	check_answer(&check, part);
}

LOOP FN(_answer_blocking)(struct part *part)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		OP(_recv)(rx, &item);
		OP(_send)(tx, &item);
	}
}

LOOP FN(_pace_blocking)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, 0);
	const uint64_t count = part->count;
	const int64_t interval_ns = part->interval_ns;
	int64_t due_ns = bench_now_ns();

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		due_ns += interval_ns;
		item_fill(&item, (uint64_t)due_ns);
		while (bench_now_ns() < due_ns)
			;
		OP(_send)(tx, &item);
	}
}

LOOP FN(_arrive_blocking)(struct part *part)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	struct histogram *const histogram = part->histogram;
	const uint64_t count = part->count;
	uint64_t last = 0, wrong = 0;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		OP(_recv)(rx, &item);
		histogram_add(histogram, bench_now_ns() - (int64_t)item.word[0]);
		wrong |= item.word[0] <= last;
		last = item.word[0];
	}
	part->got = count;
	part->wrong = wrong != 0;
}
#endif

#ifdef HAS_BLOCKING_BATCH
LOOP FN(_produce_blocking_batch)(struct part *part)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const size_t batch = part->batch;
	struct item items[BATCH_MAX];

	for (uint64_t n = 1; n <= count;) {
		size_t want = count - n + 1 < batch ? (size_t)(count - n + 1) : batch;

		for (size_t i = 0; i < want; i++)
			item_fill(&items[i], base | (n + i));
		OP(_send_n)(tx, items, want);
		n += want;
	}
}

BODY FN(_consume_blocking_batch_body)(struct part *part, const bool alone)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t count = part->count;
	const size_t batch = part->batch;
	struct item items[BATCH_MAX];
	struct check check = check_start;

	while (check.got < count) {
		size_t most = count - check.got < batch ? (size_t)(count - check.got) : batch;
		size_t came = OP(_recv_n)(rx, items, most);

		for (size_t i = 0; i < came; i++)
			check_item(&check, &items[i], alone);
	}
	check_answer(&check, part);
}

BOTH(_consume_blocking_batch)
#endif

/* In the order of enum calls; C++ has no designated elements. */
#ifdef HAS_TRY
#define TRY_(name) FN(name)
#else
#define TRY_(name) NULL
#endif
#ifdef HAS_BATCH
#define BATCH_(name) FN(name)
#else
#define BATCH_(name) NULL
#endif
#ifdef HAS_ZERO_COPY
#define ZERO_COPY_(name) FN(name)
#else
#define ZERO_COPY_(name) NULL
#endif
#ifdef HAS_BLOCKING
#define BLOCKING_(name) FN(name)
#else
#define BLOCKING_(name) NULL
#endif
#ifdef HAS_BLOCKING_BATCH
#define BLOCKING_BATCH_(name) FN(name)
#else
#define BLOCKING_BATCH_(name) NULL
#endif
#ifndef PIPE_IN_PLACE_WAITS
#define PIPE_IN_PLACE_WAITS false
#endif
#ifndef PIPE_UNBOUNDED
#define PIPE_UNBOUNDED false
#endif

static const struct contestant FN(_contestant) = {
	PIPE_NAME,
	ITEM_SIZE,
	PIPE_KINDS,
	PIPE_UNBOUNDED,
	false,
	PIPE_IN_PLACE_WAITS,
	false,
	FN(_open_any),
	FN(_close_any),
	{ { TRY_(_produce_one), BATCH_(_produce_batch), ZERO_COPY_(_produce_zero_copy), BLOCKING_(_produce_blocking),
	    BLOCKING_BATCH_(_produce_blocking_batch) },
	  { TRY_(_ask_one), NULL, NULL, BLOCKING_(_ask_blocking), NULL },
	  { TRY_(_pace_one), NULL, NULL, BLOCKING_(_pace_blocking), NULL } },
	{ { TRY_(_consume_one), BATCH_(_consume_batch), ZERO_COPY_(_consume_zero_copy), BLOCKING_(_consume_blocking),
	    BLOCKING_BATCH_(_consume_blocking_batch) },
	  { TRY_(_answer_one), NULL, NULL, BLOCKING_(_answer_blocking), NULL },
	  { TRY_(_arrive_one), NULL, NULL, BLOCKING_(_arrive_blocking), NULL } },
	NULL,
	0,
	NULL,
};

#undef TRY_
#undef BATCH_
#undef ZERO_COPY_
#undef BLOCKING_
#undef BLOCKING_BATCH_
#undef FN
#undef OP
#undef LOOP
#undef BODY
#undef BOTH
#undef PIPE
#undef PIPE_OPS
#undef PIPE_NAME
#undef PIPE_KINDS
#undef PIPE_UNBOUNDED
#undef PIPE_IN_PLACE_WAITS
#undef HAS_SIDES
#undef HAS_TRY
#undef HAS_BATCH
#undef HAS_ZERO_COPY
#undef HAS_BLOCKING
#undef HAS_BLOCKING_BATCH
