// SPDX-License-Identifier: MIT
/* A program to be looked at: coroutines in each state, and chains of those who wait. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <coro.h>

#define NOINLINE __attribute__((noinline))

static NOINLINE long sleeps(void *arg)
{
	long local = 4242;

	if (coro_sleep(600 * CORO_SEC))
		local++;
	return local + (long)arg;
}

static NOINLINE long awaits_inline(void *arg)
{
	return coro_await(coro_new(sleeps, arg)) + 1;
}

static NOINLINE long resumes(void *arg)
{
	struct coro *c = coro_new(awaits_inline, arg);
	long value = 0;

	coro_resume(c, 0, &value);
	coro_put(c);
	return value + 1;
}

static NOINLINE long yields(void *arg)
{
	return coro_yield(1, NULL) + (long)arg;
}

static bool hangs;
static volatile bool ever = true;

/* Where the debugger looks. */
static NOINLINE long stops(void *arg)
{
	coro_sleep(0);
	if (hangs) {
		puts("hangs");
		fflush(stdout);
		while (ever)
			;
	}
	raise(SIGTRAP);
	exit(0);
	return (long)arg;
}

static NOINLINE long begins(void *arg)
{
	struct coro *generator = coro_new(yields, arg);
	struct coro *fresh = coro_new_named(yields, arg, "fresh");
	struct coro *ended = coro_new_named(yields, arg, "ended");
	struct coro *task = coro_new(resumes, arg);

	coro_resume(ended, 0, NULL);
	coro_resume(ended, 0, NULL);
	coro_resume(generator, 0, NULL);
	coro_start(task);
	coro_spawn(stops, fresh);
	return coro_await(task) + 1;
}

/* With an argument it hangs instead of stopping. */
int main(int argc, char **argv)
{
	/* Few, for a small core. */
	struct coro_thread_opts opts = {
		.size = sizeof(opts),
		.max_coroutines = 64,
	};

	(void)argv;
	hangs = argc > 1;
	if (coro_thread_init(&opts))
		return 1;
	return (int)coro_run(begins, NULL);
}
