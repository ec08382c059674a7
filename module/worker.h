/* SPDX-License-Identifier: GPL-2.0 */
/* Workers: threads that are attached to a scheduler, their numbers and pages. */
#ifndef CORO_WORKER_H
#define CORO_WORKER_H

#include <linux/coro.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/mm_types.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "handoff.h"
#include "limits.h"

struct seq_file;

/*
 * An attached thread. It is freed after it was detached: by its thread, by that
 * one's exec, or by a kworker when the thread has ended.
 */
struct coro_worker {
	struct preempt_notifier notifier;
	struct irq_work blocks;		/* the thread has left its processor ... */
	struct irq_work ends;		/* ... for good */
	struct hrtimer debounce;
	struct work_struct release;
	struct coro_sched *sched;	/* with a reference */
	struct coro_slot *slot;
	struct task_struct *task;	/* with a reference: to compare with */
	pid_t tid;			/* constant: exec may change that of @task */
	bool watched;			/* until exec or the end; by the thread alone */
	/* Written by the thread as it leaves and comes back, with no lock. */
	u64 word;			/* published by @asleep */
	bool asleep;
	/* Covered by handoff.lock. */
	ktime_t since;			/* when it was found asleep */
	bool armed;			/* @debounce is to come */
};

struct coro_workers {
	struct coro_slot *slots[CORO_HARD_WORKERS]; /* set once, by release */
	u32 nr_slots;			/* changes under sched->lock */
	u32 nr;				/* likewise */
};

int coro_worker_attach(struct coro_sched *sched, struct coro_attach_args *args);
int coro_worker_detach(struct coro_sched *sched);
int coro_worker_standby(struct coro_sched *sched,
			struct coro_standby_args *args);
void coro_worker_unstandby(struct coro_sched *sched,
			   const struct coro_standby_args *args);
int coro_worker_kick(struct coro_sched *sched, u32 id);

void coro_worker_ended(struct coro_worker *wrk);
struct page *coro_worker_page(struct coro_sched *sched, pgoff_t index);
void coro_workers_fini(struct coro_workers *workers);

int coro_worker_setup(void);
void coro_worker_teardown(void);

#endif /* CORO_WORKER_H */
