/* SPDX-License-Identifier: MIT */
/* A thread's scheduler: its contexts, and the ended coroutines whose stacks are kept warm. */
#ifndef CORO_USERLIB_SCHED_H
#define CORO_USERLIB_SCHED_H

#include <pthread.h>

#include "backend.h"
#include "doorbell.h"

/* Contexts fetched or given back in one call. */
#define CORO__BATCH 256U

struct coro__sched {
	struct list all; /* of the process, see inspect.c */
	const struct coro__backend *be;
	struct coro__space space;
	struct coro__thread *thread; /* the owner; NULL once it has ended */
	size_t page_size;

	/* The owner's alone. */
	struct coro *cache; /* ended, last first: the warmest */
	unsigned int nr_cached;
	unsigned int max_cached;
	unsigned int nr_spare; /* allocated ahead of need */
	unsigned int nr_stale; /* ended, id known to others */
	unsigned int batch; /* how many to fetch next: grows */
	uint64_t nr_coroutines; /* not put, or put by other threads and not drained */
	uint64_t spare[CORO__BATCH];
	uint64_t stale[CORO__BATCH];

	/* Coroutines that other threads put last; orphan: the owner has ended. */
	pthread_mutex_t lock;
	struct coro *remote;
	bool orphan;

	/* The owner's: coroutines that were exported and have not ended. */
	struct list ports; /* coro__port.all */
	unsigned int nr_cancellable; /* of them, those that others can cancel */
	/* Portable only. Under @lock: requests to cancel, and the loop that is to look. */
	struct list cancels;
	struct coro_loop *loop; /* NULL while none runs */
	bool noted; /* @note is under way */
	struct coro__note note;
};

/* Whether others can end a wait of a coroutine by cancelling it. */
static inline bool coro__sched_reachable(const struct coro__sched *s)
{
	return s->nr_cancellable;
}

int coro__sched_new(const struct coro_thread_opts *opts,
		    struct coro__sched **ret_sched);

/* The owner ends. Frees the scheduler, now or with its last coroutine. */
void coro__sched_release(struct coro__sched *s);

/* An object at the top of its stack; shm, id and sched are set. */
int coro__sched_take(struct coro__sched *s, struct coro **ret_coro);

/* A coroutine that nobody refers to any more; never the running one. */
void coro__sched_give(struct coro__sched *s, struct coro *c, bool owner);

/* Where the object of a context is, whether it was made or not. */
struct coro *coro__sched_object(const struct coro__sched *s, uint64_t id);

/* The block in which object and stack lie, without its guard page. */
static inline char *coro__stack_low(const struct coro *c)
{
	return coro__stack_base(&c->sched->space, c->id) + c->sched->page_size;
}

static inline char *coro__stack_top(const struct coro *c)
{
	return coro__stack_base(&c->sched->space, c->id) +
	       c->sched->space.stack_size;
}

#endif /* CORO_USERLIB_SCHED_H */
