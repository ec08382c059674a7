// SPDX-License-Identifier: MIT
/* Looks names up side by side: getaddrinfo() blocks, so it is called off the loop. */
#include <coro.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not on the stack: who is late leaves it behind. */
struct lookup {
	struct addrinfo *list;
	char name[];
};

static int failures;

/* Blocks, while the coroutines go on. */
static long look_up(void *arg)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct lookup *l = arg;

	return getaddrinfo(l->name, NULL, &hints, &l->list);
}

static void drop(void *arg, long value)
{
	struct lookup *l = arg;

	(void)value;
	if (l->list)
		freeaddrinfo(l->list);
	free(l);
}

static void fail(const char *name, const char *why)
{
	printf("%s: %s\n", name, why);
	failures++;
}

static void show(const struct lookup *l)
{
	char host[NI_MAXHOST];

	for (const struct addrinfo *a = l->list; a; a = a->ai_next) {
		getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL,
			    0, NI_NUMERICHOST);
		printf("%s: %s\n", l->name, host);
	}
}

static long resolve(void *arg)
{
	struct coro_blocking_opts opts = { .size = sizeof(opts),
					   .dispose = drop };
	struct lookup *l = calloc(1, sizeof(*l) + strlen(arg) + 1);
	long value;
	int err;

	if (!l)
		return -ENOMEM;
	strcpy(l->name, arg);
	err = coro_blocking_opts(look_up, l, &value, &opts);
	if (err == -ECANCELED)
		return err; /* and drop() has it */
	if (!err && value)
		fail(l->name, gai_strerror((int)value));
	show(l);
	drop(l, 0);
	return err;
}

static long resolve_in_time(void *arg)
{
	long err = coro_call(resolve, arg, coro_after(10 * CORO_SEC));

	if (err)
		fail(arg, strerror((int)-err));
	return 0;
}

static long run(void *arg)
{
	struct coro_group g;
	long err = coro_group_open(&g, NULL);

	for (char **name = arg; *name && !err; name++)
		err = coro_group_spawn(&g, resolve_in_time, *name);
	return coro_group_close(&g, err);
}

int main(int argc, char **argv)
{
	long err = argc > 1 ? coro_run(run, argv + 1) : -EINVAL;

	if (err)
		fprintf(stderr, "resolver NAME...: %s\n", strerror((int)-err));
	return err || failures;
}
