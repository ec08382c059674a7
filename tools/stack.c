// SPDX-License-Identifier: MIT
/* coroctl stack: where coroutines stand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coroctl.h"
#include "unwind.h"

/* So often a coroutine may go on while its stack is read. */
#define CTL_STACK_TRIES 20

struct ctl_stacks {
	struct ctl_look *look;
	struct ctl_output out;
	bool json;
	bool running; /* stop threads for it */
	struct ctl_trace trace;
};

static const char ctl_stack_runs[] = "it runs";

/* Why a coroutine has no saved stack, or NULL if it has one. */
static const char *ctl_stack_none(const struct ctl_coro *c)
{
	switch (ctl_coro_state(c)) {
	case CORO_STATE_CREATED:
		return "it has not begun";
	case CORO_STATE_SUSPENDED:
	case CORO_STATE_RUNNING:
		return c->busy || !c->shm.sp ? ctl_stack_runs : NULL;
	default:
		return "it has ended";
	}
}

/* Of one that runs as long as its thread is stopped: NULL, or why not. */
static const char *ctl_stack_stopped(struct ctl_stacks *t, struct ctl_coro *c,
				     const struct ctl_stop *stop)
{
	if (!ctl_coro_again(&t->look->snap, c))
		return "it has ended";
	if (c->busy || ctl_coro_state(c) != CORO_STATE_RUNNING || c->shm.sp ||
	    (pid_t)c->shm.worker != stop->tid)
		return ctl_stack_runs;
	ctl_trace_read_thread(&t->trace, t->look->symbols.dwfl,
			      &t->look->process, &stop->registers);
	return t->trace.nr ? NULL : "its stack cannot be read";
}

static const char *ctl_stack_stop(struct ctl_stacks *t, struct ctl_coro *c)
{
	struct ctl_stop stop;
	const char *why;
	int err =
		ctl_thread_stop(&t->look->process, (pid_t)c->shm.worker, &stop);

	if (err == -EPERM)
		return "it runs; somebody else traces its thread, or ptrace(2) is forbidden";
	if (err == -EBUSY)
		return "it runs; its thread is in a sleep that nothing interrupts";
	if (err)
		return ctl_stack_runs;
	why = ctl_stack_stopped(t, c, &stop);
	ctl_thread_go(&stop);
	return why;
}

/* Why there is no backtrace; NULL if there is one, of the moment that *c says. */
static const char *ctl_stack_read(struct ctl_stacks *t, struct ctl_coro *c)
{
	const struct ctl_snapshot *s = &t->look->snap;

	for (int i = 0; i < CTL_STACK_TRIES; i++) {
		const char *why = ctl_stack_none(c);

		if (why == ctl_stack_runs && t->running) {
			why = ctl_stack_stop(t, c);
			/* It has gone on since: to wherever it is now. */
			if (why == ctl_stack_runs && ctl_coro_again(s, c))
				continue;
			return why;
		}
		if (why)
			return why;
		ctl_trace_read(&t->trace, t->look->symbols.dwfl,
			       &t->look->process, c->shm.sp);
		if (ctl_coro_same(s, c))
			return t->trace.nr ? NULL : "its stack cannot be read";
		if (!ctl_coro_again(s, c))
			return "it has ended";
	}
	return ctl_stack_runs;
}

static void ctl_stack_text(struct ctl_stacks *t, const struct ctl_coro *c,
			   const char *why)
{
	FILE *to = t->out.to;

	ctl_coro_print(t->look, c, to);
	putc('\n', to);
	if (why == ctl_stack_runs)
		fprintf(to, "    %s, on thread %u\n", why, c->shm.worker);
	else if (why)
		fprintf(to, "    %s\n", why);
	for (size_t i = 0; i < t->trace.nr && !why; i++) {
		const struct ctl_frame *f = &t->trace.frames[i];

		fprintf(to, "#%-3zu0x%016" PRIx64 " ", i, f->pc);
		ctl_place_print(ctl_symbols_place(&t->look->symbols, f->pc,
						  f->after),
				to);
		putc('\n', to);
	}
	putc('\n', to);
}

static void ctl_stack_json(struct ctl_stacks *t, const struct ctl_coro *c,
			   const char *why)
{
	struct ctl_json *j = &t->out.json;

	ctl_json_open(j, NULL, '{');
	ctl_coro_json(c, j);
	ctl_json_number(j, "thread", c->shm.worker);
	ctl_awaits_json(t->look, c, j);
	ctl_json_text(j, "no_frames", why);
	ctl_json_open(j, "frames", '[');
	for (size_t i = 0; i < t->trace.nr && !why; i++) {
		const struct ctl_frame *f = &t->trace.frames[i];

		ctl_json_open(j, NULL, '{');
		ctl_place_json(ctl_symbols_place(&t->look->symbols, f->pc,
						 f->after),
			       j);
		ctl_json_close(j, '}');
	}
	ctl_json_close(j, ']');
	ctl_json_close(j, '}');
}

/* Whether a coroutine is meant by "SCHED:ID", "ID" or a name. */
static bool ctl_stack_is(const struct ctl_coro *c, const char *text)
{
	char name[CTL_NAME_BYTES];
	const char *id = strchr(ctl_coro_name(c, name), ':') + 1;
	char *end;

	if (!strcmp(text, name) || !strcmp(text, id) ||
	    !strcmp(text, c->shm.name))
		return *text;
	return strtoull(text, &end, 10) == ctl_coro_id(c) && !*end && *text;
}

static bool ctl_stack_wanted(const struct ctl_coro *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (ctl_stack_is(c, argv[i]))
			return true;
	return !argc;
}

/* All that were asked for; how many there were. */
static size_t ctl_stack_all(struct ctl_stacks *t, int argc, char **argv)
{
	struct ctl_snapshot *s = &t->look->snap;
	size_t nr = 0;

	for (size_t i = 0; i < s->nr; i++) {
		struct ctl_coro *c = &s->coros[i];
		const char *why;

		if (!ctl_stack_wanted(c, argc, argv))
			continue;
		why = ctl_stack_read(t, c);
		if (t->json)
			ctl_stack_json(t, c, why);
		else
			ctl_stack_text(t, c, why);
		nr++;
	}
	return nr;
}

static void ctl_stack_show(struct ctl_stacks *t, int argc, char **argv,
			   size_t *ret_nr)
{
	struct ctl_json *j = &t->out.json;

	if (t->json) {
		ctl_json_open(j, NULL, '{');
		ctl_json_number(j, "pid", t->look->process.pid);
		ctl_json_text(j, "command", t->look->name);
		ctl_json_open(j, "coroutines", '[');
	}
	*ret_nr = ctl_stack_all(t, argc, argv);
	if (t->json) {
		ctl_json_close(j, ']');
		ctl_json_close(j, '}');
		putc('\n', j->to);
	}
}

static enum ctl_exit ctl_stack_look(pid_t pid, int argc, char **argv,
				    const struct ctl_options *o)
{
	struct ctl_look look;
	struct ctl_stacks t = {
		.look = &look,
		.json = o->json,
		.running = o->running,
	};
	size_t nr = 0;
	int err;

	if (!ctl_output_begin(&t.out))
		return CTL_FAILED;
	err = ctl_look_open(&look, pid);
	if (!err) {
		ctl_stack_show(&t, argc, argv, &nr);
		if (!ctl_process_alive(&look.process))
			err = -ESRCH;
		ctl_look_close(&look);
	}
	if (err)
		ctl_process_complain(pid, err);
	else if (!nr && argc)
		fprintf(stderr,
			"coroctl: process %d has no such coroutine; \"coroctl ps %d\" lists them\n",
			pid, pid);
	ctl_trace_free(&t.trace);
	return ctl_output_end(&t.out, !err,
			      err ? CTL_FAILED :
			      nr  ? CTL_DONE :
				    CTL_FOUND);
}

static enum ctl_exit ctl_stack_run(int argc, char **argv,
				   const struct ctl_options *o)
{
	pid_t pid;

	if (argc < 1) {
		fputs("usage: coroctl stack [--json] [--running] PID [COROUTINE...]\n",
		      stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_stack_look(pid, argc - 1, argv + 1, o) : CTL_FAILED;
}

const struct ctl_command ctl_stack = {
	.name = "stack",
	.summary = "show where coroutines stand, with files and lines",
	.usage =
		"[--json] [--running] PID [COROUTINE...]\n"
		"\n"
		"Prints a backtrace of each coroutine that does not run, or of those that are named:\n"
		"by SCHED:ID as ps prints it, by ID alone, or by name. Of one that runs it says on\n"
		"which thread. Files and lines need the debug information of the program.\n"
		"\n"
		"  -r, --running  stop the thread of one that runs for a moment, by ptrace(2), and\n"
		"                 print its backtrace too\n"
		"\n"
		"Exit codes: 0 done; 1 there is no such coroutine; 2 wrong usage, or the process\n"
		"could not be looked at.\n",
	.letters = CTL_LETTERS "r",
	.run = ctl_stack_run,
};
