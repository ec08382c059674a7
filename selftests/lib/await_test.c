// SPDX-License-Identifier: MIT
/* Awaiting one coroutine inside another: the linkage, with no loop. Needs no io_uring. */
#include <sys/mman.h>

#include "lib_common.h"

LIB_FIXTURE(await)

#define DEEP THOUSANDS

static long give_arg(void *arg)
{
	return (long)arg;
}

static long yield_once(void *arg)
{
	long value = 0;
	int err = coro_yield((long)arg, &value);

	return err ? err : value;
}

/* Runs @fn as a coroutine to its end. */
static long drive(long (*fn)(void *arg), void *arg)
{
	struct coro *c = coro_new_named(fn, arg, "driven");
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	coro_put(c);
	return value;
}

static long trace_inner(void *arg)
{
	trace_add(arg, 'b');
	return 4;
}

static long await_traced(void *arg)
{
	struct coro *inner = coro_new(trace_inner, arg);
	uint64_t id = coro_id(inner);
	long ret;

	trace_add(arg, 'a');
	ret = coro_await(inner);
	trace_add(arg, 'c');
	EXPECT_EQ(NULL, coro_find(id));
	return ret;
}

/* AWT-01 */
TEST_F(await, runs_the_awaited_one_inside_the_caller)
{
	struct trace t = { .nr = 0 };

	EXPECT_EQ(4, drive(await_traced, &t));
	EXPECT_STREQ("abc", t.text);
}

static long await_null(void *arg)
{
	long value = POISON_LONG;

	(void)arg;
	EXPECT_EQ(-EINVAL, coro_await_value(NULL, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(-EINVAL, coro_await(NULL));
	return 0;
}

/* AWT-02 */
TEST_F(await, null_is_refused)
{
	EXPECT_EQ(0, drive(await_null, NULL));
}

/* AWT-02 */
TEST_F(await, is_for_coroutines_only)
{
	struct coro *c = coro_new(give_arg, (void *)3L);
	long value = POISON_LONG;

	EXPECT_EQ(-EPERM, coro_await_value(c, &value));
	EXPECT_EQ(POISON_LONG, value);
	EXPECT_EQ(CORO_STATE_CREATED, coro_state(c));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
}

static long await_values(void *arg)
{
	const long values[] = { 0,	  1,	    -1,	      -EINVAL,
				-EDEADLK, LONG_MIN, LONG_MAX, CORO_EXIT };
	unsigned int i;
	long value;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		value = POISON_LONG;
		EXPECT_EQ(0, coro_await_value(coro_new(give_arg,
						       (void *)values[i]),
					      &value));
		EXPECT_EQ(values[i], value);
		EXPECT_EQ(0, coro_await_value(coro_new(give_arg, NULL), NULL));
	}
	return 0;
}

/* STC-05 */
TEST_F(await, result_is_told_from_an_error_whatever_its_value)
{
	EXPECT_EQ(0, drive(await_values, NULL));
}

static long await_closed(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(-ESRCH, coro_await_value(arg, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

/* AWT-03 */
TEST_F(await, ended_one_is_refused_and_kept)
{
	struct coro *c = coro_new(give_arg, (void *)3L);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, drive(await_closed, c));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(3, value);
	coro_put(c);
}

static long await_given(void *arg)
{
	return coro_await(arg);
}

static long await_taken(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EALREADY, coro_await_value(arg, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

/* AWT-04 */
TEST_F(await, awaited_one_is_refused_and_its_awaiter_undisturbed)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *first = coro_new(await_given, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(first, 0, NULL));
	EXPECT_EQ(0, drive(await_taken, inner));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(inner));
	EXPECT_EQ(CORO_ENDED, coro_resume(first, 12, &value));
	EXPECT_EQ(12, value);
	coro_put(first);
}

static long await_self(void *arg)
{
	(void)arg;
	EXPECT_EQ(-EDEADLK, coro_await(coro_self()));
	return 6;
}

/* AWT-05 */
TEST_F(await, self_is_refused)
{
	EXPECT_EQ(6, drive(await_self, NULL));
}

static long await_the_root(void *arg)
{
	struct coro **root = arg;
	long value = POISON_LONG;

	EXPECT_EQ(-EDEADLK, coro_await_value(*root, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 6;
}

static long await_one_who_awaits_the_root(void *arg)
{
	return coro_await(coro_new(await_the_root, arg));
}

static long be_the_root(void *arg)
{
	struct coro *root = coro_self();

	(void)arg;
	return coro_await(coro_new(await_one_who_awaits_the_root, &root));
}

/* AWT-05 */
TEST_F(await, cycle_is_refused_where_it_would_close)
{
	EXPECT_EQ(6, drive(be_the_root, NULL));
}

static long await_running(void *arg)
{
	long value = POISON_LONG;

	EXPECT_EQ(-EBUSY, coro_await_value(*(struct coro **)arg, &value));
	EXPECT_EQ(POISON_LONG, value);
	return 0;
}

static long resume_one_who_awaits_me(void *arg)
{
	struct coro *me = coro_self();

	(void)arg;
	return drive(await_running, &me);
}

/* STC-09 */
TEST_F(await, running_one_driven_by_somebody_else_is_busy)
{
	EXPECT_EQ(0, drive(resume_one_who_awaits_me, NULL));
}

/* AWT-06 */
TEST_F(await, awaited_object_can_be_asked_for)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_given, inner);
	uint64_t arg = 1;

	EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(outer, &arg));
	EXPECT_EQ((uint64_t)0, arg);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(outer));
	EXPECT_EQ(CORO_AWAITS_CONTEXT, coro_awaits(outer, &arg));
	EXPECT_EQ(coro_id(inner), arg);
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(inner));
	EXPECT_EQ(CORO_AWAITS_RESUME, coro_awaits(inner, &arg));
	EXPECT_EQ((uint64_t)0, arg);
	EXPECT_EQ(CORO_AWAITS_CONTEXT, coro_awaits(outer, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(outer, &arg));
	EXPECT_EQ((uint64_t)0, arg);
	coro_put(outer);
}

static long look_at(void *arg)
{
	struct coro **look = arg;

	EXPECT_EQ(CORO_STATE_RUNNING, coro_state(*look));
	EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(*look, NULL));
	EXPECT_EQ(CORO_AWAITS_NOTHING, coro_awaits(coro_self(), NULL));
	return 1;
}

static long await_a_looker(void *arg)
{
	struct coro *me = coro_self();

	(void)arg;
	return coro_await(coro_new(look_at, &me));
}

/* AWT-06, OBJ-02 */
TEST_F(await, awaiter_of_a_running_one_runs)
{
	EXPECT_EQ(1, drive(await_a_looker, NULL));
}

static long await_value_kept(void *arg)
{
	long value = POISON_LONG;
	int err = coro_await_value(arg, &value);

	EXPECT_EQ(POISON_LONG, value);
	return err;
}

/* AWT-07 */
TEST_F(await, one_that_a_third_party_resumed_to_its_end_is_gone)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_value_kept, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(inner, 30, &value));
	EXPECT_EQ(30, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(inner));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(outer));
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(-ESRCH, value);
	coro_put(outer);
	EXPECT_EQ(0, coro_close(inner, &value));
	EXPECT_EQ(30, value);
	coro_put(inner);
}

/* AWT-07 */
TEST_F(await, one_that_a_third_party_threw_into_or_closed_is_gone)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_value_kept, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_throw(inner, -EIO, &value));
	EXPECT_EQ(-EIO, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(-ESRCH, value);
	coro_put(outer);
	coro_put(inner);

	inner = coro_new(yield_once, NULL);
	outer = coro_new(await_value_kept, inner);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(0, coro_close(inner, &value));
	EXPECT_EQ(CORO_EXIT, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(-ESRCH, value);
	coro_put(outer);
	coro_put(inner);
}

/* AWT-07 */
TEST_F(await, closing_an_awaiter_whose_awaited_one_ended_works)
{
	struct coro *inner = coro_new(yield_once, NULL);
	struct coro *outer = coro_new(await_given, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(inner, 30, NULL));
	EXPECT_EQ(0, coro_close(outer, &value));
	EXPECT_GT(0, value);
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(outer));
	coro_put(outer);
	coro_put(inner);
}

static long yield_3_times(void *arg)
{
	coro_yield(1, NULL);
	coro_yield(2, NULL);
	coro_yield(3, NULL);
	return (long)arg;
}

/* AWT-07, STC-24 */
TEST_F(await, third_party_can_take_a_step_of_the_awaited_one)
{
	struct coro *inner = coro_new(yield_3_times, (void *)9L);
	struct coro *outer = coro_new(await_given, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(CORO_YIELDED, coro_resume(inner, 0, &value));
	EXPECT_EQ(2, value);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(3, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(9, value);
	coro_put(outer);
}

/* AWT-01 */
TEST_F(await, suspended_one_goes_on_inside_the_caller)
{
	struct coro *inner = coro_new(yield_3_times, (void *)9L);
	struct coro *outer = coro_new(await_given, inner);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_YIELDED, coro_resume(inner, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(2, value);
	EXPECT_EQ(CORO_YIELDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(3, value);
	EXPECT_EQ(CORO_ENDED, coro_resume(outer, 0, &value));
	EXPECT_EQ(9, value);
	coro_put(outer);
}

static long await_twice(void *arg)
{
	struct coro *c = coro_get(coro_new(give_arg, arg));
	long value = POISON_LONG;

	EXPECT_EQ(0, coro_await_value(c, &value));
	EXPECT_EQ(5, value);
	EXPECT_EQ(-ESRCH, coro_await_value(c, NULL));
	EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
	coro_put(c);
	return 0;
}

/* AWT-03 */
TEST_F(await, takes_one_reference_on_success_and_none_on_failure)
{
	EXPECT_EQ(0, drive(await_twice, (void *)5L));
}

/* A chain of coroutines, each awaiting the next; the last one yields @yields times. */
struct chain {
	long depth;
	int yields;
	struct coro **members;
	int unwound;
};

static long chain_leaf(struct chain *ch)
{
	int i, err = 0;

	for (i = 0; i < ch->yields && !err; i++)
		err = coro_yield(i, NULL);
	ch->unwound++;
	return err;
}

static long chain_link(void *arg)
{
	struct chain *ch = arg;
	struct coro *next;
	long value = POISON_LONG;
	int err;

	if (ch->members)
		ch->members[ch->depth] = coro_self();
	if (!ch->depth--)
		return chain_leaf(ch);
	next = coro_new(chain_link, ch);
	if (!next)
		return -ENOMEM;
	err = coro_await_value(next, &value);
	EXPECT_EQ(0, err);
	ch->unwound++;
	return value < 0 ? value : value + 1;
}

/* AWT-13 */
TEST_F(await, chain_10000_deep_suspends_resumes_and_unwinds)
{
	struct chain ch = { .depth = DEEP, .yields = 3 };
	struct coro *c = coro_new(chain_link, &ch);
	long value = POISON_LONG, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, &value));
		EXPECT_EQ(i, value);
		EXPECT_EQ(0, ch.unwound);
	}
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(DEEP, value);
	EXPECT_EQ(DEEP + 1, ch.unwound);
	coro_put(c);
}

/* AWT-13 */
TEST_F(await, chain_10000_deep_unwinds_when_closed)
{
	struct chain ch = { .depth = DEEP, .yields = 1 };
	struct coro *c = coro_new(chain_link, &ch);
	long value = POISON_LONG;

	ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(0, coro_close(c, &value));
	EXPECT_EQ(CORO_EXIT, value);
	EXPECT_EQ(DEEP + 1, ch.unwound);
	coro_put(c);
}

/* AWT-13 */
TEST_F(await, chain_10000_deep_unwinds_when_dropped)
{
	struct chain ch = { .depth = DEEP, .yields = 1 };
	struct coro *c = coro_new(chain_link, &ch);

	ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	coro_put(c);
	EXPECT_EQ(DEEP + 1, ch.unwound);
}

/* AWT-14: a walk of this chain would be 10^9 steps through cold memory. */
TEST_F(await, resuming_a_deep_chain_often_is_no_walk)
{
	struct chain ch = { .depth = DEEP, .yields = 100000 };
	struct coro *c = coro_new(chain_link, &ch);
	long i;

	for (i = 0; i < 100000; i++)
		ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(DEEP + 1, ch.unwound);
	coro_put(c);
}

static int protect(struct coro *c, int prot)
{
	uintptr_t page = (uintptr_t)c & -(uintptr_t)getpagesize();

	return mprotect((void *)page, getpagesize(), prot);
}

/* AWT-14: the objects in between may not even be looked at. */
TEST_F(await, resume_touches_no_coroutine_between_root_and_leaf)
{
	enum { DEPTH = 50 };
	struct coro *members[DEPTH + 1] = { NULL };
	struct chain ch = { .depth = DEPTH, .yields = 10, .members = members };
	struct coro *c = coro_new(chain_link, &ch);
	long value = POISON_LONG, i;

	ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	ASSERT_EQ(c, members[DEPTH]);
	for (i = 1; i < DEPTH; i++)
		ASSERT_EQ(0, protect(members[i], PROT_NONE));
	for (i = 1; i < 10; i++)
		ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	for (i = 1; i < DEPTH; i++)
		ASSERT_EQ(0, protect(members[i], PROT_READ | PROT_WRITE));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(DEPTH, value);
	coro_put(c);
}

static long resume_through_coroutine(void *arg)
{
	struct coro *c = arg;
	long value = POISON_LONG;
	int ret;

	do {
		ret = coro_resume(c, 1, &value);
	} while (ret == CORO_YIELDED);
	EXPECT_EQ(CORO_ENDED, ret);
	return value;
}

/* AWT-13, STC-24 */
TEST_F(await, chain_can_be_driven_on_by_a_coroutine)
{
	struct chain ch = { .depth = 100, .yields = 50 };
	struct coro *c = coro_new(chain_link, &ch);

	ASSERT_EQ(CORO_YIELDED, coro_resume(c, 0, NULL));
	EXPECT_EQ(100, drive(resume_through_coroutine, c));
	coro_put(c);
}

TEST_HARNESS_MAIN
