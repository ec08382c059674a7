// SPDX-License-Identifier: MIT
/* The end of a queue: all work done, shut down, discarded, freed. */
#include "lib_queue.h"

QUEUE_FIXTURE(queue_end)

static long join_until_done(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct user u[2] = { { .name = 'a' } }, get = { .name = 'g' };
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_queue_join(q, CORO_NEVER));
	EXPECT_EQ(-ERANGE, coro_queue_task_done(q));
	getter_start(&get, q);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	EXPECT_EQ(3, info_of(q).unfinished);
	joiner_start(&u[0], q);
	joiner_start(&u[1], q);
	EXPECT_EQ(2, info_of(q).joiners);
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(ITEM(2), take(q));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(1, u[0].err);
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, user_await(&u[0]));
	EXPECT_EQ(0, user_await(&u[1]));
	EXPECT_EQ(-ERANGE, coro_queue_task_done(q));
	EXPECT_EQ(0, coro_queue_join(q, CORO_NEVER));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-10 */
TEST_F(queue_end, join_returns_when_all_that_was_put_is_done)
{
	EXPECT_EQ(0, coro_run(join_until_done, NULL));
}

static long join_a_putter(void *arg)
{
	struct coro_queue *q = queue_of_capacity(1);
	struct user put = { .name = 'p' }, join = { .name = 'j' };

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	putter_start(&put, q, ITEM(2));
	EXPECT_EQ(1, info_of(q).unfinished);
	joiner_start(&join, q);
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(2, info_of(q).unfinished);
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(1, join.err);
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-10 */
TEST_F(queue_end, item_counts_for_join_from_when_it_moved_in)
{
	EXPECT_EQ(0, coro_run(join_a_putter, NULL));
}

static long shut_an_empty_one(void *arg)
{
	struct coro_queue *q = queue_of(NULL);
	struct user u[2] = { { .name = 'a' } };
	void *item = POISON_ITEM;
	int i;

	(void)arg;
	for (i = 0; i < 2; i++)
		getter_start(&u[i], q);
	EXPECT_FALSE(info_of(q).shut);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, coro_queue_shutdown(q, 0));
		EXPECT_TRUE(info_of(q).shut);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESHUTDOWN, user_await(&u[i]));
		EXPECT_EQ(POISON_ITEM, u[i].item);
	}
	EXPECT_EQ(-ESHUTDOWN, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(POISON_ITEM, item);
	EXPECT_EQ(-ESHUTDOWN, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-11, QUE-12 */
TEST_F(queue_end, shutdown_ends_gets_of_an_empty_one)
{
	EXPECT_EQ(0, coro_run(shut_an_empty_one, NULL));
}

static long shut_a_full_one(void *arg)
{
	struct coro_queue *q = queue_of_capacity(2);
	struct user put = { .name = 'p' }, join = { .name = 'j' };
	void *item = POISON_ITEM;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	putter_start(&put, q, ITEM(3));
	joiner_start(&join, q);
	EXPECT_EQ(0, coro_queue_shutdown(q, 0));
	EXPECT_EQ(2, coro_queue_size(q));
	EXPECT_EQ(-ESHUTDOWN, coro_queue_put(q, ITEM(4), CORO_NEVER));
	EXPECT_EQ(-ESHUTDOWN, user_await(&put));
	for (i = 1; i <= 2; i++) {
		EXPECT_EQ(0, coro_queue_get(q, &item, CORO_NEVER));
		EXPECT_EQ(ITEM(i), item);
		EXPECT_EQ(1, join.err);
		EXPECT_EQ(0, coro_queue_task_done(q));
		/* Room or not. */
		EXPECT_EQ(-ESHUTDOWN, coro_queue_put(q, ITEM(4), CORO_NEVER));
	}
	EXPECT_EQ(-ESHUTDOWN, coro_queue_get(q, &item, CORO_NEVER));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-11 */
TEST_F(queue_end, shutdown_leaves_what_is_there_and_ends_puts)
{
	EXPECT_EQ(0, coro_run(shut_a_full_one, NULL));
}

static long destroyed[8];
static int nr_destroyed;

static void destroy(void *item)
{
	if (nr_destroyed < 8)
		destroyed[nr_destroyed] = (long)item;
	nr_destroyed++;
}

static struct coro_queue *queue_that_destroys(size_t capacity)
{
	struct coro_queue_opts opts = {
		.size = sizeof(opts),
		.capacity = capacity,
		.destroy = destroy,
	};

	nr_destroyed = 0;
	return queue_of(&opts);
}

static long discard(void *arg)
{
	struct coro_queue *q = queue_that_destroys(3);
	struct user put = { .name = 'p' }, join = { .name = 'j' };
	int i;

	(void)arg;
	for (i = 1; i <= 3; i++)
		EXPECT_EQ(0, coro_queue_put(q, ITEM(i), CORO_NEVER));
	putter_start(&put, q, ITEM(4));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, user_await(&put));
	putter_start(&put, q, ITEM(5));
	joiner_start(&join, q);
	EXPECT_EQ(0, coro_queue_shutdown(q, CORO_QUEUE_DISCARD));
	EXPECT_EQ(3, nr_destroyed);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i + 2, destroyed[i]);
	EXPECT_TRUE(coro_queue_empty(q));
	/* The item of the put that waited is its own; that of ours is not dealt with. */
	EXPECT_EQ(-ESHUTDOWN, user_await(&put));
	EXPECT_EQ(1, join.err);
	EXPECT_EQ(1, info_of(q).unfinished);
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, coro_queue_shutdown(q, CORO_QUEUE_DISCARD));
	EXPECT_EQ(0, coro_queue_free(q));
	EXPECT_EQ(3, nr_destroyed);
	return 0;
}

/* QUE-11, QUE-14 */
TEST_F(queue_end, discarding_gives_each_item_to_the_destructor_once)
{
	EXPECT_EQ(0, coro_run(discard, NULL));
}

static long join_the_discarded(void *arg)
{
	struct coro_queue *q = queue_that_destroys(0);
	struct user join = { .name = 'j' };

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	joiner_start(&join, q);
	EXPECT_EQ(0, coro_queue_shutdown(q, 0));
	EXPECT_EQ(0, nr_destroyed);
	EXPECT_EQ(0, coro_queue_shutdown(q, CORO_QUEUE_DISCARD));
	EXPECT_EQ(1, nr_destroyed);
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, coro_queue_free(q));
	return 0;
}

/* QUE-10, QUE-14 */
TEST_F(queue_end, discarded_items_count_as_done)
{
	EXPECT_EQ(0, coro_run(join_the_discarded, NULL));
}

/* QUE-14 */
TEST_F(queue_end, free_destroys_what_is_left)
{
	struct coro_queue *q = queue_that_destroys(0);
	int i;

	for (i = 1; i <= 4; i++)
		EXPECT_EQ(0, coro_queue_try_put(q, ITEM(i)));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, coro_queue_free(q));
	EXPECT_EQ(3, nr_destroyed);
	EXPECT_EQ(2, destroyed[0]);
	EXPECT_EQ(4, destroyed[2]);
	EXPECT_EQ(0, coro_queue_free(NULL));
}

static long free_while_waited_for(void *arg)
{
	struct coro_queue *q = queue_that_destroys(1);
	struct user put = { .name = 'p' }, join = { .name = 'j' };
	struct user get = { .name = 'g' };

	(void)arg;
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	joiner_start(&join, q);
	EXPECT_EQ(-EBUSY, coro_queue_free(q));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(0, coro_queue_task_done(q));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	putter_start(&put, q, ITEM(2));
	EXPECT_EQ(-EBUSY, coro_queue_free(q));
	EXPECT_EQ(ITEM(1), take(q));
	EXPECT_EQ(ITEM(2), take(q));
	EXPECT_EQ(0, user_await(&put));
	getter_start(&get, q);
	EXPECT_EQ(-EBUSY, coro_queue_free(q));
	EXPECT_EQ(0, coro_cancel(get.c));
	EXPECT_EQ(-ECANCELED, user_await(&get));
	EXPECT_EQ(0, coro_queue_free(q));
	EXPECT_EQ(0, nr_destroyed);
	return 0;
}

/* QUE-14 */
TEST_F(queue_end, one_that_is_waited_for_is_not_freed)
{
	EXPECT_EQ(0, coro_run(free_while_waited_for, NULL));
}

TEST_HARNESS_MAIN
