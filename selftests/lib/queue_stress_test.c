// SPDX-License-Identifier: MIT
/* Random use of queues by coroutines of one loop, in the order of a seed: nothing is lost. */
#include "lib_queue_storm.h"

QUEUE_FIXTURE(queue_stress)

enum { SEEDS = 60, STORMERS = 8, ROUNDS = 60 };

struct run {
	struct storm storm;
	uint64_t seed;
	bool fails; /* memory, now and then */
	unsigned int failed;
};

static int fail_memory(void *arg, enum coro_fault what)
{
	struct run *r = arg;

	if (what != CORO_FAULT_MEMORY || !r->fails || coro_sim_random() % 2)
		return 0;
	r->failed++;
	return -ENOMEM;
}

static long storm(void *arg)
{
	struct run *r = arg;

	r->fails = true;
	storm_run(&r->storm, STORMERS, ROUNDS, r->seed);
	r->fails = false;
	return 0;
}

/* QUE-03, QUE-05, QUE-07, QUE-15, SYN-25 */
TEST_F(queue_stress, every_item_is_got_once_or_stays_its_putters)
{
	uint64_t seed;

	for (seed = 1; seed <= SEEDS; seed++) {
		struct run r = { .seed = seed };
		struct coro_sim_opts sim = {
			.size = sizeof(sim),
			.seed = seed,
			.fault = fail_memory,
			.arg = &r,
		};
		struct coro_loop_opts opts = { .size = sizeof(opts),
					       .sim = &sim };
		unsigned int wrong;

		storm_init(&r.storm, STORMERS * ROUNDS * STORM_PUTS);
		EXPECT_EQ(0, coro_run_opts(storm, &r, &opts, NULL));
		wrong = storm_end(&r.storm);
		EXPECT_EQ(0, wrong)
		{
			TH_LOG("seed %lu: %u wrong", (unsigned long)seed,
			       wrong);
		}
	}
}

TEST_HARNESS_MAIN
