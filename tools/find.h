/* SPDX-License-Identifier: MIT */
/* Where libcoro is in another process. */
#ifndef CORO_TOOLS_FIND_H
#define CORO_TOOLS_FIND_H

#include "../userlib/root.h"
#include "process.h"

/* The program, libraries that have it inside, and libcoro.so: few that have a process at all. */
#define CTL_MAX_ROOTS 8

/* Addresses of the struct coro__root of each; -ENODATA if there is none. */
int ctl_find_roots(const struct ctl_process *p,
		   uint64_t ret_roots[CTL_MAX_ROOTS], unsigned int *ret_nr);

#endif /* CORO_TOOLS_FIND_H */
