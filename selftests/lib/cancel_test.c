// SPDX-License-Identifier: MIT
/* Cancelling coroutines of a loop: for good, at each wait, without taking results away. */
#include "lib_common.h"

LIB_FIXTURE(cancel)

struct job {
	struct trace *trace;
	char name;
	int rounds;
	long ret;
	struct coro *target;
	long got;
	int err;
	int next_err;
	long shielded;
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

static long sleep_far(void *arg)
{
	struct job *j = arg;

	j->err = coro_sleep(FAR_NS);
	if (j->trace)
		trace_add(j->trace, j->name);
	return j->err;
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

static long cancel_finished(void *arg)
{
	struct coro *c = coro_new(give_arg, (void *)8L);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-ESRCH, coro_cancel(c));
	EXPECT_EQ(8, coro_await(c));
	return 0;
}

/* TSK-11 */
TEST_F(cancel, cancelling_a_finished_one_has_no_effect)
{
	EXPECT_EQ(0, coro_run(cancel_finished, NULL));
}

static long sleep_soon(void *arg)
{
	(void)arg;
	return coro_sleep(SOON_NS);
}

static long sleep_and_clean_up(void *arg)
{
	struct job *j = arg;

	j->err = coro_sleep(FAR_NS);
	j->next_err = coro_sleep(SOON_NS);
	j->shielded = coro_call_shielded(sleep_soon, NULL, CORO_NEVER);
	return coro_sleep(0) == -ECANCELED ? 60 : 61;
}

static long cancel_pending(void *arg)
{
	struct job j = { .err = 1, .next_err = 1, .shielded = 1 };
	struct coro *c = coro_new(sleep_and_clean_up, &j);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(1, j.err);
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(-ECANCELED, j.next_err);
	/* It cleans up in its shield. */
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(1, j.shielded);
	EXPECT_EQ(60, coro_await(c));
	EXPECT_EQ(0, j.shielded);
	return 0;
}

/* TSK-12, TSK-19, TSK-20: the better one holds, a cancel is a state and every wait meets it. */
TEST_F(cancel, cancel_is_for_good_and_the_result_is_ones_own)
{
	EXPECT_EQ(0, coro_run(cancel_pending, NULL));
}

static long cancel_unstarted(void *arg)
{
	struct trace *t = arg;
	struct job j = { .trace = t, .name = 'x' };
	struct coro *c = coro_new(note_and_return, &j);
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await_value(coro_get(c), &value));
	EXPECT_EQ(-ECANCELED, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	EXPECT_EQ(-ESRCH, coro_cancel(c));
	coro_put(c);
	return 0;
}

/* TSK-13, TSK-26 */
TEST_F(cancel, cancelled_before_its_first_step_is_not_entered)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(cancel_unstarted, &t));
	EXPECT_STREQ("", t.text);
}

static long cancel_chain_link(void *arg)
{
	struct job *j = arg;
	long ret;

	if (j->rounds--)
		ret = coro_await(coro_new(cancel_chain_link, j));
	else
		ret = coro_sleep(FAR_NS);
	if (ret == -ECANCELED)
		j->got++;
	return ret;
}

static long cancel_chain(void *arg)
{
	int depth = *(int *)arg;
	struct job j = { .rounds = depth };
	struct coro *c = coro_new(cancel_chain_link, &j);

	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_AWAITS_CONTEXT, coro_awaits(c, NULL));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(depth + 1, j.got);
	return 0;
}

/* TSK-15 */
TEST_F(cancel, cancel_reaches_the_innermost_and_unwinds)
{
	int depth = 3;

	EXPECT_EQ(0, coro_run(cancel_chain, &depth));
}

/* AWT-13, TSK-30 */
TEST_F(cancel, chain_10000_deep_can_be_cancelled)
{
	int depth = THOUSANDS;

	EXPECT_EQ(0, coro_run(cancel_chain, &depth));
}

static long cancel_one_of_two_awaiters(void *arg)
{
	struct job target = { .err = 1 };
	struct coro *shared = coro_new(sleep_and_clean_up, &target);
	struct job j[2] = { { .target = shared },
			    { .target = coro_get(shared) } };
	struct coro *c[2];
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_start(shared));
	for (i = 0; i < 2; i++) {
		c[i] = coro_new(join_target, &j[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(-ECANCELED, coro_await(c[0]));
	EXPECT_EQ(POISON_LONG, j[0].got);
	EXPECT_EQ(1, target.err);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c[1]));
	EXPECT_EQ(0, coro_cancel(shared));
	EXPECT_EQ(0, coro_await(c[1]));
	EXPECT_EQ(60, j[1].got);
	/* The failed await kept its reference. */
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(shared));
	coro_put(shared);
	return 0;
}

/* TSK-16: the better one holds, awaiting is not owning: join only detaches. */
TEST_F(cancel, cancelling_an_awaiter_leaves_the_awaited_one_alone)
{
	EXPECT_EQ(0, coro_run(cancel_one_of_two_awaiters, NULL));
}

static long join_then_wait(void *arg)
{
	struct job *j = arg;

	j->got = POISON_LONG;
	j->err = coro_await_value(j->target, &j->got);
	j->next_err = coro_sleep(FAR_NS);
	j->shielded = coro_call_shielded(sleep_soon, NULL, CORO_NEVER);
	return coro_sleep(0);
}

static long cancel_with_result_there(void *arg)
{
	struct job j = { .target = coro_new(give_arg, (void *)33L),
			 .shielded = 1 };
	struct coro *c = coro_new(join_then_wait, &j);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_start(j.target));
	/* Now c awaits, the target ends, and it is our turn before that of c. */
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(j.target));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_AWAITS_TURN, coro_awaits(c, NULL));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(0, j.err);
	EXPECT_EQ(33, j.got);
	EXPECT_EQ(-ECANCELED, j.next_err);
	EXPECT_EQ(0, j.shielded);
	return 0;
}

/* TSK-17, TMO-08: the better one holds: a finished result is handed over, the cancel kept. */
TEST_F(cancel, cancel_does_not_take_a_result_away)
{
	EXPECT_EQ(0, coro_run(cancel_with_result_there, NULL));
}

static long cancel_self_and_return(void *arg)
{
	EXPECT_EQ(0, coro_cancel(coro_self()));
	return (long)arg;
}

static long cancel_self_and_wait(void *arg)
{
	(void)arg;
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, coro_sleep(SOON_NS));
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(0, coro_call_shielded(sleep_soon, NULL, CORO_NEVER));
	return coro_sleep(0);
}

/* TSK-18: the better one holds: completed work is never thrown away. */
TEST_F(cancel, cancelling_oneself_and_returning_keeps_the_result)
{
	EXPECT_EQ(5, coro_run(cancel_self_and_return, (void *)5L));
}

/* TSK-18 */
TEST_F(cancel, cancelling_oneself_fails_every_wait_from_then_on)
{
	EXPECT_EQ(-ECANCELED, coro_run(cancel_self_and_wait, NULL));
}

static long cancel_twice(void *arg)
{
	struct job j = { .err = 1, .next_err = 1, .shielded = 1 };
	struct coro *c = coro_new(sleep_and_clean_up, &j);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_sleep(0));
	/* Nor does one that comes later reach into the shield. */
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(60, coro_await(c));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(-ECANCELED, j.next_err);
	EXPECT_EQ(0, j.shielded);
	return 0;
}

/* TSK-23: the better one holds: nobody counts, being cancelled is a state. */
TEST_F(cancel, cancelling_again_is_nothing)
{
	EXPECT_EQ(0, coro_run(cancel_twice, NULL));
}

static long await_target(void *arg)
{
	struct job *j = arg;

	return coro_await_value(j->target, &j->got);
}

static long wait_while_cancelled(void *arg)
{
	struct job *j = arg;
	long value = POISON_LONG;

	/* The target sleeps, so that this would wait: it fails at once. */
	EXPECT_EQ(0, coro_cancel(coro_self()));
	j->err = coro_await_value(j->target, &value);
	EXPECT_EQ(POISON_LONG, value);
	j->next_err = coro_await_value(j->target, &value);
	EXPECT_EQ(POISON_LONG, value);
	/* The failed ones kept the reference. */
	j->shielded = coro_call_shielded(await_target, j, CORO_NEVER);
	return 0;
}

static long join_with_a_pending_cancel(void *arg)
{
	struct job j = { .target = coro_new(sleep_then_fail, (void *)12L) };
	struct coro *c = coro_new(wait_while_cancelled, &j);

	(void)arg;
	EXPECT_EQ(0, coro_start(j.target));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, j.err);
	EXPECT_EQ(-ECANCELED, j.next_err);
	EXPECT_EQ(0, j.shielded);
	EXPECT_EQ(12, j.got);
	return 0;
}

/* TSK-20 */
TEST_F(cancel, pending_cancel_fails_a_join_that_would_wait)
{
	EXPECT_EQ(0, coro_run(join_with_a_pending_cancel, NULL));
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static long start_suspended(void *arg)
{
	struct coro *c = coro_new(yield_once, NULL);

	(void)arg;
	EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(-EBUSY, coro_start(c));
	EXPECT_EQ(-EINVAL, coro_cancel(c));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	return 0;
}

/* TSK-32 */
TEST_F(cancel, suspended_generator_cannot_be_started_or_cancelled)
{
	EXPECT_EQ(0, coro_run(start_suspended, NULL));
}

static long drive_generator(void *arg)
{
	struct job *j = arg;
	struct coro *gen = coro_new(sleep_far, j);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(gen, 0, &value));
	coro_put(gen);
	return value;
}

static long cancel_driver(void *arg)
{
	struct job j = { .err = 1 };
	struct coro *c = coro_new(drive_generator, &j);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, j.err);
	return 0;
}

/* TSK-15 */
TEST_F(cancel, cancel_reaches_the_coroutine_that_was_resumed)
{
	EXPECT_EQ(0, coro_run(cancel_driver, NULL));
}

TEST_HARNESS_MAIN
