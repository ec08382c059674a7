/* SPDX-License-Identifier: MIT */
/* A group inside the library: a scope that counts its children. */
#ifndef CORO_USERLIB_GROUP_H
#define CORO_USERLIB_GROUP_H

#include <coro/group.h>

#include "loop.h"

/* What struct coro_group is inside. @timed first: the public scope. */
struct coro__group {
	struct coro__timed timed;
	struct coro_group_opts opts;
	unsigned int live; /* children that have not ended */
	unsigned int ok, failed; /* how those that have did */
	unsigned int late; /* and those that ended cancelled after its deadline */
	unsigned int restarts;
	long error; /* the first failure, or 0 */
	bool deadlock;
	bool outer; /* when the last ended, something around was cancelled */
	bool decided; /* the policy cancelled the rest */
	bool closing; /* the opener is parked until @live is 0 */
	struct coro__wait closer;
} __attribute__((may_alias));

static inline struct coro__group *coro__group(const struct coro_group *g)
{
	return (struct coro__group *)(uintptr_t)g;
}

/* A child of @g has ended. */
void coro__group_ended(struct coro__loop *loop, struct coro__group *g,
		       struct coro *child);

/* The function that opened @g is gone: its children become the loop's. */
void coro__group_abandon(struct coro__loop *loop, struct coro__group *g);

/* What a child of a group that restarts runs. */
long coro__group_run(struct coro *child);

#endif /* CORO_USERLIB_GROUP_H */
