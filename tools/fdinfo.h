/* SPDX-License-Identifier: MIT */
/* What the device says of a scheduler of another process. */
#ifndef CORO_TOOLS_FDINFO_H
#define CORO_TOOLS_FDINFO_H

#include "snapshot.h"

/* Of coro(4), by the names that its fdinfo has; those with a number, in that order. */
struct ctl_figure {
	char name[32]; /* without "coro-", and with '_' for '-' */
	int64_t value;
};

#define CTL_MAX_FIGURES 32

/* How many there are; 0 if @sched is not on the device, or nothing can be had. */
size_t ctl_fdinfo_read(const struct ctl_process *p,
		       const struct ctl_sched *sched,
		       struct ctl_figure to[CTL_MAX_FIGURES]);

#endif /* CORO_TOOLS_FDINFO_H */
