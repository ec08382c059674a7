// SPDX-License-Identifier: MIT
/* Functions called side by side: gather, race, any. */
#include "lib_scope.h"

LIB_FIXTURE(gather)

static long gather_nothing(void *arg)
{
	EXPECT_EQ(0, coro_gather(arg, 0));
	EXPECT_EQ(0, coro_gather_each(arg, 0));
	EXPECT_EQ(-EINVAL, coro_race(arg, 0));
	EXPECT_EQ(-EINVAL, coro_any(arg, 0, 0, 0));
	EXPECT_EQ(-EINVAL, coro_any(arg, 0, 1, 0));
	EXPECT_EQ(-EINVAL, coro_any(arg, 1, 2, 0));
	EXPECT_EQ(-EINVAL, coro_any(arg, 1, 0, 0));
	return 0;
}

/* GWA-01 */
TEST_F(gather, nothing_is_done_at_once)
{
	struct coro_job job = { .fn = give_arg };

	EXPECT_EQ(-EPERM, coro_gather(&job, 1));
	EXPECT_EQ(-EPERM, coro_gather_each(&job, 1));
	EXPECT_EQ(-EPERM, coro_race(&job, 1));
	EXPECT_EQ(-EPERM, coro_any(&job, 1, 1, 0));
	EXPECT_EQ(0, coro_run(gather_nothing, &job));
}

static long gather_all(void *arg)
{
	struct coro_job good[] = { { sleep_soon, NULL, 1 },
				   { give_arg, (void *)5L, 1 },
				   { give_arg, (void *)(long)INT_MIN, 1 } };
	struct coro_job bad[] = { { clean_up, (void *)5L, 1 },
				  { give_arg, (void *)-EIO, 1 },
				  { sleep_far, NULL, 1 } };

	(void)arg;
	EXPECT_EQ(0, coro_gather(good, 3));
	EXPECT_EQ(0, good[0].result);
	EXPECT_EQ(5, good[1].result);
	EXPECT_EQ(INT_MIN, good[2].result);
	EXPECT_EQ(-EIO, coro_gather(bad, 3));
	EXPECT_EQ(5, bad[0].result);
	EXPECT_EQ(-EIO, bad[1].result);
	EXPECT_EQ(-ECANCELED, bad[2].result);
	return coro_sleep(0);
}

/* GWA-03, GWA-09: the better one holds: siblings are cancelled, and have ended. */
TEST_F(gather, first_failure_cancels_the_others_and_comes_when_all_have_ended)
{
	EXPECT_EQ(0, coro_run(gather_all, NULL));
}

static long gather_each(void *arg)
{
	struct coro_job jobs[] = { { sleep_soon, NULL, 1 },
				   { give_arg, (void *)-EIO, 1 },
				   { give_arg, (void *)-ECANCELED, 1 },
				   { give_arg, (void *)5L, 1 } };

	(void)arg;
	EXPECT_EQ(0, coro_gather_each(jobs, 4));
	EXPECT_EQ(0, jobs[0].result);
	EXPECT_EQ(-EIO, jobs[1].result);
	EXPECT_EQ(-ECANCELED, jobs[2].result);
	EXPECT_EQ(5, jobs[3].result);
	return 0;
}

/* GWA-04 */
TEST_F(gather, failures_can_be_results)
{
	EXPECT_EQ(0, coro_run(gather_each, NULL));
}

static long be_cancelled(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return coro_sleep(0);
}

static long gather_with_cancelled(void *arg)
{
	struct coro_job jobs[] = { { be_cancelled, NULL, 1 },
				   { sleep_soon, NULL, 1 } };

	(void)arg;
	EXPECT_EQ(0, coro_gather(jobs, 2));
	EXPECT_EQ(-ECANCELED, jobs[0].result);
	EXPECT_EQ(0, jobs[1].result);
	return coro_sleep(0);
}

/* GWA-05: the better one holds: who was cancelled is known, and nobody failed. */
TEST_F(gather, job_that_ends_cancelled_by_itself_is_no_failure)
{
	EXPECT_EQ(0, coro_run(gather_with_cancelled, NULL));
}

struct gathering {
	int (*fn)(struct coro_job *jobs, size_t nr);
	struct coro_job jobs[2];
	int err;
	int next;
};

static long do_gather(void *arg)
{
	struct gathering *ga = arg;

	ga->err = ga->fn(ga->jobs, 2);
	ga->next = coro_sleep(0);
	return 0;
}

static void cancel_gathering(struct gathering *ga)
{
	struct coro *c = coro_new(do_gather, ga);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, ga->next);
}

static long cancel_gatherings(void *arg)
{
	struct gathering all = { .fn = coro_gather,
				 .jobs = { { sleep_far, NULL, 1 },
					   { clean_up, NULL, 1 } } };
	struct gathering each = { .fn = coro_gather_each,
				  .jobs = { { clean_up, (void *)-EIO, 1 },
					    { clean_up, (void *)6L, 1 } } };
	struct gathering fails = { .fn = coro_gather,
				   .jobs = { { clean_up, (void *)-EIO, 1 },
					     { clean_up, (void *)6L, 1 } } };

	(void)arg;
	cancel_gathering(&all);
	EXPECT_EQ(-ECANCELED, all.err);
	EXPECT_EQ(-ECANCELED, all.jobs[0].result);
	EXPECT_EQ(0, all.jobs[1].result);
	cancel_gathering(&each);
	EXPECT_EQ(-ECANCELED, each.err);
	EXPECT_EQ(-EIO, each.jobs[0].result);
	EXPECT_EQ(6, each.jobs[1].result);
	cancel_gathering(&fails);
	EXPECT_EQ(-EIO, fails.err);
	return 0;
}

/* GWA-06, GWA-07, GWA-09: GWA-08 is the opposite, and not what is wanted. */
TEST_F(gather, cancel_reaches_every_job_and_waits_for_all)
{
	EXPECT_EQ(0, coro_run(cancel_gatherings, NULL));
}

static long cancel_what_is_done(void *arg)
{
	struct gathering ga = { .fn = coro_gather,
				.jobs = { { give_arg, (void *)3L, 1 },
					  { give_arg, (void *)4L, 1 } } };
	struct coro *c = coro_new(do_gather, &ga);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_GROUP);
	EXPECT_EQ(CORO_AWAITS_GROUP, coro_awaits(c, NULL));
	settle(c, CORO_AWAITS_TURN);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, ga.err);
	EXPECT_EQ(4, ga.jobs[1].result);
	EXPECT_EQ(-ECANCELED, ga.next);
	return 0;
}

/* GWA-10 */
TEST_F(gather, cancel_when_all_have_ended_takes_no_result)
{
	EXPECT_EQ(0, coro_run(cancel_what_is_done, NULL));
}

static long gather_in_shield(void *arg)
{
	struct coro_job jobs[] = { { sleep_soon, NULL, 1 },
				   { sleep_soon, NULL, 1 } };

	(void)arg;
	EXPECT_EQ(0, coro_gather(jobs, 2));
	return jobs[0].result + jobs[1].result;
}

static long call_shielded(void *arg)
{
	return coro_call_shielded(gather_in_shield, arg, CORO_NEVER);
}

static long nest_shields(void *arg)
{
	struct gathering ga = { .fn = coro_gather,
				.jobs = { { call_shielded, NULL, 1 },
					  { sleep_far, NULL, 1 } } };

	(void)arg;
	cancel_gathering(&ga);
	EXPECT_EQ(-ECANCELED, ga.err);
	EXPECT_EQ(0, ga.jobs[0].result);
	EXPECT_EQ(-ECANCELED, ga.jobs[1].result);
	return 0;
}

/* GWA-24 */
TEST_F(gather, shields_and_gathers_nest_both_ways)
{
	EXPECT_EQ(0, coro_run(nest_shields, NULL));
}

static long gather_the_stuck(void *arg)
{
	struct coro_job jobs[] = { { wait_for_ever, NULL, 1 },
				   { wait_for_ever, NULL, 1 } };

	(void)arg;
	EXPECT_EQ(-EDEADLK, coro_gather(jobs, 2));
	EXPECT_EQ(-EDEADLK, coro_race(jobs, 2));
	EXPECT_EQ(-EDEADLK, coro_any(jobs, 2, 1, 0));
	return coro_sleep(0);
}

/* DIA-20 */
TEST_F(gather, jobs_that_nothing_can_wake_are_a_deadlock)
{
	EXPECT_EQ(0, coro_run(gather_the_stuck, NULL));
}

static long run_races(void *arg)
{
	struct coro_job good[] = { { sleep_far, NULL, 1 },
				   { sleep_soon, NULL, 1 },
				   { clean_up, (void *)-EPIPE, 1 } };
	struct coro_job bad[] = { { sleep_far, NULL, 1 },
				  { give_arg, (void *)-EIO, 1 } };
	struct coro_job late[] = { { give_arg, (void *)-ECANCELED, 1 },
				   { sleep_soon, NULL, 1 } };
	struct coro_job none[] = { { give_arg, (void *)-ECANCELED, 1 },
				   { be_cancelled, NULL, 1 } };

	(void)arg;
	EXPECT_EQ(1, coro_race(good, 3));
	EXPECT_EQ(-ECANCELED, good[0].result);
	EXPECT_EQ(0, good[1].result);
	EXPECT_EQ(-EPIPE, good[2].result);
	EXPECT_EQ(1, coro_race(bad, 2));
	EXPECT_EQ(-EIO, bad[1].result);
	EXPECT_EQ(1, coro_race(late, 2));
	EXPECT_EQ(-ECANCELED, coro_race(none, 2));
	return coro_sleep(0);
}

/* TG-25 */
TEST_F(gather, race_is_won_by_the_first_to_end_and_all_have_ended)
{
	EXPECT_EQ(0, coro_run(run_races, NULL));
}

static long need_some(void *arg)
{
	struct coro_job one[] = { { give_arg, (void *)-EIO, 1 },
				  { sleep_soon, NULL, 1 },
				  { clean_up, (void *)-EPIPE, 1 } };
	struct coro_job two[] = { { sleep_soon, NULL, 1 },
				  { give_arg, (void *)2L, 1 },
				  { sleep_far, NULL, 1 } };
	struct coro_job few[] = { { give_arg, (void *)-EIO, 1 },
				  { give_arg, (void *)-EPIPE, 1 },
				  { give_arg, (void *)2L, 1 } };
	struct coro_job none[] = { { be_cancelled, NULL, 1 },
				   { give_arg, (void *)-ECANCELED, 1 } };

	(void)arg;
	EXPECT_EQ(1, coro_any(one, 3, 1, 0));
	EXPECT_EQ(-EIO, one[0].result);
	EXPECT_EQ(-EPIPE, one[2].result);
	EXPECT_EQ(1, coro_any(two, 3, 2, 0));
	EXPECT_EQ(0, two[0].result);
	EXPECT_EQ(-ECANCELED, two[2].result);
	EXPECT_EQ(-EIO, coro_any(few, 3, 2, 0));
	EXPECT_EQ(2, few[2].result);
	EXPECT_EQ(-ECANCELED, coro_any(none, 2, 1, 0));
	none[1].arg = (void *)2L;
	EXPECT_EQ(-ECANCELED, coro_any(none, 2, 2, 0));
	return coro_sleep(0);
}

/* TG-25 */
TEST_F(gather, any_wants_as_many_successes_as_it_is_told)
{
	EXPECT_EQ(0, coro_run(need_some, NULL));
}

struct attempt {
	int64_t began;
	int64_t sleep;
	long ret;
};

static long attempt(void *arg)
{
	struct attempt *at = arg;
	int err;

	at->began = coro_now();
	err = coro_sleep(at->sleep);
	return err ? err : at->ret;
}

enum { NR = 4 };

static long stagger(struct attempt *at, int64_t stagger_ns)
{
	struct coro_job jobs[NR];
	long ret;
	int i;

	for (i = 0; i < NR; i++) {
		at[i].began = 0;
		jobs[i] = (struct coro_job){ attempt, &at[i], 1 };
	}
	ret = coro_any(jobs, NR, 1, stagger_ns);
	for (i = 0; i < NR; i++) {
		if (!at[i].began)
			EXPECT_EQ(-ECANCELED, jobs[i].result);
	}
	return ret;
}

static long stagger_attempts(void *arg)
{
	/* The last one would not begin for hours, but for the failures. */
	struct attempt fast[NR] = {
		{ 0, 0, -EIO }, { 0, SOON_NS, -EPIPE }, { 0, 0, 3 }, { 0, 0, 4 }
	};
	struct attempt slow[NR] = { { 0, FAR_NS, 1 },
				    { 0, FAR_NS, 1 },
				    { 0, SOON_NS, 3 },
				    { 0, 0, 4 } };
	struct attempt bad[NR] = { { 0, 0, -EIO },
				   { 0, 0, -EPIPE },
				   { 0, 0, -EBADF },
				   { 0, 0, -EPROTO } };

	int64_t begun;

	(void)arg;
	EXPECT_EQ(2, stagger(fast, FAR_NS));
	EXPECT_EQ(0, fast[3].began);
	/* Time alone begins the next. */
	begun = coro_now();
	EXPECT_LE(2, stagger(slow, CORO_MSEC));
	EXPECT_LE(begun + CORO_MSEC, slow[1].began);
	EXPECT_LE(begun + 2 * CORO_MSEC, slow[2].began);
	EXPECT_EQ(-EIO, stagger(bad, FAR_NS));
	EXPECT_NE(0, bad[3].began);
	return coro_sleep(0);
}

/* GWA-25 */
TEST_F(gather, staggered_ones_begin_with_time_or_when_the_one_before_failed)
{
	EXPECT_EQ(0, coro_run(stagger_attempts, NULL));
}

static long fail_of_an_earlier_one(void *arg)
{
	/* The first fails while the second is the one before. */
	struct attempt at[NR] = { { 0, 30 * SOON_NS, -EIO },
				  { 0, 60 * SOON_NS, 1 },
				  { 0, FAR_NS, 1 },
				  { 0, FAR_NS, 1 } };
	int64_t begun = coro_now();

	(void)arg;
	EXPECT_EQ(1, stagger(at, 20 * SOON_NS));
	if (at[2].began)
		EXPECT_LE(begun + 40 * SOON_NS, at[2].began);
	return coro_sleep(0);
}

TEST_F(gather, failure_of_an_earlier_one_begins_nothing)
{
	EXPECT_EQ(0, coro_run(fail_of_an_earlier_one, NULL));
}

static long hold_up_the_loop(void *arg)
{
	int64_t until = coro_after(*(int64_t *)arg);

	EXPECT_EQ(0, coro_sleep(0));
	while (coro_now() < until)
		;
	return 0;
}

/* The loop sees the failure and the end of the pause in the same step. */
static long fail_when_the_next_begins(void *arg)
{
	struct attempt at[NR] = {
		{ 0, SOON_NS, -EIO }, { 0, 0, 7 }, { 0, 0, 7 }, { 0, 0, 7 }
	};
	int64_t hold = 10 * SOON_NS;

	(void)arg;
	EXPECT_EQ(0, coro_spawn(hold_up_the_loop, &hold));
	EXPECT_EQ(1, stagger(at, 2 * SOON_NS));
	return coro_sleep(0);
}

/* GWA-25 */
TEST_F(gather, pause_that_is_over_is_not_ended_again_by_a_failure)
{
	EXPECT_EQ(0, coro_run(fail_when_the_next_begins, NULL));
}

static long gather_many(void *arg)
{
	enum { MANY = 10000 };
	struct coro_job *jobs = calloc(MANY, sizeof(*jobs));
	long i;

	(void)arg;
	for (i = 0; i < MANY; i++) {
		jobs[i].fn = give_arg;
		jobs[i].arg = (void *)i;
	}
	EXPECT_EQ(0, coro_gather(jobs, MANY));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(i, jobs[i].result);
	free(jobs);
	return 0;
}

TEST_F(gather, ten_thousand_can_be_gathered)
{
	EXPECT_EQ(0, coro_run(gather_many, NULL));
}

TEST_HARNESS_MAIN
