// SPDX-License-Identifier: MIT
/* Multishot operations: connections and received data, as they come. */
#include "lib_common.h"

LIB_FIXTURE(multishot)

struct net {
	struct sockaddr_in addr;
	int listener;
	int pair[2];
	int fds;
};

static long accept_three(void *arg)
{
	struct net *n = arg;
	struct coro_acceptor *a = NULL;
	int peer[3], fd[3], i;
	char byte;

	EXPECT_EQ(0, coro_acceptor_new(&a, n->listener,
				       SOCK_CLOEXEC | SOCK_NONBLOCK));
	for (i = 0; i < 3; i++) {
		peer[i] = tcp_connect(&n->addr);
		byte = '0' + i;
		EXPECT_EQ(1, send(peer[i], &byte, 1, 0));
	}
	for (i = 0; i < 3; i++) {
		fd[i] = coro_acceptor_next(a, CORO_NEVER);
		EXPECT_LE(0, fd[i]);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd[i], F_GETFD));
		EXPECT_TRUE(fcntl(fd[i], F_GETFL) & O_NONBLOCK);
		EXPECT_EQ(1, coro_io_recv(fd[i], &byte, 1, 0, CORO_NEVER));
		EXPECT_EQ('0' + i, byte);
	}
	coro_acceptor_free(a);
	for (i = 0; i < 3; i++) {
		close(peer[i]);
		close(fd[i]);
	}
	return 0;
}

static void net_run(struct __test_metadata *_metadata, long (*fn)(void *arg))
{
	struct net n;

	ASSERT_NE(NULL, coro_backend());
	n.listener = tcp_listen(&n.addr, 128);
	ASSERT_LE(0, n.listener);
	ASSERT_EQ(0,
		  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, n.pair));
	n.fds = open_fds();
	EXPECT_EQ(0, coro_run(fn, &n));
	EXPECT_EQ(n.fds, open_fds());
	close(n.listener);
	close(n.pair[0]);
	close(n.pair[1]);
}

/* IOU-10 */
TEST_F(multishot, connections_come_in_their_order)
{
	net_run(_metadata, accept_three);
}

struct waiter {
	struct coro_acceptor *a;
	struct coro_receiver *r;
	int ret;
	const void *data;
};

static long next_connection(void *arg)
{
	struct waiter *w = arg;

	w->ret = coro_acceptor_next(w->a, CORO_NEVER);
	return 0;
}

static long next_data(void *arg)
{
	struct waiter *w = arg;

	w->ret = coro_receiver_next(w->r, &w->data, CORO_NEVER);
	return 0;
}

static long acceptor_goes_on(void *arg)
{
	struct net *n = arg;
	struct waiter w = { .ret = 1000 };
	struct coro *c = coro_new(next_connection, &w);
	int peer, fd;

	EXPECT_EQ(0, coro_acceptor_new(&w.a, n->listener, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_acceptor_next(w.a, coro_after(SOON_NS)));
	EXPECT_EQ(-ETIMEDOUT, coro_acceptor_next(w.a, 0));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EBUSY, coro_acceptor_next(w.a, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, w.ret);
	peer = tcp_connect(&n->addr);
	fd = coro_acceptor_next(w.a, coro_after(FAR_NS));
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	coro_acceptor_free(w.a);
	close(peer);
	close(fd);
	return 0;
}

/* IOU-10 TMO-02 AGS-06 */
TEST_F(multishot, acceptor_goes_on_after_deadline_cancel_and_second_waiter)
{
	net_run(_metadata, acceptor_goes_on);
}

static long free_with_unfetched(void *arg)
{
	struct net *n = arg;
	struct coro_acceptor *a = NULL;
	int peer[10], i;
	char byte;

	EXPECT_EQ(0, coro_acceptor_new(&a, n->listener, SOCK_CLOEXEC));
	for (i = 0; i < 10; i++)
		peer[i] = tcp_connect(&n->addr);
	/* The first one shows that the acceptor has begun to take them. */
	i = coro_acceptor_next(a, CORO_NEVER);
	EXPECT_LE(0, i);
	close(i);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, coro_sleep(0));
	coro_acceptor_free(a);
	coro_acceptor_free(NULL);
	EXPECT_EQ(0, shutdown(n->listener, SHUT_RDWR));
	for (i = 0; i < 10; i++) {
		int ret =
			coro_io_recv(peer[i], &byte, 1, 0, coro_after(FAR_NS));

		EXPECT_TRUE(ret == 0 || ret == -ECONNRESET);
		close(peer[i]);
	}
	return 0;
}

/* IOU-10 IOU-04 */
TEST_F(multishot, connections_that_nobody_fetched_are_closed)
{
	net_run(_metadata, free_with_unfetched);
}

static long accept_nothing(void *arg)
{
	struct net *n = arg;
	struct coro_acceptor *a = NULL;

	EXPECT_EQ(0, coro_acceptor_new(&a, n->pair[0], 0));
	EXPECT_EQ(-EINVAL, coro_acceptor_next(a, CORO_NEVER));
	EXPECT_EQ(-EINVAL, coro_acceptor_next(a, CORO_NEVER));
	coro_acceptor_free(a);
	EXPECT_EQ(0, coro_acceptor_new(&a, n->listener, 0));
	EXPECT_EQ(0, shutdown(n->listener, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, coro_acceptor_next(a, CORO_NEVER));
	coro_acceptor_free(a);
	return 0;
}

/* AGS-22 */
TEST_F(multishot, error_of_accept_is_told_at_every_call)
{
	net_run(_metadata, accept_nothing);
}

static long free_under_a_waiter(void *arg)
{
	struct net *n = arg;
	struct waiter w = { .ret = 1000, .data = &w };
	struct coro *c = coro_new(next_connection, &w);

	EXPECT_EQ(0, coro_acceptor_new(&w.a, n->listener, 0));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	coro_acceptor_free(w.a);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, w.ret);
	w.ret = 1000;
	c = coro_new(next_data, &w);
	EXPECT_EQ(0, coro_receiver_new(&w.r, n->pair[0]));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	coro_receiver_free(w.r);
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, w.ret);
	EXPECT_EQ((const void *)&w, w.data);
	return coro_sleep(0);
}

/* IOU-10 */
TEST_F(multishot, who_waits_in_a_freed_one_is_cancelled)
{
	net_run(_metadata, free_under_a_waiter);
}

static struct waiter kept;

static long leave_open(void *arg)
{
	struct net *n = arg;

	EXPECT_EQ(0, coro_acceptor_new(&kept.a, n->listener, 0));
	EXPECT_EQ(0, coro_receiver_new(&kept.r, n->pair[0]));
	return coro_sleep(SOON_NS);
}

/* IOU-08 IOU-10 */
TEST_F(multishot, end_of_the_loop_stops_them_and_leaves_them_to_be_freed)
{
	char byte;
	struct net n;
	int peer;

	n.listener = tcp_listen(&n.addr, 8);
	ASSERT_LE(0, n.listener);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, n.pair));
	EXPECT_EQ(0, coro_run(leave_open, &n));
	peer = tcp_connect(&n.addr);
	EXPECT_EQ(1, send(n.pair[1], "x", 1, 0));
	/* Nobody but us takes what comes now. */
	EXPECT_EQ(POLLIN, readable(n.listener));
	EXPECT_EQ(1, recv(n.pair[0], &byte, 1, MSG_DONTWAIT));
	coro_acceptor_free(kept.a);
	coro_receiver_free(kept.r);
	close(peer);
	close(n.listener);
	close(n.pair[0]);
	close(n.pair[1]);
}

static long free_after_cancel(void *arg)
{
	struct net *n = arg;
	struct waiter w = { .ret = 1000 };
	struct coro *c = coro_new(next_connection, &w);

	EXPECT_EQ(0, coro_acceptor_new(&w.a, n->listener, 0));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, w.ret);
	coro_acceptor_free(w.a);
	return 0;
}

/* IOU-08 */
TEST_F(multishot, acceptor_can_be_freed_after_a_cancel)
{
	net_run(_metadata, free_after_cancel);
}

static long accept_many(void *arg)
{
	enum { NR = 100 };
	struct net *n = arg;
	struct coro_acceptor *a = NULL;
	int peer[NR], fd[NR], i;

	EXPECT_EQ(0, coro_acceptor_new(&a, n->listener, SOCK_CLOEXEC));
	for (i = 0; i < NR; i++)
		peer[i] = tcp_connect(&n->addr);
	for (i = 0; i < NR; i++) {
		fd[i] = coro_acceptor_next(a, coro_after(FAR_NS));
		EXPECT_LE(0, fd[i]);
	}
	EXPECT_EQ(-ETIMEDOUT, coro_acceptor_next(a, 0));
	coro_acceptor_free(a);
	for (i = 0; i < NR; i++) {
		close(peer[i]);
		close(fd[i]);
	}
	return 0;
}

/* IOU-09 IOU-10 */
TEST_F(multishot, more_connections_than_the_queues_hold_all_come)
{
	struct coro_loop_opts opts = { .size = sizeof(opts),
				       .sq_entries = 4,
				       .cq_entries = 8 };
	long value = POISON_LONG;
	struct net n;

	n.listener = tcp_listen(&n.addr, 128);
	ASSERT_LE(0, n.listener);
	EXPECT_EQ(0, coro_run_opts(accept_many, &n, &opts, &value));
	EXPECT_EQ(0, value);
	close(n.listener);
}

/* IOU-10 */
TEST_F(multishot, acceptors_and_receivers_need_a_running_loop)
{
	struct coro_acceptor *a = (void *)POISON_LONG;
	struct coro_receiver *r = (void *)POISON_LONG;

	EXPECT_EQ(-EPERM, coro_acceptor_new(&a, 0, 0));
	EXPECT_EQ(-EPERM, coro_receiver_new(&r, 0));
	EXPECT_EQ((void *)POISON_LONG, (void *)a);
	EXPECT_EQ((void *)POISON_LONG, (void *)r);
}

static long refuse_null(void *arg)
{
	struct net *n = arg;

	EXPECT_EQ(-EINVAL, coro_acceptor_new(NULL, n->listener, 0));
	EXPECT_EQ(-EINVAL, coro_receiver_new(NULL, n->pair[0]));
	coro_receiver_free(NULL);
	coro_acceptor_free(NULL);
	return 0;
}

/* OBJ-04 */
TEST_F(multishot, null_outputs_are_refused)
{
	net_run(_metadata, refuse_null);
}

#define BULK (300 * 1000)

static long send_bulk(void *arg)
{
	struct net *n = arg;
	unsigned char *buf = malloc(BULK);
	int i;

	for (i = 0; i < BULK; i++)
		buf[i] = i % 251;
	EXPECT_EQ(BULK,
		  coro_io_send(n->pair[1], buf, BULK, MSG_WAITALL, CORO_NEVER));
	EXPECT_EQ(0, coro_io_shutdown(n->pair[1], SHUT_WR, CORO_NEVER));
	free(buf);
	return 0;
}

static long receive_bulk(void *arg)
{
	struct net *n = arg;
	struct coro *c = coro_new(send_bulk, n);
	struct coro_receiver *r = NULL;
	const void *data;
	long got = 0;
	int ret, i;

	EXPECT_EQ(0, coro_receiver_new(&r, n->pair[0]));
	EXPECT_EQ(0, coro_start(c));
	do {
		ret = coro_receiver_next(r, &data, coro_after(FAR_NS));
		for (i = 0; i < ret; i++)
			EXPECT_EQ((got + i) % 251,
				  ((const unsigned char *)data)[i]);
		got += ret > 0 ? ret : 0;
	} while (ret > 0);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(BULK, got);
	EXPECT_EQ(0, coro_receiver_next(r, &data, CORO_NEVER));
	EXPECT_EQ(0, coro_await(c));
	coro_receiver_free(r);
	return 0;
}

/* IOU-10 AGS-16 */
TEST_F(multishot, received_bytes_come_in_order_to_the_end)
{
	net_run(_metadata, receive_bulk);
}

/* IOU-09 IOU-10 */
TEST_F(multishot, few_small_buffers_lose_nothing)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.cq_entries = 8,
		.sq_entries = 4,
		.recv_buffers = 2,
		.recv_buffer_bytes = 512,
	};
	long value = POISON_LONG;
	struct net n;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, n.pair));
	EXPECT_EQ(0, coro_run_opts(receive_bulk, &n, &opts, &value));
	EXPECT_EQ(0, value);
	close(n.pair[0]);
	close(n.pair[1]);
}

static long receiver_goes_on(void *arg)
{
	struct net *n = arg;
	struct waiter w = { .ret = 1000, .data = &w };
	struct coro *c = coro_new(next_data, &w);
	const void *data = &w;

	EXPECT_EQ(0, coro_receiver_new(&w.r, n->pair[0]));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_receiver_next(w.r, &data, coro_after(SOON_NS)));
	EXPECT_EQ(-ETIMEDOUT, coro_receiver_next(w.r, &data, 0));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(-EBUSY, coro_receiver_next(w.r, &data, CORO_NEVER));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, w.ret);
	EXPECT_EQ((const void *)&w, w.data);
	EXPECT_EQ((const void *)&w, data);
	EXPECT_EQ(4, send(n->pair[1], "data", 4, 0));
	EXPECT_EQ(4, coro_receiver_next(w.r, &data, coro_after(FAR_NS)));
	EXPECT_EQ(0, memcmp(data, "data", 4));
	coro_receiver_free(w.r);
	return 0;
}

/* IOU-10 AGS-20 AGS-21 */
TEST_F(multishot, receiver_goes_on_after_deadline_cancel_and_second_waiter)
{
	net_run(_metadata, receiver_goes_on);
}

/* A connected pair: of AF_UNIX, or over TCP by the listener. */
static int connected(struct net *n, bool tcp, int ret_pair[2])
{
	if (!tcp)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				  ret_pair);
	ret_pair[1] = tcp_connect(&n->addr);
	ret_pair[0] = accept(n->listener, NULL, NULL);
	return ret_pair[0] < 0 || ret_pair[1] < 0;
}

static void receive_to_the_end(struct net *n, bool tcp, int bytes)
{
	struct coro_receiver *r = NULL;
	const void *data;
	int got = 0, pair[2], ret;

	EXPECT_EQ(0, connected(n, tcp, pair));
	EXPECT_EQ(0, coro_receiver_new(&r, pair[0]));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(bytes, send(pair[1], "abcdefghijklmnop", bytes, 0));
	EXPECT_EQ(0, shutdown(pair[1], SHUT_WR));
	do {
		ret = coro_receiver_next(r, &data, coro_after(5 * CORO_SEC));
		got += ret > 0 ? ret : 0;
	} while (ret > 0);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(bytes, got);
	coro_receiver_free(r);
	close(pair[0]);
	close(pair[1]);
}

static long receive_ends(void *arg)
{
	int bytes;

	for (bytes = 1; bytes <= 10; bytes++) {
		receive_to_the_end(arg, false, bytes);
		receive_to_the_end(arg, true, bytes);
		if (!_metadata->passed)
			return -EPROTO;
	}
	return 0;
}

/* IOU-10: the end comes with the data, and the buffers run out in between. */
TEST_F(multishot, end_is_told_however_small_the_buffers_are)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.recv_buffers = 2,
		.recv_buffer_bytes = 2,
	};
	long value = POISON_LONG;
	struct net n;

	n.listener = tcp_listen(&n.addr, 8);
	ASSERT_LE(0, n.listener);
	EXPECT_EQ(0, coro_run_opts(receive_ends, &n, &opts, &value));
	EXPECT_EQ(0, value);
	close(n.listener);
}

static long hold_a_buffer(void *arg)
{
	struct net *n = arg;
	struct coro_receiver *r[2] = { NULL, NULL };
	const char *held = NULL, *data = NULL;
	int other[2], i;

	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other));
	EXPECT_EQ(0, coro_receiver_new(&r[0], n->pair[0]));
	EXPECT_EQ(0, coro_receiver_new(&r[1], other[0]));
	EXPECT_EQ(5, send(n->pair[1], "first", 5, 0));
	EXPECT_EQ(5,
		  coro_receiver_next(r[0], (const void **)&held, CORO_NEVER));
	for (i = 0; i < 50; i++) {
		char byte = 'a' + i % 26;

		EXPECT_EQ(1, send(other[1], &byte, 1, 0));
		EXPECT_EQ(1, coro_receiver_next(r[1], (const void **)&data,
						coro_after(FAR_NS)));
		EXPECT_EQ(byte, data[0]);
		EXPECT_EQ(0, memcmp(held, "first", 5));
	}
	EXPECT_EQ(6, send(n->pair[1], "second", 6, 0));
	EXPECT_EQ(6,
		  coro_receiver_next(r[0], (const void **)&held, CORO_NEVER));
	EXPECT_EQ(0, memcmp(held, "second", 6));
	coro_receiver_free(r[0]);
	coro_receiver_free(r[1]);
	close(other[0]);
	close(other[1]);
	return 0;
}

/* IOU-02 */
TEST_F(multishot, data_stays_until_the_next_call)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.recv_buffers = 2,
		.recv_buffer_bytes = 64,
	};
	long value = POISON_LONG;
	struct net n;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, n.pair));
	EXPECT_EQ(0, coro_run_opts(hold_a_buffer, &n, &opts, &value));
	EXPECT_EQ(0, value);
	close(n.pair[0]);
	close(n.pair[1]);
}

static long starve_for_buffers(void *arg)
{
	struct net *n = arg;
	struct coro_receiver *r[2] = { NULL, NULL };
	const char *data = NULL;
	int other[2];

	EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other));
	EXPECT_EQ(0, coro_receiver_new(&r[0], n->pair[0]));
	EXPECT_EQ(1, send(n->pair[1], "x", 1, 0));
	EXPECT_EQ(1,
		  coro_receiver_next(r[0], (const void **)&data, CORO_NEVER));
	/* The only buffer is ours now. */
	EXPECT_EQ(0, coro_receiver_new(&r[1], other[0]));
	EXPECT_EQ(1, send(other[1], "y", 1, 0));
	EXPECT_EQ(-ETIMEDOUT, coro_receiver_next(r[1], (const void **)&data,
						 coro_after(SOON_NS)));
	/* Freeing gives it back. */
	coro_receiver_free(r[0]);
	EXPECT_EQ(1, coro_receiver_next(r[1], (const void **)&data,
					coro_after(FAR_NS)));
	EXPECT_EQ('y', data[0]);
	coro_receiver_free(r[1]);
	close(other[0]);
	close(other[1]);
	return 0;
}

/* IOU-10 AGS-23 */
TEST_F(multishot, data_waits_while_the_buffers_are_out)
{
	struct coro_loop_opts opts = {
		.size = sizeof(opts),
		.recv_buffers = 1,
		.recv_buffer_bytes = 64,
	};
	long value = POISON_LONG;
	struct net n;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, n.pair));
	EXPECT_EQ(0, coro_run_opts(starve_for_buffers, &n, &opts, &value));
	EXPECT_EQ(0, value);
	close(n.pair[0]);
	close(n.pair[1]);
}

static long receive_a_reset(void *arg)
{
	struct net *n = arg;
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct coro_receiver *r = NULL;
	int peer = tcp_connect(&n->addr);
	int fd = accept(n->listener, NULL, NULL);
	const void *data = &r;

	EXPECT_EQ(0, coro_receiver_new(&r, fd));
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(peer);
	EXPECT_EQ(-ECONNRESET,
		  coro_receiver_next(r, &data, coro_after(FAR_NS)));
	EXPECT_EQ(-ECONNRESET,
		  coro_receiver_next(r, &data, coro_after(FAR_NS)));
	EXPECT_EQ((const void *)&r, data);
	coro_receiver_free(r);
	close(fd);
	return 0;
}

/* AGS-22 */
TEST_F(multishot, error_of_recv_is_told_at_every_call)
{
	net_run(_metadata, receive_a_reset);
}

static long receive_from_a_file(void *arg)
{
	struct coro_receiver *r = NULL;
	const void *data;
	int fd[2];

	(void)arg;
	EXPECT_EQ(0, pipe(fd));
	EXPECT_EQ(0, coro_receiver_new(&r, fd[0]));
	EXPECT_EQ(-ENOTSOCK, coro_receiver_next(r, &data, CORO_NEVER));
	EXPECT_EQ(-ENOTSOCK, coro_receiver_next(r, &data, CORO_NEVER));
	coro_receiver_free(r);
	close(fd[0]);
	close(fd[1]);
	return 0;
}

/* AGS-22 */
TEST_F(multishot, receiver_of_what_is_no_socket_fails)
{
	net_run(_metadata, receive_from_a_file);
}

static long free_with_data(void *arg)
{
	struct net *n = arg;
	struct coro_receiver *r = NULL;
	char text[16] = "";
	int i;

	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, coro_receiver_new(&r, n->pair[0]));
		EXPECT_EQ(4, send(n->pair[1], "drop", 4, 0));
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, coro_sleep(0));
		coro_receiver_free(r);
		/* Whether it was received or not: what comes later is not dropped. */
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_LE(-1,
			  recv(n->pair[0], text, sizeof(text), MSG_DONTWAIT));
		EXPECT_EQ(4, send(n->pair[1], "keep", 4, 0));
		EXPECT_EQ(4, coro_io_recv(n->pair[0], text, sizeof(text), 0,
					  coro_after(FAR_NS)));
		EXPECT_EQ(0, memcmp(text, "keep", 4));
	}
	return 0;
}

/* IOU-10 */
TEST_F(multishot, freed_receiver_takes_nothing_more)
{
	net_run(_metadata, free_with_data);
}

TEST_HARNESS_MAIN
