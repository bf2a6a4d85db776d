/*
 * The work of an island: vectors through its steps.
 *
 * Depth first: what a step has made of a vector goes through the steps behind it before the step is
 * called again, so one vector for each step is all the memory there is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

#define PASS_NS INT64_C(100000)
/*
 * A step may expire one entry of many at a call, which nobody sees from outside, and they may be
 * due at the same time. So one idle call says little; so many in a row are a step that never comes
 * to an end of them.
 */
enum { IDLE_CALLS = 65536 };

/* --- steps --- */

/*
 * Puts n items through step i and those behind it. Returns 0; LEAT_ENOUGH; -errno. *used: how many
 * of them are dealt with.
 */
static int run_steps(struct task *task, size_t i, const char *items, size_t n, bool last,
                     size_t *used);

/* Whether step i writes into the ring behind it. */
static bool writes_in_place(const struct task *task, size_t i, size_t n)
{
	return i + 1 == task->island->steps_count && n > 0 && task->writes;
}

/* Whether step i writes into the array that the island ends in. */
static bool is_before_array(const struct task *task, size_t i)
{
	return i + 1 == task->island->steps_count && node_of(task, i + 1)->kind == NODE_TO_ARRAY;
}

/* Room for what step i makes. Returns how many items, or -errno. */
static ssize_t find_place(struct task *task, size_t i, size_t n, void **place)
{
	int rc = 0;
	ssize_t r;

	task->in_ring = task->in_array = false;
	if (is_before_array(task, i) && n > 0) {
		const struct collected *array = task->states[i + 1];

		*place = array->items + array->count * array->size;
		r = (ssize_t)(array->room - array->count);
		task->in_array = (size_t)r >= task->island->room;
		if (task->in_array)
			return (ssize_t)task->island->room;
	}
	if (writes_in_place(task, i, n)) {
		r = leat_try_reserve(task->tx, task->vector + 1, place);
		if (r == -EAGAIN)
			rc = leat_task_release_used(task);
		if (rc < 0)
			return rc;
		while (r < 0 && (r == -EAGAIN || leat_task_flush_after_stop(task, r)))
			r = leat_reserve(task->tx, task->vector + 1, place);
		task->in_ring = r > 0;
		if (r < 0 || (size_t)r >= node_of(task, i)->step.most)
			return r;
		leat_commit(task->tx, 0); /* the ring's end is near */
		task->in_ring = false;
	}
	*place = task->vectors[i];
	return (ssize_t)task->island->room;
}

/* Step i has made these. */
static int pass_made(struct task *task, size_t i, const struct leat_vec *v)
{
	struct books *tail = &task->books[task->island->steps_count];
	const struct leat_type *type = node_of(task, i)->type;
	size_t used = 0;
	int rc;

	if (!task->in_ring && !task->in_array) {
		rc = v->made == 0 ? 0 : run_steps(task, i + 1, v->out, v->made, false, &used);
		/* it may have ended early */
		leat_items_discard(type, (const char *)v->out + used * type->size, v->made - used);
		return rc;
	}
	if (task->in_ring)
		leat_commit(task->tx, v->made);
	else
		((struct collected *)task->states[i + 1])->count += v->made;
	tail->in += v->made;
	tail->used += v->made;
	tail->made += task->in_ring ? v->made : 0;
	return 0;
}

/*
 * The step has dealt with items of a type that owns something. A step that moves items and does not
 * own them is called for one, and has passed it on if it made one.
 */
static void free_used(const struct task *task, size_t i, const struct leat_vec *v)
{
	const struct leat_step *step = &node_of(task, i)->step;

	if (leat_task_borrows(task, i) || step->owns)
		return;
	if (!(leat_moves_items(step) && v->made > 0))
		leat_items_discard(step->in, v->in, v->used);
}

/* Whether step i is called for one item at a time. */
static bool is_called_singly(const struct node *node)
{
	/* each asks the breaker, or has a time of its own */
	return leat_filters_singly(&node->step) || node->breaker != NULL || node->item_ns > 0;
}

static void count_call(struct task *task, size_t i, const struct leat_vec *v)
{
	struct books *books = &task->books[i];

	if (i == 0 && task->input > 0)
		task->input_used += v->used;
	books->in += v->used;
	books->used += v->used - v->skipped;
	books->skipped += v->skipped;
	books->made += v->made;
}

/* What a step has made in a call that broke its contract. Of what it moves it cannot make more. */
static void drop_made(struct task *task, size_t i, const struct leat_vec *v)
{
	const struct node *node = node_of(task, i);
	bool moves = leat_moves_items(&node->step) && v->made > v->used;

	leat_items_discard(node->type, v->out, moves ? v->used : v->made);
	task->books[i].made -= v->made;
	if (task->in_ring)
		leat_commit(task->tx, 0);
}

/* Step i has been called, and has returned rc. Returns what becomes of that. */
static int settle_call(struct task *task, size_t i, struct leat_vec *v, int rc, struct tries *tries)
{
	const struct node *node = node_of(task, i);
	const bool broken = leat_breaks_contract(&node->step, v, rc);
	int passed;

	task->own_result = false;
	if (__builtin_expect(broken, 0))
		rc = leat_task_fail_contract(task, i, v, rc);
	else if (__builtin_expect(tries->late, 0))
		rc = leat_task_drop_late(task, i, v, tries);
	count_call(task, i, v);
	if (node->step.in->discard != NULL)
		free_used(task, i, v);
	if (node->keeps && v->skipped > 0 && !broken) {
		drop_made(task, i, v);
		return leat_task_fail(
			task, i, true, -EDEADLK,
			"it left an item out between a tee and a zip, which would wait");
	}
	if (__builtin_expect(broken, 0)) {
		drop_made(task, i, v);
		return rc;
	}
	passed = pass_made(task, i, v);
	/* the step behind has had enough: then the item that failed was not needed */
	task->own_result = passed == 0 && rc != 0;
	return passed != 0 ? passed : rc;
}

/* One call of step i. */
static int call_step(struct task *task, size_t i, struct leat_vec *v, struct tries *tries)
{
	ssize_t room = find_place(task, i, v->n, &v->out);
	int rc;

	task->own_result = false;
	if (room < 0)
		return (int)room;
	v->room = (size_t)room;
	rc = leat_task_call_function(task, i, v, tries);
	return settle_call(task, i, v, rc, tries);
}

/* Step i and those behind it have seen their last item. */
static int end_steps(struct task *task, size_t i)
{
	const struct node *node = node_of(task, i);
	size_t used = 0;

	if (i < task->island->steps_count)
		return run_steps(task, i, NULL, 0, true, &used);
	return node->kind == NODE_EACH ? leat_task_call_end(task, node, NULL, 0, true, &used) : 0;
}

int leat_task_end(struct task *task)
{
	return end_steps(task, 0);
}

/* --- times --- */

/* When step k is to be called without an item, or LEAT_NEVER. */
static int64_t due_of_ns(const struct task *task, size_t k)
{
	const struct leat_step *step = &node_of(task, k)->step;

	return step->due_ns == NULL ? LEAT_NEVER : step->due_ns(task->states[k]);
}

/* When the first of the steps from k on, or the end, is to be called so, or LEAT_NEVER. */
static int64_t first_due_ns(const struct task *task, size_t k)
{
	int64_t first_ns = LEAT_NEVER;

	for (; task->timed && k <= task->island->steps_count; k++) {
		int64_t due_ns = due_of_ns(task, k);

		first_ns = due_ns < first_ns ? due_ns : first_ns;
	}
	return first_ns;
}

/* Items that step k, or the end, has used and made. */
static uint64_t count_done(const struct task *task, size_t k)
{
	return task->books[k].in + task->books[k].made;
}

/* A call of step k, or the end, as it was due, has done nothing that is seen from outside. */
static int count_idle_call(struct task *task, size_t k)
{
	char words[96];

	if (++task->due_calls[k].idle < IDLE_CALLS)
		return 0;
	snprintf(words, sizeof(words),
	         "it did nothing, %d times in a row, and left due_ns as it was", IDLE_CALLS);
	return leat_task_fail(task, k, false, -EINVAL, words);
}

/* Calls step k, or the end, without an item. */
static int call_due(struct task *task, size_t k)
{
	struct due_calls *calls = &task->due_calls[k];
	const int64_t due_ns = due_of_ns(task, k);
	size_t used = 0;
	int rc;

	if (calls->done != count_done(task, k))
		*calls = (struct due_calls){ .done = count_done(task, k) };
	task->due = k + 1;
	if (k < task->island->steps_count)
		rc = run_steps(task, k, NULL, 0, false, &used);
	else
		rc = leat_task_call_end(task, node_of(task, k), NULL, 0, false, &used);
	if (due_of_ns(task, k) != due_ns)
		calls->idle = 0;
	else if (rc == 0 && calls->done == count_done(task, k))
		rc = count_idle_call(task, k);
	task->due = 0;
	return rc;
}

/*
 * Calls the steps from k on whose time has come, and the end. from_ns: until then the island has
 * waited for items.
 */
static int run_due(struct task *task, size_t k, int64_t from_ns)
{
	int rc = 0;

	for (; task->timed && k <= task->island->steps_count && rc == 0; k++) {
		const struct node *node = node_of(task, k);
		int64_t due_ns = due_of_ns(task, k);

		if (due_ns > leat_now_ns())
			continue;
		if (node->listen != NULL && due_ns > from_ns)
			node->listen(task->states[k]);
		else
			rc = call_due(task, k);
	}
	return rc;
}

/*
 * As leat_task_wait(), but a stop of a source does not end the wait: what is in hand is worked off.
 */
static int wait_to_drain(struct task *task, int64_t until_ns)
{
	int rc;

	do
		rc = leat_task_wait(task, until_ns);
	while (leat_task_flush_after_stop(task, rc));
	return rc;
}

/*
 * Step i has returned LEAT_LATER: waits until it is due. Meanwhile those behind it are called as
 * they are due. *awaited_ns: the time for which it has been waited before, or LEAT_NEVER.
 */
static int await_due(struct task *task, size_t i, bool at_item, int64_t *awaited_ns)
{
	int64_t due_ns = due_of_ns(task, i);
	int rc;

	if (due_ns == *awaited_ns)
		return leat_task_fail(task, i, at_item, -EINVAL,
		                      due_ns == LEAT_NEVER
		                              ? "it returned LEAT_LATER, and is never due"
		                              : "it returned LEAT_LATER, was due, and did nothing");
	*awaited_ns = due_ns;
	rc = leat_task_release_used(task);
	if (rc != 0)
		return rc;
	do { /* once in any case, as that is where a cancel is seen */
		rc = wait_to_drain(task, first_due_ns(task, i));
		if (rc == 0)
			rc = run_due(task, i + 1, leat_now_ns());
	} while (rc == 0 && leat_now_ns() < due_ns);
	return rc;
}

/* A call of a step that has been made, and what it returned. */
struct called {
	struct leat_vec v;
	int rc;
};

/*
 * Puts n items through step i and those behind it. called: the first call of it has been made; or
 * NULL.
 */
static int put_through(struct task *task, size_t i, const char *items, size_t n, bool last,
                       size_t *used, const struct called *called)
{
	const struct node *node = node_of(task, i);
	const size_t size = node->step.in->size;
	int64_t awaited_ns = LEAT_NEVER;
	struct tries tries = { .until_ns = LEAT_NEVER }; /* pauses are set by the first failure */
	bool own = false;
	int rc = 0;

	*used = 0;
	for (;;) {
		size_t now = n - *used;
		struct leat_vec v = { .in = n == 0 ? NULL : items + *used * size, .last = last };

		if (called != NULL) {
			v = called->v;
			rc = settle_call(task, i, &v, called->rc, &tries);
			called = NULL;
		} else {
			v.n = now > 1 && (is_called_singly(node) || tries.again) ? 1 : now;
			rc = call_step(task, i, &v, &tries);
		}
		own = task->own_result;
		*used += v.used;
		if (v.used > 0)
			tries.until_ns = LEAT_NEVER;
		if (v.used > 0 || v.made > 0)
			awaited_ns = LEAT_NEVER;
		if (rc == LEAT_LATER) {
			bool waits = *used < n || last;

			own = false;
			rc = waits ? await_due(task, i, *used < n, &awaited_ns) : 0;
			if (rc == 0 && waits)
				continue;
		} else if (rc < 0 && own) {
			/* of a step that is called singly others may be behind its item */
			const char *failed = v.used < v.n ? items + *used * size : NULL;

			rc = leat_task_handle_failure(task, i, rc, failed, used, &tries);
			if (rc == 0 && *used < n)
				continue;
		} else if (rc == 0 && v.n > 0 && v.used == 0 && v.made == 0) {
			rc = leat_task_fail_idle(task, i);
			leat_books_failed(&task->books[i]);
		}
		tries.again = false;
		/* it may hold more than it had room for */
		if (rc != 0 || (*used == n && (v.made == 0 || (v.made < v.room && !last))))
			break;
	}
	if ((rc == LEAT_ENOUGH && own) || (rc == 0 && last)) {
		int ended = end_steps(task, i + 1);

		return ended < 0 ? ended : rc;
	}
	return rc;
}

/* Where a plain step writes what it makes. Returns the room; 0: that is not known at once. */
static size_t find_plain_place(struct task *task, size_t i, void **place)
{
	const size_t room = task->island->room;

	task->in_ring = task->in_array = false;
	*place = task->vectors[i];
	if (i + 1 < task->island->steps_count)
		return room;
	if (is_before_array(task, i)) {
		const struct collected *array = task->states[i + 1];

		*place = array->items + array->count * array->size;
		task->in_array = true;
		return array->room - array->count >= room ? room : 0;
	}
	return writes_in_place(task, i, 1) ? 0 : room;
}

/*
 * As run_steps(). Most steps are plain, and most calls use all they are given, make less than they
 * have room for, and return 0. These go from step to step here; all else in put_through().
 */
static int run_steps(struct task *task, size_t i, const char *items, size_t n, bool last,
                     size_t *used)
{
	const size_t steps = task->island->steps_count;
	const struct leat_type *made = NULL; /* what a step has made here, for those behind it */
	struct called called;
	struct leat_vec *v = &called.v;
	size_t *used_here = used, used_behind;
	int rc;

	while (i < steps && n > 0 && !last && node_of(task, i)->plain) {
		*v = (struct leat_vec){ .in = items, .n = n };
		v->room = find_plain_place(task, i, &v->out);
		if (v->room == 0)
			break;
		called.rc = node_of(task, i)->step.fn(task->states[i], v);
		if (called.rc != 0 || v->used != n || v->made >= v->room || v->skipped > n) {
			rc = put_through(task, i, items, n, false, used_here, &called);
			goto behind;
		}
		count_call(task, i, v);
		if (node_of(task, i)->step.in->discard != NULL)
			free_used(task, i, v);
		*used_here = n;
		used_here = &used_behind;
		if (task->in_array)
			return pass_made(task, i, v);
		made = node_of(task, i)->type;
		items = v->out;
		n = v->made;
		if (n == 0)
			return 0;
		i++;
	}
	if (i == steps) {
		*used_here = 0;
		rc = leat_task_deliver(task, items, n, used_here);
	} else {
		rc = put_through(task, i, items, n, last, used_here, NULL);
	}
behind:
	if (made != NULL) /* they may have ended early */
		leat_items_discard(made, items + used_behind * made->size, n - used_behind);
	return rc;
}

/* --- vectors --- */

/*
 * A pass is to take at most 100 microseconds, for the sake of what ends the island. The clock is
 * read each sixteenth pass.
 */
static void adapt_vector(struct task *task, int64_t from_ns)
{
	int64_t took_ns = leat_now_ns() - from_ns;

	if (took_ns > PASS_NS && task->vector > 1)
		task->vector /= 2;
	else if (took_ns < PASS_NS / 4 && task->vector <= task->island->vector / 2)
		task->vector *= 2;
	else if (took_ns < PASS_NS / 4)
		task->vector = task->island->vector;
}

int leat_task_pass(struct task *task, const void *items, size_t n, size_t *used)
{
	bool timed = task->passes++ % 16 == 0 && n == task->vector;
	int64_t from_ns = timed ? leat_now_ns() : 0;
	int rc = run_steps(task, 0, items, n, false, used);

	task->taken += *used;
	if (timed)
		adapt_vector(task, from_ns);
	return rc;
}

/* A pass over what was received, and what becomes of it in the ring. */
static int pass_received(struct task *task, const void *items, size_t n)
{
	size_t used = 0;
	ssize_t copied = (ssize_t)n;
	int rc;

	if (task->copies != NULL) {
		copied = leat_task_copy_items(task, &items, n);
		leat_release(task->rx, copied > 0 ? (size_t)copied : 0);
	} else if (task->in_place == NULL) {
		task->input = n;
	}
	task->input_used = task->input_released = 0;
	rc = copied < 0 ? (int)copied : leat_task_pass(task, items, (size_t)copied, &used);
	if (task->input > 0 && leat_release(task->rx, used - task->input_released) == -EINVAL &&
	    used < n) {
		/* another receiver has gone on behind them: the rest cannot go back */
		leat_task_discard_rest(task, items, used, n);
		leat_release(task->rx, n - task->input_released);
	}
	task->input = 0;
	if (task->in_place != NULL || task->copies != NULL)
		leat_task_discard_rest(task, items, used, copied > 0 ? (size_t)copied : 0);
	return rc;
}

static int work_rx(struct task *task)
{
	const void *items;
	int64_t from_ns;
	ssize_t n;
	int rc = leat_task_bind_input(task);

	while (rc == 0) {
		n = leat_task_next(task, &items, first_due_ns(task, 0));
		if (n == -EPIPE && leat_task_leave_part(task, task->bound)) {
			rc = leat_task_bind_input(task);
			continue;
		}
		if (n == 0)
			return end_steps(task, 0);
		if (n < 0 && n != -ETIMEDOUT)
			return (int)n;
		from_ns = task->timed ? leat_now_ns() : 0;
		rc = n < 0 ? 0 : pass_received(task, items, (size_t)n);
		if (rc == 0)
			rc = run_due(task, 0, from_ns);
		if (rc == 0 && task->parts != NULL && task->parts[task->bound] == NULL)
			rc = leat_task_bind_input(task);
	}
	return rc;
}

static int work_array(struct task *task)
{
	const struct node *head = &task->flow->nodes[task->island->head];
	struct leat_tx *told = leat_task_out(task);
	size_t at = 0, used;
	int64_t from_ns;
	int rc = 0;

	task->source = true;
	leat_task_set_source(task, true);
	while (at < head->count && rc == 0 && !task->stopped) {
		size_t n = head->count - at < task->vector ? head->count - at : task->vector;

		if (leat_tx_done(told) ||
		    (task->parts_end != NULL && leat_tx_done(task->parts_end)))
			break;
		from_ns = task->timed ? leat_now_ns() : 0;
		rc = leat_task_pass(task, head->items + at * head->type->size, n, &used);
		at += used;
		if (rc == 0)
			rc = run_due(task, 0, from_ns);
	}
	if (rc == 0)
		rc = end_steps(task, 0);
	return rc;
}

/* The vector of the task's ticket is worked off, and rc is what the steps returned. */
static int finish_ticket(struct task *task, int rc)
{
	struct finished finished = { .ticket = task->ticket,
		                     .held = task->at_turn,
		                     .rc = rc,
		                     .failure = task->failure,
		                     .text = task->text };
	int finish = leat_shared_finish(task->island->shared, &finished);

	return rc != 0 ? rc : finish;
}

static int work_shared(struct task *task)
{
	struct shared *shared = task->island->shared;
	const size_t size = task->flow->nodes[task->island->head].type->size;
	size_t used;
	ssize_t n;
	int rc;

	do {
		n = leat_shared_take(shared, task->in_place, task->vector, size, &task->ticket);
		if (n < 0)
			return (int)n;
		task->at_turn = false;
		if (n == 0) {
			rc = end_steps(task, 0);
		} else {
			rc = leat_task_pass(task, task->in_place, (size_t)n, &used);
			leat_task_discard_rest(task, task->in_place, used, (size_t)n);
		}
		if (shared->window > 0)
			rc = finish_ticket(task, rc);
	} while (n > 0 && rc == 0);
	return rc;
}

int leat_task_work(struct task *task)
{
	return task->island->shared != NULL ? work_shared(task)
	       : task->rx != NULL           ? work_rx(task)
	                                    : work_array(task);
}
