/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out when a test says so. The program is linked with
 * -Wl,--wrap= for each of the functions below.
 */
#ifndef CORO_SELFTESTS_LIB_FAULT_H
#define CORO_SELFTESTS_LIB_FAULT_H

#include <sys/mman.h>

#include "lib_common.h"

/* Fails no call, or every one; else the number of the call that fails. */
#define FAULT_NONE 0L
#define FAULT_ALL -1L

static struct {
	long at;
	long calls;
	long hits;
	/* What was allocated and not given back. */
	long blocks;
	long mapped_bytes;
} fault;

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
int __real_posix_memalign(void **ret_block, size_t align, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t off);
int __real_munmap(void *addr, size_t len);
int __real_mprotect(void *addr, size_t len, int prot);
int __real_madvise(void *addr, size_t len, int advice);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);
int __wrap_posix_memalign(void **ret_block, size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t off);
int __wrap_munmap(void *addr, size_t len);
int __wrap_mprotect(void *addr, size_t len, int prot);
int __wrap_madvise(void *addr, size_t len, int advice);

/* All of this is also called by threads of the library. */
static bool fault_hit(void)
{
	long at = __atomic_load_n(&fault.at, __ATOMIC_RELAXED);
	long call;

	if (at == FAULT_NONE)
		return false;
	call = __atomic_add_fetch(&fault.calls, 1, __ATOMIC_RELAXED);
	if (at != FAULT_ALL && at != call)
		return false;
	__atomic_add_fetch(&fault.hits, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

static void fault_map(size_t bytes)
{
	__atomic_add_fetch(&fault.mapped_bytes, bytes, __ATOMIC_RELAXED);
}

static void fault_keep(int blocks)
{
	__atomic_add_fetch(&fault.blocks, blocks, __ATOMIC_RELAXED);
}

static void *fault_count(void *block)
{
	fault_keep(!!block);
	return block;
}

void *__wrap_malloc(size_t size)
{
	return fault_hit() ? NULL : fault_count(__real_malloc(size));
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fault_hit() ? NULL : fault_count(__real_calloc(nr, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *block;

	if (fault_hit())
		return NULL;
	block = __real_realloc(old, size);
	fault_keep(!old && block);
	return block;
}

void __wrap_free(void *block)
{
	fault_keep(-!!block);
	__real_free(block);
}

int __wrap_posix_memalign(void **ret_block, size_t align, size_t size)
{
	int err = ENOMEM;

	if (!fault_hit())
		err = __real_posix_memalign(ret_block, align, size);
	fault_keep(!err);
	return err;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fault_hit() ? NULL :
			     fault_count(__real_aligned_alloc(align, size));
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t off)
{
	void *area;

	if (fault_hit())
		return MAP_FAILED;
	area = __real_mmap(addr, len, prot, flags, fd, off);
	if (area != MAP_FAILED && !(flags & MAP_FIXED))
		fault_map(len);
	return area;
}

int __wrap_munmap(void *addr, size_t len)
{
	fault_map(-len);
	return __real_munmap(addr, len);
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
	return fault_hit() ? -1 : __real_mprotect(addr, len, prot);
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	return fault_hit() ? -1 : __real_madvise(addr, len, advice);
}

static inline void fault_arm(long at)
{
	fault.calls = 0;
	fault.hits = 0;
	__atomic_store_n(&fault.at, at, __ATOMIC_RELAXED);
}

static inline void fault_disarm(void)
{
	__atomic_store_n(&fault.at, FAULT_NONE, __ATOMIC_RELAXED);
}

/* What the process holds, to be the same before and after. */
struct holdings {
	long blocks;
	long mapped_bytes;
	int fds;
};

static inline struct holdings holdings_now(void)
{
	struct holdings h;

	h.fds = open_fds();
	h.blocks = __atomic_load_n(&fault.blocks, __ATOMIC_RELAXED);
	h.mapped_bytes = __atomic_load_n(&fault.mapped_bytes, __ATOMIC_RELAXED);
	return h;
}

struct sweep {
	/* Arms the fault itself; 0, or the -errno that it met. */
	long (*act)(long at);
	long at;
};

static inline long sweep_act(void *arg)
{
	struct sweep *s = arg;
	long ret = s->act(s->at);

	fault_disarm();
	return ret;
}

/*
 * Let the first, second, ... call fail until one more than there are, each in
 * a new thread, so that its scheduler comes and goes. Returns how many failed.
 */
static inline long sweep_run(long (*act)(long at),
			     struct __test_metadata *_metadata)
{
	struct sweep s = { .act = act, .at = FAULT_NONE };
	struct holdings before, after;
	long ret, hits;
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, in_thread(sweep_act, &s));
	before = holdings_now();
	do {
		s.at++;
		fault.hits = 0;
		ret = in_thread(sweep_act, &s);
		hits = fault.hits;
		EXPECT_TRUE(ret == 0 || (hits && ret == -ENOMEM))
		{
			TH_LOG("call %ld failed: the result was %ld", s.at,
			       ret);
		}
		after = holdings_now();
		EXPECT_EQ(before.blocks, after.blocks);
		EXPECT_EQ(before.mapped_bytes, after.mapped_bytes);
		EXPECT_EQ(before.fds, after.fds);
		if (!_metadata->passed)
			return s.at;
	} while (hits && s.at < 100000);
	EXPECT_EQ(0, ret);
	return s.at - 1;
}

#endif /* CORO_SELFTESTS_LIB_FAULT_H */
