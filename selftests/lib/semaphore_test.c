// SPDX-License-Identifier: MIT
/* The semaphore: permits, strictly in turn. */
#include "lib_sync.h"

SYNC_FIXTURE(semaphore)

static int acquire(void *object, int64_t deadline_ns)
{
	return coro_semaphore_acquire(object, deadline_ns);
}

static struct user user(struct coro_semaphore *s, struct trace *t, char name)
{
	return (struct user){
		.object = s,
		.wait = acquire,
		.trace = t,
		.deadline_ns = coro_after(FAR_NS),
		.name = name,
	};
}

static long acquire_free_ones(void *arg)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(3, 0, flags_of(arg));
	bool ran = false;

	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	EXPECT_EQ(3, coro_semaphore_value(&s));
	EXPECT_EQ(0, coro_semaphore_acquire(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_semaphore_acquire(&s, 0));
	EXPECT_EQ(0, coro_semaphore_try_acquire(&s));
	EXPECT_EQ(0, coro_semaphore_value(&s));
	EXPECT_EQ(-EBUSY, coro_semaphore_try_acquire(&s));
	EXPECT_FALSE(ran);
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(1, coro_semaphore_value(&s));
	return coro_semaphore_fini(&s);
}

/* SYN-01 */
TEST_F(semaphore, free_permits_are_taken_without_suspending)
{
	EXPECT_EQ(0, run_with(acquire_free_ones, variant->flags));
}

static long acquire_in_order(void *arg)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(0, 0, flags_of(arg));
	struct trace t = { .nr = 0 };
	struct user u[4];
	struct coro *c[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		u[i] = user(&s, &t, 'a' + i);
		c[i] = user_start(&u[i]);
		EXPECT_EQ(i + 1, coro_semaphore_waiters(&s));
	}
	EXPECT_EQ(-EBUSY, coro_semaphore_fini(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	/* Theirs, though they have not run. */
	EXPECT_EQ(0, coro_semaphore_value(&s));
	EXPECT_EQ(-EBUSY, coro_semaphore_try_acquire(&s));
	EXPECT_EQ(2, coro_semaphore_waiters(&s));
	turns();
	EXPECT_STREQ("ab", t.text);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(1, coro_semaphore_value(&s));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_STREQ("abcd", t.text);
	return coro_semaphore_fini(&s);
}

/* SYN-17, SYN-24 */
TEST_F(semaphore, permits_go_to_who_waits_longest_and_to_nobody_else)
{
	EXPECT_EQ(0, run_with(acquire_in_order, variant->flags));
}

static long cancel_around_release(void *arg)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(0, 0, flags_of(arg));
	struct user u[4];
	struct coro *c[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		u[i] = user(&s, NULL, 'a' + i);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(3, coro_semaphore_waiters(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_cancel(c[1]));
	EXPECT_EQ(0, coro_cancel(c[2]));
	EXPECT_EQ(1, coro_semaphore_waiters(&s));
	EXPECT_EQ(0, coro_semaphore_value(&s));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_EQ(-ECANCELED, u[0].ret);
	EXPECT_EQ(0, u[1].ret);
	EXPECT_EQ(-ECANCELED, u[1].next);
	EXPECT_EQ(-ECANCELED, u[2].ret);
	turns();
	EXPECT_EQ(1, u[3].ret);
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_await(c[3]));
	EXPECT_EQ(0, u[3].ret);
	EXPECT_EQ(0, coro_semaphore_value(&s));
	return coro_semaphore_fini(&s);
}

/* SYN-18: who was granted one keeps it, and is cancelled at its next wait */
TEST_F(semaphore, cancelled_ones_are_skipped_and_granted_ones_succeed)
{
	EXPECT_EQ(0, run_with(cancel_around_release, variant->flags));
}

static long release_too_many(void *arg)
{
	struct coro_semaphore s;
	struct user u;
	struct coro *c;

	memset(&s, POISON, sizeof(s));
	EXPECT_EQ(-EINVAL, coro_semaphore_init(&s, 3, 2, flags_of(arg)));
	EXPECT_EQ(-EINVAL, coro_semaphore_init(&s, 2, 2, 2));
	EXPECT_EQ(0, coro_semaphore_init(&s, 2, 2, flags_of(arg)));
	EXPECT_EQ(-EOVERFLOW, coro_semaphore_release(&s));
	EXPECT_EQ(2, coro_semaphore_value(&s));
	EXPECT_EQ(0, coro_semaphore_acquire(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_semaphore_acquire(&s, CORO_NEVER));
	u = user(&s, NULL, 'a');
	c = user_start(&u);
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(-EOVERFLOW, coro_semaphore_release(&s));
	EXPECT_EQ(2, coro_semaphore_value(&s));
	EXPECT_EQ(0, coro_semaphore_fini(&s));
	EXPECT_EQ(0, coro_semaphore_init(&s, UINT_MAX, 0, flags_of(arg)));
	EXPECT_EQ(-EOVERFLOW, coro_semaphore_release(&s));
	EXPECT_EQ(UINT_MAX, coro_semaphore_value(&s));
	return coro_semaphore_fini(&s);
}

/* SYN-19 */
TEST_F(semaphore, releasing_above_the_most_is_refused_and_changes_nothing)
{
	EXPECT_EQ(0, run_with(release_too_many, variant->flags));
}

static long acquire_cancelled(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(0, coro_semaphore_try_acquire(arg));
	return coro_semaphore_acquire(arg, CORO_NEVER);
}

static long stop_waiting(void *arg)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(2, 2, flags_of(arg));
	struct coro *c = coro_new(acquire_cancelled, &s);
	struct user u = user(&s, NULL, 'a');

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(1, coro_semaphore_value(&s));
	EXPECT_EQ(0, coro_semaphore_try_acquire(&s));
	u.deadline_ns = coro_after(SOON_NS);
	c = user_start(&u);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ETIMEDOUT, u.ret);
	EXPECT_EQ(0, coro_semaphore_waiters(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(1, coro_semaphore_value(&s));
	return coro_semaphore_fini(&s);
}

/* SYN-24 */
TEST_F(semaphore, cancel_and_deadline_take_no_permit)
{
	EXPECT_EQ(0, run_with(stop_waiting, variant->flags));
}

TEST_F(semaphore, outside_of_coroutines_it_can_be_tried_and_released)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(1, 1, variant->flags);

	EXPECT_EQ(-EPERM, coro_semaphore_acquire(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_semaphore_try_acquire(&s));
	EXPECT_EQ(-EBUSY, coro_semaphore_try_acquire(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(-EOVERFLOW, coro_semaphore_release(&s));
}

static long acquire_elsewhere(void *arg)
{
	return coro_semaphore_acquire(arg, coro_after(FAR_NS));
}

static long use_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_semaphore_release(arg));
	return coro_run(acquire_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct coro_semaphore s = CORO_SEMAPHORE_INIT(0, 0, 0);
	struct user u = user(&s, NULL, 'a');
	struct coro *c = user_start(&u);

	(void)arg;
	EXPECT_EQ(-EXDEV, in_thread(use_elsewhere, &s));
	EXPECT_EQ(0, coro_semaphore_value(&s));
	EXPECT_EQ(1, coro_semaphore_waiters(&s));
	EXPECT_EQ(0, coro_semaphore_release(&s));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-EDEADLK, coro_semaphore_acquire(&s, CORO_NEVER));
	return coro_semaphore_fini(&s);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
