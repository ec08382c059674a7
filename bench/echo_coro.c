// SPDX-License-Identifier: GPL-2.0
/* The echo server on libcoro: what a user of the library would write. */
#include <coro.h>
#include <stdint.h>

#include "echo.h"
#include "rounds.h"

static long serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[ECHO_BYTES];
	int n;

	do {
		n = coro_io_recv(fd, data, sizeof(data), 0, CORO_NEVER);
		if (n <= 0)
			break;
	} while (coro_io_send(fd, data, n, MSG_WAITALL, CORO_NEVER) == n);
	return coro_io_close(fd);
}

static long serve_stream(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct coro_receiver *r;
	const void *data;
	int n;

	if (!coro_receiver_new(&r, fd)) {
		do {
			n = coro_receiver_next(r, &data, CORO_NEVER);
			if (n <= 0)
				break;
		} while (coro_io_send(fd, data, n, MSG_WAITALL, CORO_NEVER) ==
			 n);
		coro_receiver_free(r);
	}
	return coro_io_close(fd);
}

struct server {
	int listener;
	long (*serve)(void *arg);
	long (*other)(void *arg);
	void *arg;
};

static long accept_all(void *arg)
{
	struct server *s = arg;
	struct coro_acceptor *a;
	int fd;

	must(!s->other || !coro_spawn(s->other, s->arg), "coro_spawn");
	must(!coro_acceptor_new(&a, s->listener, 0), "coro_acceptor_new");
	while ((fd = coro_acceptor_next(a, CORO_NEVER)) >= 0)
		if (coro_spawn(s->serve, (void *)(intptr_t)fd))
			break;
	coro_acceptor_free(a);
	return fd;
}

static void serve_all(struct server *s, uint64_t flags)
{
	struct coro_loop_opts opts = { .size = sizeof(opts), .flags = flags };

	must(!coro_run_opts(accept_all, s, &opts, NULL), "coro_run_opts");
}

void echo_coro_beside(int listener, uint64_t flags, long (*other)(void *arg),
		      void *arg)
{
	struct server s = {
		.listener = listener,
		.serve = serve,
		.other = other,
		.arg = arg,
	};

	serve_all(&s, flags);
}

void echo_coro(int listener)
{
	echo_coro_beside(listener, 0, NULL, NULL);
}

void echo_coro_handoff(int listener)
{
	echo_coro_beside(listener, CORO_RUN_F_HANDOFF, NULL, NULL);
}

void echo_coro_stream(int listener)
{
	struct server s = { .listener = listener, .serve = serve_stream };

	serve_all(&s, 0);
}
