/* SPDX-License-Identifier: MIT */
/*
 * Generators: coroutines that give values one at a time, and may wait in between.
 *
 * The function gives a value with coro_yield(), in which it stays until the next
 * is asked for. It runs inside whoever asks, as in coro_await(): in that one's
 * scopes, and waiting when it waits. It ends by returning; a value in [-4095, -1]
 * is then its failure.
 *
 * A generator that is dropped half-way still has its cleanup: its loop runs it to
 * its end, as does the end of the loop. Use coro_gen_close() where it must be
 * over before the next line.
 *
 * Example::
 *
 *	struct coro_gen *g;
 *	long line;
 *	int ret;
 *
 *	coro_gen_new(&g, fetch, arg);
 *	while ((ret = coro_gen_next(g, &line)) > 0)
 *		printf("%ld\n", line);
 *	coro_gen_free(g);
 */
#ifndef CORO_GEN_H
#define CORO_GEN_H

#include <coro/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coro_gen;

/**
 * coro_gen_new() - make a generator
 * @ret_gen: the generator.
 * @fn: its function. The macro names it after that.
 * @arg: passed to @fn; stays the caller's.
 *
 * Runs nothing of @fn, and needs no loop. It belongs to the loop of its first
 * step, if there is one.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL if @ret_gen or @fn is NULL; or an error of coro_create().
 */
int coro_gen_new(struct coro_gen **ret_gen, long (*fn)(void *arg), void *arg);
#define coro_gen_new(ret_gen, fn, arg) \
	coro_gen_new_named((ret_gen), (fn), (arg), #fn)

/**
 * coro_gen_new_named() - make a generator with a name
 * @ret_gen: the generator.
 * @fn: its function.
 * @arg: passed to @fn; stays the caller's.
 * @name: as for coro_create().
 *
 * Context: as coro_gen_new().
 * Return: as coro_gen_new().
 */
int coro_gen_new_named(struct coro_gen **ret_gen, long (*fn)(void *arg),
		       void *arg, const char *name);

/**
 * coro_gen_next() - ask for the next value
 * @g: the generator.
 * @ret_value: what it yielded. May be NULL.
 *
 * Context: as coro_resume(). Suspends if the generator does.
 * Return:
 * * 1		 - *@ret_value is the value
 * * 0		 - there are no more
 * * -EBUSY	 - it is in a step already, which goes on undisturbed
 * * -EXDEV	 - it belongs to the loop of another thread
 * * -EINVAL	 - @g is NULL
 * * negative	 - it failed with this, now; further calls return 0
 */
int coro_gen_next(struct coro_gen *g, long *ret_value);

/**
 * coro_gen_send() - answer the last value, and ask for the next
 * @g: the generator.
 * @value: what its coro_yield() gives it; 0 in the first step.
 * @ret_value: what it yielded. May be NULL.
 *
 * Context: as coro_gen_next().
 * Return: as coro_gen_next(); -EINVAL also if @value is not 0 in the first step.
 */
int coro_gen_send(struct coro_gen *g, long value, long *ret_value);

/**
 * coro_gen_throw() - make its coro_yield() fail, and ask for the next value
 * @g: the generator.
 * @err: a negative errno, [-4095, -1], that the coro_yield() returns.
 * @ret_value: what it yielded then. May be NULL.
 *
 * A generator that has made no step is closed without being entered, and fails
 * with @err.
 *
 * Context: as coro_gen_next().
 * Return: as coro_gen_next(); -EINVAL also if @err is out of range.
 */
int coro_gen_throw(struct coro_gen *g, int err, long *ret_value);

/**
 * coro_gen_close() - end a generator early
 * @g: the generator.
 *
 * Its coro_yield() returns CORO_EXIT; it is to clean up, which may wait, and
 * return.
 *
 * Context: as coro_gen_next().
 * Return:
 * * 0		 - it has ended, or had before
 * * -EAGAIN	 - it yielded in answer, and goes on
 * * -EBUSY	 - it is in a step
 * * -EXDEV	 - it belongs to the loop of another thread
 * * -EINVAL	 - @g is NULL
 * * negative	 - it failed with this, other than CORO_EXIT
 */
int coro_gen_close(struct coro_gen *g);

/**
 * coro_gen_free() - drop a generator
 * @g: a generator that is in no step, or NULL.
 *
 * If it has begun and not ended, its loop closes it soon, in a coroutine of the
 * loop's own that gives its waits 10 seconds. Without a loop it is closed here.
 *
 * Context: any thread. Does not suspend.
 */
void coro_gen_free(struct coro_gen *g);

#ifdef __cplusplus
}
#endif
#endif /* CORO_GEN_H */
