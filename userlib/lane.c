// SPDX-License-Identifier: MIT
/* A loop of a pool: the work that it has not started, and who else may do that. */
#include "pool.h"

#include <errno.h>

#include "sched.h"

/* Work that is started in one turn: what is ready waits no longer than for that. */
#define CORO__LANE_BATCH 32

int coro__lane_init(struct coro__lane *lane, struct coro_pool *p,
		    unsigned int index)
{
	lane->pool = p;
	lane->index = index;
	list_init(&lane->running);
	list_init(&lane->queue);
	list_init(&lane->pinned);
	list_init(&lane->cancels);
	return -pthread_mutex_init(&lane->lock, NULL);
}

void coro__lane_fini(struct coro__lane *lane)
{
	if (lane->shared)
		coro__doorbell_drop(lane->shared);
	pthread_mutex_destroy(&lane->lock);
}

void coro__lane_begin(struct coro__lane *lane, struct coro__loop *loop)
{
	loop->lane = lane;
	lane->shared = loop->shared;
	coro__doorbell_hold(lane->shared);
	coro__doorbell_listen(loop);
}

/* With the lock: what is read without it. */
static void coro__lane_count(unsigned int *count, int change)
{
	__atomic_store_n(count, *count + (unsigned int)change,
			 __ATOMIC_SEQ_CST);
}

static unsigned int coro__lane_counted(const unsigned int *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static bool coro__lane_is_closed(const struct coro__lane *lane)
{
	return __atomic_load_n(&lane->closed, __ATOMIC_ACQUIRE);
}

/* With the lock: whether it is taken. */
static bool coro__lane_add(struct coro__lane *lane, struct coro_work *w,
			   bool pinned)
{
	if (lane->closed)
		return false;
	list_add_tail(pinned ? &lane->pinned : &lane->queue, &w->link);
	coro__lane_count(pinned ? &lane->nr_own : &lane->nr_queued, 1);
	return true;
}

/*
 * Of work that is given and a lane that is about to sleep, one sees the other:
 *
 *	giver: nr_queued++		lane: asleep = true, nr_idle++
 *	giver: asleep? ring		lane: nr_queued of any? do not sleep
 *	giver: nr_idle? call one
 *
 * All of them are sequentially consistent. The lane that the work was given to is
 * rung if it sleeps. If it does not, who knows how long what it runs takes: then one
 * that sleeps is called, in coro__pool_call_idle().
 */
int coro__lane_push(struct coro__lane *lane, struct coro_work *w, bool pinned)
{
	struct coro_pool *p = lane->pool;
	bool taken;

	pthread_mutex_lock(&lane->lock);
	taken = coro__lane_add(lane, w, pinned);
	pthread_mutex_unlock(&lane->lock);
	if (!taken)
		return -EPIPE;
	if (!coro__doorbell_ring(lane->shared) && !pinned)
		coro__pool_call_idle(p);
	return 0;
}

/*
 * Of two who give work, the second may find that a lane is being called for the first,
 * and calls none:
 *
 *	giver: nr_queued++		lane: calling = NULL
 *	giver: calling? leave it	lane: looks at all queues
 *
 * If it was still being called then it looks later, and finds both. It takes one, and
 * calls another for the rest, in coro__lane_answer(). If the first lets its call go, as
 * the lane has got up by itself, that may sleep again by now and have looked before the
 * second came:
 *
 *	first: calling = lane
 *	first: asleep? no		lane: asleep = true
 *					lane: looks at all queues
 *	second: nr_queued++
 *	second: calling? leave it
 *	first: calling = NULL
 *
 * So the first begins anew. selftests/models/pool.pml goes through all orders.
 */
void coro__pool_call_idle(struct coro_pool *p)
{
	unsigned int left = p->nr;
	unsigned int i;

	if (!__atomic_load_n(&p->nr_idle, __ATOMIC_SEQ_CST))
		return;
	i = __atomic_fetch_add(&p->turn, 1, __ATOMIC_RELAXED) % p->nr;
	for (; left; left--, i = (i + 1) % p->nr) {
		struct coro__lane *lane = &p->lanes[i];
		struct coro__lane *expected = NULL;

		if (!coro__doorbell_sleeps(lane->shared))
			continue;
		if (!__atomic_compare_exchange_n(&p->calling, &expected, lane,
						 false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			return;
		if (coro__doorbell_ring(lane->shared))
			return;
		expected = lane;
		__atomic_compare_exchange_n(&p->calling, &expected, NULL, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		left = p->nr + 1;
	}
}

/* Whether more than @most wait in the queues of all lanes. */
static bool coro__pool_has_more(const struct coro_pool *p, unsigned int most)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < p->nr && nr <= most; i++)
		nr += coro__lane_counted(&p->lanes[i].nr_queued);
	return nr > most;
}

/* Takes the first out of one of the lists, which is among those of @count. */
static struct list *coro__lane_take(struct coro__lane *lane, struct list *list,
				    unsigned int *count)
{
	struct list *first = NULL;

	if (!coro__lane_counted(count))
		return NULL;
	pthread_mutex_lock(&lane->lock);
	if (!list_empty(list)) {
		first = list->next;
		list_del(first);
		coro__lane_count(count, -1);
	}
	pthread_mutex_unlock(&lane->lock);
	return first;
}

static struct coro_work *coro__lane_pop(struct coro__lane *lane)
{
	struct list *l = coro__lane_take(lane, &lane->queue, &lane->nr_queued);

	return l ? container_of(l, struct coro_work, link) : NULL;
}

static struct coro_work *coro__lane_pop_pinned(struct coro__lane *lane)
{
	struct list *l = coro__lane_take(lane, &lane->pinned, &lane->nr_own);

	return l ? container_of(l, struct coro_work, link) : NULL;
}

static struct coro_work *coro__lane_pop_cancel(struct coro__lane *lane)
{
	struct list *l = coro__lane_take(lane, &lane->cancels, &lane->nr_own);

	return l ? container_of(l, struct coro_work, cancel) : NULL;
}

void coro__lane_cancel(struct coro__lane *lane, struct coro_work *w)
{
	pthread_mutex_lock(&lane->lock);
	if (list_empty(&w->cancel)) {
		list_add_tail(&lane->cancels, &w->cancel);
		coro__lane_count(&lane->nr_own, 1);
	}
	pthread_mutex_unlock(&lane->lock);
	coro__doorbell_ring(lane->shared);
}

void coro__lane_forget(struct coro__lane *lane, struct coro_work *w)
{
	pthread_mutex_lock(&lane->lock);
	if (!list_empty(&w->cancel)) {
		list_del(&w->cancel);
		coro__lane_count(&lane->nr_own, -1);
	}
	pthread_mutex_unlock(&lane->lock);
}

/*
 * Who slept may have been woken for any of what waits, and the first that it runs may
 * take long: then another is called for the rest. So it is if its own wait behind that.
 */
void coro__lane_answer(struct coro__loop *loop)
{
	struct coro__lane *lane = loop->lane;
	bool busy;

	if (!lane->slept && !coro__lane_counted(&lane->nr_queued))
		return;
	lane->slept = false;
	busy = !list_empty(&loop->ready) || coro__lane_counted(&lane->nr_own);
	if (coro__pool_has_more(lane->pool, !busy))
		coro__pool_call_idle(lane->pool);
}

static struct coro_work *coro__lane_next(struct coro__lane *lane,
					 bool pinned_first)
{
	struct coro_work *w = NULL;

	if (pinned_first)
		w = coro__lane_pop_pinned(lane);
	if (!w)
		w = coro__lane_pop(lane);
	return w ? w : coro__lane_pop_pinned(lane);
}

/* Starts one, and runs it: false if there is none. */
static bool coro__lane_start(struct coro__loop *loop, bool pinned_first)
{
	struct coro_work *w = coro__lane_next(loop->lane, pinned_first);
	struct coro *c;

	if (!w)
		return false;
	c = coro__work_begin(loop, w);
	if (c) {
		list_del(&c->task.ready);
		coro__task_run(loop, c);
	}
	return true;
}

/*
 * One after the other, so that what has not begun can move while one computes. If that
 * hands the loop over, somebody else goes on with it elsewhere.
 */
void coro__lane_turn(struct coro__loop *loop)
{
	struct coro__lane *lane = loop->lane;
	struct coro_work *w;

	while ((w = coro__lane_pop_cancel(lane)))
		coro__scope_cancel(loop, &w->coro->task.root);
	for (int i = 0; i < CORO__LANE_BATCH; i++) {
		/* In turns, so that none of the two keeps the other waiting. */
		if (coro__lane_is_closed(lane) ||
		    !coro__lane_start(loop, i % 2))
			break;
	}
	__atomic_store_n(&lane->load,
			 (unsigned int)loop->thread->sched->nr_coroutines,
			 __ATOMIC_RELAXED);
}

static bool coro__lane_take_from(struct coro__lane *lane,
				 struct coro__lane *other)
{
	struct coro_work *w = coro__lane_pop(other);
	bool taken;

	if (!w)
		return false;
	pthread_mutex_lock(&lane->lock);
	taken = coro__lane_add(lane, w, false);
	pthread_mutex_unlock(&lane->lock);
	/* The pool was stopped in between. */
	if (!taken)
		coro__work_drop(w, CORO__WORK_ENDED, -ECANCELED);
	return taken;
}

bool coro__lane_look(struct coro__loop *loop)
{
	struct coro__lane *lane = loop->lane;
	struct coro_pool *p = lane->pool;

	if (coro__lane_counted(&lane->nr_own) ||
	    coro__lane_counted(&lane->nr_queued))
		return true;
	if (coro__lane_is_closed(lane))
		return false;
	for (unsigned int i = 1; i < p->nr; i++) {
		if (coro__lane_take_from(lane,
					 &p->lanes[(lane->index + i) % p->nr]))
			return true;
	}
	return false;
}

bool coro__lane_lie_down(struct coro__lane *lane)
{
	__atomic_add_fetch(&lane->pool->nr_idle, 1, __ATOMIC_SEQ_CST);
	if (coro__lane_counted(&lane->nr_own))
		return false;
	return coro__lane_is_closed(lane) ||
	       !coro__pool_has_more(lane->pool, 0);
}

void coro__lane_get_up(struct coro__lane *lane)
{
	struct coro_pool *p = lane->pool;

	__atomic_sub_fetch(&p->nr_idle, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&p->calling, __ATOMIC_SEQ_CST) == lane)
		__atomic_store_n(&p->calling, NULL, __ATOMIC_SEQ_CST);
	lane->slept = true;
}

void coro__lane_close(struct coro__lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	__atomic_store_n(&lane->closed, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lane->lock);
}

void coro__lane_end(struct coro__loop *loop)
{
	struct coro__lane *lane = loop->lane;
	struct coro_work *w;

	/* What its main deferred has run by now, and might have given work. */
	if (!lane->index)
		coro__pool_stop(lane->pool);
	coro__lane_close(lane);
	while ((w = coro__lane_pop_pinned(lane)))
		coro__work_drop(w, CORO__WORK_ENDED, -ECANCELED);
	while ((w = coro__lane_pop(lane)))
		coro__work_drop(w, CORO__WORK_ENDED, -ECANCELED);
}

int coro__pool_push(struct coro_pool *p, struct coro_work *w)
{
	int err = -EPIPE;

	for (unsigned int i = 0; i < p->nr && err; i++)
		err = coro__lane_push(&p->lanes[i], w, false);
	return err;
}

void coro__lane_abandon(struct coro__lane *lane)
{
	struct coro_pool *p = lane->pool;
	struct coro_work *w;

	coro__lane_close(lane);
	if (!lane->index)
		coro__pool_abandon(p);
	while ((w = coro__lane_pop_pinned(lane)))
		coro__work_drop(w, CORO__WORK_DEAD, -EOWNERDEAD);
	while ((w = coro__lane_pop(lane))) {
		if (coro__pool_push(p, w))
			coro__work_drop(w, CORO__WORK_ENDED, -ECANCELED);
	}
	while (!list_empty(&lane->running)) {
		w = container_of(lane->running.next, struct coro_work, link);
		list_del(&w->link);
		coro__work_finish(w, CORO__WORK_DEAD, -EOWNERDEAD);
	}
	coro_pool_put(p);
}
