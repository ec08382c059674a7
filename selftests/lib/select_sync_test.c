// SPDX-License-Identifier: MIT
/* A choice among events, permits and locks. */
#include "lib_common.h"

FIXTURE(select_sync)
{
	struct coro_event_flag event;
	struct coro_semaphore permits;
	struct coro_mutex mutex;
};

FIXTURE_VARIANT(select_sync)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(select_sync, local){ .flags = 0 };
FIXTURE_VARIANT_ADD(select_sync, shared){ .flags = CORO_SHARED };

FIXTURE_SETUP(select_sync)
{
	bodies_expect(_metadata);
	EXPECT_EQ(0, coro_event_init(&self->event, variant->flags));
	EXPECT_EQ(0, coro_semaphore_init(&self->permits, 0, 0, variant->flags));
	EXPECT_EQ(0, coro_mutex_init(&self->mutex, variant->flags));
}

FIXTURE_TEARDOWN(select_sync)
{
	EXPECT_EQ(0, coro_event_fini(&self->event));
	EXPECT_EQ(0, coro_semaphore_fini(&self->permits));
	EXPECT_EQ(0, coro_mutex_fini(&self->mutex));
	EXPECT_EQ(0, leaked());
}

#define ME(arg) ((FIXTURE_DATA(select_sync) *)(arg))

struct choice {
	FIXTURE_DATA(select_sync) * self;
	struct coro_case cases[3];
	int64_t deadline_ns;
};

static void choice_make(struct choice *ch, void *arg)
{
	ch->self = arg;
	ch->cases[0] = coro_case_event(&ch->self->event);
	ch->cases[1] = coro_case_acquire(&ch->self->permits);
	ch->cases[2] = coro_case_lock(&ch->self->mutex);
	ch->deadline_ns = CORO_NEVER;
}

static long choose(void *arg)
{
	struct choice *ch = arg;
	int ret = coro_select(ch->cases, 3, ch->deadline_ns);

	/* What is a coroutine's is given back by it. */
	if (ret == 2)
		EXPECT_EQ(0, coro_mutex_unlock(&ch->self->mutex));
	return ret;
}

static void expect_waiters(void *arg, unsigned int nr)
{
	EXPECT_EQ(nr, coro_event_waiters(&ME(arg)->event));
	EXPECT_EQ(nr, coro_semaphore_waiters(&ME(arg)->permits));
	EXPECT_EQ(nr, coro_mutex_waiters(&ME(arg)->mutex));
}

/* Starts one that waits for all three, of which none is to be had. */
static struct coro *chooser(struct choice *ch, void *arg)
{
	struct coro *c;

	choice_make(ch, arg);
	c = coro_new(choose, ch);
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_EVENT);
	expect_waiters(arg, 1);
	return c;
}

static long give_each(void *arg)
{
	struct choice ch;
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_lock(&ME(arg)->mutex, CORO_NEVER));
	c = chooser(&ch, arg);
	EXPECT_EQ(0, coro_event_set(&ME(arg)->event));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, ch.cases[0].result);
	expect_waiters(arg, 0);
	coro_event_clear(&ME(arg)->event);

	c = chooser(&ch, arg);
	EXPECT_EQ(0, coro_semaphore_release(&ME(arg)->permits));
	EXPECT_EQ(1, coro_await(c));
	EXPECT_EQ(0U, coro_semaphore_value(&ME(arg)->permits));
	expect_waiters(arg, 0);

	c = chooser(&ch, arg);
	EXPECT_EQ(0, coro_mutex_unlock(&ME(arg)->mutex));
	EXPECT_EQ(2, coro_await(c));
	EXPECT_FALSE(coro_mutex_is_locked(&ME(arg)->mutex));
	expect_waiters(arg, 0);
	return 0;
}

/* QUE-15 */
TEST_F(select_sync, each_can_be_what_comes_and_the_others_are_left_alone)
{
	EXPECT_EQ(0, coro_run(give_each, self));
}

static long give_too_much(void *arg)
{
	struct choice ch;
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_lock(&ME(arg)->mutex, CORO_NEVER));
	c = chooser(&ch, arg);
	EXPECT_EQ(0, coro_semaphore_release(&ME(arg)->permits));
	EXPECT_EQ(0, coro_semaphore_release(&ME(arg)->permits));
	EXPECT_EQ(0, coro_event_set(&ME(arg)->event));
	EXPECT_EQ(0, coro_mutex_unlock(&ME(arg)->mutex));
	EXPECT_EQ(1, coro_await(c));
	EXPECT_EQ(1U, coro_semaphore_value(&ME(arg)->permits));
	EXPECT_TRUE(coro_event_is_set(&ME(arg)->event));
	EXPECT_FALSE(coro_mutex_is_locked(&ME(arg)->mutex));
	return 0;
}

/* QUE-15 */
TEST_F(select_sync, what_comes_later_stays_where_it_is)
{
	EXPECT_EQ(0, coro_run(give_too_much, self));
}

static long take_at_once(void *arg)
{
	struct choice ch;

	choice_make(&ch, arg);
	EXPECT_EQ(2, coro_select(ch.cases, 3, CORO_NEVER));
	EXPECT_EQ(coro_id(coro_self()), coro_mutex_holder(&ME(arg)->mutex));
	/* Its own is no lock that could come. */
	EXPECT_EQ(2, coro_try_select(ch.cases, 3));
	EXPECT_EQ(-EDEADLK, ch.cases[2].result);
	EXPECT_EQ(-EAGAIN, coro_try_select(ch.cases, 2));
	EXPECT_EQ(0, coro_semaphore_release(&ME(arg)->permits));
	EXPECT_EQ(1, coro_try_select(ch.cases, 2));
	EXPECT_EQ(0U, coro_semaphore_value(&ME(arg)->permits));
	EXPECT_EQ(0, coro_event_set(&ME(arg)->event));
	EXPECT_EQ(0, coro_try_select(ch.cases, 2));
	EXPECT_TRUE(coro_event_is_set(&ME(arg)->event));
	return coro_mutex_unlock(&ME(arg)->mutex);
}

/* QUE-15, SYN-04 */
TEST_F(select_sync, what_is_there_is_taken_at_once)
{
	EXPECT_EQ(0, coro_run(take_at_once, self));
}

static long give_up(void *arg)
{
	struct choice ch;
	struct coro *c;

	EXPECT_EQ(0, coro_mutex_lock(&ME(arg)->mutex, CORO_NEVER));
	c = chooser(&ch, arg);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	expect_waiters(arg, 0);
	choice_make(&ch, arg);
	ch.cases[2] = ch.cases[0];
	EXPECT_EQ(-ETIMEDOUT, coro_select(ch.cases, 3, coro_after(SOON_NS)));
	expect_waiters(arg, 0);
	return coro_mutex_unlock(&ME(arg)->mutex);
}

/* QUE-15, SYN-24 */
TEST_F(select_sync, who_gives_up_leaves_nothing_behind)
{
	EXPECT_EQ(0, coro_run(give_up, self));
}

TEST_F(select_sync, cases_of_nothing_are_refused)
{
	struct coro_case cases[] = { coro_case_event(NULL),
				     coro_case_acquire(NULL),
				     coro_case_lock(NULL) };

	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-EINVAL, coro_try_select(&cases[i], 1));
}

TEST_HARNESS_MAIN
