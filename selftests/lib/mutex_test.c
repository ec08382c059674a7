// SPDX-License-Identifier: MIT
/* The mutex: one holder, who waits longest is next. */
#include "lib_sync.h"

SYNC_FIXTURE(mutex)

static int lock(void *object, int64_t deadline_ns)
{
	return coro_mutex_lock(object, deadline_ns);
}

static int unlock(void *object)
{
	return coro_mutex_unlock(object);
}

static struct user user(struct coro_mutex *m, struct trace *t, char name)
{
	return (struct user){
		.object = m,
		.wait = lock,
		.after = unlock,
		.trace = t,
		.deadline_ns = coro_after(FAR_NS),
		.name = name,
	};
}

static long lock_free_one(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	bool ran = false;

	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	EXPECT_TRUE(coro_mutex_is_locked(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_FALSE(coro_mutex_is_locked(&m));
	EXPECT_EQ(0, coro_mutex_lock(&m, 0));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_FALSE(ran);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_TRUE(ran);
	return coro_mutex_fini(&m);
}

/* SYN-01 */
TEST_F(mutex, free_one_is_taken_without_suspending)
{
	EXPECT_EQ(0, run_with(lock_free_one, variant->flags));
}

static long lock_forever(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	bool ran = false;
	long i;

	EXPECT_EQ(0, coro_spawn(raise_flag, &ran));
	for (i = 0; !ran && i < 100000; i++) {
		EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
		EXPECT_EQ(0, coro_mutex_unlock(&m));
	}
	EXPECT_TRUE(ran);
	return 0;
}

TEST_F(mutex, who_never_has_to_wait_lets_others_run)
{
	EXPECT_EQ(0, run_with(lock_forever, variant->flags));
}

static long hand_over(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct user u[3];
	struct coro *c[3];
	unsigned int i;

	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	for (i = 0; i < 3; i++) {
		u[i] = user(&m, &t, 'a' + i);
		c[i] = user_start(&u[i]);
		EXPECT_EQ(i + 1, coro_mutex_waiters(&m));
	}
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(2, coro_mutex_waiters(&m));
	EXPECT_EQ(coro_id(c[0]), coro_mutex_holder(&m));
	/* Who comes now is last, although the next holder has not run. */
	EXPECT_EQ(-EBUSY, coro_mutex_trylock(&m));
	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	trace_add(&t, 'm');
	EXPECT_EQ(0, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_STREQ("abcm", t.text);
	EXPECT_FALSE(coro_mutex_is_locked(&m));
	return coro_mutex_fini(&m);
}

/* SYN-02, SYN-24 */
TEST_F(mutex, unlock_hands_it_to_who_waits_longest_and_to_nobody_else)
{
	EXPECT_EQ(0, run_with(hand_over, variant->flags));
}

static long unlock_free_one(void *arg)
{
	struct coro_mutex m;

	memset(&m, POISON, sizeof(m));
	EXPECT_EQ(0, coro_mutex_init(&m, flags_of(arg)));
	EXPECT_EQ(-EPERM, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_mutex_trylock(&m));
	EXPECT_EQ(-EBUSY, coro_mutex_trylock(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(-EPERM, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_mutex_trylock(&m));
	EXPECT_EQ(-EBUSY, coro_mutex_fini(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(-EINVAL, coro_mutex_init(&m, 2));
	return coro_mutex_fini(&m);
}

/* SYN-03 */
TEST_F(mutex, unlocking_a_free_one_is_refused)
{
	EXPECT_EQ(0, run_with(unlock_free_one, variant->flags));
}

static long lock_and_end(void *arg)
{
	return coro_mutex_lock(arg, CORO_NEVER);
}

static long lock_again(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_holder(&m));
	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	c = coro_find(coro_mutex_holder(&m));
	EXPECT_EQ(coro_self(), c);
	coro_put(c);
	EXPECT_EQ(-EDEADLK, coro_mutex_lock(&m, coro_after(FAR_NS)));
	EXPECT_EQ(-EBUSY, coro_mutex_trylock(&m));
	/* Whom it awaits inline would make it wait for itself as well. */
	EXPECT_EQ(-EDEADLK, coro_await(coro_new(lock_and_end, &m)));
	EXPECT_EQ(0, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_mutex_holder(&m));
	return coro_mutex_fini(&m);
}

/* SYN-04: a second lock by the holder would never end, so it is an error */
TEST_F(mutex, holder_is_known_and_cannot_lock_again)
{
	EXPECT_EQ(0, run_with(lock_again, variant->flags));
}

static long start_and_end(long (*fn)(void *arg), void *arg)
{
	struct coro *c = coro_new(fn, arg);

	EXPECT_EQ(0, coro_start(c));
	return coro_await(c);
}

struct left {
	struct coro_mutex m;
	struct coro *by; /* not to be used: it ended */
};

static long lock_and_leave(void *arg)
{
	struct left *l = arg;

	l->by = coro_self();
	return coro_mutex_lock(&l->m, CORO_NEVER);
}

static long leave_it_locked(void *arg)
{
	struct left l = { .m = CORO_MUTEX_INIT(flags_of(arg)) };
	struct user u;
	struct coro *c;

	EXPECT_EQ(0, coro_spawn(lock_and_leave, &l));
	turns();
	u = user(&l.m, NULL, 'a');
	u.deadline_ns = coro_after(SOON_NS);
	c = user_start(&u);
	/* It has the memory of the one that ended, and its id as well. */
	EXPECT_EQ(l.by, c);
	EXPECT_EQ(0, coro_mutex_holder(&l.m));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ETIMEDOUT, u.ret);
	EXPECT_TRUE(coro_mutex_is_locked(&l.m));
	EXPECT_EQ(0, coro_mutex_unlock(&l.m));
	return coro_mutex_fini(&l.m);
}

/* SYN-04 */
TEST_F(mutex, another_may_unlock_and_none_is_mistaken_for_a_holder_that_ended)
{
	EXPECT_EQ(0, run_with(leave_it_locked, variant->flags));
}

static long cancel_waiter(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct user u = user(&m, NULL, 'a');
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	c = user_start(&u);
	EXPECT_EQ(1, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, u.ret);
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_FALSE(coro_mutex_is_locked(&m));
	return coro_mutex_fini(&m);
}

/* SYN-05, SYN-24 */
TEST_F(mutex, cancelled_one_is_not_counted_any_more)
{
	EXPECT_EQ(0, run_with(cancel_waiter, variant->flags));
}

static long cancel_next_holder(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct user a = user(&m, &t, 'a');
	struct user b = user(&m, &t, 'b');
	struct coro *ca, *cb;

	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	ca = user_start(&a);
	cb = user_start(&b);
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_cancel(ca));
	EXPECT_EQ(coro_id(ca), coro_mutex_holder(&m));
	EXPECT_EQ(0, coro_await(ca));
	EXPECT_EQ(0, a.ret);
	EXPECT_EQ(-ECANCELED, a.next);
	EXPECT_EQ(0, coro_await(cb));
	EXPECT_EQ(0, b.ret);
	EXPECT_EQ(0, b.next);
	EXPECT_STREQ("ab", t.text);
	return coro_mutex_fini(&m);
}

/* SYN-06: who was given it and is cancelled then has it, and is cancelled at its next wait */
TEST_F(mutex, cancel_after_the_hand_over_takes_nothing_away)
{
	EXPECT_EQ(0, run_with(cancel_next_holder, variant->flags));
}

static long cancel_head_and_unlock(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct user u[3];
	struct coro *c[3];
	unsigned int i;

	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	for (i = 0; i < 3; i++) {
		u[i] = user(&m, NULL, 'a' + i);
		u[i].after = NULL;
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(coro_id(c[1]), coro_mutex_holder(&m));
	EXPECT_EQ(1, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_await(c[0]));
	EXPECT_EQ(0, coro_await(c[1]));
	EXPECT_EQ(-ECANCELED, u[0].ret);
	EXPECT_EQ(0, u[1].ret);
	turns();
	EXPECT_EQ(1, u[2].ret);
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_await(c[2]));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	return coro_mutex_fini(&m);
}

/* SYN-07 */
TEST_F(mutex, cancel_and_unlock_at_once_wake_the_next_one_only)
{
	EXPECT_EQ(0, run_with(cancel_head_and_unlock, variant->flags));
}

struct held {
	struct coro_mutex m;
	unsigned int calls;
	int64_t sleep_ns;
	long ret;
};

static long use_held(void *arg)
{
	struct held *h = arg;

	h->calls++;
	EXPECT_TRUE(coro_mutex_is_locked(&h->m));
	if (h->sleep_ns)
		h->ret = coro_sleep(h->sleep_ns);
	return h->ret;
}

static long call_held(void *arg)
{
	struct held *h = arg;

	return coro_mutex_call(&h->m, use_held, h, coro_after(FAR_NS));
}

static long call_with_mutex(void *arg)
{
	struct held h = { .m = CORO_MUTEX_INIT(flags_of(arg)), .ret = 7 };
	struct coro *c;

	EXPECT_EQ(7, call_held(&h));
	EXPECT_FALSE(coro_mutex_is_locked(&h.m));
	h.ret = -EIO;
	EXPECT_EQ(-EIO, call_held(&h));
	EXPECT_FALSE(coro_mutex_is_locked(&h.m));
	h.sleep_ns = FAR_NS;
	c = coro_new(call_held, &h);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_TRUE(coro_mutex_is_locked(&h.m));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_FALSE(coro_mutex_is_locked(&h.m));
	EXPECT_EQ(3, h.calls);
	EXPECT_EQ(0, coro_mutex_trylock(&h.m));
	c = coro_new(call_held, &h);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_TRUE(coro_mutex_is_locked(&h.m));
	EXPECT_EQ(3, h.calls);
	EXPECT_EQ(-EINVAL, coro_mutex_call(&h.m, NULL, NULL, CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_unlock(&h.m));
	return coro_mutex_fini(&h.m);
}

/* SYN-08 */
TEST_F(mutex, call_gives_it_back_however_it_ends_and_only_if_it_had_it)
{
	EXPECT_EQ(0, run_with(call_with_mutex, variant->flags));
}

static long lock_for_a_while(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));
	struct user u = user(&m, NULL, 'a');
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_trylock(&m));
	u.deadline_ns = coro_after(SOON_NS);
	c = user_start(&u);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ETIMEDOUT, u.ret);
	EXPECT_EQ(0, u.next);
	u.deadline_ns = 0;
	c = user_start(&u);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ETIMEDOUT, u.ret);
	EXPECT_EQ(0, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	return coro_mutex_fini(&m);
}

TEST_F(mutex, deadline_ends_the_wait_and_leaves_nothing)
{
	EXPECT_EQ(0, run_with(lock_for_a_while, variant->flags));
}

static long lock_cancelled(void *arg)
{
	struct coro_mutex *m = arg;

	EXPECT_EQ(-ECANCELED, coro_mutex_lock(m, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_mutex_lock(m, CORO_NEVER));
	EXPECT_FALSE(coro_mutex_is_locked(m));
	EXPECT_EQ(0, coro_mutex_trylock(m));
	return coro_mutex_unlock(m);
}

static long cancel_self_and_lock(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return lock_cancelled(arg);
}

static long cancel_before_lock(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(flags_of(arg));

	EXPECT_EQ(0, start_and_end(cancel_self_and_lock, &m));
	return coro_mutex_fini(&m);
}

/* SYN-01: a cancel point is one also when it need not suspend */
TEST_F(mutex, lock_is_always_a_cancellation_point_and_trylock_never)
{
	EXPECT_EQ(0, run_with(cancel_before_lock, variant->flags));
}

TEST_F(mutex, outside_of_coroutines_it_can_be_tried_and_unlocked)
{
	struct coro_mutex m = CORO_MUTEX_INIT(variant->flags);

	EXPECT_EQ(-EPERM, coro_mutex_lock(&m, CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_trylock(&m));
	EXPECT_EQ(0, coro_mutex_holder(&m));
	EXPECT_EQ(-EBUSY, coro_mutex_trylock(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_mutex_fini(&m));
}

static long lock_stuck(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(0);

	(void)arg;
	EXPECT_EQ(0, start_and_end(lock_and_end, &m));
	EXPECT_EQ(-EDEADLK, coro_mutex_lock(&m, CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_waiters(&m));
	EXPECT_TRUE(coro_mutex_is_locked(&m));
	return 0;
}

TEST(nobody_waits_for_what_cannot_come)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(lock_stuck, NULL));
}

static long use_from_elsewhere(void *arg)
{
	struct coro_mutex *m = arg;

	EXPECT_EQ(-EXDEV, coro_mutex_lock(m, coro_after(FAR_NS)));
	EXPECT_EQ(-EXDEV, coro_mutex_unlock(m));
	return 0;
}

static long run_elsewhere(void *arg)
{
	EXPECT_EQ(-EXDEV, coro_mutex_unlock(arg));
	return coro_run(use_from_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(0);
	struct user u = user(&m, NULL, 'a');
	struct coro *c;

	(void)arg;
	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	c = user_start(&u);
	EXPECT_EQ(0, in_thread(run_elsewhere, &m));
	EXPECT_EQ(1, coro_mutex_waiters(&m));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, u.ret);
	return coro_mutex_fini(&m);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
