/* SPDX-License-Identifier: MIT */
/*
 * Scopes: what is cancelled, by whom, and until when.
 *
 * A scope is a stretch of a coroutine's run, from coro_scope_enter() to
 * coro_scope_leave(). Scopes nest, a coroutine of the loop is itself the outermost
 * of its own, and those of a group lie inside the group's (coro/group.h). So all
 * scopes of a loop are a tree.
 *
 * Being cancelled is a state of a scope, not an event. From coro_scope_cancel(),
 * coro_cancel() or its deadline on, every wait inside it fails with -ECANCELED,
 * also the next and the one after that, in every coroutine inside, until the
 * scope is left. A result that is already there is handed over first. Only the
 * scope that was cancelled turns -ECANCELED into something else, when it is left:
 * its deadline into -ETIMEDOUT, coro_scope_cancel() into 0.
 *
 * A shield is a scope that a cancel from outside does not enter, for cleanup that
 * must wait. Give it a deadline of its own.
 *
 * Example::
 *
 *	struct coro_scope s;
 *	long ret;
 *
 *	coro_scope_enter(&s, coro_after(2 * CORO_SEC));
 *	ret = fetch(arg);
 *	ret = coro_scope_leave(&s, ret);
 *	if (ret == -ETIMEDOUT)
 *		puts("not within two seconds");
 */
#ifndef CORO_SCOPE_H
#define CORO_SCOPE_H

#include <coro/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_scope - a scope; on the stack of the function that enters it
 * @private_: for the library.
 *
 * Needs no initialisation. Must stay where it is until it is left.
 */
struct coro_scope {
	uint64_t private_[18];
};

/**
 * enum coro_scope_state - what became of a scope
 * @CORO_SCOPE_ACTIVE: it was entered, and is not cancelled by itself.
 * @CORO_SCOPE_CANCELLING: coro_scope_cancel() was called, and it is not left.
 * @CORO_SCOPE_EXPIRING: its deadline passed, and it is not left.
 * @CORO_SCOPE_LEFT: it was left, and was not cancelled by itself.
 * @CORO_SCOPE_CANCELLED: it was left after coro_scope_cancel().
 * @CORO_SCOPE_EXPIRED: it was left after its deadline had passed.
 */
enum coro_scope_state {
	CORO_SCOPE_ACTIVE = 1,
	CORO_SCOPE_CANCELLING = 2,
	CORO_SCOPE_EXPIRING = 3,
	CORO_SCOPE_LEFT = 4,
	CORO_SCOPE_CANCELLED = 5,
	CORO_SCOPE_EXPIRED = 6,
};

/**
 * coro_scope_enter() - begin a scope
 * @s: the scope.
 * @deadline_ns: when it is cancelled, or CORO_NEVER. A time that had passed when
 *	the thread looked at the clock last, with coro_now() or coro_after() as
 *	well, fails the first wait; one that passed since, the first that
 *	suspends.
 *
 * Coroutines that the caller awaits inline or resumes are inside as well; those
 * that it spawns are not, unless into a group that was opened inside.
 *
 * A scope must be left by the coroutine that entered it, before those around it.
 * One that is still there when that coroutine's function returns is left then,
 * and coro/report.h tells of it. coro_yield() is refused between the two, since
 * whoever resumed would go on inside the scope.
 *
 * Context: coroutine of a running loop. Does not suspend. Not a cancellation
 * point.
 * Return:
 * * 0		 - success
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EINVAL	 - @s is NULL
 * * -EBUSY	 - the caller is inside @s
 */
int coro_scope_enter(struct coro_scope *s, int64_t deadline_ns);

/**
 * coro_scope_shield() - begin a scope that no cancel from outside enters
 * @s: the scope.
 * @deadline_ns: when its waits fail all the same. CORO_NEVER can hold up
 *	whoever waits for the coroutine, and the end of the loop.
 *
 * Context: as coro_scope_enter().
 * Return: as coro_scope_enter().
 */
int coro_scope_shield(struct coro_scope *s, int64_t deadline_ns);

/**
 * coro_scope_leave() - end a scope
 * @s: the innermost scope of the caller.
 * @result: how what was done inside ended; by convention a negative errno is a
 *	failure.
 *
 * If @result is -ECANCELED, @s was cancelled by itself, and no scope around it
 * is cancelled too, the cancel ends here.
 *
 * Context: coroutine that entered @s. Does not suspend. Not a cancellation point.
 * Return:
 * * -ETIMEDOUT	 - @result is -ECANCELED, and the deadline of @s was why
 * * 0		 - @result is -ECANCELED, and coro_scope_cancel() was why
 * * -EINVAL	 - @s is not the innermost scope of the caller, or a group's;
 *		   nothing changes
 * * @result	 - else
 */
long coro_scope_leave(struct coro_scope *s, long result);

/**
 * coro_scope_cancel() - cancel a scope
 * @s: a scope that was entered and not left.
 *
 * What waits inside it fails with -ECANCELED. Again is nothing.
 *
 * Context: thread of the loop, inside or outside of @s and of coroutines. Does
 * not suspend.
 * Return: 0; -EINVAL if @s is NULL or was left.
 */
int coro_scope_cancel(struct coro_scope *s);

/**
 * coro_scope_set_deadline() - move a scope's deadline
 * @s: a scope that was entered and not left.
 * @deadline_ns: the new one; CORO_NEVER for none. A time that has passed is as in
 *	coro_scope_enter().
 *
 * Context: as coro_scope_cancel().
 * Return: 0; -EALREADY if @s is cancelled by itself, or was given a time that had
 * passed; -EINVAL if @s is NULL or was left.
 */
int coro_scope_set_deadline(struct coro_scope *s, int64_t deadline_ns);

/**
 * coro_scope_deadline() - a scope's own deadline
 * @s: a scope that was entered, perhaps left.
 *
 * Context: as coro_scope_cancel().
 * Return: what was set last; CORO_NEVER for none.
 */
int64_t coro_scope_deadline(const struct coro_scope *s);

/**
 * coro_scope_state() - what became of a scope
 * @s: a scope that was entered, perhaps left.
 *
 * Context: as coro_scope_cancel().
 * Return: CORO_SCOPE_*.
 */
enum coro_scope_state coro_scope_state(const struct coro_scope *s);

/**
 * coro_deadline() - until when the caller's waits can go on
 *
 * Description: The earliest deadline of the scopes that the caller is in, up to
 * the innermost shield and with that one's.
 *
 * Context: any. Does not suspend.
 * Return: absolute CLOCK_MONOTONIC nanoseconds; CORO_NEVER for none or outside
 * of a loop's coroutines; INT64_MIN if the caller is cancelled.
 */
int64_t coro_deadline(void);

/**
 * coro_deadline_unshielded() - coro_deadline() as if there were no shields
 *
 * Description: So cleanup in a shield can see that the time of the whole is over.
 *
 * Context: any. Does not suspend.
 * Return: as coro_deadline().
 */
int64_t coro_deadline_unshielded(void);

/**
 * coro_check() - whether the caller is cancelled
 *
 * Description: For long computations, between their steps. To let others run use
 * coro_sleep(0), which checks too.
 *
 * Context: coroutine of a running loop. Does not suspend. Cancellation point.
 * Return: 0; -ECANCELED; -EPERM if not called from a coroutine of a running loop.
 */
int coro_check(void);

/**
 * coro_call() - call a function with a deadline
 * @fn: called in the caller's coroutine, inside a scope.
 * @arg: passed to @fn.
 * @deadline_ns: when that is cancelled.
 *
 * On a deadline @fn has all the same returned before this does; a result that it
 * then has, other than -ECANCELED, counts.
 *
 * Context: coroutine of a running loop. Suspends if @fn does.
 * Return: what @fn returned; -ETIMEDOUT if that was -ECANCELED because of the
 * deadline; or an error of coro_scope_enter(), and @fn was not called.
 */
long coro_call(long (*fn)(void *arg), void *arg, int64_t deadline_ns);

/**
 * coro_call_shielded() - call a function that no cancel from outside reaches
 * @fn: called in the caller's coroutine, inside a shield.
 * @arg: passed to @fn.
 * @deadline_ns: when its waits fail all the same.
 *
 * Context: coroutine of a running loop. Suspends if @fn does. Not a cancellation
 * point.
 * Return: as coro_call().
 */
long coro_call_shielded(long (*fn)(void *arg), void *arg, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SCOPE_H */
