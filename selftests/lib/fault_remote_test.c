// SPDX-License-Identifier: MIT
/* Every allocation of exports, messages and calls fails once: told, nothing lost or leaked. */
#include "lib_fault.h"

LIB_FIXTURE(fault_remote)

#define ALL_RIGHTS (CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long export_armed(void *arg)
{
	struct coro_handle *h = NULL, *less = NULL;
	struct coro *c = coro_new(give_arg, (void *)7L);
	long value = 0;
	int ret;

	fault_arm(*(long *)arg);
	ret = coro_export(c, ALL_RIGHTS, &h);
	if (!ret)
		ret = coro_handle_restrict(h, CORO_RIGHT_JOIN, &less);
	fault_disarm();
	if (coro_start(c) || coro_await(c) != 7)
		return -EPROTO;
	if (h && (coro_handle_join(h, &value, CORO_NEVER) || value != 7))
		return -EPROTO;
	if (!ret && (coro_handle_join(less, &value, 0) || value != 7))
		return -EPROTO;
	coro_handle_put(less);
	coro_handle_put(h);
	return ret;
}

static long act_export(long at)
{
	return coro_run(export_armed, &at);
}

TEST_F(fault_remote, failed_export_leaves_the_coroutine_whole)
{
	EXPECT_LT(0, sweep_run(act_export, _metadata));
}

static long receive_armed(void *arg)
{
	struct coro *self = coro_self();
	int sent, ret, err;
	uint64_t value;

	fault_arm(*(long *)arg);
	sent = coro_wake(self, 3);
	ret = sent ? sent : coro_recv(&value, 0);
	fault_disarm();
	if (ret && ret != -ENOMEM)
		return -EPROTO;
	/* What was sent is still there, if it was not received. */
	err = coro_recv(&value, 0);
	if (err != (sent || !ret ? -ETIMEDOUT : 0))
		return -EPROTO;
	return ret;
}

static long act_receive(long at)
{
	return coro_run(receive_armed, &at);
}

/* On the device it may be the kernel alone that allocates. */
TEST_F(fault_remote, failed_receive_loses_no_message)
{
	EXPECT_LE(0, sweep_run(act_receive, _metadata));
}

static void count_call(void *arg)
{
	*(int *)arg += 1;
}

static long call_armed(void *arg)
{
	int calls = 0, accepted = 0, i;
	long ret = 0;

	fault_arm(*(long *)arg);
	for (i = 0; i < 20; i++) {
		int err = coro_call_soon(coro_loop_self(), count_call, &calls);

		accepted += !err;
		if (err)
			ret = err;
	}
	fault_disarm();
	if (coro_sleep(0) || calls != accepted)
		return -EPROTO;
	return ret;
}

static long act_call(long at)
{
	return coro_run(call_armed, &at);
}

TEST_F(fault_remote, failed_call_runs_nothing)
{
	EXPECT_EQ(20, sweep_run(act_call, _metadata));
}

static long use_without_memory(void *arg)
{
	struct coro_handle *h = NULL;
	struct coro *c = coro_new(give_arg, (void *)8L);
	uint64_t value;
	long result;
	int i;

	(void)arg;
	EXPECT_EQ(0, coro_export(c, ALL_RIGHTS, &h));
	EXPECT_EQ(0, coro_wake(coro_self(), 1));
	EXPECT_EQ(0, coro_recv(&value, 0));
	fault_arm(FAULT_ALL);
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, coro_wake(coro_self(), (uint64_t)i));
		EXPECT_EQ(0, coro_recv(&value, CORO_NEVER));
		EXPECT_EQ((uint64_t)i, value);
		EXPECT_EQ(-ETIMEDOUT, coro_recv(&value, coro_after(1)));
		EXPECT_EQ(-ETIMEDOUT,
			  coro_handle_join(h, &result, coro_after(1)));
	}
	EXPECT_EQ(0, coro_handle_try_send(h, 1));
	EXPECT_EQ(0, coro_handle_send(h, 1, CORO_NEVER));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_handle_join(h, &result, CORO_NEVER));
	EXPECT_EQ(8, result);
	coro_put(c);
	coro_handle_put(h);
	fault_disarm();
	return 0;
}

static long run_without_memory(void *arg)
{
	return coro_run(use_without_memory, arg);
}

TEST_F(fault_remote, waiting_sending_and_ending_need_no_memory)
{
	EXPECT_EQ(0, in_thread(run_without_memory, NULL));
}

TEST_HARNESS_MAIN
