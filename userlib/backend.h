/* SPDX-License-Identifier: MIT */
/* The table behind which stacks come from the device or from plain memory. */
#ifndef CORO_USERLIB_BACKEND_H
#define CORO_USERLIB_BACKEND_H

#include <coro/debug.h>
#include <linux/coro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a backend gives: one block of stacks and one table, both indexed by
 * CORO_INDEX(id). In: stack_size and max as wished; out: as granted.
 */
struct coro__space {
	char *stacks;
	struct coro_shm_context *table;
	size_t stack_size; /* guard page included */
	size_t stacks_bytes, table_bytes; /* device only: of the mappings */
	unsigned int max;
	uint32_t nr_open; /* portable only: stacks below have their guard */
	int fd; /* device only; else -1 */
	uint64_t features; /* device only: CORO_FEAT_* */
	struct coro__events *events; /* device only: since an export */
	uint32_t nr_dumped; /* device only: stacks below are in core dumps */
	struct coro__portable *portable;
};

struct coro__remote;
struct coro__events;

struct coro__backend {
	const char *name;
	const struct coro__remote *remote;
	/* 0 or a negative errno; nothing is left behind on failure. */
	int (*open)(struct coro__space *sp);
	void (*close)(struct coro__space *sp);
	/* How many ids were allocated, at least 1; or a negative errno. */
	int (*alloc)(struct coro__space *sp, uint64_t *ids, unsigned int nr);
	/* Ids are live ones; @trim gives the memory back. May reorder @ids. */
	void (*free)(struct coro__space *sp, uint64_t *ids, unsigned int nr,
		     bool trim);
	int64_t (*peak)(struct coro__space *sp, uint64_t id);
	/* Fills all but coroutines. */
	int (*stats)(struct coro__space *sp, struct coro_stats *stats);
};

extern const struct coro__backend coro__backend_device;
extern const struct coro__backend coro__backend_portable;

static inline char *coro__stack_base(const struct coro__space *sp, uint64_t id)
{
	return sp->stacks + (size_t)CORO_INDEX(id) * sp->stack_size;
}

#endif /* CORO_USERLIB_BACKEND_H */
