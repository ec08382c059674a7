/* SPDX-License-Identifier: MIT */
/*
 * Storage per coroutine, as pthread_key_create() has it per thread.
 *
 * A value belongs to the innermost coroutine that runs, coro_self(): one that is
 * awaited or resumed has its own. What follows whom it runs for is in
 * coro/context.h.
 *
 * When a coroutine ends, in whatever way, the values that it has are destroyed,
 * after its deferred calls (coro/defer.h) and where those run, before anybody
 * sees its result. A destructor may do what a deferred call may; values that it
 * sets are destroyed as well.
 */
#ifndef CORO_LOCAL_H
#define CORO_LOCAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Of the process: coroutines of all threads may use it. */
struct coro_key;

/**
 * coro_key_new() - make a key
 * @ret_key: the key; no coroutine has a value under it.
 * @destroy: called with each value that a coroutine has at its end. NULL for
 *	none.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL if @ret_key is NULL; -ENOMEM.
 */
int coro_key_new(struct coro_key **ret_key, void (*destroy)(void *value));

/**
 * coro_key_free() - end a key
 * @key: a key, or NULL for nothing. Not to be used from now on.
 *
 * Values that coroutines have under it are destroyed when these end, as ever.
 *
 * Context: any thread. Does not suspend.
 */
void coro_key_free(struct coro_key *key);

/**
 * coro_key_set() - give the running coroutine a value
 * @key: a key.
 * @value: the coroutine's from now on; NULL for none.
 *
 * A former value is the caller's again, and not destroyed.
 *
 * Context: coroutine. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EPERM	 - not in a coroutine
 * * -EINVAL	 - @key is NULL
 * * -ENOMEM	 - no memory, nothing changed. Not if there was a value, nor
 *		   for NULL
 */
int coro_key_set(struct coro_key *key, void *value);

/**
 * coro_key_get() - the running coroutine's value
 * @key: a key.
 * @ret_value: the value; NULL if it has none.
 *
 * Context: coroutine. Does not suspend.
 * Return: 0; -EPERM outside of coroutines; -EINVAL if @key or @ret_value is
 * NULL.
 */
int coro_key_get(struct coro_key *key, void **ret_value);

#ifdef __cplusplus
}
#endif
#endif /* CORO_LOCAL_H */
