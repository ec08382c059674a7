/* SPDX-License-Identifier: GPL-2.0 */
/* Mailboxes: events of contexts, from who sends them until they are taken. */
#ifndef CORO_MAILBOX_H
#define CORO_MAILBOX_H

#include <linux/coro.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "limits.h"

struct coro_context;
struct coro_message;
struct coro_sched;
struct coro_target;

/* The queues of a scheduler; covered by its events_lock. */
struct coro_mailbox {
	struct list_head shared; /* events for read, in order of arrival */
	struct list_head direct; /* messages for their contexts alone */
	u32 nr; /* of both */
	u32 nr_shared; /* read without lock by waiters */
	u32 max; /* messages of one context; constant */
	u64 total;
	/*
	 * Two queues, because readers are woken one at a time and hand on
	 * what they leave, and pollers are woken only by news.
	 */
	wait_queue_head_t readers;
	wait_queue_head_t pollers;
	struct list_head parks; /* coro_wait.link, of all contexts */
	struct coro_message *spare; /* one that was read, or NULL; by xchg */
};

/* Events on their way from the queues to user space: nobody else finds them. */
struct coro_batch {
	struct coro_sched *sched;
	struct coro_target *tgt; /* or NULL: of all contexts */
	struct list_head taken;
	struct coro_event events[CORO_BURST];
};

int coro_mailbox_setup(void);
void coro_mailbox_teardown(void);
void coro_mailbox_init(struct coro_mailbox *box);
void coro_mailbox_fini(struct coro_mailbox *box);
int coro_mailbox_wake(struct coro_sched *sched, const struct coro_wake *wakes,
		      u32 nr);
int coro_mailbox_send(struct coro_target *tgt, const u64 *values, u32 nr);
int coro_mailbox_cancel(struct coro_target *tgt, u64 reason);
void coro_mailbox_pass_on(struct coro_sched *sched);
struct coro_message *coro_mailbox_message_new(struct coro_target *tgt,
					      u64 value);
void coro_mailbox_message_free(struct coro_message *msg);
void coro_mailbox_drop(struct coro_sched *sched, struct coro_context *ctx,
		       struct list_head *dropped);
void coro_mailbox_drop_all(struct coro_sched *sched, struct list_head *dropped);
void coro_mailbox_discard(struct list_head *dropped);
void coro_mailbox_hangup(struct coro_sched *sched);
int coro_mailbox_take(struct coro_batch *batch, u32 max);
void coro_mailbox_consume(struct coro_batch *batch, u32 nr);

#endif /* CORO_MAILBOX_H */
