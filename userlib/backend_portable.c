// SPDX-License-Identifier: MIT
/*
 * Contexts and stacks from plain memory, for kernels without the module.
 *
 * One mapping that nothing can touch holds all stacks; runs of them are opened
 * when they are needed and then stay. Each keeps a guard: a marker in the page
 * tables where the kernel has those (Linux 6.13), else a page of its own
 * protection, which costs two mappings. So the number of stacks is limited by
 * vm.max_map_count there, and the limit is an error, never a missing guard.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "annotate.h"
#include "memory.h"
#include "remote.h"

/* Not in the headers of older libcs; numbers are ABI. */
#define CORO__MADV_GUARD_INSTALL 102

/* Stacks opened at once: one mprotect for all of them. */
#define CORO__RUN 64U
/* The fewest that are worth a scheduler. */
#define CORO__LEAST 64U

struct coro__portable {
	uint32_t *free; /* a stack of indices, last in first out */
	uint32_t nr_free;
	uint32_t nr_alloc, nr_peak;
	size_t page;
	bool markers; /* the kernel has guard markers */
};

static void *coro__portable_reserve(size_t bytes, int prot)
{
	void *map = mmap(NULL, bytes, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

static void coro__portable_unmap(struct coro__space *sp)
{
	if (sp->stacks)
		munmap(sp->stacks, (size_t)sp->max * sp->stack_size);
	if (sp->table)
		munmap(sp->table, (size_t)sp->max * sizeof(*sp->table));
	if (sp->portable->free)
		munmap(sp->portable->free, (size_t)sp->max * sizeof(uint32_t));
}

static bool coro__portable_map(struct coro__space *sp)
{
	const int rw = PROT_READ | PROT_WRITE;
	size_t nr = sp->max;
	size_t bytes;

	sp->stacks = NULL;
	sp->table = NULL;
	sp->portable->free = NULL;
	if (__builtin_mul_overflow(nr, sp->stack_size, &bytes))
		return false;
	sp->stacks = coro__portable_reserve(bytes, PROT_NONE);
	sp->table = coro__portable_reserve(nr * sizeof(*sp->table), rw);
	sp->portable->free = coro__portable_reserve(nr * sizeof(uint32_t), rw);
	if (sp->stacks && sp->table && sp->portable->free)
		return true;
	coro__portable_unmap(sp);
	return false;
}

static int coro__portable_open(struct coro__space *sp)
{
	sp->portable = coro__calloc(1, sizeof(*sp->portable));
	if (!sp->portable)
		return -ENOMEM;
	sp->portable->page = (size_t)sysconf(_SC_PAGESIZE);
	/* Which valgrind does not know: it would run into one itself. */
	sp->portable->markers = !coro__mark_on_valgrind();
	/* Address space can be limited (RLIMIT_AS): take what there is. */
	while (!coro__portable_map(sp)) {
		sp->max /= 2;
		if (sp->max < CORO__LEAST) {
			free(sp->portable);
			return -ENOMEM;
		}
	}
	/* A huge page would be 32 stacks' memory for one. */
	madvise(sp->stacks, (size_t)sp->max * sp->stack_size, MADV_NOHUGEPAGE);
	return 0;
}

static void coro__portable_close(struct coro__space *sp)
{
	coro__portable_unmap(sp);
	free(sp->portable);
}

/*
 * Whether the kernel cannot read the page: an emulator may take advice without
 * heeding it. If it can, errno is EINVAL, as if it had refused.
 */
static bool coro__portable_is_guarded(const char *guard)
{
	if (access(guard, F_OK) && errno == EFAULT)
		return true;
	errno = EINVAL;
	return false;
}

static int coro__portable_guard(struct coro__space *sp, uint32_t index)
{
	struct coro__portable *p = sp->portable;
	char *guard = sp->stacks + (size_t)index * sp->stack_size;

	if (p->markers) {
		if (!madvise(guard, p->page, CORO__MADV_GUARD_INSTALL) &&
		    (sp->nr_open || coro__portable_is_guarded(guard)))
			return 0;
		if (errno != EINVAL)
			return -errno;
		p->markers = false;
	}
	return mprotect(guard, p->page, PROT_NONE) ? -errno : 0;
}

/* Opens the next run of stacks, *ret_nr of them, each with its guard. */
static int coro__portable_open_run(struct coro__space *sp, uint32_t *ret_nr)
{
	uint32_t left = sp->max - sp->nr_open;
	uint32_t nr = left < CORO__RUN ? left : CORO__RUN;
	char *first = sp->stacks + (size_t)sp->nr_open * sp->stack_size;
	uint32_t i;
	int err = 0;

	if (!nr)
		return -ENOSPC;
	if (mprotect(first, nr * sp->stack_size, PROT_READ | PROT_WRITE))
		return -errno;
	for (i = 0; i < nr && !err; i++)
		err = coro__portable_guard(sp, sp->nr_open + i);
	if (!err) {
		*ret_nr = nr;
		return 0;
	}
	/* All or nothing, so that nothing is left to remember. */
	mprotect(first, nr * sp->stack_size, PROT_NONE);
	return err;
}

static int coro__portable_grow(struct coro__space *sp)
{
	struct coro__portable *p = sp->portable;
	int saved = errno;
	uint32_t nr = 0;
	int err = coro__portable_open_run(sp, &nr);

	errno = saved;
	if (err)
		return err;
	for (uint32_t i = nr; i-- > 0;) {
		p->free[p->nr_free++] = sp->nr_open + i;
		sp->table[sp->nr_open + i].generation = 1;
	}
	sp->nr_open += nr;
	return 0;
}

static int coro__portable_alloc(struct coro__space *sp, uint64_t *ids,
				unsigned int nr)
{
	struct coro__portable *p = sp->portable;
	unsigned int done;

	for (done = 0; done < nr; done++) {
		int err = p->nr_free ? 0 : coro__portable_grow(sp);
		uint32_t index;

		if (err)
			return done ? (int)done : err;
		index = p->free[--p->nr_free];
		ids[done] = (uint64_t)sp->table[index].generation << 32 | index;
		if (++p->nr_alloc > p->nr_peak)
			p->nr_peak = p->nr_alloc;
	}
	return (int)done;
}

static int coro__portable_compare(const void *a, const void *b)
{
	uint32_t x = CORO_INDEX(*(const uint64_t *)a);
	uint32_t y = CORO_INDEX(*(const uint64_t *)b);

	return (x > y) - (x < y);
}

/* Gives memory back, one call for each run of neighbours; guards stay. */
static void coro__portable_trim(struct coro__space *sp, uint64_t *ids,
				unsigned int nr)
{
	unsigned int first = 0;
	int saved = errno;

	qsort(ids, nr, sizeof(*ids), coro__portable_compare);
	for (unsigned int i = 1; i <= nr; i++) {
		if (i < nr && CORO_INDEX(ids[i]) == CORO_INDEX(ids[i - 1]) + 1)
			continue;
		madvise(coro__stack_base(sp, ids[first]),
			(i - first) * sp->stack_size, MADV_DONTNEED);
		first = i;
	}
	errno = saved;
}

static void coro__portable_free(struct coro__space *sp, uint64_t *ids,
				unsigned int nr, bool trim)
{
	struct coro__portable *p = sp->portable;

	if (trim)
		coro__portable_trim(sp, ids, nr);
	for (unsigned int i = 0; i < nr; i++) {
		struct coro_shm_context *shm = &sp->table[CORO_INDEX(ids[i])];
		uint32_t generation = shm->generation + 1;

		memset(shm, 0, sizeof(*shm));
		shm->generation = generation ? generation : 1;
		p->free[p->nr_free++] = CORO_INDEX(ids[i]);
	}
	p->nr_alloc -= nr;
}

/* Pages of [from, to) in memory: how many, and which is the lowest. */
static int64_t coro__portable_resident(const struct coro__portable *p,
				       char *from, char *to, char **ret_lowest)
{
	unsigned char vec[256];
	int64_t nr = 0;

	while (from < to) {
		size_t pages = (size_t)(to - from) / p->page;

		if (pages > sizeof(vec))
			pages = sizeof(vec);
		if (mincore(from, pages * p->page, vec))
			return -errno;
		for (size_t i = 0; i < pages; i++) {
			if (!(vec[i] & 1))
				continue;
			if (!nr++ && ret_lowest)
				*ret_lowest = from + i * p->page;
		}
		from += pages * p->page;
	}
	return nr;
}

static int64_t coro__portable_peak(struct coro__space *sp, uint64_t id)
{
	char *low = coro__stack_base(sp, id) + sp->portable->page;
	char *top = coro__stack_base(sp, id) + sp->stack_size;
	char *lowest = top;
	int saved = errno;
	int64_t nr = coro__portable_resident(sp->portable, low, top, &lowest);

	errno = saved;
	return nr < 0 ? nr : top - lowest;
}

static int coro__portable_stats(struct coro__space *sp,
				struct coro_stats *stats)
{
	struct coro__portable *p = sp->portable;
	char *end = sp->stacks + (size_t)sp->nr_open * sp->stack_size;
	int saved = errno;
	int64_t nr;

	nr = coro__portable_resident(p, sp->stacks, end, NULL);
	errno = saved;
	if (nr < 0)
		return (int)nr;
	stats->contexts = p->nr_alloc;
	stats->contexts_peak = p->nr_peak;
	stats->stacks_resident_bytes = (uint64_t)nr * p->page;
	return 0;
}

const struct coro__backend coro__backend_portable = {
	.name = "portable",
	.remote = &coro__remote_portable,
	.open = coro__portable_open,
	.close = coro__portable_close,
	.alloc = coro__portable_alloc,
	.free = coro__portable_free,
	.peak = coro__portable_peak,
	.stats = coro__portable_stats,
};
