/*
 * Generators on threads of their own: start and end; and the end of all that have an ordinary
 * channel (leat_gen_finish()).
 *
 * The steps of an end, in this order: fini runs; the channel keeps the outcome; the end is recorded
 * for snapshots; the channel's sender is closed; a failure cancels the scope, but spares this
 * channel; the scope gets the thread, to be joined. So a thread that reads the end of the stream
 * finds the outcome, and a snapshot after that shows the generator as ended.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/gen.h"
#include "runtime/chan/chan.h"
#include "runtime/gen/compact.h"
#include "runtime/gen/pooled.h"

#include <stdio.h>
#include <string.h>

struct gen {
	struct leat_scope *scope;
	struct leat_tx *out;
	leat_gen_fn *fn; /* NULL: a seq, or a sink */
	void *arg;
	void (*fini)(void *arg); /* of arg, or NULL */
	struct leat_seq seq;
	struct leat_rx *in; /* a sink's, else NULL */
	struct leat_sink sink;
	struct leat_gen_node *node;
	struct leat_ended *ended;
};

LEAT_TLS struct leat_tx *leat_gen_out;

const char leat_gen_thrown_text[] =
	"next was left by an exception; it must return 1, 0, a wait that was asked for, or -errno";

int leat_gen_fail_value(struct leat_tx *out, const char *who, int value, const char *legal)
{
	char text[LEAT_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%s returned %d; it must return %s", who, value, legal);
	return leat_tx_fail(out, -EINVAL, text);
}

/* Makes each item in its slot of the channel, once there is room for it. */
static int run_seq(struct leat_tx *out, const struct leat_seq *seq, struct leat_input_end *input)
{
	void *slot;
	int rc;

	for (;;) {
		rc = (int)leat_reserve(out, 1, &slot);
		if (rc < 0)
			return rc;
		rc = seq->next(seq->state, slot);
		leat_commit(out, rc == 1);
		if (rc <= 0)
			return rc;
		if (rc != 1)
			return leat_gen_fail_value(out, "next", rc, "1, 0 or -errno");
		input->rc = 0;
	}
}

static int run_generator(const struct gen *gen, struct leat_input_end *input)
{
	int rc;

	if (gen->in != NULL)
		return leat_sink_run(gen->out, gen->in, &gen->sink);
	if (gen->fn == NULL) {
		rc = run_seq(gen->out, &gen->seq, input);
		if (gen->seq.fini != NULL)
			gen->seq.fini(gen->seq.state);
		return rc;
	}
	rc = gen->fn(gen->out, gen->arg);
	if (gen->fini != NULL)
		gen->fini(gen->arg);
	return rc > 0 ? leat_gen_fail_value(gen->out, "the generator", rc, "0 or -errno") : rc;
}

/* Whether a stop ended the generator, which has returned rc. */
static bool was_stopped(struct leat_tx *out, int rc)
{
	const struct leat_handle *h = leat_handle_of_tx(out);

	/* one that was told may have unmarked its handle since, to send what it had in hand */
	return h->mark.told ? rc == -ESHUTDOWN || rc == 0
	                    : rc == -ESHUTDOWN && leat_handle_is_stopped(h);
}

/* The text of the failure that the generator has given; "": none. */
static void copy_words(struct leat_tx *out, char text[LEAT_TEXT_MAX + 1])
{
	const struct leat_handle_gen *gen = leat_handle_of_tx(out)->gen;

	if (gen != NULL)
		memcpy(text, gen->words, sizeof(gen->words));
	else
		leat_chan_words(out->chan, text);
}

/* The scope whose stop has ended the generator: its own, or that of its channel. */
static const struct leat_scope *stopped_scope(struct leat_scope *scope, struct leat_tx *out)
{
	return leat_scope_stopping(scope) ? scope : out->chan->scope;
}

/* The same of a cancel. */
static const struct leat_scope *cancelled_scope(struct leat_scope *scope, struct leat_tx *out)
{
	return leat_scope_cause(scope, NULL, NULL) != LEAT_RUNNING ? scope : out->chan->scope;
}

/* Waits until cancels that are on their way have reached the channel, and the generator's hook. */
static void settle_cancels(struct leat_scope *scope, struct leat_tx *out)
{
	leat_scope_settle(scope);
	if (out->chan->scope != scope)
		leat_scope_settle(out->chan->scope);
}

/* Derives the outcome from the last value. Returns whether it is a failure that must cancel the
 * scope. */
static bool derive_outcome(struct leat_scope *scope, struct leat_tx *out, int rc,
                           const struct leat_input_end *input, struct leat_outcome *outcome)
{
	const char *text;
	int refusal;

	*outcome = (struct leat_outcome){ .known = true, .cause = LEAT_COMPLETED };
	if (was_stopped(out, rc)) {
		outcome->cause = LEAT_STOPPED;
		leat_text_copy(outcome->text, leat_scope_stop_text(stopped_scope(scope, out)));
		return false;
	}
	if (rc == 0)
		return false;
	if (rc == -ECANCELED)
		settle_cancels(scope, out);
	refusal = leat_handle_end(leat_handle_of_tx(out));
	if (rc == refusal && rc == -EPIPE) {
		/* leat_tx_close_all() ends a stream in good order */
		outcome->cause =
			leat_chan_ended_by_sender(out->chan) ? LEAT_COMPLETED : LEAT_ABANDONED;
		return false;
	}
	/* the channel itself may have ended otherwise before the cancel */
	if (rc == -ECANCELED &&
	    (rc == refusal || leat_scope_cause(scope, NULL, NULL) != LEAT_RUNNING)) {
		outcome->cause =
			leat_scope_cause(cancelled_scope(scope, out), &outcome->code, &text);
		leat_text_copy(outcome->text, text);
		return false;
	}
	outcome->cause = LEAT_FAILED;
	outcome->origin = true;
	outcome->code = rc;
	copy_words(out, outcome->text);
	if (input->rc == rc && outcome->text[0] == '\0') {
		outcome->origin = input->by_itself;
		outcome->cause = input->cause;
		outcome->code = input->code;
		leat_text_copy(outcome->text, input->text);
	}
	return outcome->cause == LEAT_FAILED;
}

void leat_gen_read_stat(struct leat_gen_node *node, int64_t now_ns, struct leat_gen_stat *stat)
{
	struct leat_spent spent;

	*stat = node->stat;
	stat->id = node->node.id;
	if (!node->has_thread)
		return;
	leat_times_read(&node->times, now_ns, &spent);
	stat->busy_ns = spent.ns[LEAT_TIME_BUSY];
	stat->starved_ns = spent.ns[LEAT_TIME_STARVED];
	stat->blocked_ns = spent.ns[LEAT_TIME_BLOCKED];
	stat->order_ns = spent.ns[LEAT_TIME_ORDER];
	stat->paced_ns = spent.ns[LEAT_TIME_PACED];
	stat->cpu_ns = spent.cpu_ns;
	stat->runq_ns = spent.runq_ns;
	memcpy(stat->receives, spent.waits.receives, sizeof(stat->receives));
	memcpy(stat->sends, spent.waits.sends, sizeof(stat->sends));
	stat->waits_on = spent.waits.waits_on;
	stat->paced_by = (enum leat_pace)spent.waits.paced_by;
}

static void record_end(struct leat_gen_node *node, const struct leat_outcome *outcome)
{
	struct leat_end *end = node->end;

	leat_registry_count_exit(outcome->cause);
	if (node->has_thread)
		leat_times_leave(&node->times, leat_registry_has_listener());
	end->kind = LEAT_NODE_GEN;
	leat_gen_read_stat(node, 0, &end->gen);
	end->gen.cause = outcome->cause;
	end->gen.code = outcome->code;
	end->gen.origin = outcome->origin;
	end->gen.ended_ns = leat_now_ns();
	memcpy(end->gen.text, outcome->text, sizeof(end->gen.text));
	leat_registry_remove(&node->node, end);
}

void leat_gen_finish(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                     int rc, const struct leat_input_end *input)
{
	struct leat_handle *h = leat_handle_of_tx(out);
	struct leat_chan *chan = out->chan;
	struct leat_outcome outcome;
	bool failed = derive_outcome(scope, out, rc, input, &outcome);
	bool same_scope = chan->scope == scope;

	if (h->gen == NULL)
		leat_chan_set_outcome(chan, &outcome);
	else
		leat_chan_add_outcome(chan, &outcome, failed);
	record_end(node, &outcome);
	leat_chan_hold(chan);
	leat_handle_gen_detach(h);
	leat_tx_close(out);
	if (failed)
		leat_scope_fail(scope, outcome.code, outcome.text, same_scope ? &chan->hook : NULL,
		                NULL);
	if (failed && same_scope)
		/* after the cause: a thread with a clone that is refused then finds the cause */
		leat_chan_fail_tx(chan);
	leat_chan_let_go(chan);
}

static void gen_main(void *arg)
{
	struct gen gen = *(struct gen *)arg;
	struct leat_input_end input = { .rc = 0 };
	int rc;

	leat_os_free(arg);
	leat_times_enter(&gen.node->times);
	leat_scope_current = gen.scope;
	leat_gen_out = gen.out;
	leat_scope_own_mark = &leat_handle_of_tx(gen.out)->mark;
	leat_scope_of_output = gen.out->chan->scope;
	leat_thread_input = gen.fn == NULL ? &input : NULL;
	rc = run_generator(&gen, &input);
	leat_input_note_eviction(&input, rc);
	leat_thread_input = NULL;
	leat_gen_out = NULL;
	leat_scope_own_mark = NULL;
	leat_scope_of_output = NULL;
	leat_gen_finish(gen.scope, gen.out, gen.node, rc, &input);
	/*
	 * leat_scope_current stays set: destructors of this thread's values run before the join, so
	 * they must not join the scope
	 */
	gen.ended->thread = leat_thread_self(); /* the starting thread may not have stored it yet */
	leat_scope_exit(gen.ended);
}

void leat_gen_node_free(struct leat_gen_node *node)
{
	if (node != NULL)
		leat_os_free(node->end);
	leat_os_free(node);
}

struct leat_gen_node *leat_gen_node_alloc(void)
{
	struct leat_gen_node *node = leat_os_alloc(sizeof(*node), 0);

	if (node != NULL)
		node->end = leat_os_alloc(sizeof(*node->end), 0);
	if (node != NULL && node->end != NULL)
		return node;
	leat_gen_node_free(node);
	return NULL;
}

static void gen_free(struct gen *gen)
{
	if (gen == NULL)
		return;
	leat_gen_node_free(gen->node);
	leat_os_free(gen->ended);
	leat_os_free(gen);
}

/* Allocates a generator of this kind, and all that its start and its end will need. */
static struct gen *gen_alloc(const struct gen *what)
{
	struct gen *gen = leat_os_alloc(sizeof(*gen), 0);

	if (gen == NULL)
		return NULL;
	*gen = *what;
	gen->ended = leat_os_alloc(sizeof(*gen->ended), 0);
	gen->node = leat_gen_node_alloc();
	if (gen->ended == NULL || gen->node == NULL) {
		gen_free(gen);
		return NULL;
	}
	return gen;
}

int leat_gen_begin(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                   enum leat_sent_by by, const char *name)
{
	int rc;

	leat_name_copy(node->stat.name, name);
	if (leat_handle_of_tx(out)->gen == NULL)
		/* rlx: for a text, as leat_chan_untold() says */
		leat_store_rlx(&out->chan->sent_by, (uint32_t)by);
	if (out->chan->item_size != 0)
		node->stat.chan_id = out->chan->node.id;
	rc = leat_scope_begin(scope);
	if (rc < 0)
		return rc;
	node->stat.began_ns = leat_now_ns();
	if (node->has_thread)
		leat_times_init(&node->times, node->stat.began_ns);
	leat_registry_add(&node->node, LEAT_NODE_GEN, node);
	return 0;
}

static int start_thread(struct gen *gen, const struct leat_gen_opts *opts)
{
	struct leat_gen_node *node = gen->node;
	struct leat_thread thread; /* not read: the thread itself gives its own to be joined */
	int rc;

	gen->ended->scope = gen->scope;
	node->has_thread = true;
	rc = leat_gen_begin(gen->scope, gen->out, node,
	                    gen->fn != NULL ? LEAT_BY_FUNCTION : LEAT_BY_SEQ, opts->chan.name);
	if (rc < 0)
		return rc;
	rc = leat_thread_start(&thread, gen_main, gen,
	                       opts->chan.name != NULL ? opts->chan.name : "", opts->pin);
	if (rc == 0)
		return 0;
	leat_scope_end(gen->scope);
	leat_os_free(node->end);
	leat_registry_remove(&node->node, NULL);
	gen->node = NULL;
	return rc;
}

int leat_gen_check(const struct leat_scope *scope, const struct leat_gen_opts *opts)
{
	if (scope == NULL ||
	    !leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return -EINVAL;
	if (opts->pool != NULL && opts->pin != 0)
		return -EINVAL;
	if (opts->source && leat_scope_stopping(scope))
		return -ESHUTDOWN;
	return leat_chan_check(&opts->chan);
}

static int start_on_thread(const struct gen *what, size_t item_size,
                           const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	struct leat_rx *in = NULL;
	struct gen *gen;
	int rc;

	leat_scope_reap(what->scope);
	gen = gen_alloc(what);
	if (gen == NULL)
		return -ENOMEM;
	rc = leat_chan_create(gen->scope, item_size, &opts->chan, &gen->out,
	                      rx != NULL ? &in : NULL);
	if (rc < 0)
		goto no_channel;
	if (opts->source)
		leat_tx_source(gen->out, true);
	if (rx != NULL)
		*rx = in; /* before the thread runs, which may read it */
	rc = start_thread(gen, opts);
	if (rc == 0)
		return 0;
	if (rx != NULL)
		*rx = NULL;
	leat_rx_close(in);
	leat_tx_close(gen->out);
no_channel:
	gen_free(gen);
	return rc;
}

static int start_into(const struct gen *what, const struct leat_gen_opts *opts)
{
	struct leat_handle *h = leat_handle_of_tx(what->out);
	bool was_source = leat_load_rlx(&h->mark.source) != 0; /* rlx: its thread's */
	struct gen *gen;
	int rc;

	leat_scope_reap(what->scope);
	gen = gen_alloc(what);
	if (gen == NULL)
		return -ENOMEM;
	rc = leat_handle_gen_attach(h, what->scope, opts->chan.name);
	if (rc == 0) {
		if (opts->source)
			leat_tx_source(what->out, true);
		rc = start_thread(gen, opts);
		if (rc == 0)
			return 0;
		leat_tx_source(what->out, was_source);
		leat_handle_gen_detach(h);
	}
	gen_free(gen);
	return rc;
}

/* Returns 0, or the error of a handle that leat_gen_into() does not take. */
static int check_output(const struct leat_scope *scope, struct leat_tx *out,
                        const struct leat_gen_opts *opts)
{
	struct leat_handle *h = leat_handle_of_tx(out);

	leat_handle_check(h, "leat_gen_into");
	if (out->chan->item_size == 0 || h->gen != NULL)
		return -EINVAL;
	if (h->held != 0)
		return -EBUSY;
	if ((opts->source || leat_load_rlx(&h->mark.source)) && /* rlx: its thread's */
	    (leat_scope_stopping(scope) || leat_scope_stopping(out->chan->scope)))
		return -ESHUTDOWN;
	return 0;
}

int leat_detail_gen_into(unsigned abi, struct leat_scope *scope, leat_gen_fn *fn, void *arg,
                         struct leat_tx *tx, const struct leat_gen_opts *opts)
{
	static const struct leat_gen_opts defaults;
	struct gen what = { .scope = scope, .fn = fn, .arg = arg, .out = tx };
	int rc;

	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (opts == NULL)
		opts = &defaults;
	if (fn == NULL || tx == NULL)
		return -EINVAL;
	what.fini = opts->fini;
	rc = leat_gen_check(scope, opts);
	if (rc == 0 && opts->pool != NULL)
		rc = -ENOTSUP; /* as leat_gen() */
	if (rc == 0)
		rc = check_output(scope, tx, opts);
	return rc < 0 ? rc : start_into(&what, opts);
}

int leat_detail_gen(unsigned abi, struct leat_scope *scope, leat_gen_fn *fn, void *arg,
                    size_t item_size, const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	static const struct leat_gen_opts defaults;
	struct gen what = { .scope = scope, .fn = fn, .arg = arg };
	int rc;

	if (rx != NULL)
		*rx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (opts == NULL)
		opts = &defaults;
	if (fn == NULL || (item_size == 0) != (rx == NULL))
		return -EINVAL;
	what.fini = opts->fini;
	rc = leat_gen_check(scope, opts);
	if (rc == 0 && opts->pool != NULL)
		rc = -ENOTSUP; /* a function that waits needs a thread */
	return rc < 0 ? rc : start_on_thread(&what, item_size, opts, rx);
}

int leat_detail_gen_seq(unsigned abi, struct leat_scope *scope, struct leat_seq seq,
                        const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	static const struct leat_gen_opts defaults;
	struct gen what = { .scope = scope, .seq = seq };
	int rc;

	if (rx != NULL)
		*rx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (opts == NULL)
		opts = &defaults;
	if (seq.next == NULL || seq.item_size == 0 || rx == NULL || opts->fini != NULL)
		return -EINVAL;
	rc = leat_gen_check(scope, opts);
	if (rc == 0 && opts->pool != NULL)
		return leat_compact_suits(&opts->chan, seq.item_size)
		               ? leat_compact_start(scope, &seq, opts, rx)
		               : leat_pooled_start(scope, &seq, opts, rx);
	return rc < 0 ? rc : start_on_thread(&what, seq.item_size, opts, rx);
}

int leat_gen_start_sink(struct leat_scope *scope, struct leat_rx *rx, const struct leat_sink *sink,
                        const struct leat_gen_opts *opts)
{
	struct gen what = { .scope = scope, .in = rx, .sink = *sink };

	return start_on_thread(&what, 0, opts, NULL);
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
int(leat_gen)(struct leat_scope *scope, leat_gen_fn *fn, void *arg, size_t item_size,
              const struct leat_gen_opts *opts, struct leat_rx **rx)
{
	return leat_gen(scope, fn, arg, item_size, opts, rx);
}

int(leat_gen_seq)(struct leat_scope *scope, struct leat_seq seq, const struct leat_gen_opts *opts,
                  struct leat_rx **rx)
{
	return leat_gen_seq(scope, seq, opts, rx);
}

int(leat_gen_into)(struct leat_scope *scope, leat_gen_fn *fn, void *arg, struct leat_tx *tx,
                   const struct leat_gen_opts *opts)
{
	return leat_gen_into(scope, fn, arg, tx, opts);
}
