// SPDX-License-Identifier: MIT
/* coroctl tree: who awaits whom. */
#include <errno.h>

#include "coroctl.h"
#include "search.h"

/* Deeper than that nothing moves to the right any more. */
#define CTL_MAX_INDENT 40

struct ctl_tree {
	struct ctl_look *look;
	struct ctl_graph graph;
	struct ctl_search search;
	struct ctl_output out;
	bool json;
};

/* What is said of one that was drawn before. */
static const char *ctl_tree_remark(const struct ctl_tree *t, size_t at,
				   enum ctl_visit how)
{
	if (how == CTL_VISIT_CYCLE)
		return " (cycle)";
	if (how == CTL_VISIT_AGAIN &&
	    t->graph.first[at] < t->graph.first[at + 1])
		return " (see above)";
	return "";
}

static void ctl_tree_line(void *arg, size_t at, size_t depth,
			  enum ctl_visit how)
{
	struct ctl_tree *t = arg;
	const struct ctl_coro *c = &t->look->snap.coros[at];
	size_t indent = depth < CTL_MAX_INDENT ? depth : CTL_MAX_INDENT;
	FILE *to = t->out.to;

	fprintf(to, "%*s", (int)(2 * indent), "");
	ctl_coro_print(t->look, c, to);
	fprintf(to, "%s\n", ctl_tree_remark(t, at, how));
}

static void ctl_tree_cycles(struct ctl_tree *t)
{
	const struct ctl_coro *coros = t->look->snap.coros;
	const size_t *at = t->search.cycles;

	for (size_t i = 0; i < t->search.nr_cycles; i++, at += *at + 1) {
		fputs("cycle:", t->out.to);
		for (size_t n = 0; n <= *at; n++) {
			fputs(n ? " -> " : " ", t->out.to);
			ctl_coro_label(&coros[at[1 + n % *at]], t->out.to);
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
	const size_t *at = t->search.cycles;

	ctl_json_open(j, NULL, '{');
	ctl_json_number(j, "pid", t->look->process.pid);
	ctl_json_text(j, "command", t->look->name);
	ctl_json_open(j, "coroutines", '[');
	for (size_t i = 0; i < s->nr; i++)
		ctl_tree_object(t, i);
	ctl_json_close(j, ']');
	ctl_json_open(j, "cycles", '[');
	for (size_t i = 0; i < t->search.nr_cycles; i++, at += *at + 1) {
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
	int err = ctl_graph_make(&t->graph, &t->look->snap);

	if (err)
		return err;
	t->search = (struct ctl_search){
		.graph = &t->graph,
		.visit = t->json ? NULL : ctl_tree_line,
		.arg = t,
	};
	err = ctl_search_run(&t->search);
	if (!err && t->json)
		ctl_tree_json(t);
	else if (!err)
		ctl_tree_cycles(t);
	ctl_search_free(&t->search);
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
	code = err ? CTL_FAILED : t.search.nr_cycles ? CTL_FOUND : CTL_DONE;
	return ctl_output_end(&t.out, !err, code);
}

static enum ctl_exit ctl_tree_run(int argc, char **argv,
				  const struct ctl_options *o)
{
	pid_t pid;

	if (argc != 1) {
		fputs("usage: coroctl tree [--json] PID\n", stderr);
		return CTL_FAILED;
	}
	pid = ctl_parse_pid(argv[0]);
	return pid ? ctl_tree_look(pid, o->json) : CTL_FAILED;
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
	.letters = CTL_LETTERS,
	.run = ctl_tree_run,
};
