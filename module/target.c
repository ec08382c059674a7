// SPDX-License-Identifier: GPL-2.0
/* A target: what all handles of one context share, and whoever waits for it. */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "context.h"
#include "limits.h"
#include "sched.h"
#include "target.h"
#include "trace.h"
#include "wait.h"

struct coro_target *coro_target_get(struct coro_target *tgt)
{
	refcount_inc(&tgt->refs);
	return tgt;
}

/* Not under a lock of ours: the scheduler's last reference may go too. */
void coro_target_put(struct coro_target *tgt)
{
	if (!refcount_dec_and_test(&tgt->refs))
		return;
	WARN_ON_ONCE(!list_empty(&tgt->parks) || !list_empty(&tgt->sends) ||
		     !list_empty(&tgt->joins));
	coro_sched_put(tgt->sched);
	kfree(tgt);
}

static struct coro_target *coro_target_new(struct coro_sched *sched, u64 id)
{
	struct coro_target *tgt = kzalloc(sizeof(*tgt), GFP_KERNEL_ACCOUNT);

	if (!tgt)
		return NULL;
	refcount_set(&tgt->refs, 1);
	tgt->sched = coro_sched_get(sched);
	tgt->id = id;
	INIT_LIST_HEAD(&tgt->link);
	INIT_LIST_HEAD(&tgt->parks);
	INIT_LIST_HEAD(&tgt->sends);
	INIT_LIST_HEAD(&tgt->joins);
	init_waitqueue_head(&tgt->wait_end);
	init_waitqueue_head(&tgt->wait_room);
	init_waitqueue_head(&tgt->wait_message);
	return tgt;
}

/*
 * The target of a context, which @fresh becomes if there is none yet: EAGAIN if
 * that is NULL.
 */
static int coro_target_find_locked(struct coro_sched *sched, u64 id,
				   struct coro_target *fresh,
				   struct coro_target **ret_tgt)
{
	struct coro_context *ctx;
	int ret;

	lockdep_assert_held(&sched->events_lock);
	if (sched->state == CORO_SCHED_DEAD)
		return -EOWNERDEAD;
	ret = coro_context_find(sched, id, &ctx);
	if (ret)
		return ret;
	if (!ctx->tgt) {
		if (!fresh)
			return -EAGAIN;
		ctx->tgt = coro_target_get(fresh);
		fresh->ctx = ctx;
		fresh->nr_messages = ctx->nr_messages;
		list_add_tail(&fresh->link, &sched->targets);
	}
	*ret_tgt = coro_target_get(ctx->tgt);
	return 0;
}

/* Find or make the target of a context, with a reference for the caller. */
int coro_target_find(struct coro_sched *sched, u64 id,
		     struct coro_target **ret_tgt)
{
	struct coro_target *fresh = NULL;
	int ret;

	for (;;) {
		spin_lock_bh(&sched->events_lock);
		ret = coro_target_find_locked(sched, id, fresh, ret_tgt);
		spin_unlock_bh(&sched->events_lock);
		if (ret != -EAGAIN)
			break;
		fresh = coro_target_new(sched, id);
		if (!fresh)
			return -ENOMEM;
	}
	if (fresh)
		coro_target_put(fresh);
	return ret;
}

/*
 * Needs no lock. Under events_lock the answer stays true until that is
 * unlocked.
 */
enum coro_target_state coro_target_state(const struct coro_target *tgt)
{
	/* Pairs with the release in coro_target_finish_locked(). */
	enum coro_target_state state = smp_load_acquire(&tgt->state);

	if (state == CORO_TARGET_LIVE &&
	    READ_ONCE(tgt->sched->state) == CORO_SCHED_DEAD)
		return CORO_TARGET_DEAD;
	return state;
}

/* The result, or -EAGAIN if there is none yet, or why there will be none. */
int coro_target_join(const struct coro_target *tgt, struct coro_result *result)
{
	switch (coro_target_state(tgt)) {
	case CORO_TARGET_LIVE:
		return -EAGAIN;
	case CORO_TARGET_FINISHED:
		result->value = tgt->result;
		result->reserved = 0;
		trace_target_join(tgt);
		return 0;
	case CORO_TARGET_FREED:
		return -ESTALE;
	default:
		return -EOWNERDEAD;
	}
}

/* Whether a send would not wait: there is room, or there never will be. */
bool coro_target_has_room(const struct coro_target *tgt)
{
	return READ_ONCE(tgt->nr_messages) < tgt->sched->mailbox.max ||
	       coro_target_state(tgt) != CORO_TARGET_LIVE;
}

void coro_target_count(struct coro_target *tgt, u32 nr_messages)
{
	lockdep_assert_held(&tgt->sched->events_lock);
	WRITE_ONCE(tgt->nr_messages, nr_messages);
}

/*
 * Nothing can be waited for any more: the state says so, to late comers too.
 * Without a key, for what an end means depends on the file.
 */
static void coro_target_hangup(struct coro_target *tgt)
{
	struct list_head *queues[] = { &tgt->parks, &tgt->sends, &tgt->joins };

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++)
		coro_waits_wake_all(tgt->sched, queues[i]);
	/* All, those that asked to be woken one at a time as well. */
	wake_up_all(&tgt->wait_end);
	wake_up_all(&tgt->wait_room);
	wake_up_all(&tgt->wait_message);
}

static int coro_target_finish_locked(struct coro_target *tgt, u64 result)
{
	lockdep_assert_held(&tgt->sched->events_lock);
	switch (coro_target_state(tgt)) {
	case CORO_TARGET_LIVE:
		tgt->result = result;
		/* Who joins needs no lock, and is to be told of after it. */
		trace_target_finish(tgt);
		/* Pairs with the acquire in coro_target_state(). */
		smp_store_release(&tgt->state, CORO_TARGET_FINISHED);
		return 0;
	case CORO_TARGET_FINISHED:
		return -EBUSY;
	case CORO_TARGET_FREED:
		return -ESTALE;
	default:
		return -EOWNERDEAD;
	}
}

/*
 * A coroutine has ended. Those who come later find the state, under the lock or
 * after they put themselves on the wait queue; all others are woken here:
 *
 *	JOIN				FINISH
 *	looks: LIVE
 *					events_lock: FINISHED
 *					wakes the queue: it is not there
 *	events_lock: looks again,
 *	does not queue up
 */
int coro_target_finish(struct coro_sched *sched, u64 id, u64 result)
{
	struct coro_target *tgt;
	int ret;

	ret = coro_target_find(sched, id, &tgt);
	if (ret)
		return ret;
	spin_lock_bh(&sched->events_lock);
	ret = coro_target_finish_locked(tgt, result);
	spin_unlock_bh(&sched->events_lock);
	if (!ret)
		coro_target_hangup(tgt);
	coro_target_put(tgt);
	return ret;
}

/* A context is freed: its target, if it has one, goes to @gone, to be told. */
void coro_target_detach(struct coro_sched *sched, struct coro_context *ctx,
			struct list_head *gone)
{
	struct coro_target *tgt = ctx->tgt;

	lockdep_assert_held(&sched->events_lock);
	if (!tgt)
		return;
	ctx->tgt = NULL;
	tgt->ctx = NULL;
	if (tgt->state == CORO_TARGET_LIVE)
		WRITE_ONCE(tgt->state, CORO_TARGET_FREED);
	list_move_tail(&tgt->link, gone);
}

/* Tell all who wait for targets that no context refers to any more. */
void coro_targets_hangup(struct coro_sched *sched, struct list_head *gone)
{
	struct coro_target *tgt, *next;

	list_for_each_entry_safe(tgt, next, gone, link) {
		list_del_init(&tgt->link);
		spin_lock_bh(&sched->events_lock);
		coro_target_count(tgt, 0);
		spin_unlock_bh(&sched->events_lock);
		coro_target_hangup(tgt);
		coro_target_put(tgt);
		cond_resched();
	}
}
