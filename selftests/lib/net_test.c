// SPDX-License-Identifier: MIT
/* Connections by name: looked up, raced, listened for. */
#include <netdb.h>

#include "lib_common.h"

LIB_FIXTURE(net)

/* A listener on @host, and the number of its port. */
static int listen_on(const char *host, char *ret_port, size_t len)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t bytes = sizeof(addr);
	int fd = coro_net_listen(host, "0", 0);

	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&addr, &bytes))
		return -errno;
	/* The port is in the same place of both kinds. */
	snprintf(ret_port, len, "%d",
		 ntohs(((struct sockaddr_in *)&addr)->sin_port));
	return fd;
}

static long connect_and_greet(void *arg)
{
	const char *host = arg;
	char port[8], got[4] = "";
	int listener, ours, theirs;

	listener = listen_on("127.0.0.1", port, sizeof(port));
	EXPECT_LE(0, listener);
	ours = coro_net_connect(host, port, coro_after(FAR_NS));
	EXPECT_LE(0, ours);
	theirs = coro_io_accept(listener, NULL, NULL, SOCK_CLOEXEC,
				coro_after(FAR_NS));
	EXPECT_LE(0, theirs);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ours, F_GETFD));
	EXPECT_EQ(2, coro_io_send(ours, "hi", 2, 0, CORO_NEVER));
	EXPECT_EQ(2, coro_io_recv(theirs, got, sizeof(got), 0, CORO_NEVER));
	EXPECT_STREQ("hi", got);
	close(ours);
	close(theirs);
	close(listener);
	return 0;
}

TEST_F(net, address_is_connected_to)
{
	EXPECT_EQ(0, coro_run(connect_and_greet, (void *)"127.0.0.1"));
}

/* GWA-25: without a host it is this machine, by IPv6 first, where nobody listens */
TEST_F(net, next_address_is_tried_when_one_fails)
{
	EXPECT_EQ(0, coro_run(connect_and_greet, NULL));
}

static long connect_to_nobody(void *arg)
{
	char port[8];
	int fd = listen_on("127.0.0.1", port, sizeof(port));

	(void)arg;
	EXPECT_LE(0, fd);
	close(fd);
	return coro_net_connect("127.0.0.1", port, coro_after(FAR_NS));
}

TEST_F(net, refusal_is_told)
{
	EXPECT_EQ(-ECONNREFUSED, coro_run(connect_to_nobody, NULL));
}

static long resolve_wrongly(void *arg)
{
	const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST };
	const struct addrinfo odd = { .ai_flags = 0x40000000 };
	struct addrinfo *list = (void *)POISON_LONG;

	(void)arg;
	EXPECT_EQ(-ENOENT,
		  coro_net_resolve("a.name", "1", &numeric, &list, CORO_NEVER));
	EXPECT_EQ(-EINVAL,
		  coro_net_resolve("::1", "1", &odd, &list, CORO_NEVER));
	EXPECT_EQ(-EINVAL,
		  coro_net_resolve(NULL, NULL, NULL, &list, CORO_NEVER));
	EXPECT_EQ(-EINVAL,
		  coro_net_resolve("::1", "1", NULL, NULL, CORO_NEVER));
	EXPECT_EQ((void *)POISON_LONG, (void *)list);
	EXPECT_EQ(0, coro_net_resolve("::1", "7", NULL, &list, CORO_NEVER));
	EXPECT_EQ(AF_INET6, list->ai_family);
	freeaddrinfo(list);
	return 0;
}

TEST_F(net, wrong_names_are_refused)
{
	EXPECT_EQ(0, coro_run(resolve_wrongly, NULL));
}

/* Whoever gave up, and even the loop, are gone when the answer comes. */
static long resolve_and_leave(void *arg)
{
	struct addrinfo *list = (void *)POISON_LONG;
	int ret;

	(void)arg;
	for (int i = 0; i < 16; i++) {
		ret = coro_net_resolve("127.0.0.1", "1", NULL, &list,
				       coro_after(1));
		EXPECT_TRUE(ret == 0 || ret == -ETIMEDOUT);
		if (!ret)
			freeaddrinfo(list);
	}
	return 0;
}

/* IOU-02 */
TEST_F(net, answer_may_come_when_nobody_waits)
{
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, coro_run(resolve_and_leave, NULL));
}

TEST_F(net, listening_needs_numbers)
{
	EXPECT_EQ(-EINVAL, coro_net_listen("localhost", "0", 0));
	EXPECT_EQ(-EINVAL, coro_net_listen("127.0.0.1", "http", 0));
	EXPECT_EQ(-EINVAL, coro_net_listen("127.0.0.1", NULL, 0));
}

TEST_F(net, taken_port_is_told)
{
	char port[8];
	int fd = listen_on("127.0.0.1", port, sizeof(port));

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EADDRINUSE, coro_net_listen("127.0.0.1", port, 0));
	close(fd);
}

TEST_F(net, calls_outside_of_coroutines_are_refused)
{
	struct addrinfo *list;

	EXPECT_EQ(-EPERM,
		  coro_net_resolve("::1", "1", NULL, &list, CORO_NEVER));
	EXPECT_EQ(-EPERM, coro_net_connect("::1", "1", CORO_NEVER));
}

TEST_HARNESS_MAIN
