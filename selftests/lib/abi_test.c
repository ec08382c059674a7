// SPDX-License-Identifier: MIT
/* What a compiled program relies on: sizes, offsets, values, prototypes. Needs no io_uring. */
#include <coro.h>
#include <stddef.h>

#include "kselftest_harness.h"

#define EXPECT_FIELD(off, type, field) \
	EXPECT_EQ((size_t)(off), offsetof(struct type, field))

TEST(thread_opts_keep_their_layout)
{
	EXPECT_EQ(8 + 2 * sizeof(void *), sizeof(struct coro_thread_opts));
	EXPECT_FIELD(0, coro_thread_opts, size);
	EXPECT_FIELD(sizeof(size_t), coro_thread_opts, stack_size_bytes);
	EXPECT_FIELD(2 * sizeof(size_t), coro_thread_opts, max_coroutines);
	EXPECT_FIELD(2 * sizeof(size_t) + 4, coro_thread_opts, max_cached);
}

TEST(loop_opts_keep_their_layout)
{
	EXPECT_EQ(3 * sizeof(size_t) + 24, sizeof(struct coro_loop_opts));
	EXPECT_FIELD(0, coro_loop_opts, size);
	EXPECT_FIELD(sizeof(size_t), coro_loop_opts, sq_entries);
	EXPECT_FIELD(sizeof(size_t) + 4, coro_loop_opts, cq_entries);
	EXPECT_FIELD(sizeof(size_t) + 8, coro_loop_opts, recv_buffers);
	EXPECT_FIELD(sizeof(size_t) + 12, coro_loop_opts, recv_buffer_bytes);
	EXPECT_FIELD(sizeof(size_t) + 16, coro_loop_opts, sim);
	EXPECT_FIELD(2 * sizeof(size_t) + 16, coro_loop_opts, context);
	EXPECT_FIELD(3 * sizeof(size_t) + 16, coro_loop_opts, flags);
	EXPECT_EQ(1U, CORO_RUN_F_INTERRUPT);
}

TEST(stats_keep_their_layout)
{
	EXPECT_EQ((size_t)56, sizeof(struct coro_stats));
	EXPECT_FIELD(0, coro_stats, size);
	EXPECT_FIELD(8, coro_stats, coroutines);
	EXPECT_FIELD(16, coro_stats, contexts);
	EXPECT_FIELD(24, coro_stats, contexts_peak);
	EXPECT_FIELD(32, coro_stats, stacks_resident_bytes);
	EXPECT_FIELD(40, coro_stats, events);
	EXPECT_FIELD(48, coro_stats, overflows);
}

/* STC-22 */
TEST(values_never_change)
{
	EXPECT_EQ(0, CORO_YIELDED);
	EXPECT_EQ(1, CORO_ENDED);
	EXPECT_EQ(-108, CORO_EXIT);
	EXPECT_EQ(16, CORO_ORIGIN_MAX);
	EXPECT_EQ(16, CORO_NAME_LEN);
	EXPECT_EQ(1000000000LL, CORO_SEC);
	EXPECT_EQ(1000000LL, CORO_MSEC);
	EXPECT_EQ(1000LL, CORO_USEC);
	EXPECT_EQ(1LL, CORO_NSEC);
	EXPECT_EQ(INT64_MAX, CORO_NEVER);
}

TEST(states_and_reasons_never_change)
{
	EXPECT_EQ(1, (int)CORO_STATE_CREATED);
	EXPECT_EQ(2, (int)CORO_STATE_RUNNING);
	EXPECT_EQ(3, (int)CORO_STATE_SUSPENDED);
	EXPECT_EQ(4, (int)CORO_STATE_CLOSED);
	EXPECT_EQ(0, (int)CORO_AWAITS_NOTHING);
	EXPECT_EQ(1, (int)CORO_AWAITS_RESUME);
	EXPECT_EQ(2, (int)CORO_AWAITS_CONTEXT);
	EXPECT_EQ(3, (int)CORO_AWAITS_TIMER);
	EXPECT_EQ(4, (int)CORO_AWAITS_IO);
	EXPECT_EQ(5, (int)CORO_AWAITS_TURN);
	EXPECT_EQ(6, (int)CORO_AWAITS_MESSAGE);
	EXPECT_EQ(7, (int)CORO_AWAITS_HANDLE);
	EXPECT_EQ(8, (int)CORO_AWAITS_LOCK);
	EXPECT_EQ(9, (int)CORO_AWAITS_EVENT);
	EXPECT_EQ(10, (int)CORO_AWAITS_QUEUE);
	EXPECT_EQ(11, (int)CORO_AWAITS_GROUP);
	EXPECT_EQ(12, (int)CORO_AWAITS_BLOCKING);
}

static long give_arg(void *arg)
{
	return (long)arg;
}

/* A program that does not want the macros can have the functions. */
TEST(functions_behind_the_macros_are_exported)
{
	struct coro *(*make)(long (*fn)(void *arg), void *arg) = (coro_new);
	int (*spawn)(long (*fn)(void *arg), void *arg) = (coro_spawn);
	struct coro *c = make(give_arg, (void *)3L);
	long value = 0;

	ASSERT_NE(NULL, c);
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
	EXPECT_EQ(-EPERM, spawn(give_arg, NULL));
}

TEST_HARNESS_MAIN
