// SPDX-License-Identifier: GPL-2.0
/* Figure "device": what paths through /dev/coro cost where time is counted in instructions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <linux/coro.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "rounds.h"

/* Each loop is measured so often, and the median counts: ticks fall out. */
#define TRIES 9
#define BATCH 256
#define BURST 64
#define PAGE 4096UL
#define STACK (16 * PAGE)

static int dev;
static char *stacks;
static uint64_t ids[BATCH];
static struct coro_wake wakes[BURST];
static struct coro_event events[BURST];
static struct io_uring ring;
static int event_fd;

static void command(unsigned long cmd, void *args)
{
	must(!ioctl(dev, cmd, args), "ioctl");
}

static void alloc(unsigned int nr)
{
	struct coro_alloc_args args = {
		.size = sizeof(args),
		.nr = nr,
		.ids = (uintptr_t)ids,
	};

	command(CORO_IOC_ALLOC, &args);
	must(args.out_nr == nr, "CORO_IOC_ALLOC");
}

static void give(unsigned int nr, unsigned int flags)
{
	struct coro_free_args args = {
		.size = sizeof(args),
		.flags = flags,
		.nr = nr,
		.ids = (uintptr_t)ids,
	};

	command(CORO_IOC_FREE, &args);
	must(args.out_nr == nr, "CORO_IOC_FREE");
}

static void wake(unsigned int nr)
{
	struct coro_wake_args args = {
		.size = sizeof(args),
		.nr = nr,
		.wakes = (uintptr_t)wakes,
	};

	command(CORO_IOC_WAKE, &args);
	must(args.out_nr == nr, "CORO_IOC_WAKE");
}

static void get(unsigned int nr)
{
	ssize_t len = nr * sizeof(*events);

	must(read(dev, events, sizeof(events)) == len, "read");
}

/* What is measured: @run, as a difference to @without; both do @per of them. */
struct cost {
	const char *name;
	unsigned int per;
	void (*prepare)(void);
	void (*run)(void);
	void (*finish)(void);
};

static void nothing(void)
{
}

static void do_getppid(void)
{
	syscall(SYS_getppid);
}

static void do_stat(void)
{
	struct coro_stat_args args = { .size = sizeof(args) };

	command(CORO_IOC_STAT, &args);
}

static void alloc_one(void)
{
	alloc(1);
}

static void alloc_batch(void)
{
	alloc(BATCH);
}

static void free_one(void)
{
	give(1, 0);
}

static void free_batch(void)
{
	give(BATCH, 0);
}

static void touch(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		char *top = stacks + (CORO_INDEX(ids[i]) + 1) * STACK;

		((volatile char *)top)[-1] = 1;
	}
}

static void alloc_and_touch(void)
{
	alloc(BATCH);
	touch(BATCH);
}

static void alloc_and_touch_one(void)
{
	alloc(1);
	touch(1);
}

static void touch_batch(void)
{
	touch(BATCH);
}

static void trim_one(void)
{
	give(1, CORO_FREE_F_TRIM);
}

static void trim_batch(void)
{
	give(BATCH, CORO_FREE_F_TRIM);
}

static char *area;
static int area_fd;

static void touch_area(void)
{
	for (unsigned int i = 0; i < BATCH; i++)
		((volatile char *)area)[(i + 1) * STACK - 1] = 1;
}

static void area_map(int flags, int fd)
{
	area = mmap(NULL, BATCH * STACK, PROT_READ | PROT_WRITE, flags, fd, 0);
	must(area != MAP_FAILED, "mmap");
	madvise(area, BATCH * STACK, MADV_NOHUGEPAGE);
}

static void map_anon(void)
{
	area_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static void map_memfd(void)
{
	area_fd = memfd_create("bench", 0);
	must(area_fd >= 0 && !ftruncate(area_fd, BATCH * STACK),
	     "memfd_create");
	area_map(MAP_SHARED, area_fd);
}

static void unmap_anon(void)
{
	munmap(area, BATCH * STACK);
}

static void unmap_memfd(void)
{
	unmap_anon();
	close(area_fd);
}

static void wakes_ready(void)
{
	alloc(BATCH);
	for (unsigned int i = 0; i < BURST; i++)
		wakes[i] = (struct coro_wake){ .id = ids[i], .value = i };
}

static void wakes_done(void)
{
	ssize_t got = read(dev, events, sizeof(events));

	(void)got;
	free_batch();
}

static void wake_one(void)
{
	wake(1);
}

static void wake_burst(void)
{
	wake(BURST);
}

static void woken_one(void)
{
	wakes_ready();
	wake(1);
}

static void woken_burst(void)
{
	wakes_ready();
	wake(BURST);
}

static void get_one(void)
{
	get(1);
}

static void get_burst(void)
{
	get(BURST);
}

static void read_armed(int fd, void *buf, unsigned int len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_read(sqe, fd, buf, len, 0);
	must(io_uring_submit(&ring) == 1, "io_uring_submit");
}

static void read_completed(int len)
{
	struct io_uring_cqe *cqe;

	must(!io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
	must(cqe->res == len, "reading through the ring");
	io_uring_cqe_seen(&ring, cqe);
}

static void ring_wake(void)
{
	read_armed(dev, events, sizeof(events));
	wake(1);
	read_completed(sizeof(*events));
}

static uint64_t count;

static void ring_eventfd(void)
{
	const uint64_t one = 1;

	read_armed(event_fd, &count, sizeof(count));
	must(write(event_fd, &one, sizeof(one)) == sizeof(one), "write");
	read_completed(sizeof(count));
}

static void eventfd_add(void)
{
	const uint64_t one = 1;

	must(write(event_fd, &one, sizeof(one)) == sizeof(one), "write");
}

static void eventfd_take(void)
{
	must(read(event_fd, &count, sizeof(count)) == sizeof(count), "read");
}

static const struct cost costs[] = {
	{ "empty system call (getppid)", 1, nothing, do_getppid, nothing },
	{ "STAT", 1, nothing, do_stat, nothing },
	{ "ALLOC of one", 1, nothing, alloc_one, free_one },
	{ "ALLOC of 256, each", BATCH, nothing, alloc_batch, free_batch },
	{ "FREE of one", 1, alloc_one, free_one, nothing },
	{ "FREE of 256, each", BATCH, alloc_batch, free_batch, nothing },
	{ "FREE and TRIM of one, a page in use", 1, alloc_and_touch_one,
	  trim_one, nothing },
	{ "FREE and TRIM of 256, a page each, each", BATCH, alloc_and_touch,
	  trim_batch, nothing },
	{ "first touch of a stack page", BATCH, alloc_batch, touch_batch,
	  trim_batch },
	{ "first touch of an anonymous page", BATCH, map_anon, touch_area,
	  unmap_anon },
	{ "first touch of a memfd page", BATCH, map_memfd, touch_area,
	  unmap_memfd },
	{ "WAKE of one", 1, wakes_ready, wake_one, wakes_done },
	{ "WAKE of 64, each", BURST, wakes_ready, wake_burst, wakes_done },
	{ "read of one event", 1, woken_one, get_one, free_batch },
	{ "read of 64 events, each", BURST, woken_burst, get_burst,
	  free_batch },
	{ "eventfd write", 1, nothing, eventfd_add, eventfd_take },
	{ "eventfd read", 1, eventfd_add, eventfd_take, nothing },
	{ "ring READ of the device, WAKE, completion", 1, wakes_ready,
	  ring_wake, free_batch },
	{ "ring READ of an eventfd, write, completion", 1, nothing,
	  ring_eventfd, nothing },
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ticks of the counter from before @run to after it, the median. */
static uint64_t ticks(const struct cost *c, void (*run)(void), int times)
{
	uint64_t took[TRIES], sum, from;

	for (int t = 0; t < TRIES; t++) {
		sum = 0;
		for (int i = 0; i < times; i++) {
			c->prepare();
			from = __rdtsc();
			run();
			sum += __rdtsc() - from;
			if (run == nothing)
				c->run();
			c->finish();
		}
		took[t] = sum;
	}
	qsort(took, TRIES, sizeof(*took), compare);
	return took[TRIES / 2];
}

static void measure(const struct cost *c)
{
	int times = c->per > 1 ? 8 : 200;
	uint64_t all, empty;

	ticks(c, c->run, 2);
	all = ticks(c, c->run, times);
	empty = ticks(c, nothing, times);
	printf("cost\t%s\t%.1f\n", c->name,
	       (double)(all - empty) / times / c->per);
}

static void set_up(void)
{
	struct coro_setup_args setup = {
		.size = sizeof(setup),
		.max_contexts = 4 * BATCH,
		.stack_size_bytes = STACK,
	};
	void *table;

	dev = open("/dev/coro", O_RDWR | O_CLOEXEC);
	must(dev >= 0, "opening /dev/coro");
	command(CORO_IOC_SETUP, &setup);
	table = mmap(NULL, setup.out_table_bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED, dev, setup.out_table_off);
	must(table != MAP_FAILED, "mmap");
	stacks = mmap(NULL, setup.out_stacks_bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED, dev, setup.out_stacks_off);
	must(stacks != MAP_FAILED, "mmap");
	event_fd = eventfd(0, 0);
	must(event_fd >= 0, "eventfd");
	must(!io_uring_queue_init(8, &ring, 0), "io_uring_setup");
}

int main(void)
{
	set_up();
	for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++)
		measure(&costs[i]);
	return 0;
}
