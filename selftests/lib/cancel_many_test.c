// SPDX-License-Identifier: MIT
/* Cancels that reach far: as many, and as deep, as there can be. */
#include "lib_common.h"

/* An emulated machine has less memory, and less time. */
enum { MANY = MOST, FEW = MOST / 5 };

LIB_FIXTURE(cancel_many)

static long how_many(void)
{
	long pages = sysconf(_SC_AVPHYS_PAGES);

	return pages * sysconf(_SC_PAGESIZE) > 4L << 30 ? MANY : FEW;
}

struct count {
	long nr;
	long cancelled;
	long entered;
};

static long sleep_and_count(void *arg)
{
	struct count *n = arg;
	int err;

	n->entered++;
	err = coro_sleep(FAR_NS);
	n->cancelled += err == -ECANCELED;
	return err;
}

static long cancel_a_crowd(void *arg)
{
	struct count *n = arg;
	struct coro_group g;
	long i;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (i = 0; i < n->nr; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, sleep_and_count, n));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(n->nr, n->entered);
	EXPECT_EQ((unsigned int)n->nr, coro_group_live(&g));
	EXPECT_EQ(0, coro_group_cancel(&g));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(n->nr, n->cancelled);
	return coro_sleep(0);
}

/* TSK-30, TG-06 */
TEST_F(cancel_many, all_children_of_a_group_can_be_cancelled_at_once)
{
	struct count n = { .nr = how_many() };

	EXPECT_EQ(0, coro_run(cancel_a_crowd, &n));
}

static long join_the_next(void *arg)
{
	struct count *n = arg;
	int err;

	if (++n->entered == n->nr) {
		err = coro_sleep(FAR_NS);
	} else {
		struct coro *c = coro_new(join_the_next, n);

		EXPECT_EQ(0, coro_start(c));
		err = coro_await_value(c, NULL);
		if (err)
			coro_put(c);
	}
	n->cancelled += err == -ECANCELED;
	return err;
}

static long cancel_the_last_joined(void *arg)
{
	struct count *n = arg;
	struct coro *c = coro_new(join_the_next, n);

	EXPECT_EQ(0, coro_start(c));
	while (n->entered < n->nr)
		EXPECT_EQ(0, coro_sleep(0));
	/* Only the first detaches; the others are the loop's. */
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(1, n->cancelled);
	return 0;
}

/* TSK-30, TSK-16: the better one holds: joining is not owning. */
TEST_F(cancel_many, chain_of_joins_can_be_cancelled)
{
	struct count n = { .nr = how_many() };

	EXPECT_EQ(0, coro_run(cancel_the_last_joined, &n));
	/* The end of the loop cancelled the rest. */
	EXPECT_EQ(n.nr, n.cancelled);
}

static long open_the_next(void *arg)
{
	struct count *n = arg;
	struct coro_group g;
	long ret;

	if (++n->entered == n->nr)
		return coro_sleep(FAR_NS);
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, open_the_next, n));
	ret = coro_group_close(&g, 0);
	n->cancelled += ret == -ECANCELED;
	return ret;
}

static long cancel_nested(void *arg)
{
	struct count *n = arg;
	struct coro *c = coro_new(open_the_next, n);

	EXPECT_EQ(0, coro_start(c));
	while (n->entered < n->nr)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(n->nr - 1, n->cancelled);
	return 0;
}

/* TSK-30: each waits for a group inside of the one around it. */
TEST_F(cancel_many, chain_of_groups_is_cancelled_without_recursion)
{
	struct count n = { .nr = how_many() };

	EXPECT_EQ(0, coro_run(cancel_nested, &n));
}

TEST_HARNESS_MAIN
