/* SPDX-License-Identifier: MIT */
/* What the small servers share: a port to listen on, and an end by SIGINT. */
#ifndef CORO_EXAMPLES_SERVER_MAIN_H
#define CORO_EXAMPLES_SERVER_MAIN_H

#include <coro.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/**
 * struct server - where and how a server serves
 * @host: numeric address; NULL for all of this machine.
 * @port: "0" for any that is free.
 * @run: the loop's first coroutine; serves @fd until cancelled.
 * @serve: of server_main().
 * @flags: of the loop, besides CORO_RUN_F_INTERRUPT.
 * @fd: the listening socket.
 */
struct server {
	const char *host, *port;
	long (*run)(void *server);
	long (*serve)(struct coro_stream *s, void *arg);
	uint64_t flags;
	int fd;
};

/* Serves until SIGINT; the exit status of the program called @name. */
static int server_start(struct server *s, const char *name)
{
	const struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.flags = s->flags | CORO_RUN_F_INTERRUPT,
	};
	struct sockaddr_in6 addr; /* its port is where that of IPv4 is */
	socklen_t len = sizeof(addr);
	int err, one = 1;
	long ret;

	s->fd = coro_net_listen(s->host, s->port, 0);
	ret = s->fd;
	if (s->fd >= 0) {
		/* Passes on to the connections. */
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		getsockname(s->fd, (struct sockaddr *)&addr, &len);
		printf("listening on port %d\n", ntohs(addr.sin6_port));
		fflush(stdout);
		err = coro_run_opts(s->run, s, &opts, &ret);
		ret = err ? err : ret;
		close(s->fd);
	}
	if (ret == -EINTR)
		return 0;
	fprintf(stderr, "%s: port %s: %s\n", name, s->port,
		strerror((int)-ret));
	return 1;
}

static inline long server_run_streams(void *arg)
{
	struct server *s = arg;

	return coro_serve(s->fd, s->serve, NULL, NULL);
}

/* A whole server of streams that is told nothing but its port. */
static inline int server_main(int argc, char **argv,
			      long (*serve)(struct coro_stream *s, void *arg))
{
	struct server s = { .run = server_run_streams, .serve = serve };
	int help = argc == 2 && !strcmp(argv[1], "--help");

	if (argc != 2 || help) {
		fprintf(help ? stdout : stderr,
			"usage: %s PORT\n\nPORT 0 takes any that is free.\n",
			argv[0]);
		return help ? 0 : 2;
	}
	s.port = argv[1];
	return server_start(&s, argv[0]);
}

#endif /* CORO_EXAMPLES_SERVER_MAIN_H */
