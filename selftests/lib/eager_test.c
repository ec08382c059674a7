// SPDX-License-Identifier: MIT
/* Tasks that begin inside the call that starts them. */
#include "lib_common.h"

LIB_FIXTURE(eager)

struct job {
	struct trace *trace;
	struct coro *self;
	struct coro *joins;
	int turns; /* that it gives up */
	long ret;
};

/* Notes b, gives up turns, notes e. */
static long work(void *arg)
{
	struct job *j = arg;

	j->self = coro_self();
	trace_add(j->trace, 'b');
	while (j->turns--) {
		int err = coro_sleep(0);

		if (err)
			return err;
	}
	EXPECT_EQ(j->self, coro_self());
	trace_add(j->trace, 'e');
	return j->ret;
}

static long note_other(void *arg)
{
	trace_add(arg, 'o');
	return 0;
}

/* @j started eagerly; what coro_spawn_opts() says. */
static int start(struct coro **ret_coro, long (*fn)(void *arg), void *arg)
{
	const struct coro_spawn_opts opts = { .size = sizeof(opts),
					      .flags = CORO_SPAWN_EAGER };

	return coro_spawn_opts(ret_coro, fn, arg, &opts);
}

static long end_at_once(void *arg)
{
	struct job j = { .trace = arg, .ret = 9 };
	struct coro *me = coro_self();
	struct coro *c = NULL;

	EXPECT_EQ(0, coro_spawn(note_other, arg));
	EXPECT_EQ(0, start(&c, work, &j));
	EXPECT_EQ(me, coro_self());
	EXPECT_EQ(CORO_STATE_RUNNING, coro_state(me));
	EXPECT_EQ(c, j.self);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	trace_add(arg, 'm');
	EXPECT_EQ(9, coro_await(c));
	trace_add(arg, 'n');
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* TSK-33, AWT-08 */
TEST_F(eager, one_that_does_not_wait_has_ended_when_the_call_returns)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(end_at_once, &t));
	EXPECT_STREQ("bemno", t.text);
}

static long wait_once(void *arg)
{
	struct job j = { .trace = arg, .turns = 1, .ret = 9 };
	struct coro *me = coro_self();
	struct coro *c = NULL;

	EXPECT_EQ(0, start(&c, work, &j));
	EXPECT_EQ(me, coro_self());
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_AWAITS_TURN, coro_awaits(c, NULL));
	trace_add(arg, 'm');
	EXPECT_EQ(9, coro_await(c));
	return 0;
}

/* TSK-33, TSK-34 */
TEST_F(eager, one_that_waits_goes_on_as_any_other)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(wait_once, &t));
	EXPECT_STREQ("bme", t.text);
}

static long start_another(void *arg)
{
	struct job *j = arg;
	struct job inner = { .trace = j->trace, .turns = 1, .ret = 2 };
	struct coro *c = NULL;

	trace_add(j->trace, '(');
	EXPECT_EQ(0, start(&c, work, &inner));
	trace_add(j->trace, ')');
	return coro_await(c);
}

static long start_nested(void *arg)
{
	struct job j = { .trace = arg };
	struct coro *c = NULL;

	EXPECT_EQ(0, start(&c, start_another, &j));
	trace_add(arg, 'm');
	return coro_await(c);
}

/* TSK-33, TSK-34 */
TEST_F(eager, eager_starts_nest)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(2, coro_run(start_nested, &t));
	EXPECT_STREQ("(b)me", t.text);
}

static long give_arg(void *arg)
{
	return (long)arg;
}

static long fail_at_once(void *arg)
{
	struct coro *c = NULL;
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, start(&c, give_arg, (void *)(long)-EIO));
	EXPECT_EQ(0, coro_await_value(c, &value));
	EXPECT_EQ(-EIO, value);
	return 0;
}

/* TSK-35 */
TEST_F(eager, failure_is_the_tasks_and_not_the_calls)
{
	EXPECT_EQ(0, coro_run(fail_at_once, NULL));
}

static long join_and_note(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ(3, coro_await(j->joins));
	trace_add(j->trace, 'j');
	return 0;
}

/* Ends whom another joins, inside an eager start. */
static long end_another(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ(0, coro_cancel(j->joins));
	trace_add(j->trace, 'x');
	return 0;
}

static long sleep_far(void *arg)
{
	(void)arg;
	return coro_sleep(FAR_NS) == -ECANCELED ? 3 : 0;
}

static long end_one_inside(void *arg)
{
	struct job j = { .trace = arg, .joins = coro_new(sleep_far, NULL) };

	EXPECT_EQ(0, coro_start(j.joins));
	EXPECT_EQ(0, coro_spawn(join_and_note, &j));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, start(NULL, end_another, &j));
	trace_add(arg, 'm');
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* TSK-35, TSK-02 */
TEST_F(eager, nobody_else_runs_inside_the_call)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(end_one_inside, &t));
	EXPECT_STREQ("xmj", t.text);
}

static long cancel_eager_ones(void *arg)
{
	struct job ended = { .trace = arg };
	struct job waits = { .trace = arg, .turns = 5, .ret = 1 };
	struct coro *c = NULL;

	EXPECT_EQ(0, start(&c, work, &ended));
	EXPECT_EQ(-ESRCH, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, start(&c, work, &waits));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	return 0;
}

/* TSK-36 */
TEST_F(eager, ended_one_cannot_be_cancelled_and_one_that_waits_can)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(cancel_eager_ones, &t));
	EXPECT_STREQ("beb", t.text);
}

static long start_both_ways(void *arg)
{
	struct job lazy = { .trace = arg }, soon = { .trace = arg };

	EXPECT_EQ(0, coro_spawn_opts(NULL, work, &lazy, NULL));
	trace_add(arg, '1');
	EXPECT_EQ(0, start(NULL, work, &soon));
	trace_add(arg, '2');
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* TSK-37 */
TEST_F(eager, each_start_chooses)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(start_both_ways, &t));
	EXPECT_STREQ("1be2be", t.text);
}

static long set_and_get(void *arg)
{
	void *value;

	EXPECT_EQ(0, coro_var_get(arg, &value));
	EXPECT_EQ((void *)1, value);
	EXPECT_EQ(0, coro_var_set(arg, (void *)2, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_var_get(arg, &value));
	EXPECT_EQ((void *)2, value);
	return 0;
}

static long start_with_a_value(void *arg)
{
	void *value;

	EXPECT_EQ(0, coro_var_set(arg, (void *)1, NULL));
	EXPECT_EQ(0, start(NULL, set_and_get, arg));
	EXPECT_EQ(0, coro_var_get(arg, &value));
	EXPECT_EQ((void *)1, value);
	EXPECT_EQ(0, coro_var_set(arg, (void *)3, NULL));
	return coro_sleep(0);
}

/* TSK-35 */
TEST_F(eager, context_is_its_own_from_the_first_step)
{
	struct coro_var *var;

	ASSERT_EQ(0, coro_var_new(&var, "var", NULL));
	EXPECT_EQ(0, coro_run(start_with_a_value, var));
	coro_var_free(var);
}

static long start_without_a_task(void *arg)
{
	struct coro *c = (struct coro *)POISON_LONG;

	EXPECT_EQ(-EPERM, start(&c, give_arg, arg));
	EXPECT_EQ((struct coro *)POISON_LONG, c);
	return 0;
}

static void start_in_a_call(void *arg)
{
	*(long *)arg = start_without_a_task(NULL);
}

static long call_and_sleep(void *arg)
{
	EXPECT_EQ(0, coro_call_soon(coro_loop_self(), start_in_a_call, arg));
	return coro_sleep(0);
}

/* TSK-32 */
TEST_F(eager, eager_start_needs_a_coroutine_of_the_loop)
{
	long ret = 1;

	EXPECT_EQ(0, start_without_a_task(NULL));
	EXPECT_EQ(0, coro_run(call_and_sleep, &ret));
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
