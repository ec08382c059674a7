// SPDX-License-Identifier: GPL-2.0
/* Receiving: events on their way to user space, by read, poll and PARK. */
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "mailbox.h"
#include "receive.h"
#include "sched.h"
#include "target.h"

/*
 * One round: the number of whole records that were copied out, or why there is
 * none. What cannot be copied goes back.
 */
static int coro_batch_copy_some(struct coro_batch *batch, struct iov_iter *to,
				u32 max)
{
	size_t bytes;
	u32 whole;
	int nr;

	nr = coro_mailbox_take(batch, max);
	if (nr <= 0)
		return nr ?: -EAGAIN;
	bytes = copy_to_iter(batch->events, nr * sizeof(*batch->events), to);
	iov_iter_revert(to, bytes % sizeof(*batch->events));
	whole = bytes / sizeof(*batch->events);
	coro_mailbox_consume(batch, whole);
	return whole ?: -EFAULT;
}

/* A look without the lock, which spares what the rest costs. */
static bool coro_receive_has_none(struct coro_sched *sched,
				  struct coro_target *tgt)
{
	if (tgt)
		return !READ_ONCE(tgt->nr_messages) &&
		       coro_target_state(tgt) == CORO_TARGET_LIVE;
	return !READ_ONCE(sched->mailbox.nr_shared) &&
	       READ_ONCE(sched->state) != CORO_SCHED_DEAD;
}

static ssize_t coro_batch_copy(struct coro_sched *sched,
			       struct coro_target *tgt, struct iov_iter *to)
{
	struct coro_batch batch __uninitialized;
	ssize_t done = 0;
	u32 room;
	int nr;

	batch.sched = sched;
	batch.tgt = tgt;
	do {
		room = min_t(size_t, CORO_BURST,
			     iov_iter_count(to) / sizeof(struct coro_event));
		nr = room ? coro_batch_copy_some(&batch, to, room) : 0;
		if (nr > 0)
			done += nr * sizeof(struct coro_event);
		cond_resched();
	} while (nr > 0 && nr == room && !signal_pending(current));
	if (!tgt)
		coro_mailbox_pass_on(sched);
	return done ?: nr;
}

/*
 * Take out what is there and fits, of a target or, if that is NULL, of all:
 * bytes, or -EAGAIN if nothing is there, or another error.
 */
ssize_t coro_receive_events(struct coro_sched *sched, struct coro_target *tgt,
			    struct iov_iter *to)
{
	if (coro_receive_has_none(sched, tgt))
		return -EAGAIN;
	return coro_batch_copy(sched, tgt, to);
}

static bool coro_receive_has_news(struct coro_sched *sched)
{
	return READ_ONCE(sched->mailbox.nr_shared) ||
	       READ_ONCE(sched->state) == CORO_SCHED_DEAD;
}

static int coro_receive_wait(struct coro_sched *sched)
{
	wait_queue_head_t *q = &sched->mailbox.readers;

	return wait_event_interruptible_exclusive(*q,
						  coro_receive_has_news(sched));
}

ssize_t coro_receive_read(struct coro_sched *sched, struct kiocb *iocb,
			  struct iov_iter *to)
{
	bool wait = !(iocb->ki_flags & IOCB_NOWAIT) &&
		    !(iocb->ki_filp->f_flags & O_NONBLOCK);
	ssize_t ret;

	if (iov_iter_count(to) < sizeof(struct coro_event))
		return -EINVAL;
	do {
		ret = coro_sched_check(sched, CORO_NEEDS_OWNER);
		if (ret)
			return ret;
		ret = coro_receive_events(sched, NULL, to);
		if (ret != -EAGAIN || !wait)
			return ret;
		ret = coro_receive_wait(sched);
	} while (!ret);
	return ret;
}

__poll_t coro_receive_poll(struct coro_sched *sched, struct file *file,
			   poll_table *wait)
{
	poll_wait(file, &sched->mailbox.pollers, wait);
	/* Pairs with wq_has_sleeper() in coro_mailbox_wake_shared(). */
	smp_mb();
	if (READ_ONCE(sched->state) == CORO_SCHED_DEAD)
		return EPOLLHUP | EPOLLERR;
	return READ_ONCE(sched->mailbox.nr_shared) ? EPOLLIN | EPOLLRDNORM : 0;
}
