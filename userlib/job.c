// SPDX-License-Identifier: MIT
/* Functions that block, each called once, and the pool of threads that calls them. */
#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "blocking.h"
#include "handoff.h"
#include "memory.h"

#define CORO__BLOCKING_LIMIT 64U
/* A thread that had nothing to do for so long ends. */
#define CORO__BLOCKING_IDLE (5 * CORO_SEC)

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

__thread const struct coro__job *coro__job_now;

bool coro_blocking_cancelled(void)
{
	CORO__ENTRY;
	const struct coro__job *job = coro__job_now;

	return job && (__atomic_load_n(&job->cancelled, __ATOMIC_RELAXED) ||
		       coro__doorbell_is_closed(job->loop));
}

/* With the lock. */
static void coro__job_uncount(const struct coro__job *job)
{
	if (!job->in_place)
		coro__pool.nr_running--;
	else if (job->counted)
		coro__pool.nr_in_place--;
}

void coro__job_count(struct coro__job *job)
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
void coro__job_finish(struct coro__job *job, struct coro_loop *l,
		      struct coro__env *env, long value)
{
	bool returned = coro__job_returned(job);

	if (returned) {
		job->value = value;
		job->values = env->values;
		job->note.run = coro__job_note;
		coro__crew_back();
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
	coro__thread_begin("coro-blocking");
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

int coro__job_give(struct coro__job *job)
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

enum coro__job_state coro__job_cancel(struct coro__job *job, bool now,
				      bool *ret_left)
{
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
		*ret_left = true;
	}
	pthread_mutex_unlock(&coro__pool.lock);
	return state;
}

int coro_blocking_set_limit(unsigned int nr)
{
	CORO__ENTRY;

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
	CORO__ENTRY;
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
