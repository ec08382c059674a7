/* SPDX-License-Identifier: MIT */
/* How much memory the stacks of another process take. */
#ifndef CORO_TOOLS_PAGES_H
#define CORO_TOOLS_PAGES_H

#include <stdint.h>

#include "process.h"

struct ctl_pages {
	int fd; /* its pagemap; -1 if the kernel does not show it */
	size_t page;
	uint64_t first; /* page number of what is in @words */
	size_t nr;
	uint64_t words[8192];
};

void ctl_pages_open(struct ctl_pages *m, const struct ctl_process *p);
void ctl_pages_close(struct ctl_pages *m);

/*
 * Of a stack, whose lowest page is a guard: how many bytes are in memory, and how
 * far down it was touched, swapped pages included. False if that cannot be known.
 * Fast for stacks that are asked for from low to high.
 */
bool ctl_pages_stack(struct ctl_pages *m, uint64_t low, uint64_t bytes,
		     uint64_t *ret_resident, uint64_t *ret_peak);

#endif /* CORO_TOOLS_PAGES_H */
