// SPDX-License-Identifier: GPL-2.0
/* Workers: threads that are attached to a scheduler, their numbers and pages. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "sched.h"
#include "trace.h"
#include "worker.h"

/* Threads that ended are released here: where they end nothing can sleep. */
static struct workqueue_struct *coro_worker_queue;

/* With sched->lock: the slot of the calling thread, or NULL. */
static struct coro_slot *coro_worker_self_locked(struct coro_sched *sched)
{
	struct coro_workers *workers = &sched->workers;

	lockdep_assert_held(&sched->lock);
	for (u32 id = 0; id < workers->nr_slots; id++) {
		struct coro_slot *slot = workers->slots[id];

		if (slot->wrk && slot->wrk->task == current &&
		    READ_ONCE(slot->wrk->watched))
			return slot;
	}
	return NULL;
}

/* It stays what it is: nobody but the calling thread can end that. */
static struct coro_slot *coro_worker_self(struct coro_sched *sched)
{
	struct coro_slot *slot;

	mutex_lock(&sched->lock);
	slot = coro_worker_self_locked(sched);
	mutex_unlock(&sched->lock);
	return slot;
}

static struct coro_slot *coro_worker_slot_new(void)
{
	struct coro_slot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!slot->page) {
		kfree(slot);
		return NULL;
	}
	slot->shm = page_address(slot->page);
	INIT_LIST_HEAD(&slot->raised);
	return slot;
}

static void coro_worker_slot_free(struct coro_slot *slot)
{
	if (!slot)
		return;
	put_page(slot->page);
	kfree(slot);
}

/*
 * A number that is free. Better one without the bit: where that is set the last
 * worker ended in what may still be taken over from it.
 */
static struct coro_slot *coro_worker_free_slot_locked(struct coro_workers *all,
						      bool any)
{
	for (u32 id = 0; id < all->nr_slots; id++) {
		struct coro_slot *slot = all->slots[id];

		if (!slot->wrk && (any || !(READ_ONCE(slot->shm->word) &
					    CORO_WORKER_BLOCKING)))
			return slot;
	}
	return NULL;
}

/* If a new number is wanted *@spare becomes that; EAGAIN if it is NULL. */
static struct coro_slot *coro_worker_slot_locked(struct coro_sched *sched,
						 struct coro_slot **spare)
{
	struct coro_workers *workers = &sched->workers;
	bool full = workers->nr_slots == CORO_HARD_WORKERS;
	struct coro_slot *slot;

	lockdep_assert_held(&sched->lock);
	if (workers->nr >= READ_ONCE(coro_limit_max_workers))
		return ERR_PTR(-ENOSPC);
	slot = coro_worker_free_slot_locked(workers, full);
	if (slot || full)
		return slot ?: ERR_PTR(-ENOSPC);
	slot = *spare;
	if (!slot)
		return ERR_PTR(-EAGAIN);
	*spare = NULL;
	slot->id = workers->nr_slots;
	/* Pairs with the acquire in coro_worker_slot_of(). */
	smp_store_release(&workers->slots[slot->id], slot);
	workers->nr_slots++;
	return slot;
}

/*
 * Who still has the word of an earlier worker must not succeed with it, and who
 * does at this moment writes the next count: so it is the one after.
 */
static void coro_worker_renew_word(struct coro_shm_worker *shm)
{
	u64 word = READ_ONCE(shm->word) & ~(CORO_WORKER_COUNT - 1);

	WRITE_ONCE(shm->word, word + 2 * CORO_WORKER_COUNT);
}

static void coro_worker_set(struct coro_sched *sched, struct coro_slot *slot,
			    struct coro_worker *wrk)
{
	unsigned long flags;

	lockdep_assert_held(&sched->lock);
	raw_spin_lock_irqsave(&sched->handoff.lock, flags);
	slot->wrk = wrk;
	slot->kicked = false;
	raw_spin_unlock_irqrestore(&sched->handoff.lock, flags);
	WRITE_ONCE(sched->workers.nr, sched->workers.nr + (wrk ? 1 : -1));
}

/* What there is to a worker that nobody watches any more. Sleeps. */
static void coro_worker_free(struct coro_worker *wrk)
{
	struct coro_sched *sched = wrk->sched;

	coro_handoff_settle(wrk);
	trace_worker_detach(wrk);
	mutex_lock(&sched->lock);
	coro_worker_set(sched, wrk->slot, NULL);
	mutex_unlock(&sched->lock);
	put_task_struct(wrk->task);
	kfree(wrk);
	coro_sched_put(sched);
}

static void coro_worker_release(struct work_struct *work)
{
	coro_worker_free(container_of(work, struct coro_worker, release));
}

/* The thread of @wrk has ended. Interrupts are off. */
void coro_worker_ended(struct coro_worker *wrk)
{
	queue_work(coro_worker_queue, &wrk->release);
}

static int coro_worker_attach_locked(struct coro_sched *sched,
				     struct coro_worker *wrk,
				     struct coro_slot **spare)
{
	struct coro_slot *slot;
	int ret = coro_sched_check(sched, CORO_NEEDS_TABLE);

	lockdep_assert_held(&sched->lock);
	if (ret)
		return ret;
	if (coro_worker_self_locked(sched))
		return -EBUSY;
	slot = coro_worker_slot_locked(sched, spare);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	wrk->sched = coro_sched_get(sched);
	wrk->slot = slot;
	wrk->task = get_task_struct(current);
	wrk->tid = current->pid;
	wrk->watched = true;
	INIT_WORK(&wrk->release, coro_worker_release);
	coro_worker_renew_word(slot->shm);
	coro_worker_set(sched, slot, wrk);
	trace_worker_attach(wrk);
	return 0;
}

/* Memory is not allocated under the lock: who is short of it would hold up death. */
static int coro_worker_try_attach(struct coro_sched *sched,
				  struct coro_worker *wrk)
{
	struct coro_slot *spare = NULL;
	int ret;

	for (;;) {
		mutex_lock(&sched->lock);
		ret = coro_worker_attach_locked(sched, wrk, &spare);
		mutex_unlock(&sched->lock);
		if (ret != -EAGAIN)
			break;
		spare = coro_worker_slot_new();
		if (!spare)
			return -ENOMEM;
	}
	coro_worker_slot_free(spare);
	return ret;
}

static int coro_worker_attach_new(struct coro_sched *sched,
				  struct coro_worker *wrk)
{
	int ret = coro_worker_try_attach(sched, wrk);

	if (ret != -ENOSPC)
		return ret;
	/* Threads that have ended may be still in the way. */
	flush_workqueue(coro_worker_queue);
	return coro_worker_try_attach(sched, wrk);
}

int coro_worker_attach(struct coro_sched *sched, struct coro_attach_args *args)
{
	struct coro_worker *wrk;
	int ret;

	if (!coro_compat_can_handoff())
		return -EOPNOTSUPP;
	if (coro_handoff_count_current() >= CORO_HARD_ATTACHED)
		return -ENOSPC;
	wrk = kzalloc(sizeof(*wrk), GFP_KERNEL_ACCOUNT);
	if (!wrk)
		return -ENOMEM;
	ret = coro_worker_attach_new(sched, wrk);
	if (ret) {
		kfree(wrk);
		return ret;
	}
	coro_handoff_watch(wrk);
	args->out_id = wrk->slot->id;
	args->out_max_workers = CORO_HARD_WORKERS;
	args->out_word = READ_ONCE(wrk->slot->shm->word);
	return 0;
}

int coro_worker_detach(struct coro_sched *sched)
{
	struct coro_slot *slot = coro_worker_self(sched);
	struct coro_worker *wrk;

	if (!slot)
		return -ESRCH;
	wrk = slot->wrk;
	coro_handoff_unwatch(wrk);
	coro_worker_free(wrk);
	return 0;
}

/* Until @sb is told, the scheduler dead, a signal there or the time over. */
static int coro_worker_sleep(struct coro_sched *sched,
			     const struct coro_standby *sb, s64 deadline_ns)
{
	ktime_t until = ns_to_ktime(deadline_ns);
	bool ever = deadline_ns == CORO_NO_DEADLINE;
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		/* Pairs with the release in coro_handoff_tell_locked(). */
		if (smp_load_acquire(&sb->why))
			break;
		ret = coro_sched_check(sched, CORO_NEEDS_TABLE);
		if (!ret && signal_pending(current))
			ret = -ERESTARTSYS;
		if (ret)
			break;
		if (!schedule_hrtimeout(ever ? NULL : &until,
					HRTIMER_MODE_ABS)) {
			ret = -ETIMEDOUT;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}

int coro_worker_standby(struct coro_sched *sched,
			struct coro_standby_args *args)
{
	struct coro_standby sb = { .task = current };
	int ret;

	if (args->deadline_ns < 0)
		return -EINVAL;
	sb.slot = coro_worker_self(sched);
	if (!sb.slot)
		return -ESRCH;
	coro_handoff_enter(sched, &sb);
	ret = coro_worker_sleep(sched, &sb, args->deadline_ns);
	coro_handoff_leave(sched, &sb);
	/* It was told before it could say that it does not wait. */
	if (!sb.why)
		return ret;
	args->out_id = sb.id;
	args->out_why = sb.why;
	args->out_word = sb.word;
	return 0;
}

/* The slot of a number that was given, or NULL. It stays with the scheduler. */
static struct coro_slot *coro_worker_slot_of(struct coro_sched *sched, u64 id)
{
	if (id >= CORO_HARD_WORKERS)
		return NULL;
	id = array_index_nospec(id, CORO_HARD_WORKERS);
	/* Pairs with the release in coro_worker_slot_locked(). */
	return smp_load_acquire(&sched->workers.slots[id]);
}

int coro_worker_kick(struct coro_sched *sched, u32 id)
{
	struct coro_slot *slot = coro_worker_slot_of(sched, id);
	unsigned long flags;
	int ret = -ENOENT;

	if (!slot)
		return ret;
	raw_spin_lock_irqsave(&sched->handoff.lock, flags);
	if (slot->wrk) {
		coro_handoff_kick_locked(sched, slot);
		ret = 0;
	}
	raw_spin_unlock_irqrestore(&sched->handoff.lock, flags);
	return ret;
}

/* The caller cannot be told why its STANDBY ended: as if it had not. */
void coro_worker_unstandby(struct coro_sched *sched,
			   const struct coro_standby_args *args)
{
	struct coro_slot *slot;

	if (args->out_why == CORO_STANDBY_KICKED)
		slot = coro_worker_self(sched);
	else
		slot = coro_worker_slot_of(sched, args->out_id);
	if (WARN_ON_ONCE(!slot))
		return;
	if (args->out_why == CORO_STANDBY_KICKED)
		coro_worker_kick(sched, slot->id);
	else
		coro_handoff_pass_on(sched, slot, args->out_word);
}

struct page *coro_worker_page(struct coro_sched *sched, pgoff_t index)
{
	struct coro_slot *slot = coro_worker_slot_of(sched, index);

	return slot ? slot->page : NULL;
}

/* Each worker has a reference to the scheduler, so there is none. */
void coro_workers_fini(struct coro_workers *workers)
{
	WARN_ON_ONCE(workers->nr);
	for (u32 id = 0; id < workers->nr_slots; id++)
		coro_worker_slot_free(workers->slots[id]);
}

int coro_worker_setup(void)
{
	coro_worker_queue = alloc_workqueue("coro-worker", WQ_UNBOUND, 0);
	return coro_worker_queue ? 0 : -ENOMEM;
}

/* Waits for the release that put the module's last reference. */
void coro_worker_teardown(void)
{
	destroy_workqueue(coro_worker_queue);
}
