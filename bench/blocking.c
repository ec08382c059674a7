// SPDX-License-Identifier: GPL-2.0
/* Figure "blocking": what it costs to call a function that could block, and does not. */
#define _GNU_SOURCE
#include <coro.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "asyncio.h"
#include "rounds.h"

#define NR(array) (sizeof(array) / sizeof(*(array)))
/* So many at least, beside which the pipe is little that tells the pool's thread. */
#define STEP 32

static long plus_one(void *arg)
{
	return (long)arg + 1;
}

/* As whoever is handed a function calls it. */
static long (*volatile function)(void *arg) = plus_one;

static void plain(long n)
{
	for (long i = 0; i < n; i++)
		must(function((void *)i) == i + 1, "calling");
}

/* In place if the loop can be handed over, else by the pool. */
static void blocking(long n)
{
	long value;

	for (long i = 0; i < n; i++)
		must(!coro_blocking(function, (void *)i, &value) &&
			     value == i + 1,
		     "coro_blocking");
}

static int orders[2], answers[2];

static long take_orders(void *arg)
{
	long n;

	(void)arg;
	while (read(orders[0], &n, sizeof(n)) == sizeof(n)) {
		blocking(n);
		must(write(answers[1], &n, sizeof(n)) == sizeof(n), "write");
	}
	return 0;
}

static void *run_pool_loop(void *arg)
{
	(void)arg;
	must(!coro_run(take_orders, NULL), "coro_run");
	return NULL;
}

/* In a thread with a loop that cannot be handed over, while that of this one waits. */
static void pool(long n)
{
	static pthread_t thread;

	if (!thread) {
		must(!pipe(orders) && !pipe(answers), "pipe");
		must(!pthread_create(&thread, NULL, run_pool_loop, NULL),
		     "a thread");
	}
	must(write(orders[1], &n, sizeof(n)) == sizeof(n) &&
		     read(answers[0], &n, sizeof(n)) == sizeof(n),
	     "the thread of the pool's loop");
}

struct uv_call {
	uv_work_t work;
	long arg, value;
};

static void uv_work(uv_work_t *work)
{
	struct uv_call *call = work->data;

	call->value = function((void *)call->arg);
}

static void uv_worked(uv_work_t *work, int status)
{
	(void)work;
	must(!status, "uv_queue_work");
}

static void uv_pool(long n)
{
	static uv_loop_t loop;
	struct uv_call call;

	if (!loop.data) {
		must(!uv_loop_init(&loop), "uv_loop_init");
		loop.data = &loop;
	}
	call.work.data = &call;
	for (call.arg = 0; call.arg < n; call.arg++) {
		must(!uv_queue_work(&loop, &call.work, uv_work, uv_worked),
		     "uv_queue_work");
		uv_run(&loop, UV_RUN_DEFAULT);
		must(call.value == call.arg + 1, "calling");
	}
}

static void asyncio_blocking(long n)
{
	asyncio("blocking", n);
}

/* Ours is the pool. */
static const struct contender portable[] = {
	{ "libcoro-pool", "", blocking },
	{ "plain call", "", plain },
	{ "libuv", "libuv1-dev", uv_pool },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_blocking },
};

static const struct contender device[] = {
	{ "libcoro-handoff", "", blocking },
	{ "plain call", "", plain },
	{ "libcoro-pool", "", pool },
	{ "libuv", "libuv1-dev", uv_pool },
	{ "asyncio", ASYNCIO_PACKAGE, asyncio_blocking },
};

static const struct figure figures[] = {
	{ "blocking", "call", STEP, portable, NR(portable) },
	{ "blocking", "call", STEP, device, NR(device) },
};

struct program {
	int argc;
	char **argv;
};

static long run(void *arg)
{
	const struct program *p = arg;
	bool handoff = !strcmp(coro_backend(), "device");

	return rounds_main(p->argc, p->argv, &figures[handoff], 1);
}

int main(int argc, char **argv)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.flags = CORO_RUN_F_HANDOFF,
	};
	struct program p = { argc, argv };
	long ret;

	must(!coro_run_opts(run, &p, &opts, &ret), "coro_run_opts");
	return (int)ret;
}
