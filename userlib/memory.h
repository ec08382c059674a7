/* SPDX-License-Identifier: MIT */
/* Memory of the library, and where a deterministic run can make it fail. */
#ifndef CORO_USERLIB_MEMORY_H
#define CORO_USERLIB_MEMORY_H

#include <coro/sim.h>
#include <stdlib.h>

/* A negative errno, if the run of the thread wants a failure here; else 0. */
int coro__fault(enum coro_fault what);

/* All memory of the library comes from these; free() gives it back. */
static inline void *coro__malloc(size_t bytes)
{
	return coro__fault(CORO_FAULT_MEMORY) ? NULL : malloc(bytes);
}

static inline void *coro__calloc(size_t nr, size_t bytes)
{
	return coro__fault(CORO_FAULT_MEMORY) ? NULL : calloc(nr, bytes);
}

static inline void *coro__realloc(void *old, size_t bytes)
{
	return coro__fault(CORO_FAULT_MEMORY) ? NULL : realloc(old, bytes);
}

#endif /* CORO_USERLIB_MEMORY_H */
