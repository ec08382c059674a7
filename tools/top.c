// SPDX-License-Identifier: MIT
/* coroctl top: which coroutines run most, anew again and again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "coroctl.h"
#include "rates.h"
#include "screen.h"

/* From the first look to what is shown first, at most. */
#define CTL_TOP_FIRST_NS INT64_C(100000000)

struct ctl_top {
	struct ctl_look look;
	struct ctl_reading reading;
	struct ctl_rates rates;
	const struct ctl_rate **rows; /* sorted */
	char order; /* the key that chose it */
	const struct ctl_options *o;
};

static int ctl_compare(double a, double b)
{
	return (a < b) - (a > b);
}

/* In the order of the list if nothing else decides. */
static int ctl_row_list(const struct ctl_rate *a, const struct ctl_rate *b)
{
	return (a->coro > b->coro) - (a->coro < b->coro);
}

static int ctl_row_turns(const void *one, const void *other)
{
	const struct ctl_rate *a = *(const struct ctl_rate *const *)one;
	const struct ctl_rate *b = *(const struct ctl_rate *const *)other;
	int more = ctl_compare(a->turns, b->turns);

	return more ? more : ctl_row_list(a, b);
}

static int ctl_row_run(const void *one, const void *other)
{
	const struct ctl_rate *a = *(const struct ctl_rate *const *)one;
	const struct ctl_rate *b = *(const struct ctl_rate *const *)other;
	int more = ctl_compare(a->run, b->run);

	return more ? more : ctl_row_turns(one, other);
}

static int ctl_row_ready(const void *one, const void *other)
{
	const struct ctl_rate *a = *(const struct ctl_rate *const *)one;
	const struct ctl_rate *b = *(const struct ctl_rate *const *)other;
	int more = ctl_compare(a->ready_ns, b->ready_ns);

	return more ? more : ctl_row_turns(one, other);
}

static int ctl_row_id(const void *one, const void *other)
{
	return ctl_row_list(*(const struct ctl_rate *const *)one,
			    *(const struct ctl_rate *const *)other);
}

static void ctl_top_sort(struct ctl_top *t)
{
	int (*by)(const void *one, const void *other) = ctl_row_run;

	if (t->order == 't')
		by = ctl_row_turns;
	else if (t->order == 'w')
		by = ctl_row_ready;
	else if (t->order == 'i')
		by = ctl_row_id;
	qsort(t->rows, t->rates.nr, sizeof(*t->rows), by);
}

static int ctl_top_rows(struct ctl_top *t)
{
	free(t->rows);
	t->rows = calloc(t->rates.nr + 1, sizeof(*t->rows));
	if (!t->rows)
		return -ENOMEM;
	for (size_t i = 0; i < t->rates.nr; i++)
		t->rows[i] = &t->rates.coros[i];
	ctl_top_sort(t);
	return 0;
}

/* Looks again; what was seen before is not needed any more. */
static int ctl_top_look(struct ctl_top *t)
{
	struct ctl_reading before = t->reading;
	struct ctl_snapshot snap_before;
	int err = ctl_look_again(&t->look, &snap_before);

	if (err)
		return err;
	ctl_rates_free(&t->rates);
	err = ctl_reading_take(&t->reading, &t->look);
	if (!err)
		err = ctl_rates_make(&t->rates, &t->look, &t->reading,
				     &snap_before, &before);
	ctl_reading_free(&before);
	ctl_snapshot_free(&snap_before);
	if (!err)
		err = ctl_top_rows(t);
	if (!err && !ctl_process_alive(&t->look.process))
		err = -ESRCH;
	return err;
}

static void ctl_top_percent(FILE *to, double part)
{
	if (part < 0)
		fputs("     - ", to);
	else
		fprintf(to, "%5.1f%% ", part * 100);
}

static void ctl_top_ready(FILE *to, double ns)
{
	char text[32] = "-";
	FILE *f = ns < 0 ? NULL : fmemopen(text, sizeof(text), "w");

	if (f) {
		ctl_print_ns(f, (uint64_t)ns);
		fclose(f);
	}
	fprintf(to, "%9s ", text);
}

static void ctl_top_line(struct ctl_top *t, const struct ctl_rate *rate,
			 FILE *to)
{
	const struct ctl_coro *c = rate->coro;
	char name[CTL_NAME_BYTES];

	fprintf(to, "%-15s %-9s ", ctl_coro_name(c, name), ctl_state_name(c));
	ctl_top_percent(to, rate->run);
	fprintf(to, "%9.0f ", rate->turns);
	ctl_top_ready(to, rate->ready_ns);
	ctl_print_column(to, c->shm.name, 15);
	ctl_awaits_print(&t->look, c, to);
	putc('\n', to);
}

static void ctl_top_loop(const struct ctl_top *t,
			 const struct ctl_loop_rate *loop, FILE *to)
{
	fprintf(to,
		"scheduler %" PRIu64
		", thread %u: %zu coroutines, %.0f turns/s, running ",
		loop->sched->serial,
		ctl_sched_thread(&t->look.snap, loop->sched), loop->sched->nr,
		loop->rate.turns);
	ctl_top_percent(to, loop->rate.run);
	fputs("ready ", to);
	ctl_top_ready(to, loop->rate.ready_ns);
	putc('\n', to);
}

/* How many lines of it are the head. */
static size_t ctl_top_text(struct ctl_top *t, FILE *to)
{
	fprintf(to, "coroctl top: process %d ", t->look.process.pid);
	ctl_print_text(to, t->look.name);
	putc('\n', to);
	for (size_t i = 0; i < t->rates.nr_loops; i++)
		ctl_top_loop(t, &t->rates.loops[i], to);
	fprintf(to, "%-15s %-9s %6s %9s %9s %-15s %s\n", "ID", "STATE", "RUN",
		"TURNS/S", "READY", "NAME", "AWAITS");
	for (size_t i = 0; i < t->rates.nr; i++)
		ctl_top_line(t, t->rows[i], to);
	return t->rates.nr_loops + 2;
}

static void ctl_top_rate_json(const struct ctl_rate *rate, struct ctl_json *j)
{
	ctl_json_number(j, "turns_per_second", (int64_t)rate->turns);
	if (rate->run < 0)
		return;
	ctl_json_number(j, "run_ppm", (int64_t)(rate->run * 1e6));
	ctl_json_number(j, "ready_ns", (int64_t)rate->ready_ns);
}

static void ctl_top_object(struct ctl_top *t, struct ctl_json *j)
{
	ctl_json_open(j, NULL, '{');
	ctl_json_number(j, "pid", t->look.process.pid);
	ctl_json_text(j, "command", t->look.name);
	ctl_json_open(j, "schedulers", '[');
	for (size_t i = 0; i < t->rates.nr_loops; i++) {
		const struct ctl_loop_rate *loop = &t->rates.loops[i];

		ctl_json_open(j, NULL, '{');
		ctl_json_number(j, "scheduler", (int64_t)loop->sched->serial);
		ctl_top_rate_json(&loop->rate, j);
		ctl_json_close(j, '}');
	}
	ctl_json_close(j, ']');
	ctl_json_open(j, "coroutines", '[');
	for (size_t i = 0; i < t->rates.nr; i++) {
		ctl_json_open(j, NULL, '{');
		ctl_coro_json(t->rows[i]->coro, j);
		ctl_top_rate_json(t->rows[i], j);
		ctl_awaits_json(&t->look, t->rows[i]->coro, j);
		ctl_json_close(j, '}');
	}
	ctl_json_close(j, ']');
	ctl_json_close(j, '}');
	putc('\n', j->to);
}

static int64_t ctl_top_due(const struct ctl_top *t)
{
	return t->look.now_ns + t->o->apart_ns;
}

static void ctl_top_wait(int64_t due)
{
	struct timespec until = { due / 1000000000, due % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

/* As often as was wanted, one after the other. */
static enum ctl_exit ctl_top_print(struct ctl_top *t, int *ret_err)
{
	enum ctl_exit code = CTL_DONE;
	struct ctl_output out;

	for (unsigned long i = 0;
	     (!t->o->count || i < t->o->count) && !code && !*ret_err; i++) {
		ctl_top_wait(ctl_top_due(t));
		*ret_err = ctl_top_look(t);
		if (*ret_err || !ctl_output_begin(&out))
			return CTL_FAILED;
		if (t->o->json)
			ctl_top_object(t, &out.json);
		else
			ctl_top_text(t, out.to);
		code = ctl_output_end(&out, true, CTL_DONE);
	}
	return code;
}

static int ctl_top_draw(struct ctl_top *t, struct ctl_screen *screen)
{
	size_t bytes, head;
	char *text = NULL;
	FILE *to = open_memstream(&text, &bytes);
	int err;

	if (!to)
		return -ENOMEM;
	head = ctl_top_text(t, to);
	err = fclose(to) ? -ENOMEM : 0;
	if (!err)
		ctl_screen_show(screen, text, head);
	free(text);
	return err;
}

/* Keys until the next look is due; 1 to leave. */
static int ctl_top_keys(struct ctl_top *t, struct ctl_screen *screen)
{
	int64_t due = ctl_top_due(t);
	struct timespec now;
	int err = 0;

	do {
		int key = ctl_screen_key(screen, due);

		if (key < 0 || key == 'q')
			return 1;
		if (key && strchr("rtwi", key)) {
			t->order = (char)key;
			ctl_top_sort(t);
		}
		err = ctl_top_draw(t, screen);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!err && now.tv_sec * INT64_C(1000000000) + now.tv_nsec < due);
	return err;
}

static enum ctl_exit ctl_top_live(struct ctl_top *t, int *ret_err)
{
	struct ctl_screen screen;
	int err;

	if (!ctl_screen_open(&screen)) {
		fputs("coroctl: this terminal cannot be used: set TERM, or give --count\n",
		      stderr);
		return CTL_FAILED;
	}
	/* Nobody wants to look at nothing for long, and this is deaf meanwhile. */
	ctl_top_wait(t->look.now_ns + (t->o->apart_ns < CTL_TOP_FIRST_NS ?
					       t->o->apart_ns :
					       CTL_TOP_FIRST_NS));
	err = ctl_top_look(t);
	while (!err) {
		err = ctl_top_draw(t, &screen);
		if (!err)
			err = ctl_top_keys(t, &screen);
		if (!err)
			err = ctl_top_look(t);
	}
	ctl_screen_close();
	*ret_err = err < 0 ? err : 0;
	return CTL_DONE;
}

static enum ctl_exit ctl_top_show(pid_t pid, const struct ctl_options *o)
{
	bool live = !o->json && !o->count && isatty(STDIN_FILENO) &&
		    isatty(STDOUT_FILENO);
	struct ctl_top t = { .order = 'r', .o = o };
	enum ctl_exit code = CTL_FAILED;
	int err = ctl_look_open(&t.look, pid);

	if (!err) {
		err = ctl_reading_take(&t.reading, &t.look);
		if (!err)
			code = live ? ctl_top_live(&t, &err) :
				      ctl_top_print(&t, &err);
		ctl_rates_free(&t.rates);
		ctl_reading_free(&t.reading);
		free(t.rows);
		ctl_look_close(&t.look);
	}
	if (err)
		ctl_process_complain(pid, err);
	return err ? CTL_FAILED : code;
}

static enum ctl_exit ctl_top_run(int argc, char **argv,
				 const struct ctl_options *o)
{
	pid_t pid;

	if (argc != 1) {
		fputs("usage: coroctl top [--json] [--seconds NUMBER] [--count NUMBER] PID\n",
		      stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_top_show(pid, o) : CTL_FAILED;
}

const struct ctl_command ctl_top = {
	.name = "top",
	.summary = "show which coroutines run most, anew each second",
	.usage =
		"[--json] [--seconds NUMBER] [--count NUMBER] PID\n"
		"\n"
		"Shows what the coroutines of the process did since the look before.\n"
		"\n"
		"  RUN      part of the time that it ran\n"
		"  TURNS/S  how often it went on\n"
		"  READY    how long it was ready before that, on average\n"
		"\n"
		"RUN and READY are known if the loop measures turns (CORO_RUN_F_METER, or\n"
		"CORO_METER=1 in the environment that the program was started with).\n"
		"\n"
		"  -s, --seconds NUMBER  from one look to the next: 0.001 to 86400, by default 1\n"
		"  -n, --count NUMBER    print so many tables, one below the other, and end\n"
		"\n"
		"Without --count, --json and a terminal it prints for ever. On a terminal, keys:\n"
		"r, t, w and i sort by RUN, TURNS/S, READY and ID; the arrows and the page keys\n"
		"scroll; q leaves.\n"
		"\n"
		"Exit codes: 0 done; 2 wrong usage, or the process could not be looked at, or has\n"
		"ended.\n",
	.letters = CTL_LETTERS "s:n:",
	.run = ctl_top_run,
};
