// SPDX-License-Identifier: MIT
/* Work that was given to a pool: started once by one of its loops, joined from anywhere. */
#include "pool.h"

#include <errno.h>
#include <stdio.h>

#include "memory.h"
#include "opts.h"

/*
 * Waits for the end of work that another thread may run; on the stack of the
 * coroutine. Once it is out of its list only the note can wake it.
 */
struct coro__work_wait {
	struct coro__wait wait;
	struct coro__note note;
	struct coro_loop *loop; /* it waits there */
	struct coro_work *work;
	struct list link; /* in work->waiters */
	bool over; /* the note is under way */
};

struct coro_work *coro_work_get(struct coro_work *w)
{
	CORO__ENTRY;

	__atomic_add_fetch(&w->refs, 1, __ATOMIC_RELAXED);
	return w;
}

void coro_work_put(struct coro_work *w)
{
	CORO__ENTRY;

	if (!w || __atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* With the lock: the waiter's loop may be gone once it has the note. */
static void coro__work_tell(struct coro__work_wait *ww)
{
	struct coro_loop *l = ww->loop;

	list_del(&ww->link);
	ww->over = true;
	coro__doorbell_hold(l);
	coro__post(l, &ww->note);
	coro__doorbell_drop(l);
}

void coro__work_finish(struct coro_work *w, enum coro__work_state state,
		       long value)
{
	coro__values_put(w->values);
	pthread_mutex_lock(&w->lock);
	if (w->lane)
		coro__lane_forget(w->lane, w);
	w->value = value;
	w->state = state;
	while (!list_empty(&w->waiters))
		coro__work_tell(container_of(w->waiters.next,
					     struct coro__work_wait, link));
	pthread_mutex_unlock(&w->lock);
	coro_work_put(w);
}

void coro__work_drop(struct coro_work *w, enum coro__work_state state,
		     long value)
{
	if (w->dispose)
		w->dispose(w->arg);
	coro__work_finish(w, state, value);
}

static void coro__work_ended(struct coro__loop *loop, struct coro__joiner *j)
{
	struct coro_work *w = container_of(j, struct coro_work, joiner);
	struct coro *c = w->coro;

	(void)loop;
	list_del(&w->link);
	/* Who has a reference can learn it. */
	if (__atomic_load_n(&w->refs, __ATOMIC_RELAXED) > 1)
		c->task.retrieved = true;
	coro__work_finish(w, CORO__WORK_ENDED, c->value);
	coro_put(c);
}

/* It is the lane's from now on: false if it was cancelled before. */
static bool coro__work_claim(struct coro_work *w, struct coro__lane *lane)
{
	bool cancelled;

	pthread_mutex_lock(&w->lock);
	cancelled = w->cancelled;
	if (!cancelled) {
		w->state = CORO__WORK_RUNNING;
		w->lane = lane;
	}
	pthread_mutex_unlock(&w->lock);
	return !cancelled;
}

/* In a context with the values of the giver's, of which the coroutine's is a copy. */
static int coro__work_spawn(struct coro__loop *loop, struct coro_work *w)
{
	const struct coro__spawn how = {
		.name = w->name,
		.origin = w->origin,
		.dispose = w->dispose,
	};
	struct coro__place *p = &loop->thread->place;
	struct coro__env env = { .values = w->values };
	struct coro__env *outer = p->cur;
	int err;

	p->cur = &env;
	err = coro__spawn(&w->coro, w->fn, w->arg, &how);
	p->cur = outer;
	return err;
}

struct coro *coro__work_begin(struct coro__loop *loop, struct coro_work *w)
{
	struct coro__lane *lane = loop->lane;
	int err;

	if (!coro__work_claim(w, lane)) {
		coro__work_drop(w, CORO__WORK_ENDED, -ECANCELED);
		return NULL;
	}
	err = coro__work_spawn(loop, w);
	if (err) {
		coro__work_drop(w, CORO__WORK_ENDED, err);
		return NULL;
	}
	coro__values_put(w->values);
	w->values = NULL;
	w->joiner.told = coro__work_ended;
	list_add_tail(&w->coro->task.joiners, &w->joiner.link);
	list_add_tail(&lane->running, &w->link);
	return w->coro;
}

static int coro__work_check(const struct coro_pool *p, long (*fn)(void *arg),
			    const struct coro_work_opts *o)
{
	if (!p || !fn || o->flags & ~CORO_WORK_F_LOOP)
		return -EINVAL;
	if (o->flags & CORO_WORK_F_LOOP ? o->loop >= p->nr : o->loop)
		return -EINVAL;
	/* In a child of fork() this is the parent's. */
	return p->forks == coro__forks() ? 0 : -EPIPE;
}

static struct coro_work *coro__work_new(const struct coro_work_opts *o)
{
	struct coro_work *w = coro__calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->refs = 1;
	w->forks = coro__forks();
	w->dispose = o->dispose;
	if (o->name)
		snprintf(w->name, sizeof(w->name), "%s", o->name);
	pthread_mutex_init(&w->lock, NULL);
	list_init(&w->link);
	list_init(&w->cancel);
	list_init(&w->waiters);
	return w;
}

static int coro__work_start(struct coro_work **ret_work, struct coro_pool *p,
			    long (*fn)(void *arg), void *arg,
			    const struct coro_work_opts *opts, void *origin)
{
	struct coro_work_opts o;
	struct coro__lane *lane;
	struct coro_work *w;
	bool pinned;
	int err;

	err = coro__opts_copy(&o, sizeof(o), opts);
	if (!err)
		err = coro__work_check(p, fn, &o);
	if (err)
		return err;
	w = coro__work_new(&o);
	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->arg = arg;
	w->origin = origin;
	w->values = coro__place_capture(coro__place_now(coro__thread()));
	pinned = o.flags & CORO_WORK_F_LOOP;
	lane = pinned ? &p->lanes[o.loop] : coro__pool_choose(p);
	if (ret_work)
		w->refs++;
	err = coro__lane_push(lane, w, pinned);
	/* It was just closed, perhaps for the end of its thread alone. */
	if (err && !pinned)
		err = coro__pool_push(p, w);
	if (!err) {
		if (ret_work)
			*ret_work = w;
		return 0;
	}
	coro__values_put(w->values);
	w->refs = 1;
	coro_work_put(w);
	return err;
}

int coro_work_start(struct coro_work **ret_work, struct coro_pool *p,
		    long (*fn)(void *arg), void *arg,
		    const struct coro_work_opts *opts)
{
	CORO__ENTRY;

	return coro__work_start(ret_work, p, fn, arg, opts,
				__builtin_return_address(0));
}

int coro_pool_spawn_named(struct coro_pool *p, long (*fn)(void *arg), void *arg,
			  const char *name)
{
	CORO__ENTRY;
	const struct coro_work_opts opts = { .size = sizeof(opts),
					     .name = name };

	return coro__work_start(NULL, p, fn, arg, &opts,
				__builtin_return_address(0));
}

#undef coro_pool_spawn
int coro_pool_spawn(struct coro_pool *p, long (*fn)(void *arg), void *arg)
{
	CORO__ENTRY;

	return coro__work_start(NULL, p, fn, arg, NULL,
				__builtin_return_address(0));
}

int coro_work_cancel(struct coro_work *w)
{
	CORO__ENTRY;
	int ret = 0;

	if (!w)
		return -EINVAL;
	/* In a child of fork() it has ended with its thread. */
	if (w->forks != coro__forks())
		return -ESRCH;
	/* The lane is there as long as what it runs has not ended. */
	pthread_mutex_lock(&w->lock);
	w->cancelled = true;
	if (w->state == CORO__WORK_RUNNING)
		coro__lane_cancel(w->lane, w);
	else if (w->state != CORO__WORK_QUEUED)
		ret = -ESRCH;
	pthread_mutex_unlock(&w->lock);
	return ret;
}

static void coro__work_note(struct coro__loop *loop, struct coro__note *note)
{
	coro__wake(loop,
		   &container_of(note, struct coro__work_wait, note)->wait, 0);
}

static void coro__work_interrupt(struct coro__loop *loop, struct coro__wait *w,
				 int why)
{
	struct coro__work_wait *ww =
		container_of(w, struct coro__work_wait, wait);
	bool over;

	pthread_mutex_lock(&ww->work->lock);
	over = ww->over;
	list_del(&ww->link);
	pthread_mutex_unlock(&ww->work->lock);
	if (!over)
		coro__wake(loop, w, why);
}

/* With the lock. */
static bool coro__work_is_over(const struct coro_work *w)
{
	return w->state == CORO__WORK_ENDED || w->state == CORO__WORK_DEAD;
}

/* With the lock, which it gives back. */
static int coro__work_wait(struct coro__loop *loop, struct coro_work *w,
			   int64_t deadline_ns)
{
	struct coro__work_wait ww = {
		.wait.interrupt = coro__work_interrupt,
		.note.run = coro__work_note,
		.loop = loop->shared,
		.work = w,
	};
	int err;

	list_add_tail(&w->waiters, &ww.link);
	pthread_mutex_unlock(&w->lock);
	coro__doorbell_listen(loop);
	loop->outside++;
	err = coro__park(loop, &ww.wait, deadline_ns, CORO_AWAITS_HANDLE, 0);
	loop->outside--;
	return err;
}

/* With the lock. */
static bool coro__work_is_self(const struct coro_work *w,
			       const struct coro__loop *loop)
{
	return w->state == CORO__WORK_RUNNING && w->lane == loop->lane &&
	       w->coro == loop->thread->task;
}

int coro_work_join(struct coro_work *w, long *ret_value, int64_t deadline_ns)
{
	CORO__ENTRY;
	struct coro__loop *loop;
	int err;

	if (!w)
		return -EINVAL;
	if (w->forks != coro__forks())
		return -EOWNERDEAD;
	err = coro__wait_begin(&loop);
	if (err)
		return err;
	pthread_mutex_lock(&w->lock);
	if (coro__work_is_self(w, loop))
		err = -EDEADLK;
	if (!err && !coro__work_is_over(w))
		err = coro__work_wait(loop, w, deadline_ns);
	else
		pthread_mutex_unlock(&w->lock);
	/* What has ended does not change any more. */
	if (!err && w->state == CORO__WORK_DEAD)
		err = -EOWNERDEAD;
	if (!err && ret_value)
		*ret_value = w->value;
	return err;
}

int coro_pool_call(struct coro_pool *p, long (*fn)(void *arg), void *arg,
		   const struct coro_work_opts *opts, long *ret_value)
{
	CORO__ENTRY;
	struct coro_scope shield;
	struct coro__loop *loop;
	struct coro_work *w;
	int err;

	err = coro__wait_begin(&loop);
	if (!err)
		err = coro__work_start(&w, p, fn, arg, opts,
				       __builtin_return_address(0));
	if (err)
		return err;
	err = coro_work_join(w, ret_value, CORO_NEVER);
	if (err == -ECANCELED) {
		coro_work_cancel(w);
		coro_scope_shield(&shield, CORO_NEVER);
		err = coro_work_join(w, ret_value, CORO_NEVER);
		coro_scope_leave(&shield, 0);
	}
	coro_work_put(w);
	return err;
}
