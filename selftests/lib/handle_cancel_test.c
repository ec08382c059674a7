// SPDX-License-Identifier: MIT
/* Cancelling by a handle: whom it reaches, when, and who need not fear a deadlock. */
#include "lib_common.h"

LIB_FIXTURE(handle_cancel)

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS);
}

/* A started coroutine and a handle to it. */
static struct coro *start(long (*fn)(void *arg), void *arg,
			  struct coro_handle **ret_handle)
{
	struct coro *c = (coro_new)(fn, arg);

	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, ret_handle));
	EXPECT_EQ(0, coro_start(c));
	return c;
}

static long join_now(struct coro_handle *h)
{
	long value = POISON_LONG;
	int err = coro_handle_join(h, &value, 0);

	coro_handle_put(h);
	return err ? err : value;
}

static long sleep_soon(void *arg)
{
	(void)arg;
	return coro_sleep(SOON_NS);
}

static long be_cancelled(void *arg)
{
	uint64_t *reason = arg;
	int err;

	EXPECT_EQ(-ENODATA, coro_cancel_reason(reason));
	err = coro_sleep(FAR_NS);
	EXPECT_EQ(0, coro_cancel_reason(reason));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(0, coro_call_shielded(sleep_soon, NULL, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel_reason(reason));
	return err;
}

static long cancel_by_handle(void *arg)
{
	uint64_t reason = POISON, none = POISON;
	struct coro_handle *h;
	struct coro *c = start(be_cancelled, &reason, &h);

	(void)arg;
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(0, coro_handle_cancel(h, 1234567890123));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ((uint64_t)1234567890123, reason);
	EXPECT_EQ(-ENODATA, coro_cancel_reason(&none));
	EXPECT_EQ((uint64_t)POISON, none);
	coro_handle_put(h);
	return 0;
}

/* TSK-22 */
TEST_F(handle_cancel, cancel_comes_with_its_reason)
{
	uint64_t reason;

	EXPECT_EQ(-EPERM, coro_cancel_reason(&reason));
	EXPECT_EQ(0, coro_run(cancel_by_handle, NULL));
}

static long cancel_before_start(void *arg)
{
	struct coro_handle *h;
	struct coro *c = coro_new(give_arg, arg);

	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(0, coro_handle_cancel(h, 1));
	EXPECT_EQ(0, coro_handle_cancel(h, 2));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, join_now(h));
	return 0;
}

TEST_F(handle_cancel, cancel_before_the_start_keeps)
{
	EXPECT_EQ(0, coro_run(cancel_before_start, (void *)1L));
}

struct early {
	struct coro *c;
	long ret;
};

static long start_and_await(void *arg)
{
	struct early *e = arg;

	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_start(e->c));
	return coro_await(e->c);
}

TEST_F(handle_cancel, cancel_before_the_loop_keeps)
{
	struct early e = { .c = coro_new(sleep_far, NULL) };
	struct coro_handle *h;

	ASSERT_EQ(0, coro_export(e.c, ALL_RIGHTS, &h));
	EXPECT_EQ(0, coro_handle_cancel(h, 1));
	EXPECT_EQ(-ECANCELED, coro_run(start_and_await, &e));
	coro_handle_put(h);
}

static long sleep_within(void *arg)
{
	return coro_await(arg);
}

static long cancel_the_awaited(void *arg)
{
	struct coro *inner = coro_new(sleep_far, arg);
	struct coro *outer = coro_new(sleep_within, inner);
	struct coro_handle *h;

	EXPECT_EQ(0, coro_export(inner, ALL_RIGHTS, &h));
	EXPECT_EQ(0, coro_start(outer));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_handle_cancel(h, 1));
	EXPECT_EQ(-ECANCELED, coro_await(outer));
	EXPECT_EQ(-ECANCELED, join_now(h));
	return 0;
}

/* TSK-15 */
TEST_F(handle_cancel, cancel_reaches_one_that_is_awaited_inline)
{
	EXPECT_EQ(0, coro_run(cancel_the_awaited, NULL));
}

static long wait_for_a_cancel(void *arg)
{
	struct coro_handle *h;
	int err;

	EXPECT_EQ(0, coro_export(coro_self(), CORO_RIGHT_CANCEL, &h));
	EXPECT_EQ(0, coro_handle_cancel(h, 5));
	coro_handle_put(h);
	err = coro_sleep_until(CORO_NEVER);
	EXPECT_EQ(-ECANCELED, err);
	return err == -ECANCELED ? (long)arg : err;
}

/* DIA-20 */
TEST_F(handle_cancel, who_can_be_cancelled_is_not_deadlocked)
{
	EXPECT_EQ(8, coro_run(wait_for_a_cancel, (void *)8L));
}

static long deadlock_beside_handles(void *arg)
{
	struct coro_handle *join, *cancel;
	struct coro *c;

	(void)arg;
	EXPECT_EQ(0, coro_export(coro_self(), CORO_RIGHT_JOIN, &join));
	c = start(give_arg, NULL, &cancel);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	coro_handle_put(join);
	coro_handle_put(cancel);
	return 6;
}

/* DIA-20 */
TEST_F(handle_cancel, handles_that_cannot_help_keep_no_loop_alive)
{
	EXPECT_EQ(6, coro_run(deadlock_beside_handles, NULL));
	EXPECT_EQ(6, coro_run(deadlock_beside_handles, NULL));
}

TEST_HARNESS_MAIN
