/* SPDX-License-Identifier: MIT */
/* A thread's scheduler: its contexts, and the ended coroutines whose stacks are kept warm. */
#ifndef CORO_USERLIB_SCHED_H
#define CORO_USERLIB_SCHED_H

#include <pthread.h>

#include "backend.h"
#include "cache.h"
#include "doorbell.h"

/* The object is a whole number of cache lines, and the stack below it aligned. */
#define CORO__OBJECT_BYTES ((sizeof(struct coro) + 63) & ~(size_t)63)

/* Contexts fetched or given back in one call. */
#define CORO__BATCH 256U

struct coro__sched {
	struct list all; /* of the process, see inspect.c */
	uint64_t serial; /* no other of the process has it */
	const struct coro__backend *be;
	struct coro__space space;
	struct coro__thread *thread; /* the owner; NULL once it has ended */
	size_t page_size;

	/* The owner's alone. */
	struct coro__cache cache;
	unsigned int max_cached; /* at rest, with those of @spare */
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

/*
 * Gives back some of what is kept beyond max_cached; false if nothing is. At
 * once, as while no loop runs, or a little in each turn of a loop: of one that is
 * @idle, or has not needed it for a while.
 */
bool coro__sched_trim(struct coro__sched *s);
bool coro__sched_turn(struct coro__sched *s, bool idle);

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

/* The next outer one that the same coroutine entered, or NULL. */
static inline __attribute__((always_inline)) struct coro__scope *
coro__scope_below(const struct coro__scope *s)
{
	struct coro__scope *up = s->up;

	if (up == &s->task->task.root)
		return NULL;
	return container_of(up, struct coro__timed, scope)->in ==
			       container_of(s, struct coro__timed, scope)->in ?
		       up :
		       NULL;
}

/*
 * Scopes that a function left open when it returned are on a part of the stack
 * that is free now, and that the next call writes to. So whoever ends them begins
 * further down: so many bytes below @here. Inlined, for the same reason.
 */
static inline __attribute__((always_inline)) size_t
coro__scope_held(const struct coro *c, const struct coro__scope *until,
		 const void *here)
{
	size_t held = 0;

	for (const struct coro__scope *s = c->open; s != until;
	     s = coro__scope_below(s)) {
		size_t below = (uintptr_t)here - (uintptr_t)s;

		/* Others are not on this stack. */
		if (below > held && below < c->sched->space.stack_size)
			held = below;
	}
	return held;
}

/* Of functions that use the macro below: no calls but their own. */
#define CORO__PLAIN __attribute__((no_sanitize_address, no_sanitize_thread))

/*
 * A function of @c has returned: ends what it left open, those inside @until or all.
 * To be used right after the call of that function.
 */
#define CORO__SCOPE_ABANDON(who, last)                                       \
	({                                                                   \
		struct coro *c_ = (who);                                     \
		const struct coro__scope *until_ = (last);                   \
		size_t held_ = coro__scope_held(c_, until_,                  \
						__builtin_frame_address(0)); \
		coro__scope_abandon(c_, until_, __builtin_alloca(held_));    \
	})

#endif /* CORO_USERLIB_SCHED_H */
