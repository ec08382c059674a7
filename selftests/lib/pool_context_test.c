// SPDX-License-Identifier: MIT
/* The context of work: a copy of its giver's, wherever it runs, and given back once. */
#include "lib_pool.h"

/* With a destructor that counts: every value that was set is destroyed once. */
static struct coro_var *var;
static int destroyed[1000];

FIXTURE(pool_context){};

static void destroy(void *value)
{
	count(&destroyed[(long)value]);
}

FIXTURE_SETUP(pool_context)
{
	const struct coro_var_opts opts = { .size = sizeof(opts),
					    .destroy = destroy };

	bodies_expect(_metadata);
	ASSERT_EQ(0, coro_var_new(&var, "number", &opts));
}

FIXTURE_TEARDOWN(pool_context)
{
	coro_var_free(var);
	EXPECT_EQ(0, leaked());
}

static void expect_destroyed(long from, long to)
{
	for (long i = from; i < to; i++)
		EXPECT_EQ(1, counted(&destroyed[i]));
}

static void set(long value)
{
	EXPECT_EQ(0, coro_var_set(var, (void *)value, NULL));
}

static long get(void)
{
	return (long)coro_var_get_or(var, NULL);
}

/* What it found; then it has another one. */
static long find_and_set(void *arg)
{
	long found = get();

	set((long)arg);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ((long)arg, get());
	return found;
}

static long give_values(void *arg)
{
	struct coro_work *w[50];

	(void)arg;
	for (long i = 0; i < 50; i++) {
		set(100 + i);
		w[i] = start_work(find_and_set, (void *)(200 + i), NULL);
	}
	set(150);
	for (long i = 0; i < 50; i++)
		EXPECT_EQ(100 + i, end_work(w[i]));
	EXPECT_EQ(150, get());
	/* All but the own one have been let go by now. */
	expect_destroyed(100, 150);
	expect_destroyed(200, 250);
	EXPECT_EQ(0, counted(&destroyed[150]));
	return 0;
}

TEST_F(pool_context, work_has_a_copy_of_its_givers)
{
	EXPECT_EQ(0, run_pool(3, give_values, NULL));
	expect_destroyed(150, 151);
}

static long find(void *arg)
{
	(void)arg;
	return get();
}

static struct coro_pool *pool;

static long give_from_outside(void *arg)
{
	struct coro_work **w = arg;

	EXPECT_EQ(0, get());
	set(300);
	EXPECT_EQ(0, coro_work_start(w, pool, find, NULL, NULL));
	set(301);
	return 0;
}

static void give_from_call(void *arg)
{
	struct coro_work **w = arg;

	set(303);
	*w = start_work(find, NULL, NULL);
}

static long give_from_everywhere(void *arg)
{
	struct coro_work *w = NULL;
	long value = POISON_LONG;

	(void)arg;
	pool = coro_pool_self();
	EXPECT_EQ(0, in_thread(give_from_outside, &w));
	EXPECT_EQ(300, end_work(w));
	expect_destroyed(300, 302);
	set(302);
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), give_from_call, &w));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(303, end_work(w));
	EXPECT_EQ(0, coro_pool_call(pool, find, NULL, NULL, &value));
	EXPECT_EQ(302, value);
	return 0;
}

TEST_F(pool_context, giver_may_be_a_thread_or_a_called_function)
{
	EXPECT_EQ(0, run_pool(2, give_from_everywhere, NULL));
	expect_destroyed(302, 304);
}

static long leave_unstarted(void *arg)
{
	static struct hold h;
	struct coro_work *w;

	(void)arg;
	hold_up(&h, 1);
	set(400);
	w = start_on(1, find, NULL);
	set(401);
	EXPECT_EQ(0, coro_work_cancel(w));
	let_go(&h);
	EXPECT_EQ(-ECANCELED, end_work(w));
	expect_destroyed(400, 401);
	/* And what the end of the pool keeps from starting. */
	hold_up(&h, 1);
	coro_work_put(h.work);
	h.work = start_on(1, find, NULL);
	coro_work_put(h.work);
	set(402);
	sem_post(&h.go);
	return 0;
}

TEST_F(pool_context, work_that_never_starts_gives_its_copy_back)
{
	EXPECT_EQ(0, run_pool(2, leave_unstarted, NULL));
	expect_destroyed(400, 403);
}

TEST_HARNESS_MAIN
