// SPDX-License-Identifier: MIT
/* Everything at once, by a seed: each work is entered or disposed of, once, and told truly. */
#include <sched.h>

#include "lib_pool.h"

FIXTURE(pool_storm){};
FIXTURE_VARIANT(pool_storm)
{
	unsigned int loops;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(pool_storm, two){ .loops = 2 };
FIXTURE_VARIANT_ADD(pool_storm, three){ .loops = 3 };
FIXTURE_VARIANT_ADD(pool_storm, four){ .loops = 4 };
FIXTURE_VARIANT_ADD(pool_storm, five){ .loops = 5 };
FIXTURE_VARIANT_ADD(pool_storm, six){ .loops = 6 };
/* clang-format on */

FIXTURE_SETUP(pool_storm)
{
	bodies_expect(_metadata);
}

FIXTURE_TEARDOWN(pool_storm)
{
	EXPECT_EQ(0, leaked());
}

#ifdef __SANITIZE_THREAD__
enum { SEEDS = 8, WORKS = 800 };
#else
enum { SEEDS = 12, WORKS = 2000 };
#endif
enum { CHILDREN = 5 };

/* One work: who it is, and what became of it. */
struct one {
	uint64_t dice;
	int given, entered, disposed;
	int loop; /* that it is pinned to, or -1 */
};

static struct one works[WORKS];
static int nr_works;
static struct coro_mutex mutex;
static int inside;

/* Children of the caller, and their numbers. */
struct family {
	struct coro_work *work[CHILDREN];
	long number[CHILDREN];
};

static long be_one(void *arg);

static void dispose_one(void *arg)
{
	count_disposal(&((struct one *)arg)->disposed);
}

/* A new one with its options; NULL if there have been enough. */
static struct one *one_new(uint64_t *dice, struct coro_work_opts *opts)
{
	unsigned int loops = coro_pool_loops(coro_pool_self());
	int nr = __atomic_fetch_add(&nr_works, 1, __ATOMIC_RELAXED);
	struct one *one;

	if (nr >= WORKS)
		return NULL;
	one = &works[nr];
	memset(one, 0, sizeof(*one));
	one->dice = rnd(dice) | 1;
	one->loop = -1;
	*opts = (struct coro_work_opts){ .size = sizeof(*opts) };
	if (rnd(dice) % 4 == 0) {
		one->loop = (int)(rnd(dice) % loops);
		*opts = on_loop((unsigned int)one->loop);
	}
	opts->dispose = dispose_one;
	return one;
}

/* What a join says of @number must be what became of it. */
static void expect_told(long number, long value)
{
	const struct one *one = &works[number];

	EXPECT_EQ(1, one->entered + one->disposed);
	EXPECT_EQ(one->entered ? number : -ECANCELED, value);
}

static void join_child(struct family *f, int i, int64_t deadline_ns)
{
	long value = POISON_LONG;
	int err;

	if (!f->work[i])
		return;
	err = coro_work_join(f->work[i], &value, deadline_ns);
	if (!err)
		expect_told(f->number[i], value);
	else
		EXPECT_TRUE(err == -ETIMEDOUT || err == -ECANCELED);
}

static void give_child(struct family *f, int i, uint64_t *dice)
{
	struct coro_work_opts opts;
	struct one *one = one_new(dice, &opts);
	bool keep = rnd(dice) % 3;
	int err;

	if (!one)
		return;
	coro_work_put(f->work[i]);
	f->work[i] = NULL;
	f->number[i] = one - works;
	one->given = 1;
	err = coro_work_start(keep ? &f->work[i] : NULL, coro_pool_self(),
			      be_one, one, &opts);
	/* Only at the end. */
	EXPECT_TRUE(err == 0 || err == -EPIPE);
	if (err)
		one->given = 0;
}

static void call_child(uint64_t *dice)
{
	struct coro_work_opts opts;
	struct one *one = one_new(dice, &opts);
	long value = POISON_LONG;
	int err;

	if (!one)
		return;
	one->given = 1;
	err = coro_pool_call(coro_pool_self(), be_one, one, &opts, &value);
	if (!err)
		expect_told(one - works, value);
	else
		one->given = 0;
	EXPECT_TRUE(err == 0 || err == -EPIPE || err == -ECANCELED);
}

static void lock_and_look(void)
{
	if (coro_mutex_lock(&mutex, CORO_NEVER))
		return;
	EXPECT_EQ(1, ++inside);
	coro_sleep(0);
	EXPECT_EQ(0, --inside);
	EXPECT_EQ(0, coro_mutex_unlock(&mutex));
}

static void do_something(struct family *f, uint64_t *dice)
{
	int i = (int)(rnd(dice) % CHILDREN);

	switch (rnd(dice) % 10) {
	case 0:
		coro_sleep(0);
		break;
	case 1:
		coro_sleep((int64_t)(rnd(dice) % 50) * CORO_USEC);
		break;
	case 2:
		sched_yield();
		break;
	case 3:
		if (f->work[i])
			coro_work_cancel(f->work[i]);
		break;
	case 4:
		join_child(f, i, coro_after((int64_t)(rnd(dice) % 20000)));
		break;
	case 5:
		call_child(dice);
		break;
	case 6:
		lock_and_look();
		break;
	default:
		give_child(f, i, dice);
	}
}

static void end_family(struct family *f, uint64_t *dice)
{
	for (int i = 0; i < CHILDREN; i++) {
		if (rnd(dice) % 4)
			join_child(f, i, CORO_NEVER);
		coro_work_put(f->work[i]);
	}
}

static long be_one(void *arg)
{
	struct one *one = arg;
	struct family f = { .work = { NULL } };
	int loop = coro_pool_index();

	count(&one->entered);
	if (one->loop >= 0)
		EXPECT_EQ(one->loop, loop);
	for (int i = (int)(rnd(&one->dice) % 8); i > 0; i--)
		do_something(&f, &one->dice);
	end_family(&f, &one->dice);
	EXPECT_EQ(loop, coro_pool_index());
	return one - works;
}

/* Of every third seed the pool ends amid all that. */
static long begin(void *arg)
{
	uint64_t dice = *(uint64_t *)arg;
	int enough = dice % 3 ? WORKS : WORKS / 2;

	while (counted(&nr_works) < enough) {
		struct family f = { .work = { NULL } };

		for (int i = 0; i < CHILDREN; i++)
			do_something(&f, &dice);
		for (int i = 0; i < CHILDREN; i++)
			coro_work_put(f.work[i]);
		coro_sleep(0);
	}
	return 0;
}

static int storm(unsigned int loops, uint64_t seed)
{
	int given = 0;

	nr_works = 0;
	EXPECT_EQ(0, coro_mutex_init(&mutex, CORO_SHARED));
	EXPECT_EQ(0, run_pool(loops, begin, &seed));
	EXPECT_EQ(0, coro_mutex_fini(&mutex));
	for (int i = 0; i < nr_works && i < WORKS; i++) {
		given += works[i].given;
		EXPECT_EQ(works[i].given, works[i].entered + works[i].disposed)
		{
			TH_LOG("seed %d, work %d", (int)seed, i);
		}
	}
	return given;
}

TEST_F(pool_storm, each_work_is_entered_or_disposed_of_once)
{
	int given = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		given += storm(variant->loops, seed * variant->loops);
	EXPECT_LT(SEEDS * WORKS * 2 / 3, given);
}

TEST_HARNESS_MAIN
