/* SPDX-License-Identifier: MIT */
/* A pool inside the library: its loops as lanes, and work on its way to one of them. */
#ifndef CORO_USERLIB_POOL_H
#define CORO_USERLIB_POOL_H

#include <coro/pool.h>
#include <coro/sync.h>
#include <pthread.h>

#include "doorbell.h"

enum coro__work_state {
	CORO__WORK_QUEUED, /* in a queue of a lane */
	CORO__WORK_RUNNING,
	CORO__WORK_ENDED, /* with @value */
	CORO__WORK_DEAD, /* so did its thread, and it had not */
};

struct coro_work {
	/* One until it has ended, and one for each user. */
	unsigned int refs;
	unsigned int forks; /* in which process, see coro__forks() */
	long (*fn)(void *arg);
	void *arg;
	void (*dispose)(void *arg);
	void *origin;
	char name[CORO_NAME_LEN];
	struct coro__values *values; /* of its giver's context, until it starts */
	struct list link; /* in lane->queue or pinned; later in lane->running */
	struct coro *coro; /* while it runs, with a reference: its loop's alone */
	struct coro__joiner joiner;
	struct list cancel; /* in lane->cancels, covered by the lane's lock */
	/* Covers the rest. Before a lane's. */
	pthread_mutex_t lock;
	enum coro__work_state state;
	struct coro__lane *lane; /* where it runs */
	bool cancelled;
	long value;
	struct list waiters; /* struct coro__work_wait.link */
};

/* A loop of a pool, as others know it. */
struct coro__lane {
	struct coro_pool *pool;
	unsigned int index;
	pthread_t thread; /* of all but the first */
	struct coro_loop *shared; /* referenced; NULL if it never ran */
	struct list running; /* struct coro_work.link; the loop's alone */
	bool slept; /* and has not looked since; the loop's alone */
	/* Atomic: coroutines, as the loop said last. */
	unsigned int load;
	/* Covers the rest, of which the last three are read without it. */
	pthread_mutex_t lock;
	struct list queue; /* struct coro_work.link, first come first; may move */
	struct list pinned; /* the same; may not */
	struct list cancels; /* struct coro_work.cancel: of those that run */
	unsigned int nr_queued; /* in @queue */
	unsigned int nr_own; /* in @pinned and @cancels */
	bool closed; /* takes no more, and starts none */
};

struct coro_pool {
	/* One for coro_pool_run(), for each lane's thread, and for each user. */
	unsigned int refs;
	unsigned int forks; /* in which process, see coro__forks() */
	unsigned int nr;
	unsigned int nr_threads; /* that were made, and the caller's */
	unsigned int turn; /* who is asked next; atomic */
	unsigned int nr_idle; /* lanes that sleep; atomic */
	struct coro__lane *calling; /* is being woken to look for work; atomic */
	struct coro_event_flag stop; /* of lanes but the first */
	struct coro_loop_opts loop;
	struct coro_thread_opts thread;
	/* Of the start: covered. */
	pthread_mutex_t lock;
	pthread_cond_t begun;
	unsigned int nr_begun; /* lanes that run, or cannot */
	int err; /* why one of them cannot */
	struct coro__lane lanes[];
};

/* On the thread of a loop: makes it a coroutine of that, ready; NULL if it has ended. */
struct coro *coro__work_begin(struct coro__loop *loop, struct coro_work *w);

/* It is over: those who wait are told, and the pool's reference is gone. */
void coro__work_finish(struct coro_work *w, enum coro__work_state state,
		       long value);

/* The same of one that was never entered, and never will be. */
void coro__work_drop(struct coro_work *w, enum coro__work_state state,
		     long value);

int coro__lane_init(struct coro__lane *lane, struct coro_pool *p,
		    unsigned int index);
void coro__lane_fini(struct coro__lane *lane);

/* @loop, which runs, is the lane's from now on. */
void coro__lane_begin(struct coro__lane *lane, struct coro__loop *loop);

/*
 * 0: it will be started or dropped, on no other lane than this if it is @pinned.
 * -EPIPE: the lane takes no more.
 */
int coro__lane_push(struct coro__lane *lane, struct coro_work *w, bool pinned);

/* @w runs there, and is to be cancelled; nothing if that is under way. */
void coro__lane_cancel(struct coro__lane *lane, struct coro_work *w);

/* @w has ended there. */
void coro__lane_forget(struct coro__lane *lane, struct coro_work *w);

/* It takes no more; what it has is dropped in coro__lane_end(). */
void coro__lane_close(struct coro__lane *lane);

/* After a sleep, before the turn. */
void coro__lane_answer(struct coro__loop *loop);

/* At the end of a turn: starts work, and runs each to its first wait. */
void coro__lane_turn(struct coro__loop *loop);

/* Nothing is ready: whether there is work to start, be it others'. */
bool coro__lane_look(struct coro__loop *loop);

/* Around the loop's sleep. Between the two whoever has work wakes it: see lane.c. */
bool coro__lane_lie_down(struct coro__lane *lane);
void coro__lane_get_up(struct coro__lane *lane);

/* The loop ends. */
void coro__lane_end(struct coro__loop *loop);

/* Its thread has ended, and the loop had not. */
void coro__lane_abandon(struct coro__lane *lane);

/* To the first lane that takes it; -EPIPE if none does. */
int coro__pool_push(struct coro_pool *p, struct coro_work *w);

/* Who is to have work that may run anywhere. */
struct coro__lane *coro__pool_choose(struct coro_pool *p);

/* Wakes one that sleeps, unless that is being done, or none does. */
void coro__pool_call_idle(struct coro_pool *p);

/* No lane takes work, and all end. */
void coro__pool_stop(struct coro_pool *p);

/* The thread of the first lane has ended, and coro_pool_run() never returns. */
void coro__pool_abandon(struct coro_pool *p);

#endif /* CORO_USERLIB_POOL_H */
