// SPDX-License-Identifier: MIT
/* The barrier: as many as it has parties go on together, round after round. */
#include "lib_sync.h"

SYNC_FIXTURE(barrier)

enum { PARTIES = 3 };

static int arrive(void *object, int64_t deadline_ns)
{
	return coro_barrier_wait(object, deadline_ns);
}

static struct user user(struct coro_barrier *b)
{
	return (struct user){
		.object = b,
		.wait = arrive,
		.deadline_ns = coro_after(FAR_NS),
	};
}

TEST_F(barrier, without_a_party_it_is_refused)
{
	struct coro_barrier b;

	memset(&b, POISON, sizeof(b));
	EXPECT_EQ(-EINVAL, coro_barrier_init(&b, 0, variant->flags));
	EXPECT_EQ(-EINVAL, coro_barrier_init(&b, 1U + INT_MAX, variant->flags));
	EXPECT_EQ(-EINVAL, coro_barrier_init(&b, 1, 2));
	EXPECT_EQ(0, coro_barrier_init(&b, INT_MAX, variant->flags));
	EXPECT_EQ(-EPERM, coro_barrier_wait(&b, CORO_NEVER));
	EXPECT_EQ(0, coro_barrier_fini(&b));
}

static long wait_alone(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(1, flags_of(arg));
	struct coro_barrier none = CORO_BARRIER_INIT(0, flags_of(arg));
	bool ran = false;

	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	EXPECT_EQ(0, coro_barrier_wait(&b, CORO_NEVER));
	EXPECT_EQ(0, coro_barrier_wait(&b, 0));
	EXPECT_FALSE(ran);
	EXPECT_EQ(-EINVAL, coro_barrier_wait(&none, CORO_NEVER));
	return coro_barrier_fini(&b);
}

/* SYN-01, SYN-20 */
TEST_F(barrier, last_one_does_not_suspend)
{
	EXPECT_EQ(0, run_with(wait_alone, variant->flags));
}

static long two_rounds(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(PARTIES, flags_of(arg));
	struct user u[2 * PARTIES];
	struct coro *c[2 * PARTIES];
	int i;

	for (i = 0; i < 2 * PARTIES; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
		EXPECT_EQ((i + 1) % PARTIES, coro_barrier_waiters(&b));
	}
	for (i = 0; i < 2 * PARTIES; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(i % PARTIES, u[i].ret);
	}
	return coro_barrier_fini(&b);
}

/* SYN-20, SYN-24 */
TEST_F(barrier, each_has_its_index_in_each_round)
{
	EXPECT_EQ(0, run_with(two_rounds, variant->flags));
}

static long come_late(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(PARTIES, flags_of(arg));
	struct user u[PARTIES];
	struct coro *c[PARTIES];
	int i;

	for (i = 0; i < PARTIES - 1; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(PARTIES - 1, coro_barrier_wait(&b, CORO_NEVER));
	/* The others have not run yet: this is the next round. */
	EXPECT_EQ(1, u[0].ret);
	EXPECT_EQ(0, coro_barrier_waiters(&b));
	EXPECT_EQ(-ETIMEDOUT, coro_barrier_wait(&b, 0));
	for (i = 0; i < PARTIES - 1; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(i, u[i].ret);
	}
	return coro_barrier_fini(&b);
}

/* SYN-21 */
TEST_F(barrier, who_comes_before_the_others_have_left_is_of_the_next_round)
{
	EXPECT_EQ(0, run_with(come_late, variant->flags));
}

static long stop_waiting(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(PARTIES, flags_of(arg));
	struct user u[PARTIES + 1];
	struct coro *c[PARTIES + 1];
	int i;

	for (i = 0; i < 2; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(1, coro_barrier_waiters(&b));
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(-ECANCELED, u[0].ret);
	EXPECT_FALSE(coro_barrier_is_broken(&b));
	EXPECT_EQ(-ETIMEDOUT, coro_barrier_wait(&b, coro_after(SOON_NS)));
	EXPECT_EQ(1, coro_barrier_waiters(&b));
	for (i = 2; i <= PARTIES; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
	}
	/* All have come: too late for a cancel. */
	EXPECT_EQ(0, coro_cancel(c[1]));
	for (i = 1; i <= PARTIES; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(i - 1, u[i].ret);
	}
	EXPECT_EQ(0, coro_barrier_waiters(&b));
	return coro_barrier_fini(&b);
}

/* SYN-24 */
TEST_F(barrier, who_stops_waiting_has_not_come)
{
	EXPECT_EQ(0, run_with(stop_waiting, variant->flags));
}

static long break_it(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(PARTIES, flags_of(arg));
	struct user u[PARTIES];
	struct coro *c[PARTIES];
	int i;

	for (i = 0; i < 2; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(-EBUSY, coro_barrier_fini(&b));
	EXPECT_EQ(0, coro_barrier_abort(&b));
	EXPECT_EQ(0, coro_barrier_waiters(&b));
	EXPECT_TRUE(coro_barrier_is_broken(&b));
	EXPECT_EQ(-EPIPE, coro_barrier_wait(&b, CORO_NEVER));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(-EPIPE, u[i].ret);
	}
	EXPECT_EQ(-EPIPE, coro_barrier_wait(&b, CORO_NEVER));
	EXPECT_EQ(0, coro_barrier_reset(&b));
	EXPECT_FALSE(coro_barrier_is_broken(&b));
	for (i = 0; i < PARTIES; i++) {
		u[i] = user(&b);
		c[i] = user_start(&u[i]);
	}
	for (i = 0; i < PARTIES; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(i, u[i].ret);
	}
	return coro_barrier_fini(&b);
}

/* SYN-22 */
TEST_F(barrier, broken_one_fails_all_until_it_is_reset)
{
	EXPECT_EQ(0, run_with(break_it, variant->flags));
}

static long reset_it(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(2, flags_of(arg));
	struct user u = user(&b), v = user(&b), w = user(&b);
	struct coro *c = user_start(&u);
	struct coro *d, *e;

	EXPECT_EQ(0, coro_barrier_reset(&b));
	EXPECT_FALSE(coro_barrier_is_broken(&b));
	d = user_start(&v);
	EXPECT_EQ(1, coro_barrier_waiters(&b));
	e = user_start(&w);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, coro_await(d));
	EXPECT_EQ(0, coro_await(e));
	EXPECT_EQ(-EPIPE, u.ret);
	EXPECT_EQ(0, v.ret);
	EXPECT_EQ(1, w.ret);
	return coro_barrier_fini(&b);
}

/* SYN-22 */
TEST_F(barrier, reset_fails_those_who_wait_and_begins_anew)
{
	EXPECT_EQ(0, run_with(reset_it, variant->flags));
}

static long arrive_cancelled(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return coro_barrier_wait(arg, CORO_NEVER);
}

static long cancel_before_wait(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(1, flags_of(arg));
	struct coro *c = coro_new(arrive_cancelled, &b);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return coro_barrier_fini(&b);
}

TEST_F(barrier, wait_is_a_cancellation_point_also_for_the_last)
{
	EXPECT_EQ(0, run_with(cancel_before_wait, variant->flags));
}

static long arrive_elsewhere(void *arg)
{
	return coro_barrier_wait(arg, coro_after(FAR_NS));
}

static long use_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_barrier_abort(arg));
	EXPECT_EQ(-EXDEV, coro_barrier_reset(arg));
	return coro_run(arrive_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct coro_barrier b = CORO_BARRIER_INIT(2, 0);
	struct user u = user(&b);
	struct coro *c = user_start(&u);

	(void)arg;
	EXPECT_EQ(-EXDEV, in_thread(use_elsewhere, &b));
	EXPECT_EQ(1, coro_barrier_waiters(&b));
	EXPECT_FALSE(coro_barrier_is_broken(&b));
	EXPECT_EQ(1, coro_barrier_wait(&b, CORO_NEVER));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-EDEADLK, coro_barrier_wait(&b, CORO_NEVER));
	return coro_barrier_fini(&b);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
