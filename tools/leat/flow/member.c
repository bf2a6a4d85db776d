/*
 * tools/leat/flow/member.c: what a member (a thread of a flow) does: the steps of its group, on the
 * lines of a vector, and how they end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/later.h"
#include "tools/leat/flow/tee.h"
#include "tools/leat/flow/word.h"

#include <leat/atomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void leat_lines_free(struct leat_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		leat_line_free(&lines[i]);
}

int leat_member_fail_with(struct leat_member *member, int code, const char *text)
{
	if (member->tx != NULL)
		return leat_tx_fail(member->tx, code, text);
	pthread_mutex_lock(&member->flow->failing);
	if (member->code == 0) {
		member->code = code;
		snprintf(member->failure, sizeof(member->failure), "%s", text);
	}
	pthread_mutex_unlock(&member->flow->failing);
	return code;
}

int leat_member_fail(struct leat_member *member, const char *what, int code)
{
	char text[LEAT_TEXT_MAX + 1], reason[64];

	snprintf(text, sizeof(text), "%.60s%s%s", what, what[0] != '\0' ? ": " : "",
	         strerror_r(-code, reason, sizeof(reason)));
	return leat_member_fail_with(member, code, text);
}

/* The time of --for, for the thread of the source; LEAT_NEVER for the others, which drain. */
static int64_t end_of_source(const struct leat_member *member)
{
	int64_t until_ns = member->input != NULL ? member->flow->until_ns : 0;

	return until_ns == 0 ? LEAT_NEVER : until_ns;
}

int leat_member_refusal(const struct leat_member *member)
{
	int rc = leat_tx_done(member->tx) ? leat_tx_wait(member->tx, -1, 0, 0) : 0;

	return rc == -ETIMEDOUT ? 0 : rc;
}

int leat_member_send(struct leat_member *member, const struct leat_line *line)
{
	int rc = leat_try_send(member->tx, line);

	if (rc == -EAGAIN)
		rc = leat_send_until(member->tx, line, end_of_source(member));
	return rc == -ETIMEDOUT ? LEAT_STOP : rc;
}

int leat_member_send_all(struct leat_member *member, struct leat_line *lines, size_t n)
{
	size_t sent = 0;
	ssize_t rc = 0;

	while (sent < n && rc >= 0) {
		rc = leat_try_send_batch(member->tx, &lines[sent], n - sent);
		if (rc == -EAGAIN) {
			rc = leat_member_send(member, &lines[sent]);
			if (rc == LEAT_STOP)
				break;
			rc = rc == 0 ? 1 : rc;
		}
		sent += rc > 0 ? (size_t)rc : 0;
	}
	leat_lines_free(&lines[sent], n - sent);
	return sent == n ? 0 : (int)rc;
}

/*
 * Waits on purpose. Returns 0; LEAT_STOP where the time of --for has come first; what a send of the
 * source would return; or LEAT_HOLD: the flow is to call the step again at that time.
 */
static int pause_until(struct leat_member *member, int64_t go_ns)
{
	int64_t until_ns = end_of_source(member);
	bool in_time = go_ns < until_ns;
	int rc;

	if (member->defers) {
		member->pause_ns = go_ns;
		return LEAT_HOLD;
	}
	if (member->tx == NULL) {
		rc = leat_scope_sleep(member->flow->scope, go_ns);
		return rc == -ESHUTDOWN ? 0 : rc; /* what was accepted goes through */
	}
	rc = leat_tx_wait(member->tx, -1, 0, in_time ? go_ns : until_ns);
	if (rc != -ETIMEDOUT)
		return rc;
	return in_time ? 0 : LEAT_STOP;
}

static int wait_for_rate(struct leat_member *member, struct leat_run_rate *rate)
{
	int64_t now_ns = leat_now_ns(), go_ns = leat_step_rate_take(rate, now_ns);

	return go_ns <= now_ns ? 0 : pause_until(member, go_ns);
}

void leat_member_drop_held(struct leat_member *member)
{
	for (size_t i = 0; i < member->held_count; i++)
		leat_line_free(&member->held[i].line);
	member->held_count = 0;
}

/* Step i wants no further line: what is held is in front of it, or at it. */
static void have_enough(struct leat_member *member, size_t i)
{
	leat_member_drop_held(member);
	member->enough = true;
	member->enough_at = i;
}

/*
 * What a step needs besides the line: rate its time, take its count, a slowed stage its pause.
 * Returns 0, LEAT_STOP, or what pause_until() returns.
 */
static int admit_line(struct leat_member *member, size_t i)
{
	struct leat_run_step *step = &member->steps[i];
	const struct leat_run *flow = member->flow;
	int rc = 0;

	if (step->stage->type->verb == LEAT_VERB_RATE) {
		rc = wait_for_rate(member, &step->rate);
	} else if (step->stage->type->verb == LEAT_VERB_TAKE) {
		if (step->left == 0)
			return LEAT_STOP;
		if (--step->left == 0)
			have_enough(member, i);
	}
	/* rlx: only a pause depends on it */
	if (rc == 0 && flow->opts.slow != 0 &&
	    step->stage == &flow->stages.list[flow->opts.slow - 1] && leat_load_rlx(&flow->slow_on))
		rc = pause_until(member, leat_now_ns() + flow->opts.slow_ns);
	return rc;
}

void leat_member_enter(struct leat_member *member, size_t step)
{
	size_t stage = member->flow->plan.groups[member->group].first + step;

	leat_store_rlx(&member->inside, (uint32_t)stage + 1); /* rlx: only to be shown */
}

void leat_member_leave(struct leat_member *member)
{
	leat_store_rlx(&member->inside, 0u); /* rlx: as in leat_member_enter() */
}

static int fail_step(struct leat_member *member, const struct leat_run_step *step, int rc)
{
	return step->tee != NULL ? leat_tee_failed(member, step->tee, rc)
	                         : leat_member_fail(member, step->stage->type->name, rc);
}

/* A step that is a word of a program's; sinks are called by sink.c. */
static bool is_word(const struct leat_run_step *step)
{
	return step->word_state != NULL && step->stage->type->role == LEAT_STEP;
}

/* --- lines that are held: they go on from a step, before any further line --- */

/* Takes a line over, which goes on before those that are held already. */
static int hold_line(struct leat_member *member, const struct leat_held *line)
{
	if (member->held_count == member->held_room) {
		size_t room = member->held_room != 0 ? member->held_room * 2 : 16;
		struct leat_held *held = reallocarray(member->held, room, sizeof(*held));

		if (held == NULL)
			return -ENOMEM;
		member->held = held;
		member->held_room = room;
	}
	member->held[member->held_count++] = *line;
	return 0;
}

/* Takes over what a word has made, which goes on from this step: the last is taken up first. */
static int hold_made(struct leat_member *member, size_t at, struct leat_line *made, size_t n)
{
	int rc = 0;

	for (size_t i = n; i > 0; i--) {
		if (rc == 0)
			rc = hold_line(member,
			               &(struct leat_held){ .line = made[i - 1], .at = at });
		if (rc != 0)
			leat_line_free(&made[i - 1]);
	}
	return rc != 0 ? leat_member_fail(member, "", rc) : 0;
}

/*
 * Calls a word of a program's, with this line or, at the end, with NULL. It makes several lines, or
 * none, in room of its own. A line that it has used is empty then.
 */
static int call_word(struct leat_member *member, size_t i, struct leat_line *line,
                     struct leat_word_call *call)
{
	const struct leat_stage *stage = member->steps[i].stage;
	int rc;

	*call = (struct leat_word_call){ .made = member->made + i * LEAT_WORD_ROOM };
	leat_member_enter(member, i);
	rc = leat_word_run(leat_word_of(stage->type), member->steps[i].word_state, line, call);
	leat_member_leave(member);
	if (call->used)
		*line = (struct leat_line){ 0 };
	if (rc == 0)
		return 0;
	leat_lines_free(call->made, call->count);
	return leat_member_fail(member, stage->type->name, rc);
}

/* Returns as run_steps(): LEAT_PASS: the line is what the word has made. */
static int run_word(struct leat_member *member, size_t i, struct leat_line *line)
{
	struct leat_word_call call;
	int rc = call_word(member, i, line, &call);

	if (rc != 0)
		return rc;
	if (call.enough)
		have_enough(member, i);
	if (call.count != 1)
		return hold_made(member, i + 1, call.made, call.count);
	leat_row_forget(&member->row); /* it may be another line than that which was read */
	leat_line_free(line);          /* where it has had enough without it */
	*line = call.made[0];
	return LEAT_PASS;
}

static int64_t read_now_ns(struct leat_member *member)
{
	if (member->now_ns == 0)
		member->now_ns = leat_now_ns();
	return member->now_ns;
}

/* A step that keeps lines. Returns as run_steps(): LEAT_PASS: the line is what goes on. */
static int run_later(struct leat_member *member, size_t i, struct leat_line *line)
{
	struct leat_later *later = member->steps[i].later;
	int rc = leat_later_put(later, line, member->timed ? read_now_ns(member) : 0);

	if (rc == -EAGAIN) { /* until there is room */
		member->pause_ns = leat_later_due_ns(later);
		return LEAT_HOLD;
	}
	if (rc < 0)
		return fail_step(member, &member->steps[i], rc);
	leat_row_forget(&member->row);
	return rc == 1 ? LEAT_PASS : 0;
}

/*
 * Takes a line through the steps from this one on. admitted: that step has admitted it. *at: the
 * step that it is at when the result is LEAT_HOLD.
 */
static int run_steps(struct leat_member *member, size_t first, bool admitted,
                     struct leat_line *line, size_t *at)
{
	int rc = LEAT_PASS;

	for (size_t i = first; i < member->steps_count && rc == LEAT_PASS; i++) {
		*at = i;
		rc = admitted ? 0 : admit_line(member, i);
		admitted = false;
		if (rc != 0)
			return rc;
		if (is_word(&member->steps[i])) {
			rc = run_word(member, i, line);
			continue;
		}
		if (member->steps[i].later != NULL) {
			rc = run_later(member, i, line);
			continue;
		}
		leat_member_enter(member, i);
		rc = leat_step_run(&member->steps[i], line);
		leat_member_leave(member);
		if (rc < 0)
			return fail_step(member, &member->steps[i], rc);
		if (rc == 0 && member->steps[i].stage->type->verb == LEAT_VERB_WHILE)
			have_enough(member, i);
	}
	return rc;
}

/* --- the source: its lines are sent --- */

/* Takes the lines that are held through the steps, and sends those that are left. */
static int send_held(struct leat_member *member)
{
	size_t at;
	int rc = 0;

	while (rc == 0 && member->held_count > 0) {
		struct leat_held held = member->held[--member->held_count];

		leat_row_forget(&member->row);
		rc = run_steps(member, held.at, held.admitted, &held.line, &at);
		if (rc == LEAT_PASS) {
			rc = leat_member_send(member, &held.line);
			if (rc == 0)
				held.line = (struct leat_line){ 0 }; /* it was sent */
		}
		leat_line_free(&held.line);
	}
	if (rc != 0)
		leat_member_drop_held(member);
	return rc;
}

int leat_steps(struct leat_member *member, struct leat_line *line)
{
	size_t at;
	int rc;

	if (member->steps_done == member->steps_count)
		return LEAT_PASS;
	leat_row_forget(&member->row);
	rc = run_steps(member, member->steps_done, false, line, &at);
	if (rc == 0 && (member->held_count > 0 || member->enough)) {
		rc = send_held(member);
		if (rc == 0 && member->enough)
			rc = LEAT_STOP;
	}
	return rc;
}

/*
 * Of a step that keeps lines: takes one that is due, to be held at the step behind it. Returns 1;
 * 0: none is due; or -errno.
 */
static int take_later(struct leat_member *member, size_t i, bool last)
{
	struct leat_held held = { .at = i + 1 };
	int rc = leat_later_take(member->steps[i].later, last ? leat_now_ns() : read_now_ns(member),
	                         last, &held.line);

	if (rc == 1) {
		rc = hold_line(member, &held);
		if (rc == 0)
			return 1;
		leat_line_free(&held.line);
	}
	return rc < 0 ? fail_step(member, &member->steps[i], rc) : rc;
}

/* The step `ending` is at its end, as end_steps(). */
static int end_step(struct leat_member *member)
{
	const size_t i = member->ending;
	struct leat_word_call call = { 0 };
	int rc = 0;

	if (member->steps[i].later != NULL) {
		rc = take_later(member, i, true);
		if (rc == 0 && leat_later_due_ns(member->steps[i].later) != LEAT_NEVER)
			return LEAT_HOLD;
		member->ending += rc == 0;
		return rc;
	}
	if (is_word(&member->steps[i])) {
		rc = call_word(member, i, NULL, &call);
		if (rc == 0)
			rc = hold_made(member, i + 1, call.made, call.count);
		if (rc != 0)
			return rc;
		rc = 1;
	}
	member->ending += !call.more;
	return rc;
}

/*
 * The steps from `ending` on, which hold lines of their own, have seen their last line, until one
 * of them has made some. Returns 1: then the lines are held, and this has to be called again; 0;
 * LEAT_HOLD: one of them waits for its time; or -errno.
 */
static int end_steps(struct leat_member *member)
{
	int rc = 0;

	if (member->enough && member->ending <= member->enough_at)
		member->ending = member->enough_at + 1;
	while (rc == 0 && member->ending < member->steps_count)
		rc = end_step(member);
	return rc;
}

int leat_steps_end(struct leat_member *member)
{
	int rc;

	do {
		rc = end_steps(member);
		if (rc == 1) {
			int sent = send_held(member);
			rc = sent != 0 ? sent : 1;
		}
	} while (rc == 1);
	return rc == LEAT_STOP ? 0 : rc;
}

/* --- a group in the middle: a step of the flow, from vector to vector --- */

void leat_member_begin(struct leat_member *member)
{
	clockid_t clock;
	char name[16];

	if (member->begun != 0)
		return;
	snprintf(name, sizeof(name), "%.15s", member->name);
	pthread_setname_np(pthread_self(), name);
	if (pthread_getcpuclockid(pthread_self(), &clock) != 0)
		return;
	leat_store_rlx(&member->clock, (uint32_t)clock); /* rlx: F1 orders it */
	leat_store_rel(&member->begun, 1u);              /* F1: pairs with read_cpu_ns() */
}

/* Takes a line over, through the steps from this one on. Returns 0; LEAT_HOLD; LEAT_STOP; -errno.
 */
static int pass_line(struct leat_member *member, struct leat_vec *v, struct leat_held *held)
{
	size_t at = held->at;
	int rc;

	leat_row_forget(&member->row);
	rc = run_steps(member, held->at, held->admitted, &held->line, &at);
	if (rc == LEAT_PASS) {
		((struct leat_line *)v->out)[v->made++] = held->line;
		return 0;
	}
	if (rc == LEAT_HOLD) {
		int kept = hold_line(member, &(struct leat_held){ .line = held->line,
		                                                  .at = at,
		                                                  .admitted = true,
		                                                  .due_ns = member->pause_ns });
		if (kept == 0)
			return LEAT_HOLD;
		rc = leat_member_fail(member, "", kept);
	}
	leat_line_free(&held->line);
	if (rc == 0 && member->held_count == 0)
		v->skipped++;
	return rc;
}

static int pass_held(struct leat_member *member, struct leat_vec *v)
{
	int rc = 0;

	while (rc == 0 && member->held_count > 0 && v->made < v->room) {
		struct leat_held held = member->held[member->held_count - 1];

		if (held.due_ns != 0 && leat_now_ns() < held.due_ns)
			return LEAT_HOLD;
		member->held_count--;
		rc = pass_line(member, v, &held);
	}
	return rc;
}

/*
 * The first step that may make a line at its time: not one in front of a line that is held, which
 * goes first.
 */
static size_t first_timed(const struct leat_member *member)
{
	if (member->held_count > 0)
		return member->held[member->held_count - 1].at;
	return member->enough ? member->enough_at + 1 : 0;
}

/* Takes what is due, of the last step that has something due. Returns 1: it is held; 0; or -errno.
 */
static int hold_due(struct leat_member *member)
{
	int rc = 0;

	for (size_t i = member->steps_count; member->timed && rc == 0 && i > first_timed(member);
	     i--)
		if (member->steps[i - 1].later != NULL &&
		    leat_later_due_ns(member->steps[i - 1].later) <= read_now_ns(member))
			rc = take_later(member, i - 1, false);
	return rc;
}

/* What is held, and what has become due. */
static int pass_due(struct leat_member *member, struct leat_vec *v)
{
	int rc, due;

	do {
		rc = pass_held(member, v);
		due = rc == 0 || rc == LEAT_HOLD ? hold_due(member) : 0;
	} while (due == 1 && v->made < v->room);
	return due < 0 ? due : due == 1 ? 0 : rc;
}

/* Takes the lines of the vector over, one by one, until one is held or there is no room. */
static int pass_lines(struct leat_member *member, struct leat_vec *v)
{
	const struct leat_line *lines = v->in;
	int rc = pass_due(member, v);

	while (rc == 0 && v->used < v->n && v->made < v->room && !member->enough) {
		struct leat_held held = { .line = lines[v->used++], .at = member->steps_done };

		rc = pass_line(member, v, &held);
		if (rc == 0)
			rc = pass_held(member, v);
		if (member->paced && !member->defers)
			return rc; /* what is made goes on before the next pause */
	}
	while (rc == 0 && (member->enough || (v->last && v->used == v->n)) && v->made < v->room &&
	       !member->finished) {
		rc = end_steps(member);
		if (rc == 1)
			rc = pass_held(member, v);
		else if (rc == 0)
			member->finished = member->held_count == 0;
	}
	return rc;
}

int leat_member_step(void *state, struct leat_vec *v)
{
	struct leat_member *member = state;
	int rc, end;

	leat_member_begin(member);
	member->now_ns = 0;
	rc = pass_lines(member, v);
	if (v->skipped > v->used)
		v->skipped = v->used;
	if (rc == LEAT_STOP) {
		member->finished = true;
		rc = 0;
	}
	end = rc < 0 || member->finished ? leat_tees_end(member) : leat_tees_flush(member);
	if (end < 0 && rc >= 0)
		rc = end;
	if (rc == LEAT_HOLD)
		return LEAT_LATER;
	return rc == 0 && member->finished && !v->last ? LEAT_ENOUGH : rc;
}

int64_t leat_member_due_ns(const void *state)
{
	const struct leat_member *member = state;
	int64_t first_ns = LEAT_NEVER;

	if (member->held_count > 0 && member->held[member->held_count - 1].due_ns != 0)
		first_ns = member->held[member->held_count - 1].due_ns;
	for (size_t i = first_timed(member); member->timed && i < member->steps_count; i++) {
		const struct leat_later *later = member->steps[i].later;
		const int64_t due_ns = later != NULL ? leat_later_due_ns(later) : LEAT_NEVER;

		first_ns = due_ns < first_ns ? due_ns : first_ns;
	}
	return first_ns;
}

/* Of several threads each takes a member of the group. */
int leat_members_take(void *state, const void *arg)
{
	struct leat_members *members = (struct leat_members *)(uintptr_t)arg;

	*(struct leat_member **)state = &members->first[members->taken++];
	return 0;
}

int leat_members_step(void *state, struct leat_vec *v)
{
	return leat_member_step(*(struct leat_member **)state, v);
}

int leat_member_main(struct leat_tx *out, void *arg)
{
	struct leat_member *member = arg;
	int rc;

	member->tx = out;
	leat_member_begin(member);
	rc = member->final != NULL ? leat_run_sink_run(member) : leat_run_source_run(member);
	leat_rx_close(member->rx);
	member->rx = NULL;
	member->tx = NULL;
	member->left = rc;
	leat_store_rel(&member->over, 1u); /* F2: pairs with leat_member_over() */
	/* the reader of its output has left: a task has no receiver that could abandon it */
	return member->final != NULL && rc == -EPIPE ? 0 : rc;
}
