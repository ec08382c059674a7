// SPDX-License-Identifier: MIT
/* Deadlines of scopes and calls: what comes of them, and when. Never judges how late. */
#include "lib_scope.h"

LIB_FIXTURE(timeout)

/* A deadline that does not come during the next few lines. */
#define LATER_NS (10 * SOON_NS)

static void spin_until(int64_t deadline_ns)
{
	while (coro_now() < deadline_ns)
		;
}

static long finish_in_time(void *arg)
{
	struct coro_scope s;
	int64_t far = coro_after(FAR_NS);

	EXPECT_EQ(7, coro_call(give_arg, (void *)7L, far));
	EXPECT_EQ(0, coro_call(sleep_soon, arg, far));
	EXPECT_EQ(0, coro_scope_enter(&s, far));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(3, coro_scope_leave(&s, 3));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
	EXPECT_EQ(far, coro_scope_deadline(&s));
	/* A timer that was left would keep this from being hopeless. */
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	return 1;
}

/* TMO-01, TMO-12 */
TEST_F(timeout, what_is_done_in_time_leaves_no_timer_and_keeps_its_deadline)
{
	EXPECT_EQ(1, coro_run(finish_in_time, NULL));
}

struct cleanup {
	int met;
	bool done;
	long ret;
};

static long sleep_then_clean_up(void *arg)
{
	struct cleanup *cl = arg;

	cl->met = coro_sleep(FAR_NS);
	EXPECT_EQ(0, coro_call_shielded(sleep_soon, NULL, CORO_NEVER));
	cl->done = true;
	return cl->ret ? cl->ret : cl->met;
}

static long clean_up_late(void *arg)
{
	struct cleanup *cl = arg;
	int64_t deadline = coro_after(SOON_NS);
	long ret = coro_call(sleep_then_clean_up, arg, deadline);

	EXPECT_LE(deadline, coro_now());
	EXPECT_TRUE(cl->done);
	EXPECT_EQ(-ECANCELED, cl->met);
	EXPECT_EQ(0, coro_sleep(0));
	return ret;
}

/* TMO-02, TMO-11 */
TEST_F(timeout, call_that_is_late_has_unwound_when_it_times_out)
{
	struct cleanup cl = { .ret = 0 };

	EXPECT_EQ(-ETIMEDOUT, coro_run(clean_up_late, &cl));
}

/* TMO-03, TMO-20 */
TEST_F(timeout, late_call_that_returns_a_value_has_that_value)
{
	struct cleanup cl = { .ret = 7 };

	EXPECT_EQ(7, coro_run(clean_up_late, &cl));
}

/* TMO-04, TMO-19 */
TEST_F(timeout, failure_of_late_cleanup_is_what_the_call_returns)
{
	struct cleanup cl = { .ret = -EIO };

	EXPECT_EQ(-EIO, coro_run(clean_up_late, &cl));
}

static long call_without_deadline(void *arg)
{
	EXPECT_EQ(-EDEADLK, coro_call(wait_for_ever, arg, CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_call_shielded(wait_for_ever, arg, CORO_NEVER));
	return 1;
}

/* TMO-05 */
TEST_F(timeout, never_is_no_timer)
{
	EXPECT_EQ(1, coro_run(call_without_deadline, NULL));
}

struct photo_finish {
	int64_t deadline;
	struct coro *target;
	struct coro_scope scope;
	long got;
	long ret;
	int next;
};

static long spin_and_end(void *arg)
{
	struct photo_finish *p = arg;

	spin_until(p->deadline);
	return 9;
}

static long join_in_time(void *arg)
{
	struct photo_finish *p = arg;

	p->ret = coro_await_value(p->target, &p->got);
	p->next = coro_sleep(0);
	return p->ret;
}

/* The target ends after the deadline; that is seen in a later step of the loop. */
static long end_late_and_first(void *arg)
{
	struct photo_finish *p = arg;

	p->deadline = coro_after(LATER_NS);
	p->target = coro_new(spin_and_end, p);
	EXPECT_EQ(0, coro_start(p->target));
	EXPECT_EQ(0, coro_call(join_in_time, p, p->deadline));
	EXPECT_EQ(0, p->ret);
	EXPECT_EQ(9, p->got);
	EXPECT_EQ(-ECANCELED, p->next);
	return coro_sleep(0);
}

/* TMO-06 */
TEST_F(timeout, result_that_is_there_before_the_deadline_is_seen_wins)
{
	struct photo_finish p = { .ret = 1 };

	EXPECT_EQ(0, coro_run(end_late_and_first, &p));
}

static long call_with_deadline(void *arg)
{
	return coro_call(sleep_then_clean_up, arg, coro_after(FAR_NS));
}

static long call_with_none(void *arg)
{
	return coro_call(sleep_then_clean_up, arg, CORO_NEVER);
}

static long cancel_who_calls(void *arg)
{
	long (*const fn[])(void *) = { call_with_deadline, call_with_none };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fn); i++) {
		struct cleanup cl = { .ret = 0 };
		struct coro *c = (coro_new)(fn[i], &cl);

		EXPECT_EQ(0, coro_start(c));
		settle(c, CORO_AWAITS_TIMER);
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(-ECANCELED, coro_await(c));
		EXPECT_EQ(-ECANCELED, cl.met);
		EXPECT_TRUE(cl.done);
	}
	(void)arg;
	return 0;
}

/* TMO-07, TMO-16 */
TEST_F(timeout, cancel_reaches_what_is_called_and_waits_for_it)
{
	EXPECT_EQ(0, coro_run(cancel_who_calls, NULL));
}

static long join_for_another(void *arg)
{
	struct photo_finish *p = arg;
	long ret = coro_call(join_in_time, p, coro_after(FAR_NS));

	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	return ret;
}

static long cancel_after_the_end(void *arg)
{
	struct photo_finish *p = arg;
	struct coro *c = coro_new(join_for_another, p);

	p->target = coro_new(give_arg, (void *)9L);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_start(p->target));
	/* Now c awaits, the target ends, and it is our turn before that of c. */
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(p->target));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(9, p->got);
	EXPECT_EQ(-ECANCELED, p->next);
	return 0;
}

/* TMO-08: the better one holds: the result is handed over, the cancel stays. */
TEST_F(timeout, cancel_after_the_result_takes_nothing_away)
{
	struct photo_finish p = { .ret = 1 };

	EXPECT_EQ(0, coro_run(cancel_after_the_end, &p));
}

static long is_self(void *arg)
{
	return coro_self() == arg;
}

static long call_to_ask(void *arg)
{
	(void)arg;
	EXPECT_EQ(1, coro_call(is_self, coro_self(), coro_after(FAR_NS)));
	return coro_call_shielded(is_self, coro_self(), coro_after(FAR_NS));
}

/* TMO-09 */
TEST_F(timeout, call_runs_in_its_caller)
{
	EXPECT_EQ(1, coro_run(call_to_ask, NULL));
}

static long shield_inside(void *arg)
{
	long ret = coro_call_shielded(sleep_soon, arg, CORO_NEVER);

	EXPECT_EQ(0, ret);
	return coro_sleep(0);
}

static long time_out_around_a_shield(void *arg)
{
	const int64_t deadline[] = { coro_after(SOON_NS / 5), 0, coro_now() };
	struct coro_scope s, shield;
	unsigned int i;

	/* What is met inside a shield is the shield's. */
	EXPECT_EQ(0, coro_scope_enter(&s, 0));
	EXPECT_EQ(0, coro_scope_shield(&shield, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_cancel(&shield));
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(0, coro_scope_leave(&shield, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(&s));
	EXPECT_EQ(6, coro_scope_leave(&s, 6));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
	for (i = 0; i < ARRAY_SIZE(deadline); i++)
		EXPECT_EQ(-ETIMEDOUT,
			  coro_call(shield_inside, arg, deadline[i]));
	return coro_sleep(0);
}

/* TMO-10 */
TEST_F(timeout, deadline_does_not_enter_a_shield_and_is_there_after_it)
{
	EXPECT_EQ(0, coro_run(time_out_around_a_shield, NULL));
}

static long expire(void *arg)
{
	int64_t deadline = coro_after(SOON_NS);
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&s, deadline));
	EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(&s));
	EXPECT_EQ(deadline, coro_scope_deadline(&s));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_LE(deadline, coro_now());
	EXPECT_EQ(CORO_SCOPE_EXPIRING, coro_scope_state(&s));
	/* It stays in force. */
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, coro_sleep_until(CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(INT64_MIN, coro_deadline());
	EXPECT_EQ(-EALREADY, coro_scope_set_deadline(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_cancel(&s));
	EXPECT_EQ(CORO_SCOPE_EXPIRING, coro_scope_state(&s));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_EXPIRED, coro_scope_state(&s));
	EXPECT_EQ(deadline, coro_scope_deadline(&s));
	return coro_sleep(0);
}

/* TMO-11, TMO-22, TMO-23, TMO-25: a state of the scope, which every wait meets. */
TEST_F(timeout, expired_scope_fails_every_wait_until_it_is_left)
{
	EXPECT_EQ(0, coro_run(expire, NULL));
}

static long move_deadlines(void *arg)
{
	struct coro_scope s;

	(void)arg;
	/* Enabled, then moved further away, then taken away, then again. */
	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_set_deadline(&s, coro_after(LATER_NS)));
	EXPECT_EQ(0, coro_scope_set_deadline(&s, coro_after(FAR_NS)));
	EXPECT_EQ(0, coro_sleep(2 * LATER_NS));
	EXPECT_EQ(0, coro_scope_set_deadline(&s, coro_after(LATER_NS)));
	EXPECT_EQ(0, coro_scope_set_deadline(&s, CORO_NEVER));
	EXPECT_EQ(CORO_NEVER, coro_scope_deadline(&s));
	EXPECT_EQ(0, coro_sleep(2 * LATER_NS));
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	EXPECT_EQ(0, coro_scope_set_deadline(&s, coro_after(LATER_NS)));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(-EINVAL, coro_scope_set_deadline(&s, CORO_NEVER));
	return 0;
}

struct moved {
	struct coro_scope scope;
	long left;
};

static long wait_in_scope(void *arg)
{
	struct moved *m = arg;

	EXPECT_EQ(0, coro_scope_enter(&m->scope, CORO_NEVER));
	m->left = coro_scope_leave(&m->scope, coro_sleep(FAR_NS));
	return 0;
}

static long move_the_deadline_of_another(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		struct moved m;
		struct coro *c = coro_new(wait_in_scope, &m);
		int64_t at = 0;

		EXPECT_EQ(0, coro_start(c));
		settle(c, CORO_AWAITS_TIMER);
		/* Not so soon that it could have passed by then. */
		if (i == 1)
			at = coro_now();
		else if (i == 2)
			at = coro_after(10 * SOON_NS);
		EXPECT_EQ(0, coro_scope_set_deadline(&m.scope, at));
		/* Its wait has met a time that had passed. */
		EXPECT_EQ(i < 2 ? CORO_SCOPE_EXPIRING : CORO_SCOPE_ACTIVE,
			  coro_scope_state(&m.scope));
		EXPECT_EQ(0, coro_await(c));
		EXPECT_EQ(-ETIMEDOUT, m.left);
		EXPECT_EQ(CORO_SCOPE_EXPIRED, coro_scope_state(&m.scope));
	}
	return 0;
}

/* TMO-13 */
TEST_F(timeout, deadline_can_be_set_moved_and_taken_away)
{
	EXPECT_EQ(0, coro_run(move_deadlines, NULL));
	EXPECT_EQ(0, coro_run(move_the_deadline_of_another, NULL));
}

static long enter_too_late(void *arg)
{
	const int64_t past[] = { 0, -1, 1, INT64_MIN, coro_now() };
	struct coro_scope s, inner;
	unsigned int i;

	(void)arg;
	for (i = 0; i < 2 * ARRAY_SIZE(past); i++) {
		int64_t at = past[i / 2];

		/* Entered late, or moved there. */
		EXPECT_EQ(0, coro_scope_enter(&s, i % 2 ? CORO_NEVER : at));
		if (i % 2)
			EXPECT_EQ(0, coro_scope_set_deadline(&s, at));
		EXPECT_EQ(at, coro_scope_deadline(&s));
		EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(&s));
		EXPECT_EQ(0, coro_scope_enter(&inner, CORO_NEVER));
		EXPECT_EQ(-ECANCELED, coro_sleep(0));
		EXPECT_EQ(CORO_SCOPE_EXPIRING, coro_scope_state(&s));
		EXPECT_EQ(-ECANCELED, coro_scope_leave(&inner, -ECANCELED));
		EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&inner));
		EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
		/* Who does not wait is not interrupted. */
		EXPECT_EQ(0, coro_scope_enter(&s, i % 2 ? CORO_NEVER : at));
		if (i % 2)
			EXPECT_EQ(0, coro_scope_set_deadline(&s, at));
		EXPECT_EQ(8, coro_scope_leave(&s, 8));
		EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
	}
	EXPECT_EQ(7, coro_call(give_arg, (void *)7L, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_call(sleep_far, NULL, coro_now()));
	return coro_sleep(0);
}

/* TMO-14 */
TEST_F(timeout, deadline_in_the_past_is_met_by_the_first_wait_alone)
{
	EXPECT_EQ(0, coro_run(enter_too_late, NULL));
}

static long overrun(void *arg)
{
	int64_t deadline = coro_after(SOON_NS);
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&s, deadline));
	spin_until(deadline);
	EXPECT_EQ(4, coro_scope_leave(&s, 4));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
	return coro_sleep(0);
}

/* TMO-15 */
TEST_F(timeout, overrun_without_a_wait_is_no_expiry)
{
	EXPECT_EQ(0, coro_run(overrun, NULL));
}

static long wait_twice_in_scope(void *arg)
{
	struct photo_finish *p = arg;

	EXPECT_EQ(0, coro_scope_enter(&p->scope, p->deadline));
	p->ret = coro_sleep(FAR_NS);
	p->ret = coro_scope_leave(&p->scope, p->ret);
	p->next = coro_sleep(0);
	return p->ret;
}

static long cancel_at_the_deadline(void *arg)
{
	struct photo_finish p;
	struct coro *c;
	int i;

	/* The cancel comes before the loop sees the deadline, or after. */
	for (i = 0; i < 2; i++) {
		p = (struct photo_finish){ .deadline = coro_after(LATER_NS) };
		c = coro_new(wait_twice_in_scope, &p);
		EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(0, coro_sleep(0));
		spin_until(p.deadline);
		if (i)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(-ECANCELED, coro_await(c));
		EXPECT_EQ(-ECANCELED, p.next);
	}
	(void)arg;
	return 0;
}

/* TMO-17 */
TEST_F(timeout, cancel_beats_a_deadline_that_comes_with_it_and_stays)
{
	EXPECT_EQ(0, coro_run(cancel_at_the_deadline, NULL));
}

static long swallow(void *arg)
{
	const long result[] = { 0, 5, -EIO };
	struct coro_scope s;
	unsigned int i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(result); i++) {
		EXPECT_EQ(0, coro_scope_enter(&s, coro_after(CORO_MSEC)));
		EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
		EXPECT_EQ(result[i], coro_scope_leave(&s, result[i]));
		EXPECT_EQ(CORO_SCOPE_EXPIRED, coro_scope_state(&s));
		EXPECT_EQ(0, coro_sleep(0));
	}
	return 0;
}

/* TMO-18, TMO-19, TMO-20 */
TEST_F(timeout, other_result_of_an_expired_scope_counts)
{
	EXPECT_EQ(0, coro_run(swallow, NULL));
}

static long enter_when_cancelled(void *arg)
{
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(0, coro_scope_enter(&s, coro_after(FAR_NS)));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
	EXPECT_EQ(-ECANCELED, coro_call(sleep_far, NULL, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_call(sleep_far, NULL, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_call_shielded(sleep_far, NULL, 0));
	return 0;
}

/* TMO-16, TMO-21 */
TEST_F(timeout, scope_entered_when_cancelled_answers_for_its_own_cancel_only)
{
	EXPECT_EQ(0, coro_run(enter_when_cancelled, NULL));
}

static long open_late_group(void *arg)
{
	struct coro_group_opts opts = { .size = sizeof(opts) };
	struct coro_group g;
	int i;

	for (i = 0; i < 2; i++) {
		opts.deadline_ns = coro_after(LATER_NS);
		EXPECT_EQ(0, coro_group_open(&g, &opts));
		EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, arg));
		EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, arg));
		if (i)
			EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
		EXPECT_EQ(-ETIMEDOUT, coro_group_close(&g, i ? -ECANCELED : 0));
		EXPECT_EQ(0U, coro_group_live(&g));
		EXPECT_EQ(0U, coro_group_failed(&g));
		EXPECT_EQ(CORO_SCOPE_EXPIRED,
			  coro_scope_state(coro_group_scope(&g)));
	}
	return coro_sleep(0);
}

static long open_too_late(void *arg)
{
	const struct coro_group_opts opts = { .size = sizeof(opts),
					      .deadline_ns = 1 };
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(-ECANCELED, coro_group_spawn(&g, sleep_far, arg));
	EXPECT_EQ(-ETIMEDOUT, coro_group_close(&g, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_EXPIRED, coro_scope_state(coro_group_scope(&g)));
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(5, coro_group_close(&g, 5));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(coro_group_scope(&g)));
	return coro_sleep(0);
}

static long open_group(void *arg)
{
	struct coro_group g;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, arg));
	EXPECT_EQ(0, coro_group_spawn(&g, sleep_far, arg));
	return coro_group_close(&g, 0);
}

static long time_a_group_out(void *arg)
{
	EXPECT_EQ(-ETIMEDOUT, coro_call(open_group, arg, coro_after(LATER_NS)));
	EXPECT_EQ(0, open_too_late(arg));
	return open_late_group(arg);
}

/* TMO-24 */
TEST_F(timeout, deadline_of_a_group_is_a_plain_one)
{
	EXPECT_EQ(0, coro_run(time_a_group_out, NULL));
}

static long ask_deadline(void *arg)
{
	*(int64_t *)arg = coro_deadline();
	return 0;
}

static long inherit(void *arg)
{
	int64_t far = coro_after(FAR_NS), seen = 0;
	struct coro_group_opts opts = { .size = sizeof(opts),
					.deadline_ns = far - 3 };
	struct coro_scope outer, inner, shield;
	struct coro_group g;

	(void)arg;
	EXPECT_EQ(CORO_NEVER, coro_deadline());
	EXPECT_EQ(0, coro_scope_enter(&outer, far));
	EXPECT_EQ(far, coro_deadline());
	EXPECT_EQ(0, coro_scope_enter(&inner, far + 1));
	EXPECT_EQ(far, coro_deadline());
	EXPECT_EQ(0, coro_scope_set_deadline(&inner, far - 1));
	EXPECT_EQ(far - 1, coro_deadline());
	EXPECT_EQ(0, coro_scope_shield(&shield, CORO_NEVER));
	EXPECT_EQ(CORO_NEVER, coro_deadline());
	EXPECT_EQ(far - 1, coro_deadline_unshielded());
	EXPECT_EQ(0, coro_scope_set_deadline(&shield, far + 2));
	EXPECT_EQ(far + 2, coro_deadline());
	EXPECT_EQ(far - 1, coro_deadline_unshielded());
	EXPECT_EQ(0, coro_scope_leave(&shield, 0));
	/* A child of a group is inside, a coroutine of the loop is not. */
	EXPECT_EQ(0, coro_group_open(&g, &opts));
	EXPECT_EQ(0, coro_group_spawn(&g, ask_deadline, &seen));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(far - 3, seen);
	EXPECT_EQ(0, coro_spawn(ask_deadline, &seen));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_NEVER, seen);
	EXPECT_EQ(0, coro_await(coro_new(ask_deadline, &seen)));
	EXPECT_EQ(far - 1, seen);
	EXPECT_EQ(0, coro_scope_leave(&inner, 0));
	EXPECT_EQ(far, coro_deadline());
	return coro_scope_leave(&outer, 0);
}

/* TMO-26 */
TEST_F(timeout, earliest_deadline_around_can_be_asked_for)
{
	EXPECT_EQ(0, coro_run(inherit, NULL));
}

static long many_scopes(void *arg)
{
	enum { NR = 1000 };
	struct coro_scope *s = calloc(NR, sizeof(*s));
	int i;

	(void)arg;
	/* The outermost expires first, or the innermost. */
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_scope_enter(&s[i], coro_after(SOON_NS)));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	for (i = NR - 1; i > 0; i--)
		EXPECT_EQ(-ECANCELED, coro_scope_leave(&s[i], -ECANCELED));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s[0], -ECANCELED));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_scope_enter(&s[i], coro_after(FAR_NS - i)));
	EXPECT_EQ(0, coro_scope_set_deadline(&s[NR - 1], coro_after(SOON_NS)));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s[NR - 1], -ECANCELED));
	for (i = NR - 2; i >= 0; i--)
		EXPECT_EQ(0, coro_scope_leave(&s[i], 0));
	EXPECT_EQ(-EDEADLK, coro_sleep_until(CORO_NEVER));
	free(s);
	return 1;
}

/* TMO-11 */
TEST_F(timeout, each_of_many_nested_deadlines_is_its_own)
{
	EXPECT_EQ(1, coro_run(many_scopes, NULL));
}

TEST_HARNESS_MAIN
