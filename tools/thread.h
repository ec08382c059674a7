/* SPDX-License-Identifier: MIT */
/* A thread of another process that is stopped for a moment. */
#ifndef CORO_TOOLS_THREAD_H
#define CORO_TOOLS_THREAD_H

#include "process.h"

/* By their numbers in DWARF. */
#if defined(__x86_64__)
#define CTL_NR_REGISTERS 16
#define CTL_SP_REGISTER 7
#elif defined(__aarch64__)
#define CTL_NR_REGISTERS 32
#define CTL_SP_REGISTER 31
#endif

struct ctl_registers {
	uint64_t pc;
	uint64_t values[CTL_NR_REGISTERS];
};

struct ctl_stop {
	pid_t tid;
	int signal; /* that came first, and is the thread's */
	struct ctl_registers registers;
};

/*
 * Stops it, whatever it does: 0, and ctl_thread_go() must follow; or a negative errno, -EPERM
 * also if somebody else traces it, -EBUSY if it is in a sleep that nothing ends. If this
 * process ends, the thread goes on.
 */
int ctl_thread_stop(const struct ctl_process *p, pid_t tid,
		    struct ctl_stop *stop);
void ctl_thread_go(const struct ctl_stop *stop);

#endif /* CORO_TOOLS_THREAD_H */
