// SPDX-License-Identifier: MIT
/* Waiting for objects of a program, in order, each wait claimed once. */
#include "waitq.h"

#include <errno.h>
#include <string.h>

int coro__waitq_init(struct coro_waiters *q, unsigned int flags)
{
	if (flags & ~CORO_SHARED)
		return -EINVAL;
	memset(q, 0, sizeof(*q));
	q->flags = flags;
	return flags & CORO_SHARED ? -pthread_mutex_init(&q->lock, NULL) : 0;
}

int coro__waitq_fini(struct coro_waiters *q)
{
	bool empty;

	coro__waitq_lock(q);
	empty = coro__waitq_empty(q);
	coro__waitq_unlock(q);
	if (!empty)
		return -EBUSY;
	if (q->flags & CORO_SHARED)
		pthread_mutex_destroy(&q->lock);
	return 0;
}

void coro__waitq_init_with(struct coro_waiters *q, struct coro_waiters *first)
{
	memset(q, 0, sizeof(*q));
	q->flags = first->flags;
	q->with = first;
}

/* With the queue of @arm locked. */
static void coro__arm_unlink(struct coro__arm *arm)
{
	struct coro_waiters *q = arm->queue;

	if (!arm->linked)
		return;
	arm->linked = false;
	*(arm->prev ? &arm->prev->next : &q->first) = arm->next;
	*(arm->next ? &arm->next->prev : &q->last) = arm->prev;
	q->nr--;
}

/* Takes all arms of a claimed ticket out. No queue is locked by the caller. */
static void coro__ticket_leave(struct coro__ticket *t)
{
	for (struct coro__arm *arm = t->arms; arm; arm = arm->also) {
		coro__waitq_lock(arm->queue);
		coro__arm_unlink(arm);
		coro__waitq_unlock(arm->queue);
	}
}

/*
 * Two givers on two queues, or one and a deadline, can both want the ticket:
 * whoever sets @winner has it, and all others go on to the next arm.
 */
static bool coro__ticket_claim(struct coro__ticket *t, struct coro__arm *arm)
{
	struct coro__arm *none = NULL;

	if (t->far)
		return __atomic_compare_exchange_n(&t->winner, &none, arm,
						   false, __ATOMIC_ACQ_REL,
						   __ATOMIC_ACQUIRE);
	if (t->winner)
		return false;
	t->winner = arm;
	/* All on one thread: counts of waiters are exact at once. */
	coro__ticket_leave(t);
	return true;
}

/* Stands for a winner when a wait was interrupted. */
static struct coro__arm coro__interrupted;

/* With one arm, under its queue's lock: who holds that knows who waits. */
static bool coro__ticket_cancel_one(struct coro__ticket *t,
				    struct coro__arm *arm)
{
	bool mine;

	coro__waitq_lock(arm->queue);
	mine = coro__ticket_claim(t, &coro__interrupted);
	if (mine)
		coro__arm_unlink(arm);
	coro__waitq_unlock(arm->queue);
	return mine;
}

bool coro__ticket_cancel(struct coro__ticket *t)
{
	bool mine;

	if (t->far && t->arms && !t->arms->also)
		return coro__ticket_cancel_one(t, t->arms);
	mine = coro__ticket_claim(t, &coro__interrupted);
	if (mine)
		coro__ticket_leave(t);
	return mine;
}

static void coro__ticket_interrupt(struct coro__loop *loop,
				   struct coro__wait *w, int why)
{
	struct coro__ticket *t = container_of(w, struct coro__ticket, wait);

	/* What is stuck for good is let go, firm or not. */
	if ((!t->firm || why == -EDEADLK) && coro__ticket_cancel(t))
		coro__wake(loop, w, why);
}

static void coro__ticket_note(struct coro__loop *loop, struct coro__note *note)
{
	struct coro__ticket *t = container_of(note, struct coro__ticket, note);

	coro__wake(loop, &t->wait, t->result);
}

void coro__ticket_init(struct coro__loop *loop, struct coro__ticket *t,
		       bool far)
{
	t->wait.interrupt = coro__ticket_interrupt;
	t->arms = NULL;
	t->winner = NULL;
	t->firm = false;
	t->far = far;
	t->task = loop->thread->task;
	if (!far)
		return;
	t->note.run = coro__ticket_note;
	t->loop = loop->shared;
	coro__doorbell_listen(loop);
}

int coro__ticket_add(struct coro__ticket *t, struct coro_waiters *q,
		     struct coro__arm *arm)
{
	struct coro__loop *loop = t->task->task.loop;

	if (!(q->flags & CORO_SHARED)) {
		if (q->first && q->loop != loop)
			return -EXDEV;
		q->loop = loop;
	}
	arm->ticket = t;
	arm->also = t->arms;
	t->arms = arm;
	arm->queue = q;
	arm->next = NULL;
	arm->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = arm;
	q->last = arm;
	arm->linked = true;
	q->nr++;
	return 0;
}

int coro__ticket_wait(struct coro__loop *loop, struct coro__ticket *t,
		      int64_t deadline_ns, enum coro_awaits kind,
		      const void *object)
{
	int ret;

	loop->outside += t->far;
	ret = coro__park(loop, &t->wait, deadline_ns, kind, (uintptr_t)object);
	loop->outside -= t->far;
	if (t->far)
		coro__ticket_leave(t);
	if (t->winner == &coro__interrupted)
		t->winner = NULL;
	return ret;
}

static int coro__waitq_wait_as(struct coro__loop *loop, struct coro_waiters *q,
			       struct coro__arm *arm, int64_t deadline_ns,
			       enum coro_awaits kind, bool firm)
{
	struct coro__ticket t;
	int err;

	coro__ticket_init(loop, &t, q->flags & CORO_SHARED);
	t.firm = firm;
	err = coro__ticket_add(&t, q, arm);
	coro__waitq_unlock(q);
	return err ? err :
		     coro__ticket_wait(loop, &t, deadline_ns, kind,
				       coro__waitq_first(q));
}

int coro__waitq_wait(struct coro__loop *loop, struct coro_waiters *q,
		     struct coro__arm *arm, int64_t deadline_ns,
		     enum coro_awaits kind)
{
	return coro__waitq_wait_as(loop, q, arm, deadline_ns, kind, false);
}

int coro__waitq_wait_firm(struct coro__loop *loop, struct coro_waiters *q,
			  struct coro__arm *arm, enum coro_awaits kind)
{
	return coro__waitq_wait_as(loop, q, arm, CORO_NEVER, kind, true);
}

/* One whose wait ended elsewhere holds nobody back. */
static struct coro__arm *coro__waitq_front(struct coro_waiters *q)
{
	struct coro__arm *arm;

	while ((arm = q->first) != NULL) {
		if (!__atomic_load_n(&arm->ticket->winner, __ATOMIC_ACQUIRE))
			break;
		coro__arm_unlink(arm);
	}
	return arm;
}

struct coro__arm *coro__waitq_claim(struct coro_waiters *q)
{
	struct coro__arm *arm;

	while ((arm = q->first) != NULL) {
		coro__arm_unlink(arm);
		if (coro__ticket_claim(arm->ticket, arm))
			return arm;
	}
	return NULL;
}

struct coro__arm *coro__waitq_claim_kind(struct coro_waiters *q,
					 unsigned int kind)
{
	struct coro__arm *arm;

	while ((arm = coro__waitq_front(q)) != NULL && arm->kind == kind) {
		coro__arm_unlink(arm);
		if (coro__ticket_claim(arm->ticket, arm))
			return arm;
	}
	return NULL;
}

int coro__waitq_give(struct coro__arm *arm, int result)
{
	struct coro__ticket *t = arm->ticket;
	struct coro_loop *l;
	int err;

	if (!t->far) {
		coro__wake(t->task->task.loop, &t->wait, result);
		return 0;
	}
	/* Once it has the note, it and its loop may be gone. */
	l = t->loop;
	t->result = result;
	coro__doorbell_hold(l);
	err = coro__post(l, &t->note);
	coro__doorbell_drop(l);
	return err;
}

bool coro__waitq_wake_first(struct coro_waiters *q, int result)
{
	struct coro__arm *arm;

	while ((arm = coro__waitq_claim(q)) != NULL) {
		if (!coro__waitq_give(arm, result))
			return true;
	}
	return false;
}

unsigned int coro__waitq_count(struct coro_waiters *q)
{
	unsigned int nr;

	coro__waitq_lock(q);
	nr = q->nr;
	coro__waitq_unlock(q);
	return nr;
}
