// SPDX-License-Identifier: GPL-2.0
/*
 * What costs what does not block: figure "blocking", a function that could; and figure
 * "entry", a call of the library where the loop is handed over wherever it is called from.
 */
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

/* A pair of calls that have nothing to wait for. */
static void lock(long n)
{
	struct coro_mutex m;

	must(!coro_mutex_init(&m, 0), "coro_mutex_init");
	for (long i = 0; i < n; i++)
		must(!coro_mutex_lock(&m, CORO_NEVER) && !coro_mutex_unlock(&m),
		     "lock and unlock");
	must(!coro_mutex_fini(&m), "coro_mutex_fini");
}

/* In a thread of its own, while that of who wants something done waits. */
struct other_loop {
	uint64_t flags;
	void (*work)(long n);
	bool runs;
	int orders[2], answers[2];
};

static long take_orders(void *arg)
{
	struct other_loop *l = arg;
	long n;

	while (read(l->orders[0], &n, sizeof(n)) == sizeof(n)) {
		l->work(n);
		must(write(l->answers[1], &n, sizeof(n)) == sizeof(n), "write");
	}
	return 0;
}

static void *run_other_loop(void *arg)
{
	const struct other_loop *l = arg;
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .flags = l->flags };

	must(!coro_run_opts(take_orders, arg, &opts, NULL), "coro_run_opts");
	return NULL;
}

static void order(struct other_loop *l, long n)
{
	pthread_t thread;

	if (!l->runs) {
		must(!pipe(l->orders) && !pipe(l->answers), "pipe");
		must(!pthread_create(&thread, NULL, run_other_loop, l),
		     "a thread");
		l->runs = true;
	}
	must(write(l->orders[1], &n, sizeof(n)) == sizeof(n) &&
		     read(l->answers[0], &n, sizeof(n)) == sizeof(n),
	     "the thread of the other loop");
}

/* In a loop that cannot be handed over. */
static void pool(long n)
{
	static struct other_loop l = { .work = blocking };

	order(&l, n);
}

static void lock_in_always(long n)
{
	static struct other_loop l = { .flags = CORO_RUN_F_HANDOFF_ALWAYS,
				       .work = lock };

	order(&l, n);
}

static void lock_in_plain(long n)
{
	static struct other_loop l = { .work = lock };

	order(&l, n);
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

static const struct contender entry[] = {
	{ "libcoro-always", "", lock_in_always },
	{ "libcoro-handoff", "", lock },
	{ "libcoro", "", lock_in_plain },
};

static const struct figure figures[] = {
	{ "blocking", "call", STEP, portable, NR(portable) },
	{ "blocking", "call", STEP, device, NR(device) },
	{ "entry", "lock and unlock", STEP, entry, NR(entry) },
};

struct program {
	int argc;
	char **argv;
};

static long run(void *arg)
{
	const struct program *p = arg;
	bool handoff = !strcmp(coro_backend(), "device");

	return rounds_main(p->argc, p->argv, &figures[handoff], 1 + handoff);
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
