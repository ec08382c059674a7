// SPDX-License-Identifier: MIT
/* What a thread knows of its coroutines: made on first use, ended with the thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "annotate.h"
#include "blocking.h"
#include "ferry.h"
#include "interrupt.h"
#include "pool.h"
#include "remote.h"
#include "report.h"
#include "sim.h"
#include "switch.h"

__thread struct coro__thread coro__own;
__thread struct coro__thread *coro__lent;

static pthread_once_t coro__once = PTHREAD_ONCE_INIT;
static pthread_key_t coro__key;
static int coro__key_err;
static unsigned int coro__nr_forks;
static uint64_t coro__nr_threads;

__attribute__((noinline)) struct coro__thread *coro__thread(void)
{
	struct coro__thread *t = coro__this();

	/* Keeps the compiler from computing the address once for both sides of a switch. */
	__asm__ volatile("" : "+r"(t));
	return t;
}

/* A later destructor may make coroutines: then this runs again. */
static void coro__thread_exit(void *arg)
{
	struct coro__thread *t = arg;
	struct coro__sched *s;

	coro__watchdog_end(t);
	/* By pthread_exit() out of a coroutine: the loop cannot go on. */
	if (t->shared) {
		coro__interrupt_end(t->shared);
		coro__doorbell_abandon(t->shared);
	}
	if (t->ferry)
		coro__ferry_free(t->ferry);
	t->ferry = NULL;
	t->shared = NULL;
	t->loop = NULL;
	t->task = NULL;
	t->act = NULL;
	t->cur = NULL;
	/* It disposes of work outside of coroutines. */
	if (t->lane)
		coro__lane_abandon(t->lane);
	t->lane = NULL;
	t->kept = false;
	coro__sim_end(t);
	coro__place_drop(&t->place);
	s = t->sched;
	t->sched = NULL;
	if (!s)
		return;
	coro__ports_abandon(s);
	coro__sched_release(s);
}

/*
 * A child has its parent's memory without the stacks. What the thread that
 * forked knew is forgotten but for its context; the child may begin anew.
 */
static void coro__thread_forked(void)
{
	struct coro__thread *t = &coro__own;
	struct coro__place place = t->place;
	bool kept = t->kept;

	coro__lent = NULL;
	coro__list_forget();
	memset(t, 0, sizeof(*t));
	t->place = place;
	t->kept = kept;
	coro__nr_forks++;
	coro__interrupt_forked();
	coro__blocking_forked();
}

void coro__thread_begin(const char *name)
{
	pthread_setname_np(pthread_self(), name);
	/* Its maker's otherwise, who may be any coroutine. */
	coro__fpcw_reset();
}

void coro__faults_only(sigset_t *ret_set)
{
	static const int faults[] = { SIGSEGV, SIGBUS,	SIGFPE,
				      SIGILL,  SIGTRAP, SIGSYS };

	sigfillset(ret_set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(ret_set, faults[i]);
}

unsigned int coro__forks(void)
{
	return coro__nr_forks;
}

static void coro__thread_once(void)
{
	coro__key_err = -pthread_key_create(&coro__key, coro__thread_exit);
	if (!coro__key_err)
		coro__key_err =
			-pthread_atfork(NULL, NULL, coro__thread_forked);
}

struct coro__thread *coro__thread_driver(void)
{
	struct coro__thread *t = coro__thread();

	if (t->errno_p)
		return t;
	t->errno_p = &errno;
	t->last_key = __atomic_add_fetch(&coro__nr_threads, 1, __ATOMIC_RELAXED)
		      << CORO__KEY_BITS;
	t->tid = gettid();
	coro__mark_thread(t);
	return t;
}

int coro__thread_keep(struct coro__thread *t)
{
	int err;

	if (t->kept)
		return 0;
	pthread_once(&coro__once, coro__thread_once);
	err = coro__key_err;
	if (!err)
		err = -pthread_setspecific(coro__key, t);
	t->kept = !err;
	return err;
}

static int coro__thread_open(const struct coro_thread_opts *opts)
{
	struct coro__thread *t = coro__thread_driver();
	int saved = errno;
	int err;

	err = coro__thread_keep(t);
	if (!err)
		err = coro__sched_new(opts, &t->sched);
	errno = saved;
	return err;
}

int coro__thread_ready(struct coro__thread **ret_thread)
{
	struct coro__thread *t = coro__thread();

	*ret_thread = t;
	return t->sched ? 0 : coro__thread_open(NULL);
}

int coro_thread_init(const struct coro_thread_opts *opts)
{
	CORO__ENTRY;

	return coro__thread()->sched ? -EBUSY : coro__thread_open(opts);
}

const char *coro_backend(void)
{
	CORO__ENTRY;
	struct coro__thread *t;

	return coro__thread_ready(&t) ? NULL : t->sched->be->name;
}

int coro_set_origin_depth(int depth)
{
	CORO__ENTRY;
	struct coro__thread *t = coro__thread();
	int old = t->origin_depth;

	if (depth < 0 || depth > CORO_ORIGIN_MAX)
		return -EINVAL;
	t->origin_depth = depth;
	return old;
}

struct coro *coro_find(uint64_t id)
{
	CORO__ENTRY;
	struct coro__sched *s = coro__thread()->sched;
	const struct coro_shm_context *shm;
	struct coro *c;

	if (!s || !id || CORO_INDEX(id) >= s->space.max)
		return NULL;
	shm = &s->space.table[CORO_INDEX(id)];
	if (shm->generation != CORO_GENERATION(id) ||
	    shm->state == CORO_STATE_FREE)
		return NULL;
	c = coro__sched_object(s, id);
	return coro_get(c);
}

int coro_stats_read(struct coro_stats *stats)
{
	CORO__ENTRY;
	struct coro__sched *s = coro__thread()->sched;
	struct coro_stats all = { .size = sizeof(all) };
	size_t size;
	int err;

	if (!stats || stats->size < offsetof(struct coro_stats, coroutines))
		return -EINVAL;
	if (!s)
		return -ESRCH;
	err = s->be->stats(&s->space, &all);
	if (err)
		return err;
	all.coroutines = s->nr_coroutines;
	size = stats->size;
	all.size = size;
	memcpy(stats, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}
