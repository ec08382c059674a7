/* SPDX-License-Identifier: MIT */
/* All coroutines of a process, as they were one after the other while it went on. */
#ifndef CORO_TOOLS_SNAPSHOT_H
#define CORO_TOOLS_SNAPSHOT_H

#include <linux/coro.h>

#include "find.h"

struct ctl_sched {
	struct coro__root root; /* of the library that it belongs to */
	uint64_t addr;
	uint64_t serial;
	uint64_t table;
	uint64_t stacks, stack_size;
	uint32_t nr_open;
	int fd; /* of the device in the process; -1 if there is none */
	size_t first, nr; /* in the coroutines of the snapshot */
	int err; /* why its table could not be read to the end, or 0 */
	bool hangs; /* for leaks: who was to run did not */
};

struct ctl_coro {
	const struct ctl_sched *sched;
	uint32_t index;
	bool busy; /* it never came to rest: it runs, where nobody can say */
	struct coro_shm_context shm;
};

struct ctl_snapshot {
	const struct ctl_process *process;
	struct ctl_sched *scheds;
	size_t nr_scheds;
	struct ctl_coro *coros; /* by scheduler and index */
	size_t nr;
};

/* Room for one more of @size bytes in an array that has @nr of them; or NULL. */
void *ctl_grow(void *array, size_t nr, size_t size);

/* 0 or a negative errno; -ENODATA if the process has no libcoro. */
int ctl_snapshot_take(struct ctl_snapshot *s, const struct ctl_process *p);
void ctl_snapshot_free(struct ctl_snapshot *s);

/* The thread that ran its coroutines last, or 0. */
unsigned int ctl_sched_thread(const struct ctl_snapshot *s,
			      const struct ctl_sched *sched);

/* Reads it anew: false if it is not as it was. */
bool ctl_coro_same(const struct ctl_snapshot *s, const struct ctl_coro *c);

/* The same scheduler in another snapshot, or NULL. */
struct ctl_sched *ctl_snapshot_sched(const struct ctl_snapshot *s,
				     const struct ctl_sched *one);

/* What it was in an earlier snapshot, if it was just so and has not run since; or NULL. */
struct ctl_coro *ctl_coro_before(const struct ctl_snapshot *before,
				 const struct ctl_coro *c);

/* Takes what it is now; false if that life of it is over. */
bool ctl_coro_again(const struct ctl_snapshot *s, struct ctl_coro *c);

uint64_t ctl_coro_id(const struct ctl_coro *c);
enum coro_state ctl_coro_state(const struct ctl_coro *c);

/* Where its struct coro is in the process, and a word of that; 0 if it cannot be read. */
uint64_t ctl_coro_object(const struct ctl_coro *c);
uint64_t ctl_coro_word(const struct ctl_snapshot *s, const struct ctl_coro *c,
		       uint32_t at);

/* By its index or id in a scheduler, or by the address of its struct coro; or NULL. */
struct ctl_coro *ctl_snapshot_index(const struct ctl_snapshot *s,
				    const struct ctl_sched *sched,
				    uint32_t index);
struct ctl_coro *ctl_snapshot_find(const struct ctl_snapshot *s,
				   const struct ctl_sched *sched, uint64_t id);
struct ctl_coro *ctl_snapshot_at(const struct ctl_snapshot *s, uint64_t object);

#endif /* CORO_TOOLS_SNAPSHOT_H */
