/* SPDX-License-Identifier: MIT */
/* Mutexes for the conditions: who has one, and taking it back. */
#ifndef CORO_USERLIB_MUTEX_H
#define CORO_USERLIB_MUTEX_H

#include <coro/sync.h>

#include "waitq.h"

/* The key of who holds something and is no coroutine of a loop. */
#define CORO__KEY_OUTSIDE 1

/* The key of the running coroutine of the loop. */
static inline uint64_t coro__key(void)
{
	const struct coro *task = coro__thread()->task;

	return task ? task->task.key : CORO__KEY_OUTSIDE;
}

/* Whether the caller has @m. */
bool coro__mutex_mine(struct coro_mutex *m);

/* Takes @m whatever the caller is told meanwhile. 0 or -EDEADLK, for good. */
int coro__mutex_relock(struct coro__loop *loop, struct coro_mutex *m);

#endif /* CORO_USERLIB_MUTEX_H */
