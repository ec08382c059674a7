/* SPDX-License-Identifier: MIT */
/* A search in depth of who awaits whom, which finds the cycles. */
#ifndef CORO_TOOLS_SEARCH_H
#define CORO_TOOLS_SEARCH_H

#include "graph.h"

/* How the search comes to a coroutine. */
enum ctl_visit {
	CTL_VISIT_FIRST, /* those that it awaits follow */
	CTL_VISIT_AGAIN,
	CTL_VISIT_CYCLE, /* it is on the way that led here */
};

struct ctl_search {
	const struct ctl_graph *graph;
	/* Of each that it comes to, @depth awaits away from where it began. NULL for none. */
	void (*visit)(void *arg, size_t at, size_t depth, enum ctl_visit how);
	void *arg;
	/* Cycles that were there at once, each as the number of its members and they. */
	size_t *cycles;
	size_t nr_cycles;
	/* While it goes on. */
	size_t nr_words;
	unsigned char *marks;
	size_t *path, *next; /* to where it is, and at which edge of each */
	size_t depth;
};

/* With the first three set and all else 0: 0 or -ENOMEM. */
int ctl_search_run(struct ctl_search *s);
void ctl_search_free(struct ctl_search *s);

#endif /* CORO_TOOLS_SEARCH_H */
