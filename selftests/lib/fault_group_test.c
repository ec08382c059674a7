// SPDX-License-Identifier: MIT
/* Every allocation of groups, gathers and waits fails once: errors are told, all have ended. */
#include "lib_fault.h"

LIB_FIXTURE(fault_group)

enum { NR = 100 };

static long give_arg(void *arg)
{
	return (long)arg;
}

static long count_end(void *arg)
{
	int err = coro_sleep(0);

	*(int *)arg += 1;
	return err;
}

static void dispose(void *arg)
{
	*(int *)arg += 1;
}

/* Whoever was started is entered, or its argument disposed of; nobody else is. */
static long spawn_children(void *arg)
{
	struct coro_group g;
	const struct coro_spawn_opts lazy = { .size = sizeof(lazy),
					      .group = &g,
					      .dispose = dispose };
	const struct coro_spawn_opts eager = { .size = sizeof(eager),
					       .group = &g,
					       .flags = CORO_SPAWN_EAGER,
					       .dispose = dispose };
	int spawned = 0, ended = 0, i;
	long ret = 0, closed;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	fault_arm(*(long *)arg);
	for (i = 0; i < NR && !ret; i++) {
		ret = coro_spawn_opts(NULL, count_end, &ended,
				      i % 2 ? &eager : &lazy);
		spawned += !ret;
	}
	fault_disarm();
	closed = coro_group_close(&g, ret);
	EXPECT_EQ(ret, closed);
	EXPECT_EQ(spawned, ended);
	return ret;
}

static long act_spawn(long at)
{
	return coro_run(spawn_children, &at);
}

/* OBJ-05, TG-13 */
TEST_F(fault_group, group_without_memory_for_a_child_waits_for_the_others)
{
	EXPECT_LT(0, sweep_run(act_spawn, _metadata));
}

static long start_children(void *arg)
{
	struct coro_group g;
	long ret = 0;
	int i;

	EXPECT_EQ(0, coro_group_open(&g, NULL));
	fault_arm(*(long *)arg);
	for (i = 0; i < NR && !ret; i++) {
		ret = coro_group_start(&g, give_arg, (void *)1L, NULL);
		ret = ret == -ECHILD ? 0 : ret;
		ret = ret ? ret : coro_group_spawn(&g, give_arg, NULL);
	}
	fault_disarm();
	EXPECT_EQ(ret, coro_group_close(&g, ret));
	return ret;
}

static long act_start(long at)
{
	return coro_run(start_children, &at);
}

/* OBJ-05, TG-26 */
TEST_F(fault_group, start_of_a_child_tells_of_no_memory)
{
	EXPECT_LT(0, sweep_run(act_start, _metadata));
}

struct call {
	long at;
	long (*fn)(struct coro_job *jobs);
};

static long call_gather(struct coro_job *jobs)
{
	return coro_gather(jobs, NR);
}

static long call_gather_each(struct coro_job *jobs)
{
	return coro_gather_each(jobs, NR);
}

static long call_race(struct coro_job *jobs)
{
	long ret = coro_race(jobs, NR);

	return ret > 0 ? 0 : ret;
}

static long call_any(struct coro_job *jobs)
{
	long ret = coro_any(jobs, NR, NR, 0);

	return ret > 0 ? 0 : ret;
}

static long run_jobs(void *arg)
{
	const struct call *call = arg;
	struct coro_job jobs[NR];
	int ended = 0, i;
	long ret;

	for (i = 0; i < NR; i++)
		jobs[i] = (struct coro_job){ count_end, &ended, 1 };
	fault_arm(call->at);
	ret = call->fn(jobs);
	fault_disarm();
	/* None was entered if there was no memory for all. */
	EXPECT_EQ(ret ? 0 : NR, ended);
	for (i = 0; ret && i < NR; i++)
		EXPECT_EQ(-ECANCELED, jobs[i].result);
	return ret;
}

static long act_gather(long at)
{
	struct call call = { .at = at, .fn = call_gather };

	return coro_run(run_jobs, &call);
}

static long act_gather_each(long at)
{
	struct call call = { .at = at, .fn = call_gather_each };

	return coro_run(run_jobs, &call);
}

static long act_race(long at)
{
	struct call call = { .at = at, .fn = call_race };

	return coro_run(run_jobs, &call);
}

static long act_any(long at)
{
	struct call call = { .at = at, .fn = call_any };

	return coro_run(run_jobs, &call);
}

/* OBJ-05 */
TEST_F(fault_group, gathers_tell_of_no_memory_and_enter_nobody)
{
	EXPECT_LT(0, sweep_run(act_gather, _metadata));
	EXPECT_LT(0, sweep_run(act_gather_each, _metadata));
	EXPECT_LT(0, sweep_run(act_race, _metadata));
	EXPECT_LT(0, sweep_run(act_any, _metadata));
}

static long wait_for_some(void *arg)
{
	struct coro *c[NR], *got = NULL;
	struct coro_ends *e = NULL;
	int ended = 0, i, ret;

	for (i = 0; i < NR; i++) {
		c[i] = coro_new(count_end, &ended);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	fault_arm(*(long *)arg);
	ret = coro_wait(c, NR, CORO_UNTIL_FIRST, CORO_NEVER);
	if (ret >= 0) {
		ret = coro_ends_new(&e, c, NR);
		EXPECT_EQ(!ret, !!e);
	}
	for (i = 0; !ret && i < NR; i++)
		EXPECT_EQ(1, coro_ends_next(e, &got, CORO_NEVER));
	coro_ends_free(e);
	fault_disarm();
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_await(c[i]));
	EXPECT_EQ(NR, ended);
	return ret;
}

static long act_wait(long at)
{
	return coro_run(wait_for_some, &at);
}

/* OBJ-05 */
TEST_F(fault_group, waits_tell_of_no_memory_and_leave_the_others_alone)
{
	EXPECT_LT(1, sweep_run(act_wait, _metadata));
}

static long be_without_memory(void *arg)
{
	struct coro_group g;
	struct coro_scope s;
	int ended = 0, i;

	(void)arg;
	EXPECT_EQ(0, coro_group_open(&g, NULL));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_group_spawn(&g, count_end, &ended));
	fault_arm(FAULT_ALL);
	EXPECT_EQ(0, coro_scope_enter(&s, coro_after(SOON_NS)));
	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	EXPECT_EQ(-ETIMEDOUT, coro_scope_leave(&s, -ECANCELED));
	EXPECT_EQ(0, coro_group_close(&g, 0));
	EXPECT_EQ(0, coro_call(give_arg, NULL, CORO_NEVER));
	fault_disarm();
	EXPECT_EQ(NR, ended);
	return 0;
}

/* OBJ-05 */
TEST_F(fault_group, scopes_and_closing_need_no_memory)
{
	EXPECT_EQ(0, coro_run(be_without_memory, NULL));
}

TEST_HARNESS_MAIN
