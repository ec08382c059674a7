// SPDX-License-Identifier: MIT
/* A server of static files: a coroutine per connection, no callbacks, no locks. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <coro.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "http_conn.h"
#include "http_file.h"

static int listen_fd, signal_fd;

static int die(const char *what, int err, const char *advice)
{
	fprintf(stderr, "http_server: %s: %s; %s\n", what, strerror(err),
		advice);
	return 1;
}

static long stop_on_signal(void *arg)
{
	struct signalfd_siginfo info;

	if (coro_io_read(signal_fd, &info, sizeof(info), CORO_NEVER) > 0)
		coro_cancel(arg);
	return 0;
}

static long run(void *arg)
{
	int ret = coro_spawn(stop_on_signal, coro_self());

	(void)arg;
	return ret ? ret : http_accept(listen_fd);
}

/* One figure per line. */
static int report(void)
{
	struct coro_stats stats = { .size = sizeof(stats) };
	int ret = coro_stats_read(&stats);

	if (ret)
		return die("figures of the coroutines", -ret, "none are shown");
	printf("connections %lu\nrequests %lu\nrefused %lu\nbroken %lu\n"
	       "accept_errors %lu\nbackend %s\ncontexts_peak %" PRIu64 "\n"
	       "stacks_resident_bytes %" PRIu64 "\nevents %" PRIu64 "\n",
	       http_connections, http_requests, http_refused, http_broken,
	       http_accept_errors, coro_backend(), stats.contexts_peak,
	       stats.stacks_resident_bytes, stats.events);
	if (fflush(stdout))
		return die("standard output", errno, "give it room");
	return 0;
}

static int start_listening(struct in_addr address, long port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr = address,
				    .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(addr);
	int one = 1;

	/* TCP_NODELAY passes on to the connections. */
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 ||
	    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one,
		       sizeof(one)) ||
	    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one,
		       sizeof(one)) ||
	    bind(listen_fd, (struct sockaddr *)&addr, len) ||
	    listen(listen_fd, 4096) ||
	    getsockname(listen_fd, (struct sockaddr *)&addr, &len))
		return -1;
	printf("listening on %s:%u\n", inet_ntoa(address),
	       ntohs(addr.sin_port));
	return fflush(stdout);
}

static int usage(FILE *out)
{
	fputs("usage: http_server [-p PORT] [-a ADDRESS] [-t SECONDS] ROOT_DIR\n"
	      "Serves the files below ROOT_DIR until SIGINT or SIGTERM.\n"
	      "  -p PORT     default 8080; 0 for any that is free\n"
	      "  -a ADDRESS  IPv4; default 127.0.0.1; 0.0.0.0 for all\n"
	      "  -t SECONDS  for a request to arrive, a send to move on, an idle\n"
	      "              connection to speak; 1 to 3600, default 10\n",
	      out);
	return out == stdout ? 0 : 2;
}

/* Reads a number from @low to @high into @ret. */
static bool parse_number(const char *s, long low, long high, long *ret)
{
	char *end;

	*ret = strtol(s, &end, 10);
	return end != s && !*end && *ret >= low && *ret <= high;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct in_addr address = { htonl(INADDR_LOOPBACK) };
	long port = 8080, seconds = 10, ret;
	bool good = true;
	struct rlimit files;
	sigset_t signals;
	int opt;

	while ((opt = getopt_long(argc, argv, "p:a:t:h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage(stdout);
		good &= (opt == 'p' && parse_number(optarg, 0, 65535, &port)) ||
			(opt == 't' &&
			 parse_number(optarg, 1, 3600, &seconds)) ||
			(opt == 'a' && inet_aton(optarg, &address));
	}
	if (!good || optind != argc - 1)
		return usage(stderr);
	http_limit_ns = seconds * CORO_SEC;
	http_answer = http_answer_file;
	http_root = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (http_root < 0)
		return die(argv[optind], errno,
			   "name a directory with files to serve");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (signal_fd < 0)
		return die("signalfd", errno, "free some file descriptors");
	if (start_listening(address, port))
		return die("cannot listen", errno, "choose another -p or -a");
	ret = coro_run(run, NULL);
	if (ret != -ECANCELED)
		return die("cannot run", (int)-ret,
			   "see CORO_BACKEND, ulimit -l, io_uring_disabled");
	return report();
}
