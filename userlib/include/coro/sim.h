/* SPDX-License-Identifier: MIT */
/*
 * Deterministic runs: a program's coroutines under a virtual clock, in an order
 * that a seed decides, with failures where you want them.
 *
 * Time stands still while a coroutine runs and jumps to the next deadline when
 * none can, so a test that sleeps for a day takes no time. Ready coroutines run in
 * a random order of the seed's; the same seed gives the same run, as far as the
 * program depends on nothing but its coroutines. What the kernel does is its own:
 * completions of I/O are waited for, for a while, before the clock jumps. While a
 * function of coro/blocking.h is under way it does not jump but waits for its next
 * deadline in real time; what is back before that took no time.
 *
 * Without a change to the program, CORO_SEED=number in the environment makes each
 * of its loops such a run.
 *
 * Example::
 *
 *	struct coro_sim_opts sim = { .size = sizeof(sim), .seed = 42 };
 *	struct coro_loop_opts opts = { .size = sizeof(opts), .sim = &sim };
 *	long result;
 *	int err = coro_run_opts(fetch, arg, &opts, &result);
 *
 *	return err ? err : result;
 */
#ifndef CORO_SIM_H
#define CORO_SIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum coro_fault - what can be made to fail
 * @CORO_FAULT_MEMORY: an allocation of the library: fails with -ENOMEM.
 * @CORO_FAULT_SYSCALL: a system call of the library that can fail: the errno is
 *	yours, and must be one that it can give. One to enter the ring is repeated
 *	later, so it can fail often but not always.
 * @CORO_FAULT_IO: an operation of coro/io.h: returns your errno and is not begun.
 * @CORO_FAULT_CANCEL: a cancellation point: your errno only says that it is to
 *	be one where a cancel comes, by coro_cancel() of the coroutine.
 */
enum coro_fault {
	CORO_FAULT_MEMORY = 0,
	CORO_FAULT_SYSCALL = 1,
	CORO_FAULT_IO = 2,
	CORO_FAULT_CANCEL = 3,
};

/**
 * struct coro_sim_opts - how a deterministic run goes
 * @size: sizeof(struct coro_sim_opts).
 * @seed: decides the order; 0 keeps the order in which coroutines became ready.
 * @start_ns: the clock at the beginning; 0 for the real one.
 * @patience_ns: how long, in real time, to wait for I/O under way before the
 *	clock jumps to a deadline; 0 for 1 ms.
 * @fault: asked at each point that could fail: 0 to go on, or a negative errno.
 *	Must not call the library, except coro_sim_random(). NULL for no failures.
 * @arg: passed to @fault.
 */
struct coro_sim_opts {
	size_t size;
	uint64_t seed;
	int64_t start_ns;
	int64_t patience_ns;
	int (*fault)(void *arg, enum coro_fault what);
	void *arg;
};

/**
 * coro_sim_random() - a random number of the run's own
 *
 * Description: From the run's seed, so that a test which decides by it can be repeated.
 *
 * Context: thread of a running loop. Does not suspend.
 * Return: 64 random bits; 0 outside of a deterministic run.
 */
uint64_t coro_sim_random(void);

#ifdef __cplusplus
}
#endif
#endif /* CORO_SIM_H */
