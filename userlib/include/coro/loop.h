/* SPDX-License-Identifier: MIT */
/*
 * The loop: runs coroutines of one thread on one io_uring.
 *
 * A coroutine that was handed to the loop runs by itself; the loop holds a
 * reference until it ended. Ready coroutines take turns in the order in which
 * they became ready.
 */
#ifndef CORO_LOOP_H
#define CORO_LOOP_H

#include <coro/context.h>
#include <coro/object.h>
#include <coro/sim.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * CORO_RUN_F_INTERRUPT - SIGINT cancels the loop's first coroutine
 *
 * The first SIGINT that the process gets cancels it, as coro_cancel() does, and
 * wakes the loop for that. If it then ends with -ECANCELED, and nobody else had
 * cancelled it, coro_run_opts() returns -EINTR. From the first signal on, or from
 * the end of that coroutine, the next one has the effect that it had before the
 * loop began: by default it ends the process, wherever that is.
 *
 * The library installs a handler for that and removes it, unless the program has
 * changed it meanwhile. If SIGINT was ignored it stays so. It must not be blocked
 * in every thread, by a coro_signals stream for instance. A child of fork() has
 * the old effect back. One loop of a process can have this at a time. While it is
 * waited for, no deadlock is seen (see coro_run_opts()).
 */
#define CORO_RUN_F_INTERRUPT UINT64_C(1)

/**
 * CORO_RUN_F_HANDOFF - coro_blocking() calls in place, and hands the loop over
 *
 * The loop then runs on threads of the library, while the caller waits. A function
 * that coro_blocking() calls is called at once on the thread that runs the loop, on
 * that one's own stack. If it does not block that is all. If the kernel puts
 * the thread to sleep, for whatever reason, another one goes on with the loop, and
 * the coroutine continues there when the function has returned.
 *
 * So coroutines of such a loop may find themselves on another thread after any wait:
 * thread-local variables, errno included, are not theirs across one, as little as
 * signal masks and what else belongs to a thread; nor may they hold a mutex of
 * pthreads across one, be inside pthread_cleanup_push(), or wait in a C++ catch
 * block. pthread_exit() in one ends the thread that called coro_run(), with NULL for its
 * value. Streams of signals (coro/signal.h) are for what the caller had blocked.
 *
 * A function that does not sleep keeps the loop from going on for as long as it runs: a
 * long computation is better called in a loop without this flag, and it sees in
 * coro_blocking_cancelled() only what came before it last slept.
 *
 * One more thread of the library submits for such a loop, since what the kernel does for
 * an operation waits for the thread that submitted it. So operations, and cancels of
 * them, begin when that one gets to it, and each round of them costs a change of
 * threads: loops that call nothing that blocks are better off without this flag
 * (bench/README.md has figures).
 *
 * Needs CORO_FEAT_HANDOFF of /dev/coro. Without it, in a deterministic run, and where
 * such a thread or its ring cannot be made (a limit, no memory), the flag has no
 * effect, and coro_blocking() uses its threads.
 */
#define CORO_RUN_F_HANDOFF UINT64_C(2)

/**
 * CORO_RUN_F_HANDOFF_ALWAYS - the loop is handed over wherever a coroutine blocks
 *
 * CORO_RUN_F_HANDOFF, and more: if the kernel puts the thread to sleep in a
 * coroutine's own code, outside of this library, as in a system call that blocks, in
 * a page fault that reads a file, or for a mutex of pthreads, another thread goes on
 * with the loop as well. The coroutine runs on beside it, until its next call of any
 * function of this library: there it waits for its turn, and is on the thread that has
 * the loop.
 *
 * So this is for code that is safe between threads: from where it blocked until that
 * call a coroutine runs at the same time as others of its loop, and all that it
 * shares with them needs locks or atomics, as between threads. A coro_mutex or
 * what else is in coro/sync.h does, for who comes to it is in turn again. What is
 * said of threads in CORO_RUN_F_HANDOFF holds from one call of the library to the next.
 * A cancel or a deadline meanwhile takes effect in the first wait after it.
 *
 * From when the loop's first coroutine has ended nothing is handed over any more; nor
 * is a coroutine that was first resumed outside of coroutines of such a loop, as in a
 * callback. A stop of the process, as by SIGSTOP or a debugger, counts as a sleep.
 * C++ destructors that an exception runs must not call the library either.
 *
 * Where the library calls functions of the program - those that dispose, that are
 * deferred, that are told of something, or that a stream has for its user - nothing is
 * handed over, nor in the library itself, as when it waits for memory; except in those
 * that are the body of a coroutine or a part of it, as in coro_call(),
 * coro_context_run(), coro_mutex_call() and coro_serve().
 *
 * Each call of the library costs some 60 instructions more in such a loop, a locked one
 * among them; in others 3 to 12 instructions to see that it is none. At most as many
 * coroutines block at once as coro_blocking_set_limit() allows: one more keeps
 * the loop waiting. Where CORO_RUN_F_HANDOFF has no effect this has none.
 */
#define CORO_RUN_F_HANDOFF_ALWAYS UINT64_C(4)

/** CORO_RUN_F_METER - the loop measures how long its coroutines run, see coro/meter.h */
#define CORO_RUN_F_METER UINT64_C(8)

/**
 * struct coro_loop_opts - how a loop is made
 * @size: sizeof(struct coro_loop_opts).
 * @sq_entries: submission queue; 0 for 256. A full queue is flushed, so this is
 *	about batching only.
 * @cq_entries: completion queue; 0 for 4,096. More than fit are kept by the
 *	kernel.
 * @recv_buffers: buffers of the loop's coro_receiver objects, a power of two up
 *	to 32,768; 0 for 256. Allocated when the first receiver is made.
 * @recv_buffer_bytes: size of each; 0 for 4,096.
 * @sim: makes it a deterministic run, see coro/sim.h; NULL for real time.
 * @context: what the first coroutine runs in (see coro/context.h); used and not
 *	copied, so that several loops can go on with it in turn. NULL for a
 *	copy of the caller's context.
 * @flags: of CORO_RUN_F_INTERRUPT, CORO_RUN_F_HANDOFF, CORO_RUN_F_HANDOFF_ALWAYS and
 *	CORO_RUN_F_METER, or 0.
 */
struct coro_loop_opts {
	size_t size;
	unsigned int sq_entries;
	unsigned int cq_entries;
	unsigned int recv_buffers;
	unsigned int recv_buffer_bytes;
	const struct coro_sim_opts *sim;
	struct coro_context *context;
	uint64_t flags;
};

/**
 * coro_run_opts() - run a loop until a function ends
 * @fn: runs as the loop's first coroutine.
 * @arg: passed to @fn.
 * @opts: NULL for defaults.
 * @ret_value: what @fn returned. May be NULL.
 *
 * When @fn has returned, coroutines that are still there are cancelled (see
 * coro_cancel()), and the call returns when all have ended and every I/O
 * operation is finished.
 *
 * If nothing is left that could ever wake a coroutine, what @fn waits in
 * returns -EDEADLK; if that cannot be, as in coro_group_close(), then what all
 * others wait in. coro/remote.h says when it is for other threads to wake one.
 *
 * A coroutine that calls functions which could suspend, and never has to, gives
 * the others a turn in every 256th such call.
 *
 * Example::
 *
 *	static long serve(void *arg)
 *	{
 *		return coro_sleep(CORO_SEC) ? 1 : (long)(intptr_t)arg;
 *	}
 *
 *	static int run(void)
 *	{
 *		struct coro_loop_opts opts = { .size = sizeof(opts), .sq_entries = 1024 };
 *		long value;
 *		int err = coro_run_opts(serve, NULL, &opts, &value);
 *
 *		if (err)
 *			fprintf(stderr, "no loop: %s\n", strerror(-err));
 *		return err ? err : (int)value;
 *	}
 *
 * Context: thread, not coroutine.
 * Return:
 * * 0		 - @fn ran
 * * -EBUSY	 - the thread runs a loop, or the caller is a coroutine; or
 *		   another thread uses the context of @opts; or, with
 *		   CORO_RUN_F_INTERRUPT, another loop has that already
 * * -EINTR	 - SIGINT cancelled @fn, see CORO_RUN_F_INTERRUPT
 * * -EINVAL	 - @fn is NULL or @opts are bad
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ENOSYS	 - the kernel has no io_uring
 * * -EPERM	 - io_uring is forbidden (kernel.io_uring_disabled, seccomp)
 * * -EOPNOTSUPP - the kernel's io_uring is older than Linux 5.11
 * * -ENOMEM	 - memory, or RLIMIT_MEMLOCK
 * * -EMFILE, -ENFILE - no file descriptor for the ring and its eventfd
 * * others	 - see coro_create()
 */
int coro_run_opts(long (*fn)(void *arg), void *arg,
		  const struct coro_loop_opts *opts, long *ret_value);

/**
 * coro_run() - run a loop until a function ends
 * @fn: runs as the loop's first coroutine.
 * @arg: passed to @fn.
 *
 * coro_run_opts() in its short form.
 *
 * Context: thread, not coroutine.
 * Return: what @fn returned, or the error of coro_run_opts().
 */
long coro_run(long (*fn)(void *arg), void *arg);

/**
 * coro_start() - hand a coroutine to the loop
 * @c: a CREATED coroutine. The loop takes a reference of its own.
 *
 * It runs first when the caller suspends, after those that are ready, in a copy of
 * the caller's context.
 *
 * Example::
 *
 *	struct coro *a = coro_new(fetch, arg);
 *	struct coro *b = coro_new(fetch, arg);
 *
 *	coro_start(a);
 *	coro_start(b);
 *	return coro_await(a) + coro_await(b);
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EPERM	 - no loop runs in this thread
 * * -EINVAL	 - @c is NULL
 * * -EBUSY	 - @c is not CREATED, or the loop has it
 * * -EXDEV	 - @c was exported, and by another thread
 * * -ECANCELED	 - the loop is ending
 */
int coro_start(struct coro *c);

/**
 * coro_spawn() - start a coroutine that nobody awaits
 * @fn: its function.
 * @arg: passed to @fn; stays the caller's if the call fails.
 *
 * coro_create(), coro_start() and coro_put(). The macro names it after @fn.
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return: 0, or the error of coro_create() or coro_start(); then @fn never runs.
 */
int coro_spawn(long (*fn)(void *arg), void *arg);
#define coro_spawn(fn, arg) coro_spawn_named((fn), (arg), #fn)

/**
 * coro_spawn_named() - start a named coroutine that nobody awaits
 * @fn: its function.
 * @arg: passed to @fn.
 * @name: as for coro_create().
 *
 * Context: as coro_spawn().
 * Return: as coro_spawn().
 */
int coro_spawn_named(long (*fn)(void *arg), void *arg, const char *name);

/**
 * coro_cancel() - make a coroutine of the loop end
 * @c: a coroutine that was handed to this thread's loop.
 *
 * From now on every wait of it fails with -ECANCELED, as do those of all
 * coroutines in its groups; only inside a shield they go on (coro/scope.h). An
 * operation that finished first keeps its result, and the next wait fails.
 * Before its first step its function is not entered and its result is
 * -ECANCELED. What it returns in the end is its own: a result that it has all
 * the same counts. Again is nothing.
 *
 * Example::
 *
 *	struct coro *c = coro_new(fetch, arg);
 *
 *	coro_start(c);
 *	coro_sleep(10 * CORO_MSEC);
 *	coro_cancel(c);
 *	if (coro_await(c) == -ECANCELED)
 *		puts("was not done within 10 ms");
 *
 * Context: thread of the loop, inside or outside coroutines. Does not suspend.
 * Return:
 * * 0		 - asked
 * * -ESRCH	 - @c has ended
 * * -EINVAL	 - @c is NULL or no coroutine of a loop
 * * -EXDEV	 - @c belongs to the loop of another thread
 */
int coro_cancel(struct coro *c);

#ifdef __cplusplus
}
#endif
#endif /* CORO_LOOP_H */
