/* SPDX-License-Identifier: MIT */
/* Backtraces: of stacks that the library's switch left, and of threads that stand still. */
#ifndef CORO_TOOLS_UNWIND_H
#define CORO_TOOLS_UNWIND_H

#include <elfutils/libdwfl.h>

#include "process.h"
#include "thread.h"

struct ctl_frame {
	uint64_t pc;
	bool after; /* it is the address behind a call */
};

/* Used again for one stack after the other. */
struct ctl_trace {
	struct ctl_frame *frames;
	size_t nr;
	/* While it is made. */
	const struct ctl_process *process;
	uint64_t sp;
	const struct ctl_registers *registers; /* of a thread, instead of @sp */
	Dwfl *attached;
};

/* From a saved stack pointer; without frames if nothing can be had. */
void ctl_trace_read(struct ctl_trace *t, Dwfl *dwfl,
		    const struct ctl_process *p, uint64_t sp);
/* From the registers of a thread. */
void ctl_trace_read_thread(struct ctl_trace *t, Dwfl *dwfl,
			   const struct ctl_process *p,
			   const struct ctl_registers *registers);
void ctl_trace_free(struct ctl_trace *t);

#endif /* CORO_TOOLS_UNWIND_H */
