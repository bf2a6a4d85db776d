/*
 * perf/loops.h: the loops, the same for each contestant. Included once for each PIPE (perf/peer.h says how); defines
 * the contestant as PIPE_contestant.
 *
 * One body for each side, compiled for each way to call with `calls` known, and for one thread on each side (alone) and
 * for crowds. What a loop reads is copied first: a ring's barriers make the compiler read memory again, and a part is
 * memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef PIPE_OPS
#define PIPE_OPS PIPE
#endif
#define FN(name) PASTE(PIPE, name)
#define OP(name) PASTE(PIPE_OPS, name)
#define LOOP static __attribute__((noinline)) void
#define INLINE static inline __attribute__((always_inline))

static void *FN(_open_any)(const struct shape *shape)
{
	return FN(_open)(shape);
}

static void FN(_close_any)(void *pipe)
{
	FN(_close)((struct PIPE *)pipe);
}

/* Returns how many were put. In place, the items are written here: base, base + 1, ... */
INLINE size_t FN(_put)(FN(_tx) tx, const struct item *items, size_t n, uint64_t base, const enum calls calls)
{
#if (PIPE_HAS) & HAS_TRY
	if (calls == CALLS_ONE)
		return OP(_push)(tx, items);
#endif
#if (PIPE_HAS) & HAS_BATCH
	if (calls == CALLS_BATCH)
		return OP(_push_n)(tx, items, n);
#endif
#if (PIPE_HAS) & HAS_ZERO_COPY
	if (calls == CALLS_ZERO_COPY) {
		struct item *at = NULL;
		size_t room = OP(_push_begin)(tx, n, &at);

		for (size_t i = 0; i < room; i++)
			item_fill(&at[i], base + i);
		if (room > 0)
			OP(_push_end)(tx, room);
		return room;
	}
#endif
#if (PIPE_HAS) & HAS_BLOCKING
	if (calls == CALLS_BLOCKING)
		OP(_send)(tx, items);
#endif
#if (PIPE_HAS) & HAS_BLOCKING_BATCH
	if (calls == CALLS_BLOCKING_BATCH)
		OP(_send_n)(tx, items, n);
#endif
	(void)base, (void)tx, (void)items;
	return n;
}

/* Returns how many came, and where they are; in place, they are given back by _got(). */
INLINE size_t FN(_get)(FN(_rx) rx, struct item *room, size_t most, struct item **at, const enum calls calls)
{
	*at = room;
#if (PIPE_HAS) & HAS_TRY
	if (calls == CALLS_ONE)
		return OP(_pop)(rx, room);
#endif
#if (PIPE_HAS) & HAS_BATCH
	if (calls == CALLS_BATCH)
		return OP(_pop_n)(rx, room, most);
#endif
#if (PIPE_HAS) & HAS_ZERO_COPY
	if (calls == CALLS_ZERO_COPY)
		return OP(_pop_begin)(rx, most, at);
#endif
#if (PIPE_HAS) & HAS_BLOCKING
	if (calls == CALLS_BLOCKING)
		OP(_recv)(rx, room);
#endif
#if (PIPE_HAS) & HAS_BLOCKING_BATCH
	if (calls == CALLS_BLOCKING_BATCH)
		return OP(_recv_n)(rx, room, most);
#endif
	(void)rx, (void)most;
	return 1;
}

INLINE void FN(_got)(FN(_rx) rx, size_t n, const enum calls calls)
{
#if (PIPE_HAS) & HAS_ZERO_COPY
	if (calls == CALLS_ZERO_COPY && n > 0)
		OP(_pop_end)(rx, n);
#endif
	(void)rx, (void)n, (void)calls;
}

INLINE void FN(_produce)(struct part *part, const bool alone, const enum calls calls)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, part->number);
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const size_t batch = CALLS_SINGLE(calls) ? 1 : part->batch;
	const bool shares = part->shares;
	struct item one, many[BATCH_MAX], *const items = CALLS_SINGLE(calls) ? &one : many;
	unsigned failed = 0;

	for (uint64_t n = 1; n <= count;) {
		size_t want = CALLS_SINGLE(calls) || count - n >= batch ? batch : (size_t)(count - n + 1);

		for (size_t i = 0; i < want && calls != CALLS_ZERO_COPY; i++)
			item_fill(&items[i], base | (n + i));
		for (size_t done = 0; done < want;) {
			size_t put = FN(_put)(tx, items + done, want - done, base | n, calls);

			if (!CALLS_WAIT(calls) && !alone && (put == 0 || calls != CALLS_ONE || n % 64 == 0) && stopped())
				return;
			if (put == 0)
				hold_on(&failed, shares);
			else
				failed = 0;
			done += put;
			if (calls == CALLS_ZERO_COPY && put != 0)
				want = done = put; /* the next call asks for a whole batch again */
		}
		n += want;
	}
}

INLINE void FN(_consume)(struct part *part, const bool alone, const enum calls calls)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, part->number);
	struct finish *const finish = part->finish;
	const unsigned number = part->number;
	const uint64_t count = part->count;
	const size_t batch = CALLS_SINGLE(calls) ? 1 : part->batch;
	const bool shares = part->shares;
	struct item one, many[BATCH_MAX], *at, *const room = CALLS_SINGLE(calls) ? &one : many;
	struct check check = check_start;
	unsigned failed = 0;

	while (check.got < count) {
		const uint64_t left = count - check.got;
		size_t came = FN(_get)(rx, room, calls == CALLS_BATCH || left > batch ? batch : (size_t)left, &at, calls);

		for (size_t i = 0; i < came; i++)
			check_item(&check, &at[i], alone);
		FN(_got)(rx, came, calls);
		if (CALLS_WAIT(calls))
			continue;
		if (!alone && (calls != CALLS_ONE || check.got % 64 == 0) && stopped())
			break;
		if (came != 0) {
			failed = 0;
			continue;
		}
		if (!alone && over(finish, number, check.got))
			break;
		hold_on(&failed, shares);
	}
	check_answer(&check, part);
}

/* Round trips and latencies wait without a pause: what is measured is how soon they see the item. */
INLINE void FN(_put_one)(FN(_tx) tx, const struct item *item, const enum calls calls)
{
	while (FN(_put)(tx, item, 1, 0, calls) == 0)
		;
}

INLINE void FN(_get_one)(FN(_rx) rx, struct item *item, const enum calls calls)
{
	struct item *at;

	while (FN(_get)(rx, item, 1, &at, calls) == 0)
		;
}

INLINE void FN(_ask)(struct part *part, const enum calls calls)
{
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->pipe, 0);
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;
	struct check check = check_start;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		item_fill(&item, n);
		FN(_put_one)(tx, &item, calls);
		FN(_get_one)(rx, &item, calls);
		check_item(&check, &item, true);
	}
	check_answer(&check, part);
}

INLINE void FN(_answer)(struct part *part, const enum calls calls)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	FN(_tx) tx = FN(_tx_of)((struct PIPE *)part->back, 0);
	const uint64_t count = part->count;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		FN(_get_one)(rx, &item, calls);
		FN(_put_one)(tx, &item, calls);
	}
}

INLINE void FN(_pace)(struct part *part, const enum calls calls)
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
		FN(_put_one)(tx, &item, calls);
	}
}

INLINE void FN(_arrive)(struct part *part, const enum calls calls)
{
	FN(_rx) rx = FN(_rx_of)((struct PIPE *)part->pipe, 0);
	struct histogram *const histogram = part->histogram;
	const uint64_t count = part->count;
	uint64_t last = 0, wrong = 0;

	for (uint64_t n = 1; n <= count; n++) {
		struct item item;

		FN(_get_one)(rx, &item, calls);
		histogram_add(histogram, bench_now_ns() - (int64_t)item.word[0]);
		wrong |= item.word[0] <= last;
		last = item.word[0];
	}
	part->got = count;
	part->wrong = wrong != 0;
}

/* A body as two functions, and the table of them. C++ has no designated elements. */
#define BOTH(body, calls) \
	LOOP FN(body##calls##_alone)(struct part *part) \
	{ \
		FN(body)(part, true, calls); \
	} \
	LOOP FN(body##calls)(struct part *part) \
	{ \
		if (part->alone) \
			FN(body##calls##_alone)(part); \
		else \
			FN(body)(part, false, calls); \
	}
#define ANY(body, calls) \
	LOOP FN(body##calls)(struct part *part) \
	{ \
		FN(body)(part, calls); \
	}
#define THROUGHPUT(calls) BOTH(_produce, calls) BOTH(_consume, calls)
#define LATENCY(calls) ANY(_ask, calls) ANY(_answer, calls) ANY(_pace, calls) ANY(_arrive, calls)

#if (PIPE_HAS) & HAS_TRY
THROUGHPUT(CALLS_ONE)
LATENCY(CALLS_ONE)
#define TRY_(name) FN(name##CALLS_ONE)
#else
#define TRY_(name) NULL
#endif
#if (PIPE_HAS) & HAS_BATCH
THROUGHPUT(CALLS_BATCH)
#define BATCH_(name) FN(name##CALLS_BATCH)
#else
#define BATCH_(name) NULL
#endif
#if (PIPE_HAS) & HAS_ZERO_COPY
THROUGHPUT(CALLS_ZERO_COPY)
#define ZERO_COPY_(name) FN(name##CALLS_ZERO_COPY)
#else
#define ZERO_COPY_(name) NULL
#endif
#if (PIPE_HAS) & HAS_BLOCKING
THROUGHPUT(CALLS_BLOCKING)
LATENCY(CALLS_BLOCKING)
#define BLOCKING_(name) FN(name##CALLS_BLOCKING)
#else
#define BLOCKING_(name) NULL
#endif
#if (PIPE_HAS) & HAS_BLOCKING_BATCH
THROUGHPUT(CALLS_BLOCKING_BATCH)
#define BLOCKING_BATCH_(name) FN(name##CALLS_BLOCKING_BATCH)
#else
#define BLOCKING_BATCH_(name) NULL
#endif
#define ALL_(name) { TRY_(name), BATCH_(name), ZERO_COPY_(name), BLOCKING_(name), BLOCKING_BATCH_(name) }
#define TWO_(name) { TRY_(name), NULL, NULL, BLOCKING_(name), NULL }
#ifndef PIPE_IN_PLACE_WAITS
#define PIPE_IN_PLACE_WAITS false
#endif
#ifndef PIPE_UNBOUNDED
#define PIPE_UNBOUNDED false
#endif

static const struct contestant FN(_contestant) = {
	PIPE_NAME, ITEM_SIZE, PIPE_KINDS, PIPE_UNBOUNDED, false, PIPE_IN_PLACE_WAITS, false, FN(_open_any), FN(_close_any),
	{ ALL_(_produce), TWO_(_ask), TWO_(_pace) }, { ALL_(_consume), TWO_(_answer), TWO_(_arrive) }, NULL, 0, NULL,
};

#undef TRY_
#undef BATCH_
#undef ZERO_COPY_
#undef BLOCKING_
#undef BLOCKING_BATCH_
#undef ALL_
#undef TWO_
#undef BOTH
#undef ANY
#undef THROUGHPUT
#undef LATENCY
#undef FN
#undef OP
#undef LOOP
#undef INLINE
#undef PIPE
#undef PIPE_OPS
#undef PIPE_NAME
#undef PIPE_KINDS
#undef PIPE_HAS
#undef PIPE_UNBOUNDED
#undef PIPE_IN_PLACE_WAITS
