/* SPDX-License-Identifier: MIT */
/*
 * Reaching loops of other threads.
 *
 * coro_call_soon() runs a function on the thread of another loop.
 *
 * No deadlock (see coro_run_opts()) is seen while somebody has a reference to
 * the loop: then it is for others to go on.
 */
#ifndef CORO_REMOTE_H
#define CORO_REMOTE_H

#include <coro/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A loop, as other threads know it. Counted. */
struct coro_loop;

/**
 * coro_loop_self() - the loop of the calling thread
 *
 * Context: any thread. Does not suspend.
 * Return: the loop, valid until its coro_run() returns: take a reference for
 * other threads with coro_loop_get(). NULL if none runs.
 */
struct coro_loop *coro_loop_self(void);

/**
 * coro_loop_get() - take a reference
 * @l: a loop. The reference outlasts it, and does not keep it running.
 *
 * Context: any thread. Does not suspend.
 * Return: @l.
 */
struct coro_loop *coro_loop_get(struct coro_loop *l);

/**
 * coro_loop_put() - give a reference back
 * @l: a loop, or NULL for nothing.
 *
 * Context: any thread. Does not suspend.
 */
void coro_loop_put(struct coro_loop *l);

/**
 * coro_call_soon() - run a function on the thread of a loop
 * @l: the loop; the caller has a reference, or is its thread.
 * @fn: runs between the turns of coroutines, outside of all; must not block. It
 *	may start, cancel, wake and put coroutines.
 * @arg: passed to @fn.
 *
 * What one thread calls runs in that order. Every call that succeeded runs
 * before the loop's coro_run() returns. Wakes the loop if it sleeps.
 *
 * Context: any thread of the process, not a signal handler. Does not suspend.
 * Return:
 * * 0		 - @fn runs, once
 * * -EPIPE	 - the loop has ended: @fn never runs
 * * -ENOMEM	 - no memory: @fn never runs
 * * -EINVAL	 - @l or @fn is NULL
 */
int coro_call_soon(struct coro_loop *l, void (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif /* CORO_REMOTE_H */
