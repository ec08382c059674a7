// SPDX-License-Identifier: MIT
/* The backend of a stream that owns descriptors. */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* What read(2) and its like move at most. */
#define CORO__MAX_BYTES 0x7ffff000U

static unsigned int coro__stream_fd_len(size_t len)
{
	return len < CORO__MAX_BYTES ? (unsigned int)len : CORO__MAX_BYTES;
}

/*
 * Nothing is started once the stream is closed: the number may be somebody else's
 * by then. Looked at after coro__wait_begin(), in which others may run.
 */
static int coro__stream_fd_one(struct coro_stream *s,
			       const struct io_uring_sqe *sqe,
			       int64_t deadline_ns)
{
	struct coro__loop *loop;
	int err = coro__wait_begin(&loop);

	if (err)
		return err;
	return s->closed ? -EBADF : coro__io_one(loop, sqe, deadline_ns);
}

int coro__stream_fd_poll(struct coro_stream *s, int fd, unsigned int events,
			 int64_t deadline_ns)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_poll_add(&sqe, fd, events);
	return coro__stream_fd_one(s, &sqe, deadline_ns);
}

/* The ring waits by itself, but not where O_NONBLOCK is set. */
static int coro__stream_fd_move(struct coro_stream *s,
				const struct io_uring_sqe *sqe,
				unsigned int events, int64_t deadline_ns)
{
	for (;;) {
		int ret = coro__stream_fd_one(s, sqe, deadline_ns);

		if (ret != -EAGAIN)
			return ret;
		ret = coro__stream_fd_poll(s, sqe->fd, events, deadline_ns);
		if (ret < 0)
			return ret;
	}
}

static ssize_t coro__stream_fd_read(void *arg, void *buf, size_t len,
				    int64_t deadline_ns)
{
	struct coro_stream *s = arg;
	struct io_uring_sqe sqe = { 0 };
	int fd = s->fds.read_fd;

	if (s->fds.read_sock)
		io_uring_prep_recv(&sqe, fd, buf, coro__stream_fd_len(len), 0);
	else
		io_uring_prep_read(&sqe, fd, buf, coro__stream_fd_len(len),
				   UINT64_MAX);
	return coro__stream_fd_move(s, &sqe, POLLIN, deadline_ns);
}

static ssize_t coro__stream_fd_write(void *arg, const void *buf, size_t len,
				     int64_t deadline_ns)
{
	struct coro_stream *s = arg;
	struct io_uring_sqe sqe = { 0 };
	int fd = s->fds.write_fd;

	if (s->fds.write_sock)
		io_uring_prep_send(&sqe, fd, buf, coro__stream_fd_len(len),
				   MSG_NOSIGNAL);
	else
		io_uring_prep_write(&sqe, fd, buf, coro__stream_fd_len(len),
				    UINT64_MAX);
	return coro__stream_fd_move(s, &sqe, POLLOUT, deadline_ns);
}

/* In a coroutine or, after the loop, without one. */
static int coro__stream_fd_drop(int fd)
{
	struct coro__loop *loop;
	int saved = errno;
	int err;

	if (!coro__wait_begin_uncancelled(&loop))
		return coro_io_close(fd);
	err = close(fd) ? -errno : 0;
	errno = saved;
	return err;
}

static int coro__stream_fd_shutdown(void *arg, int64_t deadline_ns)
{
	struct coro_stream *s = arg;
	struct coro__stream_fds *f = &s->fds;
	struct io_uring_sqe sqe = { 0 };
	int fd = f->write_fd;

	if (f->write_sock) {
		io_uring_prep_shutdown(&sqe, fd, SHUT_WR);
		return coro__stream_fd_one(s, &sqe, deadline_ns);
	}
	if (fd == f->read_fd)
		return -EOPNOTSUPP;
	f->write_fd = -1;
	return coro__stream_fd_drop(fd);
}

/* Ends what is under way for @fd; it may run on for a moment in the kernel. */
static void coro__stream_fd_stop(struct coro__loop *loop, int fd, bool sock)
{
	struct io_uring_sqe sqe = { 0 };
	int saved;

	if (fd < 0)
		return;
	io_uring_prep_cancel_fd(&sqe, fd, IORING_ASYNC_CANCEL_ALL);
	if (coro__io_finish(loop, &sqe) != -EINVAL || !sock)
		return;
	/* Before Linux 5.19 only a connection can be ended. */
	saved = errno;
	shutdown(fd, SHUT_RDWR);
	errno = saved;
}

static int coro__stream_fd_close(void *arg)
{
	struct coro_stream *s = arg;
	struct coro__stream_fds *f = &s->fds;
	struct coro__loop *loop;
	int ret = 0, err = 0;

	if (s->inside && !coro__wait_begin_uncancelled(&loop)) {
		coro__stream_fd_stop(loop, f->read_fd, f->read_sock);
		if (f->write_fd != f->read_fd)
			coro__stream_fd_stop(loop, f->write_fd, f->write_sock);
	}
	if (f->write_fd >= 0)
		ret = coro__stream_fd_drop(f->write_fd);
	if (f->read_fd >= 0 && f->read_fd != f->write_fd)
		err = coro__stream_fd_drop(f->read_fd);
	f->write_fd = -1;
	f->read_fd = -1;
	return ret ? ret : err;
}

static int coro__stream_fd_is_sock(int fd, bool *ret_sock)
{
	int saved = errno;
	struct stat st;
	int err;

	*ret_sock = false;
	if (fd < 0)
		return 0;
	err = fstat(fd, &st) ? -errno : 0;
	errno = saved;
	if (!err)
		*ret_sock = S_ISSOCK(st.st_mode);
	return err;
}

int coro_stream_new_fds(struct coro_stream **ret_stream, int read_fd,
			int write_fd, const struct coro_stream_opts *opts)
{
	CORO__ENTRY;
	struct coro_stream_ops ops = {
		.size = sizeof(ops),
		.read = read_fd < 0 ? NULL : coro__stream_fd_read,
		.write = write_fd < 0 ? NULL : coro__stream_fd_write,
		.shutdown = coro__stream_fd_shutdown,
		.close = coro__stream_fd_close,
	};
	struct coro__stream_fds fds = { .read_fd = read_fd,
					.write_fd = write_fd };
	struct coro_stream *s;
	int err;

	if (!ret_stream || (read_fd < 0 && write_fd < 0))
		return -EINVAL;
	err = coro__stream_fd_is_sock(read_fd, &fds.read_sock);
	if (!err)
		err = coro__stream_fd_is_sock(write_fd, &fds.write_sock);
	if (!err)
		err = coro_stream_new(&s, &ops, NULL, opts);
	if (err)
		return err;
	s->arg = s;
	s->fds = fds;
	*ret_stream = s;
	return 0;
}

int coro_stream_new_fd(struct coro_stream **ret_stream, int fd,
		       const struct coro_stream_opts *opts)
{
	CORO__ENTRY;

	return coro_stream_new_fds(ret_stream, fd, fd, opts);
}
