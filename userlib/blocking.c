// SPDX-License-Identifier: MIT
/* Who calls a function that blocks, in place or elsewhere, and waits for what it returns. */
#include "blocking.h"

#include <errno.h>

#include "annotate.h"
#include "handoff.h"
#include "job.h"
#include "memory.h"
#include "opts.h"
#include "report.h"
#include "switch.h"

/* Who waits for a job; on its stack. */
struct coro__caller {
	struct coro__wait wait;
	struct coro__job *job;
	struct coro__job own; /* unless it can be left behind */
	int64_t grace_ns;
	bool late; /* cancelled, while the job ran */
	bool left; /* @job is its thread's */
	bool taken; /* the loop was handed over: it waits like one of the pool's */
};

static void coro__caller_leave(struct coro__loop *loop, struct coro__caller *c)
{
	if (loop->closing)
		coro__report(c->wait.task->task.cur, CORO_REPORT_LEFT_BEHIND,
			     0);
	coro__wake(loop, &c->wait, -ECANCELED);
}

static void coro__caller_expire(struct coro__loop *loop, struct coro__timer *t)
{
	struct coro__caller *c =
		container_of(t, struct coro__caller, wait.timer);

	coro__job_cancel(c->job, true, &c->left);
	if (c->left)
		coro__caller_leave(loop, c);
}

/* Only ever by a cancel: there is no deadline, nor are there deadlocks. */
static void coro__caller_interrupt(struct coro__loop *loop,
				   struct coro__wait *w, int why)
{
	struct coro__caller *c = container_of(w, struct coro__caller, wait);
	bool late = c->late;
	enum coro__job_state state;

	c->late = true;
	state = coro__job_cancel(c->job, !c->grace_ns, &c->left);
	if (state == CORO__JOB_WAITING)
		coro__wake(loop, w, why);
	else if (c->left)
		coro__caller_leave(loop, c);
	else if (state == CORO__JOB_RUNNING && c->grace_ns && !late)
		coro__timer_arm(&loop->timers, &w->timer,
				coro_after(c->grace_ns), coro__caller_expire);
}

/* The loop was taken over while its function ran: the caller waits elsewhere. */
static __attribute__((noreturn)) void
coro__caller_relieved(struct coro__job *job, struct coro__env *env, long value)
{
	coro__job_finish(job, job->loop, env, value);
	coro__job_now = NULL;
	coro__own.place.cur = NULL;
	coro__crew_relieved();
}

/* Of the thread that runs the loop, on that one's own stack. */
static inline void coro__caller_run(struct coro__thread *t,
				    struct coro__caller *c)
{
	struct coro__job *job = c->job;
	struct coro__env env = {
		.values = coro__place_capture(&t->task->task.place),
	};
	long value;

	coro__own.place.cur = &env;
	coro__job_now = job;
	*t->errno_p = 0;
	if (!coro__crew_call(t->loop->crew, job->fn, job->arg, &value))
		coro__caller_relieved(job, &env, value);
	coro__job_now = NULL;
	coro__own.place.cur = NULL;
	job->value = value;
	job->values = env.values;
}

/* Plain, for it begins and ends on different stacks as the sanitizers see them. */
static CORO__PLAIN void coro__caller_visit(void *arg)
{
	struct coro__thread *t = coro__lent;

	coro__mark_arrive(&t->mark);
	coro__caller_run(t, arg);
	coro__mark_leave(t, NULL, t->cur);
}

/*
 * In the place of the loop, on its thread's own stack. That comes back at once; or,
 * if the thread blocks, somebody else takes the loop over, parks the caller and goes
 * on with the others. What only that one needs it sets: few calls come to it.
 */
static inline __attribute__((always_inline)) int
coro__caller_in_place(struct coro__loop *loop, struct coro__caller *c)
{
	struct coro__thread *t = loop->thread;
	struct coro *me = t->cur;

	c->taken = false;
	me->saved_errno = *t->errno_p;
	loop->call = c;
	coro__mark_leave(t, me, NULL);
	coro__switch_call(&me->shm->sp, t->sp, coro__caller_visit, c);
	coro__mark_arrive(&me->mark);
	me->shm->sp = 0;
	if (__builtin_expect(!c->taken, 1)) {
		loop->call = NULL;
		*t->errno_p = me->saved_errno;
		return 0;
	}
	loop->blocking--;
	loop->outside--;
	return c->wait.result;
}

/* As coro__park(), of a coroutine that has not come to it. */
void coro__blocking_taken(struct coro__loop *loop)
{
	struct coro__caller *c = loop->call;
	struct coro__thread *t = loop->thread;
	struct coro *task = t->task;

	coro__job_count(c->job);
	c->job->wait = &c->wait;
	c->late = false;
	c->left = false;
	c->taken = true;
	c->wait.interrupt = coro__caller_interrupt;
	c->wait.task = task;
	c->wait.timer.armed = false;
	task->task.wait = &c->wait;
	coro__set_suspended(t->cur, CORO_AWAITS_BLOCKING,
			    (uintptr_t)c->job->fn);
	loop->call = NULL;
}

/* By a thread of the pool. */
static int coro__caller_elsewhere(struct coro__loop *loop,
				  struct coro__caller *c)
{
	struct coro__place *p = &loop->thread->task->task.place;
	int err;

	coro__doorbell_listen(loop);
	c->job->state = CORO__JOB_WAITING;
	c->job->in_place = false;
	c->job->wait = &c->wait;
	c->job->values = coro__place_capture(p);
	c->wait.interrupt = coro__caller_interrupt;
	err = coro__job_give(c->job);
	if (err)
		return err;
	loop->outside++;
	loop->blocking++;
	err = coro__park(loop, &c->wait, CORO_NEVER, CORO_AWAITS_BLOCKING,
			 (uintptr_t)c->job->fn);
	loop->blocking--;
	loop->outside--;
	return err;
}

/* What the end of a call, in whatever way, leaves of a job that is the caller's. */
static int coro__caller_end(struct coro__caller *c, int err, long *ret_value)
{
	if (!err && ret_value)
		*ret_value = c->job->value;
	if (c->job->values)
		coro__values_put(c->job->values);
	return err;
}

/* The caller has begun a wait. -ECANCELED and not @c->left: it was never called. */
static int coro__caller_call(struct coro__loop *loop, struct coro__caller *c,
			     long *ret_value)
{
	int err;

	if (coro__crew_ready(loop))
		err = coro__caller_in_place(loop, c);
	else
		err = coro__caller_elsewhere(loop, c);
	if (c->left)
		return err;
	return coro__caller_end(c, err, ret_value);
}

static inline void coro__job_init(struct coro__job *job, long (*fn)(void *arg),
				  void *arg, struct coro_loop *l)
{
	job->fn = fn;
	job->arg = arg;
	job->dispose = NULL;
	job->loop = l;
	job->state = CORO__JOB_RUNNING;
	job->cancelled = false;
	job->in_place = true;
	job->counted = false;
}

static int coro__blocking_call(long (*fn)(void *arg), void *arg,
			       long *ret_value,
			       const struct coro_blocking_opts *o)
{
	struct coro__caller c = { .job = &c.own, .grace_ns = o->grace_ns };
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin(&loop);
	if (!err && o->dispose) {
		c.job = coro__malloc(sizeof(*c.job));
		if (!c.job)
			return -ENOMEM;
	}
	if (!err) {
		coro__job_init(c.job, fn, arg, loop->shared);
		c.job->dispose = o->dispose;
		err = coro__caller_call(loop, &c, ret_value);
	}
	if (c.left)
		return err;
	if (c.job != &c.own)
		free(c.job);
	if (err == -ECANCELED && o->dispose)
		o->dispose(arg, -ECANCELED);
	return err;
}

int coro_blocking_opts(long (*fn)(void *arg), void *arg, long *ret_value,
		       const struct coro_blocking_opts *opts)
{
	CORO__ENTRY;
	struct coro_blocking_opts o;
	int err = coro__opts_copy(&o, sizeof(o), opts);

	if (err)
		return err;
	if (!fn || o.flags || o.grace_ns < 0 || (o.grace_ns && !o.dispose))
		return -EINVAL;
	return coro__blocking_call(fn, arg, ret_value, &o);
}

/* Mostly in place, where nothing is slower than what is called but what is done here. */
CORO__DEFINE3(int, coro_blocking, coro__fn *, fn, void *, arg, long *,
	      ret_value)
{
	struct coro__thread *t = coro__this();
	struct coro__caller c;

	if (!fn || !coro__crew_stands(t->loop) || !coro__wait_pass(t))
		return coro_blocking_opts(fn, arg, ret_value, NULL);
	c.job = &c.own;
	c.grace_ns = 0;
	coro__job_init(&c.own, fn, arg, t->shared);
	return coro__caller_end(&c, coro__caller_in_place(t->loop, &c),
				ret_value);
}
