// SPDX-License-Identifier: MIT
/* Scopes: how far a cancel reaches, who absorbs it, shields, what is left open. */
#include "lib_scope.h"

LIB_FIXTURE(scope)

/* A scope that others can cancel, and what its coroutine met. */
struct inside {
	struct coro_scope scope;
	int first, second, after;
	long left;
};

static long wait_inside(void *arg)
{
	struct inside *in = arg;

	EXPECT_EQ(0, coro_scope_enter(&in->scope, CORO_NEVER));
	in->first = coro_sleep(FAR_NS);
	in->second = coro_sleep(0);
	in->left = coro_scope_leave(&in->scope, in->second);
	in->after = coro_sleep(0);
	return 5;
}

static long cancel_the_scope_of_another(void *arg)
{
	struct inside in = { .first = 1 };
	struct coro *c = coro_new(wait_inside, &in);

	(void)arg;
	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(&in.scope));
	EXPECT_EQ(0, coro_scope_cancel(&in.scope));
	EXPECT_EQ(0, coro_scope_cancel(&in.scope));
	EXPECT_EQ(CORO_SCOPE_CANCELLING, coro_scope_state(&in.scope));
	EXPECT_EQ(1, in.first);
	EXPECT_EQ(5, coro_await(c));
	EXPECT_EQ(-ECANCELED, in.first);
	EXPECT_EQ(-ECANCELED, in.second);
	EXPECT_EQ(0, in.left);
	EXPECT_EQ(0, in.after);
	EXPECT_EQ(CORO_SCOPE_CANCELLED, coro_scope_state(&in.scope));
	EXPECT_EQ(-EINVAL, coro_scope_cancel(&in.scope));
	EXPECT_EQ(-EINVAL, coro_scope_set_deadline(&in.scope, 1));
	return 0;
}

/* TSK-14, TSK-20: the better one holds, each wait fails until the scope is left. */
TEST_F(scope, cancelled_scope_fails_every_wait_until_it_is_left)
{
	EXPECT_EQ(0, coro_run(cancel_the_scope_of_another, NULL));
}

static long cancel_both(void *arg)
{
	struct coro_scope outer, inner;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&outer, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_enter(&inner, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_cancel(&inner));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(0, coro_scope_leave(&inner, -ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_scope_enter(&inner, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_cancel(&inner));
	EXPECT_EQ(0, coro_scope_cancel(&outer));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, coro_scope_leave(&inner, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_CANCELLED, coro_scope_state(&inner));
	/* One that is entered in a cancelled one is inside of it. */
	EXPECT_EQ(0, coro_scope_enter(&inner, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(-ECANCELED, coro_scope_leave(&inner, -ECANCELED));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&inner));
	EXPECT_EQ(0, coro_scope_leave(&outer, -ECANCELED));
	return coro_sleep(0);
}

/* TMO-21: the better one holds, scopes are told apart and nobody counts. */
TEST_F(scope, cancel_is_absorbed_by_the_outermost_that_was_cancelled)
{
	EXPECT_EQ(0, coro_run(cancel_both, NULL));
}

static long leave_with_results(void *arg)
{
	const long result[] = { 0, 7, -EIO, -ETIMEDOUT, LONG_MIN, LONG_MAX };
	struct coro_scope s;
	unsigned int i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(result); i++) {
		EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
		EXPECT_EQ(result[i], coro_scope_leave(&s, result[i]));
		EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(&s));
		EXPECT_EQ(0, coro_scope_enter(&s, 0));
		EXPECT_EQ(-ECANCELED, coro_sleep(0));
		EXPECT_EQ(result[i], coro_scope_leave(&s, result[i]));
		EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
		EXPECT_EQ(0, coro_scope_cancel(&s));
		EXPECT_EQ(result[i], coro_scope_leave(&s, result[i]));
	}
	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_scope_leave(&s, -ECANCELED));
	return 0;
}

/* TSK-21, TMO-18 */
TEST_F(scope, other_results_go_through)
{
	EXPECT_EQ(0, coro_run(leave_with_results, NULL));
}

enum { DEEP = 10000 };

static long nest_deep(void *arg)
{
	struct coro_scope *s = calloc(DEEP, sizeof(*s));
	int i;

	(void)arg;
	for (i = 0; i < DEEP; i++)
		EXPECT_EQ(0, coro_scope_enter(&s[i], CORO_NEVER));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_scope_cancel(&s[DEEP / 2]));
	for (i = DEEP - 1; i > DEEP / 2; i--) {
		EXPECT_EQ(-ECANCELED, coro_check());
		EXPECT_EQ(-ECANCELED, coro_scope_leave(&s[i], -ECANCELED));
	}
	EXPECT_EQ(0, coro_scope_leave(&s[i], -ECANCELED));
	EXPECT_EQ(0, coro_sleep(0));
	while (i--)
		EXPECT_EQ(3, coro_scope_leave(&s[i], 3));
	free(s);
	return 0;
}

TEST_F(scope, ten_thousand_can_be_nested)
{
	EXPECT_EQ(0, coro_run(nest_deep, NULL));
}

static long leave_what_is_not_mine(void *arg)
{
	return coro_scope_leave(arg, 0);
}

static long misuse(void *arg)
{
	struct coro_scope outer, inner;

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_scope_enter(NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_scope_shield(NULL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_scope_leave(NULL, 0));
	EXPECT_EQ(-EINVAL, coro_scope_cancel(NULL));
	EXPECT_EQ(-EINVAL, coro_scope_set_deadline(NULL, 1));
	EXPECT_EQ(-EINVAL, coro_call(NULL, NULL, CORO_NEVER));
	EXPECT_EQ(0, coro_scope_enter(&outer, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_scope_enter(&outer, 0));
	EXPECT_EQ(0, coro_scope_enter(&inner, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_scope_enter(&outer, 0));
	EXPECT_EQ(-EBUSY, coro_scope_shield(&inner, 0));
	EXPECT_EQ(-EINVAL, coro_scope_leave(&outer, 7));
	/* An awaited one is inside, and not who entered. */
	EXPECT_EQ(-EINVAL,
		  coro_await(coro_new(leave_what_is_not_mine, &inner)));
	EXPECT_EQ(CORO_NEVER, coro_scope_deadline(&outer));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(6, coro_scope_leave(&inner, 6));
	EXPECT_EQ(-EINVAL, coro_scope_leave(&inner, 6));
	EXPECT_EQ(7, coro_scope_leave(&outer, 7));
	return 0;
}

static long in_no_loop(void *arg)
{
	struct coro_scope s;

	EXPECT_EQ(-EPERM, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_scope_shield(&s, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_scope_leave(&s, 0));
	EXPECT_EQ(-EPERM, coro_call(give_arg, arg, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_call_shielded(give_arg, arg, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_check());
	EXPECT_EQ(CORO_NEVER, coro_deadline());
	EXPECT_EQ(CORO_NEVER, coro_deadline_unshielded());
	return 0;
}

/* TMO-22 */
TEST_F(scope, misuse_is_refused_and_changes_nothing)
{
	struct coro *c = coro_new(in_no_loop, NULL);

	EXPECT_EQ(0, in_no_loop(NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(0, coro_run(misuse, NULL));
}

static long sleep_in_inner(void *arg)
{
	struct coro_scope *s = arg;

	EXPECT_EQ(0, coro_scope_cancel(s));
	return coro_sleep(0);
}

static long start_inside(void *arg)
{
	struct coro_scope s;
	struct coro *gen, *c;
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(-ECANCELED, coro_await(coro_new(sleep_in_inner, &s)));
	gen = coro_new(sleep_far, NULL);
	EXPECT_EQ(CORO_ENDED, coro_resume(gen, 0, &value));
	EXPECT_EQ(-ECANCELED, value);
	coro_put(gen);
	/* What the loop runs is not inside, wherever it was started. */
	c = coro_new(sleep_soon, NULL);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(0, coro_await(c));
	return 0;
}

/* TSK-15 */
TEST_F(scope, what_is_awaited_or_resumed_is_inside_and_what_is_started_is_not)
{
	EXPECT_EQ(0, coro_run(start_inside, NULL));
}

static long yield_in_scope(void *arg)
{
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_yield(1, NULL));
	EXPECT_EQ(0, coro_scope_leave(&s, 0));
	EXPECT_EQ(0, coro_scope_shield(&s, CORO_NEVER));
	EXPECT_EQ(-EBUSY, coro_yield(1, NULL));
	EXPECT_EQ(0, coro_scope_leave(&s, 0));
	return coro_yield(2, NULL);
}

static long drive_from_scopes(void *arg)
{
	struct coro *gen = coro_new(yield_in_scope, arg);
	struct coro_scope s;
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_scope_enter(&s, CORO_NEVER));
	EXPECT_EQ(CORO_YIELDED, coro_resume(gen, 0, &value));
	EXPECT_EQ(2, value);
	EXPECT_EQ(0, coro_scope_leave(&s, 0));
	/* It goes on in whatever scope it is resumed. */
	EXPECT_EQ(CORO_ENDED, coro_resume(gen, 0, &value));
	EXPECT_EQ(0, value);
	coro_put(gen);
	return 0;
}

/* AGS-15 */
TEST_F(scope, generator_cannot_yield_in_a_scope_of_its_own)
{
	EXPECT_EQ(0, coro_run(drive_from_scopes, NULL));
}

static long leave_open(void *arg)
{
	struct coro_scope outer, inner;

	EXPECT_EQ(0, coro_scope_enter(&outer, coro_after(SOON_NS)));
	EXPECT_EQ(0, coro_scope_enter(&inner, arg ? 0 : FAR_NS));
	return 4;
}

static long leave_open_on_the_heap(void *arg)
{
	struct coro_scope *s = arg;

	EXPECT_EQ(0, coro_scope_enter(&s[0], coro_after(SOON_NS)));
	return leave_open(NULL);
}

static long await_those_who_leave_open(void *arg)
{
	struct coro_scope mine, heap[1];
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_scope_enter(&mine, CORO_NEVER));
	for (i = 0; i < 4; i++) {
		struct coro *c = coro_new(leave_open, i % 2 ? &mine : NULL);

		if (i / 2)
			EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(4, coro_await(c));
		EXPECT_EQ(0, coro_sleep(0));
	}
	EXPECT_EQ(4, coro_await(coro_new(leave_open_on_the_heap, heap)));
	EXPECT_EQ(CORO_SCOPE_LEFT, coro_scope_state(heap));
	EXPECT_EQ(4, coro_call(leave_open, NULL, CORO_NEVER));
	EXPECT_EQ(4, coro_call_shielded(leave_open, &mine, CORO_NEVER));
	/* Past the time of all of them, on a stack that one of them had. */
	EXPECT_EQ(0, coro_await(coro_new(sleep_soon, NULL)));
	EXPECT_EQ(0, coro_sleep(2 * SOON_NS));
	EXPECT_EQ(CORO_NEVER, coro_deadline());
	EXPECT_EQ(8, coro_scope_leave(&mine, 8));
	return leave_open(NULL);
}

TEST_F(scope, scope_that_was_left_open_ends_with_its_coroutine)
{
	EXPECT_EQ(4, coro_run(await_those_who_leave_open, NULL));
}

struct cleanup {
	long sleep, late, never, inner;
	int64_t deadline, unshielded;
	long after;
};

static long look_around(void *arg)
{
	struct cleanup *cl = arg;

	cl->deadline = coro_deadline();
	cl->unshielded = coro_deadline_unshielded();
	return coro_call(sleep_soon, NULL, coro_after(FAR_NS));
}

static long clean_up_shielded(void *arg)
{
	struct cleanup *cl = arg;

	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(INT64_MIN, coro_deadline());
	cl->sleep = coro_call_shielded(sleep_soon, NULL, CORO_NEVER);
	cl->late = coro_call_shielded(sleep_far, NULL, coro_after(SOON_NS));
	cl->never = coro_call_shielded(sleep_far, NULL, 0);
	cl->inner = coro_call_shielded(look_around, cl, CORO_NEVER);
	cl->after = coro_sleep(0);
	return 0;
}

static long cancel_one_with_shields(void *arg)
{
	struct coro *c = coro_new(clean_up_shielded, arg);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	return 0;
}

/* GWA-20, TMO-25 */
TEST_F(scope, shield_keeps_cancels_out_and_has_a_deadline_of_its_own)
{
	struct cleanup cl = { .sleep = 1 };

	EXPECT_EQ(0, coro_run(cancel_one_with_shields, &cl));
	EXPECT_EQ(0, cl.sleep);
	EXPECT_EQ(-ETIMEDOUT, cl.late);
	EXPECT_EQ(-ETIMEDOUT, cl.never);
	EXPECT_EQ(0, cl.inner);
	EXPECT_EQ(CORO_NEVER, cl.deadline);
	EXPECT_EQ(INT64_MIN, cl.unshielded);
	EXPECT_EQ(-ECANCELED, cl.after);
}

static long be_cancelled_in_a_shield(void *arg)
{
	struct coro_scope s;
	long ret;

	(void)arg;
	EXPECT_EQ(0, coro_scope_shield(&s, CORO_NEVER));
	ret = coro_sleep(SOON_NS);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, coro_check());
	/* The shield itself can be cancelled, and absorbs that. */
	EXPECT_EQ(0, coro_scope_cancel(&s));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	EXPECT_EQ(0, coro_scope_leave(&s, -ECANCELED));
	return coro_sleep(0);
}

static long cancel_in_a_shield(void *arg)
{
	struct coro *c = coro_new(be_cancelled_in_a_shield, arg);

	EXPECT_EQ(0, coro_start(c));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(CORO_AWAITS_TIMER, coro_awaits(c, NULL));
	return coro_await(c);
}

/* GWA-20, GWA-21 */
TEST_F(scope, cancel_that_comes_during_a_shield_waits_for_its_end)
{
	EXPECT_EQ(-ECANCELED, coro_run(cancel_in_a_shield, NULL));
}

static long finish_in_a_shield(void *arg)
{
	long *ret = arg;

	coro_sleep(FAR_NS);
	ret[0] = coro_call_shielded(sleep_soon, NULL, CORO_NEVER);
	ret[1] = coro_call_shielded(wait_for_ever, NULL, CORO_NEVER);
	return 0;
}

static long leave_one_in_a_shield(void *arg)
{
	EXPECT_EQ(0, coro_spawn(finish_in_a_shield, arg));
	return coro_sleep(0);
}

/* LOP-12, DIA-20 */
TEST_F(scope, end_of_the_loop_waits_for_shields_and_not_for_ever)
{
	long ret[2] = { POISON_LONG, POISON_LONG };

	EXPECT_EQ(0, coro_run(leave_one_in_a_shield, ret));
	EXPECT_EQ(0, ret[0]);
	EXPECT_EQ(-EDEADLK, ret[1]);
}

static long check_inside(void *arg)
{
	struct coro_scope s;

	(void)arg;
	EXPECT_EQ(0, coro_check());
	EXPECT_EQ(0, coro_scope_enter(&s, 0));
	EXPECT_EQ(CORO_SCOPE_ACTIVE, coro_scope_state(&s));
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(-ECANCELED, coro_check());
	EXPECT_EQ(CORO_SCOPE_EXPIRING, coro_scope_state(&s));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
	return coro_check();
}

TEST_F(scope, check_is_a_wait_that_does_not_suspend)
{
	EXPECT_EQ(0, coro_run(check_inside, NULL));
}

TEST_HARNESS_MAIN
