// SPDX-License-Identifier: MIT
/*
 * Who awaits whom: a coroutine that awaits another, the holder of the mutex that it waits
 * for, or all children of the group whose end it waits for.
 */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>

#include "coroctl.h"

/* Only then are the fields of its task set. */
bool ctl_coro_is_task(const struct ctl_snapshot *s, const struct ctl_coro *c)
{
	return c->shm.state != CORO_STATE_CLOSED &&
	       ctl_coro_word(s, c, c->sched->root.coro_task_loop);
}

uint64_t ctl_mutex_key(const struct ctl_snapshot *s, const struct ctl_coro *c)
{
	uint64_t key;

	if (c->shm.state != CORO_STATE_SUSPENDED ||
	    c->shm.awaits_kind != CORO_AWAITS_LOCK)
		return 0;
	key = ctl_process_word(s->process,
			       c->shm.awaits + c->sched->root.mutex_holder);
	return key >> CORO__KEY_BITS && (uint32_t)key ? key : 0;
}

struct ctl_coro *ctl_mutex_holder(const struct ctl_snapshot *s,
				  const struct ctl_coro *c, uint64_t key)
{
	const struct coro__root *root = &c->sched->root;
	uint64_t id = ctl_process_word(s->process,
				       c->shm.awaits + root->mutex_holder_id);

	for (size_t i = 0; i < s->nr_scheds && key; i++) {
		struct ctl_coro *found =
			ctl_snapshot_find(s, &s->scheds[i], id);

		if (found && ctl_coro_is_task(s, found) &&
		    ctl_coro_word(s, found, root->coro_task_key) == key)
			return found;
	}
	return NULL;
}

const struct ctl_coro *ctl_coro_task(const struct ctl_snapshot *s,
				     const struct ctl_coro *c)
{
	for (size_t i = 0; i < s->nr && c && !ctl_coro_is_task(s, c); i++) {
		const uint32_t at = c->sched->root.coro_awaiter;

		c = ctl_snapshot_at(s, ctl_coro_word(s, c, at));
	}
	return c;
}

bool ctl_lock_may_pass(const struct ctl_snapshot *s, const struct ctl_coro *c)
{
	const struct coro__root *root = &c->sched->root;
	const struct ctl_coro *task = ctl_coro_task(s, c);
	uint64_t wait, arms;

	if (!task)
		return true;
	wait = ctl_coro_word(s, task, root->coro_task_wait);
	if (!wait ||
	    (uint8_t)ctl_process_word(s->process, wait + root->wait_armed))
		return true;
	arms = ctl_process_word(s->process, wait + root->wait_arms);
	return !arms || ctl_process_word(s->process, arms + root->arm_also);
}

/* The one that it awaits, of whatever kind; NULL if it is none, or several. */
static struct ctl_coro *ctl_graph_awaited(const struct ctl_snapshot *s,
					  const struct ctl_coro *c)
{
	struct ctl_coro *holder;

	if (c->shm.awaits_kind != CORO_AWAITS_LOCK)
		return ctl_coro_awaited(s, c);
	holder = ctl_mutex_holder(s, c, ctl_mutex_key(s, c));
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

static int ctl_edge_compare(const void *a, const void *b)
{
	const struct ctl_edge *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

int ctl_graph_reverse(struct ctl_graph *r, const struct ctl_graph *g)
{
	const size_t nr = g->snap->nr;
	size_t at = 0;

	*r = (struct ctl_graph){ .snap = g->snap, .nr = g->nr };
	r->first = calloc(nr + 1, sizeof(*r->first));
	r->edges = calloc(g->nr + 1, sizeof(*r->edges));
	if (!r->first || !r->edges) {
		ctl_graph_free(r);
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->nr; i++)
		r->edges[i] =
			(struct ctl_edge){ g->edges[i].to, g->edges[i].from };
	qsort(r->edges, r->nr, sizeof(*r->edges), ctl_edge_compare);
	for (size_t i = 0; i <= nr; i++) {
		while (at < r->nr && r->edges[at].from < i)
			at++;
		r->first[i] = at;
	}
	return 0;
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
