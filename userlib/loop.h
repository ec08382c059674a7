/* SPDX-License-Identifier: MIT */
/* The loop inside the library: its ring, its ready queue, and what a coroutine can be parked in. */
#ifndef CORO_USERLIB_LOOP_H
#define CORO_USERLIB_LOOP_H

#include <coro/io.h>
#include <coro/loop.h>
#include <coro/time.h>
#include <liburing.h>

#include "coroutine.h"
#include "timer.h"

struct coro__buffers;
struct coro__caller;
struct coro__crew;
struct coro__lane;
struct coro__meter;
struct coro_loop;

struct coro__loop {
	struct io_uring ring;
	struct coro__thread *thread;
	struct coro *main;
	struct coro__timers timers;
	struct list ready; /* coro.task.ready */
	struct list now; /* of them, those whose turn is in this round */
	struct list tasks; /* coro.task.all */
	struct list queued; /* operations that found no SQE */
	struct list cancels; /* operations whose cancel found none */
	struct list unfound; /* operations that a cancel did not end */
	struct coro__timer again; /* when they are to be cancelled anew */
	struct list multishots;
	struct list gens; /* struct coro_gen.all */
	struct list orphans; /* processes that nobody will wait for */
	uint64_t inflight; /* operations whose last completion is to come */
	uint64_t background; /* of them, those of a struct coro__watch */
	uint64_t outside; /* parked ones that only others can wake */
	uint64_t blocking; /* of them, those in coro_blocking(), or absent */
	struct coro__scope scope; /* of all */
	struct coro__crew *crew; /* threads that hand it over, or NULL */
	struct coro__caller *call; /* in coro_blocking(), in place; or NULL */
	struct coro *taken; /* whose step it was, of who has just taken over */
	struct coro *eager; /* to run before the one that left its turn for it */
	unsigned int budget; /* waits until the running one must take turns */
	bool closing; /* main ended: no multishot goes on */
	bool listens; /* others can ring */
	bool since_6_7; /* the kernel is Linux 6.7 or newer */
	unsigned int main_cancels; /* how often main was cancelled, by whomever */
	struct coro__buffers *buffers;
	struct coro__sim *sim; /* NULL for real time */
	struct coro__meter *meter; /* NULL if nothing is measured */
	uint64_t until_marked; /* turns until the next that is, with it */
	struct coro_loop *shared; /* what other threads know of the loop */
	struct coro__lane *lane; /* of a pool, or NULL */
	struct coro_loop_opts opts;
};

/*
 * What a coroutine of the loop is parked in; on its stack. @interrupt makes the
 * wait end early, with @why (-ECANCELED, -ETIMEDOUT, -EDEADLK) if nothing comes
 * first; it calls coro__wake() now or sees to it that somebody will.
 */
struct coro__wait {
	void (*interrupt)(struct coro__loop *loop, struct coro__wait *w,
			  int why);
	struct coro *task;
	struct coro__timer timer;
	int result;
};

/*
 * A wait may begin: a coroutine of a running loop calls, and it is not cancelled.
 * 0 or -EPERM, -ECANCELED. Who has begun many without having to wait lets the
 * others run first.
 */
int coro__wait_begin(struct coro__loop **ret_loop);

/*
 * As above, in a few instructions, for who does not have to wait: true if that
 * would succeed and not let others run. @t is the caller's thread.
 */
static inline bool coro__wait_pass(const struct coro__thread *t)
{
	if (!t->task || t->task->task.scope->cancelled || t->sim)
		return false;
	if (--t->loop->budget)
		return true;
	t->loop->budget = 1;
	return false;
}

/* As coro__wait_begin(), for what must be done even when cancelled. */
int coro__wait_begin_uncancelled(struct coro__loop **ret_loop);

/* Suspends until coro__wake(); returns its result. */
int coro__park(struct coro__loop *loop, struct coro__wait *w,
	       int64_t deadline_ns, enum coro_awaits kind, uint64_t arg);

/*
 * The loop was just taken over, in the midst of a step: whose it was is not running
 * there any more.
 */
void coro__task_taken(struct coro__loop *loop);

/* The parked coroutine is ready. */
void coro__wake(struct coro__loop *loop, struct coro__wait *w, int result);

/* One operation in the kernel. Its address is the user_data. */
struct coro__op {
	/* A completion came; @op->inflight says whether it was the last. */
	void (*complete)(struct coro__loop *loop, struct coro__op *op, int res,
			 uint32_t flags);
	const struct io_uring_sqe *sqe; /* until it was copied */
	struct list link; /* in loop->queued, cancels, unfound or nowhere */
	bool inflight; /* its last @complete is to come */
	bool cancelled;
	bool cancelling; /* the kernel has, or is to get, a cancel of it */
	bool over; /* its last completion came meanwhile: */
	unsigned char unfound; /* how many cancels did not end it */
	int res;
	uint32_t flags;
};

/* Queues @op->sqe for submission; cannot fail. */
void coro__op_start(struct coro__loop *loop, struct coro__op *op);

/*
 * Asks the kernel to cancel. True if the operation had not left the library:
 * then it is over and no completion comes.
 */
bool coro__op_cancel(struct coro__loop *loop, struct coro__op *op);

/*
 * An operation that waits in the background for as long as the loop runs: it
 * starts anew after each completion, and nothing goes on for its sake.
 */
struct coro__watch {
	struct coro__op op;
	struct io_uring_sqe sqe; /* set before the start, as is @event */
	void (*event)(struct coro__loop *loop, struct coro__watch *watch,
		      int res);
	bool stopped;
};

/* Nothing if it runs. */
void coro__watch_start(struct coro__loop *loop, struct coro__watch *watch);
void coro__watch_stop(struct coro__loop *loop, struct coro__watch *watch);

/* One operation, awaited as coro_io_await() does; its caller began the wait. */
int coro__io_wait(struct coro__loop *loop, const struct io_uring_sqe *sqe,
		  int64_t deadline_ns, enum coro_awaits kind);

/* As above, and what it waits for is told as that. */
int coro__io_one(struct coro__loop *loop, const struct io_uring_sqe *sqe,
		 int64_t deadline_ns);

/* One operation that neither a cancel nor a deadline ends. */
int coro__io_finish(struct coro__loop *loop, const struct io_uring_sqe *sqe);

/* coro_run_opts() for a caller at @origin. */
int coro__run(long (*fn)(void *arg), void *arg,
	      const struct coro_loop_opts *opts, void *origin, long *ret_value);

/* Nothing runs, and nothing is under way that could make it run. */
bool coro__loop_stuck(const struct coro__loop *loop);

/* How a coroutine is made a task. */
struct coro__spawn {
	struct coro__group *group; /* NULL: the loop's */
	const char *name;
	void *origin;
	void (*dispose)(void *arg);
	struct coro_context *context; /* NULL: a copy of the caller's */
	bool eager;
	bool shield; /* no cancel from outside reaches it */
};

/* Creates and starts; *@ret_coro, unless NULL, is with a reference. */
int coro__spawn(struct coro **ret_coro, long (*fn)(void *arg), void *arg,
		const struct coro__spawn *how);

/* Is told of the end of a coroutine; in its list of joiners until then. */
struct coro__joiner {
	struct list link;
	void (*told)(struct coro__loop *loop, struct coro__joiner *j);
};

/* Whoever waits in coro_group_start() for @child goes on. */
void coro__starter_tell(struct coro__loop *loop, struct coro *child, int err,
			long value);

/* Others may wake a coroutine of it. */
bool coro__loop_outside(const struct coro__loop *loop);

/* Submits, waits if nothing is ready, and hands out completions. */
void coro__loop_poll(struct coro__loop *loop);

/* Not in the headers of older liburing; numbers are ABI. */
#define CORO__OP_WAITID 50

/* Without a ferry, if one is wanted and cannot be made. */
int coro__ring_init(struct coro__loop *loop);

/* Ends what is under way. */
void coro__ring_exit(struct coro__loop *loop);

/* Runs a ready coroutine until it parks or ends. */
void coro__task_run(struct coro__loop *loop, struct coro *task);

/* What comes after a ready coroutine has parked, by who has not run it until then. */
void coro__task_left(struct coro__loop *loop, struct coro *task);

/* Runs until the first coroutine has ended. */
void coro__loop_drive(struct coro__loop *loop);

/* Makes what @task waits in fail, unless that ended or cannot. */
void coro__task_interrupt(struct coro__loop *loop, struct coro *task, int why);

/* Of what their users left: stops it, and once it is over takes it apart. */
void coro__multishots_stop(struct coro__loop *loop);
void coro__multishots_detach(struct coro__loop *loop);
void coro__buffers_free(struct coro__loop *loop);

#endif /* CORO_USERLIB_LOOP_H */
