/* SPDX-License-Identifier: MIT */
/* One call of a function that blocks, and who runs it if its caller's thread does not. */
#ifndef CORO_USERLIB_JOB_H
#define CORO_USERLIB_JOB_H

#include "doorbell.h"

enum coro__job_state {
	CORO__JOB_WAITING, /* in the queue */
	CORO__JOB_RUNNING,
	CORO__JOB_LEFT, /* it runs, and is its thread's alone */
	CORO__JOB_RETURNED, /* the note is under way, or about to be */
};

/*
 * On the caller's stack, or, if it can be left behind, in memory of its own. The
 * caller's but for the time between RUNNING and the run of the note, when it is its
 * thread's, except for what is said to be covered by the pool's lock.
 */
struct coro__job {
	long (*fn)(void *arg);
	void *arg;
	void (*dispose)(void *arg, long value);
	long value;
	struct coro__values *values; /* of the context that it runs in */
	struct coro_loop *loop; /* where the caller waits */
	struct coro__wait *wait; /* on its stack: not to be looked at once LEFT */
	struct coro__note note;
	struct list link; /* in the queue; covered */
	enum coro__job_state state; /* covered */
	bool cancelled; /* atomic */
	bool in_place; /* it is no thread of the pool that runs it */
	bool counted; /* it does, and the loop was handed over; covered */
};

/* What the calling thread runs, outside of coroutines. */
extern __thread const struct coro__job *coro__job_now;

/* Whom nobody waits for: dispose has its arg. */
static inline void coro__job_dispose(const struct coro__job *job, long value)
{
	if (job->dispose)
		job->dispose(job->arg, value);
}

/* 0: some thread of the pool will run it. */
int coro__job_give(struct coro__job *job);

/* Its thread sleeps, or has done so: it is one that runs beside the loop. */
void coro__job_count(struct coro__job *job);

/*
 * Its function has returned @value, on the calling thread, in @env. Who waits in @l is
 * told, if anybody does; the job is not to be touched any more.
 */
void coro__job_finish(struct coro__job *job, struct coro_loop *l,
		      struct coro__env *env, long value);

/*
 * The wait ends: what was the job's state. Of one that RETURNED the note ends it, of
 * one that RUNS it only if it can be left behind, and @now:
 * then *@ret_left is true, and the job its thread's.
 */
enum coro__job_state coro__job_cancel(struct coro__job *job, bool now,
				      bool *ret_left);

#endif /* CORO_USERLIB_JOB_H */
