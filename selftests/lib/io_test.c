// SPDX-License-Identifier: MIT
/* Awaitable I/O: what each call does, returns and refuses. */
#include <liburing.h>
#include <sys/stat.h>

#include "lib_common.h"

FIXTURE(io)
{
	int pipe[2];
	int sock[2];
	int file;
};

FIXTURE_SETUP(io)
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

FIXTURE_TEARDOWN(io)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->sock[0]);
	close(self->sock[1]);
	close(self->file);
	EXPECT_EQ(0, leaked());
}

#define IO(arg) ((struct _test_data_io *)(arg))

static long pipe_read_and_write(void *arg)
{
	char buf[8] = "";

	EXPECT_EQ(5, coro_io_write(IO(arg)->pipe[1], "hello", 5, CORO_NEVER));
	EXPECT_EQ(3, coro_io_read(IO(arg)->pipe[0], buf, 3, CORO_NEVER));
	EXPECT_STREQ("hel", buf);
	EXPECT_EQ(2, coro_io_read(IO(arg)->pipe[0], buf, sizeof(buf),
				  coro_after(FAR_NS)));
	EXPECT_EQ('l', buf[0]);
	EXPECT_EQ(0, coro_io_close(IO(arg)->pipe[1]));
	EXPECT_EQ(0,
		  coro_io_read(IO(arg)->pipe[0], buf, sizeof(buf), CORO_NEVER));
	IO(arg)->pipe[1] = -1;
	return 0;
}

/* IOU-01 */
TEST_F(io, read_and_write_move_bytes)
{
	EXPECT_EQ(0, coro_run(pipe_read_and_write, self));
}

static long file_at_its_position(void *arg)
{
	int fd = IO(arg)->file;
	char buf[8] = "";

	EXPECT_EQ(6, coro_io_write(fd, "abcdef", 6, CORO_NEVER));
	EXPECT_EQ(6, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(2, lseek(fd, 2, SEEK_SET));
	EXPECT_EQ(3, coro_io_read(fd, buf, 3, CORO_NEVER));
	EXPECT_STREQ("cde", buf);
	EXPECT_EQ(5, lseek(fd, 0, SEEK_CUR));
	return 0;
}

/* IOU-01 */
TEST_F(io, read_and_write_move_the_position)
{
	EXPECT_EQ(0, coro_run(file_at_its_position, self));
}

static long file_at_an_offset(void *arg)
{
	int fd = IO(arg)->file;
	char buf[8] = "";

	EXPECT_EQ(3, coro_io_pwrite(fd, "xyz", 3, 100, CORO_NEVER));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(2, coro_io_pread(fd, buf, 2, 101, CORO_NEVER));
	EXPECT_STREQ("yz", buf);
	EXPECT_EQ(0, coro_io_pread(fd, buf, 2, 103, CORO_NEVER));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	/* Beyond 4 GiB, so that a cut offset shows. */
	EXPECT_EQ(2, coro_io_pwrite(fd, "hi", 2, (5ULL << 32) + 7, CORO_NEVER));
	EXPECT_EQ((off_t)((5ULL << 32) + 9), lseek(fd, 0, SEEK_END));
	return 0;
}

/* IOU-01 */
TEST_F(io, pread_and_pwrite_leave_the_position)
{
	EXPECT_EQ(0, coro_run(file_at_an_offset, self));
}

static long vectors(void *arg)
{
	char a[2], b[3];
	struct iovec out[] = { { "12", 2 }, { "345", 3 } };
	struct iovec in[] = { { a, 2 }, { b, 3 } };
	int fd = IO(arg)->file;

	EXPECT_EQ(5, coro_io_writev(fd, out, 2, 10, CORO_NEVER));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(5, coro_io_readv(fd, in, 2, 10, CORO_NEVER));
	EXPECT_EQ(0, memcmp(a, "12", 2));
	EXPECT_EQ(0, memcmp(b, "345", 3));
	EXPECT_EQ(5, coro_io_writev(fd, out, 2, UINT64_MAX, CORO_NEVER));
	EXPECT_EQ(5, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(5, coro_io_readv(fd, in, 2, UINT64_MAX, CORO_NEVER));
	EXPECT_EQ(10, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(0, a[0]);
	return 0;
}

/* IOU-01 */
TEST_F(io, readv_and_writev_take_an_offset_or_the_position)
{
	EXPECT_EQ(0, coro_run(vectors, self));
}

static long large_lengths(void *arg)
{
	int null = open("/dev/null", O_WRONLY);
	size_t most = INT_MAX & -(size_t)getpagesize();
	char buf[8];

	EXPECT_EQ((long)most,
		  coro_io_write(null, buf, (size_t)3 << 30, CORO_NEVER));
	EXPECT_EQ((long)most,
		  coro_io_write(null, buf, (size_t)1 << 32, CORO_NEVER));
	EXPECT_EQ(4, coro_io_write(IO(arg)->pipe[1], "wxyz", 4, CORO_NEVER));
	EXPECT_EQ(4, coro_io_read(IO(arg)->pipe[0], buf, (size_t)1 << 32,
				  CORO_NEVER));
	EXPECT_EQ(0, memcmp(buf, "wxyz", 4));
	EXPECT_EQ(4, coro_io_pwrite(IO(arg)->file, "wxyz", 4, 0, CORO_NEVER));
	EXPECT_EQ(4, coro_io_pread(IO(arg)->file, buf, (size_t)1 << 32, 0,
				   CORO_NEVER));
	close(null);
	return 0;
}

/* IOU-01 */
TEST_F(io, lengths_above_int_max_are_cut)
{
	EXPECT_EQ(0, coro_run(large_lengths, self));
}

static long open_and_ask(void *arg)
{
	char dir[] = "/tmp/coro-open-XXXXXX";
	struct statx stx;
	int dfd, fd;

	(void)arg;
	EXPECT_NE(NULL, mkdtemp(dir));
	dfd = coro_io_openat(AT_FDCWD, dir, O_DIRECTORY | O_CLOEXEC, 0,
			     CORO_NEVER);
	EXPECT_LE(0, dfd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(dfd, F_GETFD));
	EXPECT_EQ(-ENOENT, coro_io_openat(dfd, "f", O_RDONLY, 0, CORO_NEVER));
	fd = coro_io_openat(dfd, "f", O_CREAT | O_EXCL | O_RDWR, 0640,
			    CORO_NEVER);
	EXPECT_LE(0, fd);
	EXPECT_EQ(-EEXIST, coro_io_openat(dfd, "f", O_CREAT | O_EXCL | O_RDWR,
					  0640, CORO_NEVER));
	EXPECT_EQ(5, coro_io_write(fd, "bytes", 5, CORO_NEVER));
	EXPECT_EQ(0, coro_io_fsync(fd, 0, CORO_NEVER));
	EXPECT_EQ(0, coro_io_fsync(fd, IORING_FSYNC_DATASYNC, CORO_NEVER));
	memset(&stx, POISON, sizeof(stx));
	EXPECT_EQ(0, coro_io_statx(dfd, "f", 0, STATX_SIZE | STATX_MODE, &stx,
				   CORO_NEVER));
	EXPECT_EQ(5, (long)stx.stx_size);
	EXPECT_EQ(S_IFREG | (0640 & ~umask(0)), stx.stx_mode);
	EXPECT_EQ(-ENOENT,
		  coro_io_statx(dfd, "g", 0, STATX_SIZE, &stx, CORO_NEVER));
	EXPECT_EQ(0, coro_io_close(fd));
	unlinkat(dfd, "f", 0);
	EXPECT_EQ(0, coro_io_close(dfd));
	rmdir(dir);
	return 0;
}

/* IOU-01 */
TEST_F(io, files_are_opened_written_and_asked_about)
{
	umask(022);
	EXPECT_EQ(0, coro_run(open_and_ask, self));
}

static long write_soon(void *arg)
{
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	return coro_io_write(IO(arg)->pipe[1], "x", 1, CORO_NEVER);
}

static long poll_pipe(void *arg)
{
	struct coro *c = coro_new(write_soon, arg);

	EXPECT_EQ(POLLOUT, coro_io_poll(IO(arg)->pipe[1], POLLOUT, CORO_NEVER));
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(POLLIN, coro_io_poll(IO(arg)->pipe[0], POLLIN, CORO_NEVER));
	EXPECT_EQ(1, coro_await(c));
	close(IO(arg)->pipe[1]);
	EXPECT_EQ(POLLIN | POLLHUP,
		  coro_io_poll(IO(arg)->pipe[0], POLLIN, CORO_NEVER));
	IO(arg)->pipe[1] = -1;
	return 0;
}

/* IOU-01 */
TEST_F(io, poll_says_what_is_ready)
{
	EXPECT_EQ(0, coro_run(poll_pipe, self));
}

static long splice_bytes(void *arg)
{
	int *p = IO(arg)->pipe, fd = IO(arg)->file;
	char buf[8] = "";

	EXPECT_EQ(6, write(p[1], "splice", 6));
	EXPECT_EQ(6, coro_io_splice(p[0], -1, fd, 3, 100, 0, CORO_NEVER));
	EXPECT_EQ(6, pread(fd, buf, 6, 3));
	EXPECT_STREQ("splice", buf);
	EXPECT_EQ(4, coro_io_splice(fd, 5, p[1], -1, 4, 0, CORO_NEVER));
	EXPECT_EQ(4, read(p[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "lice", 4));
	EXPECT_EQ(0, coro_io_splice(fd, 1000, p[1], -1, 4, 0, CORO_NEVER));
	return 0;
}

/* IOU-01 */
TEST_F(io, splice_moves_bytes)
{
	EXPECT_EQ(0, coro_run(splice_bytes, self));
}

static long wait_for_child(void *arg)
{
	siginfo_t info;
	pid_t pid = *(pid_t *)arg;
	int ret;

	memset(&info, POISON, sizeof(info));
	ret = coro_io_waitid(P_PID, pid, &info, WEXITED, CORO_NEVER);
	if (!kernel_at_least(6, 7)) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		return 0;
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_EQ(CLD_EXITED, info.si_code);
	EXPECT_EQ(7, info.si_status);
	EXPECT_EQ(-ECHILD,
		  coro_io_waitid(P_PID, pid, NULL, WEXITED, CORO_NEVER));
	return 0;
}

/* LOP-23 */
TEST_F(io, waitid_gives_the_end_of_a_child)
{
	pid_t pid = fork();

	if (!pid)
		_exit(7);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, coro_run(wait_for_child, &pid));
	waitpid(pid, NULL, 0);
}

static long give_up_on_child(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	int ret =
		coro_io_waitid(P_PID, pid, NULL, WEXITED, coro_after(SOON_NS));

	EXPECT_EQ(kernel_at_least(6, 7) ? -ETIMEDOUT : -EOPNOTSUPP, ret);
	return 0;
}

/* LOP-23 */
TEST_F(io, giving_up_on_a_child_does_not_reap_it)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		pause();
		_exit(1);
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, coro_run(give_up_on_child, &pid));
	kill(pid, SIGTERM);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

static long bad_descriptor(void *arg)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	char buf[4];
	struct iovec iov = { buf, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const int64_t never = CORO_NEVER;

	(void)arg;
	memset(buf, POISON, sizeof(buf));
	EXPECT_EQ(-EBADF, coro_io_read(-1, buf, 4, never));
	EXPECT_EQ(-EBADF, coro_io_write(-1, buf, 4, never));
	EXPECT_EQ(-EBADF, coro_io_pread(-1, buf, 4, 0, never));
	EXPECT_EQ(-EBADF, coro_io_pwrite(-1, buf, 4, 0, never));
	EXPECT_EQ(-EBADF, coro_io_readv(-1, &iov, 1, 0, never));
	EXPECT_EQ(-EBADF, coro_io_writev(-1, &iov, 1, 0, never));
	EXPECT_EQ(-EBADF, coro_io_recv(-1, buf, 4, 0, never));
	EXPECT_EQ(-EBADF, coro_io_send(-1, buf, 4, 0, never));
	EXPECT_EQ(-EBADF, coro_io_recvmsg(-1, &msg, 0, never));
	EXPECT_EQ(-EBADF, coro_io_sendmsg(-1, &msg, 0, never));
	EXPECT_EQ(-EBADF, coro_io_accept(-1, NULL, NULL, 0, never));
	EXPECT_EQ(-EBADF, coro_io_connect(-1, (struct sockaddr *)&addr,
					  sizeof(addr), never));
	EXPECT_EQ(-EBADF, coro_io_openat(-1, "relative", O_RDONLY, 0, never));
	EXPECT_EQ(-EBADF, coro_io_fsync(-1, 0, never));
	EXPECT_EQ(-EBADF, coro_io_poll(-1, POLLIN, never));
	EXPECT_EQ(-EBADF, coro_io_splice(-1, -1, -1, -1, 4, 0, never));
	EXPECT_EQ(-EBADF, coro_io_shutdown(-1, SHUT_RD, never));
	EXPECT_EQ(-EBADF, coro_io_close(-1));
	EXPECT_TRUE(untouched(buf, sizeof(buf)));
	return 0;
}

/* IOU-01 */
TEST_F(io, bad_descriptor_is_told_by_every_call)
{
	EXPECT_EQ(0, coro_run(bad_descriptor, self));
}

static long wrong_kind_of_file(void *arg)
{
	char buf[4];

	EXPECT_EQ(-ENOTSOCK,
		  coro_io_recv(IO(arg)->pipe[0], buf, 4, 0, CORO_NEVER));
	EXPECT_EQ(-ENOTSOCK,
		  coro_io_accept(IO(arg)->file, NULL, NULL, 0, CORO_NEVER));
	EXPECT_EQ(-EFAULT,
		  coro_io_write(IO(arg)->pipe[1], (void *)8, 4, CORO_NEVER));
	EXPECT_EQ(-EBADF, coro_io_write(IO(arg)->pipe[0], buf, 4, CORO_NEVER));
	EXPECT_EQ(-EAFNOSUPPORT,
		  coro_io_socket(9999, SOCK_STREAM, 0, CORO_NEVER));
	return 0;
}

/* IOU-01 */
TEST_F(io, errors_are_those_of_the_system_call)
{
	EXPECT_EQ(0, coro_run(wrong_kind_of_file, self));
}

static long call_everything(void *arg)
{
	struct io_uring_sqe sqe;
	struct statx stx;
	struct iovec iov = { &stx, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int r = IO(arg)->pipe[0], w = IO(arg)->pipe[1], s = IO(arg)->sock[0];
	const int64_t never = CORO_NEVER;

	io_uring_prep_nop(&sqe);
	EXPECT_EQ(-EPERM, coro_io_await(&sqe, never, NULL));
	EXPECT_EQ(-EPERM, coro_io_read(r, &stx, 1, never));
	EXPECT_EQ(-EPERM, coro_io_write(w, &stx, 1, never));
	EXPECT_EQ(-EPERM, coro_io_pread(r, &stx, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_pwrite(w, &stx, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_readv(r, &iov, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_writev(w, &iov, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_recv(s, &stx, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_send(s, &stx, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_recvmsg(s, &msg, 0, never));
	EXPECT_EQ(-EPERM, coro_io_sendmsg(s, &msg, 0, never));
	EXPECT_EQ(-EPERM, coro_io_accept(s, NULL, NULL, 0, never));
	EXPECT_EQ(-EPERM, coro_io_connect(s, NULL, 0, never));
	EXPECT_EQ(-EPERM, coro_io_openat(AT_FDCWD, "/", O_RDONLY, 0, never));
	EXPECT_EQ(-EPERM, coro_io_fsync(r, 0, never));
	EXPECT_EQ(-EPERM,
		  coro_io_statx(AT_FDCWD, "/", 0, STATX_SIZE, &stx, never));
	EXPECT_EQ(-EPERM, coro_io_poll(w, POLLOUT, never));
	EXPECT_EQ(-EPERM, coro_io_splice(r, -1, w, -1, 1, 0, never));
	EXPECT_EQ(-EPERM, coro_io_shutdown(s, SHUT_RD, never));
	EXPECT_EQ(-EPERM, coro_io_socket(AF_UNIX, SOCK_STREAM, 0, never));
	EXPECT_EQ(-EPERM, coro_io_waitid(P_ALL, 0, NULL, WEXITED, never));
	EXPECT_EQ(-EPERM, coro_io_close(r));
	EXPECT_LE(0, fcntl(r, F_GETFD));
	EXPECT_EQ(0, readable(r));
	return 0;
}

TEST_F(io, every_call_is_refused_without_a_loop)
{
	struct coro *c = coro_new(call_everything, self);

	EXPECT_EQ(0, call_everything(self));
	EXPECT_EQ(CORO_ENDED, coro_resume(c, 0, NULL));
	coro_put(c);
}

static long await_operations(void *arg)
{
	struct io_uring_sqe sqe;
	uint32_t flags = POISON;
	char buf[4] = "";

	io_uring_prep_nop(&sqe);
	sqe.user_data = 12345;
	EXPECT_EQ(0, coro_io_await(&sqe, CORO_NEVER, NULL));
	EXPECT_EQ(0, coro_io_await(&sqe, CORO_NEVER, &flags));
	EXPECT_EQ(0U, flags);
	EXPECT_EQ(12345ULL, (unsigned long long)sqe.user_data);
	io_uring_prep_write(&sqe, IO(arg)->pipe[1], "op", 2, 0);
	EXPECT_EQ(2, coro_io_await(&sqe, CORO_NEVER, NULL));
	io_uring_prep_read(&sqe, IO(arg)->pipe[0], buf, 4, 0);
	EXPECT_EQ(2, coro_io_await(&sqe, coro_after(FAR_NS), &flags));
	EXPECT_STREQ("op", buf);
	EXPECT_EQ(-ETIMEDOUT, coro_io_await(&sqe, coro_after(SOON_NS), NULL));
	/* The same operation after an asynchronous start. */
	io_uring_prep_write(&sqe, IO(arg)->pipe[1], "as", 2, 0);
	sqe.flags |= IOSQE_ASYNC;
	EXPECT_EQ(2, coro_io_await(&sqe, CORO_NEVER, NULL));
	return 0;
}

/* IOU-01 */
TEST_F(io, any_operation_can_be_awaited)
{
	EXPECT_EQ(0, coro_run(await_operations, self));
}

static long await_refused(void *arg)
{
	const unsigned int refused[] = {
		IOSQE_IO_LINK,		IOSQE_IO_HARDLINK,   IOSQE_IO_DRAIN,
		IOSQE_CQE_SKIP_SUCCESS, IOSQE_BUFFER_SELECT,
	};
	struct io_uring_sqe sqe;
	uint32_t flags = POISON;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		io_uring_prep_nop(&sqe);
		sqe.flags = refused[i];
		EXPECT_EQ(-EINVAL, coro_io_await(&sqe, CORO_NEVER, &flags));
	}
	io_uring_prep_poll_multishot(&sqe, IO(arg)->pipe[0], POLLIN);
	EXPECT_EQ(-EINVAL, coro_io_await(&sqe, CORO_NEVER, &flags));
	io_uring_prep_multishot_accept(&sqe, IO(arg)->sock[0], NULL, NULL, 0);
	EXPECT_EQ(-EINVAL, coro_io_await(&sqe, CORO_NEVER, &flags));
	io_uring_prep_recv_multishot(&sqe, IO(arg)->sock[0], NULL, 0, 0);
	EXPECT_EQ(-EINVAL, coro_io_await(&sqe, CORO_NEVER, &flags));
	EXPECT_EQ((uint32_t)POISON, flags);
	return 0;
}

/* IOU-01 */
TEST_F(io, operations_of_more_than_one_completion_are_refused)
{
	EXPECT_EQ(0, coro_run(await_refused, self));
}

struct reader {
	int fds[2];
	int got;
	char byte;
	char order;
	char *next;
};

static long read_one(void *arg)
{
	struct reader *r = arg;

	r->got = coro_io_read(r->fds[0], &r->byte, 1, CORO_NEVER);
	r->order = (*r->next)++;
	return 0;
}

static long complete_in_another_order(void *arg)
{
	enum { NR = 32 };
	struct reader r[NR];
	struct coro *c[NR];
	char next = 0;
	int i, k;

	(void)arg;
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(0, pipe(r[i].fds));
		r[i].next = &next;
		c[i] = coro_new(read_one, &r[i]);
		EXPECT_EQ(0, coro_start(c[i]));
	}
	EXPECT_EQ(0, coro_sleep(0));
	for (i = 0; i < NR; i++) {
		char byte;

		k = i * 13 % NR;
		byte = 'A' + k;
		EXPECT_EQ(1, coro_io_write(r[k].fds[1], &byte, 1, CORO_NEVER));
		EXPECT_EQ(0, coro_await(c[k]));
		EXPECT_EQ(1, r[k].got);
		EXPECT_EQ('A' + k, r[k].byte);
		EXPECT_EQ(i, r[k].order);
	}
	for (i = 0; i < NR; i++) {
		close(r[i].fds[0]);
		close(r[i].fds[1]);
	}
	return 0;
}

/* IOU-01 */
TEST_F(io, completions_in_any_order_find_their_coroutine)
{
	EXPECT_EQ(0, coro_run(complete_in_another_order, NULL));
}

static long ask_reader(void *arg)
{
	struct reader r = { .fds = { IO(arg)->pipe[0], IO(arg)->pipe[1] } };
	struct coro *c = coro_new(read_one, &r);
	uint64_t what = 0;
	char next = 0;

	r.next = &next;
	EXPECT_EQ(0, coro_start(c));
	EXPECT_EQ(0, coro_sleep(0));
	EXPECT_EQ(CORO_STATE_SUSPENDED, coro_state(c));
	EXPECT_EQ(CORO_AWAITS_IO, coro_awaits(c, &what));
	EXPECT_EQ((uint64_t)IORING_OP_READ << 32 | (uint32_t)r.fds[0], what);
	EXPECT_EQ(1, write(r.fds[1], "z", 1));
	EXPECT_EQ(0, coro_await(c));
	EXPECT_EQ('z', r.byte);
	return 0;
}

/* AWT-06 */
TEST_F(io, waiting_coroutine_shows_its_operation)
{
	EXPECT_EQ(0, coro_run(ask_reader, self));
}

static long note(void *arg)
{
	trace_add(arg, 'o');
	return 0;
}

static long read_what_is_there(void *arg)
{
	struct trace t = { .nr = 0 };
	char byte;

	EXPECT_EQ(1, write(IO(arg)->pipe[1], "x", 1));
	EXPECT_EQ(0, coro_spawn(note, &t));
	EXPECT_EQ(1, coro_io_read(IO(arg)->pipe[0], &byte, 1, CORO_NEVER));
	trace_add(&t, 'r');
	EXPECT_STREQ("or", t.text);
	return 0;
}

/* IOU-11: suspends always, so that cancel points do not move with load. */
TEST_F(io, operation_that_finishes_at_once_suspends_too)
{
	EXPECT_EQ(0, coro_run(read_what_is_there, self));
}

static long keep_errno_over_io(void *arg)
{
	char byte;

	errno_set(1234);
	EXPECT_EQ(-EBADF, coro_io_read(-1, &byte, 1, CORO_NEVER));
	EXPECT_EQ(1234, errno_get());
	EXPECT_EQ(1, coro_io_write(IO(arg)->pipe[1], "x", 1, CORO_NEVER));
	EXPECT_EQ(1234, errno_get());
	EXPECT_EQ(0, coro_sleep(SOON_NS));
	EXPECT_EQ(1234, errno_get());
	return 0;
}

/* STC-15 */
TEST_F(io, errno_is_left_alone)
{
	EXPECT_EQ(0, coro_run(keep_errno_over_io, self));
}

static long twice_closed(void *arg)
{
	int fd = dup(IO(arg)->file);

	EXPECT_EQ(0, coro_io_close(fd));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(-EBADF, coro_io_close(fd));
	return 0;
}

/* IOU-01 */
TEST_F(io, second_close_is_told)
{
	EXPECT_EQ(0, coro_run(twice_closed, self));
}

TEST_HARNESS_MAIN
