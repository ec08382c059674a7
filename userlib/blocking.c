// SPDX-License-Identifier: MIT
/* Functions that block: the threads that call them, and who waits for what they return. */
#define _GNU_SOURCE
#include "blocking.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "annotate.h"
#include "doorbell.h"
#include "handoff.h"
#include "memory.h"
#include "opts.h"
#include "report.h"
#include "switch.h"

#define CORO__BLOCKING_LIMIT 64U
/* A thread that had nothing to do for so long ends. */
#define CORO__BLOCKING_IDLE (5 * CORO_SEC)

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

/* A thread of the pool; on its stack. */
struct coro__worker {
	pthread_cond_t wake;
	struct list link; /* while it has nothing to do; covered */
};

/* Of the process. All is covered by @lock; last means that it came last. */
static struct coro__pool {
	pthread_mutex_t lock;
	struct list queue; /* struct coro__job.link, first come first */
	struct list idle; /* struct coro__worker.link, last one last */
	unsigned int limit; /* of threads */
	unsigned int nr_threads;
	unsigned int nr_waiting;
	unsigned int nr_running; /* whose thread may be in code of the program */
	unsigned int nr_in_place; /* those of loops that were handed over */
	unsigned int nr_left;
	uint64_t left_ever;
	bool exits; /* the process does, and joins: */
	pthread_cond_t ended; /* a thread has */
	pthread_t last; /* of those that have ended since */
	bool has_last;
} coro__pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.queue = { &coro__pool.queue, &coro__pool.queue },
	.idle = { &coro__pool.idle, &coro__pool.idle },
	.limit = CORO__BLOCKING_LIMIT,
	.ended = PTHREAD_COND_INITIALIZER,
};

/* What the calling thread of the pool runs. */
static __thread const struct coro__job *coro__job_now;

bool coro_blocking_cancelled(void)
{
	const struct coro__job *job = coro__job_now;

	return job && (__atomic_load_n(&job->cancelled, __ATOMIC_RELAXED) ||
		       coro__doorbell_is_closed(job->loop));
}

/* Whom nobody waits for: dispose has its arg. */
static void coro__job_dispose(const struct coro__job *job, long value)
{
	if (job->dispose)
		job->dispose(job->arg, value);
}

/* With the lock. */
static void coro__job_uncount(const struct coro__job *job)
{
	if (!job->in_place)
		coro__pool.nr_running--;
	else if (job->counted)
		coro__pool.nr_in_place--;
}

/* Its thread sleeps, or has done so: it is one that runs beside the loop. */
static void coro__job_count(struct coro__job *job)
{
	pthread_mutex_lock(&coro__pool.lock);
	job->counted = job->state == CORO__JOB_RUNNING;
	coro__pool.nr_in_place += job->counted;
	pthread_mutex_unlock(&coro__pool.lock);
}

/* The function returned: false if it was left behind before. */
static bool coro__job_returned(struct coro__job *job)
{
	bool left;

	pthread_mutex_lock(&coro__pool.lock);
	left = job->state == CORO__JOB_LEFT;
	if (!left) {
		job->state = CORO__JOB_RETURNED;
		coro__job_uncount(job);
	}
	pthread_mutex_unlock(&coro__pool.lock);
	return !left;
}

static void coro__job_was_left(const struct coro__job *job)
{
	pthread_mutex_lock(&coro__pool.lock);
	coro__job_uncount(job);
	coro__pool.nr_left--;
	pthread_mutex_unlock(&coro__pool.lock);
}

static void coro__job_note(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__job *job = container_of(note, struct coro__job, note);

	coro__wake(loop, job->wait, 0);
}

/*
 * Nobody but the note can wake a caller whose job has RETURNED, so its stack stays
 * until that was posted, and is not touched after. The note is refused if the
 * caller's thread has ended by pthread_exit(): then nobody ever waits again.
 */
static void coro__job_finish(struct coro__job *job, struct coro_loop *l,
			     struct coro__env *env, long value)
{
	bool returned = coro__job_returned(job);

	if (returned) {
		job->value = value;
		job->values = env->values;
		job->note.run = coro__job_note;
		if (!coro__post(l, &job->note))
			return;
	}
	coro__job_dispose(job, value);
	coro__values_put(env->values);
	if (!returned)
		coro__job_was_left(job);
	if (job->dispose)
		free(job);
}

static void coro__job_run(struct coro__job *job)
{
	struct coro__place *p = &coro__thread()->place;
	struct coro__env env = { .values = job->values };
	struct coro_loop *l = job->loop;
	long value = -ECANCELED;

	p->cur = &env;
	coro__job_now = job;
	errno = 0;
	/* Closed: its thread has ended since, and the caller never will. */
	if (!coro__doorbell_is_closed(l))
		value = job->fn(job->arg);
	coro__job_finish(job, l, &env, value);
	coro__job_now = NULL;
	p->cur = NULL;
	coro__doorbell_drop(l);
}

/* With the lock. The reference is the thread's: the loop may end while it runs. */
static struct coro__job *coro__pool_take(void)
{
	struct coro__job *job =
		container_of(coro__pool.queue.next, struct coro__job, link);

	list_del(&job->link);
	coro__pool.nr_waiting--;
	coro__pool.nr_running++;
	job->state = CORO__JOB_RUNNING;
	coro__doorbell_hold(job->loop);
	return job;
}

/* With the lock. Whoever was idle for the shortest time, so that others can end. */
static void coro__pool_wake(void)
{
	struct coro__worker *w =
		container_of(coro__pool.idle.prev, struct coro__worker, link);

	list_del(&w->link);
	pthread_cond_signal(&w->wake);
}

static void coro__pool_wake_all(void)
{
	while (!list_empty(&coro__pool.idle))
		coro__pool_wake();
}

/* With the lock: false if nobody woke it. */
static bool coro__worker_sleep(struct coro__worker *w)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CORO__BLOCKING_IDLE / CORO_SEC;
	list_add_tail(&coro__pool.idle, &w->link);
	while (!list_empty(&w->link) && !err)
		err = pthread_cond_timedwait(&w->wake, &coro__pool.lock,
					     &until);
	if (list_empty(&w->link))
		return true;
	list_del(&w->link);
	return false;
}

/* With the lock: false if the thread is to end. Who was woken looks at all anew. */
static bool coro__worker_wait(struct coro__worker *w)
{
	while (coro__pool.nr_threads <= coro__pool.limit) {
		if (!list_empty(&coro__pool.queue))
			return true;
		if (!coro__worker_sleep(w))
			return false;
	}
	return false;
}

/*
 * With the lock, which it gives back. When the process exits, each joins the one
 * that ended before it; so who joins the last has joined all.
 */
static void coro__worker_end(void)
{
	pthread_t last = coro__pool.last;
	bool joins = coro__pool.has_last;

	coro__pool.nr_threads--;
	if (coro__pool.exits) {
		coro__pool.last = pthread_self();
		coro__pool.has_last = true;
		pthread_cond_signal(&coro__pool.ended);
	} else {
		pthread_detach(pthread_self());
	}
	pthread_mutex_unlock(&coro__pool.lock);
	if (joins)
		pthread_join(last, NULL);
}

static void *coro__worker_main(void *arg)
{
	pthread_condattr_t attr;
	struct coro__worker w;

	(void)arg;
	pthread_setname_np(pthread_self(), "coro-blocking");
	list_init(&w.link);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w.wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_lock(&coro__pool.lock);
	while (coro__worker_wait(&w)) {
		struct coro__job *job = coro__pool_take();

		pthread_mutex_unlock(&coro__pool.lock);
		coro__job_run(job);
		pthread_mutex_lock(&coro__pool.lock);
	}
	coro__worker_end();
	pthread_cond_destroy(&w.wake);
	return NULL;
}

/* With the lock, so that who could not start one knows whether there are others. */
static int coro__pool_grow(void)
{
	int err = coro__fault(CORO_FAULT_SYSCALL);
	sigset_t mask, old;
	pthread_attr_t attr;
	pthread_t thread;

	if (err)
		return err;
	coro__faults_only(&mask);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CORO__BLOCKING_STACK);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	err = -pthread_create(&thread, &attr, coro__worker_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		coro__pool.nr_threads++;
	return err;
}

/* 0: some thread will run it. */
static int coro__pool_give(struct coro__job *job)
{
	int saved = errno;
	int err = 0;

	pthread_mutex_lock(&coro__pool.lock);
	if (!list_empty(&coro__pool.idle))
		coro__pool_wake();
	else if (coro__pool.nr_threads < coro__pool.limit)
		err = coro__pool_grow();
	/* There are fewer than could be: this one waits for them. */
	if (coro__pool.nr_threads)
		err = 0;
	if (!err) {
		list_add_tail(&coro__pool.queue, &job->link);
		coro__pool.nr_waiting++;
	}
	pthread_mutex_unlock(&coro__pool.lock);
	errno = saved;
	return err;
}

/*
 * The process ends. Functions that run are not waited for, but threads that have
 * nothing to do are gone before what they use is.
 */
static void __attribute__((destructor)) coro__pool_exit(void)
{
	unsigned int limit;
	bool has_last;

	pthread_mutex_lock(&coro__pool.lock);
	limit = coro__pool.limit;
	coro__pool.limit = 0;
	coro__pool.exits = true;
	coro__pool_wake_all();
	while (coro__pool.nr_threads > coro__pool.nr_running)
		pthread_cond_wait(&coro__pool.ended, &coro__pool.lock);
	has_last = coro__pool.has_last;
	coro__pool.has_last = false;
	coro__pool.exits = false;
	coro__pool.limit = limit;
	pthread_mutex_unlock(&coro__pool.lock);
	if (has_last)
		pthread_join(coro__pool.last, NULL);
}

void coro__blocking_forked(void)
{
	struct coro__pool *pool = &coro__pool;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->ended, NULL);
	list_init(&pool->queue);
	list_init(&pool->idle);
	pool->nr_threads = 0;
	pool->nr_waiting = 0;
	pool->nr_running = 0;
	pool->nr_in_place = 0;
	pool->nr_left = 0;
	pool->left_ever = 0;
	pool->exits = false;
	pool->has_last = false;
}

/*
 * The wait ends: what was the job's state. Of one that RETURNED the note ends it, of
 * one that RUNS it only if it can be left behind, and @now.
 */
static enum coro__job_state coro__job_cancel(struct coro__caller *c, bool now)
{
	struct coro__job *job = c->job;
	enum coro__job_state state;

	pthread_mutex_lock(&coro__pool.lock);
	state = job->state;
	__atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
	if (state == CORO__JOB_WAITING) {
		list_del(&job->link);
		coro__pool.nr_waiting--;
	} else if (state == CORO__JOB_RUNNING && job->dispose && now) {
		job->state = CORO__JOB_LEFT;
		coro__pool.nr_left++;
		coro__pool.left_ever++;
		c->left = true;
	}
	pthread_mutex_unlock(&coro__pool.lock);
	return state;
}

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

	coro__job_cancel(c, true);
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
	state = coro__job_cancel(c, !c->grace_ns);
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
	if (__builtin_expect(!c->taken, 1)) {
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

	if (t->watchdog)
		coro__watchdog_step(t->watchdog, NULL);
	loop->taken = task;
	coro__doorbell_listen(loop);
	coro__job_count(c->job);
	c->job->wait = &c->wait;
	c->late = false;
	c->left = false;
	c->taken = true;
	c->wait.interrupt = coro__caller_interrupt;
	c->wait.task = task;
	c->wait.timer.armed = false;
	task->task.wait = &c->wait;
	task->task.act = t->act;
	task->task.cur = t->cur;
	coro__set_suspended(t->cur, CORO_AWAITS_BLOCKING,
			    (uintptr_t)c->job->fn);
	t->act = NULL;
	t->cur = NULL;
	t->task = NULL;
	loop->outside++;
	loop->blocking++;
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
	err = coro__pool_give(c->job);
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
	struct coro_blocking_opts o;
	int err = coro__opts_copy(&o, sizeof(o), opts);

	if (err)
		return err;
	if (!fn || o.flags || o.grace_ns < 0 || (o.grace_ns && !o.dispose))
		return -EINVAL;
	return coro__blocking_call(fn, arg, ret_value, &o);
}

/* Mostly in place, where nothing is slower than what is called but what is done here. */
int coro_blocking(long (*fn)(void *arg), void *arg, long *ret_value)
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

int coro_blocking_set_limit(unsigned int nr)
{
	if (!nr)
		return -EINVAL;
	pthread_mutex_lock(&coro__pool.lock);
	coro__pool.limit = nr;
	/* Those beyond it end, or there may be more. */
	coro__pool_wake_all();
	for (unsigned int i = 0; i < coro__pool.nr_waiting; i++) {
		if (coro__pool.nr_threads >= nr || coro__pool_grow())
			break;
	}
	pthread_mutex_unlock(&coro__pool.lock);
	return 0;
}

unsigned int coro__blocking_limit(void)
{
	unsigned int limit;

	pthread_mutex_lock(&coro__pool.lock);
	limit = coro__pool.limit;
	pthread_mutex_unlock(&coro__pool.lock);
	return limit;
}

int coro_blocking_info_read(struct coro_blocking_info *info)
{
	struct coro_blocking_info all;
	size_t size;

	if (!info || info->size < offsetof(struct coro_blocking_info, waiting))
		return -EINVAL;
	size = info->size;
	memset(&all, 0, sizeof(all));
	all.size = size;
	pthread_mutex_lock(&coro__pool.lock);
	all.limit = coro__pool.limit;
	all.waiting = coro__pool.nr_waiting;
	all.running = coro__pool.nr_running + coro__pool.nr_in_place;
	all.left = coro__pool.nr_left;
	all.left_ever = coro__pool.left_ever;
	pthread_mutex_unlock(&coro__pool.lock);
	memcpy(info, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}
