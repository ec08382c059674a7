// SPDX-License-Identifier: GPL-2.0
/* Figures of tasks and of what they share: against Boost.Fiber, libuv and Python's asyncio. */
#define _GNU_SOURCE
#include <coro.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "asyncio.h"
#include "fiber.h"
#include "rounds.h"

#define CROWD_ROUNDS 3

static long brief(void *arg)
{
	(void)arg;
	return 0;
}

static void coro_task(long n)
{
	struct coro *c;

	while (n--) {
		must(!coro_spawn_opts(&c, brief, NULL, NULL),
		     "coro_spawn_opts");
		must(!coro_await(c), "coro_await");
	}
}

static void coro_group_of_one(long n)
{
	struct coro_group g;

	while (n--) {
		coro_group_open(&g, NULL);
		must(!coro_group_spawn(&g, brief, NULL), "coro_group_spawn");
		must(!coro_group_close(&g, 0), "coro_group_close");
	}
}

static void coro_mutex(long n)
{
	static struct coro_mutex m = CORO_MUTEX_INIT(0);

	while (n--) {
		coro_mutex_lock(&m, CORO_NEVER);
		coro_mutex_unlock(&m);
	}
}

static struct coro_queue *there, *back;

static long echo(void *arg)
{
	void *item;

	(void)arg;
	while (!coro_queue_get(there, &item, CORO_NEVER))
		coro_queue_put(back, item, CORO_NEVER);
	return 0;
}

static void coro_queue_trip(long n)
{
	void *item = &there;

	if (!there) {
		must(!coro_queue_new(&there, NULL), "coro_queue_new");
		must(!coro_queue_new(&back, NULL), "coro_queue_new");
		must(!coro_spawn(echo, NULL), "coro_spawn");
	}
	while (n--) {
		coro_queue_put(there, item, CORO_NEVER);
		coro_queue_get(back, &item, CORO_NEVER);
	}
}

static void coro_timer(long n)
{
	int64_t deadline = coro_after(3600 * CORO_SEC);
	struct coro_scope s;

	while (n--) {
		coro_scope_enter(&s, deadline++);
		coro_scope_leave(&s, 0);
	}
}

/* One scope, whose deadline comes and goes: what uv_timer_start() and _stop() do. */
static void coro_timer_again(long n)
{
	int64_t deadline = coro_after(3600 * CORO_SEC);
	struct coro_scope s;

	coro_scope_enter(&s, CORO_NEVER);
	while (n--) {
		coro_scope_set_deadline(&s, deadline++);
		coro_scope_set_deadline(&s, CORO_NEVER);
	}
	coro_scope_leave(&s, 0);
}

static void uv_nothing(uv_timer_t *t)
{
	(void)t;
}

static void uv_timer(long n)
{
	static uv_loop_t loop;
	static uv_timer_t timer;
	uint64_t deadline = 3600000;

	if (!timer.loop) {
		must(!uv_loop_init(&loop), "uv_loop_init");
		must(!uv_timer_init(&loop, &timer), "uv_timer_init");
	}
	while (n--) {
		uv_timer_start(&timer, uv_nothing, deadline++, 0);
		uv_timer_stop(&timer);
	}
}

#define UV_HANDLES 64

/* A timer that is made for the occasion, as a scope is; closed by the next turn. */
static void uv_timer_handles(long n)
{
	static uv_loop_t loop;
	static uv_timer_t timers[UV_HANDLES];
	uint64_t deadline = 3600000;

	if (!loop.data) {
		must(!uv_loop_init(&loop), "uv_loop_init");
		loop.data = &loop;
	}
	for (long i = 0; i < n; i++) {
		uv_timer_t *t = &timers[i % UV_HANDLES];

		uv_timer_init(&loop, t);
		uv_timer_start(t, uv_nothing, deadline++, 0);
		uv_timer_stop(t);
		uv_close((uv_handle_t *)t, NULL);
		if (i % UV_HANDLES == UV_HANDLES - 1 || i == n - 1)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
}

static long wait_for_ever(void *arg)
{
	(void)arg;
	return coro_sleep(CORO_NEVER);
}

/* @n are started, wait, are cancelled and end. */
static void coro_cancelled(long n)
{
	struct coro_group g;

	coro_group_open(&g, NULL);
	for (long i = 0; i < n; i++)
		must(!coro_group_spawn(&g, wait_for_ever, NULL),
		     "coro_group_spawn");
	coro_sleep(0);
	coro_group_cancel(&g);
	must(!coro_group_close(&g, 0), "coro_group_close");
}

static void asyncio_task(long n)
{
	asyncio("task", n);
}

static void asyncio_mutex(long n)
{
	asyncio("mutex", n);
}

static void asyncio_queue(long n)
{
	asyncio("queue", n);
}

static void asyncio_timer(long n)
{
	asyncio("timer", n);
}

static void asyncio_cancelled(long n)
{
	asyncio("cancelled", n);
}

#define FIBER "libboost-fiber1.74-dev"

static const struct contender task[] = {
	{ "libcoro", "", coro_task },
	{ "libcoro-group", "", coro_group_of_one },
	{ "boost-fiber-pooled", FIBER, boost_task_pooled },
	{ "boost-fiber", FIBER, boost_task },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_task },
};

static const struct contender mutex[] = {
	{ "libcoro", "", coro_mutex },
	{ "boost-fiber", FIBER, boost_mutex },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_mutex },
};

static const struct contender queue[] = {
	{ "libcoro", "", coro_queue_trip },
	{ "boost-fiber", FIBER, boost_queue },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_queue },
};

static const struct contender timer[] = {
	{ "libcoro", "", coro_timer },
	{ "libcoro-rearmed", "", coro_timer_again },
	{ "libuv", "libuv1-dev", uv_timer },
	{ "libuv-handle", "libuv1-dev", uv_timer_handles },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_timer },
};

#define NR(array) (sizeof(array) / sizeof(*(array)))

static const struct figure figures[] = {
	{ "task", "spawn and join", 1, task, NR(task) },
	{ "mutex", "lock and unlock", 1, mutex, NR(mutex) },
	{ "queue", "round trip", 1, queue, NR(queue) },
	{ "timer", "add and cancel", 1, timer, NR(timer) },
};

/* Crowds take long: few rounds, and as many of each size as is one of the largest. */
static void measure_crowd(const char *figure, const char *name,
			  const char *package, long n, long times,
			  void (*run)(long n))
{
	run(n);
	printf("time\t%s\twaiting task\t%s\t%s", figure, name, package);
	for (int round = 0; round < CROWD_ROUNDS; round++) {
		int64_t begun = coro_now();

		for (long i = 0; i < times; i++)
			run(n);
		printf("\t%.1f",
		       (double)(coro_now() - begun) / (double)(n * times));
	}
	printf("\n");
}

static void crowds(void)
{
	measure_crowd("cancelled-10000", "libcoro", "", 10000, 10,
		      coro_cancelled);
	measure_crowd("cancelled-10000", "asyncio", ASYNCIO_PACKAGE, 10000, 1,
		      asyncio_cancelled);
	measure_crowd("cancelled-10000", "libcoro-1000", "", 1000, 100,
		      coro_cancelled);
	measure_crowd("cancelled-10000", "libcoro-100000", "", 100000, 1,
		      coro_cancelled);
	measure_crowd("cancelled-10000", "libcoro-1000000", "", 1000000, 1,
		      coro_cancelled);
}

struct program {
	int argc;
	char **argv;
};

/* All of it runs in a coroutine, so that ours need no new loop in each turn. */
static long run(void *arg)
{
	const struct program *p = arg;
	int ret = rounds_main(p->argc, p->argv, figures, NR(figures));

	if (!ret && p->argc == 1)
		crowds();
	return ret;
}

int main(int argc, char **argv)
{
	struct program p = { argc, argv };

	return (int)coro_run(run, &p);
}
