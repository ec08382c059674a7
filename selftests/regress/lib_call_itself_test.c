// SPDX-License-Identifier: MIT
/* A function that posts itself again kept the loop of coro_call_soon() from ending. */
#include "lib/lib_common.h"

struct again {
	struct coro_loop *loop;
	long runs;
	int err;
};

static void again(void *arg)
{
	struct again *a = arg;

	a->runs++;
	a->err = coro_call_soon(a->loop, again, a);
}

static long post(void *arg)
{
	struct again *a = arg;

	a->loop = coro_loop_get(coro_loop_self());
	return coro_call_soon(a->loop, again, a);
}

TEST(a_function_that_posts_itself_does_not_keep_the_loop)
{
	struct again a = { .err = 1 };

	ASSERT_EQ(0, coro_run(post, &a));
	EXPECT_LT(0, a.runs);
	EXPECT_EQ(-EPIPE, a.err);
	coro_loop_put(a.loop);
}

TEST_HARNESS_MAIN
