/* SPDX-License-Identifier: MIT */
/*
 * A choice: whichever of several waits can be had first, and only that one.
 *
 *	struct coro_case cases[] = {
 *		coro_case_get(requests, &request),
 *		coro_case_put(replies, reply),
 *	};
 *
 *	switch (coro_select(cases, 2, CORO_NEVER)) {
 *	case 0:	... cases[0].result is that of the get
 */
#ifndef CORO_SELECT_H
#define CORO_SELECT_H

#include <coro/queue.h>
#include <coro/sync.h>
#include <coro/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coro__case_ops;

/**
 * struct coro_case - one wait of a choice
 * @result: of the case that was taken: what the call that it stands for returns.
 * @ops: private.
 * @object: private: what is waited for.
 * @item: private: what is given, or where to store what is got.
 * @arm: private: its place among those who wait.
 * @next_lock: private: the one whose object is locked next.
 *
 * Made by coro_case_get() and its like, and good for any number of choices, one
 * at a time. The memory lasts through the call.
 */
struct coro_case {
	int result;
	const struct coro__case_ops *ops;
	void *object;
	void *item;
	struct coro__arm arm;
	struct coro_case *next_lock;
};

/**
 * coro_case_get() - the case of coro_queue_get()
 * @q: queue.
 * @ret_item: written if the case is taken with the result 0.
 *
 * Context: any. Does not suspend.
 * Return: the case, for an array of them.
 */
struct coro_case coro_case_get(struct coro_queue *q, void **ret_item);

/**
 * coro_case_put() - the case of coro_queue_put()
 * @q: queue.
 * @item: the queue's if the case is taken with the result 0, else the caller's.
 *
 * Context: any. Does not suspend.
 * Return: the case, for an array of them.
 */
struct coro_case coro_case_put(struct coro_queue *q, void *item);

/**
 * coro_case_event() - the case of coro_event_wait()
 * @e: event.
 *
 * Context: any. Does not suspend.
 * Return: the case, for an array of them.
 */
struct coro_case coro_case_event(struct coro_event_flag *e);

/**
 * coro_case_acquire() - the case of coro_semaphore_acquire()
 * @s: semaphore; if the case is taken, a permit is the caller's.
 *
 * Context: any. Does not suspend.
 * Return: the case, for an array of them.
 */
struct coro_case coro_case_acquire(struct coro_semaphore *s);

/**
 * coro_case_lock() - the case of coro_mutex_lock()
 * @m: mutex; if the case is taken with the result 0, it is the caller's.
 *
 * Context: any. Does not suspend.
 * Return: the case, for an array of them.
 */
struct coro_case coro_case_lock(struct coro_mutex *m);

/**
 * coro_select() - wait for one of several
 * @cases: made by coro_case_*(), also several of one object.
 * @nr: how many; 0 to wait for nothing but the deadline or a cancel.
 * @deadline_ns: when to give up, or CORO_NEVER. With a time that has passed it
 *	takes what can be had, and lets every other ready coroutine run once if
 *	that is nothing.
 *
 * Takes exactly one case, as if its call had been made alone, or none. The
 * objects of the others are untouched: nothing was taken, put or lost. If several
 * can be had, the one to begin with is drawn, and it or the next one is taken; so
 * none is starved, whatever the others do. The drawing is the same in every run.
 *
 * A case whose object was shut down is taken, with that error as its result.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: the index of the case that was taken, whose result is set; or
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EXDEV	 - coroutines of another loop wait for an object that is not
 *		   CORO_SHARED
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EDEADLK	 - see coro_run_opts()
 * * -EINVAL	 - @cases is NULL and @nr is not 0, one was not made, or there are
 *		   too many
 */
int coro_select(struct coro_case *cases, unsigned int nr, int64_t deadline_ns);

/**
 * coro_try_select() - take one of several if it can be had
 * @cases: as for coro_select().
 * @nr: how many.
 *
 * Context: any; any thread, if all objects are CORO_SHARED. Does not suspend; no
 * cancellation point.
 * Return: as coro_select(); -EAGAIN if none can be had; -EINVAL.
 */
int coro_try_select(struct coro_case *cases, unsigned int nr);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SELECT_H */
