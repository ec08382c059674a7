// SPDX-License-Identifier: MIT
/* The end of a pool: when its first function returns, and what work meets then. */
#include "lib_pool.h"

LIB_FIXTURE(pool_end)

/* Of all that was given: entered or disposed of, once. */
static struct {
	int given, refused, entered, disposed, unstarted, ended;
} all;

static void dispose(void *arg)
{
	(void)arg;
	count_disposal(&all.disposed);
}

static const struct coro_work_opts disposing = { .size = sizeof(disposing),
						 .dispose = dispose };

static int give(long (*fn)(void *arg), unsigned int loop)
{
	struct coro_work_opts opts = on_loop(loop);
	int err;

	opts.dispose = dispose;
	err = coro_work_start(NULL, coro_pool_self(), fn, NULL,
			      loop == UINT_MAX ? &disposing : &opts);
	count(err ? &all.refused : &all.given);
	return err;
}

static long sleep_to_the_end(void *arg)
{
	int err;

	(void)arg;
	count(&all.entered);
	err = coro_sleep(FAR_NS);
	EXPECT_EQ(-ECANCELED, err);
	count(&all.ended);
	return err;
}

static long give_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(0, give(sleep_to_the_end, UINT_MAX));
	for (unsigned int i = 0; i < 100; i++)
		EXPECT_EQ(0, give(sleep_to_the_end, i % 3));
	return 21;
}

/* However far they came. */
static long give_many_and_wait(void *arg)
{
	for (long i = give_many(NULL); i < (long)arg; i++)
		EXPECT_EQ(0, coro_sleep(0));
	return 22;
}

static void expect_accounts(void)
{
	EXPECT_EQ(all.given, all.entered + all.disposed);
	EXPECT_EQ(all.entered, all.ended);
}

TEST_F(pool_end, all_that_was_given_has_ended_or_was_disposed_of)
{
	for (unsigned int loops = 3; loops <= 5; loops++) {
		EXPECT_EQ(21, run_pool(loops, give_many, NULL));
		expect_accounts();
		for (long i = 0; i < 40; i += 4)
			EXPECT_EQ(22, run_pool(loops, give_many_and_wait,
					       (void *)i));
		expect_accounts();
	}
}

static long never_enter(void *arg)
{
	(void)arg;
	count(&all.entered);
	return 0;
}

static struct hold hold;
static struct coro_pool *ending;
static pthread_t holder;

/* Lets the loop go when nothing starts any more: the pool refuses work. */
static void *let_go_at_the_end(void *arg)
{
	while (!coro_pool_spawn(ending, give_arg, arg))
		usleep(100);
	coro_pool_put(ending);
	sem_post(&hold.go);
	return NULL;
}

static long leave_unstarted(void *arg)
{
	hold_up(&hold, 1);
	coro_work_put(hold.work);
	for (int i = 0; i < 3000; i++)
		EXPECT_EQ(0, give(never_enter, 1));
	ending = coro_pool_get(coro_pool_self());
	pthread_create(&holder, NULL, let_go_at_the_end, arg);
	return 0;
}

TEST_F(pool_end, thousands_that_never_start_are_disposed_of)
{
	EXPECT_EQ(0, run_pool(2, leave_unstarted, NULL));
	pthread_join(holder, NULL);
	EXPECT_EQ(0, all.entered);
	EXPECT_EQ(3000, all.disposed);
}

static struct coro_work *kept[3];

static long join_to_the_end(void *arg)
{
	struct coro_work *w = arg;
	long value = POISON_LONG;

	int err;

	count(&all.entered);
	err = coro_work_join(w, &value, CORO_NEVER);
	/* Which of the two loops is the first? */
	EXPECT_EQ(-ECANCELED, err ? err : value);
	EXPECT_EQ(!!err, value == POISON_LONG);
	return 1;
}

/* A join that is shielded goes on across loops that end. */
static long join_shielded(void *arg)
{
	struct coro_work *w = arg;
	struct coro_scope s;
	long value = POISON_LONG;

	count(&all.entered);
	EXPECT_EQ(0, coro_scope_shield(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_work_join(w, &value, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, value);
	coro_scope_leave(&s, 0);
	EXPECT_EQ(-ECANCELED, coro_check());
	return 2;
}

static long be_joined_at_the_end(void *arg)
{
	(void)arg;
	kept[0] = start_on(1, sleep_to_the_end, NULL);
	kept[1] = start_on(2, join_to_the_end, kept[0]);
	kept[2] = start_on(0, join_shielded, kept[0]);
	while (counted(&all.entered) < 3)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

static long join_kept(void *arg)
{
	return end_work(kept[(long)arg]);
}

TEST_F(pool_end, work_that_is_joined_across_loops_ends)
{
	for (int i = 0; i < 20; i++) {
		all.entered = 0;
		EXPECT_EQ(0, run_pool(3, be_joined_at_the_end, NULL));
		EXPECT_EQ(-ECANCELED, coro_run(join_kept, (void *)0L));
		EXPECT_EQ(1, coro_run(join_kept, (void *)1L));
		EXPECT_EQ(2, coro_run(join_kept, (void *)2L));
	}
}

static long give_until_refused(void *arg)
{
	(void)arg;
	count(&all.entered);
	while (!give(give_until_refused, UINT_MAX))
		coro_sleep(CORO_MSEC / 10);
	/* Once it is so it stays so, for every loop. */
	for (unsigned int i = 0; i < 3; i++)
		EXPECT_EQ(-EPIPE, give(give_until_refused, i));
	EXPECT_EQ(-EPIPE, give(give_until_refused, UINT_MAX));
	count(&all.ended);
	return 0;
}

static long start_givers(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, give(give_until_refused, UINT_MAX));
	return coro_sleep(CORO_MSEC);
}

TEST_F(pool_end, work_that_gives_more_is_refused)
{
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(0, run_pool(3, start_givers, NULL));
		expect_accounts();
		EXPECT_LE(10 * 4, all.refused);
	}
}

static long block_to_the_end(void *arg)
{
	struct hold *h = arg;

	sem_post(&h->begun);
	while (!coro_blocking_cancelled())
		sched_yield();
	return 5;
}

static long call_blocking(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_blocking(block_to_the_end, arg, &value));
	EXPECT_EQ(5, value);
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	count(&all.ended);
	return 0;
}

static long block_on_each(void *arg)
{
	for (unsigned int i = 0; i < 3; i++) {
		coro_work_put(start_on(i, call_blocking, arg));
		EXPECT_EQ(0, coro_sleep(0));
	}
	for (int i = 0; i < 3; i++) {
		while (sem_trywait(&((struct hold *)arg)->begun))
			EXPECT_EQ(0, coro_sleep(0));
	}
	return 0;
}

TEST_F(pool_end, end_waits_for_functions_that_block)
{
	struct hold h;

	sem_init(&h.begun, 0, 0);
	EXPECT_EQ(0, run_pool(3, block_on_each, &h));
	EXPECT_EQ(3, all.ended);
	sem_destroy(&h.begun);
}

static long end_slowly(void *arg)
{
	struct coro_scope s;

	count(&all.entered);
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(0, coro_scope_shield(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	coro_scope_leave(&s, 0);
	count(&all.ended);
	return (long)arg;
}

static long leave_slow_ones(void *arg)
{
	for (unsigned int i = 0; i < 4; i++)
		coro_work_put(start_on(i, end_slowly, arg));
	while (counted(&all.entered) < 4)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

TEST_F(pool_end, end_waits_for_cleanup_on_all_loops)
{
	EXPECT_EQ(0, run_pool(4, leave_slow_ones, NULL));
	EXPECT_EQ(4, all.ended);
}

static long exit_now(void *arg)
{
	give_many(NULL);
	if (arg)
		exit(7);
	return 0;
}

static long exit_in_work(void *arg)
{
	EXPECT_EQ(0, coro_pool_spawn(coro_pool_self(), exit_now, arg));
	give_many(NULL);
	return coro_sleep(FAR_NS);
}

static long run_exit(void *arg)
{
	return run_pool(3, arg ? exit_in_work : exit_now, (void *)1L);
}

TEST_F(pool_end, process_may_exit_while_a_pool_runs)
{
	for (long i = 0; i < 10; i++) {
		int status = in_child(run_exit, (void *)(i % 2));

		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(7, WEXITSTATUS(status));
	}
}

static void give_and_join(void *arg)
{
	struct coro_work *w = start_work(give_arg, (void *)17, NULL);

	EXPECT_EQ(17, end_work(w));
	EXPECT_EQ(18, end_work(*(struct coro_work **)arg));
}

static long defer_work(void *arg)
{
	static struct coro_work *before;

	(void)arg;
	before = start_work(give_arg, (void *)18, NULL);
	EXPECT_EQ(0, coro_defer(give_and_join, &before));
	return 23;
}

TEST_F(pool_end, pool_goes_on_while_its_first_function_does_what_it_deferred)
{
	EXPECT_EQ(23, run_pool(1, defer_work, NULL));
	EXPECT_EQ(23, run_pool(3, defer_work, NULL));
}

TEST_HARNESS_MAIN
