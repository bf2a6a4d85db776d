/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pace/rate.h"

#include <leat/atomic.h>
#include <leat/gen.h>

enum { UNIT_BITS = 32 };

/* A wait that is shorter spins first: a wake-up by the clock would come after its end. */
#define SPIN_BELOW_NS 20000

/* The interval is rounded to whole nanoseconds from this one on. */
#define WHOLE_FROM_NS 1000.0
#define EACH_MOST_NS 4e18

static leat_rate_time units_of(int64_t ns)
{
	return (leat_rate_time)ns * ((leat_rate_time)1 << UNIT_BITS);
}

/* Rounds up. */
static int64_t ns_of(leat_rate_time time)
{
	leat_rate_time ns = (time + units_of(1) - 1) >> UNIT_BITS;

	return ns >= LEAT_NEVER ? LEAT_NEVER : (int64_t)ns;
}

static leat_rate_time round_up(double value)
{
	leat_rate_time whole = (leat_rate_time)value;

	return whole + ((double)whole < value);
}

/* Returns the interval, or 0 for no rate. */
static leat_rate_time interval_of(double per_second)
{
	double ns = 1e9 / per_second;

	if (!(per_second > 0) || !(ns > 0))
		return 0;
	if (ns > EACH_MOST_NS)
		ns = EACH_MOST_NS;
	if (ns >= WHOLE_FROM_NS)
		return round_up(ns) * units_of(1);
	return round_up(ns * (double)units_of(1));
}

/* Caller holds the lock. Returns when n permits that are taken now are due, and stores next. */
static leat_rate_time move_next(struct leat_rate *rate, uint32_t n, int64_t now_ns)
{
	leat_rate_time full = units_of(now_ns) - rate->burst * rate->each;

	if (rate->next < full)
		rate->next = full;
	rate->next += n * rate->each;
	if (rate->next > units_of(LEAT_NEVER))
		rate->next = units_of(LEAT_NEVER); /* not in 292 years */
	return rate->next;
}

/* --- the list of waiters; the caller holds the rate's lock --- */

static void list_waiter(struct leat_rate *rate, struct leat_rate_waiter *waiter)
{
	waiter->next = &rate->waiters;
	waiter->prev = rate->waiters.prev;
	waiter->prev->next = rate->waiters.prev = waiter;
}

static void unlist_waiter(struct leat_rate_waiter *waiter)
{
	waiter->prev->next = waiter->next;
	waiter->next->prev = waiter->prev;
	waiter->next = NULL;
}

static void set_due(struct leat_rate_waiter *waiter, leat_rate_time start, leat_rate_time due)
{
	waiter->start = start;
	waiter->due = due;
	/* rlx: the lock of the event orders it */
	leat_store_rlx(&waiter->due_ns, (uint64_t)ns_of(due));
}

static void give_back(struct leat_rate *rate, struct leat_rate_waiter *waiter)
{
	leat_rate_time taken = waiter->n * rate->each;

	if (waiter->fixed != rate->fixed)
		return;
	for (struct leat_rate_waiter *w = waiter->next; w != &rate->waiters; w = w->next)
		set_due(w, w->start - taken, w->due - taken);
	rate->next -= taken;
}

/* --- a take that waits --- */

static struct leat_rate_waiter *rate_waiter_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct leat_rate_waiter, loop);
}

/* What is due is granted, even if the scope is cancelled by now. */
static ssize_t rate_attempt(struct leat_wait_loop *w)
{
	struct leat_rate_waiter *waiter = rate_waiter_of(w);
	int refusal;
	int64_t due_ns;

	/* rlx: the lock of the event orders them, or the rate's lock before the first attempt */
	refusal = (int)leat_load_rlx(&waiter->failed);
	/* rlx: the same */
	due_ns = (int64_t)leat_load_rlx(&waiter->due_ns);
	w->deadline_ns = due_ns;
	if (refusal != 0)
		return refusal;
	if (leat_now_ns() >= due_ns)
		return 0;
	refusal = leat_scope_wait_refusal(waiter->scope);
	return refusal != 0 ? refusal : -EAGAIN;
}

static void rate_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(rate_waiter_of(w)->scope);
}

static void rate_prepare(struct leat_wait_loop *w)
{
	struct leat_rate_waiter *waiter = rate_waiter_of(w);

	leat_wait_watch(&waiter->watch, waiter->scope, &w->sleeper);
	leat_event_prepare_wait(&waiter->rate->moved, &waiter->waiter);
}

/* A notification is for all waiters, so there is none to forward. */
static bool rate_retire(struct leat_wait_loop *w)
{
	struct leat_rate_waiter *waiter = rate_waiter_of(w);

	leat_wait_unwatch(&waiter->watch);
	leat_event_remove_waiter(&waiter->rate->moved, &waiter->waiter);
	return false;
}

static const struct leat_wait_ops rate_wait_ops = {
	.attempt = rate_attempt,
	.expire = rate_expire,
	.prepare = rate_prepare,
	.retire = rate_retire,
};

static int wait_until_due(struct leat_rate *rate, struct leat_rate_waiter *waiter)
{
	int rc = (int)leat_wait_for(&waiter->loop);
	bool moved = false;

	leat_mutex_lock(&rate->lock);
	if (waiter->next != NULL) {
		if (rc < 0 && waiter->due <= units_of(leat_now_ns()))
			rc = 0; /* it became due meanwhile */
		moved = rc < 0;
		if (moved)
			give_back(rate, waiter);
		unlist_waiter(waiter);
	} else {
		rc = (int)leat_load_rlx(&waiter->failed); /* rlx: the lock is held */
	}
	if (moved)
		leat_event_notify(&rate->moved, LEAT_EVENT_ALL);
	leat_mutex_unlock(&rate->lock);
	return rc;
}

/* Caller holds the lock. Makes the wait of a take whose due is set. */
static void init_waiter(struct leat_rate *rate, struct leat_rate_waiter *waiter, int64_t now_ns)
{
	int64_t due_ns = ns_of(waiter->due);

	waiter->rate = rate;
	waiter->fixed = rate->fixed;
	waiter->waiter.sleeper = &waiter->loop.sleeper;
	waiter->loop = (struct leat_wait_loop){
		.ops = &rate_wait_ops,
		.policy = due_ns - now_ns < SPIN_BELOW_NS ? LEAT_WAIT_ADAPTIVE : LEAT_WAIT_PARK,
		.time = LEAT_TIME_PACED,
		.waits_for = LEAT_PACED_RATE,
		.weight = 1,
		.deadline_ns = due_ns,
		.scopes_ns = leat_scope_deadline_or_never(waiter->scope),
		.sleeper = LEAT_SLEEPER_INIT,
	};
	list_waiter(rate, waiter);
}

/* Caller holds the lock. Returns 0, 1 if the waiter has to wait, or an error, nothing taken. */
static int take_permits(struct leat_rate *rate, struct leat_rate_waiter *waiter)
{
	leat_rate_time before = rate->next, due;
	int64_t now_ns = leat_now_ns();
	int rc = 0;

	due = move_next(rate, waiter->n, now_ns);
	set_due(waiter, due - waiter->n * rate->each, due);
	if (due <= units_of(now_ns))
		return 0;
	if (ns_of(due) > waiter->deadline_ns)
		rc = -ETIMEDOUT;
	else if (leat_must_not_wait > 0)
		rc = -EDEADLK;
	if (rc < 0) {
		rate->next = before;
		return rc;
	}
	init_waiter(rate, waiter, now_ns);
	return 1;
}

int leat_rate_take(struct leat_rate *rate, uint32_t n, struct leat_scope *scope,
                   int64_t deadline_ns)
{
	struct leat_rate_waiter waiter = { .scope = scope, .n = n, .deadline_ns = deadline_ns };
	int refusal, rc;

	if (rate == NULL)
		return -EINVAL;
	refusal = leat_scope_wait_refusal(scope);
	leat_mutex_lock(&rate->lock);
	if (n > rate->burst)
		rc = -EINVAL;
	else
		rc = refusal != 0 || n == 0 ? refusal : take_permits(rate, &waiter);
	leat_mutex_unlock(&rate->lock);
	return rc == 1 ? wait_until_due(rate, &waiter) : rc;
}

int leat_rate_try(struct leat_rate *rate, uint32_t n)
{
	leat_rate_time before;
	int64_t now_ns;
	int rc = 0;

	if (rate == NULL)
		return -EINVAL;
	leat_mutex_lock(&rate->lock);
	before = rate->next;
	now_ns = leat_now_ns();
	if (n > rate->burst)
		rc = -EINVAL;
	else if (n > 0 && ns_of(move_next(rate, n, now_ns)) > now_ns)
		rc = -EAGAIN;
	if (rc == -EAGAIN)
		rate->next = before;
	leat_mutex_unlock(&rate->lock);
	return rc;
}

int leat_rate_after(struct leat_rate *rate, uint32_t n, int64_t *due_ns)
{
	int64_t now_ns;
	int rc = 0;

	if (rate == NULL || due_ns == NULL)
		return -EINVAL;
	if (*due_ns == 0) {
		leat_mutex_lock(&rate->lock);
		now_ns = leat_now_ns();
		if (n > rate->burst)
			rc = -EINVAL;
		else if (n > 0)
			*due_ns = ns_of(move_next(rate, n, now_ns));
		if (*due_ns <= now_ns)
			*due_ns = 0; /* there is nothing to wait for */
		else
			rate->fixed++;
		leat_mutex_unlock(&rate->lock);
		if (rc < 0 || *due_ns == 0)
			return rc;
	}
	rc = leat_after(*due_ns);
	if (rc == 0)
		*due_ns = 0;
	return rc;
}

/* --- a change of the rate --- */

/* Returns the same number of permits at another interval, rounded up. */
static leat_rate_time rescale(leat_rate_time time, leat_rate_time from, leat_rate_time to)
{
	leat_rate_time scaled =
		(leat_rate_time)((long double)time * (long double)to / (long double)from);
	leat_rate_time whole = units_of(1);

	if (to % whole != 0)
		return scaled + 1;
	return scaled % whole == 0 ? scaled : (scaled / whole + (scaled > 0)) * whole;
}

/*
 * Caller holds the lock. Moves each waiter to where it would be if all that was taken and is not
 * due had been taken now, in the same order. What leat_rate_after() took leaves its gap.
 */
static void move_waiters(struct leat_rate *rate, leat_rate_time each, uint32_t burst,
                         int64_t now_ns)
{
	struct leat_rate_waiter *w = rate->waiters.next, *next;
	leat_rate_time now = units_of(now_ns), full = now - rate->burst * rate->each,
		       before = w == &rate->waiters ? rate->next : w->start, at;

	at = now + rescale((before < full ? full : before) - now, rate->each, each);
	if (at < now - burst * each)
		at = now - burst * each;
	for (; w != &rate->waiters; w = next) {
		leat_rate_time start = at + rescale(w->start - before, rate->each, each),
			       due = start + w->n * each;

		next = w->next;
		before = w->due;
		at = start;
		if (w->n <= burst && ns_of(due) <= w->deadline_ns) {
			set_due(w, start, due);
			at = due;
			continue;
		}
		/* rlx: the lock of the event orders it */
		leat_store_rlx(&w->failed, (uint32_t)(w->n > burst ? -EINVAL : -ETIMEDOUT));
		unlist_waiter(w);
	}
	rate->next = at + rescale(rate->next - before, rate->each, each);
}

int leat_rate_set(struct leat_rate *rate, double per_second, uint32_t burst)
{
	leat_rate_time each = interval_of(per_second);

	if (rate == NULL || each == 0)
		return -EINVAL;
	if (burst == 0)
		burst = 1;
	leat_mutex_lock(&rate->lock);
	move_waiters(rate, each, burst, leat_now_ns());
	rate->each = each;
	rate->burst = burst;
	leat_event_notify(&rate->moved, LEAT_EVENT_ALL);
	leat_mutex_unlock(&rate->lock);
	return 0;
}

/* --- open and close --- */

struct leat_rate *leat_detail_rate_open(unsigned abi, const struct leat_rate_opts *opts)
{
	struct leat_rate *rate;
	leat_rate_time each;

	if (abi != leat_detail_abi(*opts))
		return leat_open_failed(-ELIBBAD);
	if (opts == NULL)
		return leat_open_failed(-EINVAL);
	each = interval_of(opts->per_second);
	if (each == 0 ||
	    !leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return leat_open_failed(-EINVAL);
	rate = leat_os_alloc(sizeof(*rate), 0);
	if (rate == NULL)
		return leat_open_failed(-ENOMEM);
	leat_mutex_init(&rate->lock);
	leat_event_init(&rate->moved, NULL, 0);
	rate->waiters.prev = rate->waiters.next = &rate->waiters;
	rate->each = each;
	rate->burst = opts->burst > 0 ? opts->burst : 1;
	rate->next = units_of(leat_now_ns()) - rate->burst * each;
	return rate;
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
struct leat_rate *(leat_rate_open)(const struct leat_rate_opts *opts)
{
	return leat_rate_open(opts);
}

int leat_rate_close(struct leat_rate *rate)
{
	bool waits;

	if (rate == NULL)
		return 0;
	leat_mutex_lock(&rate->lock);
	waits = rate->waiters.next != &rate->waiters;
	leat_mutex_unlock(&rate->lock);
	if (waits)
		return -EBUSY;
	leat_os_free(rate);
	return 0;
}
