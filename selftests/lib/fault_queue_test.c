// SPDX-License-Identifier: MIT
/* Every allocation of queues fails once: told, and no item is lost or there twice. */
#include "lib_fault.h"
#include "lib_queue.h"

LIB_FIXTURE(fault_queue)

static int compare(const void *a, const void *b)
{
	return (int)((long)a - (long)b);
}

static const struct coro_queue_opts kinds[] = {
	{ .capacity = 0 },
	{ .capacity = 100 },
	{ .flags = CORO_SHARED },
	{ .flags = CORO_QUEUE_RENDEZVOUS },
	{ .order = CORO_QUEUE_PRIORITY, .compare = compare },
	{ .order = CORO_QUEUE_PRIORITY, .compare = compare, .capacity = 5 },
};

static long act_new(long at)
{
	struct coro_queue *const none = (void *)&kinds;
	struct coro_queue *q[ARRAY_SIZE(kinds)];
	unsigned int i;
	int err = 0;

	fault_arm(at);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct coro_queue_opts opts = kinds[i];

		opts.size = sizeof(opts);
		q[i] = none;
		err = coro_queue_new(&q[i], &opts);
		if (err)
			break;
	}
	fault_disarm();
	if (err && q[i] != none)
		err = -EPROTO;
	while (i--)
		coro_queue_free(q[i]);
	return err;
}

/* OBJ-05 */
TEST_F(fault_queue, failed_new_leaves_nothing)
{
	EXPECT_LT(0, sweep_run(act_new, _metadata));
}

enum { ITEMS = 200 };

/* Whatever fails, the others are there in their order. */
static long fill(unsigned int order, long at)
{
	struct coro_queue_opts opts = {
		.size = sizeof(opts),
		.order = order,
		.compare = order == CORO_QUEUE_PRIORITY ? compare : NULL,
	};
	struct coro_queue *q;
	bool there[ITEMS];
	long i, ret = 0;
	void *item;

	if (coro_queue_new(&q, &opts))
		return -EPROTO;
	fault_arm(at);
	for (i = 0; i < ITEMS; i++) {
		int err = coro_queue_try_put(q, ITEM(i));

		there[i] = !err;
		ret = err ? err : ret;
	}
	fault_disarm();
	for (i = 0; i < ITEMS; i++) {
		if (!there[i])
			continue;
		if (coro_queue_try_get(q, &item) || item != ITEM(i))
			ret = -EPROTO;
	}
	if (coro_queue_try_get(q, &item) != -ENODATA)
		ret = -EPROTO;
	coro_queue_free(q);
	return ret;
}

static long act_fill_ring(long at)
{
	return fill(CORO_QUEUE_FIFO, at);
}

static long act_fill_heap(long at)
{
	return fill(CORO_QUEUE_PRIORITY, at);
}

/* OBJ-05, QUE-02 */
TEST_F(fault_queue, failed_put_puts_nothing_and_the_next_can_succeed)
{
	EXPECT_LT(1, sweep_run(act_fill_ring, _metadata));
	EXPECT_LT(1, sweep_run(act_fill_heap, _metadata));
}

static long wait_with_nothing_left(void *arg)
{
	struct coro_queue *q = arg;
	struct user get = { .name = 'g' }, put = { .name = 'p' };

	getter_start(&get, q);
	fault_arm(FAULT_ALL);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(1), CORO_NEVER));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, get.err);
	EXPECT_EQ(0, coro_queue_put(q, ITEM(2), CORO_NEVER));
	EXPECT_EQ(-ETIMEDOUT, coro_queue_put(q, ITEM(3), 0));
	EXPECT_EQ(ITEM(2), take(q));
	fault_disarm();
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(0, coro_queue_put(q, ITEM(4), CORO_NEVER));
	putter_start(&put, q, ITEM(5));
	fault_arm(FAULT_ALL);
	EXPECT_EQ(ITEM(4), take(q));
	EXPECT_EQ(ITEM(5), take(q));
	fault_disarm();
	EXPECT_EQ(0, user_await(&put));
	return fault.hits;
}

/* QUE-02 */
TEST_F(fault_queue, bounded_one_needs_no_memory_to_put_get_and_wait)
{
	struct coro_queue *q = queue_of_capacity(1);

	EXPECT_EQ(0, coro_run(wait_with_nothing_left, q));
	EXPECT_EQ(0, coro_queue_free(q));
}

TEST_HARNESS_MAIN
