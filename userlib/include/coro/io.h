/* SPDX-License-Identifier: MIT */
/*
 * Awaitable I/O: each call is one io_uring operation, awaited.
 *
 * A call returns when the kernel is done with it and not before, so buffers,
 * addresses and the rest may live on the caller's stack. If the deadline passes
 * or the coroutine is cancelled, the operation is cancelled in the kernel (which
 * cannot cancel an IORING_OP_URING_CMD); if it was finished all the same, its
 * result is returned and a cancel shows in the next wait. So nothing that was
 * received, accepted or opened is lost.
 *
 * Every call suspends, unless it fails at once. Errors beyond those of the
 * system call, for every call:
 *
 *	-ETIMEDOUT	the deadline passed and the operation was not done
 *	-ECANCELED	the coroutine was cancelled and the operation was not done
 *	-EPERM		not called from a coroutine of a running loop
 *	-EDEADLK	see coro_run_opts()
 *
 * Lengths above INT_MAX are cut to what the kernel moves at once (2 GiB less a
 * page), as read(2) and write(2) do.
 */
#ifndef CORO_IO_H
#define CORO_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring_sqe;
struct statx;

/**
 * coro_io_await() - await any operation
 * @sqe: prepared with any io_uring_prep_*() of liburing, on the caller's stack
 *	for example; copied. Its user_data is not used. IOSQE_IO_LINK,
 *	IOSQE_IO_HARDLINK, IOSQE_IO_DRAIN, IOSQE_CQE_SKIP_SUCCESS,
 *	IOSQE_BUFFER_SELECT and multishot operations are refused.
 * @deadline_ns: when to give up, or CORO_NEVER.
 * @ret_flags: flags of the completion. May be NULL.
 *
 * An operation with two completions (IORING_OP_SEND_ZC) is awaited to its
 * second, so its buffer is free again when the call returns.
 *
 * Example::
 *
 *	static int preallocate(int fd, off_t bytes)
 *	{
 *		struct io_uring_sqe sqe;
 *
 *		io_uring_prep_fallocate(&sqe, fd, 0, 0, bytes);
 *		return coro_io_await(&sqe, CORO_NEVER, NULL);
 *	}
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: the result of the operation; -EINVAL for a refused one.
 */
int coro_io_await(const struct io_uring_sqe *sqe, int64_t deadline_ns,
		  uint32_t *ret_flags);

/**
 * coro_io_read() - read from a file, at its position
 * @fd: open file.
 * @buf: filled up to the result.
 * @len: room in @buf, at most 2 GiB.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Example::
 *
 *	char buf[4096];
 *	int n = coro_io_read(STDIN_FILENO, buf, sizeof(buf), coro_after(CORO_SEC));
 *
 *	if (n > 0)
 *		coro_io_write(STDOUT_FILENO, buf, (size_t)n, CORO_NEVER);
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes, 0 at the end; or a negative errno, of read(2).
 */
int coro_io_read(int fd, void *buf, size_t len, int64_t deadline_ns);

/**
 * coro_io_write() - write to a file, at its position
 * @fd: open file.
 * @buf: the data.
 * @len: bytes in @buf, at most 2 GiB.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes written, perhaps fewer; or a negative errno, of write(2).
 */
int coro_io_write(int fd, const void *buf, size_t len, int64_t deadline_ns);

/**
 * coro_io_pread() - read from a place in a file
 * @fd: open file.
 * @buf: filled up to the result.
 * @len: room in @buf, at most 2 GiB.
 * @offset: in bytes.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes, 0 at the end; or a negative errno, of pread(2).
 */
int coro_io_pread(int fd, void *buf, size_t len, uint64_t offset,
		  int64_t deadline_ns);

/**
 * coro_io_pwrite() - write to a place in a file
 * @fd: open file.
 * @buf: the data.
 * @len: bytes in @buf, at most 2 GiB.
 * @offset: in bytes.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes written, perhaps fewer; or a negative errno, of pwrite(2).
 */
int coro_io_pwrite(int fd, const void *buf, size_t len, uint64_t offset,
		   int64_t deadline_ns);

/**
 * coro_io_readv() - read into several buffers
 * @fd: open file.
 * @iov: buffers.
 * @nr: how many.
 * @offset: in bytes; UINT64_MAX for the file's position.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes, 0 at the end; or a negative errno, of preadv(2).
 */
int coro_io_readv(int fd, const struct iovec *iov, int nr, uint64_t offset,
		  int64_t deadline_ns);

/**
 * coro_io_writev() - write from several buffers
 * @fd: open file.
 * @iov: buffers.
 * @nr: how many.
 * @offset: in bytes; UINT64_MAX for the file's position.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes written, perhaps fewer; or a negative errno, of pwritev(2).
 */
int coro_io_writev(int fd, const struct iovec *iov, int nr, uint64_t offset,
		   int64_t deadline_ns);

/**
 * coro_io_recv() - receive from a socket
 * @fd: socket.
 * @buf: filled up to the result.
 * @len: room in @buf.
 * @flags: MSG_*.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes, 0 when the peer is done; or a negative errno, of recv(2).
 */
int coro_io_recv(int fd, void *buf, size_t len, int flags, int64_t deadline_ns);

/**
 * coro_io_send() - send on a socket
 * @fd: socket.
 * @buf: the data.
 * @len: bytes in @buf.
 * @flags: MSG_*; MSG_NOSIGNAL is always added, MSG_WAITALL sends all or fails.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes sent, perhaps fewer; or a negative errno, of send(2).
 */
int coro_io_send(int fd, const void *buf, size_t len, int flags,
		 int64_t deadline_ns);

/**
 * coro_io_recvmsg() - receive a message
 * @fd: socket.
 * @msg: as for recvmsg(2).
 * @flags: MSG_*.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes; or a negative errno, of recvmsg(2).
 */
int coro_io_recvmsg(int fd, struct msghdr *msg, int flags, int64_t deadline_ns);

/**
 * coro_io_sendmsg() - send a message
 * @fd: socket.
 * @msg: as for sendmsg(2).
 * @flags: MSG_*; MSG_NOSIGNAL is always added.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes sent; or a negative errno, of sendmsg(2).
 */
int coro_io_sendmsg(int fd, const struct msghdr *msg, int flags,
		    int64_t deadline_ns);

/**
 * coro_io_accept() - take a connection
 * @fd: listening socket.
 * @addr: the peer; may be NULL.
 * @len: in: room in @addr, out: size; may be NULL.
 * @flags: SOCK_CLOEXEC, SOCK_NONBLOCK.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: a file descriptor; or a negative errno, of accept4(2). A connection
 * that was taken is returned, also if the deadline passed meanwhile.
 */
int coro_io_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags,
		   int64_t deadline_ns);

/**
 * coro_io_connect() - connect a socket
 * @fd: socket.
 * @addr: the peer.
 * @len: size of @addr.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0; or a negative errno, of connect(2). After a deadline or a cancel
 * close @fd or call again.
 */
int coro_io_connect(int fd, const struct sockaddr *addr, socklen_t len,
		    int64_t deadline_ns);

/**
 * coro_io_openat() - open a file
 * @dfd: directory or AT_FDCWD.
 * @path: as for openat(2).
 * @flags: O_*.
 * @mode: of a new file.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: a file descriptor; or a negative errno, of openat(2).
 */
int coro_io_openat(int dfd, const char *path, int flags, mode_t mode,
		   int64_t deadline_ns);

/**
 * coro_io_fsync() - write a file to its disk
 * @fd: open file.
 * @flags: 0, or IORING_FSYNC_DATASYNC.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0; or a negative errno, of fsync(2).
 */
int coro_io_fsync(int fd, unsigned int flags, int64_t deadline_ns);

/**
 * coro_io_statx() - ask about a file
 * @dfd: directory or AT_FDCWD.
 * @path: as for statx(2).
 * @flags: AT_*.
 * @mask: STATX_*.
 * @stx: filled.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0; or a negative errno, of statx(2).
 */
int coro_io_statx(int dfd, const char *path, int flags, unsigned int mask,
		  struct statx *stx, int64_t deadline_ns);

/**
 * coro_io_poll() - wait until a file is ready
 * @fd: open file.
 * @events: POLLIN, POLLOUT and others.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: the events that are there; or a negative errno.
 */
int coro_io_poll(int fd, unsigned int events, int64_t deadline_ns);

/**
 * coro_io_splice() - move data between a pipe and a file
 * @fd_in: source.
 * @off_in: -1 for its position.
 * @fd_out: destination.
 * @off_out: -1 for its position.
 * @len: bytes at most.
 * @flags: SPLICE_F_*.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: bytes moved, 0 at the end; or a negative errno, of splice(2).
 */
int coro_io_splice(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
		   unsigned int len, unsigned int flags, int64_t deadline_ns);

/**
 * coro_io_shutdown() - end one or both directions of a socket
 * @fd: socket.
 * @how: SHUT_RD, SHUT_WR, SHUT_RDWR.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0; or a negative errno, of shutdown(2).
 */
int coro_io_shutdown(int fd, int how, int64_t deadline_ns);

/**
 * coro_io_socket() - make a socket
 * @domain: AF_*.
 * @type: SOCK_*.
 * @protocol: 0, IPPROTO_*.
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: a file descriptor; or a negative errno, of socket(2).
 */
int coro_io_socket(int domain, int type, int protocol, int64_t deadline_ns);

/**
 * coro_io_waitid() - wait for a child process
 * @idtype: P_PID, P_PIDFD, ....
 * @id: which.
 * @info: a siginfo_t, filled; may be NULL.
 * @options: WEXITED, ....
 * @deadline_ns: when to give up, or CORO_NEVER.
 *
 * Context: coroutine of a running loop. May suspend; cancellation point.
 * Return: 0; -EOPNOTSUPP before Linux 6.7; or a negative errno, of waitid(2).
 */
int coro_io_waitid(int idtype, unsigned int id, void *info, int options,
		   int64_t deadline_ns);

/**
 * coro_io_close() - close a file descriptor
 * @fd: open file.
 *
 * Always closes: a cancel does not reach it and is kept for the next wait. So
 * cleanup after a cancel can use it.
 *
 * Context: coroutine of a running loop. Suspends. Not a cancellation point.
 * Return: 0; -EPERM if not called from a coroutine of a running loop; or a
 * negative errno, of close(2).
 */
int coro_io_close(int fd);

/* Acceptors and receivers: one operation, many completions. */

struct coro_acceptor;

/**
 * coro_acceptor_new() - take connections as they come
 * @ret_acceptor: the acceptor.
 * @fd: listening socket; must outlive the acceptor.
 * @flags: SOCK_CLOEXEC, SOCK_NONBLOCK for the connections.
 *
 * One multishot accept. Used by one coroutine at a time.
 *
 * Example::
 *
 *	static long serve(void *arg)
 *	{
 *		struct coro_acceptor *a;
 *		int fd = *(int *)arg;
 *		int err = coro_acceptor_new(&a, fd, SOCK_CLOEXEC);
 *
 *		if (err)
 *			return err;
 *		while ((fd = coro_acceptor_next(a, CORO_NEVER)) >= 0) {
 *			coro_io_send(fd, "hello\n", 6, 0, coro_after(CORO_SEC));
 *			coro_io_close(fd);
 *		}
 *		coro_acceptor_free(a);
 *		return fd;
 *	}
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return: 0; -EPERM if no loop runs; -ENOMEM; -EINVAL.
 */
int coro_acceptor_new(struct coro_acceptor **ret_acceptor, int fd, int flags);

/**
 * coro_acceptor_next() - take the next connection
 * @a: the acceptor.
 * @deadline_ns: when to give up, or CORO_NEVER. The acceptor goes on.
 *
 * Context: coroutine of the loop of @a. Suspends if none is there; cancellation
 * point.
 * Return: a file descriptor; -ETIMEDOUT, -ECANCELED, -EPERM, -EDEADLK; -EBUSY
 * if another coroutine waits here; or a negative errno, of accept(2), after
 * which the call may be repeated.
 */
int coro_acceptor_next(struct coro_acceptor *a, int64_t deadline_ns);

/**
 * coro_acceptor_free() - stop taking connections
 * @a: the acceptor, or NULL. Who waits in it gets -ECANCELED.
 *
 * Connections that were taken and not fetched are closed. The end of the loop
 * stops it as well, but leaves it to be freed.
 *
 * Context: thread of the loop of @a, or any after that loop. Does not suspend.
 */
void coro_acceptor_free(struct coro_acceptor *a);

struct coro_receiver;

/**
 * coro_receiver_new() - receive bytes as they come
 * @ret_receiver: the receiver.
 * @fd: connected socket; must outlive the receiver.
 *
 * One multishot receive into the loop's buffers, which all receivers share
 * (see struct coro_loop_opts). Used by one coroutine at a time.
 *
 * Context: coroutine of a running loop. Does not suspend.
 * Return: 0; -EPERM if no loop runs; -ENOMEM; -EINVAL; -EOPNOTSUPP if the kernel
 * has no buffer rings (Linux 5.19) or no multishot receive (6.0).
 */
int coro_receiver_new(struct coro_receiver **ret_receiver, int fd);

/**
 * coro_receiver_next() - what came next
 * @r: the receiver.
 * @ret_data: the bytes; valid until the next call for @r.
 * @deadline_ns: when to give up, or CORO_NEVER. The receiver goes on.
 *
 * Gives the buffer of the call before back. When the loop's buffers run out,
 * data waits in the sockets until one is given back.
 *
 * Context: coroutine of the loop of @r. Suspends if nothing is there;
 * cancellation point.
 * Return: bytes; 0 when the peer is done; -ETIMEDOUT, -ECANCELED, -EPERM,
 * -EDEADLK; -EBUSY if another coroutine waits here; or a negative errno, of
 * recv(2), again at every further call.
 */
int coro_receiver_next(struct coro_receiver *r, const void **ret_data,
		       int64_t deadline_ns);

/**
 * coro_receiver_free() - stop receiving
 * @r: the receiver, or NULL. Who waits in it gets -ECANCELED.
 *
 * What was received and not fetched is dropped. The end of the loop stops
 * it as well, but leaves it to be freed; its buffers are gone by then.
 *
 * Context: thread of the loop of @r, or any after that loop. Does not suspend.
 */
void coro_receiver_free(struct coro_receiver *r);

#ifdef __cplusplus
}
#endif
#endif /* CORO_IO_H */
