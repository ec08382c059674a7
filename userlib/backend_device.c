// SPDX-License-Identifier: MIT
/* Contexts and stacks from /dev/coro. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "remote.h"

int coro__device_ioctl(int fd, unsigned long cmd, void *args)
{
	int saved = errno;
	int err = 0;

	while (ioctl(fd, cmd, args)) {
		err = -errno;
		if (err != -EINTR)
			break;
		err = 0;
	}
	errno = saved;
	return err;
}

static void *coro__device_map(const struct coro__space *sp, uint64_t off,
			      uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 sp->fd, (off_t)off);

	return map == MAP_FAILED ? NULL : map;
}

static int coro__device_setup(struct coro__space *sp)
{
	struct coro_setup_args setup = {
		.size = sizeof(setup),
		.flags = CORO_SCHED_F_CLAMP,
		.max_contexts = sp->max,
		.stack_size_bytes = sp->stack_size,
	};
	int err;

	err = coro__device_ioctl(sp->fd, CORO_IOC_SETUP, &setup);
	if (err)
		return err;
	/* Less stack than was asked for would be a crash to come. */
	if (setup.out_stack_size_bytes < sp->stack_size)
		return -ENOSPC;
	sp->features = setup.out_features;
	sp->max = setup.out_max_contexts;
	sp->stack_size = setup.out_stack_size_bytes;
	sp->stacks_bytes = setup.out_stacks_bytes;
	sp->table_bytes = setup.out_table_bytes;
	sp->table = coro__device_map(sp, setup.out_table_off,
				     setup.out_table_bytes);
	if (!sp->table)
		return -ENOMEM;
	sp->stacks = coro__device_map(sp, setup.out_stacks_off,
				      setup.out_stacks_bytes);
	if (sp->stacks)
		return 0;
	munmap(sp->table, setup.out_table_bytes);
	return -ENOMEM;
}

/* Not open() and close(), where pthread_cancel() could end the thread with them. */
static int coro__device_open(struct coro__space *sp)
{
	int err;

	sp->fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/coro",
			      O_RDWR | O_CLOEXEC);
	if (sp->fd < 0)
		return -errno;
	err = coro__device_setup(sp);
	if (err) {
		syscall(SYS_close, sp->fd);
		sp->fd = -1;
	}
	return err;
}

static void coro__device_close(struct coro__space *sp)
{
	munmap(sp->stacks, sp->stacks_bytes);
	munmap(sp->table, sp->table_bytes);
	syscall(SYS_close, sp->fd);
	free(sp->events);
}

/*
 * Core dumps leave the arena out but for what was asked for. Ask for stacks as
 * they come into use, twice as many each time: each call costs a mapping.
 */
static void coro__device_dump(struct coro__space *sp, uint32_t index)
{
	size_t from = sp->nr_dumped;
	size_t to = 2 * ((size_t)index + 1);
	int saved = errno;

	if (index < from)
		return;
	if (to > sp->max)
		to = sp->max;
	madvise(sp->stacks + from * sp->stack_size,
		(to - from) * sp->stack_size, MADV_DODUMP);
	sp->nr_dumped = (uint32_t)to;
	errno = saved;
}

static int coro__device_alloc(struct coro__space *sp, uint64_t *ids,
			      unsigned int nr)
{
	struct coro_alloc_args args = {
		.size = sizeof(args),
		/* For coro_recv() alone: a mailbox that is full stays so until it reads. */
		.flags = CORO_ALLOC_F_DIRECT,
		.nr = nr,
		.ids = (uintptr_t)ids,
	};
	int err = coro__device_ioctl(sp->fd, CORO_IOC_ALLOC, &args);

	if (err)
		return err;
	for (uint32_t i = 0; i < args.out_nr; i++)
		coro__device_dump(sp, CORO_INDEX(ids[i]));
	return (int)args.out_nr;
}

static void coro__device_free(struct coro__space *sp, uint64_t *ids,
			      unsigned int nr, bool trim)
{
	struct coro_free_args args = {
		.size = sizeof(args),
		.flags = trim ? CORO_FREE_F_TRIM : 0,
		.nr = nr,
		.ids = (uintptr_t)ids,
	};

	/* Of live ids, only memory for the call itself can be short: fewer at a time. */
	while (args.nr) {
		int err = coro__device_ioctl(sp->fd, CORO_IOC_FREE, &args);

		if (err && args.nr == 1)
			return;
		if (err) {
			args.nr /= 2;
			continue;
		}
		args.ids += (uint64_t)args.out_nr * sizeof(*ids);
		nr -= args.out_nr;
		args.nr = args.nr < nr ? args.nr : nr;
	}
}

static int64_t coro__device_peak(struct coro__space *sp, uint64_t id)
{
	struct coro_peak peak = { .id = id };
	struct coro_peak_args args = {
		.size = sizeof(args),
		.nr = 1,
		.peaks = (uintptr_t)&peak,
	};
	int err = coro__device_ioctl(sp->fd, CORO_IOC_PEAK, &args);

	return err ? err : (int64_t)peak.out_bytes;
}

static int coro__device_stats(struct coro__space *sp, struct coro_stats *stats)
{
	struct coro_stat_args stat = { .size = sizeof(stat) };
	int err = coro__device_ioctl(sp->fd, CORO_IOC_STAT, &stat);

	if (err)
		return err;
	stats->contexts = stat.out_contexts;
	stats->contexts_peak = stat.out_contexts_peak;
	stats->stacks_resident_bytes = stat.out_stacks_resident_bytes;
	stats->events = stat.out_events_total;
	stats->overflows = stat.out_overflows;
	return 0;
}

const struct coro__backend coro__backend_device = {
	.name = "device",
	.remote = &coro__remote_device,
	.open = coro__device_open,
	.close = coro__device_close,
	.alloc = coro__device_alloc,
	.free = coro__device_free,
	.peak = coro__device_peak,
	.stats = coro__device_stats,
};
