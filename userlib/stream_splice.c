// SPDX-License-Identifier: MIT
/* The pipe of a copy: bulk data goes from socket to socket and stays in the kernel. */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "memory.h"

/* A piece at most: what a pipe holds. Smaller buffers than the least are not worth one. */
#define CORO__SPLICE_MOST 65536U
#define CORO__SPLICE_LEAST 16384U
/*
 * Large pieces in a row: then it is bulk. Large is a quarter of the most: TCP sends no
 * segment of more than half the peer's window, which at first is just below 64 KiB.
 */
#define CORO__SPLICE_AFTER 4U
/* Who waits for so long is idle, and keeps no descriptors for the next piece. */
#define CORO__SPLICE_IDLE CORO_SEC

static size_t coro__splice_len(const struct coro__splice *sp)
{
	size_t most = sp->from->in.most;

	return most < CORO__SPLICE_MOST ? most : CORO__SPLICE_MOST;
}

static bool coro__splice_is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

/*
 * Both ends can, and so can the kernel: before Linux 6.5 what goes into a socket
 * goes page by page. The loop knows of 6.7.
 */
static bool coro__splice_possible(const struct coro__splice *sp)
{
	return sp->from->fds.read_sock && sp->to->fds.write_sock &&
	       coro__thread()->loop->since_6_7 &&
	       coro__splice_is_stream(sp->from->fds.read_fd) &&
	       coro__splice_is_stream(sp->to->fds.write_fd);
}

bool coro__splice_begin(struct coro__splice *sp, size_t last)
{
	struct coro__stream_in *in = &sp->from->in;
	size_t len = coro__splice_len(sp);
	int saved = errno;

	if (sp->fds[0] >= 0)
		return true;
	sp->large = last >= len / 4 ? sp->large + 1 : 0;
	/* The buffer must have room for all that may come back from the pipe. */
	if (sp->large < CORO__SPLICE_AFTER || len < CORO__SPLICE_LEAST ||
	    in->ahead.room < len || coro__chunk_bytes(&in->ahead))
		return false;
	sp->large = 0;
	if (!coro__splice_possible(sp) || coro__fault(CORO_FAULT_SYSCALL) ||
	    pipe2(sp->fds, O_CLOEXEC | O_NONBLOCK)) {
		sp->fds[0] = -1;
		errno = saved;
		return false;
	}
	in->ahead.start = 0;
	in->ahead.end = 0;
	return true;
}

/* Not the functions of the C library, in which pthread_cancel() could end the thread. */
static ssize_t coro__splice_call(int from, int to, size_t len)
{
	ssize_t ret = syscall(SYS_splice, from, NULL, to, NULL, len,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	return ret < 0 ? -errno : ret;
}

/* Ends what was done in vain: the streams do not keep this error, and it is copied. */
static ssize_t coro__splice_decline(struct coro__splice *sp)
{
	sp->declined = true;
	return -EINTR;
}

/*
 * What splice(2) says of its arguments is none of the connection's. All else is:
 * the kernel tells an error of a socket once, and then that it ended.
 */
static ssize_t coro__splice_failed(struct coro__splice *sp, ssize_t err)
{
	switch (err) {
	case 0:
	case -EAGAIN:
	case -EBADF:
	case -EINTR:
	case -EINVAL:
	case -ENOMEM:
	case -ESPIPE:
		return coro__splice_decline(sp);
	default:
		return err;
	}
}

/*
 * Into the pipe, once something is there: then it does not block, as nobody else
 * reads. That nothing came is no end: urgent data of TCP can be in between.
 */
static ssize_t coro__splice_read(void *arg, void *buf, size_t len,
				 int64_t deadline_ns)
{
	struct coro__splice *sp = arg;
	struct coro_stream *s = sp->from;
	int64_t idle_ns = coro_after(CORO__SPLICE_IDLE);
	bool may_idle = idle_ns < deadline_ns;
	ssize_t ret;
	int saved;

	(void)buf;
	ret = coro__stream_fd_poll(s, s->fds.read_fd, POLLIN,
				   may_idle ? idle_ns : deadline_ns);
	if (ret < 0 && (ret != -ETIMEDOUT || !may_idle))
		return ret;
	if (ret < 0 || s->closed || coro__fault(CORO_FAULT_SYSCALL))
		return coro__splice_decline(sp);
	saved = errno;
	ret = coro__splice_call(s->fds.read_fd, sp->fds[1], len);
	errno = saved;
	if (ret <= 0)
		return coro__splice_failed(sp, ret);
	sp->bytes = (size_t)ret;
	return ret;
}

/* Takes the SIGPIPE back that this thread has got and that was blocked. */
static void coro__splice_take_sigpipe(const sigset_t *pipe)
{
	const struct timespec now = { 0 };

	while (syscall(SYS_rt_sigtimedwait, pipe, NULL, &now, _NSIG / 8) < 0 &&
	       errno == EINTR)
		;
}

/*
 * Out of the pipe. Nothing says MSG_NOSIGNAL, so the signal is kept from the
 * program: one that is there before is not ours. It can come with bytes, too, as
 * splice(2) sends in steps, but not if all were sent.
 */
static ssize_t coro__splice_quietly(int from, int to, size_t len)
{
	sigset_t pipe, old, pending;
	bool was_pending;
	ssize_t ret;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	was_pending = sigismember(&old, SIGPIPE) && !sigpending(&pending) &&
		      sigismember(&pending, SIGPIPE);
	ret = coro__splice_call(from, to, len);
	if (ret < (ssize_t)len && !was_pending)
		coro__splice_take_sigpipe(&pipe);
	if (!sigismember(&old, SIGPIPE))
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/*
 * As above, without blocking: for a socket only O_NONBLOCK means that. It is set
 * for the time of the call, in which this thread does nothing else.
 */
static ssize_t coro__splice_out(int from, int to, size_t len)
{
	int flags = fcntl(to, F_GETFL), on = 1, off = 0;
	ssize_t ret;

	if (flags < 0 || (!(flags & O_NONBLOCK) && ioctl(to, FIONBIO, &on)))
		return -EINVAL;
	ret = coro__splice_quietly(from, to, len);
	if (!(flags & O_NONBLOCK))
		ioctl(to, FIONBIO, &off);
	return ret;
}

/* One try. Bytes, -EAGAIN if there is no room, or what coro__stream_push() is to know. */
static ssize_t coro__splice_try(struct coro__splice *sp, size_t len)
{
	int saved = errno;
	ssize_t ret;

	if (sp->to->closed || coro__fault(CORO_FAULT_SYSCALL))
		return coro__splice_decline(sp);
	ret = coro__splice_out(sp->fds[0], sp->to->fds.write_fd, len);
	errno = saved;
	if (ret == -EAGAIN || ret == -EINTR)
		return -EAGAIN;
	if (ret <= 0)
		return coro__splice_failed(sp, ret);
	sp->bytes -= (size_t)ret;
	return ret;
}

static ssize_t coro__splice_write(void *arg, const void *buf, size_t len,
				  int64_t deadline_ns)
{
	struct coro__splice *sp = arg;
	ssize_t ret = coro__splice_try(sp, len);

	(void)buf;
	if (ret != -EAGAIN)
		return ret;
	ret = coro__stream_fd_poll(sp->to, sp->to->fds.write_fd, POLLOUT,
				   deadline_ns);
	if (ret < 0)
		return ret;
	/* Without room where there was some, a send is to wait: it does not spin. */
	ret = coro__splice_try(sp, len);
	return ret == -EAGAIN ? coro__splice_decline(sp) : ret;
}

/* One piece into the pipe, and whether it is a small one. 1, or an error. */
static int coro__splice_fill(struct coro__splice *sp, bool *ret_small,
			     int64_t deadline_ns)
{
	size_t len = coro__splice_len(sp);
	ssize_t ret = coro__stream_pull_by(sp->from, coro__splice_read, sp,
					   sp->from->in.ahead.data, len,
					   deadline_ns);

	*ret_small = ret < (ssize_t)len / 4;
	return ret > 0 ? 1 : (int)ret;
}

/* Sends what is in the pipe. 1, or an error. */
static int coro__splice_drain(struct coro__splice *sp, size_t *ret_done,
			      int64_t deadline_ns)
{
	struct coro__stream_in *in = &sp->from->in;
	int ret;

	in->busy = true;
	/* The buffer is only where the bytes would be. */
	ret = coro__stream_send_by(sp->to, coro__splice_write, sp,
				   in->ahead.data, sp->bytes, ret_done,
				   deadline_ns);
	in->busy = false;
	return ret ? ret : 1;
}

int coro__splice_move(struct coro__splice *sp, size_t *ret_done,
		      int64_t deadline_ns)
{
	bool small;
	int ret;

	sp->declined = false;
	ret = coro__splice_fill(sp, &small, deadline_ns);
	if (ret > 0)
		ret = coro__splice_drain(sp, ret_done, deadline_ns);
	/* Whoever has little to send may have nothing for long. */
	if (ret <= 0 || small)
		coro__splice_end(sp);
	return sp->declined ? 1 : ret;
}

/* A pipe of our own that has so many bytes gives them at once. */
static void coro__splice_put_back(struct coro__splice *sp)
{
	struct coro__chunk *c = &sp->from->in.ahead;

	while (sp->bytes) {
		long ret = syscall(SYS_read, sp->fds[0], c->data + c->end,
				   sp->bytes);

		if (ret <= 0) {
			/* Never seen; and then not in silence. */
			sp->from->in.err = -EIO;
			return;
		}
		c->end += (size_t)ret;
		sp->bytes -= (size_t)ret;
	}
}

void coro__splice_end(struct coro__splice *sp)
{
	int saved = errno;

	if (sp->fds[0] < 0)
		return;
	coro__splice_put_back(sp);
	syscall(SYS_close, sp->fds[0]);
	syscall(SYS_close, sp->fds[1]);
	sp->fds[0] = -1;
	errno = saved;
}
