// SPDX-License-Identifier: MIT
/* Sockets that share a port, and serving on all loops of a pool. */
#include "lib_pool.h"

LIB_FIXTURE(pool_serve)

enum { NR = 3 };

static int port_of(int fd, int *ret_family)
{
	struct sockaddr_in6 a = { .sin6_port = 0 };
	socklen_t len = sizeof(a);

	EXPECT_EQ(0, getsockname(fd, (struct sockaddr *)&a, &len));
	*ret_family = a.sin6_family;
	/* At the same place in both kinds. */
	return ntohs(a.sin6_port);
}

/* They listen, and all on one port, which is returned. */
static int expect_listening(const int *fds, int nr, int family)
{
	int of, port = port_of(fds[0], &of);

	EXPECT_LT(0, port);
	for (int i = 0; i < nr; i++) {
		int on = 0;
		socklen_t len = sizeof(on);

		EXPECT_EQ(port, port_of(fds[i], &of));
		EXPECT_EQ(family, of);
		EXPECT_EQ(0, getsockopt(fds[i], SOL_SOCKET, SO_ACCEPTCONN, &on,
					&len));
		EXPECT_EQ(1, on);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fds[i], F_GETFD));
	}
	return port;
}

static void close_all(const int *fds, int nr)
{
	for (int i = 0; i < nr; i++)
		EXPECT_EQ(0, close(fds[i]));
}

static bool accepts(int family, int port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons(port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = family == AF_INET ? connect(fd, (void *)&four, sizeof(four)) :
				      connect(fd, (void *)&six, sizeof(six));

	close(fd);
	return !err;
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool has = fd >= 0 && !bind(fd, (void *)&six, sizeof(six));

	close(fd);
	return has;
}

TEST_F(pool_serve, sockets_of_any_kind_of_address_share_a_port)
{
	bool six = has_ipv6();
	int fds[NR], port;

	EXPECT_EQ(0, coro_net_listen_each("127.0.0.1", "0", 5, fds, NR));
	port = expect_listening(fds, NR, AF_INET);
	EXPECT_TRUE(accepts(AF_INET, port));
	close_all(fds, NR);
	EXPECT_EQ(0, coro_net_listen_each(NULL, "0", 0, fds, NR));
	port = expect_listening(fds, NR, six ? AF_INET6 : AF_INET);
	EXPECT_TRUE(accepts(AF_INET, port));
	if (six)
		EXPECT_TRUE(accepts(AF_INET6, port));
	close_all(fds, NR);
	if (!six)
		return;
	EXPECT_EQ(0, coro_net_listen_each("::1", "0", 0, fds, NR));
	port = expect_listening(fds, NR, AF_INET6);
	EXPECT_TRUE(accepts(AF_INET6, port));
	EXPECT_FALSE(accepts(AF_INET, port));
	close_all(fds, NR);
}

TEST_F(pool_serve, bad_addresses_are_refused_and_leave_no_socket)
{
	int before = open_fds(), fds[NR] = { -7, -7, -7 }, taken;
	struct sockaddr_in addr;
	char port[8];

	EXPECT_EQ(-EINVAL, coro_net_listen_each("127.0.0.1", "0", 0, NULL, NR));
	EXPECT_EQ(-EINVAL, coro_net_listen_each("127.0.0.1", "0", 0, fds, 0));
	EXPECT_EQ(-EINVAL, coro_net_listen_each("localhost", "0", 0, fds, NR));
	EXPECT_EQ(-EINVAL,
		  coro_net_listen_each("127.0.0.1", "http", 0, fds, NR));
	EXPECT_EQ(-EINVAL, coro_net_listen_each("127.0.0.1", NULL, 0, fds, NR));
	EXPECT_EQ(-EADDRNOTAVAIL,
		  coro_net_listen_each("192.0.2.1", "0", 0, fds, NR));
	/* A port that somebody has who shares it with nobody. */
	taken = tcp_listen(&addr, 1);
	snprintf(port, sizeof(port), "%d", ntohs(addr.sin_port));
	EXPECT_EQ(-EADDRINUSE,
		  coro_net_listen_each("127.0.0.1", port, 0, fds, NR));
	close(taken);
	EXPECT_EQ(before, open_fds());
	/* Nothing that somebody could close. */
	for (int i = 0; i < NR; i++)
		EXPECT_TRUE(fds[i] == -7 || fds[i] == -1);
	EXPECT_EQ(0, coro_net_listen_each("127.0.0.1", port, 0, fds, 1));
	EXPECT_EQ(ntohs(addr.sin_port), expect_listening(fds, 1, AF_INET));
	close_all(fds, 1);
}

/* A server on all loops, and what its connections did. */
struct service {
	int fds[NR];
	struct coro_serve_opts opts;
	int begun, ended, cancelled;
};

static void service_open(struct service *s)
{
	memset(s, 0, sizeof(*s));
	s->opts.size = sizeof(s->opts);
	EXPECT_EQ(0, coro_net_listen_each("127.0.0.1", "0", 0, s->fds, NR));
}

/* Until the peer ends the connection, or it is cancelled. */
static long hear(struct coro_stream *stream, void *arg)
{
	struct service *s = arg;
	char byte;
	ssize_t got;

	count(&s->begun);
	got = coro_stream_read(stream, &byte, 1, CORO_NEVER);
	count(got == -ECANCELED ? &s->cancelled : &s->ended);
	return 0;
}

static long serve(void *arg)
{
	struct service *s = arg;

	return coro_pool_serve(s->fds, hear, s, &s->opts);
}

static long serve_wrongly(void *arg)
{
	struct service *s = arg;
	struct {
		struct coro_serve_opts known;
		long unknown;
	} o = { .known = { .size = sizeof(o) }, .unknown = 1 };

	EXPECT_EQ(-EINVAL, coro_pool_serve(NULL, hear, s, NULL));
	EXPECT_EQ(-EINVAL, coro_pool_serve(s->fds, NULL, s, NULL));
	EXPECT_EQ(-E2BIG, coro_pool_serve(s->fds, hear, s, &o.known));
	o.known.size = 0;
	EXPECT_EQ(-EINVAL, coro_pool_serve(s->fds, hear, s, &o.known));
	return coro_sleep(0);
}

static long serve_outside(void *arg)
{
	struct service *s = arg;

	return coro_pool_serve(s->fds, hear, s, NULL);
}

TEST_F(pool_serve, bad_arguments_are_refused)
{
	struct service s;

	service_open(&s);
	EXPECT_EQ(0, run_pool(NR, serve_wrongly, &s));
	EXPECT_EQ(-EPERM, serve_outside(&s));
	EXPECT_EQ(-EPERM, coro_run(serve_outside, &s));
	close_all(s.fds, NR);
}

static long serve_with_a_bad_one(void *arg)
{
	struct service *s = arg;

	for (int bad = 0; bad < NR; bad++) {
		int good = s->fds[bad];

		s->fds[bad] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		EXPECT_EQ(-ENOTSOCK, serve(s));
		close(s->fds[bad]);
		s->fds[bad] = good;
	}
	return coro_sleep(0);
}

TEST_F(pool_serve, error_of_one_ends_all)
{
	struct service s;

	service_open(&s);
	EXPECT_EQ(0, run_pool(NR, serve_with_a_bad_one, &s));
	close_all(s.fds, NR);
}

enum { CLIENTS = 30 };

static long be_cancelled(void *arg)
{
	struct service *s = arg;
	struct coro *server = coro_new(serve, s);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fds[CLIENTS];

	EXPECT_EQ(0, getsockname(s->fds[0], (struct sockaddr *)&addr, &len));
	EXPECT_EQ(0, coro_start(server));
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = tcp_connect(&addr);
	while (counted(&s->begun) < CLIENTS)
		EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(server));
	for (int i = 0; i < CLIENTS && s->opts.grace_ns; i++) {
		EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(server));
		close(fds[i]);
		while (counted(&s->ended) <= i)
			EXPECT_EQ(0, coro_sleep(0));
	}
	EXPECT_EQ(-ECANCELED, coro_await(server));
	for (int i = 0; i < CLIENTS && !s->opts.grace_ns; i++)
		close(fds[i]);
	return 0;
}

TEST_F(pool_serve, cancel_reaches_connections_on_all_loops)
{
	struct service s;

	service_open(&s);
	EXPECT_EQ(0, run_pool(NR, be_cancelled, &s));
	EXPECT_EQ(CLIENTS, s.cancelled);
	close_all(s.fds, NR);
}

TEST_F(pool_serve, connections_go_on_for_the_grace_of_a_cancel)
{
	struct service s;

	service_open(&s);
	s.opts.grace_ns = FAR_NS;
	EXPECT_EQ(0, run_pool(NR, be_cancelled, &s));
	EXPECT_EQ(CLIENTS, s.ended);
	close_all(s.fds, NR);
}

static long serve_until_the_end(void *arg)
{
	EXPECT_EQ(0, coro_pool_spawn(coro_pool_self(), serve, arg));
	return coro_sleep(CORO_MSEC);
}

TEST_F(pool_serve, end_of_the_pool_ends_the_server)
{
	struct service s;

	service_open(&s);
	EXPECT_EQ(0, run_pool(NR, serve_until_the_end, &s));
	close_all(s.fds, NR);
}

TEST_HARNESS_MAIN
