// SPDX-License-Identifier: MIT
/* What a loop measures of its coroutines' turns. */
#include "lib_common.h"

LIB_FIXTURE(meter)

enum {
	SPINS = 40,
	TURNS = 30000,
	MOST_WEIGHT = 128, /* how many turns one can stand for */
	MOST_GAP =
		30 * MOST_WEIGHT, /* between two; more come once in e^30 gaps */
};

/* Longer than a measured turn may be apart from the next without all being measured. */
#define SPIN_NS (2 * CORO_MSEC)

static int64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * CORO_SEC + now.tv_nsec;
}

static void spin(void)
{
	int64_t until = real_ns() + SPIN_NS;

	while (real_ns() < until)
		;
}

static int run_metered(long (*fn)(void *arg), void *arg, long *ret_value)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.flags = CORO_RUN_F_METER,
	};

	return coro_run_opts(fn, arg, &opts, ret_value);
}

static struct coro_meter meter_of(struct coro *c)
{
	struct coro_meter m;

	memset(&m, 0xa5, sizeof(m));
	m.size = sizeof(m);
	EXPECT_EQ(0, coro_meter_read(c, &m));
	EXPECT_EQ(sizeof(m), m.size);
	return m;
}

static uint64_t sum(const uint64_t *slots)
{
	uint64_t all = 0;

	for (int i = 0; i < CORO_METER_SLOTS; i++)
		all += slots[i];
	return all;
}

static uint64_t sum_from(const uint64_t *slots, uint64_t least_ns)
{
	uint64_t all = 0;

	for (int i = 0; i < CORO_METER_SLOTS; i++)
		all += 2ULL << i > least_ns ? slots[i] : 0;
	return all;
}

static long spins(void *arg)
{
	for (int i = 0; i < SPINS; i++) {
		spin();
		coro_sleep(0);
	}
	return (long)arg;
}

static long gives_turns(void *arg)
{
	for (int i = 0; i < SPINS; i++)
		coro_sleep(0);
	return (long)arg;
}

static long compare_two(void *arg)
{
	struct coro_meter_times times = { .size = sizeof(times) };
	struct coro_meter busy, patient, all;
	struct coro *one, *other;

	EXPECT_EQ(0, coro_spawn_opts(&one, spins, arg, NULL));
	EXPECT_EQ(0, coro_spawn_opts(&other, gives_turns, arg, NULL));
	EXPECT_EQ(0, coro_await(one));
	EXPECT_EQ(0, coro_await(other));
	busy = meter_of(one);
	patient = meter_of(other);
	all = meter_of(NULL);
	EXPECT_EQ(0, coro_meter_read_times(&times));
	/* At least one of two is, so this fails once in more than a million times. */
	EXPECT_LE(SPINS / 4 * (uint64_t)SPIN_NS, busy.run_ns);
	EXPECT_LE((uint64_t)SPIN_NS, busy.run_max_ns);
	EXPECT_LE(busy.run_max_ns, busy.run_ns);
	/* While one spins the other is ready. */
	EXPECT_LE((uint64_t)SPIN_NS, patient.ready_max_ns);
	EXPECT_LE(patient.ready_max_ns, patient.ready_ns);
	EXPECT_LT(patient.run_ns, patient.ready_ns);
	EXPECT_LE(busy.measured + patient.measured, all.measured);
	EXPECT_LE(busy.run_ns + patient.run_ns, all.run_ns);
	EXPECT_EQ(all.measured, sum(times.run));
	EXPECT_EQ(all.measured, sum(times.ready));
	/* One turn of it, the last, is short. */
	EXPECT_LE(busy.measured - 1, sum_from(times.run, SPIN_NS));
	EXPECT_LE(1, sum_from(times.ready, SPIN_NS));
	coro_put(one);
	coro_put(other);
	return 0;
}

TEST_F(meter, who_runs_and_who_waits_for_it_is_told_apart)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, run_metered(compare_two, NULL, &value));
	EXPECT_EQ(0, value);
}

static long give_many_turns(void *arg)
{
	struct coro_meter m, own;
	uint64_t turns = 1;

	for (int i = 0; i < TURNS; i++)
		coro_sleep(0);
	turns += TURNS;
	m = meter_of(NULL);
	own = meter_of(arg ? arg : coro_self());
	EXPECT_LE(turns - MOST_GAP, m.turns);
	EXPECT_GE(turns, m.turns);
	/* Some 234 samples at least: half or twice is 8 times their deviation. */
	EXPECT_LE(turns / 2, own.turns);
	EXPECT_GE(turns * 2, own.turns);
	EXPECT_EQ(m.measured, own.measured);
	EXPECT_LE(turns / MOST_WEIGHT / 2, m.measured);
	return 0;
}

TEST_F(meter, each_turn_that_is_measured_stands_for_others)
{
	long value = POISON_LONG;

	EXPECT_EQ(0, run_metered(give_many_turns, NULL, &value));
	EXPECT_EQ(0, value);
}

static long spins_once(void *arg)
{
	spin();
	coro_sleep(0);
	return (long)arg;
}

static long ends_at_once(void *arg)
{
	spin();
	return (long)arg;
}

static long starts_eagerly(void *arg)
{
	struct coro_spawn_opts opts = {
		.size = sizeof(opts),
		.flags = CORO_SPAWN_EAGER,
	};

	for (int i = 0; i < SPINS; i++) {
		EXPECT_EQ(0, coro_spawn_opts(NULL, spins_once, arg, &opts));
		EXPECT_EQ(0, coro_spawn_opts(NULL, ends_at_once, arg, &opts));
		spin();
		coro_sleep(0);
	}
	return (long)arg;
}

static long start_eagerly(void *arg)
{
	struct coro_meter m;
	struct coro *c;

	EXPECT_EQ(0, coro_spawn_opts(&c, starts_eagerly, arg, NULL));
	EXPECT_EQ(0, coro_await(c));
	m = meter_of(c);
	/* Of turns that are so long all but the first few are measured. */
	EXPECT_LE(SPINS / 2 * 3 * (uint64_t)SPIN_NS, m.run_ns);
	EXPECT_LE(3 * (uint64_t)SPIN_NS, m.run_max_ns);
	coro_put(c);
	return 0;
}

TEST_F(meter, eager_start_is_part_of_the_turn_that_it_is_in)
{
	EXPECT_EQ(0, run_metered(start_eagerly, NULL, NULL));
}

static long read_anyhow(void *arg)
{
	struct coro_meter_times times = { .size = sizeof(times) };
	struct coro_meter m = { .size = sizeof(m) };
	struct coro *fresh = coro_new(give_many_turns, NULL);
	int none = arg ? 0 : -ENODATA;

	EXPECT_EQ(none, coro_meter_read(NULL, &m));
	EXPECT_EQ(none, coro_meter_read(coro_self(), &m));
	EXPECT_EQ(none, coro_meter_read_times(&times));
	EXPECT_EQ(none ? none : -EXDEV, coro_meter_read(fresh, &m));
	EXPECT_EQ(-EINVAL, coro_meter_read(NULL, NULL));
	EXPECT_EQ(-EINVAL, coro_meter_read_times(NULL));
	m.size = sizeof(size_t) - 1;
	times.size = sizeof(size_t) - 1;
	EXPECT_EQ(-EINVAL, coro_meter_read(NULL, &m));
	EXPECT_EQ(-EINVAL, coro_meter_read_times(&times));
	m.size = offsetof(struct coro_meter, measured);
	m.measured = 77;
	EXPECT_EQ(none, coro_meter_read(NULL, &m));
	EXPECT_EQ(77, m.measured);
	coro_put(fresh);
	return 0;
}

TEST_F(meter, what_cannot_be_read_is_refused)
{
	struct coro_meter_times times = { .size = sizeof(times) };
	struct coro_meter m = { .size = sizeof(m) };
	long value = POISON_LONG;

	EXPECT_EQ(-EPERM, coro_meter_read(NULL, &m));
	EXPECT_EQ(-EPERM, coro_meter_read_times(&times));
	EXPECT_EQ(0, run_metered(read_anyhow, &m, &value));
	EXPECT_EQ(0, coro_run(read_anyhow, NULL));
}

TEST_F(meter, environment_makes_all_loops_measure)
{
	setenv("CORO_METER", "1", 1);
	EXPECT_EQ(0, coro_run(read_anyhow, &meter_of));
	setenv("CORO_METER", "0", 1);
	EXPECT_EQ(0, coro_run(read_anyhow, NULL));
	unsetenv("CORO_METER");
}

static long spin_in_virtual_time(void *arg)
{
	struct coro_meter m;

	spins(arg);
	m = meter_of(coro_self());
	EXPECT_LE(SPINS / 2 * (uint64_t)SPIN_NS, m.run_ns);
	return 0;
}

TEST_F(meter, time_is_real_where_the_clock_is_virtual)
{
	struct coro_sim_opts sim = { .size = sizeof(sim), .seed = 7 };
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.sim = &sim,
		.flags = CORO_RUN_F_METER,
	};

	EXPECT_EQ(0, coro_run_opts(spin_in_virtual_time, NULL, &opts, NULL));
}

static int fail_memory(void *arg, enum coro_fault what)
{
	int *left = arg;

	return what == CORO_FAULT_MEMORY && !--*left ? -ENOMEM : 0;
}

TEST_F(meter, lack_of_memory_makes_no_loop)
{
	int left = 1;
	struct coro_sim_opts sim = {
		.size = sizeof(sim),
		.fault = fail_memory,
		.arg = &left,
	};
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.sim = &sim,
		.flags = CORO_RUN_F_METER,
	};
	long value = POISON_LONG;

	EXPECT_EQ(-ENOMEM, coro_run_opts(gives_turns, NULL, &opts, &value));
	EXPECT_EQ(POISON_LONG, value);
	left = 0;
	EXPECT_EQ(0, coro_run_opts(gives_turns, NULL, &opts, &value));
	EXPECT_EQ(0, value);
}

static long watch_and_measure(void *arg)
{
	struct coro_watchdog_opts opts = { .size = sizeof(opts) };
	struct coro_meter m;

	EXPECT_EQ(0, coro_watchdog_start(&opts));
	spins(arg);
	EXPECT_EQ(0, coro_watchdog_stop());
	spins(arg);
	m = meter_of(coro_self());
	EXPECT_LE(SPINS * (uint64_t)SPIN_NS, m.run_ns);
	return 0;
}

TEST_F(meter, watchdog_may_come_and_go_meanwhile)
{
	EXPECT_EQ(0, run_metered(watch_and_measure, NULL, NULL));
}

TEST_HARNESS_MAIN
