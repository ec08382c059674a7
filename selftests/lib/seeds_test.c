// SPDX-License-Identifier: MIT
/* The library under 10,000 seeds: what must hold in whatever order, with failures anywhere. */
#include "lib_common.h"

LIB_FIXTURE(seeds)

#define SEEDS 10000
#define WORKERS 5
#define STEPS 6
/* Emulated they take longer: then fewer are tried, and it is said how many. */
#define BUDGET_NS (20 * CORO_SEC)

/* One run: what its coroutines share, and what they did. */
struct world {
	uint64_t seed;
	bool faults;
	struct coro_mutex mutex;
	struct coro_semaphore permits;
	struct coro_queue *queue;
	struct coro_group group;
	struct coro *workers[WORKERS];
	int pipes[2];
	int inside, permitted; /* who has the mutex, who has permits */
	long put, got, discarded; /* items */
	long defers_run, defers_made;
	int broken; /* which rule did not hold */
	char order[64];
	int nr_order;
};

static struct world *world;

static void check(bool holds, int rule)
{
	if (!holds && !world->broken)
		world->broken = rule;
}

static int pick(int n)
{
	return (int)(coro_sim_random() % (uint64_t)n);
}

static int64_t some_deadline(void)
{
	return pick(3) ? CORO_NEVER : coro_after(pick(5) * CORO_SEC);
}

static void use_mutex(void)
{
	if (coro_mutex_lock(&world->mutex, some_deadline()))
		return;
	check(!world->inside++, 1);
	coro_sleep(pick(2) * CORO_SEC);
	check(!--world->inside, 2);
	check(!coro_mutex_unlock(&world->mutex), 3);
}

static void use_permit(void)
{
	if (coro_semaphore_acquire(&world->permits, some_deadline()))
		return;
	check(++world->permitted <= 2, 4);
	coro_sleep(pick(3) * CORO_SEC);
	world->permitted--;
	check(!coro_semaphore_release(&world->permits), 5);
}

static void use_queue(void)
{
	void *item;

	if (pick(2)) {
		item = malloc(1);
		if (item &&
		    !coro_queue_put(world->queue, item, some_deadline()))
			world->put++;
		else
			free(item);
	} else if (!coro_queue_get(world->queue, &item, some_deadline())) {
		world->got++;
		free(item);
	}
}

static void discard(void *item)
{
	world->discarded++;
	free(item);
}

static void count_defer(void *arg)
{
	(void)arg;
	world->defers_run++;
}

static long in_scope(void *arg)
{
	(void)arg;
	if (!coro_defer(count_defer, NULL))
		world->defers_made++;
	return coro_sleep(pick(4) * CORO_SEC);
}

static void use_scope(void)
{
	int64_t until = coro_after(pick(4) * CORO_SEC);
	long ret = pick(2) ? coro_call(in_scope, NULL, until) :
			     coro_call_shielded(in_scope, NULL, until);

	check(ret == 0 || ret == -ECANCELED || ret == -ETIMEDOUT, 6);
	check(ret != -ETIMEDOUT || coro_now() >= until, 7);
}

static void use_gather(void)
{
	struct coro_job jobs[] = { { .fn = in_scope }, { .fn = in_scope } };
	long ret = pick(2) ? coro_gather(jobs, 2) : coro_race(jobs, 2);

	check(ret >= -4095 && ret <= 1, 8);
}

static long count(void *arg)
{
	(void)arg;
	for (long i = 1;; i++) {
		if (coro_yield(i, NULL) || coro_sleep(CORO_SEC))
			return 0;
	}
}

static void use_gen(void)
{
	struct coro_gen *g;
	long value, last = 0;

	if (coro_gen_new(&g, count, NULL))
		return;
	while (pick(3) && coro_gen_next(g, &value) == 1) {
		check(value == last + 1, 9);
		last = value;
	}
	coro_gen_free(g);
}

static void use_pipe(void)
{
	char c = 'x';

	if (pick(2))
		coro_io_write(world->pipes[1], &c, 1, coro_after(CORO_SEC));
	else
		coro_io_read(world->pipes[0], &c, 1, coro_after(CORO_SEC));
}

static void cancel_somebody(void)
{
	struct coro *c = world->workers[pick(WORKERS)];

	if (c && !pick(3))
		coro_cancel(c);
}

static long work(void *arg)
{
	static void (*const what[])(void) = {
		use_mutex,  use_permit, use_queue, use_scope,
		use_gather, use_gen,	use_pipe,  cancel_somebody,
	};
	char name = (char)('a' + (long)arg);

	for (int i = 0; i < STEPS; i++) {
		if (world->nr_order < 63)
			world->order[world->nr_order++] = name;
		what[pick(8)]();
	}
	return 0;
}

static long run_world(void *arg)
{
	const struct coro_group_opts each = { .size = sizeof(each),
					      .policy = CORO_POLICY_EACH };
	const struct coro_queue_opts opts = { .size = sizeof(opts),
					      .capacity = 2,
					      .destroy = discard };
	struct coro_spawn_opts how = { .size = sizeof(how), .name = "worker" };
	int err;

	(void)arg;
	err = coro_queue_new(&world->queue, &opts);
	if (err)
		return err;
	coro_group_open(&world->group, &each);
	how.group = &world->group;
	for (long i = 0; i < WORKERS; i++)
		coro_spawn_opts(&world->workers[i], work, (void *)i, &how);
	coro_sleep(60 * CORO_SEC);
	coro_group_cancel(&world->group);
	coro_group_close(&world->group, 0);
	check(!coro_group_live(&world->group), 10);
	for (int i = 0; i < WORKERS; i++)
		coro_put(world->workers[i]);
	check(!coro_mutex_is_locked(&world->mutex), 11);
	check(coro_semaphore_value(&world->permits) == 2, 12);
	check(!coro_queue_free(world->queue), 13);
	check(world->put == world->got + world->discarded, 14);
	return 0;
}

/* Fails one point in sixteen or so; the cancels are few, or nothing would be done. */
static int fail_some(void *arg, enum coro_fault what)
{
	static const int errs[] = { -ENOMEM, -EAGAIN, -EIO, -ECANCELED };

	(void)arg;
	if (pick(what == CORO_FAULT_CANCEL ? 128 : 16))
		return 0;
	return errs[what];
}

static void try_seed(struct world *w)
{
	const struct coro_sim_opts sim = { .size = sizeof(sim),
					   .seed = w->seed,
					   .start_ns = CORO_SEC,
					   .patience_ns = 1,
					   .fault = w->faults ? fail_some :
								NULL };
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .sim = &sim };
	int err;

	world = w;
	coro_mutex_init(&w->mutex, 0);
	coro_semaphore_init(&w->permits, 2, 2, 0);
	err = coro_run_opts(run_world, NULL, &opts, NULL);
	check(!err || w->faults, 15);
	check(w->defers_run == w->defers_made, 16);
}

static void try_seeds(struct __test_metadata *_metadata, bool faults)
{
	int64_t until = coro_after(BUDGET_NS);
	int pipes[2];
	uint64_t seed;

	ASSERT_EQ(0, pipe(pipes));
	for (seed = 1; seed <= SEEDS / 2 && coro_now() < until; seed++) {
		struct world w = { .seed = seed,
				   .faults = faults,
				   .pipes = { pipes[0], pipes[1] } };

		try_seed(&w);
		EXPECT_EQ(0, w.broken)
		{
			TH_LOG("rule %d, seed %llu", w.broken,
			       (unsigned long long)seed);
		}
		if (w.broken)
			break;
	}
	if (seed <= SEEDS / 2)
		TH_LOG("%llu seeds were tried in the time that there is",
		       (unsigned long long)seed - 1);
	EXPECT_LT(20, seed);
	close(pipes[0]);
	close(pipes[1]);
}

/* LOP-25, SYN-25 */
TEST_F(seeds, rules_hold_in_every_order)
{
	try_seeds(_metadata, false);
}

/* LOP-25, SYN-25, OBJ-05 */
TEST_F(seeds, rules_hold_whatever_fails)
{
	try_seeds(_metadata, true);
}

/* LOP-25 */
TEST_F(seeds, same_seed_gives_the_same_order)
{
	int pipes[2], different = 0;

	ASSERT_EQ(0, pipe(pipes));
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world a = { .seed = seed,
				   .faults = true,
				   .pipes = { -1, -1 } };
		struct world b = a, c = a;

		c.seed = seed + 100;
		try_seed(&a);
		try_seed(&b);
		try_seed(&c);
		EXPECT_STREQ(a.order, b.order);
		different += !!strcmp(a.order, c.order);
	}
	EXPECT_LT(10, different);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_HARNESS_MAIN
