// SPDX-License-Identifier: MIT
/* A pool: the threads of its loops, from the start of the first to the end of the last. */
#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "memory.h"
#include "opts.h"

#define CORO__POOL_MOST 4096U

/* The first loop's part; on the stack of coro_pool_run(). */
struct coro__pool_run {
	struct coro_pool *pool;
	long (*fn)(void *arg);
	void *arg;
	int err; /* there is no pool */
};

/* Processors that the thread may run on. */
static unsigned int coro__pool_processors(void)
{
	int err = -1, nr = 0;

	/* The kernel says no more than that its set is larger. */
	for (int most = 1024; err && most <= 1 << 20; most *= 2) {
		size_t size = CPU_ALLOC_SIZE(most);
		cpu_set_t *set = CPU_ALLOC(most);

		err = set ? sched_getaffinity(0, size, set) : 0;
		nr = set && !err ? CPU_COUNT_S(size, set) : 1;
		CPU_FREE(set);
	}
	return nr < (int)CORO__POOL_MOST ? (unsigned int)nr : CORO__POOL_MOST;
}

static void coro__pool_free(struct coro_pool *p)
{
	for (unsigned int i = 0; i < p->nr; i++)
		coro__lane_fini(&p->lanes[i]);
	coro_event_fini(&p->stop);
	pthread_cond_destroy(&p->begun);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct coro_pool *coro__pool_new(unsigned int nr)
{
	struct coro_pool *p =
		coro__calloc(1, sizeof(*p) + nr * sizeof(p->lanes[0]));

	if (!p)
		return NULL;
	p->refs = 1;
	p->forks = coro__forks();
	p->nr = nr;
	coro_event_init(&p->stop, CORO_SHARED);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->begun, NULL);
	for (unsigned int i = 0; i < nr; i++)
		coro__lane_init(&p->lanes[i], p, i);
	return p;
}

struct coro_pool *coro_pool_get(struct coro_pool *p)
{
	CORO__ENTRY;

	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void coro_pool_put(struct coro_pool *p)
{
	CORO__ENTRY;

	if (p && !__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		coro__pool_free(p);
}

static struct coro__lane *coro__lane_self(void)
{
	const struct coro__loop *loop = coro__thread()->loop;

	return loop ? loop->lane : NULL;
}

struct coro_pool *coro_pool_self(void)
{
	CORO__ENTRY;
	const struct coro__lane *lane = coro__lane_self();

	return lane ? lane->pool : NULL;
}

unsigned int coro_pool_loops(const struct coro_pool *p)
{
	CORO__ENTRY;

	return p->nr;
}

int coro_pool_index(void)
{
	CORO__ENTRY;
	const struct coro__lane *lane = coro__lane_self();

	return lane ? (int)lane->index : -EPERM;
}

/* What it has, and what it was given and has not started. */
static unsigned int coro__lane_load(const struct coro__lane *lane)
{
	return __atomic_load_n(&lane->load, __ATOMIC_RELAXED) +
	       __atomic_load_n(&lane->nr_queued, __ATOMIC_RELAXED);
}

static bool coro__lane_takes(const struct coro__lane *lane)
{
	return !__atomic_load_n(&lane->closed, __ATOMIC_RELAXED);
}

/*
 * Of two, the one with less: the caller's own, which needs not be woken, and another
 * in turn. That is nearly as even as the least of all, and asks no more for more
 * loops (M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing).
 */
struct coro__lane *coro__pool_choose(struct coro_pool *p)
{
	unsigned int turn = __atomic_fetch_add(&p->turn, 1, __ATOMIC_RELAXED);
	struct coro__lane *own = coro__lane_self();
	struct coro__lane *other = NULL;

	if (!own || own->pool != p)
		own = &p->lanes[(turn + p->nr / 2) % p->nr];
	/* A lane whose thread has ended takes none. */
	for (unsigned int i = 0; i < p->nr && !other; i++) {
		struct coro__lane *lane = &p->lanes[(turn + i) % p->nr];

		if (lane != own && coro__lane_takes(lane))
			other = lane;
	}
	if (!other)
		return own;
	if (!coro__lane_takes(own))
		return other;
	return coro__lane_load(other) < coro__lane_load(own) ? other : own;
}

void coro__pool_stop(struct coro_pool *p)
{
	for (unsigned int i = 0; i < p->nr; i++)
		coro__lane_close(&p->lanes[i]);
	coro_event_set(&p->stop);
}

/* A lane's thread: it runs, or cannot for @err. */
static void coro__pool_tell(struct coro_pool *p, int err)
{
	pthread_mutex_lock(&p->lock);
	p->nr_begun++;
	if (err && !p->err)
		p->err = err;
	pthread_cond_signal(&p->begun);
	pthread_mutex_unlock(&p->lock);
}

/* Until @nr lanes run, or cannot. They do nothing else, and so does this. */
static int coro__pool_await(struct coro_pool *p, unsigned int nr)
{
	int old, err;

	/* pthread_cancel() has its effect later: the lanes need the lock. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_mutex_lock(&p->lock);
	while (p->nr_begun < nr)
		pthread_cond_wait(&p->begun, &p->lock);
	err = p->err;
	pthread_mutex_unlock(&p->lock);
	pthread_setcancelstate(old, NULL);
	return err;
}

static long coro__lane_main(void *arg)
{
	CORO__ENTRY;
	struct coro__lane *lane = arg;

	coro__lane_begin(lane, coro__thread()->loop);
	coro__pool_tell(lane->pool, 0);
	return coro_event_wait(&lane->pool->stop, CORO_NEVER);
}

static void *coro__lane_thread(void *arg)
{
	struct coro__lane *lane = arg;
	struct coro_pool *p = lane->pool;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "coro-loop-%u", lane->index);
	coro__thread_begin(name);
	err = coro_thread_init(&p->thread);
	if (!err) {
		coro__own.lane = lane;
		err = coro__run(coro__lane_main, lane, &p->loop, NULL, NULL);
		coro__own.lane = NULL;
	}
	if (!lane->shared)
		coro__pool_tell(p, err);
	coro_pool_put(p);
	return NULL;
}

static int coro__lane_launch(struct coro__lane *lane)
{
	int err = coro__fault(CORO_FAULT_SYSCALL);
	sigset_t mask, old;

	if (err)
		return err;
	coro__faults_only(&mask);
	coro_pool_get(lane->pool);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	err = -pthread_create(&lane->thread, NULL, coro__lane_thread, lane);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		coro_pool_put(lane->pool);
	return err;
}

/* All lanes but the first. */
static int coro__pool_launch(struct coro_pool *p)
{
	int err = 0, begun;

	for (p->nr_threads = 1; p->nr_threads < p->nr; p->nr_threads++) {
		err = coro__lane_launch(&p->lanes[p->nr_threads]);
		if (err)
			break;
	}
	begun = coro__pool_await(p, p->nr_threads - 1);
	return err ? err : begun;
}

static long coro__pool_main(void *arg)
{
	CORO__ENTRY;
	struct coro__pool_run *run = arg;

	coro__lane_begin(&run->pool->lanes[0], coro__thread()->loop);
	run->err = coro__pool_launch(run->pool);
	return run->err ? run->err : coro__call_own(run->fn, run->arg);
}

static int coro__pool_opts(struct coro_pool_opts *o,
			   struct coro_loop_opts *loop,
			   struct coro_thread_opts *thread,
			   const struct coro_pool_opts *opts)
{
	int err = coro__opts_copy(o, sizeof(*o), opts);

	if (!err)
		err = coro__opts_copy(loop, sizeof(*loop), o->loop);
	if (!err)
		err = coro__opts_copy(thread, sizeof(*thread), o->thread);
	if (!err && (o->loops > CORO__POOL_MOST || o->flags || loop->sim))
		err = -EINVAL;
	loop->size = sizeof(*loop);
	thread->size = sizeof(*thread);
	return err;
}

static void coro__pool_join(const struct coro_pool *p)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	for (unsigned int i = 1; i < p->nr_threads; i++)
		pthread_join(p->lanes[i].thread, NULL);
	pthread_setcancelstate(old, NULL);
}

int coro_pool_run(long (*fn)(void *arg), void *arg,
		  const struct coro_pool_opts *opts, long *ret_value)
{
	CORO__ENTRY;
	struct coro__pool_run run = { .fn = fn, .arg = arg };
	struct coro_loop_opts loop;
	struct coro_thread_opts thread;
	struct coro_pool_opts o;
	struct coro_pool *p;
	long value;
	int err;

	err = coro__pool_opts(&o, &loop, &thread, opts);
	if (err || !fn)
		return err ? err : -EINVAL;
	if (coro__thread()->loop || coro__thread()->cur)
		return -EBUSY;
	p = coro__pool_new(o.loops ? o.loops : coro__pool_processors());
	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->loop.flags &= ~CORO_RUN_F_INTERRUPT;
	p->loop.context = NULL;
	p->thread = thread;
	run.pool = p;
	coro__own.lane = &p->lanes[0];
	err = coro__run(coro__pool_main, &run, &loop,
			__builtin_return_address(0), &value);
	coro__own.lane = NULL;
	coro__pool_join(p);
	coro_pool_put(p);
	err = run.err ? run.err : err;
	if (!err && ret_value)
		*ret_value = value;
	return err;
}

/* Threads that nobody joins any more, and the reference of who ran the pool. */
void coro__pool_abandon(struct coro_pool *p)
{
	coro__pool_stop(p);
	for (unsigned int i = 1; i < p->nr_threads; i++)
		pthread_detach(p->lanes[i].thread);
}
