// SPDX-License-Identifier: MIT
/* A search in depth of who awaits whom, which finds the cycles. */
#include "search.h"

#include <errno.h>
#include <stdlib.h>

/* Colours of a search in depth. */
enum ctl_mark {
	CTL_NEW,
	CTL_OPEN, /* it is on the path */
	CTL_SEEN,
};

static void ctl_search_visit(const struct ctl_search *s, size_t at,
			     enum ctl_visit how)
{
	if (s->visit)
		s->visit(s->arg, at, s->depth, how);
}

/* The path from @at on leads back to @at: 1, 0 if it did not at any one time, or -ENOMEM. */
static int ctl_search_cycle(struct ctl_search *s, size_t at)
{
	size_t first = s->depth, nr, *cycles;

	while (s->path[--first] != at)
		;
	nr = s->depth - first;
	for (size_t i = first; i < s->depth; i++)
		if (!ctl_graph_holds(s->graph, s->path[i],
				     i + 1 < s->depth ? s->path[i + 1] : at))
			return 0; /* of different moments */
	cycles = reallocarray(s->cycles, s->nr_words + nr + 1, sizeof(*cycles));
	if (!cycles)
		return -ENOMEM;
	s->cycles = cycles;
	cycles[s->nr_words++] = nr;
	for (size_t i = first; i < s->depth; i++)
		cycles[s->nr_words++] = s->path[i];
	s->nr_cycles++;
	return 1;
}

static void ctl_search_push(struct ctl_search *s, size_t at)
{
	ctl_search_visit(s, at, CTL_VISIT_FIRST);
	s->marks[at] = CTL_OPEN;
	s->path[s->depth] = at;
	s->next[s->depth++] = s->graph->first[at];
}

/* Along one edge. */
static int ctl_search_follow(struct ctl_search *s, size_t to)
{
	int found = 0;

	if (s->marks[to] == CTL_NEW) {
		ctl_search_push(s, to);
		return 0;
	}
	if (s->marks[to] == CTL_OPEN)
		found = ctl_search_cycle(s, to);
	ctl_search_visit(s, to, found > 0 ? CTL_VISIT_CYCLE : CTL_VISIT_AGAIN);
	return found < 0 ? found : 0;
}

/* All that can be reached from @root. */
static int ctl_search_from(struct ctl_search *s, size_t root)
{
	int err = 0;

	ctl_search_push(s, root);
	while (s->depth && !err) {
		size_t at = s->path[s->depth - 1], edge;

		if (s->next[s->depth - 1] == s->graph->first[at + 1]) {
			s->marks[at] = CTL_SEEN;
			s->depth--;
			continue;
		}
		edge = s->next[s->depth - 1]++;
		err = ctl_search_follow(s, s->graph->edges[edge].to);
	}
	return err;
}

/* First those that nobody awaits; what is left then is in cycles or behind them. */
static int ctl_search_all(struct ctl_search *s)
{
	const struct ctl_graph *g = s->graph;
	const struct ctl_snapshot *snap = g->snap;
	int err = 0;

	for (size_t i = 0; i < snap->nr && !err; i++)
		if (!g->awaited[i] &&
		    snap->coros[i].shm.state != CORO_STATE_CLOSED)
			err = ctl_search_from(s, i);
	for (size_t i = 0; i < snap->nr && !err; i++)
		if (s->marks[i] == CTL_NEW && g->awaited[i])
			err = ctl_search_from(s, i);
	return err;
}

int ctl_search_run(struct ctl_search *s)
{
	const size_t nr = s->graph->snap->nr + 1;
	int err = -ENOMEM;

	s->marks = calloc(nr, sizeof(*s->marks));
	s->path = calloc(nr, sizeof(*s->path));
	s->next = calloc(nr, sizeof(*s->next));
	if (s->marks && s->path && s->next)
		err = ctl_search_all(s);
	free(s->marks);
	free(s->path);
	free(s->next);
	return err;
}

void ctl_search_free(struct ctl_search *s)
{
	free(s->cycles);
}
