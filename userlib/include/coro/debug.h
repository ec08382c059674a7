/* SPDX-License-Identifier: MIT */
/* Looking at a thread's coroutines: figures, and overflows with a name. */
#ifndef CORO_DEBUG_H
#define CORO_DEBUG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct coro_stats - figures of the calling thread's scheduler
 * @size: in: sizeof(struct coro_stats).
 * @coroutines: coroutines that exist: not yet put for the last time.
 * @contexts: contexts allocated: coroutines and cached stacks.
 * @contexts_peak: most of them at once.
 * @stacks_resident_bytes: memory of the stacks. On the portable backend it is
 *	counted page by page, which takes long with many.
 * @events: messages that went through the scheduler; 0 on the portable backend.
 * @overflows: hits of a guard page; 0 on the portable backend.
 */
struct coro_stats {
	size_t size;
	uint64_t coroutines;
	uint64_t contexts;
	uint64_t contexts_peak;
	uint64_t stacks_resident_bytes;
	uint64_t events;
	uint64_t overflows;
};

/**
 * coro_stats_read() - read the figures
 * @stats: @stats->size is set by the caller; the rest is filled as far as that.
 *
 * Context: any thread. Does not suspend.
 * Return: 0; -EINVAL if @stats is NULL or too small for its size; -ESRCH if the
 * thread has no scheduler; or a negative errno of the device.
 */
int coro_stats_read(struct coro_stats *stats);

/**
 * coro_debug_catch_overflow() - name the coroutine whose stack overflowed
 *
 * Description: Installs a handler of SIGSEGV and SIGBUS for the process and an alternate
 * signal stack for the calling thread (call it in each thread that runs
 * coroutines). For a fault on a guard page it writes one line to standard
 * error,
 *
 *	coro: stack overflow in coroutine "NAME" (id ID, 65536 bytes of stack)
 *
 * and then lets the signal have the effect that it had before: the former
 * handler, or the end of the process. Other faults go there at once.
 *
 * Context: any thread. Does not suspend.
 * Return: 0, or a negative errno of sigaction(2), sigaltstack(2) or mmap(2).
 */
int coro_debug_catch_overflow(void);

#ifdef __cplusplus
}
#endif
#endif /* CORO_DEBUG_H */
