// SPDX-License-Identifier: MIT
/* Contexts: which of them a coroutine, a callback and a thread run in. */
#include "lib_context.h"

static long note_set_note(void *arg)
{
	trace_add(arg, get());
	set('t');
	trace_add(arg, get());
	return 0;
}

static long spawn_and_set(void *arg)
{
	struct coro *c = coro_new(note_set_note, arg);

	set('a');
	EXPECT_EQ(0, coro_start(c));
	set('b');
	EXPECT_EQ(0, coro_await(c));
	trace_add(arg, get());
	return 0;
}

/* CTX-01 */
TEST_F(context, task_has_a_copy_of_its_starters_context)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(spawn_and_set, &t));
	EXPECT_STREQ("atb", t.text);
	EXPECT_EQ('-', get());
}

static long spawn_again(void *arg)
{
	struct trace *t = arg;

	trace_add(t, get());
	if (t->nr < 5) {
		set((char)('0' + t->nr));
		EXPECT_EQ(0, coro_spawn(spawn_again, t));
		set('x');
	}
	return 0;
}

static long spawn_and_wait(void *arg)
{
	struct trace *t = arg;

	set('m');
	EXPECT_EQ(0, coro_spawn(spawn_again, t));
	while (t->nr < 5)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* CTX-01 */
TEST_F(context, copies_go_from_task_to_task)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(spawn_and_wait, &t));
	EXPECT_STREQ("m1234", t.text);
}

static long keep_value(void *arg)
{
	char mine = (char)(intptr_t)arg;
	int i;

	set(mine);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(mine, get());
		if (i == 2)
			set(mine += 3);
	}
	return 0;
}

static long interleave(void *arg)
{
	struct coro *c[3];
	long i;

	(void)arg;
	set('m');
	for (i = 0; i < 3; i++) {
		c[i] = coro_new(keep_value, (void *)('a' + i));
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_EQ('m', get());
	return 0;
}

/* CTX-02 */
TEST_F(context, task_keeps_its_values_while_others_run)
{
	EXPECT_EQ(0, coro_run(interleave, NULL));
}

static long see_and_set(void *arg)
{
	char *seen = arg;

	seen[0] = get();
	set('i');
	EXPECT_EQ(-EPERM, coro_yield(0, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	seen[1] = get();
	return 0;
}

static long set_and_await(void *arg)
{
	set('o');
	EXPECT_EQ(0, coro_await(coro_new(see_and_set, arg)));
	EXPECT_EQ('i', get());
	return 0;
}

/* CTX-03 */
TEST_F(context, awaited_coroutine_shares_its_callers_context)
{
	char seen[3] = "";

	EXPECT_EQ(0, coro_run(set_and_await, seen));
	EXPECT_STREQ("oi", seen);
	EXPECT_EQ('-', get());
}

static long set_and_yield(void *arg)
{
	char value = (char)(intptr_t)arg;

	for (;;) {
		set(value++);
		if (coro_yield(get(), NULL))
			return 0;
	}
}

static long resume_in_thread(void *arg)
{
	struct coro *c = coro_new(set_and_yield, (void *)(intptr_t)'a');

	(void)arg;
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ('a', get());
	set('x');
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ('b', get());
	coro_put(c);
	return 0;
}

/* CTX-03: outside of loops, the thread's; its values go with it. */
TEST_F(context, resumed_coroutine_shares_the_threads_context)
{
	IN_THREAD(resume_in_thread, NULL);
	EXPECT_STREQ("axb", destroyed.text);
	EXPECT_EQ('-', get());
}

struct callback {
	struct coro_loop *loop;
	pthread_t thread;
	struct trace trace;
	int calls;
};

static void note_and_set(void *arg)
{
	struct callback *cb = arg;

	trace_add(&cb->trace, get());
	set('c');
	trace_add(&cb->trace, get());
	cb->calls++;
}

static long call_soon_twice(void *arg)
{
	struct callback *cb = arg;

	cb->loop = coro_loop_self();
	set('a');
	EXPECT_EQ(0, coro_call_soon(cb->loop, note_and_set, cb));
	set('b');
	EXPECT_EQ(0, coro_call_soon(cb->loop, note_and_set, cb));
	set('z');
	while (cb->calls < 2)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ('z', get());
	return 0;
}

static long run_callbacks(void *arg)
{
	set('x');
	EXPECT_EQ(0, coro_run(call_soon_twice, arg));
	EXPECT_EQ('x', get());
	return 0;
}

/* CTX-04 */
TEST_F(context, callback_runs_in_the_context_of_when_it_was_scheduled)
{
	struct callback cb = { .calls = 0 };

	IN_THREAD(run_callbacks, &cb);
	EXPECT_STREQ("acbc", cb.trace.text);
}

static void *call_from_thread(void *arg)
{
	struct callback *cb = arg;

	set('r');
	EXPECT_EQ(0, coro_call_soon(cb->loop, note_and_set, cb));
	coro_loop_put(cb->loop);
	return NULL;
}

static long wait_for_call(void *arg)
{
	struct callback *cb = arg;

	set('m');
	cb->loop = coro_loop_get(coro_loop_self());
	if (pthread_create(&cb->thread, NULL, call_from_thread, cb))
		return -EPROTO;
	while (!cb->calls)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ('m', get());
	return 0;
}

/* CTX-04 */
TEST_F(context, callback_from_another_thread_brings_that_ones_context)
{
	struct callback cb = { .calls = 0 };

	EXPECT_EQ(0, coro_run(wait_for_call, &cb));
	pthread_join(cb.thread, NULL);
	EXPECT_STREQ("rc", cb.trace.text);
	EXPECT_EQ((size_t)3, destroyed.nr);
}

static void call_when_closed(void *arg)
{
	struct callback *cb = arg;

	EXPECT_EQ(-EPIPE, coro_call_soon(cb->loop, note_and_set, cb));
}

static long hold_loop(void *arg)
{
	struct callback *cb = arg;

	cb->loop = coro_loop_get(coro_loop_self());
	return 0;
}

static long call_late(void *arg)
{
	struct callback *cb = arg;

	EXPECT_EQ(0, coro_run(hold_loop, cb));
	set('l');
	call_when_closed(cb);
	coro_loop_put(cb->loop);
	return 0;
}

/* CTX-04, CTX-10 */
TEST_F(context, refused_callback_holds_no_values)
{
	struct callback cb = { .calls = 0 };

	IN_THREAD(call_late, &cb);
	EXPECT_STREQ("l", destroyed.text);
	EXPECT_EQ(0, cb.calls);
}

struct shared {
	struct coro_context *ctx;
	struct trace trace;
	int err;
};

static struct coro *start_in(long (*fn)(void *arg), struct shared *s)
{
	struct coro_spawn_opts opts = {
		.size = sizeof(opts),
		.context = s->ctx,
	};
	struct coro *c = NULL;

	EXPECT_EQ(0, coro_spawn_opts(&c, fn, s, &opts));
	return c;
}

static long note_and_advance(void *arg)
{
	struct shared *s = arg;

	trace_add(&s->trace, get());
	set(get() == '-' ? '1' : (char)(get() + 1));
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(&s->trace, get());
	return 0;
}

static long start_in_turn(void *arg)
{
	struct shared *s = arg;
	struct coro *c;
	int i;

	set('m');
	for (i = 0; i < 3; i++) {
		c = start_in(note_and_advance, s);
		EXPECT_EQ(0, coro_await(c));
	}
	EXPECT_EQ('m', get());
	return 0;
}

/* CTX-05 */
TEST_F(context, given_context_is_used_by_several_tasks_in_turn)
{
	struct shared s = { .err = 0 };

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_run(start_in_turn, &s));
	EXPECT_STREQ("-11223", s.trace.text);
	coro_context_put(s.ctx);
}

static long start_together(void *arg)
{
	struct shared *s = arg;
	struct coro *c[2];
	int i;

	for (i = 0; i < 2; i++)
		c[i] = start_in(note_and_advance, s);
	/* The tasks have references of their own. */
	coro_context_put(s->ctx);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_STREQ("12", destroyed.text);
	return 0;
}

/* CTX-05, CTX-10 */
TEST_F(context, tasks_that_share_a_context_see_each_others_values)
{
	struct shared s = { .err = 0 };

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_run(start_together, &s));
	EXPECT_STREQ("-122", s.trace.text);
}

static long enter_again(void *arg)
{
	struct shared *s = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-EBUSY,
		  coro_context_run(s->ctx, note_set_note, &s->trace, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 7;
}

static long enter_another_first(void *arg)
{
	struct coro_context *inner;
	long value = 0;

	EXPECT_EQ(0, coro_context_new(&inner));
	EXPECT_EQ(0, coro_context_run(inner, enter_again, arg, &value));
	coro_context_put(inner);
	return value;
}

/* CTX-06 */
TEST_F(context, entered_context_cannot_be_entered_again)
{
	struct shared s = { .err = 0 };
	long value = 0;

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_context_run(s.ctx, enter_again, &s, &value));
	EXPECT_EQ(7, value);
	EXPECT_EQ(0, coro_context_run(s.ctx, enter_another_first, &s, NULL));
	EXPECT_EQ(0, coro_context_run(s.ctx, note_set_note, &s.trace, NULL));
	EXPECT_STREQ("-t", s.trace.text);
	EXPECT_EQ('-', get());
	coro_context_put(s.ctx);
	EXPECT_STREQ("t", destroyed.text);
}

static long enter_own(void *arg)
{
	struct shared *s = arg;

	EXPECT_EQ(7, enter_again(s));
	EXPECT_EQ(7, enter_another_first(s));
	return 0;
}

static long start_one_that_enters_its_own(void *arg)
{
	struct shared *s = arg;

	EXPECT_EQ(0, coro_await(start_in(enter_own, s)));
	return 0;
}

/* CTX-06 */
TEST_F(context, task_cannot_enter_the_context_that_it_runs_in)
{
	struct shared s = { .err = 0 };

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_run(start_one_that_enters_its_own, &s));
	EXPECT_STREQ("", s.trace.text);
	coro_context_put(s.ctx);
}

static long sleep_far(void *arg)
{
	(void)arg;
	set('s');
	return coro_sleep(FAR_NS);
}

static long enter_and_sleep(void *arg)
{
	struct shared *s = arg;

	s->err = coro_context_run(s->ctx, sleep_far, NULL, NULL);
	trace_add(&s->trace, get());
	return 0;
}

static long enter_meanwhile(void *arg)
{
	struct shared *s = arg;
	struct coro *c = coro_new(enter_and_sleep, s);

	set('m');
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ('m', get());
	EXPECT_EQ(-EBUSY,
		  coro_context_run(s->ctx, note_set_note, &s->trace, NULL));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, coro_context_run(s->ctx, note_set_note, &s->trace, NULL));
	return 0;
}

/* CTX-06, CTX-02: the coroutine that waits inside takes its context with it. */
TEST_F(context, one_that_waits_inside_a_context_keeps_it_entered)
{
	struct shared s = { .err = POISON };

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_run(enter_meanwhile, &s));
	EXPECT_EQ(0, s.err);
	EXPECT_STREQ("mst", s.trace.text);
	coro_context_put(s.ctx);
}

static long use_elsewhere(void *arg)
{
	struct coro_context *copy = NULL;
	struct shared *s = arg;

	s->err = coro_context_run(s->ctx, note_set_note, &s->trace, NULL);
	EXPECT_EQ(s->err, coro_context_copy(&copy, s->ctx));
	coro_context_put(copy);
	return 0;
}

static long let_others_try(void *arg)
{
	struct shared *s = arg;

	IN_THREAD(use_elsewhere, s);
	EXPECT_EQ(-EBUSY, s->err);
	return 0;
}

static long run_in_given(void *arg)
{
	struct shared *s = arg;
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.context = s->ctx,
	};

	s->err = coro_run_opts(let_others_try, s, &opts, NULL);
	return 0;
}

static long let_others_run(void *arg)
{
	struct shared *s = arg;

	IN_THREAD(run_in_given, s);
	EXPECT_EQ(-EBUSY, s->err);
	return let_others_try(arg);
}

/* CTX-06 */
TEST_F(context, context_cannot_be_entered_from_another_thread)
{
	struct shared s = { .err = POISON };

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	EXPECT_EQ(0, coro_context_run(s.ctx, let_others_run, &s, NULL));
	IN_THREAD(run_in_given, &s);
	EXPECT_EQ(0, s.err);
	EXPECT_STREQ("", s.trace.text);
	IN_THREAD(use_elsewhere, &s);
	EXPECT_EQ(0, s.err);
	EXPECT_STREQ("-t", s.trace.text);
	coro_context_put(s.ctx);
}

static long yield_inside(void *arg)
{
	(void)arg;
	return coro_yield(1, NULL);
}

static long resume_inside(void *arg)
{
	struct coro *c = coro_new(yield_inside, NULL);

	(void)arg;
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	return coro_await(coro_new(yield_inside, NULL)) == -EBUSY ? 5 : 6;
}

static long yield_around(void *arg)
{
	struct shared *s = arg;
	long value = 0;

	EXPECT_EQ(0, coro_yield(0, NULL));
	EXPECT_EQ(0, coro_context_run(s->ctx, yield_inside, NULL, &value));
	EXPECT_EQ(-EBUSY, value);
	EXPECT_EQ(0, coro_context_run(s->ctx, resume_inside, NULL, &value));
	EXPECT_EQ(5, value);
	return coro_yield(0, NULL);
}

/* CTX-06, AGS-15: its driver would run in a context that it did not enter. */
TEST_F(context, generator_cannot_be_left_inside_a_context)
{
	struct shared s = { .err = 0 };
	struct coro *c = coro_new(yield_around, &s);
	int i;

	ASSERT_EQ(0, coro_context_new(&s.ctx));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	coro_context_put(s.ctx);
}

static long note_and_set_next(void *arg)
{
	trace_add(arg, get());
	set(get() == '-' ? '1' : (char)(get() + 1));
	return 0;
}

static long run_twice(void *arg)
{
	struct coro_loop_opts opts = { .size = sizeof(opts) };

	EXPECT_EQ(0, coro_context_new(&opts.context));
	EXPECT_EQ(0, coro_run_opts(note_and_set_next, arg, &opts, NULL));
	EXPECT_EQ(0, coro_run_opts(note_and_set_next, arg, &opts, NULL));
	coro_context_put(opts.context);
	set('5');
	EXPECT_EQ(0, coro_run(note_and_set_next, arg));
	EXPECT_EQ(0, coro_run(note_and_set_next, arg));
	EXPECT_EQ('5', get());
	return 0;
}

/* CTX-09 */
TEST_F(context, runs_share_a_given_context_or_start_from_the_callers)
{
	struct trace t = { .nr = 0 };

	IN_THREAD(run_twice, &t);
	EXPECT_STREQ("-155", t.text);
}

static long do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static long end_one_by_one(void *arg)
{
	struct coro *first = coro_new(do_nothing, NULL);
	struct coro *second = coro_new(keep_value, (void *)(intptr_t)'s');

	(void)arg;
	set('v');
	EXPECT_EQ(0, coro_start(first));
	EXPECT_EQ(0, coro_start(second));
	set('w');
	EXPECT_STREQ("", destroyed.text);
	EXPECT_EQ(0, coro_await(first));
	EXPECT_STREQ("v", destroyed.text);
	EXPECT_EQ(0, coro_await(second));
	/* All of them before who awaits goes on. */
	EXPECT_STREQ("vsv", destroyed.text);
	return 0;
}

/* CTX-10, OBJ-07 */
TEST_F(context, value_is_destroyed_when_the_last_context_lets_go)
{
	EXPECT_EQ(0, coro_run(end_one_by_one, NULL));
	EXPECT_STREQ("vsvw", destroyed.text);
}

static long cancel_before_start(void *arg)
{
	struct coro *c = coro_new(do_nothing, NULL);

	(void)arg;
	set('v');
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_var_set(var, NULL, NULL));
	EXPECT_STREQ("", destroyed.text);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_STREQ("v", destroyed.text);
	return 0;
}

/* CTX-10 */
TEST_F(context, task_that_never_ran_lets_go_of_its_values)
{
	EXPECT_EQ(0, coro_run(cancel_before_start, NULL));
}

static long set_in_copy(void *arg)
{
	set((char)(intptr_t)arg);
	return 0;
}

static long copy_and_change(void *arg)
{
	struct coro_context *copy, *second;

	(void)arg;
	set('a');
	EXPECT_EQ(0, coro_context_copy(&copy, NULL));
	set('b');
	EXPECT_EQ(0, coro_context_copy(&second, copy));
	EXPECT_EQ(0, coro_context_run(copy, set_in_copy, (void *)'c', NULL));
	EXPECT_EQ('b', get());
	EXPECT_STREQ("", destroyed.text);
	coro_context_put(second);
	EXPECT_STREQ("a", destroyed.text);
	coro_context_put(coro_context_get(copy));
	coro_context_put(copy);
	EXPECT_STREQ("ac", destroyed.text);
	return 0;
}

/* CTX-01, CTX-10 */
TEST_F(context, copies_are_independent)
{
	IN_THREAD(copy_and_change, NULL);
	EXPECT_STREQ("acb", destroyed.text);
}

TEST_HARNESS_MAIN
