// SPDX-License-Identifier: MIT
/*
 * The context table of one scheduler of another process: read as linux/coro.h says, so that
 * what is taken was true.
 *
 * With the device it is mapped through a copy of the scheduler's descriptor, and read from
 * there by the same call, which fails where a plain access would be SIGBUS.
 */
#include "table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CTL_COPIES 4
/* A page of them: the device has either all or none. */
#define CTL_CHUNK 64U
#define CTL_CHUNK_TRIES 3
#define CTL_ENTRY_TRIES 100
/* The count of runs does not wrap in that time. */
#define CTL_COPIES_NS 100000

struct ctl_copies {
	struct coro_shm_context at[CTL_COPIES][CTL_CHUNK];
};

/* Where to read: the process itself, or this one's mapping of the device. */
struct ctl_source {
	pid_t pid;
	uint64_t table;
	uint32_t nr;
	void *map;
	size_t map_bytes;
};

static int64_t ctl_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Copies of @nr entries, one after the other; -EAGAIN if that took too long. */
static int ctl_source_copy(const struct ctl_source *src, uint32_t first,
			   uint32_t nr, struct coro_shm_context *to)
{
	struct iovec from[CTL_COPIES];
	int64_t begun = ctl_now_ns();
	int err;

	for (unsigned int i = 0; i < CTL_COPIES; i++) {
		from[i].iov_base =
			(struct coro_shm_context *)(uintptr_t)src->table +
			first;
		from[i].iov_len = nr * sizeof(*to);
	}
	err = ctl_process_gather(src->pid, from, CTL_COPIES, to);
	if (err)
		return err;
	return ctl_now_ns() - begun < CTL_COPIES_NS ? 0 : -EAGAIN;
}

/* Whether the middle ones of four copies, @nr entries from each to the next, are true. */
static bool ctl_copies_agree(const struct coro_shm_context *a, uint32_t nr)
{
	const struct coro_shm_context *b = a + nr, *c = b + nr, *d = c + nr;

	return a->generation == d->generation && a->runs == d->runs &&
	       !memcmp(b, c, sizeof(*b));
}

static int ctl_source_entry(const struct ctl_source *src, uint32_t index,
			    struct coro_shm_context *ret_entry)
{
	struct coro_shm_context copies[CTL_COPIES];

	for (unsigned int i = 0; i < CTL_ENTRY_TRIES; i++) {
		int err = ctl_source_copy(src, index, 1, copies);

		*ret_entry = copies[1];
		if (!err && ctl_copies_agree(copies, 1))
			return 0;
		if (err && err != -EAGAIN)
			return err;
	}
	return -EBUSY;
}

/* What does not come to rest runs; what it waited for before is not of interest. */
static void ctl_entry_runs(struct coro_shm_context *entry)
{
	entry->state = CORO_STATE_RUNNING;
	entry->awaits_kind = CORO_AWAITS_NOTHING;
	entry->awaits = 0;
	entry->sp = 0;
}

static int ctl_source_chunk(const struct ctl_source *src, uint32_t first,
			    uint32_t nr, ctl_entry_fn *fn, void *arg)
{
	struct ctl_copies copies;
	int late = -EAGAIN;
	int err = 0;

	for (int i = 0; late == -EAGAIN && i < CTL_CHUNK_TRIES; i++)
		late = ctl_source_copy(src, first, nr, copies.at[0]);
	if (late && late != -EAGAIN)
		return late;
	for (uint32_t i = 0; i < nr && !err; i++) {
		struct coro_shm_context entry = copies.at[0][nr + i];
		bool busy = false;

		if (late || !ctl_copies_agree(&copies.at[0][i], nr))
			err = ctl_source_entry(src, first + i, &entry);
		if (err == -EBUSY) {
			ctl_entry_runs(&entry);
			busy = true;
			err = 0;
		}
		if (!err && entry.state != CORO_STATE_FREE)
			err = fn(arg, first + i, &entry, busy);
	}
	return err;
}

/* Maps an area of the device, to be read by process_vm_readv() alone: see above. */
static void *ctl_source_area(int fd, uint64_t off, size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)off);

	return map == MAP_FAILED ? NULL : map;
}

/* The descriptor may be another's by now: then it is no header. */
static int ctl_source_header(int fd, struct coro_shm_header *ret_header)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *map = ctl_source_area(fd, CORO_OFF_HEADER, page);
	const struct iovec from = { map, sizeof(*ret_header) };
	int err;

	if (!map)
		return -errno;
	err = ctl_process_gather(getpid(), &from, 1, ret_header);
	munmap(map, page);
	if (!err &&
	    (ret_header->magic != CORO_SHM_MAGIC ||
	     ret_header->version != CORO_SHM_VERSION ||
	     ret_header->entry_bytes != sizeof(struct coro_shm_context)))
		err = -EPROTO;
	return err;
}

static int ctl_source_map(struct ctl_source *src, int fd)
{
	struct coro_shm_header header;
	int err = ctl_source_header(fd, &header);

	if (err)
		return err;
	src->map_bytes = header.entry_bytes * (size_t)header.max_contexts;
	src->map = ctl_source_area(fd, CORO_OFF_TABLE, src->map_bytes);
	if (!src->map)
		return -errno;
	src->nr = header.max_contexts;
	src->pid = getpid();
	src->table = (uintptr_t)src->map;
	return 0;
}

static int ctl_source_open(struct ctl_source *src, const struct ctl_process *p,
			   const struct ctl_sched *sched)
{
	int fd, err;

	*src = (struct ctl_source){ .pid = p->pid, .table = sched->table };
	if (sched->fd < 0) {
		src->nr = sched->nr_open;
		return 0;
	}
	fd = ctl_process_fd(p, sched->fd);
	if (fd < 0)
		return fd;
	err = ctl_source_map(src, fd);
	close(fd);
	return err;
}

static void ctl_source_close(struct ctl_source *src)
{
	if (src->map)
		munmap(src->map, src->map_bytes);
}

int ctl_table_read(const struct ctl_process *p, const struct ctl_sched *sched,
		   ctl_entry_fn *fn, void *arg)
{
	struct ctl_source src;
	int err = ctl_source_open(&src, p, sched);

	for (uint32_t at = 0; at < src.nr && !err; at += CTL_CHUNK) {
		uint32_t nr = src.nr - at < CTL_CHUNK ? src.nr - at : CTL_CHUNK;

		err = ctl_source_chunk(&src, at, nr, fn, arg);
		/* Of the device's table no page is there behind those that were used. */
		if (err == -EFAULT && src.map) {
			err = 0;
			break;
		}
	}
	ctl_source_close(&src);
	return err;
}

int ctl_table_entry(const struct ctl_process *p, const struct ctl_sched *sched,
		    uint32_t index, struct coro_shm_context *ret_entry)
{
	const struct ctl_source src = { .pid = p->pid, .table = sched->table };

	return ctl_source_entry(&src, index, ret_entry);
}
