// SPDX-License-Identifier: MIT
/* The smallest program that waits: one coroutine awaits another. */
#include <coro.h>
#include <stdio.h>
#include <string.h>

static long fetch_data(void *arg)
{
	int ret;

	(void)arg;
	puts("Fetching data...");
	ret = coro_sleep(2 * CORO_SEC);
	return ret ? ret : (long)"Data retrieved";
}

static long run(void *arg)
{
	struct coro *c = coro_new(fetch_data, NULL);
	long result;

	(void)arg;
	if (!c)
		return -ENOMEM;
	result = coro_await(c);
	if (result < 0)
		return result;
	puts((const char *)result);
	return 0;
}

int main(void)
{
	long ret;

	/* Lines leave at once, into a pipe too. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = coro_run(run, NULL);
	if (ret < 0) {
		fprintf(stderr,
			"fetch_data: %s; look at CORO_BACKEND, ulimit -l and\n"
			"/proc/sys/kernel/io_uring_disabled\n",
			strerror((int)-ret));
		return 1;
	}
	if (fflush(stdout) || ferror(stdout)) {
		fputs("fetch_data: standard output takes nothing: give it room\n",
		      stderr);
		return 1;
	}
	return 0;
}
