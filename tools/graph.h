/* SPDX-License-Identifier: MIT */
/* Who awaits whom. */
#ifndef CORO_TOOLS_GRAPH_H
#define CORO_TOOLS_GRAPH_H

#include "snapshot.h"

struct ctl_edge {
	size_t from, to; /* in the coroutines of the snapshot */
};

struct ctl_graph {
	const struct ctl_snapshot *snap;
	struct ctl_edge *edges; /* by @from */
	size_t nr;
	size_t *first; /* for each coroutine, and one more for the end */
	bool *awaited; /* whether somebody awaits it */
};

/* 0 or -ENOMEM. */
int ctl_graph_make(struct ctl_graph *g, const struct ctl_snapshot *s);
void ctl_graph_free(struct ctl_graph *g);

/* The same, with @first and @edges from who is awaited to who awaits. 0 or -ENOMEM. */
int ctl_graph_reverse(struct ctl_graph *r, const struct ctl_graph *g);

/*
 * The key of who has the mutex that @c waits for; 0 if it waits for none that a task has.
 * Where a mutex has it, a semaphore has its permits, of which none is free while somebody
 * waits, and a rwlock the number of its readers: these are no keys.
 */
uint64_t ctl_mutex_key(const struct ctl_snapshot *s, const struct ctl_coro *c);
/* Who that is, or NULL if it has ended. */
struct ctl_coro *ctl_mutex_holder(const struct ctl_snapshot *s,
				  const struct ctl_coro *c, uint64_t key);

/*
 * Whether who waits for a lock may go on without: it has a deadline, or waits for other
 * things as well; or that is not known.
 */
bool ctl_lock_may_pass(const struct ctl_snapshot *s, const struct ctl_coro *c);

/* Whether a loop runs it, or has yet to. */
bool ctl_coro_is_task(const struct ctl_snapshot *s, const struct ctl_coro *c);

/* The task that waits when @c does: it, or who awaits it without a loop in between; or NULL. */
const struct ctl_coro *ctl_coro_task(const struct ctl_snapshot *s,
				     const struct ctl_coro *c);

/* Whether @from still awaits @to, and has done nothing else since it was read. */
bool ctl_graph_holds(const struct ctl_graph *g, size_t from, size_t to);

#endif /* CORO_TOOLS_GRAPH_H */
