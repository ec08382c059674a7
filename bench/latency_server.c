// SPDX-License-Identifier: GPL-2.0
/* Figure "latency": the server, one coroutine of which calls a function that sleeps. */
#define _GNU_SOURCE
#include <coro.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"
#include "latency.h"
#include "rounds.h"

#define SLEEP_NS 100000000
/* Time for the others between two sleeps. */
#define PAUSE_NS (10 * CORO_MSEC)
#define BLOCK_BYTES 4096

static int disk = -1;

void latency_open_disk(const char *path)
{
	disk = open(path, O_RDWR | O_CLOEXEC);
	must(disk >= 0, path);
}

static long sleep_interruptibly(void *arg)
{
	struct timespec left = { .tv_nsec = SLEEP_NS };

	(void)arg;
	while (nanosleep(&left, &left) && errno == EINTR)
		;
	return 0;
}

/* The parent is in state D until its child has ended. */
static long sleep_in_vfork(void *arg)
{
	pid_t pid = vfork();

	must(pid >= 0, "vfork");
	if (!pid) {
		sleep_interruptibly(arg);
		_exit(0);
	}
	return 0;
}

/* A write and a flush, each of which takes the disk a while. */
static long sync_disk(void *arg)
{
	static char block[BLOCK_BYTES];

	(void)arg;
	block[0]++;
	must(pwrite(disk, block, sizeof(block), 0) == sizeof(block), "pwrite");
	must(!fsync(disk), "fsync");
	return 0;
}

const struct latency_sleep latency_quiet = { .name = "nobody sleeps" };

const struct latency_sleep latency_sleeps[] = {
	{ .name = "nanosleep", .fn = sleep_interruptibly },
	{ .name = "vfork", .fn = sleep_in_vfork },
	{ .name = "fsync", .fn = sync_disk, .disk = true },
};

const unsigned int nr_latency_sleeps =
	sizeof(latency_sleeps) / sizeof(*latency_sleeps);

struct sleeper {
	const struct latency_way *way;
	const struct latency_sleep *sleep;
};

static long sleep_often(void *arg)
{
	const struct sleeper *s = arg;

	for (;;) {
		if (s->way->plain)
			s->sleep->fn(NULL);
		else
			must(!coro_blocking(s->sleep->fn, NULL, NULL),
			     "coro_blocking");
		must(!coro_sleep(PAUSE_NS), "coro_sleep");
	}
	return 0;
}

void latency_serve(int listener, const struct latency_way *way,
		   const struct latency_sleep *sleep)
{
	struct sleeper s = { .way = way, .sleep = sleep };

	/* Children of vfork() leave nothing to wait for. */
	signal(SIGCHLD, SIG_IGN);
	echo_coro_beside(listener, way->flags, sleep->fn ? sleep_often : NULL,
			 &s);
}
