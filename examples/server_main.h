/* SPDX-License-Identifier: MIT */
/* What the small servers share: a port to listen on, and an end by SIGINT. */
#ifndef CORO_EXAMPLES_SERVER_MAIN_H
#define CORO_EXAMPLES_SERVER_MAIN_H

#include <coro.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct server {
	int fd;
	long (*serve)(struct coro_stream *s, void *arg);
};

static long server_run(void *arg)
{
	struct server *s = arg;

	return coro_serve(s->fd, s->serve, NULL, NULL);
}

/* Serves until SIGINT; the exit status of a program. */
static int server_main(int argc, char **argv,
		       long (*serve)(struct coro_stream *s, void *arg))
{
	const struct coro_loop_opts opts = { .size = sizeof(opts),
					     .flags = CORO_RUN_F_INTERRUPT };
	struct sockaddr_in6 addr;
	socklen_t len = sizeof(addr);
	struct server s = { .serve = serve };
	int help = argc == 2 && !strcmp(argv[1], "--help");
	long ret;
	int err;

	if (argc != 2 || help) {
		fprintf(help ? stdout : stderr,
			"usage: %s PORT\n\nPORT 0 takes any that is free.\n",
			argv[0]);
		return help ? 0 : 2;
	}
	s.fd = coro_net_listen(NULL, argv[1], 0);
	ret = s.fd;
	if (s.fd >= 0) {
		getsockname(s.fd, (struct sockaddr *)&addr, &len);
		printf("listening on port %d\n", ntohs(addr.sin6_port));
		fflush(stdout);
		err = coro_run_opts(server_run, &s, &opts, &ret);
		ret = err ? err : ret;
		close(s.fd);
	}
	if (ret == -EINTR)
		return 0;
	fprintf(stderr, "%s: port %s: %s\n", argv[0], argv[1],
		strerror((int)-ret));
	return 1;
}

#endif /* CORO_EXAMPLES_SERVER_MAIN_H */
