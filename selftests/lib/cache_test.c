// SPDX-License-Identifier: MIT
/* Stacks that are kept warm: as many as a busy loop needs, few when it rests. */
#include "lib_common.h"

LIB_FIXTURE(cache)

enum { KEPT = 64, CROWD = 1000, SOME = 8 };

static uint64_t contexts(void)
{
	struct coro_stats stats = { .size = sizeof(stats) };

	return coro_stats_read(&stats) ? 0 : stats.contexts;
}

static long nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void crowd(void)
{
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (int i = 0; i < CROWD; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, nothing, NULL));
	EXPECT_EQ(0, coro_group_close(&g, 0));
}

/* In a thread whose scheduler keeps few. */
static long in_a_loop(void *arg)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .max_cached = KEPT };
	long (*fn)(void *arg) = *(long (**)(void *))arg;

	EXPECT_EQ(0, coro_thread_init(&opts));
	EXPECT_EQ(0, coro_run(fn, NULL));
	EXPECT_GE(KEPT + SOME, contexts());
	return 0;
}

static void run_keeping_few(long (*fn)(void *arg))
{
	EXPECT_EQ(0, in_thread(in_a_loop, &fn));
}

static long crowd_and_rest(void *arg)
{
	(void)arg;
	crowd();
	EXPECT_LE(CROWD, contexts());
	/* Its timers go before, however long that takes. */
	for (int i = 0; i < 1000 && contexts() > KEPT + SOME; i++)
		coro_sleep(SOON_NS);
	EXPECT_GE(KEPT + SOME, contexts());
	return 0;
}

TEST_F(cache, crowd_stays_warm_until_the_loop_rests)
{
	run_keeping_few(crowd_and_rest);
}

static long crowds(void *arg)
{
	struct coro_stats stats = { .size = sizeof(stats) };

	(void)arg;
	for (int i = 0; i < 10; i++)
		crowd();
	EXPECT_EQ(0, coro_stats_read(&stats));
	/* Fetched 256 at once. */
	EXPECT_GE((uint64_t)CROWD + SOME + 256, stats.contexts_peak);
	return 0;
}

TEST_F(cache, next_crowd_has_the_stacks_of_the_last)
{
	run_keeping_few(crowds);
}

static long crowd_and_work(void *arg)
{
	int turns = 0;

	(void)arg;
	crowd();
	/* Never without something to do. */
	while (contexts() > KEPT + SOME && ++turns < 1000) {
		for (int i = 0; i < 1000; i++)
			coro_sleep(0);
	}
	EXPECT_LT(1, turns);
	EXPECT_GT(1000, turns);
	return 0;
}

TEST_F(cache, busy_loop_gives_back_what_it_does_not_need)
{
	run_keeping_few(crowd_and_work);
}

static long crowd_and_end(void *arg)
{
	(void)arg;
	crowd();
	return 0;
}

TEST_F(cache, end_of_the_loop_gives_back_the_rest)
{
	run_keeping_few(crowd_and_end);
}

static long keep_one(void *arg)
{
	struct coro_thread_opts opts = { .size = sizeof(opts),
					 .max_cached = *(unsigned int *)arg };
	struct coro *c[SOME];

	EXPECT_EQ(0, coro_thread_init(&opts));
	for (int i = 0; i < SOME; i++)
		c[i] = coro_new(nothing, NULL);
	for (int i = 0; i < SOME; i++)
		coro_put(c[i]);
	EXPECT_GE(opts.max_cached, contexts());
	return 0;
}

TEST_F(cache, bound_may_be_any_number)
{
	for (unsigned int nr = 1; nr < SOME; nr++)
		EXPECT_EQ(0, in_thread(keep_one, &nr));
}

TEST_HARNESS_MAIN
