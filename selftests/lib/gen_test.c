// SPDX-License-Identifier: MIT
/* Generators: steps, what goes in and out, and their ends, asked for or not. */
#include "lib_common.h"

LIB_FIXTURE(gen)

/* What a generator did, and is to do. */
struct doing {
	struct trace trace;
	struct coro_gen *gen;
	struct coro *self;
	long nr; /* values that it yields */
	long ret; /* what it returns */
	int waits; /* in cleanup */
	int err; /* what ended it */
	int fds[2];
};

/* Yields 0, 1, 2 and waits before each. */
static long count(void *arg)
{
	struct doing *d = arg;
	long i;

	d->self = coro_self();
	for (i = 0; i < d->nr; i++) {
		EXPECT_EQ(0, coro_sleep(0));
		d->err = coro_yield(i, NULL);
		if (d->err)
			break;
	}
	trace_add(&d->trace, 'e');
	return d->ret;
}

/* As count(), without a loop. */
static long count_plain(void *arg)
{
	struct doing *d = arg;
	long i;

	for (i = 0; i < d->nr && !d->err; i++)
		d->err = coro_yield(i, NULL);
	trace_add(&d->trace, 'e');
	return d->ret;
}

static long step_through(void *arg)
{
	struct doing *d = arg;
	long value, i;

	EXPECT_EQ(0, coro_gen_new(&d->gen, count, d));
	for (i = 0; i < d->nr; i++) {
		value = POISON_LONG;
		EXPECT_EQ(1, coro_gen_next(d->gen, &value));
		EXPECT_EQ(i, value);
		trace_add(&d->trace, 'v');
	}
	value = POISON_LONG;
	EXPECT_EQ(d->ret < 0 ? d->ret : 0, coro_gen_next(d->gen, &value));
	EXPECT_EQ(0, coro_gen_next(d->gen, &value));
	EXPECT_EQ(0, coro_gen_send(d->gen, 5, &value));
	EXPECT_EQ(0, coro_gen_throw(d->gen, -EIO, &value));
	EXPECT_EQ(POISON_LONG, value);
	coro_gen_free(d->gen);
	return 0;
}

/* AGS-01 */
TEST_F(gen, values_come_one_at_a_step_and_each_step_may_wait)
{
	struct doing d = { .nr = 3 };

	EXPECT_EQ(0, coro_run(step_through, &d));
	EXPECT_STREQ("vvve", d.trace.text);
}

/* AGS-01 */
TEST_F(gen, failure_is_told_once_and_is_an_end)
{
	struct doing d = { .nr = 2, .ret = -EIO };

	EXPECT_EQ(0, coro_run(step_through, &d));
	EXPECT_STREQ("vve", d.trace.text);
}

/* AGS-01 */
TEST_F(gen, generator_needs_no_loop)
{
	struct doing d = { .nr = 2 };
	long value = POISON_LONG;

	ASSERT_EQ(0, coro_gen_new(&d.gen, count_plain, &d));
	EXPECT_EQ(1, coro_gen_next(d.gen, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(1, coro_gen_next(d.gen, NULL));
	EXPECT_EQ(0, coro_gen_next(d.gen, &value));
	EXPECT_EQ(0, value);
	coro_gen_free(d.gen);
	EXPECT_STREQ("e", d.trace.text);
}

static long yield_back(void *arg)
{
	long value = (long)arg;

	while (coro_yield(value, &value) == 0)
		;
	return 0;
}

/* AGS-02 */
TEST_F(gen, sent_value_is_that_of_the_pending_yield)
{
	const long values[] = { 1, -1, 0, LONG_MIN, LONG_MAX, CORO_EXIT };
	struct coro_gen *g;
	long value = POISON_LONG;
	unsigned int i;

	ASSERT_EQ(0, coro_gen_new(&g, yield_back, (void *)7L));
	EXPECT_EQ(-EINVAL, coro_gen_send(g, 1, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(1, coro_gen_send(g, 0, &value));
	EXPECT_EQ(7, value);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(1, coro_gen_send(g, values[i], &value));
		EXPECT_EQ(values[i], value);
	}
	coro_gen_free(g);
}

/* AGS-09 */
TEST_F(gen, no_yielded_value_is_taken_for_an_end_or_a_failure)
{
	const long values[] = { 0, 1, -EIO, -EBUSY, CORO_EXIT };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct coro_gen *g;
		long value = POISON_LONG;

		ASSERT_EQ(0, coro_gen_new(&g, yield_back, (void *)values[i]));
		EXPECT_EQ(1, coro_gen_next(g, &value));
		EXPECT_EQ(values[i], value);
		coro_gen_free(g);
	}
}

/* AGS-09 */
TEST_F(gen, whatever_a_function_returns_ends_it)
{
	const long values[] = { 1, 2, LONG_MAX, -4096 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct doing d = { .ret = values[i] };
		long value = POISON_LONG;

		ASSERT_EQ(0, coro_gen_new(&d.gen, count_plain, &d));
		EXPECT_EQ(0, coro_gen_next(d.gen, &value));
		EXPECT_EQ(POISON_LONG, value);
		coro_gen_free(d.gen);
	}
}

/* Handles one error and yields it; the next one ends it. */
static long handle_one(void *arg)
{
	int err = coro_yield(1, NULL);

	(void)arg;
	return err ? coro_yield(err, NULL) : 0;
}

/* AGS-03 */
TEST_F(gen, thrown_error_can_be_handled_or_let_out)
{
	struct coro_gen *g;
	long value = POISON_LONG;

	ASSERT_EQ(0, coro_gen_new(&g, handle_one, NULL));
	EXPECT_EQ(1, coro_gen_next(g, &value));
	EXPECT_EQ(-EINVAL, coro_gen_throw(g, 0, &value));
	EXPECT_EQ(-EINVAL, coro_gen_throw(g, EIO, &value));
	EXPECT_EQ(1, coro_gen_throw(g, -EIO, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(-EPIPE, coro_gen_throw(g, -EPIPE, &value));
	EXPECT_EQ(0, coro_gen_next(g, &value));
	coro_gen_free(g);
}

/* Answers CORO_EXIT with waiting cleanup. */
static long clean_up(void *arg)
{
	struct doing *d = arg;

	d->self = coro_self();
	d->err = coro_yield(1, NULL);
	if (d->waits)
		d->waits = coro_sleep(SOON_NS) ? -1 : 2;
	trace_add(&d->trace, 'c');
	return d->ret ? d->ret : d->err;
}

static long close_one(void *arg)
{
	struct doing *d = arg;

	EXPECT_EQ(0, coro_gen_new(&d->gen, clean_up, d));
	EXPECT_EQ(1, coro_gen_next(d->gen, NULL));
	EXPECT_EQ(d->ret < 0 ? d->ret : 0, coro_gen_close(d->gen));
	EXPECT_STREQ("c", d->trace.text);
	EXPECT_EQ(0, coro_gen_close(d->gen));
	EXPECT_EQ(0, coro_gen_next(d->gen, NULL));
	coro_gen_free(d->gen);
	return 0;
}

/* AGS-04 */
TEST_F(gen, close_waits_for_cleanup_and_again_is_nothing)
{
	struct doing d = { .waits = 1 };

	EXPECT_EQ(0, coro_run(close_one, &d));
	EXPECT_EQ(CORO_EXIT, d.err);
	EXPECT_EQ(2, d.waits);
}

/* AGS-04 */
TEST_F(gen, failure_of_cleanup_comes_out_of_close)
{
	struct doing d = { .ret = -EDQUOT };

	EXPECT_EQ(0, coro_run(close_one, &d));
}

/* AGS-05 */
TEST_F(gen, yield_in_answer_to_close_is_refused_and_goes_on)
{
	struct coro_gen *g;
	long value = POISON_LONG;

	ASSERT_EQ(0, coro_gen_new(&g, handle_one, NULL));
	EXPECT_EQ(1, coro_gen_next(g, NULL));
	EXPECT_EQ(-EAGAIN, coro_gen_close(g));
	EXPECT_EQ(0, coro_gen_next(g, &value));
	EXPECT_EQ(POISON_LONG, value);
	coro_gen_free(g);
}

static long step_once(void *arg)
{
	struct doing *d = arg;
	long value = POISON_LONG;

	EXPECT_EQ(1, coro_gen_next(d->gen, &value));
	return value;
}

static long step_at_once(void *arg)
{
	struct doing *d = arg;
	struct coro *first = coro_new(step_once, d);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_gen_new(&d->gen, count, d));
	EXPECT_EQ(0, coro_start(first));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EBUSY, coro_gen_next(d->gen, &value));
	EXPECT_EQ(-EBUSY, coro_gen_throw(d->gen, -EIO, &value));
	EXPECT_EQ(-EBUSY, coro_gen_close(d->gen));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(0, coro_await(first));
	EXPECT_EQ(1, coro_gen_next(d->gen, &value));
	EXPECT_EQ(1, value);
	coro_gen_free(d->gen);
	return 0;
}

/* AGS-06 */
TEST_F(gen, second_step_at_once_is_refused_and_the_first_undisturbed)
{
	struct doing d = { .nr = 3 };

	EXPECT_EQ(0, coro_run(step_at_once, &d));
}

static long leave_early(void *arg)
{
	struct doing *d = arg;

	EXPECT_EQ(0, coro_gen_new(&d->gen, count, d));
	while (coro_gen_next(d->gen, NULL) > 0)
		break;
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_STREQ("", d->trace.text);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(d->self));
	EXPECT_EQ(0, coro_gen_close(d->gen));
	EXPECT_STREQ("e", d->trace.text);
	coro_gen_free(d->gen);
	return 0;
}

/* AGS-10 */
TEST_F(gen, leaving_early_closes_nothing_and_close_does)
{
	struct doing d = { .nr = 3 };

	EXPECT_EQ(0, coro_run(leave_early, &d));
}

/* Drops the generator and waits for its cleanup. */
static long drop_half_way(void *arg)
{
	struct doing *d = arg;

	EXPECT_EQ(0, coro_gen_new(&d->gen, clean_up, d));
	EXPECT_EQ(1, coro_gen_next(d->gen, NULL));
	coro_gen_free(d->gen);
	EXPECT_STREQ("", d->trace.text);
	while (!d->trace.nr)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* AGS-11 */
TEST_F(gen, dropped_one_is_closed_by_its_loop)
{
	struct doing d = { .waits = 1 };

	EXPECT_EQ(0, coro_run(drop_half_way, &d));
	EXPECT_EQ(CORO_EXIT, d.err);
	EXPECT_EQ(2, d.waits);
}

static void *drop_there(void *arg)
{
	struct doing *d = arg;

	coro_gen_free(d->gen);
	return NULL;
}

static long drop_from_a_thread(void *arg)
{
	struct doing *d = arg;
	pthread_t thread;

	EXPECT_EQ(0, coro_gen_new(&d->gen, clean_up, d));
	EXPECT_EQ(1, coro_gen_next(d->gen, NULL));
	EXPECT_EQ(0, pthread_create(&thread, NULL, drop_there, d));
	pthread_join(thread, NULL);
	EXPECT_STREQ("", d->trace.text);
	while (!d->trace.nr)
		EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* AGS-11 */
TEST_F(gen, one_that_another_thread_dropped_is_closed_by_its_loop)
{
	struct doing d = { .waits = 1 };

	EXPECT_EQ(0, coro_run(drop_from_a_thread, &d));
	EXPECT_EQ(CORO_EXIT, d.err);
	EXPECT_EQ(2, d.waits);
}

static long step_there(void *arg)
{
	struct doing *d = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-EXDEV, coro_gen_next(d->gen, &value));
	EXPECT_EQ(-EXDEV, coro_gen_throw(d->gen, -EIO, &value));
	EXPECT_EQ(-EXDEV, coro_gen_close(d->gen));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

static long be_stepped_elsewhere(void *arg)
{
	struct doing *d = arg;

	EXPECT_EQ(0, coro_gen_new(&d->gen, clean_up, d));
	EXPECT_EQ(1, coro_gen_next(d->gen, NULL));
	EXPECT_EQ(0, in_thread(step_there, d));
	EXPECT_EQ(0, coro_gen_close(d->gen));
	coro_gen_free(d->gen);
	return 0;
}

/* AWT-10, AGS-11 */
TEST_F(gen, steps_of_another_thread_are_refused)
{
	struct doing d = { .nr = 0 };

	EXPECT_EQ(0, coro_run(be_stepped_elsewhere, &d));
}

static void note_end(void *arg, const struct coro_report *report)
{
	struct doing *d = arg;

	if (report->kind == CORO_REPORT_NEVER_RETRIEVED)
		d[0].fds[0]++;
}

static long leave_two(void *arg)
{
	struct doing *d = arg;
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_gen_new(&d[i].gen, clean_up, &d[i]));
		EXPECT_EQ(1, coro_gen_next(d[i].gen, NULL));
	}
	return 3;
}

/* AGS-12 */
TEST_F(gen, end_of_the_loop_closes_those_that_live_and_reports_failures)
{
	struct doing d[] = { { .waits = 1 }, { .waits = 1, .ret = -EDQUOT } };
	long value = POISON_LONG;
	int i;

	coro_report_to(note_end, d);
	EXPECT_EQ(3, coro_run(leave_two, d));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(1, d[0].fds[0]);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(CORO_EXIT, d[i].err);
		EXPECT_EQ(2, d[i].waits);
		EXPECT_STREQ("c", d[i].trace.text);
		EXPECT_EQ(0, coro_gen_next(d[i].gen, &value));
		coro_gen_free(d[i].gen);
	}
	EXPECT_EQ(POISON_LONG, value);
}

static long wait_then_yield(void *arg)
{
	struct doing *d = arg;

	trace_add(&d->trace, 'g');
	d->err = coro_sleep(FAR_NS);
	trace_add(&d->trace, 'u');
	return d->err;
}

static long step_and_note(void *arg)
{
	struct doing *d = arg;
	long ret = coro_gen_next(d->gen, NULL);

	trace_add(&d->trace, 's');
	return ret;
}

static long cancel_in_a_step(void *arg)
{
	struct doing *d = arg;
	struct coro *c = coro_new(step_and_note, d);

	EXPECT_EQ(0, coro_gen_new(&d->gen, wait_then_yield, d));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, d->err);
	EXPECT_EQ(0, coro_gen_next(d->gen, NULL));
	coro_gen_free(d->gen);
	return 0;
}

/* AGS-13 */
TEST_F(gen, cancel_in_a_step_unwinds_the_generator_first)
{
	struct doing d = { .err = 1 };

	EXPECT_EQ(0, coro_run(cancel_in_a_step, &d));
	EXPECT_STREQ("gus", d.trace.text);
}

/* AGS-14 */
TEST_F(gen, closing_before_the_first_step_enters_nothing)
{
	struct doing d = { .nr = 1 };
	long value = POISON_LONG;

	ASSERT_EQ(0, coro_gen_new(&d.gen, count_plain, &d));
	EXPECT_EQ(0, coro_gen_close(d.gen));
	EXPECT_EQ(0, coro_gen_next(d.gen, &value));
	coro_gen_free(d.gen);
	ASSERT_EQ(0, coro_gen_new(&d.gen, count_plain, &d));
	EXPECT_EQ(-EIO, coro_gen_throw(d.gen, -EIO, &value));
	EXPECT_EQ(0, coro_gen_next(d.gen, &value));
	coro_gen_free(d.gen);
	EXPECT_STREQ("", d.trace.text);
	EXPECT_EQ(POISON_LONG, value);
}

static long yield_in_a_scope(void *arg)
{
	struct doing *d = arg;
	struct coro_scope s;

	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	d->err = coro_yield(1, NULL);
	EXPECT_EQ(0, coro_scope_leave(&s, 0));
	return coro_yield(2, NULL);
}

static long step_into_a_scope(void *arg)
{
	struct doing *d = arg;
	struct coro_scope around;
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_scope_enter(&around, CORO_NEVER));
	EXPECT_EQ(0, coro_gen_new(&d->gen, yield_in_a_scope, d));
	EXPECT_EQ(1, coro_gen_next(d->gen, &value));
	EXPECT_EQ(2, value);
	EXPECT_EQ(-EBUSY, d->err);
	EXPECT_EQ(0, coro_gen_close(d->gen));
	coro_gen_free(d->gen);
	EXPECT_EQ(0, coro_scope_leave(&around, 0));
	return 0;
}

/* AGS-15 */
TEST_F(gen, scope_cannot_outlive_its_step)
{
	struct doing d = { .err = 1 };

	EXPECT_EQ(0, coro_run(step_into_a_scope, &d));
}

static long no_function(void *arg)
{
	return (long)arg;
}

/* OBJ-04 */
TEST_F(gen, bad_arguments_are_refused)
{
	struct coro_gen *g = (struct coro_gen *)POISON_LONG;
	long value = POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_gen_new(NULL, no_function, NULL));
	EXPECT_EQ(-EINVAL, coro_gen_new(&g, NULL, NULL));
	EXPECT_EQ((struct coro_gen *)POISON_LONG, g);
	EXPECT_EQ(-EINVAL, coro_gen_next(NULL, &value));
	EXPECT_EQ(-EINVAL, coro_gen_throw(NULL, -EIO, &value));
	EXPECT_EQ(-EINVAL, coro_gen_close(NULL));
	EXPECT_EQ(POISON_LONG, value);
	coro_gen_free(NULL);
}

TEST_HARNESS_MAIN
