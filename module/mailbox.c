// SPDX-License-Identifier: GPL-2.0
/* Mailboxes: events of contexts, from who sends them until they are taken. */
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "context.h"
#include "limits.h"
#include "mailbox.h"
#include "sched.h"
#include "target.h"
#include "trace.h"
#include "user.h"
#include "wait.h"

/*
 * One event: a message that was sent, or a request to cancel. Whoever takes it
 * off the lists under events_lock owns it: a reader, FREE or death.
 */
struct coro_message {
	struct list_head in_order; /* coro_mailbox.shared or .direct */
	struct list_head of_context; /* coro_context.messages, if a message */
	struct coro_context *ctx; /* as long as it is on them */
	u32 kind; /* enum coro_event_kind */
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
	INIT_LIST_HEAD(&box->shared);
	INIT_LIST_HEAD(&box->direct);
	INIT_LIST_HEAD(&box->parks);
	init_waitqueue_head(&box->readers);
	init_waitqueue_head(&box->pollers);
}

void coro_mailbox_fini(struct coro_mailbox *box)
{
	if (box->spare)
		kmem_cache_free(coro_message_cache, box->spare);
}

/*
 * Memory for @nr messages. One that was read lately is at hand: who sends one
 * at a time and is answered needs no other.
 */
static bool coro_mailbox_alloc(struct coro_mailbox *box, void **msgs, u32 nr)
{
	if (nr > 1)
		return kmem_cache_alloc_bulk(coro_message_cache, GFP_KERNEL, nr,
					     msgs);
	msgs[0] = xchg(&box->spare, NULL);
	if (!msgs[0])
		msgs[0] = kmem_cache_alloc(coro_message_cache, GFP_KERNEL);
	return msgs[0];
}

static void coro_mailbox_release(struct coro_mailbox *box,
				 struct coro_message *msg)
{
	msg = xchg(&box->spare, msg);
	if (msg)
		kmem_cache_free(coro_message_cache, msg);
}

/* So many more events, or fewer; @shared of them are for readers of all. */
static void coro_mailbox_count(struct coro_sched *sched, int nr, int shared)
{
	struct coro_mailbox *box = &sched->mailbox;

	lockdep_assert_held(&sched->events_lock);
	coro_user_count_messages(sched->user, nr);
	box->nr += nr;
	WRITE_ONCE(box->nr_shared, box->nr_shared + shared);
	WRITE_ONCE(sched->header->events_pending, box->nr_shared);
}

/* So many more messages of a context, or fewer. */
static void coro_mailbox_count_context(struct coro_context *ctx, int nr)
{
	ctx->nr_messages += nr;
	if (ctx->tgt)
		coro_target_count(ctx->tgt, ctx->nr_messages);
}

/*
 * Who takes events of all contexts; wake_up is for after the unlock. Some of
 * them, for one may be of a ring that its thread does not enter for a while;
 * those that find nothing left park again.
 */
static void coro_mailbox_kick_shared(struct coro_sched *sched,
				     struct coro_kick *kick)
{
	lockdep_assert_held(&sched->events_lock);
	for (u32 i = 0; i < CORO_BURST; i++) {
		if (!coro_kick_wait(kick, &sched->mailbox.parks))
			break;
	}
}

/*
 * One wake for however many events, after the last unlock. A sleeper put itself
 * on its queue, then there is a full barrier, then it looked at the count; here
 * the count was changed, then comes the barrier of wq_has_sleeper(), then the
 * look at the queue: it saw the events or it is seen here.
 */
static void coro_mailbox_wake_shared(struct coro_sched *sched)
{
	if (wq_has_sleeper(&sched->mailbox.readers))
		wake_up_poll(&sched->mailbox.readers, EPOLLIN | EPOLLRDNORM);
	if (wq_has_sleeper(&sched->mailbox.pollers))
		wake_up_poll(&sched->mailbox.pollers, EPOLLIN | EPOLLRDNORM);
}

/* Queue an event of a context that lives. */
static void coro_mailbox_queue(struct coro_sched *sched,
			       struct coro_context *ctx,
			       struct coro_message *msg, struct coro_kick *kick)
{
	struct coro_mailbox *box = &sched->mailbox;
	bool message = msg->kind == CORO_EVENT_MESSAGE;
	bool shared = !message || !ctx->direct;
	struct coro_target *tgt = ctx->tgt;

	lockdep_assert_held(&sched->events_lock);
	msg->ctx = ctx;
	list_add_tail(&msg->in_order, shared ? &box->shared : &box->direct);
	box->total++;
	coro_mailbox_count(sched, 1, shared);
	trace_mailbox_send(sched, msg->id, msg->kind, msg->value);
	if (message) {
		list_add_tail(&msg->of_context, &ctx->messages);
		coro_mailbox_count_context(ctx, 1);
	} else {
		ctx->cancel = msg;
	}
	if (shared)
		coro_mailbox_kick_shared(sched, kick);
	if (!message || !tgt)
		return;
	coro_kick_wait(kick, &tgt->parks);
	if (tgt->nr_recvs)
		coro_kick_files(kick, tgt, EPOLLIN);
}

/* Whom messages are for: contexts by their ids, or the one of a target. */
struct coro_address {
	struct coro_sched *sched;
	struct coro_target *tgt; /* or NULL */
	const u64 *values; /* with a target */
	const struct coro_wake *wakes; /* without one */
};

static int coro_mailbox_find(const struct coro_address *to, u32 i,
			     struct coro_context **ret_ctx)
{
	if (to->sched->state == CORO_SCHED_DEAD)
		return -EPIPE;
	if (!to->tgt)
		return coro_context_find(to->sched, to->wakes[i].id, ret_ctx);
	*ret_ctx = to->tgt->ctx;
	return *ret_ctx ? 0 : -EPIPE;
}

/* Queue one message; on success it is not the caller's any more. */
static int coro_mailbox_deliver(const struct coro_address *to, u32 i,
				struct coro_message *msg,
				struct coro_kick *kick)
{
	struct coro_sched *sched = to->sched;
	struct coro_mailbox *box = &sched->mailbox;
	struct coro_context *ctx;
	int ret;

	lockdep_assert_held(&sched->events_lock);
	ret = coro_mailbox_find(to, i, &ctx);
	if (ret)
		return ret;
	if (ctx->tgt && ctx->tgt->state == CORO_TARGET_FINISHED)
		return -EPIPE;
	if (ctx->nr_messages >= box->max)
		return -EAGAIN;
	if (box->nr >= READ_ONCE(coro_limit_max_events) ||
	    !coro_user_has_room(sched->user))
		return -ENOBUFS;
	msg->kind = CORO_EVENT_MESSAGE;
	msg->id = to->tgt ? to->tgt->id : to->wakes[i].id;
	msg->value = to->tgt ? to->values[i] : to->wakes[i].value;
	coro_mailbox_queue(sched, ctx, msg, kick);
	return 0;
}

/* Deliver a few from @done on; returns 0 and counts in it until one fails. */
static int coro_mailbox_burst(const struct coro_address *to, u32 *done, u32 nr)
{
	struct coro_sched *sched = to->sched;
	void *msgs[CORO_BURST] __uninitialized;
	struct coro_kick kick __uninitialized;
	bool shared;
	int ret = 0;
	u32 i;

	/* Memory first: the spinlock does not allow to wait for it. */
	if (!coro_mailbox_alloc(&sched->mailbox, msgs, nr))
		return -ENOMEM;
	coro_kick_init(&kick);
	spin_lock_bh(&sched->events_lock);
	for (i = 0; i < nr; i++) {
		ret = coro_mailbox_deliver(to, *done + i, msgs[i], &kick);
		if (ret)
			break;
	}
	shared = sched->mailbox.nr_shared;
	spin_unlock_bh(&sched->events_lock);
	if (i < nr)
		kmem_cache_free_bulk(coro_message_cache, nr - i, &msgs[i]);
	coro_kick_run(&kick);
	if (i && shared)
		coro_mailbox_wake_shared(sched);
	*done += i;
	return ret;
}

/*
 * Returns how many were delivered, or why the first was not: EAGAIN for want of
 * room in its mailbox, ENOBUFS for a limit.
 */
static int coro_mailbox_deliver_all(const struct coro_address *to, u32 nr)
{
	u32 done = 0;
	int ret = 0;

	while (!ret && done < nr)
		ret = coro_mailbox_burst(to, &done, min(nr - done, CORO_BURST));
	return done ?: ret;
}

int coro_mailbox_wake(struct coro_sched *sched, const struct coro_wake *wakes,
		      u32 nr)
{
	struct coro_address to = { .sched = sched, .wakes = wakes };

	return coro_mailbox_deliver_all(&to, nr);
}

/* The same to one target, which may be gone: EPIPE. */
int coro_mailbox_send(struct coro_target *tgt, const u64 *values, u32 nr)
{
	struct coro_address to = {
		.sched = tgt->sched,
		.tgt = tgt,
		.values = values,
	};

	return coro_mailbox_deliver_all(&to, nr);
}

/* A message that is to be sent when there is room. */
struct coro_message *coro_mailbox_message_new(struct coro_target *tgt,
					      u64 value)
{
	struct coro_message *msg;

	msg = kmem_cache_alloc(coro_message_cache, GFP_KERNEL);
	if (!msg)
		return NULL;
	msg->kind = CORO_EVENT_MESSAGE;
	msg->id = tgt->id;
	msg->value = value;
	return msg;
}

void coro_mailbox_message_free(struct coro_message *msg)
{
	kmem_cache_free(coro_message_cache, msg);
}

static int coro_mailbox_cancel_locked(struct coro_target *tgt,
				      struct coro_message *msg,
				      struct coro_kick *kick)
{
	struct coro_sched *sched = tgt->sched;
	struct coro_context *ctx = tgt->ctx;

	lockdep_assert_held(&sched->events_lock);
	switch (coro_target_state(tgt)) {
	case CORO_TARGET_LIVE:
		break;
	case CORO_TARGET_FINISHED:
		return -ESRCH;
	case CORO_TARGET_FREED:
		return -ESTALE;
	default:
		return -EOWNERDEAD;
	}
	if (ctx->cancel)
		return -EALREADY;
	coro_mailbox_queue(sched, ctx, msg, kick);
	return 0;
}

/*
 * Ask the coroutine to end. There is always room: at most one such event of
 * each context is there.
 */
int coro_mailbox_cancel(struct coro_target *tgt, u64 reason)
{
	struct coro_sched *sched = tgt->sched;
	struct coro_message *msg;
	struct coro_kick kick __uninitialized;
	int ret;

	msg = coro_mailbox_message_new(tgt, reason);
	if (!msg)
		return -ENOMEM;
	msg->kind = CORO_EVENT_CANCEL;
	coro_kick_init(&kick);
	spin_lock_bh(&sched->events_lock);
	ret = coro_mailbox_cancel_locked(tgt, msg, &kick);
	spin_unlock_bh(&sched->events_lock);
	if (ret) {
		coro_mailbox_message_free(msg);
		return ret == -EALREADY ? 0 : ret;
	}
	coro_kick_run(&kick);
	coro_mailbox_wake_shared(sched);
	return 0;
}

/* Take all events of one context, which ends. */
void coro_mailbox_drop(struct coro_sched *sched, struct coro_context *ctx,
		       struct list_head *dropped)
{
	int nr = ctx->nr_messages, shared = ctx->direct ? 0 : nr;
	struct coro_message *msg;

	lockdep_assert_held(&sched->events_lock);
	list_for_each_entry(msg, &ctx->messages, of_context)
		list_move(&msg->in_order, dropped);
	INIT_LIST_HEAD(&ctx->messages);
	coro_mailbox_count_context(ctx, -nr);
	if (ctx->cancel) {
		list_move(&ctx->cancel->in_order, dropped);
		ctx->cancel = NULL;
		nr++;
		shared++;
	}
	coro_mailbox_count(sched, -nr, -shared);
}

/*
 * Take all events there are, because the scheduler dies. The contexts' own
 * lists are left dangling: no context is found any more.
 */
void coro_mailbox_drop_all(struct coro_sched *sched, struct list_head *dropped)
{
	struct coro_mailbox *box = &sched->mailbox;

	lockdep_assert_held(&sched->events_lock);
	WARN_ON_ONCE(sched->state != CORO_SCHED_DEAD);
	list_splice_init(&box->shared, dropped);
	list_splice_init(&box->direct, dropped);
	coro_mailbox_count(sched, -(int)box->nr, -(int)box->nr_shared);
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
void coro_mailbox_hangup(struct coro_sched *sched)
{
	struct coro_mailbox *box = &sched->mailbox;

	coro_waits_wake_all(sched, &box->parks);
	wake_up_all(&box->readers);
	/* All, those that asked to be woken one at a time as well. */
	__wake_up(&box->pollers, TASK_NORMAL, 0,
		  poll_to_key(EPOLLHUP | EPOLLERR));
}

/*
 * Room goes to those who wait for it, the longest waiting first. Whoever sends
 * now finds the mailbox full or nobody waiting, so none is overtaken. There are
 * not more messages then than before, so limits need no look.
 */
static void coro_mailbox_refill(struct coro_sched *sched,
				struct coro_context *ctx,
				struct coro_kick *kick)
{
	struct coro_message *msg;

	lockdep_assert_held(&sched->events_lock);
	while (ctx->nr_messages < sched->mailbox.max &&
	       ctx->tgt->state == CORO_TARGET_LIVE) {
		msg = coro_kick_send(kick, &ctx->tgt->sends);
		if (!msg)
			break;
		coro_mailbox_queue(sched, ctx, msg, kick);
	}
}

/* Take one event off the queues; its context's senders have room then. */
static void coro_mailbox_take_one(struct coro_sched *sched,
				  struct coro_context *ctx,
				  struct coro_message *msg,
				  struct coro_kick *kick)
{
	bool full = ctx->nr_messages >= sched->mailbox.max;

	trace_mailbox_take(sched, msg->id, msg->kind, msg->value);
	if (msg->kind == CORO_EVENT_CANCEL) {
		ctx->cancel = NULL;
		coro_mailbox_count(sched, -1, -1);
		return;
	}
	list_del(&msg->of_context);
	coro_mailbox_count_context(ctx, -1);
	coro_mailbox_count(sched, -1, ctx->direct ? 0 : -1);
	if (!ctx->tgt)
		return;
	coro_mailbox_refill(sched, ctx, kick);
	/* Who writes to a file tries for itself. */
	if (full && ctx->nr_messages < sched->mailbox.max)
		coro_kick_files(kick, ctx->tgt, EPOLLOUT);
}

/* The event that is next, of a context or of all. */
static struct coro_message *coro_mailbox_next(struct coro_sched *sched,
					      struct coro_context *ctx)
{
	struct list_head *all = &sched->mailbox.shared;

	if (!ctx)
		return list_first_entry_or_null(all, struct coro_message,
						in_order);
	return list_first_entry_or_null(&ctx->messages, struct coro_message,
					of_context);
}

/* Move up to @max events to the batch; how many, or why there is none. */
static int coro_mailbox_take_locked(struct coro_batch *batch, u32 max,
				    struct coro_kick *kick)
{
	struct coro_target *tgt = batch->tgt;
	struct coro_sched *sched = batch->sched;
	struct coro_message *msg;
	int nr;

	lockdep_assert_held(&sched->events_lock);
	if (sched->state == CORO_SCHED_DEAD)
		return -EOWNERDEAD;
	if (tgt && !tgt->ctx)
		return -ESTALE;
	for (nr = 0; nr < max; nr++) {
		msg = coro_mailbox_next(sched, tgt ? tgt->ctx : NULL);
		if (!msg)
			break;
		/* FREE takes what is its own, so the context lives. */
		coro_mailbox_take_one(sched, msg->ctx, msg, kick);
		list_move_tail(&msg->in_order, &batch->taken);
		batch->events[nr] = (struct coro_event){
			.id = msg->id,
			.kind = msg->kind,
			.value = msg->value,
		};
	}
	if (!nr && tgt && tgt->state == CORO_TARGET_FINISHED)
		return -EPIPE;
	return nr;
}

int coro_mailbox_take(struct coro_batch *batch, u32 max)
{
	struct coro_kick kick __uninitialized;
	int nr;

	INIT_LIST_HEAD(&batch->taken);
	coro_kick_init(&kick);
	spin_lock_bh(&batch->sched->events_lock);
	nr = coro_mailbox_take_locked(batch, max, &kick);
	spin_unlock_bh(&batch->sched->events_lock);
	coro_kick_run(&kick);
	return nr;
}

/* Put one back, in front; false if it is not wanted any more. */
static bool coro_mailbox_untake_one(struct coro_sched *sched,
				    struct coro_message *msg,
				    struct coro_kick *kick)
{
	struct coro_mailbox *box = &sched->mailbox;
	bool message = msg->kind == CORO_EVENT_MESSAGE;
	struct coro_context *ctx;
	bool shared;

	if (coro_context_find(sched, msg->id, &ctx))
		return false;
	/* Somebody asked again meanwhile: that is the same request. */
	if (!message && ctx->cancel)
		return false;
	shared = !message || !ctx->direct;
	list_move(&msg->in_order, shared ? &box->shared : &box->direct);
	coro_mailbox_count(sched, 1, shared);
	trace_mailbox_untake(sched, msg->id, msg->kind, msg->value);
	if (!message) {
		ctx->cancel = msg;
		return true;
	}
	list_add(&msg->of_context, &ctx->messages);
	coro_mailbox_count_context(ctx, 1);
	if (ctx->tgt) {
		coro_kick_wait(kick, &ctx->tgt->parks);
		coro_kick_files(kick, ctx->tgt, EPOLLIN);
	}
	return true;
}

/*
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
 * So who leaves events behind, for want of room or by a fault, wakes the next.
 */
void coro_mailbox_pass_on(struct coro_sched *sched)
{
	struct coro_kick kick __uninitialized;

	if (!READ_ONCE(sched->mailbox.nr_shared))
		return;
	if (wq_has_sleeper(&sched->mailbox.readers))
		wake_up_poll(&sched->mailbox.readers, EPOLLIN | EPOLLRDNORM);
	coro_kick_init(&kick);
	spin_lock_bh(&sched->events_lock);
	if (sched->mailbox.nr_shared)
		coro_mailbox_kick_shared(sched, &kick);
	spin_unlock_bh(&sched->events_lock);
	coro_kick_run(&kick);
}

/*
 * Put back, in front, what could not be handed out. Events whose context
 * ended meanwhile stay on the list: FREE or death would have dropped them.
 * Others may have looked while they were away.
 */
static void coro_mailbox_untake(struct coro_batch *batch)
{
	struct coro_sched *sched = batch->sched;
	struct coro_message *msg, *prev;
	struct coro_kick kick __uninitialized;

	coro_kick_init(&kick);
	spin_lock_bh(&sched->events_lock);
	list_for_each_entry_safe_reverse(msg, prev, &batch->taken, in_order) {
		if (sched->state == CORO_SCHED_DEAD)
			break;
		coro_mailbox_untake_one(sched, msg, &kick);
	}
	spin_unlock_bh(&sched->events_lock);
	coro_kick_run(&kick);
	if (READ_ONCE(sched->mailbox.nr_shared))
		wake_up_poll(&sched->mailbox.pollers, EPOLLIN | EPOLLRDNORM);
	coro_mailbox_pass_on(sched);
}

/* The first @nr of a batch were handed out; the others are put back. */
void coro_mailbox_consume(struct coro_batch *batch, u32 nr)
{
	struct coro_message *msg, *next;

	list_for_each_entry_safe(msg, next, &batch->taken, in_order) {
		if (!nr--)
			break;
		list_del(&msg->in_order);
		coro_mailbox_release(&batch->sched->mailbox, msg);
	}
	if (list_empty(&batch->taken))
		return;
	coro_mailbox_untake(batch);
	coro_mailbox_discard(&batch->taken);
}
