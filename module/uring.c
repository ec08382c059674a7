// SPDX-License-Identifier: GPL-2.0
/* The commands of io_uring, and the gate through which they come. */
#include <linux/coro.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/nsproxy.h>
#include <linux/stddef.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "ioctl.h"
#include "job.h"
#include "mailbox.h"
#include "sched.h"
#include "target.h"
#include "uring.h"
#include "wait.h"

/* One command, on its way through the gate. */
struct coro_uring_call {
	const struct coro_subject *on;
	struct io_uring_cmd *cmd;
	unsigned int issue_flags;
	struct coro_uring_args args;
};

#define CORO_USES_ID BIT(0)
#define CORO_USES_DEADLINE BIT(1)
#define CORO_USES_VALUE BIT(2)
#define CORO_USES_ADDR BIT(3)
#define CORO_USES_NR BIT(4)

/* What is not used must be 0. */
struct coro_uring_op {
	u32 uses; /* CORO_USES_* */
	enum coro_sched_needs needs; /* on a scheduler */
	int dead; /* once that is dead */
	/* The result, or -EIOCBQUEUED if that comes later. */
	int (*run)(const struct coro_uring_call *call);
};

/* A time of the caller's clock as one of the machine's. */
static s64 coro_uring_deadline_ns(s64 deadline_ns)
{
#ifdef CONFIG_TIME_NS
	struct time_namespace *ns = current->nsproxy->time_ns;
	s64 offset_ns = timespec64_to_ns(&ns->offsets.monotonic);

	if (deadline_ns == CORO_NO_DEADLINE)
		return deadline_ns;
	if (check_sub_overflow(deadline_ns, offset_ns, &deadline_ns))
		return CORO_NO_DEADLINE;
	return max_t(s64, deadline_ns, 0);
#else
	return deadline_ns;
#endif
}

/* Do a job now, or as soon as it can be done. */
static int coro_uring_job(const struct coro_uring_call *call,
			  const struct coro_job *job)
{
	int ret = coro_job_try(job);

	if (ret != -EAGAIN || !call->args.deadline_ns)
		return ret;
	return coro_wait_park(job, call->cmd,
			      coro_uring_deadline_ns(call->args.deadline_ns),
			      call->issue_flags);
}

static int coro_uring_target_job(const struct coro_uring_call *call, u32 right,
				 struct coro_job *job)
{
	int ret;

	ret = coro_ioctl_target(call->on, call->args.id, right, &job->tgt);
	if (ret)
		return ret;
	ret = coro_uring_job(call, job);
	coro_target_put(job->tgt);
	return ret;
}

static int coro_uring_park(const struct coro_uring_call *call)
{
	struct coro_job job = {
		.kind = CORO_JOB_PARK,
		.sched = call->on->sched,
		.addr = call->args.addr,
		.nr = call->args.nr,
	};

	if (!job.nr || job.nr > CORO_MAX_BATCH)
		return -EINVAL;
	if (!call->on->hnd && !call->args.id)
		return coro_uring_job(call, &job);
	return coro_uring_target_job(call, CORO_RIGHT_RECV, &job);
}

static int coro_uring_send(const struct coro_uring_call *call)
{
	struct coro_job job = {
		.kind = CORO_JOB_SEND,
		.sched = call->on->sched,
		.value = call->args.value,
	};

	return coro_uring_target_job(call, CORO_RIGHT_SEND, &job);
}

static int coro_uring_join(const struct coro_uring_call *call)
{
	struct coro_job job = {
		.kind = CORO_JOB_JOIN,
		.sched = call->on->sched,
		.addr = call->args.addr,
	};

	return coro_uring_target_job(call, CORO_RIGHT_JOIN, &job);
}

static int coro_uring_cancel(const struct coro_uring_call *call)
{
	struct coro_target *tgt;
	int ret;

	ret = coro_ioctl_target(call->on, call->args.id, CORO_RIGHT_CANCEL,
				&tgt);
	if (ret)
		return ret;
	ret = coro_mailbox_cancel(tgt, call->args.value);
	coro_target_put(tgt);
	return ret;
}

static int coro_uring_withdraw(const struct coro_uring_call *call)
{
	return coro_wait_withdraw(call->on->sched, call->cmd, call->args.value);
}

#define CORO_URING_NR(_cmd_op) (_IOC_NR(_cmd_op) - _IOC_NR(CORO_URING_PARK))

static const struct coro_uring_op coro_uring_ops[] = {
	[CORO_URING_NR(CORO_URING_PARK)] = {
		.uses = CORO_USES_ID | CORO_USES_DEADLINE | CORO_USES_ADDR |
			CORO_USES_NR,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EOWNERDEAD,
		.run = coro_uring_park,
	},
	[CORO_URING_NR(CORO_URING_SEND)] = {
		.uses = CORO_USES_ID | CORO_USES_DEADLINE | CORO_USES_VALUE,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EPIPE,
		.run = coro_uring_send,
	},
	[CORO_URING_NR(CORO_URING_JOIN)] = {
		.uses = CORO_USES_ID | CORO_USES_DEADLINE | CORO_USES_ADDR,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EOWNERDEAD,
		.run = coro_uring_join,
	},
	[CORO_URING_NR(CORO_URING_CANCEL)] = {
		.uses = CORO_USES_ID | CORO_USES_VALUE,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EOWNERDEAD,
		.run = coro_uring_cancel,
	},
	[CORO_URING_NR(CORO_URING_WITHDRAW)] = {
		.uses = CORO_USES_VALUE,
		.needs = CORO_NEEDS_TABLE,
		.dead = -EOWNERDEAD,
		.run = coro_uring_withdraw,
	},
};

/* As for ioctl, the size in the number is not looked at. */
static const struct coro_uring_op *coro_uring_find(u32 cmd_op)
{
	u32 nr = CORO_URING_NR(cmd_op);

	if (_IOC_TYPE(cmd_op) != CORO_IOC_MAGIC ||
	    nr >= ARRAY_SIZE(coro_uring_ops))
		return NULL;
	nr = array_index_nospec(nr, ARRAY_SIZE(coro_uring_ops));
	return &coro_uring_ops[nr];
}

static int coro_uring_check(const struct coro_uring_op *op,
			    const struct coro_uring_call *call)
{
	const struct coro_uring_args *args = &call->args;
	u32 used = (args->id ? CORO_USES_ID : 0) |
		   (args->deadline_ns ? CORO_USES_DEADLINE : 0) |
		   (args->value ? CORO_USES_VALUE : 0) |
		   (args->addr ? CORO_USES_ADDR : 0) |
		   (args->nr ? CORO_USES_NR : 0);

	if (used & ~op->uses || args->flags || args->reserved ||
	    args->deadline_ns < 0)
		return -EINVAL;
	if (call->on->hnd)
		return 0;
	return coro_sched_check(call->on->sched, op->needs);
}

/* The submission is user memory: each word of it is read once. */
static int coro_uring_issue(struct coro_uring_call *call)
{
	const u64 *payload = coro_compat_cmd_payload(call->cmd);
	u64 uargs = READ_ONCE(payload[0]);
	const struct coro_uring_op *op;
	int ret;

	op = coro_uring_find(call->cmd->cmd_op);
	if (!op)
		return -ENOTTY;
	if (READ_ONCE(payload[1]) || coro_compat_cmd_is_overwritten(call->cmd))
		return -EINVAL;
	ret = coro_ioctl_copy_in(&call->args, sizeof(call->args),
				 offsetofend(struct coro_uring_args, reserved),
				 u64_to_user_ptr(uargs));
	if (ret)
		return ret;
	ret = coro_uring_check(op, call);
	if (!ret)
		ret = op->run(call);
	return ret == -EOWNERDEAD && !call->on->hnd ? op->dead : ret;
}

/*
 * ->uring_cmd of schedulers and handles. May be called with uring_lock, which
 * is above all locks of ours, and in a thread of io_uring's that works for the
 * caller and has its address space.
 */
int coro_uring_run(const struct coro_subject *on, struct io_uring_cmd *cmd,
		   unsigned int issue_flags)
{
	struct coro_uring_call call = {
		.on = on,
		.cmd = cmd,
		.issue_flags = issue_flags,
	};
	int ret;

	if (coro_compat_cmd_is_cancel(issue_flags)) {
		coro_wait_abort(cmd, issue_flags);
		return 0;
	}
	if (coro_compat_cmd_is_polled(cmd))
		return -EOPNOTSUPP;
	ret = coro_uring_issue(&call);
	/*
	 * Completed here, because the kernel would take EAGAIN for a wish to be
	 * called again, and 6.1 a positive result for an error.
	 */
	if (ret != -EIOCBQUEUED)
		coro_compat_cmd_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}
