/* SPDX-License-Identifier: MIT */
/*
 * Functions that block: getaddrinfo(), fsync() of a slow disk, a library that knows
 * nothing of coroutines, a long computation. Other coroutines go on meanwhile.
 *
 * What holds inside such a function:
 *
 * - It is not in a coroutine: coro_self() is NULL, and calls that need a coroutine
 *   or a loop say -EPERM. It may call what any thread may, but not run a loop.
 * - It sees a copy of the caller's context variables (coro/context.h). What it sets
 *   ends with it.
 * - errno is 0 at its start, and nobody sees what it is in the end: return it.
 * - Rounding and other modes of floating point are those that a program begins with.
 * - Thread-local variables are those of some thread. What is in them does not come
 *   from the caller, and the next call may find something else.
 * - All signals are blocked, except those that a fault raises; but not in a loop with
 *   CORO_RUN_F_HANDOFF, where the mask is that of who called coro_run(). A mask that it
 *   changes, as whatever else of its thread, it restores.
 * - What the loop has in the kernel interrupts none of its system calls: EINTR comes
 *   from a signal that the program handles, as in any thread.
 * - It has 256 KiB of stack, less the program's thread-local variables.
 * - It must return: no pthread_exit(), no longjmp() and no C++ exception out of it.
 * - fork: the child does not have the function's callers, so it must not return
 *   there. Functions that the parent runs do not run in the child, and those
 *   that it had not begun never do.
 *
 * So many run at once as coro_blocking_set_limit() says, 64 at the start; who comes
 * then waits, first come first served. Each loop with CORO_RUN_F_HANDOFF may have as
 * many besides. The end of the process waits for none.
 *
 * Example::
 *
 *	static long sync_file(void *arg)
 *	{
 *		return fsync(*(int *)arg) ? -errno : 0;
 *	}
 *
 *	static long save(void *arg)
 *	{
 *		long result;
 *		int err = coro_blocking(sync_file, arg, &result);
 *
 *		return err ? err : result;
 *	}
 */
#ifndef CORO_BLOCKING_H
#define CORO_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_blocking_opts - how a function is called that blocks
 * @size: sizeof(struct coro_blocking_opts).
 * @dispose: lets a caller that is cancelled leave the function behind, and is what
 *	becomes of @arg and the result then: see coro_blocking_opts(). NULL for
 *	a caller that waits for the function all the same.
 * @grace_ns: how long such a caller first waits for the function to return by
 *	itself, as one that asks coro_blocking_cancelled() does; 0 for not at
 *	all. Needs @dispose.
 * @flags: 0.
 */
struct coro_blocking_opts {
	size_t size;
	void (*dispose)(void *arg, long value);
	int64_t grace_ns;
	uint64_t flags;
};

/**
 * coro_blocking() - call a function that blocks
 * @fn: called once, outside of coroutines, while those of the loop go on.
 * @arg: passed to @fn. May be on the caller's stack.
 * @ret_value: what @fn returned. May be NULL.
 *
 * A cancel, or a scope's deadline, that comes before @fn has begun prevents that. One
 * that comes later is seen by @fn, in coro_blocking_cancelled(); the caller
 * waits until it returns, and so does the end of the loop. The result counts
 * then, and the next wait of the caller fails.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return:
 * * 0		 - @fn has returned
 * * -ECANCELED	 - the caller was cancelled, and @fn is never called
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @fn is NULL
 * * -EAGAIN	 - there can be no thread for it, and there is none
 */
int coro_blocking(long (*fn)(void *arg), void *arg, long *ret_value);

/**
 * coro_blocking_opts() - call a function that blocks, or leave it behind
 * @fn: as for coro_blocking().
 * @arg: passed to @fn.
 * @ret_value: what @fn returned. May be NULL.
 * @opts: NULL for defaults, which are those of coro_blocking().
 *
 * With a dispose function, the call returns as soon as the caller is cancelled, even
 * if @fn runs. The rule is: dispose is called once if the call returns
 * -ECANCELED, and never otherwise. It gets @arg, which is not the caller's any
 * more, and what @fn returned, or -ECANCELED if that was never called.
 *
 * If @fn was called, dispose is called right after it, as it was: in that thread and
 * context, perhaps long after the end of the loop, which does not wait for it. If
 * not, then in the caller's coroutine, before the call returns. It must neither
 * suspend nor block. Of a caller whose thread ends by pthread_exit(), and to whom
 * nothing can return, it is called elsewhere.
 *
 * A loop that ends and leaves a function behind says so in
 * CORO_REPORT_LEFT_BEHIND. As long as it runs it counts in the limit.
 *
 * Example::
 *
 *	static void drop(void *arg, long value)
 *	{
 *		if (value > 0)
 *			fclose((FILE *)(intptr_t)value);
 *		free(arg);
 *	}
 *
 *	static long open_path(void *arg)
 *	{
 *		return (long)(intptr_t)fopen((const char *)arg, "r");
 *	}
 *
 *	static long open_slowly(void *arg)
 *	{
 *		struct coro_blocking_opts opts = { .size = sizeof(opts), .dispose = drop };
 *		char *path = strdup((const char *)arg);
 *		long file;
 *		int err = coro_blocking_opts(open_path, path, &file, &opts);
 *
 *		if (err != -ECANCELED)
 *			free(path);
 *		return err ? err : file;
 *	}
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return:
 * * 0		 - @fn has returned
 * * -ECANCELED	 - the caller was cancelled, and @fn was never called or is left
 *		   behind
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @fn is NULL or @opts are bad
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ENOMEM	 - no memory
 * * -EAGAIN	 - there can be no thread for it, and there is none
 */
int coro_blocking_opts(long (*fn)(void *arg), void *arg, long *ret_value,
		       const struct coro_blocking_opts *opts);

/**
 * coro_blocking_cancelled() - whether nobody wants the result any more
 *
 * Description: To be asked, now and then, by a function that takes long. The
 * caller was cancelled, its deadline has passed, or it is gone. Once true it stays so.
 *
 * Context: inside the function, in its thread; false everywhere else. Costs a few
 * instructions.
 * Return: true if it should return early.
 */
bool coro_blocking_cancelled(void);

/**
 * coro_blocking_set_limit() - how many functions may run at once
 * @nr: of the process; at least 1.
 *
 * They wait for something most of the time, so this has little to do with the number of
 * processors. The default of 64 lets the fast ones pass when some dozen wait for
 * a server that does not answer. Of a lower limit those that run know nothing.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL if @nr is 0.
 */
int coro_blocking_set_limit(unsigned int nr);

/**
 * struct coro_blocking_info - the functions of the process that block, now
 * @size: sizeof(struct coro_blocking_info); set by the caller.
 * @limit: as coro_blocking_set_limit() said last.
 * @waiting: how many have not begun.
 * @running: how many have, and have not returned.
 * @left: how many of those were left behind.
 * @left_ever: how many were, since the process began.
 */
struct coro_blocking_info {
	size_t size;
	unsigned int limit;
	unsigned int waiting;
	unsigned int running;
	unsigned int left;
	uint64_t left_ever;
};

/**
 * coro_blocking_info_read() - look at the functions that block
 * @info: filled as far as its size says; longer than this library knows is fine.
 *
 * Context: any thread. Does not suspend.
 * Return: 0, or -EINVAL: @info is NULL or its size too small for @limit.
 */
int coro_blocking_info_read(struct coro_blocking_info *info);

#ifdef __cplusplus
}
#endif
#endif /* CORO_BLOCKING_H */
