/* SPDX-License-Identifier: MIT */
/* Tests of pools: run one, give it work, and see how that ended. */
#ifndef CORO_SELFTESTS_LIB_POOL_H
#define CORO_SELFTESTS_LIB_POOL_H

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

#endif /* CORO_SELFTESTS_LIB_POOL_H */
