// SPDX-License-Identifier: MIT
/* A program to be sampled: coroutines that compute, and two that do nothing but switch. */
#include <coro.h>

#define NOINLINE __attribute__((noinline))

#define ROUNDS 8
#define AWAITED 2
#define TURNS 4000000L
#define SWITCHES 10000000L

/*
 * In the caller, which is where samples are to be taken. It counts on the stack:
 * the compiler gives no frame to functions that keep nothing there.
 */
static inline __attribute__((always_inline)) void spin(void)
{
	for (volatile long turns = 0; turns < TURNS; turns++)
		;
}

/* Before it was ever left, and after each time that somebody went back to it. */
static NOINLINE long resumed_inner(long value)
{
	for (int i = 0; i < ROUNDS; i++) {
		spin();
		value += coro_yield(i, NULL);
	}
	return value;
}

static NOINLINE long resumed_outer(void *arg)
{
	return resumed_inner((long)arg) + 1;
}

static NOINLINE long driver_inner(long value)
{
	spin();
	return value + 1;
}

static NOINLINE long driver_outer(void)
{
	struct coro *c = coro_new(resumed_outer, NULL);
	long value = 0, sum = 0;

	while (coro_resume(c, 0, &value) == CORO_YIELDED)
		sum += driver_inner(value);
	coro_put(c);
	return sum;
}

static NOINLINE long awaited_inner(long value)
{
	for (int i = 0; i < ROUNDS; i++) {
		spin();
		value += coro_sleep(0);
	}
	return value;
}

static NOINLINE long awaited_outer(void *arg)
{
	return awaited_inner((long)arg) + 1;
}

static NOINLINE long awaiter_inner(long value)
{
	spin();
	return value - 1;
}

static NOINLINE long awaiter_outer(void *arg)
{
	long value = awaiter_inner((long)arg);

	for (int i = 0; i < AWAITED; i++)
		value += coro_await(coro_new(awaited_outer, arg));
	return awaiter_inner(value) + 1;
}

static NOINLINE long yields_only(void *arg)
{
	for (long i = 0; i < SWITCHES; i++)
		coro_yield(i, NULL);
	return (long)arg;
}

static NOINLINE long resumes_only(void)
{
	struct coro *c = coro_new(yields_only, NULL);
	long value = 0;

	while (coro_resume(c, 0, &value) == CORO_YIELDED)
		;
	coro_put(c);
	return value;
}

int main(void)
{
	long value = driver_outer();

	value += coro_run(awaiter_outer, NULL);
	value += resumes_only();
	return value < 0;
}
