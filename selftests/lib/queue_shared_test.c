// SPDX-License-Identifier: MIT
/* Queues that loops of several threads use: from one to the other, and none is left behind. */
#include "lib_queue_storm.h"

FIXTURE(queue_shared)
{
	struct coro_queue *q;
};

FIXTURE_SETUP(queue_shared)
{
	queue_flags = CORO_SHARED;
	bodies_expect(_metadata);
	self->q = queue_of_capacity(1);
}

FIXTURE_TEARDOWN(queue_shared)
{
	EXPECT_EQ(0, coro_queue_free(self->q));
	EXPECT_EQ(0, leaked());
}

/* A thread with a loop, one of whose coroutines does something and tells of it. */
struct peer {
	pthread_t thread;
	struct coro_queue *q;
	void *item;
	long value; /* of the loop's first coroutine */
	int err; /* of coro_run_opts() */
	long (*fn)(void *arg);
};

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	p->err = coro_run_opts(p->fn, p, NULL, &p->value);
	return NULL;
}

static void peer_start(struct peer *p, long (*fn)(void *arg),
		       struct coro_queue *q)
{
	p->q = q;
	p->fn = fn;
	p->value = POISON_LONG;
	if (pthread_create(&p->thread, NULL, peer_main, p))
		abort();
}

static long peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	return p->err ? p->err : p->value;
}

static long peer_get(void *arg)
{
	struct peer *p = arg;

	return coro_queue_get(p->q, &p->item, CORO_NEVER);
}

static long peer_put(void *arg)
{
	struct peer *p = arg;

	return coro_queue_put(p->q, p->item, CORO_NEVER);
}

static long peer_join(void *arg)
{
	struct peer *p = arg;

	return coro_queue_join(p->q, CORO_NEVER);
}

/* Until so many wait for the queue, on whatever thread. */
static void await_waiters(struct coro_queue *q, size_t getters, size_t putters,
			  size_t joiners)
{
	struct coro_queue_info info;

	do {
		sched_yield();
		info = info_of(q);
	} while (info.getters != getters || info.putters != putters ||
		 info.joiners != joiners);
}

/* QUE-09 */
TEST_F(queue_shared, put_by_a_plain_thread_ends_a_get_elsewhere)
{
	struct peer p = { .item = POISON_ITEM };

	peer_start(&p, peer_get, self->q);
	await_waiters(self->q, 1, 0, 0);
	EXPECT_EQ(0, coro_queue_try_put(self->q, ITEM(1)));
	EXPECT_EQ(0, peer_end(&p));
	EXPECT_EQ(ITEM(1), p.item);
	EXPECT_TRUE(coro_queue_empty(self->q));
}

/* QUE-02 */
TEST_F(queue_shared, get_by_a_plain_thread_makes_room_for_a_put_elsewhere)
{
	struct peer p = { .item = ITEM(2) };

	EXPECT_EQ(0, coro_queue_try_put(self->q, ITEM(1)));
	peer_start(&p, peer_put, self->q);
	await_waiters(self->q, 0, 1, 0);
	EXPECT_EQ(ITEM(1), take(self->q));
	EXPECT_EQ(ITEM(2), take(self->q));
	EXPECT_EQ(0, peer_end(&p));
}

/* QUE-10 */
TEST_F(queue_shared, last_task_done_ends_a_join_elsewhere)
{
	struct peer p = { .item = NULL };

	EXPECT_EQ(0, coro_queue_try_put(self->q, ITEM(1)));
	peer_start(&p, peer_join, self->q);
	await_waiters(self->q, 0, 0, 1);
	EXPECT_EQ(ITEM(1), take(self->q));
	EXPECT_EQ(0, coro_queue_task_done(self->q));
	EXPECT_EQ(0, peer_end(&p));
}

/* QUE-11 */
TEST_F(queue_shared, shutdown_ends_gets_of_all_threads)
{
	struct peer p[3];
	int i;

	for (i = 0; i < 3; i++)
		peer_start(&p[i], peer_get, self->q);
	await_waiters(self->q, 3, 0, 0);
	EXPECT_EQ(0, coro_queue_shutdown(self->q, 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ESHUTDOWN, peer_end(&p[i]));
}

/* QUE-11, QUE-14 */
TEST_F(queue_shared, discarding_ends_puts_and_joins_of_all_threads)
{
	struct peer put = { .item = ITEM(2) }, join = { .item = NULL };

	EXPECT_EQ(0, coro_queue_try_put(self->q, ITEM(1)));
	peer_start(&put, peer_put, self->q);
	peer_start(&join, peer_join, self->q);
	await_waiters(self->q, 0, 1, 1);
	EXPECT_EQ(0, coro_queue_shutdown(self->q, CORO_QUEUE_DISCARD));
	EXPECT_EQ(-ESHUTDOWN, peer_end(&put));
	EXPECT_EQ(0, peer_end(&join));
}

static long spawn_getter_and_end(void *arg)
{
	struct peer *p = arg;
	struct user u = { .q = p->q, .item = POISON_ITEM };
	static struct user left;

	left = u;
	user_start(&left, user_get);
	coro_put(left.c);
	return 5;
}

/* QUE-03 */
TEST_F(queue_shared, end_of_a_loop_ends_its_waits)
{
	struct peer p = { .item = NULL };

	peer_start(&p, spawn_getter_and_end, self->q);
	EXPECT_EQ(5, peer_end(&p));
	EXPECT_EQ(0, info_of(self->q).getters);
	EXPECT_EQ(0, coro_queue_try_put(self->q, ITEM(1)));
	EXPECT_EQ(ITEM(1), take(self->q));
}

enum { PASSES = 2000 };

static long pass_up(void *arg)
{
	struct peer *p = arg;
	long i;

	for (i = 0; i < PASSES; i++) {
		int err = coro_queue_put(p->q, ITEM(i), CORO_NEVER);

		if (err)
			return err;
	}
	return coro_queue_shutdown(p->q, 0);
}

static long pass_down(void *arg)
{
	struct peer *p = arg;
	void *item = NULL;
	long i;
	int err;

	for (i = 0; !(err = coro_queue_get(p->q, &item, CORO_NEVER)); i++) {
		if (item != ITEM(i))
			return -EPROTO;
	}
	return err == -ESHUTDOWN ? i : err;
}

/* QUE-06, QUE-01 */
TEST_F(queue_shared, size_of_one_does_between_two_threads)
{
	struct peer up = { .item = NULL }, down = { .item = NULL };

	peer_start(&up, pass_up, self->q);
	peer_start(&down, pass_down, self->q);
	EXPECT_EQ(0, peer_end(&up));
	EXPECT_EQ(PASSES, peer_end(&down));
}

/* Two queues, and a thread that is to choose among them beginning with @first. */
struct crossing {
	struct peer peer; /* first: it is what the loop gets */
	struct coro_queue *q[2];
	int first;
	unsigned int puts, gets;
};

static long cross(void *arg)
{
	struct crossing *x = arg;
	int i;

	for (i = 0; i < PASSES; i++) {
		void *item = NULL;
		struct coro_case c[2] = {
			coro_case_put(x->q[x->first], x),
			coro_case_get(x->q[!x->first], &item),
		};
		int ret = coro_select(c, 2, CORO_NEVER);

		if (ret < 0 || c[ret].result)
			return -EPROTO;
		if (ret && item != &x[x->first ? -1 : 1])
			return -EPROTO;
		x->puts += !ret;
		x->gets += !!ret;
	}
	return 0;
}

/*
 * Each takes the locks of both, and each is what the other finds. As both make as
 * many choices, all of them meet.
 */
/* QUE-15 */
TEST_F(queue_shared, choices_of_two_threads_meet_in_one_case)
{
	struct coro_queue *q[2] = { rendezvous(), rendezvous() };
	struct crossing x[2] = {
		{ .q = { q[0], q[1] }, .first = 0 },
		{ .q = { q[0], q[1] }, .first = 1 },
	};
	int i;

	for (i = 0; i < 2; i++)
		peer_start(&x[i].peer, cross, NULL);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_end(&x[i].peer));
	EXPECT_EQ(x[0].puts, x[1].gets);
	EXPECT_EQ(x[1].puts, x[0].gets);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, info_of(q[i]).getters + info_of(q[i]).putters);
		EXPECT_EQ(0, coro_queue_free(q[i]));
	}
}

static long use_from_here(void *arg)
{
	struct coro_queue **q = arg;
	void *item = POISON_ITEM;
	struct coro_case c = coro_case_put(q[0], ITEM(1));

	EXPECT_EQ(-EXDEV, coro_queue_put(q[0], ITEM(1), CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_get(q[0], &item, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_try_put(q[0], ITEM(1)));
	EXPECT_EQ(-EXDEV, coro_queue_shutdown(q[0], 0));
	EXPECT_EQ(0, coro_select(&c, 1, CORO_NEVER));
	EXPECT_EQ(-EXDEV, c.result);
	c = coro_case_get(q[0], &item);
	EXPECT_EQ(-EXDEV, coro_select(&c, 1, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_get(q[1], &item, CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_try_get(q[1], &item));
	EXPECT_EQ(-EXDEV, coro_queue_put(q[1], ITEM(1), CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_join(q[1], CORO_NEVER));
	EXPECT_EQ(-EXDEV, coro_queue_task_done(q[1]));
	EXPECT_EQ(POISON_ITEM, item);
	return 0;
}

static long run_use_from_here(void *arg)
{
	return coro_run(use_from_here, arg);
}

static long wait_here(void *arg)
{
	struct user get = { .name = 'g' }, put = { .name = 'p' };
	struct user join = { .name = 'j' };
	struct coro_queue *q[2];

	(void)arg;
	queue_flags = 0;
	q[0] = queue_of(NULL);
	q[1] = queue_of_capacity(1);
	getter_start(&get, q[0]);
	EXPECT_EQ(0, coro_queue_try_put(q[1], ITEM(1)));
	putter_start(&put, q[1], ITEM(2));
	joiner_start(&join, q[1]);
	/* This loop stands still meanwhile. */
	EXPECT_EQ(0, in_thread(run_use_from_here, q));
	EXPECT_EQ(0, coro_queue_put(q[0], ITEM(7), CORO_NEVER));
	EXPECT_EQ(0, user_await(&get));
	EXPECT_EQ(ITEM(7), get.item);
	EXPECT_EQ(ITEM(1), take(q[1]));
	EXPECT_EQ(ITEM(2), take(q[1]));
	EXPECT_EQ(0, user_await(&put));
	EXPECT_EQ(0, coro_queue_task_done(q[1]));
	EXPECT_EQ(0, coro_queue_task_done(q[1]));
	EXPECT_EQ(0, user_await(&join));
	EXPECT_EQ(0, coro_queue_free(q[0]));
	EXPECT_EQ(0, coro_queue_free(q[1]));
	return 0;
}

/* SYN-23 */
TEST_F(queue_shared, one_that_is_not_shared_refuses_other_loops)
{
	EXPECT_EQ(0, coro_run(wait_here, NULL));
}

enum { THREADS = 4, STORMERS = 4, ROUNDS = 300 };

struct storm_peer {
	struct peer peer; /* first: it is what the loop gets */
	struct storm *storm;
	uint64_t seed;
};

static long storm_here(void *arg)
{
	struct storm_peer *p = arg;

	storm_run(p->storm, STORMERS, ROUNDS, p->seed);
	return 0;
}

/* QUE-03, QUE-05, QUE-07, QUE-15, SYN-25 */
TEST_F(queue_shared, every_item_is_got_once_or_stays_its_putters)
{
	struct storm_peer p[THREADS];
	struct storm s;
	int i;

	storm_init(&s, THREADS * STORMERS * ROUNDS * STORM_PUTS);
	for (i = 0; i < THREADS; i++) {
		p[i] = (struct storm_peer){ .storm = &s, .seed = i + 1 };
		peer_start(&p[i].peer, storm_here, NULL);
	}
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, peer_end(&p[i].peer));
	EXPECT_EQ(0, storm_end(&s));
}

TEST_HARNESS_MAIN
