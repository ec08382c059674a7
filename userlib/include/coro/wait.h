/* SPDX-License-Identifier: MIT */
/* What the objects of coro/sync.h and coro/queue.h have in common: those who wait for them. */
#ifndef CORO_WAIT_H
#define CORO_WAIT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * CORO_SHARED - flag of an object that loops of several threads use
 *
 * Costs a lock per call. Without it an object belongs to the thread where it is
 * used, and who waits for it on another loop at the same time is refused with
 * -EXDEV.
 */
#define CORO_SHARED 1U

struct coro__loop;
struct coro__ticket;
struct coro_waiters;

/**
 * struct coro__arm - a place among those who wait for an object
 * @next: private.
 * @prev: private.
 * @also: private: the next place of the same wait.
 * @queue: private: where it is.
 * @ticket: private: the wait.
 * @item: private: what is handed over, in either direction.
 * @kind: private: the object's: what its owner waits for.
 * @linked: private: in @queue; under its lock.
 *
 * Lies in the memory of who waits.
 */
struct coro__arm {
	struct coro__arm *next;
	struct coro__arm *prev;
	struct coro__arm *also;
	struct coro_waiters *queue;
	struct coro__ticket *ticket;
	void *item;
	unsigned int kind;
	unsigned int linked;
};

/**
 * struct coro_waiters - those who wait for an object, longest first
 * @first: private.
 * @last: private.
 * @loop: private: of those who wait, unless shared.
 * @nr: private: how many wait.
 * @flags: private: CORO_SHARED.
 * @lock: private: if shared, covers the whole object.
 * @with: private: the object's first list, whose lock covers this one, or NULL.
 *
 * All zero is one for which nobody waits.
 */
struct coro_waiters {
	struct coro__arm *first;
	struct coro__arm *last;
	struct coro__loop *loop;
	unsigned int nr;
	unsigned int flags;
	pthread_mutex_t lock;
	struct coro_waiters *with;
};

/* For the initialisers of the objects. */
#define CORO__WAITERS_INIT(flags)                                             \
	{                                                                     \
		NULL, NULL, NULL, 0, (flags), PTHREAD_MUTEX_INITIALIZER, NULL \
	}

#ifdef __cplusplus
}
#endif
#endif /* CORO_WAIT_H */
