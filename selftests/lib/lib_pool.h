/* SPDX-License-Identifier: MIT */
/* Tests of pools: run one, give it work, and see how that ended. */
#ifndef CORO_SELFTESTS_LIB_POOL_H
#define CORO_SELFTESTS_LIB_POOL_H

#include <semaphore.h>

#include "lib_common.h"

/* What @fn returned, as the first coroutine of a pool, or the error of that. */
static inline long run_pool(unsigned int loops, long (*fn)(void *arg),
			    void *arg)
{
	const struct coro_pool_opts opts = { .size = sizeof(opts),
					     .loops = loops };
	long value = POISON_LONG;
	int err = coro_pool_run(fn, arg, &opts, &value);

	return err ? err : value;
}

/* Work for the pool of the caller, with a reference. */
static inline struct coro_work *start_work(long (*fn)(void *arg), void *arg,
					   const struct coro_work_opts *opts)
{
	struct coro_work *w = NULL;

	EXPECT_EQ(0, coro_work_start(&w, coro_pool_self(), fn, arg, opts));
	return w;
}

/* The result of work, whose reference is given back; or an error of the join. */
static inline long end_work(struct coro_work *w)
{
	long value = POISON_LONG;
	int err = coro_work_join(w, &value, CORO_NEVER);

	coro_work_put(w);
	return err ? err : value;
}

/* Options of work for the loop of that number alone. */
static inline struct coro_work_opts on_loop(unsigned int loop)
{
	return (struct coro_work_opts){ .size = sizeof(struct coro_work_opts),
					.loop = loop,
					.flags = CORO_WORK_F_LOOP };
}

/* The same for start_work(). */
static inline struct coro_work *start_on(unsigned int loop,
					 long (*fn)(void *arg), void *arg)
{
	const struct coro_work_opts opts = on_loop(loop);

	return start_work(fn, arg, &opts);
}

static inline void sem_take(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

/* A loop that does nothing until it is let go. */
struct hold {
	sem_t begun, go;
	struct coro_work *work;
};

static inline long hold_loop(void *arg)
{
	struct hold *h = arg;

	sem_post(&h->begun);
	sem_take(&h->go);
	return 0;
}

static inline void hold_up(struct hold *h, unsigned int loop)
{
	sem_init(&h->begun, 0, 0);
	sem_init(&h->go, 0, 0);
	h->work = start_on(loop, hold_loop, h);
	sem_take(&h->begun);
}

static inline void let_go(struct hold *h)
{
	sem_post(&h->go);
	EXPECT_EQ(0, end_work(h->work));
	sem_destroy(&h->begun);
	sem_destroy(&h->go);
}

/* Counters of several threads. */
static inline void count(int *nr)
{
	__atomic_add_fetch(nr, 1, __ATOMIC_RELAXED);
}

static inline int counted(const int *nr)
{
	return __atomic_load_n(nr, __ATOMIC_RELAXED);
}

static inline long give_arg(void *arg)
{
	return (long)arg;
}

static inline long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

static inline long count_entry(void *arg)
{
	count(arg);
	return 0;
}

/* Disposes: never in a coroutine, always on the thread of a loop. */
static inline void count_disposal(void *arg)
{
	EXPECT_EQ(NULL, coro_self());
	EXPECT_LE(0, coro_pool_index());
	count(arg);
}

#endif /* CORO_SELFTESTS_LIB_POOL_H */
