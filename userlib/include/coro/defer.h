/* SPDX-License-Identifier: MIT */
/*
 * Deferred calls: what a coroutine has to undo, run whichever way it ends.
 *
 * Each coroutine has a stack of calls. coro_defer() pushes one; when the
 * coroutine's function has returned, the calls that are left run, last first,
 * inside the coroutine and before anybody sees its result. This is so whether
 * the function went through to its end, met an error, was cancelled, or returned
 * because of coro_throw() or coro_close(). Deferred calls may do all that the
 * function may: wait, await, yield, defer more. A cancel holds in them as well:
 * what must wait all the same does so in a shield (coro/scope.h). A child that a
 * group restarts has its calls run before it starts again.
 *
 * If coro_put() ends a coroutine that yields in answer to CORO_EXIT, its function
 * never returns. Then the calls run on the stack of whoever put it: there
 * coro_self() is that one, and they may do what it may.
 *
 * A block that ends what it began, however it is left:
 *
 *	size_t mark = coro_defer_mark();
 *
 *	fd = coro_io_openat(AT_FDCWD, path, O_RDONLY, 0, CORO_NEVER);
 *	if (fd >= 0 && coro_defer(close_it, &fd))
 *		close_it(&fd);
 *	...
 *	coro_defer_release(mark);
 */
#ifndef CORO_DEFER_H
#define CORO_DEFER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * coro_defer() - have a function called when the coroutine ends
 * @fn: called once, unless coro_defer_cancel() takes it back.
 * @arg: passed to @fn; stays the caller's if the call fails. May be on the
 *	coroutine's stack only where that frame is still there when @fn runs.
 *
 * Context: coroutine. Does not suspend.
 * Return:
 * * 0		 - @fn will be called
 * * -EPERM	 - not in a coroutine
 * * -EINVAL	 - @fn is NULL
 * * -ENOMEM	 - no memory: call @fn yourself when it is time
 */
int coro_defer(void (*fn)(void *arg), void *arg);

/**
 * coro_defer_mark() - how many calls the coroutine has deferred
 *
 * Context: any. Does not suspend.
 * Return: the number, for coro_defer_release(); 0 outside of coroutines.
 */
size_t coro_defer_mark(void);

/**
 * coro_defer_release() - run what was deferred since a mark
 * @mark: from coro_defer_mark(), in the same coroutine.
 *
 * Last first, each once. What they defer themselves runs as well.
 *
 * Context: coroutine. Suspends if a deferred call does.
 * Return:
 * * 0		 - no more than @mark calls are left
 * * -EPERM	 - not in a coroutine
 * * -EINVAL	 - there were fewer than @mark: nothing was run
 */
int coro_defer_release(size_t mark);

/**
 * coro_defer_run() - run the calls that were deferred last
 * @nr: how many.
 *
 * As coro_defer_release() of a mark that lies @nr calls back.
 *
 * Context: coroutine. Suspends if a deferred call does.
 * Return: as coro_defer_release(); -EINVAL if there are fewer than @nr.
 */
int coro_defer_run(size_t nr);

/**
 * coro_defer_cancel() - take back the calls that were deferred last
 * @nr: how many. They are not run: what they would undo is the caller's again.
 *
 * Context: coroutine. Does not suspend.
 * Return:
 * * 0		 - @nr calls are gone
 * * -EPERM	 - not in a coroutine
 * * -EINVAL	 - there are fewer than @nr: nothing changed
 */
int coro_defer_cancel(size_t nr);

#ifdef __cplusplus
}
#endif
#endif /* CORO_DEFER_H */
