// SPDX-License-Identifier: MIT
/* Many coroutines of a loop that block outside of the library at once. */
#include "lib_gate.h"

LIB_FIXTURE(handoff_many)

#define MANY 20

static long pass_shared(void *arg)
{
	gate_pass(arg);
	return 1;
}

static void block_all(struct gate *g, struct coro **all)
{
	for (int i = 0; i < MANY; i++) {
		all[i] = coro_new(pass_shared, g);
		EXPECT_EQ(0, coro_start(all[i]));
	}
}

static long block_many(void *arg)
{
	struct coro *all[MANY];
	struct gate g;
	long sum = 0;

	(void)arg;
	block_all(gate_init(&g), all);
	EXPECT_EQ(0, coro_sleep(0));
	for (int i = 0; i < MANY; i++)
		gate_open(&g);
	for (int i = 0; i < MANY; i++)
		sum += coro_await(all[i]);
	close(g.fd);
	return sum;
}

TEST_F(handoff_many, all_block_at_once)
{
	EXPECT_EQ(MANY, run_always(block_many, NULL));
}

static void *open_many(void *arg)
{
	for (int i = 0; i < MANY; i++) {
		usleep(1000);
		gate_open(arg);
	}
	return NULL;
}

/* More than there are threads: the rest has its turn when one of them is back. */
static long block_more_than_allowed(void *arg)
{
	struct coro *all[MANY];
	pthread_t thread;
	struct gate g;
	long sum = 0;

	(void)arg;
	block_all(gate_init(&g), all);
	EXPECT_EQ(0, pthread_create(&thread, NULL, open_many, &g));
	for (int i = 0; i < MANY; i++)
		sum += coro_await(all[i]);
	pthread_join(thread, NULL);
	close(g.fd);
	return sum;
}

TEST_F(handoff_many, more_than_the_limit_block_one_after_the_other)
{
	EXPECT_EQ(0, coro_blocking_set_limit(2));
	EXPECT_EQ(MANY, run_always(block_more_than_allowed, NULL));
	EXPECT_EQ(0, coro_blocking_set_limit(64));
}

/* All that the storm's coroutines share, and none of it atomic. */
struct storm {
	struct coro_mutex lock;
	struct coro_queue *queue;
	long locked, put, got;
	unsigned int seed;
};

#define STORM_COROS 8
#define STORM_STEPS 150

static void block_shortly(unsigned int dice)
{
	const struct timespec ts = { .tv_nsec = 1000 + dice % 50000 };

	nanosleep(&ts, NULL);
}

static long nap_shortly(void *arg)
{
	block_shortly((unsigned int)(long)arg);
	return 0;
}

static long take_all(void *arg)
{
	struct storm *s = arg;
	void *item;

	while (!coro_queue_get(s->queue, &item, CORO_NEVER)) {
		s->got += (long)item;
		block_shortly(0);
	}
	return 0;
}

static void storm_step(struct storm *s, unsigned int dice)
{
	switch (dice % 7) {
	case 0:
		block_shortly(dice);
		break;
	case 1:
		EXPECT_EQ(0, coro_mutex_lock(&s->lock, CORO_NEVER));
		s->locked++;
		block_shortly(dice);
		EXPECT_EQ(0, coro_mutex_unlock(&s->lock));
		break;
	case 2:
		EXPECT_EQ(0, coro_queue_put(s->queue, (void *)1L, CORO_NEVER));
		break;
	case 3:
		EXPECT_EQ(0, coro_sleep(dice % 100000));
		break;
	case 4:
		EXPECT_EQ(0,
			  coro_blocking(nap_shortly, (void *)(long)dice, NULL));
		break;
	case 5:
		EXPECT_EQ(0, coro_await(coro_new(nap_shortly,
						 (void *)(long)dice)));
		break;
	default:
		EXPECT_EQ(1, coro_call(pass_gate, (void *)1L, CORO_NEVER));
	}
}

struct rider {
	struct storm *storm;
	unsigned int seed;
	long locks, puts;
};

static long ride(void *arg)
{
	struct rider *r = arg;

	for (int i = 0; i < STORM_STEPS; i++) {
		unsigned int dice = (unsigned int)rand_r(&r->seed);

		storm_step(r->storm, dice);
		r->locks += dice % 7 == 1;
		r->puts += dice % 7 == 2;
	}
	return 0;
}

static long weather(void *arg)
{
	const struct coro_queue_opts opts = { .size = sizeof(opts),
					      .capacity = 3 };
	struct rider riders[STORM_COROS] = { { .locks = 0 } };
	struct coro *all[STORM_COROS], *taker;
	struct storm *s = arg;
	long locks = 0, puts = 0;

	EXPECT_EQ(0, coro_mutex_init(&s->lock, 0));
	EXPECT_EQ(0, coro_queue_new(&s->queue, &opts));
	taker = coro_new(take_all, s);
	EXPECT_EQ(0, coro_start(taker));
	for (unsigned int i = 0; i < STORM_COROS; i++) {
		riders[i].storm = s;
		riders[i].seed = s->seed + i;
		all[i] = coro_new(ride, &riders[i]);
		EXPECT_EQ(0, coro_start(all[i]));
	}
	for (int i = 0; i < STORM_COROS; i++) {
		EXPECT_EQ(0, coro_await(all[i]));
		locks += riders[i].locks;
		puts += riders[i].puts;
	}
	EXPECT_EQ(0, coro_queue_shutdown(s->queue, 0));
	EXPECT_EQ(0, coro_await(taker));
	EXPECT_EQ(locks, s->locked);
	EXPECT_EQ(puts, s->got);
	EXPECT_EQ(0, coro_queue_free(s->queue));
	EXPECT_EQ(0, coro_mutex_fini(&s->lock));
	return 0;
}

TEST_F(handoff_many, storm_of_blocks_loses_nothing)
{
	for (unsigned int seed = 1; seed <= 3; seed++) {
		struct storm s = { .seed = 100 * seed };

		EXPECT_EQ(0, run_always(weather, &s));
	}
}

TEST_HARNESS_MAIN
