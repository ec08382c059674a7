/* SPDX-License-Identifier: MIT */
/*
 * How long coroutines run, and how long they are ready before they do.
 *
 * A loop that was made with CORO_RUN_F_METER measures turns of its coroutines: what one
 * runs from where it was woken to where it waits again. Where turns are rare all are
 * measured; where there are many, each with a chance of down to 1 in 128, and then it
 * stands for as many. So sums are estimates, and a turn costs a few instructions more.
 * Time is real time, in deterministic runs too; if the thread loses its processor in a
 * turn that is measured, that counts for as many as well.
 *
 * A coroutine that is awaited inline runs in the turn of the one that the loop runs; so
 * does what starts eagerly, until it waits. Where the loop is handed over, the turn ends.
 *
 * Without a change to the program, CORO_METER=1 in the environment gives the flag to each
 * of its loops.
 */
#ifndef CORO_METER_H
#define CORO_METER_H

#include <coro/object.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_meter - what was measured of a coroutine, or of a loop
 * @size: in: sizeof(struct coro_meter).
 * @turns: how many there were: an estimate; for a loop exact, up to the last that was
 *	to be measured.
 * @measured: how many of them were measured.
 * @run_ns: how long it ran in all: an estimate.
 * @run_max_ns: the longest turn that was measured.
 * @ready_ns: how long it was ready before it ran, in all: an estimate.
 * @ready_max_ns: the longest of those that were measured.
 */
struct coro_meter {
	size_t size;
	uint64_t turns;
	uint64_t measured;
	uint64_t run_ns;
	uint64_t run_max_ns;
	uint64_t ready_ns;
	uint64_t ready_max_ns;
};

/** CORO_METER_SLOTS - slots of a histogram */
#define CORO_METER_SLOTS 40

/**
 * struct coro_meter_times - how often what time was measured
 * @size: in: sizeof(struct coro_meter_times).
 * @run: how long turns were. Slot n counts those from 2^n to 2^(n+1) - 1 ns, the
 *	first also 0, the last also longer ones.
 * @ready: how long coroutines were ready before them; likewise.
 */
struct coro_meter_times {
	size_t size;
	uint64_t run[CORO_METER_SLOTS];
	uint64_t ready[CORO_METER_SLOTS];
};

/**
 * coro_meter_read() - what was measured of a coroutine
 * @c: a coroutine of the calling thread's loop, which may have ended; or NULL for the loop.
 * @meter: @meter->size is set by the caller; the rest is filled as far as that.
 *
 * The turn that the caller is in is not in it.
 *
 * Context: a coroutine of a loop. Does not suspend.
 * Return: 0, or a negative errno:
 *
 * * -EINVAL  - @meter is NULL or too small for its size
 * * -ENODATA - the loop does not measure
 * * -EPERM   - the caller is no coroutine of a loop
 * * -EXDEV   - @c is another loop's, or no loop's
 */
int coro_meter_read(struct coro *c, struct coro_meter *meter);

/**
 * coro_meter_read_times() - which times were measured in the calling thread's loop
 * @times: @times->size is set by the caller; the rest is filled as far as that.
 *
 * Context: a coroutine of a loop. Does not suspend.
 * Return: 0, or a negative errno:
 *
 * * -EINVAL  - @times is NULL or too small for its size
 * * -ENODATA - the loop does not measure
 * * -EPERM   - the caller is no coroutine of a loop
 */
int coro_meter_read_times(struct coro_meter_times *times);

#ifdef __cplusplus
}
#endif
#endif /* CORO_METER_H */
