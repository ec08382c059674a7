// SPDX-License-Identifier: MIT
/*
 * Who awaits whom: a coroutine that awaits another, the holder of the mutex that it waits
 * for, or all children of the group whose end it waits for.
 */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>

#include "coroctl.h"

/* Whether a loop runs it: only then are the fields of its task set. */
static bool ctl_coro_is_task(const struct ctl_snapshot *s,
			     const struct ctl_coro *c)
{
	return c->shm.state != CORO_STATE_CLOSED &&
	       ctl_coro_word(s, c, c->sched->root.coro_task_loop);
}

/*
 * Who has the mutex at an address. What is no mutex has no words there that are both the
 * key and the id of one coroutine.
 */
static struct ctl_coro *ctl_mutex_holder(const struct ctl_snapshot *s,
					 const struct coro__root *root,
					 uint64_t mutex)
{
	uint64_t key = ctl_process_word(s->process, mutex + root->mutex_holder);
	uint64_t id =
		ctl_process_word(s->process, mutex + root->mutex_holder_id);

	for (size_t i = 0; i < s->nr_scheds && key; i++) {
		struct ctl_coro *c = ctl_snapshot_find(s, &s->scheds[i], id);

		if (c && ctl_coro_is_task(s, c) &&
		    ctl_coro_word(s, c, root->coro_task_key) == key)
			return c;
	}
	return NULL;
}

/* The one that it awaits, of whatever kind; NULL if it is none, or several. */
static struct ctl_coro *ctl_graph_awaited(const struct ctl_snapshot *s,
					  const struct ctl_coro *c)
{
	struct ctl_coro *holder;

	if (c->shm.awaits_kind != CORO_AWAITS_LOCK)
		return ctl_coro_awaited(s, c);
	holder = ctl_mutex_holder(s, &c->sched->root, c->shm.awaits);
	/* Its own: it was just given, and is about to be woken. */
	return holder && holder != c && ctl_coro_same(s, c) ? holder : NULL;
}

static bool ctl_awaits_group(const struct ctl_coro *c)
{
	return c->shm.state == CORO_STATE_SUSPENDED &&
	       c->shm.awaits_kind == CORO_AWAITS_GROUP;
}

/* The group that a coroutine is a child of, or 0. */
static uint64_t ctl_coro_group(const struct ctl_snapshot *s,
			       const struct ctl_coro *c)
{
	if (!ctl_coro_is_task(s, c))
		return 0;
	return ctl_coro_word(s, c, c->sched->root.coro_task_group);
}

static int ctl_graph_add(struct ctl_graph *g, size_t from, size_t to)
{
	struct ctl_edge *edges = ctl_grow(g->edges, g->nr, sizeof(*edges));

	if (!edges)
		return -ENOMEM;
	g->edges = edges;
	g->edges[g->nr++] = (struct ctl_edge){ from, to };
	g->awaited[to] = true;
	return 0;
}

/* A child, and the group that it is of. */
struct ctl_child {
	uint64_t group;
	size_t coro;
};

static int ctl_child_compare(const void *a, const void *b)
{
	const struct ctl_child *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->coro > y->coro) - (x->coro < y->coro);
}

/* All children, by their group; none if nobody waits for a group. */
static struct ctl_child *ctl_children(const struct ctl_snapshot *s,
				      size_t *ret_nr)
{
	struct ctl_child *children = calloc(s->nr + 1, sizeof(*children));
	bool wanted = false;

	*ret_nr = 0;
	for (size_t i = 0; i < s->nr; i++)
		wanted |= ctl_awaits_group(&s->coros[i]);
	for (size_t i = 0; children && wanted && i < s->nr; i++) {
		uint64_t group = ctl_coro_group(s, &s->coros[i]);

		if (group)
			children[(*ret_nr)++] = (struct ctl_child){ group, i };
	}
	if (children)
		qsort(children, *ret_nr, sizeof(*children), ctl_child_compare);
	return children;
}

static int ctl_graph_add_group(struct ctl_graph *g, size_t from,
			       const struct ctl_child *children, size_t nr)
{
	uint64_t group = g->snap->coros[from].shm.awaits;
	size_t low = 0, high = nr;
	int err = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (children[mid].group < group)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nr && children[low].group == group && !err; low++)
		err = ctl_graph_add(g, from, children[low].coro);
	return err;
}

static int ctl_graph_fill(struct ctl_graph *g, const struct ctl_child *children,
			  size_t nr_children)
{
	const struct ctl_snapshot *s = g->snap;
	int err = 0;

	for (size_t i = 0; i < s->nr && !err; i++) {
		const struct ctl_coro *c = &s->coros[i];
		const struct ctl_coro *awaited;

		g->first[i] = g->nr;
		if (ctl_awaits_group(c)) {
			err = ctl_graph_add_group(g, i, children, nr_children);
			continue;
		}
		if (c->shm.state != CORO_STATE_SUSPENDED)
			continue;
		awaited = ctl_graph_awaited(s, c);
		if (awaited)
			err = ctl_graph_add(g, i, (size_t)(awaited - s->coros));
	}
	g->first[s->nr] = g->nr;
	return err;
}

int ctl_graph_make(struct ctl_graph *g, const struct ctl_snapshot *s)
{
	struct ctl_child *children;
	size_t nr;
	int err = -ENOMEM;

	*g = (struct ctl_graph){ .snap = s };
	g->first = calloc(s->nr + 1, sizeof(*g->first));
	g->awaited = calloc(s->nr + 1, sizeof(*g->awaited));
	children = ctl_children(s, &nr);
	if (g->first && g->awaited && children)
		err = ctl_graph_fill(g, children, nr);
	free(children);
	if (err)
		ctl_graph_free(g);
	return err;
}

void ctl_graph_free(struct ctl_graph *g)
{
	free(g->edges);
	free(g->first);
	free(g->awaited);
}

bool ctl_graph_holds(const struct ctl_graph *g, size_t from, size_t to)
{
	const struct ctl_snapshot *s = g->snap;
	const struct ctl_coro *c = &s->coros[from];

	if (ctl_awaits_group(c))
		return ctl_coro_group(s, &s->coros[to]) == c->shm.awaits &&
		       ctl_coro_same(s, c);
	return ctl_graph_awaited(s, c) == &s->coros[to];
}
