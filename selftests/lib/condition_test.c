// SPDX-License-Identifier: MIT
/* The condition: waits with its mutex given up, and has it again afterwards. */
#include "lib_sync.h"

SYNC_FIXTURE(condition)

struct pair {
	struct coro_mutex m;
	struct coro_condition c;
	int value; /* what some wait for */
	int looks;
};

#define PAIR_INIT(flags)                                                 \
	{                                                                \
		CORO_MUTEX_INIT(flags), CORO_CONDITION_INIT(flags), 0, 0 \
	}

/* Has the mutex when it returns, whatever it returns. */
static int wait_for(void *object, int64_t deadline_ns)
{
	struct pair *p = object;
	int ret;

	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	ret = coro_condition_wait(&p->c, &p->m, deadline_ns);
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p->m));
	if (ret)
		EXPECT_EQ(0, coro_mutex_unlock(&p->m));
	return ret;
}

static int unlock(void *object)
{
	struct pair *p = object;

	return coro_mutex_unlock(&p->m);
}

static struct user user(struct pair *p, struct trace *t, char name)
{
	return (struct user){
		.object = p,
		.wait = wait_for,
		.after = unlock,
		.trace = t,
		.deadline_ns = coro_after(FAR_NS),
		.name = name,
	};
}

static int is_set(void *arg)
{
	struct pair *p = arg;

	p->looks++;
	return p->value;
}

static long refuse_all(struct pair *p)
{
	EXPECT_EQ(-EPERM, coro_condition_wait(&p->c, &p->m, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_condition_wait_until(&p->c, &p->m, is_set, p,
						    CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_condition_signal(&p->c, &p->m));
	EXPECT_EQ(-EPERM, coro_condition_broadcast(&p->c, &p->m));
	EXPECT_EQ(0, p->looks);
	return 0;
}

static long use_others_lock(void *arg)
{
	return refuse_all(arg);
}

static long use_without_lock(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct coro *c = coro_new(use_others_lock, &p);

	refuse_all(&p);
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_condition_broadcast(&p.c, &p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	EXPECT_EQ(-EINVAL, coro_condition_init(&p.c, 2));
	return coro_mutex_fini(&p.m);
}

/* SYN-12 */
TEST_F(condition, who_does_not_have_the_mutex_is_refused)
{
	EXPECT_EQ(0, run_with(use_without_lock, variant->flags));
}

static long signal_in_order(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct trace t = { .nr = 0 };
	struct user u[5];
	struct coro *c[5];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		u[i] = user(&p, &t, 'a' + i);
		c[i] = user_start(&u[i]);
		EXPECT_EQ(i + 1, coro_condition_waiters(&p.c));
	}
	EXPECT_EQ(-EBUSY, coro_condition_fini(&p.c));
	EXPECT_FALSE(coro_mutex_is_locked(&p.m));
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(4, coro_condition_waiters(&p.c));
	turns();
	/* It waits for the mutex now. */
	EXPECT_EQ(1, u[0].ret);
	EXPECT_EQ(1, coro_mutex_waiters(&p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_await(c[0]));
	turns();
	EXPECT_STREQ("a", t.text);
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_condition_broadcast(&p.c, &p.m));
	EXPECT_EQ(0, coro_condition_waiters(&p.c));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	for (i = 1; i < 5; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(0, u[i].ret);
	}
	EXPECT_STREQ("abcde", t.text);
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	return coro_mutex_fini(&p.m);
}

/* SYN-24 */
TEST_F(condition, signal_wakes_the_first_and_broadcast_all_in_order)
{
	EXPECT_EQ(0, run_with(signal_in_order, variant->flags));
}

static long cancel_contested(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct user u = user(&p, NULL, 'a');
	struct coro *c = user_start(&u);

	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_condition_waiters(&p.c));
	turns();
	EXPECT_EQ(1, coro_mutex_waiters(&p.m));
	EXPECT_EQ(0, coro_cancel(c));
	turns();
	EXPECT_EQ(1, u.ret);
	EXPECT_EQ(1, coro_mutex_waiters(&p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, u.ret);
	EXPECT_EQ(-ECANCELED, u.next);
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	return coro_mutex_fini(&p.m);
}

/* SYN-13: cancels are a state here, so there is no last one */
TEST_F(condition, cancelled_wait_has_the_mutex_again_before_it_returns)
{
	EXPECT_EQ(0, run_with(cancel_contested, variant->flags));
}

static long cancel_signalled(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct user u[4];
	struct coro *c[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		u[i] = user(&p, NULL, 'a' + i);
		c[i] = user_start(&u[i]);
	}
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	/* Before it has run, and while it waits for the mutex. */
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_cancel(c[0]));
	turns();
	EXPECT_EQ(2, coro_mutex_waiters(&p.m));
	EXPECT_EQ(0, coro_cancel(c[1]));
	turns();
	EXPECT_EQ(2, coro_mutex_waiters(&p.m));
	/* Before the signal: the next one gets it. */
	EXPECT_EQ(0, coro_cancel(c[2]));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_condition_waiters(&p.c));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, u[i].ret);
		EXPECT_EQ(-ECANCELED, u[i].next);
	}
	EXPECT_EQ(-ECANCELED, u[2].ret);
	EXPECT_EQ(0, u[3].ret);
	EXPECT_EQ(0, u[3].next);
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	return coro_mutex_fini(&p.m);
}

/* SYN-14: who was signalled and is cancelled then was signalled all the same */
TEST_F(condition, no_signal_is_lost_to_a_cancel)
{
	EXPECT_EQ(0, run_with(cancel_signalled, variant->flags));
}

static int wait_until_set(void *object, int64_t deadline_ns)
{
	struct pair *p = object;
	int ret;

	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	ret = coro_condition_wait_until(&p->c, &p->m, is_set, p, deadline_ns);
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p->m));
	EXPECT_EQ(0, coro_mutex_unlock(&p->m));
	return ret;
}

static void set_and_signal(struct pair *p, int value)
{
	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	p->value = value;
	EXPECT_EQ(0, coro_condition_signal(&p->c, &p->m));
	EXPECT_EQ(0, coro_mutex_unlock(&p->m));
	turns();
}

static long wait_for_value(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct user u = {
		.object = &p,
		.wait = wait_until_set,
		.deadline_ns = coro_after(FAR_NS),
	};
	struct coro *c = user_start(&u);

	EXPECT_EQ(1, p.looks);
	set_and_signal(&p, 0);
	EXPECT_EQ(2, p.looks);
	EXPECT_EQ(1, coro_condition_waiters(&p.c));
	EXPECT_EQ(1, u.ret);
	set_and_signal(&p, 5);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(5, u.ret);
	EXPECT_EQ(3, p.looks);
	/* So already. */
	EXPECT_EQ(5, wait_until_set(&p, 0));
	EXPECT_EQ(4, p.looks);
	/* A failure of it ends the wait as well. */
	p.value = -EIO;
	EXPECT_EQ(-EIO, wait_until_set(&p, CORO_NEVER));
	p.value = 0;
	p.looks = 0;
	EXPECT_EQ(-ETIMEDOUT, wait_until_set(&p, coro_after(SOON_NS)));
	EXPECT_EQ(2, p.looks);
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_condition_wait_until(&p.c, &p.m, NULL, NULL,
						     CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	return coro_mutex_fini(&p.m);
}

/* SYN-15 */
TEST_F(condition, wait_until_looks_after_every_signal_and_returns_what_it_saw)
{
	EXPECT_EQ(0, run_with(wait_for_value, variant->flags));
}

static long set_when_late(void *arg)
{
	struct pair *p = arg;

	/* Has the mutex while the deadline of the other passes. */
	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	while (coro_condition_waiters(&p->c))
		EXPECT_EQ(0, coro_sleep(CORO_MSEC));
	p->value = 3;
	return coro_mutex_unlock(&p->m);
}

static long miss_deadline(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct user u = {
		.object = &p,
		.wait = wait_until_set,
		.deadline_ns = coro_after(SOON_NS),
	};
	struct coro *c = user_start(&u);

	EXPECT_EQ(0, coro_spawn(set_when_late, &p));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(3, u.ret);
	return coro_mutex_fini(&p.m);
}

/* SYN-15 */
TEST_F(condition, wait_until_looks_once_more_after_its_deadline)
{
	EXPECT_EQ(0, run_with(miss_deadline, variant->flags));
}

static long share_mutex(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct coro_condition other = CORO_CONDITION_INIT(flags_of(arg));
	struct user u = user(&p, NULL, 'a');
	struct coro *c = user_start(&u);

	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_condition_broadcast(&other, &p.m));
	EXPECT_EQ(1, coro_condition_waiters(&p.c));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_condition_wait(&other, &p.m, coro_after(SOON_NS)));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p.m));
	EXPECT_EQ(0, coro_condition_waiters(&other));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, u.ret);
	EXPECT_EQ(0, coro_condition_fini(&other));
	EXPECT_EQ(0, coro_condition_fini(&p.c));
	return coro_mutex_fini(&p.m);
}

/* SYN-16, SYN-24 */
TEST_F(condition, two_with_one_mutex_and_a_deadline_leave_it_consistent)
{
	EXPECT_EQ(0, run_with(share_mutex, variant->flags));
}

static long signal_then_expire(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct user u = user(&p, NULL, 'a');
	struct coro *c;

	u.deadline_ns = coro_after(SOON_NS);
	c = user_start(&u);
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	if (coro_condition_waiters(&p.c)) {
		EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
		EXPECT_EQ(0, coro_sleep_until(u.deadline_ns + SOON_NS));
		EXPECT_EQ(1, u.ret);
		EXPECT_EQ(0, coro_mutex_unlock(&p.m));
		EXPECT_EQ(0, coro_await(c));
		EXPECT_EQ(0, u.ret);
	} else {
		/* The machine was too slow to see it in time. */
		EXPECT_EQ(0, coro_mutex_unlock(&p.m));
		EXPECT_EQ(0, coro_await(c));
		EXPECT_EQ(-ETIMEDOUT, u.ret);
	}
	return coro_mutex_fini(&p.m);
}

TEST_F(condition, deadline_is_about_the_signal_and_not_about_the_mutex)
{
	EXPECT_EQ(0, run_with(signal_then_expire, variant->flags));
}

static long use_other_mutex(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct coro_mutex other = CORO_MUTEX_INIT(flags_of(arg));
	struct user u = user(&p, NULL, 'a');
	struct coro *c = user_start(&u);

	EXPECT_EQ(0, coro_mutex_lock(&other, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_condition_wait(&p.c, &other, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_condition_signal(&p.c, &other));
	EXPECT_EQ(-EINVAL, coro_condition_broadcast(&p.c, &other));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&other));
	EXPECT_EQ(1, coro_condition_waiters(&p.c));
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_await(c));
	/* Nobody waits: now it can be this one. */
	EXPECT_EQ(-ETIMEDOUT, coro_condition_wait(&p.c, &other, 0));
	EXPECT_EQ(0, coro_mutex_unlock(&other));
	return coro_mutex_fini(&p.m);
}

TEST_F(condition, all_who_wait_give_the_same_mutex)
{
	EXPECT_EQ(0, run_with(use_other_mutex, variant->flags));
}

static long mix_kinds(void *arg)
{
	struct coro_mutex m = CORO_MUTEX_INIT(CORO_SHARED);
	struct coro_condition c = CORO_CONDITION_INIT(0);

	(void)arg;
	EXPECT_EQ(0, coro_mutex_lock(&m, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_condition_wait(&c, &m, CORO_NEVER));
	EXPECT_EQ(0, coro_mutex_unlock(&m));
	return 0;
}

TEST(what_is_not_shared_cannot_wait_with_a_shared_mutex)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(mix_kinds, NULL));
}

static long wait_cancelled(void *arg)
{
	struct pair *p = arg;

	p->value = 1;
	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(-ECANCELED, coro_condition_wait(&p->c, &p->m, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_condition_wait_until(&p->c, &p->m, is_set, p,
							CORO_NEVER));
	EXPECT_EQ(0, p->looks);
	EXPECT_EQ(0, coro_condition_signal(&p->c, &p->m));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p->m));
	return coro_mutex_unlock(&p->m);
}

static long cancel_before_wait(void *arg)
{
	struct pair p = PAIR_INIT(flags_of(arg));
	struct coro *c = coro_new(wait_cancelled, &p);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	return coro_mutex_fini(&p.m);
}

TEST_F(condition, wait_is_always_a_cancellation_point_and_signal_never)
{
	EXPECT_EQ(0, run_with(cancel_before_wait, variant->flags));
}

static long lock_and_end(void *arg)
{
	return coro_mutex_lock(arg, CORO_NEVER);
}

static long wait_stuck(void *arg)
{
	struct pair p = PAIR_INIT(0);

	(void)arg;
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_condition_wait(&p.c, &p.m, CORO_NEVER));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p.m));
	EXPECT_EQ(0, coro_spawn(lock_and_end, &p.m));
	EXPECT_EQ(-ENOTRECOVERABLE,
		  coro_condition_wait(&p.c, &p.m, CORO_NEVER));
	EXPECT_NE(coro_id(coro_self()), coro_mutex_holder(&p.m));
	EXPECT_EQ(0, coro_mutex_waiters(&p.m));
	EXPECT_EQ(0, coro_condition_waiters(&p.c));
	return 0;
}

TEST(nobody_waits_for_what_cannot_come)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_stuck, NULL));
}

static long wait_elsewhere(void *arg)
{
	struct pair *p = arg;

	EXPECT_EQ(0, coro_mutex_lock(&p->m, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_condition_wait(&p->c, &p->m, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_condition_signal(&p->c, &p->m));
	EXPECT_EQ(-EXDEV, coro_condition_broadcast(&p->c, &p->m));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&p->m));
	return coro_mutex_unlock(&p->m);
}

static long use_elsewhere(void *arg)
{
	return coro_run(wait_elsewhere, arg);
}

static long wait_here(void *arg)
{
	struct pair p = PAIR_INIT(0);
	struct user u = user(&p, NULL, 'a');
	struct coro *c = user_start(&u);

	(void)arg;
	EXPECT_EQ(0, in_thread(use_elsewhere, &p));
	EXPECT_EQ(1, coro_condition_waiters(&p.c));
	EXPECT_EQ(0, coro_mutex_lock(&p.m, CORO_NEVER));
	EXPECT_EQ(0, coro_condition_signal(&p.c, &p.m));
	EXPECT_EQ(0, coro_mutex_unlock(&p.m));
	EXPECT_EQ(0, coro_await(c));
	return coro_mutex_fini(&p.m);
}

/* SYN-23 */
TEST(use_by_another_loop_is_refused_while_somebody_waits)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

TEST_HARNESS_MAIN
