// SPDX-License-Identifier: GPL-2.0
/* Figure "echo": the load, which runs on one processor while a server runs on another. */
#define _GNU_SOURCE
#include "echo.h"

#include <arpa/inet.h>
#include <coro.h>
#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"

#define MESSAGE_BYTES 64
#define MAX_CONNS 1000
#define ROUNDS 9
#define WARM_NS 100000000
#define MEASURE_NS 250000000
/* Whatever goes wrong, it is over then. */
#define LIMIT_SEC 240

struct server {
	const char *name;
	const char *package;
	void (*serve)(int listener);
	pid_t pid;
	struct sockaddr_in at;
};

static struct server portable[] = {
	{ .name = "libcoro", .package = "", .serve = echo_coro },
	{ .name = "liburing", .package = "liburing-dev", .serve = echo_ring },
	{ .name = "liburing-shared",
	  .package = "liburing-dev",
	  .serve = echo_ring_shared },
	{ .name = "liburing-sqpoll",
	  .package = "liburing-dev",
	  .serve = echo_ring_sqpoll },
	{ .name = "libcoro-stream", .package = "", .serve = echo_coro_stream },
	{ .name = "liburing-stream",
	  .package = "liburing-dev",
	  .serve = echo_ring_stream },
	{ .name = "libuv", .package = "libuv1-dev", .serve = echo_uv },
};

/* What it costs that a loop can be handed over. */
static struct server device[] = {
	{ .name = "libcoro-handoff", .package = "", .serve = echo_coro_handoff },
	{ .name = "libcoro", .package = "", .serve = echo_coro },
	{ .name = "liburing-shared",
	  .package = "liburing-dev",
	  .serve = echo_ring_shared },
	{ .name = "liburing-sqpoll",
	  .package = "liburing-dev",
	  .serve = echo_ring_sqpoll },
	{ .name = "liburing", .package = "liburing-dev", .serve = echo_ring },
};

#define NR(array) (sizeof(array) / sizeof(*(array)))
#define MAX_SERVERS NR(portable)

static struct server *servers = portable;
static size_t nr_servers = NR(portable);

/* One connection of the load: a message is out, or its echo is coming in. */
struct conn {
	int fd;
	unsigned int got;
	uint64_t number; /* of the message */
	uint64_t out[MESSAGE_BYTES / 8];
	uint64_t in[MESSAGE_BYTES / 8];
};

static struct io_uring ring;
static struct conn conns[MAX_CONNS];
static bool stopping;
static unsigned long echoes;
static unsigned int inflight;

static double clock_sec(clockid_t clock)
{
	struct timespec ts;

	must(!clock_gettime(clock, &ts), "clock_gettime");
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Where there is one processor only, it is for all. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % get_nprocs(), &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static void start(struct server *s)
{
	socklen_t len = sizeof(s->at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	s->at.sin_family = AF_INET;
	s->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&s->at, len) &&
		     !listen(fd, 4096) &&
		     !getsockname(fd, (struct sockaddr *)&s->at, &len),
	     "listening");
	s->pid = fork();
	must(s->pid >= 0, "fork");
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_SEC);
		pin(0);
		s->serve(fd);
		_exit(1);
	}
	close(fd);
}

static void recv_op(struct conn *c)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_recv(sqe, c->fd, (char *)c->in + c->got,
			   sizeof(c->in) - c->got, 0);
	io_uring_sqe_set_data(sqe, c);
	inflight++;
}

/* The answer is asked for in the same breath. */
static void send_op(struct conn *c)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	c->number++;
	for (size_t i = 0; i < MESSAGE_BYTES / 8; i++)
		c->out[i] = c->number ^ (uintptr_t)c;
	io_uring_prep_send(sqe, c->fd, c->out, sizeof(c->out),
			   MSG_WAITALL | MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, NULL);
	inflight++;
	c->got = 0;
	recv_op(c);
}

static void received(struct conn *c, int res)
{
	must(res > 0, "receiving an echo");
	c->got += res;
	if (c->got < sizeof(c->in)) {
		recv_op(c);
		return;
	}
	must(!memcmp(c->in, c->out, sizeof(c->in)), "comparing an echo");
	echoes++;
	if (!stopping)
		send_op(c);
}

static void turn(void)
{
	struct io_uring_cqe *cqes[256];
	unsigned int nr;

	io_uring_submit_and_wait(&ring, 1);
	nr = io_uring_peek_batch_cqe(&ring, cqes, 256);
	for (unsigned int i = 0; i < nr; i++) {
		struct conn *c = io_uring_cqe_get_data(cqes[i]);

		inflight--;
		if (c)
			received(c, cqes[i]->res);
		else
			must(cqes[i]->res == MESSAGE_BYTES, "sending");
	}
	io_uring_cq_advance(&ring, nr);
}

static void connect_all(const struct server *s, int nr)
{
	for (int i = 0; i < nr; i++) {
		conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		must(conns[i].fd >= 0 &&
			     !connect(conns[i].fd, (struct sockaddr *)&s->at,
				      sizeof(s->at)),
		     "connect");
	}
}

/* No port is left behind in TIME_WAIT: there will be more connections. */
static void close_all(int nr)
{
	const struct linger reset = { .l_onoff = 1 };

	for (int i = 0; i < nr; i++) {
		setsockopt(conns[i].fd, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
		close(conns[i].fd);
	}
}

static void run_until(double end)
{
	while (clock_sec(CLOCK_MONOTONIC) < end)
		turn();
}

/* Echoes per second, and per second of the server's processor. */
static void measure(const struct server *s, int nr, double *ret_rate,
		    double *ret_cpu_rate)
{
	double from, to, cpu;
	clockid_t clock;

	must(!clock_getcpuclockid(s->pid, &clock), "clock_getcpuclockid");
	stopping = false;
	connect_all(s, nr);
	for (int i = 0; i < nr; i++)
		send_op(&conns[i]);
	run_until(clock_sec(CLOCK_MONOTONIC) + WARM_NS / 1e9);
	echoes = 0;
	from = clock_sec(CLOCK_MONOTONIC);
	cpu = clock_sec(clock);
	run_until(from + MEASURE_NS / 1e9);
	to = clock_sec(CLOCK_MONOTONIC);
	*ret_rate = echoes / (to - from);
	*ret_cpu_rate = echoes / (clock_sec(clock) - cpu);
	stopping = true;
	while (inflight)
		turn();
	close_all(nr);
}

static void print(const char *what, int nr, const double *rates, size_t server)
{
	printf("%s\techo-%d\techo\t%s\t%s", what, nr, servers[server].name,
	       servers[server].package);
	for (size_t r = 0; r < ROUNDS; r++)
		printf("\t%.0f", rates[r]);
	printf("\n");
	fflush(stdout);
}

static void figure(int nr)
{
	double rate[MAX_SERVERS][ROUNDS], cpu_rate[MAX_SERVERS][ROUNDS];

	/* Each round begins with another. */
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < nr_servers; i++) {
			size_t s = (r + i) % nr_servers;

			measure(&servers[s], nr, &rate[s][r], &cpu_rate[s][r]);
		}
	}
	for (size_t s = 0; s < nr_servers; s++) {
		print("rate", nr, rate[s], s);
		print("cpurate", nr, cpu_rate[s], s);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	alarm(LIMIT_SEC);
	if (!strcmp(coro_backend(), "device")) {
		servers = device;
		nr_servers = NR(device);
	}
	for (size_t s = 0; s < nr_servers; s++)
		start(&servers[s]);
	pin(1);
	must(!io_uring_queue_init(4 * MAX_CONNS, &ring, 0), "io_uring_setup");
	for (int i = 1; i < argc; i++) {
		int nr = atoi(argv[i]);

		must(nr > 0 && nr <= MAX_CONNS, "counting connections");
		figure(nr);
	}
	for (size_t s = 0; s < nr_servers; s++) {
		kill(servers[s].pid, SIGKILL);
		waitpid(servers[s].pid, NULL, 0);
	}
	return 0;
}
