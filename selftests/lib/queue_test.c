// SPDX-License-Identifier: MIT
/* Queues of one loop: order, bound, hand-off, and cancels that lose nothing. */
#include "lib_queue.h"

QUEUE_FIXTURE(queue)
LIB_FIXTURE(queue_alone)

static long put_get_in_order(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	void *item = POISON_ITEM;
	long i;

	(void)arg;
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, coro_queue_get(q, &item, CORO_NEVER));
		EXPECT_EQ(ITEM(i), item);
	}
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-01 */
TEST_F(queue, items_come_in_the_order_of_their_puts)
{
	EXPECT_EQ(0, coro_run(put_get_in_order, NULL));
}

/* QUE-01, QUE-12 */
TEST_F(queue, empty_full_and_shut_are_distinct_errors)
{
	struct coro_queue *q = queue_of_capacity(1);
	void *item = POISON_ITEM;

	EXPECT_EQ(-ENODATA, coro_queue_try_get(q, &item));
	EXPECT_EQ(POISON_ITEM, item);
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(1)));
	EXPECT_EQ(-EAGAIN, coro_queue_try_put(q, ITEM(2)));
	EXPECT_EQ(0, coro_queue_shutdown(q, 0));
	EXPECT_EQ(-ESHUTDOWN, coro_queue_try_put(q, ITEM(3)));
	EXPECT_EQ(0, coro_queue_try_get(q, &item));
	EXPECT_EQ(ITEM(1), item);
	EXPECT_EQ(-ESHUTDOWN, coro_queue_try_get(q, &item));
	EXPECT_EQ(ITEM(1), item);
	EXPECT_EQ(0, coro_queue_free(q));
}

/* QUE-02 */
TEST_F(queue, queue_without_bound_takes_all_and_keeps_their_order)
{
	struct coro_queue *q = queue_of(NULL);
	long in = 0, out = 0;
	int round;

	/* Rounds of different length, so that the ring grows while it is wrapped. */
	for (round = 1; round < 400; round++) {
		int i;

		for (i = 0; i < round * 3 % 251; i++)
			EXPECT_EQ(0, coro_queue_try_put(q, ITEM(in++)));
		for (i = 0; i < round * 2 % 251 && out < in; i++)
			EXPECT_EQ(ITEM(out++), take(q));
		EXPECT_EQ(in - out, coro_queue_size(q));
		EXPECT_FALSE(coro_queue_full(q));
	}
	EXPECT_LT(1024, coro_queue_size(q));
	while (out < in)
		EXPECT_EQ(ITEM(out++), take(q));
	EXPECT_TRUE(coro_queue_empty(q));
	for (in = 0; in < 100; in++)
		EXPECT_EQ(0, coro_queue_try_put(q, ITEM(in)));
	for (out = 0; out < 100; out++)
		EXPECT_EQ(ITEM(out), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
}

static long put_into_a_full_one(void *arg)
{
	struct coro_queue *q = queue_of_capacity(3);
	struct user u[2] = { { .name = 'a' } };
	int i;

	(void)arg;
	for (i = 1; i <= 3; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	EXPECT_TRUE(coro_queue_full(q));
	putter_start(&u[0], q, ITEM(4));
	putter_start(&u[1], q, ITEM(5));
	EXPECT_EQ(1, u[0].err);
	EXPECT_EQ(2, info_of(q).putters);
	EXPECT_EQ(3, coro_queue_size(q));
	/* Room goes to who waits, at once: who comes now finds none. */
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(3, coro_queue_size(q));
	EXPECT_EQ(1, info_of(q).putters);
	EXPECT_EQ(-EAGAIN, coro_queue_try_put(q, ITEM(6)));
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(0, info_of(q).putters);
	for (i = 3; i <= 5; i++)
		EXPECT_EQ(ITEM(i), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, user_await(&u[0]));
	EXPECT_EQ(0, user_await(&u[1]));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-02, QUE-13 */
TEST_F(queue, put_waits_for_room_and_its_item_moves_in_by_turn)
{
	EXPECT_EQ(0, coro_run(put_into_a_full_one, NULL));
}

static long cancel_getters(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct user u[3] = { { .name = 'a' } };
	int i;

	(void)arg;
	for (i = 0; i < 3; i++)
		getter_start(&u[i], q);
	EXPECT_EQ(3, info_of(q).getters);
	EXPECT_EQ(0, coro_cancel(u[1].c));
	EXPECT_EQ(2, info_of(q).getters);
	EXPECT_EQ(-ECANCELED, user_await(&u[1]));
	EXPECT_EQ(POISON_ITEM, u[1].item);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(3), CORO_NEVER));
	EXPECT_EQ(0, user_await(&u[0]));
	EXPECT_EQ(0, user_await(&u[2]));
	EXPECT_EQ(ITEM(1), u[0].item);
	EXPECT_EQ(ITEM(2), u[2].item);
	EXPECT_EQ(0, info_of(q).getters);
	EXPECT_EQ(ITEM(3), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-03, SYN-24 */
TEST_F(queue, cancelled_get_leaves_no_trace_and_loses_nothing)
{
	EXPECT_EQ(0, coro_run(cancel_getters, NULL));
}

static long cancel_after_the_hand_over(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	struct user get = { .name = 'g' }, put = { .name = 'p' };

	(void)arg;
	getter_start(&get, q);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(get.c));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(1), get.item);
	EXPECT_EQ(-ECANCELED, get.next);

	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	putter_start(&put, q, ITEM(3));
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(0, coro_cancel(put.c));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(-ECANCELED, put.next);
	EXPECT_EQ(ITEM(3), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/*
 * asyncio passes the wake-up on instead; here the wait is over with the item, and
 * the cancel keeps ("Better than asyncio", 5).
 */
/* QUE-04, QUE-05 */
TEST_F(queue, cancel_after_the_hand_over_takes_nothing_back)
{
	EXPECT_EQ(0, coro_run(cancel_after_the_hand_over, NULL));
}

static long cancel_putters(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	struct user u[3] = { { .name = 'a' } };
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(9), CORO_NEVER));
	for (i = 0; i < 3; i++)
		putter_start(&u[i], q, ITEM(i));
	EXPECT_EQ(0, coro_cancel(u[0].c));
	EXPECT_EQ(2, info_of(q).putters);
	EXPECT_EQ(ITEM(9), take(q));
	EXPECT_EQ(0, coro_cancel(u[2].c));
	EXPECT_EQ(-ECANCELED, user_await(&u[0]));
	EXPECT_EQ(0, user_await(&u[1]));
	EXPECT_EQ(-ECANCELED, user_await(&u[2]));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, info_of(q).putters);
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-05 */
TEST_F(queue, cancelled_put_never_enqueues)
{
	EXPECT_EQ(0, coro_run(cancel_putters, NULL));
}

static long let_deadlines_pass(void *arg)
{
	struct user get = { .deadline_ns = coro_after(SOON_NS) };
	struct user put = { .deadline_ns = coro_after(SOON_NS) };
	struct user join = { .deadline_ns = coro_after(SOON_NS) };
	struct coro_queue *empty = queue_of_capacity(1);
	struct coro_queue *full = queue_of_capacity(1);
	void *item = POISON_ITEM;

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(full, ITEM(1), 0));
	getter_start(&get, empty);
	putter_start(&put, full, ITEM(2));
	joiner_start(&join, full);
	EXPECT_EQ(-ETIMEDOUT, user_await(&get));
	EXPECT_EQ(-ETIMEDOUT, user_await(&put));
	EXPECT_EQ(-ETIMEDOUT, user_await(&join));
	EXPECT_EQ(POISON_ITEM, get.item);
	EXPECT_EQ(0, info_of(empty).getters);
	EXPECT_EQ(0, info_of(full).putters);
	EXPECT_EQ(0, info_of(full).joiners);
	EXPECT_EQ(-ETIMEDOUT, coro_queue_get(empty, &item, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_queue_put(full, item, 0));
	EXPECT_EQ(0, coro_queue_get(full, &item, 0));
	EXPECT_EQ(ITEM(1), item);
	EXPECT_TRUE(coro_queue_empty(full));
	EXPECT_EQ(0, coro_queue_free(empty));
	EXPECT_EQ(0, coro_queue_free(full));
	return 0;
}

/* QUE-03, QUE-05 */
TEST_F(queue, deadline_ends_a_wait_and_what_is_there_beats_it)
{
	EXPECT_EQ(0, coro_run(let_deadlines_pass, NULL));
}

enum { PAIR_ITEMS = 1000 };

static long produce(void *arg)
{
	long i;

	for (i = 0; i < PAIR_ITEMS; i++)
		EXPECT_EQ(0, coro_queue_put(arg, ITEM(i), CORO_NEVER));
	return 0;
}

static long consume(void *arg)
{
	void *item = POISON_ITEM;
	long i;

	for (i = 0; i < PAIR_ITEMS; i++) {
		EXPECT_EQ(0, coro_queue_get(arg, &item, CORO_NEVER));
		EXPECT_EQ(ITEM(i), item);
	}
	return 0;
}

static long pair_up(void *arg)
{
	int consumer_first;

	(void)arg;
	for (consumer_first = 0; consumer_first < 2; consumer_first++) {
		struct coro_queue *q = queue_of_capacity(1);
		struct coro *c[2] = {
			coro_new(consumer_first ? consume : produce, q),
			coro_new(consumer_first ? produce : consume, q),
		};

		EXPECT_EQ(0, coro_start(c[0]));
		EXPECT_EQ(0, coro_start(c[1]));
		EXPECT_EQ(0, coro_await(c[0]));
		EXPECT_EQ(0, coro_await(c[1]));
		EXPECT_EQ(0, coro_queue_free(q));
	}
	return 0;
}

/* QUE-06 */
TEST_F(queue, size_of_one_does_for_a_producer_and_a_consumer)
{
	EXPECT_EQ(0, coro_run(pair_up, NULL));
}

enum { READERS = 100 };

static long cancel_most_readers(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct user u[READERS];
	long i, nr = 0;

	(void)arg;
	memset(u, 0, sizeof(u));
	for (i = 0; i < READERS; i++)
		getter_start(&u[i], q);
	for (i = 0; i < READERS; i++) {
		if (i % 10)
			EXPECT_EQ(0, coro_cancel(u[i].c));
	}
	for (i = 0; i < READERS / 10; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	EXPECT_TRUE(coro_queue_empty(q));
	for (i = 0; i < READERS; i++) {
		EXPECT_EQ(i % 10 ? -ECANCELED : 0, user_await(&u[i]));
		EXPECT_EQ(i % 10 ? POISON_ITEM : ITEM(nr++), u[i].item);
	}
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-07 */
TEST_F(queue, items_reach_the_readers_that_live)
{
	EXPECT_EQ(0, coro_run(cancel_most_readers, NULL));
}

static long try_to_overtake(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct trace *t = arg;
	struct user u[3];
	int i;

	memset(u, 0, sizeof(u));
	for (i = 0; i < 3; i++) {
		u[i].trace = t;
		u[i].name = '0' + i;
		getter_start(&u[i], q);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
		/* It is not there any more, for nobody. */
		EXPECT_EQ(POISON_ITEM, take(q));
		EXPECT_EQ(2 - i, info_of(q).getters);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, user_await(&u[i]));
		EXPECT_EQ(ITEM(i), u[i].item);
	}
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* In asyncio a faster one takes the item, and the woken one waits again, last. */
/* QUE-08, QUE-09, TSK-09 */
TEST_F(queue, item_goes_to_the_longest_waiter_and_cannot_be_overtaken)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(0, coro_run(try_to_overtake, &t));
	EXPECT_STREQ("012", t.text);
}

/* QUE-01 */
TEST_F(queue, lifo_gives_the_last_first)
{
	struct coro_queue_opts opts = {
		.size = sizeof(opts),
		.order = CORO_QUEUE_LIFO,
	};
	struct coro_queue *q = queue_of(&opts);
	long i;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, coro_queue_try_put(q, ITEM(i)));
	for (i = 99; i >= 50; i--)
		EXPECT_EQ(ITEM(i), take(q));
	for (i = 50; i < 200; i++)
		EXPECT_EQ(0, coro_queue_try_put(q, ITEM(i)));
	for (i = 199; i >= 0; i--)
		EXPECT_EQ(ITEM(i), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, coro_queue_free(q));
}

/* By the tens; the ones tell who came first. */
static int compare_tens(const void *a, const void *b)
{
	return (int)((long)a / 10 - (long)b / 10);
}

static struct coro_queue *queue_by_tens(size_t capacity)
{
	struct coro_queue_opts opts = {
		.size = sizeof(opts),
		.capacity = capacity,
		.order = CORO_QUEUE_PRIORITY,
		.compare = compare_tens,
	};

	return queue_of(&opts);
}

/* QUE-01 */
TEST_F(queue, priority_gives_the_first_and_of_equal_ones_the_oldest)
{
	static const int in[] = { 50, 20, 70, 21, 10, 51, 22, 11, 71, 52 };
	static const int out[] = { 10, 11, 20, 21, 22, 50, 51, 52, 70, 71 };
	struct coro_queue *q = queue_by_tens(0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(in); i++)
		EXPECT_EQ(0, coro_queue_try_put(q, ITEM(in[i])));
	for (i = 0; i < ARRAY_SIZE(out); i++)
		EXPECT_EQ(ITEM(out[i]), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, coro_queue_free(q));
}

/* QUE-01 */
TEST_F(queue, priority_holds_among_many_in_any_order)
{
	struct coro_queue *q = queue_by_tens(0);
	uint64_t state = 1;
	long last = 0;
	int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 1500; i++) {
			void *item = ITEM(rnd(&state) % 500 * 10 + 1);

			EXPECT_EQ(0, coro_queue_try_put(q, item));
		}
		for (i = 0, last = 0; i < 1500; i++) {
			long item = (long)take(q);

			EXPECT_LE(last, item);
			last = item;
		}
		EXPECT_EQ(POISON_ITEM, take(q));
	}
	EXPECT_EQ(0, coro_queue_free(q));
}

static long put_first_into_full(void *arg)
{
	struct coro_queue *q = queue_by_tens(2);
	struct user u[2] = { { .name = 'a' } };

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(20), CORO_NEVER));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(30), CORO_NEVER));
	putter_start(&u[0], q, ITEM(40));
	putter_start(&u[1], q, ITEM(10));
	/* Room by turn, items by their order. */
	EXPECT_EQ(ITEM(20), take(q));
	EXPECT_EQ(ITEM(30), take(q));
	EXPECT_EQ(ITEM(10), take(q));
	EXPECT_EQ(ITEM(40), take(q));
	EXPECT_EQ(0, user_await(&u[0]));
	EXPECT_EQ(0, user_await(&u[1]));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-02 */
TEST_F(queue, bounded_priority_gives_room_by_turn)
{
	EXPECT_EQ(0, coro_run(put_first_into_full, NULL));
}

enum { READY = 10000 };

static long count_turns(void *arg)
{
	int *turns = arg;

	while (!coro_sleep(0))
		*turns += 1;
	return 0;
}

static long use_what_is_ready(void *arg)
{
	struct coro_queue *q = queue_of_capacity(READY);
	int put_turns, turns = 0;
	struct coro *c;
	void *item;
	int i;

	(void)arg;
	c = coro_new(count_turns, &turns);
	EXPECT_EQ(0, coro_start(c));
	for (i = 0; i < READY; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	put_turns = turns;
	EXPECT_LT(READY / 1000, put_turns);
	for (i = 0; i < READY; i++)
		EXPECT_EQ(0, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_LT(READY / 1000, turns - put_turns);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* LOP-24 */
TEST_F(queue, ready_ones_let_others_run_now_and_then)
{
	EXPECT_EQ(0, coro_run(use_what_is_ready, NULL));
}

static long use_cancelled(void *arg)
{
	struct coro_queue *q = arg;
	void *item = POISON_ITEM;

	coro_cancel(coro_self());
	EXPECT_EQ(-ECANCELED, coro_queue_put(q, ITEM(2), CORO_NEVER));
	coro_cancel(coro_self());
	EXPECT_EQ(-ECANCELED, coro_queue_get(q, &item, CORO_NEVER));
	coro_cancel(coro_self());
	EXPECT_EQ(-ECANCELED, coro_queue_join(q, CORO_NEVER));
	coro_cancel(coro_self());
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(3)));
	EXPECT_EQ(0, coro_queue_try_get(q, &item));
	EXPECT_EQ(ITEM(1), item);
	return 0;
}

static long cancel_users(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct coro *c = coro_new(use_cancelled, q);

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(ITEM(3), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* Whether one would wait or not: "Better than asyncio", 15. */
/* QUE-03, QUE-05 */
TEST_F(queue, put_get_and_join_are_always_cancellation_points)
{
	EXPECT_EQ(0, coro_run(cancel_users, NULL));
}

/* QUE-01 */
TEST_F(queue, outside_of_a_loop_only_tries_are_allowed)
{
	struct coro_queue *q = queue_of(NULL);
	void *item = POISON_ITEM;

	EXPECT_EQ(-EPERM, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_queue_join(q, CORO_NEVER));
	EXPECT_EQ(POISON_ITEM, item);
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(1)));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
}

static long wait_for_nobody(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	void *item = POISON_ITEM;

	(void)arg;
	EXPECT_EQ(-EDEADLK, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(POISON_ITEM, item);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_queue_put(q, ITEM(2), CORO_NEVER));
	EXPECT_EQ(-EDEADLK, coro_queue_join(q, CORO_NEVER));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(POISON_ITEM, take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* Others may reach a shared one, so that this is none. */
/* DIA-20 */
TEST_F(queue_alone, waiting_for_nobody_is_a_deadlock)
{
	EXPECT_EQ(0, coro_run(wait_for_nobody, NULL));
}

static long look_at_the_waiter(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	struct user get = { .name = 'g' }, put = { .name = 'p' };
	uint64_t object = 0;

	(void)arg;
	getter_start(&get, q);
	EXPECT_EQ(CORO_AWAITS_QUEUE, coro_awaits(get.c, &object));
	EXPECT_EQ((uintptr_t)q, object);
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(1)));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(0, coro_queue_try_put(q, ITEM(1)));
	putter_start(&put, q, ITEM(2));
	object = 0;
	EXPECT_EQ(CORO_AWAITS_QUEUE, coro_awaits(put.c, &object));
	EXPECT_EQ((uintptr_t)q, object);
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* DIA-19 */
TEST_F(queue, who_waits_shows_for_which_queue)
{
	EXPECT_EQ(0, coro_run(look_at_the_waiter, NULL));
}

/* OBJ-04 */
TEST_F(queue_alone, bad_options_are_refused)
{
	struct coro_queue *const none = (void *)&_metadata;
	struct {
		struct coro_queue_opts opts;
		long more;
	} longer = { .opts = { .size = sizeof(longer) }, .more = 1 };
	struct coro_queue_opts o = { .size = sizeof(o) };
	struct coro_queue *q = none;

	EXPECT_EQ(-EINVAL, coro_queue_new(NULL, NULL));
	EXPECT_EQ(-E2BIG, coro_queue_new(&q, &longer.opts));
	o.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.flags = 0;
	o.order = CORO_QUEUE_PRIORITY + 1;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.order = CORO_QUEUE_PRIORITY;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.order = CORO_QUEUE_LIFO;
	o.compare = compare_tens;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.compare = NULL;
	o.flags = CORO_QUEUE_RENDEZVOUS;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.order = CORO_QUEUE_FIFO;
	o.capacity = 1;
	EXPECT_EQ(-EINVAL, coro_queue_new(&q, &o));
	o.flags = 0;
	o.capacity = SIZE_MAX;
	EXPECT_EQ(-ENOMEM, coro_queue_new(&q, &o));
	o.capacity = SIZE_MAX / 2;
	EXPECT_EQ(-ENOMEM, coro_queue_new(&q, &o));
	EXPECT_EQ(none, q);
}

/* OBJ-04 */
TEST_F(queue, bad_arguments_are_refused)
{
	struct coro_queue_info info = { .size = sizeof(size_t) };
	struct coro_queue *q = queue_of(NULL);
	void *item = POISON_ITEM;

	EXPECT_EQ(-EINVAL, coro_queue_put(NULL, NULL, 0));
	EXPECT_EQ(-EINVAL, coro_queue_get(NULL, &item, 0));
	EXPECT_EQ(-EINVAL, coro_queue_get(q, NULL, 0));
	EXPECT_EQ(-EINVAL, coro_queue_try_put(NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_queue_try_get(NULL, &item));
	EXPECT_EQ(-EINVAL, coro_queue_try_get(q, NULL));
	EXPECT_EQ(-EINVAL, coro_queue_join(NULL, 0));
	EXPECT_EQ(-EINVAL, coro_queue_task_done(NULL));
	EXPECT_EQ(-EINVAL, coro_queue_shutdown(NULL, 0));
	EXPECT_EQ(-EINVAL, coro_queue_shutdown(q, 2));
	EXPECT_FALSE(info_of(q).shut);
	EXPECT_EQ(-EINVAL, coro_queue_info_read(NULL, &info));
	EXPECT_EQ(-EINVAL, coro_queue_info_read(q, NULL));
	EXPECT_EQ(-EINVAL, coro_queue_info_read(q, &info));
	info.size = offsetof(struct coro_queue_info, capacity);
	info.capacity = 77;
	EXPECT_EQ(0, coro_queue_info_read(q, &info));
	EXPECT_EQ(77, info.capacity);
	EXPECT_EQ(0, coro_queue_free(q));
}

TEST_HARNESS_MAIN
