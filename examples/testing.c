/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test with plain asserts: what a program does over an hour, in a few milliseconds, and that it
 * leaves nothing behind. It is linked with leat::test in place of leat::leat.
 */
#undef NDEBUG
#include <leat/leat.h>
#include <leat/test.h>

#include <assert.h>
#include <stdio.h>

#define S INT64_C(1000000000)

/* The program: a generator that raises an alarm each time that it hears nothing for five seconds.
 */
static int watch(struct leat_tx *alarms, void *arg)
{
	struct leat_rx *beats = arg;
	uint64_t beat;
	ssize_t rc;

	do {
		rc = leat_recv_until(beats, &beat, leat_now_ns() + 5 * S);
		if (rc == -ETIMEDOUT)
			rc = leat_send(alarms, &(int64_t){ leat_now_ns() }) == 0 ? 1 : -EPIPE;
	} while (rc > 0);
	leat_rx_close(beats);
	return (int)rc;
}

struct watchdog {
	struct leat_scope *scope;
	struct leat_tx *beats;
	struct leat_rx *alarms;
};

static void watchdog_open(struct watchdog *dog)
{
	struct leat_rx *beats;

	dog->scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "watchdog" });
	assert(dog->scope != NULL);
	assert(leat_chan_open(dog->scope, sizeof(uint64_t), NULL, &dog->beats, &beats) == 0);
	assert(leat_gen(dog->scope, watch, beats, sizeof(int64_t), NULL, &dog->alarms) == 0);
}

static void watchdog_close(struct watchdog *dog)
{
	leat_tx_close(dog->beats); /* the generator's input ends, and so the generator */
	assert(leat_scope_join(dog->scope) == 0);
	leat_rx_close(dog->alarms);
	assert(leat_scope_close(dog->scope) == 0);
}

/* The test. Nothing in it sleeps. */
int main(void)
{
	struct leat_census before;
	struct watchdog dog;
	int64_t alarm_ns, begin_ns;
	uint64_t beat = 1;
	char text[500];
	unsigned alarms = 0;

	leat_census_take(&before);
	assert(leat_test_clock_start() == 0);
	begin_ns = leat_now_ns();
	watchdog_open(&dog);

	leat_test_clock_advance(4 * S);
	assert(leat_try_recv(dog.alarms, &alarm_ns) == -EAGAIN);
	assert(leat_send(dog.beats, &beat) == 0);
	leat_test_clock_settle(); /* the generator has the beat */
	leat_test_clock_advance(5 * S);
	assert(leat_try_recv(dog.alarms, &alarm_ns) == 1);
	assert(alarm_ns == begin_ns + 9 * S);

	leat_test_clock_advance(3600 * S);
	while (leat_try_recv(dog.alarms, &alarm_ns) == 1)
		assert(alarm_ns == begin_ns + 9 * S + ++alarms * 5 * S);
	assert(alarms == 720);

	watchdog_close(&dog);
	if (leat_census_left(&before, text, sizeof(text)) > 0) {
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	printf("%u alarms in an hour, and nothing is left behind\n", alarms);
	return 0;
}
