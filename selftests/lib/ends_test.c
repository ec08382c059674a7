// SPDX-License-Identifier: MIT
/* Watching coroutines of the loop end: coro_wait(), coro_ends, coro_result(). */
#include "lib_scope.h"

LIB_FIXTURE(ends)

static long sleep_and_give(void *arg)
{
	int err = coro_sleep(SOON_NS);

	return err ? err : (long)arg;
}

static struct coro *start(long (*fn)(void *arg), long arg)
{
	struct coro *c = (coro_new)(fn, (void *)arg);

	EXPECT_EQ(0, coro_start(c));
	return c;
}

static long ask_results(void *arg)
{
	struct coro *c = start(sleep_and_give, 6);
	struct coro *cancelled = start(give_arg, 6);
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_result(NULL, &value));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EAGAIN, coro_result(c, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(6, coro_await(coro_get(c)));
	EXPECT_EQ(0, coro_result(c, NULL));
	EXPECT_EQ(0, coro_result(c, &value));
	EXPECT_EQ(6, value);
	coro_put(c);
	coro_put(cancelled);
	cancelled = start(give_arg, 6);
	EXPECT_EQ(0, coro_cancel(cancelled));
	EXPECT_EQ(-EAGAIN, coro_result(cancelled, &value));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_result(cancelled, &value));
	EXPECT_EQ(-ECANCELED, value);
	coro_put(cancelled);
	return 0;
}

/* TSK-01 */
TEST_F(ends, result_is_there_when_it_has_ended)
{
	EXPECT_EQ(0, coro_run(ask_results, NULL));
}

static void drop(struct coro **c, int nr)
{
	while (nr--) {
		coro_cancel(c[nr]);
		coro_put(c[nr]);
	}
}

static long wait_for_some(void *arg)
{
	struct coro *c[] = { start(sleep_far, 0), start(give_arg, -EIO),
			     start(give_arg, 3),
			     start(sleep_and_give, -EPIPE) };

	(void)arg;
	/* Neither a failure nor the deadline is an error. */
	EXPECT_EQ(0, coro_wait(&c[0], 1, CORO_UNTIL_ALL, 0));
	EXPECT_EQ(0,
		  coro_wait(&c[0], 1, CORO_UNTIL_ALL, coro_after(CORO_MSEC)));
	EXPECT_EQ(2, coro_wait(&c[1], 2, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(2, coro_wait(&c[1], 2, CORO_UNTIL_FIRST, CORO_NEVER));
	EXPECT_EQ(2, coro_wait(c, 3, CORO_UNTIL_FIRST, CORO_NEVER));
	EXPECT_EQ(2, coro_wait(c, 3, CORO_UNTIL_ALL, coro_after(SOON_NS)));
	EXPECT_EQ(3, coro_wait(&c[1], 3, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EAGAIN, coro_result(c[0], NULL));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c[0]));
	drop(c, ARRAY_SIZE(c));
	return 0;
}

/* GWA-13, GWA-14 */
TEST_F(ends, wait_tells_how_many_have_ended_and_cancels_nobody)
{
	EXPECT_EQ(0, coro_run(wait_for_some, NULL));
}

static long wait_for_first(void *arg)
{
	struct coro *c[] = { start(sleep_far, 0), start(sleep_and_give, 3),
			     start(sleep_far, 0) };

	(void)arg;
	EXPECT_EQ(1, coro_wait(c, 3, CORO_UNTIL_FIRST, CORO_NEVER));
	EXPECT_EQ(0, coro_result(c[1], NULL));
	drop(c, ARRAY_SIZE(c));
	return 0;
}

/* GWA-14 */
TEST_F(ends, wait_for_the_first_returns_with_one)
{
	EXPECT_EQ(0, coro_run(wait_for_first, NULL));
}

static long wait_for_failure(void *arg)
{
	struct coro *c[] = { start(give_arg, -ECANCELED), start(give_arg, 3),
			     start(sleep_and_give, -EIO), start(sleep_far, 0) };
	struct coro *good[] = { c[0], c[1] };

	(void)arg;
	EXPECT_EQ(2, coro_wait(good, 2, CORO_UNTIL_FAILURE, CORO_NEVER));
	EXPECT_EQ(3, coro_wait(c, 4, CORO_UNTIL_FAILURE, CORO_NEVER));
	EXPECT_EQ(3, coro_wait(c, 4, CORO_UNTIL_FAILURE, CORO_NEVER));
	drop(c, ARRAY_SIZE(c));
	return 0;
}

/* GWA-15 */
TEST_F(ends, wait_for_a_failure_takes_no_cancel_for_one)
{
	EXPECT_EQ(0, coro_run(wait_for_failure, NULL));
}

static long use_from_elsewhere(void *arg)
{
	struct coro *c = arg;
	struct coro_ends *e = NULL;

	EXPECT_EQ(-EXDEV, coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_ends_new(&e, &c, 1));
	return 0;
}

static long run_elsewhere(void *arg)
{
	return coro_run(use_from_elsewhere, arg);
}

static long misuse(void *arg)
{
	struct coro *self = coro_self();
	struct coro *c = start(sleep_far, 0);
	struct coro *bare = coro_new(give_arg, NULL);
	struct coro *mixed[] = { c, bare }, *null[] = { c, NULL };
	struct coro_ends *e = arg;
	enum coro_until until = (enum coro_until)3;

	EXPECT_EQ(-EINVAL, coro_wait(&c, 0, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_wait(NULL, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_wait(&c, 1, until, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_wait(mixed, 2, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_wait(null, 2, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_wait(&self, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_ends_new(NULL, &c, 1));
	EXPECT_EQ(-EINVAL, coro_ends_new(&e, &c, 0));
	EXPECT_EQ(-EDEADLK, coro_ends_new(&e, &self, 1));
	EXPECT_EQ(arg, e);
	EXPECT_EQ(0, in_thread(run_elsewhere, c));
	coro_ends_free(NULL);
	coro_put(bare);
	drop(&c, 1);
	return 0;
}

/* GWA-11, GWA-16 */
TEST_F(ends, waiting_for_what_cannot_be_is_refused)
{
	struct coro *c = coro_new(give_arg, NULL);
	struct coro_ends *e;

	EXPECT_EQ(-EPERM, coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_ends_new(&e, &c, 1));
	EXPECT_EQ(0, coro_run(misuse, self));
	coro_put(c);
}

struct waiter {
	struct coro **c;
	int nr;
	int ret;
	int next;
};

static long wait_for_all(void *arg)
{
	struct waiter *w = arg;

	w->ret = coro_wait(w->c, w->nr, CORO_UNTIL_ALL, CORO_NEVER);
	w->next = coro_sleep(0);
	return 0;
}

static long cancel_a_waiter(void *arg)
{
	struct coro *c[] = { start(sleep_and_give, 4), start(give_arg, 5) };
	struct waiter w = { .c = c, .nr = 2, .ret = 1 };
	struct coro *who = start(wait_for_all, (long)&w);

	(void)arg;
	settle(who, CORO_AWAITS_GROUP);
	EXPECT_EQ(0, coro_cancel(who));
	EXPECT_EQ(0, coro_await(who));
	EXPECT_EQ(-ECANCELED, w.ret);
	/* Its stack and what it waited in are gone when they end. */
	EXPECT_EQ(4, coro_await(c[0]));
	EXPECT_EQ(5, coro_await(c[1]));
	/* When the last has ended, the result is there. */
	c[0] = start(give_arg, 6);
	w = (struct waiter){ .c = c, .nr = 1, .ret = 1 };
	who = start(wait_for_all, (long)&w);
	EXPECT_EQ(0, coro_sleep(0));
	w.nr = 0;
	EXPECT_EQ(0, coro_await(who));
	EXPECT_EQ(1, w.ret);
	c[1] = start(sleep_and_give, 7);
	w = (struct waiter){ .c = &c[1], .nr = 1, .ret = 1 };
	who = start(wait_for_all, (long)&w);
	settle(who, CORO_AWAITS_GROUP);
	settle(who, CORO_AWAITS_TURN);
	EXPECT_EQ(CORO_AWAITS_TURN, coro_awaits(who, NULL));
	EXPECT_EQ(0, coro_cancel(who));
	EXPECT_EQ(0, coro_await(who));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(-ECANCELED, w.next);
	drop(c, 2);
	return 0;
}

/* GWA-17, TSK-17: the better one holds: a result that is there beats the cancel. */
TEST_F(ends, cancelled_waiter_leaves_the_others_as_they_are)
{
	EXPECT_EQ(0, coro_run(cancel_a_waiter, NULL));
}

static long wait_for_twins(void *arg)
{
	struct coro *a = start(give_arg, 1), *b = start(sleep_and_give, 2);
	struct coro *c[] = { a, b, a, a, b };
	struct coro *got = NULL;
	struct coro_ends *e;

	(void)arg;
	EXPECT_EQ(1, coro_wait(c, 5, CORO_UNTIL_FIRST, CORO_NEVER));
	EXPECT_EQ(2, coro_wait(c, 5, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(0, coro_ends_new(&e, c, 5));
	EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	EXPECT_EQ(a, got);
	EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	EXPECT_EQ(b, got);
	EXPECT_EQ(0, coro_ends_next(e, &got, CORO_NEVER));
	coro_ends_free(e);
	coro_put(a);
	coro_put(b);
	return 0;
}

/* GWA-18 */
TEST_F(ends, one_that_is_there_twice_counts_once)
{
	EXPECT_EQ(0, coro_run(wait_for_twins, NULL));
}

static long take_as_they_end(void *arg)
{
	struct coro *c[] = { start(sleep_far, 0), start(sleep_and_give, 1),
			     start(give_arg, 2), start(give_arg, -EIO) };
	struct coro *got = c[0];
	struct coro_ends *e;

	(void)arg;
	EXPECT_EQ(2, coro_wait(&c[2], 2, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(0, coro_ends_new(&e, c, 4));
	EXPECT_EQ(-EINVAL, coro_ends_next(NULL, &got, 0));
	EXPECT_EQ(-EINVAL, coro_ends_next(e, NULL, 0));
	EXPECT_EQ(1, coro_ends_next(e, &got, 0));
	EXPECT_EQ(c[2], got);
	EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	EXPECT_EQ(c[3], got);
	EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	EXPECT_EQ(c[1], got);
	/* One can go on after a pause. */
	EXPECT_EQ(-ETIMEDOUT, coro_ends_next(e, &got, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_ends_next(e, &got, coro_after(CORO_MSEC)));
	EXPECT_EQ(c[1], got);
	EXPECT_EQ(0, coro_cancel(c[0]));
	EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	EXPECT_EQ(c[0], got);
	EXPECT_EQ(0, coro_ends_next(e, &got, CORO_NEVER));
	coro_ends_free(e);
	/* A watch can go before those that it watches. */
	coro_put(c[0]);
	c[0] = start(sleep_and_give, 0);
	EXPECT_EQ(0, coro_ends_new(&e, c, 1));
	coro_ends_free(e);
	EXPECT_EQ(0, coro_await(coro_get(c[0])));
	drop(c, 4);
	return 0;
}

/* GWA-19 */
TEST_F(ends, next_gives_each_as_it_ends)
{
	EXPECT_EQ(0, coro_run(take_as_they_end, NULL));
}

struct taker {
	struct coro_ends *e;
	struct coro *got;
	int ret;
};

static long take_next(void *arg)
{
	struct taker *t = arg;

	t->ret = coro_ends_next(t->e, &t->got, CORO_NEVER);
	return 0;
}

static long be_two_takers(void *arg)
{
	struct coro *c = start(sleep_and_give, 1), *got = NULL;
	struct taker t = { .ret = 5 };
	struct coro *first;

	(void)arg;
	EXPECT_EQ(0, coro_ends_new(&t.e, &c, 1));
	first = start(take_next, (long)&t);
	settle(first, CORO_AWAITS_GROUP);
	EXPECT_EQ(-EBUSY, coro_ends_next(t.e, &got, CORO_NEVER));
	/* It has been woken, and has not had its turn. */
	settle(first, CORO_AWAITS_TURN);
	EXPECT_EQ(CORO_AWAITS_TURN, coro_awaits(first, NULL));
	EXPECT_EQ(-EBUSY, coro_ends_next(t.e, &got, CORO_NEVER));
	EXPECT_EQ(0, coro_await(first));
	EXPECT_EQ(1, t.ret);
	EXPECT_EQ(c, t.got);
	EXPECT_EQ(NULL, got);
	coro_ends_free(t.e);
	coro_put(c);
	return 0;
}

TEST_F(ends, only_one_may_wait_for_the_next)
{
	EXPECT_EQ(0, coro_run(be_two_takers, NULL));
}

static long count_turns(void *arg)
{
	int *turns = arg;

	while (*turns >= 0 && !coro_sleep(0))
		++*turns;
	return 0;
}

static long wait_all_the_time(void *arg)
{
	struct coro *c = start(give_arg, 1), *got;
	struct coro_ends *e;
	int turns = 0, i;

	(void)arg;
	EXPECT_EQ(1, coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(0, coro_spawn(count_turns, &turns));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_sleep(0));
	turns = 0;
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(1, coro_wait(&c, 1, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_LE(3, turns);
	turns = 0;
	for (i = 0; i < 1000; i++) {
		EXPECT_EQ(0, coro_ends_new(&e, &c, 1));
		EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
		coro_ends_free(e);
	}
	EXPECT_LE(3, turns);
	turns = -1;
	coro_put(c);
	return 0;
}

/* LOP-24 */
TEST_F(ends, who_never_has_to_wait_leaves_turns_to_others)
{
	EXPECT_EQ(0, coro_run(wait_all_the_time, NULL));
}

static long end_in_the_turn(void *arg)
{
	int *turns = arg;

	while (*turns > 0) {
		if (coro_sleep(0))
			break;
	}
	return 9;
}

/*
 * Every number of waits before, so that in one of them the turn that a wait gives
 * to others is the one in which the target ends.
 */
static long wait_after_so_many(void *arg)
{
	struct coro *done = start(give_arg, 1), *got;
	struct coro_ends *e;
	int i, k;

	(void)arg;
	EXPECT_EQ(1, coro_wait(&done, 1, CORO_UNTIL_ALL, CORO_NEVER));
	for (i = 250; i < 260; i++) {
		for (k = 0; k < 3; k++) {
			int turns = 1, n;
			struct coro *c = start(end_in_the_turn, (long)&turns);

			EXPECT_EQ(0, coro_sleep(0));
			EXPECT_EQ(0, coro_sleep(0));
			EXPECT_EQ(0, coro_ends_new(&e, &c, 1));
			for (n = 0; n < i; n++)
				coro_wait(&done, 1, CORO_UNTIL_ALL, CORO_NEVER);
			turns = 0;
			if (k == 0) {
				EXPECT_EQ(9, coro_await(coro_get(c)));
			} else if (k == 1) {
				EXPECT_EQ(1, coro_wait(&c, 1, CORO_UNTIL_ALL,
						       CORO_NEVER));
			}
			EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
			EXPECT_EQ(0, coro_ends_next(e, &got, CORO_NEVER));
			coro_ends_free(e);
			coro_put(c);
		}
	}
	coro_put(done);
	return 0;
}

/* LOP-24 */
TEST_F(ends, end_in_a_turn_that_a_wait_gave_away_is_seen)
{
	EXPECT_EQ(0, coro_run(wait_after_so_many, NULL));
}

static long join_arg(void *arg)
{
	return coro_await(arg);
}

static long join_shielded(void *arg)
{
	return coro_call_shielded(join_arg, arg, CORO_NEVER);
}

static long shield_joins(void *arg)
{
	struct coro *c = start(sleep_and_give, 4), *who;

	(void)arg;
	/* Cancelling who waits: it has the result all the same, as does c. */
	who = start(join_shielded, (long)coro_get(c));
	settle(who, CORO_AWAITS_CONTEXT);
	EXPECT_EQ(0, coro_cancel(who));
	EXPECT_EQ(4, coro_await(who));
	/* What has ended is not waited for, in a shield or not. */
	EXPECT_EQ(4, coro_call_shielded(join_arg, coro_get(c), 0));
	coro_put(c);
	/* Cancelling what is waited for. */
	c = start(sleep_far, 0);
	who = start(join_shielded, (long)coro_get(c));
	settle(who, CORO_AWAITS_CONTEXT);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(who));
	coro_put(c);
	return 0;
}

/* GWA-20, GWA-21, GWA-22: joining does not cancel; a shield lets the joiner wait on. */
TEST_F(ends, join_in_a_shield_has_the_result)
{
	EXPECT_EQ(0, coro_run(shield_joins, NULL));
}

static void note_failure(void *arg, const struct coro_report *report)
{
	if (report->kind == CORO_REPORT_NEVER_RETRIEVED)
		*(long *)arg += report->value;
}

static long fail_unseen(void *arg)
{
	struct coro *c[] = { start(sleep_and_give, -EIO),
			     start(sleep_and_give, -EIO) };
	struct waiter w = { .c = &c[1], .nr = 1 };
	struct coro *join = start(join_arg, (long)c[0]);
	struct coro *wait = start(wait_for_all, (long)&w);

	(void)arg;
	settle(join, CORO_AWAITS_CONTEXT);
	settle(wait, CORO_AWAITS_GROUP);
	EXPECT_EQ(0, coro_cancel(join));
	EXPECT_EQ(0, coro_cancel(wait));
	EXPECT_EQ(-ECANCELED, coro_await(join));
	EXPECT_EQ(0, coro_await(wait));
	coro_put(c[0]);
	coro_put(c[1]);
	return coro_sleep(2 * SOON_NS);
}

/* GWA-23 */
TEST_F(ends, failure_after_its_waiter_was_cancelled_is_reported)
{
	long sum = 0;

	coro_report_to(note_failure, &sum);
	EXPECT_EQ(0, coro_run(fail_unseen, NULL));
	coro_report_to(NULL, NULL);
	EXPECT_EQ(-2 * EIO, sum);
}

static long wait_for_the_stuck(void *arg)
{
	struct coro *c[] = { start(wait_for_ever, 0), start(wait_for_ever, 0) };
	struct coro_ends *e;
	struct coro *got;

	(void)arg;
	EXPECT_EQ(-EDEADLK, coro_wait(c, 2, CORO_UNTIL_ALL, CORO_NEVER));
	EXPECT_EQ(0, coro_ends_new(&e, c, 2));
	EXPECT_EQ(-EDEADLK, coro_ends_next(e, &got, CORO_NEVER));
	coro_ends_free(e);
	drop(c, 2);
	return 0;
}

/* DIA-20 */
TEST_F(ends, waiting_for_what_nothing_can_wake_is_a_deadlock)
{
	EXPECT_EQ(0, coro_run(wait_for_the_stuck, NULL));
}

TEST_HARNESS_MAIN
