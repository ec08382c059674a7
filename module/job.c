// SPDX-License-Identifier: GPL-2.0
/* What a command of io_uring is to do, as often as it takes. */
#include <linux/kernel.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "job.h"
#include "mailbox.h"
#include "receive.h"
#include "sched.h"
#include "target.h"
#include "wait.h"

static int coro_job_park(const struct coro_job *job)
{
	struct iov_iter to;
	ssize_t bytes;

	iov_iter_ubuf(&to, READ, u64_to_user_ptr(job->addr),
		      job->nr * sizeof(struct coro_event));
	bytes = coro_receive_events(job->sched, job->tgt, &to);
	return bytes < 0 ? bytes : bytes / sizeof(struct coro_event);
}

static int coro_job_send(const struct coro_job *job)
{
	int ret = coro_mailbox_send(job->tgt, &job->value, 1);

	return ret < 0 ? ret : 0;
}

static int coro_job_join(const struct coro_job *job)
{
	struct coro_result result;
	int ret;

	ret = coro_target_join(job->tgt, &result);
	if (ret)
		return ret;
	if (copy_to_user(u64_to_user_ptr(job->addr), &result, sizeof(result)))
		return -EFAULT;
	return 0;
}

/* The result; -EAGAIN if it has to wait. Takes no lock that is held long. */
int coro_job_try(const struct coro_job *job)
{
	switch (job->kind) {
	case CORO_JOB_PARK:
		return coro_job_park(job);
	case CORO_JOB_SEND:
		return coro_job_send(job);
	default:
		return coro_job_join(job);
	}
}

/* Whether the next try has something to do or a reason to fail. */
bool coro_job_ready_locked(const struct coro_job *job)
{
	lockdep_assert_held(&job->sched->events_lock);
	if (!job->tgt)
		return job->sched->mailbox.nr_shared ||
		       job->sched->state == CORO_SCHED_DEAD;
	if (coro_target_state(job->tgt) != CORO_TARGET_LIVE)
		return true;
	switch (job->kind) {
	case CORO_JOB_PARK:
		return job->tgt->nr_messages;
	case CORO_JOB_SEND:
		return coro_target_has_room(job->tgt);
	default:
		return false;
	}
}

/*
 * The job ends without having done anything. If it was woken for an event of
 * any context, that is still there and somebody else may wait for it:
 *
 *	WAKE				PARK A		PARK B
 *					parked		parked
 *	queues one, claims A
 *					its ring ends	waits on
 */
void coro_job_pass_on(const struct coro_job *job)
{
	if (!job->tgt)
		coro_mailbox_pass_on(job->sched);
}
