/* SPDX-License-Identifier: MIT */
/*
 * Groups: coroutines that run side by side and end before the function that
 * started them goes on.
 *
 * A group is a scope (coro/scope.h) that owns children. coro_group_close() returns
 * when all of them have ended, whatever happened; a cancel or deadline of the
 * group, or of anything around it, reaches them. The policy says what the end of
 * one child means for the others.
 *
 * A child fails by returning a value in [-4095, -1] other than -ECANCELED, which
 * is neither a failure nor a success.
 *
 * Example::
 *
 *	struct coro_group g;
 *	long ret = 0;
 *
 *	coro_group_open(&g, NULL);
 *	for (int i = 0; i < 3 && !ret; i++)
 *		ret = coro_group_spawn(&g, fetch, arg);
 *	return coro_group_close(&g, ret);
 */
#ifndef CORO_GROUP_H
#define CORO_GROUP_H

#include <coro/context.h>
#include <coro/object.h>
#include <coro/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_group - a group; on the stack of the function that opens it
 * @private_: for the library.
 *
 * Needs no initialisation. Must stay where it is until it is closed.
 */
struct coro_group {
	uint64_t private_[44];
};

/**
 * enum coro_policy - what the end of a child means for the others
 * @CORO_POLICY_ALL: the first failure cancels the rest.
 * @CORO_POLICY_EACH: nothing; all run to their ends.
 * @CORO_POLICY_FIRST: the first end, be it success or failure, cancels the rest.
 * @CORO_POLICY_ANY: as many successes as are needed (one by default) cancel the
 *	rest; failures do not.
 * @CORO_POLICY_RESTART: who fails starts again, as often as is allowed in all;
 *	the failure after that cancels the rest.
 */
enum coro_policy {
	CORO_POLICY_ALL = 0,
	CORO_POLICY_EACH = 1,
	CORO_POLICY_FIRST = 2,
	CORO_POLICY_ANY = 3,
	CORO_POLICY_RESTART = 4,
};

/**
 * struct coro_group_opts - how a group is made
 * @size: sizeof(struct coro_group_opts).
 * @policy: what the end of a child means for the others.
 * @need: CORO_POLICY_ANY: how many successes are enough; 0 for one.
 * @restarts: CORO_POLICY_RESTART: how often in all; 0 for never.
 * @deadline_ns: when the group is cancelled; 0 or CORO_NEVER for not at all.
 * @ended: called for each child that ended, with its value, outside of
 *	coroutines, so it must not wait; NULL for nothing. This is how all errors
 *	are seen, and not only the first.
 * @arg: passed to @ended.
 */
struct coro_group_opts {
	size_t size;
	enum coro_policy policy;
	unsigned int need;
	unsigned int restarts;
	int64_t deadline_ns;
	void (*ended)(void *arg, struct coro *child, long value);
	void *arg;
};

/**
 * coro_group_open() - begin a group
 * @g: the group.
 * @opts: NULL for defaults.
 *
 * The caller is inside the group's scope until it closes it, and must do so
 * before it leaves scopes around it. If the function that opened it returns
 * without that, the children are cancelled and go on as the loop's own.
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @g is NULL, or bad @opts
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -EBUSY	 - the caller is inside @g
 */
int coro_group_open(struct coro_group *g, const struct coro_group_opts *opts);

/**
 * coro_group_spawn() - start a child
 * @g: a group that is open, or being closed with a child still there.
 * @fn: its function. The macro names the child after it.
 * @arg: passed to @fn; stays the caller's if the call fails. If @g is cancelled
 *	before the child's first turn, @fn is not entered: use coro_spawn_opts()
 *	with a dispose function for an @arg that must be released.
 *
 * The child runs first when the caller suspends. It may spawn others into @g.
 *
 * Context: thread of the loop of @g, inside or outside of @g and of coroutines.
 * Does not suspend.
 * Return:
 * * 0		 - success
 * * -ECANCELED	 - @g is cancelled
 * * -EPIPE	 - @g is closed
 * * others	 - see coro_create()
 */
int coro_group_spawn(struct coro_group *g, long (*fn)(void *arg), void *arg);
#define coro_group_spawn(g, fn, arg) \
	coro_group_spawn_named((g), (fn), (arg), #fn)

/**
 * coro_group_spawn_named() - start a child with a name
 * @g: as for coro_group_spawn().
 * @fn: its function.
 * @arg: passed to @fn.
 * @name: as for coro_create().
 *
 * Context: as coro_group_spawn().
 * Return: as coro_group_spawn().
 */
int coro_group_spawn_named(struct coro_group *g, long (*fn)(void *arg),
			   void *arg, const char *name);

/** CORO_SPAWN_EAGER - of coro_spawn_opts(): run to the first wait at once. */
#define CORO_SPAWN_EAGER 1U

/**
 * struct coro_spawn_opts - how a coroutine is started
 * @size: sizeof(struct coro_spawn_opts).
 * @name: as for coro_create(); NULL for none.
 * @group: whose child it is; NULL for the loop's, which cancels it when its first
 *	coroutine has ended.
 * @dispose: called with @arg if the function was never entered because a cancel
 *	came first. NULL for nothing.
 * @flags: CORO_SPAWN_EAGER.
 * @context: what it runs in (coro/context.h), used and not copied; NULL for a copy
 *	of the caller's context.
 */
struct coro_spawn_opts {
	size_t size;
	const char *name;
	struct coro_group *group;
	void (*dispose)(void *arg);
	unsigned int flags;
	struct coro_context *context;
};

/**
 * coro_spawn_opts() - start a coroutine
 * @ret_coro: the coroutine, with a reference; NULL if nobody wants it.
 * @fn: its function.
 * @arg: passed to @fn; stays the caller's if the call fails.
 * @opts: NULL for defaults.
 *
 * With CORO_SPAWN_EAGER the call returns at the coroutine's first wait, or its
 * end, and no other runs in between.
 *
 * Context: thread of a running loop; with CORO_SPAWN_EAGER a coroutine of it.
 * Does not suspend. Not a cancellation point.
 * Return:
 * * 0		 - success
 * * -EPERM	 - no loop runs in this thread, or with CORO_SPAWN_EAGER the
 *		   caller is no coroutine of it
 * * -EINVAL	 - bad @opts
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ECANCELED	 - the group is cancelled, or the loop is ending
 * * -EPIPE	 - the group is closed
 * * others	 - see coro_create()
 */
int coro_spawn_opts(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		    const struct coro_spawn_opts *opts);

/**
 * coro_group_start() - start a child and wait until it is ready
 * @g: as for coro_group_spawn().
 * @fn: its function, which calls coro_started() once it is ready.
 * @arg: as for coro_group_spawn().
 * @ret_value: what it gave coro_started(). May be NULL.
 *
 * If the caller is cancelled meanwhile, so is the child.
 *
 * Context: coroutine of a running loop. Suspends; cancellation point.
 * Return: 0; an error of coro_group_spawn(); -ECANCELED; -EDEADLK, see
 * coro_run_opts(); what the child returned, if it failed before it was ready, and
 * -ECHILD if it ended otherwise.
 */
int coro_group_start(struct coro_group *g, long (*fn)(void *arg), void *arg,
		     long *ret_value);
#define coro_group_start(g, fn, arg, ret_value) \
	coro_group_start_named((g), (fn), (arg), (ret_value), #fn)

/**
 * coro_group_start_named() - start a named child and wait until it is ready
 * @g: as for coro_group_spawn().
 * @fn: its function.
 * @arg: passed to @fn.
 * @ret_value: as for coro_group_start().
 * @name: as for coro_create().
 *
 * Context: as coro_group_start().
 * Return: as coro_group_start().
 */
int coro_group_start_named(struct coro_group *g, long (*fn)(void *arg),
			   void *arg, long *ret_value, const char *name);

/**
 * coro_started() - tell coro_group_start() that the caller is ready
 * @value: for whoever waits there.
 *
 * Context: coroutine. Does not suspend.
 * Return: 0; -ESRCH if nobody waits for it; -EPERM if not called from a
 * coroutine of a running loop.
 */
int coro_started(long value);

/**
 * coro_group_cancel() - cancel a group's children, and the caller's waits in it
 * @g: a group that is not closed.
 *
 * Ends the group early, which is no error: see coro_group_close().
 *
 * Context: thread of the loop. Does not suspend.
 * Return: 0; -EINVAL if @g is NULL or closed.
 */
int coro_group_cancel(struct coro_group *g);

/**
 * coro_group_scope() - the scope of a group
 * @g: a group that was opened.
 *
 * For its deadline and state. coro_group_close() leaves it.
 *
 * Context: any.
 * Return: the scope.
 */
struct coro_scope *coro_group_scope(struct coro_group *g);

/**
 * coro_group_live() - how many children have not ended
 * @g: a group that was opened.
 *
 * Context: thread of the loop.
 * Return: their number.
 */
unsigned int coro_group_live(const struct coro_group *g);

/**
 * coro_group_failed() - how many children have failed
 * @g: a group that was opened, perhaps closed.
 *
 * Context: thread of the loop.
 * Return: their number, each restart that was needed included.
 */
unsigned int coro_group_failed(const struct coro_group *g);

/**
 * coro_group_close() - wait for all children, and end the group
 * @g: the group, whose scope is the innermost of the caller.
 * @result: how the caller's own part ended; a failure cancels the children, as
 *	does -ECANCELED.
 *
 * Returns when no child is left. A cancel of the caller makes the children end
 * sooner, not the call. What they do then is theirs: a child that ignores it
 * keeps the group open.
 *
 * Context: coroutine that opened @g. Suspends if there are children.
 * Return: the first that holds of
 * * the first failure, of a child or @result. With CORO_POLICY_EACH that of a child
 *   does not count, with CORO_POLICY_FIRST only that of the first one to end, and
 *   with CORO_POLICY_ANY only if there were not enough successes
 * * -ECANCELED	 - something around the group was cancelled before the last child
 *		   ended
 * * -ETIMEDOUT	 - the group's deadline passed and cancelled somebody
 * * -EDEADLK	 - neither the caller nor a child could ever have gone on; the
 *		   children were cancelled
 * * 0		 - @result is -ECANCELED because of coro_group_cancel() or the
 *		   policy
 * * @result	 - else
 * * -EINVAL	 - @g is not the innermost scope of the caller; nothing changes
 */
long coro_group_close(struct coro_group *g, long result);

/**
 * struct coro_job - a function to call among others
 * @fn: the function.
 * @arg: passed to @fn.
 * @result: out: what it returned; -ECANCELED if it was not entered.
 */
struct coro_job {
	long (*fn)(void *arg);
	void *arg;
	long result;
};

/**
 * coro_gather() - call functions side by side, all or nothing
 * @jobs: the functions; their results are set.
 * @nr: how many; 0 is done at once.
 *
 * The first failure cancels the others. Returns when all have ended.
 *
 * Context: coroutine of a running loop. Suspends unless @nr is 0.
 * Return: 0; the first failure; -ECANCELED; -EDEADLK as coro_group_close(); or an
 * error of coro_group_open() or coro_group_spawn().
 */
int coro_gather(struct coro_job *jobs, size_t nr);

/**
 * coro_gather_each() - call functions side by side, failures being results
 * @jobs: the functions; their results are set.
 * @nr: how many; 0 is done at once.
 *
 * Context: coroutine of a running loop. Suspends unless @nr is 0.
 * Return: 0; -ECANCELED, -EDEADLK or other errors as coro_gather().
 */
int coro_gather_each(struct coro_job *jobs, size_t nr);

/**
 * coro_race() - call functions side by side until one has ended
 * @jobs: the functions; their results are set.
 * @nr: how many.
 *
 * The others are cancelled. Returns when all have ended.
 *
 * Context: coroutine of a running loop. Suspends.
 * Return: the index of the first that ended, be it with a failure; -EINVAL if @nr
 * is 0; -ECANCELED, also if all returned that; -EDEADLK or other errors as
 * coro_gather().
 */
long coro_race(struct coro_job *jobs, size_t nr);

/**
 * coro_any() - call functions side by side until some have succeeded
 * @jobs: the functions; their results are set.
 * @nr: how many.
 * @need: how many successes are enough, 1 to @nr.
 * @stagger_ns: how much later each begins than the one before, or as soon as
 *	that has failed; 0 to begin all at once.
 *
 * The others are cancelled. Returns when all have ended.
 *
 * Context: coroutine of a running loop. Suspends.
 * Return: the index of the first success; -EINVAL for a wrong @need; -ECANCELED;
 * if there were not enough successes the first failure, or -ECANCELED if none
 * failed; -EDEADLK or other errors as coro_gather().
 */
long coro_any(struct coro_job *jobs, size_t nr, size_t need,
	      int64_t stagger_ns);

/**
 * enum coro_until - what coro_wait() waits for
 * @CORO_UNTIL_ALL: all have ended.
 * @CORO_UNTIL_FIRST: one has ended.
 * @CORO_UNTIL_FAILURE: one has failed, or all have ended.
 */
enum coro_until {
	CORO_UNTIL_ALL = 0,
	CORO_UNTIL_FIRST = 1,
	CORO_UNTIL_FAILURE = 2,
};

/**
 * coro_wait() - wait for several coroutines of the loop
 * @coros: the coroutines, each with a reference of the caller's, which it keeps.
 *	One that is there twice counts once.
 * @nr: how many, at least 1.
 * @until: CORO_UNTIL_*.
 * @deadline_ns: when to stop waiting, which is no error; or CORO_NEVER.
 *
 * Cancels nobody. coro_result() tells which have ended and how; a failure that nobody
 * asks for is reported (coro/report.h).
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0 or more	 - how many have ended
 * * -EINVAL	 - @nr is 0, @until is unknown, or one belongs to no loop
 * * -EXDEV	 - one belongs to the loop of another thread
 * * -EDEADLK	 - one is the caller; also: see coro_run_opts()
 * * -ECANCELED	 - the caller was cancelled
 * * -ENOMEM	 - no memory
 * * -EPERM	 - not called from a coroutine of a running loop
 */
int coro_wait(struct coro *const *coros, size_t nr, enum coro_until until,
	      int64_t deadline_ns);

struct coro_ends;

/**
 * coro_ends_new() - watch coroutines of the loop as they end
 * @ret_ends: the watch.
 * @coros: as for coro_wait(); the references must last as long.
 * @nr: how many.
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return: 0; or an error of coro_wait().
 */
int coro_ends_new(struct coro_ends **ret_ends, struct coro *const *coros,
		  size_t nr);

/**
 * coro_ends_next() - the next that has ended
 * @e: the watch.
 * @ret_coro: one of those that were given, without a new reference: first those
 *	that had ended before the watch began, then the others as they end; each
 *	once.
 * @deadline_ns: when to stop waiting, or CORO_NEVER.
 *
 * Context: coroutine of the loop of @e, one at a time. May suspend; cancellation
 * point.
 * Return: 1; 0 if there are no more; -ETIMEDOUT; -ECANCELED; -EDEADLK; -EPERM;
 * -EBUSY if another waits here.
 */
int coro_ends_next(struct coro_ends *e, struct coro **ret_coro,
		   int64_t deadline_ns);

/**
 * coro_ends_free() - stop watching
 * @e: the watch, in which nobody waits; or NULL.
 *
 * Context: thread of the loop. Does not suspend.
 */
void coro_ends_free(struct coro_ends *e);

/**
 * coro_result() - how a coroutine has ended
 * @c: a coroutine.
 * @ret_value: its result. May be NULL.
 *
 * Context: any. Does not suspend.
 * Return: 0; -EAGAIN if it has not ended; -EINVAL if @c is NULL.
 */
int coro_result(const struct coro *c, long *ret_value);

#ifdef __cplusplus
}
#endif
#endif /* CORO_GROUP_H */
