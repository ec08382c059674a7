// SPDX-License-Identifier: GPL-2.0
/* A handle: one context as a file, with rights. */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uio.h>

#include "compat.h"
#include "handle.h"
#include "ioctl.h"
#include "limits.h"
#include "mailbox.h"
#include "receive.h"
#include "sched.h"
#include "target.h"
#include "uring.h"

#define CORO_RIGHTS_ALL                                          \
	(CORO_RIGHT_SEND | CORO_RIGHT_JOIN | CORO_RIGHT_CANCEL | \
	 CORO_RIGHT_RECV)
#define CORO_RIGHTS_READ (CORO_RIGHT_JOIN | CORO_RIGHT_RECV)

static bool coro_handle_blocks(const struct kiocb *iocb)
{
	return !(iocb->ki_flags & IOCB_NOWAIT) &&
	       !(iocb->ki_filp->f_flags & O_NONBLOCK);
}

static ssize_t coro_handle_try_read(const struct coro_handle *hnd,
				    struct iov_iter *to)
{
	struct coro_result result;
	int ret;

	if (hnd->rights & CORO_RIGHT_RECV)
		return coro_receive_events(hnd->tgt->sched, hnd->tgt, to);
	ret = coro_target_join(hnd->tgt, &result);
	if (ret)
		return ret;
	/* All or nothing: a part of a result is none. */
	if (copy_to_iter(&result, sizeof(result), to) != sizeof(result))
		return -EFAULT;
	return sizeof(result);
}

/* Whether a read would not wait. */
static bool coro_handle_readable(const struct coro_handle *hnd)
{
	if (coro_target_state(hnd->tgt) != CORO_TARGET_LIVE)
		return true;
	return hnd->rights & CORO_RIGHT_RECV &&
	       READ_ONCE(hnd->tgt->nr_messages);
}

/*
 * All readers are woken, for an end is told to everybody. Those of messages are
 * few: the coroutine itself.
 */
static ssize_t coro_handle_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	const struct coro_handle *hnd = iocb->ki_filp->private_data;
	size_t least = hnd->rights & CORO_RIGHT_RECV ?
			       sizeof(struct coro_event) :
			       sizeof(struct coro_result);
	wait_queue_head_t *q = hnd->rights & CORO_RIGHT_RECV ?
				       &hnd->tgt->wait_message :
				       &hnd->tgt->wait_end;
	ssize_t ret;

	if (iov_iter_count(to) < least)
		return -EINVAL;
	do {
		ret = coro_handle_try_read(hnd, to);
		if (ret != -EAGAIN || !coro_handle_blocks(iocb))
			return ret;
		ret = wait_event_interruptible(*q, coro_handle_readable(hnd));
	} while (!ret);
	return ret;
}

/*
 * Send some of what @from holds: bytes, or why not even the first. What could
 * not be sent stays in @from.
 */
static ssize_t coro_handle_try_write(const struct coro_handle *hnd,
				     struct iov_iter *from)
{
	u64 values[CORO_BURST] __uninitialized;
	size_t bytes = min(iov_iter_count(from), sizeof(values));
	size_t got;
	int nr;

	got = copy_from_iter(values, bytes, from);
	nr = got / sizeof(*values);
	if (nr)
		nr = coro_mailbox_send(hnd->tgt, values, nr);
	else
		nr = -EFAULT;
	iov_iter_revert(from, got - (nr > 0 ? nr * sizeof(*values) : 0));
	return nr < 0 ? nr : nr * sizeof(*values);
}

/* Waits for room for the first message, not for those after it. */
static ssize_t coro_handle_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	const struct coro_handle *hnd = iocb->ki_filp->private_data;
	ssize_t ret, done = 0;

	if (iov_iter_count(from) % sizeof(u64))
		return -EINVAL;
	if (!iov_iter_count(from))
		return 0;
	do {
		ret = coro_handle_try_write(hnd, from);
		if (ret > 0)
			done += ret;
		if (ret > 0 && iov_iter_count(from)) {
			cond_resched();
			ret = signal_pending(current) ? -EINTR : 0;
			continue;
		}
		if (done || ret != -EAGAIN || !coro_handle_blocks(iocb))
			break;
		ret = wait_event_interruptible(hnd->tgt->wait_room,
					       coro_target_has_room(hnd->tgt));
	} while (!ret);
	return done ?: ret;
}

static __poll_t coro_handle_poll(struct file *file, poll_table *wait)
{
	const struct coro_handle *hnd = file->private_data;
	enum coro_target_state state;
	__poll_t events = 0;

	/* At most two: a poll of io_uring can wait on no more. */
	if (hnd->rights & CORO_RIGHT_RECV)
		poll_wait(file, &hnd->tgt->wait_message, wait);
	else if (hnd->rights & CORO_RIGHT_JOIN ||
		 !(hnd->rights & CORO_RIGHT_SEND))
		poll_wait(file, &hnd->tgt->wait_end, wait);
	if (hnd->rights & CORO_RIGHT_SEND)
		poll_wait(file, &hnd->tgt->wait_room, wait);
	state = coro_target_state(hnd->tgt);
	if (hnd->rights & CORO_RIGHTS_READ && coro_handle_readable(hnd))
		events |= EPOLLIN | EPOLLRDNORM;
	if (hnd->rights & CORO_RIGHT_SEND && coro_target_has_room(hnd->tgt))
		events |= EPOLLOUT | EPOLLWRNORM;
	if (state == CORO_TARGET_FREED || state == CORO_TARGET_DEAD)
		events |= EPOLLHUP | EPOLLERR;
	return events;
}

/* Handles that read messages are counted: senders look after them. */
static void coro_handle_count(const struct coro_handle *hnd, int nr)
{
	struct coro_sched *sched = hnd->tgt->sched;

	if (!(hnd->rights & CORO_RIGHT_RECV))
		return;
	spin_lock_bh(&sched->events_lock);
	hnd->tgt->nr_recvs += nr;
	spin_unlock_bh(&sched->events_lock);
}

static int coro_handle_release(struct inode *inode, struct file *file)
{
	struct coro_handle *hnd = file->private_data;

	coro_handle_count(hnd, -1);
	coro_target_put(hnd->tgt);
	kfree(hnd);
	return 0;
}

static long coro_handle_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct coro_handle *hnd = file->private_data;
	struct coro_subject on = { .sched = hnd->tgt->sched, .hnd = hnd };

	return coro_ioctl_run(&on, cmd, arg);
}

static int coro_handle_uring_cmd(struct io_uring_cmd *cmd,
				 unsigned int issue_flags)
{
	struct coro_handle *hnd = cmd->file->private_data;
	struct coro_subject on = { .sched = hnd->tgt->sched, .hnd = hnd };

	return coro_uring_run(&on, cmd, issue_flags);
}

static const struct file_operations coro_handle_fops = {
	.owner = THIS_MODULE,
	.release = coro_handle_release,
	.read_iter = coro_handle_read_iter,
	.write_iter = coro_handle_write_iter,
	.poll = coro_handle_poll,
	.unlocked_ioctl = coro_handle_ioctl,
	.uring_cmd = coro_handle_uring_cmd,
	.show_fdinfo = coro_handle_fdinfo,
};

int coro_handle_check_rights(u32 rights)
{
	if (!rights || rights & ~CORO_RIGHTS_ALL)
		return -EINVAL;
	if ((rights & CORO_RIGHTS_READ) == CORO_RIGHTS_READ)
		return -EINVAL;
	return 0;
}

/* How such a file is open: the kernel refuses read and write to others. */
static int coro_handle_mode(u32 rights)
{
	if (!(rights & CORO_RIGHTS_READ))
		return O_WRONLY;
	return rights & CORO_RIGHT_SEND ? O_RDWR : O_RDONLY;
}

/* A new handle as a file; takes a reference to @tgt of its own. */
struct file *coro_handle_new(struct coro_target *tgt, u32 rights, bool nonblock)
{
	int flags = coro_handle_mode(rights) | (nonblock ? O_NONBLOCK : 0);
	struct coro_handle *hnd;
	struct file *file;

	hnd = kzalloc(sizeof(*hnd), GFP_KERNEL_ACCOUNT);
	if (!hnd)
		return ERR_PTR(-ENOMEM);
	hnd->rights = rights;
	hnd->tgt = coro_target_get(tgt);
	file = anon_inode_getfile("[coro]", &coro_handle_fops, hnd, flags);
	if (IS_ERR(file)) {
		coro_target_put(tgt);
		kfree(hnd);
		return file;
	}
	coro_handle_count(hnd, 1);
	if (!(rights & (CORO_RIGHTS_READ | CORO_RIGHT_SEND)))
		file->f_mode &= ~(FMODE_WRITE | FMODE_CAN_WRITE);
	file->f_mode |= FMODE_NOWAIT;
	stream_open(file_inode(file), file);
	return file;
}
