// SPDX-License-Identifier: GPL-2.0
/* Figure "memory": what a suspended coroutine takes, and how many with guards can be had. */
#define _GNU_SOURCE
#include <coro.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "peers.h"
#include "rounds.h"

#define MANY 100000L
#define MILLION 1000000L

/* Makes up to @n and lets each run a small frame and wait; they stay. */
struct holder {
	const char *name;
	const char *package;
	long (*hold)(long n, int *ret_err);
	int guarded;
};

static long coro_waits(void *arg)
{
	(void)arg;
	small_frame();
	return coro_yield(0, NULL);
}

static long coro_hold(long n, int *ret_err)
{
	const struct coro_thread_opts opts = {
		.size = sizeof(opts),
		.stack_size_bytes = STACK_BYTES,
	};
	struct coro *c;
	long done;

	*ret_err = -coro_thread_init(&opts);
	if (*ret_err)
		return 0;
	for (done = 0; done < n; done++) {
		*ret_err = -coro_create(&c, coro_waits, NULL, "waits");
		if (*ret_err)
			break;
		must(!coro_resume(c, 0, NULL), "coro_resume");
	}
	return done;
}

static ucontext_t uc_main, *uc_running;

static void ucontext_waits(void)
{
	small_frame();
	swapcontext(uc_running, &uc_main);
}

static int ucontext_add(void)
{
	ucontext_t *c = malloc(sizeof(*c));
	void *stack = malloc(STACK_BYTES);

	if (!c || !stack || getcontext(c))
		return errno;
	c->uc_stack.ss_sp = stack;
	c->uc_stack.ss_size = STACK_BYTES;
	makecontext(c, ucontext_waits, 0);
	uc_running = c;
	swapcontext(&uc_main, c);
	return 0;
}

static long ucontext_hold(long n, int *ret_err)
{
	long done;

	for (done = 0; done < n; done++) {
		*ret_err = ucontext_add();
		if (*ret_err)
			break;
	}
	return done;
}

#define BOOST "libboost-context1.74-dev"

static const struct holder holders[] = {
	{ "libcoro", "", coro_hold, 1 },
	{ "boost-fiber-protected", BOOST, boost_protected_hold, 1 },
	{ "boost-fiber-pooled", BOOST, boost_pooled_hold, 0 },
	{ "boost-fiber-fixed", BOOST, boost_fixed_hold, 0 },
	{ "ucontext", "libc6", ucontext_hold, 0 },
};

#define NR_HOLDERS (sizeof(holders) / sizeof(*holders))

/* A line "KEY: N kB" of a file of /proc, in bytes; -1 if it has none. */
static long bytes_of(const char *path, const char *key)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen(path, "re");

	must(!!f, path);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kib = atol(line + strlen(key));
	fclose(f);
	return kib < 0 ? -1 : kib * 1024;
}

/* Pages in memory, and the tables that map them. */
static long memory_now(long *ret_tables)
{
	*ret_tables = bytes_of("/proc/self/status", "VmPTE:");
	return bytes_of("/proc/self/status", "VmRSS:");
}

static void hold_and_tell(const struct holder *h, const char *what, long n)
{
	struct timespec from, to;
	long rss, tables, rss_then, tables_then, done;
	int err;

	err = 0;
	rss_then = memory_now(&tables_then);
	clock_gettime(CLOCK_MONOTONIC, &from);
	done = h->hold(n, &err);
	clock_gettime(CLOCK_MONOTONIC, &to);
	rss = memory_now(&tables);
	printf("held\t%s\t%s\t%s\t%ld\t%s\t%.0f\t%.0f\t%.2f\n", what, h->name,
	       h->package, done, err ? strerrorname_np(err) : "-",
	       done ? (double)(rss - rss_then) / done : 0,
	       done ? (double)(tables - tables_then) / done : 0,
	       to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9);
	fflush(stdout);
}

/* In a process of its own, so that nobody finds the memory of the one before. */
static int hold_alone(const struct holder *h, const char *what, long n)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		hold_and_tell(h, what, n);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return status;
}

/*
 * memory [HOLDER [N]]: without a holder all of them, with MANY; then those with
 * guards, with a million.
 */
int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : MILLION;
	int failed = 0;

	for (size_t i = 0; i < NR_HOLDERS; i++)
		if (argc == 1)
			failed |= hold_alone(&holders[i], "memory", MANY);
	for (size_t i = 0; i < NR_HOLDERS; i++)
		if (argc == 1 ? holders[i].guarded :
				!strcmp(argv[1], holders[i].name))
			failed |= hold_alone(&holders[i], "guarded", n);
	return !!failed;
}
