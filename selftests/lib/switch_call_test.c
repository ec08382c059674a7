// SPDX-License-Identifier: MIT
/* A call on another stack: where it runs, what it keeps, and who may go on meanwhile. */
#include <fenv.h>
#include <stdalign.h>

#include "../../userlib/switch.h"
#include "lib_common.h"

LIB_FIXTURE(switch_call)

/* The other stack. */
static alignas(16) char area[64 << 10];
/* What was saved where the call began. */
static __u64 saved;

struct visit {
	bool there;
	int mode;
	int calls;
	__u64 left; /* where it stands still, if it does */
};

static __u64 other_stack(int mode)
{
	int old = fegetround();
	__u64 sp;

	fesetround(mode);
	sp = coro__frame_init(area + sizeof(area), NULL);
	fesetround(old);
	return sp;
}

/* The sanitizers are not told of that stack. */
#define PLAIN __attribute__((no_sanitize_address, no_sanitize_thread))

static PLAIN void look(void *arg)
{
	struct visit *v = arg;
	alignas(16) char here[16];
	const char *at = here;

	/* Not known to the compiler: it would say that the address is aligned. */
	__asm__ volatile("" : "+r"(at) : : "memory");
	v->there = at > area && at < area + sizeof(area) &&
		   !((uintptr_t)at % 16);
	v->mode = fegetround();
	v->calls++;
}

TEST_F(switch_call, function_runs_there_with_the_modes_of_there)
{
	const int modes[] = { FE_TONEAREST, FE_UPWARD };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct visit v = { .calls = 0 };

		coro__switch_call(&saved, other_stack(modes[i]), look, &v);
		EXPECT_TRUE(v.there);
		EXPECT_EQ(modes[i], v.mode);
		EXPECT_EQ(1, v.calls);
		EXPECT_EQ(FE_TONEAREST, fegetround());
	}
}

static NOINLINE long call_with(long a, __u64 sp, struct visit *v)
{
	long b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13;

	/* In registers that a call keeps, as far as there are so many. */
	__asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	coro__switch_call(&saved, sp, look, v);
	return a + b + c + d + e + f;
}

TEST_F(switch_call, what_the_caller_has_in_registers_is_kept)
{
	struct visit v = { .calls = 0 };

	EXPECT_EQ(40 * 9, call_with(9, other_stack(FE_TONEAREST), &v));
	EXPECT_EQ(40 * 9, call_with(9, other_stack(FE_UPWARD), &v));
	EXPECT_EQ(2, v.calls);
}

static PLAIN void stand_still(void *arg)
{
	struct visit *v = arg;

	v->calls++;
	coro__switch(&v->left, saved);
}

TEST_F(switch_call, who_called_can_be_continued_while_the_function_stands_still)
{
	struct visit v = { .calls = 0 };

	coro__switch_call(&saved, other_stack(FE_UPWARD), stand_still, &v);
	EXPECT_EQ(1, v.calls);
	EXPECT_EQ(FE_TONEAREST, fegetround());
}
TEST_HARNESS_MAIN
