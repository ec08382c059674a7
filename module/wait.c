// SPDX-License-Identifier: GPL-2.0
/* A command of io_uring that waits: parked, claimed by one, completed once. */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "job.h"
#include "mailbox.h"
#include "sched.h"
#include "target.h"
#include "trace.h"
#include "wait.h"

/*
 * Parked means queued. Whoever takes it off its queue, under events_lock, has
 * claimed it: that one completes it or parks it again, and nobody else touches
 * it meanwhile but to leave a note in expired or withdrawn. Until it is parked
 * for the first time it is its issuer's.
 */
struct coro_wait {
	struct io_uring_cmd *cmd;
	struct coro_job job; /* constant; refers to its target */
	struct mm_struct *mm; /* constant: whose memory job.addr is in */
	const void *ring; /* constant; with tag, its name */
	u64 tag; /* constant: the user_data */
	s64 deadline_ns; /* constant */
	int why; /* the claimer's: what to fail with, or 0 */
	int result; /* of a SEND that its claimer did; -EAGAIN of others */
	struct coro_message *msg; /* SEND: until it is delivered */

	/* Covered by events_lock. */
	bool queued;
	bool named; /* is in sched->waits */
	bool expired; /* its deadline has passed */
	bool withdrawn;
	struct list_head link; /* in a queue; the claimer's in a kick */
	struct rb_node by_name; /* in sched->waits */

	struct hrtimer timer;
};

static struct kmem_cache *coro_wait_cache;

int coro_wait_setup(void)
{
	coro_wait_cache = KMEM_CACHE(coro_wait, SLAB_ACCOUNT);
	return coro_wait_cache ? 0 : -ENOMEM;
}

void coro_wait_teardown(void)
{
	kmem_cache_destroy(coro_wait_cache);
}

static struct list_head *coro_wait_queue(const struct coro_job *job)
{
	switch (job->kind) {
	case CORO_JOB_PARK:
		return job->tgt ? &job->tgt->parks : &job->sched->mailbox.parks;
	case CORO_JOB_SEND:
		return &job->tgt->sends;
	default:
		return &job->tgt->joins;
	}
}

/* False: somebody else has claimed it. */
static bool coro_wait_claim_locked(struct coro_wait *w)
{
	lockdep_assert_held(&w->job.sched->events_lock);
	if (!w->queued)
		return false;
	w->queued = false;
	list_del_init(&w->link);
	trace_wait_wake(&w->job, w->tag);
	return true;
}

/* The name of a command among all of a scheduler, perhaps not its alone. */
struct coro_wait_name {
	const void *ring;
	u64 tag;
};

static int coro_wait_compare(const void *key, const struct rb_node *node)
{
	const struct coro_wait *w = rb_entry(node, struct coro_wait, by_name);
	const struct coro_wait_name *name = key;

	if (name->ring != w->ring)
		return name->ring < w->ring ? -1 : 1;
	return name->tag < w->tag ? -1 : name->tag > w->tag;
}

static bool coro_wait_less(struct rb_node *a, const struct rb_node *b)
{
	const struct coro_wait *w = rb_entry(a, struct coro_wait, by_name);
	struct coro_wait_name name = { .ring = w->ring, .tag = w->tag };

	return coro_wait_compare(&name, b) < 0;
}

static void coro_wait_name_locked(struct coro_wait *w)
{
	lockdep_assert_held(&w->job.sched->events_lock);
	if (!w->named)
		rb_add(&w->by_name, &w->job.sched->waits, coro_wait_less);
	w->named = true;
}

static void coro_wait_unname_locked(struct coro_wait *w)
{
	lockdep_assert_held(&w->job.sched->events_lock);
	if (w->named)
		rb_erase(&w->by_name, &w->job.sched->waits);
	w->named = false;
}

static int coro_wait_try(const struct coro_wait *w);
static void coro_wait_settle(struct coro_wait *w, int ret,
			     unsigned int issue_flags);

static struct coro_wait **coro_wait_of(struct io_uring_cmd *cmd)
{
	return (struct coro_wait **)cmd->pdu;
}

/* In the task that issued the command, or in its stead if that is gone. */
static void coro_wait_work(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct coro_wait *w = *coro_wait_of(cmd);
	int ret = w->result;

	if (ret == -EAGAIN)
		ret = coro_wait_try(w);
	coro_wait_settle(w, ret, issue_flags);
}

CORO_COMPAT_TASK_WORK(coro_wait_work);

/* Have a claimed one settled. Any context. */
static void coro_wait_run(struct coro_wait *w)
{
	coro_compat_cmd_run_in_task(w->cmd, coro_wait_work);
}

void coro_kick_init(struct coro_kick *kick)
{
	INIT_LIST_HEAD(&kick->waits);
	kick->nr_files = 0;
}

/* The files of a target have news. */
void coro_kick_files(struct coro_kick *kick, struct coro_target *tgt,
		     __poll_t events)
{
	u32 i = kick->nr_files;

	lockdep_assert_held(&tgt->sched->events_lock);
	if (i && kick->files[i - 1].tgt == tgt) {
		kick->files[i - 1].events |= events;
		return;
	}
	if (WARN_ON_ONCE(i == ARRAY_SIZE(kick->files)))
		return;
	kick->files[i].tgt = coro_target_get(tgt);
	kick->files[i].events = events;
	kick->nr_files++;
}

/* The longest waiting command of a queue; false if none waits. */
bool coro_kick_wait(struct coro_kick *kick, struct list_head *queue)
{
	struct coro_wait *w;

	w = list_first_entry_or_null(queue, struct coro_wait, link);
	if (!w)
		return false;
	coro_wait_claim_locked(w);
	list_add_tail(&w->link, &kick->waits);
	return true;
}

/*
 * The longest waiting SEND of a queue, whose message the caller delivers; NULL if
 * none waits. Its task has no part in that, for whoever waits behind it must not
 * depend on it:
 *
 *	reader			SEND of a ring		SEND behind it
 *				that nobody enters
 *	makes room, claims it
 *				never tries		waits, while there is room
 */
struct coro_message *coro_kick_send(struct coro_kick *kick,
				    struct list_head *queue)
{
	struct coro_message *msg;
	struct coro_wait *w;

	if (!coro_kick_wait(kick, queue))
		return NULL;
	w = list_last_entry(&kick->waits, struct coro_wait, link);
	msg = w->msg;
	w->msg = NULL;
	w->result = 0;
	return msg;
}

void coro_kick_run(struct coro_kick *kick)
{
	struct coro_wait *w, *next;

	list_for_each_entry_safe(w, next, &kick->waits, link) {
		list_del_init(&w->link);
		coro_wait_run(w);
	}
	for (u32 i = 0; i < kick->nr_files; i++) {
		struct coro_target *tgt = kick->files[i].tgt;

		if (kick->files[i].events & EPOLLIN)
			wake_up_poll(&tgt->wait_message, EPOLLIN | EPOLLRDNORM);
		if (kick->files[i].events & EPOLLOUT)
			wake_up_poll(&tgt->wait_room, EPOLLOUT | EPOLLWRNORM);
		coro_target_put(tgt);
	}
}

/* All of a queue that does not fill again, a few at a time. */
void coro_waits_wake_all(struct coro_sched *sched, struct list_head *queue)
{
	struct coro_kick kick __uninitialized;
	u32 nr;

	do {
		coro_kick_init(&kick);
		spin_lock_bh(&sched->events_lock);
		for (nr = 0; nr < CORO_BURST; nr++) {
			if (!coro_kick_wait(&kick, queue))
				break;
		}
		spin_unlock_bh(&sched->events_lock);
		coro_kick_run(&kick);
		cond_resched();
	} while (nr == CORO_BURST);
}

/* In softirq. Whoever claimed it before will look at expired. */
static enum hrtimer_restart coro_wait_expire(struct hrtimer *timer)
{
	struct coro_wait *w = container_of(timer, struct coro_wait, timer);
	bool claimed;

	spin_lock(&w->job.sched->events_lock);
	w->expired = true;
	claimed = coro_wait_claim_locked(w);
	spin_unlock(&w->job.sched->events_lock);
	if (claimed) {
		w->why = -ETIMEDOUT;
		coro_wait_run(w);
	}
	return HRTIMER_NORESTART;
}

static bool coro_wait_has_timer(const struct coro_wait *w)
{
	return w->deadline_ns != CORO_NO_DEADLINE;
}

static struct coro_wait *coro_wait_new(const struct coro_job *job,
				       struct io_uring_cmd *cmd,
				       s64 deadline_ns)
{
	struct coro_wait *w = xchg(&job->sched->spare_wait, NULL);

	if (!w)
		w = kmem_cache_alloc(coro_wait_cache, GFP_KERNEL);
	if (!w)
		return NULL;
	w->msg = NULL;
	if (job->kind == CORO_JOB_SEND) {
		w->msg = coro_mailbox_message_new(job->tgt, job->value);
		if (!w->msg) {
			kmem_cache_free(coro_wait_cache, w);
			return NULL;
		}
	}
	w->cmd = cmd;
	w->job = *job;
	/* The scheduler is held by the command's file. */
	if (w->job.tgt)
		coro_target_get(w->job.tgt);
	w->mm = current->mm;
	w->ring = coro_compat_cmd_ring(cmd);
	w->tag = coro_compat_cmd_tag(cmd);
	w->deadline_ns = deadline_ns;
	w->why = 0;
	w->result = -EAGAIN;
	w->queued = false;
	w->named = false;
	w->expired = false;
	w->withdrawn = false;
	INIT_LIST_HEAD(&w->link);
	if (coro_wait_has_timer(w))
		coro_compat_hrtimer_setup(&w->timer, coro_wait_expire,
					  CLOCK_MONOTONIC,
					  HRTIMER_MODE_ABS_SOFT);
	return w;
}

/*
 * By its claimer. The command goes with its completion, and the file that it
 * holds soon after.
 */
static void coro_wait_complete(struct coro_wait *w, int ret,
			       unsigned int issue_flags)
{
	struct coro_sched *sched = w->job.sched;

	trace_wait_complete(&w->job, w->tag, ret);
	spin_lock_bh(&sched->events_lock);
	WARN_ON_ONCE(w->queued);
	coro_wait_unname_locked(w);
	if (w->job.tgt && w->job.tgt->parker == w)
		w->job.tgt->parker = NULL;
	spin_unlock_bh(&sched->events_lock);
	if (coro_wait_has_timer(w))
		hrtimer_cancel(&w->timer);
	if (w->msg)
		coro_mailbox_message_free(w->msg);
	/* What woke it, and it did not take, is for the next in line. */
	if (ret < 0)
		coro_job_pass_on(&w->job);
	/* A cancel finds it until then, and after that nothing else holds these. */
	coro_sched_get(sched);
	coro_compat_cmd_done(w->cmd, ret, issue_flags);
	if (w->job.tgt)
		coro_target_put(w->job.tgt);
	w = xchg(&sched->spare_wait, w);
	if (w)
		kmem_cache_free(coro_wait_cache, w);
	coro_sched_put(sched);
}

/* With the scheduler's last reference. */
void coro_wait_free_spare(struct coro_sched *sched)
{
	if (sched->spare_wait)
		kmem_cache_free(coro_wait_cache, sched->spare_wait);
}

/*
 * Take the place of the one command that may wait for a context's messages. One
 * whose thread has ended will never be cancelled, and has to give way; it goes
 * to @ret_orphan, to be run.
 */
static bool coro_wait_take_place(struct coro_wait *w,
				 struct coro_wait **ret_orphan)
{
	struct coro_target *tgt = w->job.tgt;
	struct coro_wait *other;

	lockdep_assert_held(&w->job.sched->events_lock);
	if (w->job.kind != CORO_JOB_PARK || !tgt)
		return true;
	other = tgt->parker;
	if (other && other != w) {
		if (!coro_compat_cmd_is_orphan(other->cmd))
			return false;
		if (coro_wait_claim_locked(other))
			*ret_orphan = other;
	}
	tgt->parker = w;
	return true;
}

/*
 * Park it: 0, and then it is not the caller's any more. EAGAIN: it has not to
 * wait, or not any longer.
 *
 *	WAKE				PARK
 *					tries: no message
 *	events_lock: queues one,
 *	finds nobody parked
 *					events_lock: looks again, does not park
 */
static int coro_wait_publish(struct coro_wait *w, struct coro_wait **ret_orphan)
{
	struct list_head *queue = coro_wait_queue(&w->job);

	lockdep_assert_held(&w->job.sched->events_lock);
	if (w->withdrawn)
		w->why = -ECANCELED;
	else if (w->expired)
		w->why = -ETIMEDOUT;
	if (w->why || coro_job_ready_locked(&w->job))
		return -EAGAIN;
	if (!coro_wait_take_place(w, ret_orphan))
		return -EBUSY;
	list_add_tail(&w->link, queue);
	w->queued = true;
	coro_wait_name_locked(w);
	trace_wait_park(&w->job, w->tag);
	return 0;
}

/* What the job gives now; -EAGAIN if it must wait. */
static int coro_wait_try(const struct coro_wait *w)
{
	/*
	 * In a kworker, for a task that has ended, there is no memory. Who has
	 * closed the ring may use the memory for something else.
	 */
	if (current->mm != w->mm || coro_compat_cmd_ring_ends(w->cmd))
		return -ECANCELED;
	return coro_job_try(&w->job);
}

/*
 * By its claimer, who tried the job and got @ret: complete it, or let it wait.
 * The reason to stop counts only when the job has been tried after it came up,
 * so that no message and no result is lost to a cancel or a deadline.
 */
static void coro_wait_settle(struct coro_wait *w, int ret,
			     unsigned int issue_flags)
{
	struct coro_sched *sched = w->job.sched;
	struct coro_wait *orphan = NULL;

	while (ret == -EAGAIN) {
		if (w->why) {
			ret = w->why;
			break;
		}
		spin_lock_bh(&sched->events_lock);
		ret = coro_wait_publish(w, &orphan);
		spin_unlock_bh(&sched->events_lock);
		if (!ret) {
			if (orphan)
				coro_wait_run(orphan);
			return;
		}
		if (ret == -EAGAIN)
			ret = coro_wait_try(w);
	}
	coro_wait_complete(w, ret, issue_flags);
}

/*
 * A job was tried and has to wait. -EIOCBQUEUED: the command will be completed,
 * or was. Another error: it was not begun.
 */
int coro_wait_park(const struct coro_job *job, struct io_uring_cmd *cmd,
		   s64 deadline_ns, unsigned int issue_flags)
{
	struct coro_wait *w;

	if (!coro_compat_cmd_can_wait())
		return -EOPNOTSUPP;
	w = coro_wait_new(job, cmd, deadline_ns);
	if (!w)
		return -ENOMEM;
	/* A cancel that comes before it is parked finds it, and comes again. */
	*coro_wait_of(cmd) = w;
	coro_compat_cmd_mark_cancelable(cmd, issue_flags);
	if (coro_wait_has_timer(w))
		hrtimer_start(&w->timer, ns_to_ktime(deadline_ns),
			      HRTIMER_MODE_ABS_SOFT);
	coro_wait_settle(w, -EAGAIN, issue_flags);
	return -EIOCBQUEUED;
}

/*
 * End a command of the ring that @cmd is of, by its user_data. One that is
 * claimed for something else looks at withdrawn before it would park again.
 */
int coro_wait_withdraw(struct coro_sched *sched, struct io_uring_cmd *cmd,
		       u64 tag)
{
	struct coro_wait_name name = {
		.ring = coro_compat_cmd_ring(cmd),
		.tag = tag,
	};
	struct coro_wait *w = NULL;
	struct rb_node *node;
	bool claimed = false;

	spin_lock_bh(&sched->events_lock);
	node = rb_find(&name, &sched->waits, coro_wait_compare);
	if (node) {
		w = rb_entry(node, struct coro_wait, by_name);
		/* Once is enough: the next one finds others of that name. */
		coro_wait_unname_locked(w);
		w->withdrawn = true;
		claimed = coro_wait_claim_locked(w);
	}
	spin_unlock_bh(&sched->events_lock);
	if (claimed) {
		w->why = -ECANCELED;
		coro_wait_run(w);
	}
	return node ? 0 : -ENOENT;
}

/*
 * The ring or its task ends, or executes another program; uring_lock is held.
 * One that is claimed is completed by its claimer, or is asked again.
 */
void coro_wait_abort(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct coro_wait *w = *coro_wait_of(cmd);
	bool claimed;

	spin_lock_bh(&w->job.sched->events_lock);
	claimed = coro_wait_claim_locked(w);
	spin_unlock_bh(&w->job.sched->events_lock);
	if (claimed)
		coro_wait_complete(w, -ECANCELED, issue_flags);
}
