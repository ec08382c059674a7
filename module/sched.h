/* SPDX-License-Identifier: GPL-2.0 */
/* The scheduler: what one open file of the device owns, its areas, its death. */
#ifndef CORO_SCHED_H
#define CORO_SCHED_H

#include <linux/coro.h>
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

#include "arena.h"
#include "context.h"
#include "handoff.h"
#include "mailbox.h"
#include "worker.h"

struct coro_user;
struct coro_wait;

/* A scheduler goes through these in order, and never back. */
enum coro_sched_state {
	CORO_SCHED_NEW,
	CORO_SCHED_READY,
	CORO_SCHED_DEAD,
};

/* What a caller must find to be served. */
enum coro_sched_needs {
	CORO_NEEDS_NOTHING,	/* whatever state it is in */
	CORO_NEEDS_NEW,		/* not set up */
	CORO_NEEDS_READY,	/* set up, by anybody */
	CORO_NEEDS_OWNER,	/* set up, by this address space */
	CORO_NEEDS_TABLE,	/* and the table is mapped there */
};

/*
 * Lock order: mmap_lock, then lock, then events_lock. A vma is opened, closed
 * and faulted with mmap_lock held and takes the others, so under these no user
 * memory may be touched and no inode be locked. A timer takes events_lock in
 * softirq, so everybody else takes it with those off.
 */
struct coro_sched {
	/* One for the file, one for each vma, target and worker. */
	refcount_t refs;
	struct mutex lock;	/* contexts, areas, setup and death */
	/* Events, lives of contexts, targets, who waits, the arena's file. */
	spinlock_t events_lock;
	/*
	 * Changes under both locks, so that either keeps it as it is. READY
	 * publishes all that SETUP sets, which is constant from then on.
	 */
	enum coro_sched_state state;
	u32 nr_tables;			/* the owner's; changes under lock */

	u64 number;			/* constant: its name for people; no other had it */
	struct mm_struct *mm;		/* constant: the owner, to compare with */
	struct pid *owner;		/* constant: to name it */
	u32 max_contexts;		/* constant */
	struct page *header_page;	/* constant */
	struct coro_shm_header *header;	/* its address; written, never read */
	struct coro_user *user;		/* until death; covered by lock */

	struct coro_contexts ctxs;
	struct coro_arena arena;
	struct coro_mailbox mailbox;
	struct coro_workers workers;
	struct coro_handoff handoff;
	/* Covered by events_lock. */
	struct list_head targets;	/* coro_target.link; until death */
	struct rb_root waits;		/* coro_wait.by_name */

	struct coro_wait *spare_wait;	/* one to use again, or NULL; by xchg */
};

struct coro_sched *coro_sched_new(void);
struct coro_sched *coro_sched_get(struct coro_sched *sched);
void coro_sched_put(struct coro_sched *sched);
int coro_sched_check(struct coro_sched *sched, enum coro_sched_needs needs);
int coro_sched_setup(struct coro_sched *sched, struct coro_setup_args *args);
int coro_sched_mmap(struct coro_sched *sched, struct vm_area_struct *vma);
int coro_sched_stat(struct coro_sched *sched, struct coro_stat_args *stat);

void coro_sched_fdinfo(struct seq_file *m, struct file *file);

#endif /* CORO_SCHED_H */
