// SPDX-License-Identifier: MIT
/* Groups that cannot end as they should: stuck, left open, or with a child to come. */
#include "lib_scope.h"

LIB_FIXTURE(group_end)

static long be_stuck(void *arg)
{
	EXPECT_EQ(-ECANCELED, coro_sleep_until(CORO_NEVER));
	return (long)arg;
}

static long close_on_stuck(void *arg)
{
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, wait_for_ever, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, be_stuck, arg));
	return coro_group_close(&g, 0);
}

static long close_on_shielded(void *arg)
{
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, arg, NULL));
	return coro_group_close(&g, 0);
}

static long shield_for_ever(void *arg)
{
	return coro_call_shielded(wait_for_ever, arg, CORO_NEVER);
}

static long await_the_stuck(void *arg)
{
	struct coro *c = coro_new(close_on_stuck, NULL);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-EDEADLK, coro_await_value(c, &value));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return (long)arg;
}

/* DIA-20 */
TEST_F(group_end, deadlock_inside_is_told_by_close)
{
	EXPECT_EQ(-EDEADLK, coro_run(close_on_stuck, NULL));
	/* A failure of cleanup comes first. */
	EXPECT_EQ(-EIO, coro_run(close_on_stuck, (void *)-EIO));
	/* Whom the cancel cannot reach is told. */
	EXPECT_EQ(-EDEADLK, coro_run(close_on_shielded, shield_for_ever));
	/* Main is told before those whom it awaits. */
	EXPECT_EQ(3, coro_run(await_the_stuck, (void *)3L));
}

struct orphans {
	struct seen seen;
	int met;
	int ran;
	bool closed;
	int done;
};

static long be_orphaned(void *arg)
{
	struct orphans *o = arg;

	o->met = coro_sleep(FAR_NS);
	/* By now the stack that the group was on has another use. */
	EXPECT_EQ(0, coro_call_shielded(sleep_soon, NULL, CORO_NEVER));
	EXPECT_EQ(INT64_MIN, coro_deadline());
	o->done++;
	return -EIO;
}

static long leave_the_group_open(void *arg)
{
	struct orphans *o = arg;
	const struct coro_group_opts opts = {
		.size = sizeof(opts),
		.deadline_ns = coro_after(20 * SOON_NS),
		.ended = note_end,
		.arg = &o->seen,
	};
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, be_orphaned, o));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_group_spawn(&g, count_and_sleep, &o->ran));
	return 2;
}

static long outlive_open_groups(void *arg)
{
	int i;

	for (i = 0; i < 3; i++) {
		struct orphans o = { .met = 1 };
		struct coro *c = coro_new(leave_the_group_open, &o);

		/* Awaited inline, as a coroutine of the loop, and called. */
		if (i == 1)
			EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(2, coro_await(c));
		if (i == 2)
			EXPECT_EQ(2, coro_call(leave_the_group_open, &o,
					       CORO_NEVER));
		EXPECT_EQ(0, coro_await(coro_new(sleep_soon, NULL)));
		while (o.done < (i == 2 ? 2 : 1))
			EXPECT_EQ(0, coro_sleep(SOON_NS));
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(-ECANCELED, o.met);
		EXPECT_EQ(0, o.ran);
		EXPECT_EQ(0, o.seen.nr);
		EXPECT_EQ(CORO_NEVER, coro_deadline());
	}
	(void)arg;
	return coro_sleep(0);
}

TEST_F(group_end, children_of_a_group_left_open_become_the_loops)
{
	EXPECT_EQ(0, coro_run(outlive_open_groups, NULL));
}

static long spawn_from_end(void *arg)
{
	struct late *l = arg;

	l->err = coro_group_spawn(l->g, count_and_sleep, &l->ran);
	return 0;
}

static void note_and_spawn(void *arg, struct coro *child, long value)
{
	struct late *l = arg;

	(void)child;
	if (value == 1)
		spawn_from_end(l);
}

static long spawn_when_told(void *arg)
{
	struct coro_group g;
	struct late l = { .g = &g, .err = 1 };
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .ended = note_and_spawn,
					      .arg = &l };

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, give_arg, (void *)1L));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(0, l.err);
	EXPECT_EQ(1, l.ran);
	(void)arg;
	return 0;
}

/* TG-02 */
TEST_F(group_end, who_is_told_of_an_end_can_add_a_child)
{
	EXPECT_EQ(0, coro_run(spawn_when_told, NULL));
}

TEST_HARNESS_MAIN
