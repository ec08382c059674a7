// SPDX-License-Identifier: GPL-2.0
/*
 * Figure "latency": the load, and how long its round trips take while the server
 * calls what sleeps. A message is due on each connection at fixed times, whether the
 * server is awake or not; if one has to wait for the echo of the one before, then
 * that time is in its own.
 */
#define _GNU_SOURCE
#include "latency.h"

#include <arpa/inet.h>
#include <coro.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"

#define CONNS 64
#define MESSAGE_BYTES 64
#define WARM_NS 200000000
#define MEASURE_NS 1000000000
/* Who has no echo then has waited until now at least. */
#define DRAIN_NS 300000000
#define MAX_ROUNDS 16
#define MAX_SAMPLES (1 << 16)
#define MAX_CASES 16
/* Whatever goes wrong, it is over then. */
#define LIMIT_SEC 200

struct conn {
	int fd;
	int64_t due; /* the next message */
	int64_t from; /* of the one that is out */
	bool out;
	bool late; /* the next was due before the echo came */
	unsigned int got;
	uint64_t message[MESSAGE_BYTES / 8];
	uint64_t echo[MESSAGE_BYTES / 8];
};

static const struct latency_way ways[] = {
	{ .name = "hand-off", .flags = CORO_RUN_F_HANDOFF },
	{ .name = "pool" },
	{ .name = "plain call", .plain = true },
};

enum { P50, P99, MAX, CPU, NR_QUANTITIES };

static const char *const quantities[] = { "p50", "p99", "max", "cpu" };

/* A way and a sleep, and what each round has measured of it. */
struct case_of {
	const struct latency_way *way;
	const struct latency_sleep *sleep;
	double found[NR_QUANTITIES][MAX_ROUNDS];
};

static int nr_rounds;
static int64_t period_ns; /* between two messages of a connection */
static struct case_of cases[MAX_CASES];
static size_t nr_cases;
static struct conn conns[CONNS];
static int64_t samples[MAX_SAMPLES];
static size_t nr_samples;
static int64_t begin, end; /* what is due between them counts */
static int epoll;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	must(!clock_gettime(clock, &ts), "clock_gettime");
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int listen_at(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)at, len) &&
		     !listen(fd, CONNS) &&
		     !getsockname(fd, (struct sockaddr *)at, &len),
	     "listening");
	return fd;
}

static pid_t serve(const struct case_of *c, struct sockaddr_in *ret_at)
{
	int fd = listen_at(ret_at);
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIMIT_SEC);
		latency_serve(fd, c->way, c->sleep);
		_exit(1);
	}
	close(fd);
	return pid;
}

/* They are due one after the other, all within a period. */
static void connect_all(const struct sockaddr_in *at)
{
	int64_t start = now_ns() + period_ns;

	memset(conns, 0, sizeof(conns));
	for (int i = 0; i < CONNS; i++) {
		struct conn *c = &conns[i];
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
		int one = 1;

		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		must(c->fd >= 0 &&
			     !connect(c->fd, (const struct sockaddr *)at,
				      sizeof(*at)) &&
			     !setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one,
					 sizeof(one)) &&
			     !epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev),
		     "connecting");
		c->due = start + period_ns * (int64_t)i / CONNS;
	}
	begin = start + WARM_NS;
	end = begin + MEASURE_NS;
}

static void close_all(void)
{
	for (int i = 0; i < CONNS; i++)
		close(conns[i].fd);
}

static void send_next(struct conn *c, int64_t now)
{
	for (int i = 0; i < MESSAGE_BYTES / 8; i++)
		c->message[i] = (uint64_t)c->due + (uint64_t)i;
	c->from = c->late ? c->due : now;
	c->late = false;
	c->due += period_ns;
	c->got = 0;
	c->out = true;
	must(send(c->fd, c->message, sizeof(c->message), MSG_NOSIGNAL) ==
		     sizeof(c->message),
	     "sending");
}

/* What was due within the window counts, whenever it comes. */
static void sample(int64_t due, int64_t took)
{
	if (due < begin || due >= end)
		return;
	must(nr_samples < MAX_SAMPLES, "counting messages");
	samples[nr_samples++] = took;
}

static void receive(struct conn *c)
{
	ssize_t n = recv(c->fd, (char *)c->echo + c->got,
			 sizeof(c->echo) - c->got, MSG_DONTWAIT);
	int64_t now;

	must(n > 0, "receiving an echo");
	c->got += n;
	if (c->got < sizeof(c->echo))
		return;
	must(!memcmp(c->echo, c->message, sizeof(c->echo)),
	     "comparing an echo");
	now = now_ns();
	sample(c->due - period_ns, now - c->from);
	c->out = false;
	c->late = c->due <= now;
}

/* Sends what is due: when something will be, and *@ret_over if nothing will. */
static int64_t send_due(int64_t now, bool *ret_over)
{
	int64_t next = end + DRAIN_NS;

	*ret_over = true;
	for (int i = 0; i < CONNS; i++) {
		struct conn *c = &conns[i];

		if (!c->out && c->due <= now && c->due < end)
			send_next(c, now);
		if (!c->out && c->due < end && c->due < next)
			next = c->due;
		*ret_over &= !c->out && c->due >= end;
	}
	return next;
}

/* What has no echo, and what could not even be sent. */
static void give_up(const struct conn *c, int64_t now)
{
	if (c->out)
		sample(c->due - period_ns, now - c->from);
	for (int64_t due = c->due; due < end; due += period_ns)
		sample(due, now - due);
}

static void run_load(void)
{
	struct epoll_event events[CONNS];
	int64_t now = now_ns();
	bool over = false;

	while (now < end + DRAIN_NS) {
		int64_t left = send_due(now, &over) - now;
		struct timespec ts = { 0, left > 0 ? left : 0 };
		int nr;

		if (over)
			return;
		ts.tv_sec = ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		nr = epoll_pwait2(epoll, events, CONNS, &ts, NULL);
		must(nr >= 0, "epoll_pwait2");
		for (int i = 0; i < nr; i++)
			receive(events[i].data.ptr);
		now = now_ns();
	}
	for (int i = 0; i < CONNS; i++)
		give_up(&conns[i], now);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile_us(unsigned int percent)
{
	return (double)samples[(nr_samples - 1) * percent / 100] / 1000;
}

static void measure(struct case_of *c, int round)
{
	struct sockaddr_in at;
	pid_t pid = serve(c, &at);
	clockid_t clock;

	fprintf(stderr, "latency: round %d of %d: %s, %s\n", round + 1,
		nr_rounds, c->way->name, c->sleep->name);
	nr_samples = 0;
	connect_all(&at);
	run_load();
	must(!clock_getcpuclockid(pid, &clock), "clock_getcpuclockid");
	must(nr_samples > 0, "measuring a round trip");
	qsort(samples, nr_samples, sizeof(*samples), by_value);
	c->found[P50][round] = percentile_us(50);
	c->found[P99][round] = percentile_us(99);
	c->found[MAX][round] = percentile_us(100);
	c->found[CPU][round] =
		(double)clock_ns(clock) / (double)(end - begin + WARM_NS) * 100;
	close_all();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void add(const struct latency_way *way,
		const struct latency_sleep *sleep)
{
	must(nr_cases < MAX_CASES, "counting cases");
	cases[nr_cases++] = (struct case_of){ .way = way, .sleep = sleep };
}

/* First that to which all others are compared. */
static void add_cases(bool handoff, bool disk)
{
	size_t first = handoff ? 0 : 1;

	add(&ways[1], &latency_quiet);
	if (handoff)
		add(&ways[0], &latency_quiet);
	for (size_t s = 0; s < nr_latency_sleeps; s++) {
		if (latency_sleeps[s].disk && !disk)
			continue;
		for (size_t w = first; w < sizeof(ways) / sizeof(*ways); w++)
			add(&ways[w], &latency_sleeps[s]);
	}
}

static void print(const struct case_of *c)
{
	for (int q = 0; q < NR_QUANTITIES; q++) {
		printf("latency\t%s\t%s, %s", quantities[q], c->way->name,
		       c->sleep->name);
		for (int r = 0; r < nr_rounds; r++)
			printf("\t%.1f", c->found[q][r]);
		printf("\n");
	}
}

/*
 * Arguments: rounds; milliseconds between two messages of a connection; a slow disk,
 * if there is one.
 */
int main(int argc, char **argv)
{
	must(argc == 3 || argc == 4, "counting arguments");
	nr_rounds = atoi(argv[1]);
	period_ns = atoi(argv[2]) * INT64_C(1000000);
	must(nr_rounds > 0 && nr_rounds <= MAX_ROUNDS && period_ns > 0,
	     "reading arguments");
	alarm(LIMIT_SEC);
	prctl(PR_SET_TIMERSLACK, 1);
	if (argc == 4)
		latency_open_disk(argv[3]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	must(epoll >= 0, "epoll_create1");
	add_cases(!strcmp(coro_backend(), "device"), argc == 4);
	/* Twice: a kernel that was just booted has things to do. */
	measure(&cases[0], 0);
	for (int round = 0; round < nr_rounds; round++) {
		for (size_t c = 0; c < nr_cases; c++)
			measure(&cases[c], round);
	}
	for (size_t c = 0; c < nr_cases; c++)
		print(&cases[c]);
	return 0;
}
