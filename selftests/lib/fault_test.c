// SPDX-License-Identifier: MIT
/* Every allocation fails once: errors are told, nothing leaks. Needs no io_uring. */
#include "lib_fault.h"

LIB_FIXTURE(fault)

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	return coro_yield((long)arg, NULL);
}

static long act_thread_init(long at)
{
	struct coro_thread_opts opts = {
		.size = sizeof(opts),
		.stack_size_bytes = 1 << 17,
		.max_coroutines = 100,
	};
	long ret;

	fault_arm(at);
	ret = coro_thread_init(&opts);
	fault_disarm();
	if (ret && coro_thread_init(&opts))
		return -EPROTO;
	return ret;
}

/* OBJ-05 */
TEST_F(fault, thread_init_fails_with_enomem_and_can_be_repeated)
{
	EXPECT_LT(0, sweep_run(act_thread_init, _metadata));
}

static long act_create(long at)
{
	struct coro *c[3] = { NULL, NULL, NULL };
	long ret = 0, value;
	int i;

	fault_arm(at);
	for (i = 0; i < 3 && !ret; i++)
		ret = coro_create(&c[i], yield_once, (void *)7L, "made");
	fault_disarm();
	if (ret && c[i - 1])
		return -EPROTO;
	for (i = 0; i < 3; i++) {
		if (c[i] && (coro_resume(c[i], 0, &value) != CORO_YIELDED ||
			     value != 7))
			return -EPROTO;
		coro_put(c[i]);
	}
	return ret;
}

/* OBJ-05 */
TEST_F(fault, creation_fails_with_enomem_and_leaks_nothing)
{
	EXPECT_LT(0, sweep_run(act_create, _metadata));
}

static long act_new(long at)
{
	struct coro *c;
	long value = 0;

	fault_arm(at);
	c = coro_new(give_arg, (void *)7L);
	fault_disarm();
	if (!c)
		return -ENOMEM;
	if (coro_resume(c, 0, &value) != CORO_ENDED || value != 7)
		return -EPROTO;
	coro_put(c);
	return 0;
}

/* OBJ-05 */
TEST_F(fault, short_form_of_creation_gives_null)
{
	EXPECT_LT(0, sweep_run(act_new, _metadata));
}

static long act_create_with_origin(long at)
{
	struct coro *c = NULL;
	long ret;

	coro_set_origin_depth(CORO_ORIGIN_MAX);
	fault_arm(at);
	ret = coro_create(&c, give_arg, NULL, NULL);
	fault_disarm();
	coro_put(c);
	return ret;
}

/* OBJ-05, OBJ-09 */
TEST_F(fault, creation_with_origin_fails_with_enomem_and_leaks_nothing)
{
	EXPECT_LT(0, sweep_run(act_create_with_origin, _metadata));
}

enum { MANY = 300 };

static long act_create_many(long at)
{
	struct coro *c[MANY];
	long ret = 0, value;
	int made, i;

	fault_arm(at);
	for (made = 0; made < MANY; made++) {
		ret = coro_create(&c[made], yield_once, NULL, NULL);
		if (ret)
			break;
	}
	fault_disarm();
	/* What was made before the failure is whole. */
	for (i = 0; i < made; i++) {
		if (coro_resume(c[i], 0, &value) != CORO_YIELDED)
			return -EPROTO;
	}
	for (i = 0; i < made; i++)
		coro_put(c[i]);
	return ret;
}

/* OBJ-05 */
TEST_F_TIMEOUT(fault, failure_in_a_crowd_leaves_the_crowd_whole, 120)
{
	EXPECT_LT(0, sweep_run(act_create_many, _metadata));
}

static long use_without_memory(void *arg)
{
	struct coro *c[MANY];
	uint64_t id = 0;
	long value;
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++)
		c[i] = coro_new(yield_once, (void *)(long)i);
	fault_arm(FAULT_ALL);
	for (i = 0; i < MANY; i++) {
		value = POISON_LONG;
		EXPECT_EQ(CORO_YIELDED, coro_resume(c[i], 0, &value));
		EXPECT_EQ(i, value);
		id = coro_id(c[i]);
		EXPECT_NE((uint64_t)0, id);
		EXPECT_EQ(0, coro_set_name(c[i], "renamed"));
		EXPECT_EQ(CORO_AWAITS_RESUME, coro_awaits(c[i], NULL));
	}
	for (i = 0; i < MANY; i += 3)
		EXPECT_EQ(CORO_ENDED, coro_throw(c[i], -EIO, NULL));
	for (i = 1; i < MANY; i += 3)
		EXPECT_EQ(0, coro_close(c[i], NULL));
	for (i = 0; i < MANY; i++)
		coro_put(c[i]);
	fault_disarm();
	EXPECT_EQ(NULL, coro_find(id));
	return 0;
}

/* What cannot report it must not need memory. */
TEST_F(fault, resuming_ending_and_dropping_need_no_memory)
{
	EXPECT_EQ(0, in_thread(use_without_memory, NULL));
}

static long await_made(void *arg)
{
	return coro_await(arg);
}

static long await_without_memory(void *arg)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_made, inner);

	(void)arg;
	fault_arm(FAULT_ALL);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, NULL));
	fault_disarm();
	coro_put(outer);
	return 0;
}

TEST_F(fault, awaiting_needs_no_memory)
{
	EXPECT_EQ(0, in_thread(await_without_memory, NULL));
}

static long recycle_without_memory(void *arg)
{
	struct coro *c = coro_new(yield_once, NULL);
	int i;

	(void)arg;
	coro_put(c);
	fault_arm(FAULT_ALL);
	for (i = 0; i < 100; i++) {
		c = coro_new(yield_once, NULL);
		EXPECT_NE(NULL, c);
		EXPECT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
		coro_put(c);
	}
	fault_disarm();
	return 0;
}

TEST_F(fault, recycled_stack_needs_no_memory)
{
	EXPECT_EQ(0, in_thread(recycle_without_memory, NULL));
}

static long act_catch_overflow(long at)
{
	long ret;

	fault_arm(at);
	ret = coro_debug_catch_overflow();
	fault_disarm();
	return ret;
}

/* The thread's signal stack may be kept, so only the errors are judged. */
TEST_F(fault, catching_overflows_tells_of_no_memory)
{
	long at, ret;

	for (at = 1; at < 100; at++) {
		struct sweep s = { .act = act_catch_overflow, .at = at };

		fault.hits = 0;
		ret = in_thread(sweep_act, &s);
		EXPECT_TRUE(ret == 0 || (fault.hits && ret == -ENOMEM));
		if (!fault.hits)
			break;
	}
	EXPECT_EQ(0, ret);
	EXPECT_LT(1, at);
}

TEST_HARNESS_MAIN
