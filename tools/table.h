/* SPDX-License-Identifier: MIT */
/* The context table of one scheduler of another process. */
#ifndef CORO_TOOLS_TABLE_H
#define CORO_TOOLS_TABLE_H

#include "snapshot.h"

/* Called with each entry that is not free. */
typedef int ctl_entry_fn(void *arg, uint32_t index,
			 const struct coro_shm_context *entry, bool busy);

/* All entries; 0, a negative errno, or what @fn returned if that is not 0. */
int ctl_table_read(const struct ctl_process *p, const struct ctl_sched *sched,
		   ctl_entry_fn *fn, void *arg);

/* One of them as it is now, or -EBUSY. */
int ctl_table_entry(const struct ctl_process *p, const struct ctl_sched *sched,
		    uint32_t index, struct coro_shm_context *ret_entry);

#endif /* CORO_TOOLS_TABLE_H */
