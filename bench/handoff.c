// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs that a worker blocks: until one that stands by runs, and for those
 * who need none. One processor, whose clock counts instructions.
 */
#include <fcntl.h>
#include <linux/coro.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"

#define ROUNDS 201
#define SWITCHES 2000

static int dev;
static char *pages;
static int door[2]; /* what the worker blocks at */
static int64_t left_ns; /* when it began to */
static uint32_t stage; /* a futex, for the peer and for turns */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void sched_new(void)
{
	struct coro_setup_args setup = {
		.size = sizeof(setup),
		.max_contexts = 8,
		.stack_size_bytes = 8192,
	};

	dev = open("/dev/coro", O_RDWR | O_CLOEXEC);
	must(dev >= 0, "opening /dev/coro");
	must(!ioctl(dev, CORO_IOC_SETUP, &setup), "SETUP");
	must(mmap(NULL, setup.out_table_bytes, PROT_READ | PROT_WRITE,
		  MAP_SHARED, dev, setup.out_table_off) != MAP_FAILED,
	     "mmap");
}

/* The word of the calling thread, which is a worker from here on. */
static uint64_t *attach(uint64_t *ret_idle)
{
	struct coro_attach_args args = { .size = sizeof(args) };
	long page = sysconf(_SC_PAGESIZE);

	must(!ioctl(dev, CORO_IOC_ATTACH, &args), "ATTACH");
	if (!pages)
		pages = mmap(NULL, args.out_max_workers * (size_t)page,
			     PROT_READ | PROT_WRITE, MAP_SHARED, dev,
			     CORO_OFF_WORKERS);
	must(pages != MAP_FAILED, "mmap of the workers");
	*ret_idle = args.out_word;
	return (uint64_t *)(pages + args.out_id * page);
}

static void detach(void)
{
	struct coro_detach_args args = { .size = sizeof(args) };

	must(!ioctl(dev, CORO_IOC_DETACH, &args), "DETACH");
}

static void debounce_set(const char *us)
{
	int fd = open("/sys/module/coro/parameters/debounce_us", O_WRONLY);

	must(write(fd, us, strlen(us)) > 0, "debounce_us");
	close(fd);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void tell(const char *what, double value)
{
	printf("handoff\t%s\t%.1f\n", what, value);
}

static void tell_median(const char *what, int64_t *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	tell(what, (double)values[ROUNDS / 2]);
}

static void *block_often(void *arg)
{
	uint64_t idle, *word = attach(&idle);
	char c;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		__atomic_store_n(word, idle | CORO_WORKER_BLOCKING,
				 __ATOMIC_RELEASE);
		left_ns = now_ns();
		must(read(door[0], &c, 1) == 1, "read");
		idle += 2 * CORO_WORKER_COUNT;
	}
	__atomic_store_n(word, idle, __ATOMIC_RELEASE);
	return NULL;
}

/* From before the call that blocks to the other thread, back from STANDBY. */
static void block_to_standby(const char *debounce, const char *what)
{
	int64_t values[ROUNDS];
	uint64_t idle;
	pthread_t thread;

	debounce_set(debounce);
	attach(&idle);
	must(!pthread_create(&thread, NULL, block_often, NULL), "a thread");
	for (int i = 0; i < ROUNDS; i++) {
		struct coro_standby_args sb = {
			.size = sizeof(sb),
			.deadline_ns = CORO_NO_DEADLINE,
		};

		must(!ioctl(dev, CORO_IOC_STANDBY, &sb), "STANDBY");
		values[i] = now_ns() - left_ns;
		must(write(door[1], "", 1) == 1, "write");
	}
	pthread_join(thread, NULL);
	detach();
	tell_median(what, values);
}

static void futex(int op, uint32_t value)
{
	syscall(SYS_futex, &stage, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL,
		0);
}

static void *wake_and_block(void *arg)
{
	char c;

	(void)arg;
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		left_ns = now_ns();
		__atomic_store_n(&stage, i, __ATOMIC_RELEASE);
		futex(FUTEX_WAKE, 1);
		must(read(door[0], &c, 1) == 1, "read");
	}
	return NULL;
}

/* What a pool of threads pays for each call, if it blocks or not. */
static void wake_to_thread(void)
{
	int64_t values[ROUNDS];
	pthread_t thread;

	must(!pthread_create(&thread, NULL, wake_and_block, NULL), "a thread");
	for (uint32_t i = 0; i < ROUNDS; i++) {
		while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) == i)
			futex(FUTEX_WAIT, i);
		values[i] = now_ns() - left_ns;
		must(write(door[1], "", 1) == 1, "write");
	}
	pthread_join(thread, NULL);
	tell_median("peer: futex wake to another thread running", values);
}

struct partner {
	bool attached;
	uint64_t bits;
	int in, out; /* what it waits at and answers to; -1 to yield */
};

static void *take_turns(void *arg)
{
	const struct partner *p = arg;
	uint64_t idle, *word = p->attached ? attach(&idle) : NULL;
	char c;

	if (word)
		*word = idle | p->bits;
	for (int i = 0; i < SWITCHES; i++) {
		if (p->in < 0)
			sched_yield();
		else
			must(read(p->in, &c, 1) == 1 && write(p->out, "", 1),
			     "a turn");
	}
	if (word)
		*word = idle;
	return NULL;
}

/* Two threads that take turns, per switch. */
static void switches(const char *what, bool blocks, bool attached,
		     uint64_t bits)
{
	struct partner p[2] = {
		{ .attached = attached, .bits = bits, .in = -1 },
		{ .attached = attached, .bits = bits, .in = -1 },
	};
	int a[2], b[2];
	pthread_t threads[2];
	int64_t start;

	must(!pipe(a) && !pipe(b), "pipe");
	if (blocks) {
		p[0].in = a[0];
		p[0].out = b[1];
		p[1].in = b[0];
		p[1].out = a[1];
		must(write(a[1], "", 1) == 1, "write");
	}
	start = now_ns();
	for (int i = 0; i < 2; i++)
		must(!pthread_create(&threads[i], NULL, take_turns, &p[i]),
		     "a thread");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	tell(what, (double)(now_ns() - start) / SWITCHES / 2);
}

int main(void)
{
	sched_new();
	must(!pipe(door), "pipe");
	/* The clock leaps to the end. */
	setvbuf(stdout, NULL, _IOFBF, 0);
	switches("yield, nobody was ever attached", false, false, 0);
	block_to_standby("0", "block to standby, no debounce");
	block_to_standby("10", "block to standby, debounce of 10 us");
	wake_to_thread();
	switches("yield, not attached", false, false, 0);
	switches("yield, attached", false, true, 0);
	switches("yield, attached, inside", false, true, CORO_WORKER_BLOCKING);
	debounce_set("1000000");
	switches("sleep and wake, not attached", true, false, 0);
	switches("sleep and wake, attached", true, true, 0);
	switches("sleep and wake, attached, inside, debounced", true, true,
		 CORO_WORKER_BLOCKING);
	debounce_set("10");
	return 0;
}
