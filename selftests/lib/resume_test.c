// SPDX-License-Identifier: MIT
/* Resume, yield, throw and close. Needs no io_uring. */
#include "lib_common.h"

LIB_FIXTURE(resume)

/* Yields what it was given until it is given 0, then returns the sum. */
static long add_up(void *arg)
{
	long sum = (long)arg;
	long value = sum;

	do {
		int err = coro_yield(value, &value);

		if (err)
			return err;
		sum += value;
	} while (value);
	return sum;
}

/* Yields the error that came in, again and again; a value ends it. */
static long yield_errors(void *arg)
{
	long value = 0;
	int err = 0;

	(void)arg;
	do {
		err = coro_yield(err, &value);
	} while (err);
	return value;
}

static long set_flag(void *arg)
{
	*(int *)arg += 1;
	return 5;
}

/* STC-01 */
TEST_F(resume, first_resume_starts_at_the_top)
{
	struct coro *c = coro_new(add_up, (void *)7L);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
	EXPECT_EQ(7, value);
	coro_put(c);
}

/* STC-02 */
TEST_F(resume, value_for_a_created_one_is_refused)
{
	struct coro *c = coro_new(add_up, (void *)7L);
	long value = POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_resume(c, 1, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
	EXPECT_EQ(7, value);
	coro_put(c);
}

TEST_F(resume, null_is_refused)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EINVAL, coro_resume(NULL, 0, &value));
	EXPECT_EQ(-EINVAL, coro_throw(NULL, -EIO, &value));
	EXPECT_EQ(-EINVAL, coro_close(NULL, &value));
	EXPECT_EQ(POISON_LONG, value);
}

/* STC-03 */
TEST_F(resume, values_go_in_and_out_unchanged)
{
	const long values[] = { 1,	   -1,	       LONG_MAX,  LONG_MIN,
				CORO_EXIT, -ECANCELED, CORO_ENDED };
	struct coro *c = coro_new(add_up, NULL);
	unsigned int i;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		long value = POISON_LONG;

		EXPECT_EQ(CORO_YIELDED, coro_resume(c, values[i], &value));
		EXPECT_EQ(values[i], value);
	}
	coro_put(c);
}

static long await_inner(void *arg)
{
	long depth = (long)arg;

	if (!depth)
		return add_up(NULL);
	return coro_await(coro_new(await_inner, (void *)(depth - 1)));
}

/* STC-03, STC-04 */
TEST_F(resume, values_pass_through_every_awaiter)
{
	struct coro *c = coro_new(await_inner, (void *)20L);
	long value = POISON_LONG, i;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
	EXPECT_EQ(0, value);
	for (i = 1; i <= 100; i++) {
		EXPECT_EQ(CORO_YIELDED, coro_resume(c, i, &value));
		EXPECT_EQ(i, value);
	}
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(5050, value);
	coro_put(c);
}

static long give_arg(void *arg)
{
	return (long)arg;
}

/* STC-05 */
TEST_F(resume, result_is_told_from_a_yield_whatever_its_value)
{
	const long values[] = { CORO_YIELDED, CORO_ENDED, CORO_EXIT, -EBUSY,
				-ESRCH };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct coro *ends = coro_new(give_arg, (void *)values[i]);
		struct coro *yields = coro_new(add_up, (void *)values[i]);
		long value = POISON_LONG;

		EXPECT_EQ(CORO_ENDED, coro_resume(ends, 0, &value));
		EXPECT_EQ(values[i], value);
		value = POISON_LONG;
		EXPECT_EQ(CORO_YIELDED, coro_resume(yields, 0, &value));
		EXPECT_EQ(values[i], value);
		coro_put(ends);
		coro_put(yields);
	}
}

/* STC-06 */
TEST_F(resume, closed_one_cannot_be_resumed_or_thrown_into)
{
	int entered = 0;
	struct coro *c = coro_new(set_flag, &entered);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(-ESRCH, coro_resume(c, 0, &value));
	EXPECT_EQ(-ESRCH, coro_resume(c, 1, &value));
	EXPECT_EQ(-ESRCH, coro_throw(c, -EIO, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(1, entered);
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(5, value);
	coro_put(c);
}

/* STC-07 */
TEST_F(resume, closing_a_closed_one_does_nothing)
{
	struct coro *c = coro_new(add_up, NULL);
	long value;
	int i;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	for (i = 0; i < 3; i++) {
		value = POISON_LONG;
		EXPECT_EQ(0, coro_close(c, &value));
		EXPECT_EQ(0, value);
		EXPECT_EQ(0, coro_close(c, NULL));
	}
	coro_put(c);
}

struct meddler {
	struct coro *victim;
	long value;
	int resumed;
	int thrown;
	int closed;
};

static long meddle(void *arg)
{
	struct meddler *m = arg;

	m->resumed = coro_resume(m->victim, 0, &m->value);
	m->thrown = coro_throw(m->victim, -EIO, &m->value);
	m->closed = coro_close(m->victim, &m->value);
	return 8;
}

/* STC-08 */
TEST_F(resume, running_one_is_busy_for_itself)
{
	struct meddler m = { .value = POISON_LONG };
	struct coro *c = coro_new(meddle, &m);
	long value = POISON_LONG;

	m.victim = c;
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(8, value);
	EXPECT_EQ(-EBUSY, m.resumed);
	EXPECT_EQ(-EBUSY, m.thrown);
	EXPECT_EQ(-EBUSY, m.closed);
	EXPECT_EQ(POISON_LONG, m.value);
	coro_put(c);
}

static long resume_a_meddler(void *arg)
{
	struct coro *c = coro_new(meddle, arg);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	coro_put(c);
	return value;
}

static long await_a_meddler(void *arg)
{
	return coro_await(coro_new(meddle, arg));
}

/* STC-09 */
TEST_F(resume, running_one_is_busy_for_what_it_resumed_and_awaits)
{
	long (*const drivers[])(void *arg) = { resume_a_meddler,
					       await_a_meddler };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		struct meddler m = { .value = POISON_LONG };
		struct coro *c = coro_new(drivers[i], &m);
		long value = POISON_LONG;

		m.victim = c;
		EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
		EXPECT_EQ(8, value);
		EXPECT_EQ(-EBUSY, m.resumed);
		EXPECT_EQ(-EBUSY, m.thrown);
		EXPECT_EQ(-EBUSY, m.closed);
		coro_put(c);
	}
}

/* STC-10 */
TEST_F(resume, throwing_into_a_created_one_closes_it_unentered)
{
	int entered = 0;
	struct coro *c = coro_new(set_flag, &entered);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EPROTO, &value));
	EXPECT_EQ(-EPROTO, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(0, entered);
	value = POISON_LONG;
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(-EPROTO, value);
	coro_put(c);
}

/* STC-10 */
TEST_F(resume, only_an_errno_can_be_thrown)
{
	const int refused[] = { 0, 1, EIO, INT_MAX, -4096, INT_MIN };
	struct coro *c = coro_new(yield_errors, NULL);
	struct coro *fresh = coro_new(yield_errors, NULL);
	long value = POISON_LONG;
	unsigned int i;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, coro_throw(c, refused[i], &value));
		EXPECT_EQ(-EINVAL, coro_throw(fresh, refused[i], &value));
	}
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(fresh));
	EXPECT_EQ(CORO_YIELDED, coro_throw(c, -4095, &value));
	EXPECT_EQ(-4095, value);
	EXPECT_EQ(CORO_YIELDED, coro_throw(c, -1, &value));
	EXPECT_EQ(-1, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 3, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
	coro_put(fresh);
}

/* STC-11 */
TEST_F(resume, thrown_error_leaves_the_value_of_yield_alone)
{
	struct coro *c = coro_new(yield_errors, NULL);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_YIELDED, coro_throw(c, -EIO, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(CORO_YIELDED, coro_throw(c, -EPIPE, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(0, value);
	coro_put(c);
}

struct level {
	struct trace *trace;
	int depth;
	/* The depth that handles the error and returns 100 instead. */
	int handler;
};

static long unwind(void *arg)
{
	struct level *l = arg;
	struct level next = { .trace = l->trace,
			      .depth = l->depth - 1,
			      .handler = l->handler };
	long ret;

	if (l->depth)
		ret = coro_await(coro_new(unwind, &next));
	else
		ret = coro_yield(0, NULL);
	trace_add(l->trace, ret < 0 ? 'e' : 'v');
	trace_add(l->trace, '0' + l->depth);
	return l->depth == l->handler ? 100 : ret;
}

/* STC-11 */
TEST_F(resume, thrown_error_unwinds_from_the_innermost)
{
	struct trace t = { .nr = 0 };
	struct level l = { .trace = &t, .depth = 3, .handler = -1 };
	struct coro *c = coro_new(unwind, &l);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EIO, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_STREQ("e0e1e2e3", t.text);
	coro_put(c);
}

/* STC-12 */
TEST_F(resume, handled_error_becomes_the_result_of_the_await)
{
	struct trace t = { .nr = 0 };
	struct level l = { .trace = &t, .depth = 3, .handler = 1 };
	struct coro *c = coro_new(unwind, &l);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_throw(c, -EIO, &value));
	EXPECT_EQ(100, value);
	EXPECT_STREQ("e0e1v2v3", t.text);
	coro_put(c);
}

/* STC-17 */
TEST_F(resume, closing_a_created_one_does_not_enter_it)
{
	int entered = 0;
	struct coro *c = coro_new(set_flag, &entered);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(CORO_EXIT, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(0, entered);
	coro_put(c);
}

/* STC-18 */
TEST_F(resume, close_throws_exit_at_the_innermost)
{
	struct trace t = { .nr = 0 };
	struct level l = { .trace = &t, .depth = 2, .handler = -1 };
	struct coro *c = coro_new(unwind, &l);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(CORO_EXIT, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_STREQ("e0e1e2", t.text);
	coro_put(c);
}

/* STC-19 */
TEST_F(resume, close_of_one_that_yields_again_fails)
{
	struct coro *c = coro_new(yield_errors, NULL);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(-EAGAIN, coro_close(c, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(-EAGAIN, coro_close(c, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 6, &value));
	EXPECT_EQ(6, value);
	coro_put(c);
}

/* STC-20 */
TEST_F(resume, close_hands_back_what_the_function_returned)
{
	struct trace t = { .nr = 0 };
	struct level l = { .trace = &t, .depth = 0, .handler = 0 };
	struct coro *c = coro_new(unwind, &l);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(100, value);
	coro_put(c);
}

static long fail_in_cleanup(void *arg)
{
	(void)arg;
	return coro_yield(0, NULL) == CORO_EXIT ? -EDQUOT : 0;
}

/* STC-21 */
TEST_F(resume, error_of_cleanup_comes_out_of_close)
{
	struct coro *c = coro_new(fail_in_cleanup, NULL);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(-EDQUOT, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	coro_put(c);
}

/* STC-22 */
TEST_F(resume, exit_and_cancelled_are_two_errors)
{
	EXPECT_EQ(-ESHUTDOWN, CORO_EXIT);
	EXPECT_NE(-ECANCELED, CORO_EXIT);
}

TEST_F(resume, yield_outside_of_coroutines_is_refused)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EPERM, coro_yield(1, &value));
	EXPECT_EQ(POISON_LONG, value);
}

static long resume_given(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(arg, 2, &value));
	return value * 10;
}

/* STC-24 */
TEST_F(resume, yield_goes_to_the_one_who_resumed_last)
{
	struct coro *c = coro_new(add_up, (void *)1L);
	struct coro *other = coro_new(resume_given, c);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(other, 0, &value));
	EXPECT_EQ(20, value);
	coro_put(other);
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 3, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
}

static long nest(void *arg)
{
	long depth = (long)arg, value = 0;
	struct coro *c;

	if (!depth)
		return 0;
	c = coro_new(nest, (void *)(depth - 1));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	coro_put(c);
	return value + 1;
}

/* STC-24 */
TEST_F(resume, a_thousand_can_resume_one_another)
{
	struct coro *c = coro_new(nest, (void *)1000L);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(1000, value);
	coro_put(c);
}

TEST_HARNESS_MAIN
