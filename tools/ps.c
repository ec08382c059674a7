// SPDX-License-Identifier: MIT
/* coroctl ps: a list of coroutines. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coroctl.h"
#include "pages.h"

#define CTL_PLACE_BYTES 256

static void ctl_ps_head(FILE *to)
{
	fprintf(to, "%7s %7s %-15s %-9s %6s %6s %-15s %-16s %-24s %s\n", "PID",
		"THREAD", "ID", "STATE", "RES", "PEAK", "NAME", "FUNCTION",
		"CREATED", "AWAITS");
}

static void ctl_ps_bytes(FILE *to, bool known, uint64_t bytes)
{
	if (known)
		fprintf(to, "%5" PRIu64 "K ", bytes / 1024);
	else
		fputs("     - ", to);
}

/* The line that an address was made from, for a column. */
static void ctl_ps_created(FILE *to, const struct ctl_place *p)
{
	const char *file = p->file ? strrchr(p->file, '/') : NULL;
	char text[CTL_PLACE_BYTES];

	if (p->file)
		snprintf(text, sizeof(text), "%s:%d", file ? file + 1 : p->file,
			 p->line);
	else if (p->function)
		snprintf(text, sizeof(text), "%s+0x%" PRIx64, p->function,
			 p->offset);
	else
		snprintf(text, sizeof(text), "0x%" PRIx64, p->addr);
	ctl_print_column(to, text, 24);
}

static bool ctl_ps_stack(struct ctl_pages *m, const struct ctl_coro *c,
			 uint64_t *ret_resident, uint64_t *ret_peak)
{
	const struct ctl_sched *s = c->sched;

	return ctl_pages_stack(m, s->stacks + c->index * s->stack_size,
			       s->stack_size, ret_resident, ret_peak);
}

static void ctl_ps_line(struct ctl_look *l, struct ctl_pages *m,
			const struct ctl_coro *c, FILE *to)
{
	const struct ctl_place *entry;
	uint64_t resident, peak;
	bool known = ctl_ps_stack(m, c, &resident, &peak);
	char name[CTL_NAME_BYTES];

	fprintf(to, "%7d %7u %-15s %-9s ", l->process.pid, c->shm.worker,
		ctl_coro_name(c, name), ctl_state_name(c));
	ctl_ps_bytes(to, known, resident);
	ctl_ps_bytes(to, known, peak);
	ctl_print_column(to, c->shm.name, 15);
	entry = ctl_symbols_place(&l->symbols, c->shm.entry, false);
	ctl_print_column(to, entry->function ? entry->function : "?", 16);
	ctl_ps_created(to, ctl_symbols_place(&l->symbols, c->shm.origin, true));
	ctl_awaits_print(l, c, to);
	putc('\n', to);
}

static void ctl_ps_object(struct ctl_look *l, struct ctl_pages *m,
			  const struct ctl_coro *c, struct ctl_json *j)
{
	uint64_t resident, peak;

	ctl_json_open(j, NULL, '{');
	ctl_coro_json(c, j);
	ctl_json_number(j, "thread", c->shm.worker);
	if (ctl_ps_stack(m, c, &resident, &peak)) {
		ctl_json_number(j, "stack_resident_bytes", (int64_t)resident);
		ctl_json_number(j, "stack_peak_bytes", (int64_t)peak);
	}
	ctl_json_number(j, "stack_size_bytes", (int64_t)c->sched->stack_size);
	ctl_json_open(j, "function", '{');
	ctl_place_json(ctl_symbols_place(&l->symbols, c->shm.entry, false), j);
	ctl_json_close(j, '}');
	ctl_json_open(j, "created", '{');
	ctl_place_json(ctl_symbols_place(&l->symbols, c->shm.origin, true), j);
	ctl_json_close(j, '}');
	ctl_awaits_json(l, c, j);
	ctl_json_close(j, '}');
}

static void ctl_ps_show(struct ctl_look *l, struct ctl_output *out, bool json)
{
	struct ctl_pages m;

	ctl_pages_open(&m, &l->process);
	if (json) {
		ctl_json_open(&out->json, NULL, '{');
		ctl_json_number(&out->json, "pid", l->process.pid);
		ctl_json_text(&out->json, "command", l->name);
		ctl_json_open(&out->json, "coroutines", '[');
	}
	for (size_t i = 0; i < l->snap.nr; i++) {
		if (json)
			ctl_ps_object(l, &m, &l->snap.coros[i], &out->json);
		else
			ctl_ps_line(l, &m, &l->snap.coros[i], out->to);
	}
	if (json) {
		ctl_json_close(&out->json, ']');
		ctl_json_close(&out->json, '}');
	}
	ctl_pages_close(&m);
}

/* Adds a process to the list: how many coroutines it has, or a negative errno. */
static int64_t ctl_ps_process(pid_t pid, struct ctl_output *out, bool json)
{
	struct ctl_json before = out->json;
	off_t at = ftello(out->to);
	struct ctl_look l;
	int64_t nr;
	int err = ctl_look_open(&l, pid);

	if (err)
		return err;
	nr = (int64_t)l.snap.nr;
	ctl_ps_show(&l, out, json);
	/* Else what was said of addresses, files and memory may be another's. */
	if (!ctl_process_alive(&l.process)) {
		fseeko(out->to, at, SEEK_SET);
		out->json = before;
		nr = -ESRCH;
	}
	ctl_look_close(&l);
	return nr;
}

/* Those that cannot be looked at are not for the caller; says how many coroutines there are. */
static int64_t ctl_ps_all(struct ctl_output *out, bool json)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int64_t nr = 0;

	if (!proc)
		return -errno;
	while ((d = readdir(proc))) {
		int64_t more = -ENODATA;

		if (isdigit((unsigned char)d->d_name[0]))
			more = ctl_ps_process(atoi(d->d_name), out, json);
		nr += more > 0 ? more : 0;
	}
	closedir(proc);
	return nr;
}

/* Of each that was named; the worst of what can be returned. */
static enum ctl_exit ctl_ps_named(int argc, char **argv, struct ctl_output *out,
				  bool json)
{
	enum ctl_exit code = CTL_FOUND;
	bool failed = false;

	for (int i = 0; i < argc; i++) {
		pid_t pid = ctl_parse_pid(argv[i]);
		int64_t nr = pid ? ctl_ps_process(pid, out, json) : 0;

		if (nr < 0)
			ctl_process_complain(pid, (int)nr);
		failed |= !pid || nr < 0;
		if (nr > 0)
			code = CTL_DONE;
	}
	return failed ? CTL_FAILED : code;
}

static enum ctl_exit ctl_ps_run(int argc, char **argv,
				const struct ctl_options *o)
{
	enum ctl_exit code;
	struct ctl_output out;

	if (!ctl_output_begin(&out))
		return CTL_FAILED;
	if (o->json) {
		ctl_json_open(&out.json, NULL, '{');
		ctl_json_open(&out.json, "processes", '[');
	} else {
		ctl_ps_head(out.to);
	}
	if (argc)
		code = ctl_ps_named(argc, argv, &out, o->json);
	else
		code = ctl_ps_all(&out, o->json) > 0 ? CTL_DONE : CTL_FOUND;
	if (o->json) {
		ctl_json_close(&out.json, ']');
		ctl_json_close(&out.json, '}');
		putc('\n', out.to);
	}
	return ctl_output_end(&out, true, code);
}

const struct ctl_command ctl_ps = {
	.name = "ps",
	.summary = "list coroutines, of all processes or of some",
	.usage =
		"[--json] [PID...]\n"
		"\n"
		"Lists the coroutines of the processes, or of all that you may look at.\n"
		"\n"
		"  THREAD    which ran it last\n"
		"  ID        scheduler and id; what stack takes\n"
		"  RES PEAK  memory of its stack, now and at most since the stack is in use\n"
		"  FUNCTION  its own; CREATED is the line that made it\n"
		"  AWAITS    what it waits for, while it is suspended\n"
		"\n"
		"Exit codes: 0 done; 1 there are no coroutines; 2 wrong usage, or one of the\n"
		"processes could not be looked at.\n",
	.letters = CTL_LETTERS,
	.run = ctl_ps_run,
};
