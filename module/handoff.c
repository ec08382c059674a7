// SPDX-License-Identifier: GPL-2.0
/*
 * A worker blocks: the kernel's scheduler says so, and one that stands by is told.
 *
 *	the blocked thread, rq lock held	notes its word, queues irq_work
 *	irq_work, once that lock is free	starts the debounce timer
 *	the timer, still interrupts off		tells a standby, or leaves it raised
 *
 * The first must not wake, nor lock, nor touch user memory. It reads one word of
 * a page that the kernel owns. selftests/models/ has models of this, to be searched:
 * handoff.pml, and word.pml of the words.
 */
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "compat.h"
#include "sched.h"
#include "trace.h"
#include "worker.h"

/* Longer than any that makes sense; keeps the sum from overflowing. */
#define CORO_MAX_DEBOUNCE_US ((unsigned int)USEC_PER_SEC)

static ktime_t coro_handoff_debounce(void)
{
	u64 us = min(READ_ONCE(coro_limit_debounce_us), CORO_MAX_DEBOUNCE_US);

	return ns_to_ktime(us * NSEC_PER_USEC);
}

static void coro_handoff_unlist_locked(struct coro_handoff *handoff,
				       struct coro_standby *sb)
{
	lockdep_assert_held(&handoff->lock);
	list_del_init(&sb->link);
	WRITE_ONCE(handoff->nr_standbys, handoff->nr_standbys - 1);
}

/* Whoever takes it off the list is the one that tells it: it is told once. */
static void coro_handoff_tell_locked(struct coro_handoff *handoff,
				     struct coro_standby *sb,
				     enum coro_standby_why why)
{
	lockdep_assert_held(&handoff->lock);
	coro_handoff_unlist_locked(handoff, sb);
	/* Pairs with the acquire in coro_worker_sleep(). */
	smp_store_release(&sb->why, why);
	/* Its stack stays: it cannot leave without the lock. */
	wake_up_process(sb->task);
}

static void coro_handoff_give_locked(struct coro_handoff *handoff,
				     struct coro_slot *slot,
				     struct coro_standby *sb)
{
	lockdep_assert_held(&handoff->lock);
	list_del_init(&slot->raised);
	sb->id = slot->id;
	sb->word = slot->raised_word;
	WRITE_ONCE(handoff->total, handoff->total + 1);
	trace_handoff_give(container_of(handoff, struct coro_sched, handoff),
			   slot->id, sb->task->pid);
}

/* The last one that is not the blocked worker itself. */
static struct coro_standby *
coro_handoff_pick_locked(struct coro_handoff *handoff,
			 const struct coro_slot *slot)
{
	struct coro_standby *sb;

	lockdep_assert_held(&handoff->lock);
	list_for_each_entry_reverse(sb, &handoff->standbys, link) {
		if (sb->slot != slot)
			return sb;
	}
	return NULL;
}

static void coro_handoff_offer_locked(struct coro_handoff *handoff,
				      struct coro_slot *slot)
{
	struct coro_standby *sb = coro_handoff_pick_locked(handoff, slot);

	if (sb) {
		coro_handoff_give_locked(handoff, slot, sb);
		coro_handoff_tell_locked(handoff, sb, CORO_STANDBY_BLOCKED);
	} else if (list_empty(&slot->raised)) {
		list_add_tail(&slot->raised, &handoff->raised);
	}
}

/* Once for one word, however often the thread sleeps with it; if it is still there. */
static void coro_handoff_raise_locked(struct coro_worker *wrk)
{
	struct coro_slot *slot = wrk->slot;
	u64 word = READ_ONCE(wrk->word);

	if (slot->raised_word == word || READ_ONCE(slot->shm->word) != word)
		return;
	slot->raised_word = word;
	trace_handoff_block(wrk);
	coro_handoff_offer_locked(&wrk->sched->handoff, slot);
}

/* Runs @debounce after the thread was found asleep, or later. */
static enum hrtimer_restart coro_handoff_debounced(struct hrtimer *timer)
{
	struct coro_worker *wrk =
		container_of(timer, struct coro_worker, debounce);
	struct coro_handoff *handoff = &wrk->sched->handoff;
	enum hrtimer_restart restart = HRTIMER_NORESTART;
	unsigned long flags;
	ktime_t until;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	until = ktime_add(wrk->since, coro_handoff_debounce());
	/* Pairs with the release in coro_handoff_sched_out(). */
	if (smp_load_acquire(&wrk->asleep)) {
		if (ktime_before(ktime_get(), until)) {
			/* It went on, and sleeps anew. */
			hrtimer_set_expires(timer, until);
			restart = HRTIMER_RESTART;
		} else {
			coro_handoff_raise_locked(wrk);
		}
	}
	wrk->armed = restart == HRTIMER_RESTART;
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
	return restart;
}

/*
 * The timer is not stopped when the thread goes on: it finds nothing then. So one
 * that sleeps briefly and often costs a timer per debounce, not per sleep.
 */
static void coro_handoff_blocks(struct irq_work *work)
{
	struct coro_worker *wrk =
		container_of(work, struct coro_worker, blocks);
	struct coro_handoff *handoff = &wrk->sched->handoff;
	ktime_t debounce = coro_handoff_debounce();
	unsigned long flags;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	/* Pairs with the release in coro_handoff_sched_out(). */
	if (smp_load_acquire(&wrk->asleep)) {
		wrk->since = ktime_get();
		if (!debounce)
			coro_handoff_raise_locked(wrk);
		else if (!wrk->armed)
			hrtimer_start(&wrk->debounce, debounce,
				      HRTIMER_MODE_REL_HARD);
		wrk->armed = wrk->armed || debounce;
	}
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
}

/* The thread is a worker no longer; what it was in it will never leave. */
static void coro_handoff_ends(struct irq_work *work)
{
	struct coro_worker *wrk = container_of(work, struct coro_worker, ends);
	struct coro_handoff *handoff = &wrk->sched->handoff;
	unsigned long flags;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	if (READ_ONCE(wrk->word) & CORO_WORKER_BLOCKING)
		coro_handoff_raise_locked(wrk);
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
	coro_worker_ended(wrk);
}

/* It leaves for good, or has done so by exec. */
static bool coro_handoff_is_over(const struct coro_worker *wrk)
{
	return coro_compat_task_is_dead(current) ||
	       (current->mm && current->mm != wrk->sched->mm);
}

/*
 * The notifiers are being walked, so this one keeps its way to the next. What
 * follows in irq_work comes after the walk: it runs on this processor.
 */
static void coro_handoff_end(struct coro_worker *wrk)
{
	__hlist_del(&wrk->notifier.link);
	WRITE_ONCE(wrk->watched, false);
	irq_work_queue(&wrk->ends);
}

/* Under the rq lock, interrupts off, in the thread that leaves. */
static void coro_handoff_sched_out(struct preempt_notifier *notifier,
				   struct task_struct *next)
{
	struct coro_worker *wrk =
		container_of(notifier, struct coro_worker, notifier);
	u64 word;

	if (likely(!coro_compat_task_blocks(current)))
		return;
	word = READ_ONCE(wrk->slot->shm->word);
	if (coro_handoff_is_over(wrk)) {
		WRITE_ONCE(wrk->word, word);
		coro_handoff_end(wrk);
		return;
	}
	if (!(word & CORO_WORKER_BLOCKING))
		return;
	WRITE_ONCE(wrk->word, word);
	/* Pairs with the acquires in coro_handoff_blocks() and _debounced(). */
	smp_store_release(&wrk->asleep, true);
	irq_work_queue(&wrk->blocks);
}

static void coro_handoff_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct coro_worker *wrk =
		container_of(notifier, struct coro_worker, notifier);

	WRITE_ONCE(wrk->asleep, false);
}

static struct preempt_ops coro_handoff_ops = {
	.sched_in = coro_handoff_sched_in,
	.sched_out = coro_handoff_sched_out,
};

void coro_handoff_init(struct coro_handoff *handoff)
{
	raw_spin_lock_init(&handoff->lock);
	INIT_LIST_HEAD(&handoff->raised);
	INIT_LIST_HEAD(&handoff->standbys);
}

/*
 * Notifiers are switched on by patching the kernel's text, which stops all
 * processors: with the first worker, and off with the module, so that nobody can
 * have it done over and over.
 */
static DEFINE_MUTEX(coro_handoff_mutex);
static bool coro_handoff_is_on; /* covered by it */

static void coro_handoff_turn_on(void)
{
	mutex_lock(&coro_handoff_mutex);
	if (!coro_handoff_is_on)
		preempt_notifier_inc();
	coro_handoff_is_on = true;
	mutex_unlock(&coro_handoff_mutex);
}

void coro_handoff_teardown(void)
{
	if (coro_handoff_is_on)
		preempt_notifier_dec();
}

/* The calling thread is @wrk from here on. */
void coro_handoff_watch(struct coro_worker *wrk)
{
	coro_handoff_turn_on();
	wrk->blocks = IRQ_WORK_INIT_HARD(coro_handoff_blocks);
	wrk->ends = IRQ_WORK_INIT_HARD(coro_handoff_ends);
	coro_compat_hrtimer_setup(&wrk->debounce, coro_handoff_debounced,
				  CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	preempt_notifier_init(&wrk->notifier, &coro_handoff_ops);
	/* In the middle of this it must not be called. */
	preempt_disable();
	preempt_notifier_register(&wrk->notifier);
	preempt_enable();
}

/* How many schedulers the calling thread is a worker of. */
u32 coro_handoff_count_current(void)
{
	return coro_compat_count_notifiers(&coro_handoff_ops);
}

/* The calling thread is @wrk no longer; coro_handoff_settle() must follow. */
void coro_handoff_unwatch(struct coro_worker *wrk)
{
	WARN_ON_ONCE(wrk->task != current);
	preempt_disable();
	preempt_notifier_unregister(&wrk->notifier);
	preempt_enable();
}

/* Nothing of @wrk runs any more, or will. Sleeps. */
void coro_handoff_settle(struct coro_worker *wrk)
{
	/* What is queued and has not begun. */
	irq_work_sync(&wrk->blocks);
	irq_work_sync(&wrk->ends);
	/*
	 * Work that was queued again on another processor counts as done when the
	 * first of the two is. Both run with interrupts off, which RCU waits for.
	 */
	synchronize_rcu();
	/* Nobody starts it now. */
	hrtimer_cancel(&wrk->debounce);
}

/*
 * The first that is still as it was when it was raised. Others have gone on: what
 * they do next is raised anew.
 */
static struct coro_slot *coro_handoff_take_locked(struct coro_handoff *handoff,
						  const struct coro_slot *self)
{
	struct coro_slot *slot, *next;

	lockdep_assert_held(&handoff->lock);
	list_for_each_entry_safe(slot, next, &handoff->raised, raised) {
		if (slot == self)
			continue;
		if (READ_ONCE(slot->shm->word) == slot->raised_word)
			return slot;
		list_del_init(&slot->raised);
	}
	return NULL;
}

/*
 * The worker of @sb stands by, or is told at once. Either it looks after a block
 * was raised and finds it on the list, or it is on the other list before:
 *
 *	blocks				STANDBY
 *	lock: no standby, raised
 *					lock: takes it off, told
 *
 *					lock: none raised, queued
 *	lock: a standby, told
 */
void coro_handoff_enter(struct coro_sched *sched, struct coro_standby *sb)
{
	struct coro_handoff *handoff = &sched->handoff;
	struct coro_slot *slot;
	unsigned long flags;

	INIT_LIST_HEAD(&sb->link);
	raw_spin_lock_irqsave(&handoff->lock, flags);
	slot = coro_handoff_take_locked(handoff, sb->slot);
	if (sb->slot->kicked) {
		sb->slot->kicked = false;
		sb->why = CORO_STANDBY_KICKED;
	} else if (slot) {
		coro_handoff_give_locked(handoff, slot, sb);
		sb->why = CORO_STANDBY_BLOCKED;
	} else {
		sb->slot->standby = sb;
		list_add_tail(&sb->link, &handoff->standbys);
		WRITE_ONCE(handoff->nr_standbys, handoff->nr_standbys + 1);
	}
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
}

/* After this @sb->why does not change: what came first is what happened. */
void coro_handoff_leave(struct coro_sched *sched, struct coro_standby *sb)
{
	struct coro_handoff *handoff = &sched->handoff;
	unsigned long flags;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	if (!list_empty(&sb->link))
		coro_handoff_unlist_locked(handoff, sb);
	sb->slot->standby = NULL;
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
}

/* Who was told could not be told: it is somebody else's. */
void coro_handoff_pass_on(struct coro_sched *sched, struct coro_slot *slot,
			  u64 word)
{
	struct coro_handoff *handoff = &sched->handoff;
	unsigned long flags;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	/* Else a later one was raised since. */
	if (slot->raised_word == word)
		coro_handoff_offer_locked(handoff, slot);
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
}

void coro_handoff_kick_locked(struct coro_sched *sched, struct coro_slot *slot)
{
	lockdep_assert_held(&sched->handoff.lock);
	if (slot->standby && !list_empty(&slot->standby->link))
		coro_handoff_tell_locked(&sched->handoff, slot->standby,
					 CORO_STANDBY_KICKED);
	else
		slot->kicked = true;
}

/* Wakes one that stands by, and is not told why: false if there is none. */
static bool coro_handoff_wake_one(struct coro_handoff *handoff)
{
	struct coro_standby *sb;
	unsigned long flags;

	raw_spin_lock_irqsave(&handoff->lock, flags);
	sb = list_first_entry_or_null(&handoff->standbys, struct coro_standby,
				      link);
	if (sb) {
		coro_handoff_unlist_locked(handoff, sb);
		wake_up_process(sb->task);
	}
	raw_spin_unlock_irqrestore(&handoff->lock, flags);
	return sb;
}

/*
 * The scheduler is dead: all who stand by look at that. Whoever comes later looks
 * before it sleeps. One at a time, because interrupts are off meanwhile.
 */
void coro_handoff_hangup(struct coro_sched *sched)
{
	while (coro_handoff_wake_one(&sched->handoff))
		;
}
