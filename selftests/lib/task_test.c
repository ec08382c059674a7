// SPDX-License-Identifier: MIT
/* Coroutines of a loop: starting, turns, joining. */
#include "lib_common.h"

LIB_FIXTURE(task)

struct job {
	struct trace *trace;
	char name;
	int rounds;
	long ret;
	struct coro *target;
	long got;
	int err;
	int next_err;
};

static long note_and_return(void *arg)
{
	struct job *j = arg;

	trace_add(j->trace, j->name);
	return j->ret;
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long start_in_order(void *arg)
{
	struct trace *t = arg;
	struct job j[] = {
		{ .trace = t, .name = '1' },
		{ .trace = t, .name = '2' },
		{ .trace = t, .name = '3' },
	};
	struct coro *c = coro_new(note_and_return, &j[1]);

	EXPECT_EQ(0, coro_spawn(note_and_return, &j[0]));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_spawn_named(note_and_return, &j[2], "third"));
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	trace_add(t, 'm');
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	trace_add(t, 'e');
	coro_put(c);
	return 0;
}

/* TSK-06 */
TEST_F(task, started_ones_run_later_and_in_order)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(start_in_order, &t));
	EXPECT_STREQ("m123e", t.text);
}

static long take_turns(void *arg)
{
	struct job *j = arg;

	while (j->rounds--) {
		trace_add(j->trace, j->name);
		EXPECT_EQ(0, coro_sleep(0));
	}
	return 0;
}

static long start_three_that_take_turns(void *arg)
{
	struct job j[] = {
		{ .trace = arg, .name = 'a', .rounds = 3 },
		{ .trace = arg, .name = 'b', .rounds = 3 },
		{ .trace = arg, .name = 'c', .rounds = 3 },
	};
	struct coro *c[ARRAY_SIZE(j)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(j); i++) {
		c[i] = coro_new(take_turns, &j[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < ARRAY_SIZE(j); i++)
		EXPECT_EQ(0, coro_await(c[i]));
	return 0;
}

/* TSK-10 */
TEST_F(task, ready_ones_take_turns)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(start_three_that_take_turns, &t));
	EXPECT_STREQ("abcabcabc", t.text);
}

static long sleep_far(void *arg)
{
	struct job *j = arg;

	j->err = coro_sleep(FAR_NS);
	if (j->trace)
		trace_add(j->trace, j->name);
	return j->err;
}

static long meddle_with_task(void *arg)
{
	struct job j = { .err = 1 };
	struct coro *c = coro_new(sleep_far, &j);
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-EBUSY, coro_resume(c, 0, &value));
	EXPECT_EQ(-EBUSY, coro_throw(c, -EIO, &value));
	EXPECT_EQ(-EBUSY, coro_close(c, &value));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EBUSY, coro_resume(c, 0, &value));
	EXPECT_EQ(-EBUSY, coro_throw(c, -EIO, &value));
	EXPECT_EQ(-EBUSY, coro_close(c, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(1, j.err);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return 0;
}

/* TSK-07 */
TEST_F(task, outcome_cannot_be_set_from_outside)
{
	EXPECT_EQ(0, coro_run(meddle_with_task, NULL));
}

static long join_target(void *arg)
{
	struct job *j = arg;

	j->got = POISON_LONG;
	j->err = coro_await_value(j->target, &j->got);
	if (j->trace)
		trace_add(j->trace, j->name);
	return j->err;
}

static long sleep_then_fail(void *arg)
{
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return (long)arg;
}

static long join_one_thrice(void *arg)
{
	struct coro *target = coro_new(sleep_then_fail, (void *)(long)-EIO);
	struct trace t = { .nr = 0 };
	struct job j[3];
	struct coro *c[3];
	long value;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_start(target));
	for (i = 0; i < 3; i++) {
		j[i] = (struct job){ .trace = &t,
				     .name = '0' + i,
				     .target = coro_get(target) };
		c[i] = coro_new(join_target, &j[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, coro_await(c[i]));
		EXPECT_EQ(-EIO, j[i].got);
	}
	EXPECT_STREQ("012", t.text);
	for (i = 0; i < 3; i++) {
		value = POISON_LONG;
		EXPECT_EQ(0, coro_await_value(coro_get(target), &value));
		EXPECT_EQ(-EIO, value);
	}
	coro_put(target);
	return 0;
}

/* TSK-08 */
TEST_F(task, every_awaiter_gets_the_same_result)
{
	EXPECT_EQ(0, coro_run(join_one_thrice, NULL));
}

static long join_a_done_one(void *arg)
{
	struct trace *t = arg;
	struct job done = { .trace = t, .name = 'd', .ret = 17 };
	struct job other = { .trace = t, .name = 'o' };
	struct coro *c = coro_new(note_and_return, &done);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_spawn(note_and_return, &other));
	EXPECT_EQ(17, coro_await(c));
	trace_add(t, 'm');
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* AWT-08 */
TEST_F(task, joining_a_done_one_does_not_suspend)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(join_a_done_one, &t));
	EXPECT_STREQ("dmo", t.text);
}

static long join_beside_others(void *arg)
{
	struct trace *t = arg;
	struct job first = { .trace = t, .name = '1', .ret = 3 };
	struct job other = { .trace = t, .name = '2' };
	struct coro *c = coro_new(note_and_return, &first);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_spawn(note_and_return, &other));
	EXPECT_EQ(3, coro_await(c));
	trace_add(t, 'm');
	return 0;
}

/* TSK-09 */
TEST_F(task, awaiter_gets_its_turn_after_those_that_were_ready)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(join_beside_others, &t));
	EXPECT_STREQ("12m", t.text);
}

static long count_end(void *arg)
{
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	*(int *)arg += 1;
	return 0;
}

static long start_and_drop(void *arg)
{
	struct coro *c = coro_new(count_end, arg);
	uint64_t id = coro_id(c);

	EXPECT_EQ(0, coro_start(c));
	coro_put(c);
	EXPECT_EQ(0, *(int *)arg);
	c = coro_find(id);
	EXPECT_NE(NULL, c);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(NULL, coro_find(id));
	return 0;
}

/* TSK-28 */
TEST_F(task, dropping_the_handle_does_not_stop_a_started_one)
{
	int ended = 0;

	EXPECT_EQ(0, coro_run(start_and_drop, &ended));
	EXPECT_EQ(1, ended);
}

struct ring_of_three {
	struct coro *c[3];
	long got[3];
	int me;
};

static long await_next(struct ring_of_three *r, int me)
{
	r->got[me] = coro_await(coro_get(r->c[(me + 1) % 3]));
	if (r->got[me] == -EDEADLK)
		coro_put(r->c[(me + 1) % 3]);
	return me;
}

static long await_next_0(void *arg)
{
	return await_next(arg, 0);
}

static long await_next_1(void *arg)
{
	return await_next(arg, 1);
}

static long await_next_2(void *arg)
{
	return await_next(arg, 2);
}

static long join_in_a_ring(void *arg)
{
	struct ring_of_three r = { .me = 0 };
	int i;

	(void)arg;
	r.c[0] = coro_new(await_next_0, &r);
	r.c[1] = coro_new(await_next_1, &r);
	r.c[2] = coro_new(await_next_2, &r);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_start(r.c[i]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i, coro_await(coro_get(r.c[i])));
	EXPECT_EQ(1, r.got[0]);
	EXPECT_EQ(2, r.got[1]);
	EXPECT_EQ(-EDEADLK, r.got[2]);
	for (i = 0; i < 3; i++)
		coro_put(r.c[i]);
	return 0;
}

static long join_self(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EDEADLK, coro_await(coro_self()));
	return 1;
}

/* TSK-29 */
TEST_F(task, cycle_of_joins_is_refused_where_it_would_close)
{
	EXPECT_EQ(0, coro_run(join_in_a_ring, NULL));
}

/* AWT-05 */
TEST_F(task, joining_oneself_is_refused)
{
	EXPECT_EQ(1, coro_run(join_self, NULL));
}

static long start_errors(void *arg)
{
	struct coro *c = coro_new(give_arg, (void *)4L);
	struct coro *fresh = coro_new(give_arg, NULL);

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_start(NULL));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(-EBUSY, coro_start(c));
	EXPECT_EQ(-EBUSY, coro_start(coro_self()));
	EXPECT_EQ(4, coro_await(coro_get(c)));
	EXPECT_EQ(-EBUSY, coro_start(c));
	coro_put(c);
	EXPECT_EQ(-EINVAL, coro_cancel(NULL));
	EXPECT_EQ(-EINVAL, coro_cancel(fresh));
	EXPECT_EQ(-EINVAL, coro_spawn_named(NULL, NULL, NULL));
	coro_put(fresh);
	return 0;
}

/* TSK-32 */
TEST_F(task, what_is_not_created_cannot_be_started)
{
	EXPECT_EQ(0, coro_run(start_errors, NULL));
}

static long count_entry(void *arg)
{
	*(int *)arg += 1;
	return 0;
}

/* TSK-32 */
TEST_F(task, starting_without_a_loop_is_refused)
{
	int entered = 0;
	struct coro *c = coro_new(count_entry, &entered);

	EXPECT_EQ(-EPERM, coro_start(c));
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	EXPECT_EQ(-EPERM, coro_spawn(count_entry, &entered));
	EXPECT_EQ(0, entered);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(1, entered);
	coro_put(c);
}

static long look_at_self(void *arg)
{
	struct coro *me = coro_self();
	int i;

	for (i = 0; i < 5; i++) {
		EXPECT_EQ(me, coro_self());
		EXPECT_EQ(0, coro_sleep(0));
	}
	*(struct coro **)arg = me;
	return 0;
}

static long interleave(void *arg)
{
	struct coro *seen[2] = { NULL, NULL };
	struct coro *c[2];
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		c[i] = coro_new(look_at_self, &seen[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_await(coro_get(c[i])));
		EXPECT_EQ(c[i], seen[i]);
		coro_put(c[i]);
	}
	return 0;
}

/* TSK-38 */
TEST_F(task, interleaved_ones_see_themselves)
{
	EXPECT_EQ(0, coro_run(interleave, NULL));
}

static long be_awaited_and_ended(void *arg)
{
	(void)arg;
	return coro_sleep(SOON_NS) ? -1 : 2;
}

static long await_started_inside(void *arg)
{
	struct coro *c = coro_new(be_awaited_and_ended, NULL);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	return coro_await(c);
}

static long join_inside_an_await(void *arg)
{
	(void)arg;
	return coro_await(coro_new(await_started_inside, NULL));
}

/* AWT-01 */
TEST_F(task, awaited_coroutine_can_start_and_join)
{
	EXPECT_EQ(2, coro_run(join_inside_an_await, NULL));
}

static long spawn_many(void *arg)
{
	int i;

	for (i = 0; i < 10000; i++)
		EXPECT_EQ(0, coro_spawn(count_entry, arg));
	EXPECT_EQ(0, *(int *)arg);
	return coro_sleep(0);
}

/* TSK-06 */
TEST_F(task, ten_thousand_can_be_spawned_at_once)
{
	int entered = 0;

	EXPECT_EQ(0, coro_run(spawn_many, &entered));
	EXPECT_EQ(10000, entered);
}

TEST_HARNESS_MAIN
