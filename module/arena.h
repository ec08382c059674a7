/* SPDX-License-Identifier: GPL-2.0 */
/* The arena: the stacks of a scheduler, their guards, trimming and peak use. */
#ifndef CORO_ARENA_H
#define CORO_ARENA_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/types.h>

struct coro_sched;

struct coro_arena {
	/*
	 * The memory. Goes with the scheduler's death; covered by events_lock.
	 * Each vma of the stacks holds it too.
	 */
	struct file *file;
	u64 stack_bytes;	/* whole pages, the guard included; constant */
	u64 overflows;		/* covered by events_lock */
	u64 overflow_id;	/* likewise */
};

struct file *coro_arena_new(u64 bytes);
int coro_arena_mmap(struct coro_sched *sched, struct vm_area_struct *vma);
struct file *coro_arena_get_file(struct coro_sched *sched);
u64 coro_arena_resident_bytes(struct coro_sched *sched);
void coro_arena_trim(const struct coro_arena *arena, struct file *file,
		     u64 *ids, u32 nr);
u64 coro_arena_peak_bytes(const struct coro_arena *arena, struct file *file,
			  u32 index);

#endif /* CORO_ARENA_H */
