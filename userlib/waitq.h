/* SPDX-License-Identifier: MIT */
/* Waiting for objects of a program: a ticket per coroutine, an arm of it per object. */
#ifndef CORO_USERLIB_WAITQ_H
#define CORO_USERLIB_WAITQ_H

#include <coro/wait.h>
#include <errno.h>

#include "doorbell.h"

/*
 * One wait, with one arm or several. It ends once: by whoever claims it, that is
 * sets @winner, be it a giver from any thread, a deadline or a cancel. Then only
 * the claimer may wake it; the arms that are left in queues are skipped there,
 * and taken out by the waiter before its stack goes on.
 */
struct coro__ticket {
	struct coro__wait wait;
	struct coro__note note;
	const struct coro *task; /* who waits, for givers */
	struct coro_loop *loop; /* where it waits, if @far */
	struct coro__arm *arms; /* those that were added */
	struct coro__arm *winner; /* atomic */
	int result;
	bool far; /* an object of it is shared: claims come from any thread */
	bool firm; /* neither a cancel nor a deadline ends it, see coro__waitq_wait_firm() */
};

/* The lists of an object have one lock, that of the first. */
static inline struct coro_waiters *coro__waitq_first(struct coro_waiters *q)
{
	return q->with ? q->with : q;
}

static inline void coro__waitq_lock(struct coro_waiters *q)
{
	if (q->flags & CORO_SHARED)
		pthread_mutex_lock(&coro__waitq_first(q)->lock);
}

static inline void coro__waitq_unlock(struct coro_waiters *q)
{
	if (q->flags & CORO_SHARED)
		pthread_mutex_unlock(&coro__waitq_first(q)->lock);
}

/* For an object's init and fini. -EINVAL for unknown flags; -EBUSY if somebody waits. */
int coro__waitq_init(struct coro_waiters *q, unsigned int flags);
int coro__waitq_fini(struct coro_waiters *q);

/* One more list of the object whose first is @first; it needs no fini. */
void coro__waitq_init_with(struct coro_waiters *q, struct coro_waiters *first);

static inline bool coro__waitq_empty(const struct coro_waiters *q)
{
	return !q->first;
}

/*
 * With @q locked, which it unlocks: waits at its end until somebody gives, and
 * returns what that one said; or -ETIMEDOUT, -ECANCELED, -EDEADLK, -EXDEV. The
 * caller began a wait on @loop and set @arm's item and kind.
 */
int coro__waitq_wait(struct coro__loop *loop, struct coro_waiters *q,
		     struct coro__arm *arm, int64_t deadline_ns,
		     enum coro_awaits kind);

/*
 * As above, for what must come: only a giver ends it, or -EDEADLK, when nothing
 * is left that could give.
 */
int coro__waitq_wait_firm(struct coro__loop *loop, struct coro_waiters *q,
			  struct coro__arm *arm, enum coro_awaits kind);

/*
 * For several objects: coro__ticket_init(), coro__ticket_add() for each with its
 * queue locked (unlocked after), then coro__ticket_wait(). If one is shared, a
 * giver can claim it from the first unlock on. If an add fails,
 * coro__ticket_cancel() tells whether somebody had claimed it: then wait all the
 * same. Afterwards @t->winner is the arm if the result is the giver's, else NULL.
 */
void coro__ticket_init(struct coro__loop *loop, struct coro__ticket *t,
		       bool far);
int coro__ticket_add(struct coro__ticket *t, struct coro_waiters *q,
		     struct coro__arm *arm);
bool coro__ticket_cancel(struct coro__ticket *t);
int coro__ticket_wait(struct coro__loop *loop, struct coro__ticket *t,
		      int64_t deadline_ns, enum coro_awaits kind,
		      const void *object);

/*
 * With @q locked: claims who waits longest and takes it out; NULL if nobody
 * does. The caller fills arm->item and must call coro__waitq_give() next.
 */
struct coro__arm *coro__waitq_claim(struct coro_waiters *q);

/* As above, if who waits longest has that kind. */
struct coro__arm *coro__waitq_claim_kind(struct coro_waiters *q,
					 unsigned int kind);

/*
 * With the queue locked: a claimed one wakes with @result. -EPIPE if its loop
 * has ended: it never sees what it was given, which stays the caller's.
 */
int coro__waitq_give(struct coro__arm *arm, int result);

/* With @q locked: claims who waits longest and wakes it. False if nobody waits. */
bool coro__waitq_wake_first(struct coro_waiters *q, int result);

static inline bool coro__waitq_wake(struct coro_waiters *q, int result)
{
	return !coro__waitq_empty(q) && coro__waitq_wake_first(q, result);
}

/*
 * With @q locked, before the first claim: 0, or -EXDEV, for an object that is not
 * shared while coroutines of another thread's loop wait for it.
 */
static inline int coro__waitq_check(const struct coro_waiters *q)
{
	return coro__waitq_empty(q) || q->flags & CORO_SHARED ||
			       q->loop == coro__thread()->loop ?
		       0 :
		       -EXDEV;
}

/* How many wait. */
unsigned int coro__waitq_count(struct coro_waiters *q);

#endif /* CORO_USERLIB_WAITQ_H */
