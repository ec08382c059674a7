// SPDX-License-Identifier: MIT
/* Calls on other loops: cancels, deadlines and groups reach across. */
#include "lib_pool.h"

LIB_FIXTURE(pool_call)

static long call_on(unsigned int loop, long (*fn)(void *arg), void *arg)
{
	const struct coro_work_opts opts = on_loop(loop);
	long value = POISON_LONG;
	int err = coro_pool_call(coro_pool_self(), fn, arg, &opts, &value);

	return err ? err : value;
}

static long add(void *arg)
{
	int *nr = arg;

	return *nr += 1;
}

static long call_plainly(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	int nr = 0;

	(void)arg;
	EXPECT_EQ(1, call_on(1, add, &nr));
	EXPECT_EQ(2, call_on(0, add, &nr));
	EXPECT_EQ(0, coro_pool_call(p, add, &nr, NULL, NULL));
	EXPECT_EQ(3, nr);
	EXPECT_EQ(-ECANCELED, call_on(1, give_arg, (void *)-ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

TEST_F(pool_call, result_is_what_the_function_returned)
{
	EXPECT_EQ(0, run_pool(2, call_plainly, NULL));
}

static long call_wrongly(void *arg)
{
	struct {
		struct coro_work_opts known;
		long unknown;
	} o = { .known = on_loop(2) };
	struct coro_pool *p = coro_pool_self();
	long value = POISON_LONG;
	int runs = 0;

	(void)arg;
	EXPECT_EQ(-EINVAL,
		  coro_pool_call(p, count_entry, &runs, &o.known, &value));
	o.known.loop = 1;
	o.known.size = sizeof(o);
	o.unknown = 1;
	EXPECT_EQ(-E2BIG,
		  coro_pool_call(p, count_entry, &runs, &o.known, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, runs);
	return 0;
}

TEST_F(pool_call, errors_of_the_start_are_the_calls)
{
	EXPECT_EQ(0, run_pool(2, call_wrongly, NULL));
}

static long call_cancelled(void *arg)
{
	long value = POISON_LONG;
	struct coro_scope s;

	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_cancel(&s));
	EXPECT_EQ(-ECANCELED, coro_pool_call(coro_pool_self(), count_entry, arg,
					     NULL, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_scope_leave(&s, -ECANCELED));
	return 0;
}

TEST_F(pool_call, one_that_is_cancelled_calls_nothing)
{
	int runs = 0;

	EXPECT_EQ(0, run_pool(2, call_cancelled, &runs));
	EXPECT_EQ(0, runs);
}

static sem_t begun;

static long meet_cancel(void *arg)
{
	sem_post(&begun);
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ECANCELED, coro_check());
	return (long)arg;
}

static long call_and_be_cancelled(void *arg)
{
	EXPECT_EQ((long)arg, call_on(1, meet_cancel, arg));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	return (long)arg + 1;
}

static long cancel_callers(void *arg)
{
	struct coro *c = coro_new(call_and_be_cancelled, (void *)6L);
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_HANDLE);
	sem_take(&begun);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(7, coro_await(c));
	EXPECT_EQ(0, coro_scope_enter(&s, coro_after(20 * SOON_NS)));
	EXPECT_EQ(8, call_on(1, meet_cancel, (void *)8L));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

TEST_F(pool_call, cancels_and_deadlines_go_on_to_the_function)
{
	sem_init(&begun, 0, 0);
	EXPECT_EQ(0, run_pool(2, cancel_callers, NULL));
	sem_destroy(&begun);
}

static long call_held_up(void *arg)
{
	struct coro_work_opts opts = on_loop(1);
	long value = POISON_LONG;

	opts.dispose = count_disposal;
	EXPECT_EQ(0, coro_pool_call(coro_pool_self(), count_entry, arg, &opts,
				    &value));
	EXPECT_EQ(-ECANCELED, value);
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	return 0;
}

static long cancel_before_start(void *arg)
{
	struct coro *c = coro_new(call_held_up, arg);
	struct hold h;

	hold_up(&h, 1);
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_HANDLE);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	/* The argument may be on its stack: it waits. */
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, counted(arg));
	let_go(&h);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(1, counted(arg));
	return 0;
}

TEST_F(pool_call, function_that_has_not_begun_is_disposed_of)
{
	int disposals = 0;

	EXPECT_EQ(0, run_pool(2, cancel_before_start, &disposals));
}

enum { CHILDREN = 100 };

static struct {
	int entered, cancelled;
} children;

static long wait_or_fail(void *arg)
{
	int err;

	count(&children.entered);
	if ((long)arg == CHILDREN - 1)
		return -EIO;
	err = coro_sleep(FAR_NS);
	if (err == -ECANCELED)
		count(&children.cancelled);
	return err;
}

static long call_child(void *arg)
{
	struct coro_pool *p = coro_pool_self();
	long value = POISON_LONG;
	int err = coro_pool_call(p, wait_or_fail, arg, NULL, &value);

	return err ? err : value;
}

static long group_calls(void *arg)
{
	struct coro_group g;

	(void)arg;
	memset(&children, 0, sizeof(children));
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (long i = 0; i < CHILDREN; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, call_child, (void *)i));
	EXPECT_EQ(-EIO, coro_group_close(&g, 0));
	EXPECT_LT(0, counted(&children.entered));
	EXPECT_EQ(children.entered, children.cancelled + 1);
	return coro_sleep(0);
}

TEST_F(pool_call, failure_of_one_ends_the_others_of_its_group)
{
	for (unsigned int loops = 1; loops <= 4; loops++)
		EXPECT_EQ(0, run_pool(loops, group_calls, NULL));
}

static long call_deeper(void *arg)
{
	long depth = (long)arg;

	return depth ? 1 + call_on(depth % 3, call_deeper,
				   (void *)(depth - 1)) :
		       0;
}

TEST_F(pool_call, calls_nest_across_loops)
{
	EXPECT_EQ(50, run_pool(3, call_deeper, (void *)50L));
}

/* A pool that runs in another thread until it is told to end. */
struct elsewhere {
	pthread_t thread;
	sem_t runs;
	struct coro_pool *pool;
	struct coro *main;
};

static long wait_for_the_end(void *arg)
{
	struct elsewhere *e = arg;
	uint64_t value;

	e->main = coro_self();
	e->pool = coro_pool_get(coro_pool_self());
	sem_post(&e->runs);
	return coro_recv(&value, CORO_NEVER);
}

static void *run_elsewhere(void *arg)
{
	EXPECT_EQ(0, run_pool(2, wait_for_the_end, arg));
	return NULL;
}

static long call_elsewhere(void *arg)
{
	struct elsewhere *e = arg;
	int nr = 0;

	for (int i = 0; i < 50; i++)
		EXPECT_EQ(0, coro_pool_call(e->pool, add, &nr, NULL, NULL));
	EXPECT_EQ(0, coro_wake(e->main, 0));
	return nr;
}

TEST_F(pool_call, caller_may_be_in_another_loop_or_pool)
{
	struct elsewhere e;

	for (int i = 0; i < 2; i++) {
		sem_init(&e.runs, 0, 0);
		pthread_create(&e.thread, NULL, run_elsewhere, &e);
		sem_take(&e.runs);
		EXPECT_EQ(50, i ? coro_run(call_elsewhere, &e) :
				  run_pool(2, call_elsewhere, &e));
		pthread_join(e.thread, NULL);
		coro_pool_put(e.pool);
		sem_destroy(&e.runs);
	}
}

TEST_HARNESS_MAIN
