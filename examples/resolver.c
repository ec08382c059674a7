// SPDX-License-Identifier: MIT
/* Looks names up side by side: getaddrinfo() blocks, so it is called off the loop. */
#define _GNU_SOURCE
#include <coro.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_conn.h"
#include "server_main.h"

/* Not on the stack: who is late leaves it behind. */
struct lookup {
	struct addrinfo *list;
	char name[];
};

/* @list is to be freed; @error is one of getaddrinfo(). */
struct question {
	const char *name;
	struct addrinfo *list;
	int error;
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

static long resolve(void *arg)
{
	struct coro_blocking_opts opts = { .size = sizeof(opts),
					   .dispose = drop };
	struct question *q = arg;
	struct lookup *l = calloc(1, sizeof(*l) + strlen(q->name) + 1);
	long value = 0;
	int err;

	if (!l)
		return -ENOMEM;
	strcpy(l->name, q->name);
	err = coro_blocking_opts(look_up, l, &value, &opts);
	if (err == -ECANCELED)
		return err; /* and drop() has it */
	q->error = (int)value;
	q->list = l->list;
	free(l);
	return err;
}

static long resolve_in_time(struct question *q)
{
	return coro_call(resolve, q, coro_after(10 * CORO_SEC));
}

static void show(FILE *out, const char *before, const struct addrinfo *list)
{
	char host[NI_MAXHOST];

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL,
			    0, NI_NUMERICHOST);
		fprintf(out, "%s%s\n", before, host);
	}
}

static void finish(struct question *q)
{
	if (q->list)
		freeaddrinfo(q->list);
}

/* On the command line. */
static long print(void *name)
{
	struct question q = { .name = name };
	long err = resolve_in_time(&q);
	char before[NI_MAXHOST + 2];

	if (err || q.error) {
		printf("%s: %s\n", q.name,
		       err ? strerror((int)-err) : gai_strerror(q.error));
		failures++;
	}
	snprintf(before, sizeof(before), "%s: ", q.name);
	show(stdout, before, q.list);
	finish(&q);
	return 0;
}

static const char *status_of(long err, int error)
{
	if (err == -ETIMEDOUT)
		return "504 Gateway Timeout";
	if (err)
		return "503 Service Unavailable";
	return error == EAI_AGAIN || error == EAI_FAIL ? "502 Bad Gateway" :
							 "404 Not Found";
}

/* Over HTTP. */
static int answer(struct http_conn *c)
{
	struct question q = { .name = c->req.path + 1 };
	long err = *q.name ? resolve_in_time(&q) : 0;
	char *text = NULL;
	size_t size;
	FILE *out;
	int ret;

	if (err || !q.list)
		return http_refuse(c, status_of(err, q.error));
	out = open_memstream(&text, &size);
	if (out) {
		show(out, "", q.list);
		fclose(out);
	}
	finish(&q);
	ret = text ? http_send_answer(c, "200 OK", "text/plain", text, size) :
		     http_refuse(c, "503 Service Unavailable");
	free(text);
	return ret;
}

static long run(void *arg)
{
	struct coro_group g;
	long err = coro_group_open(&g, NULL);

	for (char **name = arg; *name && !err; name++)
		err = coro_group_spawn(&g, print, *name);
	return coro_group_close(&g, err);
}

static long serve(void *arg)
{
	const struct server *s = arg;

	return http_accept(s->fd);
}

int main(int argc, char **argv)
{
	struct server s = { .host = "127.0.0.1", .run = serve };
	int help = argc == 2 && !strcmp(argv[1], "--help");
	long err;

	if (argc == 3 && !strcmp(argv[1], "--serve")) {
		s.port = argv[2];
		http_answer = answer;
		return server_start(&s, argv[0]);
	}
	if (argc < 2 || !strncmp(argv[1], "--", 2)) {
		fprintf(help ? stdout : stderr,
			"usage: resolver NAME...\n"
			"       resolver --serve PORT\n\n"
			"Prints the addresses of names; or serves them, GET /NAME on\n"
			"127.0.0.1, until SIGINT. PORT 0 takes any that is free.\n");
		return help ? 0 : 2;
	}
	err = coro_run(run, argv + 1);
	if (err)
		fprintf(stderr, "resolver: %s; see CORO_BACKEND, ulimit -l\n",
			strerror((int)-err));
	return err || failures;
}
