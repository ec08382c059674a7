/* SPDX-License-Identifier: MIT */
/*
 * A pool: several loops, each on a thread of its own with a scheduler of its own, and
 * work that goes to where there is time for it.
 *
 * Work is a function. Any thread may give it to the pool; a loop that has fewer
 * coroutines than others gets it, and starts it as a coroutine. Until then it may move:
 * a loop that has nothing to do takes what another has not begun. From its start on it
 * stays on its loop, so what coroutines of one loop share needs no locks.
 *
 * What goes between loops: coro_work_join(), handles and mailboxes (coro/remote.h),
 * objects with CORO_SHARED (coro/sync.h, coro/queue.h), coro_call_soon(). What
 * does not: coroutines, streams, groups and scopes belong to their loop (-EXDEV).
 *
 * No deadlock (see coro_run_opts()) is seen in a pool.
 *
 * Example::
 *
 *	static long fetch_two(void *arg)
 *	{
 *		struct coro_work *other;
 *		long here, there = 0;
 *		int err = coro_work_start(&other, coro_pool_self(), fetch, arg, NULL);
 *
 *		if (err)
 *			return err;
 *		here = fetch(arg);
 *		coro_work_join(other, &there, CORO_NEVER);
 *		coro_work_put(other);
 *		return here + there;
 *	}
 *
 *	static int run(void *arg)
 *	{
 *		long sum;
 *		int err = coro_pool_run(fetch_two, arg, NULL, &sum);
 *
 *		return err ? err : printf("%ld\n", sum);
 *	}
 */
#ifndef CORO_POOL_H
#define CORO_POOL_H

#include <coro/loop.h>
#include <coro/object.h>
#include <coro/serve.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counted; any thread of the process may use it. */
struct coro_pool;

/**
 * struct coro_pool_opts - how a pool is made
 * @size: sizeof(struct coro_pool_opts).
 * @loops: how many, up to 4,096; 0 for as many as there are processors that the
 *	calling thread may run on.
 * @loop: how each is made; NULL for defaults. @sim must be NULL. The context and
 *	CORO_RUN_F_INTERRUPT are the first loop's alone.
 * @thread: how the schedulers of the others' threads are made; NULL for defaults.
 *	The caller's may have been made by coro_thread_init().
 * @flags: 0.
 */
struct coro_pool_opts {
	size_t size;
	unsigned int loops;
	const struct coro_loop_opts *loop;
	const struct coro_thread_opts *thread;
	uint64_t flags;
};

/**
 * coro_pool_run() - run a pool until a function ends
 * @fn: runs as the first coroutine of the pool's first loop, which the calling thread
 *	runs.
 * @arg: passed to @fn.
 * @opts: NULL for defaults.
 * @ret_value: what @fn returned. May be NULL.
 *
 * The threads of the other loops are there before @fn begins. They have all signals
 * blocked but those that a fault raises.
 *
 * When @fn has returned no more work is taken, work that has not started never
 * is, and all coroutines of all loops are cancelled. The call returns when they have
 * ended, and the threads.
 *
 * A coroutine that ends its thread by pthread_exit() ends that thread's loop: what ran
 * there is lost, and work in it joined with -EOWNERDEAD, as is what was to start there
 * and nowhere else. What else had not started goes to the other loops. If it is the
 * caller's thread, the pool ends.
 *
 * Context: thread, not coroutine.
 * Return: as coro_run_opts(), of any of the loops; then @fn was not called. Besides
 * * -EINVAL	 - @fn is NULL or @opts are bad
 * * -EAGAIN	 - there can be no thread
 */
int coro_pool_run(long (*fn)(void *arg), void *arg,
		  const struct coro_pool_opts *opts, long *ret_value);

/**
 * coro_pool_self() - the pool of the calling thread's loop
 *
 * Context: any thread. Does not suspend.
 * Return: the pool, valid until coro_pool_run() returns: take a reference for others
 * with coro_pool_get(). NULL if no loop of a pool runs in this thread.
 */
struct coro_pool *coro_pool_self(void);

/**
 * coro_pool_get() - take a reference
 * @p: a pool. The reference outlasts it, and does not keep it running.
 *
 * Context: any thread. Does not suspend.
 * Return: @p.
 */
struct coro_pool *coro_pool_get(struct coro_pool *p);

/**
 * coro_pool_put() - give a reference back
 * @p: a pool, or NULL for nothing.
 *
 * Context: any thread. Does not suspend.
 */
void coro_pool_put(struct coro_pool *p);

/**
 * coro_pool_loops() - how many loops a pool has
 * @p: a pool.
 *
 * Context: any thread. Does not suspend.
 * Return: their number; they count from 0, which is the one of coro_pool_run()'s
 * caller.
 */
unsigned int coro_pool_loops(const struct coro_pool *p);

/**
 * coro_pool_index() - which loop of its pool the calling thread runs
 *
 * Context: any thread. Does not suspend.
 * Return: its number; -EPERM if no loop of a pool runs in this thread.
 */
int coro_pool_index(void);

/**
 * coro_pool_spawn() - give work that nobody waits for
 * @p: the pool.
 * @fn: becomes a coroutine of one of the loops, in a copy of the caller's context.
 * @arg: passed to @fn; stays the caller's if the call fails. If the pool ends first, @fn
 *	is not entered: use coro_work_start() with a dispose function for an @arg that
 *	must be released.
 *
 * A failure of @fn is reported (coro/report.h). The macro names the coroutine after
 * @fn.
 *
 * Context: any thread of the process, not a signal handler; the caller has a reference,
 * or runs in the pool. Does not suspend.
 * Return:
 * * 0		 - the pool has it
 * * -EPIPE	 - the pool is ending, or has ended
 * * -ENOMEM	 - no memory
 * * -EINVAL	 - @p or @fn is NULL
 */
int coro_pool_spawn(struct coro_pool *p, long (*fn)(void *arg), void *arg);
#define coro_pool_spawn(p, fn, arg) coro_pool_spawn_named((p), (fn), (arg), #fn)

/**
 * coro_pool_spawn_named() - give work with a name that nobody waits for
 * @p: the pool.
 * @fn: as for coro_pool_spawn().
 * @arg: passed to @fn.
 * @name: as for coro_create().
 *
 * Context: as coro_pool_spawn().
 * Return: as coro_pool_spawn().
 */
int coro_pool_spawn_named(struct coro_pool *p, long (*fn)(void *arg), void *arg,
			  const char *name);

/* Work that was given to a pool. Counted; any thread of the process may use it. */
struct coro_work;

/** CORO_WORK_F_LOOP - of struct coro_work_opts: on the loop that it names, and no other. */
#define CORO_WORK_F_LOOP UINT64_C(1)

/**
 * struct coro_work_opts - how work is started
 * @size: sizeof(struct coro_work_opts).
 * @name: as for coro_create(); NULL for none.
 * @dispose: called with @arg if the function was never entered, on the thread of a
 *	loop, outside of coroutines; it must not wait. NULL for nothing.
 * @loop: with CORO_WORK_F_LOOP: the number of the loop.
 * @flags: CORO_WORK_F_LOOP, or 0.
 */
struct coro_work_opts {
	size_t size;
	const char *name;
	void (*dispose)(void *arg);
	unsigned int loop;
	uint64_t flags;
};

/**
 * coro_work_start() - give work to a pool
 * @ret_work: the work, with one reference; NULL if nobody wants it. As long as there is
 *	one, a failure is for coro_work_join() to tell; else it is reported.
 * @p: the pool.
 * @fn: as for coro_pool_spawn().
 * @arg: passed to @fn; stays the caller's if the call fails.
 * @opts: NULL for defaults.
 *
 * Context: as coro_pool_spawn().
 * Return:
 * * 0		 - the pool has it
 * * -EPIPE	 - the pool is ending, or has ended; or the loop that was named
 * * -ENOMEM	 - no memory
 * * -EINVAL	 - @p or @fn is NULL, bad @opts, or no such loop
 * * -E2BIG	 - @opts has fields that this library does not know
 */
int coro_work_start(struct coro_work **ret_work, struct coro_pool *p,
		    long (*fn)(void *arg), void *arg,
		    const struct coro_work_opts *opts);

/**
 * coro_work_join() - wait for the end of work
 * @w: the work; the caller's reference must last through the call, and is kept.
 * @ret_value: what its function returned; -ECANCELED if it was never entered for a
 *	cancel or the end of the pool; or the error of coro_create() with which no
 *	coroutine could be made for it. May be NULL.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Any number may join, from any loop, any number of times. A cancel of the caller is
 * none of @w: see coro_pool_call().
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - *@ret_value is the result
 * * -EOWNERDEAD - the thread that it ran on ended before it
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EDEADLK	 - @w is the caller
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @w is NULL
 */
int coro_work_join(struct coro_work *w, long *ret_value, int64_t deadline_ns);

/**
 * coro_work_cancel() - make work end
 * @w: the work.
 *
 * If it has not started it is not entered. Otherwise as coro_cancel(), when its loop
 * comes to it. Again is nothing.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -ESRCH if it has ended; -EINVAL if @w is NULL.
 */
int coro_work_cancel(struct coro_work *w);

/**
 * coro_work_get() - take a reference
 * @w: the work.
 *
 * Context: any thread. Does not suspend.
 * Return: @w.
 */
struct coro_work *coro_work_get(struct coro_work *w);

/**
 * coro_work_put() - give a reference back
 * @w: the work, or NULL for nothing.
 *
 * The work goes on all the same.
 *
 * Context: any thread. Does not suspend.
 */
void coro_work_put(struct coro_work *w);

/**
 * coro_pool_call() - call a function on a loop of the pool
 * @p: the pool.
 * @fn: as for coro_pool_spawn().
 * @arg: passed to @fn. May be on the caller's stack.
 * @opts: as for coro_work_start(); NULL for defaults.
 * @ret_value: as of coro_work_join().
 *
 * coro_work_start() and coro_work_join(), but a cancel or a scope's deadline goes on
 * to @fn: the call waits until that has ended, and succeeds; the next wait of the
 * caller fails then. So what is spawned into a group (coro/group.h) can run on
 * other loops, and belongs to the group all the same.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: 0; or an error of coro_work_start() or coro_work_join().
 */
int coro_pool_call(struct coro_pool *p, long (*fn)(void *arg), void *arg,
		   const struct coro_work_opts *opts, long *ret_value);

/**
 * coro_pool_serve() - serve connections on all loops until the caller is cancelled
 * @fds: a listening socket for each loop of the caller's pool, as of
 *	coro_net_listen_each(); they stay the caller's.
 * @fn: called for each connection, on the loop whose socket it came to.
 * @arg: passed to @fn, on several threads at once.
 * @opts: as for coro_serve(), for each loop; NULL for defaults.
 *
 * coro_serve() on each loop. The first that fails ends all.
 *
 * Context: coroutine of a running loop of a pool. Suspends; cancellation point.
 * Return: as coro_serve(); -EPERM if the loop is none of a pool; or an error of
 * coro_pool_call().
 */
int coro_pool_serve(const int *fds,
		    long (*fn)(struct coro_stream *s, void *arg), void *arg,
		    const struct coro_serve_opts *opts);

#ifdef __cplusplus
}
#endif
#endif /* CORO_POOL_H */
