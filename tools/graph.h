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

/* Whether @from still awaits @to, and has done nothing else since it was read. */
bool ctl_graph_holds(const struct ctl_graph *g, size_t from, size_t to);

#endif /* CORO_TOOLS_GRAPH_H */
