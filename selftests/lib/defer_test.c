// SPDX-License-Identifier: MIT
/* Deferred calls: run once, last first, whichever way the coroutine ends. */
#include "lib_common.h"

LIB_FIXTURE(defer)

/* One deferred call: says that it ran, and who it was in. */
struct note {
	struct trace *trace;
	char name;
	struct coro *ran_in;
	int again; /* deferred calls that it defers itself */
	int err;
};

static void add_note(void *arg)
{
	struct note *n = arg;

	trace_add(n->trace, n->name);
	n->ran_in = coro_self();
	if (n->again-- > 0)
		n->err = coro_defer(add_note, n);
}

static void defer_notes(struct note *n, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, coro_defer(add_note, &n[i]));
}

struct job {
	struct trace trace;
	struct note n[3];
	struct coro *target;
	struct job *inner;
	long ret;
	int err;
};

static void job_init(struct job *j)
{
	int i;

	memset(j, 0, sizeof(*j));
	for (i = 0; i < 3; i++) {
		j->n[i].trace = &j->trace;
		j->n[i].name = (char)('1' + i);
	}
}

static long defer_and_return(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 3);
	trace_add(&j->trace, 'f');
	return j->ret;
}

/* AWT-12, OBJ-07 */
TEST_F(defer, calls_run_last_first_inside_the_coroutine_when_it_returns)
{
	struct coro *c;
	long value = 0;
	struct job j;
	int i;

	job_init(&j);
	j.ret = 7;
	c = coro_new(defer_and_return, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(7, value);
	EXPECT_STREQ("f321", j.trace.text);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(c, j.n[i].ran_in);
	coro_put(c);
	EXPECT_STREQ("f321", j.trace.text);
}

static long await_then_note(void *arg)
{
	struct job *j = arg;

	j->err = coro_await_value(j->target, &j->ret);
	trace_add(&j->trace, 'a');
	return 0;
}

/* AWT-12, OBJ-07 */
TEST_F(defer, calls_run_before_the_awaiter_goes_on)
{
	struct coro *outer;
	struct job j;

	job_init(&j);
	j.ret = -EIO;
	j.err = POISON;
	j.target = coro_new(defer_and_return, &j);
	outer = coro_new(await_then_note, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(-EIO, j.ret);
	EXPECT_STREQ("f321a", j.trace.text);
	coro_put(outer);
}

static long defer_and_yield(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 2);
	j->err = coro_yield(0, NULL);
	trace_add(&j->trace, 'f');
	return j->err;
}

/* AWT-12, STC-18 */
TEST_F(defer, calls_run_when_an_error_is_thrown_in)
{
	long value = 0;
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(defer_and_yield, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EIO, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_STREQ("f21", j.trace.text);
	coro_put(c);

	job_init(&j);
	c = coro_new(defer_and_yield, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(CORO_EXIT, value);
	EXPECT_STREQ("f21", j.trace.text);
	coro_put(c);

	job_init(&j);
	c = coro_new(defer_and_yield, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_STREQ("f21", j.trace.text);
}

/* AWT-12: what never began has nothing to undo. */
TEST_F(defer, closing_one_that_never_ran_runs_nothing)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(defer_and_yield, &j);
	EXPECT_EQ(0, coro_close(c, NULL));
	coro_put(c);
	EXPECT_STREQ("", j.trace.text);
}

static long defer_and_sleep(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 2);
	j->err = coro_sleep(FAR_NS);
	trace_add(&j->trace, 'f');
	return j->err;
}

static long cancel_and_join(void *arg)
{
	struct job *j = arg;

	j->target = coro_new(defer_and_sleep, j);
	EXPECT_EQ(0, coro_start(j->target));
	settle(j->target, CORO_AWAITS_TIMER);
	EXPECT_EQ(0, coro_cancel(j->target));
	EXPECT_EQ(-ECANCELED, coro_await(j->target));
	trace_add(&j->trace, 'a');
	return 0;
}

/* AWT-12 */
TEST_F(defer, calls_run_when_the_coroutine_is_cancelled)
{
	struct job j;

	job_init(&j);
	EXPECT_EQ(0, coro_run(cancel_and_join, &j));
	EXPECT_STREQ("f21a", j.trace.text);
	EXPECT_EQ(-ECANCELED, j.err);
}

static void sleep_a_turn(void *arg)
{
	struct note *n = arg;

	n->err = coro_sleep(0);
	add_note(n);
}

static long defer_a_sleep(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ(0, coro_defer(sleep_a_turn, &j->n[0]));
	return 5;
}

static long join_one_that_sleeps(void *arg)
{
	struct job *j = arg;

	j->target = coro_new(defer_a_sleep, j);
	EXPECT_EQ(0, coro_start(j->target));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(j->target));
	trace_add(&j->trace, 's');
	EXPECT_EQ(5, coro_await(coro_get(j->target)));
	EXPECT_EQ(j->target, j->n[0].ran_in);
	coro_put(j->target);
	return 0;
}

/* AWT-12: the exit hook may await. */
TEST_F(defer, calls_may_wait)
{
	struct job j;

	job_init(&j);
	j.n[0].err = POISON;
	EXPECT_EQ(0, coro_run(join_one_that_sleeps, &j));
	EXPECT_EQ(0, j.n[0].err);
	EXPECT_STREQ("s1", j.trace.text);
}

static void yield_then_note(void *arg)
{
	struct note *n = arg;

	n->err = coro_yield(11, NULL);
	add_note(n);
}

static long defer_a_yield(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ(0, coro_defer(add_note, &j->n[0]));
	EXPECT_EQ(0, coro_defer(yield_then_note, &j->n[1]));
	coro_yield(10, NULL);
	return 3;
}

/* AWT-12, STC-19 */
TEST_F(defer, calls_may_yield_and_the_rest_follows)
{
	long value = 0;
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(defer_a_yield, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
	EXPECT_EQ(-EAGAIN, coro_close(c, NULL));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_STREQ("", j.trace.text);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(3, value);
	EXPECT_STREQ("21", j.trace.text);
	coro_put(c);
}

/* AWT-12: the one that yields has begun and is not run again. */
TEST_F(defer, what_is_put_while_a_call_yields_runs_the_rest_once)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(defer_a_yield, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_STREQ("21", j.trace.text);
	EXPECT_EQ(CORO_EXIT, j.n[1].err);
}

static long ignore_exit(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 3);
	while (coro_yield(0, NULL))
		trace_add(&j->trace, 'x');
	trace_add(&j->trace, 'f');
	return 0;
}

/* AWT-12 */
TEST_F(defer, putting_one_that_ignores_exit_runs_the_calls_for_it)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(ignore_exit, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_STREQ("x321", j.trace.text);
	EXPECT_EQ(NULL, j.n[0].ran_in);
}

static long put_stubborn(void *arg)
{
	struct job *j = arg;

	coro_put(j->target);
	trace_add(&j->trace, 'p');
	return 0;
}

/* AWT-12: deferred calls that defer there defer for who put it. */
TEST_F(defer, calls_of_an_abandoned_one_run_in_who_put_it)
{
	struct coro *putter;
	struct job j;

	job_init(&j);
	j.n[2].again = 1;
	j.target = coro_new(ignore_exit, &j);
	EXPECT_EQ(CORO_YIELDED, coro_resume(j.target, 0, NULL));
	putter = coro_new(put_stubborn, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(putter, 0, NULL));
	EXPECT_STREQ("x321p3", j.trace.text);
	EXPECT_EQ(putter, j.n[0].ran_in);
	EXPECT_EQ(0, j.n[2].err);
	coro_put(putter);
}

struct chain {
	struct job outer;
	struct job inner;
};

static long await_stubborn(void *arg)
{
	struct chain *ch = arg;

	defer_notes(ch->outer.n, 1);
	coro_await(ch->outer.target);
	return 0;
}

static void chain_init(struct chain *ch)
{
	job_init(&ch->outer);
	job_init(&ch->inner);
	ch->outer.n[0].name = 'o';
	ch->outer.n[0].trace = &ch->inner.trace;
	ch->outer.target = coro_new(ignore_exit, &ch->inner);
}

/* AWT-12, STC-11 */
TEST_F(defer, an_abandoned_chain_unwinds_from_the_innermost)
{
	struct coro *outer;
	struct chain ch;

	chain_init(&ch);
	outer = coro_new(await_stubborn, &ch);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	coro_put(outer);
	EXPECT_STREQ("x321o", ch.inner.trace.text);
}

/* AWT-12: what somebody else holds does not end with its awaiter. */
TEST_F(defer, one_of_an_abandoned_chain_that_lives_on_keeps_its_calls)
{
	struct coro *outer, *inner;
	struct chain ch;

	chain_init(&ch);
	inner = coro_get(ch.outer.target);
	outer = coro_new(await_stubborn, &ch);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	coro_put(outer);
	EXPECT_STREQ("xo", ch.inner.trace.text);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(inner));
	EXPECT_EQ(CORO_ENDED, coro_resume(inner, 0, NULL));
	EXPECT_STREQ("xof321", ch.inner.trace.text);
	coro_put(inner);
}

struct keeper {
	struct coro *self;
	struct coro *kept;
};

static void keep_it(void *arg)
{
	struct keeper *k = arg;

	k->kept = coro_get(k->self);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(k->self));
	EXPECT_EQ(-ESRCH, coro_resume(k->self, 0, NULL));
}

static long be_kept(void *arg)
{
	struct keeper *k = arg;

	k->self = coro_self();
	EXPECT_EQ(0, coro_defer(keep_it, k));
	while (coro_yield(0, NULL))
		;
	return 0;
}

/* AWT-12, OBJ-14 */
TEST_F(defer, a_reference_taken_while_an_abandoned_one_unwinds_is_good)
{
	struct keeper k = { .kept = NULL };
	struct coro *c = coro_new_named(be_kept, &k, "kept");
	long value = 0;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	ASSERT_EQ(c, k.kept);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_STREQ("kept", coro_name(c));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(CORO_EXIT, value);
	coro_put(c);
}

/* AWT-12 */
TEST_F(defer, a_call_may_defer_more)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	j.n[1].again = 3;
	c = coro_new(defer_and_return, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("f322221", j.trace.text);
	EXPECT_EQ(0, j.n[1].err);
	coro_put(c);
}

static long fail_twice(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 1);
	trace_add(&j->trace, 'f');
	return j->err++ < 2 ? -EIO : 0;
}

static long restart(void *arg)
{
	struct coro_group_opts opts = {
		.size = sizeof(opts),
		.policy = CORO_POLICY_RESTART,
		.restarts = 2,
	};
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, fail_twice, arg));
	return coro_group_close(&g, 0);
}

/* AWT-12 */
TEST_F(defer, calls_of_a_child_run_before_it_is_restarted)
{
	struct job j;

	job_init(&j);
	EXPECT_EQ(0, coro_run(restart, &j));
	EXPECT_STREQ("f1f1f1", j.trace.text);
}

/* The ways out of a block. */
enum way { FALL, BREAK, CONTINUE, RETURN, FAIL };

static int leave_block(struct job *j, enum way way)
{
	size_t mark = coro_defer_mark();
	int ret = 0, i;

	for (i = 0; i < 1; i++) {
		EXPECT_EQ(mark, coro_defer_mark());
		defer_notes(&j->n[1], 2);
		EXPECT_EQ(mark + 2, coro_defer_mark());
		ret = way == RETURN ? 1 : way == FAIL ? -EIO : 0;
		if (way == CONTINUE)
			continue;
		if (way == BREAK || ret)
			break;
		trace_add(&j->trace, 'b');
	}
	EXPECT_EQ(0, coro_defer_release(mark));
	EXPECT_EQ(mark, coro_defer_mark());
	return ret;
}

static long leave_blocks(void *arg)
{
	struct job *j = arg;
	enum way way;

	defer_notes(j->n, 1);
	for (way = FALL; way <= FAIL; way++) {
		leave_block(j, way);
		trace_add(&j->trace, '.');
	}
	return 0;
}

/* AWT-12 */
TEST_F(defer, block_ends_what_it_began_whichever_way_it_is_left)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(leave_blocks, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("b32.32.32.32.32.1", j.trace.text);
	coro_put(c);
}

static long run_and_cancel(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 3);
	EXPECT_EQ(-EINVAL, coro_defer_run(4));
	EXPECT_EQ(-EINVAL, coro_defer_cancel(4));
	EXPECT_EQ(-EINVAL, coro_defer_release(4));
	EXPECT_EQ(0, coro_defer_run(0));
	EXPECT_EQ(0, coro_defer_cancel(0));
	EXPECT_EQ(0, coro_defer_release(3));
	trace_add(&j->trace, 'a');
	EXPECT_EQ(0, coro_defer_run(1));
	trace_add(&j->trace, 'b');
	EXPECT_EQ(0, coro_defer_cancel(1));
	EXPECT_EQ((size_t)1, coro_defer_mark());
	trace_add(&j->trace, 'c');
	return 0;
}

/* AWT-12 */
TEST_F(defer, calls_can_be_run_early_or_taken_back)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(run_and_cancel, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("a3bc1", j.trace.text);
	coro_put(c);
}

static void cancel_the_rest(void *arg)
{
	trace_add(arg, 'c');
	EXPECT_EQ(0, coro_defer_cancel(2));
}

static long defer_a_canceller(void *arg)
{
	struct job *j = arg;

	defer_notes(j->n, 3);
	EXPECT_EQ(0, coro_defer(cancel_the_rest, &j->trace));
	EXPECT_EQ(0, coro_defer_release(2));
	trace_add(&j->trace, 'f');
	return 0;
}

/* AWT-12 */
TEST_F(defer, a_call_may_take_others_back)
{
	struct coro *c;
	struct job j;

	job_init(&j);
	c = coro_new(defer_a_canceller, &j);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("cf1", j.trace.text);
	coro_put(c);
}

enum { MANY = 1000 };

struct many {
	int next;
	int wrong;
};

struct numbered {
	struct many *many;
	int nr;
};

static void expect_turn(void *arg)
{
	struct numbered *n = arg;

	n->many->wrong += n->nr != --n->many->next;
}

static long defer_many(void *arg)
{
	static struct numbered n[MANY];
	struct many *m = arg;
	int i;

	for (i = 0; i < MANY; i++) {
		n[i] = (struct numbered){ m, i };
		EXPECT_EQ(0, coro_defer(expect_turn, &n[i]));
		/* In and out at each depth, over every edge of the memory behind it. */
		EXPECT_EQ(0, coro_defer(expect_turn, NULL));
		EXPECT_EQ(0, coro_defer_cancel(1));
	}
	m->next = MANY;
	EXPECT_EQ(0, coro_defer_run(MANY / 2));
	EXPECT_EQ(MANY / 2, m->next);
	EXPECT_EQ((size_t)MANY / 2, coro_defer_mark());
	return 0;
}

/* AWT-12 */
TEST_F(defer, any_number_of_calls_keeps_its_order)
{
	struct many m = { .next = 0 };
	struct coro *c = coro_new(defer_many, &m);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, m.next);
	EXPECT_EQ(0, m.wrong);
	coro_put(c);
}

static long defer_alone(void *arg)
{
	struct job *j = arg;

	EXPECT_EQ((size_t)0, coro_defer_mark());
	EXPECT_EQ(-EINVAL, coro_defer(NULL, NULL));
	defer_notes(j->n, 1);
	EXPECT_EQ(0, coro_await(coro_new(run_and_cancel, j->inner)));
	EXPECT_EQ((size_t)1, coro_defer_mark());
	trace_add(&j->trace, 'f');
	return 0;
}

/* AWT-12 */
TEST_F(defer, calls_belong_to_the_innermost_coroutine)
{
	struct job outer, inner;
	struct coro *c;

	job_init(&outer);
	job_init(&inner);
	outer.inner = &inner;
	c = coro_new(defer_alone, &outer);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_STREQ("a3bc1", inner.trace.text);
	EXPECT_STREQ("f1", outer.trace.text);
	coro_put(c);
}

TEST_F(defer, nothing_can_be_deferred_outside_of_coroutines)
{
	struct note n = { .name = '1' };

	EXPECT_EQ(-EPERM, coro_defer(add_note, &n));
	EXPECT_EQ((size_t)0, coro_defer_mark());
	EXPECT_EQ(-EPERM, coro_defer_release(0));
	EXPECT_EQ(-EPERM, coro_defer_run(0));
	EXPECT_EQ(-EPERM, coro_defer_cancel(0));
}

TEST_HARNESS_MAIN
