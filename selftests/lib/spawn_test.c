// SPDX-License-Identifier: MIT
/* Starting coroutines: eagerly, with somebody who disposes; in which order ends are told. */
#include "lib_scope.h"

LIB_FIXTURE(spawn)

static int spawn_eagerly(struct coro **ret_coro, struct coro_group *g,
			 long (*fn)(void *), void *arg)
{
	const struct coro_spawn_opts opts = { .size = sizeof(opts),
					      .group = g,
					      .flags = CORO_SPAWN_EAGER };

	return coro_spawn_opts(ret_coro, fn, arg, &opts);
}

struct eager {
	struct trace *trace;
	struct coro *self;
	struct coro *parent;
	int err;
};

static long run_two_steps(void *arg)
{
	struct eager *e = arg;

	e->self = coro_self();
	EXPECT_EQ(CORO_STATE_RUNNING, coro_state(e->self));
	EXPECT_EQ(CORO_STATE_RUNNING, coro_state(e->parent));
	trace_add(e->trace, 'a');
	e->err = coro_sleep(0);
	trace_add(e->trace, 'b');
	return 4;
}

static long note_turn(void *arg)
{
	trace_add(arg, 'x');
	return 0;
}

static long start_eagerly(void *arg)
{
	struct trace *t = arg;
	struct eager e = { .trace = t, .parent = coro_self(), .err = 1 };
	struct coro *me = coro_self(), *c;
	long value = POISON_LONG;

	/* One that was there before has no turn in between. */
	EXPECT_EQ(0, coro_spawn(note_turn, t));
	errno_set(EDOM);
	EXPECT_EQ(0, spawn_eagerly(&c, NULL, run_two_steps, &e));
	EXPECT_EQ(EDOM, errno_get());
	EXPECT_EQ(me, coro_self());
	EXPECT_EQ(c, e.self);
	EXPECT_EQ(1, e.err);
	EXPECT_STREQ("a", t->text);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(4, coro_await(c));
	EXPECT_STREQ("axb", t->text);
	/* One that ends has ended. */
	EXPECT_EQ(0, spawn_eagerly(&c, NULL, give_arg, (void *)-EIO));
	EXPECT_EQ(0, coro_result(c, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(-ESRCH, coro_cancel(c));
	coro_put(c);
	EXPECT_EQ(0, spawn_eagerly(NULL, NULL, note_turn, t));
	EXPECT_STREQ("axbx", t->text);
	/* One that waits is an ordinary one. */
	EXPECT_EQ(0, spawn_eagerly(&c, NULL, sleep_far, NULL));
	EXPECT_EQ(CORO_AWAITS_TIMER, coro_awaits(c, NULL));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return coro_sleep(0);
}

/* TSK-33, TSK-34, TSK-35, TSK-36, TSK-37 */
TEST_F(spawn, eager_one_runs_to_its_first_wait_at_once)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(start_eagerly, &t));
}

static long start_from_generator(void *arg)
{
	struct coro *c;

	EXPECT_EQ(0, spawn_eagerly(&c, NULL, give_arg, arg));
	return coro_yield(coro_await(c), NULL);
}

static long drive_one_that_starts(void *arg)
{
	struct coro *gen = coro_new(start_from_generator, (void *)6L);
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(CORO_YIELDED, coro_resume(gen, 0, &value));
	EXPECT_EQ(6, value);
	coro_put(gen);
	return 0;
}

/* TSK-33 */
TEST_F(spawn, eager_start_works_in_what_is_resumed)
{
	EXPECT_EQ(0, coro_run(drive_one_that_starts, NULL));
}

struct nest {
	int depth;
	int awake;
};

static long nest_eagerly(void *arg)
{
	struct nest *n = arg;
	int err;

	if (n->depth-- > 0)
		EXPECT_EQ(0, spawn_eagerly(NULL, NULL, nest_eagerly, n));
	err = coro_sleep(0);
	n->awake++;
	return err;
}

enum { EAGER_DEEP = 5000 };

static long nest_deep(void *arg)
{
	struct nest n = { .depth = EAGER_DEEP };

	(void)arg;
	EXPECT_EQ(0, spawn_eagerly(NULL, NULL, nest_eagerly, &n));
	EXPECT_EQ(0, n.awake);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(EAGER_DEEP + 1, n.awake);
	return 0;
}

static void *run_nested(void *arg)
{
	*(long *)arg = coro_run(nest_deep, NULL);
	return NULL;
}

/* TSK-33: so the stack of the thread can be small. */
TEST_F(spawn, eager_starts_nest_without_recursion)
{
	pthread_attr_t attr;
	pthread_t thread;
	long ret = 1;

	ASSERT_EQ(0, pthread_attr_init(&attr));
	ASSERT_EQ(0, pthread_attr_setstacksize(&attr, 1 << 18));
	ASSERT_EQ(0, pthread_create(&thread, &attr, run_nested, &ret));
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	EXPECT_EQ(0, ret);
}

static long fail_in_group(void *arg)
{
	struct coro_group g;
	struct trace *t = arg;
	struct coro *c;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, spawn_eagerly(&c, &g, sleep_far, NULL));
	EXPECT_EQ(0, spawn_eagerly(NULL, &g, give_arg, (void *)-EIO));
	/* It went on in here, and its next wait fails. */
	trace_add(t, 'y');
	EXPECT_EQ(1U, coro_group_live(&g));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(-ECANCELED, spawn_eagerly(NULL, &g, note_turn, t));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-EIO, coro_group_close(&g, -ECANCELED));
	coro_put(c);
	return coro_sleep(0);
}

/* TG-22, TSK-35 */
TEST_F(spawn, eager_failure_does_not_interrupt_who_starts)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(fail_in_group, &t));
	EXPECT_STREQ("y", t.text);
}

static long use_the_turn_up(void *arg)
{
	struct coro *c = arg;
	int i;

	for (i = 0; i < 1000; i++)
		coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER);
	return 0;
}

static long count_turns(void *arg)
{
	int *turns = arg;

	while (*turns >= 0 && !coro_sleep(0))
		++*turns;
	return 0;
}

static long start_greedy(void *arg)
{
	struct coro *done;
	int turns = 0;

	(void)arg;
	EXPECT_EQ(0, spawn_eagerly(&done, NULL, give_arg, NULL));
	EXPECT_EQ(0, coro_spawn(count_turns, &turns));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, spawn_eagerly(NULL, NULL, use_the_turn_up, done));
	turns = 0;
	use_the_turn_up(done);
	EXPECT_LE(3, turns);
	turns = -1;
	coro_put(done);
	return 0;
}

/* LOP-24 */
TEST_F(spawn, eager_one_that_uses_the_turn_up_leaves_its_starter_none)
{
	EXPECT_EQ(0, coro_run(start_greedy, NULL));
}

static long cancel_the_starter(void *arg)
{
	struct eager *e = arg;

	e->err = coro_cancel(e->parent);
	return coro_sleep(0);
}

static long be_cancelled_by_eager(void *arg)
{
	struct eager e = { .parent = coro_self(), .err = 1 };

	(void)arg;
	EXPECT_EQ(0, spawn_eagerly(NULL, NULL, cancel_the_starter, &e));
	EXPECT_EQ(0, e.err);
	return coro_sleep(0);
}

/* TSK-36 */
TEST_F(spawn, eager_one_can_cancel_who_starts_it)
{
	EXPECT_EQ(-ECANCELED, coro_run(be_cancelled_by_eager, NULL));
}

static void count_disposal(void *arg)
{
	++*(int *)arg;
	EXPECT_EQ(NULL, coro_self());
}

static long take_arg(void *arg)
{
	(void)arg;
	return coro_sleep(0);
}

static long dispose_or_enter(void *arg)
{
	const struct coro_spawn_opts opts = { .size = sizeof(opts),
					      .name = "disposed of",
					      .dispose = count_disposal };
	int disposed = 0, entered = 0;
	long value;
	struct coro *c;

	EXPECT_EQ(0, coro_spawn_opts(&c, take_arg, &disposed, &opts));
	EXPECT_STREQ("disposed of", coro_name(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, disposed);
	EXPECT_EQ(0, coro_await_value(c, &value));
	EXPECT_EQ(-ECANCELED, value);
	EXPECT_EQ(1, disposed);
	/* Entered, and cancelled then: @arg was the function's. */
	EXPECT_EQ(0, coro_spawn_opts(&c, take_arg, &entered, &opts));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	EXPECT_EQ(0, coro_spawn_opts(&c, take_arg, &entered, &opts));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, entered);
	/* The end of the loop comes before its first step. */
	return coro_spawn_opts(NULL, take_arg, arg, &opts);
}

/* TSK-13 */
TEST_F(spawn, argument_is_disposed_of_once_if_nobody_took_it)
{
	int disposed = 0;

	EXPECT_EQ(0, coro_run(dispose_or_enter, &disposed));
	EXPECT_EQ(1, disposed);
}

static long misuse(void *arg)
{
	struct {
		struct coro_spawn_opts opts;
		long more;
	} big = { .opts.size = sizeof(big), .more = 1 };
	const struct coro_spawn_opts flags = { .size = sizeof(flags),
					       .flags = 2 };
	const struct coro_spawn_opts small = { .size = 1 };
	struct coro *c = arg;

	EXPECT_EQ(-EINVAL, coro_spawn_opts(&c, give_arg, NULL, &flags));
	EXPECT_EQ(-EINVAL, coro_spawn_opts(&c, give_arg, NULL, &small));
	EXPECT_EQ(-E2BIG, coro_spawn_opts(&c, give_arg, NULL, &big.opts));
	EXPECT_EQ(-EINVAL, coro_spawn_opts(&c, NULL, NULL, NULL));
	EXPECT_EQ(arg, c);
	return 0;
}

TEST_F(spawn, misuse_is_refused)
{
	struct coro *c;

	EXPECT_EQ(-EPERM, coro_spawn_opts(&c, give_arg, NULL, NULL));
	EXPECT_EQ(-EPERM, spawn_eagerly(&c, NULL, give_arg, NULL));
	EXPECT_EQ(0, coro_run(misuse, self));
}

struct joiner {
	struct trace *trace;
	char name;
	struct coro *target;
	struct coro *victim;
	long ret;
	int err;
};

static long join(void *arg)
{
	struct joiner *j = arg;

	j->err = coro_await_value(j->target, NULL);
	trace_add(j->trace, j->name);
	if (j->victim)
		EXPECT_EQ(0, coro_cancel(j->victim));
	return j->ret;
}

static long end_and_look(void *arg)
{
	struct joiner *j = arg;

	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(j->trace, 'e');
	return -EIO;
}

static long join_in_order(void *arg)
{
	struct trace *t = arg;
	struct joiner j[4] = { { .name = '0', .ret = -EIO },
			       { .name = '1' },
			       { .name = '2' },
			       { .name = '3' } };
	struct coro *target, *c[4];
	int i;

	j[0].trace = t;
	target = coro_new(end_and_look, &j[0]);
	EXPECT_EQ(0, coro_start(target));
	for (i = 0; i < 4; i++) {
		j[i].trace = t;
		j[i].target = coro_get(target);
		j[i].err = 1;
		c[i] = coro_new(join, &j[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	/* The first cancels the third, which has what it waited for. */
	j[0].victim = c[2];
	EXPECT_EQ(-EIO, coro_await(target));
	trace_add(t, 'm');
	EXPECT_EQ(-EIO, coro_await(c[0]));
	for (i = 1; i < 4; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, j[i].err);
	return 0;
}

/* TSK-02, TSK-03, TSK-04, TSK-09, TSK-17: the better one holds for the cancelled. */
TEST_F(spawn, awaiters_go_on_in_order_and_do_not_disturb_one_another)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(join_in_order, &t));
	EXPECT_STREQ("em0123", t.text);
}

static long clean_up_and_fail(void *arg)
{
	(void)arg;
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	return -EPROTO;
}

static long cancel_one_that_fails(void *arg)
{
	struct coro *c = coro_new(clean_up_and_fail, arg);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(0, coro_cancel(c));
	return coro_await(c);
}

/* TSK-21 */
TEST_F(spawn, failure_of_cleanup_after_a_cancel_is_the_result)
{
	EXPECT_EQ(-EPROTO, coro_run(cancel_one_that_fails, NULL));
}

TEST_HARNESS_MAIN
