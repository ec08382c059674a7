/* SPDX-License-Identifier: GPL-2.0 */
/* Receiving: events on their way to user space, by read, poll and PARK. */
#ifndef CORO_RECEIVE_H
#define CORO_RECEIVE_H

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/types.h>

struct coro_sched;
struct coro_target;

ssize_t coro_receive_events(struct coro_sched *sched, struct coro_target *tgt,
			    struct iov_iter *to);
ssize_t coro_receive_read(struct coro_sched *sched, struct kiocb *iocb,
			  struct iov_iter *to);
__poll_t coro_receive_poll(struct coro_sched *sched, struct file *file,
			   poll_table *wait);

#endif /* CORO_RECEIVE_H */
