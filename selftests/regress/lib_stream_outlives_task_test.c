// SPDX-License-Identifier: MIT
/*
 * A loop did not end when the last coroutine that it cancelled had waited in a
 * stream: it went to sleep in the turn in which that one ended, and had not
 * stopped the stream yet.
 */
#include "lib/lib_common.h"

LIB_FIXTURE(stream_outlives_task)

struct accepting {
	struct coro_acceptor *a;
	int listener;
	int ret;
};

static long wait_in_stream(void *arg)
{
	struct accepting *acc = arg;

	acc->ret = coro_acceptor_next(acc->a, CORO_NEVER);
	return 0;
}

static long leave_a_waiter(void *arg)
{
	struct accepting *acc = arg;

	EXPECT_EQ(0, coro_acceptor_new(&acc->a, acc->listener, SOCK_CLOEXEC));
	EXPECT_EQ(0, coro_spawn(wait_in_stream, acc));
	return coro_sleep(0);
}

/* LOP-12 IOU-08 */
TEST_F(stream_outlives_task, loop_ends_whose_last_task_waited_in_a_stream)
{
	struct accepting acc = { .ret = 1 };
	struct sockaddr_in addr;

	acc.listener = tcp_listen(&addr, 1);
	ASSERT_LE(0, acc.listener);
	EXPECT_EQ(0, coro_run(leave_a_waiter, &acc));
	EXPECT_EQ(-ECANCELED, acc.ret);
	coro_acceptor_free(acc.a);
	close(acc.listener);
}

TEST_HARNESS_MAIN
