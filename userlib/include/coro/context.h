/* SPDX-License-Identifier: MIT */
/*
 * Context variables: values that follow whom a coroutine runs for, such as the
 * request that is served or the user who asked.
 *
 * A context holds values of variables. Each coroutine of a loop has one: when it
 * is handed to the loop it gets a copy of its starter's, and later changes on
 * either side are invisible to the other. The copy costs one reference however
 * many values there are; who sets first after it pays, in proportion to their
 * number. A coroutine that is awaited without a loop, or resumed, runs in the
 * context of whoever drives it, and what it sets is seen there. Outside of loops
 * each thread has a context, empty at first; coro_run() starts from it.
 *
 * What coro_call_soon() calls runs in a copy of its caller's context, made when
 * it was called; what it sets is gone when it returns.
 *
 * Contexts of one's own, from coro_context_new() or coro_context_copy(), are used
 * and not copied where they are given to something. One thread at a time may use
 * one: the thread of the loops' coroutines that run in it, and of
 * coro_context_run(). Those coroutines share it in turns.
 *
 * Values are owned by the contexts that hold them: the variable's destructor is
 * called when the last one lets go. That can be in any call that sets, resets or
 * puts, in a loop when a coroutine has ended (before those who await it go on),
 * or in the end of a thread. It must not suspend.
 */
#ifndef CORO_CONTEXT_H
#define CORO_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the process: all threads may use it. */
struct coro_var;

/* Counted. */
struct coro_context;

/**
 * struct coro_var_opts - what a variable is beyond its name
 * @size: sizeof(struct coro_var_opts).
 * @destroy: called once for each value that was set, when nothing holds it any
 *	more. NULL for none.
 * @default_value: value where none was set; stays the caller's, and is never
 *	destroyed.
 * @has_default: not 0 if @default_value counts.
 */
struct coro_var_opts {
	size_t size;
	void (*destroy)(void *value);
	void *default_value;
	int has_default;
};

/**
 * struct coro_var_token - how to undo one coro_var_set()
 *
 * The caller's memory; all fields are private. It holds the former value until
 * coro_var_reset() or coro_var_token_drop(), one of which must follow. Not to be
 * copied.
 */
struct coro_var_token {
	/* private: */
	struct coro_var *var;
	void *old;
	uint64_t context;
};

/**
 * coro_var_new() - make a variable
 * @ret_var: the variable; no context has a value of it.
 * @name: copied; for people to read. NULL for none.
 * @opts: NULL for a variable without default and destructor.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @ret_var is NULL or @opts are bad
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ENOMEM	 - no memory
 */
int coro_var_new(struct coro_var **ret_var, const char *name,
		 const struct coro_var_opts *opts);

/**
 * coro_var_free() - end a variable
 * @var: a variable, or NULL for nothing. Not to be used from now on.
 *
 * Values that contexts hold are destroyed when these let go, as ever.
 *
 * Context: any thread. Does not suspend.
 */
void coro_var_free(struct coro_var *var);

/**
 * coro_var_name() - a variable's name
 * @var: a variable.
 *
 * Context: any thread.
 * Return: a string, perhaps empty, valid while @var is.
 */
const char *coro_var_name(const struct coro_var *var);

/**
 * coro_var_get() - the value in the current context
 * @var: a variable.
 * @ret_value: the value that was set, else the variable's default. Valid until
 *	the context has another one.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -ENOENT if there is neither; -EINVAL if @var or @ret_value is NULL.
 */
int coro_var_get(struct coro_var *var, void **ret_value);

/**
 * coro_var_get_or() - the value in the current context, or another
 * @var: a variable; NULL has no value.
 * @value: comes before the variable's own default.
 *
 * Context: any thread. Does not suspend.
 * Return: the value that was set, as by coro_var_get(); else @value.
 */
void *coro_var_get_or(struct coro_var *var, void *value);

/**
 * coro_var_set() - set a value in the current context
 * @var: a variable.
 * @value: any value, NULL as well. The context's if the call succeeds, the
 *	caller's if it fails.
 * @ret_token: how to undo it. NULL if that is not wanted.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @var is NULL
 * * -ENOMEM	 - no memory, nothing changed
 * * -EAGAIN	 - outside of coroutines: the thread has no pthread key left for
 *		   what is to be done at its end
 */
int coro_var_set(struct coro_var *var, void *value,
		 struct coro_var_token *ret_token);

/**
 * coro_var_reset() - undo a coro_var_set()
 * @var: the variable that was set.
 * @token: from coro_var_set(). On success it is spent and holds nothing.
 *
 * The variable is as it was before that call, whatever was set since.
 *
 * Context: any thread, in the context that @token is from. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EALREADY	 - @token was reset or dropped before
 * * -EINVAL	 - @token is another variable's, or something is NULL
 * * -EXDEV	 - @token is from another context; it stays good there
 * * -ENOMEM	 - no memory: the context was copied since. Nothing changed,
 *		   and @token stays good
 */
int coro_var_reset(struct coro_var *var, struct coro_var_token *token);

/**
 * coro_var_token_drop() - give up undoing a coro_var_set()
 * @token: from coro_var_set(); nothing if it is spent, or NULL.
 *
 * Context: any thread. Does not suspend.
 */
void coro_var_token_drop(struct coro_var_token *token);

/**
 * coro_context_new() - make an empty context
 * @ret_ctx: the context, with one reference.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL if @ret_ctx is NULL; -ENOMEM.
 */
int coro_context_new(struct coro_context **ret_ctx);

/**
 * coro_context_copy() - make a copy of a context
 * @ret_ctx: the context, with one reference.
 * @from: what to copy; NULL for the current context.
 *
 * Context: any thread. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @ret_ctx is NULL
 * * -EBUSY	 - another thread uses @from
 * * -ENOMEM	 - no memory
 */
int coro_context_copy(struct coro_context **ret_ctx, struct coro_context *from);

/**
 * coro_context_get() - take a reference
 * @ctx: a context.
 *
 * Context: any thread. Does not suspend.
 * Return: @ctx.
 */
struct coro_context *coro_context_get(struct coro_context *ctx);

/**
 * coro_context_put() - give a reference back
 * @ctx: a context, or NULL for nothing.
 *
 * Who runs in a context has a reference of its own.
 *
 * Context: any thread. Does not suspend.
 */
void coro_context_put(struct coro_context *ctx);

/**
 * coro_context_run() - call a function in a context
 * @ctx: current while @fn runs.
 * @fn: called at once.
 * @arg: passed to @fn.
 * @ret_value: what @fn returned. May be NULL.
 *
 * @fn may wait: other coroutines of the loop have their own contexts meanwhile.
 * But it must not leave the context halfway, so coro_yield() in it fails with
 * -EBUSY, except from coroutines that it resumes itself.
 *
 * Context: any thread, inside or outside coroutines. Suspends if @fn does.
 * Return:
 * * 0		 - @fn ran
 * * -EBUSY	 - @ctx was entered before and not left: by this or another
 *		   coro_context_run(), or by the caller's coroutine, which was
 *		   started in it; or another thread uses it. @fn was not called
 * * -EINVAL	 - @ctx or @fn is NULL
 */
int coro_context_run(struct coro_context *ctx, long (*fn)(void *arg), void *arg,
		     long *ret_value);

#ifdef __cplusplus
}
#endif
#endif /* CORO_CONTEXT_H */
