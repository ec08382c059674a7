// SPDX-License-Identifier: MIT
/* coroctl tree: who awaits whom. */
#include <errno.h>
#include <stdlib.h>

#include "coroctl.h"
#include "graph.h"

/* Deeper than that nothing moves to the right any more. */
#define CTL_MAX_INDENT 40

/* Colours of a search in depth. */
enum ctl_mark {
	CTL_NEW,
	CTL_OPEN, /* it is on the path */
	CTL_SEEN,
};

struct ctl_tree {
	struct ctl_look *look;
	struct ctl_graph graph;
	struct ctl_output out;
	bool json;
	unsigned char *marks;
	/* The path to where the search is, and at which edge of each. */
	size_t *path, *next;
	size_t depth;
	/* Cycles, each as the number of its members and they. */
	size_t *cycles;
	size_t nr_cycles, nr_words;
};

static void ctl_tree_line(struct ctl_tree *t, size_t at, const char *remark)
{
	const struct ctl_coro *c = &t->look->snap.coros[at];
	size_t indent = t->depth < CTL_MAX_INDENT ? t->depth : CTL_MAX_INDENT;
	char name[CTL_NAME_BYTES];
	FILE *to = t->out.to;

	if (t->json)
		return;
	fprintf(to, "%*s%s ", (int)(2 * indent), "", ctl_coro_name(c, name));
	ctl_print_text(to, c->shm.name[0] ? c->shm.name : "-");
	fprintf(to, " %s", ctl_state_name(c));
	if (c->shm.state == CORO_STATE_SUSPENDED) {
		fputs(": ", to);
		ctl_awaits_print(t->look, c, to);
	}
	fprintf(to, "%s\n", remark);
}

/* The path from @at on leads back to @at. */
static int ctl_tree_cycle(struct ctl_tree *t, size_t at)
{
	size_t first = t->depth, nr, *cycles;

	while (t->path[--first] != at)
		;
	nr = t->depth - first;
	for (size_t i = first; i < t->depth; i++)
		if (!ctl_graph_holds(&t->graph, t->path[i],
				     i + 1 < t->depth ? t->path[i + 1] : at))
			return 0; /* of different moments */
	cycles = reallocarray(t->cycles, t->nr_words + nr + 1, sizeof(*cycles));
	if (!cycles)
		return -ENOMEM;
	t->cycles = cycles;
	cycles[t->nr_words++] = nr;
	for (size_t i = first; i < t->depth; i++)
		cycles[t->nr_words++] = t->path[i];
	t->nr_cycles++;
	return 1;
}

static void ctl_tree_push(struct ctl_tree *t, size_t at)
{
	ctl_tree_line(t, at, "");
	t->marks[at] = CTL_OPEN;
	t->path[t->depth] = at;
	t->next[t->depth++] = t->graph.first[at];
}

/* Along one edge. */
static int ctl_tree_follow(struct ctl_tree *t, size_t to)
{
	int found;

	if (t->marks[to] == CTL_NEW) {
		ctl_tree_push(t, to);
		return 0;
	}
	if (t->marks[to] == CTL_SEEN) {
		bool more = t->graph.first[to] < t->graph.first[to + 1];

		ctl_tree_line(t, to, more ? " (see above)" : "");
		return 0;
	}
	found = ctl_tree_cycle(t, to);
	ctl_tree_line(t, to, found > 0 ? " (cycle)" : " (see above)");
	return found < 0 ? found : 0;
}

/* All that can be reached from @root. */
static int ctl_tree_search(struct ctl_tree *t, size_t root)
{
	int err = 0;

	ctl_tree_push(t, root);
	while (t->depth && !err) {
		size_t at = t->path[t->depth - 1], edge;

		if (t->next[t->depth - 1] == t->graph.first[at + 1]) {
			t->marks[at] = CTL_SEEN;
			t->depth--;
			continue;
		}
		edge = t->next[t->depth - 1]++;
		err = ctl_tree_follow(t, t->graph.edges[edge].to);
	}
	return err;
}

/* First those that nobody awaits; what is left then is in cycles or behind them. */
static int ctl_tree_draw(struct ctl_tree *t)
{
	const struct ctl_snapshot *s = &t->look->snap;
	int err = 0;

	for (size_t i = 0; i < s->nr && !err; i++)
		if (!t->graph.awaited[i] &&
		    s->coros[i].shm.state != CORO_STATE_CLOSED)
			err = ctl_tree_search(t, i);
	for (size_t i = 0; i < s->nr && !err; i++)
		if (t->marks[i] == CTL_NEW && t->graph.awaited[i])
			err = ctl_tree_search(t, i);
	return err;
}

static void ctl_tree_cycles(struct ctl_tree *t)
{
	const struct ctl_coro *coros = t->look->snap.coros;
	char name[CTL_NAME_BYTES];
	const size_t *at = t->cycles;

	for (size_t i = 0; i < t->nr_cycles; i++, at += *at + 1) {
		fputs("cycle:", t->out.to);
		for (size_t n = 0; n <= *at; n++) {
			const struct ctl_coro *c = &coros[at[1 + n % *at]];

			fprintf(t->out.to, "%s %s ", n ? " ->" : "",
				ctl_coro_name(c, name));
			ctl_print_text(t->out.to,
				       c->shm.name[0] ? c->shm.name : "-");
		}
		putc('\n', t->out.to);
	}
}

static void ctl_tree_object(struct ctl_tree *t, size_t at)
{
	const struct ctl_coro *coros = t->look->snap.coros;
	struct ctl_json *j = &t->out.json;
	char name[CTL_NAME_BYTES];

	ctl_json_open(j, NULL, '{');
	ctl_coro_json(&coros[at], j);
	ctl_awaits_json(t->look, &coros[at], j);
	ctl_json_open(j, "awaited", '[');
	for (size_t i = t->graph.first[at]; i < t->graph.first[at + 1]; i++)
		ctl_json_text(j, NULL,
			      ctl_coro_name(&coros[t->graph.edges[i].to],
					    name));
	ctl_json_close(j, ']');
	ctl_json_close(j, '}');
}

static void ctl_tree_json(struct ctl_tree *t)
{
	const struct ctl_snapshot *s = &t->look->snap;
	struct ctl_json *j = &t->out.json;
	char name[CTL_NAME_BYTES];
	const size_t *at = t->cycles;

	ctl_json_open(j, NULL, '{');
	ctl_json_number(j, "pid", t->look->process.pid);
	ctl_json_text(j, "command", t->look->name);
	ctl_json_open(j, "coroutines", '[');
	for (size_t i = 0; i < s->nr; i++)
		ctl_tree_object(t, i);
	ctl_json_close(j, ']');
	ctl_json_open(j, "cycles", '[');
	for (size_t i = 0; i < t->nr_cycles; i++, at += *at + 1) {
		ctl_json_open(j, NULL, '[');
		for (size_t n = 1; n <= *at; n++)
			ctl_json_text(j, NULL,
				      ctl_coro_name(&s->coros[at[n]], name));
		ctl_json_close(j, ']');
	}
	ctl_json_close(j, ']');
	ctl_json_close(j, '}');
	putc('\n', j->to);
}

static int ctl_tree_make(struct ctl_tree *t)
{
	const size_t nr = t->look->snap.nr + 1;
	int err = ctl_graph_make(&t->graph, &t->look->snap);

	if (err)
		return err;
	t->marks = calloc(nr, sizeof(*t->marks));
	t->path = calloc(nr, sizeof(*t->path));
	t->next = calloc(nr, sizeof(*t->next));
	err = t->marks && t->path && t->next ? ctl_tree_draw(t) : -ENOMEM;
	if (!err && t->json)
		ctl_tree_json(t);
	else if (!err)
		ctl_tree_cycles(t);
	free(t->marks);
	free(t->path);
	free(t->next);
	free(t->cycles);
	ctl_graph_free(&t->graph);
	if (!err && !ctl_process_alive(&t->look->process))
		err = -ESRCH;
	return err;
}

static enum ctl_exit ctl_tree_look(pid_t pid, bool json)
{
	struct ctl_look look;
	struct ctl_tree t = { .look = &look, .json = json };
	enum ctl_exit code;
	int err;

	if (!ctl_output_begin(&t.out))
		return CTL_FAILED;
	err = ctl_look_open(&look, pid);
	if (!err) {
		err = ctl_tree_make(&t);
		ctl_look_close(&look);
	}
	if (err)
		ctl_process_complain(pid, err);
	code = err ? CTL_FAILED : t.nr_cycles ? CTL_FOUND : CTL_DONE;
	return ctl_output_end(&t.out, !err, code);
}

static enum ctl_exit ctl_tree_run(int argc, char **argv, bool json)
{
	pid_t pid;

	if (argc != 1) {
		fputs("usage: coroctl tree [--json] PID\n", stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_tree_look(pid, json) : CTL_FAILED;
}

const struct ctl_command ctl_tree = {
	.name = "tree",
	.summary = "show who awaits whom, and who awaits himself in the end",
	.usage =
		"[--json] PID\n"
		"\n"
		"Draws the coroutines of a process, below each whom it awaits: another coroutine,\n"
		"the holder of the mutex that it waits for, the children of its group. Those that\n"
		"await each other in a circle never go on; each circle is a line at the end.\n"
		"\n"
		"Exit codes: 0 done; 1 there is a cycle; 2 wrong usage, or the process could not\n"
		"be looked at.\n",
	.run = ctl_tree_run,
};
