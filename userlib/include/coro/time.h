/* SPDX-License-Identifier: MIT */
/* Time: one clock (CLOCK_MONOTONIC), nanoseconds, deadlines that are absolute. */
#ifndef CORO_TIME_H
#define CORO_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** CORO_NSEC - a nanosecond, the unit of all times. */
#define CORO_NSEC INT64_C(1)
/** CORO_USEC - a microsecond. */
#define CORO_USEC (1000 * CORO_NSEC)
/** CORO_MSEC - a millisecond. */
#define CORO_MSEC (1000 * CORO_USEC)
/** CORO_SEC - a second. */
#define CORO_SEC (1000 * CORO_MSEC)

/** CORO_NEVER - the deadline that does not come. */
#define CORO_NEVER INT64_MAX

/**
 * coro_now() - the time
 *
 * Context: any. Does not suspend. Signal safe.
 * Return: CLOCK_MONOTONIC in nanoseconds.
 */
int64_t coro_now(void);

/**
 * coro_after() - the deadline that is so far away
 * @duration_ns: nanoseconds from now; may be negative.
 *
 * Example::
 *
 *	int64_t deadline = coro_after(5 * CORO_SEC);
 *	char line[80];
 *	int n;
 *
 *	do {
 *		n = coro_io_read(STDIN_FILENO, line, sizeof(line), deadline);
 *	} while (n > 0);
 *	if (n == -ETIMEDOUT)
 *		puts("five seconds are over");
 *
 * Context: any. Does not suspend. Signal safe.
 * Return: now + @duration_ns; CORO_NEVER if that is too far or @duration_ns is
 * CORO_NEVER.
 */
int64_t coro_after(int64_t duration_ns);

/**
 * coro_sleep() - let time pass
 * @duration_ns: nanoseconds; 0 or less lets every other ready coroutine run
 *	once.
 *
 * Context: coroutine of a running loop. Always suspends; cancellation point.
 * Return:
 * * 0		 - at least @duration_ns passed
 * * -ECANCELED	 - the coroutine was cancelled
 * * -EPERM	 - not called from a coroutine of a running loop
 * * -EDEADLK	 - see coro_run_opts(); only with a deadline that never comes
 */
int coro_sleep(int64_t duration_ns);

/**
 * coro_sleep_until() - wait for a time
 * @deadline_ns: absolute CLOCK_MONOTONIC nanoseconds. A time that has passed
 *	lets every other ready coroutine run once; CORO_NEVER waits for a cancel.
 *
 * Coroutines that sleep until the same time wake in the order of their calls.
 *
 * Example::
 *
 *	int64_t next = coro_now();
 *
 *	do {
 *		puts("tick");
 *		next += CORO_SEC;
 *	} while (!coro_sleep_until(next));
 *
 * Context: coroutine of a running loop. Always suspends; cancellation point.
 * Return: as coro_sleep().
 */
int coro_sleep_until(int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif /* CORO_TIME_H */
