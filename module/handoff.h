/* SPDX-License-Identifier: GPL-2.0 */
/* A worker blocks: who is told, and how the kernel finds out. */
#ifndef CORO_HANDOFF_H
#define CORO_HANDOFF_H

#include <linux/coro.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct coro_sched;
struct coro_worker;

/* The number of a worker: comes with its first one and stays with the scheduler. */
struct coro_slot {
	u32 id;				/* constant */
	struct page *page;		/* constant */
	struct coro_shm_worker *shm;	/* its address */
	struct coro_worker *wrk;	/* changes under sched->lock and handoff.lock */
	/* Covered by handoff.lock. */
	struct list_head raised;	/* in handoff.raised, or empty */
	u64 raised_word;		/* that somebody was, or is to be, told of */
	bool kicked;
	struct coro_standby *standby;	/* its worker's, while it waits */
};

/* A worker that stands by; on its stack. */
struct coro_standby {
	struct coro_slot *slot;
	struct task_struct *task;
	struct list_head link;		/* in handoff.standbys until it is told */
	enum coro_standby_why why;	/* 0 until then; by release */
	u32 id;
	u64 word;
};

struct coro_handoff {
	/*
	 * Taken with interrupts off by all, because irq_work and timers take it,
	 * and never by what the scheduler calls. Under it threads are woken, so it
	 * comes before the locks of the scheduler.
	 */
	raw_spinlock_t lock;
	struct list_head raised;	/* coro_slot.raised: to be told */
	struct list_head standbys;	/* coro_standby.link, last come last */
	u32 nr_standbys;
	u64 total;			/* how often somebody was told */
};

void coro_handoff_init(struct coro_handoff *handoff);
void coro_handoff_watch(struct coro_worker *wrk);
u32 coro_handoff_count_current(void);
void coro_handoff_unwatch(struct coro_worker *wrk);
void coro_handoff_settle(struct coro_worker *wrk);

void coro_handoff_enter(struct coro_sched *sched, struct coro_standby *sb);
void coro_handoff_leave(struct coro_sched *sched, struct coro_standby *sb);
void coro_handoff_pass_on(struct coro_sched *sched, struct coro_slot *slot,
			  u64 word);
void coro_handoff_kick_locked(struct coro_sched *sched, struct coro_slot *slot);
void coro_handoff_hangup(struct coro_sched *sched);
void coro_handoff_teardown(void);

#endif /* CORO_HANDOFF_H */
