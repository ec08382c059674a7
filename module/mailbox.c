// SPDX-License-Identifier: GPL-2.0
/* Mailboxes: messages to contexts, and read and poll that take them out. */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uio.h>

#include "context.h"
#include "limits.h"
#include "mailbox.h"
#include "sched.h"
#include "user.h"

/*
 * One message that was sent. Whoever takes it off the lists under events_lock
 * owns it: a reader, FREE or death.
 */
struct coro_message {
	struct list_head in_order; /* coro_mailbox.messages */
	struct hlist_node of_context; /* coro_context.messages */
	u64 id;
	u64 value;
};

static struct kmem_cache *coro_message_cache;

int coro_mailbox_setup(void)
{
	coro_message_cache = KMEM_CACHE(coro_message, SLAB_ACCOUNT);
	return coro_message_cache ? 0 : -ENOMEM;
}

void coro_mailbox_teardown(void)
{
	kmem_cache_destroy(coro_message_cache);
}

void coro_mailbox_init(struct coro_mailbox *box)
{
	INIT_LIST_HEAD(&box->messages);
	init_waitqueue_head(&box->readers);
	init_waitqueue_head(&box->pollers);
}

static void coro_mailbox_count(struct coro_sched *sched, u32 nr)
{
	lockdep_assert_held(&sched->events_lock);
	coro_user_count_messages(sched->user, (int)nr - (int)sched->mailbox.nr);
	WRITE_ONCE(sched->mailbox.nr, nr);
	WRITE_ONCE(sched->header->events_pending, nr);
}

/* Queue one message; on success it is not the caller's any more. */
static int coro_mailbox_deliver(struct coro_sched *sched,
				const struct coro_wake *wake,
				struct coro_message *msg)
{
	struct coro_mailbox *box = &sched->mailbox;
	struct coro_context *ctx;
	int ret;

	lockdep_assert_held(&sched->events_lock);
	if (sched->state == CORO_SCHED_DEAD)
		return -EPIPE;
	ret = coro_context_find(sched, wake->id, &ctx);
	if (ret)
		return ret;
	if (ctx->nr_messages >= box->max ||
	    box->nr >= READ_ONCE(coro_limit_max_events) ||
	    !coro_user_has_room(sched->user))
		return -EAGAIN;
	msg->id = wake->id;
	msg->value = wake->value;
	list_add_tail(&msg->in_order, &box->messages);
	hlist_add_head(&msg->of_context, &ctx->messages);
	ctx->nr_messages++;
	box->total++;
	coro_mailbox_count(sched, box->nr + 1);
	return 0;
}

/* Deliver a few; returns 0 and counts in @done until one fails. */
static int coro_mailbox_burst(struct coro_sched *sched,
			      const struct coro_wake *wakes, u32 nr, u32 *done)
{
	void *msgs[CORO_WAKE_BURST];
	u32 i;
	int ret = 0;

	/* Memory first: the spinlock does not allow to wait for it. */
	if (!kmem_cache_alloc_bulk(coro_message_cache, GFP_KERNEL, nr, msgs))
		return -ENOMEM;
	spin_lock(&sched->events_lock);
	for (i = 0; i < nr; i++) {
		ret = coro_mailbox_deliver(sched, &wakes[i], msgs[i]);
		if (ret)
			break;
	}
	spin_unlock(&sched->events_lock);
	if (i < nr)
		kmem_cache_free_bulk(coro_message_cache, nr - i, &msgs[i]);
	*done += i;
	return ret;
}

/* Returns how many were delivered, or why the first was not. */
int coro_mailbox_wake(struct coro_sched *sched, const struct coro_wake *wakes,
		      u32 nr)
{
	u32 done = 0;
	int ret = 0;

	while (!ret && done < nr)
		ret = coro_mailbox_burst(sched, wakes + done,
					 min(nr - done, CORO_WAKE_BURST),
					 &done);
	if (!done)
		return ret;
	/*
	 * One wake for all of them, after the last unlock. A sleeper put
	 * itself on its queue before it looked at the count, and both the
	 * queue and this take the queue's lock: it saw the messages or it is
	 * seen here.
	 */
	wake_up_poll(&sched->mailbox.readers, EPOLLIN | EPOLLRDNORM);
	wake_up_poll(&sched->mailbox.pollers, EPOLLIN | EPOLLRDNORM);
	return done;
}

/* Take all messages of one context, which ends. */
void coro_mailbox_drop(struct coro_sched *sched, struct coro_context *ctx,
		       struct list_head *dropped)
{
	struct coro_message *msg;

	lockdep_assert_held(&sched->events_lock);
	hlist_for_each_entry(msg, &ctx->messages, of_context)
		list_move(&msg->in_order, dropped);
	INIT_HLIST_HEAD(&ctx->messages);
	coro_mailbox_count(sched, sched->mailbox.nr - ctx->nr_messages);
	ctx->nr_messages = 0;
}

/*
 * Take all messages there are, because the scheduler dies. The contexts' own
 * lists are left dangling: no context is found any more.
 */
void coro_mailbox_drop_all(struct coro_sched *sched, struct list_head *dropped)
{
	lockdep_assert_held(&sched->events_lock);
	WARN_ON_ONCE(sched->state != CORO_SCHED_DEAD);
	list_splice_init(&sched->mailbox.messages, dropped);
	coro_mailbox_count(sched, 0);
}

/* Free messages that are on no list but this one. */
void coro_mailbox_discard(struct list_head *dropped)
{
	struct coro_message *msg, *next;

	list_for_each_entry_safe(msg, next, dropped, in_order) {
		kmem_cache_free(coro_message_cache, msg);
		cond_resched();
	}
}

/* Tell all who wait that nothing will come. */
void coro_mailbox_hangup(struct coro_mailbox *box)
{
	wake_up_all(&box->readers);
	/* All, those that asked to be woken one at a time as well. */
	__wake_up(&box->pollers, TASK_NORMAL, 0,
		  poll_to_key(EPOLLHUP | EPOLLERR));
}

/* Move up to @max messages to @taken; returns how many. */
static u32 coro_mailbox_take(struct coro_sched *sched, struct list_head *taken,
			     struct coro_event *events, u32 max)
{
	struct coro_mailbox *box = &sched->mailbox;
	struct coro_message *msg, *next;
	struct coro_context *ctx;
	u32 nr = 0;

	spin_lock(&sched->events_lock);
	list_for_each_entry_safe(msg, next, &box->messages, in_order) {
		if (nr == max)
			break;
		/* FREE takes what is its own, so the context lives. */
		if (WARN_ON_ONCE(coro_context_find(sched, msg->id, &ctx)))
			break;
		hlist_del(&msg->of_context);
		ctx->nr_messages--;
		list_move_tail(&msg->in_order, taken);
		events[nr].id = msg->id;
		events[nr].kind = CORO_EVENT_MESSAGE;
		events[nr].value = msg->value;
		nr++;
	}
	if (nr)
		coro_mailbox_count(sched, box->nr - nr);
	spin_unlock(&sched->events_lock);
	return nr;
}

/*
 * Put back, in front, what could not be handed out. Messages whose context
 * ended meanwhile stay on the list: FREE or death would have dropped them.
 */
static void coro_mailbox_untake(struct coro_sched *sched,
				struct list_head *taken)
{
	struct coro_message *msg, *prev;
	struct coro_context *ctx;
	u32 nr = 0;

	spin_lock(&sched->events_lock);
	list_for_each_entry_safe_reverse(msg, prev, taken, in_order) {
		if (sched->state == CORO_SCHED_DEAD)
			break;
		if (coro_context_find(sched, msg->id, &ctx))
			continue;
		list_move(&msg->in_order, &sched->mailbox.messages);
		hlist_add_head(&msg->of_context, &ctx->messages);
		ctx->nr_messages++;
		nr++;
	}
	if (nr)
		coro_mailbox_count(sched, sched->mailbox.nr + nr);
	spin_unlock(&sched->events_lock);
	/* They may have looked while the messages were away. */
	if (nr)
		wake_up_poll(&sched->mailbox.pollers, EPOLLIN | EPOLLRDNORM);
}

/*
 * One round: the number of whole records that were copied out. What cannot be
 * copied goes back, and sets @faulted.
 */
static u32 coro_mailbox_round(struct coro_sched *sched, struct iov_iter *to,
			      u32 max, bool *faulted)
{
	struct coro_event events[CORO_READ_BURST] = {};
	struct coro_message *msg, *next;
	LIST_HEAD(taken);
	u32 nr, whole, left;
	size_t bytes;

	nr = coro_mailbox_take(sched, &taken, events, max);
	if (!nr)
		return 0;
	bytes = copy_to_iter(events, nr * sizeof(*events), to);
	iov_iter_revert(to, bytes % sizeof(*events));
	whole = bytes / sizeof(*events);

	left = whole;
	list_for_each_entry_safe(msg, next, &taken, in_order) {
		if (!left--)
			break;
		list_del(&msg->in_order);
		kmem_cache_free(coro_message_cache, msg);
	}
	if (whole < nr) {
		*faulted = true;
		coro_mailbox_untake(sched, &taken);
		coro_mailbox_discard(&taken);
	}
	return whole;
}

/*
 * Copy out what is there and fits: bytes, or 0 if nothing is there, or -EFAULT
 * if not one record could be stored.
 *
 * Readers sleep exclusively, and one call of WAKE wakes one of them, however
 * many messages it brought:
 *
 *	WAKE of 2	reader A		reader B
 *			sleeps			sleeps
 *	queue 2
 *	wake A
 *			takes 1, has no room
 *			returns			sleeps, while 1 is there
 *
 * So who leaves messages behind, for want of room or by a fault, wakes the
 * next.
 */
static ssize_t coro_mailbox_copy(struct coro_sched *sched, struct iov_iter *to)
{
	size_t room, done = 0;
	bool faulted = false;
	u32 nr;

	do {
		room = min_t(size_t, CORO_READ_BURST,
			     iov_iter_count(to) / sizeof(struct coro_event));
		nr = coro_mailbox_round(sched, to, room, &faulted);
		done += nr;
		cond_resched();
	} while (nr && nr == room && !signal_pending(current));
	if (READ_ONCE(sched->mailbox.nr))
		wake_up_poll(&sched->mailbox.readers, EPOLLIN | EPOLLRDNORM);
	if (done)
		return done * sizeof(struct coro_event);
	return faulted ? -EFAULT : 0;
}

static bool coro_mailbox_news(struct coro_sched *sched)
{
	return READ_ONCE(sched->mailbox.nr) ||
	       READ_ONCE(sched->state) == CORO_SCHED_DEAD;
}

static int coro_mailbox_wait(struct coro_sched *sched)
{
	wait_queue_head_t *q = &sched->mailbox.readers;

	return wait_event_interruptible_exclusive(*q, coro_mailbox_news(sched));
}

ssize_t coro_mailbox_read(struct coro_sched *sched, struct kiocb *iocb,
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
		ret = coro_mailbox_copy(sched, to);
		if (ret)
			return ret;
		if (!wait)
			return -EAGAIN;
		ret = coro_mailbox_wait(sched);
	} while (!ret);
	return ret;
}

__poll_t coro_mailbox_poll(struct coro_sched *sched, struct file *file,
			   poll_table *wait)
{
	poll_wait(file, &sched->mailbox.pollers, wait);
	if (READ_ONCE(sched->state) == CORO_SCHED_DEAD)
		return EPOLLHUP | EPOLLERR;
	return READ_ONCE(sched->mailbox.nr) ? EPOLLIN | EPOLLRDNORM : 0;
}
