// SPDX-License-Identifier: MIT
/* Mailboxes and ends of coroutines in the kernel, for whoever has a handle's descriptor. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"
#include "remote.h"

struct coro__context {
	struct coro__port port;
	int recv_fd; /* a handle that gives its messages, or -1 */
};

/* What read gives on a scheduler: requests to cancel its coroutines. */
struct coro__events {
	struct coro__watch watch;
	struct coro__sched *sched;
	struct coro_event events[16];
};

static struct coro__context *coro__context_of(struct coro *c)
{
	return container_of(c->port, struct coro__context, port);
}

/* What tells the same: of a context that is gone, or whose thread has ended. */
static int coro__device_join_error(int err)
{
	return err == -ESTALE ? -EOWNERDEAD : err;
}

/* Commands of io_uring that wait. */

/*
 * IORING_OP_ASYNC_CANCEL does not reach such a command, only a second command
 * does. The coroutine stays parked until both are over: so the arguments of both
 * can live on its stack, and the second can never meet a later command of the
 * same address.
 */
struct coro__cmd {
	struct coro__wait wait;
	struct coro__op op, stop;
	struct io_uring_sqe sqe, stop_sqe;
	struct coro_uring_args args, stop_args;
	int res;
	int why; /* of @stop, or 0 */
};

static void coro__cmd_prepare(struct io_uring_sqe *sqe, int fd, uint32_t what,
			      struct coro_uring_args *args)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->off = what; /* cmd_op, and nothing behind it */
	sqe->addr3 = (uintptr_t)args; /* where the payload begins */
	args->size = sizeof(*args);
}

static void coro__cmd_stop(struct coro__loop *loop, struct coro__cmd *cmd)
{
	cmd->stop.sqe = &cmd->stop_sqe;
	coro__op_start(loop, &cmd->stop);
}

static void coro__cmd_end(struct coro__loop *loop, struct coro__cmd *cmd)
{
	int res = cmd->res;

	/* What came all the same counts; a cancel shows in the next wait. */
	if (cmd->why && res == -ECANCELED)
		res = cmd->why;
	coro__wake(loop, &cmd->wait, res);
}

static void coro__cmd_complete(struct coro__loop *loop, struct coro__op *op,
			       int res, uint32_t flags)
{
	struct coro__cmd *cmd = container_of(op, struct coro__cmd, op);

	(void)flags;
	cmd->res = res;
	/* The withdrawal may not have left yet: then it need not. */
	if (cmd->stop.inflight && cmd->stop.sqe)
		coro__op_cancel(loop, &cmd->stop);
	if (!cmd->stop.inflight)
		coro__cmd_end(loop, cmd);
}

/* A command that did not wait yet, or no longer, is not found: ask until it is over. */
static void coro__cmd_stopped(struct coro__loop *loop, struct coro__op *op,
			      int res, uint32_t flags)
{
	struct coro__cmd *cmd = container_of(op, struct coro__cmd, stop);

	(void)flags;
	if (!cmd->op.inflight)
		coro__cmd_end(loop, cmd);
	else if (res == -ENOENT || res == -ENOMEM)
		coro__cmd_stop(loop, cmd);
}

static void coro__cmd_interrupt(struct coro__loop *loop, struct coro__wait *w,
				int why)
{
	struct coro__cmd *cmd = container_of(w, struct coro__cmd, wait);

	/* What came first, a deadline or a cancel, is what the call returns. */
	if (cmd->why)
		return;
	cmd->why = why;
	if (cmd->op.sqe) {
		coro__op_cancel(loop, &cmd->op);
		coro__wake(loop, w, why);
		return;
	}
	coro__cmd_prepare(&cmd->stop_sqe, cmd->sqe.fd, CORO_URING_WITHDRAW,
			  &cmd->stop_args);
	cmd->stop_args.value = (uintptr_t)&cmd->op;
	coro__cmd_stop(loop, cmd);
}

/* Does @what of @args on a scheduler or handle, waiting in the kernel. */
static int coro__cmd_run(struct coro__loop *loop, int fd, uint32_t what,
			 const struct coro_uring_args *args,
			 int64_t deadline_ns, enum coro_awaits kind)
{
	struct coro__cmd cmd = {
		.wait.interrupt = coro__cmd_interrupt,
		.op.complete = coro__cmd_complete,
		.op.sqe = &cmd.sqe,
		.stop.complete = coro__cmd_stopped,
		.args = *args,
	};

	/* The deadline is the loop's. */
	cmd.args.deadline_ns = CORO_NO_DEADLINE;
	coro__cmd_prepare(&cmd.sqe, fd, what, &cmd.args);
	coro__op_start(loop, &cmd.op);
	return coro__park(loop, &cmd.wait, deadline_ns, kind, 0);
}

/* Whether commands can wait; it is the kernel that can, not one scheduler. */
static bool coro__cmds_wait(const struct coro__loop *loop)
{
	return loop->thread->sched->space.features & CORO_FEAT_URING_WAIT;
}

/* The next message of a context of this process. */
static int coro__device_park(struct coro__loop *loop, struct coro *c,
			     struct coro_event *event, int64_t deadline_ns)
{
	const struct coro_uring_args args = {
		.id = c->id,
		.addr = (uintptr_t)event,
		.nr = 1,
	};

	return coro__cmd_run(loop, c->sched->space.fd, CORO_URING_PARK, &args,
			     deadline_ns, CORO_AWAITS_MESSAGE);
}

/* A new descriptor for context @id of a scheduler, or 0 for that of a handle; or an error. */
static int coro__device_new_handle(int fd, uint64_t id, unsigned int rights)
{
	struct coro_export_args args = {
		.size = sizeof(args),
		.flags = CORO_EXPORT_F_CLOEXEC,
		.id = id,
		.rights = rights,
		.out_fd = -1,
	};
	int err = coro__device_ioctl(fd, CORO_IOC_EXPORT, &args);

	return err ? err : args.out_fd;
}

static int coro__device_open_port(struct coro *c)
{
	struct coro__context *ctx;

	if (c->port)
		return 0;
	ctx = coro__calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->port.coro = c;
	list_init(&ctx->port.all);
	ctx->recv_fd = -1;
	__atomic_store_n(&c->port, &ctx->port, __ATOMIC_RELEASE);
	return 0;
}

/* Where commands cannot wait: a handle of its own, and a READ. */
static int coro__device_read(struct coro__loop *loop, struct coro *c,
			     struct coro_event *event, int64_t deadline_ns)
{
	struct io_uring_sqe sqe = { 0 };
	struct coro__context *ctx;
	int ret;

	ret = coro__device_open_port(c);
	if (ret)
		return ret;
	ctx = coro__context_of(c);
	if (ctx->recv_fd < 0) {
		ret = coro__device_new_handle(c->sched->space.fd, c->id,
					      CORO_RIGHT_RECV);
		if (ret < 0)
			return ret;
		ctx->recv_fd = ret;
	}
	io_uring_prep_read(&sqe, ctx->recv_fd, event, sizeof(*event), -1);
	return coro__io_wait(loop, &sqe, deadline_ns, CORO_AWAITS_MESSAGE);
}

static int coro__device_recv(struct coro__loop *loop, struct coro *c,
			     uint64_t *ret_value, int64_t deadline_ns)
{
	struct coro_event event = { 0 };
	int ret;

	ret = coro__cmds_wait(loop) ?
		      coro__device_park(loop, c, &event, deadline_ns) :
		      coro__device_read(loop, c, &event, deadline_ns);
	if (ret < 0)
		return ret;
	*ret_value = event.value;
	return 0;
}

static int coro__device_wake(struct coro *c, uint64_t value)
{
	struct coro_wake wake = { .id = c->id, .value = value };
	struct coro_wake_args args = {
		.size = sizeof(args),
		.nr = 1,
		.wakes = (uintptr_t)&wake,
	};
	int err = coro__device_ioctl(c->sched->space.fd, CORO_IOC_WAKE, &args);

	/* Its thread ended, and took it along. */
	return err == -ENOENT || err == -ESTALE ? -EPIPE : err;
}

/* Somebody may wait for this, and nobody would tell them later: memory has to come. */
static void coro__device_insist(const struct coro *c, unsigned long cmd,
				void *args)
{
	const struct timespec ts = { .tv_nsec = CORO_MSEC };
	int saved = errno;

	while (coro__device_ioctl(c->sched->space.fd, cmd, args) == -ENOMEM)
		nanosleep(&ts, NULL);
	errno = saved;
}

static void coro__device_finish(const struct coro *c)
{
	struct coro_finish finish = { .id = c->id,
				      .value = (uint64_t)c->value };
	struct coro_finish_args args = {
		.size = sizeof(args),
		.nr = 1,
		.finishes = (uintptr_t)&finish,
	};

	coro__device_insist(c, CORO_IOC_FINISH, &args);
}

/*
 * To free the context tells others that it never ended. Its stack may still be
 * needed, by who puts the coroutine: the scheduler is not used for another any
 * more, so nobody else gets it, and what the kernel clears is put back.
 */
static void coro__device_forsake(const struct coro *c)
{
	struct coro_shm_context shm = *c->shm;
	struct coro_free_args args = {
		.size = sizeof(args),
		.nr = 1,
		.ids = (uintptr_t)&c->id,
	};

	coro__device_insist(c, CORO_IOC_FREE, &args);
	*c->shm = shm;
}

static void coro__device_end_port(struct coro *c, bool dead)
{
	if (dead)
		coro__device_forsake(c);
	else
		coro__device_finish(c);
}

static void coro__device_close_fd(int fd)
{
	int saved = errno;

	/* Not close(), where pthread_cancel() could end the thread. */
	syscall(SYS_close, fd);
	errno = saved;
}

static void coro__device_put_port(struct coro *c)
{
	struct coro__context *ctx = coro__context_of(c);

	if (ctx->recv_fd >= 0)
		coro__device_close_fd(ctx->recv_fd);
	free(ctx);
}

static void coro__events_take(struct coro__loop *loop,
			      const struct coro__events *e,
			      const struct coro_event *event)
{
	const struct coro__space *sp = &e->sched->space;
	struct coro *c;

	if (event->kind != CORO_EVENT_CANCEL ||
	    CORO_INDEX(event->id) >= sp->max ||
	    sp->table[CORO_INDEX(event->id)].generation !=
		    CORO_GENERATION(event->id))
		return;
	c = coro__sched_object(e->sched, event->id);
	if (c->shm->state != CORO_STATE_FREE && c->port && c->port->exported)
		coro__port_cancel(loop, c, event->value);
}

static void coro__events_read(struct coro__loop *loop,
			      struct coro__watch *watch, int res)
{
	struct coro__events *e =
		container_of(watch, struct coro__events, watch);
	int nr = res > 0 ? res / (int)sizeof(*e->events) : 0;

	for (int i = 0; i < nr; i++)
		coro__events_take(loop, e, &e->events[i]);
	/* It would be the same the next time. */
	if (res == -EOWNERDEAD || res == -EBADF || res == -EINVAL)
		watch->stopped = true;
}

static int coro__device_watch(struct coro__sched *s)
{
	struct coro__loop *loop = coro__thread()->loop;
	struct coro__events *e = s->space.events;

	if (!e) {
		e = coro__calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->sched = s;
		e->watch.event = coro__events_read;
		io_uring_prep_read(&e->watch.sqe, s->space.fd, e->events,
				   sizeof(e->events), -1);
		s->space.events = e;
	}
	if (loop && !loop->closing)
		coro__watch_start(loop, &e->watch);
	return 0;
}

static void coro__device_begin_loop(struct coro__loop *loop)
{
	struct coro__events *e = loop->thread->sched->space.events;

	if (e)
		coro__watch_start(loop, &e->watch);
}

static void coro__device_end_loop(struct coro__loop *loop)
{
	struct coro__events *e = loop->thread->sched->space.events;

	if (e)
		coro__watch_stop(loop, &e->watch);
}

static int coro__device_export(struct coro *c, unsigned int rights,
			       struct coro_handle *h)
{
	int ret;

	ret = coro__device_watch(c->sched);
	if (ret)
		return ret;
	ret = coro__device_new_handle(c->sched->space.fd, c->id, rights);
	if (ret < 0)
		return ret;
	h->fd = ret;
	return 0;
}

/*
 * Schedulers know STAT, handles do not. A handle has some right, and can give it
 * on; or it says how its coroutine has gone, as nothing else would.
 */
static int coro__device_adopt(struct coro_handle *h, int fd)
{
	struct coro_stat_args stat = { .size = sizeof(stat) };
	int ret = coro__device_ioctl(fd, CORO_IOC_STAT, &stat);

	if (ret != -ENOTTY)
		return ret == -EBADF ? ret : -EINVAL;
	for (unsigned int right = 1; right <= CORO_RIGHT_RECV; right <<= 1) {
		ret = coro__device_new_handle(fd, 0, right);
		if (ret != -EBADF)
			break;
	}
	if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM)
		return ret;
	if (ret < 0 && ret != -EOWNERDEAD && ret != -ESTALE)
		return -EINVAL;
	if (ret >= 0)
		coro__device_close_fd(ret);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	h->fd = fd;
	return 0;
}

static int coro__device_narrow(struct coro_handle *h, unsigned int rights,
			       struct coro_handle *to)
{
	int ret = coro__device_new_handle(h->fd, 0, rights);

	if (ret < 0)
		return coro__device_join_error(ret);
	to->fd = ret;
	return 0;
}

static int coro__device_fd(const struct coro_handle *h)
{
	return h->fd;
}

static void coro__device_close(struct coro_handle *h)
{
	coro__device_close_fd(h->fd);
}

/* Does not wait, whether the descriptor is O_NONBLOCK or not: others have it, too. */
static int coro__device_try_send(struct coro_handle *h, uint64_t value)
{
	const struct iovec iov = {
		.iov_base = &value,
		.iov_len = sizeof(value),
	};
	int saved = errno;
	int err = 0;

	while (pwritev2(h->fd, &iov, 1, -1, RWF_NOWAIT) < 0) {
		err = -errno;
		if (err != -EINTR)
			break;
		err = 0;
	}
	errno = saved;
	return err;
}

static int coro__device_send(struct coro__loop *loop, struct coro_handle *h,
			     uint64_t value, int64_t deadline_ns)
{
	const struct coro_uring_args args = { .value = value };
	struct io_uring_sqe sqe = { 0 };
	int ret;

	ret = coro__device_try_send(h, value);
	if (ret != -EAGAIN)
		return ret;
	/* The command is served in its turn; a WRITE polls, and all try at once. */
	if (coro__cmds_wait(loop))
		return coro__cmd_run(loop, h->fd, CORO_URING_SEND, &args,
				     deadline_ns, CORO_AWAITS_HANDLE);
	io_uring_prep_write(&sqe, h->fd, &value, sizeof(value), -1);
	ret = coro__io_wait(loop, &sqe, deadline_ns, CORO_AWAITS_HANDLE);
	return ret < 0 ? ret : 0;
}

static int coro__device_join(struct coro__loop *loop, struct coro_handle *h,
			     long *ret_value, int64_t deadline_ns)
{
	struct io_uring_sqe sqe = { 0 };
	struct coro_result result = { 0 };
	int ret;

	io_uring_prep_read(&sqe, h->fd, &result, sizeof(result), -1);
	ret = coro__io_wait(loop, &sqe, deadline_ns, CORO_AWAITS_HANDLE);
	if (ret < 0)
		return coro__device_join_error(ret);
	*ret_value = (long)result.value;
	return 0;
}

static int coro__device_cancel(struct coro_handle *h, uint64_t reason)
{
	struct coro_cancel_args args = {
		.size = sizeof(args),
		.value = reason,
	};
	int err = coro__device_ioctl(h->fd, CORO_IOC_CANCEL, &args);

	return coro__device_join_error(err);
}

const struct coro__remote coro__remote_device = {
	.open_port = coro__device_open_port,
	.end_port = coro__device_end_port,
	.put_port = coro__device_put_port,
	.wake = coro__device_wake,
	.recv = coro__device_recv,
	.begin_loop = coro__device_begin_loop,
	.end_loop = coro__device_end_loop,
	.export = coro__device_export,
	.adopt = coro__device_adopt,
	.narrow = coro__device_narrow,
	.fd = coro__device_fd,
	.close = coro__device_close,
	.try_send = coro__device_try_send,
	.send = coro__device_send,
	.join = coro__device_join,
	.cancel = coro__device_cancel,
};
