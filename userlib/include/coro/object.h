/* SPDX-License-Identifier: MIT */
/*
 * The coroutine object: state, frame and linkage. Works without a loop.
 *
 * A coroutine is CREATED, then RUNNING and SUSPENDED in turns, then CLOSED. It
 * is driven by coro_resume() from anywhere, by coro_await() from another
 * coroutine, or by a loop (see coro/loop.h). While it waits inside an I/O call
 * or a sleep, whoever drove it waits with it.
 *
 * References: coro_new() gives one. coro_await() takes one when it returns the
 * result, like pthread_join(); otherwise give it back with coro_put().
 */
#ifndef CORO_OBJECT_H
#define CORO_OBJECT_H

#include <errno.h>
#include <linux/coro.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coro;

/** CORO_YIELDED - of coro_resume(): the coroutine yielded and is SUSPENDED. */
#define CORO_YIELDED 0
/** CORO_ENDED - of coro_resume(): its function returned; it is CLOSED. */
#define CORO_ENDED 1

/** CORO_EXIT - what coro_close() throws. */
#define CORO_EXIT (-ESHUTDOWN)

/**
 * coro_create() - make a coroutine
 * @ret_coro: the new coroutine, CREATED, with one reference.
 * @fn: its function; @arg is passed through. What it returns is the result; by
 *	convention a value in [-4095, -1] is a negative errno, a failure.
 * @arg: stays the caller's.
 * @name: copied, cut to CORO_NAME_LEN - 1 bytes; NULL for none.
 *
 * Runs nothing of @fn and needs no loop. Takes no system call when a coroutine
 * ended before and its stack is cached. The first call in a thread opens the
 * thread's scheduler, with defaults unless coro_thread_init() did it before.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @fn or @ret_coro is NULL
 * * -ENOMEM	 - no memory, or no more mappings (vm.max_map_count)
 * * -ENOSPC	 - the limit of coroutines is reached
 * * others	 - opening the scheduler failed, see coro_thread_init()
 */
int coro_create(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		const char *name);

/**
 * coro_new() - make a coroutine
 * @fn: its function.
 * @arg: passed to @fn.
 *
 * coro_create() in its short form. As a macro it names the coroutine after the
 * text of @fn.
 *
 * Context: as coro_create().
 * Return: the coroutine, or NULL: call coro_create() to learn why.
 */
struct coro *coro_new(long (*fn)(void *arg), void *arg);
#define coro_new(fn, arg) coro_new_named((fn), (arg), #fn)

/**
 * coro_new_named() - make a coroutine with a name
 * @fn: its function.
 * @arg: passed to @fn.
 * @name: as for coro_create().
 *
 * Context: as coro_create().
 * Return: the coroutine, or NULL: call coro_create() to learn why.
 */
struct coro *coro_new_named(long (*fn)(void *arg), void *arg, const char *name);

/**
 * coro_get() - take a reference
 * @c: a coroutine.
 *
 * Context: any. Does not suspend.
 * Return: @c.
 */
struct coro *coro_get(struct coro *c);

/**
 * coro_put() - give a reference back
 * @c: a coroutine, or NULL for nothing.
 *
 * With the last reference a CREATED coroutine is closed and a SUSPENDED one has
 * CORO_EXIT thrown in, so its cleanup runs. If it yields in answer it ends
 * there: its function never goes on. While it is RUNNING, or somebody awaits it,
 * all that is put off until that is over. A coroutine of a loop is held by it.
 *
 * Context: any. Runs the coroutine's cleanup, and suspends if that does.
 */
void coro_put(struct coro *c);

/**
 * coro_resume() - run until the next yield or the end (Python's send)
 * @c: a CREATED or SUSPENDED coroutine.
 * @value: becomes the value of the coro_yield() that @c waits in; 0 if CREATED.
 * @ret_value: what was yielded, or the result. May be NULL.
 *
 * Wakes the innermost coroutine that @c awaits, whatever the depth, in constant
 * time.
 *
 * Example::
 *
 *	static long squares(void *arg)
 *	{
 *		for (long i = 1; i <= (long)(intptr_t)arg; i++) {
 *			if (coro_yield(i * i, NULL))
 *				break;
 *		}
 *		return 0;
 *	}
 *
 *	static void print_squares(void)
 *	{
 *		struct coro *c = coro_new(squares, (void *)10);
 *		long value;
 *
 *		while (coro_resume(c, 0, &value) == CORO_YIELDED)
 *			printf("%ld\n", value);
 *		coro_put(c);
 *	}
 *
 * Context: any; inside or outside a coroutine. Suspends if @c does I/O.
 * Return:
 * * CORO_YIELDED - @c is SUSPENDED in coro_yield()
 * * CORO_ENDED	 - @c is CLOSED, *@ret_value is its result
 * * -EINVAL	 - @c is NULL, or CREATED and @value is not 0; unchanged
 * * -EBUSY	 - @c is RUNNING, or waits in I/O, or belongs to a loop
 * * -ESRCH	 - @c is CLOSED: a coroutine runs once
 */
int coro_resume(struct coro *c, long value, long *ret_value);

/**
 * coro_yield() - hand a value to the resumer and wait for the next
 * @value: what coro_resume() gives back.
 * @ret_value: the value that the next coro_resume() brings. May be NULL.
 *
 * Goes to the one who resumed last, past every coroutine that awaits this one.
 *
 * Context: coroutine. Suspends. Not a cancellation point.
 * Return:
 * * 0		 - resumed
 * * negative	 - what coro_throw() or coro_close() threw
 * * -EPERM	 - not in a coroutine, or driven by a loop: nobody takes a value
 * * -EBUSY	 - inside a scope or context that was entered after the resume,
 *		   which would go on at the resumer: see coro/scope.h,
 *		   coro_context_run()
 */
int coro_yield(long value, long *ret_value);

/**
 * coro_throw() - make the pending await of a coroutine fail
 * @c: a CREATED or SUSPENDED coroutine.
 * @err: a negative errno, [-4095, -1].
 * @ret_value: as coro_resume().
 *
 * The coro_yield() that the innermost awaited coroutine waits in returns @err.
 * A CREATED coroutine is closed without being entered and its result is @err.
 *
 * Context: as coro_resume().
 * Return: as coro_resume(); -EINVAL also if @err is out of range.
 */
int coro_throw(struct coro *c, int err, long *ret_value);

/**
 * coro_close() - end a coroutine early
 * @c: a coroutine.
 * @ret_value: the result of a coroutine that was SUSPENDED: what its function
 *	returned after CORO_EXIT was thrown; CORO_EXIT if it was CREATED; the
 *	old result if it was CLOSED. May be NULL.
 *
 * Example::
 *
 *	struct coro *c = coro_new(fetch, arg);
 *	long result;
 *
 *	if (coro_resume(c, 0, NULL) == CORO_YIELDED && !coro_close(c, &result))
 *		printf("ended early: %ld\n", result);
 *	coro_put(c);
 *
 * Context: as coro_resume().
 * Return:
 * * 0		 - CLOSED, or was before
 * * -EAGAIN	 - it yielded in answer to CORO_EXIT; still SUSPENDED
 * * -EBUSY	 - it is RUNNING, or waits in I/O, or belongs to a loop
 * * -EINVAL	 - @c is NULL
 */
int coro_close(struct coro *c, long *ret_value);

/**
 * coro_await_value() - wait for a coroutine's result
 * @c: a coroutine. CREATED or SUSPENDED: it runs inside the caller, with no
 *	loop involved, until it ends. Of a loop: the caller waits until it ended.
 * @ret_value: its result. May be NULL.
 *
 * On success one reference to @c is given up. On failure @c is as it was.
 *
 * Example::
 *
 *	struct coro *c = coro_new(fetch, arg);
 *	long result;
 *	int err = coro_await_value(c, &result);
 *
 *	if (err) {
 *		coro_put(c);
 *		return err;
 *	}
 *	printf("fetched %ld bytes\n", result);
 *
 * Context: coroutine. Suspends if @c has not ended and suspends.
 * Cancellation point if @c belongs to a loop: @c itself is not cancelled.
 * Return:
 * * 0		 - *@ret_value is the result
 * * -EINVAL	 - @c is NULL
 * * -EPERM	 - not called from a coroutine
 * * -EDEADLK	 - @c is the caller, or awaits it
 * * -EALREADY	 - another coroutine awaits @c, which no loop owns
 * * -EBUSY	 - @c is RUNNING, driven by somebody else
 * * -ESRCH	 - @c is CLOSED and no loop ran it: its result went to its
 *		   resumer; also when somebody resumed it to its end meanwhile
 * * -EXDEV	 - @c belongs to the loop of another thread
 * * -ECANCELED	 - the caller was cancelled while @c, of a loop, ran on
 * * -EDEADLK	 - also: see coro_run_opts()
 */
int coro_await_value(struct coro *c, long *ret_value);

/**
 * coro_await() - wait for a coroutine's result
 * @c: a coroutine.
 *
 * coro_await_value() for results that cannot be mistaken for an error.
 *
 * Context: as coro_await_value().
 * Return: the result, or the error of coro_await_value().
 */
long coro_await(struct coro *c);

/**
 * coro_self() - the coroutine that runs
 *
 * Context: any.
 * Return: the innermost running coroutine of the thread, without a new
 * reference; NULL outside of coroutines.
 */
struct coro *coro_self(void);

/**
 * coro_state() - which state a coroutine is in
 * @c: a coroutine.
 *
 * A coroutine that awaits one that runs is RUNNING, as is one that resumed it.
 *
 * Context: any. Changes nothing.
 * Return: CORO_STATE_CREATED, _RUNNING, _SUSPENDED or _CLOSED.
 */
enum coro_state coro_state(const struct coro *c);

/**
 * coro_awaits() - what a SUSPENDED coroutine waits for
 * @c: a coroutine.
 * @ret_arg: the argument that enum coro_awaits describes, 0 for none. May be
 *	NULL.
 *
 * Context: any. Changes nothing.
 * Return: CORO_AWAITS_*; CORO_AWAITS_NOTHING unless @c is SUSPENDED.
 */
enum coro_awaits coro_awaits(const struct coro *c, uint64_t *ret_arg);

/**
 * coro_name() - a coroutine's name
 * @c: a coroutine.
 *
 * Context: any.
 * Return: a string, perhaps empty, valid while @c is.
 */
const char *coro_name(const struct coro *c);

/**
 * coro_set_name() - name a coroutine
 * @c: a coroutine.
 * @name: at most CORO_NAME_LEN - 1 bytes; copied.
 *
 * Context: any.
 * Return: 0; -EINVAL if @c or @name is NULL; -ERANGE if it is too long, as of
 * pthread_setname_np(). The old name stays on error.
 */
int coro_set_name(struct coro *c, const char *name);

/**
 * coro_origin() - where a coroutine was created
 * @c: a coroutine.
 * @ret_frames: return addresses, innermost first. May be NULL if @nr is 0.
 * @nr: room in @ret_frames.
 *
 * Context: any.
 * Return: how many frames are known: 1, or what coro_set_origin_depth() asked
 * for, as far as the stack had that many. At most @nr are written.
 */
size_t coro_origin(const struct coro *c, void **ret_frames, size_t nr);

/** CORO_ORIGIN_MAX - most frames that coro_set_origin_depth() takes. */
#define CORO_ORIGIN_MAX 16

/**
 * coro_set_origin_depth() - how many creation frames to remember
 * @depth: 0 or 1 for the caller of coro_new() alone, which costs nothing; more
 *	unwinds the stack at every creation.
 *
 * For the calling thread, from now on.
 *
 * Context: any.
 * Return: the former depth; -EINVAL if @depth is negative or above
 * CORO_ORIGIN_MAX, and nothing changes.
 */
int coro_set_origin_depth(int depth);

/**
 * coro_id() - the id by which others can name a coroutine
 * @c: a coroutine.
 *
 * The id of the kernel's context on the device. Unique in the thread's
 * scheduler, and never given to another coroutine.
 *
 * Context: any.
 * Return: the id, not 0.
 */
uint64_t coro_id(struct coro *c);

/**
 * coro_find() - a coroutine by its id
 * @id: from coro_id(), of the calling thread's scheduler.
 *
 * Context: any.
 * Return: the coroutine with a new reference, or NULL if it is gone.
 */
struct coro *coro_find(uint64_t id);

/**
 * coro_size() - memory that a coroutine can take
 * @c: a coroutine.
 *
 * Object and stack are one block.
 *
 * Context: any.
 * Return: its size in bytes, guard page not included.
 */
size_t coro_size(const struct coro *c);

/**
 * coro_stack_peak() - how deep a coroutine's stack has been
 * @c: a coroutine.
 *
 * Counts whole pages since the memory was last given back: a stack that was
 * used by another coroutine before remembers that.
 *
 * Context: any. One system call.
 * Return: bytes, or a negative errno.
 */
int64_t coro_stack_peak(const struct coro *c);

/**
 * struct coro_thread_opts - how a thread's scheduler is made
 * @size: sizeof(struct coro_thread_opts).
 * @stack_size_bytes: per coroutine, guard page included, rounded up to pages;
 *	0 for 64 KiB.
 * @max_coroutines: most alive at once; 0 for 1,048,576. Less is granted where
 *	limits of the machine or of the module allow less.
 * @max_cached: ended coroutines whose stacks are kept warm; 0 for 4,096. A loop
 *	keeps as many as lived at once while it has something to do, and gives back
 *	what is too much when it has not, or did not need it for a while.
 */
struct coro_thread_opts {
	size_t size;
	size_t stack_size_bytes;
	unsigned int max_coroutines;
	unsigned int max_cached;
};

/**
 * coro_thread_init() - open the calling thread's scheduler
 * @opts: NULL for defaults.
 *
 * Needed only to set options or to see errors early. The environment's
 * CORO_BACKEND says how stacks are had: "device" for /dev/coro, "portable" for
 * plain memory; without it, the device if it can be opened. The scheduler ends
 * with its thread and its last coroutine.
 *
 * Context: any thread, before its first coroutine.
 * Return:
 * * 0		 - success
 * * -EBUSY	 - the thread has a scheduler
 * * -EINVAL	 - bad @opts, or CORO_BACKEND names no backend
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ENOMEM, -ENOSPC - no memory or address space; a limit of the module
 * * -ENOENT, -ENXIO, -EACCES - "device" was asked for and cannot be opened
 */
int coro_thread_init(const struct coro_thread_opts *opts);

/**
 * coro_backend() - where the calling thread's coroutines live
 *
 * Description: Opens the thread's scheduler if need be.
 *
 * Context: any thread.
 * Return: "device" or "portable"; NULL if coro_thread_init() would fail.
 */
const char *coro_backend(void);

#ifdef __cplusplus
}
#endif
#endif /* CORO_OBJECT_H */
