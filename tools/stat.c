// SPDX-License-Identifier: MIT
/* coroctl stat: how many coroutines do what, and what their loops measured. */
#include <errno.h>

#include "coroctl.h"
#include "fdinfo.h"
#include "meter.h"

#define CTL_STATES (CORO_STATE_CLOSED + 1)
/* Kinds of waits, with room for those of newer libraries. */
#define CTL_KINDS 32

struct ctl_counts {
	unsigned int states[CTL_STATES];
	unsigned int kinds[CTL_KINDS];
};

static struct ctl_counts ctl_count(const struct ctl_snapshot *s,
				   const struct ctl_sched *sched)
{
	struct ctl_counts n = { 0 };

	for (size_t i = sched->first; i < sched->first + sched->nr; i++) {
		const struct coro_shm_context *shm = &s->coros[i].shm;

		if (shm->state < CTL_STATES)
			n.states[shm->state]++;
		if (shm->state == CORO_STATE_SUSPENDED)
			n.kinds[shm->awaits_kind % CTL_KINDS]++;
	}
	return n;
}

/* Names of states as ps has them. */
static const char *ctl_stat_state(unsigned int state)
{
	const struct ctl_coro c = { .shm.state = (__u8)state };

	return ctl_state_name(&c);
}

static void ctl_stat_counts(const struct ctl_counts *n, FILE *to)
{
	const char *before = ":";

	for (unsigned int i = 1; i < CTL_STATES; i++)
		if (n->states[i]) {
			fprintf(to, "%s %u %s", before, n->states[i],
				ctl_stat_state(i));
			before = ",";
		}
	before = "\n  awaits:";
	for (unsigned int i = 0; i < CTL_KINDS; i++)
		if (n->kinds[i]) {
			fprintf(to, "%s %u %s", before, n->kinds[i],
				ctl_awaits_name(i));
			before = ",";
		}
	putc('\n', to);
}

static void ctl_stat_times(const struct coro_meter_times *t, FILE *to)
{
	fprintf(to, "  %12s %12s %12s\n", "at least", "ran", "was ready");
	for (unsigned int i = 0; i < CORO_METER_SLOTS; i++) {
		char least[32];
		FILE *f;

		if (!t->run[i] && !t->ready[i])
			continue;
		f = fmemopen(least, sizeof(least), "w");
		if (!f)
			continue;
		ctl_print_ns(f, i ? UINT64_C(1) << i : 0);
		fclose(f);
		fprintf(to, "  %12s %12" PRIu64 " %12" PRIu64 "\n", least,
			t->run[i], t->ready[i]);
	}
}

static void ctl_stat_sum(const char *what, uint64_t ns, uint64_t max_ns,
			 FILE *to)
{
	fprintf(to, "; %s ", what);
	ctl_print_ns(to, ns);
	fputs(" (longest ", to);
	ctl_print_ns(to, max_ns);
	putc(')', to);
}

static void ctl_stat_meter(const struct ctl_meter *m, FILE *to)
{
	const struct coro__figures *f = &m->total;

	if (!m->has_loop)
		return;
	if (!m->measures) {
		fputs("  turns are not measured: start it with CORO_METER=1\n",
		      to);
		return;
	}
	fprintf(to, "  %" PRIu64 " turns, %" PRIu64 " measured", f->turns,
		f->measured);
	ctl_stat_sum("ran", f->run_ns, f->run_max_ns, to);
	ctl_stat_sum("ready", f->ready_ns, f->ready_max_ns, to);
	putc('\n', to);
	ctl_stat_times(&m->times, to);
}

static void ctl_stat_device(const struct ctl_snapshot *s,
			    const struct ctl_sched *sched, FILE *to)
{
	struct ctl_figure figures[CTL_MAX_FIGURES];
	size_t nr = ctl_fdinfo_read(s->process, sched, figures);

	for (size_t i = 0; i < nr; i++)
		fprintf(to, "%s %s %" PRId64,
			i ? "," : "  device:", figures[i].name,
			figures[i].value);
	if (nr)
		putc('\n', to);
}

static void ctl_stat_json_device(const struct ctl_snapshot *s,
				 const struct ctl_sched *sched,
				 struct ctl_json *j)
{
	struct ctl_figure figures[CTL_MAX_FIGURES];
	size_t nr = ctl_fdinfo_read(s->process, sched, figures);

	if (!nr) {
		ctl_json_text(j, "device", NULL);
		return;
	}
	ctl_json_open(j, "device", '{');
	for (size_t i = 0; i < nr; i++)
		ctl_json_number(j, figures[i].name, figures[i].value);
	ctl_json_close(j, '}');
}

static void ctl_stat_text(const struct ctl_snapshot *s,
			  const struct ctl_sched *sched, FILE *to)
{
	struct ctl_counts n = ctl_count(s, sched);
	struct ctl_meter m;

	ctl_meter_read(s, sched, &m);
	fprintf(to, "scheduler %" PRIu64 ", thread %u, %zu coroutines",
		sched->serial, ctl_sched_thread(s, sched), sched->nr);
	ctl_stat_counts(&n, to);
	ctl_stat_device(s, sched, to);
	ctl_stat_meter(&m, to);
}

static void ctl_stat_slots(struct ctl_json *j, const char *key,
			   const uint64_t *slots)
{
	ctl_json_open(j, key, '[');
	for (unsigned int i = 0; i < CORO_METER_SLOTS; i++)
		ctl_json_number(j, NULL, (int64_t)slots[i]);
	ctl_json_close(j, ']');
}

static void ctl_stat_json_meter(const struct ctl_meter *m, struct ctl_json *j)
{
	const struct coro__figures *f = &m->total;

	if (!m->has_loop || !m->measures) {
		ctl_json_text(j, "meter", NULL);
		return;
	}
	ctl_json_open(j, "meter", '{');
	ctl_json_number(j, "turns", (int64_t)f->turns);
	ctl_json_number(j, "measured", (int64_t)f->measured);
	ctl_json_number(j, "run_ns", (int64_t)f->run_ns);
	ctl_json_number(j, "run_max_ns", (int64_t)f->run_max_ns);
	ctl_json_number(j, "ready_ns", (int64_t)f->ready_ns);
	ctl_json_number(j, "ready_max_ns", (int64_t)f->ready_max_ns);
	ctl_stat_slots(j, "run_times", m->times.run);
	ctl_stat_slots(j, "ready_times", m->times.ready);
	ctl_json_close(j, '}');
}

static void ctl_stat_object(const struct ctl_snapshot *s,
			    const struct ctl_sched *sched, struct ctl_json *j)
{
	struct ctl_counts n = ctl_count(s, sched);
	struct ctl_meter m;

	ctl_meter_read(s, sched, &m);
	ctl_json_open(j, NULL, '{');
	ctl_json_number(j, "scheduler", (int64_t)sched->serial);
	ctl_json_number(j, "thread", ctl_sched_thread(s, sched));
	ctl_json_number(j, "coroutines", (int64_t)sched->nr);
	ctl_json_open(j, "states", '{');
	for (unsigned int i = 1; i < CTL_STATES; i++)
		ctl_json_number(j, ctl_stat_state(i), n.states[i]);
	ctl_json_close(j, '}');
	ctl_json_open(j, "awaits", '{');
	for (unsigned int i = 0; i < CTL_KINDS; i++)
		if (n.kinds[i])
			ctl_json_number(j, ctl_awaits_name(i), n.kinds[i]);
	ctl_json_close(j, '}');
	ctl_stat_json_device(s, sched, j);
	ctl_stat_json_meter(&m, j);
	ctl_json_close(j, '}');
}

static void ctl_stat_show(struct ctl_look *l, struct ctl_output *out, bool json)
{
	const struct ctl_snapshot *s = &l->snap;
	struct ctl_json *j = &out->json;

	if (json) {
		ctl_json_open(j, NULL, '{');
		ctl_json_number(j, "pid", l->process.pid);
		ctl_json_text(j, "command", l->name);
		ctl_json_open(j, "schedulers", '[');
	}
	for (size_t i = 0; i < s->nr_scheds; i++)
		if (json)
			ctl_stat_object(s, &s->scheds[i], j);
		else
			ctl_stat_text(s, &s->scheds[i], out->to);
	if (json) {
		ctl_json_close(j, ']');
		ctl_json_close(j, '}');
		putc('\n', j->to);
	}
}

static enum ctl_exit ctl_stat_look(pid_t pid, bool json)
{
	struct ctl_output out;
	struct ctl_look l;
	size_t nr = 0;
	int err;

	if (!ctl_output_begin(&out))
		return CTL_FAILED;
	err = ctl_look_open(&l, pid);
	if (!err) {
		nr = l.snap.nr;
		ctl_stat_show(&l, &out, json);
		if (!ctl_process_alive(&l.process))
			err = -ESRCH;
		ctl_look_close(&l);
	}
	if (err)
		ctl_process_complain(pid, err);
	return ctl_output_end(&out, !err,
			      err ? CTL_FAILED :
			      nr  ? CTL_DONE :
				    CTL_FOUND);
}

static enum ctl_exit ctl_stat_run(int argc, char **argv,
				  const struct ctl_options *o)
{
	pid_t pid;

	if (argc != 1) {
		fputs("usage: coroctl stat [--json] PID\n", stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_stat_look(pid, o->json) : CTL_FAILED;
}

const struct ctl_command ctl_stat = {
	.name = "stat",
	.summary =
		"count coroutines, and show how long they run and wait for it",
	.usage =
		"[--json] PID\n"
		"\n"
		"Of each scheduler of the process, how many coroutines are in which state and\n"
		"wait for what; what the device says of it, see coro(4). If its loop measures turns (CORO_RUN_F_METER, or CORO_METER=1 in\n"
		"the environment that it was started with): how many there were, how long\n"
		"coroutines ran in all and were ready before they did, the longest of both, and\n"
		"how often which time was measured.\n"
		"\n"
		"Exit codes: 0 done; 1 there are no coroutines; 2 wrong usage, or the process could\n"
		"not be looked at.\n",
	.letters = CTL_LETTERS,
	.run = ctl_stat_run,
};
