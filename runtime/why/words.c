/*
 * What a verdict says.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/why/why.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int percent(double share)
{
	return (int)(share * 100 + 0.5);
}

static const char *pace_of(enum leat_pace pace)
{
	switch (pace) {
	case LEAT_PACED_RATE:
		return "waits for a rate";
	case LEAT_PACED_SEMAPHORE:
		return "waits for a semaphore";
	default:
		return "waits for a time: it sleeps, pauses before its next try, or ticks";
	}
}

#define SAY(...) snprintf(verdict->text, sizeof(verdict->text), __VA_ARGS__)

static void say_stage(struct leat_verdict *verdict)
{
	const char *name = verdict->stage;

	switch (verdict->limit) {
	case LEAT_LIMIT_CPU:
		SAY("\"%s\" limits the flow: it computes for %d %% of the time", name,
		    percent(verdict->cpu));
		break;
	case LEAT_LIMIT_CALL:
		SAY("\"%s\" limits the flow: for %d %% of the time it is in calls that block in "
		    "the kernel, or in locks",
		    name, percent(verdict->busy - verdict->cpu - verdict->runq));
		break;
	case LEAT_LIMIT_SKEW:
		SAY("one thread of \"%s\" limits the flow: \"%s\" works for %d %% of the time, the "
		    "other %" PRIu32 " mostly wait",
		    name, verdict->thread, percent(verdict->busy + verdict->paced),
		    verdict->threads - 1);
		break;
	case LEAT_LIMIT_CORES:
		SAY("there are too few processors: \"%s\" could run, and waits for one for %d %% "
		    "of the time",
		    name, percent(verdict->runq));
		break;
	case LEAT_LIMIT_PACED:
		SAY("\"%s\" limits the flow on purpose: for %d %% of the time it %s", name,
		    percent(verdict->paced), pace_of(verdict->paced_by));
		break;
	default:
		SAY("the workers of \"%s\" limit the flow: each waits for its turn, behind one "
		    "that takes longer",
		    name);
		break;
	}
}

static void say_limit(const struct why_view *view, struct leat_verdict *verdict)
{
	switch (verdict->limit) {
	case LEAT_LIMIT_UNKNOWN:
		SAY("cannot tell: %s", view->why->readings < 2 && !view->why->from_start
		                               ? "there is only one reading"
		                               : "the window is shorter than a tenth of a second");
		break;
	case LEAT_LIMIT_IDLE:
		SAY("nothing limits the flow: it is idle, and all threads wait");
		break;
	case LEAT_LIMIT_INPUT:
		SAY("nothing limits the flow: it waits for its input, at \"%s\"", verdict->stage);
		break;
	case LEAT_LIMIT_BALANCED:
		if (verdict->evidence[0] != '\0')
			SAY("no one stage limits the flow for half of the time");
		else if (verdict->stage[0] == '\0')
			SAY("nothing limits the flow: no thread works for most of the time");
		else
			SAY("no one stage limits the flow: \"%s\" and \"%s\" work as much",
			    verdict->stage, verdict->second);
		break;
	case LEAT_LIMIT_DEADLOCK:
		SAY("threads wait for each other, and nothing moves: %" PRIu32
		    " of them in a cycle",
		    verdict->threads);
		break;
	case LEAT_LIMIT_WAKEUPS:
		SAY("handing over limits the flow: threads sleep and are woken for each few items "
		    "of \"%s\"",
		    verdict->stage);
		break;
	case LEAT_LIMIT_PROGRAM:
		SAY("a thread of the program limits the flow: it receives from \"%s\" too "
		    "seldom%s%s",
		    verdict->stage, verdict->thread[0] != '\0' ? ", as subscriber " : "",
		    verdict->thread);
		break;
	default:
		say_stage(verdict);
		break;
	}
}

void why_add_evidence(struct leat_verdict *verdict, const char *format, ...)
{
	const size_t used = strlen(verdict->evidence), room = sizeof(verdict->evidence) - used;
	char piece[sizeof(verdict->evidence)];
	va_list args;

	va_start(args, format);
	vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	if (strlen(piece) + 2 < room)
		snprintf(verdict->evidence + used, room, "%s%s", used > 0 ? ", " : "", piece);
}

static void add_share(struct leat_verdict *verdict, const char *what, double share)
{
	if (share >= 0)
		why_add_evidence(verdict, "%s %d %%", what, percent(share));
}

/* Of a stage that is named by its threads. A deadlock's, and that of parts, is there already. */
static void say_evidence(struct leat_verdict *verdict)
{
	if (verdict->limit == LEAT_LIMIT_PROGRAM)
		add_share(verdict, "its senders are blocked for", verdict->before_blocked);
	if (verdict->thread[0] == '\0' || verdict->limit == LEAT_LIMIT_DEADLOCK ||
	    verdict->limit == LEAT_LIMIT_PROGRAM)
		return;
	why_add_evidence(verdict, "\"%s\" is busy for %d %%", verdict->thread,
	                 percent(verdict->busy));
	add_share(verdict, "on a processor", verdict->cpu);
	add_share(verdict, "waiting for one", verdict->runq);
	if (verdict->paced >= 0.01)
		add_share(verdict, "paced", verdict->paced);
	add_share(verdict, "what sends to it is blocked for", verdict->before_blocked);
	add_share(verdict, "what it sends to is starved for", verdict->behind_starved);
}

#define ADVISE(...) snprintf(verdict->advice, sizeof(verdict->advice), __VA_ARGS__)

static void say_gain(struct leat_verdict *verdict)
{
	const char *after = verdict->second[0] != '\0' ? verdict->second : "another stage";

	if (verdict->one_more >= 1.05)
		ADVISE("one more thread for it would bring %.1f times as much at the most",
		       verdict->one_more);
	else if (verdict->one_more > 0)
		ADVISE("one more thread for it would bring nothing: \"%s\", or the processors, "
		       "would limit the flow then",
		       after);
}

static void say_advice(struct leat_verdict *verdict)
{
	switch (verdict->limit) {
	case LEAT_LIMIT_SKEW:
		ADVISE("more threads bring nothing while one gets most of the work: split its keys "
		       "further, or look at what keeps it");
		break;
	case LEAT_LIMIT_CORES:
		ADVISE("fewer threads, more processors, or a larger quota; look at what else runs");
		break;
	case LEAT_LIMIT_ORDER:
		ADVISE("look at the items that take long; without order, the other workers would "
		       "go on");
		break;
	case LEAT_LIMIT_WAKEUPS:
		ADVISE("a larger channel, batches, or fewer stages; LEAT_WAIT_SPIN where a "
		       "processor may be burnt");
		break;
	case LEAT_LIMIT_DEADLOCK:
		ADVISE("a larger channel hides it for a while; break the cycle, or let one of the "
		       "threads never wait");
		break;
	default:
		say_gain(verdict);
		break;
	}
}

void why_say(const struct why_view *view, struct leat_verdict *verdict)
{
	say_limit(view, verdict);
	say_evidence(verdict);
	say_advice(verdict);
}

const char *leat_limit_name(enum leat_limit limit)
{
	static const char *const names[LEAT_LIMITS] = {
		"unknown", "idle",  "input", "balanced", "cpu",      "call",    "skew",
		"cores",   "paced", "order", "deadlock", "wake-ups", "program",
	};

	return (unsigned)limit < LEAT_LIMITS ? names[limit] : "unknown";
}
