// SPDX-License-Identifier: MIT
/* A choice among several waits takes exactly one, and leaves the others as they were. */
#include "lib_queue.h"

QUEUE_FIXTURE(select)
LIB_FIXTURE(select_alone)

/* A coroutine with a choice among up to three cases. */
struct chooser {
	struct coro *c;
	struct coro_case cases[3];
	unsigned int nr;
	int64_t deadline_ns; /* 0 for CORO_NEVER */
	void *items[3];
	int ret;
	int next;
};

static long choose(void *arg)
{
	struct chooser *ch = arg;

	ch->ret = coro_select(ch->cases, ch->nr,
			      ch->deadline_ns ? ch->deadline_ns : CORO_NEVER);
	ch->next = coro_sleep(0);
	return ch->ret;
}

/* Starts it, and lets it come to where it waits. */
static void chooser_start(struct chooser *ch)
{
	ch->ret = 100;
	ch->c = coro_new(choose, ch);
	EXPECT_EQ(0, coro_start(ch->c));
	settle(ch->c, CORO_AWAITS_QUEUE);
}

static void chooser_get(struct chooser *ch, struct coro_queue *q)
{
	ch->items[ch->nr] = POISON_ITEM;
	ch->cases[ch->nr] = coro_case_get(q, &ch->items[ch->nr]);
	ch->nr++;
}

static void chooser_put(struct chooser *ch, struct coro_queue *q, void *item)
{
	ch->cases[ch->nr++] = coro_case_put(q, item);
}

static void queues_make(struct coro_queue **q, int nr, size_t capacity)
{
	while (nr--)
		q[nr] = queue_of_capacity(capacity);
}

static void queues_free(struct coro_queue **q, int nr)
{
	while (nr--)
		EXPECT_EQ(0, coro_queue_free(q[nr]));
}

static size_t waiting(struct coro_queue *q)
{
	struct coro_queue_info info = info_of(q);

	return info.getters + info.putters;
}

static long take_what_is_there(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q[3];

	(void)arg;
	queues_make(q, 3, 1);
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(7)));
	EXPECT_EQ(0, coro_queue_try_put(q[2], ITEM(8)));
	chooser_get(&ch, q[0]);
	chooser_get(&ch, q[1]);
	chooser_put(&ch, q[2], ITEM(9));
	EXPECT_EQ(1, coro_select(ch.cases, ch.nr, CORO_NEVER));
	EXPECT_EQ(0, ch.cases[1].result);
	EXPECT_EQ(ITEM(7), ch.items[1]);
	EXPECT_EQ(POISON_ITEM, ch.items[0]);
	EXPECT_EQ(ITEM(8), take(q[2]));
	EXPECT_EQ(2, coro_select(ch.cases, ch.nr, CORO_NEVER));
	EXPECT_EQ(ITEM(9), take(q[2]));
	EXPECT_EQ(POISON_ITEM, take(q[2]));
	queues_free(q, 3);
	return 0;
}

/* QUE-15 */
TEST_F(select, what_is_there_is_taken_and_nothing_else)
{
	EXPECT_EQ(0, coro_run(take_what_is_there, NULL));
}

/* Lets case @i of the test below be had. */
static void *end_wait(struct coro_queue **q, int i)
{
	if (i == 2)
		return take(q[2]);
	EXPECT_EQ(0, coro_queue_try_put(q[i], ITEM(i)));
	return POISON_ITEM;
}

static long wait_for_each(void *arg)
{
	struct coro_queue *q[3];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		struct chooser ch = { .nr = 0 };
		int k;

		queues_make(q, 3, 1);
		EXPECT_EQ(0, coro_queue_try_put(q[2], ITEM(8)));
		chooser_get(&ch, q[0]);
		chooser_get(&ch, q[1]);
		chooser_put(&ch, q[2], ITEM(9));
		chooser_start(&ch);
		for (k = 0; k < 3; k++)
			EXPECT_EQ(1, waiting(q[k]));
		EXPECT_EQ(i < 2 ? POISON_ITEM : ITEM(8), end_wait(q, i));
		/* Too late for the others. */
		EXPECT_EQ(0, coro_queue_try_put(q[!i], ITEM(5)));
		EXPECT_EQ(i, coro_await(ch.c));
		EXPECT_EQ(0, ch.cases[i].result);
		for (k = 0; k < 3; k++)
			EXPECT_EQ(0, waiting(q[k]));
		for (k = 0; k < 2; k++)
			EXPECT_EQ(k == i ? ITEM(i) : POISON_ITEM, ch.items[k]);
		EXPECT_EQ(ITEM(5), take(q[!i]));
		EXPECT_EQ(i == 2 ? ITEM(9) : ITEM(8), take(q[2]));
		for (k = 0; k < 3; k++)
			EXPECT_EQ(POISON_ITEM, take(q[k]));
		queues_free(q, 3);
	}
	return 0;
}

/* QUE-15 */
TEST_F(select, what_comes_first_is_taken_and_the_others_are_let_go)
{
	EXPECT_EQ(0, coro_run(wait_for_each, NULL));
}

static long give_up(void *arg)
{
	struct chooser cancelled = { .nr = 0 }, late = { .nr = 0 };
	struct coro_queue *q[2];
	int i;

	(void)arg;
	queues_make(q, 2, 1);
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(8)));
	chooser_get(&cancelled, q[0]);
	chooser_put(&cancelled, q[1], ITEM(9));
	chooser_get(&late, q[0]);
	chooser_put(&late, q[1], ITEM(9));
	late.deadline_ns = coro_after(SOON_NS);
	chooser_start(&cancelled);
	chooser_start(&late);
	EXPECT_EQ(0, coro_cancel(cancelled.c));
	EXPECT_EQ(-ECANCELED, coro_await(cancelled.c));
	EXPECT_EQ(-ETIMEDOUT, coro_await(late.c));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, waiting(q[i]));
	EXPECT_EQ(POISON_ITEM, cancelled.items[0]);
	EXPECT_EQ(POISON_ITEM, late.items[0]);
	EXPECT_EQ(POISON_ITEM, take(q[0]));
	EXPECT_EQ(ITEM(8), take(q[1]));
	EXPECT_EQ(POISON_ITEM, take(q[1]));
	queues_free(q, 2);
	return 0;
}

/* QUE-15, QUE-03, QUE-05 */
TEST_F(select, cancel_and_deadline_leave_everything_untouched)
{
	EXPECT_EQ(0, coro_run(give_up, NULL));
}

static long cancel_the_winner(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q[2];

	(void)arg;
	queues_make(q, 2, 1);
	chooser_get(&ch, q[0]);
	chooser_get(&ch, q[1]);
	chooser_start(&ch);
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(1)));
	EXPECT_EQ(0, coro_cancel(ch.c));
	EXPECT_EQ(1, coro_await(ch.c));
	EXPECT_EQ(ITEM(1), ch.items[1]);
	EXPECT_EQ(-ECANCELED, ch.next);
	queues_free(q, 2);
	return 0;
}

/* QUE-04, QUE-15 */
TEST_F(select, cancel_after_the_hand_over_takes_nothing_back)
{
	EXPECT_EQ(0, coro_run(cancel_the_winner, NULL));
}

static long look_once(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q[2];

	(void)arg;
	queues_make(q, 2, 1);
	chooser_get(&ch, q[0]);
	chooser_get(&ch, q[1]);
	EXPECT_EQ(-ETIMEDOUT, coro_select(ch.cases, 2, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_select(NULL, 0, 0));
	EXPECT_EQ(-EAGAIN, coro_try_select(ch.cases, 2));
	EXPECT_EQ(-EAGAIN, coro_try_select(NULL, 0));
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(1)));
	EXPECT_EQ(1, coro_select(ch.cases, 2, 0));
	EXPECT_EQ(ITEM(1), ch.items[1]);
	EXPECT_EQ(0, coro_queue_try_put(q[0], ITEM(2)));
	EXPECT_EQ(0, coro_try_select(ch.cases, 2));
	EXPECT_EQ(ITEM(2), ch.items[0]);
	EXPECT_EQ(-EAGAIN, coro_try_select(ch.cases, 2));
	queues_free(q, 2);
	return 0;
}

/* QUE-15 */
TEST_F(select, passed_deadline_makes_it_a_look)
{
	EXPECT_EQ(0, coro_run(look_once, NULL));
}

static long shut_one(void *arg)
{
	struct chooser ch = { .nr = 0 }, later = { .nr = 0 };
	struct coro_queue *q[2];

	(void)arg;
	queues_make(q, 2, 1);
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(1)));
	chooser_get(&ch, q[0]);
	chooser_put(&ch, q[1], ITEM(2));
	chooser_get(&later, q[0]);
	chooser_put(&later, q[1], ITEM(2));
	chooser_start(&ch);
	chooser_start(&later);
	EXPECT_EQ(0, coro_queue_shutdown(q[1], 0));
	EXPECT_EQ(1, coro_await(ch.c));
	EXPECT_EQ(-ESHUTDOWN, ch.cases[1].result);
	EXPECT_EQ(1, coro_await(later.c));
	EXPECT_EQ(0, waiting(q[0]));
	EXPECT_EQ(1, coro_select(ch.cases, 2, CORO_NEVER));
	EXPECT_EQ(-ESHUTDOWN, ch.cases[1].result);
	EXPECT_EQ(0, coro_queue_shutdown(q[0], 0));
	EXPECT_EQ(0, coro_try_select(ch.cases, 1));
	EXPECT_EQ(-ESHUTDOWN, ch.cases[0].result);
	EXPECT_EQ(POISON_ITEM, ch.items[0]);
	EXPECT_EQ(ITEM(1), take(q[1]));
	queues_free(q, 2);
	return 0;
}

/* QUE-11, QUE-15 */
TEST_F(select, shutdown_is_a_case_that_is_taken)
{
	EXPECT_EQ(0, coro_run(shut_one, NULL));
}

static long meet_itself(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct chooser ch = { .nr = 0 };
	void *item = POISON_ITEM;

	(void)arg;
	chooser_get(&ch, q);
	chooser_put(&ch, q, ITEM(1));
	EXPECT_EQ(-ETIMEDOUT, coro_select(ch.cases, 2, 0));
	EXPECT_EQ(POISON_ITEM, ch.items[0]);
	chooser_start(&ch);
	EXPECT_EQ(0, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(ITEM(1), item);
	EXPECT_EQ(1, coro_await(ch.c));
	chooser_start(&ch);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	EXPECT_EQ(0, coro_await(ch.c));
	EXPECT_EQ(ITEM(2), ch.items[0]);
	EXPECT_EQ(0, waiting(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-15 */
TEST_F(select, both_sides_of_one_queue_do_not_meet_themselves)
{
	EXPECT_EQ(0, coro_run(meet_itself, NULL));
}

static long two_choosers(void *arg)
{
	struct coro_queue *q[2] = { rendezvous(), rendezvous() };
	struct chooser a = { .nr = 0 }, b = { .nr = 0 };
	int ret;

	(void)arg;
	chooser_put(&a, q[0], ITEM(1));
	chooser_get(&a, q[1]);
	chooser_get(&b, q[0]);
	chooser_put(&b, q[1], ITEM(2));
	chooser_start(&a);
	ret = coro_select(b.cases, 2, CORO_NEVER);
	EXPECT_EQ(ret, coro_await(a.c));
	EXPECT_EQ(ret ? ITEM(2) : POISON_ITEM, a.items[1]);
	EXPECT_EQ(ret ? POISON_ITEM : ITEM(1), b.items[0]);
	EXPECT_EQ(0, waiting(q[0]));
	EXPECT_EQ(0, waiting(q[1]));
	queues_free(q, 2);
	return 0;
}

/* QUE-15 */
TEST_F(select, two_choices_meet_in_one_case)
{
	EXPECT_EQ(0, coro_run(two_choosers, NULL));
}

static long same_queue_twice(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q;
	int ret;

	(void)arg;
	q = queue_of_capacity(1);
	chooser_get(&ch, q);
	chooser_get(&ch, q);
	chooser_start(&ch);
	EXPECT_EQ(2, waiting(q));
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(1)));
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(2)));
	ret = (int)coro_await(ch.c);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(ITEM(1), ch.items[0]);
	EXPECT_EQ(POISON_ITEM, ch.items[1]);
	EXPECT_EQ(0, waiting(q));
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-15 */
TEST_F(select, same_queue_may_be_in_several_cases)
{
	EXPECT_EQ(0, coro_run(same_queue_twice, NULL));
}

static long wait_in_line(void *arg)
{
	struct user first = { .name = '1' }, third = { .name = '3' };
	struct chooser second = { .nr = 0 };
	struct coro_queue *q[2];

	(void)arg;
	queues_make(q, 2, 1);
	getter_start(&first, q[0]);
	chooser_get(&second, q[1]);
	chooser_get(&second, q[0]);
	chooser_start(&second);
	getter_start(&third, q[0]);
	EXPECT_EQ(0, coro_queue_try_put(q[0], ITEM(1)));
	EXPECT_EQ(0, coro_queue_try_put(q[0], ITEM(2)));
	EXPECT_EQ(0, coro_queue_try_put(q[0], ITEM(3)));
	EXPECT_EQ(0, user_await(&first));
	EXPECT_EQ(1, coro_await(second.c));
	EXPECT_EQ(0, user_await(&third));
	EXPECT_EQ(ITEM(1), first.item);
	EXPECT_EQ(ITEM(2), second.items[1]);
	EXPECT_EQ(ITEM(3), third.item);
	queues_free(q, 2);
	return 0;
}

/* QUE-09, QUE-15 */
TEST_F(select, choice_keeps_its_place_in_every_line)
{
	EXPECT_EQ(0, coro_run(wait_in_line, NULL));
}

enum { DRAWS = 3000 };

static long draw(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q[3];
	int taken[3] = { 0 };
	int i;

	(void)arg;
	queues_make(q, 3, 1);
	for (i = 0; i < 3; i++)
		chooser_get(&ch, q[i]);
	for (i = 0; i < DRAWS; i++) {
		int k, ret;

		for (k = 0; k < 3; k++)
			coro_queue_try_put(q[k], ITEM(k));
		ret = coro_select(ch.cases, 3, CORO_NEVER);
		EXPECT_EQ(ITEM(ret), ch.items[ret]);
		taken[ret]++;
		/* One more, so that a turn that is counted would be in step. */
		if (!(i & 1))
			coro_select(ch.cases, 3, CORO_NEVER);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_LT(DRAWS / 4, taken[i]);
		take(q[i]);
	}
	queues_free(q, 3);
	return 0;
}

/* QUE-15 */
TEST_F(select, none_that_is_there_is_starved)
{
	EXPECT_EQ(0, coro_run(draw, NULL));
}

static long choose_alone(void *arg)
{
	struct chooser ch = { .nr = 0 };
	struct coro_queue *q[2];

	(void)arg;
	queues_make(q, 2, 1);
	chooser_get(&ch, q[0]);
	chooser_get(&ch, q[1]);
	EXPECT_EQ(-EDEADLK, coro_select(ch.cases, 2, CORO_NEVER));
	EXPECT_EQ(0, waiting(q[0]));
	EXPECT_EQ(0, waiting(q[1]));
	EXPECT_EQ(-EDEADLK, coro_select(NULL, 0, CORO_NEVER));
	queues_free(q, 2);
	return 0;
}

/* Others may reach a shared queue, so that this is no deadlock of one. */
/* DIA-20 */
TEST_F(select_alone, choice_that_nobody_can_end_is_a_deadlock)
{
	EXPECT_EQ(0, coro_run(choose_alone, NULL));
}

static long choose_badly(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	void *item = POISON_ITEM;
	struct coro_case c[2] = { coro_case_get(q, &item), { .result = 0 } };

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_select(NULL, 1, 0));
	EXPECT_EQ(-EINVAL, coro_select(c, 2, 0));
	EXPECT_EQ(-EINVAL, coro_try_select(c, 2));
	EXPECT_EQ(-EINVAL, coro_select(c, 1U << 31, 0));
	c[1] = coro_case_get(NULL, &item);
	EXPECT_EQ(-EINVAL, coro_select(c, 2, 0));
	c[1] = coro_case_get(q, NULL);
	EXPECT_EQ(-EINVAL, coro_select(c, 2, 0));
	c[1] = coro_case_put(NULL, item);
	EXPECT_EQ(-EINVAL, coro_select(c, 2, 0));
	EXPECT_EQ(0, waiting(q));
	coro_cancel(coro_self());
	EXPECT_EQ(-ECANCELED, coro_select(c, 1, CORO_NEVER));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* OBJ-04 */
TEST_F(select, bad_choices_are_refused)
{
	struct coro_queue *q = queue_of_capacity(1);
	struct coro_case c = coro_case_put(q, ITEM(1));

	EXPECT_EQ(0, coro_run(choose_badly, NULL));
	EXPECT_EQ(-EPERM, coro_select(&c, 1, 0));
	EXPECT_EQ(0, coro_try_select(&c, 1));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
}

TEST_HARNESS_MAIN
