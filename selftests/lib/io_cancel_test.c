// SPDX-License-Identifier: MIT
/* I/O that is cancelled or too late: nothing is lost, leaked or written afterwards. */
#include <liburing.h>
#include <sys/stat.h>

#include "lib_common.h"

FIXTURE(io_cancel)
{
	int pipe[2];
	int sock[2];
};

FIXTURE_SETUP(io_cancel)
{
	bodies_expect(_metadata);
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->sock));
}

FIXTURE_TEARDOWN(io_cancel)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->sock[0]);
	close(self->sock[1]);
	EXPECT_EQ(0, leaked());
}

#define IO(arg) ((struct _test_data_io_cancel *)(arg))

struct op {
	int fd;
	int ret;
	int next_err;
	int64_t deadline;
	unsigned char buf[64];
};

static void op_init(struct op *op, int fd, int64_t deadline)
{
	memset(op->buf, POISON, sizeof(op->buf));
	op->fd = fd;
	op->deadline = deadline;
	op->ret = 1000;
	op->next_err = 1000;
}

static long op_read(void *arg)
{
	struct op *op = arg;

	op->ret = coro_io_read(op->fd, op->buf, sizeof(op->buf), op->deadline);
	op->next_err = coro_sleep(0);
	return op->ret;
}

static long cancel_a_read(void *arg)
{
	struct op op, next;
	struct coro *c = coro_new(op_read, &op);

	op_init(&op, IO(arg)->pipe[0], CORO_NEVER);
	op_init(&next, IO(arg)->pipe[0], CORO_NEVER);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(1000, op.ret);
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, op.next_err);
	EXPECT_EQ(4, coro_io_write(IO(arg)->pipe[1], "data", 4, CORO_NEVER));
	EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
	EXPECT_EQ(4, op_read(&next));
	EXPECT_EQ(0, memcmp(next.buf, "data", 4));
	EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
	return 0;
}

/* IOU-02, IOU-03, TSK-14 */
TEST_F(io_cancel, cancelled_read_takes_nothing_and_touches_nothing)
{
	EXPECT_EQ(0, coro_run(cancel_a_read, self));
}

static long read_too_late(void *arg)
{
	struct op op, next;

	op_init(&op, IO(arg)->pipe[0], coro_after(SOON_NS));
	op_init(&next, IO(arg)->pipe[0], CORO_NEVER);
	EXPECT_EQ(-ETIMEDOUT, op_read(&op));
	EXPECT_LE(op.deadline, coro_now());
	EXPECT_EQ(4, coro_io_write(IO(arg)->pipe[1], "data", 4, CORO_NEVER));
	EXPECT_EQ(4, op_read(&next));
	EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
	return 0;
}

/* IOU-02, IOU-12, TMO-02 */
TEST_F(io_cancel, late_read_takes_nothing_and_touches_nothing)
{
	EXPECT_EQ(0, coro_run(read_too_late, self));
}

static long read_in_the_past(void *arg)
{
	const int64_t past[] = { 0, -1, INT64_MIN, 1 };
	struct op op;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(past); i++) {
		op_init(&op, IO(arg)->pipe[0], past[i]);
		EXPECT_EQ(-ETIMEDOUT, op_read(&op));
	}
	EXPECT_EQ(4, write(IO(arg)->pipe[1], "data", 4));
	op_init(&op, IO(arg)->pipe[0], 0);
	ret = op_read(&op);
	if (ret == -ETIMEDOUT) {
		EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
		op.deadline = CORO_NEVER;
		ret = op_read(&op);
	}
	EXPECT_EQ(4, ret);
	EXPECT_EQ(0, memcmp(op.buf, "data", 4));
	return 0;
}

/* TMO-14 */
TEST_F(io_cancel, deadline_in_the_past_fails_or_loses_nothing)
{
	EXPECT_EQ(0, coro_run(read_in_the_past, self));
}

static long read_in_time(void *arg)
{
	struct op op;
	struct coro *c = coro_new(op_read, &op);

	op_init(&op, IO(arg)->pipe[0], coro_after(FAR_NS));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(1000, op.ret);
	EXPECT_EQ(4, coro_io_write(IO(arg)->pipe[1], "data", 4, CORO_NEVER));
	EXPECT_EQ(4, coro_await(c));
	return 0;
}

/* TMO-01: a timer that was left would hold the run for minutes. */
TEST_F(io_cancel, read_in_time_leaves_no_timer)
{
	EXPECT_EQ(0, coro_run(read_in_time, self));
}

/* Write until @fd takes no more; it blocks again afterwards. */
static void fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	char buf[4096] = "";

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, buf, sizeof(buf)) > 0 || write(fd, buf, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

static long every_call_too_late(void *arg)
{
	struct _test_data_io_cancel *io = arg;
	struct sockaddr_in addr;
	int listener = tcp_listen(&addr, 1);
	static char buf[65536];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct io_uring_sqe sqe;

	memset(buf, POISON, sizeof(buf));
#define SOON coro_after(CORO_MSEC)
	EXPECT_EQ(-ETIMEDOUT, coro_io_read(io->pipe[0], buf, 1, SOON));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_io_readv(io->pipe[0], &iov, 1, UINT64_MAX, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_recv(io->sock[0], buf, 1, 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_recvmsg(io->sock[0], &msg, 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_accept(listener, NULL, NULL, 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_poll(io->pipe[0], POLLIN, SOON));
	io_uring_prep_poll_add(&sqe, io->pipe[0], POLLIN);
	EXPECT_EQ(-ETIMEDOUT, coro_io_await(&sqe, SOON, NULL));
	EXPECT_TRUE(untouched(buf, sizeof(buf)));
	fill(io->pipe[1]);
	EXPECT_EQ(-ETIMEDOUT, coro_io_write(io->pipe[1], buf, 4096, SOON));
	EXPECT_EQ(-ETIMEDOUT,
		  coro_io_writev(io->pipe[1], &iov, 1, UINT64_MAX, SOON));
	fill(io->sock[0]);
	EXPECT_EQ(-ETIMEDOUT,
		  coro_io_send(io->sock[0], buf, sizeof(buf), 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_sendmsg(io->sock[0], &msg, 0, SOON));
	EXPECT_EQ(-ETIMEDOUT, coro_io_poll(io->sock[0], POLLOUT, SOON));
#undef SOON
	close(listener);
	return 0;
}

/* IOU-12 */
TEST_F(io_cancel, every_call_that_waits_has_a_deadline)
{
	EXPECT_EQ(0, coro_run(every_call_too_late, self));
}

static long cancelled_before_the_call(void *arg)
{
	struct op op;

	op_init(&op, IO(arg)->pipe[0], CORO_NEVER);
	EXPECT_EQ(4, write(IO(arg)->pipe[1], "data", 4));
	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(-ECANCELED, op_read(&op));
	EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
	EXPECT_EQ(-ECANCELED, op.next_err);
	EXPECT_EQ(-ECANCELED, op_read(&op));
	EXPECT_TRUE(untouched(op.buf, sizeof(op.buf)));
	EXPECT_EQ(4, coro_call_shielded(op_read, &op, CORO_NEVER));
	EXPECT_EQ(0, op.next_err);
	return 0;
}

/* TSK-20: the better one holds, every later call fails too. */
TEST_F(io_cancel, cancel_fails_each_call_before_it_takes_anything)
{
	EXPECT_EQ(0, coro_run(cancelled_before_the_call, self));
}

static long read_then_wait(void *arg)
{
	struct op *op = arg;

	op->ret = coro_io_read(op->fd, op->buf, sizeof(op->buf), op->deadline);
	op->next_err = coro_sleep(op->ret < 0 ? 0 : FAR_NS);
	return 0;
}

/* How a read and a cancel of it went: both orders are right, both at once is not. */
static void judge_race(struct op *op, int fd)
{
	if (op->ret == 1) {
		EXPECT_EQ(-ECANCELED, op->next_err);
		EXPECT_EQ(0, readable(fd));
	} else {
		EXPECT_EQ(-ECANCELED, op->ret);
		EXPECT_EQ(-ECANCELED, op->next_err);
		EXPECT_TRUE(untouched(op->buf, sizeof(op->buf)));
		EXPECT_EQ(POLLIN, readable(fd));
	}
}

static long race_read_with_cancel(void *arg)
{
	int *p = IO(arg)->pipe;
	char byte;
	int i, k;

	for (i = 0; i < 300; i++) {
		struct op op;
		struct coro *c = coro_new(read_then_wait, &op);

		op_init(&op, p[0], CORO_NEVER);
		EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(1, i % 2 ? write(p[1], "x", 1) :
				     coro_io_write(p[1], "x", 1, CORO_NEVER));
		for (k = 0; k < i % 3; k++)
			EXPECT_EQ(0, coro_sleep(0));
		EXPECT_EQ(0, coro_cancel(c));
		EXPECT_EQ(0, coro_await(c));
		judge_race(&op, p[0]);
		if (op.ret != 1)
			EXPECT_EQ(1, read(p[0], &byte, 1));
	}
	return 0;
}

/* IOU-03, TSK-17: the better one holds: a result that is there is handed over. */
TEST_F(io_cancel, read_that_races_with_a_cancel_loses_no_data)
{
	EXPECT_EQ(0, coro_run(race_read_with_cancel, self));
}

static long cancel_what_is_ready(void *arg)
{
	struct op op;
	struct coro *c = coro_new(read_then_wait, &op);

	op_init(&op, IO(arg)->pipe[0], CORO_NEVER);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(4, write(IO(arg)->pipe[1], "data", 4));
	settle(c, CORO_AWAITS_TIMER);
	EXPECT_EQ(4, op.ret);
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, op.next_err);
	return 0;
}

/* TSK-17 */
TEST_F(io_cancel, result_comes_before_a_later_cancel)
{
	EXPECT_EQ(0, coro_run(cancel_what_is_ready, self));
}

struct acceptance {
	struct sockaddr_in addr;
	int listener;
	int fd;
	int64_t deadline;
};

static long accept_one(void *arg)
{
	struct acceptance *a = arg;

	a->fd = coro_io_accept(a->listener, NULL, NULL, SOCK_CLOEXEC,
			       a->deadline);
	return 0;
}

static long race_accept(struct acceptance *a, bool cancel)
{
	int before = open_fds();
	int i, k;

	for (i = 0; i < 100; i++) {
		struct coro *c = coro_new(accept_one, a);
		int peer;

		a->deadline = cancel ? CORO_NEVER :
				       coro_after(i % 10 * 20 * CORO_USEC);
		EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(0, coro_sleep(0));
		peer = tcp_connect(&a->addr);
		EXPECT_LE(0, peer);
		for (k = 0; k < i % 3; k++)
			EXPECT_EQ(0, coro_sleep(0));
		if (cancel)
			coro_cancel(c);
		EXPECT_EQ(0, coro_await(c));
		if (a->fd < 0) {
			EXPECT_EQ(cancel ? -ECANCELED : -ETIMEDOUT, a->fd);
			/* Not taken means that the next one gets it. */
			a->fd = coro_io_accept(a->listener, NULL, NULL, 0,
					       CORO_NEVER);
		}
		EXPECT_LE(0, a->fd);
		close(a->fd);
		close(peer);
	}
	EXPECT_EQ(before, open_fds());
	return 0;
}

static long race_accept_with_cancel(void *arg)
{
	return race_accept(arg, true);
}

static long race_accept_with_deadline(void *arg)
{
	return race_accept(arg, false);
}

/* IOU-04 */
TEST_F(io_cancel, accept_that_races_with_a_cancel_leaks_no_descriptor)
{
	struct acceptance a;

	a.listener = tcp_listen(&a.addr, 128);
	ASSERT_LE(0, a.listener);
	EXPECT_EQ(0, coro_run(race_accept_with_cancel, &a));
	close(a.listener);
}

/* IOU-04 */
TEST_F(io_cancel, accept_that_races_with_its_deadline_leaks_no_descriptor)
{
	struct acceptance a;

	a.listener = tcp_listen(&a.addr, 128);
	ASSERT_LE(0, a.listener);
	EXPECT_EQ(0, coro_run(race_accept_with_deadline, &a));
	close(a.listener);
}

static long open_one(void *arg)
{
	struct op *op = arg;

	op->ret = coro_io_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0,
				 op->deadline);
	if (op->ret >= 0)
		close(op->ret);
	op->next_err = coro_sleep(0);
	return 0;
}

static long race_open_with_cancel(void *arg)
{
	int before = open_fds();
	int i, k;

	(void)arg;
	for (i = 0; i < 200; i++) {
		struct op op;
		struct coro *c = coro_new(open_one, &op);

		op_init(&op, -1,
			i % 2 ? CORO_NEVER : coro_after(i * CORO_USEC / 4));
		EXPECT_EQ(0, coro_start(c));
		for (k = 0; k < 1 + i % 3 && coro_state(c) != CORO_STATE_CLOSED;
		     k++)
			EXPECT_EQ(0, coro_sleep(0));
		coro_cancel(c);
		EXPECT_EQ(0, coro_await(c));
		EXPECT_TRUE(op.ret >= 0 || op.ret == -ECANCELED ||
			    op.ret == -ETIMEDOUT);
	}
	EXPECT_EQ(before, open_fds());
	return 0;
}

/* IOU-04 */
TEST_F(io_cancel, open_that_races_with_a_cancel_leaks_no_descriptor)
{
	EXPECT_EQ(0, coro_run(race_open_with_cancel, NULL));
}

struct fifo {
	char path[64];
	int64_t deadline;
	int ret;
};

static long open_fifo(void *arg)
{
	struct fifo *f = arg;
	struct io_uring_sqe sqe;

	io_uring_prep_openat(&sqe, AT_FDCWD, f->path, O_RDONLY | O_CLOEXEC, 0);
	sqe.flags |= IOSQE_ASYNC;
	f->ret = coro_io_await(&sqe, f->deadline, NULL);
	return 0;
}

static long give_up_on_fifo(void *arg)
{
	struct fifo *f = arg;
	struct coro *c = coro_new(open_fifo, f);
	int before = open_fds();

	f->deadline = coro_after(SOON_NS);
	EXPECT_EQ(0, open_fifo(f));
	EXPECT_EQ(-ETIMEDOUT, f->ret);
	f->deadline = CORO_NEVER;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, f->ret);
	EXPECT_EQ(before, open_fds());
	return 0;
}

/* IOU-03: it blocks a kernel thread, which only a signal of the kernel's gets out. */
TEST_F(io_cancel, open_of_a_fifo_that_nobody_writes_can_be_given_up)
{
	struct fifo f = { .path = "" };
	char dir[] = "/tmp/coro-fifo-XXXXXX";

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(f.path, sizeof(f.path), "%s/fifo", dir);
	ASSERT_EQ(0, mkfifo(f.path, 0600));
	EXPECT_EQ(0, coro_run(give_up_on_fifo, &f));
	unlink(f.path);
	rmdir(dir);
}

static long accept_too_late_then_close(void *arg)
{
	struct acceptance *a = arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a->deadline = coro_after(SOON_NS);
	EXPECT_EQ(0, accept_one(a));
	EXPECT_EQ(-ETIMEDOUT, a->fd);
	EXPECT_EQ(0, coro_io_close(a->listener));
	EXPECT_EQ(-ECONNREFUSED,
		  coro_io_connect(fd, (struct sockaddr *)&a->addr,
				  sizeof(a->addr), CORO_NEVER));
	close(fd);
	return 0;
}

/* IOU-05 */
TEST_F(io_cancel, listener_is_closed_for_good_after_a_late_accept)
{
	struct acceptance a;

	a.listener = tcp_listen(&a.addr, 8);
	ASSERT_LE(0, a.listener);
	EXPECT_EQ(0, coro_run(accept_too_late_then_close, &a));
}

struct connection {
	struct sockaddr_in addr;
	int listener;
	int fd;
	int ret;
	int64_t deadline;
};

static long connect_one(void *arg)
{
	struct connection *co = arg;

	co->ret = coro_io_connect(co->fd, (struct sockaddr *)&co->addr,
				  sizeof(co->addr), co->deadline);
	return 0;
}

static long give_up_connecting(void *arg)
{
	struct connection *co = arg;
	struct coro *c;
	int filler[8], i;

	/* A backlog that is full drops what comes, so connecting takes seconds. */
	for (i = 0; i < 8; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(filler[i], (struct sockaddr *)&co->addr,
			sizeof(co->addr));
	}
	co->fd = socket(AF_INET, SOCK_STREAM, 0);
	co->deadline = coro_after(SOON_NS);
	EXPECT_EQ(0, connect_one(co));
	EXPECT_EQ(-ETIMEDOUT, co->ret);
	EXPECT_EQ(0, coro_io_close(co->fd));
	co->fd = socket(AF_INET, SOCK_STREAM, 0);
	co->deadline = CORO_NEVER;
	c = coro_new(connect_one, co);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ(-ECANCELED, co->ret);
	EXPECT_EQ(0, coro_io_close(co->fd));
	for (i = 0; i < 8; i++)
		close(filler[i]);
	return 0;
}

/* IOU-06 */
TEST_F(io_cancel, connect_can_be_given_up_half_way)
{
	struct connection co = { .ret = 1 };

	co.listener = tcp_listen(&co.addr, 0);
	ASSERT_LE(0, co.listener);
	EXPECT_EQ(0, coro_run(give_up_connecting, &co));
	close(co.listener);
}

static long close_while_cancelled(void *arg)
{
	int fd = dup(IO(arg)->pipe[0]);

	EXPECT_EQ(0, coro_cancel(coro_self()));
	EXPECT_EQ(0, coro_io_close(fd));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(-ECANCELED, coro_sleep(0));
	fd = dup(IO(arg)->pipe[0]);
	EXPECT_EQ(0, coro_io_close(fd));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	return 0;
}

TEST_F(io_cancel, close_closes_whether_cancelled_or_not)
{
	EXPECT_EQ(0, coro_run(close_while_cancelled, self));
}

static long close_in_cleanup(void *arg)
{
	struct op *op = arg;

	EXPECT_EQ(-ECANCELED, coro_sleep(FAR_NS));
	op->ret = coro_io_close(op->fd);
	op->next_err = coro_sleep(0);
	return 0;
}

static long leave_one_that_closes(void *arg)
{
	EXPECT_EQ(0, coro_spawn(close_in_cleanup, arg));
	return coro_sleep(0);
}

/* LOP-12 */
TEST_F(io_cancel, leftover_can_close_while_the_loop_ends)
{
	struct op op;

	op_init(&op, dup(self->pipe[0]), CORO_NEVER);
	EXPECT_EQ(0, coro_run(leave_one_that_closes, &op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(-ECANCELED, op.next_err);
	EXPECT_EQ(-1, fcntl(op.fd, F_GETFD));
}

static long cancel_many(void *arg)
{
	enum { NR = 1000 };
	struct op *op = calloc(NR, sizeof(*op));
	struct coro **c = calloc(NR, sizeof(*c));
	int i;

	for (i = 0; i < NR; i++) {
		op_init(&op[i], IO(arg)->pipe[0], CORO_NEVER);
		c[i] = coro_new(op_read, &op[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	EXPECT_EQ(0, coro_sleep(0));
	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, coro_cancel(c[i]));
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(-ECANCELED, coro_await(c[i]));
		EXPECT_EQ(-ECANCELED, op[i].next_err);
		EXPECT_TRUE(untouched(op[i].buf, sizeof(op[i].buf)));
	}
	free(op);
	free(c);
	return 0;
}

/* IOU-03, IOU-09 */
TEST_F(io_cancel, thousand_reads_can_be_cancelled_at_once)
{
	EXPECT_EQ(0, coro_run(cancel_many, self));
}

static long time_many_out(void *arg)
{
	enum { NR = 1000 };
	struct op *op = calloc(NR, sizeof(*op));
	struct coro **c = calloc(NR, sizeof(*c));
	int64_t deadline = coro_after(SOON_NS);
	int i;

	for (i = 0; i < NR; i++) {
		op_init(&op[i], IO(arg)->pipe[0], deadline);
		c[i] = coro_new(op_read, &op[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	for (i = 0; i < NR; i++)
		EXPECT_EQ(-ETIMEDOUT, coro_await(c[i]));
	free(op);
	free(c);
	return 0;
}

/* IOU-12 */
TEST_F(io_cancel, thousand_reads_can_time_out_at_once)
{
	EXPECT_EQ(0, coro_run(time_many_out, self));
}

static long cancel_at_the_deadline(void *arg)
{
	int i;

	for (i = 0; i < 50; i++) {
		struct op op;
		struct coro *c = coro_new(op_read, &op);

		op_init(&op, IO(arg)->pipe[0], coro_after(i * 10 * CORO_USEC));
		EXPECT_EQ(0, coro_start(c));
		EXPECT_EQ(0, coro_sleep(i * 10 * CORO_USEC));
		if (coro_cancel(c))
			EXPECT_EQ(CORO_STATE_CLOSED, coro_state(c));
		coro_await(c);
		EXPECT_TRUE(op.ret == -ETIMEDOUT || op.ret == -ECANCELED);
		if (op.ret == -ECANCELED)
			EXPECT_EQ(-ECANCELED, op.next_err);
	}
	return 0;
}

/* TMO-17 */
TEST_F(io_cancel, cancel_and_deadline_together_are_one_failure)
{
	EXPECT_EQ(0, coro_run(cancel_at_the_deadline, self));
}

static long read_within(void *arg)
{
	return coro_await(coro_new(op_read, arg));
}

static long cancel_an_awaited_read(void *arg)
{
	struct op op;
	struct coro *c = coro_new(read_within, &op);

	op_init(&op, IO(arg)->pipe[0], CORO_NEVER);
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(0, coro_cancel(c));
	EXPECT_EQ(-ECANCELED, coro_await(c));
	EXPECT_EQ(-ECANCELED, op.ret);
	return 0;
}

/* TSK-15, IOU-03 */
TEST_F(io_cancel, cancel_reaches_the_read_of_an_awaited_coroutine)
{
	EXPECT_EQ(0, coro_run(cancel_an_awaited_read, self));
}

TEST_HARNESS_MAIN
