/* SPDX-License-Identifier: MIT */
/* Functions of tests that block until they are let go, and what was seen of them. */
#ifndef CORO_SELFTESTS_LIB_BLOCKING_H
#define CORO_SELFTESTS_LIB_BLOCKING_H

#include <semaphore.h>

#include "lib_common.h"

/* CORO_RUN_F_HANDOFF, the same and ALWAYS, or 0: each case under all of them. */
static uint64_t run_flags;

/* As coro_run(), in the way of the case's variant. */
static inline long run_loop(long (*fn)(void *arg), void *arg)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .flags = run_flags };
	long value = POISON_LONG;
	int err = coro_run_opts(fn, arg, &opts, &value);

	return err ? err : value;
}

/* clang-format off */
#define BLOCKING_FIXTURE(object)                         \
	FIXTURE(object){};                               \
	FIXTURE_VARIANT(object)                          \
	{                                                \
		uint64_t flags;                          \
	};                                               \
	FIXTURE_VARIANT_ADD(object, pool){ .flags = 0 }; \
	FIXTURE_VARIANT_ADD(object, handoff){            \
		.flags = CORO_RUN_F_HANDOFF };           \
	FIXTURE_VARIANT_ADD(object, always){             \
		.flags = CORO_RUN_F_HANDOFF_ALWAYS };    \
	FIXTURE_SETUP(object)                            \
	{                                                \
		bodies_expect(_metadata);                \
		run_flags = variant->flags;              \
	}                                                \
	FIXTURE_TEARDOWN(object)                         \
	{                                                \
		EXPECT_EQ(0, leaked());                  \
	}
/* clang-format on */

/*
 * One call. Counts are written by one thread at a time, and read when a semaphore or
 * the end of the call says that it is done.
 */
struct job {
	sem_t begun, go, disposed;
	long result;
	int runs; /* of the function */
	int nr_disposed;
	long disposed_value;
	bool told; /* coro_blocking_cancelled() of the function, at its end */
	bool told_dispose; /* and of dispose */
	pthread_t thread, dispose_thread;
	int64_t grace_ns;
	bool disposes;
	/* Of the coroutine that calls. */
	int err, next_err;
	long value;
};

static inline struct job *job_init(struct job *j, long result)
{
	memset(j, 0, sizeof(*j));
	sem_init(&j->begun, 0, 0);
	sem_init(&j->go, 0, 0);
	sem_init(&j->disposed, 0, 0);
	j->result = result;
	j->err = 1;
	j->next_err = 1;
	j->value = POISON_LONG;
	return j;
}

static inline void sem_take(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

/* Blocks until it is let go, whatever happens. */
static inline long job_block(void *arg)
{
	struct job *j = arg;

	j->runs++;
	j->thread = pthread_self();
	sem_post(&j->begun);
	sem_take(&j->go);
	j->told = coro_blocking_cancelled();
	return j->result;
}

/* Blocks until it is told that nobody wants its result. */
static inline long job_listen(void *arg)
{
	const struct timespec ts = { .tv_nsec = 100000 };
	struct job *j = arg;

	j->runs++;
	sem_post(&j->begun);
	while (!coro_blocking_cancelled())
		nanosleep(&ts, NULL);
	j->told = true;
	return j->result;
}

static inline void job_dispose(void *arg, long value)
{
	struct job *j = arg;

	j->nr_disposed++;
	j->disposed_value = value;
	j->told_dispose = coro_blocking_cancelled();
	j->dispose_thread = pthread_self();
	sem_post(&j->disposed);
}

static inline void job_call(struct job *j, long (*fn)(void *arg))
{
	struct coro_blocking_opts opts = { .size = sizeof(opts),
					   .grace_ns = j->grace_ns };

	opts.dispose = j->disposes ? job_dispose : NULL;
	j->err = coro_blocking_opts(fn, j, &j->value, &opts);
	j->next_err = coro_sleep(0);
}

/* Coroutines that call the two. */
static inline long call_block(void *arg)
{
	job_call(arg, job_block);
	return 0;
}

static inline long call_listen(void *arg)
{
	job_call(arg, job_listen);
	return 0;
}

/* Of a loop's coroutine: one that runs @fn(@j), once its function has begun. */
static inline struct coro *job_start(struct job *j, long (*fn)(void *arg))
{
	struct coro *c = coro_new_named(fn, j, "caller");

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_BLOCKING);
	sem_take(&j->begun);
	return c;
}

static inline struct coro_blocking_info info_now(void)
{
	struct coro_blocking_info info = { .size = sizeof(info) };

	EXPECT_EQ(0, coro_blocking_info_read(&info));
	return info;
}

#endif /* CORO_SELFTESTS_LIB_BLOCKING_H */
