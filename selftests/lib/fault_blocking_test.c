// SPDX-License-Identifier: MIT
/* Every allocation fails once where functions that block are called: told, nothing lost or run. */
#include "lib_blocking.h"
#include "lib_fault.h"

LIB_FIXTURE(fault_blocking)

static long give_back(void *arg)
{
	((struct job *)arg)->runs++;
	return 7;
}

static long call_armed(void *arg)
{
	const struct coro_blocking_opts opts = { .size = sizeof(opts),
						 .dispose = job_dispose };
	struct job j;
	long ret;

	job_init(&j, 7);
	fault_arm(*(long *)arg);
	ret = coro_blocking_opts(give_back, &j, &j.value, &opts);
	fault_disarm();
	if (j.nr_disposed || j.runs != !ret ||
	    j.value != (ret ? POISON_LONG : 7))
		return -EPROTO;
	/* The C library says so if there is no memory for a thread. */
	return ret == -EAGAIN ? -ENOMEM : ret;
}

static long act_call(long at)
{
	coro_blocking_set_limit(1);
	return coro_run(call_armed, &at);
}

/* OBJ-05 */
TEST_F(fault_blocking, failed_call_runs_and_disposes_of_nothing)
{
	EXPECT_LT(0, sweep_run(act_call, _metadata));
}

static long use_without_memory(void *arg)
{
	struct job j, left;
	struct coro *c;

	(void)arg;
	EXPECT_EQ(0, coro_blocking(give_back, job_init(&j, 7), NULL));
	fault_arm(FAULT_ALL);
	for (int i = 0; i < 20; i++) {
		job_init(&j, 7);
		EXPECT_EQ(0, coro_blocking(give_back, &j, &j.value));
		EXPECT_EQ(7, j.value);
	}
	fault_disarm();
	job_init(&left, 8)->disposes = true;
	c = job_start(&left, call_block);
	/* Nor does it take any to leave one behind. */
	fault_arm(FAULT_ALL);
	EXPECT_EQ(0, coro_cancel(c));
	coro_await(c);
	EXPECT_EQ(-ECANCELED, left.err);
	sem_post(&left.go);
	sem_take(&left.disposed);
	fault_disarm();
	EXPECT_EQ(8, left.disposed_value);
	return 0;
}

static long run_without_memory(void *arg)
{
	coro_blocking_set_limit(1);
	return coro_run(use_without_memory, arg);
}

/* OBJ-05 */
TEST_F(fault_blocking, plain_call_needs_no_memory_once_there_is_a_thread)
{
	EXPECT_EQ(0, in_thread(run_without_memory, NULL));
}

TEST_HARNESS_MAIN
