// SPDX-License-Identifier: MIT
/* The loop: running, nesting, ending, deadlock, and one for each thread. */
#include "lib_common.h"

LIB_FIXTURE(loop)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long set_flag(void *arg)
{
	*(int *)arg += 1;
	return 0;
}

/* LOP-08 */
TEST_F(loop, run_returns_what_the_function_returned)
{
	const long values[] = { 0, 1, -1, -EIO, LONG_MAX, LONG_MIN };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		long value = POISON_LONG;

		EXPECT_EQ(values[i], coro_run(give_arg, (void *)values[i]));
		EXPECT_EQ(0, coro_run_opts(give_arg, (void *)values[i], NULL,
					   &value));
		EXPECT_EQ(values[i], value);
		EXPECT_EQ(0, coro_run_opts(give_arg, (void *)values[i], NULL,
					   NULL));
	}
}

/* LOP-14 */
TEST_F(loop, run_without_a_function_is_refused)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_run_opts(NULL, NULL, NULL, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(-EINVAL, coro_run(NULL, NULL));
	EXPECT_EQ(3, coro_run(give_arg, (void *)3L));
}

/* LOP-14 */
TEST_F(loop, bad_options_are_refused_before_anything_runs)
{
	struct coro_loop_opts opts = { .size = 0 };
	long value = POISON_LONG;
	int entered = 0;

	EXPECT_EQ(-EINVAL, coro_run_opts(set_flag, &entered, &opts, &value));
	opts.size = sizeof(opts.size) - 1;
	EXPECT_EQ(-EINVAL, coro_run_opts(set_flag, &entered, &opts, &value));
	opts.size = sizeof(opts);
	opts.recv_buffers = 3;
	EXPECT_EQ(-EINVAL, coro_run_opts(set_flag, &entered, &opts, &value));
	opts.recv_buffers = 65536;
	EXPECT_EQ(-EINVAL, coro_run_opts(set_flag, &entered, &opts, &value));
	EXPECT_EQ(0, entered);
	EXPECT_EQ(POISON_LONG, value);
}

/* LOP-14 */
TEST_F(loop, options_of_a_newer_library_are_taken_as_far_as_known)
{
	struct {
		struct coro_loop_opts opts;
		unsigned char tail[16];
	} newer = { .opts.size = sizeof(newer) };
	int entered = 0;

	newer.tail[15] = 1;
	EXPECT_EQ(-E2BIG, coro_run_opts(set_flag, &entered, &newer.opts, NULL));
	EXPECT_EQ(0, entered);
	newer.tail[15] = 0;
	EXPECT_EQ(0, coro_run_opts(set_flag, &entered, &newer.opts, NULL));
	EXPECT_EQ(1, entered);
}

static long run_another(void *arg)
{
	int entered = 0;
	long value = POISON_LONG;

	EXPECT_EQ(-EBUSY, coro_run_opts(set_flag, &entered, NULL, &value));
	EXPECT_EQ(-EBUSY, coro_run(set_flag, &entered));
	EXPECT_EQ(0, entered);
	EXPECT_EQ(POISON_LONG, value);
	return (long)arg;
}

static long run_another_and_go_on(void *arg)
{
	run_another(NULL);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return (long)arg;
}

/* LOP-09, LOP-14 */
TEST_F(loop, run_inside_a_loop_is_refused_and_disturbs_nothing)
{
	EXPECT_EQ(9, coro_run(run_another_and_go_on, (void *)9L));
}

/* LOP-09, LOP-14 */
TEST_F(loop, run_inside_a_plain_coroutine_is_refused)
{
	struct coro *c = coro_new(run_another, (void *)9L);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(9, value);
	coro_put(c);
}

/* LOP-15 */
TEST_F(loop, runs_leave_no_descriptor)
{
	int before, i;

	ASSERT_NE(NULL, coro_backend());
	EXPECT_EQ(0, coro_run(give_arg, NULL));
	before = open_fds();
	for (i = 0; i < 50; i++)
		EXPECT_EQ(i, coro_run(give_arg, (void *)(long)i));
	EXPECT_EQ(before, open_fds());
}

static long see_self(void *arg)
{
	struct coro *self = coro_self();

	EXPECT_NE(NULL, self);
	EXPECT_EQ(CORO_STATE_RUNNING, coro_state(self));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(self, coro_self());
	*(struct coro **)arg = self;
	return 0;
}

/* TSK-38 */
TEST_F(loop, main_function_is_a_coroutine)
{
	struct coro *seen = NULL;

	EXPECT_EQ(0, coro_run(see_self, &seen));
	EXPECT_NE(NULL, seen);
	EXPECT_EQ(NULL, coro_self());
}

struct leftover {
	struct trace *trace;
	char name;
	int cancels;
	int spawn_err;
	int fd;
};

static long sleep_long(void *arg)
{
	struct leftover *l = arg;

	if (coro_sleep(FAR_NS) == -ECANCELED)
		l->cancels++;
	trace_add(l->trace, l->name);
	return 0;
}

static long leave_sleepers(void *arg)
{
	struct leftover *l = arg;

	EXPECT_EQ(0, coro_spawn(sleep_long, &l[0]));
	EXPECT_EQ(0, coro_spawn(sleep_long, &l[1]));
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(l[0].trace, 'm');
	return 5;
}

/* LOP-12 */
TEST_F(loop, leftover_coroutines_are_cancelled_when_main_ended)
{
	struct trace t = { .nr = 0 };
	struct leftover l[] = { { .trace = &t, .name = 'x' },
				{ .trace = &t, .name = 'y' } };

	EXPECT_EQ(5, coro_run(leave_sleepers, l));
	EXPECT_EQ(1, l[0].cancels);
	EXPECT_EQ(1, l[1].cancels);
	EXPECT_EQ((size_t)3, t.nr);
	EXPECT_EQ('m', t.text[0]);
}

static long never_enter(void *arg)
{
	((struct leftover *)arg)->cancels = -1000;
	return 0;
}

static long ignore_cancels(void *arg)
{
	struct leftover *l = arg;
	int i;

	for (i = 0; i < 5; i++) {
		if (coro_sleep(FAR_NS) == -ECANCELED)
			l->cancels++;
		if (coro_sleep(0) == -ECANCELED)
			l->cancels++;
	}
	l->spawn_err = coro_spawn(never_enter, l);
	return -EIO;
}

static long leave_a_stubborn_one(void *arg)
{
	EXPECT_EQ(0, coro_spawn(ignore_cancels, arg));
	EXPECT_EQ(0, coro_sleep(0));
	return 5;
}

/* LOP-12, LOP-13 */
TEST_F(loop, every_wait_of_a_leftover_fails)
{
	struct leftover l = { .spawn_err = 1 };

	EXPECT_EQ(5, coro_run(leave_a_stubborn_one, &l));
	EXPECT_EQ(10, l.cancels);
}

/* LOP-11, LOP-12 */
TEST_F(loop, nothing_can_be_started_while_the_loop_ends)
{
	struct leftover l = { .spawn_err = 1 };

	EXPECT_EQ(5, coro_run(leave_a_stubborn_one, &l));
	EXPECT_EQ(-ECANCELED, l.spawn_err);
	EXPECT_EQ(10, l.cancels);
}

static long leave_unentered(void *arg)
{
	EXPECT_EQ(0, coro_spawn(set_flag, arg));
	return 5;
}

/* LOP-12, TSK-13 */
TEST_F(loop, leftover_that_never_ran_is_not_entered)
{
	int entered = 0;

	EXPECT_EQ(5, coro_run(leave_unentered, &entered));
	EXPECT_EQ(0, entered);
}

static long read_byte(void *arg)
{
	struct leftover *l = arg;
	char byte = POISON;

	l->cancels = coro_io_read(l->fd, &byte, 1, CORO_NEVER);
	EXPECT_EQ(POISON, byte);
	return 0;
}

static long leave_a_reader(void *arg)
{
	EXPECT_EQ(0, coro_spawn(read_byte, arg));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	return 5;
}

/* LOP-12, IOU-08 */
TEST_F(loop, leftover_operations_end_before_run_returns)
{
	struct leftover l = { .cancels = 1 };
	int fds[2];
	char byte;

	ASSERT_EQ(0, pipe(fds));
	l.fd = fds[0];
	EXPECT_EQ(5, coro_run(leave_a_reader, &l));
	EXPECT_EQ(-ECANCELED, l.cancels);
	EXPECT_EQ(1, write(fds[1], "x", 1));
	EXPECT_EQ(1, read(fds[0], &byte, 1));
	EXPECT_EQ('x', byte);
	close(fds[0]);
	close(fds[1]);
}

struct cleanup {
	struct coro *helper;
	long helped;
	int entered;
};

static long await_during_cleanup(void *arg)
{
	struct cleanup *cl = arg;

	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	cl->helped = coro_await(coro_new(give_arg, (void *)11L));
	cl->entered++;
	return 0;
}

static long leave_a_cleaner(void *arg)
{
	EXPECT_EQ(0, coro_spawn(await_during_cleanup, arg));
	EXPECT_EQ(0, coro_sleep(0));
	return 5;
}

/* LOP-12 */
TEST_F(loop, cleanup_of_a_leftover_may_await_what_does_not_wait)
{
	struct cleanup cl = { .helped = 0 };

	EXPECT_EQ(5, coro_run(leave_a_cleaner, &cl));
	EXPECT_EQ(11, cl.helped);
	EXPECT_EQ(1, cl.entered);
}

static long wait_for_nothing(void *arg)
{
	(void)arg;
	return coro_sleep_until(CORO_NEVER);
}

/* LOP-08, DIA-20 */
TEST_F(loop, main_that_nothing_can_wake_fails)
{
	EXPECT_EQ(-EDEADLK, coro_run(wait_for_nothing, NULL));
}

static long await_for_nothing(void *arg)
{
	struct coro *c = coro_new(wait_for_nothing, NULL);
	long value = POISON_LONG;
	int err;

	EXPECT_EQ(0, coro_start(c));
	err = coro_await_value(c, &value);
	EXPECT_EQ(-EDEADLK, err);
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	(void)arg;
	return err;
}

/* DIA-20 */
TEST_F(loop, main_that_awaits_one_that_nothing_can_wake_fails_and_may_go_on)
{
	EXPECT_EQ(-EDEADLK, coro_run(await_for_nothing, NULL));
}

static long sleep_beside_a_waiter(void *arg)
{
	struct coro *c = coro_new(wait_for_nothing, NULL);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	coro_put(c);
	return 0;
}

/* DIA-20 */
TEST_F(loop, timer_keeps_the_loop_alive)
{
	EXPECT_EQ(0, coro_run(sleep_beside_a_waiter, NULL));
}

static long try_to_yield(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EPERM, coro_yield(1, &value));
	EXPECT_EQ(POISON_LONG, value);
	return (long)arg;
}

static long await_one_who_yields(void *arg)
{
	return coro_await(coro_new(try_to_yield, arg));
}

/* AWT-09 */
TEST_F(loop, yield_to_a_loop_is_refused)
{
	EXPECT_EQ(4, coro_run(try_to_yield, (void *)4L));
	EXPECT_EQ(4, coro_run(await_one_who_yields, (void *)4L));
}

struct driving {
	struct trace trace;
	struct coro *driver;
	struct coro *gen;
};

static long sleep_and_yield(void *arg)
{
	struct driving *d = arg;
	int i;

	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(0, coro_sleep(SOON_NS));
		EXPECT_EQ(0, coro_yield(i, NULL));
	}
	trace_add(&d->trace, 'e');
	return 4;
}

static long drive_sleeper(void *arg)
{
	struct driving *d = arg;
	long value = POISON_LONG, i;

	d->gen = coro_new(sleep_and_yield, d);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(CORO_YIELDED, coro_resume(d->gen, 0, &value));
		EXPECT_EQ(i, value);
		trace_add(&d->trace, '0' + value);
	}
	EXPECT_EQ(CORO_ENDED, coro_resume(d->gen, 0, &value));
	EXPECT_EQ(4, value);
	coro_put(d->gen);
	return 0;
}

static long look_while_driven(void *arg)
{
	struct driving *d = arg;
	long value = POISON_LONG;

	d->driver = coro_new(drive_sleeper, d);
	EXPECT_EQ(0, coro_start(d->driver));
	EXPECT_EQ(0, coro_sleep(0));
	trace_add(&d->trace, 'm');
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(d->gen));
	EXPECT_EQ(-EBUSY, coro_resume(d->gen, 0, &value));
	EXPECT_EQ(-EBUSY, coro_throw(d->gen, -EIO, &value));
	EXPECT_EQ(-EBUSY, coro_close(d->gen, &value));
	EXPECT_EQ(-EBUSY, coro_resume(d->driver, 0, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_await(d->driver));
	return 0;
}

/* STC-08, AGS-06 */
TEST_F(loop, driver_waits_with_the_coroutine_that_it_resumed)
{
	struct driving d = { .driver = NULL };

	EXPECT_EQ(0, coro_run(look_while_driven, &d));
	EXPECT_STREQ("m123e", d.trace.text);
}

static long sleep_in_cleanup(void *arg)
{
	if (coro_yield(0, NULL) == CORO_EXIT)
		EXPECT_EQ(0, coro_sleep(SOON_NS));
	*(int *)arg += 1;
	return 0;
}

static long drop_one_that_sleeps_in_cleanup(void *arg)
{
	struct coro *c = coro_new(sleep_in_cleanup, arg);

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(1, *(int *)arg);
	return 0;
}

TEST_F(loop, put_waits_for_cleanup_that_sleeps)
{
	int cleaned = 0;

	EXPECT_EQ(0, coro_run(drop_one_that_sleeps_in_cleanup, &cleaned));
	EXPECT_EQ(1, cleaned);
}

struct two_threads {
	pthread_barrier_t barrier;
	struct coro *other;
	int fds[2];
};

static long be_touched(void *arg)
{
	struct two_threads *tt = arg;
	char byte;

	tt->other = coro_self();
	pthread_barrier_wait(&tt->barrier);
	EXPECT_EQ(1, coro_io_read(tt->fds[0], &byte, 1, CORO_NEVER));
	return 0;
}

static void *run_be_touched(void *arg)
{
	return (void *)coro_run(be_touched, arg);
}

static long touch_the_other(void *arg)
{
	struct two_threads *tt = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-EXDEV, coro_cancel(tt->other));
	EXPECT_EQ(-EXDEV, coro_await_value(tt->other, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(1, coro_io_write(tt->fds[1], "x", 1, CORO_NEVER));
	return 0;
}

/* AWT-10, THR-14 */
TEST_F(loop, coroutines_of_another_threads_loop_are_refused)
{
	struct two_threads tt;
	pthread_t thread;
	void *ret;

	pthread_barrier_init(&tt.barrier, NULL, 2);
	ASSERT_EQ(0, pipe(tt.fds));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_be_touched, &tt));
	pthread_barrier_wait(&tt.barrier);
	EXPECT_EQ(0, coro_run(touch_the_other, &tt));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	close(tt.fds[0]);
	close(tt.fds[1]);
}

static long run_sleeper(void *arg)
{
	(void)arg;
	return coro_run(wait_for_nothing, NULL);
}

static long be_independent(void *arg)
{
	(void)arg;
	/* The other thread's loop deadlocks while this one runs. */
	EXPECT_EQ(-EDEADLK, in_thread(run_sleeper, NULL));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return 2;
}

/* THR-14 */
TEST_F(loop, loops_of_threads_are_independent)
{
	EXPECT_EQ(2, coro_run(be_independent, NULL));
}

static long await_a_kept_one(void *arg)
{
	return coro_await(arg);
}

static long start_and_keep(void *arg)
{
	struct coro *c = coro_new(give_arg, (void *)21L);

	*(struct coro **)arg = c;
	EXPECT_EQ(0, coro_start(c));
	return coro_sleep(0);
}

/* OBJ-08, AWT-08 */
TEST_F(loop, result_outlives_the_loop_that_ran_it)
{
	struct coro *c = NULL;
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_run(start_and_keep, &c));
	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(-ESRCH, coro_cancel(c));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(21, value);
	EXPECT_EQ(21, coro_run(await_a_kept_one, c));
}

TEST_HARNESS_MAIN
