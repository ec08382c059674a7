// SPDX-License-Identifier: MIT
/* coroctl leaks: coroutines that nobody starts, ends or takes care of. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "coroctl.h"
#include "search.h"

/*
 * So many times it looks after the first. A process that stands still from the first to
 * the last does so for all of the two in between.
 */
#define CTL_LEAKS_STEPS 3

/* Why somebody will have to look after a coroutine. */
enum ctl_leak {
	CTL_LEAK_NONE,
	CTL_LEAK_NEVER_STARTED,
	CTL_LEAK_NEVER_JOINED,
	CTL_LEAK_CYCLE,
	CTL_LEAK_LOST_LOCK,
	CTL_LEAK_AWAITS_LEAK,
};

static const struct {
	const char *name; /* in JSON */
	const char *words;
} ctl_leak_reasons[] = {
	[CTL_LEAK_NEVER_STARTED] = { "never_started",
				     "it was created and never started" },
	[CTL_LEAK_NEVER_JOINED] = { "never_joined",
				    "it has ended, and somebody still holds it" },
	[CTL_LEAK_CYCLE] = { "cycle", "it awaits itself in the end, through" },
	[CTL_LEAK_LOST_LOCK] = { "lost_lock",
				 "who had the lock has ended without unlocking" },
	[CTL_LEAK_AWAITS_LEAK] = { "awaits_leak",
				   "it awaits one that is told here too," },
};

/* Whether it is one because of whom it awaits. */
static bool ctl_leak_has_through(enum ctl_leak why)
{
	return why == CTL_LEAK_CYCLE || why == CTL_LEAK_AWAITS_LEAK;
}

/* What is known of a coroutine of the last look. */
struct ctl_suspect {
	enum ctl_leak why;
	/* It was the same at the first look, has not run since, and no deadline ends that. */
	bool stood;
	bool hangs; /* its scheduler: who was to run did not */
	uint64_t key; /* of who had the mutex at the first look that it waits for, or 0 */
	size_t through; /* whom it awaits, if it is one because of that */
};

struct ctl_leaks {
	struct ctl_look look;
	struct ctl_graph graph;
	struct ctl_suspect *suspects; /* for each coroutine of the look */
	size_t *queue; /* those that were found, in that order */
	size_t nr;
	struct ctl_output out;
	bool json;
};

static void ctl_leaks_add(struct ctl_leaks *l, size_t at, enum ctl_leak why,
			  size_t through)
{
	struct ctl_suspect *one = &l->suspects[at];

	if (one->why)
		return;
	one->why = why;
	one->through = through;
	l->queue[l->nr++] = at;
}

/*
 * Who waits for a mutex did so all the time if it stood. If the key in there is the same,
 * its task had the mutex at the first look already, and the last has it unless it ended.
 */
static bool ctl_leaks_lost_lock(const struct ctl_leaks *l, size_t at)
{
	const struct ctl_snapshot *s = &l->look.snap;
	const struct ctl_coro *c = &s->coros[at];
	uint64_t key = l->suspects[at].key;

	return key && ctl_mutex_key(s, c) == key &&
	       !ctl_mutex_holder(s, c, key) && ctl_coro_same(s, c);
}

/* Why it is a leak by itself, whomever it awaits. */
static enum ctl_leak ctl_leaks_alone(const struct ctl_leaks *l, size_t at)
{
	const struct ctl_snapshot *s = &l->look.snap;
	const struct ctl_coro *c = &s->coros[at];
	enum coro_state state = ctl_coro_state(c);

	if (state == CORO_STATE_SUSPENDED)
		return ctl_leaks_lost_lock(l, at) ? CTL_LEAK_LOST_LOCK :
						    CTL_LEAK_NONE;
	/* Who is to start or join it may be one of those that had no turn. */
	if (l->suspects[at].hangs)
		return CTL_LEAK_NONE;
	if (state == CORO_STATE_CLOSED)
		return CTL_LEAK_NEVER_JOINED;
	/* Not one of a loop, which was to run: its scheduler hangs. */
	return state == CORO_STATE_CREATED ? CTL_LEAK_NEVER_STARTED :
					     CTL_LEAK_NONE;
}

/* A cycle that has been there since the first look: all of its members have. */
static void ctl_leaks_cycle(struct ctl_leaks *l, const size_t *members,
			    size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!l->suspects[members[i]].stood)
			return;
	for (size_t i = 0; i < nr; i++)
		ctl_leaks_add(l, members[i], CTL_LEAK_CYCLE,
			      members[(i + 1) % nr]);
}

static int ctl_leaks_cycles(struct ctl_leaks *l)
{
	struct ctl_search search = { .graph = &l->graph };
	int err = ctl_search_run(&search);
	const size_t *at = search.cycles;

	for (size_t i = 0; i < search.nr_cycles && !err; i++, at += *at + 1)
		ctl_leaks_cycle(l, at + 1, *at);
	ctl_search_free(&search);
	return err;
}

/* Those that await one that was found, and those that await them. */
static int ctl_leaks_behind(struct ctl_leaks *l)
{
	struct ctl_graph behind;
	int err = ctl_graph_reverse(&behind, &l->graph);

	if (err)
		return err;
	for (size_t done = 0; done < l->nr; done++) {
		size_t at = l->queue[done];

		for (size_t i = behind.first[at]; i < behind.first[at + 1];
		     i++) {
			size_t who = behind.edges[i].to;

			if (l->suspects[who].stood &&
			    ctl_graph_holds(&l->graph, who, at))
				ctl_leaks_add(l, who, CTL_LEAK_AWAITS_LEAK, at);
		}
	}
	ctl_graph_free(&behind);
	return 0;
}

static int ctl_leaks_search(struct ctl_leaks *l)
{
	int err = ctl_graph_make(&l->graph, &l->look.snap);

	if (err)
		return err;
	for (size_t i = 0; i < l->look.snap.nr; i++)
		if (l->suspects[i].stood) {
			enum ctl_leak why = ctl_leaks_alone(l, i);

			if (why)
				ctl_leaks_add(l, i, why, i);
		}
	err = ctl_leaks_cycles(l);
	if (!err)
		err = ctl_leaks_behind(l);
	ctl_graph_free(&l->graph);
	return err;
}

static void ctl_leaks_wait(int64_t ns)
{
	struct timespec left = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

/* Of who had the mutexes that were waited for at the first look. */
static uint64_t *ctl_leaks_keys(const struct ctl_snapshot *s)
{
	uint64_t *keys = calloc(s->nr + 1, sizeof(*keys));

	for (size_t i = 0; i < s->nr && keys; i++)
		keys[i] = ctl_mutex_key(s, &s->coros[i]);
	return keys;
}

/* Those that a deadline may still help are no suspects, though they stand. */
static bool ctl_leaks_stood(const struct ctl_snapshot *s,
			    const struct ctl_coro *c)
{
	bool locks = c->shm.state == CORO_STATE_SUSPENDED &&
		     c->shm.awaits_kind == CORO_AWAITS_LOCK;

	return !locks || (!ctl_lock_may_pass(s, c) && ctl_coro_same(s, c));
}

/* Whether it runs, or a loop is to let it run. */
static bool ctl_leaks_due(const struct ctl_snapshot *s,
			  const struct ctl_coro *c, int64_t now_ns)
{
	switch (ctl_coro_state(c)) {
	case CORO_STATE_CREATED:
		return ctl_coro_is_task(s, c);
	case CORO_STATE_RUNNING:
		return !c->shm.sp;
	case CORO_STATE_SUSPENDED:
		return !c->shm.sp || c->shm.awaits_kind == CORO_AWAITS_TURN ||
		       (c->shm.awaits_kind == CORO_AWAITS_TIMER &&
			(int64_t)c->shm.awaits <= now_ns);
	default:
		return false;
	}
}

/* Notes in @first which schedulers stood still from one look to the next. */
static void ctl_leaks_turns(const struct ctl_leaks *l,
			    const struct ctl_snapshot *before,
			    int64_t before_ns, const struct ctl_snapshot *first)
{
	const struct ctl_snapshot *s = &l->look.snap;

	for (size_t i = 0; i < s->nr; i++) {
		const struct ctl_coro *c = &s->coros[i];
		struct ctl_sched *sched;

		if (!ctl_coro_before(before, c) ||
		    !ctl_leaks_due(s, c, before_ns))
			continue;
		sched = ctl_snapshot_sched(first, c->sched);
		if (sched)
			sched->hangs = true;
	}
}

/* Who is as it was at first. */
static int ctl_leaks_compare(struct ctl_leaks *l,
			     const struct ctl_snapshot *first,
			     const uint64_t *keys)
{
	const struct ctl_snapshot *s = &l->look.snap;

	l->suspects = calloc(s->nr + 1, sizeof(*l->suspects));
	l->queue = calloc(s->nr + 1, sizeof(*l->queue));
	if (!l->suspects || !l->queue)
		return -ENOMEM;
	for (size_t i = 0; i < s->nr; i++) {
		const struct ctl_coro *was =
			ctl_coro_before(first, &s->coros[i]);

		if (was)
			l->suspects[i] = (struct ctl_suspect){
				.stood = ctl_leaks_stood(s, &s->coros[i]),
				.hangs = was->sched->hangs,
				.key = keys[was - first->coros],
			};
	}
	return 0;
}

/* Looks again and again; gives what was seen at first, which is the caller's to free. */
static int ctl_leaks_watch(struct ctl_leaks *l, int64_t apart_ns,
			   struct ctl_snapshot *ret_first)
{
	struct ctl_snapshot before;
	int err = 0;

	for (int i = 0; i < CTL_LEAKS_STEPS && !err; i++) {
		int64_t before_ns = l->look.now_ns;

		ctl_leaks_wait(apart_ns / CTL_LEAKS_STEPS);
		err = ctl_look_again(&l->look, &before);
		if (err)
			break;
		if (!i)
			*ret_first = before;
		ctl_leaks_turns(l, &before, before_ns, ret_first);
		if (i)
			ctl_snapshot_free(&before);
	}
	return err;
}

static int ctl_leaks_find(struct ctl_leaks *l, int64_t apart_ns)
{
	uint64_t *keys = ctl_leaks_keys(&l->look.snap);
	struct ctl_snapshot first = { 0 };
	int err = -ENOMEM;

	if (keys)
		err = ctl_leaks_watch(l, apart_ns, &first);
	if (!err)
		err = ctl_leaks_compare(l, &first, keys);
	ctl_snapshot_free(&first);
	free(keys);
	return err ? err : ctl_leaks_search(l);
}

static void ctl_leaks_text(struct ctl_leaks *l, size_t at)
{
	const struct ctl_coro *coros = l->look.snap.coros;
	const struct ctl_suspect *one = &l->suspects[at];
	FILE *to = l->out.to;

	ctl_coro_print(&l->look, &coros[at], to);
	fprintf(to, "\n    %s", ctl_leak_reasons[one->why].words);
	if (ctl_leak_has_through(one->why)) {
		putc(' ', to);
		ctl_coro_label(&coros[one->through], to);
	}
	fputs("\n    created by ", to);
	ctl_place_print(ctl_symbols_place(&l->look.symbols,
					  coros[at].shm.origin, true),
			to);
	putc('\n', to);
}

static void ctl_leaks_object(struct ctl_leaks *l, size_t at)
{
	const struct ctl_coro *coros = l->look.snap.coros;
	const struct ctl_suspect *one = &l->suspects[at];
	struct ctl_json *j = &l->out.json;
	char name[CTL_NAME_BYTES];

	ctl_json_open(j, NULL, '{');
	ctl_coro_json(&coros[at], j);
	ctl_json_text(j, "reason", ctl_leak_reasons[one->why].name);
	ctl_json_text(j, "through",
		      ctl_leak_has_through(one->why) ?
			      ctl_coro_name(&coros[one->through], name) :
			      NULL);
	ctl_json_open(j, "created", '{');
	ctl_place_json(ctl_symbols_place(&l->look.symbols, coros[at].shm.origin,
					 true),
		       j);
	ctl_json_close(j, '}');
	ctl_awaits_json(&l->look, &coros[at], j);
	ctl_json_close(j, '}');
}

static void ctl_leaks_show(struct ctl_leaks *l)
{
	struct ctl_json *j = &l->out.json;

	if (l->json) {
		ctl_json_open(j, NULL, '{');
		ctl_json_number(j, "pid", l->look.process.pid);
		ctl_json_text(j, "command", l->look.name);
		ctl_json_open(j, "leaks", '[');
	}
	for (size_t i = 0; i < l->look.snap.nr; i++)
		if (l->suspects[i].why && l->json)
			ctl_leaks_object(l, i);
		else if (l->suspects[i].why)
			ctl_leaks_text(l, i);
	if (l->json) {
		ctl_json_close(j, ']');
		ctl_json_close(j, '}');
		putc('\n', j->to);
	}
}

static enum ctl_exit ctl_leaks_look(pid_t pid, const struct ctl_options *o)
{
	struct ctl_leaks l = { .json = o->json };
	int err;

	if (!ctl_output_begin(&l.out))
		return CTL_FAILED;
	err = ctl_look_open(&l.look, pid);
	if (!err) {
		err = ctl_leaks_find(&l, o->apart_ns);
		if (!err)
			ctl_leaks_show(&l);
		if (!err && !ctl_process_alive(&l.look.process))
			err = -ESRCH;
		ctl_look_close(&l.look);
	}
	if (err)
		ctl_process_complain(pid, err);
	free(l.suspects);
	free(l.queue);
	return ctl_output_end(&l.out, !err,
			      err  ? CTL_FAILED :
			      l.nr ? CTL_FOUND :
				     CTL_DONE);
}

static enum ctl_exit ctl_leaks_run(int argc, char **argv,
				   const struct ctl_options *o)
{
	pid_t pid;

	if (argc != 1) {
		fputs("usage: coroctl leaks [--json] [--seconds NUMBER] PID\n",
		      stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_leaks_look(pid, o) : CTL_FAILED;
}

const struct ctl_command ctl_leaks = {
	.name = "leaks",
	.summary =
		"show coroutines that are stuck for good or that nobody takes care of",
	.usage =
		"[--json] [--seconds NUMBER] PID\n"
		"\n"
		"Shows coroutines of a process that were never started, that have ended and are\n"
		"still held, that await themselves in the end, that wait for a mutex whose holder\n"
		"has ended, and those that await one of these. Each has its reason and the line\n"
		"that made it. Looks several times, and tells what did not change meanwhile; of a loop\n"
		"that hangs not what somebody may be about to start or to join.\n"
		"\n"
		"  -s, --seconds NUMBER  so long after the first look comes the last, not 1\n"
		"\n"
		"Exit codes: 0 there are none; 1 there are some; 2 wrong usage, or the process\n"
		"could not be looked at.\n",
	.letters = CTL_LETTERS "s:",
	.run = ctl_leaks_run,
};
