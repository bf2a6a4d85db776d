/*
 * tests/unit/stop_signals.c: leat_scope_stop_on_signals(): the first signal stops, the second
 * cancels, and the close leaves nothing behind.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "plan.h"

#include <leat/diag.h>
#include <leat/test.h>
#include <signal.h>

TestSuite(stop_signals, .timeout = 600);

static const sigset_t *signal_set(int one, int other)
{
	static sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, one);
	sigaddset(&set, other);
	return &set;
}

static bool is_blocked(int number)
{
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, number) == 1;
}

/* Sends until it is stopped, and then keeps the scope busy until it is cancelled. */
struct source {
	uint64_t sent;
	bool stays;
	uint32_t stopped;
};

static int send_then_stay(struct leat_tx *out, void *arg)
{
	struct source *source = arg;
	int rc;
	leat_tx_source(out, true);
	while ((rc = leat_send(out, &source->sent)) == 0)
		source->sent++;
	if (rc == -ESHUTDOWN && source->stays) {
		leat_tx_source(out, false);
		leat_store_rel(&source->stopped, 1u);
		rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	}
	return rc;
}

static struct leat_rx *start_source(struct leat_scope *scope, struct source *source)
{
	struct leat_gen_opts opts = { .chan.capacity = 8 };
	struct leat_rx *rx = NULL;
	cr_assert_eq(leat_gen(scope, send_then_stay, source, sizeof(uint64_t), &opts, &rx), 0);
	return rx;
}

Test(stop_signals, first_signal_stops_and_what_was_sent_is_received)
{
	struct leat_scope *scope = scope_open();
	struct source source = { 0 };
	uint64_t n = 0;
	struct leat_rx *rx;
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), LEAT_NEVER), 0);
	cr_expect(is_blocked(SIGTERM));
	cr_expect(is_blocked(SIGINT));
	rx = start_source(scope, &source);
	kill(getpid(), SIGTERM);
	leat_for(uint64_t, item, rx) {
		cr_expect_eq(item, n);
		n++;
	}
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(n, source.sent);
	cr_expect(leat_scope_stopping(scope));
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
	expect_status(rx, LEAT_STOPPED, 0, "SIGTERM");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect(is_blocked(SIGTERM));
}

Test(stop_signals, second_signal_cancels)
{
	struct leat_scope *scope = scope_open();
	struct source source = { .stays = true };
	struct leat_rx *rx;
	const char *text;
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), LEAT_NEVER), 0);
	rx = start_source(scope, &source);
	kill(getpid(), SIGTERM);
	cr_assert(await_word(&source.stopped, 1));
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
	kill(getpid(), SIGINT);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_CANCELED);
	cr_expect_str_eq(text, "SIGINT");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(stop_signals, drain_of_0_cancels_at_the_first)
{
	struct leat_scope *scope = scope_open();
	struct source source = { .stays = true };
	struct leat_rx *rx;
	const char *text;
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGHUP, SIGRTMIN), 0), 0);
	rx = start_source(scope, &source);
	kill(getpid(), SIGRTMIN);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_CANCELED);
	cr_expect(strncmp(text, "signal ", 7) == 0, "%s", text);
	cr_expect_eq(source.stopped, 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(stop_signals, drain_that_is_too_short_ends_as_a_deadline)
{
	struct leat_scope *scope = scope_open();
	struct source source = { .stays = true };
	struct leat_rx *rx;
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGTERM), 2 * MS), 0);
	rx = start_source(scope, &source);
	kill(getpid(), SIGTERM);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_DEADLINE);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

/* A signal that comes once the scope is closed waits, as it is blocked, for the next scope. */
Test(stop_signals, scope_after_scope_and_a_signal_that_waited)
{
	for (int i = 0; i < 3; i++) {
		struct leat_scope *scope = scope_open();
		struct source source = { 0 };
		struct leat_rx *rx = start_source(scope, &source);
		cr_assert_eq(
			leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), LEAT_NEVER),
			0);
		if (i == 0)
			kill(getpid(), SIGTERM);
		leat_for(uint64_t, item, rx)
			(void)item;
		cr_expect_eq(leat_scope_join(scope), 0);
		expect_status(rx, LEAT_STOPPED, 0, "SIGTERM");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		kill(getpid(), SIGTERM);
	}
}

Test(stop_signals, scope_that_is_closed_without_a_signal)
{
	struct leat_scope *scope = scope_open(), *below = leat_scope_open(scope, NULL);
	cr_expect_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), 0), 0);
	cr_expect_eq(leat_scope_stop_on_signals(below, signal_set(SIGHUP, SIGHUP), MS), 0);
	cr_expect_eq(leat_scope_close(below), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(stop_signals, refusals)
{
	const sigset_t *set = signal_set(SIGTERM, SIGINT);
	struct leat_scope *scope = scope_open();
	cr_expect_eq(leat_scope_stop_on_signals(NULL, set, 0), -EINVAL);
	cr_expect_eq(leat_scope_stop_on_signals(scope, NULL, 0), -EINVAL);
	cr_expect_eq(leat_scope_stop_on_signals(scope, set, -1), -EINVAL);
	cr_expect_not(is_blocked(SIGTERM));
	cr_expect_eq(leat_scope_stop_on_signals(scope, set, 0), 0);
	cr_expect_eq(leat_scope_stop_on_signals(scope, set, 0), -EALREADY);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_stop_on_signals(scope, set, 0), -ECANCELED);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* No descriptor is left for it: the mask is what it was, and the scope is as before. */
Test(stop_signals, no_descriptor)
{
	const sigset_t *set = signal_set(SIGTERM, SIGINT);
	struct leat_scope *scope = scope_open();
	struct rlimit before, none;
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	int rc = leat_scope_stop_on_signals(scope, set, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	cr_expect_eq(rc, -EMFILE);
	cr_expect_not(is_blocked(SIGTERM));
	cr_expect_eq(leat_scope_stop_on_signals(scope, set, 0), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* The time to drain begins at the signal, and goes by the library's clock. */
Test(stop_signals, time_to_drain_begins_at_the_signal)
{
	cr_assert_eq(leat_test_clock_start(), 0);
	struct leat_scope *scope = scope_open();
	struct source source = { .stays = true };
	struct leat_rx *rx;
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), 5000 * MS), 0);
	rx = start_source(scope, &source);
	cr_expect_eq(leat_test_clock_advance(60000 * MS), 0);
	cr_expect_not(leat_scope_stopping(scope));
	kill(getpid(), SIGTERM);
	cr_assert(await_word(&source.stopped, 1));
	cr_expect_eq(leat_test_clock_advance(4999 * MS), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
	cr_expect_eq(leat_test_clock_advance(1 * MS), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_DEADLINE);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

static bool file_has(const char *path, const char *text)
{
	static char content[1 << 20];
	FILE *file = fopen(path, "r");
	cr_assert_not_null(file);
	content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
	fclose(file);
	return strstr(content, text) != NULL;
}

Test(stop_signals, diagnostics_name_the_cause)
{
	char json[] = "/tmp/leat-stop-XXXXXX", prom[sizeof(json) + 5];
	int fd = mkstemp(json);
	struct leat_diag_opts opts = { .json_path = json, .prometheus_path = prom };
	struct leat_scope *scope = scope_open();
	struct source source = { 0 };
	struct leat_rx *rx;
	cr_assert(fd >= 0);
	close(fd);
	snprintf(prom, sizeof(prom), "%s.prom", json);
	struct leat_diag *diag = leat_diag_start(&opts);
	cr_assert_not_null(diag);
	cr_assert_eq(leat_scope_stop_on_signals(scope, signal_set(SIGTERM, SIGINT), LEAT_NEVER), 0);
	rx = start_source(scope, &source);
	kill(getpid(), SIGTERM);
	cr_expect_eq(leat_scope_join(scope), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect(file_has(json, "\"cause\":\"stopped\",\"code\":0,\"text\":\"SIGTERM\""));
	cr_expect(file_has(json, "\"stopped\":1"));
	cr_expect(file_has(prom, "leat_generators_ended_total{cause=\"stopped\"} 1"));
	unlink(json);
	unlink(prom);
}
