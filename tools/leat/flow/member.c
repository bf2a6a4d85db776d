/*
 * tools/leat/flow/member.c: what a member (a thread of a flow) does: its steps, and how it ends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/tee.h"
#include "tools/leat/flow/word.h"

#include <leat/atomic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define BATCH 64u
/*
 * How long a member waits for the cancel of its own scope, which comes a moment after that of its
 * input.
 */
#define SETTLE_NS INT64_C(1000000000)

void leat_lines_free(struct leat_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		leat_line_free(&lines[i]);
}

int leat_member_fail(struct leat_member *member, const char *what, int code)
{
	char text[LEAT_TEXT_MAX + 1], reason[64];

	snprintf(text, sizeof(text), "%.60s%s%s", what, what[0] != '\0' ? ": " : "",
	         strerror_r(-code, reason, sizeof(reason)));
	return leat_tx_fail(member->tx, code, text);
}

void leat_waited_begin(struct leat_waited *waited)
{
	/* rlx: only this thread writes the word, and a reader needs nothing but its value */
	leat_store_rlx(&waited->word, leat_load_rlx(&waited->word) - (uint64_t)leat_now_ns());
}

void leat_waited_end(struct leat_waited *waited)
{
	/* rlx: as in leat_waited_begin() */
	leat_store_rlx(&waited->word, leat_load_rlx(&waited->word) + (uint64_t)leat_now_ns());
}

int64_t leat_waited_ns(const struct leat_waited *waited, int64_t now_ns)
{
	/* rlx: the word has all that is wanted */
	int64_t word = (int64_t)leat_load_rlx(&waited->word);

	return word < 0 ? word + now_ns : word;
}

/*
 * The clock is read only where a try finds nothing: a member that is never blocked measures
 * nothing.
 */
ssize_t leat_member_recv(struct leat_member *member, struct leat_line *lines, size_t most)
{
	ssize_t n = leat_try_recv_batch(member->rx, lines, most);

	if (n != -EAGAIN)
		return n;
	leat_waited_begin(&member->blocked);
	n = leat_recv_batch(member->rx, lines, most);
	leat_waited_end(&member->blocked);
	return n;
}

/* The time of --for, for the thread of the source; LEAT_NEVER for the others, which drain. */
static int64_t end_of_source(const struct leat_member *member)
{
	int64_t until_ns = member->rx == NULL ? member->flow->until_ns : 0;

	return until_ns == 0 ? LEAT_NEVER : until_ns;
}

int leat_member_send(struct leat_member *member, const struct leat_line *line)
{
	int rc = leat_try_send(member->tx, line);

	if (rc != -EAGAIN)
		return rc;
	leat_waited_begin(&member->blocked);
	rc = leat_send_until(member->tx, line, end_of_source(member));
	leat_waited_end(&member->blocked);
	return rc == -ETIMEDOUT ? LEAT_STOP : rc;
}

/*
 * Waits on purpose. Returns 0, LEAT_STOP where the time of --for has come first, or what a send
 * would return, or the failure of a tee.
 */
static int pause_until(struct leat_member *member, int64_t go_ns)
{
	int64_t until_ns = end_of_source(member);
	bool in_time = go_ns < until_ns;
	int rc = leat_tees_flush(member);

	if (rc != 0)
		return rc;
	rc = leat_tx_wait(member->tx, -1, 0, in_time ? go_ns : until_ns);
	if (rc != -ETIMEDOUT)
		return rc;
	return in_time ? 0 : LEAT_STOP;
}

static int wait_for_rate(struct leat_member *member, struct leat_flow_rate *rate)
{
	int64_t now_ns = leat_now_ns(), go_ns = leat_flow_rate_take(rate, now_ns);

	if (go_ns <= now_ns)
		return 0;
	leat_waited_begin(&member->paced_for);
	int rc = pause_until(member, go_ns);
	leat_waited_end(&member->paced_for);
	return rc;
}

/*
 * What a step needs besides the line: rate its time, take its count, a slowed stage its pause.
 * Returns 0, LEAT_STOP, or what pause_until() returns.
 */
static int admit_line(struct leat_member *member, struct leat_flow_step *step)
{
	const struct leat_flow *flow = member->flow;
	int rc = 0;

	if (step->stage->type->verb == LEAT_VERB_RATE) {
		rc = wait_for_rate(member, &step->rate);
	} else if (step->stage->type->verb == LEAT_VERB_TAKE) {
		if (step->left == 0)
			return LEAT_STOP;
		if (--step->left == 0)
			member->enough = true;
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

static int fail_step(struct leat_member *member, const struct leat_flow_step *step, int rc)
{
	return step->tee != NULL ? leat_tee_failed(member, step->tee, rc)
	                         : leat_member_fail(member, step->stage->type->name, rc);
}

/* A step that is a word of a program's; sinks are called by sink.c. */
static bool is_word(const struct leat_flow_step *step)
{
	return step->word_state != NULL && step->stage->type->role == LEAT_STEP;
}

static int run_steps(struct leat_member *member, size_t first, struct leat_line *line);

/* Takes what a word has made through the steps behind it, and sends it. */
static int send_made(struct leat_member *member, size_t behind, struct leat_line *made, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		leat_row_forget(&member->row);
		if (rc == 0)
			rc = run_steps(member, behind, &made[i]);
		if (rc == LEAT_PASS) {
			rc = leat_member_send(member, &made[i]);
			if (rc == 0)
				made[i] = (struct leat_line){ 0 }; /* it was sent */
		}
		leat_line_free(&made[i]);
		if (rc == 0 && member->enough)
			rc = LEAT_STOP;
	}
	return rc;
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
	if (call.count == 1) {
		leat_row_forget(&member->row); /* it may be another line than that which was read */
		*line = call.made[0];
		rc = LEAT_PASS;
	} else {
		rc = send_made(member, i + 1, call.made, call.count);
		if (rc == 0 && call.enough)
			rc = LEAT_STOP;
	}
	member->enough |= call.enough;
	return rc;
}

/* Takes a line through the steps from this one on. */
static int run_steps(struct leat_member *member, size_t first, struct leat_line *line)
{
	int rc = LEAT_PASS;

	for (size_t i = first; i < member->steps_count && rc == LEAT_PASS; i++) {
		rc = admit_line(member, &member->steps[i]);
		if (rc != 0)
			return rc;
		if (is_word(&member->steps[i])) {
			rc = run_word(member, i, line);
			continue;
		}
		leat_member_enter(member, i);
		rc = leat_flow_step_run(&member->steps[i], line);
		leat_member_leave(member);
		if (rc < 0)
			return fail_step(member, &member->steps[i], rc);
	}
	return rc;
}

int leat_steps(struct leat_member *member, struct leat_line *line)
{
	leat_row_forget(&member->row);
	return run_steps(member, member->steps_done, line);
}

/* This word has seen its last line. */
static int end_word(struct leat_member *member, size_t i)
{
	struct leat_word_call call;
	int rc;

	do {
		rc = call_word(member, i, NULL, &call);
		if (rc == 0)
			rc = send_made(member, i + 1, call.made, call.count);
	} while (rc == 0 && call.more);
	return rc;
}

int leat_steps_end(struct leat_member *member)
{
	int rc = 0;

	for (size_t i = 0; i < member->steps_count && rc == 0 && !member->enough; i++)
		if (is_word(&member->steps[i]))
			rc = end_word(member, i);
	return rc == LEAT_STOP ? 0 : rc;
}

static ssize_t send_waiting(struct leat_member *member, const struct leat_line *lines, size_t n)
{
	ssize_t sent = leat_tees_flush(member);

	if (sent != 0)
		return sent;
	leat_waited_begin(&member->blocked);
	sent = leat_send_batch(member->tx, lines, n);
	leat_waited_end(&member->blocked);
	return sent;
}

/* Sends all lines, or frees those that were not sent. */
static int send_lines(struct leat_member *member, struct leat_line *lines, size_t n)
{
	while (n > 0) {
		ssize_t sent = leat_try_send_batch(member->tx, lines, n);
		if (sent == -EAGAIN)
			sent = send_waiting(member, lines, n);
		if (sent < 0) {
			leat_lines_free(lines, n);
			return (int)sent;
		}
		lines += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/*
 * Takes n lines through the steps, and sends those that are left. They move up to the front of the
 * array.
 */
static int pass_lines(struct leat_member *member, struct leat_line *lines, size_t n)
{
	size_t kept = 0;
	int rc = LEAT_PASS;

	for (size_t i = 0; i < n; i++) {
		rc = leat_tx_done(member->tx) ? 0 : leat_steps(member, &lines[i]);
		if (rc == LEAT_PASS)
			lines[kept++] = lines[i];
		else
			leat_line_free(&lines[i]);
		if (rc < 0 || rc == LEAT_STOP || member->enough) {
			leat_lines_free(&lines[i + 1], n - i - 1);
			break;
		}
	}
	int sent = send_lines(member, lines, kept);
	return sent != 0 ? sent : rc < 0 ? rc : 0;
}

/* Returns what a send would return if it can no longer succeed, else 0. */
static int find_refusal(struct leat_member *member)
{
	int rc = leat_tx_done(member->tx) ? leat_tx_wait(member->tx, -1, 0, 0) : 0;

	return rc == -ETIMEDOUT ? 0 : rc;
}

/* How many lines to receive at once: never more than a take is still to let through. */
static size_t batch_limit(const struct leat_member *member)
{
	size_t n = member->paced || member->spreads ? 1 : BATCH;

	for (size_t i = 0; i < member->steps_count; i++) {
		const struct leat_flow_step *step = &member->steps[i];
		if (step->stage->type->verb == LEAT_VERB_TAKE && step->left < n)
			n = (size_t)step->left;
	}
	return n;
}

static int run_middle_group(struct leat_member *member)
{
	struct leat_line lines[BATCH];
	int rc = 0;

	while (rc == 0 && !member->enough) {
		size_t most = batch_limit(member);
		ssize_t n = member->tees ? leat_try_recv_batch(member->rx, lines, most) : -EAGAIN;

		if (n == -EAGAIN) {
			rc = leat_tees_flush(member);
			if (rc != 0)
				break;
			n = leat_member_recv(member, lines, most);
		}
		if (n == 0)
			return leat_steps_end(member);
		if (n < 0) {
			member->canceled = n == -ECANCELED;
			return (int)n;
		}
		rc = pass_lines(member, lines, (size_t)n);
		if (rc == 0)
			rc = find_refusal(member);
	}
	/* F1: pairs with leat_flow_left(); the main thread needs only the flag */
	leat_store_rel(&member->early, 1u);
	return rc;
}

/*
 * Returns what the member's function returns to the library, given how its work ended.
 *
 * A receive that returned -ECANCELED was cancelled with the scope in front. The member's own scope
 * is cancelled a moment later if the whole flow is; if the groups up to here were dismissed
 * instead, the next group has left, and a send returns -EPIPE. So this function waits for one of
 * the two: what the library gets must agree with the member's own channel.
 */
static int settle_end(struct leat_member *member, struct leat_tx *out, int rc)
{
	if (rc == -ECANCELED && member->canceled)
		rc = leat_tx_wait(member->tx, -1, 0, leat_now_ns() + SETTLE_NS);
	if (rc == -ETIMEDOUT)
		rc = -EPIPE;
	member->left = rc;
	if (member->tx == out && !member->own_tx &&
	    member->group + 1 < member->flow->plan.groups_count)
		return rc;
	/* A task has no channel that could be abandoned; the report knows it from `left`. */
	if (rc == -EPIPE)
		return 0;
	return rc == -ECANCELED && leat_tx_wait(out, -1, 0, leat_now_ns() + SETTLE_NS) == -ETIMEDOUT
	               ? 0
	               : rc;
}

static void publish_clock(struct leat_member *member)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock) != 0)
		return;
	leat_store_rlx(&member->clock, (uint32_t)clock); /* rlx: F4 orders it */
	leat_store_rel(&member->begun, 1u);              /* F4: pairs with read_cpu_ns() */
}

int leat_member_main(struct leat_tx *out, void *arg)
{
	struct leat_member *member = arg;
	struct leat_flow *flow = member->flow;
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "%.15s", member->name);
	pthread_setname_np(pthread_self(), name);
	publish_clock(member);
	member->began_ns = leat_now_ns();
	if (!member->own_tx)
		member->tx = out;
	leat_tees_begin(member);
	if (member->group == 0)
		rc = leat_flow_source_run(member);
	else if (member->group + 1 == flow->plan.groups_count)
		rc = leat_flow_sink_run(member);
	else
		rc = run_middle_group(member);
	rc = leat_tees_end(member, rc);
	leat_rx_close(member->rx);
	member->rx = NULL;
	rc = settle_end(member, out, rc);
	if (member->own_tx)
		leat_tx_close(member->tx);
	member->tx = NULL;
	member->ended_ns = leat_now_ns();
	leat_store_rel(&member->over, 1u); /* F3: all of the above; pairs with leat_member_over() */
	/* F2: all of the above before the count; pairs with leat_flow_over(). */
	uint32_t before = leat_add_acqrel(&flow->running, (uint32_t)-1);
	if (before == 1 || leat_load_rlx(&member->early)) /* rlx: only this thread writes it */
		eventfd_write(flow->events_fd, 1);
	return rc;
}
