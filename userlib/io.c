// SPDX-License-Identifier: MIT
/* One operation, awaited: parked from its submission to its last completion. */
#include <errno.h>

#include "loop.h"
#include "sim.h"

/* Not in the headers of older liburing; numbers are ABI. */
#define CORO__OP_READ_MULTISHOT 49
#define CORO__RECV_MULTISHOT (1U << 1)
#define CORO__TIMEOUT_MULTISHOT (1U << 6)

/* Errors that are the kernel's own; splice lets them through. */
#define CORO__ERESTARTSYS 512
#define CORO__ERESTART_LAST 516

/* What read(2) and its like move at most. */
#define CORO__MAX_BYTES 0x7ffff000U

struct coro__io {
	struct coro__op op;
	struct coro__wait wait;
	uint32_t flags;
	int first; /* result that came before the last completion */
	int why; /* reason of the cancel under way, or 0 */
	bool has_first;
	bool must_finish; /* is not cancelled */
};

static bool coro__io_was_cancelled(int res)
{
	/* In a worker thread of the kernel it was a signal, seen as such or not. */
	return res == -ECANCELED || res == -EINTR ||
	       (res <= -CORO__ERESTARTSYS && res >= -CORO__ERESTART_LAST);
}

static void coro__io_complete(struct coro__loop *loop, struct coro__op *op,
			      int res, uint32_t flags)
{
	struct coro__io *io = container_of(op, struct coro__io, op);

	if (op->inflight) {
		io->first = res;
		io->flags = flags;
		io->has_first = true;
		return;
	}
	if (io->has_first)
		res = io->first;
	else
		io->flags = flags;
	/* What was finished all the same counts; a cancel shows in the next wait. */
	if (io->why && coro__io_was_cancelled(res))
		res = io->why;
	coro__wake(loop, &io->wait, res);
}

static void coro__io_interrupt(struct coro__loop *loop, struct coro__wait *w,
			       int why)
{
	struct coro__io *io = container_of(w, struct coro__io, wait);

	/* What came first, a deadline or a cancel, is what the call returns. */
	if (io->must_finish || io->why)
		return;
	io->why = why;
	if (coro__op_cancel(loop, &io->op))
		coro__wake(loop, w, why);
}

static int coro__io_park(struct coro__loop *loop,
			 const struct io_uring_sqe *sqe, int64_t deadline_ns,
			 bool must_finish, uint32_t *ret_flags,
			 enum coro_awaits kind, uint64_t arg)
{
	struct coro__io io = {
		.op = { .complete = coro__io_complete, .sqe = sqe },
		.wait.interrupt = coro__io_interrupt,
		.must_finish = must_finish,
	};
	int res;

	res = must_finish ? 0 : coro__fault(CORO_FAULT_IO);
	if (res)
		return res;
	coro__op_start(loop, &io.op);
	res = coro__park(loop, &io.wait, deadline_ns, kind, arg);
	if (ret_flags && res >= 0)
		*ret_flags = io.flags;
	return res;
}

static int coro__io_run(struct coro__loop *loop, const struct io_uring_sqe *sqe,
			int64_t deadline_ns, bool must_finish,
			uint32_t *ret_flags)
{
	return coro__io_park(loop, sqe, deadline_ns, must_finish, ret_flags,
			     CORO_AWAITS_IO,
			     (uint64_t)sqe->opcode << 32 | (uint32_t)sqe->fd);
}

int coro__io_wait(struct coro__loop *loop, const struct io_uring_sqe *sqe,
		  int64_t deadline_ns, enum coro_awaits kind)
{
	return coro__io_park(loop, sqe, deadline_ns, false, NULL, kind, 0);
}

int coro__io_one(struct coro__loop *loop, const struct io_uring_sqe *sqe,
		 int64_t deadline_ns)
{
	return coro__io_run(loop, sqe, deadline_ns, false, NULL);
}

int coro__io_finish(struct coro__loop *loop, const struct io_uring_sqe *sqe)
{
	return coro__io_run(loop, sqe, CORO_NEVER, true, NULL);
}

static bool coro__sqe_is_multishot(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_ACCEPT:
		return sqe->ioprio & IORING_ACCEPT_MULTISHOT;
	case IORING_OP_RECV:
	case IORING_OP_RECVMSG:
		return sqe->ioprio & CORO__RECV_MULTISHOT;
	case IORING_OP_POLL_ADD:
		return sqe->len & IORING_POLL_ADD_MULTI;
	case IORING_OP_TIMEOUT:
		return sqe->timeout_flags & CORO__TIMEOUT_MULTISHOT;
	case CORO__OP_READ_MULTISHOT:
		return true;
	default:
		return false;
	}
}

CORO__DEFINE3(int, coro_io_await, const struct io_uring_sqe *, sqe, int64_t,
	      deadline_ns, uint32_t *, ret_flags)
{
	const unsigned int refused = IOSQE_IO_LINK | IOSQE_IO_HARDLINK |
				     IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS |
				     IOSQE_BUFFER_SELECT;
	struct coro__loop *loop;
	int err;

	if (!sqe || sqe->flags & refused || coro__sqe_is_multishot(sqe))
		return -EINVAL;
	err = coro__wait_begin(&loop);
	return err ? err :
		     coro__io_run(loop, sqe, deadline_ns, false, ret_flags);
}

/* For operations that this file prepared. */
static int coro__io_await(const struct io_uring_sqe *sqe, int64_t deadline_ns)
{
	struct coro__loop *loop;
	int err = coro__wait_begin(&loop);

	return err ? err : coro__io_run(loop, sqe, deadline_ns, false, NULL);
}

static unsigned int coro__io_len(size_t len)
{
	return len < CORO__MAX_BYTES ? (unsigned int)len : CORO__MAX_BYTES;
}

/* Offset that means the file's own position. */
#define CORO__HERE ((uint64_t)-1)

CORO__DEFINE4(int, coro_io_read, int, fd, void *, buf, size_t, len, int64_t,
	      deadline_ns)
{
	return coro_io_pread(fd, buf, len, CORO__HERE, deadline_ns);
}

CORO__DEFINE4(int, coro_io_write, int, fd, const void *, buf, size_t, len,
	      int64_t, deadline_ns)
{
	return coro_io_pwrite(fd, buf, len, CORO__HERE, deadline_ns);
}

int coro_io_pread(int fd, void *buf, size_t len, uint64_t offset,
		  int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_read(&sqe, fd, buf, coro__io_len(len), offset);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_pwrite(int fd, const void *buf, size_t len, uint64_t offset,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_write(&sqe, fd, buf, coro__io_len(len), offset);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_readv(int fd, const struct iovec *iov, int nr, uint64_t offset,
		  int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_readv(&sqe, fd, iov, (unsigned int)nr, offset);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_writev(int fd, const struct iovec *iov, int nr, uint64_t offset,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_writev(&sqe, fd, iov, (unsigned int)nr, offset);
	return coro__io_await(&sqe, deadline_ns);
}

CORO__DEFINE5(int, coro_io_recv, int, fd, void *, buf, size_t, len, int, flags,
	      int64_t, deadline_ns)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_recv(&sqe, fd, buf, coro__io_len(len), flags);
	return coro__io_await(&sqe, deadline_ns);
}

CORO__DEFINE5(int, coro_io_send, int, fd, const void *, buf, size_t, len, int,
	      flags, int64_t, deadline_ns)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_send(&sqe, fd, buf, coro__io_len(len),
			   flags | MSG_NOSIGNAL);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_recvmsg(int fd, struct msghdr *msg, int flags, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_recvmsg(&sqe, fd, msg, (unsigned int)flags);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_sendmsg(int fd, const struct msghdr *msg, int flags,
		    int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_sendmsg(&sqe, fd, msg,
			      (unsigned int)flags | MSG_NOSIGNAL);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_accept(&sqe, fd, addr, len, flags);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_connect(int fd, const struct sockaddr *addr, socklen_t len,
		    int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_connect(&sqe, fd, addr, len);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_openat(int dfd, const char *path, int flags, mode_t mode,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_openat(&sqe, dfd, path, flags, mode);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_fsync(int fd, unsigned int flags, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_fsync(&sqe, fd, flags);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_statx(int dfd, const char *path, int flags, unsigned int mask,
		  struct statx *stx, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_statx(&sqe, dfd, path, flags, mask, stx);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_poll(int fd, unsigned int events, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_poll_add(&sqe, fd, events);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_splice(int fd_in, int64_t off_in, int fd_out, int64_t off_out,
		   unsigned int len, unsigned int flags, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_splice(&sqe, fd_in, off_in, fd_out, off_out, len, flags);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_shutdown(int fd, int how, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_shutdown(&sqe, fd, how);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_socket(int domain, int type, int protocol, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_socket(&sqe, domain, type, protocol, 0);
	return coro__io_await(&sqe, deadline_ns);
}

int coro_io_waitid(int idtype, unsigned int id, void *info, int options,
		   int64_t deadline_ns)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin(&loop);
	if (err)
		return err;
	if (!loop->since_6_7)
		return -EOPNOTSUPP;
	/* id, type, info and options stand where the manual of the opcode says. */
	sqe.opcode = CORO__OP_WAITID;
	sqe.fd = (int)id;
	sqe.len = (unsigned int)idtype;
	sqe.addr2 = (uintptr_t)info;
	sqe.file_index = (unsigned int)options;
	return coro__io_run(loop, &sqe, deadline_ns, false, NULL);
}

int coro_io_close(int fd)
{
	CORO__ENTRY;
	struct io_uring_sqe sqe = { 0 };
	struct coro__loop *loop;
	int err;

	err = coro__wait_begin_uncancelled(&loop);
	if (err)
		return err;
	io_uring_prep_close(&sqe, fd);
	return coro__io_finish(loop, &sqe);
}
