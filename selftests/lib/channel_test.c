// SPDX-License-Identifier: MIT
/* Queues that hold nothing: a put and a get meet, or both wait. */
#include "lib_queue.h"

QUEUE_FIXTURE(channel)

static long meet(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct user get = { .name = 'g' }, put = { .name = 'p' };
	void *item = POISON_ITEM;

	(void)arg;
	putter_start(&put, q, ITEM(1));
	EXPECT_EQ(1, put.err);
	EXPECT_EQ(0, coro_queue_size(q));
	EXPECT_EQ(1, info_of(q).putters);
	EXPECT_EQ(0, info_of(q).unfinished);
	EXPECT_EQ(0, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(ITEM(1), item);
	EXPECT_EQ(0, user_await(&put));

	getter_start(&get, q);
	EXPECT_EQ(1, info_of(q).getters);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(2), get.item);
	EXPECT_EQ(2, info_of(q).unfinished);
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-09 */
TEST_F(channel, put_and_get_wait_for_each_other)
{
	EXPECT_EQ(0, coro_run(meet, NULL));
}

/* QUE-01, QUE-13 */
TEST_F(channel, it_is_empty_and_full_at_once)
{
	struct coro_queue *q = rendezvous();
	void *item = POISON_ITEM;

	EXPECT_TRUE(coro_queue_empty(q));
	EXPECT_TRUE(coro_queue_full(q));
	EXPECT_EQ(0, info_of(q).capacity);
	EXPECT_EQ(-EAGAIN, coro_queue_try_put(q, ITEM(1)));
	EXPECT_EQ(-ENODATA, coro_queue_try_get(q, &item));
	EXPECT_EQ(POISON_ITEM, item);
	EXPECT_EQ(0, coro_queue_free(q));
}

static long try_to_meet(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct user get = { .name = 'g' }, put = { .name = 'p' };

	(void)arg;
	putter_start(&put, q, ITEM(1));
	EXPECT_EQ(-EAGAIN, coro_queue_try_put(q, ITEM(9)));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, user_await(&put));
	getter_start(&get, q);
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(2)));
	EXPECT_EQ(-EAGAIN, coro_queue_try_put(q, ITEM(9)));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(2), get.item);
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-01, QUE-09 */
TEST_F(channel, tries_succeed_when_the_other_side_waits)
{
	EXPECT_EQ(0, coro_run(try_to_meet, NULL));
}

static long many_of_each(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct trace *t = arg;
	struct user u[4];
	int i;

	memset(u, 0, sizeof(u));
	for (i = 0; i < 4; i++) {
		u[i].trace = t;
		u[i].name = '0' + i;
		putter_start(&u[i], q, ITEM(i));
	}
	EXPECT_EQ(0, coro_cancel(u[1].c));
	EXPECT_EQ(-ECANCELED, user_await(&u[1]));
	EXPECT_EQ(ITEM(0), take(q));
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(ITEM(3), take(q));
	for (i = 0; i < 4; i++) {
		if (i != 1)
			EXPECT_EQ(0, user_await(&u[i]));
	}
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-05, QUE-09 */
TEST_F(channel, puts_are_served_by_turn_and_the_cancelled_ones_left_out)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(many_of_each, &t));
	EXPECT_STREQ("1023", t.text);
}

static long cancel_what_met(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct user get = { .name = 'g' }, put = { .name = 'p' };

	(void)arg;
	putter_start(&put, q, ITEM(1));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, coro_cancel(put.c));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(-ECANCELED, put.next);
	getter_start(&get, q);
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(2)));
	EXPECT_EQ(0, coro_cancel(get.c));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(2), get.item);
	EXPECT_EQ(-ECANCELED, get.next);
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-04, QUE-05 */
TEST_F(channel, cancel_after_the_meeting_takes_nothing_back)
{
	EXPECT_EQ(0, coro_run(cancel_what_met, NULL));
}

static long shut_both_sides(void *arg)
{
	struct coro_queue *a = rendezvous(), *b = rendezvous();
	struct user get = { .name = 'g' }, put = { .name = 'p' };

	(void)arg;
	getter_start(&get, a);
	putter_start(&put, b, ITEM(1));
	EXPECT_EQ(0, coro_queue_shutdown(a, 0));
	EXPECT_EQ(0, coro_queue_shutdown(b, CORO_QUEUE_DISCARD));
	EXPECT_EQ(-ESHUTDOWN, user_await(&get));
	EXPECT_EQ(-ESHUTDOWN, user_await(&put));
	EXPECT_EQ(POISON_ITEM, get.item);
	EXPECT_EQ(POISON_ITEM, take(b));
	EXPECT_EQ(0, coro_queue_join(b, CORO_NEVER));
	EXPECT_EQ(0, coro_queue_free(a));
	EXPECT_EQ(0, coro_queue_free(b));
	return 0;
}

/* QUE-11 */
TEST_F(channel, shutdown_ends_both_sides)
{
	EXPECT_EQ(0, coro_run(shut_both_sides, NULL));
}

static long join_a_meeting(void *arg)
{
	struct coro_queue *q = rendezvous();
	struct user put = { .name = 'p' }, join = { .name = 'j' };

	(void)arg;
	putter_start(&put, q, ITEM(1));
	EXPECT_EQ(0, coro_queue_join(q, CORO_NEVER));
	EXPECT_EQ(ITEM(1), take(q));
	joiner_start(&join, q);
	EXPECT_EQ(1, join.err);
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-10 */
TEST_F(channel, item_counts_for_join_from_the_meeting)
{
	EXPECT_EQ(0, coro_run(join_a_meeting, NULL));
}

enum { HOPS = 20, ROUNDS = 50 };

struct hop {
	struct coro_queue *from, *to;
};

static long pass_on(void *arg)
{
	struct hop *h = arg;
	void *item;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(0, coro_queue_get(h->from, &item, CORO_NEVER));
		EXPECT_EQ(0, coro_queue_put(h->to, ITEM((long)item + 1),
					    CORO_NEVER));
	}
	return 0;
}

static long around_the_ring(void *arg)
{
	struct coro_queue *q[HOPS + 1];
	struct coro *c[HOPS];
	struct hop h[HOPS];
	void *item;
	int i;

	(void)arg;
	for (i = 0; i <= HOPS; i++)
		q[i] = rendezvous();
	for (i = 0; i < HOPS; i++) {
		h[i] = (struct hop){ .from = q[i], .to = q[i + 1] };
		c[i] = coro_new(pass_on, &h[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(0, coro_queue_put(q[0], ITEM(i), CORO_NEVER));
		EXPECT_EQ(0, coro_queue_get(q[HOPS], &item, CORO_NEVER));
		EXPECT_EQ(ITEM(i + HOPS), item);
	}
	for (i = 0; i < HOPS; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	for (i = 0; i <= HOPS; i++)
		EXPECT_EQ(0, coro_queue_free(q[i]));
	return 0;
}

/* QUE-06 */
TEST_F(channel, chain_of_them_passes_everything_on)
{
	EXPECT_EQ(0, coro_run(around_the_ring, NULL));
}

TEST_HARNESS_MAIN
