// SPDX-License-Identifier: MIT
/* What a switch keeps apart: registers, modes, errno, threads. Needs no io_uring. */
#include <fenv.h>
#include <stdalign.h>

#include "lib_common.h"

LIB_FIXTURE(switching)

/* Yields what it was given until it is given 0, then returns the sum. */
static long add_up(void *arg)
{
	long sum = (long)arg;
	long value = sum;

	do {
		int err = coro_yield(value, &value);

		if (err)
			return err;
		sum += value;
	} while (value);
	return sum;
}

static long keep_errno(void *arg)
{
	int own = (int)(long)arg;
	int kept = 0;

	errno_set(own);
	while (!coro_yield(kept, NULL)) {
		kept += errno_get() == own++;
		errno_set(own);
	}
	return kept;
}

/* STC-15 */
TEST_F(switching, errno_is_each_coroutines_own)
{
	struct coro *a = coro_new(keep_errno, (void *)1000L);
	struct coro *b = coro_new(keep_errno, (void *)2000L);
	long value = POISON_LONG;
	int i;

	errno_set(3000);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(CORO_YIELDED, coro_resume(a, 0, &value));
		EXPECT_EQ(i, value);
		EXPECT_EQ(3000, errno_get());
		EXPECT_EQ(CORO_YIELDED, coro_resume(b, 0, &value));
		EXPECT_EQ(i, value);
		EXPECT_EQ(3000, errno_get());
	}
	EXPECT_EQ(CORO_ENDED, coro_throw(a, -EIO, NULL));
	EXPECT_EQ(3000, errno_get());
	EXPECT_EQ(0, coro_close(b, NULL));
	EXPECT_EQ(3000, errno_get());
	coro_put(a);
	coro_put(b);
	EXPECT_EQ(3000, errno_get());
}

static long set_errno_and_end(void *arg)
{
	errno_set((int)(long)arg);
	return 0;
}

static long await_errno_setter(void *arg)
{
	long kept;

	errno_set(4000);
	coro_await(coro_new(set_errno_and_end, (void *)5000L));
	kept = errno_get();
	(void)arg;
	return kept;
}

/* STC-15 */
TEST_F(switching, errno_survives_an_await)
{
	struct coro *c = coro_new(await_errno_setter, NULL);
	long value = POISON_LONG;

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
	EXPECT_EQ(4000, value);
	coro_put(c);
}

#ifdef FE_UPWARD
/* Not known to the compiler, so that it divides when it is told to. */
static volatile double one = 1.0;
static volatile long double one_long = 1.0L;

static NOINLINE double third(void)
{
	return one / 3.0;
}

static NOINLINE long double third_long(void)
{
	return one_long / 3.0L;
}

struct rounding {
	int mode;
	double result;
	long double result_long;
	int kept;
};

static long round_as_told(void *arg)
{
	struct rounding *r = arg;

	fesetround(r->mode);
	r->result = third();
	r->result_long = third_long();
	while (!coro_yield(0, NULL)) {
		if (fegetround() == r->mode && third() == r->result &&
		    third_long() == r->result_long)
			r->kept++;
	}
	return 0;
}

/* STC-15 */
TEST_F(switching, rounding_mode_is_each_coroutines_own)
{
	struct rounding up = { .mode = FE_UPWARD },
			down = { .mode = FE_DOWNWARD };
	struct coro *a = coro_new(round_as_told, &up);
	struct coro *b = coro_new(round_as_told, &down);
	const double nearest = third();
	const long double nearest_long = third_long();
	int i;

	ASSERT_EQ(FE_TONEAREST, fegetround());
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(CORO_YIELDED, coro_resume(a, 0, NULL));
		EXPECT_EQ(FE_TONEAREST, fegetround());
		EXPECT_TRUE(third() == nearest);
		EXPECT_TRUE(third_long() == nearest_long);
		EXPECT_EQ(CORO_YIELDED, coro_resume(b, 0, NULL));
		EXPECT_EQ(FE_TONEAREST, fegetround());
	}
	EXPECT_EQ(9, up.kept);
	EXPECT_EQ(9, down.kept);
	EXPECT_TRUE(up.result > down.result);
	EXPECT_TRUE(up.result_long > down.result_long);
	coro_put(a);
	coro_put(b);
	EXPECT_EQ(FE_TONEAREST, fegetround());
}

static long give_rounding(void *arg)
{
	(void)arg;
	return third() == third() ? fegetround() : -1;
}

/* STC-15 */
TEST_F(switching, rounding_mode_comes_from_the_creator)
{
	const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO,
			      FE_TONEAREST };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct coro *c;
		long value = POISON_LONG;

		fesetround(modes[i]);
		c = coro_new(give_rounding, NULL);
		fesetround(FE_TONEAREST);
		EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, &value));
		EXPECT_EQ(modes[i], value);
		EXPECT_EQ(FE_TONEAREST, fegetround());
		coro_put(c);
	}
}
#endif

struct alignment {
	uintptr_t wide;
	uintptr_t frame;
	char text[32];
};

static long use_wide_locals(void *arg)
{
	struct alignment *a = arg;
	alignas(64) volatile char wide[64];
	alignas(16) volatile char frame[16];

	wide[0] = 1;
	frame[0] = 1;
	a->wide = (uintptr_t)&wide[0] % 64;
	a->frame = (uintptr_t)__builtin_frame_address(0) % 16;
	snprintf(a->text, sizeof(a->text), "%.2f %.3Lf", 1.25 * wide[0],
		 2.5L * frame[0]);
	return 0;
}

TEST_F(switching, stack_is_aligned_at_entry)
{
	struct alignment a = { .wide = 1, .frame = 1 };
	struct coro *c = coro_new(use_wide_locals, &a);

	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	EXPECT_EQ((uintptr_t)0, a.wide);
	EXPECT_EQ((uintptr_t)0, a.frame);
	EXPECT_STREQ("1.25 2.500", a.text);
	coro_put(c);
}

#define MIX(a, b, c, d, e, f, g, h, i)                                        \
	((a)*3 + (b)*5 + (c)*7 + (d)*11 + (e)*13 + (f)*17 + (g)*19 + (h)*23 + \
	 (i))

/* More live values than callee-saved registers, held across each yield. */
static long hold_many_values(void *arg)
{
	volatile long seed = (long)arg;
	long a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4;
	long f = seed + 5, g = seed + 6, h = seed + 7;
	double x = seed + 0.5, y = seed + 0.25;
	long i;

	for (i = 0; i < 100; i++) {
		coro_yield(MIX(a, b, c, d, e, f, g, h, i), NULL);
		a += 1;
		b += 2;
		c += 3;
		d += 4;
		e += 5;
		f += 6;
		g += 7;
		h += 8;
		x += 1;
		y += 2;
	}
	return MIX(a, b, c, d, e, f, g, h, i) + (long)(x * 4) + (long)(y * 4);
}

TEST_F(switching, values_in_registers_survive_a_switch)
{
	struct coro *one = coro_new(hold_many_values, (void *)1000L);
	struct coro *two = coro_new(hold_many_values, (void *)77L);
	struct coro *both[] = { one, two };
	const long seeds[] = { 1000, 77 };
	long i, k, s, value;

	for (i = 0; i <= 100; i++) {
		for (k = 0; k < 2; k++) {
			s = seeds[k];
			value = POISON_LONG;
			EXPECT_EQ(i == 100, coro_resume(both[k], 0, &value));
			if (i == 100)
				value -= 4 * (s + i) + 2 + 4 * (s + 2 * i) + 1;
			EXPECT_EQ(MIX(s + i, s + 1 + 2 * i, s + 2 + 3 * i,
				      s + 3 + 4 * i, s + 4 + 5 * i,
				      s + 5 + 6 * i, s + 6 + 7 * i,
				      s + 7 + 8 * i, i),
				  value);
		}
	}
	coro_put(one);
	coro_put(two);
}

struct step {
	struct coro *co;
	long value;
	long seen;
};

static long resume_here(void *arg)
{
	struct step *s = arg;

	return coro_resume(s->co, s->value, &s->seen);
}

/* STC-25 */
TEST_F(switching, threads_may_resume_one_after_another)
{
	struct step s = { .co = coro_new(add_up, NULL) };
	int i;

	EXPECT_EQ(CORO_YIELDED, coro_resume(s.co, 0, NULL));
	for (i = 1; i <= 10; i++) {
		s.value = i;
		EXPECT_EQ(CORO_YIELDED, in_thread(resume_here, &s));
		EXPECT_EQ(i, s.seen);
	}
	s.value = 0;
	EXPECT_EQ(CORO_ENDED, in_thread(resume_here, &s));
	EXPECT_EQ(55, s.seen);
	coro_put(s.co);
}

/* STC-15, STC-25 */
TEST_F(switching, errno_goes_along_to_another_thread)
{
	struct step s = { .co = coro_new(keep_errno, (void *)1000L) };
	int i;

	errno_set(3000);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(CORO_YIELDED, in_thread(resume_here, &s));
		EXPECT_EQ(i, s.seen);
	}
	EXPECT_EQ(CORO_YIELDED, coro_resume(s.co, 0, &s.seen));
	EXPECT_EQ(10, s.seen);
	EXPECT_EQ(3000, errno_get());
	coro_put(s.co);
}

static long who_am_i(void *arg)
{
	(void)arg;
	while (!coro_yield((long)coro_self(), NULL))
		;
	return 0;
}

/* STC-25, TSK-38 */
TEST_F(switching, self_is_right_in_whatever_thread)
{
	struct step s = { .co = coro_new(who_am_i, NULL) };

	EXPECT_EQ(CORO_YIELDED, in_thread(resume_here, &s));
	EXPECT_EQ((long)s.co, s.seen);
	EXPECT_EQ(CORO_YIELDED, coro_resume(s.co, 0, &s.seen));
	EXPECT_EQ((long)s.co, s.seen);
	EXPECT_EQ(NULL, coro_self());
	coro_put(s.co);
}

TEST_HARNESS_MAIN
