/* SPDX-License-Identifier: MIT */
/*
 * Queues: pointers handed from coroutine to coroutine, in an order, with a bound.
 *
 * An item is a pointer, of which the queue knows nothing; NULL is one too. Who
 * puts it owns it until the put has succeeded, then the queue does, then who got
 * it. A put that failed, for whatever reason, has put nothing. An item that was
 * handed to a waiting get is what that get returns, even when a deadline passed
 * or a cancel came before it ran; the cancel then shows in its next wait.
 *
 * Items go straight to the get that has waited longest, and room to the put that
 * has: nobody who comes later can be faster.
 *
 * A call that may wait tells of a cancel even when it does not have to wait, and
 * lets others run now and then. coro_queue_try_put() and its like do neither.
 */
#ifndef CORO_QUEUE_H
#define CORO_QUEUE_H

#include <coro/wait.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coro_queue;

/**
 * enum coro_queue_order - which item a get takes
 * @CORO_QUEUE_FIFO: the one that has been there longest.
 * @CORO_QUEUE_LIFO: the one that came last.
 * @CORO_QUEUE_PRIORITY: the first by compare(); of equal ones the longest there.
 */
enum coro_queue_order {
	CORO_QUEUE_FIFO = 0,
	CORO_QUEUE_LIFO = 1,
	CORO_QUEUE_PRIORITY = 2,
};

/**
 * CORO_QUEUE_RENDEZVOUS - flag of a queue that holds nothing
 *
 * Each put waits until a get takes its item, and each get until there is a put.
 */
#define CORO_QUEUE_RENDEZVOUS (1U << 8)

/**
 * CORO_QUEUE_DISCARD - flag of coro_queue_shutdown(): nobody gets what is there
 */
#define CORO_QUEUE_DISCARD 1U

/**
 * struct coro_queue_opts - how a queue is made
 * @size: sizeof(struct coro_queue_opts).
 * @capacity: how many items it holds at most, all of whose room is allocated at
 *	once; 0 for no bound, then it grows and shrinks. 0 with
 *	CORO_QUEUE_RENDEZVOUS.
 * @flags: CORO_SHARED for use by several threads, CORO_QUEUE_RENDEZVOUS.
 * @order: enum coro_queue_order; CORO_QUEUE_FIFO with CORO_QUEUE_RENDEZVOUS.
 * @compare: of CORO_QUEUE_PRIORITY: negative if item @a comes before @b, positive
 *	if after, 0 if neither; always the same of the same two. Called with the
 *	queue locked: calls nothing of the library.
 * @destroy: for each item that is in the queue when it is freed, or that
 *	CORO_QUEUE_DISCARD discards. NULL if nothing is to be done.
 */
struct coro_queue_opts {
	size_t size;
	size_t capacity;
	unsigned int flags;
	unsigned int order;
	int (*compare)(const void *a, const void *b);
	void (*destroy)(void *item);
};

/**
 * coro_queue_new() - make a queue
 * @ret_queue: the queue; free with coro_queue_free().
 * @opts: NULL for a FIFO without bound, of one thread.
 *
 * Context: any. Does not suspend.
 * Return:
 * * 0		 - success
 * * -EINVAL	 - @ret_queue is NULL, or @opts are bad
 * * -E2BIG	 - @opts has fields that this library does not know
 * * -ENOMEM	 - no memory
 */
int coro_queue_new(struct coro_queue **ret_queue,
		   const struct coro_queue_opts *opts);

/**
 * coro_queue_free() - free a queue
 * @q: a queue that nobody uses any more, or NULL for nothing.
 *
 * Items that are left go to the destructor. One that coroutines wait for is not
 * freed: shut it down first, and let them go.
 *
 * Context: any. Does not suspend.
 * Return: 0, or -EBUSY: somebody waits, nothing was done.
 */
int coro_queue_free(struct coro_queue *q);

/**
 * coro_queue_put() - put an item in, waiting for room
 * @q: queue.
 * @item: any pointer; the queue's on success, else it stays the caller's.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * If coroutines wait in a get, the one that has waited longest gets @item.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - @item is in the queue, or somebody has it
 * * -ESHUTDOWN	 - the queue was shut down
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -ENOMEM	 - no memory; only without a bound
 * * -EXDEV	 - coroutines of another loop wait, and the queue is not CORO_SHARED
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EDEADLK	 - see coro_run_opts()
 * * -EINVAL	 - @q is NULL
 */
int coro_queue_put(struct coro_queue *q, void *item, int64_t deadline_ns);

/**
 * coro_queue_try_put() - put an item in if there is room
 * @q: queue.
 * @item: as for coro_queue_put().
 *
 * Context: any; any thread, if @q is CORO_SHARED. Does not suspend; no
 * cancellation point.
 * Return: 0; -EAGAIN if the queue is full, of a rendezvous if nobody waits in a
 * get; -ESHUTDOWN, -ENOMEM, -EXDEV and -EINVAL as of coro_queue_put().
 */
int coro_queue_try_put(struct coro_queue *q, void *item);

/**
 * coro_queue_get() - take an item out, waiting for one
 * @q: queue.
 * @ret_item: the item, now the caller's.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * If coroutines wait in a put, the item of the one that has waited longest moves
 * in.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return:
 * * 0		 - *@ret_item is the item
 * * -ESHUTDOWN	 - the queue was shut down, and is empty
 * * -ETIMEDOUT	 - @deadline_ns passed
 * * -ECANCELED	 - the caller was cancelled
 * * -EXDEV	 - coroutines of another loop wait, and the queue is not CORO_SHARED
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EDEADLK	 - see coro_run_opts()
 * * -EINVAL	 - @q or @ret_item is NULL
 */
int coro_queue_get(struct coro_queue *q, void **ret_item, int64_t deadline_ns);

/**
 * coro_queue_try_get() - take an item out if there is one
 * @q: queue.
 * @ret_item: as for coro_queue_get().
 *
 * Context: any; any thread, if @q is CORO_SHARED. Does not suspend; no
 * cancellation point.
 * Return: 0; -ENODATA if the queue is empty, of a rendezvous if nobody waits in a
 * put; -ESHUTDOWN, -EXDEV and -EINVAL as of coro_queue_get().
 */
int coro_queue_try_get(struct coro_queue *q, void **ret_item);

/**
 * coro_queue_task_done() - say that an item that was got is dealt with
 * @q: queue.
 *
 * Once for each get, if anybody is to use coro_queue_join().
 *
 * Context: any; any thread, if @q is CORO_SHARED. Does not suspend.
 * Return:
 * * 0		 - counted
 * * -ERANGE	 - all that was ever put is dealt with already
 * * -EXDEV	 - coroutines of another loop wait, and the queue is not CORO_SHARED
 * * -EINVAL	 - @q is NULL
 */
int coro_queue_task_done(struct coro_queue *q);

/**
 * coro_queue_join() - wait until all that was put is dealt with
 * @q: queue.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Discarded items are dealt with, when their destructors have run.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0: there was a moment at which as many coro_queue_task_done() had come
 * as items; -ETIMEDOUT, -ECANCELED, -EXDEV, -EPERM, -EDEADLK and -EINVAL as of
 * coro_queue_put().
 */
int coro_queue_join(struct coro_queue *q, int64_t deadline_ns);

/**
 * coro_queue_shutdown() - take nothing in any more
 * @q: queue.
 * @flags: CORO_QUEUE_DISCARD, or 0 to leave what is there to those who get.
 *
 * Every put fails with -ESHUTDOWN, those that wait included, whose items stay
 * theirs. So does every get, once the queue is empty. There is no way back; a
 * second call does no harm, and may discard.
 *
 * Context: any; any thread, if @q is CORO_SHARED. Does not suspend. The
 * destructor runs before the return, with the queue empty and not locked.
 * Return:
 * * 0		 - it is shut down
 * * -EXDEV	 - coroutines of another loop wait, and the queue is not CORO_SHARED
 * * -EINVAL	 - @q is NULL, or there are unknown @flags
 */
int coro_queue_shutdown(struct coro_queue *q, unsigned int flags);

/**
 * coro_queue_size() - how many items are in the queue
 * @q: queue.
 *
 * Exact until the caller suspends, or other threads use the queue. Items of those
 * who wait in a put are not counted; so of a rendezvous it is 0.
 *
 * Context: any; any thread, if @q is CORO_SHARED. Does not suspend.
 * Return: the number.
 */
size_t coro_queue_size(struct coro_queue *q);

/**
 * coro_queue_empty() - whether there is no item
 * @q: queue.
 *
 * Context: as coro_queue_size().
 * Return: whether coro_queue_size() is 0.
 */
bool coro_queue_empty(struct coro_queue *q);

/**
 * coro_queue_full() - whether there is no room
 * @q: queue.
 *
 * Context: as coro_queue_size().
 * Return: whether coro_queue_size() is the capacity. A rendezvous is always full,
 * a queue without bound never.
 */
bool coro_queue_full(struct coro_queue *q);

/**
 * struct coro_queue_info - a queue, as it is now
 * @size: sizeof(struct coro_queue_info); set by the caller.
 * @items: how many are in the queue.
 * @capacity: how many can be; SIZE_MAX for no bound, 0 of a rendezvous.
 * @getters: how many wait in a get, or a choice with one.
 * @putters: how many wait in a put, or a choice with one.
 * @joiners: how many wait in coro_queue_join().
 * @unfinished: items that were put and not dealt with, for coro_queue_join().
 * @shut: it was shut down.
 */
struct coro_queue_info {
	size_t size;
	size_t items;
	size_t capacity;
	size_t getters;
	size_t putters;
	size_t joiners;
	size_t unfinished;
	bool shut;
};

/**
 * coro_queue_info_read() - look at a queue
 * @q: queue.
 * @info: filled as far as its size says; longer than this library knows is fine.
 *
 * Context: as coro_queue_size().
 * Return: 0, or -EINVAL: @q or @info is NULL, or the size of @info is too small
 * for @items.
 */
int coro_queue_info_read(struct coro_queue *q, struct coro_queue_info *info);

#ifdef __cplusplus
}
#endif
#endif /* CORO_QUEUE_H */
