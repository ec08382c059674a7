// SPDX-License-Identifier: MIT
/* The event: set once, seen by all who wait. */
#include "lib_sync.h"

SYNC_FIXTURE(event)

static int wait_for(void *object, int64_t deadline_ns)
{
	return coro_event_wait(object, deadline_ns);
}

static struct user user(struct coro_event_flag *e, struct trace *t, char name)
{
	return (struct user){
		.object = e,
		.wait = wait_for,
		.trace = t,
		.deadline_ns = coro_after(FAR_NS),
		.name = name,
	};
}

static long wait_for_set_one(void *arg)
{
	struct coro_event_flag e;
	bool ran = false;

	memset(&e, POISON, sizeof(e));
	EXPECT_EQ(-EINVAL, coro_event_init(&e, 2));
	EXPECT_EQ(0, coro_event_init(&e, flags_of(arg)));
	EXPECT_FALSE(coro_event_is_set(&e));
	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_TRUE(coro_event_is_set(&e));
	EXPECT_EQ(0, coro_event_wait(&e, CORO_NEVER));
	EXPECT_EQ(0, coro_event_wait(&e, 0));
	EXPECT_FALSE(ran);
	return coro_event_fini(&e);
}

/* SYN-01, SYN-09 */
TEST_F(event, set_one_is_waited_for_without_suspending)
{
	EXPECT_EQ(0, run_with(wait_for_set_one, variant->flags));
}

static long wake_in_order(void *arg)
{
	struct coro_event_flag e = CORO_EVENT_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct user u[4];
	struct coro *c[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		u[i] = user(&e, &t, 'a' + i);
		c[i] = user_start(&u[i]);
		EXPECT_EQ(i + 1, coro_event_waiters(&e));
	}
	EXPECT_EQ(-EBUSY, coro_event_fini(&e));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_EQ(0, coro_event_waiters(&e));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(0, u[i].ret);
	}
	EXPECT_STREQ("abcd", t.text);
	return coro_event_fini(&e);
}

/* SYN-09, SYN-24 */
TEST_F(event, set_wakes_all_in_the_order_in_which_they_came)
{
	EXPECT_EQ(0, run_with(wake_in_order, variant->flags));
}

static long set_and_clear(void *arg)
{
	struct coro_event_flag e = CORO_EVENT_INIT(flags_of(arg));
	struct user u[3];
	struct coro *c[3];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		u[i] = user(&e, NULL, 'a' + i);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(0, coro_event_set(&e));
	coro_event_clear(&e);
	EXPECT_FALSE(coro_event_is_set(&e));
	u[2] = user(&e, NULL, 'c');
	c[2] = user_start(&u[2]);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(0, u[i].ret);
	}
	turns();
	EXPECT_EQ(1, u[2].ret);
	EXPECT_EQ(1, coro_event_waiters(&e));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_EQ(0, coro_await(c[2]));
	return coro_event_fini(&e);
}

/* SYN-10 */
TEST_F(event, cleared_at_once_it_still_wakes_those_who_waited)
{
	EXPECT_EQ(0, run_with(set_and_clear, variant->flags));
}

static long stop_waiting(void *arg)
{
	struct coro_event_flag e = CORO_EVENT_INIT(flags_of(arg));
	struct user a = user(&e, NULL, 'a');
	struct user b = user(&e, NULL, 'b');
	struct user c = user(&e, NULL, 'c');
	struct coro *ca, *cb, *cc;

	ca = user_start(&a);
	b.deadline_ns = coro_after(SOON_NS);
	cb = user_start(&b);
	cc = user_start(&c);
	EXPECT_EQ(0, coro_cancel(ca));
	EXPECT_EQ(0, coro_await(ca));
	EXPECT_EQ(-ECANCELED, a.ret);
	EXPECT_EQ(0, coro_await(cb));
	EXPECT_EQ(-ETIMEDOUT, b.ret);
	EXPECT_EQ(1, coro_event_waiters(&e));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_EQ(0, coro_cancel(cc));
	EXPECT_EQ(0, coro_await(cc));
	EXPECT_EQ(0, c.ret);
	EXPECT_EQ(-ECANCELED, c.next);
	return coro_event_fini(&e);
}

/* SYN-11, SYN-24 */
TEST_F(event, cancel_and_deadline_end_a_wait_that_nobody_ended_before)
{
	EXPECT_EQ(0, run_with(stop_waiting, variant->flags));
}

static long wait_cancelled(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return coro_event_wait(arg, CORO_NEVER);
}

static long cancel_before_wait(void *arg)
{
	struct coro_event_flag e = CORO_EVENT_INIT(flags_of(arg));
	struct coro *c = coro_new(wait_cancelled, &e);

	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return coro_event_fini(&e);
}

TEST_F(event, wait_is_a_cancellation_point_also_if_it_is_set)
{
	EXPECT_EQ(0, run_with(cancel_before_wait, variant->flags));
}

TEST_F(event, outside_of_coroutines_it_can_be_set_and_cleared)
{
	struct coro_event_flag e = CORO_EVENT_INIT(variant->flags);

	EXPECT_EQ(-EPERM, coro_event_wait(&e, CORO_NEVER));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_TRUE(coro_event_is_set(&e));
	EXPECT_EQ(-EPERM, coro_event_wait(&e, CORO_NEVER));
	coro_event_clear(&e);
	EXPECT_FALSE(coro_event_is_set(&e));
}

static long wait_elsewhere(void *arg)
{
	return coro_event_wait(arg, coro_after(FAR_NS));
}

static long use_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_event_set(arg));
	return coro_run(wait_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct coro_event_flag e = CORO_EVENT_INIT(0);
	struct user u = user(&e, NULL, 'a');
	struct coro *c = user_start(&u);

	(void)arg;
	EXPECT_EQ(-EXDEV, in_thread(use_elsewhere, &e));
	EXPECT_FALSE(coro_event_is_set(&e));
	EXPECT_EQ(1, coro_event_waiters(&e));
	EXPECT_EQ(0, coro_event_set(&e));
	EXPECT_EQ(0, coro_await(c));
	coro_event_clear(&e);
	EXPECT_EQ(-EDEADLK, coro_event_wait(&e, CORO_NEVER));
	return coro_event_fini(&e);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
