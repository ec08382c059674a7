// SPDX-License-Identifier: MIT
/* Awaitable I/O on sockets. */
#include <liburing.h>

#include "lib_common.h"

FIXTURE(io_socket)
{
	int pipe[2];
	int sock[2];
	int file;
};

FIXTURE_SETUP(io_socket)
{
	char path[] = "/tmp/coro-io-XXXXXX";

	bodies_expect(_metadata);
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->sock));
	self->file = mkstemp(path);
	ASSERT_LE(0, self->file);
	unlink(path);
}

FIXTURE_TEARDOWN(io_socket)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->sock[0]);
	close(self->sock[1]);
	close(self->file);
	EXPECT_EQ(0, leaked());
}

#define IO(arg) ((struct _test_data_io_socket *)(arg))

static long send_and_receive(void *arg)
{
	int *s = IO(arg)->sock;
	char buf[8] = "";

	EXPECT_EQ(4, coro_io_send(s[0], "ping", 4, 0, CORO_NEVER));
	EXPECT_EQ(4,
		  coro_io_recv(s[1], buf, sizeof(buf), MSG_PEEK, CORO_NEVER));
	EXPECT_EQ(2, coro_io_recv(s[1], buf, 2, 0, CORO_NEVER));
	EXPECT_EQ(2, coro_io_recv(s[1], buf, sizeof(buf), 0, CORO_NEVER));
	EXPECT_EQ('n', buf[0]);
	EXPECT_EQ(-EAGAIN, coro_io_recv(s[1], buf, sizeof(buf), MSG_DONTWAIT,
					CORO_NEVER));
	EXPECT_EQ(0, coro_io_shutdown(s[0], SHUT_WR, CORO_NEVER));
	EXPECT_EQ(0, coro_io_recv(s[1], buf, sizeof(buf), 0, CORO_NEVER));
	EXPECT_EQ(1, coro_io_send(s[1], "x", 1, 0, CORO_NEVER));
	EXPECT_EQ(1, coro_io_recv(s[0], buf, sizeof(buf), 0, CORO_NEVER));
	return 0;
}

/* IOU-01 */
TEST_F(io_socket, send_recv_and_shutdown_move_bytes)
{
	EXPECT_EQ(0, coro_run(send_and_receive, self));
}

static long send_to_nobody(void *arg)
{
	int *s = IO(arg)->sock;
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	close(s[1]);
	s[1] = -1;
	EXPECT_EQ(-EPIPE, coro_io_send(s[0], "x", 1, 0, CORO_NEVER));
	EXPECT_EQ(-EPIPE, coro_io_sendmsg(s[0], &msg, 0, CORO_NEVER));
	return 0;
}

/* IOU-01 */
TEST_F(io_socket, sending_to_a_closed_peer_raises_no_signal)
{
	signal(SIGPIPE, SIG_DFL);
	EXPECT_EQ(0, coro_run(send_to_nobody, self));
}

#define BULK (1 << 20)

static long receive_bulk(void *arg)
{
	char *buf = malloc(BULK);
	long got = 0;
	int ret;

	do {
		ret = coro_io_recv(IO(arg)->sock[1], buf + got, BULK - got, 0,
				   CORO_NEVER);
		if (ret > 0)
			got += ret;
	} while (ret > 0 && got < BULK);
	EXPECT_EQ((char)(BULK - 1), buf[BULK - 1]);
	free(buf);
	return got;
}

static long send_bulk(void *arg)
{
	struct coro *c = coro_new(receive_bulk, arg);
	char *buf = malloc(BULK);
	int i;

	for (i = 0; i < BULK; i++)
		buf[i] = i;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(BULK, coro_io_send(IO(arg)->sock[0], buf, BULK, MSG_WAITALL,
				     CORO_NEVER));
	EXPECT_EQ(BULK, coro_await(c));
	free(buf);
	return 0;
}

/* IOU-01 */
TEST_F(io_socket, send_with_waitall_sends_all)
{
	EXPECT_EQ(0, coro_run(send_bulk, self));
}

static long pass_a_descriptor(void *arg)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = "" };
	struct iovec iov = { "fd", 2 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	char buf[8] = "";
	int fd = -1;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &IO(arg)->pipe[1], sizeof(int));
	EXPECT_EQ(2, coro_io_sendmsg(IO(arg)->sock[0], &msg, 0, CORO_NEVER));
	memset(&control, 0, sizeof(control));
	msg.msg_controllen = sizeof(control.buf);
	iov = (struct iovec){ buf, sizeof(buf) };
	EXPECT_EQ(2, coro_io_recvmsg(IO(arg)->sock[1], &msg, MSG_CMSG_CLOEXEC,
				     CORO_NEVER));
	EXPECT_STREQ("fd", buf);
	cmsg = CMSG_FIRSTHDR(&msg);
	EXPECT_NE(NULL, cmsg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	EXPECT_EQ(1, write(fd, "!", 1));
	EXPECT_EQ(1, coro_io_read(IO(arg)->pipe[0], buf, 1, CORO_NEVER));
	EXPECT_EQ('!', buf[0]);
	close(fd);
	return 0;
}

/* IOU-01, IOU-02 */
TEST_F(io_socket, sendmsg_and_recvmsg_pass_descriptors)
{
	EXPECT_EQ(0, coro_run(pass_a_descriptor, self));
}

struct server {
	struct sockaddr_in addr;
	int listener;
};

static long connect_to(void *arg)
{
	struct server *srv = arg;
	char buf[4] = "";
	int fd, ret;

	fd = coro_io_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, CORO_NEVER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	ret = coro_io_connect(fd, (struct sockaddr *)&srv->addr,
			      sizeof(srv->addr), CORO_NEVER);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(3, coro_io_recv(fd, buf, 3, MSG_WAITALL, CORO_NEVER));
	EXPECT_STREQ("hey", buf);
	return coro_io_close(fd);
}

static long serve_one(void *arg)
{
	struct server *srv = arg;
	struct coro *client = coro_new(connect_to, srv);
	struct sockaddr_in peer = { .sin_family = 0 };
	socklen_t len = sizeof(peer);
	char buf[4];
	int fd;

	EXPECT_EQ(0, coro_start(client));
	fd = coro_io_accept(srv->listener, (struct sockaddr *)&peer, &len,
			    SOCK_CLOEXEC | SOCK_NONBLOCK, CORO_NEVER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(AF_INET, peer.sin_family);
	EXPECT_EQ(htonl(INADDR_LOOPBACK), peer.sin_addr.s_addr);
	EXPECT_EQ((socklen_t)sizeof(peer), len);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(3, coro_io_send(fd, "hey", 3, 0, CORO_NEVER));
	EXPECT_EQ(0, coro_await(client));
	EXPECT_EQ(0, coro_io_recv(fd, buf, sizeof(buf), 0, CORO_NEVER));
	EXPECT_EQ(0, coro_io_close(fd));
	EXPECT_EQ(0, coro_start(client = coro_new(connect_to, srv)));
	fd = coro_io_accept(srv->listener, NULL, NULL, 0, CORO_NEVER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_FALSE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(3, coro_io_send(fd, "hey", 3, 0, CORO_NEVER));
	EXPECT_EQ(0, coro_await(client));
	EXPECT_EQ(0, coro_io_close(fd));
	return 0;
}

/* IOU-01 */
TEST_F(io_socket, accept_and_connect_meet)
{
	struct server srv;
	int before;

	ASSERT_NE(NULL, coro_backend());
	before = open_fds();
	srv.listener = tcp_listen(&srv.addr, 8);
	ASSERT_LE(0, srv.listener);
	EXPECT_EQ(0, coro_run(serve_one, &srv));
	close(srv.listener);
	EXPECT_EQ(before, open_fds());
}

static long connect_to_nobody(void *arg)
{
	struct server *srv = arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT_EQ(-ECONNREFUSED,
		  coro_io_connect(fd, (struct sockaddr *)&srv->addr,
				  sizeof(srv->addr), CORO_NEVER));
	return coro_io_close(fd);
}

/* IOU-01 */
TEST_F(io_socket, connect_to_a_closed_port_is_refused)
{
	struct server srv;

	srv.listener = tcp_listen(&srv.addr, 1);
	ASSERT_LE(0, srv.listener);
	close(srv.listener);
	EXPECT_EQ(0, coro_run(connect_to_nobody, &srv));
}

static long send_zero_copy(void *arg)
{
	struct server *srv = arg;
	struct io_uring_sqe sqe;
	char *buf = malloc(65536), *seen = malloc(65536);
	int tx = tcp_connect(&srv->addr);
	int rx = accept(srv->listener, NULL, NULL);
	int round;

	for (round = 0; round < 5; round++) {
		memset(buf, 'a' + round, 65536);
		io_uring_prep_send_zc(&sqe, tx, buf, 65536, MSG_WAITALL, 0);
		EXPECT_EQ(65536, coro_io_await(&sqe, CORO_NEVER, NULL));
		/* The buffer is ours again: the peer must not see this. */
		memset(buf, '!', 65536);
		EXPECT_EQ(65536, coro_io_recv(rx, seen, 65536, MSG_WAITALL,
					      CORO_NEVER));
		EXPECT_EQ('a' + round, seen[0]);
		EXPECT_EQ('a' + round, seen[65535]);
	}
	/* As many awaits of other operations must not see a stray completion. */
	for (round = 0; round < 10; round++) {
		io_uring_prep_nop(&sqe);
		EXPECT_EQ(0, coro_io_await(&sqe, CORO_NEVER, NULL));
	}
	close(tx);
	close(rx);
	free(buf);
	free(seen);
	return 0;
}

static long send_zero_copy_to_nobody(void *arg)
{
	struct io_uring_sqe sqe;

	io_uring_prep_send_zc(&sqe, *(int *)arg, "x", 1, 0, 0);
	EXPECT_EQ(-EBADF, coro_io_await(&sqe, CORO_NEVER, NULL));
	EXPECT_EQ(0, coro_sleep(0));
	return 0;
}

/* IOU-02: Linux 6.0 has it, and every kernel here is newer. */
TEST_F(io_socket, zero_copy_send_gives_its_buffer_back)
{
	struct server srv;

	srv.listener = tcp_listen(&srv.addr, 8);
	ASSERT_LE(0, srv.listener);
	EXPECT_EQ(0, coro_run(send_zero_copy, &srv));
	close(srv.listener);
}

/* IOU-01: an operation that fails has no second completion. */
TEST_F(io_socket, zero_copy_send_that_fails_ends_at_once)
{
	int fd = -1;

	EXPECT_EQ(0, coro_run(send_zero_copy_to_nobody, &fd));
}

TEST_HARNESS_MAIN
