// SPDX-License-Identifier: MIT
/* The rwlock: readers together, writers alone, none past another. */
#include "lib_sync.h"

SYNC_FIXTURE(rwlock)

static int take_read(void *object, int64_t deadline_ns)
{
	return coro_rwlock_read(object, deadline_ns);
}

static int take_write(void *object, int64_t deadline_ns)
{
	return coro_rwlock_write(object, deadline_ns);
}

/* A capital letter writes. They keep what they got. */
static struct user user(struct coro_rwlock *l, struct trace *t, char name)
{
	return (struct user){
		.object = l,
		.wait = name >= 'a' ? take_read : take_write,
		.trace = t,
		.deadline_ns = coro_after(FAR_NS),
		.name = name,
	};
}

static void start_all(struct user *u, struct coro **c, struct coro_rwlock *l,
		      struct trace *t, const char *names)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		u[i] = user(l, t, names[i]);
		c[i] = user_start(&u[i]);
	}
}

static void await_all(struct coro **c, unsigned int nr)
{
	while (nr--)
		EXPECT_EQ(0, coro_await(*c++));
}

static long take_free_one(void *arg)
{
	struct coro_rwlock l;
	bool ran = false;

	memset(&l, POISON, sizeof(l));
	EXPECT_EQ(-EINVAL, coro_rwlock_init(&l, 2));
	EXPECT_EQ(0, coro_rwlock_init(&l, flags_of(arg)));
	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	EXPECT_EQ(-EPERM, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_read(&l, CORO_NEVER));
	EXPECT_EQ(0, coro_rwlock_try_read(&l));
	EXPECT_EQ(2, coro_rwlock_readers(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_write(&l));
	EXPECT_EQ(-EPERM, coro_rwlock_downgrade(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_fini(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_write(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(-EPERM, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_write(&l, 0));
	EXPECT_TRUE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(0, coro_rwlock_readers(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_read(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_write(&l));
	EXPECT_EQ(-EDEADLK, coro_rwlock_write(&l, CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_rwlock_read(&l, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_rwlock_fini(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_try_write(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(-EPERM, coro_rwlock_unlock(&l));
	EXPECT_FALSE(ran);
	return coro_rwlock_fini(&l);
}

/* SYN-01, SYN-24 */
TEST_F(rwlock, free_one_is_taken_without_suspending)
{
	EXPECT_EQ(0, run_with(take_free_one, variant->flags));
}

static long serve_in_order(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct coro *c[7];
	struct user u[7];

	EXPECT_EQ(0, coro_rwlock_read(&l, CORO_NEVER));
	start_all(u, c, &l, &t, "aBcdEFg");
	/* One more reads; all behind the writer wait. */
	EXPECT_EQ(2, coro_rwlock_readers(&l));
	EXPECT_EQ(6, coro_rwlock_waiters(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_read(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_FALSE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_TRUE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(5, coro_rwlock_waiters(&l));
	turns();
	EXPECT_STREQ("aB", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_FALSE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(2, coro_rwlock_readers(&l));
	turns();
	EXPECT_STREQ("aBcd", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	turns();
	EXPECT_STREQ("aBcdE", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_TRUE(coro_rwlock_is_writing(&l));
	turns();
	EXPECT_STREQ("aBcdEF", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	await_all(c, 7);
	EXPECT_STREQ("aBcdEFg", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	return coro_rwlock_fini(&l);
}

/* SYN-24 */
TEST_F(rwlock, readers_in_a_row_go_together_and_nobody_passes_a_writer)
{
	EXPECT_EQ(0, run_with(serve_in_order, variant->flags));
}

static long withdraw(struct coro_rwlock *l, bool expire)
{
	struct trace t = { .nr = 0 };
	struct coro *c[4];
	struct user u[4];

	EXPECT_EQ(0, coro_rwlock_read(l, CORO_NEVER));
	u[0] = user(l, &t, 'A');
	if (expire)
		u[0].deadline_ns = coro_after(SOON_NS);
	c[0] = user_start(&u[0]);
	start_all(u + 1, c + 1, l, &t, "bcD");
	if (!expire)
		EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(expire ? -ETIMEDOUT : -ECANCELED, u[0].ret);
	EXPECT_EQ(0, coro_await(c[1]));
	EXPECT_EQ(0, coro_await(c[2]));
	EXPECT_STREQ("Abc", t.text);
	EXPECT_EQ(3, coro_rwlock_readers(l));
	EXPECT_EQ(1, coro_rwlock_waiters(l));
	EXPECT_EQ(0, coro_rwlock_unlock(l));
	EXPECT_EQ(0, coro_rwlock_unlock(l));
	EXPECT_EQ(0, coro_rwlock_unlock(l));
	EXPECT_EQ(0, coro_await(c[3]));
	EXPECT_EQ(0, u[3].ret);
	return coro_rwlock_unlock(l);
}

static long withdraw_both_ways(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(flags_of(arg));

	EXPECT_EQ(0, withdraw(&l, false));
	EXPECT_EQ(0, withdraw(&l, true));
	return coro_rwlock_fini(&l);
}

/* SYN-24 */
TEST_F(rwlock, readers_behind_a_writer_that_gives_up_go_on)
{
	EXPECT_EQ(0, run_with(withdraw_both_ways, variant->flags));
}

static long cancel_granted(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(flags_of(arg));
	struct coro *c[3];
	struct user u[3];

	EXPECT_EQ(0, coro_rwlock_write(&l, CORO_NEVER));
	start_all(u, c, &l, NULL, "aBc");
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(1, coro_rwlock_readers(&l));
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(0, u[0].ret);
	EXPECT_EQ(-ECANCELED, u[0].next);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_cancel(c[1]));
	EXPECT_TRUE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(0, coro_await(c[1]));
	EXPECT_EQ(0, u[1].ret);
	EXPECT_EQ(-ECANCELED, u[1].next);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_await(c[2]));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	return coro_rwlock_fini(&l);
}

/* SYN-06: as for the mutex */
TEST_F(rwlock, cancel_after_the_hand_over_takes_nothing_away)
{
	EXPECT_EQ(0, run_with(cancel_granted, variant->flags));
}

static long downgrade(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct coro *c[4];
	struct user u[4];

	EXPECT_EQ(-EPERM, coro_rwlock_downgrade(&l));
	EXPECT_EQ(0, coro_rwlock_write(&l, CORO_NEVER));
	start_all(u, c, &l, &t, "abCd");
	EXPECT_EQ(0, coro_rwlock_downgrade(&l));
	EXPECT_FALSE(coro_rwlock_is_writing(&l));
	EXPECT_EQ(3, coro_rwlock_readers(&l));
	turns();
	EXPECT_STREQ("ab", t.text);
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_await(c[2]));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_await(c[3]));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(0, coro_await(c[1]));
	return coro_rwlock_fini(&l);
}

TEST_F(rwlock, downgrade_lets_readers_in_and_no_writer)
{
	EXPECT_EQ(0, run_with(downgrade, variant->flags));
}

static long take_cancelled(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(-ECANCELED, coro_rwlock_read(arg, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_rwlock_write(arg, CORO_NEVER));
	EXPECT_EQ(0, coro_rwlock_try_write(arg));
	EXPECT_EQ(0, coro_rwlock_downgrade(arg));
	return coro_rwlock_unlock(arg);
}

static long cancel_before_lock(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(flags_of(arg));
	struct coro *c = coro_new(take_cancelled, &l);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	return coro_rwlock_fini(&l);
}

TEST_F(rwlock, taking_it_is_always_a_cancellation_point_and_trying_never)
{
	EXPECT_EQ(0, run_with(cancel_before_lock, variant->flags));
}

TEST_F(rwlock, outside_of_coroutines_it_can_be_tried_and_unlocked)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(variant->flags);

	EXPECT_EQ(-EPERM, coro_rwlock_read(&l, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_rwlock_write(&l, CORO_NEVER));
	EXPECT_EQ(0, coro_rwlock_try_write(&l));
	EXPECT_EQ(-EBUSY, coro_rwlock_try_read(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_rwlock_try_read(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
}

static long take_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_rwlock_read(arg, CORO_NEVER));
	return coro_rwlock_write(arg, CORO_NEVER);
}

static long use_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_rwlock_unlock(arg));
	EXPECT_EQ(-EXDEV, coro_rwlock_downgrade(arg));
	return coro_run(take_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct coro_rwlock l = CORO_RWLOCK_INIT(0);
	struct user u = user(&l, NULL, 'a');
	struct coro *c;

	(void)arg;
	EXPECT_EQ(0, coro_rwlock_write(&l, CORO_NEVER));
	c = user_start(&u);
	EXPECT_EQ(-EXDEV, in_thread(use_elsewhere, &l));
	EXPECT_EQ(1, coro_rwlock_waiters(&l));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-EDEADLK, coro_rwlock_write(&l, CORO_NEVER));
	EXPECT_EQ(0, coro_rwlock_unlock(&l));
	return coro_rwlock_fini(&l);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
